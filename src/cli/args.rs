//! Arguments that every command takes, and the kinds of values arguments have.

use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser};
use vault::clock::{self, Span, Timestamp};
use vault::{ProfileName, SecretName};

use super::error::CommandError;
use super::time::typed;

/// When to colour output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set or TERM is `dumb`
    Auto,
    /// Also into a pipe
    Always,
    /// Not at all
    Never,
}

/// Options of every command.
#[derive(Debug, clap::Args)]
pub(crate) struct Globals {
    /// Use this vault file instead of the nearest `vault.toml` [env: VLT_FILE]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Everywhere")]
    pub(crate) vault: Option<PathBuf>,

    /// Use this profile [env: VLT_PROFILE] [default: default]
    #[arg(long = "profile", short = 'p', global = true, value_name = "NAME", help_heading = "Everywhere")]
    pub(crate) profiles: Vec<ProfileName>,

    /// The profile, for commands that are about one: all but `unlock`.
    #[arg(skip)]
    pub(crate) profile: Option<ProfileName>,

    /// Unlock with this identity file [env: VLT_IDENTITY_FILE]
    #[arg(long, global = true, value_name = "FILE", help_heading = "Everywhere")]
    pub(crate) identity: Option<PathBuf>,

    /// Say nothing but errors
    #[arg(long, short, global = true, help_heading = "Everywhere")]
    pub(crate) quiet: bool,

    /// When to colour output
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_default_value = true,
        help_heading = "Everywhere"
    )]
    pub(crate) color: ColorChoice,

    /// Never ask; fail instead
    #[arg(long, global = true, help_heading = "Everywhere")]
    pub(crate) no_input: bool,

    /// How long to wait for another vault that holds the lock [default: 10s]
    #[arg(
        long,
        global = true,
        value_name = "DURATION",
        default_value = "10s",
        hide_default_value = true,
        help_heading = "Everywhere"
    )]
    pub(crate) lock_timeout: Span,
}

impl Globals {
    pub(crate) fn lock_timeout(&self) -> Duration {
        Duration::from_secs(self.lock_timeout.seconds())
    }
}

/// `VARIABLE=SECRET`, or one name for both.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub(crate) variable: SecretName,
    pub(crate) secret: SecretName,
    /// `SECRET@previous`: the value before the current one.
    pub(crate) previous: bool,
}

impl FromStr for Pair {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (variable, secret) = text.split_once('=').ok_or("write VARIABLE=SECRET")?;
        let (secret, previous) = match secret.split_once('@') {
            Some((secret, "previous")) => (secret, true),
            Some(_) => return Err("after `@` only `previous` is known".to_owned()),
            None => (secret, false),
        };
        let parse = |text: &str| text.parse::<SecretName>().map_err(|error| error.to_string());
        Ok(Self { variable: parse(variable)?, secret: parse(secret)?, previous })
    }
}

/// What an option sets a field to, or, as an empty text, that the field is taken out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Given<T>(pub(crate) Option<T>);

impl<T: FromStr> FromStr for Given<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        if text.is_empty() { Ok(Self(None)) } else { text.parse().map(|value| Self(Some(value))) }
    }
}

fn given_time(text: &str) -> Result<Given<Timestamp>, clock::Error> {
    if text.is_empty() { Ok(Given(None)) } else { typed(text).map(|at| Given(Some(at))) }
}

/// How many earlier values to keep.
fn keep(text: &str) -> Result<Given<u8>, &'static str> {
    let keep: Given<u8> = text.parse().map_err(|_| "it is a number from 0 to 100")?;
    if keep.0.is_none_or(|keep| keep <= 100) { Ok(keep) } else { Err("it is a number from 0 to 100") }
}

/// Metadata of a secret, for `set` and the like. An empty text takes a field out.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Metadata")]
pub(crate) struct Metadata {
    /// Rotate the value at this age, for example `90d`
    #[arg(long, value_name = "DURATION")]
    pub(crate) rotate_every: Option<Given<Span>>,

    /// Do not rotate the value, on purpose
    #[arg(long, conflicts_with = "rotate_every")]
    pub(crate) no_rotation: bool,

    /// When its provider ends the value, for example `2026-12-31`: that day where this machine is
    #[arg(long, value_name = "DATE", value_parser = given_time)]
    pub(crate) expires: Option<Given<Timestamp>>,

    /// When its provider made the value; its age counts from then
    #[arg(long, value_name = "DATE", value_parser = typed)]
    pub(crate) created: Option<Timestamp>,

    /// Who issued it, for example `openai`; found by itself where possible
    #[arg(long, value_name = "PROVIDER")]
    pub(crate) provider: Option<String>,

    /// A permission its provider gave it (repeat for several)
    #[arg(long = "permission", value_name = "TEXT")]
    pub(crate) permissions: Vec<String>,

    /// A host it is meant for (repeat for several)
    #[arg(long = "host", value_name = "HOST")]
    pub(crate) hosts: Vec<String>,

    /// A program that may be given it by `exec` (repeat for several)
    #[arg(long = "command", value_name = "PROGRAM")]
    pub(crate) commands: Vec<String>,

    /// An HTTP method it is meant for (repeat for several)
    #[arg(long = "method", value_name = "METHOD")]
    pub(crate) methods: Vec<String>,

    /// A URL path it is meant for (repeat for several)
    #[arg(long = "path", value_name = "PATH")]
    pub(crate) paths: Vec<String>,

    /// How often it is meant to be used
    #[arg(long, value_name = "RATE")]
    pub(crate) rate: Option<String>,

    /// Who sees to its rotation
    #[arg(long, value_name = "MEMBER")]
    pub(crate) owner: Option<String>,

    /// Why this interval was chosen
    #[arg(long, value_name = "TEXT")]
    pub(crate) basis: Option<String>,

    /// A remark
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,

    /// How many earlier values to keep, 0 to 100 [default: 3]
    #[arg(long, value_name = "N", value_parser = keep)]
    pub(crate) keep: Option<Given<u8>>,

    /// Secrets of one group are rotated together
    #[arg(long, value_name = "GROUP")]
    pub(crate) group: Option<String>,

    /// How long a replaced value stays available, and `exec` runs after the due date
    #[arg(long, value_name = "DURATION")]
    pub(crate) grace: Option<Given<Span>>,

    /// Warn this long before it is due, for example `14d,3d`
    #[arg(long, value_name = "DURATION,…", value_delimiter = ',')]
    pub(crate) warn_at: Vec<Given<Span>>,

    /// What `exec` does with an overdue value
    #[arg(long, value_name = "WHAT", value_parser = PossibleValuesParser::new([
        PossibleValue::new("warn"),
        PossibleValue::new("refuse"),
        PossibleValue::new("").hide(true),
    ]))]
    pub(crate) on_overdue: Option<String>,
}

/// Text that may not be one: shown nowhere, so that a value typed by mistake is not repeated.
#[derive(Clone)]
pub(crate) struct Unshown(pub(crate) OsString);

impl Unshown {
    /// Refuses everything but `-`, before anything else is looked at.
    pub(crate) fn check(given: Option<&Self>) -> Result<(), CommandError> {
        match given {
            Some(given) if given.0 != "-" => Err(CommandError::ValueAsArgument),
            _ => Ok(()),
        }
    }
}

impl std::fmt::Debug for Unshown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

impl From<OsString> for Unshown {
    fn from(text: OsString) -> Self {
        Self(text)
    }
}
