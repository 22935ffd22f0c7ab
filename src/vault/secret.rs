//! A secret: its metadata, its value and its earlier values (`docs/format.md`, section 4).

use std::fmt::Write;

use crate::clock::{Span, Timestamp};
use crate::crypto::SealedValue;

use super::error::{Kind, Rejected};
use super::name::{DeviceName, ProfileName, ProviderName, SecretName};
use super::profile::mark_exposed;
use super::text::{
    Canonical, Cursor, InlineOut, MAX_ARRAY, Stop, Text, True, array_field, field, optional_field, print_array,
};

/// How often a value is to be rotated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RotateEvery {
    /// At this age it is overdue.
    Every(Span),
    /// On purpose not at all.
    Never,
}

/// What `exec` does with an overdue value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OnOverdue {
    /// Warns and goes on; the default.
    Warn,
    /// Refuses once the grace is over, unless told otherwise with a reason.
    Refuse,
}

/// The policy of a profile or of one secret. Every field may be left open.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicyFields {
    /// Interval.
    pub rotate_every: Option<RotateEvery>,
    /// Steps before the due date at which to warn, longest first.
    pub warn_at: Vec<Span>,
    /// What an overdue value means to `exec`.
    pub on_overdue: Option<OnOverdue>,
    /// How long after the due date `exec` still runs, and how long a replaced value stays available.
    pub grace: Option<Span>,
    /// Earlier values to keep, 0 to 100.
    pub keep: Option<u8>,
    /// Who sees to the rotation.
    pub owner: Option<Text>,
    /// Why the interval was chosen.
    pub basis: Option<Text>,
}

/// What a secret may be used for.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Scope {
    /// What its provider allows it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub permissions: Vec<Text>,
    /// Programs that may be given it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<Text>,
    /// Hosts it is meant for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<Text>,
    /// HTTP methods it is meant for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<Text>,
    /// HTTP paths it is meant for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<Text>,
    /// How often it is meant to be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Text>,
}

/// That a value became known to somebody it should not be known to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Exposure {
    /// Since when.
    pub at: Timestamp,
    /// To whom, where that is known.
    pub to: Option<Text>,
    /// Why it is believed.
    pub why: Text,
}

/// Whether an earlier value may still be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Replaced, not yet revoked at its provider.
    Previous,
    /// Revoked.
    Revoked,
}

/// A value that was replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// Its version.
    pub version: u64,
    /// When the value came into being.
    pub set_at: Timestamp,
    /// True when `set_at` is only the latest it can have been.
    pub age_at_least: bool,
    /// When it was replaced.
    pub retired_at: Timestamp,
    /// Whether it may still be used.
    pub stage: Stage,
    /// By when to revoke it at its provider.
    pub revoke_by: Option<Timestamp>,
    /// Known leaks of this value.
    pub exposed: Vec<Exposure>,
    /// The sealed value.
    pub value: SealedValue,
}

/// A value that is about to replace the current one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Its version, above the current one.
    pub version: u64,
    /// When it came into being.
    pub set_at: Timestamp,
    /// The sealed value.
    pub value: SealedValue,
}

/// A secret with everything the file says about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// Version of the current value, from 1.
    pub version: u64,
    /// When the current *value* came into being.
    pub set_at: Timestamp,
    /// The device that stored it.
    pub set_by: DeviceName,
    /// True when `set_at` is only the latest it can have been (an import).
    pub age_at_least: bool,
    /// Its own policy.
    pub policy: PolicyFields,
    /// When its provider ends it.
    pub expires_at: Option<Timestamp>,
    /// Who issued it.
    pub provider: Option<ProviderName>,
    /// Secrets of one group are rotated together.
    pub group: Option<Text>,
    /// A remark.
    pub note: Option<Text>,
    /// What it may be used for.
    pub scope: Scope,
    /// Known leaks of the current value.
    pub exposed: Vec<Exposure>,
    /// The sealed value.
    pub value: SealedValue,
    /// The value that is to follow.
    pub pending: Option<Pending>,
    /// Values before, newest first.
    pub earlier: Vec<Earlier>,
}

/// A removed secret whose value is known to somebody it should not be known to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// Its last version.
    pub version: u64,
    /// When it was removed.
    pub removed_at: Timestamp,
    /// By which device.
    pub removed_by: DeviceName,
    /// Who sees to its revocation.
    pub owner: Option<Text>,
    /// Who issued it.
    pub provider: Option<ProviderName>,
    /// Known leaks.
    pub exposed: Vec<Exposure>,
}

impl Secret {
    /// Reads the tables of one secret.
    ///
    /// # Errors
    /// [`Rejected`] of kind layout, bounds or versions; `first_line` is the number
    /// of lines of the file before `text`.
    pub(crate) fn read(
        profile: &ProfileName,
        name: &SecretName,
        text: &str,
        first_line: usize,
    ) -> Result<Self, Rejected> {
        let mut cursor = Cursor::new(text);
        let secret = Self::read_at(profile, name, &mut cursor)
            .map_err(|stop| stop.at_line(text, first_line).in_profile(profile).in_secret(name))?;
        secret.check_versions().map_err(|rejected| rejected.in_profile(profile).in_secret(name))?;
        Ok(secret)
    }

    fn read_at(profile: &ProfileName, name: &SecretName, c: &mut Cursor<'_>) -> Result<Self, Stop> {
        c.expect("[profile.")?;
        c.expect(profile.as_str())?;
        c.expect(".secret.")?;
        c.expect(name.as_str())?;
        c.expect("]\n")?;
        let mut secret = Self {
            version: c.required("version")?,
            set_at: c.required("set_at")?,
            set_by: c.required("set_by")?,
            age_at_least: c.optional::<True>("age_at_least")?.is_some(),
            policy: PolicyFields::read(c)?,
            expires_at: c.optional("expires_at")?,
            provider: c.optional("provider")?,
            group: c.optional("group")?,
            note: c.optional("note")?,
            scope: c.optional("scope")?.unwrap_or_default(),
            exposed: c.optional::<Exposures>("exposed")?.unwrap_or_default().0,
            value: c.required("value")?,
            pending: c.optional("pending")?,
            earlier: Vec::new(),
        };
        while !c.at_end() {
            if secret.earlier.len() == MAX_ARRAY {
                return c.stop(Kind::Bounds);
            }
            c.expect("[[profile.")?;
            c.expect(profile.as_str())?;
            c.expect(".secret.")?;
            c.expect(name.as_str())?;
            c.expect(".earlier]]\n")?;
            secret.earlier.push(Earlier::read(c)?);
        }
        Ok(secret)
    }

    fn check_versions(&self) -> Result<(), Rejected> {
        let descending = self
            .earlier
            .iter()
            .try_fold(self.version, |above, earlier| (earlier.version < above).then_some(earlier.version));
        if descending.is_none() || self.pending.as_ref().is_some_and(|p| p.version <= self.version) {
            return Err(Rejected::new(Kind::Versions));
        }
        Ok(())
    }

    pub(crate) fn print(&self, profile: &ProfileName, name: &SecretName, out: &mut String) {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "[profile.{profile}.secret.{name}]");
        field(out, "version", &self.version);
        field(out, "set_at", &self.set_at);
        field(out, "set_by", &self.set_by);
        optional_field(out, "age_at_least", self.age_at_least.then_some(&True));
        self.policy.print(out);
        optional_field(out, "expires_at", self.expires_at.as_ref());
        optional_field(out, "provider", self.provider.as_ref());
        optional_field(out, "group", self.group.as_ref());
        optional_field(out, "note", self.note.as_ref());
        if self.scope != Scope::default() {
            field(out, "scope", &self.scope);
        }
        array_field(out, "exposed", &self.exposed);
        field(out, "value", &self.value);
        optional_field(out, "pending", self.pending.as_ref());
        for earlier in &self.earlier {
            let _ = writeln!(out, "[[profile.{profile}.secret.{name}.earlier]]");
            earlier.print(out);
        }
    }

    /// The lowest version that is kept of this secret.
    pub(crate) fn oldest_version(&self) -> u64 {
        self.earlier.last().map_or(self.version, |earlier| earlier.version)
    }

    /// Marks the value, and the one that waits to replace it, as known to whoever
    /// could open the section. The format keeps no list for a pending value, so the
    /// mark is dated no earlier than that value, whatever the clocks say.
    pub(crate) fn expose_with_pending(&mut self, exposure: &Exposure) {
        let Some(pending) = &self.pending else { return mark_exposed(&mut self.exposed, Some(exposure)) };
        let exposure = Exposure { at: exposure.at.max(pending.set_at), ..exposure.clone() };
        let same = |known: &Exposure| (&known.to, &known.why) == (&exposure.to, &exposure.why);
        if self.exposed_pending().iter().any(same) {
            return;
        }
        // On a full list the newest gives way: without this one the next value would
        // look like one that nobody knows.
        self.exposed.truncate(MAX_ARRAY - 1);
        self.exposed.push(exposure);
    }

    /// The exposures that reach the pending value, to be carried along when it is promoted
    /// or given up: of the current value's, those that say to whom and are not older than
    /// the pending value (`docs/format.md`, section 4). Empty if nothing is pending.
    #[must_use]
    pub fn exposed_pending(&self) -> Vec<Exposure> {
        let Some(pending) = &self.pending else { return Vec::new() };
        let reaches = |exposure: &&Exposure| exposure.to.is_some() && exposure.at >= pending.set_at;
        self.exposed.iter().filter(reaches).cloned().collect()
    }

    /// The highest version that was given to a value of this secret.
    #[must_use]
    pub fn newest_version(&self) -> u64 {
        self.pending.as_ref().map_or(self.version, |pending| pending.version)
    }
}

impl Earlier {
    fn read(c: &mut Cursor<'_>) -> Result<Self, Stop> {
        Ok(Self {
            version: c.required("version")?,
            set_at: c.required("set_at")?,
            age_at_least: c.optional::<True>("age_at_least")?.is_some(),
            retired_at: c.required("retired_at")?,
            stage: c.required("stage")?,
            revoke_by: c.optional("revoke_by")?,
            exposed: c.optional::<Exposures>("exposed")?.unwrap_or_default().0,
            value: c.required("value")?,
        })
    }

    fn print(&self, out: &mut String) {
        field(out, "version", &self.version);
        field(out, "set_at", &self.set_at);
        optional_field(out, "age_at_least", self.age_at_least.then_some(&True));
        field(out, "retired_at", &self.retired_at);
        field(out, "stage", &self.stage);
        optional_field(out, "revoke_by", self.revoke_by.as_ref());
        array_field(out, "exposed", &self.exposed);
        field(out, "value", &self.value);
    }
}

impl Removed {
    pub(crate) fn read(c: &mut Cursor<'_>) -> Result<Self, Stop> {
        Ok(Self {
            version: c.required("version")?,
            removed_at: c.required("removed_at")?,
            removed_by: c.required("removed_by")?,
            owner: c.optional("owner")?,
            provider: c.optional("provider")?,
            exposed: c.required::<Exposures>("exposed")?.0,
        })
    }

    pub(crate) fn print(&self, out: &mut String) {
        field(out, "version", &self.version);
        field(out, "removed_at", &self.removed_at);
        field(out, "removed_by", &self.removed_by);
        optional_field(out, "owner", self.owner.as_ref());
        optional_field(out, "provider", self.provider.as_ref());
        array_field(out, "exposed", &self.exposed);
    }
}

impl PolicyFields {
    pub(crate) fn read(c: &mut Cursor<'_>) -> Result<Self, Stop> {
        Ok(Self {
            rotate_every: c.optional("rotate_every")?,
            warn_at: c.optional::<Steps>("warn_at")?.unwrap_or_default().0,
            on_overdue: c.optional("on_overdue")?,
            grace: c.optional("grace")?,
            keep: c.optional::<Keep>("keep")?.map(|keep| keep.0),
            owner: c.optional("owner")?,
            basis: c.optional("basis")?,
        })
    }

    pub(crate) fn print(&self, out: &mut String) {
        optional_field(out, "rotate_every", self.rotate_every.as_ref());
        array_field(out, "warn_at", &self.warn_at);
        optional_field(out, "on_overdue", self.on_overdue.as_ref());
        optional_field(out, "grace", self.grace.as_ref());
        optional_field(out, "keep", self.keep.map(Keep).as_ref());
        optional_field(out, "owner", self.owner.as_ref());
        optional_field(out, "basis", self.basis.as_ref());
    }
}

impl Canonical for RotateEvery {
    fn read(c: &mut Cursor<'_>) -> Result<Self, Stop> {
        if c.take("\"never\"") { Ok(Self::Never) } else { Span::read(c).map(Self::Every) }
    }

    fn print(&self, out: &mut String) {
        match self {
            Self::Every(span) => span.print(out),
            Self::Never => out.push_str("\"never\""),
        }
    }
}

macro_rules! words {
    ($type:ty { $($variant:path = $word:literal),* }) => {
        impl Canonical for $type {
            fn read(c: &mut Cursor<'_>) -> Result<Self, Stop> {
                $(if c.take(concat!("\"", $word, "\"")) {
                    return Ok($variant);
                })*
                c.stop(Kind::Layout)
            }

            fn print(&self, out: &mut String) {
                out.push_str(match self { $($variant => concat!("\"", $word, "\"")),* });
            }
        }
    };
}

words!(OnOverdue { Self::Warn = "warn", Self::Refuse = "refuse" });
words!(Stage { Self::Previous = "previous", Self::Revoked = "revoked" });

/// `keep`: 0 to 100.
struct Keep(u8);

impl Canonical for Keep {
    fn read(c: &mut Cursor<'_>) -> Result<Self, Stop> {
        let here = *c;
        // The one integer of the format that may be zero.
        let number = if c.take("0") { 0 } else { u64::read(c)? };
        match u8::try_from(number) {
            Ok(number) if usize::from(number) <= MAX_ARRAY => Ok(Self(number)),
            _ => here.stop(Kind::Layout),
        }
    }

    fn print(&self, out: &mut String) {
        u64::from(self.0).print(out);
    }
}

/// Durations, longest first, no repetition.
#[derive(Default)]
struct Steps(Vec<Span>);

impl Canonical for Steps {
    fn read(c: &mut Cursor<'_>) -> Result<Self, Stop> {
        let here = *c;
        let steps: Vec<Span> = c.array(MAX_ARRAY)?;
        if steps.is_sorted_by(|a, b| a > b) { Ok(Self(steps)) } else { here.stop(Kind::Layout) }
    }

    fn print(&self, out: &mut String) {
        print_array(out, &self.0);
    }
}

#[derive(Default)]
struct Exposures(Vec<Exposure>);

impl Canonical for Exposures {
    fn read(c: &mut Cursor<'_>) -> Result<Self, Stop> {
        c.array(MAX_ARRAY).map(Self)
    }

    fn print(&self, out: &mut String) {
        print_array(out, &self.0);
    }
}

impl Canonical for Exposure {
    fn read(c: &mut Cursor<'_>) -> Result<Self, Stop> {
        let mut table = c.inline()?;
        let exposure = Self { at: table.required("at")?, to: table.optional("to")?, why: table.required("why")? };
        table.close()?;
        Ok(exposure)
    }

    fn print(&self, out: &mut String) {
        let mut table = InlineOut::open(out);
        table.field("at", &self.at);
        if let Some(to) = &self.to {
            table.field("to", to);
        }
        table.field("why", &self.why);
        table.close();
    }
}

impl Canonical for Pending {
    fn read(c: &mut Cursor<'_>) -> Result<Self, Stop> {
        let mut table = c.inline()?;
        let pending = Self {
            version: table.required("version")?,
            set_at: table.required("set_at")?,
            value: table.required("value")?,
        };
        table.close()?;
        Ok(pending)
    }

    fn print(&self, out: &mut String) {
        let mut table = InlineOut::open(out);
        table.field("version", &self.version);
        table.field("set_at", &self.set_at);
        table.field("value", &self.value);
        table.close();
    }
}

impl Canonical for Scope {
    fn read(c: &mut Cursor<'_>) -> Result<Self, Stop> {
        let mut table = c.inline()?;
        let mut list = |key: &str| -> Result<Vec<Text>, Stop> {
            Ok(table.optional_with(key, |c| c.array(MAX_ARRAY))?.unwrap_or_default())
        };
        let scope = Self {
            permissions: list("permissions")?,
            commands: list("commands")?,
            hosts: list("hosts")?,
            methods: list("methods")?,
            paths: list("paths")?,
            rate: table.optional("rate")?,
        };
        table.close()?;
        Ok(scope)
    }

    fn print(&self, out: &mut String) {
        let mut table = InlineOut::open(out);
        for (key, elements) in [
            ("permissions", &self.permissions),
            ("commands", &self.commands),
            ("hosts", &self.hosts),
            ("methods", &self.methods),
            ("paths", &self.paths),
        ] {
            if !elements.is_empty() {
                print_array(table.key(key), elements);
            }
        }
        if let Some(rate) = &self.rate {
            table.field("rate", rate);
        }
        table.close();
    }
}
