//! A profile that both sides changed.

use std::collections::{BTreeMap, BTreeSet};

use crate::clock::Timestamp;
use crate::crypto::{Commitment, SealedValue, ValueKey};

use super::super::Vault;
use super::super::error::Error;
use super::super::name::{DeviceName, ProfileName, SecretName};
use super::super::profile::{Profile, Section};
use super::super::secret::{Exposure, Removed, Secret};
use super::super::signature::Counts;
use super::super::transaction::Signer;
use super::entry::{Entry, Question, merge_secret};
use super::fields::{Fields, unite};
use super::{Choice, Choices, Conflict, Facts, How, Item, MergeError, Plan, Side, Why};

/// What tells one data key from another. Two branches can both come to the same epoch.
type KeyMark = Commitment;

/// One side of a profile, and whether its changes are taken over without asking.
struct Half {
    profile: Profile,
    key: KeyMark,
    by: DeviceName,
    at: Timestamp,
    distrust: Option<Why>,
}

/// An ancestor that nobody believes. It decides nothing; but where one side lacks a secret
/// that it has, a person is asked whether it was removed there.
struct Doubted {
    names: BTreeSet<SecretName>,
    by: DeviceName,
}

/// Both sides of a profile and what they come from.
pub(super) struct Scene {
    name: ProfileName,
    base: Option<Profile>,
    base_key: Option<KeyMark>,
    doubted: Option<Doubted>,
    ours: Half,
    theirs: Half,
    changed_by: Option<Side>,
    /// Whose team log counts, and with it whose grants and data key.
    pub(super) team: Side,
    /// What a value of the other side is marked with that was sealed under an older
    /// key: it is known to everybody who left in between.
    left_since: Vec<Exposure>,
}

/// What opens the values of both sides; `None` where this device holds no grant.
pub(super) struct Keys {
    team: Option<ValueKey>,
    /// Of the side whose team log is older, where its key is another.
    older: Option<ValueKey>,
    device: DeviceName,
}

impl Doubted {
    fn of(section: &Section<'_>) -> Self {
        let names = section.names().filter_map(|name| name.parse().ok()).collect();
        Self { names, by: section.signature().by.clone() }
    }
}

impl Scene {
    pub(super) fn new(plan: &Plan<'_>, base: Option<&Vault>, name: &ProfileName, how: How) -> Result<Self, MergeError> {
        let (ours, theirs) = (plan.ours.section(name)?, plan.theirs.section(name)?);
        let team = plan.side(plan.team).team();
        let key_of = |vault: &Vault| vault.team().profiles().get(name).map(|state| state.commitment);
        let no_profile = || Error::NoProfile(name.clone());
        // Added on both sides: it came from nothing.
        let added = base.is_some_and(|base| !base.team().profile_name_used(name));
        let base_key = base.and_then(key_of);
        // An ancestor that does not verify is nobody's word for what was there, and nor is one
        // that somebody signed who may not write any more: what both sides have of it would
        // look unchanged, and what it claims would look removed.
        let is_trusted =
            |vault: &Vault, section: &Section<'_>| team.writes_as_in(vault.team(), &section.signature().by, name);
        let base = base.and_then(|base| Some((base, base.section(name).ok()?)));
        let (base, doubted) = match base {
            Some((base, section)) if is_trusted(base, &section) => (Some(section), None),
            doubted => (None, doubted.map(|(_, section)| Doubted::of(&section))),
        };
        let is_base = |section: &Section<'_>| base.as_ref().is_some_and(|base| base.digest() == section.digest());
        let changed_by = match (is_base(&ours), is_base(&theirs)) {
            (true, false) => Some(Side::Theirs),
            (false, true) => Some(Side::Ours),
            _ => None,
        };
        let base_clock = base.as_ref().map(|base| base.signature().clock.clone()).unwrap_or_default();
        let half = |side, section: &Section<'_>| -> Result<Half, MergeError> {
            let signature = section.signature();
            let behind = !dominates(&signature.clock, &base_clock);
            let older = match side {
                Side::Theirs => behind,
                Side::Ours => behind && how != How::Pick && dominates(&base_clock, &signature.clock),
            };
            let distrust = if is_base(section) {
                None
            } else if !is_trusted(plan.side(side), section) {
                Some(Why::FormerSigner(side, signature.by.clone()))
            } else {
                older.then_some(Why::Older(side))
            };
            let key = key_of(plan.side(side)).ok_or_else(no_profile)?;
            let mut profile = section.to_profile()?;
            // Writes of devices that were not taken over with the team count for nobody.
            profile.clock.retain(|device, _| team.knows_device(device));
            Ok(Half { profile, key, by: signature.by.clone(), at: signature.at, distrust })
        };
        let (ours, theirs) = (half(Side::Ours, &ours)?, half(Side::Theirs, &theirs)?);
        let base = match base {
            None if added => Some(Profile::empty(name)),
            base => base.map(|base| base.to_profile()).transpose()?,
        };
        let (long, short) = match plan.team {
            Side::Ours => (&ours, &theirs),
            Side::Theirs => (&theirs, &ours),
        };
        let mut left_since = Vec::new();
        if long.key != short.key {
            left_since = left_since_then(plan, name, short.at);
        }
        let (name, team) = (name.clone(), plan.team);
        Ok(Self { name, base, base_key, doubted, ours, theirs, changed_by, team, left_since })
    }

    /// The one side that changed the profile, where the other is the ancestor.
    pub(super) fn changed_by(&self) -> Option<Side> {
        self.changed_by
    }

    pub(super) fn is_doubted(&self, name: &SecretName) -> bool {
        self.doubted.as_ref().is_some_and(|doubted| doubted.names.contains(name))
    }

    pub(super) fn distrust(&self, side: Side) -> Option<&Why> {
        self.half(side).distrust.as_ref()
    }

    fn half(&self, side: Side) -> &Half {
        match side {
            Side::Ours => &self.ours,
            Side::Theirs => &self.theirs,
        }
    }

    pub(super) fn key(&self, side: Side) -> KeyMark {
        self.half(side).key
    }

    pub(super) fn base_key(&self) -> Option<KeyMark> {
        self.base_key
    }

    /// True if what a side sealed has to be sealed again.
    pub(super) fn is_stale(&self, side: Side) -> bool {
        self.key(side) != self.key(self.team)
    }

    pub(super) fn left_since(&self) -> &[Exposure] {
        &self.left_since
    }

    /// The keys of both sides.
    pub(super) fn keys(&self, plan: &Plan<'_>, signer: &Signer<'_>) -> Result<Keys, MergeError> {
        let unlock = |side| {
            let vault = plan.side(side);
            match vault.section(&self.name)?.unlock(&vault.id(), vault.team(), &signer.device, signer.identity) {
                Ok((_, values)) => Ok(Some(values)),
                // Fine as long as nothing has to be opened.
                Err(Error::NoGrant { .. }) => Ok(None),
                Err(error) => Err(error),
            }
        };
        let older = self.team.other();
        Ok(Keys {
            team: unlock(self.team)?,
            older: if self.is_stale(older) { unlock(older)? } else { None },
            device: signer.device.clone(),
        })
    }

    /// Merges the profile. Gives it with what is open; then it is not to be signed.
    pub(super) fn merge(
        &self,
        keys: Option<&Keys>,
        choices: &Choices,
        now: Timestamp,
    ) -> Result<(Profile, Vec<Conflict>), MergeError> {
        let (ours, theirs) = (&self.ours.profile, &self.theirs.profile);
        let mut conflicts = Vec::new();
        let mut secrets = BTreeMap::new();
        let mut removed = self.tombstones();
        let base_secrets = self.base.iter().flat_map(|base| base.secrets.keys());
        let names: BTreeSet<&SecretName> =
            base_secrets.chain(ours.secrets.keys()).chain(theirs.secrets.keys()).collect();
        for name in names {
            let item = Item::Secret(name.clone());
            let question = Question {
                name,
                base: self.base.as_ref().and_then(|base| base.secrets.get(name)),
                ours: ours.secrets.get(name),
                theirs: theirs.secrets.get(name),
                choice: choices.get(&(self.name.clone(), item.clone())),
            };
            match merge_secret(self, keys, &question, now)? {
                Entry::Secret(secret) => {
                    secrets.insert(name.clone(), *secret);
                }
                Entry::Gone => self.bury(&question, &mut removed),
                Entry::Open(why) => conflicts.push(self.conflict(item, why, question.ours, question.theirs)),
            }
        }
        for (name, secret) in &mut secrets {
            self.raise(keys, name, secret, &mut removed)?;
        }
        let policy_choice = choices.get(&(self.name.clone(), Item::Policy));
        let (policy, why) = self.policy(policy_choice);
        conflicts.extend(why.map(|why| self.conflict(Item::Policy, why, None, None)));
        let mut clock = ours.clock.clone();
        for (device, count) in &theirs.clock {
            let larger = clock.get(device).copied().unwrap_or(0).max(*count);
            clock.insert(device.clone(), larger);
        }
        let long = &self.half(self.team).profile;
        let profile = Profile {
            name: self.name.clone(),
            epoch: long.epoch,
            grants: long.grants.clone(),
            policy,
            removed,
            secrets,
            clock,
        };
        Ok((profile, conflicts))
    }

    fn policy(&self, choice: Option<&Choice>) -> (super::super::secret::PolicyFields, Option<Why>) {
        let base = self.base.as_ref().map(|base| &base.policy);
        let (ours, theirs) = (&self.ours.profile.policy, &self.theirs.profile.policy);
        let chosen = choice.map(|choice| if let Choice::Take(side) = choice { *side } else { Side::Ours });
        for (half, side) in [(&self.ours, Side::Ours), (&self.theirs, Side::Theirs)] {
            let Some(why) = half.distrust.as_ref().filter(|_| ours != theirs) else { continue };
            if base == Some(&half.profile.policy) {
                continue;
            }
            match chosen {
                None => return (ours.clone(), Some(why.clone())),
                Some(chosen) if chosen != side => return (self.half(chosen).profile.policy.clone(), None),
                Some(_) => {}
            }
        }
        let mut fields = Fields::new(chosen);
        let policy = fields.policy(base, ours, theirs);
        (policy, Some(Why::Fields(fields.clashes)).filter(|why| *why != Why::Fields(Vec::new())))
    }

    fn conflict(&self, item: Item, why: Why, ours: Option<&Secret>, theirs: Option<&Secret>) -> Conflict {
        let facts =
            |secret: &Secret| Facts { version: secret.version, set_at: secret.set_at, set_by: secret.set_by.clone() };
        Conflict {
            profile: self.name.clone(),
            item,
            why,
            ours: ours.map(facts),
            theirs: theirs.map(facts),
            ours_signed: Some((self.ours.by.clone(), self.ours.at)),
            theirs_signed: Some((self.theirs.by.clone(), self.theirs.at)),
            doubted: self.doubted.as_ref().map(|doubted| doubted.by.clone()),
        }
    }

    /// Removed secrets of both sides. One that is gone on a side was acknowledged there,
    /// unless the other side added to it.
    fn tombstones(&self) -> BTreeMap<SecretName, Removed> {
        let (ours, theirs) = (&self.ours.profile.removed, &self.theirs.profile.removed);
        let mut all = BTreeMap::new();
        for name in ours.keys().chain(theirs.keys()) {
            let base = self.base.as_ref().and_then(|base| base.removed.get(name));
            let kept = match (ours.get(name), theirs.get(name)) {
                (Some(one), Some(other)) => Some(join(one, other)),
                (Some(only), None) => (base != Some(only) || self.theirs.distrust.is_some()).then(|| only.clone()),
                (None, Some(only)) => (base != Some(only) || self.ours.distrust.is_some()).then(|| only.clone()),
                (None, None) => None,
            };
            all.extend(kept.map(|kept| (name.clone(), kept)));
        }
        all
    }

    /// A secret that stays although one side removed it takes its exposure back from the
    /// tombstone: versions up to the removed one cannot stand beside it. The tombstone
    /// goes if it is about the ancestor's value. Otherwise it may be about a value that
    /// this secret never had, so it stays, and the secret is numbered above it.
    fn raise(
        &self,
        keys: Option<&Keys>,
        name: &SecretName,
        secret: &mut Secret,
        removed: &mut BTreeMap<SecretName, Removed>,
    ) -> Result<(), MergeError> {
        let Some(tombstone) = removed.get(name).filter(|tombstone| secret.oldest_version() <= tombstone.version) else {
            return Ok(());
        };
        let above = tombstone.version;
        let earlier = secret.earlier.iter_mut().find(|earlier| earlier.version == above);
        let list = match earlier {
            Some(earlier) if secret.version != above => &mut earlier.exposed,
            _ => &mut secret.exposed,
        };
        *list = unite(list, &tombstone.exposed);
        let base = self.base.as_ref().and_then(|base| base.secrets.get(name));
        if base.is_some_and(|base| base.version == above) {
            removed.remove(name);
            return Ok(());
        }
        // Without a key only conflicts are looked for; nothing of this is signed.
        let Some(keys) = keys else { return Ok(()) };
        let raise = |version: &mut u64, value: &mut SealedValue| -> Result<(), MergeError> {
            let opened = keys.open(self, self.team, name, *version, value)?;
            *version += above;
            *value = keys.seal(self, name, *version, &opened)?;
            Ok(())
        };
        raise(&mut secret.version, &mut secret.value)?;
        for earlier in &mut secret.earlier {
            raise(&mut earlier.version, &mut earlier.value)?;
        }
        secret.pending.as_mut().map_or(Ok(()), |pending| raise(&mut pending.version, &mut pending.value))
    }

    /// A secret that is gone takes along what the other side learned of its exposure.
    fn bury(&self, question: &Question<'_>, removed: &mut BTreeMap<SecretName, Removed>) {
        let (secret, side) = match (question.ours, question.theirs) {
            (Some(secret), None) => (secret, Side::Theirs),
            (None, Some(secret)) => (secret, Side::Ours),
            _ => return,
        };
        if secret.exposed.is_empty() {
            return;
        }
        let half = self.half(side);
        let tombstone = Removed {
            version: secret.newest_version(),
            removed_at: half.at,
            removed_by: half.by.clone(),
            owner: secret.policy.owner.clone(),
            provider: secret.provider.clone(),
            exposed: secret.exposed.clone(),
        };
        let joined = removed.get(question.name).map_or(tombstone.clone(), |known| join(known, &tombstone));
        removed.insert(question.name.clone(), joined);
    }
}

impl Keys {
    fn key(&self, scene: &Scene, side: Side) -> Result<&ValueKey, MergeError> {
        let key = if scene.is_stale(side) { &self.older } else { &self.team };
        let missing = || Error::NoGrant { device: self.device.clone(), profile: scene.name.clone() };
        key.as_ref().ok_or_else(|| missing().into())
    }

    /// Who merges.
    pub(super) fn device(&self) -> DeviceName {
        self.device.clone()
    }

    pub(super) fn open(
        &self,
        scene: &Scene,
        side: Side,
        name: &SecretName,
        version: u64,
        value: &SealedValue,
    ) -> Result<crate::secret_value::SecretValue, MergeError> {
        let binding = crate::crypto::Binding { name: name.as_str(), version };
        self.key(scene, side)?.open(binding, value).map_err(|_| {
            let rejected = super::super::error::Rejected::new(super::super::error::Kind::Value);
            rejected.in_profile(&scene.name).in_secret(name).signed_by(&scene.half(side).by).into()
        })
    }

    pub(super) fn seal(
        &self,
        scene: &Scene,
        name: &SecretName,
        version: u64,
        value: &crate::secret_value::SecretValue,
    ) -> Result<SealedValue, MergeError> {
        let binding = crate::crypto::Binding { name: name.as_str(), version };
        Ok(self.key(scene, scene.team)?.seal(binding, value).map_err(Error::from)?)
    }
}

/// True if `clock` has every write that `other` has.
fn dominates(clock: &Counts, other: &Counts) -> bool {
    other.iter().all(|(device, count)| clock.get(device).is_some_and(|here| here >= count))
}

/// Everybody who could read the profile under the older team log and cannot now.
fn left_since_then(plan: &Plan<'_>, name: &ProfileName, at: Timestamp) -> Vec<Exposure> {
    let (old, new) = (plan.side(plan.team.other()).team(), plan.side(plan.team).team());
    let now: BTreeSet<_> = new.readers(name).collect();
    let gone: Vec<DeviceName> =
        old.readers(name).filter(|reader| !now.contains(reader)).map(|(device, _)| device.clone()).collect();
    let mut who = BTreeSet::new();
    for device in &gone {
        let Some(member) = old.devices().get(device).map(|device| &device.member) else { continue };
        let reads_still = new.devices().iter().any(|(name_, d)| d.member == *member && new.reads(name_, name));
        who.insert(if reads_still { device.to_string() } else { member.to_string() });
    }
    // The recovery code is replaced because somebody left; alone it stands for itself.
    if who.is_empty() && !gone.is_empty() {
        who.insert(DeviceName::recovery().to_string());
    }
    let why = "stored on a branch where they could still read it";
    let exposure = |who: &String| Some(Exposure { at, to: Some(who.parse().ok()?), why: why.parse().ok()? });
    who.iter().filter_map(exposure).collect()
}

fn join(one: &Removed, other: &Removed) -> Removed {
    let newer = if one.removed_at >= other.removed_at { one } else { other };
    Removed {
        version: one.version.max(other.version),
        exposed: unite(&one.exposed, &other.exposed),
        owner: newer.owner.clone().or_else(|| one.owner.clone()).or_else(|| other.owner.clone()),
        provider: newer.provider.clone().or_else(|| one.provider.clone()).or_else(|| other.provider.clone()),
        ..newer.clone()
    }
}
