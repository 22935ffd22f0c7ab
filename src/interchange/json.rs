//! One flat JSON object of name to value.
//!
//! serde_json checks the syntax without keeping anything; what is then known to
//! be JSON is read again here. That keeps what its data model drops (duplicate
//! keys, the digits of a number, line numbers) and spares the values its scratch
//! buffer, which nobody wipes.

use memchr::{memchr, memchr_iter, memchr2};
use serde::de::IgnoredAny;
use zeroize::Zeroizing;

use super::{Entry, Error, Gathered, Parsed, Reason, make_room, name, print_each};
use crate::secret_value::SecretValue;

/// Reads one JSON object (RFC 8259), with or without a byte order mark.
///
/// Strings are taken as their UTF-8 text, numbers, `true` and `false` as they are
/// written. `null`, arrays and objects are in [`Parsed::skipped`]; of duplicate
/// keys the last wins. Time is linear in the length of `text`, which the caller
/// bounds; nesting costs no stack.
///
/// # Errors
/// [`Error::NotJson`], [`Error::NotAnObject`].
pub fn parse(text: &[u8]) -> Result<Parsed, Error> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let valid = std::str::from_utf8(text)
        .map_err(|fault| Error::NotJson { line: 1 + memchr_iter(b'\n', &text[..fault.valid_up_to()]).count() })?;
    serde_json::from_str::<IgnoredAny>(valid).map_err(|fault| Error::NotJson { line: fault.line() })?;

    let mut scanner = Scanner { rest: text, line: 1 };
    let mut gathered = Gathered::default();
    if scanner.next_token() != b'{' {
        return Err(Error::NotAnObject { line: scanner.line });
    }
    scanner.take(1);
    while scanner.next_token() == b'"' {
        let line = scanner.line;
        if gathered.is_full(line) {
            break;
        }
        let not_json = || Error::NotJson { line };
        let key = scanner.take_string().and_then(unescape).ok_or_else(not_json)?;
        scanner.next_token();
        scanner.take(1); // the colon
        let value = match scanner.next_token() {
            b'"' => Ok(scanner.take_string().and_then(unescape).ok_or_else(not_json)?),
            b'{' | b'[' => {
                scanner.skip_nested();
                Err(Reason::Nested)
            }
            b'n' => {
                scanner.take_literal();
                Err(Reason::Null)
            }
            _ => Ok(SecretValue::from(scanner.take_literal())),
        };
        match (name(key.reveal()), value) {
            (None, _) => gathered.skip(line, None, Reason::NotAName),
            (name, Err(reason)) => gathered.skip(line, name, reason),
            (Some(name), Ok(value)) => {
                gathered.take(Entry { name: name.to_owned(), value, line, literal_dollar: false });
            }
        }
        if scanner.next_token() == b',' {
            scanner.take(1);
        }
    }
    Ok(gathered.finish())
}

/// Walks over text that is known to be JSON. On any other it gives nonsense, and
/// comes to an end.
struct Scanner<'a> {
    rest: &'a [u8],
    line: usize,
}

impl<'a> Scanner<'a> {
    /// Skips space; the byte that follows, NUL at the end.
    fn next_token(&mut self) -> u8 {
        while let Some(byte @ (b' ' | b'\t' | b'\r' | b'\n')) = self.rest.first() {
            self.line += usize::from(*byte == b'\n');
            self.take(1);
        }
        self.rest.first().copied().unwrap_or(0)
    }

    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(count.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    /// Takes a string; what stands between its quotes.
    fn take_string(&mut self) -> Option<&'a [u8]> {
        let inside = self.rest.strip_prefix(b"\"")?;
        let mut end = 0;
        loop {
            end += memchr2(b'"', b'\\', inside.get(end..)?)?;
            if inside[end] == b'"' {
                self.take(end + 2);
                return Some(&inside[..end]);
            }
            end += 2;
        }
    }

    /// Takes a number, `true`, `false` or `null`.
    fn take_literal(&mut self) -> &'a [u8] {
        let word = |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
        self.take(self.rest.iter().take_while(word).count())
    }

    /// Takes an array or object.
    fn skip_nested(&mut self) {
        let mut depth = 0_usize;
        loop {
            match self.next_token() {
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth = depth.saturating_sub(1),
                b'"' if self.take_string().is_some() => continue,
                _ => {}
            }
            self.take(1);
            if depth == 0 || self.rest.is_empty() {
                return;
            }
        }
    }
}

/// The text of a string; none if it has half a surrogate pair, which is no
/// Unicode (RFC 8259, 8.2).
fn unescape(mut raw: &[u8]) -> Option<SecretValue> {
    // No escape is shorter than what it stands for, so this never reallocates.
    let mut text = Zeroizing::new(Vec::with_capacity(raw.len()));
    while let Some(at) = memchr(b'\\', raw) {
        text.extend_from_slice(&raw[..at]);
        let (byte, width) = match raw.get(at + 1)? {
            b'u' => {
                let (symbol, width) = unicode_escape(&raw[at..])?;
                text.extend_from_slice(symbol.encode_utf8(&mut [0; 4]).as_bytes());
                raw = &raw[at + width..];
                continue;
            }
            b'b' => (0x08, 2),
            b'f' => (0x0c, 2),
            b'n' => (b'\n', 2),
            b'r' => (b'\r', 2),
            b't' => (b'\t', 2),
            other => (*other, 2),
        };
        text.push(byte);
        raw = &raw[at + width..];
    }
    text.extend_from_slice(raw);
    Some(SecretValue::new(std::mem::take(&mut *text)))
}

/// The character that `\uXXXX`, or a pair of them, at the start of `raw` stands
/// for, and how many bytes that takes.
fn unicode_escape(raw: &[u8]) -> Option<(char, usize)> {
    let unit = |at: usize| -> Option<u16> {
        let digits = std::str::from_utf8(raw.get(at..at + 6)?.strip_prefix(b"\\u")?).ok()?;
        u16::from_str_radix(digits, 16).ok()
    };
    let first = unit(0)?;
    let units = [first, unit(6).unwrap_or(0)];
    let symbol = char::decode_utf16(units).next()?.ok()?;
    Some((symbol, 6 * symbol.len_utf16()))
}

/// Writes one object, a member a line, in the order given. [`parse`] reads it
/// back byte for byte. Names are for the caller to keep distinct.
///
/// `out` grows without leaving a copy behind and is for the caller to wipe.
///
/// # Errors
/// [`Error::NotAName`], [`Error::TooLarge`], [`Error::NotUtf8`]; `out` is then
/// as it was before.
pub fn print<'a>(entries: impl IntoIterator<Item = (&'a str, &'a [u8])>, out: &mut Vec<u8>) -> Result<(), Error> {
    let start = out.len();
    let mut separator = "{\n  ";
    let done = print_each(entries, out, |name, value, out| {
        let Ok(text) = std::str::from_utf8(value) else {
            return Err(Error::NotUtf8 { name: name.to_owned() });
        };
        out.extend_from_slice(separator.as_bytes());
        separator = ",\n  ";
        quote(name, out);
        out.extend_from_slice(b": ");
        quote(text, out);
        Ok(())
    });
    done?;
    make_room(out, 4);
    out.extend_from_slice(if out.len() == start { b"{}\n" } else { b"\n}\n" });
    Ok(())
}

/// Writes `text` as a JSON string.
fn quote(text: &str, out: &mut Vec<u8>) {
    #[expect(clippy::expect_used, reason = "text is always JSON, and writing to a vector cannot fail")]
    serde_json::to_writer(out, text).expect("text can be written to memory");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{pairs, skips};
    use super::super::{MAX_ENTRIES, MAX_VALUE};
    use super::*;

    #[test]
    fn strings_numbers_and_booleans_are_taken_as_text() {
        let cases: [(&str, &[u8]); 16] = [
            (r#""""#, b""),
            (r#""plain""#, b"plain"),
            (r#""\" \\ \/ \b \f \n \r \t""#, b"\" \\ / \x08 \x0c \n \r \t"),
            (r#""\u0041\u00e9\u20ac\ud83d\ude00\u0000""#, "A\u{e9}\u{20ac}\u{1f600}\0".as_bytes()),
            ("\"\u{e9}\u{1f600}\"", "\u{e9}\u{1f600}".as_bytes()),
            (r#""$HOME ${X}""#, b"$HOME ${X}"),
            (r#""a, } ] : #""#, b"a, } ] : #"),
            (r#""ends in \\""#, br"ends in \"),
            ("0", b"0"),
            ("-1.50", b"-1.50"),
            ("1E+05", b"1E+05"),
            ("123456789012345678901234567890", b"123456789012345678901234567890"),
            ("true", b"true"),
            ("false", b"false"),
            ("\n\t\"x\"\r\n", b"x"),
            (r#""null""#, b"null"),
        ];
        for (literal, want) in cases {
            let parsed = parse(format!("{{\"A\":{literal},\"B\" : {literal} }}").as_bytes()).unwrap();
            assert_eq!(pairs(&parsed), [("A", want), ("B", want)], "{literal}");
            assert!(parsed.skipped.is_empty() && parsed.entries.iter().all(|entry| !entry.literal_dollar));
        }
    }

    #[test]
    fn what_is_no_value_is_skipped_with_its_line() {
        let text = "\u{feff}{\n\"A\": null,\n\"B\": [1, {\"A\": \"x\"},\n\"]\"], \"C\": {\"A\": {}},\n\"D-E\": \"x\", \
                    \"\": 1,\n\"F\": \"first\",\n\"G\": \"g\",\n\"\\u0046\": 2,\n\"A\": \"late\", \"G\": null}\n";
        let parsed = parse(text.as_bytes()).unwrap();
        assert_eq!(pairs(&parsed), [("F", &b"2"[..]), ("G", b"g"), ("A", b"late")]);
        assert_eq!(parsed.entries.iter().map(|entry| entry.line).collect::<Vec<_>>(), [8, 7, 9]);
        assert_eq!(
            skips(&parsed),
            [
                (2, Some("A"), Reason::Null),
                (3, Some("B"), Reason::Nested),
                (4, Some("C"), Reason::Nested),
                (5, None, Reason::NotAName),
                (5, None, Reason::NotAName),
                (6, Some("F"), Reason::Duplicate { by: 8 }),
                (9, Some("G"), Reason::Null),
            ]
        );
    }

    #[test]
    fn what_is_not_an_object_is_an_error_with_a_line_and_no_text() {
        let cases: [(&[u8], &str); 16] = [
            (b"", "not valid JSON at line 1"),
            (b"hunter2", "not valid JSON at line 1"),
            (b"{\n\"A\": hunter2}", "not valid JSON at line 2"),
            (b"{\"A\": \"hunter2", "not valid JSON at line 1"),
            (b"{\"A\":\n\n\"a\nb\"}", "not valid JSON at line 3"),
            (b"{\"A\": \"x\",}", "not valid JSON at line 1"),
            (b"{\"A\": \"x\"}\nhunter2", "not valid JSON at line 2"),
            (b"{\"A\": 01}", "not valid JSON at line 1"),
            (b"{\"A\": \"\\x\"}", "not valid JSON at line 1"),
            (b"{\n\"A\":\n\"\xff\"}", "not valid JSON at line 3"),
            (b"{\n\"A\": \"\\ud83d\"}", "not valid JSON at line 2"),
            (b"{\n\"A\": \"\\ude00\\ud83d\"}", "not valid JSON at line 2"),
            (b"{\n\"\\ud83dA\": \"x\"}", "not valid JSON at line 2"),
            (b"\n[\"hunter2\"]", "not a JSON object at line 2"),
            (b"\"hunter2\"", "not a JSON object at line 1"),
            (b"null", "not a JSON object at line 1"),
        ];
        for (text, want) in cases {
            assert_eq!(parse(text).unwrap_err().to_string(), want, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn bounds_hold() {
        let long = format!("{{\"A\": \"{}\", \"B\": \"{}\"}}", "x".repeat(MAX_VALUE), "y".repeat(MAX_VALUE + 1));
        let parsed = parse(long.as_bytes()).unwrap();
        assert_eq!(parsed.entries[0].value.len(), MAX_VALUE);
        assert_eq!(skips(&parsed), [(1, Some("B"), Reason::TooLarge)]);

        let members: Vec<_> = (0..=MAX_ENTRIES).map(|n| format!("\n\"A{n}\": 1")).collect();
        let parsed = parse(format!("{{{}}}", members.join(",")).as_bytes()).unwrap();
        assert_eq!(parsed.entries.len(), MAX_ENTRIES);
        assert_eq!(skips(&parsed), [(MAX_ENTRIES + 2, None, Reason::TooMany)]);

        let deep = format!("{{\"A\": {}{}, \"B\": 1}}", "[".repeat(1 << 20), "]".repeat(1 << 20));
        let parsed = parse(deep.as_bytes()).unwrap();
        assert_eq!(pairs(&parsed), [("B", &b"1"[..])]);
    }

    #[test]
    fn prints_a_member_a_line_in_the_order_given() {
        let mut out = Vec::new();
        print([("B", &b"x\n\"\\\x01"[..]), ("A", "\u{e9}".as_bytes())], &mut out).unwrap();
        assert_eq!(out, "{\n  \"B\": \"x\\n\\\"\\\\\\u0001\",\n  \"A\": \"\u{e9}\"\n}\n".as_bytes());
        out.clear();
        print([], &mut out).unwrap();
        assert_eq!(out, b"{}\n");
    }

    #[test]
    fn a_value_that_is_not_text_is_an_error_that_names_it() {
        let mut out = Vec::new();
        let error = print([("A", &b"x"[..]), ("B", b"secret\xff")], &mut out).unwrap_err();
        assert_eq!(error.to_string(), "value of B is not UTF-8, which JSON cannot hold");
        assert!(out.is_empty());
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(values in prop::collection::btree_map("[A-Za-z_][A-Za-z0-9_]{0,8}", any::<String>(), 0..8)) {
            let mut out = Vec::new();
            print(values.iter().map(|(name, value)| (name.as_str(), value.as_bytes())), &mut out).unwrap();
            let parsed = parse(&out).unwrap();
            prop_assert!(parsed.skipped.is_empty());
            prop_assert_eq!(pairs(&parsed), values.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect::<Vec<_>>());
        }

        #[test]
        fn strings_agree_with_serde_json(values in prop::collection::btree_map("[A-Z]{1,3}", any::<String>(), 0..8)) {
            let text = serde_json::to_vec_pretty(&values).unwrap();
            let parsed = parse(&text).unwrap();
            prop_assert_eq!(pairs(&parsed), values.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect::<Vec<_>>());
        }

        #[test]
        fn any_text_is_read_or_refused_without_panic(text in "[{}\\[\\]\",:\\\\un0-9dDcC \\n\u{e9}-]{0,40}", wrap in any::<bool>()) {
            let text = if wrap { format!("{{\"A\":{text}}}") } else { text };
            let accepted = serde_json::from_str::<IgnoredAny>(&text).is_ok();
            prop_assert!(accepted || parse(text.as_bytes()).is_err());
            let _ = parse(text.as_bytes());
        }
    }
}
