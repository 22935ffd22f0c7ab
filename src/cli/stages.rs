//! The stages of a rotation, each durable and on record before the next begins:
//! sealed as pending, made to work, verified, promoted, and later revoked.
//!
//! A crash leaves the current value as it was, and at most a pending one.

use std::collections::BTreeMap;

use vault::clock::{Span, Timestamp};
use vault::rotation::rotator::{self, Step, Values};
use vault::rotation::{DEFAULT_GRACE, Days};
use vault::secret_value::SecretValue;
use vault::{Earlier, Exposure, ProfileName, Secret, SecretName, Section, provider};

use super::context::{Context, Opened};
use super::error::CommandError;
use super::program::Program;
use super::record::{Change, Edit, Use, name_overrides};
use super::time::{local_day, local_time};
use super::ui::Ui;

/// A rotation of one secret or of a group, which changes together or not at all.
pub(crate) struct Stages<'a> {
    pub(crate) cx: &'a Context,
    pub(crate) profile: ProfileName,
    pub(crate) names: Vec<SecretName>,
    pub(crate) rotator: Option<Program<'a>>,
    pub(crate) verifier: Option<Program<'a>>,
}

/// The members' current state, by name in order.
pub(crate) type Members = BTreeMap<SecretName, Secret>;

/// Versions that were given to pending values.
pub(crate) type Versions = BTreeMap<SecretName, u64>;

/// The secret and what is rotated with it: its group, or the parts of one credential
/// that its provider issues together.
pub(crate) fn group_of(section: &Section<'_>, name: &SecretName) -> Result<Option<Members>, CommandError> {
    let Some(secret) = section.secret(name)? else { return Ok(None) };
    let mut members = Members::new();
    if secret.group.is_some() {
        for found in section.secrets() {
            let (other, found) = found?;
            if found.group == secret.group {
                members.insert(other, found);
            }
        }
    } else {
        for partner in provider::partners(name.as_str()) {
            let Ok(partner) = partner.parse::<SecretName>() else { continue };
            if let Some(found) = section.secret(&partner)?.filter(|found| found.group.is_none()) {
                members.insert(partner, found);
            }
        }
        members.insert(name.clone(), secret);
    }
    Ok(Some(members))
}

impl Stages<'_> {
    /// Reads the members again: what is on disk now.
    pub(crate) fn read(&self, ui: &mut Ui) -> Result<(Opened, Members), CommandError> {
        let opened = self.cx.open(ui)?;
        let sections = self.cx.sections(ui, &opened, std::slice::from_ref(&self.profile))?;
        let members = self.names.iter().map(|name| {
            let missing = || vault::Error::NoSecret { profile: self.profile.clone(), name: name.clone() };
            Ok((name.clone(), sections[0].secret(name)?.ok_or_else(missing)?))
        });
        let members = members.collect::<Result<Members, CommandError>>()?;
        drop(sections);
        Ok((opened, members))
    }

    /// Whether this device may write the profile; writes nothing.
    pub(crate) fn try_to_write(&self, ui: &mut Ui, opened: &Opened) -> Result<(), CommandError> {
        self.cx.change(ui, opened, &self.change("rotate-pending").only_tried(true), |tx, signer, _| {
            tx.profile(&self.profile, signer)?;
            Ok(Edit::Unchanged(()))
        })?;
        Ok(())
    }

    /// Has the rotator make new values, while the current ones go on working.
    pub(crate) fn create(&self, ui: &mut Ui, rotator: Program<'_>) -> Result<Values, CommandError> {
        self.talk(ui, rotator, Step::Create, "rotate-create", |_, output| Ok(rotator::answer(output, &self.names)?))
    }

    /// Has the rotator make the pending values work.
    pub(crate) fn apply(&self, ui: &mut Ui, rotator: Program<'_>) -> Result<(), CommandError> {
        self.talk(ui, rotator, Step::Create, "rotate-create", |values, output| {
            Ok(rotator::agrees(output, values.get("pending").map_or(&[][..], Vec::as_slice))?)
        })
    }

    /// Seals new values as pending, all in one write.
    pub(crate) fn seal(&self, ui: &mut Ui, values: &Values, leaked: bool) -> Result<Versions, CommandError> {
        let (opened, _) = self.read(ui)?;
        let outcome = self.cx.change(ui, &opened, &self.change("rotate-pending"), |tx, signer, now| {
            let (section, key) = tx.profile(&self.profile, signer)?;
            let mut versions = Versions::new();
            for (name, value) in values {
                versions.insert(name.clone(), vault::store_pending(section, key, name, value, now)?);
                let exposed = section.secrets.get(name).is_some_and(|secret| !secret.exposed.is_empty());
                if leaked && !exposed {
                    let why = "reported as leaked".parse().map_err(|_| CommandError::Internal("a text"))?;
                    vault::expose(section, name, Exposure { at: now, to: None, why })?;
                }
            }
            Ok(Edit::Changed(versions))
        })?;
        let (Edit::Changed(versions) | Edit::Unchanged(versions)) = outcome;
        Ok(versions)
    }

    /// Has the rotator and the verify command prove the pending values.
    pub(crate) fn verify(&self, ui: &mut Ui) -> Result<(), CommandError> {
        if let Some(rotator) = self.rotator {
            self.talk(ui, rotator, Step::Verify, "rotate-verify", |_, _| Ok(()))?;
        }
        if let Some(verifier) = self.verifier {
            let (opened, members) = self.read(ui)?;
            self.using(ui, &opened, "rotate-verify", &verifier, |section, key| {
                let pending = open_pending(section, key, &members)?;
                Ok(move || {
                    let variables = pending.iter().map(|(name, value)| (name.as_str(), value));
                    verifier.with_environment(variables)
                })
            })?;
        }
        Ok(())
    }

    /// Makes the pending values current, all in one write. Gives when that was, and
    /// when the replaced ones are to be revoked.
    pub(crate) fn promote(
        &self,
        ui: &mut Ui,
        verified: &Versions,
        grace: Option<Span>,
        leaked: bool,
    ) -> Result<(Timestamp, Timestamp), CommandError> {
        let (opened, _) = self.read(ui)?;
        let outcome = self.cx.change(ui, &opened, &self.change("rotate-promote"), |tx, signer, now| {
            let (section, _) = tx.profile(&self.profile, signer)?;
            let mut latest = now;
            // A leak or a time that was asked for holds for all of a group.
            let any_leaked = self
                .names
                .iter()
                .any(|name| section.secrets.get(name).is_some_and(|secret| !secret.exposed.is_empty()));
            for name in &self.names {
                let secret = section.secrets.get(name);
                let pending = secret.and_then(|secret| secret.pending.as_ref()).map(|pending| pending.version);
                if pending.is_some() && pending != verified.get(name).copied() {
                    return Err(CommandError::OtherPending(name.clone()));
                }
                let policy = secret.and_then(|secret| secret.policy.grace).or(section.policy.grace);
                let grace = match (leaked || (any_leaked && grace.is_none()), grace) {
                    (true, _) => None,
                    (false, chosen) => Some(chosen.or(policy).unwrap_or(DEFAULT_GRACE)),
                };
                vault::promote(section, name, &signer.device, now, grace)?;
                latest = latest.max(grace.map_or(now, |grace| now.plus(grace)));
            }
            Ok(Edit::Changed((now, latest)))
        })?;
        let (Edit::Changed(times) | Edit::Unchanged(times)) = outcome;
        Ok(times)
    }

    /// Gives the pending values up.
    pub(crate) fn abort(&self, ui: &mut Ui) -> Result<(), CommandError> {
        let (opened, members) = self.read(ui)?;
        let with_pending: Vec<&SecretName> =
            members.iter().filter(|(_, secret)| secret.pending.is_some()).map(|(name, _)| name).collect();
        if with_pending.is_empty() {
            return Err(vault::Error::NoPending(self.names[0].clone()).into());
        }
        self.cx.change(ui, &opened, &self.change("rotate-abort"), |tx, signer, now| {
            let (section, key) = tx.profile(&self.profile, signer)?;
            for name in with_pending {
                vault::abort_pending(section, key, name, now)?;
            }
            Ok(Edit::Changed(()))
        })?;
        Ok(())
    }

    /// Has the rotator revoke every replaced value that waits for it, oldest first; with
    /// `late_at` only what was to be revoked by then. Gives how many steps that took.
    pub(crate) fn revoke(
        &self,
        ui: &mut Ui,
        rotator: Program<'_>,
        late_at: Option<Timestamp>,
    ) -> Result<usize, CommandError> {
        let chosen = |earlier: &&Earlier| late_at.is_none_or(|now| earlier.revoke_by.is_some_and(|by| by <= now));
        let mut count = 0;
        loop {
            let (opened, members) = self.read(ui)?;
            // What was replaced in one write is revoked in one step.
            let oldest =
                members.values().flat_map(Secret::to_revoke).filter(chosen).map(|earlier| earlier.retired_at).min();
            let Some(oldest) = oldest else { return Ok(count) };
            let mut versions = Vec::new();
            self.using(ui, &opened, "rotate-revoke", &rotator, |section, key| {
                let (mut revoked, mut current) = (Values::new(), Values::new());
                for (name, secret) in &members {
                    for earlier in secret.to_revoke().filter(chosen).filter(|earlier| earlier.retired_at == oldest) {
                        versions.push((name.clone(), earlier.version));
                        revoked.push((name.clone(), section.open(key, name, earlier.version, &earlier.value)?));
                    }
                    current.push((name.clone(), section.open(key, name, secret.version, &secret.value)?));
                }
                let kinds = [("revoked", revoked.as_slice()), ("current", current.as_slice())];
                let request = rotator::request(Step::Revoke, &self.profile, &self.names, &kinds)?;
                Ok(move || rotator.talk(request, rotator::MAX_ANSWER).map(drop))
            })?;
            self.mark_revoked(ui, &opened, &versions)?;
            count += 1;
        }
    }

    /// Records values as revoked.
    pub(crate) fn mark_revoked(
        &self,
        ui: &mut Ui,
        opened: &Opened,
        versions: &[(SecretName, u64)],
    ) -> Result<(), CommandError> {
        self.cx.change(ui, opened, &self.change("rotate-revoked"), |tx, signer, _| {
            let (section, _) = tx.profile(&self.profile, signer)?;
            for (name, version) in versions {
                vault::mark_revoked(section, name, *version)?;
            }
            Ok(Edit::Changed(()))
        })?;
        Ok(())
    }

    fn change(&self, action: &'static str) -> Change {
        Change::of(action, &self.profile, &self.names)
    }

    /// One exchange with the rotator: current and pending values in, an answer out.
    fn talk<T>(
        &self,
        ui: &mut Ui,
        rotator: Program<'_>,
        step: Step,
        action: &'static str,
        read: impl FnOnce(&BTreeMap<&'static str, Values>, &[u8]) -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        let (opened, members) = self.read(ui)?;
        let mut answer = None;
        self.using(ui, &opened, action, &rotator, |section, key| {
            let mut values: BTreeMap<&'static str, Values> = BTreeMap::new();
            let current = members
                .iter()
                .map(|(name, secret)| Ok((name.clone(), section.open(key, name, secret.version, &secret.value)?)));
            values.insert("current", current.collect::<Result<Values, CommandError>>()?);
            if members.values().any(|secret| secret.pending.is_some()) {
                values.insert("pending", open_pending(section, key, &members)?);
            }
            let kinds: Vec<(&str, &[(SecretName, SecretValue)])> =
                values.iter().map(|(kind, values)| (*kind, values.as_slice())).collect();
            let request = rotator::request(step, &self.profile, &self.names, &kinds)?;
            let answer = &mut answer;
            Ok(move || {
                let output = rotator.talk(request, rotator::MAX_ANSWER)?;
                // To the parser, which puts each value into memory that is wiped.
                *answer = Some(read(&values, output.reveal())?);
                Ok(())
            })
        })?;
        answer.ok_or(CommandError::Internal("no answer"))
    }

    /// Opens values for a program with the use on record, runs it, and records if it failed.
    fn using<R: FnOnce() -> Result<(), CommandError>>(
        &self,
        ui: &mut Ui,
        opened: &Opened,
        action: &'static str,
        program: &Program<'_>,
        open: impl FnOnce(&Section<'_>, &vault::crypto::ValueKey) -> Result<R, CommandError>,
    ) -> Result<(), CommandError> {
        self.cx.attempt(action, &self.profile, &self.names);
        let section = opened.vault.section(&self.profile)?;
        let actor = self.cx.actor(ui, opened)?;
        let key = self.cx.unlock(opened, &actor, &section)?;
        let mut used = Use::of(action, &section, self.names.iter().map(ToString::to_string).collect());
        used.command = Some(program.word());
        // A rotator is given names as text; only the other one has them in its environment.
        if self.verifier.is_some_and(|verifier| verifier.what == program.what) {
            used.overrides = name_overrides(self.names.iter().map(SecretName::as_str));
        }
        let (run, mut trail, receipt) = self.cx.with_use(ui, opened, &actor, &used, || open(&section, &key))?;
        if let Err(error) = run() {
            trail.failed(&used, receipt.head.sequence, error.word(), self.cx.now())?;
            self.cx.settled();
            return Err(error);
        }
        self.cx.settled();
        Ok(())
    }
}

/// The pending values of all members.
fn open_pending(
    section: &Section<'_>,
    key: &vault::crypto::ValueKey,
    members: &Members,
) -> Result<Values, CommandError> {
    let open = |(name, secret): (&SecretName, &Secret)| {
        let pending = secret.pending.as_ref().ok_or_else(|| vault::Error::NoPending(name.clone()))?;
        Ok((name.clone(), section.open(key, name, pending.version, &pending.value)?))
    };
    members.iter().map(open).collect()
}

/// The versions of the pending values of all members.
pub(crate) fn pending_versions(members: &Members) -> Result<Versions, CommandError> {
    let version = |(name, secret): (&SecretName, &Secret)| {
        let pending = secret.pending.as_ref().ok_or_else(|| vault::Error::NoPending(name.clone()))?;
        Ok((name.clone(), pending.version))
    };
    members.iter().map(version).collect()
}

/// Says what a person has to know before making a new key by hand.
pub(crate) fn say_where(ui: &mut Ui, name: &SecretName, secret: &Secret) {
    let slug = secret.provider.as_ref().map(|provider| provider.as_str());
    let Some(known) = slug.and_then(provider::by_id) else { return };
    if !known.console.is_empty() {
        ui.note(&format!("make a new key for {name} ({}) at {}", known.name, known.console));
    }
}

/// When a replaced value is to be revoked, in words.
pub(crate) fn by_when(by: Timestamp, now: Timestamp) -> String {
    if by <= now {
        return "now".to_owned();
    }
    format!("by {} ({})", local_time(by), Days::from(now, local_day).due(by))
}
