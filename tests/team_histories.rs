//! Random histories of several devices: secrets that come, change and go, new keys, people
//! who join and leave, branches and merges, held against a model that knows what must
//! survive, who is in, and who knows which value.

#![expect(clippy::disallowed_methods, reason = "tests read files")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use proptest::prelude::*;
use vault::clock::Timestamp;
use vault::crypto::{DataKey, IdentityKey, ValueKey};
use vault::merge::{Choice, Choices, How, Item, MergeError, Plan, Side, Why};
use vault::secret_value::SecretValue;
use vault::team::{self, Leaving};
use vault::{
    Action, DeviceName, Founder, MemberName, Memory, NewDevice, ProfileName, Role, SecretName, Signer, Transaction,
    Value, Vault, found, remove, store_value,
};

#[derive(Debug, Clone)]
enum Step {
    Set(u8),
    Remove(u8),
    Rekey,
    /// The n-th member who is not the one acting leaves.
    Leave(u8),
    Join,
    /// Pull, merge where both have something, push. The choices are for what clashes.
    Sync {
        ours: bool,
        keep_ours: bool,
    },
}

/// Alice and Bob are admins; Carol and Dave write.
const PEOPLE: [&str; 4] = ["alice", "bob", "carol", "dave"];

fn step() -> impl Strategy<Value = (usize, Step)> {
    let what = prop_oneof![
        6 => (0..3u8).prop_map(Step::Set),
        1 => (0..3u8).prop_map(Step::Remove),
        1 => Just(Step::Rekey),
        2 => (0..5u8).prop_map(Step::Leave),
        2 => Just(Step::Join),
        6 => any::<(bool, bool)>().prop_map(|(ours, keep_ours)| Step::Sync { ours, keep_ours }),
    ];
    // Admins do more of what only they can do.
    (prop_oneof![0..4usize, 0..2usize], what)
}

/// What the model knows of a file: nothing of versions, keys, clocks or signatures.
#[derive(Debug, Clone, Default, PartialEq)]
struct Known {
    /// Current value of each secret; no two values ever stored are the same.
    values: BTreeMap<u8, String>,
    members: BTreeSet<String>,
    /// Who made a member one.
    let_in_by: BTreeMap<String, String>,
    /// Values that somebody could read in a file that led to this one.
    read: BTreeMap<String, BTreeSet<String>>,
}

impl Known {
    /// Everybody who is in has read everything that there is.
    fn look(mut self) -> Self {
        for member in &self.members {
            self.read.entry(member.clone()).or_default().extend(self.values.values().cloned());
        }
        self
    }
}

#[derive(Clone)]
struct File {
    bytes: Vec<u8>,
    known: Known,
}

struct Person {
    name: &'static str,
    identity: IdentityKey,
    memory: Memory,
    /// What they have, and the common file that it comes from.
    own: File,
    base: File,
}

struct World {
    directory: tempfile::TempDir,
    people: Vec<Person>,
    /// The branch that everybody pushes to.
    main: File,
    /// Data keys that somebody could unwrap once, for everybody who ever was a member.
    keys: BTreeMap<String, Vec<DataKey>>,
    /// Identities of those who join and do nothing else.
    guests: BTreeMap<String, IdentityKey>,
    second: i64,
}

fn profile() -> ProfileName {
    "default".parse().unwrap()
}

fn secret(n: u8) -> SecretName {
    format!("NAME_{n}").parse().unwrap()
}

fn device(member: &str) -> DeviceName {
    format!("{member}-laptop").parse().unwrap()
}

fn new_device(member: &str, identity: &IdentityKey) -> NewDevice {
    NewDevice {
        device: device(member),
        recipient: identity.recipient(),
        signing_key: Some(identity.signing_key().public()),
    }
}

fn writer() -> Role {
    Role { write: [profile()].into(), ..Role::default() }
}

fn read(bytes: &[u8]) -> Vault {
    Vault::read(bytes.to_vec(), &[]).unwrap()
}

impl World {
    fn new() -> Self {
        // In memory where there is such a place: nothing here is about durability.
        let memory = Path::new("/dev/shm");
        let directory =
            if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() };
        let identities = PEOPLE.map(|_| IdentityKey::generate().unwrap());
        let founder = Founder {
            member: "alice".parse().unwrap(),
            device: device("alice"),
            identity: &identities[0],
            recovery: None,
        };
        let now = Timestamp::from_seconds(1_700_000_000).unwrap();
        let file = directory.path().join("vault.toml");
        std::fs::write(&file, found(&founder, &BTreeSet::from([profile()]), now).unwrap()).unwrap();
        let signer = Signer { device: device("alice"), identity: &identities[0] };
        let mut tx = Transaction::begin(&file, &[], Duration::from_secs(5)).unwrap();
        for (name, identity) in PEOPLE.iter().zip(&identities).skip(1) {
            let role = if *name == "bob" { Role { admin: true, ..Role::default() } } else { writer() };
            team::add(&mut tx, &name.parse().unwrap(), new_device(name, identity), &role, &signer, now).unwrap();
        }
        let vault = tx.commit(&signer, &Memory::new(read(&std::fs::read(&file).unwrap()).id()), None, now).unwrap();
        let members = PEOPLE.iter().map(ToString::to_string).collect();
        let main = File { bytes: vault.bytes().to_vec(), known: Known { members, ..Known::default() } };
        let people = PEOPLE.iter().zip(identities).map(|(name, identity)| {
            let mut memory = Memory::new(vault.id());
            memory.act_as(&device(name));
            Person { name, identity, memory, own: main.clone(), base: main.clone() }
        });
        let people = people.collect();
        let mut world = Self { directory, people, main, keys: BTreeMap::new(), guests: BTreeMap::new(), second: 0 };
        world.everybody_looks(0);
        world
    }

    fn now(&mut self) -> Timestamp {
        self.second += 10;
        Timestamp::from_seconds(1_700_000_000 + self.second).unwrap()
    }

    fn identity(&self, member: &str) -> &IdentityKey {
        let own = self.people.iter().find(|person| person.name == member).map(|person| &person.identity);
        own.unwrap_or_else(|| &self.guests[member])
    }

    /// Who is in takes every key they can open in the file of `who`, for later.
    fn everybody_looks(&mut self, who: usize) {
        let vault = read(&self.people[who].own.bytes);
        let section = vault.section(&profile()).unwrap();
        for member in self.people[who].own.known.members.clone() {
            let opened = section.unlock(&vault.id(), vault.team(), &device(&member), self.identity(&member));
            let (key, _) = opened.unwrap_or_else(|error| panic!("{member} is in and reads nothing: {error}"));
            self.keys.entry(member).or_default().push(key);
        }
    }

    fn step(&mut self, who: usize, step: &Step) {
        let name = self.people[who].name;
        if !self.people[who].own.known.members.contains(name) {
            return;
        }
        let is_admin = read(&self.people[who].own.bytes).team().is_admin(&device(name));
        match step {
            Step::Sync { ours, keep_ours } => self.sync(who, *ours, *keep_ours),
            Step::Rekey | Step::Leave(_) | Step::Join if !is_admin => return,
            _ => self.change(who, step),
        }
        self.everybody_looks(who);
        self.check(who);
    }

    fn change(&mut self, who: usize, step: &Step) {
        let now = self.now();
        let tag = format!("value-{}", self.second);
        let file = self.directory.path().join("vault.toml");
        let person = &mut self.people[who];
        std::fs::write(&file, &person.own.bytes).unwrap();
        let signer = Signer { device: device(person.name), identity: &person.identity };
        let mut known = person.own.known.clone();
        let mut tx = Transaction::begin(&file, person.memory.verified(), Duration::from_secs(5)).unwrap();
        match step {
            Step::Set(n) => {
                let (section, key) = tx.profile(&profile(), &signer).unwrap();
                let value = SecretValue::from(tag.as_bytes());
                let value = Value { value: &value, set_at: now, age_at_least: false };
                store_value(section, key, &secret(*n), &value, &signer.device, now).unwrap();
                known.values.insert(*n, tag);
            }
            Step::Remove(n) => {
                let (section, _) = tx.profile(&profile(), &signer).unwrap();
                remove(section, &secret(*n), &signer.device, now);
                known.values.remove(n);
            }
            Step::Rekey => {
                tx.change_team(Action::Rekey, &BTreeSet::from([profile()]), None, &signer, now).unwrap();
            }
            Step::Leave(n) => {
                let others: Vec<&String> = known.members.iter().filter(|member| **member != person.name).collect();
                let Some(member) = others.get(usize::from(*n) % others.len().max(1)).map(|name| (*name).clone()) else {
                    return;
                };
                team::remove(&mut tx, &Leaving::Member(member.parse().unwrap()), &signer, now).unwrap();
                known.members.remove(&member);
            }
            Step::Join => {
                let member = format!("guest-{}", self.second);
                let identity = IdentityKey::generate().unwrap();
                let (name, entering) = (member.parse::<MemberName>().unwrap(), new_device(&member, &identity));
                team::add(&mut tx, &name, entering, &writer(), &signer, now).unwrap();
                known.members.insert(member.clone());
                known.let_in_by.insert(member.clone(), person.name.to_owned());
                self.guests.insert(member, identity);
            }
            Step::Sync { .. } => return,
        }
        let vault = tx.commit(&signer, &person.memory, None, now).unwrap();
        let section = vault.section(&profile()).unwrap();
        person.memory.learn(&vault, &[&section], &[]);
        person.own = File { bytes: vault.bytes().to_vec(), known: known.look() };
    }

    fn sync(&mut self, who: usize, take_ours: bool, keep_ours: bool) {
        let now = self.now();
        let main = self.main.clone();
        let person = &mut self.people[who];
        let is_in = main.known.members.contains(person.name);
        if person.own.bytes == person.base.bytes || !is_in {
            // Nothing of their own, or nobody would take it.
            person.own = main.clone();
        } else if main.bytes != person.base.bytes {
            let merged = person.merge(&main, take_ours, keep_ours, now);
            person.own = merged.unwrap_or(main);
        }
        person.base = person.own.clone();
        self.main = person.own.clone();
        if is_in {
            // Nothing that the rules allow is ever taken for an attack.
            let vault = read(&person.own.bytes);
            let section = vault.section(&profile()).unwrap();
            let standing = person.memory.compare(&vault, &[&section]).unwrap();
            assert!(standing.warnings.is_empty(), "{}: {:?}", person.name, standing.warnings);
            person.memory.learn(&vault, &[&section], &[]);
        }
    }

    /// The file of somebody against the model.
    fn check(&self, who: usize) {
        let File { bytes, known } = &self.people[who].own;
        let vault = read(bytes);
        assert!(vault.check().is_empty(), "{:?}", vault.check());
        let members: BTreeSet<String> = vault.team().members().keys().map(ToString::to_string).collect();
        assert_eq!(members, known.members, "who is in");
        let section = vault.section(&profile()).unwrap();
        let reader = known.members.iter().next().unwrap();
        let opened = section.unlock(&vault.id(), vault.team(), &device(reader), self.identity(reader));
        let (_, values) = opened.unwrap();
        let secrets: BTreeMap<SecretName, vault::Secret> = section.secrets().collect::<Result<_, _>>().unwrap();
        let names: Vec<&SecretName> = secrets.keys().collect();
        let wanted: Vec<SecretName> = known.values.keys().map(|n| secret(*n)).collect();
        assert_eq!(names, wanted.iter().collect::<Vec<_>>(), "which secrets there are");
        for (n, value) in &known.values {
            let name = secret(*n);
            let found = &secrets[&name];
            assert_eq!(text(&section, &values, &name, found.version, &found.value), *value);
            // Whoever left and could read it is named.
            for (who, read) in known.read.iter().filter(|(who, read)| !members.contains(*who) && read.contains(value)) {
                let named = |who: &String| {
                    let is = |to: &vault::Text| to.as_str() == who || to.as_str() == device(who).as_str();
                    found.exposed.iter().any(|exposure| exposure.to.as_ref().is_some_and(is))
                };
                // Who was let in on a log that was dropped is in no file that a third branch has: a value
                // which comes back from there is marked for the one who let them in.
                let unknown = !vault.team().devices().contains_key(&device(who));
                let told = named(who) || (unknown && known.let_in_by.get(who).is_some_and(named));
                assert!(told, "{name}: {who} knows {read:?}, of {:?}", found.exposed);
            }
        }
        // Who is not in opens nothing, with any key they ever had.
        // Who is in on another branch alone has not left this one.
        let left = |member: &String| known.read.contains_key(member) && !members.contains(member);
        for (gone, keys) in self.keys.iter().filter(|(member, _)| left(member)) {
            for holder in section.grant_holders() {
                let opened = section.unlock(&vault.id(), vault.team(), holder, self.identity(gone));
                assert!(opened.is_err(), "{gone} opens the grant of {holder}");
            }
            for key in keys {
                let old = ValueKey::derive(key, &vault.id(), "default", section.epoch());
                for (name, secret) in &secrets {
                    assert!(section.open(&old, name, secret.version, &secret.value).is_err(), "{gone} opens {name}");
                }
            }
        }
    }
}

fn text(
    section: &vault::Section<'_>,
    key: &ValueKey,
    name: &SecretName,
    version: u64,
    value: &vault::crypto::SealedValue,
) -> String {
    String::from_utf8(section.open(key, name, version, value).unwrap().reveal().to_vec()).unwrap()
}

fn version(vault: &Vault, n: u8) -> Option<u64> {
    vault.section(&profile()).unwrap().secret(&secret(n)).unwrap().map(|secret| secret.version)
}

/// What tells the data key of a file from others.
fn key(vault: &Vault) -> String {
    vault.team().profiles()[&profile()].commitment.to_string()
}

impl Person {
    fn signer(&self) -> Signer<'_> {
        Signer { device: device(self.name), identity: &self.identity }
    }

    /// Merges what this person has with the common branch; nothing where they are told
    /// that only somebody else can.
    fn merge(&self, main: &File, take_ours: bool, keep_ours: bool, now: Timestamp) -> Option<File> {
        let (base, mut ours, mut theirs) = (read(&self.base.bytes), read(&self.own.bytes), read(&main.bytes));
        let mut left = BTreeSet::new();
        let both_changed_the_team = match Plan::new(Some(&base), &ours, &theirs, How::Merge) {
            Ok(_) => false,
            Err(MergeError::Team { .. }) => true,
            Err(error) => panic!("{error}"),
        };
        if both_changed_the_team {
            let (kept, dropped) = if keep_ours { (&ours, &theirs) } else { (&theirs, &ours) };
            let (mine, other) = if keep_ours { (&self.own, main) } else { (main, &self.own) };
            let adopted = team::adopt(kept, dropped, Some(&base), &self.signer(), &self.memory, None, now);
            let adopted = match adopted {
                Err(vault::Error::NotAdminOnBoth(_)) => return None,
                adopted => adopted.unwrap(),
            };
            for (action, _) in &adopted.left {
                let Action::AddMember { member, .. } = action else { panic!("{action:?} was not made again") };
                left.insert(member.to_string());
            }
            // Exactly those whom somebody let in who is no admin on the side that is kept.
            let new = other.known.members.difference(&self.base.known.members);
            let doubted = new.filter(|member| {
                let by = &other.known.let_in_by[*member];
                !mine.known.members.contains(by)
            });
            assert_eq!(left, doubted.cloned().collect());
            *if keep_ours { &mut ours } else { &mut theirs } = adopted.vault;
        }
        let plan = Plan::new(Some(&base), &ours, &theirs, How::Merge).unwrap();
        let mut known = self.merged_members(main, &left);
        let changed = |side: &File, n: u8| side.known.values.get(&n) != self.base.known.values.get(&n);
        let signer = self.signer();
        let mut choices = Choices::new();
        let open = plan.merge(&signer, &choices, now).unwrap().err().unwrap_or_default();
        for conflict in &open {
            let side = if take_ours { Side::Ours } else { Side::Theirs };
            choices.insert((conflict.profile.clone(), conflict.item.clone()), Choice::Take(side));
        }
        for n in 0..3 {
            let (own, other) = (self.own.known.values.get(&n), main.known.values.get(&n));
            let asked = open.iter().find(|conflict| conflict.item == Item::Secret(secret(n)));
            let clash = changed(&self.own, n) && changed(main, n) && own != other;
            assert!(asked.is_some() || !clash, "NAME_{n}: {own:?} and {other:?} clash, and nobody was asked");
            // A side that is doubted and taken all the same is merged as any other. But what it gave
            // a number of its own is a value that it stands by, though it be the ancestor's; and
            // where the ancestor is doubted too, nothing tells that a value under other keys is.
            let taken = if take_ours { Side::Ours } else { Side::Theirs };
            let stands_by = version(plan.side(taken), n) != version(&base, n);
            let no_ancestor = asked.is_some_and(|conflict| conflict.doubted.is_some()) && key(&ours) != key(&theirs);
            let believed = !(stands_by || no_ancestor)
                && asked.is_some_and(
                    |conflict| matches!(&conflict.why, Why::FormerSigner(side, _) | Why::Older(side) if *side == taken),
                );
            let chosen = asked.is_some() && (clash || !believed);
            let value = match (chosen, take_ours, changed(main, n)) {
                (true, true, _) | (false, _, false) => own,
                (true, false, _) | (false, _, true) => other,
            };
            known.values.extend(value.map(|value| (n, value.clone())));
        }
        let Ok(merge) = plan.merge(&signer, &choices, now).unwrap() else { panic!("everything is settled") };
        let merged = if merge.profiles().next().is_none() {
            merge.unsigned(&plan).unwrap()
        } else {
            merge.sign(&plan, &signer, &self.memory, None, now).unwrap()
        };
        // Where two values clash, the one that was not taken is among the earlier ones.
        let section = merged.section(&profile()).unwrap();
        let (_, values) = section.unlock(&merged.id(), merged.team(), &signer.device, &self.identity).unwrap();
        for n in 0..3 {
            let (own, other) = (self.own.known.values.get(&n), main.known.values.get(&n));
            let (Some(own), Some(other)) = (own, other) else { continue };
            // What a former writer signed is left out where a person says so.
            let doubted = open.iter().any(|conflict| {
                conflict.item == Item::Secret(secret(n)) && matches!(conflict.why, Why::FormerSigner(..))
            });
            if !doubted && own != other && changed(&self.own, n) && changed(main, n) {
                let found = section.secret(&secret(n)).unwrap().unwrap();
                let dropped = if take_ours { other } else { own };
                let kept = |earlier: &vault::Earlier| {
                    text(&section, &values, &secret(n), earlier.version, &earlier.value) == *dropped
                };
                assert!(found.earlier.iter().any(kept), "{dropped} of NAME_{n} is lost");
            }
        }
        Some(File { bytes: merged.bytes().to_vec(), known: known.look() })
    }

    /// Who is in after a merge: whoever was in on both sides or came on one, unless left out.
    fn merged_members(&self, main: &File, left: &BTreeSet<String>) -> Known {
        let (base, own, other) = (&self.base.known, &self.own.known, &main.known);
        let stays = |member: &&String| {
            let before = base.members.contains(*member);
            let here = (own.members.contains(*member), other.members.contains(*member));
            !left.contains(*member) && if before { here == (true, true) } else { here.0 || here.1 }
        };
        let members = own.members.union(&other.members).filter(stays).cloned().collect();
        let mut known = Known { members, ..Known::default() };
        for side in [own, other] {
            known.let_in_by.extend(side.let_in_by.clone());
            for (member, values) in &side.read {
                known.read.entry(member.clone()).or_default().extend(values.iter().cloned());
            }
        }
        known
    }
}

fn history(steps: &[(usize, Step)]) {
    let mut world = World::new();
    for (who, step) in steps {
        world.step(*who, step);
    }
    // In the end everybody who is still in has the same.
    for who in [0, 1, 2, 3, 0, 1, 2, 3] {
        world.step(who, &Step::Sync { ours: true, keep_ours: true });
    }
    for person in &world.people {
        if person.own.known.members.contains(person.name) && world.main.known.members.contains(person.name) {
            assert_eq!(person.own.known, world.main.known, "{}", person.name);
        }
    }
}

/// A thousand histories in all, in two halves for two processors; `PROPTEST_CASES` asks for more, and
/// `PROPTEST_RNG_SEED` for the same again.
fn config() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(500);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn short_histories_keep_what_they_must(steps in prop::collection::vec(step(), 4..12)) {
        history(&steps);
    }

    #[test]
    fn longer_histories_keep_what_they_must(steps in prop::collection::vec(step(), 8..20)) {
        history(&steps);
    }
}

/// What random histories found once.
#[test]
fn histories_that_failed_before() {
    use Step::{Join, Leave, Rekey, Remove, Set};
    const SYNC: Step = Step::Sync { ours: false, keep_ours: false };
    const BELIEVED: Step = Step::Sync { ours: false, keep_ours: true };
    // One side adopted the other's log, which then went on.
    history(&[(0, Rekey), (1, Rekey), (1, SYNC), (0, Set(0)), (1, Rekey)]);
    // Of a former writer's value and another one, the other one is taken: both were version 1.
    let doubted =
        [(0, Set(2)), (1, Leave(0)), (2, Set(0)), (1, Set(2)), (0, SYNC), (2, SYNC), (0, Set(0)), (2, Set(2))];
    history(&doubted);
    // Removed and set again under a new key, which is version 1 as the one before.
    history(&[(1, Set(0)), (0, Set(0)), (1, SYNC), (1, Remove(0)), (1, Rekey), (1, Set(0)), (0, Join), (0, Set(0))]);
    // Let in by an admin who was removed on the other side, where there are new keys.
    history(&[(1, Set(0)), (1, SYNC), (0, Join), (1, Leave(0)), (0, Join), (0, Set(1)), (2, Set(0))]);
    // And gone again before the merge.
    history(&[(1, Set(0)), (1, SYNC), (0, SYNC), (0, Join), (0, Leave(3)), (2, Set(0)), (0, Set(0)), (1, Leave(3))]);
    // Nothing but a mark of a former writer's, who is believed: the value is as it would be.
    history(&[
        (1, Leave(1)),
        (0, Set(2)),
        (0, SYNC),
        (1, SYNC),
        (0, Leave(0)),
        (0, Set(0)),
        (0, Set(2)),
        (0, BELIEVED),
    ]);
    // Let in by somebody who is removed on another branch, for a value that they then removed.
    history(&[(1, Set(1)), (1, SYNC), (1, Join), (0, Join), (1, Remove(1)), (0, SYNC), (0, Leave(4)), (1, SYNC)]);
    // A value that is exposed on one side, and has another number on the other.
    history(&[(0, Set(1)), (0, SYNC), (0, Join), (1, Set(1)), (0, Leave(3)), (1, SYNC)]);
    // Left out with the log that let somebody in who read it, and back from a third branch.
    history(&[(1, Leave(3)), (0, Set(0)), (0, SYNC), (2, SYNC), (0, Join), (0, Set(0)), (2, Set(1)), (0, Set(0))]);
    // A former writer settled a clash for the ancestor's value, and is believed.
    history(&[(2, Set(0)), (0, Set(0)), (0, SYNC), (0, Leave(1)), (2, SYNC), (0, Set(0)), (0, SYNC)]);
    // One signed the ancestor, gave it new keys, and is believed though removed.
    let mut keys = vec![(1, Set(1)), (1, SYNC), (0, SYNC), (0, Set(1)), (1, Rekey), (1, SYNC), (0, Leave(0))];
    keys.extend([(0, Set(0)), (0, BELIEVED)]);
    history(&keys);
}
