//! What the audit log costs at a million records: `cargo bench --bench audit [RECORDS]`.
//!
//! Prints measurements and asserts nothing about time. The aims: below 50 µs for an append
//! beside the flush, about a second to verify a million. Every record is flushed to memory-backed storage where there is
//! some, so that the processor is measured and not the disk.

use std::path::Path;
use std::time::{Duration, Instant};

use vault::audit::{
    Event, Expect, Filter, Log, Origin, Outcome, Place, Rules, Stats, csv, ecs, for_each_use, merge, records,
    verify_place,
};
use vault::clock::{Span, Timestamp};
use vault::crypto::{Hash, SigningKey};

fn main() {
    let count = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(1_000_000u32);
    let shared = Path::new("/dev/shm");
    let dir = if shared.is_dir() { tempfile::tempdir_in(shared) } else { tempfile::tempdir() }.unwrap();
    let place = Place {
        vault: Hash::of(b"vault"),
        device: Some("laptop".into()),
        directory: dir.path().join("logs"),
        state_directory: dir.path().join("state"),
    };
    let device = SigningKey::from_seed(&[42; 32]);
    let start = Timestamp::from_seconds(1_700_000_000).unwrap();
    let mut event = Event::new("exec", Outcome::Done);
    event.profile = Some("dev".into());
    event.names = vec!["OPENAI_API_KEY".into(), "STRIPE_KEY".into()];
    event.command = Some("python".into());
    event.clock.insert("laptop".into(), 12);
    let origin = Origin {
        user: "1000".into(),
        member: Some("alice".into()),
        cwd: Some("/home/alice/app".into()),
        parent: Some("zsh".into()),
        ..Origin::default()
    };
    let certify = |key: &vault::audit::EpochKey| Some(key.certify(&device));
    let timeout = Duration::from_secs(10);
    let open = || Log::new(place.clone(), timeout).unwrap();

    let mut log = open();
    let mut slowest = Duration::ZERO;
    let begun = Instant::now();
    for n in 0..count {
        let one = Instant::now();
        log.record(&event, &origin, start.plus(Span::from_seconds(u64::from(n) / 4)), Some(&certify)).unwrap();
        slowest = slowest.max(one.elapsed());
    }
    let each = begun.elapsed() / count;
    println!("append: {each:?} each, {slowest:?} at most, over {count} records");
    let now = start.plus(Span::from_seconds(u64::from(count) / 4));
    let fresh = (0..200).map(|_| {
        let begun = Instant::now();
        open().record(&event, &origin, now, Some(&certify)).unwrap();
        begun.elapsed()
    });
    println!("append to it in a fresh process: {:?} at best", fresh.min().unwrap());

    let keys = [device.public()];
    let expect = Expect { vault: place.vault, device: Some("laptop"), signing_keys: &keys, anchors: &[] };
    for deep in [false, true] {
        let begun = Instant::now();
        let report = verify_place(&place, &expect, true, deep).unwrap();
        let took = begun.elapsed();
        assert!(report.is_ok(), "{:?}", report.findings);
        println!("verify, deep {deep}: {took:?} for {} records in {} epochs", report.records, report.epochs);
    }

    let files = || vault::audit::logs_in(&place.directory).unwrap();
    let query = |filter: Filter| {
        let logs = files().into_iter().map(|file| records(&file.path, filter.clone()).unwrap()).collect();
        merge(logs).map(Result::unwrap)
    };
    let measure = |what: &str, work: &mut dyn FnMut() -> usize| {
        let begun = Instant::now();
        let found = work();
        println!("{what}: {:?}, {found} records", begun.elapsed());
    };
    let refused = Filter { outcome: Some(Outcome::Refused), ..Filter::default() };
    measure("query by outcome, nothing found", &mut || query(refused.clone()).count());
    let late = Filter { since: Some(now.minus(Span::from_seconds(3600))), ..Filter::default() };
    measure("query the last hour", &mut || query(late.clone()).count());
    measure("last use of every secret", &mut || {
        let mut uses = 0;
        for file in files() {
            for_each_use(&file.path, |_, _, names| uses += usize::from(!names.is_empty())).unwrap();
        }
        uses
    });
    measure("stats", &mut || {
        let mut stats = Stats::new(Rules { now, unused: Span::days(90), recent: Span::days(7) });
        for entry in query(Filter::default()) {
            stats.add(&entry.record, &|profile, _| profile.to_owned(), &|_| (0, 0));
        }
        usize::try_from(stats.records).unwrap()
    });
    measure("csv", &mut || query(Filter::default()).filter(|entry| !csv(entry).is_empty()).count());
    measure("ecs", &mut || query(Filter::default()).filter(|entry| !ecs(entry).is_empty()).count());
}
