use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::harness::{World, git, read, write, write_private};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn founds_a_vault_that_can_be_used_at_once() {
    let world = World::bare();
    let output = world.vault(["init", "--device", "alice-laptop"]).ok();
    assert!(output.stdout.is_empty());
    assert_eq!(output.warnings().len(), 1, "{}", output.stderr);
    output.says("there is no recovery code").says("profile default").says("alice-laptop");
    assert_eq!(mode(&world.vault_file()), 0o644);
    assert_eq!(mode(&world.identity_file()), 0o600);
    assert_eq!(mode(&world.state()), 0o700);
    assert_eq!(read(&world.project.join(".gitattributes")), b"vault.toml -text merge=vault diff=vault\n");
    world.vault(["list"]).ok().says("no secrets");
    world.set("K", "v");
    assert_eq!(world.value("K"), b"v");
}

#[test]
fn a_dry_run_makes_nothing() {
    for flag in ["-n", "--dry-run"] {
        let world = World::bare();
        let before = world.snapshot();
        world.vault(["init", flag]).ok().says("would make");
        world.assert_unchanged(&before);
    }
}

#[test]
fn an_existing_vault_is_never_touched() {
    let world = World::new();
    let before = world.snapshot();
    for words in [&["init"][..], &["init", "-n"], &["init", "--member", "bob"]] {
        world.vault(words).fails(2, "exists already", "never touches an existing vault");
    }
    world.assert_unchanged(&before);
    fs::remove_file(world.vault_file()).unwrap();
    std::os::unix::fs::symlink("elsewhere", world.vault_file()).unwrap();
    world.vault(["init"]).fails(2, "exists already", "never touches an existing vault");
}

#[test]
fn names_are_checked_and_recovery_is_reserved() {
    let world = World::bare();
    let before = world.snapshot();
    for (flag, name) in [
        ("--member", ""),
        ("--member", "Alice"),
        ("--member", "a b"),
        ("--device", "-x"),
        ("--device", &"x".repeat(65)),
        ("--device", "recovery"),
        ("-p", "Dev"),
    ] {
        world.vault(["init", flag, name]).exits(2);
    }
    world.run(["init"]).env("USER", "日本").output().fails_with(2, "--member");
    world.assert_unchanged(&before);
}

#[test]
fn an_identity_file_of_ones_own_is_used_and_found_again() {
    let world = World::bare();
    let identity = vault::crypto::IdentityKey::generate().unwrap();
    world.forbid(&identity.to_text().reveal()[16..]);
    let path = world.home.join("private/key");
    write_private(&path, identity.to_text().reveal());
    let path = path.to_str().unwrap();
    world.vault(["init", "--device", "d", "--identity-file", path]).ok().says("as it was");
    assert!(!world.identity_file().exists());
    world.vault(["identity", "show"]).ok().prints(&identity.recipient().to_string());
    world.set("K", "v");
    assert_eq!(world.value("K"), b"v");
}

#[test]
fn an_identity_file_that_cannot_be_one_makes_no_vault() {
    for (text, mode) in [("not an identity\n", 0o600), ("", 0o600), ("AGE-SECRET-KEY-1\n", 0o600)] {
        let world = World::bare();
        let path = world.home.join("key");
        write(&path, text);
        crate::harness::set_mode(&path, mode);
        let before = world.snapshot();
        world.vault(["init", "--identity-file", path.to_str().unwrap()]).fails_with(4, "key");
        assert!(!world.vault_file().exists());
        world.assert_unchanged(&before);
    }
}

#[test]
fn a_passphrase_seals_the_identity() {
    let world = World::bare();
    let passphrase = world.home.join("private/passphrase");
    let secret = world.secret();
    write_private(&passphrase, format!("{secret}\n"));
    let init = ["init", "--passphrase", "--device", "d"];
    world.vault(init).fails(2, "no passphrase", "VLT_PASSPHRASE_FILE");
    assert!(!world.vault_file().exists() && !world.identity_file().exists());
    world.run(init).env("VLT_PASSPHRASE_FILE", &passphrase).output().ok();
    assert!(!String::from_utf8(read(&world.identity_file())).unwrap().contains("AGE-SECRET-KEY-1"));
    world.run(["set", "K", "-"]).stdin("v").output().fails_with(4, "passphrase");
    world.run(["set", "K", "-"]).stdin("v").env("VLT_PASSPHRASE_FILE", &passphrase).output().ok();
    let get = || world.run(["get", "K"]);
    assert_eq!(get().env("VLT_PASSPHRASE_FILE", &passphrase).output().ok().stdout, b"v");
    let wrong = world.home.join("private/wrong");
    write_private(&wrong, "wrong\n");
    get().env("VLT_PASSPHRASE_FILE", &wrong).output().fails_with(4, "wrong passphrase");
    let piped = get().env("VLT_PASSPHRASE_FD", "7").redirect(&format!("7<'{}'", passphrase.display()));
    assert_eq!(piped.output().ok().stdout, b"v");
}

#[test]
fn the_recovery_code_goes_into_a_new_private_file() {
    let world = World::bare();
    let file = world.home.join("private/code");
    fs::create_dir(world.home.join("private")).unwrap();
    let words = ["init", "--device", "d", "--recovery-file", file.to_str().unwrap()];
    let output = world.vault(words).ok();
    let code = String::from_utf8(read(&file)).unwrap();
    assert_eq!(mode(&file), 0o600);
    assert!(!output.stderr.contains(code.trim()) && output.warnings().is_empty(), "{}", output.stderr);
    assert!(world.text().contains("do = \"recovery\""));

    let other = World::bare();
    let taken = other.home.join("taken");
    write(&taken, "mine");
    let words = ["init", "--device", "d", "--recovery-file", taken.to_str().unwrap()];
    other.vault(words).exits(8).says("exists already");
    assert_eq!(read(&taken), b"mine");
    assert!(!other.vault_file().exists());
    other.vault(["init", "--recovery-file", "x", "--no-recovery"]).fails_with(2, "exclude each other");
}

#[test]
fn gitattributes_keeps_what_it_has() {
    for (before, after) in [
        ("*.png binary", "*.png binary\nvault.toml -text merge=vault diff=vault\n"),
        ("*.png binary\n", "*.png binary\nvault.toml -text merge=vault diff=vault\n"),
        ("vault.toml -text\n", "vault.toml -text\nvault.toml -text merge=vault diff=vault\n"),
        ("vault.toml -text merge=vault diff=vault\n", "vault.toml -text merge=vault diff=vault\n"),
    ] {
        let world = World::bare();
        write(&world.project.join(".gitattributes"), before);
        world.vault(["init", "--device", "d"]).ok();
        assert_eq!(String::from_utf8(read(&world.project.join(".gitattributes"))).unwrap(), after);
    }
}

#[test]
fn another_file_name_can_be_chosen() {
    let world = World::bare();
    world.vault(["--vault", "team.toml", "init", "--device", "d"]).ok();
    assert!(world.project.join("team.toml").exists() && !world.vault_file().exists());
    world.run(["--vault", "team.toml", "set", "K", "-"]).stdin("v").output().ok();
    assert_eq!(world.run(["get", "K"]).env("VLT_FILE", "team.toml").output().ok().stdout, b"v");
}

#[test]
fn where_no_variable_names_the_user_the_system_does() {
    let world = World::bare();
    let output = world.run(["init", "-n"]).without("USER").without("LOGNAME").output().ok();
    let name = std::process::Command::new("id").arg("-un").output().unwrap();
    output.says(&format!("for {}", String::from_utf8_lossy(&name.stdout).trim_end()));
}

/// As in a hook or an alias of git, and where a shell has another repository in its environment.
#[test]
fn the_clone_of_the_vault_file_is_set_up_whatever_repository_the_environment_names() {
    let world = World::bare();
    let other = world.base().join("other");
    std::fs::create_dir(&other).unwrap();
    for clone in [&world.project, &other] {
        git(clone, &["init", "-q"]);
    }
    let settings = |clone: &Path| String::from_utf8(read(&clone.join(".git/config"))).unwrap();
    let before = settings(&other);
    let elsewhere = world.run(["init", "--no-recovery"]).env("GIT_DIR", other.join(".git"));
    elsewhere.env("GIT_WORK_TREE", &other).output().ok();
    assert!(settings(&world.project).contains("[merge \"vault\"]"));
    assert_eq!(settings(&other), before);
}

#[test]
fn a_second_identity_does_not_take_the_place_of_the_first() {
    let (world, value) = World::with_secret("K");
    let second = world.home.join("second");
    std::fs::create_dir(&second).unwrap();
    let init = ["init", "--device", "d", "--no-recovery", "--identity-file", "key"];
    world.run(init).within(&second).output().ok().says("commands go on to use the one in ");
    assert_eq!(world.value("K"), value.as_bytes(), "the other vault opens as before");
    world.run(["set", "A", "--generate"]).within(&second).output().fails_with(4, "belongs to no device");
    world.run(["set", "A", "--generate", "--identity", "key"]).within(&second).output().ok();
    // The usual one by another name of it is no other.
    let third = world.home.join("third");
    std::fs::create_dir(&third).unwrap();
    let usual = world.identity_file();
    let usual = format!("{}/./{}", usual.parent().unwrap().display(), usual.file_name().unwrap().to_str().unwrap());
    let output =
        world.run(["init", "--device", "e", "--no-recovery", "--identity-file", &usual]).within(&third).output();
    output.ok().says("(as it was)").says_not("commands go on");
    world.run(["set", "A", "--generate"]).within(&third).output().ok();
}
