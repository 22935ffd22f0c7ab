//! Pairs every use and every change of a secret with its audit record, so that order
//! and failure are decided in one place.
//!
//! A use: the record is written, values are opened while it is flushed, and nothing
//! leaves this process before the flush. A change: lock the vault, record the intent,
//! change, replace the file, remember it, record how it ended. No record, no use.

use vault::audit::{self, Anchor, Event, Log, Origin, Outcome, Receipt};
use vault::clock::Timestamp;
use vault::crypto::Hash;
use vault::identity::Unlocked;
use vault::{AuditHead, DeviceName, ProfileName, SecretName, Section, Signer, Transaction, Vault, store};

use super::context::{Actor, Context, Opened, read_vault};
use super::error::CommandError;
use super::exit::Exit;
use super::time::Newest;
use super::ui::Ui;
use super::{anchors, origin, sink, standing};

/// Values from which on opening them takes longer than starting a thread: some 0.1 ms.
const WORTH_A_THREAD: usize = 100;

/// What is being tried; becomes a record if it is refused.
#[derive(Clone)]
pub(super) struct Attempt {
    action: String,
    /// True if other failures go on record too: a value or a change was asked for.
    in_full: bool,
    profile: Option<ProfileName>,
    names: Vec<String>,
}

/// A change to be made.
pub(crate) struct Change {
    action: &'static str,
    /// `None` for changes of the team.
    profile: Option<ProfileName>,
    names: Vec<String>,
    pub(crate) overrides: Vec<String>,
    /// It changes the team, which the agent does not sign.
    of_team: bool,
    /// It is only tried: refused as it would be, and neither made nor recorded.
    dry: bool,
}

impl Change {
    pub(crate) fn of(action: &'static str, profile: &ProfileName, names: &[SecretName]) -> Self {
        let names = names.iter().map(ToString::to_string).collect();
        Self { action, profile: Some(profile.clone()), names, overrides: Vec::new(), of_team: false, dry: false }
    }

    /// A change of the team; `about` are the members or devices it is about.
    pub(crate) fn team(action: &'static str, about: &[&str]) -> Self {
        let names = about.iter().map(ToString::to_string).collect();
        Self { action, profile: None, names, overrides: Vec::new(), of_team: true, dry: false }
    }

    /// A change of the team that is about a profile.
    pub(crate) fn in_team(self) -> Self {
        Self { of_team: true, ..self }
    }

    /// For `--dry-run`: everything but writing and recording.
    pub(crate) fn only_tried(self, dry: bool) -> Self {
        Self { dry, ..self }
    }
}

/// How names that change how programs run, and were allowed, read in the log.
pub(crate) fn name_overrides<'n>(names: impl Iterator<Item = &'n str>) -> Vec<String> {
    let dangerous = names.filter(|name| vault::exec::names::changes_how_programs_run(name));
    dangerous.map(|name| format!("allow-name:{name}")).collect()
}

/// How an edit ended.
pub(crate) enum Edit<T> {
    /// There is something to write.
    Changed(T),
    /// The file is as it should be already.
    Unchanged(T),
}

/// A use of values that is about to happen.
pub(crate) struct Use {
    pub(crate) action: &'static str,
    pub(crate) profile: Option<ProfileName>,
    pub(crate) names: Vec<String>,
    pub(crate) command: Option<String>,
    pub(crate) overrides: Vec<String>,
    pub(crate) reason: Option<String>,
    pub(crate) clock: vault::Counts,
    /// Who signed the profile last, and the record that this signature names.
    signed: (DeviceName, Option<Anchor>),
}

impl Use {
    pub(crate) fn of(action: &'static str, section: &Section<'_>, names: Vec<String>) -> Self {
        Self {
            action,
            profile: Some(section.name().clone()),
            names,
            command: None,
            overrides: Vec::new(),
            reason: None,
            clock: section.signature().clock.clone(),
            signed: (section.signature().by.clone(), anchors::in_section(section)),
        }
    }

    fn event(&self, outcome: Outcome) -> Event {
        Event {
            profile: self.profile.as_ref().map(ToString::to_string),
            names: self.names.clone(),
            command: self.command.clone(),
            overrides: self.overrides.clone(),
            reason: self.reason.clone(),
            clock: self.clock.iter().map(|(device, count)| (device.to_string(), *count)).collect(),
            ..Event::new(self.action, outcome)
        }
    }
}

/// The audit log of the acting device, with what every record says of who and where.
pub(crate) struct Trail<'a> {
    log: Log,
    origin: Origin,
    /// Certifies the log's keys, once an identity was opened.
    identity: Option<&'a dyn Unlocked>,
}

impl Trail<'_> {
    /// Writes a record without waiting for the medium.
    pub(crate) fn begin(&mut self, used: &Use, now: Timestamp) -> Result<audit::Pending<'_>, CommandError> {
        let Self { log, origin, identity } = self;
        // The device signs, here or through the agent, only for the few records that introduce a key.
        let certify = identity.map(|identity| |epoch: &audit::EpochKey| epoch.certify_by(identity));
        let certifier = certify.as_ref().map(|certify| certify as &audit::Certifier<'_>);
        Ok(log.append(&used.event(Outcome::Done), origin, now, certifier)?)
    }

    fn record(&mut self, event: &Event, now: Timestamp) -> Result<Receipt, CommandError> {
        let Self { log, origin, identity } = self;
        // The device signs, here or through the agent, only for the few records that introduce a key.
        let certify = identity.map(|identity| |epoch: &audit::EpochKey| epoch.certify_by(identity));
        let certifier = certify.as_ref().map(|certify| certify as &audit::Certifier<'_>);
        Ok(log.record(event, origin, now, certifier)?)
    }

    /// Says what profiles tell of this log.
    pub(crate) fn anchored(self, known: Option<Anchor>) -> Self {
        match known {
            Some(known) => Self { log: self.log.anchored(known), ..self },
            None => self,
        }
    }

    /// As [`Self::anchored`], where it is cheap only because the first record of a device
    /// is yet to come: a log that does not begin with what is known would be begun again.
    fn anchored_if_new(self, known: impl FnOnce() -> Option<Anchor>) -> Result<Self, CommandError> {
        if self.log.head()?.is_none() { Ok(self.anchored(known())) } else { Ok(self) }
    }

    /// Begins a new log in place of one that was changed or removed.
    pub(crate) fn begin_again(
        &mut self,
        reason: &str,
        wrong: Option<audit::Kind>,
        now: Timestamp,
    ) -> Result<audit::Head, CommandError> {
        let Self { log, origin, identity } = self;
        let certify = identity.map(|identity| |epoch: &audit::EpochKey| epoch.certify_by(identity));
        let certifier = certify.as_ref().map(|certify| certify as &audit::Certifier<'_>);
        Ok(log.begin_again(reason, wrong, origin, now, certifier)?.head)
    }

    /// Records that a use which was on record did not happen after all.
    pub(crate) fn failed(&mut self, used: &Use, of: u64, why: &str, now: Timestamp) -> Result<(), CommandError> {
        let event = Event { of: Some(of), reason: Some(why.to_owned()), ..used.event(Outcome::Failed) };
        self.record(&event, now).map(drop)
    }
}

impl Context {
    /// Says what is being tried; should it be refused, that goes on record.
    pub(crate) fn attempt(&self, action: &'static str, profile: &ProfileName, names: &[SecretName]) {
        let names = names.iter().map(ToString::to_string).collect();
        let action = action.to_owned();
        self.attempt.replace(Some(Attempt { action, in_full: true, profile: Some(profile.clone()), names }));
    }

    /// Says which command runs, until it says more itself: a file that is not trusted, an
    /// identity that is not there or a lack of rights goes on record whatever the command.
    pub(crate) fn attempt_command(&self, name: &str) {
        self.attempt.replace(Some(Attempt {
            action: name.to_owned(),
            in_full: false,
            profile: self.globals.profile.clone(),
            names: Vec::new(),
        }));
    }

    /// As [`Context::attempt`], of a change that [`Context::change_as`] is to make.
    pub(crate) fn attempt_change(&self, change: &Change) {
        self.attempt.replace(Some(Attempt {
            action: change.action.to_owned(),
            in_full: true,
            profile: change.profile.clone(),
            names: change.names.clone(),
        }));
    }

    /// Says that how it ended is on record already.
    pub(crate) fn settled(&self) {
        self.attempt.replace(None);
    }

    /// The audit log of a device for a vault.
    pub(crate) fn trail<'a>(
        &self,
        id: &Hash,
        device: Option<&DeviceName>,
        member: Option<String>,
        identity: Option<&'a dyn Unlocked>,
    ) -> Result<Trail<'a>, CommandError> {
        let place = self.audit_place(id, device);
        let mut log = Log::new(place, self.globals.lock_timeout())?;
        if let Some(machine) = origin::machine(id) {
            log = log.on_machine(machine);
        }
        if let Some(sink) = self.variables.audit() {
            log = log.with_sink(sink::open(&sink)?);
        }
        Ok(Trail { log, origin: self.origin(member), identity })
    }

    /// Where the log of a device is kept.
    pub(crate) fn audit_place(&self, id: &Hash, device: Option<&DeviceName>) -> audit::Place {
        let state_directory = self.directories().vault_state(&id.to_string()).join("audit");
        let directory = match self.settings().audit_dir() {
            Some(shared) => shared.join(id.to_string()),
            None => state_directory.clone(),
        };
        audit::Place { vault: *id, device: device.map(ToString::to_string), directory, state_directory }
    }

    fn trail_of<'a>(&self, opened: &Opened, actor: &'a Actor) -> Result<Trail<'a>, CommandError> {
        let member = opened.vault.team().devices().get(&actor.device).map(|device| device.member.to_string());
        self.trail(&opened.vault.id(), Some(&actor.device), member, Some(&*actor.identity))
    }

    /// Runs `open` with the record of the use on its way to the medium, and gives what it
    /// opened once the record is there. Nothing is given if either fails.
    pub(crate) fn with_use<'a, T>(
        &self,
        ui: &mut Ui,
        opened: &Opened,
        actor: &'a Actor,
        used: &Use,
        open: impl FnOnce() -> Result<T, CommandError>,
    ) -> Result<(T, Trail<'a>, Receipt), CommandError> {
        let (by, named) = &used.signed;
        let known = named.clone().filter(|_| *by == actor.device);
        let mut trail = self.trail_of(opened, actor)?.anchored(known);
        let pending = trail.begin(used, self.now())?;
        anchors::warn(ui, pending.begun());
        let sequence = pending.head().sequence;
        // The flush waits for the disk, opening for the processor: both at once, where
        // there is so much to open that it takes longer than starting a thread.
        let (flushed, values) = if used.names.len() < WORTH_A_THREAD {
            (pending.flush(), open())
        } else {
            let (flushed, values) = std::thread::scope(|scope| {
                let flush = scope.spawn(|| pending.flush());
                let values = open();
                (flush.join(), values)
            });
            (flushed.map_err(|_| CommandError::Internal("the audit flush panicked"))?, values)
        };
        let receipt = flushed?;
        match values {
            Ok(values) => Ok((values, trail, receipt)),
            Err(error) => {
                trail.failed(used, sequence, error.word(), self.now())?;
                self.settled();
                Err(error)
            }
        }
    }

    /// Changes the vault: lock, intent, edit, replace, remember, done.
    pub(crate) fn change<T>(
        &self,
        ui: &mut Ui,
        opened: &Opened,
        change: &Change,
        edit: impl FnOnce(&mut Transaction, &Signer<'_>, Timestamp) -> Result<Edit<T>, CommandError>,
    ) -> Result<Edit<T>, CommandError> {
        self.attempt_change(change);
        let actor = if change.of_team { self.actor_in_hand(ui, opened)? } else { self.actor(ui, opened)? };
        self.change_as(ui, &actor, opened, change, edit)
    }

    /// Writes into a device's log how it stands with a change that another device's log has in full: the number of
    /// the record.
    pub(crate) fn record_beside(
        &self,
        opened: &Opened,
        actor: &Actor,
        change: &Change,
        outcome: Outcome,
        of: Option<u64>,
    ) -> Result<u64, CommandError> {
        let event = Event { names: change.names.clone(), of, ..Event::new(change.action, outcome) };
        Ok(self.trail_of(opened, actor)?.record(&event, self.now())?.head.sequence)
    }

    /// As [`Context::change`], by somebody who is known already.
    pub(crate) fn change_as<T>(
        &self,
        ui: &mut Ui,
        actor: &Actor,
        opened: &Opened,
        change: &Change,
        edit: impl FnOnce(&mut Transaction, &Signer<'_>, Timestamp) -> Result<Edit<T>, CommandError>,
    ) -> Result<Edit<T>, CommandError> {
        let mut memory = opened.memory.borrow_mut();
        let mut tx = Transaction::begin(&opened.path, memory.verified(), self.globals.lock_timeout())?;
        // The file may have been replaced since it was opened; with a memory that has seen
        // nothing yet, only the id tells.
        if tx.vault().id() != opened.vault.id() {
            return Err(CommandError::OtherVault { path: opened.path.clone(), known: opened.vault.id() });
        }
        let before = all_sections(tx.vault())?;
        let elsewhere = standing::check(&opened.path, tx.vault(), &before, &memory)?;
        let signer = Signer { device: actor.device.clone(), identity: &*actor.identity };
        // What is signed now says when, and a value how old it is.
        if !self.clock_said.get() {
            Newest::signed(tx.vault(), &before).say(self, ui, tx.vault());
        }
        if change.dry {
            let edit = edit(&mut tx, &signer, self.now())?;
            self.attempt.replace(None);
            return Ok(edit);
        }
        let known = anchors::of_device(&before, &actor.device);
        // The change has to be remembered afterwards; where that cannot be, it is not made.
        store::create_private_dir_all(&opened.state)?;
        rustix::fs::access(&opened.state, rustix::fs::Access::WRITE_OK).map_err(|errno| store::Error::Io {
            action: "write",
            path: opened.state.clone(),
            reason: errno.into(),
        })?;
        let now = self.now();
        let mut trail = self.trail_of(opened, actor)?.anchored(known);
        let event = |outcome| Event {
            profile: change.profile.as_ref().map(ToString::to_string),
            names: change.names.clone(),
            overrides: change.overrides.clone(),
            ..Event::new(change.action, outcome)
        };
        let intent = trail.record(&event(Outcome::Intent), now)?;
        anchors::warn(ui, intent.begun);
        let intent = intent.head;
        let head = AuditHead { sequence: intent.sequence, hash: intent.hash };
        let result = edit(&mut tx, &signer, now).and_then(|edit| match edit {
            Edit::Unchanged(value) => Ok((Edit::Unchanged(value), None)),
            Edit::Changed(value) => {
                let written = tx.commit(&signer, &memory, Some(head), now)?;
                Ok((Edit::Changed(value), Some(written)))
            }
        });
        self.attempt.replace(None);
        let of = Some(intent.sequence);
        let (edit, written) = match result {
            Ok(done) => done,
            Err(error) => {
                let failed = Event { of, reason: Some(error.word().to_owned()), ..event(Outcome::Failed) };
                trail.record(&failed, self.now())?;
                return Err(error);
            }
        };
        // A crash from here on leaves the new file; the next command learns it as newer
        // than what was seen, and the intent reads "unknown".
        let mut clock = vault::Counts::new();
        if let Some(written) = &written {
            let sections = all_sections(written)?;
            let sections: Vec<&Section<'_>> = sections.iter().collect();
            // Beside the newest write seen, this one's number is used up all the same.
            if !elsewhere.is_empty() {
                memory.reserve(
                    &sections
                        .iter()
                        .copied()
                        .filter(|section| section.signature().by == actor.device)
                        .collect::<Vec<_>>(),
                );
            }
            if memory.learn(written, &sections, &[]) | !elsewhere.is_empty() {
                memory.save(&opened.state, self.globals.lock_timeout()).map_err(vault::Error::from)?;
            }
            if let Some(section) = sections.iter().find(|section| Some(section.name()) == change.profile.as_ref()) {
                clock.clone_from(&section.signature().clock);
            }
        }
        let clock = clock.iter().map(|(device, count)| (device.to_string(), *count)).collect();
        let reason = written.is_none().then(|| "unchanged".to_owned());
        trail.record(&Event { of, clock, reason, ..event(Outcome::Done) }, self.now())?;
        if written.is_some() {
            standing::say(ui, &elsewhere);
            super::git::install_where_missing(ui, &opened.path);
        }
        Ok(edit)
    }

    /// Signs a merge: intent for each profile, sign, keep, done. `keep` is handed what was
    /// signed and puts it where it belongs. No profile at all stands for the team.
    pub(crate) fn sign_merge(
        &self,
        opened: &Opened,
        actor: &Actor,
        profiles: &[ProfileName],
        sign: impl FnOnce(&Signer<'_>, &vault::Memory, AuditHead, Timestamp) -> Result<Vault, CommandError>,
        keep: impl FnOnce(&Vault) -> Result<(), CommandError>,
    ) -> Result<(), CommandError> {
        let known = || anchors::of_device(&all_sections(&opened.vault).ok()?, &actor.device);
        let mut trail = self.trail_of(opened, actor)?.anchored_if_new(known)?;
        let now = self.now();
        let mut intents = Vec::new();
        let subjects: Vec<Option<&ProfileName>> =
            if profiles.is_empty() { vec![None] } else { profiles.iter().map(Some).collect() };
        let event = |subject: Option<&ProfileName>, outcome| Event {
            profile: subject.map(ToString::to_string),
            names: if subject.is_none() { vec!["@team".to_owned()] } else { Vec::new() },
            ..Event::new("merge", outcome)
        };
        for subject in &subjects {
            intents.push(trail.record(&event(*subject, Outcome::Intent), now)?.head);
        }
        let last = intents.last().ok_or(CommandError::Internal("a merge is about something"))?;
        let head = AuditHead { sequence: last.sequence, hash: last.hash };
        let signer = Signer { device: actor.device.clone(), identity: &*actor.identity };
        let mut memory = opened.memory.borrow_mut();
        let result = sign(&signer, &memory, head, now).and_then(|written| {
            // A merge may be given up after this; its number is then not used again.
            let sections = if profiles.is_empty() {
                all_sections(&written)?
            } else {
                profiles.iter().map(|profile| written.section(profile)).collect::<Result<Vec<_>, _>>()?
            };
            memory.reserve(&sections.iter().collect::<Vec<_>>());
            memory.save(&opened.state, self.globals.lock_timeout()).map_err(vault::Error::from)?;
            keep(&written)
        });
        for (subject, intent) in subjects.into_iter().zip(&intents) {
            let of = Some(intent.sequence);
            let ended = match &result {
                Ok(()) => Event { of, ..event(subject, Outcome::Done) },
                Err(error) => Event { of, reason: Some(error.word().to_owned()), ..event(subject, Outcome::Failed) },
            };
            trail.record(&ended, self.now())?;
        }
        result
    }

    /// Records something that needs no value and no write: trusting a place, founding.
    pub(crate) fn note_event(
        &self,
        id: &Hash,
        device: Option<&DeviceName>,
        identity: Option<&dyn Unlocked>,
        event: &Event,
    ) -> Result<AuditHead, CommandError> {
        let member = self.member.borrow().clone();
        let head = self.trail(id, device, member, identity)?.record(event, self.now())?.head;
        Ok(AuditHead { sequence: head.sequence, hash: head.hash })
    }

    /// Records a refusal, if what was tried is something that goes on record and the
    /// vault of this place is a trusted one.
    pub(crate) fn record_refusal(&self, error: &CommandError) -> Result<(), CommandError> {
        let (Some(attempt), Some(id)) = (self.attempt.take(), self.known.get()) else { return Ok(()) };
        // Wrong usage is no refusal: nothing was tried.
        let refused = matches!(error.exit(), Exit::Locked | Exit::Untrusted | Exit::Forbidden);
        let tried = attempt.in_full && error.exit() != Exit::Usage;
        if matches!(error, CommandError::Audit(_)) || !(tried || refused) {
            return Ok(());
        }
        let event = Event {
            profile: attempt.profile.map(|profile| profile.to_string()),
            names: attempt.names,
            reason: Some(error.word().to_owned()),
            ..Event::new(attempt.action, Outcome::Refused)
        };
        let device = self.acting.borrow().clone();
        let known = || anchors::of_device(&all_sections(&self.trusted_vault(&id)?).ok()?, device.as_ref()?);
        let trail = self.trail(&id, device.as_ref(), self.member.borrow().clone(), None)?;
        trail.anchored_if_new(known)?.record(&event, self.now()).map(drop)
    }

    /// The vault of this place once more, if it is the one that was trusted.
    fn trusted_vault(&self, id: &Hash) -> Option<Vault> {
        let bytes = read_vault(&self.vault_path().ok()?.0).ok()?;
        Vault::read(bytes, &[]).ok().filter(|vault| vault.id() == *id)
    }
}

pub(crate) fn all_sections(vault: &Vault) -> Result<Vec<Section<'_>>, CommandError> {
    vault.team().profiles().keys().map(|profile| Ok(vault.section(profile)?)).collect()
}
