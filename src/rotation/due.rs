//! The due list: one line for each secret, its order, and how it reads.
//! Every renderer starts from these lines.

use std::cmp::Ordering;

use super::{State, Status};
use crate::clock::{Span, Timestamp};

const DAY: u64 = 86_400;

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

/// Says how old a value is: `today` under a day, `12 days`, `at least 2 years`.
///
/// A lower bound under a day says nothing, and reads `unknown`.
#[must_use]
pub fn age_text(age_seconds: u64, at_least: bool) -> String {
    match (age_seconds < DAY, at_least) {
        (true, true) => "unknown".to_owned(),
        (true, false) => "today".to_owned(),
        (false, true) => format!("at least {}", length(age_seconds)),
        (false, false) => length(age_seconds),
    }
}

/// Says when a value is or was due: `in 3 days`, `today` within a day either
/// way, `12 days ago`; nothing without a due date.
#[must_use]
pub fn due_text(due_at: Option<Timestamp>, now: Timestamp) -> String {
    let Some(due) = due_at else { return String::new() };
    match (due.since(now), now.since(due)) {
        (left, _) if left >= DAY => format!("in {}", length(left)),
        (_, over) if over >= DAY => format!("{} ago", length(over)),
        _ => "today".to_owned(),
    }
}

/// Whole days, from two years on whole years of 365 days. Rounded down.
fn length(seconds: u64) -> String {
    match seconds / DAY {
        1 => "1 day".to_owned(),
        days @ 0..730 => format!("{days} days"),
        days => format!("{} years", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(days: u64) -> Timestamp {
        Timestamp::parse("2026-01-01").unwrap().plus(Span::days(days))
    }

    #[test]
    fn lines_are_sorted_by_state_then_date_then_name() {
        let line = |profile: &str, name: &str, state, due: Option<u64>| {
            let status =
                Status { state, age_seconds: 0, at_least: false, due_at: due.map(day), life_used: None, step: None };
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

    #[test]
    fn ages_read_as_words() {
        for (seconds, want) in [
            (0, "today"),
            (DAY - 1, "today"),
            (DAY, "1 day"),
            (2 * DAY - 1, "1 day"),
            (12 * DAY, "12 days"),
            (729 * DAY, "729 days"),
            (730 * DAY, "2 years"),
            (u64::MAX, "584942417355 years"),
        ] {
            assert_eq!(age_text(seconds, false), want, "{seconds} s");
        }
        assert_eq!(age_text(DAY - 1, true), "unknown");
        assert_eq!(age_text(12 * DAY, true), "at least 12 days");
    }

    #[test]
    fn due_dates_read_as_words() {
        let now = day(1_000);
        for (due, want) in [
            (now.plus(Span::days(800)), "in 2 years"),
            (now.plus(Span::days(3)), "in 3 days"),
            (now.plus(Span::days(1)), "in 1 day"),
            (now.plus(Span::from_seconds(DAY - 1)), "today"),
            (now, "today"),
            (now.minus(Span::from_seconds(DAY - 1)), "today"),
            (now.minus(Span::days(1)), "1 day ago"),
            (now.minus(Span::days(12)), "12 days ago"),
        ] {
            assert_eq!(due_text(Some(due), now), want, "{due}");
        }
        assert_eq!(due_text(None, now), "");
    }
}
