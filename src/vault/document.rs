//! Text into sections and back (`docs/format.md`, section 2). Sections are found by
//! their empty lines; nothing inside them is read here.

use std::ops::Range;

use crate::crypto::Hash;

use super::error::{Kind, Rejected};
use super::name::ProfileName;
use super::text::MAX_LINE;

/// Largest vault file, in bytes.
pub const MAX_FILE: u64 = 64 << 20;

const FIRST_LINE: &str = "# Encrypted by vault. Safe to commit. Change it with `vault`, not by hand.";
const MAX_CHANGES: usize = 65_536;
const MAX_PROFILES: usize = 1_024;

/// A vault file, taken apart.
pub(crate) struct Document {
    text: String,
    id: Hash,
    changes: Vec<Range<usize>>,
    profiles: Vec<(ProfileName, Range<usize>)>,
}

impl Document {
    /// Finds the sections of `bytes`.
    pub(crate) fn parse(bytes: Vec<u8>) -> Result<Self, Rejected> {
        if bytes.len() as u64 > MAX_FILE {
            return Err(Rejected::new(Kind::Bounds));
        }
        if !bytes.starts_with(FIRST_LINE.as_bytes()) {
            return Err(diagnose(&bytes, Rejected::new(Kind::NotAVault)));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let good = error.utf8_error().valid_up_to();
            diagnose(error.as_bytes(), at_offset(Kind::Layout, &error.as_bytes()[..good]))
        })?;
        Self::split(&text)
            .map(|(id, changes, profiles)| Self { id, changes, profiles, text: String::new() })
            .map_err(|rejected| diagnose(text.as_bytes(), rejected))
            .map(|document| Self { text, ..document })
    }

    /// Sections of a file, one behind the other, each with its name and length in bytes, in
    /// order of names. `None` where the text does not split so.
    pub(super) fn of_sections<'p>(
        id: Hash,
        text: String,
        sections: impl Iterator<Item = (&'p ProfileName, usize)>,
    ) -> Option<Self> {
        let (mut profiles, mut end) = (Vec::<(ProfileName, Range<usize>)>::new(), 0);
        for (name, length) in sections {
            let start = end;
            end += length;
            if !text.is_char_boundary(end) || profiles.last().is_some_and(|(last, _)| last >= name) {
                return None;
            }
            profiles.push((name.clone(), start..end));
        }
        (end == text.len()).then_some(Self { text, id, changes: Vec::new(), profiles })
    }

    #[expect(clippy::type_complexity, reason = "the three parts of the struct, before the text moves in")]
    fn split(text: &str) -> Result<(Hash, Vec<Range<usize>>, Vec<(ProfileName, Range<usize>)>), Rejected> {
        let layout = |offset: usize| at_offset(Kind::Layout, &text.as_bytes()[..offset.min(text.len())]);
        let rest = text.strip_prefix(FIRST_LINE).and_then(|rest| rest.strip_prefix("\nvault = "));
        let rest = rest.ok_or_else(|| Rejected::new(Kind::NotAVault))?;
        let (version, rest) = rest.split_once('\n').ok_or_else(|| Rejected::new(Kind::NotAVault))?;
        let is_number = version.bytes().all(|b| b.is_ascii_digit()) && !version.starts_with('0') && !version.is_empty();
        match version {
            "1" => {}
            _ if is_number => return Err(Rejected::new(Kind::TooNew)),
            _ => return Err(Rejected::new(Kind::NotAVault)),
        }
        let mut offset = text.len() - rest.len();
        let id = rest
            .strip_prefix("id = \"")
            .and_then(|rest| rest.get(..52).filter(|_| rest.get(52..54) == Some("\"\n")))
            .and_then(|id| id.parse().ok())
            .ok_or_else(|| layout(offset))?;
        offset += "id = \"\"\n".len() + 52;

        if !text.ends_with('\n') {
            return Err(layout(text.len()));
        }
        let (mut changes, mut profiles) = (Vec::new(), Vec::<(ProfileName, Range<usize>)>::new());
        let empty_line = memchr::memmem::Finder::new(b"\n\n");
        while offset < text.len() {
            // An empty line, then the section up to the LF before the next empty line.
            if text.as_bytes()[offset] != b'\n' {
                return Err(layout(offset));
            }
            let start = offset + 1;
            let section = &text[start..];
            offset = empty_line.find(section.as_bytes()).map_or(text.len(), |at| start + at + 1);
            let header = section.split('\n').next().unwrap_or_default();
            if header == "[[team]]" && profiles.is_empty() {
                if changes.len() == MAX_CHANGES {
                    return Err(at_offset(Kind::Bounds, &text.as_bytes()[..start]));
                }
                changes.push(start..offset);
                continue;
            }
            let name = header.strip_prefix("[profile.").and_then(|rest| rest.strip_suffix(']'));
            let name: ProfileName = name.and_then(|name| name.parse().ok()).ok_or_else(|| layout(start))?;
            if profiles.last().is_some_and(|(last, _)| *last >= name) {
                return Err(layout(start));
            }
            if profiles.len() == MAX_PROFILES {
                return Err(at_offset(Kind::Bounds, &text.as_bytes()[..start]));
            }
            profiles.push((name, start..offset));
        }
        if changes.is_empty() {
            return Err(layout(text.len()));
        }
        Ok((id, changes, profiles))
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn id(&self) -> Hash {
        self.id
    }

    /// The text of each team change, with the number of lines before it.
    pub(crate) fn changes(&self) -> impl Iterator<Item = (&str, LinesBefore<'_>)> {
        self.changes.iter().map(|range| (&self.text[range.clone()], self.before(range)))
    }

    /// Names of the profiles, in order.
    pub(crate) fn profile_names(&self) -> impl ExactSizeIterator<Item = &ProfileName> {
        self.profiles.iter().map(|(name, _)| name)
    }

    /// The text of a profile's section, with the number of lines before it.
    pub(crate) fn profile(&self, name: &ProfileName) -> Option<(&str, LinesBefore<'_>)> {
        let at = self.profiles.binary_search_by(|(found, _)| found.cmp(name)).ok()?;
        let range = &self.profiles[at].1;
        Some((&self.text[range.clone()], self.before(range)))
    }

    /// Where each profile's section begins, in bytes of the text.
    pub(super) fn profile_starts(&self) -> impl Iterator<Item = (&ProfileName, usize)> {
        self.profiles.iter().map(|(name, range)| (name, range.start))
    }

    fn before(&self, range: &Range<usize>) -> LinesBefore<'_> {
        LinesBefore(&self.text[..range.start])
    }

    /// Refuses lines over their bound. Not needed to read single sections safely,
    /// so only a complete check asks for it.
    pub(crate) fn check_lines(&self) -> Result<(), Rejected> {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', self.text.as_bytes()) {
            if end - start > MAX_LINE {
                return Err(at_offset(Kind::Bounds, &self.text.as_bytes()[..start]));
            }
            start = end + 1;
        }
        Ok(())
    }
}

/// The text before a section; its lines are counted only when an error names one.
#[derive(Clone, Copy)]
pub(crate) struct LinesBefore<'a>(&'a str);

impl LinesBefore<'_> {
    pub(crate) fn count(self) -> usize {
        memchr::memchr_iter(b'\n', self.0.as_bytes()).count()
    }
}

/// Puts a document together from an id and its sections' texts.
pub(crate) fn compose<'a>(id: &Hash, sections: impl Iterator<Item = &'a str>) -> String {
    let mut text = format!("{FIRST_LINE}\nvault = 1\nid = \"{id}\"\n");
    for section in sections {
        text.push('\n');
        text.push_str(section);
    }
    text
}

fn at_offset(kind: Kind, before: &[u8]) -> Rejected {
    Rejected { line: Some(memchr::memchr_iter(b'\n', before).count() + 1), ..Rejected::new(kind) }
}

/// Names what usually happens to a file that git and editors handle: converted
/// line endings and conflict markers break the layout somewhere, and this says so.
/// `bytes` are the whole file.
pub(crate) fn diagnose(bytes: &[u8], rejected: Rejected) -> Rejected {
    if !matches!(rejected.kind, Kind::NotAVault | Kind::Layout) {
        return rejected;
    }
    let first = bytes.split(|&b| b == b'\n').next().unwrap_or_default();
    let is_vault = first.strip_suffix(b"\r").unwrap_or(first) == FIRST_LINE.as_bytes();
    if let Some(at) = memchr::memchr(b'\r', bytes).filter(|_| is_vault) {
        return at_offset(Kind::LineEndings, &bytes[..at]);
    }
    let marked =
        |line: &[u8]| [&b"<<<<<<<"[..], b"=======", b">>>>>>>", b"|||||||"].iter().any(|m| line.starts_with(m));
    // Two sides that both made a vault begin with a marker instead of the first line; elsewhere in
    // what is no vault they say nothing, and it may be large.
    let looked_at = if is_vault { bytes } else { first };
    let markers = looked_at.split(|&b| b == b'\n').position(marked);
    match markers {
        Some(line) => Rejected { line: Some(line + 1), ..Rejected::new(Kind::ConflictMarkers) },
        None => rejected,
    }
}
