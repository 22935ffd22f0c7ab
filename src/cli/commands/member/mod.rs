//! `vault member`: who is in.

mod add;
mod list;
mod remove;
mod role;

pub(crate) use remove::{Report, print_worklist, report};
use vault::team::Access;
use vault::{MemberName, ProfileName};

use crate::cli::context::{Context, Opened};
use crate::cli::error::CommandError;
use crate::cli::ui::Ui;

/// Say who is in, and change it
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    List(list::Args),
    Log(list::LogArgs),
    Approve(add::ApproveArgs),
    Add(add::Args),
    Grant(role::GrantArgs),
    Revoke(role::RevokeArgs),
    Remove(remove::Args),
}

/// Access to profiles.
#[derive(clap::Args, Debug)]
pub(super) struct AccessArgs {
    /// May read this profile (repeat for several)
    #[arg(long = "read", value_name = "PROFILE")]
    read: Vec<ProfileName>,

    /// May read and write this profile (repeat for several)
    #[arg(long = "write", value_name = "PROFILE")]
    write: Vec<ProfileName>,

    /// May do everything, and change the team
    #[arg(long)]
    admin: bool,
}

impl AccessArgs {
    fn access(&self) -> Access {
        Access {
            read: self.read.iter().cloned().collect(),
            write: self.write.iter().cloned().collect(),
            admin: self.admin,
        }
    }

    fn is_empty(&self) -> bool {
        self.read.is_empty() && self.write.is_empty() && !self.admin
    }

    /// Refuses a profile that does not exist, for dry runs as well.
    fn check_profiles(&self, cx: &Context, opened: &Opened) -> Result<(), CommandError> {
        let profiles = opened.vault.team().profiles();
        match self.read.iter().chain(&self.write).find(|profile| !profiles.contains_key(*profile)) {
            Some(missing) => Err(cx.name_profiles(opened, vault::Error::NoProfile(missing.clone()))),
            None => Ok(()),
        }
    }
}

pub(crate) fn run(cx: &mut Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    match &args.command {
        Command::List(args) => list::run(cx, ui, args),
        Command::Log(args) => list::log(cx, ui, args),
        Command::Approve(args) => add::approve(cx, ui, args),
        Command::Add(args) => add::run(cx, ui, args),
        Command::Grant(args) => role::grant(cx, ui, args),
        Command::Revoke(args) => role::revoke(cx, ui, args),
        Command::Remove(args) => remove::run(cx, ui, args),
    }
}

/// Refuses somebody who is not in, for dry runs as well.
fn check_member(opened: &Opened, member: &MemberName) -> Result<(), CommandError> {
    if opened.vault.team().members().contains_key(member) {
        Ok(())
    } else {
        Err(vault::Error::NoMember(member.clone()).into())
    }
}

/// Access in words: `admin`, or `writes dev; reads prod`.
pub(super) fn describe(access: &Access) -> String {
    if access.admin {
        return "admin: everything, and the team".to_owned();
    }
    let join =
        |names: &mut dyn Iterator<Item = &ProfileName>| names.map(ProfileName::as_str).collect::<Vec<_>>().join(", ");
    let (write, read) = (join(&mut access.write.iter()), join(&mut access.read.difference(&access.write)));
    match (write.is_empty(), read.is_empty()) {
        (true, true) => "nothing yet".to_owned(),
        (false, true) => format!("writes {write}"),
        (true, false) => format!("reads {read}"),
        (false, false) => format!("writes {write}; reads {read}"),
    }
}
