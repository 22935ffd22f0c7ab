//! Names, parsed once at the edge (`docs/format.md`, section 2).

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use smol_str::SmolStr;

/// Why a name was refused. Carries no text: what was typed may be a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Not the grammar of secret names.
    #[error("a secret's name is letters, digits and `_`, begins with no digit and has at most 256 bytes")]
    Secret,
    /// Not the grammar of profiles, members and devices.
    #[error(
        "a name here is lower-case letters, digits, `-` and `_`, begins with a letter or digit and has at most 64 bytes"
    )]
    Slug,
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $check:path) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "SmolStr", into = "SmolStr")]
        pub struct $type(SmolStr);

        impl $type {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                $check(text)?;
                Ok(Self(SmolStr::new(text)))
            }
        }

        impl TryFrom<SmolStr> for $type {
            type Error = NameError;
            fn try_from(text: SmolStr) -> Result<Self, NameError> {
                $check(&text)?;
                Ok(Self(text))
            }
        }

        impl From<$type> for SmolStr {
            fn from(name: $type) -> Self {
                name.0
            }
        }

        impl std::borrow::Borrow<str> for $type {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $type {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// `[A-Za-z_][A-Za-z0-9_]*`, at most 256 bytes: what an environment variable may be called.
    SecretName, secret
);
name!(
    /// `[a-z0-9][a-z0-9_-]*`, at most 64 bytes.
    ProfileName, slug
);
name!(
    /// `[a-z0-9][a-z0-9_-]*`, at most 64 bytes.
    MemberName, slug
);
name!(
    /// `[a-z0-9][a-z0-9_-]*`, at most 64 bytes; unique in the vault, never used twice.
    /// `recovery` is the recovery device and nobody's.
    DeviceName, slug
);
name!(
    /// The short name of a provider, like `openai`: `[a-z0-9][a-z0-9_-]*`, at most 64 bytes.
    ProviderName, slug
);

impl SecretName {
    /// True for text that is one: a section's names are checked long before they are needed.
    pub(super) fn is_valid(text: &str) -> bool {
        secret(text).is_ok()
    }
}

impl DeviceName {
    /// The name of the recovery device.
    #[must_use]
    pub fn recovery() -> &'static Self {
        static NAME: LazyLock<DeviceName> = LazyLock::new(|| DeviceName(SmolStr::new_static("recovery")));
        &NAME
    }

    /// True for the recovery device.
    #[must_use]
    pub fn is_recovery(&self) -> bool {
        self.0 == "recovery"
    }
}

fn secret(text: &str) -> Result<(), NameError> {
    let mut bytes = text.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    if first && text.len() <= 256 && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        Ok(())
    } else {
        Err(NameError::Secret)
    }
}

fn slug(text: &str) -> Result<(), NameError> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let mut bytes = text.bytes();
    if bytes.next().is_some_and(plain) && text.len() <= 64 && bytes.all(|b| plain(b) || b == b'-' || b == b'_') {
        Ok(())
    } else {
        Err(NameError::Slug)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grammar_and_bounds() {
        for good in ["A", "_", "openai_KEY9", &"A".repeat(256)] {
            assert!(good.parse::<SecretName>().is_ok(), "{good}");
        }
        for bad in ["", "9A", "A-B", "A B", "Ä", "A\n", &"A".repeat(257)] {
            assert!(bad.parse::<SecretName>().is_err(), "{bad}");
        }
        for good in ["a", "9", "a-b_c", &"a".repeat(64)] {
            assert!(good.parse::<ProfileName>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "_a", "A", "a.b", "ü", &"a".repeat(65)] {
            assert!(bad.parse::<ProfileName>().is_err(), "{bad}");
        }
        assert!("recovery".parse::<DeviceName>().unwrap().is_recovery());
    }
}
