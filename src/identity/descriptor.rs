//! Credentials that the caller handed over as an open descriptor: `VLT_PASSPHRASE_FD`,
//! and files named `/dev/fd/N`, as the shell's `<(…)` is.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::io::Errno;
use zeroize::Zeroizing;

use crate::store::{self, Error};

/// Reads a private file of at most `max` bytes, or to the end of the descriptor that the
/// path names.
///
/// # Errors
/// Those of [`store::read_private`] and [`store::read_private_from`].
pub(super) fn read_private(path: &Path, max: u64) -> Result<Zeroizing<Vec<u8>>, Error> {
    let Some(number) = named(path) else { return store::read_private(path, max) };
    let reason = match open(number) {
        Ok(descriptor) => return store::read_private_from(&descriptor, path, max),
        Err(reason) => reason,
    };
    Err(Error::Io { action: "read", path: path.to_path_buf(), reason })
}

/// The number in `/dev/fd/N`, `/proc/self/fd/N` and `/dev/stdin`.
fn named(path: &Path) -> Option<i32> {
    let text = path.to_str()?;
    if text == "/dev/stdin" {
        return Some(0);
    }
    let digits = text.strip_prefix("/dev/fd/").or_else(|| text.strip_prefix("/proc/self/fd/"))?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// A copy of one of our own descriptors, by its number.
///
/// Opening `/dev/fd/N` is a copy on macOS; on Linux it opens the file anew,
/// which fails for sockets and for pipes of another user, so the kernel is
/// asked for a copy first (`pidfd_getfd`, Linux 5.6; some containers forbid it).
pub(super) fn open(raw: i32) -> std::io::Result<OwnedFd> {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

        let copy = pidfd_open(getpid(), PidfdFlags::empty())
            .and_then(|process| pidfd_getfd(process, raw, PidfdGetfdFlags::empty()));
        match copy {
            Ok(descriptor) => return Ok(descriptor),
            Err(Errno::BADF) => return Err(Errno::BADF.into()),
            Err(_) => {}
        }
    }
    match File::open(format!("/dev/fd/{raw}")) {
        Err(reason) if reason.kind() == std::io::ErrorKind::NotFound => Err(Errno::BADF.into()),
        opened => opened.map(OwnedFd::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_descriptors_are_named() {
        for (path, number) in [("/dev/fd/3", 3), ("/proc/self/fd/63", 63), ("/dev/stdin", 0)] {
            assert_eq!(named(Path::new(path)), Some(number), "{path}");
        }
        for path in ["/dev/fd/", "/dev/fd/x", "/dev/fd/-1", "/dev/fd/3/x", "/dev/fd/99999999999", "/proc/1/fd/3", "3"] {
            assert_eq!(named(Path::new(path)), None, "{path}");
        }
    }
}
