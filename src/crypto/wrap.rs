//! Wrapping data keys to devices: one age file (age-encryption.org/v1) a grant.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bech32::primitives::decode::CheckedHrpstring;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{Error, IdentityKey, array_from_base64, length_prefixed, to_base64};

/// Keys to wrap from which on another thread is worth its start.
const WORTH_A_THREAD: usize = 64;

/// The 32-byte key of one profile and epoch. Wiped on drop.
pub struct DataKey(Zeroizing<[u8; 32]>);

/// `HKDF-SHA256(data key, no salt, LP("vault/v1/commitment", profile, epoch))`:
/// public, and ties a data key to the team log.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Commitment([u8; 32]);

/// The public half of a device.
///
/// Native X25519 recipients (`age1` and 32 bytes of Bech32) can be wrapped to
/// by every build, `ssh-ed25519 …` by one with the feature `ssh`. Plugin recipients
/// (`age1NAME1…`) are well-formed, and refused when there is something to wrap to them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Recipient(Arc<str>);

/// A data key wrapped to one device: the bytes of an age file.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedKey(Vec<u8>);

impl DataKey {
    /// A fresh key.
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn generate() -> Result<Self, Error> {
        Ok(Self(Zeroizing::new(super::random()?)))
    }

    #[cfg(test)]
    pub(super) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A key that somebody else unwrapped, if it is the one the team log commits to.
    ///
    /// # Errors
    /// [`Error::Commitment`].
    pub(crate) fn committed(bytes: &[u8], profile: &str, epoch: u64, commitment: &Commitment) -> Result<Self, Error> {
        let key = Self(Zeroizing::new(bytes.try_into().map_err(|_| Error::Commitment)?));
        let same: bool = key.commitment(profile, epoch).0.ct_eq(&commitment.0).into();
        if same { Ok(key) } else { Err(Error::Commitment) }
    }

    /// The 32 bytes, for the agent's answer to who may have them and nothing else.
    pub(crate) fn reveal(&self) -> &[u8] {
        self.bytes()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// The commitment of this key for a profile and epoch.
    #[must_use]
    pub fn commitment(&self, profile: &str, epoch: u64) -> Commitment {
        let info = length_prefixed(&[b"vault/v1/commitment", profile.as_bytes(), &epoch.to_le_bytes()]);
        Commitment(*super::hkdf(self.bytes(), None, &info))
    }

    /// Wraps this key to a device.
    ///
    /// # Errors
    /// [`Error::UnsupportedRecipient`].
    pub fn wrap(&self, recipient: &Recipient) -> Result<WrappedKey, Error> {
        #[cfg(feature = "ssh")]
        if recipient.0.starts_with("ssh-") {
            let recipient = age::ssh::Recipient::from_str(&recipient.0).map_err(|_| Error::UnsupportedRecipient)?;
            return age::encrypt(&recipient, self.bytes()).map(WrappedKey).map_err(|_| Error::UnsupportedRecipient);
        }
        let recipient = age::x25519::Recipient::from_str(&recipient.0).map_err(|_| Error::UnsupportedRecipient)?;
        age::encrypt(&recipient, self.bytes()).map(WrappedKey).map_err(|_| Error::UnsupportedRecipient)
    }

    /// Wraps each key to the device beside it, on every processor where there are many:
    /// a rekey of 50 profiles for 200 devices is 10,000 of them, at some 0.06 ms each.
    ///
    /// # Errors
    /// [`Error::UnsupportedRecipient`].
    pub fn wrap_all(wanted: &[(&Self, &Recipient)]) -> Result<Vec<WrappedKey>, Error> {
        let wrap = |wanted: &[(&Self, &Recipient)]| -> Result<Vec<WrappedKey>, Error> {
            wanted.iter().map(|(key, recipient)| key.wrap(recipient)).collect()
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(wanted.len() / WORTH_A_THREAD);
        if threads < 2 {
            return wrap(wanted);
        }
        std::thread::scope(|scope| {
            let parts: Vec<_> =
                wanted.chunks(wanted.len().div_ceil(threads)).map(|part| scope.spawn(move || wrap(part))).collect();
            let mut wrapped = Vec::with_capacity(wanted.len());
            for part in parts {
                wrapped.extend(part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
            }
            Ok(wrapped)
        })
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey(…)")
    }
}

impl WrappedKey {
    /// Bytes of the largest one.
    pub const MOST: usize = 4096;

    /// From the bytes of the file.
    ///
    /// # Errors
    /// [`Error::Malformed`] over 4 KiB or empty.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, Error> {
        if bytes.is_empty() || bytes.len() > Self::MOST {
            return Err(Error::Malformed("grant"));
        }
        Ok(Self(bytes))
    }

    /// The bytes for the file.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Unwraps the data key and compares it with what the team log commits to,
    /// so that nobody can plant a key they know.
    ///
    /// # Errors
    /// [`Error::GrantDoesNotOpen`] or [`Error::Commitment`].
    pub fn unwrap_with(
        &self,
        identity: &IdentityKey,
        profile: &str,
        epoch: u64,
        commitment: &Commitment,
    ) -> Result<DataKey, Error> {
        self.unwrap_by(identity.age(), profile, epoch, commitment)
    }

    /// As [`Self::unwrap_with`], by whatever opens an age file.
    pub(super) fn unwrap_by(
        &self,
        identity: &impl age::Identity,
        profile: &str,
        epoch: u64,
        commitment: &Commitment,
    ) -> Result<DataKey, Error> {
        let body = self.body(identity)?;
        if body.len() != 32 {
            return Err(Error::GrantDoesNotOpen);
        }
        DataKey::committed(&body, profile, epoch, commitment)
    }

    /// The plaintext of the age file.
    pub(super) fn body(&self, identity: &impl age::Identity) -> Result<Zeroizing<Vec<u8>>, Error> {
        age::decrypt(identity, &self.0).map(Zeroizing::new).map_err(|_| Error::GrantDoesNotOpen)
    }
}

impl fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WrappedKey(…)")
    }
}

impl Recipient {
    /// Of text that was parsed before, in the same notation.
    pub(crate) fn of_known(text: &str) -> Self {
        Self(text.into())
    }

    /// True for native X25519 recipients, which every build can wrap to.
    #[must_use]
    pub fn is_native(&self) -> bool {
        self.0.starts_with("age1") && self.0.rfind('1') == Some(3)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Recipient {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let malformed = Error::Malformed("recipient");
        if text.len() > WrappedKey::MOST {
            return Err(malformed);
        }
        let well_formed = if let Some(key) = text.strip_prefix("ssh-ed25519 ") {
            // RFC 4253 §6.6: string "ssh-ed25519", string of 32 bytes.
            let blob = super::from_base64(key, "recipient")?;
            blob.len() == 51 && blob.starts_with(b"\0\0\0\x0bssh-ed25519\0\0\0\x20")
        } else {
            let bytes = text.as_bytes();
            // Bech32 has no upper bound here: age's post-quantum recipients are long.
            let separator = bytes.iter().rposition(|&b| b == b'1').ok_or(malformed)?;
            let prefix = &bytes[..separator];
            if prefix == b"age" {
                let key = CheckedHrpstring::new::<bech32::Bech32>(text).map_err(|_| malformed)?;
                key.byte_iter().count() == 32 && bytes.iter().all(|b| !b.is_ascii_uppercase())
            } else {
                // The name of a plugin becomes part of a program's name elsewhere: only these characters.
                let data = &bytes[separator + 1..];
                prefix.strip_prefix(b"age1").is_some_and(|name| {
                    !name.is_empty()
                        && name.len() <= 64
                        && name.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
                }) && data.len() >= 6
                    && data.iter().all(|b| b"qpzry9x8gf2tvdw0s3jn54khce6mua7l".contains(b))
            }
        };
        if well_formed { Ok(Self(text.into())) } else { Err(malformed) }
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Commitment {
    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// From the 32 bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_base64(&self.0))
    }
}

impl fmt::Debug for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for Commitment {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        Ok(Self(array_from_base64(text, "commitment")?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_for_its_recipient_and_nobody_else() {
        let (alice, eve) = (IdentityKey::generate().unwrap(), IdentityKey::generate().unwrap());
        let key = DataKey::generate().unwrap();
        let commitment = key.commitment("dev", 1);
        let wrapped = key.wrap(&alice.recipient()).unwrap();
        let opened = wrapped.unwrap_with(&alice, "dev", 1, &commitment).unwrap();
        assert_eq!(opened.bytes(), key.bytes());
        assert_eq!(wrapped.unwrap_with(&eve, "dev", 1, &commitment).unwrap_err(), Error::GrantDoesNotOpen);
    }

    #[test]
    fn many_are_wrapped_each_to_its_own() {
        let devices: Vec<_> = (0..200).map(|_| IdentityKey::generate().unwrap()).collect();
        let keys = [DataKey::generate().unwrap(), DataKey::generate().unwrap()];
        let recipients: Vec<Recipient> = devices.iter().map(IdentityKey::recipient).collect();
        let wanted: Vec<_> = recipients.iter().enumerate().map(|(n, recipient)| (&keys[n % 2], recipient)).collect();
        let wrapped = DataKey::wrap_all(&wanted).unwrap();
        for (n, (wrapped, device)) in wrapped.iter().zip(&devices).enumerate() {
            let commitment = keys[n % 2].commitment("dev", 1);
            wrapped.unwrap_with(device, "dev", 1, &commitment).unwrap();
        }
        assert_eq!(wrapped.len(), devices.len());
    }

    #[test]
    fn a_planted_key_is_refused() {
        let alice = IdentityKey::generate().unwrap();
        let commitment = DataKey::generate().unwrap().commitment("dev", 1);
        let planted = DataKey::generate().unwrap().wrap(&alice.recipient()).unwrap();
        assert_eq!(planted.unwrap_with(&alice, "dev", 1, &commitment).unwrap_err(), Error::Commitment);
    }

    #[test]
    fn recipients_are_read_strictly() {
        let native = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";
        assert!(native.parse::<Recipient>().unwrap().is_native());
        let plugin: Recipient =
            "age1yubikey1q2w7u3vpya839jxxuq8g0sedh3d740d4xvn639sqhr95ejj8vu3hyfumptt".parse().unwrap();
        assert!(!plugin.is_native());
        let ssh =
            format!("ssh-ed25519 {}", to_base64(&[b"\0\0\0\x0bssh-ed25519\0\0\0\x20".as_slice(), &[9; 32]].concat()));
        assert!(!ssh.parse::<Recipient>().unwrap().is_native());
        let (hrp, bytes) = bech32::decode(native).unwrap();
        for bad in [
            "",
            "age1",
            // The same key with the checksum of BIP 350, which age does not read.
            &bech32::encode::<bech32::Bech32m>(hrp, &bytes).unwrap(),
            &native.to_uppercase(),
            &native[..60],
            "age1../../bin/sh1qqqqqq",
            "age11qqqqqq",
            "ssh-rsa AAAA",
            "ssh-ed25519 AAAA",
        ] {
            assert!(bad.parse::<Recipient>().is_err(), "{bad}");
        }
    }
}
