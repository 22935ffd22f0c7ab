//! Exposure, earlier versions, and going back to one.

use super::harness::Project;

fn state(project: &Project) -> String {
    project.run(&["rotation", "--json"]).json()["secrets"][0]["state"].as_str().unwrap_or("none").to_owned()
}

#[test]
fn an_exposed_value_is_on_top_until_it_changes() {
    let project = Project::new();
    project.set("KEY", "one", &[]);
    project.set("LATE", "late", &["--created", "2020-01-01", "--rotate-every", "1d"]);
    project.ok(&["expose", "KEY", "--why", "pasted in #general", "--to", "all of them"]);
    let first = project.run(&["rotation", "--json"]).json()["secrets"][0].clone();
    assert_eq!((&first["name"], &first["exposed"][0]["why"]), (&"KEY".into(), &"pasted in #general".into()));
    assert_eq!(project.run(&["rotation", "--fail-on", "exposed"]).code, 1);
    // Metadata and the same value again end nothing.
    project.ok(&["set", "KEY", "--note", "x"]);
    project.set("KEY", "one", &[]);
    assert_eq!(state(&project), "exposed");
    project.set("KEY", "two", &[]);
    assert_eq!(state(&project), "overdue");
    // Going back to it brings the leak along.
    let ran = project.run(&["restore", "KEY", "--version", "1"]);
    assert_eq!(ran.code, 6, "{}", ran.err);
    assert_eq!(project.run(&["restore", "KEY", "--version", "1", "--force"]).code, 0);
    assert_eq!(state(&project), "exposed");
    for (arguments, code) in [
        (&["expose", "NOSUCH", "--why", "x"][..], 3),
        (&["expose", "KEY"], 2),
        (&["expose", "KEY", "--acknowledge"], 3),
        (&["expose", "KEY", "--why", "two\nlines"], 2),
    ] {
        assert_eq!(project.run(arguments).code, code, "{arguments:?}");
    }
}

#[test]
fn a_removed_secret_that_leaked_stays_listed_until_it_is_acknowledged() {
    let project = Project::new();
    project.set("KEY", "one", &["--owner", "alice"]);
    project.ok(&["expose", "KEY", "--why", "in a screenshot"]);
    project.ok(&["rm", "KEY"]);
    let listed = project.run(&["rotation", "--json"]).json()["secrets"][0].clone();
    assert_eq!(
        (&listed["task"], &listed["state"], &listed["owner"]),
        (&"removed".into(), &"exposed".into(), &"alice".into())
    );
    assert!(project.ok(&["rotation"]).contains("removed, to be revoked"));
    for format in ["github", "sarif", "prometheus", "ics"] {
        assert!(project.ok(&["rotation", "--format", format]).contains("KEY"), "{format}");
    }
    project.ok(&["expose", "KEY", "--acknowledge"]);
    assert_eq!(state(&project), "none");
}

#[test]
fn a_restored_value_is_as_old_as_it_is() {
    let project = Project::new();
    project.set("KEY", "one", &["--created", "2024-01-01", "--rotate-every", "90d"]);
    project.set("KEY", "two", &[]);
    assert_eq!(state(&project), "fresh");
    project.ok(&["restore", "KEY", "--version", "1"]);
    assert_eq!((project.ok(&["get", "KEY"]).as_str(), state(&project).as_str()), ("one", "overdue"));
    let history = project.run(&["history", "KEY", "--json"]).json();
    let rows: Vec<(u64, &str)> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["version"].as_u64().unwrap(), row["stage"].as_str().unwrap()))
        .collect();
    assert_eq!(rows, [(3, "current"), (2, "previous"), (1, "previous")]);
    assert!(project.ok(&["history", "KEY"]).contains("2024-01-01"));
    assert!(project.run(&["restore", "KEY", "--version", "3"]).err.contains("nothing changed"));
    assert_eq!(project.run(&["restore", "KEY", "--version", "9"]).code, 3);
    project.ok(&["rotate", "KEY", "--revoked"]);
    assert_eq!(project.run(&["restore", "KEY", "--version", "2"]).code, 6, "it was revoked");
}

#[test]
fn a_pending_value_survives_a_set_as_a_value_to_revoke() {
    let project = Project::new();
    project.set("KEY", "one", &[]);
    let ran = project.run_with(&["rotate", "KEY", "-", "--verify", "false"], "two");
    assert_eq!(ran.code, 8);
    project.set("KEY", "three", &[]);
    assert_eq!(project.ok(&["get", "KEY", "--version", "2"]), "two");
    let first = project.run(&["rotation", "--json"]).json()["secrets"][0].clone();
    assert_eq!((&first["task"], &first["version"], &first["state"]), (&"revoke".into(), &2.into(), &"overdue".into()));
    // Setting the pending value itself is its promotion.
    project.ok(&["rotate", "KEY", "--revoked"]);
    project.run_with(&["rotate", "KEY", "-", "--verify", "false"], "four");
    project.set("KEY", "four", &[]);
    let stages = project.run(&["history", "KEY", "--json"]).json();
    assert_eq!((&stages[0]["stage"], &stages[1]["stage"]), (&"current".into(), &"previous".into()));
    assert_eq!(project.ok(&["get", "KEY"]), "four");
}

#[test]
fn a_value_to_revoke_is_kept_however_few_are() {
    let project = Project::new();
    project.set("KEY", "one", &["--keep", "0"]);
    project.ok(&["rotate", "KEY", "--generate"]);
    assert_eq!(project.ok(&["get", "KEY", "--version", "1"]), "one");
    assert_eq!(project.run(&["history", "KEY", "--json"]).json().as_array().unwrap().len(), 2);
    project.ok(&["rotate", "KEY", "--revoked"]);
    assert_eq!(project.run(&["history", "KEY", "--json"]).json().as_array().unwrap().len(), 1);
}
