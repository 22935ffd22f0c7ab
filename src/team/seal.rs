//! Carrying a device's identity sealed in the vault file.

use std::collections::BTreeSet;

use crate::clock::Timestamp;
use crate::crypto::SealedIdentity;
use crate::vault::{Action, DeviceName, Error, Signer, Team, Transaction};

/// Refuses a device that cannot be carried sealed: one that has left, does not sign, or
/// is carried already. History keeps a seal, so another one would take nothing back.
///
/// # Errors
/// [`Error::NoDevice`], [`Error::Sealed`], [`Error::NotAllowed`].
pub fn check_sealable(team: &Team, device: &DeviceName) -> Result<(), Error> {
    let found = team.devices().get(device).filter(|device| device.active);
    let found = found.ok_or_else(|| Error::NoDevice(device.clone()))?;
    if found.sealed.is_some() {
        return Err(Error::Sealed(device.clone()));
    }
    if found.signing_key.is_none() {
        return Err(Error::NotAllowed("a device without a signing key cannot be sealed"));
    }
    Ok(())
}

/// Has the vault file carry the sealed identity of a device.
///
/// # Errors
/// [`Error::NotAdmin`], and those of [`check_sealable`].
pub fn seal(
    tx: &mut Transaction,
    device: &DeviceName,
    sealed: SealedIdentity,
    signer: &Signer<'_>,
    now: Timestamp,
) -> Result<(), Error> {
    check_sealable(tx.team(), device)?;
    let action = Action::SealIdentity { device: device.clone(), sealed };
    tx.change_team(action, &BTreeSet::new(), None, signer, now).map(drop)
}
