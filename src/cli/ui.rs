//! The sole writer of standard output and standard error, and the only reader of the terminal.
//!
//! Data goes to standard output, everything else to standard error. Text from files
//! is shown with its control characters escaped; values are written raw and only by
//! [`Ui::value`].

mod fold;
mod hidden;

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

use vault::is_hostile;
use vault::rotation::schedule::shell_word;
use vault::secret_value::SecretValue;
use zeroize::{Zeroize, Zeroizing};

use super::args::ColorChoice;

/// What a stretch of text means; the colour follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tone {
    Plain,
    Bold,
    Faint,
    Good,
    Attention,
    Bad,
}

impl Tone {
    const ALL: [Self; 6] = [Self::Plain, Self::Bold, Self::Faint, Self::Good, Self::Attention, Self::Bad];

    /// The SGR parameter (ECMA-48 §8.3.117).
    fn sgr(self) -> &'static str {
        match self {
            Self::Plain => "0",
            Self::Bold => "1",
            Self::Faint => "2",
            Self::Good => "32",
            Self::Attention => "33",
            Self::Bad => "1;31",
        }
    }

    /// Stands for the tone in a line on its way to the terminal: a noncharacter of
    /// Unicode, which no text has business to contain. A text that does gains a colour.
    fn mark(self) -> char {
        // From U+FDD0 on there are 32 noncharacters.
        char::from_u32(0xfdd0 + self as u32).unwrap_or(END)
    }

    fn marked(c: char) -> Option<Self> {
        Self::ALL.into_iter().find(|tone| tone.mark() == c)
    }
}

/// Ends what [`Tone::mark`] began.
const END: char = '\u{fdef}';

/// The terminal, or what stands in for it.
pub(crate) struct Ui {
    quiet: bool,
    no_input: bool,
    stdout_closed: bool,
    color_out: bool,
    color_err: bool,
    out: Vec<u8>,
}

impl Ui {
    /// `stdout_closed`: descriptor 1 was closed, and what stands in for it swallows everything.
    pub(crate) fn new(quiet: bool, no_input: bool, color: ColorChoice, no_color: bool, stdout_closed: bool) -> Self {
        let colored = |terminal: bool| match color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => terminal && !no_color,
        };
        Self {
            quiet,
            no_input,
            stdout_closed,
            color_out: colored(io::stdout().is_terminal()),
            color_err: colored(io::stderr().is_terminal()),
            out: Vec::new(),
        }
    }

    /// Does something that nobody is to be asked for.
    pub(crate) fn without_asking<T>(&mut self, act: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.no_input, true);
        let done = act(self);
        self.no_input = before;
        done
    }

    /// True if somebody can be asked.
    pub(crate) fn can_ask(&self) -> bool {
        !self.no_input && io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    pub(crate) fn stdout_closed(&self) -> bool {
        self.stdout_closed
    }

    pub(crate) fn stdout_is_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    /// Columns of the terminal on standard output; `None` for a pipe.
    pub(crate) fn width(&self) -> Option<usize> {
        columns_of(io::stdout())
    }

    /// Marks text for [`Ui::line`] to colour.
    pub(crate) fn paint(&self, tone: Tone, text: &str) -> String {
        if self.color_out && tone != Tone::Plain && !text.is_empty() {
            format!("{}{text}{END}", tone.mark())
        } else {
            text.to_owned()
        }
    }

    /// A line of data. Whatever the text holds, only the colours that [`Ui::paint`]
    /// marked reach the terminal as control sequences.
    pub(crate) fn line(&mut self, text: &str) {
        let text = clean(text);
        if self.color_out {
            for c in text.chars() {
                let sgr = if c == END { Some("0") } else { Tone::marked(c).map(Tone::sgr) };
                match sgr {
                    Some(sgr) => self.out.extend_from_slice(format!("\x1b[{sgr}m").as_bytes()),
                    None => self.out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
                }
            }
        } else {
            self.out.extend_from_slice(text.as_bytes());
        }
        self.out.push(b'\n');
    }

    /// Data for people: a label, and a text that begins in column `indent`. On a terminal
    /// a long one goes on below itself.
    pub(crate) fn entry(&mut self, label: &str, indent: usize, tone: Tone, text: &str) {
        let text = clean(text);
        let width = self.width().map_or(usize::MAX, |columns| columns.saturating_sub(indent));
        for (n, part) in fold::fold(&text, width).into_iter().enumerate() {
            let part = self.paint(tone, part);
            let line = if n == 0 { format!("{label}{part}") } else { format!("{:indent$}{part}", "") };
            self.line(&line);
        }
    }

    /// JSON, one value on a line, with no raw control or direction character in it.
    pub(crate) fn json(&mut self, value: &impl serde::Serialize) {
        // Serializing our own types to memory cannot fail: no maps with odd keys, no I/O.
        let text = Zeroizing::new(serde_json::to_string_pretty(value).unwrap_or_default());
        self.json_text(&text);
    }

    /// Text that is JSON already.
    pub(crate) fn json_text(&mut self, text: &str) {
        // Room for every escape, so that nothing is moved: a value may be in it.
        let mut out = Zeroizing::new(String::with_capacity(text.len() * 3));
        for c in text.chars() {
            if c != '\n' && is_hostile(c) {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            } else {
                out.push(c);
            }
        }
        self.put(out.as_bytes());
        self.put(b"\n");
    }

    /// A value, byte for byte: the purpose of the command that calls this.
    pub(crate) fn value(&mut self, bytes: &[u8]) {
        self.put(bytes);
    }

    /// Adds to what is collected, and wipes the memory that it moves out of.
    fn put(&mut self, bytes: &[u8]) {
        let needed = self.out.len() + bytes.len();
        if needed > self.out.capacity() {
            let mut moved = Vec::with_capacity(needed.max(self.out.capacity() * 2));
            moved.extend_from_slice(&self.out);
            std::mem::replace(&mut self.out, moved).zeroize();
        }
        self.out.extend_from_slice(bytes);
    }

    /// Writes what was collected to standard output.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let out = Zeroizing::new(std::mem::take(&mut self.out));
        if out.is_empty() {
            return Ok(());
        }
        if self.stdout_closed {
            return Err(rustix::io::Errno::BADF.into());
        }
        // Not through the buffer of `std`, which nobody wipes.
        let mut rest = &out[..];
        while !rest.is_empty() {
            match rustix::io::write(io::stdout(), rest) {
                Ok(written) => rest = &rest[written..],
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Shows a secret that was made for the person at this terminal, quiet or not.
    pub(crate) fn show_secret(&mut self, label: &str, text: &str, tone: Tone) {
        self.err_line(&format!("{label}: {}", paint(self.color_err, tone, text)));
    }

    /// A remark that a quiet run leaves out.
    pub(crate) fn note(&mut self, text: &str) {
        if !self.quiet {
            self.say("", Tone::Plain, text);
        }
    }

    pub(crate) fn warn(&mut self, text: &str) {
        if !self.quiet {
            self.say("warning:", Tone::Attention, text);
        }
    }

    /// A reminder: what the command was run for, quiet or not.
    pub(crate) fn remind(&mut self, text: &str) {
        self.say("reminder:", Tone::Attention, text);
    }

    pub(crate) fn error(&mut self, text: &str) {
        self.say("error:", Tone::Bad, text);
    }

    pub(crate) fn hint(&mut self, text: &str) {
        self.say("hint:", Tone::Faint, text);
    }

    /// Replaces the last line of the terminal on standard error; an empty text takes
    /// it away. Elsewhere nothing is shown.
    pub(crate) fn progress(&mut self, text: &str) {
        if !self.quiet && io::stderr().is_terminal() {
            // EL, ECMA-48 §8.3.41: erase to the end of the line.
            let _ = write!(io::stderr().lock(), "\r{}\x1b[K", clean(text));
        }
    }

    /// A message for people, behind its label. On a terminal a long one goes on below itself.
    fn say(&self, label: &str, tone: Tone, text: &str) {
        let text = clean(text);
        let indent = if label.is_empty() { 0 } else { "vault: ".len() + label.len() + 1 };
        let width = columns_of(io::stderr()).map_or(usize::MAX, |columns| columns.saturating_sub(indent));
        for (n, part) in fold::fold(&text, width).into_iter().enumerate() {
            if n == 0 && indent > 0 {
                self.err_line(&format!("vault: {} {part}", paint(self.color_err, tone, label)));
            } else {
                self.err_line(&format!("{:indent$}{part}", ""));
            }
        }
    }

    fn err_line(&self, text: &str) {
        // A full disk or closed pipe behind standard error must not become a panic.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// Asks a question that `yes` answers. False without a terminal.
    pub(crate) fn confirm(&mut self, question: &str) -> io::Result<bool> {
        if !self.can_ask() {
            return Ok(false);
        }
        let mut stderr = io::stderr().lock();
        write!(stderr, "{} [y/N] ", clean(question))?;
        stderr.flush()?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    }

    /// Asks for something without showing what is typed. `None` without a terminal.
    pub(crate) fn hidden(&mut self, prompt: &str) -> io::Result<Option<SecretValue>> {
        if !self.can_ask() {
            return Ok(None);
        }
        hidden::ask(&format!("{}: ", clean(prompt))).map(Some)
    }

    /// Forgets what was typed ahead: after an answer that ends the command, the rest of a
    /// paste is not for the shell.
    pub(crate) fn forget_typed(&self) {
        if self.can_ask() {
            hidden::forget_typed();
        }
    }
}

fn columns_of(stream: impl std::os::fd::AsFd) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(stream).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

fn paint(color: bool, tone: Tone, text: &str) -> String {
    if color && tone != Tone::Plain && !text.is_empty() {
        format!("\x1b[{}m{text}\x1b[0m", tone.sgr())
    } else {
        text.to_owned()
    }
}

/// A path as it is typed in a shell where this program runs: relative to the directory
/// if it is below, and quoted if it has to be.
pub(crate) fn typed(path: &Path) -> String {
    let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let here = std::env::current_dir().ok().filter(|here| here.parent().is_some());
    let below = here.as_deref().and_then(|here| real.strip_prefix(here).ok()).filter(|below| *below != Path::new(""));
    let text = below.unwrap_or(&real).to_string_lossy();
    // Neither an option, nor what git would take for more than a path.
    let text = if text.starts_with(['-', ':']) { format!("./{text}") } else { text.into_owned() };
    shell_word(&clean(&text))
}

/// Shows control and direction characters as `\u{1b}` instead of sending them.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    // Printable ASCII, as nearly all text is, needs no look at characters.
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) || !text.chars().any(is_hostile) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_hostile(c) {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_shown_not_sent() {
        assert_eq!(clean("a\x1b]52;c;eA==\x07b"), "a\\u{1b}]52;c;eA==\\u{7}b");
        assert_eq!(clean("a\u{202e}b\nc\u{9b}"), "a\\u{202e}b\\u{a}c\\u{9b}");
        assert_eq!(clean("naïve ✓"), "naïve ✓");
    }

    #[test]
    fn of_escape_sequences_only_marked_colours_pass() {
        let mut ui = Ui::new(false, true, ColorChoice::Always, false, false);
        let painted = ui.paint(Tone::Bad, "bad");
        ui.line(&format!("a {painted} \x1b[2J\x1b[31m\u{9b}"));
        assert_eq!(ui.out, "a \x1b[1;31mbad\x1b[0m \\u{1b}[2J\\u{1b}[31m\\u{9b}\n".as_bytes());
    }
}
