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
const VIM: [&str; 6] = ["vim", "nvim", "gvim", "vimx", "mvim", "vim.basic"];
const VIM_OPTIONS: [&str; 5] = ["-n", "-i", "NONE", "-c", "set noswapfile noundofile nobackup nowritebackup"];

/// Editors with windows of their own, which end at once unless told to wait.
const WINDOWED: [&str; 9] = ["code", "code-insiders", "codium", "cursor", "subl", "zed", "mate", "atom", "windsurf"];

/// A command line for `sh`, as in git.
pub(crate) struct Editor(OsString);

impl Editor {
    /// `VISUAL`, `EDITOR`, or what the system has.
    ///
    /// # Errors
    /// [`CommandError::NoEditor`], or [`CommandError::EditorMissing`] where it can be
    /// told without running it: nothing is opened for an editor that is not there.
    pub(crate) fn find(variables: &Variables) -> Result<Self, CommandError> {
        let path = variables.search_path();
        let is_there = |name: &OsStr| program::find(name, path.as_deref()).is_ok();
        let Some(line) = variables.visual().or_else(|| variables.editor()) else {
            let usual = USUAL.into_iter().find(|name| is_there(OsStr::new(name)));
            return usual.map(|name| Self(name.into())).ok_or(CommandError::NoEditor);
        };
        let editor = Self(line);
        let word = editor.word();
        // Anything else is for the shell to understand.
        let is_plain = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_./+-".contains(&byte));
        if word.is_empty() || (is_plain && !is_there(OsStr::new(&word))) {
            return Err(CommandError::EditorMissing { editor: word });
        }
        Ok(editor)
    }

    /// The first word of its line.
    fn word(&self) -> String {
        self.0.to_string_lossy().split_whitespace().next().unwrap_or_default().to_owned()
    }

    fn is_one_of(&self, names: &[&str]) -> bool {
        let word = self.word();
        names.contains(&word.rsplit('/').next().unwrap_or_default())
    }

    /// True if it is likely to have ended before anything was typed.
    pub(crate) fn may_not_wait(&self) -> bool {
        let line = self.0.to_string_lossy();
        self.is_one_of(&WINDOWED) && !line.split_whitespace().any(|word| matches!(word, "--wait" | "-w"))
    }

    /// Lets a file be edited; ends when the editor does.
    ///
    /// # Errors
    /// [`CommandError::Program`] if it fails, [`CommandError::Interrupted`] if it was
    /// ended from the keyboard.
    pub(crate) fn edit(&self, ui: &mut Ui, path: &Path) -> Result<(), CommandError> {
        let failed = |why: String| CommandError::Program { what: "the editor".to_owned(), why };
        let mut line = self.0.clone();
        line.push(" \"$@\"");
        let mut command = shell();
        command.arg("-c").arg(line).arg(&self.0);
        if self.is_one_of(&VIM) {
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

/// A directory to edit in, for a user whose runtime directory is given.
pub(crate) fn memory_directories(variables: &Variables) -> Vec<std::path::PathBuf> {
    variables.xdg_runtime_dir().into_iter().chain(["/dev/shm".into()]).collect()
}

impl std::fmt::Debug for Editor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.0.as_bytes()))
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
        assert_eq!(with(&[path, ("EDITOR", "cat -n"), ("VISUAL", "true")]).unwrap().0, "true");
        assert_eq!(with(&[path, ("EDITOR", "cat -n")]).unwrap().0, "cat -n");
        let missing = with(&[path, ("EDITOR", "no-such-editor --wait")]).unwrap_err();
        assert!(matches!(missing, CommandError::EditorMissing { editor } if editor == "no-such-editor"));
        assert!(matches!(with(&[("PATH", "/nonexistent")]), Err(CommandError::NoEditor)));
        // The shell finds out.
        assert!(with(&[path, ("EDITOR", "'/opt/my editor/run' -w")]).is_ok());
        assert!(with(&[path, ("EDITOR", "X=1 true")]).is_ok());
    }

    #[test]
    fn editors_with_windows_are_known_by_name() {
        let editor = |line: &str| Editor(line.into());
        assert!(editor("code").may_not_wait() && editor("/usr/bin/subl -n").may_not_wait());
        assert!(!editor("code --wait").may_not_wait() && !editor("subl -n -w").may_not_wait());
        assert!(!editor("vim").may_not_wait() && editor("/usr/bin/vim -X").is_one_of(&VIM));
    }
}
