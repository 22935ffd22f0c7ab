//! Files as an earlier version wrote them open with this one (scorecard row 34).

#![expect(clippy::disallowed_methods, reason = "the test prepares files and runs the program")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use vault::audit::{Expect, Finding, Kind, verify};
use vault::crypto::IdentityKey;
use vault::identity::RecoveryCode;
use vault::secret_value::SecretValue;
use vault::{Action, Vault};

fn frozen(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/frozen/format-1").join(name)
}

/// The frozen vault at a place of its own.
struct Place {
    root: tempfile::TempDir,
    id: String,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for name in ["vault.toml", "identity"] {
            fs::copy(frozen(name), root.path().join(name)).unwrap();
        }
        fs::set_permissions(root.path().join("identity"), fs::Permissions::from_mode(0o600)).unwrap();
        let vault = Vault::read(fs::read(frozen("vault.toml")).unwrap(), &[]).unwrap();
        Self { root, id: vault.id().to_string() }
    }

    fn run(&self, words: &[&str], input: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vault"));
        command.args(words).env_clear().current_dir(self.root.path());
        command.env("HOME", self.root.path()).env("VLT_VAULT_ID", &self.id);
        command.env("VLT_IDENTITY_FILE", self.root.path().join("identity"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A command that reads nothing may have ended.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    #[track_caller]
    fn ok(&self, words: &[&str], input: &str) -> Vec<u8> {
        let output = self.run(words, input);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }
}

#[test]
fn a_vault_of_format_1_opens_and_can_be_written_on() {
    let place = Place::new();
    let values: [(&[&str], &[u8]); 5] = [
        (&["get", "TOKEN"], b"three"),
        (&["get", "TOKEN", "--version", "1"], b"one"),
        (&["get", "TOKEN", "--version", "2"], b"two"),
        (&["get", "BYTES"], b"line\n\xff\n"),
        (&["get", "TOKEN", "-p", "prod"], b"prod-value"),
    ];
    for (words, value) in values {
        assert_eq!(place.ok(words, ""), value, "{words:?}");
    }
    place.ok(&["verify"], "");
    let shown: serde_json::Value = serde_json::from_slice(&place.ok(&["show", "TOKEN", "--json"], "")).unwrap();
    assert_eq!((&shown["rotate_every"], &shown["owner"]), (&"90d".into(), &"alice".into()));
    place.ok(&["set", "TOKEN", "-"], "four");
    place.ok(&["profile", "rekey"], "");
    place.ok(&["verify"], "");
    assert_eq!(place.ok(&["get", "TOKEN", "--version", "2"], ""), b"two");
}

#[test]
fn its_recovery_code_opens_its_recovery_device() {
    let vault = Vault::read(fs::read(frozen("vault.toml")).unwrap(), &[]).unwrap();
    let text = fs::read_to_string(frozen("recovery-code")).unwrap();
    let code = text.lines().find_map(|line| RecoveryCode::parse(&SecretValue::from(line.as_bytes())).ok()).unwrap();
    let recovery = vault.team().recovery().unwrap();
    assert!(recovery.sealed.open(&code.as_passphrase(), &recovery.recipient, &recovery.signing_key).is_ok());
}

#[test]
fn its_log_verifies_record_for_record() {
    let vault = Vault::read(fs::read(frozen("vault.toml")).unwrap(), &[]).unwrap();
    let identity = fs::read_to_string(frozen("identity")).unwrap();
    let identity = identity.lines().find(|line| line.starts_with("AGE-")).unwrap();
    let key = IdentityKey::parse(identity).unwrap().signing_key().public();
    assert!(vault.changes().any(|change| matches!(change.action, Action::Found { .. })));
    let log = fs::read(frozen("laptop.jsonl")).unwrap();
    let keys = [key];
    let expect = Expect { vault: vault.id(), device: Some("laptop"), signing_keys: &keys, anchors: &[] };
    let report = verify(&log[..], &expect, true).unwrap();
    let findings: Vec<&Finding> = report.findings.iter().filter(|finding| finding.kind != Kind::Uncertified).collect();
    assert!(findings.is_empty(), "{findings:?}");
    assert_eq!(report.records, 22);
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let place = Place::new();
    let file = place.root.path().join("vault.toml");
    let newer = fs::read_to_string(&file).unwrap().replacen("vault = 1", "vault = 2", 1);
    fs::write(&file, &newer).unwrap();
    for words in [&["get", "TOKEN"][..], &["set", "TOKEN", "-"], &["rm", "TOKEN"], &["profile", "rekey"], &["list"]] {
        let output = place.run(words, "x");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(5), "{words:?}: {said}");
        assert!(said.contains("newer"), "{words:?}: {said}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), newer);
}
