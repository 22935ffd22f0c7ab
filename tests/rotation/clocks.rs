//! Honest about time: zones, daylight saving time, leap days, and clocks that are wrong.

use super::harness::Project;

fn seconds(text: &str) -> String {
    let output = std::process::Command::new("date").args(["-u", "-d", text, "+%s"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn at(project: &Project, when: &str, arguments: &[&str], input: &str) -> super::harness::Ran {
    let ran = project.run_at(&seconds(when), arguments, input);
    assert_eq!(ran.code, 0, "{arguments:?} at {when}: {}", ran.err);
    ran
}

fn started(when: &str) -> Project {
    let project = Project::bare();
    at(&project, when, &["init", "--no-recovery", "--member", "alice", "--device", "alice-laptop"], "");
    project
}

/// State and due date as scripts see them, and the day that people see.
fn seen(project: &Project, when: &str) -> (String, String, String) {
    let due = at(project, when, &["rotation", "--json"], "").json()["secrets"][0].clone();
    let table = at(project, when, &["rotation"], "").out;
    let day = table.lines().nth(1).unwrap().split_whitespace().find(|word| word.starts_with("20")).unwrap().to_owned();
    (due["state"].as_str().unwrap().to_owned(), due["due_at"].as_str().unwrap().to_owned(), day)
}

#[test]
fn zones_change_what_is_shown_and_never_what_is_so() {
    let mut project = started("2028-02-01T00:00:00Z");
    let set = ["set", "KEY", "-", "--created", "2028-02-28T23:30:00Z", "--rotate-every", "1d", "--warn-at", "1h"];
    at(&project, "2028-02-28T23:40:00Z", &set, "v");
    // The 29th of February, or the 1st of March, or a zone nobody knows, which reads as UTC.
    for (zone, day) in [
        ("UTC", "2028-02-29"),
        ("Asia/Tokyo", "2028-03-01"),
        ("Pacific/Kiritimati", "2028-03-01"),
        ("America/Los_Angeles", "2028-02-29"),
        ("Nowhere/At_All", "2028-02-29"),
        ("", "2028-02-29"),
    ] {
        project.zone = zone;
        for (when, state) in [
            ("2028-02-29T22:29:59Z", "fresh"),
            ("2028-02-29T22:30:00Z", "due"),
            ("2028-02-29T23:29:59Z", "due"),
            ("2028-02-29T23:30:00Z", "overdue"),
        ] {
            let want = (state.to_owned(), "2028-02-29T23:30:00Z".to_owned(), day.to_owned());
            assert_eq!(seen(&project, when), want, "{zone} at {when}");
        }
        let told = at(&project, "2028-02-29T23:30:00Z", &["remind", "-n"], "").err;
        assert!(told.contains(&format!("since {day}")), "{zone}: {told}");
    }
}

#[test]
fn a_day_is_24_hours_when_clocks_are_put_forward_and_back() {
    for (zone, set, due) in [
        // Noon to one in the afternoon, and back; the hour from 2 to 3 that is not there, and the one that is there twice.
        ("Europe/Berlin", "2028-03-20T11:00:00Z", "2028-03-30T11:00:00Z"),
        ("Europe/Berlin", "2028-10-20T10:00:00Z", "2028-10-30T10:00:00Z"),
        ("America/New_York", "2028-03-02T07:30:00Z", "2028-03-12T07:30:00Z"),
        ("America/New_York", "2028-10-26T05:30:00Z", "2028-11-05T05:30:00Z"),
        // A day that Samoa skipped, 30 December 2011.
        ("Pacific/Apia", "2011-12-25T00:00:00Z", "2012-01-04T00:00:00Z"),
    ] {
        let mut project = started("2011-01-01T00:00:00Z");
        project.zone = zone;
        at(&project, set, &["set", "KEY", "-", "--rotate-every", "10d"], "v");
        let before = seconds(due).parse::<i64>().unwrap() - 1;
        let state = |when: &str| {
            let due = project.run_at(when, &["rotation", "--json"], "").json()["secrets"][0].clone();
            (due["state"].as_str().unwrap().to_owned(), due["due_at"].as_str().unwrap().to_owned())
        };
        assert_eq!(state(&before.to_string()), ("due".to_owned(), due.to_owned()), "{zone}");
        assert_eq!(state(&seconds(due)), ("overdue".to_owned(), due.to_owned()), "{zone}");
        assert_eq!(project.run_at(&seconds(due), &["remind"], "").err.lines().count(), 1);
        assert_eq!(project.run_at(&before.to_string(), &["exec", "--", "true"], "").err, "");
    }
}

#[test]
fn a_year_from_a_leap_day_is_365_days() {
    let project = started("2028-02-29T12:00:00Z");
    at(&project, "2028-02-29T12:00:00Z", &["set", "KEY", "-", "--rotate-every", "365d"], "v");
    let (_, due, _) = seen(&project, "2028-02-29T12:00:00Z");
    assert_eq!(due, "2029-02-28T12:00:00Z");
    for (when, state) in [("2029-02-28T11:59:59Z", "due"), ("2029-02-28T12:00:00Z", "overdue")] {
        assert_eq!(seen(&project, when).0, state);
    }
}

#[test]
fn a_clock_moved_back_makes_nothing_fresh_even_for_who_writes_with_it() {
    let project = started("2026-06-01T12:00:00Z");
    at(&project, "2026-06-01T12:00:00Z", &["set", "KEY", "-", "--rotate-every", "30d"], "v");
    at(&project, "2026-07-02T12:00:00Z", &["set", "OTHER", "-", "--no-rotation"], "v");
    let check = |when: &str| {
        let ran = at(&project, when, &["rotation", "--json"], "");
        assert_eq!(ran.json()["secrets"][0]["state"], "overdue", "{when}");
        assert!(
            ran.err.contains(
                "the newest time on record is 2026-07-02T12:00:00Z, signed by alice-laptop; one of the two is wrong"
            ),
            "{}",
            ran.err
        );
        for command in [
            &["list"][..],
            &["show", "KEY"],
            &["rotation", "--format", "table"],
            &["rotation", "--format", "github"],
            &["rotation", "--format", "sarif"],
            &["rotation", "--format", "prometheus"],
            &["rotation", "--format", "ics"],
            &["exec", "--", "true"],
            &["exec", "--only", "KEY", "--", "true"],
            &["remind", "-n"],
            &[],
            &["doctor"],
        ] {
            let ran = at(&project, when, command, "");
            let said = ran.out + &ran.err;
            assert!(
                said.contains("overdue") != command.contains(&"doctor") && said.contains("one of the two is wrong"),
                "{when}: {command:?}: {said}"
            );
        }
    };
    check("2026-05-01T12:00:00Z");
    // Signs the section as of May, and is told so.
    let ran = at(&project, "2026-05-01T12:00:00Z", &["set", "KEY", "--owner", "bob", "--on-overdue", "refuse"], "");
    assert!(ran.err.contains("one of the two is wrong"), "{}", ran.err);
    let gate = |when: &str, command: &[&str]| project.run_at(&seconds(when), command, "").code;
    for command in [&["exec", "--", "true"][..], &["exec", "--only", "KEY", "--", "true"]] {
        assert_eq!(gate("2026-05-01T12:00:00Z", command), 125, "{command:?}");
    }
    // A clock that is a day behind nobody's signature, and behind a value that is given out.
    assert_eq!(gate("2026-06-01T12:00:00Z", &["exec", "--", "true"]), 125);
    at(&project, "2026-05-01T12:00:00Z", &["set", "KEY", "--on-overdue", "warn"], "");
    check("2026-05-01T12:00:00Z");
    check("1971-01-01T12:00:00Z");
    // Behind by an hour is said, and blames nobody.
    let ran = at(&project, "2026-07-02T11:00:00Z", &["rotation"], "");
    assert!(ran.err.contains("ages count from there") && !ran.err.contains("signed by"), "{}", ran.err);
    assert_eq!(at(&project, "2026-07-02T12:00:00Z", &["rotation"], "").err, "");
}

#[test]
fn a_value_set_by_a_clock_far_ahead_is_never_fresh() {
    let project = started("2026-06-01T12:00:00Z");
    at(&project, "2026-06-01T12:00:00Z", &["set", "KEY", "-", "--rotate-every", "30d"], "v");
    at(&project, "2076-01-01T12:00:00Z", &["set", "AHEAD", "-", "--rotate-every", "90d"], "v");
    let states = |when: &str| {
        let ran = at(&project, when, &["rotation", "--json"], "");
        let due = ran.json();
        let of = |n: usize| {
            format!("{} {}", due["secrets"][n]["name"].as_str().unwrap(), due["secrets"][n]["state"].as_str().unwrap())
        };
        (format!("{}, {}", of(0), of(1)), ran.err)
    };
    // While that clock rules, and once it is put right.
    assert_eq!(states("2076-01-01T12:00:00Z"), ("KEY overdue, AHEAD fresh".to_owned(), String::new()));
    for when in ["2026-06-02T12:00:00Z", "2027-06-02T12:00:00Z"] {
        let (states, err) = states(when);
        assert_eq!(states, "KEY overdue, AHEAD due", "{when}");
        assert!(err.contains("signed by alice-laptop; one of the two is wrong"), "{err}");
        assert!(at(&project, when, &["list"], "").out.contains("due "), "{when}");
    }
    // Setting it once more puts it right, and so does a write what was signed.
    at(&project, "2026-06-02T12:00:00Z", &["set", "AHEAD", "-"], "another");
    at(&project, "2026-06-02T12:00:00Z", &["set", "KEY", "-"], "another");
    assert_eq!(states("2026-06-02T12:00:00Z"), ("KEY fresh, AHEAD fresh".to_owned(), String::new()));
    // So does the date alone, of a value that stays.
    at(&project, "2076-01-01T12:00:00Z", &["set", "AHEAD", "-"], "a third");
    assert_eq!(states("2026-06-02T12:00:00Z").0, "KEY overdue, AHEAD due");
    at(&project, "2026-06-02T12:00:00Z", &["set", "AHEAD", "--created", "2026-06-02"], "");
    assert_eq!(states("2026-06-02T12:00:00Z"), ("KEY fresh, AHEAD fresh".to_owned(), String::new()));
}
