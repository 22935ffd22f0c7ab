use vault::merge::{Choices, Conflict, Item, MergeError, Side, Why};

use super::conflicts;
use super::settle::{Kept, Stopped, shown};
use crate::cli::args::Unshown;
use crate::cli::context::{Actor, Context};
use crate::cli::error::CommandError;
use crate::cli::input;
use crate::cli::ui::Ui;

/// Settle a conflict of a merge that stopped
///
/// The other value is kept among the earlier ones. `@team` keeps the team log of one
/// side and makes the other side's changes of the team again: only somebody who is an
/// admin on both can. With the last conflict settled the merged file is signed and
/// written, in one write.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Name of the secret, or `@team`, `@policy` or `@profile` as the merge named it
    name: String,

    /// `-` reads another value from standard input
    #[arg(value_name = "-", conflicts_with_all = ["ours", "theirs"])]
    source: Option<Unshown>,

    /// Take our side; in a rebase, what the commits are put upon
    #[arg(long, conflicts_with = "theirs")]
    ours: bool,

    /// Take their side; in a rebase or cherry-pick, the commit that is applied
    #[arg(long)]
    theirs: bool,

    /// Keep every byte of standard input, also a final newline
    #[arg(long)]
    raw: bool,

    /// Report what would be settled, and change nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

pub(crate) fn run(cx: &mut Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    Unshown::check(args.source.as_ref())?;
    if !args.ours && !args.theirs && args.source.is_none() {
        return Err(CommandError::usage("say what it is to be: `--ours`, `--theirs`, or `-`".to_owned()));
    }
    let mut stopped = Stopped::find(cx)?;
    if args.name == TEAM {
        return team(cx, ui, args, &mut stopped);
    }
    let plan = stopped.plan().inspect_err(|error| conflicts::show_team(ui, error))?;
    let mut kept = stopped.kept()?;
    let choices = |kept: &[Kept]| -> Result<Choices, CommandError> {
        kept.iter().map(|choice| choice.to_choice(&plan, None)).collect()
    };
    let open = plan.conflicts(&choices(&kept)?, cx.now())?;
    let meant: Vec<_> = open
        .iter()
        .filter(|conflict| conflicts::item_name(&conflict.item) == args.name)
        .filter(|conflict| cx.globals.profile.as_ref().is_none_or(|profile| conflict.profile == *profile))
        .collect();
    let conflict = match the_one(&meant) {
        Some(conflict) => conflict,
        None if meant.is_empty() => {
            conflicts::show(ui, &open);
            return Err(CommandError::NoSuchConflict(args.name.clone()));
        }
        None => return Err(CommandError::usage("more than one profile has it: pass `--profile NAME`".to_owned())),
    };
    if args.dry_run {
        // As below: only the last choice, or a value, needs somebody who may write.
        if open.len() == 1 || args.source.is_some() {
            let opened = stopped.open(cx, ui, &plan)?;
            let actor = cx.actor(ui, &opened)?;
            if !opened.vault.team().writes(&actor.device, &conflict.profile) {
                let profile = conflict.profile.clone();
                return Err(vault::Error::NoWrite { device: actor.device, profile }.into());
            }
        }
        let side = match (args.ours, args.theirs) {
            (true, _) => "our side",
            (_, true) => "their side",
            _ => "a value from standard input",
        };
        ui.note(&format!("would settle {} with {side}; {} would be left", args.name, open.len() - 1));
        return Ok(());
    }
    let opened = stopped.open(cx, ui, &plan)?;
    // Everything that signs or seals needs to be unlocked; so does the last choice. Whether
    // two values are the same shows only to who opens them: this may be the last one then.
    let is_last = open.len() == 1;
    let may_be_equal = |other: &&Conflict| other.why == Why::Values || **other == *conflict;
    let actor = if is_last || args.source.is_some() {
        Some(cx.actor(ui, &opened)?)
    } else if open.iter().all(|other| may_be_equal(&other)) {
        ui.without_asking(|ui| cx.actor(ui, &opened)).ok()
    } else {
        None
    };
    kept.push(match (&actor, args.source.is_some()) {
        (Some(actor), true) => {
            if !matches!(conflict.item, Item::Secret(_)) {
                return Err(CommandError::usage("only a secret takes a value".to_owned()));
            }
            let value = input::standard_input(ui, args.raw)?;
            if value.is_empty() {
                return Err(CommandError::EmptyValue);
            }
            Kept::value(conflict, &value, &Stopped::key(&plan, actor, &conflict.profile)?)?
        }
        _ => Kept::side(conflict, if args.theirs { Side::Theirs } else { Side::Ours }),
    });
    let rest: Vec<&Conflict> = open.iter().filter(|open| !kept.iter().any(|choice| choice.is_for(open))).collect();
    let mut left = rest.len();
    if let (true, Some(actor)) = (rest.iter().all(may_be_equal), &actor) {
        let choices = kept.iter().map(|choice| choice.to_choice(&plan, Some(actor))).collect::<Result<_, _>>()?;
        match stopped.write(cx, &opened, actor, &plan, &choices)? {
            Ok(()) => {
                ui.note(&format!("settled {}; wrote and signed {}", args.name, shown(&stopped.path)));
                stopped.next(ui);
                return Ok(());
            }
            // A key showed more than the file alone.
            Err(open) => {
                left = open.len();
                conflicts::show(ui, &open);
            }
        }
    }
    stopped.keep(kept)?;
    ui.note(&format!("settled {}; {left} left", args.name));
    Ok(())
}

const TEAM: &str = "@team";

/// Settles two team logs; what else is open comes after.
fn team(cx: &Context, ui: &mut Ui, args: &Args, stopped: &mut Stopped) -> Result<(), CommandError> {
    if args.source.is_some() {
        return Err(CommandError::usage("only a secret takes a value".to_owned()));
    }
    let side = if args.theirs { Side::Theirs } else { Side::Ours };
    match stopped.plan() {
        // Whoever settled it did not come to the end: the rest is done now.
        Ok(_) if stopped.has_adopted(side) && !args.dry_run => {
            let opened = stopped.open(cx, ui, &stopped.plan()?)?;
            let actor = cx.actor(ui, &opened)?;
            return rest(cx, ui, stopped, &actor);
        }
        Ok(_) => return Err(CommandError::NoSuchConflict(TEAM.to_owned())),
        Err(MergeError::Team { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    if args.dry_run {
        let adopted = stopped.try_to_adopt(cx, ui, side)?;
        conflicts::show_adopted(ui, side, &adopted);
        ui.note(&format!("would settle {TEAM} like that"));
        return Ok(());
    }
    let had_code = stopped.ours.team().recovery().is_some() || stopped.theirs.team().recovery().is_some();
    let (actor, adopted) = stopped.adopt(cx, ui, side)?;
    conflicts::show_adopted(ui, side, &adopted);
    if had_code && adopted.vault.team().recovery().is_none() {
        ui.warn("there is no recovery code now; make one with `vault recovery new`");
    }
    rest(cx, ui, stopped, &actor)
}

/// What comes after the team: everything, if nothing else clashes.
fn rest(cx: &Context, ui: &mut Ui, stopped: &Stopped, actor: &Actor) -> Result<(), CommandError> {
    let plan = stopped.plan()?;
    let opened = stopped.open(cx, ui, &plan)?;
    if let Err(open) = stopped.write(cx, &opened, actor, &plan, &Choices::new())? {
        conflicts::show(ui, &open);
        conflicts::hint(ui, &open);
        ui.note(&format!("settled {TEAM}; {} left", open.len()));
        return Ok(());
    }
    ui.note(&format!("settled {TEAM}; wrote and signed {}", shown(&stopped.path)));
    stopped.next(ui);
    Ok(())
}

/// The one that is meant, if it is one.
fn the_one<'c>(meant: &[&'c Conflict]) -> Option<&'c Conflict> {
    if let [one] = meant { Some(*one) } else { None }
}
