//! `vault git`: merging and showing vault files in a clone.

mod conflicts;
mod merge;
mod repair;
mod resolve;
mod settle;

use std::path::PathBuf;

use vault::git::describe;
use vault::{MAX_FILE, store};

use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::git;
use crate::cli::ui::{Ui, clean};

/// Merge vault files with git, and show their changes
///
/// Git calls `merge` and `diff` by itself once `install` told the clone to; the
/// first change of a vault in a clone does that too.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// Tell this clone how to merge vault files and show their changes
    Install {
        /// Report what would be set, and set nothing
        #[arg(long, short = 'n')]
        dry_run: bool,
    },
    /// Show a vault file as text without values; for git's `textconv`
    Diff {
        /// The vault file
        file: PathBuf,
    },
    Merge(merge::Args),
    Resolve(resolve::Args),
    Repair(repair::Args),
}

pub(crate) fn run(cx: &mut Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    match &args.command {
        Command::Install { dry_run } => install(cx, ui, *dry_run),
        Command::Diff { file } => {
            // Whatever it is, git wants a text: this trusts nothing and opens nothing.
            let text = describe(&store::read(file, MAX_FILE)?);
            text.lines().for_each(|line| ui.line(&clean(line)));
            Ok(())
        }
        Command::Merge(args) => merge::run(cx, ui, args),
        Command::Resolve(args) => resolve::run(cx, ui, args),
        Command::Repair(args) => repair::run(cx, ui, args),
    }
}

fn install(cx: &Context, ui: &mut Ui, dry_run: bool) -> Result<(), CommandError> {
    let (path, _) = cx.vault_path()?;
    let installed = git::install(&path, dry_run)?;
    if !installed.settings && !installed.attributes {
        ui.note("git: this clone knows already how to merge vault files");
    } else if dry_run {
        let settings = installed.settings.then_some("set merge.vault and diff.vault in this clone");
        let attributes = installed.attributes.then_some("add the vault file to .gitattributes");
        ui.note(&format!("would {}", [settings, attributes].into_iter().flatten().collect::<Vec<_>>().join(" and ")));
    } else {
        git::report(ui, &installed);
    }
    Ok(())
}
