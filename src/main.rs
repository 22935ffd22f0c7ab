//! `vault`: the start of the program.
//!
//! A C `main`, because the start-up code of Rust ignores SIGPIPE and installs
//! handlers, which a command started by `vault exec` would inherit. The test
//! harness brings a `main` of its own.
#![cfg_attr(not(test), no_main)]

mod cli;

use std::ffi::{CStr, OsString, c_char, c_int};
use std::io::Write;
use std::os::unix::ffi::OsStringExt;

use vault::exec::process;

/// Called by the C library. A panic ends in [`process::INTERNAL_ERROR`] and
/// never unwinds into C.
#[expect(unsafe_code, reason = "the C library's name and types for the start of a program")]
#[cfg_attr(not(test), unsafe(no_mangle))]
#[cfg_attr(test, allow(dead_code, reason = "the harness starts elsewhere"))]
extern "C" fn main(argc: c_int, argv: *const *const c_char) -> c_int {
    let original = process::harden();
    let status = std::panic::catch_unwind(|| {
        let count = usize::try_from(argc).unwrap_or(0);
        // SAFETY: the C library passes `argc` C strings in `argv`; they live as long as the process.
        let args = (0..count).map(|index| unsafe { CStr::from_ptr(*argv.add(index)) });
        cli::run(args.map(|argument| OsString::from_vec(argument.to_bytes().to_vec())).collect(), original)
    });
    // Rust's start-up code would do this at the end.
    let _ = std::io::stdout().flush();
    vault::secret_value::wipe_stack();
    status.unwrap_or(process::INTERNAL_ERROR).into()
}
