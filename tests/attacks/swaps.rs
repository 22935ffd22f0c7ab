//! Row 3: parts of a vault in each other's place.

use super::forge::{Forgery, field};
use super::person::{Person, Vector};

/// Alice's machine, with `default` A and B and `prod` A, each with an earlier version.
fn alice() -> (Vector, Person) {
    let vector = Vector::load("members");
    let person = Person::of(&vector, "alice-laptop");
    for (profile, name) in [("default", "A"), ("default", "B"), ("prod", "A"), ("prod", "B")] {
        for round in ["one", "two"] {
            let value = format!("{profile}-{name}-{round}");
            let said = person.with(&[], &["set", name, "-", "-p", profile], &value);
            assert_eq!(said.status, 0, "{}", said.err);
        }
    }
    (vector, person)
}

/// Exchanges two texts wherever they stand in the file.
fn exchange(text: &str, one: &str, other: &str) -> String {
    assert!(one != other && text.contains(one) && text.contains(other));
    text.replace(one, "\0").replace(other, one).replace('\0', other)
}

/// The text of a sealed value: the current one of a secret, or behind `earlier`.
fn sealed(text: &str, profile: &str, name: &str, earlier: bool) -> String {
    let (open, close) = if earlier { ("[[", ".earlier]]") } else { ("[", "]") };
    field(text, &format!("{open}profile.{profile}.secret.{name}{close}"), "value")
}

#[test]
fn values_in_each_others_place_are_refused() {
    let (vector, person) = alice();
    let text = person.read();
    let value = |profile: &str, name: &str, earlier| sealed(&text, profile, name, earlier);
    let cases = [
        ("value and value", value("default", "A", false), value("default", "B", false), "A"),
        ("version and version", value("default", "A", false), value("default", "A", true), "A"),
        ("earlier and current of another", value("default", "A", true), value("default", "B", false), "B"),
        ("profile and profile", value("default", "A", false), value("prod", "A", false), "A"),
    ];
    for (what, one, other, name) in cases {
        let swapped = exchange(&text, &one, &other);
        // As it is, the signature is broken.
        person.write(&swapped);
        assert_eq!(person.verify_finds("profile-signature")["profile"], "default", "{what}");
        person.is_refused("default", name, &[5]);

        // Somebody who may write signs it: a value opens nowhere but in its own place.
        let mut forgery = Forgery::of(&swapped);
        forgery.sign("default", "bob-laptop", &vector.identity("bob-laptop").signing_key());
        forgery.sign("prod", "dave-1", &vector.identity("dave-1").signing_key());
        person.write(&forgery.text());
        let finding = person.verify_finds("value");
        assert_eq!(
            (&finding["profile"], &finding["by"]),
            (&"default".into(), &"bob-laptop".into()),
            "{what}: {finding}"
        );
        let said = person.run(&["get", name]);
        assert_eq!((said.status, said.out.as_str()), (5, ""), "{what}: {}", said.err);
        assert!(said.err.contains(name) && said.err.contains("bob-laptop"), "{what}: {}", said.err);
        let said = person.run(&["exec", "--only", name, "--", "touch", "ran"]);
        assert_eq!((said.status, person.work().join("ran").exists()), (125, false), "{what}: {}", said.err);
        person.forget_all_but(&vector, &text);
    }
}

#[test]
fn a_value_of_another_vault_is_refused() {
    let (vector, person) = alice();
    let (_, other) = alice();
    let (text, other) = (person.read(), other.read());
    let (ours, theirs) = (sealed(&text, "default", "A", false), sealed(&other, "default", "A", false));
    // Here even vault and data key are the same; only the nonce is not, and that is theirs to choose.
    // So another vault: the same people, another founding.
    let crew = Vector::load("crew");
    let stranger = sealed(&crew.text, "default", "GREETING", false);
    assert_ne!(ours, theirs);
    let mut forgery = Forgery::of(&text.replace(&ours, &stranger));
    forgery.sign("default", "bob-laptop", &vector.identity("bob-laptop").signing_key());
    person.write(&forgery.text());
    assert_eq!(person.verify_finds("value")["name"], "A");
    assert_eq!(person.run(&["get", "A"]).status, 5);
}

#[test]
fn grants_in_each_others_place_are_refused() {
    let (vector, person) = alice();
    let text = person.read();
    let grant = |profile: &str, device: &str| field(&text, &format!("[profile.{profile}.grant]"), device);
    for (what, one, other, kind) in [
        ("devices", grant("default", "alice-laptop"), grant("default", "carol-1"), "grant"),
        // The right recipient, and the key of another profile.
        ("profiles", grant("default", "alice-laptop"), grant("prod", "alice-laptop"), "commitment"),
    ] {
        let swapped = exchange(&text, &one, &other);
        person.write(&swapped);
        person.verify_finds("profile-signature");
        person.is_refused("default", "A", &[5]);
        let mut forgery = Forgery::of(&swapped);
        forgery.sign("default", "bob-laptop", &vector.identity("bob-laptop").signing_key());
        forgery.sign("prod", "dave-1", &vector.identity("dave-1").signing_key());
        person.write(&forgery.text());
        let finding = person.verify_finds(kind);
        assert_eq!(
            (&finding["profile"], &finding["by"]),
            (&"default".into(), &"bob-laptop".into()),
            "{what}: {finding}"
        );
        let said = person.run(&["get", "A"]);
        assert_eq!((said.status, said.out.as_str()), (5, ""), "{what}: {}", said.err);
        person.forget_all_but(&vector, &text);
    }
}

#[test]
fn metadata_of_another_secret_is_refused() {
    let (_, person) = alice();
    for command in [["set", "A", "--owner", "bob"], ["set", "B", "--owner", "carol"], ["set", "A", "--command", "cat"]]
    {
        assert_eq!(person.run(&command).status, 0);
    }
    let text = person.read();
    for (one, other) in [
        ("owner = \"bob\"", "owner = \"carol\""),
        ("scope = { commands = [\"cat\"] }\n", "note = \"x\"\n"),
        ("[profile.default.secret.A]\nversion = 3", "[profile.default.secret.A]\nversion = 4"),
    ] {
        person.write(&text.replacen(one, other, 1));
        assert_eq!(person.verify_finds("profile-signature")["profile"], "default");
        person.is_refused("default", "A", &[5]);
    }
}

#[test]
fn profiles_in_each_others_place_are_refused() {
    let (vector, person) = alice();
    let text = person.read();
    // Whole, under the other's name; first as it is, then signed by an admin's other device.
    let mut forgery = Forgery::of(&text);
    let (default, prod) = (forgery.profile("default").clone(), forgery.profile("prod").clone());
    *forgery.profile("default") =
        prod.replace("[profile.prod", "[profile.default").replace("[[profile.prod", "[[profile.default");
    *forgery.profile("prod") =
        default.replace("[profile.default", "[profile.prod").replace("[[profile.default", "[[profile.prod");
    person.write(&forgery.text());
    person.verify_finds("profile-signature");
    person.is_refused("default", "A", &[5]);
    let grants = |text: &str| text[text.find(".grant]").unwrap()..text.find(".secret").unwrap()].to_owned();
    let mut forgery = Forgery::of(&text);
    let theirs = grants(&prod);
    let body = prod.replace("profile.prod", "profile.default");
    *forgery.profile("default") = body.replace(
        &theirs.replace("profile.prod", "profile.default"),
        &grants(&default).replace("profile.prod", "profile.default"),
    );
    forgery.sign("default", "alice-phone", &vector.identity("alice-phone").signing_key());
    person.write(&forgery.text());
    // Its clock is the other profile's, which is noticed as well.
    person.verify_finds("fork");
    person.forget_all_but(&vector, &forgery.text());
    let finding = person.verify_finds("value");
    assert_eq!(finding["by"], "alice-phone", "{finding}");
}
