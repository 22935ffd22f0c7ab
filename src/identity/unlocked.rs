//! What can open and sign for a device: its identity in hand, or the agent that holds it.

use super::Error;
use crate::crypto::{Commitment, DataKey, Hash, IdentityKey, PublicKey, Recipient, Signature, WrappedKey, statement};

/// A grant, and the key that the team log says is in it.
#[derive(Clone, Copy, Debug)]
pub struct Grant<'a> {
    /// The vault's id.
    pub vault: &'a Hash,
    /// The profile.
    pub profile: &'a str,
    /// Its epoch.
    pub epoch: u64,
    /// What the team log commits to.
    pub commitment: &'a Commitment,
    /// The data key, wrapped to this device.
    pub wrapped: &'a WrappedKey,
}

/// The key of an audit log's epoch, to be certified.
#[derive(Clone, Copy, Debug)]
pub struct AuditKey<'a> {
    /// The vault's id.
    pub vault: &'a Hash,
    /// The device's name, or the empty text.
    pub device: &'a str,
    /// Number of the epoch.
    pub epoch: u64,
    /// The key that signs its records.
    pub key: &'a PublicKey,
}

/// An identity that can be used. Changes of the team need it [in hand](Self::in_hand);
/// everything else works either way.
pub trait Unlocked {
    /// The public half.
    fn recipient(&self) -> Recipient;

    /// The public half of what it signs with; `None` for one that only reads.
    fn signing_key(&self) -> Option<PublicKey>;

    /// Opens a grant of this device.
    ///
    /// # Errors
    /// [`Error::Crypto`] (`GrantDoesNotOpen`, `Commitment`), [`Error::Agent`].
    fn unwrap(&self, grant: &Grant<'_>) -> Result<DataKey, Error>;

    /// Signs a profile's section, by its text through the line above the signature.
    ///
    /// # Errors
    /// [`Error::Agent`].
    fn sign_section(&self, vault: &Hash, profile: &str, text: &str) -> Result<Signature, Error>;

    /// Certifies the key of an audit log's epoch.
    ///
    /// # Errors
    /// [`Error::Agent`].
    fn certify(&self, key: &AuditKey<'_>) -> Result<Signature, Error>;

    /// The identity itself. The agent does not give it out.
    fn in_hand(&self) -> Option<&IdentityKey>;
}

impl Unlocked for IdentityKey {
    fn recipient(&self) -> Recipient {
        self.recipient()
    }

    fn signing_key(&self) -> Option<PublicKey> {
        Some(Self::signing_key(self).public())
    }

    fn unwrap(&self, grant: &Grant<'_>) -> Result<DataKey, Error> {
        Ok(grant.wrapped.unwrap_with(self, grant.profile, grant.epoch, grant.commitment)?)
    }

    fn sign_section(&self, vault: &Hash, _profile: &str, text: &str) -> Result<Signature, Error> {
        Ok(self.signing_key().sign(&statement::section(vault, &Hash::of(text.as_bytes()))))
    }

    fn certify(&self, key: &AuditKey<'_>) -> Result<Signature, Error> {
        Ok(self.signing_key().sign(&statement::audit_key(key.vault, key.device, key.epoch, key.key)))
    }

    fn in_hand(&self) -> Option<&IdentityKey> {
        Some(self)
    }
}

/// Reads, and signs nothing: the team log has no signing key for it.
#[cfg(feature = "ssh")]
impl Unlocked for crate::crypto::SshKey {
    fn recipient(&self) -> Recipient {
        self.recipient().clone()
    }

    fn signing_key(&self) -> Option<PublicKey> {
        None
    }

    fn unwrap(&self, grant: &Grant<'_>) -> Result<DataKey, Error> {
        Ok(self.unwrap(grant.wrapped, grant.profile, grant.epoch, grant.commitment)?)
    }

    fn sign_section(&self, _vault: &Hash, _profile: &str, _text: &str) -> Result<Signature, Error> {
        Err(Error::SshSignsNothing)
    }

    fn certify(&self, _key: &AuditKey<'_>) -> Result<Signature, Error> {
        Err(Error::SshSignsNothing)
    }

    fn in_hand(&self) -> Option<&IdentityKey> {
        None
    }
}
