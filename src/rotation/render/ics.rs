//! iCalendar (RFC 5545): an all-day event for each stage of a value, that is each
//! warning step, the due date, and an exposure.
//!
//! One DISPLAY alarm each: Exchange keeps one at most, Outlook ignores the action.

use super::super::due::day;
use super::super::item::Item;
use super::super::{State, Task};
use crate::clock::Timestamp;
use crate::crypto::Hash;

/// A calendar. Events of one secret and stage keep their UID when dates move, so that
/// a calendar that is imported again changes its events instead of gaining new ones.
#[must_use]
pub fn ics(items: &[Item], id: &Hash, now: Timestamp) -> String {
    let mut out = Calendar(String::new());
    out.line("BEGIN:VCALENDAR");
    out.line("VERSION:2.0");
    out.line("PRODID:-//vault//rotation//EN");
    out.line("CALSCALE:GREGORIAN");
    out.line("METHOD:PUBLISH");
    for item in items {
        for (stage, at, summary) in stages(item) {
            out.event(item, id, &stage, at, &summary, now);
        }
    }
    out.line("END:VCALENDAR");
    out.0
}

/// The stages of an item: word, day, and the text of the event. A day has one at most,
/// the later stage of two.
fn stages(item: &Item) -> Vec<(String, Timestamp, String)> {
    let name = &item.line.name;
    let mut stages = Vec::new();
    if let Some(due) = item.line.due_at {
        let (what, last) = match item.task {
            Task::Revoke => {
                ("Revoke the previous value of", ("revoke", format!("Revoke the previous value of {name}")))
            }
            _ if item.expires_at == Some(due) => ("Rotate", ("expires", format!("{name} expires"))),
            _ => ("Rotate", ("overdue", format!("{name} is overdue for rotation"))),
        };
        for step in &item.steps {
            let text = format!("{what} {name} by {} ({step} left)", day(due));
            stages.push((format!("due-{step}"), due.minus(*step), text));
        }
        stages.push((last.0.to_owned(), due, last.1));
        let days: Vec<_> = stages.iter().map(|(_, at, _)| day(*at)).collect();
        let mut position = 0;
        stages.retain(|_| {
            position += 1;
            days.get(position) != Some(&days[position - 1])
        });
    }
    if item.line.state == State::Exposed
        && let Some(at) = item.exposed.iter().map(|exposure| exposure.at).min()
    {
        stages.push(("exposed".to_owned(), at, format!("{name} is exposed: rotate it now")));
    }
    stages
}

struct Calendar(String);

impl Calendar {
    fn event(&mut self, item: &Item, id: &Hash, stage: &str, at: Timestamp, summary: &str, now: Timestamp) {
        let task = format!("{:?}", item.task);
        let version = if item.task == Task::Rotate { String::new() } else { item.version.to_string() };
        let parts = [&item.line.profile, &item.line.name, &task, &version, stage].map(str::as_bytes);
        let parts: Vec<&[u8]> = std::iter::once(id.as_bytes().as_slice()).chain(parts).collect();
        let mut description = format!("Profile {}", item.line.profile);
        for (label, text) in [("Owner", item.owner.as_deref()), ("Rotate at", item.console())] {
            if let Some(text) = text {
                description.push_str(&format!("\n{label}: {text}"));
            }
        }
        self.line("BEGIN:VEVENT");
        self.line(&format!("UID:{}@vault.invalid", &Hash::of_parts(&parts).to_string()[..32]));
        self.line(&format!("DTSTAMP:{}", now.to_utc().format("%Y%m%dT%H%M%SZ")));
        self.line(&format!("DTSTART;VALUE=DATE:{}", at.to_utc().format("%Y%m%d")));
        self.line(&format!("SUMMARY:{}", escape(summary)));
        self.line(&format!("DESCRIPTION:{}", escape(&description)));
        self.line("TRANSP:TRANSPARENT");
        self.line("BEGIN:VALARM");
        self.line("ACTION:DISPLAY");
        self.line(&format!("DESCRIPTION:{}", escape(summary)));
        // Nine in the morning of that day, wherever the reader is.
        self.line("TRIGGER:PT9H");
        self.line("END:VALARM");
        self.line("END:VEVENT");
    }

    /// A content line, folded at 75 octets between characters (RFC 5545 §3.1).
    fn line(&mut self, text: &str) {
        let mut octets = 0;
        for c in text.chars() {
            if octets + c.len_utf8() > 75 {
                self.0.push_str("\r\n ");
                octets = 1;
            }
            self.0.push(c);
            octets += c.len_utf8();
        }
        self.0.push_str("\r\n");
    }
}

/// TEXT (RFC 5545 §3.3.11). Other control characters have no notation and are left out.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | ';' | ',' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}
