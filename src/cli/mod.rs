//! The command line: arguments in, output and an exit code out.

mod args;
mod commands;
mod context;
mod error;
mod exit;
mod git;
mod input;
mod notify;
mod program;
mod readback;
mod record;
mod stages;
mod table;
mod ui;
mod unlock;

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use vault::exec::process::Original;

use args::Globals;
use commands as run_as;
use context::Context;
use error::CommandError;
use exit::Exit;
use ui::Ui;

/// Keep API keys encrypted in the repository, and give them to programs
///
/// One file, safe to commit, holds a project's secrets. `vault exec` starts a
/// program with them in its environment; nothing else sees them, and every use
/// is on record.
#[derive(Parser, Debug)]
#[command(
    name = "vault",
    version,
    disable_help_subcommand = false,
    subcommand_required = true,
    arg_required_else_help = true
)]
struct Cli {
    #[command(flatten)]
    globals: Globals,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
#[expect(clippy::large_enum_variant, reason = "made once per run")]
enum Command {
    Init(run_as::init::Args),
    Trust(run_as::trust::Args),
    Which(run_as::which::Args),
    Set(run_as::set::Args),
    Get(run_as::get::Args),
    #[command(visible_alias = "ls")]
    List(run_as::list::Args),
    Show(run_as::show::Args),
    #[command(visible_alias = "remove")]
    Rm(run_as::rm::Args),
    Exec(run_as::exec::Args),
    Import(run_as::import::Args),
    Expose(run_as::expose::Args),
    History(run_as::history::Args),
    Restore(run_as::restore::Args),
    Rotation(run_as::rotation::Args),
    Rotate(run_as::rotate::Args),
    Remind(run_as::remind::Args),
    Schedule(run_as::schedule::Args),
    Profile(run_as::profile::Args),
    Identity(run_as::identity::Args),
    Verify(run_as::verify::Args),
    Audit(run_as::audit::Args),
    Doctor(run_as::doctor::Args),
    Config(run_as::config::Args),
}

/// Runs one command line and gives the exit status.
pub(crate) fn run(arguments: Vec<OsString>, original: Original) -> u8 {
    let is_exec = arguments.iter().skip(1).any(|argument| argument == "exec");
    let parsed = Cli::command().try_get_matches_from(arguments).and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => return usage(&error, is_exec),
        Err(help) => {
            // Help and version, on standard output.
            let printed = help.print().map_err(CommandError::StandardOutput);
            return printed.map_or(Exit::Io as u8, |()| Exit::Done as u8);
        }
    };
    let is_exec = matches!(cli.command, Command::Exec(_));
    let mut cx = Context::new(cli.globals, original);
    let no_color = cx.variables.no_color();
    let mut ui = Ui::new(cx.globals.quiet, cx.globals.no_input, cx.globals.color, no_color);
    let result = cx.load().and_then(|()| dispatch(&mut cx, &mut ui, cli.command));
    let result = result.or_else(|error| {
        // What was refused goes on record; that the record failed is worse news.
        cx.record_refusal(&error)?;
        Err(error)
    });
    let result = ui.flush().map_err(CommandError::StandardOutput).and(result);
    let Err(error) = result else { return Exit::Done as u8 };
    if !matches!(error, CommandError::Said(_)) {
        ui.error(&error.to_string());
        if let Some(hint) = error.hint() {
            ui.hint(&hint);
        }
    }
    match error.exit() {
        exit @ (Exit::NotFound | Exit::NotExecutable) => exit as u8,
        _ if is_exec => Exit::Exec as u8,
        exit => exit as u8,
    }
}

fn dispatch(cx: &mut Context, ui: &mut Ui, command: Command) -> Result<(), CommandError> {
    match command {
        Command::Init(args) => run_as::init::run(cx, ui, &args),
        Command::Trust(args) => run_as::trust::run(cx, ui, &args),
        Command::Which(args) => run_as::which::run(cx, ui, &args),
        Command::Set(args) => run_as::set::run(cx, ui, &args),
        Command::Get(args) => run_as::get::run(cx, ui, &args),
        Command::List(args) => run_as::list::run(cx, ui, &args),
        Command::Show(args) => run_as::show::run(cx, ui, &args),
        Command::Rm(args) => run_as::rm::run(cx, ui, &args),
        Command::Exec(args) => run_as::exec::run(cx, ui, &args),
        Command::Import(args) => run_as::import::run(cx, ui, &args),
        Command::Expose(args) => run_as::expose::run(cx, ui, &args),
        Command::History(args) => run_as::history::run(cx, ui, &args),
        Command::Restore(args) => run_as::restore::run(cx, ui, &args),
        Command::Rotation(args) => run_as::rotation::run(cx, ui, &args),
        Command::Rotate(args) => run_as::rotate::run(cx, ui, &args),
        Command::Remind(args) => run_as::remind::run(cx, ui, &args),
        Command::Schedule(args) => run_as::schedule::run(cx, ui, &args),
        Command::Profile(args) => run_as::profile::run(cx, ui, &args),
        Command::Identity(args) => run_as::identity::run(cx, ui, &args),
        Command::Verify(args) => run_as::verify::run(cx, ui, &args),
        Command::Audit(args) => run_as::audit::run(cx, ui, &args),
        Command::Doctor(args) => run_as::doctor::run(cx, ui, &args),
        Command::Config(args) => run_as::config::run(cx, ui, &args),
    }
}

/// Wrong usage. What was typed is not quoted: a value may have been typed by mistake.
fn usage(error: &clap::Error, is_exec: bool) -> u8 {
    use clap::error::{ContextKind, ContextValue, ErrorKind};
    let mut ui = Ui::new(false, true, args::ColorChoice::Auto, false);
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) if kind == ContextKind::SuggestedSubcommand => texts.last().cloned(),
        Some(ContextValue::Strings(texts)) => Some(texts.join(", ")),
        _ => None,
    };
    let option = context(ContextKind::InvalidArg).unwrap_or_default();
    let message = match error.kind() {
        ErrorKind::UnknownArgument => {
            "an argument that this command does not take (not shown: it may be a value)".to_owned()
        }
        ErrorKind::InvalidSubcommand => "no such command".to_owned(),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            let _ = error.print();
            return Exit::Usage as u8;
        }
        ErrorKind::MissingRequiredArgument => format!("missing: {option}"),
        ErrorKind::ArgumentConflict => match context(ContextKind::PriorArg) {
            Some(prior) => format!("{option} cannot be used together with {prior}"),
            None => format!("{option} is given twice, or contradicts another option"),
        },
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => match std::error::Error::source(error) {
            Some(reason) => format!("{option}: {reason}"),
            None => match context(ContextKind::ValidValue) {
                Some(valid) => format!("{option} takes one of: {valid}"),
                None => format!("{option} needs a value"),
            },
        },
        _ => format!("wrong usage{}{option}", if option.is_empty() { "" } else { ": " }),
    };
    ui.error(&message);
    let suggestion = context(ContextKind::SuggestedSubcommand)
        .map(|name| format!("did you mean `vault {name}`?"))
        .or_else(|| context(ContextKind::SuggestedArg).map(|name| format!("did you mean {name}?")));
    ui.hint(&suggestion.unwrap_or_else(|| "see `vault --help`, or `--help` after a command".to_owned()));
    if is_exec { Exit::Exec as u8 } else { Exit::Usage as u8 }
}
