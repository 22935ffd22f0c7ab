//! Two processes with one memory.

use super::*;
use crate::clock::Timestamp;
use crate::crypto::IdentityKey;
use crate::vault::{Founder, found};

const PATIENCE: Duration = Duration::from_secs(10);

/// As of one that waits for a passphrase between its looks at the memory, while another one
/// runs from beginning to end.
#[test]
fn what_another_process_saw_in_the_meantime_stays() {
    let identity = IdentityKey::generate().unwrap();
    let device: DeviceName = "alice-laptop".parse().unwrap();
    let founder =
        Founder { member: "alice".parse().unwrap(), device: device.clone(), identity: &identity, recovery: None };
    let (dev, prod): (ProfileName, ProfileName) = ("dev".parse().unwrap(), "prod".parse().unwrap());
    let profiles = [dev.clone(), prod.clone()].into();
    let bytes = found(&founder, &profiles, Timestamp::from_seconds(1_800_000_000).unwrap()).unwrap();
    let vault = Vault::read(bytes, &[]).unwrap();
    let (in_dev, in_prod) = (vault.section(&dev).unwrap(), vault.section(&prod).unwrap());
    let directory = tempfile::tempdir().unwrap();
    let load = || Memory::load(directory.path(), vault.id()).unwrap();

    let mut waits = load();
    waits.learn(&vault, &[&in_dev], &[]);
    waits.save(directory.path(), PATIENCE).unwrap();
    let mut other = load();
    other.learn(&vault, &[&in_prod], &[]);
    let used_up = Seen { high: [(device.clone(), 7)].into(), ..other.profiles[&dev].clone() };
    other.profiles.insert(dev.clone(), used_up.clone());
    let removed: ProfileName = "removed".parse().unwrap();
    other.profiles.insert(removed.clone(), Seen { high: Counts::new(), ..used_up });
    other.save(directory.path(), PATIENCE).unwrap();
    waits.act_as(&device);
    waits.save(directory.path(), PATIENCE).unwrap();

    let memory = load();
    assert!(memory.is_newest(&in_dev) && memory.is_newest(&in_prod), "an older file would not be noticed");
    assert_eq!(memory.writes_seen(&dev, &device), 7, "a number would be used twice");
    assert_eq!(memory.device(), Some(&device));
    assert!(!memory.profiles.contains_key(&removed));
}
