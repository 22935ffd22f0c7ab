//! Questions on a terminal: what is typed is not shown, and however a question ends, the
//! terminal is as it was and nothing was changed.

use rustix::process::Signal;

use crate::harness::{World, program};
use crate::terminal::{CTRL_BACKSLASH, CTRL_C, CTRL_D, CTRL_Z, Terminal};

/// `vault` with some words, on a terminal.
fn vault<const N: usize>(world: &World, words: [&str; N]) -> Terminal {
    Terminal::spawn(world.run(words).env("NO_COLOR", "1").command())
}

/// A shell with job control in the project, where `vault` can be called.
fn shell(world: &World) -> Terminal {
    let run = world.run(["--version"]).env("NO_COLOR", "1");
    let mut terminal = Terminal::shell(&run.command());
    terminal.line(&format!("vault() {{ '{}' \"$@\"; }}", program().display()));
    terminal.prompt();
    terminal
}

#[test]
fn a_value_is_typed_twice_and_never_shown() {
    let world = World::new();
    let value = world.secret();
    let mut terminal = vault(&world, ["set", "KEY"]);
    terminal.answer_hidden("Value of KEY: ", &value);
    terminal.answer_hidden("Value of KEY, again: ", &value);
    terminal.expect("set KEY in profile default (version 1)");
    assert!(terminal.is_sane());
    world.assert_hidden(&terminal.ends(0));
    assert_eq!(world.value("KEY"), value.as_bytes());
}

#[test]
fn the_history_of_the_shell_has_the_command_and_not_the_value() {
    let world = World::new();
    let value = world.secret();
    let mut terminal = shell(&world);
    terminal.line("HISTFILE=$HOME/history; set -o history");
    terminal.prompt();
    terminal.line("vault set KEY");
    terminal.answer_hidden("Value of KEY: ", &value);
    terminal.answer_hidden("again: ", &value);
    terminal.prompt();
    // The habit of other tools, which leaves what was typed where this cannot help it: refused.
    terminal.line("vault set OTHER not-a-secret");
    terminal.expect("a value is never an argument");
    terminal.prompt();
    terminal.line("history -w; exit");
    world.assert_hidden(&terminal.ends(0));
    let history = std::fs::read_to_string(world.home.join("history")).unwrap();
    assert!(history.contains("vault set KEY\n"), "{history}");
    world.assert_hidden(&history);
    assert!(!world.vault(["list"]).ok().out().contains("OTHER"));
}

#[test]
fn two_answers_that_differ_change_nothing() {
    let world = World::new();
    let value = world.secret();
    let before = world.snapshot();
    let mut terminal = vault(&world, ["set", "KEY"]);
    terminal.answer_hidden("Value of KEY: ", &value);
    terminal.answer_hidden("again: ", &value[1..]);
    terminal.expect("vault: error: the two are not the same; nothing was changed");
    world.assert_hidden(&terminal.ends(2));
    world.assert_unchanged(&before);
}

#[test]
fn the_rest_of_a_paste_is_not_run_by_the_shell() {
    let world = World::new();
    let mut terminal = shell(&world);
    terminal.line("vault set KEY");
    terminal.expect("Value of KEY: ");
    terminal.keys("first line\rsecond line\rtouch pasted\r");
    terminal.expect("the two are not the same");
    terminal.prompt();
    terminal.line("ls; exit");
    let shown = terminal.ends(0);
    assert!(shown.contains("vault.toml") && !world.project.join("pasted").exists(), "{shown}");
}

#[test]
fn interrupting_a_question_restores_the_terminal_and_leaves_nothing() {
    let world = World::new();
    let half = world.secret();
    let before = world.snapshot();
    for (key, signal) in [(CTRL_C, Signal::INT), (CTRL_BACKSLASH, Signal::QUIT)] {
        let mut terminal = vault(&world, ["set", "KEY"]);
        terminal.expect("Value of KEY: ");
        terminal.keys(&format!("{half}{key}"));
        terminal.expect("\n");
        assert!(terminal.is_sane(), "{signal:?}");
        world.assert_hidden(&terminal.ends(128 + signal.as_raw()));
        world.assert_unchanged(&before);
    }
    let mut terminal = vault(&world, ["set", "KEY"]);
    terminal.expect("Value of KEY: ");
    terminal.keys(CTRL_D);
    terminal.expect("vault: error: nothing was entered");
    assert!(terminal.is_sane());
    terminal.ends(2);
    world.assert_unchanged(&before);
}

#[test]
fn a_stopped_question_is_asked_again() {
    let world = World::new();
    let value = world.secret();
    let mut terminal = shell(&world);
    terminal.line("vault set KEY");
    terminal.expect("Value of KEY: ");
    terminal.keys(&format!("half{CTRL_Z}"));
    terminal.stopped();
    assert!(terminal.is_sane());
    terminal.line("fg");
    terminal.answer_hidden("Value of KEY: ", &value);
    terminal.answer_hidden("again: ", &value);
    terminal.expect("set KEY in profile default");
    terminal.prompt();
    terminal.line("exit");
    world.assert_hidden(&terminal.ends(0));
    assert_eq!(world.value("KEY"), value.as_bytes());
}

#[test]
fn a_window_may_change_its_size_during_a_question() {
    let world = World::new();
    let value = world.secret();
    let mut terminal = vault(&world, ["set", "KEY"]);
    terminal.expect("Value of KEY: ");
    terminal.keys(&value[..3]);
    terminal.resize(20, 5);
    terminal.line(&value[3..]);
    terminal.expect("again: ");
    terminal.resize(200, 50);
    terminal.line(&value);
    world.assert_hidden(&terminal.ends(0));
    assert_eq!(world.value("KEY"), value.as_bytes());
}

#[test]
fn nobody_is_asked_on_a_terminal_where_input_is_not_wanted() {
    let world = World::new();
    let terminal = vault(&world, ["--no-input", "set", "KEY"]);
    assert!(!terminal.ends(2).contains("Value of KEY"));
}
