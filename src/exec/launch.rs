//! The last step: this process becomes the command.
//!
//! `std::process::Command` resets the signal mask and SIGPIPE and cannot pass
//! on entries without `=`; a direct `execve` changes nothing of its own accord.

use std::ffi::{CStr, CString, OsString, c_char};
use std::io;
use std::os::unix::ffi::OsStrExt;

use zeroize::Zeroizing;

use super::Error;
use super::environment::{Environment, most_for_exec};
use super::process::Original;
use super::program::Program;

/// What runs a script without `#!`, as in `execvp`.
const SHELL: &CStr = c"/bin/sh";

/// Replaces this process with `program`; returns only if that failed, with
/// this process as it was, so that the failure can be recorded.
///
/// `arguments` are those after the command's name. A file that the kernel does
/// not know how to run is given to `/bin/sh`. What was written to standard
/// output must be flushed before.
#[must_use]
pub fn launch(program: &Program, arguments: &[OsString], environment: &Environment<'_>, original: &Original) -> Error {
    let Ok(path) = CString::new(program.path.as_os_str().as_bytes()) else {
        return Error::NotFound { command: program.path.as_os_str().to_owned() };
    };
    let arguments = || arguments.iter().map(|argument| argument.as_bytes());
    if arguments().chain([program.argv0.as_bytes()]).any(|argument| memchr::memchr(0, argument).is_some()) {
        return Error::NulInArgument;
    }
    let argv = Strings::new([program.argv0.as_bytes()].into_iter().chain(arguments()).map(|argument| [argument]));
    let envp = Strings::new(environment.strings());

    let handed_over = match original.hand_over() {
        Ok(guard) => guard,
        Err(source) => return Error::Withhold { source },
    };
    let mut error = execve(&path, &argv, &envp);
    if error.raw_os_error() == Some(libc::ENOEXEC) {
        let script = [SHELL.to_bytes(), path.to_bytes()].into_iter().chain(arguments());
        error = execve(SHELL, &Strings::new(script.map(|argument| [argument])), &envp);
    }
    drop(handed_over);

    let path = program.path.clone();
    match error.raw_os_error() {
        Some(libc::E2BIG) => environment.too_large(most_for_exec()),
        Some(libc::EACCES) => Error::NotExecutable { path },
        Some(libc::ENOENT) if rustix::fs::stat(&path).is_ok() => Error::InterpreterNotFound { path },
        Some(libc::ENOENT) => Error::NotFound { command: program.argv0.clone() },
        _ => Error::Refused { path, source: error },
    }
}

/// C strings in one block of memory that is wiped on drop, and an array of
/// pointers to them that ends with null.
struct Strings {
    pointers: Vec<*const c_char>,
    /// What `pointers` points into; filled once, never moved.
    _block: Zeroizing<Vec<u8>>,
}

impl Strings {
    /// Joins the parts of each string. The block is allocated once, at its full
    /// size: growing would leave copies of secrets behind.
    fn new<'a, const PARTS: usize>(strings: impl IntoIterator<Item = [&'a [u8]; PARTS]>) -> Self {
        let strings: Vec<_> = strings.into_iter().collect();
        let bytes = strings.iter().map(|parts| parts.iter().map(|part| part.len()).sum::<usize>() + 1).sum();
        let mut block = Zeroizing::new(Vec::with_capacity(bytes));
        let mut starts = Vec::with_capacity(strings.len());
        for parts in &strings {
            starts.push(block.len());
            for part in parts {
                block.extend_from_slice(part);
            }
            block.push(0);
        }
        let pointers = starts.iter().map(|start| block[*start..].as_ptr().cast()).chain([std::ptr::null()]).collect();
        Self { pointers, _block: block }
    }
}

#[expect(unsafe_code, reason = "the one call of execve")]
fn execve(path: &CStr, argv: &Strings, envp: &Strings) -> io::Error {
    // SAFETY: `path` is a C string; both arrays end with null and point at strings, each with its
    // final NUL, in blocks that outlive the call. The kernel copies them and writes to none.
    unsafe {
        libc::execve(path.as_ptr(), argv.pointers.as_ptr(), envp.pointers.as_ptr());
    }
    io::Error::last_os_error()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::OpenOptionsExt;
    use std::path::PathBuf;

    // A successful launch replaces the test process: `tests/hygiene/hygiene.py` has those.

    fn failure(path: PathBuf, arguments: &[OsString]) -> Error {
        let program = Program::at(path, OsString::from("tool"));
        launch(&program, arguments, &Environment::pristine(), &Original::for_test())
    }

    fn script(directory: &tempfile::TempDir, text: &str, mode: u32) -> PathBuf {
        use std::io::Write;
        let path = directory.path().join("tool");
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        path
    }

    #[test]
    fn what_the_system_refuses_is_told_apart() {
        let directory = tempfile::tempdir().unwrap();
        let error = failure(directory.path().join("nosuch"), &[]);
        assert_eq!(error.to_string(), "command not found: tool");
        let error = failure(directory.path().to_owned(), &[]);
        assert!(matches!(error, Error::NotExecutable { .. }), "{error}");
        let error = failure(script(&directory, "#!/no/such/interpreter\n", 0o755), &[]);
        assert!(matches!(error, Error::InterpreterNotFound { .. }), "{error}");
        let error = failure(directory.path().join("tool/below"), &[]);
        assert!(matches!(error, Error::Refused { .. }), "{error}");
    }

    #[test]
    fn arguments_that_cannot_be_passed_are_refused() {
        let error = failure(PathBuf::from("/bin/false"), &[OsString::from("a\0b")]);
        assert!(matches!(error, Error::NulInArgument), "{error}");
        let error =
            failure(PathBuf::from("/bin/false"), &[OsString::from("a".repeat(super::super::environment::MAX_STRING))]);
        assert!(matches!(error, Error::TooLargeTogether { largest: None, .. }), "{error}");
    }

    #[test]
    #[expect(unsafe_code, reason = "reads back what execve would read")]
    fn strings_are_laid_out_as_execve_reads_them() {
        let strings = Strings::new([[&b"A"[..], b"=", b"1"], [b"", b"", b""], [b"raw \xff", b"", b""]]);
        assert_eq!(strings.pointers.len(), 4);
        assert!(strings.pointers[3].is_null());
        for (pointer, want) in strings.pointers.iter().zip([&b"A=1"[..], b"", b"raw \xff"]) {
            // SAFETY: the pointer is into the live block, at a string with its final NUL.
            assert_eq!(unsafe { CStr::from_ptr(*pointer) }.to_bytes(), want);
        }
        assert_eq!(strings._block.len(), strings._block.capacity(), "allocated once");
    }
}
