//! Rotation: how old a value is, when it is due, and what to show for it.
//!
//! Pure: time, policies and facts come in as arguments. The clock of a secret
//! starts when its value changed, so nothing here looks at any other date.

mod assess;
mod due;
mod item;
mod policy;
pub mod remind;
pub mod render;
pub mod rotator;
pub mod schedule;
mod state;

pub use assess::assess;
pub use due::{Calendar, Days, Line, bar, by_urgency, day, sort};
pub use item::{Item, Task, items};
pub use policy::{DEFAULT_GRACE, DEFAULT_WARN_AT, Interval, OnOverdue, Policy};
pub use state::{Facts, Honest, State, Status, ahead, effective_now, refused_from, status};

/// Why a word of a policy or a list of states was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone, Copy)]
#[non_exhaustive]
pub enum Error {
    /// None of the six states.
    #[error("not a state: write expired, exposed, overdue, due, fresh or unmanaged")]
    State,
    /// Neither `warn` nor `refuse`.
    #[error("not an answer to overdue: write warn or refuse")]
    OnOverdue,
    /// Neither `never` nor a duration.
    #[error("not an interval: write never, or a duration such as 90d")]
    Interval(#[source] crate::clock::Error),
}
