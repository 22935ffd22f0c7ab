//! The agent and an identity that was replaced: which one it holds, and until when.

use std::path::PathBuf;

use crate::agent::Unlocked;
use crate::harness::{Run, World, write_private};

/// The identity's file with this ending.
fn beside(world: &World, ending: &str) -> PathBuf {
    world.identity_file().with_file_name(format!("identity.{ending}"))
}

/// A second vault of the same identity, with one secret.
fn second(world: &World) -> String {
    std::fs::create_dir(world.project.join("second")).unwrap();
    let value = world.secret();
    world.run(["init", "--device", "alice-laptop"]).within("second").output().ok();
    world.run(["set", "SECOND", "-", "--raw"]).within("second").stdin(&value).output().ok();
    value
}

fn get_second(world: &World) -> Run<'_> {
    world.run(["get", "SECOND"]).within("second").shows_values()
}

#[test]
fn replacing_an_identity_ends_an_agent_that_holds_it() {
    let world = Unlocked::prepared();
    let value = world.value("K");
    world.vault(["unlock"]).ok();
    world.vault(["identity", "rotate", "--dry-run"]).ok().says_not("locked");
    assert!(world.socket().exists());
    world.vault(["identity", "rotate"]).ok().says("locked: the agent held the old identity; `vault unlock`");
    assert!(!world.socket().exists());
    world.vault(["unlock"]).ok();
    std::fs::remove_file(beside(&world, "old")).unwrap();
    world.hide_identity();
    assert_eq!(world.value("K"), value);
}

#[test]
fn an_agent_that_holds_another_goes_on() {
    let world = Unlocked::prepared();
    second(&world);
    world.vault(["identity", "rotate"]).ok().says_not("locked");
    world.vault(["unlock"]).ok();
    world.run(["identity", "rotate"]).within("second").output().ok().says("takes the place").says_not("locked");
    assert!(world.socket().exists());
}

#[test]
fn a_replacement_that_is_finished_ends_it_too() {
    let world = Unlocked::prepared();
    let before = std::fs::read(world.identity_file()).unwrap();
    world.vault(["unlock"]).ok();
    world.vault(["identity", "rotate"]).ok();
    // As if cut short behind the vault: the old one in its place, the new one waiting.
    std::fs::rename(world.identity_file(), beside(&world, "next")).unwrap();
    write_private(&world.identity_file(), &before);
    world.run(["unlock"]).within(&world.home).output().ok();
    world.vault(["identity", "rotate"]).ok().says("locked: the agent held").says("this machine is alice-laptop-2 now");
    assert!(!world.socket().exists());
    // An agent of the one that waits is not in the way.
    std::fs::rename(world.identity_file(), beside(&world, "next")).unwrap();
    write_private(&world.identity_file(), &before);
    world.vault(["unlock"]).ok().says("a new identity waits");
    world.vault(["identity", "rotate"]).ok().says("this machine is alice-laptop-2 now").says_not("locked");
    assert!(world.socket().exists());
    world.run(["get", "K"]).shows_values().output().ok();
}

#[test]
fn unlocking_finds_what_a_replacement_left_beside_it() {
    let world = Unlocked::prepared();
    let value = second(&world);
    world.vault(["identity", "rotate"]).ok();
    world.run(["unlock"]).within("second").output().ok().says("unlocked until").says_not("warning");
    // Nothing but the agent knows it from here.
    std::fs::rename(beside(&world, "old"), beside(&world, "old-hidden")).unwrap();
    assert_eq!(get_second(&world).output().ok().stdout, value.as_bytes());
    world.vault(["lock"]).ok();
    get_second(&world).output().fails(4, "belongs to no device of the vault", "vault join");
    // One that the vault does not know at all is held for the others that do.
    let unlocked = world.run(["unlock"]).within("second").output().ok();
    assert!(unlocked.warnings()[0].contains("knows this identity as no device"), "{unlocked:?}");
    world.run(["unlock", "-p", "default"]).within("second").output().fails_with(4, "belongs to no device");
    world.run(["get", "K"]).shows_values().output().ok();
}

#[test]
fn an_agent_does_not_hide_what_waits_where_the_file_is_gone() {
    let world = Unlocked::prepared();
    std::fs::rename(world.identity_file(), beside(&world, "next")).unwrap();
    world.vault(["unlock"]).ok().says("a new identity waits");
    world.run(["get", "K"]).shows_values().output().ok();
    // The agent has it, but signs no change of the team: the file that waits does.
    world.vault(["profile", "add", "more"]).ok().says("a new identity waits");
    std::fs::remove_file(beside(&world, "next")).unwrap();
    world.vault(["profile", "add", "again"]).fails(4, "needs the identity itself", "--identity FILE");
}

#[test]
fn a_passphrase_is_never_asked_for_an_identity_that_is_of_no_use() {
    let world = World::bare();
    let (old, new) = (world.home.join("private/old"), world.home.join("private/new"));
    write_private(&old, "correct horse\n");
    write_private(&new, "battery staple\n");
    let on = |words: &[&str], pass: &PathBuf| world.run(words).env("VLT_PASSPHRASE_FILE", pass).output();
    on(&["init", "--passphrase", "--device", "alice-laptop"], &old).ok();
    std::fs::create_dir(world.project.join("second")).unwrap();
    let there = |words: &[&str], pass: &PathBuf| {
        world.run(words).within("second").env("VLT_PASSPHRASE_FILE", pass).shows_values().output()
    };
    there(&["init", "--device", "alice-laptop"], &old).ok();
    there(&["set", "SECOND", "--generate"], &old).ok();
    // A new identity with a passphrase of its own, by hand: replacing asks for both.
    std::fs::rename(world.identity_file(), beside(&world, "old")).unwrap();
    std::fs::create_dir(world.project.join("third")).unwrap();
    world.run(["init", "--passphrase"]).within("third").env("VLT_PASSPHRASE_FILE", &new).output().ok();
    there(&["get", "SECOND"], &old).ok();
    let unlocked = there(&["unlock"], &old).ok();
    assert!(unlocked.warnings().is_empty(), "{unlocked:?}");
    world.vault(["lock"]).ok();
    there(&["get", "SECOND"], &new).fails_with(4, "identity.old: wrong passphrase");
}

#[test]
fn a_passphrase_that_stays_is_told_and_a_code_that_was_not_there() {
    let world = World::new();
    let pass = world.home.join("pass");
    write_private(&pass, "correct horse\n");
    let rotate = |more: &[&str]| {
        let run = world.run([&["identity", "rotate"], more].concat()).env("VLT_PASSPHRASE_FILE", &pass);
        run.output().ok()
    };
    // Plain before: the passphrase is a new one.
    rotate(&["--passphrase"]).says_not("has the passphrase");
    rotate(&[]).says("the new identity has the passphrase that the environment gives for the old one");
    let code = world.project.join("code");
    let said = rotate(&["--recovery-file", code.to_str().unwrap()]);
    said.says("there was no recovery code to replace");
    assert!(!code.exists());
}
