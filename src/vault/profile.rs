//! A profile's section: verified first, then read (`docs/format.md`, section 4).

use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::Range;

use crate::crypto::{Binding, Hash, SealedValue, ValueKey, WrappedKey, statement};
use crate::identity::{Grant, Unlocked};

use super::document::LinesBefore;
use super::error::{Error, Kind, Rejected};
use super::name::{DeviceName, ProfileName, SecretName};
use super::secret::{Exposure, PolicyFields, Removed, Secret};
use super::signature::{Counts, SectionSignature};
use super::team::{MAX_DEVICES, Team};
use super::text::{Canonical, Cursor, MAX_ARRAY, MAX_LINE, Stop, field};

/// Who holds a grant, in order of names, with its text.
type Grants<'a> = Vec<(DeviceName, &'a str)>;

/// What a section is held against before anything in it is believed.
pub(super) enum Against<'v> {
    /// Checks 1 to 6 of section 4.
    Team { id: Hash, team: &'v Team },
    /// Nothing: it passed them before, and is here without the grants of others. What was signed
    /// had this digest.
    Accepted { digest: Hash },
}

/// A section whose signature was verified. Values and metadata are read on demand.
pub struct Section<'a> {
    name: ProfileName,
    epoch: u64,
    grants: Grants<'a>,
    policy: PolicyFields,
    removed: Vec<(SecretName, &'a str)>,
    /// In order of names: the text of all tables of a secret.
    secrets: Vec<(&'a str, &'a str)>,
    signature: SectionSignature,
    digest: Hash,
    text: &'a str,
    before: LinesBefore<'a>,
}

/// A profile that can be changed: everything in its section but the signature.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Its name.
    pub name: ProfileName,
    /// Number of its data key.
    pub epoch: u64,
    /// The data key, wrapped to each device that may read.
    pub grants: BTreeMap<DeviceName, WrappedKey>,
    /// Its policy.
    pub policy: PolicyFields,
    /// Removed secrets that are still exposed.
    pub removed: BTreeMap<SecretName, Removed>,
    /// Its secrets.
    pub secrets: BTreeMap<SecretName, Secret>,
    /// Writes per device.
    pub clock: Counts,
}

impl<'a> Section<'a> {
    /// Verifies a section and finds what is in it.
    pub(super) fn read(
        against: &Against<'_>,
        name: &ProfileName,
        text: &'a str,
        before: LinesBefore<'a>,
    ) -> Result<Self, Rejected> {
        let stop_at = |offset: usize, stop: Stop| {
            Stop { offset: offset + stop.offset, ..stop }.at_line(text, before.count()).in_profile(name)
        };
        // The signature table is last; the line above `signature = ` ends what is signed.
        let layout_at = |offset| stop_at(0, Stop { kind: Kind::Layout, offset });
        let header = format!("[profile.{name}.signature]\n");
        let at = memchr::memmem::rfind(text.as_bytes(), header.as_bytes()).ok_or_else(|| layout_at(text.len()))?;
        if at == 0 || text.as_bytes()[at - 1] != b'\n' {
            return Err(layout_at(at));
        }
        let mut c = Cursor::new(&text[at + header.len()..]);
        let (signature, signed_end, bytes) =
            SectionSignature::read(&mut c).map_err(|stop| stop_at(at + header.len(), stop))?;
        let digest = match against {
            Against::Team { .. } => Hash::of(&text.as_bytes()[..at + header.len() + signed_end]),
            Against::Accepted { digest } => *digest,
        };

        let mut c = Cursor::new(&text[..at]);
        let (epoch, grants) = read_head(name, &mut c).map_err(|stop| stop_at(0, stop))?;
        if let Against::Team { id, team } = against {
            let checked = check(id, team, name, epoch, &grants, &signature, &digest, &bytes);
            checked.map_err(|rejected| {
                let key = team.key_ever(&signature.by);
                let proven = key.is_some_and(|key| key.verify(&statement::section(id, &digest), &bytes).is_ok());
                rejected.in_profile(name).signed_by(&signature.by).with_proof(proven)
            })?;
        }

        // From here on the bytes are a writer's; what is wrong in them is still refused.
        let body_at = c.offset();
        let body = Body::read(name, &text[body_at..at]).map_err(|stop| stop_at(body_at, stop))?;
        let Body { policy, removed, secrets } = body;
        Ok(Self { name: name.clone(), epoch, grants, policy, removed, secrets, signature, digest, text, before })
    }

    /// The profile's name.
    #[must_use]
    pub fn name(&self) -> &ProfileName {
        &self.name
    }

    /// Number of the data key.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The profile's policy.
    #[must_use]
    pub fn policy(&self) -> &PolicyFields {
        &self.policy
    }

    /// Who signed it.
    #[must_use]
    pub fn signature(&self) -> &SectionSignature {
        &self.signature
    }

    /// The line with the signature, the last one: no two writes have the same.
    #[must_use]
    pub fn signature_line(&self) -> &'a str {
        self.text.trim_end().rsplit('\n').next().unwrap_or_default()
    }

    /// Hash of the signed text.
    #[must_use]
    pub fn digest(&self) -> Hash {
        self.digest
    }

    /// Number of secrets.
    #[must_use]
    pub fn len(&self) -> usize {
        self.secrets.len()
    }

    /// True if it has no secret.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.secrets.is_empty()
    }

    /// Devices that hold a grant, in order of names.
    pub fn grant_holders(&self) -> impl Iterator<Item = &DeviceName> {
        self.grants.iter().map(|(device, _)| device)
    }

    /// Names of its secrets, in order.
    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        self.secrets.iter().map(|(name, _)| *name)
    }

    /// True if it has the secret.
    #[must_use]
    pub fn contains(&self, name: &SecretName) -> bool {
        self.find(name.as_str()).is_some()
    }

    fn find(&self, name: &str) -> Option<&'a str> {
        self.secrets.binary_search_by(|(found, _)| (*found).cmp(name)).ok().map(|at| self.secrets[at].1)
    }

    /// Reads one secret.
    ///
    /// # Errors
    /// [`Rejected`] if its text is not canonical. `None` if there is no such secret.
    pub fn secret(&self, name: &SecretName) -> Result<Option<Secret>, Rejected> {
        self.find(name.as_str()).map(|text| self.read_secret(name, text)).transpose()
    }

    /// Reads every secret, in order of names.
    pub fn secrets(&self) -> impl Iterator<Item = Result<(SecretName, Secret), Rejected>> {
        self.secrets.iter().map(|entry| self.read_entry(*entry))
    }

    /// Name and text of each secret, in order of names.
    pub(super) fn entries(&self) -> &[(&'a str, &'a str)] {
        &self.secrets
    }

    /// Reads one of [`Self::entries`].
    pub(super) fn read_entry(&self, (name, text): (&'a str, &'a str)) -> Result<(SecretName, Secret), Rejected> {
        // Checked when the section was indexed.
        let name: SecretName = name.parse().map_err(|_| Rejected::new(Kind::Layout))?;
        let secret = self.read_secret(&name, text)?;
        Ok((name, secret))
    }

    fn read_secret(&self, name: &SecretName, text: &'a str) -> Result<Secret, Rejected> {
        // The position of `text` in the section is only needed for an error.
        let secret = Secret::read(&self.name, name, text, 0).map_err(|rejected| Rejected {
            line: rejected.line.map(|line| line + self.before.count() + self.lines_to(text)),
            ..rejected
        })?;
        // A version is part of what a value is bound to, so none is given twice.
        if let Ok(at) = self.removed.binary_search_by(|(found, _)| found.cmp(name)) {
            let removed = self.read_removed(name, self.removed[at].1)?;
            if secret.oldest_version() <= removed.version {
                return Err(Rejected::new(Kind::Versions).in_profile(&self.name).in_secret(name));
            }
        }
        Ok(secret)
    }

    fn read_removed(&self, name: &SecretName, text: &'a str) -> Result<Removed, Rejected> {
        let mut c = Cursor::new(text);
        let read = c.expect_line(&format!("[profile.{}.removed.{name}]", self.name)).and_then(|()| {
            let table = Removed::read(&mut c)?;
            if c.at_end() { Ok(table) } else { c.stop(Kind::Layout) }
        });
        read.map_err(|stop| {
            stop.at_line(text, self.before.count() + self.lines_to(text)).in_profile(&self.name).in_secret(name)
        })
    }

    fn lines_to(&self, text: &str) -> usize {
        memchr::memchr_iter(b'\n', &self.text.as_bytes()[..self.offset(text)]).count()
    }

    fn offset(&self, text: &str) -> usize {
        text.as_ptr() as usize - self.text.as_ptr() as usize
    }

    /// Where in its text is what a device uses, in bytes: all but the lines of others' grants.
    pub(super) fn used_by(&self, device: &DeviceName) -> Option<[Range<usize>; 3]> {
        let line = |(holder, value): &(DeviceName, &str)| {
            let value = self.offset(value)..self.offset(value) + value.len();
            value.start - holder.as_str().len() - " = ".len()..value.end + "\n".len()
        };
        let own = self.grants.iter().find(|(holder, _)| holder == device)?;
        let (first, last) = self.grants.first().zip(self.grants.last())?;
        Some([0..line(first).start, line(own), line(last).end..self.text.len()])
    }

    /// Removed secrets that are still exposed.
    ///
    /// # Errors
    /// [`Rejected`] if a table is not canonical.
    pub fn removed(&self) -> Result<BTreeMap<SecretName, Removed>, Rejected> {
        self.removed.iter().map(|(name, text)| Ok((name.clone(), self.read_removed(name, text)?))).collect()
    }

    /// Unwraps the grant of `device` and gives the key for the values of this profile.
    ///
    /// # Errors
    /// [`Error::NoGrant`], [`Rejected`] of kind grant or commitment, [`Error::Unlock`].
    pub fn unlock(
        &self,
        id: &Hash,
        team: &Team,
        device: &DeviceName,
        identity: &dyn Unlocked,
    ) -> Result<(crate::crypto::DataKey, ValueKey), Error> {
        let no_grant = || Error::NoGrant { device: device.clone(), profile: self.name.clone() };
        let at = self.grants.binary_search_by(|(found, _)| found.cmp(device)).map_err(|_| no_grant())?;
        let mut cursor = Cursor::new(self.grants[at].1);
        let wrapped = WrappedKey::read(&mut cursor).map_err(|_| Rejected::new(Kind::Layout).in_profile(&self.name))?;
        let state = team.profiles().get(&self.name).ok_or_else(|| Error::NoProfile(self.name.clone()))?;
        let grant = Grant {
            vault: id,
            profile: self.name.as_str(),
            epoch: self.epoch,
            commitment: &state.commitment,
            wrapped: &wrapped,
        };
        let key = identity.unwrap(&grant).map_err(|error| match Error::from(error) {
            Error::Crypto(error) => {
                let kind = if error == crate::crypto::Error::Commitment { Kind::Commitment } else { Kind::Grant };
                Rejected::new(kind).in_profile(&self.name).signed_by(&self.signature.by).into()
            }
            other => other,
        })?;
        let values = ValueKey::derive(&key, id, self.name.as_str(), self.epoch);
        Ok((key, values))
    }

    /// Opens a value.
    ///
    /// # Errors
    /// [`Rejected`] of kind value, naming the secret and who signed the section.
    pub fn open(
        &self,
        key: &ValueKey,
        name: &SecretName,
        version: u64,
        value: &SealedValue,
    ) -> Result<crate::secret_value::SecretValue, Rejected> {
        key.open(crate::crypto::Binding { name: name.as_str(), version }, value).map_err(|_| {
            Rejected::new(Kind::Value).in_profile(&self.name).in_secret(name).signed_by(&self.signature.by)
        })
    }

    /// Everything, to be changed.
    ///
    /// # Errors
    /// [`Rejected`] if anything in it is not canonical.
    pub fn to_profile(&self) -> Result<Profile, Rejected> {
        let mut grants = BTreeMap::new();
        for (device, text) in &self.grants {
            let mut cursor = Cursor::new(text);
            let wrapped =
                WrappedKey::read(&mut cursor).map_err(|_| Rejected::new(Kind::Layout).in_profile(&self.name))?;
            grants.insert(device.clone(), wrapped);
        }
        Ok(Profile {
            name: self.name.clone(),
            epoch: self.epoch,
            grants,
            policy: self.policy.clone(),
            removed: self.removed()?,
            secrets: self.secrets().collect::<Result<_, _>>()?,
            clock: self.signature.clock.clone(),
        })
    }
}

/// `epoch` and the grants, which are checked before anything else is read.
fn read_head<'a>(name: &ProfileName, c: &mut Cursor<'a>) -> Result<(u64, Grants<'a>), Stop> {
    c.expect_line(&format!("[profile.{name}]"))?;
    let epoch = c.required("epoch")?;
    c.expect_line(&format!("[profile.{name}.grant]"))?;
    let mut grants = Grants::new();
    while !c.at_end() && !c.rest().starts_with('[') {
        let here = *c;
        let device: DeviceName = c.bare_key()?.parse().or_else(|_| here.stop(Kind::Layout))?;
        if grants.last().is_some_and(|(last, _)| *last >= device) {
            return here.stop(Kind::Layout);
        }
        // More than any team has, recovery included; before memory is spent on them.
        if grants.len() > MAX_DEVICES {
            return here.stop(Kind::Grants);
        }
        let value = c.rest();
        c.pass_grant()?;
        grants.push((device, &value[..value.len() - c.rest().len()]));
        c.expect("\n")?;
    }
    if grants.is_empty() { c.stop(Kind::Layout) } else { Ok((epoch, grants)) }
}

/// Adds an exposure, unless the same is on the list already or the list is full: the
/// oldest entries say enough.
pub(super) fn mark_exposed(list: &mut Vec<Exposure>, exposure: Option<&Exposure>) {
    if let Some(exposure) = exposure {
        let known = list.iter().any(|known| known.to == exposure.to && known.why == exposure.why);
        if !known && list.len() < MAX_ARRAY {
            list.push(exposure.clone());
        }
    }
}

/// Checks 1 to 6 of section 4.
#[expect(clippy::too_many_arguments, reason = "the parts of a section that the checks are about, used once")]
fn check(
    id: &Hash,
    team: &Team,
    name: &ProfileName,
    epoch: u64,
    grants: &[(DeviceName, &str)],
    signature: &SectionSignature,
    digest: &Hash,
    bytes: &crate::crypto::Signature,
) -> Result<(), Rejected> {
    let state = team.profiles().get(name).ok_or(Rejected::new(Kind::Profiles))?;
    if epoch != state.epoch {
        return Err(Rejected::new(Kind::Epoch));
    }
    if !team.readers(name).map(|(device, _)| device).eq(grants.iter().map(|(device, _)| device)) {
        return Err(Rejected::new(Kind::Grants));
    }
    if !team.hashes().contains(&signature.team) {
        return Err(Rejected::new(Kind::TeamHead));
    }
    let key = team.signing_key(&signature.by).filter(|_| team.writes(&signature.by, name));
    let key = key.ok_or(Rejected::new(Kind::Signer))?;
    if !signature.clock.contains_key(&signature.by) || !signature.clock.keys().all(|device| team.knows_device(device)) {
        return Err(Rejected::new(Kind::Clock));
    }
    key.verify(&statement::section(id, digest), bytes).map_err(|_| Rejected::new(Kind::ProfileSignature))
}

/// What stands between the grants and the signature.
struct Body<'a> {
    policy: PolicyFields,
    removed: Vec<(SecretName, &'a str)>,
    secrets: Vec<(&'a str, &'a str)>,
}

impl<'a> Body<'a> {
    fn read(profile: &ProfileName, text: &'a str) -> Result<Self, Stop> {
        let mut c = Cursor::new(text);
        let mut policy = PolicyFields::default();
        if c.take(&format!("[profile.{profile}.policy]\n")) {
            policy = PolicyFields::read(&mut c)?;
            if policy == PolicyFields::default() {
                return c.stop(Kind::Layout);
            }
        }
        let mut body = Self { policy, removed: Vec::new(), secrets: Vec::new() };
        let (removed, secret) = (format!("[profile.{profile}.removed."), format!("[profile.{profile}.secret."));
        let start = c.offset();
        let bytes = text.as_bytes();
        if start < bytes.len() && bytes[start] != b'[' {
            return c.stop(Kind::Layout);
        }
        // Headers begin a line; values never contain a line break, so `\n[` is one.
        let header_after = memchr::memmem::Finder::new(b"\n[");
        let next = |from: usize| header_after.find(&bytes[from..]).map_or(bytes.len(), |n| from + n + 1);
        let mut at = start;
        while at < bytes.len() {
            let mut end = next(at);
            let header = &text[at..];
            let stop = Stop { kind: Kind::Layout, offset: at };
            if let Some(rest) = header.strip_prefix(&secret) {
                let name = rest.split(']').next().unwrap_or_default();
                let ascends = body.secrets.last().is_none_or(|(last, _)| *last < name);
                if !SecretName::is_valid(name) || !ascends {
                    return Err(stop);
                }
                // Its earlier versions belong to it.
                while bytes.get(end + 1) == Some(&b'[') {
                    end = next(end + 1);
                }
                body.secrets.push((name, &text[at..end]));
            } else if let Some(rest) = header.strip_prefix(&removed) {
                let name = rest.split(']').next().unwrap_or_default();
                let name: SecretName = name.parse().map_err(|_| stop)?;
                let ascends = body.removed.last().is_none_or(|(last, _)| *last < name);
                if !ascends || !body.secrets.is_empty() {
                    return Err(stop);
                }
                body.removed.push((name, &text[at..end]));
            } else {
                return Err(stop);
            }
            at = end;
        }
        Ok(body)
    }
}

impl Profile {
    /// A profile without secrets and, so far, without grants.
    pub(crate) fn empty(name: &ProfileName) -> Self {
        Self {
            name: name.clone(),
            epoch: 1,
            grants: BTreeMap::new(),
            policy: PolicyFields::default(),
            removed: BTreeMap::new(),
            secrets: BTreeMap::new(),
            clock: Counts::new(),
        }
    }

    /// Opens every value of every kept version with `old` and seals it with `new`;
    /// with `exposed`, marks each as known to whom that says, removed ones that are still
    /// exposed too: history has them.
    ///
    /// # Errors
    /// [`Rejected`] of kind value, [`Error::Crypto`].
    pub(crate) fn reseal(&mut self, old: &ValueKey, new: &ValueKey, exposed: &[Exposure]) -> Result<(), Error> {
        for (name, secret) in &mut self.secrets {
            let reseal = |version: u64, value: &mut SealedValue| -> Result<(), Error> {
                let binding = Binding { name: name.as_str(), version };
                let opened = old
                    .open(binding, value)
                    .map_err(|_| Rejected::new(Kind::Value).in_profile(&self.name).in_secret(name))?;
                *value = new.seal(binding, &opened)?;
                Ok(())
            };
            reseal(secret.version, &mut secret.value)?;
            if let Some(pending) = &mut secret.pending {
                reseal(pending.version, &mut pending.value)?;
            }
            for exposure in exposed {
                secret.expose_with_pending(exposure);
            }
            for earlier in &mut secret.earlier {
                reseal(earlier.version, &mut earlier.value)?;
                exposed.iter().for_each(|exposure| mark_exposed(&mut earlier.exposed, Some(exposure)));
            }
        }
        for removed in self.removed.values_mut() {
            exposed.iter().for_each(|exposure| mark_exposed(&mut removed.exposed, Some(exposure)));
        }
        Ok(())
    }

    /// Prints the section, signed by `identity` as `signature.by`.
    pub(crate) fn sign(
        &self,
        id: &Hash,
        signature: &SectionSignature,
        identity: &dyn Unlocked,
    ) -> Result<String, Error> {
        let name = &self.name;
        let mut out = String::new();
        // Writing to a String cannot fail.
        let _ = writeln!(out, "[profile.{name}]");
        field(&mut out, "epoch", &self.epoch);
        let _ = writeln!(out, "[profile.{name}.grant]");
        for (device, wrapped) in &self.grants {
            field(&mut out, device.as_str(), wrapped);
        }
        if self.policy != PolicyFields::default() {
            let _ = writeln!(out, "[profile.{name}.policy]");
            self.policy.print(&mut out);
        }
        for (secret, removed) in &self.removed {
            let _ = writeln!(out, "[profile.{name}.removed.{secret}]");
            removed.print(&mut out);
        }
        for (secret_name, secret) in &self.secrets {
            let start = out.len();
            secret.print(name, secret_name, &mut out);
            if out.len() - start > MAX_LINE && out[start..].lines().any(|line| line.len() > MAX_LINE) {
                return Err(Error::Bound("the metadata of a secret makes a line of more than 2 MiB"));
            }
        }
        let _ = writeln!(out, "[profile.{name}.signature]");
        signature.print(&mut out);
        let bytes = identity.sign_section(id, name.as_str(), &out)?;
        field(&mut out, "signature", &bytes);
        Ok(out)
    }
}
