//! Proves that a stored identity can be read back, by a process that knows nothing of it.

use std::io::Write;
use std::os::fd::AsRawFd;
use std::process::Stdio;

use vault::config::KeptIn;
use vault::crypto::{PublicKey, Recipient};
use vault::secret_value::SecretValue;

use super::error::CommandError;
use super::program::command;

/// Has a new process of this program read the identity that is kept there, and compares
/// what it is. With a passphrase, and if `plain`, it opens it as well. The passphrase goes
/// to it through a pipe.
pub(crate) fn prove(
    place: &KeptIn,
    plain: bool,
    passphrase: Option<&SecretValue>,
    (recipient, signing_key): &(Recipient, PublicKey),
) -> Result<(), CommandError> {
    let program = std::env::current_exe().map_err(|_| CommandError::NotReadBack)?;
    let mut command = command(program);
    command.args(["identity", "show", "--no-input"]);
    if plain || passphrase.is_some() {
        command.arg("--open");
    }
    match place {
        KeptIn::Keyring => command.arg("--keyring"),
        KeptIn::File(path) => command.arg("--identity").arg(path),
    };
    command.stdin(Stdio::null()).stderr(Stdio::null()).stdout(Stdio::piped());
    let mut pipe = None;
    if let Some(passphrase) = passphrase {
        // Without close-on-exec: the new process is meant to inherit the reading end.
        let (reader, writer) = rustix::pipe::pipe().map_err(|_| CommandError::NotReadBack)?;
        let mut writer = std::fs::File::from(writer);
        // A passphrase is far smaller than a pipe's buffer, so this does not wait.
        let written = writer.write_all(passphrase.reveal());
        drop(writer);
        written.map_err(|_| CommandError::NotReadBack)?;
        command.env("VLT_PASSPHRASE_FD", reader.as_raw_fd().to_string());
        pipe = Some(reader);
    }
    let output = command.output().map_err(|_| CommandError::NotReadBack)?;
    drop(pipe);
    let shown = String::from_utf8_lossy(&output.stdout);
    let same = shown.contains(recipient.as_str()) && shown.contains(&signing_key.to_string());
    if output.status.success() && same { Ok(()) } else { Err(CommandError::NotReadBack) }
}
