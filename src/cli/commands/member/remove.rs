use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use vault::clock::Timestamp;
use vault::identity::RecoveryCode;
use vault::rotation;
use vault::team::{self, Leaving, Removal};
use vault::{DeviceName, MemberName, ProfileName};

use crate::cli::context::{Context, Opened};
use crate::cli::error::CommandError;
use crate::cli::record::{Change, Edit};
use crate::cli::recovery_code;
use crate::cli::table::{Cell, Table};
use crate::cli::time::{Newest, local_day};
use crate::cli::ui::{Tone, Ui};

/// Remove a member, or one device
///
/// In one write: they leave, what they could read gets new keys and is sealed again,
/// and every value they could read is marked as exposed until it changes. Prints
/// what to rotate. Git history keeps what they could read: only new values help.
#[derive(clap::Args, Debug)]
#[command(visible_alias = "rm")]
pub(crate) struct Args {
    /// The member
    name: MemberName,

    /// Only this device of theirs
    #[arg(long, value_name = "DEVICE")]
    device: Option<DeviceName>,

    /// Where an admin leaves: put the new recovery code in this new file
    #[arg(long, value_name = "FILE")]
    recovery_file: Option<PathBuf>,

    /// Print an object with `removed`, `rekeyed` and `worklist`
    #[arg(long)]
    json: bool,

    /// Report who would leave and what would be rekeyed, and change nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

#[derive(serde::Serialize)]
pub(crate) struct Report {
    removed: Vec<String>,
    rekeyed: Vec<String>,
    worklist: Vec<Item>,
}

#[derive(serde::Serialize)]
struct Item {
    profile: String,
    name: String,
    last_read: Option<Timestamp>,
    reads: u64,
    log_known: bool,
}

pub(super) fn run(cx: &Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    let opened = cx.open(ui)?;
    super::check_member(&opened, &args.name)?;
    let team = opened.vault.team();
    let leaving = match &args.device {
        None => Leaving::Member(args.name.clone()),
        Some(device) => {
            let theirs = team.devices().get(device).is_some_and(|found| found.active && found.member == args.name);
            if !theirs {
                return Err(vault::Error::NoDevice(device.clone()).into());
            }
            Leaving::Device(device.clone())
        }
    };
    let code = RecoveryCode::generate()?;
    // A new code only where somebody will see it.
    let can_hand_out = args.recovery_file.is_some() || ui.can_ask();
    let about = args.device.as_ref().map_or(args.name.as_str(), |device| device.as_str());
    let change = Change::team("member-remove", &[about]).only_tried(args.dry_run);
    let edit = cx.change(ui, &opened, &change, |tx, signer, now| {
        let own = tx.team().devices().get(&signer.device).map(|device| device.member.clone());
        let is_own = match &leaving {
            Leaving::Member(member) => own.as_ref() == Some(member),
            Leaving::Device(device) => *device == signer.device,
        };
        if is_own {
            return Err(CommandError::OwnDevice);
        }
        let removal = team::remove(tx, &leaving, signer, now)?;
        let new_code = removal.recovery_left && can_hand_out;
        if new_code {
            team::new_recovery(tx, &code.as_passphrase(), signer, now)?;
            if let Some(file) = args.recovery_file.as_ref().filter(|_| !args.dry_run) {
                recovery_code::write(&code, file)?;
            }
        }
        Ok(Edit::Changed((removal, new_code)))
    })?;
    let (Edit::Changed((removal, new_code)) | Edit::Unchanged((removal, new_code))) = edit;
    let report = report(cx, &opened, &removal)?;
    if args.json {
        ui.json(&report);
    } else {
        print(ui, if args.dry_run { "would remove" } else { "removed" }, about, &report);
    }
    if args.dry_run {
        return Ok(());
    }
    if new_code {
        recovery_code::hand_out(ui, &code, args.recovery_file.as_deref());
    } else if removal.recovery_left {
        ui.warn("the recovery code is void with them, and there is none now; make one with `vault recovery new`");
    }
    Ok(())
}

/// The worklist, most urgent first: as it stood on the due list before they left, so what was
/// exposed or overdue already leads. What the logs at hand say decides only between equals.
pub(crate) fn report(cx: &Context, opened: &Opened, removal: &Removal) -> Result<Report, CommandError> {
    let reads = cx.reads_by(opened, &removal.devices)?;
    let mut worklist: Vec<Item> = removal
        .worklist
        .iter()
        .map(|(profile, name)| {
            let seen = reads.by_secret.get(&(profile.to_string(), name.to_string()));
            Item {
                profile: profile.to_string(),
                name: name.to_string(),
                last_read: seen.map(|(_, last)| *last),
                reads: seen.map_or(0, |(count, _)| *count),
                log_known: reads.log_known,
            }
        })
        .collect();
    let profiles: BTreeSet<&ProfileName> = removal.worklist.iter().map(|(profile, _)| profile).collect();
    let sections = profiles.into_iter().map(|profile| opened.vault.section(profile)).collect::<Result<Vec<_>, _>>()?;
    let due = rotation::items(&sections, Newest::signed(&opened.vault, &sections).time(cx))?;
    // Of several lines about one secret the most urgent one counts: the last to be put in.
    let urgency = due.iter().rev().map(|due| &due.line);
    let urgency: BTreeMap<_, _> = urgency
        .map(|line| ((line.profile.as_str(), line.name.as_str()), (line.state, line.due_at.is_none(), line.due_at)))
        .collect();
    worklist.sort_by_cached_key(|item| {
        let urgency = urgency.get(&(item.profile.as_str(), item.name.as_str())).copied();
        (urgency.is_none(), urgency, Reverse(item.reads), item.profile.clone(), item.name.clone())
    });
    Ok(Report {
        removed: removal.devices.iter().map(ToString::to_string).collect(),
        rekeyed: removal.rekeyed.iter().map(ToString::to_string).collect(),
        worklist,
    })
}

fn print(ui: &mut Ui, removed: &str, who: &str, report: &Report) {
    if report.rekeyed.is_empty() {
        ui.note(&format!("{removed} {who}"));
    } else {
        let devices = report.removed.join(", ");
        let devices = if devices == who { devices } else { format!("{who} with {devices}") };
        ui.note(&format!("{removed} {devices}; new keys for {}", report.rekeyed.join(", ")));
    }
    print_worklist(ui, report);
}

/// What is to be rotated, and what is known of who read it.
pub(crate) fn print_worklist(ui: &mut Ui, report: &Report) {
    if report.worklist.is_empty() {
        ui.note("they could read no value");
        return;
    }
    ui.note("they could read these values; rotate each at its provider, git history keeps the old ones:");
    let mut table = Table::new(&["PROFILE", "NAME", "WHAT THE LOGS AT HAND SHOW"]);
    for item in &report.worklist {
        let shown = match item.last_read {
            Some(last) => {
                let times = if item.reads == 1 { "time" } else { "times" };
                format!("read {} {times}, last on {}", item.reads, local_day(last))
            }
            None if item.log_known => "no read recorded in the logs at hand".to_owned(),
            None => "no log from their devices".to_owned(),
        };
        table.row(vec![
            Cell::new(item.profile.clone()),
            Cell::toned(Tone::Bold, item.name.clone()),
            Cell::toned(Tone::Faint, shown),
        ]);
    }
    table.print(ui);
}
