use std::collections::BTreeSet;

use vault::{Action, ProfileName};

use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::policy::{PolicyArgs, warn_of_owner};
use crate::cli::record::{Change, Edit};
use crate::cli::table::{Cell, Table};
use crate::cli::ui::{Tone, Ui};

/// List and change profiles
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// List profiles
    #[command(visible_alias = "ls")]
    List {
        /// Print an array of objects
        #[arg(long)]
        json: bool,
    },
    /// Add a profile
    ///
    /// It gets a data key of its own, granted to the admins.
    Add {
        /// Its name, for example `prod`
        name: ProfileName,

        /// Profiles whose secrets it takes over where it has none of that name
        #[arg(long, value_name = "PROFILE,…", value_delimiter = ',')]
        extends: Vec<ProfileName>,

        /// Report what would be added, and change nothing
        #[arg(long, short = 'n')]
        dry_run: bool,
    },
    /// Change the policy of a profile, or what it extends
    ///
    /// The policy holds for every secret that does not say otherwise itself.
    Set {
        /// The profile
        name: ProfileName,

        /// Profiles whose secrets it takes over where it has none of that name; `none` for none
        #[arg(long, value_name = "PROFILE,…", value_delimiter = ',')]
        extends: Vec<ProfileName>,

        #[command(flatten)]
        policy: PolicyArgs,

        /// Report what would be changed, and change nothing
        #[arg(long, short = 'n')]
        dry_run: bool,
    },
    /// Remove a profile with everything in it
    ///
    /// Its name is not used again. Git history keeps what was in it.
    #[command(visible_alias = "remove")]
    Rm {
        /// The profile
        name: ProfileName,

        /// Remove it although it holds secrets
        #[arg(long)]
        force: bool,

        /// Report what would be removed, and change nothing
        #[arg(long, short = 'n')]
        dry_run: bool,
    },
    /// Make new data keys and seal everything again
    ///
    /// Values stay what they are: rotate them at their providers if they leaked.
    Rekey {
        /// The profiles; all of them if none is named
        names: Vec<ProfileName>,

        /// Report what would get new keys, and change nothing
        #[arg(long, short = 'n')]
        dry_run: bool,
    },
}

#[derive(serde::Serialize)]
struct Listed<'a> {
    name: &'a str,
    epoch: u64,
    extends: Vec<&'a str>,
    secrets: usize,
    readers: Vec<String>,
    writers: Vec<String>,
}

pub(crate) fn run(cx: &mut Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    match &args.command {
        Command::List { json } => list(cx, ui, *json),
        Command::Add { name, extends, dry_run } => add(cx, ui, name, extends, *dry_run),
        Command::Set { name, extends, policy, dry_run } => {
            let changes_policy = set_policy(cx, ui, name, policy, *dry_run)?;
            if !extends.is_empty() {
                return set(cx, ui, name, extends, *dry_run);
            }
            if changes_policy { Ok(()) } else { Err(CommandError::usage("nothing to change is named".to_owned())) }
        }
        Command::Rm { name, force, dry_run } => remove(cx, ui, name, *force, *dry_run),
        Command::Rekey { names, dry_run } => rekey(cx, ui, names, *dry_run),
    }
}

fn list(cx: &Context, ui: &mut Ui, json: bool) -> Result<(), CommandError> {
    let opened = cx.open(ui)?;
    let team = opened.vault.team();
    let names: Vec<ProfileName> = team.profiles().keys().cloned().collect();
    let sections = cx.sections(ui, &opened, &names)?;
    let rows: Vec<Listed<'_>> = sections
        .iter()
        .zip(team.profiles())
        .map(|(section, (name, state))| Listed {
            name: name.as_str(),
            epoch: state.epoch,
            extends: state.extends.iter().map(|parent| parent.as_str()).collect(),
            secrets: section.len(),
            readers: team.readers(name).map(|(device, _)| device.to_string()).collect(),
            writers: team
                .devices()
                .keys()
                .filter(|device| team.writes(device, name))
                .map(ToString::to_string)
                .collect(),
        })
        .collect();
    if json {
        ui.json(&rows);
        return Ok(());
    }
    let mut table = Table::new(&["PROFILE", "SECRETS", "EXTENDS", "DEVICES THAT READ"]);
    for row in rows {
        table.row(vec![
            Cell::toned(Tone::Bold, row.name),
            Cell::new(row.secrets.to_string()),
            Cell::new(row.extends.join(", ")),
            Cell::toned(Tone::Faint, row.readers.join(", ")),
        ]);
    }
    table.print(ui);
    Ok(())
}

fn add(
    cx: &Context,
    ui: &mut Ui,
    name: &ProfileName,
    extends: &[ProfileName],
    dry_run: bool,
) -> Result<(), CommandError> {
    cx.attempt("profile-add", name, &[]);
    let opened = cx.open(ui)?;
    if let Some(parent) = extends.iter().find(|parent| !opened.vault.team().profiles().contains_key(*parent)) {
        return Err(cx.name_profiles(&opened, vault::Error::NoProfile(parent.clone())));
    }
    let change = Change::of("profile-add", name, &[]).in_team().only_tried(dry_run);
    cx.change(ui, &opened, &change, |tx, signer, now| {
        tx.add_profile(name, extends.to_vec(), signer, now)?;
        Ok(Edit::Changed(()))
    })?;
    if dry_run {
        ui.note(&format!("would add profile {name}"));
        return Ok(());
    }
    ui.note(&format!("added profile {name}; `vault -p {name} set NAME` puts secrets into it"));
    Ok(())
}

/// Changes the policy if an option of it is given; false if none is.
fn set_policy(
    cx: &Context,
    ui: &mut Ui,
    name: &ProfileName,
    policy: &PolicyArgs,
    dry_run: bool,
) -> Result<bool, CommandError> {
    let opened = cx.open(ui)?;
    let before = cx.sections(ui, &opened, std::slice::from_ref(name))?[0].policy().clone();
    if policy.apply(&before)?.is_none() {
        return Ok(false);
    }
    warn_of_owner(ui, &opened.vault, policy.owner());
    let change = Change::of("profile-set", name, &[]).only_tried(dry_run);
    let outcome = cx.change(ui, &opened, &change, |tx, signer, _| {
        let (section, _) = tx.profile(name, signer)?;
        let after = policy.apply(&section.policy)?.unwrap_or_default();
        let changed = section.policy != after;
        section.policy = after;
        Ok(if changed { Edit::Changed(()) } else { Edit::Unchanged(()) })
    })?;
    ui.note(&match outcome {
        Edit::Changed(()) if dry_run => format!("would change the policy of profile {name}"),
        Edit::Changed(()) => format!("changed the policy of profile {name}"),
        Edit::Unchanged(()) => "nothing changed".to_owned(),
    });
    Ok(true)
}

fn set(
    cx: &Context,
    ui: &mut Ui,
    name: &ProfileName,
    extends: &[ProfileName],
    dry_run: bool,
) -> Result<(), CommandError> {
    let opened = cx.open(ui)?;
    let profiles = opened.vault.team().profiles();
    // No profile is called `none` unless somebody made one.
    let none = extends.iter().any(|parent| parent.as_str() == "none" && !profiles.contains_key(parent));
    let parents = if none { Vec::new() } else { extends.to_vec() };
    let missing = std::iter::once(name).chain(&parents).find(|profile| !profiles.contains_key(*profile));
    if let Some(missing) = missing {
        return Err(cx.name_profiles(&opened, vault::Error::NoProfile(missing.clone())));
    }
    let list = parents.iter().map(ProfileName::as_str).collect::<Vec<_>>().join(", ");
    let what = if parents.is_empty() { "nothing".to_owned() } else { list };
    if profiles[name].extends == parents {
        ui.note("nothing changed");
        return Ok(());
    }
    let change = Change::of("profile-set", name, &[]).in_team().only_tried(dry_run);
    cx.change(ui, &opened, &change, |tx, signer, now| {
        let action = Action::SetProfile { profile: name.clone(), extends: parents };
        tx.change_team(action, &BTreeSet::new(), None, signer, now)?;
        Ok(Edit::Changed(()))
    })?;
    ui.note(&if dry_run { format!("would make {name} extend {what}") } else { format!("{name} extends {what}") });
    Ok(())
}

fn remove(cx: &Context, ui: &mut Ui, name: &ProfileName, force: bool, dry_run: bool) -> Result<(), CommandError> {
    let opened = cx.open(ui)?;
    let secrets = cx.sections(ui, &opened, std::slice::from_ref(name))?[0].len();
    let what = format!("profile {name} with {secrets} secret{}", if secrets == 1 { "" } else { "s" });
    // Who can be asked is not asked about what is only tried.
    if secrets > 0 && !force && !(dry_run && ui.can_ask()) {
        let confirmed = ui.confirm(&format!("Remove {what}?")).map_err(CommandError::Terminal)?;
        if !confirmed {
            return Err(CommandError::ProfileNotEmpty(name.clone()));
        }
    }
    let change = Change::of("profile-rm", name, &[]).in_team().only_tried(dry_run);
    cx.change(ui, &opened, &change, |tx, signer, now| {
        let action = Action::RemoveProfile { profile: name.clone() };
        tx.change_team(action, &BTreeSet::new(), None, signer, now)?;
        Ok(Edit::Changed(()))
    })?;
    if dry_run {
        ui.note(&format!("would remove {what}"));
        return Ok(());
    }
    ui.note(&format!("removed {what}; git history keeps what was in it"));
    Ok(())
}

fn rekey(cx: &Context, ui: &mut Ui, names: &[ProfileName], dry_run: bool) -> Result<(), CommandError> {
    let opened = cx.open(ui)?;
    let profiles = opened.vault.team().profiles();
    if let Some(missing) = names.iter().find(|name| !profiles.contains_key(*name)) {
        return Err(cx.name_profiles(&opened, vault::Error::NoProfile(missing.clone())));
    }
    let chosen: BTreeSet<ProfileName> =
        if names.is_empty() { profiles.keys().cloned().collect() } else { names.iter().cloned().collect() };
    let list = chosen.iter().map(ProfileName::as_str).collect::<Vec<_>>();
    cx.change(ui, &opened, &Change::team("rekey", &list).only_tried(dry_run), |tx, signer, now| {
        tx.change_team(Action::Rekey, &chosen, None, signer, now)?;
        Ok(Edit::Changed(()))
    })?;
    if dry_run {
        ui.note(&format!("would make new keys for {}", list.join(", ")));
        return Ok(());
    }
    ui.note(&format!("new keys for {}; values stay what they are", list.join(", ")));
    Ok(())
}
