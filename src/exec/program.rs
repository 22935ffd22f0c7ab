//! Which file a command's name means.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use rustix::io::Errno;

use super::Error;

/// Where commands are looked for when `PATH` is not set (`confstr(_CS_PATH)`).
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// A file that can be run, and the name it is run under.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Program {
    /// What `execve` is given: the command itself if it has a slash, else the
    /// file found on `PATH`, relative where the element of `PATH` is.
    pub path: PathBuf,
    /// The command as typed.
    pub argv0: OsString,
    /// `path` made absolute, links not followed.
    absolute: PathBuf,
}

impl Program {
    pub(super) fn at(path: PathBuf, argv0: OsString) -> Self {
        // Fails only where the working directory is gone; no absolute entry of a scope matches then.
        let absolute = std::path::absolute(&path).unwrap_or_else(|_| path.clone());
        Self { path, argv0, absolute }
    }

    /// True if an entry of `scope.commands` means this program: with a slash
    /// it is compared with the absolute path, else with the file name.
    ///
    /// A guard against mistakes, not against people: any program can be given any name.
    #[must_use]
    pub fn matches(&self, allowed: &str) -> bool {
        if allowed.contains('/') {
            self.absolute.as_os_str() == allowed
        } else {
            self.path.file_name().is_some_and(|name| name == allowed)
        }
    }
}

/// Finds what `command` runs, as `execvp` does: with a slash it is a path,
/// else the directories of `path` are searched (`/bin:/usr/bin` if there is
/// none; an empty element is the working directory).
///
/// `path` should be `PATH` of this process: a secret does not choose the program.
/// A directory is no program; one on `PATH` is passed over.
///
/// # Errors
/// [`Error::NotExecutable`] if all that was found may not be run, otherwise [`Error::NotFound`].
pub fn find(command: &OsStr, path: Option<&OsStr>) -> Result<Program, Error> {
    let not_found = || Error::NotFound { command: command.to_owned() };
    let bytes = command.as_bytes();
    if bytes.contains(&b'/') {
        return match examine(Path::new(command)) {
            Found::Program => Ok(Program::at(PathBuf::from(command), command.to_owned())),
            Found::Nothing => Err(not_found()),
            Found::Directory | Found::Forbidden | Found::Unreachable => {
                Err(Error::NotExecutable { path: PathBuf::from(command) })
            }
        };
    }
    if bytes.is_empty() {
        return Err(not_found());
    }
    let mut forbidden = None;
    for directory in path.unwrap_or(OsStr::new(DEFAULT_PATH)).as_bytes().split(|byte| *byte == b':') {
        // With `./` a script's name cannot be taken for an option by its interpreter.
        let directory = if directory.is_empty() { OsStr::new(".") } else { OsStr::from_bytes(directory) };
        let candidate = Path::new(directory).join(command);
        match examine(&candidate) {
            Found::Program => return Ok(Program::at(candidate, command.to_owned())),
            Found::Forbidden => forbidden = forbidden.or(Some(candidate)),
            Found::Nothing | Found::Directory | Found::Unreachable => {}
        }
    }
    Err(forbidden.map_or_else(not_found, |path| Error::NotExecutable { path }))
}

enum Found {
    Program,
    Directory,
    /// A file that this user may not run.
    Forbidden,
    /// A directory on the way is closed to us, a loop of links, and the like.
    Unreachable,
    Nothing,
}

fn examine(path: &Path) -> Found {
    match rustix::fs::stat(path) {
        Ok(stat) if rustix::fs::FileType::from_raw_mode(stat.st_mode).is_dir() => Found::Directory,
        Ok(_) if access(path, Access::EXEC_OK).is_ok() => Found::Program,
        Ok(_) => Found::Forbidden,
        Err(Errno::NOENT) => Found::Nothing,
        Err(_) => Found::Unreachable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};

    struct Tree(tempfile::TempDir);

    impl Tree {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn file(&self, name: &str, mode: u32) -> PathBuf {
            let path = self.0.path().join(name);
            std::fs::DirBuilder::new().recursive(true).mode(0o755).create(path.parent().unwrap()).unwrap();
            std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&path).unwrap();
            path
        }

        fn path(&self, directories: &[&str]) -> OsString {
            std::env::join_paths(directories.iter().map(|name| self.0.path().join(name))).unwrap()
        }
    }

    #[test]
    fn the_first_program_on_path_wins_and_others_are_passed_over() {
        let tree = Tree::new();
        tree.file("a/tool", 0o644);
        tree.file("dir/tool/file", 0o644);
        let second = tree.file("b/tool", 0o755);
        tree.file("c/tool", 0o755);
        let path = tree.path(&["absent", "a", "dir", "b", "c"]);
        let program = find(OsStr::new("tool"), Some(&path)).unwrap();
        assert_eq!(program.path, second);
        assert_eq!(program.argv0, "tool");
    }

    #[test]
    fn found_but_not_executable_differs_from_not_found() {
        let tree = Tree::new();
        let plain = tree.file("a/tool", 0o644);
        tree.file("dir/only/file", 0o644);
        let path = tree.path(&["a", "dir"]);
        let error = find(OsStr::new("tool"), Some(&path)).unwrap_err();
        assert!(matches!(&error, Error::NotExecutable { path } if *path == plain), "{error}");
        for command in ["only", "nosuch", ""] {
            let error = find(OsStr::new(command), Some(&path)).unwrap_err();
            assert_eq!(error.to_string(), format!("command not found: {command}"));
        }
        // With a slash there is no search.
        let error = find(tree.0.path().as_os_str(), None).unwrap_err();
        assert!(matches!(error, Error::NotExecutable { .. }), "a directory: {error}");
        let error = find(tree.0.path().join("a/nosuch").as_os_str(), Some(&path)).unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }), "{error}");
        let error = find(plain.join("below").as_os_str(), Some(&path)).unwrap_err();
        assert!(matches!(error, Error::NotExecutable { .. }), "below a file: {error}");
    }

    #[test]
    fn without_path_the_system_directories_are_searched() {
        assert_eq!(find(OsStr::new("sh"), None).unwrap().path, Path::new("/bin/sh"));
        let empty = find(OsStr::new("sh"), Some(OsStr::new("")));
        assert!(matches!(empty, Err(Error::NotFound { .. })), "an empty PATH is the working directory");
    }

    #[test]
    fn an_empty_element_is_the_working_directory() {
        // Tests run in the package's directory, where this script is.
        let command = OsStr::new("hygiene.py");
        let here = Path::new("tests/hygiene");
        assert!(here.join(command).exists(), "run from the package's directory");
        let found = find(command, Some(OsStr::new("/nonexistent:tests/hygiene:"))).unwrap();
        assert_eq!(found.path, here.join(command));
        let missing = find(OsStr::new("Cargo.toml"), Some(OsStr::new("/nonexistent::/bin"))).unwrap_err();
        assert_eq!(missing.to_string(), "not executable: ./Cargo.toml");
    }

    #[test]
    fn scopes_name_a_program_by_file_name_or_full_path() {
        let tree = Tree::new();
        let tool = tree.file("a/tool", 0o755);
        let program = find(OsStr::new("tool"), Some(&tree.path(&["a"]))).unwrap();
        assert!(program.matches("tool") && program.matches(tool.to_str().unwrap()));
        for other in ["too", "a/tool", "/bin/tool", "", "Tool"] {
            assert!(!program.matches(other), "{other}");
        }
        let relative = Program::at(PathBuf::from("./bin/tool"), OsString::from("./bin/tool"));
        let full = std::env::current_dir().unwrap().join("bin/tool");
        assert!(relative.matches(full.to_str().unwrap()) && !relative.matches("./bin/tool"));
    }
}
