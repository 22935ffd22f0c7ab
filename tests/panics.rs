//! A panic says where it happened and nothing of what it was about (scorecard row 22).

#![expect(clippy::disallowed_methods, reason = "the test runs itself")]

use std::process::{Command, Output};

use vault::exec::process;

const CANARY: &str = "canary-5d1f9e77c3";
const CHILD: &str = "TESTS_PANICS_CHILD";

/// Runs a test of this file in a process of its own, backtraces on.
fn child(test: &str) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(CHILD, "1").env("RUST_BACKTRACE", "full");
    command.output().unwrap()
}

fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

#[track_caller]
fn says_where_and_not_what(output: &Output) {
    let text = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned();
    assert!(!output.status.success());
    assert!(text.contains("vault: error: internal error at tests/panics.rs:"), "{text}");
    assert!(!text.contains(CANARY), "{text}");
}

#[test]
fn a_payload_is_not_printed() {
    if is_child() {
        let _original = process::harden();
        let value = CANARY.to_owned();
        panic!("the value was {value}");
    }
    says_where_and_not_what(&child("a_payload_is_not_printed"));
}

#[test]
fn an_unwrapped_error_that_quotes_a_value_is_not_printed() {
    if is_child() {
        let _original = process::harden();
        let failed: Result<u8, _> =
            CANARY.parse().map_err(|_: std::num::ParseIntError| format!("could not use {CANARY}"));
        std::thread::spawn(move || failed.unwrap()).join().unwrap();
    }
    says_where_and_not_what(&child("an_unwrapped_error_that_quotes_a_value_is_not_printed"));
}
