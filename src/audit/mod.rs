//! The audit log: who used which secret when, and proof that the record is whole.
//!
//! `docs/audit-log.md` is the normative description. One log per vault and
//! device; one JSON line per record; each line holds the hash of the line
//! before it and is signed by the key of its epoch.

mod checkpoint;
mod event;
mod export;
mod finding;
mod follow;
mod json;
mod keys;
mod lines;
mod log;
mod origin;
mod place;
mod query;
mod record;
mod scan;
mod sink;
mod state;
mod stats;
mod verify;
mod walk;

use std::path::PathBuf;

pub use checkpoint::Checkpoint;
pub use event::{Event, MAX_NAMES, MAX_TEXT, Outcome};
pub use export::{csv, csv_header, ecs};
pub use finding::{Anchor, Expect, Finding, Kind, Report, Severity};
pub use follow::Follow;
pub use keys::{Certifier, EpochKey};
pub use log::{Begun, Log, Pending, Receipt};
pub use origin::{Origin, agent_from, ci_from};
pub use place::{LogFile, Place, logs_in};
pub use query::{Entry, Filter, Records, distinct, for_each_use, is_use, last_use, merge, records, secret_of};
pub use record::{Head, MAX_LINE, Record, Torn};
pub use sink::Sink;
pub use stats::{Newcomer, Rules, Seen, Stats, Subject, Unused, Unusual, Usage};
pub use verify::{verify, verify_place, verify_with};

/// The first part of everything that is signed as a record.
const RECORD_CONTEXT: &[u8] = b"vault/v1/audit";
/// The first part of what a checkpoint signs.
const CHECKPOINT_CONTEXT: &[u8] = b"vault/v1/audit-checkpoint";

/// Actions of the log itself; an [`Event`] cannot have one.
const BEGIN: &str = "log-begin";
const HAND_OVER: &str = "log-key";
const CERTIFY: &str = "log-certify";

/// Why nothing was recorded, or why a log could not be read. Whoever gets one
/// from [`Log::append`] or [`Pending::flush`] hands no value out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The disk, a lock or a permission.
    #[error(transparent)]
    Store(#[from] crate::store::Error),
    /// No randomness for a new key.
    #[error(transparent)]
    Crypto(#[from] crate::crypto::Error),
    /// The log, or what is remembered of it, was changed from outside.
    #[error("audit log was tampered with: {found}: {}", path.display())]
    Tampered {
        /// The log.
        path: PathBuf,
        /// What was found.
        found: Tampering,
    },
    /// Longer than [`MAX_TEXT`], more than [`MAX_NAMES`], or a line over [`MAX_LINE`].
    #[error("audit record is too large: {field}")]
    TooLarge {
        /// The field, as it is called in the record.
        field: &'static str,
    },
    /// Not `[a-z][a-z0-9-]*` of at most 64 bytes, or reserved for the log itself.
    #[error("not an action that can be recorded")]
    Action,
    /// Not a device name of 1 to 64 bytes from `[a-z0-9_-]`.
    #[error("not a device name")]
    Device,
    /// The place named by `VLT_AUDIT` took no record.
    #[error("cannot write the audit record to {sink}: {reason}")]
    Sink {
        /// The sink, as it was named.
        sink: String,
        /// What the system said.
        #[source]
        reason: std::io::Error,
    },
    /// A log could not be read to its end.
    #[error("cannot read the audit log: {0}")]
    Read(#[source] std::io::Error),
    /// Not a checkpoint, or one that was changed after it was signed.
    #[error("not a checkpoint, or changed after it was signed")]
    Checkpoint,
    /// There is no record yet.
    #[error("there is no audit log yet")]
    Empty,
    /// A line that is no record, where records were asked for.
    #[error("line {line} of the audit log is not a record")]
    Malformed {
        /// Counted from 1.
        line: u64,
    },
}

/// What an append finds wrong with the log before it writes anything.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Tampering {
    /// A log is there, but not what is remembered of it.
    #[error("the log's state was removed")]
    StateRemoved,
    /// The log is gone, or empty.
    #[error("the log of {records} records was removed")]
    LogRemoved {
        /// Records in it, as remembered.
        records: u64,
    },
    /// The log ends before its last remembered byte.
    #[error("the log was cut: {found} bytes of {recorded}")]
    Shorter {
        /// Size in bytes as remembered.
        recorded: u64,
        /// Size in bytes as found.
        found: u64,
    },
    /// The last remembered record reads otherwise.
    #[error("record {sequence} is not the one that was written")]
    HeadDiffers {
        /// Its sequence number.
        sequence: u64,
    },
    /// Neither copy in the state file is whole, or it belongs to another log.
    #[error("the log's state is damaged")]
    StateDamaged,
    /// It ends before a record that is named elsewhere.
    #[error("the log ends with record {records}, and record {sequence} is named elsewhere")]
    Behind {
        /// Records in it.
        records: u64,
        /// The record that is named.
        sequence: u64,
    },
    /// The private key of the current epoch is gone or is another one.
    #[error("the signing key of epoch {epoch} was removed")]
    KeyRemoved {
        /// The epoch.
        epoch: u64,
    },
}

impl Tampering {
    /// A word for the record of beginning again.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::StateRemoved => "state-removed",
            Self::LogRemoved { .. } => "log-removed",
            Self::Shorter { .. } => "log-cut",
            Self::HeadDiffers { .. } => "head-differs",
            Self::StateDamaged => "state-damaged",
            Self::Behind { .. } => "log-behind",
            Self::KeyRemoved { .. } => "key-removed",
        }
    }
}
