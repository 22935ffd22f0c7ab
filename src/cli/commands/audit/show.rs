use std::time::Duration;

use vault::audit::{Entry, Filter, Outcome};

use super::ago;
use super::select::{Selection, warn_unreadable};
use crate::cli::context::{Context, Opened};
use crate::cli::error::CommandError;
use crate::cli::foreground::Foreground;
use crate::cli::table::{Cell, Table};
use crate::cli::ui::{Tone, Ui};
use crate::cli::uses::Readable;

/// How often a log that is followed is looked at.
pub(super) const POLL: Duration = Duration::from_millis(500);
/// Records that `--follow` begins with unless `--since` says otherwise.
const FOLLOW_FROM: usize = 10;

#[derive(clap::Args, Debug)]
#[group(skip)]
pub(super) struct Args {
    #[command(flatten)]
    selection: Selection,

    /// Go on showing records as they are written, until Ctrl-C
    #[arg(long)]
    follow: bool,

    /// Print an array of the records as they are stored; with `--follow` one on a line
    #[arg(long)]
    json: bool,
}

pub(super) fn run(cx: &Context, ui: &mut Ui, opened: &Opened, args: &Args) -> Result<(), CommandError> {
    let filter = args.selection.filter(cx.now())?;
    if args.follow {
        return follow(cx, ui, opened, args, &filter);
    }
    let mut entries = Readable::new(args.selection.entries(cx, opened, &filter)?);
    if args.json {
        print_json(ui, &mut entries)?;
    } else {
        print_table(cx, ui, &mut entries)?;
    }
    entries.warn(ui);
    Ok(())
}

fn print_json<E>(ui: &mut Ui, entries: &mut impl Iterator<Item = Result<Entry, E>>) -> Result<(), CommandError>
where
    CommandError: From<E>,
{
    let mut before = "[".to_owned();
    for (n, entry) in entries.enumerate() {
        let line = std::mem::replace(&mut before, entry?.line);
        if n == 0 {
            before.insert(0, '[');
        } else {
            ui.json_text(&format!("{line},"));
        }
        // The whole of a long log is not kept in memory.
        if n % 1000 == 999 {
            ui.flush().map_err(CommandError::StandardOutput)?;
        }
    }
    ui.json_text(&format!("{before}]"));
    Ok(())
}

fn print_table<E>(
    cx: &Context,
    ui: &mut Ui,
    entries: &mut impl Iterator<Item = Result<Entry, E>>,
) -> Result<(), CommandError>
where
    CommandError: From<E>,
{
    let heading = &["WHEN", "AGE", "ACTION", "OUTCOME", "WHO", "PROFILE", "NAMES", "PROGRAM", "VIA", "WHY"];
    // What was done to which secret is what stays.
    let mut table = Table::new(heading).first_out(&["VIA", "AGE", "PROFILE", "WHY", "PROGRAM", "WHO"]);
    let mut any = false;
    for entry in entries {
        any = true;
        table.row(cells(cx, &entry?));
    }
    if any {
        table.print(ui);
    } else {
        ui.note("no records");
    }
    Ok(())
}

fn cells(cx: &Context, entry: &Entry) -> Vec<Cell> {
    let record = &entry.record;
    let tone = match record.outcome {
        Outcome::Refused | Outcome::Failed => Tone::Bad,
        Outcome::Intent => Tone::Faint,
        _ => Tone::Plain,
    };
    let local = record.at.to_utc().with_timezone(&chrono::Local);
    let who = match (&record.member, &record.device) {
        (Some(member), Some(device)) => format!("{member} on {device}"),
        (_, Some(device)) => device.clone(),
        (Some(member), _) => member.clone(),
        _ => format!("user {}", record.user),
    };
    let via = [&record.ci, &record.agent, &record.parent].into_iter().flatten().next().cloned().unwrap_or_default();
    let why = [record.reason.clone().unwrap_or_default(), record.overrides.join(", ")];
    let why: Vec<String> = why.into_iter().filter(|text| !text.is_empty()).collect();
    vec![
        Cell::toned(Tone::Faint, local.format("%Y-%m-%d %H:%M:%S").to_string()),
        // A clock that was set back since makes a record one of the future.
        Cell::toned(Tone::Faint, if record.at > cx.now() { "ahead".into() } else { ago(cx.now().since(record.at)) }),
        Cell::toned(Tone::Bold, record.action.clone()),
        Cell::toned(tone, record.outcome.to_string()),
        Cell::new(who),
        Cell::new(record.profile.clone().unwrap_or_default()),
        Cell::new(names_text(&record.names)),
        Cell::new(record.command.clone().unwrap_or_default()),
        Cell::toned(Tone::Faint, via),
        Cell::toned(Tone::Faint, why.join("; ")),
    ]
}

fn names_text(names: &[String]) -> String {
    match names {
        [first, second, third, rest @ ..] if !rest.is_empty() => {
            format!("{first}, {second}, {third} and {} more", rest.len())
        }
        names => names.join(", "),
    }
}

/// Never returns but for a failure: Ctrl-C ends the process, and there is nothing to undo.
fn follow(cx: &Context, ui: &mut Ui, opened: &Opened, args: &Args, filter: &Filter) -> Result<(), CommandError> {
    let mut follow = args.selection.follow(cx, opened, filter)?;
    let keep = if args.selection.since.is_some() { usize::MAX } else { FOLLOW_FROM };
    let mut first = true;
    let foreground = Foreground::begin()?;
    loop {
        let mut news = Readable::new(follow.look()?);
        let mut shown = std::collections::VecDeque::new();
        for entry in &mut news {
            shown.push_back(entry?);
            if first && shown.len() > keep {
                shown.pop_front();
            }
        }
        if !first {
            warn_unreadable(ui, news.unreadable);
        }
        first = false;
        for entry in &shown {
            if args.json {
                ui.json_text(&entry.line);
            } else {
                Table::line(
                    ui,
                    cells(cx, entry).into_iter().enumerate().filter(|(n, _)| *n != 1).map(|(_, cell)| cell),
                );
            }
        }
        ui.flush().map_err(CommandError::StandardOutput)?;
        if !foreground.goes_on_after(POLL)? {
            return Ok(());
        }
    }
}
