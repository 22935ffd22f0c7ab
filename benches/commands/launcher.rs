//! Compiles the yardstick, `benches/launcher/launcher.rs`, with the settings of the release profile.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Outcome;

/// Gives the path of the program.
pub(crate) fn compile(directory: &Path) -> Outcome<PathBuf> {
    let program = directory.join("launcher");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/launcher/launcher.rs");
    let mut rustc = Command::new("rustc");
    // As `[profile.release]` in Cargo.toml.
    let options = ["opt-level=3", "lto=thin", "codegen-units=1", "panic=abort", "strip=symbols"];
    rustc.args(["--edition", "2024"]).args(options.iter().flat_map(|option| ["-C", option]));
    // A static build of vault is compared with a static launcher.
    if let Some(flags) = std::env::var_os("VAULT_BENCH_LAUNCHER_FLAGS") {
        rustc.args(flags.to_string_lossy().split_whitespace());
    }
    let status = rustc.arg("-o").arg(&program).arg(source).status()?;
    if status.success() { Ok(program) } else { Err("the launcher does not compile".into()) }
}
