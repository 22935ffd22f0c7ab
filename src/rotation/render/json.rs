//! JSON: the keys that `list` has, and what the due list adds.

use super::super::item::Item;
use super::super::{State, Task};
use crate::clock::Timestamp;
use crate::vault::{Exposure, Scope};

/// One object of `secrets`.
#[derive(serde::Serialize)]
pub struct Listed<'a> {
    name: &'a str,
    profile: &'a str,
    state: State,
    version: u64,
    set_at: Option<Timestamp>,
    age_days: Option<u64>,
    age_at_least: bool,
    rotate_every: Option<String>,
    due_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    provider: Option<&'a str>,
    owner: Option<&'a str>,
    exposed: &'a [Exposure],
    scope: &'a Scope,
    task: Task,
    basis: Option<&'a str>,
    rotate_at: Option<&'static str>,
    pending_since: Option<Timestamp>,
}

/// The object `{secrets: […]}`.
#[derive(serde::Serialize)]
pub struct DueList<'a> {
    secrets: Vec<Listed<'a>>,
}

/// The due list, to be serialized.
#[must_use]
pub fn json(items: &[Item]) -> DueList<'_> {
    DueList { secrets: items.iter().map(Item::listed).collect() }
}

impl Item {
    /// What scripts and notifiers get of one item.
    #[must_use]
    pub fn listed(&self) -> Listed<'_> {
        Listed {
            name: &self.line.name,
            profile: &self.line.profile,
            state: self.line.state,
            version: self.version,
            set_at: self.set_at,
            age_days: self.set_at.map(|_| self.line.age_seconds / 86_400),
            age_at_least: self.line.at_least,
            rotate_every: Some(self.rotate_every.to_string()).filter(|text| !text.is_empty()),
            due_at: self.line.due_at,
            expires_at: self.expires_at,
            provider: self.provider.as_deref(),
            owner: self.owner.as_deref(),
            exposed: &self.exposed,
            scope: &self.scope,
            task: self.task,
            basis: self.basis.as_deref(),
            rotate_at: self.console(),
            pending_since: self.pending_since,
        }
    }
}
