use std::collections::BTreeSet;
use std::path::PathBuf;

use vault::audit::{Event, Outcome};
use vault::config::{KeptIn, Place};
use vault::crypto::IdentityKey;
use vault::identity::{self, RecoveryCode};
use vault::secret_value::SecretValue;
use vault::{DeviceName, Founder, MemberName, Memory, Section, Vault, found, store};

use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::record::all_sections;
use crate::cli::ui::{Tone, Ui};
use crate::cli::{git, input, readback, unlock};

/// Found a vault here
///
/// Makes `vault.toml` with the profile `default`, an identity for this device if
/// there is none, and a recovery code, which is shown once. Without a terminal
/// there is no recovery code unless `--recovery-file` says where to put it.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Your name in the vault [default: the name of the user]
    #[arg(long, value_name = "NAME")]
    member: Option<MemberName>,

    /// The name of this machine in the vault [default: member and host name]
    #[arg(long, value_name = "NAME")]
    device: Option<DeviceName>,

    /// Keep the identity in this file; an existing age identity file works as it is
    #[arg(long, value_name = "FILE")]
    identity_file: Option<PathBuf>,

    /// Seal a new identity file with a passphrase
    #[arg(long)]
    passphrase: bool,

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
    let (member, device) = names(cx, args)?;
    let wants_recovery = !args.no_recovery && (args.recovery_file.is_some() || ui.can_ask());
    if args.dry_run {
        let recovery = if wants_recovery { ", with a recovery code" } else { "" };
        ui.note(&format!("would make {} for {member} on {device}{recovery}", path.display()));
        return Ok(());
    }
    store::create_private_dir_all(&cx.directories().state)?;

    // The identity comes first, and is proved to be readable before anything depends on it.
    let identity = identity(cx, ui, args)?;
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
    let profiles = BTreeSet::from([cx.profile()]);
    let now = cx.now();
    let bytes = found(&founder, &profiles, now)?;
    let vault = Vault::read(bytes, &[])?;
    let id = vault.id();

    // The code is where its owner finds it before the vault that needs it exists.
    if let (Some(code), Some(file)) = (&code, &args.recovery_file) {
        let mut text = code.as_passphrase().reveal().to_vec();
        text.push(b'\n');
        let text = zeroize::Zeroizing::new(text);
        store::create_new(file, &text, store::Mode::Private)?;
    }
    let record = |outcome, of| Event { of, profile: Some(cx.profile().to_string()), ..Event::new("init", outcome) };
    let key = || Some(identity.key.signing_key());
    let intent = cx.note_event(&id, Some(&device), key(), &record(Outcome::Intent, None))?;
    store::create_new(&path, vault.bytes(), store::Mode::Shared)?;
    let sections = all_sections(&vault)?;
    let sections: Vec<&Section<'_>> = sections.iter().collect();
    cx.trust(&place, &vault)?;
    let mut memory = Memory::new(id);
    memory.act_as(&device);
    memory.learn(&vault, &sections, &[]);
    memory
        .save(&cx.directories().vault_state(&id.to_string()), cx.globals.lock_timeout())
        .map_err(vault::Error::from)?;
    cx.note_event(&id, Some(&device), key(), &record(Outcome::Done, Some(intent.sequence)))?;

    ui.note(&format!("made {} for {member} on {device}, with profile {}", path.display(), cx.profile()));
    ui.note(&format!("identity: {} ({})", identity.place, if identity.made { "new" } else { "as it was" }));
    // Also outside a clone: line-ending conversion would break the signatures later.
    if let Err(error) = git::attributes(&path) {
        ui.warn(&format!("could not add the vault file to .gitattributes: {error}"));
    }
    git::install_where_missing(ui, &path);
    match (&code, &args.recovery_file) {
        (Some(_), Some(file)) => ui.note(&format!("recovery code: in {}; move it to a safe place", file.display())),
        (Some(code), None) => show_code(ui, code)?,
        (None, _) => ui.warn("there is no recovery code: who loses every identity of the vault loses its values"),
    }
    ui.note("next: `vault import .env`, or `vault set NAME`; then `vault exec -- your-program`");
    Ok(())
}

/// The identity of this device and where it is.
struct Kept {
    key: IdentityKey,
    place: String,
    made: bool,
}

fn identity(cx: &Context, ui: &mut Ui, args: &Args) -> Result<Kept, CommandError> {
    if args.identity_file.is_none()
        && let Some(text) = cx.variables.identity()
    {
        // The text is taken apart by the parser and goes nowhere else.
        let origin = identity::Origin::Variable;
        let key = match identity::IdentityFile::parse(text.reveal(), &origin)? {
            identity::IdentityFile::Plain(key) => key,
            identity::IdentityFile::Sealed(sealed) => sealed.open(&passphrase(cx, ui, "its passphrase")?, &origin)?,
        };
        return Ok(Kept { key, place: "VLT_IDENTITY".to_owned(), made: false });
    }
    let configured = match cx.settings().identity() {
        Some(KeptIn::File(path)) => Some(path.clone()),
        _ => None,
    };
    let default = cx.directories().config.join("identity");
    let given =
        args.identity_file.clone().or_else(|| cx.globals.identity.clone()).or_else(|| cx.variables.identity_file());
    let path = given.clone().or(configured).unwrap_or_else(|| default.clone());
    let place = path.display().to_string();
    let origin = identity::Origin::File(path.clone());
    let kept = match identity::IdentityFile::read(&path) {
        Ok(identity::IdentityFile::Plain(key)) => Kept { key, place, made: false },
        Ok(identity::IdentityFile::Sealed(sealed)) => {
            let passphrase = passphrase(cx, ui, &format!("passphrase for {place}"))?;
            Kept { key: sealed.open(&passphrase, &origin)?, place, made: false }
        }
        Err(identity::Error::Store(store::Error::Missing { .. })) => {
            let key = IdentityKey::generate()?;
            if let Some(directory) = path.parent().filter(|directory| directory.starts_with(&cx.directories().config)) {
                store::create_private_dir_all(directory)?;
            }
            let sealed = if args.passphrase {
                let passphrase = new_passphrase(cx, ui)?;
                identity::write_sealed(&path, &key, &passphrase)?;
                Some(passphrase)
            } else {
                identity::write_plain(&path, &key, cx.now())?;
                None
            };
            readback::prove(&path, sealed.as_ref(), &key)?;
            Kept { key, place, made: true }
        }
        Err(error) => return Err(error.into()),
    };
    // Found again without an option the next time.
    if args.identity_file.is_some() && path != default && cx.settings().identity().is_none() {
        let mut settings = vault::config::Settings::load(cx.directories())?;
        let absolute = std::path::absolute(&path).unwrap_or(path);
        if let Some(text) = absolute.to_str() {
            settings.set("identity", &format!("file:{text}"))?;
            store::create_private_dir_all(&cx.directories().config)?;
            settings.save(cx.directories())?;
        }
    }
    Ok(kept)
}

fn passphrase(cx: &Context, ui: &mut Ui, label: &str) -> Result<SecretValue, CommandError> {
    if !ui.can_ask() {
        return Ok(identity::passphrase(&cx.variables, None, label)?);
    }
    let mut ask = |label: &str| unlock::ask(ui, label);
    Ok(identity::passphrase(&cx.variables, Some(&mut ask), label)?)
}

fn new_passphrase(cx: &Context, ui: &mut Ui) -> Result<SecretValue, CommandError> {
    let passphrase = if identity::can_be_had(&cx.variables, false) {
        identity::passphrase(&cx.variables, None, "passphrase for the new identity")?
    } else {
        input::ask_twice(ui, "Passphrase for the new identity")?.ok_or(CommandError::NoPassphrase)?
    };
    if passphrase.is_empty() { Err(CommandError::EmptyPassphrase) } else { Ok(passphrase) }
}

fn show_code(ui: &mut Ui, code: &RecoveryCode) -> Result<(), CommandError> {
    let code = code.as_passphrase();
    // Shown once, on the terminal of the person who asked for it.
    let shown = String::from_utf8_lossy(code.reveal()).into_owned();
    let shown = zeroize::Zeroizing::new(shown);
    ui.note("");
    ui.show_secret("recovery code", &shown, Tone::Bold);
    ui.note("write it down and keep it away from this machine; it is not shown again");
    ui.note("");
    Ok(())
}

/// Names from the options, or from what the system calls user and host.
fn names(cx: &Context, args: &Args) -> Result<(MemberName, DeviceName), CommandError> {
    let user = cx.variables.user().and_then(|user| slug(&user.to_string_lossy()));
    let member = match &args.member {
        Some(member) => member.clone(),
        None => user
            .and_then(|user| user.parse().ok())
            .ok_or_else(|| CommandError::usage("cannot tell your name: pass `--member NAME`".to_owned()))?,
    };
    let device = match &args.device {
        Some(device) => device.clone(),
        None => {
            let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
            let host = host.split('.').next().and_then(slug).unwrap_or_else(|| "device".to_owned());
            let name: String = format!("{member}-{host}").chars().take(64).collect();
            name.parse()
                .map_err(|_| CommandError::usage("cannot tell this device's name: pass `--device NAME`".to_owned()))?
        }
    };
    let reserved = DeviceName::recovery();
    if [device.as_str(), member.as_str(), cx.profile().as_str()].contains(&reserved.as_str()) {
        return Err(CommandError::usage("the name `recovery` is reserved".to_owned()));
    }
    Ok((member, device))
}

/// The letters of a name that names here may have.
fn slug(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let letters = lower.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' });
    let text: String = letters.collect::<String>().trim_matches(['-', '_']).chars().take(40).collect();
    Some(text).filter(|text| !text.is_empty())
}
