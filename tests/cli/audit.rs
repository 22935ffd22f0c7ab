use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value as Json;
use vault::store::Lock;

use crate::harness::{World, keys, read, set_mode, sorted, wait_for, write, write_private};
use crate::terminal::Terminal;

/// What is done to a log behind our back.
type Spoil<'a> = &'a dyn Fn(&World);

/// What a command adds to the log: action, outcome, names, reason.
fn added(world: &World, run: impl FnOnce(&World)) -> Vec<String> {
    let before = world.records("alice-laptop").len();
    run(world);
    let text = |record: &Json| {
        let names: Vec<&str> =
            record["names"].as_array().map(|names| names.iter().filter_map(Json::as_str).collect()).unwrap_or_default();
        let reason = record["reason"].as_str().map_or_else(String::new, |reason| format!(" ({reason})"));
        format!(
            "{} {} {}{reason}",
            record["action"].as_str().unwrap(),
            record["outcome"].as_str().unwrap(),
            names.join(",")
        )
    };
    world.records("alice-laptop")[before..].iter().map(text).collect()
}

#[test]
fn every_use_change_and_refusal_leaves_its_record() {
    let (world, _) = World::with_secret("K");
    world.set_with("PY", "v", &["--command", "python3"]);
    world.set_with("NUL", "a\0b", &["--command", "cat"]);
    write(&world.project.join(".env"), "I=1\nJ=2\n");
    write_private(
        &world.home.join("private/other"),
        vault::crypto::IdentityKey::generate().unwrap().to_text().reveal(),
    );
    let other = world.home.join("private/other").display().to_string();
    let table: [(&[&str], &[&str]); 31] = [
        (&["get", "K"], &["get done K"]),
        (&["get", "K", "--json"], &["get done K"]),
        (&["get", "NOSUCH"], &["get refused NOSUCH (no-secret)"]),
        (&["get", "K", "--identity", &other], &["get refused K (not-a-member)"]),
        (&["get", "K", "--identity", "/nowhere"], &["get refused K (not-unlocked)"]),
        (&["-p", "nosuch", "get", "K"], &["get refused K (no-profile)"]),
        (&["exec", "--only", "K", "--", "true", "arg"], &["exec done K"]),
        (&["exec", "--", "true"], &["exec done K"]),
        (&["exec", "--as", "X=K", "--", "true"], &["exec done X=K"]),
        (&["exec", "--only", "PY", "--", "true"], &["exec refused PY (out-of-scope)"]),
        (&["exec", "--as", "PATH=K", "--", "true"], &["exec refused  (dangerous-name)"]),
        (&["exec", "--only", "NUL", "--", "cat"], &["exec done NUL", "exec failed NUL (not-started)"]),
        (&["exec", "--", "nosuch"], &[]),
        (&["set", "G", "--generate"], &["set intent G", "set done G"]),
        (&["set", "G", "--note", "x"], &["metadata intent G", "metadata done G"]),
        (&["set", "G", "--note", "x"], &["metadata intent G", "metadata done G (unchanged)"]),
        (&["set", "PATH", "--generate"], &["set refused PATH (dangerous-name)"]),
        (&["set", "G", "--generate", "--identity", &other], &["set refused G (not-a-member)"]),
        (&["set", "G"], &[]),
        (&["set", "G", "--generate", "-n"], &[]),
        (&["rm", "G", "-n"], &[]),
        (&["rm", "G"], &["rm intent G", "rm done G"]),
        (&["import", "-n"], &[]),
        (&["import"], &["import intent I,J", "import done I,J"]),
        (&["profile", "add", "dev"], &["profile-add intent ", "profile-add done "]),
        (&["verify"], &["verify done ", "verify done "]),
        (&["list"], &[]),
        (&["show", "K"], &[]),
        (&["which"], &[]),
        (&["doctor"], &[]),
        (&["audit"], &[]),
    ];
    for (words, want) in table {
        let found = added(&world, |world| {
            world.run(words).shows_values().output();
        });
        assert_eq!(found, want, "{words:?}");
    }
    world.vault(["audit", "verify", "--deep"]).ok();
}

#[test]
fn founding_is_on_record_from_the_first() {
    let world = World::new();
    let records = world.records("alice-laptop");
    let actions: Vec<_> = records
        .iter()
        .map(|r| format!("{} {}", r["action"].as_str().unwrap(), r["outcome"].as_str().unwrap()))
        .collect();
    assert_eq!(actions, ["log-begin done", "init intent", "init done"]);
    assert!(records[0]["certificate"].is_string());
}

#[test]
fn a_record_says_who_and_where_and_never_what() {
    let (world, _) = World::with_secret("K");
    let run =
        world.run(["exec", "--only", "K", "--", "sh", "-c", "exit 0"]).env("CI", "true").env("GITHUB_ACTIONS", "true");
    run.output().ok();
    let records = world.records("alice-laptop");
    let record = records.last().unwrap();
    assert_eq!(record["vault"], world.id());
    assert_eq!(record["device"], "alice-laptop");
    assert_eq!(record["member"], "alice");
    assert_eq!(record["profile"], "default");
    assert_eq!(record["command"], "sh", "the program and no argument");
    assert_eq!(record["cwd"], world.project.display().to_string());
    assert_eq!(record["tty"], false);
    assert_eq!(record["clock"]["alice-laptop"], 2);
    assert!(record["ci"].is_string() && record["parent"].is_string() && record["user"].is_string());
    assert!(!serde_json::to_string(&records).unwrap().contains("exit 0"));
}

#[test]
fn a_record_says_that_a_terminal_was_there() {
    let (world, _) = World::with_secret("K");
    Terminal::spawn(world.run(["exec", "--only", "K", "--", "true"]).command()).ends(0);
    let records = world.records("alice-laptop");
    let record = records.last().unwrap();
    assert_eq!((&record["action"], &record["tty"]), (&"exec".into(), &true.into()));
}

#[test]
fn filters_and_json() {
    let (world, _) = World::with_secret("K");
    world.set("OTHER", "v");
    world.run(["get", "K"]).shows_values().output().ok();
    world.vault(["get", "NOSUCH"]).exits(3);
    let count =
        |flags: &[&str]| world.vault([&["audit", "--json"], flags].concat()).ok().json().as_array().unwrap().len();
    assert_eq!(count(&[]), world.records("alice-laptop").len());
    assert_eq!(count(&["--secret", "K"]), 3);
    assert_eq!(count(&["--action", "get"]), 2);
    assert_eq!(count(&["--outcome", "refused"]), 1);
    assert_eq!(count(&["--since", "1h"]), count(&[]));
    assert_eq!(count(&["--until", "1h"]), 0);
    assert_eq!(count(&["--since", "2999-01-01"]), 0);
    let first = &world.vault(["audit", "--json"]).ok().json()[0];
    assert_eq!(*first, world.records("alice-laptop")[0], "as they are stored");
    world.vault(["audit"]).ok().prints("refused").prints("alice-laptop");
    world.vault(["audit", "--action", "none"]).ok().says("no records");
    world.vault(["audit", "--outcome", "maybe"]).fails_with(2, "done, intent, failed, refused");
    world.vault(["audit", "--since", "soon"]).fails_with(2, "--since: not a date: write 2026-12-31");
    world.vault(["audit", "--until", "soon"]).fails_with(2, "or a duration such as 7d");
    world.vault(["audit", "--log", "vault.toml"]).fails_with(8, "cannot read the audit log: Not a directory");
}

#[test]
fn a_whole_log_verifies() {
    let (world, _) = World::with_secret("K");
    for words in [&["audit", "verify", "--json"][..], &["audit", "verify", "--deep", "--json"]] {
        let json = world.vault(words).ok().silent().json();
        assert_eq!(keys(&json), sorted(&["ok", "records", "epochs", "anchors", "findings"]));
        assert_eq!(json["ok"], true);
        assert_eq!(json["records"], world.records("alice-laptop").len());
        assert_eq!(json["epochs"], 1);
        assert_eq!(json["anchors"], 1);
        assert_eq!(json["findings"], serde_json::json!([]));
    }
    world.vault(["audit", "verify"]).ok().prints("ok");
}

#[test]
fn tampering_is_found_with_status_1_and_stops_further_use() {
    // And whether the next use notices: it reads the end of the log, not its middle, and takes what was
    // appended for torn, which its own record then tells of.
    let cases: [(&str, Spoil<'_>, &[&str], bool); 8] = [
        (
            "a byte changed",
            &|w| edit(w, |text| text.replacen("\"action\":\"set\"", "\"action\":\"get\"", 1)),
            &["edited", "bad-signature"],
            false,
        ),
        ("a line taken out", &|w| edit(w, |text| without_line(text, 3)), &["missing", "edited", "cut-tail"], true),
        (
            "the last line taken out",
            &|w| edit(w, |text| without_line(text, text.lines().count() - 1)),
            &["cut-tail"],
            true,
        ),
        ("two lines swapped", &|w| edit(w, swapped), &["order", "edited", "missing"], false),
        (
            "a line twice",
            &|w| edit(w, |text| format!("{text}{}\n", text.lines().last().unwrap())),
            &["duplicate", "order"],
            false,
        ),
        ("emptied", &|w| edit(w, |_| String::new()), &["removed", "cut-tail", "missing"], true),
        ("removed", &|w| fs::remove_file(w.log_file("alice-laptop")).unwrap(), &["removed"], true),
        (
            "removed with its state",
            &|w| fs::remove_dir_all(w.audit_directory()).unwrap(),
            &["removed", "cut-tail"],
            false,
        ),
    ];
    for (what, tamper, kinds, noticed) in cases {
        let (world, value) = World::with_secret("K");
        world.set("OTHER", "v");
        tamper(&world);
        let output = world.vault(["audit", "verify", "--json"]);
        assert_eq!(output.status, 1, "{what}: {}{}", output.stderr, output.out());
        let json = output.json();
        assert_eq!(json["ok"], false, "{what}");
        let findings = json["findings"].as_array().unwrap();
        assert_eq!(keys(&findings[0]), sorted(&["kind", "device", "sequence", "detail"]), "{what}");
        assert!(findings.iter().any(|found| kinds.contains(&found["kind"].as_str().unwrap())), "{what}: {json}");
        world.vault(["audit", "verify"]).exits(1).prints("not whole");
        let get = world.run(["get", "K"]).shows_values().output();
        if noticed {
            assert_ne!(get.status, 0, "{what}: not noticed");
            get.fails(5, "audit log was tampered with", "vault audit verify");
            let output = world.vault(["exec", "--", "touch", "started"]);
            output.fails_with(125, "audit log was tampered with");
            assert!(!world.project.join("started").exists(), "{what}");
            let before = world.snapshot();
            world.run(["set", "K", "-"]).stdin("v").output().fails_with(5, "audit log was tampered with");
            world.assert_unchanged(&before);
        } else if get.status == 0 {
            assert_eq!(get.out(), value, "{what}");
            world.vault(["audit", "verify"]).exits(1);
        }
    }
}

fn edit(world: &World, change: impl Fn(&str) -> String) {
    let file = world.log_file("alice-laptop");
    let text = String::from_utf8(read(&file)).unwrap();
    write_private(&file, change(&text));
}

fn without_line(text: &str, number: usize) -> String {
    text.lines().enumerate().filter(|(n, _)| *n != number).map(|(_, line)| format!("{line}\n")).collect()
}

fn swapped(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.swap(3, 4);
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// Makes sure that nothing is given out, started or changed.
fn nothing_without_a_record(world: &World, unprivileged: bool, what: &str) {
    let before = world.snapshot();
    let run = |words: &[&str]| {
        let run = world.run(words).stdin("K=v");
        if unprivileged { run.unprivileged().output() } else { run.output() }
    };
    for words in [
        &["get", "K"][..],
        &["get", "K", "--json"],
        &["verify"],
        &["set", "K", "-"],
        &["rm", "K"],
        &["profile", "add", "x"],
        &["import", "-"],
    ] {
        let output = run(words);
        assert!(matches!(output.status, 5 | 8), "{what}, {words:?}: {} {}", output.status, output.stderr);
        assert!(output.stdout.is_empty(), "{what}, {words:?}");
    }
    for words in [&["exec", "--", "touch", "started"][..], &["exec", "--file", "F=K", "--", "touch", "started"]] {
        assert_eq!(run(words).status, 125, "{what}");
    }
    assert!(!world.project.join("started").exists(), "{what}: a child was started");
    world.assert_unchanged(&before);
}

#[test]
fn no_record_no_value_and_no_child() {
    let spoil: [(&str, Spoil<'_>); 5] = [
        ("the log is a directory", &|w| {
            fs::remove_file(w.log_file("alice-laptop")).unwrap();
            fs::create_dir(w.log_file("alice-laptop")).unwrap();
        }),
        ("the log is a link", &|w| {
            let (log, aside) = (w.log_file("alice-laptop"), w.audit_directory().join("aside"));
            fs::rename(&log, &aside).unwrap();
            std::os::unix::fs::symlink(aside, log).unwrap();
        }),
        ("the log is a link to nowhere", &|w| {
            fs::remove_file(w.log_file("alice-laptop")).unwrap();
            std::os::unix::fs::symlink("/dev/null", w.log_file("alice-laptop")).unwrap();
        }),
        ("the directory is a file", &|w| {
            fs::remove_dir_all(w.audit_directory()).unwrap();
            write(&w.audit_directory(), "");
        }),
        ("the key is gone", &|w| fs::remove_file(w.audit_directory().join("alice-laptop.key")).unwrap()),
    ];
    for (what, spoil) in spoil {
        let (world, _) = World::with_secret("K");
        spoil(&world);
        nothing_without_a_record(&world, false, what);
    }
}

#[test]
fn a_log_that_cannot_be_written_stops_every_use() {
    for part in ["the log", "the directory"] {
        let (world, _) = World::with_secret("K");
        if !world.give_to_nobody() {
            return;
        }
        let log = world.log_file("alice-laptop");
        set_mode(&log, 0o400);
        if part == "the directory" {
            fs::remove_file(&log).unwrap();
            set_mode(&world.audit_directory(), 0o500);
        }
        nothing_without_a_record(&world, true, part);
        set_mode(&world.audit_directory(), 0o700);
    }
}

#[test]
fn a_log_that_a_stopped_process_holds_is_waited_for_so_long_and_no_longer() {
    let (world, value) = World::with_secret("K");
    let mut holder = Command::new("flock");
    let mut holder = holder.arg("--no-fork").arg(world.audit_directory()).args(["sleep", "60"]).spawn().unwrap();
    wait_for("the lock to be held", || Lock::acquire(&world.audit_directory(), Duration::ZERO).is_err());
    kill_process(Pid::from_child(&holder), Signal::STOP).unwrap();
    let stopped = format!("is locked by process {}, which is stopped", holder.id());
    let before = world.snapshot();
    for (words, status) in
        [(&["get", "K"][..], 7), (&["set", "K", "--generate"], 7), (&["exec", "--", "touch", "started"], 125)]
    {
        let began = Instant::now();
        let output = world.run([&["--lock-timeout", "1s"], words].concat()).output();
        assert!(began.elapsed() >= Duration::from_secs(1), "{words:?}");
        output.fails(status, &stopped, &format!("kill -CONT {}", holder.id()));
    }
    assert!(!world.project.join("started").exists());
    world.assert_unchanged(&before);
    // Once it is gone, its lock is.
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert_eq!(world.value("K"), value.as_bytes());
}

#[test]
fn a_sink_that_fails_stops_every_use() {
    let (world, value) = World::with_secret("K");
    let get = |sink: &str| world.run(["get", "K"]).env("VLT_AUDIT", sink).shows_values().output();
    for (sink, status) in [("/dev/full", 8), ("/nowhere/log", 8), ("fd:99", 2), ("fd:x", 2)] {
        let output = get(sink);
        assert_eq!(output.status, status, "{sink}: {}", output.stderr);
        assert!(output.stdout.is_empty(), "{sink}");
    }
    let file = world.project.join("audit.jsonl");
    assert_eq!(get(file.to_str().unwrap()).ok().out(), value);
    let line: Json = serde_json::from_slice(&read(&file)).unwrap();
    assert_eq!(line["action"], "get");
    assert!(line["sink"].is_string());
    let output = world.run(["get", "K"]).env("VLT_AUDIT", "stderr").shows_values().foreign_stderr().output().ok();
    assert!(output.stderr.contains("\"action\":\"get\""));
    let output = world.run(["get", "K"]).env("VLT_AUDIT", "fd:9").redirect("9>&1 >/dev/null").output().ok();
    output.prints("\"action\":\"get\"");
}

#[test]
fn a_shared_directory_holds_one_log_for_each_device() {
    let (world, _) = World::with_secret("K");
    let shared = world.project.join("audit-logs");
    fs::create_dir(&shared).unwrap();
    world.vault(["config", "audit_dir", shared.to_str().unwrap()]).ok();
    let output = world.run(["get", "K"]).shows_values().output();
    // What the log was moved away from is known to the device: it is not begun again silently.
    if output.status != 0 {
        output.fails_with(5, "audit log was tampered with");
        let (from, to) = (world.log_file("alice-laptop"), shared.join(world.id()));
        fs::create_dir_all(&to).unwrap();
        fs::rename(from, to.join("alice-laptop.jsonl")).unwrap();
        world.run(["get", "K"]).shows_values().output().ok();
    }
    assert!(shared.join(world.id()).join("alice-laptop.jsonl").exists());
    world.vault(["audit", "verify"]).ok();
    world.vault(["audit", "--action", "get"]).ok().prints("alice-laptop");
}

#[test]
fn days_are_those_of_the_machine_and_end_with_their_end() {
    let (world, _) = World::with_secret("K");
    world.run(["get", "K"]).shows_values().output().ok();
    let now = chrono::Utc::now();
    for (zone, hours) in [("Pacific/Auckland", 12), ("America/Los_Angeles", -8), ("UTC", 0)] {
        // Of the two days that it may be there, as the tests know no summer time, one has all of it.
        let days = [hours, hours + 1].map(|hours| (now + chrono::Duration::hours(hours)).format("%F").to_string());
        let count = |words: &[&str]| {
            let run = world.run(["audit", "--json", "--action", "get"].iter().chain(words)).env("TZ", zone);
            run.output().ok().json().as_array().unwrap().len()
        };
        let found: usize = if days[0] == days[1] { 1 } else { 2 };
        let each: usize = days[..found].iter().map(|day| count(&["--since", day, "--until", day])).sum();
        assert_eq!(each, 1, "{zone} {days:?}");
        // What was made today is not of the future.
        let words = ["set", "K", "--created", days[0].as_str()];
        world.run(words).env("TZ", zone).output().ok();
        world.run(["set", "K", "--expires", "2099-12-05"]).env("TZ", zone).output().ok();
        world.run(["show", "K"]).env("TZ", zone).output().ok().prints("2099-12-05");
        // What people write for always and never.
        assert_eq!(count(&["--since", "1970-01-01", "--until", "9999-12-31"]), 1);
        world.run(["set", "K", "--created", "1970-01-01"]).env("TZ", zone).output().ok();
        world.run(["set", "K", "--expires", "9999-12-31"]).env("TZ", zone).output().ok();
    }
}
