//! What a child process took, and medians.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::Outcome;

/// What one run took.
#[derive(Clone, Copy)]
pub(crate) struct Usage {
    /// User and system time of the process with all its threads, also after an `execve`.
    pub(crate) cpu: Duration,
    pub(crate) wall: Duration,
    /// Most memory resident at once, in KiB. Includes what this process had when it
    /// started the child, so it is kept small.
    pub(crate) peak: i64,
}

/// Runs the command to its end.
///
/// # Errors
/// If it cannot be started or fails: a figure for a failure says nothing.
pub(crate) fn run(command: &mut Command) -> Outcome<Usage> {
    let began = Instant::now();
    let child = command.spawn()?;
    let (status, usage) = wait(i32::try_from(child.id())?)?;
    let wall = began.elapsed();
    if status != 0 {
        return Err(format!("{command:?} ended with wait status {status}").into());
    }
    Ok(Usage { cpu: duration(usage.ru_utime) + duration(usage.ru_stime), wall, peak: usage.ru_maxrss })
}

#[expect(unsafe_code, reason = "the standard library waits without telling what the child used")]
fn wait(process: i32) -> std::io::Result<(i32, libc::rusage)> {
    let mut status = 0;
    // SAFETY: plain numbers, for which zeros are valid; wait4 writes to these two places only.
    let mut usage = unsafe { std::mem::zeroed::<libc::rusage>() };
    // SAFETY: as above. The child is ours, and nobody else waits for it.
    if unsafe { libc::wait4(process, &raw mut status, 0, &raw mut usage) } < 0 {
        return Err(std::io::Error::last_os_error());
    }
    Ok((status, usage))
}

fn duration(time: libc::timeval) -> Duration {
    Duration::from_secs(time.tv_sec.unsigned_abs()) + Duration::from_micros(time.tv_usec.unsigned_abs())
}

/// The middle one of the values, which are not empty.
pub(crate) fn median<T: Ord + Copy>(values: impl IntoIterator<Item = T>) -> T {
    let mut values: Vec<T> = values.into_iter().collect();
    values.sort_unstable();
    values[values.len() / 2]
}
