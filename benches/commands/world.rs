//! A vault as a larger team has it, with configuration and state of its own.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use vault::clock::{Clock, Span, Timestamp};
use vault::crypto::IdentityKey;
use vault::identity::IdentityFile;
use vault::secret_value::SecretValue;
use vault::{
    Action, Memory, NewDevice, Profile, ProfileName, Role, RotateEvery, SecretName, Signer, Transaction, Value,
    store_value,
};

use crate::Outcome;

const TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of a value: as long as usual API keys.
const VALUE: usize = 40;
/// One secret in this many was rotated, so often that it has all its earlier versions.
const ROTATED: usize = 10;

/// How large a vault is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) secrets: usize,
    pub(crate) devices: usize,
    /// `default` with the secrets, and empty ones that every member writes.
    pub(crate) profiles: usize,
}

/// A directory with a vault, a configuration and a state. Removed on drop.
pub(crate) struct World {
    directory: tempfile::TempDir,
}

impl World {
    /// Has another process make a world below `parent`, so that this one stays small.
    pub(crate) fn new(parent: &Path, size: Size) -> Outcome<Self> {
        let directory = tempfile::Builder::new().prefix("vault-bench-").tempdir_in(parent)?;
        let status = Command::new(std::env::current_exe()?)
            .arg("build-world")
            .arg(directory.path())
            .args([size.secrets, size.devices, size.profiles].map(|number| number.to_string()))
            .status()?;
        if status.success() { Ok(Self { directory }) } else { Err("no vault was made".into()) }
    }

    pub(crate) fn file(&self) -> PathBuf {
        file(self.directory.path())
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The identity of the device that runs the commands.
    pub(crate) fn identity(&self) -> Outcome<IdentityKey> {
        identity(self.directory.path())
    }

    /// Takes away what was remembered of the file, as a change of it does.
    pub(crate) fn forget(&self) -> Outcome<()> {
        for vault in std::fs::read_dir(self.path().join("state/vaults"))? {
            std::fs::remove_file(vault?.path().join(format!("accepted-{}.json", profile(0))))?;
        }
        Ok(())
    }

    /// `program` where the vault is, without input and output.
    pub(crate) fn command(&self, program: &Path) -> Command {
        command(self.directory.path(), program)
    }

    /// Fills an empty directory.
    pub(crate) fn build(directory: &Path, size: Size, vault: &Path) -> Outcome<()> {
        for name in ["project", "config", "state"] {
            std::fs::create_dir(directory.join(name))?;
        }
        let init = ["init", "--quiet", "--no-recovery", "--member", "member-0", "--device", "device-0"];
        run(command(directory, vault).args(init))?;
        fill(directory, size)?;
        // Seen once: from here on nothing is new.
        run(command(directory, vault).arg("list"))
    }
}

/// Name of the secret with this number.
pub(crate) fn name(number: usize) -> String {
    format!("SERVICE_{number:05}_KEY")
}

/// Name of the profile with this number; the first one has the secrets.
pub(crate) fn profile(number: usize) -> String {
    if number == 0 { "default".to_owned() } else { format!("profile-{number:02}") }
}

fn fill(directory: &Path, size: Size) -> Outcome<()> {
    let now = Clock::System.now();
    let identity = identity(directory)?;
    let signer = Signer { device: "device-0".parse()?, identity: &identity };
    let default: ProfileName = profile(0).parse()?;
    let mut tx = Transaction::begin(&file(directory), &[], TIMEOUT)?;
    let mut profiles = vec![default.clone()];
    for number in 1..size.profiles {
        profiles.push(profile(number).parse()?);
        tx.add_profile(&profiles[number], Vec::new(), &signer, now)?;
    }
    for number in 1..size.devices {
        let identity = IdentityKey::generate()?;
        let device = NewDevice {
            device: format!("device-{number}").parse()?,
            recipient: identity.recipient(),
            signing_key: Some(identity.signing_key().public()),
        };
        let role = Role { write: profiles.clone().into(), ..Role::default() };
        let action = Action::AddMember { member: format!("member-{number}").parse()?, device, role };
        tx.change_team(action, &BTreeSet::new(), None, &signer, now)?;
    }
    let memory = Memory::new(tx.vault().id());
    let (section, values) = tx.profile(&default, &signer)?;
    for number in 0..size.secrets {
        let versions = if number % ROTATED == 0 { 4 } else { 1 };
        for version in 0..versions {
            store(section, values, number, version, &signer, now)?;
        }
    }
    tx.commit(&signer, &memory, None, now)?;
    Ok(())
}

fn store(
    profile: &mut Profile,
    key: &vault::crypto::ValueKey,
    number: usize,
    version: u8,
    signer: &Signer<'_>,
    now: Timestamp,
) -> Outcome<()> {
    let name: SecretName = name(number).parse()?;
    let text = format!("sk-{version}-{number:0width$}", width = VALUE - "sk-0-".len());
    let value = SecretValue::from(text.as_bytes());
    let value = Value { value: &value, set_at: now, age_at_least: false };
    let (secret, _) = store_value(profile, key, &name, &value, &signer.device, now)?;
    secret.policy.rotate_every = Some(RotateEvery::Every(Span::days(90)));
    secret.provider = Some("stripe".parse()?);
    secret.scope.hosts = vec!["api.stripe.com".parse()?];
    Ok(())
}

fn identity(directory: &Path) -> Outcome<IdentityKey> {
    match IdentityFile::read(&directory.join("config/identity"))? {
        IdentityFile::Plain(identity) => Ok(identity),
        IdentityFile::Sealed(_) => Err("the identity is sealed".into()),
    }
}

fn file(directory: &Path) -> PathBuf {
    directory.join("project/vault.toml")
}

/// A command with the environment of a small program, and nothing that steers it.
fn command(directory: &Path, program: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("HOME", directory)
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("VLT_CONFIG_DIR", directory.join("config"))
        .env("VLT_STATE_DIR", directory.join("state"))
        .current_dir(directory.join("project"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn run(command: &mut Command) -> Outcome<()> {
    let output = command.stderr(Stdio::inherit()).status()?;
    if output.success() { Ok(()) } else { Err(format!("{command:?}: {output}").into()) }
}
