//! An attacker who has every public key and push access, no admin's identity, and the
//! format's description: each forgery is refused, and the place is named.

use vault::crypto::{DataKey, Hash, IdentityKey, length_prefixed, to_base64};

use crate::leaving::section_of;
use crate::roles::re_signed;
use crate::world::{Person, World};

/// alice is admin; bob writes dev; mallory reads dev; eve left.
struct Scene {
    world: World,
    alice: Person,
    bob: Person,
    mallory: Person,
}

fn scene() -> Scene {
    let (world, alice) = World::new();
    for profile in ["dev", "prod"] {
        alice.vault(&["profile", "add", profile]).ok();
        alice.set(profile, "KEY", &format!("canary-of-{profile}"));
    }
    let bob = world.member(&alice, "bob", &["--write", "dev"]);
    let mallory = world.member(&alice, "mallory", &["--read", "dev"]);
    bob.pull();
    Scene { world, alice, bob, mallory }
}

impl Scene {
    /// Everyone refuses to read, to use and to change; `verify` finds it at its place.
    #[track_caller]
    fn refuses(&self, what: &str, forged: &str, place: &str) {
        let genuine = self.alice.text();
        assert_ne!(forged, genuine, "{what}: nothing is forged");
        for person in [&self.alice, &self.bob] {
            person.put(forged);
            let refused = |words: &[&str], status| {
                let output = person.run(words, "x", &[]);
                assert_eq!(output.status, status, "{what}: {words:?}: {}{}", output.stdout, output.stderr);
                assert!(output.stderr.contains(place), "{what}: {words:?} lacks {place:?}: {}", output.stderr);
                assert_eq!(person.text(), forged, "{what}: {words:?} changed the file");
            };
            refused(&["-p", "dev", "get", "KEY"], 5);
            refused(&["-p", "dev", "exec", "--", "true"], 125);
            refused(&["-p", "dev", "set", "NEW", "-"], 5);
            let verify = person.vault(&["verify"]);
            assert_eq!(verify.status, 1, "{what}: verify: {}{}", verify.stdout, verify.stderr);
            assert!(
                verify.stdout.contains(place) || verify.stderr.contains(place),
                "{what}: verify lacks {place:?}: {}{}",
                verify.stdout,
                verify.stderr
            );
            person.put(&genuine);
        }
        self.alice.value("dev", "KEY").ok();
    }
}

/// The text with one more team change, signed by whoever has `key`.
fn with_change(person: &Person, by: &str, fields: &str, key: &IdentityKey) -> String {
    let vault = person.opened();
    let body = format!(
        "[[team]]\nchange = {}\nat = 2026-01-01T00:00:00Z\nby = \"{by}\"\n{fields}",
        vault.team().next_number()
    );
    let bytes = length_prefixed(&[b"vault/v1/team", vault.team().head().as_bytes(), body.as_bytes()]);
    let signature = key.signing_key().sign(&bytes);
    person.text().replacen("\n\n[profile.", &format!("\n\n{body}signature = \"{signature}\"\n\n[profile."), 1)
}

#[test]
fn planted_members_and_roles() {
    let scene = scene();
    let alice = &scene.alice;
    let number = alice.opened().team().next_number();
    let place = format!("team change {number}");
    let attacker = IdentityKey::generate().unwrap();
    let planted = format!(
        "do = \"add_member\"\nmember = \"eve\"\ndevice = \"eve-laptop\"\nrecipient = \"{}\"\nsigning_key = \"{}\"\nadmin = true\n",
        attacker.recipient(),
        attacker.signing_key().public()
    );
    let insider = scene.mallory.identity();
    for (what, by, key) in [
        ("in an admin's name, signed by a stranger", "alice-laptop", &attacker),
        ("in an admin's name, signed by a reader", "alice-laptop", &insider),
        ("in the reader's own name", "mallory-laptop", &insider),
        ("in a writer's name", "bob-laptop", &scene.bob.identity()),
        ("in the planted device's name", "eve-laptop", &attacker),
        ("in the recovery device's name", "recovery", &attacker),
    ] {
        let forged = with_change(alice, by, &planted, key);
        scene.refuses(what, &forged, &place);
        // Whose signature it is, or whose name was put under it.
        let is_theirs = ["mallory-laptop", "bob-laptop"].contains(&by);
        scene.refuses(what, &forged, &format!("{} {by}", if is_theirs { "signed by" } else { "in the name of" }));
    }
    let promoted = "do = \"set_role\"\nmember = \"mallory\"\nadmin = true\n";
    scene.refuses("a role for themselves", &with_change(alice, "mallory-laptop", promoted, &insider), &place);
    let removal = "do = \"remove_member\"\nmember = \"bob\"\n";
    scene.refuses("a removal", &with_change(alice, "mallory-laptop", removal, &insider), &place);
    // Changing what an admin signed breaks it.
    let text = alice.text();
    let (role, better) = ("read = [\"dev\"]\n", "write = [\"dev\"]\n");
    scene.refuses("a reader made a writer", &text.replacen(role, better, 1), "team change 6");
    let theirs = scene.mallory.identity().recipient().to_string();
    let swapped = text.replacen(&theirs, attacker.recipient().as_str(), 1);
    scene.refuses("a recipient exchanged", &swapped, "team change 6");
}

#[test]
fn changes_dropped_and_moved() {
    let scene = scene();
    let text = scene.alice.text();
    let (head, profiles) = text.split_once("\n\n[profile.").unwrap();
    let parts: Vec<&str> = head.split("\n\n").collect();
    let joined = |order: &[usize]| {
        let parts: Vec<&str> = order.iter().map(|n| parts[*n]).collect();
        format!("{}\n\n[profile.{profiles}", parts.join("\n\n"))
    };
    // 0 is the head of the file, 1 founds; recovery, dev, prod, bob, mallory follow.
    assert_eq!(parts.len(), 7);
    scene.refuses("the last change dropped", &joined(&[0, 1, 2, 3, 4, 5]), "profile d");
    scene.refuses("a change in the middle dropped", &joined(&[0, 1, 2, 3, 5, 6]), "team change 5");
    scene.refuses("two changes swapped", &joined(&[0, 1, 2, 3, 4, 6, 5]), "team change 6");
    scene.refuses("a change twice", &joined(&[0, 1, 2, 3, 4, 5, 5, 6]), "team change 5");
    let renumbered = joined(&[0, 1, 2, 3, 5, 6]).replacen("change = 5\n", "change = 4\n", 1).replacen(
        "change = 6\n",
        "change = 5\n",
        1,
    );
    scene.refuses("a change dropped and the rest counted anew", &renumbered, "team change 4");
}

#[test]
fn planted_grants_and_commitments() {
    let scene = scene();
    let (alice, text) = (&scene.alice, scene.alice.text());
    let vault = alice.opened();
    // A data key the attacker knows, wrapped for alice as anybody can.
    let key = DataKey::generate().unwrap();
    let grant = to_base64(key.wrap(&alice.identity().recipient()).unwrap().as_bytes());
    let dev = section_of(&text, "dev");
    let old = dev.lines().find(|line| line.starts_with("alice-laptop = ")).unwrap();
    let planted_section = dev.replacen(old, &format!("alice-laptop = \"{grant}\""), 1);
    let planted = text.replacen(dev, &planted_section, 1);
    scene.refuses("a grant exchanged", &planted, "profile dev");
    // A writer of the profile can sign it, in their own name. The commitment stands in the
    // team log, which they cannot sign: refused by the one it was made for, and named.
    let forged = re_signed(&scene.bob, "dev", "bob-laptop", |section| {
        section.replacen(old, &format!("alice-laptop = \"{grant}\""), 1)
    });
    alice.put(&forged);
    let refused = alice.value("dev", "KEY").fails(5, "profile dev").says("bob-laptop");
    assert!(refused.stdout.is_empty());
    alice.refused_with(&["-p", "dev", "set", "NEW", "-"], "x", &[], 5, "profile dev");
    assert_eq!(alice.vault(&["verify"]).status, 1, "with an identity, verify opens the grant");
    alice.put(&text);
    // The commitment with it.
    let epoch = vault.team().profiles()["dev"].commitment.to_string();
    let commitment = key.commitment("dev", 1).to_string();
    scene.refuses("a commitment exchanged", &text.replacen(&epoch, &commitment, 1), "team change 3");
    // A grant for somebody who has none, and one taken away.
    let more = dev.replacen(old, &format!("{old}\neve-laptop = \"{grant}\""), 1);
    let more = text.replacen(dev, &more, 1);
    scene.refuses("a grant for a stranger", &more, "profile dev");
    let fewer = text.replacen(dev, &dev.replacen(&format!("{old}\n"), "", 1), 1);
    scene.refuses("a grant taken out", &fewer, "profile dev");
    let recovery = dev.lines().find(|line| line.starts_with("recovery = ")).unwrap();
    let sneaky = re_signed(&scene.bob, "dev", "bob-laptop", |section| {
        section.replacen(recovery, &format!("{recovery}\nzoe = \"{grant}\""), 1)
    });
    scene.refuses("a grant that a writer signs for a stranger", &sneaky, "profile dev");
}

#[test]
fn values_and_dates() {
    let scene = scene();
    let text = scene.alice.text();
    let dev = section_of(&text, "dev");
    let prod = section_of(&text, "prod");
    let line = |section: &str, key: &str| {
        section.lines().find(|line| line.starts_with(&format!("{key} = "))).unwrap().to_owned()
    };
    let edit = |from: &str, to: &str| text.replacen(dev, &dev.replacen(from, to, 1), 1);
    let set_at = line(dev, "set_at");
    scene.refuses("a date", &edit(&set_at, "set_at = 2020-01-01T00:00:00Z"), "profile dev");
    scene.refuses("another profile's value", &edit(&line(dev, "value"), &line(prod, "value")), "profile dev");
    scene.refuses("a secret's name", &edit("secret.KEY]", "secret.YEK]"), "profile dev");
    let set_by = line(dev, "set_by");
    scene.refuses("an author", &edit(&set_by, "set_by = \"bob-laptop\""), "profile dev");
    // A section of another profile under this one's name, and of another vault with the same names.
    let renamed = prod.replace("[profile.prod", "[profile.dev");
    scene.refuses("another profile's section", &text.replacen(dev, &renamed, 1), "profile dev");
    let (_other, carol) = World::new();
    carol.vault(&["profile", "add", "dev"]).ok();
    let foreign = carol.text();
    let swapped = text.replacen(dev, section_of(&foreign, "dev"), 1);
    scene.refuses("another vault's section", &swapped, "profile dev");
    // A removed writer, under the old head of the team.
    let before = scene.bob.text();
    let theirs =
        re_signed(&scene.bob, "dev", "bob-laptop", |section| section.replace("version = 1\n", "version = 2\n"));
    assert_ne!(before, theirs);
    scene.alice.vault(&["member", "remove", "bob"]).ok();
    let current = scene.alice.text();
    let merged = current.replacen(section_of(&current, "dev"), section_of(&theirs, "dev"), 1);
    scene.alice.put(&merged);
    scene.alice.refused(&["-p", "dev", "get", "KEY"], 5, "profile dev");
    scene.alice.put(&theirs);
    let back = scene.alice.refused(&["-p", "dev", "get", "KEY"], 5, "profile dev");
    back.says("bob-laptop, who has lost the right to write since");
}

/// A writer counts writes of somebody else up to the end, so that they can sign no more.
#[test]
fn writes_that_nobody_made() {
    let scene = scene();
    // Both saw the profile; who never did is told when it is too late, below.
    scene.bob.value("dev", "KEY").ok();
    let forged = re_signed(&scene.bob, "dev", "bob-laptop", |section| {
        let clock = section.lines().find(|line| line.starts_with("clock = ")).unwrap();
        let (start, rest) = clock.split_once("alice-laptop = ").unwrap();
        let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
        section.replacen(clock, &format!("{start}alice-laptop = {}{rest}", 1u64 << 48), 1)
    });
    let place = "profile dev counts 281474976710656 writes of alice-laptop, which it cannot have made";
    scene.refuses("numbers used up", &forged, place);
    scene.refuses("numbers used up", &forged, "signed by bob-laptop");
    // A machine that never saw the profile cannot know; it is told who did it.
    let alice = &scene.alice;
    alice.put(&forged);
    let (state, id) = (alice.home.join("other-state"), alice.id());
    let env = [("VLT_STATE_DIR", state.to_str().unwrap()), ("VLT_VAULT_ID", id.as_str())];
    let set = alice.run(&["-p", "dev", "set", "NEW", "-"], "x", &env);
    set.fails(5, "there is no number left for a write of alice-laptop in profile dev, as bob-laptop signed it");
    assert_eq!(alice.text(), forged);
}

#[test]
fn a_planted_vault() {
    let scene = scene();
    // Founded by the attacker, with everyone's names and keys in it.
    let evil = World::empty();
    let eve = evil.person("alice");
    eve.vault(&["init", "--device", "alice-laptop", "--no-recovery"]).ok();
    eve.vault(&["profile", "add", "dev"]).ok();
    eve.set("dev", "KEY", "planted");
    for person in [&scene.alice, &scene.bob] {
        let recipient = person.identity().recipient().to_string();
        let name = format!("{}s", person.user);
        eve.vault(&["member", "add", &name, "--recipient", &recipient, "--read", "dev"]).ok();
    }
    let (planted, genuine) = (eve.text(), scene.alice.text());
    for person in [&scene.alice, &scene.bob] {
        person.put(&planted);
        person.refused(&["-p", "dev", "get", "KEY"], 5, "another vault than before");
        person.refused_with(&["-p", "dev", "set", "KEY", "-"], "x", &[], 5, "another vault than before");
        person.run(&["-p", "dev", "exec", "--", "true"], "", &[]).fails(125, "another vault than before");
        person.refused(&["member", "list"], 5, "another vault than before");
        // The old id over another chain is no way in.
        person.put(&planted.replacen(&eve.id(), &genuine[genuine.find("id = \"").unwrap() + 6..][..52], 1));
        person.refused(&["-p", "dev", "get", "KEY"], 5, "id");
        person.put(&genuine);
    }
    // At a place that was never used, it is the id that decides.
    let fresh = scene.world.person("fresh");
    fresh.put(&planted);
    let id = scene.alice.id();
    fresh.refused_with(&["join"], "", &[("VLT_VAULT_ID", &id)], 5, "not what VLT_VAULT_ID asks for");
    // In a directory above the clone: never found from inside it, as the walk ends at the git root.
    std::fs::write(scene.world.base().join("vault.toml"), &planted).unwrap();
    assert_eq!(scene.alice.value("dev", "KEY").ok().stdout, "canary-of-dev");
    std::fs::remove_file(scene.alice.vault_file()).unwrap();
    scene.alice.value("dev", "KEY").fails(3, "");
    scene.alice.put(&genuine);
    // Between here and there: another place, so refused.
    let below = scene.alice.clone.join("service");
    std::fs::create_dir(&below).unwrap();
    std::fs::write(below.join("vault.toml"), &planted).unwrap();
    let file = below.join("vault.toml");
    let words = ["--vault", file.to_str().unwrap(), "-p", "dev", "get", "KEY"];
    scene.alice.vault(&words).fails(5, "");
    let digest = Hash::of(genuine.as_bytes());
    assert_eq!(digest, Hash::of(scene.alice.text().as_bytes()));
}
