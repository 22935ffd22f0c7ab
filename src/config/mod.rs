//! What this machine says: variables, directories, the local configuration,
//! which vault file is meant and which places are known.
//!
//! Nothing a project's repository holds can change any of it.

mod directories;
mod find;
mod git;
mod place;
mod places;
mod settings;
mod variables;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::store;

pub use directories::Directories;
pub use find::{VAULT_FILE, find};
pub use git::GitPlace;
pub use place::Place;
pub use places::{Known, Places};
pub use settings::{KeptIn, MAX_AGENT_FOR, Overdue, Rollback, Settings};
pub use variables::Variables;

/// Why local configuration could not be read, found or changed. Lines of files
/// are named by number and never shown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or directory could not be read or written.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Neither the variable of ours nor the usual ones say where a directory is.
    #[error("no place for {what}: neither HOME nor {variable} is set to an absolute path")]
    NoHome {
        /// What is kept in the directory: `the configuration` or `the state`.
        what: &'static str,
        /// The variable of ours that would say.
        variable: &'static str,
    },
    /// The value of a variable is not UTF-8.
    #[error("{variable} is not valid text")]
    NotText {
        /// Its name.
        variable: &'static str,
    },
    /// The value of a variable is not a descriptor's number.
    #[error("{variable} is not the number of a file descriptor")]
    NotDescriptor {
        /// Its name.
        variable: &'static str,
    },
    /// No vault file from the starting directory upwards.
    #[error("no {VAULT_FILE} found from {} upwards: {why} {}", searched_from.display(), stopped_at.display())]
    NotFound {
        /// The directory the search began in, canonical.
        searched_from: PathBuf,
        /// The directory it ended at.
        stopped_at: PathBuf,
        /// Why it went no further.
        why: Stop,
    },
    /// Not TOML.
    #[error("{} line {line}: not valid TOML", path.display())]
    Syntax {
        /// The configuration file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// A key in the file that no setting has.
    #[error("{} line {line}: no such setting", path.display())]
    UnknownSettingAt {
        /// The configuration file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
    },
    /// A value in the file that its setting does not take.
    #[error("{} line {line}: {key} must be {want}", path.display())]
    BadSettingAt {
        /// The configuration file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// The setting.
        key: &'static str,
        /// What it takes.
        want: &'static str,
    },
    /// No setting has the key that was asked for.
    #[error("no such setting")]
    UnknownSetting,
    /// The setting does not take the value that was given.
    #[error("{key} must be {want}")]
    BadSetting {
        /// The setting.
        key: &'static str,
        /// What it takes.
        want: &'static str,
    },
    /// The list of known places is not what was written. It is never taken for empty.
    #[error("{} is damaged", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The list of known places was written by a later version.
    #[error("{} was written by a newer version of vault", path.display())]
    TooNew {
        /// The file.
        path: PathBuf,
    },
    /// Not the text of a vault id.
    #[error("not a vault id")]
    NotId,
    /// The place is known with another vault id.
    #[error("{} is known with another vault id", path.display())]
    OtherId {
        /// The vault file.
        path: PathBuf,
    },
}

/// Why the search for a vault file went no further up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stop {
    /// The directory is the root of a git working tree, and was searched.
    GitRoot,
    /// The directory above is on another file system; this one was searched.
    FileSystem,
    /// The directory belongs to another user and was not looked into.
    Owner {
        /// Its owner's user id.
        owner: u32,
    },
    /// There is nothing above; the root directory was searched.
    Root,
}

impl fmt::Display for Stop {
    /// Written to stand before the directory the search ended at.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GitRoot => f.write_str("the search ended at the git root"),
            Self::FileSystem => f.write_str("the search ended at the file-system boundary above"),
            Self::Owner { owner } => {
                write!(f, "the search did not enter a directory that belongs to another user (uid {owner}),")
            }
            Self::Root => f.write_str("the search ended at"),
        }
    }
}

impl Error {
    fn io(action: &'static str, path: &Path, reason: impl Into<io::Error>) -> Self {
        let reason = reason.into();
        let path = path.to_path_buf();
        Self::Store(match reason.kind() {
            io::ErrorKind::NotFound => store::Error::Missing { path },
            _ => store::Error::Io { action, path, reason },
        })
    }
}
