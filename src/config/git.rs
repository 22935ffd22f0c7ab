//! Which clone a vault file belongs to, told from git's files without running git.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::Error;
use super::find::{is_ours, stat};
use crate::store;

/// Longest `.git` or `commondir` file, in bytes: a path and a few words.
const MAX_POINTER: u64 = 8 * 1024;

/// A vault file's place in a clone. All worktrees of the clone share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitPlace {
    /// The git common directory, canonical.
    pub common_dir: PathBuf,
    /// The vault file's path below the root of its working tree.
    pub relative: PathBuf,
}

impl GitPlace {
    /// Looks for the working tree around a vault file in the canonical
    /// directory `directory`. The search ends where that for vault files does.
    ///
    /// `None` outside a working tree, and where git's own files lead nowhere
    /// (a worktree mounted without its repository): the path alone then tells
    /// the place.
    ///
    /// # Errors
    /// [`Error::Store`] where a directory cannot be looked at.
    pub(super) fn around(directory: &Path, name: &Path) -> Result<Option<Self>, Error> {
        let device = stat(directory)?.st_dev;
        for root in directory.ancestors() {
            let found = stat(root)?;
            if found.st_dev != device || !is_ours(&found) {
                return Ok(None);
            }
            // A link to a git directory is as good as one, so links are followed here.
            let Ok(git) = std::fs::canonicalize(root.join(".git")) else { continue };
            let below = directory.strip_prefix(root).unwrap_or(Path::new(""));
            return Ok(common_dir(root, &git).map(|common_dir| Self { common_dir, relative: below.join(name) }));
        }
        Ok(None)
    }
}

/// gitrepository-layout(5): `.git` is the git directory or a file `gitdir: PATH`;
/// a linked worktree's git directory names the common one in `commondir`.
fn common_dir(root: &Path, git: &Path) -> Option<PathBuf> {
    let git_dir = if git.is_dir() {
        git.to_path_buf()
    } else {
        let bytes = store::read(git, MAX_POINTER).ok()?;
        std::fs::canonicalize(root.join(path_in(bytes.strip_prefix(b"gitdir: ")?))).ok()?
    };
    match store::read(&git_dir.join("commondir"), MAX_POINTER) {
        Ok(bytes) => std::fs::canonicalize(git_dir.join(path_in(&bytes))).ok(),
        Err(store::Error::Missing { .. }) => Some(git_dir),
        Err(_) => None,
    }
}

/// The path on a line of its own, as git writes and reads it.
fn path_in(bytes: &[u8]) -> &Path {
    let end = bytes.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r')).map_or(0, |last| last + 1);
    Path::new(std::ffi::OsStr::from_bytes(&bytes[..end]))
}
