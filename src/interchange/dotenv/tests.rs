use proptest::prelude::*;

use super::super::tests::{pairs, skips};
use super::super::{MAX_ENTRIES, MAX_NAME};
use super::*;

/// The corpus that `tests/oracles/dotenv_oracle.py` checks against python-dotenv.
const CASES: &str = include_str!("../../../tests/oracles/dotenv_cases.json");

fn printed(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::new();
    print(entries.iter().copied(), &mut out).unwrap();
    out
}

#[test]
fn corpus_is_read_as_recorded() {
    let cases: Vec<serde_json::Value> = serde_json::from_str(CASES).unwrap();
    assert!(cases.len() >= 60);
    for case in &cases {
        let input = data_encoding::BASE64.decode(case["input"].as_str().unwrap().as_bytes()).unwrap();
        let want: Vec<_> = case["expected"].as_object().unwrap().iter().collect();
        let want: Vec<_> = want
            .iter()
            .map(|(n, v)| (n.as_str(), data_encoding::BASE64.decode(v.as_str().unwrap().as_bytes()).unwrap()))
            .collect();
        let parsed = parse(&input);
        let mut got: Vec<_> = pairs(&parsed).into_iter().map(|(name, value)| (name, value.to_vec())).collect();
        got.sort();
        assert_eq!(got, want, "{}", case["case"]);
        if case["printed"] == true {
            let entries: Vec<_> = want.iter().map(|(name, value)| (*name, value.as_slice())).collect();
            assert_eq!(printed(&entries), input, "print: {}", case["case"]);
        }
    }
}

#[test]
fn what_is_skipped_has_its_line_and_reason() {
    use Reason::{Duplicate, NoEquals, NotAName, TextAfterQuote, UnterminatedQuote};
    type Case = (&'static [u8], &'static [(usize, Option<&'static str>, Reason)]);
    let cases: [Case; 24] = [
        (b"", &[]),
        (b"\xef\xbb\xbf# only\r\n\r\n \t# comments", &[]),
        (b"hunter2\n", &[(1, None, NoEquals)]),
        (b"export A # A=1\n", &[(1, None, NoEquals)]),
        (b"\n\r\n\rhunter2", &[(4, None, NoEquals)]),
        (b"1A=x", &[(1, None, NotAName)]),
        (b"A-B=x\n=x\n\xc4=x", &[(1, None, NotAName), (2, None, NotAName), (3, None, NotAName)]),
        (b"A B=x", &[(1, None, NotAName)]),
        (b"A: x", &[(1, None, NoEquals)]),
        (b"\"A\"=x", &[(1, None, NotAName)]),
        (b"'A=x\nB=y", &[(1, None, NoEquals)]),
        (b"A-B='x\nC=1\n'\nD=1", &[(1, None, NotAName)]),
        (b"A=\"x", &[(1, Some("A"), UnterminatedQuote)]),
        (
            b"\n A='x\nB=\"y\nC",
            &[(2, Some("A"), UnterminatedQuote), (3, Some("B"), UnterminatedQuote), (4, None, NoEquals)],
        ),
        (b"A='x\\'\nB=1", &[(1, Some("A"), UnterminatedQuote)]),
        (b"A=\"x\\\"\nB=1", &[(1, Some("A"), UnterminatedQuote)]),
        (b"A-B='x", &[(1, None, NotAName)]),
        (b"A='x'y\nB=1", &[(1, Some("A"), TextAfterQuote)]),
        (b"A='x\n\r\n' y\nB", &[(1, Some("A"), TextAfterQuote), (4, None, NoEquals)]),
        (b"A='\\n'\nB", &[(2, None, NoEquals)]),
        (b"A=\"\\n\\r\"\nB", &[(2, None, NoEquals)]),
        (b"A=1\nB=1\nA=2\nA=3", &[(1, Some("A"), Duplicate { by: 3 }), (3, Some("A"), Duplicate { by: 4 })]),
        (b"A=1\nA='x", &[(2, Some("A"), UnterminatedQuote)]),
        (b"A=1\nA", &[(2, None, NoEquals)]),
    ];
    for (text, want) in cases {
        assert_eq!(skips(&parse(text)), want, "{}", text.escape_ascii());
    }
}

#[test]
fn reasons_and_errors_say_no_text_of_the_input() {
    let parsed = parse(b"hunter2\nA=\"hunter2\nB='' hunter2\nhunter-2=1\nC=1\nC=2\nhunter2 hunter2=hunter2\n");
    let shown: Vec<_> = parsed.skipped.iter().map(|skipped| skipped.reason.to_string()).collect();
    let want = ["no `=`", "unterminated quote", "text after the closing quote", "not a name", "set again on line 6"];
    assert_eq!(shown[..5], want);
    assert!(!format!("{parsed:?}").contains("hunter"), "{parsed:?}");
}

#[test]
fn entries_keep_line_and_first_place() {
    let parsed = parse(b"\nA=1\r\n\r\nB='x\r\ny'\r\nC=1\rA=2");
    let got: Vec<_> = parsed.entries.iter().map(|entry| (entry.name.as_str(), entry.line)).collect();
    assert_eq!(got, [("A", 7), ("B", 4), ("C", 6)]);
}

#[test]
fn variables_are_literal_and_reported() {
    let cases: [(&[u8], bool); 13] = [
        (b"A=$HOME", true),
        (b"A=x${HOME}y", true),
        (b"A=\"$HOME\"", true),
        (b"A=\"${HOME:-x}\"", true),
        (b"A=$$_", true),
        (b"A='${HOME}'", true),
        (b"A='$HOME'", false),
        (b"A=$", false),
        (b"A=$1", false),
        (b"A=a$-b", false),
        (b"A=$(id)", false),
        (b"A=x # $HOME", false),
        (b"A='x' # ${HOME}", false),
    ];
    for (text, want) in cases {
        assert_eq!(parse(text).entries[0].literal_dollar, want, "{}", text.escape_ascii());
    }
}

#[test]
fn bounds_hold() {
    for (quote, text) in [("", "x"), ("'", "\n"), ("\"", "\\n")] {
        let text = |count: usize| format!("A={quote}{}{quote}\nB=1", text.repeat(count)).into_bytes();
        assert_eq!(parse(&text(MAX_VALUE)).entries[0].value.len(), MAX_VALUE);
        let parsed = parse(&text(MAX_VALUE + 1));
        assert_eq!(pairs(&parsed), [("B", &b"1"[..])]);
        assert_eq!(skips(&parsed), [(1, Some("A"), Reason::TooLarge)]);
    }

    let name = "N".repeat(MAX_NAME);
    let parsed = parse(format!("{name}=1\nN{name}=2").as_bytes());
    assert_eq!(pairs(&parsed), [(name.as_str(), &b"1"[..])]);
    assert_eq!(skips(&parsed), [(2, None, Reason::NotAName)]);

    let lines: String = (0..=MAX_ENTRIES).map(|n| format!("A{n}=1\n")).collect();
    let parsed = parse(lines.as_bytes());
    assert_eq!(parsed.entries.len(), MAX_ENTRIES);
    assert_eq!(skips(&parsed), [(MAX_ENTRIES + 1, None, Reason::TooMany)]);

    let parsed = parse("=\n".repeat(MAX_ENTRIES + 2).as_bytes());
    assert_eq!(parsed.skipped.len(), MAX_ENTRIES + 1);
    assert_eq!(parsed.skipped[MAX_ENTRIES].reason, Reason::TooMany);
}

/// Quadratic work on any of these would take minutes, not milliseconds.
#[test]
fn hostile_text_is_read_in_linear_time() {
    let units =
        ["\"", "'", "A=\"", "A='", "A=\"\n", "A='\n", "A=\\\"\n", "\\\"A=\"", "A='\\'", "#", " #", " ", "=", "\\"];
    for prefix in ["", "A=", "A='", "A=\"", "A=x"] {
        for unit in units {
            let text = format!("{prefix}{}", unit.repeat((1 << 20) / unit.len()));
            let parsed = parse(text.as_bytes());
            assert!(parsed.entries.len() <= MAX_ENTRIES);
        }
    }
}

#[test]
fn prints_the_lightest_quoting_that_is_read_back() {
    let cases: [(&[u8], &[u8]); 16] = [
        (b"", b"A=\n"),
        (b"sk-abc_123./:@%+,=", b"A=sk-abc_123./:@%+,=\n"),
        (b" x", b"A=' x'\n"),
        (b"a b", b"A='a b'\n"),
        (b"#x", b"A='#x'\n"),
        (b"$HOME", b"A='$HOME'\n"),
        (b"`id`", b"A='`id`'\n"),
        (b"say \"x\"", b"A='say \"x\"'\n"),
        (b"a\nb\n", b"A='a\nb\n'\n"),
        (b"it's", b"A=\"it's\"\n"),
        (b"'\"", b"A=\"'\\\"\"\n"),
        (br"a\nb", b"A=\"a\\\\nb\"\n"),
        (b"a\r\nb", b"A=\"a\\r\nb\"\n"),
        (b"ends\\", b"A=\"ends\\\\\"\n"),
        (b"\xff\xfe", b"A='\xff\xfe'\n"),
        (b"a\0b", b"A='a\0b'\n"),
    ];
    for (value, want) in cases {
        let text = printed(&[("A", value)]);
        assert_eq!(text.escape_ascii().to_string(), want.escape_ascii().to_string());
        assert_eq!(pairs(&parse(&text)), [("A", value)]);
    }
}

/// Mostly the bytes that mean something.
fn text_byte() -> impl Strategy<Value = u8> {
    prop_oneof![2 => prop::sample::select(&b"AB=='\"\\\\#  \t\r\n\nnrt$`{}\xc2\xa0\x1c"[..]), 1 => any::<u8>()]
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(
        values in prop::collection::btree_map("[A-Za-z_][A-Za-z0-9_]{0,8}", prop::collection::vec(text_byte(), 0..40), 0..8),
    ) {
        let entries: Vec<_> = values.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        let parsed = parse(&printed(&entries));
        prop_assert!(parsed.skipped.is_empty());
        prop_assert_eq!(pairs(&parsed), entries);
    }

    #[test]
    fn any_text_is_read_and_every_line_is_in_it(text in prop::collection::vec(text_byte(), 0..200)) {
        let parsed = parse(&text);
        let lines = 1 + text.iter().filter(|byte| matches!(byte, b'\r' | b'\n')).count();
        prop_assert!(parsed.entries.iter().all(|entry| (1..=lines).contains(&entry.line)));
        prop_assert!(parsed.skipped.iter().all(|skipped| (1..=lines).contains(&skipped.line)));
    }

    #[test]
    fn what_is_read_is_printed_and_read_the_same(text in prop::collection::vec(text_byte(), 0..200)) {
        let first = parse(&text);
        let again = parse(&printed(&pairs(&first)));
        prop_assert_eq!(pairs(&first), pairs(&again));
        prop_assert!(again.skipped.is_empty());
    }
}
