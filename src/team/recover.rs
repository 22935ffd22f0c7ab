//! Recovery: a code instead of a lost device, replaced every time it was used.

use std::collections::BTreeSet;

use crate::clock::Timestamp;
use crate::crypto::{IdentityKey, SealedIdentity};
use crate::secret_value::SecretValue;
use crate::vault::{Action, Error, MemberName, NewDevice, ProfileName, Recovery, Signer, Transaction};

use super::check_device_name;

/// Sets a recovery device with a new identity, sealed with `passphrase` (a recovery
/// code's text). Where there was one before, every profile gets a new key.
///
/// # Errors
/// [`Error::NotAdmin`], [`Error::Crypto`], [`Error::Rejected`].
pub fn new_recovery(
    tx: &mut Transaction,
    passphrase: &SecretValue,
    signer: &Signer<'_>,
    now: Timestamp,
) -> Result<Vec<ProfileName>, Error> {
    let identity = IdentityKey::generate()?;
    let recovery = Recovery {
        recipient: identity.recipient(),
        signing_key: identity.signing_key().public(),
        sealed: SealedIdentity::seal(&identity, passphrase)?,
    };
    let action = Action::Recovery { set: Some(recovery) };
    tx.change_team(action, &BTreeSet::new(), None, signer, now)
}

/// Enrols a new device of an admin, signed by the recovery device.
///
/// # Errors
/// [`Error::NoMember`] unless the member is an admin; [`Error::NameUsed`] for the device.
pub fn enroll(
    tx: &mut Transaction,
    member: &MemberName,
    device: NewDevice,
    recovery: &Signer<'_>,
    now: Timestamp,
) -> Result<(), Error> {
    if !tx.team().members().get(member).is_some_and(|role| role.admin) {
        return Err(Error::NoMember(member.clone()));
    }
    check_device_name(tx, &device.device)?;
    // Opened while the recovery device can: its successor is not enrolled before the commit.
    let profiles: Vec<ProfileName> = tx.team().profiles().keys().cloned().collect();
    for profile in &profiles {
        tx.profile(profile, recovery)?;
    }
    let action = Action::AddDevice { member: member.clone(), device };
    tx.change_team(action, &BTreeSet::new(), None, recovery, now).map(drop)
}
