use vault::clock::Timestamp;
use vault::config::{self, Known, Place, Places};
use vault::rotation::{Item, State};
use vault::{Vault, identity};

use super::list::tone;
use super::rotation::due_list;
use crate::cli::context::{Context, Opened, read_vault};
use crate::cli::error::CommandError;
use crate::cli::git;
use crate::cli::ui::{Tone, Ui};
use crate::cli::unlock;

/// Most names of due secrets on the line.
const NAMED: usize = 3;

/// Say how things stand here: file, profile, identity, what is due, last use
///
/// That is what `vault` alone shows. Opens nothing, asks nothing and changes nothing.
#[derive(clap::Args, Debug, Default)]
pub(crate) struct Args {
    /// Print an object
    #[arg(long)]
    json: bool,
}

#[derive(serde::Serialize, Default)]
struct Report {
    vault: Option<String>,
    id: Option<String>,
    trusted: bool,
    profile: String,
    profiles: Vec<String>,
    secrets: Option<usize>,
    device: Option<String>,
    member: Option<String>,
    due: Vec<Due>,
    last_use: Option<LastUse>,
}

#[derive(serde::Serialize)]
struct Due {
    name: String,
    profile: String,
    state: State,
    due_at: Option<Timestamp>,
}

#[derive(serde::Serialize)]
struct LastUse {
    at: Timestamp,
    action: String,
    command: Option<String>,
    member: Option<String>,
    device: Option<String>,
    profile: Option<String>,
    secrets: usize,
}

pub(crate) fn run(cx: &mut Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    let mut report = Report { profile: cx.profile().to_string(), ..Report::default() };
    let path = match cx.vault_path() {
        Ok((path, _)) if path.exists() => path,
        Ok((path, _)) => {
            return nothing_here(cx, ui, args, &report, &format!("there is no vault at {}", path.display()));
        }
        Err(CommandError::Config(error @ config::Error::NotFound { .. })) => {
            return nothing_here(cx, ui, args, &report, &error.to_string());
        }
        Err(error) => return Err(error),
    };
    let bytes = read_vault(&path)?;
    let place = Place::of(&path)?;
    let claimed = Vault::claimed_id(&bytes).map(|id| id.to_string());
    let known = Places::load(cx.directories())?.known(&place);
    let is_known = matches!((&known, &claimed), (Known::Id(known), Some(claimed)) if known == claimed);
    // A command would take it, and remember it; this one remembers nothing.
    report.trusted =
        is_known || matches!((&known, &claimed), (Known::Unknown, Some(claimed)) if cx.is_asked_for(claimed));
    report.vault = Some(path.display().to_string());
    // What is not trusted is read, and nothing about it is remembered.
    let (opened, vault);
    let seen = if is_known {
        opened = cx.open(ui)?;
        look(cx, ui, &opened, &mut report)?;
        &opened.vault
    } else {
        vault = Vault::read(bytes, &[])?;
        &vault
    };
    let team = seen.team();
    report.id = Some(seen.id().to_string());
    report.profiles = team.profiles().keys().map(ToString::to_string).collect();
    let search = unlock::with_request(cx, Some(seen), |request| identity::explain(request, ui.can_ask()));
    let is_there = search.found.is_some();
    let device = search.found.as_ref().and_then(|(recipient, _)| team.device_of(recipient));
    let former = search.found.as_ref().and_then(|(recipient, _)| team.former_device_of(recipient));
    report.member = device.as_ref().and_then(|device| team.devices().get(device)).map(|found| found.member.to_string());
    report.device = device.map(|device| device.to_string());
    if args.json {
        ui.json(&report);
    } else {
        let who = match (&report.device, &report.member, former) {
            (Some(device), Some(member), _) => format!("{device}, of {member}"),
            (Some(device), None, _) => device.clone(),
            (None, _, Some(former)) => {
                ui.paint(Tone::Attention, &format!("{former}, which was removed: `vault join` says how to come back"))
            }
            _ if is_there => ui.paint(Tone::Attention, "in no device of this vault: `vault join`"),
            _ => ui.paint(Tone::Attention, "none can be used: `vault identity where`"),
        };
        let unsettled = git::is_unsettled(&path, seen.bytes());
        show(ui, &report, (&known, unsettled), &who, cx.now());
    }
    Ok(())
}

/// Five lines as well, of what there is to know before there is a vault.
fn nothing_here(cx: &Context, ui: &mut Ui, args: &Args, report: &Report, why: &str) -> Result<(), CommandError> {
    if args.json {
        ui.json(report);
        return Ok(());
    }
    let search = unlock::with_request(cx, None, |request| identity::explain(request, ui.can_ask()));
    let identity = if search.found.is_some() { "there is one: `vault identity show`" } else { "none yet" };
    line(ui, "vault", &format!("none here: {why}"));
    line(ui, "profile", "none");
    line(ui, "identity", identity);
    line(ui, "begin", "`vault init` makes one; then `vault import .env`, and `vault exec -- your-program`");
    line(ui, "more", "`vault help` lists the commands");
    Ok(())
}

/// What only a trusted vault is asked for.
fn look(cx: &Context, ui: &mut Ui, opened: &Opened, report: &mut Report) -> Result<(), CommandError> {
    report.secrets = Some(cx.effective(ui, opened, &cx.profile())?.names().len());
    let (items, _) = due_list(cx, ui, opened)?;
    let urgent =
        |item: &&Item| matches!(item.line.state, State::Expired | State::Exposed | State::Overdue | State::Due);
    report.due = items
        .iter()
        .filter(urgent)
        .map(|item| Due {
            name: item.line.name.clone(),
            profile: item.line.profile.clone(),
            state: item.line.state,
            due_at: item.line.due_at,
        })
        .collect();
    report.last_use = cx.last_use(opened)?.map(|record| LastUse {
        at: record.at,
        action: record.action,
        command: record.command,
        member: record.member,
        device: record.device,
        profile: record.profile,
        secrets: record.names.len(),
    });
    Ok(())
}

/// `unsettled`: the file is in a merge that stopped.
fn show(ui: &mut Ui, report: &Report, (known, unsettled): (&Known, bool), who: &str, now: Timestamp) {
    let path = report.vault.as_deref().unwrap_or_default();
    let trust = match (report.trusted, known) {
        (true, _) if unsettled => ui.paint(Tone::Attention, "  in a merge that stopped: `vault git repair`"),
        (true, Known::Unknown) => "  named by VLT_VAULT_ID".to_owned(),
        (true, _) => String::new(),
        (false, Known::Unknown) => ui.paint(Tone::Attention, "  not trusted here yet: `vault trust`"),
        (false, _) => ui.paint(Tone::Bad, "  another vault than before: see `vault which`"),
    };
    line(ui, "vault", &format!("{path}{trust}"));
    let others: Vec<&str> = report.profiles.iter().map(String::as_str).filter(|name| *name != report.profile).collect();
    let secrets = match report.secrets {
        Some(1) => ", 1 secret".to_owned(),
        Some(count) => format!(", {count} secrets"),
        None => String::new(),
    };
    let others = if others.is_empty() { String::new() } else { format!("; also {}", others.join(", ")) };
    line(ui, "profile", &format!("{}{secrets}{others}", report.profile));
    line(ui, "identity", who);
    let is_seen = report.secrets.is_some();
    let due = match (is_seen, report.trusted) {
        (true, _) => due_text(ui, &report.due),
        (false, true) => "not looked at before it is used here".to_owned(),
        (false, false) => "not looked at before the vault is trusted".to_owned(),
    };
    line(ui, "due", &due);
    let used = match &report.last_use {
        Some(used) => used_text(used, now),
        None if is_seen => "none on record".to_owned(),
        None => "not looked at either".to_owned(),
    };
    line(ui, "last use", &used);
}

/// `2 overdue, 1 due: STRIPE_KEY, …; see …`.
fn due_text(ui: &Ui, due: &[Due]) -> String {
    let Some(first) = due.first() else { return ui.paint(Tone::Good, "nothing") };
    let mut counts: Vec<(State, usize)> = Vec::new();
    for one in due {
        match counts.iter_mut().find(|(state, _)| *state == one.state) {
            Some((_, count)) => *count += 1,
            None => counts.push((one.state, 1)),
        }
    }
    let counts: Vec<String> = counts.iter().map(|(state, count)| format!("{count} {state}")).collect();
    let mut names: Vec<&str> = due.iter().take(NAMED).map(|one| one.name.as_str()).collect();
    if due.len() > NAMED {
        names.push("…");
    }
    let counts = ui.paint(tone(first.state), &counts.join(", "));
    format!("{counts}: {}; see `vault rotation`", names.join(", "))
}

/// `exec python3, 5 min ago, by alice on alice-laptop`.
fn used_text(used: &LastUse, now: Timestamp) -> String {
    let command = used.command.as_ref().map_or_else(String::new, |command| format!(" {command}"));
    let by = used.device.as_ref().map_or_else(String::new, |device| format!(", on {device}"));
    format!("{}{command}, {}{by}", used.action, super::audit::ago(now.since(used.at)))
}

fn line(ui: &mut Ui, label: &str, text: &str) {
    let label = ui.paint(Tone::Faint, &format!("{label:<9}"));
    ui.entry(&format!("{label} "), 10, Tone::Plain, text);
}
