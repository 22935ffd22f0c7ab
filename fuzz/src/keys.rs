//! The private keys of the people in `tests/vectors`, so that changed text can be signed again: without that, all that
//! a fuzzer finds is that signatures are checked.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use vault::crypto::{IdentityKey, PublicKey, SigningKey};

macro_rules! vector {
    ($name:literal) => {
        Vector {
            text: include_str!(concat!("../../tests/vectors/valid/", $name, ".toml")),
            facts: include_str!(concat!("../../tests/vectors/valid/", $name, ".json")),
        }
    };
}

/// A vault file and what is known of it.
pub struct Vector {
    pub text: &'static str,
    facts: &'static str,
}

impl Vector {
    /// The identity of each device.
    pub fn identities(&self) -> BTreeMap<String, IdentityKey> {
        let facts: serde_json::Value = serde_json::from_str(self.facts).unwrap();
        let identities = facts["identities"].as_object().unwrap().iter();
        identities.map(|(device, text)| (device.clone(), IdentityKey::parse(text.as_str().unwrap()).unwrap())).collect()
    }
}

pub const VECTORS: [Vector; 12] = [
    vector!("crew"),
    vector!("policy"),
    vector!("rich"),
    vector!("order"),
    vector!("team"),
    vector!("adopt"),
    vector!("extends"),
    vector!("members"),
    vector!("recipients"),
    vector!("removals"),
    vector!("recovery-replaced"),
    vector!("set-role"),
];

/// The private key of a public one.
pub fn key_of(public: &PublicKey) -> Option<&'static SigningKey> {
    static KEYS: OnceLock<BTreeMap<PublicKey, SigningKey>> = OnceLock::new();
    KEYS.get_or_init(|| {
        let identities = VECTORS.iter().flat_map(|vector| vector.identities().into_values());
        identities.map(|identity| (identity.signing_key().public(), identity.signing_key())).collect()
    })
    .get(public)
}

/// The text between quotes behind `field = ` at the beginning of a line.
pub fn field<'a>(text: &'a str, field: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(" = \"")?.strip_suffix('"'))
}
