//! What can be wrong with the look of a value.

use std::fmt;

use super::Provider;

/// What is wrong with the look of a value. Its `Display` continues a sentence
/// about the value, and holds no part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mismatch {
    /// The name is one provider's, the value another's.
    OtherProvider {
        /// Whose the name is.
        named: &'static Provider,
        /// Whose the value is.
        looks_like: &'static Provider,
    },
    /// The value belongs to this other variable of the same provider.
    OtherVariable(&'static str),
    /// Does not begin as any known value of the provider.
    Start,
    /// Too long or too short.
    Length,
    /// Characters that do not occur in such values.
    Characters,
    /// A fixed part that all such values have is not there.
    MissingPart,
    /// The checksum within the value does not hold.
    Checksum,
    /// Fits, but for white space before or after it.
    WhiteSpace,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherProvider { named, looks_like } => {
                write!(f, "looks like a value of {}, not of {}", looks_like.name, named.name)
            }
            Self::OtherVariable(name) => write!(f, "looks like the value of {name}"),
            Self::Start => f.write_str("does not start like its values"),
            Self::Length => f.write_str("wrong length: mistyped or cut off"),
            Self::Characters => f.write_str("contains characters that its values never have"),
            Self::MissingPart => f.write_str("lacks a part that all its values have"),
            Self::Checksum => f.write_str("checksum is wrong: mistyped or cut off"),
            Self::WhiteSpace => f.write_str("has white space before or after it"),
        }
    }
}
