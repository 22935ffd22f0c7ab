//! The team from outside: several people, each with a home, a state and a clone of
//! their own, and a bare repository between them. `docs/team.md` is run here too.

#![cfg(target_os = "linux")]
#![expect(clippy::disallowed_methods, reason = "tests prepare files and run programs")]

mod bad_input;
mod concurrency;
mod docs;
mod forgery;
mod history;
mod joining;
mod leaving;
mod pending;
mod recovery;
mod replacing;
mod roles;
mod world;
