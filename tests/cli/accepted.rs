//! What was accepted of a file: `exec` uses it again for as long as neither the file nor the
//! memory changes, and nothing is true of it that is not true of the whole file.

use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;

use proptest::prelude::*;
use vault::Accepted;

use crate::harness::{Output, Run, World, read, set_mode, write, write_private};
use crate::team::add_member;
use crate::terminal::Terminal;

const READS: &str = "read = [\"base\", \"dev\"]\n";
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

/// `dev`, which extends `base`, beside `prod`.
fn world() -> World {
    let world = World::new();
    for (profile, more) in [("base", &[][..]), ("dev", &["--extends", "base"]), ("prod", &[])] {
        world.vault([&["profile", "add", profile], more].concat()).ok();
    }
    world.set_with("OWN", "of dev", &["-p", "dev"]);
    world.set_with("TAKEN", "of base", &["-p", "base"]);
    world.set_with("LARGE", vec![b'x'; 100_000], &["-p", "prod"]);
    accept(&world);
    world
}

fn exec(world: &World) -> Run<'_> {
    world.run(["exec", "-p", "dev", "--", "sh", "-c", "echo $OWN $TAKEN"]).shows_values()
}

fn run(world: &World) -> Output {
    exec(world).output()
}

fn state(world: &World) -> PathBuf {
    world.state().join("vaults").join(world.id())
}

fn accepted(world: &World) -> PathBuf {
    state(world).join("accepted-dev.json")
}

/// Has it remembered: a while after the file was written, as until then a change might not show.
fn accept(world: &World) {
    let before = accepted(world).exists().then(|| read(&accepted(world)));
    exec(world).env("LD_PRELOAD", FAKETIME).env("FAKETIME", "+1m").output().ok();
    assert!(before != Some(read(&accepted(world))), "nothing new was remembered");
}

/// True if a run reads what was accepted, and neither the memory nor the rest of the file.
fn is_used(world: &World) -> bool {
    let trace = exec(world).trace("desc").expect("strace runs here");
    let from = trace.find("vault.toml\", O_RDONLY").unwrap();
    let reads: Vec<&str> = trace[from..].lines().take_while(|line| !line.contains("close(")).collect();
    let count: u64 = reads.iter().filter_map(|line| line.rsplit_once("= ")?.1.trim().parse::<u64>().ok()).sum();
    let whole = trace.contains("trust.json\", O_RDONLY");
    assert!(whole == (count > 100_000) && count > 1_000, "{reads:#?}");
    !whole
}

/// The file with a byte of a line changed.
fn damaged(world: &World, line: &str) -> Vec<u8> {
    let mut bytes = world.bytes();
    let at = world.text().find(line).unwrap() + line.len();
    bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
    bytes
}

/// Writes over the file in place, and gives it the times that it had.
fn put_in_place(world: &World, bytes: &[u8]) {
    let times = std::fs::metadata(world.vault_file()).unwrap().modified().unwrap();
    let file = std::fs::File::options().write(true).open(world.vault_file()).unwrap();
    file.write_all_at(bytes, 0).unwrap();
    file.set_modified(times).unwrap();
}

#[test]
fn the_log_the_memory_and_other_profiles_are_not_read() {
    let world = world();
    assert!(is_used(&world));
    run(&world).prints("of dev of base\n");
    // Another file from here on, whatever its times say: what is not used in it is somebody else's.
    put_in_place(&world, &damaged(&world, "[profile.prod.secret.LARGE]\n"));
    run(&world).prints("of dev of base\n");
    assert!(!is_used(&world));
    accept(&world);
    assert!(is_used(&world));
}

#[test]
fn a_file_that_was_just_written_is_not_remembered() {
    let world = World::new();
    world.vault(["profile", "add", "dev"]).ok();
    world.set_with("OWN", "v", &["-p", "dev"]);
    let written = std::fs::metadata(world.vault_file()).unwrap().modified().unwrap();
    run(&world).ok();
    // On a machine that is slower than that it may be.
    assert!(!accepted(&world).exists() || written.elapsed().unwrap().as_millis() >= 100);
}

#[test]
fn damage_is_the_same_error_as_in_the_whole_file() {
    let world = world();
    let (good, file) = (world.bytes(), accepted(&world));
    for line in [
        "do = \"",
        "[profile.dev.grant]\nalice-laptop = \"",
        "[profile.base.secret.TAKEN]\n",
        "id = \"",
        "[profile.dev.signature]\nteam = \"",
    ] {
        put_in_place(&world, &damaged(&world, line));
        let changed = run(&world).exits(125);
        std::fs::remove_file(&file).unwrap();
        let whole = run(&world).exits(125);
        assert_eq!((changed.error(), changed.hint()), (whole.error(), whole.hint()), "{line}");
        put_in_place(&world, &good);
        accept(&world);
    }
}

/// As if the time of change could be chosen, and the file had the stamp that was accepted.
#[test]
fn a_stamp_alone_makes_nobody_believe_anything() {
    let world = world();
    let states: serde_json::Value = serde_json::from_slice(&read(&accepted(&world))).unwrap();
    let good = world.bytes();
    for line in ["[profile.base.secret.TAKEN]\n", "[profile.dev.grant]\nalice-laptop = \"", "[profile.dev]\nepoch = "] {
        put_in_place(&world, &good);
        put_in_place(&world, &damaged(&world, line));
        let metadata = std::fs::metadata(world.vault_file()).unwrap();
        let mut forged = states.clone();
        forged[0]["file"]["modified"] = serde_json::json!([metadata.mtime(), metadata.mtime_nsec()]);
        forged[0]["file"]["changed"] = serde_json::json!([metadata.ctime(), metadata.ctime_nsec()]);
        write_private(&accepted(&world), forged.to_string());
        run(&world).exits(125);
    }
}

#[test]
fn a_file_that_moved_on_is_read_anew() {
    let world = world();
    // Another length, the same length, another place, a longer team log.
    for change in [
        &["set", "OWN", "-", "--raw", "-p", "dev"][..],
        &["set", "LARGE", "-", "--raw", "-p", "prod"],
        &["profile", "add", "another"],
        &["profile", "set", "default", "--extends", "base"],
    ] {
        world.run(change).stdin("of dex").output().ok();
        let now = world.run(["get", "OWN", "-p", "dev"]).shows_values().output().ok().out();
        run(&world).prints(&format!("{now} of base\n"));
        accept(&world);
        run(&world).prints(&format!("{now} of base\n"));
    }
}

#[test]
fn a_newer_file_that_was_seen_elsewhere_makes_this_one_old() {
    let world = world();
    let other = world.project.join("other");
    std::fs::create_dir(&other).unwrap();
    write(&other.join("vault.toml"), world.bytes());
    let id = world.id();
    world.run(["set", "OWN", "-", "-p", "dev"]).env("VLT_VAULT_ID", &id).within(&other).stdin("new").output().ok();
    let output = run(&world).ok();
    assert!(output.warnings()[0].contains("profile dev is older than seen before"), "{}", output.stderr);
    // It was said, and as long as both stay as they are there is nothing more to say.
    accept(&world);
    assert!(is_used(&world));
    run(&world).prints("of dev of base\n").silent();
    world.vault(["config", "rollback", "refuse"]).ok();
    run(&world).fails_with(125, "profile dev is older than seen before");
}

#[test]
fn two_worktrees_in_turn_write_nothing() {
    let world = world();
    let other = world.project.join("other");
    std::fs::create_dir(&other).unwrap();
    write(&other.join("vault.toml"), world.bytes());
    let id = world.id();
    let there = || exec(&world).env("VLT_VAULT_ID", &id).within(&other);
    there().output().prints("of dev of base\n");
    there().env("LD_PRELOAD", FAKETIME).env("FAKETIME", "+1m").output().ok();
    let before = read(&accepted(&world));
    for _ in 0..2 {
        for run in [exec(&world), there()] {
            run.env("LD_PRELOAD", FAKETIME).env("FAKETIME", "+1m").output().prints("of dev of base\n");
            assert!(read(&accepted(&world)) == before);
        }
    }
    assert!(is_used(&world));
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

#[test]
fn rubbish_in_its_place_is_no_obstacle() {
    let world = world();
    let good = read(&accepted(&world));
    let cut = &good[..good.len() / 2];
    let other_ranges = String::from_utf8(good.clone()).unwrap().replace("\"start\":", "\"start\":9");
    for bytes in [&b""[..], b"[]", b"{}", b"[[]]", cut, other_ranges.as_bytes(), &vec![b'['; 2 << 20]] {
        write_private(&accepted(&world), bytes);
        run(&world).prints("of dev of base\n");
    }
    write_private(&accepted(&world), &good);
    set_mode(&accepted(&world), 0o644);
    run(&world).prints("of dev of base\n");
    std::fs::remove_file(accepted(&world)).unwrap();
    std::fs::create_dir(accepted(&world)).unwrap();
    exec(&world).env("LD_PRELOAD", FAKETIME).env("FAKETIME", "+1m").output().prints("of dev of base\n");
}

#[test]
fn another_identity_is_another_device() {
    let world = world();
    let bob = add_member(&world, "bob", READS);
    run(&world).ok();
    accept(&world);
    assert!(is_used(&world));
    let as_bob = || exec(&world).env("VLT_IDENTITY_FILE", bob.identity_file()).output();
    as_bob().prints("of dev of base\n");
    let device = world.records("bob-laptop").last().unwrap().clone();
    assert_eq!((device["action"].as_str(), device["outcome"].as_str()), (Some("exec"), Some("done")));
    run(&world).prints("of dev of base\n");
    // Who is removed is refused, and told so.
    world.vault(["member", "remove", "bob"]).ok();
    as_bob().fails_with(125, "bob-laptop");
}

#[test]
fn a_stranger_is_told_so_and_asked_for_nothing() {
    let world = world();
    let stranger = World::new();
    let output = exec(&world).env("VLT_IDENTITY_FILE", stranger.identity_file()).output().exits(125);
    std::fs::remove_file(accepted(&world)).unwrap();
    let whole = exec(&world).env("VLT_IDENTITY_FILE", stranger.identity_file()).output().exits(125);
    assert_eq!((output.error(), output.hint()), (whole.error(), whole.hint()));
}

#[test]
fn a_passphrase_is_asked_for_once() {
    let world = World::bare();
    let file = world.home.join("passphrase");
    write_private(&file, "not what is typed below");
    let with = |words: &[&str]| world.run(words).env("VLT_PASSPHRASE_FILE", &file).output().ok();
    with(&["init", "--device", "alice-laptop", "--passphrase"]);
    with(&["profile", "add", "dev"]);
    world.run(["set", "OWN", "-", "-p", "dev"]).stdin("v").env("VLT_PASSPHRASE_FILE", &file).output().ok();
    let later = exec(&world).env("LD_PRELOAD", FAKETIME).env("FAKETIME", "+1m");
    later.env("VLT_PASSPHRASE_FILE", &file).output().prints("v\n");
    assert!(accepted(&world).exists());
    let once = || {
        let mut terminal = Terminal::spawn(exec(&world).env("NO_COLOR", "1").command());
        terminal.answer_hidden("Passphrase for", "wrong");
        terminal.expect("vault: error:");
        terminal.ends(125)
    };
    let used = once();
    std::fs::remove_file(accepted(&world)).unwrap();
    assert_eq!(used, once());
}

#[test]
fn a_clock_that_is_behind_is_told_as_ever() {
    let world = world();
    let behind = || exec(&world).env("LD_PRELOAD", FAKETIME).env("FAKETIME", "-30d").output().ok();
    let used = behind();
    std::fs::remove_file(accepted(&world)).unwrap();
    let whole = behind();
    assert!(used.warnings()[0].contains("the clock of this machine says"), "{}", used.stderr);
    assert_eq!(used.warnings().len(), whole.warnings().len());
}

#[test]
fn a_role_that_was_taken_is_gone_at_once() {
    let world = world();
    let bob = add_member(&world, "bob", READS);
    exec(&bob).env("VLT_VAULT_ID", bob.id()).output().prints("of dev of base\n");
    accept(&bob);
    assert!(is_used(&bob));
    world.vault(["member", "revoke", "bob", "--read", "dev", "--read", "base"]).ok();
    bob.put(world.bytes());
    run(&bob).fails_with(125, "bob-laptop");
}

#[test]
fn an_identity_beside_another_devices_is_not_taken_for_it() {
    let world = world();
    let bob = add_member(&world, "bob", READS);
    run(&world).ok();
    accept(&world);
    let beside = |ending: &str| bob.identity_file().with_file_name(format!("identity.{ending}"));
    // As where one was replaced by the other: the excerpt is of what lies beside it.
    write_private(&beside("old"), read(&world.identity_file()));
    let as_bob = || exec(&world).env("VLT_IDENTITY_FILE", bob.identity_file()).output().prints("of dev of base\n");
    as_bob();
    let record = world.records("bob-laptop").last().unwrap().clone();
    assert_eq!((record["member"].as_str(), record["action"].as_str()), (Some("bob"), Some("exec")));
    // What waits to take its place is nothing to it either.
    write_private(&beside("next"), "rubbish");
    run(&world).ok();
    accept(&world);
    as_bob();
}

#[test]
fn a_refused_value_is_told_with_the_clock_that_makes_it_late() {
    let world = world();
    world.vault(["profile", "set", "dev", "--rotate-every", "30d", "--on-overdue", "refuse"]).ok();
    let ahead = world.run(["set", "NEXT", "-", "-p", "dev"]).stdin("v");
    ahead.env("LD_PRELOAD", FAKETIME).env("FAKETIME", "+400d").output().ok();
    let refused = world.vault(["exec", "-p", "dev", "--only", "OWN", "--", "true"]);
    let refused = refused.fails_with(125, "overdue for rotation, and the policy refuses it: OWN");
    assert_eq!(refused.warnings().len(), 1, "{}", refused.stderr);
    assert!(refused.warnings()[0].contains("the clock of this machine says"), "{}", refused.stderr);
}

#[test]
fn a_device_that_the_vault_carries_is_one_too() {
    let world = world();
    let words = world.home.join("words");
    world.run(["identity", "seal", "--passphrase-file"]).args([words.to_str().unwrap()]).output().ok();
    run(&world).prints("of dev of base\n");
    accept(&world);
    assert!(is_used(&world));
    // Without the file it is opened from where it is carried.
    std::fs::remove_file(world.identity_file()).unwrap();
    exec(&world).env("VLT_PASSPHRASE_FILE", &words).output().prints("of dev of base\n");
}

#[test]
fn what_another_version_accepted_is_accepted_again() {
    let world = world();
    let text = String::from_utf8(read(&accepted(&world))).unwrap();
    write_private(&accepted(&world), text.replace(env!("CARGO_PKG_VERSION"), "0.0.0"));
    assert!(!is_used(&world));
    accept(&world);
    assert!(is_used(&world));
}

/// Something that happens to a file, to the memory of it or to who uses it.
#[derive(Debug, Clone)]
enum Happens {
    Set(&'static str, &'static str),
    Extends(&'static str),
    Policy(&'static str),
    Grant,
    Revoke,
    /// An earlier file comes back, as git or `cp` writes it, or with its time.
    Back(usize, bool),
    /// An earlier memory comes back, as from a backup.
    MemoryBack(usize),
    MemoryGone,
    Rollback(&'static str),
}

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        4 => prop_oneof![Just(("OWN", "dev")), Just(("TAKEN", "dev")), Just(("TAKEN", "base")), Just(("LARGE", "prod"))]
            .prop_map(|(name, profile)| Happens::Set(name, profile)),
        2 => prop_oneof![Just("none"), Just("base"), Just("prod"), Just("base,prod")].prop_map(Happens::Extends),
        1 => prop_oneof![Just("warn"), Just("refuse")].prop_map(Happens::Policy),
        1 => Just(Happens::Grant),
        1 => Just(Happens::Revoke),
        4 => (any::<usize>(), any::<bool>()).prop_map(|(which, timed)| Happens::Back(which, timed)),
        1 => any::<usize>().prop_map(Happens::MemoryBack),
        1 => Just(Happens::MemoryGone),
        1 => prop_oneof![Just("warn"), Just("refuse")].prop_map(Happens::Rollback),
    ]
}

/// Runs twice, the second time without what was remembered: if nothing was learned meanwhile,
/// both say and give the same. True if the first could go by what was remembered.
fn says_the_same<'w>(world: &World, run: impl Fn() -> Run<'w>) -> bool {
    let trust = state(world).join("trust.json");
    let memory = || trust.exists().then(|| read(&trust));
    let known = Accepted::find(&world.vault_file(), &state(world), &"dev".parse().unwrap()).is_some();
    let before = memory();
    let first = run().output();
    if before != memory() {
        return false;
    }
    let _ = std::fs::remove_file(accepted(world));
    let second = run().output();
    // The second of the two runs may be another one.
    let said = |output: &Output| match output.stderr.split_once("the clock of this machine says ") {
        Some((before, time)) => format!("{before}{}", &time["2026-10-19T15:29:31Z".len()..]),
        None => output.stderr.clone(),
    };
    assert_eq!(
        (first.status, first.out(), said(&first)),
        (second.status, second.out(), said(&second)),
        "known: {known}"
    );
    known
}

fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(4);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_happens_an_excerpt_says_what_the_whole_file_says(story in proptest::collection::vec(happens(), 12)) {
        let world = world();
        let bob = add_member(&world, "bob", READS);
        world.vault(["config", "overdue", "always"]).ok();
        let trust = state(&world).join("trust.json");
        let (mut files, mut memories, mut used) = (vec![world.bytes()], vec![read(&trust)], 0);
        for (n, event) in story.into_iter().enumerate() {
            // What is refused, on an older file for one, changes nothing; so much the better.
            match event {
                Happens::Set(name, profile) => {
                    world.run(["set", name, "-", "-p", profile]).stdin(format!("value {n}")).output();
                }
                Happens::Extends(parents) => drop(world.vault(["profile", "set", "dev", "--extends", parents])),
                Happens::Policy(what) => {
                    drop(world.vault(["profile", "set", "dev", "--rotate-every", "30d", "--on-overdue", what]));
                }
                Happens::Grant => drop(world.vault(["member", "grant", "bob", "--read", "prod"])),
                Happens::Revoke => drop(world.vault(["member", "revoke", "bob", "--read", "dev"])),
                Happens::Back(which, timed) => {
                    let bytes = &files[which % files.len()];
                    let time = std::fs::metadata(world.vault_file()).unwrap().modified().unwrap();
                    world.put(bytes);
                    if timed {
                        let file = std::fs::File::options().write(true).open(world.vault_file()).unwrap();
                        file.set_modified(time).unwrap();
                    }
                }
                Happens::MemoryBack(which) => write_private(&trust, &memories[which % memories.len()]),
                Happens::MemoryGone => drop(std::fs::remove_file(&trust)),
                Happens::Rollback(what) => drop(world.vault(["config", "rollback", what])),
            }
            files.push(world.bytes());
            if trust.exists() {
                memories.push(read(&trust));
            }
            for (days, as_bob) in [(0, false), (40, false), (-40, false), (0, true)] {
                let run = || {
                    let run = exec(&world).env("LD_PRELOAD", FAKETIME).env("FAKETIME", format!("{days:+}d"));
                    if as_bob { run.env("VLT_IDENTITY_FILE", bob.identity_file()) } else { run }
                };
                exec(&world).env("LD_PRELOAD", FAKETIME).env("FAKETIME", "+1m").output();
                used += usize::from(says_the_same(&world, run));
            }
        }
        prop_assert!(used > 8, "an excerpt was there {used} times");
    }
}
