use std::path::PathBuf;
use std::rc::Rc;

use vault::identity::RecoveryCode;
use vault::{MemberName, NewDevice, Signer, team};

use crate::cli::context::{Actor, Context};
use crate::cli::error::CommandError;
use crate::cli::record::{Change, Edit};
use crate::cli::ui::Ui;
use crate::cli::{enroll, input, recovery_code};

/// Enrol this machine with the recovery code
///
/// Adds it as a device of an admin, and replaces the code by a new one, which is
/// shown once. Every profile gets a new key.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    enroll: enroll::Args,

    /// Read the recovery code from this file instead of asking for it; `-` is standard input
    #[arg(long, value_name = "FILE")]
    code_file: Option<PathBuf>,

    /// Put the new recovery code in this new file instead of showing it
    #[arg(long, value_name = "FILE")]
    recovery_file: Option<PathBuf>,

    /// Check the code, report what would change, and change nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

pub(crate) fn run(cx: &mut Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    let opened = cx.open(ui)?;
    let vault_team = opened.vault.team();
    let recovery = vault_team.recovery().ok_or(CommandError::NoRecovery)?;
    let admins: Vec<&MemberName> =
        vault_team.members().iter().filter(|(_, role)| role.admin).map(|(name, _)| name).collect();
    // Where there is only one admin, it is them.
    let only = if let [admin] = admins[..] { Some(admin) } else { None };
    let (member, device) = enroll::names(cx, &args.enroll, only)?;
    let change = Change::team("recover", &[device.as_str()]);
    cx.attempt_change(&change);
    if !admins.contains(&&member) {
        return Err(CommandError::NoAdmin(member));
    }
    if vault_team.devices().contains_key(&device) {
        return Err(vault::Error::NameUsed { what: "device", name: device.to_string() }.into());
    }
    if args.recovery_file.is_none() && !ui.can_ask() {
        return Err(CommandError::usage(
            "without a terminal, say where the new code goes: `--recovery-file FILE`".to_owned(),
        ));
    }
    let text = match &args.code_file {
        Some(path) if path.as_os_str() == "-" => input::line_from_standard_input()?,
        Some(path) => input::value_file(path)?,
        None => ui.hidden("Recovery code").map_err(CommandError::terminal)?.ok_or(CommandError::NoPassphrase)?,
    };
    let code = RecoveryCode::parse(&text)?;
    let recovery_identity = recovery
        .sealed
        .open(&code.as_passphrase(), &recovery.recipient, &recovery.signing_key)
        .map_err(|_| CommandError::WrongCode)?;

    if args.dry_run {
        cx.settled();
        ui.note(&format!("would add {device} as a device of {member}, and replace the recovery code"));
        return Ok(());
    }
    let identity = enroll::identity(cx, ui, &args.enroll.keep)?;
    identity.say(ui);
    let new_code = RecoveryCode::generate()?;
    let new_device = NewDevice {
        device: device.clone(),
        recipient: identity.key.recipient(),
        signing_key: Some(identity.key.signing_key().public()),
    };
    let actor = Actor { identity: Rc::new(identity.key), device: device.clone() };
    let by_recovery = Signer { device: vault::DeviceName::recovery().clone(), identity: &recovery_identity };
    cx.change_as(ui, &actor, &opened, &change, |tx, signer, now| {
        team::enroll(tx, &member, new_device, &by_recovery, now)?;
        team::new_recovery(tx, &new_code.as_passphrase(), signer, now)?;
        // Last of all that can be refused, and before the vault that needs it exists.
        if let Some(file) = &args.recovery_file {
            recovery_code::write(&new_code, file)?;
        }
        Ok(Edit::Changed(()))
    })?;
    cx.remember_device(&opened, &device)?;
    ui.note(&format!("{device} is a device of {member} now; the old recovery code is worth nothing"));
    recovery_code::hand_out(ui, &new_code, args.recovery_file.as_deref());
    ui.note(&format!("if the old machine was lost: `vault member remove {member} --device DEVICE`"));
    Ok(())
}
