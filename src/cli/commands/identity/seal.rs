use std::path::PathBuf;

use vault::crypto::SealedIdentity;
use vault::identity::SixWords;
use vault::team::{self, SealRequest};

use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::record::{Change, Edit};
use crate::cli::recovery_code;
use crate::cli::ui::Ui;

/// Carry this device's identity in the vault file, sealed with six words
///
/// The words are made here and shown once. With the vault file and these words every
/// machine is this device: `vault get` asks for them where it finds no other identity.
/// Whoever has the file may guess at them for ever, as git keeps it; so they are never
/// yours to choose, and cannot be changed. If somebody saw them: `vault identity rotate
/// --leaked`. Who is no admin gets a line for `vault member approve`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Put the six words in this new file instead of showing them
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,

    /// Report whether it could be sealed, and change nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

pub(crate) fn run(cx: &Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    cx.attempt_command("identity-seal");
    let file = args.passphrase_file.as_deref();
    let opened = cx.open(ui)?;
    let actor = cx.actor_in_hand(ui, &opened)?;
    let identity = actor.identity.in_hand().ok_or(vault::Error::NeedsIdentity)?;
    let vault_team = opened.vault.team();
    team::check_sealable(vault_team, &actor.device)?;
    let is_admin = vault_team.is_admin(&actor.device);
    if file.is_none() && !ui.can_ask() {
        return Err(CommandError::usage(
            "without a terminal, say where the six words go: `--passphrase-file FILE`".to_owned(),
        ));
    }
    if args.dry_run {
        let how = if is_admin { "would carry" } else { "would ask an admin to carry" };
        ui.note(&format!("{how} the identity of {} sealed with six new words", actor.device));
        return Ok(());
    }
    let words = SixWords::generate()?.as_passphrase();
    let sealed = SealedIdentity::seal(identity, &words)?;
    // As it will be opened one day: by the words as they are typed.
    let typed = SixWords::parse(&words, false)?.as_passphrase();
    sealed
        .open(&typed, &identity.recipient(), &identity.signing_key().public())
        .map_err(|_| CommandError::NotReadBack)?;
    if is_admin {
        let change = Change::team("identity-seal", &[actor.device.as_str()]);
        cx.change_as(ui, &actor, &opened, &change, |tx, signer, now| {
            team::seal(tx, &actor.device, sealed, signer, now)?;
            // Last of all that can be refused, and before the vault that needs it exists.
            if let Some(file) = file {
                recovery_code::write_text(&words, file)?;
            }
            Ok(Edit::Changed(()))
        })?;
        ui.note(&format!("the vault file carries the identity of {}, sealed; commit and push it", actor.device));
    } else {
        if let Some(file) = file {
            recovery_code::write_text(&words, file)?;
        }
        let request = SealRequest::new(opened.vault.id(), actor.device.clone(), sealed, identity);
        ui.note("only an admin can put it in the vault file: send them this line, for `vault member approve`");
        ui.line(&request.to_string());
    }
    recovery_code::hand_out_text(ui, "six words", &words, file);
    Ok(())
}
