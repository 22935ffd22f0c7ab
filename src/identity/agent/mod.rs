//! The agent: a process of this user that holds unlocked identities until their time is up.
//!
//! It opens grants and signs what is no change of the team (`message` has every request
//! there is). It never gives an identity out. Whoever may talk to it runs as this user; what
//! such a program gets from it is what was unlocked, and nothing else.
//!
//! One connection carries one request and its answer.

mod client;
mod held;
mod message;
mod secret;
mod serve;

use std::path::{Path, PathBuf};

use crate::clock::Timestamp;
use crate::config::{Directories, Variables};
use crate::crypto::{Commitment, Hash, PublicKey, Recipient};

pub use client::{Agent, Session};
pub use serve::serve;

/// Longest time an identity is held, in seconds: 30 days.
pub const MAX_SECONDS: u64 = crate::config::MAX_AGENT_FOR;
/// Most profiles that one unlocking can be limited to.
pub const MAX_PROFILES: usize = 64;
/// The name of the socket in its directory.
const SOCKET: &str = "agent.sock";
/// Beside the socket: made when time is up, taken away by the next unlocking or locking.
const TIME_UP: &str = "time-is-up";

/// Why the agent did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AgentError {
    /// Its directory is open to others, or not ours.
    #[error("{} is not a directory of yours alone, so no agent there is trusted", .0.display())]
    Directory(PathBuf),
    /// The socket belongs to a process of somebody else.
    #[error("what listens at {} is another user's", .0.display())]
    Stranger(PathBuf),
    /// The system refused.
    #[error("cannot talk to the agent: {}", super::Plain(.0))]
    Io(std::io::Error),
    /// No answer in time, or half of one.
    #[error("the agent does not answer")]
    NoAnswer,
    /// An answer that is none of ours.
    #[error("the agent does not speak as this version of vault does")]
    OtherVersion,
    /// The identity is not held, or no longer.
    #[error("the agent does not hold this identity any more: its time was up, or it was locked")]
    NotHeld,
    /// The profile, or this key of it, was not unlocked.
    #[error("the agent was not unlocked for profile {profile} as it is now")]
    NotUnlocked {
        /// The profile.
        profile: String,
    },
    /// It refused what no request of ours is.
    #[error("the agent refused the request")]
    Refused,
    /// It did not come up.
    #[error("the agent did not start: {reason}")]
    NotStarted {
        /// Why, where that is known.
        reason: String,
    },
    /// Memory cannot be kept from being swapped.
    #[error("the system does not let memory be locked, so an identity could be written to swap")]
    MemoryLock,
}

/// A key of a profile that an unlocking is limited to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The vault's id.
    pub vault: Hash,
    /// The profile.
    pub profile: String,
    /// Its epoch.
    pub epoch: u64,
    /// What the team log commits to: another key of it, and another vault's, stay closed.
    pub commitment: Commitment,
}

/// What an agent tells of an identity it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// The public half.
    pub recipient: Recipient,
    /// The public half of its signing key.
    pub signing_key: PublicKey,
    /// Seconds until its time is up.
    pub left: u64,
    /// The profiles it is unlocked for, with the vault's id; `None` for all there are.
    pub limits: Option<Vec<(Hash, String)>>,
}

/// Where this user's agent is: below `XDG_RUNTIME_DIR` where that is a directory of ours, else
/// below the state directory, which is as private and only slower to be cleared.
#[must_use]
pub fn directory(variables: &Variables, directories: &Directories) -> PathBuf {
    match variables.xdg_runtime_dir().filter(|base| is_ours(base)) {
        Some(base) => base.join("vault"),
        None => directories.state.join("agent"),
    }
}

/// When the agent's time was up, if that is how it last ended.
#[must_use]
pub fn time_was_up(directory: &Path) -> Option<Timestamp> {
    let found = rustix::fs::lstat(directory.join(TIME_UP)).ok()?;
    #[allow(clippy::useless_conversion, reason = "narrower on some systems")]
    Timestamp::from_seconds(i64::from(found.st_mtime))
}

/// True if a directory is ours and nobody else can look into it.
fn is_private(directory: &Path) -> bool {
    is_ours_without(directory, 0o077)
}

/// True if a directory is ours and nobody else can put anything into it: not so where
/// `su` kept the variable of somebody else.
fn is_ours(directory: &Path) -> bool {
    is_ours_without(directory, 0o022)
}

fn is_ours_without(directory: &Path, bits: u32) -> bool {
    rustix::fs::lstat(directory).is_ok_and(|found| {
        #[allow(clippy::useless_conversion, reason = "narrower on macOS")]
        let mode = u32::from(rustix::fs::Mode::from_raw_mode(found.st_mode).bits());
        rustix::fs::FileType::from_raw_mode(found.st_mode).is_dir()
            && found.st_uid == rustix::process::geteuid().as_raw()
            && mode & bits == 0
    })
}
