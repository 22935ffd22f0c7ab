//! `get --copy` with the programs that people have: xclip and xsel on an X server without a screen.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::World;

const TOOLS: [(&str, &[&str], &[&str]); 2] = [
    ("xclip", &["-selection", "clipboard", "-in"], &["-selection", "clipboard", "-out"]),
    ("xsel", &["--clipboard", "--input"], &["--clipboard", "--output"]),
];

/// Ended with the test; what holds a selection ends with it.
struct Server {
    child: Child,
    display: String,
}

impl Server {
    /// `None` where a program is missing.
    fn start() -> Option<Self> {
        for program in ["Xvfb", "xclip", "xsel"] {
            if find(program).is_none() {
                assert!(std::env::var("CI").is_err(), "{program} is missing");
                return None;
            }
        }
        // It takes a display that is free, and says which once it can be reached.
        let mut child = Command::new("Xvfb")
            .args(["-displayfd", "1", "-nolisten", "tcp", "-screen", "0", "64x64x8"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut number = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut number).unwrap();
        assert!(!number.trim().is_empty(), "Xvfb does not come up");
        Some(Self { child, display: format!(":{}", number.trim()) })
    }

    /// What another program finds in the clipboard.
    fn paste(&self, tool: &str) -> Vec<u8> {
        let (_, _, words) = TOOLS.iter().find(|(name, ..)| *name == tool).unwrap();
        // Who asks while the clipboard changes hands may never be answered.
        let mut command = Command::new("timeout");
        command.args(["2", tool]).args(*words).env("DISPLAY", &self.display).stderr(Stdio::null());
        command.output().unwrap().stdout
    }

    /// Has another program copy something, and waits until it is there.
    fn copy(&self, tool: &str, text: &str) {
        let (_, words, _) = TOOLS.iter().find(|(name, ..)| *name == tool).unwrap();
        let mut command = Command::new(tool);
        let command = command.args(*words).env("DISPLAY", &self.display).stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        child.wait().unwrap();
        self.wait_for(tool, text.as_bytes());
    }

    #[track_caller]
    fn wait_for(&self, tool: &str, wanted: &[u8]) {
        let began = Instant::now();
        while self.paste(tool) != wanted {
            assert!(began.elapsed() < Duration::from_secs(30), "{tool}: the clipboard is never as it should be");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(program)).find(|path| path.is_file())
}

/// A `PATH` that has this clipboard program and no other.
fn only(world: &World, tool: &str) -> PathBuf {
    let directory = world.base().join(tool);
    std::fs::create_dir_all(&directory).unwrap();
    let _ = std::os::unix::fs::symlink(find(tool).unwrap(), directory.join(tool));
    directory
}

fn copied(world: &World, server: &Server, path: &Path, tool: &str, after: &str) {
    let run = world.run(["get", "K", "--copy", "--clear-after", after]).env("PATH", path);
    // What stays to hand the clipboard out stays for long: it gets no credentials of ours.
    let run = run.env("DISPLAY", &server.display).env("VLT_PASSPHRASE_FILE", "/nonexistent");
    run.output().ok().says(&format!("copied K to the clipboard with {tool}"));
}

#[test]
fn a_value_is_there_byte_for_byte_and_gone_after_its_time() {
    let (world, _) = World::with_secret("K");
    let Some(server) = Server::start() else { return };
    for (tool, ..) in TOOLS {
        let path = only(&world, tool);
        let value = format!("{} \u{e4}\n\tend", world.secret());
        world.set("K", &value);
        copied(&world, &server, &path, tool, "60s");
        server.wait_for(tool, value.as_bytes());
        credentials_stay_here(tool, &server.display);
        // Cleared by the first that waits, as it is the same value.
        copied(&world, &server, &path, tool, "1s");
        server.wait_for(tool, value.as_bytes());
        server.wait_for(tool, b"");
    }
    end_helpers(&server.display);
}

#[test]
fn what_another_program_copied_meanwhile_is_left_alone() {
    let (world, _) = World::with_secret("K");
    let Some(server) = Server::start() else { return };
    for (tool, ..) in TOOLS {
        copied(&world, &server, &only(&world, tool), tool, "1s");
        server.copy("xclip", "somebody else's");
        // Nobody waits any more: it was looked at.
        let began = Instant::now();
        while !waiting(&server.display).is_empty() {
            assert!(began.elapsed() < Duration::from_secs(30), "{tool}: it goes on");
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(server.paste("xclip"), b"somebody else's", "{tool}");
    }
}

/// The processes with this display that wait to clear it.
fn waiting(display: &str) -> Vec<i32> {
    processes(display, |line| line.windows(6).any(|word| word == b"--copy"))
}

fn processes(display: &str, wanted: impl Fn(&[u8]) -> bool) -> Vec<i32> {
    let variable = format!("DISPLAY={display}").into_bytes();
    let all = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let of = |process: &i32, file: &str| std::fs::read(format!("/proc/{process}/{file}")).unwrap_or_default();
    all.filter(|process| {
        of(process, "environ").split(|byte| *byte == 0).any(|entry| entry == variable)
            && wanted(&of(process, "cmdline"))
    })
    .collect()
}

/// The program that has the clipboard got nothing of what unlocks an identity.
#[track_caller]
fn credentials_stay_here(tool: &str, display: &str) {
    let holders = processes(display, |line| line.starts_with(tool.as_bytes()));
    assert!(!holders.is_empty(), "{tool} has it from nobody");
    for holder in holders {
        let environment = std::fs::read(format!("/proc/{holder}/environ")).unwrap_or_default();
        assert!(!environment.windows(14).any(|part| part == b"VLT_PASSPHRASE"), "{tool} got VLT_PASSPHRASE_FILE");
    }
}

fn end_helpers(display: &str) {
    for process in waiting(display) {
        if let Some(process) = rustix::process::Pid::from_raw(process) {
            let _ = rustix::process::kill_process(process, rustix::process::Signal::KILL);
        }
    }
}
