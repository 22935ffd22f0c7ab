//! Whether writes that a file lacks are on another branch of this clone: then nothing was
//! rolled back, and a merge brings both together.

use std::ffi::{OsStr, OsString};

use super::Git;
use super::sources::{text, words};

/// Most branches that are looked at, newest first.
const MAX_BRANCHES: usize = 200;

/// The local branch, or the stash, whose version of the file holds a write that the
/// history of the current branch never held.
///
/// `line_of` gives, for a version of the file that holds the write, the line which no
/// other write has. Local branches alone count: whoever can push can make every other
/// one. A history that held the write once was turned back, whatever branches there are.
pub fn holder(git: &Git<'_>, name: &OsStr, line_of: &dyn Fn(&[u8]) -> Option<String>) -> Option<String> {
    let count = format!("--count={MAX_BRANCHES}");
    let format = "--format=%(objectname) %(refname)";
    let refs = text(git, &["for-each-ref", "--sort=-committerdate", &count, format, "refs/heads", "refs/stash"])?;
    let mut looked_at = Vec::new();
    for (commit, reference) in refs.lines().filter_map(|line| line.split_once(' ')) {
        let mut object = OsString::from(format!("{commit}:./"));
        object.push(name);
        let Some(blob) = git(&[OsStr::new("rev-parse"), OsStr::new("--verify"), OsStr::new("--quiet"), &object]) else {
            continue;
        };
        if looked_at.contains(&blob) {
            continue;
        }
        let version = git(&[OsStr::new("cat-file"), OsStr::new("blob"), &object]);
        looked_at.push(blob);
        if let Some(line) = version.and_then(|version| line_of(&version)) {
            let branch = reference.strip_prefix("refs/heads/").unwrap_or("the stash");
            return (!was_here(git, name, &line)?).then(|| branch.to_owned());
        }
    }
    None
}

/// True if a version of the file with this line is in the history of the current branch,
/// merges included.
fn was_here(git: &Git<'_>, name: &OsStr, line: &str) -> Option<bool> {
    let mut arguments = words(&["log", "-m", "--full-history", "--no-textconv", "--format=%H", "--max-count=1", "-S"]);
    arguments.extend([OsStr::new(line), OsStr::new("HEAD"), OsStr::new("--"), name]);
    Some(!git(&arguments)?.is_empty())
}
