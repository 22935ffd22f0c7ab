//! What was typed by mistake is not repeated: it may be a value.

use crate::harness::{World, write};

#[test]
fn a_value_as_argument_is_refused_and_not_echoed() {
    let (world, _) = World::with_secret("K");
    let before = world.snapshot();
    let value = world.secret();
    for words in [
        vec!["set".to_owned(), "K".into(), value.clone()],
        vec!["set".into(), "K".into(), value.clone(), "EXTRA".into()],
        vec!["set".into(), "K".into(), "-".into(), value.clone()],
        vec!["set".into(), "K".into(), "first".into(), value.clone()],
        vec!["set".into(), "K".into(), format!("--value={value}")],
        vec!["set".into(), "K".into(), format!("--{value}")],
        vec!["set".into(), "K".into(), format!("-{value}")],
        vec!["set".into(), format!("--value={value}"), "K".into()],
        vec!["set".into(), format!("K={value}")],
        vec!["set".into(), value.clone()],
        vec!["set".into(), format!("--{value}"), "K".into()],
    ] {
        world.vault(&words).fails(2, "", "vault set NAME -");
    }
    world.assert_unchanged(&before);
}

#[test]
fn no_command_repeats_what_it_does_not_understand() {
    let (world, _) = World::with_secret("K");
    let before = world.snapshot();
    let value = world.secret();
    let option = format!("--{value}");
    let assigned = format!("--token={value}");
    for (status, words) in [
        (2, vec![&value[..]]),
        (2, vec![&option[..]]),
        (2, vec![&assigned[..], "list"]),
        (2, vec!["get", &value]),
        (2, vec!["get", "K", &value]),
        (2, vec!["get", "K", &assigned]),
        (2, vec!["get", "K", "--version", &value]),
        (2, vec!["show", &value]),
        (2, vec!["rm", "K", &value]),
        (2, vec!["list", &value]),
        (2, vec!["list", "-p", &value]),
        (2, vec!["list", "--color", &value]),
        (2, vec!["list", "--lock-timeout", &value]),
        (2, vec!["trust", &value]),
        (2, vec!["which", &assigned]),
        (2, vec!["verify", &value]),
        (2, vec!["doctor", &value]),
        (2, vec!["identity", &value]),
        (2, vec!["identity", "show", &value]),
        (2, vec!["profile", &value]),
        (2, vec!["profile", "add", &value]),
        (2, vec!["profile", "add", "x", "--extends", &value]),
        (2, vec!["audit", &value]),
        (2, vec!["audit", "--since", &value]),
        (2, vec!["audit", "--outcome", &value]),
        (2, vec!["audit", "verify", &value]),
        (2, vec!["config", &value]),
        (2, vec!["config", "rollback", &value]),
        (2, vec!["config", "identity", &value]),
        (2, vec!["config", "agent_for", &value]),
        (2, vec!["init", "--member", &value]),
        (2, vec!["init", &value]),
        (2, vec!["import", "--format", &value]),
        (2, vec!["import", "--created", &value]),
        (2, vec!["set", "K", "-", "--rotate-every", &value]),
        (2, vec!["set", "K", "-", "--expires", &value]),
        (2, vec!["set", "K", "-", "--keep", &value]),
        (2, vec!["set", "K", "-", "--on-overdue", &value]),
        (2, vec!["set", "K", "-", "--provider", &value]),
        (2, vec!["status", &value]),
        (2, vec!["history", &value]),
        (2, vec!["restore", &value, "--version", "1"]),
        (2, vec!["restore", "K", "--version", &value]),
        (2, vec!["mv", "K", &value]),
        (2, vec!["cp", "K", "--to", &value]),
        (2, vec!["expose", &value, "--why", "x"]),
        (2, vec!["export", &value]),
        (2, vec!["export", "--format", &value]),
        (2, vec!["edit", &value]),
        (2, vec!["get", &value, "--copy"]),
        (2, vec!["get", "K", "--copy", "--clear-after", &value]),
        (2, vec!["unlock", &value]),
        (2, vec!["unlock", "--for", &value]),
        (2, vec!["unlock", "--profile", &value]),
        (2, vec!["lock", &value]),
        (2, vec!["identity", "new", &value]),
        (2, vec!["identity", "move", &value]),
        (2, vec!["identity", "rotate", &value]),
        (2, vec!["identity", "seal", &value]),
        (2, vec!["recover", &value]),
        (2, vec!["recovery", "new", &value]),
        (2, vec!["rotate", &value]),
        (2, vec!["rotate", "K", &value]),
        (2, vec!["rotation", "--within", &value]),
        (2, vec!["remind", "--notify", &value]),
        (2, vec!["schedule", "install", &value]),
        (2, vec!["schedule", "run", &value]),
        (2, vec!["completions", &value]),
        (2, vec!["member", "add", &value, "--new-identity"]),
        (2, vec!["member", "approve", &value]),
        (2, vec!["member", "grant", "alice", "--read", &value]),
        (2, vec!["join", "--member", &value]),
        (2, vec!["git", "repair", &value]),
        (2, vec!["git", "resolve", "K", &value]),
        (3, vec!["git", "resolve", &value, "--ours"]),
        (2, vec!["audit", "stats", "--member", &value]),
        (2, vec!["audit", "export", "--format", &value]),
        (125, vec!["exec", &option]),
        (125, vec!["exec", &option, "--", "true"]),
        (125, vec!["exec", "--only", &value, "--", "true"]),
        (125, vec!["exec", "--as", &value, "--", "true"]),
        (125, vec!["exec", "--file", &assigned[8..], "--", "true"]),
        (125, vec!["exec", &assigned, "--", "true"]),
    ] {
        world.vault(&words).fails_with(status, "");
    }
    // At a prompt what was typed is the shell's, and nothing is said about it.
    world.vault(["complete", "bash", "--", "vault", "get", &value]).ok().silent();
    world.assert_unchanged(&before);
}

#[test]
fn a_dotenv_line_is_named_by_number_and_never_shown() {
    let world = World::new();
    let line = world.secret();
    // Lines of a key that a broken quote left behind are well-formed names as well.
    let word: String = line.chars().filter(char::is_ascii_alphanumeric).collect();
    for text in [
        format!("{line}\n"),
        format!("{word}\n"),
        format!("A=1\n{word}\nB=\"{line}\n"),
        format!("{line}=x\n"),
        format!("A=\"x\" {line}\n"),
        format!("A='{line}\n"),
        format!("export {line}\n"),
        format!("=\"{line}\"\n"),
        format!("\u{feff}{line} = 1\n"),
    ] {
        write(&world.project.join(".env"), &text);
        let before = world.snapshot();
        world.vault(["import", "-n"]).exits(1).says("line ");
        world.assert_unchanged(&before);
    }
}

#[test]
fn a_json_document_is_never_shown() {
    let world = World::new();
    let value = world.secret();
    for text in [
        format!("{{\"{value}\": \"x\"}}"),
        format!("{{\"A\": [\"{value}\"]}}"),
        format!("{{\"A\": \"{value}\""),
        format!("[\"{value}\"]"),
        format!("\"{value}\""),
        value.clone(),
        format!("{{\"A\": {{\"{value}\": null}}, \"B\": null}}"),
    ] {
        write(&world.project.join("in.json"), &text);
        let output = world.vault(["import", "in.json", "-n"]);
        assert!(matches!(output.status, 1 | 2), "{}", output.stderr);
    }
}

#[test]
fn damaged_files_are_never_quoted() {
    let (world, _) = World::with_secret("K");
    let value = world.secret();
    // What somebody pasted into the wrong file is not shown, in the vault, the identity or the configuration.
    let good = world.text();
    let run = |words: &[&str]| world.run(words).env("VLT_CONFIG_DIR", world.home.join("private")).output();
    let private = world.home.join("private");
    std::fs::create_dir(&private).unwrap();
    for text in [
        format!("{value}\n"),
        format!("identity = \"{value}\"\n"),
        format!("{value} = 1\n"),
        format!("rollback = \"{value}\"\n"),
    ] {
        crate::harness::write_private(&private.join("config.toml"), &text);
        let output = run(&["list"]);
        assert_ne!(output.status, 0);
        assert!(output.error().contains("line 1"), "{}", output.stderr);
    }
    std::fs::remove_file(private.join("config.toml")).unwrap();
    for text in [format!("{value}\n"), format!("# ok\nAGE-SECRET-KEY-1{value}\n")] {
        crate::harness::write_private(&private.join("identity"), &text);
        run(&["get", "K"]).fails_with(4, "line ");
    }
    // Outside the checks for bytes at rest, which these files are there to fail.
    let elsewhere = world.home.join("private/vault.toml");
    for text in
        [value.clone(), good.replace("version = 1", &format!("version = \"{value}\"")), format!("{good}{value}\n")]
    {
        write(&elsewhere, &text);
        let output =
            world.run(["--vault", elsewhere.to_str().unwrap(), "list"]).env("VLT_VAULT_ID", world.id()).output();
        output.exits(5);
    }
}

#[test]
fn nothing_that_is_read_moves_the_cursor() {
    let world = World::new();
    for bad in ["\u{1b}[2J", "\u{202e}", "a\nb", "\u{7}"] {
        world.run(["set", "K", "-", "--note", bad]).stdin("v").output().fails_with(2, "--note");
    }
    // A path is the one text in an error that others choose.
    let odd = world.project.join("a\u{1b}[31mb");
    std::fs::create_dir(&odd).unwrap();
    write(&odd.join("vault.toml"), "x");
    world.run(["list"]).within(&odd).output().fails_with(5, "not a vault file");
    world.run(["list", "--vault", "\u{1b}]0;x\u{7}.toml"]).output().fails_with(3, "\\u{1b}]0;x\\u{7}.toml");
}

#[test]
fn no_identity_is_ever_printed() {
    let (world, _) = World::with_secret("K");
    for words in [
        &["identity", "show"][..],
        &["identity", "show", "--open"],
        &["identity", "where"],
        &["identity", "show", "--json"],
        &["doctor"],
        &["verify"],
        &["audit"],
        &["config"],
    ] {
        // The harness knows the identity of this world.
        world.vault(words);
    }
}
