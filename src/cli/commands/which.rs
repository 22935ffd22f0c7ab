use vault::Vault;
use vault::config::{Known, Place, Places};

use crate::cli::context::{Context, FoundBy, read_vault};
use crate::cli::error::CommandError;
use crate::cli::ui::{Ui, clean};

/// Say which vault file is used here, and why
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Print an object
    #[arg(long)]
    json: bool,
}

#[derive(serde::Serialize)]
struct Which<'a> {
    path: String,
    found_by: &'a str,
    id: Option<String>,
    trusted: bool,
    profile: String,
    place: String,
    clone: Option<String>,
}

pub(crate) fn run(cx: &mut Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    let (path, found_by) = cx.vault_path()?;
    let bytes = read_vault(&path)?;
    let claimed = Vault::claimed_id(&bytes);
    let place = Place::of(&path)?;
    let known = Places::load(cx.directories())?.known(&place);
    let trusted = match (&known, &claimed) {
        (Known::Id(id), Some(claimed)) => *id == claimed.to_string(),
        (Known::Unknown, Some(claimed)) => cx.is_asked_for(&claimed.to_string()),
        _ => false,
    };
    let (word, why) = match found_by {
        FoundBy::Option => ("option", "named by --vault"),
        FoundBy::Variable => ("variable", "named by VLT_FILE"),
        FoundBy::Search => ("search", "the nearest vault.toml upwards"),
    };
    let which = Which {
        path: path.display().to_string(),
        found_by: word,
        id: claimed.map(|id| id.to_string()),
        trusted,
        profile: cx.profile().to_string(),
        place: place.path.display().to_string(),
        clone: place.git.as_ref().map(|git| git.common_dir.display().to_string()),
    };
    if args.json {
        ui.json(&which);
        return Ok(());
    }
    let trust = match (trusted, &known) {
        (true, Known::Unknown) => "named by VLT_VAULT_ID",
        (true, _) => "trusted here",
        (false, Known::Unknown) => "not yet trusted here",
        (false, _) => "another vault than before",
    };
    ui.line(&format!("{}  ({why})", clean(&which.path)));
    ui.line(&format!("  id       {} ({trust})", which.id.as_deref().unwrap_or("unreadable")));
    ui.line(&format!("  profile  {}", which.profile));
    if let Some(clone) = &which.clone {
        ui.line(&format!("  clone    {}", clean(clone)));
    }
    Ok(())
}
