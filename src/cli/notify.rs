//! Ways for a reminder to reach a person: standard error, the desktop, a command.

use std::os::unix::process::CommandExt;
use std::process::Stdio;

use vault::clock::{Span, Timestamp};
use vault::rotation::{Item, render};
use vault::secret_value::SecretValue;

use super::context::Context;
use super::error::CommandError;
use super::program::{Program, command};
use super::time::local_day;
use super::ui::Ui;

/// Where reminders go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Channel {
    Stderr,
    Desktop,
    /// A command line for `sh`, which gets JSON on standard input.
    Command(String),
}

impl std::str::FromStr for Channel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.strip_prefix("command:")) {
            ("stderr", _) => Ok(Self::Stderr),
            ("desktop", _) => Ok(Self::Desktop),
            (_, Some(line)) if !line.trim().is_empty() => Ok(Self::Command(line.to_owned())),
            _ => Err("write stderr, desktop or command:COMMAND".to_owned()),
        }
    }
}

impl std::fmt::Display for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stderr => f.pad("stderr"),
            Self::Desktop => f.pad("desktop"),
            Self::Command(line) => write!(f, "command:{line}"),
        }
    }
}

/// Longest that a channel may take.
const TIMEOUT: Span = Span::from_seconds(30);
/// Most reminders that one desktop notification spells out.
const SHOWN: usize = 5;

impl Channel {
    /// Brings the items to their reader, all or none.
    pub(crate) fn deliver(
        &self,
        cx: &Context,
        ui: &mut Ui,
        items: &[&Item],
        now: Timestamp,
    ) -> Result<(), CommandError> {
        match self {
            Self::Stderr => {
                items.iter().for_each(|item| ui.remind(&item.sentence(now, local_day)));
                Ok(())
            }
            Self::Desktop => desktop(cx, items, now),
            Self::Command(line) => {
                let text: Vec<String> = items.iter().map(|item| item.sentence(now, local_day)).collect();
                let message = Message { text: text.join("\n"), at: now, list: render::json_of(items) };
                // Serializing our own types to memory cannot fail.
                let json = serde_json::to_vec(&message).unwrap_or_default();
                let program = Program { what: "the notify command", line, timeout: TIMEOUT };
                program.talk(SecretValue::new(json), 1 << 20).map(drop)
            }
        }
    }
}

/// What a notify command reads: `{text, at, secrets: […]}`.
#[derive(serde::Serialize)]
struct Message<'a> {
    text: String,
    at: Timestamp,
    #[serde(flatten)]
    list: render::DueList<'a>,
}

/// `notify-send` (Linux) or `osascript` (macOS). Names are shown; no value is known here.
fn desktop(cx: &Context, items: &[&Item], now: Timestamp) -> Result<(), CommandError> {
    let title = match items.len() {
        1 => "vault: a secret needs rotation".to_owned(),
        count => format!("vault: {count} secrets need rotation"),
    };
    let mut body: Vec<String> = items.iter().take(SHOWN).map(|item| item.sentence(now, local_day)).collect();
    if items.len() > SHOWN {
        body.push(format!("and {} more: vault rotation", items.len() - SHOWN));
    }
    let body = body.join("\n");
    let mut command = if cfg!(target_os = "macos") {
        let mut command = command("osascript");
        let script = "on run argv\ndisplay notification (item 1 of argv) with title (item 2 of argv)\nend run";
        command.args(["-e", script, &body, &title]);
        command
    } else {
        let mut command = command("notify-send");
        command.args(["--app-name=vault", "--", &title, &body]);
        // A job of cron has no session; where the one of its user is, is known.
        if cx.variables.xdg_runtime_dir().is_none() {
            command.env("XDG_RUNTIME_DIR", format!("/run/user/{}", rustix::process::getuid().as_raw()));
        }
        command
    };
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    Program { what: "the desktop notification", line: "", timeout: TIMEOUT }.run(command, 0).map(drop)
}
