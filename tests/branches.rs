//! One person, several branches: writing on each is everyday work, and going back is not.

#![expect(clippy::disallowed_methods, reason = "tests run programs and read files")]

mod clones;

use clones::{Person, World, admin, text};

/// Alice, with a first commit on `main`.
fn alone() -> (World, Person) {
    let world = World::new();
    let alice = world.person("alice");
    alice.vault(&["init", "--member", "alice", "--device", "alice-laptop", "--no-recovery"]);
    alice.set("SHARED", "first");
    alice.git(&["add", "."]);
    alice.git(&["commit", "-qm", "found"]);
    alice.git(&["branch", "-M", "main"]);
    (world, alice)
}

fn refused(person: &Person) {
    let before = person.bytes();
    let output = person.try_vault(&["set", "LATER", "-"], b"v");
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{stderr}");
    assert!(stderr.contains("nothing was changed: ") && stderr.contains("writes of alice-laptop"), "{stderr}");
    assert_eq!(person.bytes(), before);
}

/// The write counter of alice's device in the file.
fn count(person: &Person) -> u64 {
    let file = text(&person.bytes());
    let clock = file.lines().find_map(|line| line.strip_prefix("clock = { alice-laptop = ")).expect("a clock");
    clock.trim_end_matches(" }").parse().expect("a count")
}

#[test]
fn writing_on_two_branches_needs_no_confirmation_and_merges() {
    let (_world, alice) = alone();
    let mut counts = vec![count(&alice)];
    let mut write = |name: &str, value: &str| {
        let output = alice.vault_in(&[], &["set", name, "-"], value.as_bytes());
        alice.commit(name);
        counts.push(count(&alice));
        text(&output.stderr)
    };
    alice.git(&["switch", "-qc", "feature"]);
    write("ON_FEATURE", "f1");
    alice.git(&["switch", "-q", "main"]);
    let said = write("ON_MAIN", "m1");
    assert!(said.contains("feature has writes that are not on this branch"), "{said}");
    alice.git(&["switch", "-q", "feature"]);
    write("ON_FEATURE", "f2");
    alice.git(&["switch", "-q", "main"]);
    write("ON_MAIN", "m2");
    // A number that was used is never used again, whatever branch it was on.
    counts.sort_unstable();
    let used = counts.len();
    counts.dedup();
    assert_eq!(counts.len(), used, "{counts:?}");
    alice.git(&["merge", "-q", "-m", "both", "feature"]);
    let values = ["SHARED", "ON_FEATURE", "ON_MAIN"].map(|name| alice.get(name));
    assert_eq!(values, ["first", "f2", "m2"]);
    alice.verify();
    alice.set("AFTER", "goes on");
}

#[test]
fn writes_in_the_stash_are_not_lost_either() {
    let (_world, alice) = alone();
    alice.set("STASHED", "s");
    alice.git(&["stash", "-q"]);
    alice.set("MEANWHILE", "m");
    alice.commit("meanwhile");
    alice.git(&["stash", "pop", "-q"]);
    assert_eq!((alice.get("STASHED"), alice.get("MEANWHILE")), ("s".into(), "m".into()));
    // A write that is nowhere any more is.
    alice.commit("popped");
    alice.set("DISCARDED", "d");
    alice.git(&["checkout", "-q", "."]);
    refused(&alice);
}

#[test]
fn what_another_worktree_has_counts_once_it_is_committed_there() {
    let (_world, alice) = alone();
    let side = alice.clone.parent().unwrap().join("side");
    alice.git(&["worktree", "add", "-q", "-b", "two", side.to_str().unwrap()]);
    let file = side.join("vault.toml");
    alice.vault_in(&[], &["--vault", file.to_str().unwrap(), "set", "IN_SIDE", "-"], b"s");
    // Its files are on no branch: whoever can write there could make up what was seen.
    let output = alice.try_vault(&["set", "IN_MAIN", "-"], b"m");
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{stderr}");
    assert!(stderr.contains("commit it in the worktree where it was written"), "{stderr}");
    alice.git(&["-C", side.to_str().unwrap(), "commit", "-qam", "side"]);
    let output = alice.vault_in(&[], &["set", "IN_MAIN", "-"], b"m");
    assert!(text(&output.stderr).contains("two has writes"), "{}", text(&output.stderr));
}

#[test]
fn a_history_that_was_turned_back_is_not_a_branch() {
    let (_world, alice) = alone();
    alice.set("SHARED", "second");
    alice.commit("second");
    alice.git(&["branch", "topic"]);
    alice.git(&["revert", "--no-edit", "HEAD"]);
    refused(&alice);
    // Nor where the branch that holds the newer file went on since.
    alice.git(&["switch", "-q", "topic"]);
    std::fs::write(alice.clone.join("other"), "").unwrap();
    alice.git(&["add", "other"]);
    alice.git(&["commit", "-qm", "other"]);
    alice.git(&["switch", "-q", "main"]);
    refused(&alice);
}

#[test]
fn a_squashed_branch_that_was_turned_back_is_not_a_branch() {
    let (_world, alice) = alone();
    alice.git(&["switch", "-qc", "feature"]);
    alice.set("SHARED", "second");
    alice.commit("second");
    alice.git(&["switch", "-q", "main"]);
    alice.git(&["merge", "-q", "--squash", "feature"]);
    alice.git(&["commit", "-qm", "squashed"]);
    alice.vault(&["list"]);
    alice.git(&["revert", "--no-edit", "HEAD"]);
    refused(&alice);
    // Nor a merge commit that was.
    alice.git(&["reset", "-q", "--hard", "HEAD~2"]);
    alice.git(&["merge", "-q", "--no-ff", "-m", "merged", "feature"]);
    alice.git(&["revert", "--no-edit", "-m", "1", "HEAD"]);
    refused(&alice);
}

#[test]
fn what_others_pushed_vouches_for_nothing() {
    let (_world, alice) = alone();
    alice.git(&["push", "-q", "origin", "HEAD:main"]);
    alice.set("SHARED", "second");
    alice.commit("second");
    // Somebody with push access keeps the newer file on a branch, and sets `main` back.
    alice.git(&["push", "-q", "origin", "HEAD:refs/heads/kept"]);
    alice.git(&["fetch", "-q"]);
    alice.git(&["reset", "-q", "--hard", "origin/main"]);
    alice.git(&["rev-parse", "origin/kept"]);
    refused(&alice);
}

#[test]
fn an_older_team_is_never_written_on() {
    let (_world, alice) = alone();
    alice.git(&["switch", "-qc", "feature"]);
    alice.enter("bob", &vault::crypto::IdentityKey::generate().unwrap(), &admin());
    alice.vault(&["list"]);
    alice.commit("bob");
    alice.git(&["switch", "-q", "main"]);
    let output = alice.try_vault(&["set", "LATER", "-"], b"v");
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{stderr}");
    assert!(stderr.contains("of the team is missing"), "{stderr}");
}
