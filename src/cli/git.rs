//! What git is asked, by running it: nothing here decides about secrets.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use vault::audit::Head;
use vault::config::Place;
use vault::exec::interrupts;
use vault::{git as library, store};

use super::error::CommandError;
use super::program::command;
use super::ui::Ui;

/// Most commits of a history that are looked through, newest first.
const MAX_COMMITS: usize = 10_000;

/// True if git has the file in its index or anywhere in its history.
/// False without git, outside a clone, or if git does not answer.
pub(crate) fn was_ever_tracked(file: &Path) -> bool {
    let Some(name) = file.file_name() else { return false };
    let directory = directory_of(file);
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

/// An audit head that a version of the vault file holds.
pub(crate) struct HistoricAnchor {
    pub(crate) device: String,
    pub(crate) head: Head,
    /// The newest commit with it, abbreviated.
    pub(crate) commit: String,
}

/// The audit heads in every version of `file` in the history of `commit`, at most
/// [`MAX_COMMITS`] of them. The versions are not verified: whoever can write history can
/// raise a false alarm with one, and hide nothing.
pub(crate) fn audit_anchors(file: &Path, commit: &str) -> Result<Vec<HistoricAnchor>, CommandError> {
    let (directory, name) = (directory_of(file), file.file_name().ok_or(CommandError::GitAnswer)?);
    let log = git(directory)
        .args(["log", "--format=%H", "--full-history", &format!("--max-count={MAX_COMMITS}"), "--end-of-options"])
        .arg(format!("{commit}^{{commit}}"))
        .arg("--")
        .arg(name)
        .output()
        .map_err(|_| CommandError::GitAnswer)?;
    if !log.status.success() {
        return Err(CommandError::NoAnchors);
    }
    let commits = String::from_utf8(log.stdout).map_err(|_| CommandError::GitAnswer)?;
    let commits: Vec<&str> = commits.lines().collect();
    let mut child = git(directory)
        .args(["cat-file", "--batch"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|_| CommandError::GitAnswer)?;
    let (Some(mut questions), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(CommandError::GitAnswer);
    };
    let name = name.to_string_lossy();
    let found = std::thread::scope(|scope| {
        let asked: Vec<String> = commits.iter().map(|commit| format!("{commit}:./{name}\n")).collect();
        // Dropping `questions` at its end lets git come to an end; should git end first,
        // its answers fall short.
        scope.spawn(move || {
            interrupts::take_closed_pipes_for_errors();
            asked.iter().try_for_each(|line| questions.write_all(line.as_bytes()))
        });
        read_versions(BufReader::new(answers), &commits)
    });
    let ended = child.wait().map_err(|_| CommandError::GitAnswer)?;
    if ended.success() { found } else { Err(CommandError::GitAnswer) }
}

/// Reads what `git cat-file --batch` says to each commit: `OID blob SIZE`, LF, content, LF,
/// or a line that ends with `missing`.
fn read_versions(mut answers: impl BufRead, commits: &[&str]) -> Result<Vec<HistoricAnchor>, CommandError> {
    let mut anchors = BTreeMap::new();
    for commit in commits {
        let mut header = String::new();
        answers.by_ref().take(4096).read_line(&mut header).map_err(|_| CommandError::GitAnswer)?;
        let mut words = header.split_whitespace().rev();
        let size = match (words.next(), words.next()) {
            // A commit that deleted the file.
            (Some("missing"), _) => continue,
            (Some(size), Some("blob")) => size.parse::<u64>().map_err(|_| CommandError::GitAnswer)?,
            _ => return Err(CommandError::GitAnswer),
        };
        let mut content = answers.by_ref().take(size);
        if size <= vault::MAX_FILE {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes).map_err(|_| CommandError::GitAnswer)?;
            for (device, head) in heads_in(&String::from_utf8_lossy(&bytes)) {
                anchors.entry((device, head.to_string())).or_insert((head, commit.chars().take(12).collect()));
            }
        } else {
            std::io::copy(&mut content, &mut std::io::sink()).map_err(|_| CommandError::GitAnswer)?;
        }
        answers.read_exact(&mut [0]).map_err(|_| CommandError::GitAnswer)?;
    }
    let anchors = anchors.into_iter();
    Ok(anchors.map(|((device, _), (head, commit))| HistoricAnchor { device, head, commit }).collect())
}

/// Signers and audit heads of the signature tables in the text of a vault file
/// (`docs/format.md`, "Profile signatures": `by` stands before `audit`).
fn heads_in(text: &str) -> Vec<(String, Head)> {
    let mut heads = Vec::new();
    let mut by = None;
    let mut in_signature = false;
    for line in text.lines() {
        if line.starts_with('[') {
            in_signature = line.starts_with("[profile.") && line.ends_with(".signature]");
            by = None;
        } else if in_signature {
            let value = |key: &str| line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"');
            if let Some(name) = value("by") {
                by = Some(name.to_owned());
            } else if let (Some(Ok(head)), Some(by)) = (value("audit").map(str::parse), &by) {
                heads.push((by.clone(), head));
            }
        }
    }
    heads
}

fn directory_of(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
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

/// What git leaves in its directory while something goes on; and where other worktrees have theirs.
const UNDER_WAY: [&str; 7] =
    ["MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "AUTO_MERGE", "rebase-merge", "rebase-apply", "worktrees"];

/// True if a merge of the file stopped, and what is there is still one of its sides.
pub(crate) fn is_unsettled(path: &Path, there: &[u8]) -> bool {
    let Ok(place) = Place::of(path) else { return false };
    let (Some(clone), Some(directory), Some(name)) = (&place.git, place.path.parent(), place.path.file_name()) else {
        return false;
    };
    // Git is not asked where nothing goes on.
    if !UNDER_WAY.iter().any(|mark| clone.common_dir.join(mark).exists()) {
        return false;
    }
    let sides = library::unmerged(&runner(directory), name);
    sides.is_ok_and(|sides| sides.is_some_and(|sides| there == sides.ours || there == sides.theirs))
}

/// What was set up in a clone.
pub(crate) struct Installed {
    /// The settings of the clone were changed.
    pub(crate) settings: bool,
    /// A line went into `.gitattributes`.
    pub(crate) attributes: bool,
}

/// Tells the clone of a vault file how to merge it and how to show its changes; only tried, it
/// says what is to be done.
pub(crate) fn install(path: &Path, dry_run: bool) -> Result<Installed, CommandError> {
    let place = Place::of(path)?;
    let directory = place.path.parent().unwrap_or(Path::new("/"));
    if place.git.is_none() {
        return Err(CommandError::NoClone(path.display().to_string()));
    }
    let program = std::env::current_exe().ok().and_then(|program| program.to_str().map(str::to_owned));
    let program = program.ok_or(CommandError::Internal("the path of this program is no text"))?;
    let run = runner(directory);
    let mut installed = Installed { settings: false, attributes: attributes(path, dry_run)? };
    for (name, value) in library::settings(&program) {
        let known = run(&["config", "--local", "--get", name].map(OsStr::new));
        if known.is_some_and(|known| known.strip_suffix(b"\n") == Some(value.as_bytes())) {
            continue;
        }
        if !dry_run {
            run(&["config", "--local", "--replace-all", name, &value].map(OsStr::new)).ok_or(library::Error::NoGit)?;
        }
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
    match install(path, false) {
        Ok(installed) => report(ui, &installed),
        Err(error) => {
            ui.warn(&format!("git does not know yet how to merge vault files: {error}; see `vault git install`"))
        }
    }
}

/// What is missing for git to merge vault files in this clone, in words.
pub(crate) fn not_set_up(directory: &Path) -> Option<String> {
    let run = runner(directory);
    // Without an answer there is nothing to say.
    run(&["rev-parse", "--git-dir"].map(OsStr::new))?;
    let Some(driver) = run(&["config", "--get", "merge.vault.driver"].map(OsStr::new)) else {
        return Some("this clone does not know how to merge vault files".to_owned());
    };
    // It was moved, or was in an environment that was thrown away; what is only elsewhere on this
    // machine, as seen from a container, looks the same, so that a person says which it is.
    let program = library::program_of(&String::from_utf8_lossy(&driver))?;
    let is_gone = program.is_absolute() && program.try_exists().is_ok_and(|exists| !exists);
    is_gone.then(|| format!("this clone merges vault files with a program that is not here: {}", program.display()))
}

/// True if git has the file, or would take it along with `git add --all`.
pub(crate) fn takes_along(file: &Path) -> bool {
    let Ok(file) = std::fs::canonicalize(file) else { return false };
    // Asked where the clone begins: below it, directories can pretend to be something else.
    let Some(root) = file.ancestors().find(|at| rustix::fs::lstat(at.join(".git")).is_ok()) else { return false };
    let Ok(below) = file.strip_prefix(root) else { return false };
    let words = ["ls-files", "--cached", "--others", "--exclude-standard", "--"].map(OsStr::new);
    runner(root)(&[words.as_slice(), &[below.as_os_str()]].concat()).is_some_and(|listed| !listed.is_empty())
}

/// Warns where a private file lies in a clone that would take it along.
pub(crate) fn warn_of_private(ui: &mut Ui, file: &Path) {
    if takes_along(file) {
        ui.warn(&format!("git would take {} along: move it out of the clone, or add it to .gitignore", file.display()));
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

/// Adds the vault file to the `.gitattributes` beside it, unless that is only tried. True if it
/// was not there.
pub(crate) fn attributes(path: &Path, dry_run: bool) -> Result<bool, store::Error> {
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
    if dry_run {
        return Ok(true);
    }
    if !text.is_empty() && !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    text.extend_from_slice(library::attributes_line(&name).as_bytes());
    text.push(b'\n');
    store::replace(&file, &text, store::Mode::Shared)?;
    Ok(true)
}

/// Where git is told to find a repository other than that of the directory: the clone is that of
/// [`Place`], whatever hook, alias or shell `vault` runs in.
const ELSEWHERE: [&str; 7] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_WORK_TREE",
];

/// Git in a directory, without prompts, pagers, or hooks of a configuration that the
/// repository could bring along.
fn git(directory: &Path) -> Command {
    let mut command = command("git");
    command.arg("-C").arg(directory).args(["--no-pager", "--literal-pathspecs"]);
    command.args(["-c", "core.fsmonitor=false", "-c", "log.showSignature=false", "-c", "safe.bareRepository=explicit"]);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("VLT_")) {
        command.env_remove(name);
    }
    for name in ELSEWHERE {
        command.env_remove(name);
    }
    if is_bare(directory) {
        // No repository at all: git says so and does nothing.
        command.env("GIT_DIR", "/dev/null");
    }
    command.env("GIT_OPTIONAL_LOCKS", "0").env("GIT_TERMINAL_PROMPT", "0").stdin(Stdio::null()).stderr(Stdio::null());
    command
}

/// True if git would take the directory, or one on the way up to its clone, for a bare
/// repository. A clone brings such a directory along as ordinary files, with a configuration
/// that names programs to run. Before 2.38 git itself has no setting against it.
fn is_bare(directory: &Path) -> bool {
    let Ok(directory) = std::fs::canonicalize(directory) else { return true };
    let has = |at: &Path, name: &str| rustix::fs::lstat(at.join(name)).is_ok();
    // What git asks of a repository, in its `is_git_directory`.
    let looks_bare = |at: &Path| has(at, "HEAD") && (has(at, "commondir") || (has(at, "objects") && has(at, "refs")));
    directory.ancestors().take_while(|at| !has(at, ".git")).any(looks_bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_come_from_signature_tables_only() {
        let hash = vault::crypto::Hash::of(b"line");
        let text = format!(
            "[profile.dev]\nepoch = 1\nby = \"mallory\"\naudit = \"1:{hash}\"\n[profile.dev.signature]\n\
             team = \"x\"\nby = \"laptop\"\naudit = \"7:{hash}\"\n[profile.prod.signature]\nby = \"ci\"\n\
             audit = \"0:{hash}\"\n[profile.x.signature]\naudit = \"8:{hash}\"\n"
        );
        assert_eq!(heads_in(&text), [("laptop".to_owned(), Head { sequence: 7, hash })]);
    }

    #[test]
    fn versions_are_read_one_after_the_other() {
        let hash = vault::crypto::Hash::of(b"line");
        let version = |n: u32| format!("[profile.dev.signature]\nby = \"laptop\"\naudit = \"{n}:{hash}\"\n");
        let mut answers = String::new();
        for n in [9, 9, 3] {
            answers.push_str(&format!("{n:040} blob {}\n{}\n", version(n).len(), version(n)));
        }
        answers.push_str("gone:./vault.toml missing\n");
        let found = read_versions(answers.as_bytes(), &["aaaaaaaaaaaaaaaa", "b", "c", "gone"]).unwrap();
        let found: Vec<_> = found.iter().map(|anchor| (anchor.head.sequence, anchor.commit.as_str())).collect();
        assert_eq!(found, [(3, "c"), (9, "aaaaaaaaaaaa")]);
        assert!(read_versions(&answers.as_bytes()[..90], &["a", "b"]).is_err());
    }
}
