//! A request to join: one line that carries everything an admin has to know, signed.
//!
//! `vlt-join1` and base64url without padding of
//! `LP("vault/v1/join", id, member, device, recipient, signing key) ‖ signature`, the
//! signature being Ed25519 over the part before it. It holds nothing secret: who
//! intercepts it can read it; who changes it breaks it; who replaces it whole, with a
//! signing key of their own and all else as it was, is found out by comparing the fingerprint.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64URL_NOPAD;

use crate::crypto::{Hash, IdentityKey, PublicKey, Recipient, Signature, length_prefixed};
use crate::vault::{DeviceName, MemberName, NewDevice};

const PREFIX: &str = "vlt-join1";
const LABEL: &[u8] = b"vault/v1/join";
/// Longest request, in characters.
const MAX_REQUEST: usize = 2048;

/// Somebody asks to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The vault.
    pub id: Hash,
    /// The name they want.
    pub member: MemberName,
    /// Their device.
    pub device: DeviceName,
    /// What to wrap grants to.
    pub recipient: Recipient,
    /// What the device signs with.
    pub signing_key: PublicKey,
    signature: Signature,
}

/// Why a text is no request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// Not the form of a request, or cut off.
    #[error("not a request: that is one line, as `vault join` prints it")]
    Malformed,
    /// Changed on the way.
    #[error("the request was changed on its way, or is damaged")]
    Signature,
    /// Not from the device that it is about.
    #[error("the request is not signed by the device it is about, or that device has left")]
    OtherDevice,
}

impl Request {
    /// A request of the device with this identity.
    #[must_use]
    pub fn new(id: Hash, member: MemberName, device: DeviceName, identity: &IdentityKey) -> Self {
        let key = identity.signing_key();
        let (recipient, signing_key) = (identity.recipient(), key.public());
        let signature = key.sign(&signed_bytes(&id, &member, &device, &recipient, &signing_key));
        Self { id, member, device, recipient, signing_key, signature }
    }

    /// What the two sides compare by another way than the one the request came by: of
    /// everything in it, as the recipient says nothing of who has the signing key.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let signed = signed_bytes(&self.id, &self.member, &self.device, &self.recipient, &self.signing_key);
        let text = Hash::of(&signed).to_string();
        // 120 bits: nobody finds another request with the same.
        let groups: Vec<&str> = (0..6).map(|group| &text[group * 4..group * 4 + 4]).collect();
        groups.join(" ")
    }

    /// The device to be added.
    #[must_use]
    pub fn to_device(&self) -> NewDevice {
        NewDevice {
            device: self.device.clone(),
            recipient: self.recipient.clone(),
            signing_key: Some(self.signing_key),
        }
    }
}

fn signed_bytes(
    id: &Hash,
    member: &MemberName,
    device: &DeviceName,
    recipient: &Recipient,
    signing_key: &PublicKey,
) -> Vec<u8> {
    length_prefixed(&[
        LABEL,
        id.as_bytes(),
        member.as_str().as_bytes(),
        device.as_str().as_bytes(),
        recipient.as_str().as_bytes(),
        signing_key.as_bytes(),
    ])
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = signed_bytes(&self.id, &self.member, &self.device, &self.recipient, &self.signing_key);
        bytes.extend_from_slice(self.signature.as_bytes());
        f.write_str(&encode(PREFIX, &bytes))
    }
}

impl FromStr for Request {
    type Err = RequestError;

    fn from_str(text: &str) -> Result<Self, RequestError> {
        let bytes = decode(PREFIX, text)?;
        let (signed, signature) = bytes.split_last_chunk::<64>().ok_or(RequestError::Malformed)?;
        let mut parts = Parts::of(signed, LABEL)?;
        let id = Hash::from(parts.bytes::<32>()?);
        let (member, device, recipient) = (parts.word()?, parts.word()?, parts.word::<Recipient>()?);
        let (signing_key, signature) = (PublicKey::from(parts.bytes::<32>()?), Signature::from(*signature));
        parts.end()?;
        signing_key.verify(signed, &signature).map_err(|_| RequestError::Signature)?;
        Ok(Self { id, member, device, recipient, signing_key, signature })
    }
}

/// A request as one line: its prefix and base64url of its bytes.
pub(super) fn encode(prefix: &str, bytes: &[u8]) -> String {
    format!("{prefix}{}", BASE64URL_NOPAD.encode(bytes))
}

pub(super) fn decode(prefix: &str, text: &str) -> Result<Vec<u8>, RequestError> {
    let encoded = text.trim().strip_prefix(prefix).filter(|_| text.len() <= MAX_REQUEST);
    let decoded = encoded.and_then(|encoded| BASE64URL_NOPAD.decode(encoded.as_bytes()).ok());
    decoded.ok_or(RequestError::Malformed)
}

/// The parts of `LP(x…)`, read in order.
pub(super) struct Parts<'a>(&'a [u8]);

impl<'a> Parts<'a> {
    /// Those behind a label, which has to be this one.
    pub(super) fn of(bytes: &'a [u8], label: &[u8]) -> Result<Self, RequestError> {
        let mut parts = Self(bytes);
        if parts.next()? == label { Ok(parts) } else { Err(RequestError::Malformed) }
    }

    pub(super) fn next(&mut self) -> Result<&'a [u8], RequestError> {
        let malformed = RequestError::Malformed;
        let (length, after) = self.0.split_first_chunk::<8>().ok_or(malformed)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| malformed)?;
        let (part, after) = after.split_at_checked(length).ok_or(malformed)?;
        self.0 = after;
        Ok(part)
    }

    pub(super) fn bytes<const N: usize>(&mut self) -> Result<[u8; N], RequestError> {
        self.next()?.try_into().map_err(|_| RequestError::Malformed)
    }

    pub(super) fn word<T: FromStr>(&mut self) -> Result<T, RequestError> {
        let text = std::str::from_utf8(self.next()?).map_err(|_| RequestError::Malformed)?;
        text.parse().map_err(|_| RequestError::Malformed)
    }

    pub(super) fn end(self) -> Result<(), RequestError> {
        if self.0.is_empty() { Ok(()) } else { Err(RequestError::Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request {
        let identity = IdentityKey::generate().unwrap();
        Request::new(Hash::of(b"id"), "bob".parse().unwrap(), "bob-laptop".parse().unwrap(), &identity)
    }

    #[test]
    fn one_line_there_and_back() {
        let request = request();
        let text = request.to_string();
        assert!(text.starts_with("vlt-join1") && !text.contains(char::is_whitespace));
        assert_eq!(text.parse::<Request>().unwrap(), request);
        assert_eq!(format!(" {text}\n").parse::<Request>().unwrap(), request);
    }

    #[test]
    fn a_fingerprint_is_of_everything_in_it() {
        let (mine, theirs) = (request(), request());
        let resigned = |change: fn(&mut Request, &Request)| {
            let mut changed = mine.clone();
            change(&mut changed, &theirs);
            changed.fingerprint()
        };
        assert_eq!((mine.fingerprint().len(), resigned(|_, _| {})), (29, mine.fingerprint()));
        let changes: [fn(&mut Request, &Request); 5] = [
            |request, _| request.id = Hash::of(b"other"),
            |request, _| request.member = "eve".parse().unwrap(),
            |request, _| request.device = "bob-desktop".parse().unwrap(),
            |request, other| request.recipient = other.recipient.clone(),
            |request, other| request.signing_key = other.signing_key,
        ];
        for change in changes {
            assert_ne!(resigned(change), mine.fingerprint());
        }
    }

    #[test]
    fn every_changed_character_is_noticed() {
        let text = request().to_string();
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(changed.parse::<Request>().is_err(), "character {at}");
        }
        for cut in 0..text.len() {
            assert!(text[..cut].parse::<Request>().is_err(), "cut at {cut}");
        }
    }
}
