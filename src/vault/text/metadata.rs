//! Text that people write about a secret: notes, owners, reasons.

use super::super::error::Kind;
use super::{Canonical, Cursor, MAX_TEXT, Stop};

/// Metadata text: 1 to 4,096 bytes of UTF-8 that cannot move a cursor or
/// reverse a line: no control characters, no bidirectional marks.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text(String);

/// Why metadata text was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// No text at all.
    #[error("text is empty")]
    Empty,
    /// More than 4,096 bytes.
    #[error("text has more than 4096 bytes")]
    TooLong,
    /// A control character or bidirectional mark.
    #[error("text has a line break, control character or direction mark")]
    Control,
}

impl Text {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// True for characters that could move a cursor, reverse a line or end one.
#[must_use]
pub fn is_hostile(c: char) -> bool {
    matches!(c,
        '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}')
}

impl std::str::FromStr for Text {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        if text.is_empty() {
            Err(TextError::Empty)
        } else if text.len() > MAX_TEXT {
            Err(TextError::TooLong)
        } else if text.chars().any(is_hostile) {
            Err(TextError::Control)
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

impl std::fmt::Display for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl serde::Serialize for Text {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl Canonical for Text {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, Stop> {
        let here = *cursor;
        cursor.expect("\"")?;
        let mut text = String::new();
        loop {
            let rest = cursor.rest();
            let Some(plain) = memchr::memchr3(b'"', b'\\', b'\n', rest.as_bytes()) else {
                return cursor.stop(Kind::Layout);
            };
            text.push_str(&rest[..plain]);
            if text.len() > MAX_TEXT {
                return here.stop(Kind::Layout);
            }
            cursor.offset += plain;
            if cursor.take("\"") {
                break;
            } else if cursor.take("\\\"") {
                text.push('"');
            } else if cursor.take("\\\\") {
                text.push('\\');
            } else {
                return cursor.stop(Kind::Layout);
            }
        }
        text.parse().or_else(|_| here.stop(Kind::Layout))
    }

    fn print(&self, out: &mut String) {
        out.push('"');
        for c in self.0.chars() {
            if c == '"' || c == '\\' {
                out.push('\\');
            }
            out.push(c);
        }
        out.push('"');
    }
}
