//! Leaving: a member or a device goes, and what they could read is listed for rotation.

use std::collections::BTreeSet;

use crate::clock::Timestamp;
use crate::vault::{
    Action, DeviceName, Error, MemberName, NewDevice, ProfileName, Role, SecretName, Signer, Transaction,
};

use super::add;
use super::role::known_to;

/// Who leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leaving {
    /// A member with all devices.
    Member(MemberName),
    /// One device.
    Device(DeviceName),
}

/// What a removal did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removal {
    /// The devices that left.
    pub devices: Vec<DeviceName>,
    /// Profiles with new keys.
    pub rekeyed: Vec<ProfileName>,
    /// Every value they could read: what is to be rotated at its provider. Removed
    /// secrets that are still exposed are on it too, as history has them.
    pub worklist: Vec<(ProfileName, SecretName)>,
    /// True if the recovery device left with them and a new one is to be set.
    pub recovery_left: bool,
}

/// Removes a member or a device, in the same write as new keys for everything they
/// could read, whose values are marked as known to them.
///
/// # Errors
/// [`Error::NotAdmin`], [`Error::NoMember`], [`Error::NoDevice`], and
/// [`Error::Rejected`] for the last admin.
pub fn remove(tx: &mut Transaction, leaving: &Leaving, signer: &Signer<'_>, now: Timestamp) -> Result<Removal, Error> {
    leave(tx, leaving, Some("left the team"), signer, now)
}

/// Puts a new device of the same member in the place of one, which leaves in the same
/// write with new keys for everything it could read. `leaked` marks these values as known
/// to whoever has the old identity.
///
/// # Errors
/// Those of [`remove`] and of [`super::add`].
pub fn replace(
    tx: &mut Transaction,
    old: &DeviceName,
    new: NewDevice,
    leaked: bool,
    signer: &Signer<'_>,
    now: Timestamp,
) -> Result<Removal, Error> {
    let found = tx.team().devices().get(old).filter(|device| device.active);
    let member = found.map(|device| device.member.clone()).ok_or_else(|| Error::NoDevice(old.clone()))?;
    add(tx, &member, new, &Role::default(), signer, now)?;
    leave(tx, &Leaving::Device(old.clone()), leaked.then_some("its identity leaked"), signer, now)
}

fn leave(
    tx: &mut Transaction,
    leaving: &Leaving,
    exposed: Option<&str>,
    signer: &Signer<'_>,
    now: Timestamp,
) -> Result<Removal, Error> {
    let had_recovery = tx.team().recovery().is_some();
    let active = |name: &MemberName| -> Vec<DeviceName> {
        let devices = tx.team().devices().iter();
        devices.filter(|(_, device)| device.active && device.member == *name).map(|(name, _)| name.clone()).collect()
    };
    let (action, devices, who) = match leaving {
        Leaving::Member(member) => {
            if !tx.team().members().contains_key(member) {
                return Err(Error::NoMember(member.clone()));
            }
            (Action::RemoveMember { member: member.clone() }, active(member), member.to_string())
        }
        Leaving::Device(device) => {
            if !tx.team().devices().get(device).is_some_and(|device| device.active) {
                return Err(Error::NoDevice(device.clone()));
            }
            (Action::RemoveDevice { device: device.clone() }, vec![device.clone()], device.to_string())
        }
    };
    // What they could read, as opposed to what needs new keys because recovery leaves too.
    let readable: Vec<ProfileName> = tx
        .team()
        .profiles()
        .keys()
        .filter(|profile| devices.iter().any(|device| tx.team().reads(device, profile)))
        .cloned()
        .collect();
    let exposure = exposed.and_then(|why| known_to(&who, why, now));
    let rekeyed = tx.change_team(action, &BTreeSet::new(), exposure.as_ref(), signer, now)?;
    let mut worklist = Vec::new();
    for profile in readable {
        let (content, _) = tx.profile(&profile, signer)?;
        let names: BTreeSet<&SecretName> = content.secrets.keys().chain(content.removed.keys()).collect();
        worklist.extend(names.into_iter().map(|name| (profile.clone(), name.clone())));
    }
    Ok(Removal { devices, rekeyed, worklist, recovery_left: had_recovery && tx.team().recovery().is_none() })
}
