//! Which reminders are new: each stage of a value is delivered once to each channel.
//!
//! Pure; a caller keeps [`Delivered`] outside git and brings the items to people.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::clock::{Span, Timestamp};

use super::State;
use super::item::Item;

/// How long a value that is not there is remembered: on another branch it may be gone
/// for a while, and what was told is not news when it is back.
const REMEMBERED: Span = Span::days(90);

/// What was delivered, by channel and value. Its text is JSON.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delivered {
    /// When reminders were last looked for.
    pub last_run: Option<Timestamp>,
    /// What came of it, by channel: number delivered, or why not.
    #[serde(default)]
    pub last: BTreeMap<String, Outcome>,
    /// What each channel was told, by value.
    #[serde(default)]
    told: BTreeMap<String, BTreeMap<String, Told>>,
}

/// What a channel was told about a value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Told {
    /// When the value was last on the due list.
    seen: Timestamp,
    /// Stages that arrived, and when.
    stages: BTreeMap<String, Timestamp>,
}

/// How one channel fared in the last run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// So many reminders arrived.
    Delivered(usize),
    /// None did, and all are tried again.
    Failed(String),
}

impl Delivered {
    /// What `channel` was not told by `now`. Values that are fresh or unmanaged are no news.
    ///
    /// What was told later than `now` was told by a clock that ran ahead, and is told again.
    pub fn news<'i>(&self, channel: &str, items: &'i [Item], now: Timestamp) -> Vec<&'i Item> {
        let told = self.told.get(channel);
        let is_news = |item: &&Item| {
            let Some(stage) = stage(item) else { return false };
            let at = told.and_then(|told| told.get(&value(item))?.stages.get(&stage));
            at.is_none_or(|at| *at > now)
        };
        items.iter().filter(is_news).collect()
    }

    /// Records that `channel` was told at `now`.
    pub fn told(&mut self, channel: &str, items: &[&Item], now: Timestamp) {
        let told = self.told.entry(channel.to_owned()).or_default();
        for item in items {
            if let Some(stage) = stage(item) {
                let fresh = || Told { seen: now, stages: BTreeMap::new() };
                told.entry(value(item)).or_insert_with(fresh).stages.insert(stage, now);
            }
        }
    }

    /// Forgets values that have not been there for 90 days, so that the record does not
    /// grow for ever.
    pub fn prune(&mut self, items: &[Item], now: Timestamp) {
        let there: BTreeSet<String> = items.iter().map(value).collect();
        for told in self.told.values_mut() {
            told.retain(|value, told| {
                // A time ahead of the clock would be remembered for ever.
                told.seen = if there.contains(value) { now } else { told.seen.min(now) };
                now.since(told.seen) < REMEMBERED.seconds()
            });
        }
    }
}

/// The stage that a reminder is about: the state, and while due the warning step.
fn stage(item: &Item) -> Option<String> {
    match item.line.state {
        State::Fresh | State::Unmanaged => None,
        State::Due => Some(item.line.step.map_or_else(|| "due".to_owned(), |step| format!("due-{step}"))),
        late => Some(late.word().to_owned()),
    }
}

/// A value: a new one of the same secret has stages of its own. So has one whose date was moved.
fn value(item: &Item) -> String {
    let due = item.line.due_at.map_or(0, Timestamp::seconds);
    format!("{}/{} {:?} {} {due}", item.line.profile, item.line.name, item.task, item.version)
}

/// Whether a loop that last ran at `last` is to run at `now`. A clock that was moved
/// back runs it at once, instead of leaving it silent until the old time is reached.
#[must_use]
pub fn is_time(last: Option<Timestamp>, every: Span, now: Timestamp) -> bool {
    last.is_none_or(|last| now < last || now.since(last) >= every.seconds())
}

#[cfg(test)]
mod tests;
