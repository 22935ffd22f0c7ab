//! The text format of Prometheus 0.0.4, for the textfile collector of its node exporter.

use std::fmt::Write;

use super::super::item::Item;
use super::super::{State, Task};
use crate::clock::Timestamp;

/// Gauges for each secret, and how many are in each state.
///
/// A secret's earlier value that waits to be revoked is a sample of its own,
/// told apart by `task` and `version`.
#[must_use]
pub fn prometheus(items: &[Item], now: Timestamp) -> String {
    let mut out = String::new();
    let mut family = |name: &str, help: &str, samples: &mut dyn Iterator<Item = (String, String)>| {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge");
        for (labels, value) in samples {
            let _ = writeln!(out, "{name}{labels} {value}");
        }
    };
    let labelled = |item: &Item, state: bool| labels(item, state);
    family(
        "vault_secret_state",
        "1 for each value, with its state as a label.",
        &mut items.iter().map(|item| (labelled(item, true), "1".to_owned())),
    );
    family(
        "vault_secret_age_seconds",
        "Time since the value was set; a lower bound for imported ones.",
        &mut items
            .iter()
            .filter(|item| item.set_at.is_some())
            .map(|item| (labelled(item, false), item.line.age_seconds.to_string())),
    );
    family(
        "vault_secret_due_timestamp_seconds",
        "When the value is or was due, where it ever is.",
        &mut items.iter().filter_map(|item| Some((labelled(item, false), item.line.due_at?.seconds().to_string()))),
    );
    family(
        "vault_secrets",
        "Number of values in each state.",
        &mut State::ALL.iter().map(|state| {
            let count = items.iter().filter(|item| item.line.state == *state).count();
            (format!("{{state=\"{state}\"}}"), count.to_string())
        }),
    );
    family(
        "vault_rotation_timestamp_seconds",
        "When this was written.",
        &mut std::iter::once((String::new(), now.seconds().to_string())),
    );
    out
}

fn labels(item: &Item, with_state: bool) -> String {
    let task = match item.task {
        Task::Rotate => "rotate",
        Task::Revoke => "revoke",
        Task::Removed => "removed",
    };
    let state = if with_state { format!(",state=\"{}\"", item.line.state) } else { String::new() };
    format!(
        "{{profile=\"{}\",name=\"{}\",task=\"{task}\",version=\"{}\",provider=\"{}\",owner=\"{}\"{state}}}",
        escape(&item.line.profile),
        escape(&item.line.name),
        item.version,
        escape(item.provider.as_deref().unwrap_or_default()),
        escape(item.owner.as_deref().unwrap_or_default()),
    )
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
