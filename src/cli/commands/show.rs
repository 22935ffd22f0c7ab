use vault::clock::Timestamp;
use vault::rotation::Days;
use vault::{SecretName, Stage, Text};

use super::list::{Entry, Json, console, tone};
use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::time::{Newest, local_day, local_time};
use crate::cli::ui::{Tone, Ui};

/// Show everything that is known about a secret, but its value
///
/// Needs no identity.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Name of the secret
    name: SecretName,

    /// Print an object
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(cx: &mut Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    let opened = cx.open(ui)?;
    let profile = cx.profile();
    let effective = cx.effective(ui, &opened, &profile)?;
    let missing = || cx.no_secret(effective.sections(), &profile, &args.name);
    let section = &effective.sections()[effective.find(&args.name).ok_or_else(missing)?];
    let secret = section.secret(&args.name)?.ok_or_else(missing)?;
    let newest = Newest::signed(&opened.vault, effective.sections()).with_values(effective.sections())?;
    let time = newest.time(cx);
    newest.say(cx, ui, &opened.vault);
    let entry = Entry::new(&args.name, section.name().as_str(), section.policy(), secret, time);
    let uses = cx.last_uses(&opened)?;
    let last_used = uses.get(&(section.name().to_string(), args.name.to_string())).copied();
    if args.json {
        ui.json(&Shown::new(&entry, last_used));
    } else {
        print(ui, &entry, last_used, time.now);
    }
    Ok(())
}

#[derive(serde::Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    listed: Json<'a>,
    set_by: &'a str,
    basis: Option<&'a str>,
    note: Option<&'a str>,
    keep: u8,
    earlier: Vec<EarlierJson>,
}

#[derive(serde::Serialize)]
struct EarlierJson {
    version: u64,
    set_at: Timestamp,
    retired_at: Timestamp,
    stage: Stage,
}

impl<'a> Shown<'a> {
    fn new(entry: &'a Entry, last_used: Option<Timestamp>) -> Self {
        let secret = &entry.secret;
        Self {
            listed: entry.json(last_used),
            set_by: secret.set_by.as_str(),
            basis: entry.policy.basis.as_deref(),
            note: secret.note.as_ref().map(Text::as_str),
            keep: entry.policy.keep.unwrap_or(vault::DEFAULT_KEEP),
            earlier: secret
                .earlier
                .iter()
                .map(|earlier| EarlierJson {
                    version: earlier.version,
                    set_at: earlier.set_at,
                    retired_at: earlier.retired_at,
                    stage: earlier.stage,
                })
                .collect(),
        }
    }
}

fn print(ui: &mut Ui, entry: &Entry, last_used: Option<Timestamp>, now: Timestamp) {
    let (line, secret, policy) = (&entry.line, &entry.secret, &entry.policy);
    let mut rows: Vec<(&str, String, Tone)> = Vec::new();
    let mut row = |label, text: String| {
        if !text.is_empty() {
            rows.push((label, text, Tone::Plain));
        }
    };
    row("profile", line.profile.clone());
    row("version", format!("{}, set by {}", secret.version, secret.set_by));
    let since = if secret.age_at_least { "at the latest " } else { "" };
    let days = Days::from(now, local_day);
    let age = days.age(line.age_seconds, line.at_least);
    row("value since", format!("{since}{} ({age})", local_time(secret.set_at)));
    row("rotate every", policy.rotate_every.to_string());
    row("because", policy.basis.clone().unwrap_or_default());
    row("due", line.due_at.map_or_else(String::new, |at| format!("{} ({})", local_time(at), days.due(at))));
    row("expires", secret.expires_at.map_or_else(String::new, local_time));
    row("owner", policy.owner.clone().unwrap_or_default());
    row("provider", secret.provider.as_ref().map_or_else(String::new, ToString::to_string));
    row("rotate at", console(secret).unwrap_or_default().to_owned());
    row("group", secret.group.as_ref().map_or_else(String::new, ToString::to_string));
    row("note", secret.note.as_ref().map_or_else(String::new, ToString::to_string));
    let join = |list: &[Text]| list.iter().map(Text::as_str).collect::<Vec<_>>().join(", ");
    row("programs", join(&secret.scope.commands));
    for (label, list) in [
        ("hosts", &secret.scope.hosts),
        ("methods", &secret.scope.methods),
        ("paths", &secret.scope.paths),
        ("permissions", &secret.scope.permissions),
    ] {
        row(label, if list.is_empty() { String::new() } else { format!("{} (not enforced)", join(list)) });
    }
    row("rate", secret.scope.rate.as_ref().map_or_else(String::new, |rate| format!("{rate} (not enforced)")));
    row("last use", last_used.map_or_else(|| "none in the log of this device".to_owned(), local_time));
    for exposure in &secret.exposed {
        let to = exposure.to.as_ref().map_or_else(String::new, |to| format!(" to {to}"));
        rows.push(("exposed", format!("{}{to}: {}", local_time(exposure.at), exposure.why), Tone::Bad));
    }
    if let Some(pending) = &secret.pending {
        rows.push((
            "pending",
            format!("version {} of {}", pending.version, local_time(pending.set_at)),
            Tone::Attention,
        ));
    }
    for earlier in &secret.earlier {
        let stage = match earlier.stage {
            Stage::Previous => "previous",
            Stage::Revoked => "revoked",
        };
        let (from, to) = (local_time(earlier.set_at), local_time(earlier.retired_at));
        let text = format!("version {} ({stage}), {from} to {to}", earlier.version);
        rows.push(("earlier", text, Tone::Faint));
    }
    let (name, state) = (ui.paint(Tone::Bold, &line.name), ui.paint(tone(line.state), &line.state.to_string()));
    ui.line(&format!("{name}  {state}"));
    for (label, text, tone) in rows {
        let label = ui.paint(Tone::Faint, &format!("{label:<13}"));
        ui.entry(&format!("  {label} "), 16, tone, &text);
    }
}
