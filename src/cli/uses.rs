//! What the audit logs on this machine show of the use of values.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use vault::DeviceName;
use vault::audit::{self, Entry, Filter};
use vault::clock::Timestamp;

use super::context::{Context, Opened};
use super::error::CommandError;

/// Reads that logs at hand record of some devices.
#[derive(Default)]
pub(crate) struct Reads {
    /// Count and last time for each profile and name.
    pub(crate) by_secret: BTreeMap<(String, String), (u64, Timestamp)>,
    /// True if there is a log of one of the devices at all.
    pub(crate) log_known: bool,
}

/// Which profile a name of each profile is taken from, as the profiles are now.
pub(crate) struct Homes(HashMap<String, HashMap<String, String>>);

impl Homes {
    /// The profile itself if it does not say.
    pub(crate) fn of<'a>(&'a self, profile: &'a str, name: &str) -> &'a str {
        self.0.get(profile).and_then(|names| names.get(name)).map_or(profile, String::as_str)
    }
}

impl Context {
    /// What the logs on this machine record of some devices giving out values.
    pub(crate) fn reads_by(&self, opened: &Opened, devices: &[DeviceName]) -> Result<Reads, CommandError> {
        let uses = Filter { uses: true, ..Filter::default() };
        let homes = self.homes(opened)?;
        let mut reads = Reads::default();
        let here = [self.audit_place(&opened.vault.id(), None).directory];
        for entry in Readable::new(records_in(&here, &Filter::default())?) {
            let record = entry?.record;
            let theirs = record.device.as_ref().is_some_and(|by| devices.iter().any(|device| device.as_str() == by));
            reads.log_known |= theirs;
            let (true, Some(profile)) = (theirs && uses.takes(&record), &record.profile) else { continue };
            for listed in &record.names {
                let name = audit::secret_of(listed);
                let home = homes.of(profile, name).to_owned();
                let seen = reads.by_secret.entry((home, name.to_owned())).or_insert((0, record.at));
                *seen = (seen.0 + 1, seen.1.max(record.at));
            }
        }
        Ok(reads)
    }

    /// When values were last given out, by profile and name, as far as the logs on this
    /// machine know. One pass over them.
    pub(crate) fn last_uses(&self, opened: &Opened) -> Result<HashMap<(String, String), Timestamp>, CommandError> {
        let homes = self.homes(opened)?;
        let mut last: HashMap<(String, String), Timestamp> = HashMap::new();
        // What else is wrong with a log is for `audit verify` to say.
        for log in audit::logs_in(&self.audit_place(&opened.vault.id(), None).directory)? {
            audit::for_each_use(&log.path, |at, profile, names| {
                for listed in names {
                    let name = audit::secret_of(listed);
                    let newest = last.entry((homes.of(profile, name).to_owned(), name.to_owned())).or_insert(at);
                    *newest = at.max(*newest);
                }
            })?;
        }
        Ok(last)
    }

    /// The last use of a value that the logs on this machine know of.
    pub(crate) fn last_use(&self, opened: &Opened) -> Result<Option<audit::Record>, CommandError> {
        let logs = audit::logs_in(&self.audit_place(&opened.vault.id(), None).directory)?;
        let found = logs.iter().map(|log| audit::last_use(&log.path)).collect::<Result<Vec<_>, _>>()?;
        Ok(found.into_iter().flatten().max_by_key(|record| record.at))
    }

    pub(crate) fn homes(&self, opened: &Opened) -> Result<Homes, CommandError> {
        let mut homes = HashMap::new();
        for profile in opened.vault.team().profiles().keys() {
            let lineage = opened.vault.lineage(profile)?;
            if lineage.len() < 2 {
                continue;
            }
            let mut names: HashMap<String, String> = HashMap::new();
            for ancestor in &lineage {
                for name in opened.vault.section(ancestor)?.names() {
                    names.entry(name.to_owned()).or_insert_with(|| ancestor.to_string());
                }
            }
            homes.insert(profile.to_string(), names);
        }
        Ok(Homes(homes))
    }
}

/// Records of the logs in some directories, by time.
pub(crate) fn records_in(
    directories: &[PathBuf],
    filter: &Filter,
) -> Result<impl Iterator<Item = Result<Entry, audit::Error>> + use<>, CommandError> {
    let mut logs = Vec::new();
    for directory in directories {
        // The files of a device follow each other, whatever its clock did.
        let files = audit::logs_in(directory)?;
        for files in files.chunk_by(|a, b| a.device == b.device) {
            let records = files.iter().map(|file| audit::records(&file.path, filter.clone()));
            logs.push(records.collect::<Result<Vec<_>, _>>()?.into_iter().flatten());
        }
    }
    Ok(audit::merge(logs))
}

/// Passes lines that are no records over, and counts them; `vault audit verify` is
/// where they are named.
pub(crate) struct Readable<I> {
    entries: I,
    pub(crate) unreadable: u64,
}

impl<I> Readable<I> {
    pub(crate) fn new(entries: I) -> Self {
        Self { entries, unreadable: 0 }
    }
}

impl<I: Iterator<Item = Result<Entry, audit::Error>>> Iterator for Readable<I> {
    type Item = Result<Entry, audit::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.entries.next() {
                Some(Err(audit::Error::Malformed { .. })) => self.unreadable += 1,
                next => return next,
            }
        }
    }
}
