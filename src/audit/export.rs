//! Records for other programs: CSV (RFC 4180) and the Elastic Common Schema.

use serde_json::{Map, Value, json};

use super::query::{Entry, secret_of};
use super::record::Record;
use super::{HAND_OVER, Outcome};
use crate::crypto::Hash;

/// The version of the Elastic Common Schema whose fields [`ecs`] writes.
const ECS_VERSION: &str = "8.12.0";

const COLUMNS: [&str; 21] = [
    "at",
    "device",
    "seq",
    "epoch",
    "member",
    "user",
    "action",
    "outcome",
    "of",
    "profile",
    "names",
    "command",
    "cwd",
    "parent",
    "tty",
    "ci",
    "agent",
    "overrides",
    "reason",
    "sink",
    "hash",
];

/// Names of the columns, without a line ending.
#[must_use]
pub fn csv_header() -> String {
    COLUMNS.join(",")
}

/// One record as a line of CSV, without its line ending; lists are separated
/// by spaces.
///
/// Control and direction characters are written as `\uXXXX`, so that a record
/// is always one line; a cell that a spreadsheet would take for a formula has
/// an apostrophe before it.
#[must_use]
pub fn csv(entry: &Entry) -> String {
    let record = &entry.record;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let cells: [String; COLUMNS.len()] = [
        record.at.to_string(),
        text(&record.device),
        record.seq.to_string(),
        record.epoch.to_string(),
        text(&record.member),
        record.user.clone(),
        record.action.clone(),
        record.outcome.to_string(),
        record.of.map(|of| of.to_string()).unwrap_or_default(),
        text(&record.profile),
        record.names.join(" "),
        text(&record.command),
        text(&record.cwd),
        text(&record.parent),
        record.tty.to_string(),
        text(&record.ci),
        text(&record.agent),
        record.overrides.join(" "),
        text(&record.reason),
        text(&record.sink),
        Hash::of(entry.line.as_bytes()).to_string(),
    ];
    cells.map(|cell| csv_cell(&cell)).join(",")
}

fn csv_cell(text: &str) -> String {
    let mut cell = super::json::hidden_escaped(text);
    if cell.starts_with(['=', '+', '-', '@']) {
        cell.insert(0, '\'');
    }
    if cell.contains(['"', ',', ' ', '\'']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}

/// One record as an event of the Elastic Common Schema: a JSON object on one
/// line. What the schema has no field for is below `vault`.
#[must_use]
pub fn ecs(entry: &Entry) -> String {
    let record = &entry.record;
    let hash = Hash::of(entry.line.as_bytes()).to_string();
    let (category, kind) = categories(record);
    let mut root = Map::new();
    let mut put = |name: &str, value: Value| {
        root.insert(name.to_owned(), value);
    };
    put("@timestamp", json!(record.at.to_string()));
    put("ecs", json!({ "version": ECS_VERSION }));
    put("message", json!(message(record)));
    put(
        "event",
        some([
            ("kind", Some(json!("event"))),
            ("category", Some(json!(category))),
            ("type", Some(json!(kind))),
            ("action", Some(json!(record.action))),
            ("outcome", Some(json!(outcome(record.outcome)))),
            ("reason", record.reason.as_ref().map(|reason| json!(reason))),
            ("module", Some(json!("vault"))),
            ("dataset", Some(json!("vault.audit"))),
            ("provider", Some(json!("vault"))),
            ("sequence", Some(json!(record.seq))),
            ("id", Some(json!(hash))),
            ("hash", Some(json!(hash))),
            // The line as it was signed: it can be verified from here too.
            ("original", Some(json!(entry.line))),
        ]),
    );
    put("user", json!({ if record.user.bytes().all(|b| b.is_ascii_digit()) { "id" } else { "name" }: record.user }));
    let mut process = Map::new();
    if let Some(command) = &record.command {
        process.insert("name".into(), json!(command));
    }
    if let Some(cwd) = &record.cwd {
        process.insert("working_directory".into(), json!(cwd));
    }
    if let Some(parent) = &record.parent {
        process.insert("parent".into(), json!({ "name": parent }));
    }
    if !process.is_empty() {
        put("process", Value::Object(process));
    }
    put(
        "related",
        some([
            ("user", record.member.as_ref().map(|member| json!([member]))),
            ("hosts", record.device.as_ref().map(|device| json!([device]))),
            ("hash", Some(json!([hash]))),
        ]),
    );
    let secrets: Vec<&str> = record.names.iter().map(|listed| secret_of(listed)).collect();
    put(
        "vault",
        some([
            ("id", Some(json!(record.vault.to_string()))),
            ("device", record.device.as_ref().map(|device| json!(device))),
            ("member", record.member.as_ref().map(|member| json!(member))),
            ("profile", record.profile.as_ref().map(|profile| json!(profile))),
            ("secrets", (!secrets.is_empty()).then(|| json!(secrets))),
            ("epoch", Some(json!(record.epoch))),
            ("of", record.of.map(|of| json!(of))),
            ("tty", Some(json!(record.tty))),
            ("ci", record.ci.as_ref().map(|ci| json!(ci))),
            ("agent", record.agent.as_ref().map(|agent| json!(agent))),
            ("overrides", (!record.overrides.is_empty()).then(|| json!(record.overrides))),
        ]),
    );
    super::json::hidden_escaped(&Value::Object(root).to_string())
}

fn some<const N: usize>(pairs: [(&str, Option<Value>); N]) -> Value {
    Value::Object(pairs.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect())
}

/// `event.category` and `event.type`, of the values that the schema allows.
fn categories(record: &Record) -> (Vec<&'static str>, Vec<&'static str>) {
    let kind = match record.action.as_str() {
        "exec" => return (vec!["configuration", "process"], vec!["access", "start"]),
        "get" | "export" | "edit" | "verify" => "access",
        "init" | "import" => "creation",
        "rm" => "deletion",
        "trust" => "info",
        HAND_OVER => "change",
        action if action.starts_with("log-") => "info",
        _ => "change",
    };
    (vec!["configuration"], vec![kind])
}

fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "success",
        Outcome::Failed | Outcome::Refused => "failure",
        Outcome::Intent => "unknown",
    }
}

fn message(record: &Record) -> String {
    let who = record.member.as_ref().or(record.device.as_ref()).unwrap_or(&record.user);
    let names = match record.names.as_slice() {
        [] => String::new(),
        names => format!(" {}", names.join(", ")),
    };
    format!("{who}: {}{names}: {}", record.action, record.outcome)
}
