//! Times as people meet them: in the zone of this machine, and what ages count from,
//! with a warning where its clock cannot be right.

use chrono::{NaiveDate, TimeZone};
use vault::clock::{Span, Timestamp};
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

/// The day in the zone of this machine.
pub(crate) fn local_day(at: Timestamp) -> NaiveDate {
    chrono::Local.from_utc_datetime(&at.to_utc().naive_utc()).date_naive()
}

/// Day and time in the zone of this machine.
pub(crate) fn local_time(at: Timestamp) -> String {
    chrono::Local.from_utc_datetime(&at.to_utc().naive_utc()).format("%Y-%m-%d %H:%M:%S").to_string()
}
