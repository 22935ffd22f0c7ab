use vault::ProfileName;

use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::record::{Change, Edit};
use crate::cli::table::{Cell, Table};
use crate::cli::ui::{Tone, Ui};

/// List and add profiles
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
    if dry_run {
        if opened.vault.team().profile_name_used(name) {
            return Err(vault::Error::NameUsed { what: "profile", name: name.to_string() }.into());
        }
        ui.note(&format!("would add profile {name}"));
        return Ok(());
    }
    cx.change(ui, &opened, &Change::of("profile-add", name, &[]), |tx, signer, now| {
        tx.add_profile(name, extends.to_vec(), signer, now)?;
        Ok(Edit::Changed(()))
    })?;
    ui.note(&format!("added profile {name}; `vault -p {name} set NAME` puts secrets into it"));
    Ok(())
}
