//! A desktop's keyring: a D-Bus of its own with gnome-keyring on it, in the home of a world.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::{Run, World};

const SERVICE: &str = "org.freedesktop.secrets";

/// Ends its programs, by their process ids, when it is dropped.
pub(crate) struct Desktop {
    pub(crate) address: String,
    home: PathBuf,
    bus: Child,
    keyring: Child,
}

impl Desktop {
    /// Starts one, with an unlocked default collection; `None` where its programs are missing.
    pub(crate) fn start(world: &World) -> Option<Self> {
        let wanted = ["dbus-daemon", "dbus-send", "gnome-keyring-daemon", "secret-tool"];
        if let Some(missing) = wanted.iter().find(|program| !is_installed(program)) {
            assert!(std::env::var("CI").is_err(), "{missing} is missing");
            return None;
        }
        let home = world.home.clone();
        // Without a default collection the daemon would ask for one on a screen.
        let keyrings = home.join(".local/share/keyrings");
        fs::create_dir_all(&keyrings).unwrap();
        fs::write(keyrings.join("default"), "login").unwrap();
        let services = home.join("dbus-services");
        fs::create_dir_all(&services).unwrap();
        let config = home.join("dbus.conf");
        let socket = world.base().join("bus");
        fs::write(
            &config,
            format!(
                "<!DOCTYPE busconfig PUBLIC '-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN' \
                 'http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd'>\n\
                 <busconfig><type>session</type><listen>unix:path={}</listen><servicedir>{}</servicedir>\
                 <policy context='default'><allow send_destination='*' eavesdrop='true'/><allow eavesdrop='true'/>\
                 <allow own='*'/></policy></busconfig>\n",
                socket.display(),
                services.display()
            ),
        )
        .unwrap();
        let mut bus = clean("dbus-daemon", &home)
            .arg(format!("--config-file={}", config.display()))
            .args(["--nofork", "--print-address=1"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut address = String::new();
        BufReader::new(bus.stdout.take().unwrap()).read_line(&mut address).unwrap();
        let address = address.trim_end().to_owned();
        let mut keyring = clean("gnome-keyring-daemon", &home)
            .args(["--foreground", "--unlock", "--components=secrets"])
            .env("DBUS_SESSION_BUS_ADDRESS", &address)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        keyring.stdin.take().unwrap().write_all(b"login password").unwrap();
        let desktop = Self { address, home, bus, keyring };
        let owned = || {
            let name = format!("string:{SERVICE}");
            let words = ["--dest=org.freedesktop.DBus", "/", "org.freedesktop.DBus.NameHasOwner", &name];
            desktop.send(&words).contains("boolean true")
        };
        let began = Instant::now();
        while !owned() {
            assert!(began.elapsed() < Duration::from_secs(30), "gnome-keyring does not come up");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(desktop)
    }

    /// A run on this desktop.
    pub(crate) fn on<'w>(&self, run: Run<'w>) -> Run<'w> {
        run.env("DBUS_SESSION_BUS_ADDRESS", &self.address)
    }

    /// Locks the default collection, as leaving the screen may.
    pub(crate) fn lock(&self) {
        let path = "array:objpath:/org/freedesktop/secrets/collection/login";
        self.send(&["--dest=org.freedesktop.secrets", "/org/freedesktop/secrets", SERVICE_LOCK, path]);
    }

    /// From now on what asks for a password takes for ever to come up.
    pub(crate) fn prompts_never_appear(&self) {
        let service = "[D-BUS Service]\nName=org.gnome.keyring.SystemPrompter\nExec=/bin/sleep 600\n";
        fs::write(self.home.join("dbus-services/prompter.service"), service).unwrap();
        let words = ["--dest=org.freedesktop.DBus", "/", "org.freedesktop.DBus.ReloadConfig"];
        self.send(&words);
    }

    /// What another program finds in the keyring.
    pub(crate) fn lookup(&self) -> Option<String> {
        let output = clean("secret-tool", &self.home)
            .args(["lookup", "service", "vault-identity", "username", "this-device"])
            .env("DBUS_SESSION_BUS_ADDRESS", &self.address)
            .output()
            .unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    }

    /// Has another program remove it there.
    pub(crate) fn clear(&self) {
        let status = clean("secret-tool", &self.home)
            .args(["clear", "service", "vault-identity", "username", "this-device"])
            .env("DBUS_SESSION_BUS_ADDRESS", &self.address)
            .status();
        assert!(status.is_ok());
    }

    /// Has another program keep something there.
    pub(crate) fn store(&self, text: &str) {
        let mut child = clean("secret-tool", &self.home)
            .args(["store", "--label=x", "service", "vault-identity", "username", "this-device"])
            .env("DBUS_SESSION_BUS_ADDRESS", &self.address)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
    }

    fn send(&self, words: &[&str]) -> String {
        let output = clean("dbus-send", &self.home)
            .args(["--session", "--print-reply"])
            .args(words)
            .env("DBUS_SESSION_BUS_ADDRESS", &self.address)
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

const SERVICE_LOCK: &str = "org.freedesktop.Secret.Service.Lock";

impl Drop for Desktop {
    fn drop(&mut self) {
        for child in [&mut self.keyring, &mut self.bus] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn clean(program: &str, home: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("HOME", home).env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}
