//! Bytes that are wiped when dropped and never shown.

use zeroize::{Zeroize, Zeroizing};

/// A secret in memory: a value, a passphrase, a line of a key file.
///
/// The bytes are wiped on drop. There is no `Display`, `Clone`, `PartialEq` or
/// `Serialize`, and `Debug` shows neither the bytes nor their number.
/// [`SecretValue::reveal`] is the one way in; each caller says in a comment
/// where the bytes go.
pub struct SecretValue(Zeroizing<Vec<u8>>);

impl SecretValue {
    /// Takes over `bytes`. The vector must be exactly the secret: spare
    /// capacity is wiped too, earlier reallocations of the caller are not.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The secret bytes.
    #[must_use]
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }

    /// Number of bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True for the empty value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Compares without revealing, by timing, where two values of one length differ.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        use subtle::ConstantTimeEq;
        self.0.as_slice().ct_eq(other.0.as_slice()).into()
    }

    /// Drops `count` bytes from the end and wipes them.
    pub fn shorten(&mut self, count: usize) {
        let keep = self.0.len().saturating_sub(count);
        self.0[keep..].zeroize();
        self.0.truncate(keep);
    }
}

impl std::fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretValue(…)")
    }
}

impl From<&[u8]> for SecretValue {
    fn from(bytes: &[u8]) -> Self {
        Self::new(bytes.to_vec())
    }
}

/// Bytes of stack that [`wipe_stack`] overwrites: more than any command was seen to use.
const WIPED_STACK: usize = 384 << 10;

/// Overwrites the stack below the caller. Keys and values are wiped where they are kept; what functions
/// that have returned left of them in their frames, by moving them and in the arithmetic of ciphers, is not.
///
/// Where the stack has a limit below 1 MiB it does nothing, as it might not fit.
#[inline(never)]
pub fn wipe_stack() {
    if rustix::process::getrlimit(rustix::process::Resource::Stack).current.is_none_or(|limit| limit >= 1 << 20) {
        overwrite();
    }
}

#[inline(never)]
fn overwrite() {
    std::hint::black_box(&mut [0_u8; WIPED_STACK]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        let value = SecretValue::from(&b"hunter2"[..]);
        assert_eq!(format!("{value:?}"), "SecretValue(…)");
    }

    #[test]
    fn shorten_and_compare() {
        let mut value = SecretValue::from(&b"hunter2\n"[..]);
        value.shorten(1);
        assert!(value.same_as(&SecretValue::from(&b"hunter2"[..])));
        assert!(!value.same_as(&SecretValue::from(&b"hunter3"[..])));
        assert!(!value.same_as(&SecretValue::from(&b"hunter"[..])));
        value.shorten(100);
        assert!(value.is_empty());
    }
}
