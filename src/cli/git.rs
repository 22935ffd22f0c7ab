//! What git is asked, by running it: nothing here decides about secrets.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use vault::config::Place;
use vault::{git as library, store};

use super::error::CommandError;
use super::ui::Ui;

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

/// Runs git in a directory, for the library.
pub(crate) fn runner(directory: &Path) -> impl Fn(&[&OsStr]) -> Option<Vec<u8>> + use<> {
    let directory = directory.to_path_buf();
    move |arguments: &[&OsStr]| {
        let output = git(&directory).args(arguments).output().ok()?;
        output.status.success().then_some(output.stdout)
    }
}

/// A file of the git directory of this worktree, where git keeps a thing of that name.
pub(crate) fn private_path(directory: &Path, name: &str) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    let path = runner(directory)(&["rev-parse", "--git-path", name].map(OsStr::new))?;
    let path = path.strip_suffix(b"\n").unwrap_or(&path);
    Some(directory.join(OsStr::from_bytes(path)))
}

/// What was set up in a clone.
pub(crate) struct Installed {
    /// The settings of the clone were changed.
    pub(crate) settings: bool,
    /// A line went into `.gitattributes`.
    pub(crate) attributes: bool,
}

/// Tells the clone of a vault file how to merge it and how to show its changes.
pub(crate) fn install(path: &Path) -> Result<Installed, CommandError> {
    let place = Place::of(path)?;
    let directory = place.path.parent().unwrap_or(Path::new("/"));
    if place.git.is_none() {
        return Err(CommandError::NoClone(path.display().to_string()));
    }
    let program = std::env::current_exe().ok().and_then(|program| program.to_str().map(str::to_owned));
    let program = program.ok_or(CommandError::Internal("the path of this program is no text"))?;
    let run = runner(directory);
    let mut installed = Installed { settings: false, attributes: attributes(path)? };
    for (name, value) in library::settings(&program) {
        let known = run(&["config", "--local", "--get", name].map(OsStr::new));
        if known.is_some_and(|known| known.strip_suffix(b"\n") == Some(value.as_bytes())) {
            continue;
        }
        run(&["config", "--local", "--replace-all", name, &value].map(OsStr::new)).ok_or(library::Error::NoGit)?;
        installed.settings = true;
    }
    Ok(installed)
}

/// As [`install`], where the clone has no merge driver yet: after a write, so nothing
/// here may fail it.
pub(crate) fn install_where_missing(ui: &mut Ui, path: &Path) {
    let Ok(Some(clone)) = Place::of(path).map(|place| place.git) else { return };
    // Running git costs more than the write; its file says enough.
    let config = store::read(&clone.common_dir.join("config"), 1 << 20).unwrap_or_default();
    if memchr::memmem::find(&config, b"[merge \"vault\"]").is_some() {
        return;
    }
    match install(path) {
        Ok(installed) => report(ui, &installed),
        Err(error) => {
            ui.warn(&format!("git does not know yet how to merge vault files: {error}; see `vault git install`"))
        }
    }
}

/// Says what was set up.
pub(crate) fn report(ui: &mut Ui, installed: &Installed) {
    if installed.settings {
        ui.note("git: this clone now merges vault files and shows their changes without values (.git/config)");
    }
    if installed.attributes {
        ui.note("git: added the vault file to .gitattributes; commit it too");
    }
}

/// Adds the vault file to the `.gitattributes` beside it. True if it was not there.
pub(crate) fn attributes(path: &Path) -> Result<bool, store::Error> {
    let Some((directory, name)) = path.parent().zip(path.file_name()) else { return Ok(false) };
    let (file, name) = (directory.join(".gitattributes"), name.to_string_lossy());
    let mut text = match store::read(&file, 1 << 20) {
        Ok(bytes) => bytes,
        Err(store::Error::Missing { .. }) => Vec::new(),
        Err(error) => return Err(error),
    };
    if library::has_attributes(&text, &name) {
        return Ok(false);
    }
    if !text.is_empty() && !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    text.extend_from_slice(library::attributes_line(&name).as_bytes());
    text.push(b'\n');
    store::replace(&file, &text, store::Mode::Shared)?;
    Ok(true)
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
