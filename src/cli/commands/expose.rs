use vault::{Exposure, SecretName, Text};

use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::record::{Change, Edit};
use crate::cli::ui::Ui;

/// Mark a value as leaked
///
/// It goes to the top of the due list until it changes. A secret that was removed
/// while exposed leaves the list with `--acknowledge`, once its value is revoked.
#[derive(clap::Args, Debug)]
#[command(group(clap::ArgGroup::new("what").args(["why", "acknowledge"]).required(true)))]
pub(crate) struct Args {
    /// Name of the secret
    name: SecretName,

    /// What happened, for example `pasted in a chat`
    #[arg(long, value_name = "TEXT")]
    why: Option<Text>,

    /// To whom it became known
    #[arg(long, value_name = "WHOM", requires = "why")]
    to: Option<Text>,

    /// The value of this removed secret was revoked at its provider
    #[arg(long)]
    acknowledge: bool,

    /// Report what would change, and change nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

pub(crate) fn run(cx: &mut Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    let (profile, name) = (cx.profile(), &args.name);
    cx.attempt(if args.acknowledge { "acknowledge" } else { "expose" }, &profile, std::slice::from_ref(name));
    let opened = cx.open(ui)?;
    let sections = cx.sections(ui, &opened, std::slice::from_ref(&profile))?;
    if args.acknowledge {
        if !sections[0].removed()?.contains_key(name) {
            return Err(vault::Error::NotRemoved(name.clone()).into());
        }
    } else {
        cx.check_own(&opened, &sections[0], name)?;
    }
    let action = if args.acknowledge { "acknowledge" } else { "expose" };
    let change = Change::of(action, &profile, std::slice::from_ref(name)).only_tried(args.dry_run);
    cx.change(ui, &opened, &change, |tx, signer, now| {
        let (section, _) = tx.profile(&profile, signer)?;
        match &args.why {
            Some(why) => {
                let exposure = Exposure { at: now, to: args.to.clone(), why: why.clone() };
                vault::expose(section, name, exposure)?;
            }
            None => vault::acknowledge(section, name)?,
        }
        Ok(Edit::Changed(()))
    })?;
    if args.dry_run {
        let what = if args.acknowledge { "take" } else { "mark" };
        let end = if args.acknowledge { "off the due list" } else { "as exposed" };
        ui.note(&format!("would {what} {name} in profile {profile} {end}"));
    } else if args.acknowledge {
        ui.note(&format!("{name} in profile {profile} is off the due list"));
    } else {
        ui.note(&format!("marked {name} in profile {profile} as exposed"));
        ui.hint(&format!("rotate it now: `vault rotate {name} --leaked`"));
    }
    Ok(())
}
