//! Verification: every line against the one before it, one signature per
//! epoch, and what an anchor elsewhere says.
//!
//! One pass, one line in memory beside the last one accepted.

use std::io::{BufRead, Read};

use super::finding::{Anchor, Expect, Finding, Kind, Report};
use super::lines::{Line, Reader, next_line};
use super::state::State;
use super::walk::Walk;
use super::{Error, Place, Tampering};
use crate::store;

/// Verifies a log from its first byte to its end.
///
/// Checks the chain of every line, every hand-over and the last signature of
/// every epoch, which together cover all bytes; `deep` checks the signature
/// and the form of each record too.
///
/// # Errors
/// [`Error::Read`]; whatever is wrong with the log itself is a finding.
pub fn verify(mut reader: impl BufRead, expect: &Expect<'_>, deep: bool) -> Result<Report, Error> {
    let mut walk = Walk::new(expect, deep);
    let mut line = Vec::new();
    while !walk.stop {
        let found = next_line(&mut reader, &mut line).map_err(Error::Read)?;
        let accepted = match found {
            Line::End => break,
            Line::Complete => walk.line(&line),
            Line::Incomplete => walk.last_line(&line),
            Line::TooLong => {
                walk.long_line();
                break;
            }
        };
        if accepted {
            std::mem::swap(&mut line, &mut walk.text);
        }
    }
    Ok(walk.finish())
}

/// Verifies the newest log at `place`, with the device's own state as a
/// further anchor where it is here. Anchors may also be met by an earlier log
/// of the same device; what else is in those is not reported.
///
/// `own` says that this is the device's own log, whose state must be here.
///
/// # Errors
/// [`Error::Read`], [`Error::Store`].
pub fn verify_place(place: &Place, expect: &Expect<'_>, own: bool, deep: bool) -> Result<Report, Error> {
    verify_watched(place, expect, own, deep, &mut |_| {})
}

/// As [`verify_place`]; `watch` is told now and then how many bytes more were read.
///
/// # Errors
/// As [`verify_place`].
pub fn verify_watched(
    place: &Place,
    expect: &Expect<'_>,
    own: bool,
    deep: bool,
    watch: &mut dyn FnMut(u64),
) -> Result<Report, Error> {
    // Before the log is opened, so that records written meanwhile only make it longer.
    let (state, mut lost) = match State::read(place) {
        Err(Error::Tampered { found, .. }) => (None, Some(found)),
        state => (state?, None),
    };
    let mut logs = place.generations()?;
    if own && state.is_none() && !logs.is_empty() {
        lost.get_or_insert(Tampering::StateRemoved);
    }
    let newest = match &state {
        Some(state) => {
            logs.retain(|(generation, _)| *generation <= state.generation);
            logs.pop_if(|(generation, _)| *generation == state.generation)
        }
        None => logs.pop(),
    };
    let mut left: Vec<(usize, Anchor)> = expect.anchors.iter().cloned().enumerate().collect();
    let mut anchored = Vec::new();
    for (_, path) in logs {
        let anchors: Vec<Anchor> = left.iter().map(|(_, anchor)| anchor.clone()).collect();
        let log = store::Log::open_read_only(&path)?;
        let report = verify(Watched::new(log, watch), &Expect { anchors: &anchors, ..expect.clone() }, false)?;
        anchored.extend(report.anchored.iter().map(|n| left[*n].0));
        left.retain(|(n, _)| !anchored.contains(n));
    }
    let mut anchors: Vec<Anchor> = left.iter().map(|(_, anchor)| anchor.clone()).collect();
    anchors.extend(state.and_then(|state| state.last()).map(|head| Anchor { head, place: "state".into() }));
    let expect = Expect { anchors: &anchors, ..expect.clone() };
    let mut report = match newest {
        Some((_, path)) => {
            let log = store::Log::open_read_only(&path)?;
            verify(Watched::new(log, watch), &expect, deep)?
        }
        None => verify(std::io::empty(), &expect, deep)?,
    };
    // The state is no anchor of the caller's.
    anchored.extend(report.anchored.iter().filter_map(|n| left.get(*n)).map(|(n, _)| *n));
    anchored.sort_unstable();
    report.anchored = anchored;
    if let Some(found) = lost {
        let device = expect.device.map(str::to_owned);
        report.findings.insert(0, Finding { kind: Kind::Removed, device, sequence: None, detail: found.to_string() });
    }
    Ok(report)
}

/// Bytes between two calls of the one who watches.
const STEP: u64 = 4 << 20;

/// A log whose reading is watched.
struct Watched<'a> {
    log: Reader<store::Log>,
    watch: &'a mut dyn FnMut(u64),
    bytes: u64,
}

impl<'a> Watched<'a> {
    fn new(log: store::Log, watch: &'a mut dyn FnMut(u64)) -> Self {
        Self { log: Reader::new(log, 0), watch, bytes: 0 }
    }
}

impl Read for Watched<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        self.log.read(out)
    }
}

impl BufRead for Watched<'_> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        self.log.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        self.log.consume(count);
        self.bytes += count as u64;
        if self.bytes >= STEP {
            (self.watch)(std::mem::take(&mut self.bytes));
        }
    }
}
