//! Rows 4 and 5: writes by somebody who may not write.

use vault::crypto::{DataKey, IdentityKey, to_base64};

use super::forge::{Forgery, field};
use super::person::{Person, Vector};

/// What is forged, the kind it is refused as, and the text.
type Case<'a> = (&'a str, &'a str, String);

/// Tries each on the machine of an admin who knows the genuine file.
#[track_caller]
fn all_refused(vector: &Vector, cases: &[Case<'_>]) {
    let person = Person::of(vector, "alice-laptop");
    for (what, kind, text) in cases {
        assert_ne!(*text, vector.text, "{what}");
        person.write(text);
        let finding = person.verify_finds(kind);
        assert!(!finding["detail"].as_str().unwrap().is_empty(), "{what}");
        person.is_refused("default", "GREETING", &[5]);
    }
    person.write(&vector.text);
    assert_eq!(person.run(&["verify"]).status, 0);
}

fn member(by: &str, mallory: &IdentityKey, role: &str) -> String {
    format!(
        "at = 2026-03-21T12:00:00Z\nby = \"{by}\"\ndo = \"add_member\"\nmember = \"mallory\"\ndevice = \"mallory-1\"\n\
         recipient = \"{}\"\nsigning_key = \"{}\"\n{role}",
        mallory.recipient().as_str(),
        mallory.signing_key().public()
    )
}

#[test]
fn somebody_with_push_access_and_no_identity_changes_nothing() {
    let vector = Vector::load("crew");
    let mallory = IdentityKey::generate().unwrap();
    let key = mallory.signing_key();
    let genuine = Forgery::of(&vector.text);
    let forged = |change: &dyn Fn(&mut Forgery)| {
        let mut forgery = genuine.clone();
        change(&mut forgery);
        forgery.text()
    };
    let alices = vector.identity("alice-laptop").recipient();
    // The attacker knows every public key, and a data key of their own.
    let planted = to_base64(DataKey::generate().unwrap().wrap(&alices).unwrap().as_bytes());
    let grant = field(&genuine.text(), "[profile.default.grant]", "alice-laptop");
    let value = field(&genuine.text(), "[profile.default.secret.GREETING]", "value");
    let other = field(&genuine.text(), "[profile.prod.secret.KEY]", "value");
    let admin = "admin = true\n";
    let last = genuine.sections.iter().filter(|section| section.starts_with("[[team]]")).count() - 1;
    let cases: Vec<Case<'_>> = vec![
        (
            "a member, as an admin",
            "team-signature",
            forged(&|f| {
                f.append(&member("alice-laptop", &mallory, admin), &key);
            }),
        ),
        (
            "a member, as themselves",
            "team-rule",
            forged(&|f| {
                f.append(&member("mallory-1", &mallory, admin), &key);
            }),
        ),
        (
            "a member, as the recovery device",
            "team-rule",
            forged(&|f| {
                f.append(&member("recovery", &mallory, admin), &key);
            }),
        ),
        (
            "a rekey, as the recovery device",
            "team-signature",
            forged(&|f| {
                f.append(
                    &format!(
                        "at = 2026-03-21T12:00:00Z\nby = \"recovery\"\ndo = \"rekey\"\n\
                     rekeyed = [{{ profile = \"default\", epoch = 2, commitment = \"{}\" }}]\n",
                        DataKey::generate().unwrap().commitment("default", 2)
                    ),
                    &key,
                );
            }),
        ),
        (
            "a grant",
            "profile-signature",
            forged(&|f| {
                f.edit("default", &grant, &planted);
            }),
        ),
        (
            "one grant more",
            "grants",
            forged(&|f| {
                f.edit("default", "recovery = \"", &format!("mallory-1 = \"{planted}\"\nrecovery = \""));
            }),
        ),
        (
            "one grant less",
            "grants",
            forged(&|f| {
                f.edit("default", &format!("alice-laptop = \"{grant}\"\n"), "");
            }),
        ),
        (
            "a value",
            "profile-signature",
            forged(&|f| {
                f.edit("default", &value, &other);
            }),
        ),
        (
            "a date",
            "profile-signature",
            forged(&|f| {
                f.edit("default", "set_at = 2026-03-10", "set_at = 2026-03-19");
            }),
        ),
        (
            "the date of the signature",
            "profile-signature",
            forged(&|f| {
                f.edit("default", "at = 2026-03-20", "at = 2026-03-21");
            }),
        ),
        (
            "a clock",
            "profile-signature",
            forged(&|f| {
                f.edit("default", "clock = { alice-laptop = 1 }", "clock = { alice-laptop = 9 }");
            }),
        ),
        (
            "the date of a team change",
            "team-signature",
            forged(&|f| {
                f.sections[1] = f.sections[1].replace("2026-03-01T02", "2026-03-01T03");
            }),
        ),
        (
            "a role",
            "team-signature",
            forged(&|f| {
                f.sections[2] = f.sections[2].replace("read = [\"default\"]", "read = [\"prod\"]");
            }),
        ),
        (
            "the signer of a profile",
            "signer",
            forged(&|f| {
                f.sign("default", "mallory-1", &key);
            }),
        ),
        (
            "the signature of a profile",
            "profile-signature",
            forged(&|f| {
                f.sign("default", "alice-laptop", &key);
            }),
        ),
        (
            "the last change dropped",
            "grants",
            forged(&|f| {
                f.sections.remove(last);
            }),
        ),
        (
            "a change dropped",
            "chain",
            forged(&|f| {
                f.sections.remove(1);
            }),
        ),
        ("two changes exchanged", "chain", forged(&|f| f.sections.swap(1, 2))),
        (
            "a profile dropped",
            "profiles",
            forged(&|f| {
                f.sections.pop();
            }),
        ),
        (
            "a secret dropped",
            "profile-signature",
            forged(&|f| {
                let section = f.profile("default");
                let (from, to) =
                    (section.find("[profile.default.secret").unwrap(), section.find("[profile.default.sig").unwrap());
                section.replace_range(from..to, "");
            }),
        ),
    ];
    all_refused(&vector, &cases);
}

#[test]
fn a_reader_signs_nothing_that_others_accept() {
    let vector = Vector::load("members");
    let person = Person::of(&vector, "alice-laptop");
    // Carol reads `default` and has a signing key; bob reads `prod` and writes `default`.
    for (device, profile, secret) in
        [("carol-1", "default", "A"), ("carol-1", "prod", "B"), ("bob-laptop", "prod", "B")]
    {
        let mut forgery = Forgery::of(&vector.text);
        forgery.edit(profile, "set_at = 2026-03-10", "set_at = 2026-03-19");
        forgery.sign(profile, device, &vector.identity(device).signing_key());
        person.write(&forgery.text());
        let finding = person.verify_finds("signer");
        assert_eq!((&finding["profile"], &finding["by"]), (&profile.into(), &device.into()));
        person.is_refused(profile, secret, &[5]);
        // Neither do they through the program.
        let reader = Person::of(&vector, device);
        let said = reader.with(&[], &["set", secret, "-", "-p", profile], "value");
        assert_eq!((said.status, reader.read() == vector.text), (6, true), "{}", said.err);
    }
    // Nor a team change.
    for device in ["carol-1", "bob-laptop", "erin-1"] {
        let identity = vector.identity(device);
        let mut forgery = Forgery::of(&vector.text);
        let fields = member(device, &IdentityKey::generate().unwrap(), "admin = true\n");
        forgery.append(&fields, &identity.signing_key());
        person.write(&forgery.text());
        assert_eq!(person.verify_finds("team-rule")["by"], device);
        person.is_refused("default", "A", &[5]);
    }
}

#[test]
fn a_reader_who_claims_to_be_an_admin_is_refused() {
    let vector = Vector::load("members");
    let person = Person::of(&vector, "dave-1");
    let mut forgery = Forgery::of(&vector.text);
    forgery.sign("default", "alice-laptop", &vector.identity("carol-1").signing_key());
    person.write(&forgery.text());
    let finding = person.verify_finds("profile-signature");
    assert_eq!((&finding["profile"], &finding["by"]), (&"default".into(), &"alice-laptop".into()));
    person.is_refused("default", "A", &[5]);
}
