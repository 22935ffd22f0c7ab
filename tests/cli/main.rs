//! The commands, from outside: `docs/cli.md` and `docs/exit-codes.md` as tests.
//! One module for each command; `harness.rs` says what is checked of every run.

#![cfg(target_os = "linux")]
#![expect(clippy::disallowed_methods, reason = "tests prepare files and run programs")]

mod accepted;
mod agent;
mod audit;
mod audit_terminal;
mod bad_input;
mod clipboards;
mod completions;
mod concurrency;
mod config;
mod copy;
#[cfg(feature = "os-keyring")]
mod desktop;
mod doctor;
mod dry_run;
mod edit;
mod edit_terminal;
mod exec;
mod forms;
mod get;
mod habits;
mod harness;
mod identity;
mod import;
mod init;
#[cfg(feature = "os-keyring")]
mod keyring;
mod list;
mod man;
mod moving;
mod narrow;
mod profile;
mod prompts;
mod replaced;
mod rm;
mod seal;
mod secrets;
mod set;
mod show;
mod status;
mod team;
#[path = "../terminal/mod.rs"]
mod terminal;
mod trust;
mod verify;
mod which;
