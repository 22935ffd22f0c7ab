//! The vault file: text, team log, profiles, trust, and changes that are durable or not at all.
//!
//! [`Vault::read`] accepts a file only if its team log holds; [`Vault::section`] gives
//! a profile only if its signature does. What was seen before is compared by [`Memory`].

mod accepted;
mod change;
mod copy;
mod document;
mod effective;
mod error;
mod founding;
pub mod merge;
mod name;
mod pin;
mod profile;
mod secret;
mod signature;
mod team;
mod text;
mod transaction;
mod update;

use std::collections::BTreeSet;

use crate::clock::Timestamp;
use crate::crypto::Hash;
use change::Lists;
use document::Document;

pub use accepted::Accepted;
pub use change::{Action, Change, NewDevice, Recovery, Rekeyed, Role};
pub use copy::{Target, copy_secret};
pub use document::MAX_FILE;
pub use effective::Effective;
pub use error::{Error, Kind, Rejected};
pub use founding::{Founder, found};
pub use name::{DeviceName, MemberName, NameError, ProfileName, ProviderName, SecretName};
pub use pin::{Error as PinError, Memory, Standing, Warning};
pub use profile::{Profile, Section};
pub use secret::{Earlier, Exposure, OnOverdue, Pending, PolicyFields, Removed, RotateEvery, Scope, Secret, Stage};
pub use signature::{AuditHead, Counts, SectionSignature};
pub use team::{Device, ProfileState, Team};
pub use text::{MAX_VALUE, Text, TextError, is_hostile};
pub use transaction::{Signer, Transaction};
pub(crate) use update::expose_shared;
pub use update::{
    Stored, Value, abort_pending, acknowledge, expose, mark_revoked, promote, remove, restore, store_pending,
    store_value,
};

/// Most secrets in a file, removed ones included.
pub(crate) const MAX_SECRETS: usize = 65_536;
/// Values that are kept behind the current one unless a policy says otherwise.
pub const DEFAULT_KEEP: u8 = 3;

/// A vault file whose text and team log were accepted.
pub struct Vault {
    document: Document,
    team: Team,
    /// Newest time a team change was signed at.
    newest_change: Timestamp,
    /// Of what was accepted before, what that was.
    accepted: Option<Accepted>,
}

impl Vault {
    /// Accepts `bytes` as a vault file: its layout as far as sections go, its id, its team log.
    ///
    /// `verified` are hashes of changes, by position, whose signatures were verified
    /// before; a change with another hash is verified again, so an outdated list costs
    /// time and nothing else.
    ///
    /// # Errors
    /// [`Rejected`], of the kinds up to `profiles`.
    pub fn read(bytes: Vec<u8>, verified: &[Hash]) -> Result<Self, Rejected> {
        let document = Document::parse(bytes)?;
        let rejected = |rejected| document::diagnose(document.text().as_bytes(), rejected);
        let (mut team, mut lists, mut newest_change) = (Team::default(), Lists::default(), None);
        for (n, (text, before)) in document.changes().enumerate() {
            // Lines are counted only for an error: every change is read on every start.
            let read = team.read(text, 0, &mut lists, |hash| verified.get(n) == Some(hash)).map_err(|mut error| {
                error.line = error.line.map(|line| line + before.count());
                rejected(error)
            })?;
            if n == 0 && change::founding_id(text) != Some(document.id()) {
                return Err(Rejected::new(Kind::Id));
            }
            newest_change = newest_change.max(Some(read.at));
        }
        // Layout demands one change at least.
        let newest_change = newest_change.ok_or(Rejected::new(Kind::Layout))?;
        if !document.profile_names().eq(team.profiles().keys()) {
            let there: BTreeSet<_> = document.profile_names().collect();
            let known: BTreeSet<_> = team.profiles().keys().collect();
            let odd = there.symmetric_difference(&known).next().map(|profile| ProfileName::clone(profile));
            return Err(Rejected { profile: odd, ..Rejected::new(Kind::Profiles) });
        }
        Ok(Self { document, team, newest_change, accepted: None })
    }

    /// The id that bytes claim in their third line, unverified: enough to refuse
    /// another vault at a known place before anything is computed.
    #[must_use]
    pub fn claimed_id(bytes: &[u8]) -> Option<Hash> {
        let line = bytes.split(|&byte| byte == b'\n').nth(2)?;
        std::str::from_utf8(line.strip_prefix(b"id = \"")?.strip_suffix(b"\"")?).ok()?.parse().ok()
    }

    /// The vault's id: the root of trust.
    #[must_use]
    pub fn id(&self) -> Hash {
        self.document.id()
    }

    /// The team.
    #[must_use]
    pub fn team(&self) -> &Team {
        &self.team
    }

    /// The team as it was after its first changes.
    pub(crate) fn team_after(&self, changes: usize) -> Team {
        let (mut team, mut lists) = (Team::default(), Lists::default());
        for (text, _) in self.document.changes().take(changes) {
            // Each was verified before, or there would be no vault.
            let _ = team.read(text, 0, &mut lists, |_| true);
        }
        team
    }

    /// The team after each change from the one at position `from` on.
    pub(crate) fn teams_since(&self, from: usize) -> impl Iterator<Item = Team> {
        let (mut team, mut lists) = (self.team_after(from), Lists::default());
        self.document.changes().skip(from).map(move |(text, _)| {
            // Each was verified before, or there would be no vault.
            let _ = team.read(text, 0, &mut lists, |_| true);
            team.clone()
        })
    }

    /// The changes of the team, in order.
    pub fn changes(&self) -> impl Iterator<Item = Change> {
        // Each was read before, or there would be no vault.
        let mut lists = Lists::default();
        self.document
            .changes()
            .filter_map(move |(text, _)| change::SignedChange::read_known(text, &mut lists).ok())
            .map(|read| read.change)
    }

    /// The file's bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.document.text().as_bytes()
    }

    /// Verifies a profile's section and gives it.
    ///
    /// # Errors
    /// [`Error::NoProfile`], or [`Rejected`].
    pub fn section(&self, profile: &ProfileName) -> Result<Section<'_>, Error> {
        let (text, before) = self.document.profile(profile).ok_or_else(|| Error::NoProfile(profile.clone()))?;
        let section = self.against(profile).and_then(|against| Section::read(&against, profile, text, before));
        section.map_err(|rejected| document::diagnose(self.bytes(), rejected).into())
    }

    /// The profile and those it extends, in the order in which a name is looked up.
    ///
    /// # Errors
    /// [`Error::NoProfile`].
    pub fn lineage(&self, profile: &ProfileName) -> Result<Vec<ProfileName>, Error> {
        let mut order = Vec::new();
        // Depth first, parents in order: a stack that is filled in reverse. The team
        // log has no cycles, and a profile met again adds no names.
        let mut open = vec![profile];
        let mut seen = BTreeSet::new();
        while let Some(name) = open.pop() {
            let state = self.team.profiles().get(name).ok_or_else(|| Error::NoProfile(name.clone()))?;
            if seen.insert(name) {
                order.push(name.clone());
                open.extend(state.extends.iter().rev());
            }
        }
        Ok(order)
    }

    /// The newest time that anything in the team log or in `sections` was signed at.
    pub fn newest_signed<'a>(&'a self, sections: impl Iterator<Item = &'a Section<'a>>) -> Timestamp {
        sections.map(|section| section.signature().at).fold(self.newest_change, Timestamp::max)
    }

    /// Checks everything that needs no identity: every profile, every secret, every bound.
    /// Gives all that is wrong, not only the first.
    #[must_use]
    pub fn check(&self) -> Vec<Rejected> {
        let mut findings: Vec<Rejected> = self.document.check_lines().err().into_iter().collect();
        let mut secrets = 0;
        for profile in self.team.profiles().keys() {
            let Some((text, before)) = self.document.profile(profile) else { continue };
            match self.against(profile).and_then(|against| Section::read(&against, profile, text, before)) {
                Err(rejected) => findings.push(rejected),
                Ok(section) => {
                    secrets += section.len();
                    match section.removed() {
                        Ok(removed) => secrets += removed.len(),
                        Err(rejected) => findings.push(rejected),
                    }
                    findings.extend(section.secrets().filter_map(Result::err));
                }
            }
        }
        if secrets > MAX_SECRETS {
            findings.push(Rejected::new(Kind::Bounds));
        }
        findings.into_iter().map(|rejected| document::diagnose(self.bytes(), rejected)).collect()
    }

    /// Number of secrets in a profile, removed ones included, by their headers alone.
    fn secrets_in(&self, profile: &ProfileName) -> usize {
        let Some((text, _)) = self.document.profile(profile) else { return 0 };
        let count = |kind: &str| {
            let header = format!("\n[profile.{profile}.{kind}.");
            memchr::memmem::find_iter(text.as_bytes(), header.as_bytes()).count()
        };
        count("secret") + count("removed")
    }

    /// The text of every section, in order: team changes, then profiles.
    fn sections(&self) -> (impl Iterator<Item = &str>, impl Iterator<Item = (&ProfileName, &str)>) {
        let changes = self.document.changes().map(|(text, _)| text);
        let profiles =
            self.document.profile_names().filter_map(|name| self.document.profile(name).map(|(text, _)| (name, text)));
        (changes, profiles)
    }
}
