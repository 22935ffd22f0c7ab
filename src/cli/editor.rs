//! The user's editor: which one, and running it until it closes the file.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use vault::config::Variables;
use vault::exec::{interrupts, program};

use super::error::CommandError;
use super::program::shell;
use super::ui::Ui;

/// Editors of the system, where no variable names one.
const USUAL: [&str; 3] = ["editor", "nano", "vi"];

/// Editors that keep swap, undo and history files outside the file's directory, and
/// the options that make them leave that (vim: starting.txt, options.txt).
/// A name with a dot is one of Debian's: `vim.basic`, `vim.gtk3`.
const VIM: [&str; 5] = ["vim", "nvim", "gvim", "vimx", "mvim"];
const VIM_OPTIONS: [&str; 5] = ["-n", "-i", "NONE", "-c", "set noswapfile noundofile nobackup nowritebackup"];

/// Editors with windows of their own, which end at once unless told to wait.
const WINDOWED: [&str; 9] = ["code", "code-insiders", "codium", "cursor", "subl", "zed", "mate", "atom", "windsurf"];

/// A command line for `sh`, as in git.
pub(crate) struct Editor {
    line: OsString,
    /// It is Vim, whatever it is called: `vi` and `editor` are links to it on many systems.
    is_vim: bool,
}

impl Editor {
    /// `VISUAL`, `EDITOR`, or what the system has.
    ///
    /// # Errors
    /// [`CommandError::NoEditor`], or [`CommandError::EditorMissing`] where it can be
    /// told without running it: nothing is opened for an editor that is not there.
    pub(crate) fn find(variables: &Variables) -> Result<Self, CommandError> {
        let path = variables.search_path();
        let found = |name: &str| program::find(OsStr::new(name), path.as_deref()).ok();
        let Some(line) = variables.visual().or_else(|| variables.editor()) else {
            let usual = USUAL.into_iter().find_map(|name| Some((name, found(name)?)));
            let (name, program) = usual.ok_or(CommandError::NoEditor)?;
            return Ok(Self { line: name.into(), is_vim: is_vim(&program.path) });
        };
        let mut editor = Self { line, is_vim: false };
        let word = editor.word();
        let program = found(&word);
        // Anything else is for the shell to understand.
        let is_plain = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_./+-".contains(&byte));
        if word.is_empty() || (is_plain && program.is_none()) {
            return Err(CommandError::EditorMissing { editor: word });
        }
        editor.is_vim = is_vim(&program.map_or_else(|| word.into(), |program| program.path));
        Ok(editor)
    }

    /// The first word of its line.
    fn word(&self) -> String {
        self.line.to_string_lossy().split_whitespace().next().unwrap_or_default().to_owned()
    }

    /// True if it is likely to have ended before anything was typed.
    pub(crate) fn may_not_wait(&self) -> bool {
        let (line, word) = (self.line.to_string_lossy(), self.word());
        let windowed = WINDOWED.contains(&word.rsplit('/').next().unwrap_or_default());
        windowed && !line.split_whitespace().any(|word| matches!(word, "--wait" | "-w"))
    }

    /// Lets a file be edited; ends when the editor does.
    ///
    /// # Errors
    /// [`CommandError::Program`] if it fails, [`CommandError::Interrupted`] if it was
    /// ended from the keyboard.
    pub(crate) fn edit(&self, ui: &mut Ui, path: &Path) -> Result<(), CommandError> {
        let failed = |why: String| CommandError::Program { what: "the editor".to_owned(), why };
        let mut line = self.line.clone();
        line.push(" \"$@\"");
        let mut command = shell();
        command.arg("-c").arg(line).arg(&self.line);
        if self.is_vim {
            command.args(VIM_OPTIONS);
        }
        command.arg(path);
        let held = interrupts::Held::begin();
        ui.progress("waiting for the editor to close the file …");
        let status = command.status();
        ui.progress("");
        drop(held);
        match status {
            Err(error) => Err(failed(error.to_string())),
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(match (status.signal(), status.code()) {
                (Some(libc::SIGINT | libc::SIGQUIT), _) | (_, Some(130)) => CommandError::Interrupted,
                (Some(signal), _) => failed(format!("it was ended by signal {signal}")),
                (_, Some(127)) => CommandError::EditorMissing { editor: self.word() },
                (_, code) => failed(format!("it ended with status {}", code.unwrap_or(-1))),
            }),
        }
    }
}

/// True if a program is Vim, by the name it has or by that of the file which links lead to.
fn is_vim(program: &Path) -> bool {
    let named = |path: &Path| {
        let name = path.file_name().map(OsStr::to_string_lossy).unwrap_or_default();
        VIM.contains(&name.split('.').next().unwrap_or_default())
    };
    named(program) || std::fs::canonicalize(program).is_ok_and(|file| named(&file))
}

/// A directory to edit in, for a user whose runtime directory is given.
pub(crate) fn memory_directories(variables: &Variables) -> Vec<std::path::PathBuf> {
    variables.xdg_runtime_dir().into_iter().chain(["/dev/shm".into()]).collect()
}

impl std::fmt::Debug for Editor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.line.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(pairs: &[(&str, &str)]) -> Result<Editor, CommandError> {
        Editor::find(&Variables::fixed(pairs.iter().map(|(name, value)| ((*name).into(), (*value).into()))))
    }

    #[test]
    fn visual_comes_before_editor_and_one_that_is_missing_is_noticed() {
        let path = ("PATH", "/usr/bin:/bin");
        assert_eq!(with(&[path, ("EDITOR", "cat -n"), ("VISUAL", "true")]).unwrap().line, "true");
        assert_eq!(with(&[path, ("EDITOR", "cat -n")]).unwrap().line, "cat -n");
        let missing = with(&[path, ("EDITOR", "no-such-editor --wait")]).unwrap_err();
        assert!(matches!(missing, CommandError::EditorMissing { editor } if editor == "no-such-editor"));
        assert!(matches!(with(&[("PATH", "/nonexistent")]), Err(CommandError::NoEditor)));
        // The shell finds out.
        assert!(with(&[path, ("EDITOR", "'/opt/my editor/run' -w")]).is_ok());
        assert!(with(&[path, ("EDITOR", "X=1 true")]).is_ok());
    }

    #[test]
    fn editors_with_windows_are_known_by_name() {
        let editor = |line: &str| Editor { line: line.into(), is_vim: false };
        assert!(editor("code").may_not_wait() && editor("/usr/bin/subl -n").may_not_wait());
        assert!(!editor("code --wait").may_not_wait() && !editor("subl -n -w").may_not_wait());
        assert!(!editor("vim").may_not_wait());
    }

    #[test]
    fn vim_is_known_by_its_names_and_through_links() {
        let dir = tempfile::tempdir().unwrap();
        let link =
            |from: &str, to: &str| std::os::unix::fs::symlink(dir.path().join(to), dir.path().join(from)).unwrap();
        for (program, is) in [("vim.basic", true), ("nvim", true), ("nano", false), ("vimdiff.sh", false)] {
            link("here", program);
            link("editor", "here");
            let path = dir.path().join(program);
            rustix::fs::open(&path, rustix::fs::OFlags::CREATE, rustix::fs::Mode::from_raw_mode(0o755)).unwrap();
            let of = |word: &str| {
                let path = dir.path().to_str().unwrap();
                with(&[("PATH", path), ("EDITOR", word)]).unwrap().is_vim
            };
            assert_eq!((of(program), of("here"), of("editor -x")), (is, is, is), "{program}");
            assert_eq!(with(&[("PATH", dir.path().to_str().unwrap())]).unwrap().is_vim, is, "the system's");
            for name in ["here", "editor"] {
                std::fs::remove_file(dir.path().join(name)).unwrap();
            }
        }
    }
}
