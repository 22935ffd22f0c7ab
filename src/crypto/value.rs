//! Sealing and opening values.

use zeroize::Zeroizing;

use super::aead::{Aead, NONCE, NotAuthentic, TAG};
use super::{DataKey, Error, Hash, length_prefixed};
use crate::secret_value::SecretValue;

/// Plaintexts are padded to a multiple of this many bytes, so that the file
/// shows sizes only in steps of 64 bytes.
const STEP: usize = 64;

/// `HKDF-SHA256(data key, salt = vault id, info = LP("vault/v1/value", profile, epoch))`.
pub struct ValueKey {
    cipher: Aead,
    /// `LP("vault/v1/value", id, profile, epoch)`: what the associated data of
    /// every value of this profile and epoch begins with.
    context: Vec<u8>,
}

/// What a value is bound to beside its profile and epoch.
#[derive(Clone, Copy, Debug)]
pub struct Binding<'a> {
    /// Name of the secret.
    pub name: &'a str,
    /// Version of the value.
    pub version: u64,
}

/// `nonce (24) ‖ ciphertext ‖ tag (16)`; the text in the file is base64.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedValue(Vec<u8>);

impl ValueKey {
    /// Derives the key for the values of one profile and epoch.
    #[must_use]
    pub fn derive(data_key: &DataKey, id: &Hash, profile: &str, epoch: u64) -> Self {
        let epoch = epoch.to_le_bytes();
        let info = length_prefixed(&[b"vault/v1/value", profile.as_bytes(), &epoch]);
        let key = super::hkdf(data_key.bytes(), Some(id.as_bytes()), &info);
        Self {
            cipher: Aead::new(&key),
            context: length_prefixed(&[b"vault/v1/value", id.as_bytes(), profile.as_bytes(), &epoch]),
        }
    }

    /// Seals `value` with a random nonce.
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn seal(&self, binding: Binding<'_>, value: &SecretValue) -> Result<SealedValue, Error> {
        Ok(self.seal_with(binding, value, super::random()?))
    }

    /// Sealing with a given nonce: only for [`Self::seal`] and the test vectors.
    fn seal_with(&self, binding: Binding<'_>, value: &SecretValue, nonce: [u8; NONCE]) -> SealedValue {
        // ISO/IEC 7816-4: 0x80, then zeros to the next multiple of STEP. The plaintext
        // stands in the buffer that becomes the ciphertext, so no copy of it is left.
        let padded = (value.len() / STEP + 1) * STEP;
        let mut out = Vec::with_capacity(NONCE + padded + TAG);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(value.reveal());
        out.push(0x80);
        out.resize(NONCE + padded, 0);
        let tag = self.cipher.seal(&nonce, &self.associated(binding), &mut out[NONCE..]);
        out.extend_from_slice(&tag);
        SealedValue(out)
    }

    /// Opens a sealed value.
    ///
    /// # Errors
    /// [`Error::ValueDoesNotOpen`]: another key, name, version, or a changed byte.
    pub fn open(&self, binding: Binding<'_>, sealed: &SealedValue) -> Result<SecretValue, Error> {
        let (nonce, rest) = sealed.0.split_first_chunk().ok_or(Error::ValueDoesNotOpen)?;
        let (ciphertext, tag) = rest.split_last_chunk().ok_or(Error::ValueDoesNotOpen)?;
        let mut plain = Zeroizing::new(ciphertext.to_vec());
        self.cipher
            .open(nonce, &self.associated(binding), &mut plain, tag)
            .map_err(|NotAuthentic| Error::ValueDoesNotOpen)?;
        let end = plain.iter().rposition(|&b| b != 0).ok_or(Error::ValueDoesNotOpen)?;
        if plain[end] != 0x80 || (end / STEP + 1) * STEP != plain.len() {
            return Err(Error::ValueDoesNotOpen);
        }
        let mut value = SecretValue::new(std::mem::take(&mut *plain));
        value.shorten(value.len() - end);
        Ok(value)
    }

    /// `LP("vault/v1/value", id, profile, epoch, name, version)`.
    fn associated(&self, binding: Binding<'_>) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.context.len() + binding.name.len() + 24);
        out.extend_from_slice(&self.context);
        out.extend_from_slice(&length_prefixed(&[binding.name.as_bytes(), &binding.version.to_le_bytes()]));
        out
    }
}

impl SealedValue {
    /// From the bytes of the file.
    ///
    /// # Errors
    /// [`Error::Malformed`] unless it is a nonce, a whole number of 64-byte steps
    /// (one at least) and a tag.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, Error> {
        let padded = bytes.len().checked_sub(NONCE + TAG).ok_or(Error::Malformed("value"))?;
        if padded == 0 || !padded.is_multiple_of(STEP) {
            return Err(Error::Malformed("value"));
        }
        Ok(Self(bytes))
    }

    /// The bytes for the file.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for SealedValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealedValue(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(profile: &str, epoch: u64) -> ValueKey {
        ValueKey::derive(&DataKey::from_bytes([1; 32]), &Hash::of(b"id"), profile, epoch)
    }

    const NAME: Binding<'_> = Binding { name: "NAME", version: 1 };

    #[test]
    fn sizes_show_only_in_steps_of_64_and_every_length_opens() {
        let key = key("dev", 1);
        for (length, padded) in
            [(0, 64), (1, 64), (63, 64), (64, 128), (127, 128), (128, 192), (1 << 20, (1 << 20) + 64)]
        {
            let value = SecretValue::new((0..length).map(|n| (n % 251) as u8).collect());
            let sealed = key.seal(NAME, &value).unwrap();
            assert_eq!(sealed.as_bytes().len(), NONCE + padded + TAG);
            assert!(key.open(NAME, &sealed).unwrap().same_as(&value));
        }
        // A value that itself ends like padding.
        let value = SecretValue::new(vec![0x80, 0, 0]);
        assert!(key.open(NAME, &key.seal(NAME, &value).unwrap()).unwrap().same_as(&value));
    }

    #[test]
    fn bound_to_id_profile_epoch_name_and_version() {
        let sealed = key("dev", 1).seal(NAME, &SecretValue::from(&b"v"[..])).unwrap();
        let other_id = ValueKey::derive(&DataKey::from_bytes([1; 32]), &Hash::of(b"other"), "dev", 1);
        for (key, binding) in [
            (key("prod", 1), NAME),
            (key("dev", 2), NAME),
            (key("dev", 1), Binding { name: "NAMF", version: 1 }),
            (key("dev", 1), Binding { name: "NAME", version: 2 }),
            (other_id, NAME),
        ] {
            assert_eq!(key.open(binding, &sealed).unwrap_err(), Error::ValueDoesNotOpen);
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let key = key("dev", 1);
        let sealed = key.seal(NAME, &SecretValue::from(&b"v"[..])).unwrap();
        for bit in 0..sealed.0.len() * 8 {
            let mut bytes = sealed.0.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let changed = SealedValue::from_bytes(bytes).unwrap();
            assert_eq!(key.open(NAME, &changed).unwrap_err(), Error::ValueDoesNotOpen, "bit {bit}");
        }
    }

    #[test]
    fn odd_lengths_are_no_sealed_value() {
        for length in [0, 39, 40, 41, 103, 105] {
            assert!(SealedValue::from_bytes(vec![0; length]).is_err(), "{length}");
        }
    }
}
