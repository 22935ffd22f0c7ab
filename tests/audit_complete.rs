//! Nothing is opened, changed or refused without a record: every command is run, and a
//! command that is not in the table below fails the test.
#![expect(clippy::disallowed_methods, reason = "tests prepare, damage and inspect files, and run the program")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const VALUE: &str = "value-4711";

/// What a command does to values, and how to run it. Paths are relative to the vault.
enum Kind {
    /// Opens or changes values: records of this action, naming these secrets, of these outcomes.
    Recorded(&'static str, &'static [&'static str], &'static [&'static str]),
    /// Neither opens nor changes one: no record, the file as before, no value shown.
    Silent,
    /// Is what other tests are about.
    Elsewhere,
}

use Kind::{Elsewhere, Recorded, Silent};

const CHANGE: &[&str] = &["intent", "done"];
const USE: &[&str] = &["done"];

/// Every command there is.
const COMMANDS: &[(&str, &[&str], Kind)] = &[
    (
        "init",
        &["--vault", "new/vault.toml", "--member", "alice", "--device", "laptop", "--no-recovery"],
        Recorded("init", &[], CHANGE),
    ),
    ("status", &[], Silent),
    ("trust", &[], Silent),
    ("which", &[], Silent),
    ("set", &["NEW_KEY", "-"], Recorded("set", &["NEW_KEY"], CHANGE)),
    ("get", &["A_KEY"], Recorded("get", &["A_KEY"], USE)),
    ("list", &[], Silent),
    ("show", &["A_KEY"], Silent),
    ("rm", &["B_KEY"], Recorded("rm", &["B_KEY"], CHANGE)),
    ("exec", &["--only", "A_KEY", "--", "true"], Recorded("exec", &["A_KEY"], USE)),
    // Below, as it is a use and a change.
    ("edit", &[], Elsewhere),
    ("import", &["plain.env"], Recorded("import", &["FROM_ENV"], CHANGE)),
    ("mv", &["A_KEY", "C_KEY"], Recorded("mv", &["A_KEY", "C_KEY"], CHANGE)),
    ("cp", &["A_KEY", "--to", "spare"], Recorded("cp", &["A_KEY"], CHANGE)),
    ("export", &[], Recorded("export", &["A_KEY", "B_KEY"], USE)),
    ("rotation", &[], Silent),
    // Below, as it is several changes.
    ("rotate", &["A_KEY", "--generate", "--leaked"], Elsewhere),
    // Everything about the team is in tests/team.rs.
    ("join", &[], Elsewhere),
    ("recover", &[], Elsewhere),
    ("recovery new", &["--recovery-file", "code"], Recorded("recovery-new", &[], CHANGE)),
    ("member list", &[], Silent),
    ("member log", &[], Silent),
    ("member approve", &[], Elsewhere),
    (
        "member add",
        &["bob", "--new-identity", "--device", "pc", "--read", "spare"],
        Recorded("member-add", &["bob", "pc"], CHANGE),
    ),
    ("member grant", &["ci", "--write", "default"], Recorded("grant", &["ci"], CHANGE)),
    ("member revoke", &["ci", "--read", "spare"], Recorded("revoke", &["ci"], CHANGE)),
    ("member remove", &["ci"], Recorded("member-remove", &["ci"], CHANGE)),
    ("profile list", &[], Silent),
    ("profile set", &["spare", "--extends", "default"], Recorded("profile-set", &[], CHANGE)),
    ("profile rm", &["spare"], Recorded("profile-rm", &[], CHANGE)),
    ("profile rekey", &[], Recorded("rekey", &["default", "spare"], CHANGE)),
    ("profile add", &["more"], Recorded("profile-add", &[], CHANGE)),
    ("identity show", &[], Silent),
    ("identity where", &[], Silent),
    ("identity move", &["file"], Silent),
    // tests/team/replacing.rs: it is on record in the logs of both devices.
    ("identity rotate", &[], Elsewhere),
    ("identity seal", &["--passphrase-file", "words"], Recorded("identity-seal", &["laptop"], CHANGE)),
    // tests/cli/agent.rs: it leaves a process behind.
    ("unlock", &[], Elsewhere),
    ("lock", &[], Silent),
    // A record for each profile.
    // tests/merge_git.rs: it takes clones.
    ("git diff", &["vault.toml"], Silent),
    ("git install", &[], Elsewhere),
    ("git merge", &[], Elsewhere),
    ("git resolve", &[], Elsewhere),
    ("git repair", &[], Elsewhere),
    ("expose", &["A_KEY", "--why", "test"], Recorded("expose", &["A_KEY"], CHANGE)),
    ("history", &["A_KEY"], Silent),
    // tests/rotation: they take earlier versions and something that is due.
    ("restore", &["A_KEY", "--version", "1"], Recorded("restore", &["A_KEY"], CHANGE)),
    ("remind", &[], Silent),
    ("schedule install", &[], Elsewhere),
    ("schedule run", &[], Elsewhere),
    ("schedule status", &[], Elsewhere),
    ("schedule uninstall", &[], Elsewhere),
    ("verify", &[], Recorded("verify", &[], &["done", "done"])),
    ("audit", &[], Silent),
    ("audit stats", &[], Silent),
    ("audit verify", &[], Silent),
    ("audit export", &["--format", "ecs"], Silent),
    ("audit checkpoint", &[], Silent),
    // tests/audit_cli.rs, as there is nothing to begin again here.
    ("audit begin", &["--reason", "x"], Elsewhere),
    ("doctor", &[], Silent),
    ("config", &[], Silent),
    ("completions", &["bash"], Silent),
    ("man", &["pages"], Silent),
];

/// What goes before a command of the table that needs more than a vault with two secrets.
const BEFORE: &[(&str, &[&str])] = &[
    ("member grant", &["member", "add", "ci", "--new-identity", "--read", "spare"]),
    ("member revoke", &["member", "add", "ci", "--new-identity", "--read", "spare"]),
    ("member remove", &["member", "add", "ci", "--new-identity", "--read", "spare"]),
    ("restore", &["set", "A_KEY", "--generate"]),
];

struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    fn new(passphrase: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("app/new")).unwrap();
        let home = Self { dir };
        fs::write(home.app().join("plain.env"), format!("FROM_ENV={VALUE}\n")).unwrap();
        home.write_private("right", "correct horse\n");
        home.write_private("wrong", "battery staple\n");
        let mut init = vec!["init", "--member", "alice", "--device", "laptop", "--no-recovery"];
        init.extend(passphrase.then_some("--passphrase"));
        let output = home.vault(&init).env("VLT_PASSPHRASE_FILE", home.file("right")).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        home
    }

    fn app(&self) -> PathBuf {
        self.dir.path().join("app")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write_private(&self, name: &str, text: &str) {
        use std::os::unix::fs::OpenOptionsExt;
        let mut options = fs::OpenOptions::new();
        options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(self.file(name))
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
    }

    fn vault(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vault"));
        command.env_clear().env("HOME", self.dir.path()).env("PATH", "/usr/bin:/bin").current_dir(self.app());
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.run_with(arguments, &[])
    }

    fn run_with(&self, arguments: &[&str], variables: &[(&str, &Path)]) -> Output {
        let mut command = self.vault(arguments);
        for (name, value) in variables {
            command.env(name, value);
        }
        let mut child = command.spawn().unwrap();
        // A command that reads nothing may be gone already.
        let _ = child.stdin.take().unwrap().write_all(VALUE.as_bytes());
        child.wait_with_output().unwrap()
    }

    fn set(&self, name: &str) {
        let right = self.file("right");
        let output = self.run_with(&["set", name, "-"], &[("VLT_PASSPHRASE_FILE", &right)]);
        assert!(output.status.success(), "{output:?}");
    }

    /// The records of all vaults of this home, read without `vault`.
    fn records(&self) -> Vec<Value> {
        let mut lines = Vec::new();
        for vault in fs::read_dir(self.dir.path().join(".local/state/vault/vaults")).unwrap() {
            for file in fs::read_dir(vault.unwrap().path().join("audit")).unwrap() {
                let path = file.unwrap().path();
                if path.extension().is_some_and(|ending| ending == "jsonl") {
                    let text = fs::read_to_string(path).unwrap();
                    lines.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
                }
            }
        }
        lines
    }

    fn new_records(&self, before: &[Value]) -> Vec<Value> {
        let own = |record: &Value| !record["action"].as_str().unwrap().starts_with("log-");
        self.records().into_iter().filter(|record| !before.contains(record) && own(record)).collect()
    }
}

/// All commands by their help, as `profile list`; also those that do something without a subcommand.
fn commands(home: &Home, prefix: &[&str]) -> Vec<String> {
    let mut arguments = prefix.to_vec();
    arguments.push("--help");
    let help = String::from_utf8(home.run(&arguments).stdout).unwrap();
    let mut found = Vec::new();
    let Some((usage, list)) = help.split_once("\nCommands:\n") else { return vec![prefix.join(" ")] };
    if !prefix.is_empty()
        && usage
            .lines()
            .any(|line| line.contains("Usage:") && line.contains("[OPTIONS]") && !line.contains("<COMMAND>"))
    {
        found.push(prefix.join(" "));
    }
    for line in list.lines().take_while(|line| line.starts_with("  ")) {
        let name = line.split_whitespace().next().unwrap();
        // Wrapped text of the line above begins further right.
        if line.starts_with("   ") || name == "help" {
            continue;
        }
        let mut path = prefix.to_vec();
        path.push(name);
        found.extend(commands(home, &path));
    }
    found
}

#[test]
fn every_command_is_in_the_table() {
    let home = Home::new(false);
    let mut there = commands(&home, &[]);
    let mut known: Vec<String> = COMMANDS.iter().map(|(name, ..)| (*name).to_owned()).collect();
    there.sort();
    known.sort();
    assert_eq!(there, known, "say in COMMANDS what the command does to values");
}

#[test]
fn whatever_opens_or_changes_a_value_is_on_record_and_nothing_else_is() {
    for (name, options, kind) in COMMANDS {
        let home = Home::new(false);
        home.set("A_KEY");
        home.set("B_KEY");
        assert!(home.run(&["profile", "add", "spare"]).status.success());
        for (_, arguments) in BEFORE.iter().filter(|(of, _)| of == name) {
            assert!(home.run(arguments).status.success(), "before {name}");
        }
        let before = home.records();
        let file = fs::read(home.app().join("vault.toml")).unwrap();
        let arguments: Vec<&str> = name.split(' ').chain(options.iter().copied()).collect();
        if matches!(kind, Elsewhere) {
            continue;
        }
        let output = home.run(&arguments);
        assert!(output.status.code().is_some_and(|code| code <= 1), "{name}: {output:?}");
        let new = home.new_records(&before);
        let unchanged = fs::read(home.app().join("vault.toml")).unwrap() == file;
        let shown = [&output.stdout, &output.stderr].iter().any(|text| String::from_utf8_lossy(text).contains(VALUE));
        match kind {
            Recorded(action, names, outcomes) => {
                let found: Vec<&str> = new.iter().map(|record| record["outcome"].as_str().unwrap()).collect();
                assert_eq!(found, *outcomes, "{name}: {new:#?}");
                for record in &new {
                    assert_eq!(record["action"], *action, "{name}");
                    let listed = record["names"].as_array().cloned().unwrap_or_default();
                    assert_eq!(listed, *names, "{name}");
                    for key in ["vault", "device", "user", "cwd", "tty", "at"] {
                        assert!(!record[key].is_null(), "{name}: {key}");
                    }
                }
            }
            Silent => assert!(new.is_empty() && unchanged && !shown, "{name}: {new:#?} {output:?}"),
            Elsewhere => unreachable!(),
        }
        for record in home.records() {
            assert!(!record.to_string().contains(VALUE), "{name}: a value is on record");
        }
    }
}

#[test]
fn what_an_editor_was_shown_and_what_it_changed_is_on_record() {
    let home = Home::new(false);
    home.set("A_KEY");
    home.set("B_KEY");
    let before = home.records();
    let editor = PathBuf::from("sed -i s/^A_KEY=.*/A_KEY=other/");
    assert!(home.run_with(&["edit"], &[("EDITOR", &editor)]).status.success());
    let new = home.new_records(&before);
    let steps: Vec<String> =
        new.iter().map(|record| format!("{} {} {}", record["action"], record["outcome"], record["names"])).collect();
    assert_eq!(
        steps,
        [r#""edit" "done" ["A_KEY","B_KEY"]"#, r#""edit-save" "intent" ["A_KEY"]"#, r#""edit-save" "done" ["A_KEY"]"#]
    );
}

#[test]
fn every_step_of_a_rotation_is_on_record() {
    let home = Home::new(false);
    home.set("A_KEY");
    let before = home.records();
    assert!(home.run(&["rotate", "A_KEY", "--generate"]).status.success());
    let new = home.new_records(&before);
    let steps: Vec<String> = new.iter().map(|record| format!("{} {}", record["action"], record["outcome"])).collect();
    for step in ["rotate-pending", "rotate-promote"] {
        for outcome in CHANGE {
            assert!(steps.contains(&format!("\"{step}\" \"{outcome}\"")), "{steps:?}");
        }
    }
    assert!(new.iter().all(|record| record["names"] == serde_json::json!(["A_KEY"])), "{new:#?}");
}

/// Runs a command that is to be refused, and gives its one record.
fn refused(home: &Home, arguments: &[&str], variables: &[(&str, &Path)], status: i32) -> Value {
    let before = home.records();
    let output = home.run_with(arguments, variables);
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {output:?}");
    assert!(!String::from_utf8_lossy(&output.stdout).contains(VALUE), "{arguments:?}");
    let new = home.new_records(&before);
    assert_eq!(new.len(), 1, "{arguments:?}: {new:#?} {output:?}");
    assert_eq!(new[0]["outcome"], "refused", "{arguments:?}");
    new[0].clone()
}

/// Commands that ask for a value or a change, with what goes on record for them.
const ASKING: [(&str, &[&str], i32); 6] = [
    ("get", &["get", "A_KEY"], 0),
    ("exec", &["exec", "--", "true"], 125),
    ("set", &["set", "A_KEY", "-"], 0),
    ("rm", &["rm", "A_KEY"], 0),
    ("import", &["import", "plain.env"], 0),
    ("verify", &["verify"], 0),
];

#[test]
fn an_identity_without_a_grant_is_on_record() {
    let (home, stranger) = (Home::new(false), Home::new(false));
    home.set("A_KEY");
    let identity = stranger.dir.path().join(".config/vault/identity");
    for (action, arguments, own) in ASKING.iter().filter(|(action, ..)| *action != "verify") {
        let status = if *own == 0 { 4 } else { *own };
        let record = refused(&home, arguments, &[("VLT_IDENTITY_FILE", &identity)], status);
        assert_eq!((&record["action"], &record["reason"]), (&(*action).into(), &"not-a-member".into()));
        assert_eq!(record["member"], "alice", "the device's own member is known");
    }
}

#[test]
fn a_wrong_passphrase_is_on_record() {
    let home = Home::new(true);
    home.set("A_KEY");
    let wrong = home.file("wrong");
    for (action, arguments, own) in ASKING {
        let status = if own == 0 { 4 } else { own };
        let record = refused(&home, arguments, &[("VLT_PASSPHRASE_FILE", &wrong)], status);
        assert_eq!((&record["action"], &record["reason"]), (&action.into(), &"not-unlocked".into()));
    }
}

#[test]
fn a_file_that_cannot_be_trusted_is_on_record_whatever_was_asked() {
    let (home, other) = (Home::new(false), Home::new(false));
    home.set("A_KEY");
    let path = home.app().join("vault.toml");
    let whole = fs::read_to_string(&path).unwrap();
    // A changed version number breaks the profile's signature.
    let changed = whole.replacen("version = 1", "version = 7", 1);
    assert_ne!(changed, whole);
    let replaced = fs::read_to_string(other.app().join("vault.toml")).unwrap();
    for (text, reason) in [(changed, None), (replaced, Some("other-vault"))] {
        fs::write(&path, text).unwrap();
        let more: [(&str, &[&str], i32); 2] = [("list", &["list"], 0), ("show", &["show", "A_KEY"], 0)];
        // `verify` reports what it finds, with 1.
        for (action, arguments, own) in ASKING.iter().chain(&more).filter(|(action, ..)| *action != "verify") {
            let status = if *own == 0 { 5 } else { *own };
            let record = refused(&home, arguments, &[], status);
            assert_eq!(record["action"], *action);
            assert!(reason.is_none_or(|reason| record["reason"] == reason), "{record}");
        }
    }
}

#[test]
fn a_name_or_program_that_is_not_allowed_is_on_record() {
    let home = Home::new(false);
    home.set("A_KEY");
    assert!(home.run(&["set", "A_KEY", "--command", "python"]).status.success());
    let record = refused(&home, &["exec", "--only", "A_KEY", "--", "true"], &[], 125);
    assert_eq!((&record["reason"], &record["names"][0]), (&"out-of-scope".into(), &"A_KEY".into()));
    let record = refused(&home, &["exec", "--as", "LD_PRELOAD=A_KEY", "--", "python3"], &[], 125);
    assert!(["dangerous-name", "out-of-scope"].contains(&record["reason"].as_str().unwrap()));
    refused(&home, &["get", "NO_KEY"], &[], 3);
}

#[test]
fn tampering_with_the_log_is_in_the_record_that_goes_on() {
    let home = Home::new(false);
    home.set("A_KEY");
    let state = fs::read_dir(home.dir.path().join(".local/state/vault/vaults")).unwrap().next().unwrap().unwrap();
    let log = state.path().join("audit/laptop.jsonl");
    fs::write(&log, fs::read_to_string(&log).unwrap().replace("A_KEY", "B_KEY")).unwrap();
    for (_, arguments, own) in ASKING {
        let output = home.run(arguments);
        assert_eq!(output.status.code(), Some(if own == 0 { 5 } else { own }), "{arguments:?}: {output:?}");
        assert!(!String::from_utf8_lossy(&output.stdout).contains(VALUE));
    }
    assert!(home.run(&["audit", "begin", "--reason", "looked into", "--yes"]).status.success());
    let begun = home.records().into_iter().find(|record| record["reason"] == "looked into").unwrap();
    assert_eq!(begun["overrides"][0], "tampering:head-differs");
}

#[test]
fn who_and_what_with_is_on_record() {
    let home = Home::new(false);
    home.set("A_KEY");
    let before = home.records();
    let one = Path::new("1");
    let output = home.run_with(
        &["exec", "--pristine", "--as", "LD_PRELOAD=A_KEY", "--allow-name", "LD_PRELOAD", "--", "true"],
        &[("GITHUB_ACTIONS", one), ("CLAUDECODE", one)],
    );
    assert!(output.status.success(), "{output:?}");
    let record = home.new_records(&before).remove(0);
    for (key, want) in [
        ("member", "alice"),
        ("device", "laptop"),
        ("command", "true"),
        ("ci", "github-actions"),
        ("agent", "claude-code"),
        ("profile", "default"),
    ] {
        assert_eq!(record[key], want, "{record}");
    }
    assert_eq!(record["names"][0], "LD_PRELOAD=A_KEY");
    assert_eq!(record["overrides"], serde_json::json!(["allow-name:LD_PRELOAD", "pristine"]));
    assert_eq!((&record["tty"], record["parent"].is_string()), (&false.into(), cfg!(target_os = "linux")));
}
