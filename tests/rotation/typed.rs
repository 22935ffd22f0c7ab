//! `vault rotate NAME` on a terminal: where to make the new key, a hidden paste, and a look
//! at what cannot be right.

use super::harness::Project;
use super::terminal::Terminal;

/// A token of npm: 30 characters and their checksum (CRC-32 in base 62, six digits).
fn npm(body: &str) -> String {
    let mut crc = u32::MAX;
    for byte in body.bytes() {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    let mut rest = !crc;
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[(rest % 62) as usize];
        rest /= 62;
    }
    format!("npm_{body}{}", std::str::from_utf8(&digits).unwrap())
}

#[test]
fn a_pasted_key_is_checked_before_anything_changes() {
    let project = Project::new();
    let (old, new) = (npm("abcdefghijklmnopqrstuvwxyz0123"), npm("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123"));
    project.set("NPM_TOKEN", &old, &["--created", "2020-01-01"]);
    let before = project.vault_file();
    let rotate = || Terminal::spawn(project.command(&["rotate", "NPM_TOKEN", "--grace", "2d"]));
    // One character was lost on the way.
    let cut = new.replace("XYZ", "XZY");
    let mut terminal = rotate();
    terminal.expect("make a new key for NPM_TOKEN (npm) at npmjs.com, account, access tokens");
    terminal.answer_hidden("New value of NPM_TOKEN: ", &cut);
    // What is not sure to be right is asked for twice.
    terminal.answer_hidden("again: ", &cut);
    let shown = terminal.expect("Go on with it? [y/N] ");
    assert!(shown.contains("does not look like a key of npm: ") && shown.contains("checksum"), "{shown}");
    terminal.line("n");
    let shown = terminal.ends(2);
    assert!(shown.contains("not confirmed; nothing was changed"), "{shown}");
    for part in [&cut, &new, &old] {
        assert!(!shown.contains(part.as_str()), "a value is shown");
    }
    assert_eq!(project.vault_file(), before);
    // A whole one proves itself.
    let mut terminal = rotate();
    terminal.answer_hidden("New value of NPM_TOKEN: ", &new);
    let shown = terminal.ends(0);
    assert!(shown.contains("rotated NPM_TOKEN in profile default") && !shown.contains(&new), "{shown}");
    assert_eq!(project.ok(&["get", "NPM_TOKEN"]), new);
    // The one before is no new one.
    let mut terminal = rotate();
    terminal.answer_hidden("New value of NPM_TOKEN: ", &old);
    assert!(terminal.ends(7).contains("had this value before, as version 1"));
}

#[test]
fn a_key_that_its_provider_makes_is_not_made_up() {
    let project = Project::new();
    project.set("NPM_TOKEN", &npm("abcdefghijklmnopqrstuvwxyz0123"), &[]);
    project.set("SESSION_KEY", "ours", &[]);
    let before = project.vault_file();
    let ran = project.run(&["rotate", "NPM_TOKEN", "--generate"]);
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert!(ran.err.contains("NPM_TOKEN is a key of npm, who makes them"), "{}", ran.err);
    assert!(ran.err.contains("hint: make one there and type `vault rotate NPM_TOKEN`"), "{}", ran.err);
    // Where something proves it, it may be as that says; one that does not prove it changes nothing.
    let ran = project.run(&["rotate", "NPM_TOKEN", "--generate", "--verify", "false"]);
    assert_eq!(ran.code, 8, "{}", ran.err);
    assert_ne!(project.vault_file(), before, "it waits, and is not current");
    project.ok(&["rotate", "NPM_TOKEN", "--abort"]);
    project.ok(&["rotate", "SESSION_KEY", "--generate"]);
    // Without a terminal it says how a value gets in.
    let ran = project.run(&["rotate", "SESSION_KEY"]);
    assert!(ran.code == 2 && ran.err.contains("hint: pipe it in, with `-` behind the name"), "{}", ran.err);
}
