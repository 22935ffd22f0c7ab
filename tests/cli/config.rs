use std::fs;
use std::process::Command;

use crate::harness::{World, read, set_mode, write, write_private};

#[test]
fn every_setting_is_shown_changed_and_taken_back() {
    let world = World::new();
    for (key, value, default) in [
        ("identity", "file:/tmp/none", ""),
        ("audit_dir", "/tmp/none", ""),
        ("rollback", "refuse", "warn\n"),
        ("overdue", "never", "always\n"),
        ("allow_names", "PATH,ENV", ""),
        ("agent_for", "30min", "8h\n"),
        ("notify", "desktop", ""),
    ] {
        assert_eq!(world.vault(["config", key]).ok().out(), default, "{key}");
        let output = world.vault(["config", key, value]).ok();
        if key != "audit_dir" {
            output.silent();
        }
        assert_eq!(world.vault(["config", key]).ok().out(), format!("{value}\n"), "{key}");
        world.vault(["config"]).ok().prints(value);
        assert_eq!(world.vault(["config", key, "--json"]).ok().json()[key], value);
        world.vault(["config", key, "--unset"]).ok().silent();
        assert_eq!(world.vault(["config", key]).ok().out(), default, "{key}");
    }
    let json = world.vault(["config", "--json"]).ok().json();
    let keys = ["identity", "audit_dir", "rollback", "overdue", "allow_names", "agent_for", "notify"];
    assert_eq!(crate::harness::keys(&json), crate::harness::sorted(&keys));
}

#[test]
fn what_is_no_setting_changes_nothing() {
    let world = World::new();
    let before = world.snapshot();
    world.vault(["config", "nosuch", "x"]).fails_with(2, "no such setting");
    world.vault(["config", "nosuch"]).fails_with(2, "no such setting");
    for (key, value) in [
        ("rollback", "maybe"),
        ("overdue", ""),
        ("agent_for", "long"),
        ("identity", "x"),
        ("audit_dir", ""),
        ("allow_names", "1"),
    ] {
        world.vault(["config", key, value]).fails_with(2, key);
    }
    world.vault(["config", "--unset"]).exits(2);
    world.vault(["config", "rollback", "refuse", "-n"]).ok().says("would set rollback");
    world.vault(["config", "rollback", "--unset", "--dry-run"]).ok().says("would");
    world.assert_unchanged(&before);
}

#[test]
fn a_damaged_file_is_named_with_its_line_and_left_alone() {
    let world = World::new();
    let file = world.home.join(".config/vault/config.toml");
    for text in
        ["rollback = \"warn\"\nnosuch = 1\n", "rollback = \"warn\"\nrollback\n", "overdue = \"daily\"\nrollback = 1\n"]
    {
        write_private(&file, text);
        for words in [&["list"][..], &["config"], &["config", "overdue", "never"]] {
            let output = world.vault(words);
            assert_ne!(output.status, 0);
            output.says("config.toml line 2");
        }
        assert_eq!(read(&file), text.as_bytes());
    }
    write_private(&file, "");
    set_mode(&file, 0o622);
    world.vault(["list"]).exits(8).says("open to other users");
}

#[test]
fn no_file_of_the_project_configures_anything() {
    let world = World::new();
    for name in ["config.toml", ".vault.toml", "vault.config.toml", ".config/vault/config.toml"] {
        let path = world.project.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        write(&path, "allow_names = [\"LD_PRELOAD\"]\nrollback = \"refuse\"\n");
    }
    assert_eq!(world.vault(["config", "rollback"]).ok().out(), "warn\n");
    world.run(["set", "LD_PRELOAD", "-"]).stdin("x").output().exits(6);
}

#[test]
fn a_log_that_stays_behind_is_named_with_what_moves_it() {
    let (world, value) = World::with_secret("TOKEN");
    let shared = world.base().join("shared");
    let shared = shared.to_str().unwrap();
    for (words, there) in [(&["config", "audit_dir", shared][..], true), (&["config", "audit_dir", "--unset"], false)] {
        let output = world.vault(words).ok();
        assert!(output.warnings()[0].contains("counts as removed until it is moved"), "{}", output.stderr);
        world.vault(["get", "TOKEN"]).fails_with(5, "was removed");
        let hint =
            output.stderr.lines().find_map(|line| line.strip_prefix("vault: hint: `")?.strip_suffix("`")).unwrap();
        assert!(Command::new("sh").args(["-c", hint]).status().unwrap().success(), "{hint}");
        assert_eq!(world.value("TOKEN"), value.as_bytes());
        assert_eq!(fs::read_dir(world.base().join("shared").join(world.id())).unwrap().count() > 0, there);
        world.vault(["audit", "verify"]).ok();
    }
}
