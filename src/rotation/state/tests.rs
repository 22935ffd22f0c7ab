use proptest::prelude::*;

use super::State::{Due, Expired, Exposed, Fresh, Overdue, Unmanaged};
use super::*;

const DAY: u64 = 86_400;

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

/// The moment `seconds` after 2026-01-01.
fn after(seconds: u64) -> Timestamp {
    at("2026-01-01").plus(Span::from_seconds(seconds))
}

fn facts() -> Facts {
    Facts { value_set_at: after(0), at_least: false, expires_at: None, exposed: false }
}

fn ninety() -> Policy {
    Policy::every(Span::days(90))
}

#[test]
fn every_bound_is_inclusive() {
    for (seconds, want, step) in [
        (0, Fresh, None),
        (60 * DAY - 1, Fresh, None),
        (60 * DAY, Due, Some(30)),
        (76 * DAY - 1, Due, Some(30)),
        (76 * DAY, Due, Some(14)),
        (83 * DAY - 1, Due, Some(14)),
        (83 * DAY, Due, Some(7)),
        (89 * DAY - 1, Due, Some(7)),
        (89 * DAY, Due, Some(1)),
        (90 * DAY - 1, Due, Some(1)),
        (90 * DAY, Overdue, None),
        (900 * DAY, Overdue, None),
    ] {
        let status = status(&ninety(), &facts(), after(seconds));
        assert_eq!((status.state, status.step), (want, step.map(Span::days)), "after {seconds} s");
        assert_eq!(status.age_seconds, seconds);
        assert_eq!(status.due_at, Some(after(90 * DAY)));
        assert_eq!(status.life_used.unwrap() >= 1.0, seconds >= 90 * DAY, "after {seconds} s");
    }
}

#[test]
fn the_expiry_wins_over_the_interval_where_it_is_earlier() {
    let facts = Facts { expires_at: Some(after(40 * DAY)), ..facts() };
    for (seconds, want) in [
        (0, Fresh),
        // The life is 40 days, which drops the step of 30.
        (26 * DAY - 1, Fresh),
        (26 * DAY, Due),
        (40 * DAY - 1, Due),
        (40 * DAY, Expired),
        (95 * DAY, Expired),
    ] {
        let status = status(&ninety(), &facts, after(seconds));
        assert_eq!(status.state, want, "after {seconds} s");
        assert_eq!(status.due_at, Some(after(40 * DAY)));
    }
}

#[test]
fn a_later_expiry_leaves_the_interval_in_charge() {
    let facts = Facts { expires_at: Some(after(100 * DAY)), ..facts() };
    for (days, want) in [(59, Fresh), (60, Due), (90, Overdue), (99, Overdue), (100, Expired)] {
        let status = status(&ninety(), &facts, after(days * DAY));
        assert_eq!((status.state, status.due_at), (want, Some(after(90 * DAY))), "day {days}");
    }
}

#[test]
fn an_expiry_alone_is_managed_even_with_never() {
    for rotate_every in [Interval::Unset, Interval::Never] {
        let policy = Policy { rotate_every, ..Policy::default() };
        let expiring = Facts { expires_at: Some(after(90 * DAY)), ..facts() };
        for (days, want) in [(59, Fresh), (60, Due), (90, Expired)] {
            assert_eq!(status(&policy, &expiring, after(days * DAY)).state, want, "day {days}");
        }
        let plain = status(&policy, &facts(), after(9_000 * DAY));
        assert_eq!((plain.state, plain.due_at, plain.life_used), (Unmanaged, None, None));
    }
}

#[test]
fn exposed_comes_after_expired_and_before_the_rest() {
    let exposed = Facts { exposed: true, expires_at: Some(after(100 * DAY)), ..facts() };
    for (days, want) in [(0, Exposed), (70, Exposed), (95, Exposed), (100, Expired)] {
        let status = status(&ninety(), &exposed, after(days * DAY));
        assert_eq!((status.state, status.step), (want, None), "day {days}");
    }
    assert_eq!(status(&Policy::default(), &Facts { expires_at: None, ..exposed }, after(0)).state, Exposed);
}

#[test]
fn a_value_from_the_future_has_age_zero() {
    let status = status(&ninety(), &Facts { value_set_at: after(5 * DAY), ..facts() }, after(0));
    assert_eq!((status.state, status.age_seconds, status.life_used), (Fresh, 0, Some(0.0)));
}

#[test]
fn an_expiry_before_the_value_was_set_still_ends_it() {
    let facts = Facts { expires_at: Some(after(0)), value_set_at: after(5), ..facts() };
    let early = status(&Policy::default(), &facts, at("2025-12-31"));
    assert_eq!((early.state, early.life_used), (Due, Some(0.0)));
    let late = status(&Policy::default(), &facts, after(0));
    assert_eq!((late.state, late.life_used), (Expired, Some(1.0)));
}

#[test]
fn an_age_that_is_a_lower_bound_is_handed_on_and_changes_no_state() {
    let imported = Facts { at_least: true, ..facts() };
    for days in [0, 59, 60, 89, 90] {
        let known = status(&ninety(), &facts(), after(days * DAY));
        assert_eq!(status(&ninety(), &imported, after(days * DAY)), Status { at_least: true, ..known });
    }
}

#[test]
fn an_imported_value_that_expires_soon_is_due_at_once() {
    let expires_at = Some(after(10 * DAY));
    let imported = Facts { at_least: true, expires_at, ..facts() };
    assert_eq!(status(&Policy::default(), &imported, after(0)).step, Some(Span::days(14)));
    assert_eq!(status(&Policy::default(), &Facts { expires_at, ..facts() }, after(0)).state, Fresh);
}

#[test]
fn chosen_steps_open_the_window() {
    let policy = Policy { warn_at: Some(vec![Span::days(2), Span::days(80)]), ..ninety() };
    for (days, step) in [(9, None), (10, Some(80)), (87, Some(80)), (88, Some(2))] {
        assert_eq!(status(&policy, &facts(), after(days * DAY)).step, step.map(Span::days), "day {days}");
    }
    let silent = Policy { warn_at: Some(Vec::new()), ..ninety() };
    assert_eq!(status(&silent, &facts(), after(90 * DAY - 1)).state, Fresh);
    assert_eq!(status(&silent, &facts(), after(90 * DAY)).state, Overdue);
}

#[test]
fn leap_days_are_days() {
    for (set, days, due) in [
        ("2024-02-28", 1, "2024-02-29"),
        ("2024-02-29", 365, "2025-02-28"),
        ("2023-12-01", 90, "2024-02-29"),
        ("2022-12-01", 90, "2023-03-01"),
        ("2024-02-29", 1_461, "2028-02-29"),
    ] {
        let facts = Facts { value_set_at: at(set), ..facts() };
        let policy = Policy::every(Span::days(days));
        let second_before = at(due).minus(Span::from_seconds(1));
        assert_eq!(status(&policy, &facts, at(due)).due_at, Some(at(due)), "{set}");
        assert_eq!(status(&policy, &facts, at(due)).state, Overdue, "{set}");
        assert_ne!(status(&policy, &facts, second_before).state, Overdue, "{set}");
    }
}

#[test]
fn the_last_second_of_the_calendar_is_no_due_date_by_itself() {
    let facts = Facts { value_set_at: at("9999-12-01"), ..facts() };
    let last = at("9999-12-31T23:59:59Z");
    let status = status(&ninety(), &facts, last);
    assert_eq!((status.state, status.due_at), (Due, Some(last)));
}

#[test]
fn a_clock_that_moved_back_makes_nothing_fresh() {
    let overdue_at = after(90 * DAY);
    for clock in ["1970-01-01", "2016-01-01", "2026-01-01", "2026-03-31T23:59:59Z"] {
        let honest = effective_now(at(clock), overdue_at);
        assert_eq!(honest, Honest { now: overdue_at, clock: at(clock) });
        assert!(honest.is_behind(), "{clock}");
        assert_eq!(status(&ninety(), &facts(), honest.now).state, Overdue);
    }
    for now in [overdue_at, at("2076-01-01")] {
        assert!(!effective_now(now, overdue_at).is_behind());
    }
    assert!(effective_now(at("2026-01-01"), overdue_at).is_far_behind());
    assert!(!effective_now(at("2026-03-31"), overdue_at).is_far_behind());
}

#[test]
fn a_signed_time_more_than_a_day_ahead_is_called_out() {
    for (seconds, want) in [(0, false), (DAY, false), (DAY + 1, true), (18_000 * DAY, true)] {
        assert_eq!(ahead(after(seconds), after(0)), want, "{seconds} s");
    }
    assert!(!ahead(after(0), after(5)));
}

#[test]
fn states_are_words_in_order_of_urgency() {
    assert!(State::ALL.is_sorted());
    for state in State::ALL {
        assert_eq!(state.to_string().parse::<State>(), Ok(state));
        assert_eq!(serde_json::to_string(&state).unwrap(), format!("\"{state}\""));
    }
    assert_eq!(format!("{:>9}|", Due), "      due|");
    assert_eq!("Fresh".parse::<State>(), Err(Error::State));
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let hour = |h: u64| Span::from_seconds(h * 3_600);
    let interval = prop_oneof![
        Just(Interval::Unset),
        Just(Interval::Never),
        (1..5_000u64).prop_map(move |h| Interval::Every(hour(h)))
    ];
    let warn_at = proptest::option::of(proptest::collection::vec((1..3_000u64).prop_map(hour), 0..4));
    (interval, warn_at).prop_map(|(rotate_every, warn_at)| Policy { rotate_every, warn_at, ..Policy::default() })
}

fn any_facts() -> impl Strategy<Value = Facts> {
    let moment = || (0..12_000u64).prop_map(|h| after(h * 3_600));
    (moment(), any::<bool>(), proptest::option::of(moment()), any::<bool>())
        .prop_map(|(value_set_at, at_least, expires_at, exposed)| Facts { value_set_at, at_least, expires_at, exposed })
}

#[test]
fn use_is_refused_from_the_end_of_the_grace_on_and_only_where_the_policy_says_so() {
    let due = after(1_000);
    let policy = |on_overdue, grace: Option<u64>| Policy {
        on_overdue,
        grace: grace.map(Span::from_seconds),
        ..Policy::default()
    };
    for (on_overdue, grace, now, want) in [
        (Some(OnOverdue::Refuse), None, 999, false),
        (Some(OnOverdue::Refuse), None, 1_000, true),
        (Some(OnOverdue::Refuse), Some(60), 1_059, false),
        (Some(OnOverdue::Refuse), Some(60), 1_060, true),
        (Some(OnOverdue::Warn), None, 9_999, false),
        (None, Some(60), 9_999, false),
    ] {
        let from = refused_from(&policy(on_overdue, grace), due);
        assert_eq!(from.is_some_and(|from| from <= after(now)), want, "{on_overdue:?} {grace:?} at {now}");
    }
}

proptest! {
    #[test]
    fn states_only_get_worse_with_time(
        policy in any_policy(), facts in any_facts(), start in 0..50_000_000u64, hours in 0..9_000u64
    ) {
        let early = status(&policy, &facts, after(start));
        let late = status(&policy, &facts, after(start + hours * 3_600));
        prop_assert!(late.state <= early.state, "{early:?} then {late:?}");
        prop_assert_eq!(late.due_at, early.due_at);
        prop_assert!(late.life_used >= early.life_used);
        prop_assert!(late.age_seconds >= early.age_seconds);
    }

    #[test]
    fn the_parts_of_a_status_agree(policy in any_policy(), facts in any_facts(), start in 0..50_000_000u64) {
        let now = after(start);
        let status = status(&policy, &facts, now);
        let reached = status.due_at.is_some_and(|due| now >= due);
        prop_assert_eq!(status.life_used.is_some_and(|used| used >= 1.0), reached);
        prop_assert_eq!(status.due_at.is_none() && !facts.exposed, status.state == Unmanaged);
        prop_assert_eq!(status.step.is_some(), status.state == Due);
        match status.state {
            Expired | Overdue => prop_assert!(reached),
            Due | Fresh | Unmanaged => prop_assert!(!reached),
            Exposed => prop_assert!(facts.exposed),
        }
    }
}
