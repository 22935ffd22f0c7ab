//! Which logs are read, and which of their records are wanted.

use std::path::PathBuf;

use vault::audit::{self, Entry, Filter, Follow, Outcome};
use vault::clock::{self, Span, Timestamp};
use vault::{DeviceName, MemberName};

use crate::cli::context::{Context, Opened};
use crate::cli::error::CommandError;
use crate::cli::time::{typed, typed_end};
use crate::cli::ui::Ui;
use crate::cli::uses::{Readable, records_in};

#[derive(clap::Args, Debug)]
pub(super) struct Selection {
    /// From this time on: a date, or a duration such as `7d`
    #[arg(long, value_name = "WHEN", help_heading = "Which records")]
    pub(super) since: Option<String>,

    /// Up to this time; of a day, up to its end
    #[arg(long, value_name = "WHEN", help_heading = "Which records")]
    until: Option<String>,

    /// Only records that name this secret
    #[arg(long, value_name = "NAME", help_heading = "Which records")]
    secret: Option<String>,

    /// Only records of this member
    #[arg(long, value_name = "NAME", help_heading = "Which records")]
    member: Option<MemberName>,

    /// Only records of this device
    #[arg(long, value_name = "NAME", help_heading = "Which records")]
    device: Option<DeviceName>,

    /// Only records of this action
    #[arg(long, value_name = "ACTION", help_heading = "Which records")]
    action: Option<String>,

    /// Only records that ended so
    #[arg(long, value_name = "OUTCOME", help_heading = "Which records")]
    outcome: Option<OutcomeArg>,

    /// Read the logs in this directory instead (repeat for several): a shared
    /// directory, an archive, a copy from another machine
    #[arg(long, value_name = "DIR", help_heading = "Which records")]
    log: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum OutcomeArg {
    Done,
    Intent,
    Failed,
    Refused,
}

impl Selection {
    pub(super) fn filter(&self, now: Timestamp) -> Result<Filter, CommandError> {
        Ok(Filter {
            since: self.since.as_deref().map(|text| when("--since", text, now, typed)).transpose()?,
            until: self.until.as_deref().map(|text| when("--until", text, now, typed_end)).transpose()?,
            secret: self.secret.clone(),
            member: self.member.as_ref().map(ToString::to_string),
            device: self.device.as_ref().map(ToString::to_string),
            action: self.action.clone(),
            outcome: self.outcome.map(|outcome| match outcome {
                OutcomeArg::Done => Outcome::Done,
                OutcomeArg::Intent => Outcome::Intent,
                OutcomeArg::Failed => Outcome::Failed,
                OutcomeArg::Refused => Outcome::Refused,
            }),
            ..Filter::default()
        })
    }

    /// The directories whose logs are meant.
    pub(super) fn directories(&self, cx: &Context, opened: &Opened) -> Result<Vec<PathBuf>, CommandError> {
        directories(cx, opened, &self.log)
    }

    /// The records that are wanted, by time, each once.
    pub(super) fn entries(
        &self,
        cx: &Context,
        opened: &Opened,
        filter: &Filter,
    ) -> Result<Box<dyn Iterator<Item = Result<Entry, audit::Error>>>, CommandError> {
        let directories = self.directories(cx, opened)?;
        let entries = records_in(&directories, filter)?;
        Ok(if directories.len() > 1 { Box::new(audit::distinct(entries)) } else { Box::new(entries) })
    }

    pub(super) fn follow(&self, cx: &Context, opened: &Opened, filter: &Filter) -> Result<Follow, CommandError> {
        Ok(Follow::new(self.directories(cx, opened)?, filter.clone()))
    }
}

/// The directories of logs that were named, or this machine's.
pub(super) fn directories(cx: &Context, opened: &Opened, named: &[PathBuf]) -> Result<Vec<PathBuf>, CommandError> {
    let place = cx.audit_place(&opened.vault.id(), None);
    if named.is_empty() {
        return Ok(vec![place.directory]);
    }
    let id = opened.vault.id().to_string();
    let mut found = Vec::new();
    for directory in named {
        // A shared directory has one for each vault.
        let inner = directory.join(&id);
        let directory = if inner.is_dir() { inner } else { directory.clone() };
        if audit::logs_in(&directory)?.is_empty() {
            return Err(CommandError::NoLogs { directory });
        }
        found.push(directory);
    }
    Ok(found)
}

impl<I> Readable<I> {
    pub(super) fn warn(&self, ui: &mut Ui) {
        warn_unreadable(ui, self.unreadable);
    }
}

pub(super) fn warn_unreadable(ui: &mut Ui, lines: u64) {
    if lines > 0 {
        let (noun, verb) = if lines == 1 { ("line", "is no record") } else { ("lines", "are no records") };
        ui.warn(&format!("{lines} {noun} of the log {verb}; see `vault audit verify`"));
    }
}

fn when(
    option: &str,
    text: &str,
    now: Timestamp,
    date: impl Fn(&str) -> Result<Timestamp, clock::Error>,
) -> Result<Timestamp, CommandError> {
    let date = || date(text).map_err(|error| format!("{option}: {error}, or a duration such as 7d"));
    Span::parse(text).map(|ago| now.minus(ago)).or_else(|_| date()).map_err(CommandError::usage)
}
