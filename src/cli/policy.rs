//! Options that set the policy of a profile.

use clap::builder::PossibleValuesParser;
use vault::clock::Span;
use vault::{OnOverdue, PolicyFields, RotateEvery, Text, Vault};

use super::error::CommandError;
use super::ui::Ui;

/// What holds for every secret of a profile that does not say otherwise itself.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Policy")]
pub(crate) struct PolicyArgs {
    /// Rotate values at this age, for example `90d`
    #[arg(long, value_name = "DURATION")]
    rotate_every: Option<Span>,

    /// Do not rotate values, on purpose
    #[arg(long, conflicts_with = "rotate_every")]
    no_rotation: bool,

    /// Warn this long before they are due, for example `14d,3d`
    #[arg(long, value_name = "DURATION,…", value_delimiter = ',')]
    warn_at: Vec<Span>,

    /// What `exec` does with overdue values
    #[arg(long, value_name = "WHAT", value_parser = PossibleValuesParser::new(["warn", "refuse"]))]
    on_overdue: Option<String>,

    /// How long a replaced value stays available, and `exec` runs after the due date
    #[arg(long, value_name = "DURATION")]
    grace: Option<Span>,

    /// How many earlier values to keep, 0 to 100
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=100))]
    keep: Option<u8>,

    /// Who sees to rotations; an empty text takes it out
    #[arg(long, value_name = "MEMBER")]
    owner: Option<String>,

    /// Why the interval was chosen; an empty text takes it out
    #[arg(long, value_name = "TEXT")]
    basis: Option<String>,

    /// Begin with an empty policy
    #[arg(long)]
    clear: bool,
}

/// Says where the owner that was given is nobody in the vault: who is to rotate would not know of it.
pub(crate) fn warn_of_owner(ui: &mut Ui, vault: &Vault, owner: Option<&str>) {
    let is_member = |owner: &str| vault.team().members().keys().any(|member| member.as_str() == owner);
    if owner.is_some_and(|owner| !owner.is_empty() && !is_member(owner)) {
        ui.warn("the owner is no member of this vault: `vault member list` shows who there is");
    }
}

impl PolicyArgs {
    /// The owner that was given.
    pub(crate) fn owner(&self) -> Option<&str> {
        self.owner.as_deref()
    }

    /// The policy after these options; `None` if none is given.
    pub(crate) fn apply(&self, before: &PolicyFields) -> Result<Option<PolicyFields>, CommandError> {
        let text = |flag: &str, text: &Option<String>, before: &Option<Text>| -> Result<Option<Text>, CommandError> {
            match text.as_deref() {
                None => Ok(before.clone()),
                Some("") => Ok(None),
                Some(text) => text.parse().map(Some).map_err(|error| CommandError::usage(format!("{flag}: {error}"))),
            }
        };
        if !self.any() {
            return Ok(None);
        }
        let empty = PolicyFields::default();
        let before = if self.clear { &empty } else { before };
        let mut warn_at = if self.warn_at.is_empty() { before.warn_at.clone() } else { self.warn_at.clone() };
        warn_at.sort_unstable_by(|a, b| b.cmp(a));
        warn_at.dedup();
        let interval = match (self.rotate_every, self.no_rotation) {
            (Some(span), _) => Some(RotateEvery::Every(span)),
            (None, true) => Some(RotateEvery::Never),
            (None, false) => before.rotate_every,
        };
        Ok(Some(PolicyFields {
            rotate_every: interval,
            warn_at,
            on_overdue: match self.on_overdue.as_deref() {
                Some("refuse") => Some(OnOverdue::Refuse),
                Some(_) => Some(OnOverdue::Warn),
                None => before.on_overdue,
            },
            grace: self.grace.or(before.grace),
            keep: self.keep.or(before.keep),
            owner: text("--owner", &self.owner, &before.owner)?,
            basis: text("--basis", &self.basis, &before.basis)?,
        }))
    }

    fn any(&self) -> bool {
        let Self { rotate_every, no_rotation, warn_at, on_overdue, grace, keep, owner, basis, clear } = self;
        rotate_every.is_some()
            || *no_rotation
            || !warn_at.is_empty()
            || on_overdue.is_some()
            || grace.is_some()
            || keep.is_some()
            || owner.is_some()
            || basis.is_some()
            || *clear
    }
}
