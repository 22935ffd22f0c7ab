//! A file read in part: what one profile needs, where the rest is large.
//!
//! A vault of many profiles is mostly grants and values of others. Where each section
//! stood is remembered from the last time the whole file was read, and is a hint alone:
//! what is found there has to hold like any other file, and whatever does not fit is
//! answered by reading all of it.

use std::collections::BTreeMap;
use std::ops::Range;

use super::Vault;
use super::document::MAX_FILE;
use super::name::ProfileName;

/// Bytes from which on leaving the rest out is worth remembering where it is.
const WORTH_LEAVING: u64 = 64 << 10;
/// What comes behind the team log.
const NEXT: &[u8] = b"\n[profile.";

/// Where the sections of a file are.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize, PartialEq, Eq)]
pub(super) struct Parts {
    /// Length of the file, in bytes.
    size: u64,
    /// Where the team log ends.
    team_end: u64,
    /// For each profile that leaves enough out: its section and those it extends, in the
    /// order of the file, by their first byte and the byte behind the last.
    profiles: BTreeMap<ProfileName, Vec<(u64, u64)>>,
}

impl Parts {
    /// Of a file read as a whole; `None` where nothing is worth leaving out.
    pub(super) fn of(vault: &Vault) -> Option<Self> {
        let size = vault.bytes().len() as u64;
        let spans: BTreeMap<&ProfileName, (u64, u64)> = vault.document.profile_spans().collect();
        let team_end = spans.values().map(|(start, _)| start - 1).min()?;
        let mut profiles = BTreeMap::new();
        for profile in spans.keys() {
            let lineage = vault.lineage(profile).ok()?;
            let mut wanted: Vec<_> = lineage.iter().filter_map(|name| spans.get(name).copied()).collect();
            wanted.sort_unstable();
            let read = team_end + wanted.iter().map(|(start, end)| end - start).sum::<u64>();
            if size - read >= WORTH_LEAVING {
                profiles.insert((*profile).clone(), wanted);
            }
        }
        (!profiles.is_empty()).then_some(Self { size, team_end, profiles })
    }

    /// True if both are of files of one length.
    pub(super) fn is_as_long(&self, other: &Self) -> bool {
        self.size == other.size
    }

    /// What to read for a profile, from the first byte to the one behind the last, of a file
    /// that is as long as this one was.
    pub(super) fn ranges(&self, profile: &ProfileName, size: u64) -> Option<Vec<Range<u64>>> {
        if size != self.size || size > MAX_FILE {
            return None;
        }
        // Each section with the empty line before it, and last what is behind the team log.
        let sections = self.profiles.get(profile)?.iter().map(|(start, end)| start.saturating_sub(1)..*end);
        let behind = self.team_end..self.team_end.checked_add(NEXT.len() as u64)?;
        let ranges: Vec<Range<u64>> = std::iter::once(0..self.team_end).chain(sections).chain([behind]).collect();
        // The memory is this user's own; a damaged one is no reason to reserve memory without bound.
        let fits = |range: &Range<u64>| range.start < range.end && range.end <= size;
        ranges.iter().all(fits).then_some(ranges)
    }
}

/// A file of the sections whose ranges were read; `None` if the team log goes on behind them.
pub(super) fn file(mut ranges: Vec<u8>) -> Option<Vec<u8>> {
    let end = ranges.len().checked_sub(NEXT.len()).filter(|_| ranges.ends_with(NEXT))?;
    ranges.truncate(end);
    Some(ranges)
}
