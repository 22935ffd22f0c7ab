//! Where a command stands: which vault, whether it is trusted, who is asking.
//!
//! A command opens the vault ([`Context::open`]), looks at profiles
//! ([`Context::sections`]), and for values becomes an [`Actor`]. Every use and
//! every change goes through `record.rs`, which pairs it with its audit record.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use vault::clock::{Clock, Timestamp};
use vault::config::{self, Directories, Known, Overdue, Place, Places, Rollback, Settings, Variables};
use vault::crypto::{Hash, ValueKey};
use vault::exec::process::Original;
use vault::identity::Unlocked;
use vault::store::Stamp;
use vault::{DeviceName, Effective, Memory, ProfileName, SecretName, Section, Vault, near, store};

use super::args::Globals;
use super::error::CommandError;
use super::record::Attempt;
use super::ui::Ui;
use super::unlock;

/// What a command is run with.
pub(crate) struct Context {
    pub(crate) globals: Globals,
    pub(crate) variables: Variables,
    pub(crate) original: Original,
    pub(crate) clock: Clock,
    directories: Option<Directories>,
    settings: Option<Settings>,
    /// `--profile` was given, and not only `VLT_PROFILE`.
    profile_by_option: bool,
    /// What is being tried, so that a refusal can be recorded as such.
    pub(super) attempt: RefCell<Option<Attempt>>,
    /// The vault of this place, once it is known to be trusted.
    pub(super) known: Cell<Option<Hash>>,
    pub(super) acting: RefCell<Option<DeviceName>>,
    /// The identity, for commands of several steps: a passphrase is asked for once,
    /// and the descriptor it may come from can be read only once.
    kept_identity: RefCell<Option<Rc<dyn Unlocked>>>,
    keeps_identity: Cell<bool>,
    /// Whose device that is.
    pub(super) member: RefCell<Option<String>>,
    /// It was said that the clock cannot be right: once is enough for changes of several steps.
    pub(super) clock_said: Cell<bool>,
}

/// How a vault file was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FoundBy {
    Option,
    Variable,
    Search,
}

/// A vault file at a trusted place.
pub(crate) struct Opened {
    pub(crate) path: PathBuf,
    pub(crate) vault: Vault,
    /// State of the file that was read, if all of it was and that state was a settled one.
    pub(crate) stamp: Option<Stamp>,
    pub(crate) memory: RefCell<Memory>,
    /// `STATE/vaults/ID`.
    pub(crate) state: PathBuf,
}

/// What is known of a place before its file is read.
struct Remembered {
    id: Hash,
    /// `STATE/vaults/ID`.
    state: PathBuf,
    memory: Memory,
}

/// Who is asking: an identity, and the device it is in this vault.
pub(crate) struct Actor {
    pub(crate) identity: Rc<dyn Unlocked>,
    pub(crate) device: DeviceName,
}

impl Context {
    pub(crate) fn new(globals: Globals, original: Original) -> Self {
        let profile = globals.profiles.first().cloned();
        Self {
            globals: Globals { profile, ..globals },
            variables: Variables::from_environment(),
            original,
            clock: Clock::System,
            directories: None,
            settings: None,
            profile_by_option: false,
            attempt: RefCell::new(None),
            known: Cell::new(None),
            acting: RefCell::new(None),
            kept_identity: RefCell::new(None),
            keeps_identity: Cell::new(false),
            member: RefCell::new(None),
            clock_said: Cell::new(false),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Reads where configuration and state live, and the settings: before any command.
    pub(crate) fn load(&mut self) -> Result<(), CommandError> {
        let directories = Directories::new(&self.variables)?;
        self.settings = Some(Settings::load(&directories)?);
        self.directories = Some(directories);
        self.profile_by_option = self.globals.profile.is_some();
        if self.globals.profile.is_none()
            && let Some(name) = self.variables.profile()?
        {
            let name = name.parse().map_err(|error| CommandError::usage(format!("VLT_PROFILE: {error}")))?;
            self.globals.profile = Some(name);
        }
        if let Some(path) = self.globals.identity.clone() {
            self.original.withhold(&path);
        }
        Ok(())
    }

    pub(crate) fn directories(&self) -> &Directories {
        self.directories.as_ref().expect("`load` runs before every command")
    }

    pub(crate) fn settings(&self) -> &Settings {
        self.settings.as_ref().expect("`load` runs before every command")
    }

    /// What to type next after an error; where a directory of ours is at fault, the variable to set.
    pub(crate) fn hint(&self, error: &CommandError) -> Option<Cow<'static, str>> {
        let (path, directories) = error.unusable_path().zip(self.directories.as_ref()).unzip();
        let within = |ours: &Path| path.is_some_and(|path| path.starts_with(ours) || ours.starts_with(path));
        match directories {
            Some(ours) if within(&ours.state) => {
                Some("set VLT_STATE_DIR to a directory that can be written to; see docs/docker.md".into())
            }
            Some(ours) if within(&ours.config) => {
                Some("set VLT_CONFIG_DIR to a directory that can be read and written".into())
            }
            _ => error.hint(),
        }
    }

    /// The profile asked for, or `default`.
    pub(crate) fn profile(&self) -> ProfileName {
        self.globals.profile.clone().unwrap_or_else(|| "default".parse().expect("`default` is a name"))
    }

    pub(crate) fn profile_by_option(&self) -> bool {
        self.profile_by_option
    }

    /// The vault file that is meant: `--vault`, `VLT_FILE`, or the nearest one upwards.
    pub(crate) fn vault_path(&self) -> Result<(PathBuf, FoundBy), CommandError> {
        if let Some(path) = &self.globals.vault {
            return Ok((path.clone(), FoundBy::Option));
        }
        if let Some(path) = self.variables.vault_file() {
            return Ok((path, FoundBy::Variable));
        }
        let here = std::env::current_dir().map_err(CommandError::WorkingDirectory)?;
        Ok((config::find(&here)?, FoundBy::Search))
    }

    /// Opens the vault of this place, if the place is trusted.
    pub(crate) fn open(&self, ui: &mut Ui) -> Result<Opened, CommandError> {
        let (path, _) = self.vault_path()?;
        let before = self.clock.since_1970();
        let (bytes, stamp) = read_with_stamp(&path)?;
        let stamp = Some(stamp).filter(|stamp| stamp.is_settled(before));
        Ok(Opened { stamp, ..self.open_bytes(ui, path, bytes)? })
    }

    /// Opens a vault of this place whose bytes are from elsewhere: a side of a merge.
    pub(crate) fn open_bytes(&self, ui: &mut Ui, path: PathBuf, bytes: Vec<u8>) -> Result<Opened, CommandError> {
        match self.recall(&path)? {
            Some(known) => self.open_known(path, bytes, known),
            None => self.open_unknown(ui, path, bytes),
        }
    }

    /// What is remembered of this place and its vault; `None` if it was never used.
    fn recall(&self, path: &Path) -> Result<Option<Remembered>, CommandError> {
        let Some((id, state)) = self.known_vault(path)? else { return Ok(None) };
        let memory = Memory::load(&state, id).map_err(vault::Error::from)?;
        Ok(Some(Remembered { id, state, memory }))
    }

    /// The vault that this place is known for, with `STATE/vaults/ID`.
    pub(super) fn known_vault(&self, path: &Path) -> Result<Option<(Hash, PathBuf)>, CommandError> {
        let id = match Places::load(self.directories())?.known(&Place::of(path)?) {
            Known::Id(id) => id.parse::<Hash>().map_err(|_| CommandError::damaged_places())?,
            Known::Unknown => return Ok(None),
            Known::Conflict { .. } => return Err(CommandError::ConflictingPlaces { path: path.to_path_buf() }),
        };
        self.known.set(Some(id));
        self.check_asked_id(&id)?;
        Ok(Some((id, self.directories().vault_state(&id.to_string()))))
    }

    fn open_known(&self, path: PathBuf, bytes: Vec<u8>, known: Remembered) -> Result<Opened, CommandError> {
        // Before any signature is computed: another vault at a known place is refused as such.
        if Vault::claimed_id(&bytes).is_some_and(|claimed| claimed != known.id) {
            return Err(CommandError::OtherVault { path, known: known.id });
        }
        let vault = Vault::read(bytes, known.memory.verified())?;
        if vault.id() != known.id {
            return Err(CommandError::OtherVault { path, known: known.id });
        }
        self.acts_as(&vault, known.memory.device());
        Ok(Opened { path, vault, stamp: None, memory: RefCell::new(known.memory), state: known.state })
    }

    /// A place that was never used: its vault must be confirmed, or named by `VLT_VAULT_ID`.
    fn open_unknown(&self, ui: &mut Ui, path: PathBuf, bytes: Vec<u8>) -> Result<Opened, CommandError> {
        let vault = Vault::read(bytes, &[])?;
        let id = vault.id();
        if self.variables.vault_id()?.is_some() {
            self.check_asked_id(&id)?;
        } else {
            ui.note(&format!("{} was not used on this device before", path.display()));
            ui.note(&format!("its fingerprint is {id}"));
            // A clone that was moved, or cloned once more, is a place of its own.
            if let Some(known) = Places::load(self.directories())?.paths_of(&id.to_string()).next() {
                ui.note(&format!("a vault of this fingerprint was used as {}", known.display()));
            }
            let question = "Ask somebody on the team for it. Is it the same?";
            if !ui.confirm(question).map_err(CommandError::Terminal)? {
                return Err(CommandError::UnknownPlace { path, id });
            }
        }
        self.trust(&Place::of(&path)?, &vault)?;
        let state = self.directories().vault_state(&id.to_string());
        let memory = Memory::load(&state, id).map_err(vault::Error::from)?;
        self.known.set(Some(id));
        self.acts_as(&vault, memory.device());
        Ok(Opened { path, vault, stamp: None, memory: RefCell::new(memory), state })
    }

    /// Remembers that this place has this vault.
    pub(crate) fn trust(&self, place: &Place, vault: &Vault) -> Result<(), CommandError> {
        store::create_private_dir_all(&self.directories().state)?;
        Ok(Places::record(self.directories(), place, &vault.id().to_string())?)
    }

    /// True if VLT_VAULT_ID names this vault: commands then take it at a place of which nothing is known.
    pub(crate) fn is_asked_for(&self, id: &str) -> bool {
        self.variables.vault_id().is_ok_and(|asked| asked.as_deref() == Some(id))
    }

    fn check_asked_id(&self, id: &Hash) -> Result<(), CommandError> {
        match self.variables.vault_id()? {
            Some(asked) if asked != id.to_string() => Err(CommandError::NotTheVaultAsked { id: *id }),
            _ => Ok(()),
        }
    }

    /// Verifies profiles, compares them with what was seen before, warns, and remembers
    /// what is new.
    pub(crate) fn sections<'o>(
        &self,
        ui: &mut Ui,
        opened: &'o Opened,
        profiles: &[ProfileName],
    ) -> Result<Vec<Section<'o>>, CommandError> {
        let sections = profiles
            .iter()
            .map(|profile| opened.vault.section(profile).map_err(|error| self.name_profiles(opened, error)))
            .collect::<Result<Vec<_>, _>>()?;
        // What was accepted of the file was compared then, and it and the memory are as they were.
        if opened.vault.is_excerpt() {
            return Ok(sections);
        }
        let seen: Vec<&Section<'_>> = sections.iter().collect();
        let mut memory = opened.memory.borrow_mut();
        let standing = memory.compare(&opened.vault, &seen).map_err(vault::Error::from)?;
        if self.settings().rollback() == Rollback::Refuse
            && let Some(warning) = standing.warnings.into_iter().next()
        {
            return Err(vault::Error::from(vault::PinError::Behind(warning)).into());
        }
        for warning in &standing.fresh {
            ui.warn(&warning.to_string());
        }
        if memory.learn(&opened.vault, &seen, &standing.fresh) {
            memory.save(&opened.state, self.globals.lock_timeout()).map_err(vault::Error::from)?;
        }
        drop(memory);
        Ok(sections)
    }

    /// The profile with those it extends.
    pub(crate) fn effective<'o>(
        &self,
        ui: &mut Ui,
        opened: &'o Opened,
        profile: &ProfileName,
    ) -> Result<Effective<'o>, CommandError> {
        let lineage = opened.vault.lineage(profile).map_err(|error| self.name_profiles(opened, error))?;
        Ok(Effective::new(self.sections(ui, opened, &lineage)?))
    }

    /// The identity of this device, unlocked, and the device it is in this vault.
    pub(crate) fn actor(&self, ui: &mut Ui, opened: &Opened) -> Result<Actor, CommandError> {
        self.actor_with(ui, opened, false)
    }

    /// As [`Self::actor`], with the identity itself: the agent signs no change of the team.
    pub(crate) fn actor_in_hand(&self, ui: &mut Ui, opened: &Opened) -> Result<Actor, CommandError> {
        self.actor_with(ui, opened, true)
    }

    fn actor_with(&self, ui: &mut Ui, opened: &Opened, in_hand: bool) -> Result<Actor, CommandError> {
        let (identity, device) = self.identity_and_device(ui, opened, in_hand)?;
        self.check_signing_key(opened, &device, &*identity)?;
        self.acts_as(&opened.vault, Some(&device));
        self.remember_device(opened, &device)?;
        Ok(Actor { identity, device })
    }

    fn identity_and_device(
        &self,
        ui: &mut Ui,
        opened: &Opened,
        in_hand: bool,
    ) -> Result<(Rc<dyn Unlocked>, DeviceName), CommandError> {
        let otherwise = match self.identity(ui, opened, in_hand) {
            Ok(identity) => match opened.vault.team().device_of(&identity.recipient()) {
                Some(device) => return Ok((identity, device)),
                None => match opened.vault.team().former_device_of(&identity.recipient()) {
                    Some(device) => vault::Error::Former(device.clone()).into(),
                    None => vault::Error::NotAMember.into(),
                },
            },
            Err(CommandError::Identity(vault::identity::Error::NoDevice { .. })) => vault::Error::NotAMember.into(),
            Err(CommandError::Identity(vault::identity::Error::None { .. }))
                if in_hand && unlock::is_held(self, &opened.vault) =>
            {
                vault::Error::NeedsIdentity.into()
            }
            Err(error @ CommandError::Identity(vault::identity::Error::None { .. })) => error,
            Err(error) => return Err(error),
        };
        // One that is no device of an excerpt may be one of the file, and needs nothing beside it.
        if opened.vault.is_excerpt() {
            return Err(otherwise);
        }
        let (identity, device) = unlock::beside(self, ui, &opened.vault)?.ok_or(otherwise)?;
        let identity: Rc<dyn Unlocked> = Rc::new(identity);
        if self.keeps_identity.get() {
            self.kept_identity.replace(Some(identity.clone()));
        }
        Ok((identity, device))
    }

    /// Refuses an identity that the team log knows by its recipient and by another signing key:
    /// who let it in was given somebody else's. Looked at until this machine was the device once.
    pub(crate) fn check_signing_key(
        &self,
        opened: &Opened,
        device: &DeviceName,
        identity: &dyn Unlocked,
    ) -> Result<(), CommandError> {
        if opened.memory.borrow().device() == Some(device) {
            return Ok(());
        }
        let known = opened.vault.team().signing_key(device);
        match known.zip(identity.signing_key()) {
            Some((known, ours)) if known != ours => Err(CommandError::OthersSign(device.clone())),
            _ => Ok(()),
        }
    }

    /// Remembers which device this machine is, so that refusals go into its log too.
    pub(crate) fn remember_device(&self, opened: &Opened, device: &DeviceName) -> Result<(), CommandError> {
        let mut memory = opened.memory.borrow_mut();
        if memory.device() != Some(device) {
            memory.act_as(device);
            memory.save(&opened.state, self.globals.lock_timeout()).map_err(vault::Error::from)?;
        }
        Ok(())
    }

    /// From here on the identity is unlocked once and kept until the command ends.
    pub(crate) fn keep_identity(&self) {
        self.keeps_identity.set(true);
    }

    fn identity(&self, ui: &mut Ui, opened: &Opened, in_hand: bool) -> Result<Rc<dyn Unlocked>, CommandError> {
        if let Some(kept) = &*self.kept_identity.borrow()
            && (!in_hand || kept.in_hand().is_some())
        {
            return Ok(kept.clone());
        }
        let identity = if in_hand {
            unlock::in_hand(self, ui, &opened.vault)?
        } else {
            unlock::identity(self, ui, &opened.vault)?
        };
        if self.keeps_identity.get() {
            self.kept_identity.replace(Some(identity.clone()));
        }
        Ok(identity)
    }

    /// Who the records of this run speak of.
    pub(super) fn acts_as(&self, vault: &Vault, device: Option<&DeviceName>) {
        let member = device.and_then(|device| vault.team().devices().get(device));
        self.member.replace(member.map(|device| device.member.to_string()));
        self.acting.replace(device.cloned());
    }

    /// The key for the values of a section.
    pub(crate) fn unlock(
        &self,
        opened: &Opened,
        actor: &Actor,
        section: &Section<'_>,
    ) -> Result<ValueKey, CommandError> {
        let (_, key) = section.unlock(&opened.vault.id(), opened.vault.team(), &actor.device, &*actor.identity)?;
        Ok(key)
    }

    /// True if `exec` is to say what is overdue, as the configuration has it: always,
    /// never, or once a day and vault.
    pub(crate) fn overdue_wanted(&self, opened: &Opened) -> bool {
        match self.settings().overdue() {
            Overdue::Always => true,
            Overdue::Never => false,
            Overdue::Daily => {
                let path = opened.state.join("overdue-said");
                let today = self.now().seconds() / 86_400;
                let said = store::read_private(&path, 32).ok();
                if said.is_some_and(|said| *said == format!("{today:020}").into_bytes()) {
                    return false;
                }
                // A reminder that comes once too often is no harm.
                let _ = store::overwrite_small(&path, format!("{today:020}").as_bytes());
                true
            }
        }
    }

    /// Refuses names that change how programs load or run, unless this machine's
    /// configuration or the caller's flags allow them.
    pub(crate) fn check_names<'n>(
        &self,
        names: impl Iterator<Item = &'n SecretName>,
        allowed: &[String],
    ) -> Result<(), CommandError> {
        for name in names {
            if !self.allows_name(name.as_str(), allowed) {
                return Err(CommandError::DangerousName(name.clone()));
            }
        }
        Ok(())
    }

    pub(crate) fn allows_name(&self, name: &str, allowed: &[String]) -> bool {
        !vault::exec::names::changes_how_programs_run(name)
            || (!vault::exec::names::credential(name)
                && allowed.iter().chain(self.settings().allow_names()).any(|allowed| allowed == name))
    }

    /// Adds to "no such profile" which ones there are.
    pub(crate) fn name_profiles(&self, opened: &Opened, error: vault::Error) -> CommandError {
        match error {
            vault::Error::NoProfile(asked) => CommandError::NoProfile {
                asked,
                there: opened.vault.team().profiles().keys().map(ToString::to_string).collect(),
            },
            other => other.into(),
        }
    }

    /// That a secret which is to be changed is the profile's own, and not only one it extends.
    pub(crate) fn check_own(
        &self,
        opened: &Opened,
        section: &Section<'_>,
        name: &SecretName,
    ) -> Result<(), CommandError> {
        if section.contains(name) {
            return Ok(());
        }
        let profile = section.name();
        for parent in opened.vault.lineage(profile)?.into_iter().skip(1) {
            if opened.vault.section(&parent)?.contains(name) {
                return Err(CommandError::NotItsOwn { profile: profile.clone(), name: name.clone(), from: parent });
            }
        }
        Err(self.no_secret(std::slice::from_ref(section), profile, name))
    }

    /// "No such secret", with the name that was probably meant.
    pub(crate) fn no_secret(&self, sections: &[Section<'_>], profile: &ProfileName, name: &SecretName) -> CommandError {
        let names = sections.iter().flat_map(Section::names);
        let meant = names.filter(|found| is_near(found, name.as_str())).min().map(str::to_owned);
        CommandError::NoSecret { profile: profile.clone(), name: name.clone(), meant }
    }
}

/// Every profile of the vault.
pub(crate) fn all_profiles(opened: &Opened) -> Vec<ProfileName> {
    opened.vault.team().profiles().keys().cloned().collect()
}

/// Reads a vault file; what is there instead of one is named.
pub(crate) fn read_vault(path: &Path) -> Result<Vec<u8>, CommandError> {
    read_with_stamp(path).map(|(bytes, _)| bytes)
}

fn read_with_stamp(path: &Path) -> Result<(Vec<u8>, Stamp), CommandError> {
    store::read_with_stamp(path, vault::MAX_FILE).map_err(|error| match error {
        store::Error::Missing { path } => CommandError::NoVaultFile { path },
        store::Error::NotRegular { .. } | store::Error::TooLarge { .. } => CommandError::NotAVaultFile(error),
        other => other.into(),
    })
}

/// True if one name becomes the other by at most two changed, added, dropped or
/// swapped letters, in any case, and keeps one at least.
fn is_near(a: &str, b: &str) -> bool {
    let (a, b) = (a.to_ascii_uppercase().into_bytes(), b.to_ascii_uppercase().into_bytes());
    a.len().abs_diff(b.len()) <= 2 && near::distance(&a, &b) <= 2.min(a.len().max(b.len()).saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::is_near;

    #[test]
    fn a_mistyped_name_is_found() {
        for typed in ["OPENAI_KEY", "openai_key", "OPENIA_KEY", "OPENAI_KY", "OPENAI__KEY", "XPENAI_KEZ"] {
            assert!(is_near("OPENAI_KEY", typed), "{typed}");
        }
        for other in ["STRIPE_KEY", "OPENAI", ""] {
            assert!(!is_near("OPENAI_KEY", other), "{other}");
        }
        assert!(is_near("K", "k") && is_near("AB", "AC") && !is_near("ML", "X") && !is_near("A", "B"));
    }
}
