//! JSON on one line, in a fixed order, without a raw control character.

use std::fmt::Write as _;

/// An object that is written field by field, in the order of the calls.
pub(super) struct Object(String);

impl Object {
    pub(super) fn new() -> Self {
        let mut text = String::with_capacity(512);
        text.push('{');
        Self(text)
    }

    fn key(&mut self, key: &str) -> &mut String {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        self.0.push('"');
        self.0.push_str(key);
        self.0.push_str("\":");
        &mut self.0
    }

    pub(super) fn number(&mut self, key: &str, number: u64) {
        let _ = write!(self.key(key), "{number}");
    }

    pub(super) fn boolean(&mut self, key: &str, value: bool) {
        self.key(key).push_str(if value { "true" } else { "false" });
    }

    pub(super) fn null(&mut self, key: &str) {
        self.key(key).push_str("null");
    }

    pub(super) fn text(&mut self, key: &str, text: &str) {
        push_text(self.key(key), text);
    }

    /// A text of known alphabet: a hash, a date, a key.
    pub(super) fn plain(&mut self, key: &str, text: &dyn std::fmt::Display) {
        let _ = write!(self.key(key), "\"{text}\"");
    }

    pub(super) fn optional(&mut self, key: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(key, text);
        }
    }

    pub(super) fn list(&mut self, key: &str, texts: &[String]) {
        if texts.is_empty() {
            return;
        }
        let out = self.key(key);
        for (n, text) in texts.iter().enumerate() {
            out.push(if n == 0 { '[' } else { ',' });
            push_text(out, text);
        }
        out.push(']');
    }

    pub(super) fn object(&mut self, key: &str, inner: Self) {
        let inner = inner.end();
        self.key(key).push_str(&inner);
    }

    /// The text so far, without the closing brace.
    pub(super) fn open_text(&self) -> &str {
        &self.0
    }

    pub(super) fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// A string of RFC 8259 §7 in which every character that moves a cursor,
/// changes the direction of text or cannot be seen is written `\uXXXX`.
fn push_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if is_hidden(c) => push_escape(out, c),
            c => out.push(c),
        }
    }
    out.push('"');
}

fn push_escape(out: &mut String, c: char) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        let _ = write!(out, "\\u{unit:04x}");
    }
}

/// Text with its hidden characters, and nothing else, written `\uXXXX`. JSON
/// stays the same JSON.
pub(super) fn hidden_escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_hidden(c) { push_escape(&mut out, c) } else { out.push(c) }
    }
    out
}

/// C0, DEL, C1, soft hyphen, direction marks and overrides, zero-width and
/// line separators, byte order mark, interlinear and tag characters.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_escaped_and_read_back() {
        let hostile = "a\"\\\n\r\t\0\u{1b}]52;\u{7f}\u{85}\u{9b}\u{61c}\u{200f}\u{2028}\u{2029}\u{202e}\u{2066}\u{feff}\u{e0041}é漢";
        let mut object = Object::new();
        object.text("t", hostile);
        object.list("l", &[hostile.into(), String::new()]);
        let text = object.end();
        assert!(!text.chars().any(is_hidden), "{text}");
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["t"], hostile);
        assert_eq!(value["l"][0], hostile);
        assert_eq!(value["l"][1], "");
    }
}
