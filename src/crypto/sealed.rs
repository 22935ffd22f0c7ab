//! An identity sealed with a passphrase: Argon2id (RFC 9106), then XChaCha20-Poly1305.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::{Zeroize, Zeroizing};

use super::aead::{Aead, NONCE, NotAuthentic};
use super::{Error, IdentityKey, PublicKey, Recipient, length_prefixed};
use crate::secret_value::SecretValue;

/// Cost of Argon2id. Read from a file it is only ever within the bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KdfCost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

/// The sealed form of an identity.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedIdentity {
    /// Cost the passphrase was derived with.
    pub cost: KdfCost,
    /// 16 random bytes.
    pub salt: [u8; 16],
    /// `nonce (24) ‖ ciphertext (32) ‖ tag (16)`.
    pub sealed: [u8; 72],
}

impl KdfCost {
    /// RFC 9106 §4, second choice: 64 MiB, t = 3, p = 4. Also the floor.
    pub const STANDARD: Self = Self { memory_kib: 65_536, passes: 3, lanes: 4 };

    /// Accepts memory of 64 MiB to 1 GiB, 3 to 16 passes, 4 to 16 lanes.
    ///
    /// # Errors
    /// [`Error::KdfBounds`].
    pub fn new(memory_kib: u64, passes: u64, lanes: u64) -> Result<Self, Error> {
        if !(65_536..=1_048_576).contains(&memory_kib) || !(3..=16).contains(&passes) || !(4..=16).contains(&lanes) {
            return Err(Error::KdfBounds);
        }
        // In range, so the casts lose nothing.
        Ok(Self { memory_kib: memory_kib as u32, passes: passes as u32, lanes: lanes as u32 })
    }

    /// Memory in KiB, the `m` of RFC 9106.
    #[must_use]
    pub fn memory_kib(&self) -> u64 {
        self.memory_kib.into()
    }

    /// Passes, the `t` of RFC 9106.
    #[must_use]
    pub fn passes(&self) -> u64 {
        self.passes.into()
    }

    /// Lanes, the `p` of RFC 9106.
    #[must_use]
    pub fn lanes(&self) -> u64 {
        self.lanes.into()
    }

    /// `Argon2id(passphrase, salt, m, t, p)`, 32 bytes, version 0x13, no secret, no associated data.
    pub(super) fn derive(self, passphrase: &SecretValue, salt: &[u8; 16]) -> Zeroizing<[u8; 32]> {
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(32)).expect("cost is within bounds");
        // The crate does not wipe its work memory, so it works in ours.
        let mut memory = vec![Block::default(); params.block_count()];
        let mut key = Zeroizing::new([0; 32]);
        let result = Argon2::new(Algorithm::Argon2id, Version::V0x13, params).hash_password_into_with_memory(
            // The passphrase goes into the derivation and nowhere else.
            passphrase.reveal(),
            salt,
            key.as_mut_slice(),
            &mut memory,
        );
        for block in &mut memory {
            block.as_mut().zeroize();
        }
        result.expect("salt, output and memory have the sizes that Argon2 asks for");
        key
    }
}

impl SealedIdentity {
    /// Seals `identity` with `passphrase` at the standard cost.
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn seal(identity: &IdentityKey, passphrase: &SecretValue) -> Result<Self, Error> {
        let (cost, salt, nonce) = (KdfCost::STANDARD, super::random()?, super::random::<NONCE>()?);
        let associated = associated(cost, &salt, &identity.recipient(), &identity.signing_key().public());
        let mut sealed = [0; 72];
        sealed[..24].copy_from_slice(&nonce);
        sealed[24..56].copy_from_slice(identity.secret());
        let key = cost.derive(passphrase, &salt);
        let tag = Aead::new(&key).seal(&nonce, &associated, &mut sealed[24..56]);
        sealed[56..].copy_from_slice(&tag);
        Ok(Self { cost, salt, sealed })
    }

    /// Opens the identity and checks that its public halves are the ones given.
    ///
    /// # Errors
    /// [`Error::SealDoesNotOpen`] for a wrong passphrase, a damaged seal and other public keys alike.
    pub fn open(
        &self,
        passphrase: &SecretValue,
        recipient: &Recipient,
        signing_key: &PublicKey,
    ) -> Result<IdentityKey, Error> {
        let associated = associated(self.cost, &self.salt, recipient, signing_key);
        let key = self.cost.derive(passphrase, &self.salt);
        let mut secret = Zeroizing::new([0; 32]);
        secret.copy_from_slice(&self.sealed[24..56]);
        let (nonce, tag) = (self.sealed.first_chunk(), self.sealed.last_chunk());
        let (nonce, tag) = nonce.zip(tag).ok_or(Error::SealDoesNotOpen)?;
        Aead::new(&key)
            .open(nonce, &associated, secret.as_mut_slice(), tag)
            .map_err(|NotAuthentic| Error::SealDoesNotOpen)?;
        let identity = IdentityKey::from_secret(secret)?;
        if identity.recipient() != *recipient || identity.signing_key().public() != *signing_key {
            return Err(Error::SealDoesNotOpen);
        }
        Ok(identity)
    }
}

impl std::fmt::Debug for SealedIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SealedIdentity({:?})", self.cost)
    }
}

/// `LP("vault/v1/sealed", m, t, p, salt, recipient, signing key)`.
fn associated(cost: KdfCost, salt: &[u8; 16], recipient: &Recipient, signing_key: &PublicKey) -> Vec<u8> {
    length_prefixed(&[
        b"vault/v1/sealed",
        &cost.memory_kib().to_le_bytes(),
        &cost.passes().to_le_bytes(),
        &cost.lanes().to_le_bytes(),
        salt,
        recipient.as_str().as_bytes(),
        signing_key.as_bytes(),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_costs_are_refused_before_any_work() {
        for (m, t, p) in [
            (65_535, 3, 4),
            (1_048_577, 3, 4),
            (1 << 32, 3, 4),
            (65_536, 2, 4),
            (65_536, 1 << 32, 4),
            (65_536, 3, 3),
            (65_536, 3, 17),
        ] {
            assert_eq!(KdfCost::new(m, t, p), Err(Error::KdfBounds), "{m} {t} {p}");
        }
        assert_eq!(KdfCost::new(65_536, 3, 4), Ok(KdfCost::STANDARD));
    }

    #[test]
    fn wrong_passphrase_and_damage_are_one_error() {
        let identity = IdentityKey::generate().unwrap();
        let (recipient, signing) = (identity.recipient(), identity.signing_key().public());
        let pass = SecretValue::from(&b"correct horse"[..]);
        let sealed = SealedIdentity::seal(&identity, &pass).unwrap();
        assert_eq!(sealed.open(&pass, &recipient, &signing).unwrap().recipient(), recipient);
        let wrong = SecretValue::from(&b"correct horsf"[..]);
        assert_eq!(sealed.open(&wrong, &recipient, &signing).unwrap_err(), Error::SealDoesNotOpen);
        let mut damaged = sealed.clone();
        damaged.sealed[30] ^= 1;
        assert_eq!(damaged.open(&pass, &recipient, &signing).unwrap_err(), Error::SealDoesNotOpen);
        let other = IdentityKey::generate().unwrap();
        assert_eq!(sealed.open(&pass, &other.recipient(), &signing).unwrap_err(), Error::SealDoesNotOpen);
    }
}
