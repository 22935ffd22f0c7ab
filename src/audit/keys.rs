//! The keys that sign records: one per epoch, the older ones gone.

use std::path::Path;

use zeroize::Zeroizing;

use super::Error;
use crate::clock::{Span, Timestamp};
use crate::crypto::{Hash, PAIR, PublicKey, Signature, SigningKey, from_base64, statement, to_base64};
use crate::identity::{AuditKey, Unlocked};
use crate::store;

/// Records after which a key is replaced.
const EPOCH_RECORDS: u64 = 256;
/// Time in use after which a key is replaced.
const EPOCH_TIME: Span = Span::from_seconds(3600);

/// The public key of an epoch, to be certified by the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EpochKey {
    /// The vault's id.
    pub vault: Hash,
    /// The device's name, once there is one.
    pub device: Option<String>,
    /// Number of the epoch, from 1.
    pub epoch: u64,
    /// The key that signs its records.
    pub key: PublicKey,
}

/// Signs for the device, here or through the agent; `None` if it cannot now,
/// which leaves the key uncertified.
pub type Certifier<'a> = dyn Fn(&EpochKey) -> Option<Signature> + 'a;

impl EpochKey {
    /// `LP("vault/v1/audit-key", id, device, epoch, key)`; the device without
    /// a name is the empty text.
    #[must_use]
    pub fn signed_bytes(&self) -> Vec<u8> {
        let device = self.device.as_deref().unwrap_or_default();
        statement::audit_key(&self.vault, device, self.epoch, &self.key)
    }

    /// The certificate, made with the device's signing key.
    #[must_use]
    pub fn certify(&self, device: &SigningKey) -> Signature {
        device.sign(&self.signed_bytes())
    }

    /// The certificate, made by the device or its agent; `None` if that cannot now.
    #[must_use]
    pub fn certify_by(&self, device: &dyn Unlocked) -> Option<Signature> {
        let device_name = self.device.as_deref().unwrap_or_default();
        let key = AuditKey { vault: &self.vault, device: device_name, epoch: self.epoch, key: &self.key };
        device.certify(&key).ok()
    }

    /// Whether the device of this signing key made the certificate.
    #[must_use]
    pub fn is_certified_by(&self, device: &PublicKey, certificate: &Signature) -> bool {
        device.verify(&self.signed_bytes(), certificate).is_ok()
    }
}

/// Whether the key of an epoch has to be replaced before the next record. A
/// clock that stands before the epoch's beginning counts as an hour gone.
pub(super) fn is_used_up(records: u64, began: Timestamp, now: Timestamp) -> bool {
    records >= EPOCH_RECORDS || now < began || now.since(began) >= EPOCH_TIME.seconds()
}

/// Reads a private key; `None` if there is none or it is no key.
pub(super) fn read_key(path: &Path) -> Result<Option<SigningKey>, Error> {
    let text = match store::read_private(path, 144) {
        Err(store::Error::Missing { .. } | store::Error::TooLarge { .. }) => return Ok(None),
        text => text?,
    };
    let Some(text) = std::str::from_utf8(&text).ok().and_then(|text| text.strip_suffix('\n')) else { return Ok(None) };
    let Ok(bytes) = from_base64(text, "signing key").map(Zeroizing::new) else { return Ok(None) };
    Ok(match <&[u8; PAIR]>::try_from(bytes.as_slice()) {
        Ok(pair) => SigningKey::from_pair(pair),
        // Without its public half, as earlier versions wrote it.
        Err(_) => <&[u8; 32]>::try_from(bytes.as_slice()).ok().map(SigningKey::from_seed),
    })
}

/// Writes a private key, whole and durable: base64 of its seed, its public half and their hash, and an LF.
/// What it replaces is no longer linked; the medium may keep it for a while.
pub(super) fn write_key(path: &Path, key: &SigningKey) -> Result<(), Error> {
    let mut text = Zeroizing::new(String::with_capacity(129));
    text.push_str(&Zeroizing::new(to_base64(key.pair().as_slice())));
    text.push('\n');
    Ok(store::replace(path, text.as_bytes(), store::Mode::Private)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds).unwrap()
    }

    #[test]
    fn a_key_is_replaced_by_count_by_time_and_when_the_clock_goes_back() {
        for (records, began, now, want) in [
            (0, 1000, 1000, false),
            (255, 1000, 4599, false),
            (256, 1000, 1000, true),
            (1, 1000, 4600, true),
            (1, 1000, 999, true),
        ] {
            assert_eq!(is_used_up(records, at(began), at(now)), want, "{records} {began} {now}");
        }
    }

    #[test]
    fn a_certificate_is_bound_to_vault_device_epoch_and_key() {
        let device = SigningKey::from_seed(&[1; 32]);
        let key = EpochKey {
            vault: Hash::of(b"vault"),
            device: Some("laptop".into()),
            epoch: 1,
            key: SigningKey::from_seed(&[2; 32]).public(),
        };
        let certificate = key.certify(&device);
        assert!(key.is_certified_by(&device.public(), &certificate));
        for other in [
            EpochKey { vault: Hash::of(b"other"), ..key.clone() },
            EpochKey { device: None, ..key.clone() },
            EpochKey { epoch: 2, ..key.clone() },
            EpochKey { key: device.public(), ..key.clone() },
        ] {
            assert!(!other.is_certified_by(&device.public(), &certificate));
        }
    }

    #[test]
    fn keys_are_read_as_written_and_damage_reads_as_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k.key");
        assert!(read_key(&path).unwrap().is_none());
        let key = SigningKey::from_seed(&[3; 32]);
        write_key(&path, &key).unwrap();
        assert_eq!(read_key(&path).unwrap().unwrap().pair(), key.pair());
        // As earlier versions wrote it.
        let seed = to_base64(&[3; 32]) + "\n";
        store::replace(&path, seed.as_bytes(), store::Mode::Private).unwrap();
        assert_eq!(read_key(&path).unwrap().unwrap().pair(), key.pair());
        let (untied, long) = (to_base64(&[3; 96]) + "\n", to_base64(&[3; 97]) + "\n");
        for damage in [&b""[..], b"\n", b"AAAA\n", &[b'A'; 64], &[0xff; 145], untied.as_bytes(), long.as_bytes()] {
            store::replace(&path, damage, store::Mode::Private).unwrap();
            assert!(read_key(&path).unwrap().is_none());
        }
    }
}
