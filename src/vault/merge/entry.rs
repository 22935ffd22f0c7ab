//! One secret: who has it, and what becomes of it.

use crate::clock::Timestamp;
use crate::crypto::{Commitment, SealedValue};

use super::super::name::SecretName;
use super::super::secret::Secret;
use super::history::merge_both;
use super::profile::{Keys, Scene};
use super::{Choice, MergeError, Side, Why};

/// A secret as the three files have it, and what a person said about it.
pub(super) struct Question<'s> {
    pub(super) name: &'s SecretName,
    pub(super) base: Option<&'s Secret>,
    pub(super) ours: Option<&'s Secret>,
    pub(super) theirs: Option<&'s Secret>,
    pub(super) choice: Option<&'s Choice>,
}

impl<'s> Question<'s> {
    pub(super) fn side(&self, side: Side) -> Option<&'s Secret> {
        match side {
            Side::Ours => self.ours,
            Side::Theirs => self.theirs,
        }
    }

    /// The side to take where both changed something.
    pub(super) fn prefer(&self) -> Option<Side> {
        self.choice.map(|choice| match choice {
            Choice::Take(side) => *side,
            Choice::Value(_) if self.ours.is_none() => Side::Theirs,
            Choice::Value(_) => Side::Ours,
        })
    }
}

/// What becomes of a secret.
pub(super) enum Entry {
    Secret(Box<Secret>),
    Gone,
    Open(Why),
}

pub(super) fn merge_secret(
    scene: &Scene,
    keys: Option<&Keys>,
    question: &Question<'_>,
    now: Timestamp,
) -> Result<Entry, MergeError> {
    for side in [Side::Ours, Side::Theirs] {
        let Some(why) = scene.distrust(side) else { continue };
        if !changed(scene, question, side) {
            continue;
        }
        match question.prefer() {
            None => return Ok(Entry::Open(why.clone())),
            // As if this side had never been: the other one's entry as it is.
            Some(preferred) if preferred != side && matches!(question.choice, Some(Choice::Take(_))) => {
                return one_side(scene, keys, question, preferred, now);
            }
            Some(_) => {}
        }
    }
    match (question.ours, question.theirs) {
        (Some(ours), Some(theirs)) => merge_both(scene, keys, question, ours, theirs, now),
        (None, None) => Ok(Entry::Gone),
        (Some(_), None) => present_on(scene, keys, question, Side::Ours, now),
        (None, Some(_)) => present_on(scene, keys, question, Side::Theirs, now),
    }
}

/// Only `side` has it: added there, or removed on the other.
fn present_on(
    scene: &Scene,
    keys: Option<&Keys>,
    question: &Question<'_>,
    side: Side,
    now: Timestamp,
) -> Result<Entry, MergeError> {
    match (question.side(side), question.base) {
        // That it was exposed in the meantime goes to the tombstone.
        (Some(secret), Some(base)) if same(secret, scene.key(side), base, scene.base_key(), true) => {
            return Ok(Entry::Gone);
        }
        (Some(_), None) if !scene.is_doubted(question.name) => return one_side(scene, keys, question, side, now),
        _ => {}
    }
    match question.prefer() {
        None => Ok(Entry::Open(Why::Removed(side.other()))),
        Some(preferred) if preferred == side => one_side(scene, keys, question, side, now),
        Some(_) => Ok(Entry::Gone),
    }
}

/// The entry of one side, sealed again where its key is older.
fn one_side(
    scene: &Scene,
    keys: Option<&Keys>,
    question: &Question<'_>,
    side: Side,
    now: Timestamp,
) -> Result<Entry, MergeError> {
    match question.side(side) {
        None => Ok(Entry::Gone),
        Some(secret) => super::history::only(scene, keys, question, side, secret, now),
    }
}

/// True if a side's entry is not that of the ancestor, nor that of the other side.
fn changed(scene: &Scene, question: &Question<'_>, side: Side) -> bool {
    let own = question.side(side);
    let is = |other: Option<&Secret>, key: Option<Commitment>| match (own, other) {
        (None, None) => true,
        (Some(own), Some(other)) => same(own, scene.key(side), other, key, false),
        _ => false,
    };
    !is(question.base, scene.base_key()) && !is(question.side(side.other()), Some(scene.key(side.other())))
}

/// True if two entries say the same. Under two keys, equal versions are equal values:
/// sealing again is no change.
fn same(
    one: &Secret,
    one_key: Commitment,
    other: &Secret,
    other_key: Option<Commitment>,
    but_for_exposure: bool,
) -> bool {
    let (mut one, mut other, same_key) = (one.clone(), other.clone(), Some(one_key) == other_key);
    for secret in [&mut one, &mut other] {
        let current = std::iter::once((&mut secret.value, &mut secret.exposed));
        let earlier = secret.earlier.iter_mut().map(|earlier| (&mut earlier.value, &mut earlier.exposed));
        for (value, exposed) in current.chain(earlier) {
            if !same_key {
                blank(value);
            }
            if but_for_exposure {
                exposed.clear();
            }
        }
        if let Some(pending) = secret.pending.as_mut().filter(|_| !same_key) {
            blank(&mut pending.value);
        }
    }
    one == other
}

fn blank(value: &mut SealedValue) {
    // The shortest sealed value: a nonce, one step, a tag.
    if let Ok(blank) = SealedValue::from_bytes(vec![0; 104]) {
        *value = blank;
    }
}
