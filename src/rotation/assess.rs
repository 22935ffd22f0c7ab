//! From what the file says of a secret to its state.

use crate::clock::Span;
use crate::provider;
use crate::vault::{PolicyFields, RotateEvery, Secret};

use super::{Facts, Honest, Interval, Policy, State, Status, ahead, status};

/// The state of a secret: by its own policy, then the profile's, then its provider's.
///
/// A value that was set more than a day ahead of this machine's clock has no age that
/// could be trusted: one of the two clocks is wrong. It is due, never fresh.
#[must_use]
pub fn assess(secret: &Secret, profile: &PolicyFields, time: Honest) -> (Policy, Status) {
    let policy = policy_of(secret, profile);
    let facts = Facts {
        value_set_at: secret.set_at,
        at_least: secret.age_at_least,
        expires_at: secret.expires_at,
        exposed: !secret.exposed.is_empty(),
    };
    let mut status = status(&policy, &facts, time.now);
    if status.state == State::Fresh && ahead(secret.set_at, time.clock) {
        status.state = State::Due;
    }
    (policy, status)
}

fn policy_of(secret: &Secret, profile: &PolicyFields) -> Policy {
    let days = secret.provider.as_ref().and_then(|name| provider::by_id(name.as_str())).and_then(|p| p.rotate_days);
    let own = from_fields(&secret.policy).or(&from_fields(profile));
    match days {
        Some(days) => own.or(&Policy::every(Span::days(days.into()))),
        None => own,
    }
}

fn from_fields(fields: &PolicyFields) -> Policy {
    Policy {
        rotate_every: match fields.rotate_every {
            None => Interval::Unset,
            Some(RotateEvery::Never) => Interval::Never,
            Some(RotateEvery::Every(span)) => Interval::Every(span),
        },
        basis: fields.basis.as_ref().map(|text| text.as_str().to_owned()),
        warn_at: (!fields.warn_at.is_empty()).then(|| fields.warn_at.clone()),
        on_overdue: fields.on_overdue,
        grace: fields.grace,
        keep: fields.keep,
        owner: fields.owner.as_ref().map(|text| text.as_str().to_owned()),
    }
}
