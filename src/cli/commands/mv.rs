use vault::{SecretName, Target, copy_secret};

use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::record::{Change, Edit};
use crate::cli::ui::Ui;

/// Give a secret another name
///
/// Dates, exposure and earlier versions go along.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Its name
    old: SecretName,

    /// Its new name
    new: SecretName,

    /// Allow the new name although it changes how programs load or run
    #[arg(long = "allow-name", value_name = "NAME")]
    allow_names: Vec<String>,

    /// Report what would be renamed, and change nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

pub(crate) fn run(cx: &mut Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    cx.check_names(std::iter::once(&args.new), &args.allow_names)?;
    let opened = cx.open(ui)?;
    let profile = cx.profile();
    let sections = cx.sections(ui, &opened, std::slice::from_ref(&profile))?;
    if !sections[0].contains(&args.old) {
        return Err(cx.no_secret(&sections, &profile, &args.old));
    }
    if sections[0].contains(&args.new) {
        return Err(vault::Error::SecretExists { profile, name: args.new.clone() }.into());
    }
    if args.dry_run {
        ui.note(&format!("would rename {} to {} in profile {profile}", args.old, args.new));
        return Ok(());
    }
    let names = [args.old.clone(), args.new.clone()];
    cx.change(ui, &opened, &Change::of("mv", &profile, &names), |tx, signer, _| {
        let (section, key) = tx.profile(&profile, signer)?;
        let missing = vault::Error::NoSecret { profile: profile.clone(), name: args.old.clone() };
        let secret = section.secrets.remove(&args.old).ok_or(missing)?;
        copy_secret(&secret, (key, &args.old), section, &Target { key, name: &args.new })?;
        Ok(Edit::Changed(()))
    })?;
    ui.note(&format!("renamed {} to {} in profile {profile}", args.old, args.new));
    Ok(())
}
