//! What others found out about these primitives: the vectors of Wycheproof, of RFC 9106's
//! reference implementation and of age, through the functions of this module (scorecard row 28).

mod age_files;
mod agreement;

use argon2::{Algorithm, Argon2, Version};
use data_encoding::HEXLOWER;
use wycheproof::TestResult;
use zeroize::Zeroizing;

use super::aead::{Aead, NONCE, TAG};
use super::{KdfCost, PublicKey, Signature, SigningKey, to_base64};
use crate::secret_value::SecretValue;

#[test]
fn xchacha20_poly1305_of_wycheproof() {
    let set = wycheproof::aead::TestSet::load(wycheproof::aead::TestName::XChaCha20Poly1305).unwrap();
    let mut tried = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let name = format!("test {}: {}", test.tc_id, test.comment);
        let (Ok(nonce), Ok(tag)) = (<[u8; NONCE]>::try_from(&test.nonce[..]), <[u8; TAG]>::try_from(&test.tag[..]))
        else {
            // Other sizes are no nonce and no tag of ours: their types do not hold them.
            assert_eq!(test.result, TestResult::Invalid, "{name}");
            continue;
        };
        tried += 1;
        let aead = Aead::new(test.key[..].try_into().unwrap());
        let mut text = test.ct.to_vec();
        let opened = aead.open(&nonce, &test.aad, &mut text, &tag).is_ok();
        assert_eq!(opened, test.result == TestResult::Valid, "{name}");
        if opened {
            assert_eq!(text, test.pt[..], "{name}");
            assert_eq!(aead.seal(&nonce, &test.aad, &mut text), tag, "{name}");
        }
        assert_eq!(text, test.ct[..], "{name}: sealed again, or left alone");
    }
    assert!(tried > 250, "only {tried}");
}

#[test]
fn hkdf_sha256_of_wycheproof() {
    let set = wycheproof::hkdf::TestSet::load(wycheproof::hkdf::TestName::HkdfSha256).unwrap();
    let mut tried = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        // A longer output begins with a shorter one; ours is always 32 bytes.
        if test.result == TestResult::Valid {
            tried += 1;
            let compared = test.okm.len().min(32);
            let salts = [Some(&test.salt[..]), None];
            // No salt is the empty one (RFC 5869 §2.2).
            for salt in &salts[..1 + usize::from(test.salt.is_empty())] {
                let key = super::hkdf(&test.ikm, *salt, &test.info);
                assert_eq!(key[..compared], test.okm[..compared], "test {}: {}", test.tc_id, test.comment);
            }
        }
    }
    assert!(tried > 70, "only {tried}");
}

#[test]
fn ed25519_of_wycheproof() {
    let set = wycheproof::eddsa::TestSet::load(wycheproof::eddsa::TestName::Ed25519).unwrap();
    let mut tried = 0;
    for group in &set.test_groups {
        // Read from text, as everything is that we verify.
        let key: PublicKey = to_base64(&group.key.pk).parse().unwrap();
        for test in &group.tests {
            tried += 1;
            let signature = to_base64(&test.sig).parse::<Signature>();
            let verified = signature.and_then(|signature| key.verify(&test.msg, &signature)).is_ok();
            assert_eq!(verified, test.result == TestResult::Valid, "test {}: {}", test.tc_id, test.comment);
        }
    }
    assert!(tried > 140, "only {tried}");
}

#[test]
fn ed25519_signs_as_in_rfc_8032() {
    // RFC 8032 §7.1: seed, public key, message and signature of tests 1, 2, 3.
    for (seed, public, message, signature) in [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ),
    ] {
        let bytes = |text: &str| HEXLOWER.decode(text.as_bytes()).unwrap();
        let key = SigningKey::from_seed(&bytes(seed).try_into().unwrap());
        assert_eq!(key.public().as_bytes()[..], bytes(public));
        assert_eq!(key.sign(&bytes(message)).as_bytes()[..], bytes(signature));
    }
}

#[test]
fn argon2id_as_the_reference_implementation_of_rfc_9106() {
    // Written down from libargon2, by argon2-cffi 25.1: m, t, p, passphrase, salt, key.
    for ((m, t, p), passphrase, salt, key) in [
        (
            (1 << 16, 3, 4),
            b"correct horse battery staple".to_vec(),
            *b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f",
            "853b272a44db1421c02962669a55eb0994f3cab385ed1c4c79253eee19bab49e",
        ),
        ((1 << 16, 3, 4), vec![], [0xff; 16], "a8b97caaed441a11aeb28377128713189152995f84d97a195b4a488420973e63"),
        (
            (96 << 10, 4, 5),
            (0..=255).collect(),
            *b"0123456789abcdef",
            "1062414e9045ec3f6333cd7ae80e6cf22313bfd7bedbf323e7c8f1b46b89fd4a",
        ),
        ((128 << 10, 5, 16), vec![0], [0; 16], "a03f02c9f6f19c534c0d671468ef46dc6f9ff072ed6cd494c8e27beab2da76b3"),
    ] {
        let derived = KdfCost::new(m, t, p).unwrap().derive(&SecretValue::new(passphrase), &salt);
        assert_eq!(HEXLOWER.encode(derived.as_slice()), key, "{m} {t} {p}");
    }
}

#[test]
fn argon2id_vector_of_rfc_9106_runs_through_the_same_crate() {
    // RFC 9106 §5.3: m = 32, t = 3, p = 4, with secret and associated data, which our function has no place for.
    let params = argon2::ParamsBuilder::new()
        .m_cost(32)
        .t_cost(3)
        .p_cost(4)
        .data(argon2::AssociatedData::new(&[4; 12]).unwrap())
        .output_len(32)
        .build()
        .unwrap();
    let argon = Argon2::new_with_secret(&[3; 8], Algorithm::Argon2id, Version::V0x13, params).unwrap();
    let mut out = Zeroizing::new([0; 32]);
    argon.hash_password_into(&[1; 32], &[2; 16], out.as_mut_slice()).unwrap();
    assert_eq!(HEXLOWER.encode(out.as_slice()), "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659");
}
