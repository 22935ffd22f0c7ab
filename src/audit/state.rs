//! What a device remembers of its log, so that an append reads one line and
//! never the whole.

use std::path::Path;
use std::str::FromStr;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use zeroize::Zeroizing;

use super::json::Object;
use super::record::{Head, Record};
use super::scan::Fields;
use super::{BEGIN, Error, HAND_OVER, Place, Tampering};
use crate::clock::Timestamp;
use crate::crypto::{Hash, PublicKey};
use crate::store;

/// One copy in the file. Writes alternate between the two, so that a power
/// loss in the middle of one leaves the other.
const SLOT: usize = store::MAX_CELL / 2;
const CHECKSUM: usize = 52;

/// The log up to its last flushed record. May lag behind the log after a
/// crash, never the other way round.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    v: u64,
    pub(super) vault: Hash,
    pub(super) device: Option<String>,
    /// Which of the device's logs.
    pub(super) generation: u64,
    /// Counts writes of this file.
    writes: u64,
    /// Last record; 0 before the first.
    pub(super) seq: u64,
    pub(super) head: Hash,
    /// Size of its file in bytes, up to and with the LF of the last record.
    pub(super) size: u64,
    /// Length of the last line, without its LF.
    pub(super) tail: u64,
    /// The epoch of the next record.
    pub(super) epoch: u64,
    /// Its public key.
    #[serde(deserialize_with = "text")]
    pub(super) key: PublicKey,
    pub(super) epoch_records: u64,
    pub(super) epoch_began: Timestamp,
    /// True once a certificate stands in the log.
    pub(super) certified: bool,
    /// The machine that wrote last, where it has an identity.
    #[serde(default)]
    pub(super) machine: Option<Hash>,
    /// Of earlier versions, and not to be believed: what it said is signed in the log now.
    #[serde(default, rename = "earlier")]
    _earlier: u64,
    /// The copy that this was read from, which the next write leaves alone.
    #[serde(skip)]
    kept: Option<Kept>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Kept {
    slot: usize,
    bytes: Vec<u8>,
}

fn text<'de, D: Deserializer<'de>, T: FromStr>(deserializer: D) -> Result<T, D::Error> {
    let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
    text.parse().map_err(|_| D::Error::custom("malformed"))
}

impl State {
    /// Before the first record.
    pub(super) fn begin(place: &Place, generation: u64, key: PublicKey, now: Timestamp) -> Self {
        Self {
            v: 1,
            vault: place.vault,
            device: place.device.clone(),
            generation,
            writes: 0,
            seq: 0,
            head: Hash::ZERO,
            size: 0,
            tail: 0,
            epoch: 1,
            key,
            epoch_records: 0,
            epoch_began: now,
            certified: false,
            machine: None,
            _earlier: 0,
            kept: None,
        }
    }

    /// The head, once there is a record.
    pub(super) fn last(&self) -> Option<Head> {
        (self.seq > 0).then_some(Head { sequence: self.seq, hash: self.head })
    }

    /// Reads the newer whole copy; `None` if there is no file.
    pub(super) fn read(place: &Place) -> Result<Option<Self>, Error> {
        let path = place.companion("state");
        match store::read_private(&path, store::MAX_CELL as u64) {
            Err(store::Error::Missing { .. }) => Ok(None),
            bytes => Self::newest(place, bytes).map(Some),
        }
    }

    /// As [`State::read`], with the file, to be overwritten.
    pub(super) fn open(place: &Place) -> Result<Option<(Self, store::Cell)>, Error> {
        let cell = match store::Cell::open(&place.companion("state")) {
            Err(store::Error::Missing { .. }) => return Ok(None),
            cell => cell?,
        };
        Self::newest(place, cell.read()).map(|state| Some((state, cell)))
    }

    fn newest(place: &Place, bytes: Result<Zeroizing<Vec<u8>>, store::Error>) -> Result<Self, Error> {
        let damaged = || Error::Tampered { path: place.companion("state"), found: Tampering::StateDamaged };
        let bytes = match bytes {
            Err(store::Error::TooLarge { .. }) => return Err(damaged()),
            bytes => bytes?,
        };
        let mut copies: Vec<(usize, &[u8])> = bytes.chunks(SLOT).enumerate().collect();
        // The newer one is nearly always whole; the other is then not looked at.
        copies.sort_by_key(|(_, bytes)| std::cmp::Reverse(writes_in(bytes)));
        let state = copies.into_iter().find_map(|(slot, bytes)| {
            let kept = Some(Kept { slot, bytes: bytes.to_vec() });
            Self::from_slot(bytes).map(|state| Self { kept, ..state })
        });
        state.filter(|state| state.vault == place.vault && state.device == place.device).ok_or_else(damaged)
    }

    /// Overwrites the copy that this was not read from, without flushing: what
    /// is lost is caught up from the log. `open` is the file, where it is open.
    pub(super) fn overwrite(&mut self, path: &Path, open: Option<&store::Cell>) -> Result<(), Error> {
        let mut cell = vec![b' '; store::MAX_CELL];
        if let Some(kept) = &self.kept {
            // As long as it was when it was read; never longer than a slot.
            cell[kept.slot * SLOT..][..kept.bytes.len()].copy_from_slice(&kept.bytes);
        }
        self.put(&mut cell);
        Ok(open.map_or_else(|| store::overwrite_small(path, &cell), |open| open.overwrite(&cell))?)
    }

    /// Replaces the whole file durably, whatever it was.
    pub(super) fn replace(&mut self, path: &Path) -> Result<(), Error> {
        let mut cell = vec![b' '; store::MAX_CELL];
        self.kept = None;
        self.put(&mut cell);
        Ok(store::replace(path, &cell, store::Mode::Private)?)
    }

    /// Puts this into the cell as its newest copy.
    fn put(&mut self, cell: &mut [u8]) {
        let slot = self.kept.as_ref().map_or(0, |kept| 1 - kept.slot);
        self.writes += 1;
        let bytes = self.to_slot();
        cell[slot * SLOT..][..SLOT].copy_from_slice(&bytes);
        self.kept = Some(Kept { slot, bytes: bytes.to_vec() });
    }

    /// Checksum, space, JSON, spaces, LF: always [`SLOT`] bytes.
    fn to_slot(&self) -> [u8; SLOT] {
        let mut json = Object::new();
        json.number("v", self.v);
        json.plain("vault", &self.vault);
        json.optional("device", self.device.as_deref());
        json.number("generation", self.generation);
        json.number("writes", self.writes);
        json.number("seq", self.seq);
        json.plain("head", &self.head);
        json.number("size", self.size);
        json.number("tail", self.tail);
        json.number("epoch", self.epoch);
        json.plain("key", &self.key);
        json.number("epoch_records", self.epoch_records);
        json.plain("epoch_began", &self.epoch_began);
        json.boolean("certified", self.certified);
        if let Some(machine) = &self.machine {
            json.plain("machine", machine);
        }
        let json = json.end();
        let text = format!("{} {json}", Hash::of(json.as_bytes()));
        let mut slot = [b' '; SLOT];
        // Every field is bounded; together they are below 800 bytes.
        slot[..text.len()].copy_from_slice(text.as_bytes());
        slot[SLOT - 1] = b'\n';
        slot
    }

    fn from_slot(slot: &[u8]) -> Option<Self> {
        let json = slot.get(CHECKSUM + 1..)?;
        let json = &json[..memchr::memrchr(b'}', json)? + 1];
        let checksum: Hash = std::str::from_utf8(&slot[..CHECKSUM]).ok()?.parse().ok()?;
        if checksum != Hash::of(json) {
            return None;
        }
        serde_json::from_slice(json).ok().filter(|state: &Self| state.v == 1)
    }

    /// Takes `line` for the next record, if it is one: in order, chained, signed.
    /// Does not touch `size`.
    pub(super) fn follow(&mut self, line: &[u8]) -> Option<()> {
        let fields = Fields::scan(line)?;
        let fits = fields.is_of(&self.vault.to_string(), self.device.as_deref())
            && fields.seq == self.seq + 1
            && fields.prev == self.head
            && fields.epoch == self.epoch
            && (fields.action == BEGIN.as_bytes()) == (fields.seq == 1)
            && fields.is_signed_by(&self.key);
        if !fits {
            return None;
        }
        let record = Record::parse(line)?;
        let hand_over = if record.action == HAND_OVER { Some(record.key?) } else { None };
        self.certified |= record.certificate.is_some();
        self.wrote(line, hand_over, record.at);
        Some(())
    }

    /// Advances over a record of this log.
    pub(super) fn wrote(&mut self, line: &[u8], next_key: Option<PublicKey>, at: Timestamp) {
        self.seq += 1;
        self.head = Hash::of(line);
        self.tail = line.len() as u64;
        self.epoch_records += 1;
        if let Some(key) = next_key {
            self.key = key;
            self.epoch += 1;
            self.epoch_records = 0;
            self.epoch_began = at;
        }
    }
}

/// What a copy says of the number of writes, whether it is whole or not.
fn writes_in(slot: &[u8]) -> u64 {
    const KEY: &[u8] = b"\"writes\":";
    let digits = slot.windows(KEY.len()).position(|window| window == KEY).map(|at| &slot[at + KEY.len()..]);
    let digits = digits.unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number: u64, digit| number.saturating_mul(10).saturating_add(u64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::SigningKey;

    fn place(dir: &Path) -> Place {
        Place {
            vault: Hash::of(b"vault"),
            device: Some("d".repeat(64)),
            directory: dir.to_path_buf(),
            state_directory: dir.to_path_buf(),
        }
    }

    #[test]
    fn one_torn_copy_leaves_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let place = place(dir.path());
        let path = place.companion("state");
        assert_eq!(State::read(&place).unwrap(), None);
        let now = Timestamp::from_seconds(1_800_000_000).unwrap();
        let mut state = State::begin(&place, 1, SigningKey::from_seed(&[1; 32]).public(), now);
        for seq in 0..4 {
            state.seq = seq;
            state.overwrite(&path, None).unwrap();
            assert_eq!(State::read(&place).unwrap().unwrap(), state);
        }
        let whole = store::read(&path, 4096).unwrap();
        assert_eq!(whole.len(), store::MAX_CELL);
        for at in [60, SLOT + 60] {
            let mut torn = whole.clone();
            torn[at] ^= 1;
            store::replace(&path, &torn, store::Mode::Private).unwrap();
            let mut next = State::read(&place).unwrap().unwrap();
            assert!(next.seq == 2 || next.seq == 3);
            next.seq = 9;
            next.overwrite(&path, None).unwrap();
            assert_eq!(State::read(&place).unwrap().unwrap().seq, 9);
        }
    }

    #[test]
    fn damage_and_another_logs_state_are_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let place = place(dir.path());
        let path = place.companion("state");
        for bytes in [&b""[..], b"x", &[b' '; 4096], &[0; 5000]] {
            store::replace(&path, bytes, store::Mode::Private).unwrap();
            let error = State::read(&place).unwrap_err();
            assert!(matches!(error, Error::Tampered { found: Tampering::StateDamaged, .. }));
        }
        let now = Timestamp::from_seconds(0).unwrap();
        let other = Place { vault: Hash::of(b"other"), ..place.clone() };
        let key = SigningKey::from_seed(&[1; 32]).public();
        State::begin(&other, 1, key, now).replace(&path).unwrap();
        assert!(State::read(&place).is_err());
        assert!(State::read(&other).is_ok());
    }
}
