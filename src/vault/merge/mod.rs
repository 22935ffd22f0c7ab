//! Merging two vault files entry by entry against their common ancestor
//! (`docs/format.md`, section 9b).
//!
//! Pure: nothing here reads a file, asks anybody or knows git. [`Plan::new`] looks at
//! the sides without any key. Where one side alone changed a profile its bytes are
//! taken over; where both did, [`Plan::merge`] makes what is to be signed, or says
//! what only a person can decide.

mod entry;
mod fields;
mod history;
mod profile;

use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::secret_value::SecretValue;

use super::change::Change;
use super::document::{MAX_FILE, compose};
use super::error::{Error, Rejected};
use super::name::{DeviceName, ProfileName, SecretName};
use super::pin::{Memory, Warning};
use super::profile::{Profile, Section};
use super::signature::{AuditHead, SectionSignature};
use super::transaction::Signer;
use super::{MAX_SECRETS, Vault};

use profile::Scene;

/// One of the two files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The one that is checked out; in a rebase, what the commits are put upon.
    Ours,
    /// The other one; in a rebase or cherry-pick, the commit that is applied.
    Theirs,
}

impl Side {
    /// The other one.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Ours => Self::Theirs,
            Self::Theirs => Self::Ours,
        }
    }

    /// `ours` or `theirs`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Theirs => "theirs",
        }
    }
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

/// What git is doing, which says what the common ancestor is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// A branch is merged: the ancestor is one of the file that is checked out.
    Merge,
    /// Commits are put upon another branch: each comes with an ancestor of its own.
    Rebase,
    /// One commit is applied. What it is applied to may be older than its ancestor.
    Pick,
}

/// What a conflict is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Item {
    /// A secret.
    Secret(SecretName),
    /// The policy of the profile.
    Policy,
    /// The profile as a whole: it left the team on one side and was changed on the other.
    Profile,
}

/// Why a person has to decide.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// Another value on each side.
    Values,
    /// These fields were changed to something else on each side.
    Fields(Vec<&'static str>),
    /// Removed on this side, changed on the other.
    Removed(Side),
    /// The change on this side was signed by a device that may not write any more.
    FormerSigner(Side, DeviceName),
    /// This side is older than the common ancestor, in this secret or as a whole: a revert or a
    /// rollback, not a change.
    Older(Side),
    /// The profile left the team on this side and was changed on the other.
    ProfileLeft(Side),
}

/// What a side has of a secret, without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Version of the value.
    pub version: u64,
    /// When the value came into being.
    pub set_at: Timestamp,
    /// The device that stored it.
    pub set_by: DeviceName,
}

/// Something that both sides changed in ways that exclude each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The profile.
    pub profile: ProfileName,
    /// What in it.
    pub item: Item,
    /// Why it is one.
    pub why: Why,
    /// What our side has; `None` where it has nothing.
    pub ours: Option<Facts>,
    /// What their side has.
    pub theirs: Option<Facts>,
    /// Who signed our side, and when.
    pub ours_signed: Option<(DeviceName, Timestamp)>,
    /// Who signed their side, and when.
    pub theirs_signed: Option<(DeviceName, Timestamp)>,
    /// Who signed what both sides come from, if they may not write any more: then it is
    /// nobody's word for what was there, and more is asked.
    pub doubted: Option<DeviceName>,
}

/// How a person settled a conflict.
#[derive(Debug)]
pub enum Choice {
    /// As this side has it.
    Take(Side),
    /// A value that neither side has.
    Value(SecretValue),
}

/// Settled conflicts.
pub type Choices = BTreeMap<(ProfileName, Item), Choice>;

/// Why two files cannot be merged at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// A side does not verify.
    #[error("{side} is not accepted: {rejected}")]
    Side {
        /// Which one.
        side: Side,
        /// Why.
        rejected: Rejected,
    },
    /// The sides are two vaults.
    #[error("the two files are different vaults: nothing of them can be merged")]
    Unrelated,
    /// Both sides changed the team.
    #[error("the team was changed on both sides, so somebody has to say which change counts")]
    Team {
        /// Changes that only our side has.
        ours: Vec<Change>,
        /// Changes that only their side has.
        theirs: Vec<Change>,
    },
    /// Signing or re-sealing failed.
    #[error("{0}")]
    Vault(#[from] Error),
    /// What is to be signed is older than, or beside, what this device has seen.
    #[error("the merged file would not be signed: {0}")]
    Behind(Warning),
}

impl From<Rejected> for MergeError {
    fn from(rejected: Rejected) -> Self {
        Self::Vault(rejected.into())
    }
}

/// What is to become of each profile, as far as it is known without any key.
pub struct Plan<'a> {
    ours: &'a Vault,
    theirs: &'a Vault,
    /// Whose team log counts: the one that goes on from the other.
    team: Side,
    how: How,
    profiles: BTreeMap<ProfileName, Fate>,
}

/// What becomes of a profile.
enum Fate {
    /// Its section on a side, as it is.
    Taken(Side),
    /// Both sides changed it.
    Merged(Box<Scene>),
    /// It left the team on one side and was changed on the other.
    Left(Box<Conflict>),
}

/// The outcome of a merge, to be signed.
pub struct Merge {
    /// Texts of the sections that are taken over.
    taken: BTreeMap<ProfileName, String>,
    signed: BTreeMap<ProfileName, Profile>,
}

impl<'a> Plan<'a> {
    /// Compares two files with their common ancestor.
    ///
    /// An ancestor that is another vault is no ancestor; without one, whatever differs
    /// is a conflict. A profile of it that does not verify counts as unknown, and so
    /// does one signed by a former writer where the ancestor came with the commits that
    /// are applied: it would be their word for what was there.
    ///
    /// # Errors
    /// [`MergeError::Unrelated`], [`MergeError::Side`], [`MergeError::Team`].
    pub fn new(base: Option<&Vault>, ours: &'a Vault, theirs: &'a Vault, how: How) -> Result<Self, MergeError> {
        if ours.id() != theirs.id() {
            return Err(MergeError::Unrelated);
        }
        for (side, vault) in [(Side::Ours, ours), (Side::Theirs, theirs)] {
            if let Some(rejected) = vault.check().into_iter().next() {
                return Err(MergeError::Side { side, rejected });
            }
        }
        let base = base.filter(|base| base.id() == ours.id());
        let team = longer(ours, theirs)?;
        let mut plan = Self { ours, theirs, team, how, profiles: BTreeMap::new() };
        let (long, short) = (plan.side(team), plan.side(team.other()));
        for name in long.team().profiles().keys() {
            let fate = plan.fate(base, name, how)?;
            plan.profiles.insert(name.clone(), fate);
        }
        for name in short.team().profiles().keys().filter(|name| !long.team().profiles().contains_key(*name)) {
            let text = |vault: &Vault| vault.document.profile(name).map(|(text, _)| text.to_owned());
            if base.and_then(text) != text(short) {
                let conflict = plan.left(name)?;
                plan.profiles.insert(name.clone(), Fate::Left(Box::new(conflict)));
            }
        }
        Ok(plan)
    }

    /// A file of the two.
    #[must_use]
    pub fn side(&self, side: Side) -> &'a Vault {
        match side {
            Side::Ours => self.ours,
            Side::Theirs => self.theirs,
        }
    }

    /// The side whose team log counts: the one that goes on from the other's.
    #[must_use]
    pub fn team(&self) -> Side {
        self.team
    }

    /// Profiles that both sides changed.
    pub fn merged_profiles(&self) -> impl Iterator<Item = &ProfileName> {
        self.profiles.iter().filter(|(_, fate)| !matches!(fate, Fate::Taken(_))).map(|(name, _)| name)
    }

    /// The merged file where every profile is taken over as it is; then nobody signs anything.
    ///
    /// # Errors
    /// [`Error::Rejected`] if the result would not be accepted.
    pub fn as_taken(&self) -> Result<Option<Vault>, MergeError> {
        if self.merged_profiles().next().is_some() {
            return Ok(None);
        }
        let merge = Merge { taken: self.taken(), signed: BTreeMap::new() };
        merge.compose(self, BTreeMap::new()).map(Some)
    }

    /// Merges what both sides changed, as far as nobody has to be asked. Values sealed
    /// under an older key are sealed again.
    ///
    /// # Errors
    /// The conflicts that `choices` leave open; or [`MergeError`].
    pub fn merge(
        &self,
        signer: &Signer<'_>,
        choices: &Choices,
        now: Timestamp,
    ) -> Result<Result<Merge, Vec<Conflict>>, MergeError> {
        let (signed, conflicts) = self.attempt(Some(signer), choices, now)?;
        if !conflicts.is_empty() {
            return Ok(Err(conflicts));
        }
        Ok(Ok(Merge { taken: self.taken(), signed }))
    }

    /// What is open, as far as it shows without a key: two values that were sealed
    /// apart count as different.
    ///
    /// # Errors
    /// [`MergeError::Vault`].
    pub fn conflicts(&self, choices: &Choices, now: Timestamp) -> Result<Vec<Conflict>, MergeError> {
        Ok(self.attempt(None, choices, now)?.1)
    }

    fn attempt(
        &self,
        signer: Option<&Signer<'_>>,
        choices: &Choices,
        now: Timestamp,
    ) -> Result<(BTreeMap<ProfileName, Profile>, Vec<Conflict>), MergeError> {
        let (mut signed, mut conflicts) = (BTreeMap::new(), Vec::new());
        for (name, fate) in &self.profiles {
            match fate {
                Fate::Taken(_) => {}
                Fate::Left(conflict) => {
                    // There is one way out: the team log has no such profile any more.
                    if !choices.contains_key(&(name.clone(), Item::Profile)) {
                        conflicts.push(Conflict::clone(conflict));
                    }
                }
                Fate::Merged(scene) => {
                    let keys = signer.map(|signer| scene.keys(self, signer)).transpose()?;
                    let (profile, open) = scene.merge(keys.as_ref(), choices, now)?;
                    conflicts.extend(open);
                    signed.insert(name.clone(), profile);
                }
            }
        }
        Ok((signed, conflicts))
    }

    fn taken(&self) -> BTreeMap<ProfileName, String> {
        let taken = self.profiles.iter().filter_map(|(name, fate)| match fate {
            Fate::Taken(side) => {
                self.side(*side).document.profile(name).map(|(text, _)| (name.clone(), text.to_owned()))
            }
            _ => None,
        });
        taken.collect()
    }

    fn fate(&self, base: Option<&Vault>, name: &ProfileName, how: How) -> Result<Fate, MergeError> {
        let text = |vault: &'a Vault| vault.document.profile(name).map(|(text, _)| text);
        let (ours, theirs) = (text(self.ours), text(self.theirs));
        if ours == theirs || theirs.is_none() {
            return Ok(Fate::Taken(Side::Ours));
        }
        if ours.is_none() {
            return Ok(Fate::Taken(Side::Theirs));
        }
        let scene = Scene::new(self, base, name, how)?;
        match scene.changed_by() {
            Some(side) if scene.distrust(side).is_none() => Ok(Fate::Taken(side)),
            _ => Ok(Fate::Merged(Box::new(scene))),
        }
    }

    fn left(&self, name: &ProfileName) -> Result<Conflict, MergeError> {
        let short = self.team.other();
        let section = self.side(short).section(name)?;
        let signed = Some((section.signature().by.clone(), section.signature().at));
        let (ours_signed, theirs_signed) = if short == Side::Ours { (signed, None) } else { (None, signed) };
        Ok(Conflict {
            profile: name.clone(),
            item: Item::Profile,
            why: Why::ProfileLeft(self.team),
            ours: None,
            theirs: None,
            ours_signed,
            theirs_signed,
            doubted: None,
        })
    }
}

/// The side whose team log goes on from the other's.
fn longer(ours: &Vault, theirs: &Vault) -> Result<Side, MergeError> {
    if ours.team().follows(theirs.team()) {
        return Ok(Side::Ours);
    }
    if theirs.team().follows(ours.team()) {
        return Ok(Side::Theirs);
    }
    let (o, t) = (ours.team().hashes(), theirs.team().hashes());
    let shared = o.iter().zip(t).take_while(|(a, b)| a == b).count();
    let only = |vault: &Vault| vault.changes().skip(shared).collect();
    Err(MergeError::Team { ours: only(ours), theirs: only(theirs) })
}

impl Merge {
    /// Signs what was merged and gives the file: the one write that a merge is.
    ///
    /// The clock of each profile is the larger one of both sides for every device, and
    /// one more for the signer, above everything that `memory` knows of it.
    ///
    /// # Errors
    /// [`MergeError::Behind`] where the memory of this device speaks against the result;
    /// [`Error::NoWrite`], [`Error::Bound`], [`Error::Rejected`].
    pub fn sign(
        self,
        plan: &Plan<'_>,
        signer: &Signer<'_>,
        memory: &Memory,
        audit: Option<AuditHead>,
        now: Timestamp,
    ) -> Result<Vault, MergeError> {
        let team = plan.side(plan.team).team();
        let mut sections = BTreeMap::new();
        for (name, profile) in &self.signed {
            if !team.writes(&signer.device, name) {
                return Err(Error::NoWrite { device: signer.device.clone(), profile: name.clone() }.into());
            }
            let clock = match memory.next_clock(name, &profile.clock, &signer.device) {
                Some(clock) => clock,
                None => {
                    let by = plan.side(plan.team).section(name)?.signature().by.clone();
                    return Err(Error::UsedUp { device: signer.device.clone(), profile: name.clone(), by }.into());
                }
            };
            let signature = SectionSignature { team: team.head(), by: signer.device.clone(), at: now, clock, audit };
            sections.insert(name.clone(), profile.sign(&plan.ours.id(), &signature, signer.identity)?);
        }
        let written = self.compose(plan, sections)?;
        let sections: Vec<Section<'_>> =
            self.signed.keys().map(|name| written.section(name)).collect::<Result<_, _>>()?;
        let standing = memory.compare(&written, &sections.iter().collect::<Vec<_>>()).map_err(Error::from)?;
        // The commits that are still to come in a rebase bring the rest of what was seen.
        let rebasing = plan.how == How::Rebase && memory.verified().starts_with(plan.theirs.team().hashes());
        let speaks = |warning: &Warning| !(rebasing && matches!(warning, Warning::TeamBehind { .. }));
        if let Some(warning) = standing.warnings.into_iter().find(speaks) {
            return Err(MergeError::Behind(warning));
        }
        drop(sections);
        Ok(written)
    }

    /// The file, where nothing is to be signed.
    ///
    /// # Errors
    /// [`MergeError::Vault`] if the result would not be accepted, as where something
    /// is to be signed after all.
    pub fn unsigned(&self, plan: &Plan<'_>) -> Result<Vault, MergeError> {
        self.compose(plan, BTreeMap::new())
    }

    /// Profiles that are to be signed.
    pub fn profiles(&self) -> impl Iterator<Item = &ProfileName> {
        self.signed.keys()
    }

    /// Puts the file together and reads it the way the next reader will.
    fn compose(&self, plan: &Plan<'_>, mut sections: BTreeMap<ProfileName, String>) -> Result<Vault, MergeError> {
        let team = plan.side(plan.team);
        sections.extend(self.taken.iter().map(|(name, text)| (name.clone(), text.clone())));
        let changes = team.document.changes().map(|(text, _)| text);
        let text = compose(&team.id(), changes.chain(sections.values().map(String::as_str)));
        if text.len() as u64 > MAX_FILE {
            return Err(Error::Bound("the vault file would be larger than 64 MiB").into());
        }
        let written = Vault::read(text.into_bytes(), team.team().hashes())?;
        let total: usize = sections.keys().map(|name| written.secrets_in(name)).sum();
        if total > MAX_SECRETS {
            return Err(Error::Bound("a vault holds at most 65536 secrets").into());
        }
        match written.check().into_iter().next() {
            Some(rejected) => Err(rejected.into()),
            None => Ok(written),
        }
    }
}
