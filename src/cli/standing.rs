//! Whether a file may be written, next to what was seen of it before.

use std::collections::BTreeSet;
use std::path::Path;

use vault::config::Place;
use vault::{Memory, ProfileName, Section, Vault, git as library};

use super::error::CommandError;
use super::git;
use super::ui::Ui;

/// Nothing is written into one side of a merge that stopped: git would take it for the
/// whole. A file that is behind what was seen may be read; nothing is sealed or signed on
/// top of it. Unless what it lacks is on another branch of this clone: people work on several.
///
/// The team log is never excepted: on an older one, values could be sealed for somebody
/// who was removed since.
///
/// Gives the branches that hold what the file lacks.
pub(super) fn check(
    path: &Path,
    vault: &Vault,
    sections: &[Section<'_>],
    memory: &Memory,
) -> Result<BTreeSet<String>, CommandError> {
    if git::is_unsettled(path, vault.bytes()) {
        return Err(CommandError::Unsettled { path: path.to_path_buf() });
    }
    let standing = memory.compare(vault, &sections.iter().collect::<Vec<_>>()).map_err(vault::Error::from)?;
    let mut branches = BTreeSet::new();
    for warning in standing.warnings {
        let branch = warning.lagging_profile().and_then(|profile| branch_with_newest(path, vault, memory, profile));
        branches.insert(branch.ok_or(CommandError::BehindForWriting(warning))?);
    }
    Ok(branches)
}

fn branch_with_newest(path: &Path, vault: &Vault, memory: &Memory, profile: &ProfileName) -> Option<String> {
    let place = Place::of(path).ok()?;
    place.git.as_ref()?;
    let run = git::runner(place.path.parent()?);
    library::holder(&run, place.path.file_name()?, &|version| {
        let other = Vault::read(version.to_vec(), memory.verified()).ok().filter(|other| other.id() == vault.id())?;
        let section = other.section(profile).ok().filter(|section| memory.is_newest(section))?;
        Some(section.signature_line().to_owned())
    })
}

/// Says where the rest is.
pub(super) fn say(ui: &mut Ui, branches: &BTreeSet<String>) {
    for branch in branches {
        ui.note(&format!("{branch} has writes that are not on this branch; merging brings them together"));
    }
}
