use vault::SecretName;

use crate::cli::context::{Context, Use};
use crate::cli::error::CommandError;
use crate::cli::ui::Ui;

/// Print a value
///
/// Byte for byte; on a terminal a newline is added. To give values to a program,
/// `vault exec` is the better way: nothing passes through a shell.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Name of the secret
    name: SecretName,

    /// An earlier version of it
    #[arg(long, value_name = "N")]
    version: Option<u64>,

    /// Print an object with name, profile, version and value
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(cx: &mut Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    let opened = cx.open(ui)?;
    let profile = cx.profile();
    cx.attempt("get", &profile, std::slice::from_ref(&args.name));
    let effective = cx.effective(ui, &opened, &profile)?;
    let missing = || vault::Error::NoSecret { profile: profile.clone(), name: args.name.clone() };
    let section = &effective.sections()[effective.find(&args.name).ok_or_else(missing)?];
    let secret = section.secret(&args.name)?.ok_or_else(missing)?;
    let (version, sealed) = match args.version {
        None => (secret.version, &secret.value),
        Some(version) => {
            let earlier = secret.earlier.iter().map(|earlier| (earlier.version, &earlier.value));
            let all = earlier.chain([(secret.version, &secret.value)]);
            let pending = secret.pending.iter().map(|pending| (pending.version, &pending.value));
            all.chain(pending).find(|(found, _)| *found == version).ok_or(CommandError::NoVersion(version))?
        }
    };
    let actor = cx.actor(ui, &opened)?;
    let keys = cx.unlock(&opened, &actor, section)?;
    let pending = cx.begin_use(&opened, &actor, &Use::of("get", section, vec![args.name.to_string()]))?;
    let value = section.open(&keys, &args.name, version, sealed)?;
    pending.flush()?;
    // To standard output, as asked.
    let bytes = value.reveal();
    if args.json {
        ui.json_value(&args.name, section.name(), version, bytes);
    } else {
        ui.value(bytes);
        if ui.stdout_is_terminal() && !bytes.ends_with(b"\n") {
            ui.value(b"\n");
        }
    }
    Ok(())
}
