//! Locks between processes.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;
use rustix::io::Errno;

use super::{Error, open_directory, read};

/// Time between two attempts: doubles from the first to the second.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);
const LONGEST_WAIT: Duration = Duration::from_millis(25);

/// Exclusive use of a directory or a log among processes that ask for it.
///
/// `flock` on the directory itself: there is no lock file that could be
/// replaced by a link or left behind, a read-only directory can be locked, and
/// the kernel releases the lock with the process, however it dies. It does not
/// survive `execve`.
///
/// Gap: NFS turns `flock` into a lock that needs write access, which a
/// directory does not give; there the lock fails with [`Error::Io`].
#[derive(Debug)]
#[must_use = "the lock is released when this is dropped"]
pub struct Lock {
    fd: OwnedFd,
}

impl Lock {
    /// Locks a directory, trying again for `timeout`; zero tries once.
    ///
    /// # Errors
    /// [`Error::Busy`] after `timeout`; [`Error::Missing`],
    /// [`Error::NotDirectory`], [`Error::Io`].
    pub fn acquire(directory: &Path, timeout: Duration) -> Result<Self, Error> {
        Self::acquire_descriptor(open_directory(directory)?, directory, timeout)
    }

    /// Locks an open file, trying again for `timeout`; `path` is for messages.
    ///
    /// The lock belongs to the open file description: it excludes whoever
    /// opened the file separately, not copies of `file`.
    ///
    /// # Errors
    /// [`Error::Busy`] after `timeout`; [`Error::Io`].
    pub fn acquire_file(file: &File, path: &Path, timeout: Duration) -> Result<Self, Error> {
        let copy = file.try_clone().map_err(|reason| Error::io("lock", path, reason))?;
        Self::acquire_descriptor(copy.into(), path, timeout)
    }

    pub(super) fn acquire_descriptor(fd: OwnedFd, path: &Path, timeout: Duration) -> Result<Self, Error> {
        let start = Instant::now();
        let mut wait = SHORTEST_WAIT;
        loop {
            match rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self { fd }),
                Err(Errno::INTR) => continue,
                Err(Errno::WOULDBLOCK) => {}
                Err(errno) => return Err(Error::io("lock", path, errno)),
            }
            let left = timeout.saturating_sub(start.elapsed());
            if left.is_zero() {
                let pid = holder(&fd);
                return Err(Error::Busy { path: path.to_path_buf(), pid, stopped: pid.is_some_and(is_stopped) });
            }
            std::thread::sleep(wait.min(left));
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Closing would do for a directory; a log's descriptor has a copy that stays open.
        let _ = rustix::fs::flock(&self.fd, FlockOperation::Unlock);
    }
}

/// The process that holds the lock, from `/proc/locks`: Linux only, none where
/// the file system reports another device number there (btrfs) or where the
/// holder lives in another pid namespace.
fn holder(fd: &OwnedFd) -> Option<u32> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    let stat = rustix::fs::fstat(fd).ok()?;
    let (major, minor) = (rustix::fs::major(stat.st_dev), rustix::fs::minor(stat.st_dev));
    let file = format!("{major:02x}:{minor:02x}:{}", stat.st_ino);
    // The table comes in pieces, and a line can fall between two where locks come and go.
    (0..3).find_map(|_| {
        let table = read(Path::new("/proc/locks"), 4 << 20).ok()?;
        holder_in(&String::from_utf8_lossy(&table), &file)
    })
}

/// Finds the holder in lines such as `1: FLOCK  ADVISORY  WRITE 811 fe:00:917 0 EOF`;
/// those of waiting processes have `->` in second place.
fn holder_in(table: &str, file: &str) -> Option<u32> {
    table.lines().find_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        if fields.next()? != "FLOCK" {
            return None;
        }
        let pid = fields.nth(2)?;
        if fields.next()? != file {
            return None;
        }
        pid.parse().ok().filter(|pid| *pid != 0)
    })
}

/// True for state `T` in `/proc/PID/stat`, which follows the name in
/// parentheses; the name may hold any byte.
fn is_stopped(pid: u32) -> bool {
    let Ok(stat) = read(Path::new(&format!("/proc/{pid}/stat")), 4096) else { return false };
    stat.iter().rposition(|byte| *byte == b')').is_some_and(|end| stat[end..].starts_with(b") T"))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests run another process and prepare files")]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_second_one_waits_and_gets_the_lock_after_release() {
        let dir = tempfile::tempdir().unwrap();
        let first = Lock::acquire(dir.path(), Duration::ZERO).unwrap();
        let error = Lock::acquire(dir.path(), Duration::from_millis(30)).unwrap_err();
        let holder = cfg!(target_os = "linux").then(std::process::id);
        assert!(matches!(error, Error::Busy { pid, stopped: false, .. } if pid == holder), "{error}");
        std::thread::scope(|scope| {
            let second = scope.spawn(|| Lock::acquire(dir.path(), Duration::from_secs(10)).map(drop));
            std::thread::sleep(Duration::from_millis(20));
            drop(first);
            second.join().unwrap().unwrap();
        });
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_stopped_holder_is_named_and_a_killed_one_releases_at_once() {
        use rustix::process::{Pid, Signal, kill_process};

        let dir = tempfile::tempdir().unwrap();
        // One process that is the holder itself and sleeps.
        let mut child =
            std::process::Command::new("flock").arg("--no-fork").arg(dir.path()).args(["sleep", "60"]).spawn().unwrap();
        while Lock::acquire(dir.path(), Duration::ZERO).is_ok() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let pid = Pid::from_child(&child);
        kill_process(pid, Signal::STOP).unwrap();
        let start = Instant::now();
        let error = loop {
            let error = Lock::acquire(dir.path(), Duration::from_millis(50)).unwrap_err();
            // The signal takes a moment to arrive.
            if matches!(error, Error::Busy { stopped: true, .. }) || start.elapsed() > Duration::from_secs(5) {
                break error;
            }
        };
        assert!(matches!(error, Error::Busy { pid: Some(pid), stopped: true, .. } if pid == child.id()), "{error}");
        child.kill().unwrap();
        let _lock = Lock::acquire(dir.path(), Duration::from_secs(1)).unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn only_a_directory_can_be_locked_by_path() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        assert!(matches!(Lock::acquire(&file, Duration::ZERO), Err(Error::Missing { .. })));
        fs::write(&file, "").unwrap();
        assert!(matches!(Lock::acquire(&file, Duration::ZERO), Err(Error::NotDirectory { .. })));
        let open = fs::File::open(&file).unwrap();
        let _lock = Lock::acquire_file(&open, &file, Duration::ZERO).unwrap();
        let again = fs::File::open(&file).unwrap();
        assert!(matches!(Lock::acquire_file(&again, &file, Duration::ZERO), Err(Error::Busy { .. })));
    }

    #[test]
    fn the_holder_is_told_from_those_who_wait() {
        let table = "1: POSIX  ADVISORY  WRITE 11 fe:00:917 0 EOF\n\
                     2: FLOCK  ADVISORY  WRITE 0 fe:00:900 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE 22 fe:00:917 0 EOF\n\
                     3: -> FLOCK  ADVISORY  WRITE 33 fe:00:918 0 EOF\n";
        for (file, want) in [("fe:00:917", Some(22)), ("fe:00:918", None), ("fe:00:900", None), ("fe:00:91", None)] {
            assert_eq!(holder_in(table, file), want, "{file}");
        }
    }
}
