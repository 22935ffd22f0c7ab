use vault::identity;

use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::ui::Ui;
use crate::cli::unlock;

/// Print the public halves: recipient and signing key
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Print an object
    #[arg(long)]
    json: bool,

    /// Open the identity, instead of trusting what a sealed file says it is
    #[arg(long)]
    open: bool,
}

#[derive(serde::Serialize)]
struct Shown {
    recipient: String,
    signing_key: String,
}

pub(crate) fn run(cx: &Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    let request = unlock::request(cx, &[], None);
    let found = if args.open { None } else { identity::find_public(&request) };
    let (recipient, signing_key) = match found {
        Some(found) => found,
        None => {
            let found = unlock::find(ui, &request)?;
            (found.identity.recipient(), found.identity.signing_key().public())
        }
    };
    let shown = Shown { recipient: recipient.to_string(), signing_key: signing_key.to_string() };
    if args.json {
        ui.json(&shown);
    } else {
        ui.line(&format!("recipient    {}", shown.recipient));
        ui.line(&format!("signing key  {}", shown.signing_key));
    }
    Ok(())
}
