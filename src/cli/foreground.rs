//! A command that stays in the foreground until it is asked to end.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{WaitOptions, wait};
use vault::signals;

use super::error::CommandError;

/// While it lives, being asked to end ends the waiting and not the process.
pub(crate) struct Foreground {
    asked: OwnedFd,
}

impl Foreground {
    pub(crate) fn begin() -> Result<Self, CommandError> {
        Ok(Self { asked: signals::catch().map_err(CommandError::Terminal)? })
    }

    /// Waits; false as soon as it was asked to end. No child of ours may be running.
    pub(crate) fn goes_on_after(&self, pause: Duration) -> Result<bool, CommandError> {
        // As process 1 of a container it inherits what others have left running, and nobody
        // else takes note that it ended.
        while matches!(wait(WaitOptions::NOHANG), Ok(Some(_))) {}
        let timeout = Timespec::try_from(pause).map_err(|_| CommandError::Internal("a pause of centuries"))?;
        match poll(&mut [PollFd::new(&self.asked, PollFlags::IN)], Some(&timeout)) {
            Ok(asked) => Ok(asked == 0),
            Err(Errno::INTR) => Ok(signals::caught().is_none()),
            Err(errno) => Err(CommandError::Terminal(errno.into())),
        }
    }
}
