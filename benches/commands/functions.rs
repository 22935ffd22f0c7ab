//! The functions that the commands spend their time in.

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use vault::audit::{Event, Log, Origin, Outcome as Ended, Place};
use vault::clock::Clock;
use vault::{ProfileName, SecretName, Vault};

use crate::measure::median;
use crate::world::{Size, World, name};
use crate::{Outcome, table};

/// Batches of which the median is taken, and how long each takes.
const BATCHES: usize = 15;
const BATCH: Duration = Duration::from_millis(20);

/// Measures all of them and prints a table.
pub(crate) fn run() -> Outcome<()> {
    let parent = Path::new("/dev/shm");
    let parent = if parent.is_dir() { parent } else { Path::new(env!("CARGO_TARGET_TMPDIR")) };
    let mut rows = Vec::new();
    let mut row = |what: &str, time: Duration| {
        rows.push(vec![what.to_owned(), format!("{:.2}", time.as_secs_f64() * 1e6)]);
    };
    for devices in [50, 200] {
        let world = World::new(parent, Size { secrets: 10, devices, profiles: 1 })?;
        let bytes = std::fs::read(world.file())?;
        let known = Vault::read(bytes.clone(), &[])?.team().hashes().to_vec();
        let first = time(|| Vault::read(bytes.clone(), &[]).map(drop))?;
        row(&format!("read a team of {devices}, every signature"), first);
        row(&format!("read a team of {devices}, seen before"), time(|| Vault::read(bytes.clone(), &known).map(drop))?);
    }
    let profile: ProfileName = "default".parse()?;
    for secrets in [10, 1_000, 10_000] {
        let world = World::new(parent, Size { secrets, devices: 50, profiles: 1 })?;
        let vault = Vault::read(std::fs::read(world.file())?, &[])?;
        row(&format!("verify and index a section of {secrets}"), time(|| vault.section(&profile).map(drop))?);
        if secrets != 1_000 {
            continue;
        }
        let section = vault.section(&profile)?;
        let (plain, rotated): (SecretName, SecretName) = (name(501).parse()?, name(500).parse()?);
        row("read a secret", time(|| section.secret(&plain))?);
        row("read a secret with 3 earlier versions", time(|| section.secret(&rotated))?);
        let identity = world.identity()?;
        let unlock = || section.unlock(&vault.id(), vault.team(), &section.signature().by, &identity);
        row("unwrap a grant, derive the key", time(|| unlock().map(drop))?);
        let (_, key) = unlock()?;
        let secret = section.secret(&plain)?.ok_or("no such secret")?;
        row("open a value of 40 bytes", time(|| section.open(&key, &plain, secret.version, &secret.value).map(drop))?);
        row("append to the audit log (flush on this medium)", append(&world, &vault)?);
    }
    table::print(&["function", "µs"], &rows);
    Ok(())
}

fn append(world: &World, vault: &Vault) -> Outcome<Duration> {
    let directory = world.path().join("audit");
    let place = Place {
        vault: vault.id(),
        device: Some("device-0".to_owned()),
        directory: directory.clone(),
        state_directory: directory,
    };
    let mut event = Event::new("exec", Ended::Done);
    event.profile = Some("default".to_owned());
    event.names = (0..10).map(name).collect();
    let origin = Origin { user: "0".to_owned(), member: Some("member-0".to_owned()), ..Origin::default() };
    time(|| {
        // Each process opens the log anew.
        let mut log = Log::new(place.clone(), Duration::from_secs(10))?;
        log.record(&event, &origin, Clock::System.now(), None)
    })
}

/// The median time of one call.
fn time<T, E: std::error::Error + 'static>(mut call: impl FnMut() -> Result<T, E>) -> Outcome<Duration> {
    let began = Instant::now();
    let mut calls = 0;
    while began.elapsed() < BATCH {
        black_box(call()?);
        calls += 1;
    }
    let mut batches = Vec::new();
    for _ in 0..BATCHES {
        let began = Instant::now();
        for _ in 0..calls {
            black_box(call()?);
        }
        batches.push(began.elapsed() / calls);
    }
    Ok(median(batches))
}
