//! The test vectors of the format, which an implementation in another language wrote
//! from `docs/format.md` alone: every valid file is read as its author meant it, every
//! other one is refused for the reason it was made for.

#![expect(clippy::disallowed_methods, reason = "tests read their own files")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use vault::crypto::{IdentityKey, to_base64};
use vault::secret_value::SecretValue;
use vault::{DeviceName, Effective, Kind, Rejected, Section, Vault};

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Everything that is checked without an identity, the first finding first.
fn accept(bytes: Vec<u8>) -> Result<Vault, Rejected> {
    let vault = Vault::read(bytes, &[])?;
    match vault.check().into_iter().next() {
        Some(rejected) => Err(rejected),
        None => Ok(vault),
    }
}

/// What an identity opens: profile → secret → current, earlier and pending values.
fn open_all(vault: &Vault, identity: &IdentityKey) -> Result<Value, Rejected> {
    let Some(device) = vault.team().device_of(&identity.recipient()) else { return Ok(json!({})) };
    let mut profiles = serde_json::Map::new();
    for name in vault.team().profiles().keys().filter(|name| vault.team().reads(&device, name)) {
        let section = vault.section(name).unwrap();
        let key = unlock(vault, &section, &device, identity)?;
        let mut secrets = serde_json::Map::new();
        for secret in section.secrets() {
            let (name, secret) = secret?;
            let value = |version, sealed| -> Result<String, Rejected> {
                Ok(to_base64(section.open(&key, &name, version, sealed)?.reveal()))
            };
            let earlier = secret.earlier.iter().map(|earlier| {
                Ok(json!({"version": earlier.version, "value_base64": value(earlier.version, &earlier.value)?}))
            });
            let earlier = earlier.collect::<Result<Vec<Value>, Rejected>>()?;
            let pending = match &secret.pending {
                Some(pending) => {
                    json!({"version": pending.version, "value_base64": value(pending.version, &pending.value)?})
                }
                None => Value::Null,
            };
            let current = value(secret.version, &secret.value)?;
            secrets.insert(
                name.to_string(),
                json!({"version": secret.version, "value_base64": current, "earlier": earlier, "pending": pending}),
            );
        }
        profiles.insert(name.to_string(), Value::Object(secrets));
    }
    Ok(Value::Object(profiles))
}

fn unlock(
    vault: &Vault,
    section: &Section<'_>,
    device: &DeviceName,
    identity: &IdentityKey,
) -> Result<vault::crypto::ValueKey, Rejected> {
    match section.unlock(&vault.id(), vault.team(), device, identity) {
        Ok((_, key)) => Ok(key),
        Err(vault::Error::Rejected(rejected)) => Err(rejected),
        Err(error) => panic!("{error}"),
    }
}

fn team_summary(vault: &Vault) -> Value {
    let team = vault.team();
    let members: BTreeMap<String, Value> = team
        .members()
        .iter()
        .map(|(name, role)| {
            let devices: Vec<String> = team
                .devices()
                .iter()
                .filter(|(_, device)| device.active && device.member == *name)
                .map(|(name, _)| name.to_string())
                .collect();
            let list = |names: &[vault::ProfileName]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
            let role =
                if role.admin { json!("admin") } else { json!({"read": list(&role.read), "write": list(&role.write)}) };
            (name.to_string(), json!({"devices": devices, "role": role}))
        })
        .collect();
    let profiles: BTreeMap<String, Value> = team
        .profiles()
        .iter()
        .map(|(name, state)| {
            let extends: Vec<String> = state.extends.iter().map(ToString::to_string).collect();
            (name.to_string(), json!({"epoch": state.epoch, "extends": extends}))
        })
        .collect();
    json!({
        "id": vault.id().to_string(), "head": team.head().to_string(), "changes": team.hashes().len(),
        "members": members, "profiles": profiles, "recovery": team.recovery().is_some(),
    })
}

/// True if everything in `part` is in `whole`; lists are compared whole.
fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            part.iter().all(|(key, value)| whole.get(key).is_some_and(|found| contains(found, value)))
        }
        _ => whole == part,
    }
}

#[test]
fn valid_files_hold_what_their_author_put_in() {
    let mut count = 0;
    for entry in std::fs::read_dir(vectors().join("valid")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "toml") {
            continue;
        }
        count += 1;
        let name = path.display();
        let expected = read_json(&path.with_extension("json"));
        let bytes = std::fs::read(&path).unwrap();
        let vault = accept(bytes.clone()).unwrap_or_else(|rejected| panic!("{name}: {rejected}"));
        let summary = team_summary(&vault);
        let mut team = expected["team"].clone();
        for key in team.as_object().unwrap().keys().cloned().collect::<Vec<_>>() {
            if summary.get(&key).is_none() {
                team.as_object_mut().unwrap().remove(&key);
            }
        }
        assert!(contains(&summary, &team), "{name}: {summary:#} against {team:#}");
        for (device, text) in expected["identities"].as_object().unwrap() {
            let identity = IdentityKey::parse(text.as_str().unwrap()).unwrap();
            let opened =
                open_all(&vault, &identity).unwrap_or_else(|rejected| panic!("{name} as {device}: {rejected}"));
            let wanted = expected["opens"].get(device).cloned().unwrap_or(json!({}));
            assert_eq!(opened, wanted, "{name} as {device}");
            check_effective(&vault, &identity, &expected["effective"][device], &name.to_string());
        }
        // The canonical layout: what was read is what would be written.
        let toml: toml::Table = toml::from_str(std::str::from_utf8(&bytes).unwrap()).unwrap();
        assert_eq!(toml["id"].as_str().unwrap(), vault.id().to_string(), "{name}");
    }
    assert!(count >= 20, "only {count} valid vectors");
}

fn check_effective(vault: &Vault, identity: &IdentityKey, wanted: &Value, name: &str) {
    let Some(wanted) = wanted.as_object() else { return };
    let Some(device) = vault.team().device_of(&identity.recipient()) else { return };
    for (profile, secrets) in wanted {
        // A parent that this identity may not open: the whole is an error.
        let Some(secrets) = secrets.as_object() else { continue };
        let lineage = vault.lineage(&profile.parse().unwrap()).unwrap();
        let effective = Effective::new(lineage.iter().map(|name| vault.section(name).unwrap()).collect());
        let names: Vec<&str> = effective.names().into_iter().map(|(name, _)| name).collect();
        let mut expected: Vec<&str> = secrets.keys().map(String::as_str).collect();
        expected.sort_unstable();
        assert_eq!(names, expected, "{name} {profile}");
        for (secret_name, at) in effective.names() {
            let section = &effective.sections()[at];
            let want = &secrets[secret_name];
            assert_eq!(section.name().as_str(), want["from"], "{name} {profile} {secret_name}");
            let secret_name = secret_name.parse().unwrap();
            let secret = section.secret(&secret_name).unwrap().unwrap();
            let key = unlock(vault, section, &device, identity).unwrap();
            let value = section.open(&key, &secret_name, secret.version, &secret.value).unwrap();
            assert_eq!(to_base64(value.reveal()), want["value_base64"], "{name} {profile} {secret_name}");
        }
    }
}

#[test]
fn every_other_file_is_refused_for_its_reason() {
    let index = read_json(&vectors().join("reject/index.json"));
    let mut wrong = Vec::new();
    for entry in index.as_array().unwrap() {
        let file = entry["file"].as_str().unwrap();
        let bytes = std::fs::read(vectors().join("reject").join(file)).unwrap();
        let result = accept(bytes).and_then(|vault| match entry["identity"].as_str() {
            Some(text) => open_all(&vault, &IdentityKey::parse(text).unwrap()).map(drop),
            None => Ok(()),
        });
        let kinds: Vec<&str> = std::iter::once(&entry["kind"])
            .chain(entry["also"].as_array().into_iter().flatten())
            .map(|kind| kind.as_str().unwrap())
            .collect();
        match result {
            Err(rejected) if kinds.contains(&rejected.kind.word()) => {}
            Err(rejected) => wrong.push(format!("{file}: {}, not {kinds:?}: {rejected}", rejected.kind)),
            Ok(()) => wrong.push(format!("{file}: accepted, not {kinds:?}")),
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), index.as_array().unwrap().len(), wrong.join("\n"));
}

/// Changes that were verified before are not verified again: that must change nothing else.
#[test]
fn what_was_verified_before_reads_as_it_did_then() {
    let mut known = BTreeMap::new();
    for entry in std::fs::read_dir(vectors().join("valid")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "toml") {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let vault = Vault::read(bytes.clone(), &[]).unwrap();
        let hashes = vault.team().hashes().to_vec();
        for seen in 1..=hashes.len() {
            let again = Vault::read(bytes.clone(), &hashes[..seen]).unwrap();
            assert_eq!(format!("{:?}", again.team()), format!("{:?}", vault.team()), "{}, {seen} seen", path.display());
            assert!(again.check().is_empty(), "{}, {seen} seen", path.display());
        }
        known.entry(vault.id()).or_insert_with(Vec::new).push(hashes);
    }
    // What is refused is refused behind a beginning that is known, for the same reason.
    let mut behind_known = 0;
    let index = read_json(&vectors().join("reject/index.json"));
    for entry in index.as_array().unwrap() {
        let file = entry["file"].as_str().unwrap();
        let bytes = std::fs::read(vectors().join("reject").join(file)).unwrap();
        let Some(logs) = Vault::claimed_id(&bytes).and_then(|id| known.get(&id)) else { continue };
        let kind = |read: Result<Vault, Rejected>| {
            read.err().map(|rejected| (rejected.kind, rejected.line, rejected.to_string()))
        };
        for hashes in logs {
            behind_known += 1;
            assert_eq!(kind(Vault::read(bytes.clone(), hashes)), kind(Vault::read(bytes.clone(), &[])), "{file}");
        }
    }
    assert!(behind_known > 300, "only {behind_known} began as a valid one");
}

#[test]
fn sealed_identities_open_with_their_passphrase() {
    let mut count = 0;
    for entry in std::fs::read_dir(vectors().join("valid")).unwrap() {
        let path = entry.unwrap().path();
        let Some(sealed) = path
            .extension()
            .filter(|ending| *ending == "json")
            .and_then(|_| read_json(&path).get("passphrases").cloned())
        else {
            continue;
        };
        let vault = accept(std::fs::read(path.with_extension("toml")).unwrap()).unwrap();
        for (device, passphrase) in sealed.as_object().unwrap() {
            let passphrase = SecretValue::from(passphrase.as_str().unwrap().as_bytes());
            let team = vault.team();
            let (recipient, signing_key, seal) = match team.recovery().filter(|_| device == "recovery") {
                Some(recovery) => (&recovery.recipient, recovery.signing_key, &recovery.sealed),
                None => {
                    let device = &team.devices()[&device.parse::<DeviceName>().unwrap()];
                    (&device.recipient, device.signing_key.unwrap(), device.sealed.as_ref().unwrap())
                }
            };
            assert!(seal.open(&passphrase, recipient, &signing_key).is_ok(), "{} {device}", path.display());
            count += 1;
        }
    }
    assert!(count > 0, "no vector carries a passphrase");
}

#[test]
fn kinds_have_the_words_of_the_document() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/format.md")).unwrap();
    for kind in [Kind::NotAVault, Kind::TooNew, Kind::TeamSignature, Kind::ProfileSignature, Kind::Versions] {
        assert!(text.contains(&format!("`{}`", kind.word())), "{kind}");
    }
}
