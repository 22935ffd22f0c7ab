//! People with a clone, a HOME and a state of their own, and a bare repository between them.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "a module of several tests, each of which uses some of it")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use vault::clock::Timestamp;
use vault::crypto::IdentityKey;
use vault::identity::{IdentityFile, write_plain};
use vault::{Memory, NewDevice, Role, Signer, Transaction, Vault, team};

pub struct World {
    root: tempfile::TempDir,
}

/// One machine.
pub struct Person {
    pub name: &'static str,
    home: PathBuf,
    pub clone: PathBuf,
}

pub fn now() -> Timestamp {
    Timestamp::parse("2026-11-22T09:00:00Z").unwrap()
}

impl World {
    pub fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let world = Self { root };
        let bare = Command::new("git").args(["init", "-q", "--bare", "-b", "main"]).arg(world.remote()).status();
        assert!(bare.unwrap().success());
        world
    }

    fn remote(&self) -> PathBuf {
        self.root.path().join("remote.git")
    }

    pub fn person(&self, name: &'static str) -> Person {
        let home = self.root.path().join(name);
        std::fs::create_dir_all(home.join("c/vault")).unwrap();
        let person = Person { name, clone: home.join("clone"), home };
        let cloned =
            person.command("git").current_dir(&person.home).arg("clone").arg("-q").arg(self.remote()).arg("clone");
        run(cloned, b"");
        person
    }

    /// Alice founds a vault, with Bob as a second admin or, with `profiles`, a writer.
    pub fn alice_and_bob(&self, role: &Role) -> (Person, Person) {
        let alice = self.person("alice");
        alice.vault(&["init", "--member", "alice", "--device", "alice-laptop", "--no-recovery"]);
        alice.set("SHARED", "first");
        let bob_identity = IdentityKey::generate().unwrap();
        alice.enter("bob", &bob_identity, role);
        alice.git(&["add", "."]);
        alice.git(&["commit", "-qm", "found"]);
        alice.git(&["push", "-q", "origin", "HEAD:main"]);
        let bob = self.person("bob");
        write_plain(&bob.home.join("c/vault/identity"), &bob_identity, now()).unwrap();
        bob.vault_in(&[("VLT_VAULT_ID", &alice.id())], &["git", "install"], b"");
        bob.vault_in(&[("VLT_VAULT_ID", &alice.id())], &["list"], b"");
        (alice, bob)
    }
}

pub fn admin() -> Role {
    Role { admin: true, ..Role::default() }
}

pub fn writer(profile: &str) -> Role {
    Role { write: [profile.parse().unwrap()].into(), ..Role::default() }
}

fn run(command: &mut Command, input: &[u8]) -> Output {
    use std::io::Write;
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A program that does not read its input may have gone already.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Person {
    fn command(&self, program: &str) -> &'static mut Command {
        let mut command = Box::new(Command::new(program));
        command.env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap());
        command.env("HOME", &self.home);
        command.env("XDG_CONFIG_HOME", self.home.join("c")).env("XDG_STATE_HOME", self.home.join("s"));
        command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_TERMINAL_PROMPT", "0").env("GIT_EDITOR", "true");
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), self.name).env(format!("GIT_{who}_EMAIL"), "someone@example.com");
        }
        if self.clone.is_dir() {
            command.current_dir(&self.clone);
        }
        // Lives as long as the test, which is not long.
        Box::leak(command)
    }

    pub fn try_git(&self, args: &[&str]) -> Output {
        run(self.command("git").args(args), b"")
    }

    pub fn git(&self, args: &[&str]) -> String {
        let output = self.try_git(args);
        assert!(output.status.success(), "{}: git {args:?}: {}", self.name, text(&output.stderr));
        text(&output.stdout)
    }

    pub fn try_vault(&self, args: &[&str], input: &[u8]) -> Output {
        self.try_vault_in(&[], args, input)
    }

    pub fn try_vault_in(&self, variables: &[(&str, &str)], args: &[&str], input: &[u8]) -> Output {
        let command = self.command(env!("CARGO_BIN_EXE_vault"));
        run(command.envs(variables.iter().copied()).args(args), input)
    }

    pub fn vault_in(&self, variables: &[(&str, &str)], args: &[&str], input: &[u8]) -> Output {
        let output = self.try_vault_in(variables, args, input);
        assert!(output.status.success(), "{}: vault {args:?}: {}", self.name, text(&output.stderr));
        output
    }

    pub fn vault(&self, args: &[&str]) -> String {
        text(&self.vault_in(&[], args, b"").stdout)
    }

    pub fn set(&self, name: &str, value: &str) {
        self.vault_in(&[], &["set", name, "-"], value.as_bytes());
    }

    pub fn get(&self, name: &str) -> String {
        self.vault(&["get", name])
    }

    pub fn file(&self) -> PathBuf {
        self.clone.join("vault.toml")
    }

    pub fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.file()).unwrap()
    }

    pub fn read(&self) -> Vault {
        Vault::read(self.bytes(), &[]).unwrap()
    }

    pub fn id(&self) -> String {
        self.read().id().to_string()
    }

    pub fn commit(&self, message: &str) {
        self.git(&["commit", "-qam", message]);
    }

    pub fn identity(&self) -> IdentityKey {
        match IdentityFile::read(&self.home.join("c/vault/identity")).unwrap() {
            IdentityFile::Plain(key) => key,
            IdentityFile::Sealed(_) => panic!("tests keep plain identities"),
        }
    }

    /// Changes the team as this person, and has the command line learn of it.
    pub fn change(&self, edit: impl FnOnce(&mut Transaction, &Signer<'_>)) {
        let identity = self.identity();
        let vault = self.read();
        let device = vault.team().device_of(&identity.recipient()).unwrap();
        let signer = Signer { device, identity: &identity };
        let mut tx = Transaction::begin(&self.file(), &[], Duration::from_secs(5)).unwrap();
        edit(&mut tx, &signer);
        tx.commit(&signer, &Memory::new(vault.id()), None, now()).unwrap();
        self.vault(&["list"]);
    }

    /// Adds a member with one device `NAME-laptop`.
    pub fn enter(&self, member: &str, identity: &IdentityKey, role: &Role) {
        let device = NewDevice {
            device: format!("{member}-laptop").parse().unwrap(),
            recipient: identity.recipient(),
            signing_key: Some(identity.signing_key().public()),
        };
        self.change(|tx, signer| team::add(tx, &member.parse().unwrap(), device, role, signer, now()).unwrap());
    }

    pub fn push(&self) {
        self.git(&["push", "-q", "origin", "HEAD:main"]);
    }

    /// Everything verifies, and every value opens.
    pub fn verify(&self) {
        let said = self.vault(&["verify"]);
        assert!(said.starts_with("ok"), "{said}");
    }
}

pub fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
