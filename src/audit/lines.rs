//! Lines of a log, one at a time and bounded.

use std::borrow::Borrow;
use std::io::{self, BufRead};

use super::MAX_LINE;
use crate::store;

/// Bytes read at once.
const CHUNK: usize = 256 << 10;

/// What [`next_line`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A line and its LF.
    Complete,
    /// The last line, without an LF.
    Incomplete,
    /// Over [`MAX_LINE`]; only its beginning was read, and nothing can be read behind it.
    TooLong,
    /// No byte is left.
    End,
}

/// Replaces `line` by the next line without its LF. Keeps at most
/// [`MAX_LINE`] bytes, whatever is in the file.
pub(super) fn next_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Line> {
    line.clear();
    let mut any = false;
    loop {
        let chunk = match reader.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            chunk => chunk?,
        };
        if chunk.is_empty() {
            return Ok(if any { Line::Incomplete } else { Line::End });
        }
        any = true;
        let end = memchr::memchr(b'\n', chunk);
        let piece = &chunk[..end.unwrap_or(chunk.len())];
        if piece.len() > MAX_LINE - line.len() {
            return Ok(Line::TooLong);
        }
        line.extend_from_slice(piece);
        let used = piece.len() + usize::from(end.is_some());
        reader.consume(used);
        if end.is_some() {
            return Ok(Line::Complete);
        }
    }
}

/// Reads a log from some byte on.
pub(super) struct Reader<L> {
    log: L,
    offset: u64,
    chunk: Vec<u8>,
    used: usize,
}

impl<L: Borrow<store::Log>> Reader<L> {
    pub(super) fn new(log: L, offset: u64) -> Self {
        Self { log, offset, chunk: Vec::new(), used: 0 }
    }
}

impl<L: Borrow<store::Log>> io::Read for Reader<L> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let chunk = self.fill_buf()?;
        let count = chunk.len().min(out.len());
        out[..count].copy_from_slice(&chunk[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl<L: Borrow<store::Log>> BufRead for Reader<L> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.used == self.chunk.len() {
            self.used = 0;
            if let Err(error) = self.log.borrow().read_into(self.offset, CHUNK, &mut self.chunk) {
                self.chunk.clear();
                return Err(io::Error::other(error));
            }
            self.offset += self.chunk.len() as u64;
        }
        Ok(&self.chunk[self.used..])
    }

    fn consume(&mut self, count: usize) {
        self.used = (self.used + count).min(self.chunk.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_with_lf_or_the_file() {
        let mut reader = io::BufReader::with_capacity(3, &b"abcdef\n\nx\r\ny"[..]);
        let mut line = Vec::new();
        for (want, text) in [
            (Line::Complete, &b"abcdef"[..]),
            (Line::Complete, b""),
            (Line::Complete, b"x\r"),
            (Line::Incomplete, b"y"),
            (Line::End, b""),
        ] {
            assert_eq!(next_line(&mut reader, &mut line).unwrap(), want);
            assert_eq!(line, text);
        }
    }

    #[test]
    fn a_line_without_end_is_not_kept_in_memory() {
        let mut reader = io::BufReader::new(io::Read::take(io::repeat(0), 2 * MAX_LINE as u64));
        let mut line = Vec::new();
        assert_eq!(next_line(&mut reader, &mut line).unwrap(), Line::TooLong);
        assert!(line.len() <= MAX_LINE);
    }
}
