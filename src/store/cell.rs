//! Small private state that changes with every command.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::{Errno, retry_on_intr};
use zeroize::Zeroizing;

use super::read::read_bounded;
use super::{Error, Mode, check_private, check_single_link, create_new, open_regular};

/// Largest content of a cell, in bytes: one page.
pub const MAX_CELL: usize = 4096;

/// A private file of at most [`MAX_CELL`] bytes that is open, to be read and
/// then overwritten in place, without flushing: that costs microseconds.
///
/// A killed process leaves the old content or the new. A power loss may also
/// bring back any earlier content, or leave new bytes in a file of the old
/// size, or the reverse. The content must therefore carry a checksum, be
/// rebuildable from what is durable, and keep one length (pad it): if it
/// shrinks, a process killed between the write and the cut leaves the end of
/// the old content behind the new.
///
/// Whoever opens it holds the lock that goes with the content, until it is closed.
#[derive(Debug)]
pub struct Cell {
    fd: OwnedFd,
    path: PathBuf,
    size: u64,
}

impl Cell {
    /// Opens one that is there.
    ///
    /// # Errors
    /// [`Error::Missing`], [`Error::NotRegular`], [`Error::NotOurs`],
    /// [`Error::TooWide`], [`Error::HardLinked`], [`Error::Io`].
    pub fn open(path: &Path) -> Result<Self, Error> {
        let (fd, stat) = open_regular(path, OFlags::RDWR)?;
        check_private(path, &stat, 0o077)?;
        check_single_link(path, &stat)?;
        Ok(Self { fd, path: path.to_path_buf(), size: u64::try_from(stat.st_size).unwrap_or(0) })
    }

    /// Its content. Can be read once.
    ///
    /// # Errors
    /// [`Error::TooLarge`] over [`MAX_CELL`], [`Error::Io`].
    pub fn read(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        read_bounded(&self.fd, self.size, &self.path, MAX_CELL as u64)
    }

    /// Overwrites it.
    ///
    /// # Errors
    /// [`Error::TooLarge`] over [`MAX_CELL`] without writing; [`Error::Io`],
    /// after which the content may be either or mixed.
    pub fn overwrite(&self, bytes: &[u8]) -> Result<(), Error> {
        if bytes.len() > MAX_CELL {
            return Err(Error::TooLarge { path: self.path.clone(), max: MAX_CELL as u64 });
        }
        let failed = |errno| Error::io("write", &self.path, errno);
        let count = retry_on_intr(|| rustix::io::pwrite(&self.fd, bytes, 0)).map_err(failed)?;
        if count != bytes.len() {
            return Err(failed(Errno::NOSPC));
        }
        let length = bytes.len() as u64;
        if self.size > length {
            retry_on_intr(|| rustix::fs::ftruncate(&self.fd, length)).map_err(failed)?;
        }
        Ok(())
    }
}

/// Overwrites a [`Cell`] that is not open; creates it durably if missing.
///
/// # Errors
/// Those of [`Cell::open`] and [`Cell::overwrite`]; when it is created, those of [`create_new`].
pub fn overwrite_small(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    if bytes.len() > MAX_CELL {
        return Err(Error::TooLarge { path: path.to_path_buf(), max: MAX_CELL as u64 });
    }
    match Cell::open(path) {
        Err(Error::Missing { .. }) => create_new(path, bytes, Mode::Private),
        cell => cell?.overwrite(bytes),
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests prepare and inspect files")]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::super::Kind;
    use super::*;

    #[test]
    fn changes_in_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        overwrite_small(&path, b"first").unwrap();
        let before = fs::metadata(&path).unwrap();
        assert_eq!(before.mode() & 0o7777, 0o600);
        for bytes in [&b"second, longer"[..], b"short", b"", &[1; MAX_CELL]] {
            overwrite_small(&path, bytes).unwrap();
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
        assert_eq!(fs::metadata(&path).unwrap().ino(), before.ino());
        assert!(matches!(overwrite_small(&path, &[2; MAX_CELL + 1]), Err(Error::TooLarge { max: 4096, .. })));
        assert_eq!(fs::read(&path).unwrap(), [1; MAX_CELL]);
    }

    #[test]
    fn links_and_wide_files_are_refused_and_victims_untouched() {
        let dir = tempfile::tempdir().unwrap();
        let (path, victim) = (dir.path().join("state"), dir.path().join("victim"));
        fs::write(&victim, "kept").unwrap();
        fs::set_permissions(&victim, fs::Permissions::from_mode(0o600)).unwrap();
        symlink(&victim, &path).unwrap();
        assert!(matches!(overwrite_small(&path, b"x"), Err(Error::NotRegular { kind: Kind::Symlink, .. })));
        fs::remove_file(&path).unwrap();
        fs::hard_link(&victim, &path).unwrap();
        assert!(matches!(overwrite_small(&path, b"x"), Err(Error::HardLinked { links: 2, .. })));
        fs::remove_file(&path).unwrap();
        fs::set_permissions(&victim, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(overwrite_small(&victim, b"x"), Err(Error::TooWide { mode: 0o644, .. })));
        assert_eq!(fs::read(&victim).unwrap(), b"kept");
    }
}
