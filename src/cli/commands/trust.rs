use std::path::Path;

use vault::audit::{Event, Outcome};
use vault::config::{Known, Place, Places};
use vault::{Memory, Section, Vault};

use crate::cli::context::{Context, read_vault};
use crate::cli::error::CommandError;
use crate::cli::record::all_sections;
use crate::cli::ui::Ui;

/// Confirm the vault of this place
///
/// Shows its fingerprint; ask a teammate whether it is the same. Without a
/// terminal VLT_VAULT_ID must name it. Where the file is older than one seen
/// before, or is another vault than this place had, this is how it is accepted:
/// on a terminal only.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Show what would be trusted, and remember nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

pub(crate) fn run(cx: &mut Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    let (path, _) = cx.vault_path()?;
    let place = Place::of(&path)?;
    let vault = Vault::read(read_vault(&path)?, &[])?;
    let id = vault.id();
    let text = id.to_string();
    let known = Places::load(cx.directories())?.known(&place);
    if args.dry_run {
        if let Some(doubt) = doubt(&known, &text, &path)? {
            ui.warn(&doubt.to_string());
        }
        describe(ui, &vault, &path);
        let memory = Memory::load(&cx.directories().vault_state(&text), id).map_err(vault::Error::from)?;
        let sections = all_sections(&vault)?;
        let standing = memory.compare(&vault, &sections.iter().collect::<Vec<_>>()).map_err(vault::Error::from)?;
        standing.warnings.iter().for_each(|warning| ui.warn(&warning.to_string()));
        return Ok(());
    }
    match known {
        // Known by its path, it may be a clone now, or the other way round.
        Known::Id(known) if known == text => cx.trust(&place, &vault)?,
        Known::Unknown => confirm_place(cx, ui, &place, &vault, &path)?,
        known => {
            let doubt = doubt(&known, &text, &path)?.ok_or(CommandError::Internal("nothing speaks against it"))?;
            replace_id(cx, ui, &place, &vault, &path, doubt)?;
        }
    }
    cx.known.set(Some(id));
    let state = cx.directories().vault_state(&text);
    let mut memory = Memory::load(&state, id).map_err(vault::Error::from)?;
    let sections = all_sections(&vault)?;
    let sections: Vec<&Section<'_>> = sections.iter().collect();
    let standing = memory.compare(&vault, &sections).map_err(vault::Error::from)?;
    if standing.warnings.is_empty() {
        if memory.learn(&vault, &sections, &[]) {
            memory.save(&state, cx.globals.lock_timeout()).map_err(vault::Error::from)?;
        }
        ui.note(&format!("{} is trusted here: {text}", path.display()));
        return Ok(());
    }
    for warning in &standing.warnings {
        ui.warn(&warning.to_string());
    }
    if !ui.can_ask() {
        return Err(CommandError::GoingBackUnconfirmed);
    }
    let accepted = ui.confirm("Take this older file as the right one from now on?").map_err(CommandError::Terminal)?;
    if !accepted {
        return Err(CommandError::BehindForWriting(standing.warnings[0].clone()));
    }
    let reasons: Vec<String> = standing.warnings.iter().map(ToString::to_string).collect();
    let event =
        Event { reason: Some(reasons.join("; ").chars().take(1000).collect()), ..Event::new("trust", Outcome::Done) };
    cx.note_event(&id, memory.device(), None, &event)?;
    memory.accept(&vault, &sections);
    memory.overwrite(&state, cx.globals.lock_timeout()).map_err(vault::Error::from)?;
    ui.note("accepted; writing is possible again");
    Ok(())
}

/// What speaks against this vault at a place.
fn doubt(known: &Known, id: &str, path: &Path) -> Result<Option<CommandError>, CommandError> {
    Ok(match known {
        Known::Id(known) if known == id => None,
        Known::Id(known) => {
            let known = known.parse().map_err(|_| CommandError::damaged_places())?;
            Some(CommandError::OtherVault { path: path.to_path_buf(), known })
        }
        Known::Unknown => None,
        Known::Conflict { .. } => Some(CommandError::ConflictingPlaces { path: path.to_path_buf() }),
    })
}

fn confirm_place(cx: &Context, ui: &mut Ui, place: &Place, vault: &Vault, path: &Path) -> Result<(), CommandError> {
    let id = vault.id();
    describe(ui, vault, path);
    let confirmed = match cx.variables.vault_id()? {
        Some(asked) if asked == id.to_string() => true,
        Some(_) => return Err(CommandError::NotTheVaultAsked { id }),
        None => ui.confirm("Ask somebody on the team for the id. Is it the same?").map_err(CommandError::Terminal)?,
    };
    if !confirmed {
        return Err(CommandError::UnknownPlace { path: path.to_path_buf(), id });
    }
    cx.trust(place, vault)?;
    cx.note_event(&id, None, None, &Event::new("trust", Outcome::Done)).map(drop)
}

/// Takes another vault at a place that had one: what an attacker would like to see done, so
/// that only a person does it. `refusal` is what everybody else is told.
fn replace_id(
    cx: &Context,
    ui: &mut Ui,
    place: &Place,
    vault: &Vault,
    path: &Path,
    refusal: CommandError,
) -> Result<(), CommandError> {
    if !ui.can_ask() {
        return Err(refusal);
    }
    ui.warn(&refusal.to_string());
    describe(ui, vault, path);
    let question = "Ask somebody on the team for the id. Is this the vault to use here from now on?";
    if !ui.confirm(question).map_err(CommandError::Terminal)? {
        return Err(refusal);
    }
    let id = vault.id();
    let reason = Some(refusal.to_string().chars().take(1000).collect());
    cx.note_event(&id, None, None, &Event { reason, ..Event::new("trust", Outcome::Done) })?;
    Ok(Places::replace_id(cx.directories(), place, &id.to_string())?)
}

fn describe(ui: &mut Ui, vault: &Vault, path: &Path) {
    let id = vault.id();
    let (members, profiles) = (vault.team().members(), vault.team().profiles());
    let join = |names: Vec<&str>| names.join(", ");
    ui.note(&format!("vault    {}", path.display()));
    ui.note(&format!("id       {id}"));
    ui.note(&format!("members  {}", join(members.keys().map(|name| name.as_str()).collect())));
    ui.note(&format!("profiles {}", join(profiles.keys().map(|name| name.as_str()).collect())));
}
