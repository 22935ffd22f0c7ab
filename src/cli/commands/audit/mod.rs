//! The audit log: looked at, counted, checked, carried elsewhere.

mod begin;
mod checkpoint;
mod export;
mod select;
mod show;
mod stats;
mod verify;

use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::ui::Ui;

/// Show who used what and when, and check that the record is whole
///
/// Every use of a value, every change and every refusal is on record. A log that was
/// cut or removed, or whose end was changed, is noticed at the next use; any other
/// change by `vault audit verify`.
#[derive(clap::Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    show: show::Args,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    Stats(stats::Args),
    Verify(verify::Args),
    Export(export::Args),
    Checkpoint(checkpoint::Args),
    Begin(begin::Args),
}

pub(crate) fn run(cx: &mut Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    let opened = cx.open(ui)?;
    match &args.command {
        None => show::run(cx, ui, &opened, &args.show),
        Some(Command::Stats(args)) => stats::run(cx, ui, &opened, args),
        Some(Command::Verify(args)) => verify::run(cx, ui, &opened, args),
        Some(Command::Export(args)) => export::run(cx, ui, &opened, args),
        Some(Command::Checkpoint(args)) => checkpoint::run(cx, ui, &opened, args),
        Some(Command::Begin(args)) => begin::run(cx, ui, &opened, args),
    }
}

/// `1 record`, `2 records`.
fn plural(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// How long ago, in one unit, rounded down.
pub(super) fn ago(seconds: u64) -> String {
    let (number, unit) = match seconds {
        0..60 => return "just now".to_owned(),
        60..3_600 => (seconds / 60, "min"),
        3_600..86_400 => (seconds / 3_600, "h"),
        86_400..63_072_000 => (seconds / 86_400, "d"),
        _ => (seconds / 31_536_000, "y"),
    };
    format!("{number} {unit} ago")
}

#[cfg(test)]
mod tests {
    use super::ago;

    #[test]
    fn ages_have_one_unit_and_are_rounded_down() {
        for (seconds, want) in [
            (0, "just now"),
            (59, "just now"),
            (60, "1 min ago"),
            (3_599, "59 min ago"),
            (3_600, "1 h ago"),
            (86_399, "23 h ago"),
            (86_400, "1 d ago"),
            (63_071_999, "729 d ago"),
            (63_072_000, "2 y ago"),
        ] {
            assert_eq!(ago(seconds), want, "{seconds}");
        }
    }
}
