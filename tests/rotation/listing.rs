//! What the due list shows, in which order, and what its status says.

use super::harness::Project;

fn names(project: &Project, options: &[&str]) -> Vec<String> {
    let mut arguments = vec!["rotation", "--json"];
    arguments.extend(options);
    let ran = project.run(&arguments);
    ran.json()["secrets"].as_array().unwrap().iter().map(|secret| secret["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_profile_is_listed_by_urgency_without_an_identity() {
    let project = Project::new();
    project.ok(&["profile", "add", "prod"]);
    project.set("A_FRESH", "1", &["--rotate-every", "90d", "--owner", "bob"]);
    project.set("B_LATE", "2", &["-p", "prod", "--created", "2020-01-01", "--rotate-every", "30d", "--owner", "alice"]);
    project.set("C_GONE", "3", &["--expires", "2021-01-01"]);
    std::fs::remove_dir_all(project.path(".config")).unwrap();
    assert_eq!(names(&project, &[]), ["C_GONE", "B_LATE", "A_FRESH"]);
    assert_eq!(names(&project, &["--within", "30d"]), ["C_GONE", "B_LATE"]);
    assert_eq!(names(&project, &["--within", "91d"]), ["C_GONE", "B_LATE", "A_FRESH"]);
    assert_eq!(names(&project, &["--owner", "alice"]), ["B_LATE"]);
}

#[test]
fn the_status_follows_the_states_that_are_asked_for() {
    let project = Project::new();
    project.set("LATE", "1", &["--created", "2020-01-01", "--rotate-every", "30d"]);
    for (states, want) in [("overdue", 1), ("expired,exposed", 0), ("due,overdue", 1), ("fresh", 0)] {
        assert_eq!(project.run(&["rotation", "--fail-on", states]).code, want, "{states}");
    }
    assert_eq!(project.run(&["rotation", "--fail-on", "late"]).code, 2);
    assert_eq!(project.run(&["rotation", "--fail-on", "overdue", "--owner", "nobody"]).code, 0);
}

#[test]
fn the_keys_of_list_are_those_of_the_due_list() {
    let project = Project::new();
    project.set("OPENAI_API_KEY", "1", &["--rotate-every", "30d", "--basis", "PCI"]);
    let list = project.run(&["list", "--json"]).json();
    let due = project.run(&["rotation", "--json"]).json();
    let (listed, due) = (list[0].as_object().unwrap(), due["secrets"][0].as_object().unwrap());
    // `last_used` is read from the audit log, which the due list does without.
    for (key, value) in listed.iter().filter(|(key, _)| *key != "last_used") {
        assert_eq!(due.get(key), Some(value), "{key}");
    }
    assert_eq!(due["rotate_at"].as_str().map(|page| page.contains("openai")), Some(true));
}

#[test]
fn a_clock_moved_back_makes_nothing_fresh_and_is_called_out() {
    let mut project = Project::since(Some("2026-06-01 12:00:00"));
    project.set("KEY", "1", &["--rotate-every", "30d"]);
    project.at = Some("2026-07-02 12:00:00");
    project.set("OTHER", "1", &[]);
    for at in ["2026-05-01 12:00:00", "1971-01-01 00:00:00", "2016-06-01 12:00:00"] {
        project.at = Some(at);
        let ran = project.run(&["rotation", "--json"]);
        assert_eq!(ran.json()["secrets"][0]["state"], "overdue", "{at}");
        assert!(ran.err.contains("signed by alice-laptop; one of the two is wrong"), "{at}: {}", ran.err);
    }
    // Fifty years ahead is late, never an error.
    project.at = Some("2076-06-01 12:00:00");
    assert_eq!(project.run(&["rotation", "--json"]).json()["secrets"][0]["state"], "overdue");
}

#[test]
fn the_secret_decides_before_the_profile_and_that_before_the_provider() {
    let project = Project::new();
    project.set("OPENAI_API_KEY", "1", &[]);
    let every = || {
        let due = project.run(&["rotation", "--json"]).json()["secrets"][0].clone();
        let text = |key: &str| due[key].as_str().unwrap_or("none").to_owned();
        [text("rotate_every"), text("owner"), text("basis")]
    };
    assert_eq!(every(), ["90d", "none", "none"], "the usual interval of its provider");
    project.ok(&["profile", "set", "default", "--rotate-every", "60d", "--owner", "bob", "--basis", "analysis 1"]);
    assert_eq!(every(), ["60d", "bob", "analysis 1"]);
    // Its own interval does not come with the reason of another one.
    project.ok(&["set", "OPENAI_API_KEY", "--rotate-every", "30d"]);
    assert_eq!(every(), ["30d", "bob", "none"]);
    project.ok(&["set", "OPENAI_API_KEY", "--owner", "alice", "--basis", "analysis 2"]);
    assert_eq!(every(), ["30d", "alice", "analysis 2"]);
    project.ok(&["set", "OPENAI_API_KEY", "--no-rotation"]);
    assert_eq!(every()[0], "never");
    // The end that the provider gave it counts all the same, where it is earlier.
    let due = |expires: &str| {
        let every = ["set", "OPENAI_API_KEY", "--rotate-every", "30d", "--created", "2020-01-01", "--expires", expires];
        project.ok(&every);
        project.run(&["rotation", "--json"]).json()["secrets"][0]["due_at"].clone()
    };
    assert_eq!(due("2020-01-15"), "2020-01-15T00:00:00Z");
    assert_eq!(due("2021-01-01"), "2020-01-31T00:00:00Z");
}

#[test]
fn intervals_are_from_a_second_to_ten_thousand_years() {
    let project = Project::new();
    project.set("KEY", "1", &[]);
    let before = project.vault_file();
    for interval in ["0", "0d", "-1d", "-1", "3650001d", "99999999999999999999d", "1.5d", "90", "d"] {
        let ran = project.run(&["set", "KEY", &format!("--rotate-every={interval}")]);
        assert_eq!(ran.code, 2, "{interval}: {}", ran.err);
    }
    assert_eq!(project.vault_file(), before);
    project.ok(&["set", "KEY", "--rotate-every", "3650000d"]);
    for command in
        [&["rotation"][..], &["list"], &["exec", "--", "true"], &["rotation", "--format", "ics"], &["remind"]]
    {
        project.ok(command);
    }
    let due = project.run(&["rotation", "--json"]).json()["secrets"][0].clone();
    assert_eq!((&due["state"], &due["due_at"]), (&"fresh".into(), &"9999-12-31T23:59:59Z".into()));
}
