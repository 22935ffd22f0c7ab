//! Reading a whole file within a bound.

use std::ops::Range;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::buffer::spare_capacity;
use rustix::fs::{CWD, OFlags};
use rustix::io::retry_on_intr;
use zeroize::Zeroizing;

use super::{Error, Kind, Stamp, check_private, open_regular};

/// Reads a regular file of at most `max` bytes.
///
/// # Errors
/// [`Error::Missing`], [`Error::NotRegular`] at once for anything but a file
/// (links included), [`Error::TooLarge`] before reading, or as soon as a file
/// that grows or hides its size passes `max`; [`Error::Io`].
pub fn read(path: &Path, max: u64) -> Result<Vec<u8>, Error> {
    read_with_stamp(path, max).map(|(bytes, _)| bytes)
}

/// As [`read`], with the state that the file was in before.
///
/// # Errors
/// As [`read`].
pub fn read_with_stamp(path: &Path, max: u64) -> Result<(Vec<u8>, Stamp), Error> {
    let (fd, stat) = open_regular(path, OFlags::RDONLY)?;
    let mut bytes = read_bounded(&fd, u64::try_from(stat.st_size).unwrap_or(0), path, max)?;
    Ok((std::mem::take(&mut *bytes), Stamp::from(&stat)))
}

/// Reads a file that a person named as the source of something, wherever its name leads: links
/// are followed, and a pipe behind the name of a descriptor (`/dev/stdin`, or `/dev/fd/63` for
/// `<(…)` of a shell) is read to its end.
///
/// # Errors
/// As [`read`], with [`Error::NotRegular`] at once for all else: whoever would write into a
/// FIFO might never come.
pub fn read_given(path: &Path, max: u64) -> Result<Vec<u8>, Error> {
    let is_descriptor = ["/dev/stdin", "/dev/fd", "/proc/self/fd"].iter().any(|names| path.starts_with(names));
    let waiting = if is_descriptor { OFlags::empty() } else { OFlags::NONBLOCK };
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | waiting;
    let fd = retry_on_intr(|| rustix::fs::openat(CWD, path, flags, rustix::fs::Mode::empty())).map_err(|errno| {
        if errno == rustix::io::Errno::NOENT { Error::missing(path) } else { Error::io("open", path, errno) }
    })?;
    let stat = rustix::fs::fstat(&fd).map_err(|errno| Error::io("open", path, errno))?;
    let size = match Kind::of(&stat) {
        Kind::File => u64::try_from(stat.st_size).unwrap_or(0),
        Kind::Fifo if is_descriptor => 0,
        kind => return Err(Error::NotRegular { path: path.to_path_buf(), kind }),
    };
    let mut bytes = read_bounded(&fd, size, path, max)?;
    Ok(std::mem::take(&mut *bytes))
}

/// Reads ranges of a regular file of at most `max` bytes, one behind the other, if it is in the
/// state of `stamp`; `None` if it is not, becomes shorter meanwhile, or has no such ranges.
///
/// # Errors
/// As [`read`].
pub fn read_ranges(path: &Path, max: u64, stamp: &Stamp, ranges: &[Range<u64>]) -> Result<Option<Vec<u8>>, Error> {
    let (fd, stat) = open_regular(path, OFlags::RDONLY)?;
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    if size > max {
        return Err(Error::TooLarge { path: path.to_path_buf(), max });
    }
    let within = |range: &&Range<u64>| range.start < range.end && range.end <= size;
    let total: u64 = ranges.iter().filter(within).map(|range| range.end - range.start).sum();
    // Ranges that overlap would reserve more memory than the file can fill.
    if Stamp::from(&stat) != *stamp || !ranges.iter().all(|range| within(&range)) || total > size {
        return Ok(None);
    }
    let Ok(total) = usize::try_from(total) else { return Ok(None) };
    let mut bytes = vec![0; total];
    let mut room = bytes.as_mut_slice();
    for range in ranges {
        let mut offset = range.start;
        while offset < range.end {
            let wanted = usize::try_from(range.end - offset).unwrap_or(usize::MAX);
            let count = retry_on_intr(|| rustix::io::pread(&fd, &mut room[..wanted], offset))
                .map_err(|errno| Error::io("read", path, errno))?;
            if count == 0 {
                return Ok(None);
            }
            room = &mut room[count..];
            offset += count as u64;
        }
    }
    Ok(Some(bytes))
}

/// Reads a file that only its owner, the current effective user, can open.
/// Every copy of the bytes is wiped.
///
/// # Errors
/// As [`read`], and [`Error::NotOurs`] or [`Error::TooWide`] (any permission
/// for group or others) before reading.
pub fn read_private(path: &Path, max: u64) -> Result<Zeroizing<Vec<u8>>, Error> {
    let (fd, stat) = open_regular(path, OFlags::RDONLY)?;
    check_private(path, &stat, 0o077)?;
    read_bounded(&fd, u64::try_from(stat.st_size).unwrap_or(0), path, max)
}

/// As [`read_private`], from a descriptor that the caller was handed: a file like the
/// above, a pipe or a socket, whose other end chose to give it. `path` is for messages.
///
/// # Errors
/// As [`read_private`]; [`Error::NotRegular`] for directories and devices.
pub fn read_private_from(fd: &OwnedFd, path: &Path, max: u64) -> Result<Zeroizing<Vec<u8>>, Error> {
    let stat = rustix::fs::fstat(fd).map_err(|errno| Error::io("read", path, errno))?;
    match Kind::of(&stat) {
        Kind::File => {
            check_private(path, &stat, 0o077)?;
            read_bounded(fd, u64::try_from(stat.st_size).unwrap_or(0), path, max)
        }
        Kind::Fifo | Kind::Socket => read_bounded(fd, 0, path, max),
        kind => Err(Error::NotRegular { path: path.to_path_buf(), kind }),
    }
}

/// Reads to the end. `size` is what the file claims; `/proc` claims zero.
pub(super) fn read_bounded(fd: &OwnedFd, size: u64, path: &Path, max: u64) -> Result<Zeroizing<Vec<u8>>, Error> {
    let too_large = || Error::TooLarge { path: path.to_path_buf(), max };
    if size > max {
        return Err(too_large());
    }
    // Room for one byte more, so that the end shows without growing.
    let limit = usize::try_from(max).unwrap_or(usize::MAX).saturating_add(1);
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(size).map_or(limit, |size| size + 1)));
    loop {
        if bytes.len() >= limit {
            return Err(too_large());
        }
        if bytes.len() == bytes.capacity() {
            // Grown by hand: a reallocation would leave a copy that nobody wipes.
            let mut larger =
                Zeroizing::new(Vec::with_capacity(bytes.len().saturating_mul(2).clamp(4096, limit.max(4096))));
            larger.extend_from_slice(&bytes);
            bytes = larger;
        }
        let count = retry_on_intr(|| rustix::io::read(fd, spare_capacity(&mut bytes)))
            .map_err(|errno| Error::io("read", path, errno))?;
        // All that it claims, and there was room for more: the end, and a system call saved for every small file.
        if count == 0 || (bytes.len() as u64 == size && bytes.len() < bytes.capacity()) {
            return Ok(bytes);
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests prepare files")]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn reads_up_to_the_bound_and_not_one_byte_more() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        for size in [0usize, 1, 4095, 4096, 4097, 100_000] {
            fs::write(&path, vec![7; size]).unwrap();
            assert_eq!(read(&path, size as u64).unwrap(), vec![7; size]);
            assert_eq!(read(&path, u64::MAX).unwrap().len(), size);
            if size > 0 {
                let error = read(&path, size as u64 - 1).unwrap_err();
                assert!(matches!(error, Error::TooLarge { max, .. } if max == size as u64 - 1));
            }
        }
        assert!(matches!(read(&dir.path().join("none"), 9), Err(Error::Missing { .. })));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn everything_but_a_file_is_refused_at_once() {
        use std::os::unix::fs::symlink;
        use std::os::unix::net::UnixListener;

        use super::super::Kind;
        use rustix::fs::{CWD, FileType, Mode, mknodat};

        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        mknodat(CWD, at("fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        fs::create_dir(at("directory")).unwrap();
        fs::write(at("file"), "victim").unwrap();
        symlink(at("file"), at("link")).unwrap();
        symlink(at("none"), at("dangling")).unwrap();
        let _socket = UnixListener::bind(at("socket")).unwrap();
        let start = Instant::now();
        for (path, want) in [
            (at("fifo"), Kind::Fifo),
            (at("directory"), Kind::Directory),
            (at("link"), Kind::Symlink),
            (at("dangling"), Kind::Symlink),
            (at("socket"), Kind::Socket),
            ("/dev/zero".into(), Kind::Device),
            ("/dev/tty".into(), Kind::Device),
        ] {
            for error in [read(&path, 1 << 20).unwrap_err(), read_private(&path, 1 << 20).unwrap_err()] {
                assert!(matches!(error, Error::NotRegular { kind, .. } if kind == want), "{error}");
            }
        }
        assert!(start.elapsed() < Duration::from_secs(1));
    }

    #[test]
    fn a_huge_sparse_file_is_refused_before_reading() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sparse");
        fs::File::create(&path).unwrap().set_len(4 << 30).unwrap();
        let start = Instant::now();
        assert!(matches!(read(&path, 64 << 20), Err(Error::TooLarge { .. })));
        assert!(start.elapsed() < Duration::from_millis(100));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_that_hides_its_size_cannot_pass_the_bound() {
        let path = Path::new("/proc/self/maps");
        assert!(read(path, 1 << 20).unwrap().len() > 64);
        assert!(matches!(read(path, 64), Err(Error::TooLarge { .. })));
    }

    #[test]
    fn a_private_file_with_any_bit_for_others_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("identity");
        fs::write(&path, "secret").unwrap();
        for mode in [0o644, 0o640, 0o620, 0o610, 0o604, 0o602, 0o601] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = read_private(&path, 99).unwrap_err();
            assert!(matches!(error, Error::TooWide { mode: m, .. } if m == mode), "{error}");
        }
        for mode in [0o600, 0o400, 0o700] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read_private(&path, 99).unwrap().as_slice(), b"secret");
        }
    }
}
