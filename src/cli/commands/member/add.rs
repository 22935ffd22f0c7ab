use vault::crypto::{IdentityKey, Recipient};
use vault::team::{self, Access, Asked, ReplaceRequest, Request, SealRequest};
use vault::{DeviceName, MemberName, NewDevice, Role};

use super::{AccessArgs, describe, print_worklist, report};
use crate::cli::context::{Context, Opened};
use crate::cli::error::CommandError;
use crate::cli::record::{Change, Edit};
use crate::cli::ui::Ui;

/// Approve a request: to join, to replace an identity, to carry it sealed
///
/// Shows who it is and what they are about to get, and adds them. A request of
/// somebody who is in already adds another device of theirs. That of a device to have
/// its identity replaced, or carried sealed, is signed by this device.
#[derive(clap::Args, Debug)]
pub(crate) struct ApproveArgs {
    /// The line that was printed for them
    #[arg(value_name = "REQUEST")]
    request: Asked,

    #[command(flatten)]
    access: AccessArgs,

    /// Report what would be granted, and change nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

/// Add somebody who cannot ask: a CI system, or a bare age recipient
///
/// `--new-identity` makes an identity and prints, once, what the other side sets:
/// VLT_IDENTITY and VLT_VAULT_ID. A recipient of its own can read and not write.
/// With `--device` and the name of a member, another device of theirs.
#[derive(clap::Args, Debug)]
#[command(group(clap::ArgGroup::new("key").args(["new_identity", "recipient"]).required(true)))]
pub(crate) struct Args {
    /// Name of the member, and of its device unless `--device` says otherwise
    name: MemberName,

    /// Make an identity for it and print it once
    #[arg(long)]
    new_identity: bool,

    /// Its age recipient, for example `age1…`; with the feature `ssh` also `ssh-ed25519 …`
    #[arg(long, value_name = "RECIPIENT", value_parser = recipient)]
    recipient: Option<Recipient>,

    /// Name of its device
    #[arg(long, value_name = "NAME")]
    device: Option<DeviceName>,

    #[command(flatten)]
    access: AccessArgs,

    /// Report what would be granted, and change nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

/// A recipient; of a line of `id_ed25519.pub` without its comment.
fn recipient(text: &str) -> Result<Recipient, vault::crypto::Error> {
    match text.split_whitespace().collect::<Vec<_>>()[..] {
        [kind @ "ssh-ed25519", key, ..] => format!("{kind} {key}").parse(),
        _ => text.parse(),
    }
}

pub(super) fn approve(cx: &Context, ui: &mut Ui, args: &ApproveArgs) -> Result<(), CommandError> {
    let opened = cx.open(ui)?;
    if args.request.id() != opened.vault.id() {
        return Err(CommandError::OtherVaultsRequest(args.request.id()));
    }
    if !matches!(args.request, Asked::Join(_)) && !args.access.is_empty() {
        return Err(CommandError::usage("that request changes nothing about what they may do".to_owned()));
    }
    match &args.request {
        Asked::Join(request) => join(cx, ui, args, &opened, request),
        Asked::Replace(request) => replace(cx, ui, args, &opened, request),
        Asked::Seal(request) => seal(cx, ui, args, &opened, request),
    }
}

fn join(cx: &Context, ui: &mut Ui, args: &ApproveArgs, opened: &Opened, request: &Request) -> Result<(), CommandError> {
    ui.note(&format!("{} on {}", request.member, request.device));
    ui.note(&format!("  fingerprint  {}", request.fingerprint()));
    let access = access_of(opened, &request.member, &args.access)?;
    args.access.check_profiles(cx, opened)?;
    if opened.vault.team().members().contains_key(&request.member) {
        // Somebody else's name in a request is how one would ask for their rights.
        ui.note(&format!("  another device of {}, who is in already", request.member));
    }
    ui.note(&format!("  gets         {}", describe(&access)));
    confirm(ui, args)?;
    add(cx, ui, opened, &request.member, request.to_device(), &access.to_role(), args.dry_run)?;
    if args.dry_run {
        ui.note(&format!("would add {}", request.device));
        return Ok(());
    }
    ui.note(&format!("added {}; commit and push the vault file for them to see it", request.device));
    Ok(())
}

/// A new identity in the place of a device's, which asked for it.
fn replace(
    cx: &Context,
    ui: &mut Ui,
    args: &ApproveArgs,
    opened: &Opened,
    request: &ReplaceRequest,
) -> Result<(), CommandError> {
    let member = request.check(opened.vault.team())?;
    ui.note(&format!("{} in the place of {}, of {member}", request.device, request.old));
    ui.note(&format!("  recipient  {}", request.recipient));
    if request.leaked {
        ui.note("  the old identity may be in other hands: what it could read is marked as exposed");
    }
    confirm(ui, args)?;
    let change = Change::team("identity-rotate", &[request.old.as_str(), request.device.as_str()]);
    let change = change.only_tried(args.dry_run);
    let edit = cx.change(ui, opened, &change, |tx, signer, now| {
        request.check(tx.team())?;
        Ok(Edit::Changed(team::replace(tx, &request.old, request.to_device(), request.leaked, signer, now)?))
    })?;
    if args.dry_run {
        ui.note(&format!("would put {} in the place of {}", request.device, request.old));
        return Ok(());
    }
    let (Edit::Changed(removal) | Edit::Unchanged(removal)) = edit;
    let report = report(cx, opened, &removal)?;
    ui.note(&format!("{} takes the place of {}; commit and push the vault file", request.device, request.old));
    ui.note(&format!("then {member} types `vault identity rotate` once more"));
    if removal.recovery_left {
        ui.warn("the recovery code is void with the old device; make one with `vault recovery new`");
    }
    if request.leaked {
        print_worklist(ui, &report);
    }
    Ok(())
}

/// The identity of a device carried sealed, as the device asked.
fn seal(
    cx: &Context,
    ui: &mut Ui,
    args: &ApproveArgs,
    opened: &Opened,
    request: &SealRequest,
) -> Result<(), CommandError> {
    let member = request.check(opened.vault.team())?;
    ui.note(&format!(
        "the identity of {}, of {member}, carried in the vault file, sealed with six words",
        request.device
    ));
    team::check_sealable(opened.vault.team(), &request.device)?;
    confirm(ui, args)?;
    let change = Change::team("identity-seal", &[request.device.as_str()]).only_tried(args.dry_run);
    cx.change(ui, opened, &change, |tx, signer, now| {
        request.check(tx.team())?;
        team::seal(tx, &request.device, request.sealed.clone(), signer, now)?;
        Ok(Edit::Changed(()))
    })?;
    if args.dry_run {
        ui.note(&format!("would carry the identity of {}, sealed", request.device));
        return Ok(());
    }
    ui.note("carried from now on; commit and push the vault file");
    Ok(())
}

fn confirm(ui: &mut Ui, args: &ApproveArgs) -> Result<(), CommandError> {
    if !args.dry_run && ui.can_ask() && !ui.confirm("Is this the person, and right?").map_err(CommandError::Terminal)? {
        return Err(CommandError::NotConfirmed);
    }
    Ok(())
}

pub(super) fn run(cx: &Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    let opened = cx.open(ui)?;
    let access = access_of(&opened, &args.name, &args.access)?;
    if args.device.is_none() && opened.vault.team().members().contains_key(&args.name) {
        return Err(vault::Error::NameUsed { what: "member", name: args.name.to_string() }.into());
    }
    args.access.check_profiles(cx, &opened)?;
    let device = match &args.device {
        Some(device) => device.clone(),
        None => args.name.as_str().parse().map_err(|_| CommandError::Internal("a member's name is a device's"))?,
    };
    let (device, identity) = match &args.recipient {
        Some(recipient) => (NewDevice { device, recipient: recipient.clone(), signing_key: None }, None),
        None => {
            let identity = IdentityKey::generate()?;
            let signing_key = Some(identity.signing_key().public());
            (NewDevice { device, recipient: identity.recipient(), signing_key }, Some(identity))
        }
    };
    let asked = args.access.access();
    if args.recipient.is_some() && (asked.admin || !asked.write.is_empty()) {
        return Err(CommandError::usage("a bare recipient has no signing key: it can only read".to_owned()));
    }
    add(cx, ui, &opened, &args.name, device.clone(), &access.to_role(), args.dry_run)?;
    if args.dry_run {
        ui.note(&format!("would add {} on {}: {}", args.name, device.device, describe(&access)));
        return Ok(());
    }
    ui.note(&format!("added {} on {}: {}", args.name, device.device, describe(&access)));
    if let Some(identity) = identity {
        ui.note("shown once; set both as secret variables over there:");
        // To standard output, as asked: this is how the other side gets its identity.
        ui.value(b"VLT_IDENTITY=");
        ui.value(identity.to_text().reveal());
        ui.value(format!("\nVLT_VAULT_ID={}\n", opened.vault.id()).as_bytes());
    }
    Ok(())
}

/// What a new member is given; what a member has, of whom a device is added.
fn access_of(opened: &Opened, member: &MemberName, asked: &AccessArgs) -> Result<Access, CommandError> {
    match opened.vault.team().members().get(member) {
        None => Ok(asked.access()),
        Some(role) if asked.is_empty() => Ok(Access::of(role)),
        Some(_) => Err(CommandError::usage(format!(
            "{member} is a member already; change what they may do with `vault member grant`"
        ))),
    }
}

fn add(
    cx: &Context,
    ui: &mut Ui,
    opened: &Opened,
    member: &MemberName,
    device: NewDevice,
    role: &Role,
    dry_run: bool,
) -> Result<(), CommandError> {
    let change = Change::team("member-add", &[member.as_str(), device.device.as_str()]).only_tried(dry_run);
    cx.change(ui, opened, &change, |tx, signer, now| {
        team::add(tx, member, device, role, signer, now).map_err(|error| cx.name_profiles(opened, error))?;
        Ok(Edit::Changed(()))
    })
    .map(drop)
}
