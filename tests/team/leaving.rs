//! Leaving: everything in one write, and it ends.

use vault::crypto::{DataKey, ValueKey};
use vault::{DeviceName, ProfileName, Vault};

use crate::world::{Person, World, keys};

fn epochs(person: &Person) -> Vec<(String, u64)> {
    person.opened().team().profiles().iter().map(|(name, state)| (name.to_string(), state.epoch)).collect()
}

/// Profile, name and state of everything on the worklist of the file.
fn exposed(person: &Person, profile: &str) -> Vec<String> {
    let list = person.vault(&["-p", profile, "list", "--json"]).ok().json();
    let of = list.as_array().unwrap().iter().filter(|secret| !secret["exposed"].as_array().unwrap().is_empty());
    of.map(|secret| secret["name"].as_str().unwrap().to_owned()).collect()
}

/// alice is admin; bob writes dev and reads stage; prod is none of his business.
fn team() -> (World, Person, Person) {
    let (world, alice) = World::new();
    for profile in ["dev", "stage", "prod"] {
        alice.vault(&["profile", "add", profile]).ok();
        for name in ["FIRST", "SECOND"] {
            alice.set(profile, name, &format!("canary-{profile}-{name}"));
        }
    }
    let bob = world.member(&alice, "bob", &["--write", "dev", "--read", "stage"]);
    (world, alice, bob)
}

#[test]
fn a_member_leaves_in_one_write_and_the_worklist_is_complete() {
    let (_world, alice, bob) = team();
    bob.set("dev", "BOBS", "canary-bobs");
    bob.push("by bob");
    alice.pull();
    let before = alice.text();
    alice.vault(&["member", "remove", "bob", "-n"]).ok().says("would remove bob");
    let planned = alice.vault(&["member", "remove", "bob", "-n", "--json"]).ok().json();
    assert_eq!(alice.text(), before, "a dry run changes nothing");

    let report = alice.vault(&["member", "remove", "bob", "--json"]).ok().json();
    assert_eq!(planned, report);
    assert_eq!(keys(&report), ["rekeyed", "removed", "worklist"]);
    assert_eq!(report["removed"], serde_json::json!(["bob-laptop"]));
    assert_eq!(report["rekeyed"], serde_json::json!(["dev", "stage"]));
    let worklist = report["worklist"].as_array().unwrap();
    let mut listed: Vec<(String, String)> = Vec::new();
    for item in worklist {
        assert_eq!(keys(item), ["last_read", "log_known", "name", "profile", "reads"]);
        listed.push((item["profile"].as_str().unwrap().to_owned(), item["name"].as_str().unwrap().to_owned()));
    }
    listed.sort();
    let want = [("dev", "BOBS"), ("dev", "FIRST"), ("dev", "SECOND"), ("stage", "FIRST"), ("stage", "SECOND")];
    assert_eq!(listed, want.map(|(profile, name)| (profile.to_owned(), name.to_owned())));
    let record = |outcome: &str| ("member-remove".to_owned(), outcome.to_owned(), vec!["bob".to_owned()]);
    assert_eq!(alice.last_records("alice-laptop", 2), [record("intent"), record("done")]);

    // New keys where he could read, none elsewhere; what he signed is signed by somebody who stays.
    let after = epochs(&alice);
    let epoch = |profile: &str| after.iter().find(|(name, _)| name == profile).unwrap().1;
    assert_eq!((epoch("default"), epoch("dev"), epoch("prod"), epoch("stage")), (1, 2, 1, 2));
    let vault = alice.opened();
    for profile in ["default", "dev", "prod", "stage"] {
        let section = vault.section(&profile.parse().unwrap()).unwrap();
        assert_eq!(section.signature().by.as_str(), "alice-laptop", "{profile}");
        assert!(section.grant_holders().all(|device| device.as_str() != "bob-laptop"), "{profile}");
    }
    assert_eq!(exposed(&alice, "dev"), ["BOBS", "FIRST", "SECOND"]);
    assert_eq!(exposed(&alice, "stage"), ["FIRST", "SECOND"]);
    assert!(exposed(&alice, "prod").is_empty());
    // The recovery code stays: bob was no admin.
    assert!(vault.team().recovery().is_some());
    assert_eq!(alice.vault(&["verify"]).status, 0);

    alice.push("bob left");
    bob.pull();
    bob.value("dev", "FIRST").fails(4, "belongs to no device of the vault any more: bob-laptop was removed");
    bob.refused_with(&["-p", "dev", "set", "X", "-"], "x", &[], 4, "belongs to no device");
    // A key that left is never let in again, so there is nothing to ask for with it.
    let again = ["join", "--member", "robert", "--device", "robert-laptop"];
    bob.refused(&again, 4, "any more: bob-laptop was removed").says("move the old identity away");
}

#[test]
fn the_mark_goes_only_when_the_value_changes() {
    let (_world, alice, _bob) = team();
    alice.vault(&["member", "remove", "bob"]).ok().says("rotate each at its provider");
    // Metadata, a new key and the same value again are no new value.
    alice.vault(&["-p", "dev", "set", "FIRST", "--note", "seen"]).ok();
    alice.vault(&["profile", "rekey", "dev"]).ok();
    alice.run(&["-p", "dev", "set", "FIRST", "-"], "canary-dev-FIRST", &[]).ok().says("has this value already");
    assert_eq!(exposed(&alice, "dev"), ["FIRST", "SECOND"]);
    alice.set("dev", "FIRST", "canary-new");
    assert_eq!(exposed(&alice, "dev"), ["SECOND"]);
    // Going back to what he knows is no way out.
    alice.run(&["-p", "dev", "set", "FIRST", "-"], "canary-dev-FIRST", &[]).ok();
    assert_eq!(exposed(&alice, "dev"), ["FIRST", "SECOND"]);
}

#[test]
fn what_is_removed_while_exposed_stays_on_the_worklist() {
    let (world, alice, bob) = team();
    let carol = world.member(&alice, "carol", &["--read", "dev"]);
    bob.pull();
    alice.vault(&["member", "remove", "bob"]).ok();
    alice.vault(&["-p", "dev", "rm", "FIRST"]).ok();
    alice.push("removed");
    let removed = |person: &Person| {
        let vault = person.opened();
        let removed = vault.section(&"dev".parse().unwrap()).unwrap().removed().unwrap();
        let entry = &removed["FIRST"];
        entry.exposed.iter().map(|exposure| exposure.to.as_ref().unwrap().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(removed(&alice), ["bob"]);
    // The next one who leaves could read it too: in the history of the repository.
    carol.pull();
    let report = alice.vault(&["member", "remove", "carol", "--json"]).ok().json();
    let names: Vec<&str> =
        report["worklist"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["FIRST", "SECOND"]);
    assert_eq!(removed(&alice), ["bob", "carol"]);
}

#[test]
fn one_device_leaves_and_the_member_stays() {
    let (world, alice, bob) = team();
    let desktop = world.person("desktop");
    let request = desktop.join(&alice, &["--member", "bob", "--device", "bob-desktop"]);
    alice.vault(&["member", "approve", &request]).ok();
    alice.refused(&["member", "remove", "bob", "--device", "alice-laptop"], 3, "no device alice-laptop");
    let report = alice.vault(&["member", "remove", "bob", "--device", "bob-laptop", "--json"]).ok().json();
    assert_eq!(report["removed"], serde_json::json!(["bob-laptop"]));
    assert_eq!(report["rekeyed"], serde_json::json!(["dev", "stage"]));
    alice.push("laptop lost");
    for person in [&bob, &desktop] {
        person.pull();
    }
    assert_eq!(desktop.value("dev", "FIRST").ok().stdout, "canary-dev-FIRST");
    desktop.set("dev", "MORE", "canary-more");
    bob.value("dev", "FIRST").fails(4, "belongs to no device");
    // The last device of a member goes; then the member, who can read nothing any more.
    alice.refused(&["member", "remove", "bob", "--device", "bob-laptop"], 3, "no device bob-laptop");
    desktop.push("more");
    alice.pull();
    alice.vault(&["member", "remove", "bob", "--device", "bob-desktop"]).ok();
    let epochs_before = epochs(&alice);
    let last = alice.vault(&["member", "remove", "bob"]).ok();
    last.says("removed bob").says("they could read no value");
    assert_eq!(epochs(&alice), epochs_before);
}

#[test]
fn an_admin_leaves_and_takes_the_recovery_code_along() {
    let (_world, alice, bob) = team();
    alice.vault(&["member", "grant", "bob", "--admin"]).ok();
    alice.push("bob is admin");
    bob.pull();
    let old = std::fs::read_to_string(alice.home.join("recovery-code")).unwrap();
    let file = bob.home.join("new-code");
    let words = ["member", "remove", "alice", "--recovery-file", file.to_str().unwrap(), "--json"];
    let report = bob.vault(&words).ok().json();
    assert_eq!(report["rekeyed"], serde_json::json!(["default", "dev", "prod", "stage"]));
    assert_eq!(report["worklist"].as_array().unwrap().len(), 6, "an admin could read everything");
    let new = std::fs::read_to_string(&file).unwrap();
    assert_ne!(new, old);
    let vault = bob.opened();
    let recovery = vault.team().recovery().unwrap();
    let open = |code: &str| {
        let code = vault::secret_value::SecretValue::new(code.trim().as_bytes().to_vec());
        recovery.sealed.open(&code, &recovery.recipient, &recovery.signing_key).is_ok()
    };
    assert!(open(&new) && !open(&old));
    // Without a place for a new code there is none, and that is said.
    bob.push("alice left");
}

#[test]
fn without_a_place_for_the_new_code_there_is_none() {
    let (world, alice, _bob) = team();
    world.member(&alice, "carol", &["--admin"]);
    alice.vault(&["member", "remove", "carol"]).ok().says("make one with `vault recovery new`");
    assert!(alice.opened().team().recovery().is_none());
    let file = alice.home.join("next");
    alice.vault(&["recovery", "new", "--recovery-file", file.to_str().unwrap()]).ok();
    assert!(alice.opened().team().recovery().is_some() && file.exists());
}

#[test]
fn nobody_removes_themselves_and_nobody_the_last_admin() {
    let (_world, alice, bob) = team();
    alice.refused(&["member", "remove", "alice"], 6, "this is the device you are using");
    alice.refused(&["member", "remove", "alice", "--device", "alice-laptop"], 6, "this is the device you are using");
    alice.refused(&["member", "revoke", "alice", "--admin"], 6, "the last admin device that can sign cannot leave");
    bob.refused(&["member", "remove", "bob"], 6, "this is the device you are using");
    alice.refused(&["member", "remove", "nobody"], 3, "no member nobody");
}

/// Row 36: the removed identity against every later commit, with everything that it
/// could ever unwrap and everything that it could have kept from earlier commits.
#[test]
fn nothing_opens_for_the_removed_whatever_they_replay() {
    let (_world, alice, bob) = team();
    bob.set("dev", "BOBS", "canary-bobs");
    bob.push("by bob");
    alice.pull();
    alice.vault(&["member", "remove", "bob"]).ok();
    alice.push("bob left");
    let removed_at = alice.history().len() - 1;
    // Life goes on: values old and new, roles, another key, earlier versions.
    alice.set("dev", "AFTER", "canary-after");
    alice.push("after");
    alice.set("dev", "FIRST", "canary-rotated");
    alice.push("rotated");
    alice.vault(&["profile", "rekey", "stage"]).ok();
    alice.vault(&["profile", "add", "new"]).ok();
    alice.push("more");

    let history = alice.history();
    let (earlier, later) = history.split_at(removed_at);
    assert!(earlier.len() >= 3 && later.len() == 4, "{} commits", history.len());
    let identity = bob.identity();
    let device: DeviceName = "bob-laptop".parse().unwrap();

    // Every data key that he could unwrap, and every grant there ever was.
    let mut keys: Vec<DataKey> = Vec::new();
    let mut grants: Vec<String> = Vec::new();
    let mut could_read = 0;
    for text in earlier {
        let vault = Vault::read(text.clone().into_bytes(), &[]).unwrap();
        for profile in vault.team().profiles().keys() {
            let section = vault.section(profile).unwrap();
            let Ok((key, values)) = section.unlock(&vault.id(), vault.team(), &device, &identity) else { continue };
            for secret in section.secrets() {
                let (name, secret) = secret.unwrap();
                section.open(&values, &name, secret.version, &secret.value).unwrap();
                could_read += 1;
            }
            keys.push(key);
        }
        grants.extend(text.lines().filter(|line| line.starts_with("bob-laptop = ")).map(str::to_owned));
    }
    assert!(could_read > 0 && !keys.is_empty() && !grants.is_empty(), "the test itself can open");

    let mut tried = 0;
    for text in later {
        let vault = Vault::read(text.clone().into_bytes(), &[]).unwrap();
        for profile in vault.team().profiles().keys() {
            let section = vault.section(profile).unwrap();
            section.unlock(&vault.id(), vault.team(), &device, &identity).map(drop).unwrap_err();
            // His identity under the name of everybody who holds a grant.
            for holder in section.grant_holders() {
                section.unlock(&vault.id(), vault.team(), holder, &identity).map(drop).unwrap_err();
            }
            for key in &keys {
                for epoch in 1..=section.epoch() {
                    let values = ValueKey::derive(key, &vault.id(), profile.as_str(), epoch);
                    for secret in section.secrets() {
                        let (name, secret) = secret.unwrap();
                        section.open(&values, &name, secret.version, &secret.value).unwrap_err();
                        for old in &secret.earlier {
                            section.open(&values, &name, old.version, &old.value).unwrap_err();
                        }
                        tried += 1;
                    }
                }
            }
        }
        // What he kept, put back: his grants into the section, old sections as a whole.
        for grant in &grants {
            for profile in ["dev", "stage", "prod"] {
                let header = format!("[profile.{profile}.grant]\n");
                let at = text.find(&header).unwrap() + header.len();
                let line_end = at + text[at..].find('\n').unwrap() + 1;
                assert!(text[at..].starts_with("alice-laptop = "));
                let planted = format!("{}{grant}\n{}", &text[..line_end], &text[line_end..]);
                assert!(refused(&planted, profile), "a grant put back into {profile}");
            }
        }
        for old in earlier {
            for profile in ["dev", "stage"] {
                let replayed = text.replace(section_of(text, profile), section_of(old, profile));
                assert!(refused(&replayed, profile), "an old section of {profile} put back");
            }
        }
    }
    assert!(tried > 50, "{tried}");
    // And an old file as a whole: noticed by everyone who saw a newer one, and not written on.
    alice.put(&history[removed_at - 1]);
    let read = alice.value("dev", "FIRST");
    assert!(read.stderr.contains("vault: warning: ") || read.status == 5, "{read:?}");
    alice.refused_with(&["-p", "dev", "set", "X", "-"], "x", &[], 5, "of the team are missing");
    assert_eq!(alice.vault(&["verify"]).status, 1);
}

/// True if a reader accepts neither the file nor the profile.
fn refused(text: &str, profile: &str) -> bool {
    let name: ProfileName = profile.parse().unwrap();
    match Vault::read(text.as_bytes().to_vec(), &[]) {
        Ok(vault) => vault.section(&name).is_err(),
        Err(_) => true,
    }
}

pub(crate) fn section_of<'t>(text: &'t str, profile: &str) -> &'t str {
    let Some(start) = text.find(&format!("[profile.{profile}]\n")) else { return "" };
    let end = text[start..].find("\n\n").map_or(text.len(), |at| start + at + 1);
    &text[start..end]
}

#[test]
fn the_logs_at_hand_say_what_was_read_and_take_nothing_off_the_list() {
    let (world, alice, bob) = team();
    let logs = world.base().join("logs");
    std::fs::create_dir_all(logs.join(alice.id())).unwrap();
    for person in [&alice, &bob] {
        // What was written so far moves along, or it would count as removed.
        let name = format!("{}-laptop.jsonl", person.user);
        let old = person.home.join(".local/state/vault/vaults").join(person.id()).join("audit").join(&name);
        if old.exists() {
            std::fs::rename(&old, logs.join(person.id()).join(&name)).unwrap();
        }
        person.vault(&["config", "audit_dir", logs.to_str().unwrap()]).ok();
    }
    for _ in 0..2 {
        bob.value("dev", "SECOND").ok();
    }
    bob.vault(&["-p", "stage", "exec", "--only", "FIRST", "--", "true"]).ok();
    let output = alice.vault(&["member", "remove", "bob", "--json"]).ok();
    let report = output.json();
    let found: Vec<(&str, &str, u64, bool, bool)> = report["worklist"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            let (profile, name) = (item["profile"].as_str().unwrap(), item["name"].as_str().unwrap());
            let read = item["last_read"].as_str().is_some_and(|at| at.ends_with('Z'));
            (profile, name, item["reads"].as_u64().unwrap(), read, item["log_known"] == true)
        })
        .collect();
    let want = [
        ("dev", "SECOND", 2, true, true),
        ("stage", "FIRST", 1, true, true),
        ("dev", "FIRST", 0, false, true),
        ("stage", "SECOND", 0, false, true),
    ];
    assert_eq!(found, want);
    // The same for people.
    alice.push("bob left");
    let carol = world.member(&alice, "carol", &["--read", "dev"]);
    carol.vault(&["config", "audit_dir", logs.to_str().unwrap()]).ok();
    carol.value("dev", "FIRST").ok();
    let shown = alice.vault(&["member", "remove", "carol"]).ok().stdout;
    let read = shown.lines().find(|line| line.contains("FIRST")).unwrap();
    let (_, date) = read.split_once("read 1 time, last on 20").unwrap();
    assert_eq!(date.trim_end().len(), "26-11-22".len(), "{read}");
    let unread = shown.lines().find(|line| line.contains("SECOND")).unwrap();
    assert!(unread.contains("no read recorded in the logs at hand"), "{unread}");
}

#[test]
fn the_worklist_begins_with_what_was_urgent_before() {
    let (_world, alice, _bob) = team();
    // Overdue for a year; due in the future; a leak that is known. And nothing but set.
    alice.vault(&["-p", "stage", "set", "SECOND", "--rotate-every", "30d", "--created", "2020-01-01"]).ok();
    alice.vault(&["-p", "dev", "set", "SECOND", "--rotate-every", "9000d"]).ok();
    alice.vault(&["-p", "stage", "expose", "FIRST", "--why", "seen in a paste"]).ok();
    let report = alice.vault(&["member", "remove", "bob", "--json"]).ok().json();
    let listed = report["worklist"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| format!("{} {}", item["profile"].as_str().unwrap(), item["name"].as_str().unwrap()));
    assert_eq!(listed.collect::<Vec<_>>(), ["stage FIRST", "stage SECOND", "dev SECOND", "dev FIRST"]);
}
