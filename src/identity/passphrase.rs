//! Where a passphrase comes from: a descriptor, a private file, or the terminal.

use std::os::fd::AsFd;

use rustix::io::retry_on_intr;
use zeroize::Zeroizing;

use super::{Error, descriptor};
use crate::config::Variables;
use crate::secret_value::SecretValue;

/// Longest passphrase from a variable's source, in bytes.
const MAX_PASSPHRASE: usize = 4096;
const DESCRIPTOR: &str = "VLT_PASSPHRASE_FD";
const FILE: &str = "VLT_PASSPHRASE_FILE";

/// Asks for a passphrase on the terminal, hidden. The text says what it is for,
/// without a colon: `passphrase for /home/alice/.config/vault/identity`.
pub type Prompt<'a> = dyn FnMut(&str) -> Result<SecretValue, PromptError> + 'a;

/// Why a prompt was not answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PromptError {
    /// The terminal was closed, or the user gave up.
    #[error("no passphrase was entered")]
    Cancelled,
    /// What was typed twice differed.
    #[error("the two passphrases differ")]
    Differ,
    /// The terminal failed.
    #[error("cannot read from the terminal: {}", super::Plain(.0))]
    Terminal(std::io::Error),
}

/// True if [`passphrase`] has somewhere to look.
#[must_use]
pub fn can_be_had(variables: &Variables, can_prompt: bool) -> bool {
    can_prompt || variables.is_set(DESCRIPTOR) || variables.is_set(FILE)
}

/// The passphrase that `label` names: `passphrase for …`.
///
/// From `VLT_PASSPHRASE_FD`, else `VLT_PASSPHRASE_FILE`, else `prompt`; `None`
/// means that there is nobody to ask. A source that is named and fails is not
/// passed over. Descriptor and file give their first line without its newline,
/// at most 4 KiB; the descriptor is read no further than that needs.
///
/// # Errors
/// [`Error::NoPassphrase`], [`Error::StandardDescriptor`], [`Error::Descriptor`],
/// [`Error::LongPassphrase`], [`Error::EmptyPassphrase`], [`Error::Prompt`],
/// [`Error::Config`]; [`Error::Store`] for a file that is not private.
pub fn passphrase(variables: &Variables, prompt: Option<&mut Prompt<'_>>, label: &str) -> Result<SecretValue, Error> {
    let (passphrase, from) = if let Some(number) = variables.passphrase_descriptor()? {
        (from_descriptor(number)?, DESCRIPTOR)
    } else if let Some(path) = variables.passphrase_file() {
        // Room for the newline.
        let bytes = descriptor::read_private(&path, MAX_PASSPHRASE as u64 + 1)?;
        (first_line(&bytes, FILE)?, FILE)
    } else if let Some(prompt) = prompt {
        (prompt(label)?, "the terminal")
    } else {
        return Err(Error::NoPassphrase { label: label.to_owned() });
    };
    if passphrase.is_empty() { Err(Error::EmptyPassphrase { from }) } else { Ok(passphrase) }
}

fn first_line(bytes: &[u8], from: &'static str) -> Result<SecretValue, Error> {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if line.len() > MAX_PASSPHRASE {
        return Err(Error::LongPassphrase { from, max: MAX_PASSPHRASE });
    }
    Ok(SecretValue::from(line))
}

fn from_descriptor(number: u32) -> Result<SecretValue, Error> {
    let raw = i32::try_from(number).unwrap_or(i32::MAX);
    if raw <= 2 {
        return Err(Error::StandardDescriptor);
    }
    let failed = |reason: std::io::Error| Error::Descriptor { number, reason };
    let descriptor = descriptor::open(raw).map_err(failed)?;
    let mut bytes = Zeroizing::new([0; MAX_PASSPHRASE + 1]);
    let mut filled = 0;
    loop {
        let count = retry_on_intr(|| rustix::io::read(descriptor.as_fd(), &mut bytes[filled..]))
            .map_err(|errno| failed(errno.into()))?;
        let line_ends = bytes[filled..filled + count].contains(&b'\n');
        filled += count;
        if count == 0 || line_ends || filled == bytes.len() {
            return first_line(&bytes[..filled], DESCRIPTOR);
        }
    }
}

#[cfg(test)]
mod tests;
