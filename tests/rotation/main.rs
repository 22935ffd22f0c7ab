//! Rotation from outside: the due list and its formats, the gate, the staged
//! rotation, reminders. Each test has a home of its own.

#![cfg(target_os = "linux")]
#![expect(clippy::disallowed_methods, reason = "tests prepare files and run programs")]

mod clocks;
mod foreground;
mod formats;
mod gate;
mod harness;
mod listing;
mod postgres;
mod remind;
mod rotate;
mod schedule;
mod shipped;
#[path = "../terminal/mod.rs"]
mod terminal;
mod typed;
mod versions;
mod web;
mod year;
