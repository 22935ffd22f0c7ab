use std::path::Path;

use vault::clock::Timestamp;
use vault::rotation::remind::{Delivered, Outcome};
use vault::rotation::{Item, render};
use vault::store;

use super::rotation::due_list;
use crate::cli::context::{Context, Opened};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::notify::Channel;
use crate::cli::time::local_day;
use crate::cli::ui::Ui;

/// Deliver what is new on the due list
///
/// Each stage of a value reaches each channel once: a warning step, overdue,
/// expired, exposed. What could not be delivered is tried again the next time.
/// Needs no identity.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: vault remind --notify desktop --notify 'command:./chat.sh'")]
pub(crate) struct Args {
    /// Where to: stderr, desktop, or command:COMMAND, which gets JSON on standard
    /// input [default: the setting `notify`, or stderr]
    #[arg(long, value_name = "CHANNEL")]
    pub(super) notify: Vec<Channel>,

    /// Hide names of secrets, profiles and owners behind made-up ones
    #[arg(long)]
    pub(super) alias: bool,

    /// Print what is new as JSON as well
    #[arg(long)]
    json: bool,

    /// Report what would be delivered, and deliver nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
}

/// Largest record of what was delivered that is read.
const MAX_RECORD: u64 = 64 << 20;

pub(crate) fn run(cx: &mut Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    let opened = cx.open(ui)?;
    let channels = channels(cx, &args.notify)?;
    let failed = deliver(cx, ui, &opened, &channels, args)?;
    if failed { Err(CommandError::Said(Exit::Io)) } else { Ok(()) }
}

/// The channels asked for, or the one of the settings, or standard error.
pub(super) fn channels(cx: &Context, asked: &[Channel]) -> Result<Vec<Channel>, CommandError> {
    if !asked.is_empty() {
        return Ok(asked.to_vec());
    }
    let setting = cx.settings().notify().unwrap_or("stderr");
    let channel = setting.parse().map_err(|error| CommandError::usage(format!("the setting notify: {error}")))?;
    Ok(vec![channel])
}

/// Delivers and records; true if a channel failed.
fn deliver(
    cx: &Context,
    ui: &mut Ui,
    opened: &Opened,
    channels: &[Channel],
    args: &Args,
) -> Result<bool, CommandError> {
    let (items, now) = due_list(cx, ui, opened)?;
    let directory = opened.state.join("remind");
    store::create_private_dir_all(&directory)?;
    // Two at a time would each deliver the same.
    let _lock = store::Lock::acquire(&directory, cx.globals.lock_timeout())?;
    let mut delivered = load(&directory)?;
    delivered.prune(&items, now);
    let mut failed = false;
    let mut printed: Option<Vec<Item>> = None;
    delivered.last.clear();
    for channel in channels {
        let label = channel.to_string();
        let news = delivered.news(&label, &items, now);
        let mut shown: Vec<Item> = news.iter().map(|item| (*item).clone()).collect();
        if args.alias {
            shown.iter_mut().for_each(|item| item.alias(&opened.vault.id()));
        }
        let shown: Vec<&Item> = shown.iter().collect();
        if args.json && printed.is_none() {
            printed = Some(shown.iter().map(|item| (*item).clone()).collect());
        }
        if args.dry_run {
            shown.iter().for_each(|item| ui.note(&format!("would tell {label}: {}", item.sentence(now, local_day))));
            continue;
        }
        let outcome = if shown.is_empty() { Ok(()) } else { channel.deliver(cx, ui, &shown, now) };
        let outcome = match outcome {
            Ok(()) => {
                delivered.told(&label, &news, now);
                Outcome::Delivered(news.len())
            }
            Err(error) => {
                ui.error(&format!("{error}; {} tried again next time", plural(shown.len())));
                failed = true;
                Outcome::Failed(error.to_string())
            }
        };
        delivered.last.insert(label, outcome);
        // Before the next channel: what arrived must not come again because that one ended us.
        delivered.last_run = Some(cx.now());
        save(&directory, &delivered)?;
    }
    if let Some(printed) = &printed {
        ui.json(&render::json(printed));
    }
    Ok(failed)
}

fn plural(count: usize) -> String {
    if count == 1 { "one reminder is".to_owned() } else { format!("{count} reminders are") }
}

/// What was delivered before; nothing if there is no record yet.
pub(super) fn load(directory: &Path) -> Result<Delivered, CommandError> {
    match store::read_private(&directory.join("delivered.json"), MAX_RECORD) {
        // A damaged record means reminders that come twice, which is better than none.
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_default()),
        Err(store::Error::Missing { .. }) => Ok(Delivered::default()),
        Err(error) => Err(error.into()),
    }
}

fn save(directory: &Path, delivered: &Delivered) -> Result<(), CommandError> {
    // Serializing our own types to memory cannot fail.
    let bytes = serde_json::to_vec(delivered).unwrap_or_default();
    Ok(store::replace(&directory.join("delivered.json"), &bytes, store::Mode::Private)?)
}

/// When reminders were last looked for.
pub(super) fn last_run(directory: &Path) -> Result<Option<Timestamp>, CommandError> {
    Ok(load(directory)?.last_run)
}

impl Args {
    /// The arguments by which a scheduler runs this again.
    pub(super) fn for_schedule(notify: Vec<Channel>, alias: bool) -> Self {
        Self { notify, alias, json: false, dry_run: false }
    }
}
