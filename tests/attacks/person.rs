//! Somebody at a machine of their own: a home directory, an identity, and the program.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use vault::Vault;
use vault::crypto::{DataKey, IdentityKey};

/// A vector: its text, and the identities in it.
pub(crate) struct Vector {
    pub(crate) text: String,
    json: Value,
}

impl Vector {
    pub(crate) fn load(name: &str) -> Self {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/valid");
        let json = fs::read(directory.join(format!("{name}.json"))).unwrap();
        Self {
            text: fs::read_to_string(directory.join(format!("{name}.toml"))).unwrap(),
            json: serde_json::from_slice(&json).unwrap(),
        }
    }

    pub(crate) fn id(&self) -> &str {
        self.json["team"]["id"].as_str().unwrap()
    }

    fn identity_text(&self, device: &str) -> &str {
        self.json["identities"][device].as_str().unwrap()
    }

    pub(crate) fn identity(&self, device: &str) -> IdentityKey {
        IdentityKey::parse(self.identity_text(device)).unwrap()
    }
}

/// A machine with a checkout at `work`.
pub(crate) struct Person {
    root: tempfile::TempDir,
}

/// What a command said and how it ended.
pub(crate) struct Said {
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Person {
    /// A machine without an identity and without a vault.
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for name in ["home", "work"] {
            fs::create_dir(root.path().join(name)).unwrap();
        }
        Self { root }
    }

    /// The machine of a device of a vector's team, where no vault was used yet.
    pub(crate) fn with_identity(vector: &Vector, device: &str) -> Self {
        let person = Self::new();
        let directory = person.root.path().join("home/.config/vault");
        fs::create_dir_all(&directory).unwrap();
        let mut options = fs::OpenOptions::new();
        let mut file = options.create_new(true).write(true).mode(0o600).open(directory.join("identity")).unwrap();
        writeln!(file, "{}", vector.identity_text(device)).unwrap();
        person
    }

    /// The machine of a device of a vector's team, where the vault was trusted and read.
    pub(crate) fn of(vector: &Vector, device: &str) -> Self {
        let person = Self::with_identity(vector, device);
        person.write(&vector.text);
        let trusted = person.with(&[("VLT_VAULT_ID", vector.id())], &["trust"], "");
        assert_eq!(trusted.status, 0, "{}", trusted.err);
        assert_eq!(person.run(&["verify"]).status, 0);
        person
    }

    /// Another machine of the same device: this file, and no memory of what was tried.
    pub(crate) fn forget_all_but(&self, vector: &Vector, text: &str) {
        fs::remove_dir_all(self.root.path().join("home/.local")).unwrap();
        self.write(text);
        let trusted = self.with(&[("VLT_VAULT_ID", vector.id())], &["trust"], "");
        assert_eq!(trusted.status, 0, "{}", trusted.err);
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.root.path().join("work")
    }

    /// The identity of this machine.
    pub(crate) fn identity(&self) -> IdentityKey {
        let text = fs::read_to_string(self.root.path().join("home/.config/vault/identity")).unwrap();
        IdentityKey::parse(text.lines().last().unwrap()).unwrap()
    }

    /// The data key of a profile of the vault here, which this machine can read.
    pub(crate) fn data_key(&self, profile: &str) -> DataKey {
        let vault = Vault::read(self.read().into_bytes(), &[]).unwrap();
        let section = vault.section(&profile.parse().unwrap()).unwrap();
        let identity = self.identity();
        let device = vault.team().device_of(&identity.recipient()).unwrap();
        section.unlock(&vault.id(), vault.team(), &device, &identity).unwrap().0
    }

    pub(crate) fn write(&self, text: &str) {
        let path = self.work().join("vault.toml");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    }

    pub(crate) fn read(&self) -> String {
        fs::read_to_string(self.work().join("vault.toml")).unwrap()
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        self.with(&[], arguments, "")
    }

    pub(crate) fn with(&self, variables: &[(&str, &str)], arguments: &[&str], input: &str) -> Said {
        self.at(&self.work(), variables, arguments, input)
    }

    pub(crate) fn at(&self, place: &Path, variables: &[(&str, &str)], arguments: &[&str], input: &str) -> Said {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vault"));
        command.args(arguments).current_dir(place).env_clear().env("HOME", self.root.path().join("home"));
        command.env("PATH", "/usr/bin:/bin").envs(variables.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A command that refuses early does not read; that is no failure here.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Said { status: status.code().unwrap(), out: text(stdout), err: text(stderr) }
    }

    /// Every file of the state directory.
    pub(crate) fn state(&self) -> BTreeSet<PathBuf> {
        fn walk(directory: &Path, found: &mut BTreeSet<PathBuf>) {
            let Ok(entries) = fs::read_dir(directory) else { return };
            for entry in entries {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, found);
                }
                found.insert(path);
            }
        }
        let mut found = BTreeSet::new();
        walk(&self.root.path().join("home/.local/state"), &mut found);
        found
    }

    /// `verify --json` finds something, of this kind first. Gives the finding.
    #[track_caller]
    pub(crate) fn verify_finds(&self, kind: &str) -> Value {
        let said = self.run(&["verify", "--json"]);
        assert_eq!(said.status, 1, "verify: {} {}", said.out, said.err);
        let report: Value = serde_json::from_str(&said.out).unwrap();
        assert_eq!(report["ok"], false);
        assert_eq!(report["findings"][0]["kind"], kind, "{report}");
        report["findings"][0].clone()
    }

    /// Nothing can be done with the file that stands here: every use and change is
    /// refused with one of `statuses`, the file stays, no value is said, and no new
    /// file is remembered but a log of refusals.
    #[track_caller]
    pub(crate) fn is_refused(&self, profile: &str, secret: &str, statuses: &[i32]) {
        let (file, state) = (self.read(), self.state());
        let value = "value-that-nobody-may-seal";
        let marker = self.work().join("ran");
        let commands: [(&[&str], &str); 6] = [
            (&["get", secret, "-p", profile], ""),
            (&["exec", "-p", profile, "--", "touch", "ran"], ""),
            (&["set", secret, "-", "-p", profile], value),
            (&["set", "NEW", "-", "-p", profile], value),
            (&["set", secret, "--note", "text", "-p", profile], ""),
            (&["rm", secret, "-p", profile], ""),
        ];
        for (command, input) in commands {
            let said = self.with(&[], command, input);
            let wanted = if command[0] == "exec" { said.status == 125 } else { statuses.contains(&said.status) };
            assert!(wanted, "{command:?} exits {}: {}", said.status, said.err);
            assert!(said.err.starts_with("vault: ") && said.out.is_empty(), "{command:?}: {} {}", said.err, said.out);
        }
        assert!(!marker.exists(), "the command was started");
        assert_eq!(self.read(), file, "the file was changed");
        let new: Vec<PathBuf> = self.state().difference(&state).cloned().collect();
        let log =
            |path: &PathBuf| path.parent().is_some_and(|parent| parent.ends_with("audit")) || path.ends_with("audit");
        assert!(new.iter().all(log), "remembered: {new:?}");
    }
}
