//! What happens to a secret when its value changes: versions, clocks, exposure
//! (`docs/format.md`, section 4; `docs/rotation.md` for the why).

use std::collections::btree_map::Entry;

use crate::clock::{Span, Timestamp};
use crate::crypto::{Binding, SealedValue, ValueKey};
use crate::secret_value::SecretValue;

use super::error::{Error, Kind, Rejected};
use super::name::{DeviceName, SecretName};
use super::profile::{Profile, Section, mark_exposed};
use super::secret::{Earlier, Exposure, Pending, PolicyFields, Removed, Scope, Secret, Stage};
use super::text::MAX_ARRAY;
use super::{DEFAULT_KEEP, MAX_VALUE};

/// A value on its way into a profile.
pub struct Value<'a> {
    /// The bytes.
    pub value: &'a SecretValue,
    /// When the value came into being, as far as is known.
    pub set_at: Timestamp,
    /// True when it may be older than `set_at` (an import).
    pub age_at_least: bool,
}

/// What became of a value that was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// No kept version has these bytes.
    New,
    /// The version before that has them, which is current again under a new number.
    Again(u64),
    /// The current value has them.
    Equal,
}

/// Stores a value under a name: a new secret, or a new version of one.
///
/// Equal bytes are no new value: version, clock and exposure stay, except that a
/// creation date that is better known is taken over. A new value ends the exposure
/// of the secret. One that an earlier or pending version has is a new version, and as
/// old and as exposed as that: going back is no rotation. Gives the secret, for its
/// metadata to be set, and what the value is.
///
/// # Errors
/// [`Error::Bound`] over 1 MiB; [`Error::Rejected`] if the old value does not open.
pub fn store_value<'p>(
    profile: &'p mut Profile,
    key: &ValueKey,
    name: &SecretName,
    new: &Value<'_>,
    by: &DeviceName,
    now: Timestamp,
) -> Result<(&'p mut Secret, Stored), Error> {
    if new.value.len() > MAX_VALUE {
        return Err(Error::Bound("a value has at most 1 MiB"));
    }
    let seal = |version| key.seal(Binding { name: name.as_str(), version }, new.value);
    let keep = usize::from(effective_keep(profile, name));
    // A removed secret that comes back goes on counting.
    let removed_version = profile.removed.get(name).map_or(0, |removed| removed.version);
    let secret = match profile.secrets.entry(name.clone()) {
        Entry::Occupied(secret) => secret.into_mut(),
        Entry::Vacant(place) => {
            let version = removed_version + 1;
            let secret = Secret {
                version,
                set_at: new.set_at,
                set_by: by.clone(),
                age_at_least: new.age_at_least,
                policy: PolicyFields::default(),
                expires_at: None,
                provider: None,
                group: None,
                note: None,
                scope: Scope::default(),
                exposed: Vec::new(),
                value: seal(version)?,
                pending: None,
                earlier: Vec::new(),
            };
            return Ok((place.insert(secret), Stored::New));
        }
    };
    let open = |version, sealed: &SealedValue| key.open(Binding { name: name.as_str(), version }, sealed);
    let mut age = Age { set_at: new.set_at, at_least: new.age_at_least };
    if open(secret.version, &secret.value)?.same_as(new.value) {
        age.is_of_a_value_from(Age { set_at: secret.set_at, at_least: secret.age_at_least }, now);
        (secret.set_at, secret.age_at_least) = (age.set_at, age.at_least);
        return Ok((secret, Stored::Equal));
    }
    let mut same = Vec::new();
    for earlier in &secret.earlier {
        if open(earlier.version, &earlier.value)?.same_as(new.value) {
            same.push(earlier);
        }
    }
    let mut stored = Stored::New;
    if let Some(oldest) = same.iter().min_by_key(|earlier| earlier.set_at) {
        stored = Stored::Again(oldest.version);
        age.is_of_a_value_from(Age { set_at: oldest.set_at, at_least: oldest.age_at_least }, now);
    }
    // Going back to a value that leaked is no way to end the leak.
    let mut exposed = Vec::new();
    let leaks = same.iter().flat_map(|earlier| &earlier.exposed);
    leaks.for_each(|exposure| mark_exposed(&mut exposed, Some(exposure)));
    // Whoever left while this value was waiting knows it as well.
    if let Some(pending) = &secret.pending
        && open(pending.version, &pending.value)?.same_as(new.value)
    {
        age.is_of_a_value_from(Age { set_at: pending.set_at, at_least: false }, now);
        secret.exposed_pending().iter().for_each(|exposure| mark_exposed(&mut exposed, Some(exposure)));
    }
    let version = secret.newest_version() + 1;
    let replaced = Earlier {
        version: secret.version,
        set_at: secret.set_at,
        age_at_least: secret.age_at_least,
        retired_at: now,
        stage: Stage::Previous,
        revoke_by: None,
        exposed: std::mem::replace(&mut secret.exposed, exposed),
        value: std::mem::replace(&mut secret.value, seal(version)?),
    };
    secret.earlier.insert(0, replaced);
    if let Some(pending) = secret.pending.take()
        && !open(pending.version, &pending.value)?.same_as(new.value)
    {
        // It may be live at its provider already: kept, and on the due list until it is revoked.
        secret.earlier.insert(0, given_up(pending, now));
    }
    trim(secret, keep);
    secret.version = version;
    secret.set_at = age.set_at;
    secret.set_by = by.clone();
    secret.age_at_least = age.at_least;
    secret.expires_at = None;
    Ok((secret, stored))
}

/// When a value came into being, and whether it may have been earlier.
#[derive(Clone, Copy)]
struct Age {
    set_at: Timestamp,
    at_least: bool,
}

impl Age {
    /// Of bytes that are kept with the age `known`: the earlier date where somebody gave
    /// one, and what is known where the date is only that of storing them at `now` again.
    fn is_of_a_value_from(&mut self, known: Self, now: Timestamp) {
        let dated = !self.at_least && self.set_at != now;
        *self = match dated && (known.at_least || self.set_at < known.set_at) {
            true => Self { set_at: self.set_at.min(known.set_at), at_least: false },
            false => known,
        };
    }
}

/// Puts a new value beside the current one, durable before anything depends on it.
/// Gives its version.
///
/// # Errors
/// [`Error::SameValue`] if any kept version has these bytes (compared in constant
/// time); [`Error::Pending`], [`Error::NoSecret`], [`Error::Bound`].
pub fn store_pending(
    profile: &mut Profile,
    key: &ValueKey,
    name: &SecretName,
    value: &SecretValue,
    now: Timestamp,
) -> Result<u64, Error> {
    if value.len() > MAX_VALUE {
        return Err(Error::Bound("a value has at most 1 MiB"));
    }
    let secret = find(profile, name)?;
    if secret.pending.is_some() {
        return Err(Error::Pending(name.clone()));
    }
    let kept = secret.earlier.iter().map(|earlier| (earlier.version, &earlier.value));
    let mut same = None;
    for (version, sealed) in kept.chain([(secret.version, &secret.value)]) {
        if key.open(Binding { name: name.as_str(), version }, sealed)?.same_as(value) {
            same = Some(version);
        }
    }
    if let Some(version) = same {
        return Err(Error::SameValue { name: name.clone(), version });
    }
    let version = secret.newest_version() + 1;
    let value = key.seal(Binding { name: name.as_str(), version }, value)?;
    secret.pending = Some(Pending { version, set_at: now, value });
    Ok(version)
}

/// Makes the pending value the current one. The replaced value stays available, to be
/// revoked by the end of `grace`; at once without one.
///
/// # Errors
/// [`Error::NoPending`], [`Error::NoSecret`].
pub fn promote(
    profile: &mut Profile,
    name: &SecretName,
    by: &DeviceName,
    now: Timestamp,
    grace: Option<Span>,
) -> Result<u64, Error> {
    let keep = usize::from(effective_keep(profile, name));
    let secret = find(profile, name)?;
    // Whoever left while it was waiting knows it.
    let exposed = secret.exposed_pending();
    let pending = secret.pending.take().ok_or_else(|| Error::NoPending(name.clone()))?;
    let replaced = Earlier {
        version: secret.version,
        set_at: secret.set_at,
        age_at_least: secret.age_at_least,
        retired_at: now,
        stage: Stage::Previous,
        revoke_by: Some(grace.map_or(now, |grace| now.plus(grace))),
        // A pending value differs from every kept one, so other leaks are not its own.
        exposed: std::mem::replace(&mut secret.exposed, exposed),
        value: std::mem::replace(&mut secret.value, pending.value),
    };
    secret.earlier.insert(0, replaced);
    trim(secret, keep);
    secret.version = pending.version;
    secret.set_at = pending.set_at;
    secret.set_by = by.clone();
    secret.age_at_least = false;
    secret.expires_at = None;
    Ok(secret.version)
}

/// Gives a pending value up. It is kept as an earlier one, to be revoked, as it may
/// work at its provider; the current value is sealed again under a version above it,
/// and nothing else about it changes.
///
/// # Errors
/// [`Error::NoPending`], [`Error::NoSecret`]; [`Error::Crypto`] if the current value does not open.
pub fn abort_pending(profile: &mut Profile, key: &ValueKey, name: &SecretName, now: Timestamp) -> Result<(), Error> {
    let keep = usize::from(effective_keep(profile, name));
    let secret = find(profile, name)?;
    let pending = secret.pending.as_ref().ok_or_else(|| Error::NoPending(name.clone()))?;
    let version = pending.version + 1;
    let current = key.open(Binding { name: name.as_str(), version: secret.version }, &secret.value)?;
    secret.value = key.seal(Binding { name: name.as_str(), version }, &current)?;
    secret.version = version;
    let exposed = secret.exposed_pending();
    if let Some(pending) = secret.pending.take() {
        secret.earlier.insert(0, Earlier { exposed, ..given_up(pending, now) });
    }
    trim(secret, keep);
    Ok(())
}

/// Records that earlier values no longer work at their provider.
///
/// # Errors
/// [`Error::NoSecret`], [`Error::NoVersion`].
pub fn mark_revoked(profile: &mut Profile, name: &SecretName, version: u64) -> Result<(), Error> {
    let keep = usize::from(effective_keep(profile, name));
    let secret = find(profile, name)?;
    let earlier = secret.earlier.iter_mut().find(|earlier| earlier.version == version);
    earlier.ok_or_else(|| Error::NoVersion { name: name.clone(), version })?.stage = Stage::Revoked;
    trim(secret, keep);
    Ok(())
}

/// Marks the current value as exposed.
///
/// # Errors
/// [`Error::NoSecret`]; [`Error::Bound`] for more than 100 exposures.
pub fn expose(profile: &mut Profile, name: &SecretName, exposure: Exposure) -> Result<(), Error> {
    let secret = find(profile, name)?;
    if secret.exposed.len() >= MAX_ARRAY {
        return Err(Error::Bound("at most 100 exposures of one value are kept"));
    }
    secret.exposed.push(exposure);
    Ok(())
}

/// Marks every value of a profile that `other` has too as known to whom `exposed` says.
/// Opened they are compared: numbers, names and keys can differ on two branches.
///
/// # Errors
/// [`Error::Rejected`].
pub(crate) fn expose_shared(
    (profile, key): (&mut Profile, &ValueKey),
    (other, other_key): (&Section<'_>, &ValueKey),
    exposed: &[Exposure],
) -> Result<(), Error> {
    let mut known = Vec::new();
    for secret in other.secrets() {
        let (name, secret) = secret?;
        let earlier = secret.earlier.iter().map(|earlier| (earlier.version, &earlier.value));
        let pending = secret.pending.iter().map(|pending| (pending.version, &pending.value));
        for (version, value) in earlier.chain(pending).chain([(secret.version, &secret.value)]) {
            known.push(other.open(other_key, &name, version, value)?);
        }
    }
    for (name, secret) in &mut profile.secrets {
        let is_known = |version, value: &SealedValue| -> Result<bool, Error> {
            let opened = key.open(Binding { name: name.as_str(), version }, value);
            let opened = opened.map_err(|_| Rejected::new(Kind::Value).in_profile(&profile.name).in_secret(name))?;
            Ok(known.iter().any(|known| known.same_as(&opened)))
        };
        let current = is_known(secret.version, &secret.value)?;
        let pending = secret.pending.as_ref().map(|pending| is_known(pending.version, &pending.value)).transpose()?;
        for exposure in exposed {
            if pending == Some(true) {
                secret.expose_with_pending(exposure);
            } else if current {
                mark_exposed(&mut secret.exposed, Some(exposure));
            }
        }
        for earlier in &mut secret.earlier {
            if is_known(earlier.version, &earlier.value)? {
                exposed.iter().for_each(|exposure| mark_exposed(&mut earlier.exposed, Some(exposure)));
            }
        }
    }
    // What was removed cannot be compared any more.
    for removed in profile.removed.values_mut() {
        exposed.iter().for_each(|exposure| mark_exposed(&mut removed.exposed, Some(exposure)));
    }
    Ok(())
}

/// Takes a removed secret off the worklist: its value was revoked at its provider.
///
/// # Errors
/// [`Error::NotRemoved`].
pub fn acknowledge(profile: &mut Profile, name: &SecretName) -> Result<(), Error> {
    profile.removed.remove(name).map(drop).ok_or_else(|| Error::NotRemoved(name.clone()))
}

/// Goes back to an earlier value, as a new version with the age and the leaks of that
/// value. False if it is the current one.
///
/// # Errors
/// [`Error::NoVersion`]; [`Error::Unfit`] for one that was revoked or exposed, unless `force`.
pub fn restore(
    profile: &mut Profile,
    key: &ValueKey,
    name: &SecretName,
    version: u64,
    by: &DeviceName,
    now: Timestamp,
    force: bool,
) -> Result<bool, Error> {
    let secret = find(profile, name)?;
    if secret.version == version {
        return Ok(false);
    }
    let earlier = secret.earlier.iter().find(|earlier| earlier.version == version);
    let earlier = earlier.ok_or_else(|| Error::NoVersion { name: name.clone(), version })?;
    if let Some(why) = earlier.unfit().filter(|_| !force) {
        return Err(Error::Unfit { name: name.clone(), version, why });
    }
    let value = key.open(Binding { name: name.as_str(), version }, &earlier.value)?;
    let value = Value { value: &value, set_at: earlier.set_at, age_at_least: earlier.age_at_least };
    store_value(profile, key, name, &value, by, now).map(|(_, stored)| stored != Stored::Equal)
}

impl Secret {
    /// The replaced value that is still available: not revoked, and replaced with a grace.
    #[must_use]
    pub fn previous(&self) -> Option<&Earlier> {
        self.earlier.iter().find(|earlier| {
            earlier.stage == Stage::Previous && earlier.revoke_by.is_none_or(|by| by > earlier.retired_at)
        })
    }

    /// Replaced values that have a date by which to revoke them, and were not; newest first.
    pub fn to_revoke(&self) -> impl Iterator<Item = &Earlier> {
        self.earlier.iter().filter(|earlier| earlier.waits())
    }
}

impl Earlier {
    /// Why it is only gone back to by force, if it is.
    #[must_use]
    pub fn unfit(&self) -> Option<&'static str> {
        match (self.stage, self.exposed.is_empty()) {
            (Stage::Revoked, _) => Some("revoked"),
            (_, false) => Some("exposed"),
            (Stage::Previous, true) => None,
        }
    }

    /// True if it is to be revoked at its provider and was not.
    #[must_use]
    pub fn waits(&self) -> bool {
        self.stage == Stage::Previous && self.revoke_by.is_some()
    }
}

fn find<'p>(profile: &'p mut Profile, name: &SecretName) -> Result<&'p mut Secret, Error> {
    let missing = Error::NoSecret { profile: profile.name.clone(), name: name.clone() };
    profile.secrets.get_mut(name).ok_or(missing)
}

fn given_up(pending: Pending, now: Timestamp) -> Earlier {
    Earlier {
        version: pending.version,
        set_at: pending.set_at,
        age_at_least: false,
        retired_at: now,
        stage: Stage::Previous,
        revoke_by: Some(now),
        exposed: Vec::new(),
        value: pending.value,
    }
}

/// Drops the oldest earlier values over `keep`, but none that is still to be revoked.
fn trim(secret: &mut Secret, keep: usize) {
    let mut position = 0;
    secret.earlier.retain(|earlier| {
        position += 1;
        position <= keep || earlier.waits()
    });
    secret.earlier.truncate(MAX_ARRAY);
}

/// How many values stay behind the current one: the secret's policy, the profile's, three.
fn effective_keep(profile: &Profile, name: &SecretName) -> u8 {
    let own = profile.secrets.get(name).and_then(|secret| secret.policy.keep);
    own.or(profile.policy.keep).unwrap_or(DEFAULT_KEEP)
}

/// Removes a secret. One whose value is exposed stays on the worklist as removed.
/// False if there is no such secret.
pub fn remove(profile: &mut Profile, name: &SecretName, by: &DeviceName, now: Timestamp) -> bool {
    let Some(secret) = profile.secrets.remove(name) else { return false };
    let earlier = profile.removed.remove(name);
    let mut exposed = earlier.map(|removed| removed.exposed).unwrap_or_default();
    exposed.extend(secret.exposed.iter().cloned());
    // Every exposure of a value that is going is on the list; the oldest say enough.
    exposed.truncate(MAX_ARRAY);
    if !exposed.is_empty() {
        let removed = Removed {
            version: secret.newest_version(),
            removed_at: now,
            removed_by: by.clone(),
            owner: secret.policy.owner,
            provider: secret.provider,
            exposed,
        };
        profile.removed.insert(name.clone(), removed);
    }
    true
}
