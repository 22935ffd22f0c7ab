//! Roles: what a member may do, and changing it.

use std::collections::BTreeSet;

use crate::clock::Timestamp;
use crate::vault::{Action, Error, Exposure, MemberName, ProfileName, Role, Signer, Transaction};

use super::check_profiles;

/// Access that is given or taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// Profiles to read.
    pub read: BTreeSet<ProfileName>,
    /// Profiles to write, which includes reading them.
    pub write: BTreeSet<ProfileName>,
    /// Everything, and the team.
    pub admin: bool,
}

impl Access {
    /// The role that is exactly this access.
    #[must_use]
    pub fn to_role(&self) -> Role {
        if self.admin {
            return Role { admin: true, ..Role::default() };
        }
        Role {
            admin: false,
            read: self.read.difference(&self.write).cloned().collect(),
            write: self.write.iter().cloned().collect(),
        }
    }

    /// What a role gives. Being admin is not spelled out profile by profile.
    #[must_use]
    pub fn of(role: &Role) -> Self {
        Self {
            read: role.read.iter().cloned().collect(),
            write: role.write.iter().cloned().collect(),
            admin: role.admin,
        }
    }
}

/// Gives a member more access. False if it has all of it already.
///
/// # Errors
/// Those of [`set_role`].
pub fn grant(
    tx: &mut Transaction,
    member: &MemberName,
    more: &Access,
    signer: &Signer<'_>,
    now: Timestamp,
) -> Result<bool, Error> {
    check_admin(tx, signer)?;
    let role = role_of(tx, member)?;
    let mut access = Access::of(&role);
    access.read.extend(more.read.iter().cloned());
    access.write.extend(more.write.iter().cloned());
    access.admin |= more.admin;
    let new = access.to_role();
    if new == role || (role.admin && !more.admin) {
        return Ok(false);
    }
    set_role(tx, member, &new, signer, now).map(|_| true)
}

/// Takes access away: writing leaves reading, reading takes both, being admin takes
/// everything. Gives the profiles with new keys; their values are marked as exposed.
///
/// # Errors
/// Those of [`set_role`].
pub fn revoke(
    tx: &mut Transaction,
    member: &MemberName,
    less: &Access,
    signer: &Signer<'_>,
    now: Timestamp,
) -> Result<Vec<ProfileName>, Error> {
    check_admin(tx, signer)?;
    let role = role_of(tx, member)?;
    let mut access = Access::of(&role);
    if role.admin {
        // An admin holds nothing profile by profile; without it nothing is left.
        if !less.admin {
            return Err(Error::AdminHasAll(member.clone()));
        }
        access.admin = false;
    }
    for profile in &less.write {
        if access.write.remove(profile) {
            access.read.insert(profile.clone());
        }
    }
    for profile in &less.read {
        access.write.remove(profile);
        access.read.remove(profile);
    }
    let new = access.to_role();
    if new == role {
        return Ok(Vec::new());
    }
    set_role(tx, member, &new, signer, now)
}

/// Replaces a member's role. Profiles it loses get new keys, and their values are
/// marked as known to it.
///
/// # Errors
/// [`Error::NotAdmin`], [`Error::NoMember`], [`Error::NoProfile`], and
/// [`Error::Rejected`] for the last admin.
pub fn set_role(
    tx: &mut Transaction,
    member: &MemberName,
    role: &Role,
    signer: &Signer<'_>,
    now: Timestamp,
) -> Result<Vec<ProfileName>, Error> {
    check_profiles(tx, role)?;
    role_of(tx, member)?;
    let exposure = known_to(member.as_str(), "lost the right to read it", now);
    let action = Action::SetRole { member: member.clone(), role: role.clone() };
    tx.change_team(action, &BTreeSet::new(), exposure.as_ref(), signer, now)
}

/// Before anything is said about what somebody has.
fn check_admin(tx: &Transaction, signer: &Signer<'_>) -> Result<(), Error> {
    if tx.team().is_admin(&signer.device) { Ok(()) } else { Err(Error::NotAdmin(signer.device.clone())) }
}

fn role_of(tx: &Transaction, member: &MemberName) -> Result<Role, Error> {
    tx.team().members().get(member).cloned().ok_or_else(|| Error::NoMember(member.clone()))
}

/// The mark on values that somebody who left could read.
pub(super) fn known_to(who: &str, why: &str, now: Timestamp) -> Option<Exposure> {
    // Names and our own words are metadata text.
    Some(Exposure { at: now, to: Some(who.parse().ok()?), why: why.parse().ok()? })
}
