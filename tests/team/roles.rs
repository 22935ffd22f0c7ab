//! Roles: who may read, write, and change the team.

use std::collections::BTreeMap;

use vault::crypto::{Hash, length_prefixed};

use crate::world::{Person, World, git};

/// alice is admin; bob reads dev, carol writes dev and reads prod.
fn team() -> (World, Person, Person, Person) {
    let (world, alice) = World::new();
    for profile in ["dev", "prod"] {
        alice.vault(&["profile", "add", profile]).ok();
        alice.set(profile, "KEY", &format!("canary-of-{profile}"));
    }
    let bob = world.member(&alice, "bob", &["--read", "dev"]);
    let carol = world.member(&alice, "carol", &["--write", "dev", "--read", "prod"]);
    bob.pull();
    (world, alice, bob, carol)
}

#[test]
fn each_reads_what_was_granted_and_nothing_else() {
    let (_world, alice, bob, carol) = team();
    for (person, dev, prod) in [(&alice, 0, 0), (&bob, 0, 4), (&carol, 0, 0)] {
        assert_eq!(person.value("dev", "KEY").status, dev, "{}", person.user);
        assert_eq!(person.value("prod", "KEY").status, prod, "{}", person.user);
        person.vault(&["-p", "default", "list"]).ok();
    }
    let exec = bob.vault(&["-p", "prod", "exec", "--", "true"]);
    exec.fails(125, "bob-laptop may not read profile prod");
    // Neither by his grants of another profile, tried on every value by the library.
    let vault = bob.opened();
    let (id, dev, prod) = (vault.id(), "dev".parse().unwrap(), "prod".parse().unwrap());
    let (dev, prod) = (vault.section(&dev).unwrap(), vault.section(&prod).unwrap());
    let (data_key, _) = dev.unlock(&id, vault.team(), &"bob-laptop".parse().unwrap(), &bob.identity()).unwrap();
    let key = vault::crypto::ValueKey::derive(&data_key, &id, "prod", prod.epoch());
    for secret in prod.secrets() {
        let (name, secret) = secret.unwrap();
        prod.open(&key, &name, secret.version, &secret.value).unwrap_err();
    }
}

#[test]
fn a_reader_changes_nothing() {
    let (_world, _alice, bob, carol) = team();
    let refused =
        bob.refused_with(&["-p", "dev", "set", "KEY", "-"], "x", &[], 6, "bob-laptop may not write profile dev");
    refused.says("ask an admin");
    let last = bob.last_records("bob-laptop", 1);
    assert_eq!((last[0].0.as_str(), last[0].2.clone()), ("set", vec!["KEY".to_owned()]));
    assert!(["failed", "refused"].contains(&last[0].1.as_str()), "{last:?}");
    bob.refused(&["-p", "dev", "rm", "KEY"], 6, "may not write");
    carol.refused_with(&["-p", "prod", "set", "KEY", "-"], "x", &[], 6, "carol-laptop may not write profile prod");
    carol.set("dev", "MORE", "canary-more");
}

#[test]
fn what_a_reader_signs_by_force_is_refused_by_everyone() {
    let (_world, alice, bob, carol) = team();
    let genuine = bob.text();
    // A library knows no scruples: a changed date, signed with his own key in his own name.
    let forged = re_signed(&bob, "dev", "bob-laptop", |section| section.replace("version = 1\n", "version = 7\n"));
    // ... and in the name of the one who signed it before.
    let in_her_name =
        re_signed(&bob, "dev", "alice-laptop", |section| section.replace("version = 1\n", "version = 7\n"));
    for (text, error) in [(&forged, "signed by bob-laptop"), (&in_her_name, "profile dev: changed after it was signed")]
    {
        assert_ne!(*text, genuine);
        for person in [&alice, &bob, &carol] {
            person.put(text);
            person.refused(&["-p", "dev", "get", "KEY"], 5, error);
            person.refused_with(&["-p", "dev", "set", "X", "-"], "x", &[], 5, error);
            let verify = person.vault(&["verify", "--json"]);
            assert_eq!(verify.status, 1, "{}", verify.stderr);
            assert_eq!(verify.json()["ok"], false);
            person.put(&genuine);
            person.value("dev", "KEY").ok();
        }
    }
}

/// The vault file of a person with a section that they changed and signed as `by`.
pub(crate) fn re_signed(person: &Person, profile: &str, by: &str, edit: impl Fn(&str) -> String) -> String {
    let text = person.text();
    let vault = person.opened();
    let start = text.find(&format!("[profile.{profile}]\n")).unwrap();
    let end = text[start..].find("\n\n").map_or(text.len(), |at| start + at + 1);
    let section = edit(&text[start..end]);
    let mut body = String::new();
    for line in section.lines() {
        match line.split_once(" = ") {
            Some(("signature", _)) => continue,
            Some(("by", _)) => body += &format!("by = \"{by}\"\n"),
            Some(("clock", counts)) => {
                let counts = counts.trim_matches(['{', '}', ' ']).split(", ");
                let mut counts: BTreeMap<&str, u64> = counts
                    .map(|count| count.split_once(" = ").unwrap())
                    .map(|(d, n)| (d, n.parse().unwrap()))
                    .collect();
                *counts.entry(by).or_default() += 1;
                let counts: Vec<String> = counts.iter().map(|(device, count)| format!("{device} = {count}")).collect();
                body += &format!("clock = {{ {} }}\n", counts.join(", "));
            }
            _ => body += &format!("{line}\n"),
        }
    }
    let digest = Hash::of(body.as_bytes());
    let bytes = length_prefixed(&[b"vault/v1/profile", vault.id().as_bytes(), digest.as_bytes()]);
    let signature = person.identity().signing_key().sign(&bytes);
    format!("{}{body}signature = \"{signature}\"\n{}", &text[..start], &text[end..])
}

#[test]
fn only_admins_change_the_team() {
    let (world, alice, bob, carol) = team();
    let request = world.person("dave").join(&alice, &["--device", "dave-laptop"]);
    for person in [&bob, &carol] {
        let device = format!("{}-laptop", person.user);
        for words in [
            &["member", "approve", &request, "--read", "dev"][..],
            &["member", "add", "x", "--new-identity", "--read", "dev"],
            &["member", "grant", &person.user, "--admin"],
            &["member", "grant", &person.user, "--write", "dev", "--read", "prod"],
            &["member", "revoke", "alice", "--admin"],
            &["member", "remove", "alice"],
            &["member", "remove", if person.user == "bob" { "carol" } else { "bob" }],
            &["profile", "add", "more"],
            &["profile", "set", "prod", "--extends", "dev"],
            &["profile", "rm", "prod", "--force"],
            &["profile", "rekey"],
            &["recovery", "new", "--recovery-file", "code"],
        ] {
            person.refused(words, 6, &format!("{device} is no admin of this vault"));
        }
    }
}

#[test]
fn two_admins_work_side_by_side() {
    let (world, alice, bob, _carol) = team();
    alice.vault(&["member", "grant", "bob", "--admin"]).ok();
    alice.push("bob is admin");
    bob.pull();
    assert_eq!(bob.value("prod", "KEY").ok().stdout, "canary-of-prod");
    let dave = world.member(&bob, "dave", &["--write", "prod"]);
    alice.pull();
    alice.vault(&["profile", "add", "stage", "--extends", "dev"]).ok();
    alice.push("stage");
    for person in [&bob, &dave] {
        person.pull();
    }
    bob.set("stage", "BY_BOB", "canary-by-bob");
    dave.value("prod", "KEY").ok();
    // One admin takes it from the other; neither can take the last one's.
    bob.vault(&["member", "revoke", "alice", "--admin"]).ok().says("the recovery code is void");
    bob.push("alice is no admin");
    alice.pull();
    alice.refused(&["member", "grant", "alice", "--admin"], 6, "alice-laptop is no admin");
    bob.refused(&["member", "revoke", "bob", "--admin"], 6, "the last admin device that can sign cannot leave");
    let log = bob.vault(&["member", "log", "--json"]).ok().json();
    let last = log.as_array().unwrap().last().unwrap();
    assert_eq!((last["action"].as_str(), last["by"].as_str()), (Some("set_role"), Some("bob-laptop")));
    git(&bob.clone, &["diff", "--quiet"]).ok();
}

#[test]
fn granting_and_revoking_change_what_opens() {
    let (_world, alice, bob, _carol) = team();
    let step = |words: &[&str]| {
        let output = alice.vault(words).ok();
        alice.push("role");
        bob.pull();
        output
    };
    let before = alice.text();
    alice.vault(&["member", "grant", "bob", "--read", "prod", "-n"]).ok();
    alice.vault(&["member", "revoke", "bob", "--read", "dev", "-n"]).ok();
    assert_eq!(alice.text(), before, "a dry run changes nothing");

    step(&["member", "grant", "bob", "--read", "prod"]);
    bob.value("prod", "KEY").ok();
    assert!(!alice.text().contains("exposed"), "whoever gets more exposes nothing");
    alice.vault(&["member", "grant", "bob", "--read", "prod"]).ok().says("nothing changed");

    // Who loses only the right to write keeps reading: nothing is exposed, what they signed is signed again.
    step(&["member", "grant", "bob", "--write", "dev"]);
    bob.set("dev", "KEY", "canary-by-bob");
    bob.push("by bob");
    alice.pull();
    step(&["member", "revoke", "bob", "--write", "dev"]);
    assert!(!alice.text().contains("exposed"));
    let vault = alice.opened();
    let section = vault.section(&"dev".parse().unwrap()).unwrap();
    assert_eq!((section.signature().by.as_str(), section.epoch()), ("alice-laptop", 1));
    assert_eq!(bob.value("dev", "KEY").ok().stdout, "canary-by-bob");
    bob.refused_with(&["-p", "dev", "set", "KEY", "-"], "x", &[], 6, "may not write");

    // Who loses the right to read: a new key, and every value is exposed.
    step(&["member", "revoke", "bob", "--read", "prod"]).says("new keys for prod");
    bob.value("prod", "KEY").fails(4, "bob-laptop may not read profile prod");
    let list = alice.vault(&["-p", "prod", "list", "--json"]).ok().json();
    assert_eq!(list[0]["state"], "exposed");
    assert_eq!((&list[0]["exposed"][0]["to"], list[0]["exposed"].as_array().unwrap().len()), (&"bob".into(), 1));
    alice.vault(&["member", "revoke", "bob", "--read", "prod"]).ok().says("nothing changed");
    alice.refused(&["member", "revoke", "alice", "--read", "prod"], 2, "alice is an admin");
}

#[test]
fn profiles_come_change_and_go() {
    let (_world, alice, bob, _carol) = team();
    let before = alice.text();
    for words in [
        &["profile", "add", "stage", "-n"][..],
        &["profile", "set", "prod", "--extends", "dev", "-n"],
        &["profile", "rm", "prod", "--force", "-n"],
        &["profile", "rekey", "-n"],
    ] {
        alice.vault(words).ok();
        assert_eq!(alice.text(), before, "{words:?} changed something");
    }
    alice.vault(&["profile", "set", "prod", "--extends", "dev"]).ok();
    alice.refused(&["profile", "set", "dev", "--extends", "prod"], 6, "a profile cannot extend itself");
    alice.refused(&["profile", "rm", "dev", "--force"], 6, "another profile extends it");
    alice.refused(&["profile", "add", "recovery"], 6, "reserved");
    alice.refused(&["profile", "rm", "prod", "-n"], 2, "profile prod holds secrets");
    alice.refused(&["profile", "rm", "prod"], 2, "profile prod holds secrets");
    let epoch = |profile: &str| alice.opened().team().profiles()[profile].epoch;
    alice.vault(&["profile", "rekey", "dev"]).ok();
    assert_eq!((epoch("dev"), epoch("prod")), (2, 1));
    assert!(!alice.text().contains("exposed"), "a rekey is no exposure");
    alice.push("rekey");
    bob.pull();
    assert_eq!(bob.value("dev", "KEY").ok().stdout, "canary-of-dev");
    alice.vault(&["profile", "rm", "prod", "--force"]).ok();
    alice.refused(&["profile", "add", "prod"], 7, "profile prod exists or existed");
    alice.refused(&["profile", "add", "dev"], 7, "profile dev exists or existed");
}
