//! Any bytes as a vault file: whatever is accepted is consistent, canonical and TOML.

use vault::Vault;
use vault::crypto::Hash;

pub fn run(data: &[u8]) {
    let _ = Vault::claimed_id(data);
    let Ok(vault) = Vault::read(data.to_vec(), &[]) else { return };
    visit(&vault);
    assert_eq!(vault.bytes(), data);
    // What was verified before changes the work and nothing else.
    let hashes = vault.team().hashes().to_vec();
    for verified in [&hashes[..], &hashes[..1], &[Hash::ZERO]] {
        assert!(Vault::read(data.to_vec(), verified).is_ok_and(|again| again.team().hashes() == hashes));
    }
}

/// Looks at everything in a vault that needs no identity.
pub fn visit(vault: &Vault) {
    let mut sound = true;
    for profile in vault.team().profiles().keys() {
        for ancestor in vault.lineage(profile).expect("parents exist") {
            assert!(vault.team().profiles().contains_key(&ancestor));
        }
        let Ok(section) = vault.section(profile) else {
            sound = false;
            continue;
        };
        let read: Vec<_> = section.secrets().collect();
        assert_eq!(read.len(), section.names().count());
        sound &= read.iter().all(Result::is_ok) && section.removed().is_ok();
        for (name, _) in read.into_iter().flatten() {
            assert!(section.contains(&name) && section.secret(&name).is_ok_and(|secret| secret.is_some()));
        }
        assert!(vault.team().writes(&section.signature().by, profile), "its signer may write");
        let _ = section.to_profile();
    }
    let findings = vault.check();
    assert!(sound || !findings.is_empty(), "what cannot be read is a finding");
    if findings.is_empty() {
        let text = std::str::from_utf8(vault.bytes()).expect("a vault is UTF-8");
        text.parse::<toml::Table>().expect("a vault is TOML");
    }
    assert!(vault.changes().count() == vault.team().hashes().len());
}
