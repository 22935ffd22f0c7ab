//! What `resolve` and `repair` share: the versions, the choices made so far, the one write.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use vault::crypto::{self, Binding, Hash, SealedValue, ValueKey};
use vault::git::{Origin, Repair, Sources, repair, unmerged};
use vault::merge::{Choice, Choices, Conflict, Item, MergeError, Plan, Side};
use vault::secret_value::SecretValue;
use vault::team::{self, Adopted};
use vault::{ProfileName, Signer, Vault, store};

use super::conflicts::item_name;
use crate::cli::context::{Actor, Context, Opened, read_vault};
use crate::cli::error::CommandError;
use crate::cli::git;
use crate::cli::ui::{Ui, typed};

/// Where a merge stopped.
pub(super) struct Stopped {
    pub(super) path: PathBuf,
    directory: PathBuf,
    pub(super) sources: Sources,
    base: Option<Vault>,
    pub(super) ours: Vault,
    pub(super) theirs: Vault,
    /// The side that stands for both team logs since that was settled.
    team: Option<SavedTeam>,
}

/// The vault file of a command that works on a clone, with its directory.
pub(super) fn file(cx: &Context) -> Result<(PathBuf, PathBuf), CommandError> {
    let (path, _) = cx.vault_path()?;
    let place = vault::config::Place::of(&path)?;
    if place.git.is_none() {
        return Err(CommandError::NoClone(path.display().to_string()));
    }
    let directory = place.path.parent().unwrap_or(Path::new("/")).to_path_buf();
    Ok((place.path, directory))
}

/// True if bytes are a vault that verifies.
pub(super) fn accepts(bytes: &[u8]) -> bool {
    Vault::read(bytes.to_vec(), &[]).is_ok_and(|vault| vault.check().is_empty())
}

impl Stopped {
    /// The merge that is under way, or the one that a broken file comes from.
    pub(super) fn find(cx: &Context) -> Result<Self, CommandError> {
        let (path, directory) = file(cx)?;
        let run = git::runner(&directory);
        let name = path.file_name().unwrap_or_default().to_owned();
        let sources = match unmerged(&run, &name)? {
            Some(sources) => sources,
            None => match repair(&run, &name, &accepts)? {
                Repair::Merge(sources) if !accepts(&read_vault(&path)?) => sources,
                _ => return Err(CommandError::NothingToSettle),
            },
        };
        Self::of(path, directory, sources)
    }

    pub(super) fn of(path: PathBuf, directory: PathBuf, sources: Sources) -> Result<Self, CommandError> {
        let read = |side, bytes: &[u8]| {
            Vault::read(bytes.to_vec(), &[]).map_err(|rejected| MergeError::Side { side, rejected })
        };
        let base = sources.base.as_ref().and_then(|bytes| Vault::read(bytes.clone(), &[]).ok());
        let (ours, theirs) = (read(Side::Ours, &sources.ours)?, read(Side::Theirs, &sources.theirs)?);
        let mut stopped = Self { path, directory, sources, base, ours, theirs, team: None };
        if let Some(team) = stopped.saved()?.team {
            stopped.replace_side(&team)?;
            stopped.team = Some(team);
        }
        Ok(stopped)
    }

    fn replace_side(&mut self, team: &SavedTeam) -> Result<(), CommandError> {
        let vault = Vault::read(team.text.clone().into_bytes(), &[])?;
        *if team.ours { &mut self.ours } else { &mut self.theirs } = vault;
        Ok(())
    }

    /// Makes one team of both: that of `side`, with the other one's changes made again.
    pub(super) fn adopt(&mut self, cx: &Context, ui: &mut Ui, side: Side) -> Result<(Actor, Adopted), CommandError> {
        let (kept, dropped) = match side {
            Side::Ours => (&self.ours, &self.theirs),
            Side::Theirs => (&self.theirs, &self.ours),
        };
        let opened = cx.open_bytes(ui, self.path.clone(), kept.bytes().to_vec())?;
        let actor = cx.actor_in_hand(ui, &opened)?;
        let mut adopted = None;
        let saved = self.saved()?;
        cx.sign_merge(
            &opened,
            &actor,
            &[],
            |signer, memory, head, now| {
                let made = team::adopt(kept, dropped, self.base.as_ref(), signer, memory, Some(head), now)?;
                // What is behind in it is on the other side, which is merged next.
                memory.compare(&made.vault, &[]).map_err(vault::Error::from)?;
                let written = Vault::read(made.vault.bytes().to_vec(), made.vault.team().hashes())?;
                adopted = Some(made);
                Ok(written)
            },
            |written| {
                let text = String::from_utf8_lossy(written.bytes()).into_owned();
                self.save(&Saved { team: Some(SavedTeam { ours: side == Side::Ours, text }), ..saved })
            },
        )?;
        let adopted = adopted.ok_or(CommandError::Internal("an adoption that is signed was made"))?;
        let text = String::from_utf8_lossy(adopted.vault.bytes()).into_owned();
        let team = SavedTeam { ours: side == Side::Ours, text };
        self.replace_side(&team)?;
        self.team = Some(team);
        Ok((actor, adopted))
    }

    /// True if the team was settled for this side, whatever came after.
    pub(super) fn has_adopted(&self, side: Side) -> bool {
        self.team.as_ref().is_some_and(|team| team.ours == (side == Side::Ours))
    }

    /// What [`Self::adopt`] would make, which is neither kept nor recorded.
    pub(super) fn try_to_adopt(&self, cx: &Context, ui: &mut Ui, side: Side) -> Result<Adopted, CommandError> {
        let (kept, dropped) = match side {
            Side::Ours => (&self.ours, &self.theirs),
            Side::Theirs => (&self.theirs, &self.ours),
        };
        let opened = cx.open_bytes(ui, self.path.clone(), kept.bytes().to_vec())?;
        let actor = cx.actor_in_hand(ui, &opened)?;
        let signer = Signer { device: actor.device.clone(), identity: &*actor.identity };
        let memory = opened.memory.borrow();
        Ok(team::adopt(kept, dropped, self.base.as_ref(), &signer, &memory, None, cx.now())?)
    }

    pub(super) fn plan(&self) -> Result<Plan<'_>, MergeError> {
        Plan::new(self.base.as_ref(), &self.ours, &self.theirs, self.sources.how)
    }

    /// The vault as this device acts in it: that of the side whose team log counts.
    pub(super) fn open(&self, cx: &Context, ui: &mut Ui, plan: &Plan<'_>) -> Result<Opened, CommandError> {
        cx.open_bytes(ui, self.path.clone(), plan.side(plan.team()).bytes().to_vec())
    }

    /// Signs what was merged and puts it in place of what the merge left there.
    pub(super) fn write(
        &self,
        cx: &Context,
        opened: &Opened,
        actor: &Actor,
        plan: &Plan<'_>,
        choices: &Choices,
    ) -> Result<Result<(), Vec<Conflict>>, CommandError> {
        let signer = Signer { device: actor.device.clone(), identity: &*actor.identity };
        let merge = match plan.merge(&signer, choices, cx.now())? {
            Ok(merge) => merge,
            Err(open) => return Ok(Err(open)),
        };
        let profiles: Vec<ProfileName> = merge.profiles().cloned().collect();
        if profiles.is_empty() {
            let merged = merge.unsigned(plan)?;
            self.replace(cx, merged.bytes())?;
            return Ok(Ok(()));
        }
        cx.sign_merge(
            opened,
            actor,
            &profiles,
            |signer, memory, head, now| Ok(merge.sign(plan, signer, memory, Some(head), now)?),
            |written| self.replace(cx, written.bytes()),
        )?;
        Ok(Ok(()))
    }

    /// Writes the file, unless somebody worked on it since the merge stopped.
    pub(super) fn replace(&self, cx: &Context, bytes: &[u8]) -> Result<(), CommandError> {
        let _lock = store::Lock::acquire(&self.directory, cx.globals.lock_timeout())?;
        let there = match store::read(&self.path, vault::MAX_FILE) {
            Ok(there) => there,
            Err(store::Error::Missing { .. }) => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        if there != self.sources.ours && there != self.sources.theirs && accepts(&there) {
            return Err(CommandError::ChangedSince { path: self.path.clone() });
        }
        store::replace(&self.path, bytes, store::Mode::Shared)?;
        if let Some(file) = self.choices_file() {
            // A file that stays belongs to other versions from now on and is not read again.
            let _ = std::fs::remove_file(file);
        }
        Ok(())
    }

    /// What to do next with git.
    pub(super) fn next(&self, ui: &mut Ui) {
        let name = typed(&self.path);
        match self.sources.origin {
            Origin::Index => ui
                .note(&format!("next: git add {name}, and go on with git (merge, rebase or cherry-pick `--continue`)")),
            _ => ui.note(&format!("next: git add {name} && git commit")),
        }
    }

    /// Where the choices for this file are kept until the last one: in the git directory.
    fn choices_file(&self) -> Option<PathBuf> {
        let name = Hash::of(self.path.as_os_str().as_bytes());
        git::private_path(&self.directory, &format!("vault-merge-{}", name.short()))
    }

    /// What the choices belong to: these very versions.
    fn mark(&self) -> Hash {
        let base = self.sources.base.as_deref().unwrap_or_default();
        Hash::of_parts(&[base, &self.sources.ours, &self.sources.theirs])
    }

    /// The choices made so far for these versions.
    pub(super) fn kept(&self) -> Result<Vec<Kept>, CommandError> {
        Ok(self.saved()?.choices)
    }

    fn saved(&self) -> Result<Saved, CommandError> {
        let Some(file) = self.choices_file() else { return Ok(Saved::default()) };
        let bytes = match store::read(&file, 256 << 20) {
            Ok(bytes) => bytes,
            Err(store::Error::Missing { .. }) => return Ok(Saved::default()),
            Err(error) => return Err(error.into()),
        };
        // Of another merge, or damaged: nothing was decided then.
        let saved: Saved = serde_json::from_slice(&bytes).unwrap_or_default();
        Ok(if saved.of == self.mark().to_string() { saved } else { Saved::default() })
    }

    pub(super) fn keep(&self, choices: Vec<Kept>) -> Result<(), CommandError> {
        self.save(&Saved { choices, team: self.team.clone(), ..Saved::default() })
    }

    fn save(&self, saved: &Saved) -> Result<(), CommandError> {
        let file = self.choices_file().ok_or(vault::git::Error::NoGit)?;
        let saved = Saved { of: self.mark().to_string(), choices: saved.choices.clone(), team: saved.team.clone() };
        let bytes = serde_json::to_vec(&saved).map_err(|_| CommandError::Internal("choices are text"))?;
        Ok(store::replace(&file, &bytes, store::Mode::Private)?)
    }

    /// The key of a profile's values under the team log that counts.
    pub(super) fn key(plan: &Plan<'_>, actor: &Actor, profile: &ProfileName) -> Result<ValueKey, CommandError> {
        let vault = plan.side(plan.team());
        let section = vault.section(profile)?;
        Ok(section.unlock(&vault.id(), vault.team(), &actor.device, &*actor.identity)?.1)
    }
}

/// Choices on disk.
#[derive(Default, serde::Serialize, serde::Deserialize)]
struct Saved {
    of: String,
    choices: Vec<Kept>,
    #[serde(default)]
    team: Option<SavedTeam>,
}

/// The side whose team log is kept, as it is once it adopted the other one. Signed, and as
/// little of a secret as the vault file.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct SavedTeam {
    ours: bool,
    text: String,
}

/// One choice on disk. A value is sealed as one of the profile, under a number that no
/// value of a secret is ever given.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub(super) struct Kept {
    profile: ProfileName,
    item: String,
    take: Option<String>,
    value: Option<String>,
}

const NO_VERSION: u64 = 0;

impl Kept {
    pub(super) fn side(conflict: &Conflict, side: Side) -> Self {
        let item = item_name(&conflict.item);
        Self { profile: conflict.profile.clone(), item, take: Some(side.word().to_owned()), value: None }
    }

    pub(super) fn value(conflict: &Conflict, value: &SecretValue, key: &ValueKey) -> Result<Self, CommandError> {
        let item = item_name(&conflict.item);
        let sealed = key.seal(Binding { name: &item, version: NO_VERSION }, value)?;
        let value = Some(crypto::to_base64(sealed.as_bytes()));
        Ok(Self { profile: conflict.profile.clone(), item, take: None, value })
    }

    pub(super) fn is_for(&self, conflict: &Conflict) -> bool {
        self.profile == conflict.profile && self.item == item_name(&conflict.item)
    }

    /// The choice, for conflicts as the library names them. A value that cannot be opened
    /// for want of a key stands as a choice that is made.
    pub(super) fn to_choice(
        &self,
        plan: &Plan<'_>,
        actor: Option<&Actor>,
    ) -> Result<((ProfileName, Item), Choice), CommandError> {
        let damaged = || CommandError::Internal("a choice that was kept cannot be read");
        let item = match self.item.as_str() {
            "@policy" => Item::Policy,
            "@profile" => Item::Profile,
            name => Item::Secret(name.parse().map_err(|_| damaged())?),
        };
        let choice = match (self.take.as_deref(), &self.value, actor) {
            (Some("ours"), _, _) => Choice::Take(Side::Ours),
            (Some("theirs"), _, _) => Choice::Take(Side::Theirs),
            (None, Some(_), None) => Choice::Take(Side::Ours),
            (None, Some(value), Some(actor)) => {
                let sealed = crypto::from_base64(value, "value").and_then(SealedValue::from_bytes)?;
                let key = Stopped::key(plan, actor, &self.profile)?;
                Choice::Value(key.open(Binding { name: &self.item, version: NO_VERSION }, &sealed)?)
            }
            _ => return Err(damaged()),
        };
        Ok(((self.profile.clone(), item), choice))
    }
}

/// The name of a file, for messages.
pub(super) fn shown(path: &Path) -> String {
    path.file_name().map(OsStr::to_string_lossy).unwrap_or_default().into_owned()
}
