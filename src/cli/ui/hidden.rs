//! Reading a line that is not to be seen.
//!
//! The terminal hands over each key as it is typed, Ctrl-C and Ctrl-Z included, so that it
//! is as it was before the process is interrupted or stopped: a shell, and whoever resumes
//! it, find what they left. Bytes are taken one at a time, so that what was typed ahead
//! stays for the next question.

use std::io::{self, Write};

use rustix::process::{Signal, kill_current_process_group};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use vault::secret_value::SecretValue;
use zeroize::Zeroizing;

/// Room for what most people type, in bytes; more is found as it is needed.
const USUAL: usize = 256;
/// Most that is taken: a value has at most 1 MiB, and the rest is refused by its length.
const MOST: usize = (1 << 20) + 2;

/// Asks on standard error and reads from standard input, which are terminals.
///
/// # Errors
/// What the terminal says; `UnexpectedEof` for Ctrl-D or a terminal that went away;
/// `Interrupted` for Ctrl-C where its signal is ignored.
pub(super) fn ask(prompt: &str) -> io::Result<SecretValue> {
    loop {
        let terminal = Quiet::new()?;
        say(prompt)?;
        let line = Line::read(&terminal.before)?;
        drop(terminal);
        say("\n")?;
        // As the terminal would do it by itself: to everything that runs in the foreground.
        let signal = match line {
            Line::Done(mut bytes) => return Ok(SecretValue::new(std::mem::take(&mut *bytes))),
            Line::End => return Err(io::ErrorKind::UnexpectedEof.into()),
            Line::Signal(signal) => signal,
        };
        kill_current_process_group(signal)?;
        if signal != Signal::TSTP {
            return Err(io::ErrorKind::Interrupted.into());
        }
        // Somebody resumed this: the question is asked again.
    }
}

/// Forgets what was typed and not read yet: the further lines of a paste, which a shell
/// would take for commands.
pub(super) fn forget_typed() {
    // Fails only where there is no terminal any more.
    let _ = rustix::termios::tcflush(rustix::stdio::stdin(), rustix::termios::QueueSelector::IFlush);
}

fn say(text: &str) -> io::Result<()> {
    let mut stderr = io::stderr().lock();
    stderr.write_all(text.as_bytes())?;
    stderr.flush()
}

/// While it lives the terminal shows nothing of what is typed.
struct Quiet {
    before: Termios,
}

impl Quiet {
    fn new() -> io::Result<Self> {
        let before = tcgetattr(rustix::stdio::stdin())?;
        let mut quiet = before.clone();
        let shown = LocalModes::ECHO | LocalModes::ECHONL;
        quiet.local_modes -= shown | LocalModes::ICANON | LocalModes::ISIG | LocalModes::IEXTEN;
        quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
        quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &quiet)?;
        Ok(Self { before })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // Fails only where there is no terminal any more.
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.before);
    }
}

/// What came of reading.
enum Line {
    Done(Zeroizing<Vec<u8>>),
    /// Ctrl-D, or no terminal any more.
    End,
    Signal(Signal),
}

/// What of an escape sequence, as arrow keys send them (ECMA-48 §5.4), came so far.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escape {
    None,
    Begun,
    Control,
    Single,
}

impl Line {
    /// Reads up to Enter, with the keys that `keys` has for correcting.
    fn read(keys: &Termios) -> io::Result<Self> {
        let mut byte = Zeroizing::new([0]);
        Self::from_bytes(keys, || {
            let count = match rustix::io::retry_on_intr(|| rustix::io::read(rustix::stdio::stdin(), &mut *byte)) {
                // What a terminal says that was hung up.
                Err(rustix::io::Errno::IO) => 0,
                count => count?,
            };
            Ok((count == 1).then(|| byte[0]))
        })
    }

    fn from_bytes(keys: &Termios, mut next: impl FnMut() -> io::Result<Option<u8>>) -> io::Result<Self> {
        let is = |byte: u8, key: SpecialCodeIndex| byte != 0 && byte == keys.special_codes[key];
        let mut typed = Zeroizing::new(Vec::with_capacity(USUAL));
        let mut escape = Escape::None;
        while let Some(byte) = next()? {
            match (escape, byte) {
                (Escape::Begun, b'[') => escape = Escape::Control,
                (Escape::Begun, b'O') => escape = Escape::Single,
                (Escape::Single, _) | (Escape::Control, 0x40..=0x7e) => escape = Escape::None,
                (Escape::Control, 0x20..=0x3f) => {}
                (_, 0x1b) => escape = Escape::Begun,
                _ => {
                    escape = Escape::None;
                    match byte {
                        b'\n' | b'\r' => return Ok(Self::Done(typed)),
                        byte if is(byte, SpecialCodeIndex::VINTR) => return Ok(Self::Signal(Signal::INT)),
                        byte if is(byte, SpecialCodeIndex::VQUIT) => return Ok(Self::Signal(Signal::QUIT)),
                        byte if is(byte, SpecialCodeIndex::VSUSP) => return Ok(Self::Signal(Signal::TSTP)),
                        byte if is(byte, SpecialCodeIndex::VEOF) && typed.is_empty() => return Ok(Self::End),
                        byte if is(byte, SpecialCodeIndex::VEOF) => {}
                        byte if is(byte, SpecialCodeIndex::VKILL) => typed.clear(),
                        byte if is(byte, SpecialCodeIndex::VWERASE) => drop_word(&mut typed),
                        byte if is(byte, SpecialCodeIndex::VERASE) || byte == 8 || byte == 0x7f => {
                            drop_letter(&mut typed);
                        }
                        byte => push(&mut typed, byte),
                    }
                }
            }
        }
        Ok(Self::End)
    }
}

/// Growing would leave a copy behind, so the bytes move by hand.
fn push(typed: &mut Zeroizing<Vec<u8>>, byte: u8) {
    if typed.len() == MOST {
        return;
    }
    if typed.len() == typed.capacity() {
        let mut larger = Zeroizing::new(Vec::with_capacity((typed.len() * 4).min(MOST)));
        larger.extend_from_slice(typed);
        *typed = larger;
    }
    typed.push(byte);
}

/// The last letter, whose later bytes in UTF-8 are `10……`.
fn drop_letter(typed: &mut Vec<u8>) {
    while typed.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
}

/// The last word and the spaces behind it.
fn drop_word(typed: &mut Vec<u8>) {
    let end = typed.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last + 1);
    let start = typed[..end].iter().rposition(|byte| *byte == b' ').map_or(0, |space| space + 1);
    typed.truncate(start);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keys of a terminal as it comes: taken from a new one.
    fn keys() -> Termios {
        let terminal = rustix::pty::openpt(rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY).unwrap();
        tcgetattr(terminal).unwrap()
    }

    fn typed(text: &str) -> Line {
        let mut bytes = text.bytes();
        Line::from_bytes(&keys(), || Ok(bytes.next())).unwrap()
    }

    fn line(text: &str) -> String {
        match typed(text) {
            Line::Done(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            _ => panic!("no line: {text:?}"),
        }
    }

    #[test]
    fn a_line_is_what_was_typed_and_not_corrected() {
        for (keys, want) in [
            ("pass\r", "pass"),
            ("pass\nmore\n", "pass"),
            ("\n", ""),
            ("pasx\x7fs\n", "pass"),
            ("pä\x7fass\n", "pass"),
            ("\x7f\x7fpass\n", "pass"),
            ("wrong\x15pass\n", "pass"),
            ("two words  \x17pass\n", "two pass"),
            ("pa\x1b[A\x1b[1;5Css\x1bOP\n", "pass"),
            ("pass\x1b\n", "pass"),
            ("pa\x04ss\n", "pass"),
            ("with\ttab and \u{1} as typed\n", "with\ttab and \u{1} as typed"),
        ] {
            assert_eq!(line(keys), want, "{keys:?}");
        }
        let long = "x".repeat(100_000);
        assert_eq!(line(&format!("{long}\n")), long);
    }

    #[test]
    fn signals_and_the_end_are_no_line() {
        assert!(matches!(typed("pa\x03"), Line::Signal(Signal::INT)));
        assert!(matches!(typed("pa\x1c"), Line::Signal(Signal::QUIT)));
        assert!(matches!(typed("pa\x1a"), Line::Signal(Signal::TSTP)));
        assert!(matches!(typed("\x04"), Line::End));
        assert!(matches!(typed("cut off"), Line::End));
    }
}
