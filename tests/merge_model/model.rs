//! Merging as a model has it that knows nothing of versions, seals or clocks. Tests and the fuzzer bring the edits.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use vault::clock::{Span, Timestamp};
use vault::crypto::IdentityKey;
use vault::merge::{Choice, Choices, How, Item, Plan, Side};
use vault::secret_value::SecretValue;
use vault::{
    Exposure, Founder, Memory, ProfileName, RotateEvery, SecretName, Signer, Transaction, Value, Vault, found, remove,
    store_value,
};

#[derive(Debug, Clone)]
pub(crate) enum Edit {
    /// A value that nobody else ever stores.
    Set,
    /// A value that the other side may store too.
    SetCommon,
    Remove,
    Note(u8),
    Every(u8),
    Expose,
}

/// Which of four secrets, and what happens to it.
pub(crate) type Edits = Vec<(usize, Edit)>;

/// What the model knows of a secret.
#[derive(Debug, Clone, PartialEq)]
struct Known {
    /// Tells one stored value from another, also where the bytes are equal.
    stored: String,
    value: String,
    /// Values before it that this secret still has.
    kept: Vec<String>,
    version: u64,
    note: Option<u8>,
    every: Option<u8>,
    exposed: BTreeSet<String>,
}

type State = BTreeMap<usize, Known>;

struct Branch {
    state: State,
    /// Removed secrets that are still exposed.
    graves: BTreeMap<usize, Grave>,
    vault: Vault,
}

#[derive(Debug, Clone, Default)]
struct Grave {
    version: u64,
    exposed: BTreeSet<String>,
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_seconds(1_700_000_000 + second).unwrap()
}

fn name(n: usize) -> SecretName {
    format!("NAME_{}", n % 2).parse().unwrap()
}

/// Two secrets in each of two profiles.
fn profile(n: usize) -> ProfileName {
    ["default", "other"][n / 2].parse().unwrap()
}

fn apply(file: &Path, signer: &Signer<'_>, from: Option<&Branch>, edits: &Edits, tag: &str, start: i64) -> Branch {
    let mut state = from.map(|branch| branch.state.clone()).unwrap_or_default();
    let mut graves = from.map(|branch| branch.graves.clone()).unwrap_or_default();
    let mut tx = Transaction::begin(file, &[], Duration::from_secs(5)).unwrap();
    if tag == "base" {
        tx.add_profile(&profile(2), Vec::new(), signer, at(0)).unwrap();
    }
    let mut common = 0;
    for (step, (n, edit)) in edits.iter().enumerate() {
        let now = at(start + step as i64);
        let (section, key) = tx.profile(&profile(*n), signer).unwrap();
        let (name, stored) = (name(*n), format!("{tag}-{step}"));
        match edit {
            Edit::Set | Edit::SetCommon => {
                let value = if matches!(edit, Edit::Set) || tag == "base" {
                    stored.clone()
                } else {
                    common += 1;
                    format!("common-{common}")
                };
                let bytes = SecretValue::from(value.as_bytes());
                let new = Value { value: &bytes, set_at: now, age_at_least: false };
                store_value(section, key, &name, &new, &signer.device, now).unwrap();
                let before = state.get(n);
                let known = Known {
                    stored,
                    value,
                    // Three, newest first, where no policy says otherwise.
                    kept: before
                        .map(|known| [&known.stored].into_iter().chain(&known.kept).take(3).cloned().collect())
                        .unwrap_or_default(),
                    version: before
                        .map_or_else(|| graves.get(n).map_or(0, |grave| grave.version), |known| known.version)
                        + 1,
                    note: before.and_then(|known| known.note),
                    every: before.and_then(|known| known.every),
                    exposed: BTreeSet::new(),
                };
                state.insert(*n, known);
            }
            Edit::Remove => {
                remove(section, &name, &signer.device, now);
                if let Some(known) = state.remove(n)
                    && (graves.contains_key(n) || !known.exposed.is_empty())
                {
                    let grave = graves.entry(*n).or_default();
                    grave.version = known.version;
                    grave.exposed.extend(known.exposed);
                }
            }
            Edit::Note(note) => {
                if let (Some(known), Some(secret)) = (state.get_mut(n), section.secrets.get_mut(&name)) {
                    known.note = Some(*note);
                    secret.note = Some(note.to_string().parse().unwrap());
                }
            }
            Edit::Every(days) => {
                if let (Some(known), Some(secret)) = (state.get_mut(n), section.secrets.get_mut(&name)) {
                    known.every = Some(*days);
                    secret.policy.rotate_every = Some(RotateEvery::Every(Span::days(u64::from(*days) + 1)));
                }
            }
            Edit::Expose => {
                if let (Some(known), Some(secret)) = (state.get_mut(n), section.secrets.get_mut(&name)) {
                    known.exposed.insert(stored.clone());
                    secret.exposed.push(Exposure { at: now, to: None, why: stored.parse().unwrap() });
                }
            }
        }
    }
    let vault = tx.commit(signer, &Memory::new(vault_id(file)), None, at(start + 50)).unwrap();
    Branch { state, graves, vault }
}

fn vault_id(file: &Path) -> vault::crypto::Hash {
    Vault::read(std::fs::read(file).unwrap(), &[]).unwrap().id()
}

/// The field that one side changed; `None` where both did.
fn pick<T: PartialEq + Clone>(base: Option<&T>, ours: &T, theirs: &T) -> Option<T> {
    if ours == theirs || base == Some(theirs) {
        Some(ours.clone())
    } else {
        (base == Some(ours)).then(|| theirs.clone())
    }
}

/// A secret that only one side ever had may have the value that leaked on the other before
/// it was removed there: where a version tells nothing of that, it counts as leaked.
fn added(only: &Known, graves: [Option<&Grave>; 2]) -> Known {
    let mut added = only.clone();
    if graves.iter().flatten().any(|grave| grave.version >= only.version) {
        added.exposed.extend(graves.iter().flatten().flat_map(|grave| grave.exposed.iter().cloned()));
    }
    added
}

/// What is to become of a secret; `Err` for a conflict.
fn expected(
    base: Option<&Known>,
    ours: Option<&Known>,
    theirs: Option<&Known>,
    graves: [Option<&Grave>; 2],
) -> Result<Option<Known>, ()> {
    let but_for_exposure = |known: &Known| Known { exposed: BTreeSet::new(), ..known.clone() };
    match (ours, theirs) {
        (None, None) => Ok(None),
        (Some(only), None) | (None, Some(only)) => match base {
            None => Ok(Some(added(only, graves))),
            Some(base) if but_for_exposure(base) == but_for_exposure(only) => Ok(None),
            Some(_) => Err(()),
        },
        (Some(ours), Some(theirs)) => {
            let older = |side: &Known| base.is_some_and(|base| side.version < base.version);
            if older(ours) || older(theirs) {
                return Err(());
            }
            let base_stored = base.map(|base| &base.stored);
            let from = match pick(base_stored, &ours.stored, &theirs.stored) {
                Some(stored) if stored == ours.stored => ours,
                Some(_) => theirs,
                None if ours.value == theirs.value => ours,
                None => return Err(()),
            };
            let mut exposed = from.exposed.clone();
            for side in [ours, theirs].into_iter().filter(|side| side.stored == from.stored || side.value == from.value)
            {
                exposed.extend(side.exposed.iter().cloned());
            }
            Ok(Some(Known {
                stored: from.stored.clone(),
                value: from.value.clone(),
                kept: from.kept.clone(),
                version: from.version,
                note: pick(base.map(|base| &base.note), &ours.note, &theirs.note).ok_or(())?,
                every: pick(base.map(|base| &base.every), &ours.every, &theirs.every).ok_or(())?,
                exposed,
            }))
        }
    }
}

/// Compares a merged file with the model: value, metadata, exposure.
fn check(vault: &Vault, signer: &Signer<'_>, n: usize, wanted: Option<&Known>, whole: bool) {
    let section = vault.section(&profile(n)).unwrap();
    let secret = section.secret(&name(n)).unwrap();
    let (Some(secret), Some(wanted)) = (&secret, wanted) else {
        assert_eq!(secret.is_some(), wanted.is_some(), "presence of {n}");
        return;
    };
    let (_, key) = section.unlock(&vault.id(), vault.team(), &signer.device, signer.identity).unwrap();
    let open = |version, value| {
        let value = section.open(&key, &name(n), version, value).unwrap();
        String::from_utf8(value.reveal().to_vec()).unwrap()
    };
    assert_eq!(open(secret.version, &secret.value), wanted.value);
    for earlier in &secret.earlier {
        open(earlier.version, &earlier.value);
    }
    let exposed: BTreeSet<String> = secret.exposed.iter().map(|exposure| exposure.why.to_string()).collect();
    assert!(exposed.is_superset(&wanted.exposed), "{exposed:?} {wanted:?}");
    if whole {
        assert_eq!(exposed, wanted.exposed);
        assert_eq!(secret.note.as_ref().map(ToString::to_string), wanted.note.map(|note| note.to_string()));
        let every = wanted.every.map(|days| RotateEvery::Every(Span::days(u64::from(days) + 1)));
        assert_eq!(secret.policy.rotate_every, every);
    }
}

fn names(conflicts: &[vault::merge::Conflict]) -> BTreeSet<(ProfileName, Item)> {
    conflicts.iter().map(|conflict| (conflict.profile.clone(), conflict.item.clone())).collect()
}

/// Edits on a base and on two branches of it, merged both ways. Panics where the model has it otherwise;
/// `take` settles the conflicts.
pub(crate) fn history(of_base: &Edits, of_ours: &Edits, of_theirs: &Edits, take: &[bool]) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("vault.toml");
    let identity = IdentityKey::generate().unwrap();
    let (member, device) = ("alice".parse().unwrap(), "alice-laptop".parse::<vault::DeviceName>().unwrap());
    let founder = Founder { member, device: device.clone(), identity: &identity, recovery: None };
    std::fs::write(&file, found(&founder, &BTreeSet::from([profile(0)]), at(0)).unwrap()).unwrap();
    let signer = Signer { device, identity: &identity };

    let base = apply(&file, &signer, None, of_base, "base", 100);
    let ours = apply(&file, &signer, Some(&base), of_ours, "ours", 200);
    std::fs::write(&file, base.vault.bytes()).unwrap();
    let theirs = apply(&file, &signer, Some(&base), of_theirs, "theirs", 300);

    let plan = Plan::new(Some(&base.vault), &ours.vault, &theirs.vault, How::Merge).unwrap();
    let back = Plan::new(Some(&base.vault), &theirs.vault, &ours.vault, How::Merge).unwrap();
    // A profile that one side never signed again is taken over from the other as it is.
    let signed = |edits: &Edits, n: usize| edits.iter().any(|(edited, _)| edited / 2 == n / 2);
    let wanted: Vec<_> = (0..4)
        .map(|n| match (signed(of_ours, n), signed(of_theirs, n)) {
            (_, false) => Ok(ours.state.get(&n).cloned()),
            (false, true) => Ok(theirs.state.get(&n).cloned()),
            _ => {
                let graves = [ours.graves.get(&n), theirs.graves.get(&n)];
                expected(base.state.get(&n), ours.state.get(&n), theirs.state.get(&n), graves)
            }
        })
        .collect();
    let clashes: BTreeSet<_> =
        (0..4).filter(|n| wanted[*n].is_err()).map(|n| (profile(n), Item::Secret(name(n)))).collect();
    let mut choices = Choices::new();
    let first = plan.merge(&signer, &choices, at(400)).unwrap();
    let found = first.as_ref().err().map(|conflicts| names(conflicts)).unwrap_or_default();
    assert_eq!(found, clashes, "exactly what clashes is a conflict");
    let other_way = back.merge(&signer, &choices, at(400)).unwrap();
    assert_eq!(other_way.err().map(|conflicts| names(&conflicts)).unwrap_or_default(), clashes, "either way round");

    for (item, take) in clashes.iter().zip(take) {
        choices.insert(item.clone(), Choice::Take(if *take { Side::Ours } else { Side::Theirs }));
    }
    let Ok(merge) = plan.merge(&signer, &choices, at(400)).unwrap() else { panic!("everything is settled") };
    let memory = Memory::new(ours.vault.id());
    let merged = merge.sign(&plan, &signer, &memory, None, at(400)).unwrap();
    for n in 0..4 {
        let key = (profile(n), Item::Secret(name(n)));
        if signed(of_ours, n) && signed(of_theirs, n) {
            keeps_grave(&merged, n, base.state.get(&n), [ours.graves.get(&n), theirs.graves.get(&n)]);
        }
        let (ours, theirs) = (ours.state.get(&n), theirs.state.get(&n));
        match (&wanted[n], choices.get(&key)) {
            (Ok(wanted), _) => check(&merged, &signer, n, wanted.as_ref(), true),
            (Err(()), Some(Choice::Take(side))) => {
                let (taken, other) = if *side == Side::Ours { (ours, theirs) } else { (theirs, ours) };
                // Only the clash is settled so: a value that one side alone changed stays.
                let base = base.state.get(&n);
                let older = |side: &Known| base.is_some_and(|base| side.version < base.version);
                let value = match (taken, other) {
                    (Some(t), Some(o)) if older(t) || older(o) => Some(t),
                    (Some(t), Some(o)) => pick(base.map(|b| &b.stored), &t.stored, &o.stored)
                        .map_or(Some(t), |stored| if stored == t.stored { Some(t) } else { Some(o) }),
                    (taken, _) => taken,
                };
                check(&merged, &signer, n, value, false);
                // Unless the other side changed nothing about it, and the taken one dropped it.
                let dropped = taken.zip(other).is_some_and(|(taken, other)| {
                    let both = [&taken.stored].into_iter().chain(&taken.kept).any(|stored| *stored == other.stored);
                    !both && base.is_some_and(|base| base.stored == other.stored)
                });
                if !dropped {
                    keeps_both(&merged, &signer, n, taken, other);
                }
            }
            _ => panic!("settled above"),
        }
    }
}

/// A removed secret that leaked stays on the worklist, unless what leaked is in the secret.
fn keeps_grave(vault: &Vault, n: usize, base: Option<&Known>, graves: [Option<&Grave>; 2]) {
    let section = vault.section(&profile(n)).unwrap();
    let removed = section.removed().unwrap();
    for grave in graves.into_iter().flatten().filter(|grave| base.is_none_or(|base| base.version != grave.version)) {
        let there = removed.get(&name(n)).map(|removed| removed.exposed.iter().map(|e| e.why.to_string()).collect());
        let there: BTreeSet<String> = there.unwrap_or_default();
        assert!(there.is_superset(&grave.exposed), "{there:?} {grave:?}");
    }
}

/// Whichever was taken, the other side's value is still there.
fn keeps_both(vault: &Vault, signer: &Signer<'_>, n: usize, taken: Option<&Known>, other: Option<&Known>) {
    let (Some(_), Some(other)) = (taken, other) else { return };
    let section = vault.section(&profile(n)).unwrap();
    let secret = section.secret(&name(n)).unwrap().unwrap();
    let (_, key) = section.unlock(&vault.id(), vault.team(), &signer.device, signer.identity).unwrap();
    let current = [(secret.version, &secret.value)];
    let earlier = secret.earlier.iter().map(|earlier| (earlier.version, &earlier.value));
    let there = current.into_iter().chain(earlier).any(|(version, value)| {
        section.open(&key, &name(n), version, value).unwrap().same_as(&SecretValue::from(other.value.as_bytes()))
    });
    assert!(there, "the value of the other side is lost: {other:?}");
}
