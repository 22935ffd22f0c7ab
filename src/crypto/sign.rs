//! Ed25519 signatures (RFC 8032), strict verification.

use std::fmt;

use ed25519_dalek::VerifyingKey;
use ed25519_dalek::hazmat::{ExpandedSecretKey, raw_sign};
use sha2::Sha512;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{Error, Hash, array_from_base64, to_base64};

/// The private signing key of a device or of an audit key epoch. Wiped on drop.
///
/// The public half is part of what is signed. One that belongs to another key gives the private one away as soon as the
/// same bytes are signed with both, so it is computed, or comes with a hash over both that takes the seed to make.
pub struct SigningKey {
    seed: Zeroizing<[u8; 32]>,
    public: VerifyingKey,
}

/// Bytes of a key with its public half: seed, public key, and their hash.
pub const PAIR: usize = 96;

/// `SHA-256(LP("vault/v1/signing-pair", seed, public key))`
fn bond_of(seed: &[u8; 32], public: &[u8; 32]) -> Hash {
    Hash::of_parts(&[b"vault/v1/signing-pair", seed, public])
}

/// The public half: 32 bytes; its text is base64.
///
/// The bytes are checked to be a usable point when a signature is verified, not before.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PublicKey([u8; 32]);

/// 64 bytes; its text is base64.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

impl SigningKey {
    /// A fresh key.
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn generate() -> Result<Self, Error> {
        Ok(Self::from_seed(&Zeroizing::new(super::random()?)))
    }

    /// From the 32-byte seed of RFC 8032.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let public = ed25519_dalek::SigningKey::from_bytes(seed).verifying_key();
        Self { seed: Zeroizing::new(*seed), public }
    }

    /// From what [`SigningKey::pair`] gave. The public half is not computed again, which would be nearly as much work as
    /// signing is; that it belongs to the seed says the hash, which only somebody who has the seed can make. `None` if it
    /// does not: a byte fell over, or was exchanged.
    #[must_use]
    pub fn from_pair(pair: &[u8; PAIR]) -> Option<Self> {
        let (seed, rest) = pair.split_first_chunk::<32>()?;
        let (public, bond) = rest.split_first_chunk::<32>()?;
        if !bool::from(bond_of(seed, public).as_bytes().ct_eq(bond)) {
            return None;
        }
        let public = VerifyingKey::from_bytes(public).ok()?;
        Some(Self { seed: Zeroizing::new(*seed), public })
    }

    /// The seed, the public key, and a hash that ties the two together: for a private key file and nothing else.
    #[must_use]
    pub fn pair(&self) -> Zeroizing<[u8; PAIR]> {
        let mut pair = Zeroizing::new([0; PAIR]);
        pair[..32].copy_from_slice(self.seed.as_slice());
        pair[32..64].copy_from_slice(self.public.as_bytes());
        pair[64..].copy_from_slice(bond_of(&self.seed, self.public.as_bytes()).as_bytes());
        pair
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.public.to_bytes())
    }

    /// Signs `message`: RFC 8032 §5.1.6.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Signature {
        // Made for each signature, as one that is kept would leave copies where the key is moved from.
        let expanded = ExpandedSecretKey::from(&*self.seed);
        Signature(raw_sign::<Sha512>(&expanded, message, &self.public).to_bytes())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public())
    }
}

impl PublicKey {
    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Verifies strictly: no small-order keys, canonical encodings only.
    ///
    /// # Errors
    /// [`Error::Signature`].
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), Error> {
        VerifyingKey::from_bytes(&self.0)
            .and_then(|key| key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(&signature.0)))
            .map_err(|_| Error::Signature)
    }
}

impl Signature {
    /// The 64 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl From<[u8; 64]> for Signature {
    fn from(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }
}

impl From<[u8; 32]> for PublicKey {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

macro_rules! base64_text {
    ($type:ident, $what:literal) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&to_base64(&self.0))
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }

        impl std::str::FromStr for $type {
            type Err = Error;
            fn from_str(text: &str) -> Result<Self, Error> {
                Ok(Self(array_from_base64(text, $what)?))
            }
        }
    };
}

base64_text!(PublicKey, "signing key");
base64_text!(Signature, "signature");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_byte_does_not_verify() {
        let key = SigningKey::from_seed(&[7; 32]);
        let signature = key.sign(b"message");
        assert_eq!(key.public().verify(b"message", &signature), Ok(()));
        assert_eq!(key.public().verify(b"messagf", &signature), Err(Error::Signature));
        let mut bytes = signature.0;
        bytes[0] ^= 1;
        assert_eq!(key.public().verify(b"message", &Signature(bytes)), Err(Error::Signature));
    }

    #[test]
    fn signatures_are_those_of_the_library_whichever_way_the_key_came() {
        use ed25519_dalek::Signer;

        for byte in 0..50 {
            let seed = *Hash::of(&[byte]).as_bytes();
            let reference = ed25519_dalek::SigningKey::from_bytes(&seed);
            let key = SigningKey::from_seed(&seed);
            assert_eq!(key.pair()[..64], reference.to_keypair_bytes());
            let again = SigningKey::from_pair(&key.pair()).unwrap();
            assert_eq!((again.pair(), again.public()), (key.pair(), key.public()));
            let message = vec![byte; usize::from(byte) * 37];
            let want = Signature(reference.sign(&message).to_bytes());
            assert!(key.sign(&message) == want && again.sign(&message) == want, "{byte}");
        }
    }

    #[test]
    fn a_pair_with_a_changed_bit_or_a_public_half_of_others_is_no_key() {
        let pair = SigningKey::from_seed(&[7; 32]).pair();
        for bit in 0..PAIR * 8 {
            let mut changed = *pair;
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(SigningKey::from_pair(&changed).is_none(), "{bit}");
        }
        let mut mixed = *SigningKey::from_seed(&[8; 32]).pair();
        mixed[..32].copy_from_slice(&pair[..32]);
        assert!(SigningKey::from_pair(&mixed).is_none());
        // Tied together by somebody who has the seed, and still no point of the curve.
        let mut none = [0xff; 32];
        none[0] = 2;
        mixed[32..64].copy_from_slice(&none);
        mixed[64..].copy_from_slice(bond_of(&[7; 32], &none).as_bytes());
        assert!(SigningKey::from_pair(&mixed).is_none());
    }

    #[test]
    fn small_order_keys_are_refused() {
        // The identity point signs anything under lax verification.
        let mut point = [0; 32];
        point[0] = 1;
        let mut signature = [0; 64];
        signature[0] = 1;
        assert_eq!(PublicKey(point).verify(b"anything", &Signature(signature)), Err(Error::Signature));
    }
}
