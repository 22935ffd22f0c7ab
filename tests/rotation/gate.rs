//! `on_overdue = refuse`: what `exec` does with values that are late.

use super::harness::Project;

#[test]
fn an_overdue_value_is_refused_once_its_grace_is_over() {
    let mut project = Project::since(Some("2026-01-01 12:00:00"));
    project.set("KEY", "v", &["--rotate-every", "30d", "--grace", "2d", "--on-overdue", "refuse"]);
    project.set("OTHER", "o", &[]);
    for (at, code) in [
        ("2026-01-31 11:59:00", 0),
        ("2026-01-31 12:00:05", 0),
        ("2026-02-02 11:59:00", 0),
        ("2026-02-02 12:00:05", 125),
        ("2036-02-02 12:00:05", 125),
    ] {
        project.at = Some(at);
        let ran = project.run(&["exec", "--", "sh", "-c", "true"]);
        assert_eq!(ran.code, code, "{at}: {}", ran.err);
        if code != 0 {
            assert!(
                ran.err.contains("the policy refuses it: KEY") && ran.err.contains("vault rotate KEY"),
                "{}",
                ran.err
            );
        }
    }
    let refused = project.run(&["audit", "--json", "--outcome", "refused"]).json();
    let facts: Vec<_> = refused.as_array().unwrap().iter().map(|one| (&one["action"], &one["reason"])).collect();
    assert_eq!(facts, [(&"exec".into(), &"overdue".into()); 2], "{refused}");
    // What is not asked for does not stand in the way.
    assert_eq!(project.run(&["exec", "--only", "OTHER", "--", "true"]).code, 0);
    // Moving the clock back opens nothing that a write has closed.
    project.set("OTHER", "p", &[]);
    project.at = Some("2026-01-02 12:00:00");
    assert_eq!(project.run(&["exec", "--", "true"]).code, 125);
}

#[test]
fn going_on_all_the_same_needs_a_reason_that_goes_on_record() {
    let project = Project::new();
    project.set("KEY", "v", &["--created", "2020-01-01", "--rotate-every", "30d", "--on-overdue", "refuse"]);
    assert_eq!(project.run(&["exec", "--allow-stale", "--", "true"]).code, 125);
    let ran = project.run(&["exec", "--allow-stale", "--reason", "incident 7", "--", "sh", "-c", "echo $KEY"]);
    assert_eq!((ran.code, ran.out.as_str()), (0, "v\n"), "{}", ran.err);
    let log = project.ok(&["audit", "--json", "--action", "exec"]);
    assert!(log.contains("allow-stale:KEY") && log.contains("incident 7"), "{log}");
}

#[test]
fn the_warning_names_what_is_late_and_where_to_look() {
    let project = Project::new();
    project.set("KEY", "v", &["--created", "2020-01-01", "--rotate-every", "30d"]);
    let ran = project.run(&["exec", "--", "true"]);
    assert_eq!(ran.code, 0);
    assert!(
        ran.err.starts_with("vault: warning: 1 key overdue for rotation: KEY (")
            && ran.err.ends_with("see `vault rotation`\n"),
        "{}",
        ran.err
    );
}

#[test]
fn the_policy_of_a_profile_holds_where_a_secret_says_nothing() {
    let project = Project::new();
    let policy = ["profile", "set", "default", "--rotate-every", "30d", "--on-overdue", "refuse", "--owner", "bob"];
    project.ok(&policy);
    project.set("KEY", "v", &["--created", "2020-01-01"]);
    project.set("OWN", "v", &["--created", "2020-01-01", "--no-rotation", "--owner", "alice"]);
    let due = project.run(&["rotation", "--json"]).json();
    let of = |n: usize| (due["secrets"][n]["state"].clone(), due["secrets"][n]["owner"].clone());
    assert_eq!(of(0), ("overdue".into(), "bob".into()));
    assert_eq!(of(1), ("unmanaged".into(), "alice".into()));
    assert_eq!(project.run(&["exec", "--", "true"]).code, 125);
    assert!(project.run(&policy).err.contains("nothing changed"));
    project.ok(&["profile", "set", "default", "--clear"]);
    assert_eq!(project.run(&["exec", "--", "true"]).code, 0);
    for (interval, code) in [("0d", 2), ("-1d", 2), ("3650001d", 2), ("1s", 0)] {
        assert_eq!(project.run(&["profile", "set", "default", "--rotate-every", interval]).code, code, "{interval}");
    }
    assert_eq!(project.run(&["profile", "set", "default"]).code, 2);
    let ran = project.run(&["profile", "set", "nosuch", "--grace", "1d"]);
    assert_eq!(ran.code, 3, "{}", ran.err);
}
