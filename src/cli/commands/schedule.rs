use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use vault::clock::Span;
use vault::rotation::remind::{Outcome, is_time};
use vault::rotation::schedule::Job;
use vault::store;

use super::remind;
use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::notify::Channel;
use crate::cli::ui::Ui;

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
        /// Where reminders go: stderr, desktop or command:COMMAND [default: desktop]
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
        /// Print an object
        #[arg(long)]
        json: bool,
    },
    /// Disable and remove what `install` wrote
    Uninstall {
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
enum Scheduler {
    /// A timer of this user's systemd
    Systemd,
    /// An agent of launchd, on macOS
    Launchd,
    /// A line in this user's crontab
    Cron,
}

pub(crate) fn run(cx: &mut Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    match &args.command {
        What::Install { notify, alias, with, print } => install(cx, ui, notify, *alias, *with, *print),
        What::Status { json } => status(cx, ui, *json),
        What::Uninstall { print } => uninstall(cx, ui, *print),
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
    let scheduler = with.or_else(found).ok_or(CommandError::NoScheduler)?;
    let files = files(cx, &job, scheduler)?;
    if print {
        for (path, text) in &files {
            ui.line(&format!("# {}", path.display()));
            text.lines().for_each(|line| ui.line(line));
        }
        if scheduler == Scheduler::Cron {
            ui.line(job.cron().trim_end());
        }
        return Ok(());
    }
    for (path, text) in &files {
        let directory = path.parent().unwrap_or(Path::new("/"));
        store::create_private_dir_all(directory)?;
        let _lock = store::Lock::acquire(directory, cx.globals.lock_timeout())?;
        store::replace(path, text.as_bytes(), store::Mode::Shared)?;
    }
    let name = job.name();
    match scheduler {
        Scheduler::Systemd => {
            system("systemctl", &["--user", "daemon-reload"], None)?;
            system("systemctl", &["--user", "enable", "--now", &format!("{name}.timer")], None)?;
        }
        Scheduler::Launchd => {
            let path = files[0].0.display().to_string();
            system("launchctl", &["load", "-w", &path], None)?;
        }
        Scheduler::Cron => {
            let crontab = crontab();
            system("crontab", &["-"], Some(&job.in_crontab(&crontab, true)))?;
        }
    }
    ui.note(&format!("reminders come once a day by {}; `vault schedule status` tells how it goes", word(scheduler)));
    Ok(())
}

fn uninstall(cx: &Context, ui: &mut Ui, print: bool) -> Result<(), CommandError> {
    let job = job(cx, ui, &[], false)?;
    let there = installed(cx, &job)?;
    if there.is_empty() {
        ui.note("nothing is installed for this vault");
        return Ok(());
    }
    for scheduler in there {
        let files = files(cx, &job, scheduler)?;
        if print {
            files.iter().for_each(|(path, _)| ui.line(&path.display().to_string()));
            if scheduler == Scheduler::Cron {
                ui.line(&format!("the line of the crontab that ends in # {}", job.name()));
            }
            continue;
        }
        // A scheduler that is gone must not keep its files in place: told, not fatal.
        let disabled = match scheduler {
            Scheduler::Systemd => {
                system("systemctl", &["--user", "disable", "--now", &format!("{}.timer", job.name())], None)
            }
            Scheduler::Launchd => system("launchctl", &["unload", "-w", &files[0].0.display().to_string()], None),
            Scheduler::Cron => system("crontab", &["-"], Some(&job.in_crontab(&crontab(), false))),
        };
        if let Err(error) = &disabled {
            ui.warn(&error.to_string());
        }
        for (path, _) in &files {
            remove(path)?;
            // What enabling left, should systemctl not have run.
            let wants = path.parent().unwrap_or(Path::new("/")).join("timers.target.wants");
            remove(&wants.join(path.file_name().unwrap_or_default()))?;
        }
        if scheduler == Scheduler::Systemd && disabled.is_ok() {
            system("systemctl", &["--user", "daemon-reload"], None)?;
        }
        ui.note(&format!("removed from {}", word(scheduler)));
    }
    Ok(())
}

#[derive(serde::Serialize)]
struct Status {
    installed: Vec<Scheduler>,
    last_run: Option<vault::clock::Timestamp>,
    channels: std::collections::BTreeMap<String, Outcome>,
}

fn status(cx: &Context, ui: &mut Ui, json: bool) -> Result<(), CommandError> {
    let opened = cx.open(ui)?;
    let job = job(cx, ui, &[], false)?;
    let record = remind::load(&opened.state.join("remind"))?;
    let status = Status { installed: installed(cx, &job)?, last_run: record.last_run, channels: record.last };
    let failed = status.channels.values().any(|outcome| matches!(outcome, Outcome::Failed(_)));
    if json {
        ui.json(&status);
    } else {
        let words: Vec<&str> = status.installed.iter().map(|scheduler| word(*scheduler)).collect();
        let words =
            if words.is_empty() { "nothing (see `vault schedule install`)".to_owned() } else { words.join(", ") };
        ui.line(&format!("installed  {words}"));
        ui.line(&format!("last run   {}", status.last_run.map_or_else(|| "never".to_owned(), |at| at.to_string())));
        for (channel, outcome) in &status.channels {
            let text = match outcome {
                Outcome::Delivered(count) => format!("delivered {count}"),
                Outcome::Failed(why) => format!("failed: {why}"),
            };
            ui.line(&format!("{channel}  {text}"));
        }
    }
    if failed { Err(CommandError::Said(Exit::Found)) } else { Ok(()) }
}

/// Looks at the clock once a minute, so that one that was moved is noticed.
fn stay(cx: &mut Context, ui: &mut Ui, args: &remind::Args, every: Span) -> Result<(), CommandError> {
    let opened = cx.open(ui)?;
    let directory = opened.state.join("remind");
    drop(opened);
    let mut last = remind::last_run(&directory)?;
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
        std::thread::sleep(std::time::Duration::from_secs(every.seconds().min(60)));
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
    let words = [text(program)?, "--no-input".to_owned(), "--vault".to_owned(), text(file)?, "remind".to_owned()];
    let mut command: Vec<String> = words.into();
    let channels = if notify.is_empty() { vec![Channel::Desktop] } else { notify.to_vec() };
    for channel in channels {
        command.extend(["--notify".to_owned(), channel.to_string()]);
    }
    command.extend(alias.then(|| "--alias".to_owned()));
    let mut variables = Vec::new();
    for (name, path) in [("VLT_STATE_DIR", cx.variables.state_dir()), ("VLT_CONFIG_DIR", cx.variables.config_dir())] {
        if let Some(path) = path {
            let path = std::path::absolute(&path).map_err(CommandError::WorkingDirectory)?;
            variables.push((name.to_owned(), text(path)?));
        }
    }
    let id = opened.vault.id().to_string()[..8].to_owned();
    Ok(Job { id, command, variables })
}

fn files(cx: &Context, job: &Job, scheduler: Scheduler) -> Result<Vec<(PathBuf, String)>, CommandError> {
    let home = cx.directories().home.clone().ok_or(CommandError::NoScheduler)?;
    Ok(match scheduler {
        Scheduler::Systemd => {
            let config = cx.variables.xdg_config_home().unwrap_or_else(|| home.join(".config"));
            job.systemd(&config.join("systemd/user")).into()
        }
        Scheduler::Launchd => {
            vec![(home.join("Library/LaunchAgents").join(format!("{}.plist", job.name())), job.launchd())]
        }
        Scheduler::Cron => Vec::new(),
    })
}

fn installed(cx: &Context, job: &Job) -> Result<Vec<Scheduler>, CommandError> {
    let mut there = Vec::new();
    for scheduler in [Scheduler::Systemd, Scheduler::Launchd] {
        if files(cx, job, scheduler)?.iter().any(|(path, _)| path.exists()) {
            there.push(scheduler);
        }
    }
    let crontab = crontab();
    if job.in_crontab(&crontab, false) != crontab {
        there.push(Scheduler::Cron);
    }
    Ok(there)
}

/// The scheduler that runs for this user.
fn found() -> Option<Scheduler> {
    if cfg!(target_os = "macos") {
        return Some(Scheduler::Launchd);
    }
    if system("systemctl", &["--user", "show-environment"], None).is_ok() {
        return Some(Scheduler::Systemd);
    }
    // Without a crontab yet `crontab -l` fails, so that it runs at all has to do.
    output("crontab", &["-l"]).map(|_| Scheduler::Cron)
}

fn word(scheduler: Scheduler) -> &'static str {
    match scheduler {
        Scheduler::Systemd => "systemd",
        Scheduler::Launchd => "launchd",
        Scheduler::Cron => "cron",
    }
}

/// The crontab of this user; empty if there is none.
fn crontab() -> String {
    output("crontab", &["-l"]).flatten().unwrap_or_default()
}

/// Standard output where it succeeded; `None` on the outside if there is no such program.
#[expect(clippy::disallowed_methods, reason = "the command line is where programs are run from")]
fn output(program: &str, arguments: &[&str]) -> Option<Option<String>> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    Some(output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned()))
}

#[expect(clippy::disallowed_methods, reason = "the command line is where programs are run from")]
fn system(program: &str, arguments: &[&str], input: Option<&str>) -> Result<(), CommandError> {
    let failed = |why: String| CommandError::Program { what: format!("{program} {}", arguments.join(" ")), why };
    let mut command = Command::new(program);
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    match input {
        Some(text) => {
            // A pipe holds it before anybody reads, so nothing waits and nothing is broken.
            let (reader, mut writer) = std::io::pipe().map_err(|error| failed(error.to_string()))?;
            if text.len() > 60 * 1024 {
                return Err(failed("the crontab is over 60 KiB".to_owned()));
            }
            writer.write_all(text.as_bytes()).map_err(|error| failed(error.to_string()))?;
            command.stdin(reader);
        }
        None => {
            command.stdin(Stdio::null());
        }
    }
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(failed(format!("it ended with {status}"))),
        Err(error) => Err(failed(error.to_string())),
    }
}

fn remove(path: &Path) -> Result<(), CommandError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(CommandError::Program { what: format!("removing {}", path.display()), why: error.to_string() })
        }
        _ => Ok(()),
    }
}
