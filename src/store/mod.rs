//! Bytes on disk: bounded reads, durable replacement, locks, append-only logs.
//!
//! Knows no keys and no formats. Nothing here follows a symbolic link in the
//! last component of a path, waits on a FIFO or opens a device for its data;
//! directories above it may be links, as in a home directory.

mod append;
mod cell;
mod directory;
mod lock;
mod read;
mod replace;
mod scratch;
mod stamp;

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode as Bits, OFlags, Stat};
use rustix::io::{Errno, retry_on_intr};

pub use append::Log;
pub use cell::{Cell, MAX_CELL, overwrite_small};
pub use directory::create_private_dir_all;
pub use lock::Lock;
pub use read::{read, read_given, read_private, read_private_from, read_ranges, read_with_stamp};
pub use replace::{Mode, create_new, replace, replace_unflushed};
pub use scratch::{Scratch, remove_tree};
pub use stamp::Stamp;

/// Why bytes could not be read or written. Each message is complete on its
/// own; paths are shown as they were passed in, unescaped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing has this name.
    #[error("{} does not exist", path.display())]
    Missing {
        /// What was looked for.
        path: PathBuf,
    },
    /// Something has this name already and is not to be replaced.
    #[error("{} exists already", path.display())]
    Exists {
        /// What is in the way.
        path: PathBuf,
    },
    /// A FIFO, device, directory, socket or symbolic link in place of a file.
    #[error("{} is {kind}, not a regular file", path.display())]
    NotRegular {
        /// What was to be opened.
        path: PathBuf,
        /// What it is.
        kind: Kind,
    },
    /// Something else in place of a directory.
    #[error("{} is {kind}, not a directory", path.display())]
    NotDirectory {
        /// What was to be a directory.
        path: PathBuf,
        /// What it is.
        kind: Kind,
    },
    /// Over the bound of the caller; nothing beyond it was read.
    #[error("{} is larger than the limit of {max} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The bound, in bytes.
        max: u64,
    },
    /// Private, but open to the group or to others.
    #[error("{} is open to other users (mode {mode:04o})", path.display())]
    TooWide {
        /// The file or directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Private, but owned by another user.
    #[error("{} belongs to another user (uid {owner})", path.display())]
    NotOurs {
        /// The file or directory.
        path: PathBuf,
        /// The user id of its owner.
        owner: u32,
    },
    /// Written in place, but reachable under another name as well.
    #[error("{} has {links} hard links instead of one", path.display())]
    HardLinked {
        /// The file.
        path: PathBuf,
        /// Number of names; 0 if it was deleted while open.
        links: u64,
    },
    /// Another process held the lock for the whole time allowed.
    #[error("{} is locked by {}", path.display(), Holder(*pid, *stopped))]
    Busy {
        /// The directory or log that is locked.
        path: PathBuf,
        /// The holder, where the system tells.
        pid: Option<u32>,
        /// True if the holder is suspended and will not finish by itself.
        stopped: bool,
    },
    /// The new content is in place, but a power loss may bring back the old.
    #[error("{} was written, but may not survive a power loss: {}", path.display(), plain(reason))]
    NotDurable {
        /// The file.
        path: PathBuf,
        /// What the system said on flushing its directory.
        reason: io::Error,
    },
    /// Part of a record was appended and could not be taken back.
    #[error("{} ends in an incomplete record: {}", path.display(), plain(reason))]
    Torn {
        /// The log.
        path: PathBuf,
        /// Why the record is incomplete.
        reason: io::Error,
    },
    /// The system refused.
    #[error("cannot {action} {}: {}", path.display(), plain(reason))]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        reason: io::Error,
    },
}

impl Error {
    fn io(action: &'static str, path: &Path, reason: impl Into<io::Error>) -> Self {
        Self::Io { action, path: path.to_path_buf(), reason: reason.into() }
    }

    fn missing(path: &Path) -> Self {
        Self::Missing { path: path.to_path_buf() }
    }
}

/// What a path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A regular file.
    File,
    /// A named pipe.
    Fifo,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A Unix socket.
    Socket,
    /// A character or block device.
    Device,
    /// Something this system does not name.
    Unknown,
}

impl Kind {
    fn of(stat: &Stat) -> Self {
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Self::File,
            FileType::Fifo => Self::Fifo,
            FileType::Directory => Self::Directory,
            FileType::Symlink => Self::Symlink,
            FileType::Socket => Self::Socket,
            FileType::CharacterDevice | FileType::BlockDevice => Self::Device,
            _ => Self::Unknown,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "a regular file",
            Self::Fifo => "a FIFO",
            Self::Directory => "a directory",
            Self::Symlink => "a symbolic link",
            Self::Socket => "a socket",
            Self::Device => "a device",
            Self::Unknown => "of an unknown kind",
        })
    }
}

struct Holder(Option<u32>, bool);

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0, self.1) {
            (Some(pid), true) => write!(f, "process {pid}, which is stopped"),
            (Some(pid), false) => write!(f, "process {pid}"),
            (None, _) => f.write_str("another process"),
        }
    }
}

/// The system's words in our notation: `no space left on device`.
fn plain(reason: &io::Error) -> String {
    let text = reason.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

/// The directory of `path` and the name in it.
fn split(path: &Path) -> Result<(&Path, &OsStr), Error> {
    let name = path.file_name().ok_or_else(|| Error::NotRegular { path: path.to_path_buf(), kind: Kind::Directory })?;
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => Ok((parent, name)),
        _ => Ok((Path::new("."), name)),
    }
}

/// Opens a directory, through links, so that it can be locked or flushed.
fn open_directory(path: &Path) -> Result<OwnedFd, Error> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match retry_on_intr(|| rustix::fs::openat(CWD, path, flags, Bits::empty())) {
        Ok(fd) => Ok(fd),
        Err(Errno::NOENT) => Err(Error::missing(path)),
        Err(Errno::NOTDIR) => Err(rustix::fs::stat(path).map_or_else(
            |errno| Error::io("open", path, errno),
            |stat| Error::NotDirectory { path: path.to_path_buf(), kind: Kind::of(&stat) },
        )),
        Err(errno) => Err(Error::io("open", path, errno)),
    }
}

/// Opens an existing regular file; anything else is refused without waiting.
///
/// `O_NONBLOCK` keeps a FIFO from blocking, `O_NOCTTY` a terminal from becoming
/// ours. What was opened is what is judged, so nothing can be swapped in between.
fn open_regular(path: &Path, access: OFlags) -> Result<(OwnedFd, Stat), Error> {
    let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let not_regular = |kind| Error::NotRegular { path: path.to_path_buf(), kind };
    match retry_on_intr(|| rustix::fs::openat(CWD, path, flags, Bits::empty())) {
        Ok(fd) => {
            let stat = rustix::fs::fstat(&fd).map_err(|errno| Error::io("open", path, errno))?;
            match Kind::of(&stat) {
                Kind::File => Ok((fd, stat)),
                kind => Err(not_regular(kind)),
            }
        }
        Err(Errno::NOENT) => Err(Error::missing(path)),
        // A link, a socket, or a FIFO without a reader; only now does the name matter.
        Err(errno) => match rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW).map(|stat| Kind::of(&stat)) {
            Ok(kind) if kind != Kind::File => Err(not_regular(kind)),
            _ => Err(Error::io("open", path, errno)),
        },
    }
}

/// Refuses what another user owns or what has any permission bit of `forbidden`.
fn check_private(path: &Path, stat: &Stat, forbidden: u32) -> Result<(), Error> {
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(Error::NotOurs { path: path.to_path_buf(), owner: stat.st_uid });
    }
    #[allow(clippy::useless_conversion, reason = "narrower on macOS")]
    let mode = u32::from(Bits::from_raw_mode(stat.st_mode).bits());
    if mode & forbidden != 0 {
        return Err(Error::TooWide { path: path.to_path_buf(), mode: mode & 0o7777 });
    }
    Ok(())
}

/// Refuses a file with more or fewer names than one: writing in place would
/// change what another name shows, or would be lost with the last one.
fn check_single_link(path: &Path, stat: &Stat) -> Result<(), Error> {
    match stat.st_nlink {
        1 => Ok(()),
        #[allow(clippy::useless_conversion, reason = "narrower on macOS and on other processors")]
        links => Err(Error::HardLinked { path: path.to_path_buf(), links: links.into() }),
    }
}

/// Flushes a file's content and size to the medium. Never retried after an
/// error: the kernel may have dropped the dirty pages and then report success.
fn flush_file(fd: &OwnedFd) -> Result<(), Errno> {
    // fsync on macOS stops at the drive's cache.
    #[cfg(target_vendor = "apple")]
    if rustix::fs::fcntl_fullfsync(fd).is_ok() {
        return Ok(());
    }
    retry_on_intr(|| rustix::fs::fsync(fd))
}

/// Flushes the names in a directory.
///
/// Gap: some network and FUSE file systems answer EINVAL, as they have no such
/// operation. That is taken for success, as there is nothing more to do.
fn flush_directory(fd: &OwnedFd, path: &Path) -> Result<(), Error> {
    match flush_file(fd) {
        Ok(()) | Err(Errno::INVAL) => Ok(()),
        Err(errno) => Err(Error::NotDurable { path: path.to_path_buf(), reason: errno.into() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_complete_and_plain() {
        let path = || PathBuf::from("vault.toml");
        for (error, want) in [
            (Error::NotRegular { path: path(), kind: Kind::Fifo }, "vault.toml is a FIFO, not a regular file"),
            (Error::io("write", &path(), Errno::NOSPC), "cannot write vault.toml: no space left on device"),
            (Error::TooWide { path: path(), mode: 0o644 }, "vault.toml is open to other users (mode 0644)"),
            (
                Error::Busy { path: path(), pid: Some(7), stopped: true },
                "vault.toml is locked by process 7, which is stopped",
            ),
            (Error::Busy { path: path(), pid: None, stopped: false }, "vault.toml is locked by another process"),
            (
                Error::NotDurable { path: path(), reason: Errno::IO.into() },
                "vault.toml was written, but may not survive a power loss: input/output error",
            ),
        ] {
            assert_eq!(error.to_string(), want);
        }
    }

    #[test]
    fn a_bare_name_lives_in_the_working_directory() {
        assert_eq!(split(Path::new("a")).unwrap(), (Path::new("."), OsStr::new("a")));
        assert_eq!(split(Path::new("/a")).unwrap(), (Path::new("/"), OsStr::new("a")));
        for path in ["/", "..", "a/..", ""] {
            assert!(matches!(split(Path::new(path)), Err(Error::NotRegular { .. })), "{path}");
        }
    }
}
