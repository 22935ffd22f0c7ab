use std::ffi::{OsStr, OsString};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

use vault::clock::Span;
use vault::config::{Known, Place, Places};
use vault::git as library;
use vault::identity::{self, Origin};
use vault::rotation::schedule::shell_word;
use vault::{Vault, store};

use crate::cli::context::{Context, read_vault};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::git;
use crate::cli::time::{Newest, local_time};
use crate::cli::ui::{Tone, Ui, clean};
use crate::cli::unlock;

/// Say what was found here and what is wrong with it
///
/// Opens nothing and changes nothing. Ends with status 1 if something is wrong.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Print an object with `ok` and `checks`
    #[arg(long)]
    json: bool,
}

#[derive(serde::Serialize)]
struct Check {
    name: &'static str,
    status: Status,
    detail: String,
    hint: Option<String>,
}

#[derive(serde::Serialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    Warning,
    Problem,
}

#[derive(serde::Serialize)]
struct Report {
    ok: bool,
    checks: Vec<Check>,
}

impl Check {
    fn ok(name: &'static str, detail: String) -> Self {
        Self { name, status: Status::Ok, detail, hint: None }
    }

    fn warning(name: &'static str, detail: String, hint: &str) -> Self {
        Self { name, status: Status::Warning, detail, hint: Some(hint.to_owned()) }
    }

    fn problem(name: &'static str, error: &CommandError) -> Self {
        Self {
            name,
            status: Status::Problem,
            detail: error.to_string(),
            hint: error.hint().map(|hint| hint.into_owned()),
        }
    }
}

/// Where texts begin, behind the status and the name of a check.
const INDENT: usize = 19;

pub(crate) fn run(cx: &mut Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    let (mut checks, vault) = vault_and_place(cx);
    checks.push(identity_search(cx, ui, vault.as_ref()));
    checks.push(agent(cx, vault.as_ref()));
    checks.push(state(cx));
    checks.extend(in_git(cx));
    checks.extend(plaintext(cx));
    checks.push(clock(cx, vault.as_ref()));
    checks.push(other_programs(cx));
    let report = Report { ok: checks.iter().all(|check| check.status != Status::Problem), checks };
    if args.json {
        ui.json(&report);
    } else {
        for check in &report.checks {
            let (word, tone) = match check.status {
                Status::Ok => ("ok     ", Tone::Good),
                Status::Warning => ("warning", Tone::Attention),
                Status::Problem => ("problem", Tone::Bad),
            };
            let word = ui.paint(tone, word);
            ui.entry(&format!("{word}  {:<9} ", check.name), INDENT, Tone::Plain, &check.detail);
            if let Some(hint) = &check.hint {
                ui.entry(&" ".repeat(INDENT), INDENT, Tone::Faint, hint);
            }
        }
    }
    if report.ok { Ok(()) } else { Err(CommandError::Said(Exit::Found)) }
}

fn vault_and_place(cx: &Context) -> (Vec<Check>, Option<Vault>) {
    let found = cx.vault_path().and_then(|(path, _)| {
        let vault = Vault::read(read_vault(&path)?, &[])?;
        Ok((path, vault))
    });
    let (path, vault) = match found {
        Ok(found) => found,
        Err(error) => return (vec![Check::problem("vault", &error)], None),
    };
    let team = vault.team();
    let counts = format!("{}: profiles {}, members {}", path.display(), team.profiles().len(), team.members().len());
    let broken = team.profiles().keys().find_map(|profile| vault.section(profile).err());
    let check = broken.map_or_else(|| Check::ok("vault", counts), |error| Check::problem("vault", &error.into()));
    let mut checks = vec![check];
    let known = Place::of(&path).and_then(|place| Ok(Places::load(cx.directories())?.known(&place)));
    checks.push(match known {
        Ok(Known::Id(id)) if id == vault.id().to_string() => Check::ok("place", format!("trusted as {id}")),
        Ok(Known::Id(known)) => match known.parse() {
            Ok(known) => Check::problem("place", &CommandError::OtherVault { path, known }),
            Err(_) => Check::problem("place", &CommandError::damaged_places()),
        },
        Ok(Known::Unknown) if cx.is_asked_for(&vault.id().to_string()) => {
            Check::ok("place", format!("named by VLT_VAULT_ID, and not used here yet: {}", vault.id()))
        }
        Ok(Known::Unknown) => Check::warning(
            "place",
            format!("not trusted here yet: {}", vault.id()),
            "compare the id with a teammate, then `vault trust`",
        ),
        Ok(Known::Conflict { .. }) => Check::problem("place", &CommandError::ConflictingPlaces { path }),
        Err(error) => Check::problem("place", &error.into()),
    });
    (checks, Some(vault))
}

fn identity_search(cx: &Context, ui: &Ui, vault: Option<&Vault>) -> Check {
    let search = unlock::with_request(cx, vault, |request| identity::explain(request, ui.can_ask()));
    if let Some(error) = search.failed {
        // That a keyring is locked says only that nobody sits here.
        let passes = matches!(error, identity::Error::Keyring(_));
        let check = Check::problem("identity", &error.into());
        return if passes { Check { status: Status::Warning, ..check } } else { check };
    }
    if let Some(Origin::File(file)) = &search.origin
        && git::takes_along(file)
    {
        return Check::warning(
            "identity",
            format!("git would take {} along: whoever has the repository then is this device", file.display()),
            "move it out of the clone, and say where it is with `vault config identity file:PATH`; \
             if it was pushed, `vault identity rotate --leaked`",
        );
    }
    match (&search.found, vault) {
        (Some((recipient, _)), Some(vault)) => match vault.team().device_of(recipient) {
            Some(device) => Check::ok("identity", format!("{device} of this vault")),
            None => match vault.team().former_device_of(recipient) {
                Some(device) => {
                    let error = vault::Error::Former(device.clone()).into();
                    Check { status: Status::Warning, ..Check::problem("identity", &error) }
                }
                None => Check::warning(
                    "identity",
                    "found, but it belongs to no device of this vault".to_owned(),
                    "`vault join` asks an admin of the vault to add this device",
                ),
            },
        },
        (Some((recipient, _)), None) => Check::ok("identity", recipient.to_string()),
        (None, _) => Check::warning(
            "identity",
            "none can be used: values cannot be read".to_owned(),
            "`vault identity where` explains the search",
        ),
    }
}

/// What the agent holds, if one runs.
fn agent(cx: &Context, vault: Option<&Vault>) -> Check {
    let holdings = match unlock::agent(cx).holdings() {
        Err(error) => return Check::problem("agent", &identity::Error::from(error).into()),
        Ok(None) => return Check::ok("agent", "none runs; `vault unlock` starts it".to_owned()),
        Ok(Some(holdings)) => holdings,
    };
    let described: Vec<String> = holdings
        .iter()
        .map(|holding| {
            let device = vault.and_then(|vault| vault.team().device_of(&holding.recipient));
            let who = device.map_or_else(|| holding.recipient.to_string(), |device| device.to_string());
            let until = local_time(cx.now().plus(Span::from_seconds(holding.left)));
            match &holding.limits {
                None => format!("{who} until {until}"),
                Some(limits) => {
                    let names: Vec<&str> = limits.iter().map(|(_, profile)| profile.as_str()).collect();
                    format!("{who} until {until}, limited to {}", names.join(", "))
                }
            }
        })
        .collect();
    Check::ok("agent", format!("holds {}", described.join("; ")))
}

fn state(cx: &Context) -> Check {
    let path = &cx.directories().state;
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Check::ok("state", format!("{} (made when it is needed)", path.display()))
        }
        Err(error) => Check::warning("state", format!("{}: {error}", path.display()), "set VLT_STATE_DIR"),
        Ok(found) if found.uid() != rustix::process::geteuid().as_raw() || found.permissions().mode() & 0o022 != 0 => {
            Check::warning(
                "state",
                format!("{} can be written by others", path.display()),
                "chmod 700 it, or set VLT_STATE_DIR",
            )
        }
        Ok(_) => match rustix::fs::access(path, rustix::fs::Access::WRITE_OK) {
            Ok(()) => Check::ok("state", path.display().to_string()),
            Err(_) => Check::warning(
                "state",
                format!("{} cannot be written: nothing can be used", path.display()),
                "set VLT_STATE_DIR to a directory that can be written to",
            ),
        },
    }
}

/// Whether git keeps the vault file as it is, can merge it, and is in no merge of it that stopped.
fn in_git(cx: &Context) -> Option<Check> {
    let (path, _) = cx.vault_path().ok()?;
    let place = Place::of(&path).ok()?;
    place.git.as_ref()?;
    let directory = place.path.parent()?;
    let name = place.path.file_name()?.to_string_lossy().into_owned();
    let text = store::read(&directory.join(".gitattributes"), 1 << 20).unwrap_or_default();
    if read_vault(&path).is_ok_and(|bytes| git::is_unsettled(&path, &bytes)) {
        let error = CommandError::Unsettled { path };
        return Some(Check { status: Status::Warning, ..Check::problem("git", &error) });
    }
    if !library::has_attributes(&text, &name) {
        return Some(Check::warning(
            "git",
            format!(".gitattributes does not cover {name}: converted line endings break it"),
            &format!("add the line `{}`, or type `vault git install`", library::attributes_line(&name)),
        ));
    }
    Some(match git::not_set_up(directory) {
        Some(what) => Check::warning("git", what, "`vault git install` has it run this one"),
        None => Check::ok("git", format!(".gitattributes covers {name}")),
    })
}

/// Files with values in the clear beside the vault, where git has them or would take them along.
fn plaintext(cx: &Context) -> Option<Check> {
    let (path, _) = cx.vault_path().ok()?;
    let place = Place::of(&path).ok()?;
    place.git.as_ref()?;
    let directory = place.path.parent()?;
    let entries = std::fs::read_dir(directory).ok()?.filter_map(Result::ok);
    let mut names: Vec<OsString> = entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .map(|entry| entry.file_name())
        .filter(|name| name.to_str().is_some_and(holds_values))
        .collect();
    names.sort_unstable();
    // Of git's own and of those it does not ignore, each behind its kind: `H .env`, `? .env`.
    let words = ["ls-files", "-z", "-t", "--cached", "--others", "--exclude-standard", "--"];
    let words: Vec<&OsStr> = words.iter().map(OsStr::new).chain(names.iter().map(OsString::as_os_str)).collect();
    let last = names.last()?.to_string_lossy();
    let listed = git::runner(directory)(&words)?;
    let listed = String::from_utf8_lossy(&listed);
    // Whoever can push names files: what is to be typed is quoted.
    let found = |tag: &str| -> Vec<String> {
        listed.split('\0').filter_map(|line| line.strip_prefix(tag)).map(|name| shell_word(&clean(name))).collect()
    };
    let (has, would_take) = (found("H "), found("? "));
    Some(if let Some(name) = has.first() {
        let hint =
            format!("`vault import {name}`, `git rm --cached {name}`, and rotate its values: history keeps them");
        Check::warning("plaintext", format!("git has {}, in the clear", has.join(", ")), &hint)
    } else if let Some(name) = would_take.first() {
        let hint = format!("`vault import {name}`, then delete it, or add it to .gitignore");
        Check::warning("plaintext", format!("git would take {} along, in the clear", would_take.join(", ")), &hint)
    } else {
        Check::ok("plaintext", format!("git ignores {last}"))
    })
}

/// True for `.env` and its kin, but not for the examples that belong in git.
fn holds_values(name: &str) -> bool {
    let examples = [".example", ".sample", ".template", ".dist"];
    (name == ".env" || name.starts_with(".env.")) && !examples.iter().any(|example| name.ends_with(example))
}

fn clock(cx: &Context, vault: Option<&Vault>) -> Check {
    let behind = vault.and_then(|vault| {
        let profiles = vault.team().profiles().keys();
        let sections: Vec<_> = profiles.filter_map(|profile| vault.section(profile).ok()).collect();
        Newest::signed(vault, &sections).with_values(&sections).ok()?.behind(cx, vault)
    });
    match behind {
        Some(text) => Check::warning("clock", text, "set the clock of this machine, if it is that one"),
        None => Check::ok("clock", local_time(cx.now())),
    }
}

/// Other programs of this name: HashiCorp's tool is called the same. The first on `PATH` is the one that runs.
fn other_programs(cx: &Context) -> Check {
    let own = std::env::current_exe().and_then(std::fs::canonicalize).ok();
    let path = cx.variables.search_path().unwrap_or_default();
    let found: Vec<(PathBuf, bool)> = std::env::split_paths(&path)
        .map(|directory| directory.join("vault"))
        .filter(|candidate| std::fs::metadata(candidate).is_ok_and(|found| found.is_file()))
        .map(|candidate| {
            let is_own = std::fs::canonicalize(&candidate).ok() == own;
            (candidate, is_own)
        })
        .collect();
    let Some((other, _)) = found.iter().find(|(_, is_own)| !is_own) else {
        return Check::ok("programs", "no other `vault` on PATH".to_owned());
    };
    let other = other.display();
    if found[0].1 {
        return Check::ok("programs", format!("`vault` is this program; {other} comes after it on PATH"));
    }
    let link = own.map_or_else(String::new, |own| format!(", or link it: ln -s {} ~/.local/bin/vlt", own.display()));
    Check::warning(
        "programs",
        format!("`vault` is another program: {other}"),
        &format!("type the full path of this one, put it first on PATH{link}"),
    )
}
