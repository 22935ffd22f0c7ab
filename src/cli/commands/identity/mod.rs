//! `vault identity`: what this device is, and where it is kept.

mod move_to;
mod new;
mod rotate;
mod seal;
mod search;
mod show;

use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::ui::Ui;

/// Make, show or replace this device's identity, or carry it sealed in the vault
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    New(new::Args),
    Show(show::Args),
    Where(search::Args),
    Move(move_to::Args),
    Rotate(rotate::Args),
    Seal(seal::Args),
}

pub(crate) fn run(cx: &mut Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    match &args.command {
        Command::New(args) => new::run(cx, ui, args),
        Command::Show(args) => show::run(cx, ui, args),
        Command::Where(args) => search::run(cx, ui, args),
        Command::Move(args) => move_to::run(cx, ui, args),
        Command::Rotate(args) => rotate::run(cx, ui, args),
        Command::Seal(args) => seal::run(cx, ui, args),
    }
}
