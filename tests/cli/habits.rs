//! What people expect of every command: `--json`, other names, what was meant by a
//! mistyped one, no colour where none is wanted, narrow terminals.

use crate::harness::World;
use crate::terminal::Terminal;

/// Commands that report nothing a script could want: they change, run, or print text
/// that has a form already.
const REPORTS_NOTHING: &[&str] = &[
    "init",
    "trust",
    "set",
    "rm",
    "mv",
    "cp",
    "exec",
    "edit",
    "import",
    "join",
    "member approve",
    "member add",
    "member grant",
    "member revoke",
    "rotate",
    "remind",
    "schedule install",
    "schedule uninstall",
    "schedule run",
    "expose",
    "restore",
    "profile add",
    "profile set",
    "profile rm",
    "profile rekey",
    "recover",
    "recovery new",
    "git install",
    "git merge",
    "git resolve",
    "git repair",
    "git diff",
    "completions",
    "man",
    "unlock",
    "lock",
    "audit begin",
    "identity new",
    "identity move",
    "identity rotate",
    "identity seal",
    "audit checkpoint",
];

pub(crate) fn help(world: &World, command: &str) -> String {
    let words: Vec<&str> = std::iter::once("help").chain(command.split_whitespace()).collect();
    world.vault(&words).ok().out()
}

/// Every command by its help, those with commands below it left out unless they do
/// something by themselves.
pub(crate) fn commands(world: &World, above: &str) -> Vec<String> {
    let text = help(world, above);
    let Some((usage, list)) = text.split_once("\nCommands:\n") else { return vec![above.to_owned()] };
    let mut found = Vec::new();
    if !above.is_empty() && usage.lines().any(|line| line.contains("Usage:") && !line.contains("<COMMAND>")) {
        found.push(above.to_owned());
    }
    for line in list.lines().take_while(|line| line.starts_with("  ")) {
        let name = line.split_whitespace().next().unwrap_or("help");
        if !line.starts_with("   ") && name != "help" {
            found.extend(commands(world, format!("{above} {name}").trim()));
        }
    }
    found
}

#[test]
fn whatever_reports_has_json() {
    let (world, _) = World::with_secret("A");
    for command in commands(&world, "").iter().filter(|command| !REPORTS_NOTHING.contains(&command.as_str())) {
        let text = help(&world, command);
        assert!(text.contains("--json") || text.contains("--format"), "{command} has no --json");
    }
    for words in [
        &["status"][..],
        &["list"],
        &["show", "A"],
        &["history", "A"],
        &["which"],
        &["identity", "show"],
        &["identity", "where"],
        &["member", "list"],
        &["member", "log"],
        &["profile", "list"],
        &["rotation"],
        &["audit"],
        &["audit", "stats"],
        &["audit", "verify"],
        &["verify"],
        &["doctor"],
        &["config"],
    ] {
        let output = world.run(words.iter().chain(&["--json"])).output().exits(0);
        let json = output.json();
        assert!(json.is_object() || json.is_array(), "{words:?}");
        assert!(!output.out().contains('\u{1b}'), "{words:?}");
    }
}

#[test]
fn other_names_are_the_same_commands() {
    let world = World::bare();
    for (name, alias) in [("list", "ls"), ("rm", "remove"), ("mv", "move"), ("cp", "copy")] {
        assert_eq!(help(&world, name), help(&world, alias));
    }
}

#[test]
fn a_mistyped_command_is_told_with_what_was_meant() {
    let world = World::bare();
    for (typed, meant) in [
        ("lst", "list"),
        ("exce", "exec"),
        ("rotat", "rotate"),
        ("verfy", "verify"),
        ("stauts", "status"),
        ("edti", "edit"),
        // As other tools call it.
        ("delete", "rm"),
        ("run", "exec"),
        ("add", "set"),
        ("new", "init"),
    ] {
        world.vault([typed]).fails(2, "no such command", &format!("did you mean `{meant}`?"));
    }
    world.vault(["profile", "lits"]).fails(2, "no such command", "did you mean `list`?");
    world.vault(["zzzz"]).fails(2, "no such command", "`vault help` lists the commands");
    let missing = "<NAME>, --new-identity or --recipient <RECIPIENT> are missing";
    world.vault(["member", "add"]).fails(2, missing, "`vault help member add` says what it takes");
    world.vault(["member", "add", "ci"]).fails(2, "--new-identity or --recipient <RECIPIENT> is missing", "vault help");
    world.vault(["expose", "A"]).fails(2, "--why <TEXT> or --acknowledge is missing", "vault help expose");
}

#[test]
fn colour_is_for_terminals_that_want_it() {
    let (world, _) = World::with_secret("A");
    let shown = |run: crate::harness::Run<'_>| Terminal::spawn(run.command()).ends(0);
    assert!(shown(world.run(["list"])).contains("\u{1b}["));
    assert!(!shown(world.run(["list"]).env("NO_COLOR", "1")).contains('\u{1b}'));
    assert!(!shown(world.run(["list"]).env("TERM", "dumb")).contains('\u{1b}'));
    assert!(!shown(world.run(["list", "--color", "never"])).contains('\u{1b}'));
    assert!(shown(world.run(["list", "--color", "always"]).env("NO_COLOR", "1")).contains("\u{1b}["));
    // An empty one counts as unset (no-color.org).
    assert!(shown(world.run(["list"]).env("NO_COLOR", "")).contains("\u{1b}["));
    assert!(!world.vault(["list"]).ok().out().contains('\u{1b}'));
    assert!(world.vault(["list", "--color", "always"]).ok().out().contains("\u{1b}["));
}

#[test]
fn a_narrow_terminal_cuts_columns_and_a_pipe_cuts_nothing() {
    let (world, _) = World::with_secret("A_SECRET_WITH_A_RATHER_LONG_NAME");
    let scope = "a-program-with-a-rather-long-name-that-no-terminal-shows";
    world.vault(["set", "A_SECRET_WITH_A_RATHER_LONG_NAME", "--command", scope]).ok();
    let name = "A_SECRET_WITH_A_RATHER_LONG_NAME";
    for words in [
        &["list"][..],
        &["rotation"],
        &["profile", "list"],
        &["status"],
        &["doctor"],
        &["member", "list"],
        &["show", name],
        &["history", name],
        &["identity", "where"],
        &["audit", "stats"],
        &["verify"],
        &["audit", "verify"],
        &["set", name, "--note", "x", "-n"],
        &["identity", "rotate", "-n"],
        &["help"],
        &["help", "exec"],
    ] {
        let script = format!("stty cols 60; exec '{}' {}", crate::harness::program().display(), words.join(" "));
        let run = world.run(["--version"]).env("NO_COLOR", "1");
        let like = run.command();
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &script]).env_clear().current_dir(&world.project);
        shell.envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let shown = Terminal::spawn(shell).ends(0);
        for line in shown.lines() {
            // A word that is too long, as a fingerprint, stays whole: it is there to be copied.
            let is_kept = line.split_whitespace().any(|word| word.chars().count() > 40);
            assert!(
                is_kept && !["list", "rotation", "profile"].contains(&words[0]) || line.chars().count() <= 60,
                "{words:?}: {line:?}"
            );
        }
        world.vault(words).ok();
    }
    assert!(world.vault(["list"]).ok().out().contains(scope));
    // A reader that has enough ends the pipe, and nobody hears of it.
    world.run(["help"]).redirect("| head -n 1 >/dev/null").output().ok().silent();
}
