use super::*;

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn line(state: State, due: Option<&str>) -> Line {
    Line {
        profile: "prod".to_owned(),
        name: "STRIPE_KEY".to_owned(),
        state,
        age_seconds: 0,
        at_least: false,
        due_at: due.map(at),
        life_used: None,
        step: None,
    }
}

fn item(task: Task, state: State, due: Option<&str>) -> Item {
    Item {
        line: line(state, due),
        task,
        version: 2,
        set_at: None,
        rotate_every: Interval::Unset,
        basis: None,
        steps: Vec::new(),
        expires_at: None,
        provider: None,
        owner: Some("alice".to_owned()),
        exposed: vec![Exposure { at: at("2026-01-01"), to: None, why: "pasted in #chat".parse().unwrap() }],
        scope: Scope::default(),
        pending_since: None,
    }
}

#[test]
fn within_takes_what_is_late_and_what_becomes_due_up_to_the_second() {
    let now = at("2026-11-01");
    for (state, due, want) in [
        (State::Exposed, None, true),
        (State::Overdue, Some("2026-01-01"), true),
        (State::Fresh, Some("2026-11-08"), true),
        (State::Fresh, Some("2026-11-08T00:00:01Z"), false),
        (State::Due, Some("2026-11-09"), false),
        (State::Unmanaged, None, false),
    ] {
        assert_eq!(item(Task::Rotate, state, due).within(Span::days(7), now), want, "{state} {due:?}");
    }
}

#[test]
fn an_alias_is_stable_and_names_nothing() {
    let id = Hash::of(b"vault");
    let mut hidden = item(Task::Rotate, State::Exposed, None);
    hidden.alias(&id);
    let mut again = item(Task::Revoke, State::Overdue, None);
    again.alias(&id);
    assert_eq!((&hidden.line.name, &hidden.line.profile), (&again.line.name, &again.line.profile));
    let text = format!("{hidden:?}");
    for word in ["STRIPE", "prod", "alice", "chat"] {
        assert!(!text.contains(word), "{word} in {text}");
    }
    let mut elsewhere = item(Task::Rotate, State::Exposed, None);
    elsewhere.alias(&Hash::of(b"another vault"));
    assert_ne!(hidden.line.name, elsewhere.line.name);
}

#[test]
fn every_task_and_state_reads_as_something_to_do() {
    let now = at("2026-11-13");
    for (task, state, want) in [
        (Task::Rotate, State::Overdue, "STRIPE_KEY in profile prod is overdue for rotation since 2026-11-01 (12 days)"),
        (Task::Rotate, State::Due, "STRIPE_KEY in profile prod is due for rotation on 2026-11-01"),
        (Task::Rotate, State::Exposed, "STRIPE_KEY in profile prod is exposed; rotate it now"),
        (
            Task::Revoke,
            State::Overdue,
            "the previous value of STRIPE_KEY in profile prod was to be revoked by 2026-11-01",
        ),
        (Task::Removed, State::Exposed, "STRIPE_KEY of profile prod was removed while exposed; revoke its value"),
    ] {
        assert_eq!(item(task, state, Some("2026-11-01")).sentence(now, super::super::day), want);
    }
}
