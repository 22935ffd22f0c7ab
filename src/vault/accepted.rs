//! What was accepted of a file for one profile, so that using it again costs the same in every
//! team.
//!
//! Accepting a section takes the whole team log, the names of all who hold a grant, and a memory
//! that grows with both; and what comes of it stays the same until the file or the memory
//! changes. So it is kept: where the text is that a device uses, with its digest, and of the
//! team what a use asks for. It holds for one state of either, by their stamps. Whatever a stamp
//! says, text counts only as it was accepted: who could forge one would show what was shown before.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::crypto::{Hash, Hasher, Recipient};
use crate::store::{self, Stamp};

use super::Vault;
use super::document::{Document, MAX_FILE};
use super::error::{Kind, Rejected};
use super::name::{DeviceName, MemberName, ProfileName};
use super::pin::{self, Memory};
use super::profile::{Against, Section};
use super::team::{Device, ProfileState, Team};

const VERSION: &str = env!("CARGO_PKG_VERSION");
const MAX_REMEMBERED: u64 = 1 << 20;
/// States of a file that are remembered: two worktrees have two, and are used in turn.
const MAX_STATES: usize = 4;
/// Characters of the hash of a recipient that tell it from others.
const MARK: usize = 8;

/// What was accepted of one state of a file, for one profile.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Accepted {
    /// Of the program that accepted it: another one may have other rules.
    version: String,
    id: Hash,
    file: Stamp,
    /// State of the memory that the file was compared with.
    memory: Stamp,
    /// True if the memory has seen a newer one, and said so.
    is_behind: bool,
    /// Newest time that anything of it was signed at.
    newest: Timestamp,
    /// Who used it.
    device: DeviceName,
    member: MemberName,
    recipient: String,
    added_at: Timestamp,
    /// The beginning of the hash of every recipient in the team, one behind the other.
    recipients: String,
    /// The profile and those it extends.
    profiles: BTreeMap<ProfileName, Part>,
    /// Hash of their text, one behind the other.
    text: Hash,
}

/// A section, and what the team log says of its profile.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Part {
    epoch: u64,
    commitment: String,
    extends: Vec<ProfileName>,
    /// Where in the file the text is that the device uses, in bytes.
    ranges: Vec<Range<u64>>,
    /// Hash of the signed text, which has more grants.
    digest: Hash,
}

impl Accepted {
    /// Finds what was accepted for a profile of the file in its present state, with the memory in
    /// its. `None` for whatever does not fit: the file says more.
    #[must_use]
    pub fn find(file: &Path, state: &Path, profile: &ProfileName) -> Option<Self> {
        let known = read(&path(state, profile));
        let (file, memory) = (Stamp::of(file)?, Stamp::of(&state.join(pin::FILE))?);
        known.into_iter().find(|known| known.version == VERSION && known.file == file && known.memory == memory)
    }

    /// True if a newer one was seen before, of which was warned.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.is_behind
    }

    /// The device that used it.
    #[must_use]
    pub fn device(&self) -> &DeviceName {
        &self.device
    }

    /// Newest time that anything of it was signed at.
    #[must_use]
    pub fn newest(&self) -> Timestamp {
        self.newest
    }

    /// Remembers what a device used of a file that was read whole in the state of `file`, settled
    /// then: if the memory has nothing new to say or to learn of it, and cannot change any more
    /// without another stamp.
    ///
    /// # Errors
    /// [`pin::Error`]; nothing is lost by it.
    pub fn remember(
        vault: &Vault,
        sections: &[Section<'_>],
        device: &DeviceName,
        file: Stamp,
        memory: &Memory,
        state: &Path,
        now: Duration,
    ) -> Result<(), pin::Error> {
        let Some(profile) = sections.first().map(Section::name) else { return Ok(()) };
        let newest = vault.newest_signed(sections.iter()).seconds();
        let is_ahead = u64::try_from(newest).is_ok_and(|newest| newest > now.as_secs());
        let seen: Vec<&Section<'_>> = sections.iter().collect();
        let standing = memory.compare(vault, &seen)?;
        if is_ahead || !standing.fresh.is_empty() || memory.clone().learn(vault, &seen, &[]) {
            return Ok(());
        }
        let _lock = store::Lock::acquire(state, Duration::ZERO)?;
        let Some(stamp) = Stamp::of(&state.join(pin::FILE)).filter(|stamp| stamp.is_settled(now)) else {
            return Ok(());
        };
        if Memory::load(state, vault.id())? != *memory {
            return Ok(());
        }
        let is_behind = !standing.warnings.is_empty();
        let Some(accepted) = Self::of(vault, sections, device, (file, stamp), is_behind) else { return Ok(()) };
        let path = path(state, profile);
        let mut states = read(&path);
        if states.contains(&accepted) {
            return Ok(());
        }
        // Another memory does not come back.
        states.retain(|other| other.memory == stamp && other.file != file);
        states.insert(0, accepted);
        states.truncate(MAX_STATES);
        let bytes = serde_json::to_vec(&states).map_err(|_| pin::Error::Damaged(path.clone()))?;
        Ok(store::replace_unflushed(&path, &bytes)?)
    }

    /// `None` for recovery.
    fn of(
        vault: &Vault,
        sections: &[Section<'_>],
        device: &DeviceName,
        (file, memory): (Stamp, Stamp),
        is_behind: bool,
    ) -> Option<Self> {
        let team = vault.team();
        let own = team.devices().get(device)?;
        let starts: BTreeMap<&ProfileName, usize> = vault.document.profile_starts().collect();
        let part = |section: &Section<'_>| {
            let state = team.profiles().get(section.name())?;
            let start = *starts.get(section.name())?;
            let in_file = |range: Range<usize>| (start + range.start) as u64..(start + range.end) as u64;
            let part = Part {
                epoch: state.epoch,
                commitment: state.commitment.to_string(),
                extends: state.extends.clone(),
                ranges: section.used_by(device)?.map(in_file).into(),
                digest: section.digest(),
            };
            Some((section.name().clone(), part))
        };
        let profiles: BTreeMap<_, _> = sections.iter().map(part).collect::<Option<_>>()?;
        let mut text = Hasher::default();
        for range in profiles.values().flat_map(|part: &Part| &part.ranges) {
            text.update(&vault.bytes()[usize::try_from(range.start).ok()?..usize::try_from(range.end).ok()?]);
        }
        let active = team.devices().values().filter(|device| device.active).map(|device| &device.recipient);
        let recipients = active.chain(team.recovery().map(|recovery| &recovery.recipient));
        Some(Self {
            version: VERSION.to_owned(),
            id: vault.id(),
            file,
            memory,
            is_behind,
            newest: vault.newest_signed(sections.iter()),
            device: device.clone(),
            member: own.member.clone(),
            recipient: own.recipient.to_string(),
            added_at: own.added_at,
            recipients: recipients.map(mark).collect(),
            profiles,
            text: text.finish(),
        })
    }

    /// Its text. `None` if the file is in another state, or the text is another one all the same.
    fn read_text(&self, file: &Path) -> Option<String> {
        let ranges: Vec<Range<u64>> = self.profiles.values().flat_map(|part| part.ranges.clone()).collect();
        let text = store::read_ranges(file, MAX_FILE, &self.file, &ranges).ok()??;
        String::from_utf8(text).ok().filter(|text| Hash::of(text.as_bytes()) == self.text)
    }

    /// The part of the team that is in it.
    fn team(&self) -> Option<Team> {
        let device = Device {
            member: self.member.clone(),
            recipient: Recipient::of_known(&self.recipient),
            signing_key: None,
            added_at: self.added_at,
            sealed: None,
            active: true,
        };
        let state = |(n, (name, part)): (usize, (&ProfileName, &Part))| {
            let (commitment, number) = (part.commitment.parse().ok()?, u16::try_from(n).ok()?);
            Some((name.clone(), ProfileState { epoch: part.epoch, commitment, extends: part.extends.clone(), number }))
        };
        let profiles: Vec<_> = self.profiles.iter().enumerate().map(state).collect::<Option<_>>()?;
        Some(Team::excerpt((self.device.clone(), device), profiles.into_iter()))
    }
}

impl Vault {
    /// Reads from a file what was accepted of it. `None` for anything that does not hold: the
    /// whole file says why.
    #[must_use]
    pub fn read_accepted(file: &Path, accepted: Accepted) -> Option<Self> {
        let text = accepted.read_text(file)?;
        // Each range is within the file, or there would be no text.
        let length = |part: &Part| part.ranges.iter().map(|range| range.end - range.start).sum::<u64>();
        let lengths = accepted.profiles.iter().map(|(name, part)| Some((name, usize::try_from(length(part)).ok()?)));
        let lengths: Vec<(&ProfileName, usize)> = lengths.collect::<Option<_>>()?;
        let document = Document::of_sections(accepted.id, text, lengths.into_iter())?;
        let (team, newest_change) = (accepted.team()?, accepted.newest);
        Some(Self { document, team, newest_change, accepted: Some(accepted) })
    }

    /// True if this is what was accepted of a file before: some of its profiles, and of its team
    /// what a use of them asks for. What is missing here may be in the file.
    #[must_use]
    pub fn is_excerpt(&self) -> bool {
        self.accepted.is_some()
    }

    /// True if a recipient is an active device or recovery. Of an excerpt: if it may be one.
    #[must_use]
    pub fn may_have(&self, recipient: &Recipient) -> bool {
        match &self.accepted {
            None => self.team.device_of(recipient).is_some(),
            Some(accepted) => {
                let mark = mark(recipient);
                accepted.recipients.as_bytes().chunks(MARK).any(|known| known == mark.as_bytes())
            }
        }
    }

    /// What a section of this profile has to be.
    pub(super) fn against(&self, profile: &ProfileName) -> Result<Against<'_>, Rejected> {
        match &self.accepted {
            None => Ok(Against::Team { id: self.document.id(), team: &self.team }),
            Some(accepted) => {
                let part = accepted.profiles.get(profile).ok_or(Rejected::new(Kind::Profiles))?;
                Ok(Against::Accepted { digest: part.digest })
            }
        }
    }
}

fn path(state: &Path, profile: &ProfileName) -> PathBuf {
    state.join(format!("accepted-{profile}.json"))
}

/// What is remembered; nothing for what cannot be read.
fn read(path: &Path) -> Vec<Accepted> {
    store::read_private(path, MAX_REMEMBERED)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default()
}

fn mark(recipient: &Recipient) -> String {
    let mut mark = Hash::of(recipient.as_str().as_bytes()).to_string();
    mark.truncate(MARK);
    mark
}
