//! Running a command with secrets in its environment, and nothing else changed.
//!
//! The order of a run: [`process::harden`] first thing in `main`,
//! [`program::find`], [`environment::Environment`] filled and checked, the use
//! recorded by the caller, [`launch::launch`]. Nothing here asks whether a
//! name or a program is permitted; [`names`] and
//! [`program::Program::matches`] answer, the caller decides.
//!
//! Everything about the child except its environment is that of a direct run:
//! descriptors, signal mask and dispositions, limits, umask, working directory.

use std::ffi::OsString;
use std::path::PathBuf;

pub mod detached;
pub mod environment;
pub mod interrupts;
pub mod launch;
pub mod names;
pub mod process;
pub mod program;
pub mod sealed_file;

/// Why a command was not started. No message holds a value or its length.
///
/// Exit status: 127 for [`Error::NotFound`] and [`Error::InterpreterNotFound`],
/// 126 for [`Error::NotExecutable`] and [`Error::Refused`] (as `env` has it),
/// 125 for all others.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No file of that name on `PATH`, or no such path.
    #[error("command not found: {}", command.display())]
    NotFound {
        /// The command as given.
        command: OsString,
    },
    /// The file exists and the system refuses to run it: no permission, a directory.
    #[error("not executable: {}", path.display())]
    NotExecutable {
        /// The file that was found.
        path: PathBuf,
    },
    /// The file exists, the program that should interpret it (`#!`, dynamic loader) does not.
    #[error("interpreter not found: {} needs a program that does not exist", path.display())]
    InterpreterNotFound {
        /// The file that names the interpreter.
        path: PathBuf,
    },
    /// `execve` failed for another reason.
    #[error("cannot run {}: {source}", path.display())]
    Refused {
        /// The file that was to run.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The value holds a NUL byte, which ends a string for every program.
    #[error("{name} holds a NUL byte, which an environment variable cannot carry")]
    Nul {
        /// The variable.
        name: String,
    },
    /// `NAME=value` and its final NUL are over [`environment::MAX_STRING`].
    #[error("{name} is too long for an environment variable: its value may have {max} bytes")]
    TooLong {
        /// The variable.
        name: String,
        /// Largest value under this name, in bytes.
        max: usize,
    },
    /// Environment and arguments are over what the kernel passes to a program.
    #[error("environment and arguments are over the {max} bytes the system allows{}", largest.as_ref().map_or_else(String::new, |name| format!("; the longest secret is {name}")))]
    TooLargeTogether {
        /// Limit in bytes, pointers included.
        max: usize,
        /// The variable that was set with the longest value, if any was set.
        largest: Option<String>,
    },
    /// An argument holds a NUL byte; none that came from a command line can.
    #[error("an argument holds a NUL byte")]
    NulInArgument,
    /// The variable is one of ours that carries credentials ([`names::credential`]).
    #[error("{name} carries credentials of vault and is never given to a program")]
    Credential {
        /// The variable.
        name: String,
    },
    /// The name is empty or holds `=` or NUL, so no program could find it.
    #[error("not a name of an environment variable: {name:?}")]
    NotAName {
        /// The name, printed escaped.
        name: String,
    },
    /// The sealed in-memory file could not be made.
    #[error("cannot make an in-memory file: {source}")]
    SealedFile {
        /// What the system said.
        source: std::io::Error,
    },
    /// This system has no sealed in-memory files.
    #[error("secrets as in-memory files need Linux")]
    Unsupported,
    /// Standard input carried a credential and could not be taken away from the command.
    #[error("cannot withhold standard input, which carried a credential: {source}")]
    Withhold {
        /// What the system said.
        source: std::io::Error,
    },
}
