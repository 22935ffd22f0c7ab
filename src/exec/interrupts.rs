//! While a child is in the foreground of the terminal.

use std::ffi::c_int;
use std::mem::MaybeUninit;

/// While it lives, what the terminal sends to the whole foreground group (SIGINT,
/// SIGQUIT) is for the child: this process goes on, and the child finds the signals
/// as they were (execve(2) puts handled ones back to their default). A child that closes
/// a pipe early is an error and not the end (SIGPIPE), and a SIGCHLD that was ignored is
/// not, so that the child's status can be had.
#[derive(Debug)]
pub struct Held(Vec<(c_int, libc::sigaction)>);

impl Held {
    /// Begins it. Signals that are ignored already stay so.
    #[must_use]
    #[expect(unsafe_code, reason = "std has no signals")]
    pub fn begin() -> Self {
        let mut before = Vec::new();
        for (signal, only_if, handler) in [
            (libc::SIGINT, libc::SIG_DFL, nothing as extern "C" fn(c_int) as usize),
            (libc::SIGQUIT, libc::SIG_DFL, nothing as extern "C" fn(c_int) as usize),
            (libc::SIGPIPE, libc::SIG_DFL, nothing as extern "C" fn(c_int) as usize),
            (libc::SIGCHLD, libc::SIG_IGN, libc::SIG_DFL),
        ] {
            // SAFETY: a sigaction of zeros is a valid one; both calls get pointers to
            // whole ones; the handler does nothing, which is allowed at any time.
            unsafe {
                let mut old = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
                if libc::sigaction(signal, std::ptr::null(), &raw mut old) != 0 || old.sa_sigaction != only_if {
                    continue;
                }
                let mut new = old;
                new.sa_sigaction = handler;
                new.sa_flags = libc::SA_RESTART;
                if libc::sigaction(signal, &raw const new, std::ptr::null_mut()) == 0 {
                    before.push((signal, old));
                }
            }
        }
        Self(before)
    }
}

impl Drop for Held {
    #[expect(unsafe_code, reason = "std has no signals")]
    fn drop(&mut self) {
        for (signal, old) in &self.0 {
            // SAFETY: `old` is what the system gave for this signal.
            unsafe {
                libc::sigaction(*signal, old, std::ptr::null_mut());
            }
        }
    }
}

/// From here on this thread gets an error where it writes to a pipe that nobody reads, and no
/// SIGPIPE: that is sent to the thread which writes, stays pending, and is gone with the thread.
#[expect(unsafe_code, reason = "std has no signals")]
pub fn take_closed_pipes_for_errors() {
    // SAFETY: a set of zeros is made empty before it is used; all pointers are to whole sets.
    unsafe {
        let mut set = MaybeUninit::<libc::sigset_t>::zeroed().assume_init();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGPIPE);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
    }
}

extern "C" fn nothing(_signal: c_int) {}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{Signal, getpid, kill_process};

    #[test]
    #[expect(unsafe_code, reason = "as above")]
    fn an_interrupt_is_survived_while_it_is_held() {
        // Whoever runs the tests may ignore some of them.
        for signal in [libc::SIGINT, libc::SIGQUIT, libc::SIGPIPE, libc::SIGCHLD] {
            // SAFETY: the default disposition is always a valid one.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        let held = Held::begin();
        assert_eq!(held.0.len(), 3, "SIGCHLD is as it should be");
        kill_process(getpid(), Signal::INT).unwrap();
        kill_process(getpid(), Signal::QUIT).unwrap();
        kill_process(getpid(), Signal::PIPE).unwrap();
        drop(held);
    }
}
