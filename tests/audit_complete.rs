//! Nothing is opened, changed or refused without a record: every command is run, and a
//! command that is not in the table below fails the test.
#![expect(clippy::disallowed_methods, reason = "tests prepare, damage and inspect files, and run the program")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const VALUE: &str = "value-4711";

/// Every command there is, with lines of `sh` that go before it, one that runs it, and the records that it
/// writes: `ACTION OUTCOME,OUTCOME NAME,NAME`. A command without any must neither open nor change a value.
///
/// `$HOME/app` has the vault: `A_KEY` and `B_KEY` in profile `default`, and an empty profile `spare`.
const COMMANDS: &[(&str, &str, &str, &[&str])] = &[
    (
        "init",
        "",
        "vault init --vault new/vault.toml --member alice --device laptop --no-recovery",
        &["log-begin done", "init intent,done"],
    ),
    ("status", "", "vault status", &[]),
    ("trust", "", "vault trust", &[]),
    ("which", "", "vault which", &[]),
    ("set", "", "vault set NEW_KEY -", &["set intent,done NEW_KEY"]),
    ("get", "", "vault get A_KEY", &["get done A_KEY"]),
    ("list", "", "vault list", &[]),
    ("show", "", "vault show A_KEY", &[]),
    ("rm", "", "vault rm B_KEY", &["rm intent,done B_KEY"]),
    ("exec", "", "vault exec --only A_KEY -- true", &["exec done A_KEY"]),
    (
        "edit",
        "",
        "EDITOR='sed -i s/^A_KEY=.*/A_KEY=other/' vault edit",
        &["edit done A_KEY,B_KEY", "edit-save intent,done A_KEY"],
    ),
    ("import", "", "vault import plain.env", &["import intent,done FROM_ENV"]),
    ("mv", "", "vault mv A_KEY C_KEY", &["mv intent,done A_KEY,C_KEY"]),
    ("cp", "", "vault cp A_KEY --to spare", &["cp intent,done A_KEY"]),
    ("export", "", "vault export", &["export done A_KEY,B_KEY"]),
    ("expose", "", "vault expose A_KEY --why test", &["expose intent,done A_KEY"]),
    ("history", "", "vault history A_KEY", &[]),
    ("restore", "vault set A_KEY --generate", "vault restore A_KEY --version 1", &["restore intent,done A_KEY"]),
    ("rotation", "", "vault rotation", &[]),
    (
        "rotate",
        "",
        "vault rotate A_KEY --generate --run 'echo {}' && vault rotate A_KEY --revoked",
        &[
            "rotate-pending intent,done A_KEY",
            "rotate-create done A_KEY",
            "rotate-verify done A_KEY",
            "rotate-promote intent,done A_KEY",
            "rotate-revoked intent,done A_KEY",
        ],
    ),
    ("remind", "", "vault remind", &[]),
    ("schedule install", SYSTEMCTL, "vault schedule install --with systemd", &[]),
    ("schedule status", "", "vault schedule status", &[]),
    ("schedule uninstall", SYSTEMCTL, "vault schedule install --with systemd && vault schedule uninstall", &[]),
    (
        "schedule run",
        "vault set A_KEY --created 2020-01-01 --rotate-every 30d",
        "vault schedule run --notify 'command:cat >/dev/null; kill -TERM $PPID'",
        &[],
    ),
    ("join", "", "two join --member bob --device pc", &[]),
    (
        "recover",
        "vault recovery new --recovery-file ../code",
        "two recover --code-file \"$HOME/code\" --member alice --device pc --recovery-file ../new",
        &["log-begin done", "recover intent,done pc"],
    ),
    ("recovery new", "", "vault recovery new --recovery-file code", &["recovery-new intent,done"]),
    ("member list", "", "vault member list", &[]),
    ("member log", "", "vault member log", &[]),
    (
        "member approve",
        "two join --member bob --device pc >../request",
        "vault member approve \"$(cat ../request)\" --read default",
        &["member-add intent,done bob,pc"],
    ),
    (
        "member add",
        "",
        "vault member add bob --new-identity --device pc --read spare",
        &["member-add intent,done bob,pc"],
    ),
    ("member grant", ADD_CI, "vault member grant ci --write default", &["grant intent,done ci"]),
    ("member revoke", ADD_CI, "vault member revoke ci --read spare", &["revoke intent,done ci"]),
    ("member remove", ADD_CI, "vault member remove ci", &["member-remove intent,done ci"]),
    ("profile list", "", "vault profile list", &[]),
    ("profile set", "", "vault profile set spare --extends default", &["profile-set intent,done"]),
    ("profile rm", "", "vault profile rm spare", &["profile-rm intent,done"]),
    ("profile rekey", "", "vault profile rekey", &["rekey intent,done default,spare"]),
    ("profile add", "", "vault profile add more", &["profile-add intent,done"]),
    ("identity new", "", "vault identity new --identity-file other", &[]),
    ("identity show", "", "vault identity show", &[]),
    ("identity where", "", "vault identity where", &[]),
    ("identity move", "", "vault identity move file", &[]),
    // In the log of the new device and in that of the old one.
    (
        "identity rotate",
        "",
        "vault identity rotate",
        &["log-begin done", "identity-rotate intent,intent,done,done laptop,laptop-2"],
    ),
    ("identity seal", "", "vault identity seal --passphrase-file words", &["identity-seal intent,done laptop"]),
    // The identity stays in the agent; what it opens is on record when it is used.
    ("unlock", RUN, "vault unlock; status=$?; vault lock && exit $status", &[]),
    ("lock", RUN, "vault unlock && vault lock", &[]),
    ("agent", RUN, "timeout --preserve-status 0.3 vault agent --directory \"$HOME/run\"", &[]),
    ("git diff", "", "vault git diff vault.toml", &[]),
    ("git install", "g init -q", "vault git install", &[]),
    (
        "git merge",
        "branches OURS THEIRS; for side in main~1 main other; do g show $side:vault.toml >$side; done",
        "vault git merge main~1 main other vault.toml",
        &["merge intent,done"],
    ),
    ("git resolve", "branches BOTH BOTH; ! g merge -q main", "vault git resolve BOTH --ours", &["merge intent,done"]),
    (
        "git repair",
        "branches OURS OTHER; ! g -c merge.vault.driver=false merge -q main",
        "vault git repair",
        &["merge intent,done"],
    ),
    ("verify", "", "vault verify", &["verify done,done"]),
    ("audit", "", "vault audit", &[]),
    ("audit stats", "", "vault audit stats", &[]),
    ("audit verify", "", "vault audit verify", &[]),
    ("audit export", "", "vault audit export --format ecs", &[]),
    ("audit checkpoint", "", "vault audit checkpoint", &[]),
    (
        "audit begin",
        "truncate -s -9 \"$HOME\"/.local/state/vault/vaults/*/audit/laptop.jsonl",
        "vault audit begin --reason cut --yes",
        &["log-begin done"],
    ),
    ("doctor", "", "vault doctor", &[]),
    ("config", "", "vault config", &[]),
    ("completions", "", "vault completions bash", &[]),
    ("complete", "", "vault complete bash -- vault get ''", &[]),
    ("man", "", "vault man pages", &[]),
];

/// Commands that no help lists; src/cli/mod.rs has a test that these are all.
const HIDDEN: [&str; 2] = ["agent", "complete"];

const ADD_CI: &str = "vault member add ci --new-identity --read spare";
const SYSTEMCTL: &str = "printf '#!/bin/sh\\n' >\"$HOME/bin/systemctl\"; chmod +x \"$HOME/bin/systemctl\"";
const RUN: &str = "mkdir -m 700 \"$HOME/run\"";

/// What the lines of the table may use: `two`, vault on a second machine with a copy of the project; `g`, git; and
/// `branches A B`, a repository in which `main` has set the one and `other`, checked out, the other.
const PRELUDE: &str = r#"
export PATH="$HOME/bin:/usr/bin:/bin" XDG_RUNTIME_DIR="$HOME/run" GIT_CONFIG_NOSYSTEM=1
two() {
    test -e "$HOME/two/app" || { mkdir -p "$HOME/two" && cp -r "$HOME/app" "$HOME/two/app"; }
    (cd "$HOME/two/app" && id=$(sed -n 's/^id = "\(.*\)"/\1/p' vault.toml) &&
        HOME="$HOME/two" VLT_VAULT_ID="$id" vault "$@")
}
g() { git -c user.name=a -c user.email=a@example.com -c init.defaultBranch=main "$@"; }
branches() {
    g init -q && g add -A && g commit -qm base &&
    printf ours | vault set "$1" - && g commit -qam ours && g checkout -qb other HEAD~1 &&
    printf theirs | vault set "$2" - && g commit -qam theirs
}
"#;

struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    fn new(passphrase: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("app/new")).unwrap();
        let home = Self { dir };
        fs::create_dir(home.file("bin")).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_vault"), home.file("bin/vault")).unwrap();
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
        Self::feed(command)
    }

    /// Runs lines of `sh`, see [`PRELUDE`].
    fn shell(&self, lines: &str) -> Output {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &format!("{PRELUDE}{lines}")]).env_clear().env("HOME", self.dir.path());
        command.current_dir(self.app()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self::feed(command)
    }

    fn feed(mut command: Command) -> Output {
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

    /// The records of all vaults of this home and of the second machine's, read without `vault`.
    fn records(&self) -> Vec<Value> {
        let mut lines = Vec::new();
        for state in [".local/state/vault/vaults", "two/.local/state/vault/vaults"] {
            for vault in fs::read_dir(self.file(state)).into_iter().flatten() {
                for file in fs::read_dir(vault.unwrap().path().join("audit")).into_iter().flatten() {
                    let path = file.unwrap().path();
                    if path.extension().is_some_and(|ending| ending == "jsonl") {
                        let text = fs::read_to_string(path).unwrap();
                        lines.extend(text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()));
                    }
                }
            }
        }
        lines
    }

    fn new_records(&self, before: &[Value]) -> Vec<Value> {
        let own = |record: &Value| !["log-key", "log-certify"].contains(&record["action"].as_str().unwrap());
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
    there.extend(HIDDEN.map(str::to_owned));
    let mut known: Vec<String> = COMMANDS.iter().map(|(name, ..)| (*name).to_owned()).collect();
    there.sort();
    known.sort();
    assert_eq!(there, known, "say in COMMANDS what the command does to values");
    for (name, _, run, _) in COMMANDS {
        assert!(["vault", "two"].iter().any(|by| run.contains(&format!("{by} {name}"))), "{name}: {run}");
    }
}

/// `ACTION OUTCOME NAME,NAME` of a record.
fn said(record: &Value) -> String {
    let word = |key: &str| record[key].as_str().unwrap().to_owned();
    let names = record["names"].as_array().map(Vec::as_slice).unwrap_or_default();
    let names: Vec<&str> = names.iter().map(|name| name.as_str().unwrap()).collect();
    format!("{} {} {}", word("action"), word("outcome"), names.join(",")).trim_end().to_owned()
}

/// What a line of the table stands for.
fn expanded(line: &str) -> Vec<String> {
    let mut words = line.split(' ');
    let (action, outcomes, names) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap_or_default());
    outcomes.split(',').map(|outcome| format!("{action} {outcome} {names}").trim_end().to_owned()).collect()
}

#[test]
fn whatever_opens_or_changes_a_value_is_on_record_and_nothing_else_is() {
    let mut wrong = Vec::new();
    for (name, before, run, records) in COMMANDS {
        let home = Home::new(false);
        home.set("A_KEY");
        home.set("B_KEY");
        assert!(home.run(&["profile", "add", "spare"]).status.success());
        let output = home.shell(before);
        assert!(output.status.success(), "before {name}: {output:?}");
        let known = home.records();
        let file = fs::read(home.app().join("vault.toml")).unwrap();
        let output = home.shell(run);
        if !output.status.success() {
            wrong.push(format!("{name}: {output:?}"));
            continue;
        }
        let new = home.new_records(&known);
        let mut found: Vec<String> = new.iter().map(said).collect();
        let mut wanted: Vec<String> = records.iter().flat_map(|line| expanded(line)).collect();
        found.sort();
        wanted.sort();
        if found != wanted {
            wrong.push(format!("{name}: {found:#?}, and not {wanted:#?}"));
        }
        for record in &new {
            for key in ["vault", "device", "user", "cwd", "tty", "at"] {
                assert!(!record[key].is_null(), "{name}: {key}");
            }
        }
        if records.is_empty() {
            let shown = [&output.stdout, &output.stderr];
            let shown = shown.iter().any(|text| String::from_utf8_lossy(text).contains(VALUE));
            let unchanged = fs::read(home.app().join("vault.toml")).unwrap() == file;
            assert!(unchanged && !shown, "{name}: {output:?}");
        }
        for record in home.records() {
            assert!(!record.to_string().contains(VALUE), "{name}: a value is on record");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
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
    // It counts as a use of every value it showed; saving is none.
    let stats: Value = serde_json::from_slice(&home.run(&["audit", "stats", "--json"]).stdout).unwrap();
    let used: Vec<(&str, u64)> = stats["secrets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|secret| (secret["name"].as_str().unwrap(), secret["uses"].as_u64().unwrap()))
        .collect();
    assert_eq!(used, [("A_KEY", 1), ("B_KEY", 1)], "{stats}");
    for name in ["A_KEY", "B_KEY"] {
        let shown: Value = serde_json::from_slice(&home.run(&["show", name, "--json"]).stdout).unwrap();
        assert_eq!(shown["last_used"], new[0]["at"], "{shown}");
    }
    let status = String::from_utf8(home.run(&["status"]).stdout).unwrap();
    assert!(status.contains("edit"), "{status}");
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
        for outcome in ["intent", "done"] {
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
    let mut new = home.new_records(&before);
    // Where the device is not known, the first record of the log that tells so.
    new.retain(|record| record["action"] != "log-begin");
    assert_eq!(new.len(), 1, "{arguments:?}: {new:#?} {output:?}");
    assert_eq!(new[0]["outcome"], "refused", "{arguments:?}");
    new[0].clone()
}

/// Commands that ask for a value or a change, with what goes on record for them.
const ASKING: [(&str, &[&str], i32); 20] = [
    ("get", &["get", "A_KEY"], 0),
    ("exec", &["exec", "--", "true"], 125),
    ("set", &["set", "A_KEY", "-"], 0),
    ("metadata", &["set", "A_KEY", "--note", "x"], 0),
    ("rm", &["rm", "A_KEY"], 0),
    ("import", &["import", "plain.env"], 0),
    ("edit", &["edit"], 0),
    ("mv", &["mv", "A_KEY", "C_KEY"], 0),
    ("cp", &["cp", "A_KEY", "--to", "spare"], 0),
    ("export", &["export"], 0),
    ("expose", &["expose", "A_KEY", "--why", "x"], 0),
    ("restore", &["restore", "A_KEY", "--version", "1"], 0),
    ("rotate-pending", &["rotate", "A_KEY", "--generate"], 0),
    ("profile-add", &["profile", "add", "more"], 0),
    ("profile-rm", &["profile", "rm", "spare"], 0),
    ("rekey", &["profile", "rekey"], 0),
    ("member-add", &["member", "add", "bob", "--new-identity", "--device", "pc"], 0),
    ("recovery-new", &["recovery", "new", "--recovery-file", "code"], 0),
    ("identity-rotate", &["identity", "rotate"], 0),
    ("verify", &["verify"], 0),
];

/// A home with what [`ASKING`] asks for.
fn asked(passphrase: bool) -> Home {
    let home = Home::new(passphrase);
    home.set("A_KEY");
    let right = home.file("right");
    let output = home.run_with(&["profile", "add", "spare"], &[("VLT_PASSPHRASE_FILE", &right)]);
    assert!(output.status.success(), "{output:?}");
    home
}

#[test]
fn an_identity_without_a_grant_is_on_record() {
    let (home, stranger) = (asked(false), Home::new(false));
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
    let home = asked(true);
    let wrong = home.file("wrong");
    for (action, arguments, own) in ASKING {
        let status = if own == 0 { 4 } else { own };
        let record = refused(&home, arguments, &[("VLT_PASSPHRASE_FILE", &wrong)], status);
        assert_eq!((&record["action"], &record["reason"]), (&action.into(), &"not-unlocked".into()));
    }
}

#[test]
fn a_file_that_cannot_be_trusted_is_on_record_whatever_was_asked() {
    let (home, other) = (asked(false), Home::new(false));
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
            // Before the file is read, not every command knows what would have become of it.
            assert!([*action, arguments[0]].contains(&record["action"].as_str().unwrap()), "{record}");
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
    let home = asked(false);
    // In the last record, which is what the next use looks at.
    home.set("A_KEY");
    let state = fs::read_dir(home.dir.path().join(".local/state/vault/vaults")).unwrap().next().unwrap().unwrap();
    let log = state.path().join("audit/laptop.jsonl");
    fs::write(&log, fs::read_to_string(&log).unwrap().replace("A_KEY", "B_KEY")).unwrap();
    let file = fs::read(home.app().join("vault.toml")).unwrap();
    for (_, arguments, own) in ASKING {
        let output = home.run(arguments);
        assert!(fs::read(home.app().join("vault.toml")).unwrap() == file, "{arguments:?}: changed the vault");
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
