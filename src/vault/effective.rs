//! A profile as it is used: its own secrets and those it takes from its parents
//! (`docs/format.md`, section 8).

use super::name::SecretName;
use super::profile::Section;

/// The sections of a profile and its ancestors, in the order in which a name is looked up.
pub struct Effective<'a>(Vec<Section<'a>>);

impl<'a> Effective<'a> {
    /// Of verified sections in the order of [`super::Vault::lineage`].
    #[must_use]
    pub fn new(sections: Vec<Section<'a>>) -> Self {
        Self(sections)
    }

    /// The sections.
    #[must_use]
    pub fn sections(&self) -> &[Section<'a>] {
        &self.0
    }

    /// The section that a name is taken from, by its position.
    #[must_use]
    pub fn find(&self, name: &SecretName) -> Option<usize> {
        self.0.iter().position(|section| section.contains(name))
    }

    /// Every name in byte order, with the position of the section it is taken from.
    #[must_use]
    pub fn names(&self) -> Vec<(&'a str, usize)> {
        let mut names: Vec<(&str, usize)> =
            self.0.iter().enumerate().flat_map(|(n, section)| section.names().map(move |name| (name, n))).collect();
        // Sorted by name, then by order of look-up: the first of equal names is the one in effect.
        if self.0.len() > 1 {
            names.sort_unstable();
            names.dedup_by(|later, first| later.0 == first.0);
        }
        names
    }
}
