//! Recognises a provider by the name and the value of a secret.

use super::mismatch::Mismatch;
use super::shape::{Verdict, judge};
use super::{Allows, Provider, Variable, all};

/// A provider that was recognised, by what, and how the value fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Detection {
    /// Who issued the value, or who the name says did.
    pub provider: &'static Provider,
    /// What it was recognised by.
    pub by: By,
    /// Whether the value looks as the provider's values do.
    pub form: Form,
}

/// What a provider was recognised by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The name of the secret.
    Name,
    /// The value, whatever the secret is called.
    Value,
    /// Name and value agree.
    Both,
}

/// How a value fits the provider. Never a reason to refuse it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As the provider is known to write them.
    Matches,
    /// Not so: worth a warning.
    Mismatch(Mismatch),
    /// No value was given, or nothing certain is known about such values.
    Unknown,
}

/// Whether a Stripe key moves money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Works on test data only.
    Test,
    /// Works on real accounts.
    Live,
}

impl Mode {
    /// Reads the mode from a Stripe key; `None` for any other value.
    #[must_use]
    pub fn of(value: &[u8]) -> Option<Self> {
        let rest = value.strip_prefix(b"sk_").or_else(|| value.strip_prefix(b"rk_"))?;
        if rest.starts_with(b"test_") { Some(Self::Test) } else { rest.starts_with(b"live_").then_some(Self::Live) }
    }
}

/// Recognises the provider of the secret `name` with `value`; `None` if neither says anything.
///
/// A value with a distinctive form wins over the name: rotation advice follows
/// who issued it, and the disagreement is reported as the form. Names are
/// compared without regard to case, and with one word for an environment
/// before or a number or such a word after: `PROD_OPENAI_API_KEY`, `GITHUB_TOKEN_2`.
///
/// An empty value counts as none. White space around a value is reported where
/// the rest fits.
#[must_use]
pub fn detect(name: &str, value: Option<&[u8]>) -> Option<Detection> {
    let name = base_name(name);
    let named = || all().iter().filter_map(|p| Some((p, p.variables.iter().find(|v| v.is(name))?)));
    let Some(value) = value.filter(|v| !v.is_empty()) else {
        return named().next().map(|(provider, _)| Detection { provider, by: By::Name, form: Form::Unknown });
    };
    let trimmed = value.trim_ascii();
    let claimed = all().iter().find_map(|p| Some((p, p.shapes.iter().find_map(|s| s.claims(trimmed))?)));
    let mut detection = match claimed {
        Some((provider, verdict)) => match provider.variables.iter().find(|v| v.is(name)) {
            Some(variable) => Detection { provider, by: By::Both, form: variable.form(provider, trimmed) },
            None => Detection {
                provider,
                by: By::Value,
                form: match named().find(|(_, variable)| variable.allows != Allows::OtherIssuers) {
                    Some((named, _)) => Form::Mismatch(Mismatch::OtherProvider { named, looks_like: provider }),
                    None => verdict.into(),
                },
            },
        },
        None => {
            let (provider, variable) =
                named().min_by_key(|(p, v)| judge(v.shapes.unwrap_or(p.shapes), trimmed).rank())?;
            let form = variable.form(provider, trimmed);
            let by = if form == Form::Matches { By::Both } else { By::Name };
            Detection { provider, by, form }
        }
    };
    // White space around JSON means nothing.
    if detection.form == Form::Matches && trimmed.len() != value.len() && !trimmed.starts_with(b"{") {
        detection.form = Form::Mismatch(Mismatch::WhiteSpace);
    }
    Some(detection)
}

impl From<Verdict> for Form {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Matches => Self::Matches,
            Verdict::Mismatch(reason) => Self::Mismatch(reason),
            Verdict::Unconfirmed | Verdict::OtherStart => Self::Unknown,
        }
    }
}

impl Variable {
    fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// How `value` fits this variable of `provider`.
    fn form(&self, provider: &Provider, value: &[u8]) -> Form {
        let shapes = self.shapes.unwrap_or(provider.shapes);
        let verdict = judge(shapes, value);
        if verdict == Verdict::Matches {
            return Form::Matches;
        }
        let other =
            provider.variables.iter().find(|v| v.shapes.is_some_and(|shapes| judge(shapes, value) == Verdict::Matches));
        match (other, verdict) {
            (Some(other), _) => Form::Mismatch(Mismatch::OtherVariable(other.name)),
            (None, Verdict::OtherStart) if self.allows == Allows::Nothing && !shapes.is_empty() => {
                Form::Mismatch(Mismatch::Start)
            }
            (None, verdict) => verdict.into(),
        }
    }
}

/// Words by which people tell the keys of several environments apart.
const ENVIRONMENTS: &[&str] =
    &["DEV", "TEST", "CI", "STAGE", "STAGING", "PROD", "PRODUCTION", "LIVE", "OLD", "NEW", "MY"];

/// `name` without an environment or number around it.
fn base_name(name: &str) -> &str {
    let is_environment = |word: &str| ENVIRONMENTS.iter().any(|e| e.eq_ignore_ascii_case(word));
    let is_number = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit());
    let name = match name.split_once('_') {
        Some((first, rest)) if is_environment(first) => rest,
        _ => name,
    };
    match name.rsplit_once('_') {
        Some((rest, last)) if is_environment(last) || is_number(last) => rest,
        _ => name,
    }
}
