use std::path::Path;

use vault::audit;
use vault::config::Settings;
use vault::git::quote;

use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::ui::Ui;

/// Show or change the configuration of this machine
///
/// Without a key all settings are shown. No project file can change them.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The setting, for example `rollback`
    key: Option<String>,

    /// Its new value
    #[arg(conflicts_with = "unset")]
    value: Option<String>,

    /// Take the setting back to its default
    #[arg(long, requires = "key")]
    unset: bool,

    /// Print an object
    #[arg(long, conflicts_with = "value")]
    json: bool,

    /// Report what would be changed, and change nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

pub(crate) fn run(cx: &mut Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    let Some(key) = &args.key else { return show(cx, ui, args.json, Settings::keys()) };
    let Some(known) = Settings::keys().iter().find(|known| *known == key) else {
        return Err(vault::config::Error::UnknownSetting.into());
    };
    if args.value.is_none() && !args.unset {
        return show(cx, ui, args.json, std::slice::from_ref(known));
    }
    let mut settings = Settings::load(cx.directories())?;
    let before = settings.audit_dir().map(Path::to_path_buf);
    match &args.value {
        Some(value) => settings.set(key, value)?,
        None => settings.unset(key)?,
    }
    if args.dry_run {
        match settings.get(key) {
            Some(value) => ui.note(&format!("would set {key} to {value}")),
            None => ui.note(&format!("would take {key} out")),
        }
        return Ok(());
    }
    settings.save(cx.directories())?;
    if before.as_deref() != settings.audit_dir() {
        name_logs_left(cx, ui, before.as_deref(), settings.audit_dir());
    }
    Ok(())
}

/// Logs stay where they are. Looked for elsewhere they would count as removed, and nothing
/// could be used: so it is said what to move.
fn name_logs_left(cx: &Context, ui: &mut Ui, before: Option<&Path>, now: Option<&Path>) {
    let states = std::fs::read_dir(cx.directories().state.join("vaults")).into_iter().flatten().filter_map(Result::ok);
    for state in states {
        let place = |shared: Option<&Path>| match shared {
            Some(directory) => directory.join(state.file_name()),
            None => state.path().join("audit"),
        };
        let (old, new) = (place(before), place(now));
        let has_logs = |directory: &Path| audit::logs_in(directory).is_ok_and(|logs| !logs.is_empty());
        if has_logs(&old) && !has_logs(&new) {
            let (old, new) = (old.display().to_string(), new.display().to_string());
            ui.warn(&format!("the audit log in {old} counts as removed until it is moved to {new}"));
            let (old, new) = (quote(&old), quote(&new));
            ui.hint(&format!("`mkdir -p -m 700 {new} && mv {old}/*.jsonl {new}/`"));
        }
    }
}

fn show(cx: &Context, ui: &mut Ui, json: bool, keys: &[&'static str]) -> Result<(), CommandError> {
    let settings = cx.settings();
    if json {
        let values: std::collections::BTreeMap<_, _> = keys.iter().map(|key| (*key, settings.get(key))).collect();
        ui.json(&values);
    } else if let [key] = keys {
        if let Some(value) = settings.get(key) {
            ui.line(&value);
        }
    } else {
        for key in keys {
            let value = settings.get(key).unwrap_or_default();
            ui.line(format!("{key:<12} {}", value).trim_end());
        }
    }
    Ok(())
}
