//! The fuzz targets on their seeds and on what they found before. `scripts/fuzz.sh` lets the fuzzer loose.

#![expect(clippy::disallowed_methods, reason = "the test reads the seeds")]
#![allow(unreachable_pub, missing_docs, reason = "the targets are a library of their own")]

#[path = "../fuzz/src/lib.rs"]
mod targets;

use std::path::Path;

/// Runs a target on every file of `directories`, relative to the root of the sources.
fn replay(target: fn(&[u8]), directories: &[&str]) {
    let mut tried = 0;
    for directory in directories {
        let Ok(entries) = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(directory)) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            let bytes = std::fs::read(&path).unwrap();
            if let Err(panic) = std::panic::catch_unwind(|| target(&bytes)) {
                eprintln!("on {}", path.display());
                std::panic::resume_unwind(panic);
            }
            tried += 1;
        }
    }
    assert!(tried > 0, "no seeds in {directories:?}");
}

macro_rules! replay {
    ($($target:ident $(and $more:literal)*),* $(,)?) => {
        $(#[test]
        fn $target() {
            replay(targets::$target::run, &[
                concat!("fuzz/seeds/", stringify!($target)),
                concat!("fuzz/regressions/", stringify!($target)),
                $($more),*
            ]);
        })*
    };
}

replay! {
    audit, chain, dotenv, identity, json, merge, profile, request, time,
    file and "tests/vectors/valid" and "tests/vectors/reject",
}

#[test]
fn every_target_is_replayed() {
    let sources = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets")).unwrap();
    let this = include_str!("fuzz.rs");
    for source in sources {
        let name = source.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(this.contains(&format!("{name},")) || this.contains(&format!("{name} and")), "{name}");
    }
}
