//! Append-only logs.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::fs::{CWD, Mode as Bits, OFlags};
use rustix::io::{Errno, retry_on_intr};

use super::{
    Error, Lock, check_private, check_single_link, flush_directory, flush_file, open_directory, open_regular, split,
};

/// An open log: bytes are added at the end and never changed.
#[derive(Debug)]
pub struct Log {
    fd: OwnedFd,
    path: PathBuf,
}

impl Log {
    /// Opens a log for reading and appending, and creates it, 0600 and durable,
    /// where `create` says so.
    ///
    /// An existing log may be readable by others (in a git checkout it is),
    /// but not writable.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::NotRegular`], [`Error::NotOurs`],
    /// [`Error::TooWide`], [`Error::HardLinked`], [`Error::Io`],
    /// [`Error::NotDurable`] on creation.
    pub fn open(path: &Path, create: bool) -> Result<Self, Error> {
        let (fd, is_empty) = match Self::open_existing(path) {
            Err(Error::Missing { .. }) if create => match Self::create(path) {
                // Another process was faster; its log is checked like any other.
                Err(Errno::EXIST) => Self::open_existing(path)?,
                created => (created.map_err(|errno| Error::io("create", path, errno))?, true),
            },
            existing => existing?,
        };
        let log = Self { fd, path: path.to_path_buf() };
        // Not only for the one who created it: that process may have been
        // killed right here, so every opener does it until there is a record.
        if is_empty {
            flush_file(&log.fd).map_err(|errno| Error::io("flush", path, errno))?;
            flush_directory(&open_directory(split(path)?.0)?, path)?;
        }
        Ok(log)
    }

    /// Opens a log for reading alone, whoever owns it. Appending to it fails.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::NotRegular`], [`Error::Io`].
    pub fn open_read_only(path: &Path) -> Result<Self, Error> {
        let (fd, _) = open_regular(path, OFlags::RDONLY)?;
        Ok(Self { fd, path: path.to_path_buf() })
    }

    /// And whether it is empty.
    fn open_existing(path: &Path) -> Result<(OwnedFd, bool), Error> {
        let (fd, stat) = open_regular(path, OFlags::RDWR | OFlags::APPEND)?;
        check_private(path, &stat, 0o022)?;
        check_single_link(path, &stat)?;
        Ok((fd, stat.st_size == 0))
    }

    fn create(path: &Path) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDWR | OFlags::APPEND | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let private = Bits::RUSR | Bits::WUSR;
        let fd = retry_on_intr(|| rustix::fs::openat(CWD, path, flags, private))?;
        if Bits::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode) != private {
            rustix::fs::fchmod(&fd, private)?;
        }
        Ok(fd)
    }

    /// Locks the log against other processes, as [`Lock::acquire`].
    ///
    /// # Errors
    /// [`Error::Busy`], [`Error::Io`].
    pub fn lock(&self, timeout: Duration) -> Result<Lock, Error> {
        let copy = self.fd.try_clone().map_err(|reason| Error::io("lock", &self.path, reason))?;
        Lock::acquire_descriptor(copy, &self.path, timeout)
    }

    /// Size in bytes.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn size(&self) -> Result<u64, Error> {
        let stat = rustix::fs::fstat(&self.fd).map_err(|errno| Error::io("read", &self.path, errno))?;
        Ok(u64::try_from(stat.st_size).unwrap_or(0))
    }

    /// Reads from byte `offset`: `max` bytes, fewer only at the end of the log.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn read_from(&self, offset: u64, max: usize) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        self.read_into(offset, max, &mut bytes)?;
        Ok(bytes)
    }

    /// As [`Log::read_from`], in place of what is in `bytes`: a log that is read
    /// from end to end needs one allocation.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn read_into(&self, offset: u64, max: usize, bytes: &mut Vec<u8>) -> Result<(), Error> {
        let left = usize::try_from(self.size()?.saturating_sub(offset)).unwrap_or(usize::MAX);
        let wanted = left.min(max);
        bytes.clear();
        bytes.reserve_exact(wanted);
        while bytes.len() < wanted {
            let at = offset + bytes.len() as u64;
            match rustix::io::pread(&self.fd, spare_capacity(bytes), at) {
                Ok(0) => break,
                Ok(_) | Err(Errno::INTR) => {}
                Err(errno) => return Err(Error::io("read", &self.path, errno)),
            }
        }
        // The allocator may have given more room than was asked for.
        bytes.truncate(wanted);
        Ok(())
    }

    /// Appends `bytes` in one write. The caller holds [`Log::lock`]. Without
    /// [`Log::flush`] a power loss may take them, or leave a part.
    ///
    /// # Errors
    /// [`Error::HardLinked`] if the log was linked or deleted since it was
    /// opened. [`Error::Io`]: the log is as it was. [`Error::Torn`]: a part of
    /// `bytes` is at its end.
    pub fn append(&self, bytes: &[u8]) -> Result<(), Error> {
        let failed = |reason: std::io::Error| Error::io("append to", &self.path, reason);
        let stat = rustix::fs::fstat(&self.fd).map_err(|errno| failed(errno.into()))?;
        check_single_link(&self.path, &stat)?;
        let reason = match retry_on_intr(|| rustix::io::write(&self.fd, bytes)) {
            Ok(count) if count == bytes.len() => return Ok(()),
            // A full disk or a size limit; the rest would have told, and been torn as well.
            Ok(_) => {
                std::io::Error::new(std::io::ErrorKind::WriteZero, "only a part could be written, as on a full disk")
            }
            Err(errno) => errno.into(),
        };
        let old = u64::try_from(stat.st_size).unwrap_or(0);
        match self.size() {
            Ok(size) if size == old => Err(failed(reason)),
            _ => match retry_on_intr(|| rustix::fs::ftruncate(&self.fd, old)) {
                Ok(()) => Err(failed(reason)),
                Err(_) => Err(Error::Torn { path: self.path.clone(), reason }),
            },
        }
    }

    /// Returns when everything appended is on the medium.
    ///
    /// # Errors
    /// [`Error::Io`]: records since the last flush may be lost or not; trying
    /// again proves nothing.
    pub fn flush(&self) -> Result<(), Error> {
        // fdatasync writes the size too, as it is needed to read the data.
        #[cfg(not(target_vendor = "apple"))]
        let flushed = retry_on_intr(|| rustix::fs::fdatasync(&self.fd));
        #[cfg(target_vendor = "apple")]
        let flushed = flush_file(&self.fd);
        flushed.map_err(|errno| Error::io("flush", &self.path, errno))
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests prepare and inspect files")]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::super::Kind;
    use super::*;

    fn place() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.log");
        (dir, path)
    }

    #[test]
    fn records_are_added_at_the_end_and_read_back() {
        let (_dir, path) = place();
        assert!(matches!(Log::open(&path, false), Err(Error::Missing { .. })));
        let log = Log::open(&path, true).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        log.append(b"one\n").unwrap();
        log.flush().unwrap();
        let again = Log::open(&path, true).unwrap();
        again.append(b"two\n").unwrap();
        log.append(b"three\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one\ntwo\nthree\n");
        assert_eq!(again.size().unwrap(), 14);
        for (offset, max, want) in
            [(0, 4, &b"one\n"[..]), (4, 99, b"two\nthree\n"), (14, 9, b""), (u64::MAX, 9, b""), (2, 0, b"")]
        {
            assert_eq!(again.read_from(offset, max).unwrap(), want, "{offset}");
        }
    }

    #[test]
    fn reading_alone_neither_creates_nor_appends() {
        let (dir, path) = place();
        assert!(matches!(Log::open_read_only(&path), Err(Error::Missing { .. })));
        fs::write(&path, "one\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
        let log = Log::open_read_only(&path).unwrap();
        assert_eq!(log.read_from(0, 9).unwrap(), b"one\n");
        assert!(matches!(log.append(b"two\n"), Err(Error::Io { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"one\n");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn links_and_wide_logs_are_refused_and_victims_untouched() {
        let (dir, path) = place();
        let victim = dir.path().join("victim");
        fs::write(&victim, "kept").unwrap();
        fs::set_permissions(&victim, fs::Permissions::from_mode(0o600)).unwrap();

        symlink(&victim, &path).unwrap();
        assert!(matches!(Log::open(&path, true), Err(Error::NotRegular { kind: Kind::Symlink, .. })));
        fs::remove_file(&path).unwrap();

        symlink(dir.path().join("none"), &path).unwrap();
        assert!(matches!(Log::open(&path, true), Err(Error::NotRegular { kind: Kind::Symlink, .. })));
        fs::remove_file(&path).unwrap();

        fs::hard_link(&victim, &path).unwrap();
        assert!(matches!(Log::open(&path, true), Err(Error::HardLinked { links: 2, .. })));
        fs::remove_file(&path).unwrap();

        fs::write(&path, "").unwrap();
        for (mode, refused) in [(0o620, true), (0o602, true), (0o644, false), (0o600, false)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(matches!(Log::open(&path, true), Err(Error::TooWide { .. })), refused, "{mode:o}");
        }
        assert_eq!(fs::read(&victim).unwrap(), b"kept");
    }

    #[test]
    fn a_log_that_was_linked_or_deleted_while_open_takes_no_record() {
        let (dir, path) = place();
        let log = Log::open(&path, true).unwrap();
        let other = dir.path().join("other");
        fs::hard_link(&path, &other).unwrap();
        assert!(matches!(log.append(b"x"), Err(Error::HardLinked { links: 2, .. })));
        fs::remove_file(&path).unwrap();
        fs::remove_file(&other).unwrap();
        assert!(matches!(log.append(b"x"), Err(Error::HardLinked { links: 0, .. })));
    }

    #[test]
    fn one_at_a_time_holds_the_lock() {
        let (_dir, path) = place();
        let (one, two) = (Log::open(&path, true).unwrap(), Log::open(&path, true).unwrap());
        let held = one.lock(Duration::ZERO).unwrap();
        assert!(matches!(two.lock(Duration::from_millis(5)), Err(Error::Busy { .. })));
        one.append(b"x").unwrap();
        drop(held);
        let _held = two.lock(Duration::ZERO).unwrap();
    }
}
