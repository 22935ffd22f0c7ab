//! Teammates for tests: what an admin's `add_member` writes, made here from the
//! description of the format (`docs/format.md`, sections 3 and 4).

use vault::crypto::{Hash, IdentityKey, length_prefixed, to_base64};
use vault::{DeviceName, ProfileName, Vault};

use crate::harness::{World, read, write_private};

/// A member who may do everything.
pub(crate) const ADMIN: &str = "admin = true\n";

/// Adds a member `user` with device `user-laptop` and a role, in lines of the file, to the
/// vault that alice founded. Gives the new member, at a clone of the result.
pub(crate) fn add_member(alice: &World, user: &str, role: &str) -> World {
    let founder = IdentityKey::parse(
        String::from_utf8(read(&alice.identity_file()))
            .unwrap()
            .lines()
            .find(|line| line.starts_with("AGE-SECRET-KEY-1"))
            .unwrap(),
    )
    .unwrap();
    let identity = IdentityKey::generate().unwrap();
    let (by, device): (DeviceName, DeviceName) =
        ("alice-laptop".parse().unwrap(), format!("{user}-laptop").parse().unwrap());
    let key = founder.signing_key();
    let vault = Vault::read(alice.bytes(), &[]).unwrap();
    let id = vault.id();

    let previous = vault.team().head();
    let mut change = format!(
        "[[team]]\nchange = {}\nat = 2026-01-01T00:00:00Z\nby = \"{by}\"\ndo = \"add_member\"\nmember = \"{user}\"\n\
         device = \"{device}\"\nrecipient = \"{}\"\nsigning_key = \"{}\"\n{role}",
        vault.team().next_number(),
        identity.recipient(),
        identity.signing_key().public(),
    );
    let signature = key.sign(&length_prefixed(&[b"vault/v1/team", previous.as_bytes(), change.as_bytes()]));
    change += &format!("signature = \"{signature}\"\n");
    let head = Hash::of_parts(&[b"vault/v1/change", previous.as_bytes(), change.as_bytes()]);

    let text = alice.text();
    let (team, profiles) = text.split_once("\n\n[profile.").unwrap();
    let mut out = format!("{team}\n\n{change}");
    for section in profiles.split("\n\n[profile.") {
        let section = format!("[profile.{}\n", section.trim_end());
        let name: ProfileName = section[9..].split_once(']').unwrap().0.parse().unwrap();
        let reads = role.contains("admin") || role.contains(&format!("\"{name}\""));
        let (data_key, _) = vault.section(&name).unwrap().unlock(&id, vault.team(), &by, &founder).unwrap();
        let grant = to_base64(data_key.wrap(&identity.recipient()).unwrap().as_bytes());
        let mut body = String::new();
        for line in section.lines() {
            match line.split_once(" = ") {
                Some(("signature", _)) => continue,
                Some(("team", _)) => body += &format!("team = \"{head}\"\n"),
                Some(("clock", counts)) => body += &format!("clock = {}\n", one_more(counts, &by)),
                _ => body += &format!("{line}\n"),
            }
            // Names stand in order, and `alice-laptop` stands first.
            if reads && line.starts_with("alice-laptop = ") {
                body += &format!("{device} = \"{grant}\"\n");
            }
        }
        let digest = Hash::of(body.as_bytes());
        let signature = key.sign(&length_prefixed(&[b"vault/v1/profile", id.as_bytes(), digest.as_bytes()]));
        out += &format!("\n{body}signature = \"{signature}\"\n");
    }
    Vault::read(out.clone().into_bytes(), &[]).expect("what is made here is a vault");
    alice.put(out);

    let world = alice.clone_for(user);
    let secret = identity.to_text();
    world.forbid(&secret.reveal()[16..]);
    write_private(&world.identity_file(), secret.reveal());
    world
}

/// A version vector with one more write of a device.
fn one_more(counts: &str, by: &DeviceName) -> String {
    let counts = counts.trim_matches(['{', '}', ' ']).split(", ").map(|count| {
        let (device, count) = count.split_once(" = ").unwrap();
        let more = u64::from(device == by.as_str());
        format!("{device} = {}", count.parse::<u64>().unwrap() + more)
    });
    format!("{{ {} }}", counts.collect::<Vec<_>>().join(", "))
}
