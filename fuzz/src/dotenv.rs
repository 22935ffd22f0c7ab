//! Any bytes as a `.env`: what is read comes back from what is printed, and no line is both taken and skipped.

use vault::interchange::{MAX_NAME, MAX_VALUE, Parsed, dotenv, shell};

pub fn run(data: &[u8]) {
    let parsed = dotenv::parse(data);
    sound(&parsed, data);
    let mut text = Vec::new();
    let entries = || parsed.entries.iter().map(|entry| (entry.name.as_str(), entry.value.reveal()));
    dotenv::print(entries(), &mut text).expect("what was read can be written");
    let again = dotenv::parse(&text);
    assert!(again.skipped.is_empty(), "{:?}", again.skipped);
    assert!(entries().eq(again.entries.iter().map(|entry| (entry.name.as_str(), entry.value.reveal()))));
    let mut script = Vec::new();
    let nul = entries().any(|(_, value)| value.contains(&0));
    assert_eq!(shell::print(entries(), &mut script).is_err(), nul, "a shell holds everything but NUL");
}

/// What holds for every text of every format.
pub fn sound(parsed: &Parsed, data: &[u8]) {
    let lines = data.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count() + 1;
    let mut names = std::collections::HashSet::new();
    for entry in &parsed.entries {
        assert!(names.insert(&entry.name), "one entry a name");
        assert!(entry.name.len() <= MAX_NAME && entry.value.len() <= MAX_VALUE && entry.line <= lines);
        assert!(entry.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
        assert!(entry.value.len() <= data.len());
    }
    for skipped in &parsed.skipped {
        assert!((1..=lines).contains(&skipped.line));
    }
}
