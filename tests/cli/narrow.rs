//! What tables show on narrow terminals: whole rows, and what matters most.

use unicode_width::UnicodeWidthStr;

use crate::harness::{World, program};
use crate::terminal::Terminal;

/// What a command shows on a terminal of so many columns.
fn shown(terminal: &mut Terminal, columns: u16, words: &str) -> Vec<String> {
    terminal.resize(columns, 50);
    terminal.line(&format!("'{}' {words}", program().display()));
    // The shell shows what was typed.
    terminal.expect(&format!("vault' {words}\r\n"));
    terminal.prompt().lines().map(|line| line.trim_end().to_owned()).collect()
}

#[test]
fn what_was_done_and_what_is_to_be_done_stays_on_a_narrow_terminal() {
    let (world, _) = World::with_secret("A_NAME_THAT_IS_LONGER_THAN_MOST");
    world.set_with("STRIPE_KEY", "v", &["--created", "2026-01-01", "--rotate-every", "90d", "--owner", "alice"]);
    world.run(["expose", "STRIPE_KEY", "--why", "pasted into a chat by mistake"]).output().ok();
    world.run(["exec", "--only", "STRIPE_KEY", "--", "true"]).output().ok();
    world.run(["get", "NO_SUCH"]).output().exits(3);
    let run = world.run(["--version"]).env("NO_COLOR", "1");
    let mut terminal = Terminal::shell(&run.command());
    for (columns, words, stays) in [
        (60, "audit", &["WHEN", "ACTION", "OUTCOME", "NAMES"][..]),
        (60, "audit --outcome refused", &["WHEN", "ACTION", "OUTCOME", "WHO", "NAMES"]),
        (80, "audit --outcome refused", &["WHEN", "ACTION", "OUTCOME", "WHO", "NAMES", "WHY"]),
        (100, "audit --action exec", &["WHEN", "AGE", "ACTION", "OUTCOME", "WHO", "PROFILE", "NAMES", "PROGRAM"]),
        (60, "rotation", &["NAME", "STATE", "DUE", "WHY"]),
        (80, "rotation", &["NAME", "STATE", "DUE", "LIFE", "WHY"]),
        (60, "audit stats", &["PROFILE", "NAME", "USES", "LAST USE"]),
        (40, "audit", &["WHEN", "ACTION"]),
    ] {
        let lines = shown(&mut terminal, columns, words);
        for line in &lines {
            assert!(line.width() <= columns.into(), "{columns}, {words}: {line}");
        }
        let heading = lines.iter().find(|line| line.contains(stays[1])).unwrap_or_else(|| panic!("{lines:?}"));
        let mut rest = heading.as_str();
        for word in stays {
            let at = rest.find(word).unwrap_or_else(|| panic!("{columns}, {words}: no {word} in {heading}"));
            rest = &rest[at + word.len()..];
        }
    }
}
