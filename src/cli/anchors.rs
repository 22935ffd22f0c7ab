//! Records of the audit log that the signatures of profiles name.

use vault::audit::{Anchor, Begun, Head};
use vault::{DeviceName, Section};

use super::ui::Ui;

/// The record of its writer that a profile's signature names.
pub(crate) fn in_section(section: &Section<'_>) -> Option<Anchor> {
    let head = section.signature().audit?;
    let head = Head { sequence: head.sequence, hash: head.hash };
    Some(Anchor { head, place: format!("profile {}", section.name()) })
}

/// The latest record of this device that one of them names.
pub(crate) fn of_device(sections: &[Section<'_>], device: &DeviceName) -> Option<Anchor> {
    let own = sections.iter().filter(|section| section.signature().by == *device);
    own.filter_map(in_section).max_by_key(|anchor| anchor.head.sequence)
}

/// One line where a log was begun again of itself; its first record says the same.
pub(super) fn warn(ui: &mut Ui, begun: Option<Begun>) {
    match begun {
        Some(Begun::Copied) => ui.warn(
            "the audit log of this device was copied from another machine: a new one was begun; \
             give this machine a device of its own with `vault join`",
        ),
        Some(Begun::Behind(head)) => ui.warn(&format!(
            "the audit log of this device ends before record {}, which the vault file names: it was restored from \
             a backup, or cut; a new one was begun, see `vault audit verify`",
            head.sequence
        )),
        None => {}
    }
}
