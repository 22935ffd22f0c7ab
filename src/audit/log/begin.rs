//! Where a log begins, and where it goes on in another file.

use super::batch::Batch;
use super::{Begun, Log, Occasion, Receipt};
use crate::audit::finding::{Anchor, Kind};
use crate::audit::keys::{self, Certifier};
use crate::audit::record::{Head, Record};
use crate::audit::scan::NUMBERS;
use crate::audit::state::State;
use crate::audit::verify::first_line;
use crate::audit::{BEGIN, CERTIFY, Error, Event, HAND_OVER, Origin, Outcome, Tampering};
use crate::clock::Timestamp;
use crate::crypto::SigningKey;
use crate::store;

/// The reason of a log that begins because the state came from elsewhere.
const COPIED: &str = "the state of this log was copied from another machine";

/// Before the number of records that earlier logs of this name had, where `after` does not say it.
const EARLIER: &str = "earlier:";

/// What is known of the logs before the one that begins.
struct Earlier {
    /// Where the one before ended.
    after: Option<Head>,
    /// How many records they are known to have had under this name.
    records: u64,
}

impl Log {
    /// Whether the next record has to begin a log of its own, although log and state agree.
    pub(super) fn begins_again(&self, state: &State) -> Option<Begun> {
        if self.machine.zip(state.machine).is_some_and(|(here, there)| here != there) {
            return Some(Begun::Copied);
        }
        self.behind(state).filter(|_| state.seq > 0).map(|anchor| Begun::Behind(anchor.head))
    }

    /// The anchor that neither the log nor an earlier one reaches. Reads nothing where the log does.
    pub(super) fn behind(&self, state: &State) -> Option<&Anchor> {
        let ahead = self.known.as_ref().filter(|anchor| anchor.head.sequence > state.seq)?;
        Some(ahead).filter(|anchor| anchor.head.sequence > self.earlier(state.generation))
    }

    /// Records that earlier logs had, as the first line of a file says. It is signed; the
    /// state is not, and whoever puts an old log back can write into it what they like.
    fn earlier(&self, generation: u64) -> u64 {
        let line = first_line(&self.place.log_path(generation)).ok().flatten();
        line.and_then(|line| Record::parse(&line)).map_or(0, |first| earlier_in(&first))
    }

    fn why_behind(&self, state: &State) -> Option<String> {
        let anchor = self.behind(state)?;
        let (sequence, place) = (anchor.head.sequence, &anchor.place);
        Some(match state.seq {
            0 => format!("no log was here, and {place} names record {sequence} of one"),
            last => format!(
                "the log here ended with record {last}, and {place} names record {sequence}: restored from a backup, or cut"
            ),
        })
    }

    pub(super) fn begin_again_of_itself(
        &mut self,
        state: &State,
        begun: Begun,
        occasion: &Occasion<'_>,
    ) -> Result<(State, store::Log), Error> {
        let mut begin = Event::new(BEGIN, Outcome::Done);
        let earlier = match begun {
            Begun::Copied => {
                // Says by itself that nothing is compared any more.
                begin.reason = Some(COPIED.to_owned());
                Earlier { after: state.last(), records: 0 }
            }
            Begun::Behind(head) => {
                begin.reason = self.why_behind(state);
                Earlier { after: state.last(), records: head.sequence }
            }
        };
        self.begin_after(state.generation, earlier, begin, occasion)
    }

    /// What the first record of a device's first log says, and the head of one that is not here.
    pub(super) fn first_record(&self, state: &State) -> (Event, Option<Head>) {
        let mut begin = Event::new(BEGIN, Outcome::Done);
        begin.reason = self.why_behind(state);
        (begin, self.behind(state).map(|anchor| anchor.head))
    }

    /// Begins a new log after the old one, its state or its key was damaged or
    /// removed. Nothing is deleted: the old log stays where it is, the new one
    /// has the next number in its name, and its first record holds `reason`
    /// and the head that was last remembered, with what was found wrong among
    /// its overrides. Whether there is a reason is for the caller to ask: with
    /// [`Log::tampering`], or else by a verification, which found `wrong`.
    ///
    /// # Errors
    /// As [`Log::record`], but for [`Error::Tampered`].
    pub fn begin_again(
        &mut self,
        reason: &str,
        wrong: Option<Kind>,
        origin: &Origin,
        now: Timestamp,
        certifier: Option<&Certifier<'_>>,
    ) -> Result<Receipt, Error> {
        let mut begin = Event::new(BEGIN, Outcome::Done);
        begin.reason = Some(reason.to_owned());
        crate::audit::event::check_text("reason", begin.reason.as_deref())?;
        origin.check()?;
        let _lock = self.lock()?;
        let found = self.found()?.map(|found| found.word().to_owned());
        let found = found.or(wrong.map(|kind| kind.to_string()));
        begin.overrides.extend(found.map(|found| format!("tampering:{found}")));
        let old = match State::read(&self.place) {
            Err(Error::Tampered { .. }) => None,
            old => old?,
        };
        let occasion = Occasion { origin, now, certifier };
        let generation = old.as_ref().map_or(0, |state| state.generation);
        let last = old.as_ref().and_then(State::last);
        let known = self.known.as_ref().map(|anchor| anchor.head);
        let records = self.earlier(generation).max(known.map_or(0, |head| head.sequence));
        let earlier = Earlier { after: last.or(known), records };
        let (state, _) = self.begin_after(generation, earlier, begin, &occasion)?;
        Ok(Receipt { head: Head { sequence: state.seq, hash: state.head }, at: now, begun: None })
    }

    /// Begins a log in the next file, under a new key, and remembers it.
    fn begin_after(
        &mut self,
        generation: u64,
        earlier: Earlier,
        mut begin: Event,
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
        if earlier.records > earlier.after.map_or(0, |head| head.sequence) {
            begin.overrides.push(format!("{EARLIER}{}", earlier.records));
        }
        self.push_key(&mut batch, &mut state, &begin, occasion, None, earlier.after)?;
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
    pub(super) fn next_segment(
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
        let mut certify = Event::new(CERTIFY, Outcome::Done);
        // The file that says it may be moved away.
        let earlier = self.earlier(state.generation);
        certify.overrides.extend((earlier > 0).then(|| format!("{EARLIER}{earlier}")));
        state.generation = self.next_generation(state.generation)?;
        let mut batch = Batch::default();
        self.push_key(&mut batch, state, &certify, occasion, None, None)?;
        let path = self.place.log_path(state.generation);
        store::create_new(&path, batch.text.as_bytes(), store::Mode::Private)?;
        state.size = batch.text.len() as u64;
        self.copy_to_sink(&batch)?;
        Ok(store::Log::open(&path, false)?)
    }

    /// Makes key and state, durable, before there is a log, so that a log
    /// without a state is never a crash.
    pub(super) fn first_use(&mut self, now: Timestamp) -> Result<State, Error> {
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
}

/// What the first record of a file says of earlier logs.
fn earlier_in(first: &Record) -> u64 {
    if first.reason.as_deref() == Some(COPIED) {
        // The other machine goes on; what it anchors says nothing about this log.
        return NUMBERS - 1;
    }
    let said = first.overrides.iter().find_map(|what| what.strip_prefix(EARLIER)?.parse().ok());
    said.max(first.after.map(|head| head.sequence)).unwrap_or(0)
}
