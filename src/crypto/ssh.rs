//! Keys of ssh that open grants (feature `ssh`). Here they sign nothing, so a device that has
//! one can only read.
//!
//! The recipient type `ssh-ed25519` of `age`, for the format that `ssh-keygen` writes
//! (`PROTOCOL.key` of OpenSSH).

use age::secrecy::SecretString;
use age::ssh::Identity;

use super::{Commitment, DataKey, Error, Recipient, WrappedKey};
use crate::secret_value::SecretValue;

const MALFORMED: Error = Error::Malformed("key of ssh");

/// A private key of the kind `ssh-ed25519`, maybe still sealed with a passphrase.
pub struct SshKey {
    identity: Identity,
    recipient: Recipient,
}

impl SshKey {
    /// True for a text that begins as such a key.
    #[must_use]
    pub fn is_one(text: &[u8]) -> bool {
        text.starts_with(b"-----BEGIN OPENSSH PRIVATE KEY-----")
    }

    /// Reads what `ssh-keygen` writes.
    ///
    /// # Errors
    /// [`Error::Malformed`]; [`Error::KindOfSsh`].
    pub fn parse(text: &[u8]) -> Result<Self, Error> {
        let identity = Identity::from_buffer(text, None).map_err(|_| MALFORMED)?;
        let recipient = age::ssh::Recipient::try_from(identity.clone()).map_err(|_| Error::KindOfSsh)?;
        // The kinds that can be written in a vault file.
        let recipient = recipient.to_string().parse().map_err(|_| Error::KindOfSsh)?;
        Ok(Self { identity, recipient })
    }

    /// True while a passphrase is needed.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        matches!(self.identity, Identity::Encrypted(_))
    }

    /// Opens the key with its passphrase, if it has one.
    ///
    /// # Errors
    /// [`Error::SealDoesNotOpen`] for a wrong passphrase and for damage alike.
    pub fn open(self, passphrase: &SecretValue) -> Result<Self, Error> {
        let Identity::Encrypted(sealed) = &self.identity else { return Ok(self) };
        // Goes into the key derivation; wiped behind it.
        let passphrase = std::str::from_utf8(passphrase.reveal()).map_err(|_| Error::SealDoesNotOpen)?;
        let opened = sealed.decrypt(SecretString::from(passphrase)).map_err(|_| Error::SealDoesNotOpen)?;
        Ok(Self { identity: opened.into(), ..self })
    }

    /// The public half, as in a vault file.
    #[must_use]
    pub fn recipient(&self) -> &Recipient {
        &self.recipient
    }

    /// As [`WrappedKey::unwrap_with`].
    ///
    /// # Errors
    /// [`Error::GrantDoesNotOpen`] or [`Error::Commitment`].
    pub fn unwrap(
        &self,
        wrapped: &WrappedKey,
        profile: &str,
        epoch: u64,
        commitment: &Commitment,
    ) -> Result<DataKey, Error> {
        wrapped.unwrap_by(&self.identity, profile, epoch, commitment)
    }
}

impl std::fmt::Debug for SshKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("SshKey").field(&self.recipient).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::to_base64;

    /// Of `ssh-keygen -t ed25519`, made for this test and used nowhere else; the second one is
    /// the same with the passphrase `canary-passphrase`.
    const PLAIN: &[u8] = include_bytes!("../../tests/vectors/keys/ssh-ed25519");
    const SEALED: &[u8] = include_bytes!("../../tests/vectors/keys/ssh-ed25519-sealed");
    const PUBLIC: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIF3R0p3SfcwB0SG1HSAftdUzL0qCc+9DwNnXpkUb6a+y";

    #[test]
    fn an_ssh_key_opens_what_is_wrapped_to_it() {
        let public: Recipient = PUBLIC.parse().unwrap();
        let data = DataKey::generate().unwrap();
        let (wrapped, commitment) = (data.wrap(&public).unwrap(), data.commitment("dev", 1));
        let passphrase = |text: &str| SecretValue::from(text.as_bytes());
        let sealed = || SshKey::parse(SEALED).unwrap();
        assert!(sealed().is_sealed() && sealed().unwrap(&wrapped, "dev", 1, &commitment).is_err());
        assert_eq!(sealed().open(&passphrase("another")).unwrap_err(), Error::SealDoesNotOpen);
        for key in [SshKey::parse(PLAIN).unwrap(), sealed().open(&passphrase("canary-passphrase")).unwrap()] {
            assert_eq!(key.recipient(), &public);
            assert_eq!(key.unwrap(&wrapped, "dev", 1, &commitment).unwrap().bytes(), data.bytes());
            let other = DataKey::generate().unwrap().commitment("dev", 1);
            assert_eq!(key.unwrap(&wrapped, "dev", 1, &other).unwrap_err(), Error::Commitment);
        }
    }

    #[test]
    fn what_is_no_such_key_of_ssh_is_refused() {
        for text in [&b""[..], b"-----BEGIN OPENSSH PRIVATE KEY-----\n", &PLAIN[..200]] {
            assert_eq!(SshKey::parse(text).unwrap_err(), MALFORMED);
        }
        let other = include_bytes!("../../tests/vectors/keys/ssh-ecdsa");
        assert_eq!(SshKey::parse(other).unwrap_err(), Error::KindOfSsh);
        // Well-formed, and no point of the curve.
        let mut blob = [b"\0\0\0\x0bssh-ed25519\0\0\0\x20".as_slice(), &[0; 32]].concat();
        blob[19] = 2;
        let bad: Recipient = format!("ssh-ed25519 {}", to_base64(&blob)).parse().unwrap();
        assert_eq!(DataKey::generate().unwrap().wrap(&bad).unwrap_err(), Error::UnsupportedRecipient);
    }
}
