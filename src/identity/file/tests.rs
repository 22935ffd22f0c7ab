#![expect(clippy::disallowed_methods, reason = "tests prepare and inspect files")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use super::*;

const KEY: &str = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";

fn place() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("identity");
    (dir, path)
}

fn now() -> Timestamp {
    Timestamp::parse("2026-11-22").unwrap()
}

fn pass(text: &str) -> SecretValue {
    SecretValue::from(text.as_bytes())
}

fn parse(text: &str) -> Result<IdentityFile, Error> {
    IdentityFile::parse(text.as_bytes(), &Origin::File("F".into()))
}

fn plain(file: IdentityFile) -> IdentityKey {
    match file {
        IdentityFile::Plain(identity) => identity,
        IdentityFile::Sealed(_) => panic!("sealed"),
    }
}

fn sealed(file: IdentityFile) -> SealedFile {
    match file {
        IdentityFile::Sealed(sealed) => sealed,
        IdentityFile::Plain(_) => panic!("plain"),
    }
}

#[test]
fn a_plain_file_is_what_age_keygen_writes() {
    let (_dir, path) = place();
    let identity = IdentityKey::parse(KEY).unwrap();
    write_plain(&path, &identity, now()).unwrap();
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        format!(
            "# created: 2026-11-22T00:00:00Z\n\
             # public key: age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj\n{KEY}\n"
        )
    );
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(plain(IdentityFile::read(&path).unwrap()).recipient(), identity.recipient());
    for text in [KEY.to_owned(), format!("\n\r\n# c\r\n{KEY}\r\n"), format!("  {KEY}  ")] {
        assert_eq!(plain(parse(&text).unwrap()).recipient(), identity.recipient());
    }
}

#[test]
fn an_existing_file_is_never_overwritten_and_a_missing_directory_is_made() {
    let (dir, _) = place();
    let path = dir.path().join("config/vault/identity");
    let identity = IdentityKey::generate().unwrap();
    write_plain(&path, &identity, now()).unwrap();
    assert_eq!(fs::metadata(dir.path().join("config")).unwrap().permissions().mode() & 0o777, 0o700);
    let before = fs::read(&path).unwrap();
    for result in [write_plain(&path, &identity, now()), write_sealed(&path, &identity, &pass("x"))] {
        assert!(matches!(result, Err(Error::Store(store::Error::Exists { .. }))));
    }
    assert_eq!(fs::read(&path).unwrap(), before);
    // A directory that others use too is no obstacle.
    let shared = dir.path().join("shared");
    fs::create_dir(&shared).unwrap();
    fs::set_permissions(&shared, fs::Permissions::from_mode(0o777)).unwrap();
    write_plain(&shared.join("identity"), &identity, now()).unwrap();
}

#[test]
fn a_file_open_to_others_and_a_link_are_refused() {
    let (dir, path) = place();
    write_plain(&path, &IdentityKey::generate().unwrap(), now()).unwrap();
    for mode in [0o640, 0o604, 0o644, 0o620] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let result = IdentityFile::read(&path);
        assert!(matches!(result, Err(Error::Store(store::Error::TooWide { mode: m, .. })) if m == mode), "{mode:o}");
    }
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let link = dir.path().join("link");
    symlink(&path, &link).unwrap();
    assert!(matches!(IdentityFile::read(&link), Err(Error::Store(store::Error::NotRegular { .. }))));
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&path, Some(12_345), None).unwrap();
        assert!(matches!(IdentityFile::read(&path), Err(Error::Store(store::Error::NotOurs { .. }))));
    }
    let large = dir.path().join("large");
    fs::write(&large, vec![b'#'; 65_537]).unwrap();
    fs::set_permissions(&large, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(matches!(IdentityFile::read(&large), Err(Error::Store(store::Error::TooLarge { .. }))));
}

#[test]
fn anything_but_one_identity_is_refused_by_line() {
    let recipient = "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj";
    for (text, want) in [
        (format!("# a\n{KEY}\n\n{KEY}\n"), "F line 4: a second identity"),
        ("# only\n".into(), "F holds no identity"),
        (String::new(), "F holds no identity"),
        ("# a\nhunter2\n".into(), "F line 2: not an age identity"),
        (KEY.replace("GFPY", "GFPP"), "F line 1: not an age identity"),
        (format!("{KEY} {KEY}"), "F line 1: not an age identity"),
        ("AGE-PLUGIN-YUBIKEY-1QQQ".into(), "F line 1: an identity of an age plugin"),
        ("AGE-SECRET-KEY-PQ-1QQQ".into(), "F line 1: a post-quantum identity"),
        ("age-encryption.org/v1\n-> scrypt".into(), "F line 1: a file encrypted by age"),
        ("-----BEGIN AGE ENCRYPTED FILE-----".into(), "F line 1: a file encrypted by age"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----".into(), "F line 1: an SSH key"),
        (recipient.into(), "F line 1: a recipient"),
    ] {
        let message = parse(&text).unwrap_err().to_string();
        assert!(message.starts_with(want), "{message}");
        assert!(!message.contains("hunter2") && !message.contains("GFP") && !message.contains("zvky"), "{message}");
    }
    assert!(matches!(
        IdentityFile::parse(b"\xff", &Origin::Variable),
        Err(Error::NotIdentity { origin: Origin::Variable, line: 1 })
    ));
}

#[test]
fn a_sealed_file_opens_with_its_passphrase_only() {
    let (_dir, path) = place();
    let identity = IdentityKey::generate().unwrap();
    write_sealed(&path, &identity, &pass("correct horse")).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(&path).unwrap();
    let secret = identity.to_text();
    assert!(!text.contains(std::str::from_utf8(secret.reveal()).unwrap()));
    assert_eq!((text.lines().count(), text.lines().next()), (8, Some(SEALED)));

    let file = sealed(IdentityFile::read(&path).unwrap());
    assert_eq!((&file.recipient, file.signing_key), (&identity.recipient(), identity.signing_key().public()));
    let origin = Origin::File(path);
    let opened = file.open(&pass("correct horse"), &origin).unwrap();
    assert!(opened.to_text().same_as(&secret));

    // Another passphrase, a damaged box, other public halves: one error.
    let mut box_damaged = file.clone();
    box_damaged.sealed.sealed[40] ^= 1;
    let mut salt_damaged = file.clone();
    salt_damaged.sealed.salt[0] ^= 1;
    let other = IdentityKey::generate().unwrap();
    let relabelled = SealedFile { recipient: other.recipient(), ..file.clone() };
    let messages: Vec<String> = [
        file.open(&pass("correct horsf"), &origin),
        box_damaged.open(&pass("correct horse"), &origin),
        salt_damaged.open(&pass("correct horse"), &origin),
        relabelled.open(&pass("correct horse"), &origin),
    ]
    .into_iter()
    .map(|result| result.unwrap_err().to_string())
    .collect();
    assert!(messages.iter().all(|message| message == &messages[0] && message.contains("wrong passphrase")));
}

#[test]
fn a_sealed_file_is_read_in_one_layout_only() {
    let file = SealedFile {
        recipient: IdentityKey::parse(KEY).unwrap().recipient(),
        signing_key: IdentityKey::parse(KEY).unwrap().signing_key().public(),
        sealed: SealedIdentity { cost: KdfCost::STANDARD, salt: [1; 16], sealed: [2; 72] },
    };
    let good = file.to_text();
    assert_eq!(sealed(parse(&good).unwrap()), file);
    let line = |number: usize| good.lines().nth(number - 1).unwrap();
    for (text, want) in [
        (good.replace("m = 65536", "m = 065536"), 4),
        (good.replace("m = 65536", "m = 65535"), 4),
        (good.replace("m = 65536", "m = 1048577"), 4),
        (good.replace("m = 65536", "m = 99999999999999999999"), 4),
        (good.replace("t = 3", "t = +3"), 5),
        (good.replace("t = 3\n", ""), 5),
        (good.replace("t = 3\np = 4", "p = 4\nt = 3"), 5),
        (good.replace("p = 4", "p  = 4"), 6),
        (good.replace("p = 4", "p = 4 "), 6),
        (good.replace("p = 4\n", "p = 4\r\n"), 6),
        (good.replace(line(2), "recipient = \"age1yubikey1qqqqqq\""), 2),
        (good.replace(line(2), "recipient = age1"), 2),
        (good.replace(line(3), "signing_key = \"AAAA\""), 3),
        (good.replace(line(7), "salt = \"AAAA\""), 7),
        (good.replace(line(7), "salt = \"AQEBAQEBAQEBAQEBAQEBAR==\""), 7),
        (good.replace(line(8), "box = \"AAAA\""), 8),
        (good.trim_end().to_owned(), 9),
        (format!("{good}\n"), 9),
        (format!("{good}# more\n"), 9),
        (format!("{SEALED}\n"), 2),
        (SEALED.to_owned(), 2),
    ] {
        let result = parse(&text);
        assert!(matches!(result, Err(Error::NotSealed { line, .. }) if line == want), "{want} {result:?}\n{text}");
    }
    let mut bytes = good.clone().into_bytes();
    bytes.extend(b"\xff");
    assert!(matches!(IdentityFile::parse(&bytes, &Origin::Variable), Err(Error::NotSealed { line: 9, .. })));
}
