//! Handing out a recovery code, or six words: into a private file, or once on the terminal.

use std::path::Path;

use vault::identity::RecoveryCode;
use vault::secret_value::SecretValue;
use vault::store;

use super::error::CommandError;
use super::git;
use super::ui::{Tone, Ui};

/// Writes the code to a new private file, where its owner finds it before anything
/// depends on it.
pub(crate) fn write(code: &RecoveryCode, file: &Path) -> Result<(), CommandError> {
    write_text(&code.as_passphrase(), file)
}

/// As [`write`], of any passphrase that was made.
pub(crate) fn write_text(code: &SecretValue, file: &Path) -> Result<(), CommandError> {
    // Into the file and nowhere else. Sized ahead: growing would leave a copy.
    let mut text = zeroize::Zeroizing::new(Vec::with_capacity(code.len() + 1));
    text.extend_from_slice(code.reveal());
    text.push(b'\n');
    Ok(store::create_new(file, &text, store::Mode::Private)?)
}

/// Shows the code, or says in which file it is.
pub(crate) fn hand_out(ui: &mut Ui, code: &RecoveryCode, file: Option<&Path>) {
    hand_out_text(ui, "recovery code", &code.as_passphrase(), file);
}

/// As [`hand_out`], of any passphrase that was made.
pub(crate) fn hand_out_text(ui: &mut Ui, what: &str, code: &SecretValue, file: Option<&Path>) {
    if let Some(file) = file {
        ui.note(&format!("{what}: in {}; move it to a safe place", file.display()));
        git::warn_of_private(ui, file);
        return;
    }
    // Shown once, on the terminal of the person who asked for it.
    let shown = zeroize::Zeroizing::new(String::from_utf8_lossy(code.reveal()).into_owned());
    ui.note("");
    ui.show_secret(what, &shown, Tone::Bold);
    ui.note("write this down and keep it away from this machine; it is not shown again");
    ui.note("");
}
