//! The due list in formats that other programs read, a format a file. Each
//! takes the items in their order and gives text; nothing is opened or written.

mod github;
mod ics;
mod json;
mod prometheus;
mod sarif;

pub use github::github;
pub use ics::ics;
pub use json::{DueList, Listed, json};
pub use prometheus::prometheus;
pub use sarif::sarif;

use std::collections::HashMap;

use super::item::Item;
use super::{State, Task};

/// The vault file as annotations refer to it.
pub struct Source<'a> {
    /// Path relative to the repository, with `/`.
    pub path: String,
    /// Line of each secret's first table, by its header.
    lines: HashMap<&'a str, usize>,
}

impl<'a> Source<'a> {
    /// Finds the lines of secrets in the text of a vault file.
    #[must_use]
    pub fn new(path: String, text: &'a [u8]) -> Self {
        let text = std::str::from_utf8(text).unwrap_or_default();
        let headers = text.split('\n').zip(1..).filter(|(line, _)| line.starts_with("[profile."));
        Self { path, lines: headers.collect() }
    }

    /// Lines for items, in their order; 1 for what is not found. Looked up before names are hidden.
    #[must_use]
    pub fn lines(&self, items: &[Item]) -> Vec<usize> {
        let header = |item: &Item| {
            let table = if item.task == Task::Removed { "removed" } else { "secret" };
            format!("[profile.{}.{table}.{}]", item.line.profile, item.line.name)
        };
        items.iter().map(|item| self.lines.get(header(item).as_str()).copied().unwrap_or(1)).collect()
    }
}

/// A found state as checks rate it; `None` if nothing is to be done.
fn is_error(state: State) -> Option<bool> {
    match state {
        State::Expired | State::Exposed | State::Overdue => Some(true),
        State::Due => Some(false),
        State::Fresh | State::Unmanaged => None,
    }
}
