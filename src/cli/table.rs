//! Tables: columns aligned by width on screen, no borders, cut to the terminal.

use std::borrow::Cow;

use unicode_width::UnicodeWidthStr;

use super::ui::{Tone, Ui, clean};

/// One cell: text, and what it means.
pub(crate) struct Cell {
    text: String,
    /// Columns that the text takes; counting them costs more than all else about a cell.
    width: usize,
    tone: Tone,
}

impl Cell {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self::toned(Tone::Plain, text)
    }

    pub(crate) fn toned(tone: Tone, text: impl Into<String>) -> Self {
        let text: String = text.into();
        // Cleaned here, so that its width is that of what is shown.
        let cleaned = match clean(&text) {
            Cow::Borrowed(_) => None,
            Cow::Owned(cleaned) => Some(cleaned),
        };
        let text = cleaned.unwrap_or(text);
        Self { width: text.width(), text, tone }
    }
}

/// Rows of equal length below a heading.
pub(crate) struct Table {
    heading: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
    /// Headings of the columns that are left out first where not all fit.
    first_out: &'static [&'static str],
}

impl Table {
    pub(crate) fn new(heading: &[&'static str]) -> Self {
        Self { heading: heading.to_vec(), rows: Vec::new(), first_out: &[] }
    }

    /// Says which columns to do without first; behind them the last ones go.
    pub(crate) fn first_out(self, columns: &'static [&'static str]) -> Self {
        Self { first_out: columns, ..self }
    }

    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// Prints the table; columns that are empty in every row are left out. On a
    /// terminal, long texts are cut and columns left out until the rest fits.
    pub(crate) fn print(self, ui: &mut Ui) {
        let mut used: Vec<usize> =
            (0..self.heading.len()).filter(|&n| self.rows.iter().any(|row| !row[n].text.is_empty())).collect();
        let mut widths: Vec<usize> = used
            .iter()
            .map(|&n| self.rows.iter().map(|row| row[n].width).chain([self.heading[n].width()]).max().unwrap_or(0))
            .collect();
        if let Some(columns) = ui.width() {
            let order = self.first_out.iter().filter_map(|out| self.heading.iter().position(|heading| heading == out));
            fit(&mut used, &mut widths, columns, order);
        }
        let heading: Vec<Cell> = used.iter().map(|&n| Cell::toned(Tone::Faint, self.heading[n])).collect();
        print_row(ui, heading.iter(), &widths);
        for row in &self.rows {
            print_row(ui, used.iter().map(|&n| &row[n]), &widths);
        }
    }
}

impl Table {
    /// Prints cells as they come, for rows that do not wait for each other.
    pub(crate) fn line(ui: &mut Ui, cells: impl Iterator<Item = Cell>) {
        let texts: Vec<String> =
            cells.filter(|cell| !cell.text.is_empty()).map(|cell| ui.paint(cell.tone, &cell.text)).collect();
        ui.line(&texts.join("  "));
    }
}

/// What is this short is shown whole or not at all: half a date says nothing.
const SHORT: usize = 14;
/// What is left of a longer text at the least.
const CUT: usize = 12;
/// As much of the first column, which names the row.
const CUT_NAME: usize = 20;

/// Makes rows fit: first by narrowing columns of long texts, last ones first, then by
/// leaving out columns, in the order of `first_out` and then from the last; two stay.
fn fit(used: &mut Vec<usize>, widths: &mut Vec<usize>, columns: usize, mut first_out: impl Iterator<Item = usize>) {
    let total = |widths: &[usize]| widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1);
    let least = |n: usize, width: usize| match n {
        0 => width.min(CUT_NAME),
        _ if width <= SHORT => width,
        _ => CUT,
    };
    let narrow = |widths: &[usize]| widths.iter().enumerate().map(|(n, &width)| least(n, width)).collect::<Vec<_>>();
    while widths.len() > 2 && total(&narrow(widths)) > columns {
        let out = first_out.by_ref().find_map(|out| used.iter().position(|column| *column == out));
        let out = out.unwrap_or(widths.len() - 1);
        widths.remove(out);
        used.remove(out);
    }
    for n in (0..widths.len()).rev() {
        let over = total(widths).saturating_sub(columns);
        widths[n] -= over.min(widths[n] - least(n, widths[n]));
    }
    let over = total(widths).saturating_sub(columns);
    if let Some(first) = widths.first_mut() {
        *first = first.saturating_sub(over).max((*first).min(4));
    }
}

fn print_row<'a>(ui: &mut Ui, cells: impl Iterator<Item = &'a Cell>, widths: &[usize]) {
    let mut line = String::new();
    for (n, (cell, &width)) in cells.zip(widths).enumerate() {
        let shorter = (cell.width > width).then(|| cut(&cell.text, width));
        let text = shorter.as_deref().unwrap_or(&cell.text);
        let taken = shorter.as_ref().map_or(cell.width, |text| text.width());
        let padding = if n + 1 == widths.len() { 0 } else { width - taken + 2 };
        line.push_str(&ui.paint(cell.tone, text));
        line.extend(std::iter::repeat_n(' ', padding));
    }
    ui.line(line.trim_end());
}

/// Shortens a text that takes more than `width` columns.
fn cut(text: &str, width: usize) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if out.width() + unicode_width::UnicodeWidthChar::width(c).unwrap_or(0) + 1 > width {
            break;
        }
        out.push(c);
    }
    out.push('…');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrow_terminals_cut_the_last_columns_and_keep_the_first() {
        for (columns, want) in [
            (80, &[20, 10, 30][..]),
            (50, &[20, 10, 16]),
            (46, &[20, 10, 12]),
            // The last one does not fit even cut short.
            (45, &[20, 10]),
            (30, &[18, 10]),
            (10, &[4, 10]),
        ] {
            let mut widths = vec![20, 10, 30];
            fit(&mut vec![0, 1, 2], &mut widths, columns, [].into_iter());
            assert_eq!(widths, want, "{columns} columns");
        }
        // Which ones can be missed best is up to the table; of those that are not there nothing is said.
        let (mut used, mut widths) = (vec![0, 2, 3, 5], vec![20, 10, 30, 9]);
        fit(&mut used, &mut widths, 47, [4, 3, 2].into_iter());
        assert_eq!((used, widths), (vec![0, 2, 5], vec![20, 10, 9]));
        // A long name is cut for the sake of what is said about it.
        let mut widths = vec![60, 9, 12, 10];
        fit(&mut vec![0, 1, 2, 3], &mut widths, 80, [].into_iter());
        assert_eq!(widths, [43, 9, 12, 10]);
        assert_eq!(cut("STRIPE_SECRET_KEY", 8), "STRIPE_…");
        assert_eq!(cut("漢字漢字", 5), "漢字…");
    }
}
