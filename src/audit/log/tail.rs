//! The end of a log: what is there against what is remembered of it.

use super::Log;
use super::batch::Batch;
use crate::audit::keys;
use crate::audit::lines::{Line, Reader, next_line};
use crate::audit::record::Torn;
use crate::audit::scan::Fields;
use crate::audit::state::State;
use crate::audit::{Error, MAX_LINE, Tampering};
use crate::crypto::{Hash, Hasher, SigningKey};
use crate::store;

impl Log {
    /// What an append would find wrong with the log, if anything. Writes nothing.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::Read`].
    pub fn tampering(&mut self) -> Result<Option<Tampering>, Error> {
        let _lock = self.lock()?;
        self.found()
    }

    /// As [`Log::tampering`], with the lock held.
    pub(super) fn found(&mut self) -> Result<Option<Tampering>, Error> {
        match self.look() {
            Err(Error::Tampered { found, .. }) => Ok(Some(found)),
            Err(error) => Err(error),
            Ok(None) => Ok(None),
            Ok(Some(state)) => Ok(self
                .behind(&state)
                .map(|anchor| Tampering::Behind { records: state.seq, sequence: anchor.head.sequence })),
        }
    }

    /// Compares log, state and key, as an append does, and gives the state
    /// caught up; `None` before the first use.
    pub(super) fn look(&mut self) -> Result<Option<State>, Error> {
        let Some(mut state) = State::read(&self.place)? else {
            return match self.place.generations()?.last() {
                Some((generation, _)) => Err(self.tampered(*generation, Tampering::StateRemoved)),
                None => Ok(None),
            };
        };
        if state.seq == 0 && !self.place.log_path(state.generation).exists() {
            return Ok(None);
        }
        let (mut file, size) = self.open(&state)?;
        self.catch_up(&mut file, size, &mut state)?;
        self.load_key(&file, &state)?;
        Ok(Some(state))
    }

    /// Opens the log, tells its size, and compares its end with the state.
    pub(super) fn open(&self, state: &State) -> Result<(store::Log, u64), Error> {
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
            let line = line.strip_suffix(b"\n").unwrap_or_default();
            // Its number too, as anchors are compared with that.
            let is_last = Hash::of(line) == state.head && Fields::scan(line).is_some_and(|it| it.seq == state.seq);
            if !is_last {
                return Err(self.tampered(generation, Tampering::HeadDiffers { sequence: state.seq }));
            }
        }
        Ok((file, found))
    }

    /// Takes over records behind the state, also in the files that come after
    /// the one it knows, which has this size. What follows them is torn.
    pub(super) fn catch_up(&self, file: &mut store::Log, mut size: u64, state: &mut State) -> Result<Batch, Error> {
        let mut batch = Batch::default();
        loop {
            if size != state.size {
                take_over(file, state, size, &mut batch)?;
            }
            // Only behind a hand-over that nothing follows can there be another file.
            let ended = state.seq > 0 && state.epoch_records == 0 && batch.text.is_empty();
            match if ended { self.continuation(state)? } else { None } {
                Some((generation, next)) => {
                    state.generation = generation;
                    state.size = 0;
                    size = next.size()?;
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
    pub(super) fn load_key(&mut self, file: &store::Log, state: &State) -> Result<(), Error> {
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
