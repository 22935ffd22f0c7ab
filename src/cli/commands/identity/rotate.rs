use std::path::{Path, PathBuf};
use std::rc::Rc;

use vault::audit::Outcome;
use vault::config::KeptIn;
use vault::crypto::{IdentityKey, Recipient};
use vault::identity::{self, IdentityFile, Origin, RecoveryCode, Replacement};
use vault::team::{self, ReplaceRequest};
use vault::{DeviceName, NewDevice, ProfileName, Signer, Team, Vault, store};

use crate::cli::commands::member;
use crate::cli::context::{Actor, Context, Opened, read_vault};
use crate::cli::error::CommandError;
use crate::cli::record::{Change, Edit};
use crate::cli::ui::Ui;
use crate::cli::{enroll, readback, recovery_code, unlock};

/// Replace this device's identity by a new one
///
/// The new one is a device of its own, as names are never used twice: `alice-laptop-2`
/// takes the place of `alice-laptop`, in one write with new keys for all it could read.
/// The old identity opens nothing that is stored from then on. If somebody else may have
/// it, or its passphrase, or the six words of `vault identity seal`, pass `--leaked`: a
/// new passphrase alone would not help, as copies and git history keep the old seal.
/// Who is no admin gets a line for `vault member approve`, and types `vault identity
/// rotate` once more when that is done. So does whoever was interrupted.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Mark every value the old identity could read as exposed, and list them
    #[arg(long)]
    leaked: bool,

    /// The name of this machine from then on [default: the old one with the next number]
    #[arg(long, value_name = "NAME")]
    device: Option<DeviceName>,

    /// Seal the new identity file with a passphrase, as is done where the old one is sealed
    #[arg(long)]
    passphrase: bool,

    /// An admin's recovery code is replaced as well: put the new one in this new file
    #[arg(long, value_name = "FILE")]
    recovery_file: Option<PathBuf>,

    /// Report what would be replaced, and change nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

/// The new identity first, stored and read back by another process; then the vault; then
/// the file. A crash in between leaves an identity beside the file that opens the vault,
/// is found there, and is put in its place by the next run.
pub(crate) fn run(cx: &Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    cx.attempt_command("identity-rotate");
    let opened = cx.open(ui)?;
    let Some(file) = unlock::file(cx) else {
        let variable = cx.variables.identity().is_some();
        return Err(CommandError::NotInFile(if variable { "VLT_IDENTITY" } else { "the keyring" }));
    };
    let replacement = Replacement::of(&file);
    let team = opened.vault.team();
    let waiting = replacement.read_next()?;
    if let Some(device) = waiting.as_ref().and_then(|next| team.device_of(&unlock::recipient(next))) {
        return put_in_place(cx, ui, &opened, &replacement, &file, &device, args.dry_run);
    }
    let actor = cx.actor_in_hand(ui, &opened)?;
    let in_hand = actor.identity.in_hand().ok_or(vault::Error::NeedsIdentity)?;
    let device = match &args.device {
        Some(device) if device.is_recovery() || team.devices().contains_key(device) => {
            return Err(vault::Error::NameUsed { what: "device", name: device.to_string() }.into());
        }
        Some(device) => device.clone(),
        None => successor(team, &actor.device)?,
    };
    let current = match IdentityFile::read(&file) {
        Err(identity::Error::Store(store::Error::Missing { .. })) => None,
        read => Some(read?),
    };
    // Where another vault had it replaced before, this one gets the same.
    let is_there = current.as_ref().is_some_and(|file| unlock::recipient(file) != actor.identity.recipient());
    let is_admin = team.is_admin(&actor.device);
    if args.dry_run {
        let how = if is_admin { "would put" } else { "would ask an admin to put" };
        ui.note(&format!("{how} {device} in the place of {}, with new keys for what it could read", actor.device));
        if is_admin && team.recovery().is_some() {
            let seen = args.recovery_file.is_some() || ui.can_ask();
            let new = if seen { "a new one would be made" } else { "without `--recovery-file` there would be none" };
            ui.note(&format!("the recovery code would be void, and {new}"));
        }
        return Ok(());
    }
    let was_sealed = matches!(current, Some(IdentityFile::Sealed(_)));
    let new = match (current, waiting) {
        (Some(current), _) if is_there => unlock::open(cx, ui, current, &Origin::File(file.clone()))?,
        (_, Some(next)) => unlock::open(cx, ui, next, &Origin::File(replacement.next()))?,
        (_, None) => {
            let made = make(cx, ui, &replacement.next(), args.passphrase || was_sealed)?;
            if was_sealed && identity::can_be_had(&cx.variables, false) {
                ui.warn(
                    "the new identity has the passphrase that the environment gives for the old one; \
                     on a terminal, without VLT_PASSPHRASE_FILE and VLT_PASSPHRASE_FD, another one is asked for",
                );
            }
            made
        }
    };
    if !is_admin {
        let old = (actor.device.clone(), in_hand);
        let request = ReplaceRequest::new(opened.vault.id(), old, device, &new, args.leaked);
        ui.note("only an admin can put it in the vault file: send them this line, for `vault member approve`");
        if !is_there {
            ui.note("when that is done and pulled, `vault identity rotate` puts the new identity in its place");
        }
        ui.line(&request.to_string());
        return Ok(());
    }
    let old_recipient = actor.identity.recipient();
    let report = rotate(cx, ui, args, &opened, &actor, (new, device))?;
    lock_agent(cx, ui, &old_recipient);
    if !is_there {
        let kept = replacement.finish()?;
        say_kept(ui, &file, kept.as_deref());
    }
    say_others(cx, ui, &opened, &old_recipient)?;
    if args.leaked {
        member::print_worklist(ui, &report);
    }
    Ok(())
}

/// Puts the new device in the place of the old one, in one write.
fn rotate(
    cx: &Context,
    ui: &mut Ui,
    args: &Args,
    opened: &Opened,
    old: &Actor,
    (identity, device): (IdentityKey, DeviceName),
) -> Result<member::Report, CommandError> {
    let code = RecoveryCode::generate()?;
    // A new code only where somebody will see it.
    let can_hand_out = args.recovery_file.is_some() || ui.can_ask();
    let by_old = Signer { device: old.device.clone(), identity: &*old.identity };
    let entering = NewDevice {
        device: device.clone(),
        recipient: identity.recipient(),
        signing_key: Some(identity.signing_key().public()),
    };
    let new = Actor { identity: Rc::new(identity), device };
    let change = Change::team("identity-rotate", &[old.device.as_str(), new.device.as_str()]);
    let mut intent = None;
    let edit = cx.change_as(ui, &new, opened, &change, |tx, signer, now| {
        // The new device's log has it in full. That of the old one too has to take it, or nothing is done.
        intent = Some(cx.record_beside(opened, old, &change, Outcome::Intent, None)?);
        let removal = team::replace(tx, &old.device, entering, args.leaked, &by_old, now)?;
        let new_code = removal.recovery_left && can_hand_out;
        if new_code {
            team::new_recovery(tx, &code.as_passphrase(), signer, now)?;
            // Last of all that can be refused, and before the vault that needs it exists.
            if let Some(file) = &args.recovery_file {
                recovery_code::write(&code, file)?;
            }
        }
        Ok(Edit::Changed((removal, new_code)))
    });
    let outcome = if edit.is_ok() { Outcome::Done } else { Outcome::Failed };
    let recorded = intent.map(|intent| cx.record_beside(opened, old, &change, outcome, Some(intent)));
    let (Edit::Changed((removal, new_code)) | Edit::Unchanged((removal, new_code))) = edit?;
    recorded.transpose()?;
    cx.remember_device(opened, &new.device)?;
    let report = member::report(cx, opened, &removal)?;
    let profiles: Vec<&str> = removal.rekeyed.iter().map(ProfileName::as_str).collect();
    let keys = if profiles.is_empty() { String::new() } else { format!(", with new keys for {}", profiles.join(", ")) };
    ui.note(&format!("{} takes the place of {}{keys}; commit and push the vault file", new.device, old.device));
    if new_code {
        recovery_code::hand_out(ui, &code, args.recovery_file.as_deref());
    } else if removal.recovery_left {
        ui.warn(
            "the recovery code is void with the old device, and there is none now; make one with `vault recovery new`",
        );
    } else if args.recovery_file.is_some() {
        ui.note("there was no recovery code to replace, and none was written; `vault recovery new` makes one");
    }
    Ok(report)
}

/// The vault knows the identity that waits: what is left is to put it in its place.
fn put_in_place(
    cx: &Context,
    ui: &mut Ui,
    opened: &Opened,
    replacement: &Replacement,
    file: &Path,
    device: &DeviceName,
    dry_run: bool,
) -> Result<(), CommandError> {
    let old = IdentityFile::read(file).ok().map(|file| unlock::recipient(&file));
    if dry_run {
        ui.note(&format!("would put the identity of {device} in its place, {}", file.display()));
        return Ok(());
    }
    if let Some(old) = &old {
        lock_agent(cx, ui, old);
    }
    let kept = replacement.finish()?;
    cx.remember_device(opened, device)?;
    ui.note(&format!("this machine is {device} now"));
    say_kept(ui, file, kept.as_deref());
    let Some(old) = old else { return Ok(()) };
    if let Some(left) = opened.vault.team().device_of(&old)
        && left != *device
    {
        ui.warn(&format!("{left} is still in: have an admin type `vault member remove NAME --device {left}`"));
    }
    say_others(cx, ui, opened, &old)
}

/// Makes the next identity, proved to be readable by another process.
fn make(cx: &Context, ui: &mut Ui, path: &Path, is_sealed: bool) -> Result<IdentityKey, CommandError> {
    let key = IdentityKey::generate()?;
    if let Some(directory) = path.parent().filter(|directory| directory.starts_with(&cx.directories().config)) {
        store::create_private_dir_all(directory)?;
    }
    let passphrase = if is_sealed { Some(enroll::new_passphrase(cx, ui)?) } else { None };
    match &passphrase {
        Some(passphrase) => identity::write_sealed(path, &key, passphrase)?,
        None => identity::write_plain(path, &key, cx.now())?,
    }
    let public = (key.recipient(), key.signing_key().public());
    readback::prove(&KeptIn::File(path.to_path_buf()), passphrase.is_none(), passphrase.as_ref(), &public)?;
    Ok(key)
}

/// `alice-laptop-2` for `alice-laptop`: the first number that no device ever had.
fn successor(team: &Team, device: &DeviceName) -> Result<DeviceName, CommandError> {
    let name = device.as_str();
    let (stem, number) = match name.rsplit_once('-') {
        Some((stem, digits)) if !stem.is_empty() => match digits.parse::<u32>() {
            Ok(number @ 2..) => (stem, number),
            _ => (name, 1),
        },
        _ => (name, 1),
    };
    (number + 1..=number + 10_000)
        .filter_map(|number| {
            let ending = format!("-{number}");
            let stem: String = stem.chars().take(64 - ending.len()).collect();
            format!("{stem}{ending}").parse().ok()
        })
        .find(|name| !team.devices().contains_key(name))
        .ok_or_else(|| CommandError::usage("cannot tell the new device's name: pass `--device NAME`".to_owned()))
}

/// Ends an agent that would go on with the old identity, which opens nothing any more.
fn lock_agent(cx: &Context, ui: &mut Ui, old: &Recipient) {
    let agent = unlock::agent(cx);
    let locked = match agent.holdings() {
        Ok(None) => return,
        Ok(Some(holdings)) if holdings.iter().all(|holding| holding.recipient != *old) => return,
        _ => agent.lock(),
    };
    match locked {
        Ok(_) => ui.note("locked: the agent held the old identity; `vault unlock` has it hold the new one"),
        Err(error) => ui.warn(&format!("the agent may still hold the old identity: {error}; see `vault lock`")),
    }
}

fn say_kept(ui: &mut Ui, file: &Path, kept: Option<&Path>) {
    ui.note(&format!("identity: {} (new)", file.display()));
    if let Some(kept) = kept {
        ui.note(&format!("the old one stays in {}, for commits of before; remove it if you need none", kept.display()));
    }
}

/// Says which other vaults that were used here still know only the old identity.
fn say_others(cx: &Context, ui: &mut Ui, opened: &Opened, old: &Recipient) -> Result<(), CommandError> {
    let places = vault::config::Places::load(cx.directories())?;
    let mut seen = vec![opened.vault.id()];
    for path in places.paths() {
        // What cannot be read now will say so when it is used.
        let Some(vault) = read_vault(path).ok().and_then(|bytes| Vault::read(bytes, &[]).ok()) else { continue };
        if let Some(device) = vault.team().device_of(old)
            && !seen.contains(&vault.id())
        {
            seen.push(vault.id());
            ui.warn(&format!(
                "{} still knows this machine as {device}, by the old identity: type `vault identity rotate` there too",
                path.display()
            ));
        }
    }
    Ok(())
}
