//! Time: the only caller of `now()`, and the one notation for dates and durations.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Datelike, NaiveDate, Timelike, Utc};

/// A second in UTC between 1970-01-01 and 9999-12-31, counted from 1970.
///
/// Its text is RFC 3339 with `Z` and no fraction: `2026-11-22T09:00:00Z`
/// (`docs/format.md`, "Dates").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// A length of time in whole seconds, at most 10,000 years, written with one
/// unit: `30s`, `15min`, `12h`, `90d`, `6w`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(u64);

/// Why a date or duration was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone, Copy)]
#[non_exhaustive]
pub enum Error {
    /// Neither `2026-12-31` nor RFC 3339.
    #[error("not a date: write 2026-12-31 or 2026-12-31T09:00:00Z")]
    Date,
    /// Before 1970 or after 9999.
    #[error("date is outside 1970 to 9999")]
    DateRange,
    /// Not a whole number with one unit.
    #[error("not a duration: write a number with s, min, h, d or w, for example 90d")]
    Span,
    /// Zero or more than 10,000 years.
    #[error("duration must be between 1s and 10000 years")]
    SpanRange,
}

/// 9999-12-31T23:59:59Z.
const LAST_SECOND: i64 = 253_402_300_799;

impl Timestamp {
    /// From seconds since 1970-01-01T00:00:00Z; `None` outside 1970 to 9999.
    #[must_use]
    pub fn from_seconds(seconds: i64) -> Option<Self> {
        (0..=LAST_SECOND).contains(&seconds).then_some(Self(seconds))
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.0
    }

    /// Reads only the canonical text, exactly 20 bytes.
    #[must_use]
    pub fn from_canonical(text: &str) -> Option<Self> {
        let b = text.as_bytes();
        if b.len() != 20
            || b[4] != b'-'
            || b[7] != b'-'
            || b[10] != b'T'
            || b[13] != b':'
            || b[16] != b':'
            || b[19] != b'Z'
        {
            return None;
        }
        let number = |range: std::ops::Range<usize>| -> Option<u32> {
            b[range].iter().try_fold(0u32, |n, d| d.is_ascii_digit().then(|| n * 10 + u32::from(d - b'0')))
        };
        let date = NaiveDate::from_ymd_opt(i32::try_from(number(0..4)?).ok()?, number(5..7)?, number(8..10)?)?;
        let time = date.and_hms_opt(number(11..13)?, number(14..16)?, number(17..19)?)?;
        Self::from_seconds(time.and_utc().timestamp())
    }

    /// Reads what people write: a date (its midnight in UTC) or RFC 3339 with any offset.
    ///
    /// # Errors
    /// [`Error::Date`] or [`Error::DateRange`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let seconds = if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
            date.and_hms_opt(0, 0, 0).ok_or(Error::Date)?.and_utc().timestamp()
        } else {
            DateTime::parse_from_rfc3339(text).map_err(|_| Error::Date)?.timestamp()
        };
        Self::from_seconds(seconds).ok_or(Error::DateRange)
    }

    /// The date and time in UTC.
    #[must_use]
    pub fn to_utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.0, 0).unwrap_or_default()
    }

    /// The time `span` later; the last second of 9999 at most.
    #[must_use]
    pub fn plus(self, span: Span) -> Self {
        Self(self.0.saturating_add_unsigned(span.0).min(LAST_SECOND))
    }

    /// The time `span` earlier; 1970 at the least.
    #[must_use]
    pub fn minus(self, span: Span) -> Self {
        Self(self.0.saturating_sub_unsigned(span.0).max(0))
    }

    /// Whole seconds from `earlier` to `self`; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> u64 {
        u64::try_from(self.0 - earlier.0).unwrap_or(0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let t = self.to_utc();
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
            t.year(),
            t.month(),
            t.day(),
            t.hour(),
            t.minute(),
            t.second()
        )
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl std::str::FromStr for Timestamp {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::from_canonical(&text).ok_or_else(|| serde::de::Error::custom("not a UTC second"))
    }
}

const UNITS: [(&str, u64); 5] = [("w", 604_800), ("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)];

impl Span {
    /// 10,000 years of 365 days, in seconds.
    pub const MAX_SECONDS: u64 = 10_000 * 365 * 86_400;

    /// Whole days.
    #[must_use]
    pub const fn days(days: u64) -> Self {
        Self(days * 86_400)
    }

    /// Whole seconds.
    #[must_use]
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Length in seconds.
    #[must_use]
    pub fn seconds(self) -> u64 {
        self.0
    }

    /// Reads a number with one unit: `30s`, `15min`, `12h`, `90d`, `6w`.
    ///
    /// # Errors
    /// [`Error::Span`], or [`Error::SpanRange`] for zero and for more than 10,000 years.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let factor = UNITS.iter().find(|(name, _)| *name == unit).ok_or(Error::Span)?.1;
        if digits == 0 {
            return Err(Error::Span);
        }
        // Only digits are left, so a failure to parse means the number is too large.
        let seconds = number.parse::<u64>().ok().and_then(|n| n.checked_mul(factor)).ok_or(Error::SpanRange)?;
        if seconds == 0 || seconds > Self::MAX_SECONDS {
            return Err(Error::SpanRange);
        }
        Ok(Self(seconds))
    }
}

impl fmt::Display for Span {
    /// Days where it is a whole number of them, otherwise the largest unit that divides it:
    /// `90d` stays `90d`, `6w` reads `42d`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, factor) =
            UNITS[1..].iter().find(|(_, factor)| self.0.is_multiple_of(*factor)).copied().unwrap_or(("s", 1));
        write!(f, "{}{unit}", self.0 / factor)
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl std::str::FromStr for Span {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

/// Where "now" comes from. A release build has only [`Clock::System`]: time
/// from the environment would be forgery in an audit log.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Clock {
    /// The clock of this machine.
    System,
    /// A fixed second, for tests in process.
    Fixed(Timestamp),
}

impl Clock {
    /// The current second; 1970 if the machine's clock stands before it.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one caller of now()")]
    pub fn now(self) -> Timestamp {
        match self {
            Self::System => Timestamp(Utc::now().timestamp().clamp(0, LAST_SECOND)),
            Self::Fixed(at) => at,
        }
    }

    /// The time since 1970, as exact as the machine's clock; zero if it stands before it.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the other caller of now()")]
    pub fn since_1970(self) -> Duration {
        match self {
            Self::System => Utc::now().signed_duration_since(DateTime::UNIX_EPOCH).to_std().unwrap_or_default(),
            Self::Fixed(at) => Duration::from_secs(at.0.unsigned_abs()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_text_round_trips_and_nothing_else_is_read() {
        for text in ["1970-01-01T00:00:00Z", "2024-02-29T23:59:59Z", "9999-12-31T23:59:59Z"] {
            assert_eq!(Timestamp::from_canonical(text).unwrap().to_string(), text);
        }
        for text in [
            "2026-02-29T00:00:00Z",
            "2026-11-22T09:00:60Z",
            "2026-11-22t09:00:00Z",
            "2026-11-22T09:00:00+00:00",
            "2026-11-22T09:00:00.0Z",
            "1969-12-31T23:59:59Z",
            "+026-11-22T09:00:00Z",
        ] {
            assert_eq!(Timestamp::from_canonical(text), None, "{text}");
        }
    }

    #[test]
    fn people_write_dates_with_or_without_time() {
        let day = Timestamp::parse("2026-12-31").unwrap();
        assert_eq!(day.to_string(), "2026-12-31T00:00:00Z");
        assert_eq!(Timestamp::parse("2026-12-31T01:00:00+01:00").unwrap(), day);
        assert_eq!(Timestamp::parse("31.12.2026"), Err(Error::Date));
        assert_eq!(Timestamp::parse("1969-01-01"), Err(Error::DateRange));
    }

    #[test]
    fn spans_have_one_unit_and_bounds() {
        for (text, seconds) in [("30s", 30), ("15min", 900), ("12h", 43_200), ("90d", 7_776_000), ("6w", 3_628_800)] {
            assert_eq!(Span::parse(text).unwrap().seconds(), seconds);
        }
        for text in ["", "90", "d", "-1d", "1.5d", "1d12h", "90 d", "1y", "90D"] {
            assert_eq!(Span::parse(text), Err(Error::Span), "{text}");
        }
        for text in ["0d", "99999999999999999999d", "3650001d"] {
            assert_eq!(Span::parse(text), Err(Error::SpanRange), "{text}");
        }
        assert_eq!(Span::parse("6w").unwrap().to_string(), "42d");
        assert_eq!(Span::parse("90min").unwrap().to_string(), "90min");
    }

    #[test]
    fn arithmetic_stays_in_range() {
        let last = Timestamp::from_seconds(LAST_SECOND).unwrap();
        assert_eq!(last.plus(Span::days(1)), last);
        assert_eq!(Timestamp(5).minus(Span::days(1)), Timestamp(0));
        assert_eq!(Timestamp(5).since(Timestamp(9)), 0);
    }
}
