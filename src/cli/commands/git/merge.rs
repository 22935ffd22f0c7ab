use std::path::{Path, PathBuf};

use vault::merge::{Choices, How, Plan};
use vault::{MAX_FILE, Signer, Vault, store};

use super::conflicts;
use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::git;
use crate::cli::ui::Ui;

/// Merge two versions of a vault file; git calls this
///
/// Ends with status 0 and the merged file in place of OURS, or with another
/// status and OURS as it was.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The common ancestor (git's %O)
    base: PathBuf,
    /// Our version, replaced by the result (git's %A)
    ours: PathBuf,
    /// Their version (git's %B)
    theirs: PathBuf,
    /// The path of the file in the working tree (git's %P)
    path: PathBuf,
}

pub(crate) fn run(cx: &mut Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    let read = |path: &Path| store::read(path, MAX_FILE);
    // An ancestor that cannot be read is none; then whatever differs is a conflict.
    let base = read(&args.base).ok().and_then(|bytes| Vault::read(bytes, &[]).ok());
    let side =
        |side, bytes| Vault::read(bytes, &[]).map_err(|rejected| vault::merge::MergeError::Side { side, rejected });
    let ours = side(vault::merge::Side::Ours, read(&args.ours)?)?;
    let theirs = side(vault::merge::Side::Theirs, read(&args.theirs)?)?;
    let plan = Plan::new(base.as_ref(), &ours, &theirs, how()).inspect_err(|error| {
        conflicts::show_team(ui, error);
    })?;
    if let Some(merged) = plan.as_taken()? {
        return Ok(store::replace(&args.ours, merged.bytes(), store::Mode::Shared)?);
    }
    let now = cx.now();
    // What is open without any key may need nobody to unlock anything.
    let open = plan.conflicts(&Choices::new(), now)?;
    let needs_no_key = |conflict: &vault::merge::Conflict| conflict.why != vault::merge::Why::Values;
    if !open.is_empty() && open.iter().all(needs_no_key) {
        return stop(ui, &open);
    }
    let opened = cx.open_bytes(ui, args.path.clone(), plan.side(plan.team()).bytes().to_vec())?;
    let actor = match cx.actor(ui, &opened) {
        Ok(actor) => actor,
        Err(_) if open.iter().any(needs_no_key) => return stop(ui, &open),
        Err(error) => {
            conflicts::show(ui, &open);
            return Err(error);
        }
    };
    let signer = Signer { device: actor.device.clone(), identity: &*actor.identity };
    let merge = match plan.merge(&signer, &Choices::new(), now)? {
        Ok(merge) => merge,
        Err(open) => return stop(ui, &open),
    };
    let profiles: Vec<_> = merge.profiles().cloned().collect();
    cx.sign_merge(
        &opened,
        &actor,
        &profiles,
        |signer, memory, head, now| Ok(merge.sign(&plan, signer, memory, Some(head), now)?),
        |written| Ok(store::replace(&args.ours, written.bytes(), store::Mode::Shared)?),
    )
}

fn stop(ui: &mut Ui, open: &[vault::merge::Conflict]) -> Result<(), CommandError> {
    conflicts::show(ui, open);
    conflicts::hint(ui, open);
    Err(CommandError::Said(Exit::Found))
}

/// What git is doing, as far as it tells a driver.
fn how() -> How {
    // git-merge(1) names the heads for its drivers.
    let merging = std::env::vars_os().any(|(name, _)| name.to_string_lossy().starts_with("GITHEAD_"));
    let rebasing = || {
        let there = |name| git::private_path(Path::new("."), name).is_some_and(|path| path.exists());
        there("rebase-merge") || there("rebase-apply")
    };
    if merging {
        How::Merge
    } else if rebasing() {
        How::Rebase
    } else {
        How::Pick
    }
}
