use std::collections::BTreeMap;

use vault::clock::Timestamp;
use vault::team::Access;
use vault::{Action, ProfileName};

use super::describe;
use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::table::{Cell, Table};
use crate::cli::ui::{Tone, Ui};

/// List members, what they may do, and their devices
#[derive(clap::Args, Debug)]
#[command(visible_alias = "ls")]
pub(crate) struct Args {
    /// Print an array of objects
    #[arg(long)]
    json: bool,
}

/// Show every change of the team, as it was signed
#[derive(clap::Args, Debug)]
pub(crate) struct LogArgs {
    /// Print an array of objects
    #[arg(long)]
    json: bool,
}

#[derive(serde::Serialize)]
struct Member {
    member: String,
    role: &'static str,
    profiles: BTreeMap<ProfileName, &'static str>,
    devices: Vec<Device>,
}

#[derive(serde::Serialize)]
struct Device {
    device: String,
    recipient: String,
    signs: bool,
    added_at: Timestamp,
}

#[derive(serde::Serialize)]
struct Logged {
    change: u64,
    at: Timestamp,
    by: String,
    action: &'static str,
    about: String,
    rekeyed: Vec<String>,
}

pub(super) fn run(cx: &Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    let opened = cx.open(ui)?;
    let team = opened.vault.team();
    let members: Vec<(Member, Access)> = team
        .members()
        .iter()
        .map(|(name, role)| {
            let devices = team.devices().iter().filter(|(_, device)| device.active && device.member == *name);
            let access =
                |profile| if role.writes(profile) { Some("write") } else { role.reads(profile).then_some("read") };
            let member = Member {
                member: name.to_string(),
                role: if role.admin { "admin" } else { "member" },
                profiles: team.profiles().keys().filter_map(|p| Some((p.clone(), access(p)?))).collect(),
                devices: devices
                    .map(|(name, device)| Device {
                        device: name.to_string(),
                        recipient: device.recipient.to_string(),
                        signs: device.signing_key.is_some(),
                        added_at: device.added_at,
                    })
                    .collect(),
            };
            (member, Access::of(role))
        })
        .collect();
    if args.json {
        ui.json(&members.iter().map(|(member, _)| member).collect::<Vec<_>>());
        return Ok(());
    }
    let mut table = Table::new(&["MEMBER", "MAY", "DEVICE", "SINCE", ""]);
    for (member, access) in &members {
        if member.devices.is_empty() {
            let cells = [Cell::toned(Tone::Bold, member.member.clone()), Cell::new(describe(access))];
            table.row(cells.into_iter().chain((0..3).map(|_| Cell::new(""))).collect());
        }
        for (n, device) in member.devices.iter().enumerate() {
            table.row(vec![
                Cell::toned(Tone::Bold, if n == 0 { member.member.as_str() } else { "" }),
                Cell::new(if n == 0 { describe(access) } else { String::new() }),
                Cell::new(device.device.clone()),
                Cell::toned(Tone::Faint, device.added_at.to_utc().format("%Y-%m-%d").to_string()),
                Cell::toned(Tone::Faint, if device.signs { "" } else { "reads only" }),
            ]);
        }
    }
    table.print(ui);
    if team.recovery().is_none() {
        ui.note("there is no recovery code");
    }
    Ok(())
}

pub(super) fn log(cx: &Context, ui: &mut Ui, args: &LogArgs) -> Result<(), CommandError> {
    let opened = cx.open(ui)?;
    let logged: Vec<Logged> = opened
        .vault
        .changes()
        .map(|change| Logged {
            change: change.number,
            at: change.at,
            by: change.by.to_string(),
            action: change.action.word(),
            about: about(&change.action),
            rekeyed: change.rekeyed.iter().map(|rekeyed| rekeyed.profile.to_string()).collect(),
        })
        .collect();
    if args.json {
        ui.json(&logged);
        return Ok(());
    }
    let mut table = Table::new(&["CHANGE", "WHEN", "BY", "WHAT", "ABOUT", "NEW KEYS FOR"]);
    for change in logged {
        table.row(vec![
            Cell::new(change.change.to_string()),
            Cell::toned(Tone::Faint, change.at.to_string()),
            Cell::new(change.by),
            Cell::toned(Tone::Bold, change.action.replace('_', " ")),
            Cell::new(change.about),
            Cell::toned(Tone::Faint, change.rekeyed.join(", ")),
        ]);
    }
    table.print(ui);
    Ok(())
}

/// Whom or what a change is about, in a few words.
fn about(action: &Action) -> String {
    let list = |names: &[ProfileName]| names.iter().map(ProfileName::as_str).collect::<Vec<_>>().join(", ");
    match action {
        Action::Found { member, device, .. } | Action::AddDevice { member, device } => {
            format!("{member} on {}", device.device)
        }
        Action::AddMember { member, device, role } => {
            format!("{member} on {}: {}", device.device, describe(&Access::of(role)))
        }
        Action::RemoveMember { member } => member.to_string(),
        Action::RemoveDevice { device } | Action::SealIdentity { device, .. } => device.to_string(),
        Action::SetRole { member, role } => format!("{member}: {}", describe(&Access::of(role))),
        Action::AddProfile { profile, extends } | Action::SetProfile { profile, extends } if !extends.is_empty() => {
            format!("{profile} extends {}", list(extends))
        }
        Action::AddProfile { profile, .. } | Action::SetProfile { profile, .. } | Action::RemoveProfile { profile } => {
            profile.to_string()
        }
        Action::Rekey => String::new(),
        Action::Recovery { set } => if set.is_some() { "a new code" } else { "taken out" }.to_owned(),
        Action::Adopt { head, .. } => format!("head {}", head.short()),
    }
}
