//! A place for plaintext that somebody edits: private, in memory where there is any,
//! and gone afterwards.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FlockOperation, Mode as Bits, OFlags, Stat};
use rustix::io::{Errno, retry_on_intr};

use super::replace::write_all;
use super::{Error, Kind, check_private, create_private_dir_all, open_directory};

/// How the directories are called; what is left of one is found again by it.
const PREFIX: &str = "vault-edit-";
/// Names that are tried before giving up: another process would have to guess each.
const ATTEMPTS: u32 = 8;

/// A directory of our own, 0700, removed with everything in it when this is dropped.
///
/// It is locked as long as this process, or a child that was forked while it was
/// there, lives: an unlocked one was left behind, and the next call removes it.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    in_memory: bool,
    _lock: OwnedFd,
}

impl Scratch {
    /// Makes one in the first of `memory` that is a file system in memory and safe to
    /// use, else in `disk`, which is made if it is missing. Removes what killed
    /// processes left in any of them.
    ///
    /// # Errors
    /// [`Error::Io`] and those of [`create_private_dir_all`] for `disk`.
    pub fn create(memory: &[PathBuf], disk: &Path) -> Result<Self, Error> {
        memory.iter().map(PathBuf::as_path).chain([disk]).for_each(sweep);
        for base in memory.iter().filter(|base| in_memory(base) && is_safe(base)) {
            // Full, read-only or forbidden: the next one may do.
            if let Ok(made) = Self::within(base, true) {
                return Ok(made);
            }
        }
        create_private_dir_all(disk)?;
        Self::within(disk, in_memory(disk))
    }

    fn within(base: &Path, in_memory: bool) -> Result<Self, Error> {
        let failed = |errno| Error::io("create a directory in", base, errno);
        for _ in 0..ATTEMPTS {
            let path = base.join(format!("{PREFIX}{}", random_name().map_err(failed)?));
            match rustix::fs::mkdir(&path, Bits::RWXU) {
                Err(Errno::EXIST) => continue,
                made => made.map_err(failed)?,
            }
            // Whatever the umask: others never get in, and we do.
            rustix::fs::chmod(&path, Bits::RWXU).map_err(failed)?;
            // Another process that sweeps may have been faster; then there is a next name.
            if let Some(lock) = open_directory(&path).ok().filter(|dir| lock(dir) && is_at(dir, &path)) {
                return Ok(Self { path, in_memory, _lock: lock });
            }
        }
        Err(failed(Errno::EXIST))
    }

    /// True if what is written here stays in memory (which the system may swap out).
    #[must_use]
    pub fn in_memory(&self) -> bool {
        self.in_memory
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file, 0600, in place of an older one. Nothing is flushed: nobody
    /// needs it after a power loss.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, Error> {
        let path = self.path.join(name);
        let failed = |errno| Error::io("write", &path, errno);
        match rustix::fs::unlink(&path) {
            Err(Errno::NOENT) => {}
            removed => removed.map_err(failed)?,
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Bits::RUSR | Bits::WUSR;
        let file = retry_on_intr(|| rustix::fs::open(&path, flags, mode)).map_err(failed)?;
        rustix::fs::fchmod(&file, mode).map_err(failed)?;
        write_all(&file, bytes).map_err(failed)?;
        Ok(path)
    }

    /// Removes the directory and everything in it.
    ///
    /// # Errors
    /// [`Error::Io`]: something is still there.
    pub fn remove(self) -> Result<(), Error> {
        remove_tree(&self.path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now is by the next call.
        let _ = remove_tree(&self.path);
    }
}

/// Removes a directory and everything in it; one that is gone already is no error.
///
/// # Errors
/// [`Error::Io`].
pub fn remove_tree(path: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path, error)),
        _ => Ok(()),
    }
}

/// Removes directories that nobody holds any more. Best effort: what is in the way of
/// it is in nobody else's.
fn sweep(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let path = entry.path();
        let ours = |stat: &Stat| Kind::of(stat) == Kind::Directory && check_private(&path, stat, 0o077).is_ok();
        let is_one = entry.file_name().as_bytes().starts_with(PREFIX.as_bytes())
            && rustix::fs::statat(CWD, &path, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|stat| ours(&stat));
        if is_one && open_directory(&path).is_ok_and(|directory| lock(&directory) && is_at(&directory, &path)) {
            let _ = remove_tree(&path);
        }
    }
}

fn lock(directory: &OwnedFd) -> bool {
    rustix::fs::flock(directory, FlockOperation::NonBlockingLockExclusive).is_ok()
}

/// True if `path` still names this directory.
fn is_at(directory: &OwnedFd, path: &Path) -> bool {
    let here = rustix::fs::fstat(directory).map(|stat| (stat.st_dev, stat.st_ino));
    let there = rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW).map(|stat| (stat.st_dev, stat.st_ino));
    here.is_ok_and(|here| there == Ok(here))
}

/// True if nobody else can put something else in place of a directory of ours in
/// `base`: it is ours alone to write, or root's and sticky, as `/dev/shm` is.
fn is_safe(base: &Path) -> bool {
    let Ok(stat) = rustix::fs::stat(base) else { return false };
    let sticky = Bits::from_raw_mode(stat.st_mode).contains(Bits::SVTX);
    check_private(base, &stat, 0o022).is_ok() || (stat.st_uid == 0 && sticky)
}

/// True for tmpfs and ramfs (statfs(2)).
#[cfg(target_os = "linux")]
fn in_memory(base: &Path) -> bool {
    const TMPFS: i64 = 0x0102_1994;
    const RAMFS: i64 = 0x8584_58f6;
    #[allow(clippy::useless_conversion, reason = "narrower on other processors")]
    let kind = rustix::fs::statfs(base).map(|found| i64::from(found.f_type));
    // A narrower type holds the second one as a negative number.
    kind.is_ok_and(|kind| [TMPFS, RAMFS].contains(&(kind & 0xffff_ffff)))
}

/// No other system has one that is there without being set up.
#[cfg(not(target_os = "linux"))]
fn in_memory(_base: &Path) -> bool {
    false
}

/// Sixteen hexadecimal digits.
fn random_name() -> Result<String, Errno> {
    let mut bytes = [0; 8];
    // Only what is asked for beyond 256 bytes can be cut short.
    getrandom::getrandom(&mut bytes).map_err(|_| Errno::IO)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests prepare and inspect files")]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    fn entries(base: &Path) -> Vec<PathBuf> {
        fs::read_dir(base).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    #[test]
    fn it_is_private_and_gone_with_everything_in_it() {
        let base = tempfile::tempdir().unwrap();
        let disk = base.path().join("edit");
        let scratch = Scratch::create(&[], &disk).unwrap();
        let file = scratch.write("dev.env", b"A=1\n").unwrap();
        assert_eq!((mode(scratch.path()), mode(&file)), (0o700, 0o600));
        scratch.write("dev.env", b"A=2\n").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"A=2\n");
        fs::write(scratch.path().join(".dev.env.swp"), "A=2").unwrap();
        fs::create_dir(scratch.path().join("backup")).unwrap();
        scratch.remove().unwrap();
        assert!(entries(&disk).is_empty());
    }

    #[test]
    fn what_was_left_is_removed_and_what_is_in_use_is_not() {
        let base = tempfile::tempdir().unwrap();
        let disk = base.path().join("edit");
        let used = Scratch::create(&[], &disk).unwrap();
        used.write("dev.env", b"A=1\n").unwrap();
        // A killed process: its lock went with it.
        let left = disk.join(format!("{PREFIX}0123456789abcdef"));
        fs::create_dir(&left).unwrap();
        fs::set_permissions(&left, fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(left.join("dev.env"), "A=1\n").unwrap();
        let other = disk.join("something-else");
        fs::create_dir(&other).unwrap();
        let next = Scratch::create(&[], &disk).unwrap();
        assert!(!left.exists() && used.path().join("dev.env").exists() && other.exists());
        assert_ne!(next.path(), used.path());
    }

    #[test]
    fn nothing_behind_a_link_or_open_to_others_is_swept() {
        let base = tempfile::tempdir().unwrap();
        let (disk, victim) = (base.path().join("edit"), base.path().join("victim"));
        fs::create_dir_all(&disk).unwrap();
        fs::create_dir(&victim).unwrap();
        fs::write(victim.join("kept"), "").unwrap();
        symlink(&victim, disk.join(format!("{PREFIX}link"))).unwrap();
        let wide = disk.join(format!("{PREFIX}wide"));
        fs::create_dir(&wide).unwrap();
        fs::set_permissions(&wide, fs::Permissions::from_mode(0o755)).unwrap();
        drop(Scratch::create(&[], &disk).unwrap());
        assert!(victim.join("kept").exists() && wide.exists());
    }

    #[test]
    fn a_base_that_others_can_change_is_passed_over() {
        let base = tempfile::tempdir().unwrap();
        for (mode, safe) in
            [(0o700, true), (0o755, true), (0o777, false), (0o1777, rustix::process::getuid().is_root())]
        {
            fs::set_permissions(base.path(), fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(is_safe(base.path()), safe, "{mode:o}");
        }
        assert!(!is_safe(&base.path().join("missing")) && !in_memory(&base.path().join("missing")));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_in_memory_is_told_from_a_disk() {
        // Part of every Linux system, and in memory by its documentation (proc(5), shm_overview(7)).
        assert!(!in_memory(Path::new("/proc")));
        let mounts = fs::read_to_string("/proc/mounts").unwrap();
        if mounts.lines().any(|line| line.split(' ').nth(1) == Some("/dev/shm") && line.contains(" tmpfs ")) {
            let disk = tempfile::tempdir().unwrap();
            let scratch = Scratch::create(&["/dev/shm".into()], disk.path()).unwrap();
            assert!(scratch.in_memory() && scratch.path().starts_with("/dev/shm"));
            let path = scratch.path().to_path_buf();
            drop(scratch);
            assert!(!path.exists());
        }
    }
}
