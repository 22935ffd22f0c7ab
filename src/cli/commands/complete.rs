use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::Arc;

use clap_complete::engine::{ArgValueCandidates, ArgValueCompleter, CompletionCandidate};
use vault::config::{Known, Place, Places};
use vault::{DeviceName, Effective, MemberName, Memory, ProfileName, SecretName, Vault, is_hostile};

use super::completions::Shell;
use crate::cli::args::Pair;
use crate::cli::context::{Context, read_vault};
use crate::cli::error::CommandError;
use crate::cli::ui::Ui;

/// Give what the last word can become; for the scripts of `vault completions`
///
/// Names are read from the vault file as it is. Nothing is opened, recorded,
/// remembered or asked; whatever goes wrong, there is nothing to offer.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The shell that asks
    shell: Shell,

    /// The words up to the one to complete, the name of the program first
    #[arg(last = true)]
    words: Vec<OsString>,
}

pub(crate) fn run(cx: &mut Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    let names = Arc::new(names(cx, &args.words).unwrap_or_default());
    let mut command = with_names(crate::cli::described(), &names);
    let index = args.words.len().saturating_sub(1);
    let here = std::env::current_dir().ok();
    let found = clap_complete::engine::complete(&mut command, args.words.clone(), index, here.as_deref());
    for candidate in found.unwrap_or_default() {
        let Some(value) = candidate.get_value().to_str().filter(|value| !value.chars().any(is_hostile)) else {
            continue;
        };
        let help = candidate.get_help().map(ToString::to_string).unwrap_or_default();
        match help.lines().next().filter(|_| args.shell != Shell::Bash) {
            Some(help) if !help.chars().any(is_hostile) => ui.value(format!("{value}\t{help}\n").as_bytes()),
            _ => ui.value(format!("{value}\n").as_bytes()),
        }
    }
    Ok(())
}

/// The names of this place.
#[derive(Default)]
struct Names {
    secrets: Vec<String>,
    profiles: Vec<String>,
    members: Vec<String>,
    devices: Vec<String>,
}

/// Reads them; the vault and the profile are those that the words name, if they do.
fn names(cx: &mut Context, words: &[OsString]) -> Option<Names> {
    // The last one is not finished, and says nothing yet.
    let words = words.split_last().map_or(&[][..], |(_, before)| before);
    let words: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
    let option = |names: [&str; 2]| {
        let given = words.iter().enumerate().rev().find_map(|(at, word)| match word.split_once('=') {
            Some((name, value)) if names.contains(&name) => Some(value),
            _ if names.contains(word) => words.get(at + 1).copied(),
            _ => None,
        });
        given.map(str::to_owned)
    };
    if let Some(path) = option(["--vault", "--vault"]) {
        cx.globals.vault = Some(PathBuf::from(path));
    }
    if let Some(profile) = option(["--profile", "-p"]).and_then(|name| name.parse().ok()) {
        cx.globals.profile = Some(profile);
    }
    let (path, _) = cx.vault_path().ok()?;
    let bytes = read_vault(&path).ok()?;
    // Where the place is known, the team was verified before, and is not again.
    let verified = known(cx, &path).map(|memory| memory.verified().to_vec()).unwrap_or_default();
    let vault = Vault::read(bytes, &verified).ok()?;
    let team = vault.team();
    let text = |names: &mut dyn Iterator<Item = String>| names.collect();
    let mut names = Names {
        secrets: Vec::new(),
        profiles: text(&mut team.profiles().keys().map(ToString::to_string)),
        members: text(&mut team.members().keys().map(ToString::to_string)),
        devices: text(&mut team.devices().iter().filter(|(_, device)| device.active).map(|(name, _)| name.to_string())),
    };
    // Of a profile that is not there nothing else is kept back.
    names.secrets = secrets(&vault, &cx.profile()).unwrap_or_default();
    Some(names)
}

fn secrets(vault: &Vault, profile: &ProfileName) -> Option<Vec<String>> {
    let sections: Option<Vec<_>> =
        vault.lineage(profile).ok()?.iter().map(|profile| vault.section(profile).ok()).collect();
    let effective = Effective::new(sections?);
    Some(effective.names().iter().map(|(name, _)| (*name).to_owned()).collect())
}

fn known(cx: &Context, path: &std::path::Path) -> Option<Memory> {
    let place = Place::of(path).ok()?;
    let Known::Id(id) = Places::load(cx.directories()).ok()?.known(&place) else { return None };
    Memory::load(&cx.directories().vault_state(&id), id.parse().ok()?).ok()
}

/// For `VARIABLE=SECRET` the secrets, once the variable is there.
fn of_pair(names: &Names, typed: &OsStr) -> Vec<CompletionCandidate> {
    let Some((typed, (variable, _))) = typed.to_str().and_then(|typed| Some((typed, typed.split_once('=')?))) else {
        return Vec::new();
    };
    let pairs = names.secrets.iter().map(|name| format!("{variable}={name}"));
    pairs.filter(|pair| pair.starts_with(typed)).map(CompletionCandidate::new).collect()
}

/// Has every argument that takes a name offer those there are.
fn with_names(command: clap::Command, names: &Arc<Names>) -> clap::Command {
    let offer = |arg: clap::Arg| {
        let kind = arg.get_value_parser().type_id();
        let pick: Option<fn(&Names) -> &Vec<String>> = [
            (std::any::TypeId::of::<SecretName>(), (|names| &names.secrets) as fn(&Names) -> &Vec<String>),
            (std::any::TypeId::of::<ProfileName>(), |names| &names.profiles),
            (std::any::TypeId::of::<MemberName>(), |names| &names.members),
            (std::any::TypeId::of::<DeviceName>(), |names| &names.devices),
        ]
        .into_iter()
        .find_map(|(of, pick)| (kind == of).then_some(pick));
        match pick {
            None if kind == std::any::TypeId::of::<Pair>() => {
                let names = names.clone();
                arg.add(ArgValueCompleter::new(move |typed: &OsStr| of_pair(&names, typed)))
            }
            None => arg,
            Some(pick) => {
                let names = names.clone();
                arg.add(ArgValueCandidates::new(move || pick(&names).iter().map(CompletionCandidate::new).collect()))
            }
        }
    };
    command.mut_args(offer).mut_subcommands(|below| with_names(below, names))
}
