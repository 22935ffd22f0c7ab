//! The yardstick: a program that does nothing but turn into the command it is given.
//!
//! What starting any program costs on this machine is in it; what `vault exec`
//! takes beyond it is vault's own. Started as `launcher PATH ARGUMENT...`.
#![no_main]

use std::ffi::{c_char, c_int};

unsafe extern "C" {
    static environ: *const *const c_char;
    fn execve(path: *const c_char, argv: *const *const c_char, envp: *const *const c_char) -> c_int;
}

/// Called by the C library, as `main` of `vault` is.
#[unsafe(no_mangle)]
extern "C" fn main(argc: c_int, argv: *const *const c_char) -> c_int {
    if argc > 1 {
        // SAFETY: `argv` holds `argc` C strings and a null behind them; `environ` is such an array too.
        unsafe {
            execve(*argv.add(1), argv.add(1), environ);
        }
    }
    127
}
