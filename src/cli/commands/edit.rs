use vault::crypto::Binding;
use vault::exec::detached::Watcher;
use vault::secret_value::SecretValue;
use vault::store::{self, Scratch};
use vault::{ProfileName, SecretName, Target, Value, copy_secret};

use super::set::{describe, recognise};
use crate::cli::context::{Actor, Context, Opened};
use crate::cli::editor::{self, Editor};
use crate::cli::error::CommandError;
use crate::cli::record::{Change, Edit, Use, all_sections, name_overrides};
use crate::cli::sheet::{Edits, Problem, Rules, Sheet, annotate};
use crate::cli::standing;
use crate::cli::ui::Ui;

/// Largest text that is taken back from an editor.
const MAX_TEXT: u64 = 64 << 20;

/// Edit the values of the profile as text
///
/// The profile opens in `$VISUAL` or `$EDITOR` in the form of a `.env` file. Save and
/// close it: only what changed is sealed again, a line that is gone removes its
/// secret, a name that changed keeps its dates. A line that cannot be read opens
/// the editor again. The text is kept in memory where the system has such a place,
/// and is removed in any case. That the values were opened is on record.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Allow empty values
    #[arg(long)]
    allow_empty: bool,

    /// Allow this name although it changes how programs load or run
    #[arg(long = "allow-name", value_name = "NAME")]
    allow_names: Vec<String>,

    /// Report what would change, and change nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

pub(crate) fn run(cx: &mut Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    let profile = cx.profile();
    cx.attempt("edit", &profile, &[]);
    let mut opened = cx.open(ui)?;
    cx.sections(ui, &opened, std::slice::from_ref(&profile))?;
    let editor = Editor::find(&cx.variables)?;
    let desk = Desk::new(cx, ui, &profile)?;
    cx.keep_identity();
    let actor = cx.actor(ui, &opened)?;
    // What would be refused in the end is refused before anybody types.
    if !opened.vault.team().writes(&actor.device, &profile) {
        return Err(vault::Error::NoWrite { device: actor.device.clone(), profile }.into());
    }
    standing::check(&opened.path, &opened.vault, &all_sections(&opened.vault)?, &opened.memory.borrow())?;
    let heading = heading(&opened, &profile);
    let mut sheet = read_sheet(cx, ui, &opened, &actor, &profile)?;
    let mut text = sheet.text(&heading)?;
    let mut why: Option<CommandError> = None;
    loop {
        let typed = desk.edit(ui, &editor, &text)?;
        if typed.same_as(&text) {
            // The second time that is giving up.
            return match why {
                Some(error) => Err(error),
                None => {
                    unchanged(ui, &editor);
                    Ok(())
                }
            };
        }
        let allowed = |name: &SecretName| cx.allows_name(name.as_str(), &args.allow_names);
        let edits = match sheet.compare(&typed, &Rules { name: &allowed, empty: args.allow_empty }) {
            Ok(edits) => edits,
            Err(problems) if !ui.can_ask() => return Err(unreadable(&problems)),
            Err(mut problems) => {
                text = annotate(&typed, &mut problems);
                why = Some(again(ui, unreadable(&problems))?);
                continue;
            }
        };
        if edits.is_empty() {
            unchanged(ui, &editor);
            return Ok(());
        }
        if sheet.is_emptied_by(&edits) {
            return Err(CommandError::EverythingGone(profile));
        }
        if args.dry_run {
            ui.note(&format!("would edit profile {profile}: {edits}"));
            return Ok(());
        }
        match apply_in_the_end(cx, ui, &opened, &actor, &profile, &sheet, &edits) {
            Ok(()) => {
                desk.clear()?;
                report(ui, &profile, &edits);
                return Ok(());
            }
            Err(CommandError::Clash(clashes)) => {
                let clashing: Vec<SecretName> = clashes.iter().map(|(name, _)| name.clone()).collect();
                why = Some(again(ui, CommandError::Clash(clashes))?);
                opened = cx.open(ui)?;
                let now = read_sheet(cx, ui, &opened, &actor, &profile)?;
                text = now.text_again(&heading, &sheet, &edits, &clashing)?;
                sheet = now;
            }
            Err(error) => return Err(error),
        }
    }
}

fn report(ui: &mut Ui, profile: &ProfileName, edits: &Edits) {
    ui.note(&format!("edited profile {profile}: {edits}"));
    for (name, value) in edits.changed.iter().chain(&edits.added) {
        if let Some(detected) = recognise(name, value) {
            describe(ui, name, &detected);
        }
    }
}

/// The place where the text lies while it is edited.
struct Desk {
    scratch: Scratch,
    name: String,
    /// Clears up should this process be killed.
    _watcher: Watcher,
}

impl Desk {
    fn new(cx: &Context, ui: &mut Ui, profile: &ProfileName) -> Result<Self, CommandError> {
        let disk = cx.directories().state.join("edit");
        let scratch = Scratch::create(&editor::memory_directories(&cx.variables), &disk)?;
        if !scratch.in_memory() {
            ui.warn(&format!(
                "no place in memory was found: while the editor is open, the text is on disk in {}",
                scratch.path().display()
            ));
        }
        let path = scratch.path().to_path_buf();
        let watcher = Watcher::start(|| {
            // An editor that is still writing may be in the way for a moment.
            for _ in 0..20 {
                if store::remove_tree(&path).is_ok() && !path.exists() {
                    return;
                }
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
        });
        let watcher = watcher.map_err(|reason| store::Error::Io {
            action: "watch over",
            path: scratch.path().to_path_buf(),
            reason,
        })?;
        Ok(Self { scratch, name: format!("{profile}.env"), _watcher: watcher })
    }

    /// Lets a text be edited, and gives it back.
    fn edit(&self, ui: &mut Ui, editor: &Editor, text: &SecretValue) -> Result<SecretValue, CommandError> {
        // Into a private file, in memory where there is such a place.
        let path = self.scratch.write(&self.name, text.reveal())?;
        editor.edit(ui, &path)?;
        // Read by name: many editors put a new file in the place of the old one.
        match store::read(&path, MAX_TEXT) {
            Ok(bytes) => Ok(SecretValue::new(bytes)),
            Err(store::Error::Missing { .. }) => {
                Err(CommandError::Program { what: "the editor".to_owned(), why: "the file is gone".to_owned() })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Removes the text, and says so if that fails.
    fn clear(self) -> Result<(), CommandError> {
        Ok(self.scratch.remove()?)
    }
}

fn heading(opened: &Opened, profile: &ProfileName) -> Vec<String> {
    let mut lines = vec![
        format!("Profile {profile} of {}", opened.path.display()),
        "NAME=value, as in a .env file. Save and close to apply it.".to_owned(),
        "A line that is gone removes its secret. Without a change nothing happens.".to_owned(),
    ];
    let extends = opened.vault.team().profiles().get(profile).map(|state| state.extends.as_slice());
    if let Some(parents) = extends.filter(|parents| !parents.is_empty()) {
        let parents: Vec<&str> = parents.iter().map(ProfileName::as_str).collect();
        lines.push(format!("What it takes over from {} is not shown.", parents.join(", ")));
    }
    lines
}

/// Opens every value of the profile, on record.
fn read_sheet(
    cx: &Context,
    ui: &mut Ui,
    opened: &Opened,
    actor: &Actor,
    profile: &ProfileName,
) -> Result<Sheet, CommandError> {
    let sections = cx.sections(ui, opened, std::slice::from_ref(profile))?;
    let section = &sections[0];
    let key = cx.unlock(opened, actor, section)?;
    let used = Use::of("edit", section, section.names().map(str::to_owned).collect());
    let (sheet, ..) = cx.with_use(ui, opened, actor, &used, || {
        let mut sheet = Sheet::default();
        for secret in section.secrets() {
            let (name, secret) = secret?;
            let value = section.open(&key, &name, secret.version, &secret.value)?;
            sheet.put(name, value);
        }
        Ok(sheet)
    })?;
    cx.settled();
    Ok(sheet)
}

/// Makes the edits. After a failure that may pass, as a lock or a full disk, somebody at
/// the terminal may have it tried again: what was typed is nowhere else.
fn apply_in_the_end(
    cx: &Context,
    ui: &mut Ui,
    opened: &Opened,
    actor: &Actor,
    profile: &ProfileName,
    sheet: &Sheet,
    edits: &Edits,
) -> Result<(), CommandError> {
    loop {
        let Err(error) = apply(cx, ui, opened, actor, profile, sheet, edits) else { return Ok(()) };
        if matches!(error, CommandError::Clash(_)) || !ui.can_ask() {
            return Err(error);
        }
        ui.warn(&format!("nothing was changed: {error}"));
        if !ui.confirm("Try again? Otherwise what was typed is lost").map_err(CommandError::Terminal)? {
            return Err(error);
        }
    }
}

/// Makes the edits, unless what they are about was changed in between.
fn apply(
    cx: &Context,
    ui: &mut Ui,
    opened: &Opened,
    actor: &Actor,
    profile: &ProfileName,
    sheet: &Sheet,
    edits: &Edits,
) -> Result<(), CommandError> {
    let names = edits.names();
    let mut change = Change::of("edit-save", profile, &names);
    change.overrides = name_overrides(edits.added.keys().chain(edits.renamed.values()).map(SecretName::as_str));
    cx.change_as(ui, actor, opened, &change, |tx, signer, now| {
        let (section, key) = tx.profile(profile, signer)?;
        // What stands there now is what was shown, or what is to be put there.
        let is = |name: &SecretName, wanted: &[Option<&SecretValue>]| -> Result<bool, CommandError> {
            let Some(secret) = section.secrets.get(name) else { return Ok(wanted.iter().any(Option::is_none)) };
            let value = key.open(Binding { name: name.as_str(), version: secret.version }, &secret.value)?;
            Ok(wanted.iter().flatten().any(|wanted| value.same_as(wanted)))
        };
        let mut clashes = Vec::new();
        for name in &names {
            let (before, old) = (sheet.value(name), edits.renamed.contains_key(name));
            let after = edits.changed.get(name).or_else(|| edits.added.get(name));
            let fits = match (before, after) {
                (Some(_), Some(_)) => is(name, &[before, after])?,
                (None, Some(_)) => is(name, &[None, after])?,
                // A renamed one must be there; a removed one may be gone already.
                (Some(_), None) if old => is(name, &[before])?,
                (Some(_), None) => is(name, &[before, None])?,
                (None, None) => is(name, &[None])?,
            };
            if !fits {
                clashes.push((name.clone(), section.secrets.get(name).map(|secret| secret.set_by.clone())));
            }
        }
        if !clashes.is_empty() {
            return Err(CommandError::Clash(clashes));
        }
        for name in &edits.removed {
            vault::remove(section, name, &signer.device, now);
        }
        for (old, new) in &edits.renamed {
            let Some(secret) = section.secrets.remove(old) else { continue };
            copy_secret(&secret, (key, old), section, &Target { key, name: new })?;
        }
        for (name, value) in edits.changed.iter().chain(&edits.added) {
            let value = Value { value, set_at: now, age_at_least: false };
            let (secret, _) = vault::store_value(section, key, name, &value, &signer.device, now)?;
            if secret.provider.is_none() {
                secret.provider = recognise(name, value.value).and_then(|found| found.provider.id.parse().ok());
            }
        }
        Ok(Edit::Changed(()))
    })
    .map(drop)
}

fn unchanged(ui: &mut Ui, editor: &Editor) {
    ui.note("nothing changed");
    if editor.may_not_wait() {
        ui.hint("if the editor was still open, have it wait: EDITOR=\"code --wait\", for example");
    }
}

fn unreadable(problems: &[Problem]) -> CommandError {
    let first = problems.first().map(ToString::to_string).unwrap_or_default();
    CommandError::Unreadable { first, more: problems.len().saturating_sub(1) }
}

/// Says why the editor opens again; where nobody is there to type, the error is the end.
fn again(ui: &mut Ui, error: CommandError) -> Result<CommandError, CommandError> {
    if !ui.can_ask() {
        return Err(error);
    }
    ui.warn(&format!("{error}; the editor opens again"));
    Ok(error)
}
