//! What a secret, a profile or a provider says about rotation, and who wins.

use std::fmt;
use std::str::FromStr;

use super::Error;
use crate::clock::Span;
pub use crate::vault::OnOverdue;

/// Warning steps where nobody chose any: 30, 14, 7 and 1 days before the due date.
pub const DEFAULT_WARN_AT: [Span; 4] = [Span::days(30), Span::days(14), Span::days(7), Span::days(1)];

/// How long a replaced value stays available where nobody chose.
pub const DEFAULT_GRACE: Span = Span::days(7);

/// How often a value is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Interval {
    /// Nothing was said: the next policy in line decides.
    #[default]
    Unset,
    /// It is not, by choice. Ends the search: a profile's interval does not apply.
    Never,
    /// At this age.
    Every(Span),
}

/// A policy with every field optional; see [`Policy::or`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// Age at which a value is overdue.
    pub rotate_every: Interval,
    /// Why that interval was chosen. Belongs to it: the two come from the same policy.
    pub basis: Option<String>,
    /// Times before the due date at which to warn, in any order. Empty: never.
    pub warn_at: Option<Vec<Span>>,
    /// What to do with an overdue value.
    pub on_overdue: Option<OnOverdue>,
    /// How long the previous value stays available after a rotation.
    pub grace: Option<Span>,
    /// How many earlier versions are kept.
    pub keep: Option<u8>,
    /// Member who sees to the rotation.
    pub owner: Option<String>,
}

impl Policy {
    /// A policy that says nothing but the interval, such as a provider's usual one.
    #[must_use]
    pub fn every(interval: Span) -> Self {
        Self { rotate_every: Interval::Every(interval), ..Self::default() }
    }

    /// Fills in field by field from `fallback` what this policy does not say:
    /// `secret.or(&profile).or(&provider)`.
    ///
    /// `basis` goes with `rotate_every`: an interval never gets the reason that
    /// someone gave for another one.
    #[must_use]
    pub fn or(&self, fallback: &Self) -> Self {
        let (rotate_every, basis) = match (self.rotate_every, fallback.rotate_every) {
            (Interval::Unset, Interval::Unset) => (Interval::Unset, self.basis.as_ref().or(fallback.basis.as_ref())),
            (Interval::Unset, interval) => (interval, fallback.basis.as_ref()),
            (interval, _) => (interval, self.basis.as_ref()),
        };
        Self {
            rotate_every,
            basis: basis.cloned(),
            warn_at: self.warn_at.as_ref().or(fallback.warn_at.as_ref()).cloned(),
            on_overdue: self.on_overdue.or(fallback.on_overdue),
            grace: self.grace.or(fallback.grace),
            keep: self.keep.or(fallback.keep),
            owner: self.owner.as_ref().or(fallback.owner.as_ref()).cloned(),
        }
    }

    /// Returns the warning steps for a value that lives as long as `life`, in any order.
    ///
    /// Default steps longer than half of it are dropped, so that a weekly key
    /// is not due from its first day; chosen ones are kept. A life of unknown
    /// length (`None`) keeps them all.
    pub fn steps(&self, life: Option<Span>) -> impl Iterator<Item = Span> + use<'_> {
        let (steps, longest) = match &self.warn_at {
            Some(chosen) => (chosen.as_slice(), u64::MAX),
            None => (&DEFAULT_WARN_AT[..], life.map_or(u64::MAX, |life| life.seconds() / 2)),
        };
        steps.iter().copied().filter(move |step| step.seconds() <= longest)
    }
}

impl fmt::Display for Interval {
    /// `90d`, `never`, or nothing at all where unset.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unset => Ok(()),
            Self::Never => f.write_str("never"),
            Self::Every(span) => write!(f, "{span}"),
        }
    }
}

impl FromStr for Interval {
    type Err = Error;

    /// Reads `never` or a duration.
    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "never" => Ok(Self::Never),
            _ => Span::parse(text).map(Self::Every).map_err(Error::Interval),
        }
    }
}

impl fmt::Display for OnOverdue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Warn => "warn",
            Self::Refuse => "refuse",
        })
    }
}

impl FromStr for OnOverdue {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "warn" => Ok(Self::Warn),
            "refuse" => Ok(Self::Refuse),
            _ => Err(Error::OnOverdue),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn steps(policy: &Policy, life: Option<Span>) -> Vec<u64> {
        policy.steps(life).map(|s| s.seconds() / 86_400).collect()
    }

    #[test]
    fn default_steps_longer_than_half_the_life_are_dropped() {
        let policy = Policy::default();
        for (days, want) in
            [(90, &[30, 14, 7, 1][..]), (60, &[30, 14, 7, 1]), (59, &[14, 7, 1]), (14, &[7, 1]), (2, &[1]), (1, &[])]
        {
            assert_eq!(steps(&policy, Some(Span::days(days))), want, "{days} days");
        }
        assert_eq!(steps(&policy, None), [30, 14, 7, 1]);
    }

    #[test]
    fn chosen_steps_are_kept_whatever_the_life() {
        let policy = Policy { warn_at: Some(vec![Span::days(3), Span::days(40)]), ..Policy::default() };
        assert_eq!(steps(&policy, Some(Span::days(4))), [3, 40]);
        assert!(steps(&Policy { warn_at: Some(Vec::new()), ..policy }, None).is_empty());
    }

    #[test]
    fn the_secret_wins_over_the_profile_field_by_field() {
        let secret = Policy { on_overdue: Some(OnOverdue::Refuse), ..Policy::default() };
        let profile = Policy { owner: Some("alice".to_owned()), keep: Some(9), ..Policy::every(Span::days(60)) };
        let merged = secret.or(&profile).or(&Policy { grace: Some(Span::days(1)), ..Policy::every(Span::days(90)) });
        let want = Policy { on_overdue: Some(OnOverdue::Refuse), grace: Some(Span::days(1)), ..profile };
        assert_eq!(merged, want);
    }

    #[test]
    fn never_is_an_answer_and_unset_is_none() {
        let never = Policy { rotate_every: Interval::Never, ..Policy::default() };
        let every = Policy::every(Span::days(90));
        assert_eq!(never.or(&every).rotate_every, Interval::Never);
        assert_eq!(Policy::default().or(&every).rotate_every, every.rotate_every);
    }

    #[test]
    fn the_reason_stays_with_its_interval() {
        let profile = Policy { basis: Some("risk analysis 7".to_owned()), ..Policy::every(Span::days(180)) };
        assert_eq!(Policy::every(Span::days(30)).or(&profile).basis, None);
        assert_eq!(Policy::default().or(&profile).basis, profile.basis);
    }

    #[test]
    fn words_round_trip() {
        for text in ["never", "90d", "12h"] {
            assert_eq!(text.parse::<Interval>().unwrap().to_string(), text);
        }
        for text in ["warn", "refuse"] {
            assert_eq!(text.parse::<OnOverdue>().unwrap().to_string(), text);
        }
        for text in ["", "Never", "90"] {
            assert!(matches!(text.parse::<Interval>(), Err(Error::Interval(_))), "{text}");
        }
        assert_eq!("ignore".parse::<OnOverdue>(), Err(Error::OnOverdue));
        assert_eq!(
            "90".parse::<Interval>().unwrap_err().to_string(),
            "not an interval: write never, or a duration such as 90d"
        );
    }

    fn policies() -> impl Strategy<Value = Policy> {
        let interval = prop_oneof![
            Just(Interval::Unset),
            Just(Interval::Never),
            (1..400u64).prop_map(|d| Interval::Every(Span::days(d)))
        ];
        let span = || proptest::option::of((1..400u64).prop_map(Span::days));
        let word = || proptest::option::of("[a-c]");
        let answer = proptest::option::of(prop_oneof![Just(OnOverdue::Warn), Just(OnOverdue::Refuse)]);
        let warn_at = proptest::option::of(proptest::collection::vec((1..60u64).prop_map(Span::days), 0..3));
        (interval, word(), warn_at, answer, span(), proptest::option::of(0..5u8), word()).prop_map(
            |(rotate_every, basis, warn_at, on_overdue, grace, keep, owner)| Policy {
                rotate_every,
                basis,
                warn_at,
                on_overdue,
                grace,
                keep,
                owner,
            },
        )
    }

    proptest! {
        #[test]
        fn merging_is_associative_and_silence_changes_nothing(a in policies(), b in policies(), c in policies()) {
            prop_assert_eq!(a.or(&b).or(&c), a.or(&b.or(&c)));
            prop_assert_eq!(&a.or(&Policy::default()), &a);
            prop_assert_eq!(&Policy::default().or(&a), &a);
            prop_assert_eq!(&a.or(&a), &a);
        }
    }
}
