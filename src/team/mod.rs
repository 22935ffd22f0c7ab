//! Who is in: joining, roles, leaving, recovery. Each operation is one change of the
//! vault file, all of it or nothing; `docs/team.md` shows them from outside.

mod adopt;
mod asked;
mod leave;
mod recover;
mod request;
mod role;
mod seal;

use crate::clock::Timestamp;
use crate::vault::{Action, DeviceName, Error, MemberName, NewDevice, Role, Signer, Transaction};
use std::collections::BTreeSet;

pub use adopt::{Adopted, adopt};
pub use asked::{Asked, ReplaceRequest, SealRequest};
pub use leave::{Leaving, Removal, remove, replace};
pub use recover::{enroll, new_recovery};
pub use request::{Request, RequestError};
pub use role::{Access, grant, revoke, set_role};
pub use seal::{check_sealable, seal};

/// Adds a member with one device, or a device to a member that exists.
///
/// A member that exists keeps its role; `role` is for new ones.
///
/// # Errors
/// [`Error::NotAdmin`], [`Error::NameUsed`] for a device's or former member's name,
/// [`Error::Rejected`] for a key that was used before or a profile that does not exist,
/// [`Error::Crypto`] for a recipient that this build cannot encrypt to.
pub fn add(
    tx: &mut Transaction,
    member: &MemberName,
    device: NewDevice,
    role: &Role,
    signer: &Signer<'_>,
    now: Timestamp,
) -> Result<(), Error> {
    check_device_name(tx, &device.device)?;
    let action = if tx.team().members().contains_key(member) {
        Action::AddDevice { member: member.clone(), device }
    } else {
        if tx.team().former_members().contains(member) {
            return Err(Error::NameUsed { what: "member", name: member.to_string() });
        }
        check_profiles(tx, role)?;
        Action::AddMember { member: member.clone(), device, role: role.clone() }
    };
    tx.change_team(action, &BTreeSet::new(), None, signer, now).map(drop)
}

fn check_device_name(tx: &Transaction, device: &DeviceName) -> Result<(), Error> {
    if device.is_recovery() || tx.team().devices().contains_key(device) {
        return Err(Error::NameUsed { what: "device", name: device.to_string() });
    }
    Ok(())
}

fn check_profiles(tx: &Transaction, role: &Role) -> Result<(), Error> {
    match role.read.iter().chain(&*role.write).find(|profile| !tx.team().profiles().contains_key(*profile)) {
        Some(missing) => Err(Error::NoProfile(missing.clone())),
        None => Ok(()),
    }
}
