//! Where a log and its private companions are.

use std::path::{Path, PathBuf};

use super::Error;
use crate::crypto::Hash;

/// The log of one device for one vault.
///
/// The log is `DIRECTORY/DEVICE.jsonl`, and `DIRECTORY/DEVICE.N.jsonl` in its
/// `N`th file (`docs/audit-log.md`, "Files"); `_` stands for the device
/// while it has no name. `DEVICE.state`, `DEVICE.key` and `DEVICE.key.next`
/// are in the state directory.
#[derive(Clone, Debug)]
pub struct Place {
    /// The vault's id.
    pub vault: Hash,
    /// The device's name, once there is one.
    pub device: Option<String>,
    /// Where the log is; may be shared, one file per device.
    pub directory: PathBuf,
    /// Where its companions are. Never shared. It is locked for every append,
    /// so nothing else may be locked by way of it.
    pub state_directory: PathBuf,
}

impl Place {
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.device.as_deref().is_none_or(is_device_name) { Ok(()) } else { Err(Error::Device) }
    }

    /// Path of the first file (1) or of a later one, in which the log goes on or
    /// another one was begun by [`Log::begin_again`](super::Log::begin_again).
    #[must_use]
    pub fn log_path(&self, generation: u64) -> PathBuf {
        let name = self.file_name();
        self.directory.join(if generation == 1 {
            format!("{name}.jsonl")
        } else {
            format!("{name}.{generation}.jsonl")
        })
    }

    pub(super) fn companion(&self, ending: &str) -> PathBuf {
        self.state_directory.join(format!("{}.{ending}", self.file_name()))
    }

    fn file_name(&self) -> &str {
        self.device.as_deref().unwrap_or("_")
    }

    /// The logs of this device that are there, oldest first.
    pub(super) fn generations(&self) -> Result<Vec<(u64, PathBuf)>, Error> {
        self.generations_with(&[])
    }

    /// As [`Place::generations`], with those of other directories that are not here.
    pub(super) fn generations_with(&self, archives: &[PathBuf]) -> Result<Vec<(u64, PathBuf)>, Error> {
        let mut found = std::collections::BTreeMap::new();
        for directory in std::iter::once(&self.directory).chain(archives) {
            for log in logs_in(directory)?.into_iter().filter(|log| log.device == self.device) {
                found.entry(log.generation).or_insert(log.path);
            }
        }
        Ok(found.into_iter().collect())
    }
}

/// Most files of one device; who names one higher gets no say in what ours are called.
const MAX_GENERATION: u64 = 1 << 32;

/// A file that is named like a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFile {
    /// The device by the file's name; none for `_`.
    pub device: Option<String>,
    /// 1 for the first file of the device.
    pub generation: u64,
    /// The file.
    pub path: PathBuf,
    /// Its size in bytes when it was found.
    pub size: u64,
}

/// The logs in a directory by device and age; none if there is no such
/// directory. Other files are passed over.
///
/// # Errors
/// [`Error::Read`] if the directory cannot be listed.
pub fn logs_in(directory: &Path) -> Result<Vec<LogFile>, Error> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(Error::Read)?,
    };
    let mut logs = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Error::Read)?;
        let name = entry.file_name();
        let Some((device, generation)) = name.to_str().and_then(from_file_name) else { continue };
        let size = entry.metadata().map_or(0, |metadata| metadata.len());
        logs.push(LogFile { device, generation, path: directory.join(name), size });
    }
    logs.sort_by(|a, b| (&a.device, a.generation).cmp(&(&b.device, b.generation)));
    Ok(logs)
}

fn from_file_name(name: &str) -> Option<(Option<String>, u64)> {
    let stem = name.strip_suffix(".jsonl")?;
    let (device, generation) = match stem.split_once('.') {
        None => (stem, 1),
        Some((_, number)) if number.starts_with(['0', '+']) => return None,
        Some((device, number)) => (device, number.parse().ok().filter(|n| (2..MAX_GENERATION).contains(n))?),
    };
    match device {
        "_" => Some((None, generation)),
        device => is_device_name(device).then(|| (Some(device.to_owned()), generation)),
    }
}

pub(super) fn is_device_name(name: &str) -> bool {
    let mut letters = name.bytes();
    name.len() <= 64
        && letters.next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        && letters.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_tell_device_and_generation() {
        for (name, want) in [
            ("laptop.jsonl", Some((Some("laptop"), 1))),
            ("laptop.2.jsonl", Some((Some("laptop"), 2))),
            ("_.jsonl", Some((None, 1))),
            ("_.12.jsonl", Some((None, 12))),
            ("laptop.1.jsonl", None),
            ("laptop.4294967296.jsonl", None),
            ("laptop.18446744073709551615.jsonl", None),
            ("laptop.02.jsonl", None),
            ("laptop.2.3.jsonl", None),
            ("Laptop.jsonl", None),
            ("laptop.json", None),
            (".jsonl", None),
        ] {
            let found = from_file_name(name);
            assert_eq!(found.as_ref().map(|(device, n)| (device.as_deref(), *n)), want, "{name}");
        }
    }
}
