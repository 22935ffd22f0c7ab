//! SARIF 2.1.0, for code scanning (OASIS, `sarif-v2.1.0-os`).

use serde_json::{Value, json};

use super::super::State;
use super::super::due::day;
use super::super::item::Item;
use super::is_error;
use crate::clock::Timestamp;
use crate::crypto::Hash;

/// The states that are findings; the index is that of the rule.
const RULES: [(State, &str); 4] = [
    (State::Expired, "The provider has ended the value"),
    (State::Exposed, "The value is known to somebody who should not have it"),
    (State::Overdue, "The value is older than its policy allows"),
    (State::Due, "The value is due for rotation soon"),
];

/// A log with one run: a result for what is expired, exposed, overdue or due.
///
/// The fingerprint of a result is that of secret, task and state, so that an
/// alert stays the same one while lines move.
#[must_use]
pub fn sarif(items: &[Item], path: &str, lines: &[usize], now: Timestamp) -> String {
    let rules: Vec<Value> = RULES
        .iter()
        .map(|(state, text)| {
            json!({
                "id": format!("secret-{state}"),
                "shortDescription": { "text": text },
                "help": { "text": "`vault rotation` lists what is due; `vault rotate NAME` replaces a value." },
                "defaultConfiguration": { "level": level(*state) },
            })
        })
        .collect();
    let results: Vec<Value> = items
        .iter()
        .zip(lines)
        .filter_map(|(item, line)| {
            let rule = RULES.iter().position(|(state, _)| *state == item.line.state)?;
            let task = format!("{:?}", item.task);
            let parts = [&item.line.profile, &item.line.name, &task, item.line.state.word()].map(str::as_bytes);
            Some(json!({
                "ruleId": format!("secret-{}", item.line.state),
                "ruleIndex": rule,
                "level": level(item.line.state),
                "message": { "text": item.sentence(now, day) },
                "locations": [{ "physicalLocation": {
                    "artifactLocation": { "uri": uri(path) },
                    "region": { "startLine": line },
                } }],
                "partialFingerprints": { "secretState/v1": Hash::of_parts(&parts).to_string() },
            }))
        })
        .collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "vault", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "results": results,
        }],
    });
    format!("{log:#}\n")
}

fn level(state: State) -> &'static str {
    if is_error(state) == Some(true) { "error" } else { "warning" }
}

/// A relative reference (RFC 3986): all but unreserved characters and `/` in percent form.
fn uri(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
