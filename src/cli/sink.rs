//! `VLT_AUDIT`: where a copy of every record goes.

use std::ffi::OsStr;
use std::os::fd::FromRawFd;
use std::os::unix::ffi::OsStrExt;

use vault::audit::Sink;

use super::error::CommandError;

/// `VLT_AUDIT`: a file, `fd:N` or `stderr`.
pub(super) fn open(text: &OsStr) -> Result<Sink, CommandError> {
    if text == "stderr" {
        return Ok(Sink::writer("stderr", Box::new(std::io::stderr()))?);
    }
    if let Some(number) = text.as_bytes().strip_prefix(b"fd:") {
        let number = std::str::from_utf8(number).ok().and_then(|digits| digits.parse::<i32>().ok());
        let number = number.filter(|number| *number >= 0).ok_or(CommandError::AuditSink)?;
        let file = duplicate(number)?;
        return Ok(Sink::writer(&format!("fd:{number}"), Box::new(file))?);
    }
    Ok(Sink::file(text.as_ref())?)
}

/// A descriptor of the caller's, as a file of our own that is closed on exec.
#[expect(unsafe_code, reason = "descriptors that the environment names have no owner in Rust")]
fn duplicate(number: i32) -> Result<std::fs::File, CommandError> {
    // SAFETY: fcntl on a number that is no open descriptor fails with EBADF and does nothing;
    // the duplicate is ours alone.
    unsafe {
        let copy = libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3);
        if copy < 0 { Err(CommandError::AuditSink) } else { Ok(std::fs::File::from_raw_fd(copy)) }
    }
}
