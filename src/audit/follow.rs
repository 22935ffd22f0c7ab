//! Reading logs while they are written.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::PathBuf;

use super::lines::Reader;
use super::query::{self, Filter, Records, merge};
use super::{Error, logs_in};
use crate::store;

/// All logs in some directories, read on from where the last look ended.
///
/// A log that appears is read from its beginning. An incomplete last line is
/// left for the next look.
#[derive(Debug)]
pub struct Follow {
    directories: Vec<PathBuf>,
    filter: Filter,
    tails: BTreeMap<PathBuf, Tail>,
}

#[derive(Debug)]
struct Tail {
    log: store::Log,
    /// Up to here it was read.
    offset: u64,
}

impl Follow {
    /// Begins before the first record of every log.
    #[must_use]
    pub fn new(directories: Vec<PathBuf>, filter: Filter) -> Self {
        Self { directories, filter, tails: BTreeMap::new() }
    }

    /// What was written since the last look, of all logs by time.
    ///
    /// A log that became shorter is read again from its beginning: whether
    /// that was tampering is for [`verify_place`](super::verify_place) to say.
    ///
    /// # Errors
    /// [`Error::Read`] or [`Error::Store`] if a directory or log cannot be
    /// read; lines that are no records come as [`Error::Malformed`].
    pub fn look(&mut self) -> Result<impl Iterator<Item = Result<query::Entry, Error>> + '_, Error> {
        for directory in &self.directories {
            for file in logs_in(directory)? {
                if let Entry::Vacant(tail) = self.tails.entry(file.path) {
                    let log = store::Log::open_read_only(tail.key())?;
                    tail.insert(Tail { log, offset: 0 });
                }
            }
        }
        let mut news = Vec::new();
        for tail in self.tails.values_mut() {
            let size = tail.log.size()?;
            if size < tail.offset {
                tail.offset = 0;
            }
            if size > tail.offset {
                news.push(News::new(tail, self.filter.clone()));
            }
        }
        Ok(merge(news))
    }
}

/// What is new in one log; moves its tail on.
struct News<'a> {
    offset: &'a mut u64,
    from: u64,
    records: Records<Reader<&'a store::Log>>,
}

impl<'a> News<'a> {
    fn new(tail: &'a mut Tail, filter: Filter) -> Self {
        let from = tail.offset;
        let records = Records::growing(Reader::new(&tail.log, from), filter);
        Self { offset: &mut tail.offset, from, records }
    }
}

impl Iterator for News<'_> {
    type Item = Result<query::Entry, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.records.next();
        *self.offset = self.from + self.records.used();
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Event, Log, Origin, Outcome, Place};
    use crate::clock::Timestamp;
    use crate::crypto::Hash;
    use std::io::Write;

    #[test]
    fn each_record_is_seen_once_and_half_a_line_waits() {
        let dir = tempfile::tempdir().unwrap();
        let place = |device: &str| Place {
            vault: Hash::of(b"vault"),
            device: Some(device.into()),
            directory: dir.path().join("logs"),
            state_directory: dir.path().join("state"),
        };
        let timeout = std::time::Duration::from_secs(10);
        let at = |second: i64| Timestamp::from_seconds(1_800_000_000 + second).unwrap();
        let write = |device: &str, second| {
            let mut log = Log::new(place(device), timeout).unwrap();
            log.record(&Event::new("get", Outcome::Done), &Origin::default(), at(second), None).unwrap();
        };
        let mut follow =
            Follow::new(vec![place("a").directory], Filter { action: Some("get".into()), ..Filter::default() });
        let mut look = || -> Vec<(String, i64)> {
            let found = follow.look().unwrap().map(|entry| entry.unwrap().record);
            found.map(|r| (r.device.unwrap(), r.at.seconds() - 1_800_000_000)).collect()
        };
        assert_eq!(look(), []);
        write("a", 1);
        write("a", 3);
        write("b", 2);
        assert_eq!(look(), [("a".into(), 1), ("b".into(), 2), ("a".into(), 3)]);
        assert_eq!(look(), []);
        // What a crash leaves is no record, neither before nor after it is described.
        let mut file = std::fs::OpenOptions::new().append(true).open(place("a").log_path(1)).unwrap();
        file.write_all(b"{\"v\":1,\"vault\":").unwrap();
        assert_eq!(look(), []);
        write("a", 4);
        assert_eq!(look(), [("a".into(), 4)]);
        // The log goes on in a further file.
        let mut log = Log::new(place("a"), timeout).unwrap().with_segment_size(1);
        for second in [5, 6] {
            log.record(&Event::new("get", Outcome::Done), &Origin::default(), at(second), None).unwrap();
        }
        assert!(place("a").log_path(3).exists());
        assert_eq!(look(), [("a".into(), 5), ("a".into(), 6)]);
        assert_eq!(look(), []);
    }
}
