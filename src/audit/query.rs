//! Reading records back.

use std::borrow::Cow;
use std::collections::{HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::io::BufRead;
use std::path::Path;

use serde::Deserialize;

use super::lines::{Line, Reader, next_line};
use super::scan::Fields;
use super::{Error, Outcome, Record};
use crate::clock::Timestamp;
use crate::store;

/// Which records are wanted: those that meet all that is given.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// At or after this time.
    pub since: Option<Timestamp>,
    /// At or before this time.
    pub until: Option<Timestamp>,
    /// With this secret among their names, also where it was given under another one.
    pub secret: Option<String>,
    /// By this member.
    pub member: Option<String>,
    /// On this device.
    pub device: Option<String>,
    /// With this action.
    pub action: Option<String>,
    /// With this outcome.
    pub outcome: Option<Outcome>,
    /// Only uses of values, see [`is_use`].
    pub uses: bool,
}

/// Actions that give a value out.
const USES: [&[u8]; 4] = [b"exec", b"get", b"export", b"edit"];

/// Whether values were given out: `exec`, `get`, `export` or `edit`, and done. An
/// `exec` that did not start after all counts: its values had been opened.
#[must_use]
pub fn is_use(record: &Record) -> bool {
    record.outcome == Outcome::Done && USES.contains(&record.action.as_bytes())
}

/// The secret that an entry of a record's names means: `exec` writes
/// `VARIABLE=SECRET` and `VARIABLE=SECRET@previous` where it gives it another name.
#[must_use]
pub fn secret_of(listed: &str) -> &str {
    let secret = listed.split_once('=').map_or(listed, |(_, secret)| secret);
    secret.split_once('@').map_or(secret, |(secret, _)| secret)
}

impl Filter {
    /// Whether a record is wanted.
    #[must_use]
    pub fn takes(&self, record: &Record) -> bool {
        fn same(wanted: Option<&String>, found: Option<&String>) -> bool {
            wanted.is_none_or(|wanted| found == Some(wanted))
        }
        self.since.is_none_or(|since| record.at >= since)
            && self.until.is_none_or(|until| record.at <= until)
            && self.secret.as_ref().is_none_or(|name| record.names.iter().any(|listed| secret_of(listed) == name))
            && same(self.member.as_ref(), record.member.as_ref())
            && same(self.device.as_ref(), record.device.as_ref())
            && same(self.action.as_ref(), Some(&record.action))
            && self.outcome.is_none_or(|outcome| record.outcome == outcome)
            && (!self.uses || is_use(record))
    }

    /// Whether the fixed beginning of a line rules it out already, so that it
    /// need not be parsed. Never true for what [`Filter::takes`] takes.
    fn passes_over(&self, fields: &Fields<'_>) -> bool {
        self.action.as_ref().is_some_and(|action| action.as_bytes() != fields.action)
            || self.outcome.is_some_and(|outcome| outcome != fields.outcome)
            || self.is_outside(fields.at)
            || (self.uses && (fields.outcome != Outcome::Done || !USES.contains(&fields.action)))
    }
}

impl Filter {
    fn is_outside(&self, at: &[u8]) -> bool {
        let at = || std::str::from_utf8(at).ok().and_then(Timestamp::from_canonical);
        (self.since.is_some() || self.until.is_some())
            && at().is_some_and(|at| {
                self.since.is_some_and(|since| at < since) || self.until.is_some_and(|until| at > until)
            })
    }
}

/// Calls `found` with time, profile and names of each use in a log, see
/// [`is_use`]. Parses no more than that; lines that are no records are passed over.
///
/// # Errors
/// [`Error::Store`] or [`Error::Read`].
pub fn for_each_use(path: &Path, mut found: impl FnMut(Timestamp, &str, &[Cow<'_, str>])) -> Result<(), Error> {
    #[derive(Deserialize)]
    struct Brief<'a> {
        at: Timestamp,
        #[serde(borrow)]
        profile: Option<Cow<'a, str>>,
        #[serde(borrow, default)]
        names: Vec<Cow<'a, str>>,
    }
    let filter = Filter { uses: true, ..Filter::default() };
    let mut reader = Reader::new(store::Log::open_read_only(path)?, 0);
    let mut line = Vec::new();
    while next_line(&mut reader, &mut line).map_err(Error::Read)? != Line::End {
        if Fields::scan(&line).is_some_and(|fields| !filter.passes_over(&fields))
            && let Ok(brief) = serde_json::from_slice::<Brief<'_>>(&line)
        {
            found(brief.at, brief.profile.as_deref().unwrap_or_default(), &brief.names);
        }
    }
    Ok(())
}

/// The last use in a log, see [`is_use`]. Its end is looked at first, and all of it only
/// where that holds none.
///
/// # Errors
/// [`Error::Store`] or [`Error::Read`].
pub fn last_use(path: &Path) -> Result<Option<Record>, Error> {
    const END: u64 = 64 << 10;
    let filter = Filter { uses: true, ..Filter::default() };
    let log = store::Log::open_read_only(path)?;
    let size = log.size()?;
    for length in [END, size] {
        let start = size.saturating_sub(length);
        let mut reader = Reader::new(&log, start);
        let (mut line, mut last) = (Vec::new(), None);
        if start > 0 {
            // What is left of a line.
            next_line(&mut reader, &mut line).map_err(Error::Read)?;
        }
        while next_line(&mut reader, &mut line).map_err(Error::Read)? == Line::Complete {
            if Fields::scan(&line).is_some_and(|fields| !filter.passes_over(&fields)) {
                last = Record::parse(&line).filter(is_use).or(last);
            }
        }
        if last.is_some() || start == 0 {
            return Ok(last);
        }
    }
    Ok(None)
}

/// A record and its line as stored, without the LF.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The line.
    pub line: String,
    /// What it says.
    pub record: Record,
}

/// The records of one log, one at a time, in the order of the file.
///
/// Nothing is verified. A line that is no record is an [`Error::Malformed`]
/// with its number, and reading goes on behind it; what a crash left and the
/// next record describes is passed over, and so is an incomplete last line.
#[derive(Debug)]
pub struct Records<R> {
    reader: R,
    filter: Filter,
    line: Vec<u8>,
    number: u64,
    /// Bytes of whole lines that were read.
    used: u64,
    /// Only lines with their LF: the log is still being written.
    growing: bool,
    /// Lines that are no records, until the next record says what they are.
    bad: VecDeque<u64>,
    held: Option<Entry>,
    ended: bool,
}

/// Lines without a record that are kept until a record comes.
const MAX_BAD: usize = 64;

impl<R: BufRead> Records<R> {
    /// Reads from `reader` what `filter` takes.
    pub fn new(reader: R, filter: Filter) -> Self {
        Self {
            reader,
            filter,
            line: Vec::new(),
            number: 0,
            used: 0,
            growing: false,
            bad: VecDeque::new(),
            held: None,
            ended: false,
        }
    }

    /// As [`Records::new`], but leaves a last line without an LF for later.
    pub(super) fn growing(reader: R, filter: Filter) -> Self {
        Self { growing: true, ..Self::new(reader, filter) }
    }

    /// Bytes of whole lines that were read so far.
    pub(super) fn used(&self) -> u64 {
        self.used
    }

    /// Looks at the line; true if it is a record.
    fn take_line(&mut self) -> bool {
        let fields = Fields::scan(&self.line);
        let torn = if fields.as_ref().is_some_and(|fields| self.filter.passes_over(fields)) {
            fields.is_some_and(|fields| fields.torn.is_some())
        } else {
            let Some(record) = Record::parse(&self.line) else { return false };
            let torn = record.torn.is_some();
            if self.filter.takes(&record) {
                // JSON that was parsed is UTF-8.
                let line = String::from_utf8_lossy(&self.line).into_owned();
                self.held = Some(Entry { line, record });
            }
            torn
        };
        if torn {
            self.bad.clear();
        }
        true
    }
}

impl<R: BufRead> Iterator for Records<R> {
    type Item = Result<Entry, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if self.held.is_some() || self.bad.len() > MAX_BAD {
                let bad = self.bad.pop_front().map(|line| Err(Error::Malformed { line }));
                return bad.or_else(|| self.held.take().map(Ok));
            }
            // Behind a line that is longer than any record nothing is a line.
            if self.ended {
                return self.bad.pop_front().map(|line| Err(Error::Malformed { line }));
            }
            let found = match next_line(&mut self.reader, &mut self.line) {
                Ok(found) => found,
                Err(reason) => return Some(Err(Error::Read(reason))),
            };
            let ended = match found {
                Line::End => true,
                Line::Incomplete => self.growing || !self.take_line(),
                Line::Complete | Line::TooLong => false,
            };
            if ended {
                return self.bad.pop_front().map(|line| Err(Error::Malformed { line }));
            }
            self.number += 1;
            self.used += self.line.len() as u64 + 1;
            self.ended = found == Line::TooLong;
            if self.ended || (found == Line::Complete && !self.take_line()) {
                self.bad.push_back(self.number);
            }
        }
    }
}

/// The records of a log on disk, see [`Records`].
///
/// # Errors
/// [`Error::Store`] if it is no regular file or cannot be opened.
pub fn records(path: &Path, filter: Filter) -> Result<Records<impl BufRead + use<>>, Error> {
    Ok(Records::new(Reader::new(store::Log::open_read_only(path)?, 0), filter))
}

/// Records of several logs in one stream, by time; each log keeps its own
/// order, whatever its clock did. Errors come as soon as they are met.
pub fn merge<I>(logs: Vec<I>) -> impl Iterator<Item = Result<Entry, Error>>
where
    I: Iterator<Item = Result<Entry, Error>>,
{
    let mut logs: Vec<_> = logs.into_iter().map(Iterator::peekable).collect();
    std::iter::from_fn(move || {
        let time = |log: &mut std::iter::Peekable<I>| match log.peek() {
            Some(Ok(entry)) => Some(Some(entry.record.at)),
            Some(Err(_)) => Some(None),
            None => None,
        };
        let (first, _) = logs
            .iter_mut()
            .enumerate()
            .filter_map(|(n, log)| time(log).map(|at| (n, at)))
            .min_by_key(|(n, at)| (*at, *n))?;
        logs[first].next()
    })
}

/// Each line once, though it may stand in several files: the copy of a log
/// in an archive, or in a shared directory. Keeps eight bytes for each line.
pub fn distinct(entries: impl Iterator<Item = Result<Entry, Error>>) -> impl Iterator<Item = Result<Entry, Error>> {
    // Keyed at random, so that no line can be made to collide with another.
    let state = RandomState::new();
    let mut seen = HashSet::new();
    entries.filter(move |entry| entry.as_ref().map_or(true, |entry| seen.insert(state.hash_one(&entry.line))))
}
