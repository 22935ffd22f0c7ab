use std::collections::BTreeSet;
use std::ffi::OsString;

use vault::clock::Timestamp;
use vault::crypto::{SealedValue, ValueKey};
use vault::exec::environment::Environment;
use vault::exec::sealed_file::SealedFile;
use vault::exec::{launch, process, program};
use vault::identity;
use vault::rotation::{self, Days, Honest};
use vault::secret_value::SecretValue;
use vault::{Earlier, Effective, PolicyFields, Secret, SecretName, Text};

use crate::cli::args::Pair;
use crate::cli::context::{Actor, Context, Opened};
use crate::cli::error::CommandError;
use crate::cli::record::{Use, name_overrides};
use crate::cli::time::{Newest, local_day};
use crate::cli::ui::Ui;

/// Run a command with secrets in its environment
///
/// Without a selection the command gets every secret of the profile and of
/// those it extends. This process is replaced by the command: signals, terminal
/// and exit status are the command's own. Failures of vault itself are 125, a
/// command that cannot be run is 126, one that is not found 127.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: vault exec -- python app.py")]
pub(crate) struct Args {
    /// Only these secrets
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    only: Vec<SecretName>,

    /// All but these secrets
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', conflicts_with = "only")]
    except: Vec<SecretName>,

    /// Give a secret under another name (repeat for several); `SECRET@previous` is the value before
    #[arg(long = "as", value_name = "VARIABLE=SECRET")]
    renamed: Vec<Pair>,

    /// Put a secret in a sealed in-memory file, and the file's path in VARIABLE
    #[arg(long = "file", value_name = "VARIABLE=SECRET")]
    files: Vec<Pair>,

    /// Fail unless this secret is there
    #[arg(long, value_name = "NAME")]
    require: Vec<SecretName>,

    /// Pass nothing of the environment but the secrets
    #[arg(long)]
    pristine: bool,

    /// Variables that are set already win over secrets
    #[arg(long, conflicts_with = "pristine")]
    no_override: bool,

    /// Allow this name although it changes how programs load or run
    #[arg(long = "allow-name", value_name = "NAME")]
    allow_names: Vec<String>,

    /// Run although the policy refuses a value that is overdue; needs `--reason`
    #[arg(long, requires = "reason")]
    allow_stale: bool,

    /// Why, for the audit log
    #[arg(long, value_name = "TEXT", requires = "allow_stale")]
    reason: Option<Text>,

    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// One variable the command is to get. Of its secret only what is needed is kept:
/// there may be thousands.
struct Wanted {
    variable: String,
    name: SecretName,
    /// Position of its section in the lineage.
    section: usize,
    version: u64,
    value: SealedValue,
    set_at: Timestamp,
    /// From when on it is late; what came before it is nobody's duty any more.
    due: Option<Due>,
    previous: bool,
    as_file: bool,
}

#[derive(Clone, Copy)]
struct Due {
    at: Timestamp,
    /// From when on its policy refuses it.
    refused_from: Option<Timestamp>,
}

/// A secret in use whose value is overdue or expired.
struct Late {
    name: SecretName,
    since: Timestamp,
    refused: bool,
}

pub(crate) fn run(cx: &mut Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    let profile = cx.profile();
    cx.attempt("exec", &profile, &args.only);
    let (command, arguments) = args.command.split_first().ok_or(CommandError::Internal("no command"))?;
    let program = program::find(command, cx.variables.search_path().as_deref())?;

    // Find, verify, unlock: by what was accepted of the file before, or by all of it.
    let first = cx.open_for(ui, &profile)?;
    if first.vault.is_excerpt() {
        // Should it be another device's, it is known which in the file.
        cx.keep_identity();
    }
    let whole;
    let (opened, ready) = match prepare(cx, ui, args, &first, &program) {
        Err(error) if first.vault.is_excerpt() && may_be_in_the_file(&error) => {
            whole = cx.open(ui)?;
            (&whole, prepare(cx, ui, args, &whole, &program)?)
        }
        ready => (&first, ready?),
    };
    let Ready { effective, wanted, left_out, late, now, actor, keys } = ready;
    if !left_out.is_empty() {
        ui.warn(&format!("left out, because their scope names other programs: {}", left_out.join(", ")));
    }
    warn_of_age(cx, ui, opened, &late, now);

    // Open and record: the record is on its way to the disk while values are opened.
    let use_of = describe(args, &effective, &wanted, &late, &program);
    let open = || -> Result<Vec<SecretValue>, CommandError> {
        wanted
            .iter()
            .map(|wanted| {
                let section = &effective.sections()[wanted.section];
                let key = keys[wanted.section].as_ref().ok_or(CommandError::Internal("a key is missing"))?;
                Ok(section.open(key, &wanted.name, wanted.version, &wanted.value)?)
            })
            .collect()
    };
    let (values, recorded) = match &actor {
        Some(actor) => {
            let (values, trail, receipt) = cx.with_use(ui, opened, actor, &use_of, open)?;
            cx.remember_accepted(opened, &effective, actor);
            (values, Some((trail, receipt)))
        }
        // Nothing is used, so there is nothing to record.
        None => (Vec::new(), None),
    };

    // Run. From here on only a failure comes back.
    let error = start(cx, args, opened, &program, arguments, &wanted, &values);
    let error = CommandError::from(error);
    if let Some((mut trail, receipt)) = recorded {
        trail.failed(&use_of, receipt.head.sequence, error.word(), cx.now())?;
        cx.settled();
    }
    Err(error)
}

/// Everything that running the command takes; nothing of it was used or recorded.
struct Ready<'o> {
    effective: Effective<'o>,
    wanted: Vec<Wanted>,
    /// Secrets whose scope names other programs.
    left_out: Vec<String>,
    late: Vec<Late>,
    /// What ages count to.
    now: Timestamp,
    actor: Option<Actor>,
    /// For each section that something is taken from.
    keys: Vec<Option<ValueKey>>,
}

/// True if what an excerpt lacks may be in the file, or the file says what is wrong. An identity
/// that did not open is not opened again: somebody may have been asked for its passphrase.
fn may_be_in_the_file(error: &CommandError) -> bool {
    !matches!(error, CommandError::Identity(error) if !matches!(error, identity::Error::None { .. }))
}

fn prepare<'o>(
    cx: &Context,
    ui: &mut Ui,
    args: &Args,
    opened: &'o Opened,
    program: &program::Program,
) -> Result<Ready<'o>, CommandError> {
    // Verify: `effective` gives only what holds.
    let effective = cx.effective(ui, opened, &cx.profile())?;
    let signed = opened.vault.newest_signed(effective.sections().iter());
    let mut time = rotation::effective_now(cx.now(), signed);
    let (wanted, left_out) = select(cx, args, &effective, program, time)?;
    // All values are looked at only where one shows that a clock was set back.
    if time.is_far_behind() || wanted.iter().any(|wanted| wanted.set_at > time.now) {
        let newest = Newest::signed(&opened.vault, effective.sections()).with_values(effective.sections())?;
        time = newest.time(cx);
        if time.is_far_behind() && !cx.clock_said.get() {
            newest.say(cx, ui, &opened.vault);
        }
    }
    let late = late(&wanted, time.now);
    if late.iter().any(|late| late.refused) && !args.allow_stale {
        return Err(CommandError::Stale(refused(&late).cloned().collect()));
    }

    // Unlock: one grant for each profile that something is taken from.
    let used: BTreeSet<usize> = wanted.iter().map(|wanted| wanted.section).collect();
    let actor = if used.is_empty() { None } else { Some(cx.actor(ui, opened)?) };
    let key = |(position, section)| match &actor {
        Some(actor) if used.contains(&position) => cx.unlock(opened, actor, section).map(Some),
        _ => Ok(None),
    };
    let keys = effective.sections().iter().enumerate().map(key).collect::<Result<_, _>>()?;
    Ok(Ready { effective, wanted, left_out, late, now: time.now, actor, keys })
}

fn start(
    cx: &Context,
    args: &Args,
    opened: &Opened,
    program: &program::Program,
    arguments: &[OsString],
    wanted: &[Wanted],
    values: &[SecretValue],
) -> vault::exec::Error {
    let inherited = process::inherited();
    let chosen = chosen_by_option(cx, opened);
    let mut files = Vec::new();
    for (wanted, value) in wanted.iter().zip(values) {
        files.push(if wanted.as_file {
            match SealedFile::create(value) {
                Ok(file) => Some(file),
                Err(error) => return error,
            }
        } else {
            None
        });
    }
    let mut environment =
        if args.pristine { Environment::pristine() } else { Environment::new(inherited.iter().copied()) };
    // What was chosen by option holds for nested calls as well.
    for (name, value) in &chosen {
        if let Err(error) = environment.set_path(name, value) {
            return error;
        }
    }
    if args.no_override {
        environment = environment.no_override();
    }
    for ((wanted, value), file) in wanted.iter().zip(values).zip(&files) {
        let set = match file {
            Some(file) => environment.set_path(&wanted.variable, file.path()),
            None => environment.set(&wanted.variable, value),
        };
        if let Err(error) = set {
            return error;
        }
    }
    if let Err(error) = environment.check(program, arguments) {
        return error;
    }
    launch::launch(program, arguments, &environment, &cx.original)
}

/// `VLT_FILE` and `VLT_PROFILE` for what `--vault` and `--profile` said.
fn chosen_by_option(cx: &Context, opened: &Opened) -> Vec<(&'static str, String)> {
    let mut chosen = Vec::new();
    if cx.globals.vault.is_some()
        && let Some(path) =
            std::fs::canonicalize(&opened.path).ok().and_then(|path| path.into_os_string().into_string().ok())
    {
        chosen.push(("VLT_FILE", path));
    }
    if let Some(profile) = cx.globals.profile.as_ref().filter(|_| cx.profile_by_option()) {
        chosen.push(("VLT_PROFILE", profile.to_string()));
    }
    chosen
}

/// Decides which secrets the command gets, under which names; and those that are left out
/// because of their scope.
fn select(
    cx: &Context,
    args: &Args,
    effective: &Effective<'_>,
    program: &program::Program,
    time: Honest,
) -> Result<(Vec<Wanted>, Vec<String>), CommandError> {
    let profile = cx.profile();
    let policy = |section: usize| effective.sections()[section].policy();
    let find = |name: &SecretName| -> Result<(usize, Secret), CommandError> {
        let missing = || cx.no_secret(effective.sections(), &profile, name);
        let section = effective.find(name).ok_or_else(missing)?;
        Ok((section, effective.sections()[section].secret(name)?.ok_or_else(missing)?))
    };
    for name in args.require.iter().chain(&args.except) {
        find(name)?;
    }
    let mut wanted = Vec::new();
    let mut left_out = Vec::new();
    let explicit =
        !args.only.is_empty() || (args.except.is_empty() && !(args.renamed.is_empty() && args.files.is_empty()));
    if explicit {
        for name in &args.only {
            let (section, secret) = find(name)?;
            check_scope(name, &secret, program)?;
            wanted.push(Wanted::new(name.clone(), section, secret, policy(section), time));
        }
    } else {
        for secret in effective.secrets() {
            let (name, section, secret) = secret?;
            if args.except.contains(&name) {
                continue;
            }
            if in_scope(&secret, program) {
                wanted.push(Wanted::new(name, section, secret, policy(section), time));
            } else if args.require.contains(&name) {
                check_scope(&name, &secret, program)?;
            } else {
                left_out.push(name.to_string());
            }
        }
    }
    for (pair, as_file) in
        args.renamed.iter().map(|pair| (pair, false)).chain(args.files.iter().map(|pair| (pair, true)))
    {
        let (section, secret) = find(&pair.secret)?;
        check_scope(&pair.secret, &secret, program)?;
        let previous = secret.previous().filter(|_| pair.previous).cloned();
        if pair.previous && previous.is_none() {
            return Err(CommandError::NoPrevious(pair.secret.clone()));
        }
        let mut chosen = Wanted::new(pair.secret.clone(), section, secret, policy(section), time);
        if let Some(Earlier { version, value, .. }) = previous {
            chosen = Wanted { version, value, due: None, previous: true, ..chosen };
        }
        // The same variable asked for twice: the more explicit request wins.
        let variable = pair.variable.to_string();
        wanted.retain(|wanted| wanted.variable != variable);
        wanted.push(Wanted { variable, as_file, ..chosen });
    }
    for wanted in &wanted {
        if !cx.allows_name(&wanted.variable, &args.allow_names) {
            let name = wanted.variable.parse().map_err(|_| CommandError::Internal("an unchecked name"))?;
            return Err(CommandError::DangerousName(name));
        }
    }
    Ok((wanted, left_out))
}

impl Wanted {
    /// The current value of a secret, in a variable of its name.
    fn new(name: SecretName, section: usize, secret: Secret, policy: &PolicyFields, time: Honest) -> Self {
        let (policy, status) = rotation::assess(&secret, policy, time);
        let due = status.due_at.map(|at| Due { at, refused_from: rotation::refused_from(&policy, at) });
        Self {
            variable: name.to_string(),
            name,
            section,
            version: secret.version,
            value: secret.value,
            set_at: secret.set_at,
            due,
            previous: false,
            as_file: false,
        }
    }
}

/// A guard against mistakes, not against programs: any program can start another.
fn in_scope(secret: &Secret, program: &program::Program) -> bool {
    let commands = &secret.scope.commands;
    commands.is_empty() || commands.iter().any(|allowed| program.matches(allowed.as_str()))
}

fn check_scope(name: &SecretName, secret: &Secret, program: &program::Program) -> Result<(), CommandError> {
    if in_scope(secret, program) {
        return Ok(());
    }
    Err(CommandError::OutOfScope { name: name.clone(), program: program.argv0.to_string_lossy().into_owned() })
}

fn describe(
    args: &Args,
    effective: &Effective<'_>,
    wanted: &[Wanted],
    late: &[Late],
    program: &program::Program,
) -> Use {
    let names = wanted.iter().map(|wanted| {
        let previous = if wanted.previous { "@previous" } else { "" };
        if wanted.variable == wanted.name.as_str() && !wanted.previous {
            wanted.variable.clone()
        } else {
            format!("{}={}{previous}", wanted.variable, wanted.name)
        }
    });
    let mut used = Use::of("exec", &effective.sections()[0], names.collect());
    used.command = Some(program.argv0.to_string_lossy().chars().take(1000).collect());
    used.overrides = name_overrides(wanted.iter().map(|wanted| wanted.variable.as_str()));
    used.overrides.extend(args.pristine.then(|| "pristine".to_owned()));
    used.overrides.extend(refused(late).map(|name| format!("allow-stale:{name}")));
    used.reason = args.reason.as_ref().filter(|_| refused(late).next().is_some()).map(ToString::to_string);
    used
}

/// The values in use that are overdue or expired, exposed or not, longest first; each
/// secret once.
fn late(wanted: &[Wanted], now: Timestamp) -> Vec<Late> {
    let mut late: Vec<Late> = Vec::new();
    for Wanted { name, due, .. } in wanted {
        let Some(due) = due.filter(|due| due.at <= now) else { continue };
        if late.iter().all(|late| late.name != *name) {
            let refused = due.refused_from.is_some_and(|from| from <= now);
            late.push(Late { name: name.clone(), since: due.at, refused });
        }
    }
    late.sort_unstable_by(|a, b| (a.since, &a.name).cmp(&(b.since, &b.name)));
    late
}

/// Those of them that their policies refuse.
fn refused(late: &[Late]) -> impl Iterator<Item = &SecretName> {
    late.iter().filter(|late| late.refused).map(|late| &late.name)
}

/// One line about what is overdue.
fn warn_of_age(cx: &Context, ui: &mut Ui, opened: &Opened, late: &[Late], now: Timestamp) {
    if late.is_empty() || !cx.overdue_wanted(opened) {
        return;
    }
    let days = Days::from(now, local_day);
    let text = |late: &Late| format!("{} ({})", late.name, days.late(late.since));
    let list: Vec<String> = late.iter().take(3).map(text).collect();
    let more = if late.len() > 3 { format!(" and {} more", late.len() - 3) } else { String::new() };
    ui.warn(&format!(
        "{} overdue for rotation: {}{more}; see `vault rotation`",
        if late.len() == 1 { "1 key".to_owned() } else { format!("{} keys", late.len()) },
        list.join(", ")
    ));
}
