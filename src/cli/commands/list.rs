use vault::clock::Timestamp;
use vault::rotation::{self, Days, Honest, Line, State};
use vault::{Effective, Exposure, Scope, Secret, SecretName, provider};

use crate::cli::context::{Context, Opened};
use crate::cli::error::CommandError;
use crate::cli::table::{Cell, Table};
use crate::cli::time::{Newest, local_day};
use crate::cli::ui::{Tone, Ui};

/// List secrets, most urgent first
///
/// Needs no identity: names, dates and scope are readable, values are not.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Print an array of objects
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(cx: &mut Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    let opened = cx.open(ui)?;
    let profile = cx.profile();
    let effective = cx.effective(ui, &opened, &profile)?;
    if args.json {
        let (mut entries, _) = assess(cx, ui, &opened, &effective, |entry| entry)?;
        entries.sort_by(|a, b| rotation::by_urgency(&a.line, &b.line));
        let uses = cx.last_uses(&opened)?;
        let last_used = |line: &Line| uses.get(&(line.profile.clone(), line.name.clone())).copied();
        ui.json(&entries.iter().map(|entry| entry.json(last_used(&entry.line))).collect::<Vec<_>>());
        return Ok(());
    }
    let (mut rows, now) = assess(cx, ui, &opened, &effective, Row::from)?;
    if rows.is_empty() {
        ui.note(&format!("no secrets in profile {profile} yet; `vault import .env` or `vault set NAME` adds some"));
        return Ok(());
    }
    rows.sort_by(|a, b| rotation::by_urgency(&a.line, &b.line));
    let inherited = effective.sections().len() > 1;
    let days = Days::from(now, local_day);
    let heading = &["NAME", "STATE", "AGE", "DUE", "LIFE", "PROVIDER", "SCOPE", "PROFILE"];
    let mut table = Table::new(heading).first_out(&["PROFILE", "SCOPE", "PROVIDER", "LIFE", "AGE"]);
    for Row { line, provider, scope } in rows {
        let tone = tone(line.state);
        table.row(vec![
            Cell::toned(Tone::Bold, line.name),
            Cell::toned(tone, line.state.to_string()),
            Cell::new(days.age(line.age_seconds, line.at_least)),
            Cell::toned(tone, line.due_at.map(|due| days.due(due)).unwrap_or_default()),
            Cell::toned(tone, rotation::bar(line.life_used, 8).trim_end()),
            Cell::new(provider),
            Cell::toned(Tone::Faint, scope),
            Cell::toned(Tone::Faint, if inherited { line.profile.as_str() } else { "" }),
        ]);
    }
    table.print(ui);
    Ok(())
}

/// Reads every secret in effect, and keeps of each what `keep` makes of it: thousands of
/// whole secrets take longer to keep than to read. Gives the time states were computed
/// from as well, and says so where the clock cannot be right.
fn assess<T>(
    cx: &Context,
    ui: &mut Ui,
    opened: &Opened,
    effective: &Effective<'_>,
    keep: impl Fn(Entry) -> T,
) -> Result<(Vec<T>, Timestamp), CommandError> {
    let sections = effective.sections();
    let read = |time: Honest| -> Result<_, CommandError> {
        let secrets = effective.secrets();
        let mut kept = Vec::with_capacity(secrets.len());
        let mut is_ahead = false;
        for secret in secrets {
            let (name, position, secret) = secret?;
            is_ahead |= secret.set_at > time.now;
            let section = &sections[position];
            kept.push(keep(Entry::new(&name, section.name().as_str(), section.policy(), secret, time)));
        }
        Ok((kept, is_ahead))
    };
    let mut newest = Newest::signed(&opened.vault, sections);
    let (mut kept, is_ahead) = read(newest.time(cx))?;
    // A value newer than its signature: somebody's clock went back, and ages count from the value.
    if is_ahead {
        newest = newest.with_values(sections)?;
        kept = read(newest.time(cx))?.0;
    }
    let now = newest.time(cx).now;
    newest.say(cx, ui, &opened.vault);
    Ok((kept, now))
}

/// What the table shows of a secret.
struct Row {
    line: Line,
    provider: String,
    scope: String,
}

impl From<Entry> for Row {
    fn from(Entry { line, secret, .. }: Entry) -> Self {
        let provider = secret.provider.as_ref().map_or_else(String::new, |provider| provider.as_str().to_owned());
        Self { line, provider, scope: scope_text(&secret.scope) }
    }
}

/// A secret with its state; what `list`, `show` and the due list have in common.
pub(super) struct Entry {
    pub(super) line: Line,
    pub(super) secret: Secret,
    pub(super) policy: rotation::Policy,
}

impl Entry {
    pub(super) fn new(
        name: &SecretName,
        profile: &str,
        policy: &vault::PolicyFields,
        secret: Secret,
        time: Honest,
    ) -> Self {
        let (policy, status) = rotation::assess(&secret, policy, time);
        Self { line: Line::new(profile, name.as_str(), &status), secret, policy }
    }

    pub(super) fn json(&self, last_used: Option<Timestamp>) -> Json<'_> {
        let (line, secret) = (&self.line, &self.secret);
        Json {
            name: &line.name,
            profile: &line.profile,
            state: line.state,
            version: secret.version,
            set_at: secret.set_at,
            age_days: line.age_seconds / 86_400,
            age_at_least: line.at_least,
            rotate_every: Some(self.policy.rotate_every.to_string()).filter(|text| !text.is_empty()),
            due_at: line.due_at,
            expires_at: secret.expires_at,
            provider: secret.provider.as_ref().map(|provider| provider.as_str()),
            owner: self.policy.owner.as_deref(),
            exposed: &secret.exposed,
            scope: &secret.scope,
            last_used,
        }
    }
}

/// The keys that scripts rely on.
#[derive(serde::Serialize)]
pub(super) struct Json<'a> {
    name: &'a str,
    profile: &'a str,
    state: State,
    version: u64,
    set_at: Timestamp,
    age_days: u64,
    age_at_least: bool,
    rotate_every: Option<String>,
    due_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
    provider: Option<&'a str>,
    owner: Option<&'a str>,
    exposed: &'a [Exposure],
    scope: &'a Scope,
    /// Null where no log on this machine knows of a use.
    last_used: Option<Timestamp>,
}

pub(super) fn tone(state: State) -> Tone {
    match state {
        State::Expired | State::Exposed | State::Overdue => Tone::Bad,
        State::Due => Tone::Attention,
        State::Fresh => Tone::Good,
        _ => Tone::Faint,
    }
}

/// The scope in a few words; only `commands` is enforced, by `exec`.
fn scope_text(scope: &Scope) -> String {
    let lists = [&scope.commands, &scope.hosts, &scope.permissions, &scope.methods, &scope.paths];
    let words: Vec<&str> = lists.into_iter().flatten().map(vault::Text::as_str).collect();
    words.join(", ")
}

/// The page where a provider's keys are rotated by hand.
pub(super) fn console(secret: &Secret) -> Option<&'static str> {
    let provider = provider::by_id(secret.provider.as_ref()?.as_str())?;
    Some(provider.console).filter(|page| !page.is_empty())
}
