//! What every record says of who and where.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use vault::audit::{self, Origin};
use vault::crypto::Hash;

use super::context::Context;

impl Context {
    pub(super) fn origin(&self, member: Option<String>) -> Origin {
        let is_set = |name: &str| self.variables.is_set(name);
        let bounded = |text: String| text.chars().take(1000).collect::<String>();
        let tty =
            rustix::termios::isatty(std::io::stdin().as_fd()) || rustix::termios::isatty(std::io::stderr().as_fd());
        Origin {
            user: rustix::process::getuid().as_raw().to_string(),
            member,
            cwd: std::env::current_dir().ok().map(|path| bounded(path.display().to_string())),
            parent: parent_program(),
            tty,
            ci: audit::ci_from(&is_set).map(str::to_owned),
            agent: audit::agent_from(&is_set).map(str::to_owned),
        }
    }
}

/// What tells this machine from others, for one vault; nothing where the system has no
/// id for it (machine-id(5)), or a made-up one.
pub(super) fn machine(vault: &Hash) -> Option<Hash> {
    let id = vault::store::read(Path::new("/etc/machine-id"), 64).ok()?;
    let id = id.trim_ascii();
    let is_id = id.len() == 32 && id.iter().all(u8::is_ascii_hexdigit);
    is_id.then(|| Hash::of_parts(&[b"vault/v1/machine", vault.as_bytes(), id]))
}

/// The name of the program that started this one, where the system tells.
fn parent_program() -> Option<String> {
    let parent = rustix::process::getppid()?.as_raw_nonzero();
    let path = PathBuf::from(format!("/proc/{parent}/comm"));
    let name = vault::store::read(&path, 64).ok()?;
    Some(String::from_utf8_lossy(&name).trim_end().to_owned())
}
