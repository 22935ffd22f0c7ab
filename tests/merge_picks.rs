//! Single commits put upon another branch, with real git: `cherry-pick` and `rebase`.

#![expect(clippy::disallowed_methods, reason = "tests run programs and read files")]

mod clones;

use clones::{Person, World, admin, now, text, writer};
use vault::Role;
use vault::crypto::IdentityKey;
use vault::team::{self, Leaving};

fn enter(person: &Person, member: &str) {
    person.enter(member, &IdentityKey::generate().unwrap(), &writer("default"));
}

fn role(person: &Person, member: &str, role: &Role) {
    person.change(|tx, signer| {
        team::set_role(tx, &member.parse().unwrap(), role, signer, now()).map(drop).unwrap();
    });
}

fn leave(person: &Person, member: &str) {
    person.change(|tx, signer| {
        team::remove(tx, &Leaving::Member(member.parse().unwrap()), signer, now()).unwrap();
    });
}

/// Alice and Bob are admins, Carol writes. On Alice's branch is a secret, and then a commit
/// of `change` alone; on Bob's is another secret.
fn scene(change: impl FnOnce(&Person)) -> (World, Person, Person) {
    let world = World::new();
    let (alice, bob) = world.alice_and_bob(&admin());
    enter(&alice, "carol");
    alice.commit("carol");
    alice.push();
    bob.git(&["pull", "-q", "origin", "main"]);
    bob.vault(&["list"]);
    alice.set("LEFT_BEHIND", "of a commit that is not picked");
    alice.commit("before");
    change(&alice);
    alice.commit("picked");
    alice.push();
    bob.set("OF_BOB", "b");
    bob.commit("of bob");
    bob.git(&["fetch", "-q"]);
    (world, alice, bob)
}

fn members(person: &Person) -> String {
    person.read().team().members().keys().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

fn names(person: &Person) -> String {
    let list = person.vault(&["list", "--json"]);
    let all = ["LEFT_BEHIND", "OF_BOB", "PICKED", "SHARED"];
    all.into_iter().filter(|name| list.contains(&format!("\"{name}\""))).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_picked_commit_brings_its_own_change_and_no_other() {
    let (_world, _, bob) = scene(|alice| {
        alice.set("PICKED", "p");
        alice.set("SHARED", "second");
    });
    bob.git(&["cherry-pick", "origin/main"]);
    assert_eq!((bob.get("PICKED"), bob.get("SHARED"), bob.get("OF_BOB")), ("p".into(), "second".into(), "b".into()));
    assert_eq!(names(&bob), "OF_BOB PICKED SHARED");
    bob.verify();
    // The branch it is from merges afterwards as if nothing had been.
    bob.git(&["merge", "-q", "--no-edit", "origin/main"]);
    assert_eq!(names(&bob), "LEFT_BEHIND OF_BOB PICKED SHARED");
    assert_eq!(bob.get("LEFT_BEHIND"), "of a commit that is not picked");
    bob.verify();
}

#[test]
fn a_change_of_the_team_is_picked_without_a_question() {
    let reader = Role { read: ["default".parse().unwrap()].into(), ..Role::default() };
    let second = IdentityKey::generate().unwrap();
    let device = |alice: &Person| {
        alice.change(|tx, signer| {
            let device = vault::NewDevice {
                device: "carol-desktop".parse().unwrap(),
                recipient: second.recipient(),
                signing_key: Some(second.signing_key().public()),
            };
            team::add(tx, &"carol".parse().unwrap(), device, &Role::default(), signer, now()).unwrap();
        });
    };
    type Change<'a> = (&'a str, &'a dyn Fn(&Person), &'a dyn Fn(&Person));
    let cases: [Change<'_>; 4] = [
        ("a member comes", &|alice| enter(alice, "dave"), &|bob| assert_eq!(members(bob), "alice bob carol dave")),
        ("a device comes", &device, &|bob| {
            assert!(bob.read().team().devices().contains_key("carol-desktop"));
        }),
        ("a member leaves", &|alice| leave(alice, "carol"), &|bob| {
            assert_eq!(members(bob), "alice bob");
            // Carol could read what is new on this branch too.
            for name in ["SHARED", "OF_BOB"] {
                assert!(bob.vault(&["show", name, "--json"]).contains("carol"), "{name}");
            }
        }),
        ("a role changes", &|alice| role(alice, "carol", &reader), &|bob| {
            assert_eq!(bob.read().team().members()["carol"], reader);
        }),
    ];
    for (what, change, check) in cases {
        for command in [&["cherry-pick", "origin/main"][..], &["rebase", "-q", "origin/main"]] {
            let (_world, alice, bob) = scene(change);
            let picked = bob.try_git(command);
            assert!(picked.status.success(), "{what}: {command:?}: {}", text(&picked.stderr));
            check(&bob);
            let wanted = if command[0] == "rebase" { "LEFT_BEHIND OF_BOB SHARED" } else { "OF_BOB SHARED" };
            assert_eq!(names(&bob), wanted, "{what}: {command:?}");
            assert_eq!((bob.get("OF_BOB"), bob.get("SHARED")), ("b".into(), "first".into()), "{what}");
            bob.verify();
            // Alice follows, and goes on.
            bob.git(&["push", "-q", "origin", "HEAD:branch"]);
            alice.git(&["fetch", "-q"]);
            alice.git(&["merge", "-q", "--no-edit", "origin/branch"]);
            assert_eq!(names(&alice), "LEFT_BEHIND OF_BOB SHARED", "{what}: {command:?}");
            check(&alice);
            alice.verify();
            alice.set("PICKED", "after");
        }
    }
}

#[test]
fn two_changes_of_the_team_are_asked_for_and_go_on() {
    for side in ["--ours", "--theirs"] {
        let (_world, alice, bob) = scene(|alice| leave(alice, "carol"));
        enter(&bob, "erin");
        bob.commit("erin");
        let before = bob.bytes();
        let stopped = bob.try_git(&["cherry-pick", "origin/main"]);
        let said = text(&stopped.stderr);
        assert!(!stopped.status.success() && said.contains("@team") && said.contains("member carol removed"), "{said}");
        assert_eq!(bob.bytes(), before);
        bob.vault(&["git", "resolve", "@team", side]);
        bob.git(&["add", "vault.toml"]);
        bob.git(&["cherry-pick", "--continue"]);
        assert_eq!(members(&bob), "alice bob erin");
        assert_eq!(names(&bob), "OF_BOB SHARED", "{side}");
        bob.verify();
        bob.git(&["push", "-q", "origin", "HEAD:branch"]);
        alice.git(&["fetch", "-q"]);
        alice.git(&["merge", "-q", "--no-edit", "origin/branch"]);
        assert_eq!(members(&alice), "alice bob erin");
        assert_eq!(names(&alice), "LEFT_BEHIND OF_BOB SHARED", "{side}");
        alice.verify();
    }
}

#[test]
fn the_same_secret_is_a_conflict_that_is_settled_in_the_middle() {
    for (command, mine, theirs) in [("cherry-pick", "--ours", "--theirs"), ("rebase", "--theirs", "--ours")] {
        for (side, wanted) in [(mine, "of bob"), (theirs, "of alice")] {
            let (_world, _, bob) = scene(|alice| alice.set("SHARED", "of alice"));
            bob.set("SHARED", "of bob");
            bob.commit("the same");
            let stopped = bob.try_git(&[command, "origin/main"]);
            let said = text(&stopped.stderr);
            assert!(!stopped.status.success() && said.contains("SHARED in profile default"), "{command}: {said}");
            assert!(!said.contains("of alice") && !said.contains("of bob"), "{said}");
            bob.vault(&["git", "resolve", "SHARED", side]);
            assert_eq!(bob.get("SHARED"), wanted, "{command} {side}");
            bob.git(&["add", "vault.toml"]);
            bob.git(&[command, "--continue"]);
            assert_eq!(bob.get("OF_BOB"), "b");
            bob.verify();
        }
    }
}

/// Two repositories with a vault each: git sees a file that both added.
#[test]
fn histories_that_have_nothing_in_common_are_not_merged() {
    let (world, _, bob) = scene(|alice| alice.set("PICKED", "p"));
    let carol = world.person("carol");
    carol.git(&["checkout", "-q", "--orphan", "other"]);
    carol.git(&["rm", "-rfq", "."]);
    carol.vault(&["init", "--member", "carol", "--no-recovery"]);
    carol.git(&["add", "."]);
    carol.commit("another vault");
    carol.git(&["push", "-q", "origin", "HEAD:other"]);
    bob.git(&["fetch", "-q"]);
    let before = bob.bytes();
    for command in
        [&["merge", "-q", "--allow-unrelated-histories", "origin/other"][..], &["cherry-pick", "origin/other"]]
    {
        let refused = bob.try_git(command);
        let said = text(&refused.stderr);
        assert!(!refused.status.success() && said.contains("different vaults"), "{command:?}: {said}");
        assert_eq!(bob.bytes(), before);
        let repair = bob.try_vault(&["git", "repair"], b"");
        assert!(!repair.status.success() || bob.bytes() == before, "{}", text(&repair.stderr));
        bob.git(&[command[0], "--abort"]);
        bob.verify();
    }
}
