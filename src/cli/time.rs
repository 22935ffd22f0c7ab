//! Times as people meet them: in the zone of this machine, and what ages count from,
//! with a warning where its clock cannot be right.

use chrono::{Local, NaiveDate, TimeZone};
use vault::clock::{self, Span, Timestamp};
use vault::rotation::{Honest, effective_now};
use vault::{Section, Vault};

use super::context::Context;
use super::error::CommandError;
use super::ui::Ui;

/// Behind by less than this says nothing: clocks of two machines always differ.
const TOLERATED: Span = Span::from_seconds(60);

/// The newest time on record: a signature's, or that of a value which outlived its signature.
pub(crate) struct Newest {
    at: Timestamp,
    by: Option<String>,
}

impl Newest {
    /// Of what was signed: the team log and the profiles.
    pub(crate) fn signed(vault: &Vault, sections: &[Section<'_>]) -> Self {
        let at = vault.newest_signed(sections.iter());
        let section = sections.iter().find(|section| section.signature().at == at);
        Self { at, by: section.map(|section| section.signature().by.to_string()) }
    }

    /// Of values too. Who moved a clock back and wrote has an older signature, and newer
    /// values beside it.
    pub(crate) fn with_values(mut self, sections: &[Section<'_>]) -> Result<Self, CommandError> {
        for section in sections {
            for secret in section.secrets() {
                let (_, secret) = secret?;
                if secret.set_at > self.at {
                    self = Self { at: secret.set_at, by: Some(secret.set_by.to_string()) };
                }
            }
        }
        Ok(self)
    }

    /// The time to compute states from.
    pub(crate) fn time(&self, cx: &Context) -> Honest {
        effective_now(cx.now(), self.at)
    }

    /// Warns where the clock is behind.
    pub(crate) fn say(self, cx: &Context, ui: &mut Ui, vault: &Vault) {
        if let Some(text) = self.behind(cx, vault) {
            cx.clock_said.set(true);
            ui.warn(&text);
        }
    }

    /// What is wrong where the clock is behind; names who signed where that is by more than a day.
    pub(crate) fn behind(self, cx: &Context, vault: &Vault) -> Option<String> {
        let time = self.time(cx);
        if time.now.since(time.clock) <= TOLERATED.seconds() {
            return None;
        }
        let Newest { at, by } = self;
        if !time.is_far_behind() {
            return Some(format!(
                "the clock of this machine is behind {at}, the newest time on record; ages count from there"
            ));
        }
        let by = by
            .or_else(|| vault.changes().find(|change| change.at == at).map(|change| change.by.to_string()))
            .map_or_else(String::new, |by| format!(", signed by {by}"));
        Some(format!(
            "the clock of this machine says {}, and the newest time on record is {at}{by}; one of the two is wrong, \
             and ages count from the later one",
            time.clock
        ))
    }
}

/// Reads a time that a person types: a day, which begins at midnight where this machine is,
/// or RFC 3339 with any offset.
///
/// # Errors
/// Those of [`Timestamp::parse`].
pub(crate) fn typed(text: &str) -> Result<Timestamp, clock::Error> {
    let Some(day) = day(text) else { return Timestamp::parse(text) };
    Timestamp::parse(text).map(|in_utc| nearest(begins(day), in_utc))
}

/// As [`typed`], for the end of something: of a day, its last second.
///
/// # Errors
/// As [`typed`].
pub(crate) fn typed_end(text: &str) -> Result<Timestamp, clock::Error> {
    let Some(day) = day(text) else { return Timestamp::parse(text) };
    let last = Timestamp::parse(text)?.plus(Span::from_seconds(86_399));
    Ok(nearest(day.succ_opt().and_then(begins).map(|next| next - 1), last))
}

fn day(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()
}

/// Seconds since 1970 at which a day begins in the zone of this machine.
fn begins(day: NaiveDate) -> Option<i64> {
    // Where the clock is put forward at midnight the day begins an hour later.
    let first = (0..=3).find_map(|hour| Local.from_local_datetime(&day.and_hms_opt(hour, 0, 0)?).earliest());
    first.map(|first| first.timestamp())
}

/// What zones move out of the years that there are, 1970 to 9999, and days that a zone left out, are
/// taken in UTC.
fn nearest(seconds: Option<i64>, in_utc: Timestamp) -> Timestamp {
    seconds.and_then(Timestamp::from_seconds).unwrap_or(in_utc)
}

/// The day in the zone of this machine.
pub(crate) fn local_day(at: Timestamp) -> NaiveDate {
    Local.from_utc_datetime(&at.to_utc().naive_utc()).date_naive()
}

/// Day and time in the zone of this machine.
pub(crate) fn local_time(at: Timestamp) -> String {
    Local.from_utc_datetime(&at.to_utc().naive_utc()).format("%Y-%m-%d %H:%M:%S").to_string()
}
