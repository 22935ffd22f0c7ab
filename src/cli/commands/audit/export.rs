use vault::audit::{self, Entry};

use super::select::Selection;
use super::show::POLL;
use crate::cli::context::{Context, Opened};
use crate::cli::error::CommandError;
use crate::cli::foreground::Foreground;
use crate::cli::ui::Ui;
use crate::cli::uses::Readable;

/// Records between two writes to standard output.
const BATCH: usize = 1000;

/// Print records for other programs, one on a line
///
/// `jsonl` is the records as they are stored, `csv` a table with a heading, `ecs`
/// events of the Elastic Common Schema, with each record as it was signed in
/// `event.original`.
#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The form of the lines
    #[arg(long, value_name = "FORMAT")]
    format: Format,

    #[command(flatten)]
    selection: Selection,

    /// Go on printing records as they are written, until Ctrl-C
    #[arg(long)]
    follow: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Jsonl,
    Csv,
    Ecs,
}

impl Format {
    fn line(self, entry: Entry) -> String {
        match self {
            Self::Jsonl => entry.line,
            Self::Csv => audit::csv(&entry),
            Self::Ecs => audit::ecs(&entry),
        }
    }
}

pub(super) fn run(cx: &Context, ui: &mut Ui, opened: &Opened, args: &Args) -> Result<(), CommandError> {
    let filter = args.selection.filter(cx.now())?;
    if args.format == Format::Csv {
        ui.json_text(&audit::csv_header());
    }
    if !args.follow {
        return print(ui, args.format, args.selection.entries(cx, opened, &filter)?);
    }
    let mut follow = args.selection.follow(cx, opened, &filter)?;
    let foreground = Foreground::begin()?;
    loop {
        print(ui, args.format, follow.look()?)?;
        if !foreground.goes_on_after(POLL)? {
            return Ok(());
        }
    }
}

fn print(
    ui: &mut Ui,
    format: Format,
    entries: impl Iterator<Item = Result<Entry, audit::Error>>,
) -> Result<(), CommandError> {
    let mut entries = Readable::new(entries);
    for (n, entry) in (&mut entries).enumerate() {
        ui.json_text(&format.line(entry?));
        if n % BATCH == BATCH - 1 {
            ui.flush().map_err(CommandError::StandardOutput)?;
        }
    }
    entries.warn(ui);
    ui.flush().map_err(CommandError::StandardOutput)
}
