//! Team changes without their signatures, parted by empty lines: each is signed by whom it names, so that the rules
//! behind the signatures are reached.

use vault::crypto::{Hash, PublicKey, length_prefixed};
use vault::{Kind, Vault};

use super::keys::{field, key_of};

pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (mut id, mut previous, mut file) = (None, Hash::ZERO, String::new());
    // The hash of each change, and how long the text is with it.
    let mut ends = vec![];
    for table in text.split("\n\n") {
        let table = format!("{}\n", table.trim_end_matches('\n'));
        // Whoever is not known signs with the key that stands in the change itself, as a founder does.
        let by = field(&table, "by").unwrap_or_default();
        let signed = |tables: &str| {
            let device = tables.split("\n\n").filter(|table| field(table, "device") == Some(by)).last()?;
            key_of(&field(device, "signing_key")?.parse::<PublicKey>().ok()?)
        };
        let message = length_prefixed(&[b"vault/v1/team", previous.as_bytes(), table.as_bytes()]);
        id.get_or_insert_with(|| Hash::of(&message));
        let key = signed(&file).or_else(|| signed(&table));
        let signature = key.map_or(vault_signature(), |key| key.sign(&message));
        let change = format!("{table}signature = \"{signature}\"\n");
        previous = Hash::of(&length_prefixed(&[b"vault/v1/change", previous.as_bytes(), change.as_bytes()]));
        file += &format!("\n{change}");
        ends.push((previous, file.len()));
    }
    let Some(id) = id else { return };
    let head = format!(
        "# Encrypted by vault. Safe to commit. Change it with `vault`, not by hand.\nvault = 1\nid = \"{id}\"\n"
    );
    let read = |end: usize, verified: &[Hash]| Vault::read(format!("{head}{}", &file[..end]).into_bytes(), verified);
    match read(file.len(), &[]) {
        Ok(vault) => super::file::visit(&vault),
        // A team with profiles: its changes were all accepted, and what misses is the sections.
        Err(rejected) if rejected.kind == Kind::Profiles => {}
        Err(rejected) => {
            // What was accepted before it counts as verified, and changes nothing.
            let is_team = |end: usize| read(end, &[]).err().is_none_or(|rejected| rejected.kind == Kind::Profiles);
            let good = ends.iter().take_while(|(_, end)| is_team(*end)).map(|(hash, _)| *hash);
            let again = read(file.len(), &good.collect::<Vec<_>>()).err().map(|again| again.kind);
            assert_eq!(again, Some(rejected.kind), "the same file, the same reason");
        }
    }
}

fn vault_signature() -> vault::crypto::Signature {
    [0; 64].into()
}
