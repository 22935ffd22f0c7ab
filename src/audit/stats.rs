//! What the records say about use. The rules are in `docs/audit.md`; each is a
//! count and a bound, nothing is weighed.

use std::collections::{BTreeMap, BTreeSet};

use super::query::{is_use, secret_of};
use super::{Outcome, Record};
use crate::clock::{Span, Timestamp};

/// Uses on record before anybody's hours are called usual.
const HABIT_USES: u64 = 50;
/// Days on which these were.
const HABIT_DAYS: usize = 10;
/// An hour is unusual with fewer than one in so many earlier uses around it.
const HABIT_SHARE: u64 = 100;

/// The bounds of the rules.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The time that ages count from.
    pub now: Timestamp,
    /// Without a use for this long, a secret is a candidate for removal.
    pub unused: Span,
    /// What is as young as this is held against what was before.
    pub recent: Span,
}

/// The first time, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The earliest use.
    pub first: Timestamp,
    /// The latest use.
    pub last: Timestamp,
    /// Uses.
    pub uses: u64,
}

/// Who or what used a secret.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Subject {
    /// A device.
    Device(String),
    /// A member.
    Member(String),
    /// A program that `exec` started, as it was named.
    Program(String),
}

impl Subject {
    /// `device`, `member` or `program`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Device(_) => "device",
            Self::Member(_) => "member",
            Self::Program(_) => "program",
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Device(name) | Self::Member(name) | Self::Program(name) => name,
        }
    }
}

/// Uses of one secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// By anybody.
    pub all: Seen,
    /// By whom and with what.
    pub by: BTreeMap<Subject, Seen>,
}

/// A secret that nobody used for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unused {
    /// Profile and name.
    pub secret: (String, String),
    /// When its value was set.
    pub set_at: Timestamp,
    /// Its last use, if there is one on record.
    pub last_used: Option<Timestamp>,
}

/// Somebody or something that used a secret for the first time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Newcomer {
    /// Profile and name.
    pub secret: (String, String),
    /// Who or what.
    pub who: Subject,
    /// First use, and how many since.
    pub seen: Seen,
}

/// Uses at an hour at which somebody has hardly ever been seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unusual {
    /// The member, or `user N` where none is on record.
    pub who: String,
    /// The local hour, 0 to 23.
    pub hour: usize,
    /// The recent uses in it.
    pub seen: Seen,
    /// Earlier uses in this hour, the one before and the one after.
    pub around: u64,
    /// All earlier uses.
    pub earlier: u64,
}

#[derive(Clone, Debug, Default)]
struct Habit {
    hours: [u64; 24],
    days: BTreeSet<i64>,
    recent: BTreeMap<usize, Seen>,
}

/// Counts records as they come, in any order. Memory grows with the number of
/// secrets and of those who use them, not with the number of records.
#[derive(Clone, Debug)]
pub struct Stats {
    rules: Rules,
    /// Records of any kind.
    pub records: u64,
    /// The earliest record of any kind: what is not known before it.
    pub since: Option<Timestamp>,
    /// Records of refusals and failures.
    pub refused: u64,
    /// Uses by profile and name.
    pub secrets: BTreeMap<(String, String), Usage>,
    /// Uses by day of the week, from Monday, and local hour.
    pub hours: [[u64; 24]; 7],
    habits: BTreeMap<String, Habit>,
}

impl Stats {
    /// Before the first record.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        let (secrets, habits) = (BTreeMap::new(), BTreeMap::new());
        Self { rules, records: 0, since: None, refused: 0, secrets, hours: [[0; 24]; 7], habits }
    }

    /// Counts a record. `home` says which profile holds a secret that was used
    /// by way of another one; `local` gives day of the week (Monday is 0) and
    /// hour of a time.
    pub fn add(
        &mut self,
        record: &Record,
        home: &dyn Fn(&str, &str) -> String,
        local: &dyn Fn(Timestamp) -> (usize, usize),
    ) {
        let at = record.at;
        self.records += 1;
        self.since = Some(self.since.map_or(at, |since| since.min(at)));
        self.refused += u64::from(matches!(record.outcome, Outcome::Refused | Outcome::Failed));
        if !is_use(record) {
            return;
        }
        let (day, hour) = local(at);
        let (day, hour) = (day % 7, hour % 24);
        self.hours[day][hour] += 1;
        let recent_from = self.recent_from();
        let who = record.member.clone().unwrap_or_else(|| format!("user {}", record.user));
        let habit = self.habits.entry(who).or_default();
        if at < recent_from {
            habit.hours[hour] += 1;
            // Days only have to be told apart, and no more of them than the rule asks for.
            if habit.days.len() < HABIT_DAYS {
                habit.days.insert(at.seconds() / 86_400);
            }
        } else {
            see(&mut habit.recent, hour, at);
        }
        let profile = record.profile.as_deref().unwrap_or_default();
        let names: BTreeSet<&str> = record.names.iter().map(|listed| secret_of(listed)).collect();
        for name in names {
            let usage = self
                .secrets
                .entry((home(profile, name), name.to_owned()))
                .or_insert_with(|| Usage { all: Seen { first: at, last: at, uses: 0 }, by: BTreeMap::new() });
            usage.all.add(at);
            let subjects = [
                record.device.clone().map(Subject::Device),
                record.member.clone().map(Subject::Member),
                record.command.clone().map(Subject::Program),
            ];
            for subject in subjects.into_iter().flatten() {
                see(&mut usage.by, subject, at);
            }
        }
    }

    fn recent_from(&self) -> Timestamp {
        self.rules.now.minus(self.rules.recent)
    }

    /// Of the secrets that there are (with the time when the value was set),
    /// those whose value is older than the bound and was not used within it.
    #[must_use]
    pub fn unused(&self, known: &BTreeMap<(String, String), Timestamp>) -> Vec<Unused> {
        let from = self.rules.now.minus(self.rules.unused);
        let last_used = |secret| self.secrets.get(secret).map(|usage: &Usage| usage.all.last);
        let unused = known
            .iter()
            .filter(|(secret, set_at)| **set_at <= from && last_used(*secret).is_none_or(|last| last <= from));
        unused
            .map(|(secret, set_at)| Unused { secret: secret.clone(), set_at: *set_at, last_used: last_used(secret) })
            .collect()
    }

    /// Devices, members and programs whose first use of a secret is recent,
    /// where the secret itself was in use before.
    #[must_use]
    pub fn newcomers(&self) -> Vec<Newcomer> {
        let from = self.recent_from();
        let mut newcomers = Vec::new();
        for (secret, usage) in self.secrets.iter().filter(|(_, usage)| usage.all.first < from) {
            for (who, seen) in usage.by.iter().filter(|(_, seen)| seen.first >= from) {
                newcomers.push(Newcomer { secret: secret.clone(), who: who.clone(), seen: *seen });
            }
        }
        newcomers
    }

    /// Recent uses at hours around which the same member had fewer than one in
    /// a hundred of at least fifty earlier uses on at least ten days.
    #[must_use]
    pub fn unusual(&self) -> Vec<Unusual> {
        let mut unusual = Vec::new();
        for (who, habit) in &self.habits {
            let earlier: u64 = habit.hours.iter().sum();
            if earlier < HABIT_USES || habit.days.len() < HABIT_DAYS {
                continue;
            }
            for (&hour, &seen) in &habit.recent {
                let around = [hour + 23, hour, hour + 1].map(|hour| habit.hours[hour % 24]).iter().sum::<u64>();
                if around * HABIT_SHARE < earlier {
                    unusual.push(Unusual { who: who.clone(), hour, seen, around, earlier });
                }
            }
        }
        unusual
    }
}

impl Seen {
    fn add(&mut self, at: Timestamp) {
        self.first = self.first.min(at);
        self.last = self.last.max(at);
        self.uses += 1;
    }
}

fn see<K: Ord>(map: &mut BTreeMap<K, Seen>, key: K, at: Timestamp) {
    map.entry(key).or_insert(Seen { first: at, last: at, uses: 0 }).add(at);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::record::Draft;
    use crate::audit::{Event, Origin};
    use crate::crypto::{Hash, SigningKey};

    const HOUR: i64 = 3600;
    const DAY: i64 = 24 * HOUR;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(1_800_000_000 / DAY * DAY + seconds).unwrap()
    }

    struct Who {
        member: &'static str,
        device: &'static str,
        program: &'static str,
    }

    const ALICE: Who = Who { member: "alice", device: "laptop", program: "python" };

    fn record(action: &str, outcome: Outcome, names: &[&str], who: &Who, time: Timestamp) -> Record {
        let mut event = Event::new(action, outcome);
        event.profile = Some("prod".into());
        event.names = names.iter().map(ToString::to_string).collect();
        event.command = Some(who.program.into());
        let origin = Origin { user: "1000".into(), member: Some(who.member.into()), ..Origin::default() };
        let draft = Draft {
            vault: &Hash::ZERO,
            device: Some(who.device),
            seq: 2,
            epoch: 1,
            at: time,
            event: &event,
            origin: &origin,
            torn: None,
            sink: None,
            after: None,
            key: None,
            prev: Hash::ZERO,
        };
        Record::parse(draft.sign(&SigningKey::from_seed(&[1; 32])).as_bytes()).unwrap()
    }

    fn stats(now: Timestamp) -> Stats {
        Stats::new(Rules { now, unused: Span::days(90), recent: Span::days(7) })
    }

    fn add(stats: &mut Stats, record: &Record) {
        let utc = |at: Timestamp| {
            let (days, hours) = (at.seconds() / DAY, at.seconds() / HOUR);
            (usize::try_from((days + 3) % 7).unwrap(), usize::try_from(hours % 24).unwrap())
        };
        stats.add(record, &|profile, _| profile.to_owned(), &utc);
    }

    fn secret(name: &str) -> (String, String) {
        ("prod".into(), name.into())
    }

    #[test]
    fn uses_are_counted_by_secret_and_by_who_and_nothing_else_is_a_use() {
        let mut stats = stats(at(100));
        add(&mut stats, &record("exec", Outcome::Done, &["A", "X=A@previous", "Y=B"], &ALICE, at(20)));
        add(&mut stats, &record("get", Outcome::Done, &["A"], &Who { device: "ci", ..ALICE }, at(10)));
        for (action, outcome) in [
            ("get", Outcome::Refused),
            ("exec", Outcome::Failed),
            ("set", Outcome::Done),
            ("set", Outcome::Intent),
            ("verify", Outcome::Done),
        ] {
            add(&mut stats, &record(action, outcome, &["A", "C"], &ALICE, at(50)));
        }
        assert_eq!((stats.records, stats.refused, stats.since), (7, 2, Some(at(10))));
        let uses: Vec<(&str, u64)> = stats.secrets.iter().map(|((_, n), usage)| (n.as_str(), usage.all.uses)).collect();
        assert_eq!(uses, [("A", 2), ("B", 1)]);
        let usage = &stats.secrets[&secret("A")];
        assert_eq!(usage.all, Seen { first: at(10), last: at(20), uses: 2 });
        assert_eq!(usage.by[&Subject::Device("ci".into())].uses, 1);
        assert_eq!(usage.by[&Subject::Member("alice".into())].uses, 2);
        assert_eq!(stats.hours.iter().flatten().sum::<u64>(), 2);
    }

    #[test]
    fn unused_counts_from_the_bound_inclusive_and_spares_new_values() {
        let now = at(200 * DAY);
        let bound = now.minus(Span::days(90));
        let second = Span::from_seconds(1);
        let mut stats = stats(now);
        for (name, used) in [("AT", bound), ("AFTER", bound.plus(second)), ("NEW_USED_LONG_AGO", at(0))] {
            add(&mut stats, &record("exec", Outcome::Done, &[name], &ALICE, used));
        }
        let mut known = BTreeMap::new();
        for (name, set_at) in [
            ("AT", at(0)),
            ("AFTER", at(0)),
            ("NEVER", bound),
            ("NEVER_BUT_NEW", bound.plus(second)),
            ("NEW_USED_LONG_AGO", now),
        ] {
            known.insert(secret(name), set_at);
        }
        let unused = stats.unused(&known);
        let names: Vec<(&str, bool)> = unused.iter().map(|u| (u.secret.1.as_str(), u.last_used.is_some())).collect();
        assert_eq!(names, [("AT", true), ("NEVER", false)]);
    }

    #[test]
    fn first_time_users_and_programs_are_new_to_a_secret_that_is_not() {
        let now = at(100 * DAY);
        let from = now.minus(Span::days(7));
        let mut stats = stats(now);
        add(&mut stats, &record("exec", Outcome::Done, &["OLD"], &ALICE, at(0)));
        add(&mut stats, &record("exec", Outcome::Done, &["OLD"], &ALICE, now));
        let bob = Who { member: "bob", device: "laptop", program: "curl" };
        add(&mut stats, &record("exec", Outcome::Done, &["OLD", "FRESH"], &bob, from));
        let found: Vec<(String, Subject)> = stats.newcomers().into_iter().map(|n| (n.secret.1, n.who)).collect();
        let want = [Subject::Member("bob".into()), Subject::Program("curl".into())];
        assert_eq!(found, want.map(|who| ("OLD".to_owned(), who)));
    }

    #[test]
    fn an_hour_is_unusual_only_against_a_habit() {
        // Uses at nine o'clock, `uses` in all, on `days` days; then one now, at `hour`.
        for (uses, days, hour, want) in [
            (50, 10, 3, true),
            (49, 10, 3, false),
            (50, 9, 3, false),
            (50, 10, 9, false),
            (50, 10, 8, false),
            (50, 10, 10, false),
            (50, 10, 7, true),
            (50, 10, 23, true),
            (500, 60, 0, true),
        ] {
            let now = at(100 * DAY + 23 * HOUR);
            let mut stats = stats(now);
            for n in 0..uses {
                add(&mut stats, &record("exec", Outcome::Done, &["A"], &ALICE, at(n % days * DAY + 9 * HOUR)));
            }
            add(&mut stats, &record("exec", Outcome::Done, &["A"], &ALICE, at(100 * DAY + hour * HOUR)));
            assert_eq!(stats.unusual().len(), usize::from(want), "{uses} uses on {days} days, then at {hour}");
        }
    }

    #[test]
    fn a_habit_of_one_in_a_hundred_is_none_of_our_business() {
        for (early, want) in [(1, false), (0, true)] {
            let mut stats = stats(at(100 * DAY));
            for n in 0..100 - early {
                add(&mut stats, &record("exec", Outcome::Done, &["A"], &ALICE, at(n % 50 * DAY + 9 * HOUR)));
            }
            for n in 0..early {
                // The hour before counts too, also across midnight.
                add(&mut stats, &record("exec", Outcome::Done, &["A"], &ALICE, at(n * DAY + 23 * HOUR)));
            }
            add(&mut stats, &record("exec", Outcome::Done, &["A"], &ALICE, at(100 * DAY)));
            assert_eq!(stats.unusual().len(), usize::from(want), "{early}");
        }
    }
}
