use std::path::{Path, PathBuf};

use vault::clock::{Span, Timestamp};
use vault::rotation::remind::{Outcome, is_time};
use vault::rotation::schedule::{Job, PREFIX};
use vault::rotation::{self, Days};

use super::remind;
use crate::cli::context::{Context, Opened};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::foreground::Foreground;
use crate::cli::notify::Channel;
use crate::cli::scheduler::{Installed, Scheduler};
use crate::cli::table::{Cell, Table};
use crate::cli::time::{local_day, local_time};
use crate::cli::ui::{Tone, Ui};

/// Have the system remind of what is due, once a day
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: What,
}

#[derive(clap::Subcommand, Debug)]
enum What {
    /// Write and enable a systemd user timer, a launchd agent or a crontab line
    Install {
        /// Where reminders go: stderr, desktop, or command:COMMAND, which runs in the
        /// directory of the vault file [default: the setting `notify`, or desktop]
        #[arg(long, value_name = "CHANNEL")]
        notify: Vec<Channel>,

        /// Hide names behind made-up ones
        #[arg(long)]
        alias: bool,

        /// Which scheduler [default: the one that runs here]
        #[arg(long, value_name = "SCHEDULER")]
        with: Option<Scheduler>,

        /// Show what would be written, and change nothing
        #[arg(long, short = 'n', visible_alias = "dry-run")]
        print: bool,
    },
    /// Say what is installed, when it last ran, what it delivered and what failed
    Status {
        /// List what is installed for every vault, also for those that are gone
        #[arg(long)]
        all: bool,

        /// Print an object, with `--all` an array
        #[arg(long)]
        json: bool,
    },
    /// Disable and remove what `install` wrote
    ///
    /// Where the vault file is gone, name it all the same: with `--vault`, by the path
    /// that `vault schedule status --all` shows.
    Uninstall {
        /// What is installed for every vault, also for those that are gone
        #[arg(long)]
        all: bool,

        /// Show what would be removed, and change nothing
        #[arg(long, short = 'n', visible_alias = "dry-run")]
        print: bool,
    },
    /// Stay in the foreground and remind once a day, for containers
    Run {
        /// Where reminders go: stderr, desktop or command:COMMAND
        #[arg(long, value_name = "CHANNEL")]
        notify: Vec<Channel>,

        /// Hide names behind made-up ones
        #[arg(long)]
        alias: bool,

        /// How often
        #[arg(long, value_name = "DURATION", default_value = "1d")]
        every: Span,
    },
}

/// A daily job that has not run for this long does not run: two nights off are made up for.
const LATE: Span = Span::days(3);

pub(crate) fn run(cx: &mut Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    match &args.command {
        What::Install { notify, alias, with, print } => install(cx, ui, notify, *alias, *with, *print),
        What::Status { all: true, json } => list(cx, ui, *json),
        What::Status { all: false, json } => status(cx, ui, *json),
        What::Uninstall { all, print } => uninstall(cx, ui, *all, *print),
        What::Run { notify, alias, every } => stay(cx, ui, &remind::Args::for_schedule(notify.clone(), *alias), *every),
    }
}

fn install(
    cx: &Context,
    ui: &mut Ui,
    notify: &[Channel],
    alias: bool,
    with: Option<Scheduler>,
    print: bool,
) -> Result<(), CommandError> {
    let job = job(cx, ui, notify, alias)?;
    let scheduler = with.or_else(Scheduler::found).ok_or(CommandError::NoScheduler)?;
    if print {
        for (path, text) in scheduler.files(cx, &job)? {
            ui.line(&format!("# {}", path.display()));
            text.lines().for_each(|line| ui.line(line));
        }
        if scheduler == Scheduler::Cron {
            ui.line(job.cron().trim_end());
        }
        return Ok(());
    }
    scheduler.install(cx, &job)?;
    ui.note(&format!("reminders come once a day by {}; `vault schedule status` tells how it goes", scheduler.word()));
    Ok(())
}

fn uninstall(cx: &Context, ui: &mut Ui, all: bool, print: bool) -> Result<(), CommandError> {
    let there = if all { Installed::all(cx)? } else { of_this_vault(cx, ui)?.1 };
    if there.is_empty() {
        ui.note(if all { "nothing is installed" } else { "nothing is installed for this vault" });
    }
    for Installed { scheduler, name, vault } in there {
        if print {
            scheduler.paths(cx, &name)?.iter().for_each(|path| ui.line(&path.display().to_string()));
            if scheduler == Scheduler::Cron {
                ui.line(&format!("the line of the crontab that ends in # {name}"));
            }
            continue;
        }
        scheduler.uninstall(cx, ui, &name)?;
        let whose = vault.filter(|_| all).map_or_else(String::new, |file| format!(": {}", file.display()));
        ui.note(&format!("removed from {}{whose}", scheduler.word()));
    }
    Ok(())
}

/// What is installed for the vault that is meant, and the vault; if its file is gone, for
/// the file that was there.
fn of_this_vault(cx: &Context, ui: &mut Ui) -> Result<(Option<Opened>, Vec<Installed>), CommandError> {
    let mut all = Installed::all(cx)?;
    // Any other one helps on, best one that nobody can be standing in.
    let elsewhere = |all: &[Installed]| {
        let files = || all.iter().filter_map(|job| job.vault.clone().zip(Some(job.is_gone())));
        files().find(|(_, gone)| *gone).or_else(|| files().next()).map(|(file, _)| file)
    };
    let path = match cx.vault_path() {
        Ok((path, _)) => path,
        Err(error) => {
            return Err(elsewhere(&all).map_or(error, |file| CommandError::ScheduledElsewhere { file }));
        }
    };
    if path.exists() {
        let opened = cx.open(ui)?;
        let name = name(&opened);
        all.retain(|job| job.name == name);
        return Ok((Some(opened), all));
    }
    let path = std::path::absolute(&path).map_err(CommandError::WorkingDirectory)?;
    let is_it = |file: &Path| file == path || file.parent() == Some(&path);
    let Some(file) = elsewhere(&all) else { return Err(CommandError::NoVaultFile { path }) };
    all.retain(|job| job.vault.as_deref().is_some_and(is_it));
    if all.is_empty() { Err(CommandError::ScheduledElsewhere { file }) } else { Ok((None, all)) }
}

/// A job in the list of all.
#[derive(serde::Serialize)]
struct Listed {
    #[serde(flatten)]
    job: Installed,
    gone: bool,
}

fn list(cx: &Context, ui: &mut Ui, json: bool) -> Result<(), CommandError> {
    let listed = Installed::all(cx)?.into_iter().map(|job| Listed { gone: job.is_gone(), job });
    let listed: Vec<Listed> = listed.collect();
    if json {
        ui.json(&listed);
        return Ok(());
    }
    if listed.is_empty() {
        ui.note("nothing is installed");
        return Ok(());
    }
    let mut table = Table::new(&["SCHEDULER", "VAULT FILE", ""]);
    for Listed { job, gone } in listed {
        let file = job.vault.map_or(job.name, |file| file.display().to_string());
        let gone = if gone { Cell::toned(Tone::Bad, "gone") } else { Cell::new("") };
        table.row(vec![Cell::new(job.scheduler.word()), Cell::new(file), gone]);
    }
    table.print(ui);
    Ok(())
}

#[derive(serde::Serialize)]
struct Status {
    installed: Vec<Scheduler>,
    last_run: Option<Timestamp>,
    /// True if something is installed and has not run for days, as far as the clock can tell.
    late: bool,
    channels: std::collections::BTreeMap<String, Outcome>,
}

fn status(cx: &Context, ui: &mut Ui, json: bool) -> Result<(), CommandError> {
    let (opened, jobs) = of_this_vault(cx, ui)?;
    let Some(opened) = opened else { return list(cx, ui, json) };
    let record = remind::load(&opened.state.join("remind"))?;
    let installed: Vec<Scheduler> = jobs.iter().map(|job| job.scheduler).collect();
    let now = cx.now();
    // By a clock that was right then, or is now, but not both.
    let ahead = record.last_run.is_some_and(|at| rotation::ahead(at, now));
    let over = record.last_run.is_some_and(|at| now.since(at) >= LATE.seconds());
    let late = !installed.is_empty() && (ahead || over);
    let status = Status { installed, last_run: record.last_run, late, channels: record.last };
    let failed = status.channels.values().any(|outcome| matches!(outcome, Outcome::Failed(_)));
    if json {
        ui.json(&status);
    } else {
        let words: Vec<&str> = status.installed.iter().map(|scheduler| scheduler.word()).collect();
        let words =
            if words.is_empty() { "nothing (see `vault schedule install`)".to_owned() } else { words.join(", ") };
        // The names of channels are as long as somebody's command.
        let labels = status.channels.keys().map(|channel| channel.chars().count());
        let width = labels.chain(["installed".len()]).max().unwrap_or(0);
        let mut say = |label: &str, text: String| ui.line(&format!("{label:<width$}  {text}"));
        say("installed", words);
        let ago = |at| match ahead {
            true => "ahead of the clock of this machine".to_owned(),
            false => Days::from(now, local_day).due(at),
        };
        let ran = status.last_run.map(|at| format!("{} ({})", local_time(at), ago(at)));
        say("last run", ran.unwrap_or_else(|| "never".to_owned()));
        for (channel, outcome) in &status.channels {
            let (tone, text) = match outcome {
                Outcome::Delivered(0) => (Tone::Faint, "nothing new".to_owned()),
                Outcome::Delivered(count) => (Tone::Good, format!("delivered {count}")),
                Outcome::Failed(why) => (Tone::Bad, format!("{why}; tried again next time")),
            };
            ui.line(&format!("{channel:<width$}  {}", ui.paint(tone, &text)));
        }
    }
    if late && ahead {
        ui.warn("the clock of this machine was or is wrong: whether what is installed still runs cannot be told");
    } else if late {
        ui.warn("what is installed has not run for days; look whether its scheduler still does");
    }
    if failed || late { Err(CommandError::Said(Exit::Found)) } else { Ok(()) }
}

/// Looks at the clock once a minute, so that one that was moved is noticed.
fn stay(cx: &mut Context, ui: &mut Ui, args: &remind::Args, every: Span) -> Result<(), CommandError> {
    let opened = cx.open(ui)?;
    let directory = opened.state.join("remind");
    drop(opened);
    let mut last = remind::last_run(&directory)?;
    let foreground = Foreground::begin()?;
    loop {
        let now = cx.now();
        if is_time(last, every, now) {
            // A run that fails is made up for by the next; the loop stays.
            if let Err(error) = remind::run(cx, ui, args)
                && !matches!(error, CommandError::Said(_))
            {
                ui.error(&error.to_string());
            }
            last = Some(now);
        }
        if !foreground.goes_on_after(std::time::Duration::from_secs(every.seconds().min(60)))? {
            return Ok(());
        }
    }
}

/// What is run for this vault, by its full path and that of this program.
fn job(cx: &Context, ui: &mut Ui, notify: &[Channel], alias: bool) -> Result<Job, CommandError> {
    let opened = cx.open(ui)?;
    let text = |path: PathBuf| {
        path.into_os_string().into_string().map_err(|_| CommandError::usage("a path is not UTF-8".to_owned()))
    };
    let program = std::env::current_exe().map_err(CommandError::WorkingDirectory)?;
    let file = std::fs::canonicalize(&opened.path).map_err(CommandError::WorkingDirectory)?;
    let directory = text(file.parent().unwrap_or(&file).to_path_buf())?;
    let words = [text(program)?, "--no-input".to_owned(), "--vault".to_owned(), text(file)?, "remind".to_owned()];
    let mut command: Vec<String> = words.into();
    // With a setting it is left to say where they go, also when it changes.
    let usual = cx.settings().notify().is_none().then_some(Channel::Desktop);
    for channel in notify.iter().chain(usual.as_ref().filter(|_| notify.is_empty())) {
        command.extend(["--notify".to_owned(), channel.to_string()]);
    }
    command.extend(alias.then(|| "--alias".to_owned()));
    // A scheduler has none of the variables that moved these.
    let (variables, ours) = (&cx.variables, cx.directories());
    let moved = [
        ("VLT_STATE_DIR", variables.state_dir().or(variables.xdg_state_home()), &ours.state),
        ("VLT_CONFIG_DIR", variables.config_dir().or(variables.xdg_config_home()), &ours.config),
    ];
    let mut passed = Vec::new();
    for (name, _, path) in moved.into_iter().filter(|(_, moved, _)| moved.is_some()) {
        let path = std::path::absolute(path).map_err(CommandError::WorkingDirectory)?;
        passed.push((name.to_owned(), text(path)?));
    }
    let job = Job { name: name(&opened), command, directory, variables: passed };
    if !job.is_on_one_line() {
        let why = "a path or command with a line break or another control character cannot be given to a scheduler";
        return Err(CommandError::usage(why.to_owned()));
    }
    Ok(job)
}

/// What the job of a vault is called.
fn name(opened: &Opened) -> String {
    format!("{PREFIX}{}", &opened.vault.id().to_string()[..8])
}
