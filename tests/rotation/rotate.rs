//! The staged rotation: what it promises at every stage, and what a rotator that
//! misbehaves cannot do.

use serde_json::Value;

use super::harness::{Project, Ran};

fn project() -> Project {
    let project = Project::new();
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/rotation/rotator.py");
    std::fs::copy(script, project.dir().join("rotator.py")).unwrap();
    project.set("KEY", "first-value", &["--rotate-every", "90d"]);
    std::fs::write(project.dir().join("server.json"), r#"{"KEY":["first-value"],"PAIR":["pair-one"]}"#).unwrap();
    project
}

fn rotate(project: &Project, mode: &str, more: &[&str]) -> Ran {
    let line = format!("exec /usr/bin/python3 rotator.py {mode}");
    let mut arguments = vec!["rotate", "KEY", "--run", &line];
    arguments.extend(more);
    project.run(&arguments)
}

fn value(project: &Project, name: &str) -> String {
    project.ok(&["get", name])
}

fn server(project: &Project, name: &str) -> Vec<String> {
    let text = std::fs::read(project.dir().join("server.json")).unwrap();
    let server: Value = serde_json::from_slice(&text).unwrap();
    server[name].as_array().unwrap().iter().map(|value| value.as_str().unwrap().to_owned()).collect()
}

fn due(project: &Project) -> Vec<(String, String, String)> {
    let list = project.run(&["rotation", "--json"]).json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let of = |item: &Value| (text(&item["name"]), text(&item["task"]), text(&item["state"]));
    list["secrets"].as_array().unwrap().iter().map(of).collect()
}

#[test]
fn a_rotator_makes_verifies_and_revokes() {
    let project = project();
    let ran = rotate(&project, "", &["--grace", "1d"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let new = value(&project, "KEY");
    assert!(new.starts_with("made-KEY-") && !ran.err.contains(&new) && ran.out.is_empty());
    assert_eq!(server(&project, "KEY"), ["first-value".to_owned(), new.clone()], "both work in the grace");
    let seen = project.ok(&["exec", "--as", "OLD=KEY@previous", "--as", "NEW=KEY", "--", "sh", "-c", "echo $OLD $NEW"]);
    assert_eq!(seen, format!("first-value {new}\n"));
    assert!(due(&project).contains(&("KEY".into(), "revoke".into(), "fresh".into())), "{:?}", due(&project));
    // A second rotation would take the place of the one in its grace.
    let again = rotate(&project, "", &[]);
    assert_eq!(again.code, 7, "{}", again.err);
    let ran = rotate(&project, "", &["--revoke"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(server(&project, "KEY"), [new]);
    assert_eq!(project.run(&["exec", "--as", "OLD=KEY@previous", "--", "true"]).code, 125);
    assert!(due(&project).iter().all(|(_, task, _)| task == "rotate"));
    let log = project.ok(&["audit", "--json"]);
    for action in
        ["rotate-create", "rotate-pending", "rotate-verify", "rotate-promote", "rotate-revoke", "rotate-revoked"]
    {
        assert!(log.contains(&format!("\"{action}\"")), "{action} in {log}");
    }
    assert_eq!(project.run(&["verify"]).code, 0);
}

#[test]
fn misbehaving_rotators_are_clear_errors_that_lose_nothing() {
    for (mode, code, message) in [
        ("garbage", 8, "did not print one JSON object"),
        ("nothing", 8, "printed nothing"),
        ("twice", 8, "two values for KEY"),
        ("two-objects", 8, "did not print one JSON object"),
        ("old", 7, "had this value before, as version 1"),
        ("flood", 8, "more than 2 MiB"),
        ("hang-create", 8, "did not end within 1s"),
        ("background", 8, "did not end within 1s"),
        ("fail-create", 8, "ended with status 3"),
    ] {
        let project = project();
        let before = project.vault_file();
        let ran = rotate(&project, mode, &["--timeout", "1s"]);
        assert_eq!(ran.code, code, "{mode}: {}", ran.err);
        assert!(ran.err.contains(message), "{mode}: {}", ran.err);
        assert!(!ran.err.contains("sk-live") && !ran.err.contains("made-"), "{mode}: {}", ran.err);
        assert_eq!(project.vault_file(), before, "{mode}");
        assert_eq!(value(&project, "KEY"), "first-value");
        assert_eq!(rotate(&project, "", &[]).code, 0, "{mode}: a good one goes through afterwards");
    }
}

#[test]
fn what_does_not_verify_is_not_promoted() {
    for mode in ["fail-verify", "hang-verify"] {
        let project = project();
        let ran = rotate(&project, mode, &["--timeout", "1s"]);
        assert_eq!(ran.code, 8, "{mode}: {}", ran.err);
        assert!(ran.err.contains("stays pending") && ran.err.contains("--resume"), "{}", ran.err);
        assert_eq!(value(&project, "KEY"), "first-value");
        assert_eq!(rotate(&project, "", &[]).code, 7, "a second one waits for the first");
        assert_eq!(project.run(&["rotate", "KEY", "--resume"]).code, 6, "nothing verifies it");
        let ran = rotate(&project, "", &["--resume"]);
        assert_eq!(ran.code, 0, "{mode}: {}", ran.err);
        assert_eq!(server(&project, "KEY"), ["first-value".to_owned(), value(&project, "KEY")]);
    }
}

#[test]
fn a_kill_at_any_stage_is_resumed_or_aborted_and_loses_neither_value() {
    for (mode, generate) in [
        ("kill-before-create", false),
        ("kill-after-create", false),
        ("kill-before-create", true),
        ("kill-after-create", true),
        ("kill-before-verify", false),
        ("kill-after-verify", true),
    ] {
        for end in ["--resume", "--abort"] {
            let project = project();
            let more: &[&str] = if generate { &["--generate"] } else { &[] };
            let ran = rotate(&project, mode, more);
            assert_eq!(ran.code, -1, "{mode}: {}", ran.err);
            assert_eq!(value(&project, "KEY"), "first-value", "{mode}");
            assert_eq!(project.run(&["verify"]).code, 0);
            let ran = rotate(&project, "", &[end]);
            if ran.code == 3 {
                // It was killed before anything was sealed: nothing is pending.
                assert!(mode.ends_with("-create") && !generate, "{mode} {end}: {}", ran.err);
                assert_eq!(rotate(&project, "", &[]).code, 0);
                continue;
            }
            assert_eq!(ran.code, 0, "{mode} {end}: {}", ran.err);
            let now = value(&project, "KEY");
            assert!(server(&project, "KEY").contains(&now), "{mode} {end}: the current value works");
            if end == "--abort" {
                assert_eq!(now, "first-value");
                assert_eq!(server(&project, "KEY"), ["first-value"], "what was given up is revoked");
            } else {
                assert_ne!(now, "first-value");
            }
            assert_eq!(project.run(&["verify"]).code, 0);
        }
    }
}

#[test]
fn a_kill_while_revoking_leaves_the_task_on_the_list() {
    for mode in ["kill-before-revoke", "kill-after-revoke"] {
        let project = project();
        assert_eq!(rotate(&project, "", &[]).code, 0);
        let new = value(&project, "KEY");
        assert_eq!(rotate(&project, mode, &["--revoke"]).code, -1);
        assert!(due(&project).iter().any(|(_, task, _)| task == "revoke"), "{mode}");
        assert_eq!(rotate(&project, "", &["--revoke"]).code, 0, "{mode}: revoking again is no harm");
        assert_eq!((server(&project, "KEY"), value(&project, "KEY")), (vec![new.clone()], new));
        assert!(due(&project).iter().all(|(_, task, _)| task == "rotate"));
    }
}

#[test]
fn kills_at_any_moment_leave_a_good_state() {
    let project = project();
    for delay in 0..24u64 {
        let line = "/usr/bin/python3 rotator.py";
        let mut child = project.command(&["rotate", "KEY", "--run", line, "--generate", "--leaked"]).spawn().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(delay * 9));
        let _ = child.kill();
        child.wait().unwrap();
        assert_eq!(project.run(&["verify"]).code, 0, "after {delay}");
        let current = value(&project, "KEY");
        assert!(server(&project, "KEY").contains(&current), "{delay}: the current value works");
        let ended = rotate(&project, "", &[if delay % 2 == 0 { "--resume" } else { "--abort" }]);
        assert!(matches!(ended.code, 0 | 3), "{delay}: {}", ended.err);
        let revoked = rotate(&project, "", &["--revoke"]);
        assert!(matches!(revoked.code, 0 | 3), "{delay}: {}", revoked.err);
        assert_eq!(server(&project, "KEY"), [value(&project, "KEY")], "{delay}");
    }
}

#[test]
fn a_value_from_standard_input_is_verified_with_a_command() {
    let project = project();
    let ran = project.run_with(&["rotate", "KEY", "-", "--verify", "test \"$KEY\" = other"], "second\n");
    assert_eq!(ran.code, 8, "{}", ran.err);
    assert_eq!(value(&project, "KEY"), "first-value");
    let ran = project.run(&["rotate", "KEY", "--resume", "--verify", "test \"$KEY\" = second"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(value(&project, "KEY"), "second");
    assert!(ran.err.contains("stays available as KEY@previous") && ran.err.contains("in 7 days"), "{}", ran.err);
    // Any kept value is refused, the one before as well.
    for (again, version) in [("first-value", 1), ("second", 2)] {
        let ran = project.run_with(&["rotate", "KEY", "-"], again);
        assert_eq!(ran.code, 7, "{}", ran.err);
        assert!(ran.err.contains(&format!("as version {version}")), "{}", ran.err);
    }
    assert_eq!(project.run(&["rotate", "KEY", "--revoked"]).code, 0);
    assert_eq!(project.run(&["rotate", "KEY", "--revoked"]).code, 3);
    assert_eq!(project.run(&["rotate", "KEY", "sk-typed"]).code, 2);
    assert_eq!(project.run(&["rotate", "KEY"]).code, 2, "nobody to ask");
}

#[test]
fn a_leaked_value_has_no_grace() {
    let project = project();
    let ran = rotate(&project, "", &["--leaked"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(server(&project, "KEY"), [value(&project, "KEY")], "revoked at once");
    let ran = project.run(&["rotate", "KEY", "--generate", "--leaked"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert_eq!(due(&project)[0], ("KEY".into(), "revoke".into(), "exposed".into()));
    assert_eq!(project.run(&["exec", "--as", "OLD=KEY@previous", "--", "true"]).code, 125);
}

#[test]
fn a_group_is_promoted_together_or_not_at_all() {
    let project = project();
    project.set("PAIR", "pair-one", &["--group", "db"]);
    project.ok(&["set", "KEY", "--group", "db"]);
    let ran = rotate(&project, "part", &[]);
    assert!(ran.err.contains("no value for PAIR"), "{}", ran.err);
    let ran = rotate(&project, "fail-verify", &[]);
    assert_eq!(ran.code, 8);
    assert_eq!((value(&project, "KEY"), value(&project, "PAIR")), ("first-value".into(), "pair-one".into()));
    // One of the two gets another value by hand: the other is not promoted alone.
    project.set("PAIR", "by-hand", &[]);
    let ran = rotate(&project, "", &["--resume"]);
    assert_eq!(ran.code, 3, "{}", ran.err);
    assert_eq!(value(&project, "KEY"), "first-value");
    project.ok(&["rotate", "KEY", "--abort"]);
    project.set("PAIR", "pair-one", &[]);
    project.ok(&["rotate", "KEY", "--revoked"]);
    std::fs::write(project.dir().join("server.json"), r#"{"KEY":["first-value"],"PAIR":["pair-one"]}"#).unwrap();
    let ran = rotate(&project, "", &[]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(value(&project, "KEY").starts_with("made-") && value(&project, "PAIR").starts_with("made-"));
}

#[test]
fn the_parts_of_one_credential_are_a_group_by_their_names() {
    let project = project();
    let pair = [
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCY0123456789"),
    ];
    pair.iter().for_each(|(name, value)| project.set(name, value, &[]));
    let rotator = |mode: &str| {
        let line = format!("exec /usr/bin/python3 rotator.py {mode}");
        project.run(&["rotate", "AWS_SECRET_ACCESS_KEY", "--run", &line])
    };
    assert_eq!(rotator("fail-verify").code, 8);
    assert_eq!(pair.map(|(name, _)| value(&project, name)), pair.map(|(_, value)| value.to_owned()));
    project.ok(&["rotate", "AWS_ACCESS_KEY_ID", "--abort"]);
    project.ok(&["rotate", "AWS_ACCESS_KEY_ID", "--revoked"]);
    let ran = rotator("");
    assert_eq!(ran.code, 0, "{}", ran.err);
    for (name, _) in pair {
        assert!(value(&project, name).starts_with(&format!("made-{name}")), "{}", ran.err);
    }
    // One pipe cannot bring both.
    let ran = project.run_with(&["rotate", "AWS_ACCESS_KEY_ID", "-"], "AKIAIOSFODNN7EXAMPLF");
    assert!(ran.code == 2 && ran.err.contains("the group has several"), "{}", ran.err);
}

#[test]
fn nothing_of_ours_reaches_a_rotator_but_its_standard_input() {
    let project = project();
    let line = "env > seen.txt; tr '\\0' ' ' < /proc/$$/cmdline >> seen.txt; /usr/bin/python3 rotator.py";
    let mut command = project.command(&["rotate", "KEY", "--run", line]);
    let identity = project.path(".config/vault/identity");
    let ran = command.env("VLT_IDENTITY_FILE", identity).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let seen = std::fs::read_to_string(project.dir().join("seen.txt")).unwrap();
    for word in ["first-value", "made-", "VLT_IDENTITY", "AGE-SECRET"] {
        assert!(!seen.contains(word), "{word} in {seen}");
    }
}

#[test]
fn a_dry_run_changes_nothing() {
    let project = project();
    let before = project.vault_file();
    let ran = rotate(&project, "", &["-n"]);
    assert_eq!((ran.code, project.vault_file()), (0, before));
    assert!(ran.err.contains("would rotate KEY") && !project.dir().join("steps.log").exists());
}

/// The group of a secret is chosen by whoever may write the profile, and the verify command has
/// all of it in its environment.
#[test]
fn a_verify_command_gets_no_name_that_runs_programs() {
    let project = Project::new();
    project.set("KEY", "v", &["--group", "g"]);
    project.set("LD_PRELOAD", "/tmp/evil.so", &["--group", "g", "--allow-name", "LD_PRELOAD"]);
    let run = "echo '{\"values\":{\"KEY\":\"w\",\"LD_PRELOAD\":\"\"}}' >&2; false";
    let mut words = vec!["rotate", "KEY", "--run", run, "--verify", "true"];
    let before = project.vault_file();
    let refused = project.run(&words);
    assert!(refused.code == 6 && refused.err.contains("LD_PRELOAD changes how programs"), "{}", refused.err);
    assert_eq!(project.vault_file(), before);
    words.extend(["--allow-name", "LD_PRELOAD"]);
    let tried = project.run(&words);
    assert!(tried.code != 6 && tried.err.contains("the rotator"), "{}", tried.err);
}
