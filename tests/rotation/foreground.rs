//! Commands that stay: they end when they are asked to, as process 1 of a container as well.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::harness::Project;

/// Longest that anything here is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

const LATE: [&str; 4] = ["--created", "2020-01-01", "--rotate-every", "30d"];

/// Waits for something; not by the clock of the program under test.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "waited for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn lines(path: &Path) -> usize {
    std::fs::read_to_string(path).unwrap_or_default().lines().count()
}

/// The only child of a process.
fn child_of(process: u32) -> Option<i32> {
    std::fs::read_to_string(format!("/proc/{process}/task/{process}/children")).ok()?.trim().parse().ok()
}

fn signal(process: i32, signal: Signal) {
    kill_process(Pid::from_raw(process).unwrap(), signal).unwrap();
}

/// Starts vault as process 1 of a namespace; `None` where that is not permitted. Gives the
/// process to wait for, and the number that vault has outside.
fn as_process_1(project: &Project, arguments: &[&str]) -> Option<(Child, i32)> {
    let probe = Command::new("unshare").args(["--pid", "--fork", "true"]).stderr(Stdio::null()).status();
    if !probe.is_ok_and(|status| status.success()) {
        // scripts/test.sh says so.
        return None;
    }
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", env!("CARGO_BIN_EXE_vault")]).args(arguments);
    command.current_dir(project.dir()).env_clear().env("HOME", project.path("")).env("PATH", "/usr/bin:/bin");
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut vault = None;
    until("the namespace", || {
        vault = child_of(child.id());
        vault.is_some()
    });
    Some((child, vault.unwrap()))
}

#[test]
fn the_foreground_loop_reminds_stays_and_survives_a_clock_that_moves() {
    let project = Project::new();
    project.set("KEY", "v", &["--rotate-every", "30d"]);
    let clock = project.path("clock");
    std::fs::write(&clock, "+0").unwrap();
    let mut command = project.command(&[
        "schedule",
        "run",
        "--every",
        "1s",
        "--notify",
        "command:cat >> told.json; echo >> told.json",
    ]);
    command.env("LD_PRELOAD", "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1");
    command.env("FAKETIME_TIMESTAMP_FILE", &clock).env("FAKETIME_NO_CACHE", "1").env("DONT_FAKE_MONOTONIC", "1");
    let mut child = command.spawn().unwrap();
    let told = || std::fs::read_to_string(project.dir().join("told.json")).unwrap_or_default().lines().count();
    // Not by the clock that is moved: waits until so many messages are there.
    let mut wait = |want: usize| {
        for _ in 0..300 {
            if told() >= want {
                break;
            }
            assert!(child.try_wait().unwrap().is_none(), "it stays");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        assert_eq!(told(), want);
    };
    for (offset, want) in [("+16d", 1), ("+40d", 2), ("-3650d", 2), ("+29d", 3), ("+18000d", 3), ("+0", 3)] {
        std::fs::write(&clock, offset).unwrap();
        wait(want);
    }
    // After all of that it still does what it is there for.
    project.set("LATE", "v", &LATE);
    wait(4);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn process_1_of_a_container_ends_as_soon_as_it_is_asked_to() {
    let project = Project::new();
    project.set("KEY", "v", &LATE);
    let told = project.dir().join("told");
    for (how, status) in [(Signal::TERM, 0), (Signal::INT, 130), (Signal::HUP, 129)] {
        let _ = std::fs::remove_file(&told);
        // What it leaves running in the background falls to process 1.
        let notify = format!("command:cat >> told; (sleep 0.01; echo {status} >> ended) >/dev/null 2>&1 &");
        let run = ["schedule", "run", "--every", "1s", "--notify", &notify];
        let Some((mut child, vault)) = as_process_1(&project, &run) else { return };
        until("a reminder", || lines(&told) > 0);
        until("what ran in the background", || project.dir().join("ended").exists());
        until("nobody left over", || {
            let state = |process: &str| std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
            let children = std::fs::read_to_string(format!("/proc/{vault}/task/{vault}/children")).unwrap_or_default();
            !children.split_whitespace().any(|process| state(process).contains(") Z "))
        });
        signal(vault, how);
        let ended = child.wait().unwrap();
        assert_eq!(ended.code(), Some(status), "{how:?}: {ended:?}");
        assert!(project.ok(&["schedule", "status"]).contains("command:cat"), "its state is whole");
        std::fs::remove_file(project.dir().join("ended")).unwrap();
    }
}

#[test]
fn it_ends_in_the_middle_of_a_delivery_and_what_was_to_be_said_is_not_lost() {
    let project = Project::new();
    project.set("KEY", "v", &LATE);
    // Hangs; by the time limit it would for half a minute.
    let hangs = "command:echo $$ > started; exec sleep 600";
    let run = ["schedule", "run", "--notify", hangs];
    let started = project.dir().join("started");
    let mut child = project.command(&run).spawn().unwrap();
    until("the notify command", || lines(&started) > 0);
    let began = Instant::now();
    signal(child.id().cast_signed(), Signal::TERM);
    let output = child.wait_with_output().unwrap();
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(output.status.code(), Some(0));
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(stderr.contains("vault was asked to end; one reminder is tried again next time"), "{stderr}");
    let notify = std::fs::read_to_string(&started).unwrap().trim().to_owned();
    assert!(!Path::new("/proc").join(notify).exists(), "what it started has ended");
    let told = project.run(&["remind", "--notify", hangs, "--dry-run"]);
    assert!(told.err.contains("would tell command:echo"), "{}", told.err);
    // Between two deliveries, and by the keyboard: the shell is to know.
    let run = ["schedule", "run", "--every", "1s", "--notify", "command:cat > told"];
    child = project.command(&run).spawn().unwrap();
    until("a reminder", || lines(&project.dir().join("told")) > 0);
    signal(child.id().cast_signed(), Signal::INT);
    assert_eq!(child.wait().unwrap().signal(), Some(Signal::INT.as_raw()));
}

#[test]
fn following_the_log_ends_in_the_same_way() {
    let project = Project::new();
    project.set("KEY", "v", &[]);
    for words in [&["audit", "--follow"][..], &["audit", "export", "--format", "jsonl", "--follow"]] {
        let mut child = project.command(words).spawn().unwrap();
        let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut out, &mut String::new()).unwrap();
        signal(child.id().cast_signed(), Signal::TERM);
        assert_eq!(child.wait().unwrap().code(), Some(0), "{words:?}");
        let Some((mut child, vault)) = as_process_1(&project, words) else { return };
        // From when on it is asked for: the log is open and read.
        until("the log", || {
            let open = std::fs::read_dir(format!("/proc/{vault}/fd")).into_iter().flatten().flatten();
            open.filter_map(|fd| std::fs::read_link(fd.path()).ok()).any(|path| path.ends_with("alice-laptop.jsonl"))
        });
        until("its end", || {
            // The handler may be set a moment later than that; before, process 1 is deaf.
            let _ = kill_process(Pid::from_raw(vault).unwrap(), Signal::TERM);
            child.try_wait().unwrap().is_some()
        });
        assert_eq!(child.wait().unwrap().code(), Some(0), "{words:?}");
    }
}

#[test]
fn an_ignored_signal_stays_ignored() {
    let project = Project::new();
    project.set("KEY", "v", &LATE);
    let vault = env!("CARGO_BIN_EXE_vault");
    let script = format!("trap '' HUP; exec '{vault}' schedule run --every 1s --notify 'command:cat >> told'");
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &script]).current_dir(project.dir()).env_clear();
    command.env("HOME", project.path("")).env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
    let mut child = command.spawn().unwrap();
    let told = project.dir().join("told");
    until("a reminder", || lines(&told) > 0);
    signal(child.id().cast_signed(), Signal::HUP);
    project.set("LATE", "v", &LATE);
    until("the next one", || std::fs::read_to_string(&told).unwrap().contains("LATE in profile"));
    signal(child.id().cast_signed(), Signal::TERM);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
