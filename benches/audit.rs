//! What the audit log costs at a million records: `cargo bench --bench audit [RECORDS]`.
//!
//! Prints processor time and asserts nothing about it. The aims: below
//! 50 µs for an append beside the flush, about a second to verify a million. Every record is flushed to memory-backed
//! storage where there is some, so that the processor is measured and not the disk.

use std::path::Path;
use std::time::Duration;

use vault::audit::{
    Event, Expect, Filter, Log, Origin, Outcome, Place, Rules, Stats, csv, ecs, for_each_use, merge, records,
    verify_place,
};
use vault::clock::{Span, Timestamp};
use vault::crypto::{Hash, SigningKey};

/// Processor time of this thread so far.
#[expect(unsafe_code, reason = "the standard library does not tell it")]
fn spent() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes to the structure and nowhere else.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) }, 0);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}

/// The most memory that this process had so far, in KiB.
#[expect(clippy::disallowed_methods, reason = "a small file of the kernel's")]
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

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

    const BATCH: u32 = 20;
    let at = |n: u32| start.plus(Span::from_seconds(u64::from(n) / 4));
    // As in a process of its own: key and state are read from their files for each.
    let fresh = |from: u32| {
        let batches = (0..40).map(|batch| {
            let begun = spent();
            for n in 0..BATCH {
                open().record(&event, &origin, at(from + batch * BATCH + n), Some(&certify)).unwrap();
            }
            (spent() - begun) / BATCH
        });
        let mut each: Vec<Duration> = batches.collect();
        each.sort();
        println!(
            "append behind {from} records, in a fresh process: {:?} at best, {:?} in the middle",
            each[0], each[20]
        );
    };
    fresh(0);
    let mut log = open();
    let begun = spent();
    for n in 800..count {
        log.record(&event, &origin, at(n), Some(&certify)).unwrap();
    }
    println!("append in one process: {:?} each, over {count} records", (spent() - begun) / count);
    fresh(count);
    let now = at(count + 800);

    let keys = [device.public()];
    let expect = Expect { vault: place.vault, device: Some("laptop"), signing_keys: &keys, anchors: &[] };
    for deep in [false, true] {
        let before = peak();
        let begun = spent();
        let report = verify_place(&place, &expect, true, deep).unwrap();
        let took = spent() - begun;
        assert!(report.is_ok(), "{:?}", report.findings);
        let (records, epochs, memory) = (report.records, report.epochs, peak() - before);
        println!("verify, deep {deep}: {took:?} for {records} records in {epochs} epochs, {memory} KiB more memory");
    }

    let files = || vault::audit::logs_in(&place.directory).unwrap();
    let query = |filter: Filter| {
        let logs = files().into_iter().map(|file| records(&file.path, filter.clone()).unwrap()).collect();
        merge(logs).map(Result::unwrap)
    };
    let measure = |what: &str, work: &mut dyn FnMut() -> usize| {
        let begun = spent();
        let found = work();
        println!("{what}: {:?}, {found} records", spent() - begun);
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
