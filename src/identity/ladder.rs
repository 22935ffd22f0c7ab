//! The search for this device's identity: rungs in order, the first hit wins.
//!
//! A rung that is not set up, or whose file is not there although nobody named
//! it for this command, lets the search go on. Everything else that goes wrong
//! ends it: a broken identity is never passed over for another one.

use std::fmt;
use std::path::Path;
use std::rc::Rc;

use super::agent::{self, Agent, AgentError, Session};
use super::file::{IdentityFile, SealedFile, read_text};
use super::passphrase::{Prompt, can_be_had, passphrase};
use super::unlocked::Unlocked;
use super::{Error, Keyring, Origin, SixWords};
use crate::clock::Timestamp;
use crate::config::{Directories, KeptIn, Settings, Variables};
#[cfg(feature = "ssh")]
use crate::crypto::SshKey;
use crate::crypto::{IdentityKey, PublicKey, Recipient, SealedIdentity};
use crate::secret_value::SecretValue;
use crate::store;

/// What a search goes by.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The file given by `--identity`.
    pub flag: Option<&'a Path>,
    /// The environment.
    pub variables: &'a Variables,
    /// Where the default identity file is.
    pub directories: &'a Directories,
    /// The local configuration.
    pub settings: &'a Settings,
    /// The agent, where it may be used.
    pub agent: Option<&'a Agent>,
    /// Which identities are of use; any is, where there is no vault.
    pub devices: Option<Devices<'a>>,
    /// The sealed identities that the vault file carries and that are to be
    /// considered. The recovery device belongs here only for its own commands.
    pub slots: &'a [Slot],
    /// The device whose sealed identity is meant; without it, any that opens.
    pub device: Option<&'a str>,
}

impl Request<'_> {
    fn is_wanted(&self, recipient: &Recipient) -> bool {
        self.devices.is_none_or(|devices| (devices.0)(recipient))
    }
}

/// Whether a recipient is a device of the vault at hand.
#[derive(Clone, Copy)]
pub struct Devices<'a>(pub &'a dyn Fn(&Recipient) -> bool);

impl fmt::Debug for Devices<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Devices")
    }
}

/// A sealed identity in the vault file.
#[derive(Clone, Debug)]
pub struct Slot {
    /// The device's name.
    pub device: String,
    /// Its recipient.
    pub recipient: Recipient,
    /// Its signing key.
    pub signing_key: PublicKey,
    /// The seal.
    pub sealed: SealedIdentity,
}

/// A rung of the search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// `--identity`.
    Flag,
    /// `VLT_IDENTITY_FILE`.
    FileVariable,
    /// `VLT_IDENTITY`.
    Variable,
    /// The agent.
    Agent,
    /// What the configuration names, or the default identity file.
    Configuration,
    /// A sealed identity in the vault file.
    VaultFile,
}

/// What became of a rung.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Here it is.
    Used,
    /// Nothing was said about this source.
    NotConfigured,
    /// The source is where it should be looked for, and there is nothing.
    Absent,
    /// There would be something, but it was not opened.
    NotTried(NotTried),
    /// The agent's time was up.
    TimeUp(Timestamp),
    /// The search ended here with this error.
    Failed(String),
    /// The search ended before.
    NotReached,
}

/// Why a sealed identity in the vault file was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotTried {
    /// No variable names a passphrase and nobody can be asked.
    NoPassphrase,
    /// The agent holds none of this vault.
    OtherVaults,
}

/// A rung and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The rung.
    pub source: Source,
    /// What it looked at, where that is known.
    pub origin: Option<Origin>,
    /// What became of it.
    pub outcome: Outcome,
}

/// The identity that was found: `T` is what came of opening it.
#[derive(Debug)]
pub struct Found<T> {
    /// The identity.
    pub identity: T,
    /// The rung that had it.
    pub source: Source,
    /// What it was read from.
    pub origin: Origin,
}

/// A search explained, without anything having been opened.
#[derive(Debug)]
pub struct Search {
    /// Every rung, in order.
    pub steps: Vec<Step>,
    /// The public halves of what would be used.
    pub found: Option<(Recipient, PublicKey)>,
    /// Where that is.
    pub origin: Option<Origin>,
    /// What the search would fail with, where there is something that cannot be used.
    pub failed: Option<Error>,
}

impl Search {
    /// The rung whose identity would be used.
    #[must_use]
    pub fn used(&self) -> Option<Source> {
        self.steps.iter().find(|step| step.outcome == Outcome::Used).map(|step| step.source)
    }
}

/// Finds this device's identity, opens it if it is sealed, or leaves it with the agent
/// that holds it. `prompt` asks for a passphrase; without it nothing ever waits for a person.
///
/// # Errors
/// [`Error::None`] with the steps if no rung had one; otherwise the error of
/// the rung that failed.
pub fn find(request: &Request<'_>, prompt: Option<&mut Prompt<'_>>) -> Result<Found<Rc<dyn Unlocked>>, Error> {
    let found = search(request, prompt, |held, open| {
        Ok(match held {
            Held::Agent(session) => Rc::new(session) as Rc<dyn Unlocked>,
            #[cfg(feature = "ssh")]
            Held::Ssh(key) => Rc::new(key),
            held => Rc::new(open(held)?),
        })
    });
    // Why nothing is unlocked any more, where nobody can be asked instead.
    match (found, request.agent) {
        (Err(Error::NoPassphrase { label }), Some(agent)) => Err(match agent::time_was_up(agent.directory()) {
            Some(at) => Error::TimeUp { at, label },
            None => Error::NoPassphrase { label },
        }),
        (found, _) => found,
    }
}

/// As [`find`], and never the agent's: for what needs the identity itself.
///
/// # Errors
/// As [`find`].
pub fn find_in_hand(request: &Request<'_>, prompt: Option<&mut Prompt<'_>>) -> Result<Found<IdentityKey>, Error> {
    search(&Request { agent: None, ..*request }, prompt, |held, open| open(held))
}

fn search<T>(
    request: &Request<'_>,
    prompt: Option<&mut Prompt<'_>>,
    take: impl FnOnce(Held, &mut dyn FnMut(Held) -> Result<IdentityKey, Error>) -> Result<T, Error>,
) -> Result<Found<T>, Error> {
    let means = Means {
        person: prompt.is_some(),
        passphrase: can_be_had(request.variables, prompt.is_some()),
        explains: false,
    };
    let mut prompt = prompt;
    let open = |held: Held, origin: &Origin| {
        #[cfg(feature = "ssh")]
        let held = match held {
            Held::Ssh(key) if key.is_sealed() => {
                let label = format!("passphrase for {origin}");
                let opened = key.open(&passphrase(request.variables, prompt.take(), &label)?);
                Held::Ssh(opened.map_err(|_| Error::DoesNotOpen { origin: origin.clone() })?)
            }
            held => held,
        };
        take(held, &mut |held| match held {
            Held::Plain(identity) => Ok(identity),
            // Nobody is asked for the passphrase of one that is of no use.
            Held::Sealed(sealed) if !request.is_wanted(&sealed.recipient) => {
                Err(Error::NoDevice { origin: origin.clone() })
            }
            Held::Sealed(sealed) => {
                let label = format!("passphrase for {origin}");
                sealed.open(&passphrase(request.variables, prompt.take(), &label)?, origin)
            }
            Held::Carried(slots) => {
                // Where nobody sees it but who typed it, a word may be suggested.
                let typed = !can_be_had(request.variables, false);
                let label = format!("passphrase for {origin}");
                let passphrase = passphrase(request.variables, prompt.take(), &label)?;
                let passphrase = SixWords::parse(&passphrase, typed)?.as_passphrase();
                let opened = slots.iter().map(|slot| slot.sealed.open(&passphrase, &slot.recipient, &slot.signing_key));
                opened.filter_map(Result::ok).next().ok_or_else(|| Error::DoesNotOpen { origin: origin.clone() })
            }
            Held::Agent(_) => Err(AgentError::Refused.into()),
            #[cfg(feature = "ssh")]
            Held::Ssh(_) => Err(Error::SshSignsNothing),
        })
    };
    let (steps, found) = climb(request, means, open);
    match found {
        Some(Ok((identity, source, origin))) => Ok(Found { identity, source, origin }),
        Some(Err(error)) => Err(error),
        None => Err(Error::None { steps }),
    }
}

/// The public halves of the identity that [`find`] would use, without opening
/// anything or asking anybody. `None` also where the search would fail.
#[must_use]
pub fn find_public(request: &Request<'_>) -> Option<(Recipient, PublicKey)> {
    explain(request, true).found
}

/// What [`find`] would do, without opening anything. `can_prompt` says whether
/// it would have somebody to ask.
#[must_use]
pub fn explain(request: &Request<'_>, can_prompt: bool) -> Search {
    // Nobody is asked: an explanation is no reason to put up the keyring's prompt for long.
    let means = Means { person: false, passphrase: can_be_had(request.variables, can_prompt), explains: true };
    let (steps, found) = climb(request, means, |held, _| Ok(held.public()));
    let (found, origin, failed) = match found {
        Some(Ok((public, _, origin))) => (public, Some(origin), None),
        Some(Err(error)) => (None, None, Some(error)),
        None => (None, None, None),
    };
    Search { steps, found, origin, failed }
}

/// What can be had while looking at rungs.
#[derive(Clone, Copy)]
struct Means {
    /// Somebody who answers when the keyring asks.
    person: bool,
    /// A passphrase, typed or from a variable.
    passphrase: bool,
    /// Only an explanation is wanted.
    explains: bool,
}

/// What a rung holds.
enum Held {
    Plain(IdentityKey),
    Sealed(SealedFile),
    /// Opened only where reading is all that is wanted.
    #[cfg(feature = "ssh")]
    Ssh(SshKey),
    Agent(Session),
    /// In the vault file; one at least.
    Carried(Vec<Slot>),
}

impl Held {
    /// `None` while it is open which of several it is.
    fn public(self) -> Option<(Recipient, PublicKey)> {
        match self {
            Self::Plain(identity) => Some((identity.recipient(), identity.signing_key().public())),
            Self::Sealed(sealed) => Some((sealed.recipient, sealed.signing_key)),
            #[cfg(feature = "ssh")]
            Self::Ssh(_) => None,
            Self::Agent(session) => Some((session.holding().recipient.clone(), session.holding().signing_key)),
            Self::Carried(slots) => match <[Slot; 1]>::try_from(slots) {
                Ok([slot]) => Some((slot.recipient, slot.signing_key)),
                Err(_) => None,
            },
        }
    }
}

/// What looking at a rung gives.
enum Rung {
    NotConfigured,
    Absent(Origin),
    NotTried(NotTried),
    TimeUp(Timestamp),
    Failed(Origin, Error),
    Here(Origin, Held),
}

/// How a rung is looked at.
type Look = fn(&Request<'_>, Means) -> Rung;

const RUNGS: [(Source, Look); 6] = [
    (Source::Flag, |request, _| request.flag.map_or(Rung::NotConfigured, named_file)),
    (Source::FileVariable, |request, _| {
        request.variables.identity_file().map_or(Rung::NotConfigured, |p| named_file(&p))
    }),
    (Source::Variable, |request, _| look_at_variable(request)),
    (Source::Agent, look_at_agent),
    (Source::Configuration, look_at_configuration),
    (Source::VaultFile, look_at_slots),
];

type Climbed<T> = Option<Result<(T, Source, Origin), Error>>;

fn climb<T>(
    request: &Request<'_>,
    means: Means,
    open: impl FnOnce(Held, &Origin) -> Result<T, Error>,
) -> (Vec<Step>, Climbed<T>) {
    let mut steps = Vec::with_capacity(RUNGS.len());
    let mut rungs = RUNGS.into_iter();
    let mut hit = None;
    for (source, look) in rungs.by_ref() {
        let (origin, outcome) = match look(request, means) {
            Rung::NotConfigured => (None, Outcome::NotConfigured),
            Rung::Absent(origin) => (Some(origin), Outcome::Absent),
            Rung::NotTried(why) => (None, Outcome::NotTried(why)),
            Rung::TimeUp(at) => (None, Outcome::TimeUp(at)),
            Rung::Failed(origin, error) => {
                hit = Some((source, origin, Err(error)));
                break;
            }
            Rung::Here(origin, held) => {
                hit = Some((source, origin, Ok(held)));
                break;
            }
        };
        steps.push(Step { source, origin, outcome });
    }
    let end = hit.map(|(source, origin, held)| {
        let opened = held.and_then(|held| open(held, &origin));
        let outcome = opened.as_ref().map_or_else(|error| Outcome::Failed(error.to_string()), |_| Outcome::Used);
        steps.push(Step { source, origin: Some(origin.clone()), outcome });
        opened.map(|opened| (opened, source, origin))
    });
    steps.extend(rungs.map(|(source, _)| Step { source, origin: None, outcome: Outcome::NotReached }));
    (steps, end)
}

/// A file that was named for this command: missing is an error.
fn named_file(path: &Path) -> Rung {
    let origin = Origin::File(path.to_path_buf());
    match read_text(path).and_then(|text| held(&text, &origin)) {
        Ok(held) => Rung::Here(origin, held),
        Err(error) => Rung::Failed(origin, error),
    }
}

/// What a text is: it goes through the parser of identity files, or that of keys of ssh, and
/// nowhere else.
fn held(text: &SecretValue, origin: &Origin) -> Result<Held, Error> {
    #[cfg(feature = "ssh")]
    if SshKey::is_one(text.reveal()) {
        return Ok(Held::Ssh(SshKey::parse(text.reveal())?));
    }
    IdentityFile::parse(text.reveal(), origin).map(Held::from)
}

fn look_at_variable(request: &Request<'_>) -> Rung {
    let Some(text) = request.variables.identity() else { return Rung::NotConfigured };
    match held(&text, &Origin::Variable) {
        Ok(held) => Rung::Here(Origin::Variable, held),
        Err(error) => Rung::Failed(Origin::Variable, error),
    }
}

fn look_at_agent(request: &Request<'_>, means: Means) -> Rung {
    let Some(agent) = request.agent else { return Rung::NotConfigured };
    let origin = || Origin::Agent(agent.directory().to_path_buf());
    match agent.holdings() {
        Ok(None) if means.explains => agent::time_was_up(agent.directory()).map_or(Rung::NotConfigured, Rung::TimeUp),
        Ok(None) => Rung::NotConfigured,
        Ok(Some(holdings)) => match holdings.into_iter().find(|holding| request.is_wanted(&holding.recipient)) {
            Some(holding) => Rung::Here(origin(), Held::Agent(agent.session(holding))),
            None => Rung::NotTried(NotTried::OtherVaults),
        },
        Err(error) => Rung::Failed(origin(), error.into()),
    }
}

fn look_at_configuration(request: &Request<'_>, means: Means) -> Rung {
    let path = match request.settings.identity() {
        Some(KeptIn::Keyring) => return look_at_keyring(means),
        Some(KeptIn::File(path)) => path.clone(),
        None => request.directories.config.join("identity"),
    };
    match named_file(&path) {
        Rung::Failed(origin, Error::Store(store::Error::Missing { .. })) => Rung::Absent(origin),
        other => other,
    }
}

fn look_at_keyring(means: Means) -> Rung {
    let text = match Keyring::new(means.person).read() {
        Ok(Some(text)) => text,
        Ok(None) => return Rung::Absent(Origin::Keyring),
        Err(error) => return Rung::Failed(Origin::Keyring, error.into()),
    };
    // The text goes through the parser of identity files and nowhere else.
    match IdentityFile::parse(text.reveal(), &Origin::Keyring) {
        Ok(file) => Rung::Here(Origin::Keyring, file.into()),
        Err(error) => Rung::Failed(Origin::Keyring, error),
    }
}

fn look_at_slots(request: &Request<'_>, means: Means) -> Rung {
    let meant = |slot: &&Slot| request.device.is_none_or(|device| slot.device == device);
    let slots: Vec<Slot> = request.slots.iter().filter(meant).cloned().collect();
    let names: Vec<&str> = slots.iter().map(|slot| slot.device.as_str()).collect();
    match (request.device, &names[..]) {
        (_, []) if request.slots.is_empty() => Rung::NotConfigured,
        (device, []) => Rung::Absent(Origin::Device(device.unwrap_or_default().to_owned())),
        _ if !means.passphrase => Rung::NotTried(NotTried::NoPassphrase),
        (_, names) => Rung::Here(Origin::Device(names.join(" or ")), Held::Carried(slots)),
    }
}

impl From<IdentityFile> for Held {
    fn from(file: IdentityFile) -> Self {
        match file {
            IdentityFile::Plain(identity) => Self::Plain(identity),
            IdentityFile::Sealed(sealed) => Self::Sealed(sealed),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Flag => "--identity",
            Self::FileVariable => "VLT_IDENTITY_FILE",
            Self::Variable => "VLT_IDENTITY",
            Self::Agent => "agent",
            Self::Configuration => "configuration",
            Self::VaultFile => "vault file",
        })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Used => f.write_str("used"),
            Self::NotConfigured => f.write_str("not set"),
            Self::Absent => f.write_str("not there"),
            Self::NotTried(NotTried::NoPassphrase) => {
                f.write_str("sealed, and there is no passphrase and nobody to ask for it")
            }
            Self::NotTried(NotTried::OtherVaults) => f.write_str("it holds no identity of this vault"),
            Self::TimeUp(at) => write!(f, "its time was up at {at}"),
            Self::Failed(reason) => f.write_str(reason),
            Self::NotReached => f.write_str("not reached"),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.source)?;
        match (&self.origin, &self.outcome) {
            // An error names its origin itself.
            (Some(origin), Outcome::Used | Outcome::Absent) => write!(f, "{origin}: {}", self.outcome),
            (_, outcome) => write!(f, "{outcome}"),
        }
    }
}

/// Steps for a message: `--identity: not set; configuration: …`.
pub(super) struct Tried<'a>(pub(super) &'a [Step]);

impl fmt::Display for Tried<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{step}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
