//! A new identity in the place of a device's, and an identity carried in the vault file.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use vault::crypto::IdentityKey;
use vault::identity::RecoveryCode;
use vault::secret_value::SecretValue;
use vault::{DeviceName, ProfileName, Vault};

use crate::world::{Person, World};

/// alice is admin, with a recovery code; bob writes dev and reads prod.
fn team() -> (World, Person, Person) {
    let (world, alice) = World::new();
    for profile in ["dev", "prod"] {
        alice.vault(&["profile", "add", profile]).ok();
        alice.set(profile, "KEY", &format!("canary-{profile}"));
    }
    let bob = world.member(&alice, "bob", &["--write", "dev", "--read", "prod"]);
    (world, alice, bob)
}

/// The profiles of a file whose values an identity opens in a device's name.
fn opens(file: &Vault, device: &str, identity: &IdentityKey) -> Vec<String> {
    let device: DeviceName = device.parse().unwrap();
    let profiles = file.team().profiles().keys();
    let opened = profiles.filter(|profile: &&ProfileName| {
        file.section(profile).unwrap().unlock(&file.id(), file.team(), &device, identity).is_ok()
    });
    opened.map(ToString::to_string).collect()
}

fn exposed(person: &Person, profile: &str) -> usize {
    let list = person.vault(&["-p", profile, "list", "--json"]).ok().json();
    list.as_array().unwrap().iter().map(|secret| secret["exposed"].as_array().unwrap().len()).sum()
}

/// The file beside the identity.
fn beside(person: &Person, ending: &str) -> std::path::PathBuf {
    person.identity_file().with_file_name(format!("identity.{ending}"))
}

fn private(path: &std::path::Path, text: &str) -> String {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn an_admins_old_identity_opens_nothing_that_is_stored_from_then_on() {
    let (_world, alice, bob) = team();
    let (old, before) = (alice.identity(), alice.opened());
    let code = fs::read_to_string(alice.home.join("recovery-code")).unwrap();
    let new_code = alice.home.join("new-code");
    assert_eq!(opens(&before, "alice-laptop", &old).len(), 3);
    let text = alice.text();
    alice.vault(&["identity", "rotate", "-n"]).ok().says("would put alice-laptop-2 in the place of alice-laptop");
    assert_eq!(alice.text(), text);

    let output = alice.vault(&["identity", "rotate", "--leaked", "--recovery-file", new_code.to_str().unwrap()]).ok();
    assert!(output.stdout.contains("dev") && output.stdout.contains("KEY"), "the worklist: {}", output.stdout);
    let now = alice.opened();
    for device in ["alice-laptop", "alice-laptop-2", "recovery"] {
        assert_eq!(opens(&now, device, &old), [""; 0], "the old identity, as {device}");
    }
    assert_eq!(opens(&now, "alice-laptop-2", &alice.identity()).len(), 3);
    for profile in ["dev", "prod"] {
        assert_eq!(exposed(&alice, profile), 1, "{profile}");
        assert_eq!(alice.value(profile, "KEY").ok().stdout, format!("canary-{profile}"));
    }
    let recovery = now.team().recovery().unwrap();
    let opens_with = |code: &str| {
        let code = RecoveryCode::parse(&SecretValue::from(code.as_bytes())).unwrap().as_passphrase();
        recovery.sealed.open(&code, &recovery.recipient, &recovery.signing_key).is_ok()
    };
    assert!(!opens_with(&code) && opens_with(&fs::read_to_string(&new_code).unwrap()));
    // The log of before says where it went on.
    let record = |outcome: &str| {
        let names = ["alice-laptop", "alice-laptop-2"].map(str::to_owned).to_vec();
        ("identity-rotate".to_owned(), outcome.to_owned(), names)
    };
    assert_eq!(alice.last_records("alice-laptop", 2), [record("intent"), record("done")]);
    assert!(alice.records("alice-laptop-2").iter().any(|record| record["action"] == "identity-rotate"));
    alice.vault(&["verify"]).ok();
    alice.vault(&["audit", "verify"]).ok();
    // An older commit still opens, with the identity of then.
    fs::write(alice.vault_file(), before.bytes()).unwrap();
    assert_eq!(alice.value("dev", "KEY").ok().stdout, "canary-dev");
    fs::write(alice.vault_file(), now.bytes()).unwrap();

    alice.push("a new identity");
    bob.pull();
    assert_eq!(bob.value("dev", "KEY").ok().stdout, "canary-dev");
    // The next one, without a leak, marks nothing more and finds the next name.
    alice.pull();
    alice.vault(&["identity", "rotate"]).ok().says("alice-laptop-3").says("the recovery code is void");
    assert_eq!(exposed(&alice, "dev"), 1);
    assert!(beside(&alice, "old-2").exists() && !beside(&alice, "next").exists());
}

#[test]
fn a_crash_at_any_step_leaves_an_identity_that_opens_the_vault() {
    let (_world, alice, _bob) = team();
    let (file, next, kept) = (alice.identity_file(), beside(&alice, "next"), beside(&alice, "old"));
    let before = fs::read(&file).unwrap();
    // Before the vault is written: the new identity is there and nobody knows it.
    fs::rename(alice.vault_file(), alice.home.join("aside")).unwrap();
    fs::copy(alice.home.join("aside"), alice.vault_file()).unwrap();
    alice.vault(&["identity", "rotate"]).ok();
    let (after, with_new) = (fs::read(&file).unwrap(), alice.text());
    fs::rename(alice.home.join("aside"), alice.vault_file()).unwrap();
    let state = alice.home.join(".local/state/vault");
    fs::remove_dir_all(&state).unwrap();
    fs::remove_file(&kept).unwrap();
    let id = alice.id();
    let put = |now: &[u8], waits: &[u8]| {
        fs::write(&file, now).unwrap();
        private(&next, std::str::from_utf8(waits).unwrap());
    };
    put(&before, &after);
    let get = |person: &Person| person.run(&["-p", "dev", "get", "KEY"], "", &[("VLT_VAULT_ID", &id)]);
    assert!(!get(&alice).ok().stderr.contains("waits"));
    // The one that waits is taken, not yet another one.
    alice.vault(&["identity", "rotate"]).ok();
    assert_eq!(fs::read(&file).unwrap(), after);

    // Behind the vault, before the file.
    fs::remove_dir_all(&state).unwrap();
    fs::remove_file(&kept).unwrap();
    alice.put(&with_new);
    put(&before, &after);
    assert_eq!(get(&alice).ok().says("a new identity waits").stdout, "canary-dev");
    let output = alice.vault(&["identity", "rotate"]).ok().says("this machine is alice-laptop-2 now");
    assert!(!output.stderr.contains("place of"), "{}", output.stderr);
    assert_eq!((fs::read(&file).unwrap(), fs::read(&kept).unwrap()), (after.clone(), before.clone()));
    assert!(!next.exists());
    assert_eq!(alice.text(), with_new, "nothing is replaced twice");

    // Where the file itself is gone, as on a machine that never had one.
    fs::rename(&file, &next).unwrap();
    assert_eq!(get(&alice).ok().stdout, "canary-dev");
    alice.vault(&["identity", "rotate"]).ok();
    assert_eq!(get(&alice).ok().says_not("waits").stdout, "canary-dev");
}

#[test]
fn a_member_who_is_no_admin_asks_and_is_replaced_by_one_write() {
    let (world, alice, bob) = team();
    let old = bob.identity();
    let text = bob.text();
    let request = bob.vault(&["identity", "rotate", "--leaked"]).ok().says("only an admin").stdout.trim().to_owned();
    assert!(request.starts_with("vlt-rotate1"));
    assert_eq!(bob.text(), text);
    // Asked again it is the same identity; until then the old one works as ever.
    let again = bob.vault(&["identity", "rotate", "--leaked"]).ok().stdout.trim().to_owned();
    assert_eq!(again, request);
    bob.value("dev", "KEY").ok();

    alice.refused(&["member", "approve", &request, "--admin"], 2, "changes nothing about what they may do");
    alice.refused(&["member", "approve", &request[..request.len() - 20]], 2, "not a request");
    let cut = request.replacen("vlt-rotate1", "vlt-rotate1A", 1);
    alice.refused(&["member", "approve", &cut], 2, "not a request");
    bob.refused(&["member", "approve", &request], 6, "bob-laptop is no admin of this vault");
    alice.vault(&["member", "approve", &request, "-n"]).ok().says("bob-laptop-2 in the place of bob-laptop, of bob");
    assert_eq!(alice.text(), text);
    alice.vault(&["member", "approve", &request]).ok().says("may be in other hands");
    for profile in ["dev", "prod"] {
        assert_eq!(exposed(&alice, profile), 1, "{profile}");
    }
    // Used up: that device has left.
    alice.refused(&["member", "approve", &request], 2, "that device has left");
    alice.push("bob's new identity");
    bob.pull();
    let now = bob.opened();
    assert_eq!(opens(&now, "bob-laptop-2", &old), [""; 0]);
    bob.value("dev", "KEY").ok().says("a new identity waits");
    bob.vault(&["identity", "rotate"]).ok().says("this machine is bob-laptop-2 now");
    bob.value("dev", "KEY").ok().says_not("waits");
    bob.set("dev", "OTHER", "canary-other");
    assert!(opens(&now, "bob-laptop-2", &bob.identity()).contains(&"dev".to_owned()));

    // A request for bob's device that somebody else made.
    let mallory = world.member(&alice, "mallory", &["--read", "dev"]);
    let new = IdentityKey::generate().unwrap();
    let forged = vault::team::ReplaceRequest::new(
        mallory.opened().id(),
        ("bob-laptop-2".parse().unwrap(), &mallory.identity()),
        "bob-laptop-3".parse().unwrap(),
        &new,
        false,
    );
    alice.refused(&["member", "approve", &forged.to_string()], 2, "not signed by the device");
}

#[test]
fn an_identity_is_carried_and_six_words_open_it_on_a_machine_with_nothing() {
    let (world, alice, bob) = team();
    alice.set("default", "KEY", "canary-default");
    let (file, typed) = (alice.home.join("words"), alice.home.join("typed"));
    alice.refused(&["identity", "seal"], 2, "without a terminal");
    alice.refused(&["identity", "seal", "-n"], 2, "without a terminal");
    let words = ["identity", "seal", "-n", "--passphrase-file", file.to_str().unwrap()];
    alice.vault(&words).ok().says("would carry the identity of alice-laptop");
    assert!(!file.exists());
    alice.vault(&["identity", "seal", "--passphrase-file", file.to_str().unwrap()]).ok().says("alice-laptop, sealed");
    let words = fs::read_to_string(&file).unwrap().trim().to_owned();
    alice.forbid(&words);
    assert_eq!(words.split(' ').count(), 6);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600);
    let again = alice.home.join("again");
    let words_again = ["identity", "seal", "--passphrase-file", again.to_str().unwrap()];
    alice.refused(&words_again, 2, "carries the identity of alice-laptop sealed already");
    alice.push("sealed");

    // bob asks, as he is no admin; his words count as soon as it is approved.
    let bobs = bob.home.join("words");
    bob.pull();
    let request = bob.vault(&["identity", "seal", "--passphrase-file", bobs.to_str().unwrap()]).ok().stdout;
    let bobs_words = fs::read_to_string(&bobs).unwrap().trim().to_owned();
    bob.forbid(&bobs_words);
    let request = request.trim();
    assert!(request.starts_with("vlt-seal1"));
    bob.refused(&["member", "approve", request], 6, "bob-laptop is no admin of this vault");
    alice.vault(&["member", "approve", request]).ok().says("the identity of bob-laptop, of bob");
    alice.refused(&["member", "approve", request], 2, "sealed already");
    alice.push("bob's too");
    alice.vault(&["verify"]).ok();

    // Two are carried, and the words say whose it is.
    let id = alice.id();
    let machine = world.person("machine");
    let get = |words: &str, profile: &str| {
        let file = private(&typed, words);
        machine.run(&["-p", profile, "get", "KEY"], "", &[("VLT_VAULT_ID", &id), ("VLT_PASSPHRASE_FILE", &file)])
    };
    assert_eq!(get(&words, "prod").ok().stdout, "canary-prod");
    assert_eq!(get(&bobs_words.to_uppercase().replace(' ', "-"), "dev").ok().stdout, "canary-dev");
    get(&bobs_words, "default").fails(4, "bob-laptop may not read profile default");
    get(&words.replacen(' ', " x", 1), "dev").fails(4, "word 2 of the passphrase is not on the list").says_not("near");
    get(&words[..words.rfind(' ').unwrap()], "dev").fails(4, "six words, not 5");
    get("abacus abide ability able abdomen abdominal", "dev").fails(4, "wrong passphrase, or damaged");
    machine
        .run(&["-p", "dev", "get", "KEY"], "", &[("VLT_VAULT_ID", &id)])
        .fails(4, "no passphrase and nobody to ask for it");
    assert!(!machine.identity_file().exists(), "the identity stays in the vault file");

    // The words leaked: the new identity is not the one they open.
    alice.vault(&["identity", "rotate", "--leaked"]).ok();
    alice.push("after a leak");
    machine.pull();
    get(&words, "dev").fails(4, "wrong passphrase, or damaged");
    alice.vault(&["identity", "seal", "--passphrase-file", again.to_str().unwrap()]).ok();
}

#[test]
fn a_machine_with_nothing_but_the_words_takes_the_place_of_the_lost_one() {
    let (world, alice, _bob) = team();
    let file = alice.home.join("words");
    alice.vault(&["identity", "seal", "--passphrase-file", file.to_str().unwrap()]).ok();
    alice.push("sealed");
    let (id, lost) = (alice.id(), alice.identity());
    let machine = world.person("machine");
    let words = private(&machine.home.join("words"), &fs::read_to_string(&file).unwrap());
    let env = [("VLT_VAULT_ID", id.as_str()), ("VLT_PASSPHRASE_FILE", &words)];
    let code = machine.home.join("code");
    let rotate = ["identity", "rotate", "--leaked", "--device", "alice-new", "--recovery-file", code.to_str().unwrap()];
    machine.run(&rotate, "", &env).ok().says("alice-new takes the place of alice-laptop");
    assert_eq!(machine.value("prod", "KEY").ok().stdout, "canary-prod");
    assert_eq!(opens(&machine.opened(), "alice-new", &lost), [""; 0]);
    assert!(!beside(&machine, "old").exists());
}
