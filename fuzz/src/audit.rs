//! Any bytes as an audit log, beside the genuine one it grew from: whoever has no key can cut its end off and nothing
//! else, unless the verification says so.

use std::sync::OnceLock;

use vault::audit::{Anchor, Expect, Filter, Record, Records, verify};
use vault::crypto::{Hash, IdentityKey, PublicKey};

const GENUINE: &[u8] = include_bytes!("../seeds/audit/genuine.jsonl");
/// Of the device that wrote it; `fuzz/seeds.py` founded a vault with it.
const IDENTITY: &str = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";

/// What is known of the genuine log: its vault, its device's key, its last record.
struct Known {
    vault: Hash,
    keys: [PublicKey; 1],
    anchors: [Anchor; 1],
}

fn known() -> &'static Known {
    static KNOWN: OnceLock<Known> = OnceLock::new();
    KNOWN.get_or_init(|| {
        let keys = [IdentityKey::parse(IDENTITY).unwrap().signing_key().public()];
        let vault = Record::parse(GENUINE.split(|byte| *byte == b'\n').next().unwrap()).unwrap().vault;
        let expect = Expect { vault, device: Some("laptop"), signing_keys: &keys, anchors: &[] };
        let whole = verify(GENUINE, &expect, true).unwrap();
        assert!(whole.findings.is_empty(), "{:?}", whole.findings);
        Known { vault, keys, anchors: [Anchor { head: whole.head.unwrap(), place: "elsewhere".into() }] }
    })
}

pub fn run(data: &[u8]) {
    let Known { vault, keys, anchors } = known();
    let expect = |anchors| Expect { vault: *vault, device: Some("laptop"), signing_keys: keys, anchors };

    for deep in [false, true] {
        let report = verify(data, &expect(&[]), deep).unwrap();
        if report.findings.is_empty() && !report.stopped {
            assert!(GENUINE.starts_with(data), "another log is accepted");
        }
        let report = verify(data, &expect(anchors), deep).unwrap();
        // A torn line at the end, and a beginning that nobody vouches for, are notes.
        assert!(!report.is_ok() || data.starts_with(GENUINE), "a cut or changed log is accepted under its anchor");
    }
    for line in data.split(|byte| *byte == b'\n') {
        let _ = Record::parse(line);
    }
    for entry in Records::new(data, Filter::default()) {
        let _ = entry;
    }
}
