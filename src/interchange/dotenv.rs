//! `.env` files, as python-dotenv reads them.
//!
//! There is no standard. The grammar is that of python-dotenv 1.2, which
//! `tests/oracles/` compares with case by case; where we differ, the case says
//! why. Bytes that are not UTF-8 pass through.
//!
//! - `NAME=value`, `export NAME=value`, `'NAME'=value`; spaces around `=` and
//!   blank lines are free; a line that starts with `#` is a comment.
//! - Unquoted: to the end of the line or to a `#` after a space; trailing space
//!   goes. A backslash or backtick is itself.
//! - `'…'` and `"…"` may span lines. `\'` and `\\` are escapes in the first;
//!   `\\ \' \" \a \b \f \n \r \t \v` in the second. Any other backslash is
//!   itself.
//! - LF, CRLF and CR end a line, and are LF inside quotes.
//! - `$NAME` and `${NAME}` are never expanded.

use memchr::{memchr, memchr_iter, memchr2};

use super::{Entry, Error, Gathered, MAX_VALUE, Parsed, Reason, name, print_each};
use crate::secret_value::SecretValue;

/// Reads a `.env` text of any encoding that extends ASCII.
///
/// Never fails: what cannot be taken is in [`Parsed::skipped`]. An unterminated
/// quote costs its own line only. Time is linear in the length of `text`, which
/// the caller bounds.
#[must_use]
pub fn parse(text: &[u8]) -> Parsed {
    let mut cursor = Cursor { rest: text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text), line: 1 };
    let mut gathered = Gathered::default();
    while cursor.find_statement() {
        let line = cursor.line;
        if gathered.is_full(line) {
            break;
        }
        match statement(&mut cursor) {
            Ok((name, Value { bytes, literal_dollar })) => {
                gathered.take(Entry { name: name.to_owned(), value: bytes, line, literal_dollar });
            }
            Err((name, reason)) => gathered.skip(line, name, reason),
        }
        cursor.end_line();
    }
    gathered.finish()
}

/// What is left of the text, and where that is.
struct Cursor<'a> {
    rest: &'a [u8],
    line: usize,
}

impl<'a> Cursor<'a> {
    /// Goes to the next line that is neither blank nor a comment; false at the end.
    fn find_statement(&mut self) -> bool {
        loop {
            self.take_spaces();
            match self.rest.first() {
                None => return false,
                Some(b'\r' | b'\n' | b'#') => self.end_line(),
                Some(_) => return true,
            }
        }
    }

    /// Takes `count` bytes that stay on one line.
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(count);
        self.rest = rest;
        taken
    }

    /// Takes spaces other than line ends; true if there were any.
    fn take_spaces(&mut self) -> bool {
        let before = self.rest.len();
        while let width @ 1.. = space(self.rest) {
            self.take(width);
        }
        self.rest.len() < before
    }

    /// What is left of this line.
    fn line_rest(&self) -> &'a [u8] {
        &self.rest[..memchr2(b'\r', b'\n', self.rest).unwrap_or(self.rest.len())]
    }

    /// Takes the rest of this line and its end.
    fn end_line(&mut self) {
        self.take(self.line_rest().len());
        let width = if self.rest.starts_with(b"\r\n") { 2 } else { self.rest.len().min(1) };
        self.take(width);
        self.line += 1;
    }

    /// Takes what stands where a name should.
    fn take_key(&mut self) -> &'a [u8] {
        if let Some(b"export") = self.rest.get(..6)
            && space(&self.rest[6..]) > 0
        {
            self.take(6);
            self.take_spaces();
        }
        let line = self.line_rest();
        if let Some(inside) = line.strip_prefix(b"'") {
            return match memchr(b'\'', inside) {
                Some(length) => &self.take(length + 2)[1..=length],
                None => self.take(line.len()),
            };
        }
        let ends = |at: &usize| matches!(line[*at], b'=' | b'#') || space(&line[*at..]) > 0;
        self.take((0..line.len()).find(ends).unwrap_or(line.len()))
    }
}

struct Value {
    bytes: SecretValue,
    literal_dollar: bool,
}

/// Reads one statement up to its line end, or as far as it makes sense.
fn statement<'a>(cursor: &mut Cursor<'a>) -> Result<(&'a str, Value), (Option<&'a str>, Reason)> {
    let key = cursor.take_key();
    cursor.take_spaces();
    let rest = cursor.line_rest();
    if key.is_empty() || rest.first() != Some(&b'=') {
        let assigns = rest.first() != Some(&b'#') && memchr(b'=', rest).is_some();
        return Err((None, if assigns { Reason::NotAName } else { Reason::NoEquals }));
    }
    cursor.take(1);
    // The value is read even if the name is none, so that its further lines are
    // not taken for statements.
    let value = value(cursor);
    let name = name(key).ok_or((None, Reason::NotAName))?;
    Ok((name, value.map_err(|reason| (Some(name), reason))?))
}

fn value(cursor: &mut Cursor<'_>) -> Result<Value, Reason> {
    let spaced = cursor.take_spaces();
    match cursor.rest.first() {
        Some(b'#') if spaced => Ok(Value { bytes: SecretValue::from(&b""[..]), literal_dollar: false }),
        Some(quote @ (b'\'' | b'"')) => quoted(cursor, *quote),
        _ => {
            let bytes = unquoted(cursor.line_rest());
            if bytes.len() > MAX_VALUE {
                return Err(Reason::TooLarge);
            }
            Ok(Value { bytes: SecretValue::from(bytes), literal_dollar: has_variable(bytes) })
        }
    }
}

/// `line` without an inline comment and trailing space.
fn unquoted(line: &[u8]) -> &[u8] {
    let comment = memchr_iter(b'#', line).find(|at| trim_end(&line[..*at]).len() < *at);
    trim_end(&line[..comment.unwrap_or(line.len())])
}

/// Reads the quoted value at the cursor. Unterminated, it takes nothing.
///
/// The search for the closing quote runs to the end of the text in vain at most
/// once a kind of quote: an opening quote follows `=` or a space, never a
/// backslash, so it would have closed any earlier value of its kind.
fn quoted(cursor: &mut Cursor<'_>, quote: u8) -> Result<Value, Reason> {
    let inside = &cursor.rest[1..];
    let (mut end, mut length, mut lines) = (0, 0, 0);
    while let Some((byte, width)) = quoted_byte(&inside[end..], quote) {
        // A line end, and not the escape `\n`.
        lines += usize::from(byte == b'\n' && inside[end] != b'\\');
        end += width;
        length += 1;
    }
    if end == inside.len() {
        return Err(Reason::UnterminatedQuote);
    }
    cursor.take(end + 2);
    cursor.line += lines;
    cursor.take_spaces();
    if !matches!(cursor.line_rest().first(), None | Some(b'#')) {
        return Err(Reason::TextAfterQuote);
    }
    if length > MAX_VALUE {
        return Err(Reason::TooLarge);
    }
    let mut bytes = Vec::with_capacity(length);
    let mut rest = inside;
    while let Some((byte, width)) = quoted_byte(rest, quote) {
        bytes.push(byte);
        rest = &rest[width..];
    }
    // Between single quotes only python-dotenv expands, and only braces.
    let literal_dollar =
        if quote == b'"' { has_variable(&bytes) } else { memchr::memmem::find(&bytes, b"${").is_some() };
    Ok(Value { bytes: SecretValue::new(bytes), literal_dollar })
}

/// The first byte of a quoted value and how much text it takes; none at the
/// closing quote and at the end of the text.
fn quoted_byte(text: &[u8], quote: u8) -> Option<(u8, usize)> {
    match *text {
        [] => None,
        [byte, ..] if byte == quote => None,
        [b'\\', escape, ..] => Some(match (escape, quote) {
            (b'\\' | b'\'', _) | (b'"', b'"') => (escape, 2),
            (b'a', b'"') => (0x07, 2),
            (b'b', b'"') => (0x08, 2),
            (b'f', b'"') => (0x0c, 2),
            (b'n', b'"') => (b'\n', 2),
            (b'r', b'"') => (b'\r', 2),
            (b't', b'"') => (b'\t', 2),
            (b'v', b'"') => (0x0b, 2),
            _ => (b'\\', 1),
        }),
        [b'\r', b'\n', ..] => Some((b'\n', 2)),
        [b'\r', ..] => Some((b'\n', 1)),
        [byte, ..] => Some((byte, 1)),
    }
}

/// True for `$NAME` and `${`.
fn has_variable(value: &[u8]) -> bool {
    memchr_iter(b'$', value)
        .any(|at| value.get(at + 1).is_some_and(|b| b.is_ascii_alphabetic() || matches!(b, b'_' | b'{')))
}

/// Bytes taken by the space that `text` starts with, 0 if it starts with none.
///
/// Space is what Python's `str.isspace` says, in UTF-8, without CR and LF.
fn space(text: &[u8]) -> usize {
    match text {
        [b' ' | b'\t' | 0x0b | 0x0c | 0x1c..=0x1f, ..] => 1,
        [0xc2, 0x85 | 0xa0, ..] => 2,
        [0xe1, 0x9a, 0x80, ..]
        | [0xe2, 0x80, 0x80..=0x8a | 0xa8 | 0xa9 | 0xaf, ..]
        | [0xe2, 0x81, 0x9f, ..]
        | [0xe3, 0x80, 0x80, ..] => 3,
        _ => 0,
    }
}

fn trim_end(mut text: &[u8]) -> &[u8] {
    let last = |text: &[u8]| (1..=text.len().min(3)).find(|width| space(&text[text.len() - width..]) == *width);
    while let Some(width) = last(text) {
        text = &text[..text.len() - width];
    }
    text
}

/// Writes `NAME=value` lines that [`parse`] reads back byte for byte.
///
/// A value is written plain if it is made of letters, digits and `_-./:@%+,=`;
/// between single quotes if it has none of `'`, backslash and CR; otherwise
/// between double quotes. Line feeds stand as they are inside the quotes. Names
/// are for the caller to keep distinct.
///
/// python-dotenv reads the same bytes back with `interpolate=False`. By default
/// it expands `${…}` between quotes of either kind and has no escape for it. A
/// value that is not UTF-8 needs an `encoding` that fits, a stream opened with
/// `surrogateescape` for instance.
///
/// `out` grows without leaving a copy behind and is for the caller to wipe.
///
/// # Errors
/// [`Error::NotAName`], [`Error::TooLarge`]; every other value can be written.
/// `out` is then as it was before.
pub fn print<'a>(entries: impl IntoIterator<Item = (&'a str, &'a [u8])>, out: &mut Vec<u8>) -> Result<(), Error> {
    print_each(entries, out, |name, value, out| {
        out.extend_from_slice(name.as_bytes());
        out.push(b'=');
        if value.iter().all(|b| b.is_ascii_alphanumeric() || b"_-./:@%+,=".contains(b)) {
            out.extend_from_slice(value);
        } else if value.iter().all(|b| !b"'\\\r".contains(b)) {
            out.push(b'\'');
            out.extend_from_slice(value);
            out.push(b'\'');
        } else {
            out.push(b'"');
            for byte in value {
                match byte {
                    b'\r' => out.extend_from_slice(b"\\r"),
                    b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
                    _ => out.push(*byte),
                }
            }
            out.push(b'"');
        }
        out.push(b'\n');
        Ok(())
    })
}

#[cfg(test)]
mod tests;
