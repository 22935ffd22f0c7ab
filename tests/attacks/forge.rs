//! An attacker's tools: vault files taken apart, changed, and signed with whatever key is at hand.

use std::collections::BTreeMap;

use vault::crypto::{Hash, SigningKey, length_prefixed};

/// A vault file as its head (up to the `id` line) and its sections' texts.
#[derive(Clone)]
pub(crate) struct Forgery {
    head: String,
    pub(crate) sections: Vec<String>,
}

impl Forgery {
    pub(crate) fn of(text: &str) -> Self {
        let mut parts = text.split("\n\n");
        let head = format!("{}\n", parts.next().unwrap());
        let sections = parts.map(|part| format!("{}\n", part.trim_end_matches('\n'))).collect();
        Self { head, sections }
    }

    pub(crate) fn text(&self) -> String {
        self.sections.iter().fold(self.head.clone(), |text, section| text + "\n" + section)
    }

    pub(crate) fn id(&self) -> Hash {
        self.head.split('"').nth(1).unwrap().parse().unwrap()
    }

    fn changes(&self) -> usize {
        self.sections.iter().take_while(|section| section.starts_with("[[team]]")).count()
    }

    /// Hash of the last team change.
    pub(crate) fn team_head(&self) -> Hash {
        self.sections[..self.changes()].iter().fold(Hash::ZERO, |previous, text| {
            Hash::of(&length_prefixed(&[b"vault/v1/change", previous.as_bytes(), text.as_bytes()]))
        })
    }

    pub(crate) fn profile(&mut self, name: &str) -> &mut String {
        let header = format!("[profile.{name}]\n");
        self.sections.iter_mut().find(|section| section.starts_with(&header)).unwrap()
    }

    /// Replaces text in a profile; it must be there.
    pub(crate) fn edit(&mut self, profile: &str, from: &str, to: &str) -> &mut Self {
        let section = self.profile(profile);
        assert!(section.contains(from), "{from} is not in {profile}");
        *section = section.replacen(from, to, 1);
        self
    }

    /// Signs a profile as `by`, with the next count of that device and under the current team log.
    pub(crate) fn sign(&mut self, profile: &str, by: &str, key: &SigningKey) -> &mut Self {
        let (id, team) = (self.id(), self.team_head());
        let section = self.profile(profile);
        let at = section.find(&format!("[profile.{profile}.signature]")).unwrap();
        let clock = section[at..].lines().find_map(|line| line.strip_prefix("clock = { ")).unwrap();
        let counts = clock.trim_end_matches(" }").split(", ").map(|entry| entry.split_once(" = ").unwrap());
        let mut counts: BTreeMap<String, u64> =
            counts.map(|(device, count)| (device.to_owned(), count.parse().unwrap())).collect();
        let count = counts.entry(by.to_owned()).or_insert(0);
        // The format's bound, where one of the vectors stands.
        *count = (*count + 1).min(1 << 48);
        let counts: Vec<String> = counts.iter().map(|(device, count)| format!("{device} = {count}")).collect();
        section.truncate(at);
        *section += &format!(
            "[profile.{profile}.signature]\nteam = \"{team}\"\nby = \"{by}\"\nat = 2026-03-21T12:00:00Z\n\
             clock = {{ {} }}\n",
            counts.join(", ")
        );
        let digest = Hash::of(section.as_bytes());
        let signature = key.sign(&length_prefixed(&[b"vault/v1/profile", id.as_bytes(), digest.as_bytes()]));
        *section += &format!("signature = \"{signature}\"\n");
        self
    }

    /// Appends a team change: its fields from `at` on, signed with `key`.
    pub(crate) fn append(&mut self, fields: &str, key: &SigningKey) -> &mut Self {
        let (number, previous) = (self.changes(), self.team_head());
        let mut text = format!("[[team]]\nchange = {}\n{fields}", number + 1);
        let signature = key.sign(&length_prefixed(&[b"vault/v1/team", previous.as_bytes(), text.as_bytes()]));
        text += &format!("signature = \"{signature}\"\n");
        self.sections.insert(number, text);
        self
    }
}

/// The text between two quotes behind `field = ` in a section, from `from` on.
pub(crate) fn field(section: &str, from: &str, field: &str) -> String {
    let rest = &section[section.find(from).unwrap()..];
    let rest = &rest[rest.find(&format!("\n{field} = \"")).unwrap()..];
    rest.split('"').nth(1).unwrap().to_owned()
}
