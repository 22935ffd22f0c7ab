//! Any text as a duration and as a date.

use vault::clock::{Span, Timestamp};

pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let span = Span::parse(text);
    if let Ok(span) = span {
        assert_eq!(Span::parse(&span.to_string()), Ok(span));
        assert!((1..=Span::MAX_SECONDS).contains(&span.seconds()));
    }
    let canonical = Timestamp::from_canonical(text);
    if let Ok(at) = Timestamp::parse(text) {
        let printed = at.to_string();
        assert_eq!(Timestamp::from_canonical(&printed), Some(at));
        assert_eq!(canonical.is_some(), printed == text, "one canonical text");
        assert_eq!(Timestamp::from_seconds(at.seconds()), Some(at));
        assert_eq!(at.since(at), 0);
        for span in span.into_iter().chain([Span::days(1), Span::from_seconds(Span::MAX_SECONDS)]) {
            let (later, earlier) = (at.plus(span), at.minus(span));
            assert!(earlier <= at && at <= later);
            assert!(later.since(earlier) <= 2 * span.seconds());
        }
    } else {
        assert!(canonical.is_none(), "what is canonical is a date");
    }
    // A date and a duration in one input, for the sums above.
    if let Some((date, span)) = text.split_once(' ')
        && let (Ok(date), Ok(span)) = (Timestamp::parse(date), Span::parse(span))
    {
        assert!(date.plus(span).since(date) <= span.seconds());
    }
}
