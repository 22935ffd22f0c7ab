//! `mv`, `cp`, `export`: secrets under another name, in another profile, on their way out.

use crate::harness::{World, sorted};
use crate::team::add_member;

/// Everything that is known of a secret, but its name, profile and when it was used last.
fn known(world: &World, profile: &str, name: &str) -> serde_json::Value {
    let mut json = world.vault(["-p", profile, "show", name, "--json"]).ok().json();
    for key in ["name", "profile", "last_used"] {
        json.as_object_mut().unwrap().remove(key);
    }
    json
}

/// A secret with a past: an earlier value, a date, a leak, a note.
fn with_a_past() -> World {
    let (world, value) = World::with_secret("OLD");
    let second = world.secret();
    world.set_with("OLD", &second, &["--created", "2026-01-02", "--note", "kept", "--rotate-every", "90d"]);
    world.vault(["expose", "OLD", "--why", "in a chat", "--to", "the guests"]).ok();
    world.set("OTHER", "x");
    world.forbid(value);
    world
}

#[test]
fn a_new_name_keeps_everything() {
    let world = with_a_past();
    let (before, value) = (known(&world, "default", "OLD"), world.value("OLD"));
    assert_eq!(
        (before["exposed"][0]["to"].as_str(), before["earlier"].as_array().unwrap().len()),
        (Some("the guests"), 1)
    );
    for (n, command) in ["mv", "move"].into_iter().enumerate() {
        let (old, new) = if n == 0 { ("OLD", "NEW") } else { ("NEW", "OLD") };
        world.vault([command, old, new]).ok().says(&format!("renamed {old} to {new} in profile default"));
        assert_eq!(known(&world, "default", new), before);
        assert_eq!(world.value(new), value);
        world.vault(["get", old]).fails_with(3, "no secret");
    }
    let earlier = world.run(["get", "OLD", "--version", "1"]).shows_values().output().ok();
    assert_eq!(earlier.stdout.len(), value.len());
    world.vault(["verify"]).ok();
}

#[test]
fn a_renaming_that_cannot_be_changes_nothing() {
    let world = with_a_past();
    let before = world.snapshot();
    world.vault(["mv", "OLD", "OTHER"]).fails_with(7, "OTHER");
    world.vault(["mv", "OLD", "OLD"]).fails_with(7, "OLD");
    world.vault(["mv", "ODL", "NEW"]).fails(3, "no secret ODL", "did you mean OLD?");
    world.vault(["mv", "OLD", "LD_PRELOAD"]).fails(6, "changes how programs load or run", "--allow-name LD_PRELOAD");
    world.vault(["mv", "OLD", "not-a-name"]).fails_with(2, "<NEW>");
    world.vault(["mv", "OLD", "NEW", "-n"]).ok().says("would rename OLD to NEW");
    world.assert_unchanged(&before);
}

#[test]
fn a_copy_keeps_everything_and_leaves_the_first() {
    let world = with_a_past();
    world.vault(["profile", "add", "dev"]).ok();
    let before = known(&world, "default", "OLD");
    world.vault(["cp", "OLD", "--to", "dev", "-n"]).ok().says("would copy OLD from profile default to dev");
    world.vault(["copy", "OLD", "--to", "dev"]).ok().says("copied OLD from profile default to dev");
    assert_eq!(known(&world, "dev", "OLD"), before);
    assert_eq!(known(&world, "default", "OLD"), before);
    let there = world.run(["-p", "dev", "get", "OLD"]).shows_values().output().ok();
    assert_eq!(there.stdout, world.value("OLD"));
    let snapshot = world.snapshot();
    world.vault(["cp", "OLD", "--to", "dev"]).fails_with(7, "OLD");
    world.vault(["cp", "OLD", "--to", "default"]).fails_with(7, "OLD");
    world.vault(["cp", "OLD", "--to", "prod"]).fails(3, "no profile prod", "there are: default, dev");
    world.vault(["-p", "dev", "cp", "OTHER", "--to", "default"]).fails_with(3, "no secret OTHER in profile dev");
    world.assert_unchanged(&snapshot);
    // A leak is of the value, so it is due in both places, until each has another one.
    world.vault(["rotation"]).ok().prints("dev");
    world.vault(["verify"]).ok();
}

#[test]
fn nothing_is_copied_where_one_may_not_write() {
    let alice = with_a_past();
    alice.vault(["profile", "add", "dev"]).ok();
    let bob = add_member(&alice, "bob", "read = [\"default\", \"dev\"]\n");
    let run = |words: &[&str]| bob.run(words).env("VLT_VAULT_ID", bob.id()).output();
    run(&["get", "OTHER"]).ok();
    let before = bob.bytes();
    run(&["cp", "OTHER", "--to", "dev"]).fails(6, "bob-laptop may not write profile dev", "ask an admin");
    run(&["mv", "OTHER", "NEW"]).fails(6, "bob-laptop may not write profile default", "ask an admin");
    run(&["restore", "OLD", "--version", "1"]).fails(6, "may not write", "ask an admin");
    assert_eq!(bob.bytes(), before);
    let records = bob.records("bob-laptop");
    let failed: Vec<_> = records.iter().filter(|record| record["outcome"] == "failed").map(|r| &r["action"]).collect();
    assert_eq!(failed, ["cp", "mv", "restore"]);
}

#[test]
fn a_version_that_is_not_kept_is_not_gone_back_to() {
    let world = with_a_past();
    let before = world.snapshot();
    world.vault(["restore", "OLD", "--version", "7"]).fails(3, "version 7", "vault history OLD");
    world.vault(["restore", "OLD", "--version", "7", "-n"]).fails(3, "version 7", "vault history OLD");
    world.vault(["restore", "NONE", "--version", "1"]).fails(3, "no secret NONE", "vault list");
    world.vault(["restore", "OLD", "--version", "1", "-n"]).ok().says("would go back to version 1 of OLD");
    world.assert_unchanged(&before);
    // Back to the first value, and from there to the leaked one only by force; also in a dry run.
    world.vault(["restore", "OLD", "--version", "1"]).ok();
    for more in ["-n", "-q"] {
        world.vault(["restore", "OLD", "--version", "2", more]).fails(6, "exposed", "--force");
    }
    world.vault(["restore", "OLD", "--version", "2", "--force"]).ok();
    assert_eq!(known(&world, "default", "OLD")["exposed"][0]["why"], "in a chat");
}

#[test]
fn what_is_exported_can_be_taken_over_again() {
    let world = World::new();
    let values = ["plain", "two words", "a\nb", "'\"\\$X `x` #", "", "\u{fc}"];
    for (n, value) in values.iter().enumerate() {
        world.set_with(&format!("V{n}"), value, &["--allow-empty"]);
    }
    let export = |words: &[&str]| world.run([&["export"], words].concat()).shows_values().output().ok().silent();
    let before = world.bytes();
    let other = World::new();
    other.run(["import", "-"]).stdin(export(&[]).stdout).output().ok();
    let json = export(&["--format", "json"]).json();
    let script = String::from_utf8(export(&["--format", "shell"]).stdout).unwrap();
    for (n, value) in values.iter().enumerate() {
        assert_eq!(other.value(&format!("V{n}")), value.as_bytes());
        assert_eq!(json[format!("V{n}")], **value);
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &format!("{script}\nprintf %s \"$V{n}\"")]);
        assert_eq!(shell.output().unwrap().stdout, value.as_bytes());
    }
    assert_eq!(world.bytes(), before);
    let record = world.records("alice-laptop").pop().unwrap();
    assert_eq!((&record["action"], record["names"].as_array().unwrap().len()), (&"export".into(), values.len()));
}

#[test]
fn an_export_takes_in_what_the_profile_extends_and_says_what_a_form_cannot_hold() {
    let world = World::new();
    world.set("SHARED", "base");
    world.set("BOTH", "base");
    world.vault(["profile", "add", "dev", "--extends", "default"]).ok();
    world.run(["-p", "dev", "set", "BOTH", "-"]).stdin("dev").output().ok();
    let json = world.vault(["-p", "dev", "export", "--format", "json"]).ok().json();
    assert_eq!(crate::harness::keys(&json), sorted(&["BOTH", "SHARED"]));
    assert_eq!((json["BOTH"].as_str(), json["SHARED"].as_str()), (Some("dev"), Some("base")));
    world.set("BYTES", b"\xff\x00");
    world.vault(["export", "--format", "json"]).fails_with(2, "value of BYTES is not UTF-8");
    world.vault(["export", "--format", "shell"]).fails_with(2, "value of BYTES has a NUL byte");
    world.vault(["export"]).ok();
    // To a full disk it fails, and says so.
    world.run(["export"]).redirect(">/dev/full").output().fails_with(8, "cannot write to standard output");
}

/// Who may write a profile may not run code in the shells of those who evaluate it.
#[test]
fn names_that_run_programs_are_exported_only_where_that_is_meant() {
    let world = World::new();
    world.set_with("LD_PRELOAD", "/tmp/evil.so", &["--allow-name", "LD_PRELOAD"]);
    for format in ["shell", "dotenv", "json"] {
        let output = world.vault(["export", "--format", format]);
        assert_eq!(output.fails_with(6, "LD_PRELOAD changes how programs load or run").out(), "");
    }
    assert_eq!(world.records("alice-laptop").last().unwrap()["outcome"], "refused");
    world.vault(["export", "--allow-name", "LD_PRELOAD"]).ok().prints("LD_PRELOAD=/tmp/evil.so\n");
    assert_eq!(world.records("alice-laptop").last().unwrap()["overrides"][0], "allow-name:LD_PRELOAD");
}
