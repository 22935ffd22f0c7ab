use vault::identity;

use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::table::{Cell, Table};
use crate::cli::ui::{Tone, Ui};
use crate::cli::unlock;

/// Show this device's identity, and where it is looked for
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand, Debug)]
enum Command {
    /// Print the public halves: recipient and signing key
    Show {
        /// Print an object
        #[arg(long)]
        json: bool,

        /// Open the identity, instead of trusting what a sealed file says it is
        #[arg(long)]
        open: bool,
    },
    /// Explain the search for an identity, in its order
    Where {
        /// Print an array of objects
        #[arg(long)]
        json: bool,
    },
}

#[derive(serde::Serialize)]
struct Shown {
    recipient: String,
    signing_key: String,
}

#[derive(serde::Serialize)]
struct Step {
    source: String,
    origin: Option<String>,
    outcome: String,
}

pub(crate) fn run(cx: &mut Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    match args.command {
        Command::Show { json, open } => show(cx, ui, json, open),
        Command::Where { json } => search(cx, ui, json),
    }
}

fn show(cx: &Context, ui: &mut Ui, json: bool, open: bool) -> Result<(), CommandError> {
    let request = unlock::request(cx, &[], None);
    let found = if open { None } else { identity::find_public(&request) };
    let (recipient, signing_key) = match found {
        Some(found) => found,
        None => {
            let found = unlock::find(ui, &request)?;
            (found.identity.recipient(), found.identity.signing_key().public())
        }
    };
    let shown = Shown { recipient: recipient.to_string(), signing_key: signing_key.to_string() };
    if json {
        ui.json(&shown);
    } else {
        ui.line(&format!("recipient    {}", shown.recipient));
        ui.line(&format!("signing key  {}", shown.signing_key));
    }
    Ok(())
}

fn search(cx: &Context, ui: &mut Ui, json: bool) -> Result<(), CommandError> {
    // Slots of the vault count where there is one; the search itself needs none.
    let opened = match cx.vault_path() {
        Ok(_) => Some(cx.open(ui)?),
        Err(_) => None,
    };
    let slots = opened.as_ref().map(|opened| unlock::slots(&opened.vault)).unwrap_or_default();
    let search = identity::explain(&unlock::request(cx, &slots, None), ui.can_ask());
    let steps: Vec<Step> = search
        .steps
        .iter()
        .map(|step| Step {
            source: step.source.to_string(),
            origin: step.origin.as_ref().map(ToString::to_string),
            outcome: step.outcome.to_string(),
        })
        .collect();
    if json {
        ui.json(&steps);
        return Ok(());
    }
    let mut table = Table::new(&["SOURCE", "WHERE", "OUTCOME"]);
    for step in steps {
        let tone = if step.outcome == "used" { Tone::Good } else { Tone::Plain };
        table.row(vec![
            Cell::new(step.source),
            Cell::new(step.origin.unwrap_or_default()),
            Cell::toned(tone, step.outcome),
        ]);
    }
    table.print(ui);
    Ok(())
}
