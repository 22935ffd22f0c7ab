//! A vault file as text for a diff: everything but values, which show as a hash of what
//! is in the file, so that another value is another line.

use std::fmt::Write;

use crate::crypto::{Hash, SealedValue};
use crate::vault::{
    Action, Exposure, PolicyFields, Removed, Role, RotateEvery, Scope, Secret, Section, Stage, Text, Vault,
};

/// Describes a vault file. Needs no identity and trusts nobody; what does not verify
/// is said to. A file that cannot be read is given as it is.
///
/// The text may hold any letter that a broken file holds: it is for a writer that
/// shows control characters instead of sending them.
#[must_use]
pub fn describe(bytes: &[u8]) -> String {
    match Vault::read(bytes.to_vec(), &[]) {
        Ok(vault) => vault_text(&vault),
        Err(rejected) => format!("not accepted: {rejected}\n\n{}", String::from_utf8_lossy(bytes)),
    }
}

fn vault_text(vault: &Vault) -> String {
    let mut out = format!("vault {}\n\n", vault.id());
    for change in vault.changes() {
        line(&mut out, 0, &format!("team change {}: {}", change.number, describe_change(&change.action)));
        line(&mut out, 1, &format!("by {} at {}", change.by, change.at));
        for rekeyed in &change.rekeyed {
            line(&mut out, 1, &format!("new key for profile {} (epoch {})", rekeyed.profile, rekeyed.epoch));
        }
    }
    let team = vault.team();
    out.push('\n');
    for (member, role) in team.members() {
        line(&mut out, 0, &format!("member {member}: {}", role_text(role)));
        for (name, device) in team.devices().iter().filter(|(_, d)| d.active && d.member == *member) {
            let signs = if device.signing_key.is_some() { "" } else { ", reads only" };
            line(&mut out, 1, &format!("device {name} ({}{signs})", device.recipient));
        }
    }
    if team.recovery().is_some() {
        line(&mut out, 0, "recovery code: set");
    }
    for (name, state) in team.profiles() {
        let extends = list(state.extends.iter().map(ToString::to_string).collect());
        let extends = if extends.is_empty() { String::new() } else { format!(", extends {extends}") };
        line(&mut out, 0, &format!("\nprofile {name} (epoch {}{extends})", state.epoch));
        match vault.section(name) {
            Ok(section) => section_text(&mut out, &section),
            Err(error) => line(&mut out, 1, &format!("not accepted: {error}")),
        }
    }
    out
}

fn section_text(out: &mut String, section: &Section<'_>) {
    let readers = list(section.grant_holders().map(ToString::to_string).collect());
    line(out, 1, &format!("read by {readers}"));
    let signature = section.signature();
    line(out, 1, &format!("signed by {} at {}", signature.by, signature.at));
    policy_text(out, 1, section.policy());
    match section.removed() {
        Ok(removed) => removed.iter().for_each(|(name, removed)| removed_text(out, name.as_str(), removed)),
        Err(rejected) => line(out, 1, &format!("not accepted: {rejected}")),
    }
    for secret in section.secrets() {
        match secret {
            Ok((name, secret)) => secret_text(out, name.as_str(), &secret),
            Err(rejected) => line(out, 1, &format!("not accepted: {rejected}")),
        }
    }
}

fn secret_text(out: &mut String, name: &str, secret: &Secret) {
    line(out, 1, &format!("secret {name}"));
    let least = if secret.age_at_least { " or before" } else { "" };
    let value = short(&secret.value);
    line(out, 2, &format!("version {}: value {value}", secret.version));
    line(out, 2, &format!("set {}{least} by {}", secret.set_at, secret.set_by));
    policy_text(out, 2, &secret.policy);
    fact(out, 2, "expires", secret.expires_at.as_ref());
    fact(out, 2, "provider", secret.provider.as_ref());
    fact(out, 2, "group", secret.group.as_ref());
    fact(out, 2, "note", secret.note.as_ref());
    scope_text(out, &secret.scope);
    exposures(out, 2, &secret.exposed);
    if let Some(pending) = &secret.pending {
        let value = short(&pending.value);
        line(out, 2, &format!("pending version {}: value {value}, set {}", pending.version, pending.set_at));
    }
    for earlier in &secret.earlier {
        let stage = if earlier.stage == Stage::Revoked { ", revoked" } else { "" };
        let value = short(&earlier.value);
        let (version, set_at, retired_at) = (earlier.version, earlier.set_at, earlier.retired_at);
        line(out, 2, &format!("earlier version {version}: value {value}, set {set_at}, retired {retired_at}{stage}"));
        fact(out, 3, "revoke by", earlier.revoke_by.as_ref());
        exposures(out, 3, &earlier.exposed);
    }
}

fn removed_text(out: &mut String, name: &str, removed: &Removed) {
    line(out, 1, &format!("removed secret {name}, still to be revoked at its provider"));
    let (version, at, by) = (removed.version, removed.removed_at, &removed.removed_by);
    line(out, 2, &format!("version {version}, removed {at} by {by}"));
    fact(out, 2, "owner", removed.owner.as_ref());
    fact(out, 2, "provider", removed.provider.as_ref());
    exposures(out, 2, &removed.exposed);
}

fn policy_text(out: &mut String, depth: usize, policy: &PolicyFields) {
    let every = policy.rotate_every.map(|every| match every {
        RotateEvery::Every(span) => span.to_string(),
        RotateEvery::Never => "never".to_owned(),
    });
    fact(out, depth, "rotate every", every.as_ref());
    let warn_at = list(policy.warn_at.iter().map(ToString::to_string).collect());
    fact(out, depth, "warn at", Some(&warn_at).filter(|steps| !steps.is_empty()));
    let on_overdue = policy.on_overdue.map(|answer| format!("{answer:?}").to_ascii_lowercase());
    fact(out, depth, "when overdue", on_overdue.as_ref());
    fact(out, depth, "grace", policy.grace.as_ref());
    fact(out, depth, "keep", policy.keep.as_ref());
    fact(out, depth, "owner", policy.owner.as_ref());
    fact(out, depth, "basis", policy.basis.as_ref());
}

fn scope_text(out: &mut String, scope: &Scope) {
    for (what, texts) in [
        ("permissions", &scope.permissions),
        ("commands", &scope.commands),
        ("hosts", &scope.hosts),
        ("methods", &scope.methods),
        ("paths", &scope.paths),
    ] {
        let texts = list(texts.iter().map(Text::to_string).collect());
        fact(out, 2, what, Some(&texts).filter(|texts| !texts.is_empty()));
    }
    fact(out, 2, "rate", scope.rate.as_ref());
}

fn exposures(out: &mut String, depth: usize, exposed: &[Exposure]) {
    for exposure in exposed {
        let to = exposure.to.as_ref().map(|to| format!(" to {to}")).unwrap_or_default();
        line(out, depth, &format!("exposed{to} since {}: {}", exposure.at, exposure.why));
    }
}

/// A change of the team in words.
#[must_use]
pub fn describe_change(action: &Action) -> String {
    match action {
        Action::Found { member, device, .. } => format!("vault founded by {member} on {}", device.device),
        Action::AddMember { member, device, role } => {
            format!("member {member} added on {}: {}", device.device, role_text(role))
        }
        Action::AddDevice { member, device } => format!("device {} of {member} added", device.device),
        Action::RemoveMember { member } => format!("member {member} removed"),
        Action::RemoveDevice { device } => format!("device {device} removed"),
        Action::SetRole { member, role } => format!("role of {member}: {}", role_text(role)),
        Action::AddProfile { profile, .. } => format!("profile {profile} added"),
        Action::SetProfile { profile, extends } => {
            let extends = list(extends.iter().map(ToString::to_string).collect());
            format!("profile {profile} extends {}", if extends.is_empty() { "nothing" } else { &extends })
        }
        Action::RemoveProfile { profile } => format!("profile {profile} removed"),
        Action::SealIdentity { device, .. } => format!("identity of {device} carried in the vault, sealed"),
        Action::Rekey => "new keys".to_owned(),
        Action::Recovery { set: Some(_) } => "recovery code set".to_owned(),
        Action::Recovery { set: None } => "recovery code taken out".to_owned(),
        Action::Adopt { head, members, devices } => {
            let gone: Vec<String> =
                members.iter().map(ToString::to_string).chain(devices.iter().map(ToString::to_string)).collect();
            let gone = if gone.is_empty() { String::new() } else { format!(", with them {} removed", list(gone)) };
            format!("team changes up to {} merged away{gone}", head.short())
        }
    }
}

fn role_text(role: &Role) -> String {
    if role.admin {
        return "admin".to_owned();
    }
    let of = |word: &str, profiles: &[crate::vault::ProfileName]| {
        profiles.iter().map(|profile| format!("{word} {profile}")).collect::<Vec<_>>()
    };
    let all = list([of("write", &role.write), of("read", &role.read)].concat());
    if all.is_empty() { "no profile".to_owned() } else { all }
}

/// What stands for a value: a hash of its sealed bytes, which are in the file.
fn short(value: &SealedValue) -> String {
    Hash::of(value.as_bytes()).short()
}

fn fact(out: &mut String, depth: usize, what: &str, value: Option<&impl std::fmt::Display>) {
    if let Some(value) = value {
        line(out, depth, &format!("{what}: {value}"));
    }
}

fn line(out: &mut String, depth: usize, text: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{:indent$}{text}", "", indent = depth * 2);
}

fn list(texts: Vec<String>) -> String {
    texts.join(", ")
}
