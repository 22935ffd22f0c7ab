//! A world to run `vault` in: a project, a home, no terminal, nothing else.
//!
//! Every run is checked for what holds for all commands: no secret of the world on
//! standard error, nor on standard output unless the test says that the command
//! prints values, nor in the vault file or in what is kept outside it; errors in
//! the form `vault: error: …`, `vault: hint: …`; an end in time.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value as Json;

use crate::forms::{contains, forms};

/// How long a run may take before it counts as hanging.
const PATIENCE: Duration = Duration::from_secs(30);
/// A user that owns nothing.
pub(crate) const NOBODY: u32 = 65534;

/// The program under test.
pub(crate) fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_vault"))
}

/// One user at one clone of a project.
pub(crate) struct World {
    /// Removed with the last user of it.
    root: Rc<tempfile::TempDir>,
    /// What must not be seen; shared by all users of the project.
    canaries: Rc<RefCell<Vec<Vec<u8>>>>,
    pub(crate) home: PathBuf,
    pub(crate) project: PathBuf,
    pub(crate) user: String,
}

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Output {
    /// As a shell tells it: 128 and the signal for a death by signal.
    pub(crate) status: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

/// A run about to be made.
pub(crate) struct Run<'w> {
    world: &'w World,
    words: Vec<OsString>,
    env: BTreeMap<OsString, OsString>,
    directory: PathBuf,
    stdin: Vec<u8>,
    shows_values: bool,
    foreign_stderr: bool,
    redirection: Option<String>,
    unprivileged: bool,
}

/// Files and their bytes.
pub(crate) type Snapshot = BTreeMap<PathBuf, Vec<u8>>;

impl World {
    /// A project without a vault, and a user with an empty home.
    pub(crate) fn bare() -> Self {
        // Fixed for this process and everything it starts.
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
        let root = Rc::new(tempfile::tempdir().expect("a temporary directory"));
        let base = fs::canonicalize(root.path()).expect("the directory was just made");
        fs::set_permissions(&base, fs::Permissions::from_mode(0o755)).expect("it is ours");
        let (home, project) = (base.join("alice"), base.join("alice-project"));
        fs::create_dir(&home).unwrap();
        fs::create_dir(&project).unwrap();
        Self { root, canaries: Rc::default(), home, project, user: "alice".to_owned() }
    }

    /// A project with a vault that alice founded on `alice-laptop`.
    pub(crate) fn new() -> Self {
        let world = Self::bare();
        world.vault(["init", "--device", "alice-laptop"]).ok();
        world.keep_identity();
        world
    }

    /// A vault with one secret, and its value.
    pub(crate) fn with_secret(name: &str) -> (Self, String) {
        let world = Self::new();
        let value = world.secret();
        world.set(name, &value);
        (world, value)
    }

    /// Another user, whose project is a copy of this one as it is now.
    pub(crate) fn clone_for(&self, user: &str) -> Self {
        let (home, project) = (self.base().join(user), self.base().join(format!("{user}-project")));
        fs::create_dir(&home).unwrap();
        copy_tree(&self.project, &project);
        Self { root: self.root.clone(), canaries: self.canaries.clone(), home, project, user: user.to_owned() }
    }

    /// The directory that holds every home and project of this world.
    pub(crate) fn base(&self) -> PathBuf {
        fs::canonicalize(self.root.path()).unwrap()
    }

    /// Runs `vault` with nothing on standard input.
    pub(crate) fn vault<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, words: I) -> Output {
        self.run(words).output()
    }

    /// A run of `vault`, to be completed.
    pub(crate) fn run<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, words: I) -> Run<'_> {
        let mut env = BTreeMap::new();
        env.insert("PATH".into(), std::env::var_os("PATH").unwrap_or_default());
        env.insert("HOME".into(), self.home.clone().into_os_string());
        env.insert("TZ".into(), "UTC".into());
        env.insert("USER".into(), self.user.clone().into());
        Run {
            world: self,
            words: words.into_iter().map(|word| word.as_ref().to_owned()).collect(),
            env,
            directory: self.project.clone(),
            stdin: Vec::new(),
            shows_values: false,
            foreign_stderr: false,
            redirection: None,
            unprivileged: false,
        }
    }

    /// Stores a value.
    pub(crate) fn set(&self, name: &str, value: impl AsRef<[u8]>) {
        self.set_with(name, value, &[]);
    }

    /// Stores a value with further arguments.
    pub(crate) fn set_with(&self, name: &str, value: impl AsRef<[u8]>, more: &[&str]) {
        let mut words = vec!["set", name, "-", "--raw"];
        words.extend(more);
        self.run(words).stdin(value).output().ok();
    }

    /// A value as it was stored.
    pub(crate) fn value(&self, name: &str) -> Vec<u8> {
        self.run(["get", name]).shows_values().output().ok().stdout
    }

    /// A new value that must not be seen: letters and digits that stay as they are in a URL,
    /// JSON or a shell, between characters that do not.
    pub(crate) fn secret(&self) -> String {
        let half = || {
            let bytes = vault::crypto::random::<12>().unwrap();
            data_encoding::BASE32.encode(&bytes).trim_end_matches('=').to_owned()
        };
        let (first, second) = (half(), half());
        self.forbid(&first);
        self.forbid(&second);
        format!("cnry/{first}+{second}=")
    }

    /// Bytes that must not be seen from now on.
    pub(crate) fn forbid(&self, bytes: impl AsRef<[u8]>) {
        self.canaries.borrow_mut().push(bytes.as_ref().to_vec());
    }

    fn keep_identity(&self) {
        let text = String::from_utf8(read(&self.identity_file())).unwrap();
        let secret = text.lines().find(|line| line.starts_with("AGE-SECRET-KEY-1")).unwrap();
        self.forbid(&secret[16..]);
    }

    pub(crate) fn vault_file(&self) -> PathBuf {
        self.project.join("vault.toml")
    }

    pub(crate) fn identity_file(&self) -> PathBuf {
        self.home.join(".config/vault/identity")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.home.join(".local/state/vault")
    }

    /// The bytes of the vault file.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        read(&self.vault_file())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.bytes()).unwrap()
    }

    pub(crate) fn put(&self, bytes: impl AsRef<[u8]>) {
        write(&self.vault_file(), bytes);
    }

    /// The id in the vault file.
    pub(crate) fn id(&self) -> String {
        self.text().lines().nth(2).unwrap()[6..58].to_owned()
    }

    /// The directory of this user's audit logs.
    pub(crate) fn audit_directory(&self) -> PathBuf {
        self.state().join("vaults").join(self.id()).join("audit")
    }

    /// The log of a device.
    pub(crate) fn log_file(&self, device: &str) -> PathBuf {
        self.audit_directory().join(format!("{device}.jsonl"))
    }

    /// All records of a device's log, read without `vault`.
    pub(crate) fn records(&self, device: &str) -> Vec<Json> {
        let Ok(text) = fs::read_to_string(self.log_file(device)) else { return Vec::new() };
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The vault file, the project, the configuration and the state, without the audit log.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut files = Snapshot::new();
        collect(&self.project, &mut files);
        collect(&self.home, &mut files);
        files.retain(|path, _| !path.components().any(|part| part.as_os_str() == "audit"));
        files
    }

    /// Panics if anything but the audit log is another than it was.
    pub(crate) fn assert_unchanged(&self, before: &Snapshot) {
        let now = self.snapshot();
        let names = before.keys().chain(now.keys()).collect::<std::collections::BTreeSet<_>>();
        let changed: Vec<_> = names.into_iter().filter(|path| before.get(*path) != now.get(*path)).collect();
        assert!(changed.is_empty(), "changed: {changed:?}");
    }

    /// Gives everything to a user that may not do everything. True if that was possible or
    /// this is such a user already.
    pub(crate) fn give_to_nobody(&self) -> bool {
        if !rustix::process::geteuid().is_root() {
            return true;
        }
        for directory in [&self.home, &self.project] {
            own_tree(directory);
        }
        let found = Command::new("setpriv").arg("--version").output().is_ok_and(|output| output.status.success());
        assert!(found || std::env::var("CI").is_err(), "setpriv is missing");
        found
    }

    /// Panics if a secret of this world stands in a text.
    pub(crate) fn assert_hidden(&self, text: &str) {
        self.assert_secret(text.as_bytes(), "what the terminal showed");
        self.assert_kept_secret();
    }

    fn assert_secret(&self, bytes: &[u8], what: &str) {
        for canary in self.canaries.borrow().iter() {
            for (form, needle) in forms(canary) {
                assert!(!contains(bytes, &needle), "a secret stands in {what}, {form}");
            }
        }
    }

    fn assert_kept_secret(&self) {
        let mut files = Snapshot::new();
        collect(&self.home, &mut files);
        // The identity, those that a replacement keeps beside it, and what a crash leaves of one: `.identity.tmp`.
        let name_of = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_identity = |path: &Path| {
            path.parent() == self.identity_file().parent()
                && name_of(path).trim_start_matches('.').starts_with("identity")
        };
        files.retain(|path, _| !path.starts_with(self.home.join("private")) && !is_identity(path));
        if let Ok(found) = fs::symlink_metadata(self.vault_file())
            && found.is_file()
            && found.len() < 1 << 24
            && let Ok(bytes) = fs::read(self.vault_file())
        {
            files.insert(self.vault_file(), bytes);
        }
        for (path, bytes) in files {
            self.assert_secret(&bytes, &path.display().to_string());
        }
    }
}

impl Run<'_> {
    /// Bytes for standard input.
    pub(crate) fn stdin(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.stdin = bytes.as_ref().to_vec();
        self
    }

    pub(crate) fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.insert(name.as_ref().into(), value.as_ref().into());
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.env.remove(OsStr::new(name));
        self
    }

    /// More arguments.
    pub(crate) fn args<const N: usize>(mut self, words: [&str; N]) -> Self {
        self.words.extend(words.map(OsString::from));
        self
    }

    /// The working directory.
    pub(crate) fn within(mut self, directory: impl AsRef<Path>) -> Self {
        self.directory = self.directory.join(directory);
        self
    }

    /// Values on standard output are what this run is for.
    pub(crate) fn shows_values(mut self) -> Self {
        self.shows_values = true;
        self
    }

    /// Standard error carries lines of a command that `exec` started.
    pub(crate) fn foreign_stderr(mut self) -> Self {
        self.foreign_stderr = true;
        self
    }

    /// Redirections in the words of a shell, for example `>/dev/full`.
    pub(crate) fn redirect(mut self, redirection: &str) -> Self {
        self.redirection = Some(redirection.to_owned());
        self
    }

    /// Without the rights of root, if this is root.
    pub(crate) fn unprivileged(mut self) -> Self {
        self.unprivileged = true;
        self
    }

    /// The words of the process to start.
    fn argv(&self) -> Vec<OsString> {
        let mut argv: Vec<OsString> = std::iter::once(program().into()).chain(self.words.iter().cloned()).collect();
        if self.unprivileged && rustix::process::geteuid().is_root() {
            let id = NOBODY.to_string();
            let prefix = ["setpriv", "--reuid", &id, "--regid", &id, "--clear-groups"];
            argv.splice(0..0, prefix.map(OsString::from));
        }
        if let Some(redirection) = &self.redirection {
            let script = format!("exec \"$@\" {redirection}");
            argv.splice(0..0, ["/bin/sh", "-c", &script, "sh"].map(OsString::from));
        }
        argv
    }

    /// The command to start, for example on a terminal.
    pub(crate) fn command(&self) -> Command {
        let argv = self.argv();
        let mut command = Command::new(&argv[0]);
        command.args(&argv[1..]).env_clear().envs(&self.env).current_dir(&self.directory);
        command
    }

    /// Starts it and gives the process.
    pub(crate) fn spawn(&self) -> std::process::Child {
        let mut command = self.command();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// Runs it to its end and checks what holds for every run.
    pub(crate) fn output(self) -> Output {
        let mut child = self.spawn();
        let pid = rustix::process::Pid::from_child(&child);
        let (mut input, bytes) = (child.stdin.take().unwrap(), self.stdin.clone());
        let feeder = std::thread::spawn(move || {
            // A command that reads no input closes the pipe.
            let _ = input.write_all(&bytes);
        });
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || sender.send(child.wait_with_output()));
        let result = receiver.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            panic!("hangs: {:?}", self.words)
        });
        feeder.join().unwrap();
        let result = result.unwrap();
        let status = result.status.code().unwrap_or_else(|| 128 + result.status.signal().unwrap_or(0));
        let stderr = String::from_utf8_lossy(&result.stderr).into_owned();
        let output = Output { status, stdout: result.stdout, stderr };
        self.check(&output);
        output
    }

    /// Runs it under strace and gives the system calls of a class, its children's included;
    /// `None` where that is missing or may not trace.
    pub(crate) fn trace(self, class: &str) -> Option<String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        let argv = self.argv();
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-e", "signal=none", "-e", &format!("trace=%{class}"), "-o"]).arg(file.path());
        command.arg("--").args(&argv).env_clear().envs(&self.env).current_dir(&self.directory);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let output = command.output();
        let traced = output.as_ref().is_ok_and(|output| !contains(&output.stderr, b"strace:"));
        assert!(traced || std::env::var("CI").is_err(), "strace does not work: {output:?}");
        traced.then(|| String::from_utf8_lossy(&read(file.path())).into_owned())
    }

    fn check(&self, output: &Output) {
        let what = format!("{:?}", self.words);
        self.world.assert_secret(output.stderr.as_bytes(), &format!("standard error of {what}"));
        if !self.shows_values {
            self.world.assert_secret(&output.stdout, &format!("standard output of {what}"));
        }
        self.world.assert_kept_secret();
        if self.foreign_stderr {
            return;
        }
        let lines: Vec<&str> = output.stderr.lines().collect();
        for line in &lines {
            assert!(!line.chars().any(vault::is_hostile), "{what}: control characters: {line:?}");
            assert!(!line.contains("panicked") && !line.contains("internal error"), "{what}: {line}");
        }
        let errors: Vec<usize> = (0..lines.len()).filter(|n| lines[*n].starts_with("vault: error: ")).collect();
        assert!(errors.len() <= 1, "{what}: several errors: {lines:?}");
        if let [at] = errors[..] {
            assert_ne!(output.status, 0, "{what}: an error and status 0: {lines:?}");
            let text = &lines[at]["vault: error: ".len()..];
            assert!(!text.ends_with('.') && !text.is_empty(), "{what}: {text:?}");
            let first = text.chars().next().unwrap();
            let name = text.split([' ', ':']).next().unwrap();
            let is_name = name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
            assert!(!first.is_uppercase() || is_name, "{what}: begins with a capital: {text:?}");
            assert!(lines.len() - at <= 2, "{what}: more than a hint behind the error: {lines:?}");
            if let Some(hint) = lines.get(at + 1) {
                assert!(hint.starts_with("vault: hint: ") && !hint.ends_with('.'), "{what}: {hint:?}");
            }
        }
    }
}

impl Output {
    /// The run succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        self.exits(0)
    }

    /// The run ended with a status.
    #[track_caller]
    pub(crate) fn exits(self, status: i32) -> Self {
        assert_eq!(self.status, status, "stderr: {}stdout: {}", self.stderr, self.out());
        self
    }

    /// The run failed: status, a part of the error, a part of the hint (empty for "no hint"),
    /// and nothing on standard output.
    #[track_caller]
    pub(crate) fn fails(self, status: i32, error: &str, hint: &str) -> Self {
        let output = self.exits(status);
        assert!(output.error().contains(error), "error {:?} lacks {error:?}", output.error());
        match output.hint() {
            None => assert!(hint.is_empty(), "no hint; wanted {hint:?} behind {:?}", output.error()),
            Some(found) if hint.is_empty() => panic!("a hint: {found:?}"),
            Some(found) => assert!(found.contains(hint), "hint {found:?} lacks {hint:?}"),
        }
        assert!(output.stdout.is_empty(), "stdout: {}", output.out());
        output
    }

    /// As [`Self::fails`], whatever the hint.
    #[track_caller]
    pub(crate) fn fails_with(self, status: i32, error: &str) -> Self {
        let output = self.exits(status);
        assert!(output.error().contains(error), "error {:?} lacks {error:?}", output.error());
        assert!(output.stdout.is_empty(), "stdout: {}", output.out());
        output
    }

    /// Standard error holds a text.
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

    /// Standard output holds a text.
    #[track_caller]
    pub(crate) fn prints(self, text: &str) -> Self {
        assert!(self.out().contains(text), "stdout lacks {text:?}: {}", self.out());
        self
    }

    /// Nothing on standard error.
    #[track_caller]
    pub(crate) fn silent(self) -> Self {
        assert_eq!(self.stderr, "");
        self
    }

    pub(crate) fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub(crate) fn json(&self) -> Json {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.out()))
    }

    pub(crate) fn error(&self) -> &str {
        self.labelled("vault: error: ").unwrap_or_default()
    }

    pub(crate) fn hint(&self) -> Option<&str> {
        self.labelled("vault: hint: ")
    }

    /// The warnings, in order.
    pub(crate) fn warnings(&self) -> Vec<&str> {
        self.stderr.lines().filter_map(|line| line.strip_prefix("vault: warning: ")).collect()
    }

    fn labelled(&self, label: &str) -> Option<&str> {
        self.stderr.lines().find_map(|line| line.strip_prefix(label))
    }
}

/// The keys of an object, in their order.
pub(crate) fn keys(object: &Json) -> Vec<String> {
    object.as_object().unwrap_or_else(|| panic!("not an object: {object}")).keys().cloned().collect()
}

/// Keys in the order in which JSON objects give theirs here.
pub(crate) fn sorted(names: &[&str]) -> Vec<String> {
    let mut names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    names.sort();
    names
}

pub(crate) fn read(path: &Path) -> Vec<u8> {
    fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn write(path: &Path, bytes: impl AsRef<[u8]>) {
    fs::write(path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// A file that only its owner may read.
pub(crate) fn write_private(path: &Path, bytes: impl AsRef<[u8]>) {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).unwrap();
    }
    write(path, bytes);
    set_mode(path, 0o600);
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Runs git in a directory, with a configuration of its own.
pub(crate) fn git(directory: &Path, words: &[&str]) {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"]);
    command.args(words).current_dir(directory).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    let output = command.output().expect("git is installed");
    assert!(output.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn collect(directory: &Path, into: &mut Snapshot) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        let found = fs::symlink_metadata(&path).unwrap();
        if found.is_dir() {
            if path.file_name() != Some(OsStr::new(".git")) {
                collect(&path, into);
            }
        } else if found.is_file() && found.len() < 1 << 24 {
            into.insert(path.clone(), read(&path));
        } else {
            into.insert(path, format!("{} {}", found.mode(), found.len()).into_bytes());
        }
    }
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, to) = {
            let entry = entry.unwrap();
            (entry.path(), to.join(entry.file_name()))
        };
        if path.is_dir() {
            copy_tree(&path, &to);
        } else {
            fs::copy(&path, &to).unwrap();
        }
    }
}

fn own_tree(path: &Path) {
    std::os::unix::fs::lchown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    if fs::symlink_metadata(path).unwrap().is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            own_tree(&entry.unwrap().path());
        }
    }
}

/// Waits for something that is about to be so.
pub(crate) fn wait_for(what: &str, is_so: impl Fn() -> bool) {
    let start = std::time::Instant::now();
    while !is_so() {
        assert!(start.elapsed() < std::time::Duration::from_secs(30), "waited in vain: {what}");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}
