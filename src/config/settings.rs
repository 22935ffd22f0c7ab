//! The local configuration, `config.toml`.
//!
//! Only this user's own file counts: no project file can set any of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use toml::de::{DeTable, DeValue};

use super::find::is_ours;
use super::{Directories, Error};
use crate::clock::Span;
use crate::store::{self, Lock, Mode};

/// Largest file that is read, in bytes.
const MAX_FILE: u64 = 256 * 1024;
/// Time to wait for another process that writes the configuration.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest name of a variable, in bytes, as for secrets.
const MAX_NAME: usize = 256;

const IDENTITY: &str = "identity";
const AUDIT_DIR: &str = "audit_dir";
const ROLLBACK: &str = "rollback";
const OVERDUE: &str = "overdue";
const ALLOW_NAMES: &str = "allow_names";
const AGENT_FOR: &str = "agent_for";
/// Longest that an agent keeps an identity, in seconds: 30 days.
pub const MAX_AGENT_FOR: u64 = 30 * 86_400;
const NOTIFY: &str = "notify";

const KEYS: [&str; 7] = [IDENTITY, AUDIT_DIR, ROLLBACK, OVERDUE, ALLOW_NAMES, AGENT_FOR, NOTIFY];

/// The settings of this user on this machine.
#[derive(Debug, Default)]
pub struct Settings {
    home: Option<PathBuf>,
    identity: Option<Written<KeptIn>>,
    audit_dir: Option<Written<PathBuf>>,
    rollback: Option<Rollback>,
    overdue: Option<Overdue>,
    allow_names: Vec<String>,
    agent_for: Option<Span>,
    notify: Option<String>,
}

/// A value and the text it was given as, so that `~/` is kept in the file.
#[derive(Debug)]
struct Written<T> {
    text: String,
    value: T,
}

/// Where this device's identity is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeptIn {
    /// The system's keyring: `keyring`.
    Keyring,
    /// An identity file: `file:PATH`, absolute or below `~/`.
    File(PathBuf),
}

/// What reading does with a file that is older than one seen before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rollback {
    /// Warns, once per head: the default.
    #[default]
    Warn,
    /// Refuses.
    Refuse,
}

/// How often `exec` says what is overdue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overdue {
    /// At every use: the default.
    #[default]
    Always,
    /// Once a day.
    Daily,
    /// Not at all.
    Never,
}

impl Settings {
    /// Reads `CONFIG/config.toml`; a missing one leaves every default.
    ///
    /// # Errors
    /// [`Error::Syntax`], [`Error::UnknownSettingAt`], [`Error::BadSettingAt`];
    /// [`Error::Store`] if it is not ours alone to write, or cannot be read.
    pub fn load(directories: &Directories) -> Result<Self, Error> {
        let path = file(directories);
        let mut settings = Self { home: directories.home.clone(), ..Self::default() };
        // Others may read it, so the store's rule for private files is too strict.
        // What is checked by name could be swapped before it is read only by
        // someone who can write to the directory, and so owns the file anyway.
        match rustix::fs::lstat(&path) {
            Err(rustix::io::Errno::NOENT) => return Ok(settings),
            Err(errno) => return Err(Error::io("open", &path, errno)),
            Ok(stat) if !is_ours(&stat) => {
                return Err(store::Error::NotOurs { path, owner: stat.st_uid }.into());
            }
            // A link has mode 0777 and is refused as a link below.
            Ok(stat) => {
                let mode = rustix::fs::Mode::from_raw_mode(stat.st_mode).bits();
                let link = rustix::fs::FileType::from_raw_mode(stat.st_mode).is_symlink();
                if mode & 0o022 != 0 && !link {
                    #[allow(clippy::useless_conversion, reason = "narrower on macOS")]
                    return Err(store::Error::TooWide { path, mode: u32::from(mode) & 0o7777 }.into());
                }
            }
        }
        let bytes = store::read(&path, MAX_FILE)?;
        settings.read(&bytes, &path)?;
        Ok(settings)
    }

    /// The names of all settings.
    #[must_use]
    pub fn keys() -> &'static [&'static str] {
        &KEYS
    }

    /// Where the identity is kept, if the file says; the default is the file
    /// `identity` in the configuration directory.
    #[must_use]
    pub fn identity(&self) -> Option<&KeptIn> {
        self.identity.as_ref().map(|written| &written.value)
    }

    /// A directory for audit logs in place of the state directory; absolute.
    #[must_use]
    pub fn audit_dir(&self) -> Option<&Path> {
        self.audit_dir.as_ref().map(|written| written.value.as_path())
    }

    /// What reading does with an older file.
    #[must_use]
    pub fn rollback(&self) -> Rollback {
        self.rollback.unwrap_or_default()
    }

    /// How often overdue secrets are called out.
    #[must_use]
    pub fn overdue(&self) -> Overdue {
        self.overdue.unwrap_or_default()
    }

    /// Names of variables that are set although they change how programs load or run.
    #[must_use]
    pub fn allow_names(&self) -> &[String] {
        &self.allow_names
    }

    /// How long the agent keeps an identity: 8 hours by default.
    #[must_use]
    pub fn agent_for(&self) -> Span {
        self.agent_for.unwrap_or(Span::from_seconds(8 * 3600))
    }

    /// How reminders are delivered, unchecked: `desktop` or `command:CMD`.
    #[must_use]
    pub fn notify(&self) -> Option<&str> {
        self.notify.as_deref()
    }

    /// The text of a setting as [`Settings::set`] takes it, the default where
    /// that is a fixed text. `None` where nothing is set, and for an unknown key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<String> {
        match key {
            IDENTITY => self.identity.as_ref().map(|written| written.text.clone()),
            AUDIT_DIR => self.audit_dir.as_ref().map(|written| written.text.clone()),
            ROLLBACK => Some(self.rollback().as_str().into()),
            OVERDUE => Some(self.overdue().as_str().into()),
            ALLOW_NAMES => (!self.allow_names.is_empty()).then(|| self.allow_names.join(",")),
            AGENT_FOR => Some(self.agent_for().to_string()),
            NOTIFY => self.notify.clone(),
            _ => None,
        }
    }

    /// Sets a setting from text; names in `allow_names` are separated by commas.
    /// [`Settings::save`] makes it last.
    ///
    /// # Errors
    /// [`Error::UnknownSetting`] or [`Error::BadSetting`].
    pub fn set(&mut self, key: &str, text: &str) -> Result<(), Error> {
        let key = known(key).ok_or(Error::UnknownSetting)?;
        // What is in a file already is refused by the command that goes by it, and stops no other.
        if !is_useful(key, text) {
            return Err(Error::BadSetting { key, want: wanted(key) });
        }
        let put = if key == ALLOW_NAMES { self.put_names(text.split(',')) } else { self.put(key, text) };
        put.map_err(|want| Error::BadSetting { key, want })
    }

    /// Takes a setting back to its default.
    ///
    /// # Errors
    /// [`Error::UnknownSetting`].
    pub fn unset(&mut self, key: &str) -> Result<(), Error> {
        match key {
            IDENTITY => self.identity = None,
            AUDIT_DIR => self.audit_dir = None,
            ROLLBACK => self.rollback = None,
            OVERDUE => self.overdue = None,
            ALLOW_NAMES => self.allow_names.clear(),
            AGENT_FOR => self.agent_for = None,
            NOTIFY => self.notify = None,
            _ => return Err(Error::UnknownSetting),
        }
        Ok(())
    }

    /// Writes the file, private and durable, in a directory that is made if
    /// there is none. Comments and the order of an older file are not kept.
    ///
    /// Takes the lock of the configuration directory, which the caller must
    /// not hold. Of two processes that load, set and save, the later wins.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn save(&self, directories: &Directories) -> Result<(), Error> {
        let text = self.to_text();
        store::create_private_dir_all(&directories.config)?;
        let _lock = Lock::acquire(&directories.config, LOCK_TIMEOUT)?;
        Ok(store::replace(&file(directories), text.as_bytes(), Mode::Private)?)
    }

    fn to_text(&self) -> String {
        let stored = Stored {
            identity: self.identity.as_ref().map(|written| &*written.text),
            audit_dir: self.audit_dir.as_ref().map(|written| &*written.text),
            rollback: self.rollback.map(Rollback::as_str),
            overdue: self.overdue.map(Overdue::as_str),
            allow_names: &self.allow_names,
            agent_for: self.agent_for.map(|span| span.to_string()),
            notify: self.notify.as_deref(),
        };
        toml::to_string(&stored).expect("texts and a list of texts are always TOML")
    }

    fn read(&mut self, bytes: &[u8], path: &Path) -> Result<(), Error> {
        let path = || path.to_path_buf();
        let text = std::str::from_utf8(bytes)
            .map_err(|error| Error::Syntax { path: path(), line: line_at(bytes, error.valid_up_to()) })?;
        let table = DeTable::parse(text).map_err(|error| Error::Syntax {
            path: path(),
            line: line_at(bytes, error.span().map_or(0, |span| span.start)),
        })?;
        for (key, value) in table.get_ref() {
            let line = line_at(bytes, key.span().start);
            let key = known(key.get_ref()).ok_or_else(|| Error::UnknownSettingAt { path: path(), line })?;
            let put = match value.get_ref() {
                DeValue::String(text) if key != ALLOW_NAMES => self.put(key, text),
                DeValue::Array(names) if key == ALLOW_NAMES => {
                    // What is no text becomes no name.
                    self.put_names(names.iter().map(|name| name.get_ref().as_str().unwrap_or_default()))
                }
                _ => Err(wanted(key)),
            };
            put.map_err(|want| Error::BadSettingAt { path: path(), line, key, want })?;
        }
        Ok(())
    }

    /// Sets one setting but `allow_names`; fails with what it takes.
    fn put(&mut self, key: &'static str, text: &str) -> Result<(), &'static str> {
        let want = wanted(key);
        match key {
            IDENTITY => {
                let value = match text.strip_prefix("file:") {
                    Some(path) => KeptIn::File(self.path(path).ok_or(want)?),
                    None if text == "keyring" => KeptIn::Keyring,
                    None => return Err(want),
                };
                self.identity = Some(Written { text: text.to_owned(), value });
            }
            AUDIT_DIR => {
                let value = self.path(text).ok_or(want)?;
                self.audit_dir = Some(Written { text: text.to_owned(), value });
            }
            ROLLBACK => self.rollback = Some(Rollback::parse(text).ok_or(want)?),
            OVERDUE => self.overdue = Some(Overdue::parse(text).ok_or(want)?),
            AGENT_FOR => self.agent_for = Some(Span::parse(text).map_err(|_| want)?),
            _ => {
                if text.is_empty() || text.chars().any(char::is_control) {
                    return Err(want);
                }
                self.notify = Some(text.to_owned());
            }
        }
        Ok(())
    }

    fn put_names<'a>(&mut self, names: impl Iterator<Item = &'a str>) -> Result<(), &'static str> {
        let mut accepted = Vec::new();
        for name in names.map(str::trim) {
            if !is_variable(name) {
                return Err(wanted(ALLOW_NAMES));
            }
            accepted.push(name.to_owned());
        }
        self.allow_names = accepted;
        Ok(())
    }

    /// An absolute path; a relative one would mean something else in each directory.
    fn path(&self, text: &str) -> Option<PathBuf> {
        let path = match text.strip_prefix("~/") {
            Some(below) => self.home.as_ref()?.join(below),
            None => PathBuf::from(text),
        };
        (path.is_absolute() && !text.chars().any(char::is_control)).then_some(path)
    }
}

impl Rollback {
    fn as_str(self) -> &'static str {
        match self {
            Self::Warn => "warn",
            Self::Refuse => "refuse",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Warn, Self::Refuse].into_iter().find(|value| value.as_str() == text)
    }
}

impl Overdue {
    fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Daily => "daily",
            Self::Never => "never",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Always, Self::Daily, Self::Never].into_iter().find(|value| value.as_str() == text)
    }
}

/// The file as it is written: only what was set.
#[derive(Serialize)]
struct Stored<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audit_dir: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rollback: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overdue: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    allow_names: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    agent_for: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notify: Option<&'a str>,
}

fn file(directories: &Directories) -> PathBuf {
    directories.config.join("config.toml")
}

fn known(key: &str) -> Option<&'static str> {
    KEYS.into_iter().find(|known| *known == key)
}

fn wanted(key: &str) -> &'static str {
    match key {
        IDENTITY => "keyring or file:PATH with an absolute path or one below ~/",
        AUDIT_DIR => "an absolute path or one below ~/",
        ROLLBACK => "warn or refuse",
        OVERDUE => "always, daily or never",
        ALLOW_NAMES => "a list of names of variables",
        AGENT_FOR => "a duration such as 8h, at most 30d",
        _ => "stderr, desktop or command:COMMAND",
    }
}

/// Whether the command that goes by a setting would take it.
fn is_useful(key: &str, text: &str) -> bool {
    match key {
        AGENT_FOR => Span::parse(text).is_ok_and(|span| span.seconds() <= MAX_AGENT_FOR),
        NOTIFY => {
            let command = text.strip_prefix("command:").is_some_and(|line| !line.trim().is_empty());
            command || ["desktop", "stderr"].contains(&text)
        }
        _ => true,
    }
}

fn is_variable(name: &str) -> bool {
    let mut bytes = name.bytes();
    name.len() <= MAX_NAME
        && bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn line_at(bytes: &[u8], offset: usize) -> usize {
    1 + bytes.iter().take(offset).filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests;
