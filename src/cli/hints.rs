//! What to type after an error: advice for the facts of `error.rs`, where there is any.

use std::borrow::Cow;

use vault::{Kind, SecretName, audit, config, exec, identity, store};

use super::error::CommandError;
use super::ui::typed;

impl CommandError {
    /// What to type, or what to know, next.
    pub(crate) fn hint(&self) -> Option<Cow<'static, str>> {
        use vault::Error as V;
        let text: Cow<'static, str> = match self {
            Self::Config(config::Error::NotFound { why: config::Stop::Owner { .. }, .. }) => {
                "name the file with `--vault FILE` or VLT_FILE, or run as the owner of the directory".into()
            }
            Self::Config(config::Error::NotFound { .. }) | Self::NoVaultFile { .. } => {
                "make one with `vault init`, or name it with `--vault FILE`".into()
            }
            Self::Config(config::Error::NoHome { variable, .. }) => {
                format!("set {variable} to a directory that can be written to").into()
            }
            Self::NotAVaultFile(store::Error::NotRegular { kind: store::Kind::Symlink, .. }) => {
                "name the file it leads to, if that is the vault: `--vault FILE`".into()
            }
            Self::NotAVaultFile(store::Error::NotRegular { .. }) => {
                "name the vault file with `--vault FILE`, or move what is there away and take the file back from git".into()
            }
            Self::NotAVaultFile(store::Error::TooLarge { .. }) => {
                "no vault writes such a file: restore it from git (`git log` shows its versions)".into()
            }
            Self::ValueAsArgument => {
                "type `vault set NAME` and enter it there, or pipe it into `vault set NAME -`".into()
            }
            Self::NoValue => "pipe it in, with `-` behind the name".into(),
            Self::MadeByProvider { name, .. } => {
                format!("make one there and type `vault rotate {name}`, or pass `--run CMD` or `--verify CMD`").into()
            }
            Self::NoPassphrase => "give it through VLT_PASSPHRASE_FILE or VLT_PASSPHRASE_FD".into(),
            Self::EmptyValue => "pass `--allow-empty` if that is meant".into(),
            Self::UnknownProvider => {
                "known are openai, anthropic, aws, github, stripe and others: see docs/providers.md".into()
            }
            Self::DangerousName(name) if exec::names::credential(name.as_str()) => {
                "such names are `vault`'s own, and none is ever given to a program".into()
            }
            Self::DangerousName(name) => format!(
                "if it is meant, pass `--allow-name {name}`, or `vault config allow_names {name}` on this machine"
            )
            .into(),
            Self::VaultExists { .. } => {
                "`vault init` never touches an existing vault; `vault list` shows what is in it".into()
            }
            Self::UnknownPlace { id, .. } => {
                format!("compare with a teammate and type `vault trust`; without a terminal set VLT_VAULT_ID={id}")
                    .into()
            }
            Self::Import(vault::interchange::Error::Utf16) => {
                "`iconv -f UTF-16 -t UTF-8 FILE | vault import -` takes it as it is".into()
            }
            Self::OtherVault { .. } => {
                "somebody may have replaced the file; if it was meant, accept it with `vault trust`, on a terminal".into()
            }
            Self::ConflictingPlaces { .. } => "say which one is right with `vault trust`, on a terminal".into(),
            Self::CloneHasVault { .. } => {
                "take its `vault.toml` from the branch that has it; a second vault belongs into a directory of its own"
                    .into()
            }
            Self::BehindForWriting(_) => {
                "pull or merge the newer file, or commit it in the worktree where it was written; \
                 if going back is meant, accept this one with `vault trust`"
                    .into()
            }
            Self::NoProfile { there, .. } => format!("there are: {}", there.join(", ")).into(),
            Self::NoSecret { meant: Some(meant), .. } => format!("did you mean {meant}?").into(),
            Self::NoSecret { .. } => "`vault list` shows the names".into(),
            Self::OutOfScope { name, .. } => {
                format!("`vault show {name}` shows its scope; `vault set {name} --command PROGRAM` changes it").into()
            }
            Self::Stale(names) => format!(
                "rotate it: `vault rotate {}`; to run this once all the same: `--allow-stale --reason TEXT`, on record",
                names.first().map_or("NAME", SecretName::as_str)
            )
            .into(),
            Self::NotPromoted { name, .. } => format!(
                "the current value is as it was; `vault rotate {name} --resume` tries again, `--abort` gives it up"
            )
            .into(),
            Self::Vault(V::Pending(name)) => {
                format!("finish it with `vault rotate {name} --resume`, or give it up with `--abort`").into()
            }
            Self::Vault(V::SameValue { .. }) => "make a new one at its provider; nothing was changed".into(),
            Self::Vault(V::NoPending(name)) => format!("`vault rotate {name}` begins a rotation").into(),
            Self::Vault(V::NoVersion { name, .. }) => format!("`vault history {name}` lists what is kept").into(),
            Self::Vault(V::Unfit { .. }) => "`--force` goes back to it all the same".into(),
            Self::Vault(V::NotRemoved(name)) => {
                format!("a secret that is there leaves the list by its rotation: `vault rotate {name}`").into()
            }
            Self::Inherited { from, .. } => format!("rotate it there: pass `-p {from}`").into(),
            Self::NotItsOwn { from, .. } => format!("pass `-p {from}`, if it is meant for all that extend {from}").into(),
            Self::NotRevoked(name) => {
                format!("revoke it first: `vault rotate {name} --revoke --run CMD`, or by hand and then `--revoked`")
                    .into()
            }
            Self::SeveralToRevoke { name, versions } => {
                let [one, ..] = versions[..] else { return None };
                format!("say which of them was: `vault rotate {name} --revoked={one}`, or several with commas").into()
            }
            Self::ScheduledElsewhere { file } => {
                format!("name it with `--vault {}`, or pass `--all`", typed(file)).into()
            }
            Self::NoScheduler => "`vault schedule run` stays in the foreground instead".into(),
            Self::Unverified(_) => "pass `--run CMD` or `--verify CMD` to prove it, or `--unverified` to go on".into(),
            Self::Rotator(_) => "docs/rotation.md, section 4, says what a rotator prints".into(),
            Self::Vault(V::Rejected(rejected)) => return hint_for(rejected.kind).map(Cow::Borrowed),
            Self::Vault(V::NotAMember) => "type `vault join`, and send what it prints to an admin of the vault".into(),
            Self::Vault(V::Former(_)) => {
                "ask an admin; to come back, move the old identity away (`vault identity where`) and type `vault join --member NAME`: no key and no name that left is ever let in again".into()
            }
            Self::Vault(V::NoMember(_) | V::NoDevice(_)) => "`vault member list` shows who there is".into(),
            Self::Vault(V::AdminHasAll(name)) => {
                format!("take the role first: `vault member revoke {name} --admin`").into()
            }
            Self::ProfileNotEmpty(_) => "pass `--force` if that is meant".into(),
            Self::WrongCode => {
                "every use and every admin that leaves replaces it: pull, and take the newest code".into()
            }
            Self::NoAdmin(_) => "the code enrols a new device of an admin: name one with `--member NAME`".into(),
            Self::Vault(V::Crypto(vault::crypto::Error::UnsupportedRecipient)) => {
                if cfg!(feature = "ssh") {
                    "ask for one that begins with age1 and holds no other 1, as `age-keygen` makes them, or a key of the kind ssh-ed25519".into()
                } else {
                    "ask for one that begins with age1 and holds no other 1, as `age-keygen` makes them; keys of the kind ssh-ed25519 need a build with the feature `ssh`".into()
                }
            }
            Self::OthersSign(device) => {
                format!("tell an admin at once: they remove {device}, look at what it signed, and approve a new identity")
                    .into()
            }
            Self::OwnDevice => "let another admin do it, or use another device of yours".into(),
            Self::Request(vault::team::RequestError::OtherDevice) => {
                "it has to be made by that device, as it is now: ask for a new one".into()
            }
            Self::Request(_) => "ask for the whole line that `vault join` printed".into(),
            Self::NotInFile("the keyring") => {
                "three steps: `vault identity move file`, `vault identity rotate`, `vault identity move keyring`".into()
            }
            Self::NotInFile(_) => {
                "`vault member add NAME --new-identity` makes a successor, `vault member remove` ends this one".into()
            }
            Self::Vault(V::Sealed(_)) => {
                "history keeps that seal: `vault identity rotate` makes a new identity, which can be sealed".into()
            }
            Self::Vault(V::NoGrant { .. } | V::NoWrite { .. } | V::NotAdmin(_)) => "ask an admin of the vault".into(),
            Self::Vault(V::NotAdminOnBoth(_)) => {
                "ask somebody who is; or give one side up: `git merge --abort`, pull, and make its changes again".into()
            }
            Self::Vault(V::Pin(vault::PinError::Behind(_))) => {
                "pull or merge the newer file; `vault config rollback warn` reads older ones".into()
            }
            Self::Vault(V::UsedUp { .. } | V::Pin(vault::PinError::MadeUp { .. })) => {
                "no device writes that often: take the file from before that write (`git log -p` shows it), and ask who signed it".into()
            }
            Self::Vault(V::Pin(vault::PinError::FormerSigner { .. })) => {
                "take the newer file from git; nothing that they signed since is accepted".into()
            }
            Self::Vault(V::Pin(vault::PinError::Fork { .. } | vault::PinError::Adopt(_))) => {
                "ask an admin which history is right; `git log -p` shows who changed what, and when".into()
            }
            Self::Vault(
                V::Store(busy @ store::Error::Busy { .. })
                | V::Pin(vault::PinError::Store(busy @ store::Error::Busy { .. })),
            )
            | Self::Store(busy @ store::Error::Busy { .. })
            | Self::Config(config::Error::Store(busy @ store::Error::Busy { .. }))
            | Self::Audit(audit::Error::Store(busy @ store::Error::Busy { .. })) => match busy {
                store::Error::Busy { stopped: true, pid: Some(pid), .. } => {
                    format!("it waits for somebody: `kill -CONT {pid}` lets it go on, `kill -KILL {pid}` ends it").into()
                }
                _ => "wait for the other one, or pass `--lock-timeout 60s`".into(),
            },
            Self::Audit(audit::Error::Tampered { .. }) => {
                "see `vault audit verify` and find out why; `vault audit begin --reason TEXT` goes on with a new log"
                    .into()
            }
            Self::NoClipboard => {
                "install wl-clipboard, xclip or xsel; or give the value to a program: `vault exec -- CMD`".into()
            }
            Self::TooLongToCopy => "write it to a private file: `(umask 077; vault get NAME >FILE)`".into(),
            Self::NoEditor | Self::EditorMissing { .. } => {
                "name one that is there, for example `EDITOR=nano vault edit`".into()
            }
            Self::Unreadable { .. } | Self::Clash(_) => "`vault edit` begins again".into(),
            Self::EverythingGone(_) => "if that is meant: `vault rm NAME…`, or `vault profile rm`".into(),
            Self::NotConfirmed => "pass `--yes` where nobody can be asked".into(),
            Self::NoAnchors => "`vault audit checkpoint` makes such a file; a commit is named as git does".into(),
            Self::Merge(vault::merge::MergeError::Team { .. }) => {
                "an admin of both sides types `vault git resolve @team --ours`, or `--theirs`: one log is kept, and the other one's changes are made again".into()
            }
            Self::Merge(vault::merge::MergeError::Behind(_)) => "pull or merge the newer file first".into(),
            Self::Merge(vault::merge::MergeError::Side { .. }) => {
                "only sides that verify are merged; find out who changed that branch".into()
            }
            Self::Git(vault::git::Error::Removed) => "`git rm` the file, or check out the side that has it".into(),
            Self::Unsettled { .. } => {
                "settle it first: `vault git repair` merges again and says what clashes, `vault git resolve` says what it is to be".into()
            }
            Self::ChangedSince { .. } => {
                "`git checkout --merge vault.toml` puts the conflict back; then make the change again".into()
            }
            Self::AuditSink => "for example VLT_AUDIT=stderr".into(),
            Self::Identity(error) | Self::Vault(V::Unlock(error)) => return identity_hint(error),
            Self::Vault(V::NeedsIdentity) => {
                "give its passphrase on a terminal or by VLT_PASSPHRASE_FILE, or name a file with `--identity FILE`".into()
            }
            Self::KeptElsewhere { .. } => "`vault identity move keyring` moves it".into(),
            Self::IdentityExists(_) => {
                "`vault identity show` prints its public halves, `vault identity rotate` replaces it".into()
            }
            Self::NothingKept(_) => "`vault identity where` explains the search".into(),
            Self::OtherKept(_) => "`vault identity show` says which is which, with `--keyring` or `--identity FILE`".into(),
            Self::Exec(exec::Error::Nul { .. } | exec::Error::TooLong { .. }) => {
                "give it to the program as a file: `--file VARIABLE=SECRET`".into()
            }
            _ => return None,
        };
        Some(text)
    }
}

fn hint_for(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::TooNew => "update vault; this version leaves the file alone",
        Kind::LineEndings => "add `vault.toml -text` to .gitattributes and check the file out again",
        Kind::ConflictMarkers => "`vault git repair` merges it again from the commits that verify",
        Kind::NotAVault => "take the file back from git, or name the vault file with `--vault FILE`",
        Kind::Bounds => return None,
        Kind::Layout => {
            "restore the file from git, as with `vault git repair`; it is changed with `vault`, not by hand"
        }
        _ => {
            "restore the file from git and find out who changed it; if git merged it without vault, \
             `vault git repair` merges it again from the commits that verify"
        }
    })
}

fn identity_hint(error: &identity::Error) -> Option<Cow<'static, str>> {
    use vault::identity::Error as I;
    Some(match error {
        I::None { .. } => {
            "`vault identity where` explains the search; `--identity FILE` or VLT_IDENTITY_FILE names a file".into()
        }
        // The file behind a descriptor has another name.
        I::Store(store::Error::TooWide { path, .. }) if path.starts_with("/dev") => return None,
        I::Store(store::Error::TooWide { path, .. }) => format!("chmod 600 {}", typed(path)).into(),
        I::CodeLength | I::CodeGroup { .. } => "type it as it was shown: eight groups of four letters or digits".into(),
        I::DoesNotOpen { origin: identity::Origin::Device(_) } => {
            "type all six words, in the order in which they were shown".into()
        }
        I::Word { .. } | I::WordCount { .. } => "type the six words that `vault identity seal` showed".into(),
        I::NoPassphrase { .. } => {
            "`vault unlock` on a terminal keeps it unlocked; or set VLT_PASSPHRASE_FILE to a private file that holds it"
                .into()
        }
        I::TimeUp { .. } => "`vault unlock` on a terminal".into(),
        I::Agent(error) => return agent_hint(error),
        I::Store(store::Error::Missing { .. }) => "`vault identity where` explains the search".into(),
        I::Keyring(error) => keyring_hint(error).into(),
        _ => return None,
    })
}

fn agent_hint(error: &identity::agent::AgentError) -> Option<Cow<'static, str>> {
    use vault::identity::agent::AgentError as A;
    Some(match error {
        A::Directory(path) => format!("chmod 700 {}", typed(path)).into(),
        A::Stranger(path) => format!("find out whose it is, and remove {}", typed(path)).into(),
        A::NoAnswer | A::OtherVersion => "`vault lock` ends it, then `vault unlock` starts another".into(),
        A::NotHeld => "`vault unlock` on a terminal".into(),
        A::NotUnlocked { profile } => {
            format!("`vault unlock --profile {profile}`, with the other profiles you need; or `vault unlock` for all")
                .into()
        }
        A::MemoryLock => "allow it (`ulimit -l`), or do without the agent".into(),
        _ => return None,
    })
}

fn keyring_hint(error: &identity::KeyringError) -> &'static str {
    use vault::identity::KeyringError as K;
    match error {
        K::Unsupported => {
            "keep the identity in a file: `--identity FILE`, or `vault config identity --unset`; \
             or build vault with its default features"
        }
        K::Unreachable { .. } => {
            "it needs a session with D-Bus and a keyring, which `ssh` and cron do not have; \
             elsewhere name a file: `--identity FILE` or VLT_IDENTITY_FILE"
        }
        K::Locked | K::NoAnswer { .. } => "unlock the keyring, as logging in to the desktop does, and try again",
        K::Several => "remove all but one of them with the keyring's own program; they are labelled `vault-identity`",
        _ => "`vault identity where` explains the search; `--identity FILE` names a file instead",
    }
}
