//! Whatever is found where a file should be: an error, in time, and nothing changed.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::harness::{Output, World, read, set_mode, write_private};

/// Everything that reads the vault file, with what it is to exit with.
fn each_command(world: &World, check: impl FnMut(Output, &[&str])) {
    commands(world, true, check);
}

/// `audit` reads no profile, so that what happened can be looked up beside a damaged one.
fn commands(world: &World, with_audit: bool, mut check: impl FnMut(Output, &[&str])) {
    for words in [
        &["list"][..],
        &["show", "K"],
        &["get", "K"],
        &["rm", "K"],
        &["trust"],
        &["profile", "list"],
        &["profile", "add", "x"],
        &["audit"],
        &["set", "K", "-"],
        &["import", "-"],
    ] {
        if with_audit || words[0] != "audit" {
            check(world.run(words).stdin("A=v").output(), words);
        }
    }
    let output = world.vault(["exec", "--", "touch", "started"]);
    assert_eq!(output.status, 125);
    assert!(!world.project.join("started").exists());
    check(Output { status: 5, ..output }, &["exec"]);
}

fn refused(world: &World, error: &str, hint: &str) {
    let before = world.snapshot();
    each_command(world, |output, _| {
        output.fails(5, error, hint);
    });
    world.assert_unchanged(&before);
}

#[test]
fn no_vault_here() {
    let world = World::bare();
    let before = world.snapshot();
    for words in [
        &["list"][..],
        &["show", "K"],
        &["get", "K"],
        &["rm", "K"],
        &["trust"],
        &["which"],
        &["verify"],
        &["audit"],
        &["profile", "list"],
        &["set", "K", "-"],
        &["import", "-"],
    ] {
        world.run(words).stdin("A=v").output().fails(3, "no vault.toml found", "vault init");
    }
    world.vault(["exec", "--", "true"]).fails(125, "no vault.toml found", "vault init");
    world.vault(["--vault", "x.toml", "list"]).fails(3, "there is no vault at x.toml", "vault init");
    world.run(["list"]).env("VLT_FILE", "/nowhere/x").output().exits(3);
    world.assert_unchanged(&before);
}

#[test]
fn a_file_that_is_no_vault() {
    let world = World::new();
    for bytes in [&b""[..], b"\n", b"hello\n", b"[a]\nb = 1\n", b"\xff\xfe\x00", b"# Encrypted by vault", &[0; 4096]] {
        world.put(bytes);
        let before = world.snapshot();
        each_command(&world, |output, words| {
            assert_eq!(output.status, 5, "{words:?} {bytes:?}: {}", output.stderr);
        });
        world.assert_unchanged(&before);
    }
}

#[test]
fn damaged_cut_off_or_edited_by_hand() {
    let (world, _) = World::with_secret("K");
    let good = world.text();
    for (bad, hint) in [
        (good[..good.len() - 1].to_owned(), "vault git repair"),
        (good[..good.len() / 2].to_owned(), "vault git repair"),
        (good.replace("set_by = \"alice-laptop\"", "set_by = \"bob\""), "find out who changed it"),
        (good.replace("version = 1", "version  = 1"), "vault git repair"),
        (format!("{good}\n"), "vault git repair"),
        (format!("{good}# comment\n"), "vault git repair"),
        (good.replace("\n\n[profile", "\n\n# comment\n[profile"), "vault git repair"),
        (format!("{good}\n[profile.default]\n"), "vault git repair"),
        (format!("{good}\n[profile.other]\nepoch = 1\n"), "find out who changed it"),
    ] {
        world.put(&bad);
        let before = world.snapshot();
        commands(&world, false, |output, _| {
            output.fails(5, "", hint);
        });
        world.assert_unchanged(&before);
    }
    // The same section twice, signature and all.
    let section = &good[good.find("\n[profile.default]").unwrap()..];
    world.put(format!("{good}{section}"));
    refused(&world, "", "vault git repair");
}

#[test]
fn conflict_markers_inside_a_profile() {
    let (world, _) = World::with_secret("K");
    let good = world.text();
    let ours = good.replace("version = 1", "version = 2");
    let at = good.find("[profile.default.secret.K]").unwrap();
    let line = good[..at].lines().count() + 1;
    for text in [
        format!("{}<<<<<<< HEAD\n{}=======\n{}>>>>>>> theirs\n", &good[..at], &good[at..], &ours[at..]),
        format!("{}<<<<<<< HEAD\n{}||||||| base\n=======\n>>>>>>> theirs\n", &good[..at], &good[at..]),
    ] {
        world.put(text);
        commands(&world, false, |output, _| {
            output.fails(5, &format!("line {line}: "), "vault git repair");
        });
    }
}

#[test]
fn converted_line_endings_conflicts_and_the_future() {
    let (world, _) = World::with_secret("K");
    let good = world.text();
    world.put(good.replace('\n', "\r\n"));
    refused(&world, "line endings were converted to CRLF", "`vault.toml -text` to .gitattributes");
    let ours = good.replace("version = 1", "version = 2");
    world.put(format!("<<<<<<< HEAD\n{good}=======\n{ours}>>>>>>> theirs\n"));
    refused(&world, "merge conflict markers", "vault git repair");
    world.put(good.replace("vault = 1", "vault = 2"));
    refused(&world, "written by a newer vault", "update vault");
    world.put("# Encrypted by vault. Safe to commit. Change it with `vault`, not by hand.\nvault = 99\nwhatever\n");
    refused(&world, "written by a newer vault", "update vault");
}

#[test]
fn too_large_to_be_one() {
    let world = World::new();
    for size in [65 << 20, 4 << 30_u64] {
        fs::File::options().write(true).open(world.vault_file()).unwrap().set_len(size).unwrap();
        let before = world.snapshot();
        each_command(&world, |output, _| {
            output.fails(5, "is larger than the limit of 67108864 bytes", "restore it from git");
        });
        world.vault(["verify"]).fails_with(5, "is larger than the limit");
        world.assert_unchanged(&before);
    }
}

#[test]
fn something_else_in_its_place() {
    let world = World::new();
    let file = world.vault_file();
    let saved = world.project.join("saved.toml");
    fs::rename(&file, &saved).unwrap();
    let fifo = |path: &Path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    let make: [(&dyn Fn(), &str); 5] = [
        (&|| fifo(&file), "is a FIFO, not a regular file"),
        (&|| fs::create_dir(&file).unwrap(), "is a directory, not a regular file"),
        (&|| std::os::unix::fs::symlink(&saved, &file).unwrap(), "is a symbolic link, not a regular file"),
        (&|| std::os::unix::fs::symlink("/dev/zero", &file).unwrap(), "is a symbolic link, not a regular file"),
        (&|| drop(std::os::unix::net::UnixListener::bind(&file).unwrap()), "is a socket, not a regular file"),
    ];
    for (make, error) in make {
        make();
        refused(&world, error, "`--vault FILE`");
        world.vault(["verify"]).fails_with(5, error);
        world.vault(["which"]).fails_with(5, error);
        world.vault(["doctor"]).exits(1).prints(error);
        world.vault(["init"]).fails_with(2, "exists already");
        if file.is_dir() { fs::remove_dir(&file).unwrap() } else { fs::remove_file(&file).unwrap() }
    }
    for device in ["/dev/zero", "/dev/null", "/dev/full", "/dev/tty"] {
        world.vault(["--vault", device, "list"]).fails_with(5, "is a device, not a regular file");
    }
    fs::rename(&saved, &file).unwrap();
    world.vault(["list"]).ok();
}

#[test]
fn something_else_where_other_files_should_be() {
    let (world, _) = World::with_secret("K");
    let fifo = world.project.join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    set_mode(&fifo, 0o600);
    for path in ["fifo", "/dev/zero", "."] {
        world.vault(["import", path]).exits(8).says("not a regular file");
        world.vault(["set", "K", "--from-file", path]).fails_with(8, "not a regular file");
        world.vault(["get", "K", "--identity", path]).fails_with(4, "not a regular file");
    }
    fs::rename(world.identity_file(), world.project.join("key")).unwrap();
    std::os::unix::fs::symlink(world.project.join("key"), world.identity_file()).unwrap();
    world.vault(["get", "K"]).fails_with(4, "is a symbolic link");
}

#[test]
fn hostile_costs_in_a_sealed_identity_are_refused_before_any_work() {
    let world = World::bare();
    let passphrase = world.home.join("private/passphrase");
    write_private(&passphrase, "correct horse battery staple\n");
    world.run(["init", "--device", "d", "--passphrase"]).env("VLT_PASSPHRASE_FILE", &passphrase).output().ok();
    world.run(["set", "K", "-"]).stdin("v").env("VLT_PASSPHRASE_FILE", &passphrase).output().ok();
    let good = String::from_utf8(read(&world.identity_file())).unwrap();
    assert!(good.contains("65536"), "{good}");
    for (from, to) in [
        ("65536", "1048577"),
        ("65536", "4294967295"),
        ("65536", "65535"),
        ("65536", "0"),
        ("65536", "99999999999999999999"),
    ] {
        write_private(&world.identity_file(), good.replace(from, to));
        let start = std::time::Instant::now();
        let before = world.snapshot();
        // No passphrase can be had, and none is asked for: the file is refused as such.
        world.vault(["get", "K"]).fails_with(4, "not a sealed identity");
        world.run(["get", "K"]).env("VLT_PASSPHRASE_FILE", &passphrase).output().fails_with(4, "not a sealed identity");
        assert!(start.elapsed().as_secs() < 3);
        world.assert_unchanged(&before);
    }
}

#[test]
fn hostile_costs_in_the_vault_file_are_refused_before_any_work() {
    let world = World::bare();
    let code = world.project.join("code");
    world.vault(["init", "--device", "d", "--recovery-file", code.to_str().unwrap()]).ok();
    let good = world.text();
    assert!(good.contains("m = 65536, t = 3, p = 4"), "{good}");
    for (from, to) in [
        ("m = 65536", "m = 1048577"),
        ("m = 65536", "m = 281474976710656"),
        ("t = 3", "t = 17"),
        ("t = 3", "t = 4294967296"),
        ("p = 4", "p = 17"),
        ("p = 4", "p = 1"),
    ] {
        world.put(good.replace(from, to));
        let start = std::time::Instant::now();
        refused(&world, "", "");
        assert!(start.elapsed().as_secs() < 5);
    }
}

#[test]
fn without_a_home_the_variable_to_set_is_named() {
    let (world, _) = World::with_secret("K");
    world.run(["get", "K"]).without("HOME").output().fails(8, "neither HOME nor", "set VLT_CONFIG_DIR");
    world.run(["exec", "--", "true"]).without("HOME").output().fails(125, "neither HOME nor", "set VLT_CONFIG_DIR");
    let run = world.run(["get", "K"]).without("HOME").env("VLT_CONFIG_DIR", world.home.join(".config/vault"));
    run.output().fails(8, "neither HOME nor", "set VLT_STATE_DIR");
    let run = world.run(["get", "K"]).without("HOME").env("VLT_CONFIG_DIR", world.home.join(".config/vault"));
    run.env("VLT_STATE_DIR", world.state()).shows_values().output().ok();
    world.run(["get", "K"]).env("HOME", "relative").output().fails_with(8, "neither HOME nor");
}

#[test]
fn a_state_directory_that_cannot_be_written_is_named_with_its_variable() {
    let (world, value) = World::with_secret("K");
    let bob = world.clone_for("bob");
    if !(world.give_to_nobody() && bob.give_to_nobody()) {
        return;
    }
    let get = || world.run(["get", "K"]).unprivileged();
    assert_eq!(get().shows_values().output().ok().out(), value);
    let state = world.state().join("vaults").join(world.id());
    for (path, usual, unusable) in [(state, 0o700, 0o500), (world.log_file("alice-laptop"), 0o600, 0o400)] {
        set_mode(&path, unusable);
        let before = world.snapshot();
        world.run(["set", "K", "-"]).stdin("v").unprivileged().output().fails(8, "permission denied", "VLT_STATE_DIR");
        world.run(["rm", "K"]).unprivileged().output().fails(8, "permission denied", "VLT_STATE_DIR");
        world.assert_unchanged(&before);
        set_mode(&path, usual);
    }
    // Nothing was ever written there: the directory itself cannot be made.
    set_mode(&bob.home, 0o500);
    let id = bob.id();
    for words in [&["list"][..], &["trust"], &["get", "K"]] {
        let run = bob.run(words).env("VLT_VAULT_ID", &id).unprivileged();
        run.output().fails(8, "", "VLT_STATE_DIR");
    }
    bob.run(["init", "--vault", "new.toml"]).unprivileged().output().fails(8, "", "VLT_STATE_DIR");
    set_mode(&bob.home, 0o700);
    // Somebody else's directory.
    if rustix::process::geteuid().is_root() {
        let run = world.run(["get", "K"]).env("VLT_STATE_DIR", "/proc/1/vault").unprivileged();
        let output = run.output();
        assert!(matches!(output.status, 5 | 8), "{}", output.stderr);
    }
}

#[test]
fn a_project_that_cannot_be_written_keeps_its_file() {
    let (world, _) = World::with_secret("K");
    if !world.give_to_nobody() {
        return;
    }
    set_mode(&world.project, 0o500);
    let before = world.snapshot();
    let output = world.run(["set", "K", "-"]).stdin("v").unprivileged().output().exits(8);
    assert!(output.hint().is_none_or(|hint| !hint.contains("VLT_STATE_DIR")), "{}", output.stderr);
    world.assert_unchanged(&before);
    world.run(["get", "K"]).unprivileged().shows_values().output().ok();
    set_mode(&world.project, 0o700);
}

#[test]
fn a_full_or_closed_output_is_an_error() {
    let (world, _) = World::with_secret("K");
    for words in [
        &["get", "K"][..],
        &["get", "K", "--json"],
        &["list"],
        &["list", "--json"],
        &["show", "K"],
        &["which"],
        &["verify"],
        &["audit"],
        &["doctor"],
        &["config"],
        &["identity", "show"],
        &["profile", "list"],
        &["help"],
        &["--version"],
        &["help", "set"],
        &["exec", "--help"],
    ] {
        let status = if words[0] == "exec" { 125 } else { 8 };
        world.run(words).redirect(">/dev/full").output().exits(status).says("cannot write to standard output");
        world.run(words).redirect(">&-").output().exits(status).says("cannot write to standard output");
    }
    // The command's own affair.
    world.run(["exec", "--", "true"]).redirect(">/dev/full").output().ok();
    world.run(["exec", "--", "true"]).redirect(">&-").output().ok();
}

#[test]
fn a_closed_or_full_standard_error_changes_no_status() {
    let (world, value) = World::with_secret("K");
    for redirection in ["2>&-", "2>/dev/full"] {
        assert_eq!(world.run(["get", "K"]).redirect(redirection).shows_values().output().ok().out(), value);
        world.run(["get", "NOSUCH"]).redirect(redirection).output().exits(3);
        world.run(["set", "N", "-"]).stdin("v\n").redirect(redirection).output().ok();
        world.run(["nosuch"]).redirect(redirection).output().exits(2);
        world.run(["exec", "--", "nosuch"]).redirect(redirection).output().exits(127);
        world.run(["exec", "--", "sh", "-c", "exit 9"]).redirect(redirection).foreign_stderr().output().exits(9);
    }
    world.run(["get", "K"]).redirect("<&- >&- 2>&-").output().exits(8);
    world.run(["set", "N", "-"]).redirect("<&-").output().exits(2);
    world.vault(["verify"]).ok();
    world.vault(["audit", "verify", "--deep"]).ok();
}

#[test]
fn no_command_and_no_such_command() {
    let world = World::new();
    world.vault::<[&str; 0], &str>([]).ok().prints("identity");
    world.vault(["profile"]).exits(2).says("Usage: vault profile");
    world.vault(["lst"]).fails(2, "no such command", "list");
    world.vault(["list", "--jsom"]).fails(2, "unexpected argument", "--json");
    world.vault(["help", "nosuch"]).exits(2);
    for words in [&["--help"][..], &["help", "set"], &["--version"], &["set", "--help"]] {
        let output = world.vault(words).ok().silent();
        assert!(!output.stdout.is_empty());
    }
}
