//! Entering a vault with this machine: its identity, made if there is none, and its names.
//! What `init`, `join` and `recover` have in common.

use std::path::{Path, PathBuf};

use vault::config::KeptIn;
use vault::crypto::IdentityKey;
use vault::secret_value::SecretValue;
use vault::{DeviceName, MemberName, identity, store};

use super::context::Context;
use super::error::CommandError;
use super::ui::Ui;
use super::{input, readback, unlock};

/// How this machine enters.
#[derive(clap::Args, Debug)]
#[group(skip)]
pub(crate) struct Args {
    /// Your name in the vault [default: the name of the user]
    #[arg(long, value_name = "NAME")]
    pub(crate) member: Option<MemberName>,

    /// The name of this machine in the vault [default: member and host name]
    #[arg(long, value_name = "NAME")]
    pub(crate) device: Option<DeviceName>,

    /// Keep the identity in this file; an existing age identity file works as it is
    #[arg(long, value_name = "FILE")]
    pub(crate) identity_file: Option<PathBuf>,

    /// Seal a new identity file with a passphrase
    #[arg(long)]
    pub(crate) passphrase: bool,
}

/// The identity of this device and where it is.
pub(crate) struct Kept {
    pub(crate) key: IdentityKey,
    pub(crate) place: String,
    pub(crate) made: bool,
}

/// The identity that the options, the environment or the configuration name; a new one
/// in its file if there is none, proved to be readable by another process.
pub(crate) fn identity(cx: &Context, ui: &mut Ui, args: &Args) -> Result<Kept, CommandError> {
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
    let default = default_file(cx);
    let path = identity_file(cx, args);
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

/// True if this machine has an identity, so that [`identity`] makes none.
pub(crate) fn has_identity(cx: &Context, args: &Args) -> bool {
    (args.identity_file.is_none() && cx.variables.identity().is_some())
        || std::fs::symlink_metadata(identity_file(cx, args)).is_ok()
}

fn identity_file(cx: &Context, args: &Args) -> PathBuf {
    let given =
        args.identity_file.clone().or_else(|| cx.globals.identity.clone()).or_else(|| cx.variables.identity_file());
    let configured = match cx.settings().identity() {
        Some(KeptIn::File(path)) => Some(path.clone()),
        _ => None,
    };
    given.or(configured).unwrap_or_else(|| default_file(cx))
}

fn default_file(cx: &Context) -> PathBuf {
    cx.directories().config.join("identity")
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

/// Names from the options, the usual one of this vault, or what the system calls user and host.
pub(crate) fn names(
    cx: &Context,
    args: &Args,
    usual: Option<&MemberName>,
) -> Result<(MemberName, DeviceName), CommandError> {
    let user = cx.variables.user().map(|user| user.to_string_lossy().into_owned()).or_else(name_in_passwd);
    let user = user.and_then(|user| slug(&user));
    let member = match args.member.as_ref().or(usual) {
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
    if [device.as_str(), member.as_str()].contains(&reserved.as_str()) {
        return Err(CommandError::usage("the name `recovery` is reserved".to_owned()));
    }
    Ok((member, device))
}

/// What passwd(5) calls this user: containers often set no variable that does.
fn name_in_passwd() -> Option<String> {
    let uid = rustix::process::getuid().as_raw().to_string();
    let users = store::read(Path::new("/etc/passwd"), 1 << 20).ok()?;
    String::from_utf8_lossy(&users).lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then(|| name.to_owned())
    })
}

/// The letters of a name that names here may have.
fn slug(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let letters = lower.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '-' });
    let text: String = letters.collect::<String>().trim_matches(['-', '_']).chars().take(40).collect();
    Some(text).filter(|text| !text.is_empty())
}
