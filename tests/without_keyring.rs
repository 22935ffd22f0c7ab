//! A build without the feature `os-keyring`: what asks for a keyring says so, and the rest works.
#![cfg(not(feature = "os-keyring"))]
#![expect(clippy::disallowed_methods, reason = "tests prepare files and run the program")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

fn vault(home: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vault"));
    command.args(words).env_clear().current_dir(home).env("HOME", home).env("USER", "alice");
    command.env("PATH", std::env::var_os("PATH").unwrap()).output().unwrap()
}

#[track_caller]
fn succeeds(home: &Path, words: &[&str]) -> String {
    let output = vault(home, words);
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// No keyring in this build, and what to do.
#[track_caller]
fn refused(home: &Path, status: i32, words: &[&str]) {
    let output = vault(home, words);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(status), "{words:?}: {said}");
    assert!(said.starts_with("vault: error: this build of vault has no support"), "{words:?}: {said}");
    assert!(said.contains("\nvault: hint: ") && said.contains("vault config identity"), "{words:?}: {said}");
}

#[test]
fn a_build_without_keyrings_says_so() {
    let root = tempfile::tempdir().unwrap();
    let home = root.path();
    std::fs::set_permissions(home, std::fs::Permissions::from_mode(0o700)).unwrap();
    refused(home, 4, &["init", "--keyring"]);
    refused(home, 4, &["identity", "new", "--keyring"]);
    assert_eq!(std::fs::read_dir(home).unwrap().filter(|file| file.as_ref().unwrap().path().is_file()).count(), 0);

    succeeds(home, &["init", "--no-recovery"]);
    succeeds(home, &["set", "K", "--generate"]);
    let identity = home.join(".config/vault/identity");
    let before = std::fs::read(&identity).unwrap();
    refused(home, 4, &["identity", "move", "keyring"]);
    assert_eq!(std::fs::read(&identity).unwrap(), before);
    succeeds(home, &["exec", "--", "true"]);

    // A configuration that another build wrote, and the way back from it.
    succeeds(home, &["config", "identity", "keyring"]);
    refused(home, 4, &["get", "K"]);
    refused(home, 125, &["exec", "--", "true"]);
    succeeds(home, &["list"]);
    succeeds(home, &["config", "identity", "--unset"]);
    assert_eq!(succeeds(home, &["exec", "--", "sh", "-c", "test -n \"$K\" && echo there"]), "there\n");
}
