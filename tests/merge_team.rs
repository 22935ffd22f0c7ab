//! Two branches that both changed the team: one log is kept, the other one adopted.

#![expect(clippy::disallowed_methods, reason = "tests run programs and read files")]

mod clones;

use std::collections::BTreeSet;

use clones::{Person, World, admin, now, text, writer};
use vault::crypto::IdentityKey;
use vault::team::{self, Leaving};
use vault::{Action, Role};

fn enter(person: &Person, member: &str) -> IdentityKey {
    let identity = IdentityKey::generate().unwrap();
    person.enter(member, &identity, &writer("default"));
    identity
}

fn leave(person: &Person, member: &str) {
    person.change(|tx, signer| {
        team::remove(tx, &Leaving::Member(member.parse().unwrap()), signer, now()).unwrap();
    });
}

fn rekey(person: &Person) {
    person.change(|tx, signer| {
        let all = BTreeSet::from(["default".parse().unwrap()]);
        tx.change_team(Action::Rekey, &all, None, signer, now()).unwrap();
    });
}

/// Alice and Bob are admins, and have seen the same; Carol and Dave write.
fn crew() -> (World, Person, Person) {
    let world = World::new();
    let (alice, bob) = world.alice_and_bob(&admin());
    enter(&alice, "carol");
    enter(&alice, "dave");
    alice.commit("carol and dave");
    alice.push();
    bob.git(&["pull", "-q", "origin", "main"]);
    bob.vault(&["list"]);
    (world, alice, bob)
}

/// Both changed something; Alice pushed, and Bob's merge stops at the team.
fn stopped(of_alice: impl FnOnce(&Person), of_bob: impl FnOnce(&Person)) -> (World, Person, Person, String) {
    let (world, alice, bob) = crew();
    of_alice(&alice);
    alice.commit("of alice");
    alice.push();
    of_bob(&bob);
    bob.commit("of bob");
    bob.git(&["fetch", "-q"]);
    let output = bob.try_git(&["merge", "-q", "origin/main"]);
    assert!(!output.status.success());
    (world, alice, bob, text(&output.stderr))
}

/// Bob goes on; Alice, who saw the log that may have been dropped, follows without a question.
fn goes_on(alice: &Person, bob: &Person) {
    bob.verify();
    bob.git(&["add", "vault.toml"]);
    bob.git(&["commit", "-qm", "one team"]);
    bob.push();
    let before = alice.git(&["rev-parse", "HEAD"]);
    alice.git(&["pull", "-q", "--ff-only", "origin", "main"]);
    alice.verify();
    alice.set("AFTER", "by alice");
    alice.commit("after");
    // What was adopted is an older file now, and no fork.
    alice.git(&["checkout", "-q", before.trim()]);
    let old = alice.try_vault(&["list"], b"");
    assert!(old.status.success() && text(&old.stderr).contains("older than one seen before"), "{}", text(&old.stderr));
    alice.git(&["checkout", "-q", "-"]);
    alice.verify();
}

fn members(person: &Person) -> String {
    person.read().team().members().keys().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

#[test]
fn both_added_somebody_and_both_are_in() {
    for side in ["--ours", "--theirs"] {
        let (_world, alice, bob, said) = stopped(
            |alice| {
                enter(alice, "erin");
                alice.set("OF_ALICE", "a");
            },
            |bob| {
                enter(bob, "frank");
                bob.set("OF_BOB", "b");
            },
        );
        for wanted in ["member erin added", "member frank added", "by alice-laptop", "vault git resolve @team --ours"] {
            assert!(said.contains(wanted), "{wanted} in {said}");
        }
        let file = || std::fs::read(bob.clone.join("vault.toml")).unwrap();
        let (before, records) = (file(), bob.vault(&["audit", "--json"]));
        let tried = bob.try_vault(&["git", "resolve", "@team", side, "-n"], b"");
        assert!(
            tried.status.success() && text(&tried.stderr).contains("would settle @team"),
            "{}",
            text(&tried.stderr)
        );
        assert_eq!((file(), bob.vault(&["audit", "--json"])), (before, records));
        let done = bob.try_vault(&["git", "resolve", "@team", side], b"");
        assert!(done.status.success(), "{}", text(&done.stderr));
        let again = if side == "--ours" { "member erin added" } else { "member frank added" };
        assert!(text(&done.stderr).contains(again), "{}", text(&done.stderr));
        assert_eq!(members(&bob), "alice bob carol dave erin frank");
        assert_eq!(
            (bob.get("OF_ALICE"), bob.get("OF_BOB"), bob.get("SHARED")),
            ("a".into(), "b".into(), "first".into())
        );
        let records = bob.vault(&["audit", "--action", "merge", "--json"]);
        assert!(records.contains("@team"), "{records}");
        goes_on(&alice, &bob);
    }
}

#[test]
fn who_was_removed_on_either_side_never_comes_back() {
    for side in ["--ours", "--theirs"] {
        let (_world, alice, bob, _) = stopped(
            |alice| {
                leave(alice, "carol");
                alice.set("OF_ALICE", "dave could read it");
            },
            |bob| {
                leave(bob, "dave");
                bob.set("OF_BOB", "carol could read it");
            },
        );
        bob.vault(&["git", "resolve", "@team", side]);
        assert_eq!(members(&bob), "alice bob");
        assert_eq!(
            (bob.get("OF_ALICE"), bob.get("OF_BOB")),
            ("dave could read it".into(), "carol could read it".into())
        );
        for (name, who) in [("OF_ALICE", "dave"), ("OF_BOB", "carol"), ("SHARED", "carol"), ("SHARED", "dave")] {
            let shown = bob.vault(&["show", name, "--json"]);
            assert!(shown.contains(&format!("\"to\": \"{who}\"")), "{side}: {name} to {who}: {shown}");
        }
        goes_on(&alice, &bob);
    }
}

#[test]
fn two_rekeys_are_one_more_and_every_value_opens() {
    for side in ["--ours", "--theirs"] {
        let (_world, alice, bob, _) = stopped(
            |alice| {
                rekey(alice);
                alice.set("OF_ALICE", "a");
            },
            |bob| {
                rekey(bob);
                bob.set("OF_BOB", "b");
            },
        );
        let said = bob.vault_in(&[], &["git", "resolve", "@team", side], b"");
        let (kept, other) = if side == "--ours" { ("ours", "theirs") } else { ("theirs", "ours") };
        let nothing = format!("team: kept {kept}; nothing of {other} had to be made again");
        assert!(text(&said.stderr).contains(&nothing), "{}", text(&said.stderr));
        assert_eq!(
            (bob.get("OF_ALICE"), bob.get("OF_BOB"), bob.get("SHARED")),
            ("a".into(), "b".into(), "first".into())
        );
        assert_eq!(bob.read().team().profiles()["default"].epoch, 3, "a key that neither side had");
        assert!(!text(&bob.bytes()).contains("exposed"), "nobody left");
        goes_on(&alice, &bob);
    }
}

#[test]
fn a_profile_added_twice_is_one_with_what_both_put_into_it() {
    let add = |person: &Person, name: &str, value: &str| {
        person.vault(&["profile", "add", "stage"]);
        for (name, value) in [(name, value), ("BOTH", value)] {
            person.vault_in(&[], &["-p", "stage", "set", name, "-"], value.as_bytes());
        }
    };
    let (_world, alice, bob, _) = stopped(|alice| add(alice, "A", "a"), |bob| add(bob, "B", "b"));
    let done = bob.try_vault(&["git", "resolve", "@team", "--theirs"], b"");
    let said = text(&done.stderr);
    assert!(done.status.success() && said.contains("BOTH in profile stage") && said.contains("1 left"), "{said}");
    bob.vault(&["-p", "stage", "git", "resolve", "BOTH", "--ours"]);
    let get = |name: &str| bob.vault(&["-p", "stage", "get", name]);
    assert_eq!((get("A"), get("B"), get("BOTH")), ("a".into(), "b".into(), "b".into()));
    goes_on(&alice, &bob);
    // One that only the side has that is dropped comes along with what is in it.
    let (_world, alice, bob, _) = stopped(
        |alice| add(alice, "A", "a"),
        |bob| {
            enter(bob, "frank");
        },
    );
    bob.vault(&["git", "resolve", "@team", "--ours"]);
    assert_eq!(bob.vault(&["-p", "stage", "get", "A"]), "a");
    goes_on(&alice, &bob);
}

#[test]
fn what_else_clashes_is_asked_for_afterwards_and_written_once() {
    let (_world, alice, bob, _) = stopped(
        |alice| {
            enter(alice, "erin");
            alice.set("SHARED", "of alice");
        },
        |bob| {
            enter(bob, "frank");
            bob.set("SHARED", "of bob");
        },
    );
    let before = bob.bytes();
    let early = bob.try_vault(&["git", "resolve", "SHARED", "--ours"], b"");
    assert!(!early.status.success() && text(&early.stderr).contains("@team"), "{}", text(&early.stderr));
    bob.vault(&["git", "resolve", "@team", "--ours"]);
    assert_eq!(bob.bytes(), before, "one is still open");
    let twice = bob.try_vault(&["git", "resolve", "@team", "--theirs"], b"");
    assert_eq!(twice.status.code(), Some(3), "{}", text(&twice.stderr));
    bob.vault_in(&[], &["git", "resolve", "SHARED", "-"], b"of both");
    assert_eq!(bob.get("SHARED"), "of both");
    assert_eq!(members(&bob), "alice bob carol dave erin frank");
    goes_on(&alice, &bob);
}

#[test]
fn roles_merge_right_by_right() {
    let role = |member: &'static str, role: Role| {
        move |person: &Person| {
            person.change(|tx, signer| {
                team::set_role(tx, &member.parse().unwrap(), &role, signer, now()).map(drop).unwrap();
            });
        }
    };
    let reader = Role { read: ["default".parse().unwrap()].into(), ..Role::default() };
    let (_world, alice, bob, _) = stopped(role("carol", Role::default()), role("dave", reader));
    bob.vault(&["git", "resolve", "@team", "--ours"]);
    let team = bob.read().team().clone();
    assert_eq!(team.members()["carol"], Role::default(), "what was taken is gone");
    assert_eq!(team.members()["dave"].read.len(), 1);
    assert!(bob.vault(&["show", "SHARED", "--json"]).contains("carol"), "who lost it knows the value");
    goes_on(&alice, &bob);
}

/// Alice adopts what Bob had decided; he takes it back, and adopts hers.
#[test]
fn what_was_taken_back_since_is_not_given_again() {
    let role = |person: &Person, role: Role| {
        person.change(|tx, signer| {
            team::set_role(tx, &"carol".parse().unwrap(), &role, signer, now()).map(drop).unwrap();
        });
    };
    let (_world, alice, bob) = crew();
    role(&bob, admin());
    bob.vault(&["profile", "add", "stage", "--extends", "default"]);
    bob.commit("carol is an admin, and there is a stage");
    bob.git(&["push", "-q", "origin", "HEAD:branch"]);
    enter(&alice, "erin");
    alice.commit("erin");
    alice.git(&["fetch", "-q"]);
    assert!(!alice.try_git(&["merge", "-q", "origin/branch"]).status.success());
    alice.vault(&["git", "resolve", "@team", "--ours"]);
    alice.git(&["commit", "-qam", "one team"]);
    alice.push();
    role(&bob, writer("default"));
    bob.vault(&["profile", "set", "stage", "--extends", "none"]);
    bob.commit("she is none, and it stands alone");
    bob.git(&["fetch", "-q"]);
    assert!(!bob.try_git(&["merge", "-q", "origin/main"]).status.success());
    let done = bob.try_vault(&["git", "resolve", "@team", "--ours"], b"");
    let said = text(&done.stderr);
    assert!(done.status.success() && !said.contains("not made again"), "{said}");
    assert_eq!(members(&bob), "alice bob carol dave erin");
    let team = bob.read().team().clone();
    assert_eq!(team.members()["carol"], writer("default"), "{said}");
    assert!(team.profiles()["stage"].extends.is_empty(), "{said}");
    goes_on(&alice, &bob);
}

#[test]
fn a_rebase_of_two_changes_of_the_team() {
    let (_world, alice, bob) = crew();
    enter(&alice, "erin");
    alice.commit("erin");
    alice.push();
    enter(&bob, "frank");
    bob.commit("frank");
    enter(&bob, "grace");
    bob.commit("grace");
    bob.git(&["fetch", "-q"]);
    assert!(!bob.try_git(&["rebase", "-q", "origin/main"]).status.success());
    for _ in 0..2 {
        bob.vault(&["git", "resolve", "@team", "--ours"]);
        bob.git(&["add", "vault.toml"]);
        bob.try_git(&["rebase", "--continue"]);
    }
    assert!(!bob.clone.join(".git/rebase-merge").exists());
    assert_eq!(members(&bob), "alice bob carol dave erin frank grace");
    bob.verify();
    bob.push();
    alice.git(&["pull", "-q", "--ff-only", "origin", "main"]);
    alice.verify();
}

#[test]
fn only_an_admin_of_both_sides_can() {
    // Alice takes the role from Bob, while Bob adds somebody.
    let (_world, alice, bob, _) = stopped(
        |alice| {
            alice.change(|tx, signer| {
                team::set_role(tx, &"bob".parse().unwrap(), &writer("default"), signer, now()).map(drop).unwrap();
            });
        },
        |bob| {
            enter(bob, "mallory");
        },
    );
    for side in ["--ours", "--theirs"] {
        let before = bob.bytes();
        let refused = bob.try_vault(&["git", "resolve", "@team", side], b"");
        assert_eq!(refused.status.code(), Some(6), "{}", text(&refused.stderr));
        assert!(
            text(&refused.stderr).contains("bob-laptop is not an admin on both sides"),
            "{}",
            text(&refused.stderr)
        );
        assert_eq!(bob.bytes(), before);
    }
    // Alice can, and adds nobody in her name whom a former admin let in.
    bob.git(&["merge", "--abort"]);
    bob.git(&["push", "-q", "origin", "HEAD:branch"]);
    alice.git(&["fetch", "-q"]);
    assert!(!alice.try_git(&["merge", "-q", "origin/branch"]).status.success());
    let done = alice.try_vault(&["git", "resolve", "@team", "--ours"], b"");
    let said = text(&done.stderr);
    assert!(said.contains("not made again: member mallory added"), "{said}");
    assert_eq!(members(&alice), "alice bob carol dave");
    // Mallory holds the key of that branch, which was also the key of this one.
    let default: vault::ProfileName = "default".parse().unwrap();
    let key = |person: &Person| person.read().team().profiles()[&default].commitment;
    assert_ne!(key(&alice), key(&bob));
    let exposed = alice.vault(&["show", "SHARED", "--json"]);
    assert!(exposed.contains("given the key on a branch that was not taken over"), "{exposed}");
    assert_eq!(alice.try_vault(&["rotation", "--fail-on", "exposed"], b"").status.code(), Some(1));
    alice.verify();
}

#[test]
fn whoever_was_taken_over_gets_no_new_key_for_nothing() {
    let (_world, _, bob, _) = stopped(|alice| drop(enter(alice, "erin")), |bob| drop(enter(bob, "frank")));
    bob.vault(&["git", "resolve", "@team", "--ours"]);
    assert!(!bob.vault(&["show", "SHARED", "--json"]).contains("given the key on a branch"));
}

/// Who was removed cannot undo it with an adoption of their own.
#[test]
fn an_adoption_by_somebody_who_was_removed_is_refused() {
    let (_world, alice, bob) = crew();
    leave(&alice, "bob");
    alice.set("SHARED", "bob does not know it");
    alice.commit("bob left");
    let head = alice.read().team().head();
    bob.change(|tx, signer| {
        let action = Action::Adopt { head, members: Vec::new(), devices: Vec::new() };
        tx.change_team(action, &BTreeSet::new(), None, signer, now()).unwrap();
    });
    bob.commit("back again");
    bob.git(&["push", "-q", "origin", "HEAD:branch"]);
    alice.git(&["fetch", "-q"]);
    let merge = alice.try_git(&["merge", "-q", "origin/branch"]);
    assert!(!merge.status.success(), "never merged by itself");
    alice.git(&["merge", "--abort"]);
    alice.git(&["checkout", "-q", "origin/branch"]);
    for words in [&["get", "SHARED"][..], &["exec", "--", "true"], &["list"]] {
        let refused = alice.try_vault(words, b"");
        let said = text(&refused.stderr);
        assert!(!refused.status.success() && said.contains("its signer was no admin there"), "{words:?}: {said}");
    }
    // Nor one by an admin of both that forgets a removal.
    let (_world, alice, bob) = crew();
    leave(&alice, "carol");
    alice.commit("carol left");
    let head = alice.read().team().head();
    bob.change(|tx, signer| {
        let action = Action::Adopt { head, members: Vec::new(), devices: Vec::new() };
        tx.change_team(action, &BTreeSet::new(), None, signer, now()).unwrap();
    });
    bob.commit("carol stays");
    bob.git(&["push", "-q", "origin", "HEAD:branch"]);
    alice.git(&["fetch", "-q"]);
    assert!(!alice.try_git(&["merge", "-q", "origin/branch"]).status.success());
    alice.git(&["merge", "--abort"]);
    alice.git(&["checkout", "-q", "origin/branch"]);
    let refused = alice.try_vault(&["list"], b"");
    assert!(text(&refused.stderr).contains("somebody removed there is still a member"), "{}", text(&refused.stderr));
}
