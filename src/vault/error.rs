//! Why a vault file is not accepted (`docs/format.md`, section 9).

use std::fmt;

use super::name::{DeviceName, MemberName, ProfileName, SecretName};
use crate::crypto;

/// The kinds of rejection, in the words of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
#[expect(missing_docs, reason = "each is explained in the table of docs/format.md and by `explanation`")]
pub enum Kind {
    NotAVault,
    TooNew,
    LineEndings,
    ConflictMarkers,
    Bounds,
    Layout,
    Id,
    Chain,
    TeamSignature,
    TeamRule,
    Profiles,
    Epoch,
    Grants,
    TeamHead,
    Signer,
    Clock,
    ProfileSignature,
    Versions,
    Grant,
    Commitment,
    Value,
}

impl Kind {
    /// The word of the format, for example `team-signature`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::NotAVault => "not-a-vault",
            Self::TooNew => "too-new",
            Self::LineEndings => "line-endings",
            Self::ConflictMarkers => "conflict-markers",
            Self::Bounds => "bounds",
            Self::Layout => "layout",
            Self::Id => "id",
            Self::Chain => "chain",
            Self::TeamSignature => "team-signature",
            Self::TeamRule => "team-rule",
            Self::Profiles => "profiles",
            Self::Epoch => "epoch",
            Self::Grants => "grants",
            Self::TeamHead => "team-head",
            Self::Signer => "signer",
            Self::Clock => "clock",
            Self::ProfileSignature => "profile-signature",
            Self::Versions => "versions",
            Self::Grant => "grant",
            Self::Commitment => "commitment",
            Self::Value => "value",
        }
    }

    /// One sentence for somebody who did not read the design.
    #[must_use]
    pub fn explanation(self) -> &'static str {
        match self {
            Self::NotAVault => "not a vault file",
            Self::TooNew => "written by a newer vault",
            Self::LineEndings => "line endings were converted to CRLF, which breaks the signatures",
            Self::ConflictMarkers => "merge conflict markers are in the file",
            Self::Bounds => "larger than the format allows",
            Self::Layout => "damaged, cut off or edited by hand",
            Self::Id => "the id does not belong to the team log",
            Self::Chain => "changes are missing from the team log or out of order",
            Self::TeamSignature => "changed after it was signed, or forged",
            Self::TeamRule => "a change of the team that is not allowed",
            Self::Profiles => "added or dropped without the team log",
            Self::Epoch => "sealed under a key that is no longer the profile's",
            Self::Grants => "the grants are not those of the people who may read",
            Self::TeamHead => "signed under a team log that is not in this file",
            Self::Signer => "written by somebody who may not write here",
            Self::Clock => "its write counter is not well-formed",
            Self::ProfileSignature => "changed after it was signed, or forged",
            Self::Versions => "versions are out of order",
            Self::Grant => "the grant of this device is damaged",
            Self::Commitment => "the grant holds a key that the team log does not know",
            Self::Value => "does not open with the key of this profile",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What was refused, and where. No text of the file is carried along but names
/// that were well-formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The kind.
    pub kind: Kind,
    /// 1-based line in the file, where text is at fault.
    pub line: Option<usize>,
    /// Number of the team change.
    pub change: Option<u64>,
    /// The profile.
    pub profile: Option<ProfileName>,
    /// The secret.
    pub name: Option<SecretName>,
    /// Who signed it, where that is known.
    pub by: Option<DeviceName>,
    /// True if `by` is only what the file claims: the signature is not of their key.
    pub claimed: bool,
    /// The rule that was broken, where the kind alone does not say.
    pub rule: Option<&'static str>,
}

impl Rejected {
    /// Only the kind is known.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self { kind, line: None, change: None, profile: None, name: None, by: None, claimed: false, rule: None }
    }

    /// A broken rule of the team log.
    #[must_use]
    pub fn rule(rule: &'static str) -> Self {
        Self { rule: Some(rule), ..Self::new(Kind::TeamRule) }
    }

    pub(crate) fn in_change(mut self, change: u64, by: Option<&DeviceName>) -> Self {
        self.change = Some(change);
        self.by = by.cloned().or(self.by);
        self
    }

    /// Says whether the signature is of the key of who is named.
    pub(crate) fn with_proof(mut self, proven: bool) -> Self {
        self.claimed = !proven;
        self
    }

    pub(crate) fn in_profile(mut self, profile: &ProfileName) -> Self {
        self.profile = Some(profile.clone());
        self
    }

    pub(crate) fn in_secret(mut self, name: &SecretName) -> Self {
        self.name = Some(name.clone());
        self
    }

    pub(crate) fn signed_by(mut self, by: &DeviceName) -> Self {
        self.by = Some(by.clone());
        self
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if let Some(change) = self.change {
            write!(f, "team change {change}: ")?;
        }
        match (&self.profile, &self.name) {
            (Some(profile), Some(name)) => write!(f, "{name} in profile {profile}: ")?,
            (Some(profile), None) => write!(f, "profile {profile}: ")?,
            (None, Some(name)) => write!(f, "{name}: ")?,
            (None, None) => {}
        }
        f.write_str(self.kind.explanation())?;
        if let Some(rule) = self.rule {
            write!(f, " ({rule})")?;
        }
        if let Some(by) = &self.by {
            write!(f, ", {} {by}", if self.claimed { "in the name of" } else { "signed by" })?;
        }
        Ok(())
    }
}

impl std::error::Error for Rejected {}

/// What can go wrong with a vault beside a file that is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file is not accepted.
    #[error("{0}")]
    Rejected(#[from] Rejected),
    /// No such profile.
    #[error("no profile {0}")]
    NoProfile(ProfileName),
    /// No such secret.
    #[error("no secret {name} in profile {profile}")]
    NoSecret {
        /// The profile.
        profile: ProfileName,
        /// The secret.
        name: SecretName,
    },
    /// This identity is no active device of the vault.
    #[error("this identity belongs to no device of the vault")]
    NotAMember,
    /// This identity was one of the vault until its device was removed.
    #[error("this identity belongs to no device of the vault any more: {0} was removed")]
    Former(DeviceName),
    /// A device is sealed once.
    #[error("the vault file carries the identity of {0} sealed already")]
    Sealed(DeviceName),
    /// The device holds no grant for the profile.
    #[error("{device} may not read profile {profile}")]
    NoGrant {
        /// The device.
        device: DeviceName,
        /// The profile.
        profile: ProfileName,
    },
    /// The device may not write the profile.
    #[error("{device} may not write profile {profile}")]
    NoWrite {
        /// The device.
        device: DeviceName,
        /// The profile.
        profile: ProfileName,
    },
    /// A secret of that name is there already.
    #[error("{name} exists already in profile {profile}")]
    SecretExists {
        /// The profile.
        profile: ProfileName,
        /// The secret.
        name: SecretName,
    },
    /// No such member.
    #[error("no member {0}")]
    NoMember(MemberName),
    /// No such active device.
    #[error("no device {0}")]
    NoDevice(DeviceName),
    /// Access to a profile cannot be taken from somebody who has all of it.
    #[error("{0} is an admin, who can read and write everything")]
    AdminHasAll(MemberName),
    /// A rule of the team log forbids the change.
    #[error("not allowed: {0}")]
    NotAllowed(&'static str),
    /// The device's member is no admin.
    #[error("{0} is no admin of this vault")]
    NotAdmin(DeviceName),
    /// Only an admin of both team logs can make one of them.
    #[error("{0} is not an admin on both sides, so it cannot make one team of them")]
    NotAdminOnBoth(DeviceName),
    /// A change of the team needs the identity itself, and the agent does not give it out.
    #[error("a change of the team needs the identity itself, which the agent does not give out")]
    NeedsIdentity,
    /// What opens and signs for this device did not.
    #[error("{0}")]
    Unlock(crate::identity::Error),
    /// A bound of the format would be exceeded.
    #[error("{0}")]
    Bound(&'static str),
    /// The numbers for the writes of a device are used up, in what somebody signed.
    #[error("there is no number left for a write of {device} in profile {profile}, as {by} signed it")]
    UsedUp {
        /// Whose numbers.
        device: DeviceName,
        /// The profile.
        profile: ProfileName,
        /// Who signed it last.
        by: DeviceName,
    },
    /// The name is taken, or was once.
    #[error("{what} {name} exists or existed; names are never used again")]
    NameUsed {
        /// `profile`, `member` or `device`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A rotation must bring a value that none of the kept versions has.
    #[error("{name} had this value before, as version {version}; a rotation needs a new one")]
    SameValue {
        /// The secret.
        name: SecretName,
        /// The version that has the value.
        version: u64,
    },
    /// A new value waits already to be promoted.
    #[error("{0} has a pending value already: a rotation was not finished")]
    Pending(SecretName),
    /// No new value waits to be promoted.
    #[error("{0} has no pending value")]
    NoPending(SecretName),
    /// The version is not kept.
    #[error("no version {version} of {name} is kept")]
    NoVersion {
        /// The secret.
        name: SecretName,
        /// The version.
        version: u64,
    },
    /// The version is not one to go back to.
    #[error("version {version} of {name} was {why}")]
    Unfit {
        /// The secret.
        name: SecretName,
        /// The version.
        version: u64,
        /// `revoked` or `exposed`.
        why: &'static str,
    },
    /// Only removed secrets can be taken off the worklist by hand.
    #[error("{0} is not a removed secret that is still exposed")]
    NotRemoved(SecretName),
    /// A cryptographic operation failed.
    #[error("{0}")]
    Crypto(#[from] crypto::Error),
    /// Reading or writing the file failed.
    #[error("{0}")]
    Store(#[from] crate::store::Error),
    /// What is remembered about this vault speaks against it.
    #[error("{0}")]
    Pin(#[from] super::pin::Error),
}

impl From<crate::identity::Error> for Error {
    fn from(error: crate::identity::Error) -> Self {
        match error {
            crate::identity::Error::Crypto(error) => Self::Crypto(error),
            other => Self::Unlock(other),
        }
    }
}
