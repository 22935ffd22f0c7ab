use std::path::PathBuf;

use vault::identity::RecoveryCode;
use vault::team;

use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::record::{Change, Edit};
use crate::cli::recovery_code;
use crate::cli::ui::Ui;

/// Make a new recovery code
///
/// The old one, if there is one, is worth nothing from then on: every profile gets
/// a new key.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// Make a new recovery code, in place of the old one
    New {
        /// Put the code in this new file instead of showing it
        #[arg(long, value_name = "FILE")]
        recovery_file: Option<PathBuf>,

        /// Report what would change, and change nothing
        #[arg(long, short = 'n')]
        dry_run: bool,
    },
}

pub(crate) fn run(cx: &mut Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    let Command::New { recovery_file, dry_run } = &args.command;
    if recovery_file.is_none() && !ui.can_ask() {
        return Err(CommandError::usage(
            "without a terminal, say where the code goes: `--recovery-file FILE`".to_owned(),
        ));
    }
    let opened = cx.open(ui)?;
    let code = RecoveryCode::generate()?;
    cx.change(ui, &opened, &Change::team("recovery-new", &[]).only_tried(*dry_run), |tx, signer, now| {
        team::new_recovery(tx, &code.as_passphrase(), signer, now)?;
        // Last of all that can be refused, and before the vault that needs it exists.
        if let Some(file) = recovery_file.as_ref().filter(|_| !dry_run) {
            recovery_code::write(&code, file)?;
        }
        Ok(Edit::Changed(()))
    })?;
    if *dry_run {
        ui.note("would make a new recovery code, and new keys for every profile");
        return Ok(());
    }
    recovery_code::hand_out(ui, &code, recovery_file.as_deref());
    Ok(())
}
