//! `vault audit` from outside: filters, statistics, export, checkpoints, and the way on
//! after tampering.
#![expect(clippy::disallowed_methods, reason = "tests prepare, damage and inspect files, and run other programs")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// A home of its own, with a vault in `app`, and nothing of the environment but the path.
struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    fn new() -> Self {
        let home = Self::empty();
        home.ok(&["init", "--member", "alice", "--device", "laptop", "--no-recovery"]);
        home.set("STRIPE_KEY", "one");
        home.set("OTHER_KEY", "two");
        home
    }

    fn empty() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("app")).unwrap();
        Self { dir }
    }

    fn app(&self) -> PathBuf {
        self.dir.path().join("app")
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("HOME", self.dir.path()).env("TZ", "UTC").current_dir(self.app());
        command.env("PATH", std::env::var_os("PATH").unwrap()).stdin(Stdio::null());
        command
    }

    fn vault(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_vault"));
        command.args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.vault(arguments).output().unwrap()
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn fails(&self, arguments: &[&str], status: i32) -> String {
        let output = self.run(arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {text}");
        text
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.ok(arguments)).unwrap()
    }

    fn set(&self, name: &str, value: &str) {
        let mut child = self.vault(&["-q", "set", name, "-"]).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(value.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
    }

    fn git(&self, arguments: &[&str]) {
        let mut command = self.command("git");
        command.args(["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"]);
        assert!(command.args(arguments).output().unwrap().status.success(), "{arguments:?}");
    }

    /// The audit directory of the one vault.
    fn audit(&self) -> PathBuf {
        let vaults = self.dir.path().join(".local/state/vault/vaults");
        let id = fs::read_dir(vaults).unwrap().next().unwrap().unwrap().path();
        id.join("audit")
    }

    fn log(&self) -> PathBuf {
        self.audit().join("laptop.jsonl")
    }

    fn actions(&self, arguments: &[&str]) -> Vec<String> {
        let mut all = vec!["audit", "--json"];
        all.extend(arguments);
        let records = self.json(&all);
        records.as_array().unwrap().iter().map(|record| record["action"].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn every_filter_narrows_it_down() {
    let home = Home::new();
    home.ok(&["exec", "--as", "X=STRIPE_KEY", "--", "true"]);
    home.ok(&["get", "OTHER_KEY"]);
    home.fails(&["get", "NO_KEY"], 3);
    let all = home.actions(&[]).len();
    for (filter, want) in [
        (&["--secret", "STRIPE_KEY"][..], 3),
        (&["--secret", "X"], 0),
        (&["--action", "get"], 2),
        (&["--action", "get", "--outcome", "refused"], 1),
        (&["--outcome", "intent"], 3),
        (&["--device", "laptop"], all),
        (&["--device", "other"], 0),
        (&["--member", "bob"], 0),
        (&["--member", "alice", "--action", "get"], 2),
        (&["--since", "1h"], all),
        (&["--until", "1h"], 0),
        (&["--since", "2999-01-01"], 0),
    ] {
        assert_eq!(home.actions(filter).len(), want, "{filter:?}");
    }
    let table = home.ok(&["audit"]);
    assert!(table.contains("AGE") && table.contains("just now") && table.contains("alice on laptop"), "{table}");
    assert!(home.fails(&["audit", "--since", "soon"], 2).contains("not a date"));
}

#[test]
fn logs_from_elsewhere_are_read_together_and_each_record_once() {
    let home = Home::new();
    home.ok(&["get", "OTHER_KEY"]);
    let archive = home.dir.path().join("archive");
    fs::create_dir(&archive).unwrap();
    fs::copy(home.log(), archive.join("laptop.jsonl")).unwrap();
    let archive = archive.to_str().unwrap();
    let all = home.actions(&[]);
    assert_eq!(home.actions(&["--log", archive]), all);
    let own = home.audit();
    home.ok(&["get", "OTHER_KEY"]);
    assert_eq!(home.actions(&["--log", archive, "--log", own.to_str().unwrap()]).len(), all.len() + 1);
    assert!(home.fails(&["audit", "--log", "/nonexistent"], 3).contains("no audit logs"));
}

#[test]
fn a_shared_directory_shows_several_devices_in_one_order() {
    let home = Home::new();
    let shared = home.dir.path().join("shared");
    fs::create_dir(&shared).unwrap();
    fs::rename(home.audit().join("laptop.jsonl"), home.dir.path().join("laptop.jsonl")).unwrap();
    let id = home.audit().parent().unwrap().file_name().unwrap().to_owned();
    fs::create_dir(shared.join(&id)).unwrap();
    fs::rename(home.dir.path().join("laptop.jsonl"), shared.join(&id).join("laptop.jsonl")).unwrap();
    home.ok(&["config", "audit_dir", shared.to_str().unwrap()]);
    let told = home.ok(&["member", "add", "ci", "--new-identity", "--read", "default"]);
    let told: Vec<(&str, &str)> = told.lines().filter_map(|line| line.split_once('=')).collect();
    let other = home.dir.path().join("other");
    fs::create_dir(&other).unwrap();
    let ci = |arguments: &[&str]| {
        let output = home.vault(arguments).env("HOME", &other).envs(told.iter().copied()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    };
    ci(&["config", "audit_dir", shared.to_str().unwrap()]);
    for _ in 0..2 {
        ci(&["get", "OTHER_KEY"]);
        home.ok(&["get", "STRIPE_KEY"]);
    }
    let records = home.json(&["audit", "--json"]);
    let records = records.as_array().unwrap();
    let times: Vec<&str> = records.iter().map(|record| record["at"].as_str().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
    let gets = |device: &str| home.actions(&["--device", device, "--action", "get"]).len();
    assert_eq!((gets("ci"), gets("laptop")), (2, 2));
    // Named twice, by the directory and by the vault's own in it, each record is still there once.
    let inner = shared.join(&id);
    let twice = ["--log", shared.to_str().unwrap(), "--log", inner.to_str().unwrap()];
    assert_eq!(home.actions(&twice).len(), records.len());
    let report = home.json(&["audit", "verify", "--json"]);
    assert_eq!((&report["ok"], &report["records"]), (&true.into(), &records.len().into()), "{report}");
    // Another device's log is checked like one's own, with what this machine knows of it.
    let log = inner.join("ci.jsonl");
    fs::write(&log, fs::read_to_string(&log).unwrap().replace("OTHER_KEY", "STRIPE_KEY")).unwrap();
    let output = home.run(&["audit", "verify", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let found = &report["findings"][0];
    assert_eq!((&found["kind"], &found["device"]), (&"edited".into(), &"ci".into()), "{report}");
}

#[test]
fn what_a_crash_left_is_passed_over_and_garbage_is_warned_of() {
    let home = Home::new();
    let before = home.actions(&[]).len();
    let mut log = fs::OpenOptions::new().append(true).open(home.log()).unwrap();
    log.write_all(b"{\"v\":1,\"vau").unwrap();
    let output = home.run(&["audit", "--json"]);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    home.ok(&["get", "OTHER_KEY"]);
    let output = home.run(&["audit", "--json"]);
    assert!(output.stderr.is_empty(), "{output:?}");
    assert_eq!(home.actions(&[]).len(), before + 1);
    log.write_all(b"garbage\n").unwrap();
    let output = home.run(&["audit", "--json"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("1 line of the log is no record"), "{output:?}");
    assert!(output.status.success());
}

#[test]
fn a_followed_log_shows_records_as_they_come() {
    let home = Home::new();
    let arguments = ["audit", "export", "--format", "jsonl", "--follow", "--action", "get"];
    let mut child = home.vault(&arguments).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for name in ["OTHER_KEY", "STRIPE_KEY"] {
        home.ok(&["get", name]);
        let record: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(record["names"][0], name);
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn statistics_count_uses_and_name_what_nobody_used() {
    let home = Home::new();
    home.ok(&["exec", "--only", "STRIPE_KEY", "--", "true"]);
    home.ok(&["exec", "--as", "X=STRIPE_KEY", "--", "env"]);
    home.fails(&["get", "NO_KEY"], 3);
    let stats = home.json(&["audit", "stats", "--json"]);
    let secrets = stats["secrets"].as_array().unwrap();
    assert_eq!(secrets.len(), 1, "{stats}");
    assert_eq!((&secrets[0]["name"], &secrets[0]["uses"]), (&"STRIPE_KEY".into(), &2.into()));
    assert_eq!(secrets[0]["programs"], serde_json::json!({"true": 1, "env": 1}));
    assert_eq!(stats["refused"], 1);
    assert_eq!(stats["unused"], serde_json::json!([]), "values of today are no candidates");
    std::thread::sleep(std::time::Duration::from_secs(2));
    let stats = home.json(&["audit", "stats", "--json", "--unused", "1s"]);
    let unused: Vec<&str> = stats["unused"].as_array().unwrap().iter().map(|u| u["name"].as_str().unwrap()).collect();
    assert_eq!(unused, ["OTHER_KEY", "STRIPE_KEY"]);
    let text = home.ok(&["audit", "stats", "--unused", "1s"]);
    for part in ["Mon", "Sun", "candidates for removal", "default/OTHER_KEY", "never"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn list_and_show_know_the_last_use_also_by_way_of_another_profile() {
    let home = Home::new();
    home.ok(&["profile", "add", "child", "--extends", "default"]);
    let last = || {
        let list = home.json(&["list", "--json"]);
        let listed = list.as_array().unwrap().iter().find(|secret| secret["name"] == "STRIPE_KEY").unwrap().clone();
        let shown = home.json(&["show", "STRIPE_KEY", "--json"]);
        assert_eq!(listed["last_used"], shown["last_used"]);
        listed["last_used"].clone()
    };
    assert_eq!(last(), Value::Null);
    home.ok(&["-p", "child", "exec", "--", "true"]);
    assert!(last().is_string());
}

#[test]
fn exports_are_read_by_parsers_that_know_nothing_of_vault() {
    let home = Home::new();
    home.ok(&["exec", "--as", "X=STRIPE_KEY", "--", "true"]);
    home.fails(&["get", "NO_KEY"], 3);
    // Text that would break out of a cell, or be taken for a formula.
    for name in ["a,\"b\" \u{1b}]52;\u{202e}é漢", "=1+1"] {
        let directory = home.app().join(name);
        fs::create_dir(&directory).unwrap();
        assert!(home.vault(&["get", "OTHER_KEY"]).current_dir(&directory).output().unwrap().status.success());
    }
    let script = home.dir.path().join("=cmd, \"x\"");
    fs::write(&script, "#!/bin/sh\n").unwrap();
    home.command("chmod").arg("755").arg(&script).status().unwrap();
    let path = format!("{}:/usr/bin:/bin", home.dir.path().display());
    assert!(home.vault(&["exec", "--", "=cmd, \"x\""]).env("PATH", path).output().unwrap().status.success());
    let files: Vec<PathBuf> = ["jsonl", "csv", "ecs"]
        .iter()
        .map(|format| {
            let file = home.dir.path().join(format);
            fs::write(&file, home.ok(&["audit", "export", "--format", format])).unwrap();
            file
        })
        .collect();
    assert_eq!(fs::read(&files[0]).unwrap(), fs::read(home.log()).unwrap(), "as stored");
    let oracle = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/audit_export.py");
    let output = Command::new("python3").arg(oracle).args(&files).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let count: usize = String::from_utf8(output.stdout).unwrap().trim().parse().unwrap();
    assert_eq!(count, home.actions(&[]).len());
    let filtered = home.ok(&["audit", "export", "--format", "csv", "--action", "exec"]);
    assert_eq!(filtered.lines().count(), 3);
}

/// Cuts the log and the device's memory of it back to what they were.
fn cut_back(home: &Home, kept: &[(PathBuf, Vec<u8>)]) {
    for (path, bytes) in kept {
        fs::write(path, bytes).unwrap();
    }
    assert!(home.run(&["audit", "verify"]).status.success(), "nothing on this machine remembers more");
}

fn keep(home: &Home) -> Vec<(PathBuf, Vec<u8>)> {
    let files = fs::read_dir(home.audit()).unwrap().map(|file| file.unwrap().path()).filter(|path| path.is_file());
    files.map(|path| (path.clone(), fs::read(&path).unwrap())).collect()
}

#[test]
fn a_checkpoint_shows_a_tail_that_was_cut_with_everything_that_knew_of_it() {
    let home = Home::new();
    let old = keep(&home);
    home.ok(&["get", "OTHER_KEY"]);
    let checkpoint = home.dir.path().join("checkpoint");
    fs::write(&checkpoint, home.ok(&["audit", "checkpoint"])).unwrap();
    let checkpoint = checkpoint.to_str().unwrap();
    let report = home.json(&["audit", "verify", "--json", "--against", checkpoint]);
    assert_eq!((&report["ok"], report["findings"].as_array().unwrap().len()), (&true.into(), 0), "{report}");
    cut_back(&home, &old);
    let output = home.run(&["audit", "verify", "--json", "--against", checkpoint]);
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let sequence = home.actions(&[]).len() + 1;
    assert_eq!(report["findings"][0]["kind"], "cut-tail", "{report}");
    assert_eq!(report["findings"][0]["sequence"], sequence, "{report}");
    // A checkpoint that was changed, and one of another vault, are refused.
    let text = fs::read_to_string(checkpoint).unwrap();
    fs::write(checkpoint, text.replace("epoch 1", "epoch 2")).unwrap();
    assert!(home.fails(&["audit", "verify", "--against", checkpoint], 5).contains("changed after it was signed"));
    let other = Home::new();
    fs::write(checkpoint, other.ok(&["audit", "checkpoint"])).unwrap();
    assert!(home.fails(&["audit", "verify", "--against", checkpoint], 5).contains("another vault"));
}

#[test]
fn git_history_shows_a_tail_that_was_cut() {
    let home = Home::new();
    home.git(&["init", "-q"]);
    home.git(&["add", "."]);
    home.git(&["commit", "-q", "-m", "one"]);
    let (old, old_file) = (keep(&home), fs::read(home.app().join("vault.toml")).unwrap());
    let memory = home.audit().parent().unwrap().to_path_buf();
    let memory: Vec<_> =
        fs::read_dir(memory).unwrap().map(|file| file.unwrap().path()).filter(|p| p.is_file()).collect();
    let memory: Vec<_> = memory.into_iter().map(|path| (path.clone(), fs::read(&path).unwrap())).collect();
    home.set("STRIPE_KEY", "three");
    home.git(&["commit", "-q", "-a", "-m", "two"]);
    let report = home.json(&["audit", "verify", "--json", "--against", "HEAD"]);
    // Each version anchors the one profile: founding, two values, one change; one of them twice.
    assert_eq!((&report["ok"], &report["anchors"]), (&true.into(), &3.into()), "{report}");
    cut_back(&home, &[]);
    fs::write(home.app().join("vault.toml"), old_file).unwrap();
    for (path, bytes) in &memory {
        fs::write(path, bytes).unwrap();
    }
    cut_back(&home, &old);
    let output = home.run(&["audit", "verify", "--against", "HEAD"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("cut-tail"), "{output:?}");
    assert!(home.run(&["audit", "verify", "--against", "HEAD~1"]).status.success());
    assert!(home.fails(&["audit", "verify", "--against", "no-such-commit"], 2).contains("neither a file"));
}

/// A state that claims 2^40 records of earlier logs, with a checksum that fits.
fn with_earlier(state: &[u8]) -> Vec<u8> {
    let half = state.len() / 2;
    let mut state = state.to_vec();
    for slot in state.chunks_mut(half) {
        let Some(end) = slot.iter().rposition(|byte| *byte == b'}') else { continue };
        let json = format!("{},\"earlier\":{}}}", String::from_utf8_lossy(&slot[53..end]), 1_u64 << 40);
        let text = format!("{} {json}", vault::crypto::Hash::of(json.as_bytes()));
        slot[..text.len()].copy_from_slice(text.as_bytes());
    }
    state
}

#[test]
fn a_restored_backup_is_told_of_once_and_goes_on() {
    let home = Home::new();
    let old = keep(&home);
    home.set("STRIPE_KEY", "three");
    for (path, bytes) in &old {
        fs::write(path, bytes).unwrap();
    }
    let verify = home.run(&["audit", "verify"]);
    assert_eq!(verify.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&verify.stdout).contains("profile default"), "{verify:?}");
    let told = |arguments: &[&str]| {
        let output = home.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8_lossy(&output.stderr).contains("restored from a backup, or cut")
    };
    assert!(told(&["exec", "--", "true"]));
    assert!(!told(&["exec", "--", "true"]) && !told(&["get", "STRIPE_KEY"]));
    let begun = home.json(&["audit", "--json", "--action", "log-begin"]);
    let reason = begun[1]["reason"].as_str().unwrap();
    assert!(reason.contains("profile default names record"), "{reason}");
    // The record that is gone is missed for as long as the profile names it.
    assert_eq!(home.run(&["audit", "verify"]).status.code(), Some(1));
    home.set("STRIPE_KEY", "four");
    home.ok(&["audit", "verify"]);
    // The state beside it has a checksum and no key, so what it says of earlier logs counts for nothing.
    let home = Home::new();
    let old = keep(&home);
    home.set("STRIPE_KEY", "three");
    for (path, bytes) in &old {
        fs::write(path, if path.ends_with("laptop.state") { with_earlier(bytes) } else { bytes.clone() }).unwrap();
    }
    let output = home.run(&["get", "STRIPE_KEY"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("restored from a backup, or cut"), "{output:?}");
    // Said by hand, it works as well, and then nothing more is said.
    let home = Home::new();
    let old = keep(&home);
    home.set("STRIPE_KEY", "three");
    for (path, bytes) in &old {
        fs::write(path, bytes).unwrap();
    }
    home.ok(&["audit", "begin", "--reason", "snapshot of Monday", "--yes"]);
    assert!(home.run(&["get", "STRIPE_KEY"]).stderr.is_empty());
    let begun = home.json(&["audit", "--json", "--action", "log-begin"]);
    assert_eq!(begun[1]["overrides"][0], "tampering:log-behind");
}

#[test]
fn a_followed_log_ends_with_its_reader_and_rests_between() {
    let home = Home::new();
    for arguments in [&["audit", "--follow"][..], &["audit", "export", "--format", "csv", "--follow"]] {
        let mut child = home.vault(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        lines.next().unwrap().unwrap();
        // Ticks of processor time, user and system: it sleeps, whatever the load of this machine.
        let ticks = || {
            let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
            let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
            fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
        };
        if cfg!(target_os = "linux") {
            let before = ticks();
            std::thread::sleep(std::time::Duration::from_secs(2));
            assert!(ticks() - before < 20, "{arguments:?}: busy");
        }
        drop(lines);
        // The next record meets the closed pipe.
        home.ok(&["get", "OTHER_KEY"]);
        let status = child.wait().unwrap();
        assert!(!status.success(), "{arguments:?}: {status}");
        let mut said = String::new();
        std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut said).unwrap();
        assert!(!said.contains("panicked"), "{said}");
        // Ctrl-C.
        let mut child = home.vault(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        lines.next().unwrap().unwrap();
        let id = child.id().to_string();
        assert!(home.command("kill").args(["-INT", &id]).status().unwrap().success());
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&child.wait().unwrap()), Some(2));
    }
}

#[test]
fn after_tampering_nothing_is_handed_out_until_a_new_log_is_begun() {
    let home = Home::new();
    let text = home.fails(&["audit", "begin", "--reason", "why not", "--yes"], 2);
    assert!(text.contains("no reason to begin again"), "{text}");
    let whole = fs::read_to_string(home.log()).unwrap();
    let cut: String = whole.lines().take(3).map(|line| format!("{line}\n")).collect();
    fs::write(home.log(), &cut).unwrap();
    let output = home.run(&["get", "OTHER_KEY"]);
    assert_eq!(output.status.code(), Some(5));
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("vault audit begin"), "{output:?}");
    home.fails(&["exec", "--", "true"], 125);
    home.fails(&["audit", "verify"], 1);
    assert!(home.fails(&["audit", "begin", "--reason", "disk replaced"], 2).contains("not confirmed"));
    assert!(home.fails(&["audit", "begin", "--reason", " ", "--yes"], 2).contains("empty"));
    home.ok(&["audit", "begin", "--reason", "disk replaced", "--yes"]);
    assert_eq!(fs::read_to_string(home.log()).unwrap(), cut, "evidence is kept");
    assert_eq!(home.ok(&["get", "OTHER_KEY"]), "two");
    let begun = home.json(&["audit", "--json", "--action", "log-begin"]);
    let begun = begun.as_array().unwrap().last().unwrap();
    assert_eq!(begun["reason"], "disk replaced");
    assert_eq!(begun["overrides"], serde_json::json!(["tampering:log-cut"]));
    assert_eq!(begun["member"], "alice");
    let head = begun["after"].as_str().unwrap();
    assert!(head.starts_with(&format!("{}:", whole.lines().count())), "{head}");
    assert!(begun["certificate"].is_string());
}

#[test]
fn what_only_a_verification_finds_is_a_reason_to_begin_a_new_log_as_well() {
    let home = Home::new();
    let whole = fs::read_to_string(home.log()).unwrap();
    let edited = whole.replacen(r#""action":"set""#, r#""action":"get""#, 1);
    assert_ne!(edited, whole);
    fs::write(home.log(), &edited).unwrap();
    // A use looks at the end of the log and no further.
    home.ok(&["get", "OTHER_KEY"]);
    let hint = home.fails(&["audit", "verify"], 1);
    assert!(hint.contains("vault audit begin --reason"), "{hint}");
    let tried = home.run(&["audit", "begin", "--reason", "looked into", "-n"]);
    assert!(String::from_utf8_lossy(&tried.stderr).contains("what was found: edited record"), "{tried:?}");
    home.ok(&["audit", "begin", "--reason", "looked into", "--yes"]);
    let begun = home.json(&["audit", "--json", "--action", "log-begin"]);
    assert_eq!(begun.as_array().unwrap().last().unwrap()["overrides"], serde_json::json!(["tampering:edited"]));
    // The old log is evidence, and a note from now on.
    assert!(home.ok(&["audit", "verify"]).contains("earlier"));
    assert!(fs::read_to_string(home.log()).unwrap().starts_with(&edited));
    home.ok(&["get", "OTHER_KEY"]);
    let again = home.fails(&["audit", "begin", "--reason", "once more", "--yes"], 2);
    assert!(again.contains("no reason to begin again"), "{again}");
}

#[test]
fn what_the_vault_file_names_and_no_log_has_is_no_reason_to_begin_one() {
    let home = Home::new();
    // The record that the signature of the profile names.
    let whole = fs::read_to_string(home.log()).unwrap();
    let named = whole.rfind(r#""outcome":"intent""#).unwrap();
    let edited = format!("{}{}", &whole[..named], whole[named..].replacen("intent", "failed", 1));
    fs::write(home.log(), &edited).unwrap();
    home.ok(&["get", "OTHER_KEY"]);
    assert!(home.fails(&["audit", "verify"], 1).contains("vault audit begin --reason"));
    home.ok(&["audit", "begin", "--reason", "looked into", "--yes"]);
    // The new log does not have it either: missed until the profile is signed again, and no reason for one more.
    let missed = home.fails(&["audit", "verify"], 1);
    assert!(!missed.contains("vault audit begin") && missed.contains("until that profile is signed again"), "{missed}");
    let again = home.fails(&["audit", "begin", "--reason", "once more", "--yes"], 2);
    assert!(again.contains("no reason to begin again"), "{again}");
    home.set("MORE", "m");
    home.ok(&["audit", "verify"]);
}

/// Rows of the table in docs/audit-log.md that say "no", and the test that shows it.
const NOT_NOTICED: [(&str, &str); 5] = [
    (
        "cuts the tail on the device, state included, behind the last anchor elsewhere",
        "audit_log.rs: every_mutation_of_a_thousand_records_is_noticed_at_the_right_record",
    ),
    (
        "removes log, state and key together, with no anchor elsewhere",
        "audit_log.rs: what_is_removed_with_all_that_knew_of_it_looks_like_a_first_use",
    ),
    (
        "runs as the same user and reads the values without `vault` (from a running child, with the identity file)",
        "audit_cli.rs: the_log_knows_what_goes_through_vault_on_this_device_and_no_more",
    ),
    (
        "sets `ci`, `agent`, `parent` or `cwd` to mislead (they come from the environment)",
        "audit_complete.rs: who_and_what_with_is_on_record",
    ),
    (
        "points `HOME`, `XDG_STATE_HOME` or `VLT_STATE_DIR` elsewhere",
        "audit_cli.rs: the_log_knows_what_goes_through_vault_on_this_device_and_no_more",
    ),
];

#[test]
fn what_is_not_noticed_is_in_the_table_and_has_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = fs::read_to_string(root.join("docs/audit-log.md")).unwrap();
    let (_, table) = document.split_once("## What is noticed, and what is not").unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | **no**"));
    let rows: Vec<&str> = rows.map(|(what, _)| what).collect();
    assert_eq!(rows, NOT_NOTICED.map(|(what, _)| what));
    for (_, test) in NOT_NOTICED {
        let (file, name) = test.split_once(": ").unwrap();
        let text = fs::read_to_string(root.join("tests").join(file)).unwrap();
        assert!(text.contains(&format!("fn {name}()")), "{test}");
    }
}

#[test]
fn the_log_knows_what_goes_through_vault_on_this_device_and_no_more() {
    let home = Home::new();
    let mut child = home.vault(&["exec", "--", "sleep", "60"]).spawn().unwrap();
    let environment = PathBuf::from(format!("/proc/{}/environ", child.id()));
    let reads = |value: &str| fs::read(&environment).is_ok_and(|all| String::from_utf8_lossy(&all).contains(value));
    // It is `sleep` once `vault` has become it.
    while !reads("STRIPE_KEY=one") {
        assert!(child.try_wait().unwrap().is_none());
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let log = || home.ok(&["audit", "export", "--format", "jsonl"]);
    let before = log();
    assert!(reads("OTHER_KEY=two"));
    child.kill().unwrap();
    child.wait().unwrap();
    let elsewhere = home.dir.path().join("elsewhere");
    let file = fs::read_to_string(home.app().join("vault.toml")).unwrap();
    let id = file.lines().find_map(|line| line.strip_prefix("id = \"")).unwrap().trim_end_matches('"');
    let there = |arguments: &[&str]| {
        let mut command = home.vault(arguments);
        let output = command.env("VLT_STATE_DIR", &elsewhere).env("VLT_VAULT_ID", id).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(there(&["get", "STRIPE_KEY"]), "one");
    assert_eq!(log(), before, "nothing of it is on record here");
    home.ok(&["audit", "verify"]);
    // It is where the state is: in a log that says that there was another one.
    let records = there(&["audit", "--action", "get", "--json"]);
    assert!(records.contains("STRIPE_KEY"), "{records}");
    let begun = there(&["audit", "--action", "log-begin", "--json"]);
    assert!(begun.contains("no log was here, and profile default names record"), "{begun}");
}
