use std::collections::BTreeSet;

use vault::SecretName;

use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::record::{Change, Edit};
use crate::cli::ui::Ui;

/// Remove secrets
///
/// Earlier versions stay readable in git history. Rotate the value at its
/// provider if it may have leaked; one that is marked as exposed stays on the
/// worklist until that is done.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Names of the secrets, for example `STRIPE_KEY`
    #[arg(required = true)]
    names: Vec<SecretName>,

    /// Report what would be removed, and change nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

pub(crate) fn run(cx: &mut Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    let profile = cx.profile();
    cx.attempt("rm", &profile, &args.names);
    let opened = cx.open(ui)?;
    let sections = cx.sections(ui, &opened, std::slice::from_ref(&profile))?;
    args.names.iter().try_for_each(|name| cx.check_own(&opened, &sections[0], name))?;
    let names: BTreeSet<&str> = args.names.iter().map(SecretName::as_str).collect();
    let list = names.into_iter().collect::<Vec<_>>().join(", ");
    let change = Change::of("rm", &profile, &args.names).only_tried(args.dry_run);
    cx.change(ui, &opened, &change, |tx, signer, now| {
        let (section, _) = tx.profile(&profile, signer)?;
        for name in &args.names {
            vault::remove(section, name, &signer.device, now);
        }
        Ok(Edit::Changed(()))
    })?;
    if args.dry_run {
        ui.note(&format!("would remove {list} from profile {profile}"));
        return Ok(());
    }
    ui.note(&format!("removed {list} from profile {profile}; earlier versions stay readable in git history"));
    Ok(())
}
