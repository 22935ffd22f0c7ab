//! Finds the fields that hold the chain together without parsing the line.
//!
//! The beginning of a line (`v` to `torn`) and its end (`prev`, `sig`) have a
//! fixed shape; what lies between is covered by hash and signature and need
//! not be looked at.

use super::record::Torn;
use super::{Outcome, RECORD_CONTEXT};
use crate::crypto::{Hash, PublicKey, Signature, length_prefixed};

/// Characters in the text of a hash and of a signature.
const HASH: usize = 52;
const SIGNATURE: usize = 88;

/// Numbers are below this.
pub(super) const NUMBERS: u64 = 1 << 53;

/// Fields of one line.
pub(super) struct Fields<'a> {
    /// Text of the vault's id.
    pub(super) vault: &'a [u8],
    pub(super) device: Option<&'a [u8]>,
    pub(super) seq: u64,
    pub(super) epoch: u64,
    /// The time as text.
    pub(super) at: &'a [u8],
    pub(super) action: &'a [u8],
    pub(super) outcome: Outcome,
    pub(super) of: Option<u64>,
    pub(super) torn: Option<Torn>,
    pub(super) prev: Hash,
    /// Everything before `,"sig":`.
    signed: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Scans a line without its LF; `None` if it has another shape.
    pub(super) fn scan(line: &'a [u8]) -> Option<Self> {
        let (rest, signature) = split_end(line.strip_suffix(b"\"}")?, SIGNATURE)?;
        let signed = rest.strip_suffix(b",\"sig\":\"")?;
        let (rest, prev) = split_end(signed.strip_suffix(b"\"")?, HASH)?;
        let body = rest.strip_suffix(b",\"prev\":\"")?;
        let mut cursor = Cursor(body);
        cursor.literal(b"{\"v\":1,\"vault\":\"")?;
        let vault = cursor.word()?;
        let device = if cursor.literal(b",\"device\":\"").is_some() { Some(cursor.word()?) } else { None };
        cursor.literal(b",\"seq\":")?;
        let seq = cursor.number()?;
        cursor.literal(b",\"epoch\":")?;
        let epoch = cursor.number()?;
        cursor.literal(b",\"at\":\"")?;
        let at = cursor.word()?;
        cursor.literal(b",\"action\":\"")?;
        let action = cursor.word()?;
        cursor.literal(b",\"outcome\":\"")?;
        let outcome = Outcome::from_word(std::str::from_utf8(cursor.word()?).ok()?)?;
        let of = if cursor.literal(b",\"of\":").is_some() { Some(cursor.number()?) } else { None };
        let torn = if cursor.literal(b",\"torn\":{\"bytes\":").is_some() {
            let bytes = cursor.number()?;
            cursor.literal(b",\"sha256\":\"")?;
            let sha256 = hash(cursor.word()?)?;
            cursor.literal(b"}")?;
            Some(Torn { bytes, sha256 })
        } else {
            None
        };
        Some(Self { vault, device, seq, epoch, at, action, outcome, of, torn, prev: hash(prev)?, signed, signature })
    }

    /// Whether the line is signed by `key`.
    pub(super) fn is_signed_by(&self, key: &PublicKey) -> bool {
        let signature = std::str::from_utf8(self.signature).ok().and_then(|text| text.parse::<Signature>().ok());
        signature
            .is_some_and(|signature| key.verify(&length_prefixed(&[RECORD_CONTEXT, self.signed]), &signature).is_ok())
    }

    /// Whether the line belongs to this vault and device.
    pub(super) fn is_of(&self, vault: &str, device: Option<&str>) -> bool {
        self.vault == vault.as_bytes() && self.device == device.map(str::as_bytes)
    }
}

fn split_end(text: &[u8], count: usize) -> Option<(&[u8], &[u8])> {
    text.split_at_checked(text.len().checked_sub(count)?)
}

fn hash(text: &[u8]) -> Option<Hash> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn literal(&mut self, text: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(text)?;
        Some(())
    }

    /// A string without escapes and the quote behind it, at most 64 bytes long.
    fn word(&mut self) -> Option<&'a [u8]> {
        let end = memchr::memchr(b'"', &self.0[..self.0.len().min(65)])?;
        let word = &self.0[..end];
        self.0 = &self.0[end + 1..];
        // All of it, which takes less time than to stop where it is wrong.
        word.iter().fold(true, |plain, b| plain & b.is_ascii_graphic() & (*b != b'\\')).then_some(word)
    }

    /// A canonical decimal number below 2^53.
    fn number(&mut self) -> Option<u64> {
        let digits = self.0.iter().take(17).take_while(|byte| byte.is_ascii_digit()).count();
        let (text, rest) = self.0.split_at(digits);
        if digits == 0 || (text[0] == b'0' && digits > 1) {
            return None;
        }
        self.0 = rest;
        let number = text.iter().fold(0u64, |n, digit| n * 10 + u64::from(digit - b'0'));
        (number < NUMBERS).then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(prefix: &str) -> String {
        format!("{prefix},\"prev\":\"{}\",\"sig\":\"{}\"}}", Hash::ZERO, "A".repeat(88))
    }

    #[test]
    fn only_the_fixed_shape_is_found() {
        let vault = Hash::of(b"v");
        let good = format!(
            "{{\"v\":1,\"vault\":\"{vault}\",\"device\":\"d\",\"seq\":3,\"epoch\":1,\"at\":\"2026-11-22T09:00:00Z\",\
             \"action\":\"set\",\"outcome\":\"done\",\"of\":2,\"user\":\"u\",\"tty\":true"
        );
        let text = line(&good);
        let fields = Fields::scan(text.as_bytes()).unwrap();
        assert_eq!((fields.seq, fields.epoch, fields.of, fields.action), (3, 1, Some(2), &b"set"[..]));
        assert!(fields.is_of(&vault.to_string(), Some("d")) && !fields.is_of(&vault.to_string(), None));
        for (from, to) in [
            ("\"v\":1", "\"v\":2"),
            ("\"seq\":3", "\"seq\":03"),
            ("\"seq\":3", "\"seq\":-3"),
            ("\"seq\":3", "\"seq\":9007199254740992"),
            ("\"seq\":3", "\"seq\": 3"),
            ("\"done\"", "\"gone\""),
            ("\"set\"", "\"s\\u0065t\""),
            ("\"of\":2", "\"of\":\"2\""),
            ("{\"v\"", " {\"v\""),
        ] {
            assert!(good.contains(from));
            assert!(Fields::scan(line(&good.replace(from, to)).as_bytes()).is_none(), "{to}");
        }
        for cut in 0..text.len() {
            assert!(Fields::scan(&text.as_bytes()[..cut]).is_none());
        }
    }
}
