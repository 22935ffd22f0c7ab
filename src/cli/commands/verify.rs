use std::borrow::Cow;
use std::collections::BTreeSet;

use vault::{DeviceName, Kind, PinError, ProfileName, Rejected, SecretName, Section, Vault, Warning};

use crate::cli::context::{Actor, Context, Opened, read_vault};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::meaning;
use crate::cli::record::Use;
use crate::cli::ui::{Tone, Ui};
use vault::config::{Known, Place, Places};

/// Check everything that can be checked
///
/// Without an identity: text, team log, signatures, grants, and whether the file
/// is as new as the newest one seen here. With one: that every value of every
/// kept version opens. Says of everything it finds where it is, who signed it or in
/// whose name it stands there, what it means and what to do. Ends with status 1 if
/// anything is found.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Print an object with `ok` and `findings`
    #[arg(long)]
    json: bool,
}

#[derive(serde::Serialize)]
struct Finding {
    kind: String,
    profile: Option<ProfileName>,
    name: Option<SecretName>,
    by: Option<DeviceName>,
    detail: String,
    #[serde(skip)]
    meaning: &'static str,
    #[serde(skip)]
    hint: Option<Cow<'static, str>>,
}

impl From<Rejected> for Finding {
    fn from(rejected: Rejected) -> Self {
        Self {
            kind: rejected.kind.word().to_owned(),
            detail: rejected.to_string(),
            meaning: meaning::of(rejected.kind),
            profile: rejected.profile.clone(),
            name: rejected.name.clone(),
            by: rejected.by.clone(),
            hint: CommandError::from(rejected).hint(),
        }
    }
}

impl From<Warning> for Finding {
    fn from(warning: Warning) -> Self {
        let (kind, profile, by) = match &warning {
            Warning::ProfileBehind { profile, by, .. } => ("rollback", Some(profile), Some(by)),
            Warning::ProfileFork { profile, by, .. } | Warning::ProfileTwice { profile, by } => {
                ("fork", Some(profile), Some(by))
            }
            _ => ("rollback", None, None),
        };
        Self {
            kind: kind.to_owned(),
            profile: profile.cloned(),
            name: None,
            by: by.cloned(),
            detail: warning.to_string(),
            meaning: meaning::of_warning(&warning),
            hint: CommandError::BehindForWriting(warning).hint(),
        }
    }
}

impl From<PinError> for Finding {
    fn from(error: PinError) -> Self {
        let (kind, profile, by) = match &error {
            PinError::MadeUp { profile, by, .. } => ("clock", Some(profile), Some(by)),
            PinError::FormerSigner { profile, by } => ("rollback", Some(profile), Some(by)),
            PinError::Fork { by, .. } => ("fork", None, Some(by)),
            _ => ("fork", None, None),
        };
        Self {
            kind: kind.to_owned(),
            profile: profile.cloned(),
            name: None,
            by: by.cloned(),
            detail: error.to_string(),
            meaning: meaning::of_memory(&error),
            hint: CommandError::from(vault::Error::from(error)).hint(),
        }
    }
}

#[derive(serde::Serialize)]
struct Report {
    ok: bool,
    findings: Vec<Finding>,
}

pub(crate) fn run(cx: &mut Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    let mut findings = Vec::new();
    let mut opened_values = None;
    match open(cx, ui)? {
        Err(finding) => findings.push(finding),
        Ok(opened) => {
            findings.extend(opened.vault.check().into_iter().map(Finding::from));
            findings.extend(against_memory(&opened));
            opened_values = values(cx, ui, &opened, &mut findings)?;
        }
    }
    let report = Report { ok: findings.is_empty(), findings };
    if args.json {
        ui.json(&report);
    } else {
        print(ui, &report, opened_values);
    }
    if report.ok { Ok(()) } else { Err(CommandError::Said(Exit::Found)) }
}

/// Opens the vault; a file that is not accepted is a finding here, not an error.
fn open(cx: &Context, ui: &mut Ui) -> Result<Result<Opened, Finding>, CommandError> {
    let (path, _) = cx.vault_path()?;
    let place = Place::of(&path)?;
    if let Known::Id(id) = Places::load(cx.directories())?.known(&place)
        && Vault::claimed_id(&read_vault(&path)?).is_some_and(|claimed| claimed.to_string() != id)
    {
        let error = CommandError::OtherVault { path, known: id.parse()? };
        return Ok(Err(Finding {
            kind: Kind::Id.word().to_owned(),
            profile: None,
            name: None,
            by: None,
            detail: error.to_string(),
            meaning: meaning::of(Kind::Id),
            hint: error.hint(),
        }));
    }
    match cx.open(ui) {
        Ok(opened) => Ok(Ok(opened)),
        Err(CommandError::Vault(vault::Error::Rejected(rejected))) => Ok(Err(rejected.into())),
        Err(error) => Err(error),
    }
}

fn against_memory(opened: &Opened) -> Vec<Finding> {
    let profiles = opened.vault.team().profiles().keys();
    // Sections that do not verify are findings already.
    let sections: Vec<Section<'_>> = profiles.filter_map(|profile| opened.vault.section(profile).ok()).collect();
    let sections: Vec<&Section<'_>> = sections.iter().collect();
    match opened.memory.borrow().compare(&opened.vault, &sections) {
        Err(error) => vec![error.into()],
        Ok(standing) => standing.warnings.into_iter().map(Finding::from).collect(),
    }
}

/// Opens every value this identity may open. Gives how many, or nothing without an identity.
fn values(
    cx: &Context,
    ui: &mut Ui,
    opened: &Opened,
    findings: &mut Vec<Finding>,
) -> Result<Option<usize>, CommandError> {
    let actor = match cx.actor(ui, opened) {
        Ok(actor) => actor,
        Err(
            CommandError::Identity(vault::identity::Error::None { .. })
            | CommandError::Vault(vault::Error::NotAMember | vault::Error::Former(_)),
        ) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    let mut count = 0;
    for profile in opened.vault.team().profiles().keys() {
        if !opened.vault.team().reads(&actor.device, profile) {
            continue;
        }
        let Ok(section) = opened.vault.section(profile) else { continue };
        let found = profile_values(cx, ui, opened, &actor, &section)?;
        count += found.0;
        findings.extend(found.1);
    }
    Ok(Some(count))
}

fn profile_values(
    cx: &Context,
    ui: &mut Ui,
    opened: &Opened,
    actor: &Actor,
    section: &Section<'_>,
) -> Result<(usize, Vec<Finding>), CommandError> {
    let key = match section.unlock(&opened.vault.id(), opened.vault.team(), &actor.device, &*actor.identity) {
        Ok((_, key)) => key,
        Err(vault::Error::Rejected(rejected)) => return Ok((0, vec![rejected.into()])),
        Err(error) => return Err(error.into()),
    };
    // No names: the whole profile is looked at.
    let used = Use::of("verify", section, Vec::new());
    let (result, ..) = cx.with_use(ui, opened, actor, &used, || {
        let (mut count, mut findings) = (0, Vec::new());
        // Text that is not canonical is a finding already.
        for (name, secret) in section.secrets().filter_map(Result::ok) {
            let current = [(secret.version, &secret.value)];
            let earlier = secret.earlier.iter().map(|earlier| (earlier.version, &earlier.value));
            let pending = secret.pending.iter().map(|pending| (pending.version, &pending.value));
            for (version, value) in current.into_iter().chain(earlier).chain(pending) {
                count += 1;
                findings.extend(section.open(&key, &name, version, value).err().map(Finding::from));
            }
        }
        Ok((count, findings))
    })?;
    Ok(result)
}

/// Says once of each kind of finding what it means and what to do.
fn explain(ui: &mut Ui, findings: &[Finding]) {
    let mut said = BTreeSet::new();
    for Finding { meaning, hint, .. } in findings {
        if !said.insert(meaning) {
            continue;
        }
        ui.line("");
        ui.line(&format!("what it means: {meaning}"));
        if let Some(hint) = hint {
            ui.line(&format!("what to do:    {hint}"));
        }
    }
    if !findings.is_empty() {
        ui.line("");
    }
}

fn print(ui: &mut Ui, report: &Report, values: Option<usize>) {
    for finding in &report.findings {
        let kind = ui.paint(Tone::Bad, &finding.kind);
        ui.line(&format!("{kind}  {}", finding.detail));
    }
    explain(ui, &report.findings);
    if !report.ok {
        let count = report.findings.len();
        ui.line(&format!("{count} {} found", if count == 1 { "problem" } else { "problems" }));
        return;
    }
    let good = ui.paint(Tone::Good, "ok");
    match values {
        Some(1) => ui.line(&format!("{good}  everything verifies, and the one value opens")),
        Some(count) => ui.line(&format!("{good}  everything verifies, and all {count} values open")),
        None => ui.line(&format!("{good}  everything verifies; values were not opened without an identity")),
    }
}
