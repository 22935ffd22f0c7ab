//! Other people's formats for named values: bytes in, entries out, and back.
//!
//! Nothing here reads a file, expands a variable or shows a value. What a
//! format can say and a vault cannot hold is skipped with its line and a
//! [`Reason`]; neither a reason nor an [`Error`] ever carries text of the input.

pub mod dotenv;
pub mod json;
pub mod shell;

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;

use zeroize::Zeroize;

use crate::secret_value::SecretValue;

/// Longest name, in bytes.
pub const MAX_NAME: usize = 256;
/// Longest value, in bytes: 1 MiB.
pub const MAX_VALUE: usize = 1 << 20;
/// Most entries of one text, and most skipped lines reported of it.
pub const MAX_ENTRIES: usize = 1 << 16;

/// Whether a text can be read at all.
///
/// # Errors
/// [`Error::Utf16`].
pub fn check_encoding(text: &[u8]) -> Result<(), Error> {
    if text.starts_with(b"\xff\xfe") || text.starts_with(b"\xfe\xff") { Err(Error::Utf16) } else { Ok(()) }
}

/// What a text holds.
#[derive(Debug, Default)]
pub struct Parsed {
    /// One entry a name, in the order in which the names first appear.
    pub entries: Vec<Entry>,
    /// What was not taken over, by line.
    pub skipped: Vec<Skipped>,
}

/// A named value.
#[derive(Debug)]
pub struct Entry {
    /// `[A-Za-z_][A-Za-z0-9_]*`, at most [`MAX_NAME`] bytes.
    pub name: String,
    /// Any bytes, NUL included, at most [`MAX_VALUE`].
    pub value: SecretValue,
    /// Line on which the name stands, from 1.
    pub line: usize,
    /// True where another reader of the format may expand a variable in the
    /// value; here it was taken literally. Always false for JSON.
    pub literal_dollar: bool,
}

/// Something that was not taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// Line on which it starts, from 1.
    pub line: usize,
    /// The name, if it is a valid one. Never given for a line without `=`: that
    /// may be a line of a secret pasted without quotes.
    pub name: Option<String>,
    /// Why.
    pub reason: Reason,
}

/// Why something was not taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// Not `[A-Za-z_][A-Za-z0-9_]*`, or over [`MAX_NAME`] bytes.
    #[error("not a name")]
    NotAName,
    /// A line that assigns nothing.
    #[error("no `=`")]
    NoEquals,
    /// The quote that starts the value is not closed by the end of the text.
    #[error("unterminated quote")]
    UnterminatedQuote,
    /// More than a comment follows the quoted value.
    #[error("text after the closing quote")]
    TextAfterQuote,
    /// Over [`MAX_VALUE`] bytes.
    #[error("value over 1 MiB")]
    TooLarge,
    /// A later line sets the same name, and won.
    #[error("set again on line {by}")]
    Duplicate {
        /// The line that won.
        by: usize,
    },
    /// JSON `null`.
    #[error("null")]
    Null,
    /// A JSON array or object.
    #[error("an array or object, not a value")]
    Nested,
    /// [`MAX_ENTRIES`] was reached; this line and all after it were not read.
    #[error("too many entries: nothing from here on was read")]
    TooMany,
}

/// Why a text could not be read or written at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A text that begins with the byte order mark of UTF-16, as Windows PowerShell writes it.
    #[error("the text is UTF-16; only UTF-8 is read")]
    Utf16,
    /// The text is not JSON in UTF-8, or has half a surrogate pair in a string.
    #[error("not valid JSON at line {line}")]
    NotJson {
        /// Line of the first fault, from 1.
        line: usize,
    },
    /// The text is JSON, of another kind.
    #[error("not a JSON object at line {line}")]
    NotAnObject {
        /// Line on which the text starts, from 1.
        line: usize,
    },
    /// To be written under a name that no reader would take.
    #[error("not a name: {name:?}")]
    NotAName {
        /// The name.
        name: String,
    },
    /// Over [`MAX_VALUE`] bytes.
    #[error("value of {name} is over 1 MiB")]
    TooLarge {
        /// The name.
        name: String,
    },
    /// JSON holds text only.
    #[error("value of {name} is not UTF-8, which JSON cannot hold")]
    NotUtf8 {
        /// The name.
        name: String,
    },
    /// No shell variable holds a NUL byte.
    #[error("value of {name} has a NUL byte, which a shell cannot hold")]
    Nul {
        /// The name.
        name: String,
    },
}

/// `bytes` as a name, if it is one.
fn name(bytes: &[u8]) -> Option<&str> {
    let starts = bytes.first().is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_');
    let goes_on = bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_');
    if starts && goes_on && bytes.len() <= MAX_NAME { std::str::from_utf8(bytes).ok() } else { None }
}

/// Gathers entries within the bounds; the last of one name wins.
#[derive(Default)]
struct Gathered {
    parsed: Parsed,
    places: HashMap<String, usize>,
}

impl Gathered {
    /// Takes the entry unless it is too large.
    fn take(&mut self, entry: Entry) {
        if entry.value.len() > MAX_VALUE {
            return self.skip(entry.line, Some(&entry.name), Reason::TooLarge);
        }
        match self.places.entry(entry.name.clone()) {
            Slot::Vacant(slot) => {
                slot.insert(self.parsed.entries.len());
                self.parsed.entries.push(entry);
            }
            Slot::Occupied(slot) => {
                let by = entry.line;
                let earlier = std::mem::replace(&mut self.parsed.entries[*slot.get()], entry);
                self.skip(earlier.line, Some(&earlier.name), Reason::Duplicate { by });
            }
        }
    }

    fn skip(&mut self, line: usize, name: Option<&str>, reason: Reason) {
        self.parsed.skipped.push(Skipped { line, name: name.map(str::to_owned), reason });
    }

    /// True when no more may be taken; then says so for `line`.
    fn is_full(&mut self, line: usize) -> bool {
        let full = self.parsed.entries.len() >= MAX_ENTRIES || self.parsed.skipped.len() >= MAX_ENTRIES;
        if full {
            self.skip(line, None, Reason::TooMany);
        }
        full
    }

    fn finish(mut self) -> Parsed {
        self.parsed.skipped.sort_by_key(|skipped| skipped.line);
        self.parsed
    }
}

/// Most bytes that one byte of a value becomes: `\u001f` in JSON.
const WIDEST_ESCAPE: usize = 6;
/// More than any format puts around a name and its value.
const FRAME: usize = 32;

/// Writes every entry with `one`. After an error `out` is as it was before.
fn print_each<'a>(
    entries: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    out: &mut Vec<u8>,
    mut one: impl FnMut(&'a str, &'a [u8], &mut Vec<u8>) -> Result<(), Error>,
) -> Result<(), Error> {
    let start = out.len();
    let done = entries.into_iter().try_for_each(|(name, value)| {
        if self::name(name.as_bytes()).is_none() {
            return Err(Error::NotAName { name: name.to_owned() });
        }
        if value.len() > MAX_VALUE {
            return Err(Error::TooLarge { name: name.to_owned() });
        }
        make_room(out, name.len() + value.len() * WIDEST_ESCAPE + FRAME);
        let capacity = out.capacity();
        one(name, value, out)?;
        debug_assert_eq!(out.capacity(), capacity, "a reallocation leaves an unwiped copy");
        Ok(())
    });
    if done.is_err() {
        out[start..].zeroize();
        out.truncate(start);
    }
    done
}

/// Makes room for `more` bytes, and wipes the memory that `out` moves out of.
fn make_room(out: &mut Vec<u8>, more: usize) {
    let needed = out.len() + more;
    if needed > out.capacity() {
        let mut moved = Vec::with_capacity(needed.max(out.capacity() * 2));
        moved.extend_from_slice(out);
        std::mem::replace(out, moved).zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `(name, value)` of every entry.
    pub(super) fn pairs(parsed: &Parsed) -> Vec<(&str, &[u8])> {
        parsed.entries.iter().map(|entry| (entry.name.as_str(), entry.value.reveal())).collect()
    }

    /// `(line, name, reason)` of everything skipped.
    pub(super) fn skips(parsed: &Parsed) -> Vec<(usize, Option<&str>, Reason)> {
        parsed.skipped.iter().map(|skipped| (skipped.line, skipped.name.as_deref(), skipped.reason)).collect()
    }

    #[test]
    fn names_are_what_an_environment_and_a_shell_take() {
        for good in ["A", "_", "a1", "OPENAI_API_KEY", "__x__", &"N".repeat(256)] {
            assert_eq!(name(good.as_bytes()), Some(good));
        }
        for bad in ["", "1A", "A-B", "A.B", "A B", "\u{c4}", "A\0", "A=", &"N".repeat(257)] {
            assert_eq!(name(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn every_printer_refuses_a_bad_name_and_a_huge_value_and_leaves_no_output() {
        type Print = fn(Vec<(&'static str, &'static [u8])>, &mut Vec<u8>) -> Result<(), Error>;
        let huge: &'static [u8] = Vec::leak(vec![b'x'; MAX_VALUE + 1]);
        let printers: [Print; 3] = [|e, o| dotenv::print(e, o), |e, o| json::print(e, o), |e, o| shell::print(e, o)];
        for print in printers {
            let mut out = b"before".to_vec();
            let error = print(vec![("A", b"secret"), ("B C", b"")], &mut out).unwrap_err();
            assert_eq!(error.to_string(), "not a name: \"B C\"");
            assert_eq!(out, b"before");
            let error = print(vec![("A", b"secret"), ("B", huge)], &mut out).unwrap_err();
            assert_eq!(error.to_string(), "value of B is over 1 MiB");
            assert_eq!(out, b"before");
            print(vec![("A", &huge[1..])], &mut out).unwrap();
        }
    }

    #[test]
    fn debug_shows_no_value() {
        let shown = format!("{:?}", dotenv::parse(b"A=hunter2\nhunter3\nB='hunter4\nC=\"hunter5\" hunter6\n"));
        assert!(!shown.contains("hunter"), "{shown}");
        assert!(shown.contains("UnterminatedQuote"), "{shown}");
    }
}
