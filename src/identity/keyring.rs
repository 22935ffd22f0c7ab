//! The system's keyring: the Secret Service over D-Bus on Linux, the Keychain on macOS.
//!
//! It holds the text of an identity file, plain or sealed, as one entry. Nothing here runs
//! unless the configuration says `keyring` or somebody asks to move the identity: D-Bus is
//! contacted at no other time. What is asked of it runs on a thread that is not waited for
//! longer than agreed: a keyring may put up a prompt that nobody sees.

use std::time::Duration;

use crate::secret_value::SecretValue;

/// How long a keyring may take that somebody can unlock when it asks.
const WITH_PERSON: Duration = Duration::from_secs(60);
/// How long it may take otherwise.
const ALONE: Duration = Duration::from_secs(10);

/// Why the keyring gave or took nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// Built without the feature `os-keyring`.
    #[error("this build of vault has no support for the system's keyring")]
    Unsupported,
    /// No D-Bus, or no keyring on it.
    #[error("the system's keyring cannot be reached: {reason}")]
    Unreachable {
        /// What its library said, in one line.
        reason: String,
    },
    /// Locked and not unlocked; or there is no default collection to keep things in.
    #[error("the keyring is locked")]
    Locked,
    /// No answer in time.
    #[error("the keyring did not answer within {seconds} s; it may be locked and asking where nobody sees it")]
    NoAnswer {
        /// The time it was given.
        seconds: u64,
    },
    /// Several entries of this name.
    #[error("the keyring holds several identities of vault")]
    Several,
    /// Anything else.
    #[error("the keyring failed: {reason}")]
    Failed {
        /// What its library said, in one line.
        reason: String,
    },
}

/// The system's keyring.
#[derive(Clone, Copy, Debug)]
pub struct Keyring {
    patience: Duration,
}

impl Keyring {
    /// The keyring; `with_person` says whether somebody is there to unlock it when it asks.
    #[must_use]
    pub fn new(with_person: bool) -> Self {
        Self { patience: if with_person { WITH_PERSON } else { ALONE } }
    }

    /// The text that is kept there, if any.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub fn read(self) -> Result<Option<SecretValue>, KeyringError> {
        system::read(self.patience)
    }

    /// Keeps `text` there, in place of what was there.
    ///
    /// # Errors
    /// [`KeyringError`]. After [`KeyringError::NoAnswer`] it may be there all the same.
    pub fn write(self, text: &SecretValue) -> Result<(), KeyringError> {
        system::write(text, self.patience)
    }

    /// Removes what is kept there, if anything is.
    ///
    /// # Errors
    /// [`KeyringError`].
    pub fn remove(self) -> Result<(), KeyringError> {
        system::remove(self.patience)
    }
}

#[cfg(feature = "os-keyring")]
mod system {
    use std::sync::mpsc::{self, RecvTimeoutError};
    use std::time::Duration;

    use keyring::{Entry, Error};
    use zeroize::Zeroizing;

    use super::{KeyringError, SecretValue};

    /// The entry's attributes `service` and `username`; its label is made of both.
    const SERVICE: &str = "vault-identity";
    const USER: &str = "this-device";

    pub(super) fn read(patience: Duration) -> Result<Option<SecretValue>, KeyringError> {
        or_none(ask(patience, |entry| entry.get_secret().map(SecretValue::new)))
    }

    pub(super) fn write(text: &SecretValue, patience: Duration) -> Result<(), KeyringError> {
        // The text goes to the keyring and nowhere else.
        let text = Zeroizing::new(text.reveal().to_vec());
        ask(patience, move |entry| entry.set_secret(&text)).map_err(|failure| failure.unwrap_or_else(vanished))
    }

    pub(super) fn remove(patience: Duration) -> Result<(), KeyringError> {
        or_none(ask(patience, Entry::delete_credential)).map(drop)
    }

    /// Why something failed; `None` if there is no such entry.
    type Failure = Option<KeyringError>;

    fn or_none<T>(answer: Result<T, Failure>) -> Result<Option<T>, KeyringError> {
        match answer {
            Ok(found) => Ok(Some(found)),
            Err(None) => Ok(None),
            Err(Some(error)) => Err(error),
        }
    }

    fn vanished() -> KeyringError {
        KeyringError::Failed { reason: "the entry vanished".to_owned() }
    }

    /// Has another thread do `work`, and gives up on it after `patience`. The thread then
    /// ends with the process.
    fn ask<T: Send + 'static>(
        patience: Duration,
        work: impl FnOnce(&Entry) -> keyring::Result<T> + Send + 'static,
    ) -> Result<T, Failure> {
        let (sender, receiver) = mpsc::sync_channel(1);
        let run = move || {
            let answer = connect().and_then(|entry| work(&entry).map_err(describe));
            // Nobody listens any more after a time-out.
            let _ = sender.send(answer);
        };
        let failed = |reason: &str| Some(KeyringError::Failed { reason: reason.to_owned() });
        std::thread::Builder::new().name("keyring".to_owned()).spawn(run).map_err(|_| failed("no thread for it"))?;
        receiver.recv_timeout(patience).unwrap_or_else(|why| {
            Err(match why {
                RecvTimeoutError::Timeout => Some(KeyringError::NoAnswer { seconds: patience.as_secs() }),
                RecvTimeoutError::Disconnected => failed("its library broke off"),
            })
        })
    }

    fn connect() -> Result<Entry, Failure> {
        match Entry::store_status() {
            Ok(()) => Entry::new(SERVICE, USER).map_err(describe),
            Err(Error::PlatformFailure(reason)) => Err(Some(KeyringError::Unreachable { reason: one_line(reason) })),
            Err(error) => Err(Some(KeyringError::Unreachable { reason: one_line(error) })),
        }
    }

    fn describe(error: Error) -> Failure {
        Some(match error {
            Error::NoEntry => return None,
            Error::NoStorageAccess(_) => KeyringError::Locked,
            Error::Ambiguous(_) => KeyringError::Several,
            Error::PlatformFailure(reason) => KeyringError::Failed { reason: one_line(reason) },
            other => KeyringError::Failed { reason: one_line(other) },
        })
    }

    /// In our notation: one line, no full stop.
    fn one_line(reason: impl std::fmt::Display) -> String {
        let text = reason.to_string().to_lowercase().replace(char::is_control, " ");
        let text = text.split(" (os error").next().unwrap_or_default();
        text.trim_end_matches(['.', ' ']).to_owned()
    }
}

#[cfg(not(feature = "os-keyring"))]
mod system {
    use std::time::Duration;

    use super::{KeyringError, SecretValue};

    pub(super) fn read(_: Duration) -> Result<Option<SecretValue>, KeyringError> {
        Err(KeyringError::Unsupported)
    }

    pub(super) fn write(_: &SecretValue, _: Duration) -> Result<(), KeyringError> {
        Err(KeyringError::Unsupported)
    }

    pub(super) fn remove(_: Duration) -> Result<(), KeyringError> {
        Err(KeyringError::Unsupported)
    }
}
