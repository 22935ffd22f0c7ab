use vault::audit::{self, Anchor, Entry, Expect, Filter, Outcome, Severity};
use vault::clock::{Span, Timestamp};

use crate::cli::context::{Context, Opened};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::table::{Cell, Table};
use crate::cli::ui::{Tone, Ui};

/// Show who used what and when, and check that the record is whole
#[derive(clap::Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,

    /// From this time on: a date, or a duration such as `7d`
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,

    /// Up to this time
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,

    /// Only records that name this secret
    #[arg(long, value_name = "NAME")]
    secret: Option<String>,

    /// Only records of this action
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,

    /// Only records that ended so
    #[arg(long, value_name = "OUTCOME")]
    outcome: Option<OutcomeArg>,

    /// Print an array of the records as they are stored
    #[arg(long)]
    json: bool,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// Check the chain and the signatures of the logs of this vault
    ///
    /// Names the first bad record and what happened to it; ends with status 1 if
    /// a log is not whole.
    Verify {
        /// Check every signature, not one for each key epoch
        #[arg(long)]
        deep: bool,

        /// Print an object
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum OutcomeArg {
    Done,
    Intent,
    Failed,
    Refused,
}

pub(crate) fn run(cx: &mut Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    let opened = cx.open(ui)?;
    match &args.command {
        Some(Command::Verify { deep, json }) => verify(cx, ui, &opened, *deep, *json),
        None => show(cx, ui, &opened, args),
    }
}

fn show(cx: &Context, ui: &mut Ui, opened: &Opened, args: &Args) -> Result<(), CommandError> {
    let now = cx.now();
    let filter = Filter {
        since: args.since.as_deref().map(|text| when(text, now)).transpose()?,
        until: args.until.as_deref().map(|text| when(text, now)).transpose()?,
        secret: args.secret.clone(),
        action: args.action.clone(),
        outcome: args.outcome.map(|outcome| match outcome {
            OutcomeArg::Done => Outcome::Done,
            OutcomeArg::Intent => Outcome::Intent,
            OutcomeArg::Failed => Outcome::Failed,
            OutcomeArg::Refused => Outcome::Refused,
        }),
        ..Filter::default()
    };
    let entries = entries(cx, opened, &filter)?.collect::<Result<Vec<Entry>, _>>()?;
    if args.json {
        let lines: Vec<&str> = entries.iter().map(|entry| entry.line.as_str()).collect();
        ui.json_text(&format!("[{}]", lines.join(",\n ")));
        return Ok(());
    }
    if entries.is_empty() {
        ui.note("no records");
        return Ok(());
    }
    let mut table = Table::new(&["WHEN", "ACTION", "OUTCOME", "WHO", "PROFILE", "NAMES", "PROGRAM", "WHY"]);
    for Entry { record, .. } in &entries {
        let tone = match record.outcome {
            Outcome::Refused | Outcome::Failed => Tone::Bad,
            Outcome::Intent => Tone::Faint,
            _ => Tone::Plain,
        };
        let local = record.at.to_utc().with_timezone(&chrono::Local);
        table.row(vec![
            Cell::toned(Tone::Faint, local.format("%Y-%m-%d %H:%M:%S").to_string()),
            Cell::toned(Tone::Bold, record.action.clone()),
            Cell::toned(tone, record.outcome.to_string()),
            Cell::new(record.device.clone().unwrap_or_else(|| format!("user {}", record.user))),
            Cell::new(record.profile.clone().unwrap_or_default()),
            Cell::new(names_text(&record.names)),
            Cell::new(record.command.clone().unwrap_or_default()),
            Cell::toned(Tone::Faint, record.reason.clone().unwrap_or_default()),
        ]);
    }
    table.print(ui);
    Ok(())
}

fn names_text(names: &[String]) -> String {
    match names {
        [first, second, third, rest @ ..] if !rest.is_empty() => {
            format!("{first}, {second}, {third} and {} more", rest.len())
        }
        names => names.join(", "),
    }
}

/// The records of all logs of the vault that are on this machine, by time.
pub(crate) fn entries(
    cx: &Context,
    opened: &Opened,
    filter: &Filter,
) -> Result<impl Iterator<Item = Result<Entry, audit::Error>>, CommandError> {
    let place = cx.audit_place(&opened.vault.id(), None);
    let mut logs = Vec::new();
    for log in audit::logs_in(&place.directory)? {
        logs.push(audit::records(&log.path, filter.clone())?);
    }
    Ok(audit::merge(logs))
}

fn when(text: &str, now: Timestamp) -> Result<Timestamp, CommandError> {
    match Span::parse(text) {
        Ok(ago) => Ok(now.minus(ago)),
        Err(_) => Timestamp::parse(text).map_err(|error| CommandError::usage(error.to_string())),
    }
}

#[derive(serde::Serialize)]
struct Verified {
    ok: bool,
    records: u64,
    epochs: u64,
    anchors: usize,
    findings: Vec<FindingJson>,
}

#[derive(serde::Serialize)]
struct FindingJson {
    kind: String,
    device: Option<String>,
    sequence: Option<u64>,
    detail: String,
}

fn verify(cx: &Context, ui: &mut Ui, opened: &Opened, deep: bool, json: bool) -> Result<(), CommandError> {
    let (vault, team) = (&opened.vault, opened.vault.team());
    let anchors = anchors(opened)?;
    let mut devices: Vec<Option<String>> =
        audit::logs_in(&cx.audit_place(&vault.id(), None).directory)?.into_iter().map(|log| log.device).collect();
    // A log that is gone is missed where this device's own state or an anchor knows of it.
    devices.extend(opened.memory.borrow().device().map(|device| Some(device.to_string())));
    devices.sort_unstable();
    devices.dedup();
    let mut total = Verified { ok: true, records: 0, epochs: 0, anchors: 0, findings: Vec::new() };
    for device in devices {
        let name = device.as_ref().and_then(|name| name.parse::<vault::DeviceName>().ok());
        let keys: Vec<_> = name
            .as_ref()
            .and_then(|name| team.devices().get(name))
            .and_then(|device| device.signing_key)
            .into_iter()
            .collect();
        let anchors: Vec<Anchor> =
            anchors.iter().filter(|(by, _)| Some(by) == device.as_ref()).map(|(_, anchor)| anchor.clone()).collect();
        let expect = Expect { vault: vault.id(), device: device.as_deref(), signing_keys: &keys, anchors: &anchors };
        let own = opened.memory.borrow().device() == name.as_ref();
        let report = audit::verify_place(&cx.audit_place(&vault.id(), name.as_ref()), &expect, own, deep)?;
        total.ok &= report.is_ok();
        total.records += report.records;
        total.epochs += report.epochs;
        total.anchors += report.anchored.len();
        total.findings.extend(report.findings.into_iter().map(|finding| FindingJson {
            kind: finding.kind.to_string(),
            device: finding.device,
            sequence: finding.sequence,
            detail: format!(
                "{}{}",
                if finding.kind.severity() == Severity::Note { "note: " } else { "" },
                finding.detail
            ),
        }));
    }
    if json {
        ui.json(&total);
    } else {
        for finding in &total.findings {
            let kind = ui.paint(if total.ok { Tone::Faint } else { Tone::Bad }, &finding.kind);
            let device = finding.device.as_deref().unwrap_or("_");
            let place = finding.sequence.map_or_else(String::new, |sequence| format!(" record {sequence}"));
            ui.line(&format!("{kind}  {device}{place}: {}", finding.detail));
        }
        let (word, tone) = if total.ok { ("ok", Tone::Good) } else { ("not whole", Tone::Bad) };
        let word = ui.paint(tone, word);
        ui.line(&format!(
            "{word}  {} records, {} key epochs, {} anchors met",
            total.records, total.epochs, total.anchors
        ));
    }
    if total.ok { Ok(()) } else { Err(CommandError::Said(Exit::Found)) }
}

/// The audit heads that profile signatures hold: the device, and its anchor.
fn anchors(opened: &Opened) -> Result<Vec<(String, Anchor)>, CommandError> {
    let mut anchors = Vec::new();
    for profile in opened.vault.team().profiles().keys() {
        let section = opened.vault.section(profile)?;
        let signature = section.signature();
        if let Some(head) = signature.audit {
            let head = audit::Head { sequence: head.sequence, hash: head.hash };
            anchors.push((signature.by.to_string(), Anchor { head, place: format!("profile {profile}") }));
        }
    }
    Ok(anchors)
}
