//! Merging with real git: people with clones of their own and a bare repository between them.

#![expect(clippy::disallowed_methods, reason = "tests run programs and read files")]

mod clones;

use clones::{World, admin, text, writer};

/// Alice and Bob start from one commit; she changed something, committed and pushed.
fn diverged(
    alice: impl FnOnce(&clones::Person),
    bob: impl FnOnce(&clones::Person),
) -> (World, clones::Person, clones::Person) {
    let world = World::new();
    let (a, b) = world.alice_and_bob(&admin());
    alice(&a);
    a.commit("of alice");
    a.push();
    bob(&b);
    b.commit("of bob");
    b.git(&["fetch", "-q"]);
    (world, a, b)
}

fn conflict(person: &clones::Person, args: &[&str]) -> String {
    let ours = person.bytes();
    let output = person.try_git(args);
    assert!(!output.status.success(), "git {args:?} must stop");
    assert_eq!(person.bytes(), ours, "a conflict leaves our file as it was");
    text(&output.stderr)
}

#[test]
fn different_secrets_merge_rebase_and_pick_without_a_question() {
    for args in [&["merge", "-q", "origin/main"][..], &["rebase", "-q", "origin/main"], &["cherry-pick", "origin/main"]]
    {
        let (_world, _, bob) = diverged(
            |alice| {
                alice.set("OF_ALICE", "a1");
                alice.set("SHARED", "second");
            },
            |bob| bob.set("OF_BOB", "b1"),
        );
        bob.git(args);
        for (name, value) in [("OF_ALICE", "a1"), ("OF_BOB", "b1"), ("SHARED", "second")] {
            assert_eq!(bob.get(name), value, "after {args:?}");
        }
        bob.verify();
        let records = bob.vault(&["audit", "--action", "merge", "--json"]);
        assert!(records.contains("\"intent\"") && records.contains("\"done\""), "{records}");
        bob.set("AFTER", "goes on");
        assert!(bob.git(&["status", "--porcelain"]).contains("M vault.toml"));
    }
}

#[test]
fn a_rebase_of_several_commits_and_the_merge_back() {
    let (_world, alice, bob) = diverged(
        |alice| alice.set("OF_ALICE", "a1"),
        |bob| {
            bob.set("ONE", "1");
            bob.commit("one");
            bob.set("TWO", "2");
            bob.commit("two");
            bob.set("ONE", "11");
        },
    );
    bob.git(&["rebase", "-q", "origin/main"]);
    assert_eq!((bob.get("ONE"), bob.get("TWO"), bob.get("OF_ALICE")), ("11".into(), "2".into(), "a1".into()));
    bob.verify();
    bob.push();
    alice.set("LATER", "l");
    alice.commit("later");
    alice.git(&["pull", "-q", "--no-rebase", "origin", "main"]);
    assert_eq!((alice.get("ONE"), alice.get("LATER")), ("11".into(), "l".into()));
    alice.verify();
    alice.push();
    bob.git(&["pull", "-q", "--ff-only", "origin", "main"]);
    bob.verify();
    assert_eq!(bob.get("LATER"), "l");
}

#[test]
fn the_same_secret_is_a_conflict_that_shows_no_value_and_is_settled_each_way() {
    for (choice, input, wanted) in
        [(["--ours"], "", "of bob"), (["--theirs"], "", "of alice"), (["-"], "of neither", "of neither")]
    {
        let (_world, _, bob) = diverged(
            |alice| {
                alice.set("SHARED", "of alice");
                alice.set("OTHER", "o");
            },
            |bob| bob.set("SHARED", "of bob"),
        );
        let said = conflict(&bob, &["merge", "-q", "origin/main"]);
        for wanted in
            ["SHARED in profile default", "version 2", "alice-laptop", "bob-laptop", "vault git resolve SHARED"]
        {
            assert!(said.contains(wanted), "{wanted} in {said}");
        }
        assert!(!said.contains("of alice") && !said.contains("of bob"), "{said}");
        bob.vault_in(&[], &[&["git", "resolve", "SHARED"][..], &choice].concat(), input.as_bytes());
        assert_eq!(bob.get("SHARED"), wanted);
        assert_eq!(bob.get("OTHER"), "o");
        // Nothing that anybody stored is lost.
        let shown = bob.vault(&["show", "SHARED", "--json"]);
        assert!(shown.contains("\"earlier\""), "{shown}");
        bob.verify();
        bob.git(&["add", "vault.toml"]);
        bob.git(&["commit", "-qm", "merged"]);
        let again = bob.try_vault(&["git", "resolve", "SHARED", "--ours"], b"");
        assert_eq!(again.status.code(), Some(3), "{}", text(&again.stderr));
    }
}

#[test]
fn equal_values_stored_twice_are_no_conflict() {
    let (_world, _, bob) = diverged(|alice| alice.set("SHARED", "same"), |bob| bob.set("SHARED", "same"));
    bob.git(&["merge", "-q", "origin/main"]);
    assert_eq!(bob.get("SHARED"), "same");
    bob.verify();
}

#[test]
fn two_conflicts_are_settled_one_by_one_and_written_once() {
    let (_world, _, bob) = diverged(
        |alice| {
            alice.set("SHARED", "a");
            alice.set("BOTH", "a");
        },
        |bob| {
            bob.set("SHARED", "b");
            bob.set("BOTH", "b");
        },
    );
    conflict(&bob, &["merge", "-q", "origin/main"]);
    let before = bob.bytes();
    bob.vault_in(&[], &["git", "resolve", "BOTH", "-"], b"kept sealed until then");
    assert_eq!(bob.bytes(), before, "one is still open");
    let twice = bob.try_vault(&["git", "resolve", "BOTH", "--ours"], b"");
    assert!(!twice.status.success());
    bob.vault(&["git", "resolve", "SHARED", "--theirs"]);
    assert_eq!((bob.get("BOTH"), bob.get("SHARED")), ("kept sealed until then".into(), "a".into()));
    bob.verify();
}

#[test]
fn nothing_is_written_into_a_merge_that_stopped() {
    let (_world, _, bob) = diverged(|alice| alice.set("SHARED", "1"), |bob| bob.set("SHARED", "2"));
    conflict(&bob, &["merge", "-q", "origin/main"]);
    let before = bob.bytes();
    for words in [&["set", "NEW", "-"][..], &["rm", "SHARED"], &["profile", "add", "dev"], &["set", "NEW", "-", "-n"]] {
        let refused = bob.try_vault(words, b"v");
        assert_eq!(refused.status.code(), Some(7), "{words:?}: {}", text(&refused.stderr));
        assert!(text(&refused.stderr).contains("is in a merge that stopped"), "{}", text(&refused.stderr));
    }
    // Nobody types anything into an editor first.
    let edit = bob.try_vault_in(&[("EDITOR", "touch typed; false")], &["edit"], b"");
    assert_eq!((edit.status.code(), bob.clone.join("typed").exists()), (Some(7), false), "{}", text(&edit.stderr));
    let doctor = bob.try_vault(&["doctor"], b"");
    assert!(text(&doctor.stdout).contains("is in a merge that stopped"), "{}", text(&doctor.stdout));
    assert!(bob.vault(&["status"]).contains("in a merge that stopped: `vault git repair`"));
    assert_eq!(bob.bytes(), before);
    // Reading works, and with the last conflict settled writing does, whatever git was told so far.
    assert_eq!(bob.get("SHARED"), "2");
    bob.vault(&["git", "resolve", "SHARED", "--theirs"]);
    bob.set("NEW", "n");
    bob.commit("merged");
    assert_eq!((bob.get("SHARED"), bob.get("NEW")), ("1".into(), "n".into()));
    // The same where a stash comes back.
    bob.set("NEW", "of the stash");
    bob.git(&["stash", "-q"]);
    bob.set("NEW", "of the branch");
    bob.commit("new");
    conflict(&bob, &["stash", "pop"]);
    assert_eq!(bob.try_vault(&["set", "NEW", "-"], b"v").status.code(), Some(7));
    bob.vault(&["git", "resolve", "NEW", "--ours"]);
    bob.commit("popped");
    bob.verify();
}

#[test]
fn delete_against_change_is_a_conflict_both_ways() {
    for (choice, there) in [("--ours", false), ("--theirs", true)] {
        let (_world, _, bob) = diverged(
            |alice| alice.set("SHARED", "changed"),
            |bob| {
                bob.vault(&["rm", "SHARED"]);
            },
        );
        let said = conflict(&bob, &["merge", "-q", "origin/main"]);
        assert!(said.contains("removed on one side (ours)"), "{said}");
        bob.vault(&["git", "resolve", "SHARED", choice]);
        assert_eq!(bob.try_vault(&["get", "SHARED"], b"").status.success(), there);
        bob.verify();
    }
}

#[test]
fn rotation_against_metadata_merges_field_by_field() {
    let (_world, _, bob) = diverged(
        |alice| alice.set("SHARED", "rotated"),
        |bob| {
            bob.vault(&["set", "SHARED", "--rotate-every", "30d", "--note", "of bob"]);
        },
    );
    bob.git(&["merge", "-q", "origin/main"]);
    let shown = bob.vault(&["show", "SHARED", "--json"]);
    assert_eq!(bob.get("SHARED"), "rotated");
    assert!(shown.contains("30d") && shown.contains("of bob") && shown.contains("\"version\": 2"), "{shown}");
    bob.verify();
}

#[test]
fn team_against_values_merges_and_team_against_team_is_a_conflict() {
    let (_world, _, bob) = diverged(
        |alice| alice.enter("carol", &vault::crypto::IdentityKey::generate().unwrap(), &writer("default")),
        |bob| bob.set("OF_BOB", "b1"),
    );
    bob.git(&["merge", "-q", "origin/main"]);
    assert_eq!(bob.get("OF_BOB"), "b1");
    assert!(bob.read().team().members().contains_key("carol"));
    bob.verify();

    let enter = |name: &'static str| {
        move |person: &clones::Person| {
            person.enter(name, &vault::crypto::IdentityKey::generate().unwrap(), &writer("default"));
        }
    };
    let (_world, _, bob) = diverged(enter("carol"), enter("dave"));
    let said = conflict(&bob, &["merge", "-q", "origin/main"]);
    assert!(
        said.contains("member carol added") && said.contains("by alice-laptop") && said.contains("@team"),
        "{said}"
    );
}

#[test]
fn a_value_set_while_somebody_was_removed_is_sealed_again_and_exposed_to_them() {
    let world = World::new();
    let (alice, bob) = world.alice_and_bob(&admin());
    let carol = vault::crypto::IdentityKey::generate().unwrap();
    alice.enter("carol", &carol, &writer("default"));
    alice.commit("carol comes");
    alice.push();
    bob.git(&["pull", "-q", "origin", "main"]);
    alice.change(|tx, signer| {
        let leaving = vault::team::Leaving::Member("carol".parse().unwrap());
        vault::team::remove(tx, &leaving, signer, clones::now()).unwrap();
    });
    alice.commit("carol leaves");
    alice.push();
    bob.set("OF_BOB", "she could read this");
    bob.commit("of bob");
    bob.git(&["fetch", "-q"]);
    bob.git(&["merge", "-q", "origin/main"]);
    assert_eq!(bob.get("OF_BOB"), "she could read this");
    bob.verify();
    assert!(!bob.read().team().members().contains_key("carol"));
    for name in ["OF_BOB", "SHARED"] {
        let shown = bob.vault(&["show", name, "--json"]);
        assert!(shown.contains("carol"), "{name}: {shown}");
    }
}

#[test]
fn what_a_removed_writer_signed_is_merged_by_no_one_without_a_person() {
    let world = World::new();
    let (alice, bob) = world.alice_and_bob(&writer("default"));
    bob.set("SHARED", "of the removed");
    bob.set("PLANTED", "by the removed");
    bob.commit("backdated");
    bob.git(&["push", "-q", "origin", "HEAD:branch"]);
    alice.change(|tx, signer| {
        let leaving = vault::team::Leaving::Member("bob".parse().unwrap());
        vault::team::remove(tx, &leaving, signer, clones::now()).unwrap();
    });
    alice.commit("bob leaves");
    alice.git(&["fetch", "-q"]);
    let said = conflict(&alice, &["merge", "-q", "origin/branch"]);
    assert!(said.contains("SHARED") && said.contains("PLANTED") && said.contains("may not write"), "{said}");
    alice.vault(&["git", "resolve", "PLANTED", "--ours"]);
    alice.vault(&["git", "resolve", "SHARED", "--ours"]);
    assert_eq!(alice.get("SHARED"), "first");
    assert!(!alice.try_vault(&["get", "PLANTED"], b"").status.success());
    assert!(!alice.read().team().members().contains_key("bob"));
    alice.verify();
}

#[test]
fn who_signed_what_both_come_from_and_left_is_named() {
    let world = World::new();
    let (alice, bob) = world.alice_and_bob(&writer("default"));
    bob.set("BAIT", "by bob");
    bob.commit("bob");
    bob.push();
    alice.git(&["pull", "-q", "--ff-only", "origin", "main"]);
    alice.git(&["checkout", "-q", "-b", "side"]);
    alice.vault(&["rm", "BAIT"]);
    alice.commit("rm");
    alice.git(&["checkout", "-q", "-"]);
    alice.change(|tx, signer| {
        let leaving = vault::team::Leaving::Member("bob".parse().unwrap());
        vault::team::remove(tx, &leaving, signer, clones::now()).unwrap();
    });
    alice.commit("bob leaves");
    let said = conflict(&alice, &["merge", "-q", "side"]);
    let why = "before: signed by bob-laptop, who may not write it any more, so nobody says who changed it since";
    assert!(said.contains("BAIT") && said.contains(why), "{said}");
    // New keys alone are no other values.
    assert!(!said.contains("SHARED"), "{said}");
    alice.vault(&["git", "resolve", "BAIT", "--theirs"]);
    assert!(!alice.try_vault(&["get", "BAIT"], b"").status.success());
    alice.verify();
}

#[test]
fn a_revert_is_no_silent_rollback() {
    let world = World::new();
    let (alice, _bob) = world.alice_and_bob(&admin());
    alice.set("SHARED", "second");
    alice.commit("rotate");
    alice.set("OTHER", "o");
    alice.commit("other");
    let said = conflict(&alice, &["revert", "--no-edit", "HEAD~1"]);
    assert!(said.contains("theirs is older"), "{said}");
}

#[test]
fn without_an_identity_a_merge_that_needs_a_signature_stops() {
    let (_world, _, bob) = diverged(|alice| alice.set("A", "1"), |bob| bob.set("B", "2"));
    let identity = bob.clone.parent().unwrap().join("c/vault/identity");
    std::fs::rename(&identity, identity.with_extension("away")).unwrap();
    let said = conflict(&bob, &["merge", "-q", "origin/main"]);
    assert!(said.contains("identity"), "{said}");
    std::fs::rename(identity.with_extension("away"), &identity).unwrap();
    bob.vault(&["git", "repair"]);
    assert_eq!((bob.get("A"), bob.get("B")), ("1".into(), "2".into()));
    // Git can also be asked to try once more.
    bob.git(&["checkout", "--merge", "vault.toml"]);
    let said = bob.try_vault(&["git", "repair"], b"");
    assert!(text(&said.stderr).contains("verifies as it is"), "{}", text(&said.stderr));
    bob.verify();
}

#[test]
fn a_merge_without_the_driver_is_named_and_repaired_from_its_parents() {
    let (_world, alice, bob) = diverged(|alice| alice.set("A", "1"), |bob| bob.set("B", "2"));
    // As a web page merges: by lines. The file has markers, or signatures that do not verify.
    std::fs::write(bob.clone.join(".git/info/attributes"), "vault.toml !merge -text\n").unwrap();
    bob.try_git(&["merge", "-q", "origin/main"]);
    let edited = text(&bob.bytes()).replace("2026-", "2016-");
    std::fs::write(bob.file(), edited).unwrap();
    bob.git(&["commit", "-qam", "merged on a web page"]);
    bob.git(&["push", "-q", "origin", "HEAD:main"]);
    alice.git(&["pull", "-q", "--ff-only", "origin", "main"]);
    let refused = alice.try_vault(&["get", "A"], b"");
    assert_eq!(refused.status.code(), Some(5));
    assert!(text(&refused.stderr).contains("vault git repair"), "{}", text(&refused.stderr));
    let tried = alice.try_vault(&["git", "repair", "-n"], b"");
    assert!(tried.status.success() && text(&tried.stderr).contains("would merge commits "), "{}", text(&tried.stderr));
    assert!(text(&alice.bytes()).contains("2016-"), "it was only tried");
    assert_eq!(alice.git(&["status", "--porcelain", "-uno"]), "");
    alice.vault(&["git", "repair"]);
    assert_eq!((alice.get("A"), alice.get("B")), ("1".into(), "2".into()));
    assert!(!text(&alice.bytes()).contains("2016-"), "what the tree says is never signed");
    alice.verify();
}

#[test]
fn hand_edited_files_are_never_signed() {
    let world = World::new();
    let (alice, _bob) = world.alice_and_bob(&admin());
    let good = alice.bytes();
    std::fs::write(alice.file(), text(&good).replace("version = 1", "version = 2")).unwrap();
    for committed in [false, true] {
        if committed {
            alice.commit("by hand");
        }
        let broken = alice.bytes();
        let tried = alice.try_vault(&["git", "repair", "-n"], b"");
        assert!(
            tried.status.success() && text(&tried.stderr).contains("would put that back"),
            "{}",
            text(&tried.stderr)
        );
        assert_eq!(alice.bytes(), broken, "it was only tried");
        let output = alice.try_vault(&["git", "repair"], b"");
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
        assert_eq!(alice.bytes(), broken, "nobody said yes");
    }
}

#[test]
fn diffs_are_readable_and_show_no_value() {
    let world = World::new();
    let (alice, _bob) = world.alice_and_bob(&admin());
    alice.set("SHARED", "second value");
    alice.vault(&["set", "SHARED", "--rotate-every", "30d"]);
    let diff = alice.git(&["diff"]);
    for wanted in ["-    version 1: value ", "+    version 2: value ", "+    rotate every: 30d", "earlier version 1"] {
        assert!(diff.contains(wanted), "{wanted} in {diff}");
    }
    assert!(!diff.contains("second value") && !diff.contains("signature ="), "{diff}");
    alice.commit("two");
    alice.enter("carol", &vault::crypto::IdentityKey::generate().unwrap(), &writer("default"));
    alice.commit("three");
    assert!(alice.git(&["log", "-p", "-1"]).contains("member carol added on carol-laptop: write default"));
    // Broken and hostile files are shown too, with what could move a cursor escaped.
    std::fs::write(alice.file(), b"<<<<<<< \x1b[2J\n").unwrap();
    assert!(alice.git(&["diff"]).contains("\\u{1b}[2J"));
}

#[test]
fn installing_says_so_once_and_survives_odd_paths() {
    let world = World::new();
    let person = world.person("carol");
    let said = person.try_vault(&["init", "--member", "carol", "--no-recovery"], b"");
    assert!(text(&said.stderr).contains("this clone now merges vault files"), "{}", text(&said.stderr));
    let again = person.try_vault(&["git", "install"], b"");
    assert!(text(&again.stderr).contains("knows already"), "{}", text(&again.stderr));
    person.git(&["config", "--remove-section", "merge.vault"]);
    let set = person.try_vault(&["set", "A", "-"], b"v");
    assert!(text(&set.stderr).contains("this clone now merges vault files"));
    let set = person.try_vault(&["set", "A", "-"], b"w");
    assert!(!text(&set.stderr).contains("git:"));
}

#[test]
fn a_program_in_an_odd_place_is_called_as_it_is() {
    let (_world, _, bob) = diverged(|alice| alice.set("A", "1"), |bob| bob.set("B", "2"));
    let odd = bob.clone.parent().unwrap().join("it's $(touch planted) 100%A; here");
    std::fs::create_dir(&odd).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_vault"), odd.join("vault")).unwrap();
    let installed = std::process::Command::new(odd.join("vault"))
        .args(["git", "install"])
        .env("HOME", bob.clone.parent().unwrap())
        .current_dir(&bob.clone)
        .status()
        .unwrap();
    assert!(installed.success());
    assert!(bob.git(&["config", "merge.vault.driver"]).contains("100%%A"));
    assert!(bob.git(&["log", "-p", "-1"]).contains("secret B"));
    bob.git(&["merge", "-q", "origin/main"]);
    bob.verify();
    assert!(!bob.clone.join("planted").exists());
}

#[test]
fn two_vaults_are_not_merged() {
    let (world, _, bob) = diverged(|alice| alice.set("A", "1"), |bob| bob.set("B", "2"));
    let carol = world.person("carol");
    std::fs::remove_file(carol.file()).unwrap();
    carol.vault(&["init", "--member", "carol", "--no-recovery"]);
    carol.commit("another vault");
    carol.git(&["push", "-q", "origin", "HEAD:other"]);
    bob.git(&["fetch", "-q"]);
    let said = conflict(&bob, &["merge", "-q", "origin/other"]);
    assert!(said.contains("different vaults"), "{said}");
}
