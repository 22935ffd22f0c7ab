//! Rows 6 and 39: older files, files beside the one that was seen, and writes that were lost.

use vault::crypto::DataKey;

use super::forge::Forgery;
use super::person::{Person, Vector};

fn set(person: &Person, name: &str, value: &str) {
    let said = person.with(&[], &["set", name, "-"], value);
    assert_eq!(said.status, 0, "{}", said.err);
}

/// Reading works and warns, once; nothing is written; `verify` fails. Gives the warning.
#[track_caller]
fn read_and_not_written(person: &Person, kind: &str) -> String {
    let text = person.read();
    let first = person.run(&["list"]);
    assert_eq!(first.status, 0, "{}", first.err);
    assert!(first.err.starts_with("vault: warning: "), "no warning: {}", first.err);
    assert_eq!(person.run(&["list"]).err, "", "warned twice");
    person.verify_finds(kind);
    for command in [
        &["set", "A", "-"][..],
        &["set", "NEW", "-"],
        &["set", "A", "--note", "x"],
        &["rm", "A"],
        &["profile", "add", "new"],
    ] {
        let said = person.with(&[], command, "value");
        assert_eq!(said.status, 5, "{command:?}: {}", said.err);
    }
    assert_eq!(person.read(), text, "the file was changed");
    // Where the configuration says so, nothing is read either.
    assert_eq!(person.run(&["config", "rollback", "refuse"]).status, 0);
    let state = person.state();
    for (command, status) in [(&["get", "A"][..], 5), (&["list"], 5), (&["exec", "--", "touch", "ran"], 125)] {
        let said = person.run(command);
        assert_eq!((said.status, said.out.as_str()), (status, ""), "{command:?}: {}", said.err);
    }
    assert!(!person.work().join("ran").exists());
    assert_eq!(person.state(), state);
    assert_eq!(person.run(&["config", "rollback", "warn"]).status, 0);
    first.err
}

#[test]
fn an_older_file_is_reported() {
    let vector = Vector::load("members");
    let person = Person::of(&vector, "alice-laptop");
    let older = person.read();
    set(&person, "A", "newer");
    let newer = person.read();
    person.write(&older);
    let warning = read_and_not_written(&person, "rollback");
    assert!(warning.contains("default") && warning.contains("alice-laptop"), "{warning}");
    // Going on is possible with the newer file, without any more ado.
    person.write(&newer);
    assert_eq!(person.run(&["verify"]).status, 0);
    set(&person, "A", "newest");
}

#[test]
fn an_older_team_log_is_reported() {
    let vector = Vector::load("members");
    let person = Person::of(&vector, "alice-laptop");
    let older = person.read();
    assert_eq!(person.run(&["profile", "add", "extra"]).status, 0);
    person.write(&older);
    let warning = read_and_not_written(&person, "rollback");
    assert!(warning.contains("1 change of the team is missing"), "{warning}");
}

#[test]
fn two_files_of_the_same_clock_are_reported() {
    let vector = Vector::load("members");
    let (person, copy) = (Person::of(&vector, "alice-laptop"), Person::of(&vector, "alice-laptop"));
    set(&person, "A", "here");
    set(&copy, "A", "there");
    person.write(&copy.read());
    let warning = read_and_not_written(&person, "fork");
    assert!(warning.contains("default") && warning.contains("alice-laptop"), "{warning}");
}

#[test]
fn a_concurrent_file_is_reported() {
    let vector = Vector::load("members");
    let (alice, bob) = (Person::of(&vector, "alice-laptop"), Person::of(&vector, "bob-laptop"));
    set(&alice, "A", "alice's");
    set(&bob, "A", "bob's");
    alice.write(&bob.read());
    let warning = read_and_not_written(&alice, "fork");
    assert!(warning.contains("of alice-laptop:") && warning.ends_with("signed by bob-laptop\n"), "{warning}");
}

#[test]
fn another_team_log_is_refused() {
    let vector = Vector::load("members");
    let (alice, dave) = (Person::of(&vector, "alice-laptop"), Person::of(&vector, "dave-1"));
    assert_eq!(alice.run(&["profile", "add", "ours"]).status, 0);
    assert_eq!(dave.run(&["profile", "add", "theirs"]).status, 0);
    alice.write(&dave.read());
    let finding = alice.verify_finds("fork");
    let number = Forgery::of(&dave.read()).sections.iter().filter(|section| section.starts_with("[[team]]")).count();
    let place = format!("from change {number} on, which dave-1 signed");
    assert!(finding["detail"].as_str().unwrap().contains(&place), "{finding}");
    assert_eq!(finding["by"], "dave-1");
    alice.is_refused("default", "A", &[5]);
}

#[test]
fn a_write_that_was_seen_and_discarded_is_noticed() {
    let vector = Vector::load("members");
    let (alice, bob, dave) =
        (Person::of(&vector, "alice-laptop"), Person::of(&vector, "bob-laptop"), Person::of(&vector, "dave-1"));
    // Bob writes, alice sees it; the branch is dropped, and dave goes on beside it.
    set(&bob, "A", "bob's");
    alice.write(&bob.read());
    assert_eq!(alice.run(&["list"]).err, "");
    set(&dave, "A", "dave's");
    alice.write(&dave.read());
    let warning = read_and_not_written(&alice, "fork");
    assert!(warning.contains("of bob-laptop:") && warning.ends_with("signed by dave-1\n"), "{warning}");
    let finding = alice.verify_finds("fork");
    assert_eq!((&finding["profile"], &finding["by"]), (&"default".into(), &"dave-1".into()));
    assert!(finding["detail"].as_str().unwrap().contains("bob-laptop"), "{finding}");
    // With both counts, as a merge signs it, it is whole again.
    let mut merged = Forgery::of(&dave.read());
    merged.edit("default", "bob-laptop = 2,", "bob-laptop = 3,");
    merged.sign("default", "dave-1", &vector.identity("dave-1").signing_key());
    alice.write(&merged.text());
    let said = alice.run(&["verify"]);
    assert_eq!(said.status, 0, "{} {}", said.out, said.err);
}

#[test]
fn a_shortened_team_log_is_refused() {
    let vector = Vector::load("removals");
    let person = Person::of(&vector, "alice-2");
    let mut forgery = Forgery::of(&vector.text);
    let team = forgery.sections.iter().filter(|section| section.starts_with("[[team]]")).count();
    // Only the team log: the sections no longer fit what it says.
    forgery.sections.remove(team - 1);
    person.write(&forgery.text());
    let said = person.run(&["verify"]);
    assert_eq!(said.status, 1, "{} {}", said.out, said.err);
    person.is_refused("default", "S", &[5]);
}

#[test]
fn a_former_admins_write_under_an_older_team_log_is_refused() {
    // Dave is removed; he signs under the log from before, where he was an admin.
    let vector = Vector::load("members");
    let person = Person::of(&vector, "alice-laptop");
    let older = person.read();
    let mut forgery = Forgery::of(&older);
    let keys: Vec<String> = ["default", "prod", "staging"]
        .iter()
        .map(|profile| {
            let commitment = DataKey::generate().unwrap().commitment(profile, 2);
            format!("{{ profile = \"{profile}\", epoch = 2, commitment = \"{commitment}\" }}")
        })
        .collect();
    let fields = format!(
        "at = 2026-03-21T12:00:00Z\nby = \"alice-laptop\"\ndo = \"remove_member\"\nmember = \"dave\"\nrekeyed = [{}]\n",
        keys.join(", ")
    );
    let alice = vector.identity("alice-laptop").signing_key();
    forgery.append(&fields, &alice);
    for profile in ["default", "prod", "staging"] {
        let section = forgery.profile(profile);
        *section = section.replacen("epoch = 1", "epoch = 2", 1);
        let without: Vec<&str> = section.lines().filter(|line| !line.starts_with("dave-1 = ")).collect();
        *section = format!("{}\n", without.join("\n"));
        forgery.sign(profile, "alice-laptop", &alice);
    }
    person.write(&forgery.text());
    assert_eq!(person.run(&["list"]).status, 0, "{}", person.run(&["list"]).err);

    let mut backdated = Forgery::of(&older);
    backdated.edit("default", "set_at = 2026-03-10", "set_at = 2026-03-09");
    backdated.sign("default", "dave-1", &vector.identity("dave-1").signing_key());
    person.write(&backdated.text());
    let said = person.run(&["list"]);
    assert_eq!(said.status, 5, "{}", said.err);
    assert!(said.err.contains("dave-1") && said.err.contains("lost the right to write"), "{}", said.err);
    assert_eq!(person.run(&["verify"]).status, 1);
    person.is_refused("default", "A", &[5]);
}
