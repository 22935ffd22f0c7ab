//! A profile as text that somebody edits, and what they changed in it.

use std::collections::{BTreeMap, BTreeSet};

use vault::SecretName;
use vault::interchange::{self, dotenv};
use vault::secret_value::SecretValue;

use super::ui::clean;

/// What each line begins with that we put on top and take away again.
const REMARK: &str = "# vault: ";
/// Around two values of one name; none of them is a line of a `.env` file.
const MARKS: [&str; 3] = ["<<<<<<< what you typed", "=======", ">>>>>>> what is there now"];

/// Values by name. One that is not UTF-8 or holds a NUL byte would not survive an
/// editor: it is not shown, and stays as it is.
#[derive(Debug, Default)]
pub(crate) struct Sheet(BTreeMap<SecretName, SecretValue>);

/// A name, what was typed for it, and what is there now.
type Clashing<'a> = (&'a SecretName, Option<&'a [u8]>, Option<&'a [u8]>);

/// What was changed in a sheet.
#[derive(Debug, Default)]
pub(crate) struct Edits {
    pub(crate) changed: BTreeMap<SecretName, SecretValue>,
    pub(crate) added: BTreeMap<SecretName, SecretValue>,
    pub(crate) removed: BTreeSet<SecretName>,
    /// From the old name to the new one: the value stayed.
    pub(crate) renamed: BTreeMap<SecretName, SecretName>,
}

/// What is wrong with a line; never the line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) line: usize,
    pub(crate) why: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.why)
    }
}

/// Which names and values may be typed.
pub(crate) struct Rules<'a> {
    pub(crate) name: &'a dyn Fn(&SecretName) -> bool,
    pub(crate) empty: bool,
}

impl Sheet {
    /// Takes a value in.
    pub(crate) fn put(&mut self, name: SecretName, value: SecretValue) {
        self.0.insert(name, value);
    }

    /// The value of a name, shown or not.
    pub(crate) fn value(&self, name: &SecretName) -> Option<&SecretValue> {
        self.0.get(name)
    }

    fn shown(&self) -> impl Iterator<Item = (&SecretName, &SecretValue)> {
        self.0.iter().filter(|(_, value)| is_text(value))
    }

    /// True if nothing is left of what was shown.
    pub(crate) fn is_emptied_by(&self, edits: &Edits) -> bool {
        let shown = self.shown().count();
        shown > 0 && edits.removed.len() == shown && edits.names().len() == shown
    }

    /// The text to edit, below a heading.
    pub(crate) fn text(&self, heading: &[String]) -> Result<SecretValue, interchange::Error> {
        // Into the text that the editor gets.
        self.compose(heading, self.shown().map(|(name, value)| (name, value.reveal())), &[])
    }

    /// The text to edit again where this is what is there now, `base` what was there,
    /// and `edits` could not be made for what happened to `clashing` in between.
    pub(crate) fn text_again(
        &self,
        heading: &[String],
        base: &Self,
        edits: &Edits,
        clashing: &[SecretName],
    ) -> Result<SecretValue, interchange::Error> {
        let mut mine: BTreeMap<&SecretName, Option<&[u8]>> = BTreeMap::new();
        for (name, value) in edits.changed.iter().chain(&edits.added) {
            mine.insert(name, Some(value.reveal()));
        }
        mine.extend(edits.removed.iter().map(|name| (name, None)));
        for (old, new) in &edits.renamed {
            mine.insert(old, None);
            mine.insert(new, base.value(old).map(SecretValue::reveal));
        }
        let mut values: BTreeMap<&SecretName, &[u8]> =
            self.shown().map(|(name, value)| (name, value.reveal())).collect();
        for (name, value) in &mine {
            match value {
                Some(value) => values.insert(name, value),
                None => values.remove(name),
            };
        }
        let mut clashes = Vec::new();
        for name in clashing {
            values.remove(name);
            let theirs = self.value(name).filter(|value| is_text(value)).map(SecretValue::reveal);
            clashes.push((name, mine.get(name).copied().flatten(), theirs));
        }
        self.compose(heading, values.into_iter(), &clashes)
    }

    fn compose<'a>(
        &self,
        heading: &[String],
        values: impl Iterator<Item = (&'a SecretName, &'a [u8])>,
        clashes: &[Clashing<'a>],
    ) -> Result<SecretValue, interchange::Error> {
        let mut top = String::new();
        for line in heading {
            top.push_str(&format!("# {}\n", clean(line)));
        }
        let names: Vec<&str> =
            self.0.iter().filter(|(_, value)| !is_text(value)).map(|(name, _)| name.as_str()).collect();
        if !names.is_empty() {
            top.push_str(&format!("# Not shown, as they are no text, and left as they are: {}\n", names.join(", ")));
        }
        top.push('\n');
        let mut out = zeroize::Zeroizing::new(top.into_bytes());
        dotenv::print(values.map(|(name, value)| (name.as_str(), value)), &mut out)?;
        for (name, mine, theirs) in clashes {
            let one = |value: &Option<&'a [u8]>| (*value).map(|value| (name.as_str(), value));
            push(&mut out, MARKS[0]);
            dotenv::print(one(mine), &mut out)?;
            push(&mut out, MARKS[1]);
            dotenv::print(one(theirs), &mut out)?;
            push(&mut out, MARKS[2]);
        }
        Ok(SecretValue::new(std::mem::take(&mut *out)))
    }

    /// What an edited text changes in this sheet.
    ///
    /// # Errors
    /// Every line that cannot be taken over; then nothing is.
    pub(crate) fn compare(&self, text: &SecretValue, rules: &Rules<'_>) -> Result<Edits, Vec<Problem>> {
        // Through the parser, which puts each value into memory that is wiped.
        let parsed = dotenv::parse(text.reveal());
        let lines: Vec<&[u8]> = text.reveal().split(|byte| *byte == b'\n').collect();
        let is_mark = |line: usize| {
            let text = lines.get(line.wrapping_sub(1)).map(|line| line.strip_suffix(b"\r").unwrap_or(line));
            text.is_some_and(|text| MARKS.iter().any(|mark| text == mark.as_bytes()))
        };
        let mut problems: Vec<Problem> = Vec::new();
        for skipped in &parsed.skipped {
            let why = if is_mark(skipped.line) {
                "two values, of which one has to go, with the marks around them".to_owned()
            } else {
                match &skipped.name {
                    Some(name) => format!("{name}: {}", skipped.reason),
                    None => skipped.reason.to_string(),
                }
            };
            problems.push(Problem { line: skipped.line, why });
        }
        let mut edits = Edits { removed: self.shown().map(|(name, _)| name.clone()).collect(), ..Edits::default() };
        for entry in parsed.entries {
            let Ok(name) = entry.name.parse::<SecretName>() else { continue };
            let mut refuse = |why: &str| problems.push(Problem { line: entry.line, why: format!("{name}{why}") });
            let before = self.value(&name);
            edits.removed.remove(&name);
            if before.is_some_and(|before| before.same_as(&entry.value)) {
                continue;
            }
            if before.is_none() && !(rules.name)(&name) {
                refuse(&format!(" changes how programs load or run (`--allow-name {name}` takes it)"));
            } else if entry.value.is_empty() && !rules.empty {
                refuse(" is empty (`--allow-empty` takes it)");
            } else if before.is_some() {
                edits.changed.insert(name, entry.value);
            } else {
                edits.added.insert(name, entry.value);
            }
        }
        if !problems.is_empty() {
            problems.sort_by_key(|problem| problem.line);
            return Err(problems);
        }
        self.find_renames(&mut edits);
        Ok(edits)
    }

    /// A value that went under one name and came under another was renamed: its age
    /// and its leaks go along.
    fn find_renames(&self, edits: &mut Edits) {
        let mut renamed = BTreeMap::new();
        for (new, value) in &edits.added {
            let is_it = |old: &&SecretName| self.value(old).is_some_and(|before| before.same_as(value));
            let mut candidates = edits.removed.iter().filter(|old| !renamed.contains_key(*old)).filter(is_it);
            if let Some(old) = candidates.next().filter(|_| !value.is_empty()) {
                renamed.insert(old.clone(), new.clone());
            }
        }
        for (old, new) in &renamed {
            edits.removed.remove(old);
            edits.added.remove(new);
        }
        edits.renamed = renamed;
    }
}

impl Edits {
    pub(crate) fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.added.is_empty() && self.removed.is_empty() && self.renamed.is_empty()
    }

    /// Every name that is touched, in order.
    pub(crate) fn names(&self) -> Vec<SecretName> {
        let renamed = self.renamed.iter().flat_map(|(old, new)| [old, new]);
        let names: BTreeSet<&SecretName> =
            self.changed.keys().chain(self.added.keys()).chain(&self.removed).chain(renamed).collect();
        names.into_iter().cloned().collect()
    }
}

/// `changed A; added B, C; removed D; renamed E to F`.
impl std::fmt::Display for Edits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |names: &mut dyn Iterator<Item = String>| names.collect::<Vec<_>>().join(", ");
        let parts = [
            ("changed", list(&mut self.changed.keys().map(ToString::to_string))),
            ("added", list(&mut self.added.keys().map(ToString::to_string))),
            ("removed", list(&mut self.removed.iter().map(ToString::to_string))),
            ("renamed", list(&mut self.renamed.iter().map(|(old, new)| format!("{old} to {new}")))),
        ];
        let parts = parts.iter().filter(|(_, names)| !names.is_empty());
        f.write_str(&parts.map(|(what, names)| format!("{what} {names}")).collect::<Vec<_>>().join("; "))
    }
}

/// Looked at, and left as it is.
fn is_text(value: &SecretValue) -> bool {
    !value.reveal().contains(&0) && std::str::from_utf8(value.reveal()).is_ok()
}

/// Puts what is wrong on top of a text, in place of what was said there before. The
/// lines are counted in the text that comes out.
pub(crate) fn annotate(text: &SecretValue, problems: &mut [Problem]) -> SecretValue {
    let mut rest = text.reveal();
    let mut taken = 0;
    while rest.starts_with(REMARK.as_bytes()) {
        let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
        rest = &rest[end..];
        taken += 1;
    }
    let added = problems.len();
    let mut top = String::new();
    for problem in problems {
        problem.line = (problem.line + added).saturating_sub(taken);
        top.push_str(&format!("{REMARK}{}\n", clean(&problem.to_string())));
    }
    // Into the text that the editor gets, of one size from the start.
    let mut out = Vec::with_capacity(top.len() + rest.len());
    out.extend_from_slice(top.as_bytes());
    out.extend_from_slice(rest);
    SecretValue::new(out)
}

/// Adds a line, and wipes the memory that the text moves out of.
fn push(out: &mut zeroize::Zeroizing<Vec<u8>>, line: &str) {
    let mut moved = Vec::with_capacity((out.len() + line.len() + 1) * 2);
    moved.extend_from_slice(out);
    moved.extend_from_slice(line.as_bytes());
    moved.push(b'\n');
    // The old one is wiped as it is dropped.
    *out = zeroize::Zeroizing::new(moved);
}

#[cfg(test)]
mod tests;
