//! This device's identity: where it is kept, how it is unlocked, and the search for it.

pub mod agent;
mod code;
mod descriptor;
mod file;
pub mod kept;
mod keyring;
mod ladder;
mod passphrase;
mod replacement;
mod unlocked;
mod words;

use std::fmt;
use std::path::PathBuf;

use crate::{config, crypto, store};

pub use code::RecoveryCode;
pub use file::{IdentityFile, SealedFile, plain_text, sealed_text, write_plain, write_sealed};
pub use keyring::{Keyring, KeyringError};
pub use ladder::{
    Devices, Found, NotTried, Outcome, Request, Search, Slot, Source, Step, explain, find, find_in_hand, find_public,
};
pub use passphrase::{Prompt, PromptError, can_be_had, passphrase};
pub use replacement::Replacement;
pub use unlocked::{AuditKey, Grant, Unlocked};
pub use words::SixWords;

/// Why there is no identity. Lines of identity files are named by number and
/// never shown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written, or is not private.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A variable could not be read.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// A cryptographic operation failed.
    #[error(transparent)]
    Crypto(#[from] crypto::Error),
    /// A line that is neither a comment nor an age identity.
    #[error("{origin} line {line}: not an age identity")]
    NotIdentity {
        /// What was read.
        origin: Origin,
        /// Counted from 1.
        line: usize,
    },
    /// A kind of identity that this build cannot use.
    #[error("{origin} line {line}: {kind}")]
    Unsupported {
        /// What was read.
        origin: Origin,
        /// Counted from 1.
        line: usize,
        /// What stands there.
        kind: Unsupported,
    },
    /// A second identity: a device has one.
    #[error("{origin} line {line}: a second identity")]
    SecondIdentity {
        /// What was read.
        origin: Origin,
        /// Counted from 1.
        line: usize,
    },
    /// Of no use here: the vault knows it as no device.
    #[error("the identity in {origin} belongs to no device of the vault")]
    NoDevice {
        /// What was read.
        origin: Origin,
    },
    /// Nothing but comments.
    #[error("{origin} holds no identity")]
    Empty {
        /// What was read.
        origin: Origin,
    },
    /// Begins as a sealed identity and goes on otherwise.
    #[error("{origin} line {line}: not a sealed identity as vault writes it")]
    NotSealed {
        /// What was read.
        origin: Origin,
        /// Counted from 1.
        line: usize,
    },
    /// Wrong passphrase, or a damaged sealed identity: deliberately one error.
    #[error("cannot open {origin}: wrong passphrase, or damaged")]
    DoesNotOpen {
        /// What was to be opened.
        origin: Origin,
    },
    /// A passphrase is needed, no variable says where it is, and nobody can be asked.
    #[error("no {label}: neither VLT_PASSPHRASE_FD nor VLT_PASSPHRASE_FILE is set, and nobody can be asked")]
    NoPassphrase {
        /// What it is for: `passphrase for …`.
        label: String,
    },
    /// The passphrase was to come from standard input, output or error.
    #[error("VLT_PASSPHRASE_FD must be 3 or more")]
    StandardDescriptor,
    /// The descriptor could not be read.
    #[error("cannot read descriptor {number} of VLT_PASSPHRASE_FD: {}", Plain(reason))]
    Descriptor {
        /// The descriptor.
        number: u32,
        /// What the system said.
        reason: std::io::Error,
    },
    /// No line within the bound.
    #[error("the passphrase from {from} is longer than {max} bytes")]
    LongPassphrase {
        /// The variable that named it.
        from: &'static str,
        /// The bound.
        max: usize,
    },
    /// Nothing before the end or the first newline.
    #[error("the passphrase from {from} is empty")]
    EmptyPassphrase {
        /// The variable that named it, or `the terminal`.
        from: &'static str,
    },
    /// Nobody answered.
    #[error(transparent)]
    Prompt(#[from] PromptError),
    /// An identity is needed, and a key of ssh is there.
    #[cfg(feature = "ssh")]
    #[error("a key of ssh can only read")]
    SshSignsNothing,
    /// The agent, which runs, did not do what it was asked for.
    #[error(transparent)]
    Agent(#[from] agent::AgentError),
    /// As [`Error::NoPassphrase`], after the agent had it unlocked.
    #[error(
        "the agent's time was up at {at}, and there is no {label}: neither VLT_PASSPHRASE_FD nor VLT_PASSPHRASE_FILE is set, and nobody can be asked"
    )]
    TimeUp {
        /// When.
        at: crate::clock::Timestamp,
        /// What it is for: `passphrase for …`.
        label: String,
    },
    /// The keyring, which the configuration names, gave nothing.
    #[error(transparent)]
    Keyring(#[from] KeyringError),
    /// Every source was tried.
    #[error("no identity found ({})", ladder::Tried(steps))]
    None {
        /// What was tried, in order.
        steps: Vec<Step>,
    },
    /// Not six words.
    #[error("the passphrase of a sealed identity is six words, not {found}")]
    WordCount {
        /// How many there were.
        found: usize,
    },
    /// A word that is not on the list.
    #[error("word {word} of the passphrase is not on the list{}", Near(*near))]
    Word {
        /// 1 to 6.
        word: usize,
        /// One that is, and differs little from it; only for who typed it.
        near: Option<&'static str>,
    },
    /// Not 32 characters.
    #[error("a recovery code is 8 groups of 4 characters")]
    CodeLength,
    /// A group whose check does not match: mistyped, or in another's place.
    #[error("group {group} of the recovery code is mistyped")]
    CodeGroup {
        /// 1 to 8.
        group: usize,
    },
}

/// What an identity is read from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// An identity file.
    File(PathBuf),
    /// The text of `VLT_IDENTITY`.
    Variable,
    /// The agent, by the directory of its socket.
    Agent(PathBuf),
    /// The system's keyring.
    Keyring,
    /// The sealed identity of a device, carried in the vault file; where there are
    /// several, whichever opens.
    Device(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable => f.write_str("VLT_IDENTITY"),
            Self::Agent(directory) => write!(f, "the agent in {}", directory.display()),
            Self::Keyring => f.write_str("the keyring"),
            Self::Device(name) => write!(f, "the sealed identity of {name}"),
        }
    }
}

/// What stands where an age X25519 identity should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unsupported {
    /// `AGE-PLUGIN-…`.
    Plugin,
    /// `AGE-SECRET-KEY-PQ-1…`.
    PostQuantum,
    /// An age file, as `age --passphrase` writes over a key file.
    AgeFile,
    /// A PEM block.
    SshKey,
    /// `age1…`: the public half.
    Recipient,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plugin => "an identity of an age plugin, which cannot sign",
            Self::PostQuantum => "a post-quantum identity, which this build does not support",
            Self::AgeFile => "a file encrypted by age; decrypt it, or seal the identity with vault",
            Self::SshKey => "an SSH key or other PEM block, not an age identity",
            Self::Recipient => "a recipient, the public half of an identity",
        })
    }
}

/// What may have been meant.
struct Near(Option<&'static str>);

impl fmt::Display for Near {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |near| write!(f, "; near it is `{near}`"))
    }
}

/// The system's words in our notation: lower case, without the number.
struct Plain<'a>(&'a std::io::Error);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        f.write_str(&text.split(" (os error").next().unwrap_or_default().to_lowercase())
    }
}
