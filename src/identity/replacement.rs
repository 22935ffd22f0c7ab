//! Replacing the identity in a file: the next one waits beside it, the earlier ones stay.
//!
//! `FILE.next` is made and proved before any vault depends on it, and takes the place of
//! `FILE` when the vault knows it. What was in `FILE` is kept as `FILE.old`, then
//! `FILE.old-2` and so on: other vaults may know no other identity, and older commits do
//! not. At every moment one of these files opens whatever could be opened before.

use std::path::{Path, PathBuf};

use super::file::MAX_FILE;
use super::{Error, IdentityFile};
use crate::store::{self, Mode};

/// Earlier identities that are looked for; nobody replaces one a day.
const MOST: usize = 64;

/// The files of an identity that is being replaced, or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replacement {
    file: PathBuf,
}

impl Replacement {
    /// Of the identity that is kept in a file.
    #[must_use]
    pub fn of(file: &Path) -> Self {
        Self { file: file.to_path_buf() }
    }

    /// Where the next identity waits.
    #[must_use]
    pub fn next(&self) -> PathBuf {
        self.beside(".next")
    }

    /// What waits there.
    ///
    /// # Errors
    /// Those of [`IdentityFile::read`], but for a file that is missing.
    pub fn read_next(&self) -> Result<Option<IdentityFile>, Error> {
        read(&self.next())
    }

    /// The earlier identities, newest first. What cannot be read is left out.
    #[must_use]
    pub fn earlier(&self) -> Vec<(PathBuf, IdentityFile)> {
        let files = (1..=MOST).map(|number| self.old(number));
        let found = files.map(|path| (IdentityFile::read(&path), path));
        let mut there: Vec<_> = found
            .take_while(|(read, _)| !is_missing(read))
            .filter_map(|(read, path)| Some((path, read.ok()?)))
            .collect();
        there.reverse();
        there
    }

    /// Puts the next identity in its place. Gives the file that keeps the one before, if
    /// there was one. Where there is nothing to put, nothing is done.
    ///
    /// # Errors
    /// [`Error::Store`]. Whatever was done by then may be done again.
    // create_new(FILE.old)   a crash before: nothing happened
    // replace(FILE)          a crash before: FILE.old is a copy of FILE
    // unlink(FILE.next)      a crash before: FILE.next is a copy of FILE
    pub fn finish(&self) -> Result<Option<PathBuf>, Error> {
        let next = match store::read_private(&self.next(), MAX_FILE) {
            Err(store::Error::Missing { .. }) => return Ok(None),
            next => next?,
        };
        let kept = match store::read_private(&self.file, MAX_FILE) {
            Err(store::Error::Missing { .. }) => None,
            Err(error) => return Err(error.into()),
            Ok(current) if *current == *next => None,
            Ok(current) => Some(self.keep(&current)?),
        };
        store::replace(&self.file, &next, Mode::Private)?;
        // What is left there is a copy, and goes the next time.
        let _ = std::fs::remove_file(self.next());
        Ok(kept)
    }

    /// Keeps a copy under the first name that is free, unless one of them is it already.
    fn keep(&self, current: &[u8]) -> Result<PathBuf, Error> {
        let mut number = 1;
        loop {
            let path = self.old(number);
            match store::read_private(&path, MAX_FILE) {
                Ok(kept) if *kept == *current => return Ok(path),
                Err(store::Error::Missing { .. }) => match store::create_new(&path, current, Mode::Private) {
                    Ok(()) => return Ok(path),
                    // Another process was faster: the next name.
                    Err(store::Error::Exists { .. }) => {}
                    Err(error) => return Err(error.into()),
                },
                Ok(_) | Err(_) if number < MOST => {}
                Ok(_) => return Err(store::Error::Exists { path }.into()),
                Err(error) => return Err(error.into()),
            }
            number += 1;
        }
    }

    fn old(&self, number: usize) -> PathBuf {
        if number == 1 { self.beside(".old") } else { self.beside(&format!(".old-{number}")) }
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let mut path = self.file.clone().into_os_string();
        path.push(ending);
        path.into()
    }
}

fn read(path: &Path) -> Result<Option<IdentityFile>, Error> {
    match IdentityFile::read(path) {
        Err(Error::Store(store::Error::Missing { .. })) => Ok(None),
        read => read.map(Some),
    }
}

fn is_missing(read: &Result<IdentityFile, Error>) -> bool {
    matches!(read, Err(Error::Store(store::Error::Missing { .. })))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{IdentityKey, Recipient};
    use crate::identity::write_plain;

    struct Directory(tempfile::TempDir);

    impl Directory {
        fn new() -> (Self, Replacement, Recipient) {
            let directory = Self(tempfile::tempdir().unwrap());
            let replacement = Replacement::of(&directory.0.path().join("identity"));
            let recipient = directory.write(&replacement.file);
            (directory, replacement, recipient)
        }

        fn write(&self, path: &Path) -> Recipient {
            let key = IdentityKey::generate().unwrap();
            write_plain(path, &key, crate::clock::Timestamp::from_seconds(0).unwrap()).unwrap();
            key.recipient()
        }
    }

    fn recipient(file: &IdentityFile) -> Recipient {
        match file {
            IdentityFile::Plain(key) => key.recipient(),
            IdentityFile::Sealed(sealed) => sealed.recipient.clone(),
        }
    }

    #[test]
    fn the_next_takes_the_place_and_the_earlier_ones_stay() {
        let (directory, replacement, first) = Directory::new();
        assert_eq!(replacement.finish().unwrap(), None);
        let mut known = vec![first];
        for number in ["identity.old", "identity.old-2", "identity.old-3"] {
            known.push(directory.write(&replacement.next()));
            assert_eq!(replacement.finish().unwrap().unwrap().file_name().unwrap(), number);
            assert!(!replacement.next().exists());
            assert_eq!(recipient(&IdentityFile::read(&replacement.file).unwrap()), known[known.len() - 1]);
        }
        let earlier: Vec<_> = replacement.earlier().iter().map(|(_, file)| recipient(file)).collect();
        assert_eq!(earlier, [known[2].clone(), known[1].clone(), known[0].clone()]);
    }

    #[test]
    fn what_a_crash_left_is_finished_once() {
        let (directory, replacement, first) = Directory::new();
        let second = directory.write(&replacement.next());
        // As after `create_new(FILE.old)`.
        std::fs::copy(&replacement.file, replacement.old(1)).unwrap();
        assert_eq!(replacement.finish().unwrap(), Some(replacement.old(1)));
        // As after `replace(FILE)`.
        std::fs::copy(&replacement.file, replacement.next()).unwrap();
        assert_eq!(replacement.finish().unwrap(), None);
        assert!(!replacement.next().exists());
        assert_eq!(recipient(&IdentityFile::read(&replacement.file).unwrap()), second);
        let earlier: Vec<_> = replacement.earlier().iter().map(|(_, file)| recipient(file)).collect();
        assert_eq!(earlier, [first]);
    }

    #[test]
    fn a_first_identity_has_none_before_it() {
        let (directory, replacement, _) = Directory::new();
        std::fs::remove_file(&replacement.file).unwrap();
        let next = directory.write(&replacement.next());
        assert_eq!(replacement.finish().unwrap(), None);
        assert_eq!(recipient(&IdentityFile::read(&replacement.file).unwrap()), next);
        assert!(replacement.earlier().is_empty());
    }
}
