//! The command line: arguments in, output and an exit code out.

mod accepted;
mod anchors;
mod args;
mod clipboard;
mod commands;
mod context;
mod editor;
mod enroll;
mod error;
mod exit;
mod foreground;
mod git;
mod hints;
mod input;
mod later;
mod meaning;
mod notify;
mod origin;
mod policy;
mod program;
mod readback;
mod record;
mod recovery_code;
mod scheduler;
mod sheet;
mod sink;
mod stages;
mod standing;
mod table;
mod time;
mod ui;
mod unlock;
mod usage;
mod uses;

use std::ffi::OsString;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use vault::config::Variables;
use vault::exec::process::Original;

use args::{ColorChoice, Globals};
use commands as run_as;
use context::Context;
use error::CommandError;
use exit::Exit;
use later::Later;
use ui::Ui;

/// Keep API keys encrypted in the repository, and give them to programs
///
/// One file, safe to commit, holds a project's secrets. `vault exec` starts a
/// program with them in its environment; nothing else sees them, and every use
/// is on record.
#[derive(Parser, Debug)]
#[command(name = "vault", version, disable_help_subcommand = false)]
struct Cli {
    #[command(flatten)]
    globals: Globals,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand, Debug)]
#[allow(clippy::large_enum_variant, reason = "made once per run")]
enum Command {
    Status(Later<run_as::status::Args>),
    Init(Later<run_as::init::Args>),
    Trust(Later<run_as::trust::Args>),
    Which(Later<run_as::which::Args>),
    Set(Later<run_as::set::Args>),
    Get(Later<run_as::get::Args>),
    #[command(visible_alias = "ls")]
    List(Later<run_as::list::Args>),
    Show(Later<run_as::show::Args>),
    #[command(visible_alias = "remove")]
    Rm(Later<run_as::rm::Args>),
    #[command(visible_alias = "move")]
    Mv(Later<run_as::mv::Args>),
    #[command(visible_alias = "copy")]
    Cp(Later<run_as::cp::Args>),
    Exec(Later<run_as::exec::Args>),
    Edit(Later<run_as::edit::Args>),
    Unlock(Later<run_as::unlock::Args>),
    Lock(Later<run_as::lock::Args>),
    #[command(hide = true)]
    Agent(Later<run_as::agent::Args>),
    Import(Later<run_as::import::Args>),
    Export(Later<run_as::export::Args>),
    Join(Later<run_as::join::Args>),
    Member(Later<run_as::member::Args>),
    Rotation(Later<run_as::rotation::Args>),
    Rotate(Later<run_as::rotate::Args>),
    Remind(Later<run_as::remind::Args>),
    Schedule(Later<run_as::schedule::Args>),
    Expose(Later<run_as::expose::Args>),
    History(Later<run_as::history::Args>),
    Restore(Later<run_as::restore::Args>),
    Profile(Later<run_as::profile::Args>),
    Recover(Later<run_as::recover::Args>),
    Recovery(Later<run_as::recovery::Args>),
    Identity(Later<run_as::identity::Args>),
    Verify(Later<run_as::verify::Args>),
    Git(Later<run_as::git::Args>),
    Audit(Later<run_as::audit::Args>),
    Doctor(Later<run_as::doctor::Args>),
    Config(Later<run_as::config::Args>),
    Completions(Later<run_as::completions::Args>),
    #[command(hide = true)]
    Complete(Later<run_as::complete::Args>),
    Man(Later<run_as::man::Args>),
}

/// Runs one command line and gives the exit status.
pub(crate) fn run(arguments: Vec<OsString>, original: Original) -> u8 {
    let (cli, name) = match parse(&arguments) {
        Ok(parsed) => parsed,
        Err(error) => {
            let command = usage::command_of(Cli::command(), &arguments);
            let no_color = Variables::from_environment().no_color();
            let mut ui = Ui::new(false, false, ColorChoice::Auto, no_color, original.was_closed(1));
            let exit = usage::report(&mut ui, &error, command.as_deref());
            return if exit == Exit::Done { exit as u8 } else { failure(exit, command.as_deref() == Some("exec")) };
        }
    };
    let is_exec = matches!(cli.command, Some(Command::Exec(_)));
    let stdout_closed = original.was_closed(1);
    let mut cx = Context::new(cli.globals, original);
    let no_color = cx.variables.no_color();
    let mut ui = Ui::new(cx.globals.quiet, cx.globals.no_input, cx.globals.color, no_color, stdout_closed);
    cx.attempt_command(&name);
    let result = match cli.command {
        // Nobody's configuration, and nothing of the caller's.
        Some(Command::Agent(args)) => run_as::agent::run(&args),
        command if cx.globals.profiles.len() > 1 && !matches!(command, Some(Command::Unlock(_))) => Err(
            CommandError::usage("`--profile` is given more than once; only `vault unlock` takes several".to_owned()),
        ),
        command => cx.load().and_then(|()| dispatch(&mut cx, &mut ui, command)),
    };
    let result = result.or_else(|error| {
        // What was refused goes on record; that the record failed is worse news.
        cx.record_refusal(&error)?;
        Err(error)
    });
    let result = ui.flush().map_err(CommandError::StandardOutput).and(result);
    if let Some(signal) = vault::signals::caught() {
        return asked_to_end(signal);
    }
    let Err(error) = result else { return Exit::Done as u8 };
    if !matches!(error, CommandError::Said(_)) {
        ui.error(&error.to_string());
        if let Some(hint) = cx.hint(&error) {
            ui.hint(&hint);
        }
    }
    if matches!(error, CommandError::Interrupted) {
        // Everything is cleared up; the shell is to know that it was the keyboard.
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::INT);
    }
    failure(error.exit(), is_exec)
}

/// The status of a failure; for `exec`, whose other statuses are the command's, one of its own.
fn failure(exit: Exit, is_exec: bool) -> u8 {
    match exit {
        Exit::NotFound | Exit::NotExecutable => exit as u8,
        _ if is_exec => Exit::Exec as u8,
        exit => exit as u8,
    }
}

/// The status of a command that stays until it is asked to end, and was. A system that asks
/// finds that it is done; who typed Ctrl-C finds that it was the keyboard.
fn asked_to_end(signal: std::ffi::c_int) -> u8 {
    if signal == libc::SIGTERM {
        return Exit::Done as u8;
    }
    vault::signals::end_by(signal);
    u8::try_from(128 + signal).unwrap_or(u8::MAX)
}

/// Reads the command line; gives the command's name as well.
fn parse(arguments: &[OsString]) -> Result<(Cli, String), clap::Error> {
    let read = |command: &mut clap::Command| {
        let matches = command.try_get_matches_from_mut(arguments)?;
        let name = matches.subcommand_name().unwrap_or("status").to_owned();
        Ok((Cli::from_arg_matches(&matches)?, name))
    };
    // Never dropped: the process is about to end, or to become another one.
    let mut command = std::mem::ManuallyDrop::new(named_by(arguments));
    read(&mut command).or_else(|error: clap::Error| {
        if error.kind() == clap::error::ErrorKind::DisplayVersion {
            return Err(error);
        }
        // Help and errors are worded with every command in view.
        later::describe_all();
        read(&mut Cli::command())
    })
}

/// Those commands that some argument names: clap copies each of the [`Globals`] into every
/// command of its tree, which for all of them takes as long as opening a small vault.
fn named_by(arguments: &[OsString]) -> clap::Command {
    let mut all = std::mem::ManuallyDrop::new(Cli::command());
    let is_named = |command: &&mut clap::Command| {
        let mut names = std::iter::once(command.get_name()).chain(command.get_all_aliases());
        names.any(|name| arguments.iter().any(|argument| argument == name))
    };
    let commands: Vec<_> = all.get_subcommands_mut().filter(is_named).map(std::mem::take).collect();
    let program = clap::Command::new("vault").version(env!("CARGO_PKG_VERSION"));
    Globals::augment_args(program).subcommands(commands)
}

/// Every command in full, for completions and manual pages.
pub(crate) fn described() -> clap::Command {
    later::describe_all();
    Cli::command()
}

fn dispatch(cx: &mut Context, ui: &mut Ui, command: Option<Command>) -> Result<(), CommandError> {
    let Some(command) = command else { return run_as::status::run(cx, ui, &run_as::status::Args::default()) };
    match command {
        Command::Status(args) => run_as::status::run(cx, ui, &args),
        Command::Init(args) => run_as::init::run(cx, ui, &args),
        Command::Trust(args) => run_as::trust::run(cx, ui, &args),
        Command::Which(args) => run_as::which::run(cx, ui, &args),
        Command::Set(args) => run_as::set::run(cx, ui, &args),
        Command::Get(args) => run_as::get::run(cx, ui, &args),
        Command::List(args) => run_as::list::run(cx, ui, &args),
        Command::Show(args) => run_as::show::run(cx, ui, &args),
        Command::Rm(args) => run_as::rm::run(cx, ui, &args),
        Command::Mv(args) => run_as::mv::run(cx, ui, &args),
        Command::Cp(args) => run_as::cp::run(cx, ui, &args),
        Command::Exec(args) => run_as::exec::run(cx, ui, &args),
        Command::Edit(args) => run_as::edit::run(cx, ui, &args),
        Command::Unlock(args) => run_as::unlock::run(cx, ui, &args),
        Command::Lock(args) => run_as::lock::run(cx, ui, &args),
        Command::Agent(args) => run_as::agent::run(&args),
        Command::Import(args) => run_as::import::run(cx, ui, &args),
        Command::Export(args) => run_as::export::run(cx, ui, &args),
        Command::Join(args) => run_as::join::run(cx, ui, &args),
        Command::Member(args) => run_as::member::run(cx, ui, &args),
        Command::Rotation(args) => run_as::rotation::run(cx, ui, &args),
        Command::Rotate(args) => run_as::rotate::run(cx, ui, &args),
        Command::Remind(args) => run_as::remind::run(cx, ui, &args),
        Command::Schedule(args) => run_as::schedule::run(cx, ui, &args),
        Command::Expose(args) => run_as::expose::run(cx, ui, &args),
        Command::History(args) => run_as::history::run(cx, ui, &args),
        Command::Restore(args) => run_as::restore::run(cx, ui, &args),
        Command::Profile(args) => run_as::profile::run(cx, ui, &args),
        Command::Recover(args) => run_as::recover::run(cx, ui, &args),
        Command::Recovery(args) => run_as::recovery::run(cx, ui, &args),
        Command::Identity(args) => run_as::identity::run(cx, ui, &args),
        Command::Git(args) => run_as::git::run(cx, ui, &args),
        Command::Verify(args) => run_as::verify::run(cx, ui, &args),
        Command::Audit(args) => run_as::audit::run(cx, ui, &args),
        Command::Doctor(args) => run_as::doctor::run(cx, ui, &args),
        Command::Config(args) => run_as::config::run(cx, ui, &args),
        Command::Completions(args) => run_as::completions::run(ui, &args),
        Command::Complete(args) => run_as::complete::run(cx, ui, &args),
        Command::Man(args) => run_as::man::run(cx, ui, &args),
    }
}

#[cfg(test)]
mod tests {
    /// What no help shows is easily forgotten where every command is gone through.
    #[test]
    fn two_commands_are_hidden() {
        fn hidden(command: &clap::Command, found: &mut Vec<String>) {
            for sub in command.get_subcommands() {
                found.extend(sub.is_hide_set().then(|| sub.get_name().to_owned()));
                hidden(sub, found);
            }
        }
        let mut found = Vec::new();
        hidden(&super::described(), &mut found);
        assert_eq!(found, ["agent", "complete"], "say in tests/audit_complete.rs what it does to values");
    }
}
