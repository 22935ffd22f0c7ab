//! Long texts on a narrow terminal: broken between words.

use unicode_width::UnicodeWidthChar;

use super::{END, Tone};

/// Narrower than this, breaking between words makes it worse.
const LEAST: usize = 20;

/// Breaks a text into lines of at most `width` columns, between words. What stands
/// between backquotes is for the reader to copy and counts as one word. A word that does
/// not fit even alone is left for the terminal to break.
pub(super) fn fold(text: &str, width: usize) -> Vec<&str> {
    let mut lines = Vec::new();
    if width < LEAST {
        return vec![text];
    }
    let (mut begin, mut taken) = (0, 0);
    // Where the line can be broken: the blank, and the columns up to and with it.
    let mut blank: Option<(usize, usize)> = None;
    let mut quoted = false;
    for (at, c) in text.char_indices() {
        match c {
            '`' => quoted = !quoted,
            ' ' if !quoted && at > begin => blank = Some((at, taken + 1)),
            _ => {}
        }
        taken += columns(c);
        if let Some((end, used)) = blank
            && taken > width
            && end < at
        {
            lines.push(&text[begin..end]);
            (begin, taken, blank) = (end + 1, taken - used, None);
        }
    }
    lines.push(&text[begin..]);
    lines
}

fn columns(c: char) -> usize {
    // Marks of tones become colours.
    if c == END || Tone::marked(c).is_some() { 0 } else { c.width().unwrap_or(0) }
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr;

    use super::*;

    #[test]
    fn lines_end_between_words_and_fit() {
        for (text, want) in [
            ("short", &["short"][..]),
            ("exactly twenty wide!", &["exactly twenty wide!"]),
            ("one more than twenty!", &["one more than", "twenty!"]),
            ("ends before the blank that no longer fits", &["ends before the", "blank that no longer", "fits"]),
            ("type `vault rotate KEY` now", &["type", "`vault rotate KEY`", "now"]),
            ("a_word_that_takes_more_than_a_line does", &["a_word_that_takes_more_than_a_line", "does"]),
            ("it is at /a/path/that/takes/more/than/a/line", &["it is at", "/a/path/that/takes/more/than/a/line"]),
            ("漢字漢字漢字 漢字漢字漢字", &["漢字漢字漢字", "漢字漢字漢字"]),
            (
                "an `unpaired quote is no reason to lose anything",
                &["an", "`unpaired quote is no reason to lose anything"],
            ),
            ("", &[""]),
        ] {
            assert_eq!(fold(text, 20), want, "{text}");
        }
        assert_eq!(fold("as it is where nothing fits", 19), ["as it is where nothing fits"]);
    }

    #[test]
    fn colours_take_no_room_and_nothing_is_lost() {
        let marked = format!("{}fourteen chars{END} longer", Tone::Bad.mark());
        assert_eq!(fold(&marked, 21), [marked.as_str()]);
        let text = ["the quick brown fox jumps over the lazy dog"; 9].join(" ");
        for width in LEAST..90 {
            let lines = fold(&text, width);
            assert_eq!(lines.join(" "), text);
            assert!(lines.iter().all(|line| line.width() <= width), "{width}: {lines:?}");
        }
    }
}
