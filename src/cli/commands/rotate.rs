use vault::clock::{Span, Timestamp};
use vault::rotation::rotator::Values;
use vault::secret_value::SecretValue;
use vault::{Earlier, Secret, SecretName, Stage, provider, store};

use crate::cli::args::Unshown;
use crate::cli::context::{Context, Opened};
use crate::cli::error::CommandError;
use crate::cli::input;
use crate::cli::program::Program;
use crate::cli::stages::{Members, Stages, Versions, by_when, group_of, pending_versions, say_where};
use crate::cli::ui::Ui;

/// Replace a value without breaking what uses it
///
/// The new value is sealed beside the current one, verified, and only then made
/// current; the replaced one stays available for a grace as `NAME@previous`, and
/// is then to be revoked. A crash leaves the current value as it was:
/// `--resume` or `--abort` goes on from there. Secrets of one group change
/// together or not at all.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: vault rotate DATABASE_URL --run './postgres.py' --grace 1d")]
pub(crate) struct Args {
    /// Name of the secret
    name: SecretName,

    /// `-` reads the new value from standard input; one final newline is dropped
    #[arg(value_name = "-", allow_hyphen_values = true, conflicts_with_all = ["generate", "run"])]
    source: Option<Unshown>,

    /// Generate a value of LEN letters and digits; with `--run` the rotator is to make it work
    #[arg(long, value_name = "LEN", num_args = 0..=1, require_equals = true, default_missing_value = "32",
          value_parser = clap::value_parser!(u16).range(16..=4096))]
    generate: Option<u16>,

    /// A rotator: makes, verifies and revokes values; see docs/rotation.md
    #[arg(long, value_name = "COMMAND")]
    run: Option<String>,

    /// Must succeed with the new value in its environment before that becomes current
    #[arg(long, value_name = "COMMAND")]
    verify: Option<String>,

    /// Let `--verify` have this name although it changes how programs load or run
    #[arg(long = "allow-name", value_name = "NAME", requires = "verify")]
    allow_names: Vec<String>,

    /// How long the replaced value stays available [default: the policy's, or 7d]
    #[arg(long, value_name = "DURATION", conflicts_with = "leaked")]
    grace: Option<Span>,

    /// The current value has leaked: no grace
    #[arg(long)]
    leaked: bool,

    /// How long each command may take
    #[arg(long, value_name = "DURATION", default_value = "2min")]
    timeout: Span,

    /// Go on with the pending value of a rotation that was not finished
    #[arg(long, conflicts_with_all = ["source", "generate", "abort", "revoke", "revoked"])]
    resume: bool,

    /// Promote a pending value although nothing verifies it
    #[arg(long, requires = "resume")]
    unverified: bool,

    /// Give the pending value up; the current one stays
    #[arg(long, conflicts_with_all = ["source", "generate", "verify", "revoke", "revoked"])]
    abort: bool,

    /// Have the rotator revoke the replaced value
    #[arg(long, requires = "run", conflicts_with_all = ["source", "generate", "verify", "revoked"])]
    revoke: bool,

    /// Record that the replaced value was revoked by hand; VERSION says which, where several wait
    #[arg(long, value_name = "VERSION,…", num_args = 0.., require_equals = true, value_delimiter = ',',
          conflicts_with_all = ["source", "generate", "verify", "run"])]
    revoked: Option<Vec<u64>>,

    /// Report what would be done, and change nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

pub(crate) fn run(cx: &mut Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    Unshown::check(args.source.as_ref())?;
    let profile = cx.profile();
    cx.attempt("rotate", &profile, std::slice::from_ref(&args.name));
    cx.keep_identity();
    let opened = cx.open(ui)?;
    let members = members(cx, ui, &opened, args)?;
    let names: Vec<SecretName> = members.keys().cloned().collect();
    let stages = Stages {
        cx,
        profile,
        names,
        rotator: args.run.as_deref().map(|line| Program { what: "the rotator", line, timeout: args.timeout }),
        verifier: args.verify.as_deref().map(|line| Program {
            what: "the verify command",
            line,
            timeout: args.timeout,
        }),
    };
    if args.verify.is_some() {
        cx.check_names(stages.names.iter(), &args.allow_names)?;
    }
    if let (true, Some(chosen)) = (args.dry_run, &args.revoked) {
        return revoked(ui, args, &stages, chosen);
    }
    if args.dry_run {
        try_it(ui, args, &stages)?;
        say_plan(ui, args, &stages);
        return Ok(());
    }
    // Two rotations at a time would each have a rotator make a value, and one would be lost.
    let lock_directory = opened.state.join("rotate");
    store::create_private_dir_all(&lock_directory)?;
    let _lock = store::Lock::acquire(&lock_directory, cx.globals.lock_timeout())?;
    drop(opened);
    if let Some(chosen) = &args.revoked {
        return revoked(ui, args, &stages, chosen);
    }
    if args.abort {
        stages.abort(ui)?;
        ui.note(&format!("gave the pending value of {} up; the current one stays", list(&stages)));
        ui.note("it may work at its provider: it is kept as an earlier version, on the list of what is to be revoked");
        return if stages.rotator.is_some() { revoke(ui, args, &stages, Some(cx.now())) } else { Ok(()) };
    }
    if args.revoke {
        return revoke(ui, args, &stages, None);
    }
    let versions = if args.resume { resume(ui, args, &stages)? } else { begin(ui, args, &stages)? };
    let (now, by) =
        stages.promote(ui, &versions, args.grace, args.leaked).map_err(|error| not_promoted(args, error))?;
    ui.note(&format!("rotated {} in profile {}", list(&stages), stages.profile));
    if stages.rotator.is_some() && by <= now {
        return revoke(ui, args, &stages, Some(now));
    }
    if by > now {
        ui.note(&format!("the replaced value stays available as {}@previous", args.name));
    }
    let (name, when) = (&args.name, by_when(by, now));
    if stages.rotator.is_some() {
        ui.note(&format!("revoke it {when}: `vault rotate {name} --revoke --run COMMAND`"));
    } else {
        ui.note(&format!("revoke it at its provider {when}"));
        // Others that wait are not meant; the newest is the one that was replaced now.
        let members = stages.read(ui).map(|(_, members)| members).unwrap_or_default();
        let waiting: Vec<u64> = members.get(name).into_iter().flat_map(Secret::to_revoke).map(|e| e.version).collect();
        let which = if let [newest, _, ..] = waiting[..] { format!("={newest}") } else { String::new() };
        ui.note(&format!("then type `vault rotate {name} --revoked{which}`"));
    }
    Ok(())
}

/// The secret and its group, which must be of the profile itself.
fn members(cx: &Context, ui: &mut Ui, opened: &Opened, args: &Args) -> Result<Members, CommandError> {
    let profile = cx.profile();
    let effective = cx.effective(ui, opened, &profile)?;
    let missing = || cx.no_secret(effective.sections(), &profile, &args.name);
    let at = effective.find(&args.name).ok_or_else(missing)?;
    if at > 0 {
        let from = effective.sections()[at].name().clone();
        return Err(CommandError::Inherited { name: args.name.clone(), profile, from });
    }
    group_of(&effective.sections()[0], &args.name)?.ok_or_else(missing)
}

/// Up to a verified pending value.
fn begin(ui: &mut Ui, args: &Args, stages: &Stages<'_>) -> Result<Versions, CommandError> {
    let (_, members) = stages.read(ui)?;
    check_begin(args, stages, &members)?;
    let values = match (args.generate, stages.rotator) {
        (None, Some(rotator)) => stages.create(ui, rotator)?,
        (Some(length), _) => {
            let make = |name: &SecretName| Ok((name.clone(), input::generate(length.into())?));
            stages.names.iter().map(make).collect::<Result<Values, CommandError>>()?
        }
        (None, None) => ask(ui, args, &members)?,
    };
    let sealed = stages.seal(ui, &values, args.leaked)?;
    drop(values);
    let verified = match (args.generate, stages.rotator) {
        (Some(_), Some(rotator)) => stages.apply(ui, rotator).and_then(|()| stages.verify(ui)),
        _ => stages.verify(ui),
    };
    verified.map(|()| sealed).map_err(|error| not_promoted(args, error))
}

/// That no rotation is under way already.
fn check_begin(args: &Args, stages: &Stages<'_>, members: &Members) -> Result<(), CommandError> {
    let unproven = stages.rotator.is_none() && stages.verifier.is_none();
    for (name, secret) in members {
        if secret.pending.is_some() {
            return Err(vault::Error::Pending(name.clone()).into());
        }
        // Whoever is asked for it would refuse it, and production with it.
        let provider = secret.provider.as_ref().and_then(|id| provider::by_id(id.as_str()));
        if let Some(provider) = provider.filter(|_| args.generate.is_some() && unproven) {
            return Err(CommandError::MadeByProvider { name: name.clone(), provider });
        }
        // Providers with two places for keys, and rotators that alternate, take the older one.
        if stages.rotator.is_some() && secret.to_revoke().next().is_some() {
            return Err(CommandError::NotRevoked(name.clone()));
        }
    }
    Ok(())
}

/// What a rotation would be refused for before anything is run or written.
fn try_it(ui: &mut Ui, args: &Args, stages: &Stages<'_>) -> Result<(), CommandError> {
    let (opened, members) = stages.read(ui)?;
    if args.resume {
        pending_versions(&members)?;
    } else if args.abort {
        if members.values().all(|secret| secret.pending.is_none()) {
            return Err(vault::Error::NoPending(args.name.clone()).into());
        }
    } else if args.revoke {
        if members.values().all(|secret| secret.to_revoke().next().is_none()) {
            return Err(CommandError::NothingToRevoke(args.name.clone()));
        }
    } else {
        check_begin(args, stages, &members)?;
    }
    stages.try_to_write(ui, &opened)
}

/// From a pending value that was left, to a verified one.
fn resume(ui: &mut Ui, args: &Args, stages: &Stages<'_>) -> Result<Versions, CommandError> {
    let (_, members) = stages.read(ui)?;
    let versions = pending_versions(&members)?;
    if stages.rotator.is_none() && stages.verifier.is_none() && !args.unverified {
        let question = format!("Nothing verifies the pending value of {}. Make it current?", list(stages));
        if !ui.confirm(&question).map_err(CommandError::Terminal)? {
            return Err(CommandError::Unverified(args.name.clone()));
        }
        return Ok(versions);
    }
    let verified = stages.verify(ui);
    // The crash may have come before the rotator made it work.
    let verified = match (verified, stages.rotator) {
        (Err(CommandError::Program { .. }), Some(rotator)) => {
            stages.apply(ui, rotator).and_then(|()| stages.verify(ui))
        }
        (verified, _) => verified,
    };
    // Versions are never given twice: promoting these is promoting what was verified.
    verified.map(|()| versions).map_err(|error| not_promoted(args, error))
}

/// New values from a person or standard input, looked at for what cannot be right.
fn ask(ui: &mut Ui, args: &Args, members: &Members) -> Result<Values, CommandError> {
    if args.source.is_some() && members.len() > 1 {
        return Err(CommandError::usage(
            "standard input holds one value, and the group has several: type them on a terminal, or use `--run`"
                .to_owned(),
        ));
    }
    let mut values = Values::new();
    for (name, secret) in members {
        let value = match &args.source {
            Some(_) => input::line_from_standard_input()?,
            None => {
                say_where(ui, name, secret);
                let sure = |value: &SecretValue| {
                    detected(name, value).is_some_and(|found| found.form == provider::Form::Matches)
                };
                input::ask_until(ui, &format!("New value of {name}"), sure)?.ok_or(CommandError::NoValue)?
            }
        };
        if value.is_empty() {
            return Err(CommandError::EmptyValue);
        }
        let detected = detected(name, &value);
        if let Some((provider, provider::Form::Mismatch(mismatch))) = detected.map(|found| (found.provider, found.form))
        {
            ui.warn(&format!("{name} does not look like a key of {}: {mismatch}", provider.name));
            if ui.can_ask() && !ui.confirm("Go on with it?").map_err(CommandError::Terminal)? {
                return Err(CommandError::usage("not confirmed; nothing was changed".to_owned()));
            }
        }
        values.push((name.clone(), value));
    }
    Ok(values)
}

fn detected(name: &SecretName, value: &SecretValue) -> Option<provider::Detection> {
    // The bytes are looked at for a known form and go nowhere.
    provider::detect(name.as_str(), Some(value.reveal()))
}

/// `late_at`: only what was to be revoked by then.
fn revoke(ui: &mut Ui, args: &Args, stages: &Stages<'_>, late_at: Option<Timestamp>) -> Result<(), CommandError> {
    let rotator = stages.rotator.ok_or(CommandError::Internal("no rotator"))?;
    match stages.revoke(ui, rotator, late_at)? {
        0 => Err(CommandError::NothingToRevoke(args.name.clone())),
        _ => {
            ui.note(&format!("revoked the replaced value of {}", list(stages)));
            Ok(())
        }
    }
}

fn revoked(ui: &mut Ui, args: &Args, stages: &Stages<'_>, chosen: &[u64]) -> Result<(), CommandError> {
    let (opened, members) = stages.read(ui)?;
    let versions = to_record(args, &members, chosen)?;
    if args.dry_run {
        stages.try_to_write(ui, &opened)?;
    } else {
        stages.mark_revoked(ui, &opened, &versions)?;
    }
    let each = versions.iter().map(|(name, version)| format!("version {version} of {name}"));
    let is = if versions.len() == 1 { "is" } else { "are" };
    let recorded = if args.dry_run { "would record" } else { "recorded" };
    ui.note(&format!("{recorded}: {} {is} revoked", each.collect::<Vec<_>>().join(", ")));
    Ok(())
}

/// The versions that are to be recorded as revoked: those chosen, with what was replaced in
/// the same write; or what waits; or where nothing waits all that was ever replaced. Of several
/// that wait one may still be in use: nobody is taken to mean all.
fn to_record(args: &Args, members: &Members, chosen: &[u64]) -> Result<Vec<(SecretName, u64)>, CommandError> {
    let own = members.get(&args.name).map(|secret| secret.earlier.as_slice()).unwrap_or_default();
    let find = |version: &u64| own.iter().find(|earlier| earlier.version == *version);
    if let Some(&version) = chosen.iter().find(|version| find(version).is_none()) {
        return Err(vault::Error::NoVersion { name: args.name.clone(), version }.into());
    }
    let step = |earlier: &Earlier| (earlier.retired_at, earlier.revoke_by);
    let steps: Vec<_> = chosen.iter().filter_map(find).map(step).collect();
    let several = members.iter().find(|(_, secret)| secret.to_revoke().nth(1).is_some());
    if let (true, Some((name, secret))) = (chosen.is_empty(), several) {
        let versions = secret.to_revoke().map(|earlier| earlier.version).collect();
        return Err(CommandError::SeveralToRevoke { name: name.clone(), versions });
    }
    let waits = members.values().any(|secret| secret.to_revoke().next().is_some());
    let mut versions = Vec::new();
    for (name, secret) in members {
        let is_meant = |earlier: &&Earlier| match chosen {
            [] => !waits || earlier.waits(),
            chosen if *name == args.name => chosen.contains(&earlier.version),
            _ => earlier.waits() && steps.contains(&step(earlier)),
        };
        let replaced = secret.earlier.iter().filter(|earlier| earlier.stage == Stage::Previous);
        versions.extend(replaced.filter(is_meant).map(|earlier| (name.clone(), earlier.version)));
    }
    if versions.is_empty() { Err(CommandError::NothingToRevoke(args.name.clone())) } else { Ok(versions) }
}

fn say_plan(ui: &mut Ui, args: &Args, stages: &Stages<'_>) {
    let what = match args {
        Args { abort: true, .. } => "give the pending value up of",
        Args { revoke: true, .. } => "have the rotator revoke the replaced value of",
        Args { resume: true, .. } => "verify and promote the pending value of",
        _ => "rotate",
    };
    ui.note(&format!("would {what} {} in profile {}", list(stages), stages.profile));
}

fn list(stages: &Stages<'_>) -> String {
    stages.names.iter().map(SecretName::as_str).collect::<Vec<_>>().join(", ")
}

fn not_promoted(args: &Args, error: CommandError) -> CommandError {
    CommandError::NotPromoted { name: args.name.clone(), error: Box::new(error) }
}
