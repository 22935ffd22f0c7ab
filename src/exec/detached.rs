//! A child of this process that goes on by itself: what has to happen even if this
//! process is killed, or after it has ended.

use std::ffi::c_uint;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::process::{Pid, WaitOptions, waitpid};

/// A child that waits for this process to end, in whatever way, and then works.
#[derive(Debug)]
pub struct Watcher {
    /// Its other end is the child's: the system closes this one with us.
    alive: Option<OwnedFd>,
    child: Pid,
}

impl Watcher {
    /// Starts one. It holds a copy of this process's memory, so it comes before
    /// anything secret does; nothing of this process's files stays open in it.
    ///
    /// # Errors
    /// What the system said to pipe(2) or fork(2).
    pub fn start(work: impl FnOnce()) -> io::Result<Self> {
        let (ours, theirs) = io::pipe()?;
        // The writing end is ours: reading ends with it.
        let (waits, alive) = (OwnedFd::from(ours), OwnedFd::from(theirs));
        let child = fork(Some(&waits), || {
            while !matches!(rustix::io::read(&waits, &mut [0; 1]), Ok(0)) {}
            work();
        })?;
        Ok(Self { alive: Some(alive), child })
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // It works once more, finds everything done, and ends.
        self.alive = None;
        let _ = waitpid(Some(self.child), WaitOptions::empty());
    }
}

/// Runs `work` in a child that outlives this process, in a session of its own and
/// with nothing of this process's files open but `keep`, so that nobody waits for it.
///
/// # Errors
/// What the system said to fork(2).
pub fn detach(keep: Option<&OwnedFd>, work: impl FnOnce()) -> io::Result<()> {
    fork(keep, work).map(drop)
}

/// While no other thread runs: the child has this one only.
#[expect(unsafe_code, reason = "std starts programs and never forks")]
fn fork(keep: Option<&OwnedFd>, work: impl FnOnce()) -> io::Result<Pid> {
    // SAFETY: no other thread of this process runs, so no lock is held that nobody
    // would give back in the child.
    let child = unsafe { libc::fork() };
    match Pid::from_raw(child) {
        Some(child) if child.as_raw_nonzero().get() > 0 => return Ok(child),
        None => {}
        Some(_) => return Err(io::Error::last_os_error()),
    }
    // Out of reach of the terminal's signals and of its end.
    let _ = rustix::process::setsid();
    // A directory that is in use cannot be unmounted.
    let _ = rustix::process::chdir("/");
    // SAFETY: only descriptors that the closure does not use are closed, and this
    // process ends in here, so that nobody else is left to use them.
    unsafe {
        for descriptor in 0..3 {
            libc::close(descriptor);
        }
        super::process::fill_lowest();
        super::process::fill_lowest();
        super::process::fill_lowest();
        let kept = keep.map_or(2, |fd| fd.as_raw_fd().unsigned_abs());
        close_range(3, kept.saturating_sub(1));
        close_range(kept + 1, c_uint::MAX);
        work();
        libc::_exit(0)
    }
}

/// Closes every descriptor from `first` to `last`.
///
/// # Safety
/// Nobody may use any of them afterwards.
#[expect(unsafe_code, reason = "closes what others own")]
unsafe fn close_range(first: c_uint, last: c_uint) {
    if first > last {
        return;
    }
    // SAFETY: as the caller promises.
    unsafe {
        #[cfg(target_os = "linux")]
        if libc::syscall(libc::SYS_close_range, first, last, 0) == 0 {
            return;
        }
        // Before Linux 5.9, and elsewhere. More are seldom open.
        for descriptor in first..=last.min(4096) {
            libc::close(descriptor.cast_signed());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watcher_works_when_it_is_dropped_and_is_gone_then() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("worked");
        let watcher = Watcher::start(|| drop(std::fs::create_dir(&path))).unwrap();
        assert!(!path.exists());
        let child = watcher.child;
        drop(watcher);
        assert!(path.exists());
        assert!(rustix::process::test_kill_process(child).is_err(), "still there");
    }

    #[test]
    fn what_is_detached_keeps_no_pipe_open() {
        use std::io::Read;
        let (mut reader, writer) = io::pipe().unwrap();
        // Would keep the pipe open for as long as the test takes.
        let (waits, goes_on) = io::pipe().unwrap();
        rustix::io::fcntl_setfd(&waits, rustix::io::FdFlags::empty()).unwrap();
        detach(None, || std::thread::sleep(std::time::Duration::from_secs(1))).unwrap();
        drop((writer, goes_on, waits));
        let before = std::time::Instant::now();
        assert_eq!(reader.read(&mut [0; 1]).unwrap(), 0);
        assert!(before.elapsed() < std::time::Duration::from_millis(900));
    }
}
