//! A request to join: one line that carries everything an admin has to know, signed.
//!
//! `vlt-join1` and base64url without padding of
//! `LP("vault/v1/join", id, member, device, recipient, signing key) ‖ signature`, the
//! signature being Ed25519 over the part before it. It holds nothing secret: who
//! intercepts it can read it; who changes it breaks it; who replaces it whole is found
//! out by comparing the recipient.

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
    #[error("not a request to join: that is one line, as `vault join` prints it")]
    Malformed,
    /// Changed on the way.
    #[error("the request was changed on its way, or is damaged")]
    Signature,
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
        write!(f, "{PREFIX}{}", BASE64URL_NOPAD.encode(&bytes))
    }
}

impl FromStr for Request {
    type Err = RequestError;

    fn from_str(text: &str) -> Result<Self, RequestError> {
        let malformed = RequestError::Malformed;
        let encoded = text.trim().strip_prefix(PREFIX).filter(|_| text.len() <= MAX_REQUEST).ok_or(malformed)?;
        let bytes = BASE64URL_NOPAD.decode(encoded.as_bytes()).map_err(|_| malformed)?;
        let (signed, signature) = bytes.split_last_chunk::<64>().ok_or(malformed)?;
        let mut rest = signed;
        let mut part = || -> Result<&[u8], RequestError> {
            let (length, after) = rest.split_first_chunk::<8>().ok_or(malformed)?;
            let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| malformed)?;
            let (part, after) = after.split_at_checked(length).ok_or(malformed)?;
            rest = after;
            Ok(part)
        };
        if part()? != LABEL {
            return Err(malformed);
        }
        let id: [u8; 32] = part()?.try_into().map_err(|_| malformed)?;
        let mut word = || std::str::from_utf8(part()?).map_err(|_| malformed);
        let member = word()?.parse().map_err(|_| malformed)?;
        let device = word()?.parse().map_err(|_| malformed)?;
        let recipient: Recipient = word()?.parse().map_err(|_| malformed)?;
        let signing_key: [u8; 32] = part()?.try_into().map_err(|_| malformed)?;
        if !rest.is_empty() {
            return Err(malformed);
        }
        let (signing_key, signature) = (PublicKey::from(signing_key), Signature::from(*signature));
        signing_key.verify(signed, &signature).map_err(|_| RequestError::Signature)?;
        Ok(Self { id: id.into(), member, device, recipient, signing_key, signature })
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
