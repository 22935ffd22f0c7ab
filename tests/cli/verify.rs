use crate::harness::{World, keys, sorted};

#[test]
fn a_whole_vault_is_ok_with_and_without_an_identity() {
    let (world, _) = World::with_secret("K");
    world.set("K", "second");
    let json = world.vault(["verify", "--json"]).ok().silent().json();
    assert_eq!(json, serde_json::json!({"ok": true, "findings": []}));
    world.vault(["verify"]).ok().prints("all 2 values open");
    std::fs::remove_file(world.identity_file()).unwrap();
    world.vault(["verify"]).ok().prints("not opened without an identity");
}

#[test]
fn findings_have_their_keys_and_are_status_1() {
    let (world, _) = World::with_secret("K");
    let good = world.text();
    let at = |field: &str| good.find(field).unwrap();
    let flip = |at: usize| {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        bytes
    };
    let value = good.rfind("\nvalue = \"").unwrap() + 20;
    for (bytes, kind) in [
        (good.replace("version = 1", "version = 2").into_bytes(), "profile-signature"),
        (flip(value), "profile-signature"),
        (flip(at("nonce = ") + 12), "team-signature"),
        (good.replace("do = \"found\"", "do = \"rekey\"").into_bytes(), "layout"),
        (good.replace("epoch = 1\n[", "epoch = 2\n[").into_bytes(), "epoch"),
        (good.replace("vault = 1", "vault = 2").into_bytes(), "too-new"),
        (good.replace('\n', "\r\n").into_bytes(), "line-endings"),
        (good.as_bytes()[..good.len() - 1].to_vec(), "layout"),
        (format!("=======\n{good}").into_bytes(), "conflict-markers"),
        (b"hello".to_vec(), "not-a-vault"),
    ] {
        world.put(&bytes);
        let before = world.snapshot();
        let output = world.vault(["verify", "--json"]).exits(1);
        let json = output.json();
        assert_eq!(keys(&json), sorted(&["ok", "findings"]));
        assert_eq!(json["ok"], false);
        assert_eq!(keys(&json["findings"][0]), sorted(&["kind", "profile", "name", "by", "detail"]));
        assert_eq!(json["findings"][0]["kind"], kind);
        let said = world.vault(["verify"]).exits(1).prints(kind).prints("1 problem found").prints("\nwhat it means: ");
        // Nobody is accused of what stands there without their signature.
        assert!(!said.out().contains("signed by "), "{}", said.out());
        if kind != "not-a-vault" {
            said.prints("\nwhat to do:    ");
        }
        world.assert_unchanged(&before);
    }
}

/// Everything that a reader of the format refuses is explained, each kind in its own words.
#[test]
fn every_kind_of_finding_is_explained() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/reject");
    let mut files: Vec<_> = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut explained = std::collections::BTreeMap::new();
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        // What only an identity finds is tried elsewhere.
        let Some((kind, _)) =
            name.split_once("--").filter(|(kind, _)| !["value", "grant", "commitment"].contains(kind))
        else {
            continue;
        };
        if explained.contains_key(kind) {
            continue;
        }
        let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
        let world = World::bare();
        world.put(text.as_bytes());
        let id = text.lines().find_map(|line| line.strip_prefix("id = \"")?.strip_suffix('"')).unwrap_or_default();
        let output = world.run(["verify"]).env("VLT_VAULT_ID", id).output().exits(1);
        let meaning = output.out().lines().find_map(|line| line.strip_prefix("what it means: ")).unwrap().to_owned();
        assert!(!explained.values().any(|known| *known == meaning), "{kind} is explained as another one: {meaning}");
        explained.insert(kind.to_owned(), meaning);
    }
    assert_eq!(explained.len(), 18, "{:?}", explained.keys());
}

#[test]
fn another_vault_is_found_as_such() {
    let (world, other) = (World::new(), World::new());
    let id = world.id();
    world.put(other.bytes());
    let json = world.vault(["verify", "--json"]).exits(1).json();
    assert_eq!(json["findings"][0]["kind"], "id");
    assert!(json["findings"][0]["detail"].as_str().unwrap().contains(&id), "{json}");
    world.vault(["verify"]).exits(1).prints("vault trust");
}

#[test]
fn opening_values_is_on_record() {
    let (world, _) = World::with_secret("K");
    world.vault(["verify"]).ok();
    let records = world.records("alice-laptop");
    assert!(records.iter().any(|record| record["action"] == "verify" && record["outcome"] == "done"));
}

#[test]
fn without_a_vault_or_a_trusted_place_it_is_an_error() {
    World::bare().vault(["verify"]).fails_with(3, "no vault.toml found");
    World::new().clone_for("bob").vault(["verify"]).fails_with(5, "was not used on this device before");
}
