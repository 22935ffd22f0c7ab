use crate::cli::error::CommandError;
use crate::cli::ui::Ui;

/// Print a script that completes commands, options and names in a shell
///
/// Names of secrets, profiles, members and devices come from the vault of the working
/// directory; nothing is unlocked for them. For this shell only:
///
///   bash: source <(vault completions bash)
///   zsh:  source <(vault completions zsh)
///   fish: vault completions fish | source
///
/// For good, put it where the shell looks: ~/.local/share/bash-completion/completions/vault,
/// a file _vault in a directory of zsh's fpath, or ~/.config/fish/completions/vault.fish.
#[derive(clap::Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
}

pub(crate) fn run(ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    ui.value(
        match args.shell {
            Shell::Bash => include_str!("completions/vault.bash"),
            Shell::Zsh => include_str!("completions/vault.zsh"),
            Shell::Fish => include_str!("completions/vault.fish"),
        }
        .as_bytes(),
    );
    Ok(())
}
