//! The signals that ask a process to end, for one that stays until then.
//!
//! Left to themselves they end it at once: in the middle of what it does, and not at all
//! where it is process 1 of a container, which the kernel keeps from what it does not handle.

use std::ffi::c_int;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, Ordering};

/// The pipe's end that signals write to.
static WRITER: AtomicI32 = AtomicI32::new(-1);
/// The signal that came last; 0 before any did.
static CAUGHT: AtomicI32 = AtomicI32::new(0);

/// Has SIGTERM, SIGINT, SIGHUP and SIGQUIT make the returned descriptor readable, for good.
/// Those that are ignored already stay so (`nohup`, jobs in the background of a script).
///
/// # Errors
/// What the system said to pipe(2).
#[expect(unsafe_code, reason = "handlers of signals are set by the C library only")]
pub fn catch() -> io::Result<OwnedFd> {
    extern "C" fn note(signal: c_int) {
        CAUGHT.store(signal, Ordering::Relaxed);
        // SAFETY: write is async-signal-safe; the descriptor is never closed.
        unsafe { libc::write(WRITER.load(Ordering::Relaxed), b"!".as_ptr().cast(), 1) };
    }
    let (reader, writer) = io::pipe()?;
    WRITER.store(writer.as_raw_fd(), Ordering::Relaxed);
    // Open for as long as the process lives.
    std::mem::forget(writer);
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT] {
        // SAFETY: a sigaction of zeros is a valid one; `note` does nothing that a handler must not do.
        unsafe {
            let mut old = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
            if libc::sigaction(signal, std::ptr::null(), &raw mut old) == 0 && old.sa_sigaction != libc::SIG_IGN {
                libc::signal(signal, note as *const () as libc::sighandler_t);
            }
        }
    }
    Ok(reader.into())
}

/// The signal that was caught, once one was.
#[must_use]
pub fn caught() -> Option<c_int> {
    Some(CAUGHT.load(Ordering::Relaxed)).filter(|signal| *signal != 0)
}

/// Ends this process by a signal that was caught, so that whoever waits for it sees that.
/// Comes back only in process 1 of a container.
#[expect(unsafe_code, reason = "handlers of signals are set by the C library only")]
pub fn end_by(signal: c_int) {
    // SAFETY: the default disposition is always a valid one; raise takes any number.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}
