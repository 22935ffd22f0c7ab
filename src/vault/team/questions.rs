//! What the team is asked: who is in, who may do what, and which log goes on from which.

use std::collections::{BTreeMap, BTreeSet};

use super::{Device, ProfileState, Team};
use crate::crypto::{Hash, PublicKey, Recipient};
use crate::vault::change::{Recovery, Role};
use crate::vault::name::{DeviceName, MemberName, ProfileName};

impl Team {
    /// Hash of the last change; zeros before the first.
    #[must_use]
    pub fn head(&self) -> Hash {
        self.hashes.last().copied().unwrap_or(Hash::ZERO)
    }

    /// Hash of each change, in order.
    #[must_use]
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// Who adopted a head that was merged away, with what they sign with; nobody if it was
    /// not. On another log a name can be somebody else's: whoever asks compares the keys.
    pub fn adopters<'a>(&'a self, head: &'a Hash) -> impl Iterator<Item = (&'a DeviceName, Option<PublicKey>)> {
        let by = self.adopted.iter().filter(move |(adopted, _)| adopted == head).map(|(_, by)| by);
        by.map(|by| (by, self.devices.get(by).and_then(|device| device.signing_key)))
    }

    /// The heads that were merged away, in order.
    pub fn adopted(&self) -> impl Iterator<Item = &Hash> {
        self.adopted.iter().map(|(head, _)| head)
    }

    /// True if this team goes on from the other: its log continues the other's, or adopted
    /// its head by somebody who was an admin there, and nobody removed there is back.
    #[must_use]
    pub fn follows(&self, other: &Self) -> bool {
        if self.hashes.starts_with(&other.hashes) {
            return true;
        }
        let active = |device: &DeviceName| self.devices.get(device).is_some_and(|device| device.active);
        self.adopters(&other.head()).any(|(device, key)| other.is_admin_with(device, key))
            && !other.former_members.iter().any(|member| self.members.contains_key(member))
            && !other.devices.iter().any(|(name, device)| !device.active && active(name))
    }

    /// Members with their roles.
    #[must_use]
    pub fn members(&self) -> &BTreeMap<MemberName, Role> {
        &self.members
    }

    /// Members that left.
    #[must_use]
    pub fn former_members(&self) -> &BTreeSet<MemberName> {
        &self.former_members
    }

    /// Every device that ever was, by name.
    #[must_use]
    pub fn devices(&self) -> &BTreeMap<DeviceName, Device> {
        &self.devices
    }

    /// Profiles with epoch, commitment and parents.
    #[must_use]
    pub fn profiles(&self) -> &BTreeMap<ProfileName, ProfileState> {
        &self.profiles
    }

    /// True if a profile of that name exists or existed.
    #[must_use]
    pub fn profile_name_used(&self, profile: &ProfileName) -> bool {
        self.profiles.contains_key(profile) || self.former_profiles.contains(profile)
    }

    /// The recovery device.
    #[must_use]
    pub fn recovery(&self) -> Option<&Recovery> {
        self.recovery.as_ref()
    }

    /// True for an active device of an admin.
    #[must_use]
    pub fn is_admin(&self, device: &DeviceName) -> bool {
        self.active(device).is_some_and(|(_, role)| role.admin)
    }

    /// True if the device may read the profile; the recovery device reads all.
    #[must_use]
    pub fn reads(&self, device: &DeviceName, profile: &ProfileName) -> bool {
        if device.is_recovery() {
            return self.recovery.is_some();
        }
        self.active(device).is_some_and(|(_, role)| role.reads(profile))
    }

    /// True if the device may write the profile.
    #[must_use]
    pub fn writes(&self, device: &DeviceName, profile: &ProfileName) -> bool {
        if device.is_recovery() {
            return self.recovery.is_some();
        }
        self.active(device).is_some_and(|(device, role)| device.signing_key.is_some() && role.writes(profile))
    }

    /// True for an active device of an admin that signs with this key.
    #[must_use]
    pub fn is_admin_with(&self, device: &DeviceName, key: Option<PublicKey>) -> bool {
        key.is_some() && self.is_admin(device) && self.signing_key(device) == key
    }

    /// True if who signs as the device in another log of this vault may write here too. A
    /// name alone says nothing of another log: it can be given to another key there.
    #[must_use]
    pub fn writes_as_in(&self, other: &Self, device: &DeviceName, profile: &ProfileName) -> bool {
        let key = other.signing_key(device);
        key.is_some() && self.writes(device, profile) && self.signing_key(device) == key
    }

    /// An active device with its member's role.
    fn active(&self, device: &DeviceName) -> Option<(&Device, &Role)> {
        let device = self.devices.get(device).filter(|device| device.active)?;
        Some((device, self.members.get(&device.member)?))
    }

    /// The key that verifies what the device signs, if it is active and signs.
    #[must_use]
    pub fn signing_key(&self, device: &DeviceName) -> Option<PublicKey> {
        if device.is_recovery() {
            return self.recovery.as_ref().map(|recovery| recovery.signing_key);
        }
        self.devices.get(device).filter(|device| device.active)?.signing_key
    }

    /// The key that a device signs or signed with, active or not: to say who wrote what is refused.
    pub(crate) fn key_ever(&self, device: &DeviceName) -> Option<PublicKey> {
        self.signing_key(device).or_else(|| self.devices.get(device)?.signing_key)
    }

    /// The active device with this recipient; the recovery device too.
    #[must_use]
    pub fn device_of(&self, recipient: &Recipient) -> Option<DeviceName> {
        if self.recovery.as_ref().is_some_and(|recovery| recovery.recipient == *recipient) {
            return Some(DeviceName::recovery().clone());
        }
        let found = self.devices.iter().find(|(_, device)| device.active && device.recipient == *recipient);
        found.map(|(name, _)| name.clone())
    }

    /// The device with this recipient that was removed.
    #[must_use]
    pub fn former_device_of(&self, recipient: &Recipient) -> Option<&DeviceName> {
        self.devices.iter().find(|(_, device)| !device.active && device.recipient == *recipient).map(|(name, _)| name)
    }

    /// Everyone who holds a grant of the profile, in order of names.
    pub fn readers<'a>(&'a self, profile: &ProfileName) -> impl Iterator<Item = (&'a DeviceName, &'a Recipient)> {
        let may =
            |device: &Device| device.active && self.members.get(&device.member).is_some_and(|role| role.reads(profile));
        let devices = self.devices.iter().filter(|(_, device)| may(device));
        let mut readers: Vec<_> = devices.map(|(name, device)| (name, &device.recipient)).collect();
        if let Some(recovery) = &self.recovery {
            // `recovery` sorts among the device names.
            let at = readers.partition_point(|(name, _)| *name < DeviceName::recovery());
            readers.insert(at, (DeviceName::recovery(), &recovery.recipient));
        }
        readers.into_iter()
    }

    /// True if the device was ever in the team log, or is the recovery device.
    #[must_use]
    pub fn knows_device(&self, device: &DeviceName) -> bool {
        device.is_recovery() || self.devices.contains_key(device)
    }

    /// The number the next change has.
    #[must_use]
    pub fn next_number(&self) -> u64 {
        self.hashes.len() as u64 + 1
    }
}
