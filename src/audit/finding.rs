//! What a verification expects and what it finds.

use std::fmt;

use super::record::Head;
use crate::crypto::{Hash, PublicKey};

/// A head that was written down elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// The head.
    pub head: Head,
    /// Where it stands, for people: `profile prod`, `state`.
    pub place: String,
}

/// What is known of a log from outside of it.
#[derive(Clone, Debug)]
pub struct Expect<'a> {
    /// The vault's id.
    pub vault: Hash,
    /// The device; none for the log from before it had a name.
    pub device: Option<&'a str>,
    /// Every signing key that the team log ever gave this device. Without one
    /// certificates are not checked.
    pub signing_keys: &'a [PublicKey],
    /// Heads that the log must contain; the device's own state is one of them.
    pub anchors: &'a [Anchor],
}

/// What kind of thing was found. In words: `docs/audit-log.md`, "Findings".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// A line that is no record.
    Malformed,
    /// A record whose text was changed after it was written.
    Edited,
    /// Records that are not there although later ones are.
    Missing,
    /// A record that stands there a second time.
    Duplicate,
    /// A record that does not stand in its place.
    Order,
    /// A record of another vault.
    ForeignVault,
    /// A record of another device.
    ForeignDevice,
    /// A record in its place, with a signature that is not the epoch's key's.
    BadSignature,
    /// A key that was not introduced by the key before it.
    BadHandover,
    /// A certificate that is not by the device.
    BadCertificate,
    /// A key, or the log up to some record, for which no device vouches.
    Uncertified,
    /// The log ends before a record that an anchor names.
    CutTail,
    /// Another record stands where an anchor names one.
    Replaced,
    /// No record at all, although there are anchors; or the device's own state
    /// is gone or damaged (then without a number).
    Removed,
    /// What a crash left of an append, described by the record behind it, or
    /// still at the end of the log.
    Torn,
    /// A fragment and its description do not agree.
    TornUnexplained,
    /// A change that was begun and whose end is not on record.
    DanglingIntent,
    /// The log takes the place of an earlier one.
    BegunAgain,
    /// Something is wrong with that earlier one, as was known when this one was begun.
    Earlier,
}

/// Whether a finding makes a log one that cannot be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Nobody needs to have tampered with anything.
    Note,
    /// The record is not whole.
    Failure,
}

impl Kind {
    /// How bad it is.
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Self::Uncertified | Self::Torn | Self::DanglingIntent | Self::BegunAgain | Self::Earlier => Severity::Note,
            _ => Severity::Failure,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "malformed",
            Self::Edited => "edited",
            Self::Missing => "missing",
            Self::Duplicate => "duplicate",
            Self::Order => "order",
            Self::ForeignVault => "foreign-vault",
            Self::ForeignDevice => "foreign-device",
            Self::BadSignature => "bad-signature",
            Self::BadHandover => "bad-handover",
            Self::BadCertificate => "bad-certificate",
            Self::Uncertified => "uncertified",
            Self::CutTail => "cut-tail",
            Self::Replaced => "replaced",
            Self::Removed => "removed",
            Self::Torn => "torn",
            Self::TornUnexplained => "torn-unexplained",
            Self::DanglingIntent => "dangling-intent",
            Self::BegunAgain => "begun-again",
            Self::Earlier => "earlier",
        })
    }
}

/// One thing that was found. Holds no text from the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub kind: Kind,
    /// The device whose log it is.
    pub device: Option<String>,
    /// The record; for what is no record, the number of the record that
    /// should stand there.
    pub sequence: Option<u64>,
    /// In words.
    pub detail: String,
    /// True if it is in a log that the newest one took the place of.
    pub in_earlier: bool,
}

/// The result of a verification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Records in their place.
    pub records: u64,
    /// Key epochs.
    pub epochs: u64,
    /// Which of the expected anchors were found, by index.
    pub anchored: Vec<usize>,
    /// What was found, by sequence; at most [`Report::MAX_FINDINGS`].
    pub findings: Vec<Finding>,
    /// True if reading stopped at the bound.
    pub stopped: bool,
    /// The last record in its place.
    pub head: Option<Head>,
}

impl Report {
    /// Findings after which reading stops.
    pub const MAX_FINDINGS: usize = 1000;

    /// True if nothing but notes was found.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        !self.stopped && self.findings.iter().all(|finding| finding.kind.severity() == Severity::Note)
    }
}
