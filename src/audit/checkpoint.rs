//! A log's head as a small signed text, to be kept anywhere else.

use std::fmt;
use std::str::FromStr;

use super::record::{Head, Record};
use super::{CHECKPOINT_CONTEXT, EpochKey, Error};
use crate::clock::Timestamp;
use crate::crypto::{Hash, PublicKey, Signature, SigningKey, length_prefixed};

/// Most bytes of a checkpoint.
const MAX_TEXT: usize = 4096;
const TITLE: &str = "vault audit checkpoint 1";

/// Where a log stood, signed by the key of its epoch (`docs/audit-log.md`,
/// "Checkpoints").
///
/// Reading one checks its form and its own signature, and nothing else: whose
/// key that is says [`Checkpoint::is_certified`], that the log still has the
/// record says a verification with [`Checkpoint::head`] among the anchors.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checkpoint {
    /// The vault's id.
    pub vault: Hash,
    /// The device; none for the log from before it had a name.
    pub device: Option<String>,
    /// When it was made.
    pub at: Timestamp,
    /// Where the log stood.
    pub head: Head,
    /// The epoch whose key signs it.
    pub epoch: u64,
    /// That key.
    pub key: PublicKey,
    /// The device's signature over the key, where the log has one.
    pub certificate: Option<Signature>,
    signature: Signature,
}

impl Checkpoint {
    pub(super) fn sign(
        epoch_key: EpochKey,
        certificate: Option<Signature>,
        head: Head,
        at: Timestamp,
        signer: &SigningKey,
    ) -> Self {
        let EpochKey { vault, device, epoch, key } = epoch_key;
        let unsigned = signer.sign(b"");
        let mut checkpoint = Self { vault, device, at, head, epoch, key, certificate, signature: unsigned };
        checkpoint.signature = signer.sign(&signed_bytes(&checkpoint.unsigned_text()));
        checkpoint
    }

    fn unsigned_text(&self) -> String {
        let device = self.device.as_deref().unwrap_or("_");
        let mut text = format!(
            "{TITLE}\nvault {}\ndevice {device}\nat {}\nhead {}\nepoch {}\nkey {}\n",
            self.vault, self.at, self.head, self.epoch, self.key
        );
        if let Some(certificate) = self.certificate {
            text.push_str(&format!("certificate {certificate}\n"));
        }
        text
    }

    /// Whether one of the device's signing keys vouches for the key.
    #[must_use]
    pub fn is_certified(&self, signing_keys: &[PublicKey]) -> bool {
        let (vault, device) = (self.vault, self.device.clone());
        let epoch_key = EpochKey { vault, device, epoch: self.epoch, key: self.key };
        let certificate = self.certificate.as_ref();
        certificate.is_some_and(|certificate| signing_keys.iter().any(|by| epoch_key.is_certified_by(by, certificate)))
    }
}

fn signed_bytes(text: &str) -> Vec<u8> {
    length_prefixed(&[CHECKPOINT_CONTEXT, text.as_bytes()])
}

impl fmt::Display for Checkpoint {
    /// Lines that end with LF; the last one is the signature over the others.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}signature {}", self.unsigned_text(), self.signature)
    }
}

impl FromStr for Checkpoint {
    type Err = Error;

    /// Reads the text, with or without blank lines around it. Only the
    /// canonical form is taken.
    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        if text.len() > MAX_TEXT {
            return Err(Error::Checkpoint);
        }
        parse(text).filter(|checkpoint| checkpoint.to_string().trim_end() == text).ok_or(Error::Checkpoint)
    }
}

fn parse(text: &str) -> Option<Checkpoint> {
    let mut lines = text.lines();
    let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned);
    field("vault audit checkpoint").filter(|version| version == "1")?;
    let vault = field("vault")?.parse().ok()?;
    let device = Some(field("device")?).filter(|device| device != "_");
    if !device.as_deref().is_none_or(super::place::is_device_name) {
        return None;
    }
    let at = Timestamp::from_canonical(&field("at")?)?;
    let head = field("head")?.parse().ok()?;
    let epoch = field("epoch")?.parse().ok()?;
    let key: PublicKey = field("key")?.parse().ok()?;
    let last = text.lines().last()?;
    let certificate = match text.lines().nth(7)?.strip_prefix("certificate ") {
        Some(certificate) => Some(certificate.parse().ok()?),
        None => None,
    };
    let signature = last.strip_prefix("signature ")?.parse().ok()?;
    let checkpoint = Checkpoint { vault, device, at, head, epoch, key, certificate, signature };
    key.verify(&signed_bytes(&checkpoint.unsigned_text()), &signature).ok()?;
    Some(checkpoint)
}

/// The newest certificate for `key` in a log.
pub(super) fn certificate_in(
    records: impl Iterator<Item = Result<super::Entry, Error>>,
    key: &PublicKey,
) -> Result<Option<Signature>, Error> {
    let mut found = None;
    for entry in records {
        let record: Record = match entry {
            Ok(entry) => entry.record,
            Err(Error::Malformed { .. }) => continue,
            Err(error) => return Err(error),
        };
        if record.key.as_ref() == Some(key) {
            found = record.certificate.or(found);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(certificate: bool) -> Checkpoint {
        let signer = SigningKey::from_seed(&[7; 32]);
        let epoch_key =
            EpochKey { vault: Hash::of(b"v"), device: Some("laptop".into()), epoch: 3, key: signer.public() };
        let certificate = certificate.then(|| epoch_key.certify(&SigningKey::from_seed(&[8; 32])));
        let head = Head { sequence: 12, hash: Hash::of(b"line") };
        Checkpoint::sign(epoch_key, certificate, head, Timestamp::from_seconds(1_800_000_000).unwrap(), &signer)
    }

    #[test]
    fn a_checkpoint_reads_back_and_knows_who_vouches_for_it() {
        for certified in [true, false] {
            let made = checkpoint(certified);
            let text = format!("\n{made}\n\n");
            let read: Checkpoint = text.parse().unwrap();
            assert_eq!(read, made);
            assert_eq!(read.is_certified(&[SigningKey::from_seed(&[8; 32]).public()]), certified);
            assert!(!read.is_certified(&[SigningKey::from_seed(&[9; 32]).public()]));
        }
    }

    #[test]
    fn a_changed_byte_anywhere_is_noticed() {
        let text = checkpoint(true).to_string();
        for at in 0..text.trim_end().len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(matches!(changed.parse::<Checkpoint>(), Err(Error::Checkpoint)), "byte {at}");
        }
        for text in ["", "vault audit checkpoint 1", &text[..text.len() / 2], &format!("{text}more"), &text.repeat(2)] {
            assert!(text.parse::<Checkpoint>().is_err());
        }
    }
}
