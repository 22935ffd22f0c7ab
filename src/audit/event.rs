//! What happened, as the caller tells it.

use std::collections::BTreeMap;
use std::fmt;

use super::Error;
use super::place::is_device_name;

/// Longest text of a record's field, in bytes before escaping.
pub const MAX_TEXT: usize = 4096;
/// Most names, overrides and clock entries in one record.
pub const MAX_NAMES: usize = 65_536;

/// How it ended, or that it is about to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It happened; for a use of a value: it is about to, and nothing stands in the way.
    Done,
    /// A change is about to be made; a `done` or `failed` with `of` closes it.
    Intent,
    /// It was tried and did not succeed.
    Failed,
    /// It was not allowed.
    Refused,
}

impl Outcome {
    /// The word in the record.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Intent => "intent",
            Self::Failed => "failed",
            Self::Refused => "refused",
        }
    }

    /// Reads the word; `None` for any other.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Done, Self::Intent, Self::Failed, Self::Refused].into_iter().find(|outcome| outcome.word() == word)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// One use, change or refusal. Never holds a value of a secret.
///
/// Every text is at most [`MAX_TEXT`] bytes; control and direction characters
/// are escaped on writing, so that text of unknown origin may stand in it.
#[derive(Clone, Debug)]
pub struct Event {
    /// The word for it: `[a-z][a-z0-9-]*`, at most 64 bytes, not beginning with `log-`.
    pub action: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Sequence number of the `intent` that this closes.
    pub of: Option<u64>,
    /// The profile.
    pub profile: Option<String>,
    /// Names of the secrets, at most [`MAX_NAMES`].
    pub names: Vec<String>,
    /// `argv[0]` of the command that gets the values, never its arguments.
    pub command: Option<String>,
    /// The profile's version vector: writes per device.
    pub clock: BTreeMap<String, u64>,
    /// What the user overrode, for example `allow-name:LD_PRELOAD`.
    pub overrides: Vec<String>,
    /// Why, as the user gave it, or why it was refused or failed.
    pub reason: Option<String>,
}

impl Event {
    /// An event of which only action and outcome are known.
    #[must_use]
    pub fn new(action: impl Into<String>, outcome: Outcome) -> Self {
        Self {
            action: action.into(),
            outcome,
            of: None,
            profile: None,
            names: Vec::new(),
            command: None,
            clock: BTreeMap::new(),
            overrides: Vec::new(),
            reason: None,
        }
    }

    /// Refuses what is over a bound.
    pub(super) fn check(&self) -> Result<(), Error> {
        let mut letters = self.action.bytes();
        if self.action.len() > 64
            || self.action.starts_with("log-")
            || !letters.next().is_some_and(|b| b.is_ascii_lowercase())
            || !letters.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        {
            return Err(Error::Action);
        }
        check_text("profile", self.profile.as_deref())?;
        check_text("command", self.command.as_deref())?;
        check_text("reason", self.reason.as_deref())?;
        check_list("names", self.names.len(), self.names.iter())?;
        check_list("overrides", self.overrides.len(), self.overrides.iter())?;
        check_list("clock", self.clock.len(), self.clock.keys())?;
        if self.clock.keys().all(|device| is_device_name(device)) { Ok(()) } else { Err(Error::Device) }
    }
}

/// Refuses a text over [`MAX_TEXT`].
pub(super) fn check_text(field: &'static str, text: Option<&str>) -> Result<(), Error> {
    if text.is_some_and(|text| text.len() > MAX_TEXT) { Err(Error::TooLarge { field }) } else { Ok(()) }
}

fn check_list<'a>(field: &'static str, len: usize, mut texts: impl Iterator<Item = &'a String>) -> Result<(), Error> {
    if len > MAX_NAMES || texts.any(|text| text.len() > MAX_TEXT) { Err(Error::TooLarge { field }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_are_short_words_and_not_those_of_the_log() {
        for action in ["exec", "member-add", "a1"] {
            assert!(Event::new(action, Outcome::Done).check().is_ok(), "{action}");
        }
        let long = "a".repeat(65);
        for action in ["", "Exec", "1a", "-a", "a b", "a\"", "log-begin", "log-x", &long] {
            assert!(matches!(Event::new(action, Outcome::Done).check(), Err(Error::Action)), "{action}");
        }
    }

    #[test]
    fn bounds_are_inclusive() {
        let mut event = Event::new("get", Outcome::Done);
        event.reason = Some("x".repeat(MAX_TEXT));
        event.names = vec!["A".into(); MAX_NAMES];
        assert!(event.check().is_ok());
        event.names.push("A".into());
        assert!(matches!(event.check(), Err(Error::TooLarge { field: "names" })));
        event.names.clear();
        event.reason = Some("x".repeat(MAX_TEXT + 1));
        assert!(matches!(event.check(), Err(Error::TooLarge { field: "reason" })));
    }
}
