use vault::clock::Timestamp;
use vault::{Exposure, Secret, SecretName, Stage};

use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::table::{Cell, Table};
use crate::cli::time::local_day;
use crate::cli::ui::{Tone, Ui};

/// List the versions of a secret that are kept, newest first
///
/// Needs no identity. `vault get NAME --version N` prints one, `vault restore`
/// goes back to one.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Name of the secret
    name: SecretName,

    /// Print an array of objects
    #[arg(long)]
    json: bool,
}

#[derive(serde::Serialize)]
struct Kept<'a> {
    version: u64,
    stage: &'static str,
    set_at: Timestamp,
    set_at_latest: bool,
    retired_at: Option<Timestamp>,
    revoke_by: Option<Timestamp>,
    exposed: &'a [Exposure],
}

pub(crate) fn run(cx: &mut Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    let opened = cx.open(ui)?;
    let profile = cx.profile();
    let effective = cx.effective(ui, &opened, &profile)?;
    let missing = || cx.no_secret(effective.sections(), &profile, &args.name);
    let section = &effective.sections()[effective.find(&args.name).ok_or_else(missing)?];
    let secret = section.secret(&args.name)?.ok_or_else(missing)?;
    let kept = kept(&secret);
    if args.json {
        ui.json(&kept);
        return Ok(());
    }
    let mut table = Table::new(&["VERSION", "STAGE", "SET", "REPLACED", "REVOKE BY", "EXPOSED"]);
    let day = |at: Option<Timestamp>| at.map_or_else(String::new, |at| local_day(at).to_string());
    for row in kept {
        let tone = match row.stage {
            "current" => Tone::Good,
            "pending" => Tone::Attention,
            _ => Tone::Faint,
        };
        let why: Vec<&str> = row.exposed.iter().map(|exposure| exposure.why.as_str()).collect();
        let until = if row.set_at_latest { "at the latest " } else { "" };
        table.row(vec![
            Cell::toned(Tone::Bold, row.version.to_string()),
            Cell::toned(tone, row.stage),
            Cell::new(format!("{until}{}", local_day(row.set_at))),
            Cell::new(day(row.retired_at)),
            Cell::toned(Tone::Attention, day(row.revoke_by.filter(|_| row.stage == "previous"))),
            Cell::toned(Tone::Bad, why.join("; ")),
        ]);
    }
    table.print(ui);
    Ok(())
}

fn kept(secret: &Secret) -> Vec<Kept<'_>> {
    let pending = secret.pending.iter().map(|pending| Kept {
        version: pending.version,
        stage: "pending",
        set_at: pending.set_at,
        set_at_latest: false,
        retired_at: None,
        revoke_by: None,
        exposed: &[],
    });
    let current = Kept {
        version: secret.version,
        stage: "current",
        set_at: secret.set_at,
        set_at_latest: secret.age_at_least,
        retired_at: None,
        revoke_by: None,
        exposed: &secret.exposed,
    };
    let earlier = secret.earlier.iter().map(|earlier| Kept {
        version: earlier.version,
        stage: match earlier.stage {
            Stage::Previous => "previous",
            Stage::Revoked => "revoked",
        },
        set_at: earlier.set_at,
        set_at_latest: earlier.age_at_least,
        retired_at: Some(earlier.retired_at),
        revoke_by: earlier.revoke_by,
        exposed: &earlier.exposed,
    });
    pending.chain([current]).chain(earlier).collect()
}
