//! Durable replacement and creation of whole files.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, Mode as Bits, OFlags, RenameFlags, Stat};
use rustix::io::{Errno, retry_on_intr};

use super::{Error, Kind, flush_directory, flush_file, open_directory, split};

/// Who may open a file that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// 0600 from the first moment, whatever the umask and the old file say.
    Private,
    /// As the file that is replaced; for a new one what the umask leaves of
    /// 0666, and at least 0600, or the next command could not read it.
    Shared,
}

/// Replaces `path` by `bytes`, or creates it: after a crash at any point the
/// name shows the old content or the new, whole.
///
/// The caller holds the [`Lock`](super::Lock) of the directory, as the
/// temporary has a fixed name, `.NAME.tmp`. A process killed on the way leaves
/// it behind, with the mode of the target; the next call removes it.
///
/// Owner, access lists and extended attributes of the old file are not carried
/// over, and its other hard links keep the old content.
///
/// # Errors
/// [`Error::NotRegular`] if the target or the temporary is no regular file (a
/// link is not followed); [`Error::Missing`] for the directory. [`Error::Io`]
/// leaves the old file, without a temporary. [`Error::NotDurable`]: the new
/// content is in place.
// Expected system calls, in this order:
//   openat(parent, O_DIRECTORY)           = d
//   newfstatat(d, "f", NOFOLLOW)            refuse what is not a regular file
//   openat(d, ".f.tmp", O_CREAT|O_EXCL)   = t    on EEXIST: newfstatat, unlinkat, again
//   fstat(t); fchmod(t)                     only where umask or old mode differ
//   write(t) ...
//   fsync(t)
//   close(t)                                result ignored: fsync has reported
//   renameat(d, ".f.tmp", d, "f")
//   fsync(d)
// Gaps: between the check of the target and the rename someone with write
// access to the directory can put a link there; the link is replaced, not
// followed. A power loss after a failed fsync(d) may show either content. A
// drive that lies about its cache defeats fsync.
pub fn replace(path: &Path, bytes: &[u8], mode: Mode) -> Result<(), Error> {
    let target = Target::open(path)?;
    let old = target.existing()?;
    let (temporary, file) = target.write_temporary(bytes, mode, old.as_ref())?;
    flush_file(&file).map_err(|errno| Error::io("write", path, errno))?;
    drop(file);
    temporary.take_the_place()?;
    flush_directory(&target.directory, path)
}

/// As [`replace`], for a private file that nobody misses: nothing waits for the medium, and after
/// a power loss the name may show the old content, nothing, or rubbish.
///
/// # Errors
/// As [`replace`], but for [`Error::NotDurable`].
pub fn replace_unflushed(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let target = Target::open(path)?;
    let old = target.existing()?;
    let (temporary, _) = target.write_temporary(bytes, Mode::Private, old.as_ref())?;
    temporary.take_the_place()
}

/// Creates `path` with `bytes`, whole and durable, and never replaces anything.
/// Otherwise as [`replace`].
///
/// # Errors
/// [`Error::Exists`], also where another process was faster; else as [`replace`].
// System calls as above, but for the rename:
//   renameat2(d, ".f.tmp", d, "f", RENAME_NOREPLACE)
// or, where the file system lacks it:
//   linkat(d, ".f.tmp", d, "f"); unlinkat(d, ".f.tmp")
// A crash between these two leaves the temporary as a second name of the file.
pub fn create_new(path: &Path, bytes: &[u8], mode: Mode) -> Result<(), Error> {
    let target = Target::open(path)?;
    let failed = |errno| match errno {
        Errno::EXIST => Error::Exists { path: path.to_path_buf() },
        errno => Error::io("create", path, errno),
    };
    if target.stat(target.name)?.is_some() {
        return Err(failed(Errno::EXIST));
    }
    let (mut temporary, file) = target.write_temporary(bytes, mode, None)?;
    flush_file(&file).map_err(|errno| Error::io("write", path, errno))?;
    drop(file);
    let (directory, from, to) = (&target.directory, &target.temporary, target.name);
    match retry_on_intr(|| rustix::fs::renameat_with(directory, from, directory, to, RenameFlags::NOREPLACE)) {
        Ok(()) => temporary.present = false,
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
            retry_on_intr(|| rustix::fs::linkat(directory, from, directory, to, AtFlags::empty())).map_err(failed)?;
        }
        Err(errno) => return Err(failed(errno)),
    }
    drop(temporary);
    flush_directory(directory, path)
}

/// A name in an open directory, and the name of its temporary.
struct Target<'a> {
    path: &'a Path,
    directory: OwnedFd,
    name: &'a OsStr,
    temporary: OsString,
}

/// Unlinks the temporary on the way out of a failure.
struct Temporary<'a> {
    target: &'a Target<'a>,
    present: bool,
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if self.present {
            // Nothing is left to try if this fails; the next writer tries again.
            let _ = rustix::fs::unlinkat(&self.target.directory, &self.target.temporary, AtFlags::empty());
        }
    }
}

impl Temporary<'_> {
    fn take_the_place(mut self) -> Result<(), Error> {
        let Target { path, directory, name, temporary } = self.target;
        retry_on_intr(|| rustix::fs::renameat(directory, temporary, directory, *name))
            .map_err(|errno| Error::io("replace", path, errno))?;
        self.present = false;
        Ok(())
    }
}

impl<'a> Target<'a> {
    fn open(path: &'a Path) -> Result<Self, Error> {
        let (parent, name) = split(path)?;
        let mut temporary = OsString::from(".");
        temporary.push(name);
        temporary.push(".tmp");
        Ok(Self { path, directory: open_directory(parent)?, name, temporary })
    }

    fn stat(&self, name: &OsStr) -> Result<Option<Stat>, Error> {
        match rustix::fs::statat(&self.directory, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(Error::io("replace", self.path, errno)),
        }
    }

    /// The file that is to be replaced, if any.
    fn existing(&self) -> Result<Option<Stat>, Error> {
        let old = self.stat(self.name)?;
        match old.as_ref().map(Kind::of) {
            None | Some(Kind::File) => Ok(old),
            Some(kind) => Err(Error::NotRegular { path: self.path.to_path_buf(), kind }),
        }
    }

    /// Writes the temporary, without flushing it.
    fn write_temporary(&self, bytes: &[u8], mode: Mode, old: Option<&Stat>) -> Result<(Temporary<'_>, OwnedFd), Error> {
        let failed = |errno| Error::io("write", self.path, errno);
        // The kernel applies the umask where it counts, without our asking for it.
        let at_creation = match (mode, old) {
            (Mode::Shared, None) => Bits::from_raw_mode(0o666),
            _ => Bits::from_raw_mode(0o600),
        };
        let fd = match self.create_temporary(at_creation) {
            Err(Errno::EXIST) => {
                self.remove_leftover()?;
                self.create_temporary(at_creation)
            }
            other => other,
        }
        .map_err(failed)?;
        let temporary = Temporary { target: self, present: true };
        let created = Bits::from_raw_mode(rustix::fs::fstat(&fd).map_err(failed)?.st_mode);
        let wanted = match (mode, old) {
            (Mode::Private, _) => Bits::from_raw_mode(0o600),
            (Mode::Shared, Some(old)) => Bits::from_raw_mode(old.st_mode) & Bits::from_raw_mode(0o777),
            (Mode::Shared, None) => created | Bits::from_raw_mode(0o600),
        };
        if created != wanted {
            retry_on_intr(|| rustix::fs::fchmod(&fd, wanted)).map_err(failed)?;
        }
        write_all(&fd, bytes).map_err(failed)?;
        Ok((temporary, fd))
    }

    fn create_temporary(&self, mode: Bits) -> Result<OwnedFd, Errno> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        retry_on_intr(|| rustix::fs::openat(&self.directory, &self.temporary, flags, mode))
    }

    /// Removes what a killed process left, or a link that was put in its place.
    fn remove_leftover(&self) -> Result<(), Error> {
        let path = self.path.with_file_name(&self.temporary);
        match self.stat(&self.temporary)?.as_ref().map(Kind::of) {
            None => Ok(()),
            Some(Kind::File | Kind::Symlink) => {
                rustix::fs::unlinkat(&self.directory, &self.temporary, AtFlags::empty())
                    .map_err(|errno| Error::io("remove", &path, errno))
            }
            Some(kind) => Err(Error::NotRegular { path, kind }),
        }
    }
}

pub(super) fn write_all(fd: &OwnedFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(fd, bytes) {
            // No file system does this to a regular file; do not spin on one that does.
            Ok(0) => return Err(Errno::IO),
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests prepare and inspect files")]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::path::PathBuf;

    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    fn place() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vault.toml");
        (dir, path)
    }

    #[test]
    fn an_unflushed_one_is_whole_and_private_as_well() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        fs::write(dir.path().join(".f.tmp"), "left by one that was killed").unwrap();
        for content in ["old", "new"] {
            replace_unflushed(&path, content.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
            assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
            assert_eq!(names(dir.path()), ["f"]);
        }
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(matches!(replace_unflushed(&path, b"new"), Err(Error::NotRegular { .. })));
        assert_eq!(names(dir.path()), ["f"]);
    }

    #[test]
    fn creates_then_replaces_and_leaves_nothing_else() {
        let (dir, path) = place();
        for bytes in [&b"one"[..], b"", b"two", &[9; 3 << 20]] {
            replace(&path, bytes, Mode::Shared).unwrap();
            assert_eq!(fs::read(&path).unwrap(), bytes);
            assert_eq!(names(dir.path()), ["vault.toml"]);
        }
    }

    #[test]
    fn modes() {
        let (_dir, path) = place();
        replace(&path, b"1", Mode::Private).unwrap();
        assert_eq!(mode(&path), 0o600);
        for kept in [0o640, 0o664, 0o600, 0o444, 0o755] {
            fs::set_permissions(&path, fs::Permissions::from_mode(kept)).unwrap();
            replace(&path, b"2", Mode::Shared).unwrap();
            assert_eq!(mode(&path), kept);
        }
        replace(&path, b"3", Mode::Private).unwrap();
        assert_eq!(mode(&path), 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o4755)).unwrap();
        replace(&path, b"4", Mode::Shared).unwrap();
        assert_eq!(mode(&path), 0o755);
    }

    #[test]
    fn a_link_or_directory_in_place_of_the_target_is_refused() {
        let (dir, path) = place();
        let victim = dir.path().join("victim");
        fs::write(&victim, "kept").unwrap();
        symlink(&victim, &path).unwrap();
        let error = replace(&path, b"new", Mode::Shared).unwrap_err();
        assert!(matches!(error, Error::NotRegular { kind: Kind::Symlink, .. }), "{error}");
        assert!(matches!(create_new(&path, b"new", Mode::Shared), Err(Error::Exists { .. })));
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        let error = replace(&path, b"new", Mode::Shared).unwrap_err();
        assert!(matches!(error, Error::NotRegular { kind: Kind::Directory, .. }), "{error}");
        assert_eq!(fs::read(&victim).unwrap(), b"kept");
        assert_eq!(names(dir.path()), ["vault.toml", "victim"]);
    }

    #[test]
    fn a_hard_link_of_the_target_keeps_the_old_content() {
        let (dir, path) = place();
        let victim = dir.path().join("victim");
        fs::write(&victim, "kept").unwrap();
        fs::hard_link(&victim, &path).unwrap();
        replace(&path, b"new", Mode::Shared).unwrap();
        assert_eq!(fs::read(&victim).unwrap(), b"kept");
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn a_leftover_temporary_is_removed_and_never_followed() {
        let (dir, path) = place();
        let temporary = dir.path().join(".vault.toml.tmp");
        let victim = dir.path().join("victim");
        fs::write(&victim, "kept").unwrap();
        let plant: [&dyn Fn(); 3] =
            [&|| fs::write(&temporary, "torn").unwrap(), &|| symlink(&victim, &temporary).unwrap(), &|| {
                fs::hard_link(&victim, &temporary).unwrap()
            }];
        for plant in plant {
            plant();
            replace(&path, b"new", Mode::Private).unwrap();
            assert_eq!(fs::read(&victim).unwrap(), b"kept");
            assert_eq!(names(dir.path()), ["vault.toml", "victim"]);
            assert_eq!((mode(&path), fs::metadata(&path).unwrap().nlink()), (0o600, 1));
        }
        fs::create_dir(&temporary).unwrap();
        let error = replace(&path, b"newer", Mode::Private).unwrap_err();
        assert!(matches!(error, Error::NotRegular { kind: Kind::Directory, ref path } if *path == temporary));
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }

    #[test]
    fn create_new_never_replaces() {
        let (dir, path) = place();
        create_new(&path, b"first", Mode::Private).unwrap();
        assert_eq!(mode(&path), 0o600);
        assert!(matches!(create_new(&path, b"second", Mode::Private), Err(Error::Exists { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(names(dir.path()), ["vault.toml"]);
    }

    #[test]
    fn a_missing_directory_is_named() {
        let (dir, _) = place();
        let error = replace(&dir.path().join("none/vault.toml"), b"", Mode::Shared).unwrap_err();
        assert!(matches!(error, Error::Missing { path } if path == dir.path().join("none")));
    }
}
