#![expect(clippy::disallowed_methods, reason = "tests prepare files")]

use std::fs;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::store;

fn variables(pairs: &[(&str, &str)]) -> Variables {
    Variables::fixed(pairs.iter().map(|(name, value)| (name.into(), value.into())))
}

fn read(variables: &Variables) -> Result<SecretValue, Error> {
    passphrase(variables, None, "passphrase for a test")
}

fn from_pipe(bytes: &[u8]) -> Result<SecretValue, Error> {
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(bytes).unwrap();
    drop(writer);
    read(&variables(&[(DESCRIPTOR, &reader.as_raw_fd().to_string())]))
}

#[test]
fn a_pipe_gives_its_first_line() {
    for (bytes, want) in [
        (&b"correct horse\n"[..], &b"correct horse"[..]),
        (b"correct horse", b"correct horse"),
        (b"correct horse\n\n", b"correct horse"),
        (b"one\ntwo\n", b"one"),
        (b" spaces \r\n", b" spaces \r"),
        (b"\xff\0", b"\xff\0"),
    ] {
        assert_eq!(from_pipe(bytes).unwrap().reveal(), want);
    }
    assert!(matches!(from_pipe(b""), Err(Error::EmptyPassphrase { from: DESCRIPTOR })));
    assert!(matches!(from_pipe(b"\n"), Err(Error::EmptyPassphrase { .. })));
}

#[test]
fn a_pipe_is_read_within_its_bound() {
    let bound = vec![b'x'; MAX_PASSPHRASE];
    assert_eq!(from_pipe(&bound).unwrap().len(), MAX_PASSPHRASE);
    assert_eq!(from_pipe(&[&bound[..], b"\n"].concat()).unwrap().len(), MAX_PASSPHRASE);
    assert!(matches!(from_pipe(&[&bound[..], b"x"].concat()), Err(Error::LongPassphrase { .. })));
}

#[test]
fn a_pipe_that_stays_open_is_read_to_the_newline() {
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(b"correct horse\n").unwrap();
    let found = read(&variables(&[(DESCRIPTOR, &reader.as_raw_fd().to_string())])).unwrap();
    assert_eq!(found.reveal(), b"correct horse");
    drop(writer);
}

#[cfg(target_os = "linux")]
#[test]
fn a_socket_works_as_a_pipe_does() {
    let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    theirs.write_all(b"correct horse\n").unwrap();
    match read(&variables(&[(DESCRIPTOR, &ours.as_raw_fd().to_string())])) {
        Ok(found) => assert_eq!(found.reveal(), b"correct horse"),
        // Where a container forbids pidfd_getfd.
        Err(error) => assert!(matches!(error, Error::Descriptor { .. }), "{error}"),
    }
}

#[test]
fn standard_and_closed_descriptors_are_refused() {
    for number in ["0", "1", "2"] {
        assert!(matches!(read(&variables(&[(DESCRIPTOR, number)])), Err(Error::StandardDescriptor)));
    }
    let error = read(&variables(&[(DESCRIPTOR, "98765")])).unwrap_err();
    assert_eq!(error.to_string(), "cannot read descriptor 98765 of VLT_PASSPHRASE_FD: bad file descriptor");
    assert!(matches!(read(&variables(&[(DESCRIPTOR, "three")])), Err(Error::Config(_))));
}

#[test]
fn a_file_must_be_private() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pass");
    fs::write(&path, "correct horse\n").unwrap();
    let variables = variables(&[(FILE, path.to_str().unwrap())]);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(read(&variables), Err(Error::Store(store::Error::TooWide { .. }))));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(read(&variables).unwrap().reveal(), b"correct horse");
    fs::write(&path, vec![b'x'; MAX_PASSPHRASE + 1]).unwrap();
    assert!(matches!(read(&variables), Err(Error::LongPassphrase { from: FILE, .. })));
    fs::write(&path, vec![b'x'; MAX_PASSPHRASE + 2]).unwrap();
    assert!(matches!(read(&variables), Err(Error::Store(store::Error::TooLarge { .. }))));
}

#[test]
fn variables_come_before_the_prompt_and_are_not_passed_over() {
    let mut asked = 0;
    let mut prompt = |label: &str| {
        asked += 1;
        assert_eq!(label, "passphrase for a test");
        Ok(SecretValue::from(&b"typed"[..]))
    };
    let label = "passphrase for a test";
    assert_eq!(passphrase(&variables(&[]), Some(&mut prompt), label).unwrap().reveal(), b"typed");
    let broken = variables(&[(FILE, "/none/at/all")]);
    assert!(matches!(passphrase(&broken, Some(&mut prompt), label), Err(Error::Store(_))));
    assert_eq!(asked, 1);
}

#[test]
fn without_anybody_to_ask_what_was_tried_is_named() {
    let message = read(&variables(&[])).unwrap_err().to_string();
    for part in ["passphrase for a test", DESCRIPTOR, FILE, "nobody can be asked"] {
        assert!(message.contains(part), "{message}");
    }
    assert!(!can_be_had(&variables(&[]), false));
    assert!(can_be_had(&variables(&[]), true));
    assert!(can_be_had(&variables(&[(FILE, "/x")]), false));
}

#[test]
fn giving_up_at_the_prompt_is_an_error() {
    let mut prompt = |_: &str| Err(PromptError::Cancelled);
    let result = passphrase(&variables(&[]), Some(&mut prompt), "passphrase");
    assert!(matches!(result, Err(Error::Prompt(PromptError::Cancelled))));
}
