//! Private directories.

use std::path::Path;

use rustix::fs::{AtFlags, Mode as Bits};
use rustix::io::Errno;

use super::{Error, Kind, check_private, flush_directory, open_directory, split};

/// Creates a directory and those above it that are missing, each 0700 whatever
/// the umask and each durable.
///
/// An existing one may be a link to a directory (as dotfile managers set up)
/// and may be readable by others, but must be ours and writable by us alone.
///
/// # Errors
/// [`Error::NotOurs`], [`Error::TooWide`], [`Error::NotDirectory`],
/// [`Error::NotDurable`], [`Error::Io`].
// Killed between mkdir and chmod, only under a umask that takes away our own
// bits: a directory without them stays behind, and `chmod 700` helps.
pub fn create_private_dir_all(path: &Path) -> Result<(), Error> {
    let missing = path.ancestors().take_while(|dir| !dir.as_os_str().is_empty()).take_while(|dir| {
        // Whatever else is wrong with one that exists shows below.
        matches!(rustix::fs::stat(*dir), Err(Errno::NOENT))
    });
    let mut missing: Vec<&Path> = missing.collect();
    while let Some(dir) = missing.pop() {
        create_private_dir(dir)?;
    }
    let stat = rustix::fs::stat(path).map_err(|errno| Error::io("open", path, errno))?;
    match Kind::of(&stat) {
        Kind::Directory => check_private(path, &stat, 0o022),
        kind => Err(Error::NotDirectory { path: path.to_path_buf(), kind }),
    }
}

fn create_private_dir(path: &Path) -> Result<(), Error> {
    let failed = |errno| Error::io("create", path, errno);
    // A path such as `a/..` names nothing to create.
    let Ok((parent, name)) = split(path) else { return Ok(()) };
    let above = open_directory(parent)?;
    match rustix::fs::mkdirat(&above, name, Bits::RWXU) {
        // Another process was faster, or this is a dangling link, which the caller's check tells.
        Err(Errno::EXIST) => return Ok(()),
        made => made.map_err(failed)?,
    }
    let stat = rustix::fs::statat(&above, name, AtFlags::SYMLINK_NOFOLLOW).map_err(failed)?;
    if Kind::of(&stat) == Kind::Directory && Bits::from_raw_mode(stat.st_mode) != Bits::RWXU {
        rustix::fs::chmodat(&above, name, Bits::RWXU, AtFlags::empty()).map_err(failed)?;
    }
    flush_directory(&above, parent)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests prepare and inspect files")]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn creates_the_missing_ones_private_and_leaves_the_others() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let path = dir.path().join("state/vault/audit");
        for _ in 0..2 {
            create_private_dir_all(&path).unwrap();
            for made in path.ancestors().take(3) {
                assert_eq!(mode(made), 0o700, "{}", made.display());
            }
        }
        assert_eq!(mode(dir.path()), 0o755);
    }

    #[test]
    fn an_existing_one_must_be_a_directory_only_we_can_write() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vault");
        fs::create_dir(&path).unwrap();
        for (mode, refused) in [(0o700, false), (0o755, false), (0o775, true), (0o777, true), (0o1777, true)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let result = create_private_dir_all(&path);
            assert_eq!(matches!(result, Err(Error::TooWide { mode: m, .. }) if m == mode), refused, "{mode:o}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        symlink(&path, dir.path().join("link")).unwrap();
        create_private_dir_all(&dir.path().join("link/below")).unwrap();
        assert_eq!(mode(&path.join("below")), 0o700);

        fs::write(dir.path().join("file"), "").unwrap();
        let error = create_private_dir_all(&dir.path().join("file")).unwrap_err();
        assert!(matches!(error, Error::NotDirectory { kind: Kind::File, .. }), "{error}");
        assert!(create_private_dir_all(&dir.path().join("file/below")).is_err());
        symlink(dir.path().join("none"), dir.path().join("dangling")).unwrap();
        assert!(create_private_dir_all(&dir.path().join("dangling")).is_err());
    }
}
