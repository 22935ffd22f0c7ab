//! `vault audit` with somebody looking: how far `verify` is.

use std::fs;
use std::io::Write;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use vault::crypto::{Hash, SigningKey, from_base64, length_prefixed};

use crate::harness::{World, read};
use crate::terminal::Terminal;

/// What takes the bar off the terminal again.
const ERASE: &str = "\r\x1b[K";

/// Six records of 8 MiB behind the last one, a `get` of `K`: as this device would have written them.
fn lengthen(world: &World) {
    let pair = String::from_utf8(read(&world.audit_directory().join("alice-laptop.key"))).unwrap();
    let key = SigningKey::from_pair(&from_base64(pair.trim(), "key").unwrap().try_into().unwrap()).unwrap();
    let text = String::from_utf8(read(&world.log_file("alice-laptop"))).unwrap();
    let number = text.lines().count();
    let mut last = text.lines().last().unwrap().to_owned();
    let body = last.split(",\"prev\":").next().unwrap().to_owned();
    let names = vec![format!("\"{}\"", "N".repeat(4096)); 2048].join(",");
    let mut log = fs::OpenOptions::new().append(true).open(world.log_file("alice-laptop")).unwrap();
    for more in 1..=6 {
        let body = body.replace(&format!("\"seq\":{number},"), &format!("\"seq\":{},", number + more));
        let body = body.replace("\"names\":[\"K\"]", &format!("\"names\":[{names}]"));
        let signed = format!("{body},\"prev\":\"{}\"", Hash::of(last.as_bytes()));
        let signature = key.sign(&length_prefixed(&[b"vault/v1/audit", signed.as_bytes()]));
        last = format!("{signed},\"sig\":\"{signature}\"}}");
        writeln!(log, "{last}").unwrap();
    }
}

/// Stops a process that has used this much of the processor, in hundredths of a second, for longer than the bar
/// waits. It may have ended before.
fn stop_for_a_while(process: Pid, used: u64) {
    let stat = format!("/proc/{}/stat", process.as_raw_nonzero());
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let stat = fs::read_to_string(&stat).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        if fields[0] == "Z" || ticks >= used {
            break;
        }
        assert!(Instant::now() < end, "{stat}");
        std::thread::sleep(Duration::from_millis(1));
    }
    kill_process(process, Signal::STOP).unwrap();
    std::thread::sleep(Duration::from_millis(1100));
    kill_process(process, Signal::CONT).unwrap();
}

#[test]
fn verify_shows_how_far_it_is_on_a_terminal_where_it_takes_longer() {
    let (world, _) = World::with_secret("K");
    world.value("K");
    // What takes a moment shows nothing.
    let shown = Terminal::spawn(world.run(["audit", "verify"]).env("NO_COLOR", "1").command()).ends(0);
    assert!(shown.starts_with("ok  ") && !shown.contains('\x1b'), "{shown:?}");
    lengthen(&world);
    // Nobody can tell when it is in the middle of the log, so that is tried.
    let seen = (2..12).any(|used| {
        let terminal = Terminal::spawn(world.run(["audit", "verify"]).env("NO_COLOR", "1").command());
        stop_for_a_while(terminal.process(), used);
        let shown = terminal.ends(0);
        let Some((before, after)) = shown.rsplit_once("verifying ") else { return false };
        assert!(before.starts_with("\r"), "{shown:?}");
        let (bar, after) = after.split_once(ERASE).expect("it is taken off again");
        let bar = bar.trim_end_matches("\x1b[K");
        assert!(bar.starts_with(['█', '·']) && bar.ends_with(" of 50 MB") && bar.chars().count() < 50, "{bar:?}");
        assert!(after.starts_with("ok  ") && !after.contains('\x1b'), "{shown:?}");
        true
    });
    assert!(seen, "no bar");
    // Somewhere else than on a terminal, and where it was told to be quiet, nothing is shown however long it takes.
    for used in [2, 4, 6] {
        let child = world.run(["audit", "verify"]).spawn();
        stop_for_a_while(Pid::from_child(&child), used);
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        assert!(output.stdout.starts_with(b"ok  "), "{output:?}");
    }
}
