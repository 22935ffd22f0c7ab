//! A line of the log: written, signed, read.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use super::json::Object;
use super::{Event, Origin, Outcome, RECORD_CONTEXT};
use crate::clock::Timestamp;
use crate::crypto::{Hash, PublicKey, Signature, SigningKey, length_prefixed};

/// Longest line, in bytes without its LF.
pub const MAX_LINE: usize = 32 << 20;

/// Where a log stood: the anchor of `docs/audit-log.md`. Its text is `SEQ:HASH`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Head {
    /// Sequence number of the record, from 1.
    pub sequence: u64,
    /// SHA-256 of the record's line without its LF.
    pub hash: Hash,
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.sequence, self.hash)
    }
}

impl FromStr for Head {
    type Err = crate::crypto::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = crate::crypto::Error::Malformed("audit head");
        let (sequence, hash) = text.split_once(':').ok_or(malformed)?;
        if !sequence.bytes().all(|b| b.is_ascii_digit()) || sequence.starts_with('0') {
            return Err(malformed);
        }
        Ok(Self { sequence: sequence.parse().map_err(|_| malformed)?, hash: hash.parse().map_err(|_| malformed)? })
    }
}

/// Bytes between the record before and this one that are no record: what a
/// crash left of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Torn {
    /// Their number, without the LF that was added behind them.
    pub bytes: u64,
    /// Their hash.
    pub sha256: Hash,
}

/// A record as read. Which fields mean what: `docs/audit-log.md`, "Fields".
///
/// Parsing checks the form of each field, not the chain or the signature.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Record {
    /// The version of the format: 1.
    #[serde(deserialize_with = "version")]
    pub v: u64,
    /// The vault's id.
    pub vault: Hash,
    /// The device whose log this is; none while it had no name.
    pub device: Option<String>,
    /// Position in the log, from 1.
    pub seq: u64,
    /// Number of the key epoch whose key signs this record, from 1.
    pub epoch: u64,
    /// When, by the device's clock. Order is by `seq`.
    pub at: Timestamp,
    /// What was done.
    pub action: String,
    /// How it ended.
    pub outcome: Outcome,
    /// The `intent` that this record closes.
    pub of: Option<u64>,
    /// The fragment before this record.
    pub torn: Option<Torn>,
    /// The member.
    pub member: Option<String>,
    /// The operating system's user.
    pub user: String,
    /// The profile.
    pub profile: Option<String>,
    /// Names of the secrets.
    #[serde(default)]
    pub names: Vec<String>,
    /// `argv[0]`.
    pub command: Option<String>,
    /// Working directory.
    pub cwd: Option<String>,
    /// Parent program.
    pub parent: Option<String>,
    /// Whether a terminal was attached.
    pub tty: bool,
    /// CI provider.
    pub ci: Option<String>,
    /// Coding agent.
    pub agent: Option<String>,
    /// Version vector of the profile.
    #[serde(default)]
    pub clock: BTreeMap<String, u64>,
    /// What was overridden.
    #[serde(default)]
    pub overrides: Vec<String>,
    /// Why.
    pub reason: Option<String>,
    /// Where a copy of the line went.
    pub sink: Option<String>,
    /// Head of the log that this one takes the place of.
    #[serde(default, deserialize_with = "optional_text")]
    pub after: Option<Head>,
    /// The key that is introduced or certified.
    #[serde(default, deserialize_with = "optional_text")]
    pub key: Option<PublicKey>,
    /// The device's signature over `key`.
    #[serde(default, deserialize_with = "optional_text")]
    pub certificate: Option<Signature>,
    /// Hash of the line before.
    pub prev: Hash,
    /// Signature over everything above it.
    #[serde(deserialize_with = "text")]
    pub sig: Signature,
}

impl Record {
    /// Reads a line without its LF; `None` if it is not a record of version 1.
    #[must_use]
    pub fn parse(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }
}

fn version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    if u64::deserialize(deserializer)? == 1 { Ok(1) } else { Err(D::Error::custom("unknown version")) }
}

fn text<'de, D: Deserializer<'de>, T: FromStr>(deserializer: D) -> Result<T, D::Error> {
    let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
    text.parse().map_err(|_| D::Error::custom("malformed"))
}

fn optional_text<'de, D: Deserializer<'de>, T: FromStr>(deserializer: D) -> Result<Option<T>, D::Error> {
    let text = Option::<std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
    text.map(|text| text.parse().map_err(|_| D::Error::custom("malformed"))).transpose()
}

/// The key that a record introduces or certifies.
pub(super) struct KeyFields {
    pub(super) key: PublicKey,
    pub(super) certificate: Option<Signature>,
}

/// A record before it is signed.
pub(super) struct Draft<'a> {
    pub(super) vault: &'a Hash,
    pub(super) device: Option<&'a str>,
    pub(super) seq: u64,
    pub(super) epoch: u64,
    pub(super) at: Timestamp,
    pub(super) event: &'a Event,
    pub(super) origin: &'a Origin,
    pub(super) torn: Option<Torn>,
    pub(super) sink: Option<&'a str>,
    pub(super) after: Option<Head>,
    pub(super) key: Option<KeyFields>,
    pub(super) prev: Hash,
}

impl Draft<'_> {
    /// The signed line without its LF.
    pub(super) fn sign(&self, key: &SigningKey) -> String {
        let (event, origin) = (self.event, self.origin);
        let mut line = Object::new();
        line.number("v", 1);
        line.plain("vault", self.vault);
        line.optional("device", self.device);
        line.number("seq", self.seq);
        line.number("epoch", self.epoch);
        line.plain("at", &self.at);
        line.text("action", &event.action);
        line.plain("outcome", &event.outcome);
        if let Some(of) = event.of {
            line.number("of", of);
        }
        if let Some(torn) = self.torn {
            let mut inner = Object::new();
            inner.number("bytes", torn.bytes);
            inner.plain("sha256", &torn.sha256);
            line.object("torn", inner);
        }
        line.optional("member", origin.member.as_deref());
        line.text("user", &origin.user);
        line.optional("profile", event.profile.as_deref());
        line.list("names", &event.names);
        line.optional("command", event.command.as_deref());
        line.optional("cwd", origin.cwd.as_deref());
        line.optional("parent", origin.parent.as_deref());
        line.boolean("tty", origin.tty);
        line.optional("ci", origin.ci.as_deref());
        line.optional("agent", origin.agent.as_deref());
        if !event.clock.is_empty() {
            let mut inner = Object::new();
            for (device, count) in &event.clock {
                inner.number(device, *count);
            }
            line.object("clock", inner);
        }
        line.list("overrides", &event.overrides);
        line.optional("reason", event.reason.as_deref());
        line.optional("sink", self.sink);
        if let Some(after) = self.after {
            line.plain("after", &after);
        }
        if let Some(fields) = &self.key {
            line.plain("key", &fields.key);
            match fields.certificate {
                Some(certificate) => line.plain("certificate", &certificate),
                None => line.null("certificate"),
            }
        }
        line.plain("prev", &self.prev);
        let signature = key.sign(&length_prefixed(&[RECORD_CONTEXT, line.open_text().as_bytes()]));
        line.plain("sig", &signature);
        line.end()
    }
}
