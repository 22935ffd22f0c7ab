//! The agent: what goes through it, what does not, and a client that means harm.

use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use vault::Vault;
use vault::crypto::length_prefixed;

use crate::harness::{NOBODY, World, read, set_mode, write_private};

/// A world whose agent is ended with it.
pub(crate) struct Unlocked(World);

impl std::ops::Deref for Unlocked {
    type Target = World;

    fn deref(&self) -> &World {
        &self.0
    }
}

impl Drop for Unlocked {
    fn drop(&mut self) {
        if let Some(pid) = self.pid() {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

impl Unlocked {
    /// A vault with a secret in each of two profiles, unlocked, and no identity but the agent's.
    fn new(words: &[&str]) -> Self {
        let world = Self::prepared();
        world.vault([&["unlock"], words].concat()).ok().says("unlocked until");
        world.hide_identity();
        world
    }

    pub(crate) fn prepared() -> Self {
        let (world, _) = World::with_secret("K");
        world.vault(["profile", "add", "prod"]).ok();
        world.run(["set", "P", "-", "-p", "prod"]).stdin(world.secret()).output().ok();
        Self(world)
    }

    pub(crate) fn hide_identity(&self) {
        std::fs::rename(self.identity_file(), self.home.join("private-identity")).unwrap();
        let there = self.home.join("private");
        std::fs::create_dir_all(&there).unwrap();
        std::fs::rename(self.home.join("private-identity"), there.join("identity")).unwrap();
    }

    fn directory(&self) -> PathBuf {
        self.state().join("agent")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory().join("agent.sock")
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(self.socket()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    fn pid(&self) -> Option<Pid> {
        let stream = UnixStream::connect(self.socket()).ok()?;
        Some(rustix::net::sockopt::socket_peercred(&stream).ok()?.pid)
    }

    /// A request by hand, and the parts of its answer.
    fn ask(&self, name: &str, parts: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut stream = self.connect();
        stream.write_all(&message(name, parts)).unwrap();
        answer(&mut stream)
    }

    fn recipient(&self) -> String {
        let text = String::from_utf8(read(&self.home.join("private/identity"))).unwrap();
        text.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap().to_owned()
    }

    /// Vault, profile, epoch and commitment as the agent wants them, and the grant.
    fn grant(&self, profile: &str) -> (Vec<u8>, Vec<u8>) {
        let vault = Vault::read(self.bytes(), &[]).unwrap();
        let name: vault::ProfileName = profile.parse().unwrap();
        let state = &vault.team().profiles()[&name];
        let text = self.text();
        let section = &text[text.find(&format!("[profile.{profile}.grant]")).unwrap()..];
        let line = section.lines().find(|line| line.starts_with("alice-laptop = ")).unwrap();
        let grant = data_encoding::BASE64.decode(line.split('"').nth(1).unwrap().as_bytes()).unwrap();
        (limit(&vault, profile, state.epoch, state.commitment.as_bytes()), grant)
    }
}

fn limit(vault: &Vault, profile: &str, epoch: u64, commitment: &[u8; 32]) -> Vec<u8> {
    length_prefixed(&[vault.id().as_bytes(), profile.as_bytes(), &epoch.to_le_bytes(), commitment])
}

fn message(name: &str, parts: &[&[u8]]) -> Vec<u8> {
    let body = length_prefixed(&[&[b"vault-agent-1".as_slice(), name.as_bytes()], parts].concat());
    [&u32::try_from(body.len()).unwrap().to_le_bytes()[..], &body].concat()
}

/// The parts of an answer; the first is the status: 0 done, 1 refused, 3 not unlocked,
/// 4 does not open, 5 another key.
fn answer(stream: &mut UnixStream) -> Vec<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut body = vec![0; u32::from_le_bytes(length) as usize];
    stream.read_exact(&mut body).unwrap();
    let mut rest = body.as_slice();
    let mut parts = Vec::new();
    while let Some((length, more)) = rest.split_first_chunk::<8>() {
        let length = u64::from_le_bytes(*length) as usize;
        parts.push(more[..length].to_vec());
        rest = &more[length..];
    }
    parts
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn sealed() -> (Unlocked, PathBuf) {
    let world = World::bare();
    let pass = world.home.join("private/pass");
    write_private(&pass, "correct horse\n");
    let with = |words: &[&str]| world.run(words).env("VLT_PASSPHRASE_FILE", &pass).output().ok();
    with(&["init", "--passphrase", "--device", "alice-laptop"]);
    world.run(["set", "K", "-"]).stdin(world.secret()).env("VLT_PASSPHRASE_FILE", &pass).output().ok();
    (Unlocked(world), pass)
}

#[test]
fn what_the_caller_has_open_is_free_when_the_caller_ends() {
    let world = Unlocked::prepared();
    let (lock, pipe) = (world.base().join("lock"), world.base().join("pipe"));
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::from_raw_mode(0o600), 0)
        .unwrap();
    let reading = rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::CLOEXEC;
    let mut reader = std::fs::File::from(rustix::fs::open(&pipe, reading, rustix::fs::Mode::empty()).unwrap());
    // A script that holds a lock, and one end of a pipe under a high number (of bash).
    let like = world.run(["unlock"]).command();
    let mut script = Command::new("bash");
    script.args(["-c", "exec 9>\"$1\" 200>\"$2\"; flock 9; shift 2; \"$@\"", "bash"]).arg(&lock).arg(&pipe);
    script.arg(like.get_program()).args(like.get_args()).env_clear().current_dir(&world.project);
    script.envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
    assert!(script.status().unwrap().success());
    assert!(world.pid().is_some(), "the agent runs");
    assert!(Command::new("flock").arg("-n").arg(&lock).arg("true").status().unwrap().success(), "the lock is held");
    // The end; while somebody has it open for writing it would be `WouldBlock`.
    assert_eq!(reader.read(&mut [0; 1]).unwrap(), 0);
}

#[test]
fn everything_but_the_team_goes_through_it() {
    let world = Unlocked::new(&[]);
    let value = world.value("K");
    let echo = ["exec", "--", "sh", "-c", "printf %s \"$K\""];
    assert_eq!(world.run(echo).shows_values().output().ok().stdout, value);
    let second = world.secret();
    world.set("K", &second);
    assert_eq!(world.value("K"), second.as_bytes());
    world.vault(["set", "GENERATED", "--generate"]).ok();
    crate::harness::write(&world.project.join(".env"), format!("FROM_ENV={}\n", world.secret()));
    world.vault(["import"]).ok();
    world.vault(["mv", "FROM_ENV", "MOVED"]).ok();
    world.vault(["cp", "MOVED", "--to", "prod"]).ok();
    world.vault(["restore", "K", "--version", "1"]).ok();
    world.vault(["rm", "GENERATED"]).ok();
    world.vault(["expose", "MOVED", "--why", "seen"]).ok();
    world.run(["export"]).shows_values().output().ok();
    world.vault(["rotate", "K", "--generate"]).ok();
    world.vault(["verify"]).ok().prints("values open");
    let report = world.vault(["audit", "verify", "--deep", "--json"]).ok().json();
    assert_eq!(report["findings"].as_array().map(Vec::len), Some(0), "{report}");
    world.vault(["identity", "where"]).ok().prints("agent");
    world.vault(["identity", "show"]).ok().prints(&world.recipient());
    world.vault(["doctor"]).ok().prints("holds alice-laptop until");
}

#[test]
fn what_it_signs_certifies_the_audit_log() {
    let world = Unlocked::prepared();
    std::fs::remove_dir_all(world.audit_directory()).unwrap();
    world.vault(["unlock"]).ok();
    world.hide_identity();
    world.run(["get", "K"]).shows_values().output().ok();
    let records = world.records("alice-laptop");
    assert!(records.iter().any(|record| !record["certificate"].is_null()), "{records:?}");
    // The log that was removed is missed, and nothing else is wrong.
    let report = world.vault(["audit", "verify", "--deep", "--json"]).exits(1).json();
    let mut kinds = report["findings"].as_array().unwrap().iter().map(|finding| finding["kind"].as_str().unwrap());
    assert!(kinds.all(|kind| ["cut-tail", "begun-again"].contains(&kind)), "{report}");
}

#[test]
fn a_change_of_the_team_asks_for_the_identity_and_says_why() {
    let world = Unlocked::new(&[]);
    let before = world.bytes();
    for words in [
        &["profile", "add", "more"][..],
        &["profile", "rekey"],
        &["profile", "rm", "prod", "--yes"],
        &["member", "add", "bob", "--new-identity"],
        &["recovery", "new", "--recovery-file", "code"],
    ] {
        let output = world.vault(words);
        if output.status == 2 {
            continue;
        }
        output.fails_with(4, "needs the identity itself, which the agent does not give out");
        assert_eq!(world.bytes(), before);
    }
    let identity = world.home.join("private/identity");
    world.vault(["profile", "add", "more", "--identity", identity.to_str().unwrap()]).ok();
}

#[test]
fn locking_ends_it_and_leaves_nothing() {
    let world = Unlocked::new(&[]);
    let pid = world.pid().unwrap();
    assert_eq!(std::fs::metadata(world.directory()).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(std::fs::metadata(world.socket()).unwrap().permissions().mode() & 0o777, 0o600);
    world.vault(["lock"]).ok().says("locked");
    assert!(!world.socket().exists());
    wait_until("it goes on", || !is_alive(pid));
    world.vault(["get", "K"]).fails(4, "no identity found", "identity where");
    world.vault(["lock"]).ok().says("nothing was unlocked");
    assert_eq!(std::fs::read_dir(world.directory()).unwrap().count(), 0);
}

fn is_alive(pid: Pid) -> bool {
    // A child of nobody here may stay as a zombie where no init collects it.
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.trim().is_empty() && !rest.trim_start().starts_with('Z'))
}

#[test]
fn its_time_is_up_and_that_is_said() {
    let (world, pass) = sealed();
    world.run(["unlock", "--for", "1s"]).env("VLT_PASSPHRASE_FILE", &pass).output().ok();
    wait_until("it goes on", || !world.socket().exists());
    world.vault(["get", "K"]).fails(4, "the agent's time was up at ", "`vault unlock` on a terminal");
    world.vault(["identity", "where"]).ok().prints("its time was up at");
    world.run(["exec", "--", "true"]).output().fails(125, "the agent's time was up at ", "vault unlock");
    // Locking, or unlocking again, ends that too.
    world.vault(["lock"]).ok();
    world.vault(["get", "K"]).fails(4, "no passphrase for", "`vault unlock` on a terminal");
}

#[test]
fn a_passphrase_is_asked_for_once() {
    let (world, pass) = sealed();
    let wrong = world.home.join("private/wrong");
    write_private(&wrong, "wrong horse\n");
    let refused = world.run(["unlock"]).env("VLT_PASSPHRASE_FILE", &wrong).output();
    refused.fails_with(4, "wrong passphrase, or damaged");
    assert!(!world.socket().exists());
    world.vault(["unlock"]).fails(4, "no passphrase for", "VLT_PASSPHRASE_FILE");
    world.vault(["config", "agent_for", "2h"]).ok();
    world.run(["unlock"]).env("VLT_PASSPHRASE_FILE", &pass).output().ok().says("unlocked until");
    std::fs::remove_file(&pass).unwrap();
    for _ in 0..3 {
        world.vault(["exec", "--", "true"]).ok();
        world.set("K", world.secret());
    }
    let holds = world.ask("holds", &[]);
    let left = u64::from_le_bytes(parts_of(&holds[1])[2].as_slice().try_into().unwrap());
    assert!((7100..=7200).contains(&left), "{left}");
    world.vault(["unlock", "--for", "31d"]).fails_with(2, "at most 30d");
}

fn parts_of(bytes: &[u8]) -> Vec<Vec<u8>> {
    let (mut rest, mut parts) = (bytes, Vec::new());
    while let Some((length, more)) = rest.split_first_chunk::<8>() {
        let length = u64::from_le_bytes(*length) as usize;
        parts.push(more[..length].to_vec());
        rest = &more[length..];
    }
    parts
}

#[test]
fn only_the_profiles_that_were_named_are_unlocked() {
    let world = Unlocked::prepared();
    world.vault(["profile", "add", "app", "--extends", "default"]).ok();
    world.vault(["unlock", "--profile", "nosuch"]).fails_with(3, "no profile nosuch");
    world.vault(["unlock", "--profile", "app"]).ok().says("for app, default;");
    world.hide_identity();
    world.run(["exec", "-p", "app", "--", "true"]).output().ok();
    world.set_with("A", "v", &["-p", "app"]);
    let refused = |words: &[&str]| {
        let hint = "`vault unlock --profile prod`";
        world.run(words).stdin("v").output().fails(4, "the agent was not unlocked for profile prod", hint);
    };
    let before = world.bytes();
    refused(&["get", "P", "-p", "prod"]);
    refused(&["set", "P", "-", "-p", "prod"]);
    refused(&["rm", "P", "-p", "prod"]);
    assert_eq!(world.bytes(), before);
    world.run(["exec", "-p", "prod", "--", "true"]).output().exits(125);
    world.vault(["doctor"]).ok().prints("limited to app, default");

    // By hand, in every way that could be thought of.
    let recipient = world.recipient();
    let to = recipient.as_bytes();
    let status = |parts: Vec<Vec<u8>>| {
        assert_eq!(parts.len(), 1, "something came with a refusal");
        parts[0][0]
    };
    let (prod, grant) = world.grant("prod");
    assert_eq!(status(world.ask("unwrap", &[to, &prod, &grant])), 3);
    // The key of prod under the name of a profile that is unlocked.
    let (app, own) = world.grant("app");
    assert_eq!(status(world.ask("unwrap", &[to, &app, &grant])), 5);
    let vault = Vault::read(world.bytes(), &[]).unwrap();
    let commitment = |name: &str| {
        let name: vault::ProfileName = name.parse().unwrap();
        *vault.team().profiles()[&name].commitment.as_bytes()
    };
    let mixed = limit(&vault, "app", 1, &commitment("prod"));
    assert_eq!(status(world.ask("unwrap", &[to, &mixed, &grant])), 3);
    assert_eq!(world.ask("unwrap", &[to, &app, &own])[0], [0]);
    // A section of prod, and one that only says so on the outside.
    let id = vault.id();
    let section = |profile: &str, text: &[u8]| {
        let mut stream = world.connect();
        let length = (text.len() as u64).to_le_bytes();
        stream.write_all(&message("section", &[to, id.as_bytes(), profile.as_bytes(), &length])).unwrap();
        let first = answer(&mut stream);
        if first[0] != [0] {
            return first;
        }
        stream.write_all(text).unwrap();
        answer(&mut stream)
    };
    assert_eq!(status(section("prod", b"[profile.prod]\nepoch = 1\n")), 3);
    assert_eq!(status(section("app", b"[profile.prod]\nepoch = 1\n")), 1);
    assert_eq!(status(section("app", b"[profile.app")), 1);
    assert_eq!(section("app", b"[profile.app]\nepoch = 1\n")[0], [0]);
    // The audit log of another vault.
    let other = [7; 32];
    let epoch = 1u64.to_le_bytes();
    assert_eq!(status(world.ask("audit-key", &[to, &other, b"alice-laptop", &epoch, &[8; 32]])), 3);
    // A new key is another matter.
    let identity = world.home.join("private/identity");
    world.vault(["profile", "rekey", "app", "--identity", identity.to_str().unwrap()]).ok();
    world.vault(["get", "A", "-p", "app"]).fails_with(4, "not unlocked for profile app as it is now");
}

#[test]
fn a_program_that_was_given_a_secret_gets_no_more_from_it() {
    let world = Unlocked::new(&["--profile", "default"]);
    let before = world.bytes();
    let program = crate::harness::program();
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let run = |script: &str| {
        let run = world.run(["exec", "--", "sh", "-c", script]).env("PATH", &path);
        run.shows_values().foreign_stderr().output()
    };
    // What was unlocked it may use, as its user may.
    run("vault get K >/dev/null").ok();
    for script in [
        "vault get P -p prod",
        "vault profile add more",
        "vault identity show --open",
        "vault member add eve --new-identity",
        "vault member remove alice --device alice-laptop",
        "vault recovery new --recovery-file code",
        "vault identity rotate --recovery-file code",
        "vault identity seal --passphrase-file words",
        "vault identity move file:/nonexistent/identity",
        "vault unlock",
        "vault unlock --profile prod",
        "vault set P --generate -p prod",
    ] {
        let output = run(script);
        assert_ne!(output.status, 0, "{script}");
        assert!(!String::from_utf8_lossy(&output.stdout).contains("AGE-SECRET-KEY"), "{script}");
    }
    assert_eq!(world.bytes(), before);
}

#[test]
fn no_request_gives_the_identity_or_signs_for_the_team() {
    let world = Unlocked::new(&[]);
    let text = String::from_utf8(read(&world.home.join("private/identity"))).unwrap();
    let secret = text.lines().find(|line| line.starts_with("AGE-SECRET-KEY-1")).unwrap().as_bytes();
    let recipient = world.recipient();
    for name in ["holds", "hold", "unwrap", "section", "audit-key", "identity", "export", "sign", "team", ""] {
        for parts in [&[][..], &[recipient.as_bytes()], &[recipient.as_bytes(), b"x", b"y", b"z"]] {
            let parts: Vec<Vec<u8>> = world.ask(name, parts);
            let all = parts.concat();
            assert!(!all.windows(16).any(|piece| piece == &secret[20..36]), "{name}");
            assert_eq!(parts[0][0], u8::from(name != "holds" || parts.len() == 1), "{name}: {parts:?}");
        }
    }
    // Bytes that are a change of the team are no section.
    let mut stream = world.connect();
    let change = b"[[team]]\nchange = 4\n";
    let length = (change.len() as u64).to_le_bytes();
    stream.write_all(&message("section", &[recipient.as_bytes(), &[1; 32], b"default", &length])).unwrap();
    assert_eq!(answer(&mut stream)[0], [0]);
    stream.write_all(change).unwrap();
    assert_eq!(answer(&mut stream), [[1]]);
    world.run(["get", "K"]).shows_values().output().ok();
}

#[test]
fn hostile_clients_hurt_nobody_else() {
    let world = Unlocked::new(&[]);
    let works = || world.run(["get", "K"]).shows_values().output().ok();
    // Rubbish, lengths that lie, half a message and nothing at all.
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0xff; 64],
        &[0; 4],
        &u32::MAX.to_le_bytes(),
        &[&100u32.to_le_bytes()[..], b"half"].concat(),
        &message("holds", &[&[0; 30_000]]),
        &[&20u32.to_le_bytes()[..], &u64::MAX.to_le_bytes(), &[0; 12]].concat(),
        b"",
    ] {
        let mut stream = world.connect();
        stream.write_all(bytes).unwrap();
        works();
        drop(stream);
    }
    // More than it takes at once, all silent.
    let crowd: Vec<UnixStream> = (0..300).filter_map(|_| UnixStream::connect(world.socket()).ok()).collect();
    assert!(crowd.len() >= 100);
    works();
    // Somebody who asks and never reads, and a section that never comes.
    let mut silent = Vec::new();
    for _ in 0..20 {
        let mut stream = world.connect();
        stream.write_all(&message("holds", &[])).unwrap();
        silent.push(stream);
    }
    let mut half = world.connect();
    let recipient = world.recipient();
    let length = (64u64 << 20).to_le_bytes();
    half.write_all(&message("section", &[recipient.as_bytes(), &[1; 32], b"default", &length])).unwrap();
    half.write_all(b"[profile.default]\n").unwrap();
    works();
    drop(crowd);
    works();
    // Who is half open is not waited for.
    let mut idle = world.connect();
    let mut nothing = Vec::new();
    assert_eq!(idle.read_to_end(&mut nothing).unwrap_or(0), 0);
    works();
}

#[test]
fn other_users_get_nothing() {
    // Not one from `PATH`: that may be in the home of root.
    let python = "/usr/bin/python3";
    if !rustix::process::geteuid().is_root() || !Path::new(python).exists() {
        return;
    }
    let world = Unlocked::new(&[]);
    // Even where every permission is given away.
    for path in [
        world.base(),
        world.home.clone(),
        world.home.join(".local"),
        world.home.join(".local/state"),
        world.state(),
        world.directory(),
    ] {
        set_mode(&path, 0o755);
    }
    set_mode(&world.socket(), 0o777);
    let script = "import socket, sys\ns = socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\ns.settimeout(10)\n\
                  s.sendall(bytes.fromhex(sys.argv[2]))\nprint('got', s.recv(1))";
    let holds = data_encoding::HEXLOWER.encode(&message("holds", &[]));
    let ask = |prefix: &[&str]| {
        let socket = world.socket();
        let words = [prefix, &[python, "-c", script, socket.to_str().unwrap(), &holds]].concat();
        let output = Command::new(words[0]).args(&words[1..]).output().unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let id = NOBODY.to_string();
    let stranger = ask(&["setpriv", "--reuid", &id, "--regid", &id, "--clear-groups"]);
    assert!(
        stranger.contains("got b''") || stranger.contains("BrokenPipe") || stranger.contains("ConnectionReset"),
        "{stranger}"
    );
    assert!(!ask(&["env"]).contains("got b''"));
    // And it is not trusted any more by those whose it is.
    world.vault(["get", "K"]).fails(4, "is not a directory of yours alone", "chmod 700");
}

#[test]
fn its_memory_is_locked_and_closed_to_others() {
    let world = Unlocked::prepared();
    if !world.give_to_nobody() {
        return;
    }
    world.run(["unlock"]).unprivileged().output().ok();
    let pid = world.pid().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap();
    let locked = status.lines().find_map(|line| line.strip_prefix("VmLck:")).unwrap();
    assert_ne!(locked.trim(), "0 kB");
    if rustix::process::geteuid().is_root() {
        // A process that cannot be dumped belongs to root in /proc, whoever runs it.
        let memory = std::fs::metadata(format!("/proc/{}/mem", pid.as_raw_nonzero())).unwrap();
        assert_eq!(memory.uid(), 0);
        assert!(status.lines().any(|line| line.starts_with("Uid:") && line.contains(&NOBODY.to_string())));
    }
    // Nothing of the caller's is kept.
    assert_eq!(read(Path::new(&format!("/proc/{}/environ", pid.as_raw_nonzero()))), b"");
    assert_eq!(std::fs::read_link(format!("/proc/{}/cwd", pid.as_raw_nonzero())).unwrap(), Path::new("/"));
    world.run(["lock"]).unprivileged().output().ok();
}

#[test]
fn it_dies_clean_and_what_a_kill_leaves_is_no_obstacle() {
    let world = Unlocked::prepared();
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        world.vault(["unlock"]).ok();
        kill_process(world.pid().unwrap(), signal).unwrap();
        wait_until("it goes on", || !world.socket().exists());
    }
    world.vault(["unlock"]).ok();
    kill_process(world.pid().unwrap(), Signal::KILL).unwrap();
    wait_until("it goes on", || world.pid().is_none());
    assert!(world.socket().exists());
    // The identity file is next in the search.
    world.run(["get", "K"]).shows_values().output().ok();
    world.vault(["lock"]).ok().says("nothing was unlocked");
    world.vault(["unlock"]).ok();
    world.hide_identity();
    world.run(["get", "K"]).shows_values().output().ok();
}

#[test]
fn one_that_does_not_answer_is_said_and_can_be_ended() {
    let world = Unlocked::new(&[]);
    let pid = world.pid().unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    world.vault(["get", "K"]).fails(4, "the agent does not answer", "`vault lock` ends it");
    world.vault(["lock"]).ok().says("locked");
    wait_until("it goes on", || !is_alive(pid));
    world.vault(["lock"]).ok().says("nothing was unlocked");
}

#[test]
fn two_at_once_make_one() {
    let world = Unlocked::prepared();
    let runs: Vec<_> = (0..4).map(|_| world.run(["unlock"]).spawn()).collect();
    for run in runs {
        let output = run.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let words = format!("agent\0--directory\0{}\0", world.directory().display());
    let running = std::fs::read_dir("/proc").unwrap().filter(|entry| {
        let path = entry.as_ref().unwrap().path().join("cmdline");
        std::fs::read(path).is_ok_and(|line| line.ends_with(words.as_bytes()))
    });
    assert_eq!(running.count(), 1);
}

#[test]
fn it_lives_in_the_runtime_directory_where_there_is_one() {
    let world = Unlocked::prepared();
    let runtime = world.base().join("run");
    std::fs::create_dir(&runtime).unwrap();
    set_mode(&runtime, 0o700);
    let on = |words: &[&str]| world.run(words).env("XDG_RUNTIME_DIR", &runtime).shows_values().output();
    on(&["unlock"]).ok();
    assert!(runtime.join("vault/agent.sock").exists());
    assert!(!world.directory().exists());
    world.hide_identity();
    on(&["get", "K"]).ok();
    world.vault(["get", "K"]).fails_with(4, "no identity found");
    on(&["lock"]).ok();
    // One that is not ours to rely on, or not there.
    for bad in ["/nonexistent", "/tmp"] {
        let output = world.run(["identity", "where"]).env("XDG_RUNTIME_DIR", bad).output().ok();
        output.says_not("error");
    }
    // A path too long for the address of a socket.
    let long = world.base().join("x".repeat(150));
    let on = |words: &[&str]| {
        world.run(words).env("VLT_STATE_DIR", &long).env("VLT_VAULT_ID", world.id()).shows_values().output()
    };
    let identity = world.home.join("private/identity");
    on(&["unlock", "--identity", identity.to_str().unwrap()]).ok();
    on(&["get", "K"]).ok();
    on(&["lock"]).ok().says("locked");
}

#[test]
fn without_one_the_search_costs_a_look_at_its_socket() {
    let world = Unlocked::prepared();
    let count = |run: crate::harness::Run<'_>| {
        let trace = run.trace("file")?;
        Some(trace.lines().filter(|line| line.contains("agent.sock")).count())
    };
    let Some(found) = count(world.run(["exec", "--", "true"])) else { return };
    assert_eq!(found, 1);
}
