use vault::team::Request;

use crate::cli::context::Context;
use crate::cli::enroll;
use crate::cli::error::CommandError;
use crate::cli::git;
use crate::cli::ui::Ui;

/// Ask to be added to this vault
///
/// Makes an identity for this machine if there is none, and prints a request: one
/// line that holds nothing secret. Send it to an admin, who types
/// `vault member approve` with it.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    enroll: enroll::Args,

    /// Report what would be asked for, and make nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

pub(crate) fn run(cx: &mut Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    let opened = cx.open(ui)?;
    let (member, device) = enroll::names(cx, &args.enroll, None)?;
    let team = opened.vault.team();
    let check_names = || {
        if team.devices().contains_key(&device) {
            return Err(vault::Error::NameUsed { what: "device", name: device.to_string() });
        }
        if team.former_members().contains(&member) {
            return Err(vault::Error::NameUsed { what: "member", name: member.to_string() });
        }
        Ok(())
    };
    // No identity is made for a request that nobody could approve; but a machine that
    // has one may be in already, under these very names.
    if !enroll::has_identity(cx, ui, &args.enroll.keep)? {
        check_names()?;
    }
    if args.dry_run {
        let with = if enroll::has_identity(cx, ui, &args.enroll.keep)? {
            "the identity that is there"
        } else {
            "a new identity"
        };
        ui.note(&format!("would ask for {device} of {member}, with {with}"));
        return Ok(());
    }
    let identity = enroll::identity(cx, ui, &args.enroll.keep)?;
    if let Some(device) = team.device_of(&identity.key.recipient()) {
        ui.note(&format!("this machine is {device} in this vault already; nothing to ask for"));
        return Ok(());
    }
    // Nor would a request with a key that left be approved.
    if let Some(device) = team.former_device_of(&identity.key.recipient()) {
        return Err(vault::Error::Former(device.clone()).into());
    }
    check_names()?;
    let request = Request::new(opened.vault.id(), member, device.clone(), &identity.key);
    identity.say(ui);
    ui.note(&format!("fingerprint: {}, which the admin sees too", request.fingerprint()));
    ui.note(&format!("send this line to an admin of the vault; it asks for {device}, and is no secret:"));
    ui.line(&request.to_string());
    git::install_where_missing(ui, &opened.path);
    Ok(())
}
