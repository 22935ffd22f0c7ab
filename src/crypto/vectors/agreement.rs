//! X25519, and what age does with it: each key agreement of Wycheproof as a grant.

use bech32::primitives::decode::CheckedHrpstring;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};
use data_encoding::BASE64_NOPAD;
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use wycheproof::TestResult;
use zeroize::Zeroizing;

use super::super::{Error, IdentityKey, WrappedKey};

/// An age file to `recipient` as age-encryption.org/v1 describes it, the ephemeral share and what was
/// agreed on given. Its body is `BODY`.
fn age_file(share: &[u8], agreed: &[u8], recipient: &[u8]) -> Vec<u8> {
    let file_key = [7; 16];
    let salt = [share, recipient].concat();
    let wrapped = seal(&hkdf(agreed, &salt, b"age-encryption.org/v1/X25519"), [0; 12], &file_key);
    let header = format!(
        "age-encryption.org/v1\n-> X25519 {}\n{}\n---",
        BASE64_NOPAD.encode(share),
        BASE64_NOPAD.encode(&wrapped)
    );
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&hkdf(&file_key, b"", b"header")).unwrap();
    mac.update(header.as_bytes());
    let mac = BASE64_NOPAD.encode(&mac.finalize().into_bytes());
    let nonce = [9; 16];
    // One chunk, the last: counter 0, flag 1.
    let last = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    let payload = seal(&hkdf(&file_key, &nonce, b"payload"), last, &BODY);
    [format!("{header} {mac}\n").as_bytes(), &nonce, &payload].concat()
}

const BODY: [u8; 32] = [0x5a; 32];

fn hkdf(material: &[u8], salt: &[u8], info: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    Hkdf::<Sha256>::new(Some(salt), material).expand(info, &mut out).unwrap();
    out
}

fn seal(key: &[u8; 32], nonce: [u8; 12], text: &[u8]) -> Vec<u8> {
    ChaCha20Poly1305::new(key.into()).encrypt(Nonce::from_slice(&nonce), text).unwrap()
}

#[test]
fn x25519_of_wycheproof_opens_grants() {
    let set = wycheproof::xdh::TestSet::load(wycheproof::xdh::TestName::X25519).unwrap();
    let mut tried = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let name = format!("test {}: {}", test.tc_id, test.comment);
        let secret: [u8; 32] = test.private_key[..].try_into().unwrap();
        let identity = IdentityKey::from_secret(Zeroizing::new(secret)).unwrap();
        let text = identity.recipient().to_string();
        let recipient: Vec<u8> = CheckedHrpstring::new::<bech32::Bech32>(&text).unwrap().byte_iter().collect();
        let file = age_file(&test.public_key, &test.shared_secret, &recipient);
        let body = WrappedKey::from_bytes(file).unwrap().body(identity.age());
        // Nothing is agreed on with a point of low order: RFC 7748 §6.1, and so age.
        let usable = test.public_key.len() == 32 && test.shared_secret.iter().any(|&byte| byte != 0);
        assert!(usable || test.result != TestResult::Valid, "{name}");
        match body {
            Ok(body) => assert!(usable && body[..] == BODY, "{name}"),
            Err(error) => assert!(!usable && error == Error::GrantDoesNotOpen, "{name}: {error}"),
        }
        tried += 1;
    }
    assert!(tried > 500, "only {tried}");
}

#[test]
fn chacha20_poly1305_of_wycheproof_runs_through_the_crate_that_age_calls() {
    let set = wycheproof::aead::TestSet::load(wycheproof::aead::TestName::ChaCha20Poly1305).unwrap();
    let mut tried = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        if test.nonce.len() != 12 {
            assert_eq!(test.result, TestResult::Invalid, "test {}", test.tc_id);
            continue;
        }
        let sealed = [&test.ct[..], &test.tag[..]].concat();
        let cipher = ChaCha20Poly1305::new_from_slice(&test.key).unwrap();
        let opened = cipher.decrypt(Nonce::from_slice(&test.nonce), Payload { msg: &sealed, aad: &test.aad });
        match opened {
            Ok(text) => assert!(test.result == TestResult::Valid && text == test.pt[..], "test {}", test.tc_id),
            Err(_) => assert_eq!(test.result, TestResult::Invalid, "test {}", test.tc_id),
        }
        tried += 1;
    }
    assert!(tried > 250, "only {tried}");
}
