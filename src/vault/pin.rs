//! What a device remembers of a vault outside git, and what a file is compared with.
//!
//! Signatures say who wrote a file; only memory can say that it is an older one.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use crate::crypto::{Hash, PublicKey};
use crate::store;

use super::Vault;
use super::name::{DeviceName, MemberName, ProfileName};
use super::profile::Section;
use super::signature::Counts;
use super::team::Team;
use super::text::MAX_INTEGER;

pub(super) const FILE: &str = "trust.json";
const MAX_FILE: u64 = 16 << 20;
/// Most writes of one device between two looks at a profile: over a hundred every second
/// for a year. What counts more was made up, to use the device's numbers up.
const MAX_WRITES: u64 = 1 << 32;
/// Warnings remembered, so that each is given once.
const MAX_WARNED: usize = 64;

/// Why the memory of a vault speaks against a file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The memory is damaged.
    #[error("what is remembered about this vault is damaged: {}", .0.display())]
    Damaged(std::path::PathBuf),
    /// Reading or writing the memory failed.
    #[error("{0}")]
    Store(#[from] store::Error),
    /// Another history of the team.
    #[error(
        "the team log is another one than seen before on this device, from change {change} on, which {by} signed: a fork, or somebody rewrote it"
    )]
    Fork {
        /// Number of the first change that is another one.
        change: u64,
        /// Who signed it in this file.
        by: DeviceName,
    },
    /// Somebody adopted a history who may not, or who drops a removal.
    #[error("the team log replaces the one seen before, and may not: {0}")]
    Adopt(&'static str),
    /// An older file whose signer was removed since.
    #[error("profile {profile} is signed by {by}, who has lost the right to write since")]
    FormerSigner {
        /// The profile.
        profile: ProfileName,
        /// The signer.
        by: DeviceName,
    },
    /// A section counts writes that nobody can have made.
    #[error("profile {profile} counts {count} writes of {device}, which it cannot have made; signed by {by}")]
    MadeUp {
        /// The profile.
        profile: ProfileName,
        /// Whose writes it counts.
        device: DeviceName,
        /// How many.
        count: u64,
        /// Who signed it.
        by: DeviceName,
    },
    /// The file is older than one seen before, where that is refused.
    #[error("{0}")]
    Behind(Warning),
}

/// How a file is older than, or beside, what was seen before.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// The team log ends before the head seen.
    TeamBehind {
        /// Changes seen that are not in the file.
        missing: usize,
    },
    /// The profile is an older one.
    ProfileBehind {
        /// The profile.
        profile: ProfileName,
        /// Devices whose writes are missing.
        missing: Vec<DeviceName>,
        /// Who signed this one.
        by: DeviceName,
    },
    /// The profile has writes that were not seen, and lacks some that were.
    ProfileFork {
        /// The profile.
        profile: ProfileName,
        /// Devices whose writes are missing.
        missing: Vec<DeviceName>,
        /// Who signed this one.
        by: DeviceName,
    },
    /// The same writes with other content: two files were signed as one.
    ProfileTwice {
        /// The profile.
        profile: ProfileName,
        /// Who signed this one.
        by: DeviceName,
    },
}

impl Warning {
    /// The profile that is older, or beside what was seen, where nothing else is wrong.
    #[must_use]
    pub fn lagging_profile(&self) -> Option<&ProfileName> {
        match self {
            Self::ProfileBehind { profile, .. } | Self::ProfileFork { profile, .. } => Some(profile),
            Self::TeamBehind { .. } | Self::ProfileTwice { .. } => None,
        }
    }
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |devices: &[DeviceName]| devices.iter().map(DeviceName::as_str).collect::<Vec<_>>().join(", ");
        match self {
            Self::TeamBehind { missing: 1 } => {
                write!(f, "this file is older than one seen before: 1 change of the team is missing")
            }
            Self::TeamBehind { missing } => {
                write!(f, "this file is older than one seen before: {missing} changes of the team are missing")
            }
            Self::ProfileBehind { profile, missing, by } => {
                let missing = list(missing);
                write!(
                    f,
                    "profile {profile} is older than seen before: writes of {missing} are missing; this one is signed by {by}"
                )
            }
            Self::ProfileFork { profile, missing, by } => {
                let missing = list(missing);
                write!(
                    f,
                    "profile {profile} lacks writes seen before, of {missing}: a branch, or a lost write; this one is signed by {by}"
                )
            }
            Self::ProfileTwice { profile, by } => {
                write!(f, "profile {profile} was signed twice as the same write, with other content, by {by}")
            }
        }
    }
}

/// What a file is, next to what was seen before.
#[derive(Debug, Default)]
pub struct Standing {
    /// Everything that makes it older; empty for a file that is as seen or newer.
    pub warnings: Vec<Warning>,
    /// Those of them that were not given before.
    pub fresh: Vec<Warning>,
}

/// What is remembered of one vault.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize, PartialEq, Eq)]
pub struct Memory {
    v: u32,
    id: Hash,
    /// Hash of each team change seen, in order.
    chain: Vec<Hash>,
    /// Who may write which profiles at the head seen.
    #[serde(default)]
    writing: Vec<Writers>,
    /// What each admin's device signs with at the head seen, and the recovery device: on
    /// another log their names can be somebody else's.
    #[serde(default)]
    keys: BTreeMap<DeviceName, String>,
    former_members: BTreeSet<MemberName>,
    former_devices: BTreeSet<DeviceName>,
    profiles: BTreeMap<ProfileName, Seen>,
    warned: Vec<Hash>,
    /// Heads that the chain seen adopted: files of those histories are older ones.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    adopted: BTreeSet<Hash>,
    /// The device this installation last acted as, so that refusals go into its log.
    #[serde(default)]
    device: Option<DeviceName>,
}

/// Profiles that the same devices may write: in most teams that is one list, or a few,
/// however many profiles there are. It is read at every start.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize, PartialEq, Eq)]
struct Writers {
    profiles: Vec<ProfileName>,
    devices: BTreeSet<DeviceName>,
}

#[derive(Debug, Clone, serde::Serialize, serde::Deserialize, PartialEq, Eq)]
struct Seen {
    clock: Counts,
    digest: Hash,
    /// Counts that were used by this device and then discarded on purpose.
    #[serde(default)]
    high: Counts,
}

impl Memory {
    /// A memory that has seen nothing of the vault but its id.
    #[must_use]
    pub fn new(id: Hash) -> Self {
        Self {
            v: 1,
            id,
            chain: Vec::new(),
            writing: Vec::new(),
            keys: BTreeMap::new(),
            former_members: BTreeSet::new(),
            former_devices: BTreeSet::new(),
            profiles: BTreeMap::new(),
            warned: Vec::new(),
            adopted: BTreeSet::new(),
            device: None,
        }
    }

    /// Reads the memory of a vault from its state directory; one that has seen
    /// nothing if there is none.
    ///
    /// # Errors
    /// [`Error::Damaged`] or [`Error::Store`].
    pub fn load(directory: &Path, id: Hash) -> Result<Self, Error> {
        let path = directory.join(FILE);
        let bytes = match store::read_private(&path, MAX_FILE) {
            Ok(bytes) => bytes,
            Err(store::Error::Missing { .. }) => return Ok(Self::new(id)),
            Err(error) => return Err(error.into()),
        };
        match serde_json::from_slice::<Self>(&bytes) {
            Ok(memory) if memory.v == 1 && memory.id == id => Ok(memory),
            _ => Err(Error::Damaged(path)),
        }
    }

    /// Hashes of the team changes that were verified before, by position.
    #[must_use]
    pub fn verified(&self) -> &[Hash] {
        &self.chain
    }

    /// The device this installation last acted as.
    #[must_use]
    pub fn device(&self) -> Option<&DeviceName> {
        self.device.as_ref()
    }

    /// Remembers which device this installation acts as.
    pub fn act_as(&mut self, device: &DeviceName) {
        if self.device.as_ref() != Some(device) {
            self.device = Some(device.clone());
        }
    }

    /// Writes seen of a device in a profile: the next write goes above it, even
    /// where the file was reset to an older one.
    #[must_use]
    pub fn writes_seen(&self, profile: &ProfileName, device: &DeviceName) -> u64 {
        let seen = self.profiles.get(profile);
        seen.and_then(|seen| seen.clock.get(device).max(seen.high.get(device))).copied().unwrap_or(0)
    }

    /// The clock of a write of `device` upon one that has `clock`: higher than every number
    /// it was ever given. None where there is no higher one.
    pub(crate) fn next_clock(&self, profile: &ProfileName, clock: &Counts, device: &DeviceName) -> Option<Counts> {
        let mut clock = clock.clone();
        let count = clock.entry(device.clone()).or_insert(0);
        *count = (*count).max(self.writes_seen(profile, device)) + 1;
        (*count <= MAX_INTEGER).then_some(clock)
    }

    /// True if this section is the newest write seen of its profile.
    #[must_use]
    pub fn is_newest(&self, section: &Section<'_>) -> bool {
        self.profiles.get(section.name()).is_some_and(|seen| seen.digest == section.digest())
    }

    /// Compares a vault with what was seen.
    ///
    /// # Errors
    /// [`Error::Fork`], [`Error::Adopt`], [`Error::MadeUp`] or [`Error::FormerSigner`]: not
    /// to be read at all.
    pub fn compare(&self, vault: &Vault, sections: &[&Section<'_>]) -> Result<Standing, Error> {
        let team = vault.team();
        let mut warnings = Vec::new();
        match self.changes_missing(team) {
            0 if !team.hashes().starts_with(&self.chain) => self.check_adoption(vault)?,
            0 => {}
            missing => warnings.push(Warning::TeamBehind { missing }),
        }
        let team_behind = !warnings.is_empty();
        for section in sections {
            let Some(seen) = self.profiles.get(section.name()) else { continue };
            let (clock, by) = (&section.signature().clock, &section.signature().by);
            let made_up = |(device, count): &(&DeviceName, &u64)| {
                count.saturating_sub(seen.clock.get(*device).copied().unwrap_or(0)) > MAX_WRITES
            };
            if let Some((device, count)) = clock.iter().find(made_up) {
                let (profile, device) = (section.name().clone(), device.clone());
                return Err(Error::MadeUp { profile, device, count: *count, by: by.clone() });
            }
            let missing: Vec<DeviceName> = seen
                .clock
                .iter()
                .filter(|(device, count)| clock.get(*device).is_none_or(|here| here < *count))
                .map(|(device, _)| device.clone())
                .collect();
            let ahead = clock.iter().any(|(device, count)| seen.clock.get(device).is_none_or(|seen| seen < count));
            if team_behind && ahead && !self.writes(vault, section) {
                return Err(Error::FormerSigner { profile: section.name().clone(), by: by.clone() });
            }
            let (profile, by) = (section.name().clone(), by.clone());
            match (missing.is_empty(), ahead) {
                (true, false) if section.digest() != seen.digest => {
                    warnings.push(Warning::ProfileTwice { profile, by });
                }
                (true, _) => {}
                (false, false) => warnings.push(Warning::ProfileBehind { profile, missing, by }),
                (false, true) => warnings.push(Warning::ProfileFork { profile, missing, by }),
            }
        }
        let given = |warning: &&Warning| self.warned.contains(&self.mark(team, sections, warning));
        let fresh = warnings.iter().filter(|warning| !given(warning)).cloned().collect();
        Ok(Standing { warnings, fresh })
    }

    /// What a warning is remembered by: the head of the team log, and which writes it is
    /// about. Going back further, or from a newer write, is another matter; what others go
    /// on to write on the same branch is not.
    fn mark(&self, team: &Team, sections: &[&Section<'_>], warning: &Warning) -> Hash {
        let mut about = team.head().to_string();
        let of = |profile: &ProfileName| sections.iter().find(|section| section.name() == profile);
        match warning {
            Warning::TeamBehind { missing } => about += &format!(" team {missing}"),
            Warning::ProfileTwice { profile, .. } => {
                let digest = of(profile).map(|section| section.digest().to_string()).unwrap_or_default();
                about += &format!(" twice {profile} {digest}");
            }
            Warning::ProfileBehind { profile, missing, .. } | Warning::ProfileFork { profile, missing, .. } => {
                let here = of(profile).map(|section| &section.signature().clock);
                let seen = self.profiles.get(profile).map(|seen| &seen.clock);
                let count = |clock: Option<&Counts>, device| clock.and_then(|clock| clock.get(device)).copied();
                about += &format!(" missing {profile}");
                for device in missing {
                    let (from, to) = (count(here, device).unwrap_or(0), count(seen, device).unwrap_or(0));
                    about += &format!(" {device} {from} {to}");
                }
            }
        }
        Hash::of(about.as_bytes())
    }

    /// How many changes seen are not in a file that is older than what was seen: its chain
    /// ends earlier, or was adopted by the one seen, or adopted the one seen as it was
    /// earlier, as in the middle of a rebase. 0 for all others.
    fn changes_missing(&self, team: &Team) -> usize {
        let shared = self.chain.iter().zip(team.hashes()).take_while(|(seen, here)| seen == here).count();
        if shared == team.hashes().len() || self.adopted.contains(&team.head()) {
            return self.chain.len() - shared;
        }
        let adopted = |seen: &Hash| team.adopters(seen).any(|(device, key)| self.is_key_of(device, key));
        self.chain[shared..].iter().rev().position(adopted).unwrap_or(0)
    }

    /// True if that is what the admin's device, or recovery, signs with at the head seen.
    fn is_key_of(&self, device: &DeviceName, key: Option<PublicKey>) -> bool {
        key.is_some_and(|key| self.keys.get(device).is_some_and(|seen| *seen == key.to_string()))
    }

    /// True if whoever signed a section of an older file may write it at the head seen. Where
    /// the file's log is not the beginning of the one seen, only who was there before they parted.
    fn writes(&self, vault: &Vault, section: &Section<'_>) -> bool {
        let by = &section.signature().by;
        let key = vault.team().signing_key(by);
        let shared = self.chain.iter().zip(vault.team().hashes()).take_while(|(seen, here)| seen == here).count();
        let of_profile = |writers: &&Writers| writers.profiles.contains(section.name());
        self.writing.iter().find(of_profile).is_some_and(|writers| writers.devices.contains(by))
            && (!by.is_recovery() || self.is_key_of(by, key))
            && (shared == vault.team().hashes().len() || vault.team_after(shared).signing_key(by) == key)
    }

    /// The file's chain is not the one seen: it must have adopted the head seen,
    /// and dropped nothing that was decided there.
    fn check_adoption(&self, vault: &Vault) -> Result<(), Error> {
        let team = vault.team();
        let parted = vault.changes().zip(team.hashes()).zip(&self.chain).find(|((_, here), seen)| here != seen);
        let (Some(head), Some(((first, _), _))) = (self.chain.last(), parted) else {
            return Err(Error::Adopt("it ends before that one"));
        };
        if team.adopters(head).next().is_none() {
            return Err(Error::Fork { change: first.number, by: first.by });
        }
        if !team.adopters(head).any(|(device, key)| self.is_key_of(device, key)) {
            return Err(Error::Adopt("its signer was no admin there"));
        }
        let member_is_back = self.former_members.iter().any(|member| team.members().contains_key(member));
        let active = |device: &DeviceName| team.devices().get(device).is_some_and(|device| device.active);
        if member_is_back || self.former_devices.iter().any(active) {
            return Err(Error::Adopt("somebody removed there is still a member"));
        }
        Ok(())
    }

    /// Takes over what is new in a file that [`Self::compare`] accepted, and marks
    /// `given` as warned about. True if anything changed.
    pub fn learn(&mut self, vault: &Vault, sections: &[&Section<'_>], given: &[Warning]) -> bool {
        let team = vault.team();
        let mut changed = !given.is_empty();
        let marks: Vec<Hash> = given.iter().map(|warning| self.mark(team, sections, warning)).collect();
        // Memories from before they had keys get them from the log they know.
        let incomplete = self.keys.is_empty() && self.chain == team.hashes();
        if incomplete || (self.changes_missing(team) == 0 && self.chain != team.hashes()) {
            self.take_team(team);
            changed = true;
        }
        for section in sections {
            let clock = &section.signature().clock;
            let seen = self.profiles.get(section.name());
            let dominates = seen.is_none_or(|seen| {
                seen.clock != *clock
                    && seen.clock.iter().all(|(device, count)| clock.get(device).is_some_and(|here| here >= count))
            });
            if dominates {
                self.see(section);
                changed = true;
            }
        }
        for mark in marks {
            if self.warned.len() == MAX_WARNED {
                self.warned.remove(0);
            }
            self.warned.push(mark);
        }
        changed
    }

    /// Makes the file what was seen, older or not: a person decided so.
    pub fn accept(&mut self, vault: &Vault, sections: &[&Section<'_>]) {
        self.take_team(vault.team());
        for section in sections {
            // The own count stays at its highest: a discarded write is not numbered again.
            let own = self.device.clone().map(|device| (self.writes_seen(section.name(), &device), device));
            self.see(section);
            if let (Some((count, device)), Some(seen)) = (own, self.profiles.get_mut(section.name())) {
                seen.high.extend((count > 0).then_some((device, count)));
            }
        }
        self.warned.clear();
    }

    /// Remembers the counts in sections that were signed but may never become the file,
    /// as in a merge that is given up: the next write is numbered above them.
    pub fn reserve(&mut self, sections: &[&Section<'_>]) {
        for section in sections {
            let (by, clock) = (&section.signature().by, &section.signature().clock);
            let count = clock.get(by).copied().unwrap_or(0).max(self.writes_seen(section.name(), by));
            let nothing = || Seen { clock: Counts::new(), digest: Hash::ZERO, high: Counts::new() };
            let seen = self.profiles.entry(section.name().clone()).or_insert_with(nothing);
            seen.high.insert(by.clone(), count);
        }
    }

    fn see(&mut self, section: &Section<'_>) {
        let high = self.profiles.remove(section.name()).map(|seen| seen.high).unwrap_or_default();
        let seen = Seen { clock: section.signature().clock.clone(), digest: section.digest(), high };
        self.profiles.insert(section.name().clone(), seen);
    }

    fn take_team(&mut self, team: &Team) {
        self.chain = team.hashes().to_vec();
        let devices = || team.devices().keys().chain(team.recovery().is_some().then_some(DeviceName::recovery()));
        let mut writing: BTreeMap<BTreeSet<DeviceName>, Vec<ProfileName>> = BTreeMap::new();
        for profile in team.profiles().keys() {
            let writers = devices().filter(|device| team.writes(device, profile)).cloned().collect();
            writing.entry(writers).or_default().push(profile.clone());
        }
        self.writing = writing.into_iter().map(|(devices, profiles)| Writers { profiles, devices }).collect();
        self.adopted = team.adopted().copied().collect();
        let signs = |device: &&DeviceName| device.is_recovery() || team.is_admin(device);
        let keys = devices().filter(signs).filter_map(|device| Some((device.clone(), team.signing_key(device)?)));
        self.keys = keys.map(|(device, key)| (device, key.to_string())).collect();
        self.former_members = team.former_members().clone();
        self.former_devices =
            team.devices().iter().filter(|(_, device)| !device.active).map(|(name, _)| name.clone()).collect();
        self.profiles.retain(|profile, _| team.profiles().contains_key(profile));
    }

    /// Writes the memory. Several processes may do so at once: under a lock, what
    /// another one learned in the meantime is kept.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn save(&self, directory: &Path, timeout: Duration) -> Result<(), Error> {
        store::create_private_dir_all(directory)?;
        let _lock = store::Lock::acquire(directory, timeout)?;
        let newer = Self::load(directory, self.id)?;
        let mut merged = self.clone();
        if newer.chain.len() > merged.chain.len() && newer.chain.starts_with(&merged.chain) {
            let profiles = std::mem::take(&mut merged.profiles);
            merged = Self { profiles, ..newer.clone() };
        }
        let there = merged.writing.iter().flat_map(|writers| &writers.profiles).cloned().collect::<BTreeSet<_>>();
        for (profile, seen) in newer.profiles {
            // A profile that was removed is not brought back by what was seen of it before.
            if !there.contains(&profile) && seen.high.is_empty() {
                continue;
            }
            // Looked at by the other one alone.
            let ours = merged.profiles.entry(profile).or_insert_with(|| seen.clone());
            let dominates =
                ours.clock != seen.clock && ours.clock.iter().all(|(d, n)| seen.clock.get(d).is_some_and(|m| m >= n));
            if dominates {
                (ours.clock, ours.digest) = (seen.clock, seen.digest);
            }
            // Numbers that were used up stay so, whichever section is the newer one.
            for (device, count) in seen.high {
                let high = ours.high.entry(device).or_insert(0);
                *high = (*high).max(count);
            }
        }
        merged.write(directory)
    }

    /// Writes the memory over what is there: after [`Self::accept`], which may go back.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn overwrite(&self, directory: &Path, timeout: Duration) -> Result<(), Error> {
        store::create_private_dir_all(directory)?;
        let _lock = store::Lock::acquire(directory, timeout)?;
        self.write(directory)
    }

    fn write(&self, directory: &Path) -> Result<(), Error> {
        let path = directory.join(FILE);
        let bytes = serde_json::to_vec(self).map_err(|_| Error::Damaged(path.clone()))?;
        Ok(store::replace(&path, &bytes, store::Mode::Private)?)
    }
}
