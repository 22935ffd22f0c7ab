//! The only place that names a cipher, a hash, a key derivation or a signature.
//!
//! Notation, as in `docs/format.md`: `LP(x…)` is each part behind its length as
//! 64 bits little-endian; integers are parts of 8 bytes little-endian; text is
//! UTF-8; ids and hashes are their raw 32 bytes.

mod aead;
mod hash;
mod identity_key;
mod random;
mod sealed;
mod sign;
#[cfg(feature = "ssh")]
mod ssh;
pub mod statement;
mod value;
#[cfg(test)]
mod vectors;
mod wrap;

pub use hash::{Hash, Hasher};
pub use identity_key::IdentityKey;
pub use random::random;
pub use sealed::{KdfCost, SealedIdentity};
pub use sign::{PAIR, PublicKey, Signature, SigningKey};
#[cfg(feature = "ssh")]
pub use ssh::SshKey;
pub use value::{Binding, SealedValue, ValueKey};
pub use wrap::{Commitment, DataKey, Recipient, WrappedKey};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// What a cryptographic operation or encoding refused. Never says why in a way
/// that depends on a secret: a wrong passphrase and a damaged slot are one error.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone, Copy)]
#[non_exhaustive]
pub enum Error {
    /// The system gave no randomness.
    #[error("the system's random number generator failed")]
    Random,
    /// Not the canonical text of the thing named.
    #[error("malformed {0}")]
    Malformed(&'static str),
    /// Authenticated decryption of a value failed.
    #[error("value does not open with the key of this profile")]
    ValueDoesNotOpen,
    /// The grant is not for this identity, or is damaged.
    #[error("grant does not open with this identity")]
    GrantDoesNotOpen,
    /// The key in a grant is not the one the team log commits to.
    #[error("grant holds a key that the team log does not know")]
    Commitment,
    /// A signature does not verify.
    #[error("signature does not verify")]
    Signature,
    /// Wrong passphrase, or a damaged sealed identity: deliberately one error.
    #[error("wrong passphrase, or the sealed identity is damaged")]
    SealDoesNotOpen,
    /// Argon2id parameters below the floor or above the ceiling; refused before any work.
    #[error("key derivation parameters are out of bounds")]
    KdfBounds,
    /// A recipient of a kind that this build cannot wrap to.
    #[error("this build cannot encrypt to that kind of recipient")]
    UnsupportedRecipient,
    /// A private key of ssh of another kind.
    #[error("of the keys of ssh only those of the kind ssh-ed25519 can read a vault")]
    KindOfSsh,
}

/// `LP(parts…)`: every part behind its length as 64 bits little-endian.
#[must_use]
pub fn length_prefixed(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::with_capacity(parts.iter().map(|part| 8 + part.len()).sum());
    for part in parts {
        out.extend_from_slice(&(part.len() as u64).to_le_bytes());
        out.extend_from_slice(part);
    }
    out
}

/// `HKDF-SHA256(key material, salt, info)` with 32 bytes of output (RFC 5869).
/// No salt means 32 zero bytes.
fn hkdf(material: &[u8], salt: Option<&[u8]>, info: &[u8]) -> zeroize::Zeroizing<[u8; 32]> {
    let mut out = zeroize::Zeroizing::new([0u8; 32]);
    hkdf::Hkdf::<sha2::Sha256>::new(salt, material)
        .expand(info, out.as_mut_slice())
        .expect("32 bytes are within 255 blocks of SHA-256");
    out
}

/// Standard base64 with padding, canonical on reading (RFC 4648 §4).
#[must_use]
pub fn to_base64(bytes: &[u8]) -> String {
    BASE64_STANDARD.encode(bytes)
}

/// Reads canonical standard base64.
///
/// # Errors
/// [`Error::Malformed`] naming `what`.
pub fn from_base64(text: &str, what: &'static str) -> Result<Vec<u8>, Error> {
    BASE64_STANDARD.decode(text).map_err(|_| Error::Malformed(what))
}

/// True for canonical standard base64 of 1 to `max` bytes, which are not decoded.
pub(crate) fn is_base64(text: &str, max: usize) -> bool {
    let Some((head, last)) = text.len().checked_sub(4).and_then(|at| text.as_bytes().split_at_checked(at)) else {
        return false;
    };
    // Only the last four characters can be padded or have bits left over. No early end: so this is fast.
    let of_alphabet = |all: bool, b: &u8| all & (b.is_ascii_alphanumeric() | (*b == b'+') | (*b == b'/'));
    text.len().is_multiple_of(4)
        && head.iter().fold(true, of_alphabet)
        && BASE64_STANDARD.decode(last).is_ok_and(|rest| head.len() / 4 * 3 + rest.len() <= max)
}

/// Bytes that the text of the longest array decodes to, its padding included: a signature's.
const MOST_FIXED: usize = 66;

/// For public bytes: what is decoded is not wiped.
fn array_from_base64<const N: usize>(text: &str, what: &'static str) -> Result<[u8; N], Error> {
    let mut room = [0; MOST_FIXED];
    let malformed = Error::Malformed(what);
    let length = BASE64_STANDARD.decode_slice(text, &mut room).map_err(|_| malformed)?;
    room[..length].try_into().map_err(|_| malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against another implementation, which takes several padded texts in a row for one.
    #[test]
    fn base64_is_read_and_written_as_another_implementation_does() {
        let accepts = |text: &str| {
            let text = text.as_bytes();
            let (head, _) = text.split_at(text.len().saturating_sub(2));
            data_encoding::BASE64.decode(text).ok().filter(|_| !head.contains(&b'='))
        };
        let bytes: Vec<u8> = (0..70u8).map(|n| n.wrapping_mul(167) ^ 0x5a).collect();
        for length in 0..bytes.len() {
            let text = to_base64(&bytes[..length]);
            assert_eq!(text, data_encoding::BASE64.encode(&bytes[..length]));
            for at in 0..text.len() {
                for odd in "AQgwBZ9+/=-_ \n\u{e9}".chars() {
                    let changed: String =
                        text.chars().enumerate().map(|(n, symbol)| if n == at { odd } else { symbol }).collect();
                    let mut around =
                        [changed.clone(), text[..at].to_owned(), text[at..].to_owned(), text.clone() + &changed];
                    around[3].insert(at, odd);
                    for text in around {
                        let read = accepts(&text);
                        assert_eq!(from_base64(&text, "test").ok(), read, "{text:?}");
                        let fits = read.as_ref().is_some_and(|read| (1..=64).contains(&read.len()));
                        assert_eq!(is_base64(&text, 64), fits, "{text:?}");
                        let array: Option<[u8; 32]> = read.and_then(|read| read.try_into().ok());
                        assert_eq!(array_from_base64(&text, "test").ok(), array, "{text:?}");
                    }
                }
            }
        }
    }
}
