//! The test files of age (C2SP/CCTV) as grants. They are fetched, not kept here: `tests/vectors/fetch_age.py`.

#![expect(clippy::disallowed_methods, reason = "the test finds and reads the vectors")]

use std::path::PathBuf;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::super::{Error, IdentityKey, WrappedKey};

/// Read by the crate although the format has it otherwise: files of age before 1.0, whose stanzas had no last, short
/// line. The MAC of the header covers what was read, so nobody gains by it.
const LENIENT: [&str; 2] = ["stanza_missing_body", "stanza_missing_final_line"];

/// Where `fetch_age.py` puts them; `None` where it did not run.
fn files() -> Option<Vec<PathBuf>> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(target).join("cctv-age");
    let Ok(entries) = std::fs::read_dir(&directory) else {
        assert!(std::env::var_os("CI").is_none(), "no vectors in {}", directory.display());
        return None;
    };
    Some(entries.map(|entry| entry.unwrap().path()).collect())
}

#[test]
fn age_files_open_as_grants_where_age_opens_them() {
    let (mut opened, mut refused, mut large) = (0, 0, 0);
    let Some(files) = files() else { return };
    for path in files {
        let bytes = std::fs::read(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy();
        let split = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap();
        let (header, file) = (std::str::from_utf8(&bytes[..split]).unwrap(), &bytes[split + 2..]);
        let fields = |wanted: &str| -> Vec<&str> {
            header
                .lines()
                .filter_map(|line| line.split_once(": "))
                .filter(|(key, _)| *key == wanted)
                .map(|(_, v)| v)
                .collect()
        };
        // Without an identity of its own a file is for a passphrase, or for a kind of key that no device has.
        let identity = fields("identity").iter().find_map(|text| IdentityKey::parse(text).ok());
        let ours = identity.is_some();
        let identity = identity.unwrap_or_else(|| IdentityKey::generate().unwrap());
        let grant = match WrappedKey::from_bytes(file.to_vec()) {
            Ok(grant) => grant,
            Err(error) => {
                assert!(error == Error::Malformed("grant") && (file.is_empty() || file.len() > 4096), "{name}");
                large += 1;
                continue;
            }
        };
        if LENIENT.contains(&&*name) {
            assert!(grant.body(identity.age()).is_ok(), "{name} is refused by now: take it off the list");
            continue;
        }
        // A grant is the binary form.
        let opens = fields("expect") == ["success"] && fields("armored").is_empty() && ours;
        match grant.body(identity.age()) {
            Ok(body) => {
                assert!(opens, "{name}: opens, though {header}");
                assert_eq!(fields("payload"), [HEXLOWER.encode(&Sha256::digest(&*body))], "{name}");
                opened += 1;
            }
            Err(error) => {
                assert!(!opens && error == Error::GrantDoesNotOpen, "{name}: {error}, though {header}");
                refused += 1;
            }
        }
    }
    assert!(opened >= 5 && refused >= 60, "{opened} opened, {refused} refused, {large} too large");
}
