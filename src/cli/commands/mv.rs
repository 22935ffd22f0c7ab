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
    let profile = cx.profile();
    cx.attempt("mv", &profile, std::slice::from_ref(&args.old));
    let opened = cx.open(ui)?;
    let sections = cx.sections(ui, &opened, std::slice::from_ref(&profile))?;
    cx.check_own(&opened, &sections[0], &args.old)?;
    if sections[0].contains(&args.new) {
        return Err(vault::Error::SecretExists { profile, name: args.new.clone() }.into());
    }
    let names = [args.old.clone(), args.new.clone()];
    let change = Change::of("mv", &profile, &names).only_tried(args.dry_run);
    cx.change(ui, &opened, &change, |tx, signer, _| {
        let (section, key) = tx.profile(&profile, signer)?;
        let missing = vault::Error::NoSecret { profile: profile.clone(), name: args.old.clone() };
        let secret = section.secrets.remove(&args.old).ok_or(missing)?;
        copy_secret(&secret, (key, &args.old), section, &Target { key, name: &args.new })?;
        Ok(Edit::Changed(()))
    })?;
    let done = if args.dry_run { "would rename" } else { "renamed" };
    ui.note(&format!("{done} {} to {} in profile {profile}", args.old, args.new));
    Ok(())
}
