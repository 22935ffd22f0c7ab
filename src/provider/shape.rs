//! What the values of a provider look like, as data, and the one matcher that reads it.

use super::checksum;
use super::mismatch::Mismatch;

/// One form of value. A provider may have several.
#[derive(Debug)]
pub(super) struct Shape {
    /// The value begins with one of these.
    pub(super) starts: &'static [&'static str],
    /// What follows the start.
    pub(super) body: Body,
    /// How much of it tells whose value this is, whatever the secret is called.
    pub(super) claim: Claim,
    /// False where the form is general knowledge only: such a value is neither
    /// praised nor warned about.
    pub(super) confirmed: bool,
}

/// What follows the start of a value.
#[derive(Debug)]
pub(super) enum Body {
    /// `min` to `max` bytes of one alphabet.
    Chars { of: Alphabet, min: usize, max: usize },
    /// `len` bytes, the last of them `end`.
    Ending { of: Alphabet, len: usize, end: &'static str },
    /// `mark` with at least `around` bytes of the alphabet on both sides.
    Marked { of: Alphabet, mark: &'static str, around: usize },
    /// `random` letters and digits, then their checksum.
    Checksummed { random: usize },
    /// Whatever it may be.
    Anything,
    /// A JSON object with `"type": "service_account"`, the start included.
    ServiceAccount,
}

/// How much of a value tells whose it is.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(super) enum Claim {
    /// The start alone, so that a cut value is still recognised.
    Start,
    /// Only the whole form: the start also begins other things.
    Whole,
    /// Nothing: others write values of this form too.
    Nothing,
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(super) enum Alphabet {
    /// `A-Za-z0-9`
    Base62,
    /// `A-Z2-7`
    Base32,
    /// `0-9a-fA-F`
    Hex,
    /// `A-Za-z0-9_-`
    Word,
    /// `A-Za-z0-9_-.=`
    Dotted,
    /// Every byte from `!` to `~`.
    Printable,
}

/// How a value compares with one shape or several, from best to worst.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(super) enum Verdict {
    Matches,
    /// A form that is known of but not confirmed.
    Unconfirmed,
    /// The start is right, the rest is not.
    Mismatch(Mismatch),
    /// Begins otherwise.
    OtherStart,
}

/// A start claims a value of this many bytes or more; what is shorter is a word or a placeholder.
const SHORTEST_CLAIMED: usize = 20;

impl Verdict {
    /// For choosing among providers of one name: lower fits better.
    pub(super) fn rank(self) -> u8 {
        match self {
            Self::Matches => 0,
            Self::Unconfirmed => 1,
            Self::Mismatch(_) => 2,
            Self::OtherStart => 3,
        }
    }
}

impl Alphabet {
    fn holds(self, byte: u8) -> bool {
        match self {
            Self::Base62 => byte.is_ascii_alphanumeric(),
            Self::Base32 => matches!(byte, b'A'..=b'Z' | b'2'..=b'7'),
            Self::Hex => byte.is_ascii_hexdigit(),
            Self::Word => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'),
            Self::Dotted => byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'='),
            Self::Printable => byte.is_ascii_graphic(),
        }
    }

    fn check(self, bytes: &[u8]) -> Result<(), Mismatch> {
        bytes.iter().all(|b| self.holds(*b)).then_some(()).ok_or(Mismatch::Characters)
    }
}

impl Shape {
    /// Compares `value` with this shape.
    pub(super) fn judge(&self, value: &[u8]) -> Verdict {
        let Some(rest) = self.starts.iter().find_map(|start| value.strip_prefix(start.as_bytes())) else {
            return Verdict::OtherStart;
        };
        match (self.body.check(rest), self.confirmed) {
            (Ok(()), true) => Verdict::Matches,
            (Ok(()), false) => Verdict::Unconfirmed,
            (Err(reason), true) => Verdict::Mismatch(reason),
            (Err(_), false) => Verdict::OtherStart,
        }
    }

    /// Compares `value` with this shape if the value alone tells whose it is.
    pub(super) fn claims(&self, value: &[u8]) -> Option<Verdict> {
        let verdict = match self.claim {
            Claim::Nothing => return None,
            Claim::Start if value.len() < SHORTEST_CLAIMED => return None,
            Claim::Start | Claim::Whole => self.judge(value),
        };
        match verdict {
            Verdict::OtherStart => None,
            Verdict::Mismatch(_) if self.claim == Claim::Whole => None,
            verdict => Some(verdict),
        }
    }
}

/// What the first of `shapes` with the start of `value` says, unless another
/// one matches; [`Verdict::OtherStart`] if none has its start.
pub(super) fn judge(shapes: &[Shape], value: &[u8]) -> Verdict {
    let mut first = Verdict::OtherStart;
    for shape in shapes {
        match (shape.judge(value), first) {
            (Verdict::Matches, _) => return Verdict::Matches,
            (verdict, Verdict::OtherStart) => first = verdict,
            _ => {}
        }
    }
    first
}

impl Body {
    fn check(&self, rest: &[u8]) -> Result<(), Mismatch> {
        match *self {
            Self::Chars { of, min, max } => {
                length(rest, min, max)?;
                of.check(rest)
            }
            Self::Ending { of, len, end } => {
                length(rest, len, len)?;
                of.check(rest)?;
                rest.ends_with(end.as_bytes()).then_some(()).ok_or(Mismatch::MissingPart)
            }
            Self::Marked { of, mark, around } => {
                of.check(rest)?;
                let at = find(rest, mark.as_bytes()).ok_or(Mismatch::MissingPart)?;
                length(&rest[..at], around, usize::MAX)?;
                length(&rest[at + mark.len()..], around, usize::MAX)
            }
            Self::Checksummed { random } => {
                length(rest, random + checksum::DIGITS, random + checksum::DIGITS)?;
                Alphabet::Base62.check(rest)?;
                checksum::holds(rest).then_some(()).ok_or(Mismatch::Checksum)
            }
            Self::Anything => Ok(()),
            Self::ServiceAccount => names_service_account(rest).then_some(()).ok_or(Mismatch::MissingPart),
        }
    }
}

fn length(bytes: &[u8], min: usize, max: usize) -> Result<(), Mismatch> {
    (min..=max).contains(&bytes.len()).then_some(()).ok_or(Mismatch::Length)
}

fn find(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}

/// Looks for `"type"`, a colon and `"service_account"`, with any JSON white
/// space between. Reads no further: this only has to recognise the file.
fn names_service_account(mut json: &[u8]) -> bool {
    const KEY: &[u8] = b"\"type\"";
    while let Some(at) = find(json, KEY) {
        json = &json[at + KEY.len()..];
        let value = json.trim_ascii_start().strip_prefix(b":").map(<[u8]>::trim_ascii_start);
        if value.is_some_and(|v| v.starts_with(b"\"service_account\"")) {
            return true;
        }
    }
    false
}
