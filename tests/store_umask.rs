//! What `store` does under a foreign umask, as an ordinary user in a read-only
//! directory, and at a file size limit. These change the whole process or
//! thread, so this file is a binary of its own with one test that runs them in turn.

#![cfg(target_os = "linux")]
#![expect(clippy::disallowed_methods, reason = "tests prepare files and run themselves again")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::fs::Mode as Bits;
use rustix::process::{geteuid, umask};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
use vault::store::{
    Error, Lock, Log, Mode, create_new, create_private_dir_all, overwrite_small, read, read_private, replace,
};

/// Path of the directory for the run under a limit.
const LIMITED: &str = "STORE_TEST_LIMITED";

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Root may do anything, so as root all of this would pass without proving
/// anything. Only the calling thread changes, which ends with the test.
fn become_an_ordinary_user() {
    if geteuid().is_root() {
        let (user, group) = (rustix::fs::Uid::from_raw(65534), rustix::fs::Gid::from_raw(65534));
        set_thread_groups(&[]).unwrap();
        set_thread_res_gid(group, group, group).unwrap();
        set_thread_res_uid(user, user, user).unwrap();
    }
    assert!(!geteuid().is_root());
}

#[test]
fn umask_then_read_only_directory_then_size_limit() {
    if let Some(dir) = std::env::vars_os().find_map(|(name, value)| (name == LIMITED).then_some(value)) {
        return at_the_size_limit(Path::new(&dir));
    }
    let limited = tempfile::tempdir().unwrap();
    let status = Command::new("sh")
        // 8 blocks of 512 bytes (1024 in some shells); the signal is ignored, so that writing fails with EFBIG.
        .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" --nocapture"])
        .arg(std::env::current_exe().unwrap())
        .env(LIMITED, limited.path())
        .status()
        .unwrap();
    assert!(status.success());

    let dir = tempfile::tempdir().unwrap();
    set_mode(dir.path(), 0o777);
    let root_file = dir.path().join("of-root");
    fs::write(&root_file, "secret").unwrap();
    set_mode(&root_file, 0o600);
    let was_root = geteuid().is_root();
    become_an_ordinary_user();
    if was_root {
        assert!(matches!(read_private(&root_file, 99), Err(Error::Io { .. })));
    }
    let system = Path::new("/etc/passwd");
    assert!(matches!(read_private(system, 1 << 20), Err(Error::NotOurs { owner: 0, .. })));
    assert!(matches!(create_private_dir_all(Path::new("/usr")), Err(Error::NotOurs { owner: 0, .. })));

    for (mask, shared) in [(0o000, 0o666), (0o022, 0o644), (0o027, 0o640), (0o777, 0o600)] {
        let before = umask(Bits::from_raw_mode(mask));
        let below = dir.path().join(format!("{mask:o}/state"));
        under_a_umask(&below, shared);
        umask(before);
    }
    in_a_read_only_directory(&dir.path().join("read-only"));
}

fn under_a_umask(dir: &Path, shared: u32) {
    create_private_dir_all(dir).unwrap();
    assert_eq!((mode(dir), mode(dir.parent().unwrap())), (0o700, 0o700));
    let at = |name: &str| dir.join(name);
    for round in 0..2 {
        replace(&at("private"), b"x", Mode::Private).unwrap();
        replace(&at("shared"), b"x", Mode::Shared).unwrap();
        overwrite_small(&at("cell"), b"x").unwrap();
        Log::open(&at("log"), true).unwrap().append(b"x").unwrap();
        for (name, want) in [("private", 0o600), ("shared", shared), ("cell", 0o600), ("log", 0o600)] {
            assert_eq!(mode(&at(name)), want, "{name}, round {round}");
            assert!(!read(&at(name), 9).unwrap().is_empty());
        }
    }
    create_new(&at("new"), b"x", Mode::Private).unwrap();
    assert_eq!(mode(&at("new")), 0o600);
    assert_eq!(fs::read_dir(dir).unwrap().count(), 5);
}

fn in_a_read_only_directory(dir: &Path) {
    create_private_dir_all(dir).unwrap();
    let path = dir.join("vault.toml");
    replace(&path, b"old", Mode::Shared).unwrap();
    set_mode(dir, 0o555);
    let _lock = Lock::acquire(dir, Duration::ZERO).unwrap();
    assert_eq!(read(&path, 99).unwrap(), b"old");
    for result in [
        replace(&path, b"new", Mode::Shared),
        create_new(&dir.join("new"), b"new", Mode::Private),
        overwrite_small(&dir.join("cell"), b"new"),
        Log::open(&dir.join("log"), true).map(drop),
        create_private_dir_all(&dir.join("below")),
    ] {
        let error = result.unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error}");
        assert!(error.to_string().ends_with("permission denied"), "{error}");
    }
    assert_eq!(read(&path, 99).unwrap(), b"old");
    assert_eq!(fs::read_dir(dir).unwrap().count(), 1);
    set_mode(dir, 0o700);
}

/// Every file is limited to 4 or 8 KiB here.
fn at_the_size_limit(dir: &Path) {
    let (path, large) = (dir.join("vault.toml"), vec![7; 100_000]);
    for result in [replace(&path, &large, Mode::Shared), create_new(&path, &large, Mode::Private)] {
        assert!(matches!(result, Err(Error::Io { .. })), "{result:?}");
        assert_eq!(fs::read_dir(dir).unwrap().count(), 0);
    }
    replace(&path, b"old", Mode::Shared).unwrap();
    let error = replace(&path, &large, Mode::Shared).unwrap_err();
    assert!(error.to_string().ends_with("file too large"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"old");

    let log = Log::open(&dir.join("log"), true).unwrap();
    let record = [b'x'; 1000];
    let mut kept = 0;
    let error = loop {
        match log.append(&record) {
            Ok(()) => kept += 1000,
            Err(error) => break error,
        }
    };
    // The last one was written in part, and taken back.
    assert!(matches!(error, Error::Io { .. }), "{error}");
    assert!((4000..9000).contains(&kept));
    assert_eq!(log.size().unwrap(), kept);
    assert_eq!(fs::read_dir(dir).unwrap().count(), 2);
}
