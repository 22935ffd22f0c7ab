//! A profile as it is used: its own secrets and those it takes from its parents
//! (`docs/format.md`, section 8).

use super::error::Rejected;
use super::name::SecretName;
use super::profile::Section;
use super::secret::Secret;

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
        self.entries().into_iter().map(|(name, section, _)| (name, section)).collect()
    }

    /// Reads every secret in effect, in byte order of names, with the position of the
    /// section it is taken from.
    pub fn secrets(&self) -> impl ExactSizeIterator<Item = Result<(SecretName, usize, Secret), Rejected>> {
        self.entries().into_iter().map(|(name, section, text)| {
            let (name, secret) = self.0[section].read_entry((name, text))?;
            Ok((name, section, secret))
        })
    }

    /// Name, section and text of every secret in effect.
    fn entries(&self) -> Vec<(&'a str, usize, &'a str)> {
        let sections = self.0.iter().enumerate();
        let mut entries: Vec<(&str, usize, &str)> = sections
            .flat_map(|(n, section)| section.entries().iter().map(move |(name, text)| (*name, n, *text)))
            .collect();
        // Sorted by name, then by order of look-up: the first of equal names is the one in effect.
        if self.0.len() > 1 {
            entries.sort_unstable_by_key(|(name, section, _)| (*name, *section));
            entries.dedup_by(|later, first| later.0 == first.0);
        }
        entries
    }
}
