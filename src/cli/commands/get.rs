use vault::clock::Span;
use vault::secret_value::SecretValue;
use vault::{ProfileName, SecretName};

use crate::cli::clipboard::Clipboard;
use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::record::Use;
use crate::cli::ui::Ui;

/// Print a value, or copy it
///
/// Byte for byte; on a terminal a newline is added. With `--copy` nothing is printed:
/// the value goes to the clipboard of the desktop (by wl-copy, xclip, xsel or pbcopy),
/// or, through ssh and where there is none of these, to that of the terminal (OSC 52).
/// To give values to a program, `vault exec` is the better way: nothing passes through
/// a shell.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Name of the secret
    name: SecretName,

    /// An earlier version of it
    #[arg(long, value_name = "N")]
    version: Option<u64>,

    /// Copy it to the clipboard instead
    #[arg(long, short, conflicts_with = "json")]
    copy: bool,

    /// When to take it out of the clipboard again
    #[arg(long, value_name = "DURATION", requires = "copy", default_value = "30s")]
    clear_after: Span,

    /// Print an object with name, profile, version and value
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(cx: &mut Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    let profile = cx.profile();
    cx.attempt("get", &profile, std::slice::from_ref(&args.name));
    let opened = cx.open(ui)?;
    let effective = cx.effective(ui, &opened, &profile)?;
    let missing = || cx.no_secret(effective.sections(), &profile, &args.name);
    let section = &effective.sections()[effective.find(&args.name).ok_or_else(missing)?];
    let secret = section.secret(&args.name)?.ok_or_else(missing)?;
    let (version, sealed) = match args.version {
        None => (secret.version, &secret.value),
        Some(version) => {
            let earlier = secret.earlier.iter().map(|earlier| (earlier.version, &earlier.value));
            let all = earlier.chain([(secret.version, &secret.value)]);
            let pending = secret.pending.iter().map(|pending| (pending.version, &pending.value));
            all.chain(pending)
                .find(|(found, _)| *found == version)
                .ok_or_else(|| vault::Error::NoVersion { name: args.name.clone(), version })?
        }
    };
    // Nothing is opened for a clipboard that is not there.
    let clipboard = if args.copy { Some(Clipboard::find(&cx.variables)?) } else { None };
    let actor = cx.actor(ui, &opened)?;
    let keys = cx.unlock(&opened, &actor, section)?;
    let mut used = Use::of("get", section, vec![args.name.to_string()]);
    if let Some(clipboard) = &clipboard {
        used.command = clipboard.program().map(str::to_owned);
        used.reason = Some("copy".to_owned());
    }
    let open = || Ok(section.open(&keys, &args.name, version, sealed)?);
    let (value, mut trail, receipt) = cx.with_use(ui, &opened, &actor, &used, open)?;
    if let Some(clipboard) = clipboard {
        let copied = match clipboard.copy(&value) {
            Ok(copied) => copied,
            Err(error) => {
                trail.failed(&used, receipt.head.sequence, error.word(), cx.now())?;
                cx.settled();
                return Err(error);
            }
        };
        // What clears the clipboard is a copy of this process: nothing secret may be left in it.
        drop(trail);
        drop(value);
        drop(keys);
        drop(actor);
        let (name, delay) = (&args.name, args.clear_after);
        let place = used.command.as_deref().map_or_else(
            || "the terminal's clipboard, if it allows that".to_owned(),
            |program| format!("the clipboard with {program}"),
        );
        copied.clear_after(std::time::Duration::from_secs(delay.seconds()))?;
        ui.note(&format!("copied {name} to {place}; it is cleared after {delay}"));
        return Ok(());
    }
    show(ui, args, section.name(), version, &value);
    Ok(())
}

fn show(ui: &mut Ui, args: &Args, profile: &ProfileName, version: u64, value: &SecretValue) {
    // To standard output, as asked.
    let bytes = value.reveal();
    if args.json {
        ui.json(&Shown::new(&args.name, profile, version, bytes));
    } else {
        ui.value(bytes);
        if ui.stdout_is_terminal() && !bytes.ends_with(b"\n") {
            ui.value(b"\n");
        }
    }
}

/// `{name, profile, version, value}`; `value_base64` when it is not UTF-8.
#[derive(serde::Serialize)]
struct Shown<'a> {
    name: &'a str,
    profile: &'a str,
    version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
}

impl<'a> Shown<'a> {
    fn new(name: &'a SecretName, profile: &'a ProfileName, version: u64, bytes: &'a [u8]) -> Self {
        let value = std::str::from_utf8(bytes).ok();
        let value_base64 = value.is_none().then(|| vault::crypto::to_base64(bytes));
        Self { name: name.as_str(), profile: profile.as_str(), version, value, value_base64 }
    }
}
