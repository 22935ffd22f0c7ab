//! Joining: requests, a second machine, a CI system, a bare recipient.

use std::fs;

use data_encoding::{BASE64, BASE64URL_NOPAD};
use vault::crypto::{IdentityKey, length_prefixed};
use vault::team::Request;

use crate::world::{World, keys};

#[test]
fn a_request_is_approved_and_opens_what_was_granted_and_nothing_else() {
    let (world, alice) = World::new();
    for profile in ["dev", "prod"] {
        alice.vault(&["profile", "add", profile]).ok();
        alice.set(profile, "KEY", &format!("canary-of-{profile}"));
    }
    alice.push("profiles");
    let bob = world.person("bob");
    let request = bob.join(&alice, &["--device", "bob-laptop"]);
    assert!(request.starts_with("vlt-join1") && !request.contains(char::is_whitespace), "{request}");

    // Nobody yet, and told what to do.
    bob.refused(&["-p", "dev", "get", "KEY"], 4, "belongs to no device").says("vault join");

    let before = alice.text();
    let dry = alice.vault(&["member", "approve", &request, "--write", "dev", "-n"]).ok();
    let fingerprint = request.parse::<Request>().unwrap().fingerprint();
    let dry = dry.says("bob on bob-laptop").says(&format!("  fingerprint  {fingerprint}\n"));
    dry.says("  gets         writes dev");
    assert_eq!(alice.text(), before, "a dry run changes nothing");

    alice.vault(&["member", "approve", &request, "--write", "dev"]).ok().says("  gets         writes dev");
    alice.push("approve bob");
    let names = vec!["bob".to_owned(), "bob-laptop".to_owned()];
    let record = |outcome: &str| ("member-add".to_owned(), outcome.to_owned(), names.clone());
    assert_eq!(alice.last_records("alice-laptop", 2), [record("intent"), record("done")]);

    bob.pull();
    assert_eq!(bob.value("dev", "KEY").ok().stdout, "canary-of-dev");
    bob.value("prod", "KEY").fails(4, "bob-laptop may not read profile prod");
    bob.set("dev", "BOBS", "canary-by-bob");
    bob.push("a secret of bob's");
    alice.pull();
    assert_eq!(alice.value("dev", "BOBS").ok().stdout, "canary-by-bob");
    bob.vault(&["join"]).ok().says("this machine is bob-laptop in this vault already");
}

/// Somebody on the way keeps everything that shows but the signing key, which is theirs: they
/// could read nothing, and sign as bob, or as an admin.
#[test]
fn a_request_with_another_signing_key_is_told_by_its_fingerprint_and_noticed_by_its_device() {
    let (world, alice) = World::new();
    alice.vault(&["profile", "add", "dev"]).ok();
    alice.set("dev", "KEY", "canary-of-dev");
    alice.push("a profile");
    let bob = world.person("bob");
    let genuine: Request = bob.join(&alice, &["--device", "bob-laptop"]).parse().unwrap();
    let mallory = IdentityKey::generate().unwrap();
    let mut bytes = length_prefixed(&[
        b"vault/v1/join",
        genuine.id.as_bytes(),
        b"bob",
        b"bob-laptop",
        genuine.recipient.as_str().as_bytes(),
        mallory.signing_key().public().as_bytes(),
    ]);
    let signature = mallory.signing_key().sign(&bytes);
    bytes.extend_from_slice(signature.as_bytes());
    let forged = format!("vlt-join1{}", BASE64URL_NOPAD.encode(&bytes));
    let parsed: Request = forged.parse().unwrap();
    assert!(parsed.recipient == genuine.recipient && parsed.fingerprint() != genuine.fingerprint());
    let approved = alice.vault(&["member", "approve", &forged, "--write", "dev"]).ok();
    approved.says(&format!("  fingerprint  {}\n", parsed.fingerprint()));
    alice.push("approve the wrong one");
    bob.pull();
    for words in [&["-p", "dev", "get", "KEY"][..], &["-p", "dev", "set", "NEW", "--generate"]] {
        bob.refused(words, 5, "has a signing key in this vault that is not this machine's");
    }
}

#[test]
fn a_place_is_used_only_with_the_right_id() {
    let (world, alice) = World::new();
    let bob = world.person("bob");
    let none = bob.refused(&["join"], 5, "its fingerprint");
    none.says("vault trust");
    let other = "a".repeat(52);
    bob.refused_with(&["join"], "", &[("VLT_VAULT_ID", &other)], 5, "which is not what VLT_VAULT_ID asks for");
    assert!(!bob.identity_file().exists(), "no identity for a vault that is not trusted");
    bob.join(&alice, &[]);
}

#[test]
fn a_second_machine_is_a_device_of_the_same_member() {
    let (world, alice) = World::new();
    alice.vault(&["profile", "add", "dev"]).ok();
    alice.set("dev", "KEY", "canary-second");
    let bob = world.member(&alice, "bob", &["--read", "dev"]);
    let desktop = world.person("desktop");
    let request = desktop.join(&bob, &["--member", "bob", "--device", "bob-desktop"]);
    alice.refused(&["member", "approve", &request, "--admin"], 2, "bob is a member already").says("bob on bob-desktop");
    alice.vault(&["member", "approve", &request]).ok().says("reads dev");
    alice.push("bob's desktop");
    desktop.pull();
    assert_eq!(desktop.value("dev", "KEY").ok().stdout, "canary-second");
    let list = alice.vault(&["member", "list", "--json"]).ok().json();
    let bob = list.as_array().unwrap().iter().find(|member| member["member"] == "bob").unwrap();
    assert_eq!(keys(bob), ["devices", "member", "profiles", "role"]);
    assert_eq!(bob["profiles"], serde_json::json!({ "dev": "read" }));
    let devices = bob["devices"].as_array().unwrap();
    assert_eq!(devices.len(), 2);
    for device in devices {
        assert_eq!(keys(device), ["added_at", "device", "recipient", "signs"]);
        assert_eq!(device["signs"], true);
    }
    let alice_listed = &list[0];
    assert_eq!(alice_listed["role"], "admin");
    assert_eq!(alice_listed["profiles"], serde_json::json!({ "default": "write", "dev": "write" }));
}

#[test]
fn a_ci_system_needs_two_variables() {
    let (world, alice) = World::new();
    alice.vault(&["profile", "add", "prod"]).ok();
    alice.set("prod", "KEY", "canary-ci");
    let before = alice.text();
    let dry = alice.vault(&["member", "add", "ci", "--new-identity", "--read", "prod", "-n"]).ok();
    assert_eq!((dry.stdout.as_str(), alice.text()), ("", before), "a dry run makes no identity and changes nothing");
    let added = alice.vault(&["member", "add", "ci", "--new-identity", "--read", "prod"]).ok();
    let lines: Vec<(&str, &str)> = added.stdout.lines().map(|line| line.split_once('=').unwrap()).collect();
    let [("VLT_IDENTITY", identity), ("VLT_VAULT_ID", id)] = lines[..] else { panic!("{}", added.stdout.len()) };
    assert_eq!(id, alice.id());
    assert!(identity.starts_with("AGE-SECRET-KEY-1"));
    alice.forbid(identity);
    alice.push("ci");

    let ci = world.person("ci");
    let env = [("VLT_IDENTITY", identity), ("VLT_VAULT_ID", id)];
    let script = ["-p", "prod", "exec", "--", "sh", "-c", "printf %s \"$KEY\"; env | grep -c VLT_IDENTITY"];
    let output = ci.run(&script, "", &env);
    assert_eq!(output.stdout, "canary-ci0\n", "{}", output.stderr);
    assert!(!ci.identity_file().exists(), "nothing is stored on the CI system");
    // It reads prod and nothing more.
    ci.refused_with(&["-p", "default", "get", "KEY"], "", &env, 3, "no secret KEY");
    ci.refused_with(&["-p", "prod", "set", "KEY", "-"], "x", &env, 6, "ci may not write profile prod");
    ci.refused_with(&["member", "remove", "alice"], "", &env, 6, "ci is no admin");
    // With another id it does not start.
    let other = "a".repeat(52);
    let env = [("VLT_IDENTITY", identity), ("VLT_VAULT_ID", other.as_str())];
    ci.run(&script, "", &env).fails(125, "which is not what VLT_VAULT_ID asks for");
}

/// What `ssh-keygen` makes reads with `vault` itself, with a passphrase too; it is no identity.
#[cfg(feature = "ssh")]
#[test]
fn an_ssh_key_can_only_read() {
    let (world, alice) = World::new();
    alice.vault(&["profile", "add", "dev"]).ok();
    alice.set("dev", "KEY", "canary-ssh");
    alice.set("default", "KEY", "canary-of-others");
    // As in `id_ed25519.pub`, with its comment.
    let public = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIF3R0p3SfcwB0SG1HSAftdUzL0qCc+9DwNnXpkUb6a+y me@laptop";
    alice.refused(&["member", "add", "me", "--recipient", public, "--write", "dev"], 2, "can only read");
    alice.vault(&["member", "add", "me", "--recipient", public, "--read", "dev"]).ok();
    let rsa = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC7";
    alice.refused(&["member", "add", "rsa", "--recipient", rsa, "--read", "dev"], 2, "recipient");
    alice.push("a key of ssh");
    let me = world.person("me");
    let id = alice.id();
    let passphrase = me.home.join("passphrase");
    for (name, text) in [
        ("id_ed25519", include_str!("../vectors/keys/ssh-ed25519")),
        ("sealed", include_str!("../vectors/keys/ssh-ed25519-sealed")),
        ("passphrase", "canary-passphrase"),
    ] {
        fs::write(me.home.join(name), text).unwrap();
        fs::set_permissions(me.home.join(name), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }
    for name in ["id_ed25519", "sealed"] {
        let file = me.home.join(name);
        let env = [
            ("VLT_VAULT_ID", id.as_str()),
            ("VLT_IDENTITY_FILE", file.to_str().unwrap()),
            ("VLT_PASSPHRASE_FILE", passphrase.to_str().unwrap()),
        ];
        assert_eq!(me.run(&["-p", "dev", "get", "KEY"], "", &env).ok().stdout, "canary-ssh", "{name}");
        let exec = ["-p", "dev", "exec", "--", "printenv", "KEY"];
        assert_eq!(me.run(&exec, "", &env).ok().stdout, "canary-ssh\n", "{name}");
        me.refused_with(&["-p", "dev", "set", "KEY", "-"], "x", &env, 6, "me may not write profile dev");
        me.refused_with(&["-p", "default", "get", "KEY"], "", &env, 4, "me may not read profile default");
        me.refused_with(&["member", "remove", "alice"], "", &env, 4, "a key of ssh can only read");
        me.run(&["verify"], "", &env).ok();
        me.run(&["audit", "verify"], "", &env).ok();
    }
    let file = me.home.join("sealed");
    let env = [("VLT_VAULT_ID", id.as_str()), ("VLT_IDENTITY_FILE", file.to_str().unwrap())];
    me.refused_with(&["-p", "dev", "get", "KEY"], "", &env, 4, "no passphrase for");
}

#[test]
fn a_bare_recipient_can_only_read() {
    let (world, alice) = World::new();
    alice.vault(&["profile", "add", "dev"]).ok();
    alice.set("dev", "KEY", "canary-bare");
    let identity = age::x25519::Identity::generate();
    let recipient = identity.to_public().to_string();
    for access in [["--write", "dev"].as_slice(), &["--admin"]] {
        let words = [["member", "add", "deploy", "--recipient", &recipient].as_slice(), access].concat();
        alice.refused(&words, 2, "can only read");
    }
    alice.vault(&["member", "add", "deploy", "--recipient", &recipient, "--read", "dev"]).ok();
    alice.push("deploy");
    let list = alice.vault(&["member", "list", "--json"]).ok().json();
    assert_eq!(list[1]["devices"][0]["signs"], false);

    // Its grant is an age file that any age program opens: the data key that is committed to.
    let text = alice.text();
    let section = &text[text.find("[profile.dev.grant]").unwrap()..];
    let grant = section.lines().find_map(|line| line.strip_prefix("deploy = \"")).unwrap().trim_end_matches('"');
    let key = age::decrypt(&identity, &BASE64.decode(grant.as_bytes()).unwrap()).unwrap();
    assert_eq!(key.len(), 32);

    // The holder of the identity reads by `vault` as well, and signs nothing.
    let deploy = world.person("deploy");
    let file = deploy.home.join("key");
    let secret = age::secrecy::ExposeSecret::expose_secret(&identity.to_string()).to_owned();
    deploy.forbid(&secret);
    fs::write(&file, secret + "\n").unwrap();
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let id = alice.id();
    let env = [("VLT_VAULT_ID", id.as_str()), ("VLT_IDENTITY_FILE", file.to_str().unwrap())];
    assert_eq!(deploy.run(&["-p", "dev", "get", "KEY"], "", &env).ok().stdout, "canary-bare");
    deploy.refused_with(&["-p", "dev", "set", "KEY", "-"], "x", &env, 6, "deploy may not write profile dev");
    // Not even where its member may write.
    alice.vault(&["member", "grant", "deploy", "--write", "dev"]).ok();
    alice.push("grant");
    deploy.pull();
    deploy.refused_with(&["-p", "dev", "set", "KEY", "-"], "x", &env, 6, "deploy may not write profile dev");
}
