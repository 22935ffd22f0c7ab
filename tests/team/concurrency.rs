//! Several processes at one file: writers of secrets and of the team, readers, and
//! holders of the lock that will never let go by themselves.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use vault::crypto::IdentityKey;

use crate::world::{Person, World};

fn start(person: &Person, words: &[&str], stdin: &str) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vault"));
    command.args(words).env_clear().envs(person.env()).current_dir(&person.clone);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    child
}

#[test]
fn secrets_and_members_written_at_once_are_all_kept() {
    let (_world, alice) = World::without_recovery();
    alice.set("default", "KEY", "canary-at-once");
    let patience = ["--lock-timeout", "60s"];
    let mut writers = Vec::new();
    for n in 0..50 {
        let (name, member) = (format!("K{n:02}"), format!("m{n:02}"));
        if n % 5 == 0 {
            let recipient = IdentityKey::generate().unwrap().recipient().to_string();
            let words = ["member", "add", &member, "--recipient", &recipient, "--read", "default"];
            writers.push(start(&alice, &[&words[..], &patience].concat(), ""));
        } else {
            writers.push(start(&alice, &[&["set", &name, "-"][..], &patience].concat(), "value"));
        }
    }
    let readers: Vec<Child> = (0..5).map(|_| start(&alice, &["exec", "--", "printenv", "KEY"], "")).collect();
    for child in readers {
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.stdout, b"canary-at-once\n", "{}", String::from_utf8_lossy(&output.stderr));
    }
    for child in writers {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let list = alice.vault(&["list", "--json"]).ok().json();
    assert_eq!(list.as_array().unwrap().len(), 41);
    assert_eq!(alice.opened().team().members().len(), 11);
    alice.vault(&["verify"]).ok();
}

#[test]
fn a_killed_holder_blocks_nobody_and_a_stopped_one_is_named() {
    let (_world, alice) = World::without_recovery();
    let hold = || {
        // `flock` of util-linux takes the same lock, and becomes the program that it runs.
        let directory = alice.clone.to_str().unwrap();
        let child = Command::new("flock").args(["--no-fork", directory, "sleep", "600"]).spawn().unwrap();
        let pid = rustix::process::Pid::from_child(&child);
        let deadline = Instant::now() + Duration::from_secs(20);
        let locks = || std::fs::read_to_string("/proc/locks").unwrap_or_default();
        while !locks().contains(&format!(" {} ", child.id())) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        (child, pid)
    };
    let (mut child, pid) = hold();
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    let words = ["profile", "add", "dev", "--lock-timeout", "1s"];
    let refused = alice.refused(&words, 7, "is locked by process ");
    refused.says(&format!("process {}, which is stopped", child.id()));
    // Readers take no lock of the vault.
    alice.vault(&["list"]).ok();
    alice.vault(&["member", "list"]).ok();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    child.wait().unwrap();
    alice.vault(&words).ok();
}
