//! Wrong usage, in words that repeat nothing of what was typed: it may be a value.

use std::error::Error as _;
use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::error::CommandError;
use super::exit::Exit;
use super::ui::Ui;

/// Says what is wrong with a command line, or prints the help or version that it asks for.
pub(super) fn report(ui: &mut Ui, error: &clap::Error, command: Option<&str>) -> Exit {
    if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        if error.use_stderr() {
            // Help in place of a command that is missing; there is nowhere else to say that it failed.
            let _ = error.print();
            return Exit::Usage;
        }
        let printed = if ui.stdout_closed() { Err(rustix::io::Errno::BADF.into()) } else { error.print() };
        return match printed {
            Ok(()) => Exit::Done,
            Err(reason) => {
                ui.error(&CommandError::StandardOutput(reason).to_string());
                Exit::Io
            }
        };
    }
    ui.error(&message(error));
    ui.hint(&hint(error, command));
    Exit::Usage
}

/// The command that is meant, as far as a faulty command line tells: `set`, `member add`.
pub(super) fn command_of(cli: clap::Command, arguments: &[OsString]) -> Option<String> {
    let matches = cli.ignore_errors(true).disable_help_flag(true).try_get_matches_from(arguments).ok()?;
    let found = std::iter::successors(matches.subcommand(), |(_, below)| below.subcommand());
    let names: Vec<&str> = found.map(|(name, _)| name).collect();
    (!names.is_empty()).then(|| names.join(" "))
}

/// Only what the definition of the command line says, never what was typed.
fn message(error: &clap::Error) -> String {
    // For an unknown argument this is the typed text; the kinds below that use it name a definition.
    let argument = || text(error, ContextKind::InvalidArg);
    match error.kind() {
        ErrorKind::UnknownArgument => "unexpected argument, not repeated here because it may be a value".to_owned(),
        ErrorKind::InvalidSubcommand => "no such command".to_owned(),
        ErrorKind::MissingSubcommand => "a command is missing".to_owned(),
        ErrorKind::MissingRequiredArgument => missing(error),
        ErrorKind::ArgumentConflict => match text(error, ContextKind::PriorArg) {
            prior if prior == argument() || prior.is_empty() => format!("{} is given more than once", argument()),
            // Whatever stands where `-` could: a value, or an option that there is none of.
            prior if argument() == "[-]" => format!("with {prior}, nothing more goes behind the name"),
            prior if prior == "[-]" => format!("with {}, nothing more goes behind the name", argument()),
            prior => format!("{} and {prior} exclude each other", argument()),
        },
        ErrorKind::NoEquals => format!("{} takes its value behind `=`", argument()),
        ErrorKind::InvalidUtf8 => "an argument is not valid UTF-8".to_owned(),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            let typed = text(error, ContextKind::InvalidValue);
            let why = error.source().map(|why| match why.is::<std::num::ParseIntError>() {
                true => "it is a whole number".to_owned(),
                // Bounds are of the definition; the rest of the sentence repeats what was typed.
                false => match why.to_string().strip_prefix(&format!("{typed} is not in ")) {
                    Some(bounds) => format!("it is a number from {}", bounds.replace("..=", " to ")),
                    None => why.to_string(),
                },
            });
            let why = why.filter(|why| why.split(' ').all(|word| word != typed));
            let valid = text(error, ContextKind::ValidValue);
            match (why, valid.is_empty()) {
                (Some(why), _) => format!("{}: {why}", argument()),
                (None, false) => format!("{}: it is one of {valid}", argument()),
                (None, true) => format!("{}: not a value it can have", argument()),
            }
        }
        _ => "wrong usage".to_owned(),
    }
}

/// What has to be given, what stands without an option first.
fn missing(error: &clap::Error) -> String {
    let Some(ContextValue::Strings(names)) = error.get(ContextKind::InvalidArg) else {
        return "an argument is missing".to_owned();
    };
    // Of `<--why <TEXT>|--acknowledge>` one is enough.
    let options = |name: &str| {
        let inner = name.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).filter(|rest| rest.starts_with('-'));
        inner.map(|inner| inner.replace('|', " or "))
    };
    let mut names: Vec<String> = names.iter().map(|name| options(name).unwrap_or_else(|| name.clone())).collect();
    names.sort_by_key(|name| name.starts_with('-'));
    format!("{} {} missing", names.join(", "), if names.len() == 1 { "is" } else { "are" })
}

/// What other tools call a command.
const ELSEWHERE: [(&str, &str); 9] = [
    ("add", "set"),
    ("create", "init"),
    ("delete", "rm"),
    ("inject", "exec"),
    ("new", "init"),
    ("put", "set"),
    ("read", "get"),
    ("run", "exec"),
    ("write", "set"),
];

fn hint(error: &clap::Error, command: Option<&str>) -> String {
    let typed = text(error, ContextKind::InvalidSubcommand);
    let known = ELSEWHERE.iter().find(|(word, _)| command.is_none() && *word == typed);
    // Suggestions are taken from the definition.
    let suggested = [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand].map(|kind| text(error, kind));
    let suggested = known.map(|(_, name)| (*name).to_owned()).into_iter().chain(suggested);
    // One that nobody types is none.
    let suggested = suggested.into_iter().find(|text| !text.is_empty() && text != "complete");
    match (command, suggested) {
        (Some("set"), _) if maybe_value(error) => {
            "type `vault set NAME` and enter the value there, or pipe it into `vault set NAME -`".to_owned()
        }
        (_, Some(suggested)) => format!("did you mean `{suggested}`?"),
        (Some(command), None) => format!("`vault help {command}` says what it takes"),
        (None, None) => "`vault help` lists the commands".to_owned(),
    }
}

fn maybe_value(error: &clap::Error) -> bool {
    error.kind() == ErrorKind::UnknownArgument || text(error, ContextKind::InvalidArg) == "<NAME>"
}

fn text(error: &clap::Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        // An alias comes before the name it stands for.
        Some(ContextValue::Strings(texts)) if kind == ContextKind::SuggestedSubcommand => {
            texts.last().cloned().unwrap_or_default()
        }
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        _ => String::new(),
    }
}
