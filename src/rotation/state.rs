//! The state of a value at a given time.

use std::fmt;
use std::str::FromStr;

use super::{Error, Interval, OnOverdue, Policy};
use crate::clock::{Span, Timestamp};

/// The state of a value, most urgent first: the order is that of the due list,
/// and `min` is the worst of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// At or past the end that its provider gave it.
    Expired,
    /// Seen by someone who should not have it.
    Exposed,
    /// At or over the age of its policy.
    Overdue,
    /// Within the warning window before its due date.
    Due,
    /// Not due yet.
    Fresh,
    /// Nothing makes it due: no interval, or `never`, and no expiry.
    Unmanaged,
}

/// What is known about a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// When the value last changed.
    pub value_set_at: Timestamp,
    /// Whether it may be older than that, as imported values may.
    pub at_least: bool,
    /// When its provider ends it.
    pub expires_at: Option<Timestamp>,
    /// Whether it is marked as exposed.
    pub exposed: bool,
}

/// The state of a value and what it follows from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Status {
    /// The first state that applies.
    pub state: State,
    /// Whole seconds since the value was set; zero if that lies ahead.
    pub age_seconds: u64,
    /// Whether the age is a lower bound only.
    pub at_least: bool,
    /// The earlier of the policy's date and the expiry.
    pub due_at: Option<Timestamp>,
    /// Age as a part of the time from being set to the due date: below 1 before
    /// it, 1 or more from then on.
    pub life_used: Option<f32>,
    /// The shortest warning step reached, while [`State::Due`].
    pub step: Option<Span>,
}

/// The time to compute states from, see [`effective_now`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Honest {
    /// The later of the clock and the newest signed time.
    pub now: Timestamp,
    /// What the clock of this machine says.
    pub clock: Timestamp,
}

impl Honest {
    /// Whether the clock is behind the newest signed time.
    #[must_use]
    pub fn is_behind(self) -> bool {
        self.clock < self.now
    }

    /// Whether the clock is so far behind that whoever signed is to be named.
    #[must_use]
    pub fn is_far_behind(self) -> bool {
        ahead(self.now, self.clock)
    }
}

/// How far a signed time may be ahead of the clock before it is called out.
const TOLERATED_AHEAD: Span = Span::days(1);

/// Classifies a value, seen from `now`. The first state that applies wins, in
/// the order of [`State`].
///
/// Bounds are inclusive: at exactly `rotate_every` the value is overdue, at
/// exactly `expires_at` expired, at exactly a warning step due. A
/// `value_set_at` in the future counts as age zero. The due date is the earlier
/// of `value_set_at` + `rotate_every` and `expires_at`, and the warning steps
/// count back from it; default steps are measured by the life that ends there
/// ([`Policy::steps`]).
///
/// Where `at_least` says that the age is a lower bound, overdue and due hold
/// all the more. Fresh stays fresh, since nothing is known against it, and the
/// flag is handed on, so that the age is shown as "at least". Its true life is
/// unknown, so an expiry keeps every default warning step.
#[must_use]
pub fn status(policy: &Policy, facts: &Facts, now: Timestamp) -> Status {
    let set_at = facts.value_set_at;
    let age_seconds = now.since(set_at);
    let interval = match policy.rotate_every {
        Interval::Every(span) => Some(span),
        Interval::Never | Interval::Unset => None,
    };
    let rotate_at = interval.map(|span| set_at.plus(span));
    let due_at = match (rotate_at, facts.expires_at) {
        (Some(rotate), Some(expires)) => Some(rotate.min(expires)),
        (rotate, expires) => rotate.or(expires),
    };
    let life = if rotate_at == due_at {
        interval
    } else {
        due_at.map(|end| end.since(set_at)).filter(|life| *life > 0 && !facts.at_least).map(Span::from_seconds)
    };
    let step = due_at.and_then(|due| {
        let left = due.since(now);
        policy.steps(life).filter(|step| left <= step.seconds()).min()
    });
    let state = if facts.expires_at.is_some_and(|end| now >= end) {
        State::Expired
    } else if facts.exposed {
        State::Exposed
    } else if interval.is_some_and(|span| age_seconds >= span.seconds()) {
        State::Overdue
    } else if step.is_some() {
        State::Due
    } else if due_at.is_some() {
        State::Fresh
    } else {
        State::Unmanaged
    };
    Status {
        state,
        age_seconds,
        at_least: facts.at_least,
        due_at,
        life_used: due_at.map(|due| life_used(set_at, due, now)),
        step: step.filter(|_| state == State::Due),
    }
}

/// Keeps the promise that 1 is reached only at the due date: nearness to it is
/// lost when seconds become a 32-bit fraction.
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a fraction to show, bounded here")]
fn life_used(set_at: Timestamp, due_at: Timestamp, now: Timestamp) -> f32 {
    let life = due_at.since(set_at).max(1);
    let used = (now.since(set_at) as f64 / life as f64) as f32;
    if now < due_at { used.min(1f32.next_down()) } else { used.max(1.0) }
}

/// Picks the time to compute states from: the clock's, or the newest signed
/// time on record where the clock is behind it. Nothing becomes fresh because
/// the clock moved back.
#[must_use]
pub fn effective_now(clock: Timestamp, newest_signed: Timestamp) -> Honest {
    Honest { now: clock.max(newest_signed), clock }
}

/// From when on a policy refuses the use of a value that is due at `due`, if it ever
/// does: the end of its grace, which is the due date itself where it has none.
#[must_use]
pub fn refused_from(policy: &Policy, due: Timestamp) -> Option<Timestamp> {
    let refuses = policy.on_overdue == Some(OnOverdue::Refuse);
    refuses.then(|| policy.grace.map_or(due, |grace| due.plus(grace)))
}

/// Whether a signed time is more than a day ahead of the clock, so that whoever
/// signed it is to be named.
#[must_use]
pub fn ahead(signed: Timestamp, now: Timestamp) -> bool {
    signed.since(now) > TOLERATED_AHEAD.seconds()
}

impl State {
    /// Every state, most urgent first.
    pub const ALL: [Self; 6] = [Self::Expired, Self::Exposed, Self::Overdue, Self::Due, Self::Fresh, Self::Unmanaged];

    /// The word for it in JSON, flags and tables.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Exposed => "exposed",
            Self::Overdue => "overdue",
            Self::Due => "due",
            Self::Fresh => "fresh",
            Self::Unmanaged => "unmanaged",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl FromStr for State {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|state| state.word() == text).ok_or(Error::State)
    }
}

impl serde::Serialize for State {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

impl Status {
    /// Age in whole days.
    #[must_use]
    pub fn age_days(&self) -> u64 {
        self.age_seconds / 86_400
    }
}

#[cfg(test)]
mod tests;
