//! One team of two: the log of one side of a merge is kept, the other one is merged away,
//! and what was decided there is decided again (`docs/format.md`, section 9b).

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Timestamp;
use crate::crypto::Hash;
use crate::vault::{
    Action, AuditHead, Change, DeviceName, Error, Exposure, MemberName, Memory, NewDevice, ProfileName, Recovery, Role,
    Signer, Team, Transaction, Vault, expose_shared,
};

use super::role::{Access, known_to, set_role};

/// The side that was kept, with the other one's changes of the team made again.
pub struct Adopted {
    /// To be merged with the other side: its team log goes on from both.
    pub vault: Vault,
    /// What was made again, in order, the adoption itself included.
    pub made: Vec<Action>,
    /// What was not, and why.
    pub left: Vec<(Action, &'static str)>,
}

/// Keeps the team log of `kept` and merges that of `dropped` away. Every member and
/// device removed there leaves, keys that were replaced there are replaced, and roles are
/// merged right by right against where the two parted: what either side took is gone.
/// Additions are made again if an admin of the kept side made them. Values are merged
/// afterwards, and nothing is written here.
///
/// # Errors
/// [`Error::NotAdminOnBoth`], [`Error::NeedsIdentity`], [`Error::NoGrant`], [`Error::Rejected`], [`Error::Crypto`].
pub fn adopt(
    kept: &Vault,
    dropped: &Vault,
    base: Option<&Vault>,
    signer: &Signer<'_>,
    memory: &Memory,
    audit: Option<AuditHead>,
    now: Timestamp,
) -> Result<Adopted, Error> {
    let (here, there) = (kept.team(), dropped.team());
    let key = signer.identity.in_hand().ok_or(Error::NeedsIdentity)?.signing_key().public();
    let admin_on = |team: &Team| team.is_admin(&signer.device) && team.signing_key(&signer.device) == Some(key);
    if !admin_on(here) || !admin_on(there) {
        return Err(Error::NotAdminOnBoth(signer.device.clone()));
    }
    // Part of the other log may be in this one already, or adopted by it.
    let known = |hash: &Hash| here.hashes().contains(hash) || here.adopters(hash).next().is_some();
    let parted = there.hashes().iter().rposition(known).map_or(0, |at| at + 1);
    let before = dropped.team_after(parted);
    // And it may have adopted part of this one; who is no admin here cannot have said so.
    let adopted = here.hashes().iter().rposition(|hash| is_adopted_by_admin(there, hash, here));
    let adopted = adopted.map(|at| kept.team_after(at + 1));
    let tx = Transaction::draft(Vault::read(kept.bytes().to_vec(), here.hashes())?);
    let changes = judge(kept, dropped, &before, parted);
    let (made, left) = (Vec::new(), Vec::new());
    let mut sides = Sides { tx, kept, dropped, base, before, adopted, changes, signer, now, made, left };
    sides.take_over_removals(parted)?;
    for at in 0..sides.changes.len() {
        sides.make_again(at)?;
    }
    sides.merge_roles()?;
    sides.merge_parents()?;
    sides.merge_recovery()?;
    sides.shut_out_strangers(parted)?;
    let Sides { tx, made, left, .. } = sides;
    Ok(Adopted { vault: tx.sign(signer, memory, audit, now)?, made, left })
}

/// True if an admin of the kept side adopted that head in the other log.
fn is_adopted_by_admin(there: &Team, head: &Hash, here: &Team) -> bool {
    there.adopters(head).any(|(device, key)| here.is_admin_with(device, key))
}

/// A change that only the log that is merged away has.
struct Judged {
    change: Change,
    /// Whether the one who signed it is an admin on the side that is kept: what somebody did
    /// after they had lost the right is not done again in the name of somebody who has it.
    by_admin: bool,
}

/// The changes of the other log since the two parted. A name there can be given to another
/// key than here, so it is the keys that are compared; and whoever may set a recovery device
/// there can sign as it, so it counts as the one that is here and that nobody replaced there.
fn judge(kept: &Vault, dropped: &Vault, before: &Team, parted: usize) -> Vec<Judged> {
    let (here, there) = (kept.team(), dropped.team());
    let recovery = |team: &Team| team.recovery().map(|recovery| recovery.signing_key);
    let mut is_ours = recovery(here).is_some() && recovery(here) == recovery(before);
    let judged = dropped.changes().skip(parted).map(|change| {
        let key = there.devices().get(&change.by).and_then(|device| device.signing_key);
        let by_admin = if change.by.is_recovery() { is_ours } else { here.is_admin_with(&change.by, key) };
        is_ours &= !matches!(change.action, Action::Recovery { .. });
        Judged { change, by_admin }
    });
    judged.collect()
}

struct Sides<'a> {
    tx: Transaction,
    kept: &'a Vault,
    dropped: &'a Vault,
    base: Option<&'a Vault>,
    /// The team where the two logs parted.
    before: Team,
    /// The latest team of the kept log that the dropped one has adopted: what was decided up
    /// to there stands in both, and what was taken back since is not given again.
    adopted: Option<Team>,
    changes: Vec<Judged>,
    signer: &'a Signer<'a>,
    now: Timestamp,
    made: Vec<Action>,
    left: Vec<(Action, &'static str)>,
}

const GONE: &str = "whoever made it is no admin on the side that is kept";
const BOTH: &str = "the side that is kept changed it too";

impl Sides<'_> {
    /// Makes a change; one that the rules do not allow on this side is left.
    fn change(&mut self, action: Action) -> Result<(), Error> {
        match self.tx.change_team(action.clone(), &BTreeSet::new(), None, self.signer, self.now) {
            Ok(_) => self.made.push(action),
            Err(Error::NotAllowed(rule)) => self.left.push((action, rule)),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The latest team that both sides go on from.
    fn common(&self) -> &Team {
        self.adopted.as_ref().unwrap_or(&self.before)
    }

    /// True if somebody who is no admin here made such a change there: then what came of it
    /// in the end may be theirs.
    fn others_made(&self, such: impl Fn(&Action) -> bool) -> bool {
        self.changes.iter().any(|judged| !judged.by_admin && such(&judged.change.action))
    }

    /// The adoption: every head of the other log is named, so that a device that saw any of
    /// them knows; whoever was removed there leaves here.
    fn take_over_removals(&mut self, parted: usize) -> Result<(), Error> {
        let (here, there) = (self.kept.team(), self.dropped.team());
        let is_known = |head: &Hash| here.hashes().contains(head) || here.adopters(head).next().is_some();
        let is_meant = |head: &&Hash| !is_known(head) && is_adopted_by_admin(there, head, here);
        let earlier: Vec<Hash> = there.adopted().filter(is_meant).copied().collect();
        let (head, heads) =
            there.hashes()[parted..].split_last().ok_or(Error::NotAllowed("the other team log is no other"))?;
        for head in earlier.iter().chain(heads) {
            self.change(Action::Adopt { head: *head, members: Vec::new(), devices: Vec::new() })?;
        }
        let (here, before) = (self.tx.team(), &self.before);
        let members: Vec<MemberName> = there
            .former_members()
            .iter()
            .filter(|member| !before.former_members().contains(*member) && here.members().contains_key(*member))
            .cloned()
            .collect();
        let left_there = |name: &DeviceName| there.devices().get(name).is_some_and(|device| !device.active);
        let devices: Vec<DeviceName> = here
            .devices()
            .iter()
            .filter(|(name, device)| device.active && left_there(name) && !members.contains(&device.member))
            .map(|(name, _)| name.clone())
            .collect();
        let epoch = |team: &Team, profile: &ProfileName| team.profiles().get(profile).map(|state| state.epoch);
        let rekeyed: BTreeSet<ProfileName> = here
            .profiles()
            .keys()
            .filter(|profile| {
                before.profiles().contains_key(*profile) && epoch(there, profile) > epoch(before, profile)
            })
            .cloned()
            .collect();
        let mut exposed: BTreeMap<ProfileName, Vec<Exposure>> = BTreeMap::new();
        let mut mark = |who: &str, reads: &dyn Fn(&ProfileName) -> bool| {
            for profile in here.profiles().keys().filter(|profile| reads(profile)) {
                exposed.entry(profile.clone()).or_default().extend(known_to(who, "left the team", self.now));
            }
        };
        for member in &members {
            let theirs = |profile: &ProfileName| {
                here.devices().iter().any(|(name, device)| device.member == *member && here.reads(name, profile))
            };
            mark(member.as_str(), &theirs);
        }
        for device in &devices {
            mark(device.as_str(), &|profile| here.reads(device, profile));
        }
        let action = Action::Adopt { head: *head, members, devices };
        let marks = |profile: &ProfileName, _| exposed.get(profile).cloned().unwrap_or_default();
        self.tx.change_team_marking(action.clone(), &rekeyed, marks, self.signer, self.now)?;
        self.made.push(action);
        Ok(())
    }

    fn make_again(&mut self, at: usize) -> Result<(), Error> {
        let there = self.dropped.team();
        let Judged { by_admin, change: Change { action, .. } } = &self.changes[at];
        let (by_admin, action) = (*by_admin, action.clone());
        match &action {
            Action::AddMember { member, device, .. } | Action::AddDevice { member, device }
                if there.devices().get(&device.device).is_some_and(|device| device.active) =>
            {
                self.enter(&action, by_admin, member, device)?;
            }
            Action::AddProfile { profile, extends } => {
                let used = self.tx.team().profile_name_used(profile);
                let Some(state) = there.profiles().get(profile).filter(|_| !used) else { return Ok(()) };
                if !by_admin {
                    self.left.push((action, GONE));
                    return Ok(());
                }
                let mut parents = self.existing(&state.extends);
                if self.others_made(|action| matches!(action, Action::SetProfile { profile: p, .. } if p == profile)) {
                    parents.retain(|parent| extends.contains(parent));
                }
                let extends = parents;
                self.change(Action::AddProfile { profile: profile.clone(), extends })?;
            }
            Action::RemoveProfile { profile } if self.tx.team().profiles().contains_key(profile) => {
                let digest = |vault: &Vault| vault.section(profile).ok().map(|section| section.digest());
                if !by_admin {
                    self.left.push((action, GONE));
                } else if self.base.and_then(digest) == digest(self.kept) {
                    self.change(action)?;
                } else {
                    self.left.push((action, BOTH));
                }
            }
            Action::SealIdentity { device, .. } => {
                let of = |team: &Team| team.devices().get(device).filter(|d| d.active).map(|d| d.recipient.clone());
                if of(there).is_none() || of(there) != of(self.tx.team()) {
                    return Ok(());
                }
                if by_admin {
                    self.change(action)?;
                } else {
                    self.left.push((action, GONE));
                }
            }
            // Removals and keys are taken over by the adoption, the others as states.
            _ => {}
        }
        Ok(())
    }

    /// A member or a device of one, added there.
    fn enter(&mut self, action: &Action, by_admin: bool, member: &MemberName, device: &NewDevice) -> Result<(), Error> {
        let here = self.tx.team();
        if let Some(known) = here.devices().get(&device.device) {
            if known.recipient != device.recipient {
                self.left.push((action.clone(), "that device's name is taken on the side that is kept"));
            }
            return Ok(());
        }
        let is_member = here.members().contains_key(member);
        let made_here = self.made.iter().any(|made| matches!(made, Action::AddMember { member: m, .. } if m == member));
        // The device that somebody came with may be another one, and who let them in somebody else.
        let entered = self.changes.iter().find_map(|judged| match &judged.change.action {
            Action::AddMember { member: added, role, .. } if added == member => Some((role, judged.by_admin)),
            _ => None,
        });
        let let_in_by_admin = is_member || entered.is_some_and(|(_, by_admin)| by_admin);
        let why = if !by_admin || !let_in_by_admin {
            Some(GONE)
        } else if here.former_members().contains(member) {
            Some("that member left on the side that is kept")
        } else if is_member && !made_here && !self.before.members().contains_key(member) {
            // Two people of one name, or one who asked twice: a person has to know.
            Some("that member's name is taken on the side that is kept")
        } else {
            None
        };
        if let Some(why) = why {
            self.left.push((action.clone(), why));
            return Ok(());
        }
        let device = device.clone();
        let action = if is_member {
            Action::AddDevice { member: member.clone(), device }
        } else {
            let mut role = self.dropped.team().members().get(member).cloned().unwrap_or_default();
            if self.others_made(|action| matches!(action, Action::SetRole { member: m, .. } if m == member)) {
                let given = entered.map(|(role, _)| Access::of(role)).unwrap_or_default();
                role = both(&Access::of(&role), &given).to_role();
            }
            let role = Role {
                admin: role.admin,
                read: self.existing(&role.read).into(),
                write: self.existing(&role.write).into(),
            };
            Action::AddMember { member: member.clone(), device, role }
        };
        self.change(action)
    }

    fn existing(&self, profiles: &[ProfileName]) -> Vec<ProfileName> {
        profiles.iter().filter(|profile| self.tx.team().profiles().contains_key(*profile)).cloned().collect()
    }

    /// The rights of a member on both sides in one. Where each side has adopted a part of the
    /// other, there are two places that they parted at: what was taken since either is gone.
    fn access(&self, member: &MemberName, here: &Access, there: &Access) -> Access {
        let merged = |team: &Team| {
            let before = team.members().get(member).map(Access::of).unwrap_or_default();
            merge_access(&before, here, there)
        };
        let access = merged(self.common());
        let shares_the_rest = self.kept.team().hashes().starts_with(self.before.hashes());
        if shares_the_rest { access } else { both(&access, &merged(&self.before)) }
    }

    /// Each right as the side has it that changed it. Where both did they agree: a right
    /// is there or it is not.
    fn merge_roles(&mut self) -> Result<(), Error> {
        let others = self.changes.iter().filter(|judged| !judged.by_admin);
        let doubted: BTreeSet<MemberName> = others
            .filter_map(|judged| match &judged.change.action {
                Action::SetRole { member, .. } | Action::AddMember { member, .. } => Some(member.clone()),
                _ => None,
            })
            .collect();
        for (member, there) in self.dropped.team().members() {
            let Some(here) = self.tx.team().members().get(member) else { continue };
            let (old, there) = (Access::of(here), Access::of(there));
            let merged = self.access(member, &old, &there);
            let mut new = merged.clone();
            if doubted.contains(member) {
                new = both(&new, &old);
                if merged != new {
                    let role = there.to_role();
                    self.left.push((Action::SetRole { member: member.clone(), role }, GONE));
                }
            }
            new.read.retain(|profile| self.tx.team().profiles().contains_key(profile));
            new.write.retain(|profile| self.tx.team().profiles().contains_key(profile));
            if new.to_role() != *here {
                let role = new.to_role();
                set_role(&mut self.tx, member, &role, self.signer, self.now)?;
                self.made.push(Action::SetRole { member: member.clone(), role });
            }
        }
        Ok(())
    }

    fn merge_parents(&mut self) -> Result<(), Error> {
        let set = |judged: &Judged| match &judged.change.action {
            Action::SetProfile { profile, .. } => Some(profile.clone()),
            _ => None,
        };
        let profiles: BTreeSet<ProfileName> = self.changes.iter().filter_map(set).collect();
        for profile in &profiles {
            let extends = |team: &Team| team.profiles().get(profile).map(|state| state.extends.clone());
            let (before, here, there) = (extends(self.common()), extends(self.tx.team()), extends(self.dropped.team()));
            let Some(there) = there.filter(|there| ![&here, &before].contains(&&Some(there.clone()))) else {
                continue;
            };
            let action = Action::SetProfile { profile: profile.clone(), extends: self.existing(&there) };
            if here.is_none() {
                continue;
            }
            if self.others_made(|action| matches!(action, Action::SetProfile { profile: p, .. } if p == profile)) {
                self.left.push((action, GONE));
            } else if here == before {
                self.change(action)?;
            } else {
                self.left.push((action, BOTH));
            }
        }
        Ok(())
    }

    /// The recovery code that was set there, unless one was set here, or an admin left here
    /// who may know it.
    fn merge_recovery(&mut self) -> Result<(), Error> {
        let key = |set: Option<&Recovery>| set.map(|recovery| recovery.recipient.clone());
        let (before, there) = (key(self.common().recovery()), self.dropped.team().recovery());
        if key(there) == before || key(there) == key(self.tx.team().recovery()) {
            return Ok(());
        }
        let action = Action::Recovery { set: there.cloned() };
        let admins = |team: &Team| -> BTreeSet<DeviceName> {
            team.devices().keys().filter(|device| team.is_admin(device)).cloned().collect()
        };
        let lost_admin = !admins(&self.before).is_subset(&admins(self.kept.team()));
        let set_by_others = self.others_made(|action| matches!(action, Action::Recovery { .. }));
        if lost_admin {
            self.left.push((action, "an admin left the side that is kept"));
        } else if key(self.kept.team().recovery()) != before {
            self.left.push((action, BOTH));
        } else if set_by_others {
            self.left.push((action, GONE));
        } else {
            self.change(action)?;
        }
        Ok(())
    }

    /// Whoever was let in there and is not here could read that side, also if they left it
    /// again. Where its key is the one of this side too, they hold it: it is replaced, and
    /// they know every value under it. Otherwise they know the values that both sides have, and
    /// those that both come from.
    fn shut_out_strangers(&mut self, parted: usize) -> Result<(), Error> {
        let (here, there) = (self.tx.team(), self.dropped.team());
        let key = |team: &Team, profile: &ProfileName| team.profiles().get(profile).map(|state| state.commitment);
        let mut let_in: BTreeSet<(ProfileName, DeviceName)> = BTreeSet::new();
        let profiles = || here.profiles().keys().filter(|profile| there.profiles().contains_key(*profile));
        for team in self.dropped.teams_since(parted) {
            for profile in profiles().filter(|profile| team.profiles().contains_key(*profile)) {
                // Who could read it before was marked where they lost it.
                let readers = self.common().readers(profile).chain(here.readers(profile));
                let readers: BTreeSet<_> = readers.map(|(_, recipient)| recipient).collect();
                let strangers = team.readers(profile).filter(|(_, recipient)| !readers.contains(recipient));
                let_in.extend(strangers.map(|(device, _)| (profile.clone(), device.clone())));
            }
        }
        let mut strangers: BTreeMap<ProfileName, Vec<Exposure>> = BTreeMap::new();
        for (profile, device) in let_in {
            let why = "given the key on a branch that was not taken over";
            strangers.entry(profile).or_default().extend(known_to(device.as_str(), why, self.now));
        }
        let has_key = |profile: &ProfileName| key(here, profile) == key(there, profile);
        let (rekeyed, others): (BTreeSet<_>, BTreeSet<_>) = strangers.keys().cloned().partition(has_key);
        for profile in others {
            let Signer { device, identity } = self.signer;
            let section = self.dropped.section(&profile)?;
            let (_, key) = section.unlock(&self.dropped.id(), there, device, *identity)?;
            expose_shared(self.tx.profile(&profile, self.signer)?, (&section, &key), &strangers[&profile])?;
            // And what was removed there after they were let in, as far as both come from it.
            let Some((base, section)) = self.base.and_then(|base| Some((base, base.section(&profile).ok()?))) else {
                continue;
            };
            if let Ok((_, key)) = section.unlock(&base.id(), base.team(), device, *identity) {
                expose_shared(self.tx.profile(&profile, self.signer)?, (&section, &key), &strangers[&profile])?;
            }
        }
        if rekeyed.is_empty() {
            return Ok(());
        }
        let marks = |profile: &ProfileName, _| strangers.get(profile).cloned().unwrap_or_default();
        self.tx.change_team_marking(Action::Rekey, &rekeyed, marks, self.signer, self.now)?;
        self.made.push(Action::Rekey);
        Ok(())
    }
}

/// The rights of a member on two sides that parted at `before`.
fn merge_access(before: &Access, here: &Access, there: &Access) -> Access {
    let pick = |before: bool, here: bool, there: bool| if here == before { there } else { here };
    let merge = |of: &dyn Fn(&Access) -> BTreeSet<ProfileName>| -> BTreeSet<ProfileName> {
        let (b, h, t) = (of(before), of(here), of(there));
        let all: BTreeSet<_> = h.union(&t).cloned().collect();
        all.into_iter().filter(|p| pick(b.contains(p), h.contains(p), t.contains(p))).collect()
    };
    let read = merge(&|access| access.read.union(&access.write).cloned().collect());
    let write = merge(&|access| access.write.clone());
    Access {
        admin: pick(before.admin, here.admin, there.admin),
        write: write.intersection(&read).cloned().collect(),
        read,
    }
}

/// What two sets of rights have in common.
fn both(one: &Access, other: &Access) -> Access {
    let reads = |access: &Access| -> BTreeSet<ProfileName> { access.read.union(&access.write).cloned().collect() };
    Access {
        admin: one.admin && other.admin,
        read: reads(one).intersection(&reads(other)).cloned().collect(),
        write: one.write.intersection(&other.write).cloned().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(text: &str) -> Access {
        let of = |letter: char| {
            let words = text.split(' ').filter_map(|word| word.strip_prefix(letter)).map(|name| name.parse().unwrap());
            words.collect()
        };
        Access { read: of('r'), write: of('w'), admin: text == "admin" }
    }

    #[test]
    fn rights_merge_one_by_one() {
        for (before, here, there, merged) in [
            ("", "rdev", "rprod", "rdev rprod"),
            ("rdev", "rdev", "", ""),
            ("rdev", "wdev", "", ""),
            ("wdev", "rdev", "wdev rprod", "rdev rprod"),
            ("rdev", "rdev", "admin", "admin"),
            ("admin", "admin", "wdev", "wdev"),
            ("admin", "rdev", "admin", "rdev"),
            ("wdev rprod", "wdev", "rdev rprod", "rdev"),
        ] {
            for (here, there) in [(here, there), (there, here)] {
                let got = merge_access(&access(before), &access(here), &access(there));
                assert_eq!(got.to_role(), access(merged).to_role(), "{before:?}: {here:?} and {there:?}");
            }
        }
    }
}
