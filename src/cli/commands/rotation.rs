use std::path::{Path, PathBuf};

use vault::clock::{Span, Timestamp};
use vault::rotation::{self, Days, Item, State, Task, render};
use vault::store;

use super::list::tone;
use crate::cli::context::{Context, Opened, all_profiles};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::table::{Cell, Table};
use crate::cli::time::{Newest, local_day};
use crate::cli::ui::{Tone, Ui};

/// Show which secrets are due for rotation, of every profile, most urgent first
///
/// Needs no identity. Earlier values that wait to be revoked and removed secrets
/// that are still exposed are listed too.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: vault rotation --within 30d --fail-on expired,exposed,overdue")]
pub(crate) struct Args {
    /// Only what is late, or becomes due within this time
    #[arg(long, value_name = "DURATION")]
    within: Option<Span>,

    /// Only what this member sees to
    #[arg(long, value_name = "MEMBER")]
    owner: Option<String>,

    /// Exit with 1 if anything listed is in one of these states
    #[arg(long, value_name = "STATE,…", value_delimiter = ',')]
    fail_on: Vec<State>,

    /// Hide names of secrets, profiles and owners behind made-up ones, for public channels
    #[arg(long)]
    alias: bool,

    /// How to print it
    #[arg(long, value_name = "FORMAT", default_value = "table", conflicts_with = "json")]
    format: Format,

    /// The same as `--format json`
    #[arg(long)]
    json: bool,

    /// Write to this file, whole or not at all, instead of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people
    Table,
    /// An object with the array `secrets`
    Json,
    /// Annotations of GitHub Actions
    Github,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// Metrics for the textfile collector of Prometheus
    Prometheus,
    /// An iCalendar file
    Ics,
}

pub(crate) fn run(cx: &mut Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    let format = if args.json { Format::Json } else { args.format };
    if args.output.is_some() && format == Format::Table {
        return Err(CommandError::usage("--output needs a --format other than table".to_owned()));
    }
    let opened = cx.open(ui)?;
    let (mut items, now) = due_list(cx, ui, &opened)?;
    if let Some(span) = args.within {
        items.retain(|item| item.within(span, now));
    }
    if let Some(owner) = &args.owner {
        items.retain(|item| item.owner.as_deref() == Some(owner));
    }
    let source = matches!(format, Format::Github | Format::Sarif)
        .then(|| render::Source::new(path_in_repository(&opened.path), opened.vault.bytes()));
    let lines = source.as_ref().map(|source| source.lines(&items)).unwrap_or_default();
    if args.alias {
        items.iter_mut().for_each(|item| item.alias(&opened.vault.id()));
    }
    let path = source.as_ref().map_or("", |source| source.path.as_str());
    let text = match format {
        Format::Table => {
            table(ui, &items, now);
            None
        }
        Format::Json => {
            // Serializing our own types to memory cannot fail.
            let text = serde_json::to_string_pretty(&render::json(&items)).unwrap_or_default();
            Some(text + "\n")
        }
        Format::Github => Some(render::github(&items, path, &lines, now)),
        Format::Sarif => Some(render::sarif(&items, path, &lines, now)),
        Format::Prometheus => Some(render::prometheus(&items, now)),
        Format::Ics => Some(render::ics(&items, &opened.vault.id(), now)),
    };
    match (&args.output, text) {
        (Some(file), Some(text)) => write(cx, file, &text)?,
        (None, Some(text)) if format == Format::Json => ui.json_text(text.trim_end()),
        // Escaped by its format already, which the escaping of the terminal would break.
        (None, Some(text)) => ui.value(text.as_bytes()),
        (_, None) => {}
    }
    if items.iter().any(|item| args.fail_on.contains(&item.line.state)) {
        return Err(CommandError::Said(Exit::Found));
    }
    Ok(())
}

/// The due list of every profile and the time it was computed from; says so where
/// the clock cannot be right.
pub(super) fn due_list(cx: &Context, ui: &mut Ui, opened: &Opened) -> Result<(Vec<Item>, Timestamp), CommandError> {
    let sections = cx.sections(ui, opened, &all_profiles(opened))?;
    let mut newest = Newest::signed(&opened.vault, &sections);
    let mut time = newest.time(cx);
    let mut items = rotation::items(&sections, time)?;
    if items.iter().filter_map(|item| item.set_at).any(|at| at > time.now) {
        newest = newest.with_values(&sections)?;
        time = newest.time(cx);
        items = rotation::items(&sections, time)?;
    }
    newest.say(cx, ui, &opened.vault);
    Ok((items, time.now))
}

fn table(ui: &mut Ui, items: &[Item], now: Timestamp) {
    if items.is_empty() {
        ui.note("nothing is on the due list");
        return;
    }
    let heading = &["NAME", "STATE", "PROFILE", "DUE", "ON", "LIFE", "WHY", "AGE", "POLICY", "OWNER", "ROTATE AT"];
    // What is to be done with what comes before how much and how often.
    let mut table =
        Table::new(heading).first_out(&["ON", "POLICY", "AGE", "OWNER", "ROTATE AT", "LIFE", "PROFILE", "WHY"]);
    let several = items.iter().any(|item| item.line.profile != items[0].line.profile);
    let days = Days::from(now, local_day);
    for item in items {
        let (line, tone) = (&item.line, tone(item.line.state));
        let age = item.set_at.map(|_| days.age(line.age_seconds, line.at_least));
        table.row(vec![
            Cell::toned(Tone::Bold, line.name.clone()),
            Cell::toned(tone, line.state.to_string()),
            Cell::toned(Tone::Faint, if several || line.profile != "default" { line.profile.as_str() } else { "" }),
            Cell::toned(tone, line.due_at.map(|due| days.due(due)).unwrap_or_default()),
            Cell::new(line.due_at.map_or_else(String::new, |due| local_day(due).to_string())),
            Cell::toned(tone, rotation::bar(line.life_used, 8).trim_end()),
            Cell::new(why(item)),
            Cell::new(age.unwrap_or_default()),
            Cell::new(item.rotate_every.to_string()),
            Cell::new(item.owner.clone().unwrap_or_default()),
            Cell::toned(Tone::Faint, item.console().unwrap_or_default()),
        ]);
    }
    table.print(ui);
}

/// What else there is to know: the task, leaks, and a rotation that was not finished.
fn why(item: &Item) -> String {
    let mut parts = Vec::new();
    match item.task {
        Task::Rotate => {}
        Task::Revoke => parts.push(format!("revoke version {}", item.version)),
        Task::Removed => parts.push("removed, to be revoked".to_owned()),
    }
    for exposure in &item.exposed {
        let to = exposure.to.as_ref().map_or_else(String::new, |to| format!(" (to {to})"));
        parts.push(format!("{}{to}", exposure.why));
    }
    if let Some(since) = item.pending_since {
        parts.push(format!("rotation unfinished since {}", local_day(since)));
    }
    parts.join("; ")
}

fn write(cx: &Context, file: &Path, text: &str) -> Result<(), CommandError> {
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let _lock = store::Lock::acquire(directory, cx.globals.lock_timeout())?;
    Ok(store::replace(file, text.as_bytes(), store::Mode::Shared)?)
}

/// The path of the vault file below the repository's root, as annotations want it.
fn path_in_repository(path: &Path) -> String {
    let full = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let root = full.ancestors().skip(1).find(|directory| directory.join(".git").exists());
    let below = root.and_then(|root| full.strip_prefix(root).ok()).or_else(|| full.file_name().map(Path::new));
    below.unwrap_or(&full).to_string_lossy().into_owned()
}
