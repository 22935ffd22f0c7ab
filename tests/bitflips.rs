//! A vault with any bit changed, or cut off anywhere, is refused (scorecard rows 1 and 2):
//! what `vault verify` does with an identity, done for every such file.

#![expect(clippy::disallowed_methods, reason = "the test reads the vectors")]

use std::path::Path;

use vault::crypto::IdentityKey;
use vault::{Rejected, Vault};

/// A vault of `tests/vectors/valid` and one identity that opens everything in it.
fn vector(name: &str, device: &str) -> (Vec<u8>, IdentityKey) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/valid");
    let json = std::fs::read(directory.join(format!("{name}.json"))).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let identity = IdentityKey::parse(json["identities"][device].as_str().unwrap()).unwrap();
    (std::fs::read(directory.join(format!("{name}.toml"))).unwrap(), identity)
}

/// Accepts a file as `vault verify` does: everything checked, and every value opened.
/// Gives how many values there are.
fn verify(bytes: Vec<u8>, identity: &IdentityKey) -> Result<usize, vault::Error> {
    let vault = Vault::read(bytes, &[])?;
    if let Some(rejected) = vault.check().into_iter().next() {
        return Err(rejected.into());
    }
    let device = vault.team().device_of(&identity.recipient()).ok_or(vault::Error::NotAMember)?;
    let mut count = 0;
    for profile in vault.team().profiles().keys() {
        let section = vault.section(profile)?;
        let (_, key) = section.unlock(&vault.id(), vault.team(), &device, identity)?;
        for secret in section.secrets() {
            let (name, secret) = secret?;
            let mut open = |version, value| -> Result<(), Rejected> {
                count += 1;
                section.open(&key, &name, version, value).map(drop)
            };
            open(secret.version, &secret.value)?;
            secret.earlier.iter().try_for_each(|earlier| open(earlier.version, &earlier.value))?;
            secret.pending.iter().try_for_each(|pending| open(pending.version, &pending.value))?;
        }
    }
    Ok(count)
}

/// Small vaults that have, between them, every table of the format.
fn specimens() -> Vec<(&'static str, Vec<u8>, IdentityKey)> {
    [("crew", "alice-laptop"), ("policy", "alice-laptop")]
        .into_iter()
        .map(|(name, device)| {
            let (bytes, identity) = vector(name, device);
            (name, bytes, identity)
        })
        .collect()
}

/// Runs `check` on the numbers below `count`, on as many threads as there are processors.
fn on_all(count: usize, check: impl Fn(usize) + Sync) {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for first in 0..threads {
            let check = &check;
            scope.spawn(move || (first..count).step_by(threads).for_each(check));
        }
    });
}

#[test]
fn a_vault_with_one_bit_changed_is_refused() {
    for (name, bytes, identity) in specimens() {
        assert!(verify(bytes.clone(), &identity).unwrap() > 0, "{name} holds no value");
        on_all(bytes.len() * 8, |bit| {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(verify(flipped, &identity).is_err(), "{name}: byte {} bit {}", bit / 8, bit % 8);
        });
    }
}

#[test]
fn a_vault_cut_off_anywhere_is_refused() {
    for (name, bytes, identity) in specimens() {
        on_all(bytes.len(), |length| {
            assert!(verify(bytes[..length].to_vec(), &identity).is_err(), "{name}: {length} bytes");
        });
    }
}

#[test]
fn a_vault_with_a_byte_more_or_less_is_refused() {
    for (name, bytes, identity) in specimens() {
        on_all(bytes.len() + 1, |at| {
            for more in [&b"\n"[..], b"\0"] {
                let longer = [&bytes[..at], more, &bytes[at..]].concat();
                assert!(verify(longer, &identity).is_err(), "{name}: {more:?} at {at}");
            }
            let shorter = [&bytes[..at], bytes.get(at + 1..).unwrap_or_default()].concat();
            // Of several equal bytes it makes no difference which one is missing; all are refused.
            assert!(shorter.len() == bytes.len() || verify(shorter, &identity).is_err(), "{name}: {at} missing");
        });
    }
}
