//! One change of the vault file: lock, read again, change, sign, replace.
//!
//! A crash at any point leaves the old file or the new one, whole. The lock is on
//! the directory, is released by the system when its holder dies, and readers never
//! take it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::crypto::{DataKey, Hash, ValueKey};
use crate::identity::Unlocked;
use crate::store;

use super::change::{Action, Change, Rekeyed};
use super::document::{MAX_FILE, compose};
use super::error::{Error, Rejected};
use super::name::{DeviceName, ProfileName};
use super::pin::Memory;
use super::profile::Profile;
use super::secret::Exposure;
use super::signature::{AuditHead, SectionSignature};
use super::team::Team;
use super::{MAX_SECRETS, Vault};

/// The device that changes the vault.
pub struct Signer<'a> {
    /// Its name.
    pub device: DeviceName,
    /// Its identity, which opens grants and signs. Changes of the team need it in hand.
    pub identity: &'a dyn Unlocked,
}

/// A profile with the keys to change it.
struct OpenProfile {
    profile: Profile,
    key: DataKey,
    values: ValueKey,
}

/// A change under way. Dropping it changes nothing.
pub struct Transaction {
    /// The file to replace, held by the lock; none for a side of a merge.
    file: Option<(store::Lock, PathBuf)>,
    vault: Vault,
    team: Team,
    changes: Vec<String>,
    profiles: BTreeMap<ProfileName, OpenProfile>,
}

impl Transaction {
    /// Takes the lock and reads the file again behind it.
    ///
    /// # Errors
    /// [`Error::Store`] (busy), [`Error::Rejected`].
    pub fn begin(path: &Path, verified: &[Hash], timeout: Duration) -> Result<Self, Error> {
        let directory = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let lock = store::Lock::acquire(directory, timeout)?;
        let vault = Vault::read(store::read(path, MAX_FILE)?, verified)?;
        Ok(Self { file: Some((lock, path.to_path_buf())), ..Self::draft(vault) })
    }

    /// A change of a vault that no file is replaced by: of one side of a merge.
    pub(crate) fn draft(vault: Vault) -> Self {
        let team = vault.team().clone();
        Self { file: None, vault, team, changes: Vec::new(), profiles: BTreeMap::new() }
    }

    /// The file as it was read behind the lock.
    #[must_use]
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// The team with the changes made so far.
    #[must_use]
    pub fn team(&self) -> &Team {
        &self.team
    }

    /// The profile, to be changed, and the key for its values.
    ///
    /// # Errors
    /// [`Error::NoWrite`], [`Error::NoGrant`], [`Error::NoProfile`], [`Error::Rejected`].
    pub fn profile(&mut self, name: &ProfileName, signer: &Signer<'_>) -> Result<(&mut Profile, &ValueKey), Error> {
        let open = self.open(name, signer)?;
        Ok((&mut open.profile, &open.values))
    }

    fn open(&mut self, name: &ProfileName, signer: &Signer<'_>) -> Result<&mut OpenProfile, Error> {
        if !self.profiles.contains_key(name) {
            let section = self.vault.section(name)?;
            if !self.vault.team().writes(&signer.device, name) {
                return Err(Error::NoWrite { device: signer.device.clone(), profile: name.clone() });
            }
            let (key, values) = section.unlock(&self.vault.id(), self.vault.team(), &signer.device, signer.identity)?;
            self.profiles.insert(name.clone(), OpenProfile { profile: section.to_profile()?, key, values });
        }
        self.profiles.get_mut(name).ok_or_else(|| Error::NoProfile(name.clone()))
    }

    /// Appends a change of the team and does what comes with it: new keys for every
    /// profile that somebody can no longer read and for those in `also_rekey`, their
    /// values sealed again and, where `exposed` is given, marked as known to whom it says.
    /// Gives the profiles with new keys. Grants and signatures follow at the commit.
    ///
    /// # Errors
    /// [`Error::NotAdmin`], [`Error::NeedsIdentity`], [`Error::Rejected`] for a change that
    /// the rules do not allow, [`Error::NoGrant`], [`Error::Crypto`].
    pub fn change_team(
        &mut self,
        action: Action,
        also_rekey: &BTreeSet<ProfileName>,
        exposed: Option<&Exposure>,
        signer: &Signer<'_>,
        now: Timestamp,
    ) -> Result<Vec<ProfileName>, Error> {
        let exposed = exposed.map(std::slice::from_ref).unwrap_or_default();
        let marks = |_: &ProfileName, lost: bool| if lost { exposed.to_vec() } else { Vec::new() };
        self.change_team_marking(action, also_rekey, marks, signer, now)
    }

    /// As [`Self::change_team`], with the marks for each profile that gets new keys, and
    /// whether that is because of somebody who can no longer read it.
    pub(crate) fn change_team_marking(
        &mut self,
        action: Action,
        also_rekey: &BTreeSet<ProfileName>,
        exposed: impl Fn(&ProfileName, bool) -> Vec<Exposure>,
        signer: &Signer<'_>,
        now: Timestamp,
    ) -> Result<Vec<ProfileName>, Error> {
        if !self.team.is_admin(&signer.device) && !signer.device.is_recovery() {
            return Err(Error::NotAdmin(signer.device.clone()));
        }
        let in_hand = signer.identity.in_hand().ok_or(Error::NeedsIdentity)?;
        let mut change =
            Change { number: self.team.next_number(), at: now, by: signer.device.clone(), action, rekeyed: Vec::new() };
        let (lost, made) = self.team.effects(&change).map_err(not_allowed)?;
        let mut keys = BTreeMap::new();
        for name in lost.iter().chain(&made).chain(also_rekey) {
            let epoch = self.team.profiles().get(name).map_or(0, |state| state.epoch) + 1;
            let key = DataKey::generate()?;
            keys.insert(name.clone(), (epoch, key));
        }
        change.rekeyed = keys
            .iter()
            .map(|(name, (epoch, key))| Rekeyed {
                profile: name.clone(),
                epoch: *epoch,
                commitment: key.commitment(name.as_str(), *epoch),
            })
            .collect();
        // Everything is opened before anything is changed: a key that is missing ends it here.
        for name in keys.keys().filter(|name| !made.contains(*name)) {
            self.open(name, signer)?;
        }
        self.changes.push(self.team.append(&change, &in_hand.signing_key()).map_err(not_allowed)?);
        let rekeyed: Vec<ProfileName> = keys.keys().cloned().collect();
        for (name, (epoch, key)) in keys {
            let values = ValueKey::derive(&key, &self.vault.id(), name.as_str(), epoch);
            let profile = match self.profiles.remove(&name) {
                None => Profile::empty(&name),
                Some(mut open) => {
                    let exposed = exposed(&name, lost.contains(&name));
                    open.profile.reseal(&open.values, &values, &exposed)?;
                    open.profile.epoch = epoch;
                    open.profile
                }
            };
            // Grants of the old key are worth nothing now; the commit makes new ones.
            let profile = Profile { grants: BTreeMap::new(), ..profile };
            self.profiles.insert(name, OpenProfile { profile, key, values });
        }
        self.profiles.retain(|name, _| self.team.profiles().contains_key(name));
        Ok(rekeyed)
    }

    /// Adds an empty profile, granted to everyone who may read it: admins and recovery.
    ///
    /// # Errors
    /// [`Error::NotAdmin`], [`Error::NameUsed`], [`Error::NoProfile`] for a parent that does not exist.
    pub fn add_profile(
        &mut self,
        name: &ProfileName,
        extends: Vec<ProfileName>,
        signer: &Signer<'_>,
        now: Timestamp,
    ) -> Result<(), Error> {
        if !self.team.is_admin(&signer.device) {
            return Err(Error::NotAdmin(signer.device.clone()));
        }
        if self.team.profile_name_used(name) {
            return Err(Error::NameUsed { what: "profile", name: name.to_string() });
        }
        if let Some(parent) = extends.iter().find(|parent| !self.team.profiles().contains_key(*parent)) {
            return Err(Error::NoProfile(parent.clone()));
        }
        let action = Action::AddProfile { profile: name.clone(), extends };
        self.change_team(action, &BTreeSet::new(), None, signer, now).map(drop)
    }

    /// Brings grants and signatures in line with the team: who may read holds a grant,
    /// nobody else does, and nothing stays signed by somebody who may no longer write.
    fn settle(&mut self, signer: &Signer<'_>) -> Result<(), Error> {
        if self.changes.is_empty() {
            return Ok(());
        }
        let names: Vec<ProfileName> = self.team.profiles().keys().cloned().collect();
        let mut missing = Vec::new();
        for name in names {
            if !self.profiles.contains_key(&name) {
                let section = self.vault.section(&name)?;
                let readers = self.team.readers(&name).map(|(device, _)| device);
                let signer_writes = self.team.writes(&section.signature().by, &name);
                if signer_writes && readers.eq(section.grant_holders()) {
                    continue;
                }
            }
            self.open(&name, signer)?;
            let Some(open) = self.profiles.get_mut(&name) else { continue };
            let mut grants = std::mem::take(&mut open.profile.grants);
            for (device, recipient) in self.team.readers(&name) {
                match grants.remove(device) {
                    Some(grant) => drop(open.profile.grants.insert(device.clone(), grant)),
                    None => missing.push((name.clone(), device.clone(), recipient.clone())),
                }
            }
        }
        let wanted: Vec<_> = missing.iter().map(|(name, _, recipient)| (&self.profiles[name].key, recipient)).collect();
        let grants = DataKey::wrap_all(&wanted)?;
        for ((name, device, _), grant) in missing.into_iter().zip(grants) {
            self.profiles.entry(name).and_modify(|open| drop(open.profile.grants.insert(device, grant)));
        }
        Ok(())
    }

    /// Signs what was changed and replaces the file.
    ///
    /// # Errors
    /// [`Error::Bound`], [`Error::Rejected`], [`Error::Store`]. The old file stands unless the error
    /// is [`store::Error::NotDurable`].
    pub fn commit(
        mut self,
        signer: &Signer<'_>,
        memory: &Memory,
        audit: Option<AuditHead>,
        now: Timestamp,
    ) -> Result<Vault, Error> {
        let file = self.file.take();
        let written = self.sign(signer, memory, audit, now)?;
        if let Some((_lock, path)) = file {
            store::replace(&path, written.bytes(), store::Mode::Shared)?;
        }
        Ok(written)
    }

    /// Signs what was changed and checks the result as a reader would.
    /// `memory` keeps discarded counts from being used again; `audit` is the head of
    /// the signer's log after the intent was recorded.
    ///
    /// # Errors
    /// [`Error::Bound`], [`Error::Rejected`].
    pub(crate) fn sign(
        mut self,
        signer: &Signer<'_>,
        memory: &Memory,
        audit: Option<AuditHead>,
        now: Timestamp,
    ) -> Result<Vault, Error> {
        self.settle(signer)?;
        let id = self.vault.id();
        let mut sections = BTreeMap::new();
        let (old_changes, old_profiles) = self.vault.sections();
        for (name, text) in old_profiles.filter(|(name, _)| self.team.profiles().contains_key(*name)) {
            sections.insert(name.clone(), text.to_owned());
        }
        let changed: Vec<ProfileName> = self.profiles.keys().cloned().collect();
        for (name, OpenProfile { profile, .. }) in self.profiles {
            let clock = match memory.next_clock(&name, &profile.clock, &signer.device) {
                Some(clock) => clock,
                None => {
                    let by = self.vault.section(&name)?.signature().by.clone();
                    return Err(Error::UsedUp { device: signer.device.clone(), profile: name, by });
                }
            };
            let signature =
                SectionSignature { team: self.team.head(), by: signer.device.clone(), at: now, clock, audit };
            sections.insert(name, profile.sign(&id, &signature, signer.identity)?);
        }
        let changes = old_changes.chain(self.changes.iter().map(String::as_str));
        let text = compose(&id, changes.chain(sections.values().map(String::as_str)));
        if text.len() as u64 > MAX_FILE {
            return Err(Error::Bound("the vault file would be larger than 64 MiB"));
        }
        // What is about to replace the only copy is read first, the way the next
        // reader will: a defect of ours is an error here and not a lost secret later.
        let written = Vault::read(text.into_bytes(), self.team.hashes())?;
        for name in &changed {
            let section = written.section(name)?;
            section.secrets().try_for_each(|secret| secret.map(drop))?;
            section.removed()?;
        }
        let total: usize = sections.keys().map(|name| written.secrets_in(name)).sum();
        if total > MAX_SECRETS {
            return Err(Error::Bound("a vault holds at most 65536 secrets"));
        }
        Ok(written)
    }
}

/// A rule that a change of our own would break is no fault of the file.
fn not_allowed(rejected: Rejected) -> Error {
    rejected.rule.map_or_else(|| rejected.clone().into(), Error::NotAllowed)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests look at the file")]
mod tests {
    use super::super::{Founder, Value, found, store_value};
    use super::*;
    use crate::crypto::IdentityKey;
    use crate::secret_value::SecretValue;

    /// A defect of ours, as a reader would find it, is an error before the file is touched.
    #[test]
    fn what_would_not_be_read_is_not_written() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("vault.toml");
        let (identity, now) = (IdentityKey::generate().unwrap(), Timestamp::from_seconds(1_700_000_000).unwrap());
        let device: DeviceName = "alice-laptop".parse().unwrap();
        let founder =
            Founder { member: "alice".parse().unwrap(), device: device.clone(), identity: &identity, recovery: None };
        let (profile, name): (ProfileName, _) = ("default".parse().unwrap(), "KEY".parse().unwrap());
        std::fs::write(&file, found(&founder, &BTreeSet::from([profile.clone()]), now).unwrap()).unwrap();
        let before = std::fs::read(&file).unwrap();
        let signer = Signer { device, identity: &identity };
        let write = |spoil: &dyn Fn(&mut Profile)| {
            let mut tx = Transaction::begin(&file, &[], Duration::from_secs(5)).unwrap();
            let memory = Memory::new(tx.vault().id());
            let (section, key) = tx.profile(&profile, &signer).unwrap();
            let value = Value { value: &SecretValue::from(&b"v"[..]), set_at: now, age_at_least: false };
            store_value(section, key, &name, &value, &signer.device, now).unwrap();
            spoil(section);
            tx.commit(&signer, &memory, None, now).map(drop)
        };
        let secret = |section: &mut Profile, spoil: &dyn Fn(&mut super::super::Secret)| {
            spoil(section.secrets.get_mut(&name).unwrap());
        };
        let spoilt: [&dyn Fn(&mut Profile); 3] =
            [&|section| secret(section, &|secret| secret.version = 0), &|section| section.epoch += 1, &|section| {
                section.grants.clear()
            }];
        for spoil in spoilt {
            let refused = write(spoil);
            assert!(matches!(refused, Err(Error::Rejected(_))), "{refused:?}");
            assert_eq!(std::fs::read(&file).unwrap(), before);
        }
        write(&|_| {}).unwrap();
        assert_ne!(std::fs::read(&file).unwrap(), before);
    }
}
