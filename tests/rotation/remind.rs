//! Reminders: new ones only, and none lost to a channel that fails.

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
    let quiet = |line: &str| line.starts_with("stderr ") && line.ends_with(" nothing new");
    assert!(
        status.out.contains("it ended with status 1; tried again") && status.out.lines().any(quiet),
        "{}",
        status.out
    );
    std::fs::remove_file(project.dir().join("got.json")).unwrap();
    assert_eq!(project.run(&down).code, 8);
    let got: serde_json::Value =
        serde_json::from_slice(&std::fs::read(project.dir().join("got.json")).unwrap()).unwrap();
    assert_eq!((&got["secrets"][0]["name"], &got["secrets"][0]["state"]), (&"KEY".into(), &"overdue".into()));
    assert!(got["text"].as_str().unwrap().starts_with("KEY in profile default is overdue"));
}

#[test]
fn more_than_a_pipe_holds_is_told_to_whoever_reads_it_and_to_whoever_does_not() {
    let project = Project::new();
    let names: Vec<String> = (0..400).map(|number| format!("KEY_{number:03}")).collect();
    let all: String = names.iter().map(|name| format!("{name}=v\n")).collect();
    std::fs::write(project.dir().join("all.env"), all).unwrap();
    project.ok(&["import", "all.env", "--created", "2020-01-01"]);
    project.ok(&["profile", "set", "default", "--rotate-every", "30d"]);
    // It ends without a look at what it was told: no fault, and no end of this process by SIGPIPE.
    for deaf in ["command:true", "command:exec <&-; sleep 0.05", "command:head -c 10 >/dev/null"] {
        assert_eq!(project.run(&["remind", "--notify", deaf]).code, 0, "{deaf}");
    }
    project.ok(&["remind", "--notify", "command:cat > got.json"]);
    let got = std::fs::read(project.dir().join("got.json")).unwrap();
    assert!(got.len() > 128 << 10, "{} bytes", got.len());
    let got: serde_json::Value = serde_json::from_slice(&got).unwrap();
    let told = got["secrets"].as_array().unwrap().iter().map(|secret| secret["name"].as_str().unwrap());
    assert_eq!(told.collect::<Vec<_>>(), names);
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
