//! Three-way merge of metadata, field by field.

use super::super::secret::{Exposure, PolicyFields, Scope, Secret};
use super::super::text::MAX_ARRAY;
use super::Side;

/// Fields that both sides changed to something else, and whom to prefer in them.
pub(super) struct Fields {
    pub(super) prefer: Option<Side>,
    pub(super) clashes: Vec<&'static str>,
}

impl Fields {
    pub(super) fn new(prefer: Option<Side>) -> Self {
        Self { prefer, clashes: Vec::new() }
    }

    /// The field of the side that changed it. Where both did, of the preferred side.
    pub(super) fn pick<T: Clone + PartialEq>(
        &mut self,
        name: &'static str,
        base: Option<&T>,
        ours: &T,
        theirs: &T,
    ) -> T {
        if ours == theirs || base == Some(theirs) {
            return ours.clone();
        }
        if base == Some(ours) {
            return theirs.clone();
        }
        if self.prefer.is_none() {
            self.clashes.push(name);
        }
        if self.prefer == Some(Side::Theirs) { theirs.clone() } else { ours.clone() }
    }

    pub(super) fn policy(
        &mut self,
        base: Option<&PolicyFields>,
        ours: &PolicyFields,
        theirs: &PolicyFields,
    ) -> PolicyFields {
        macro_rules! fields {
            ($($field:ident),*) => {
                PolicyFields { $($field: self.pick(
                    stringify!($field), base.map(|base| &base.$field), &ours.$field, &theirs.$field,
                )),* }
            };
        }
        fields!(rotate_every, warn_at, on_overdue, grace, keep, owner, basis)
    }

    fn scope(&mut self, base: Option<&Scope>, ours: &Scope, theirs: &Scope) -> Scope {
        macro_rules! fields {
            ($($field:ident),*) => {
                Scope { $($field: self.pick(
                    concat!("scope ", stringify!($field)),
                    base.map(|base| &base.$field), &ours.$field, &theirs.$field,
                )),* }
            };
        }
        fields!(permissions, commands, hosts, methods, paths, rate)
    }

    /// Everything about a secret that belongs to no value of it, into `merged`.
    pub(super) fn metadata(&mut self, base: Option<&Secret>, ours: &Secret, theirs: &Secret, merged: &mut Secret) {
        merged.policy = self.policy(base.map(|base| &base.policy), &ours.policy, &theirs.policy);
        merged.provider = self.pick("provider", base.map(|base| &base.provider), &ours.provider, &theirs.provider);
        merged.group = self.pick("group", base.map(|base| &base.group), &ours.group, &theirs.group);
        merged.note = self.pick("note", base.map(|base| &base.note), &ours.note, &theirs.note);
        merged.scope = self.scope(base.map(|base| &base.scope), &ours.scope, &theirs.scope);
    }
}

/// Both lists, oldest first. A list that is too long keeps the oldest: they say enough.
pub(super) fn unite(ours: &[Exposure], theirs: &[Exposure]) -> Vec<Exposure> {
    let mut all = ours.to_vec();
    all.extend(theirs.iter().filter(|exposure| !ours.contains(exposure)).cloned());
    all.sort_by_key(|exposure| exposure.at);
    all.truncate(MAX_ARRAY);
    all
}
