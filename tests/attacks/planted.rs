//! Row 37: keys and whole vaults that an attacker made.

use std::fs;

use vault::crypto::{Commitment, DataKey, to_base64};

use super::forge::{Forgery, field};
use super::person::{Person, Vector};

#[test]
fn a_grant_of_a_key_that_the_attacker_knows_is_refused() {
    let vector = Vector::load("members");
    let person = Person::of(&vector, "alice-laptop");
    let grant = field(&vector.text, "[profile.default.grant]", "alice-laptop");
    let known = DataKey::generate().unwrap();
    let planted = to_base64(known.wrap(&vector.identity("alice-laptop").recipient()).unwrap().as_bytes());
    // A writer signs it, so that nothing but the commitment speaks against it.
    let mut forgery = Forgery::of(&vector.text);
    forgery.edit("default", &grant, &planted).sign(
        "default",
        "bob-laptop",
        &vector.identity("bob-laptop").signing_key(),
    );
    person.write(&forgery.text());
    let finding = person.verify_finds("commitment");
    assert_eq!((&finding["profile"], &finding["by"]), (&"default".into(), &"bob-laptop".into()));
    let text = person.read();
    for command in [&["get", "A"][..], &["set", "A", "-"], &["set", "NEW", "-"], &["exec", "--", "touch", "ran"]] {
        let said = person.with(&[], command, "value-that-nobody-may-seal");
        let status = if command[0] == "exec" { 125 } else { 5 };
        assert_eq!((said.status, said.out.as_str()), (status, ""), "{command:?}: {}", said.err);
    }
    assert!(!person.work().join("ran").exists());
    assert_eq!(person.read(), text, "something was sealed for the planted key");
}

#[test]
fn another_commitment_is_refused() {
    let vector = Vector::load("members");
    let person = Person::of(&vector, "alice-laptop");
    let commitment: Commitment = DataKey::generate().unwrap().commitment("default", 1);
    let genuine = vector.text.split("commitment = \"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    // In the founding change, which is the vault's id.
    person.write(&vector.text.replacen(&genuine, &commitment.to_string(), 1));
    person.verify_finds("team-signature");
    person.is_refused("default", "A", &[5]);
    // In a rekey, signed by somebody who is no admin.
    let rekey = format!(
        "at = 2026-03-21T12:00:00Z\nby = \"bob-laptop\"\ndo = \"rekey\"\n\
         rekeyed = [{{ profile = \"default\", epoch = 2, commitment = \"{commitment}\" }}]\n"
    );
    let mut forgery = Forgery::of(&vector.text);
    forgery.append(&rekey, &vector.identity("bob-laptop").signing_key());
    person.write(&forgery.text());
    assert_eq!(person.verify_finds("team-rule")["by"], "bob-laptop");
    person.is_refused("default", "A", &[5]);
}

#[test]
fn a_section_of_another_vault_is_refused() {
    let (vector, other) = (Vector::load("members"), Person::new());
    let person = Person::of(&vector, "alice-laptop");
    // The same member, device, profile and secret, in a vault that the attacker founded.
    let said = other.run(&["init", "--member", "alice", "--device", "alice-laptop"]);
    assert_eq!(said.status, 0, "{}", said.err);
    assert_eq!(other.with(&[], &["set", "A", "-"], "planted").status, 0);
    let mut forgery = Forgery::of(&vector.text);
    let theirs = Forgery::of(&other.read()).profile("default").clone();
    *forgery.profile("default") = theirs.clone();
    person.write(&forgery.text());
    person.verify_finds("grants");
    person.is_refused("default", "A", &[5]);
    // With our grants and our team head in it, only its signature is not ours.
    let grants =
        |text: &str| text[text.find(".grant]").unwrap()..text.find("[profile.default.secret").unwrap()].to_owned();
    let team = |text: &str| field(text, "[profile.default.signature]", "team");
    let ours = Forgery::of(&vector.text).profile("default").clone();
    let mut planted = theirs.replace(&grants(&theirs), &grants(&ours)).replace(&team(&theirs), &team(&ours));
    planted = planted.replace("alice-laptop = 2 }", "alice-laptop = 3 }");
    *forgery.profile("default") = planted;
    person.write(&forgery.text());
    assert_eq!(person.verify_finds("profile-signature")["profile"], "default");
    person.is_refused("default", "A", &[5]);
}

/// A vault that the attacker founded and granted to the very devices of the vector's team,
/// by the same names; only the id is another.
fn granted_to_everyone(vector: &Vector) -> String {
    let mallory = Person::new();
    let said = mallory.run(&["init", "--member", "mallory", "--device", "mallory-1"]);
    assert_eq!(said.status, 0, "{}", said.err);
    let text = mallory.read();
    let key = mallory.identity();
    let alices = vector.identity("alice-laptop");
    let mut forgery = Forgery::of(&text);
    let fields = format!(
        "at = 2026-03-21T12:00:00Z\nby = \"mallory-1\"\ndo = \"add_member\"\nmember = \"alice\"\n\
         device = \"alice-laptop\"\nrecipient = \"{}\"\nsigning_key = \"{}\"\nadmin = true\n",
        alices.recipient().as_str(),
        alices.signing_key().public()
    );
    forgery.append(&fields, &key.signing_key());
    let data_key = mallory.data_key("default");
    let grant = to_base64(data_key.wrap(&alices.recipient()).unwrap().as_bytes());
    forgery.edit("default", ".grant]\n", &format!(".grant]\nalice-laptop = \"{grant}\"\n"));
    forgery.sign("default", "mallory-1", &key.signing_key());
    forgery.text()
}

#[test]
fn a_vault_of_the_attackers_in_place_of_ours_is_refused() {
    let vector = Vector::load("members");
    let planted = granted_to_everyone(&vector);
    // It is a good vault: whoever trusts it can use it.
    let fresh = Person::with_identity(&vector, "alice-laptop");
    fresh.write(&planted);
    let id = Forgery::of(&planted).id().to_string();
    let said = fresh.with(&[("VLT_VAULT_ID", &id)], &["set", "A", "-"], "value");
    assert_eq!(said.status, 0, "{}", said.err);

    let person = Person::of(&vector, "alice-laptop");
    person.write(&planted);
    person.verify_finds("id");
    person.is_refused("default", "A", &[5]);
    // Not even where its id is asked for, or trust in it.
    let said = person.with(&[("VLT_VAULT_ID", &id)], &["set", "A", "-"], "value");
    assert_eq!(said.status, 5, "{}", said.err);
    let said = person.with(&[("VLT_VAULT_ID", &id)], &["trust"], "");
    assert_eq!(said.status, 5, "{}", said.err);
    // Nor with our id written over it.
    let ours = planted.replacen(&id, vector.id(), 1);
    person.write(&ours);
    person.verify_finds("id");
    person.is_refused("default", "A", &[5]);
    assert_eq!(person.read(), ours);
}

#[test]
fn a_vault_planted_at_a_place_without_one_is_refused() {
    let vector = Vector::load("members");
    let planted = granted_to_everyone(&vector);
    let person = Person::with_identity(&vector, "alice-laptop");
    let project = person.work().join("project/src");
    fs::create_dir_all(&project).unwrap();
    person.write(&planted);
    let state = person.state();
    let commands: [&[&str]; 7] = [
        &["set", "A", "-"],
        &["get", "A"],
        &["list"],
        &["exec", "--", "touch", "ran"],
        &["import", "-"],
        &["trust"],
        &["verify"],
    ];
    // In a directory above, of the same owner: its fingerprint would have to be confirmed.
    for command in commands {
        let said = person.at(&project, &[], command, "A=value-that-nobody-may-seal");
        let status = if command[0] == "exec" { 125 } else { 5 };
        assert_eq!((said.status, said.out.as_str()), (status, ""), "{command:?}: {}", said.err);
        assert!(said.err.contains("was not used on this device before") || command[0] == "trust", "{}", said.err);
    }
    // Above the root of the clone it is not even looked at.
    fs::create_dir(person.work().join("project/.git")).unwrap();
    for command in commands {
        let said = person.at(&project, &[], command, "A=value-that-nobody-may-seal");
        let status = if command[0] == "exec" { 125 } else { 3 };
        assert_eq!((said.status, said.out.as_str()), (status, ""), "{command:?}: {}", said.err);
    }
    assert!(!project.join("ran").exists());
    assert_eq!((person.state(), person.read()), (state, planted), "something was remembered or sealed");
}
