//! The canonical notation of values in a vault file (`docs/format.md`, section 2).
//!
//! [`Cursor`] accepts only what [`Canonical::print`] writes, so a file that was
//! read is the file that would be written.

mod metadata;

use crate::clock::{Span, Timestamp};
use crate::crypto::{self, Commitment, Hash, PublicKey, Recipient, SealedValue, Signature, WrappedKey};

use super::error::{Kind, Rejected};
use super::name::{DeviceName, MemberName, ProfileName, ProviderName};

pub use metadata::{Text, TextError, is_hostile};

/// Longest metadata string, in bytes.
pub(crate) const MAX_TEXT: usize = 4096;
/// Largest integer: bounds versions, epochs and clocks.
pub(crate) const MAX_INTEGER: u64 = 1 << 48;
/// Most elements of an ordinary array.
pub(crate) const MAX_ARRAY: usize = 100;
/// Most elements of an array of the team log.
pub(crate) const MAX_TEAM_ARRAY: usize = 65_536;
/// Largest value, in bytes.
pub const MAX_VALUE: usize = 1 << 20;
/// Longest line, in bytes without its LF.
pub(crate) const MAX_LINE: usize = 2 << 20;

/// Why reading stopped: the kind, and the byte offset in the text given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stop {
    pub(crate) kind: Kind,
    pub(crate) offset: usize,
}

impl Stop {
    /// Turns the offset into a line of the file. `before` is the number of
    /// lines of the file ahead of `text`.
    pub(crate) fn at_line(self, text: &str, before: usize) -> Rejected {
        let offset = self.offset.min(text.len());
        let lines = memchr::memchr_iter(b'\n', &text.as_bytes()[..offset]).count();
        Rejected { line: Some(before + lines + 1), ..Rejected::new(self.kind) }
    }
}

/// A position in canonical text.
#[derive(Clone, Copy)]
pub(crate) struct Cursor<'a> {
    text: &'a str,
    offset: usize,
    /// Every byte was read before, by all rules: what costs most is not checked again.
    known: bool,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, offset: 0, known: false }
    }

    /// Over text that was accepted before.
    pub(crate) fn of_known(text: &'a str) -> Self {
        Self { known: true, ..Self::new(text) }
    }

    pub(crate) fn rest(&self) -> &'a str {
        &self.text[self.offset..]
    }

    pub(crate) fn offset(&self) -> usize {
        self.offset
    }

    pub(crate) fn at_end(&self) -> bool {
        self.offset == self.text.len()
    }

    pub(crate) fn stop<T>(&self, kind: Kind) -> Result<T, Stop> {
        Err(Stop { kind, offset: self.offset })
    }

    /// Takes `literal` if it comes next.
    pub(crate) fn take(&mut self, literal: &str) -> bool {
        let found = self.rest().as_bytes().starts_with(literal.as_bytes());
        if found {
            self.offset += literal.len();
        }
        found
    }

    pub(crate) fn expect(&mut self, literal: &str) -> Result<(), Stop> {
        if self.take(literal) { Ok(()) } else { self.stop(Kind::Layout) }
    }

    /// A line of its own.
    pub(crate) fn expect_line(&mut self, line: &str) -> Result<(), Stop> {
        self.expect(line)?;
        self.expect("\n")
    }

    /// Takes `key = ` if it comes next.
    pub(crate) fn take_key(&mut self, key: &str) -> bool {
        let rest = self.rest().as_bytes();
        let found = rest.len() > key.len() + 3
            && &rest[..key.len()] == key.as_bytes()
            && &rest[key.len()..key.len() + 3] == b" = ";
        if found {
            self.offset += key.len() + 3;
        }
        found
    }

    /// A field on a line of its own, if it comes next.
    pub(crate) fn optional<T: Canonical>(&mut self, key: &str) -> Result<Option<T>, Stop> {
        if !self.take_key(key) {
            return Ok(None);
        }
        let value = T::read(self)?;
        self.expect("\n")?;
        Ok(Some(value))
    }

    /// A field on a line of its own that must come next.
    pub(crate) fn required<T: Canonical>(&mut self, key: &str) -> Result<T, Stop> {
        let here = *self;
        match self.optional(key)? {
            Some(value) => Ok(value),
            None => here.stop(Kind::Layout),
        }
    }

    /// A bare key and ` = `: letters, digits, `_` and `-`.
    pub(crate) fn bare_key(&mut self) -> Result<&'a str, Stop> {
        let rest = self.rest();
        let length = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_' || *b == b'-').count();
        self.offset += length;
        self.expect(" = ")?;
        Ok(&rest[..length])
    }

    /// A quoted string without escapes, at most `max` bytes; for encodings.
    fn plain(&mut self, max: usize) -> Result<&'a str, Stop> {
        self.expect("\"")?;
        let rest = self.rest();
        let end = memchr::memchr2(b'"', b'\n', rest.as_bytes()).unwrap_or(rest.len());
        if end > max {
            return self.stop(Kind::Layout);
        }
        let found = &rest[..end];
        self.offset += end;
        self.expect("\"")?;
        Ok(found)
    }

    /// A quoted string that is parsed as it stands.
    pub(crate) fn parsed<T: std::str::FromStr>(&mut self) -> Result<T, Stop> {
        let here = *self;
        self.plain(MAX_LINE)?.parse().or_else(|_| here.stop(Kind::Layout))
    }

    /// The line of a signature, which is not taken out where it was verified before.
    pub(crate) fn signature_line(&mut self) -> Result<Option<Signature>, Stop> {
        if !self.known {
            return self.required("signature").map(Some);
        }
        self.expect("signature = ")?;
        self.plain(MAX_LINE)?;
        self.expect("\n")?;
        Ok(None)
    }

    /// Passes over a grant. Its notation is checked and its bytes are not taken out: of the
    /// hundreds that a large team has, one is opened.
    pub(crate) fn pass_grant(&mut self) -> Result<(), Stop> {
        let here = *self;
        let text = self.plain(WrappedKey::MOST.div_ceil(3) * 4)?;
        if crypto::is_base64(text, WrappedKey::MOST) { Ok(()) } else { here.stop(Kind::Layout) }
    }

    fn base64(&mut self, max: usize) -> Result<Vec<u8>, Stop> {
        let here = *self;
        let text = self.plain(max.div_ceil(3) * 4)?;
        crypto::from_base64(text, "base64").or_else(|_| here.stop(Kind::Layout))
    }

    /// `[a, b]` of at least one and at most `max` elements.
    pub(crate) fn array<T: Canonical>(&mut self, max: usize) -> Result<Vec<T>, Stop> {
        self.expect("[")?;
        let mut elements = vec![T::read(self)?];
        while self.take(", ") {
            if elements.len() == max {
                return self.stop(Kind::Bounds);
            }
            elements.push(T::read(self)?);
        }
        self.expect("]")?;
        Ok(elements)
    }

    /// Opens an inline table; its fields are then taken in order.
    pub(crate) fn inline(&mut self) -> Result<Inline<'_, 'a>, Stop> {
        self.expect("{ ")?;
        Ok(Inline { cursor: self, first: true })
    }
}

/// The fields of an inline table, in order.
pub(crate) struct Inline<'c, 'a> {
    cursor: &'c mut Cursor<'a>,
    first: bool,
}

impl<'a> Inline<'_, 'a> {
    pub(crate) fn optional<T: Canonical>(&mut self, key: &str) -> Result<Option<T>, Stop> {
        self.optional_with(key, T::read)
    }

    pub(crate) fn optional_with<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(&mut Cursor<'a>) -> Result<T, Stop>,
    ) -> Result<Option<T>, Stop> {
        let before = *self.cursor;
        let separated = self.first || self.cursor.take(", ");
        if !separated || !self.cursor.take_key(key) {
            *self.cursor = before;
            return Ok(None);
        }
        self.first = false;
        read(self.cursor).map(Some)
    }

    pub(crate) fn required<T: Canonical>(&mut self, key: &str) -> Result<T, Stop> {
        match self.optional(key)? {
            Some(value) => Ok(value),
            None => self.cursor.stop(Kind::Layout),
        }
    }

    pub(crate) fn close(self) -> Result<(), Stop> {
        if self.first {
            return self.cursor.stop(Kind::Layout);
        }
        self.cursor.expect(" }")
    }
}

/// A kind of value with one notation.
pub(crate) trait Canonical: Sized {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Stop>;
    fn print(&self, out: &mut String);
}

/// Prints `key = value` and LF.
pub(crate) fn field<T: Canonical>(out: &mut String, key: &str, value: &T) {
    out.push_str(key);
    out.push_str(" = ");
    value.print(out);
    out.push('\n');
}

/// As [`field`], and nothing for `None`.
pub(crate) fn optional_field<T: Canonical>(out: &mut String, key: &str, value: Option<&T>) {
    if let Some(value) = value {
        field(out, key, value);
    }
}

/// Prints `[a, b]` behind `key = `, and nothing for no elements.
pub(crate) fn array_field<T: Canonical>(out: &mut String, key: &str, elements: &[T]) {
    if !elements.is_empty() {
        out.push_str(key);
        out.push_str(" = ");
        print_array(out, elements);
        out.push('\n');
    }
}

pub(crate) fn print_array<T: Canonical>(out: &mut String, elements: &[T]) {
    out.push('[');
    for (n, element) in elements.iter().enumerate() {
        if n > 0 {
            out.push_str(", ");
        }
        element.print(out);
    }
    out.push(']');
}

/// Writes the fields of an inline table.
pub(crate) struct InlineOut<'o> {
    out: &'o mut String,
    first: bool,
}

impl<'o> InlineOut<'o> {
    pub(crate) fn open(out: &'o mut String) -> Self {
        out.push_str("{ ");
        Self { out, first: true }
    }

    pub(crate) fn key(&mut self, key: &str) -> &mut String {
        if !self.first {
            self.out.push_str(", ");
        }
        self.first = false;
        self.out.push_str(key);
        self.out.push_str(" = ");
        self.out
    }

    pub(crate) fn field<T: Canonical>(&mut self, key: &str, value: &T) {
        value.print(self.key(key));
    }

    pub(crate) fn close(self) {
        self.out.push_str(" }");
    }
}

impl Canonical for u64 {
    /// From 1 to 2^48.
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Stop> {
        let here = *cursor;
        let digits = cursor.rest().bytes().take_while(u8::is_ascii_digit).count();
        let text = &cursor.rest()[..digits];
        cursor.offset += digits;
        if text.is_empty() || text.starts_with('0') {
            return here.stop(Kind::Layout);
        }
        match text.parse() {
            Ok(number) if number <= MAX_INTEGER => Ok(number),
            _ => here.stop(Kind::Layout),
        }
    }

    fn print(&self, out: &mut String) {
        use std::fmt::Write;
        // Writing to a String cannot fail.
        let _ = write!(out, "{self}");
    }
}

/// The Boolean `true`: false is left out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct True;

impl Canonical for True {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Stop> {
        cursor.expect("true").map(|()| Self)
    }

    fn print(&self, out: &mut String) {
        out.push_str("true");
    }
}

impl Canonical for Timestamp {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Stop> {
        let date = cursor.rest().get(..20).and_then(Timestamp::from_canonical);
        match date {
            Some(date) => {
                cursor.offset += 20;
                Ok(date)
            }
            None => cursor.stop(Kind::Layout),
        }
    }

    fn print(&self, out: &mut String) {
        out.push_str(&self.to_string());
    }
}

impl Canonical for Span {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Stop> {
        let here = *cursor;
        let text = cursor.plain(MAX_TEXT)?;
        match Span::parse(text) {
            Ok(span) if span.to_string() == text => Ok(span),
            _ => here.stop(Kind::Layout),
        }
    }

    fn print(&self, out: &mut String) {
        quoted(out, self);
    }
}

fn quoted(out: &mut String, text: &impl std::fmt::Display) {
    use std::fmt::Write;
    // Writing to a String cannot fail.
    let _ = write!(out, "\"{text}\"");
}

macro_rules! quoted_text {
    ($($type:ty),*) => {$(
        impl Canonical for $type {
            fn read(cursor: &mut Cursor<'_>) -> Result<Self, Stop> {
                cursor.parsed()
            }

            fn print(&self, out: &mut String) {
                quoted(out, self);
            }
        }
    )*};
}

quoted_text!(Hash, PublicKey, Signature, Commitment, DeviceName, MemberName, ProfileName, ProviderName);

impl Canonical for Recipient {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Stop> {
        if cursor.known { cursor.plain(MAX_LINE).map(Self::of_known) } else { cursor.parsed() }
    }

    fn print(&self, out: &mut String) {
        quoted(out, self);
    }
}

impl Canonical for SealedValue {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Stop> {
        let here = *cursor;
        let bytes = cursor.base64(24 + MAX_VALUE + 64 + 16)?;
        SealedValue::from_bytes(bytes).or_else(|_| here.stop(Kind::Layout))
    }

    fn print(&self, out: &mut String) {
        quoted(out, &crypto::to_base64(self.as_bytes()));
    }
}

impl Canonical for WrappedKey {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Stop> {
        let here = *cursor;
        let bytes = cursor.base64(WrappedKey::MOST)?;
        WrappedKey::from_bytes(bytes).or_else(|_| here.stop(Kind::Layout))
    }

    fn print(&self, out: &mut String) {
        quoted(out, &crypto::to_base64(self.as_bytes()));
    }
}

impl<const N: usize> Canonical for [u8; N] {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Stop> {
        let here = *cursor;
        cursor.base64(N)?.try_into().or_else(|_| here.stop(Kind::Layout))
    }

    fn print(&self, out: &mut String) {
        quoted(out, &crypto::to_base64(self));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: Canonical>(text: &str) -> Option<T> {
        let mut cursor = Cursor::new(text);
        T::read(&mut cursor).ok().filter(|_| cursor.at_end())
    }

    #[test]
    fn only_what_is_printed_is_read() {
        for text in ["\"a\"", "\"a\\\"b\\\\\"", "\"ü \u{1F511}\""] {
            let mut out = String::new();
            read::<Text>(text).unwrap().print(&mut out);
            assert_eq!(out, text);
        }
        for text in ["\"\"", "\"a\\n\"", "\"\\u0041\"", "\"a", "'a'", "\"a\u{1b}\"", "\"a\u{202e}b\"", "\"a\tb\""] {
            assert!(read::<Text>(text).is_none(), "{text:?}");
        }
        for text in ["0", "01", "+1", "-1", "1_0", "", "281474976710657", "1.0"] {
            assert!(read::<u64>(text).is_none(), "{text:?}");
        }
        assert_eq!(read::<u64>("281474976710656"), Some(MAX_INTEGER));
        for text in ["\"6w\"", "\"24h\"", "\"90d \"", "\"0d\"", "90d"] {
            assert!(read::<Span>(text).is_none(), "{text:?}");
        }
        assert_eq!(read::<Span>("\"90d\""), Some(Span::days(90)));
        // Unused bits set, and missing padding.
        for text in ["\"AB==\"", "\"AA\"", "\"AA==\n\""] {
            assert!(read::<[u8; 1]>(text).is_none(), "{text:?}");
        }
        assert_eq!(read::<[u8; 1]>("\"AA==\""), Some([0]));
    }

    #[test]
    fn a_grant_is_passed_over_exactly_where_it_is_read() {
        let bytes = |length: usize| crypto::to_base64(&vec![0xa5; length]);
        let mut texts: Vec<String> =
            [1, 2, 3, 4, 300, 4094, 4095, 4096, 4097, 4098, 4099].map(|length| format!("\"{}\"", bytes(length))).into();
        for text in ["", "A", "AA", "AAA", "AAA=", "AAB=", "AA==", "AB==", "A===", "====", "AAAA=", "AA=A", "AA==AAAA"]
        {
            texts.extend([format!("\"{text}\""), format!("\"AAAA{text}\"")]);
        }
        for odd in ["-", "_", " ", "é", "\n", "\\", "="] {
            texts.extend([format!("\"AAA{odd}AAAA\""), format!("\"AAAAAA{odd}A\""), format!("\"{odd}AAA\"")]);
        }
        texts.extend(["\"AAAA", "AAAA\"", "AAAA"].map(str::to_owned));
        for text in texts {
            let mut cursor = Cursor::new(&text);
            let passed = cursor.pass_grant().is_ok() && cursor.at_end();
            assert_eq!(passed, read::<WrappedKey>(&text).is_some(), "{text:?}");
        }
    }

    #[test]
    fn inline_tables_keep_their_order() {
        let two = |text: &str| -> Result<(Option<u64>, Option<u64>), Stop> {
            let mut cursor = Cursor::new(text);
            let mut table = cursor.inline()?;
            let fields = (table.optional("a")?, table.optional("b")?);
            table.close()?;
            Ok(fields)
        };
        assert_eq!(two("{ a = 1, b = 2 }").unwrap(), (Some(1), Some(2)));
        assert_eq!(two("{ b = 2 }").unwrap(), (None, Some(2)));
        for text in ["{ b = 2, a = 1 }", "{ }", "{}", "{ a = 1, }", "{ a = 1 b = 2 }", "{ a = 1, a = 1 }", "{a = 1}"] {
            assert!(two(text).is_err(), "{text}");
        }
    }
}
