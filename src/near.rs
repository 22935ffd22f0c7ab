//! How far apart two words are: for telling what somebody may have meant.

/// Letters changed, added, dropped or swapped with their neighbour to make one word the
/// other (optimal string alignment distance).
#[must_use]
pub fn distance(a: &[u8], b: &[u8]) -> usize {
    // The rows of the last two letters of `a`.
    let mut rows = [vec![0; b.len() + 1], (0..=b.len()).collect::<Vec<usize>>()];
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let substituted = rows[1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = substituted.min(rows[1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(rows[0][j - 2] + 1);
            }
        }
        rows = [std::mem::take(&mut rows[1]), row];
    }
    rows[1][b.len()]
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn edits_are_counted() {
        for (a, b, want) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("abacus", "abacus", 0),
            ("abacus", "abscus", 1),
            ("abacus", "abacu", 1),
            ("abacus", "abaccus", 1),
            ("abacus", "baacus", 1),
            ("abacus", "zoom", 6),
            ("ca", "abc", 3),
        ] {
            assert_eq!(distance(a.as_bytes(), b.as_bytes()), want, "{a} {b}");
        }
    }
}
