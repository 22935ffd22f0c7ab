//! SHA-256 and its text.

use std::fmt;

use data_encoding::{BASE32_NOPAD, BASE32_NOPAD_NOCASE};
use sha2::{Digest, Sha256};

use super::Error;

/// Characters in the text of a hash.
const TEXT: usize = 52;

/// A SHA-256 hash, for example a vault id or the head of a log.
///
/// Its text is lower-case RFC 4648 base32 without padding, 52 characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    /// Stands for "no previous change" and "no previous record".
    pub const ZERO: Self = Self([0; 32]);

    /// `SHA-256(bytes)`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// `SHA-256(LP(parts…))`, without building the input in memory.
    #[must_use]
    pub fn of_parts(parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Self(hasher.finalize().into())
    }

    /// A hash that was computed elsewhere.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first two groups of the text, for people: `k7qx-3mfa`.
    #[must_use]
    pub fn short(&self) -> String {
        let text = self.to_string();
        format!("{}-{}", &text[..4], &text[4..8])
    }
}

/// SHA-256 over bytes that arrive piece by piece.
#[derive(Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of everything added.
    #[must_use]
    pub fn finish(self) -> Hash {
        Hash(self.0.finalize().into())
    }
}

impl From<[u8; 32]> for Hash {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; TEXT];
        BASE32_NOPAD.encode_mut(&self.0, &mut text);
        text.make_ascii_lowercase();
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl std::str::FromStr for Hash {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let malformed = Error::Malformed("hash");
        if text.len() != TEXT || text.bytes().fold(false, |any, b| any | b.is_ascii_uppercase()) {
            return Err(malformed);
        }
        let mut bytes = [0; 32];
        BASE32_NOPAD_NOCASE.decode_mut(text.as_bytes(), &mut bytes).map_err(|_| malformed)?;
        Ok(Self(bytes))
    }
}

impl serde::Serialize for Hash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Hash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(FromText)
    }
}

/// Reads the text where it lies: a chain of hundreds is read at every start.
struct FromText;

impl serde::de::Visitor<'_> for FromText {
    type Value = Hash;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a hash")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Hash, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_canonical_base32() {
        let hash = Hash::of(b"abc");
        let text = hash.to_string();
        // FIPS 180-2 appendix B.1, re-encoded: ba7816bf… in RFC 4648 base32.
        assert_eq!(text, "xj4bnp4pahh6uqkbidpf3lrceoyagyndsylxvhfucd7wd4qacwwq");
        assert_eq!(text.parse::<Hash>().unwrap(), hash);
        assert!(text.to_uppercase().parse::<Hash>().is_err());
        let mut trailing_bits = text.clone();
        trailing_bits.replace_range(51.., "r");
        assert!(trailing_bits.parse::<Hash>().is_err());
        assert!(text[..51].parse::<Hash>().is_err());
    }

    #[test]
    fn parts_are_hashed_behind_their_lengths() {
        assert_eq!(Hash::of_parts(&[b"ab", b"c"]), Hash::of(&super::super::length_prefixed(&[b"ab", b"c"])));
        assert_ne!(Hash::of_parts(&[b"ab", b"c"]), Hash::of_parts(&[b"a", b"bc"]));
    }
}
