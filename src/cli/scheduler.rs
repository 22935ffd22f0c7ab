//! The system's own schedulers: the files and lines by which they know a job, and the
//! programs that make them take notice.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use vault::rotation::schedule::{self, Job};
use vault::store;

use super::context::Context;
use super::error::CommandError;
use super::program::command;
use super::ui::Ui;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Scheduler {
    /// A timer of this user's systemd
    Systemd,
    /// An agent of launchd, on macOS
    Launchd,
    /// A line in this user's crontab
    Cron,
}

/// A job that a scheduler of this user knows.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub(crate) struct Installed {
    pub(crate) scheduler: Scheduler,
    pub(crate) name: String,
    /// The vault file it is for, where what was installed still says so.
    pub(crate) vault: Option<PathBuf>,
}

/// Longest file of a scheduler that is read.
const MAX_FILE: u64 = 1 << 20;

impl Installed {
    /// Every one of this user, of whatever vault.
    pub(crate) fn all(cx: &Context) -> Result<Vec<Self>, CommandError> {
        let mut all = BTreeSet::new();
        for scheduler in [Scheduler::Systemd, Scheduler::Launchd] {
            let directory = scheduler.directory(cx)?;
            for file in names_in(&directory)? {
                let of_ours = scheduler.endings().iter().find_map(|ending| file.strip_suffix(ending));
                let Some(name) = of_ours.filter(|name| name.starts_with(schedule::PREFIX)) else { continue };
                let [command, ..] = scheduler.endings() else { continue };
                let written = store::read(&directory.join(format!("{name}{command}")), MAX_FILE);
                let written = written.ok().and_then(|bytes| String::from_utf8(bytes).ok());
                let vault = written.as_deref().and_then(schedule::vault_file);
                all.insert(Self { scheduler, name: name.to_owned(), vault });
            }
        }
        // Where cron may not be asked, nothing of ours is in it.
        for line in crontab().unwrap_or_default().lines() {
            if let Some(name) = schedule::job_of(line) {
                let (name, vault) = (name.to_owned(), schedule::vault_file(line));
                all.insert(Self { scheduler: Scheduler::Cron, name, vault });
            }
        }
        Ok(all.into_iter().collect())
    }

    /// True if the vault file is known to be gone.
    pub(crate) fn is_gone(&self) -> bool {
        self.vault.as_ref().is_some_and(|file| !file.exists())
    }
}

impl Scheduler {
    /// The one that runs for this user.
    pub(crate) fn found() -> Option<Self> {
        if cfg!(target_os = "macos") {
            return Some(Self::Launchd);
        }
        if system("systemctl", &["--user", "show-environment"], None).is_ok() {
            return Some(Self::Systemd);
        }
        // Without a crontab yet `crontab -l` fails, so that it runs at all has to do.
        list_crontab().ok().map(|_| Self::Cron)
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::Launchd => "launchd",
            Self::Cron => "cron",
        }
    }

    /// Where it looks for files.
    fn directory(self, cx: &Context) -> Result<PathBuf, CommandError> {
        let home = cx.directories().home.clone().ok_or(CommandError::NoScheduler)?;
        Ok(match self {
            Self::Systemd => {
                cx.variables.xdg_config_home().unwrap_or_else(|| home.join(".config")).join("systemd/user")
            }
            Self::Launchd => home.join("Library/LaunchAgents"),
            Self::Cron => PathBuf::new(),
        })
    }

    /// What its files of a job are called behind the job's name; first the one with the command.
    fn endings(self) -> &'static [&'static str] {
        match self {
            Self::Systemd => &[".service", ".timer"],
            Self::Launchd => &[".plist"],
            Self::Cron => &[],
        }
    }

    /// The files that it reads a job from.
    pub(crate) fn paths(self, cx: &Context, name: &str) -> Result<Vec<PathBuf>, CommandError> {
        let directory = self.directory(cx)?;
        Ok(self.endings().iter().map(|ending| directory.join(format!("{name}{ending}"))).collect())
    }

    /// The files that it reads the job from, and what is in them.
    pub(crate) fn files(self, cx: &Context, job: &Job) -> Result<Vec<(PathBuf, String)>, CommandError> {
        let texts = match self {
            Self::Systemd => job.systemd().into(),
            Self::Launchd => vec![job.launchd()],
            Self::Cron => Vec::new(),
        };
        Ok(self.paths(cx, &job.name)?.into_iter().zip(texts).collect())
    }

    /// Writes what it reads, and has it take notice.
    pub(crate) fn install(self, cx: &Context, job: &Job) -> Result<(), CommandError> {
        let files = self.files(cx, job)?;
        for (path, text) in &files {
            let directory = path.parent().unwrap_or(Path::new("/"));
            store::create_private_dir_all(directory)?;
            let _lock = store::Lock::acquire(directory, cx.globals.lock_timeout())?;
            store::replace(path, text.as_bytes(), store::Mode::Shared)?;
        }
        let timer = format!("{}.timer", job.name);
        match self {
            Self::Systemd => {
                system("systemctl", &["--user", "daemon-reload"], None)?;
                system("systemctl", &["--user", "enable", "--now", &timer], None)
            }
            Self::Launchd => system("launchctl", &["load", "-w", &files[0].0.display().to_string()], None),
            Self::Cron => system("crontab", &["-"], Some(&job.in_crontab(&crontab()?))),
        }
    }

    /// Takes out all that `install` wrote and that came of it.
    pub(crate) fn uninstall(self, cx: &Context, ui: &mut Ui, name: &str) -> Result<(), CommandError> {
        let files = self.paths(cx, name)?;
        let timer = format!("{name}.timer");
        // A scheduler that is gone must not keep its files in place: told, not fatal.
        let disabled = match self {
            Self::Systemd => system("systemctl", &["--user", "disable", "--now", &timer], None),
            Self::Launchd => system("launchctl", &["unload", "-w", &files[0].display().to_string()], None),
            Self::Cron => match schedule::without(&crontab()?, name) {
                rest if rest.is_empty() => system("crontab", &["-r"], None),
                rest => system("crontab", &["-"], Some(&rest)),
            },
        };
        if let Err(error) = &disabled {
            ui.warn(&error.to_string());
        }
        for path in &files {
            let directory = path.parent().unwrap_or(Path::new("/"));
            // What enabling left, should systemctl not have run.
            let wants = directory.join("timers.target.wants");
            remove(&wants.join(path.file_name().unwrap_or_default()))?;
            remove(path)?;
            // Directories that it was the last one in; others are not empty and stay.
            for directory in [wants.as_path(), directory, directory.parent().unwrap_or(directory)] {
                let _ = std::fs::remove_dir(directory);
            }
        }
        if self == Self::Systemd {
            // Where systemd notes for `Persistent=` when it last ran.
            if let Some(home) = &cx.directories().home {
                let data = cx.variables.xdg_data_home().unwrap_or_else(|| home.join(".local/share"));
                remove(&data.join("systemd/timers").join(format!("stamp-{timer}")))?;
            }
            if disabled.is_ok() {
                system("systemctl", &["--user", "daemon-reload"], None)?;
            }
        }
        Ok(())
    }
}

/// Names of what is in a directory; none if there is no such directory. One that cannot be
/// read is no empty one: what is installed there would be taken for gone.
fn names_in(directory: &Path) -> Result<Vec<String>, CommandError> {
    let failed = |error: std::io::Error| {
        let what = format!("looking into {}", directory.display());
        CommandError::Program { what, why: error.to_string() }
    };
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let entries: Vec<_> = entries.collect::<Result<_, _>>().map_err(failed)?;
    Ok(entries.into_iter().filter_map(|entry| entry.file_name().into_string().ok()).collect())
}

/// The crontab of this user; empty if there is none. It is replaced as a whole, so one that
/// cannot be read must not count as empty.
fn crontab() -> Result<String, CommandError> {
    let failed = |why: String| CommandError::Program { what: "crontab -l".to_owned(), why };
    let output = list_crontab().map_err(|error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    // Every failure has one status; what says that there is none yet says so in words, or nothing.
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let none = ["no crontab", "no such file"].iter().any(|words| said.to_lowercase().contains(words));
    match output.status.code() {
        Some(_) if none || said.is_empty() => Ok(String::new()),
        Some(_) => Err(failed(said)),
        None => Err(failed(format!("it ended with {}", output.status))),
    }
}

fn list_crontab() -> std::io::Result<Output> {
    command("crontab").arg("-l").env("LC_ALL", "C").stdin(Stdio::null()).output()
}

fn system(program: &str, arguments: &[&str], input: Option<&str>) -> Result<(), CommandError> {
    let failed = |why: String| CommandError::Program { what: format!("{program} {}", arguments.join(" ")), why };
    let mut command = command(program);
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
