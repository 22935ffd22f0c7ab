use vault::identity::Origin;

use crate::cli::context::Context;
use crate::cli::enroll;
use crate::cli::error::CommandError;
use crate::cli::ui::Ui;

use super::show;

/// Make an identity for this device, and print its public halves
///
/// `vault init`, `vault join` and `vault recover` make one where it is missing. This
/// is for making it before there is a vault. Where the device has one, another in a
/// file that `--identity-file` names is only used with `--identity FILE`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    keep: enroll::Keep,

    /// Report where it would be kept, and make nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

pub(crate) fn run(cx: &Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    if enroll::has_identity(cx, ui, &args.keep)? {
        let is_variable = args.keep.is_default() && cx.variables.identity().is_some();
        let origin = if is_variable { Origin::Variable } else { Origin::from(&enroll::place(cx, &args.keep)?) };
        return Err(CommandError::IdentityExists(origin));
    }
    let place = Origin::from(&enroll::place(cx, &args.keep)?);
    if args.dry_run {
        ui.note(&format!("would make an identity in {place}"));
        return Ok(());
    }
    let made = enroll::identity(cx, ui, &args.keep)?;
    // Somebody was faster.
    if !made.made {
        return Err(CommandError::IdentityExists(place));
    }
    made.say(ui);
    show::print(ui, &made.key.recipient(), &made.key.signing_key().public());
    Ok(())
}
