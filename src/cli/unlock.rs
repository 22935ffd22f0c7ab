//! Where the identity of a command comes from: the search of `vault::identity`, with
//! this terminal to ask on and the sealed identities of this vault.

use std::path::PathBuf;
use std::rc::Rc;

use vault::config::KeptIn;
use vault::crypto::{IdentityKey, Recipient};
use vault::identity::agent::Agent;
use vault::identity::{self, Devices, Found, IdentityFile, Origin, PromptError, Replacement, Request, Slot, Unlocked};
use vault::secret_value::SecretValue;
use vault::{DeviceName, Vault};

use super::context::Context;
use super::enroll;
use super::error::CommandError;
use super::ui::Ui;

/// Finds the identity and unlocks it, or leaves it with the agent that holds it.
pub(crate) fn identity(cx: &Context, ui: &mut Ui, vault: &Vault) -> Result<Rc<dyn Unlocked>, CommandError> {
    let found = with_request(cx, Some(vault), |request| {
        if !ui.can_ask() {
            return identity::find(request, None);
        }
        identity::find(request, Some(&mut |label: &str| ask(ui, label)))
    });
    Ok(found?.identity)
}

/// Finds the identity itself and unlocks it, whatever the agent holds: it signs no change
/// of the team. Who unlocked it there is told why they are asked again.
pub(crate) fn in_hand(cx: &Context, ui: &mut Ui, vault: &Vault) -> Result<Rc<dyn Unlocked>, CommandError> {
    let is_held = is_held(cx, vault);
    let found = with_request(cx, Some(vault), |request| {
        if !ui.can_ask() {
            return identity::find_in_hand(request, None);
        }
        let mut said = !is_held;
        identity::find_in_hand(
            request,
            Some(&mut |label: &str| {
                if !std::mem::replace(&mut said, true) {
                    ui.note(&vault::Error::NeedsIdentity.to_string());
                }
                ask(ui, label)
            }),
        )
    });
    match found {
        Ok(found) => Ok(Rc::new(found.identity)),
        Err(identity::Error::NoPassphrase { .. }) if is_held => Err(vault::Error::NeedsIdentity.into()),
        Err(error) => Err(error.into()),
    }
}

/// Whether it is the agent that has the identity of this vault.
pub(crate) fn is_held(cx: &Context, vault: &Vault) -> bool {
    with_request(cx, Some(vault), |request| identity::explain(request, false).used() == Some(identity::Source::Agent))
}

/// The identity itself, for the agent: as in a command that uses this vault, or any where
/// the vault knows none.
pub(crate) fn to_hold(cx: &Context, ui: &mut Ui, vault: Option<&Vault>) -> Result<IdentityKey, CommandError> {
    let Some(vault) = vault else { return Ok(found_in_hand(cx, ui, None)?.identity) };
    let otherwise = match found_in_hand(cx, ui, Some(vault)) {
        Ok(found) if vault.team().device_of(&found.identity.recipient()).is_some() => return Ok(found.identity),
        Err(error) if !matches!(error, identity::Error::NoDevice { .. } | identity::Error::None { .. }) => {
            return Err(error.into());
        }
        otherwise => otherwise,
    };
    match (beside(cx, ui, vault)?, otherwise) {
        (Some((identity, _)), _) => Ok(identity),
        (None, Err(identity::Error::NoDevice { .. })) => Ok(found_in_hand(cx, ui, None)?.identity),
        (None, found) => Ok(found?.identity),
    }
}

/// The file that this machine's identity is kept in, or would be. `None` where it is kept
/// in a variable or in the keyring.
pub(crate) fn file(cx: &Context) -> Option<PathBuf> {
    if let Some(named) = cx.globals.identity.clone().or_else(|| cx.variables.identity_file()) {
        return Some(named);
    }
    if cx.variables.identity().is_some() {
        return None;
    }
    match cx.settings().identity() {
        Some(KeptIn::File(path)) => Some(path.clone()),
        Some(KeptIn::Keyring) => None,
        None => Some(enroll::default_file(cx)),
    }
}

/// Where the identity found is no device of the vault: one that a replacement left beside
/// it and that is. The next one, if the replacement was interrupted; an earlier one, for
/// vaults that know no other, and for older commits.
pub(crate) fn beside(
    cx: &Context,
    ui: &mut Ui,
    vault: &Vault,
) -> Result<Option<(IdentityKey, DeviceName)>, CommandError> {
    let file = match file(cx) {
        Some(file) => file,
        None if cx.variables.identity().is_some() => return Ok(None),
        // What was replaced in a file before it was moved to the keyring stayed there.
        None => enroll::default_file(cx),
    };
    let replacement = Replacement::of(&file);
    let device_of = |file: &IdentityFile| vault.team().device_of(&recipient(file));
    if let Some(next) = replacement.read_next()?
        && let Some(device) = device_of(&next)
    {
        ui.warn("a new identity waits to be put in its place: `vault identity rotate` does it");
        return Ok(Some((open(cx, ui, next, &Origin::File(replacement.next()))?, device)));
    }
    for (path, earlier) in replacement.earlier() {
        if let Some(device) = device_of(&earlier) {
            return Ok(Some((open(cx, ui, earlier, &Origin::File(path))?, device)));
        }
    }
    Ok(None)
}

/// Whose identity a file holds, without opening it.
pub(crate) fn recipient(file: &IdentityFile) -> Recipient {
    match file {
        IdentityFile::Plain(key) => key.recipient(),
        IdentityFile::Sealed(sealed) => sealed.recipient.clone(),
    }
}

/// The identity itself, where there may be no vault.
pub(crate) fn found_in_hand(
    cx: &Context,
    ui: &mut Ui,
    vault: Option<&Vault>,
) -> Result<Found<IdentityKey>, identity::Error> {
    with_request(cx, vault, |request| {
        if !ui.can_ask() {
            return identity::find_in_hand(request, None);
        }
        identity::find_in_hand(request, Some(&mut |label: &str| ask(ui, label)))
    })
}

/// This user's agent.
pub(crate) fn agent(cx: &Context) -> Agent {
    Agent::new(identity::agent::directory(&cx.variables, cx.directories()))
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
fn slots(vault: &Vault) -> Vec<Slot> {
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

/// The search as it is made here: with the sealed identities of this vault, and of what the
/// agent holds that which belongs to it.
pub(crate) fn with_request<T>(cx: &Context, vault: Option<&Vault>, run: impl FnOnce(&Request<'_>) -> T) -> T {
    let slots = vault.map(slots).unwrap_or_default();
    let agent = agent(cx);
    let is_device = |recipient: &Recipient| vault.is_some_and(|vault| vault.may_have(recipient));
    run(&Request {
        flag: cx.globals.identity.as_deref(),
        variables: &cx.variables,
        directories: cx.directories(),
        settings: cx.settings(),
        agent: Some(&agent),
        devices: vault.map(|_| Devices(&is_device)),
        slots: &slots,
        device: None,
    })
}

fn capitalized(label: &str) -> String {
    let mut letters = label.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + letters.as_str())
}
