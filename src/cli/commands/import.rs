use std::path::{Path, PathBuf};

use vault::clock::{Span, Timestamp};
use vault::interchange::{self, Entry, Parsed, dotenv, json};
use vault::rotation::schedule::shell_word;
use vault::{Exposure, RotateEvery, SecretName, Stored, Text, Value, provider, store};

use super::set::{describe, recognise};
use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::record::{Change, Edit, name_overrides};
use crate::cli::time::{local_time, typed};
use crate::cli::ui::Ui;
use crate::cli::{git, input};

/// Largest text that is imported.
const MAX_IMPORT: u64 = 64 << 20;
/// Most skipped lines that are spelled out: the file may be something else entirely.
const SHOWN: usize = 100;

/// Take over a `.env` file
///
/// Says what was skipped and why, and then ends with status 1. How old the
/// values are is not known, so their age reads "at least" unless `--created`
/// says better. If git ever tracked the file, what came from it is marked as
/// exposed. The file itself is left as it is.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The file; `-` is standard input
    #[arg(default_value = ".env", allow_hyphen_values = true)]
    file: PathBuf,

    /// What it is written in; without it, the name of the file tells
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,

    /// When the values were made
    #[arg(long, value_name = "DATE", value_parser = typed)]
    created: Option<Timestamp>,

    /// Rotate the values at this age
    #[arg(long, value_name = "DURATION")]
    rotate_every: Option<Span>,

    /// Allow this name although it changes how programs load or run
    #[arg(long = "allow-name", value_name = "NAME")]
    allow_names: Vec<String>,

    /// Report what would be imported, and change nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Dotenv,
    Json,
}

pub(crate) fn run(cx: &mut Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    let profile = cx.profile();
    cx.attempt("import", &profile, &[]);
    let opened = cx.open(ui)?;
    if let Some(created) = args.created.filter(|created| *created > cx.now()) {
        return Err(CommandError::usage(format!("created in the future: {}", local_time(created))));
    }
    let from_input = args.file == Path::new("-");
    let text = if from_input {
        input::text_from_standard_input(MAX_IMPORT as usize)?
    } else {
        vault::secret_value::SecretValue::new(store::read_given(&args.file, MAX_IMPORT)?)
    };
    let is_json = args.file.extension().is_some_and(|ending| ending == "json");
    let format = args.format.unwrap_or(if is_json { Format::Json } else { Format::Dotenv });
    interchange::check_encoding(text.reveal())?;
    // The text goes through the parser, which puts each value into memory that is wiped.
    let Parsed { entries, skipped } = match format {
        Format::Dotenv => dotenv::parse(text.reveal()),
        Format::Json => json::parse(text.reveal())?,
    };
    drop(text);

    let mut problems: Vec<(usize, String)> = skipped
        .iter()
        .map(|skipped| match &skipped.name {
            Some(name) => (skipped.line, format!("skipped {name}: {}", skipped.reason)),
            None => (skipped.line, format!("skipped: {}", skipped.reason)),
        })
        .collect();
    let mut taken: Vec<(SecretName, Entry)> = Vec::new();
    for entry in entries {
        let Ok(name) = entry.name.parse::<SecretName>() else { continue };
        if cx.allows_name(name.as_str(), &args.allow_names) {
            taken.push((name, entry));
        } else {
            let why = format!("skipped {name}: it changes how programs load or run (`--allow-name {name}` takes it)");
            problems.push((entry.line, why));
        }
    }
    problems.sort_by_key(|(line, _)| *line);
    for (line, problem) in problems.iter().take(SHOWN) {
        ui.warn(&format!("line {line}: {problem}"));
    }
    if problems.len() > SHOWN {
        ui.warn(&format!("and {} more lines like these", problems.len() - SHOWN));
    }
    // Looked at, and left as it is.
    let is_odd = |entry: &Entry| std::str::from_utf8(entry.value.reveal()).is_err();
    let odd: Vec<&str> = taken.iter().filter(|(_, entry)| is_odd(entry)).map(|(name, _)| name.as_str()).collect();
    if !odd.is_empty() {
        let more = if odd.len() > 3 { ", …" } else { "" };
        ui.warn(&format!(
            "not UTF-8, and taken as it is: {}{more}; if the file is in another encoding, `iconv` makes it UTF-8",
            odd[..odd.len().min(3)].join(", ")
        ));
    }
    let end = if problems.is_empty() { Ok(()) } else { Err(CommandError::Said(Exit::Found)) };
    if taken.is_empty() {
        ui.note("nothing to import");
        return end;
    }
    let file = if from_input { None } else { plaintext(&args.file) };
    let tracked = file.as_deref().filter(|file| git::was_ever_tracked(file));
    let why: Option<Text> = tracked
        .map(|file| format!("{} was in git", file.file_name().unwrap_or_default().to_string_lossy()))
        .and_then(|why| why.parse().ok());
    let names: Vec<SecretName> = taken.iter().map(|(name, _)| name.clone()).collect();
    let mut change = Change::of("import", &profile, &names).only_tried(args.dry_run);
    change.overrides = name_overrides(names.iter().map(SecretName::as_str));
    let outcome = cx.change(ui, &opened, &change, |tx, signer, now| {
        let (section, key) = tx.profile(&profile, signer)?;
        let mut counts = Counts::default();
        for (name, entry) in &taken {
            let before = section.secrets.get(name).cloned();
            let value = Value {
                value: &entry.value,
                set_at: args.created.unwrap_or(now),
                age_at_least: args.created.is_none(),
            };
            let (secret, stored) = vault::store_value(section, key, name, &value, &signer.device, now)?;
            if let Some(span) = args.rotate_every {
                secret.policy.rotate_every = Some(RotateEvery::Every(span));
            }
            if secret.provider.is_none() {
                let detected = recognise(name, &entry.value);
                secret.provider = detected.and_then(|detected| detected.provider.id.parse().ok());
            }
            if let Some(why) = &why
                && !secret.exposed.iter().any(|exposure| exposure.why == *why)
            {
                secret.exposed.push(Exposure { at: now, to: None, why: why.clone() });
            }
            match (stored, &before) {
                (Stored::Equal, _) => counts.equal += 1,
                (_, None) => counts.added += 1,
                (_, Some(_)) => counts.updated += 1,
            }
            counts.changed |= before.as_ref() != Some(&*secret);
        }
        Ok(if counts.changed { Edit::Changed(counts) } else { Edit::Unchanged(counts) })
    })?;
    if args.dry_run {
        let names: Vec<&str> = names.iter().map(SecretName::as_str).collect();
        ui.note(&format!("would import into profile {profile}: {}", names.join(", ")));
        return end;
    }
    let (Edit::Changed(counts) | Edit::Unchanged(counts)) = outcome;
    ui.note(&format!("imported into profile {profile}: {counts}"));
    report(ui, &taken);
    match &file {
        Some(file) if tracked.is_some() => {
            ui.warn(&format!(
                "git has tracked {}, so everybody with the repository has these values; they are marked as exposed",
                file.display()
            ));
            ui.hint("rotate them at their providers; `vault list` shows where to begin");
        }
        Some(file) if end.is_err() => ui.hint(&format!(
            "{} was skipped and is nowhere but in {}: see to that before you delete it",
            if problems.len() == 1 { "1 line".to_owned() } else { format!("{} lines", problems.len()) },
            file.display()
        )),
        Some(file) => {
            ui.hint(&format!("once your program runs under `vault exec`, delete the plaintext: {}", removal(file)))
        }
        None => {}
    }
    end
}

/// The file that holds the text which was read: where a link leads to; none where it came through a pipe.
fn plaintext(named: &Path) -> Option<PathBuf> {
    let is_link = std::fs::symlink_metadata(named).is_ok_and(|found| found.is_symlink());
    let file = if is_link { std::fs::canonicalize(named).ok()? } else { named.to_path_buf() };
    std::fs::metadata(&file).is_ok_and(|found| found.is_file()).then_some(file)
}

/// What to type to delete a file, whatever its name is.
fn removal(file: &Path) -> String {
    let word = shell_word(&file.display().to_string());
    if word.starts_with('-') { format!("rm -- {word}") } else { format!("rm {word}") }
}

#[derive(Default)]
struct Counts {
    added: usize,
    updated: usize,
    equal: usize,
    changed: bool,
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} new", self.added)?;
        if self.updated > 0 {
            write!(f, ", {} with a new value", self.updated)?;
        }
        if self.equal > 0 {
            write!(f, ", {} as they were", self.equal)?;
        }
        Ok(())
    }
}

fn report(ui: &mut Ui, taken: &[(SecretName, Entry)]) {
    let literal: Vec<&str> =
        taken.iter().filter(|(_, entry)| entry.literal_dollar).map(|(name, _)| name.as_str()).collect();
    if !literal.is_empty() {
        ui.note(&format!("`$` was kept as it is, nothing was filled in: {}", literal.join(", ")));
    }
    for (name, entry) in taken {
        let detected = recognise(name, &entry.value);
        if let Some(detected) = detected.filter(|detected| matches!(detected.form, provider::Form::Mismatch(_))) {
            describe(ui, name, &detected);
        }
    }
}
