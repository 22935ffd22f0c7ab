//! What went wrong, in the caller's words: facts from the libraries. `hints.rs` has the advice.
//!
//! Every failure has an exit code and, where there is something to type, a hint.

use std::path::{Path, PathBuf};

use vault::crypto::Hash;
use vault::{DeviceName, MemberName, ProfileName, SecretName, audit, config, exec, identity, interchange, store};

use super::exit::Exit;

/// Why a command did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error("{0}")]
    Vault(#[from] vault::Error),
    #[error("{0}")]
    Store(#[from] store::Error),
    #[error("{0}")]
    Config(#[from] config::Error),
    #[error("{0}")]
    Identity(#[from] identity::Error),
    #[error("{0}")]
    Audit(#[from] audit::Error),
    #[error("{0}")]
    Exec(#[from] exec::Error),
    #[error("{0}")]
    Import(#[from] interchange::Error),
    #[error("{0}")]
    Crypto(#[from] vault::crypto::Error),
    #[error("{0}")]
    Request(#[from] vault::team::RequestError),
    #[error("the request is for another vault: {0}")]
    OtherVaultsRequest(Hash),
    #[error(
        "{0} has a signing key in this vault that is not this machine's: somebody changed the request before it was approved, and can sign as {0}"
    )]
    OthersSign(DeviceName),
    #[error("this is the device you are using")]
    OwnDevice,
    #[error("there is no recovery device in this vault")]
    NoRecovery,
    #[error("that is not this vault's recovery code, or no longer; or the sealed identity is damaged")]
    WrongCode,
    #[error("no admin {0}")]
    NoAdmin(MemberName),
    #[error("profile {0} holds secrets")]
    ProfileNotEmpty(ProfileName),
    #[error("{0}")]
    Merge(vault::merge::MergeError),
    #[error("{0}")]
    Git(#[from] vault::git::Error),
    #[error("{0} is in no clone of git")]
    NoClone(String),
    #[error("nothing is to be settled: the vault file is in no merge that stopped")]
    NothingToSettle,
    #[error("{0} is in no conflict, or it is settled already")]
    NoSuchConflict(String),
    #[error("nothing was changed: {} is in a merge that stopped, and what it lacks of the other side would be lost", path.display())]
    Unsettled { path: PathBuf },
    #[error("{} was changed since the merge stopped", path.display())]
    ChangedSince { path: PathBuf },

    #[error("{message}")]
    Usage { message: String },
    #[error("a value is never an argument: it would be in the shell's history and visible to every process")]
    ValueAsArgument,
    #[error("no value: there is no terminal to ask on, or `--no-input` forbids it")]
    NoValue,
    #[error("no passphrase: there is no terminal to ask on, or `--no-input` forbids it")]
    NoPassphrase,
    #[error("the passphrase is empty")]
    EmptyPassphrase,
    #[error("the identity is kept in {0}, and is replaced only where it is kept in a file")]
    NotInFile(&'static str),
    #[error("nothing was entered")]
    NothingEntered,
    #[error("the value is empty")]
    EmptyValue,
    #[error("the two are not the same; nothing was changed")]
    NotTheSame,
    #[error("no such provider")]
    UnknownProvider,
    #[error("{0} changes how programs load or run, so it is no name for a secret")]
    DangerousName(SecretName),

    #[error("there is no vault at {}", path.display())]
    NoVaultFile { path: PathBuf },
    #[error("{0}")]
    NotAVaultFile(store::Error),
    #[error("{} exists already", path.display())]
    VaultExists { path: PathBuf },
    #[error("{} was not used on this device before, and its fingerprint {id} was not confirmed", path.display())]
    UnknownPlace { path: PathBuf, id: Hash },
    #[error("{} is another vault than before: this place has {known}", path.display())]
    OtherVault { path: PathBuf, known: Hash },
    #[error("the vault here is {id}, which is not what VLT_VAULT_ID asks for")]
    NotTheVaultAsked { id: Hash },
    #[error("no vault was made at {}: other working trees of this clone have the vault {id}", path.display())]
    CloneHasVault { path: PathBuf, id: String },
    #[error("{} is known as two different vaults, one by its path and one by its clone", path.display())]
    ConflictingPlaces { path: PathBuf },
    #[error("nothing was changed: {0}")]
    BehindForWriting(vault::Warning),
    #[error("nothing was changed: a person has to accept the older file, on a terminal")]
    GoingBackUnconfirmed,
    #[error("no profile {asked}")]
    NoProfile { asked: ProfileName, there: Vec<String> },
    #[error("no secret {name} in profile {profile}")]
    NoSecret { profile: ProfileName, name: SecretName, meant: Option<String> },
    #[error("no secret {name} in profile {profile}; it is one of {from}, which that extends")]
    NotItsOwn { profile: ProfileName, name: SecretName, from: ProfileName },
    #[error("{0} has no earlier value")]
    NoPrevious(SecretName),
    #[error("{name} is not for {program}: its scope names other programs")]
    OutOfScope { name: SecretName, program: String },

    #[error("overdue for rotation, and the policy refuses it: {}", names(.0))]
    Stale(Vec<SecretName>),
    #[error("{0}")]
    Rotator(#[from] vault::rotation::rotator::Error),
    #[error("{what} failed: {why}")]
    Program { what: String, why: String },
    #[error("the new value was not promoted, it stays pending: {error}")]
    NotPromoted { name: SecretName, error: Box<CommandError> },
    #[error("neither systemd nor cron runs for this user")]
    NoScheduler,
    #[error("no vault file here; reminders are installed for {}", file.display())]
    ScheduledElsewhere { file: PathBuf },
    #[error("{name} is a key of {}, who makes them: a generated value would not work there", provider.name)]
    MadeByProvider { name: SecretName, provider: &'static vault::provider::Provider },
    #[error("nothing verified the pending value of {0}")]
    Unverified(SecretName),
    #[error("the pending value of {0} is not the one that was verified")]
    OtherPending(SecretName),
    #[error("{name} in profile {profile} comes from profile {from}, which it extends")]
    Inherited { name: SecretName, profile: ProfileName, from: ProfileName },
    #[error("{0} still has a replaced value that was not revoked")]
    NotRevoked(SecretName),
    #[error("{0} has no replaced value that waits to be revoked")]
    NothingToRevoke(SecretName),
    #[error("several replaced values of {name} wait to be revoked: versions {}", listed(.versions))]
    SeveralToRevoke { name: SecretName, versions: Vec<u64> },

    #[error("no editor: neither VISUAL nor EDITOR is set")]
    NoEditor,
    #[error("the editor was not found: {editor}")]
    EditorMissing { editor: String },
    #[error("nothing was changed: {first}{}", and_more(*.more))]
    Unreadable { first: String, more: usize },
    #[error("nothing was changed: {}", clashes(.0))]
    Clash(Vec<(SecretName, Option<DeviceName>)>),
    #[error("nothing was changed: every line of profile {0} is gone")]
    EverythingGone(ProfileName),
    #[error("no clipboard: no program for it, and no terminal")]
    NoClipboard,
    #[error("the value is too long for the clipboard of a terminal")]
    TooLongToCopy,
    #[error("interrupted; nothing was changed")]
    Interrupted,
    #[error("cannot read the terminal: {0}")]
    Terminal(std::io::Error),
    #[error("cannot read standard input: {0}")]
    StandardInput(std::io::Error),
    #[error("cannot write to standard output: {0}")]
    StandardOutput(std::io::Error),
    #[error("cannot tell the working directory: {0}")]
    WorkingDirectory(std::io::Error),
    #[error("VLT_AUDIT is neither a file, fd:N of an open descriptor, nor stderr")]
    AuditSink,
    #[error("no audit logs in {}", directory.display())]
    NoLogs { directory: PathBuf },
    #[error("the log that this device goes on with is whole: there is no reason to begin again")]
    LogIsWhole,
    #[error("not confirmed; nothing was changed")]
    NotConfirmed,
    #[error("neither a file with a checkpoint nor a commit with an audit head in its history")]
    NoAnchors,
    #[error("the checkpoint is of another vault: {id}")]
    OtherCheckpoint { id: Hash },
    #[error("git did not answer")]
    GitAnswer,
    #[error("what was stored could not be read back by a new process, so nothing was changed")]
    NotReadBack,
    #[error("this machine's identity is kept in {}", path.display())]
    KeptElsewhere { path: PathBuf },
    #[error("this device has an identity: {0}")]
    IdentityExists(identity::Origin),
    #[error("no identity is kept in {0}")]
    NothingKept(identity::Origin),
    #[error("{0} holds another identity")]
    OtherKept(identity::Origin),
    #[error("internal error: {0}")]
    Internal(&'static str),
    /// Everything is said already.
    #[error("")]
    Said(Exit),
}

fn names(names: &[SecretName]) -> String {
    names.iter().map(SecretName::as_str).collect::<Vec<_>>().join(", ")
}

fn and_more(count: usize) -> String {
    if count > 0 { format!(", and {count} more") } else { String::new() }
}

fn listed(versions: &[u64]) -> String {
    versions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// What happened to secrets while somebody edited them.
fn clashes(clashes: &[(SecretName, Option<DeviceName>)]) -> String {
    let one = |(name, by): &(SecretName, Option<DeviceName>)| match by {
        Some(by) => format!("{name} was set by {by} in the meantime"),
        None => format!("{name} was removed in the meantime"),
    };
    clashes.iter().map(one).collect::<Vec<_>>().join(", ")
}

impl CommandError {
    pub(crate) fn usage(message: String) -> Self {
        Self::Usage { message }
    }

    /// What reading an answer failed with.
    pub(crate) fn terminal(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::UnexpectedEof { Self::NothingEntered } else { Self::Terminal(error) }
    }

    pub(crate) fn damaged_places() -> Self {
        Self::Internal("the list of known places holds something that is no vault id")
    }

    /// A word for the audit log: fixed text, whatever the message says.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Vault(vault::Error::Rejected(rejected)) => rejected.kind.word(),
            Self::Vault(vault::Error::NoProfile(_)) | Self::NoProfile { .. } => "no-profile",
            Self::Vault(vault::Error::NoSecret { .. }) | Self::NoSecret { .. } | Self::NotItsOwn { .. } => "no-secret",
            Self::Vault(vault::Error::NotAMember | vault::Error::Former(_)) => "not-a-member",
            Self::Vault(vault::Error::NoGrant { .. }) => "no-grant",
            Self::Vault(vault::Error::NoWrite { .. }) => "no-write",
            Self::Vault(vault::Error::NotAdmin(_)) => "not-admin",
            Self::Vault(vault::Error::NotAllowed(_)) => "not-allowed",
            Self::Vault(vault::Error::Pin(_)) | Self::BehindForWriting(_) | Self::GoingBackUnconfirmed => {
                "rollback-or-fork"
            }
            Self::OtherVault { .. } | Self::NotTheVaultAsked { .. } | Self::ConflictingPlaces { .. } => "other-vault",
            Self::UnknownPlace { .. } => "unknown-place",
            Self::OthersSign(_) => "other-signing-key",
            Self::Identity(_)
            | Self::WrongCode
            | Self::Vault(vault::Error::Unlock(_) | vault::Error::NeedsIdentity) => "not-unlocked",
            Self::OutOfScope { .. } => "out-of-scope",
            Self::Stale(_) => "overdue",
            Self::Vault(vault::Error::SameValue { .. }) => "same-value",
            Self::Vault(vault::Error::Pending(_)) => "pending",
            Self::Rotator(_) => "rotator-answer",
            Self::Program { .. } => "program-failed",
            Self::Unverified(_) => "unverified",
            Self::DangerousName(_) => "dangerous-name",
            Self::Clash(_) => "conflict",
            Self::Exec(exec::Error::NotFound { .. }) => "not-found",
            Self::Exec(exec::Error::NotExecutable { .. }) => "not-executable",
            Self::Exec(_) => "not-started",
            Self::Store(store::Error::Busy { .. }) | Self::Vault(vault::Error::Store(store::Error::Busy { .. })) => {
                "locked"
            }
            Self::Store(_) | Self::Vault(vault::Error::Store(_)) => "io",
            _ => "error",
        }
    }

    /// The exit code.
    pub(crate) fn exit(&self) -> Exit {
        use vault::Error as V;
        use vault::merge::MergeError;
        match self {
            Self::Said(exit) => *exit,
            Self::Usage { .. }
            | Self::ValueAsArgument
            | Self::NoValue
            | Self::MadeByProvider { .. }
            | Self::NoPassphrase
            | Self::EmptyPassphrase
            | Self::NothingEntered
            | Self::NotInFile(_)
            | Self::Vault(V::Sealed(_))
            | Self::EmptyValue
            | Self::NotTheSame
            | Self::UnknownProvider
            | Self::AuditSink
            | Self::LogIsWhole
            | Self::NotConfirmed
            | Self::NoEditor
            | Self::NoClipboard
            | Self::TooLongToCopy
            | Self::EditorMissing { .. }
            | Self::Unreadable { .. }
            | Self::EverythingGone(_)
            | Self::NoAnchors
            | Self::Import(_)
            | Self::Request(_)
            | Self::OtherVaultsRequest(_)
            | Self::ProfileNotEmpty(_)
            | Self::Vault(V::AdminHasAll(_))
            | Self::Vault(V::Bound(_) | V::Crypto(vault::crypto::Error::UnsupportedRecipient))
            | Self::Inherited { .. }
            | Self::SeveralToRevoke { .. }
            | Self::KeptElsewhere { .. }
            | Self::IdentityExists(_)
            | Self::VaultExists { .. } => Exit::Usage,
            Self::NotPromoted { error, .. } => error.exit(),
            Self::Vault(
                V::NoProfile(_)
                | V::NoSecret { .. }
                | V::NoMember(_)
                | V::NoDevice(_)
                | V::NoPending(_)
                | V::NoVersion { .. }
                | V::NotRemoved(_),
            )
            | Self::NoRecovery
            | Self::NothingToRevoke(_)
            | Self::NoAdmin(_)
            | Self::NoVaultFile { .. }
            | Self::ScheduledElsewhere { .. }
            | Self::NoProfile { .. }
            | Self::NoSecret { .. }
            | Self::NotItsOwn { .. }
            | Self::NoPrevious(_)
            | Self::NoLogs { .. }
            | Self::Audit(audit::Error::Empty)
            | Self::Config(config::Error::NotFound { .. }) => Exit::Missing,
            Self::Vault(V::NotAMember | V::Former(_) | V::NoGrant { .. } | V::Unlock(_) | V::NeedsIdentity)
            | Self::Identity(_)
            | Self::NothingKept(_)
            | Self::WrongCode => Exit::Locked,
            Self::Vault(V::Rejected(_) | V::UsedUp { .. })
            | Self::Config(config::Error::Damaged { .. } | config::Error::TooNew { .. }) => Exit::Untrusted,
            Self::Vault(V::Pin(vault::PinError::Store(store::Error::Busy { .. })))
            | Self::Config(config::Error::Store(store::Error::Busy { .. })) => Exit::Conflict,
            Self::Vault(V::Pin(vault::PinError::Store(_))) => Exit::Io,
            Self::Vault(V::Pin(_))
            | Self::NotAVaultFile(_)
            | Self::UnknownPlace { .. }
            | Self::OtherVault { .. }
            | Self::NotTheVaultAsked { .. }
            | Self::ConflictingPlaces { .. }
            | Self::OthersSign(_)
            | Self::CloneHasVault { .. }
            | Self::BehindForWriting(_)
            | Self::GoingBackUnconfirmed
            | Self::OtherCheckpoint { .. }
            | Self::Audit(audit::Error::Tampered { .. } | audit::Error::Checkpoint) => Exit::Untrusted,
            Self::Merge(MergeError::Side { .. } | MergeError::Unrelated | MergeError::Behind(_)) => Exit::Untrusted,
            Self::NothingToSettle | Self::NoSuchConflict(_) | Self::NoClone(_) => Exit::Missing,
            Self::Merge(MergeError::Team { .. })
            | Self::Unsettled { .. }
            | Self::ChangedSince { .. }
            | Self::Git(_) => Exit::Conflict,
            Self::Vault(
                V::NoWrite { .. } | V::NotAdmin(_) | V::NotAdminOnBoth(_) | V::NotAllowed(_) | V::Unfit { .. },
            )
            | Self::OwnDevice
            | Self::OutOfScope { .. }
            | Self::DangerousName(_)
            | Self::Stale(_)
            | Self::Unverified(_) => Exit::Forbidden,
            Self::Vault(
                V::NameUsed { .. }
                | V::SecretExists { .. }
                | V::SameValue { .. }
                | V::Pending(_)
                | V::Store(store::Error::Busy { .. }),
            )
            | Self::OtherPending(_)
            | Self::OtherKept(_)
            | Self::NotRevoked(_)
            | Self::Clash(_)
            | Self::Store(store::Error::Busy { .. })
            | Self::Audit(audit::Error::Store(store::Error::Busy { .. })) => Exit::Conflict,
            Self::Exec(exec::Error::NotFound { .. } | exec::Error::InterpreterNotFound { .. }) => Exit::NotFound,
            Self::Exec(exec::Error::NotExecutable { .. } | exec::Error::Refused { .. }) => Exit::NotExecutable,
            Self::Config(
                config::Error::UnknownSetting
                | config::Error::BadSetting { .. }
                | config::Error::NotText { .. }
                | config::Error::NotDescriptor { .. },
            ) => Exit::Usage,
            _ => Exit::Io,
        }
    }

    /// The file or directory that the system would not let us use.
    pub(crate) fn unusable_path(&self) -> Option<&Path> {
        match self {
            Self::Store(error)
            | Self::Vault(vault::Error::Store(error) | vault::Error::Pin(vault::PinError::Store(error)))
            | Self::Config(config::Error::Store(error))
            | Self::Audit(audit::Error::Store(error)) => match error {
                store::Error::Io { path, .. } => Some(path),
                _ => None,
            },
            _ => None,
        }
    }
}

impl From<vault::merge::MergeError> for CommandError {
    fn from(error: vault::merge::MergeError) -> Self {
        match error {
            vault::merge::MergeError::Vault(error) => Self::Vault(error),
            other => Self::Merge(other),
        }
    }
}

impl From<vault::Rejected> for CommandError {
    fn from(rejected: vault::Rejected) -> Self {
        Self::Vault(rejected.into())
    }
}
