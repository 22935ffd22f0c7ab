//! The rules of merging that are about teams, keys, clocks and tombstones
//! (`docs/format.md`, section 9b), one by one.

#![expect(clippy::disallowed_methods, reason = "tests read files")]

use std::collections::BTreeSet;
use std::time::Duration;

use vault::clock::Timestamp;
use vault::crypto::IdentityKey;
use vault::merge::{Choice, Choices, Conflict, How, Item, Merge, MergeError, Plan, Side, Why};
use vault::secret_value::SecretValue;
use vault::team::{self, Adopted, Leaving};
use vault::{
    Action, DeviceName, Exposure, Founder, Memory, NewDevice, PinError, ProfileName, Role, SecretName, Signer,
    Transaction, Value, Vault, found, remove, store_value,
};

const ALICE: usize = 0;
const BOB: usize = 1;

struct Crew {
    directory: tempfile::TempDir,
    identities: [IdentityKey; 2],
    base: Vault,
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_seconds(1_700_000_000 + second).unwrap()
}

fn name(text: &str) -> SecretName {
    text.parse().unwrap()
}

fn default() -> ProfileName {
    "default".parse().unwrap()
}

impl Crew {
    /// Alice is admin, Bob has the role; `default` holds `KEY`.
    fn new(role: &Role) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let identities = [IdentityKey::generate().unwrap(), IdentityKey::generate().unwrap()];
        let founder = Founder {
            member: "alice".parse().unwrap(),
            device: "alice-laptop".parse().unwrap(),
            identity: &identities[ALICE],
            recovery: None,
        };
        let profiles = BTreeSet::from([default(), "other".parse().unwrap()]);
        let bytes = found(&founder, &profiles, at(0)).unwrap();
        let device = NewDevice {
            device: "bob-laptop".parse().unwrap(),
            recipient: identities[BOB].recipient(),
            signing_key: Some(identities[BOB].signing_key().public()),
        };
        let mut crew = Self { directory, identities, base: Vault::read(bytes, &[]).unwrap() };
        crew.base = crew.edit(ALICE, &crew.base, |tx, signer| {
            team::add(tx, &"bob".parse().unwrap(), device, role, signer, at(1)).unwrap();
            set(tx, signer, "KEY", "first");
        });
        crew
    }

    fn signer(&self, who: usize) -> Signer<'_> {
        let device: DeviceName = ["alice-laptop", "bob-laptop"][who].parse().unwrap();
        Signer { device, identity: &self.identities[who] }
    }

    fn edit(&self, who: usize, from: &Vault, edit: impl FnOnce(&mut Transaction, &Signer<'_>)) -> Vault {
        self.edit_as(&self.signer(who), from, edit)
    }

    fn edit_as(&self, signer: &Signer<'_>, from: &Vault, edit: impl FnOnce(&mut Transaction, &Signer<'_>)) -> Vault {
        let file = self.directory.path().join("vault.toml");
        std::fs::write(&file, from.bytes()).unwrap();
        let mut tx = Transaction::begin(&file, &[], Duration::from_secs(5)).unwrap();
        edit(&mut tx, signer);
        tx.commit(signer, &Memory::new(from.id()), None, at(10)).unwrap()
    }

    /// Keeps `kept` and makes again what Alice can answer for of the other log.
    fn adopt(&self, kept: &Vault, dropped: &Vault) -> Adopted {
        let memory = Memory::new(kept.id());
        team::adopt(kept, dropped, Some(&self.base), &self.signer(ALICE), &memory, None, at(15)).unwrap()
    }

    fn merge(&self, plan: &Plan<'_>, choices: &Choices) -> Result<Merge, Vec<Conflict>> {
        plan.merge(&self.signer(ALICE), choices, at(20)).unwrap()
    }

    fn sign(&self, plan: &Plan<'_>, merge: Merge) -> Result<Vault, MergeError> {
        merge.sign(plan, &self.signer(ALICE), &Memory::new(self.base.id()), None, at(20))
    }

    /// The one conflict of a merge.
    fn conflict(&self, ours: &Vault, theirs: &Vault, how: How) -> Conflict {
        let plan = Plan::new(Some(&self.base), ours, theirs, how).unwrap();
        let mut open = self.merge(&plan, &Choices::new()).err().unwrap();
        assert_eq!(open.len(), 1, "{open:?}");
        open.remove(0)
    }

    fn merged(&self, ours: &Vault, theirs: &Vault) -> Vault {
        let plan = Plan::new(Some(&self.base), ours, theirs, How::Merge).unwrap();
        let merge = self.merge(&plan, &Choices::new()).ok().unwrap();
        self.sign(&plan, merge).unwrap()
    }

    fn open(&self, vault: &Vault, key: &str) -> String {
        let section = vault.section(&default()).unwrap();
        let signer = self.signer(ALICE);
        let (_, values) = section.unlock(&vault.id(), vault.team(), &signer.device, signer.identity).unwrap();
        let secret = section.secret(&name(key)).unwrap().unwrap();
        let value = section.open(&values, &name(key), secret.version, &secret.value).unwrap();
        String::from_utf8(value.reveal().to_vec()).unwrap()
    }
}

fn set(tx: &mut Transaction, signer: &Signer<'_>, key: &str, value: &str) {
    let (section, values) = tx.profile(&default(), signer).unwrap();
    let value = SecretValue::from(value.as_bytes());
    let value = Value { value: &value, set_at: at(5), age_at_least: false };
    store_value(section, values, &name(key), &value, &signer.device, at(5)).unwrap();
}

fn admin() -> Role {
    Role { admin: true, ..Role::default() }
}

fn writer() -> Role {
    Role { write: [default()].into(), ..Role::default() }
}

fn rekey(tx: &mut Transaction, signer: &Signer<'_>) {
    tx.change_team(Action::Rekey, &BTreeSet::from([default()]), None, signer, at(6)).unwrap();
}

fn exposed(vault: &Vault, key: &str) -> Vec<String> {
    let secret = vault.section(&default()).unwrap().secret(&name(key)).unwrap().unwrap();
    secret.exposed.iter().filter_map(|exposure| exposure.to.as_ref().map(ToString::to_string)).collect()
}

#[test]
fn what_one_side_changed_is_taken_over_byte_for_byte_and_unsigned() {
    let crew = Crew::new(&admin());
    let ours = crew.edit(ALICE, &crew.base, |tx, signer| set(tx, signer, "KEY", "second"));
    let theirs = crew.edit(BOB, &crew.base, |tx, signer| {
        tx.profile(&"other".parse().unwrap(), signer).unwrap();
    });
    let plan = Plan::new(Some(&crew.base), &ours, &theirs, How::Merge).unwrap();
    let merged = plan.as_taken().unwrap().expect("nobody signs");
    for (profile, from) in [("default", &ours), ("other", &theirs)] {
        let profile: ProfileName = profile.parse().unwrap();
        let digest = |vault: &Vault| vault.section(&profile).unwrap().digest();
        assert_eq!(digest(&merged), digest(from), "{profile}");
    }
}

#[test]
fn the_clock_is_the_larger_of_both_and_one_more() {
    let crew = Crew::new(&admin());
    let ours = crew.edit(ALICE, &crew.base, |tx, signer| set(tx, signer, "A", "a"));
    let theirs = crew.edit(BOB, &crew.base, |tx, signer| set(tx, signer, "B", "b"));
    let merged = crew.merged(&ours, &theirs);
    let clock = merged.section(&default()).unwrap().signature().clock.clone();
    let count = |vault: &Vault, device: &str| {
        let clock = vault.section(&default()).unwrap().signature().clock.clone();
        clock.get(&device.parse::<DeviceName>().unwrap()).copied()
    };
    assert_eq!(
        clock.get(&"alice-laptop".parse::<DeviceName>().unwrap()).copied(),
        count(&ours, "alice-laptop").map(|n| n + 1)
    );
    assert_eq!(count(&merged, "bob-laptop"), count(&theirs, "bob-laptop"));
}

#[test]
fn a_clock_that_is_used_up_is_refused() {
    let crew = Crew::new(&admin());
    let ours = crew.edit(ALICE, &crew.base, |tx, signer| {
        set(tx, signer, "A", "a");
        let (section, _) = tx.profile(&default(), signer).unwrap();
        section.clock.insert(signer.device.clone(), (1 << 48) - 1);
    });
    let theirs = crew.edit(BOB, &crew.base, |tx, signer| set(tx, signer, "B", "b"));
    let plan = Plan::new(Some(&crew.base), &ours, &theirs, How::Merge).unwrap();
    let merge = crew.merge(&plan, &Choices::new()).ok().unwrap();
    assert!(matches!(crew.sign(&plan, merge), Err(MergeError::Vault(vault::Error::UsedUp { .. }))));
}

#[test]
fn rekey_against_set_is_sealed_again_and_exposed_only_if_somebody_left() {
    let crew = Crew::new(&admin());
    let theirs = crew.edit(BOB, &crew.base, |tx, signer| set(tx, signer, "NEW", "of bob"));
    let ours = crew.edit(ALICE, &crew.base, rekey);
    for merged in [crew.merged(&ours, &theirs), crew.merged(&theirs, &ours)] {
        assert_eq!((crew.open(&merged, "KEY"), crew.open(&merged, "NEW")), ("first".into(), "of bob".into()));
        assert!(exposed(&merged, "NEW").is_empty());
    }
    // Bob signed while he was leaving: nothing of his is merged without a person, and
    // what a person takes is known to him.
    let ours = crew.edit(ALICE, &crew.base, |tx, signer| {
        team::remove(tx, &Leaving::Member("bob".parse().unwrap()), signer, at(6)).unwrap();
    });
    let conflict = crew.conflict(&ours, &theirs, How::Merge);
    assert!(matches!(&conflict.why, Why::FormerSigner(Side::Theirs, by) if by.as_str() == "bob-laptop"));
    let plan = Plan::new(Some(&crew.base), &ours, &theirs, How::Merge).unwrap();
    let choices = Choices::from([((default(), conflict.item), Choice::Take(Side::Theirs))]);
    let merged = crew.sign(&plan, crew.merge(&plan, &choices).ok().unwrap()).unwrap();
    assert_eq!(crew.open(&merged, "NEW"), "of bob");
    assert_eq!(exposed(&merged, "NEW"), ["bob"]);
    assert!(!merged.team().members().contains_key("bob"));
}

#[test]
fn teams_that_both_moved_are_not_merged() {
    let crew = Crew::new(&admin());
    let ours = crew.edit(ALICE, &crew.base, rekey);
    let theirs = crew.edit(BOB, &crew.base, rekey);
    match Plan::new(Some(&crew.base), &ours, &theirs, How::Merge) {
        Err(MergeError::Team { ours, theirs }) => {
            assert_eq!((&ours[0].action, ours[0].by.as_str()), (&Action::Rekey, "alice-laptop"));
            assert_eq!((theirs.len(), theirs[0].by.as_str()), (1, "bob-laptop"));
        }
        _ => panic!("two rekeys"),
    }
}

#[test]
fn a_profile_that_left_the_team_is_dropped_only_by_a_person() {
    let crew = Crew::new(&admin());
    let ours = crew.edit(ALICE, &crew.base, |tx, signer| {
        let action = Action::RemoveProfile { profile: default() };
        tx.change_team(action, &BTreeSet::new(), None, signer, at(6)).unwrap();
    });
    let theirs = crew.edit(BOB, &crew.base, |tx, signer| set(tx, signer, "KEY", "second"));
    let conflict = crew.conflict(&ours, &theirs, How::Merge);
    assert_eq!((conflict.item, conflict.why), (Item::Profile, Why::ProfileLeft(Side::Ours)));
    let unchanged = Plan::new(Some(&crew.base), &ours, &crew.base, How::Merge).unwrap();
    assert!(unchanged.as_taken().unwrap().is_some());
}

#[test]
fn older_sides_are_no_changes_except_where_a_commit_is_picked_onto_one() {
    let crew = Crew::new(&admin());
    let later = crew.edit(ALICE, &crew.base, |tx, signer| set(tx, signer, "LATER", "l"));
    let picked = crew.edit(BOB, &later, |tx, signer| set(tx, signer, "PICKED", "p"));
    // Reverting `later` on top of `picked`.
    let plan = Plan::new(Some(&later), &picked, &crew.base, How::Pick).unwrap();
    let open = crew.merge(&plan, &Choices::new()).err().unwrap();
    assert_eq!(open[0].why, Why::Older(Side::Theirs));
    // Picking onto what came before: fine by hand, not as a merge or rebase.
    let plan = Plan::new(Some(&later), &crew.base, &picked, How::Pick).unwrap();
    let merged = crew.sign(&plan, crew.merge(&plan, &Choices::new()).ok().unwrap()).unwrap();
    assert_eq!(crew.open(&merged, "PICKED"), "p");
    assert!(!merged.section(&default()).unwrap().contains(&name("LATER")));
    for how in [How::Merge, How::Rebase] {
        let plan = Plan::new(Some(&later), &crew.base, &picked, how).unwrap();
        assert_eq!(crew.merge(&plan, &Choices::new()).err().unwrap()[0].why, Why::Older(Side::Ours));
    }
}

#[test]
fn an_ancestor_of_a_former_writer_removes_nothing_without_a_person() {
    let crew = Crew::new(&writer());
    let signed_by_bob = crew.edit(BOB, &crew.base, |tx, signer| set(tx, signer, "BAIT", "b"));
    // Without BAIT, signed by alice and as new as bob's by its clock.
    let theirs = crew.edit(ALICE, &signed_by_bob, |tx, signer| {
        remove(tx.profile(&default(), signer).unwrap().0, &name("BAIT"), &signer.device, at(7));
    });
    let ours = crew.edit(ALICE, &signed_by_bob, |tx, signer| {
        team::remove(tx, &Leaving::Member("bob".parse().unwrap()), signer, at(6)).unwrap();
    });
    for how in [How::Merge, How::Pick, How::Rebase] {
        let plan = Plan::new(Some(&signed_by_bob), &ours, &theirs, how).unwrap();
        let open = crew.merge(&plan, &Choices::new()).err().unwrap();
        assert_eq!(open[0].doubted.as_ref().map(ToString::to_string).as_deref(), Some("bob-laptop"));
        let open: Vec<_> = open.iter().map(|conflict| (&conflict.item, &conflict.why)).collect();
        assert_eq!(open, [(&Item::Secret(name("BAIT")), &Why::Removed(Side::Theirs))]);
        for (side, stays) in [(Side::Ours, true), (Side::Theirs, false)] {
            let choices = Choices::from([((default(), Item::Secret(name("BAIT"))), Choice::Take(side))]);
            let merged = crew.sign(&plan, crew.merge(&plan, &choices).ok().unwrap()).unwrap();
            assert_eq!(merged.section(&default()).unwrap().contains(&name("BAIT")), stays);
        }
    }
}

#[test]
fn the_end_of_a_value_is_not_put_upon_another() {
    let crew = Crew::new(&admin());
    let ours = crew.edit(ALICE, &crew.base, |tx, signer| set(tx, signer, "KEY", "second"));
    let theirs = crew.edit(BOB, &crew.base, |tx, signer| {
        tx.profile(&default(), signer).unwrap().0.secrets.get_mut("KEY").unwrap().expires_at = Some(at(999));
    });
    assert_eq!(crew.conflict(&ours, &theirs, How::Merge).why, Why::Fields(vec!["expires_at"]));
}

#[test]
fn exposure_reaches_the_version_it_is_about_and_outlives_removal() {
    let crew = Crew::new(&admin());
    let expose = |tx: &mut Transaction, signer: &Signer<'_>| {
        let exposure = Exposure { at: at(7), to: Some("pastebin".parse().unwrap()), why: "leak".parse().unwrap() };
        tx.profile(&default(), signer).unwrap().0.secrets.get_mut("KEY").unwrap().exposed.push(exposure);
    };
    let theirs = crew.edit(BOB, &crew.base, expose);
    let rotated = crew.edit(ALICE, &crew.base, |tx, signer| set(tx, signer, "KEY", "second"));
    let merged = crew.merged(&rotated, &theirs);
    let secret = merged.section(&default()).unwrap().secret(&name("KEY")).unwrap().unwrap();
    assert!(secret.exposed.is_empty() && secret.earlier[0].exposed.len() == 1);
    let removed = crew.edit(ALICE, &crew.base, |tx, signer| {
        remove(tx.profile(&default(), signer).unwrap().0, &name("KEY"), &signer.device, at(7));
    });
    let merged = crew.merged(&removed, &theirs);
    let section = merged.section(&default()).unwrap();
    assert!(!section.contains(&name("KEY")));
    assert_eq!(section.removed().unwrap()["KEY"].exposed.len(), 1);
}

#[test]
fn who_may_not_write_and_who_saw_more_do_not_sign() {
    let crew = Crew::new(&Role { read: [default()].into(), ..Role::default() });
    let ours = crew.edit(ALICE, &crew.base, |tx, signer| set(tx, signer, "A", "a"));
    let theirs = crew.edit(ALICE, &crew.base, |tx, signer| set(tx, signer, "B", "b"));
    let plan = Plan::new(Some(&crew.base), &ours, &theirs, How::Merge).unwrap();
    let bob = crew.signer(BOB);
    let merge = plan.merge(&bob, &Choices::new(), at(20)).unwrap().ok().unwrap();
    let refused = merge.sign(&plan, &bob, &Memory::new(crew.base.id()), None, at(20));
    assert!(matches!(refused, Err(MergeError::Vault(vault::Error::NoWrite { .. }))));

    let newer = crew.edit(ALICE, &crew.base, rekey);
    let mut memory = Memory::new(crew.base.id());
    memory.learn(&newer, &[], &[]);
    let merge = crew.merge(&plan, &Choices::new()).ok().unwrap();
    let refused = merge.sign(&plan, &crew.signer(ALICE), &memory, None, at(20));
    assert!(matches!(refused, Err(MergeError::Behind(_))), "the team log seen before is newer");
}

#[test]
fn the_policy_of_a_profile_is_merged_by_field() {
    let crew = Crew::new(&admin());
    let keep = |keep: u8| {
        move |tx: &mut Transaction, signer: &Signer<'_>| {
            tx.profile(&default(), signer).unwrap().0.policy.keep = Some(keep);
        }
    };
    let ours = crew.edit(ALICE, &crew.base, keep(5));
    let theirs = crew.edit(BOB, &crew.base, |tx, signer| {
        tx.profile(&default(), signer).unwrap().0.policy.owner = Some("ops".parse().unwrap());
    });
    let merged = crew.merged(&ours, &theirs);
    let policy = merged.section(&default()).unwrap().policy().clone();
    assert_eq!((policy.keep, policy.owner.map(|owner| owner.to_string())), (Some(5), Some("ops".to_owned())));
    let theirs = crew.edit(BOB, &crew.base, keep(6));
    let conflict = crew.conflict(&ours, &theirs, How::Merge);
    assert_eq!((conflict.item, conflict.why), (Item::Policy, Why::Fields(vec!["keep"])));
}

fn enter(tx: &mut Transaction, member: &str, device: &str, identity: &IdentityKey, role: &Role, signer: &Signer<'_>) {
    let device = NewDevice {
        device: device.parse().unwrap(),
        recipient: identity.recipient(),
        signing_key: Some(identity.signing_key().public()),
    };
    team::add(tx, &member.parse().unwrap(), device, role, signer, at(6)).unwrap();
}

fn leave(tx: &mut Transaction, member: &str, signer: &Signer<'_>) {
    team::remove(tx, &Leaving::Member(member.parse().unwrap()), signer, at(6)).unwrap();
}

fn members(vault: &Vault) -> String {
    vault.team().members().keys().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

/// Bob was an admin and is gone, Carol came after him. Gives that vault and her identity.
fn after_bob(crew: &Crew) -> (Vault, IdentityKey) {
    let carol = IdentityKey::generate().unwrap();
    let left = crew.edit(ALICE, &crew.base, |tx, signer| leave(tx, "bob", signer));
    let vault = crew.edit(ALICE, &left, |tx, signer| enter(tx, "carol", "carol-pc", &carol, &admin(), signer));
    (vault, carol)
}

#[test]
fn the_name_of_a_device_is_nobody_on_another_log() {
    let crew = Crew::new(&admin());
    let (main, _) = after_bob(&crew);
    // Bob goes on from where he was admin, and gives the name of a later admin to a key of his.
    let key = IdentityKey::generate().unwrap();
    let fork = crew.edit(BOB, &crew.base, |tx, signer| enter(tx, "zed", "carol-pc", &key, &admin(), signer));
    let zed = Signer { device: "carol-pc".parse().unwrap(), identity: &key };
    let eve = IdentityKey::generate().unwrap();
    let fork = crew.edit_as(&zed, &fork, |tx, signer| {
        enter(tx, "eve", "eve-pc", &eve, &admin(), signer);
        set(tx, signer, "BAIT", "of eve");
    });
    // A device that saw who is admin does not take that log for an adoption of the one it knows.
    let forged = crew.edit_as(&zed, &fork, |tx, signer| {
        leave(tx, "bob", signer);
        let action = Action::Adopt { head: main.team().head(), members: Vec::new(), devices: Vec::new() };
        tx.change_team(action, &BTreeSet::new(), None, signer, at(7)).unwrap();
    });
    let mut memory = Memory::new(main.id());
    memory.learn(&main, &[], &[]);
    assert!(matches!(memory.compare(&forged, &[]), Err(PinError::Adopt(_))));
    assert!(!forged.team().follows(main.team()));
    // Nor does an admin who takes that log over answer for what was done there in Carol's name.
    let adopted = crew.adopt(&main, &fork);
    assert_eq!(members(&adopted.vault), "alice carol");
    assert_eq!(adopted.left.len(), 2, "{:?}", adopted.left);
    // And what the key stored under that name is taken over by nobody without a person.
    let plan = Plan::new(Some(&crew.base), &adopted.vault, &fork, How::Merge).unwrap();
    let open = crew.merge(&plan, &Choices::new()).err().unwrap();
    let why = Why::FormerSigner(Side::Theirs, "carol-pc".parse().unwrap());
    assert_eq!(
        open.iter().map(|open| (&open.item, &open.why)).collect::<Vec<_>>(),
        [(&Item::Secret(name("BAIT")), &why)]
    );
}

#[test]
fn a_recovery_device_that_was_set_there_answers_for_nothing() {
    let crew = Crew::new(&admin());
    let main = crew.edit(ALICE, &crew.base, |tx, signer| leave(tx, "bob", signer));
    let (recovery, phone) = (IdentityKey::generate().unwrap(), IdentityKey::generate().unwrap());
    let fork = crew.edit(BOB, &crew.base, |tx, signer| {
        let sealed = vault::crypto::SealedIdentity::seal(&recovery, &SecretValue::from(b"code".as_slice())).unwrap();
        let set =
            vault::Recovery { recipient: recovery.recipient(), signing_key: recovery.signing_key().public(), sealed };
        tx.change_team(Action::Recovery { set: Some(set) }, &BTreeSet::new(), None, signer, at(6)).unwrap();
    });
    let signer = Signer { device: DeviceName::recovery().clone(), identity: &recovery };
    let fork = crew.edit_as(&signer, &fork, |tx, signer| enter(tx, "alice", "alice-phone", &phone, &admin(), signer));
    let adopted = crew.adopt(&main, &fork);
    assert_eq!(adopted.vault.team().devices().values().filter(|device| device.active).count(), 1);
    assert!(adopted.vault.team().recovery().is_none());
}

#[test]
fn a_role_that_a_former_admin_gave_is_not_given_again() {
    let crew = Crew::new(&admin());
    let (carol, dave) = (IdentityKey::generate().unwrap(), IdentityKey::generate().unwrap());
    let reader = Role { read: [default()].into(), ..Role::default() };
    let main = crew.edit(ALICE, &crew.base, |tx, signer| leave(tx, "bob", signer));
    let main = crew.edit(ALICE, &main, |tx, signer| enter(tx, "dave", "dave-pc", &dave, &reader, signer));
    let fork = crew.edit(ALICE, &crew.base, |tx, signer| enter(tx, "carol", "carol-pc", &carol, &reader, signer));
    let fork = crew.edit(BOB, &fork, |tx, signer| {
        team::set_role(tx, &"carol".parse().unwrap(), &admin(), signer, at(7)).unwrap();
        enter(tx, "dave", "other-pc", &IdentityKey::generate().unwrap(), &admin(), signer);
        // That he adopted the log of now makes it no common ground.
        let action = Action::Adopt { head: main.team().head(), members: Vec::new(), devices: Vec::new() };
        tx.change_team(action, &BTreeSet::new(), None, signer, at(7)).unwrap();
    });
    let adopted = crew.adopt(&main, &fork);
    let team = adopted.vault.team();
    assert_eq!(members(&adopted.vault), "alice carol dave");
    for (member, role) in team.members().iter().filter(|(member, _)| member.as_str() != "alice") {
        assert!(!role.admin, "{member}");
    }
    assert!(!team.devices().contains_key("other-pc"));
}
