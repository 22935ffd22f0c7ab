//! The system's own schedulers: the files and lines by which they know a job, and the
//! programs that make them take notice.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use vault::rotation::schedule::Job;
use vault::store;

use super::context::Context;
use super::error::CommandError;
use super::ui::Ui;

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Scheduler {
    /// A timer of this user's systemd
    Systemd,
    /// An agent of launchd, on macOS
    Launchd,
    /// A line in this user's crontab
    Cron,
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
        output("crontab", &["-l"]).map(|_| Self::Cron)
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::Launchd => "launchd",
            Self::Cron => "cron",
        }
    }

    /// Those that know the job.
    pub(crate) fn installed(cx: &Context, job: &Job) -> Result<Vec<Self>, CommandError> {
        let mut there = Vec::new();
        for scheduler in [Self::Systemd, Self::Launchd] {
            if scheduler.files(cx, job)?.iter().any(|(path, _)| path.exists()) {
                there.push(scheduler);
            }
        }
        let crontab = crontab();
        if job.in_crontab(&crontab, false) != crontab {
            there.push(Self::Cron);
        }
        Ok(there)
    }

    /// The files that it reads the job from, and what is in them.
    pub(crate) fn files(self, cx: &Context, job: &Job) -> Result<Vec<(PathBuf, String)>, CommandError> {
        let home = cx.directories().home.clone().ok_or(CommandError::NoScheduler)?;
        Ok(match self {
            Self::Systemd => {
                let config = cx.variables.xdg_config_home().unwrap_or_else(|| home.join(".config"));
                job.systemd(&config.join("systemd/user")).into()
            }
            Self::Launchd => {
                vec![(home.join("Library/LaunchAgents").join(format!("{}.plist", job.name())), job.launchd())]
            }
            Self::Cron => Vec::new(),
        })
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
        let timer = format!("{}.timer", job.name());
        match self {
            Self::Systemd => {
                system("systemctl", &["--user", "daemon-reload"], None)?;
                system("systemctl", &["--user", "enable", "--now", &timer], None)
            }
            Self::Launchd => system("launchctl", &["load", "-w", &files[0].0.display().to_string()], None),
            Self::Cron => system("crontab", &["-"], Some(&job.in_crontab(&crontab(), true))),
        }
    }

    /// Takes out all that `install` wrote and that came of it.
    pub(crate) fn uninstall(self, cx: &Context, ui: &mut Ui, job: &Job) -> Result<(), CommandError> {
        let files = self.files(cx, job)?;
        let timer = format!("{}.timer", job.name());
        // A scheduler that is gone must not keep its files in place: told, not fatal.
        let disabled = match self {
            Self::Systemd => system("systemctl", &["--user", "disable", "--now", &timer], None),
            Self::Launchd => system("launchctl", &["unload", "-w", &files[0].0.display().to_string()], None),
            Self::Cron => match job.in_crontab(&crontab(), false) {
                rest if rest.is_empty() => system("crontab", &["-r"], None),
                rest => system("crontab", &["-"], Some(&rest)),
            },
        };
        if let Err(error) = &disabled {
            ui.warn(&error.to_string());
        }
        for (path, _) in &files {
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
