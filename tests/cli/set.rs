use crate::harness::{World, write, write_private};

#[test]
fn one_final_newline_is_dropped_and_said_so() {
    let world = World::new();
    for (input, flags, stored, said) in [
        ("v\n", &[][..], "v", true),
        ("v\r\n", &[], "v", true),
        ("v\n\n", &[], "v\n", true),
        ("v", &[], "v", false),
        ("a\nb", &[], "a\nb", false),
        ("v\n", &["--raw"], "v\n", false),
    ] {
        let output = world.run([&["set", "K", "-"][..], flags].concat()).stdin(input).output().ok();
        assert_eq!(output.stderr.contains("dropped the final newline"), said, "{input:?} {flags:?}");
        assert_eq!(world.value("K"), stored.as_bytes(), "{input:?} {flags:?}");
    }
}

#[test]
fn a_file_keeps_every_byte() {
    let world = World::new();
    let file = world.home.join("private/value");
    write_private(&file, b"\xff\n\n");
    world.vault(["set", "K", "--from-file", file.to_str().unwrap()]).ok().says_not("newline");
    assert_eq!(world.value("K"), b"\xff\n\n");
    world.vault(["set", "K", "--from-file", "/nowhere"]).fails_with(8, "does not exist");
}

#[test]
fn generated_values_have_their_length() {
    let world = World::new();
    for (flag, length) in [("--generate", 32), ("--generate=16", 16), ("--generate=4096", 4096)] {
        world.vault(["set", "K", flag]).ok();
        assert_eq!(world.value("K").len(), length);
    }
    for flag in ["--generate=15", "--generate=4097", "--generate=x", "--generate="] {
        world.vault(["set", "K", flag]).fails_with(2, "--generate");
    }
}

#[test]
fn an_empty_value_must_be_meant() {
    let world = World::new();
    let before = world.snapshot();
    world.run(["set", "K", "-"]).output().fails(2, "the value is empty", "--allow-empty");
    world.run(["set", "K", "-"]).stdin("\n").output().fails(2, "the value is empty", "--allow-empty");
    world.assert_unchanged(&before);
    world.run(["set", "K", "-", "--allow-empty"]).output().ok();
    assert_eq!(world.value("K"), b"");
}

#[test]
fn a_value_has_a_bound() {
    let world = World::new();
    world.set("K", vec![b'x'; 1 << 20]);
    let before = world.snapshot();
    let large = vec![b'x'; (1 << 20) + 1];
    world.run(["set", "K", "-"]).stdin(&large).output().fails_with(2, "at most 1 MiB");
    let file = world.project.join("large");
    write(&file, &large);
    let output = world.vault(["set", "K", "--from-file", "large"]);
    output.fails_with(2, "at most 1 MiB");
    std::fs::remove_file(file).unwrap();
    world.assert_unchanged(&before);
}

#[test]
fn without_a_terminal_it_says_how_to_give_the_value() {
    let world = World::new();
    world.vault(["set", "K"]).fails(2, "no value", "with `-` behind the name");
    world.vault(["set", "K", "--no-input"]).fails(2, "no value", "with `-` behind the name");
    // Metadata of something that is not there is no reason to make it.
    world.vault(["set", "K", "--note", "x"]).fails(2, "no value", "with `-` behind the name");
}

#[test]
fn equal_values_are_no_new_version() {
    let (world, value) = World::with_secret("K");
    let before = world.bytes();
    world.run(["set", "K", "-"]).stdin(&value).output().ok().says("nothing changed");
    assert_eq!(world.bytes(), before);
}

#[test]
fn metadata_changes_alone_and_never_move_the_clock() {
    let (world, value) = World::with_secret("K");
    let show = || world.vault(["show", "K", "--json"]).ok().json();
    let before = show();
    world
        .vault([
            "set",
            "K",
            "--rotate-every",
            "90d",
            "--owner",
            "alice",
            "--note",
            "n",
            "--basis",
            "b",
            "--keep",
            "7",
            "--group",
            "g",
            "--permission",
            "read",
            "--permission",
            "write",
            "--host",
            "h",
            "--command",
            "c",
            "--method",
            "GET",
            "--path",
            "/p",
            "--rate",
            "1/s",
            "--grace",
            "1d",
            "--warn-at",
            "3d,14d",
            "--on-overdue",
            "refuse",
            "--provider",
            "stripe",
        ])
        .ok()
        .says("changed the metadata");
    let after = show();
    assert_eq!((&after["version"], &after["set_at"]), (&before["version"], &before["set_at"]));
    assert_eq!(after["rotate_every"], "90d");
    assert_eq!(after["keep"], 7);
    assert_eq!(after["provider"], "stripe");
    assert_eq!(after["scope"]["permissions"], serde_json::json!(["read", "write"]));
    assert!(world.text().contains("warn_at = [\"14d\", \"3d\"]") && world.text().contains("on_overdue = \"refuse\""));
    world.vault(["set", "K", "--note", "", "--host", "", "--provider", ""]).ok();
    let cleared = show();
    assert!(cleared["note"].is_null() && cleared["provider"].is_null());
    assert_eq!(cleared["scope"]["commands"], serde_json::json!(["c"]));
    world.vault(["set", "K", "--no-rotation"]).ok();
    assert_eq!(show()["rotate_every"], "never");
    world.vault(["set", "K", "--no-rotation"]).ok().says("nothing changed");
    assert_eq!(world.value("K"), value.as_bytes());
}

#[test]
fn an_empty_text_takes_a_field_out() {
    let world = World::new();
    world.set_with("K", "v", &["--rotate-every", "90d", "--expires", "2020-01-02", "--keep", "7", "--grace", "1d"]);
    world.vault(["set", "K", "--warn-at", "14d,3d", "--on-overdue", "refuse"]).ok();
    let show = || world.vault(["show", "K", "--json"]).ok().json();
    assert_eq!(show()["state"], "expired");
    world.vault(["set", "K", "--expires", ""]).ok().says("changed the metadata");
    assert_eq!((&show()["state"], &show()["rotate_every"]), (&"fresh".into(), &"90d".into()));
    world.vault(["set", "K", "--rotate-every", "", "--keep", "", "--grace", "", "--warn-at="]).ok();
    assert_eq!((&show()["state"], &show()["keep"]), (&"unmanaged".into(), &3.into()));
    world.vault(["set", "K", "--on-overdue", ""]).ok();
    for field in ["rotate_every", "expires_at", "keep", "grace", "warn_at", "on_overdue"] {
        assert!(!world.text().contains(&format!("{field} = ")), "{field}");
    }
    world.vault(["set", "K", "--expires", ""]).ok().says("nothing changed");
}

#[test]
fn the_providers_date_counts() {
    let world = World::new();
    world.set_with("K", "v", &["--created", "2026-01-02", "--expires", "2027-01-02T03:04:05Z"]);
    let json = world.vault(["show", "K", "--json"]).ok().json();
    assert_eq!(json["set_at"], "2026-01-02T00:00:00Z");
    assert_eq!(json["expires_at"], "2027-01-02T03:04:05Z");
    world.vault(["set", "K", "--created", "2999-01-01"]).fails_with(2, "in the future");
    for (flag, bad, why) in [
        ("--created", "yesterday", "not a date"),
        ("--created", "", "not a date"),
        ("--expires", "2026-02-30", "not a date"),
        ("--rotate-every", "soon", "not a duration"),
        ("--rotate-every", "0d", "between 1s and 10000 years"),
        ("--keep", "101", "it is a number from 0 to 100"),
        ("--keep", "-1", "it is a number from 0 to 100"),
        ("--on-overdue", "panic", "it is one of warn, refuse"),
        ("--provider", "nosuch", "no such provider"),
    ] {
        let before = world.snapshot();
        world.vault(["set", "K", flag, bad]).fails_with(2, why);
        world.assert_unchanged(&before);
    }
    world.vault(["set", "K", "--generate=5"]).fails_with(2, "--generate[=<LEN>]: it is a number from 16 to 4096");
    world.vault(["set", "K", "--generate=x"]).fails_with(2, "--generate[=<LEN>]: it is a whole number");
    world.vault(["get", "K", "--version", "x"]).fails_with(2, "--version <N>: it is a whole number");
}

#[test]
fn the_provider_is_recognised_by_name_and_value() {
    let world = World::new();
    let value = format!("sk_live_{}", "4eC39HqLyjWDarjtT1zdp7dc");
    world.forbid(&value[8..]);
    world.run(["set", "STRIPE_KEY", "-"]).stdin(&value).output().ok().says("Stripe");
    let json = world.vault(["show", "STRIPE_KEY", "--json"]).ok().json();
    assert_eq!(json["provider"], "stripe");
}

#[test]
fn a_dry_run_changes_nothing() {
    let (world, _) = World::with_secret("K");
    let before = world.snapshot();
    for (words, said) in [
        (&["set", "K", "-", "-n"][..], "would store a new version of K"),
        (&["set", "NEW", "-", "--dry-run"], "would add NEW"),
        (&["set", "K", "--note", "x", "-n"], "would change the metadata of K"),
    ] {
        world.run(words).stdin("other").output().ok().says(said);
    }
    world.assert_unchanged(&before);
    assert!(world.records("alice-laptop").iter().filter(|r| r["action"] == "set").count() == 2);
}

#[test]
fn names_have_a_grammar() {
    let world = World::new();
    for bad in ["", "1A", "A-B", "A B", "A.B", "Ä", &"A".repeat(257)] {
        world.vault(["set", bad, "-"]).exits(2).says("a secret's name is");
    }
    world.set(&"A".repeat(256), "v");
    world.set("_", "v");
    world.set("lower_Case9", "v");
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    let world = World::new();
    for words in [
        &["set", "K", "--from-file", "f", "--generate"][..],
        &["set", "K", "-", "--rotate-every", "1d", "--no-rotation"],
        &["config", "rollback", "warn", "--unset"],
        &["exec", "--only", "A", "--except", "B", "--", "true"],
        &["exec", "--pristine", "--no-override", "--", "true"],
    ] {
        let status = if words[0] == "exec" { 125 } else { 2 };
        world.vault(words).fails_with(status, "exclude each other");
    }
    for (option, values) in [("--from-file", &["-", "--from-file", "f"][..]), ("--generate", &["--generate", "20"])] {
        let words = [&["set", "K"], values].concat();
        world.vault(words).fails_with(2, &format!("with {option}")).says("nothing more goes behind the name");
    }
}

#[test]
fn a_value_as_an_argument_is_refused_before_anything_else() {
    let world = World::bare();
    let before = world.snapshot();
    for words in [&["set", "K", "typed"][..], &["rotate", "K", "typed"], &["git", "resolve", "K", "typed"]] {
        world.vault(words).fails(2, "a value is never an argument", "pipe it into");
    }
    world.assert_unchanged(&before);
}
