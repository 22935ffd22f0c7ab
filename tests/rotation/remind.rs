//! Reminders: new ones only, none lost to a channel that fails, and the schedulers.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::harness::Project;

const LATE: [&str; 4] = ["--created", "2020-01-01", "--rotate-every", "30d"];

#[test]
fn each_stage_arrives_once() {
    let mut project = Project::since(Some("2026-01-01 12:00:00"));
    project.set("KEY", "v", &["--rotate-every", "60d"]);
    let mut told = Vec::new();
    for day in
        ["2026-01-02", "2026-01-31", "2026-02-01", "2026-02-16", "2026-02-23", "2026-03-01", "2026-03-02", "2026-03-03"]
    {
        project.at = Some(Box::leak(format!("{day} 12:00:01").into_boxed_str()));
        for _ in 0..2 {
            let ran = project.run(&["remind"]);
            assert_eq!(ran.code, 0, "{}", ran.err);
            told.extend(ran.err.lines().map(|line| format!("{day} {}", line.contains("overdue"))));
        }
    }
    assert_eq!(
        told,
        ["2026-01-31 false", "2026-02-16 false", "2026-02-23 false", "2026-03-01 false", "2026-03-02 true"]
    );
}

#[test]
fn what_could_not_be_delivered_is_tried_again() {
    let project = Project::new();
    project.set("KEY", "v", &LATE);
    let down = ["remind", "--notify", "command:cat >> got.json; exit 1", "--notify", "stderr"];
    for (round, others) in [(1, true), (2, false)] {
        let ran = project.run(&down);
        assert_eq!(ran.code, 8, "{}", ran.err);
        assert!(ran.err.contains("tried again next time"), "{}", ran.err);
        assert_eq!(ran.err.contains("vault: reminder: KEY"), others, "the other channel is told once: round {round}");
    }
    let status = project.run(&["schedule", "status"]);
    assert_eq!(status.code, 1);
    assert!(status.out.contains("failed") && status.out.contains("delivered 0"), "{}", status.out);
    std::fs::remove_file(project.dir().join("got.json")).unwrap();
    assert_eq!(project.run(&down).code, 8);
    let got: serde_json::Value =
        serde_json::from_slice(&std::fs::read(project.dir().join("got.json")).unwrap()).unwrap();
    assert_eq!((&got["secrets"][0]["name"], &got["secrets"][0]["state"]), (&"KEY".into(), &"overdue".into()));
    assert!(got["text"].as_str().unwrap().starts_with("KEY in profile default is overdue"));
}

#[test]
fn a_channel_that_comes_back_gets_what_it_missed_and_an_alias_names_nothing() {
    let project = Project::new();
    project.set("KEY", "v", &LATE);
    let channel = "command:test -e up && cat > got.json";
    assert_eq!(project.run(&["remind", "--alias", "--notify", channel]).code, 8);
    std::fs::write(project.dir().join("up"), "").unwrap();
    assert_eq!(project.run(&["remind", "--alias", "--notify", channel]).code, 0);
    let got = std::fs::read_to_string(project.dir().join("got.json")).unwrap();
    assert!(got.contains("secret-") && !got.contains("KEY") && !got.contains("default"), "{got}");
    std::fs::remove_file(project.dir().join("got.json")).unwrap();
    assert_eq!(project.run(&["remind", "--alias", "--notify", channel]).code, 0);
    assert!(!project.dir().join("got.json").exists(), "nothing new, nothing run");
}

#[test]
fn a_dry_run_delivers_and_remembers_nothing() {
    let project = Project::new();
    project.set("KEY", "v", &LATE);
    for _ in 0..2 {
        let ran = project.run(&["remind", "-n"]);
        assert!(ran.err.contains("would tell stderr: KEY"), "{}", ran.err);
    }
    assert!(project.run(&["remind", "-q"]).err.contains("reminder: KEY"));
    assert_eq!(project.run(&["remind", "--notify", "pigeon"]).code, 2);
}

#[test]
fn generated_units_pass_systemd_and_leave_nothing() {
    let project = Project::new();
    project.set("KEY", "v", &LATE);
    let bin = project.path("bin");
    std::fs::create_dir(&bin).unwrap();
    let stand_in = |name: &str, text: &str| {
        let path = bin.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    stand_in("systemctl", "#!/bin/sh\necho \"$@\" >> \"$HOME/systemctl.log\"\n");
    stand_in(
        "crontab",
        "#!/bin/sh\nif [ \"$1\" = -l ]; then cat \"$HOME/crontab\"; else cat > \"$HOME/crontab\"; fi\n",
    );
    let run = |arguments: &[&str]| {
        let path = format!("{}:/usr/bin:/bin", bin.display());
        let output = project.command(arguments).env("PATH", path).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let printed = run(&["schedule", "install", "--print"]);
    let units = project.path(".config/systemd/user");
    assert!(printed.contains("OnCalendar") && !units.exists());
    run(&["schedule", "install", "--notify", "command:./chat.sh 100% \"$X\" 'y'"]);
    let log = std::fs::read_to_string(project.path("systemctl.log")).unwrap();
    assert!(log.contains("--user daemon-reload\n--user enable --now vault-remind-"), "{log}");
    assert!(run(&["schedule", "status"]).contains("installed  systemd"));
    std::fs::create_dir(project.path("run")).unwrap();
    let mut verify = Command::new("systemd-analyze");
    verify.args(["verify", "--user"]).args(std::fs::read_dir(&units).unwrap().map(|entry| entry.unwrap().path()));
    verify.env("XDG_RUNTIME_DIR", project.path("run"));
    match verify.output() {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => assert!(std::env::var_os("CI").is_none(), "systemd-analyze: {error}"),
    }
    run(&["schedule", "uninstall"]);
    assert_eq!(std::fs::read_dir(&units).unwrap().count(), 0);
    // Cron: other lines stay as they are.
    std::fs::write(project.path("crontab"), "5 4 * * * backup\n").unwrap();
    run(&["schedule", "install", "--with", "cron"]);
    let crontab = std::fs::read_to_string(project.path("crontab")).unwrap();
    assert!(
        crontab.starts_with("5 4 * * * backup\n0 9 * * * ") && crontab.contains(" remind --notify desktop # vault-")
    );
    assert!(run(&["schedule", "status", "--json"]).contains("cron"));
    run(&["schedule", "uninstall"]);
    assert_eq!(std::fs::read_to_string(project.path("crontab")).unwrap(), "5 4 * * * backup\n");
    // What cron would run does run.
    let line =
        crontab.lines().last().unwrap().split(" * * * ").nth(1).unwrap().replace("--notify desktop", "--notify stderr");
    let output =
        Command::new("/bin/sh").args(["-c", &line]).env_clear().env("HOME", project.path("")).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("reminder: KEY"), "{output:?}");
}

#[test]
fn the_foreground_loop_reminds_and_stays() {
    let project = Project::new();
    project.set("KEY", "v", &LATE);
    let line = "command:echo once >> told.txt";
    let mut child = project.command(&["schedule", "run", "--every", "1s", "--notify", line]).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(2500));
    assert!(child.try_wait().unwrap().is_none(), "it stays");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(std::fs::read_to_string(project.dir().join("told.txt")).unwrap(), "once\n");
}
