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
fn going_back_to_an_earlier_value_is_no_rotation_whichever_way_it_comes() {
    let project = Project::new();
    let old = ["--created", "2024-01-01", "--rotate-every", "90d", "--keep", "9"];
    let again = |how: &str, arguments: &[&str], input: &str| {
        project.set("KEY", &format!("between, {how}"), &[]);
        assert_eq!(state(&project), "fresh");
        let ran = project.run_with(arguments, input);
        assert_eq!(ran.code, 0, "{how}: {}", ran.err);
        assert_eq!((project.ok(&["get", "KEY"]).as_str(), state(&project).as_str()), ("one", "overdue"), "{how}");
        ran.err
    };
    project.set("KEY", "one", &old);
    let said = again("set", &["set", "KEY", "-"], "one");
    assert!(said.contains("it had this value before, as version 1, and is as old as that: of 2024-01-01"), "{said}");
    again("import", &["import", "-"], "KEY=one\n");
    let today = std::process::Command::new("date").args(["-u", "+%F"]).output().unwrap().stdout;
    let today = String::from_utf8(today).unwrap().trim().to_owned();
    again("with a later date", &["set", "KEY", "-", "--created", &today], "one");
    // One that was revoked is still what was asked for.
    project.set("KEY", "last", &[]);
    project.ok(&["rotate", "KEY", "--revoked"]);
    let ran = project.run_with(&["set", "KEY", "-"], "one");
    assert!(ran.err.contains("was revoked: its provider may refuse KEY"), "{}", ran.err);
    // A date that is better known is taken over, with the value or without.
    project.run_with(&["set", "KEY", "-", "--created", "2023-05-05"], "one");
    let due = project.run(&["rotation", "--json"]).json()["secrets"][0].clone();
    assert_eq!((&due["set_at"], &due["version"]), (&"2023-05-05T00:00:00Z".into(), &9.into()), "{due}");
}

#[test]
fn a_date_that_comes_with_an_import_of_the_same_values_is_taken_over() {
    let project = Project::new();
    let import = |options: &[&str]| project.run_with(&[&["import", "-"], options].concat(), "KEY=one\n").err;
    let age = || {
        let due = project.run(&["rotation", "--json"]).json()["secrets"][0].clone();
        (due["age_at_least"].as_bool().unwrap(), due["set_at"].as_str().unwrap()[..10].to_owned())
    };
    import(&[]);
    let (at_least, today) = age();
    assert!(at_least);
    // Neither says how old it is.
    assert!(import(&[]).contains("1 as they were"));
    assert!(project.run_with(&["set", "KEY", "-"], "one").err.contains("has this value already; nothing changed"));
    assert_eq!(age(), (true, today.clone()));
    import(&["--created", "2024-03-01"]);
    assert_eq!(age(), (false, "2024-03-01".to_owned()));
    // A later one cannot be right: it was there before.
    import(&["--created", &today]);
    assert_eq!(age(), (false, "2024-03-01".to_owned()));
}

#[test]
fn a_value_that_is_kept_in_any_stage_is_no_new_one() {
    let project = Project::new();
    for value in ["one", "two", "three"] {
        project.set("KEY", value, &["--keep", "9"]);
    }
    project.ok(&["rotate", "KEY", "--revoked"]);
    assert_eq!(project.run_with(&["rotate", "KEY", "-", "--verify", "false"], "given-up").code, 8);
    project.ok(&["rotate", "KEY", "--abort"]);
    assert_eq!(project.run_with(&["rotate", "KEY", "-"], "five").code, 0);
    let stages = project.run(&["history", "KEY", "--json"]).json();
    let stages: Vec<(u64, &str)> = stages
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["version"].as_u64().unwrap(), row["stage"].as_str().unwrap()))
        .collect();
    assert_eq!(stages, [(6, "current"), (5, "previous"), (4, "previous"), (2, "revoked"), (1, "revoked")]);
    let before = project.vault_file();
    for (value, version) in [("one", 1), ("two", 2), ("given-up", 4), ("three", 5), ("five", 6)] {
        for ran in [
            project.run_with(&["rotate", "KEY", "-"], value),
            project.run_with(&["rotate", "KEY", "-", "--leaked"], value),
        ] {
            assert_eq!(ran.code, 7, "{value}: {}", ran.err);
            assert!(ran.err.contains(&format!("had this value before, as version {version}")), "{value}: {}", ran.err);
        }
    }
    assert_eq!(project.vault_file(), before, "nothing is written for one that is refused");
    project.ok(&["rotate", "KEY", "--revoked=5,4"]);
    let before = project.vault_file();
    for value in ["one", "two", "given-up", "three", "five"] {
        let answer = format!("cat >/dev/null; echo '{{\"values\":{{\"KEY\":\"{value}\"}}}}'");
        let ran = project.run(&["rotate", "KEY", "--run", &answer]);
        assert!(ran.code == 7 && ran.err.contains("had this value before"), "{value} of a rotator: {}", ran.err);
    }
    assert_eq!(project.vault_file(), before);
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

#[test]
fn of_several_values_to_revoke_the_one_that_was_is_said() {
    let project = Project::new();
    project.set("KEY", "one", &[]);
    for (value, then) in [("two", "--revoked`"), ("three", "--revoked=2`")] {
        let ran = project.run_with(&["rotate", "KEY", "-"], value);
        assert!(ran.code == 0 && ran.err.contains(then), "{}", ran.err);
    }
    let stages = || -> Vec<String> {
        let history = project.run(&["history", "KEY", "--json"]).json();
        history.as_array().unwrap().iter().map(|row| row["stage"].as_str().unwrap().to_owned()).collect()
    };
    for dry in [&["-n"][..], &[]] {
        let refused = project.run(&[&["rotate", "KEY", "--revoked"], dry].concat());
        assert_eq!(refused.code, 2, "{}", refused.err);
        assert!(refused.err.contains("versions 2, 1") && refused.err.contains("--revoked=2`"), "{}", refused.err);
    }
    assert_eq!(stages(), ["current", "previous", "previous"]);
    assert_eq!(project.run(&["rotate", "KEY", "--revoked=9"]).code, 3);
    assert_eq!(project.run(&["rotate", "KEY", "--revoked=3"]).code, 3, "it is in use");
    let said = project.run(&["rotate", "KEY", "--revoked=2"]).err;
    assert!(said.contains("recorded: version 2 of KEY is revoked"), "{said}");
    assert_eq!(stages(), ["current", "revoked", "previous"]);
    assert_eq!(project.run(&["rotate", "KEY", "--revoked=2"]).code, 3);
    project.ok(&["rotate", "KEY", "--revoked"]);
    assert_eq!(stages(), ["current", "revoked", "revoked"]);
    // Nothing is left to record, which a dry run says as well.
    let said = project.run(&["rotate", "KEY", "--revoked", "-n"]);
    assert_eq!(said.code, 3, "{}", said.err);
    // And all at once.
    for value in ["four", "five"] {
        assert_eq!(project.run_with(&["rotate", "KEY", "-"], value).code, 0);
    }
    let said = project.run(&["rotate", "KEY", "--revoked=4,3", "-n"]).err;
    assert!(said.contains("would record: version 4 of KEY, version 3 of KEY are revoked"), "{said}");
    let said = project.run(&["rotate", "KEY", "--revoked=4,3"]).err;
    assert!(said.contains("version 4 of KEY, version 3 of KEY are revoked"), "{said}");
}

#[test]
fn what_was_revoked_of_one_takes_of_its_group_only_what_was_replaced_with_it() {
    let project = Project::new();
    for name in ["GA", "GB"] {
        project.set(name, &format!("{name}-one"), &["--group", "pair"]);
    }
    assert_eq!(project.run(&["rotate", "GA", "--generate", "--verify", "false"]).code, 8);
    // Replaced while it was pending: the current values of both are retired in the same write.
    let ran = project.run_with(&["import", "-"], "GA=GA-two\nGB=GB-two\n");
    assert_eq!(ran.code, 0, "{}", ran.err);
    let said = project.run(&["rotate", "GA", "--revoked=2"]).err;
    assert!(said.contains("recorded: version 2 of GA, version 2 of GB are revoked"), "{said}");
}
