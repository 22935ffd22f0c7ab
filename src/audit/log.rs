//! Appending: one line, one signature, one flush, whatever the log's length.
//!
//! The order on disk, and what a crash between two steps leaves:
//!
//! ```text
//! lock the state directory
//! key.next, durable            an unused key, overwritten by the next hand-over
//! append line(s) to the log    no record, a torn one or a whole one: caught up
//! flush the log                the record; the state lags: caught up
//! key, durable                 the log's newest key is key.next's: finished
//! overwrite the state
//! unlock
//! ```
//!
//! A file that has reached its size ends with a hand-over, and the log goes on
//! in the next one:
//!
//! ```text
//! key.next, durable
//! append the hand-over, flush  the old file is complete: caught up, and done again
//! key, durable
//! create the next file with its first record, durable
//!                              the state lags: it is found and caught up
//! ```

mod batch;
mod begin;
mod tail;

use std::time::Duration;

use batch::Batch;

use super::checkpoint::{self, Checkpoint};
use super::finding::Anchor;
use super::keys::{self, Certifier, EpochKey};
use super::query::{Filter, records};
use super::record::Head;
use super::state::State;
use super::{BEGIN, CERTIFY, Error, Event, HAND_OVER, Origin, Outcome, Place, Sink, Tampering};
use crate::clock::Timestamp;
use crate::crypto::{Hash, SigningKey};
use crate::store;

/// Bytes after which a log goes on in another file.
const SEGMENT_SIZE: u64 = 64 << 20;

/// The log of one device, to be written to. Opening costs nothing; every
/// append locks, looks at what is there and notices what others added.
#[derive(Debug)]
pub struct Log {
    place: Place,
    lock_timeout: Duration,
    sink: Option<Sink>,
    segment_size: u64,
    machine: Option<Hash>,
    known: Option<Anchor>,
    /// The key of the epoch that was current last.
    key: Option<SigningKey>,
}

/// A record that is written but not yet on the medium. The log stays locked.
///
/// Nothing may be handed out before [`Pending::flush`] returned. It can run on
/// another thread while values are opened. Dropping it leaves the line in the
/// log, from where the next append takes it over.
#[derive(Debug)]
#[must_use = "the record does not count before it is flushed"]
pub struct Pending<'a> {
    log: &'a mut Log,
    file: store::Log,
    state: State,
    /// Where the state was read from, if it is still there.
    cell: Option<store::Cell>,
    /// The key that the flushed record introduces.
    next_key: Option<SigningKey>,
    receipt: Receipt,
    _lock: store::Lock,
}

/// Proof that a record is on the medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The record; its sequence number is what `of` refers to, its text the
    /// anchor in a profile's signature.
    pub head: Head,
    /// The time in the record.
    pub at: Timestamp,
    /// Set where the log was begun again for it, of itself.
    pub begun: Option<Begun>,
}

/// Why a log was begun again of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// The state was written by another machine.
    Copied,
    /// It ended before this record, which is named elsewhere.
    Behind(Head),
}

/// Who, when, and who can certify: the same for all lines of one append.
struct Occasion<'a> {
    origin: &'a Origin,
    now: Timestamp,
    certifier: Option<&'a Certifier<'a>>,
}

impl Log {
    /// The log at `place`; waits at most `lock_timeout` for others.
    ///
    /// # Errors
    /// [`Error::Device`].
    pub fn new(place: Place, lock_timeout: Duration) -> Result<Self, Error> {
        place.check()?;
        Ok(Self { place, lock_timeout, sink: None, segment_size: SEGMENT_SIZE, machine: None, known: None, key: None })
    }

    /// Goes on in a new file once the current one has this many bytes; 64 MiB
    /// unless this says otherwise.
    #[must_use]
    pub fn with_segment_size(self, bytes: u64) -> Self {
        Self { segment_size: bytes, ..self }
    }

    /// Says which machine this is. Where the state was written by another one,
    /// a home directory was copied: the next record begins a log of its own.
    #[must_use]
    pub fn on_machine(self, machine: Hash) -> Self {
        Self { machine: Some(machine), ..self }
    }

    /// Says what elsewhere names a record of this log. Where the log does not reach
    /// so far, it was restored from a backup, or cut together with its state: the
    /// next record begins a log that says so. Costs a comparison of numbers.
    #[must_use]
    pub fn anchored(self, known: Anchor) -> Self {
        Self { known: Some(known), ..self }
    }

    /// Sends a copy of every line to `sink`, and records that.
    #[must_use]
    pub fn with_sink(self, sink: Sink) -> Self {
        Self { sink: Some(sink), ..self }
    }

    /// Where the log is.
    #[must_use]
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// The head as last remembered, without a lock; `None` before the first record.
    ///
    /// # Errors
    /// [`Error::Tampered`], [`Error::Store`].
    pub fn head(&self) -> Result<Option<Head>, Error> {
        Ok(State::read(&self.place)?.and_then(|state| state.last()))
    }

    /// Writes a record and flushes it.
    ///
    /// # Errors
    /// As [`Log::append`] and [`Pending::flush`].
    pub fn record(
        &mut self,
        event: &Event,
        origin: &Origin,
        now: Timestamp,
        certifier: Option<&Certifier<'_>>,
    ) -> Result<Receipt, Error> {
        self.append(event, origin, now, certifier)?.flush()
    }

    /// Writes a record, and before it whatever the log needs: its beginning
    /// (first use), a certificate, the next epoch's key.
    ///
    /// # Errors
    /// [`Error::Tampered`]: nothing is written until [`Log::begin_again`].
    /// [`Error::TooLarge`], [`Error::Action`], [`Error::Sink`],
    /// [`Error::Store`] ([`Busy`](store::Error::Busy) after the timeout).
    pub fn append(
        &mut self,
        event: &Event,
        origin: &Origin,
        now: Timestamp,
        certifier: Option<&Certifier<'_>>,
    ) -> Result<Pending<'_>, Error> {
        event.check()?;
        origin.check()?;
        let occasion = Occasion { origin, now, certifier };
        let lock = self.lock()?;
        let (mut state, mut cell) = match State::open(&self.place)? {
            Some((state, cell)) => (state, Some(cell)),
            None => (self.first_use(now)?, None),
        };
        let (mut file, size) = self.open(&state)?;
        let mut batch = self.catch_up(&mut file, size, &mut state)?;
        let begun = self.begins_again(&state);
        if let Some(begun) = begun {
            (state, file) = self.begin_again_of_itself(&state, begun, &occasion)?;
            batch = Batch::default();
            // It was replaced.
            cell = None;
        } else {
            self.load_key(&file, &state)?;
        }
        state.machine = self.machine.or(state.machine);
        if state.size >= self.segment_size && batch.text.is_empty() {
            file = self.next_segment(&file, &mut state, &occasion)?;
        }
        if state.seq == 0 {
            let (begin, after) = self.first_record(&state);
            self.push_key(&mut batch, &mut state, &begin, &occasion, None, after)?;
        } else if !state.certified && certifier.is_some() {
            self.push_certificate(&mut batch, &mut state, &occasion)?;
        }
        let mut next_key = None;
        if keys::is_used_up(state.epoch_records, state.epoch_began, now) {
            let next = SigningKey::generate()?;
            keys::write_key(&self.place.companion("key.next"), &next)?;
            let hand_over = Event::new(HAND_OVER, Outcome::Done);
            self.push_key(&mut batch, &mut state, &hand_over, &occasion, Some(&next), None)?;
            next_key = Some(next);
        }
        let signer = next_key.as_ref().or(self.key.as_ref());
        self.push(&mut batch, &mut state, event, &occasion, signer, None, None)?;
        self.write(&file, &batch)?;
        state.size += batch.text.len() as u64;
        let receipt = Receipt { head: Head { sequence: state.seq, hash: state.head }, at: now, begun };
        Ok(Pending { log: self, file, state, cell, next_key, receipt, _lock: lock })
    }

    /// Signs where the log stands with the key of its epoch. Writes nothing.
    ///
    /// # Errors
    /// As [`Log::append`]; [`Error::Empty`] before the first record.
    pub fn checkpoint(&mut self, now: Timestamp) -> Result<Checkpoint, Error> {
        let _lock = self.lock()?;
        let state = self.look()?.ok_or(Error::Empty)?;
        let head = state.last().ok_or(Error::Empty)?;
        let signer = self.key.as_ref().ok_or(Error::Empty)?;
        let (vault, device) = (self.place.vault, self.place.device.clone());
        let epoch_key = EpochKey { vault, device, epoch: state.epoch, key: state.key };
        let mut certificate = None;
        for action in [BEGIN, HAND_OVER, CERTIFY] {
            let filter = Filter { action: Some(action.to_owned()), ..Filter::default() };
            let found =
                checkpoint::certificate_in(records(&self.place.log_path(state.generation), filter)?, &state.key)?;
            certificate = certificate.or(found);
        }
        Ok(Checkpoint::sign(epoch_key, certificate, head, now, signer))
    }

    fn lock(&self) -> Result<store::Lock, Error> {
        let directory = &self.place.state_directory;
        match store::Lock::acquire(directory, self.lock_timeout) {
            Err(store::Error::Missing { .. }) => {
                store::create_private_dir_all(directory)?;
                Ok(store::Lock::acquire(directory, self.lock_timeout)?)
            }
            lock => Ok(lock?),
        }
    }

    fn tampered(&self, generation: u64, found: Tampering) -> Error {
        Error::Tampered { path: self.place.log_path(generation), found }
    }

    fn write(&mut self, file: &store::Log, batch: &Batch) -> Result<(), Error> {
        file.append(batch.text.as_bytes())?;
        self.copy_to_sink(batch)
    }

    fn copy_to_sink(&mut self, batch: &Batch) -> Result<(), Error> {
        match &mut self.sink {
            Some(sink) => sink.write(batch.text.trim_start_matches('\n').as_bytes(), self.lock_timeout),
            None => Ok(()),
        }
    }

    fn flush_sink(&mut self) -> Result<(), Error> {
        self.sink.as_mut().map_or(Ok(()), Sink::flush)
    }
}

impl Pending<'_> {
    /// Returns when the record is on the medium.
    ///
    /// # Errors
    /// Nothing may be handed out then: [`Error::Store`], [`Error::Sink`]. The
    /// record may stand in the log all the same, and be taken over later.
    pub fn flush(self) -> Result<Receipt, Error> {
        let Self { log, file, mut state, cell, next_key, receipt, _lock } = self;
        file.flush()?;
        log.flush_sink()?;
        if let Some(key) = next_key {
            keys::write_key(&log.place.companion("key"), &key)?;
            log.key = Some(key);
        }
        state.overwrite(&log.place.companion("state"), cell.as_ref())?;
        Ok(receipt)
    }

    /// Set where the log was begun again for this record, of itself.
    #[must_use]
    pub fn begun(&self) -> Option<Begun> {
        self.receipt.begun
    }

    /// What [`Pending::flush`] will return, for bytes to be signed meanwhile.
    #[must_use]
    pub fn head(&self) -> Head {
        self.receipt.head
    }
}
