use vault::SecretName;
use vault::interchange::{dotenv, json, shell};

use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::record::{Use, name_overrides};
use crate::cli::ui::Ui;

/// Print every value of the profile, for the way out
///
/// On record like every use. To run a program, `vault exec` is the better way:
/// nothing is written anywhere.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// What to print
    #[arg(long, value_name = "FORMAT", default_value = "dotenv")]
    format: Format,

    /// Allow this name although it changes how programs load or run
    #[arg(long = "allow-name", value_name = "NAME")]
    allow_names: Vec<String>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    Dotenv,
    Json,
    Shell,
}

pub(crate) fn run(cx: &mut Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    let profile = cx.profile();
    cx.attempt("export", &profile, &[]);
    let opened = cx.open(ui)?;
    let effective = cx.effective(ui, &opened, &profile)?;
    let actor = cx.actor(ui, &opened)?;
    let names = effective.names();
    // What comes out is evaluated by a shell, or read into an environment.
    let parsed: Vec<SecretName> = names.iter().filter_map(|(name, _)| name.parse().ok()).collect();
    cx.check_names(parsed.iter(), &args.allow_names)?;
    let mut keys = Vec::new();
    for (position, section) in effective.sections().iter().enumerate() {
        let used = names.iter().any(|(_, at)| *at == position);
        keys.push(if used { Some(cx.unlock(&opened, &actor, section)?) } else { None });
    }
    let listed = names.iter().map(|(name, _)| (*name).to_owned()).collect();
    let mut used = Use::of("export", &effective.sections()[0], listed);
    used.overrides = name_overrides(parsed.iter().map(SecretName::as_str));
    let (values, ..) = cx.with_use(ui, &opened, &actor, &used, || {
        let mut values = Vec::new();
        for (name, position) in &names {
            let section = &effective.sections()[*position];
            let name: SecretName = name.parse().map_err(|_| CommandError::Internal("an unchecked name"))?;
            let (Some(key), Some(secret)) = (&keys[*position], section.secret(&name)?) else { continue };
            let value = section.open(key, &name, secret.version, &secret.value)?;
            values.push((name, value));
        }
        Ok(values)
    })?;
    // To standard output, as asked.
    let pairs = values.iter().map(|(name, value)| (name.as_str(), value.reveal()));
    let mut out = zeroize::Zeroizing::new(Vec::new());
    match args.format {
        Format::Dotenv => dotenv::print(pairs, &mut out)?,
        Format::Json => json::print(pairs, &mut out)?,
        Format::Shell => shell::print(pairs, &mut out)?,
    }
    ui.value(&out);
    Ok(())
}
