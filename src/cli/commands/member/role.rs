use vault::MemberName;
use vault::team;

use super::{AccessArgs, describe};
use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::record::{Change, Edit};
use crate::cli::ui::Ui;

/// Give a member more
#[derive(clap::Args, Debug)]
pub(crate) struct GrantArgs {
    /// The member
    name: MemberName,

    #[command(flatten)]
    access: AccessArgs,

    /// Report what would be granted, and change nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

/// Take something away from a member
///
/// Without `--write` of a profile they still read it; without `--read` they do not.
/// What they could read gets a new key, and its values are marked as exposed.
#[derive(clap::Args, Debug)]
pub(crate) struct RevokeArgs {
    /// The member
    name: MemberName,

    #[command(flatten)]
    access: AccessArgs,

    /// Report what would be taken, and change nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

pub(super) fn grant(cx: &Context, ui: &mut Ui, args: &GrantArgs) -> Result<(), CommandError> {
    if args.access.is_empty() {
        return Err(CommandError::usage("say what: `--read PROFILE`, `--write PROFILE` or `--admin`".to_owned()));
    }
    let opened = cx.open(ui)?;
    super::check_member(&opened, &args.name)?;
    args.access.check_profiles(cx, &opened)?;
    let access = args.access.access();
    let change = Change::team("grant", &[args.name.as_str()]).only_tried(args.dry_run);
    let edit = cx.change(ui, &opened, &change, |tx, signer, now| {
        let changed = team::grant(tx, &args.name, &access, signer, now);
        let changed = changed.map_err(|error| cx.name_profiles(&opened, error))?;
        Ok(if changed { Edit::Changed(()) } else { Edit::Unchanged(()) })
    })?;
    ui.note(&match edit {
        Edit::Changed(()) if args.dry_run => format!("would give {}: {}", args.name, describe(&access)),
        Edit::Changed(()) => format!("gave {}: {}", args.name, describe(&access)),
        Edit::Unchanged(()) => format!("{} has that already; nothing changed", args.name),
    });
    Ok(())
}

pub(super) fn revoke(cx: &Context, ui: &mut Ui, args: &RevokeArgs) -> Result<(), CommandError> {
    if args.access.is_empty() {
        return Err(CommandError::usage("say what: `--read PROFILE`, `--write PROFILE` or `--admin`".to_owned()));
    }
    let opened = cx.open(ui)?;
    super::check_member(&opened, &args.name)?;
    args.access.check_profiles(cx, &opened)?;
    let access = args.access.access();
    let had_recovery = opened.vault.team().recovery().is_some();
    let change = Change::team("revoke", &[args.name.as_str()]).only_tried(args.dry_run);
    let edit = cx.change(ui, &opened, &change, |tx, signer, now| {
        let before = tx.team().members().get(&args.name).cloned();
        let rekeyed = team::revoke(tx, &args.name, &access, signer, now);
        let rekeyed = rekeyed.map_err(|error| cx.name_profiles(&opened, error))?;
        let lost_recovery = had_recovery && tx.team().recovery().is_none();
        let same = before.as_ref() == tx.team().members().get(&args.name);
        Ok(if same { Edit::Unchanged((rekeyed, false)) } else { Edit::Changed((rekeyed, lost_recovery)) })
    })?;
    match edit {
        Edit::Unchanged(_) => ui.note(&format!("{} does not have that; nothing changed", args.name)),
        Edit::Changed(_) if args.dry_run => {
            ui.note(&format!("would take from {}: {}", args.name, describe(&access)));
        }
        Edit::Changed((rekeyed, lost_recovery)) => {
            ui.note(&format!("took from {}: {}", args.name, describe(&access)));
            if !rekeyed.is_empty() {
                let names: Vec<&str> = rekeyed.iter().map(|name| name.as_str()).collect();
                ui.note(&format!(
                    "new keys for {}; what they held is marked as exposed, see `vault list`",
                    names.join(", ")
                ));
            }
            if lost_recovery {
                ui.warn("the recovery code is void with them; make a new one with `vault recovery new`");
            }
        }
    }
    Ok(())
}
