//! Everything that somebody may have to do: a value to replace, an old one to
//! revoke, a removed one that leaked. All renderers and reminders start from here.

use crate::clock::{Span, Timestamp};
use crate::crypto::Hash;
use crate::provider::{self, Provider};
use crate::vault::{Earlier, Exposure, PolicyFields, Rejected, Removed, Scope, Secret, SecretName, Section, Stage};

use super::{Calendar, Days, Facts, Honest, Interval, Line, Policy, State, assess, by_urgency, status};

/// What there is to do about a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// Replace the current value.
    Rotate,
    /// Revoke an earlier value at its provider; it was replaced and may still work there.
    Revoke,
    /// Revoke a value whose secret was removed while it was exposed.
    Removed,
}

/// A task with all that is known about it without opening a value.
#[derive(Debug, Clone)]
pub struct Item {
    /// Where it is, its state, age and due date.
    pub line: Line,
    /// What there is to do.
    pub task: Task,
    /// Version of the value that it is about.
    pub version: u64,
    /// When that value came into being; unknown of removed ones.
    pub set_at: Option<Timestamp>,
    /// Interval of the policy.
    pub rotate_every: Interval,
    /// Why that interval was chosen.
    pub basis: Option<String>,
    /// Warning steps of the policy that fit its life, longest first: from the first on it is due.
    pub steps: Vec<Span>,
    /// When the provider ends the value.
    pub expires_at: Option<Timestamp>,
    /// Slug of the provider, known to the catalogue or not.
    pub provider: Option<String>,
    /// Who sees to it.
    pub owner: Option<String>,
    /// Known leaks of this value.
    pub exposed: Vec<Exposure>,
    /// What the value may be used for.
    pub scope: Scope,
    /// Since when a new value has been waiting to be promoted: a rotation that was not finished.
    pub pending_since: Option<Timestamp>,
}

/// The due list of some profiles, most urgent first.
///
/// # Errors
/// [`Rejected`] if a secret's text is not canonical.
pub fn items<'a>(sections: impl IntoIterator<Item = &'a Section<'a>>, time: Honest) -> Result<Vec<Item>, Rejected> {
    let mut items = Vec::new();
    for section in sections {
        let profile = section.name().as_str();
        for secret in section.secrets() {
            let (name, secret) = secret?;
            let policy = section.policy();
            items.extend(
                secret.earlier.iter().filter_map(|old| Item::revoke(profile, &name, &secret, policy, old, time)),
            );
            items.push(Item::rotate(profile, &name, secret, policy, time));
        }
        items.extend(section.removed()?.into_iter().map(|(name, removed)| Item::removed(profile, &name, removed)));
    }
    items.sort_by(|a, b| by_urgency(&a.line, &b.line).then_with(|| (a.task, a.version).cmp(&(b.task, b.version))));
    Ok(items)
}

impl Item {
    /// The current value of a secret, whatever its state.
    #[must_use]
    pub fn rotate(profile: &str, name: &SecretName, secret: Secret, fields: &PolicyFields, time: Honest) -> Self {
        let (policy, status) = assess(&secret, fields, time);
        // As `status` has it: of an imported value that expires, the true life is unknown.
        let known = |due: &Timestamp| !(secret.age_at_least && secret.expires_at == Some(*due));
        let life = status.due_at.filter(known).map(|due| Span::from_seconds(due.since(secret.set_at)));
        Self {
            line: Line::new(profile, name.as_str(), &status),
            task: Task::Rotate,
            version: secret.version,
            set_at: Some(secret.set_at),
            steps: longest_first(policy.steps(life)),
            rotate_every: policy.rotate_every,
            basis: policy.basis,
            expires_at: secret.expires_at,
            provider: secret.provider.map(|provider| provider.to_string()),
            owner: policy.owner,
            exposed: secret.exposed,
            scope: secret.scope,
            pending_since: secret.pending.map(|pending| pending.set_at),
        }
    }

    /// An earlier value that has a date by which to revoke it, and was not.
    /// The time from being replaced to that date is treated as an interval of its own.
    fn revoke(
        profile: &str,
        name: &SecretName,
        secret: &Secret,
        fields: &PolicyFields,
        old: &Earlier,
        time: Honest,
    ) -> Option<Self> {
        let by = old.revoke_by.filter(|_| old.stage == Stage::Previous)?;
        let grace = Span::from_seconds(by.since(old.retired_at));
        let policy = Policy::every(grace);
        let exposed = !old.exposed.is_empty();
        let facts = Facts { value_set_at: old.retired_at, at_least: false, expires_at: None, exposed };
        let status = status(&policy, &facts, time.now);
        let (own, _) = assess(secret, fields, time);
        Some(Self {
            line: Line {
                age_seconds: time.now.since(old.set_at),
                at_least: old.age_at_least,
                ..Line::new(profile, name.as_str(), &status)
            },
            task: Task::Revoke,
            version: old.version,
            set_at: Some(old.set_at),
            steps: longest_first(policy.steps(Some(grace))),
            rotate_every: Interval::Unset,
            basis: None,
            expires_at: None,
            provider: secret.provider.as_ref().map(ToString::to_string),
            owner: own.owner,
            exposed: old.exposed.clone(),
            scope: Scope::default(),
            pending_since: None,
        })
    }

    fn removed(profile: &str, name: &SecretName, removed: Removed) -> Self {
        Self {
            line: Line {
                profile: profile.to_owned(),
                name: name.to_string(),
                state: State::Exposed,
                age_seconds: 0,
                at_least: true,
                due_at: None,
                life_used: None,
                step: None,
            },
            task: Task::Removed,
            version: removed.version,
            set_at: None,
            rotate_every: Interval::Unset,
            basis: None,
            steps: Vec::new(),
            expires_at: None,
            provider: removed.provider.map(|provider| provider.to_string()),
            owner: removed.owner.map(|owner| owner.to_string()),
            exposed: removed.exposed,
            scope: Scope::default(),
            pending_since: None,
        }
    }

    /// What the catalogue knows about the provider.
    #[must_use]
    pub fn known_provider(&self) -> Option<&'static Provider> {
        provider::by_id(self.provider.as_deref()?)
    }

    /// Where its provider's keys are rotated by hand.
    #[must_use]
    pub fn console(&self) -> Option<&'static str> {
        self.known_provider().map(|provider| provider.console).filter(|page| !page.is_empty())
    }

    /// True if it is due, overdue or exposed at `now`, or becomes due within `span`.
    #[must_use]
    pub fn within(&self, span: Span, now: Timestamp) -> bool {
        self.line.state <= State::Overdue || self.line.due_at.is_some_and(|due| due.since(now) <= span.seconds())
    }

    /// What there is to do, in a sentence that names no reason from the file.
    #[must_use]
    pub fn sentence(&self, now: Timestamp, calendar: Calendar) -> String {
        let Line { name, profile, .. } = &self.line;
        let date = |at: Option<Timestamp>| at.map(|at| format!(" {}", calendar(at))).unwrap_or_default();
        let due = self.line.due_at;
        match (self.task, self.line.state) {
            (Task::Removed, _) => format!("{name} of profile {profile} was removed while exposed; revoke its value"),
            (Task::Revoke, State::Exposed) => {
                format!("the previous value of {name} in profile {profile} is exposed; revoke it now")
            }
            (Task::Revoke, State::Overdue) => {
                format!("the previous value of {name} in profile {profile} was to be revoked by{}", date(due))
            }
            (Task::Revoke, _) => format!("revoke the previous value of {name} in profile {profile} by{}", date(due)),
            (_, State::Expired) => format!("{name} in profile {profile} expired on{}", date(self.expires_at)),
            (_, State::Exposed) => format!("{name} in profile {profile} is exposed; rotate it now"),
            (_, State::Overdue) => {
                let late = due.map(|due| format!(" ({})", Days::from(now, calendar).late(due))).unwrap_or_default();
                format!("{name} in profile {profile} is overdue for rotation since{}{late}", date(due))
            }
            (_, State::Due) => format!("{name} in profile {profile} is due for rotation on{}", date(due)),
            (_, State::Fresh) => format!("{name} in profile {profile} is not due before{}", date(due)),
            (_, State::Unmanaged) => format!("{name} in profile {profile} has no rotation policy"),
        }
    }

    /// Puts made-up names for the secret and its profile, and leaves out what else
    /// could name them: owner, reasons, scope. The same secret always gets the same
    /// names, which only somebody who knows the vault's id can find again.
    pub fn alias(&mut self, id: &Hash) {
        let made_up = |kind: &str, parts: &[&str]| {
            let mut all: Vec<&[u8]> = vec![b"vault/v1/alias", id.as_bytes()];
            all.extend(parts.iter().map(|part| part.as_bytes()));
            format!("{kind}-{}", &Hash::of_parts(&all).to_string()[..8])
        };
        let profile = made_up("profile", &[&self.line.profile]);
        self.line.name = made_up("secret", &[&self.line.profile, &self.line.name]);
        self.line.profile = profile;
        self.owner = None;
        self.basis = None;
        self.exposed.clear();
        self.scope = Scope::default();
    }
}

fn longest_first(steps: impl Iterator<Item = Span>) -> Vec<Span> {
    let mut steps: Vec<Span> = steps.collect();
    steps.sort_unstable_by(|a, b| b.cmp(a));
    steps
}

#[cfg(test)]
mod tests;
