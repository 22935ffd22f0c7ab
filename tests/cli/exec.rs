use std::fs;

use crate::harness::{World, set_mode, write, write_private};

/// What a command finds in one variable.
fn seen(world: &World, flags: &[&str], variable: &str) -> Vec<u8> {
    let words = [&["exec"], flags, &["--", "printenv", "-0", variable]].concat();
    let mut bytes = world.run(words).shows_values().output().stdout;
    bytes.pop();
    bytes
}

/// The names of the variables a command finds, without those a bare run has.
fn names(world: &World, flags: &[&str]) -> Vec<String> {
    let words = [&["exec"], flags, &["--", "/usr/bin/env", "-0"]].concat();
    let output = world.run(words).shows_values().output().ok();
    let text = output.out();
    let mut names: Vec<String> = text
        .split('\0')
        .filter_map(|entry| entry.split_once('='))
        .map(|(name, _)| name.to_owned())
        .filter(|name| !["PATH", "HOME", "TZ", "USER"].contains(&name.as_str()))
        .collect();
    names.sort();
    names
}

#[test]
fn the_status_is_that_of_the_command() {
    let (world, _) = World::with_secret("K");
    for status in [0, 1, 7, 125, 126, 127, 255] {
        world.vault(["exec", "--", "sh", "-c", &format!("exit {status}")]).exits(status);
    }
    world.vault(["exec", "sh", "-c", "exit 3"]).exits(3);
    world.vault(["exec", "--", "sh", "-c", "kill -TERM $$"]).exits(128 + 15);
    world.vault(["exec", "--", "sh", "-c", "kill -KILL $$"]).exits(128 + 9);
}

#[test]
fn what_cannot_be_run_is_126_or_127_and_the_rest_125() {
    let (world, _) = World::with_secret("K");
    world.vault(["exec", "--", "nosuch"]).fails(127, "command not found: nosuch", "");
    world.vault(["exec", "--", "./nosuch"]).fails(127, "command not found: ./nosuch", "");
    let file = world.project.join("plain");
    write(&file, "#!/bin/sh\n");
    world.vault(["exec", "--", "./plain"]).fails(126, "not executable: ./plain", "");
    world.vault(["exec", "--", "/"]).fails_with(126, "not executable: /");
    write(&file, "#!/nowhere\n");
    set_mode(&file, 0o755);
    world.vault(["exec", "--", "./plain"]).fails_with(127, "interpreter not found");
    world.vault(["exec"]).fails_with(125, "<COMMAND>... is missing");
    world.vault(["exec", "--lock-timeout", "x", "--", "true"]).fails_with(125, "duration");
    world.vault(["exec", "-p", "nosuch", "--", "true"]).fails(125, "no profile nosuch", "there are: default");
    let empty = World::bare();
    empty.vault(["exec", "--", "true"]).fails(125, "no vault.toml found", "vault init");
}

#[test]
fn without_a_selection_every_secret_is_there() {
    let world = World::new();
    for name in ["A", "B", "C"] {
        world.set(name, format!("value of {name}"));
    }
    assert_eq!(names(&world, &[]), ["A", "B", "C"]);
    assert_eq!(seen(&world, &[], "B"), b"value of B");
    assert_eq!(names(&world, &["--only", "A,C"]), ["A", "C"]);
    assert_eq!(names(&world, &["--only", "A", "--only", "C"]), ["A", "C"]);
    assert_eq!(names(&world, &["--except", "A,C"]), ["B"]);
    assert_eq!(names(&world, &["--as", "X=A"]), ["X"]);
    assert_eq!(names(&world, &["--as", "X=A", "--only", "B"]), ["B", "X"]);
    assert_eq!(names(&world, &["--as", "X=A", "--except", "A"]), ["B", "C", "X"]);
    assert_eq!(seen(&world, &["--as", "A=B", "--only", "A"], "A"), b"value of B", "the more explicit wins");
    for flags in [
        &["--only", "NOSUCH"][..],
        &["--except", "NOSUCH"],
        &["--as", "X=NOSUCH"],
        &["--file", "X=NOSUCH"],
        &["--require", "NOSUCH"],
    ] {
        let words = [&["exec"], flags, &["--", "true"]].concat();
        world.vault(words).fails(125, "no secret NOSUCH in profile default", "vault list");
    }
    assert_eq!(names(&world, &["--require", "A"]), ["A", "B", "C"]);
    world.vault(["exec", "--as", "X", "--", "true"]).fails_with(125, "VARIABLE=SECRET");
    world.vault(["exec", "--as", "X=A@old", "--", "true"]).fails_with(125, "only `previous` is known");
}

#[test]
fn the_value_before_can_be_asked_for() {
    let world = World::new();
    world.set("K", "old");
    world.vault(["exec", "--as", "OLD=K@previous", "--", "true"]).fails_with(125, "K has no earlier value");
    world.set("K", "new");
    assert_eq!(seen(&world, &["--as", "OLD=K@previous"], "OLD"), b"old");
    assert_eq!(seen(&world, &["--as", "NOW=K"], "NOW"), b"new");
}

#[test]
fn a_file_holds_the_value_and_cannot_be_changed() {
    let world = World::new();
    let value = [b"-----BEGIN\n".to_vec(), vec![0xff; 300_000]].concat();
    world.set("CERT", &value);
    let output =
        world.run(["exec", "--file", "F=CERT", "--", "sh", "-c", "cat \"$F\"; test -z \"$CERT\""]).output().ok();
    assert_eq!(output.stdout, value);
    world.run(["exec", "--file", "F=CERT", "--", "sh", "-c", "echo x > \"$F\""]).foreign_stderr().output().exits(2);
}

#[test]
fn values_are_bytes() {
    let world = World::new();
    let long = vec![b'x'; 127 * 1024];
    let values: [&[u8]; 6] = [b"a\nb\n\n", b"", b"\xff\xfe\x80", b" = =", b"$HOME `id`", &long];
    for value in values {
        world.set_with("K", value, &["--allow-empty"]);
        assert_eq!(seen(&world, &[], "K"), value);
    }
}

#[test]
fn what_an_environment_cannot_carry_is_refused_before_the_start() {
    let world = World::new();
    let marker = world.project.join("started");
    for (value, error) in [(b"a\0b".to_vec(), "BAD holds a NUL byte"), (vec![b'x'; 128 * 1024], "BAD is too long")] {
        world.set("BAD", &value);
        let touch = ["--", "touch", marker.to_str().unwrap()];
        world.vault([&["exec"][..], &touch].concat()).fails(125, error, "--file VARIABLE=SECRET");
        assert!(!marker.exists());
        let output = world.run(["exec", "--file", "F=BAD", "--", "sh", "-c", "cat \"$F\""]).output().ok();
        assert_eq!(output.stdout, value);
        let records = world.records("alice-laptop");
        assert!(
            records.iter().any(|r| r["action"] == "exec" && r["outcome"] == "failed" && r["reason"] == "not-started")
        );
    }
    let (world, _) = World::with_secret("K");
    for n in 0..20 {
        world.set(&format!("BIG{n:02}"), vec![b'x'; 120_000]);
    }
    let output = world.vault(["exec", "--", "true"]);
    output.fails_with(125, "the longest secret is BIG");
}

#[test]
fn the_environment_of_the_caller_stays_or_goes() {
    let (world, value) = World::with_secret("K");
    let run = |flags: &[&str]| {
        let words = [&["exec"], flags, &["--", "/usr/bin/env"]].concat();
        world.run(words).env("K", "mine").env("OTHER", "x").shows_values().output().ok().out()
    };
    assert!(run(&[]).contains(&format!("K={value}\n")) && run(&[]).contains("OTHER=x\n"));
    assert!(run(&["--no-override"]).contains("K=mine\n"));
    assert_eq!(run(&["--pristine"]), format!("K={value}\n"));
}

#[test]
fn names_that_change_how_programs_run_need_a_flag_or_the_configuration() {
    let (world, value) = World::with_secret("K");
    for name in ["LD_PRELOAD", "PATH", "VLT_X", "BASH_ENV"] {
        world.run(["set", name, "-"]).stdin("/x").output().fails(
            6,
            "changes how programs load or run",
            &format!("--allow-name {name}"),
        );
        for flag in ["--as", "--file"] {
            let output = world.vault(["exec", flag, &format!("{name}=K"), "--", "true"]);
            output.fails(125, "changes how programs load or run", &format!("--allow-name {name}"));
        }
    }
    let dangerous = "NODE_OPTIONS";
    world.set_with(dangerous, "--x", &["--allow-name", dangerous]);
    world.vault(["exec", "--", "true"]).fails(125, dangerous, "--allow-name");
    world.vault(["exec", "--only", "K", "--", "true"]).ok();
    assert_eq!(seen(&world, &["--allow-name", dangerous], dangerous), b"--x");
    // No name of ours that carries credentials, whoever allows it.
    for name in ["VLT_IDENTITY", "VLT_PASSPHRASE_FILE"] {
        world.run(["set", name, "-", "--allow-name", name]).stdin("x").output().fails(6, name, "`vault`'s own");
        world.vault(["exec", "--as", &format!("{name}=K"), "--allow-name", name, "--", "true"]).exits(125);
    }
    world.vault(["config", "allow_names", dangerous]).ok();
    assert_eq!(seen(&world, &[], dangerous), b"--x");
    assert_eq!(seen(&world, &[], "K"), value.as_bytes());
    let records = world.records("alice-laptop");
    let overrides = |action: &str| {
        records
            .iter()
            .filter(|r| r["action"] == action && r["overrides"][0] == format!("allow-name:{dangerous}"))
            .count()
    };
    assert_eq!(overrides("exec"), 3);
    assert_eq!(overrides("set"), 2, "the intent and how it ended");
    let refused = records.iter().filter(|r| r["outcome"] == "refused" && r["reason"] == "dangerous-name");
    assert_eq!(refused.count(), 4 * 3 + 1 + 4);
}

#[test]
fn a_scope_of_programs_is_a_guard() {
    let (world, _) = World::with_secret("K");
    world.set_with("PY", "v", &["--command", "python3", "--command", "printenv"]);
    let output = world.vault(["exec", "--", "sh", "-c", "test -n \"$K\" && test -z \"$PY\""]).ok();
    assert_eq!(output.warnings(), ["left out, because their scope names other programs: PY"]);
    assert_eq!(seen(&world, &[], "PY"), b"v");
    for flags in [&["--only", "PY"][..], &["--as", "X=PY"], &["--file", "X=PY"], &["--require", "PY"]] {
        let words = [&["exec"], flags, &["--", "sh", "-c", "exit 0"]].concat();
        let output = world.vault(words);
        output.fails(125, "PY is not for sh: its scope names other programs", "vault show PY");
    }
    world.vault(["exec", "--except", "PY", "--", "true"]).ok().silent();
    let refused = world.records("alice-laptop").into_iter().filter(|r| r["reason"] == "out-of-scope").count();
    assert_eq!(refused, 4);
}

#[test]
fn a_child_profile_wins_over_its_parents() {
    let world = World::new();
    world.vault(["profile", "add", "base"]).ok();
    world.vault(["profile", "add", "dev", "--extends", "base,default"]).ok();
    for (profile, name) in
        [("default", "A"), ("default", "B"), ("default", "C"), ("base", "A"), ("base", "B"), ("dev", "A")]
    {
        world.run(["-p", profile, "set", name, "-"]).stdin(format!("{profile}/{name}")).output().ok();
    }
    for (name, value) in [("A", "dev/A"), ("B", "base/B"), ("C", "default/C")] {
        assert_eq!(seen(&world, &["-p", "dev"], name), value.as_bytes());
    }
    assert_eq!(names(&world, &["-p", "base"]), ["A", "B", "VLT_PROFILE"]);
}

#[test]
fn credentials_stay_here_and_the_choice_of_vault_goes_along() {
    let (world, _) = World::with_secret("K");
    let identity = world.home.join("private/identity");
    write_private(&identity, crate::harness::read(&world.identity_file()));
    let passphrase = world.home.join("private/passphrase");
    write_private(&passphrase, "x\n");
    let output = world
        .run(["exec", "--only", "K", "--", "/usr/bin/env"])
        .env("VLT_IDENTITY_FILE", &identity)
        .env("VLT_IDENTITY", String::from_utf8(crate::harness::read(&identity)).unwrap())
        .env("VLT_PASSPHRASE_FILE", &passphrase)
        .env("VLT_PASSPHRASE_FD", "9")
        .env("VLT_PROFILE", "default")
        .env("VLT_STATE_DIR", world.state())
        .shows_values()
        .output()
        .ok()
        .out();
    assert!(!output.contains("VLT_IDENTITY") && !output.contains("VLT_PASSPHRASE"), "{output}");
    assert!(output.contains("VLT_PROFILE=default") && output.contains("VLT_STATE_DIR="), "{output}");
    let secret = String::from_utf8(crate::harness::read(&identity)).unwrap();
    let key = secret.lines().last().unwrap();
    assert!(!output.contains(key));
}

#[test]
fn nested_calls_use_the_same_vault_and_profile() {
    let world = World::new();
    world.vault(["profile", "add", "prod"]).ok();
    world.run(["-p", "prod", "set", "K", "-"]).stdin("inner").output().ok();
    let program = crate::harness::program();
    let program = program.to_str().unwrap();
    let output = world
        .vault(["--vault", "vault.toml", "-p", "prod", "exec", "--", "sh", "-c", "cd / && exec \"$0\" get K", program])
        .ok();
    assert_eq!(output.out(), "inner");
    let shown =
        world.vault(["--vault", "vault.toml", "-p", "prod", "exec", "--pristine", "--", "/usr/bin/env"]).ok().out();
    assert!(
        shown.contains(&format!("VLT_FILE={}\n", world.vault_file().display())) && shown.contains("VLT_PROFILE=prod\n")
    );
    let output = world.vault(["-p", "prod", "exec", "--", program, "exec", "--", "printenv", "K"]).ok();
    assert_eq!(output.out(), "inner\n");
}

#[test]
fn overdue_secrets_are_told_in_one_line() {
    let world = World::new();
    let ago = |days: i64| {
        (chrono::DateTime::from_timestamp(
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64
                - days * 86_400
                - 60,
            0,
        )
        .unwrap())
        .format("%Y-%m-%dT%H:%M:%SZ")
        .to_string()
    };
    let overdue =
        |name: &str, days: i64| world.set_with(name, "v", &["--rotate-every", "30d", "--created", &ago(30 + days)]);
    world.set_with("FRESH", "v", &["--rotate-every", "30d"]);
    world.vault(["exec", "--", "true"]).ok().silent();
    overdue("OPENAI_API_KEY", 3);
    let one = world.vault(["exec", "--", "true"]).ok();
    assert_eq!(
        one.stderr,
        "vault: warning: 1 key overdue for rotation: OPENAI_API_KEY (3 days); see `vault rotation`\n"
    );
    overdue("STRIPE_KEY", 12);
    let two = "vault: warning: 2 keys overdue for rotation: STRIPE_KEY (12 days), OPENAI_API_KEY (3 days); see `vault rotation`\n";
    assert_eq!(world.vault(["exec", "--", "true"]).ok().stderr, two);
    overdue("A", 1);
    overdue("B", 0);
    let four = world.vault(["exec", "--", "true"]).ok();
    assert_eq!(
        four.warnings(),
        [
            "4 keys overdue for rotation: STRIPE_KEY (12 days), OPENAI_API_KEY (3 days), A (1 day) and 1 more; see `vault rotation`"
        ]
    );
    world.vault(["exec", "--only", "FRESH", "--", "true"]).ok().silent();
    world.vault(["exec", "-q", "--", "true"]).ok().silent();
    world.vault(["config", "overdue", "never"]).ok();
    world.vault(["exec", "--", "true"]).ok().silent();
    world.vault(["config", "overdue", "daily"]).ok();
    assert_eq!(world.vault(["exec", "--", "true"]).ok().warnings().len(), 1);
    world.vault(["exec", "--", "true"]).ok().silent();
}

#[test]
fn a_policy_that_refuses_overdue_values_is_obeyed() {
    let world = World::new();
    world.set_with("K", "v", &["--rotate-every", "30d", "--created", "2020-01-01", "--on-overdue", "refuse"]);
    world.vault(["exec", "--", "true"]).exits(125);
}

#[test]
fn an_empty_profile_runs_the_command_without_an_identity() {
    let world = World::new();
    fs::remove_file(world.identity_file()).unwrap();
    world.vault(["exec", "--", "sh", "-c", "echo ran"]).ok().prints("ran");
}

#[test]
fn arguments_and_input_reach_the_command_as_they_are() {
    let (world, _) = World::with_secret("K");
    let output = world.vault(["exec", "--", "printf", "[%s]", "--help", "-n", "", "a b", "--"]).ok();
    assert_eq!(output.out(), "[--help][-n][][a b][--]");
    let output = world.run(["exec", "--", "cat"]).stdin("input").output().ok();
    assert_eq!(output.out(), "input");
}
