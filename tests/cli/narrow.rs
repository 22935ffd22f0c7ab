//! What narrow terminals show: of tables whole rows and what matters most, of texts whole words.

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
        (48, "list", &["NAME", "STATE", "DUE"]),
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

#[test]
fn texts_go_on_below_themselves_between_words() {
    let (world, _) = World::with_secret("STRIPE_KEY");
    let note = "asked for by the people who run the shop, see the page on payments, and never used in tests";
    world.run(["set", "STRIPE_KEY", "--note", note]).output().ok();
    let missing = world.project.join("a/directory/that/is/not/there/vault.toml");
    let run = world.run(["--version"]).env("NO_COLOR", "1");
    let mut terminal = Terminal::shell(&run.command());
    for columns in [60, 80] {
        for words in [
            "doctor",
            "show STRIPE_KEY",
            "",
            "get NO_SUCH_KEY_AT_ALL_IN_ANY_OF_ALL_PROFILES",
            "rotate STRIPE_KEY --resume",
        ] {
            let lines = shown(&mut terminal, columns, words);
            let pipe = world.run(words.split_whitespace()).output();
            // Time goes on between the two.
            let is_time = |word: &&str| word.len() == 8 && word.split(':').count() == 3;
            let all = |text: &str| text.split_whitespace().filter(|word| !is_time(word)).collect::<Vec<_>>().join(" ");
            let there = all(&lines.join("\n"));
            assert_eq!(
                there.trim_end_matches("ready>").trim_end(),
                all(&(pipe.out() + &pipe.stderr)),
                "{columns}, {words}"
            );
            // Only what is one word may be longer.
            let long = lines.iter().find(|line| line.width() > columns.into() && line.trim().contains(' '));
            assert_eq!(long, None, "{columns}, {words}: {lines:#?}");
        }
        let lines = shown(&mut terminal, columns, "show STRIPE_KEY");
        let at = lines.iter().position(|line| line.starts_with("  note          asked for")).unwrap();
        assert!(
            lines[at + 1].starts_with(&" ".repeat(16)) && !lines[at + 1].starts_with(&" ".repeat(17)),
            "{lines:#?}"
        );
    }
    // What is to be typed stays in one piece, for who copies it.
    let lines = shown(&mut terminal, 60, &format!("--vault {} list", missing.display()));
    assert!(lines.iter().any(|line| line.contains("`vault init`")), "{lines:#?}");
}
