//! What a member asks an admin for: to join, to replace a device's identity, to carry it
//! sealed. Each is one line, signed, and for `vault member approve`.
//!
//! `vlt-rotate1` and base64url of `LP("vault/v1/rotate", id, old device, new device,
//! recipient, signing key, leaked) ‖ signature of the new key ‖ signature of the old key`;
//! `leaked` is the word or nothing. `vlt-seal1` and base64url of `LP("vault/v1/seal", id,
//! device, m, t, p, salt, box) ‖ signature of the device`. The second signature of the
//! first covers the first one too. Whether the old key is the device's only the team log
//! tells: see the `check` of each.

use std::fmt;
use std::str::FromStr;

use crate::crypto::{Hash, IdentityKey, KdfCost, PublicKey, Recipient, SealedIdentity, Signature, length_prefixed};
use crate::vault::{DeviceName, MemberName, NewDevice, Team};

use super::request::{Parts, Request, RequestError, decode, encode};

const ROTATE: (&str, &[u8]) = ("vlt-rotate1", b"vault/v1/rotate");
const SEAL: (&str, &[u8]) = ("vlt-seal1", b"vault/v1/seal");

/// A request of any kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// To be added.
    Join(Request),
    /// To put a new identity in the place of a device's.
    Replace(ReplaceRequest),
    /// To carry the identity of a device sealed.
    Seal(SealRequest),
}

/// A device asks for a new identity in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplaceRequest {
    /// The vault.
    pub id: Hash,
    /// The device that leaves.
    pub old: DeviceName,
    /// The device that takes its place.
    pub device: DeviceName,
    /// What to wrap grants to from then on.
    pub recipient: Recipient,
    /// What it signs with from then on.
    pub signing_key: PublicKey,
    /// True if somebody else may have the old identity.
    pub leaked: bool,
    by_new: Signature,
    by_old: Signature,
}

/// A device asks to have its identity carried sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealRequest {
    /// The vault.
    pub id: Hash,
    /// The device.
    pub device: DeviceName,
    /// Its identity, sealed.
    pub sealed: SealedIdentity,
    signature: Signature,
}

impl Asked {
    /// The vault that is meant.
    #[must_use]
    pub fn id(&self) -> Hash {
        match self {
            Self::Join(request) => request.id,
            Self::Replace(request) => request.id,
            Self::Seal(request) => request.id,
        }
    }
}

impl FromStr for Asked {
    type Err = RequestError;

    fn from_str(text: &str) -> Result<Self, RequestError> {
        let line = text.trim_start();
        if line.starts_with(ROTATE.0) {
            text.parse().map(Self::Replace)
        } else if line.starts_with(SEAL.0) {
            text.parse().map(Self::Seal)
        } else {
            text.parse().map(Self::Join)
        }
    }
}

impl ReplaceRequest {
    /// A request of the device `old` to be `device` with another identity.
    #[must_use]
    pub fn new(
        id: Hash,
        old: (DeviceName, &IdentityKey),
        device: DeviceName,
        identity: &IdentityKey,
        leaked: bool,
    ) -> Self {
        let (key, nothing) = (identity.signing_key(), Signature::from([0; 64]));
        let mut request = Self {
            id,
            old: old.0,
            device,
            recipient: identity.recipient(),
            signing_key: key.public(),
            leaked,
            by_new: nothing,
            by_old: nothing,
        };
        request.by_new = key.sign(&request.signed_by_new());
        request.by_old = old.1.signing_key().sign(&request.signed_by_old());
        request
    }

    /// The device that takes the place.
    #[must_use]
    pub fn to_device(&self) -> NewDevice {
        NewDevice {
            device: self.device.clone(),
            recipient: self.recipient.clone(),
            signing_key: Some(self.signing_key),
        }
    }

    /// Checks that the device that is to leave asks for it, and gives whose it is.
    ///
    /// # Errors
    /// [`RequestError::OtherDevice`].
    pub fn check(&self, team: &Team) -> Result<MemberName, RequestError> {
        check_signed(team, &self.old, &self.signed_by_old(), &self.by_old)
    }

    fn signed_by_new(&self) -> Vec<u8> {
        length_prefixed(&[
            ROTATE.1,
            self.id.as_bytes(),
            self.old.as_str().as_bytes(),
            self.device.as_str().as_bytes(),
            self.recipient.as_str().as_bytes(),
            self.signing_key.as_bytes(),
            if self.leaked { b"leaked" } else { b"" },
        ])
    }

    fn signed_by_old(&self) -> Vec<u8> {
        [&self.signed_by_new()[..], self.by_new.as_bytes()].concat()
    }
}

impl fmt::Display for ReplaceRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encode(ROTATE.0, &[&self.signed_by_old()[..], self.by_old.as_bytes()].concat()))
    }
}

impl FromStr for ReplaceRequest {
    type Err = RequestError;

    fn from_str(text: &str) -> Result<Self, RequestError> {
        let bytes = decode(ROTATE.0, text)?;
        let (rest, by_old) = bytes.split_last_chunk::<64>().ok_or(RequestError::Malformed)?;
        let (signed, by_new) = rest.split_last_chunk::<64>().ok_or(RequestError::Malformed)?;
        let mut parts = Parts::of(signed, ROTATE.1)?;
        let id = Hash::from(parts.bytes::<32>()?);
        let (old, device, recipient) = (parts.word()?, parts.word()?, parts.word()?);
        let signing_key = PublicKey::from(parts.bytes::<32>()?);
        let leaked = match parts.next()? {
            b"leaked" => true,
            b"" => false,
            _ => return Err(RequestError::Malformed),
        };
        parts.end()?;
        let (by_new, by_old) = (Signature::from(*by_new), Signature::from(*by_old));
        signing_key.verify(signed, &by_new).map_err(|_| RequestError::Signature)?;
        Ok(Self { id, old, device, recipient, signing_key, leaked, by_new, by_old })
    }
}

impl SealRequest {
    /// A request of a device.
    #[must_use]
    pub fn new(id: Hash, device: DeviceName, sealed: SealedIdentity, identity: &IdentityKey) -> Self {
        let mut request = Self { id, device, sealed, signature: Signature::from([0; 64]) };
        request.signature = identity.signing_key().sign(&request.signed());
        request
    }

    /// Checks that the device itself asks for it, and gives whose it is.
    ///
    /// # Errors
    /// [`RequestError::OtherDevice`].
    pub fn check(&self, team: &Team) -> Result<MemberName, RequestError> {
        check_signed(team, &self.device, &self.signed(), &self.signature)
    }

    fn signed(&self) -> Vec<u8> {
        let SealedIdentity { cost, salt, sealed } = &self.sealed;
        length_prefixed(&[
            SEAL.1,
            self.id.as_bytes(),
            self.device.as_str().as_bytes(),
            &cost.memory_kib().to_le_bytes(),
            &cost.passes().to_le_bytes(),
            &cost.lanes().to_le_bytes(),
            salt,
            sealed,
        ])
    }
}

impl fmt::Display for SealRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encode(SEAL.0, &[&self.signed()[..], self.signature.as_bytes()].concat()))
    }
}

impl FromStr for SealRequest {
    type Err = RequestError;

    fn from_str(text: &str) -> Result<Self, RequestError> {
        let bytes = decode(SEAL.0, text)?;
        let (signed, signature) = bytes.split_last_chunk::<64>().ok_or(RequestError::Malformed)?;
        let mut parts = Parts::of(signed, SEAL.1)?;
        let id = Hash::from(parts.bytes::<32>()?);
        let device = parts.word()?;
        let mut number = || parts.bytes::<8>().map(u64::from_le_bytes);
        let cost = KdfCost::new(number()?, number()?, number()?).map_err(|_| RequestError::Malformed)?;
        let (salt, sealed) = (parts.bytes()?, parts.bytes()?);
        parts.end()?;
        let sealed = SealedIdentity { cost, salt, sealed };
        Ok(Self { id, device, sealed, signature: Signature::from(*signature) })
    }
}

fn check_signed(
    team: &Team,
    device: &DeviceName,
    signed: &[u8],
    signature: &Signature,
) -> Result<MemberName, RequestError> {
    let found = team.devices().get(device).filter(|found| found.active);
    let found = found.ok_or(RequestError::OtherDevice)?;
    let key = found.signing_key.ok_or(RequestError::OtherDevice)?;
    key.verify(signed, signature).map_err(|_| RequestError::OtherDevice)?;
    Ok(found.member.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret_value::SecretValue;

    fn key() -> IdentityKey {
        IdentityKey::generate().unwrap()
    }

    fn refuses_every_part(text: &str) {
        for cut in 0..text.len() {
            assert!(text[..cut].parse::<Asked>().is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn one_line_there_and_back_and_told_apart() {
        let (old, new) = (key(), key());
        let names = || ("bob-laptop".parse::<DeviceName>().unwrap(), "bob-laptop-2".parse().unwrap());
        for leaked in [false, true] {
            let (name, next) = names();
            let request = ReplaceRequest::new(Hash::of(b"id"), (name, &old), next, &new, leaked);
            let text = request.to_string();
            assert_eq!(text.parse::<Asked>().unwrap(), Asked::Replace(request));
            refuses_every_part(&text);
        }
    }

    #[test]
    fn a_seal_is_one_line_too() {
        let device = key();
        let sealed = SealedIdentity::seal(&device, &SecretValue::from(&b"six words"[..])).unwrap();
        let request = SealRequest::new(Hash::of(b"id"), "bob-laptop".parse().unwrap(), sealed, &device);
        let text = request.to_string();
        assert!(!text.contains(char::is_whitespace));
        assert_eq!(text.parse::<Asked>().unwrap(), Asked::Seal(request));
        refuses_every_part(&text);
    }
}
