use std::fs;

use crate::harness::{World, git, write};
use crate::team::{ADMIN, add_member};
use crate::terminal::Terminal;

/// `vault trust` on a terminal, up to its question.
fn asked(world: &World) -> Terminal {
    let mut terminal = Terminal::spawn(world.run(["trust"]).env("NO_COLOR", "1").command());
    terminal.expect("?");
    terminal
}

#[test]
fn an_unknown_place_must_be_confirmed() {
    let (alice, value) = World::with_secret("K");
    let bob = alice.clone_for("bob");
    crate::harness::write_private(&bob.identity_file(), crate::harness::read(&alice.identity_file()));
    let (id, before) = (bob.id(), bob.snapshot());
    let hint = format!("VLT_VAULT_ID={id}");
    for words in [
        &["list"][..],
        &["get", "K"],
        &["show", "K"],
        &["rm", "K"],
        &["trust"],
        &["audit"],
        &["profile", "list"],
        &["identity", "where"],
    ] {
        bob.vault(words).fails(5, "was not used on this device before", &hint);
    }
    bob.run(["set", "K", "-"]).stdin("v").output().fails(5, "was not used on this device before", &hint);
    bob.vault(["exec", "--", "true"]).fails(125, "was not used on this device before", &hint);
    let wrong = "a".repeat(52);
    for words in [&["list"][..], &["get", "K"], &["trust"]] {
        bob.run(words).env("VLT_VAULT_ID", &wrong).output().fails_with(5, "not what VLT_VAULT_ID asks for");
    }
    bob.assert_unchanged(&before);
    assert_eq!(bob.run(["get", "K"]).env("VLT_VAULT_ID", &id).shows_values().output().ok().out(), value);
    // Known from then on.
    bob.vault(["list"]).ok().silent();
    bob.run(["list"]).env("VLT_VAULT_ID", &wrong).output().fails_with(5, "not what VLT_VAULT_ID asks for");
    bob.run(["list"]).env("VLT_VAULT_ID", "rubbish").output().exits(5);
}

#[test]
fn trust_shows_the_fingerprint_and_records_that_it_was_confirmed() {
    let alice = World::new();
    let bob = alice.clone_for("bob");
    let id = bob.id();
    let before = bob.snapshot();
    bob.run(["trust", "-n"]).env("VLT_VAULT_ID", &id).output().ok().says(&id);
    bob.assert_unchanged(&before);
    // Where the environment names it, commands take it, and say so before they do.
    bob.vault(["which"]).ok().prints("not yet trusted here");
    bob.run(["which"]).env("VLT_VAULT_ID", &id).output().ok().prints("named by VLT_VAULT_ID");
    assert_eq!(bob.run(["which", "--json"]).env("VLT_VAULT_ID", &id).output().ok().json()["trusted"], true);
    bob.run(["doctor"]).env("VLT_VAULT_ID", &id).output().prints("named by VLT_VAULT_ID");
    bob.run(["status"]).env("VLT_VAULT_ID", &id).output().ok().prints("named by VLT_VAULT_ID");
    bob.assert_unchanged(&before);
    bob.run(["trust"]).env("VLT_VAULT_ID", &id).output().ok().says(&id).says("is trusted here");
    bob.vault(["trust"]).ok().says("is trusted here");
    let records = bob.records("_");
    assert!(records.iter().any(|record| record["action"] == "trust" && record["outcome"] == "done"), "{records:?}");
}

#[test]
fn a_vault_planted_above_the_git_root_is_not_used() {
    let attacker = World::new();
    let victim = attacker.base().join("alice-project/inner/deep");
    fs::create_dir_all(&victim).unwrap();
    git(victim.parent().unwrap(), &["init", "-q"]);
    let words = [&["list"][..], &["get", "K"], &["set", "K", "-"]];
    for words in words {
        attacker.run(words).within(&victim).stdin("v").output().fails(3, "no vault.toml found", "vault init");
    }
    attacker.run(["exec", "--", "true"]).within(&victim).output().fails_with(125, "no vault.toml found");
    attacker.run(["list"]).within("inner/..").output().ok();
}

#[test]
fn another_vault_at_a_known_place_is_refused() {
    let (world, _) = World::with_secret("K");
    let (other, _) = World::with_secret("K");
    let original = world.bytes();
    world.put(other.bytes());
    let before = world.snapshot();
    for words in [&["list"][..], &["get", "K"], &["trust"], &["rm", "K"], &["audit"]] {
        world.vault(words).fails(5, "is another vault than before", "replaced the file");
    }
    world.run(["set", "K", "-"]).stdin("v").output().fails_with(5, "is another vault than before");
    world.vault(["exec", "--", "true"]).fails_with(125, "is another vault than before");
    // Not by naming it, either.
    world.run(["get", "K"]).env("VLT_VAULT_ID", other.id()).output().exits(5);
    // Nor by only claiming to be the one that was there.
    let known = String::from_utf8(original.clone()).unwrap().lines().nth(2).unwrap().to_owned();
    let lie = other.text().replacen(&format!("id = \"{}\"", other.id()), &known, 1);
    // What is only looked at is told as well.
    world.vault(["trust", "-n"]).ok().says("is another vault than before").says(&other.id());
    world.assert_unchanged(&before);
    world.put(lie);
    world.vault(["get", "K"]).fails_with(5, "the id does not belong to the team log");
    world.put(original);
    world.run(["get", "K"]).shows_values().output().ok();
}

#[test]
fn a_clone_is_known_by_its_git_directory_too() {
    let world = World::bare();
    let (other, _) = World::with_secret("K");
    git(&world.project, &["init", "-q"]);
    world.vault(["init", "--device", "alice-laptop"]).ok();
    git(&world.project, &["add", "-A"]);
    git(&world.project, &["commit", "-q", "-m", "vault"]);
    let side = world.base().join("side");
    git(&world.project, &["worktree", "add", "-q", side.to_str().unwrap()]);
    world.run(["which", "--json"]).within(&side).output().ok().prints("\"clone\": \"/");
    world.run(["list"]).within(&side).output().ok().says_not("fingerprint");
    // Cloned once more it is another place; what is known of the vault helps who is asked.
    let again = world.base().join("again");
    git(&world.project, &["clone", "-q", ".", again.to_str().unwrap()]);
    let used = format!("a vault of this fingerprint was used as {}", world.project.display());
    world.run(["list"]).within(&again).output().fails_with(5, "was not confirmed").says(&used);
    write(&side.join("vault.toml"), other.bytes());
    world.run(["list"]).within(&side).output().fails_with(5, "is another vault than before");
}

/// A vault whose file was put back to before the last write, and the newer file.
fn rolled_back() -> (World, String, Vec<u8>) {
    let world = World::new();
    let old = world.secret();
    world.set("K", &old);
    let older = world.bytes();
    world.set("K", world.secret());
    let newer = world.bytes();
    world.put(older);
    (world, old, newer)
}

#[test]
fn an_older_file_is_read_with_one_warning_and_not_written() {
    let (world, old, newer) = rolled_back();
    let first = world.run(["get", "K"]).shows_values().output().ok();
    assert_eq!(first.out(), old);
    let warning = "profile default is older than seen before: writes of alice-laptop are missing; this one is signed by alice-laptop";
    assert_eq!(first.warnings(), [warning]);
    world.run(["get", "K"]).shows_values().output().ok().silent();
    let before = world.snapshot();
    for words in [&["set", "K", "-"][..], &["set", "K", "--note", "x"], &["rm", "K"], &["profile", "add", "x"]] {
        let output = world.run(words).stdin("v").output();
        output.fails(5, "nothing was changed: profile default is older than seen before", "vault trust");
    }
    write(&world.project.join(".env"), "A=1\n");
    world.vault(["import"]).fails_with(5, "nothing was changed");
    fs::remove_file(world.project.join(".env")).unwrap();
    world.assert_unchanged(&before);
    let json = world.vault(["verify", "--json"]).exits(1).json();
    assert_eq!(json["findings"][0]["kind"], "rollback");
    assert_eq!(json["findings"][0]["profile"], "default");
    world.put(newer);
    world.vault(["verify"]).ok();
    world.set("K", "v");
}

#[test]
fn each_time_that_an_older_file_is_shown_it_is_told() {
    let (world, _, newer) = rolled_back();
    let told = || !world.run(["list"]).output().ok().warnings().is_empty();
    assert!(told() && !told());
    // Told once of that file, one is told again of what was written since and is gone again,
    let older = world.bytes();
    world.put(newer.clone());
    world.set("K", world.secret());
    world.put(newer);
    assert!(told() && !told());
    // and of a file that lacks that too.
    world.put(older);
    assert!(told() && !told());
}

#[test]
fn refusing_older_files_can_be_configured() {
    let (world, _, newer) = rolled_back();
    world.vault(["config", "rollback", "refuse"]).ok();
    for words in [&["get", "K"][..], &["list"], &["show", "K"]] {
        world.vault(words).fails(5, "older than seen before", "vault config rollback warn");
    }
    world.run(["set", "K", "-"]).stdin("v").output().fails_with(5, "older than seen before");
    world.vault(["exec", "--", "true"]).fails_with(125, "older than seen before");
    world.vault(["verify"]).exits(1);
    world.put(newer);
    world.run(["get", "K"]).shows_values().output().ok().silent();
    let refused: Vec<_> = world
        .records("alice-laptop")
        .into_iter()
        .filter(|r| r["outcome"] == "refused")
        .map(|r| r["action"].clone())
        .collect();
    assert_eq!(refused, ["get", "list", "show", "set", "exec"]);
}

#[test]
fn going_back_is_accepted_by_a_person_only() {
    let (world, ..) = rolled_back();
    let before = world.snapshot();
    let wanted = "a person has to accept the older file, on a terminal";
    world.vault(["trust"]).fails_with(5, wanted);
    world.run(["trust"]).env("VLT_VAULT_ID", world.id()).output().fails_with(5, wanted);
    world.assert_unchanged(&before);
}

#[test]
fn a_person_can_accept_going_back() {
    let (world, old, newer) = rolled_back();
    let before = world.snapshot();
    let mut terminal = asked(&world);
    terminal.line("n");
    terminal.ends(5);
    world.assert_unchanged(&before);
    let mut terminal = asked(&world);
    terminal.line("y");
    terminal.expect("accepted; writing is possible again");
    terminal.ends(0);
    world.set("K2", "v");
    assert_eq!(world.value("K"), old.as_bytes());
    // What was given up is not taken for newer than what came after it.
    world.put(newer);
    world.run(["set", "K", "-"]).stdin("v").output().fails_with(5, "nothing was changed");
}

#[test]
fn a_person_can_accept_another_vault_at_a_known_place() {
    let (world, _) = World::with_secret("K");
    let other = World::new();
    world.put(other.bytes());
    let before = world.snapshot();
    let mut terminal = asked(&world);
    terminal.line("n");
    terminal.ends(5);
    world.assert_unchanged(&before);
    let mut terminal = asked(&world);
    terminal.line("y");
    let shown = terminal.ends(0);
    assert!(shown.contains("is another vault than before") && shown.contains(&other.id()), "{shown}");
    world.vault(["list"]).ok();
    // She is no member there.
    world.vault(["verify"]).ok();
    world.run(["set", "K", "-"]).stdin("v").output().fails_with(4, "");
}

#[test]
fn the_same_device_writing_in_two_clones_is_noticed() {
    let (alice, _) = World::with_secret("K");
    let copy = alice.clone_for("copy");
    fs::remove_dir(&copy.home).unwrap();
    std::process::Command::new("cp").arg("-a").arg(&alice.home).arg(&copy.home).status().unwrap();
    alice.set("K", "here");
    copy.run(["set", "K", "-"]).env("VLT_VAULT_ID", alice.id()).stdin("there").output().ok();
    alice.put(copy.bytes());
    let output = alice.vault(["list"]).ok();
    assert_eq!(
        output.warnings(),
        ["profile default was signed twice as the same write, with other content, by alice-laptop"]
    );
    alice.run(["set", "K", "-"]).stdin("v").output().fails_with(5, "signed twice");
    let json = alice.vault(["verify", "--json"]).exits(1).json();
    assert_eq!(json["findings"][0]["kind"], "fork");
    assert_eq!(json["findings"][0]["by"], "alice-laptop");
}

#[test]
fn a_lost_write_of_another_device_is_noticed_and_named() {
    let (alice, _) = World::with_secret("K");
    let bob = add_member(&alice, "bob", ADMIN);
    alice.vault(["list"]).ok().silent();
    bob.run(["list"]).env("VLT_VAULT_ID", bob.id()).output().ok();
    let common = alice.bytes();
    alice.set("FROM_ALICE", "a");
    bob.set("FROM_BOB", "b");
    // Bob's file arrives at alice without her write.
    let hers = alice.bytes();
    alice.put(bob.bytes());
    let output = alice.vault(["list"]).ok();
    assert_eq!(
        output.warnings(),
        [
            "profile default lacks writes seen before, of alice-laptop: a branch, or a lost write; this one is signed by bob-laptop"
        ]
    );
    alice.vault(["list"]).ok().silent();
    alice.run(["set", "K", "-"]).stdin("v").output().fails_with(5, "lacks writes seen before, of alice-laptop");
    let json = alice.vault(["verify", "--json"]).exits(1).json();
    assert_eq!(json["findings"][0]["kind"], "fork");
    // And one that is only older, at bob.
    bob.put(common);
    let output = bob.vault(["list"]).ok();
    let warning = "profile default is older than seen before: writes of bob-laptop are missing; this one is signed by alice-laptop";
    assert_eq!(output.warnings(), [warning]);
    alice.put(hers);
    alice.vault(["list"]).ok().silent();
}

#[test]
fn a_team_log_cut_short_is_noticed() {
    let (alice, _) = World::with_secret("K");
    let before = alice.bytes();
    add_member(&alice, "bob", ADMIN);
    alice.vault(["list"]).ok();
    alice.put(before);
    let output = alice.vault(["list"]).ok();
    assert!(output.warnings()[0].contains("1 change of the team is missing"), "{}", output.stderr);
    alice.run(["set", "K", "-"]).stdin("v").output().fails_with(5, "nothing was changed");
}

#[test]
fn another_history_of_the_team_is_refused() {
    let (alice, _) = World::with_secret("K");
    let common = alice.bytes();
    add_member(&alice, "bob", ADMIN);
    alice.vault(["list"]).ok();
    alice.put(common);
    add_member(&alice, "carol", ADMIN);
    alice.vault(["list"]).fails(5, "the team log is another one than seen before", "ask an admin");
    alice.vault(["get", "K"]).fails_with(5, "the team log is another one than seen before");
    let json = alice.vault(["verify", "--json"]).exits(1).json();
    assert_eq!(json["findings"][0]["kind"], "fork");
}

#[test]
fn a_damaged_memory_is_told_and_not_replaced() {
    let (world, _) = World::with_secret("K");
    let trust = world.state().join("vaults").join(world.id()).join("trust.json");
    let places = world.state().join("places.json");
    for file in [trust, places] {
        let good = crate::harness::read(&file);
        crate::harness::write_private(&file, "{}");
        let before = world.snapshot();
        world.vault(["get", "K"]).fails_with(5, "damaged");
        world.assert_unchanged(&before);
        crate::harness::write_private(&file, good);
    }
    world.run(["get", "K"]).shows_values().output().ok();
}
