//! The system's schedulers and the desktop: for real where they run here, else with a
//! stand-in for the program that would make them take notice.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::harness::{Project, python};

const LATE: [&str; 4] = ["--created", "2020-01-01", "--rotate-every", "30d"];

fn project() -> Project {
    let project = Project::new();
    project.set("KEY", "v", &LATE);
    project
}

/// A program of that name before all others on `PATH`.
fn stand_in(project: &Project, name: &str, text: &str) {
    let path = project.path("bin").join(name);
    std::fs::create_dir_all(project.path("bin")).unwrap();
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn run(project: &Project, arguments: &[&str]) -> Output {
    let path = format!("{}:/usr/bin:/bin", project.path("bin").display());
    project.command(arguments).env("PATH", path).output().unwrap()
}

fn ok(project: &Project, arguments: &[&str]) -> String {
    let output = run(project, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Every file and directory of the home but what the vault itself keeps.
fn everything(project: &Project) -> Vec<PathBuf> {
    fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.is_symlink() {
                walk(&path, found);
            }
            found.push(path);
        }
    }
    let mut found = Vec::new();
    walk(&project.path(""), &mut found);
    found.retain(|path| !path.to_string_lossy().contains("/.local/state/vault"));
    found.sort();
    found
}

/// Whether a program is there; a missing one is an error under `CI=true`.
fn there(program: &str) -> bool {
    let found = ["/usr/bin", "/usr/sbin", "/bin"].iter().any(|at| Path::new(at).join(program).exists());
    assert!(found || std::env::var_os("CI").is_none(), "{program} is not installed");
    found
}

/// What `systemctl --user enable` and `disable` do to files, and a list of all it was told.
const SYSTEMCTL: &str = r#"echo "$@" >> "$HOME/systemctl.log"
units="$HOME/.config/systemd/user"
case "$*" in
*enable\ --now\ *) mkdir -p "$units/timers.target.wants"; ln -sf "$units/$4" "$units/timers.target.wants/$4"
    mkdir -p "$HOME/.local/share/systemd/timers"; : > "$HOME/.local/share/systemd/timers/stamp-$4" ;;
*disable\ --now\ *) rm -f "$units/timers.target.wants/$4" ;;
esac"#;

#[test]
fn units_pass_systemd_and_nothing_of_them_is_left() {
    let project = project();
    stand_in(&project, "systemctl", SYSTEMCTL);
    std::fs::create_dir_all(project.path(".local/share/systemd/timers")).unwrap();
    let before = everything(&project);
    let printed = ok(&project, &["schedule", "install", "--print"]);
    assert!(printed.contains("OnCalendar") && printed.contains("Persistent=true"));
    let with_log = |mut list: Vec<PathBuf>| {
        list.push(project.path("systemctl.log"));
        list.sort();
        list
    };
    assert_eq!(everything(&project), with_log(before.clone()), "--print changes nothing");
    for break_off in [false, true] {
        ok(&project, &["schedule", "install", "--notify", "command:./chat.sh 100% \"$X\" 'y'"]);
        let log = std::fs::read_to_string(project.path("systemctl.log")).unwrap();
        assert!(log.contains("--user daemon-reload\n--user enable --now vault-remind-"), "{log}");
        assert!(ok(&project, &["schedule", "status"]).contains("installed  systemd"));
        let units = project.path(".config/systemd/user");
        let files = std::fs::read_dir(&units).unwrap().map(|entry| entry.unwrap().path());
        let files: Vec<PathBuf> = files.filter(|path| path.is_file()).collect();
        assert_eq!(files.len(), 2);
        if there("systemd-analyze") {
            std::fs::create_dir_all(project.path("run")).unwrap();
            let mut verify = Command::new("systemd-analyze");
            verify.args(["verify", "--user"]).args(&files).env("XDG_RUNTIME_DIR", project.path("run"));
            let output = verify.output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            assert_eq!(String::from_utf8_lossy(&output.stderr), "");
            std::fs::remove_dir_all(project.path("run")).unwrap();
        }
        if break_off {
            // A systemd that is gone keeps nothing in place.
            stand_in(&project, "systemctl", "exit 1");
        }
        let output = run(&project, &["schedule", "uninstall"]);
        assert!(output.status.success());
        assert_eq!(everything(&project), with_log(before.clone()), "all is gone again");
    }
    stand_in(&project, "systemctl", SYSTEMCTL);
    // Units of somebody else stay, and so do their directories.
    let other = project.path(".config/systemd/user/other.timer");
    ok(&project, &["schedule", "install"]);
    std::fs::write(&other, "").unwrap();
    ok(&project, &["schedule", "uninstall"]);
    assert!(other.exists());
}

#[test]
fn an_agent_of_launchd_is_a_property_list_that_runs_the_same_words() {
    let project = project();
    stand_in(&project, "launchctl", "echo \"$@\" >> \"$HOME/launchctl.log\"");
    let before = everything(&project);
    let channel = "command:cat >> told.json && echo '<&>' \"100%\" >> told.json";
    ok(&project, &["schedule", "install", "--with", "launchd", "--notify", channel, "--alias"]);
    let agents = project.path("Library/LaunchAgents");
    let agent = std::fs::read_dir(&agents).unwrap().next().unwrap().unwrap().path();
    let log = std::fs::read_to_string(project.path("launchctl.log")).unwrap();
    assert_eq!(log, format!("load -w {}\n", agent.display()));
    // What the property list says is what runs.
    let script = "import json, plistlib, sys\nprint(json.dumps(plistlib.load(open(sys.argv[1], 'rb'))))";
    let output = Command::new("/usr/bin/python3").args(["-c", script]).arg(&agent).output().unwrap();
    let agent: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(agent["StartCalendarInterval"], serde_json::json!({"Hour": 9, "Minute": 0}));
    let words: Vec<&str> = agent["ProgramArguments"].as_array().unwrap().iter().map(|w| w.as_str().unwrap()).collect();
    assert_eq!(&words[4..], ["remind", "--notify", channel, "--alias"]);
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).current_dir(agent["WorkingDirectory"].as_str().unwrap());
    assert!(command.env_clear().env("HOME", project.path("")).status().unwrap().success());
    let told = std::fs::read_to_string(project.dir().join("told.json")).unwrap();
    assert!(told.contains("secret-") && told.ends_with("<&> 100%\n"), "{told}");
    ok(&project, &["schedule", "uninstall"]);
    let mut after = before;
    after.extend([project.path("launchctl.log"), project.dir().join("told.json")]);
    after.sort();
    // `Library` was made by installing, and is a directory that every Mac has.
    let left: Vec<PathBuf> = everything(&project).into_iter().filter(|path| !after.contains(path)).collect();
    assert!(left.iter().all(|path| path.ends_with("Library")), "{left:?}");
}

/// Runs lines of `sh` as root where no crontab is but what they make, and `$1` is vault.
fn with_crontabs(project: &Project, lines: &str) -> Option<String> {
    if !there("crontab") {
        return None;
    }
    let script =
        format!("mount -t tmpfs none /var/spool/cron/crontabs && mount -t tmpfs none /run || exit 99\nset -e\n{lines}");
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", &script, "sh", env!("CARGO_BIN_EXE_vault")]).current_dir(project.dir());
    command.env_clear().env("HOME", project.path("")).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("TZ", "UTC");
    let output = command.output().unwrap();
    if output.status.code() == Some(99)
        || !output.status.success() && String::from_utf8_lossy(&output.stderr).starts_with("unshare:")
    {
        // Not permitted on this system; scripts/test.sh says so.
        return None;
    }
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_crontab_gains_one_line_and_loses_it_again() {
    let project = project();
    let Some(out) = with_crontabs(
        &project,
        "\"$1\" schedule install --with cron; crontab -l
         \"$1\" schedule status --json
         \"$1\" schedule uninstall; crontab -l 2>&1 || echo gone
         printf '5 4 * * * backup\\n' | crontab -
         \"$1\" schedule install --with cron; \"$1\" schedule install --with cron; crontab -l
         \"$1\" schedule uninstall; crontab -l
         \"$1\" schedule install --with cron; rm vault.toml
         \"$1\" schedule status --all; \"$1\" schedule uninstall --vault vault.toml; crontab -l",
    ) else {
        return;
    };
    let (out, gone) = out.split_once("SCHEDULER").unwrap();
    let rest: Vec<&str> = gone.lines().skip(1).collect();
    assert!(rest[0].starts_with("cron ") && rest[0].ends_with("/project/vault.toml  gone"), "{gone}");
    assert_eq!(rest[1..], ["5 4 * * * backup"], "{gone}");
    let lines: Vec<&str> = out.lines().collect();
    let ours =
        |line: &str| line.starts_with("0 9 * * * cd ") && line.contains(" remind --notify desktop # vault-remind-");
    assert!(ours(lines[0]), "{out}");
    assert!(
        out.contains("\"cron\"") && out.contains("no crontab for") && out.contains("gone\n5 4 * * * backup\n0 9"),
        "{out}"
    );
    assert!(ours(lines[lines.len() - 2]) && lines[lines.len() - 1] == "5 4 * * * backup", "{out}");
}

#[test]
fn a_crontab_that_cannot_be_read_is_not_replaced() {
    let project = project();
    let script = "case $1 in -l) echo 'crontab: disk error' >&2; exit 1 ;; *) : >\"$HOME/replaced\" ;; esac";
    stand_in(&project, "crontab", script);
    let output = run(&project, &["schedule", "install", "--with", "cron"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("crontab -l failed: crontab: disk error"), "{said}");
    assert!(!project.path("replaced").exists());
}

/// A line break ends a line of a crontab, within quotes too, and what follows is one of its own. A
/// directory of a clone can be called like that.
#[test]
fn nothing_with_a_line_break_is_installed() {
    let project = project();
    for program in ["crontab", "systemctl"] {
        stand_in(&project, program, "cat >>\"$HOME/installed\"");
    }
    let before = everything(&project);
    let broken = project.path("app\n* * * * * touch it #");
    std::fs::create_dir(&broken).unwrap();
    std::fs::copy(project.path("project/vault.toml"), broken.join("vault.toml")).unwrap();
    let file = broken.join("vault.toml").into_os_string().into_string().unwrap();
    let text = String::from_utf8(project.vault_file()).unwrap();
    let id = text.lines().find_map(|line| line.strip_prefix("id = \"")?.strip_suffix('"')).unwrap();
    for with in ["cron", "systemd"] {
        let elsewhere = ["--vault", &file, "schedule", "install", "--with", with];
        let notify = ["schedule", "install", "--with", with, "--notify", "command:true\n* * * * * touch it"];
        for words in [&elsewhere[..], &notify] {
            let path = format!("{}:/usr/bin:/bin", project.path("bin").display());
            let output = project.command(words).env("PATH", path).env("VLT_VAULT_ID", id).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.code() == Some(2) && said.contains("line break"), "{words:?}: {said}");
        }
    }
    std::fs::remove_dir_all(&broken).unwrap();
    assert_eq!(everything(&project), before);
}

#[test]
fn cron_itself_runs_what_was_installed() {
    let project = project();
    if !there("faketime") {
        return;
    }
    // Just before nine by the clock of cron, which runs on from there. What it starts has
    // another HOME than this test, as variables of a login often are not cron's.
    let Some(out) = with_crontabs(
        &project,
        "export VLT_STATE_DIR=$HOME/.local/state/vault VLT_CONFIG_DIR=$HOME/.config/vault
         \"$1\" schedule install --with cron --notify 'command:cat > \"told 100%.json\"'
         faketime '2026-11-26 08:59:57' cron -f >/dev/null 2>&1 & cron=$!
         tries=0; until test -s 'told 100%.json' || test $tries = 300; do sleep 0.1; tries=$((tries + 1)); done
         kill $cron; cat 'told 100%.json'; \"$1\" schedule status",
    ) else {
        return;
    };
    assert!(out.starts_with("{\"text\":\"KEY in profile default is overdue"), "{out}");
    assert!(out.contains("delivered 1"), "{out}");
}

#[test]
fn a_notification_reaches_the_desktop() {
    let project = project();
    for n in 0..6 {
        project.set(&format!("MORE_{n}"), "v", &LATE);
    }
    let Some(python) = python() else { return };
    if !there("dbus-run-session") || !there("notify-send") {
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rotation/notifyd.py");
    let remind = || {
        let mut command = Command::new("dbus-run-session");
        command.arg("--").arg(&python).arg(&script).arg(project.path("shown.jsonl"));
        command.args([env!("CARGO_BIN_EXE_vault"), "remind", "--notify", "desktop"]).current_dir(project.dir());
        command.env_clear().env("HOME", project.path("")).env("PATH", "/usr/bin:/bin").env("TZ", "UTC");
        command.output().unwrap()
    };
    // Without a daemon it is an error, and what was to be said is not lost.
    let alone = project.command(&["remind", "--notify", "desktop"]).output().unwrap();
    assert_eq!(alone.status.code(), Some(8));
    assert!(String::from_utf8_lossy(&alone.stderr).contains("7 reminders are tried again next time"));
    for _ in 0..2 {
        let output = remind();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let shown = std::fs::read_to_string(project.path("shown.jsonl")).unwrap();
    assert_eq!(shown.lines().count(), 1, "once: {shown}");
    let shown: Vec<String> = serde_json::from_str(shown.trim()).unwrap();
    assert_eq!(shown[..2], ["vault", "vault: 7 secrets need rotation"]);
    let body: Vec<&str> = shown[2].lines().collect();
    assert_eq!(body.len(), 6);
    assert!(body[0].starts_with("KEY in profile default is overdue for rotation since 2020-01-31"), "{body:?}");
    assert_eq!(body[5], "and 2 more: vault rotation");
}

#[test]
fn a_notification_that_hangs_is_ended_and_tried_again() {
    let project = project();
    stand_in(&project, "notify-send", "test -e \"$HOME/up\" || exec sleep 600");
    let path = format!("{}:/usr/bin:/bin", project.path("bin").display());
    // Half a minute is too long for a test: by this clock it is over at once.
    let mut command = project.command(&["remind", "--notify", "desktop"]);
    let output = command
        .env("PATH", &path)
        .env("LD_PRELOAD", "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
        .env("FAKETIME", "+0 x100")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(8));
    assert!(String::from_utf8_lossy(&output.stderr).contains("did not end within 30s"), "{output:?}");
    std::fs::write(project.path("up"), "").unwrap();
    assert!(run(&project, &["remind", "--notify", "desktop"]).status.success());
}

#[test]
fn no_scheduler_and_no_desktop_gets_a_credential_of_ours() {
    let project = project();
    let programs = ["systemctl", "crontab", "launchctl", "notify-send"];
    for program in programs {
        stand_in(&project, program, &format!("env | sed \"s/^/{program} /\" >> \"$HOME/seen\""));
    }
    for arguments in [
        &["schedule", "install", "--with", "systemd"][..],
        &["schedule", "install", "--with", "cron"],
        &["schedule", "install", "--with", "launchd"],
        &["schedule", "status"],
        &["remind", "--notify", "desktop"],
    ] {
        let path = format!("{}:/usr/bin:/bin", project.path("bin").display());
        let mut command = project.command(arguments);
        command.env("PATH", path).env("VLT_IDENTITY", "AGE-SECRET-KEY-1TEST").env("VLT_PASSPHRASE_FILE", "/none");
        // Also under a name that is no text.
        command.env(std::ffi::OsStr::from_bytes(b"VLT_PASSPHRASE_\xff"), "/none");
        let output = command.env("VLT_COLOUR", "1").output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let seen = std::fs::read(project.path("seen")).unwrap();
    let seen = String::from_utf8_lossy(&seen);
    for program in programs {
        assert!(seen.contains(&format!("{program} VLT_COLOUR=1\n")), "{program} did not run: {seen}");
    }
    for credential in ["VLT_IDENTITY", "VLT_PASSPHRASE", "AGE-SECRET-KEY"] {
        assert!(!seen.contains(credential), "{seen}");
    }
}

#[test]
fn the_setting_says_where_reminders_go_unless_an_option_does() {
    let project = project();
    project.ok(&["config", "notify", "stderr"]);
    let printed = project.ok(&["schedule", "install", "--with", "cron", "--print"]);
    assert!(printed.contains(" remind # vault-remind-"), "{printed}");
    let printed = project.ok(&["schedule", "install", "--with", "cron", "--print", "--notify", "desktop"]);
    assert!(printed.contains(" remind --notify desktop # vault-remind-"), "{printed}");
    // A scheduler has none of the variables that say where things are.
    let mut command = project.command(&["schedule", "install", "--with", "cron", "--print"]);
    let state = project.path("elsewhere");
    std::fs::create_dir_all(&state).unwrap();
    std::fs::rename(project.path(".local/state/vault"), state.join("vault")).unwrap();
    let output = command.env("XDG_STATE_HOME", &state).output().unwrap();
    let line = String::from_utf8(output.stdout).unwrap();
    let line = line.strip_prefix("0 9 * * * ").unwrap();
    assert!(line.contains(&format!(" && VLT_STATE_DIR={} ", state.join("vault").display())), "{line}");
    let mut shell = Command::new("/bin/sh");
    let output = shell.args(["-c", line]).env_clear().env("HOME", project.path("")).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("reminder: KEY"), "{output:?}");
}

#[test]
fn status_tells_that_what_is_installed_does_not_run() {
    let project = Project::bare();
    let at = |seconds: i64, arguments: &[&str]| project.run_at(&seconds.to_string(), arguments, "");
    let (start, day) = (1_790_000_000, 86_400);
    at(start, &["init", "--no-recovery", "--member", "alice", "--device", "alice-laptop"]);
    let ran = at(start, &["schedule", "status"]);
    assert_eq!((ran.code, ran.out.contains("last run   never")), (0, true), "{} {}", ran.out, ran.err);
    assert_eq!(at(start, &["remind", "--notify", "stderr"]).code, 0);
    assert_eq!(at(start + 9 * day, &["schedule", "status"]).code, 0, "nothing is installed");
    let units = project.path(".config/systemd/user");
    let timer = at(start, &["schedule", "install", "--with", "systemd", "--print"]).out;
    let timer = timer.lines().find_map(|line| line.strip_prefix("# ")).unwrap().to_owned();
    std::fs::create_dir_all(&units).unwrap();
    std::fs::write(timer, "").unwrap();
    for (days, code) in [(0, 0), (2, 0), (3, 1), (400, 1)] {
        let ran = at(start + days * day, &["schedule", "status"]);
        assert_eq!(ran.code, code, "after {days} days: {}", ran.err);
        assert_eq!(ran.err.contains("has not run for days"), code == 1, "{}", ran.err);
    }
    assert!(at(start + 3 * day, &["schedule", "status"]).out.contains("(3 days ago)"));
    // The clock ran ahead when it last ran, or is behind now: that it runs is not to be read from it.
    assert_eq!(at(start - day / 2, &["schedule", "status"]).code, 0);
    let ran = at(start - 2 * day, &["schedule", "status"]);
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.out.contains("(ahead of the clock of this machine)"), "{}", ran.out);
    assert!(ran.err.contains("whether what is installed still runs cannot be told"), "{}", ran.err);
}

#[test]
fn what_is_installed_can_be_removed_when_the_repository_is_gone() {
    let project = project();
    stand_in(&project, "systemctl", SYSTEMCTL);
    stand_in(&project, "launchctl", "");
    std::fs::create_dir_all(project.path(".local/share/systemd/timers")).unwrap();
    let before = everything(&project);
    let install = || {
        ok(&project, &["schedule", "install", "--with", "systemd"]);
        ok(&project, &["schedule", "install", "--with", "launchd"]);
    };
    install();
    let file = project.dir().join("vault.toml");
    let named = file.to_str().unwrap();
    let kept = std::fs::read(&file).unwrap();
    let elsewhere = |arguments: &[&str]| {
        let mut command = project.command(arguments);
        let path = format!("{}:/usr/bin:/bin", project.path("bin").display());
        let output = command.env("PATH", path).current_dir("/").output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    };
    // From anywhere, while it is there.
    let (code, out, _) = elsewhere(&["schedule", "status", "--all"]);
    assert_eq!(
        (code, out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect::<Vec<_>>()),
        (0, vec![vec!["SCHEDULER", "VAULT", "FILE"], vec!["systemd", named], vec!["launchd", named]])
    );
    std::fs::remove_dir_all(project.dir()).unwrap();
    let (code, out, _) = elsewhere(&["schedule", "status", "--all"]);
    assert_eq!((code, out.matches("  gone").count()), (0, 2), "{out}");
    let (_, out, _) = elsewhere(&["schedule", "status", "--all", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&json[0]["scheduler"], &json[0]["vault"]), (&"systemd".into(), &named.into()), "{json}");
    assert_eq!((&json[1]["scheduler"], &json[1]["gone"]), (&"launchd".into(), &true.into()), "{json}");
    // Asked for the vault of here, where there is none, it says what to type.
    for what in ["status", "uninstall"] {
        let (code, out, err) = elsewhere(&["schedule", what]);
        assert_eq!((code, out.as_str()), (3, ""), "{err}");
        assert!(err.contains(&format!("reminders are installed for {named}\n")), "{err}");
        assert!(err.contains(&format!("`--vault {named}`")), "{err}");
    }
    let (code, out, _) = elsewhere(&["schedule", "uninstall", "--vault", named, "--print"]);
    assert_eq!((code, out.lines().count()), (0, 3), "{out}");
    for how in [&["--vault", named][..], &["--vault", project.dir().to_str().unwrap()], &["--all"]] {
        let (code, _, err) = elsewhere(&[&["schedule", "uninstall"], how].concat());
        assert_eq!((code, err.matches("removed from").count()), (0, 2), "{how:?}: {err}");
        let left = everything(&project).into_iter().filter(|path| !before.contains(path));
        let left: Vec<PathBuf> = left.filter(|path| !path.ends_with("systemctl.log")).collect();
        assert!(left.iter().all(|path| path.ends_with("Library")), "{left:?}");
        let (code, _, err) = elsewhere(&["schedule", "uninstall", "--all"]);
        assert_eq!((code, err.as_str()), (0, "nothing is installed\n"));
        assert_eq!(elsewhere(&["schedule", "status", "--vault", named]).0, 3);
        std::fs::create_dir_all(project.dir()).unwrap();
        std::fs::write(&file, &kept).unwrap();
        install();
        std::fs::remove_dir_all(project.dir()).unwrap();
    }
}
