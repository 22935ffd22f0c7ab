#![expect(clippy::disallowed_methods, reason = "tests prepare and inspect files")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::*;

fn directories() -> (tempfile::TempDir, Directories) {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state/vault");
    (dir, Directories { config: PathBuf::from("/none"), state, home: None })
}

fn at(path: &str) -> Place {
    Place { path: PathBuf::from(path), git: None }
}

fn in_clone(path: &str, common_dir: &str, relative: &str) -> Place {
    let git = GitPlace { common_dir: common_dir.into(), relative: relative.into() };
    Place { git: Some(git), ..at(path) }
}

fn id(letter: char) -> String {
    letter.to_string().repeat(52)
}

fn known(directories: &Directories, place: &Place) -> Known {
    Places::load(directories).unwrap().known(place)
}

#[test]
fn a_recorded_place_is_known_by_path_or_by_clone() {
    let (_dir, directories) = directories();
    let main = in_clone("/w/main/vault.toml", "/w/main/.git", "vault.toml");
    assert_eq!(known(&directories, &main), Known::Unknown);
    Places::record(&directories, &main, &id('a')).unwrap();
    for (place, want) in [
        (main, Known::Id(id('a'))),
        (at("/w/main/vault.toml"), Known::Id(id('a'))),
        (in_clone("/w/side/vault.toml", "/w/main/.git", "vault.toml"), Known::Id(id('a'))),
        (in_clone("/w/side/app/vault.toml", "/w/main/.git", "app/vault.toml"), Known::Unknown),
        (in_clone("/w/side/vault.toml", "/other/.git", "vault.toml"), Known::Unknown),
        (at("/w/side/vault.toml"), Known::Unknown),
    ] {
        assert_eq!(known(&directories, &place), want, "{place:?}");
    }
}

#[test]
fn recording_again_writes_nothing() {
    let (_dir, directories) = directories();
    let place = in_clone("/w/vault.toml", "/w/.git", "vault.toml");
    Places::record(&directories, &place, &id('a')).unwrap();
    let file = directories.state.join("places.json");
    let before = fs::metadata(&file).unwrap();
    assert_eq!(before.permissions().mode() & 0o777, 0o600);
    Places::record(&directories, &place, &id('a')).unwrap();
    Places::replace_id(&directories, &place, &id('a')).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().ino(), before.ino(), "the file was not replaced");
}

#[test]
fn another_id_needs_the_explicit_way_and_then_counts_everywhere() {
    let (_dir, directories) = directories();
    let main = in_clone("/w/main/vault.toml", "/w/main/.git", "vault.toml");
    let side = in_clone("/w/side/vault.toml", "/w/main/.git", "vault.toml");
    Places::record(&directories, &main, &id('a')).unwrap();
    Places::record(&directories, &side, &id('a')).unwrap();
    for place in [&main, &side] {
        let error = Places::record(&directories, place, &id('b')).unwrap_err();
        assert!(matches!(error, Error::OtherId { path } if path == place.path));
        assert_eq!(known(&directories, place), Known::Id(id('a')));
    }
    Places::replace_id(&directories, &side, &id('b')).unwrap();
    assert_eq!(known(&directories, &main), Known::Id(id('b')));
    assert_eq!(known(&directories, &at("/w/side/vault.toml")), Known::Id(id('b')));
}

#[test]
fn a_path_and_a_clone_with_different_ids_conflict() {
    let (_dir, directories) = directories();
    Places::record(&directories, &at("/w/vault.toml"), &id('a')).unwrap();
    Places::record(&directories, &in_clone("/x/vault.toml", "/x/.git", "vault.toml"), &id('b')).unwrap();
    let moved = in_clone("/w/vault.toml", "/x/.git", "vault.toml");
    let conflict = Known::Conflict { by_path: id('a'), by_clone: id('b') };
    assert_eq!(known(&directories, &moved), conflict);
    for letter in ['a', 'b'] {
        assert!(matches!(Places::record(&directories, &moved, &id(letter)), Err(Error::OtherId { .. })));
    }
    Places::replace_id(&directories, &moved, &id('a')).unwrap();
    assert_eq!(known(&directories, &moved), Known::Id(id('a')));
}

#[test]
fn every_path_survives() {
    let (_dir, directories) = directories();
    let paths: [&[u8]; 4] =
        [b"/a b/\"\\/vault.toml", b"/100%/%41", b"/\xff\xfe/\xc3", "/\u{e9}/\u{1f512}\n".as_bytes()];
    for (path, letter) in paths.into_iter().zip('a'..) {
        let path = PathBuf::from(OsString::from_vec(path.to_vec()));
        let place = Place { git: Some(GitPlace { common_dir: path.clone(), relative: path.clone() }), path };
        assert_eq!(unescape(&escape(&place.path)).as_deref(), Some(place.path.as_path()));
        Places::record(&directories, &place, &id(letter)).unwrap();
        assert_eq!(known(&directories, &place), Known::Id(id(letter)));
    }
}

#[test]
fn a_damaged_list_is_an_error_and_never_empty() {
    let (_dir, directories) = directories();
    let place = at("/w/vault.toml");
    Places::record(&directories, &place, &id('a')).unwrap();
    let file = directories.state.join("places.json");
    let good = fs::read_to_string(&file).unwrap();
    let twice = good.replace("    {", "    {\"path\":\"/w/vault.toml\",\"id\":\"ID\"},{").replace("ID", &id('b'));
    let clashing = format!(
        "{{\"v\":1,\"places\":[{{\"path\":\"/a\",\"git\":\"/g\",\"relative\":\"r\",\"id\":\"{}\"}},\
         {{\"path\":\"/b\",\"git\":\"/g\",\"relative\":\"r\",\"id\":\"{}\"}}]}}",
        id('a'),
        id('b')
    );
    for text in [
        "",
        "{}",
        "[]",
        &good[..good.len() - 4],
        &good.replace("\"v\": 1", "\"v\": 0"),
        &good.replace("\"path\"", "\"pfad\""),
        &good.replace("/w/", "/%2F/"),
        &good.replace("/w/", "/%G0/"),
        &good.replace("/w/", "/%"),
        &good.replace(&id('a'), "../../etc"),
        &good.replace("\"id\"", "\"git\": \"/g\", \"id\""),
        &twice,
        &clashing,
    ] {
        fs::write(&file, text).unwrap();
        assert!(matches!(Places::load(&directories), Err(Error::Damaged { ref path }) if *path == file), "{text}");
        assert!(matches!(Places::record(&directories, &place, &id('b')), Err(Error::Damaged { .. })), "{text}");
        assert_eq!(fs::read_to_string(&file).unwrap(), text, "a damaged list is left as it is");
    }
    fs::write(&file, "{\"v\": 2, \"spots\": []}").unwrap();
    assert!(matches!(Places::load(&directories), Err(Error::TooNew { .. })));
}

#[test]
fn a_list_that_others_can_read_is_refused() {
    let (_dir, directories) = directories();
    Places::record(&directories, &at("/w/vault.toml"), &id('a')).unwrap();
    let file = directories.state.join("places.json");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(Places::load(&directories), Err(Error::Store(store::Error::TooWide { .. }))));
}

#[test]
fn only_ids_are_recorded() {
    let (_dir, directories) = directories();
    for bad in ["", "abc", &id('A'), &id('1')] {
        assert!(matches!(Places::record(&directories, &at("/w/vault.toml"), bad), Err(Error::NotId)), "{bad}");
    }
    assert!(!directories.state.exists());
}

#[test]
fn two_at_once_both_get_in() {
    let (_dir, directories) = directories();
    std::thread::scope(|scope| {
        for letter in 'a'..='f' {
            let directories = &directories;
            scope.spawn(move || Places::record(directories, &at(&format!("/{letter}")), &id(letter)).unwrap());
        }
    });
    for letter in 'a'..='f' {
        assert_eq!(known(&directories, &at(&format!("/{letter}"))), Known::Id(id(letter)));
    }
}
