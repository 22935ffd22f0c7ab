//! What git is asked, by running it: nothing here decides about secrets.

use std::path::Path;
use std::process::{Command, Stdio};

/// True if git has the file in its index or anywhere in its history.
/// False without git, outside a clone, or if git does not answer.
pub(crate) fn was_ever_tracked(file: &Path) -> bool {
    let Some(name) = file.file_name() else { return false };
    let directory = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let answers = |arguments: &[&str]| -> bool {
        git(directory)
            .args(arguments)
            .arg("--")
            .arg(name)
            .output()
            .is_ok_and(|output| output.status.success() && !output.stdout.is_empty())
    };
    answers(&["ls-files"]) || answers(&["log", "--all", "--max-count=1", "--format=%H"])
}

/// Git in a directory, without prompts, pagers, or hooks of a configuration that the
/// repository could bring along.
#[expect(clippy::disallowed_methods, reason = "the command line is where programs are run from")]
fn git(directory: &Path) -> Command {
    let mut command = Command::new("git");
    command.arg("-C").arg(directory).args(["-c", "core.fsmonitor=false", "--no-pager", "--literal-pathspecs"]);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("VLT_")) {
        command.env_remove(name);
    }
    command.env("GIT_OPTIONAL_LOCKS", "0").env("GIT_TERMINAL_PROMPT", "0").stdin(Stdio::null()).stderr(Stdio::null());
    command
}
