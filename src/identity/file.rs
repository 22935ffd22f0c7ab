//! Identity files, plain and sealed. Both are 0600 and ours, or refused.
//!
//! *Plain* is what `age-keygen` writes: comments (`#`), empty lines, and exactly
//! one line `AGE-SECRET-KEY-1…`.
//!
//! *Sealed* is our own text, eight lines that each end in one LF, and nothing
//! else (values as in `docs/format.md`, sections 1 and 7):
//!
//! ```text
//! # vault identity, sealed with a passphrase
//! recipient = "age1…"
//! signing_key = "<base64 of 32 bytes>"
//! m = 65536
//! t = 3
//! p = 4
//! salt = "<base64 of 16 bytes>"
//! box = "<base64 of 72 bytes>"
//! ```
//!
//! Only these exact bytes are read: what was parsed is printed again and compared.

use std::path::Path;
use std::time::Duration;

use super::{Error, Origin, Unsupported, descriptor};
use crate::clock::Timestamp;
use crate::crypto::{self, IdentityKey, KdfCost, PublicKey, Recipient, SealedIdentity};
use crate::secret_value::SecretValue;
use crate::store::{self, Lock, Mode};

/// Largest identity file, in bytes.
pub(super) const MAX_FILE: u64 = 64 * 1024;
/// Time to wait for another process that writes in the same directory.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);
const SEALED: &str = "# vault identity, sealed with a passphrase";

/// The content of an identity file.
#[derive(Debug)]
pub enum IdentityFile {
    /// Usable at once.
    Plain(IdentityKey),
    /// Needs a passphrase.
    Sealed(SealedFile),
}

/// A sealed identity and the public halves it must turn out to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedFile {
    /// The device's recipient, a native one.
    pub recipient: Recipient,
    /// The device's signing key.
    pub signing_key: PublicKey,
    /// The seal.
    pub sealed: SealedIdentity,
}

impl IdentityFile {
    /// Reads an identity file of at most 64 KiB, or a descriptor named `/dev/fd/N`.
    ///
    /// # Errors
    /// [`Error::Store`] if it is missing, not private, not ours, a link or too
    /// large; else those of [`IdentityFile::parse`].
    pub fn read(path: &Path) -> Result<Self, Error> {
        // The text goes through the parser and nowhere else.
        Self::parse(read_text(path)?.reveal(), &Origin::File(path.to_path_buf()))
    }

    /// Reads the text of an identity file; `origin` is for messages.
    ///
    /// # Errors
    /// [`Error::NotIdentity`], [`Error::Unsupported`], [`Error::SecondIdentity`],
    /// [`Error::Empty`]; [`Error::NotSealed`] for a file that begins as a sealed one.
    pub fn parse(bytes: &[u8], origin: &Origin) -> Result<Self, Error> {
        if bytes.split(|byte| *byte == b'\n').next() == Some(SEALED.as_bytes()) {
            return match parse_sealed(bytes) {
                Ok(sealed) => Ok(Self::Sealed(sealed)),
                Err(line) => Err(Error::NotSealed { origin: origin.clone(), line }),
            };
        }
        parse_plain(bytes, origin).map(Self::Plain)
    }
}

impl SealedFile {
    /// Seals `identity` with `passphrase` at the standard cost.
    ///
    /// # Errors
    /// [`Error::Crypto`] if the system gives no randomness.
    pub fn seal(identity: &IdentityKey, passphrase: &SecretValue) -> Result<Self, Error> {
        Ok(Self {
            recipient: identity.recipient(),
            signing_key: identity.signing_key().public(),
            sealed: SealedIdentity::seal(identity, passphrase)?,
        })
    }

    /// Opens the identity; `origin` is for messages. Takes about 0.1 s and 64 MiB.
    ///
    /// # Errors
    /// [`Error::DoesNotOpen`] for a wrong passphrase and for damage alike.
    pub fn open(&self, passphrase: &SecretValue, origin: &Origin) -> Result<IdentityKey, Error> {
        self.sealed.open(passphrase, &self.recipient, &self.signing_key).map_err(|error| match error {
            crypto::Error::SealDoesNotOpen => Error::DoesNotOpen { origin: origin.clone() },
            other => other.into(),
        })
    }

    fn to_text(&self) -> String {
        let Self { recipient, signing_key, sealed } = self;
        let cost = sealed.cost;
        format!(
            "{SEALED}\nrecipient = \"{recipient}\"\nsigning_key = \"{signing_key}\"\nm = {}\nt = {}\np = {}\n\
             salt = \"{}\"\nbox = \"{}\"\n",
            cost.memory_kib(),
            cost.passes(),
            cost.lanes(),
            crypto::to_base64(&sealed.salt),
            crypto::to_base64(&sealed.sealed),
        )
    }
}

/// The text of a plain identity file, as `age-keygen` writes it.
#[must_use]
pub fn plain_text(identity: &IdentityKey, now: Timestamp) -> SecretValue {
    let comments = format!("# created: {now}\n# public key: {}\n", identity.recipient());
    let secret = identity.to_text();
    // The text goes where identities are kept. Sized ahead: growing would leave a copy.
    let mut text = Vec::with_capacity(comments.len() + secret.len() + 1);
    text.extend_from_slice(comments.as_bytes());
    text.extend_from_slice(secret.reveal());
    text.push(b'\n');
    SecretValue::new(text)
}

/// The text of a sealed identity file.
///
/// # Errors
/// [`Error::Crypto`] if the system gives no randomness.
pub fn sealed_text(identity: &IdentityKey, passphrase: &SecretValue) -> Result<SecretValue, Error> {
    Ok(SecretValue::new(SealedFile::seal(identity, passphrase)?.to_text().into_bytes()))
}

/// Writes a plain identity file, 0600 and durable. A directory that is missing is made,
/// private. Never overwrites.
///
/// Takes the lock of the directory, which the caller must not hold.
///
/// # Errors
/// [`Error::Store`], `Exists` if there is anything of that name.
pub fn write_plain(path: &Path, identity: &IdentityKey, now: Timestamp) -> Result<(), Error> {
    write_text(path, &plain_text(identity, now))
}

/// Writes a sealed identity file. Otherwise as [`write_plain`].
///
/// # Errors
/// As [`write_plain`]; [`Error::Crypto`] if the system gives no randomness.
pub fn write_sealed(path: &Path, identity: &IdentityKey, passphrase: &SecretValue) -> Result<(), Error> {
    write_text(path, &sealed_text(identity, passphrase)?)
}

/// The bytes of an identity file.
pub(super) fn read_text(path: &Path) -> Result<SecretValue, Error> {
    let mut bytes = descriptor::read_private(path, MAX_FILE)?;
    Ok(SecretValue::new(std::mem::take(&mut *bytes)))
}

/// Writes a new identity file.
pub(super) fn write_text(path: &Path, text: &SecretValue) -> Result<(), Error> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let acquire = || Lock::acquire(directory, LOCK_TIMEOUT);
    // A directory that is there may be one that others use too; the file is private in any case.
    let lock = match acquire() {
        Err(store::Error::Missing { .. }) => store::create_private_dir_all(directory).and_then(|()| acquire()),
        other => other,
    };
    let _lock = lock?;
    // The text goes into the file and nowhere else.
    Ok(store::create_new(path, text.reveal(), Mode::Private)?)
}

fn parse_plain(bytes: &[u8], origin: &Origin) -> Result<IdentityKey, Error> {
    let mut found = None;
    for (line, text) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        let text = text.trim_ascii();
        if text.is_empty() || text.starts_with(b"#") {
            continue;
        }
        if let Some(kind) = unsupported(text) {
            return Err(Error::Unsupported { origin: origin.clone(), line, kind });
        }
        let identity = std::str::from_utf8(text).ok().and_then(|text| IdentityKey::parse(text).ok());
        let identity = identity.ok_or_else(|| Error::NotIdentity { origin: origin.clone(), line })?;
        if found.replace(identity).is_some() {
            return Err(Error::SecondIdentity { origin: origin.clone(), line });
        }
    }
    found.ok_or_else(|| Error::Empty { origin: origin.clone() })
}

fn unsupported(line: &[u8]) -> Option<Unsupported> {
    [
        (&b"AGE-PLUGIN-"[..], Unsupported::Plugin),
        (b"AGE-SECRET-KEY-PQ-1", Unsupported::PostQuantum),
        (b"age-encryption.org/v1", Unsupported::AgeFile),
        (b"-----BEGIN AGE ENCRYPTED FILE-----", Unsupported::AgeFile),
        (b"-----BEGIN ", Unsupported::SshKey),
        (b"age1", Unsupported::Recipient),
    ]
    .into_iter()
    .find_map(|(start, kind)| line.starts_with(start).then_some(kind))
}

/// Fails with the number of the line that is wrong.
fn parse_sealed(bytes: &[u8]) -> Result<SealedFile, usize> {
    let valid = |error: std::str::Utf8Error| 1 + bytes[..error.valid_up_to()].iter().filter(|b| **b == b'\n').count();
    let text = std::str::from_utf8(bytes).map_err(valid)?;
    let mut lines = text.split('\n').skip(1);
    let mut number = 1;
    let mut field = |key: &str| {
        number += 1;
        let value = lines.next().and_then(|line| line.strip_prefix(key)?.strip_prefix(" = "));
        value.map(|value| (value, number)).ok_or(number)
    };
    let (recipient, signing_key) = (field("recipient")?, field("signing_key")?);
    let (m, t, p) = (field("m")?, field("t")?, field("p")?);
    let (salt, sealed) = (field("salt")?, field("box")?);

    let recipient = string(recipient)?.parse().ok().filter(Recipient::is_native).ok_or(recipient.1)?;
    let signing_key = string(signing_key)?.parse().map_err(|_| signing_key.1)?;
    let integer = |(text, line): (&str, usize)| text.parse::<u64>().map_err(|_| line);
    let cost = KdfCost::new(integer(m)?, integer(t)?, integer(p)?).map_err(|_| m.1)?;
    let (salt, sealed) = (bytes_of(salt)?, bytes_of(sealed)?);

    let file = SealedFile { recipient, signing_key, sealed: SealedIdentity { cost, salt, sealed } };
    let canonical = file.to_text();
    if canonical == text {
        return Ok(file);
    }
    // The first line that is written otherwise, or the ninth, which should not be there.
    let same = canonical.split('\n').zip(text.split('\n')).take_while(|(want, is)| want == is).count();
    Err(same.min(8) + 1)
}

fn string((value, line): (&str, usize)) -> Result<&str, usize> {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).ok_or(line)
}

fn bytes_of<const N: usize>(field: (&str, usize)) -> Result<[u8; N], usize> {
    let bytes = crypto::from_base64(string(field)?, "sealed identity").map_err(|_| field.1)?;
    bytes.try_into().map_err(|_| field.1)
}

#[cfg(test)]
mod tests;
