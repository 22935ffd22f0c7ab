//! Aligned columns, readable as Markdown.

/// Prints rows below their header; every row has as many cells as the header.
pub(crate) fn print(header: &[&str], rows: &[Vec<String>]) {
    let widths: Vec<usize> = (0..header.len())
        .map(|column| {
            rows.iter().map(|row| row[column].chars().count()).chain([header[column].len()]).max().unwrap_or(0)
        })
        .collect();
    let line = |cells: Vec<&str>| {
        let cells: Vec<String> = cells
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(n, (cell, width))| if n == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") })
            .collect();
        println!("| {} |", cells.join(" | "));
    };
    line(header.to_vec());
    let rules: Vec<String> = widths
        .iter()
        .enumerate()
        .map(|(n, width)| "-".repeat(width - usize::from(n > 0)) + if n > 0 { ":" } else { "" })
        .collect();
    line(rules.iter().map(String::as_str).collect());
    for row in rows {
        line(row.iter().map(String::as_str).collect());
    }
}
