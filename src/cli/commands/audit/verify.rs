use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use vault::audit::{self, Anchor, Checkpoint, Expect, Finding, Kind, Report, Severity};
use vault::store;

use super::plural;
use super::select::directories;
use crate::cli::anchors;
use crate::cli::context::{Context, Opened};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::git;
use crate::cli::ui::{Tone, Ui};

/// Before what nobody needs to have tampered for.
const NOTE: &str = "note: ";
/// Most bytes of a file that is a checkpoint.
const MAX_CHECKPOINT: u64 = 4096;

/// Check the chain and the signatures of the logs of this vault
///
/// Names the first bad record and what happened to it; ends with status 1 if
/// a log is not whole. Heads of the logs that profiles, and this device's state,
/// remember are checked too; `--against` adds those that are kept elsewhere.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// Check every signature, not one for each key epoch
    #[arg(long)]
    deep: bool,

    /// Check against a file with a checkpoint, or against what the vault file
    /// held in the history of this commit (repeat for several)
    #[arg(long, value_name = "FILE|COMMIT")]
    against: Vec<String>,

    /// Look for files of the logs in this directory too (repeat for several): older
    /// files of a long log that were moved away
    #[arg(long, value_name = "DIR")]
    log: Vec<PathBuf>,

    /// Print an object
    #[arg(long)]
    json: bool,
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

pub(super) fn run(cx: &Context, ui: &mut Ui, opened: &Opened, args: &Args) -> Result<(), CommandError> {
    let mut total = Verified { ok: true, records: 0, epochs: 0, anchors: 0, findings: Vec::new() };
    let mut anchors = anchors(opened)?;
    for against in &args.against {
        anchors.extend(anchors_from(opened, against, &mut total)?);
    }
    let archives = if args.log.is_empty() { Vec::new() } else { directories(cx, opened, &args.log)? };
    let own_directory = cx.audit_place(&opened.vault.id(), None).directory;
    let (mut devices, mut bytes): (Vec<Option<String>>, u64) = (Vec::new(), 0);
    for directory in std::iter::once(&own_directory).chain(&archives) {
        let logs = audit::logs_in(directory)?;
        bytes += logs.iter().map(|log| log.size).sum::<u64>();
        devices.extend(logs.into_iter().map(|log| log.device));
    }
    // A log that is gone is missed where this device's own state or an anchor knows of it.
    devices.extend(opened.memory.borrow().device().map(|device| Some(device.to_string())));
    devices.sort_unstable();
    devices.dedup();
    let mut progress = Progress::new(bytes);
    let own = opened.memory.borrow().device().map(ToString::to_string);
    let (mut can_begin, mut found, notes) = (false, Vec::new(), std::mem::take(&mut total.findings));
    for device in devices {
        let mut watch = |bytes| progress.show(ui, bytes);
        let report = one(cx, opened, (device.as_ref(), &anchors), &archives, args.deep, &mut watch);
        let report = report.inspect_err(|_| progress.end(ui))?;
        total.ok &= report.is_ok();
        // As `begin` sees it, which is told of nothing that is kept elsewhere.
        let alike = !args.deep && args.log.is_empty() && args.against.is_empty();
        can_begin |= alike && device == own && first_wrong(&report).is_some();
        total.records += report.records;
        total.epochs += report.epochs;
        total.anchors += report.anchored.len();
        found.extend(report.findings);
    }
    progress.end(ui);
    let was_begun = found.iter().any(|finding| finding.kind == Kind::BegunAgain);
    // What is wrong comes first.
    found.sort_by_key(|finding| finding.kind.severity() == Severity::Note);
    total.findings.extend(found.into_iter().map(|finding| FindingJson {
        kind: finding.kind.to_string(),
        device: finding.device,
        sequence: finding.sequence,
        detail: format!("{}{}", if finding.kind.severity() == Severity::Note { NOTE } else { "" }, finding.detail),
    }));
    total.findings.extend(notes);
    if args.json {
        ui.json(&total);
    } else {
        print(ui, &total);
    }
    if total.ok {
        return Ok(());
    }
    ui.flush().map_err(CommandError::StandardOutput)?;
    let is_missed = |finding: &FindingJson| finding.kind == Kind::CutTail.to_string();
    if can_begin {
        ui.hint("find out what happened; `vault audit begin --reason TEXT` then begins a new log, and keeps this one");
    } else if was_begun && total.findings.iter().any(is_missed) {
        ui.hint(
            "what a profile names and no log has is missed until that profile is signed again, by any change of it",
        );
    }
    Err(CommandError::Said(Exit::Found))
}

fn print(ui: &mut Ui, total: &Verified) {
    let width = total.findings.iter().map(|finding| finding.kind.len()).max().unwrap_or(0) + 2;
    for finding in &total.findings {
        let tone = if finding.detail.starts_with(NOTE) { Tone::Faint } else { Tone::Bad };
        let (kind, space) = (ui.paint(tone, &finding.kind), width - finding.kind.len());
        let device = finding.device.as_deref().unwrap_or("_");
        let place = finding.sequence.map_or_else(String::new, |sequence| format!(" record {sequence}"));
        let text = format!("{device}{place}: {}", finding.detail);
        ui.entry(&format!("{kind}{:space$}", ""), width, Tone::Plain, &text);
    }
    let (word, tone) = if total.ok { ("ok", Tone::Good) } else { ("not whole", Tone::Bad) };
    let word = ui.paint(tone, word);
    ui.line(&format!(
        "{word}  {}, {}, {} met",
        plural(total.records, "record"),
        plural(total.epochs, "key epoch"),
        plural(total.anchors as u64, "anchor")
    ));
}

/// What is wrong with the log that goes on, and is a reason to begin another. What is missed is
/// none: another log does not have it either, and older files may have been moved away.
pub(super) fn first_wrong(report: &Report) -> Option<&Finding> {
    let is_missed = |finding: &Finding| match finding.kind {
        Kind::CutTail | Kind::Replaced | Kind::Removed => true,
        Kind::Missing => finding.sequence == Some(1),
        _ => false,
    };
    let is_wrong = |finding: &&Finding| finding.kind.severity() == Severity::Failure && !is_missed(finding);
    report.findings.iter().filter(|finding| !finding.in_earlier).find(is_wrong)
}

/// Verifies the log of one device.
pub(super) fn one(
    cx: &Context,
    opened: &Opened,
    (device, anchors): (Option<&String>, &[(Option<String>, Anchor)]),
    archives: &[PathBuf],
    deep: bool,
    watch: &mut dyn FnMut(u64),
) -> Result<Report, audit::Error> {
    let vault = &opened.vault;
    let name = device.and_then(|name| name.parse::<vault::DeviceName>().ok());
    let known = name.as_ref().and_then(|name| vault.team().devices().get(name));
    let keys: Vec<_> = known.and_then(|device| device.signing_key).into_iter().collect();
    let its = anchors.iter().filter(|(by, _)| by.as_ref() == device);
    let anchors: Vec<Anchor> = its.map(|(_, anchor)| anchor.clone()).collect();
    let device = device.map(String::as_str);
    let expect = Expect { vault: vault.id(), device, signing_keys: &keys, anchors: &anchors };
    let own = opened.memory.borrow().device() == name.as_ref();
    audit::verify_with(&cx.audit_place(&vault.id(), name.as_ref()), archives, &expect, own, deep, watch)
}

/// The audit heads that profile signatures hold: the device, and its anchor.
pub(super) fn anchors(opened: &Opened) -> Result<Vec<(Option<String>, Anchor)>, CommandError> {
    let mut anchors = Vec::new();
    for profile in opened.vault.team().profiles().keys() {
        let section = opened.vault.section(profile)?;
        let by = Some(section.signature().by.to_string());
        anchors.extend(anchors::in_section(&section).map(|anchor| (by, anchor)));
    }
    Ok(anchors)
}

/// What a checkpoint, or the history of a commit, pins down.
fn anchors_from(
    opened: &Opened,
    against: &str,
    total: &mut Verified,
) -> Result<Vec<(Option<String>, Anchor)>, CommandError> {
    match store::read(Path::new(against), MAX_CHECKPOINT) {
        Ok(bytes) => Ok(vec![checkpoint(opened, against, &bytes, total)?]),
        Err(store::Error::Missing { .. }) => {
            let anchors = git::audit_anchors(&opened.path, against)?;
            if anchors.is_empty() {
                return Err(CommandError::NoAnchors);
            }
            Ok(anchors
                .into_iter()
                .map(|anchor| {
                    let place = format!("commit {}", anchor.commit);
                    (Some(anchor.device), Anchor { head: anchor.head, place })
                })
                .collect())
        }
        Err(error) => Err(error.into()),
    }
}

fn checkpoint(
    opened: &Opened,
    file: &str,
    bytes: &[u8],
    total: &mut Verified,
) -> Result<(Option<String>, Anchor), CommandError> {
    let text = std::str::from_utf8(bytes).map_err(|_| audit::Error::Checkpoint)?;
    let checkpoint: Checkpoint = text.parse()?;
    if checkpoint.vault != opened.vault.id() {
        return Err(CommandError::OtherCheckpoint { id: checkpoint.vault });
    }
    let name = checkpoint.device.as_ref().and_then(|name| name.parse::<vault::DeviceName>().ok());
    let devices = opened.vault.team().devices();
    let keys: Vec<_> = name.and_then(|name| devices.get(&name)?.signing_key).into_iter().collect();
    if !checkpoint.is_certified(&keys) {
        total.findings.push(FindingJson {
            kind: "uncertified".to_owned(),
            device: checkpoint.device.clone(),
            sequence: Some(checkpoint.head.sequence),
            detail: format!("{NOTE}no device vouches for the key that signed the checkpoint"),
        });
    }
    Ok((checkpoint.device, Anchor { head: checkpoint.head, place: format!("checkpoint {file}") }))
}

/// No bar for what takes less.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two pictures of the bar.
const TICK: Duration = Duration::from_millis(250);

/// How far it is, on a terminal, where it takes longer than a moment.
struct Progress {
    began: Instant,
    /// When the bar was shown last.
    shown: Option<Duration>,
    bytes: u64,
    of: u64,
}

impl Progress {
    fn new(of: u64) -> Self {
        Self { began: Instant::now(), shown: None, bytes: 0, of }
    }

    fn show(&mut self, ui: &mut Ui, bytes: u64) {
        self.bytes += bytes;
        if self.is_due(self.began.elapsed()) {
            ui.progress(&progress_text(self.bytes, self.of));
        }
    }

    /// Whether the bar is to be shown (again), so long after it began.
    fn is_due(&mut self, took: Duration) -> bool {
        let due = took >= self.shown.map_or(PATIENCE, |shown| shown + TICK);
        if due {
            self.shown = Some(took);
        }
        due
    }

    fn end(&self, ui: &mut Ui) {
        if self.shown.is_some() {
            ui.progress("");
        }
    }
}

/// A bar and numbers; an archive may be read twice, and a log grow meanwhile.
fn progress_text(bytes: u64, of: u64) -> String {
    const CELLS: u64 = 20;
    let done = bytes.min(of);
    let cells = (done * CELLS).checked_div(of).unwrap_or(CELLS);
    let bar: String = (0..CELLS).map(|cell| if cell < cells { '█' } else { '·' }).collect();
    format!("verifying {bar} {} of {} MB", done / 1_000_000, of / 1_000_000)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Progress, progress_text};

    #[test]
    fn the_bar_comes_after_a_second_and_then_four_times_a_second() {
        let mut progress = Progress::new(1);
        for (milliseconds, want) in [(0, false), (999, false), (1000, true), (1100, false), (1249, false), (1250, true)]
        {
            assert_eq!(progress.is_due(Duration::from_millis(milliseconds)), want, "{milliseconds}");
        }
        // A long pause is one picture.
        assert_eq!([9000, 9001].map(|at| progress.is_due(Duration::from_millis(at))), [true, false]);
    }

    #[test]
    fn a_bar_shows_how_far_it_is() {
        for (bytes, of, want) in [
            (0, 40_000_000, "verifying ···················· 0 of 40 MB"),
            (20_000_000, 40_000_000, "verifying ██████████·········· 20 of 40 MB"),
            (50_000_000, 40_000_000, "verifying ████████████████████ 40 of 40 MB"),
            (0, 0, "verifying ████████████████████ 0 of 0 MB"),
        ] {
            assert_eq!(progress_text(bytes, of), want);
        }
    }
}
