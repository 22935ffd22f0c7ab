//! A place: where a vault file is used.

use std::path::{Path, PathBuf};

use super::{Error, GitPlace};

/// Where a vault file is used. Trust is remembered by place: another file at a
/// known place is an attack or a mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The canonical directory and the name in it. The file itself need not
    /// exist, and a link in its place is not followed.
    pub path: PathBuf,
    /// Where in a clone, if in one.
    pub git: Option<GitPlace>,
}

impl Place {
    /// The place of a vault file.
    ///
    /// # Errors
    /// [`Error::Store`]: `NotRegular` for a path without a name, `Missing` for
    /// its directory, `Io` where a directory cannot be looked at.
    pub fn of(vault_file: &Path) -> Result<Self, Error> {
        let name = vault_file.file_name().ok_or_else(|| crate::store::Error::NotRegular {
            path: vault_file.to_path_buf(),
            kind: crate::store::Kind::Directory,
        })?;
        let directory = match vault_file.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let directory = std::fs::canonicalize(directory).map_err(|reason| Error::io("open", directory, reason))?;
        let git = GitPlace::around(&directory, Path::new(name))?;
        Ok(Self { path: directory.join(name), git })
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests prepare files")]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn root() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(dir.path()).unwrap();
        (dir, root)
    }

    #[test]
    fn outside_a_clone_the_canonical_path_tells() {
        let (_dir, root) = root();
        fs::create_dir(root.join("real")).unwrap();
        symlink("real", root.join("link")).unwrap();
        let place = Place::of(&root.join("link/vault.toml")).unwrap();
        assert_eq!(place, Place { path: root.join("real/vault.toml"), git: None });
        assert!(Place::of(&root.join("none/vault.toml")).is_err());
        assert!(Place::of(Path::new("/")).is_err());
    }

    #[test]
    fn worktrees_of_a_clone_share_the_place() {
        let (_dir, root) = root();
        // As `git worktree add ../side` lays it out.
        let entry = root.join("main/.git/worktrees/side");
        fs::create_dir_all(&entry).unwrap();
        fs::write(entry.join("commondir"), "../..\n").unwrap();
        fs::create_dir_all(root.join("main/app")).unwrap();
        fs::create_dir_all(root.join("side/app")).unwrap();
        fs::write(root.join("side/.git"), format!("gitdir: {}\n", entry.display())).unwrap();
        let main = Place::of(&root.join("main/app/vault.toml")).unwrap();
        let side = Place::of(&root.join("side/app/vault.toml")).unwrap();
        assert_eq!(
            main.git,
            Some(GitPlace { common_dir: root.join("main/.git"), relative: PathBuf::from("app/vault.toml") })
        );
        assert_eq!(main.git, side.git);
        assert_ne!(main.path, side.path);
    }

    #[test]
    fn a_submodule_and_a_linked_git_directory_are_their_own_clones() {
        let (_dir, root) = root();
        fs::create_dir_all(root.join("main/.git/modules/sub")).unwrap();
        fs::create_dir_all(root.join("main/sub")).unwrap();
        fs::write(root.join("main/sub/.git"), "gitdir: ../.git/modules/sub\n").unwrap();
        let git = Place::of(&root.join("main/sub/vault.toml")).unwrap().git.unwrap();
        assert_eq!(git.common_dir, root.join("main/.git/modules/sub"));
        assert_eq!(git.relative, PathBuf::from("vault.toml"));

        fs::create_dir_all(root.join("store")).unwrap();
        fs::create_dir_all(root.join("linked")).unwrap();
        symlink("../store", root.join("linked/.git")).unwrap();
        let git = Place::of(&root.join("linked/vault.toml")).unwrap().git.unwrap();
        assert_eq!(git.common_dir, root.join("store"));
    }

    #[test]
    fn pointers_that_lead_nowhere_leave_the_path() {
        let (_dir, root) = root();
        for text in ["gitdir: /none/at/all\n", "gitdir:", "", &"x".repeat(9000)] {
            fs::write(root.join(".git"), text).unwrap();
            assert_eq!(Place::of(&root.join("vault.toml")).unwrap().git, None, "{text:.20}");
        }
    }
}
