use std::os::unix::fs::PermissionsExt;

use crate::harness::{World, keys, read, set_mode, sorted};

#[test]
fn shows_the_public_halves() {
    let world = World::new();
    let json = world.vault(["identity", "show", "--json"]).ok().silent().json();
    assert_eq!(keys(&json), sorted(&["recipient", "signing_key"]));
    for half in ["recipient", "signing_key"] {
        let half = json[half].as_str().unwrap();
        assert!(world.text().contains(half));
        world.vault(["identity", "show"]).ok().prints(half);
        world.vault(["identity", "show", "--open"]).ok().prints(half);
    }
}

#[test]
fn one_can_be_made_before_there_is_a_vault() {
    let world = World::bare();
    let before = world.snapshot();
    world.vault(["identity", "new", "-n"]).ok().says("would make an identity in ").says_not("recipient");
    world.assert_unchanged(&before);
    let made = world.vault(["identity", "new"]).ok().says("identity: ").out();
    assert!(made.starts_with("recipient    age1") && made.lines().count() == 2, "{made}");
    assert_eq!(made, world.vault(["identity", "show"]).ok().out());
    assert_eq!(std::fs::metadata(world.identity_file()).unwrap().permissions().mode() & 0o777, 0o600);
    // It is never written over, and is the one that `init` takes.
    let kept = read(&world.identity_file());
    for words in [&["identity", "new"][..], &["identity", "new", "-n"], &["identity", "new", "--passphrase"]] {
        world.vault(words).fails(2, "this device has an identity: ", "vault identity rotate");
    }
    let fails = world.run(["identity", "new"]).env("VLT_IDENTITY", String::from_utf8(kept.clone()).unwrap()).output();
    fails.fails_with(2, "this device has an identity: VLT_IDENTITY");
    world.vault(["init", "--device", "d", "--no-recovery"]).ok().says("(as it was)");
    assert_eq!(read(&world.identity_file()), kept);
    // A second one takes no place of the first.
    world.vault(["identity", "new", "--identity-file", "other"]).ok().says("commands go on to use the one in ");
    world.vault(["set", "K", "--generate"]).ok();
    world.vault(["get", "K", "--identity", "other"]).fails_with(4, "belongs to no device of the vault");

    // Sealed, and in a file that is named and found again.
    let world = World::bare();
    let (pass, file) = (world.home.join("private/pass"), world.home.join("private/key"));
    crate::harness::write_private(&pass, "correct horse\n");
    let new = ["identity", "new", "--passphrase", "--identity-file", file.to_str().unwrap()];
    world.vault(new).fails(2, "no passphrase", "VLT_PASSPHRASE");
    assert!(!file.exists());
    world.run(new).env("VLT_PASSPHRASE_FILE", &pass).output().ok();
    assert!(read(&file).starts_with(b"# vault identity, sealed"));
    world.vault(["identity", "where"]).ok().prints("key");
}

#[test]
fn explains_the_search_in_its_order() {
    let world = World::new();
    let json = world.vault(["identity", "where", "--json"]).ok().json();
    let steps = json.as_array().unwrap();
    assert_eq!(keys(&steps[0]), sorted(&["source", "origin", "outcome"]));
    let sources: Vec<_> = steps.iter().map(|step| step["source"].as_str().unwrap()).collect();
    assert_eq!(sources, ["--identity", "VLT_IDENTITY_FILE", "VLT_IDENTITY", "agent", "configuration", "vault file"]);
    let used: Vec<_> = steps.iter().filter(|step| step["outcome"] == "used").collect();
    assert_eq!(used.len(), 1);
    assert_eq!(used[0]["origin"], world.identity_file().display().to_string());
    world.vault(["identity", "where"]).ok().prints("used");
    std::fs::remove_file(world.identity_file()).unwrap();
    world.vault(["identity", "where"]).ok().prints("not there");
    world.vault(["identity", "show"]).fails_with(4, "no identity found");
}

#[test]
fn works_outside_a_vault() {
    let world = World::new();
    let elsewhere = world.home.clone();
    world.run(["identity", "where"]).within(&elsewhere).output().ok().prints("used");
    world.run(["identity", "show"]).within(&elsewhere).output().ok();
}

#[test]
fn a_file_that_others_may_read_is_refused() {
    let (world, _) = World::with_secret("K");
    for mode in [0o644, 0o640, 0o604, 0o660, 0o606] {
        set_mode(&world.identity_file(), mode);
        let before = world.snapshot();
        world.vault(["get", "K"]).fails_with(4, &format!("open to other users (mode {mode:04o})"));
        world.vault(["identity", "show"]).fails_with(4, "open to other users");
        world.run(["set", "K", "-"]).stdin("v").output().fails_with(4, "open to other users");
        world.vault(["exec", "--", "true"]).fails_with(125, "open to other users");
        world.assert_unchanged(&before);
    }
    set_mode(&world.identity_file(), 0o400);
    world.run(["get", "K"]).shows_values().output().ok();
}

#[test]
fn a_file_of_somebody_else_is_refused() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let (world, _) = World::with_secret("K");
    std::os::unix::fs::chown(world.identity_file(), Some(crate::harness::NOBODY), None).unwrap();
    world.vault(["get", "K"]).fails_with(4, "belongs to another user");
}

#[test]
fn what_is_no_usable_identity_is_named_for_what_it_is() {
    let (world, _) = World::with_secret("K");
    let good = read(&world.identity_file());
    for (text, error) in [
        ("", "holds no identity"),
        ("# only a comment\n", "holds no identity"),
        ("age1x65xlce2fqn2eq2deg722gf7mnedtn6h3qfacakla5hsetgj03vqsqy0nx\n", "line 1: a recipient"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\n", "SSH key"),
        ("age-encryption.org/v1\n", "a file encrypted by age"),
        ("AGE-PLUGIN-YUBIKEY-1QQQQ\n", "age plugin"),
        ("rubbish\n", "line 1: not an age identity"),
    ] {
        crate::harness::write_private(&world.identity_file(), text);
        world.vault(["get", "K"]).fails_with(4, error);
    }
    let twice = [&good[..], &good[..]].concat();
    crate::harness::write_private(&world.identity_file(), twice);
    world.vault(["get", "K"]).fails_with(4, "a second identity");
}

#[test]
fn an_identity_can_come_through_a_descriptor_and_stays_from_the_command() {
    let (world, value) = World::with_secret("K");
    let elsewhere = world.home.join("private");
    std::fs::create_dir(&elsewhere).unwrap();
    let file = elsewhere.join("key");
    std::fs::rename(world.identity_file(), &file).unwrap();
    let file = file.display();
    for redirection in [format!("5<{file}"), format!("5<<E\n$(cat {file})\nE\n")] {
        let get = world.run(["get", "K", "--identity", "/dev/fd/5"]).redirect(&redirection).shows_values();
        assert_eq!(get.output().ok().out(), value, "{redirection}");
        let script = "test \"$K\" && ! ls /dev/fd/5";
        let exec = world.run(["--identity", "/dev/fd/5", "exec", "--", "sh", "-c", script]).redirect(&redirection);
        exec.foreign_stderr().output().ok();
    }
    let piped = world.run(["get", "K"]).env("VLT_IDENTITY_FILE", "/dev/stdin").stdin(read(format!("{file}").as_ref()));
    assert_eq!(piped.shows_values().output().ok().out(), value);
    set_mode(format!("{file}").as_ref(), 0o644);
    let wide = world.run(["get", "K", "--identity", "/dev/fd/5"]).redirect(&format!("5<{file}"));
    wide.output().fails(4, "open to other users", "");
    world.run(["get", "K", "--identity", "/dev/fd/7"]).output().fails_with(4, "cannot read /dev/fd/7");
    world.run(["get", "K", "--identity", "/dev/stdin"]).redirect("</dev/zero").output().fails_with(4, "a device");
}
