//! The catalogue of known providers: recognises them by the name and the value
//! of a secret, and knows how their keys are rotated.
//!
//! Everything here is advice. Formats drift, so a value that looks wrong is
//! worth a warning and never a refusal. No value leaves this module: findings
//! are facts about a value, never bytes of it. Nothing here allocates.

mod catalogue;
mod checksum;
mod detect;
mod mismatch;
mod shape;

pub use detect::{By, Detection, Form, Mode, detect};
pub use mismatch::Mismatch;

use shape::Shape;

/// A provider of keys and tokens, with what is known about rotating them.
///
/// A provider that issues unlike kinds of credential stands here once for each.
#[derive(Debug)]
#[non_exhaustive]
pub struct Provider {
    /// Lower-case slug, as in `--provider` and in the vault file: `openai`.
    pub id: &'static str,
    /// Name for people: `OpenAI`.
    pub name: &'static str,
    /// Where a person makes a new key: a web page, or the way to it.
    pub console: &'static str,
    /// Whether and how its API rotates keys, in a few words.
    pub api: &'static str,
    /// Days after which a value is best replaced; `None` where each value
    /// carries its own expiry.
    pub rotate_days: Option<u16>,
    /// A request without effect that tells whether a value works, for the
    /// user's verify command. `vault` makes none itself.
    pub check: Option<&'static str>,
    /// Names whose values belong to one credential and are rotated together; may be empty.
    pub group: &'static [&'static str],
    variables: &'static [Variable],
    shapes: &'static [Shape],
}

/// An environment variable by which a provider's own tools read its value.
#[derive(Debug)]
struct Variable {
    name: &'static str,
    allows: Allows,
    /// Forms of value it carries; `None` means all those of the provider.
    shapes: Option<&'static [Shape]>,
}

/// What a variable is known to carry besides the forms in the table.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Allows {
    /// Nothing else.
    Nothing,
    /// Further forms of the same issuer.
    OtherForms,
    /// Values of other issuers; also where the variable itself is unconfirmed.
    OtherIssuers,
}

impl Provider {
    /// Returns the usual names of environment variables, the most usual first.
    pub fn variables(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.variables.iter().map(|v| v.name)
    }
}

impl PartialEq for Provider {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Provider {}

/// Returns every provider, in the order in which their values are recognised.
#[must_use]
pub fn all() -> &'static [Provider] {
    catalogue::PROVIDERS
}

/// Finds a provider by its slug: `openai`, `github`, `aws`.
#[must_use]
pub fn by_id(id: &str) -> Option<&'static Provider> {
    all().iter().find(|p| p.id == id)
}

/// Returns the other names of the credential that `name` is part of:
/// `AWS_SECRET_ACCESS_KEY` for `AWS_ACCESS_KEY_ID`. Empty for a name that stands alone.
pub fn partners(name: &str) -> impl Iterator<Item = &'static str> + use<'_> {
    let group = all().iter().map(|p| p.group).find(|group| group.contains(&name)).unwrap_or(&[]);
    group.iter().copied().filter(move |partner| *partner != name)
}

#[cfg(test)]
mod tests;
