//! A large file of several profiles: `exec` reads what its profile needs, and nothing is
//! true of it that is not true of the whole.

use std::path::{Path, PathBuf};

use crate::harness::{Output, World, read, write};

/// `dev`, which extends `base`, beside the large profile `prod`. Used once, so that where
/// the sections are is remembered.
fn world() -> World {
    let world = World::new();
    for (profile, more) in [("base", &[][..]), ("dev", &["--extends", "base"]), ("prod", &[])] {
        world.vault([&["profile", "add", profile], more].concat()).ok();
    }
    world.set_with("OWN", "of dev", &["-p", "dev"]);
    world.set_with("TAKEN", "of base", &["-p", "base"]);
    world.set_with("LARGE", vec![b'x'; 100_000], &["-p", "prod"]);
    run(&world).prints("of dev of base\n");
    world
}

fn run(world: &World) -> Output {
    world.run(["exec", "-p", "dev", "--", "sh", "-c", "echo $OWN $TAKEN"]).shows_values().output()
}

fn trust_file(world: &World) -> PathBuf {
    world.state().join("vaults").join(world.id()).join("trust.json")
}

/// What `exec` does without the memory of where sections are: reads all of the file.
fn forget(trust: &Path) {
    let mut memory: serde_json::Value = serde_json::from_slice(&read(trust)).unwrap();
    assert!(memory.as_object_mut().unwrap().remove("parts").is_some());
    write(trust, memory.to_string());
}

/// The file with a byte of a line changed.
fn damaged(world: &World, line: &str) -> Vec<u8> {
    let mut bytes = world.bytes();
    let at = world.text().find(line).unwrap() + line.len();
    bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
    bytes
}

#[test]
fn other_profiles_are_not_read() {
    let world = world();
    if let Some(trace) = world.run(["exec", "-p", "dev", "--", "true"]).trace("desc") {
        let from = trace.find("vault.toml\", O_RDONLY").unwrap();
        let reads: Vec<&str> = trace[from..].lines().take_while(|line| !line.contains("close(")).collect();
        let count: u64 = reads.iter().filter_map(|line| line.rsplit_once("= ")?.1.trim().parse::<u64>().ok()).sum();
        assert!(count > 1_000 && count < 20_000, "{reads:#?}");
    }
    // What is read is verified, and what is not read is somebody else's.
    world.put(damaged(&world, "[profile.prod.secret.LARGE]\n"));
    run(&world).prints("of dev of base\n");
    forget(&trust_file(&world));
    run(&world).prints("of dev of base\n");
}

#[test]
fn damage_is_the_same_error_as_in_the_whole_file() {
    let world = world();
    let (good, trust) = (world.bytes(), trust_file(&world));
    for line in [
        "do = \"",
        "[profile.dev.grant]\n",
        "[profile.base.secret.TAKEN]\n",
        "id = \"",
        "[profile.dev.signature]\nteam = \"",
    ] {
        world.put(damaged(&world, line));
        let in_part = run(&world).exits(125);
        forget(&trust);
        let whole = run(&world).exits(125);
        assert_eq!((in_part.error(), in_part.hint()), (whole.error(), whole.hint()), "{line}");
        world.put(&good);
        // Learned anew.
        run(&world).prints("of dev of base\n");
    }
}

#[test]
fn a_file_that_moved_on_is_read_anew() {
    let world = world();
    let old = read(&trust_file(&world));
    // Another length, the same length, another place, a longer team log: each with the old memory.
    for change in [
        &["set", "OWN", "-", "--raw", "-p", "dev"][..],
        &["set", "LARGE", "-", "--raw", "-p", "prod"],
        &["profile", "add", "another"],
        &["profile", "set", "default", "--extends", "base"],
    ] {
        world.run(change).stdin("of dex").output().ok();
        let now = world.run(["get", "OWN", "-p", "dev"]).shows_values().output().ok().out();
        write(&trust_file(&world), &old);
        run(&world).prints(&format!("{now} of base\n"));
    }
}

#[test]
fn two_worktrees_in_turn_write_nothing() {
    let world = world();
    let old = world.bytes();
    world.run(["set", "LARGE", "-", "--raw", "-p", "prod"]).stdin(vec![b'y'; 110_000]).output().ok();
    let new = world.bytes();
    for bytes in [&old, &new] {
        world.put(bytes);
        run(&world).prints("of dev of base\n");
    }
    let before = read(&trust_file(&world));
    for bytes in [&old, &new, &old] {
        world.put(bytes);
        run(&world).prints("of dev of base\n");
        assert!(read(&trust_file(&world)) == before);
    }
}

#[test]
fn what_is_missing_is_said_of_the_whole_file() {
    let world = world();
    world.vault(["exec", "-p", "dev", "--only", "TAKE", "--", "true"]).fails_with(125, "no secret TAKE");
    world.vault(["exec", "-p", "dve", "--", "true"]).fails(
        125,
        "no profile dve",
        "there are: base, default, dev, prod",
    );
    std::fs::remove_file(world.vault_file()).unwrap();
    let error = world.vault(["exec", "-p", "dev", "--", "true"]).exits(125);
    assert_eq!(error.error(), world.vault(["get", "OWN", "-p", "dev"]).error());
}
