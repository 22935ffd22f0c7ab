use vault::crypto::{PublicKey, Recipient};
use vault::identity::{self, IdentityFile, Keyring, Origin};

use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::ui::Ui;
use crate::cli::unlock;

/// Print the public halves: recipient and signing key
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Print an object
    #[arg(long)]
    json: bool,

    /// Open the identity, instead of trusting what a sealed file says it is
    #[arg(long)]
    open: bool,

    /// The one in the system's keyring, whatever the configuration says
    #[arg(long, conflicts_with = "identity")]
    keyring: bool,
}

#[derive(serde::Serialize)]
struct Shown {
    recipient: String,
    signing_key: String,
}

pub(crate) fn run(cx: &Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    let public = if args.keyring { in_keyring(cx, ui, args.open)? } else { found(cx, ui, args.open)? };
    let (recipient, signing_key) = public;
    if args.json {
        ui.json(&Shown { recipient: recipient.to_string(), signing_key: signing_key.to_string() });
    } else {
        print(ui, &recipient, &signing_key);
    }
    Ok(())
}

pub(super) fn print(ui: &mut Ui, recipient: &Recipient, signing_key: &PublicKey) {
    ui.line(&format!("recipient    {recipient}"));
    ui.line(&format!("signing key  {signing_key}"));
}

/// The public halves of the identity that the search finds.
fn found(cx: &Context, ui: &mut Ui, open: bool) -> Result<(Recipient, PublicKey), CommandError> {
    if !open && let Some(found) = unlock::with_request(cx, None, identity::find_public) {
        return Ok(found);
    }
    let found = unlock::found_in_hand(cx, ui, None)?;
    Ok((found.identity.recipient(), found.identity.signing_key().public()))
}

/// The public halves of the identity in the keyring.
fn in_keyring(cx: &Context, ui: &mut Ui, open: bool) -> Result<(Recipient, PublicKey), CommandError> {
    let text = Keyring::new(ui.can_ask()).read().map_err(identity::Error::from)?;
    let text = text.ok_or(CommandError::NothingKept(Origin::Keyring))?;
    // The text goes through the parser and nowhere else.
    let key = match IdentityFile::parse(text.reveal(), &Origin::Keyring)? {
        IdentityFile::Sealed(sealed) if !open => return Ok((sealed.recipient, sealed.signing_key)),
        file => unlock::open(cx, ui, file, &Origin::Keyring)?,
    };
    Ok((key.recipient(), key.signing_key().public()))
}
