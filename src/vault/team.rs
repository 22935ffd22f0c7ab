//! The team: what the log of changes amounts to, and the rules each change obeys
//! (`docs/format.md`, section 3).

mod questions;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::crypto::{Commitment, Hash, PublicKey, Recipient, SealedIdentity};

use super::change::{self, Action, Change, Lists, NewDevice, Recovery, Role, SignedChange};
use super::error::{Kind, Rejected};
use super::name::{DeviceName, MemberName, ProfileName};

/// The recovery device's name, which nobody and nothing else may have.
const RESERVED: &str = "recovery";
/// Lists of profiles that are looked through rather than checked again.
const MAX_CHECKED: usize = 16;
/// Most devices ever named.
pub(crate) const MAX_DEVICES: usize = 4_096;
const MAX_PROFILES: usize = 1_024;

/// A machine of a member.
#[derive(Debug, Clone)]
pub struct Device {
    /// Whose it is.
    pub member: MemberName,
    /// What grants are wrapped to.
    pub recipient: Recipient,
    /// What it signs with; `None` can only read.
    pub signing_key: Option<PublicKey>,
    /// When it came.
    pub added_at: Timestamp,
    /// Its identity, where the vault carries it.
    pub sealed: Option<SealedIdentity>,
    /// False once it left.
    pub active: bool,
}

/// What the team log says of a profile.
#[derive(Debug, Clone)]
pub struct ProfileState {
    /// Number of its data key, from 1.
    pub epoch: u64,
    /// Commitment of its data key.
    pub commitment: Commitment,
    /// Parents, in order of precedence.
    pub extends: Vec<ProfileName>,
    /// Its place in the order in which profiles came.
    pub(super) number: u16,
}

/// The team after a chain of changes.
#[derive(Debug, Clone, Default)]
pub struct Team {
    /// Hash of each change, in order; the last is the head.
    hashes: Vec<Hash>,
    members: BTreeMap<MemberName, Role>,
    former_members: BTreeSet<MemberName>,
    devices: BTreeMap<DeviceName, Device>,
    profiles: BTreeMap<ProfileName, ProfileState>,
    former_profiles: BTreeSet<ProfileName>,
    /// The numbers of the parents of each profile that ever was, by its own: looking for
    /// circles by names takes a hostile log minutes.
    parents: Vec<Vec<u16>>,
    recovery: Option<Recovery>,
    /// Recovery devices that were replaced or dropped: what is theirs is not used again.
    former_recoveries: Vec<Recovery>,
    adopted: Vec<(Hash, DeviceName)>,
    /// Lists of roles whose profiles all exist: many members share one.
    checked: Vec<Arc<[ProfileName]>>,
}

impl Team {
    /// Of a team, one device and some profiles: what a use of them asks for.
    pub(super) fn excerpt(
        (name, device): (DeviceName, Device),
        profiles: impl Iterator<Item = (ProfileName, ProfileState)>,
    ) -> Self {
        Self {
            members: [(device.member.clone(), Role::default())].into(),
            devices: [(name, device)].into(),
            profiles: profiles.collect(),
            ..Self::default()
        }
    }

    /// Reads one more change: number, signature, rules.
    ///
    /// `verified` is true when this very change, by its hash, was verified before;
    /// its signature is then not computed again.
    pub(crate) fn read<'a>(
        &mut self,
        text: &'a str,
        first_line: usize,
        lists: &mut Lists<'a>,
        verified: impl FnOnce(&Hash) -> bool,
    ) -> Result<Change, Rejected> {
        let previous = self.head();
        let hash = change::hash(&previous, text);
        let signed = if verified(&hash) {
            SignedChange::read_known(text, lists)?
        } else {
            SignedChange::read(text, first_line, lists)?
        };
        let change = signed.change;
        let place = |rejected: Rejected| rejected.in_change(change.number, Some(&change.by));
        // Until its signature is verified, a change only claims to be of somebody.
        let claim = |rejected: Rejected| {
            let (key, signature) = (self.key_ever(&change.by), signed.signature.as_ref());
            let bytes = change::signed_bytes(&previous, signed.signed_text);
            let proven = key.zip(signature).is_some_and(|(key, signature)| key.verify(&bytes, signature).is_ok());
            place(rejected).with_proof(proven)
        };
        if change.number != self.hashes.len() as u64 + 1 {
            return Err(claim(Rejected::new(Kind::Chain)));
        }
        // A change that is known is here behind the same changes as before, by its hash: who may
        // have made it was decided then, and only what it does is done again.
        if let Some(signature) = &signed.signature {
            let key = self.signer_of(&change).map_err(claim)?;
            key.verify(&change::signed_bytes(&previous, signed.signed_text), signature)
                .map_err(|_| claim(Rejected::new(Kind::TeamSignature)))?;
            self.check_keys(&change).map_err(place)?;
        }
        self.apply(&change).map_err(place)?;
        self.hashes.push(hash);
        Ok(change)
    }

    /// Appends a change of our own: the same rules, checked before it is signed.
    pub(crate) fn append(&mut self, change: &Change, key: &crate::crypto::SigningKey) -> Result<String, Rejected> {
        let previous = self.head();
        let place = |rejected: Rejected| rejected.in_change(change.number, Some(&change.by));
        self.signer_of(change).and_then(|_| self.check_keys(change)).map_err(place)?;
        self.apply(change).map_err(place)?;
        let text = change.sign(&previous, key);
        self.hashes.push(change::hash(&previous, &text));
        Ok(text)
    }

    /// The key that a change has to be signed with, in the state before it.
    fn signer_of(&self, change: &Change) -> Result<PublicKey, Rejected> {
        if let Action::Found { device, .. } = &change.action {
            if change.number != 1 || device.device != change.by {
                return Err(Rejected::rule("a vault is founded once, by the device it names"));
            }
            return device.signing_key.ok_or(Rejected::rule("the founding device must be able to sign"));
        }
        if change.number == 1 {
            return Err(Rejected::rule("the first change must found the vault"));
        }
        if change.by.is_recovery() {
            let recovery = self.recovery.as_ref().ok_or(Rejected::rule("there is no recovery device"))?;
            let is_admin = |member: &MemberName| self.members.get(member).is_some_and(|role| role.admin);
            let allowed = match &change.action {
                Action::AddDevice { member, .. } => is_admin(member),
                Action::RemoveDevice { device } => self.devices.get(device).is_some_and(|d| is_admin(&d.member)),
                Action::Rekey | Action::Recovery { .. } => true,
                _ => false,
            };
            if !allowed {
                return Err(Rejected::rule("the recovery device may not do that"));
            }
            return Ok(recovery.signing_key);
        }
        if !self.is_admin(&change.by) {
            return Err(Rejected::rule("only an admin changes the team"));
        }
        self.devices
            .get(&change.by)
            .and_then(|device| device.signing_key)
            .ok_or(Rejected::rule("that device cannot sign"))
    }

    /// No key enters a team twice, not even behind one that left.
    fn check_keys(&self, change: &Change) -> Result<(), Rejected> {
        let (recipient, signing_key) = match &change.action {
            Action::Found { device, .. } | Action::AddMember { device, .. } | Action::AddDevice { device, .. } => {
                (&device.recipient, device.signing_key.as_ref())
            }
            Action::Recovery { set: Some(recovery) } => (&recovery.recipient, Some(&recovery.signing_key)),
            _ => return Ok(()),
        };
        let devices = self.devices.values().map(|device| (&device.recipient, device.signing_key.as_ref()));
        let recoveries = self.former_recoveries.iter().chain(&self.recovery);
        let mut used = devices.chain(recoveries.map(|recovery| (&recovery.recipient, Some(&recovery.signing_key))));
        if used.any(|(other, key)| other == recipient || (key.is_some() && key == signing_key)) {
            return Err(Rejected::rule("that key was used before"));
        }
        Ok(())
    }

    /// Applies a change, or refuses it by its rules; then nothing is to be done with this team.
    fn apply(&mut self, change: &Change) -> Result<(), Rejected> {
        let (lost, made) = self.take_effect(change)?;
        self.rekey(change, &lost, &made)?;
        // Nothing else takes an admin away, and hundreds only come.
        match change.action {
            Action::RemoveMember { .. }
            | Action::RemoveDevice { .. }
            | Action::SetRole { .. }
            | Action::Adopt { .. } => self.check_last_admin(),
            _ => Ok(()),
        }
    }

    /// The profiles that somebody could no longer read after a change, and those it makes,
    /// both of which need new keys (rule R).
    ///
    /// # Errors
    /// [`Rejected`] if the rules do not allow the change.
    pub(crate) fn effects(&self, change: &Change) -> Result<(BTreeSet<ProfileName>, BTreeSet<ProfileName>), Rejected> {
        let place = |rejected: Rejected| rejected.in_change(change.number, Some(&change.by));
        self.clone().take_effect(change).map_err(place)
    }

    /// Does what a change says, except for keys.
    fn take_effect(&mut self, change: &Change) -> Result<(BTreeSet<ProfileName>, BTreeSet<ProfileName>), Rejected> {
        // Profiles that somebody loses, and the profiles that this change makes.
        let mut lost = BTreeSet::new();
        let mut made = BTreeSet::new();
        match &change.action {
            Action::Found { member, device, .. } => {
                self.enter_member(member, &Role { admin: true, ..Role::default() })?;
                self.enter_device(member, device, change.at)?;
                made.extend(change.rekeyed.iter().map(|rekeyed| rekeyed.profile.clone()));
                if made.is_empty() {
                    return Err(Rejected::rule("a vault is founded with a profile"));
                }
                for profile in &made {
                    self.enter_profile(profile, &[])?;
                }
            }
            Action::AddMember { member, device, role } => {
                self.enter_member(member, role)?;
                self.enter_device(member, device, change.at)?;
            }
            Action::AddDevice { member, device } => {
                self.role_of(member)?;
                self.enter_device(member, device, change.at)?;
            }
            Action::RemoveMember { member } => self.leave_member(member, &mut lost)?,
            Action::RemoveDevice { device } => self.leave_device(device, &mut lost)?,
            Action::SetRole { member, role } => {
                let old = self.role_of(member)?.clone();
                self.check_role(role)?;
                if self.has_devices(member) {
                    lost.extend(self.profiles.keys().filter(|p| old.reads(p) && !role.reads(p)).cloned());
                }
                if old.admin && !role.admin {
                    self.drop_recovery(&mut lost);
                }
                self.members.insert(member.clone(), role.clone());
            }
            Action::AddProfile { profile, extends } => {
                self.enter_profile(profile, extends)?;
                made.insert(profile.clone());
            }
            Action::SetProfile { profile, extends } => self.set_extends(profile, extends)?,
            Action::RemoveProfile { profile } => self.leave_profile(profile)?,
            Action::SealIdentity { device, sealed } => {
                let device = self.devices.get_mut(device).filter(|device| device.active);
                let device = device.ok_or(Rejected::rule("no such device"))?;
                if device.signing_key.is_none() || device.sealed.is_some() {
                    return Err(Rejected::rule("that device cannot be sealed, or is sealed already"));
                }
                device.sealed = Some(sealed.clone());
            }
            Action::Rekey => {}
            Action::Recovery { set } => {
                if self.recovery.is_none() && set.is_none() {
                    return Err(Rejected::rule("there is no recovery device"));
                }
                self.drop_recovery(&mut lost);
                self.recovery.clone_from(set);
            }
            Action::Adopt { head, members, devices } => {
                if self.hashes.contains(head) {
                    return Err(Rejected::rule("the adopted head is in this chain"));
                }
                for device in devices {
                    self.leave_device(device, &mut lost)?;
                }
                for member in members {
                    self.leave_member(member, &mut lost)?;
                }
                self.adopted.push((*head, change.by.clone()));
            }
        }
        Ok((lost, made))
    }

    /// Rule R: exactly the profiles that somebody lost, or that were made, have new keys.
    fn rekey(
        &mut self,
        change: &Change,
        lost: &BTreeSet<ProfileName>,
        made: &BTreeSet<ProfileName>,
    ) -> Result<(), Rejected> {
        let listed: BTreeSet<_> = change.rekeyed.iter().map(|rekeyed| &rekeyed.profile).collect();
        let needed: BTreeSet<_> = lost.iter().chain(made).collect();
        let may_list_more = matches!(change.action, Action::Rekey | Action::Adopt { .. });
        if listed.is_empty() && change.action == Action::Rekey {
            return Err(Rejected::rule("a rekey names profiles"));
        }
        if !listed.is_superset(&needed) || (!may_list_more && listed != needed) {
            return Err(Rejected::rule("new keys must come for exactly the profiles that somebody can no longer read"));
        }
        for rekeyed in &change.rekeyed {
            let state = self.profiles.get_mut(&rekeyed.profile).ok_or(Rejected::rule("no such profile"))?;
            if rekeyed.epoch != state.epoch + 1 {
                return Err(Rejected::rule("a new key has the next epoch"));
            }
            state.epoch = rekeyed.epoch;
            state.commitment = rekeyed.commitment;
        }
        // A profile that was entered above has no key until it is listed here.
        if made.iter().any(|profile| self.profiles[profile].epoch == 0) {
            return Err(Rejected::rule("a new profile has a key"));
        }
        Ok(())
    }

    fn check_last_admin(&self) -> Result<(), Rejected> {
        let signs = |device: &Device| {
            device.active
                && device.signing_key.is_some()
                && self.members.get(&device.member).is_some_and(|role| role.admin)
        };
        if self.devices.values().any(signs) {
            Ok(())
        } else {
            Err(Rejected::rule("the last admin device that can sign cannot leave"))
        }
    }

    fn role_of(&self, member: &MemberName) -> Result<&Role, Rejected> {
        self.members.get(member).ok_or(Rejected::rule("no such member"))
    }

    fn check_role(&mut self, role: &Role) -> Result<(), Rejected> {
        for list in [&role.read, &role.write] {
            if self.checked.iter().any(|checked| Arc::ptr_eq(checked, list)) {
                continue;
            }
            // Both are sorted.
            let mut there = self.profiles.keys();
            if !list.iter().all(|profile| there.any(|there| there == profile)) {
                return Err(Rejected::rule("a role names a profile that does not exist"));
            }
            if self.checked.len() < MAX_CHECKED && !list.is_empty() {
                self.checked.push(list.clone());
            }
        }
        Ok(())
    }

    fn enter_member(&mut self, member: &MemberName, role: &Role) -> Result<(), Rejected> {
        if member.as_str() == RESERVED {
            return Err(Rejected::rule("that name is reserved"));
        }
        self.check_role(role)?;
        match self.members.entry(member.clone()) {
            Entry::Vacant(entry) if !self.former_members.contains(member) => {
                entry.insert(role.clone());
                Ok(())
            }
            _ => Err(Rejected::rule("that member's name was used before")),
        }
    }

    fn enter_device(&mut self, member: &MemberName, device: &NewDevice, at: Timestamp) -> Result<(), Rejected> {
        let full = self.devices.len() == MAX_DEVICES;
        match self.devices.entry(device.device.clone()) {
            Entry::Vacant(entry) if !device.device.is_recovery() => {
                if full {
                    return Err(Rejected::new(Kind::Bounds));
                }
                entry.insert(Device {
                    member: member.clone(),
                    recipient: device.recipient.clone(),
                    signing_key: device.signing_key,
                    added_at: at,
                    sealed: None,
                    active: true,
                });
                Ok(())
            }
            _ => Err(Rejected::rule("that device's name was used before or is reserved")),
        }
    }

    fn enter_profile(&mut self, profile: &ProfileName, extends: &[ProfileName]) -> Result<(), Rejected> {
        if profile.as_str() == RESERVED {
            return Err(Rejected::rule("that name is reserved"));
        }
        if self.profiles.contains_key(profile) || self.former_profiles.contains(profile) {
            return Err(Rejected::rule("that profile's name was used before"));
        }
        if self.profiles.len() + self.former_profiles.len() == MAX_PROFILES {
            return Err(Rejected::new(Kind::Bounds));
        }
        let parents = self.parents_of(profile, extends)?;
        let number = u16::try_from(self.parents.len()).map_err(|_| Rejected::new(Kind::Bounds))?;
        self.parents.push(parents);
        // Epoch 0 stands for "not keyed yet"; `rekey` refuses to leave it so.
        let commitment = [0; 32];
        let state = ProfileState {
            epoch: 0,
            commitment: crate::crypto::to_base64(&commitment).parse().expect("32 bytes are a commitment"),
            extends: extends.to_vec(),
            number,
        };
        self.profiles.insert(profile.clone(), state);
        Ok(())
    }

    /// The numbers of a profile's parents, if all exist and none extends it in turn.
    fn parents_of(&self, profile: &ProfileName, extends: &[ProfileName]) -> Result<Vec<u16>, Rejected> {
        let circle = Rejected::rule("a profile cannot extend itself");
        if extends.contains(profile) {
            return Err(circle);
        }
        let number = |parent| self.profiles.get(parent).map(|state: &ProfileState| state.number);
        let parents: Option<Vec<u16>> = extends.iter().map(number).collect();
        let parents = parents.ok_or(Rejected::rule("a profile extends one that does not exist"))?;
        // Nobody can extend one that is new.
        let Some(own) = number(profile) else { return Ok(parents) };
        let mut seen = vec![false; self.parents.len()];
        let mut open = parents.clone();
        while let Some(parent) = open.pop() {
            if parent == own {
                return Err(circle);
            }
            for above in &self.parents[usize::from(parent)] {
                if !std::mem::replace(&mut seen[usize::from(*above)], true) {
                    open.push(*above);
                }
            }
        }
        Ok(parents)
    }

    fn set_extends(&mut self, profile: &ProfileName, extends: &[ProfileName]) -> Result<(), Rejected> {
        let parents = self.parents_of(profile, extends)?;
        let state = self.profiles.get_mut(profile).ok_or(Rejected::rule("no such profile"))?;
        state.extends = extends.to_vec();
        self.parents[usize::from(state.number)] = parents;
        Ok(())
    }

    fn leave_profile(&mut self, profile: &ProfileName) -> Result<(), Rejected> {
        if self.profiles.values().any(|state| state.extends.contains(profile)) {
            return Err(Rejected::rule("another profile extends it"));
        }
        if self.profiles.remove(profile).is_none() {
            return Err(Rejected::rule("no such profile"));
        }
        for role in self.members.values_mut() {
            for list in [&mut role.read, &mut role.write] {
                if list.contains(profile) {
                    *list = list.iter().filter(|name| *name != profile).cloned().collect();
                }
            }
        }
        self.former_profiles.insert(profile.clone());
        self.checked.clear();
        Ok(())
    }

    fn leave_member(&mut self, member: &MemberName, lost: &mut BTreeSet<ProfileName>) -> Result<(), Rejected> {
        let role = self.role_of(member)?.clone();
        if self.has_devices(member) {
            lost.extend(self.profiles.keys().filter(|profile| role.reads(profile)).cloned());
        }
        for device in self.devices.values_mut().filter(|device| device.member == *member) {
            device.active = false;
        }
        if role.admin {
            self.drop_recovery(lost);
        }
        self.members.remove(member);
        self.former_members.insert(member.clone());
        Ok(())
    }

    fn leave_device(&mut self, name: &DeviceName, lost: &mut BTreeSet<ProfileName>) -> Result<(), Rejected> {
        let device = self.devices.get_mut(name).filter(|device| device.active);
        let device = device.ok_or(Rejected::rule("no such device"))?;
        device.active = false;
        let role = &self.members[&device.member];
        lost.extend(self.profiles.keys().filter(|profile| role.reads(profile)).cloned());
        if role.admin {
            self.drop_recovery(lost);
        }
        Ok(())
    }

    /// Rule A, and the recovery device reads every profile.
    fn drop_recovery(&mut self, lost: &mut BTreeSet<ProfileName>) {
        if let Some(recovery) = self.recovery.take() {
            self.former_recoveries.push(recovery);
            lost.extend(self.profiles.keys().cloned());
        }
    }

    fn has_devices(&self, member: &MemberName) -> bool {
        self.devices.values().any(|device| device.active && device.member == *member)
    }
}

impl Role {
    /// True if the role lets its member read the profile.
    #[must_use]
    pub fn reads(&self, profile: &ProfileName) -> bool {
        self.writes(profile) || self.read.binary_search(profile).is_ok()
    }

    /// True if the role lets its member write the profile.
    #[must_use]
    pub fn writes(&self, profile: &ProfileName) -> bool {
        self.admin || self.write.binary_search(profile).is_ok()
    }
}
