//! Recovery: a code, a clone, and nothing else.

use std::fs;

use crate::world::{Person, World};

fn code(person: &Person) -> String {
    fs::read_to_string(person.home.join("recovery-code")).unwrap().trim().to_owned()
}

#[test]
fn a_machine_with_nothing_is_enrolled_by_the_code() {
    let (world, alice) = World::new();
    alice.set("default", "KEY", "canary-recovered");
    alice.push("a secret");
    let code = code(&alice);
    alice.forbid(&code);
    let phoenix = world.person("phoenix");
    let id = alice.id();
    let new_file = phoenix.home.join("new-code");
    let words = ["recover", "--code-file", "-", "--device", "alice-new", "--recovery-file", new_file.to_str().unwrap()];
    // The only admin is who this is.
    phoenix.run(&words, &code, &[("VLT_VAULT_ID", &id)]).ok().says("alice-new is a device of alice now");
    assert_eq!(phoenix.value("default", "KEY").ok().stdout, "canary-recovered");
    let records: Vec<_> = phoenix.records("alice-new");
    let found: Vec<(&str, &str)> = records
        .iter()
        .map(|record| (record["action"].as_str().unwrap(), record["outcome"].as_str().unwrap()))
        .filter(|(action, _)| *action == "recover")
        .collect();
    assert_eq!(found, [("recover", "intent"), ("recover", "done")]);
    phoenix.push("recovered");

    // The lost laptop goes, and its holder reads nothing from then on.
    phoenix.vault(&["member", "remove", "alice", "--device", "alice-laptop"]).ok();
    phoenix.push("laptop lost");
    alice.pull();
    alice.value("default", "KEY").fails(4, "belongs to no device");

    // The old code is worth nothing, the one written in between neither: an admin's device left.
    let thief = world.person("thief");
    let words = ["recover", "--code-file", "-", "--device", "thief", "--recovery-file", "code"];
    thief.refused_with(&words, &code, &[("VLT_VAULT_ID", &id)], 3, "there is no recovery device");
}

#[test]
fn the_old_code_is_void_once_used() {
    let (world, alice) = World::new();
    alice.set("default", "KEY", "canary-once");
    alice.push("a secret");
    let (old, id) = (code(&alice), alice.id());
    let phoenix = world.person("phoenix");
    let file = phoenix.home.join("new-code");
    let words = ["recover", "--code-file", "-", "--device", "alice-new", "--recovery-file", file.to_str().unwrap()];
    phoenix.run(&words, &old, &[("VLT_VAULT_ID", &id)]).ok();
    phoenix.push("recovered");
    let new = fs::read_to_string(&file).unwrap();
    assert_ne!(new.trim(), old);
    let again = world.person("again");
    let words = ["recover", "--code-file", "-", "--device", "alice-third", "--recovery-file", "code"];
    again.refused_with(&words, &old, &[("VLT_VAULT_ID", &id)], 4, "");
    let words = ["recover", "--code-file", "-", "--device", "alice-third", "--recovery-file", "../again/code"];
    again.run(&words, new.trim(), &[("VLT_VAULT_ID", &id)]).ok();
    assert_eq!(again.value("default", "KEY").ok().stdout, "canary-once");
    // A history may hold the old code's seal for ever; what it opened has another key now.
    let log = again.vault(&["member", "log", "--json"]).ok().json();
    let log: Vec<(&str, &str)> = log
        .as_array()
        .unwrap()
        .iter()
        .map(|change| (change["action"].as_str().unwrap(), change["by"].as_str().unwrap()))
        .collect();
    let want = [
        ("found", "alice-laptop"),
        ("recovery", "alice-laptop"),
        ("add_device", "recovery"),
        ("recovery", "alice-new"),
        ("add_device", "recovery"),
        ("recovery", "alice-third"),
    ];
    assert_eq!(log, want);
}

#[test]
fn a_wrong_code_names_the_group_or_opens_nothing() {
    let (world, alice) = World::new();
    let (code, id) = (code(&alice), alice.id());
    let thief = world.person("thief");
    let words = ["recover", "--code-file", "-", "--device", "x", "--recovery-file", "code"];
    let env = [("VLT_VAULT_ID", id.as_str())];
    // One mistyped letter, in each group: the check says which, but for one in sixteen.
    let mut named = 0;
    for group in 0..8 {
        let at = group * 5;
        let other = if &code[at..=at] == "a" { "c" } else { "a" };
        let wrong = format!("{}{other}{}", &code[..at], &code[at + 1..]);
        let output = thief.refused_with(&words, &wrong, &env, 4, "");
        named += usize::from(output.stderr.contains(&format!("group {}", group + 1)));
        assert!(!output.stderr.contains(&code[..4]), "the code is not quoted");
    }
    assert!(named >= 4, "{named}");
    thief.refused_with(&words, "abcd-efgh", &env, 4, "");
    // A code that is well-formed and another vault's.
    let (_other, carol) = World::new();
    let foreign = fs::read_to_string(carol.home.join("recovery-code")).unwrap();
    thief.refused_with(&words, &foreign, &env, 4, "");
    assert!(!thief.identity_file().exists());
    // Tried and refused: on record.
    let device_logs: Vec<_> = fs::read_dir(thief.home.join(".local/state/vault/vaults").join(&id).join("audit"))
        .unwrap()
        .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap_or_default())
        .collect();
    let refusals = device_logs.concat().matches("\"action\":\"recover\"").count();
    assert_eq!(refusals, 10);
}

#[test]
fn the_recovery_code_is_for_admins_and_for_new_names() {
    let (world, alice) = World::new();
    world.member(&alice, "bob", &["--read", "default"]);
    world.member(&alice, "carol", &["--admin"]);
    let (code, id) = (code(&alice), alice.id());
    let phoenix = world.person("phoenix");
    let env = [("VLT_VAULT_ID", id.as_str())];
    let recover = |more: &[&str], status, error: &str| {
        let words = [&["recover", "--code-file", "-", "--recovery-file", "code"], more].concat();
        phoenix.refused_with(&words, &code, &env, status, error);
    };
    recover(&["--member", "bob", "--device", "new"], 3, "no admin bob");
    recover(&["--member", "nobody", "--device", "new"], 3, "no admin nobody");
    recover(&["--member", "alice", "--device", "alice-laptop"], 7, "device alice-laptop exists or existed");
    recover(&["--member", "alice", "--device", "recovery"], 2, "reserved");
    assert!(!phoenix.identity_file().exists());
    let words = ["recover", "--code-file", "-", "--device", "new"];
    phoenix.refused_with(&[&words[..], &["--member", "alice"]].concat(), &code, &env, 2, "--recovery-file");
}

#[test]
fn a_vault_without_recovery_says_so() {
    let (_world, alice) = World::without_recovery();
    let words = ["recover", "--code-file", "-", "--device", "x", "--recovery-file", "code"];
    alice.refused_with(&words, "abcd", &[], 3, "there is no recovery device in this vault");
    alice.vault(&["member", "list"]).ok().says("there is no recovery code");
}
