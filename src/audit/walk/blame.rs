//! Where the chain breaks: whose fault it is, and how to go on.

use super::{Last, MAX_KEPT, Signed, Walk};
use crate::audit::finding::Kind;
use crate::audit::record::Head;
use crate::audit::scan::Fields;
use crate::crypto::{Hash, Hasher};

/// The point where the chain broke, to return to if what follows was only a
/// fragment or one record that stands too early.
pub(super) struct Fork {
    pub(super) next: u64,
    pub(super) head: Hash,
    pub(super) epoch: u64,
    pub(super) last: Option<Last>,
    pub(super) text: Vec<u8>,
    pub(super) findings: usize,
    pub(super) gaps: usize,
    pub(super) records: u64,
    pub(super) bad: bool,
    pub(super) accepted: Vec<Head>,
    /// Over all bytes since, without the last LF.
    pub(super) hasher: Hasher,
    pub(super) bytes: u64,
}

impl Walk<'_> {
    pub(super) fn fork_here(&mut self) {
        if self.fork.is_none() {
            self.fork = Some(Fork {
                next: self.next,
                head: self.head,
                epoch: self.epoch,
                last: self.last,
                text: self.text.clone(),
                findings: self.report.findings.len(),
                gaps: self.gaps.len(),
                records: self.report.records,
                bad: false,
                accepted: Vec::new(),
                hasher: Hasher::default(),
                bytes: 0,
            });
        }
    }

    /// Goes back to where the chain broke. Findings since are withdrawn.
    fn go_back(&mut self, fork: Fork) {
        self.next = fork.next;
        self.head = fork.head;
        self.epoch = fork.epoch;
        self.last = fork.last;
        self.text = fork.text;
        self.report.findings.truncate(fork.findings);
        self.report.records = fork.records;
        self.gaps.truncate(fork.gaps);
        self.bad = 0;
    }

    /// A genuine record, or one that cannot be checked, at or behind its place.
    pub(super) fn jump(&mut self, fields: &Fields<'_>, text: &[u8], signed: Signed) -> bool {
        let chained = fields.prev == self.head;
        if fields.seq > self.next {
            let mut from = self.next.saturating_add(self.bad);
            while from < fields.seq && self.early.contains_key(&from) {
                from += 1;
            }
            if from < fields.seq {
                self.fork_here();
                self.gaps.push((from, fields.seq - 1));
            } else if self.bad == 0 && self.early.get(&(fields.seq - 1)) == Some(&fields.prev) {
                // All between stood earlier and was named then.
                return self.accept(fields, text, true, signed);
            }
        } else if chained && fields.epoch != self.epoch && signed != Signed::NoKey {
            self.find(Kind::BadHandover, fields.seq, "names another epoch than the one it stands in");
        } else if !chained && self.bad == 0 {
            let before = self.next.saturating_sub(1);
            match self.blame_last() {
                Signed::Yes => {
                    self.find(Kind::Replaced, before, "signed, but not the record that the next one follows")
                }
                Signed::NoKey => self.find(Kind::Edited, before, "this record or the next one was changed"),
                _ => {}
            }
        }
        self.accept(fields, text, chained, signed)
    }

    /// A genuine record whose number is behind us.
    pub(super) fn out_of_place(&mut self, fields: &Fields<'_>, text: &[u8]) -> bool {
        let seq = fields.seq;
        if let Some(n) = self.gaps.iter().position(|(from, to)| (*from..=*to).contains(&seq)) {
            let (from, to) = self.gaps.remove(n);
            let around = [(from, seq - 1), (seq + 1, to)].into_iter().filter(|(from, to)| from <= to);
            self.gaps.splice(n..n, around);
            self.find(Kind::Order, seq, "stands after later records");
            self.settle_anchors(Head { sequence: seq, hash: Hash::of(text) });
        } else {
            self.find(Kind::Duplicate, seq, "stands there again");
        }
        false
    }

    /// Whether this record continues from where the chain broke: because it
    /// describes what stands between as torn, or because that was in the wrong place.
    pub(super) fn returns_to_fork(&mut self, fields: &Fields<'_>) -> bool {
        let Some(mut fork) = self.fork.take_if(|fork| fields.seq == fork.next && fields.prev == fork.head) else {
            return false;
        };
        if let Some(torn) = fields.torn {
            let hash = std::mem::take(&mut fork.hasher).finish();
            if fork.bytes != torn.bytes.saturating_add(1) || torn.sha256 != hash {
                return false;
            }
            self.go_back(fork);
            self.find(Kind::Torn, fields.seq, "a crash left a fragment, which this record describes");
            return true;
        }
        // More than one, and it is this record that came late.
        let (false, [early]) = (fork.bad, fork.accepted.as_slice()) else { return false };
        let early = *early;
        self.go_back(fork);
        self.find(Kind::Order, early.sequence, "stands before earlier records");
        if self.early.len() < MAX_KEPT {
            self.early.insert(early.sequence, early.hash);
        }
        self.settle_anchors(early);
        true
    }

    pub(super) fn foreign(&mut self, fields: &Fields<'_>, text: &[u8], in_place: bool) -> bool {
        let other_vault = fields.vault != self.vault.as_bytes();
        let (kind, detail) = if other_vault {
            (Kind::ForeignVault, "belongs to another vault")
        } else {
            (Kind::ForeignDevice, "belongs to another device")
        };
        let signed = self.signature(fields, text);
        if in_place && fields.seq == 1 && signed == Signed::Yes {
            // The whole file is another log; nothing else in it means anything here.
            self.find(kind, 1, detail);
            self.anchors.clear();
            self.stop = true;
            return false;
        }
        if in_place && signed != Signed::Yes {
            return self.bad(Kind::Edited, "changed after it was written");
        }
        self.bad(kind, detail)
    }

    /// The next record does not follow the last one: whose fault is it?
    pub(super) fn blame_last(&mut self) -> Signed {
        let signed = self.last_signature();
        if let (Some(last), Signed::No) = (self.last, signed) {
            self.find(Kind::Edited, last.head.sequence, "changed after it was written");
            self.last = Some(Last { signed: Signed::Reported, ..last });
        }
        signed
    }

    /// The last record is as the next one, or the end, says: is its signature?
    pub(super) fn settle_last(&mut self) {
        let Some(last) = self.last.filter(|last| last.signed == Signed::No) else { return };
        if last.introduces.is_some_and(|epoch| epoch > last.epoch) {
            self.find(Kind::BadHandover, last.head.sequence, "the next key is not signed by the one before it");
        } else {
            self.find(Kind::BadSignature, last.head.sequence, "not signed by the key of its epoch");
        }
        self.last = Some(Last { signed: Signed::Reported, ..last });
    }

    /// Whether this record is the one that belongs where the last one stands, which
    /// somebody slipped in before it without the key.
    pub(super) fn supplants_last(&mut self, fields: &Fields<'_>) -> bool {
        let same_number = self.last.is_some_and(|last| last.head.sequence == fields.seq);
        if !same_number || Fields::scan(&self.text).is_none_or(|last| last.prev != fields.prev) {
            return false;
        }
        if self.blame_last() != Signed::No {
            return false;
        }
        self.report.records -= 1;
        self.next = fields.seq;
        true
    }
}
