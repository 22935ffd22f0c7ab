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

use std::time::Duration;

use super::checkpoint::{self, Checkpoint};
use super::keys::{self, Certifier, EpochKey};
use super::lines::{Line, Reader, next_line};
use super::query::{Filter, records};
use super::record::{Draft, Head, KeyFields, Torn};
use super::state::State;
use super::{BEGIN, CERTIFY, Error, Event, HAND_OVER, MAX_LINE, Origin, Outcome, Place, Sink, Tampering};
use crate::clock::Timestamp;
use crate::crypto::{Hash, Hasher, SigningKey};
use crate::store;

/// Bytes after which a log goes on in another file.
const SEGMENT_SIZE: u64 = 64 << 20;
/// The reason of a log that begins because the state came from elsewhere.
const COPIED: &str = "the state of this log was copied from another machine";

/// The log of one device, to be written to. Opening costs nothing; every
/// append locks, looks at what is there and notices what others added.
#[derive(Debug)]
pub struct Log {
    place: Place,
    lock_timeout: Duration,
    sink: Option<Sink>,
    segment_size: u64,
    machine: Option<Hash>,
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
        Ok(Self { place, lock_timeout, sink: None, segment_size: SEGMENT_SIZE, machine: None, key: None })
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
        let mut state = match State::read(&self.place)? {
            Some(state) => state,
            None => self.first_use(now)?,
        };
        let mut file = self.open(&state)?;
        let mut batch = self.catch_up(&mut file, &mut state)?;
        let copied = self.machine.zip(state.machine).is_some_and(|(here, there)| here != there);
        if copied {
            let mut begin = Event::new(BEGIN, Outcome::Done);
            begin.reason = Some(COPIED.to_owned());
            (state, file) = self.begin_after(state.generation, state.last(), &begin, &occasion)?;
            batch = Batch::default();
        } else {
            self.load_key(&file, &state)?;
        }
        state.machine = self.machine.or(state.machine);
        if state.size >= self.segment_size && batch.text.is_empty() {
            file = self.next_segment(&file, &mut state, &occasion)?;
        }
        if state.seq == 0 {
            let begin = Event::new(BEGIN, Outcome::Done);
            self.push_key(&mut batch, &mut state, &begin, &occasion, None, None)?;
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
        let receipt = Receipt { head: Head { sequence: state.seq, hash: state.head }, at: now };
        Ok(Pending { log: self, file, state, next_key, receipt, _lock: lock })
    }

    /// Begins a new log after the old one, its state or its key was damaged or
    /// removed. Nothing is deleted: the old log stays where it is, the new one
    /// has the next number in its name, and its first record holds `reason`
    /// and the head that was last remembered, with what was found wrong among
    /// its overrides. Whether there is a reason is for the caller to ask with
    /// [`Log::tampering`].
    ///
    /// # Errors
    /// As [`Log::record`], but for [`Error::Tampered`].
    pub fn begin_again(
        &mut self,
        reason: &str,
        origin: &Origin,
        now: Timestamp,
        certifier: Option<&Certifier<'_>>,
    ) -> Result<Receipt, Error> {
        let mut begin = Event::new(BEGIN, Outcome::Done);
        begin.reason = Some(reason.to_owned());
        super::event::check_text("reason", begin.reason.as_deref())?;
        origin.check()?;
        let _lock = self.lock()?;
        match self.look() {
            Err(Error::Tampered { found, .. }) => begin.overrides = vec![format!("tampering:{}", found.word())],
            looked => {
                looked?;
            }
        }
        let old = match State::read(&self.place) {
            Err(Error::Tampered { .. }) => None,
            old => old?,
        };
        let occasion = Occasion { origin, now, certifier };
        let generation = old.as_ref().map_or(0, |state| state.generation);
        let after = old.and_then(|state| state.last());
        let (state, _) = self.begin_after(generation, after, &begin, &occasion)?;
        Ok(Receipt { head: Head { sequence: state.seq, hash: state.head }, at: now })
    }

    /// Begins a log in the next file, under a new key, and remembers it.
    fn begin_after(
        &mut self,
        generation: u64,
        after: Option<Head>,
        begin: &Event,
        occasion: &Occasion<'_>,
    ) -> Result<(State, store::Log), Error> {
        let generation = self.next_generation(generation)?;
        let key = SigningKey::generate()?;
        let mut state = State::begin(&self.place, generation, key.public(), occasion.now);
        state.machine = self.machine;
        self.key = Some(key);
        store::create_private_dir_all(&self.place.directory)?;
        let file = store::Log::open(&self.place.log_path(generation), true)?;
        let mut batch = Batch::default();
        self.push_key(&mut batch, &mut state, begin, occasion, None, after)?;
        self.write(&file, &batch)?;
        state.size = batch.text.len() as u64;
        file.flush()?;
        self.flush_sink()?;
        // Up to here the old state of affairs holds; a crash leaves a log of
        // one record that nothing refers to. The state comes last.
        if let Some(key) = &self.key {
            keys::write_key(&self.place.companion("key"), key)?;
        }
        state.replace(&self.place.companion("state"))?;
        Ok((state, file))
    }

    fn next_generation(&self, known: u64) -> Result<u64, Error> {
        let newest = self.place.generations()?.last().map_or(0, |(generation, _)| *generation);
        Ok(newest.max(known) + 1)
    }

    /// Ends a file with a hand-over, and goes on in the next one, whose first
    /// record carries the new key once more, so that it can be verified without
    /// the files before it.
    fn next_segment(
        &mut self,
        file: &store::Log,
        state: &mut State,
        occasion: &Occasion<'_>,
    ) -> Result<store::Log, Error> {
        let next = SigningKey::generate()?;
        keys::write_key(&self.place.companion("key.next"), &next)?;
        let mut batch = Batch::default();
        self.push_key(&mut batch, state, &Event::new(HAND_OVER, Outcome::Done), occasion, Some(&next), None)?;
        self.write(file, &batch)?;
        file.flush()?;
        keys::write_key(&self.place.companion("key"), &next)?;
        self.key = Some(next);
        state.generation = self.next_generation(state.generation)?;
        let mut batch = Batch::default();
        self.push_key(&mut batch, state, &Event::new(CERTIFY, Outcome::Done), occasion, None, None)?;
        let path = self.place.log_path(state.generation);
        store::create_new(&path, batch.text.as_bytes(), store::Mode::Private)?;
        state.size = batch.text.len() as u64;
        self.copy_to_sink(&batch)?;
        Ok(store::Log::open(&path, false)?)
    }

    /// What an append would find wrong with the log, if anything. Writes nothing.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Read`].
    pub fn tampering(&mut self) -> Result<Option<Tampering>, Error> {
        let _lock = self.lock()?;
        match self.look() {
            Err(Error::Tampered { found, .. }) => Ok(Some(found)),
            looked => looked.map(|_| None),
        }
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

    /// Compares log, state and key, as an append does, and gives the state
    /// caught up; `None` before the first use.
    fn look(&mut self) -> Result<Option<State>, Error> {
        let Some(mut state) = State::read(&self.place)? else {
            return match self.place.generations()?.last() {
                Some((generation, _)) => Err(self.tampered(*generation, Tampering::StateRemoved)),
                None => Ok(None),
            };
        };
        if state.seq == 0 && !self.place.log_path(state.generation).exists() {
            return Ok(None);
        }
        let mut file = self.open(&state)?;
        self.catch_up(&mut file, &mut state)?;
        self.load_key(&file, &state)?;
        Ok(Some(state))
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

    /// Makes key and state, durable, before there is a log, so that a log
    /// without a state is never a crash.
    fn first_use(&mut self, now: Timestamp) -> Result<State, Error> {
        if let Some((generation, _)) = self.place.generations()?.last() {
            return Err(self.tampered(*generation, Tampering::StateRemoved));
        }
        store::create_private_dir_all(&self.place.directory)?;
        let key = SigningKey::generate()?;
        keys::write_key(&self.place.companion("key"), &key)?;
        let mut state = State::begin(&self.place, 1, key.public(), now);
        state.replace(&self.place.companion("state"))?;
        self.key = Some(key);
        Ok(state)
    }

    /// Opens the log and compares its end with the state.
    fn open(&self, state: &State) -> Result<store::Log, Error> {
        let generation = state.generation;
        let removed = || self.tampered(generation, Tampering::LogRemoved { records: state.seq });
        let file = match store::Log::open(&self.place.log_path(generation), state.seq == 0) {
            Err(store::Error::Missing { .. }) if state.seq > 0 => return Err(removed()),
            file => file?,
        };
        let found = file.size()?;
        if found < state.size {
            let cut = || self.tampered(generation, Tampering::Shorter { recorded: state.size, found });
            return Err(if found == 0 { removed() } else { cut() });
        }
        if state.seq > 0 {
            let length = usize::try_from(state.tail).unwrap_or(MAX_LINE).min(MAX_LINE);
            let line = file.read_from(state.size.saturating_sub(state.tail + 1), length + 1)?;
            if line.strip_suffix(b"\n").map(Hash::of) != Some(state.head) {
                return Err(self.tampered(generation, Tampering::HeadDiffers { sequence: state.seq }));
            }
        }
        Ok(file)
    }

    /// Takes over records behind the state, also in the files that come after
    /// the one it knows. What follows them is torn.
    fn catch_up(&self, file: &mut store::Log, state: &mut State) -> Result<Batch, Error> {
        let mut batch = Batch::default();
        loop {
            let size = file.size()?;
            if size != state.size {
                take_over(file, state, size, &mut batch)?;
            }
            // Only behind a hand-over that nothing follows can there be another file.
            let ended = state.seq > 0 && state.epoch_records == 0 && batch.text.is_empty();
            match if ended { self.continuation(state)? } else { None } {
                Some((generation, next)) => {
                    state.generation = generation;
                    state.size = 0;
                    *file = next;
                }
                None => return Ok(batch),
            }
        }
    }

    /// The file in which the log goes on behind the state.
    fn continuation(&self, state: &State) -> Result<Option<(u64, store::Log)>, Error> {
        for (generation, path) in self.place.generations()? {
            if generation <= state.generation {
                continue;
            }
            let next = store::Log::open(&path, false)?;
            let mut line = Vec::new();
            let found = next_line(&mut Reader::new(&next, 0), &mut line).map_err(Error::Read)?;
            if found == Line::Complete && state.clone().follow(&line).is_some() {
                return Ok(Some((generation, next)));
            }
        }
        Ok(None)
    }

    /// Has the private key of the state's epoch in `self.key`, and finishes a
    /// hand-over that a crash cut short.
    fn load_key(&mut self, file: &store::Log, state: &State) -> Result<(), Error> {
        let fits = |key: &SigningKey| key.public() == state.key;
        if self.key.as_ref().is_some_and(fits) {
            return Ok(());
        }
        let path = self.place.companion("key");
        if let Some(key) = keys::read_key(&path)?.filter(fits) {
            self.key = Some(key);
            return Ok(());
        }
        let next = keys::read_key(&self.place.companion("key.next"))?.filter(fits);
        let Some(key) = next else {
            return Err(self.tampered(state.generation, Tampering::KeyRemoved { epoch: state.epoch }));
        };
        // Only now that its introduction is on the medium, or the old key would be gone for nothing.
        file.flush()?;
        keys::write_key(&path, &key)?;
        self.key = Some(key);
        Ok(())
    }

    /// Adds a record that introduces `next`, or the current key if there is none.
    fn push_key(
        &self,
        batch: &mut Batch,
        state: &mut State,
        event: &Event,
        occasion: &Occasion<'_>,
        next: Option<&SigningKey>,
        after: Option<Head>,
    ) -> Result<(), Error> {
        let epoch_key = EpochKey {
            vault: self.place.vault,
            device: self.place.device.clone(),
            epoch: state.epoch + u64::from(next.is_some()),
            key: next.map_or(state.key, SigningKey::public),
        };
        let certificate = occasion.certifier.and_then(|certify| certify(&epoch_key));
        let fields = KeyFields { key: epoch_key.key, certificate };
        state.certified |= certificate.is_some();
        self.push(batch, state, event, occasion, self.key.as_ref(), Some((fields, next.is_some())), after)
    }

    /// Certifies the current epoch after the fact, if the certifier can.
    fn push_certificate(&self, batch: &mut Batch, state: &mut State, occasion: &Occasion<'_>) -> Result<(), Error> {
        let (vault, device) = (self.place.vault, self.place.device.clone());
        let epoch_key = EpochKey { vault, device, epoch: state.epoch, key: state.key };
        let Some(certificate) = occasion.certifier.and_then(|certify| certify(&epoch_key)) else { return Ok(()) };
        let event = Event::new(CERTIFY, Outcome::Done);
        let fields = KeyFields { key: state.key, certificate: Some(certificate) };
        state.certified = true;
        self.push(batch, state, &event, occasion, self.key.as_ref(), Some((fields, false)), None)
    }

    #[expect(clippy::too_many_arguments, reason = "the one place where a line is put together")]
    fn push(
        &self,
        batch: &mut Batch,
        state: &mut State,
        event: &Event,
        occasion: &Occasion<'_>,
        signer: Option<&SigningKey>,
        key: Option<(KeyFields, bool)>,
        after: Option<Head>,
    ) -> Result<(), Error> {
        let missing = || self.tampered(state.generation, Tampering::KeyRemoved { epoch: state.epoch });
        let signer = signer.ok_or_else(missing)?;
        let next_key = key.as_ref().and_then(|(fields, hands_over)| hands_over.then_some(fields.key));
        let draft = Draft {
            vault: &self.place.vault,
            device: self.place.device.as_deref(),
            seq: state.seq + 1,
            epoch: state.epoch,
            at: occasion.now,
            event,
            origin: occasion.origin,
            torn: batch.torn.take(),
            sink: self.sink.as_ref().map(Sink::name),
            after,
            key: key.map(|(fields, _)| fields),
            prev: state.head,
        };
        let line = draft.sign(signer);
        if line.len() > MAX_LINE {
            return Err(Error::TooLarge { field: "names" });
        }
        state.wrote(line.as_bytes(), next_key, occasion.now);
        batch.text.push_str(&line);
        batch.text.push('\n');
        Ok(())
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
        let Self { log, file, mut state, next_key, receipt, _lock } = self;
        file.flush()?;
        log.flush_sink()?;
        if let Some(key) = next_key {
            keys::write_key(&log.place.companion("key"), &key)?;
            log.key = Some(key);
        }
        state.overwrite(&log.place.companion("state"))?;
        Ok(receipt)
    }

    /// What [`Pending::flush`] will return, for bytes to be signed meanwhile.
    #[must_use]
    pub fn head(&self) -> Head {
        self.receipt.head
    }
}

/// Lines to be appended in one write.
#[derive(Default)]
struct Batch {
    text: String,
    /// For the first line.
    torn: Option<Torn>,
}

/// Advances the state over the records behind it in its file; `size` is where that ends.
fn take_over(file: &store::Log, state: &mut State, size: u64, batch: &mut Batch) -> Result<(), Error> {
    let mut reader = Reader::new(file, state.size);
    let mut line = Vec::new();
    loop {
        let found = next_line(&mut reader, &mut line).map_err(Error::Read)?;
        match found {
            Line::End => return Ok(()),
            Line::Complete if state.follow(&line).is_some() => state.size += line.len() as u64 + 1,
            // All of it was written but the LF.
            Line::Incomplete if state.follow(&line).is_some() => {
                state.size += line.len() as u64;
                batch.text.push('\n');
                return Ok(());
            }
            Line::Complete | Line::Incomplete | Line::TooLong => {
                batch.torn = Some(torn_from(file, state.size, size)?);
                batch.text.push('\n');
                state.size = size;
                return Ok(());
            }
        }
    }
}

/// Describes the bytes from `start` to `end`.
fn torn_from(file: &store::Log, start: u64, end: u64) -> Result<Torn, Error> {
    let mut hasher = Hasher::default();
    let mut offset = start;
    while offset < end {
        let max = usize::try_from(end - offset).unwrap_or(usize::MAX).min(1 << 20);
        let bytes = file.read_from(offset, max)?;
        if bytes.is_empty() {
            break;
        }
        hasher.update(&bytes);
        offset += bytes.len() as u64;
    }
    Ok(Torn { bytes: offset - start, sha256: hasher.finish() })
}
