//! What is wrong with a request, a recipient or a name: each its own error, and the
//! file as it was.

use vault::crypto::{IdentityKey, length_prefixed};
use vault::team::Request;

use crate::world::World;

#[test]
fn requests_that_are_none() {
    let (world, alice) = World::new();
    let request = world.person("bob").join(&alice, &["--device", "bob-laptop"]);
    let changed = {
        let mut bytes = request.clone().into_bytes();
        let middle = bytes.len() / 2;
        bytes[middle] = if bytes[middle] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).unwrap()
    };
    let cut = &request[..request.len() - 9];
    let long = format!("{request}{}", "A".repeat(4000));
    for (text, error) in [
        ("", "not a request"),
        ("hello", "not a request"),
        ("vlt-join1", "not a request"),
        ("vlt-join1====", "not a request"),
        ("vlt-join2AAAA", "not a request"),
        (&changed, "request"),
        (cut, "request"),
        (&long, "not a request"),
        ("AGE-SECRET-KEY-1", "not a request"),
    ] {
        let output = alice.refused(&["member", "approve", text, "--read", "default"], 2, error);
        assert!(text.len() < 12 || !output.stderr.contains(text), "what was typed is not quoted: {text}");
    }
    // Signed as it should be, with what is no name or no key in it.
    let identity = IdentityKey::generate().unwrap();
    for (member, device, recipient) in [
        ("Bob", "b", identity.recipient().to_string()),
        ("bob", "../b", identity.recipient().to_string()),
        ("bob", "b\u{1b}[2J", identity.recipient().to_string()),
        ("bob", "b", "age1../../bin/sh1qqqqqqqq".to_owned()),
        ("bob", "b", "age1".to_owned()),
    ] {
        let made = crafted(&alice.id(), member, device, &recipient, &identity);
        alice.refused(&["member", "approve", &made, "--read", "default"], 2, "not a request");
    }
}

/// A request with a signature that verifies, whatever is in it.
fn crafted(id: &str, member: &str, device: &str, recipient: &str, identity: &IdentityKey) -> String {
    let id: vault::crypto::Hash = id.parse().unwrap();
    let key = identity.signing_key();
    let signing_key = key.public();
    let mut bytes = length_prefixed(&[
        b"vault/v1/join",
        id.as_bytes(),
        member.as_bytes(),
        device.as_bytes(),
        recipient.as_bytes(),
        signing_key.as_bytes(),
    ]);
    let signature = key.sign(&bytes);
    bytes.extend_from_slice(signature.as_bytes());
    format!("vlt-join1{}", data_encoding::BASE64URL_NOPAD.encode(&bytes))
}

#[test]
fn requests_of_others_and_of_before() {
    let (world, alice) = World::new();
    alice.vault(&["profile", "add", "dev"]).ok();
    alice.push("dev");
    // Another vault's.
    let (other, carol) = World::new();
    let foreign = other.person("dave").join(&carol, &["--device", "dave-laptop"]);
    alice.refused(&["member", "approve", &foreign, "--read", "dev"], 2, "the request is for another vault");
    // One that was approved already; the same key under other names.
    let bob = world.person("bob");
    let request = bob.join(&alice, &["--device", "bob-laptop"]);
    alice.vault(&["member", "approve", &request, "--read", "dev"]).ok();
    alice.refused(&["member", "approve", &request], 7, "device bob-laptop exists or existed");
    let same_key = |member: &str, device: &str| {
        let id = alice.id().parse().unwrap();
        Request::new(id, member.parse().unwrap(), device.parse().unwrap(), &bob.identity()).to_string()
    };
    let renamed = same_key("bobby", "bobby-laptop");
    alice.refused(&["member", "approve", &renamed, "--read", "dev"], 6, "that key was used before");
    // After the removal neither the request, nor the key, nor a name comes back.
    alice.vault(&["member", "remove", "bob"]).ok();
    alice.refused(&["member", "approve", &request, "--read", "dev"], 7, "exists or existed");
    alice.refused(&["member", "approve", &renamed, "--read", "dev"], 6, "that key was used before");
    let fresh = IdentityKey::generate().unwrap();
    for (member, device, status, error) in [
        ("bob", "bob-new", 7, "member bob exists or existed"),
        ("robert", "bob-laptop", 7, "device bob-laptop exists or existed"),
        ("robert", "recovery", 7, "device recovery exists or existed"),
        ("recovery", "robert", 6, "reserved"),
    ] {
        let id = alice.id().parse().unwrap();
        let made = Request::new(id, member.parse().unwrap(), device.parse().unwrap(), &fresh).to_string();
        alice.refused(&["member", "approve", &made, "--read", "dev"], status, error);
    }
}

#[test]
fn what_is_granted_must_exist() {
    let (world, alice) = World::new();
    let request = world.person("bob").join(&alice, &["--device", "bob-laptop"]);
    for words in [
        &["member", "approve", &request, "--read", "nope"][..],
        &["member", "approve", &request, "--write", "nope", "-n"],
        &["member", "add", "ci", "--new-identity", "--read", "nope"],
        &["member", "add", "ci", "--new-identity", "--read", "nope", "-n"],
        &["member", "grant", "alice", "--read", "nope"],
        &["member", "grant", "alice", "--read", "nope", "-n"],
    ] {
        alice.refused(words, 3, "no profile nope").says("there are: default");
    }
    for words in [
        &["member", "grant", "nobody", "--read", "default"][..],
        &["member", "revoke", "nobody", "--read", "default"],
        &["member", "remove", "nobody"],
        &["member", "grant", "nobody", "--read", "default", "-n"],
        &["member", "revoke", "nobody", "--read", "default", "-n"],
        &["member", "remove", "nobody", "-n"],
    ] {
        alice.refused(words, 3, "no member nobody");
    }
    for words in [&["member", "grant", "alice"][..], &["member", "revoke", "alice"]] {
        alice.refused(words, 2, "say what");
    }
    for words in [
        &["member", "add", "ci", "--read", "default"][..],
        &["member", "add", "UPPER", "--new-identity"],
        &["member", "add", "../x", "--new-identity"],
        &["member", "approve"],
    ] {
        alice.refused(words, 2, "");
    }
}

#[test]
fn recipients_that_nothing_is_wrapped_to() {
    let (_world, alice) = World::new();
    let add =
        |recipient: &str| ["member", "add", "x", "--recipient", recipient, "--read", "default"].map(str::to_owned);
    let identity = IdentityKey::generate().unwrap();
    let native = identity.recipient().to_string();
    let alices = alice.identity().recipient().to_string();
    let mistyped = {
        let last = if native.ends_with('q') { "p" } else { "q" };
        format!("{}{last}", &native[..native.len() - 1])
    };
    let ssh_rsa = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC7";
    let ssh = format!(
        "ssh-ed25519 {}",
        data_encoding::BASE64.encode(&[b"\0\0\0\x0bssh-ed25519\0\0\0\x20".as_slice(), &[7; 32]].concat())
    );
    for (recipient, status, error) in [
        ("", 2, "recipient"),
        ("age1", 2, "recipient"),
        (mistyped.as_str(), 2, "recipient"),
        (&native.to_uppercase(), 2, "recipient"),
        (ssh_rsa, 2, "recipient"),
        // Plugins are programs: names with path characters are no recipients, and none is ever run.
        ("age1../../bin/sh1qqqqqqqqqq", 2, "recipient"),
        ("age1/bin/sh1qqqqqqqqqq", 2, "recipient"),
        ("age1yubi.key1qqqqqqqqqq", 2, "recipient"),
        ("age1yubikey1qqqqqqqqqq", 2, "recipient"),
        // With the feature `ssh` a point of the curve is one.
        (if cfg!(feature = "ssh") { "ssh-ed25519 AAAA" } else { &ssh }, 2, "recipient"),
        (&alices, 6, "that key was used before"),
    ] {
        let words = add(recipient);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        alice.refused(&words, status, error);
    }
}

#[test]
fn names_that_exist_or_existed() {
    let (world, alice) = World::new();
    alice.vault(&["profile", "add", "dev"]).ok();
    alice.push("dev");
    world.member(&alice, "bob", &["--read", "dev"]);
    // Whoever is in is not given more, or anything, by being added again.
    for words in [
        &["member", "add", "alice", "--new-identity", "--read", "dev"][..],
        &["member", "add", "alice", "--new-identity", "--device", "spare", "--read", "dev"],
        &["member", "add", "bob", "--new-identity", "--device", "spare", "--admin"],
    ] {
        alice.refused(words, 2, "is a member already");
    }
    alice.refused(&["member", "add", "alice", "--new-identity"], 7, "member alice exists or existed");
    alice.refused(&["member", "add", "x", "--device", "bob-laptop", "--new-identity"], 7, "device bob-laptop exists");
    alice.refused(&["member", "add", "recovery", "--new-identity"], 7, "recovery");
    // Another device of somebody, named as such, has the rights of the member and says so.
    let spare = alice.vault(&["member", "add", "bob", "--new-identity", "--device", "bob-build"]).ok();
    spare.says("bob on bob-build: reads dev");
    alice.vault(&["member", "remove", "bob"]).ok();
    alice.refused(&["member", "add", "bob", "--new-identity", "--read", "dev"], 7, "member bob exists or existed");
    for device in ["bob-laptop", "bob-build"] {
        alice.refused(&["member", "add", "x", "--device", device, "--new-identity"], 7, "exists or existed");
    }
    // The one who asks is told before anybody has to read the request.
    let next = world.person("next");
    let id = alice.id();
    alice.push("bob left");
    next.pull();
    let words = ["join", "--member", "next", "--device", "bob-laptop"];
    next.refused_with(&words, "", &[("VLT_VAULT_ID", &id)], 7, "device bob-laptop exists or existed");
    let words = ["join", "--member", "bob", "--device", "new"];
    next.refused_with(&words, "", &[("VLT_VAULT_ID", &id)], 7, "member bob exists or existed");
    assert!(!next.identity_file().exists());
}

#[test]
fn a_team_section_from_the_future() {
    let (_world, alice) = World::new();
    let genuine = alice.text();
    for (text, error) in [
        (genuine.replacen("vault = 1\n", "vault = 2\n", 1), "written by a newer vault"),
        (genuine.replacen("do = \"recovery\"", "do = \"confer\"", 1), "line "),
        (genuine.replacen("\nby = ", "\nwhy = \"x\"\nby = ", 1), ""),
    ] {
        assert_ne!(text, genuine);
        alice.put(&text);
        for words in [&["member", "list"][..], &["list"], &["member", "add", "x", "--new-identity"]] {
            let output = alice.vault(words).fails(5, error);
            assert!(output.stderr.contains("vault: hint: "), "{}", output.stderr);
        }
        alice.put(&genuine);
    }
    // Behind the genuine chain, and signed by the admin: what is not known is still refused.
    let key = alice.identity().signing_key();
    let previous = alice.opened().team().head();
    let number = alice.opened().team().next_number();
    let body = format!(
        "[[team]]\nchange = {number}\nat = 2026-01-01T00:00:00Z\nby = \"alice-laptop\"\ndo = \"confer\"\nmember = \"alice\"\n"
    );
    let signature = key.sign(&length_prefixed(&[b"vault/v1/team", previous.as_bytes(), body.as_bytes()]));
    let future = genuine.replacen("\n\n[profile.", &format!("\n\n{body}signature = \"{signature}\"\n\n[profile."), 1);
    alice.put(&future);
    alice.refused(&["member", "list"], 5, "line ");
    alice.put(&genuine);
    alice.vault(&["verify"]).ok();
}
