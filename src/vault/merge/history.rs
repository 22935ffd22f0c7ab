//! The values of a secret: the current one and those before, merged version by version.

use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::crypto::SealedValue;
use crate::secret_value::SecretValue;

use super::super::error::Error;
use super::super::secret::{Earlier, Exposure, Pending, Secret, Stage};
use super::super::text::MAX_ARRAY;
use super::entry::{Entry, Question};
use super::fields::{Fields, unite};
use super::profile::{Keys, Scene};
use super::{Choice, MergeError, Side, Why};

/// A value with what belongs to it.
#[derive(Clone)]
struct Record<'s> {
    source: Source<'s>,
    set_at: (Timestamp, bool),
    retired: Option<Retired>,
    exposed: Vec<Exposure>,
}

#[derive(Clone, Copy)]
enum Source<'s> {
    Sealed { side: Side, version: u64, value: &'s SealedValue },
    Plain(&'s SecretValue),
}

#[derive(Clone, Copy, PartialEq)]
struct Retired {
    at: Timestamp,
    stage: Stage,
    revoke_by: Option<Timestamp>,
}

type History<'s> = BTreeMap<u64, Record<'s>>;

fn history(side: Side, secret: &Secret) -> History<'_> {
    let mut all = History::new();
    for earlier in &secret.earlier {
        let record = Record {
            source: Source::Sealed { side, version: earlier.version, value: &earlier.value },
            set_at: (earlier.set_at, earlier.age_at_least),
            retired: Some(Retired { at: earlier.retired_at, stage: earlier.stage, revoke_by: earlier.revoke_by }),
            exposed: earlier.exposed.clone(),
        };
        all.insert(earlier.version, record);
    }
    let record = Record {
        source: Source::Sealed { side, version: secret.version, value: &secret.value },
        set_at: (secret.set_at, secret.age_at_least),
        retired: None,
        exposed: secret.exposed.clone(),
    };
    all.insert(secret.version, record);
    all
}

impl<'s> Record<'s> {
    fn value(&self) -> Option<&'s SealedValue> {
        match self.source {
            Source::Sealed { value, .. } => Some(value),
            Source::Plain(_) => None,
        }
    }
}

/// The secret as one side has it. Where the other has it too, and is not to be taken over,
/// no number means another value than it does there.
pub(super) fn only(
    scene: &Scene,
    keys: Option<&Keys>,
    question: &Question<'_>,
    side: Side,
    secret: &Secret,
    now: Timestamp,
) -> Result<Entry, MergeError> {
    let mut secret = secret.clone();
    let original = secret.clone();
    let mut all = match (question.ours, question.theirs) {
        (Some(ours), Some(theirs)) => Sides { scene, base: question.base, ours, theirs }.apart(side),
        _ => history(side, &original),
    };
    if let Some(Choice::Value(value)) = question.choice {
        append(&mut all, value, original.newest_version() + 1, now);
        secret.pending = None;
        secret.expires_at = None;
    }
    let pending = secret.pending.take().map(|pending| (side, pending));
    finish(scene, keys, question, secret, all, pending, now)
}

/// The secret that both sides have.
pub(super) fn merge_both(
    scene: &Scene,
    keys: Option<&Keys>,
    question: &Question<'_>,
    ours: &Secret,
    theirs: &Secret,
    now: Timestamp,
) -> Result<Entry, MergeError> {
    let sides = Sides { scene, base: question.base, ours, theirs };
    // A new value always has a higher version: a lower one is an old value, or a secret
    // that was removed and set again.
    let is_older = |secret: &Secret| question.base.is_some_and(|base| secret.version < base.version);
    let older = [(Side::Ours, ours), (Side::Theirs, theirs)].into_iter().find(|(_, secret)| is_older(secret));
    if let (Some((side, _)), None) = (older, question.choice) {
        return Ok(Entry::Open(Why::Older(side)));
    }
    let mut fields = Fields::new(question.prefer());
    // Settled, both values are kept like two that clash.
    let mut ahead = if older.is_some() { Ahead::Both } else { sides.ahead() };
    let mut equal = false;
    if ahead == Ahead::Both && sides.opened_equal(keys, question)? {
        // Two people stored the same value: one of them stands for both.
        equal = true;
        ahead = Ahead::Only(if theirs.version > ours.version { Side::Theirs } else { Side::Ours });
    }
    let (current, mut all) = match (ahead, question.choice) {
        (_, Some(Choice::Value(value))) => {
            let (mut all, number) = sides.everything(Side::Ours);
            append(&mut all, value, number + 1, now);
            (Side::Ours, all)
        }
        (Ahead::Both, None) => return Ok(Entry::Open(Why::Values)),
        (Ahead::Both, Some(Choice::Take(side))) => (*side, sides.one_above_the_other(*side)),
        (Ahead::Neither, _) => (scene.team, sides.united(scene.team, false, &mut fields)),
        (Ahead::Only(side), _) => (side, sides.united(side, equal, &mut fields)),
    };
    let from = if current == Side::Ours { ours } else { theirs };
    let other = if current == Side::Ours { theirs } else { ours };
    let mut merged = from.clone();
    fields.metadata(question.base, ours, theirs, &mut merged);
    merged.expires_at = match ahead {
        _ if matches!(question.choice, Some(Choice::Value(_))) => None,
        Ahead::Neither => {
            let base = question.base.map(|base| &base.expires_at);
            fields.pick("expires_at", base, &ours.expires_at, &theirs.expires_at)
        }
        // The end of a value belongs to it. What was said about the one that is
        // replaced would otherwise be dropped or put upon another.
        _ => {
            let said = question.base.is_some_and(|base| base.expires_at != other.expires_at);
            if said && other.expires_at != from.expires_at && question.choice.is_none() {
                fields.clashes.push("expires_at");
            }
            from.expires_at
        }
    };
    merged.pending = None;
    sides.carry_exposure(&mut all, keys, question)?;
    let highest = all.keys().next_back().copied().unwrap_or(0);
    let pending = sides.pending(&mut fields, highest, question.choice);
    if !fields.clashes.is_empty() {
        return Ok(Entry::Open(Why::Fields(fields.clashes)));
    }
    finish(scene, keys, question, merged, all, pending, now)
}

/// Which side has a newer value than the ancestor.
#[derive(Clone, Copy, PartialEq)]
enum Ahead {
    Neither,
    Only(Side),
    Both,
}

struct Sides<'s> {
    scene: &'s Scene,
    base: Option<&'s Secret>,
    ours: &'s Secret,
    theirs: &'s Secret,
}

impl<'s> Sides<'s> {
    fn side(&self, side: Side) -> &'s Secret {
        match side {
            Side::Ours => self.ours,
            Side::Theirs => self.theirs,
        }
    }

    fn base_history(&self) -> History<'s> {
        // The side is of no importance: nothing of the ancestor is opened.
        self.base.map(|base| history(Side::Ours, base)).unwrap_or_default()
    }

    /// True if a side has the ancestor's value of that version. Under another key version
    /// and date tell: a secret that was removed and set again begins at version 1.
    fn is_of_base(&self, side: Side, version: u64, record: &Record<'_>) -> bool {
        let base = self.base_history();
        let same_key = self.scene.base_key() == Some(self.scene.key(side));
        let is_same = |base: &Record<'_>| {
            if same_key { base.value() == record.value() } else { base.set_at.0 == record.set_at.0 }
        };
        base.get(&version).is_some_and(is_same)
    }

    /// True if both sides have one value under that version.
    fn is_shared(&self, version: u64, ours: &Record<'_>, theirs: &Record<'_>) -> bool {
        if self.scene.key(Side::Ours) == self.scene.key(Side::Theirs) {
            return ours.value() == theirs.value();
        }
        self.is_of_base(Side::Ours, version, ours) && self.is_of_base(Side::Theirs, version, theirs)
    }

    fn ahead(&self) -> Ahead {
        let (ours, theirs) = (history(Side::Ours, self.ours), history(Side::Theirs, self.theirs));
        let is_new = |side, all: &History<'_>| {
            let version = self.side(side).version;
            self.base.is_none_or(|base| base.version != version) || !self.is_of_base(side, version, &all[&version])
        };
        // The other side's value is one that this side had before.
        let continues = |version: u64| match (ours.get(&version), theirs.get(&version)) {
            (Some(one), Some(other)) => self.is_shared(version, one, other),
            _ => false,
        };
        match (is_new(Side::Ours, &ours), is_new(Side::Theirs, &theirs)) {
            (false, false) => Ahead::Neither,
            (true, false) => Ahead::Only(Side::Ours),
            (false, true) => Ahead::Only(Side::Theirs),
            (true, true) => match (continues(self.ours.version), continues(self.theirs.version)) {
                (true, true) => Ahead::Neither,
                (true, false) => Ahead::Only(Side::Theirs),
                (false, true) => Ahead::Only(Side::Ours),
                (false, false) => Ahead::Both,
            },
        }
    }

    fn opened_equal(&self, keys: Option<&Keys>, question: &Question<'_>) -> Result<bool, MergeError> {
        let Some(keys) = keys else { return Ok(false) };
        let open = |side| {
            let secret = self.side(side);
            keys.open(self.scene, side, question.name, secret.version, &secret.value)
        };
        Ok(open(Side::Ours)?.same_as(&open(Side::Theirs)?))
    }

    /// Every value of both sides that neither dropped, with that of `current` on top.
    /// `equal`: both sides' newest are the same value, stored twice.
    fn united(&self, current: Side, equal: bool, fields: &mut Fields) -> History<'s> {
        let (ours, theirs) = (history(Side::Ours, self.ours), history(Side::Theirs, self.theirs));
        let base = self.base_history();
        let (top, other) = (self.side(current).version, self.side(current.other()).version);
        let mut all = History::new();
        for version in ours.keys().chain(theirs.keys()).copied() {
            if version > top || all.contains_key(&version) {
                continue;
            }
            let record = match (ours.get(&version), theirs.get(&version)) {
                (Some(one), Some(two)) if self.is_shared(version, one, two) => {
                    self.joined(fields, base.get(&version), one, two)
                }
                (Some(one), Some(two)) => if current == Side::Ours { one } else { two }.clone(),
                (Some(only), None) | (None, Some(only)) => {
                    let dropped = base.contains_key(&version) && version != top;
                    let doubled = equal && version == other && version != top;
                    if dropped || doubled {
                        continue;
                    }
                    only.clone()
                }
                (None, None) => continue,
            };
            all.insert(version, record);
        }
        if let (true, Some(record)) = (equal, all.get_mut(&top)) {
            let double = self.side(current.other());
            record.set_at = record.set_at.min((double.set_at, double.age_at_least));
            record.exposed = unite(&record.exposed, &double.exposed);
        }
        all
    }

    /// One value with what both sides say of it.
    fn joined(
        &self,
        fields: &mut Fields,
        base: Option<&Record<'_>>,
        ours: &Record<'s>,
        theirs: &Record<'s>,
    ) -> Record<'s> {
        let set_at = fields.pick("set_at", base.map(|base| &base.set_at), &ours.set_at, &theirs.set_at);
        let retired = match (ours.retired, theirs.retired) {
            (Some(one), Some(other)) => Some(Retired {
                at: one.at.min(other.at),
                stage: if one.stage == Stage::Revoked { one.stage } else { other.stage },
                revoke_by: {
                    let base = base.and_then(|base| base.retired).map(|base| base.revoke_by);
                    fields.pick("revoke_by", base.as_ref(), &one.revoke_by, &other.revoke_by)
                },
            }),
            (one, other) => one.or(other),
        };
        let source = if self.scene.team == Side::Ours { ours.source } else { theirs.source };
        Record { source, set_at, retired, exposed: unite(&ours.exposed, &theirs.exposed) }
    }

    /// Every value of both sides under a number of its own: where both used a number,
    /// that of `first` keeps it. Gives the highest number in use.
    fn everything(&self, first: Side) -> (History<'s>, u64) {
        // Nothing is preferred here: fields of one value, told apart before.
        let mut fields = Fields::new(Some(first));
        let (ours, theirs) = (history(Side::Ours, self.ours), history(Side::Theirs, self.theirs));
        let mut all = History::new();
        let mut doubled = Vec::new();
        for version in ours.keys().chain(theirs.keys()).copied() {
            if all.contains_key(&version) {
                continue;
            }
            let base = self.base_history();
            match (ours.get(&version), theirs.get(&version)) {
                (Some(one), Some(two)) if self.is_shared(version, one, two) => {
                    all.insert(version, self.joined(&mut fields, base.get(&version), one, two));
                }
                (Some(one), Some(two)) => {
                    let (kept, moved) = if first == Side::Ours { (one, two) } else { (two, one) };
                    all.insert(version, kept.clone());
                    doubled.push(moved.clone());
                }
                (Some(only), None) | (None, Some(only)) => {
                    let current = [self.ours.version, self.theirs.version].contains(&version);
                    if !base.contains_key(&version) || current {
                        all.insert(version, only.clone());
                    }
                }
                (None, None) => {}
            }
        }
        let mut number = self.ours.newest_version().max(self.theirs.newest_version());
        for record in doubled {
            number += 1;
            all.insert(number, record);
        }
        (all, number)
    }

    /// The value of `chosen` on top, and the other side's among the earlier ones:
    /// nothing that anybody stored is dropped.
    fn one_above_the_other(&self, chosen: Side) -> History<'s> {
        let (mut all, number) = self.everything(chosen);
        let version = self.side(chosen).version;
        if all.keys().next_back() != Some(&version)
            && let Some(record) = all.remove(&version)
        {
            all.insert(number + 1, record);
        }
        all
    }

    /// Every value of one side; from the first whose number is another value's on the other
    /// side on, they are numbered above all. Whoever has the other side already would
    /// otherwise take one for the other.
    fn apart(&self, side: Side) -> History<'s> {
        let (own, other) = (history(side, self.side(side)), history(side.other(), self.side(side.other())));
        let clashes = |version: u64, record: &Record<'_>| {
            other.get(&version).is_some_and(|there| match side {
                Side::Ours => !self.is_shared(version, record, there),
                Side::Theirs => !self.is_shared(version, there, record),
            })
        };
        let mut number = self.ours.newest_version().max(self.theirs.newest_version());
        let mut moves = false;
        let mut all = History::new();
        for (version, record) in own {
            moves |= clashes(version, &record);
            number += u64::from(moves);
            all.insert(if moves { number } else { version }, record);
        }
        all
    }

    /// A value that is exposed on one side is so wherever it stands now: that side may have
    /// learned of it under a number that the value no longer has. What cannot be opened to
    /// be compared counts as equal.
    fn carry_exposure(
        &self,
        all: &mut History<'s>,
        keys: Option<&Keys>,
        question: &Question<'_>,
    ) -> Result<(), MergeError> {
        let Some(keys) = keys else { return Ok(()) };
        let is = |source: Source<'_>, side, version, value: &SealedValue| -> Result<bool, MergeError> {
            let open = |side, version, value| keys.open(self.scene, side, question.name, version, value);
            let there = open(side, version, value)?;
            Ok(match source {
                Source::Sealed { side, version, value } => open(side, version, value)?.same_as(&there),
                Source::Plain(value) => value.same_as(&there),
            })
        };
        for side in [Side::Ours, Side::Theirs] {
            for (version, known) in history(side, self.side(side)) {
                let Some(value) = known.value() else { continue };
                for record in all.values_mut() {
                    if known.exposed.iter().all(|exposure| record.exposed.contains(exposure)) {
                        continue;
                    }
                    match is(record.source, side, version, value) {
                        Ok(false) => {}
                        Ok(true) | Err(MergeError::Vault(Error::NoGrant { .. })) => {
                            record.exposed = unite(&record.exposed, &known.exposed);
                        }
                        Err(error) => return Err(error),
                    }
                }
            }
        }
        Ok(())
    }

    /// The value that is to follow, with the side it is from.
    fn pending(&self, fields: &mut Fields, highest: u64, choice: Option<&Choice>) -> Option<(Side, Pending)> {
        if matches!(choice, Some(Choice::Value(_))) {
            return None;
        }
        let base = self.base.and_then(|base| base.pending.as_ref());
        let is_new = |side| {
            let same_key = self.scene.base_key() == Some(self.scene.key(side));
            match (base, &self.side(side).pending) {
                (None, None) => false,
                (Some(base), Some(own)) if same_key => base != own,
                (Some(base), Some(own)) => (base.version, base.set_at) != (own.version, own.set_at),
                _ => true,
            }
        };
        let same =
            self.scene.key(Side::Ours) == self.scene.key(Side::Theirs) && self.ours.pending == self.theirs.pending;
        let side = match (is_new(Side::Ours), is_new(Side::Theirs)) {
            (false, false) => self.scene.team,
            (true, false) => Side::Ours,
            (false, true) => Side::Theirs,
            (true, true) if same => self.scene.team,
            (true, true) if self.ours.pending.is_none() && self.theirs.pending.is_none() => return None,
            (true, true) => match fields.prefer {
                Some(side) => side,
                None => {
                    fields.clashes.push("pending");
                    return None;
                }
            },
        };
        let pending = self.side(side).pending.clone()?;
        // It no longer follows, or there is no place to say who else knows it.
        let known = self.scene.is_stale(side) && !self.scene.left_since().is_empty();
        if (pending.version <= highest || known) && fields.prefer.is_none() {
            fields.clashes.push("pending");
        }
        if pending.version <= highest { None } else { Some((side, pending)) }
    }
}

fn append<'s>(all: &mut History<'s>, value: &'s SecretValue, number: u64, now: Timestamp) {
    let record = Record { source: Source::Plain(value), set_at: (now, false), retired: None, exposed: Vec::new() };
    all.insert(number, record);
}

/// Makes a secret of its values: the highest is the current one.
fn finish(
    scene: &Scene,
    keys: Option<&Keys>,
    question: &Question<'_>,
    mut secret: Secret,
    mut all: History<'_>,
    pending: Option<(Side, Pending)>,
    now: Timestamp,
) -> Result<Entry, MergeError> {
    let seal = |source: Source<'_>, number: u64| -> Result<SealedValue, MergeError> {
        match (source, keys) {
            (Source::Sealed { side, version, value }, _) if version == number && !scene.is_stale(side) => {
                Ok(value.clone())
            }
            (Source::Sealed { side, version, value }, Some(keys)) => {
                let opened = keys.open(scene, side, question.name, version, value)?;
                keys.seal(scene, question.name, number, &opened)
            }
            (Source::Plain(value), Some(keys)) => keys.seal(scene, question.name, number, value),
            // Only conflicts are asked for; nothing of this is ever signed.
            (_, None) => Ok(secret.value.clone()),
        }
    };
    let known = |record: &Record<'_>| match record.source {
        Source::Sealed { side, .. } if scene.is_stale(side) => unite(&record.exposed, scene.left_since()),
        _ => record.exposed.clone(),
    };
    // A secret has a value; without one there would be no entry.
    let Some((version, current)) = all.pop_last() else { return Ok(Entry::Gone) };
    let value = seal(current.source, version)?;
    let mut earlier = Vec::new();
    for (version, record) in all.iter().rev().take(MAX_ARRAY) {
        let retired = record.retired.unwrap_or(Retired { at: now, stage: Stage::Previous, revoke_by: None });
        earlier.push(Earlier {
            version: *version,
            set_at: record.set_at.0,
            age_at_least: record.set_at.1,
            retired_at: retired.at,
            stage: retired.stage,
            revoke_by: retired.revoke_by,
            exposed: known(record),
            value: seal(record.source, *version)?,
        });
    }
    let pending = match pending {
        Some((side, pending)) => {
            let source = Source::Sealed { side, version: pending.version, value: &pending.value };
            let value = seal(source, pending.version)?;
            Some(Pending { value, ..pending })
        }
        None => None,
    };
    if let (Source::Plain(_), Some(keys)) = (current.source, keys) {
        secret.set_by = keys.device();
    }
    secret.version = version;
    (secret.set_at, secret.age_at_least) = current.set_at;
    secret.exposed = known(&current);
    secret.value = value;
    secret.earlier = earlier;
    secret.pending = pending;
    Ok(Entry::Secret(Box::new(secret)))
}
