use vault::audit::Log;

use crate::cli::context::{Context, Opened};
use crate::cli::error::CommandError;
use crate::cli::ui::Ui;

/// Print a small signed text that pins the log down
///
/// Keep it anywhere else: in a ticket, a mail, on paper. As long as it is kept,
/// nothing that stands in the log now can be changed or cut unnoticed:
/// `vault audit verify --against FILE` tells.
#[derive(clap::Args, Debug)]
pub(super) struct Args {}

pub(super) fn run(cx: &Context, ui: &mut Ui, opened: &Opened, _args: &Args) -> Result<(), CommandError> {
    let device = opened.memory.borrow().device().cloned();
    let place = cx.audit_place(&opened.vault.id(), device.as_ref());
    let checkpoint = Log::new(place, cx.globals.lock_timeout())?.checkpoint(cx.now())?;
    for line in checkpoint.to_string().lines() {
        ui.line(line);
    }
    if checkpoint.certificate.is_none() {
        ui.note("no device vouches for its key yet: the next use of a value changes that");
    }
    Ok(())
}
