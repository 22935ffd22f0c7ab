//! Somebody leaves while a new value waits: they could read it, so it is exposed too.

use std::time::Duration;

use vault::clock::Timestamp;
use vault::secret_value::SecretValue;
use vault::team::{self, Leaving};
use vault::{Memory, Pending, ProfileName, SecretName, Signer, Transaction, Value, store_value};

use crate::world::{Person, World};

const PATIENCE: Duration = Duration::from_secs(10);

fn change(person: &Person, now: Timestamp, edit: impl FnOnce(&mut Transaction, &Signer<'_>)) {
    let identity = person.identity();
    let device = format!("{}-laptop", person.user).parse().unwrap();
    let signer = Signer { device, identity: &identity };
    let mut tx = Transaction::begin(&person.vault_file(), &[], PATIENCE).unwrap();
    edit(&mut tx, &signer);
    let memory = Memory::new(tx.vault().id());
    tx.commit(&signer, &memory, None, now).unwrap();
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_seconds(1_790_000_000 + second).unwrap()
}

#[test]
fn an_exposure_reaches_the_value_that_was_waiting() {
    let (dev, key): (ProfileName, SecretName) = ("dev".parse().unwrap(), "KEY".parse().unwrap());
    // Seconds of: the first exposure, the pending value, the one that leaves.
    for (what, waits_at, leaves_at) in
        [("afterwards", 100, 200), ("in the same second", 100, 100), ("by a slower clock", 100, 40)]
    {
        let (world, alice) = World::new();
        alice.vault(&["profile", "add", "dev"]).ok();
        alice.set("dev", "KEY", "canary-current");
        alice.push("dev");
        world.member(&alice, "bob", &["--read", "dev"]);
        world.member(&alice, "eve", &["--read", "dev"]);
        let waiting = || SecretValue::new(b"canary-waiting".to_vec());
        // Eve left before there was a new value: it is none of hers.
        let leave = |who: &str, now: Timestamp| {
            change(&alice, now, |tx, signer| {
                team::remove(tx, &Leaving::Member(who.parse().unwrap()), signer, now).map(drop).unwrap();
            });
        };
        leave("eve", at(10));
        change(&alice, at(waits_at), |tx, signer| {
            let (profile, values) = tx.profile(&dev, signer).unwrap();
            let secret = profile.secrets.get_mut(&key).unwrap();
            let version = secret.version + 1;
            let binding = vault::crypto::Binding { name: key.as_str(), version };
            let value = values.seal(binding, &waiting()).unwrap();
            secret.pending = Some(Pending { version, set_at: at(waits_at), value });
        });
        leave("bob", at(leaves_at));
        let vault = alice.opened();
        let secret = vault.section(&dev).unwrap().secret(&key).unwrap().unwrap();
        let who = |list: &[vault::Exposure]| -> Vec<String> {
            list.iter().map(|exposure| exposure.to.as_ref().unwrap().to_string()).collect()
        };
        assert_eq!(who(&secret.exposed), ["eve", "bob"], "{what}: the current value");
        assert_eq!(who(&secret.exposed_pending()), ["bob"], "{what}: the waiting value");
        // It becomes the current value: bob knows it, eve does not.
        let now = at(300);
        change(&alice, now, |tx, signer| {
            let by = signer.device.clone();
            let (profile, values) = tx.profile(&dev, signer).unwrap();
            let new = Value { value: &waiting(), set_at: now, age_at_least: false };
            store_value(profile, values, &key, &new, &by, now).map(drop).unwrap();
        });
        let vault = alice.opened();
        let secret = vault.section(&dev).unwrap().secret(&key).unwrap().unwrap();
        assert_eq!(who(&secret.exposed), ["bob"], "{what}: promoted");
        assert_eq!(who(&secret.earlier[0].exposed), ["eve", "bob"], "{what}: replaced");
        // A value nobody saw ends it.
        alice.set("dev", "KEY", "canary-fresh");
        let vault = alice.opened();
        assert!(vault.section(&dev).unwrap().secret(&key).unwrap().unwrap().exposed.is_empty(), "{what}");
    }
}
