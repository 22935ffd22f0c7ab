//! The three versions of a vault file that a merge is made of, from git's objects.
//! Nothing here looks at the file in the working tree.

use std::ffi::{OsStr, OsString};

use super::Git;
use crate::vault::merge::How;

/// How far back a broken file is followed.
const MAX_COMMITS: usize = 1_000;

/// The two sides and what they come from, as bytes that nobody has verified yet.
#[derive(Debug)]
pub struct Sources {
    /// The common ancestor, where there is one.
    pub base: Option<Vec<u8>>,
    /// Our side.
    pub ours: Vec<u8>,
    /// Their side.
    pub theirs: Vec<u8>,
    /// Where they are from.
    pub origin: Origin,
    /// What git was doing.
    pub how: How,
}

/// Where the versions of a file come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A merge that is under way: the stages in the index.
    Index,
    /// The parents of a merge, by their hashes.
    Parents(String, String),
}

/// Why the versions cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Git does not answer.
    #[error("git does not answer, or the vault file is in no clone")]
    NoGit,
    /// One side removed the whole file.
    #[error("one side removed the vault file")]
    Removed,
    /// A parent of the merge does not verify itself.
    #[error("commit {0} does not verify either, so there is nothing to merge again from")]
    Parent(String),
    /// No commit was found where the file went wrong.
    #[error("no commit was found that explains the file")]
    Unexplained,
}

/// What is wrong with a file, as far as its history tells.
#[derive(Debug)]
#[non_exhaustive]
pub enum Repair {
    /// Two parents that verify were merged to something that does not.
    Merge(Sources),
    /// A commit changed the file by hand; the bytes are those before it.
    Edited {
        /// The commit that did.
        commit: String,
        /// The file as it was before.
        before: Vec<u8>,
    },
    /// What is committed verifies; the working tree may differ.
    Committed(Vec<u8>),
}

pub(super) fn words<'a>(arguments: &[&'a str]) -> Vec<&'a OsStr> {
    arguments.iter().map(|word| OsStr::new(*word)).collect()
}

pub(super) fn text(git: &Git<'_>, arguments: &[&str]) -> Option<String> {
    let text = String::from_utf8(git(&words(arguments))?).ok()?;
    Some(text.trim_end().to_owned())
}

/// The versions of a merge that stopped at a conflict. `None` if the file is in none.
///
/// # Errors
/// [`Error::NoGit`], [`Error::Removed`].
pub fn unmerged(git: &Git<'_>, name: &OsStr) -> Result<Option<Sources>, Error> {
    let mut arguments = words(&["ls-files", "--unmerged", "-z", "--"]);
    arguments.push(name);
    let listed = git(&arguments).ok_or(Error::NoGit)?;
    let mut stages = [None, None, None];
    // Each entry: MODE HASH STAGE, a tab, the path.
    for entry in listed.split(|&byte| byte == 0) {
        let entry = String::from_utf8_lossy(entry);
        let Some((facts, _)) = entry.split_once('\t') else { continue };
        let mut facts = facts.split(' ').skip(1);
        let (Some(hash), Some(stage)) = (facts.next(), facts.next()) else { continue };
        if let Some(place) = stage.parse::<usize>().ok().and_then(|stage| stages.get_mut(stage.wrapping_sub(1))) {
            *place = Some(git(&words(&["cat-file", "blob", hash])).ok_or(Error::NoGit)?);
        }
    }
    match stages {
        [None, None, None] => Ok(None),
        [base, Some(ours), Some(theirs)] => {
            let how = if head(git, "MERGE_HEAD").is_some() {
                How::Merge
            } else if head(git, "REBASE_HEAD").is_some() {
                How::Rebase
            } else {
                How::Pick
            };
            Ok(Some(Sources { base, ours, theirs, origin: Origin::Index, how }))
        }
        _ => Err(Error::Removed),
    }
}

/// Looks for what a file that does not verify is to be made of again: the parents of
/// the merge that is under way, or of the commit where it went wrong.
///
/// `accepts` says whether a version verifies.
///
/// # Errors
/// [`Error::NoGit`], [`Error::Parent`], [`Error::Unexplained`].
pub fn repair(git: &Git<'_>, name: &OsStr, accepts: &dyn Fn(&[u8]) -> bool) -> Result<Repair, Error> {
    let mut commit = head(git, "HEAD").ok_or(Error::NoGit)?;
    if let Some(other) = head(git, "MERGE_HEAD") {
        return merge_of(git, name, accepts, commit, other);
    }
    for _ in 0..MAX_COMMITS {
        let Some(bytes) = show(git, &commit, name) else { return Err(Error::Unexplained) };
        if accepts(&bytes) {
            return Ok(Repair::Committed(bytes));
        }
        let line = text(git, &["rev-list", "--parents", "--max-count=1", &commit]).ok_or(Error::NoGit)?;
        let parents: Vec<&str> = line.split(' ').skip(1).collect();
        match parents[..] {
            [parent] => match show(git, parent, name) {
                Some(before) if accepts(&before) => return Ok(Repair::Edited { commit, before }),
                _ => commit = parent.to_owned(),
            },
            [one, other] => return merge_of(git, name, accepts, one.to_owned(), other.to_owned()),
            _ => return Err(Error::Unexplained),
        }
    }
    Err(Error::Unexplained)
}

fn merge_of(
    git: &Git<'_>,
    name: &OsStr,
    accepts: &dyn Fn(&[u8]) -> bool,
    one: String,
    other: String,
) -> Result<Repair, Error> {
    let side = |commit: &str| show(git, commit, name).filter(|bytes| accepts(bytes));
    let ours = side(&one).ok_or_else(|| Error::Parent(one.clone()))?;
    let theirs = side(&other).ok_or_else(|| Error::Parent(other.clone()))?;
    let base = text(git, &["merge-base", &one, &other]).and_then(|base| show(git, &base, name));
    Ok(Repair::Merge(Sources { base, ours, theirs, origin: Origin::Parents(one, other), how: How::Merge }))
}

/// The hash of the commit that a name stands for.
fn head(git: &Git<'_>, name: &str) -> Option<String> {
    text(git, &["rev-parse", "--quiet", "--verify", &format!("{name}^{{commit}}")])
}

/// The file in a commit.
fn show(git: &Git<'_>, commit: &str, name: &OsStr) -> Option<Vec<u8>> {
    let mut object = OsString::from(format!("{commit}:./"));
    object.push(name);
    git(&[OsStr::new("cat-file"), OsStr::new("blob"), &object])
}
