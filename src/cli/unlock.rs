//! Where the identity of a command comes from: the search of `vault::identity`, with
//! this terminal to ask on and the sealed identities of this vault.

use vault::Vault;
use vault::crypto::IdentityKey;
use vault::identity::{self, Found, IdentityFile, Origin, PromptError, Request, Slot};
use vault::secret_value::SecretValue;

use super::context::Context;
use super::error::CommandError;
use super::ui::Ui;

/// Finds and unlocks the identity.
pub(crate) fn identity(cx: &Context, ui: &mut Ui, vault: &Vault) -> Result<IdentityKey, CommandError> {
    let slots = slots(vault);
    let request = request(cx, &slots, None);
    Ok(find(ui, &request)?.identity)
}

/// Climbs the ladder, with this terminal to ask on if there is one.
pub(crate) fn find(ui: &mut Ui, request: &Request<'_>) -> Result<Found, identity::Error> {
    if !ui.can_ask() {
        return identity::find(request, None);
    }
    let mut ask = |label: &str| ask(ui, label);
    identity::find(request, Some(&mut ask))
}

/// The identity in a text that was read, opened if it is sealed.
pub(crate) fn open(
    cx: &Context,
    ui: &mut Ui,
    file: IdentityFile,
    origin: &Origin,
) -> Result<IdentityKey, identity::Error> {
    let sealed = match file {
        IdentityFile::Plain(key) => return Ok(key),
        IdentityFile::Sealed(sealed) => sealed,
    };
    let label = format!("passphrase for {origin}");
    let passphrase = if ui.can_ask() {
        identity::passphrase(&cx.variables, Some(&mut |label: &str| ask(ui, label)), &label)?
    } else {
        identity::passphrase(&cx.variables, None, &label)?
    };
    sealed.open(&passphrase, origin)
}

/// Asks for a passphrase, in the way the library wants it answered.
pub(crate) fn ask(ui: &mut Ui, label: &str) -> Result<SecretValue, PromptError> {
    match ui.hidden(&capitalized(label)) {
        Ok(Some(passphrase)) => Ok(passphrase),
        Ok(None) => Err(PromptError::Cancelled),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Err(PromptError::Cancelled),
        Err(error) => Err(PromptError::Terminal(error)),
    }
}

/// The sealed identities that a vault carries.
pub(crate) fn slots(vault: &Vault) -> Vec<Slot> {
    let team = vault.team();
    let devices = team.devices().iter().filter(|(_, device)| device.active);
    let sealed = devices.filter_map(|(name, device)| {
        Some(Slot {
            device: name.to_string(),
            recipient: device.recipient.clone(),
            signing_key: device.signing_key?,
            sealed: device.sealed.clone()?,
        })
    });
    sealed.collect()
}

pub(crate) fn request<'a>(cx: &'a Context, slots: &'a [Slot], device: Option<&'a str>) -> Request<'a> {
    Request {
        flag: cx.globals.identity.as_deref(),
        variables: &cx.variables,
        directories: cx.directories(),
        settings: cx.settings(),
        slots,
        device,
    }
}

fn capitalized(label: &str) -> String {
    let mut letters = label.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + letters.as_str())
}
