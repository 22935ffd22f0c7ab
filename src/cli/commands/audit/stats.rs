use std::collections::BTreeMap;

use chrono::{Datelike, Timelike};
use vault::audit::{Filter, Newcomer, Rules, Seen, Stats, Subject, Unused, Unusual, Usage};
use vault::clock::{Span, Timestamp};

use super::select::Selection;
use super::{ago, plural};
use crate::cli::context::{Context, Opened};
use crate::cli::error::CommandError;
use crate::cli::table::{Cell, Table};
use crate::cli::time::local_time;
use crate::cli::ui::{Tone, Ui};
use crate::cli::uses::Readable;

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// Count uses: by secret, by hour, never, for the first time
///
/// A use is an `exec`, `get`, `edit` or `export` that gave values out. The rules behind
/// each list are in docs/audit.md. Secrets of all profiles are looked at, and
/// the logs that are on this machine: what happened elsewhere is not known here.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    #[command(flatten)]
    selection: Selection,

    /// List secrets without a use for this long
    #[arg(long, value_name = "DURATION", default_value = "90d")]
    unused: Span,

    /// What is held against earlier habits: first uses and unusual hours
    #[arg(long, value_name = "DURATION", default_value = "7d")]
    recent: Span,

    /// Print an object
    #[arg(long)]
    json: bool,
}

pub(super) fn run(cx: &Context, ui: &mut Ui, opened: &Opened, args: &Args) -> Result<(), CommandError> {
    let filter: Filter = args.selection.filter(cx.now())?;
    let homes = cx.homes(opened)?;
    let known = known(opened)?;
    let mut stats = Stats::new(Rules { now: cx.now(), unused: args.unused, recent: args.recent });
    let mut entries = Readable::new(args.selection.entries(cx, opened, &filter)?);
    for entry in &mut entries {
        stats.add(&entry?.record, &|profile, name| homes.of(profile, name).to_owned(), &local);
    }
    if args.json {
        ui.json(&json(&stats, &known));
    } else {
        print(cx, ui, args, &stats, &known);
    }
    entries.warn(ui);
    Ok(())
}

/// Day of the week from Monday, and hour, where this machine is.
fn local(at: Timestamp) -> (usize, usize) {
    let local = at.to_utc().with_timezone(&chrono::Local);
    (local.weekday().num_days_from_monday() as usize, local.hour() as usize)
}

/// Every secret of every profile, and when its value was set.
fn known(opened: &Opened) -> Result<BTreeMap<(String, String), Timestamp>, CommandError> {
    let mut known = BTreeMap::new();
    for profile in opened.vault.team().profiles().keys() {
        let section = opened.vault.section(profile)?;
        for secret in section.secrets() {
            let (name, secret) = secret?;
            known.insert((profile.to_string(), name.to_string()), secret.set_at);
        }
    }
    Ok(known)
}

fn print(cx: &Context, ui: &mut Ui, args: &Args, stats: &Stats, known: &BTreeMap<(String, String), Timestamp>) {
    let now = cx.now();
    let Some(since) = stats.since else {
        ui.note("no records");
        return;
    };
    let uses: u64 = stats.hours.iter().flatten().sum();
    let secrets = plural(stats.secrets.len() as u64, "secret");
    let (uses, records, refused) = (plural(uses, "use"), plural(stats.records, "record"), stats.refused);
    ui.line(&format!("{uses} of {secrets} in {records}; {refused} refused or failed"));
    ui.line(&format!("since {} ({})", local_time(since), ago(now.since(since))));
    if !stats.secrets.is_empty() {
        ui.line("");
        let mut table = Table::new(&["PROFILE", "NAME", "USES", "LAST USE", "MEMBERS", "DEVICES", "PROGRAMS"]);
        let mut secrets: Vec<_> = stats.secrets.iter().collect();
        secrets.sort_by(|a, b| b.1.all.last.cmp(&a.1.all.last).then(a.0.cmp(b.0)));
        for ((profile, name), usage) in secrets {
            table.row(vec![
                Cell::toned(Tone::Faint, profile.clone()),
                Cell::toned(Tone::Bold, name.clone()),
                Cell::new(usage.all.uses.to_string()),
                Cell::new(ago(now.since(usage.all.last))),
                Cell::new(by(usage, "member")),
                Cell::new(by(usage, "device")),
                Cell::new(by(usage, "program")),
            ]);
        }
        table.print(ui);
        picture(ui, &stats.hours);
    }
    let unused = stats.unused(known);
    if !unused.is_empty() {
        heading(ui, &format!("not used for {} (candidates for removal)", args.unused));
        for Unused { secret: (profile, name), set_at, last_used } in &unused {
            let last = match last_used {
                Some(last) => format!("last used {}", ago(now.since(*last))),
                None => "never, as far as is known here".to_owned(),
            };
            entry(ui, &format!("{profile}/{name}"), &format!("{last}; value set {}", ago(now.since(*set_at))));
        }
        if now.since(since) < args.unused.seconds() {
            ui.note(&format!("the log begins {}: earlier uses are not known", ago(now.since(since))));
        }
    }
    let newcomers = stats.newcomers();
    if !newcomers.is_empty() {
        heading(ui, &format!("for the first time in the last {}", args.recent));
        for Newcomer { secret: (profile, name), who, seen } in &newcomers {
            let text = format!("{} {}: {} since {}", who.word(), who.name(), times(seen.uses), local_time(seen.first));
            entry(ui, &format!("{profile}/{name}"), &text);
        }
    }
    let unusual = stats.unusual();
    if !unusual.is_empty() {
        heading(ui, &format!("at unusual hours in the last {}", args.recent));
        for Unusual { who, hour, seen, around, earlier } in &unusual {
            let text = format!(
                "{} between {hour}:00 and {hour}:59, last {}; {around} of {earlier} earlier uses were around then",
                times(seen.uses),
                local_time(seen.last)
            );
            entry(ui, who, &text);
        }
    }
}

fn heading(ui: &mut Ui, text: &str) {
    ui.line("");
    let text = ui.paint(Tone::Attention, text);
    ui.line(&text);
}

fn entry(ui: &mut Ui, subject: &str, text: &str) {
    let subject = ui.paint(Tone::Bold, &crate::cli::ui::clean(subject));
    ui.line(&format!("  {subject}  {}", crate::cli::ui::clean(text)));
}

fn times(uses: u64) -> String {
    if uses == 1 { "once".to_owned() } else { format!("{uses} times") }
}

/// The three that used it most, and how many more.
fn by(usage: &Usage, word: &str) -> String {
    let mut found: Vec<(&str, u64)> = usage
        .by
        .iter()
        .filter(|(subject, _)| subject.word() == word)
        .map(|(subject, seen)| (subject.name(), seen.uses))
        .collect();
    found.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let more = found.len().saturating_sub(3);
    let names: Vec<&str> = found.into_iter().take(3).map(|(name, _)| name).collect();
    if more > 0 { format!("{} and {more} more", names.join(", ")) } else { names.join(", ") }
}

/// Days of the week down, hours of the day across; the darker, the more uses.
fn picture(ui: &mut Ui, hours: &[[u64; 24]; 7]) {
    const SHADES: [&str; 5] = ["· ", "░░", "▒▒", "▓▓", "██"];
    let most = hours.iter().flatten().copied().max().unwrap_or(0).max(1);
    ui.line("");
    let scale: String = (0..24).step_by(3).map(|hour| format!("{hour:02}    ")).collect();
    let scale = ui.paint(Tone::Faint, &format!("     {scale}"));
    ui.line(scale.trim_end());
    for (day, hours) in DAYS.iter().zip(hours) {
        // A single use is never as pale as none.
        let shade =
            |uses: &u64| SHADES[if *uses == 0 { 0 } else { uses.saturating_mul(4).div_ceil(most).min(4) as usize }];
        let row: String = hours.iter().map(shade).collect();
        let day = ui.paint(Tone::Faint, day);
        ui.line(format!("{day}  {row}").trim_end());
    }
    let legend = ui.paint(Tone::Faint, &format!("     local time; darkest: {}", times(most)));
    ui.line(&legend);
}

#[derive(serde::Serialize)]
struct Json {
    since: Option<Timestamp>,
    records: u64,
    refused: u64,
    secrets: Vec<SecretJson>,
    /// Monday first, local hours.
    hours: [[u64; 24]; 7],
    unused: Vec<UnusedJson>,
    first_time: Vec<NewcomerJson>,
    unusual_hours: Vec<UnusualJson>,
}

#[derive(serde::Serialize)]
struct SecretJson {
    profile: String,
    name: String,
    uses: u64,
    first_used: Timestamp,
    last_used: Timestamp,
    members: BTreeMap<String, u64>,
    devices: BTreeMap<String, u64>,
    programs: BTreeMap<String, u64>,
}

#[derive(serde::Serialize)]
struct UnusedJson {
    profile: String,
    name: String,
    set_at: Timestamp,
    last_used: Option<Timestamp>,
}

#[derive(serde::Serialize)]
struct NewcomerJson {
    profile: String,
    name: String,
    kind: &'static str,
    who: String,
    first_used: Timestamp,
    uses: u64,
}

#[derive(serde::Serialize)]
struct UnusualJson {
    who: String,
    hour: usize,
    uses: u64,
    last_used: Timestamp,
    earlier_around: u64,
    earlier: u64,
}

fn json(stats: &Stats, known: &BTreeMap<(String, String), Timestamp>) -> Json {
    let counts = |usage: &Usage, word: &str| -> BTreeMap<String, u64> {
        let of_kind = usage.by.iter().filter(|(subject, _)| subject.word() == word);
        of_kind.map(|(subject, seen): (&Subject, &Seen)| (subject.name().to_owned(), seen.uses)).collect()
    };
    Json {
        since: stats.since,
        records: stats.records,
        refused: stats.refused,
        secrets: stats
            .secrets
            .iter()
            .map(|((profile, name), usage)| SecretJson {
                profile: profile.clone(),
                name: name.clone(),
                uses: usage.all.uses,
                first_used: usage.all.first,
                last_used: usage.all.last,
                members: counts(usage, "member"),
                devices: counts(usage, "device"),
                programs: counts(usage, "program"),
            })
            .collect(),
        hours: stats.hours,
        unused: stats
            .unused(known)
            .into_iter()
            .map(|Unused { secret: (profile, name), set_at, last_used }| UnusedJson {
                profile,
                name,
                set_at,
                last_used,
            })
            .collect(),
        first_time: stats
            .newcomers()
            .into_iter()
            .map(|Newcomer { secret: (profile, name), who, seen }| NewcomerJson {
                profile,
                name,
                kind: who.word(),
                who: who.name().to_owned(),
                first_used: seen.first,
                uses: seen.uses,
            })
            .collect(),
        unusual_hours: stats
            .unusual()
            .into_iter()
            .map(|Unusual { who, hour, seen, around, earlier }| UnusualJson {
                who,
                hour,
                uses: seen.uses,
                last_used: seen.last,
                earlier_around: around,
                earlier,
            })
            .collect(),
    }
}
