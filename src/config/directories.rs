//! Where configuration and state live.

use std::path::PathBuf;

use super::{Error, Variables};

/// Our two directories. Nothing here creates them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directories {
    /// Configuration: `VLT_CONFIG_DIR`, else `$XDG_CONFIG_HOME/vault`, else `~/.config/vault`.
    pub config: PathBuf,
    /// State: `VLT_STATE_DIR`, else `$XDG_STATE_HOME/vault`, else `~/.local/state/vault`.
    pub state: PathBuf,
    /// What `~/` stands for in the configuration, where `HOME` says.
    pub home: Option<PathBuf>,
}

impl Directories {
    /// From the variables; the user database is never asked.
    ///
    /// # Errors
    /// [`Error::NoHome`] for the first directory that no variable gives.
    pub fn new(variables: &Variables) -> Result<Self, Error> {
        let home = variables.home();
        let below_home = |path: &str| home.as_ref().map(|home| home.join(path));
        let config = variables
            .config_dir()
            .or_else(|| variables.xdg_config_home().map(|base| base.join("vault")))
            .or_else(|| below_home(".config/vault"))
            .ok_or(Error::NoHome { what: "the configuration", variable: "VLT_CONFIG_DIR" })?;
        let state = variables
            .state_dir()
            .or_else(|| variables.xdg_state_home().map(|base| base.join("vault")))
            .or_else(|| below_home(".local/state/vault"))
            .ok_or(Error::NoHome { what: "the state", variable: "VLT_STATE_DIR" })?;
        Ok(Self { config, state, home })
    }

    /// The state of one vault, `STATE/vaults/ID`. `id` is the text of a
    /// verified vault id: base32, so that it cannot lead elsewhere.
    #[must_use]
    pub fn vault_state(&self, id: &str) -> PathBuf {
        self.state.join("vaults").join(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directories(pairs: &[(&str, &str)]) -> Result<Directories, Error> {
        Directories::new(&Variables::fixed(pairs.iter().map(|(name, value)| (name.into(), value.into()))))
    }

    #[test]
    fn ours_win_over_the_base_directories_and_these_over_home() {
        let home = ("HOME", "/home/a");
        for (pairs, config, state) in [
            (vec![home], "/home/a/.config/vault", "/home/a/.local/state/vault"),
            (vec![home, ("XDG_CONFIG_HOME", "/c"), ("XDG_STATE_HOME", "/s")], "/c/vault", "/s/vault"),
            (vec![home, ("XDG_CONFIG_HOME", "c")], "/home/a/.config/vault", "/home/a/.local/state/vault"),
            (vec![("VLT_CONFIG_DIR", "/vc"), ("XDG_CONFIG_HOME", "/c"), ("VLT_STATE_DIR", "/vs")], "/vc", "/vs"),
        ] {
            let found = directories(&pairs).unwrap();
            assert_eq!((found.config, found.state), (config.into(), state.into()), "{pairs:?}");
        }
    }

    #[test]
    fn without_home_the_variable_to_set_is_named() {
        for (pairs, want) in [
            (vec![], "VLT_CONFIG_DIR"),
            (vec![("HOME", "")], "VLT_CONFIG_DIR"),
            (vec![("VLT_CONFIG_DIR", "/c")], "VLT_STATE_DIR"),
        ] {
            let error = directories(&pairs).unwrap_err();
            assert!(matches!(error, Error::NoHome { variable, .. } if variable == want), "{error}");
        }
    }

    #[test]
    fn each_vault_has_its_own_state() {
        let found = directories(&[("HOME", "/h")]).unwrap();
        assert_eq!(found.vault_state("abc"), PathBuf::from("/h/.local/state/vault/vaults/abc"));
    }
}
