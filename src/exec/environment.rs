//! The environment of the command: what is inherited, what is set, what fits.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Place;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use super::Error;
use super::names::{carries_credential, credential};
use super::program::Program;
use crate::secret_value::SecretValue;

/// Longest `NAME=value` with its final NUL, in bytes: `MAX_ARG_STRLEN` of Linux with 4 KiB pages.
pub const MAX_STRING: usize = 128 * 1024;

/// An environment in the making. Names and values are borrowed: the one copy
/// of a secret that is made, for `execve`, is made by
/// [`launch`](super::launch::launch) and wiped there if that fails.
pub struct Environment<'a> {
    variables: Vec<Variable<'a>>,
    /// Position of the first variable of each name.
    places: HashMap<&'a [u8], usize>,
    /// True if the inherited part has a name twice; rare, and then a scan removes the others.
    repeats: bool,
    inherited_wins: bool,
}

#[derive(Clone, Copy)]
enum Variable<'a> {
    /// An entry as it came, not always of the form `NAME=value`.
    Inherited(&'a [u8]),
    Set {
        name: &'a str,
        value: &'a [u8],
    },
    /// Another entry of a name that was set.
    Dropped,
}

impl<'a> Environment<'a> {
    /// Starts from `base`, raw entries in their order, without the variables
    /// of ours that carry credentials ([`credential`]).
    ///
    /// Entries without `=` and repeated names stay as they are as long as
    /// nobody sets them: a command that gets no secret sees the same bytes as
    /// in a direct run.
    #[must_use]
    pub fn new(base: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let base = base.into_iter();
        let mut environment = Self {
            variables: Vec::with_capacity(base.size_hint().0),
            places: HashMap::with_capacity(base.size_hint().0),
            repeats: false,
            inherited_wins: false,
        };
        for entry in base.filter(|entry| !carries_credential(entry)) {
            // glibc's `getenv` and the shells look for the first `=`.
            if let Some(end) = entry.iter().position(|byte| *byte == b'=') {
                match environment.places.entry(&entry[..end]) {
                    Place::Vacant(place) => {
                        place.insert(environment.variables.len());
                    }
                    Place::Occupied(_) => environment.repeats = true,
                }
            }
            environment.variables.push(Variable::Inherited(entry));
        }
        environment
    }

    /// Starts empty, without even `PATH`, as `sops exec-env --pristine` does.
    #[must_use]
    pub fn pristine() -> Self {
        Self::new([])
    }

    /// From here on a variable that was inherited is not replaced.
    #[must_use]
    pub fn no_override(mut self) -> Self {
        self.inherited_wins = true;
        self
    }

    /// True if `name` was inherited and not set since: under
    /// [`no_override`](Self::no_override) a secret of that name need not be opened.
    #[must_use]
    pub fn inherits(&self, name: &str) -> bool {
        let place = self.places.get(name.as_bytes());
        place.is_some_and(|place| matches!(self.variables[*place], Variable::Inherited(_)))
    }

    /// Sets `name` to a secret; false if an inherited variable won.
    ///
    /// A variable keeps its place when its value is replaced; a new one is
    /// appended. Programs disagree on which of two entries of one name counts,
    /// so further ones are dropped.
    ///
    /// # Errors
    /// [`Error::Credential`], [`Error::NotAName`], [`Error::Nul`] and
    /// [`Error::TooLong`], each with the name and never the value.
    pub fn set(&mut self, name: &'a str, value: &'a SecretValue) -> Result<bool, Error> {
        // The bytes go to the block that `execve` reads.
        self.place(name, value.reveal())
    }

    /// Sets `name` to a path, of a [`SealedFile`](super::sealed_file::SealedFile) for example.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    pub fn set_path(&mut self, name: &'a str, path: &'a str) -> Result<bool, Error> {
        self.place(name, path.as_bytes())
    }

    fn place(&mut self, name: &'a str, value: &'a [u8]) -> Result<bool, Error> {
        if credential(name) {
            return Err(Error::Credential { name: name.to_owned() });
        }
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(Error::NotAName { name: name.to_owned() });
        }
        if self.inherited_wins && self.inherits(name) {
            return Ok(false);
        }
        if memchr::memchr(0, value).is_some() {
            return Err(Error::Nul { name: name.to_owned() });
        }
        let max = MAX_STRING.saturating_sub(name.len() + "=\0".len());
        if value.len() > max {
            return Err(Error::TooLong { name: name.to_owned(), max });
        }
        match self.places.entry(name.as_bytes()) {
            Place::Vacant(place) => {
                place.insert(self.variables.len());
                self.variables.push(Variable::Set { name, value });
            }
            Place::Occupied(place) => {
                let place = *place.get();
                self.variables[place] = Variable::Set { name, value };
                if self.repeats {
                    for other in &mut self.variables[place + 1..] {
                        if matches!(other, Variable::Inherited(entry) if named(entry, name)) {
                            *other = Variable::Dropped;
                        }
                    }
                }
            }
        }
        Ok(true)
    }

    /// Checks that environment and arguments fit together, before anything is recorded or started.
    ///
    /// `arguments` are those after the command's name. A `#!` line adds a few
    /// bytes that only the kernel knows; then `execve` itself says so.
    ///
    /// # Errors
    /// [`Error::TooLargeTogether`], naming the longest secret.
    pub fn check(&self, program: &Program, arguments: &[OsString]) -> Result<(), Error> {
        let max = most_for_exec();
        let strings = self.strings().map(|parts| parts.iter().map(|part| part.len()).sum::<usize>() + 1);
        let (count, bytes) = strings
            .chain(arguments.iter().map(|argument| argument.len() + 1))
            .chain([program.argv0.len() + 1])
            .fold((0, 0), |(count, bytes), length| (count + 1, bytes + length));
        // execve(2) counts the strings, one pointer each, and the path that it keeps beside them.
        let path = program.path.as_os_str().as_bytes().len() + 1;
        if bytes + count * size_of::<usize>() + path > max {
            return Err(self.too_large(max));
        }
        Ok(())
    }

    /// [`Error::TooLargeTogether`] for this environment.
    pub(super) fn too_large(&self, max: usize) -> Error {
        let set = self.variables.iter().filter_map(|variable| match variable {
            Variable::Set { name, value } => Some((value.len(), *name)),
            Variable::Inherited(_) | Variable::Dropped => None,
        });
        Error::TooLargeTogether { max, largest: set.max().map(|(_, name)| name.to_owned()) }
    }

    /// The variables in order, each in parts that make up its bytes without the final NUL.
    pub(super) fn strings(&self) -> impl Iterator<Item = [&'a [u8]; 3]> + '_ {
        self.variables.iter().filter_map(|variable| match *variable {
            Variable::Inherited(entry) => Some([entry, b"", b""]),
            Variable::Set { name, value } => Some([name.as_bytes(), b"=", value]),
            Variable::Dropped => None,
        })
    }
}

impl std::fmt::Debug for Environment<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Environment(…)")
    }
}

fn named(entry: &[u8], name: &str) -> bool {
    entry.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b"="))
}

/// Bytes that `execve` takes for strings and pointers (execve(2), "Limits on
/// size of arguments and environment"): on Linux a quarter of the soft stack
/// limit, at least 128 KiB and at most 6 MiB; elsewhere macOS' 1 MiB.
pub(super) fn most_for_exec() -> usize {
    const MOST: u64 = 6 * 1024 * 1024;
    let bytes = if cfg!(target_os = "linux") {
        let stack = rustix::process::getrlimit(rustix::process::Resource::Stack).current;
        stack.map_or(MOST, |bytes| (bytes / 4).clamp(128 * 1024, MOST))
    } else {
        1024 * 1024
    };
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn entries(environment: &Environment<'_>) -> Vec<Vec<u8>> {
        environment.strings().map(|parts| parts.concat()).collect()
    }

    fn secret(bytes: &[u8]) -> SecretValue {
        SecretValue::from(bytes)
    }

    fn truth() -> Program {
        Program::at(PathBuf::from("/bin/true"), OsString::from("true"))
    }

    #[test]
    fn untouched_entries_stay_byte_for_byte() {
        let base: [&[u8]; 7] = [b"A=1", b"no equals", b"A=2", b"=x", b"", b"B=\xff\xfe", b"C="];
        assert_eq!(entries(&Environment::new(base)), base);
    }

    #[test]
    fn replaced_variables_keep_their_place_and_new_ones_follow() {
        let (one, two) = (secret(b"one"), secret(b"a=b\xff\r\n"));
        let mut environment = Environment::new([&b"A=1"[..], b"B=2", b"A=3", b"AB=4", b"A"]);
        assert!(environment.set("NEW", &two).unwrap());
        assert!(environment.set("A", &one).unwrap());
        assert_eq!(entries(&environment), [&b"A=one"[..], b"B=2", b"AB=4", b"A", b"NEW=a=b\xff\r\n"]);
        assert!(environment.set("NEW", &one).unwrap());
        assert_eq!(entries(&environment).last().unwrap(), b"NEW=one");
    }

    #[test]
    fn inherited_variables_win_under_no_override_and_only_they() {
        let (one, two) = (secret(b"one"), secret(b"two"));
        let mut environment = Environment::new([&b"A="[..]]).no_override();
        assert!(environment.inherits("A") && !environment.inherits("B"));
        assert!(!environment.set("A", &one).unwrap());
        assert!(environment.set("B", &one).unwrap());
        assert!(environment.set("B", &two).unwrap());
        assert_eq!(entries(&environment), [&b"A="[..], b"B=two"]);
    }

    #[test]
    fn credentials_of_ours_are_removed_and_cannot_be_set() {
        let value = secret(b"x");
        let base: [&[u8]; 6] = [
            b"VLT_IDENTITY=k",
            b"VLT_FILE=f",
            b"VLT_IDENTITY_FILE=f",
            b"VLT_PASSPHRASE_FD=3",
            b"VLT_PASSPHRASE",
            b"P=1",
        ];
        let mut environment = Environment::new(base);
        assert_eq!(entries(&environment), [&b"VLT_FILE=f"[..], b"P=1"]);
        assert!(matches!(environment.set("VLT_IDENTITY", &value), Err(Error::Credential { .. })));
    }

    #[test]
    fn pristine_holds_only_what_is_set() {
        let value = secret(b"");
        let mut environment = Environment::pristine();
        assert!(environment.set("EMPTY", &value).unwrap());
        assert_eq!(entries(&environment), [b"EMPTY="]);
    }

    #[test]
    fn what_a_variable_cannot_carry_is_refused_naming_it() {
        let longest = secret(&vec![b'v'; MAX_STRING - "NAME=\0".len()]);
        let longer = secret(&vec![b'v'; MAX_STRING - "NAME=\0".len() + 1]);
        let nul = secret(b"hunter\0two");
        let mut environment = Environment::pristine();
        assert!(environment.set("NAME", &longest).unwrap());
        let error = environment.set("NAME", &longer).unwrap_err();
        assert_eq!(error.to_string(), "NAME is too long for an environment variable: its value may have 131066 bytes");
        let error = environment.set("NAME", &nul).unwrap_err();
        assert_eq!(error.to_string(), "NAME holds a NUL byte, which an environment variable cannot carry");
        for name in ["", "A=B", "A\0"] {
            assert!(matches!(environment.set(name, &longest), Err(Error::NotAName { .. })), "{name:?}");
        }
    }

    #[test]
    fn the_longest_secret_is_named_when_all_together_are_too_large() {
        let (long, short) = (secret(&[b'v'; 130_000]), secret(b"v"));
        let names: Vec<String> = (0..60).map(|n| format!("S{n}")).collect();
        let mut environment = Environment::new([&b"A=1"[..]]);
        for name in &names {
            environment.set(name, if name == "S7" { &long } else { &short }).unwrap();
        }
        environment.check(&truth(), &[]).unwrap();
        for name in names.iter().filter(|name| *name != "S9") {
            environment.set(name, &long).unwrap();
        }
        let Err(Error::TooLargeTogether { largest, .. }) = environment.check(&truth(), &[]) else {
            panic!("7.8 MB fit into 6 MiB");
        };
        assert!(largest.is_some_and(|name| name != "S9"));
    }

    /// The limit is the kernel's own, to the byte, in both directions.
    #[cfg(target_os = "linux")]
    #[test]
    #[expect(clippy::disallowed_methods, reason = "asks the kernel by starting /bin/true")]
    fn what_is_checked_is_what_the_kernel_takes() {
        let chunk = "v".repeat(100_000);
        let full = most_for_exec() / 100_030;
        let names: Vec<String> = (0..full).map(|n| format!("{n:08}")).collect();
        // Bytes left for the last value under the name `LAST`.
        let fixed = full * (100_000 + "00000000=\0".len() + 8) + "LAST=\0".len() + 8 + "true\0".len() + 8;
        let room = most_for_exec() - fixed - "/bin/true\0".len();
        for (length, fits) in [(room, true), (room + 1, false)] {
            let (value, last) = (secret(chunk.as_bytes()), "v".repeat(length));
            let end = secret(last.as_bytes());
            let mut environment = Environment::pristine();
            for name in &names {
                environment.set(name, &value).unwrap();
            }
            environment.set("LAST", &end).unwrap();
            assert_eq!(environment.check(&truth(), &[]).is_ok(), fits, "checked");
            let mut command = std::process::Command::new("/bin/true");
            std::os::unix::process::CommandExt::arg0(&mut command, "true");
            command.env_clear().envs(names.iter().map(|name| (name, &chunk))).env("LAST", &last);
            assert_eq!(command.status().is_ok(), fits, "started");
        }
    }

    #[test]
    fn debug_shows_nothing() {
        let value = secret(b"hunter2");
        let mut environment = Environment::new([&b"A=1"[..]]);
        environment.set("B", &value).unwrap();
        assert_eq!(format!("{environment:?}"), "Environment(…)");
    }
}
