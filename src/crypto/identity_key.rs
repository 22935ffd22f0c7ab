//! The private half of a device: an age X25519 identity.

use std::str::FromStr;

use bech32::primitives::decode::CheckedHrpstring;
use zeroize::Zeroizing;

use super::{Error, Recipient, SigningKey, length_prefixed};
use crate::secret_value::SecretValue;

/// An age X25519 identity: the 32 unclamped secret bytes behind `AGE-SECRET-KEY-1…`.
///
/// The Ed25519 signing key of the device is derived from the same bytes
/// (`docs/format.md`, "Identities"), so an existing age key file works as it is.
pub struct IdentityKey {
    secret: Zeroizing<[u8; 32]>,
    age: age::x25519::Identity,
}

impl IdentityKey {
    /// Makes a new identity.
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn generate() -> Result<Self, Error> {
        Self::from_secret(Zeroizing::new(super::random()?))
    }

    /// From the 32 secret bytes.
    ///
    /// # Errors
    /// [`Error::Malformed`] never in practice: every 32 bytes are an X25519 secret.
    pub fn from_secret(secret: Zeroizing<[u8; 32]>) -> Result<Self, Error> {
        let text = encode(&secret);
        let age = parse_age(&text)?;
        Ok(Self { secret, age })
    }

    /// Reads `AGE-SECRET-KEY-1…`, upper case, as `age-keygen` prints it.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let malformed = Error::Malformed("identity");
        let checked = CheckedHrpstring::new::<bech32::Bech32>(text).map_err(|_| malformed)?;
        let bytes: Zeroizing<Vec<u8>> = Zeroizing::new(checked.byte_iter().collect());
        if !checked.hrp().as_str().eq_ignore_ascii_case("age-secret-key-") {
            return Err(malformed);
        }
        let age = parse_age(text)?;
        let mut secret = Zeroizing::new([0; 32]);
        secret.copy_from_slice(bytes.as_slice().get(..32).filter(|_| bytes.len() == 32).ok_or(malformed)?);
        Ok(Self { secret, age })
    }

    /// The text `AGE-SECRET-KEY-1…`, for an identity file.
    #[must_use]
    pub fn to_text(&self) -> SecretValue {
        SecretValue::from(encode(&self.secret).as_bytes())
    }

    /// The public half: `age1…`.
    #[must_use]
    pub fn recipient(&self) -> Recipient {
        // age prints what our own parser reads; a failure here is a defect of one of both.
        Recipient::from_str(&self.age.to_public().to_string()).expect("age prints a recipient")
    }

    /// `Ed25519` key from `HKDF-SHA256(secret, no salt, LP("vault/v1/sign"))`.
    #[must_use]
    pub fn signing_key(&self) -> SigningKey {
        SigningKey::from_seed(&super::hkdf(self.secret.as_slice(), None, &length_prefixed(&[b"vault/v1/sign"])))
    }

    /// For sealing: the raw secret goes into an AEAD and nowhere else.
    pub(super) fn secret(&self) -> &[u8; 32] {
        &self.secret
    }

    /// For memory that is locked: the raw secret goes there and nowhere else.
    pub(crate) fn write_secret(&self, into: &mut [u8; 32]) {
        into.copy_from_slice(self.secret.as_slice());
    }

    pub(super) fn age(&self) -> &age::x25519::Identity {
        &self.age
    }
}

impl std::fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IdentityKey({})", self.recipient())
    }
}

fn encode(secret: &[u8; 32]) -> Zeroizing<String> {
    let hrp = bech32::Hrp::parse("age-secret-key-").expect("a valid prefix");
    let text = bech32::encode_upper::<bech32::Bech32>(hrp, secret).expect("32 bytes fit Bech32");
    Zeroizing::new(text)
}

fn parse_age(text: &str) -> Result<age::x25519::Identity, Error> {
    age::x25519::Identity::from_str(text).map_err(|_| Error::Malformed("identity"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_age_keygen_wrote() {
        // An identity and its recipient as `age-keygen` printed them.
        let text = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
        let key = IdentityKey::parse(text).unwrap();
        assert_eq!(key.secret(), &[0x42; 32]);
        assert_eq!(key.recipient().to_string(), "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj");
        assert_eq!(key.to_text().reveal(), text.as_bytes());
    }

    #[test]
    fn refuses_what_is_no_identity() {
        for text in ["", "AGE-SECRET-KEY-1", "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"] {
            assert_eq!(IdentityKey::parse(text).unwrap_err(), Error::Malformed("identity"));
        }
    }

    #[test]
    fn debug_shows_only_the_recipient() {
        let key = IdentityKey::generate().unwrap();
        let text = key.to_text();
        assert!(!format!("{key:?}").contains(std::str::from_utf8(&text.reveal()[16..]).unwrap()));
    }
}
