use vault::{ProfileName, SecretName, Target, copy_secret};

use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::record::{Change, Edit};
use crate::cli::ui::Ui;

/// Copy a secret to another profile
///
/// Dates, exposure and earlier versions go along.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Its name
    name: SecretName,

    /// The profile to copy it to
    #[arg(long, value_name = "PROFILE")]
    to: ProfileName,

    /// Report what would be copied, and change nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

pub(crate) fn run(cx: &mut Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    let opened = cx.open(ui)?;
    let profile = cx.profile();
    cx.attempt("cp", &args.to, std::slice::from_ref(&args.name));
    let sections = cx.sections(ui, &opened, &[profile.clone(), args.to.clone()])?;
    cx.check_own(&opened, &sections[0], &args.name)?;
    if sections[1].contains(&args.name) {
        return Err(vault::Error::SecretExists { profile: args.to.clone(), name: args.name.clone() }.into());
    }
    // Only reading is needed where it comes from; it may not even be writable.
    let actor = cx.actor(ui, &opened)?;
    let key = cx.unlock(&opened, &actor, &sections[0])?;
    let missing = || cx.no_secret(&sections[..1], &profile, &args.name);
    let secret = sections[0].secret(&args.name)?.ok_or_else(missing)?;
    let change = Change::of("cp", &args.to, std::slice::from_ref(&args.name)).only_tried(args.dry_run);
    cx.change_as(ui, &actor, &opened, &change, |tx, signer, _| {
        let (target, target_key) = tx.profile(&args.to, signer)?;
        let to = Target { key: target_key, name: &args.name };
        copy_secret(&secret, (&key, &args.name), target, &to)?;
        Ok(Edit::Changed(()))
    })?;
    let done = if args.dry_run { "would copy" } else { "copied" };
    ui.note(&format!("{done} {} from profile {profile} to {}", args.name, args.to));
    Ok(())
}
