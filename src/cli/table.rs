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
}

impl Table {
    pub(crate) fn new(heading: &[&'static str]) -> Self {
        Self { heading: heading.to_vec(), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// Prints the table; columns that are empty in every row are left out. On a
    /// terminal, what does not fit is cut, last columns first.
    pub(crate) fn print(self, ui: &mut Ui) {
        let used: Vec<usize> =
            (0..self.heading.len()).filter(|&n| self.rows.iter().any(|row| !row[n].text.is_empty())).collect();
        let mut widths: Vec<usize> = used
            .iter()
            .map(|&n| self.rows.iter().map(|row| row[n].width).chain([self.heading[n].width()]).max().unwrap_or(0))
            .collect();
        if let Some(columns) = ui.width() {
            fit(&mut widths, columns);
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

/// Narrows columns from the last to the second until the row fits.
fn fit(widths: &mut [usize], columns: usize) {
    let total = |widths: &[usize]| widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1);
    for n in (1..widths.len()).rev() {
        let over = total(widths).saturating_sub(columns);
        if over == 0 {
            return;
        }
        widths[n] -= over.min(widths[n].saturating_sub(4));
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
        let mut widths = [20, 10, 30];
        fit(&mut widths, 50);
        assert_eq!(widths, [20, 10, 16]);
        fit(&mut widths, 30);
        assert_eq!(widths, [20, 4, 4]);
        assert_eq!(cut("STRIPE_SECRET_KEY", 8), "STRIPE_…");
        assert_eq!(cut("漢字漢字", 5), "漢字…");
    }
}
