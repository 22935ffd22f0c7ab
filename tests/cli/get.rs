use crate::harness::{World, keys, sorted};

#[test]
fn values_come_back_byte_for_byte() {
    let world = World::new();
    let long = vec![b'x'; 1 << 20];
    let values: [&[u8]; 8] =
        [b"v", b"a\nb\n", b"\n", b"\r\n", b" lead and trail ", b"\xff\x00\xfe", "\u{1f511}\u{202e}".as_bytes(), &long];
    for (n, value) in values.iter().enumerate() {
        let name = format!("V{n}");
        world.set(&name, value);
        let output = world.run(["get", &name]).output().ok().silent();
        assert_eq!(output.stdout, *value, "{name}");
    }
}

#[test]
fn json_has_its_keys() {
    let world = World::new();
    world.set("TEXT", "a\"b\n\u{202e}");
    world.set("BYTES", b"\xff\x00");
    let text = world.vault(["get", "TEXT", "--json"]).ok();
    assert!(!text.out().contains('\u{202e}'));
    let json = text.json();
    assert_eq!(keys(&json), sorted(&["name", "profile", "version", "value"]));
    assert_eq!(json["value"], "a\"b\n\u{202e}");
    assert_eq!((json["name"].as_str(), json["profile"].as_str()), (Some("TEXT"), Some("default")));
    let json = world.vault(["get", "BYTES", "--json"]).ok().json();
    assert_eq!(keys(&json), sorted(&["name", "profile", "version", "value_base64"]));
    assert_eq!(json["value_base64"], "/wA=");
}

#[test]
fn earlier_versions_are_kept_and_named_by_number() {
    let world = World::new();
    for n in 1..=5 {
        world.set("K", format!("v{n}"));
    }
    for n in 2..=5 {
        let output = world.vault(["get", "K", "--version", &n.to_string()]).ok();
        assert_eq!(output.out(), format!("v{n}"));
    }
    assert_eq!(world.vault(["get", "K", "--version", "3", "--json"]).ok().json()["version"], 3);
    for gone in ["1", "6", "0"] {
        world.vault(["get", "K", "--version", gone]).fails(3, "of K is kept", "vault history K");
    }
    world.set_with("K", "v6", &["--keep", "0"]);
    world.set("K", "v7");
    world.vault(["get", "K", "--version", "6"]).fails(3, "of K is kept", "vault history K");
}

#[test]
fn a_missing_name_is_told_with_what_was_meant() {
    let (world, _) = World::with_secret("STRIPE_KEY");
    world.vault(["get", "STRIPE_KYE"]).fails(3, "no secret STRIPE_KYE in profile default", "did you mean STRIPE_KEY?");
    world.vault(["get", "OTHER"]).fails(3, "no secret OTHER", "`vault list` shows the names");
    world.vault(["-p", "prod", "get", "STRIPE_KEY"]).fails(3, "no profile prod", "there are: default");
    world.run(["get", "STRIPE_KEY"]).env("VLT_PROFILE", "prod").output().fails(3, "no profile prod", "default");
    world.run(["get", "STRIPE_KEY"]).env("VLT_PROFILE", "Prod").output().fails_with(2, "VLT_PROFILE");
}

#[test]
fn without_an_identity_nothing_is_read() {
    let (world, _) = World::with_secret("K");
    std::fs::remove_file(world.identity_file()).unwrap();
    world.vault(["get", "K"]).fails_with(4, "no identity found");
    world.vault(["get", "K", "--identity", "/nowhere"]).fails_with(4, "does not exist");
    let stranger = vault::crypto::IdentityKey::generate().unwrap();
    let text = String::from_utf8(stranger.to_text().reveal().to_vec()).unwrap();
    world.forbid(&text[16..]);
    world.run(["get", "K"]).env("VLT_IDENTITY", &text).output().fails(4, "belongs to no device", "vault join");
}

#[test]
fn an_identity_can_come_from_an_option_or_a_variable() {
    let (world, value) = World::with_secret("K");
    let path = world.home.join("private/moved");
    let text = crate::harness::read(&world.identity_file());
    crate::harness::write_private(&path, &text);
    std::fs::remove_file(world.identity_file()).unwrap();
    let text = String::from_utf8(text).unwrap();
    for run in [
        world.run(["get", "K", "--identity", path.to_str().unwrap()]),
        world.run(["get", "K"]).env("VLT_IDENTITY_FILE", &path),
        world.run(["get", "K"]).env("VLT_IDENTITY", &text),
        // The option is looked at first.
        world.run(["get", "K", "--identity", path.to_str().unwrap()]).env("VLT_IDENTITY", "rubbish"),
    ] {
        assert_eq!(run.shows_values().output().ok().out(), value);
    }
}
