use std::path::PathBuf;

use vault::clock::Timestamp;
use vault::secret_value::SecretValue;
use vault::{ProviderName, RotateEvery, Secret, SecretName, Stage, Stored, Text, Value, provider};

use crate::cli::args::{Given, Metadata, Unshown};
use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::input;
use crate::cli::policy::warn_of_owner;
use crate::cli::record::{Change, Edit, name_overrides};
use crate::cli::time::{local_day, local_time};
use crate::cli::ui::Ui;

/// Store a value, or change what is known about it
///
/// The value is asked for without being shown, read from a file or from
/// standard input, or generated; it is never an argument. With metadata options
/// and no value, only the metadata changes. An empty text takes a field out:
/// `--expires ''`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Name of the secret, for example `OPENAI_API_KEY`
    name: SecretName,

    /// `-` reads the value from standard input; one final newline is dropped
    #[arg(value_name = "-", allow_hyphen_values = true)]
    source: Option<Unshown>,

    /// Read the value from a file, every byte of it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["source", "generate"])]
    from_file: Option<PathBuf>,

    /// Generate a value of LEN letters and digits
    #[arg(long, value_name = "LEN", num_args = 0..=1, require_equals = true, default_missing_value = "32",
          value_parser = clap::value_parser!(u16).range(16..=4096), conflicts_with = "source")]
    generate: Option<u16>,

    /// Keep the final newline of standard input
    #[arg(long)]
    raw: bool,

    /// Allow an empty value
    #[arg(long)]
    allow_empty: bool,

    /// Allow this name although it changes how programs load or run
    #[arg(long = "allow-name", value_name = "NAME")]
    allow_names: Vec<String>,

    #[command(flatten)]
    metadata: Metadata,

    /// Report what would change, and change nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

pub(crate) fn run(cx: &mut Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    Unshown::check(args.source.as_ref())?;
    let profile = cx.profile();
    cx.attempt("set", &profile, std::slice::from_ref(&args.name));
    let opened = cx.open(ui)?;
    cx.check_names(std::iter::once(&args.name), &args.allow_names)?;
    let exists = cx.sections(ui, &opened, std::slice::from_ref(&profile))?[0].contains(&args.name);
    let metadata = Fields::read(&args.metadata)?;
    let value = value(ui, args, &metadata, exists)?;
    if let Some(created) = args.metadata.created.filter(|created| *created > cx.now()) {
        return Err(CommandError::usage(format!("created in the future: {}", local_time(created))));
    }
    warn_of_owner(ui, &opened.vault, args.metadata.owner.as_deref());
    let action = if value.is_some() { "set" } else { "metadata" };
    let mut change = Change::of(action, &profile, std::slice::from_ref(&args.name)).only_tried(args.dry_run);
    change.overrides = name_overrides(std::iter::once(args.name.as_str()));
    let detected = value.as_ref().and_then(|value| recognise(&args.name, value));
    let outcome = cx.change(ui, &opened, &change, |tx, signer, now| {
        let (section, key) = tx.profile(&profile, signer)?;
        let before = section.secrets.get(&args.name).cloned();
        let (secret, stored) = match &value {
            Some(value) => {
                let set_at = args.metadata.created.unwrap_or(now);
                let value = Value { value, set_at, age_at_least: false };
                vault::store_value(section, key, &args.name, &value, &signer.device, now)?
            }
            None => {
                let missing = vault::Error::NoSecret { profile: profile.clone(), name: args.name.clone() };
                (section.secrets.get_mut(&args.name).ok_or(missing)?, Stored::Equal)
            }
        };
        if let (Some(detected), true) = (&detected, secret.provider.is_none()) {
            secret.provider = detected.provider.id.parse().ok();
        }
        metadata.apply(secret, value.is_none());
        let told = Told::of(before.as_ref(), secret, stored);
        if Some(&*secret) == before.as_ref() { Ok(Edit::Unchanged(told)) } else { Ok(Edit::Changed(told)) }
    })?;
    if args.dry_run {
        let what = match (&value, exists) {
            (None, _) => "change the metadata of",
            (Some(_), true) => "store a new version of",
            (Some(_), false) => "add",
        };
        ui.note(&format!("would {what} {} in profile {profile}", args.name));
        return Ok(());
    }
    report(ui, args, &profile, &outcome, value.is_some());
    if let Some(detected) = &detected {
        describe(ui, &args.name, detected);
    }
    Ok(())
}

fn value(ui: &mut Ui, args: &Args, metadata: &Fields, exists: bool) -> Result<Option<SecretValue>, CommandError> {
    let value = if args.source.is_some() {
        Some(input::standard_input(ui, args.raw)?)
    } else if let Some(path) = &args.from_file {
        Some(input::value_file(path)?)
    } else if let Some(length) = args.generate {
        Some(input::generate(length.into())?)
    } else if metadata.any && exists {
        None
    } else {
        Some(input::ask_twice(ui, &format!("Value of {}", args.name))?.ok_or(CommandError::NoValue)?)
    };
    if value.as_ref().is_some_and(SecretValue::is_empty) && !args.allow_empty {
        return Err(CommandError::EmptyValue);
    }
    Ok(value)
}

/// What there is to say about a value that was stored.
struct Told {
    stored: Stored,
    version: u64,
    set_at: Timestamp,
    /// Whether the version that it is again was revoked at its provider.
    revoked: bool,
}

impl Told {
    fn of(before: Option<&Secret>, secret: &Secret, stored: Stored) -> Self {
        let is = |version| stored == Stored::Again(version);
        let mut earlier = before.map(|before| before.earlier.iter()).into_iter().flatten();
        let revoked = earlier.any(|earlier| is(earlier.version) && earlier.stage == Stage::Revoked);
        Self { stored, version: secret.version, set_at: secret.set_at, revoked }
    }
}

fn report(ui: &mut Ui, args: &Args, profile: &vault::ProfileName, outcome: &Edit<Told>, with_value: bool) {
    let name = &args.name;
    let told = match outcome {
        Edit::Changed(told) => told,
        Edit::Unchanged(_) if with_value => return ui.note(&format!("{name} has this value already; nothing changed")),
        Edit::Unchanged(_) => return ui.note("nothing changed"),
    };
    if told.stored == Stored::Equal {
        return ui.note(&format!("changed the metadata of {name} in profile {profile}"));
    }
    ui.note(&format!("set {name} in profile {profile} (version {})", told.version));
    if let Stored::Again(version) = told.stored {
        let day = local_day(told.set_at);
        ui.note(&format!("it had this value before, as version {version}, and is as old as that: of {day}"));
        if told.revoked {
            ui.warn(&format!("that version was revoked: its provider may refuse {name}"));
        }
    }
}

/// The provider whose key it looks like.
pub(crate) fn recognise(name: &SecretName, value: &SecretValue) -> Option<provider::Detection> {
    // The bytes are looked at for a known prefix and go nowhere.
    provider::detect(name.as_str(), Some(value.reveal()))
}

/// Says what was recognised, and warns about a value that cannot be right.
pub(crate) fn describe(ui: &mut Ui, name: &SecretName, detected: &provider::Detection) {
    if let provider::Form::Mismatch(mismatch) = &detected.form {
        ui.warn(&format!("{name} does not look like a key of {}: {mismatch}", detected.provider.name));
        return;
    }
    if let Some(days) = detected.provider.rotate_days {
        ui.note(&format!(
            "{name} is a key of {}: due for rotation after {days} days unless a policy says otherwise",
            detected.provider.name
        ));
    }
}

/// Metadata options, parsed. Empty text takes a field out.
pub(crate) struct Fields<'a> {
    args: &'a Metadata,
    any: bool,
    texts: Vec<(Field, Option<Text>)>,
    lists: Vec<(Field, Vec<Text>)>,
    provider: Option<Option<ProviderName>>,
}

#[derive(Clone, Copy)]
enum Field {
    Owner,
    Basis,
    Note,
    Group,
    Rate,
    Permissions,
    Hosts,
    Commands,
    Methods,
    Paths,
}

impl<'a> Fields<'a> {
    fn read(args: &'a Metadata) -> Result<Self, CommandError> {
        let mut texts = Vec::new();
        for (field, flag, text) in [
            (Field::Owner, "--owner", &args.owner),
            (Field::Basis, "--basis", &args.basis),
            (Field::Note, "--note", &args.note),
            (Field::Group, "--group", &args.group),
            (Field::Rate, "--rate", &args.rate),
        ] {
            if let Some(text) = text {
                texts.push((field, optional(flag, text)?));
            }
        }
        let mut lists = Vec::new();
        for (field, flag, list) in [
            (Field::Permissions, "--permission", &args.permissions),
            (Field::Hosts, "--host", &args.hosts),
            (Field::Commands, "--command", &args.commands),
            (Field::Methods, "--method", &args.methods),
            (Field::Paths, "--path", &args.paths),
        ] {
            if !list.is_empty() {
                let parsed: Result<Vec<Option<Text>>, _> = list.iter().map(|text| optional(flag, text)).collect();
                lists.push((field, parsed?.into_iter().flatten().collect::<Vec<_>>()));
            }
        }
        if lists.iter().any(|(_, list)| list.len() > 100) {
            return Err(CommandError::usage("at most 100 of one kind".to_owned()));
        }
        let provider = match args.provider.as_deref() {
            None => None,
            Some("") => Some(None),
            Some(text) => {
                let name = text.parse().map_err(|_| CommandError::UnknownProvider)?;
                if provider::by_id(text).is_none() {
                    return Err(CommandError::UnknownProvider);
                }
                Some(Some(name))
            }
        };
        if args.warn_at.len() > 1 && args.warn_at.iter().any(|Given(span)| span.is_none()) {
            return Err(CommandError::usage("--warn-at: one of the durations is empty".to_owned()));
        }
        let any = !texts.is_empty()
            || !lists.is_empty()
            || provider.is_some()
            || args.rotate_every.is_some()
            || args.no_rotation
            || args.expires.is_some()
            || args.created.is_some()
            || args.keep.is_some()
            || args.grace.is_some()
            || !args.warn_at.is_empty()
            || args.on_overdue.is_some();
        Ok(Self { args, any, texts, lists, provider })
    }

    fn apply(&self, secret: &mut Secret, only_metadata: bool) {
        let policy = &mut secret.policy;
        if let Some(Given(span)) = self.args.rotate_every {
            policy.rotate_every = span.map(RotateEvery::Every);
        }
        if self.args.no_rotation {
            policy.rotate_every = Some(RotateEvery::Never);
        }
        policy.keep = self.args.keep.map_or(policy.keep, |Given(keep)| keep);
        policy.grace = self.args.grace.map_or(policy.grace, |Given(grace)| grace);
        if !self.args.warn_at.is_empty() {
            policy.warn_at = self.args.warn_at.iter().filter_map(|Given(span)| *span).collect();
            policy.warn_at.sort_unstable_by(|a, b| b.cmp(a));
            policy.warn_at.dedup();
        }
        match self.args.on_overdue.as_deref() {
            Some("refuse") => policy.on_overdue = Some(vault::OnOverdue::Refuse),
            Some("") => policy.on_overdue = None,
            Some(_) => policy.on_overdue = Some(vault::OnOverdue::Warn),
            None => {}
        }
        secret.expires_at = self.args.expires.map_or(secret.expires_at, |Given(expires)| expires);
        if let (Some(created), true) = (self.args.created, only_metadata) {
            // Better knowledge of the same value's date; the value did not change.
            secret.set_at = created;
            secret.age_at_least = false;
        }
        if let Some(provider) = &self.provider {
            secret.provider.clone_from(provider);
        }
        for (field, text) in &self.texts {
            let place = match field {
                Field::Owner => &mut secret.policy.owner,
                Field::Basis => &mut secret.policy.basis,
                Field::Note => &mut secret.note,
                Field::Group => &mut secret.group,
                _ => &mut secret.scope.rate,
            };
            place.clone_from(text);
        }
        for (field, list) in &self.lists {
            let place = match field {
                Field::Permissions => &mut secret.scope.permissions,
                Field::Hosts => &mut secret.scope.hosts,
                Field::Commands => &mut secret.scope.commands,
                Field::Methods => &mut secret.scope.methods,
                _ => &mut secret.scope.paths,
            };
            place.clone_from(list);
        }
    }
}

fn optional(flag: &str, text: &str) -> Result<Option<Text>, CommandError> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|error| CommandError::usage(format!("{flag}: {error}")))
}
