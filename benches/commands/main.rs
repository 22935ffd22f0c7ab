//! What the commands of `vault` cost, beside a launcher that does nothing else than
//! `execve`, and what the functions behind them cost. `docs/performance.md` explains
//! the figures. Nothing here fails because of a clock.
//!
//! ```text
//! cargo bench --bench commands                    everything
//! cargo bench --bench commands -- exec            only what has `exec` in its name
//! cargo bench --bench commands -- functions       only the functions
//! VAULT_BENCH_BINARY=PATH cargo bench --bench commands     another build of vault
//! ```
#![expect(clippy::disallowed_methods, reason = "a bench makes files and starts programs")]

mod cases;
mod functions;
mod launcher;
mod measure;
mod table;
mod world;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

use world::{Size, World};

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    // cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["build-world", directory, secrets, devices, profiles] => {
            let size = Size { secrets: secrets.parse()?, devices: devices.parse()?, profiles: profiles.parse()? };
            World::build(Path::new(directory), size, &vault())
        }
        ["run-functions"] => functions::run(),
        filters => run(filters),
    }
}

fn run(filters: &[&str]) -> Outcome<()> {
    let wanted = |name: &str| filters.is_empty() || filters.iter().any(|filter| name.contains(filter));
    let scratch = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let launcher = launcher::compile(&scratch)?;
    for (medium, parent) in [("tmpfs", Path::new("/dev/shm")), ("disk", &scratch)] {
        if parent.is_dir() && cases::all().any(|case| wanted(&case.name)) {
            println!("\nCommands, vault file and state on {medium}\n");
            cases::run(parent, &launcher, &vault(), wanted)?;
        }
    }
    if wanted("functions") {
        println!("\nFunctions\n");
        // In a process of its own: what this one takes in memory shows in its children's peak.
        let status = Command::new(std::env::current_exe()?).arg("run-functions").status()?;
        if !status.success() {
            return Err("the functions failed".into());
        }
    }
    Ok(())
}

/// The program under test.
fn vault() -> PathBuf {
    std::env::var_os("VAULT_BENCH_BINARY").map_or_else(|| env!("CARGO_BIN_EXE_vault").into(), PathBuf::from)
}
