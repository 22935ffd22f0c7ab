use vault::config::{KeptIn, Settings};
use vault::crypto::{PublicKey, Recipient};
use vault::identity::{IdentityFile, Keyring, Origin, kept};
use vault::secret_value::SecretValue;
use vault::store;

use crate::cli::context::Context;
use crate::cli::enroll;
use crate::cli::error::CommandError;
use crate::cli::readback;
use crate::cli::ui::Ui;

/// Keep the identity elsewhere: in the system's keyring, or in a file
///
/// A new process reads it back before the old copy is removed. What is sealed stays sealed.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// `keyring`, `file` (the usual one) or `file:PATH`
    #[arg(value_name = "PLACE")]
    place: String,

    /// Report what would be moved, and move nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

/// An identity as it is kept: sealed stays sealed, plain stays plain.
struct Text {
    text: SecretValue,
    plain: bool,
    public: (Recipient, PublicKey),
}

/// The new place first; it is read back by another process; then the configuration says so;
/// then the old place is emptied. A crash in between leaves two copies, and moving again
/// goes on from there.
pub(crate) fn run(cx: &Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    let directories = cx.directories();
    store::create_private_dir_all(&directories.state)?;
    // Of two moves in opposite directions each would take the other's new copy for its old one.
    let _lock = store::Lock::acquire(&directories.state, cx.globals.lock_timeout())?;
    let mut settings = Settings::load(directories)?;
    let default = KeptIn::File(enroll::default_file(cx));
    let from = settings.identity().cloned().unwrap_or_else(|| default.clone());
    match args.place.as_str() {
        "file" => settings.unset("identity")?,
        place => settings.set("identity", place)?,
    }
    let to = settings.identity().cloned().unwrap_or_else(|| default.clone());
    let keyring = Keyring::new(ui.can_ask());
    let (from_name, to_name) = (Origin::from(&from), Origin::from(&to));

    let Some(text) = kept::read(&from, keyring)? else { return Err(CommandError::NothingKept(from_name)) };
    let text = Text::read(text, &from_name)?;
    if from == to {
        ui.note(&format!("the identity is kept in {to_name} already"));
        // What a crash of an earlier move left.
        for place in [default, KeptIn::Keyring] {
            if place != to && !args.dry_run && holds(&place, keyring, &text) {
                remove_old(ui, &place, keyring)?;
            }
        }
        return Ok(());
    }
    // Never in place of another identity.
    let there = kept::read(&to, keyring)?;
    let is_there = match &there {
        None => false,
        Some(found) => match Text::read(SecretValue::from(found.reveal()), &to_name) {
            Ok(found) if found.public == text.public => found.text.same_as(&text.text),
            _ => return Err(CommandError::OtherKept(to_name)),
        },
    };
    if args.dry_run {
        ui.note(&format!("would move the identity from {from_name} to {to_name}"));
        return Ok(());
    }
    if !is_there {
        kept::write(&to, &text.text, keyring)?;
    }
    readback::prove(&to, text.plain, None, &text.public)?;
    let back = kept::read(&to, keyring)?;
    if !back.is_some_and(|back| back.same_as(&text.text)) {
        return Err(CommandError::NotReadBack);
    }
    settings.save(directories)?;
    ui.note(&format!("the identity is kept in {to_name} now"));
    // A file of the user's own may be what other programs read.
    match &from {
        KeptIn::File(path) if !path.starts_with(&directories.config) => {
            ui.warn(&format!("{} still holds it as well: remove it if nothing else needs it", path.display()));
            Ok(())
        }
        from => remove_old(ui, from, keyring),
    }
}

/// Empties the old place, or says that it was not.
fn remove_old(ui: &mut Ui, from: &KeptIn, keyring: Keyring) -> Result<(), CommandError> {
    let name = Origin::from(from);
    match kept::remove(from, keyring) {
        Ok(()) => ui.note(&format!("removed from {name}; backups may still hold it")),
        Err(error) => ui.warn(&format!("{name} still holds it as well: {error}")),
    }
    Ok(())
}

/// Whether the same identity is there. A keyring that cannot be reached holds nothing of ours that can be removed.
fn holds(place: &KeptIn, keyring: Keyring, text: &Text) -> bool {
    let found = kept::read(place, keyring).ok().flatten();
    let found = found.and_then(|found| Text::read(found, &Origin::from(place)).ok());
    found.is_some_and(|found| found.public == text.public)
}

impl Text {
    fn read(text: SecretValue, origin: &Origin) -> Result<Self, CommandError> {
        // The text goes through the parser and nowhere else.
        let (plain, public) = match IdentityFile::parse(text.reveal(), origin)? {
            IdentityFile::Plain(key) => (true, (key.recipient(), key.signing_key().public())),
            IdentityFile::Sealed(sealed) => (false, (sealed.recipient, sealed.signing_key)),
        };
        Ok(Self { text, plain, public })
    }
}
