//! The due list: one line for each secret, its order, and how it reads.
//! Every renderer starts from these lines.

use std::cmp::Ordering;

use chrono::NaiveDate;

use super::{State, Status};
use crate::clock::{Span, Timestamp};

/// The day that a time falls on: in UTC ([`day`]) for machines, in the zone of their
/// reader for people.
pub type Calendar = fn(Timestamp) -> NaiveDate;

/// The day in UTC; its text is `2026-11-22`.
#[must_use]
pub fn day(at: Timestamp) -> NaiveDate {
    at.to_utc().date_naive()
}

/// A secret on the due list.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Profile that the secret is in.
    pub profile: String,
    /// Name of the secret.
    pub name: String,
    /// State of its value.
    pub state: State,
    /// Whole seconds since the value was set.
    pub age_seconds: u64,
    /// Whether the age is a lower bound only.
    pub at_least: bool,
    /// Due date, if there is one.
    pub due_at: Option<Timestamp>,
    /// Part of its life that is over; 1 or more from the due date on.
    pub life_used: Option<f32>,
    /// The shortest warning step reached, while due.
    pub step: Option<Span>,
}

impl Line {
    /// The line of the secret `name` in `profile`.
    #[must_use]
    pub fn new(profile: impl Into<String>, name: impl Into<String>, status: &Status) -> Self {
        let Status { state, age_seconds, at_least, due_at, life_used, step } = *status;
        Self { profile: profile.into(), name: name.into(), state, age_seconds, at_least, due_at, life_used, step }
    }
}

/// Compares by urgency: state, then due date (none comes last), then profile and name.
#[must_use]
pub fn by_urgency(a: &Line, b: &Line) -> Ordering {
    let urgency = |line: &Line| (line.state, line.due_at.is_none(), line.due_at);
    urgency(a).cmp(&urgency(b)).then_with(|| (&a.profile, &a.name).cmp(&(&b.profile, &b.name)))
}

/// Sorts by urgency ([`by_urgency`]).
pub fn sort(lines: &mut [Line]) {
    lines.sort_by(by_urgency);
}

/// Draws the used part of a life as a bar of `width` columns; blank without a life.
///
/// In steps of an eighth of a column, rounded down, so that only a life that is
/// over fills the bar.
#[must_use]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "clamped")]
pub fn bar(life_used: Option<f32>, width: usize) -> String {
    const PARTS: [char; 7] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let Some(used) = life_used else { return " ".repeat(width) };
    let eighths = (f64::from(used.clamp(0.0, 1.0)) * (width * 8) as f64) as usize;
    let mut text = "█".repeat(eighths / 8);
    if let Some(part) = (eighths % 8).checked_sub(1) {
        text.push(PARTS[part]);
    }
    text.extend(std::iter::repeat_n('░', width - eighths.div_ceil(8)));
    text
}

/// Counts days from now as people do: what is said of a date agrees with the date that
/// stands beside it, all day long. States go by the second, so that what is due today may
/// be overdue already.
pub struct Days {
    now: Timestamp,
    /// The day of `now`: to look it up costs more than all else about a line.
    today: NaiveDate,
    calendar: Calendar,
}

impl Days {
    /// Days from `now`.
    #[must_use]
    pub fn from(now: Timestamp, calendar: Calendar) -> Self {
        Self { now, today: calendar(now), calendar }
    }

    /// Says how old a value is: `today`, `12 days`, `at least 2 years`.
    ///
    /// A lower bound on its first day says nothing, and reads `unknown`.
    #[must_use]
    pub fn age(&self, age_seconds: u64, at_least: bool) -> String {
        match (self.since(self.now.minus(Span::from_seconds(age_seconds))), at_least) {
            (0, true) => "unknown".to_owned(),
            (days, true) => format!("at least {}", length(days)),
            (days, false) => length(days),
        }
    }

    /// Says when something is or was due: `in 3 days`, `today`, `12 days ago`.
    #[must_use]
    pub fn due(&self, at: Timestamp) -> String {
        match self.since(at) {
            0 => "today".to_owned(),
            days @ 1.. => format!("{} ago", length(days)),
            days => format!("in {}", length(-days)),
        }
    }

    /// Says for how long something has been late: `today`, `12 days`, `2 years`.
    #[must_use]
    pub fn late(&self, due_at: Timestamp) -> String {
        length(self.since(due_at))
    }

    fn since(&self, at: Timestamp) -> i64 {
        (self.today - (self.calendar)(at)).num_days()
    }
}

/// Days, from two years on whole years of 365 days, rounded down.
fn length(days: i64) -> String {
    match days {
        0 => "today".to_owned(),
        1 => "1 day".to_owned(),
        2..730 => format!("{days} days"),
        _ => format!("{} years", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days_after(days: u64) -> Timestamp {
        Timestamp::parse("2026-01-01").unwrap().plus(Span::days(days))
    }

    #[test]
    fn lines_are_sorted_by_state_then_date_then_name() {
        let line = |profile: &str, name: &str, state, due: Option<u64>| {
            let status = Status {
                state,
                age_seconds: 0,
                at_least: false,
                due_at: due.map(days_after),
                life_used: None,
                step: None,
            };
            Line::new(profile, name, &status)
        };
        let want = vec![
            line("prod", "Z", State::Expired, Some(9)),
            line("dev", "B", State::Exposed, Some(3)),
            line("dev", "A", State::Exposed, None),
            line("prod", "A", State::Overdue, Some(1)),
            line("dev", "A", State::Overdue, Some(2)),
            line("dev", "B", State::Overdue, Some(2)),
            line("prod", "A", State::Overdue, Some(2)),
            line("dev", "A", State::Unmanaged, None),
        ];
        let mut lines: Vec<_> = want.iter().rev().cloned().collect();
        sort(&mut lines);
        assert_eq!(lines, want);
    }

    #[test]
    fn a_bar_has_its_width_and_is_full_only_at_the_end() {
        for (used, want) in [
            (Some(0.0), "░░░░"),
            (Some(0.03), "░░░░"),
            (Some(0.04), "▏░░░"),
            (Some(0.5), "██░░"),
            (Some(0.64), "██▌░"),
            (Some(0.97), "███▉"),
            (Some(1f32.next_down()), "███▉"),
            (Some(1.0), "████"),
            (Some(7.5), "████"),
            (Some(-1.0), "░░░░"),
            (Some(f32::NAN), "░░░░"),
            (None, "    "),
        ] {
            assert_eq!(bar(used, 4), want, "{used:?}");
        }
        assert_eq!(bar(Some(0.5), 0), "");
    }

    /// Two hours before UTC, as in summer in Berlin.
    fn east(at: Timestamp) -> NaiveDate {
        day(at.plus(Span::parse("2h").unwrap()))
    }

    #[test]
    fn ages_read_as_words() {
        // At eight in the morning.
        let now = day_at(20_000, 8);
        for (hours, want) in [
            (0, "today"),
            (8, "today"),
            (9, "1 day"),
            (32, "1 day"),
            (33, "2 days"),
            (12 * 24, "12 days"),
            (729 * 24, "729 days"),
            (730 * 24, "2 years"),
        ] {
            assert_eq!(Days::from(now, day).age(hours * 3_600, false), want, "{hours} h");
        }
        assert_eq!(Days::from(now, day).age(u64::MAX, false), "110 years", "1970 at the earliest");
        assert_eq!(Days::from(now, day).age(8 * 3_600, true), "unknown");
        assert_eq!(Days::from(now, day).age(12 * 86_400, true), "at least 12 days");
        assert_eq!(Days::from(now, east).age(9 * 3_600, false), "today");
        assert_eq!(Days::from(now, east).age(11 * 3_600, false), "1 day");
    }

    #[test]
    fn due_dates_read_as_words() {
        let now = day_at(1_000, 8);
        for (due, want) in [
            (day_at(1_800, 8), "in 2 years"),
            (day_at(1_090, 8), "in 90 days"),
            (day_at(1_090, 0), "in 90 days"),
            (day_at(1_003, 23), "in 3 days"),
            (day_at(1_001, 0), "in 1 day"),
            (day_at(1_000, 23), "today"),
            (now, "today"),
            (day_at(1_000, 0), "today"),
            (day_at(999, 23), "1 day ago"),
            (day_at(988, 8), "12 days ago"),
        ] {
            assert_eq!(Days::from(now, day).due(due), want, "{due}");
        }
        assert_eq!(Days::from(now, east).due(day_at(1_000, 22)), "in 1 day", "midnight over there");
        assert_eq!(Days::from(now, day).late(day_at(1_000, 7)), "today");
        assert_eq!(Days::from(now, day).late(day_at(988, 23)), "12 days");
    }

    #[test]
    fn age_and_what_is_left_add_up_to_the_interval_on_every_second_of_every_day() {
        let (set, interval) = (day_at(1_000, 17), 90);
        let due = set.plus(Span::days(interval));
        for hours in 0..interval * 24 {
            let now = set.plus(Span::from_seconds(hours * 3_600 + hours % 3_600));
            let days = |text: String| match text.as_str() {
                "today" => 0,
                text => text.split(' ').find_map(|word| word.parse::<u64>().ok()).unwrap(),
            };
            let age = days(Days::from(now, east).age(now.since(set), false));
            assert_eq!(age + days(Days::from(now, east).due(due)), interval, "after {hours} h");
        }
    }

    fn day_at(days: u64, hour: u64) -> Timestamp {
        days_after(days).plus(Span::from_seconds(hour * 3_600))
    }
}
