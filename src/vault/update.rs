//! What happens to a secret when its value changes: versions, clocks, exposure
//! (`docs/format.md`, section 4; `docs/rotation.md` for the why).

use std::collections::btree_map::Entry;

use crate::clock::Timestamp;
use crate::crypto::{Binding, SealedValue, ValueKey};
use crate::secret_value::SecretValue;

use super::error::Error;
use super::name::{DeviceName, SecretName};
use super::profile::{Profile, expose};
use super::secret::{Earlier, PolicyFields, Removed, Scope, Secret, Stage};
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

/// Stores a value under a name: a new secret, or a new version of one.
///
/// Equal bytes are no new value: version, clock and exposure stay, except that a
/// creation date that is better known is taken over. A new value ends the exposure
/// of the secret, and goes on carrying the one of an equal earlier or pending value.
/// Gives the secret, for its metadata to be set, and whether the value is new.
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
) -> Result<(&'p mut Secret, bool), Error> {
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
            return Ok((place.insert(secret), true));
        }
    };
    let open = |version, sealed: &SealedValue| key.open(Binding { name: name.as_str(), version }, sealed);
    if open(secret.version, &secret.value)?.same_as(new.value) {
        if !new.age_at_least && (secret.age_at_least || new.set_at < secret.set_at) {
            secret.set_at = new.set_at.min(secret.set_at);
            secret.age_at_least = false;
        }
        return Ok((secret, false));
    }
    // Going back to a value that leaked is no way to end the leak.
    let mut exposed = Vec::new();
    for earlier in &secret.earlier {
        if !earlier.exposed.is_empty() && open(earlier.version, &earlier.value)?.same_as(new.value) {
            exposed.clone_from(&earlier.exposed);
        }
    }
    // Whoever left while this value was waiting knows it as well.
    if let Some(pending) = &secret.pending
        && open(pending.version, &pending.value)?.same_as(new.value)
    {
        secret.exposed_pending().iter().for_each(|exposure| expose(&mut exposed, Some(exposure)));
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
    secret.earlier.truncate(keep);
    secret.version = version;
    secret.set_at = new.set_at;
    secret.set_by = by.clone();
    secret.age_at_least = new.age_at_least;
    secret.expires_at = None;
    secret.pending = None;
    Ok((secret, true))
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
    exposed.truncate(super::text::MAX_ARRAY);
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
