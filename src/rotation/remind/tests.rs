use super::*;
use crate::rotation::{Facts, Interval, Line, Policy, Task, status};
use crate::vault::Scope;

fn item(name: &str, every: u64, set: u64, now: Timestamp) -> Item {
    let start = Timestamp::parse("2024-01-01").unwrap();
    let policy = Policy::every(Span::days(every));
    let facts = Facts { value_set_at: start.plus(Span::days(set)), at_least: false, expires_at: None, exposed: false };
    Item {
        line: Line::new("default", name, &status(&policy, &facts, now)),
        task: Task::Rotate,
        version: 1,
        set_at: Some(facts.value_set_at),
        rotate_every: Interval::Every(Span::days(every)),
        basis: None,
        steps: Vec::new(),
        expires_at: None,
        provider: None,
        owner: None,
        exposed: Vec::new(),
        scope: Scope::default(),
        pending_since: None,
    }
}

#[test]
fn in_a_year_every_stage_arrives_once_through_restarts_and_failures() {
    // 50 values with intervals of 5 to 201 days, set over the first days of a leap year.
    let start = Timestamp::parse("2024-01-01").unwrap();
    let mut text = serde_json::to_string(&Delivered::default()).unwrap();
    let mut arrived: Vec<String> = Vec::new();
    for day in 0..366 {
        // Twice a day, as a catch-up run does.
        for hour in [9, 21] {
            let now = start.plus(Span::from_seconds(day * 86_400 + hour * 3_600));
            let items: Vec<Item> = (0..50).map(|n| item(&format!("S{n}"), 5 + n * 4, n % 7, now)).collect();
            let mut delivered: Delivered = serde_json::from_str(&text).unwrap();
            let news = delivered.news("chat", &items, now);
            // Every fifth run the channel is down, and nothing is recorded as told.
            if (day * 2 + hour / 21) % 5 != 0 {
                arrived.extend(news.iter().map(|item| format!("{} {}", item.line.name, stage(item).unwrap())));
                delivered.told("chat", &news, now);
            }
            delivered.prune(&items, now);
            text = serde_json::to_string(&delivered).unwrap();
        }
    }
    let mut unique = arrived.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), arrived.len(), "none twice");
    for n in 0..50u64 {
        let every = 5 + n * 4;
        let steps: Vec<u64> = [30, 14, 7, 1].into_iter().filter(|step| step * 2 <= every).collect();
        for stage in steps.iter().map(|step| format!("due-{step}d")).chain(["overdue".to_owned()]) {
            assert!(arrived.contains(&format!("S{n} {stage}")), "S{n} every {every} days: {stage}");
        }
    }
}

#[test]
fn channels_are_told_apart_and_a_new_value_begins_again() {
    let now = Timestamp::parse("2026-01-01").unwrap();
    let mut items = vec![item("KEY", 30, 0, now)];
    let mut delivered = Delivered::default();
    let news = delivered.news("desktop", &items, now);
    assert_eq!(news.len(), 1);
    delivered.told("desktop", &news, now);
    assert!(delivered.news("desktop", &items, now).is_empty());
    assert_eq!(delivered.news("stderr", &items, now).len(), 1);
    items[0].version = 2;
    assert_eq!(delivered.news("desktop", &items, now).len(), 1);
}

#[test]
fn a_value_that_is_away_for_a_while_is_remembered_and_not_for_ever() {
    let now = Timestamp::parse("2026-01-01").unwrap();
    let items = vec![item("KEY", 30, 0, now)];
    let mut delivered = Delivered::default();
    delivered.told("desktop", &delivered.news("desktop", &items, now), now);
    // Another branch is checked out, on which the secret is not there.
    delivered.prune(&[], now.plus(Span::days(89)));
    assert!(delivered.news("desktop", &items, now.plus(Span::days(89))).is_empty());
    // What was seen by a clock that ran ahead ends as well.
    delivered.prune(&items, Timestamp::parse("2076-01-01").unwrap());
    delivered.prune(&[], now);
    delivered.prune(&[], now.plus(Span::days(89)));
    assert!(serde_json::to_string(&delivered).unwrap().contains("KEY"));
    delivered.prune(&[], now.plus(Span::days(90)));
    assert!(!serde_json::to_string(&delivered).unwrap().contains("KEY"));
}

#[test]
fn what_a_clock_that_ran_ahead_told_is_told_again_in_its_time() {
    let day = |text| Timestamp::parse(text).unwrap();
    let mut delivered = Delivered::default();
    let mut told = |now: Timestamp| {
        let items = vec![item("KEY", 1_000, 0, now)];
        let news = delivered.news("desktop", &items, now);
        delivered.told("desktop", &news, now);
        delivered.prune(&items, now);
        news.iter().map(|item| stage(item).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(told(day("2076-01-01")), ["overdue"]);
    assert!(told(day("2026-01-01")).is_empty());
    assert_eq!(told(day("2026-09-01")), ["due-30d"]);
    assert_eq!(told(day("2026-09-27")), ["overdue"]);
    assert!(told(day("2026-09-28")).is_empty());
    // Back by a month and forth again: nothing comes twice.
    assert!(told(day("2026-09-01")).is_empty());
    assert!(told(day("2026-09-29")).is_empty());
    assert!(told(day("2077-01-01")).is_empty());
}

#[test]
fn a_loop_survives_clocks_that_move() {
    let at = |seconds| Timestamp::from_seconds(seconds).unwrap();
    let day = Span::days(1);
    for (last, now, want) in [
        (None, 0, true),
        (Some(1_000), 1_000, false),
        (Some(1_000), 87_399, false),
        (Some(1_000), 87_400, true),
        (Some(1_000), 999, true),
        (Some(1_000), 2_000_000_000, true),
    ] {
        assert_eq!(is_time(last.map(at), day, at(now)), want, "{last:?} {now}");
    }
}
