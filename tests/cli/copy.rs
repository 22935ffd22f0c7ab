//! `get --copy`: a clipboard for a test is a file that two scripts write and read.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::harness::{Run, World, read, set_mode, wait_for, write};
use crate::terminal::Terminal;

fn clipboard(world: &World) -> PathBuf {
    world.base().join("clipboard")
}

/// A directory with a program of this name that does as `xclip` does.
fn tool(world: &World, name: &str, script: &str) -> PathBuf {
    let directory = world.base().join("tools");
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join(name);
    write(&path, format!("#!/bin/sh\nclip='{}'\n{script}\n", clipboard(world).display()));
    set_mode(&path, 0o755);
    directory
}

const XCLIP: &str = "case \"$*\" in *-out*) cat \"$clip\";; *) cat >\"$clip.new\"; mv \"$clip.new\" \"$clip\";; esac";

fn copy<'w>(world: &'w World, tools: &std::path::Path, words: &[&str]) -> Run<'w> {
    let path = format!("{}:/usr/bin:/bin", tools.display());
    world.run([&["get", "--copy"], words].concat()).env("PATH", path).env("DISPLAY", ":0")
}

#[test]
fn a_value_is_copied_on_record_and_cleared_again() {
    let (world, _) = World::with_secret("A");
    let tools = tool(&world, "xclip", XCLIP);
    let start = Instant::now();
    let output = copy(&world, &tools, &["A", "--clear-after", "1s"]).output().ok();
    assert!(output.stdout.is_empty());
    output.says("copied A to the clipboard with xclip; it is cleared after 1s");
    // Nobody waits for what clears it: it has no pipe of ours open.
    assert!(start.elapsed() < Duration::from_secs(20));
    let record = world.records("alice-laptop").pop().unwrap();
    let kept = ["action", "outcome", "reason", "command"].map(|key| record[key].as_str().unwrap().to_owned());
    assert_eq!(kept, ["get", "done", "copy", "xclip"]);
    wait_for("the clipboard to be cleared", || read(&clipboard(&world)).is_empty());
    // Byte for byte, and of any length.
    let long = "x\n".repeat(200_000);
    world.set("LONG", &long);
    copy(&world, &tools, &["LONG"]).output().ok().says("cleared after 30s");
    assert_eq!(read(&clipboard(&world)), long.as_bytes());
}

#[test]
fn the_program_of_the_desktop_gets_no_credential_of_ours() {
    let (world, value) = World::with_secret("A");
    let (seen, looked) = (world.base().join("seen"), world.base().join("looked"));
    let look = format!("env >>'{}'; case \"$*\" in *-out*) echo >'{}';; esac", seen.display(), looked.display());
    let tools = tool(&world, "xclip", &format!("{XCLIP}; {look}"));
    let identity = String::from_utf8(read(&world.identity_file())).unwrap();
    let run = copy(&world, &tools, &["A", "--clear-after", "1s"]).env("VLT_IDENTITY", identity);
    run.env("VLT_PASSPHRASE_FILE", "/nonexistent").env("VLT_COLOUR", "1").output().ok();
    assert_eq!(read(&clipboard(&world)), value.as_bytes());
    wait_for("a look at the clipboard", || looked.exists());
    // To be pasted, and cleared: three runs of it.
    wait_for("the clipboard to be cleared", || read(&clipboard(&world)).is_empty());
    let seen = String::from_utf8(read(&seen)).unwrap();
    assert!(seen.contains("VLT_COLOUR=1") && seen.contains("DISPLAY=:0"), "{seen}");
    assert!(!seen.contains("VLT_IDENTITY") && !seen.contains("VLT_PASSPHRASE"), "what it got holds a credential");
    assert!(!seen.contains("AGE-SECRET-KEY"), "what it got holds an identity");
}

#[test]
fn what_somebody_else_copied_meanwhile_stays() {
    let (world, _) = World::with_secret("A");
    let looked = world.base().join("looked");
    let script = format!("{XCLIP}; case \"$*\" in *-out*) echo >'{}';; esac", looked.display());
    let tools = tool(&world, "xclip", &script);
    copy(&world, &tools, &["A", "--clear-after", "1s"]).output().ok();
    write(&clipboard(&world), "somebody else's");
    wait_for("a look at the clipboard", || looked.exists());
    assert_eq!(read(&clipboard(&world)), b"somebody else's");
}

#[test]
fn a_clipboard_that_is_missing_or_fails_is_told() {
    let (world, _) = World::with_secret("A");
    // No desktop, and no terminal that would be ours: a session of its own.
    let mut command = std::process::Command::new("setsid");
    let command = command.arg("-w").arg(crate::harness::program()).args(["get", "--copy", "A"]).env_clear();
    let output = command.env("HOME", &world.home).current_dir(&world.project).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("error: no clipboard: no program for it, and no terminal"), "{said}");
    assert!(said.contains("hint: install wl-clipboard, xclip or xsel"), "{said}");
    let record = world.records("alice-laptop").pop().unwrap();
    assert_ne!(record["action"], "get", "nothing was opened: {record}");
    let tools = tool(&world, "xclip", "exit 3");
    copy(&world, &tools, &["A"]).output().fails_with(8, "xclip failed: it ended with status 3");
    // One that reads nothing.
    tool(&world, "xclip", "exec <&-; exit 4");
    world.set("LONG", "x".repeat(400_000));
    copy(&world, &tools, &["LONG"]).output().fails_with(8, "xclip failed: ");
    let records = world.records("alice-laptop");
    assert_eq!(records.last().unwrap()["outcome"], "failed");
    copy(&world, &tools, &["A", "--json"]).output().fails_with(2, "--json");
}

#[test]
fn wayland_comes_first_and_through_ssh_the_terminal() {
    let (world, value) = World::with_secret("A");
    tool(&world, "xclip", XCLIP);
    let tools = tool(&world, "wl-copy", "cat >\"$clip\"");
    let run = copy(&world, &tools, &["A"]).env("WAYLAND_DISPLAY", "wayland-0");
    run.output().ok().says("with wl-copy");
    let run = copy(&world, &tools, &["A", "--clear-after", "1s"]).env("SSH_TTY", "/dev/pts/9").env("NO_COLOR", "1");
    // The shell stays, as it does for a person: a terminal ends with its first program.
    let like = run.command();
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "\"$@\"; read end", "sh"]).arg(like.get_program()).args(like.get_args()).env_clear();
    shell.envs(like.get_envs().filter_map(|(name, value)| Some((name, value?)))).current_dir(&world.project);
    let mut terminal = Terminal::spawn(shell);
    let sequence = terminal_sequence(&value);
    terminal.expect(&sequence);
    terminal.expect("copied A to the terminal's clipboard, if it allows that; it is cleared after 1s");
    // The helper has the terminal open until it has cleared that.
    terminal.expect("\x1b]52;c;!\x07");
    terminal.line("");
    let shown = terminal.ends(0);
    world.assert_hidden(&shown.replace(&sequence, ""));
    let record = world.records("alice-laptop").pop().unwrap();
    assert_eq!((&record["reason"], &record["command"]), (&"copy".into(), &serde_json::Value::Null));
}

/// OSC 52, as xterm's control sequences have it.
fn terminal_sequence(value: &str) -> String {
    format!("\x1b]52;c;{}\x07", data_encoding::BASE64.encode(value.as_bytes()))
}

#[test]
fn on_a_terminal_a_value_ends_with_a_newline() {
    let (world, value) = World::with_secret("A");
    let shown = Terminal::spawn(world.run(["get", "A"]).command()).ends(0);
    assert_eq!(shown, format!("{value}\r\n"));
    world.set("N", "x\n");
    assert_eq!(Terminal::spawn(world.run(["get", "N"]).command()).ends(0), "x\r\n");
}
