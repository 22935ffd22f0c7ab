//! Completions in the shells themselves: bash, zsh and fish as people have them.

use std::process::Command;

use crate::harness::{World, program};
use crate::terminal::Terminal;

/// False where a shell is missing and this is not CI.
fn has(shell: &str) -> bool {
    let found = Command::new(shell).arg("--version").output().is_ok_and(|output| output.status.success());
    assert!(found || std::env::var("CI").is_err(), "{shell} is missing");
    found
}

fn world() -> World {
    let world = World::new();
    for name in ["STRIPE_KEY", "STRIPE_HOOK", "OPENAI_API_KEY"] {
        world.set(name, "x");
    }
    world.vault(["profile", "add", "staging"]).ok();
    world.run(["-p", "staging", "set", "ONLY_HERE", "-"]).stdin("x").output().ok();
    std::fs::create_dir(world.home.join("bin")).unwrap();
    std::os::unix::fs::symlink(program(), world.home.join("bin/vault")).unwrap();
    world
}

/// A program in the project of this world, with its `vault` on the path.
fn command(world: &World, words: &[&str]) -> Command {
    let path = format!("{}:/usr/bin:/bin", world.home.join("bin").display());
    let like = world.run(["--version"]).env("PATH", path).env("TERM", "dumb").command();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).env_clear().current_dir(&world.project);
    command.envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command
}

/// What `vault complete` offers for words, the last of which is to be completed.
fn offers(world: &World, words: &[&str]) -> Vec<String> {
    let output = world.run([&["complete", "bash", "--", "vault"], words].concat()).output().ok().silent();
    output.out().lines().map(str::to_owned).collect()
}

#[test]
fn names_are_offered_where_names_go() {
    let world = world();
    let before = world.snapshot();
    let records = world.records("alice-laptop").len();
    for (words, wanted) in [
        (&["get", "STR"][..], &["STRIPE_HOOK", "STRIPE_KEY"][..]),
        (&["rm", "OPENAI_API_KEY", "STRIPE_K"], &["STRIPE_KEY"]),
        (&["-p", "staging", "show", ""], &["ONLY_HERE"]),
        (&["--profile=staging", "get", "O"], &["ONLY_HERE"]),
        (&["-p", "sta"], &["staging"]),
        (&["get", "--profile", "sta"], &["staging"]),
        (&["-p", "nosuch", "get", "S"], &[]),
        (&["-p", "nosuch", "cp", "X", "--to", "sta"], &["staging"]),
        (&["get", "-p", "staging", "O"], &["ONLY_HERE"]),
        (&["cp", "STRIPE_KEY", "--to", ""], &["default", "staging"]),
        (&["profile", "rekey", "sta"], &["staging"]),
        (&["member", "remove", ""], &["alice"]),
        (&["member", "remove", "alice", "--device", ""], &["alice-laptop"]),
        (&["exec", "--only", "STRIPE_K"], &["STRIPE_KEY"]),
        (&["exec", "--only", "OPENAI_API_KEY,STRIPE_K"], &["OPENAI_API_KEY,STRIPE_KEY"]),
        (&["exec", "--as", "KEY=STRIPE_K"], &["KEY=STRIPE_KEY"]),
        (&["-p", "staging", "exec", "--file", "KEY="], &["KEY=ONLY_HERE"]),
        (&["exec", "--file=KEY=OPEN"], &["--file=KEY=OPENAI_API_KEY"]),
        (&["exec", "--as", "STR"], &[]),
        (&["exp"], &["export", "expose"]),
        (&["rotation", "--format", "s"], &["sarif"]),
        (&["get", "--clear-a"], &["--clear-after"]),
        (&["set", "NO_SUCH"], &[]),
        (&["nonsense", "x"], &[]),
    ] {
        let mut found = offers(&world, words);
        found.retain(|offer| words.last() != Some(&"") || !offer.starts_with('-'));
        found.sort();
        assert_eq!(found, wanted, "{words:?}");
    }
    // The command itself is for the scripts.
    assert!(!offers(&world, &["comp"]).contains(&"complete".to_owned()));
    world.assert_unchanged(&before);
    assert_eq!(world.records("alice-laptop").len(), records, "nothing goes on record");
}

#[test]
fn nothing_goes_wrong_in_the_prompt() {
    let world = world();
    let complete = |world: &World| world.run(["complete", "zsh", "--", "vault", "get", ""]).output().ok().silent();
    // Not trusted here: names are offered, nothing is asked, nothing remembered.
    let bob = world.clone_for("bob");
    let before = bob.snapshot();
    assert!(complete(&bob).out().contains("STRIPE_KEY"));
    bob.assert_unchanged(&before);
    // No vault, a damaged one, something else of that name.
    let good = world.text();
    for text in ["", "x", &good[..good.len() / 2], &good.replacen("version = 1", "version = 2", 1)] {
        world.put(text);
        assert!(!complete(&world).out().contains("STRIPE_KEY"));
    }
    std::fs::remove_file(world.vault_file()).unwrap();
    complete(&world);
    world.run(["complete", "fish", "--"]).output().ok().silent();
    world.run(["complete", "fish", "--", "vault", "exec", "--", "ls", "-"]).output().ok().silent();
}

/// What bash and zsh complete in the same way.
fn completes_names(terminal: &mut Terminal) {
    terminal.keys("\x15vault --profile=sta\t");
    terminal.expect("--profile=staging");
    terminal.keys(" get O\t");
    terminal.expect("ONLY_HERE");
    terminal.keys("\x15vault -p stag\t");
    terminal.expect("-p staging");
    terminal.keys("show ON\t");
    terminal.expect("ONLY_HERE");
    terminal.keys("\x15vault member remove ali\t");
    terminal.expect("remove alice");
    terminal.keys("--device al\t");
    terminal.expect("alice-laptop");
    terminal.keys("\x15vault exec --as KEY=STRIPE_K\t");
    terminal.expect("--as KEY=STRIPE_KEY");
    terminal.keys("\x15vault exec -- basena\t");
    terminal.expect("basename");
}

#[test]
fn bash_completes_at_the_prompt() {
    if !has("bash") {
        return;
    }
    let world = world();
    let mut terminal = Terminal::spawn(command(&world, &["bash", "--norc", "--noprofile", "-i"]));
    terminal.line("PS1='re''ady> '; source <(vault completions bash); bind 'set bell-style none'");
    terminal.expect("ready> ");
    terminal.keys("vault get STRIPE_K\t");
    terminal.expect("vault get STRIPE_KEY ");
    completes_names(&mut terminal);
    terminal.keys("\x15vault compl\t");
    terminal.expect("vault completions ");
    terminal.keys("\x15vault get \x1b*");
    terminal.expect("OPENAI_API_KEY");
    terminal.line("\x15exit");
    let shown = terminal.ends(0);
    assert!(!shown.contains("error"), "{shown}");
}

#[test]
fn zsh_completes_at_the_prompt() {
    if !has("zsh") {
        return;
    }
    let world = world();
    let mut terminal = Terminal::spawn(command(&world, &["zsh", "-f", "-i"]));
    terminal
        .line("PS1='re''ady> '; unsetopt beep; autoload -Uz compinit; compinit -u -D; source <(vault completions zsh)");
    terminal.expect("ready> ");
    terminal.keys("vault get STRIPE_K\t");
    terminal.expect("STRIPE_KEY");
    completes_names(&mut terminal);
    terminal.keys("\x15vault compl\t");
    terminal.expect("completions");
    terminal.keys("\x15");
    terminal.line("exit");
    let shown = terminal.end().shown;
    assert!(!shown.contains("error") && !shown.contains("not found"), "{shown}");
}

#[test]
fn fish_offers_the_same() {
    if !has("fish") {
        return;
    }
    let world = world();
    let offers = |line: &str| {
        let script = format!("vault completions fish | source; complete -C '{line}'");
        let output = command(&world, &["fish", "--no-config", "-c", &script]).output().unwrap();
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(offers("vault get STRIPE_K"), "STRIPE_KEY\n");
    assert_eq!(offers("vault -p staging get O"), "ONLY_HERE\n");
    assert_eq!(offers("vault -p stag"), "staging\n");
    assert_eq!(offers("vault exec --as KEY=STRIPE_K"), "KEY=STRIPE_KEY\n");
    assert_eq!(offers("vault member remove alice --device al"), "alice-laptop\n");
    assert!(offers("vault --profile=sta").contains("--profile=staging"));
    assert!(offers("vault expo").contains("export\tPrint every value of the profile"));
    assert!(offers("vault exec -- basena").contains("basename"));
}

#[test]
fn the_scripts_are_sound() {
    let world = World::bare();
    for shell in ["bash", "zsh", "fish"] {
        let script = world.vault(["completions", shell]).ok().silent().stdout;
        if !has(shell) {
            continue;
        }
        let file = world.base().join(shell);
        crate::harness::write(&file, script);
        let output = Command::new(shell).arg("-n").arg(&file).output().unwrap();
        assert!(output.status.success(), "{shell}: {}", String::from_utf8_lossy(&output.stderr));
    }
    world.vault(["completions", "tcsh"]).fails_with(2, "<SHELL>");
}
