//! Entering a vault with this machine: its identity, made if there is none, and its names.
//! What `init`, `join` and `recover` have in common.

use std::path::{Path, PathBuf};

use vault::config::KeptIn;
use vault::crypto::IdentityKey;
use vault::identity::Keyring;
use vault::secret_value::SecretValue;
use vault::{DeviceName, MemberName, identity, store};

use super::context::Context;
use super::error::CommandError;
use super::ui::Ui;
use super::{git, input, readback, unlock};

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

    #[command(flatten)]
    pub(crate) keep: Keep,
}

/// Where this machine's identity is kept, or is to be.
#[derive(clap::Args, Debug)]
#[group(skip)]
pub(crate) struct Keep {
    /// Keep the identity in this file; an existing age identity file works as it is
    #[arg(long, value_name = "FILE")]
    pub(crate) identity_file: Option<PathBuf>,

    /// Keep the identity in the system's keyring
    #[arg(long, conflicts_with = "identity_file")]
    pub(crate) keyring: bool,

    /// Seal a new identity with a passphrase
    #[arg(long)]
    pub(crate) passphrase: bool,
}

impl Keep {
    /// True if no option says where.
    pub(crate) fn is_default(&self) -> bool {
        self.identity_file.is_none() && !self.keyring
    }
}

/// The identity of this device and where it is.
pub(crate) struct Kept {
    pub(crate) key: IdentityKey,
    pub(crate) place: String,
    file: Option<PathBuf>,
    pub(crate) made: bool,
    /// Where commands without an option look, if that is another place.
    usual: Option<identity::Origin>,
}

impl Kept {
    pub(crate) fn say(&self, ui: &mut Ui) {
        ui.note(&format!("identity: {} ({})", self.place, if self.made { "new" } else { "as it was" }));
        if let Some(file) = &self.file {
            git::warn_of_private(ui, file);
        }
        if let Some(usual) = &self.usual {
            ui.note(&format!("commands go on to use the one in {usual}; pass `--identity FILE` for this one"));
        }
    }
}

/// The identity that the options, the environment or the configuration name; a new one
/// in its place if there is none, proved to be readable by another process. Found again
/// without an option the next time, unless this machine has another one: a second identity
/// does not take the place of the first, which opens other vaults.
pub(crate) fn identity(cx: &Context, ui: &mut Ui, args: &Keep) -> Result<Kept, CommandError> {
    let usual = usual(cx).filter(|_| !args.is_default());
    let kept = found_or_made(cx, ui, args)?;
    let Some(usual) = usual else {
        remember(cx, args)?;
        return Ok(kept);
    };
    let is_other = !is_same(&usual, &place(cx, args)?);
    Ok(Kept { usual: is_other.then(|| identity::Origin::from(&usual)), ..kept })
}

fn is_same(a: &KeptIn, b: &KeptIn) -> bool {
    let real = |place: &KeptIn| match place {
        KeptIn::File(path) => std::fs::canonicalize(path).ok(),
        KeptIn::Keyring => None,
    };
    a == b || real(a).is_some_and(|path| real(b) == Some(path))
}

fn found_or_made(cx: &Context, ui: &mut Ui, args: &Keep) -> Result<Kept, CommandError> {
    if args.is_default()
        && let Some(text) = cx.variables.identity()
    {
        // The text is taken apart by the parser and goes nowhere else.
        let origin = identity::Origin::Variable;
        let key = unlock::open(cx, ui, identity::IdentityFile::parse(text.reveal(), &origin)?, &origin)?;
        return Ok(Kept { key, place: "VLT_IDENTITY".to_owned(), file: None, made: false, usual: None });
    }
    let place = place(cx, args)?;
    let keyring = Keyring::new(ui.can_ask());
    let origin = identity::Origin::from(&place);
    let name = origin.to_string();
    let file = if let KeptIn::File(path) = &place { Some(path.clone()) } else { None };
    Ok(match identity::kept::read(&place, keyring)? {
        Some(text) => {
            // As above.
            let key = unlock::open(cx, ui, identity::IdentityFile::parse(text.reveal(), &origin)?, &origin)?;
            Kept { key, place: name, file, made: false, usual: None }
        }
        None => {
            let key = IdentityKey::generate()?;
            if let KeptIn::File(path) = &place
                && let Some(directory) = path.parent().filter(|parent| parent.starts_with(&cx.directories().config))
            {
                store::create_private_dir_all(directory)?;
            }
            let passphrase = if args.passphrase { Some(new_passphrase(cx, ui)?) } else { None };
            let text = match &passphrase {
                Some(passphrase) => identity::sealed_text(&key, passphrase)?,
                None => identity::plain_text(&key, cx.now()),
            };
            identity::kept::write(&place, &text, keyring)?;
            let public = (key.recipient(), key.signing_key().public());
            readback::prove(&place, passphrase.is_none(), passphrase.as_ref(), &public)?;
            Kept { key, place: name, file, made: true, usual: None }
        }
    })
}

/// Has the configuration name the place that an option named, if it names none yet.
fn remember(cx: &Context, args: &Keep) -> Result<(), CommandError> {
    let place = place(cx, args)?;
    let named = args.keyring || (args.identity_file.is_some() && place != KeptIn::File(default_file(cx)));
    if named && cx.settings().identity().is_none() {
        let mut settings = vault::config::Settings::load(cx.directories())?;
        let text = match &place {
            KeptIn::Keyring => Some("keyring".to_owned()),
            KeptIn::File(path) => {
                std::path::absolute(path).ok().and_then(|path| Some(format!("file:{}", path.to_str()?)))
            }
        };
        if let Some(text) = text {
            settings.set("identity", &text)?;
            store::create_private_dir_all(&cx.directories().config)?;
            settings.save(cx.directories())?;
        }
    }
    Ok(())
}

/// True if this machine has an identity, so that [`identity`] makes none.
pub(crate) fn has_identity(cx: &Context, ui: &Ui, args: &Keep) -> Result<bool, CommandError> {
    if args.is_default() && cx.variables.identity().is_some() {
        return Ok(true);
    }
    Ok(match place(cx, args)? {
        KeptIn::File(path) => std::fs::symlink_metadata(path).is_ok(),
        KeptIn::Keyring => Keyring::new(ui.can_ask()).read().map_err(identity::Error::from)?.is_some(),
    })
}

/// Where the identity is, or is to be.
pub(crate) fn place(cx: &Context, args: &Keep) -> Result<KeptIn, CommandError> {
    if args.keyring {
        // Another identity on this machine would be passed over from then on.
        return match usual(cx) {
            Some(KeptIn::File(path)) => Err(CommandError::KeptElsewhere { path }),
            Some(KeptIn::Keyring) | None => Ok(KeptIn::Keyring),
        };
    }
    let given =
        args.identity_file.clone().or_else(|| cx.globals.identity.clone()).or_else(|| cx.variables.identity_file());
    let configured = || cx.settings().identity().cloned();
    Ok(given.map(KeptIn::File).or_else(configured).unwrap_or_else(|| KeptIn::File(default_file(cx))))
}

/// Where commands without an option look for this machine's identity, if there is such a place.
pub(crate) fn usual(cx: &Context) -> Option<KeptIn> {
    let default = || Some(default_file(cx)).filter(|path| std::fs::symlink_metadata(path).is_ok()).map(KeptIn::File);
    cx.settings().identity().cloned().or_else(default)
}

pub(crate) fn default_file(cx: &Context) -> PathBuf {
    cx.directories().config.join("identity")
}

/// A passphrase for an identity that is being made.
pub(crate) fn new_passphrase(cx: &Context, ui: &mut Ui) -> Result<SecretValue, CommandError> {
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
