//! Recovery codes: passphrases that are made, printed once and typed in again.

use zeroize::Zeroizing;

use super::Error;
use crate::crypto::{self, Hash};
use crate::secret_value::SecretValue;

/// RFC 4648 §6 in lower case.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const GROUPS: usize = 8;
const GROUP: usize = 4;
/// Longest text that is looked at, in bytes.
const MAX_TEXT: usize = 1024;

/// 128 random bits in eight groups that check themselves (`docs/format.md`,
/// section 7): `abcd-efgh-…`. Wiped on drop.
pub struct RecoveryCode(Zeroizing<[u8; 2 * GROUPS]>);

impl RecoveryCode {
    /// Makes a new code.
    ///
    /// # Errors
    /// [`Error::Crypto`] if the system gives no randomness.
    pub fn generate() -> Result<Self, Error> {
        Ok(Self(Zeroizing::new(crypto::random()?)))
    }

    /// The code in lower case with its dashes, 39 bytes: the passphrase of a
    /// sealed identity, and the text that is shown once.
    #[must_use]
    pub fn as_passphrase(&self) -> SecretValue {
        let mut text = Vec::with_capacity(GROUPS * (GROUP + 1) - 1);
        for (index, pair) in self.0.chunks_exact(2).enumerate() {
            if index > 0 {
                text.push(b'-');
            }
            let value = with_check(index, [pair[0], pair[1]]);
            text.extend((0..GROUP).rev().map(|place| ALPHABET[(value >> (5 * place)) as usize & 31]));
        }
        SecretValue::new(text)
    }

    /// Reads what a person typed: any case, spaces or dashes anywhere, and
    /// `0` for `o`, `8` for `b`, `1` for `i` or `l`, whichever the check allows.
    ///
    /// # Errors
    /// [`Error::CodeGroup`] names the first group that is mistyped or stands in
    /// another's place (one in sixteen of these goes unnoticed, and then the
    /// code opens nothing); [`Error::CodeLength`] where groups cannot be told apart.
    pub fn parse(text: &SecretValue) -> Result<Self, Error> {
        // The text is taken apart here and goes nowhere else.
        let text = text.reveal();
        if text.len() > MAX_TEXT {
            return Err(Error::CodeLength);
        }
        let text = std::str::from_utf8(text).map_err(|_| Error::CodeLength)?;
        let mut parts = text.split(is_separator).filter(|part| !part.is_empty());
        if text.split(is_separator).filter(|part| !part.is_empty()).count() == GROUPS
            && let Some(index) = parts.position(|part| part.chars().count() != GROUP)
        {
            return Err(Error::CodeGroup { group: index + 1 });
        }
        let mut letters = Zeroizing::new(Vec::with_capacity(text.len()));
        letters.extend(text.chars().filter(|letter| !is_separator(*letter)).map(|letter| {
            // What is not ASCII is in no alphabet.
            u8::try_from(letter).unwrap_or(b'?').to_ascii_lowercase()
        }));
        if letters.len() != GROUPS * GROUP {
            return Err(Error::CodeLength);
        }
        let mut bytes = Zeroizing::new([0; 2 * GROUPS]);
        for (index, group) in letters.chunks_exact(GROUP).enumerate() {
            let pair = read_group(index, group).ok_or(Error::CodeGroup { group: index + 1 })?;
            bytes[2 * index..][..2].copy_from_slice(&pair);
        }
        Ok(Self(bytes))
    }
}

impl std::fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RecoveryCode(…)")
    }
}

/// Spaces and every dash that a text processor may have made of `-`.
fn is_separator(letter: char) -> bool {
    letter.is_whitespace() || matches!(letter, '-' | '\u{2010}'..='\u{2015}' | '\u{2212}')
}

/// The 20 bits of a group: 16 of the code, then the first 4 of
/// `SHA-256(LP("vault/v1/code", index, the two bytes))`.
fn with_check(index: usize, pair: [u8; 2]) -> u32 {
    let hash = Hash::of_parts(&[b"vault/v1/code", &(index as u64).to_le_bytes(), &pair]);
    u32::from(u16::from_be_bytes(pair)) << 4 | u32::from(hash.as_bytes()[0] >> 4)
}

/// The two bytes of a group, if exactly one reading of it has a matching check.
fn read_group(index: usize, group: &[u8]) -> Option<[u8; 2]> {
    // Both readings of `1` are tried, so at most 2^4 values.
    let mut values = Zeroizing::new(vec![0u32]);
    for letter in group {
        let readings: &[u8] = match letter {
            b'0' => b"o",
            b'8' => b"b",
            b'1' => b"il",
            letter => std::slice::from_ref(letter),
        };
        let mut longer = Zeroizing::new(Vec::with_capacity(1 << GROUP));
        for reading in readings {
            let digit = ALPHABET.iter().position(|letter| letter == reading)?;
            longer.extend(values.iter().map(|value| value << 5 | digit as u32));
        }
        values = longer;
    }
    let pair = |value: u32| {
        let [_, high, low, _] = (value << 4).to_be_bytes();
        [high, low]
    };
    let mut valid =
        values.iter().map(|value| (pair(*value), *value)).filter(|(pair, value)| with_check(index, *pair) == *value);
    let (first, _) = valid.next()?;
    valid.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests;
