use std::path::PathBuf;

use vault::store;

use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::ui::Ui;

/// Write the manual pages, one for each command
///
/// Try one with `man -l DIR/vault.1`. With DIR as `~/.local/share/man/man1`, most
/// systems find them: `man vault-exec`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The directory; it is made if it is missing
    #[arg(value_name = "DIR")]
    directory: PathBuf,

    /// Report what would be written, and change nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

pub(crate) fn run(cx: &mut Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    let mut command = crate::cli::described().disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    render(&command, &mut pages)?;
    if args.dry_run {
        ui.note(&format!("would write {} pages to {}", pages.len(), args.directory.display()));
        return Ok(());
    }
    std::fs::create_dir_all(&args.directory).map_err(|reason| store::Error::Io {
        action: "create",
        path: args.directory.clone(),
        reason,
    })?;
    let _lock = store::Lock::acquire(&args.directory, cx.globals.lock_timeout())?;
    for (name, text) in &pages {
        store::replace(&args.directory.join(name), text, store::Mode::Shared)?;
    }
    ui.note(&format!("wrote {} pages to {}", pages.len(), args.directory.display()));
    Ok(())
}

/// The pages of a command and of those below it.
fn render(command: &clap::Command, pages: &mut Vec<(String, Vec<u8>)>) -> Result<(), CommandError> {
    let page = clap_mangen::Man::new(command.clone());
    let mut text = Vec::new();
    // Writing to memory does not fail.
    page.render(&mut text).map_err(CommandError::StandardOutput)?;
    // As groff names them: it reads bytes, unless it is told of an encoding.
    let text = String::from_utf8_lossy(&text);
    let text = text.chars().map(|c| if c.is_ascii() { c.to_string() } else { format!("\\[u{:04X}]", u32::from(c)) });
    pages.push((page.get_filename(), text.collect::<String>().into_bytes()));
    command.get_subcommands().filter(|below| !below.is_hide_set()).try_for_each(|below| render(below, pages))
}
