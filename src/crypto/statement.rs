//! What a device signs besides changes of the team: exactly these two kinds of bytes.
//! Each begins with words of its own, so that a signature on one is none on anything else.

use super::{Hash, PublicKey, length_prefixed};

/// A profile's section, by the hash of its text through the line above its signature:
/// `LP("vault/v1/profile", id, SHA-256(text))`.
#[must_use]
pub fn section(vault: &Hash, text: &Hash) -> Vec<u8> {
    length_prefixed(&[b"vault/v1/profile", vault.as_bytes(), text.as_bytes()])
}

/// The key of an audit log's epoch: `LP("vault/v1/audit-key", id, device, epoch, key)`;
/// the device without a name is the empty text.
#[must_use]
pub fn audit_key(vault: &Hash, device: &str, epoch: u64, key: &PublicKey) -> Vec<u8> {
    length_prefixed(&[b"vault/v1/audit-key", vault.as_bytes(), device.as_bytes(), &epoch.to_le_bytes(), key.as_bytes()])
}
