#![expect(clippy::disallowed_methods, reason = "tests prepare and inspect files")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

fn directories() -> (tempfile::TempDir, Directories) {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("config/vault");
    (dir, Directories { config, state: PathBuf::from("/none"), home: Some(PathBuf::from("/home/a")) })
}

/// The settings of a file with this text.
fn read(text: &str) -> Result<Settings, Error> {
    let (_dir, directories) = directories();
    fs::create_dir_all(&directories.config).unwrap();
    fs::write(file(&directories), text).unwrap();
    fs::set_permissions(file(&directories), fs::Permissions::from_mode(0o644)).unwrap();
    Settings::load(&directories)
}

#[test]
fn without_a_file_everything_has_its_default() {
    let (_dir, directories) = directories();
    let settings = Settings::load(&directories).unwrap();
    assert_eq!(settings.identity(), None);
    assert_eq!((settings.rollback(), settings.overdue()), (Rollback::Warn, Overdue::Always));
    assert_eq!(settings.agent_for().to_string(), "8h");
    assert_eq!(settings.audit_dir(), None);
    assert!(settings.allow_names().is_empty() && settings.notify().is_none());
    assert!(!directories.config.exists(), "reading makes nothing");
}

#[test]
fn a_file_sets_what_it_names() {
    let settings = read(
        "# mine\nidentity = \"file:~/keys/id\"\naudit_dir = \"/var/audit\"\nrollback = \"refuse\"\n\
         overdue = 'daily'\nallow_names = [\"PYTHONPATH\", \"LD_PRELOAD\"]\nagent_for = \"90min\"\nnotify = \"desktop\"\n",
    )
    .unwrap();
    assert_eq!(settings.identity(), Some(&KeptIn::File("/home/a/keys/id".into())));
    assert_eq!(settings.audit_dir(), Some(Path::new("/var/audit")));
    assert_eq!((settings.rollback(), settings.overdue()), (Rollback::Refuse, Overdue::Daily));
    assert_eq!(settings.allow_names(), ["PYTHONPATH", "LD_PRELOAD"]);
    assert_eq!((settings.agent_for().seconds(), settings.notify()), (5400, Some("desktop")));
    assert_eq!(read("identity = \"keyring\"\n").unwrap().identity(), Some(&KeptIn::Keyring));
}

#[test]
fn what_is_wrong_is_named_by_line_and_never_shown() {
    let secret = "hunter2";
    for (text, want) in [
        ("identity = \"hunter2\"", "line 1: identity must be keyring or file:PATH"),
        ("\n\nhunter2 = 1", "line 3: no such setting"),
        ("rollback.hunter2 = 1", "line 1: rollback must be warn or refuse"),
        ("[hunter2]\n", "line 1: no such setting"),
        ("# x\nrollback = \"hunter2\"", "line 2: rollback must be"),
        ("overdue = 1", "line 1: overdue must be"),
        ("agent_for = 8", "line 1: agent_for must be"),
        ("agent_for = \"hunter2\"", "line 1: agent_for must be"),
        ("allow_names = \"A\"", "line 1: allow_names must be"),
        ("allow_names = [\"A,B\"]", "line 1: allow_names must be"),
        ("allow_names = [1]", "line 1: allow_names must be"),
        ("audit_dir = \"hunter2/relative\"", "line 1: audit_dir must be"),
        ("identity = \"file:relative\"", "line 1: identity must be"),
        ("notify = \"\"", "line 1: notify must be"),
        ("\nrollback = hunter2", "line 2: not valid TOML"),
        ("rollback = \"warn\"\nrollback = \"warn\"\n", "line 2: not valid TOML"),
    ] {
        let message = read(text).unwrap_err().to_string();
        assert!(message.contains(want), "{text}: {message}");
        assert!(!message.contains(secret), "{message}");
    }
}

#[test]
fn what_is_set_is_saved_and_read_again() {
    let (_dir, directories) = directories();
    let mut settings = Settings::load(&directories).unwrap();
    let values = [
        ("identity", "file:~/id"),
        ("audit_dir", "/var/a \"b\"\\c"),
        ("rollback", "refuse"),
        ("overdue", "never"),
        ("allow_names", "PYTHONPATH,IFS"),
        ("agent_for", "30min"),
        ("notify", "command:notify-send \"x\""),
    ];
    for (key, text) in values {
        settings.set(key, text).unwrap();
    }
    settings.save(&directories).unwrap();
    assert_eq!(fs::metadata(file(&directories)).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(&directories.config).unwrap().permissions().mode() & 0o777, 0o700);
    let mut again = Settings::load(&directories).unwrap();
    assert_eq!(Settings::keys().len(), values.len());
    for (key, text) in values {
        assert_eq!(again.get(key).as_deref(), Some(text), "{key}");
        again.unset(key).unwrap();
    }
    again.save(&directories).unwrap();
    assert_eq!(fs::read(file(&directories)).unwrap(), b"");
    assert_eq!(again.get("rollback").as_deref(), Some("warn"));
}

#[test]
fn a_refused_value_changes_nothing() {
    let (_dir, directories) = directories();
    let mut settings = Settings::load(&directories).unwrap();
    settings.set("allow_names", "A, B").unwrap();
    for (key, text) in [("allow_names", "A,,B"), ("allow_names", "A=B"), ("allow_names", ""), ("rollback", "Warn")] {
        assert!(matches!(settings.set(key, text), Err(Error::BadSetting { key: k, .. }) if k == key), "{key} {text}");
    }
    assert_eq!(settings.allow_names(), ["A", "B"]);
    assert!(matches!(settings.set("identify", "x"), Err(Error::UnknownSetting)));
    assert!(matches!(settings.unset("identify"), Err(Error::UnknownSetting)));
    assert_eq!(settings.get("identify"), None);
    let mut homeless = Settings::default();
    assert!(matches!(homeless.set("identity", "file:~/id"), Err(Error::BadSetting { .. })));
}

#[test]
fn a_file_that_others_can_write_is_refused() {
    let (_dir, directories) = directories();
    fs::create_dir_all(&directories.config).unwrap();
    fs::write(file(&directories), "").unwrap();
    for (mode, refused) in [(0o644, false), (0o600, false), (0o664, true), (0o602, true), (0o666, true)] {
        fs::set_permissions(file(&directories), fs::Permissions::from_mode(mode)).unwrap();
        let result = Settings::load(&directories);
        let wide = matches!(result, Err(Error::Store(store::Error::TooWide { mode: m, .. })) if m == mode);
        assert_eq!(wide, refused, "{mode:o}");
    }
    fs::rename(file(&directories), directories.config.join("real")).unwrap();
    symlink("real", file(&directories)).unwrap();
    assert!(matches!(Settings::load(&directories), Err(Error::Store(store::Error::NotRegular { .. }))));
    fs::remove_file(file(&directories)).unwrap();
    if rustix::process::geteuid().is_root() {
        fs::write(file(&directories), "").unwrap();
        std::os::unix::fs::chown(file(&directories), Some(12_345), None).unwrap();
        assert!(matches!(Settings::load(&directories), Err(Error::Store(store::Error::NotOurs { owner: 12_345, .. }))));
    }
}

#[test]
fn what_no_command_would_take_is_not_set_and_in_a_file_it_stops_nothing_else() {
    let (_dir, directories) = directories();
    let mut settings = Settings::load(&directories).unwrap();
    for (key, text) in [("notify", "hunter2"), ("notify", "command: "), ("agent_for", "31d")] {
        let error = settings.set(key, text).unwrap_err().to_string();
        assert!(error.contains("must be") && !error.contains("hunter2"), "{error}");
    }
    fs::create_dir_all(&directories.config).unwrap();
    fs::write(file(&directories), "notify = \"mail\"\nagent_for = \"60d\"\n").unwrap();
    assert_eq!(Settings::load(&directories).unwrap().notify(), Some("mail"));
}
