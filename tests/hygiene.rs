//! Runs `tests/hygiene/hygiene.py`: a command run through `vault` is, but for its
//! environment, the command run directly.

#![cfg(target_os = "linux")]
#![expect(clippy::disallowed_methods, reason = "tests prepare files and run programs")]

#[path = "cli/forms.rs"]
mod forms;
#[allow(dead_code, reason = "one part of what the command tests use")]
#[path = "cli/harness.rs"]
mod harness;

use std::path::Path;
use std::process::Command;

#[test]
fn a_command_run_through_vault_is_the_command() {
    let is_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    for tool in ["python3", "cc"] {
        let found = Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success());
        assert!(found || !is_ci, "{tool} is missing");
        if !found && tool == "python3" {
            return;
        }
    }
    let (world, _) = harness::World::with_secret("HYGIENE_SECRET");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hygiene/hygiene.py");
    // Named by option, so that the variables for credentials are free to be looked at.
    let identity = world.identity_file();
    let prefix = format!("'{}' --identity '{}' exec --", harness::program().display(), identity.display());
    let mut command = Command::new("python3");
    command.arg(script).args(["--vault-exec", &prefix, "--added", "HYGIENE_SECRET"]);
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("HOME", &world.home).env("USER", "alice").env("VLT_FILE", world.vault_file());
    let output = command.current_dir(&world.project).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // As root the script also runs the command as somebody else, to whom this world is closed.
    let text = text.replace("FAIL another user", "skip another user");
    let failed: Vec<&str> = text.lines().filter(|line| line.starts_with("FAIL") || line.starts_with("     ")).collect();
    let ended = text.lines().last().is_some_and(|line| line.ends_with(" failed"));
    assert!(ended && !text.contains("FAIL "), "{failed:#?}\n{}", String::from_utf8_lossy(&output.stderr));
}
