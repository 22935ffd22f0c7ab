//! Where values come from: standard input, a file, the terminal, randomness.

use std::io::Read;
use std::path::Path;

use vault::MAX_VALUE;
use vault::crypto;
use vault::secret_value::SecretValue;
use vault::store;

use super::error::CommandError;
use super::ui::Ui;

/// A value from standard input, of a command with `--raw`. One final newline (LF or CRLF)
/// is dropped, and said so, unless that is given.
pub(crate) fn standard_input(ui: &mut Ui, raw: bool) -> Result<SecretValue, CommandError> {
    if raw {
        return bounded(read_value()?);
    }
    let (value, newline) = without_newline(read_value()?);
    if newline {
        ui.note("dropped the final newline (`--raw` keeps it)");
    }
    bounded(value)
}

/// A line from standard input; its newline is none of the value.
pub(crate) fn line_from_standard_input() -> Result<SecretValue, CommandError> {
    bounded(without_newline(read_value()?).0)
}

fn read_value() -> Result<SecretValue, CommandError> {
    Ok(SecretValue::new(read_bounded(std::io::stdin().lock(), MAX_VALUE + 2)?))
}

fn without_newline(mut value: SecretValue) -> (SecretValue, bool) {
    // Only the last two bytes are looked at.
    let bytes = value.reveal();
    let newline = if bytes.ends_with(b"\r\n") { 2 } else { usize::from(bytes.ends_with(b"\n")) };
    value.shorten(newline);
    (value, newline > 0)
}

/// Text from standard input, as it is; for imports.
pub(crate) fn text_from_standard_input(max: usize) -> Result<SecretValue, CommandError> {
    Ok(SecretValue::new(read_bounded(std::io::stdin().lock(), max)?))
}

/// A value from a file, every byte of it.
pub(crate) fn value_file(path: &Path) -> Result<SecretValue, CommandError> {
    let value = store::read_given(path, MAX_VALUE as u64).map_err(|error| match error {
        store::Error::TooLarge { .. } => CommandError::Vault(vault::Error::Bound("a value has at most 1 MiB")),
        other => other.into(),
    })?;
    Ok(SecretValue::new(value))
}

/// Asks for a value, and again unless `sure` says that it cannot be mistyped.
/// `None` without a terminal.
pub(crate) fn ask_until(
    ui: &mut Ui,
    prompt: &str,
    sure: impl FnOnce(&SecretValue) -> bool,
) -> Result<Option<SecretValue>, CommandError> {
    let ask = |ui: &mut Ui, prompt: &str| ui.hidden(prompt).map_err(CommandError::terminal);
    let Some(first) = ask(ui, prompt)? else { return Ok(None) };
    if !sure(&first) {
        let second = ask(ui, &format!("{prompt}, again"))?.unwrap_or_else(|| SecretValue::new(Vec::new()));
        if !first.same_as(&second) {
            ui.forget_typed();
            return Err(CommandError::NotTheSame);
        }
    }
    bounded(first).map(Some)
}

/// Asks for a value twice. `None` without a terminal.
pub(crate) fn ask_twice(ui: &mut Ui, prompt: &str) -> Result<Option<SecretValue>, CommandError> {
    ask_until(ui, prompt, |_| false)
}

/// `length` letters and digits, each equally likely.
pub(crate) fn generate(length: usize) -> Result<SecretValue, CommandError> {
    const ALPHABET: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let mut value = Vec::with_capacity(length);
    while value.len() < length {
        let bytes = zeroize::Zeroizing::new(crypto::random::<64>()?);
        // 248 is the largest multiple of 62 in a byte; what is above would favour the first letters.
        let letters = bytes.iter().filter(|&&byte| byte < 248).map(|&byte| ALPHABET[usize::from(byte) % 62]);
        value.extend(letters.take(length - value.len()));
    }
    Ok(SecretValue::new(value))
}

fn bounded(value: SecretValue) -> Result<SecretValue, CommandError> {
    if value.len() > MAX_VALUE {
        return Err(CommandError::Vault(vault::Error::Bound("a value has at most 1 MiB")));
    }
    Ok(value)
}

/// Reads to the end, into memory of one size so that no copy is left behind; at most
/// `max` bytes and one more, which the caller refuses.
pub(crate) fn read_bounded(mut source: impl Read, max: usize) -> Result<Vec<u8>, CommandError> {
    let mut bytes = zeroize::Zeroizing::new(vec![0; 8192.min(max + 1)]);
    let mut length = 0;
    loop {
        if length == bytes.len() {
            if length > max {
                break;
            }
            let mut larger = zeroize::Zeroizing::new(vec![0; (length * 4).min(max + 1)]);
            larger[..length].copy_from_slice(&bytes);
            bytes = larger;
        }
        match source.read(&mut bytes[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(CommandError::StandardInput(error)),
        }
    }
    bytes.truncate(length);
    Ok(std::mem::take(&mut *bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_values_have_their_length_and_alphabet() {
        for length in [16, 32, 33, 4096] {
            let value = generate(length).unwrap();
            assert_eq!(value.len(), length);
            assert!(value.reveal().iter().all(u8::is_ascii_alphanumeric));
        }
    }

    #[test]
    fn reading_stops_one_byte_over_the_bound() {
        assert_eq!(read_bounded(&[7u8; 20_000][..], 30_000).unwrap().len(), 20_000);
        assert_eq!(read_bounded(std::io::repeat(7), 30_000).unwrap().len(), 30_001);
    }
}
