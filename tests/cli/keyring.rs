//! The identity in the system's keyring, against gnome-keyring on a D-Bus of its own.

use std::os::unix::net::UnixListener;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::desktop::Desktop;
use crate::harness::{Run, World, read, write_private};

/// A world whose identity is in the keyring, with one secret.
fn kept_in_keyring() -> Option<(World, Desktop, String)> {
    let (world, value) = World::with_secret("K");
    let desktop = Desktop::start(&world)?;
    desktop.on(world.run(["identity", "move", "keyring"])).output().ok();
    Some((world, desktop, value))
}

fn config(world: &World) -> String {
    String::from_utf8(read(&world.home.join(".config/vault/config.toml"))).unwrap()
}

#[test]
fn a_new_identity_goes_into_the_keyring_and_nowhere_else() {
    let world = World::bare();
    let Some(desktop) = Desktop::start(&world) else { return };
    let on = |words: &[&str]| desktop.on(world.run(words));
    on(&["init", "--keyring", "--device", "alice-laptop"]).output().ok().says("identity: the keyring (new)");
    let text = desktop.lookup().expect("it is there");
    let key = text.lines().find(|line| line.starts_with("AGE-SECRET-KEY-1")).unwrap();
    world.forbid(&key[16..]);
    assert!(!world.identity_file().exists());
    assert_eq!(config(&world), "identity = \"keyring\"\n");

    let value = world.secret();
    on(&["set", "K", "-", "--raw"]).stdin(&value).output().ok();
    assert_eq!(on(&["get", "K"]).shows_values().output().ok().stdout, value.as_bytes());
    let echo = ["exec", "--", "sh", "-c", "printf %s \"$K\""];
    assert_eq!(on(&echo).shows_values().output().ok().stdout, value.as_bytes());
    on(&["verify"]).output().ok().prints("the one value opens");
    on(&["audit", "verify"]).output().ok();
    on(&["identity", "where"]).output().ok().prints("the keyring");
    on(&["doctor"]).output().ok().prints("alice-laptop of this vault");
    // A second vault takes the same identity.
    let second = world.base().join("second");
    std::fs::create_dir(&second).unwrap();
    on(&["init", "--device", "d"]).within(&second).output().ok().says("identity: the keyring (as it was)");
}

#[test]
fn one_can_be_made_there_before_there_is_a_vault() {
    let world = World::bare();
    let Some(desktop) = Desktop::start(&world) else { return };
    let on = |words: &[&str]| desktop.on(world.run(words));
    on(&["identity", "new", "--keyring", "-n"]).output().ok().says("would make an identity in the keyring");
    assert_eq!(desktop.lookup(), None);
    let made = on(&["identity", "new", "--keyring"]).output().ok().says("identity: the keyring (new)").out();
    let text = desktop.lookup().expect("it is there");
    assert!(text.contains(made.split_whitespace().nth(1).unwrap()), "{made}");
    assert!(!world.identity_file().exists());
    on(&["identity", "new"]).output().fails(2, "this device has an identity: the keyring", "vault identity rotate");
    on(&["init", "--device", "d"]).output().ok().says("identity: the keyring (as it was)");
    assert_eq!(desktop.lookup(), Some(text));
}

#[test]
fn a_machine_that_has_an_identity_gets_no_second_one() {
    let world = World::new();
    let Some(desktop) = Desktop::start(&world) else { return };
    let second = world.base().join("second");
    std::fs::create_dir(&second).unwrap();
    let init = desktop.on(world.run(["init", "--keyring"])).within(&second).output();
    init.fails(2, "this machine's identity is kept in", "identity move keyring");
    assert_eq!(desktop.lookup(), None);
}

#[test]
fn moves_there_and_back() {
    let (world, value) = World::with_secret("K");
    let Some(desktop) = Desktop::start(&world) else { return };
    let text = String::from_utf8(read(&world.identity_file())).unwrap();
    let on = |words: &[&str]| desktop.on(world.run(words));

    on(&["identity", "move", "keyring", "--dry-run"]).output().ok().says("would move");
    assert_eq!(desktop.lookup(), None);
    on(&["identity", "move", "keyring"]).output().ok().says("kept in the keyring now").says("removed from");
    assert_eq!(desktop.lookup().as_ref(), Some(&text));
    assert!(!world.identity_file().exists());
    assert_eq!(on(&["get", "K"]).shows_values().output().ok().stdout, value.as_bytes());
    on(&["identity", "move", "keyring"]).output().ok().says("in the keyring already");

    on(&["identity", "move", "file"]).output().ok().says("removed from the keyring");
    assert_eq!(desktop.lookup(), None);
    assert_eq!(read(&world.identity_file()), text.as_bytes());
    assert_eq!(config(&world), "");
    // Without the desktop now.
    assert_eq!(world.value("K"), value.as_bytes());
}

#[test]
fn what_is_sealed_stays_sealed() {
    let world = World::bare();
    let Some(desktop) = Desktop::start(&world) else { return };
    let pass = world.home.join("private/pass");
    write_private(&pass, "correct horse\n");
    let on = |words: &[&str]| desktop.on(world.run(words)).env("VLT_PASSPHRASE_FILE", &pass);
    on(&["init", "--keyring", "--passphrase"]).output().ok();
    assert!(desktop.lookup().unwrap().starts_with("# vault identity, sealed"));
    on(&["set", "K", "-"]).stdin("v").output().ok();
    desktop.on(world.run(["get", "K"])).output().fails(4, "no passphrase for the keyring", "VLT_PASSPHRASE_FILE");
    // Moving needs no passphrase.
    desktop.on(world.run(["identity", "move", "file"])).output().ok();
    assert!(read(&world.identity_file()).starts_with(b"# vault identity, sealed"));
    on(&["get", "K"]).shows_values().output().ok();
}

#[test]
fn a_file_of_the_users_own_is_left_and_said_to_remain() {
    let world = World::bare();
    let Some(desktop) = Desktop::start(&world) else { return };
    let keys = world.home.join("private/keys.txt");
    let text = vault::crypto::IdentityKey::generate().unwrap().to_text();
    write_private(&keys, text.reveal());
    world.vault(["init", "--device", "d", "--identity-file", keys.to_str().unwrap()]).ok();
    let moved = desktop.on(world.run(["identity", "move", "keyring"])).output().ok();
    assert_eq!(moved.warnings().len(), 1);
    assert!(moved.warnings()[0].contains("still holds it"));
    assert_eq!(read(&keys), text.reveal());
    // And to a file that is named.
    let other = world.home.join("private/other");
    let place = format!("file:{}", other.display());
    desktop.on(world.run(["identity", "move", &place])).output().ok();
    assert_eq!(read(&other), text.reveal());
    world.vault(["identity", "show"]).ok();
}

#[test]
fn another_identity_is_never_written_over() {
    let world = World::new();
    let Some(desktop) = Desktop::start(&world) else { return };
    let own = read(&world.identity_file());
    let stranger = vault::crypto::IdentityKey::generate().unwrap().to_text();
    for other in ["rubbish", std::str::from_utf8(stranger.reveal()).unwrap()] {
        desktop.store(other);
        let moved = desktop.on(world.run(["identity", "move", "keyring"])).output();
        moved.fails(7, "the keyring holds another identity", "--keyring");
        assert_eq!(desktop.lookup().as_deref(), Some(other));
        assert_eq!(read(&world.identity_file()), own);
    }
}

#[test]
fn a_move_that_was_cut_short_is_finished_by_the_next() {
    let (world, value) = World::with_secret("K");
    let Some(desktop) = Desktop::start(&world) else { return };
    let text = String::from_utf8(read(&world.identity_file())).unwrap();
    let move_it = || desktop.on(world.run(["identity", "move", "keyring"])).output().ok();
    let get = || desktop.on(world.run(["get", "K"])).shows_values().output().ok().stdout;
    // Written to the keyring and no further.
    desktop.store(&text);
    assert_eq!(get(), value.as_bytes());
    move_it();
    assert!(!world.identity_file().exists());
    // The configuration says so already, and the old copy is still there.
    write_private(&world.identity_file(), &text);
    assert_eq!(get(), value.as_bytes());
    move_it().says("already").says("removed from");
    assert!(!world.identity_file().exists());
    assert_eq!(get(), value.as_bytes());
    // A file that is another identity is nobody's leftover.
    let other = vault::crypto::IdentityKey::generate().unwrap().to_text();
    write_private(&world.identity_file(), other.reveal());
    move_it().says_not("removed");
    assert_eq!(read(&world.identity_file()), other.reveal());
}

/// Kills it, or the process that reads back for it, on the way into the `number`th of these
/// calls. True if it came to its end all the same; `None` where nothing can be traced.
fn killed_at(run: &Run<'_>, call: &str, number: usize) -> Option<bool> {
    let (plain, mut traced) = (run.command(), Command::new("strace"));
    let inject = format!("inject={call}:signal=KILL:when={number}");
    traced.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &inject, "--"]);
    traced.arg(plain.get_program()).args(plain.get_args()).current_dir(plain.get_current_dir().unwrap());
    traced.env_clear().envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let ended = match traced.output() {
        Ok(output) => output.status,
        Err(error) => {
            assert!(std::env::var("CI").is_err(), "strace: {error}");
            return None;
        }
    };
    Some(ended.success())
}

/// Kills a move at every call that matters: what it leaves opens the vault, and the same
/// move finishes. `before` puts everything back to where the move begins.
fn sweep(place: &str, before: impl Fn(&World, &Desktop, &str)) {
    let (world, value) = World::with_secret("K");
    let Some(desktop) = Desktop::start(&world) else { return };
    let text = String::from_utf8(read(&world.identity_file())).unwrap();
    let file = || std::fs::read_to_string(world.identity_file()).ok();
    let moving = || desktop.on(world.run(["identity", "move", place]));
    let mut points = 0;
    for call in ["sendmsg", "fsync", "renameat,renameat2", "unlink", "clone3"] {
        for number in 1.. {
            before(&world, &desktop, &text);
            let Some(ended) = killed_at(&moving(), call, number) else { return };
            if ended {
                break;
            }
            points += 1;
            let there = [file(), desktop.lookup()];
            let at = format!("{place}, {call} {number}");
            assert!(there.iter().any(|kept| kept.as_ref() == Some(&text)), "lost: {at}");
            assert!(there.iter().flatten().all(|kept| *kept == text), "something else: {at}");
            let got = desktop.on(world.run(["get", "K"])).shows_values().output();
            assert_eq!((got.status, &got.stdout[..]), (0, value.as_bytes()), "{at}: {}", got.stderr);
            moving().output().ok();
            let kept = if place == "keyring" { [None, Some(text.clone())] } else { [Some(text.clone()), None] };
            assert_eq!([file(), desktop.lookup()], kept, "{at}");
            let left = std::fs::read_dir(world.identity_file().parent().unwrap()).unwrap();
            let mut left = left.map(|entry| entry.unwrap().file_name());
            assert!(left.all(|name| name != ".identity.tmp"), "{at}: a copy is left");
        }
    }
    assert!(points >= 12, "{points} points");
}

#[test]
fn a_move_to_the_keyring_that_is_killed_anywhere_loses_nothing() {
    sweep("keyring", |world, desktop, text| {
        desktop.clear();
        let _ = std::fs::remove_file(world.home.join(".config/vault/config.toml"));
        let _ = std::fs::remove_file(world.identity_file());
        write_private(&world.identity_file(), text);
    });
}

#[test]
fn a_move_out_of_the_keyring_that_is_killed_anywhere_loses_nothing() {
    sweep("file", |world, desktop, text| {
        desktop.store(text);
        let _ = std::fs::remove_file(world.identity_file());
        write_private(&world.home.join(".config/vault/config.toml"), "identity = \"keyring\"\n");
    });
}

#[test]
fn a_copy_that_does_not_read_back_is_not_relied_on() {
    let (world, value) = World::with_secret("K");
    let before = world.snapshot();
    // Nothing can be written there.
    world.vault(["identity", "move", "file:/proc/identity"]).fails_with(4, "/proc");
    world.assert_unchanged(&before);
    // No keyring at all.
    world.vault(["identity", "move", "file"]).ok().says("already").says_not("removed");
    let none = world.run(["identity", "move", "keyring"]).env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent");
    none.output().fails(4, "the system's keyring cannot be reached", "D-Bus");
    world.assert_unchanged(&before);
    assert_eq!(world.value("K"), value.as_bytes());
}

#[test]
fn it_is_replaced_in_a_file_and_what_was_before_it_is_found_from_the_keyring() {
    let Some((world, desktop, value)) = kept_in_keyring() else { return };
    let on = |words: &[&str]| desktop.on(world.run(words));
    std::fs::create_dir(world.project.join("second")).unwrap();
    on(&["init", "--device", "alice-laptop"]).within("second").output().ok();
    on(&["set", "SECOND", "--generate"]).within("second").output().ok();
    let refused = on(&["identity", "rotate"]).output();
    refused.fails(2, "kept in the keyring", "three steps: `vault identity move file`, `vault identity rotate`");
    for words in [&["identity", "move", "file"][..], &["identity", "rotate"], &["identity", "move", "keyring"]] {
        on(words).output().ok();
    }
    assert!(!world.identity_file().exists());
    assert_eq!(on(&["get", "K"]).shows_values().output().ok().stdout, value.as_bytes());
    on(&["get", "SECOND"]).within("second").shows_values().output().ok();
}

#[test]
fn a_locked_keyring_is_said_to_be_locked() {
    let Some((world, desktop, _)) = kept_in_keyring() else { return };
    desktop.lock();
    for words in [&["get", "K"][..], &["identity", "show"], &["identity", "move", "file"]] {
        desktop.on(world.run(words)).output().fails(4, "the keyring is locked", "unlock the keyring");
    }
    desktop.on(world.run(["exec", "--", "true"])).output().fails(125, "the keyring is locked", "unlock the keyring");
    desktop.on(world.run(["doctor"])).output().exits(0).prints("warning  identity  the keyring is locked");
    // Names and dates need no identity, and so no keyring.
    desktop.on(world.run(["list"])).output().ok().prints("K");
}

#[test]
fn a_prompt_that_nobody_sees_is_not_waited_for() {
    let Some((world, desktop, _)) = kept_in_keyring() else { return };
    desktop.prompts_never_appear();
    desktop.lock();
    in_time(|| {
        desktop.on(world.run(["get", "K"])).output().fails(4, "did not answer within 10 s", "unlock the keyring")
    });
}

#[test]
fn a_bus_that_is_not_there_or_says_nothing_is_an_error_in_time() {
    let (world, _) = World::with_secret("K");
    world.vault(["config", "identity", "keyring"]).ok();
    let get = |address: &str| world.run(["get", "K"]).env("DBUS_SESSION_BUS_ADDRESS", address).output();
    let unreachable = get("unix:path=/nonexistent");
    assert!(!unreachable.stderr.contains("os error"), "{}", unreachable.stderr);
    unreachable.fails(4, "the system's keyring cannot be reached", "D-Bus");
    world.vault(["get", "K"]).fails(4, "the system's keyring cannot be reached", "D-Bus");
    let path = world.base().join("deaf");
    let _deaf = UnixListener::bind(&path).unwrap();
    in_time(|| {
        get(&format!("unix:path={}", path.display())).fails(4, "did not answer within 10 s", "unlock the keyring")
    });
}

#[track_caller]
fn in_time<T>(run: impl FnOnce() -> T) {
    let began = Instant::now();
    run();
    assert!(began.elapsed() >= Duration::from_secs(9), "gave up at once");
}

/// The system calls show it: nobody connects to anything.
#[test]
fn d_bus_is_contacted_only_if_the_configuration_says_keyring() {
    let (world, _) = World::with_secret("K");
    let bus = world.base().join("bus");
    let listener = UnixListener::bind(&bus).unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = format!("unix:path={}", bus.display());
    for words in [
        &["get", "K"][..],
        &["exec", "--", "true"],
        &["list"],
        &["doctor"],
        &["identity", "where"],
        &["identity", "show"],
        &["set", "K", "--generate"],
        &["verify"],
    ] {
        let run = world.run(words).env("DBUS_SESSION_BUS_ADDRESS", &address).env("XDG_RUNTIME_DIR", world.base());
        let Some(trace) = run.trace("network") else { return };
        assert!(!trace.contains("connect("), "{words:?}: {trace}");
    }
    assert!(listener.accept().is_err());
    // The trace can show it.
    world.vault(["config", "identity", "keyring"]).ok();
    let run = world.run(["identity", "where"]).env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent");
    assert!(run.trace("network").unwrap().contains("/nonexistent"));
}
