//! What the agent holds, and what it does with it. Time is an argument: seconds on a clock
//! that goes on while the machine sleeps.

use zeroize::Zeroizing;

use super::message::{Request, Status, answer, encode_holding};
use super::secret::HeldSecret;
use super::{AgentError, Holding, Limit};
use crate::crypto::{self, Hash, IdentityKey, PublicKey, Recipient, statement};

/// Most identities that are held at once.
const MAX_HELD: usize = 16;

/// An identity and what it may be used for.
#[derive(Debug)]
struct Held {
    secret: HeldSecret,
    recipient: Recipient,
    signing_key: PublicKey,
    until: u64,
    limits: Option<Vec<Limit>>,
}

/// Every identity that is held.
#[derive(Debug, Default)]
pub(super) struct Ring(Vec<Held>);

/// An answer on its way; it may carry a data key.
pub(super) type Answer = Zeroizing<Vec<u8>>;

impl Ring {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Wipes what is not to be held any longer; true if there was any.
    pub(super) fn expire(&mut self, now: u64) -> bool {
        let before = self.0.len();
        self.0.retain(|held| held.until > now);
        self.0.len() < before
    }

    /// When the next identity's time is up.
    pub(super) fn next(&self) -> Option<u64> {
        self.0.iter().map(|held| held.until).min()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Does what a request asks for, but for locking and for signing sections.
    pub(super) fn act(&mut self, request: &Request, now: u64) -> Answer {
        self.expire(now);
        let done = match request {
            Request::Holds => Ok(self.holds(now)),
            Request::Hold { identity, seconds, limits } => self.hold(identity.reveal(), now + seconds, limits.clone()),
            Request::Unwrap { recipient, limit, wrapped } => {
                // What is asked for must be one of the keys that were unlocked; the commitment
                // then makes sure that it is this one which comes out.
                self.unlocked(recipient, |allowed| allowed == limit).and_then(|identity| {
                    let key = wrapped.unwrap_with(&identity, &limit.profile, limit.epoch, &limit.commitment);
                    key.map(|key| answer(Status::Done, &[key.reveal()])).map_err(|error| match error {
                        crypto::Error::Commitment => Status::Commitment,
                        _ => Status::DoesNotOpen,
                    })
                })
            }
            Request::AuditKey { recipient, vault, device, epoch, key } => {
                self.unlocked(recipient, |allowed| allowed.vault == *vault).map(|identity| {
                    let signature = identity.signing_key().sign(&statement::audit_key(vault, device, *epoch, key));
                    answer(Status::Done, &[signature.as_bytes()])
                })
            }
            Request::Section { .. } | Request::Lock => Err(Status::Refused),
        };
        done.unwrap_or_else(|status| answer(status, &[]))
    }

    /// Whether a section of this profile may be signed: before its text is taken.
    pub(super) fn may_sign(&self, recipient: &Recipient, vault: &Hash, profile: &str) -> Result<(), Status> {
        self.unlocked(recipient, |allowed| allowed.vault == *vault && allowed.profile == profile).map(drop)
    }

    /// Signs a section, by the hash of its text.
    pub(super) fn sign_section(
        &mut self,
        recipient: &Recipient,
        vault: &Hash,
        profile: &str,
        text: &Hash,
        now: u64,
    ) -> Answer {
        self.expire(now);
        match self.unlocked(recipient, |allowed| allowed.vault == *vault && allowed.profile == profile) {
            Ok(identity) => {
                let signature = identity.signing_key().sign(&statement::section(vault, text));
                answer(Status::Done, &[signature.as_bytes()])
            }
            Err(status) => answer(status, &[]),
        }
    }

    fn holds(&self, now: u64) -> Answer {
        let lines: Vec<Vec<u8>> = self
            .0
            .iter()
            .map(|held| {
                encode_holding(&Holding {
                    recipient: held.recipient.clone(),
                    signing_key: held.signing_key,
                    left: held.until - now,
                    limits: held
                        .limits
                        .as_ref()
                        .map(|limits| limits.iter().map(|limit| (limit.vault, limit.profile.clone())).collect()),
                })
            })
            .collect();
        answer(Status::Done, &lines.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    fn hold(&mut self, text: &[u8], until: u64, limits: Option<Vec<Limit>>) -> Result<Answer, Status> {
        let identity = std::str::from_utf8(text).ok().and_then(|text| IdentityKey::parse(text).ok());
        let identity = identity.ok_or(Status::Refused)?;
        let recipient = identity.recipient();
        self.0.retain(|held| held.recipient != recipient);
        if self.0.len() >= MAX_HELD {
            return Err(Status::Refused);
        }
        let secret = HeldSecret::new(&identity).map_err(|error| match error {
            AgentError::MemoryLock => Status::MemoryLock,
            _ => Status::Refused,
        })?;
        let signing_key = identity.signing_key().public();
        self.0.push(Held { secret, recipient, signing_key, until, limits });
        Ok(answer(Status::Done, &[]))
    }

    /// The identity, if it is held and unlocked for something that `wanted` takes.
    fn unlocked(&self, recipient: &Recipient, wanted: impl Fn(&Limit) -> bool) -> Result<IdentityKey, Status> {
        let held = self.0.iter().find(|held| held.recipient == *recipient).ok_or(Status::NotHeld)?;
        if held.limits.as_ref().is_some_and(|limits| !limits.iter().any(wanted)) {
            return Err(Status::NotUnlocked);
        }
        held.secret.identity().ok_or(Status::Refused)
    }
}
