use vault::DeviceName;
use vault::audit::{Finding, Log};

use super::verify;
use crate::cli::anchors;
use crate::cli::context::{Context, Opened};
use crate::cli::error::CommandError;
use crate::cli::record::all_sections;
use crate::cli::ui::Ui;

/// Begin a new log after the old one was found changed or gone
///
/// Nothing is deleted: the old log stays where it is, as evidence. The first
/// record of the new one says why, what was found, and where the old one was
/// remembered to end. Look into `vault audit verify` first.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Why, for the record, for example `restored from backup`
    #[arg(long, value_name = "TEXT")]
    reason: String,

    /// Do not ask
    #[arg(long)]
    yes: bool,

    /// Report what was found, and begin nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

pub(super) fn run(cx: &Context, ui: &mut Ui, opened: &Opened, args: &Args) -> Result<(), CommandError> {
    let reason = args.reason.trim();
    if reason.is_empty() {
        return Err(CommandError::usage("the reason is empty".to_owned()));
    }
    let device = opened.memory.borrow().device().cloned();
    let place = cx.audit_place(&opened.vault.id(), device.as_ref());
    let sections = all_sections(&opened.vault)?;
    let known = device.as_ref().and_then(|device| anchors::of_device(&sections, device));
    let log = Log::new(place, cx.globals.lock_timeout())?;
    let mut log = match known.clone() {
        Some(known) => log.anchored(known),
        None => log,
    };
    // What a use does not look at, a verification finds.
    let (found, wrong) = match log.tampering()? {
        Some(found) => (found.to_string(), None),
        None => {
            let Finding { kind, sequence, detail, .. } =
                wrong(cx, opened, device.as_ref())?.ok_or(CommandError::LogIsWhole)?;
            let record = sequence.map_or_else(String::new, |sequence| format!(" record {sequence}"));
            (format!("{kind}{record}: {detail}"), Some(kind))
        }
    };
    ui.note(&format!("what was found: {found}"));
    if args.dry_run {
        ui.note("would begin a new log, and keep the old one");
        return Ok(());
    }
    if !args.yes {
        if !ui.can_ask() {
            return Err(CommandError::NotConfirmed);
        }
        let question = "Was that looked into, and is a new log to be begun?";
        if !ui.confirm(question).map_err(CommandError::Terminal)? {
            return Err(CommandError::NotConfirmed);
        }
    }
    // With an identity at hand the new log is certified from its first record on.
    let actor = cx.actor(ui, opened).ok().filter(|actor| device.as_ref().is_none_or(|device| *device == actor.device));
    let member = actor.as_ref().and_then(|actor| opened.vault.team().devices().get(&actor.device));
    let member = member.map(|device| device.member.to_string());
    let identity = actor.as_ref().map(|actor| &*actor.identity);
    let mut trail = cx.trail(&opened.vault.id(), device.as_ref(), member, identity)?.anchored(known);
    let head = trail.begin_again(reason, wrong, cx.now())?;
    ui.note(&format!("a new log was begun at {head}; the old one is kept"));
    Ok(())
}

/// What a verification finds wrong with the log that this device goes on with.
fn wrong(cx: &Context, opened: &Opened, device: Option<&DeviceName>) -> Result<Option<Finding>, CommandError> {
    let (name, anchors) = (device.map(ToString::to_string), verify::anchors(opened)?);
    let report = verify::one(cx, opened, (name.as_ref(), &anchors), &[], false, &mut |_| {})?;
    Ok(verify::first_wrong(&report).cloned())
}
