//! Moving and copying secrets. A value is bound to its name and profile, so every kept
//! version is opened and sealed again; dates, exposure and history go along.

use crate::crypto::{Binding, SealedValue, ValueKey};

use super::error::{Error, Rejected};
use super::name::SecretName;
use super::profile::Profile;
use super::secret::Secret;
use super::{Kind, MAX_SECRETS};

/// What a copy of a secret is sealed for.
pub struct Target<'a> {
    /// The key for the values of the profile it goes to.
    pub key: &'a ValueKey,
    /// Its name there.
    pub name: &'a SecretName,
}

/// A copy of `secret`, sealed for another name or profile, with `offset` added to every
/// version so that none that was used there is used again.
///
/// # Errors
/// [`Rejected`] of kind value if a value does not open, [`Error::Crypto`].
fn reseal(secret: &Secret, from: (&ValueKey, &SecretName), to: &Target<'_>, offset: u64) -> Result<Secret, Error> {
    let mut copy = secret.clone();
    let reseal = |version: &mut u64, value: &mut SealedValue| -> Result<(), Error> {
        let opened = from
            .0
            .open(Binding { name: from.1.as_str(), version: *version }, value)
            .map_err(|_| Rejected { name: Some(from.1.clone()), ..Rejected::new(Kind::Value) })?;
        *version += offset;
        *value = to.key.seal(Binding { name: to.name.as_str(), version: *version }, &opened)?;
        Ok(())
    };
    reseal(&mut copy.version, &mut copy.value)?;
    if let Some(pending) = &mut copy.pending {
        reseal(&mut pending.version, &mut pending.value)?;
    }
    for earlier in &mut copy.earlier {
        reseal(&mut earlier.version, &mut earlier.value)?;
    }
    Ok(copy)
}

/// Puts a copy of `secret`, which `from` names and opens, into a profile.
///
/// # Errors
/// [`Error::SecretExists`] if the profile has a secret of that name; [`Error::Rejected`] if a
/// value does not open; [`Error::Bound`] for too many secrets.
pub fn copy_secret(
    secret: &Secret,
    from: (&ValueKey, &SecretName),
    profile: &mut Profile,
    to: &Target<'_>,
) -> Result<(), Error> {
    if profile.secrets.contains_key(to.name) {
        return Err(Error::SecretExists { profile: profile.name.clone(), name: to.name.clone() });
    }
    if profile.secrets.len() >= MAX_SECRETS {
        return Err(Error::Bound("a vault holds at most 65536 secrets"));
    }
    let offset = profile.removed.get(to.name).map_or(0, |removed| removed.version);
    let copy = reseal(secret, from, to, offset)?;
    profile.secrets.insert(to.name.clone(), copy);
    Ok(())
}
