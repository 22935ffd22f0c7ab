//! Where an identity is kept for good: a file of its own, or the keyring. Its text is the
//! same in both, so that moving it changes nothing else.

use super::file::{read_text, write_text};
use super::{Error, Keyring, Origin};
use crate::config::KeptIn;
use crate::secret_value::SecretValue;
use crate::store;

/// The text of the identity that is kept there, if any; not parsed.
///
/// # Errors
/// [`Error::Store`] for a file that is not private, [`Error::Keyring`].
pub fn read(place: &KeptIn, keyring: Keyring) -> Result<Option<SecretValue>, Error> {
    match place {
        KeptIn::Keyring => Ok(keyring.read()?),
        KeptIn::File(path) => match read_text(path) {
            Err(Error::Store(store::Error::Missing { .. })) => Ok(None),
            read => read.map(Some),
        },
    }
}

/// Keeps a text there. A file is never overwritten; what the keyring holds is, so look first.
///
/// # Errors
/// [`Error::Store`], `Exists` if there is anything of that name; [`Error::Keyring`].
pub fn write(place: &KeptIn, text: &SecretValue, keyring: Keyring) -> Result<(), Error> {
    match place {
        KeptIn::Keyring => Ok(keyring.write(text)?),
        KeptIn::File(path) => write_text(path, text),
    }
}

/// Removes what is kept there. The medium may hold the bytes of a file for a while.
///
/// # Errors
/// [`Error::Store`], [`Error::Keyring`].
pub fn remove(place: &KeptIn, keyring: Keyring) -> Result<(), Error> {
    match place {
        KeptIn::Keyring => Ok(keyring.remove()?),
        KeptIn::File(path) => std::fs::remove_file(path)
            .map_err(|reason| store::Error::Io { action: "remove", path: path.clone(), reason }.into()),
    }
}

impl From<&KeptIn> for Origin {
    fn from(place: &KeptIn) -> Self {
        match place {
            KeptIn::Keyring => Self::Keyring,
            KeptIn::File(path) => Self::File(path.clone()),
        }
    }
}
