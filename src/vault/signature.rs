//! Who signed a profile's section, when, and after which writes (`docs/format.md`, section 4).

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::clock::Timestamp;
use crate::crypto::Hash;

use super::error::Kind;
use super::name::DeviceName;
use super::text::{Canonical, Cursor, InlineOut, Stop, field, optional_field};

/// Writes per device: a version vector.
pub type Counts = BTreeMap<DeviceName, u64>;

/// Who signed a section, when, and after which writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SectionSignature {
    /// Head of the team log it was written under.
    pub team: Hash,
    /// The device.
    pub by: DeviceName,
    /// When, by the clock of that device.
    pub at: Timestamp,
    /// Writes per device, this one included.
    pub clock: Counts,
    /// The device's audit head at that time: an anchor.
    pub audit: Option<AuditHead>,
}

/// Sequence and hash of an audit record: `1034:…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditHead {
    /// Sequence number, from 1.
    pub sequence: u64,
    /// Hash of the record's line.
    pub hash: Hash,
}

impl SectionSignature {
    /// Reads the fields behind the header: the signature's facts, the offset where
    /// the signature line begins, and the signature.
    pub(super) fn read(c: &mut Cursor<'_>) -> Result<(Self, usize, crate::crypto::Signature), Stop> {
        let facts = Self {
            team: c.required("team")?,
            by: c.required("by")?,
            at: c.required("at")?,
            clock: c.required::<Clock>("clock")?.0,
            audit: c.optional("audit")?,
        };
        let end = c.offset();
        let bytes = c.required("signature")?;
        if c.at_end() { Ok((facts, end, bytes)) } else { c.stop(Kind::Layout) }
    }

    pub(super) fn print(&self, out: &mut String) {
        field(out, "team", &self.team);
        field(out, "by", &self.by);
        field(out, "at", &self.at);
        field(out, "clock", &Clock(self.clock.clone()));
        optional_field(out, "audit", self.audit.as_ref());
    }
}

struct Clock(Counts);

impl Canonical for Clock {
    fn read(c: &mut Cursor<'_>) -> Result<Self, Stop> {
        c.expect("{ ")?;
        let mut counts = Counts::new();
        loop {
            let here = *c;
            let device: DeviceName = c.bare_key()?.parse().or_else(|_| here.stop(Kind::Layout))?;
            if counts.last_key_value().is_some_and(|(last, _)| *last >= device) {
                return here.stop(Kind::Layout);
            }
            counts.insert(device, u64::read(c)?);
            if !c.take(", ") {
                break;
            }
        }
        c.expect(" }")?;
        Ok(Self(counts))
    }

    fn print(&self, out: &mut String) {
        let mut table = InlineOut::open(out);
        for (device, count) in &self.0 {
            table.field(device.as_str(), count);
        }
        table.close();
    }
}

impl std::fmt::Display for AuditHead {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.sequence, self.hash)
    }
}

impl std::str::FromStr for AuditHead {
    type Err = crate::crypto::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let malformed = crate::crypto::Error::Malformed("audit head");
        let (sequence, hash) = text.split_once(':').ok_or(malformed)?;
        let canonical = !sequence.starts_with('0') && sequence.bytes().all(|b| b.is_ascii_digit());
        let sequence =
            sequence.parse().ok().filter(|n| canonical && *n <= super::text::MAX_INTEGER).ok_or(malformed)?;
        Ok(Self { sequence, hash: hash.parse()? })
    }
}

impl Canonical for AuditHead {
    fn read(c: &mut Cursor<'_>) -> Result<Self, Stop> {
        c.parsed()
    }

    fn print(&self, out: &mut String) {
        out.push('"');
        // Writing to a String cannot fail.
        let _ = write!(out, "{self}");
        out.push('"');
    }
}
