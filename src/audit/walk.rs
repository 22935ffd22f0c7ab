//! The walk along a log's lines.
//!
//! A line that fits costs a hash; only where the chain breaks are signatures
//! asked who is to blame: of two neighbours that do not fit, the one whose
//! signature fails was edited; where both are genuine, something between them
//! is gone or moved.

mod blame;

use std::collections::{BTreeMap, BTreeSet};

use blame::Fork;

use super::finding::{Expect, Finding, Kind, Report};
use super::record::{Head, Record};
use super::scan::Fields;
use super::{BEGIN, CERTIFY, EpochKey, HAND_OVER, Outcome};
use crate::crypto::{Hash, PublicKey};

/// Most open intents and early records kept in mind.
const MAX_KEPT: usize = 4096;
/// Accepted records after which a place where the chain broke is given up as a
/// point of return; an append writes no more than this.
const FORK_RECORDS: usize = 3;

/// What is known of a signature.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Signed {
    Unchecked,
    Yes,
    No,
    /// No, and said so.
    Reported,
    /// The epoch's key was never introduced.
    NoKey,
}

/// The last record that was accepted. Its text is in [`Walk::text`].
#[derive(Clone, Copy)]
struct Last {
    head: Head,
    epoch: u64,
    signed: Signed,
    /// The epoch whose key it introduces: its own (`log-begin`) or the next.
    introduces: Option<u64>,
}

/// Where the walk is and what it has seen. Memory is bounded but for one key per epoch.
pub(super) struct Walk<'a> {
    expect: &'a Expect<'a>,
    vault: String,
    deep: bool,
    report: Report,
    /// Number and `prev` of the record that should come now, and its epoch.
    next: u64,
    head: Hash,
    epoch: u64,
    keys: BTreeMap<u64, PublicKey>,
    unknown_epochs: BTreeSet<u64>,
    last: Option<Last>,
    /// Text of the last record that was accepted; the caller swaps it in.
    pub(super) text: Vec<u8>,
    /// Lines since that are no record of this log.
    bad: u64,
    fork: Option<Fork>,
    /// Numbers of records that were passed over: from, to, inclusive.
    gaps: Vec<(u64, u64)>,
    /// Records that stood before their place.
    early: BTreeMap<u64, Hash>,
    anchors: BTreeMap<u64, Vec<usize>>,
    intents: BTreeSet<u64>,
    certified_from: Option<u64>,
    unchecked_certificate: bool,
    /// Nothing more is worth reading.
    pub(super) stop: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn new(expect: &'a Expect<'a>, deep: bool) -> Self {
        let mut anchors: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
        for (n, anchor) in expect.anchors.iter().enumerate() {
            anchors.entry(anchor.head.sequence).or_default().push(n);
        }
        Self {
            expect,
            vault: expect.vault.to_string(),
            deep,
            report: Report::default(),
            next: 1,
            head: Hash::ZERO,
            epoch: 1,
            keys: BTreeMap::new(),
            unknown_epochs: BTreeSet::new(),
            last: None,
            text: Vec::new(),
            bad: 0,
            fork: None,
            gaps: Vec::new(),
            early: BTreeMap::new(),
            anchors,
            intents: BTreeSet::new(),
            certified_from: None,
            unchecked_certificate: false,
            stop: false,
        }
    }

    fn find(&mut self, kind: Kind, sequence: u64, detail: impl Into<String>) {
        let device = self.expect.device.map(str::to_owned);
        let (sequence, detail) = (Some(sequence), detail.into());
        self.report.findings.push(Finding { kind, device, sequence, detail, in_earlier: false });
        if self.report.findings.len() >= Report::MAX_FINDINGS {
            self.report.stopped = true;
            self.stop = true;
        }
    }

    /// Takes a line; true if it is the new [`Walk::last`].
    pub(super) fn line(&mut self, text: &[u8]) -> bool {
        let accepted = match Fields::scan(text) {
            Some(fields) => self.record(&fields, text),
            None if text.ends_with(b"\r") => self.bad(Kind::Malformed, "not a record: its line ending was converted"),
            None => self.bad(Kind::Malformed, "not a record"),
        };
        if let Some(fork) = &mut self.fork {
            if fork.bytes > 0 {
                fork.hasher.update(b"\n");
            }
            fork.hasher.update(text);
            fork.bytes += text.len() as u64 + 1;
        }
        accepted
    }

    /// The last line, if it has no LF: a record all the same if it is whole,
    /// otherwise what a crash left, which the next append will describe.
    pub(super) fn last_line(&mut self, text: &[u8]) -> bool {
        let whole = Fields::scan(text)
            .is_some_and(|fields| self.keys.get(&fields.epoch).is_some_and(|key| fields.is_signed_by(key)));
        if whole {
            return self.line(text);
        }
        self.find(Kind::Torn, self.next, "the last line is incomplete; the next record will describe it");
        false
    }

    /// A line too long to be looked at, behind which nothing is read.
    pub(super) fn long_line(&mut self) {
        self.bad(Kind::Malformed, "a line longer than any record; what follows was not read");
        self.report.stopped = true;
    }

    /// A line that is no record of this log, in the place of the next one.
    fn bad(&mut self, kind: Kind, detail: &str) -> bool {
        self.fork_here();
        if let Some(fork) = &mut self.fork {
            fork.bad = true;
        }
        self.find(kind, self.next.saturating_add(self.bad), detail);
        self.bad += 1;
        false
    }

    fn record(&mut self, fields: &Fields<'_>, text: &[u8]) -> bool {
        let own = fields.is_of(&self.vault, self.expect.device);
        let in_place = fields.seq == self.next && fields.prev == self.head;
        let begins = fields.seq > 1 || fields.action == BEGIN.as_bytes();
        if own && in_place && begins && fields.epoch == self.epoch && fields.torn.is_none() {
            // Almost always. Lines that went before and did not fit stay reported.
            if self.fork.as_ref().is_some_and(|fork| fork.accepted.is_empty()) {
                self.fork = None;
            }
            return self.accept(fields, text, true, Signed::Unchecked);
        }
        if !own {
            return self.foreign(fields, text, in_place);
        }
        let mut signed = self.signature(fields, text);
        if signed == Signed::Yes && self.returns_to_fork(fields) {
            return self.accept(fields, text, true, Signed::Yes);
        }
        // The files before this one are gone; what is here is judged all the same.
        if signed == Signed::NoKey && fields.seq > self.next && self.opens_file(fields, text) {
            signed = Signed::Yes;
        }
        // An edited record may have introduced a key that never was.
        if signed == Signed::No
            && fields.prev != self.head
            && self.last.is_some_and(|last| last.introduces == Some(fields.epoch) && last.signed == Signed::No)
        {
            self.keys.remove(&fields.epoch);
            signed = Signed::NoKey;
        }
        // The chain leads here, but not to this key.
        let unheard_of = in_place && signed == Signed::NoKey && (!begins || self.keys.contains_key(&self.epoch));
        if signed == Signed::No || unheard_of {
            // Two neighbours may both have been edited.
            if fields.seq == self.next && fields.prev != self.head {
                self.blame_last();
            }
            return self.bad(Kind::Edited, "changed after it was written");
        }
        if signed == Signed::Yes && self.supplants_last(fields) {
            return self.accept(fields, text, true, Signed::Yes);
        }
        if fields.torn.is_some() && in_place {
            let detail = "tells of a fragment before it that is not there as described";
            self.find(Kind::TornUnexplained, fields.seq, detail);
            self.fork = None;
        }
        if fields.seq < self.next { self.out_of_place(fields, text) } else { self.jump(fields, text, signed) }
    }

    /// Whether this is the first record of a file behind others, which brings its key
    /// along; takes over the key then.
    fn opens_file(&mut self, fields: &Fields<'_>, text: &[u8]) -> bool {
        let own_key = Record::parse(text).filter(|record| record.action == CERTIFY).and_then(|record| record.key);
        let key = own_key.filter(|key| fields.is_signed_by(key));
        key.map(|key| self.keys.insert(fields.epoch, key)).is_some()
    }

    fn accept(&mut self, fields: &Fields<'_>, text: &[u8], chained: bool, signed: Signed) -> bool {
        if chained {
            self.settle_last();
        } else {
            self.blame_last();
        }
        self.anchor_last();
        let action = fields.action;
        let bears_key = [BEGIN, HAND_OVER, CERTIFY].iter().any(|word| action == word.as_bytes());
        let signed = match signed {
            Signed::Unchecked if self.deep || bears_key => self.signature(fields, text),
            signed => signed,
        };
        if signed == Signed::NoKey && self.unknown_epochs.insert(fields.epoch) {
            let detail = format!("the key of epoch {} was never introduced", fields.epoch);
            self.find(Kind::BadHandover, fields.seq, detail);
        }
        if self.deep && Record::parse(text).is_none() {
            self.find(Kind::Malformed, fields.seq, "a field does not have the form it should have");
        }
        let introduces = if bears_key { self.introduce(fields, text, signed) } else { None };
        if fields.outcome == Outcome::Intent && self.intents.len() < MAX_KEPT {
            self.intents.insert(fields.seq);
        } else if let Some(of) = fields.of {
            self.intents.remove(&of);
        }
        let head = Head { sequence: fields.seq, hash: Hash::of(text) };
        self.fork.take_if(|fork| {
            fork.accepted.push(head);
            fork.accepted.len() > FORK_RECORDS
        });
        self.last = Some(Last { head, epoch: fields.epoch, signed, introduces });
        self.next = fields.seq + 1;
        self.head = head.hash;
        self.epoch = introduces.unwrap_or(fields.epoch);
        self.bad = 0;
        self.report.records += 1;
        true
    }

    /// Takes over the key or certificate of a record. Returns the epoch whose
    /// key it introduces.
    fn introduce(&mut self, fields: &Fields<'_>, text: &[u8], signed: Signed) -> Option<u64> {
        let Some((record, key)) = Record::parse(text).and_then(|record| record.key.map(|key| (record, key))) else {
            if signed == Signed::Yes {
                self.find(Kind::Malformed, fields.seq, "introduces no key");
            }
            return None;
        };
        let epoch = fields.epoch + u64::from(record.action == HAND_OVER);
        let mut introduces = None;
        match record.action.as_str() {
            BEGIN if fields.seq == 1 && fields.epoch == 1 && fields.prev == Hash::ZERO => {
                self.keys.insert(1, key);
                introduces = Some(1);
                if let Some(after) = record.after {
                    let detail = format!("this log takes the place of one that had {} records", after.sequence);
                    self.find(Kind::BegunAgain, 1, detail);
                }
            }
            BEGIN => self.find(Kind::BadHandover, fields.seq, "begins a log that has begun"),
            HAND_OVER => {
                self.keys.insert(epoch, key);
                introduces = Some(epoch);
            }
            _ if self.keys.get(&epoch).is_some_and(|known| *known != key) => {
                self.find(Kind::BadHandover, fields.seq, "certifies another key than the one in use");
            }
            _ => {}
        }
        if let Some(certificate) = record.certificate.filter(|_| signed != Signed::No) {
            let device = self.expect.device.map(str::to_owned);
            let epoch_key = EpochKey { vault: self.expect.vault, device, epoch, key };
            if self.expect.signing_keys.is_empty() {
                self.unchecked_certificate = true;
            } else if self.expect.signing_keys.iter().any(|by| epoch_key.is_certified_by(by, &certificate)) {
                self.certified_from.get_or_insert(fields.seq);
            } else {
                self.find(Kind::BadCertificate, fields.seq, "its certificate is not by this device");
            }
        }
        introduces
    }

    /// Asks the key of the record's epoch; the first record brings its own.
    fn signature(&self, fields: &Fields<'_>, text: &[u8]) -> Signed {
        let key = if fields.action == BEGIN.as_bytes() {
            let Some(key) = Record::parse(text).and_then(|record| record.key) else { return Signed::No };
            key
        } else {
            let Some(key) = self.keys.get(&fields.epoch) else { return Signed::NoKey };
            *key
        };
        if fields.is_signed_by(&key) { Signed::Yes } else { Signed::No }
    }

    /// Makes sure that the signature of the last record is checked.
    fn last_signature(&mut self) -> Signed {
        let Some(last) = self.last else { return Signed::NoKey };
        if last.signed != Signed::Unchecked {
            return last.signed;
        }
        let signed = Fields::scan(&self.text).map_or(Signed::No, |fields| self.signature(&fields, &self.text));
        self.last = Some(Last { signed, ..last });
        signed
    }

    fn anchor_last(&mut self) {
        if let Some(last) = self.last.filter(|last| !matches!(last.signed, Signed::No | Signed::Reported)) {
            self.settle_anchors(last.head);
        }
    }

    fn settle_anchors(&mut self, head: Head) {
        for n in self.anchors.remove(&head.sequence).unwrap_or_default() {
            let anchor = &self.expect.anchors[n];
            if anchor.head.hash == head.hash {
                self.report.anchored.push(n);
            } else {
                let detail = format!("not the record that is anchored in {}", anchor.place);
                self.find(Kind::Replaced, head.sequence, detail);
            }
        }
    }

    pub(super) fn finish(mut self) -> Report {
        self.stop = false;
        if !self.report.stopped {
            self.last_signature();
            self.settle_last();
            self.anchor_last();
            self.ends();
        }
        self.report.findings.sort_by_key(|finding| finding.sequence);
        self.report.anchored.sort_unstable();
        self.report.epochs = self.keys.keys().chain(&self.unknown_epochs).collect::<BTreeSet<_>>().len() as u64;
        self.report.head = self.last.map(|last| last.head);
        self.report
    }

    /// What only shows at the end.
    fn ends(&mut self) {
        for (from, to) in std::mem::take(&mut self.gaps) {
            let detail =
                if from == to { "not there".to_owned() } else { format!("records {from} to {to} are not there") };
            self.find(Kind::Missing, from, detail);
        }
        let end = self.next.saturating_add(self.bad);
        if let Some((sequence, anchors)) = self.anchors.last_key_value().filter(|(sequence, _)| **sequence >= end) {
            let place = anchors.first().map_or("", |n| self.expect.anchors[*n].place.as_str());
            let detail = format!("the log had {sequence} records or more, as anchored in {place}");
            let removed = self.last.is_none() && self.bad == 0;
            self.find(if removed { Kind::Removed } else { Kind::CutTail }, end, detail);
        }
        for sequence in std::mem::take(&mut self.intents) {
            self.find(Kind::DanglingIntent, sequence, "begun, and its outcome is unknown");
        }
        if self.last.is_some() {
            match self.certified_from {
                Some(1) => {}
                Some(n) => {
                    self.find(Kind::Uncertified, 1, format!("the device vouches for the log from record {n} on"))
                }
                None if self.unchecked_certificate => {
                    self.find(
                        Kind::Uncertified,
                        1,
                        "certificates were not checked: no signing key of the device is known",
                    );
                }
                None => self.find(Kind::Uncertified, 1, "the device does not vouch for the keys of this log"),
            }
        }
    }
}
