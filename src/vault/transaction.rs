//! One change of the vault file: lock, read again, change, sign, replace.
//!
//! A crash at any point leaves the old file or the new one, whole. The lock is on
//! the directory, is released by the system when its holder dies, and readers never
//! take it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::crypto::{DataKey, Hash, IdentityKey, SigningKey, ValueKey};
use crate::store;

use super::change::{Action, Change, Rekeyed};
use super::document::{MAX_FILE, compose};
use super::error::Error;
use super::founding::wrap_to_readers;
use super::name::{DeviceName, ProfileName};
use super::pin::Memory;
use super::profile::{AuditHead, Counts, Profile, Section, SectionSignature};
use super::secret::PolicyFields;
use super::team::Team;
use super::{MAX_SECRETS, Vault};

/// The device that changes the vault.
pub struct Signer<'a> {
    /// Its name.
    pub device: DeviceName,
    /// Its identity, to unwrap grants.
    pub identity: &'a IdentityKey,
    /// Its signing key.
    pub key: SigningKey,
}

/// A change under way. Dropping it changes nothing.
pub struct Transaction {
    _lock: store::Lock,
    path: PathBuf,
    vault: Vault,
    team: Team,
    changes: Vec<String>,
    profiles: BTreeMap<ProfileName, (Profile, ValueKey)>,
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
        let team = vault.team().clone();
        Ok(Self { _lock: lock, path: path.to_path_buf(), vault, team, changes: Vec::new(), profiles: BTreeMap::new() })
    }

    /// The file as it was read behind the lock.
    #[must_use]
    pub fn vault(&self) -> &Vault {
        &self.vault
    }

    /// The profile, to be changed, and the key for its values.
    ///
    /// # Errors
    /// [`Error::NoWrite`], [`Error::NoGrant`], [`Error::NoProfile`], [`Error::Rejected`].
    pub fn profile(&mut self, name: &ProfileName, signer: &Signer<'_>) -> Result<(&mut Profile, &ValueKey), Error> {
        if !self.profiles.contains_key(name) {
            let section = self.vault.section(name)?;
            if !self.team.writes(&signer.device, name) {
                return Err(Error::NoWrite { device: signer.device.clone(), profile: name.clone() });
            }
            let (_, values) = section.unlock(&self.vault.id(), self.vault.team(), &signer.device, signer.identity)?;
            self.profiles.insert(name.clone(), (section.to_profile()?, values));
        }
        let (profile, values) = self.profiles.get_mut(name).ok_or_else(|| Error::NoProfile(name.clone()))?;
        Ok((profile, values))
    }

    /// Adds an empty profile, granted to everyone who may read it: admins and recovery.
    ///
    /// # Errors
    /// [`Error::NotAdmin`], [`Error::NameUsed`], [`Error::Rejected`] for a parent that does not exist.
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
        let key = DataKey::generate()?;
        let rekeyed = vec![Rekeyed { profile: name.clone(), epoch: 1, commitment: key.commitment(name.as_str(), 1) }];
        let change = Change {
            number: self.team.next_number(),
            at: now,
            by: signer.device.clone(),
            action: Action::AddProfile { profile: name.clone(), extends },
            rekeyed,
        };
        self.changes.push(self.team.append(&change, &signer.key)?);
        let profile = Profile {
            name: name.clone(),
            epoch: 1,
            grants: wrap_to_readers(&self.team, name, &key)?,
            policy: PolicyFields::default(),
            removed: BTreeMap::new(),
            secrets: BTreeMap::new(),
            clock: Counts::new(),
        };
        let values = ValueKey::derive(&key, &self.vault.id(), name.as_str(), 1);
        self.profiles.insert(name.clone(), (profile, values));
        Ok(())
    }

    /// Signs what was changed, checks the result as a reader would, and replaces the file.
    /// `memory` keeps discarded counts from being used again; `audit` is the head of
    /// the signer's log after the intent was recorded.
    ///
    /// # Errors
    /// [`Error::Bound`], [`Error::Rejected`], [`Error::Store`]. The old file stands
    /// unless the error is [`store::Error::NotDurable`].
    pub fn commit(
        self,
        signer: &Signer<'_>,
        memory: &Memory,
        audit: Option<AuditHead>,
        now: Timestamp,
    ) -> Result<Vault, Error> {
        let id = self.vault.id();
        let mut sections = BTreeMap::new();
        let (old_changes, old_profiles) = self.vault.sections();
        for (name, text) in old_profiles {
            sections.insert(name.clone(), text.to_owned());
        }
        let changed: Vec<ProfileName> = self.profiles.keys().cloned().collect();
        for (name, (profile, _)) in self.profiles {
            let mut clock = profile.clock.clone();
            let count = clock.entry(signer.device.clone()).or_insert(0);
            *count = (*count).max(memory.writes_seen(&name, &signer.device)) + 1;
            let signature =
                SectionSignature { team: self.team.head(), by: signer.device.clone(), at: now, clock, audit };
            sections.insert(name, profile.sign(&id, &signature, &signer.key)?);
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
        let count = |name| written.section(name).map(|section: Section<'_>| section.len());
        if written.bytes().len() > MAX_SECRETS * 100 {
            let total = sections.keys().map(count).sum::<Result<usize, _>>()?;
            if total > MAX_SECRETS {
                return Err(Error::Bound("a vault holds at most 65536 secrets"));
            }
        }
        store::replace(&self.path, written.bytes(), store::Mode::Shared)?;
        Ok(written)
    }
}
