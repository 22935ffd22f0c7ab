use vault::git::{Origin, Repair, unmerged};
use vault::merge::Choices;
use vault::store;

use super::conflicts;
use super::settle::{Stopped, accepts, file, shown};
use crate::cli::context::{Context, read_vault};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::git;
use crate::cli::ui::{Ui, typed};

/// Make a file that does not verify again, from the commits that do
///
/// After a merge without the driver (on a web page, or in a clone where it was
/// not installed) the signatures are broken or conflict markers are in the file.
/// This merges the parents again. What the working tree says is never signed.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Report what would be done, and change nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

pub(crate) fn run(cx: &mut Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    let (path, directory) = file(cx)?;
    let there = read_vault(&path)?;
    let run = git::runner(&directory);
    let name = path.file_name().unwrap_or_default().to_owned();
    let sources = match unmerged(&run, &name)? {
        Some(sources) if there != sources.ours && there != sources.theirs && accepts(&there) => {
            ui.note(&format!("{} verifies as it is; next: git add {}", shown(&path), typed(&path)));
            return Ok(());
        }
        Some(sources) => sources,
        None if accepts(&there) => {
            ui.note(&format!("{} verifies; there is nothing to repair", shown(&path)));
            return Ok(());
        }
        None => match vault::git::repair(&run, &name, &accepts)? {
            Repair::Merge(sources) => sources,
            Repair::Committed(bytes) => {
                return restore(
                    cx,
                    ui,
                    args,
                    &path,
                    &bytes,
                    "in the last commit; the working tree was changed by hand",
                );
            }
            Repair::Edited { commit, before } => {
                let from = format!("before commit {}, which changed it by hand", &commit[..commit.len().min(12)]);
                return restore(cx, ui, args, &path, &before, &from);
            }
            _ => return Err(vault::git::Error::Unexplained.into()),
        },
    };
    let from = match &sources.origin {
        Origin::Parents(one, other) => format!("commits {} and {}", short(one), short(other)),
        _ => "the two sides of the merge".to_owned(),
    };
    let stopped = Stopped::of(path, directory, sources)?;
    let plan = stopped.plan().inspect_err(|error| conflicts::show_team(ui, error))?;
    if args.dry_run {
        ui.note(&format!("would merge {from} again"));
        conflicts::show(ui, &plan.conflicts(&Choices::new(), cx.now())?);
        return Ok(());
    }
    if let Some(merged) = plan.as_taken()? {
        stopped.replace(cx, merged.bytes())?;
    } else {
        let opened = stopped.open(cx, ui, &plan)?;
        let actor = cx.actor(ui, &opened)?;
        if let Err(open) = stopped.write(cx, &opened, &actor, &plan, &Choices::new())? {
            conflicts::show(ui, &open);
            conflicts::hint(ui, &open);
            return Err(CommandError::Said(Exit::Found));
        }
    }
    ui.note(&format!("merged {from} again into {}", shown(&stopped.path)));
    stopped.next(ui);
    Ok(())
}

/// Puts back an older file that verifies, if a person says so. Nothing is signed.
fn restore(
    cx: &Context,
    ui: &mut Ui,
    args: &Args,
    path: &std::path::Path,
    bytes: &[u8],
    from: &str,
) -> Result<(), CommandError> {
    ui.note(&format!("{} verifies as it was {from}", shown(path)));
    if args.dry_run {
        ui.note("would put that back, once a person says so");
        return Ok(());
    }
    if !ui.confirm("Put that back? What was changed by hand is lost.").map_err(CommandError::Terminal)? {
        ui.hint("nothing was changed; `git checkout COMMIT -- FILE` puts it back without asking");
        return Err(CommandError::Said(Exit::Found));
    }
    let directory = path.parent().unwrap_or(std::path::Path::new("/"));
    let _lock = store::Lock::acquire(directory, cx.globals.lock_timeout())?;
    Ok(store::replace(path, bytes, store::Mode::Shared)?)
}

fn short(commit: &str) -> &str {
    commit.get(..12).unwrap_or(commit)
}
