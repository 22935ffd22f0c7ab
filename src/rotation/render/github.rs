//! Annotations of GitHub Actions: workflow commands on standard output.
//! <https://docs.github.com/actions/reference/workflow-commands-for-github-actions>

use super::super::due::day;
use super::super::item::Item;
use super::is_error;
use crate::clock::Timestamp;

/// One `::error` or `::warning` a line, for what is expired, exposed, overdue or due.
/// `lines` are the lines of the items in the file at `path`.
#[must_use]
pub fn github(items: &[Item], path: &str, lines: &[usize], now: Timestamp) -> String {
    let mut out = String::new();
    for (item, line) in items.iter().zip(lines) {
        let Some(error) = is_error(item.line.state) else { continue };
        let level = if error { "error" } else { "warning" };
        let console = item.console().map(|page| format!("; rotate at {page}")).unwrap_or_default();
        out.push_str(&format!(
            "::{level} file={},line={line},title={}::{}\n",
            property(path),
            property(&format!("secret {}", item.line.state)),
            data(&format!("{}{console}", item.sentence(now, day)))
        ));
    }
    out
}

/// Escapes as the runner reverses it, `%` first.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
