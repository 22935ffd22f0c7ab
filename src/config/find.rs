//! Finding the vault file.

use std::path::{Path, PathBuf};

use rustix::fs::Stat;

use super::{Error, Stop};

/// The name of a vault file.
pub const VAULT_FILE: &str = "vault.toml";

/// The nearest vault file, from `start` upwards; `start` is made canonical.
///
/// In each directory: the owner is checked first, then the file is looked for,
/// then the search ends at a git root (a directory that holds `.git`, whatever
/// that is). It never crosses into another file system or a directory of
/// another user, so nobody can plant a file above us. Whatever is called
/// `vault.toml` counts: what it is shows when it is read, and nothing further
/// up is taken in its place.
///
/// # Errors
/// [`Error::NotFound`] saying where and why the search ended; [`Error::Store`]
/// where a directory cannot be looked at.
pub fn find(start: &Path) -> Result<PathBuf, Error> {
    let start = std::fs::canonicalize(start).map_err(|reason| Error::io("open", start, reason))?;
    let mut last: Option<(&Path, Stat)> = None;
    for directory in start.ancestors() {
        let not_found = |stopped_at: &Path, why| {
            Err(Error::NotFound { searched_from: start.clone(), stopped_at: stopped_at.to_path_buf(), why })
        };
        let stat = stat(directory)?;
        if let Some((below, before)) = last
            && before.st_dev != stat.st_dev
        {
            return not_found(below, Stop::FileSystem);
        }
        if !is_ours(&stat) {
            return not_found(directory, Stop::Owner { owner: stat.st_uid });
        }
        let file = directory.join(VAULT_FILE);
        if exists(&file)? {
            return Ok(file);
        }
        if exists(&directory.join(".git"))? {
            return not_found(directory, Stop::GitRoot);
        }
        last = Some((directory, stat));
    }
    Err(Error::NotFound { searched_from: start.clone(), stopped_at: PathBuf::from("/"), why: Stop::Root })
}

/// Facts about a directory, through links.
pub(super) fn stat(directory: &Path) -> Result<Stat, Error> {
    rustix::fs::stat(directory).map_err(|errno| Error::io("open", directory, errno))
}

pub(super) fn is_ours(stat: &Stat) -> bool {
    stat.st_uid == rustix::process::geteuid().as_raw()
}

/// True if anything has this name, a dangling link included.
pub(super) fn exists(path: &Path) -> Result<bool, Error> {
    match rustix::fs::lstat(path) {
        Ok(_) => Ok(true),
        Err(rustix::io::Errno::NOENT) => Ok(false),
        Err(errno) => Err(Error::io("look for", path, errno)),
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests prepare files")]
mod tests {
    use std::fs;
    use std::os::unix::fs::{chown, symlink};

    use super::*;

    /// A temporary directory, canonical, with directories `a/b/c` in it.
    fn tree() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(dir.path()).unwrap();
        fs::create_dir_all(root.join("a/b/c")).unwrap();
        (dir, root)
    }

    fn why(start: &Path) -> (PathBuf, Stop) {
        match find(start).unwrap_err() {
            Error::NotFound { stopped_at, why, .. } => (stopped_at, why),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn the_nearest_one_wins() {
        let (_dir, root) = tree();
        fs::write(root.join("vault.toml"), "").unwrap();
        assert_eq!(find(&root.join("a/b/c")).unwrap(), root.join("vault.toml"));
        fs::write(root.join("a/b/vault.toml"), "").unwrap();
        assert_eq!(find(&root.join("a/b/c")).unwrap(), root.join("a/b/vault.toml"));
        assert_eq!(find(&root.join("a")).unwrap(), root.join("vault.toml"));
    }

    #[test]
    fn a_file_planted_above_the_git_root_is_not_found() {
        let (_dir, root) = tree();
        fs::write(root.join("vault.toml"), "").unwrap();
        let git = root.join("a/.git");
        let plant: [&dyn Fn(); 2] = [&|| fs::create_dir(&git).unwrap(), &|| fs::write(&git, "gitdir: x").unwrap()];
        for plant in plant {
            plant();
            assert_eq!(why(&root.join("a/b/c")), (root.join("a"), Stop::GitRoot));
            if git.is_dir() {
                fs::remove_dir(&git).unwrap();
            }
        }
        fs::write(root.join("a/vault.toml"), "").unwrap();
        assert_eq!(find(&root.join("a/b")).unwrap(), root.join("a/vault.toml"), "the root itself is searched");
    }

    #[test]
    fn links_in_the_start_are_resolved_and_a_link_as_file_is_not_passed_over() {
        let (_dir, root) = tree();
        symlink(root.join("a/b"), root.join("link")).unwrap();
        fs::write(root.join("a/vault.toml"), "").unwrap();
        assert_eq!(find(&root.join("link/c")).unwrap(), root.join("a/vault.toml"));
        symlink("nowhere", root.join("a/b/vault.toml")).unwrap();
        assert_eq!(find(&root.join("link/c")).unwrap(), root.join("a/b/vault.toml"));
    }

    #[test]
    fn a_directory_of_another_user_is_not_looked_into() {
        let (_dir, root) = tree();
        if !rustix::process::geteuid().is_root() {
            // Somewhere above every test there is a directory of root.
            assert!(matches!(why(&root.join("a")).1, Stop::Owner { owner: 0 } | Stop::FileSystem));
            return;
        }
        fs::write(root.join("a/vault.toml"), "").unwrap();
        chown(root.join("a"), Some(12_345), None).unwrap();
        assert_eq!(why(&root.join("a/b/c")), (root.join("a"), Stop::Owner { owner: 12_345 }));
        let message = find(&root.join("a/b")).unwrap_err().to_string();
        assert!(message.ends_with(&format!("uid 12345), {}", root.join("a").display())), "{message}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_search_stays_on_its_file_system() {
        // /proc is a file system of its own, and its numbered directories have our user id.
        let start = PathBuf::from(format!("/proc/{}/task", std::process::id()));
        let (stopped_at, why) = why(&start);
        assert_eq!(stopped_at, PathBuf::from("/proc"));
        assert!(matches!(why, Stop::FileSystem | Stop::Owner { owner: 0 }));
    }

    #[test]
    fn a_missing_start_is_an_error_of_its_own() {
        let (_dir, root) = tree();
        assert!(matches!(find(&root.join("none")), Err(Error::Store(crate::store::Error::Missing { .. }))));
    }
}
