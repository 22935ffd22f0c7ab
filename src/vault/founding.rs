//! Founding a vault: the first change of the team log, and empty profiles.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Timestamp;
use crate::crypto::{self, DataKey, IdentityKey, SealedIdentity};
use crate::secret_value::SecretValue;

use super::change::{Action, Change, NewDevice, Recovery, Rekeyed};
use super::document::compose;
use super::error::Error;
use super::name::{DeviceName, MemberName, ProfileName};
use super::profile::Profile;
use super::signature::{Counts, SectionSignature};
use super::team::Team;

/// Who founds a vault.
pub struct Founder<'a> {
    /// The member, who becomes admin.
    pub member: MemberName,
    /// Its device.
    pub device: DeviceName,
    /// The identity of that device.
    pub identity: &'a IdentityKey,
    /// The recovery identity and the passphrase to seal it with.
    pub recovery: Option<(&'a IdentityKey, &'a SecretValue)>,
}

/// Makes a vault with the given empty profiles and gives its text.
///
/// # Errors
/// [`Error::Crypto`] if there is no randomness; [`Error::Rejected`] if the names or
/// keys break a rule (the identity used twice).
pub fn found(founder: &Founder<'_>, profiles: &BTreeSet<ProfileName>, now: Timestamp) -> Result<Vec<u8>, Error> {
    let key = founder.identity.signing_key();
    let mut keys = BTreeMap::new();
    let mut rekeyed = Vec::new();
    for profile in profiles {
        let data_key = DataKey::generate()?;
        let commitment = data_key.commitment(profile.as_str(), 1);
        rekeyed.push(Rekeyed { profile: profile.clone(), epoch: 1, commitment });
        keys.insert(profile, data_key);
    }
    let mut team = Team::default();
    let change = Change {
        number: 1,
        at: now,
        by: founder.device.clone(),
        action: Action::Found {
            nonce: crypto::random()?,
            member: founder.member.clone(),
            device: NewDevice {
                device: founder.device.clone(),
                recipient: founder.identity.recipient(),
                signing_key: Some(key.public()),
            },
        },
        rekeyed,
    };
    let mut sections = vec![team.append(&change, &key)?];
    let id = super::change::founding_id(&sections[0]).ok_or(Error::Bound("no founding change"))?;
    if let Some((identity, passphrase)) = founder.recovery {
        let recovery = Recovery {
            recipient: identity.recipient(),
            signing_key: identity.signing_key().public(),
            sealed: SealedIdentity::seal(identity, passphrase)?,
        };
        let change = Change {
            number: 2,
            at: now,
            by: founder.device.clone(),
            action: Action::Recovery { set: Some(recovery) },
            rekeyed: Vec::new(),
        };
        sections.push(team.append(&change, &key)?);
    }
    for (profile, data_key) in keys {
        let mut grants = BTreeMap::new();
        for (device, recipient) in team.readers(profile) {
            grants.insert(device.clone(), data_key.wrap(recipient)?);
        }
        let profile = Profile { grants, ..Profile::empty(profile) };
        let signature = SectionSignature {
            team: team.head(),
            by: founder.device.clone(),
            at: now,
            clock: Counts::from([(founder.device.clone(), 1)]),
            audit: None,
        };
        sections.push(profile.sign(&id, &signature, founder.identity)?);
    }
    Ok(compose(&id, sections.iter().map(String::as_str)).into_bytes())
}
