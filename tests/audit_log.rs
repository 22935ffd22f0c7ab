//! The audit log from outside: what it notices, what it survives, and whether
//! a verifier written from `docs/audit-log.md` alone agrees.
#![expect(clippy::disallowed_methods, reason = "tests prepare, damage and inspect files, and run other programs")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use vault::audit::{
    Anchor, Begun, Error, Event, Expect, Filter, Finding, Head, Kind, Log, Origin, Outcome, Place, Receipt, Record,
    Report, Severity, Sink, Tampering, logs_in, merge, records, verify, verify_place,
};
use vault::clock::{Span, Timestamp};
use vault::crypto::{Hash, PublicKey, SigningKey, length_prefixed};
use vault::store;

const TIMEOUT: Duration = Duration::from_secs(60);

/// Memory-backed where there is such a thing, as every record is flushed.
fn scratch() -> tempfile::TempDir {
    if Path::new("/dev/shm").is_dir() {
        tempfile::tempdir_in("/dev/shm").unwrap()
    } else {
        tempfile::tempdir().unwrap()
    }
}

fn start() -> Timestamp {
    Timestamp::parse("2026-11-22T09:00:00Z").unwrap()
}

fn device_key() -> SigningKey {
    SigningKey::from_seed(&[42; 32])
}

fn place(dir: &Path, vault: &[u8], device: Option<&str>) -> Place {
    Place {
        vault: Hash::of(vault),
        device: device.map(str::to_owned),
        directory: dir.join("shared"),
        state_directory: dir.join("state"),
    }
}

fn origin() -> Origin {
    Origin {
        user: "alice".into(),
        member: Some("alice".into()),
        cwd: Some("/home/alice/app".into()),
        ..Origin::default()
    }
}

fn event(action: &str, outcome: Outcome) -> Event {
    let mut event = Event::new(action, outcome);
    event.profile = Some("dev".into());
    event.names = vec!["OPENAI_API_KEY".into(), "STRIPE_KEY".into()];
    event.command = Some("python".into());
    event.clock.insert("alice-laptop".into(), 12);
    event
}

struct Fixture {
    dir: tempfile::TempDir,
    place: Place,
    log: Log,
    now: Timestamp,
}

impl Fixture {
    fn new() -> Self {
        let dir = scratch();
        let place = place(dir.path(), b"vault", Some("alice-laptop"));
        Self { log: Log::new(place.clone(), TIMEOUT).unwrap(), place, dir, now: start() }
    }

    fn append(&mut self) -> Result<Receipt, Error> {
        self.log.record(
            &event("exec", Outcome::Done),
            &origin(),
            self.now,
            Some(&|key| Some(key.certify(&device_key()))),
        )
    }

    fn hour(&mut self) {
        self.now = self.now.plus(Span::from_seconds(3600));
    }

    /// Several epochs of a few records, with every kind of record in them.
    fn filled() -> Self {
        let mut fixture = Self::new();
        for epoch in 0..4 {
            for _ in 0..3 {
                fixture.append().unwrap();
            }
            let intent = event("set", Outcome::Intent);
            let receipt = fixture.log.record(&intent, &origin(), fixture.now, None).unwrap();
            let mut done = event("set", Outcome::Done);
            done.of = Some(receipt.head.sequence);
            fixture.log.record(&done, &origin(), fixture.now, None).unwrap();
            if epoch < 3 {
                fixture.hour();
            }
        }
        fixture
    }

    fn path(&self) -> PathBuf {
        self.place.log_path(1)
    }

    fn lines(&self) -> Vec<String> {
        fs::read_to_string(self.path()).unwrap().lines().map(str::to_owned).collect()
    }

    fn companion(&self, ending: &str) -> PathBuf {
        self.place.state_directory.join(format!("alice-laptop.{ending}"))
    }

    fn report(&self, deep: bool) -> Report {
        let keys = [device_key().public()];
        verify_place(&self.place, &expect(&keys, &[]), true, deep).unwrap()
    }

    fn assert_whole(&self) -> Report {
        let report = self.report(false);
        assert!(report.is_ok(), "{:#?}", report.findings);
        let deep = self.report(true);
        assert_eq!(report, deep);
        report
    }
}

fn expect<'a>(keys: &'a [PublicKey], anchors: &'a [Anchor]) -> Expect<'a> {
    Expect { vault: Hash::of(b"vault"), device: Some("alice-laptop"), signing_keys: keys, anchors }
}

fn head_of(lines: &[String]) -> Head {
    Head { sequence: lines.len() as u64, hash: Hash::of(lines.last().unwrap().as_bytes()) }
}

fn anchor(lines: &[String]) -> Anchor {
    Anchor { head: head_of(lines), place: "profile dev".into() }
}

fn text(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// Verifies with the head of the unchanged log as an anchor; failures only.
fn failures(log: &str, whole: &[String], deep: bool) -> Vec<Finding> {
    let (keys, anchors) = ([device_key().public()], [anchor(whole)]);
    let report = verify(log.as_bytes(), &expect(&keys, &anchors), deep).unwrap();
    report.findings.into_iter().filter(|finding| finding.kind.severity() == Severity::Failure).collect()
}

/// What is found first, in both modes.
fn assert_found(log: &str, whole: &[String], kinds: &[Kind], sequence: &[u64], what: &str) {
    for deep in [false, true] {
        let found = failures(log, whole, deep);
        let first = found.first().unwrap_or_else(|| panic!("{what}: nothing found"));
        assert!(kinds.contains(&first.kind), "{what}: {found:#?}");
        assert!(sequence.contains(&first.sequence.unwrap()), "{what}: {found:#?}");
    }
}

fn sign(line_without_signature: &str, key: &SigningKey) -> String {
    let signature = key.sign(&length_prefixed(&[b"vault/v1/audit", line_without_signature.as_bytes()]));
    format!("{line_without_signature},\"sig\":\"{signature}\"}}")
}

#[test]
fn a_whole_log_has_nothing_but_what_it_should() {
    let fixture = Fixture::filled();
    let report = fixture.assert_whole();
    assert_eq!(report.findings, []);
    assert_eq!((report.records, report.epochs), (fixture.lines().len() as u64, 4));
    let lines = fixture.lines();
    let anchors: Vec<Anchor> = (1..=lines.len()).map(|n| anchor(&lines[..n])).collect();
    let keys = [device_key().public()];
    let report = verify_place(&fixture.place, &expect(&keys, &anchors), true, false).unwrap();
    assert_eq!(report.anchored.len(), lines.len());
    assert_eq!(fixture.log.head().unwrap(), Some(head_of(&lines)));
    for (n, line) in lines.iter().enumerate() {
        let record = Record::parse(line.as_bytes()).unwrap();
        assert_eq!(record.seq, n as u64 + 1);
    }
}

#[test]
fn every_edited_byte_of_every_record_names_the_record() {
    let fixture = Fixture::filled();
    let whole = fixture.lines();
    for n in 0..whole.len() {
        let sequence = [n as u64 + 1];
        // Every byte would take minutes without optimization; 7 and 11 share no factor with the fields' lengths.
        for at in (n % 7..whole[n].len()).step_by(if cfg!(debug_assertions) { 11 } else { 1 }) {
            let mut bytes = whole[n].clone().into_bytes();
            bytes[at] = if bytes[at] == b'x' { b'y' } else { b'x' };
            let mut lines = whole.clone();
            lines[n] = String::from_utf8(bytes).unwrap();
            let kinds = [Kind::Edited, Kind::Malformed, Kind::BadSignature, Kind::ForeignVault, Kind::ForeignDevice];
            assert_found(&text(&lines), &whole, &kinds, &sequence, &format!("byte {at} of record {}", n + 1));
        }
    }
}

#[test]
fn edited_fields_are_edits_and_name_the_record() {
    let fixture = Fixture::filled();
    let whole = fixture.lines();
    let last = whole.len() - 1;
    for n in 0..whole.len() {
        let sequence = n as u64 + 1;
        let epoch = Record::parse(whole[n].as_bytes()).unwrap().epoch;
        let other_key = SigningKey::from_seed(&[9; 32]).public();
        for (from, to) in [
            ("\"STRIPE_KEY\"".to_owned(), "\"OTHER_KEY\"".to_owned()),
            ("\"outcome\":\"done\"".into(), "\"outcome\":\"refused\"".into()),
            ("T09:00:00Z".into(), "T08:00:00Z".into()),
            (format!("\"seq\":{sequence},"), format!("\"seq\":{},", sequence + 1)),
            (format!("\"seq\":{sequence},"), format!("\"seq\":{},", sequence + 1000)),
            (format!("\"epoch\":{epoch},"), format!("\"epoch\":{},", epoch + 1)),
            (format!("\"epoch\":{epoch},"), "\"epoch\":77,".into()),
            ("\"tty\":false".into(), "\"tty\":false,\"reason\":\"x\"".into()),
            (
                Record::parse(whole[n].as_bytes()).unwrap().key.map_or("no key".into(), |key| key.to_string()),
                other_key.to_string(),
            ),
            (Hash::of(b"vault").to_string(), Hash::of(b"other").to_string()),
            ("alice-laptop\",\"seq".into(), "mallory\",\"seq".into()),
        ] {
            let mut lines = whole.clone();
            lines[n] = lines[n].replacen(&from, &to, 1);
            if lines[n] == whole[n] {
                continue;
            }
            let kinds = if n == last { vec![Kind::Edited, Kind::BadSignature] } else { vec![Kind::Edited] };
            assert_found(&text(&lines), &whole, &kinds, &[sequence], &format!("{from} to {to} in record {sequence}"));
        }
    }
}

#[test]
fn deleted_repeated_and_moved_records_are_named() {
    let fixture = Fixture::filled();
    let whole = fixture.lines();
    let count = whole.len();
    for n in 0..count {
        let sequence = n as u64 + 1;
        let mut lines = whole.clone();
        lines.remove(n);
        let kind = if n + 1 == count { Kind::CutTail } else { Kind::Missing };
        assert_found(&text(&lines), &whole, &[kind], &[sequence], &format!("{sequence} deleted"));
        for to in 0..=count {
            let mut lines = whole.clone();
            lines.insert(to, whole[n].clone());
            let what = format!("{sequence} repeated before {}", to + 1);
            // Before its original the copy is the one that comes too early.
            let kinds = [if to < n { Kind::Order } else { Kind::Duplicate }, Kind::Duplicate];
            assert_found(&text(&lines), &whole, &kinds, &[sequence], &what);
            if to == n || to == n + 1 {
                continue;
            }
            let mut lines = whole.clone();
            let moved = lines.remove(n);
            let at = if to > n { to - 1 } else { to };
            lines.insert(at, moved);
            let neighbours = at.abs_diff(n) == 1;
            let named = if neighbours { vec![sequence, at as u64 + 1] } else { vec![sequence] };
            assert_found(&text(&lines), &whole, &[Kind::Order], &named, &format!("{sequence} moved to {}", at + 1));
        }
    }
}

#[test]
fn several_deleted_records_are_named_by_the_first() {
    let fixture = Fixture::filled();
    let whole = fixture.lines();
    for from in 0..whole.len() {
        for to in from + 1..whole.len() {
            let mut lines = whole.clone();
            lines.drain(from..to);
            assert_found(&text(&lines), &whole, &[Kind::Missing], &[from as u64 + 1], &format!("{from}..{to} deleted"));
        }
    }
}

#[test]
fn a_cut_tail_shows_up_to_the_anchor() {
    let fixture = Fixture::filled();
    let whole = fixture.lines();
    for keep in 1..whole.len() {
        let cut = text(&whole[..keep]);
        assert_found(&cut, &whole, &[Kind::CutTail], &[keep as u64 + 1], &format!("cut behind {keep}"));
        let within = format!("{cut}{}", &whole[keep][..whole[keep].len() / 2]);
        assert_found(&within, &whole, &[Kind::CutTail], &[keep as u64 + 1], &format!("cut within {}", keep + 1));
        // What lies behind the last anchor cannot be missed.
        assert_eq!(failures(&cut, &whole[..keep], true), []);
        // The device's own state is an anchor too.
        fs::write(fixture.path(), &cut).unwrap();
        let found = fixture.report(false).findings;
        assert!(found.iter().any(|f| (f.kind, f.sequence) == (Kind::CutTail, Some(keep as u64 + 1))), "{found:#?}");
    }
    assert_found("", &whole, &[Kind::Removed], &[1], "empty");
}

#[test]
fn lines_of_others_are_foreign_and_so_are_whole_files() {
    let fixture = Fixture::filled();
    let whole = fixture.lines();
    for (vault, device, kind) in [
        (&b"other"[..], "alice-laptop", Kind::ForeignVault),
        (b"vault", "bob-laptop", Kind::ForeignDevice),
        (b"other", "bob-laptop", Kind::ForeignVault),
    ] {
        let dir = scratch();
        let place = place(dir.path(), vault, Some(device));
        let mut log = Log::new(place.clone(), TIMEOUT).unwrap();
        for _ in 0..5 {
            log.record(&event("exec", Outcome::Done), &origin(), start(), None).unwrap();
        }
        let other = fs::read_to_string(place.log_path(1)).unwrap();
        assert_found(&other, &whole, &[kind], &[1], "whole file");
        for line in other.lines() {
            for at in 1..=whole.len() {
                let mut lines = whole.clone();
                lines.insert(at, line.to_owned());
                assert_found(&text(&lines), &whole, &[kind], &[at as u64 + 1], &format!("inserted at {at}"));
            }
        }
    }
    for at in 0..=whole.len() {
        for garbage in ["", "{}", "garbage", "{\"v\":2}", "\u{0}\u{0}"] {
            let mut lines = whole.clone();
            lines.insert(at, garbage.into());
            assert_found(&text(&lines), &whole, &[Kind::Malformed], &[at as u64 + 1], &format!("{garbage} at {at}"));
        }
    }
    let converted = text(&whole).replace('\n', "\r\n");
    assert_found(&converted, &whole, &[Kind::Malformed], &[1], "line endings");
}

#[test]
fn whoever_holds_the_newest_key_cannot_remake_an_older_epoch() {
    let fixture = Fixture::filled();
    let whole = fixture.lines();
    let newest = key_in(&fixture.companion("key"));
    // Re-made from record 3 on, consistently, with the only key there is.
    let mut lines = whole[..2].to_vec();
    for line in &whole[2..] {
        let body = line.split(",\"prev\":").next().unwrap().replace("STRIPE_KEY", "NOTHING");
        let prev = Hash::of(lines.last().unwrap().as_bytes());
        lines.push(sign(&format!("{body},\"prev\":\"{prev}\""), &newest));
    }
    // The chain holds, so that only a signature tells: each one in deep mode, else that of the hand-over.
    let hand_over = whole.iter().position(|line| line.contains("log-key")).unwrap() as u64 + 1;
    let deep = failures(&text(&lines), &lines, true);
    assert_eq!((deep[0].kind, deep[0].sequence), (Kind::BadSignature, Some(3)));
    let quick = failures(&text(&lines), &lines, false);
    assert_eq!((quick[0].kind, quick[0].sequence), (Kind::BadHandover, Some(hand_over)));
    // The newest epoch itself can be re-made; what an anchor names cannot.
    let from = whole.iter().rposition(|line| line.contains("log-key")).unwrap() + 1;
    let mut lines = whole[..from].to_vec();
    for line in &whole[from..] {
        let body = line.split(",\"prev\":").next().unwrap().replace("STRIPE_KEY", "NOTHING");
        let prev = Hash::of(lines.last().unwrap().as_bytes());
        lines.push(sign(&format!("{body},\"prev\":\"{prev}\""), &newest));
    }
    assert_eq!(failures(&text(&lines), &whole[..from], true), []);
    assert_found(&text(&lines), &whole, &[Kind::Replaced], &[whole.len() as u64], "newest epoch");
}

#[test]
fn a_founded_log_is_uncertified_and_misses_the_anchor() {
    let fixture = Fixture::filled();
    let whole = fixture.lines();
    let mut forged = Fixture::new();
    for _ in 0..whole.len() {
        forged.log.record(&event("exec", Outcome::Done), &origin(), start(), None).unwrap();
    }
    let log = text(&forged.lines());
    assert_found(&log, &whole, &[Kind::Replaced], &[whole.len() as u64], "founded anew");
    let keys = [device_key().public()];
    let report = verify(log.as_bytes(), &expect(&keys, &[]), false).unwrap();
    assert_eq!(report.findings.iter().map(|f| f.kind).collect::<Vec<_>>(), [Kind::Uncertified]);
    assert!(report.is_ok());
    // A certificate by somebody else is worse than none.
    let mut forged = Fixture::new();
    let other = SigningKey::from_seed(&[1; 32]);
    forged
        .log
        .record(&event("exec", Outcome::Done), &origin(), start(), Some(&|key| Some(key.certify(&other))))
        .unwrap();
    let found = failures(&text(&forged.lines()), &forged.lines(), false);
    assert_eq!((found[0].kind, found[0].sequence), (Kind::BadCertificate, Some(1)));
}

#[test]
fn a_key_is_certified_as_soon_as_somebody_can() {
    let mut fixture = Fixture::new();
    fixture.log.record(&event("exec", Outcome::Done), &origin(), start(), None).unwrap();
    fixture.log.record(&event("exec", Outcome::Done), &origin(), start(), Some(&|_| None)).unwrap();
    assert_eq!(fixture.lines().len(), 3);
    fixture.append().unwrap();
    fixture.append().unwrap();
    assert_eq!(fixture.lines().len(), 6);
    assert!(fixture.lines()[3].contains("\"action\":\"log-certify\""));
    let report = fixture.assert_whole();
    assert_eq!(report.findings.iter().map(|f| f.kind).collect::<Vec<_>>(), [Kind::Uncertified]);
    assert!(report.findings[0].detail.contains("from record 4"));
}

#[test]
fn a_key_serves_256_records_or_an_hour() {
    let mut fixture = Fixture::new();
    for _ in 0..600 {
        fixture.append().unwrap();
    }
    let report = fixture.assert_whole();
    assert_eq!((report.records, report.epochs), (603, 3));
    let epochs: Vec<usize> =
        fixture.lines().iter().enumerate().filter(|(_, l)| l.contains("log-key")).map(|(n, _)| n).collect();
    assert_eq!(epochs, [256, 513]);
    fixture.now = fixture.now.plus(Span::from_seconds(3599));
    fixture.append().unwrap();
    assert_eq!(fixture.assert_whole().epochs, 3);
    fixture.now = fixture.now.plus(Span::from_seconds(1));
    fixture.append().unwrap();
    assert_eq!(fixture.assert_whole().epochs, 4);
}

#[test]
fn a_clock_that_jumps_leaves_the_log_whole_and_in_order() {
    let mut fixture = Fixture::new();
    for at in
        ["2026-11-22", "2016-01-01", "1970-01-01", "2076-11-22", "2026-11-22", "9999-12-31T23:59:59Z", "1970-01-01"]
    {
        fixture.now = Timestamp::parse(at).unwrap();
        fixture.append().unwrap();
        fixture.append().unwrap();
    }
    let report = fixture.assert_whole();
    assert_eq!((report.records, report.epochs), (1 + 14 + 6, 7));
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

fn private(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_crash_between_any_two_steps_loses_no_record() {
    // With and without a hand-over in the interrupted append, and at the very first one.
    for before in [0, 2] {
        for hand_over in [false, true] {
            let mut fixture = Fixture::new();
            for _ in 0..before {
                fixture.append().unwrap();
            }
            if hand_over {
                fixture.hour();
            }
            let old = scratch();
            copy(fixture.dir.path(), old.path());
            // Appended, killed before the flush.
            let event = event("exec", Outcome::Done);
            let certify = |key: &vault::audit::EpochKey| Some(key.certify(&device_key()));
            drop(fixture.log.append(&event, &origin(), fixture.now, Some(&certify)).unwrap());
            let appended = scratch();
            copy(fixture.dir.path(), appended.path());
            let count = fixture.lines().len();
            fixture.append().unwrap();
            assert_eq!(fixture.assert_whole().records, count as u64 + 1);
            // Flushed, the key replaced or not, killed before the state; in another process.
            for key in [false, true] {
                let crashed = scratch();
                copy(appended.path(), crashed.path());
                let place = place(crashed.path(), b"vault", Some("alice-laptop"));
                if key && crashed.path().join("state/alice-laptop.key.next").exists() {
                    fs::copy(
                        crashed.path().join("state/alice-laptop.key.next"),
                        crashed.path().join("state/alice-laptop.key"),
                    )
                    .unwrap();
                }
                let mut log = Log::new(place.clone(), TIMEOUT).unwrap();
                log.record(&event, &origin(), fixture.now, None).unwrap();
                let report = verify_place(&place, &expect(&[], &[]), true, true).unwrap();
                assert!(report.is_ok(), "{report:#?}");
                assert_eq!(report.records, count as u64 + 1);
            }
            // The power failed: what was not flushed is gone in whole or in part, the key that it introduced is not.
            let whole = fs::read(appended.path().join("shared/alice-laptop.jsonl")).unwrap();
            let flushed = fs::read(old.path().join("shared/alice-laptop.jsonl")).map_or(0, |bytes| bytes.len());
            for left in
                (flushed..whole.len()).step_by(if cfg!(debug_assertions) { 29 } else { 1 }).chain([whole.len() - 1])
            {
                for zeros in [false, true] {
                    let crashed = scratch();
                    copy(appended.path(), crashed.path());
                    let place = place(crashed.path(), b"vault", Some("alice-laptop"));
                    let mut bytes = whole[..left].to_vec();
                    if zeros {
                        bytes.resize(whole.len(), 0);
                    }
                    fs::write(place.log_path(1), &bytes).unwrap();
                    private(&place.log_path(1));
                    let report = verify_place(&place, &expect(&[], &[]), true, true).unwrap();
                    assert!(report.is_ok(), "{left}: {report:#?}");
                    for _ in 0..2 {
                        let mut log = Log::new(place.clone(), TIMEOUT).unwrap();
                        log.record(&event, &origin(), fixture.now, None).unwrap();
                    }
                    let log = fs::read(place.log_path(1)).unwrap();
                    assert!(log.starts_with(&bytes), "what a crash left is still there");
                    let report = verify_place(&place, &expect(&[], &[]), true, true).unwrap();
                    assert!(report.is_ok(), "{left} {zeros}: {report:#?}");
                }
            }
        }
    }
}

#[test]
fn an_older_state_is_caught_up_and_a_newer_one_is_tampering() {
    let mut fixture = Fixture::new();
    let mut states = Vec::new();
    for n in 0..12 {
        if n % 4 == 3 {
            fixture.hour();
        }
        fixture.append().unwrap();
        states.push((fs::read(fixture.companion("state")).unwrap(), fs::read(fixture.path()).unwrap()));
    }
    for (state, _) in &states {
        fs::write(fixture.companion("state"), state).unwrap();
        let mut log = Log::new(fixture.place.clone(), TIMEOUT).unwrap();
        log.record(&event("exec", Outcome::Done), &origin(), fixture.now, None).unwrap();
        fixture.assert_whole();
    }
    let newest = fs::read(fixture.companion("state")).unwrap();
    for (_, log) in &states {
        fs::write(fixture.path(), log).unwrap();
        fs::write(fixture.companion("state"), &newest).unwrap();
        let error = Log::new(fixture.place.clone(), TIMEOUT)
            .unwrap()
            .record(&event("exec", Outcome::Done), &origin(), fixture.now, None)
            .unwrap_err();
        assert!(matches!(error, Error::Tampered { found: Tampering::Shorter { .. }, .. }), "{error}");
        assert_eq!(&fs::read(fixture.path()).unwrap(), log, "nothing was written");
    }
}

#[test]
fn a_lost_block_in_front_of_a_whole_record_is_a_fragment_too() {
    // A hand-over and a record in one append; the power failed, and of the first only a part reached the medium.
    for (from, to) in [(0, 0), (0, -1), (0, -300), (1, 0), (100, -20), (0, 40)] {
        let mut fixture = Fixture::new();
        fixture.append().unwrap();
        let flushed = fs::read(fixture.path()).unwrap().len();
        fixture.hour();
        drop(fixture.log.append(&event("exec", Outcome::Done), &origin(), fixture.now, None).unwrap());
        let mut bytes = fs::read(fixture.path()).unwrap();
        let first = bytes[flushed..].iter().position(|b| *b == b'\n').unwrap() + 1;
        bytes[flushed + from..(flushed + first).checked_add_signed(to).unwrap()].fill(0);
        fs::write(fixture.path(), &bytes).unwrap();
        for _ in 0..3 {
            let mut log = Log::new(fixture.place.clone(), TIMEOUT).unwrap();
            log.record(&event("exec", Outcome::Done), &origin(), fixture.now, None).unwrap();
        }
        let report = fixture.assert_whole();
        let found: Vec<_> = report.findings.iter().map(|f| (f.kind, f.sequence)).collect();
        assert_eq!(found, [(Kind::Torn, Some(3))], "{from} {to}");
    }
}

#[test]
fn a_fragment_and_its_description_must_agree() {
    let mut fixture = Fixture::new();
    fixture.append().unwrap();
    let mut torn = fs::read_to_string(fixture.path()).unwrap();
    torn.push_str("{\"v\":1,\"vault\":\"abc");
    fs::write(fixture.path(), &torn).unwrap();
    fixture.append().unwrap();
    fixture.append().unwrap();
    let report = fixture.assert_whole();
    assert_eq!(report.findings.iter().map(|f| f.kind).collect::<Vec<_>>(), [Kind::Torn]);
    let log = fs::read_to_string(fixture.path()).unwrap();
    let lines: Vec<String> = log.lines().map(str::to_owned).collect();
    let whole: Vec<String> = lines.iter().filter(|line| line.len() > 100).cloned().collect();
    for (changed, what) in [
        (log.replace(":\"abc\n", ":\"abd\n"), "edited"),
        (log.replace(":\"abc\n", ":\"ab\n"), "shortened"),
        (log.replace("{\"v\":1,\"vault\":\"abc\n", ""), "removed"),
        (log.replace("{\"v\":1,\"vault\":\"abc\n", "{\"v\":1,\"vault\":\"abc\n\n"), "lengthened"),
    ] {
        assert_ne!(changed, log);
        let kinds = [Kind::TornUnexplained, Kind::Malformed];
        assert_found(&changed, &whole, &kinds, &[3], what);
        let found = failures(&changed, &whole, false);
        assert!(found.iter().any(|finding| finding.kind == Kind::TornUnexplained), "{what}: {found:#?}");
    }
}

#[test]
fn what_was_removed_is_noticed_and_a_new_log_only_begins_when_told() {
    type Damage = fn(&Fixture);
    let cases: [(Damage, &str); 7] = [
        (|f| fs::remove_file(f.companion("state")).unwrap(), "state was removed"),
        (|f| fs::remove_file(f.path()).unwrap(), "log of"),
        (|f| fs::write(f.path(), "").unwrap(), "log of"),
        (|f| fs::write(f.companion("state"), "x").unwrap(), "state is damaged"),
        (|f| fs::remove_file(f.companion("key")).unwrap(), "signing key of epoch 4"),
        (|f| fs::write(f.path(), text(&f.lines()[..5])).unwrap(), "log was cut"),
        (
            |f| fs::write(f.path(), text(&f.lines()).replace("STRIPE_KEY", "STRIPE_KEX")).unwrap(),
            "is not the one that was written",
        ),
    ];
    for (damage, message) in cases {
        let mut fixture = Fixture::filled();
        fs::remove_file(fixture.companion("key.next")).unwrap();
        let head = fixture.log.head().unwrap().unwrap();
        damage(&fixture);
        fixture.log = Log::new(fixture.place.clone(), TIMEOUT).unwrap();
        let before = logs_in(&fixture.place.directory).unwrap();
        for _ in 0..2 {
            let error = fixture.append().unwrap_err();
            assert!(error.to_string().contains(message), "{error}");
        }
        assert_eq!(logs_in(&fixture.place.directory).unwrap(), before);
        // A missing key shows only where something is to be signed.
        let found = fixture.report(false).findings;
        assert_eq!(found.is_empty(), message.contains("key"), "{message}: {found:#?}");
        let kept = fs::read(fixture.path()).ok();
        let certify = |key: &vault::audit::EpochKey| Some(key.certify(&device_key()));
        fixture.log.begin_again("disk replaced", None, &origin(), fixture.now, Some(&certify)).unwrap();
        fixture.append().unwrap();
        assert_eq!(fs::read(fixture.path()).ok(), kept, "evidence is kept");
        let generation = if kept.is_some() || !message.contains("state") { 2 } else { 1 };
        let lines = fs::read_to_string(fixture.place.log_path(generation)).unwrap();
        let first = Record::parse(lines.lines().next().unwrap().as_bytes()).unwrap();
        assert_eq!(first.reason.as_deref(), Some("disk replaced"));
        assert_eq!(first.after, (!message.contains("state")).then_some(head), "{message}");
        let report = fixture.assert_whole();
        assert_eq!(report.records, 2);
        let kinds = report.findings.iter().map(|f| f.kind).filter(|kind| *kind != Kind::Earlier);
        let kinds: Vec<Kind> = kinds.collect();
        assert_eq!(kinds, if message.contains("state") { vec![] } else { vec![Kind::BegunAgain] });
        // An anchor from before is met by the log that was kept, or by none.
        let keys = [device_key().public()];
        let anchors = [Anchor { head, place: "profile dev".into() }];
        let report = verify_place(&fixture.place, &expect(&keys, &anchors), true, false).unwrap();
        let there = message.contains("state") || message.contains("key");
        assert_eq!((report.is_ok(), report.anchored.len()), (there, usize::from(there)), "{message} {report:#?}");
    }
}

/// A log in several small files.
fn segmented() -> Fixture {
    let mut fixture = Fixture::new();
    fixture.log = Log::new(fixture.place.clone(), TIMEOUT).unwrap().with_segment_size(4000);
    for n in 0..40 {
        fixture.append().unwrap();
        if n % 13 == 12 {
            fixture.hour();
        }
    }
    fixture
}

fn segments(fixture: &Fixture) -> Vec<PathBuf> {
    logs_in(&fixture.place.directory).unwrap().into_iter().map(|log| log.path).collect()
}

#[test]
fn a_long_log_goes_on_in_further_files_and_is_one_log() {
    let fixture = segmented();
    let files = segments(&fixture);
    assert!(files.len() >= 5, "{}", files.len());
    let report = fixture.assert_whole();
    assert_eq!(report.findings, []);
    let lines: Vec<String> = files
        .iter()
        .flat_map(|file| fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    assert_eq!(report.records, lines.len() as u64);
    for (n, line) in lines.iter().enumerate() {
        assert_eq!(Record::parse(line.as_bytes()).unwrap().seq, n as u64 + 1);
    }
    for file in &files {
        assert!(fs::metadata(file).unwrap().len() < 4000 + 2000);
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    // The files one after the other are a log like any other, in every respect.
    assert_eq!(failures(&text(&lines), &lines, true), []);
    let anchors: Vec<Anchor> = (1..=lines.len()).map(|n| anchor(&lines[..n])).collect();
    let keys = [device_key().public()];
    let report = verify_place(&fixture.place, &expect(&keys, &anchors), true, true).unwrap();
    assert_eq!(report.anchored.len(), lines.len());
}

#[test]
fn what_happens_to_one_file_of_several_is_noticed() {
    let fixture = segmented();
    let files = segments(&fixture);
    let whole: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    let count =
        |n: usize| whole[..n].iter().map(|file| file.iter().filter(|byte| **byte == b'\n').count() as u64).sum::<u64>();
    let first = |report: &Report| {
        let found = report.findings.iter().find(|finding| finding.kind.severity() == Severity::Failure);
        found.map(|finding| (finding.kind, finding.sequence.unwrap()))
    };
    for n in 0..files.len() {
        let last = n + 1 == files.len();
        // Gone.
        fs::remove_file(&files[n]).unwrap();
        let found = first(&fixture.report(true)).unwrap();
        let kind = if last { Kind::Removed } else { Kind::Missing };
        assert_eq!(found.0, kind, "file {n}");
        assert_eq!(found.1, if last { 1 } else { count(n) + 1 }, "file {n}");
        // Moved to an archive, and named.
        let archive = scratch();
        let moved = archive.path().join(files[n].file_name().unwrap());
        fs::write(&moved, &whole[n]).unwrap();
        let keys = [device_key().public()];
        let archives = [archive.path().to_path_buf()];
        let report =
            vault::audit::verify_with(&fixture.place, &archives, &expect(&keys, &[]), true, true, &mut |_| {}).unwrap();
        assert_eq!((report.findings.as_slice(), report.records), (&[][..], count(files.len())), "file {n}");
        // Its last line, and every line in it, cut, changed, gone.
        let lines: Vec<String> = String::from_utf8(whole[n].clone()).unwrap().lines().map(str::to_owned).collect();
        for at in 0..lines.len() {
            let sequence = count(n) + at as u64 + 1;
            let mut changed = lines.clone();
            changed[at] = changed[at].replacen("alice", "mallory", 1);
            fs::write(&files[n], text(&changed)).unwrap();
            let found = first(&fixture.report(true)).unwrap();
            assert_eq!(found.1, sequence, "file {n}, line {at} edited: {found:?}");
            let mut deleted = lines.clone();
            deleted.remove(at);
            fs::write(&files[n], text(&deleted)).unwrap();
            let found = first(&fixture.report(true)).unwrap();
            assert_eq!(found.1, sequence, "file {n}, line {at} deleted: {found:?}");
        }
        fs::write(&files[n], &whole[n]).unwrap();
        private(&files[n]);
    }
    // Exchanged for each other.
    fs::write(&files[1], &whole[2]).unwrap();
    fs::write(&files[2], &whole[1]).unwrap();
    let found = first(&fixture.report(true)).unwrap();
    assert!([Kind::Missing, Kind::Order].contains(&found.0), "{found:?}");
    assert_eq!(found.1, count(1) + 1);
}

#[test]
fn a_crash_anywhere_at_the_end_of_a_file_loses_no_record() {
    let mut fixture = Fixture::new();
    fixture.append().unwrap();
    let before = scratch();
    copy(fixture.dir.path(), before.path());
    fixture.log = Log::new(fixture.place.clone(), TIMEOUT).unwrap().with_segment_size(1);
    fixture.append().unwrap();
    let file = |dir: &Path, name: &str| dir.join(name);
    let (old, log) = ("state/alice-laptop.state", "shared/alice-laptop.jsonl");
    // What each step left on the medium, in order; the state lags throughout.
    let steps: [&[&str]; 4] = [
        &["state/alice-laptop.key.next"],
        &["state/alice-laptop.key.next", log],
        &["state/alice-laptop.key.next", log, "state/alice-laptop.key"],
        &["state/alice-laptop.key.next", log, "state/alice-laptop.key", "shared/alice-laptop.2.jsonl"],
    ];
    for (n, step) in steps.iter().enumerate() {
        for torn in [false, true] {
            let crashed = scratch();
            copy(before.path(), crashed.path());
            for name in *step {
                fs::copy(file(fixture.dir.path(), name), file(crashed.path(), name)).unwrap();
            }
            let last = file(crashed.path(), step.last().unwrap());
            // A key is replaced whole; a record may be torn.
            if torn && last.extension().is_some_and(|ending| ending == "jsonl") && n == 1 {
                let bytes = fs::read(&last).unwrap();
                fs::write(&last, &bytes[..bytes.len() - 50]).unwrap();
            }
            assert_eq!(fs::read(file(crashed.path(), old)).unwrap(), fs::read(file(before.path(), old)).unwrap());
            let place = place(crashed.path(), b"vault", Some("alice-laptop"));
            let report = verify_place(&place, &expect(&[], &[]), true, true).unwrap();
            assert!(report.is_ok(), "{n} {torn}: {report:#?}");
            for size in [1, 1 << 20] {
                let mut log = Log::new(place.clone(), TIMEOUT).unwrap().with_segment_size(size);
                log.record(&event("exec", Outcome::Done), &origin(), fixture.now, None).unwrap();
                let report = verify_place(&place, &expect(&[], &[]), true, true).unwrap();
                assert!(report.is_ok(), "{n} {torn}: {report:#?}");
            }
        }
    }
}

#[test]
fn a_copied_state_is_noticed_and_goes_its_own_way() {
    let one = Fixture::new();
    let (here, there) = (Hash::of(b"here"), Hash::of(b"there"));
    let write = |place: &Place, machine: Hash| {
        let mut log = Log::new(place.clone(), TIMEOUT).unwrap().on_machine(machine);
        log.record(&event("exec", Outcome::Done), &origin(), start(), None).unwrap();
    };
    write(&one.place, here);
    write(&one.place, here);
    let head = one.log.head().unwrap();
    let copied = scratch();
    copy(one.dir.path(), copied.path());
    let other = place(copied.path(), b"vault", Some("alice-laptop"));
    for _ in 0..3 {
        write(&other, there);
        write(&one.place, here);
    }
    // The original goes on as if nothing had happened.
    assert_eq!(logs_in(&one.place.directory).unwrap().len(), 1);
    assert_eq!(one.assert_whole().records, 6);
    // The copy began one log of its own, says why, and names where it parted.
    let logs = logs_in(&other.directory).unwrap();
    assert_eq!(logs.len(), 2);
    let begun = fs::read_to_string(&logs[1].path).unwrap();
    let begun = Record::parse(begun.lines().next().unwrap().as_bytes()).unwrap();
    assert_eq!((begun.action.as_str(), begun.after), ("log-begin", head));
    assert!(begun.reason.unwrap().contains("copied"));
    let report = verify_place(&other, &expect(&[], &[]), true, true).unwrap();
    assert!(report.is_ok() && report.records == 4, "{report:#?}");
    assert!(report.findings.iter().any(|finding| finding.kind == Kind::BegunAgain));
    // What the original anchors meanwhile says nothing about the copy.
    let far = Anchor { head: Head { sequence: 1 << 40, hash: Hash::of(b"original") }, place: "profile dev".into() };
    let log = Log::new(other.clone(), TIMEOUT).unwrap().on_machine(there);
    let receipt = { log }.anchored(far).record(&event("exec", Outcome::Done), &origin(), start(), None).unwrap();
    assert_eq!(receipt.begun, None);
    // In a shared directory both are whole, also when the original's log goes on behind the other's.
    fs::copy(&logs[1].path, one.place.log_path(2)).unwrap();
    let mut log = Log::new(one.place.clone(), TIMEOUT).unwrap().on_machine(here).with_segment_size(1);
    log.record(&event("exec", Outcome::Done), &origin(), start(), None).unwrap();
    assert!(one.place.log_path(3).exists());
    assert_eq!(one.assert_whole().records, 9);
}

fn exec_at(place: &Place, now: Timestamp, known: Option<&Anchor>) -> Receipt {
    let mut log = Log::new(place.clone(), TIMEOUT).unwrap();
    if let Some(known) = known {
        log = log.anchored(known.clone());
    }
    log.record(&event("exec", Outcome::Done), &origin(), now, Some(&|key| Some(key.certify(&device_key())))).unwrap()
}

#[test]
fn a_restored_backup_goes_on_in_a_log_that_says_so() {
    let mut fixture = Fixture::new();
    for _ in 0..3 {
        fixture.append().unwrap();
    }
    let backup = scratch();
    copy(fixture.dir.path(), backup.path());
    for _ in 0..4 {
        fixture.append().unwrap();
    }
    let known = anchor(&fixture.lines());
    let older = anchor(&fixture.lines()[..3]);
    let restored = place(backup.path(), b"vault", Some("alice-laptop"));
    // What it reaches is nothing new; what it does not reach is noticed once.
    assert_eq!(exec_at(&restored, start(), Some(&older)).begun, None);
    let last = Log::new(restored.clone(), TIMEOUT).unwrap().head().unwrap();
    assert_eq!(exec_at(&restored, start(), Some(&known)).begun, Some(Begun::Behind(known.head)));
    assert_eq!(exec_at(&restored, start(), Some(&known)).begun, None);
    let logs = logs_in(&restored.directory).unwrap();
    assert_eq!(logs.len(), 2);
    let text = fs::read_to_string(&logs[1].path).unwrap();
    let first = Record::parse(text.lines().next().unwrap().as_bytes()).unwrap();
    assert_eq!((first.action.as_str(), first.after), ("log-begin", last));
    let reason = first.reason.unwrap();
    assert!(reason.contains("ended with record 5") && reason.contains("profile dev names record 8"), "{reason}");
    // Whole in itself, and the record that is gone is still missed where it is named.
    let keys = [device_key().public()];
    let report = verify_place(&restored, &expect(&keys, &[]), true, true).unwrap();
    assert_eq!(report.findings.iter().map(|f| f.kind).collect::<Vec<_>>(), [Kind::BegunAgain]);
    let report = verify_place(&restored, &expect(&keys, &[known]), true, true).unwrap();
    assert!(!report.is_ok() && report.findings.iter().any(|f| f.kind == Kind::CutTail), "{report:#?}");
    // A later anchor that it does not reach is noticed as well: another machine writes under this name.
    let more = Anchor { head: Head { sequence: 99, ..older.head }, ..older };
    assert!(exec_at(&restored, start(), Some(&more)).begun.is_some());
}

/// Writes into what the device remembers, as whoever has it can: its checksum has no key.
fn change_state(place: &Place, change: impl Fn(&mut serde_json::Map<String, serde_json::Value>)) {
    let path = place.state_directory.join("alice-laptop.state");
    let mut bytes = fs::read(&path).unwrap();
    let slot = bytes.len() / 2;
    for slot in bytes.chunks_mut(slot) {
        let Some(end) = slot.iter().rposition(|byte| *byte == b'}') else { continue };
        let mut state: serde_json::Value = serde_json::from_slice(&slot[53..=end]).unwrap();
        change(state.as_object_mut().unwrap());
        let json = state.to_string();
        let text = format!("{} {json}", Hash::of(json.as_bytes()));
        slot.fill(b' ');
        slot[..text.len()].copy_from_slice(text.as_bytes());
    }
    fs::write(&path, bytes).unwrap();
}

#[test]
fn a_restored_backup_is_noticed_whatever_its_state_says() {
    let mut fixture = Fixture::filled();
    let backup = scratch();
    copy(fixture.dir.path(), backup.path());
    fixture.append().unwrap();
    let known = anchor(&fixture.lines());
    let restored = place(backup.path(), b"vault", Some("alice-laptop"));
    change_state(&restored, |state| drop(state.insert("earlier".into(), (1_u64 << 40).into())));
    assert_eq!(exec_at(&restored, start(), Some(&known)).begun, Some(Begun::Behind(known.head)));
    // Begun by hand, the new log does not take it over either.
    let again = scratch();
    copy(fixture.dir.path(), again.path());
    let again = place(again.path(), b"vault", Some("alice-laptop"));
    change_state(&again, |state| drop(state.insert("earlier".into(), (1_u64 << 40).into())));
    fs::remove_file(again.log_path(1)).unwrap();
    Log::new(again.clone(), TIMEOUT).unwrap().begin_again("it is gone", None, &origin(), start(), None).unwrap();
    let later = Anchor { head: Head { sequence: known.head.sequence + 1, ..known.head }, ..known.clone() };
    assert_eq!(exec_at(&again, start(), Some(&known)).begun, None);
    assert!(exec_at(&again, start(), Some(&later)).begun.is_some());
    // A number that its own last record does not have.
    change_state(&restored, |state| drop(state.insert("seq".into(), (1_u64 << 40).into())));
    let error = Log::new(restored, TIMEOUT).unwrap().anchored(known);
    let error = { error }.record(&event("exec", Outcome::Done), &origin(), start(), None).unwrap_err();
    assert!(matches!(error, Error::Tampered { found: Tampering::HeadDiffers { .. }, .. }), "{error}");
}

#[test]
fn what_a_log_says_of_earlier_ones_goes_on_in_its_further_files() {
    let fixture = Fixture::filled();
    let lost = |sequence| Anchor { head: Head { sequence, hash: Hash::of(b"lost") }, place: "profile dev".into() };
    assert!(exec_at(&fixture.place, start(), Some(&lost(100))).begun.is_some());
    for _ in 0..2 {
        let mut log = Log::new(fixture.place.clone(), TIMEOUT).unwrap().with_segment_size(1);
        log.record(&event("exec", Outcome::Done), &origin(), start(), None).unwrap();
    }
    for moved_away in 1..=3 {
        fs::remove_file(fixture.place.log_path(moved_away)).unwrap();
    }
    assert_eq!(exec_at(&fixture.place, start(), Some(&lost(100))).begun, None);
    assert!(exec_at(&fixture.place, start(), Some(&lost(101))).begun.is_some());
}

#[test]
fn a_second_restored_backup_is_missed_at_use_until_the_log_is_as_long_as_the_first_was() {
    let fixture = Fixture::filled();
    let first = Anchor { head: Head { sequence: 100, hash: Hash::of(b"lost") }, place: "profile dev".into() };
    let begun = exec_at(&fixture.place, start(), Some(&first));
    assert!(begun.begun.is_some());
    let backup = scratch();
    copy(fixture.dir.path(), backup.path());
    // A record that the vault file names is gone once more, of a log that has few yet.
    let second = exec_at(&fixture.place, start(), Some(&first)).head;
    let second = Anchor { head: second, ..first.clone() };
    let restored = place(backup.path(), b"vault", Some("alice-laptop"));
    let again = exec_at(&restored, start().plus(Span::from_seconds(60)), Some(&second));
    assert_eq!((again.begun, again.head.sequence), (None, second.head.sequence), "the table says so");
    assert_ne!(again.head.hash, second.head.hash);
    let keys = [device_key().public()];
    let report = verify_place(&restored, &expect(&keys, &[second]), true, false).unwrap();
    assert!(report.findings.iter().any(|f| f.kind == Kind::Replaced && f.sequence == Some(3)), "{report:#?}");
    let longer = Anchor { head: Head { sequence: 101, hash: Hash::of(b"lost") }, ..first };
    assert!(exec_at(&restored, start(), Some(&longer)).begun.is_some());
}

#[test]
fn what_is_removed_with_all_that_knew_of_it_looks_like_a_first_use() {
    let mut fixture = Fixture::filled();
    fs::remove_dir_all(&fixture.place.directory).unwrap();
    fs::remove_dir_all(&fixture.place.state_directory).unwrap();
    fixture.log = Log::new(fixture.place.clone(), TIMEOUT).unwrap();
    fixture.append().unwrap();
    let report = fixture.assert_whole();
    assert_eq!((report.records, report.findings.len()), (2, 0), "{report:#?}");
}

#[test]
fn a_first_log_says_that_there_was_another_one() {
    let fixture = Fixture::filled();
    let known = anchor(&fixture.lines());
    let dir = scratch();
    let fresh = place(dir.path(), b"vault", Some("alice-laptop"));
    assert_eq!(exec_at(&fresh, start(), Some(&known)).begun, None);
    exec_at(&fresh, start(), Some(&known));
    let text = fs::read_to_string(fresh.log_path(1)).unwrap();
    let first = Record::parse(text.lines().next().unwrap().as_bytes()).unwrap();
    assert_eq!(first.after, Some(known.head));
    assert!(first.reason.unwrap().contains("no log was here"));
    assert_eq!((text.lines().count(), logs_in(&fresh.directory).unwrap().len()), (3, 1));
}

#[test]
fn a_log_that_another_took_the_place_of_is_verified_too() {
    let one = Fixture::new();
    let write = |machine: &[u8]| {
        let mut log = Log::new(one.place.clone(), TIMEOUT).unwrap().on_machine(Hash::of(machine));
        log.record(&event("exec", Outcome::Done), &origin(), start(), None).unwrap();
    };
    for machine in [b"here", b"here", b"here", b"copy", b"copy"] {
        write(machine);
    }
    assert_eq!(
        one.assert_whole().findings.iter().map(|f| f.kind).collect::<Vec<_>>(),
        [Kind::BegunAgain, Kind::Uncertified]
    );
    let whole = one.lines();
    for (change, kind) in [
        ((|lines| lines[2] = lines[2].replace("STRIPE_KEY", "OTHER")) as fn(&mut Vec<String>), Kind::Edited),
        (|lines| drop(lines.remove(1)), Kind::Missing),
        (|lines| drop(lines.pop()), Kind::CutTail),
    ] {
        let mut lines = whole.clone();
        change(&mut lines);
        fs::write(one.path(), text(&lines)).unwrap();
        let report = one.report(false);
        assert!(!report.is_ok() && report.findings.iter().any(|f| f.kind == kind), "{kind}: {report:#?}");
    }
    // Nor does it help to put a log beside it that says it was known: only the device can say so.
    let mut lines = whole.clone();
    lines[2] = lines[2].replace("STRIPE_KEY", "OTHER");
    fs::write(one.path(), text(&lines)).unwrap();
    let elsewhere = scratch();
    let planted = place(elsewhere.path(), b"vault", Some("alice-laptop"));
    exec_at(&planted, start(), None);
    fs::remove_file(planted.log_path(1)).unwrap();
    let mut log = Log::new(planted.clone(), TIMEOUT).unwrap();
    log.begin_again("x", None, &origin(), start(), None).unwrap();
    let begun = logs_in(&planted.directory).unwrap().remove(0).path;
    assert!(fs::read_to_string(&begun).unwrap().contains("tampering:log-removed"));
    fs::copy(begun, one.place.log_path(3)).unwrap();
    let keys = [device_key().public()];
    let seen = Place { state_directory: elsewhere.path().join("nowhere"), ..one.place.clone() };
    let report = verify_place(&seen, &expect(&keys, &[]), false, false).unwrap();
    assert!(report.findings.iter().any(|f| f.kind == Kind::Edited), "{report:#?}");
    fs::remove_file(one.place.log_path(3)).unwrap();
    // What was known to be wrong when the next one was begun stays a note.
    let mut cut = Fixture::filled();
    let mut lines = cut.lines();
    lines[2] = lines[2].replace("STRIPE_KEY", "OTHER");
    lines.truncate(5);
    fs::write(cut.path(), text(&lines)).unwrap();
    cut.log
        .begin_again("disk replaced", None, &origin(), cut.now, Some(&|key| Some(key.certify(&device_key()))))
        .unwrap();
    let report = cut.report(true);
    assert!(report.is_ok(), "{report:#?}");
    assert!(report.findings.iter().any(|f| f.kind == Kind::Earlier && f.detail.contains("(edited)")), "{report:#?}");
}

#[test]
fn eight_writers_lose_nothing() {
    let dir = scratch();
    let program = std::env::current_exe().unwrap();
    let mut processes: Vec<_> = (0..8)
        .map(|_| {
            Command::new(&program)
                .args(["--exact", "writes_in_another_process"])
                .env("AUDIT_TEST_DIRECTORY", dir.path())
                .stdout(std::process::Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for process in &mut processes {
        assert!(process.wait().unwrap().success());
    }
    let place = place(dir.path(), b"vault", Some("alice-laptop"));
    let report = verify_place(&place, &expect(&[], &[]), true, true).unwrap();
    assert!(report.is_ok(), "{report:#?}");
    let uses = records(&place.log_path(1), Filter { action: Some("exec".into()), ..Filter::default() }).unwrap();
    assert_eq!(uses.map(Result::unwrap).count(), 4000);
}

fn write_500(dir: &Path) {
    let mut log = Log::new(place(dir, b"vault", Some("alice-laptop")), TIMEOUT).unwrap();
    for _ in 0..500 {
        log.record(&event("exec", Outcome::Done), &origin(), start(), None).unwrap();
    }
}

/// Run by [`eight_writers_lose_nothing`]; does nothing on its own.
#[test]
fn writes_in_another_process() {
    if let Some(dir) = std::env::var_os("AUDIT_TEST_DIRECTORY") {
        write_500(Path::new(&dir));
    }
}

#[test]
fn a_held_log_is_waited_for_and_no_longer() {
    let mut fixture = Fixture::new();
    fixture.append().unwrap();
    let mut other = Log::new(fixture.place.clone(), Duration::from_millis(20)).unwrap();
    let event = event("exec", Outcome::Done);
    let pending = fixture.log.append(&event, &origin(), start(), None).unwrap();
    let error = other.record(&event, &origin(), start(), None).unwrap_err();
    assert!(matches!(error, Error::Store(store::Error::Busy { .. })), "{error}");
    let head = pending.head();
    // The flush may run elsewhere while values are opened.
    let receipt = std::thread::scope(|scope| scope.spawn(|| pending.flush()).join().unwrap()).unwrap();
    assert_eq!(receipt.head, head);
    other.record(&event, &origin(), start(), None).unwrap();
    fixture.assert_whole();
}

#[test]
fn a_sink_gets_every_line_and_the_log_keeps_its_own() {
    let mut fixture = Fixture::new();
    let copy = fixture.dir.path().join("copy.jsonl");
    fixture.log = Log::new(fixture.place.clone(), TIMEOUT).unwrap().with_sink(Sink::file(&copy).unwrap());
    fixture.append().unwrap();
    fixture.hour();
    fixture.append().unwrap();
    fixture.assert_whole();
    assert_eq!(fs::read(&copy).unwrap(), fs::read(fixture.path()).unwrap());
    let record = Record::parse(fixture.lines()[0].as_bytes()).unwrap();
    assert_eq!(record.sink, Some(copy.display().to_string()));

    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    fixture.log =
        Log::new(fixture.place.clone(), TIMEOUT).unwrap().with_sink(Sink::writer("fd:3", Box::new(Full)).unwrap());
    let error = fixture.append().unwrap_err();
    assert!(matches!(&error, Error::Sink { sink, .. } if sink == "fd:3"), "{error}");
    fixture.log = Log::new(fixture.place.clone(), TIMEOUT).unwrap();
    fixture.append().unwrap();
    fixture.assert_whole();
}

#[test]
fn no_log_no_receipt() {
    let fixture = Fixture::filled();
    let event = event("exec", Outcome::Done);
    // A directory, a link, a device in place of the log: an error, and nothing else happens.
    fs::remove_file(fixture.path()).unwrap();
    for make in [
        (|path: &Path| fs::create_dir(path).unwrap()) as fn(&Path),
        |path| std::os::unix::fs::symlink("/dev/full", path).unwrap(),
        |path| std::os::unix::fs::symlink("/dev/null", path).unwrap(),
    ] {
        make(&fixture.path());
        let mut log = Log::new(fixture.place.clone(), TIMEOUT).unwrap();
        assert!(log.record(&event, &origin(), start(), None).is_err());
        let _ = fs::remove_dir(fixture.path());
        let _ = fs::remove_file(fixture.path());
    }
}

#[test]
fn hostile_text_reaches_the_file_escaped_and_whole() {
    let mut fixture = Fixture::new();
    let hostile = "a\n\u{1b}]52;c;\u{7}\u{9b}\u{202e}\u{2028}\",\"sig\":\"é漢";
    let mut event = event("set", Outcome::Refused);
    event.names = vec![hostile.into()];
    event.reason = Some(hostile.into());
    event.overrides = vec![hostile.into()];
    let origin = Origin { user: hostile.into(), cwd: Some(hostile.into()), ..origin() };
    fixture.log.record(&event, &origin, start(), Some(&|key| Some(key.certify(&device_key())))).unwrap();
    fixture.append().unwrap();
    fixture.assert_whole();
    let log = fs::read_to_string(fixture.path()).unwrap();
    assert!(log.chars().all(|c| c == '\n' || !(c.is_control() || matches!(c, '\u{202e}' | '\u{2028}'))));
    let record = Record::parse(fixture.lines()[1].as_bytes()).unwrap();
    assert_eq!((record.names[0].as_str(), record.user.as_str()), (hostile, hostile));
}

#[test]
fn records_are_found_by_what_they_say() {
    let mut fixture = Fixture::new();
    fixture.append().unwrap();
    fixture.hour();
    let mut refused = event("get", Outcome::Refused);
    refused.names = vec!["STRIPE_KEY".into()];
    let bob = Origin { member: Some("bob".into()), ..origin() };
    fixture.log.record(&refused, &bob, fixture.now, None).unwrap();
    let filter = Filter::default;
    for (filter, want) in [
        (filter(), 4),
        (Filter { since: Some(fixture.now), ..filter() }, 2),
        (Filter { until: Some(start()), ..filter() }, 2),
        (Filter { secret: Some("STRIPE_KEY".into()), ..filter() }, 2),
        (Filter { secret: Some("OPENAI_API_KEY".into()), ..filter() }, 1),
        (Filter { member: Some("bob".into()), ..filter() }, 2),
        (Filter { device: Some("alice-laptop".into()), ..filter() }, 4),
        (Filter { device: Some("other".into()), ..filter() }, 0),
        (Filter { action: Some("get".into()), ..filter() }, 1),
        (Filter { outcome: Some(Outcome::Refused), ..filter() }, 1),
    ] {
        let found: Vec<_> = records(&fixture.path(), filter.clone()).unwrap().map(Result::unwrap).collect();
        assert_eq!(found.len(), want, "{filter:?}");
        assert!(found.iter().all(|entry| fixture.lines().contains(&entry.line)));
    }
    let dir = scratch();
    let other = place(dir.path(), b"vault", None);
    let between = start().plus(Span::from_seconds(60));
    Log::new(other.clone(), TIMEOUT).unwrap().record(&refused, &bob, between, None).unwrap();
    let logs = vec![
        records(&fixture.path(), Filter::default()).unwrap(),
        records(&other.log_path(1), Filter::default()).unwrap(),
    ];
    let order: Vec<_> = merge(logs).map(|entry| entry.unwrap().record.device.is_some()).collect();
    assert_eq!(order, [true, true, false, false, true, true]);
}

#[test]
fn garbage_is_an_error_with_a_line_number_and_reading_goes_on() {
    let fixture = Fixture::filled();
    let mut lines = fixture.lines();
    lines.insert(2, "garbage".into());
    fs::write(fixture.path(), text(&lines) + "{\"v\":1").unwrap();
    let found: Vec<_> = records(&fixture.path(), Filter::default()).unwrap().collect();
    assert_eq!(found.len(), lines.len());
    assert!(matches!(found[2], Err(Error::Malformed { line: 3 })));
    assert!(found.iter().enumerate().all(|(n, entry)| n == 2 || entry.is_ok()));
}

#[test]
fn a_file_of_garbage_is_given_up_on() {
    let keys = [device_key().public()];
    let report = verify("x\n".repeat(5000).as_bytes(), &expect(&keys, &[]), true).unwrap();
    assert!(report.stopped && !report.is_ok());
    assert_eq!(report.findings.len(), Report::MAX_FINDINGS);
}

#[test]
fn dangling_intents_are_noted() {
    let mut fixture = Fixture::new();
    fixture.append().unwrap();
    fixture.log.record(&event("set", Outcome::Intent), &origin(), start(), None).unwrap();
    let report = fixture.assert_whole();
    let found: Vec<_> = report.findings.iter().map(|f| (f.kind, f.sequence)).collect();
    assert_eq!(found, [(Kind::DanglingIntent, Some(3))]);
}

/// A log as the independent verifier gets it, and what ours says about it.
fn vector(dir: &Path, name: &str, log: &[u8], anchors: &[Anchor]) -> (PathBuf, Report) {
    let dir = dir.join(name);
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("log.jsonl"), log).unwrap();
    let keys = [device_key().public()];
    let expected = serde_json::json!({
        "vault": Hash::of(b"vault").to_string(),
        "device": "alice-laptop",
        "signing_keys": [keys[0].to_string()],
        "anchors": anchors.iter().map(|anchor| anchor.head.to_string()).collect::<Vec<_>>(),
    });
    fs::write(dir.join("expect.json"), expected.to_string()).unwrap();
    (dir, verify(log, &expect(&keys, anchors), true).unwrap())
}

#[test]
fn a_verifier_written_from_the_document_agrees() {
    if !has_python() {
        return;
    }
    let mut fixture = Fixture::filled();
    let hostile = "\u{1b}]52;\u{202e}\u{e0041}\"\\ é漢";
    let strange = Origin { user: hostile.into(), ..origin() };
    fixture.log.record(&event("exec", Outcome::Refused), &strange, fixture.now, None).unwrap();
    let lines = fixture.lines();
    let whole = text(&lines);
    let anchors = [anchor(&lines[..7]), anchor(&lines)];
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("audit_log");
    let _ = fs::remove_dir_all(&dir);
    let mut vectors = vec![
        vector(&dir, "whole", whole.as_bytes(), &anchors),
        vector(&dir, "half_a_line_behind", (whole.clone() + "{\"v\":1").as_bytes(), &anchors),
        vector(&dir, "without_last_lf", whole.trim_end().as_bytes(), &anchors),
        vector(&dir, "empty", b"", &anchors),
        vector(&dir, "not_anchored", text(&lines[..9]).as_bytes(), &anchors[..1]),
        vector(&dir, "cut", text(&lines[..9]).as_bytes(), &anchors),
        vector(&dir, "cut_within_a_line", &whole.as_bytes()[..whole.len() - 100], &anchors),
        {
            let fixture = segmented();
            let log: Vec<u8> = segments(&fixture).iter().flat_map(|file| fs::read(file).unwrap()).collect();
            vector(&dir, "several_files", &log, &[])
        },
        vector(&dir, "crlf", whole.replace('\n', "\r\n").as_bytes(), &anchors),
    ];
    for n in 0..lines.len() {
        for (name, damage) in [
            ("edited", (|lines, n| lines[n] = lines[n].replacen("alice", "mallory", 1)) as fn(&mut Vec<String>, usize)),
            ("signature", |lines, n| {
                lines[n] = lines[n].replacen("\"sig\":\"", "\"sig\":\"A", 1).replacen("==\"}", "=\"}", 1)
            }),
            ("key", |lines, n| lines[n] = lines[n].replacen("\"key\":\"", "\"key\":\"A", 1)),
            ("outcome", |lines, n| lines[n] = lines[n].replacen("\"done\"", "\"failed\"", 1)),
            ("deleted", |lines, n| drop(lines.remove(n))),
            ("garbage", |lines, n| lines.insert(n, "garbage".into())),
            ("repeated", |lines, n| lines.push(lines[n].clone())),
            ("moved", |lines, n| lines.rotate_left(n)),
        ] {
            let mut damaged = lines.clone();
            damage(&mut damaged, n);
            vectors.push(vector(&dir, &format!("{name}_{}", n + 1), text(&damaged).as_bytes(), &anchors));
        }
    }
    // A crash in the middle of an append, and what came after it.
    for left in [1, 100, 300] {
        let mut crashed = Fixture::new();
        crashed.append().unwrap();
        let bytes = fs::read(crashed.path()).unwrap();
        fs::write(crashed.path(), [&bytes[..], &bytes[..left]].concat()).unwrap();
        crashed.hour();
        crashed.append().unwrap();
        let log = fs::read_to_string(crashed.path()).unwrap();
        vectors.push(vector(&dir, &format!("torn_{left}"), log.as_bytes(), &[]));
        let undescribed = log.replacen("\"torn\":{\"bytes\":", "\"torn\":{\"bytes\":1", 1);
        vectors.push(vector(&dir, &format!("torn_{left}_edited"), undescribed.as_bytes(), &[]));
        let gone = [&log.as_bytes()[..bytes.len()], &log.as_bytes()[bytes.len() + left + 1..]].concat();
        vectors.push(vector(&dir, &format!("torn_{left}_removed"), &gone, &[]));
    }
    // A record that stands there again is none of those fragments, whatever the next append says of it.
    let mut again = Fixture::filled();
    let line = again.lines()[4].clone();
    fs::write(again.path(), text(&again.lines()) + &line + "\n").unwrap();
    again.append().unwrap();
    vectors.push(vector(&dir, "repeated_and_described", &fs::read(again.path()).unwrap(), &[]));
    assert!(!vectors.last().unwrap().1.is_ok());
    let (dirs, reports): (Vec<PathBuf>, Vec<Report>) = vectors.into_iter().unzip();
    let verdicts = independent(&dirs);
    assert_eq!(verdicts.len(), dirs.len());
    for ((dir, report), verdict) in dirs.iter().zip(&reports).zip(&verdicts) {
        let what = dir.display().to_string();
        assert_eq!(verdict["ok"], report.is_ok(), "{what}: {verdict} {report:#?}");
        if report.is_ok() {
            assert_eq!(verdict["records"], report.records, "{what}");
            assert_eq!(verdict["epochs"], report.epochs, "{what}");
            continue;
        }
        let first = first_failure(report).unwrap();
        assert_agrees(&first, verdict, &what);
        // A record in the wrong place is named by its own number, not by the place.
        if !matches!(first.0, Kind::Order | Kind::Duplicate) {
            assert_eq!(verdict["at"], first.1, "{what}: {report:#?}");
        }
    }
}

/// Whether the verifier in Python can be run; where it has to be, it is an error if not.
fn has_python() -> bool {
    let python = Command::new("python3").args(["-c", "import cryptography"]).output();
    let found = python.is_ok_and(|output| output.status.success());
    let ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
    assert!(found || !ci, "python3 with the package cryptography is missing");
    if !found {
        eprintln!("NOT CHECKED: python3 with the package `cryptography` is missing (pip install cryptography)");
    }
    found
}

/// What the verifier in Python says, a verdict for each log.
fn independent(logs: &[PathBuf]) -> Vec<serde_json::Value> {
    let oracle = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracles/audit_verify.py");
    let output = Command::new("python3").arg(oracle).args(logs).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn first_failure(report: &Report) -> Option<(Kind, u64)> {
    let first = report.findings.iter().find(|finding| finding.kind.severity() == Severity::Failure);
    first.map(|finding| (finding.kind, finding.sequence.unwrap()))
}

/// Both name the same thing; what the document leaves open ("Naming") may differ.
fn assert_agrees(first: &(Kind, u64), verdict: &serde_json::Value, what: &str) {
    let (kind, named) = (verdict["kind"].as_str().unwrap_or("nothing"), verdict["named"].as_u64().unwrap_or(0));
    let own = first.0.to_string();
    let moved = |kind: &str| ["order", "duplicate"].contains(&kind);
    let last = |kind: &str| ["edited", "bad-signature"].contains(&kind);
    let form = ["/signature_", "/key_"].iter().any(|name| what.contains(name));
    let form = |kind: &str| form && ["edited", "malformed", "bad-signature"].contains(&kind);
    let same = own == kind || (form(&own) && form(kind)) || (moved(&own) && moved(kind)) || (last(&own) && last(kind));
    assert!(same && (named == first.1 || moved(&own)), "{what}: {first:?}, but {verdict}");
}

/// A log, with what somebody finds who takes the machine.
struct Written {
    device: &'static str,
    lines: Vec<String>,
    newest: SigningKey,
    /// Records before the newest epoch.
    epoch_from: usize,
}

/// A thousand records: four devices, some days, many key epochs.
fn thousand() -> Vec<Written> {
    let devices = ["alice-laptop", "alice-phone", "bob-laptop", "ci"];
    let logs = devices.iter().enumerate().map(|(n, device)| {
        let dir = scratch();
        let place = place(dir.path(), b"vault", Some(device));
        let mut log = Log::new(place.clone(), TIMEOUT).unwrap();
        let certify = |key: &vault::audit::EpochKey| Some(key.certify(&device_key()));
        let mut now = start();
        let mut head = 0;
        while head < 250 {
            // Bursts, pauses, nights, and once a clock that is set back.
            let seconds = [5, 5, 40, 200, 5, 100, 5][head as usize % 7] + n as u64;
            let seconds = if head % 19 == 18 { 30_000 } else { seconds };
            now = if head == 120 { now.minus(Span::days(1)) } else { now.plus(Span::from_seconds(seconds)) };
            let (action, outcome) =
                [("exec", Outcome::Done), ("get", Outcome::Done), ("get", Outcome::Refused), ("set", Outcome::Failed)]
                    [head as usize % 4];
            head = log.record(&event(action, outcome), &origin(), now, Some(&certify)).unwrap().head.sequence;
        }
        let lines = fs::read_to_string(place.log_path(1)).unwrap().lines().map(str::to_owned).collect::<Vec<_>>();
        let epoch_from = lines.iter().rposition(|line| line.contains("log-key")).unwrap() + 1;
        Written { device, lines, newest: key_in(&place.state_directory.join(format!("{device}.key"))), epoch_from }
    });
    logs.collect()
}

/// By its seed; what stands behind that has to belong to it.
fn key_in(path: &Path) -> SigningKey {
    let text = fs::read_to_string(path).unwrap();
    let pair = vault::crypto::from_base64(text.trim(), "key").unwrap();
    let key = SigningKey::from_seed(pair[..32].try_into().unwrap());
    let public = key.public();
    let bond = Hash::of(&length_prefixed(&[b"vault/v1/signing-pair", &pair[..32], public.as_bytes()]));
    assert_eq!(pair[32..], [*public.as_bytes(), *bond.as_bytes()].concat());
    key
}

#[test]
fn a_key_file_is_believed_only_as_far_as_the_state_agrees() {
    let mut fixture = Fixture::filled();
    let path = fixture.companion("key");
    let whole = fs::read_to_string(&path).unwrap();
    let pair = vault::crypto::from_base64(whole.trim(), "key").unwrap();
    let other = SigningKey::from_seed(&[7; 32]).pair();
    let write = |bytes: &[u8]| fs::write(&path, vault::crypto::to_base64(bytes) + "\n").unwrap();
    // The seed alone, as earlier versions wrote it.
    write(&pair[..32]);
    fixture.log = Log::new(fixture.place.clone(), TIMEOUT).unwrap();
    fixture.append().unwrap();
    fixture.assert_whole();
    // A damaged one is made good from its copy, where there is one.
    let next = fixture.companion("key.next");
    fs::write(&next, &whole).unwrap();
    write(&pair[1..]);
    fixture.log = Log::new(fixture.place.clone(), TIMEOUT).unwrap();
    fixture.append().unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), whole);
    // Halves that do not belong together, another key, a bit that fell over anywhere.
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = pair.clone();
        change(&mut bytes);
        bytes
    };
    let before = fs::read(fixture.path()).unwrap();
    for (bytes, what) in [
        (with(&|bytes| bytes[..32].copy_from_slice(&other[..32])), "another seed before it"),
        (with(&|bytes| bytes[32..64].copy_from_slice(&other[32..64])), "another public half"),
        (with(&|bytes| bytes[32..].copy_from_slice(&other[32..])), "another public half with its hash"),
        (other.to_vec(), "another pair"),
        (other[..32].to_vec(), "another seed alone"),
        (with(&|bytes| bytes[5] ^= 1), "a bit of the seed"),
        (with(&|bytes| bytes[63] ^= 1), "a bit of the public half"),
        (with(&|bytes| bytes[64] ^= 1), "a bit of the hash"),
        (pair[..95].to_vec(), "too short"),
    ] {
        write(&bytes);
        fs::write(&next, &bytes).unwrap();
        fixture.log = Log::new(fixture.place.clone(), TIMEOUT).unwrap();
        let error = fixture.append().unwrap_err();
        assert!(matches!(error, Error::Tampered { found: Tampering::KeyRemoved { .. }, .. }), "{what}: {error}");
        assert_eq!(fs::read(fixture.path()).unwrap(), before, "{what}: nothing was written");
    }
    fs::write(&path, &whole).unwrap();
    fixture.log = Log::new(fixture.place.clone(), TIMEOUT).unwrap();
    fixture.append().unwrap();
    fixture.assert_whole();
}

/// Logs that have most lines in common, for the verifier in Python.
#[derive(Default)]
struct Many {
    lines: Vec<String>,
    numbers: std::collections::HashMap<String, usize>,
    vectors: Vec<serde_json::Value>,
    found: Vec<((Kind, u64), String)>,
}

impl Many {
    fn add(&mut self, log: &[String], expect: &serde_json::Value, found: (Kind, u64), what: String) {
        let log: Vec<usize> = log
            .iter()
            .map(|line| {
                *self.numbers.entry(line.clone()).or_insert_with(|| {
                    self.lines.push(line.clone());
                    self.lines.len() - 1
                })
            })
            .collect();
        self.vectors.push(serde_json::json!({ "log": log, "expect": expect }));
        self.found.push((found, what));
    }
}

/// The log made anew behind `from` records: consistent, signed with `key`, and telling of no `STRIPE_KEY`.
fn remade(whole: &[String], from: usize, key: &SigningKey) -> Vec<String> {
    let mut lines = whole[..from].to_vec();
    for line in &whole[from..] {
        let body = line.split(",\"prev\":").next().unwrap().replace("STRIPE_KEY", "NOTHING");
        let prev = lines.last().map_or(Hash::ZERO, |line| Hash::of(line.as_bytes()));
        lines.push(sign(&format!("{body},\"prev\":\"{prev}\""), key));
    }
    lines
}

#[test]
fn every_mutation_of_a_thousand_records_is_noticed_at_the_right_record() {
    let logs = thousand();
    let records: usize = logs.iter().map(|log| log.lines.len()).sum();
    assert!((1000..1100).contains(&records), "{records}");
    // They take a minute without optimization, most of it in signatures.
    let logs = &logs;
    let parts: Vec<(usize, Many)> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..logs.len()).map(|at| scope.spawn(move || every_mutation(logs, at))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mutations: usize = parts.iter().map(|(mutations, _)| mutations).sum();
    assert!(mutations > 12_000, "{mutations}");
    if has_python() {
        let files: Vec<PathBuf> = (0..parts.len())
            .map(|n| Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("thousand-{n}.json")))
            .collect();
        for (file, (_, many)) in files.iter().zip(&parts) {
            let all = serde_json::json!({ "lines": many.lines, "vectors": many.vectors });
            fs::write(file, all.to_string()).unwrap();
        }
        let verdicts = independent(&files);
        let found: Vec<_> = parts.iter().flat_map(|(_, many)| &many.found).collect();
        assert_eq!(verdicts.len(), found.len());
        for ((found, what), verdict) in found.into_iter().zip(&verdicts) {
            assert_eq!(verdict["ok"], false, "{what}");
            assert_agrees(found, verdict, what);
        }
    }
}

/// Every mutation of each kind of one of the logs: how many, and those that the other verifier is asked about.
fn every_mutation(logs: &[Written], at: usize) -> (usize, Many) {
    let keys = [device_key().public()];
    let (mut mutations, mut many) = (0, Many::default());
    // Without optimization the whole verification is for a part of them; no number here shares a factor with the bursts.
    let part = if cfg!(debug_assertions) { 43 } else { 1 };
    let Written { device, lines: whole, newest, epoch_from } = &logs[at];
    let anchors = [anchor(whole)];
    let expect = Expect { device: Some(device), ..expect(&keys, &anchors) };
    let expected = serde_json::json!({
        "vault": Hash::of(b"vault").to_string(),
        "device": device,
        "signing_keys": [keys[0].to_string()],
        "anchors": [anchors[0].head.to_string()],
    });
    let report = verify(text(whole).as_bytes(), &expect, true).unwrap();
    assert!(report.is_ok() && report.epochs > 10 && report.findings.is_empty(), "{report:#?}");
    let other = &logs[(at + 1) % logs.len()].lines;
    let mut check = |lines: &[String], kinds: &[Kind], sequence: &[u64], what: &str| {
        mutations += 1;
        let report = verify(text(lines).as_bytes(), &expect, false).unwrap();
        let first = first_failure(&report).unwrap_or_else(|| panic!("{device}, {what}: nothing found"));
        assert!(kinds.contains(&first.0), "{device}, {what}: {first:?}");
        assert!(sequence.contains(&first.1), "{device}, {what}: {first:?}");
        // The whole verification names the same record; the other verifier is asked about a part of them.
        if mutations % part == 0 {
            let deep = first_failure(&verify(text(lines).as_bytes(), &expect, true).unwrap()).unwrap();
            many.add(lines, &expected, deep, format!("{device}, {what}"));
        }
    };
    let last = whole.len() - 1;
    for n in 0..whole.len() {
        let sequence = n as u64 + 1;
        let with = |change: &dyn Fn(&mut Vec<String>)| {
            let mut lines = whole.clone();
            change(&mut lines);
            lines
        };
        let edits = [("\"tty\":false", "\"tty\":true"), ("\"user\":\"alice\"", "\"user\":\"mallory\"")];
        for (from, to) in edits {
            let lines = with(&|lines| lines[n] = lines[n].replacen(from, to, 1));
            let kinds = [Kind::Edited, if n == last { Kind::BadSignature } else { Kind::Edited }];
            check(&lines, &kinds, &[sequence], &format!("{sequence} edited"));
        }
        let gone = if n == last { Kind::CutTail } else { Kind::Missing };
        check(&with(&|lines| drop(lines.remove(n))), &[gone], &[sequence], &format!("{sequence} deleted"));
        for to in [n + 1, whole.len(), (n + 100) % whole.len()] {
            let lines = with(&|lines| lines.insert(to, whole[n].clone()));
            check(&lines, &[Kind::Duplicate, Kind::Order], &[sequence], &format!("{sequence} again at {to}"));
        }
        if n != last {
            let lines = with(&|lines| lines.swap(n, n + 1));
            check(&lines, &[Kind::Order], &[sequence, sequence + 1], &format!("{sequence} behind the next"));
        }
        for to in [(n + 50) % whole.len(), (n + 150) % whole.len()] {
            let lines = with(&|lines| {
                let moved = lines.remove(n);
                lines.insert(to, moved);
            });
            check(&lines, &[Kind::Order], &[sequence], &format!("{sequence} moved to {to}"));
        }
        if n > 0 {
            check(&whole[..n], &[Kind::CutTail], &[sequence], &format!("cut before {sequence}"));
            let foreign = other[n.min(other.len() - 1)].clone();
            let lines = with(&|lines| lines.insert(n, foreign.clone()));
            check(&lines, &[Kind::ForeignDevice], &[sequence], &format!("foreign at {sequence}"));
            let lines = with(&|lines| lines.insert(n, "garbage".into()));
            check(&lines, &[Kind::Malformed], &[sequence], &format!("garbage at {sequence}"));
            // Slipped in by somebody without the key: as the record that should stand there, but for what it says.
            let body = whole[n].split(",\"prev\":").next().unwrap().replace("alice", "eve");
            let prev = Hash::of(whole[n - 1].as_bytes());
            let slipped = sign(&format!("{body},\"prev\":\"{prev}\""), &SigningKey::from_seed(&[7; 32]));
            let lines = with(&|lines| lines.insert(n, slipped.clone()));
            check(&lines, &[Kind::Edited], &[sequence], &format!("slipped in at {sequence}"));
        }
        // Re-made by who took the newest key: an older epoch, and the newest.
        if n < *epoch_from && n % part.min(7) == 0 {
            let lines = remade(whole, n, newest);
            let report = verify(text(&lines).as_bytes(), &expect, true).unwrap();
            let first = first_failure(&report).unwrap();
            assert_eq!(first.1, sequence, "{device}, re-made from {sequence}: {first:?}");
            assert!([Kind::BadSignature, Kind::BadHandover].contains(&first.0), "{device}, {sequence}: {first:?}");
        } else if n >= *epoch_from {
            let lines = remade(whole, n, newest);
            check(&lines, &[Kind::Replaced], &[whole.len() as u64], &format!("re-made from {sequence}"));
        }
    }
    check(&[], &[Kind::Removed], &[1], "emptied");
    check(other, &[Kind::ForeignDevice], &[1], "another device's");
    let other_vault: Vec<String> = whole
        .iter()
        .map(|line| line.replace(&Hash::of(b"vault").to_string(), &Hash::of(b"other").to_string()))
        .collect();
    let other_vault = remade(&other_vault, 0, newest);
    check(&other_vault, &[Kind::Edited, Kind::ForeignVault], &[1], "another vault's");
    // What the document says is not noticed: a tail behind the last anchor, gone or, in the newest epoch, re-made.
    for n in 1..whole.len() {
        let anchors = [anchor(&whole[..n])];
        let unanchored = Expect { anchors: &anchors, ..expect.clone() };
        assert!(verify(text(&whole[..n]).as_bytes(), &unanchored, false).unwrap().is_ok(), "{n}");
        if n >= *epoch_from {
            let lines = remade(whole, n, newest);
            assert!(verify(text(&lines).as_bytes(), &unanchored, false).unwrap().is_ok(), "{n} re-made");
        }
    }
    (mutations, many)
}
