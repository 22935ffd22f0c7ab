//! Where `VLT_AUDIT` sends a copy of every record.

use std::fmt;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use super::Error;
use super::event::check_text;
use crate::store;

/// A further place for every line. The log itself is written all the same, so
/// that no environment variable takes a use off the record.
///
/// A sink that does not take the whole line fails the append.
pub struct Sink {
    name: String,
    to: To,
}

enum To {
    File(store::Log),
    Writer(Box<dyn Write + Send>),
}

impl Sink {
    /// Appends to a file and flushes it to the medium; creates it, 0600. The
    /// record names it by its path.
    ///
    /// # Errors
    /// [`Error::Store`] for what is no regular file of ours that only we can write.
    pub fn file(path: &Path) -> Result<Self, Error> {
        let name = path.display().to_string();
        check_text("sink", Some(&name))?;
        Ok(Self { name, to: To::File(store::Log::open(path, true)?) })
    }

    /// Writes to something open, such as `stderr` or the descriptor of `fd:3`,
    /// and calls its `flush` before the record counts.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for the name.
    pub fn writer(name: &str, writer: Box<dyn Write + Send>) -> Result<Self, Error> {
        check_text("sink", Some(name))?;
        Ok(Self { name: name.to_owned(), to: To::Writer(writer) })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Takes whole lines with their LFs.
    pub(super) fn write(&mut self, lines: &[u8], timeout: Duration) -> Result<(), Error> {
        match &mut self.to {
            To::File(log) => {
                let _lock = log.lock(timeout)?;
                Ok(log.append(lines)?)
            }
            To::Writer(writer) => {
                writer.write_all(lines).map_err(|reason| Error::Sink { sink: self.name.clone(), reason })
            }
        }
    }

    pub(super) fn flush(&mut self) -> Result<(), Error> {
        match &mut self.to {
            To::File(log) => Ok(log.flush()?),
            To::Writer(writer) => writer.flush().map_err(|reason| Error::Sink { sink: self.name.clone(), reason }),
        }
    }
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sink({:?})", self.name)
    }
}
