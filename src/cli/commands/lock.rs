use vault::identity;

use crate::cli::context::Context;
use crate::cli::error::CommandError;
use crate::cli::ui::Ui;
use crate::cli::unlock;

/// End what `vault unlock` began
///
/// The agent forgets every identity and ends. Without one there is nothing to do.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {}

pub(crate) fn run(cx: &mut Context, ui: &mut Ui, _: &Args) -> Result<(), CommandError> {
    let was_unlocked = unlock::agent(cx).lock().map_err(identity::Error::from)?;
    ui.note(if was_unlocked { "locked" } else { "nothing was unlocked" });
    Ok(())
}
