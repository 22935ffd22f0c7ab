//! The programs that are started, none with our credentials; and those of the user's that
//! take part in a rotation: run by `sh`, with a time limit and a bound on what they print.

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use vault::clock::Span;
use vault::exec::interrupts;
use vault::exec::names::credential;
use vault::secret_value::SecretValue;
use vault::signals;

use super::error::CommandError;
use super::input::read_bounded;

/// A command line for `sh`, and how long it may take.
#[derive(Clone, Copy)]
pub(crate) struct Program<'a> {
    /// What it is called in messages: `the rotator`.
    pub(crate) what: &'a str,
    pub(crate) line: &'a str,
    pub(crate) timeout: Span,
}

impl Program<'_> {
    /// The first word of the line: what the audit log says was run.
    pub(crate) fn word(&self) -> String {
        self.line.split_whitespace().next().unwrap_or_default().chars().take(1000).collect()
    }

    /// Gives it `input` on standard input and what it prints on standard output back,
    /// at most `max` bytes. Its standard error is ours.
    pub(crate) fn talk(&self, input: SecretValue, max: usize) -> Result<SecretValue, CommandError> {
        let mut command = self.command();
        let (reader, mut writer) = std::io::pipe().map_err(|error| self.failed(&error.to_string()))?;
        command.stdin(reader).stdout(Stdio::piped());
        // Beside the program: a pipe takes 64 KiB or less until somebody reads. One that ends
        // without having read all of it is judged by its status alone.
        std::thread::spawn(move || {
            // Or SIGPIPE would end this process in the middle of a rotation.
            interrupts::take_closed_pipes_for_errors();
            let _ = writer.write_all(input.reveal());
        });
        self.run(command, max)
    }

    /// Runs it with variables added to its environment; what it prints is dropped.
    pub(crate) fn with_environment<'v>(
        &self,
        variables: impl Iterator<Item = (&'v str, &'v SecretValue)>,
    ) -> Result<(), CommandError> {
        let mut command = self.command();
        for (name, value) in variables {
            if value.reveal().contains(&0) {
                return Err(vault::exec::Error::Nul { name: name.to_owned() }.into());
            }
            // A copy that is freed without being wiped: there is no other way into a child's
            // environment that leaves this process running. It ends with the command.
            command.env(name, OsStr::from_bytes(value.reveal()));
        }
        command.stdin(Stdio::null()).stdout(Stdio::null());
        self.run(command, 0).map(drop)
    }

    fn command(&self) -> Command {
        let mut command = shell();
        // A group of its own, so that all of it can be ended at the time limit.
        command.args(["-c", self.line]).process_group(0);
        command
    }

    /// Runs a command of ours under the same time limit and bound.
    pub(crate) fn run(&self, mut command: Command, max: usize) -> Result<SecretValue, CommandError> {
        let deadline = Instant::now().checked_add(Duration::from_secs(self.timeout.seconds()));
        let mut child = command.spawn().map_err(|error| self.failed(&error.to_string()))?;
        drop(command);
        let (sender, receiver) = mpsc::channel();
        match child.stdout.take() {
            Some(stdout) => {
                std::thread::spawn(move || sender.send(read_bounded(stdout, max)));
            }
            None => {
                let _ = sender.send(Ok(Vec::new()));
            }
        }
        // The output ends when everything that was started has closed it; what is left
        // running in the background with it open counts as not having ended.
        let (mut output, mut status): (Option<SecretValue>, Option<ExitStatus>) = (None, None);
        let mut pause = Duration::from_millis(1);
        while output.is_none() || status.is_none() {
            if output.is_none() {
                match receiver.recv_timeout(pause) {
                    Ok(bytes) => output = Some(SecretValue::new(bytes?)),
                    Err(mpsc::RecvTimeoutError::Timeout) => {}
                    Err(mpsc::RecvTimeoutError::Disconnected) => return Err(self.failed("its output was not read")),
                }
            } else {
                std::thread::sleep(pause);
            }
            pause = (pause * 2).min(Duration::from_millis(20));
            if output.as_ref().is_some_and(|output| output.len() > max) {
                end(&mut child);
                return Err(vault::rotation::rotator::Error::TooMuch.into());
            }
            if status.is_none() {
                status = child.try_wait().map_err(|error| self.failed(&error.to_string()))?;
            }
            if signals::caught().is_some() {
                end(&mut child);
                return Err(self.failed("it was ended, as vault was asked to end"));
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) && (output.is_none() || status.is_none()) {
                end(&mut child);
                return Err(self.failed(&format!("it did not end within {}", self.timeout)));
            }
        }
        match status {
            Some(status) if status.success() => Ok(output.unwrap_or_else(|| SecretValue::new(Vec::new()))),
            Some(status) => Err(self.failed(&match status.signal() {
                Some(signal) => format!("it was ended by signal {signal}"),
                None => format!("it ended with status {}", status.code().unwrap_or(-1)),
            })),
            None => Err(self.failed("its status is not known")),
        }
    }

    fn failed(&self, why: &str) -> CommandError {
        CommandError::Program { what: self.what.to_owned(), why: why.to_owned() }
    }
}

/// `sh`, without our credentials in its environment.
pub(crate) fn shell() -> Command {
    command("/bin/sh")
}

/// Any program, without our credentials in its environment. Nothing else starts one
/// (`tests/layers.rs`), but for `exec`, which becomes it.
#[expect(clippy::disallowed_methods, reason = "the one place where programs are started")]
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| credential(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    command
}

/// Ends a child and everything in its group.
fn end(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // Fails only if all of it is gone already.
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.wait();
}
