//! Telling without reading it that a file is as it was.

use std::path::Path;
use std::time::Duration;

use rustix::fs::{AtFlags, CWD, Stat};

/// After that long a change shows: kernels count in steps of ten milliseconds at most.
const FINE: Duration = Duration::from_millis(100);
/// The same where the file system keeps no finer time than these, and steps of two seconds at most.
const COARSE: Duration = Duration::from_secs(3);
const STEP: u32 = 10_000_000;

/// One state of a file: where it is, how long, and when it was last changed. The system moves
/// the time of change with every `write`, rename and `touch`, and few let anybody choose it; a
/// write through a mapping may leave it. No stamp proves what is in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Stamp {
    device: i128,
    inode: i128,
    size: i128,
    /// Seconds and nanoseconds.
    modified: (i128, i128),
    changed: (i128, i128),
}

impl Stamp {
    /// The state of a file now; `None` where there is none, or nobody may look.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        rustix::fs::statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW).ok().map(|stat| Self::from(&stat))
    }

    /// True if whoever changes the file after `now`, since 1970, leaves another stamp, however
    /// coarse the clock of its file system is.
    #[must_use]
    pub fn is_settled(&self, now: Duration) -> bool {
        let (seconds, nanoseconds) = self.changed;
        let (Ok(seconds), Ok(nanoseconds)) = (u64::try_from(seconds), u32::try_from(nanoseconds)) else { return false };
        let takes = if nanoseconds % STEP == 0 { COARSE } else { FINE };
        now.checked_sub(Duration::new(seconds, nanoseconds)).is_some_and(|age| age >= takes)
    }
}

impl From<&Stat> for Stamp {
    #[allow(clippy::useless_conversion, reason = "other types on other systems")]
    fn from(stat: &Stat) -> Self {
        Self {
            device: stat.st_dev.into(),
            inode: stat.st_ino.into(),
            size: stat.st_size.into(),
            modified: (stat.st_mtime.into(), stat.st_mtime_nsec.into()),
            changed: (stat.st_ctime.into(), stat.st_ctime_nsec.into()),
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests prepare files")]
mod tests {
    use std::fs;
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn every_change_shows_also_one_that_puts_the_time_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        let past = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        assert_eq!(Stamp::of(&path), None);
        fs::write(&path, "one").unwrap();
        let set = || fs::File::options().write(true).open(&path).unwrap().set_modified(past).unwrap();
        let mut seen = vec![Stamp::of(&path)];
        let changes: [&dyn Fn(); 5] = [
            &|| fs::write(&path, "two").unwrap(),
            &set,
            &|| fs::write(&path, "three").unwrap(),
            &|| {
                fs::write(dir.path().join("other"), "three").unwrap();
                fs::rename(dir.path().join("other"), &path).unwrap();
            },
            &|| {
                fs::remove_file(&path).unwrap();
                std::os::unix::fs::symlink("other", &path).unwrap();
            },
        ];
        for change in changes {
            // The kernel counts in ticks of up to ten milliseconds; a settled file is older than that.
            let ticks = || rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
            let before = ticks();
            while ticks() == before {
                std::thread::yield_now();
            }
            change();
            let now = Stamp::of(&path);
            assert!(!seen.contains(&now));
            seen.push(now);
        }
    }

    #[test]
    fn a_file_is_settled_once_the_clock_of_its_file_system_has_moved_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        fs::write(&path, "").unwrap();
        let stamp = Stamp::of(&path).unwrap();
        for (changed, milliseconds, settled) in [
            ((1_700_000_000, 123_456_789), 0, false),
            ((1_700_000_000, 123_456_789), 99, false),
            ((1_700_000_000, 123_456_789), 100, true),
            // As FAT and others keep it.
            ((1_700_000_000, 120_000_000), 2_999, false),
            ((1_700_000_000, 120_000_000), 3_000, true),
            ((1_700_000_000, 0), 2_999, false),
            ((1_700_000_000, 0), 3_000, true),
            ((-1, 1), 1 << 50, false),
        ] {
            let stamp = Stamp { changed, ..stamp };
            let (seconds, nanoseconds) = (u64::try_from(changed.0).unwrap_or(0), u32::try_from(changed.1).unwrap());
            let now = Duration::new(seconds, nanoseconds) + Duration::from_millis(milliseconds);
            assert_eq!(stamp.is_settled(now), settled, "{changed:?} {milliseconds}");
            assert!(!stamp.is_settled(Duration::ZERO));
        }
    }
}
