//! Opening a vault for a use of secrets: by what was accepted of the file before, while that holds.

use std::cell::RefCell;
use std::path::Path;

use vault::config::Rollback;
use vault::{Accepted, Effective, Memory, ProfileName, Vault};

use super::context::{Actor, Context, Opened};
use super::error::CommandError;
use super::ui::Ui;

impl Context {
    /// As [`Context::open`], or in an excerpt for the secrets of a profile: whoever misses
    /// something there opens the whole, which has it or says what is wrong.
    pub(crate) fn open_for(&self, ui: &mut Ui, profile: &ProfileName) -> Result<Opened, CommandError> {
        let (path, _) = self.vault_path()?;
        match self.excerpt(&path, profile) {
            Some(opened) => Ok(opened),
            None => self.open(ui),
        }
    }

    fn excerpt(&self, path: &Path, profile: &ProfileName) -> Option<Opened> {
        let (id, state) = self.known_vault(path).ok()??;
        let accepted = Accepted::find(path, &state, profile)?;
        // A clock that is behind is warned of, with who signed what is newer; a file that is, was warned of once.
        if accepted.newest() > self.now() || (accepted.is_behind() && self.settings().rollback() == Rollback::Refuse) {
            return None;
        }
        let device = accepted.device().clone();
        let vault = Vault::read_accepted(path, accepted).filter(|vault| vault.id() == id)?;
        self.acts_as(&vault, Some(&device));
        let mut memory = Memory::new(id);
        memory.act_as(&device);
        Some(Opened { path: path.to_path_buf(), vault, stamp: None, memory: RefCell::new(memory), state })
    }

    /// Remembers what was used of a file that was read whole, so that the next use need not.
    pub(crate) fn remember_accepted(&self, opened: &Opened, effective: &Effective<'_>, actor: &Actor) {
        let Some(stamp) = opened.stamp else { return };
        let (sections, memory, now) = (effective.sections(), opened.memory.borrow(), self.clock.since_1970());
        // Without it the next use takes as long as this one.
        let _ = Accepted::remember(&opened.vault, sections, &actor.device, stamp, &memory, &opened.state, now);
    }
}
