//! XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha §2), in place, nonce and tag beside the text.

use chacha20poly1305::aead::{AeadInPlace, KeyInit};
use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};

/// Bytes of a nonce.
pub(super) const NONCE: usize = 24;
/// Bytes of a tag.
pub(super) const TAG: usize = 16;

/// A key for sealing and opening; wiped on drop.
pub(super) struct Aead(XChaCha20Poly1305);

/// The tag is not that of key, nonce, associated data and text.
#[derive(Debug)]
pub(super) struct NotAuthentic;

impl Aead {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        Self(XChaCha20Poly1305::new(key.into()))
    }

    /// `XChaCha20-Poly1305[key](nonce, text, associated)`: encrypts `text`, gives the tag.
    ///
    /// # Panics
    /// Over 256 GiB, which nothing here comes near.
    pub(super) fn seal(&self, nonce: &[u8; NONCE], associated: &[u8], text: &mut [u8]) -> [u8; TAG] {
        self.0
            .encrypt_in_place_detached(XNonce::from_slice(nonce), associated, text)
            .expect("a text far below the limit of 256 GiB")
            .into()
    }

    /// Decrypts `text` once the tag is found right; otherwise leaves it as it is.
    pub(super) fn open(
        &self,
        nonce: &[u8; NONCE],
        associated: &[u8],
        text: &mut [u8],
        tag: &[u8; TAG],
    ) -> Result<(), NotAuthentic> {
        self.0
            .decrypt_in_place_detached(XNonce::from_slice(nonce), associated, text, Tag::from_slice(tag))
            .map_err(|_| NotAuthentic)
    }
}
