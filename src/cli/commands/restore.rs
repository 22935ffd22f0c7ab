use vault::SecretName;

use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::record::{Change, Edit};
use crate::cli::ui::Ui;

/// Go back to an earlier value
///
/// That makes a new version, as old as the value and with the leaks that are known
/// of it. A value that was revoked or exposed is only gone back to with `--force`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Name of the secret
    name: SecretName,

    /// The version to go back to; `vault history NAME` lists them
    #[arg(long, value_name = "N")]
    version: u64,

    /// Also if it was revoked or exposed
    #[arg(long)]
    force: bool,

    /// Report what would change, and change nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

pub(crate) fn run(cx: &mut Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    let (profile, name) = (cx.profile(), &args.name);
    cx.attempt("restore", &profile, std::slice::from_ref(name));
    let opened = cx.open(ui)?;
    let sections = cx.sections(ui, &opened, std::slice::from_ref(&profile))?;
    cx.check_own(&opened, &sections[0], name)?;
    let mut change = Change::of("restore", &profile, std::slice::from_ref(name)).only_tried(args.dry_run);
    change.overrides.extend(args.force.then(|| "force".to_owned()));
    let outcome = cx.change(ui, &opened, &change, |tx, signer, now| {
        let (section, key) = tx.profile(&profile, signer)?;
        let new = vault::restore(section, key, name, args.version, &signer.device, now, args.force)?;
        let version = section.secrets.get(name).map_or(0, |secret| secret.version);
        Ok(if new { Edit::Changed(version) } else { Edit::Unchanged(version) })
    })?;
    ui.note(&match outcome {
        Edit::Changed(_) if args.dry_run => {
            format!("would go back to version {} of {name} in profile {profile}", args.version)
        }
        Edit::Changed(version) => {
            format!("{name} in profile {profile} has the value of version {} again (version {version})", args.version)
        }
        Edit::Unchanged(_) => format!("{name} has this value already; nothing changed"),
    });
    Ok(())
}
