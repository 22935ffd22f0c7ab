//! Reading records back.

use std::io::BufRead;
use std::path::Path;

use super::lines::{Line, Reader, next_line};
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
    /// With this name among their names.
    pub secret: Option<String>,
    /// By this member.
    pub member: Option<String>,
    /// On this device.
    pub device: Option<String>,
    /// With this action.
    pub action: Option<String>,
    /// With this outcome.
    pub outcome: Option<Outcome>,
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
            && self.secret.as_ref().is_none_or(|name| record.names.contains(name))
            && same(self.member.as_ref(), record.member.as_ref())
            && same(self.device.as_ref(), record.device.as_ref())
            && same(self.action.as_ref(), Some(&record.action))
            && self.outcome.is_none_or(|outcome| record.outcome == outcome)
    }
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
/// with its number, and reading goes on behind it; an incomplete last line is
/// passed over.
#[derive(Debug)]
pub struct Records<R> {
    reader: R,
    filter: Filter,
    line: Vec<u8>,
    number: u64,
    ended: bool,
}

impl<R: BufRead> Records<R> {
    /// Reads from `reader` what `filter` takes.
    pub fn new(reader: R, filter: Filter) -> Self {
        Self { reader, filter, line: Vec::new(), number: 0, ended: false }
    }
}

impl<R: BufRead> Iterator for Records<R> {
    type Item = Result<Entry, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.ended {
            let found = match next_line(&mut self.reader, &mut self.line) {
                Ok(found) => found,
                Err(reason) => return Some(Err(Error::Read(reason))),
            };
            self.number += 1;
            let whole = match found {
                Line::End => return None,
                Line::Complete | Line::Incomplete => Record::parse(&self.line),
                Line::TooLong => {
                    self.ended = true;
                    None
                }
            };
            match (whole, found) {
                (Some(record), _) if self.filter.takes(&record) => {
                    // JSON that was parsed is UTF-8.
                    let line = String::from_utf8_lossy(&self.line).into_owned();
                    return Some(Ok(Entry { line, record }));
                }
                (Some(_), _) => {}
                (None, Line::Incomplete) => return None,
                (None, _) => return Some(Err(Error::Malformed { line: self.number })),
            }
        }
        None
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
