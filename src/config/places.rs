//! The places this user knows, and the vault id of each.
//!
//! `STATE/places.json`, private:
//! `{"v":1,"places":[{"path":…,"git":…,"relative":…,"id":…}]}`, where `git`
//! and `relative` are left out outside a clone. Paths are text with `%` and
//! bytes that are not UTF-8 written `%XX`, so that every path survives.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Directories, Error, GitPlace, Place};
use crate::store::{self, Lock, Mode};

/// Largest list that is read, in bytes: some ten thousand places.
const MAX_FILE: u64 = 16 * 1024 * 1024;
/// Time to wait for another process that records a place.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);
const FORMAT: u64 = 1;

/// The remembered places.
#[derive(Debug, Default)]
pub struct Places(Vec<Entry>);

/// What is known of a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// Nothing: it has to be confirmed.
    Unknown,
    /// The vault id that was confirmed.
    Id(String),
    /// The path is known with one id and the clone with another: no id is
    /// right here until one is confirmed again.
    Conflict {
        /// The id known for the path.
        by_path: String,
        /// The id known for the git common directory and the path below it.
        by_clone: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    place: Place,
    id: String,
}

impl Places {
    /// Reads the list; a missing one is empty, a damaged one never is.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::TooNew`], or [`Error::Store`] if it is not
    /// private or cannot be read.
    pub fn load(directories: &Directories) -> Result<Self, Error> {
        let path = file(directories);
        match store::read_private(&path, MAX_FILE) {
            Ok(bytes) => Self::parse(&bytes, &path),
            Err(store::Error::Missing { .. }) => Ok(Self::default()),
            Err(error) => Err(error.into()),
        }
    }

    /// What is known of `place`, by its path or by its clone.
    #[must_use]
    pub fn known(&self, place: &Place) -> Known {
        let id = |found: Option<&Entry>| found.map(|entry| entry.id.clone());
        let by_path = id(self.0.iter().find(|entry| entry.same_path(place)));
        let by_clone = id(self.0.iter().find(|entry| entry.same_clone(place)));
        match (by_path, by_clone) {
            (Some(by_path), Some(by_clone)) if by_path != by_clone => Known::Conflict { by_path, by_clone },
            (Some(id), _) | (None, Some(id)) => Known::Id(id),
            (None, None) => Known::Unknown,
        }
    }

    /// Where a vault of this id was used.
    pub fn paths_of<'a>(&'a self, id: &'a str) -> impl Iterator<Item = &'a Path> {
        self.0.iter().filter(move |entry| entry.id == id).map(|entry| entry.place.path.as_path())
    }

    /// Every vault file that was used here, by its path.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().map(|entry| entry.place.path.as_path())
    }

    /// Records that `place` holds the vault `id`. Durable on return; writes
    /// nothing if it is recorded already.
    ///
    /// Takes the lock of the state directory, which the caller must not hold.
    ///
    /// # Errors
    /// [`Error::OtherId`] if the place is known with another id;
    /// [`Error::NotId`]; those of [`Places::load`]; [`Error::Store`] where the list cannot be written.
    pub fn record(directories: &Directories, place: &Place, id: &str) -> Result<(), Error> {
        Self::change(
            directories,
            |places| match places.known(place) {
                Known::Unknown => Ok(()),
                Known::Id(known) if known == id => Ok(()),
                Known::Id(_) | Known::Conflict { .. } => Err(Error::OtherId { path: place.path.clone() }),
            },
            place,
            id,
        )
    }

    /// As [`Places::record`], for a place that is known with another id and
    /// was confirmed again: every entry for its path or clone gets `id`.
    ///
    /// # Errors
    /// [`Error::NotId`]; those of [`Places::load`]; [`Error::Store`] where the
    /// list cannot be written.
    pub fn replace_id(directories: &Directories, place: &Place, id: &str) -> Result<(), Error> {
        Self::change(directories, |_| Ok(()), place, id)
    }

    fn change(
        directories: &Directories,
        check: impl FnOnce(&Self) -> Result<(), Error>,
        place: &Place,
        id: &str,
    ) -> Result<(), Error> {
        let path = file(directories);
        if !is_id(id) {
            return Err(Error::NotId);
        }
        store::create_private_dir_all(&directories.state)?;
        let _lock = Lock::acquire(&directories.state, LOCK_TIMEOUT)?;
        let mut places = Self::load(directories)?;
        check(&places)?;
        if places.put(place, id) {
            Ok(store::replace(&path, places.to_text().as_bytes(), Mode::Private)?)
        } else {
            Ok(())
        }
    }

    /// True if anything changed.
    fn put(&mut self, place: &Place, id: &str) -> bool {
        let wanted = Entry { place: place.clone(), id: id.to_owned() };
        let before = self.0.clone();
        for entry in &mut self.0 {
            if entry.same_path(place) {
                *entry = wanted.clone();
            } else if entry.same_clone(place) {
                entry.id.clone_from(&wanted.id);
            }
        }
        if !self.0.contains(&wanted) {
            self.0.push(wanted);
        }
        self.0 != before
    }

    fn parse(bytes: &[u8], path: &Path) -> Result<Self, Error> {
        let damaged = || Error::Damaged { path: path.to_path_buf() };
        // The number first: the rest of a later format may look different.
        let version: Version = serde_json::from_slice(bytes).map_err(|_| damaged())?;
        if version.v > FORMAT {
            return Err(Error::TooNew { path: path.to_path_buf() });
        }
        let stored: Stored = serde_json::from_slice(bytes).map_err(|_| damaged())?;
        if stored.v != FORMAT {
            return Err(damaged());
        }
        let mut places = Self::default();
        for line in stored.places {
            let entry = line.into_entry().ok_or_else(damaged)?;
            let clashes = |other: &Entry| {
                other.same_path(&entry.place) || (other.same_clone(&entry.place) && other.id != entry.id)
            };
            if places.0.iter().any(clashes) {
                return Err(damaged());
            }
            places.0.push(entry);
        }
        Ok(places)
    }

    fn to_text(&self) -> String {
        let stored = Stored { v: FORMAT, places: self.0.iter().map(StoredPlace::from).collect() };
        let mut text = serde_json::to_string_pretty(&stored).expect("texts and a number are always JSON");
        text.push('\n');
        text
    }
}

impl Entry {
    fn same_path(&self, place: &Place) -> bool {
        self.place.path == place.path
    }

    fn same_clone(&self, place: &Place) -> bool {
        place.git.is_some() && self.place.git == place.git
    }
}

#[derive(Deserialize)]
struct Version {
    v: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    v: u64,
    places: Vec<StoredPlace>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredPlace {
    path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    git: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    relative: Option<String>,
    id: String,
}

impl StoredPlace {
    fn into_entry(self) -> Option<Entry> {
        let git = match (self.git, self.relative) {
            (Some(git), Some(relative)) => {
                Some(GitPlace { common_dir: unescape(&git)?, relative: unescape(&relative)? })
            }
            (None, None) => None,
            _ => return None,
        };
        is_id(&self.id).then_some(())?;
        Some(Entry { place: Place { path: unescape(&self.path)?, git }, id: self.id })
    }
}

impl From<&Entry> for StoredPlace {
    fn from(entry: &Entry) -> Self {
        let git = entry.place.git.as_ref();
        Self {
            path: escape(&entry.place.path),
            git: git.map(|git| escape(&git.common_dir)),
            relative: git.map(|git| escape(&git.relative)),
            id: entry.id.clone(),
        }
    }
}

fn file(directories: &Directories) -> PathBuf {
    directories.state.join("places.json")
}

/// The shape of a vault id: 52 characters of lower-case base32 (`docs/format.md`, section 1).
fn is_id(text: &str) -> bool {
    text.len() == 52 && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'))
}

fn escape(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        text.push_str(&chunk.valid().replace('%', "%25"));
        for byte in chunk.invalid() {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// Reads only what [`escape`] writes.
fn unescape(text: &str) -> Option<PathBuf> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend_from_slice(parts.next()?.as_bytes());
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    let path = PathBuf::from(OsString::from_vec(bytes));
    (escape(&path) == text).then_some(path)
}

#[cfg(test)]
mod tests;
