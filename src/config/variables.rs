//! The variables that we read, each named here and nowhere else.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use super::Error;
use crate::secret_value::SecretValue;

/// The environment that a command was started with.
///
/// Each accessor reads one variable; nothing is copied ahead. A variable of
/// ours (`VLT_…`) that is empty counts as unset. `Debug` shows no value.
pub struct Variables(Source);

enum Source {
    System,
    Fixed(BTreeMap<OsString, OsString>),
}

impl Variables {
    /// Those of this process.
    #[must_use]
    pub fn from_environment() -> Self {
        Self(Source::System)
    }

    /// Exactly `pairs`; the last of one name counts.
    pub fn fixed(pairs: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        Self(Source::Fixed(pairs.into_iter().collect()))
    }

    /// `VLT_FILE`: the vault file.
    #[must_use]
    pub fn vault_file(&self) -> Option<PathBuf> {
        self.path("VLT_FILE")
    }

    /// `VLT_PROFILE`: the name of the profile, unchecked.
    ///
    /// # Errors
    /// [`Error::NotText`].
    pub fn profile(&self) -> Result<Option<String>, Error> {
        self.text("VLT_PROFILE")
    }

    /// `VLT_IDENTITY`: the text of an identity file.
    #[must_use]
    pub fn identity(&self) -> Option<SecretValue> {
        self.filled("VLT_IDENTITY").map(|text| SecretValue::new(text.into_vec()))
    }

    /// `VLT_IDENTITY_FILE`: the identity file.
    #[must_use]
    pub fn identity_file(&self) -> Option<PathBuf> {
        self.path("VLT_IDENTITY_FILE")
    }

    /// `VLT_PASSPHRASE_FD`: the descriptor to read a passphrase from; any
    /// number, so 0 to 2 as well.
    ///
    /// # Errors
    /// [`Error::NotDescriptor`] if it is not a decimal number up to 2^31 - 1.
    pub fn passphrase_descriptor(&self) -> Result<Option<u32>, Error> {
        let variable = "VLT_PASSPHRASE_FD";
        let Some(value) = self.filled(variable) else { return Ok(None) };
        let number = value.to_str().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        match number.and_then(|text| text.parse::<i32>().ok()) {
            Some(number) => Ok(Some(number.unsigned_abs())),
            None => Err(Error::NotDescriptor { variable }),
        }
    }

    /// `VLT_PASSPHRASE_FILE`: the private file to read a passphrase from.
    #[must_use]
    pub fn passphrase_file(&self) -> Option<PathBuf> {
        self.path("VLT_PASSPHRASE_FILE")
    }

    /// `VLT_VAULT_ID`: the id that an unknown place must have, unchecked.
    ///
    /// # Errors
    /// [`Error::NotText`].
    pub fn vault_id(&self) -> Result<Option<String>, Error> {
        self.text("VLT_VAULT_ID")
    }

    /// `VLT_STATE_DIR`: in place of `$XDG_STATE_HOME/vault`.
    #[must_use]
    pub fn state_dir(&self) -> Option<PathBuf> {
        self.path("VLT_STATE_DIR")
    }

    /// `VLT_CONFIG_DIR`: in place of `$XDG_CONFIG_HOME/vault`.
    #[must_use]
    pub fn config_dir(&self) -> Option<PathBuf> {
        self.path("VLT_CONFIG_DIR")
    }

    /// `VLT_AUDIT`: where audit records go, unchecked (`FILE`, `fd:N`, `stderr`).
    #[must_use]
    pub fn audit(&self) -> Option<OsString> {
        self.filled("VLT_AUDIT")
    }

    /// `HOME`, if it is an absolute path. The user database is never asked.
    #[must_use]
    pub fn home(&self) -> Option<PathBuf> {
        self.absolute("HOME")
    }

    /// `XDG_CONFIG_HOME`; a relative path is ignored (XDG Base Directory 0.8).
    #[must_use]
    pub fn xdg_config_home(&self) -> Option<PathBuf> {
        self.absolute("XDG_CONFIG_HOME")
    }

    /// `XDG_DATA_HOME`; a relative path is ignored.
    #[must_use]
    pub fn xdg_data_home(&self) -> Option<PathBuf> {
        self.absolute("XDG_DATA_HOME")
    }

    /// `XDG_STATE_HOME`; a relative path is ignored.
    #[must_use]
    pub fn xdg_state_home(&self) -> Option<PathBuf> {
        self.absolute("XDG_STATE_HOME")
    }

    /// `XDG_RUNTIME_DIR`; a relative path is ignored.
    #[must_use]
    pub fn xdg_runtime_dir(&self) -> Option<PathBuf> {
        self.absolute("XDG_RUNTIME_DIR")
    }

    /// `PATH` as it is, also if empty.
    #[must_use]
    pub fn search_path(&self) -> Option<OsString> {
        self.raw("PATH")
    }

    /// True if `NO_COLOR` is set to anything but the empty text, or `TERM` is a terminal that
    /// knows no colours.
    #[must_use]
    pub fn no_color(&self) -> bool {
        self.is_set("NO_COLOR") || self.terminal_type().is_some_and(|kind| kind == "dumb")
    }

    /// `TERM`: the kind of terminal.
    #[must_use]
    pub fn terminal_type(&self) -> Option<OsString> {
        self.filled("TERM")
    }

    /// `VISUAL`: the command line of a full-screen editor.
    #[must_use]
    pub fn visual(&self) -> Option<OsString> {
        self.filled("VISUAL")
    }

    /// `EDITOR`: the command line of an editor.
    #[must_use]
    pub fn editor(&self) -> Option<OsString> {
        self.filled("EDITOR")
    }

    /// `USER`, else `LOGNAME`: what the session calls its user. A claim.
    #[must_use]
    pub fn user(&self) -> Option<OsString> {
        self.filled("USER").or_else(|| self.filled("LOGNAME"))
    }

    /// True if the variable is set to anything but the empty text.
    #[must_use]
    pub fn is_set(&self, name: &str) -> bool {
        self.filled(name).is_some()
    }

    #[expect(clippy::disallowed_methods, reason = "the one reader of variables")]
    fn raw(&self, name: &str) -> Option<OsString> {
        match &self.0 {
            Source::System => std::env::var_os(name),
            Source::Fixed(map) => map.get(std::ffi::OsStr::new(name)).cloned(),
        }
    }

    fn filled(&self, name: &str) -> Option<OsString> {
        self.raw(name).filter(|value| !value.is_empty())
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        self.filled(name).map(PathBuf::from)
    }

    fn absolute(&self, name: &str) -> Option<PathBuf> {
        self.path(name).filter(|path| path.is_absolute())
    }

    fn text(&self, variable: &'static str) -> Result<Option<String>, Error> {
        self.filled(variable).map(|value| value.into_string().map_err(|_| Error::NotText { variable })).transpose()
    }
}

impl std::fmt::Debug for Variables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Variables(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, value: &[u8]) -> Variables {
        Variables::fixed([(name.into(), OsString::from_vec(value.to_vec()))])
    }

    #[test]
    fn an_empty_variable_counts_as_unset() {
        assert!(one("VLT_FILE", b"").vault_file().is_none());
        assert!(one("VLT_IDENTITY", b"").identity().is_none());
        assert_eq!(one("VLT_PASSPHRASE_FD", b"").passphrase_descriptor().unwrap(), None);
        assert!(!one("NO_COLOR", b"").no_color());
        assert!(one("NO_COLOR", b"0").no_color());
        assert!(one("CI", b"true").is_set("CI"));
    }

    #[test]
    fn a_descriptor_is_a_plain_number() {
        assert_eq!(one("VLT_PASSPHRASE_FD", b"3").passphrase_descriptor().unwrap(), Some(3));
        for bad in ["-1", "+3", "3 ", "x", "2147483648", "\u{661}"] {
            let result = one("VLT_PASSPHRASE_FD", bad.as_bytes()).passphrase_descriptor();
            assert!(matches!(result, Err(Error::NotDescriptor { .. })), "{bad}");
        }
    }

    #[test]
    fn relative_base_directories_are_ignored() {
        assert_eq!(one("XDG_STATE_HOME", b"state").xdg_state_home(), None);
        assert_eq!(one("HOME", b"home").home(), None);
        assert_eq!(one("XDG_STATE_HOME", b"/s").xdg_state_home(), Some(PathBuf::from("/s")));
    }

    #[test]
    fn bytes_survive_in_paths_and_are_refused_in_names() {
        assert_eq!(one("VLT_FILE", b"/a\xff").vault_file().unwrap().into_os_string().into_vec(), b"/a\xff");
        assert!(matches!(one("VLT_PROFILE", b"\xff").profile(), Err(Error::NotText { variable: "VLT_PROFILE" })));
    }

    #[test]
    fn debug_shows_no_value() {
        let variables = one("VLT_IDENTITY", b"AGE-SECRET-KEY-1");
        assert!(!format!("{variables:?} {:?}", variables.identity()).contains("AGE"));
    }

    #[test]
    fn the_user_has_two_names() {
        assert_eq!(one("LOGNAME", b"alice").user(), Some("alice".into()));
        let both = Variables::fixed([("USER".into(), "a".into()), ("LOGNAME".into(), "b".into())]);
        assert_eq!(both.user(), Some("a".into()));
    }
}
