//! This process: closed to others from its first instruction on, and given
//! back as it was found to the command that replaces it.

use std::ffi::{CStr, c_int};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::names::carries_credential;

/// Exit status after an error in `vault` itself, a panic for example.
pub const INTERNAL_ERROR: u8 = 125;

/// What [`harden`] found and changed, so that the command gets it as it was.
#[derive(Debug)]
pub struct Original {
    /// Which of the descriptors 0 to 2 were closed.
    closed: [bool; 3],
    core: Rlimit,
    /// Standard input is where a credential comes from.
    stdin_is_credential: bool,
}

/// Prepares this process for holding secrets. The first thing `main` does,
/// before any file is opened or thread started.
///
/// - Of the descriptors 0, 1 and 2, closed ones are filled with `/dev/null`,
///   so that no file of ours gets such a number and is then read as input or
///   written to as output. They are close-on-exec: the command finds them closed again.
/// - No core dump, and no attaching by another process of this user
///   (`PR_SET_DUMPABLE`; `execve` ends that).
/// - A panic prints where it happened and never its payload, which may quote
///   a value; the status is [`INTERNAL_ERROR`].
/// - Descriptors named by variables that carry credentials are not inherited.
///
/// Signals stay as inherited, SIGPIPE included.
#[must_use]
pub fn harden() -> Original {
    let mut closed = [false; 3];
    for (descriptor, closed) in (0..).zip(&mut closed) {
        if !is_open(descriptor) {
            *closed = true;
            fill_lowest();
        }
    }
    let core = getrlimit(Resource::Core);
    forbid_core(core);
    // Fails only under a sandbox that forbids the call; what it allows to attach is its business.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    std::panic::set_hook(Box::new(report_panic));

    let mut original = Original { closed, core, stdin_is_credential: false };
    for entry in inherited().into_iter().filter(|entry| carries_credential(entry)) {
        original.withhold_variable(entry);
    }
    original
}

impl Original {
    /// True if descriptor 0, 1 or 2 was closed when this process started:
    /// what is written to it is lost, and nobody is told by the system.
    #[must_use]
    pub fn was_closed(&self, descriptor: usize) -> bool {
        self.closed.get(descriptor).copied().unwrap_or(false)
    }

    /// Keeps the descriptor that `path` names, if it names one (`/dev/fd/N`,
    /// `/proc/self/fd/N`, `/dev/stdin`), from the command: for files of
    /// credentials given as options. Those given as variables are known already.
    pub fn withhold(&mut self, path: &Path) {
        let path = path.as_os_str().as_bytes();
        if path == b"/dev/stdin" {
            self.withhold_number(b"0");
        } else if let Some(number) = path.strip_prefix(b"/dev/fd/").or_else(|| path.strip_prefix(b"/proc/self/fd/")) {
            self.withhold_number(number);
        }
    }

    fn withhold_variable(&mut self, entry: &[u8]) {
        let Some(end) = entry.iter().position(|byte| *byte == b'=') else { return };
        let (name, value) = (&entry[..end], &entry[end + 1..]);
        if name.ends_with(b"_FD") {
            self.withhold_number(value);
        } else {
            self.withhold(Path::new(std::ffi::OsStr::from_bytes(value)));
        }
    }

    fn withhold_number(&mut self, digits: &[u8]) {
        match std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<c_int>().ok()) {
            // The command must find something there, or the first file it opens becomes its input.
            Some(0) => self.stdin_is_credential = !self.closed[0],
            // A terminal at most; without them the command is mute.
            Some(1 | 2) | None => {}
            Some(descriptor) => close_on_exec(descriptor),
        }
    }

    /// Gives back what was changed, for `execve`; the guard takes it again if that fails.
    ///
    /// # Errors
    /// What the system said if standard input had to be withheld and could not.
    pub(super) fn hand_over(&self) -> io::Result<HandedOver> {
        let stdin = if self.stdin_is_credential { Some(replace_stdin()?) } else { None };
        // Cannot fail: the soft limit goes back to where it was, below the same hard limit.
        // A core is still not written before `execve` has ended the state of not being dumpable.
        let _ = setrlimit(Resource::Core, self.core);
        Ok(HandedOver { core: self.core, stdin })
    }

    /// As after `harden`, for tests in a process that has to stay as it is.
    #[cfg(test)]
    pub(super) fn for_test() -> Self {
        Self { closed: [false; 3], core: getrlimit(Resource::Core), stdin_is_credential: false }
    }
}

/// While it lives the process is as the command shall find it.
pub(super) struct HandedOver {
    core: Rlimit,
    stdin: Option<OwnedFd>,
}

impl Drop for HandedOver {
    fn drop(&mut self) {
        forbid_core(self.core);
        if let Some(stdin) = &self.stdin {
            duplicate_to_stdin(stdin);
        }
    }
}

/// The raw entries of the environment this process was started with, in order.
///
/// They are what the parent wrote, not always of the form `NAME=value`.
#[must_use]
#[expect(unsafe_code, reason = "std's view drops entries without `=`")]
pub fn inherited() -> Vec<&'static [u8]> {
    unsafe extern "C" {
        static mut environ: *const *const std::ffi::c_char;
    }
    let mut entries = Vec::new();
    // SAFETY: `environ` is null or an array of C strings that ends with null. It and they live as
    // long as the process and do not change: nothing here sets a variable (clippy.toml bans it).
    unsafe {
        let mut next = environ;
        while !next.is_null() && !(*next).is_null() {
            entries.push(CStr::from_ptr(*next).to_bytes());
            next = next.add(1);
        }
    }
    entries
}

fn forbid_core(original: Rlimit) {
    // Lowering a soft limit is always allowed.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: original.maximum });
}

fn report_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let message = match panic.location() {
        Some(at) => format!("vault: error: internal error at {}:{}\n", at.file(), at.line()),
        None => "vault: error: internal error\n".to_owned(),
    };
    // Without the lock of `std::io::stderr`, which the panicking code may hold.
    let _ = rustix::io::write(std::io::stderr(), message.as_bytes());
    if cfg!(panic = "abort") {
        exit_now();
    }
}

/// Ends the process with [`INTERNAL_ERROR`]; an abort would say 134, which is a status of commands.
#[expect(unsafe_code, reason = "std's exit runs handlers that may need what the panic holds")]
fn exit_now() {
    // SAFETY: `_exit` has no preconditions.
    unsafe { libc::_exit(INTERNAL_ERROR.into()) }
}

#[expect(unsafe_code, reason = "std has no type for a descriptor that may be closed")]
fn is_open(descriptor: c_int) -> bool {
    // SAFETY: F_GETFD takes any number and changes nothing.
    unsafe { libc::fcntl(descriptor, libc::F_GETFD) != -1 }
}

/// Opens `/dev/null`, or `/` where there is none, under the lowest free number and leaves it open.
#[expect(unsafe_code, reason = "std opens files under numbers above 2 only")]
pub(super) fn fill_lowest() {
    // SAFETY: both paths are C strings; the result is a number, deliberately never closed.
    unsafe {
        if libc::open(c"/dev/null".as_ptr(), libc::O_RDWR | libc::O_CLOEXEC) == -1 {
            libc::open(c"/".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
        }
    }
}

/// From here on programs that this process starts inherit 0, 1 and 2, and nothing else
/// that its caller left open: for one that goes on long after the caller has ended.
pub fn keep_descriptors() {
    // Linux 5.11 does it at once.
    #[cfg(target_os = "linux")]
    if close_on_exec_from(3) {
        return;
    }
    // More are seldom open.
    (3..=4096).for_each(close_on_exec);
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "std has no such call")]
fn close_on_exec_from(first: libc::c_uint) -> bool {
    // SAFETY: sets a flag of descriptors; none is closed or moved.
    unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) == 0 }
}

#[expect(unsafe_code, reason = "std has no type for a descriptor that may be closed")]
fn close_on_exec(descriptor: c_int) {
    // SAFETY: fails without effect for a number that is not open; no descriptor is closed or moved.
    unsafe {
        let flags = libc::fcntl(descriptor, libc::F_GETFD);
        if flags != -1 {
            libc::fcntl(descriptor, libc::F_SETFD, flags | libc::FD_CLOEXEC);
        }
    }
}

/// Puts `/dev/null` in the place of standard input and returns what was there.
#[expect(unsafe_code, reason = "takes over a number returned by fcntl")]
fn replace_stdin() -> io::Result<OwnedFd> {
    // SAFETY: F_DUPFD_CLOEXEC returns -1 or a new descriptor that nobody else owns.
    let saved = unsafe {
        match libc::fcntl(0, libc::F_DUPFD_CLOEXEC, 3) {
            -1 => return Err(io::Error::last_os_error()),
            number => OwnedFd::from_raw_fd(number),
        }
    };
    let null = rustix::fs::open(
        "/dev/null",
        rustix::fs::OFlags::RDONLY | rustix::fs::OFlags::CLOEXEC,
        rustix::fs::Mode::empty(),
    )?;
    duplicate_to_stdin(&null);
    Ok(saved)
}

#[expect(unsafe_code, reason = "replaces descriptor 0, which std never owns")]
fn duplicate_to_stdin(source: &OwnedFd) {
    // SAFETY: both numbers are open, so dup2 cannot fail, and 0 belongs to nobody in this process.
    unsafe {
        libc::dup2(source.as_raw_fd(), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::{FdFlags, fcntl_getfd};

    fn inherited_pipe() -> OwnedFd {
        let (read, _) = std::io::pipe().unwrap();
        let read = OwnedFd::from(read);
        rustix::io::fcntl_setfd(&read, FdFlags::empty()).unwrap();
        read
    }

    #[test]
    fn descriptors_of_credentials_are_not_inherited() {
        for form in ["VLT_PASSPHRASE_FD=#", "VLT_IDENTITY_FILE=/dev/fd/#", "VLT_PASSPHRASE_FILE=/proc/self/fd/#"] {
            let pipe = inherited_pipe();
            let entry = form.replace('#', &pipe.as_raw_fd().to_string());
            Original::for_test().withhold_variable(entry.as_bytes());
            assert_eq!(fcntl_getfd(&pipe).unwrap(), FdFlags::CLOEXEC, "{form}");
        }
    }

    #[test]
    fn other_values_leave_descriptors_alone() {
        let pipe = inherited_pipe();
        let number = pipe.as_raw_fd();
        for entry in
            ["VLT_PASSPHRASE_FD=", "VLT_PASSPHRASE_FD=-1", "VLT_PASSPHRASE_FD=x", "VLT_PASSPHRASE_FD=2000000000"]
                .map(str::to_owned)
                .into_iter()
                .chain([format!("VLT_IDENTITY_FILE={number}"), format!("VLT_PASSPHRASE_FD=/dev/fd/{number}")])
        {
            let mut original = Original::for_test();
            original.withhold_variable(entry.as_bytes());
            assert!(!original.stdin_is_credential, "{entry}");
        }
        assert!(fcntl_getfd(&pipe).unwrap().is_empty());
    }

    #[test]
    fn standard_input_is_withheld_only_if_it_carried_a_credential() {
        for (entry, withheld) in [
            ("VLT_PASSPHRASE_FD=0", true),
            ("VLT_IDENTITY_FILE=/dev/stdin", true),
            ("VLT_PASSPHRASE_FILE=/dev/fd/0", true),
            ("VLT_PASSPHRASE_FD=2", false),
            ("VLT_PASSPHRASE_FILE=/home/me/passphrase", false),
        ] {
            let mut original = Original::for_test();
            original.withhold_variable(entry.as_bytes());
            assert_eq!(original.stdin_is_credential, withheld, "{entry}");
        }
    }

    #[test]
    fn the_environment_is_read_as_the_parent_wrote_it() {
        let path = std::env::vars_os().find(|(name, _)| name == "PATH").unwrap().1;
        let entry = [b"PATH=", path.as_bytes()].concat();
        assert!(inherited().contains(&entry.as_slice()));
    }
}
