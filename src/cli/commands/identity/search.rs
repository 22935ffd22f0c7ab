use vault::identity;

use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::table::{Cell, Table};
use crate::cli::ui::{Tone, Ui};
use crate::cli::unlock;

/// Explain the search for an identity, in its order
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Print an array of objects
    #[arg(long)]
    json: bool,
}

#[derive(serde::Serialize)]
struct Step {
    source: String,
    origin: Option<String>,
    outcome: String,
}

pub(crate) fn run(cx: &Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    // Slots of the vault count where there is one; the search itself needs none.
    let opened = match cx.vault_path() {
        Ok(_) => Some(cx.open(ui)?),
        Err(_) => None,
    };
    let vault = opened.as_ref().map(|opened| &opened.vault);
    let search = unlock::with_request(cx, vault, |request| identity::explain(request, ui.can_ask()));
    let steps: Vec<Step> = search
        .steps
        .iter()
        .map(|step| Step {
            source: step.source.to_string(),
            origin: step.origin.as_ref().map(ToString::to_string),
            outcome: step.outcome.to_string(),
        })
        .collect();
    if args.json {
        ui.json(&steps);
        return Ok(());
    }
    let mut table = Table::new(&["SOURCE", "WHERE", "OUTCOME"]).first_out(&["WHERE"]);
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
