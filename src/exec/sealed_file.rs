//! A secret as a file that is never on a disk: `--file VAR=SECRET`.

use crate::secret_value::SecretValue;

use super::Error;

/// An anonymous file in memory, mode 0400, sealed against every change
/// (memfd_create(2), F_ADD_SEALS in fcntl(2)), and open in the child.
///
/// It must live until [`launch`](super::launch::launch): dropping it closes
/// the descriptor. The file goes away with the last process that holds it, so
/// nothing is left behind by a crash.
#[derive(Debug)]
pub struct SealedFile {
    #[cfg(target_os = "linux")]
    open: std::os::fd::OwnedFd,
    path: String,
}

impl SealedFile {
    /// Makes the file. Its descriptor is 3 or higher and stays open across
    /// `execve`, so this comes after everything else that starts programs.
    ///
    /// # Errors
    /// [`Error::SealedFile`] with what the system said; [`Error::Unsupported`]
    /// on systems other than Linux.
    #[cfg(target_os = "linux")]
    pub fn create(value: &SecretValue) -> Result<Self, Error> {
        use std::os::fd::AsRawFd;
        let open = linux::sealed(value.reveal()).map_err(|source| Error::SealedFile { source: source.into() })?;
        let path = format!("/proc/self/fd/{}", open.as_raw_fd());
        Ok(Self { open, path })
    }

    /// Refuses: there is no anonymous sealed memory here, and a temporary file
    /// would outlive a crash.
    ///
    /// # Errors
    /// [`Error::Unsupported`].
    #[cfg(not(target_os = "linux"))]
    pub fn create(_value: &SecretValue) -> Result<Self, Error> {
        Err(Error::Unsupported)
    }

    /// `/proc/self/fd/N`: opens at its start, as often as wanted, in the child
    /// and in what the child starts as long as they keep the descriptor.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

#[cfg(target_os = "linux")]
impl std::os::fd::AsFd for SealedFile {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.open.as_fd()
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::os::fd::{AsRawFd, OwnedFd};

    use rustix::fs::{MemfdFlags, Mode, SealFlags, SeekFrom};
    use rustix::io::{Errno, FdFlags};

    /// Writes `bytes`; they go to memory of the kernel that only holders of the descriptor can read.
    pub(super) fn sealed(bytes: &[u8]) -> Result<OwnedFd, Errno> {
        let flags = MemfdFlags::ALLOW_SEALING | MemfdFlags::NOEXEC_SEAL;
        let file = match rustix::fs::memfd_create("vault", flags) {
            // Before Linux 6.3 there is no NOEXEC_SEAL; every memfd is executable then.
            Err(Errno::INVAL) => rustix::fs::memfd_create("vault", MemfdFlags::ALLOW_SEALING)?,
            made => made?,
        };
        let file = above_standard(file)?;
        let mut rest = bytes;
        while !rest.is_empty() {
            match rustix::io::write(&file, rest) {
                Ok(0) => return Err(Errno::IO),
                Ok(written) => rest = &rest[written..],
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
        // For programs that read the inherited descriptor itself.
        rustix::fs::seek(&file, SeekFrom::Start(0))?;
        rustix::fs::fchmod(&file, Mode::RUSR)?;
        rustix::fs::fcntl_add_seals(&file, SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE)?;
        Ok(file)
    }

    /// Keeps a secret from being read as standard input or written over as
    /// standard output, should those be closed.
    fn above_standard(file: OwnedFd) -> Result<OwnedFd, Errno> {
        if file.as_raw_fd() > 2 {
            return Ok(file);
        }
        let moved = rustix::io::fcntl_dupfd_cloexec(&file, 3)?;
        rustix::io::fcntl_setfd(&moved, FdFlags::empty())?;
        Ok(moved)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::fs::MetadataExt;

    fn read(path: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        std::fs::File::open(path).unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn any_bytes_are_read_back_as_often_as_wanted() {
        let large: Vec<u8> = (0..=255u8).cycle().take(1 << 20).collect();
        for bytes in [&b""[..], b"NUL \0 and \r\n \xff", &large] {
            let file = SealedFile::create(&SecretValue::from(bytes)).unwrap();
            for _ in 0..2 {
                assert_eq!(read(file.path()), bytes);
            }
        }
    }

    #[test]
    fn nobody_can_change_it_not_even_root() {
        let file = SealedFile::create(&SecretValue::from(&b"secret"[..])).unwrap();
        assert_eq!(std::fs::metadata(file.path()).unwrap().mode() & 0o7777, 0o400);
        // Whether the mode or only the seals stop it depends on who runs the test.
        if let Ok(mut open) = std::fs::OpenOptions::new().write(true).open(file.path()) {
            assert!(open.write_all(b"forged").is_err());
            assert!(open.set_len(0).is_err() && open.set_len(100).is_err());
        }
        assert!(rustix::io::write(&file, b"forged").is_err());
        assert!(rustix::fs::fcntl_add_seals(&file, rustix::fs::SealFlags::empty()).is_err());
        assert_eq!(read(file.path()), b"secret");
    }

    #[test]
    fn it_is_inherited_and_stays_clear_of_the_standard_descriptors() {
        let file = SealedFile::create(&SecretValue::from(&b"secret"[..])).unwrap();
        let number: i32 = file.path().strip_prefix("/proc/self/fd/").unwrap().parse().unwrap();
        assert!(number > 2);
        assert!(rustix::io::fcntl_getfd(&file).unwrap().is_empty(), "close-on-exec is set");
    }
}
