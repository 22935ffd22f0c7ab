//! The clipboard: of the desktop through its program, or of the terminal through OSC 52.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use vault::config::Variables;
use vault::crypto::{self, Hash};
use vault::exec::program::find;
use vault::exec::{detached, interrupts};
use vault::secret_value::{SecretValue, wipe_stack};

use super::error::CommandError;
use super::program::command;

/// Most characters of base64 that terminals take (xterm and those modelled on it).
const MAX_SEQUENCE: usize = 74_994;

/// How long a program that pastes may say nothing.
const PATIENCE: Timespec = Timespec { tv_sec: 3, tv_nsec: 0 };
/// How often it is asked.
const ATTEMPTS: usize = 3;

/// A program and what it is called with to copy, to paste and to clear.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tool {
    /// The variable that says that its desktop is here; empty where no variable does.
    variable: &'static str,
    copy: &'static [&'static str],
    paste: &'static [&'static str],
    /// With nothing on standard input.
    clear: &'static [&'static str],
}

const TOOLS: [Tool; 4] = [
    Tool {
        variable: "WAYLAND_DISPLAY",
        copy: &["wl-copy"],
        paste: &["wl-paste", "--no-newline"],
        clear: &["wl-copy", "--clear"],
    },
    Tool {
        variable: "DISPLAY",
        copy: &["xclip", "-selection", "clipboard", "-in"],
        paste: &["xclip", "-selection", "clipboard", "-out"],
        clear: &["xclip", "-selection", "clipboard", "-in"],
    },
    Tool {
        variable: "DISPLAY",
        copy: &["xsel", "--clipboard", "--input"],
        paste: &["xsel", "--clipboard", "--output"],
        clear: &["xsel", "--clipboard", "--clear"],
    },
    Tool { variable: "", copy: &["pbcopy"], paste: &["pbpaste"], clear: &["pbcopy"] },
];

/// Where a copy goes.
pub(crate) enum Clipboard {
    Desktop(Tool),
    Terminal(File),
}

impl Clipboard {
    /// The clipboard of the person at the keyboard. Through ssh that is the terminal's:
    /// a desktop on this side would be somebody else's.
    ///
    /// # Errors
    /// [`CommandError::NoClipboard`].
    pub(crate) fn find(variables: &Variables) -> Result<Self, CommandError> {
        let path = variables.search_path();
        let is_there = |tool: &Tool| {
            (tool.variable.is_empty() || variables.is_set(tool.variable))
                && find(OsStr::new(tool.copy[0]), path.as_deref()).is_ok()
        };
        let remote = variables.is_set("SSH_CONNECTION") || variables.is_set("SSH_TTY");
        if let Some(tool) = TOOLS.into_iter().find(is_there).filter(|_| !remote) {
            return Ok(Self::Desktop(tool));
        }
        let terminal = File::options().read(true).write(true).open("/dev/tty");
        terminal.map(Self::Terminal).map_err(|_| CommandError::NoClipboard)
    }

    /// The program that gets the value, if it is one; for the record.
    pub(crate) fn program(&self) -> Option<&'static str> {
        match self {
            Self::Desktop(tool) => Some(tool.copy[0]),
            Self::Terminal(_) => None,
        }
    }

    /// Copies a value, and gives what clears it again without knowing it.
    ///
    /// # Errors
    /// [`CommandError::Program`], [`CommandError::Terminal`], [`CommandError::TooLongToCopy`].
    pub(crate) fn copy(self, value: &SecretValue) -> Result<Copied, CommandError> {
        match self {
            Self::Desktop(tool) => {
                // To the program's standard input, as asked.
                run(tool.copy, value.reveal())?;
                let salt = crypto::random::<16>()?;
                let hash = Hash::of_parts(&[&salt[..], value.reveal()]);
                Ok(Copied::Desktop { tool, salt, hash })
            }
            Self::Terminal(terminal) => {
                let text = SecretValue::new(crypto::to_base64(value.reveal()).into_bytes());
                if text.len() > MAX_SEQUENCE {
                    return Err(CommandError::TooLongToCopy);
                }
                // To the terminal, as asked: OSC 52 of xterm's control sequences, selection `c`.
                let sequence = [&b"\x1b]52;c;"[..], text.reveal(), b"\x07"].concat();
                let sequence = zeroize::Zeroizing::new(sequence);
                (&terminal).write_all(&sequence).map_err(CommandError::Terminal)?;
                Ok(Copied::Terminal(terminal.into()))
            }
        }
    }
}

/// What was copied, without the value.
pub(crate) enum Copied {
    /// Compared by a salted hash with what is there later.
    Desktop {
        tool: Tool,
        salt: [u8; 16],
        hash: Hash,
    },
    Terminal(OwnedFd),
}

impl Copied {
    /// Clears it after a while, in a process of its own; nothing secret may be in memory
    /// any more. What was copied by somebody else since then stays, where it can be read.
    ///
    /// # Errors
    /// [`CommandError::Program`] if no process can be made.
    pub(crate) fn clear_after(self, delay: Duration) -> Result<(), CommandError> {
        let kept = match &self {
            Self::Terminal(terminal) => terminal.try_clone().ok(),
            Self::Desktop { .. } => None,
        };
        // What is left of the value on the stack would be copied with the process, and stay for as long as it waits.
        wipe_stack();
        let forked = detached::detach(kept.as_ref(), || {
            std::thread::sleep(delay);
            match &self {
                Self::Desktop { tool, salt, hash } => {
                    let is_ours = |there: &SecretValue| Hash::of_parts(&[&salt[..], there.reveal()]) == *hash;
                    let there = (0..ATTEMPTS).find_map(|_| paste(tool.paste));
                    if there.as_ref().is_some_and(is_ours) {
                        // Nobody is left to be told.
                        let _ = run(tool.clear, b"");
                    }
                }
                // What is no base64 clears it; where it does not, nothing at all is.
                Self::Terminal(_) => {
                    if let Some(terminal) = &kept {
                        let _ = rustix::io::write(terminal, b"\x1b]52;c;!\x07\x1b]52;c;\x07");
                    }
                }
            }
        });
        forked.map_err(|error| CommandError::Program {
            what: "clearing the clipboard".to_owned(),
            why: error.to_string(),
        })
    }
}

fn tool(words: &[&str]) -> Command {
    let mut command = command(words[0]);
    // They stay to hand the clipboard out, and would keep a pipe of ours open.
    command.args(&words[1..]).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Runs a program with something on its standard input.
fn run(words: &[&str], input: &[u8]) -> Result<(), CommandError> {
    let failed = |why: String| CommandError::Program { what: words[0].to_owned(), why };
    let io = |error: std::io::Error| failed(error.to_string());
    let _held = interrupts::Held::begin();
    let (reader, mut writer) = std::io::pipe().map_err(io)?;
    let mut child = tool(words).stdin(reader).spawn().map_err(io)?;
    let written = writer.write_all(input);
    drop(writer);
    let status = child.wait().map_err(io)?;
    match written {
        // A program that fails early closes the pipe as well; its status says more.
        _ if !status.success() => Err(failed(format!("it ended with status {}", status.code().unwrap_or(-1)))),
        Ok(()) => Ok(()),
        Err(_) => Err(failed("it did not read the value".to_owned())),
    }
}

/// What a program prints; nothing if it fails, or says nothing for long: one that asks while the
/// clipboard changes hands may never be answered.
fn paste(words: &[&str]) -> Option<SecretValue> {
    let mut child = tool(words).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().ok()?;
    let read = super::input::read_bounded(Patient(child.stdout.take()?), vault::MAX_VALUE);
    if read.is_err() {
        let _ = child.kill();
    }
    child.wait().ok().filter(std::process::ExitStatus::success)?;
    read.ok().map(SecretValue::new)
}

/// Output of a program that is not waited for longer than [`PATIENCE`] at a time.
struct Patient(std::process::ChildStdout);

impl Read for Patient {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let mut wait = [PollFd::new(&self.0, PollFlags::IN)];
        match poll(&mut wait, Some(&PATIENCE))? {
            0 => Err(std::io::ErrorKind::TimedOut.into()),
            _ => self.0.read(into),
        }
    }
}
