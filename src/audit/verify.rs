//! Verification: every line against the one before it, one signature per
//! epoch, and what an anchor elsewhere says.
//!
//! One pass, one line in memory beside the last one accepted.

use std::io::{BufRead, Read};
use std::path::{Path, PathBuf};

use super::finding::{Anchor, Expect, Finding, Kind, Report, Severity};
use super::lines::{Line, Reader, next_line};
use super::scan::Fields;
use super::state::State;
use super::walk::Walk;
use super::{BEGIN, EpochKey, Error, Place, Record, Tampering};
use crate::crypto::Hash;
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

/// Verifies the logs at `place`, with the device's own state as a further anchor
/// where it is here. Anchors may be met by any of them, and an earlier one must
/// end where the one after it says. Where one was begun again because the log
/// before it was found changed or gone, what is wrong with that is a note.
///
/// `own` says that this is the device's own log, whose state must be here.
///
/// # Errors
/// [`Error::Read`], [`Error::Store`].
pub fn verify_place(place: &Place, expect: &Expect<'_>, own: bool, deep: bool) -> Result<Report, Error> {
    verify_with(place, &[], expect, own, deep, &mut |_| {})
}

/// As [`verify_place`], with files of the log that were moved to other
/// directories; `watch` is told now and then how many bytes more were read.
///
/// # Errors
/// As [`verify_place`].
pub fn verify_with(
    place: &Place,
    archives: &[PathBuf],
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
    let files = place.generations_with(archives)?;
    if own && state.is_none() && !files.is_empty() {
        lost.get_or_insert(Tampering::StateRemoved);
    }
    let mut logs = into_logs(files)?;
    let newest = match &state {
        Some(state) => {
            // Files behind its own are a copy's on another machine, or a beginning that a crash cut short.
            let own = logs.iter().position(|log| log.iter().any(|(generation, _)| *generation == state.generation));
            let newest = own.map(|own| logs.remove(own)).unwrap_or_default();
            logs.retain(|log| log.first().is_some_and(|(generation, _)| *generation <= state.generation));
            newest
        }
        None => logs.pop().unwrap_or_default(),
    };
    let mut left: Vec<(usize, Anchor)> = expect.anchors.iter().cloned().enumerate().collect();
    let (mut anchored, mut earlier) = (Vec::new(), Vec::new());
    let beginnings = logs.iter().skip(1).chain(std::iter::once(&newest)).map(beginning);
    let beginnings = beginnings.collect::<Result<Vec<_>, Error>>()?;
    for (files, next) in logs.into_iter().zip(beginnings) {
        let mut anchors: Vec<Anchor> = left.iter().map(|(_, anchor)| anchor.clone()).collect();
        // Where the next one says that this one ended.
        let end = next.as_ref().and_then(|next| next.after);
        anchors.extend(end.map(|head| Anchor { head, place: "the log after it".into() }));
        let report = verify(Files::new(files, watch), &Expect { anchors: &anchors, ..expect.clone() }, deep)?;
        let ends_there = end.is_none() || report.anchored.contains(&left.len());
        let met: Vec<usize> = report.anchored.iter().filter_map(|n| left.get(*n)).map(|(n, _)| *n).collect();
        left.retain(|(n, _)| !met.contains(n));
        anchored.extend(met);
        // Whoever can write to a shared directory can put a log there that says so.
        let was_known = next.is_some_and(|next| {
            next.overrides.iter().any(|what| what.starts_with("tampering:"))
                && (state.is_some() || is_certified(&next, expect))
        });
        earlier.extend(report.findings.into_iter().filter_map(|finding| of_earlier(finding, ends_there, was_known)));
    }
    let mut anchors: Vec<Anchor> = left.iter().map(|(_, anchor)| anchor.clone()).collect();
    anchors.extend(state.and_then(|state| state.last()).map(|head| Anchor { head, place: "state".into() }));
    let expect = Expect { anchors: &anchors, ..expect.clone() };
    let mut report = verify(Files::new(newest, watch), &expect, deep)?;
    // The state is no anchor of the caller's.
    anchored.extend(report.anchored.iter().filter_map(|n| left.get(*n)).map(|(n, _)| *n));
    anchored.sort_unstable();
    report.anchored = anchored;
    report.findings.splice(0..0, earlier);
    if let Some(found) = lost {
        let device = expect.device.map(str::to_owned);
        let detail = found.to_string();
        report.findings.insert(0, Finding { kind: Kind::Removed, device, sequence: None, detail, in_earlier: false });
    }
    Ok(report)
}

/// A finding in a log that another one took the place of; `ends_there` if it ends as the
/// other one says, `was_known` if that one was begun because something was wrong.
fn of_earlier(finding: Finding, ends_there: bool, was_known: bool) -> Option<Finding> {
    // Anchors that it does not meet may be met by a later one, and are judged there.
    let unmet = matches!(finding.kind, Kind::CutTail | Kind::Replaced | Kind::Removed);
    if finding.kind.severity() == Severity::Note || (unmet && ends_there) {
        return None;
    }
    let detail = format!("in an earlier log of this device: {}", finding.detail);
    let kind = if was_known { Kind::Earlier } else { finding.kind };
    let detail = if was_known {
        format!("{detail} ({}), as was known when the next one was begun", finding.kind)
    } else {
        detail
    };
    Some(Finding { kind, detail, in_earlier: true, ..finding })
}

/// Whether the device vouches for the key in the first record of a log.
fn is_certified(first: &Record, expect: &Expect<'_>) -> bool {
    let Some((key, certificate)) = first.key.zip(first.certificate) else { return false };
    let epoch_key = EpochKey { vault: expect.vault, device: expect.device.map(str::to_owned), epoch: 1, key };
    expect.signing_keys.iter().any(|by| epoch_key.is_certified_by(by, &certificate))
}

/// The first record of a log.
fn beginning(files: &FilesOfLog) -> Result<Option<Record>, Error> {
    let line = files.first().map(|(_, path)| first_line(path)).transpose()?.flatten();
    Ok(line.and_then(|line| Record::parse(&line)))
}

/// Numbers and paths of the files of one log.
type FilesOfLog = Vec<(u64, PathBuf)>;

/// Files in order, put together to logs. One begins with a file whose first line is a
/// `log-begin`; any other follows the file whose last line its first one names.
fn into_logs(files: FilesOfLog) -> Result<Vec<FilesOfLog>, Error> {
    let mut logs: Vec<FilesOfLog> = Vec::new();
    for (generation, path) in files {
        let line = first_line(&path)?;
        let fields = line.as_deref().and_then(Fields::scan);
        let begins = generation == 1 || fields.as_ref().is_some_and(|fields| fields.action == BEGIN.as_bytes());
        let mut follows = logs.len().checked_sub(1);
        if let Some(fields) = fields.filter(|_| !begins && logs.len() > 1) {
            for (n, log) in logs.iter().enumerate() {
                let last = log.last().map(|(_, path)| last_hash(path)).transpose()?.flatten();
                if last == Some(fields.prev) {
                    follows = Some(n);
                }
            }
        }
        match follows.filter(|_| !begins).and_then(|n| logs.get_mut(n)) {
            Some(log) => log.push((generation, path)),
            None => logs.push(vec![(generation, path)]),
        }
    }
    Ok(logs)
}

pub(super) fn first_line(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    let mut line = Vec::new();
    let mut reader = Reader::new(store::Log::open_read_only(path)?, 0);
    let found = next_line(&mut reader, &mut line).map_err(Error::Read)?;
    Ok((found == Line::Complete).then_some(line))
}

/// Hash of the last line, if it is as short as the hand-over that ends a file.
fn last_hash(path: &Path) -> Result<Option<Hash>, Error> {
    const MAX: u64 = 64 << 10;
    let log = store::Log::open_read_only(path)?;
    let end = log.read_from(log.size()?.saturating_sub(MAX), MAX as usize)?;
    let Some(lines) = end.strip_suffix(b"\n") else { return Ok(None) };
    Ok(lines.rsplit(|byte| *byte == b'\n').next().map(Hash::of))
}

/// Bytes between two calls of the one who watches: a moment also where every signature is checked.
const STEP: u64 = 256 << 10;

/// The files of a log, read one after the other.
struct Files<'a> {
    left: std::vec::IntoIter<(u64, PathBuf)>,
    current: Option<Reader<store::Log>>,
    watch: &'a mut dyn FnMut(u64),
    bytes: u64,
}

impl<'a> Files<'a> {
    fn new(files: FilesOfLog, watch: &'a mut dyn FnMut(u64)) -> Self {
        Self { left: files.into_iter(), current: None, watch, bytes: 0 }
    }
}

impl Read for Files<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let chunk = self.fill_buf()?;
        let count = chunk.len().min(out.len());
        out[..count].copy_from_slice(&chunk[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Files<'_> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        loop {
            let ended = match &mut self.current {
                Some(file) => file.fill_buf()?.is_empty(),
                None => true,
            };
            if !ended {
                break;
            }
            match self.left.next() {
                Some((_, path)) => {
                    let log = store::Log::open_read_only(&path).map_err(std::io::Error::other)?;
                    self.current = Some(Reader::new(log, 0));
                }
                None => return Ok(&[]),
            }
        }
        match &mut self.current {
            Some(file) => file.fill_buf(),
            None => Ok(&[]),
        }
    }

    fn consume(&mut self, count: usize) {
        if let Some(file) = &mut self.current {
            file.consume(count);
        }
        self.bytes += count as u64;
        if self.bytes >= STEP {
            (self.watch)(std::mem::take(&mut self.bytes));
        }
    }
}
