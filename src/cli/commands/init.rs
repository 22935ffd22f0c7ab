use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use vault::audit::{Event, Outcome};
use vault::config::{Known, Place, Places};
use vault::crypto::IdentityKey;
use vault::identity::RecoveryCode;
use vault::{Founder, Memory, Section, Vault, found, store};

use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::record::all_sections;
use crate::cli::ui::Ui;
use crate::cli::{enroll, git, recovery_code};

/// Found a vault here
///
/// Makes `vault.toml` with the profile `default`, an identity for this device if
/// there is none, and a recovery code, which is shown once. Without a terminal
/// there is no recovery code unless `--recovery-file` says where to put it.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    enroll: enroll::Args,

    /// Put the recovery code in this new file instead of showing it
    #[arg(long, value_name = "FILE", conflicts_with = "no_recovery")]
    recovery_file: Option<PathBuf>,

    /// Make no recovery code: who loses every identity loses the vault
    #[arg(long)]
    no_recovery: bool,

    /// Report what would be made, and make nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

pub(crate) fn run(cx: &mut Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    let path = match cx.globals.vault.clone().or_else(|| cx.variables.vault_file()) {
        Some(path) => path,
        None => std::env::current_dir().map_err(CommandError::WorkingDirectory)?.join("vault.toml"),
    };
    if std::fs::symlink_metadata(&path).is_ok() {
        return Err(CommandError::VaultExists { path });
    }
    let place = Place::of(&path)?;
    // Another working tree of this clone has a vault, which would be refused from then on.
    let known = Places::load(cx.directories())?;
    if let Known::Id(id) = known.known(&place)
        && known.known(&Place { git: None, ..place.clone() }) == Known::Unknown
    {
        return Err(CommandError::CloneHasVault { path, id });
    }
    let (member, device) = enroll::names(cx, &args.enroll, None)?;
    let wants_recovery = !args.no_recovery && (args.recovery_file.is_some() || ui.can_ask());
    if args.dry_run {
        let recovery = if wants_recovery { ", with a recovery code" } else { "" };
        ui.note(&format!("would make {} for {member} on {device}{recovery}", path.display()));
        return Ok(());
    }
    store::create_private_dir_all(&cx.directories().state)?;

    // The identity comes first, and is proved to be readable before anything depends on it.
    let identity = enroll::identity(cx, ui, &args.enroll.keep)?;
    let code = if wants_recovery { Some(RecoveryCode::generate()?) } else { None };
    let recovery = match &code {
        Some(code) => Some((IdentityKey::generate()?, code.as_passphrase())),
        None => None,
    };
    let founder = Founder {
        member: member.clone(),
        device: device.clone(),
        identity: &identity.key,
        recovery: recovery.as_ref().map(|(identity, passphrase)| (identity, passphrase)),
    };
    if cx.profile().as_str() == "recovery" {
        return Err(CommandError::usage("the name `recovery` is reserved".to_owned()));
    }
    let profiles = BTreeSet::from([cx.profile()]);
    let now = cx.now();
    let bytes = found(&founder, &profiles, now)?;
    let vault = Vault::read(bytes, &[])?;
    let id = vault.id();

    // From here on nobody else founds a vault in this directory.
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let _lock = store::Lock::acquire(directory, cx.globals.lock_timeout())?;
    if std::fs::symlink_metadata(&path).is_ok() {
        return Err(CommandError::VaultExists { path });
    }
    // The code is where its owner finds it before the vault that needs it exists.
    if let (Some(code), Some(file)) = (&code, &args.recovery_file) {
        recovery_code::write(code, file)?;
    }
    let record = |outcome, of| Event { of, profile: Some(cx.profile().to_string()), ..Event::new("init", outcome) };
    let intent = cx.note_event(&id, Some(&device), Some(&identity.key), &record(Outcome::Intent, None))?;
    // The place before the file: a crash between the two leaves a place without a
    // vault, which founding again takes over, and never a vault that is not trusted.
    let known = Places::load(cx.directories())?.known(&place);
    Places::replace_id(cx.directories(), &place, &id.to_string())?;
    store::create_new(&path, vault.bytes(), store::Mode::Shared)?;
    let sections = all_sections(&vault)?;
    let sections: Vec<&Section<'_>> = sections.iter().collect();
    let mut memory = Memory::new(id);
    memory.act_as(&device);
    memory.learn(&vault, &sections, &[]);
    memory
        .save(&cx.directories().vault_state(&id.to_string()), cx.globals.lock_timeout())
        .map_err(vault::Error::from)?;
    cx.note_event(&id, Some(&device), Some(&identity.key), &record(Outcome::Done, Some(intent.sequence)))?;

    ui.note(&format!("made {} for {member} on {device}, with profile {}", path.display(), cx.profile()));
    if let Known::Id(before) = known {
        ui.warn(&format!("this place had the vault {before} before, which is not accepted here any more"));
    }
    identity.say(ui);
    // Also outside a clone: line-ending conversion would break the signatures later.
    if let Err(error) = git::attributes(&path, false) {
        ui.warn(&format!("could not add the vault file to .gitattributes: {error}"));
    }
    git::install_where_missing(ui, &path);
    match &code {
        Some(code) => recovery_code::hand_out(ui, code, args.recovery_file.as_deref()),
        None => ui.warn("there is no recovery code: who loses every identity of the vault loses its values"),
    }
    ui.note("next: `vault import .env`, or `vault set NAME`; then `vault exec -- your-program`");
    Ok(())
}
