//! What a person is told about a conflict: names, authors, dates, versions, never values.

use vault::git::describe_change;
use vault::merge::{Conflict, Item, MergeError, Side, Why};
use vault::team::Adopted;
use vault::{Action, Change};

use crate::cli::ui::Ui;

/// The name that `vault git resolve` takes for an item. No secret's name begins with `@`.
pub(super) fn item_name(item: &Item) -> String {
    match item {
        Item::Secret(name) => name.to_string(),
        Item::Policy => "@policy".to_owned(),
        Item::Profile => "@profile".to_owned(),
    }
}

pub(super) fn show(ui: &mut Ui, conflicts: &[Conflict]) {
    for conflict in conflicts {
        let name = item_name(&conflict.item);
        ui.error(&format!("conflict: {name} in profile {}: {}", conflict.profile, why(&conflict.why)));
        let about_secret = matches!(conflict.item, Item::Secret(_));
        for (side, facts, signed) in [
            (Side::Ours, &conflict.ours, &conflict.ours_signed),
            (Side::Theirs, &conflict.theirs, &conflict.theirs_signed),
        ] {
            let signed = signed.as_ref().map(|(by, at)| format!("signed by {by} at {at}"));
            let facts = match facts {
                Some(facts) => Some(format!("version {}, set {} by {}", facts.version, facts.set_at, facts.set_by)),
                None => about_secret.then(|| "not there".to_owned()),
            };
            let parts: Vec<String> = facts.into_iter().chain(signed).collect();
            if !parts.is_empty() {
                ui.note(&format!("  {:<7} {}", format!("{side}:"), parts.join("; ")));
            }
        }
        if let Some(by) = &conflict.doubted {
            ui.note(&format!(
                "  before: signed by {by}, who may not write it any more, so nobody says who changed it since"
            ));
        }
    }
}

pub(super) fn hint(ui: &mut Ui, conflicts: &[Conflict]) {
    if let Some(first) = conflicts.first() {
        let (name, profile) = (item_name(&first.item), &first.profile);
        ui.hint(&format!(
            "settle each with `vault git resolve {name} -p {profile} --ours`, `--theirs`, or `-` for another value"
        ));
    }
}

/// The changes of the team on both sides, where both moved.
pub(super) fn show_team(ui: &mut Ui, error: &MergeError) {
    let MergeError::Team { ours, theirs } = error else { return };
    for (side, changes) in [(Side::Ours, ours), (Side::Theirs, theirs)] {
        for Change { number, action, by, at, .. } in changes {
            let what = describe_change(action);
            ui.note(&format!("  {:<7} team change {number}: {what}; by {by} at {at}", format!("{side}:")));
        }
    }
}

/// What became of the team log that was not kept.
pub(super) fn show_adopted(ui: &mut Ui, side: Side, adopted: &Adopted) {
    // That a head was adopted says nothing to a person, unless somebody left with it.
    let is_bare = |action: &Action| matches!(action, Action::Adopt { members, devices, .. } if members.is_empty() && devices.is_empty());
    let made: Vec<&Action> = adopted.made.iter().filter(|action| !is_bare(action)).collect();
    let other = side.other();
    if made.is_empty() {
        ui.note(&format!("team: kept {side}; nothing of {other} had to be made again"));
    } else {
        ui.note(&format!("team: kept {side}; made again of {other}:"));
    }
    for action in &made {
        ui.note(&format!("  {}", describe_change(action)));
    }
    let somebody_left = made.iter().any(|action| matches!(action, Action::Adopt { .. }));
    for (action, why) in &adopted.left {
        ui.warn(&format!("not made again: {} ({why})", describe_change(action)));
    }
    if somebody_left {
        ui.note("what they could read is marked as exposed; `vault rotation` lists it");
    }
}

fn why(why: &Why) -> String {
    match why {
        Why::Values => "another value on each side".to_owned(),
        Why::Fields(fields) => format!("changed to something else on each side: {}", fields.join(", ")),
        Why::Removed(side) => format!("removed on one side ({side}), changed on the other"),
        Why::FormerSigner(side, by) => {
            format!("changed on one side ({side}) by {by}, who may not write it any more")
        }
        Why::Older(side) => format!("{side} is older than what both come from: a revert, or removed and set again"),
        Why::ProfileLeft(side) => format!("the profile was removed on one side ({side}), changed on the other"),
        _ => "changed on both sides".to_owned(),
    }
}
