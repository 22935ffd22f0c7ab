//! People around one repository. Every run is checked for what holds for all of them:
//! no value and no identity in what is said, in the file, or in the state.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;

use serde_json::Value as Json;
use vault::Vault;
use vault::crypto::IdentityKey;

/// A bare repository, and what must not be seen.
pub(crate) struct World {
    root: tempfile::TempDir,
    canaries: Rc<RefCell<Vec<String>>>,
}

/// One user at one clone.
pub(crate) struct Person {
    pub(crate) user: String,
    pub(crate) home: PathBuf,
    pub(crate) clone: PathBuf,
    env: BTreeMap<String, String>,
    canaries: Rc<RefCell<Vec<String>>>,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl World {
    /// A repository with a vault that alice founded on `alice-laptop`, with a recovery
    /// code in her home.
    pub(crate) fn new() -> (Self, Person) {
        Self::founded(&["--recovery-file", "~/recovery-code"])
    }

    /// As [`World::new`], without a recovery code.
    pub(crate) fn without_recovery() -> (Self, Person) {
        Self::founded(&["--no-recovery"])
    }

    fn founded(more: &[&str]) -> (Self, Person) {
        let world = Self::empty();
        let alice = world.person("alice");
        let more: Vec<String> = more.iter().map(|word| word.replace('~', alice.home.to_str().unwrap())).collect();
        let mut words = vec!["init", "--device", "alice-laptop"];
        words.extend(more.iter().map(String::as_str));
        alice.vault(&words).ok();
        alice.push("found the vault");
        (world, alice)
    }

    /// A repository with nothing in it.
    pub(crate) fn empty() -> Self {
        let world = Self { root: tempfile::tempdir().unwrap(), canaries: Rc::default() };
        git(world.base(), &["init", "--quiet", "--bare", "remote.git"]).ok();
        world
    }

    pub(crate) fn base(&self) -> &Path {
        self.root.path()
    }

    /// Somebody with an empty home and a fresh clone.
    pub(crate) fn person(&self, user: &str) -> Person {
        let home = self.base().join(user);
        fs::create_dir_all(&home).unwrap();
        let clone = self.base().join(format!("{user}-app"));
        git(self.base(), &["clone", "--quiet", "remote.git", clone.to_str().unwrap()]).ok();
        let env = [
            ("HOME", home.to_str().unwrap()),
            ("USER", user),
            ("PATH", &std::env::var("PATH").unwrap()),
            ("TZ", "UTC"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        Person {
            user: user.to_owned(),
            home: home.clone(),
            clone,
            env: BTreeMap::from(env),
            canaries: self.canaries.clone(),
        }
    }

    /// A person whose request `alice` approved with `access`, at a clone that has it.
    pub(crate) fn member(&self, alice: &Person, user: &str, access: &[&str]) -> Person {
        let person = self.person(user);
        let request = person.join(alice, &["--device", &format!("{user}-laptop")]);
        let mut words = vec!["member", "approve", &request];
        words.extend(access);
        alice.vault(&words).ok();
        alice.push(&format!("approve {user}"));
        person.pull();
        person
    }
}

impl Person {
    /// Runs `vault` without a terminal.
    pub(crate) fn vault(&self, words: &[&str]) -> Output {
        self.run(words, "", &[])
    }

    /// Runs `vault` with standard input and further variables.
    pub(crate) fn run(&self, words: &[&str], stdin: &str, env: &[(&str, &str)]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vault"));
        command.args(words).env_clear().envs(&self.env).envs(env.iter().copied()).current_dir(&self.clone);
        let output = finish(command, stdin);
        self.check(words, &output);
        output
    }

    /// What no run may leave behind: values and identities outside of their places.
    fn check(&self, words: &[&str], output: &Output) {
        let shows = ["get", "exec", "export", "--new-identity"].iter().any(|word| words.contains(word));
        let file = fs::read_to_string(self.clone.join("vault.toml")).unwrap_or_default();
        for canary in self.canaries.borrow().iter() {
            assert!(!output.stderr.contains(canary), "{words:?}: a secret on standard error");
            assert!(shows || !output.stdout.contains(canary), "{words:?}: a secret on standard output");
            assert!(!file.contains(canary), "{words:?}: a secret in the vault file");
        }
        assert!(!output.stderr.contains("panicked"), "{words:?}: {}", output.stderr);
    }

    /// The line that `vault join` prints, on a device that got the id from `told_by`.
    pub(crate) fn join(&self, told_by: &Person, more: &[&str]) -> String {
        let mut words = vec!["join"];
        words.extend(more);
        let output = self.run(&words, "", &[("VLT_VAULT_ID", &told_by.id())]).ok();
        if let Ok(text) = fs::read_to_string(self.identity_file()) {
            let secret = text.lines().find(|line| line.starts_with("AGE-SECRET-KEY-1")).unwrap();
            self.forbid(secret);
        }
        output.stdout.trim().to_owned()
    }

    pub(crate) fn forbid(&self, secret: &str) {
        self.canaries.borrow_mut().push(secret.to_owned());
    }

    /// Stores a value of a profile that must not be seen from then on.
    pub(crate) fn set(&self, profile: &str, name: &str, value: &str) {
        self.forbid(value);
        self.run(&["-p", profile, "set", name, "-"], value, &[]).ok();
    }

    pub(crate) fn value(&self, profile: &str, name: &str) -> Output {
        self.vault(&["-p", profile, "get", name])
    }

    /// Commits the vault file and pushes it.
    pub(crate) fn push(&self, message: &str) {
        git(&self.clone, &["add", "--all"]).ok();
        git(&self.clone, &["commit", "--quiet", "--message", message]).ok();
        git(&self.clone, &["push", "--quiet", "origin", "HEAD:main"]).ok();
    }

    pub(crate) fn pull(&self) {
        git(&self.clone, &["pull", "--quiet", "--ff-only", "origin", "main"]).ok();
    }

    pub(crate) fn vault_file(&self) -> PathBuf {
        self.clone.join("vault.toml")
    }

    pub(crate) fn text(&self) -> String {
        fs::read_to_string(self.vault_file()).unwrap()
    }

    pub(crate) fn put(&self, text: &str) {
        fs::write(self.vault_file(), text).unwrap();
    }

    pub(crate) fn opened(&self) -> Vault {
        Vault::read(self.text().into_bytes(), &[]).unwrap()
    }

    pub(crate) fn id(&self) -> String {
        self.text().lines().nth(2).unwrap()[6..58].to_owned()
    }

    pub(crate) fn identity_file(&self) -> PathBuf {
        self.home.join(".config/vault/identity")
    }

    pub(crate) fn identity(&self) -> IdentityKey {
        let text = fs::read_to_string(self.identity_file()).unwrap();
        IdentityKey::parse(text.lines().find(|line| line.starts_with("AGE-SECRET-KEY-1")).unwrap()).unwrap()
    }

    /// What the device's log holds, read without `vault`.
    pub(crate) fn records(&self, device: &str) -> Vec<Json> {
        let state = self.home.join(".local/state/vault/vaults").join(self.id());
        let Ok(text) = fs::read_to_string(state.join("audit").join(format!("{device}.jsonl"))) else {
            return Vec::new();
        };
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Action, outcome and names of the last records.
    pub(crate) fn last_records(&self, device: &str, count: usize) -> Vec<(String, String, Vec<String>)> {
        let records = self.records(device);
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        records[records.len().saturating_sub(count)..]
            .iter()
            .map(|record| {
                let names = record["names"].as_array().into_iter().flatten().map(text).collect();
                (text(&record["action"]), text(&record["outcome"]), names)
            })
            .collect()
    }

    /// Every version of the vault file that was pushed, oldest first.
    pub(crate) fn history(&self) -> Vec<String> {
        let commits = git(&self.clone, &["log", "--reverse", "--format=%H", "--", "vault.toml"]).ok().stdout;
        commits.lines().map(|commit| git(&self.clone, &["show", &format!("{commit}:vault.toml")]).ok().stdout).collect()
    }

    pub(crate) fn env(&self) -> &BTreeMap<String, String> {
        &self.env
    }

    /// Runs a command that must fail and change neither the file nor the configuration.
    #[track_caller]
    pub(crate) fn refused(&self, words: &[&str], status: i32, error: &str) -> Output {
        self.refused_with(words, "", &[], status, error)
    }

    #[track_caller]
    pub(crate) fn refused_with(
        &self,
        words: &[&str],
        stdin: &str,
        env: &[(&str, &str)],
        status: i32,
        error: &str,
    ) -> Output {
        let before = (self.text(), list(&self.home), list(&self.clone));
        let output = self.run(words, stdin, env).fails(status, error);
        assert_eq!(before.0, self.text(), "{words:?} changed the file");
        assert_eq!((before.1, before.2), (list(&self.home), list(&self.clone)), "{words:?} left files behind");
        assert_eq!(output.stdout, "", "{words:?}");
        output
    }
}

impl Output {
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        assert_eq!(self.status, 0, "stderr: {}stdout: {}", self.stderr, self.stdout);
        self
    }

    #[track_caller]
    pub(crate) fn fails(self, status: i32, error: &str) -> Self {
        assert_eq!(self.status, status, "stderr: {}stdout: {}", self.stderr, self.stdout);
        assert!(self.stderr.contains(error), "stderr lacks {error:?}: {}", self.stderr);
        self
    }

    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "stderr lacks {text:?}: {}", self.stderr);
        self
    }

    #[track_caller]
    pub(crate) fn says_not(self, text: &str) -> Self {
        assert!(!self.stderr.contains(text), "stderr has {text:?}: {}", self.stderr);
        self
    }

    pub(crate) fn json(&self) -> Json {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}

/// Runs git with a configuration of its own.
pub(crate) fn git(directory: &Path, words: &[&str]) -> Output {
    let mut command = Command::new("git");
    for (key, value) in [("user.name", "t"), ("user.email", "t@example.com"), ("init.defaultBranch", "main")] {
        command.arg("-c").arg(format!("{key}={value}"));
    }
    command.args(words).current_dir(directory).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    finish(command, "")
}

/// Runs a program to its end.
pub(crate) fn finish(mut command: Command, stdin: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A program that reads no input closes the pipe; what tests send fits its buffer.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    Output {
        status: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Names of all files below a directory, but for git's and the state.
fn list(directory: &Path) -> Vec<PathBuf> {
    let mut names = Vec::new();
    let mut open = vec![directory.to_path_buf()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.ends_with(".git") || path.ends_with(".local") {
                continue;
            }
            if path.is_dir() { open.push(path) } else { names.push(path) }
        }
    }
    names.sort();
    names
}

/// The keys of an object, in order.
pub(crate) fn keys(object: &Json) -> Vec<&str> {
    object.as_object().unwrap_or_else(|| panic!("not an object: {object}")).keys().map(String::as_str).collect()
}
