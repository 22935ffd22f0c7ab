//! A terminal for a program to run on: a pseudo-terminal that a test types on and reads.
//!
//! For any test runner: `#[path = "../terminal/mod.rs"] mod terminal;`. A test waits for
//! what a person would wait for ([`Terminal::expect`]) and never for time; what does not
//! come within [`PATIENCE`], or ends early, is a panic that shows everything there was.
//!
//! Stopping (Ctrl-Z) needs a shell that starts and resumes jobs, as for a person:
//! [`Terminal::shell`]. The kernel ignores it in a program that was started directly.

#![allow(dead_code, unreachable_pub, reason = "a module of several tests, each of which uses some of it")]

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

/// How long to wait for something before it counts as never coming.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// What [`Terminal::shell`] shows when it waits for a command.
const PROMPT: &str = "ready> ";

/// What the control key makes of a letter.
pub const CTRL_C: &str = "\x03";
pub const CTRL_D: &str = "\x04";
pub const CTRL_Z: &str = "\x1a";
pub const CTRL_BACKSLASH: &str = "\x1c";

/// A program on a terminal, 160 columns wide and 24 rows high to begin with: long texts stay
/// on one line.
pub struct Terminal {
    keyboard: File,
    child: Child,
    screen: Receiver<Vec<u8>>,
    shown: Vec<u8>,
    /// What was waited for already ends here.
    read: usize,
    closed: bool,
}

/// How a program ended.
#[derive(Debug)]
pub struct Ended {
    /// As a shell tells it: 128 and the signal for a death by signal.
    pub status: i32,
    /// Everything the terminal showed.
    pub shown: String,
}

impl Terminal {
    /// Starts a program in a session of its own, with a new terminal as its standard
    /// input, output and error and as the one that controls it. Whatever `command` says
    /// of these three is replaced.
    pub fn spawn(mut command: Command) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a pseudo-terminal");
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let mut options = File::options();
        options.read(true).write(true).custom_flags(rustix::fs::OFlags::NOCTTY.bits().try_into().unwrap());
        let slave: OwnedFd = options.open(name).unwrap().into();
        command.stdin(Stdio::from(slave.try_clone().unwrap())).stdout(Stdio::from(slave.try_clone().unwrap()));
        command.stderr(Stdio::from(slave));
        #[expect(
            unsafe_code,
            reason = "a session has to be made between fork and exec; both calls are plain system calls"
        )]
        unsafe {
            command.pre_exec(|| {
                rustix::process::setsid()?;
                rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
                Ok(())
            });
        }
        // Before it runs: some programs look once.
        tcsetwinsize(&master, size(160, 24)).unwrap();
        let child = command.spawn().unwrap();
        // The command holds the other end, which has to be closed here for an end to be seen.
        drop(command);
        let keyboard = File::from(master);
        let mut output = keyboard.try_clone().unwrap();
        let (sender, screen) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // Linux reports the end of the last program on the terminal as EIO.
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { keyboard, child, screen, shown: Vec::new(), read: 0, closed: false }
    }

    /// Starts a shell with job control, in the directory and environment of `like`, whose
    /// program and arguments do not matter. It waits for a command.
    pub fn shell(like: &Command) -> Self {
        let mut command = Command::new("bash");
        command.args(["--norc", "--noprofile", "--noediting", "-i"]).env_clear();
        command.envs(like.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.envs([("PS1", PROMPT), ("PS2", ""), ("TERM", "xterm"), ("HISTFILE", "")]);
        if let Some(directory) = like.get_current_dir() {
            command.current_dir(directory);
        }
        let mut terminal = Self::spawn(command);
        terminal.expect(PROMPT);
        terminal
    }

    /// Waits until the terminal shows a text behind what was waited for before. Gives what
    /// stood in between.
    #[track_caller]
    pub fn expect(&mut self, text: &str) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let found = self.shown[self.read..].windows(text.len()).position(|window| window == text.as_bytes());
            if let Some(at) = found {
                let between = String::from_utf8_lossy(&self.shown[self.read..self.read + at]).into_owned();
                self.read += at + text.len();
                return between;
            }
            if !self.more(end) {
                let why = if self.closed { "ended" } else { "hangs" };
                panic!("{why} without {text:?}:\n{}", self.text());
            }
        }
    }

    /// Takes what comes next. False at the end, and when time is up.
    fn more(&mut self, end: Instant) -> bool {
        match self.screen.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(bytes) => self.shown.extend(bytes),
            Err(RecvTimeoutError::Disconnected) => self.closed = true,
            Err(RecvTimeoutError::Timeout) => return false,
        }
        !self.closed
    }

    /// Types something: what the keys send, without Enter.
    #[track_caller]
    pub fn keys(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).unwrap_or_else(|error| panic!("{error}:\n{}", self.text()));
    }

    /// Types a line.
    #[track_caller]
    pub fn line(&mut self, text: &str) {
        self.keys(&format!("{text}\r"));
    }

    /// Waits for a question and answers it with a line. Gives what stood before the question.
    #[track_caller]
    pub fn answer(&mut self, question: &str, answer: &str) -> String {
        let before = self.expect(question);
        self.line(answer);
        before
    }

    /// As [`Self::answer`], for a question whose answer is not to be shown: nothing that is
    /// typed may come back, and the terminal must be told so before the question is asked.
    #[track_caller]
    pub fn answer_hidden(&mut self, question: &str, answer: &str) -> String {
        let before = self.expect(question);
        assert!(!self.echoes(), "{question:?} is asked and what is typed is shown:\n{}", self.text());
        self.line(answer);
        before
    }

    /// In a shell: waits for its prompt. Gives what was shown before it.
    #[track_caller]
    pub fn prompt(&mut self) -> String {
        self.expect(PROMPT)
    }

    /// In a shell: waits until a job is stopped, all processes of it, and for the prompt. The shell
    /// waits for the first of them alone, and until the others stop they read what is typed.
    #[track_caller]
    pub fn stopped(&mut self) {
        self.expect("Stopped");
        self.prompt();
        let end = Instant::now() + PATIENCE;
        while self.runs_beside_the_shell() {
            assert!(Instant::now() < end, "a job goes on:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// True if a process of this terminal other than the shell is not stopped, by `/proc/PID/stat`.
    fn runs_beside_the_shell(&self) -> bool {
        let shell = self.process().as_raw_nonzero().get().to_string();
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        processes.filter(|entry| *entry.file_name() != *shell).any(|entry| {
            let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_ascii_whitespace().collect();
            // State, parent, group, session.
            fields.get(3) == Some(&shell.as_str()) && fields[0] != "T"
        })
    }

    /// True if the terminal shows what is typed.
    pub fn echoes(&self) -> bool {
        tcgetattr(&self.keyboard).unwrap().local_modes.contains(LocalModes::ECHO)
    }

    /// True if the terminal is as a shell hands it to a program: it shows what is typed,
    /// hands over whole lines, and makes signals of Ctrl-C and Ctrl-Z.
    pub fn is_sane(&self) -> bool {
        let sane = LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        tcgetattr(&self.keyboard).unwrap().local_modes.contains(sane)
    }

    /// Waits until a shell has handed the terminal to a job, and reads no keys itself.
    #[track_caller]
    pub fn job(&mut self) {
        let end = Instant::now() + PATIENCE;
        while rustix::termios::tcgetpgrp(&self.keyboard).is_ok_and(|group| group == self.process()) {
            self.more(Instant::now() + Duration::from_millis(5));
            assert!(Instant::now() < end, "no job comes to the front:\n{}", self.text());
        }
    }

    /// Changes the size, as a person who drags the corner of the window.
    pub fn resize(&self, columns: u16, rows: u16) {
        tcsetwinsize(&self.keyboard, size(columns, rows)).unwrap();
    }

    /// The program's process.
    pub fn process(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_child(&self.child)
    }

    /// Sends the program a signal, as `kill` does.
    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(self.process(), signal).unwrap();
    }

    /// Everything shown so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.shown).into_owned()
    }

    /// Waits for the end of the program.
    #[track_caller]
    pub fn end(mut self) -> Ended {
        let end = Instant::now() + PATIENCE;
        while self.more(end) {}
        assert!(self.closed, "hangs:\n{}", self.text());
        let status = self.child.wait().unwrap();
        let status = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
        Ended { status, shown: self.text() }
    }

    /// Waits for the end, which has to be this one. Gives everything the terminal showed.
    #[track_caller]
    pub fn ends(self, status: i32) -> String {
        let ended = self.end();
        assert_eq!(ended.status, status, "{}", ended.shown);
        ended.shown
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Only what was not waited for to its end; a terminal that goes away ends the rest.
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn size(columns: u16, rows: u16) -> Winsize {
    Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 }
}
