use proptest::prelude::*;

use super::*;

/// `d` = 00 01 … 0f, worked out apart from this code.
const COUNTING: &str = "aaaz-aib7-aqc4-aydz-bae7-bifu-bqg2-byht";

fn counting() -> RecoveryCode {
    RecoveryCode(Zeroizing::new(std::array::from_fn(|index| index as u8)))
}

fn parse(text: &str) -> Result<RecoveryCode, Error> {
    RecoveryCode::parse(&SecretValue::from(text.as_bytes()))
}

fn text(code: &RecoveryCode) -> String {
    String::from_utf8(code.as_passphrase().reveal().to_vec()).unwrap()
}

/// The number of the group that is refused.
fn mistyped(text: &str) -> usize {
    match parse(text) {
        Err(Error::CodeGroup { group }) => group,
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn the_text_is_that_of_the_format() {
    assert_eq!(text(&counting()), COUNTING);
    assert_eq!(text(&parse(COUNTING).unwrap()), COUNTING);
}

#[test]
fn how_it_is_typed_does_not_matter() {
    for typed in [
        COUNTING.to_uppercase(),
        COUNTING.replace('-', " "),
        COUNTING.replace('-', ""),
        COUNTING.replace('-', "\u{2013}"),
        format!("  {}\n", COUNTING.replace('-', " - ")),
        COUNTING.replace('o', "0"),
        COUNTING.replace('b', "8"),
        COUNTING.chars().collect::<Vec<_>>().chunks(5).map(|c| c.iter().collect::<String>()).collect::<String>(),
    ] {
        assert_eq!(text(&parse(&typed).unwrap()), COUNTING, "{typed}");
    }
}

#[test]
fn a_one_is_read_as_the_check_allows() {
    let (mut read, mut refused) = (0, 0);
    for seed in 0..=255 {
        let code = RecoveryCode(Zeroizing::new([seed; 16]));
        let typed = text(&code).replace(['i', 'l'], "1");
        match parse(&typed) {
            Ok(found) => {
                assert_eq!(text(&found), text(&code), "never read as another code");
                read += 1;
            }
            // Both readings of some group have a matching check.
            Err(Error::CodeGroup { .. }) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(read > 9 * refused, "{read} read, {refused} refused");
}

#[test]
fn the_mistyped_group_is_named() {
    for group in 1..=8 {
        let start = (group - 1) * 5;
        // `9` is in no alphabet and stands for nothing.
        let mut typed = COUNTING.to_owned();
        typed.replace_range(start..=start, "9");
        assert_eq!(mistyped(&typed), group);
        typed.replace_range(start..=start, "\u{e9}");
        assert_eq!(mistyped(&typed), group);
        // A letter too few, seen by the dashes.
        let mut typed = COUNTING.to_owned();
        typed.remove(start);
        assert_eq!(mistyped(&typed), group);
        // The last letter holds the check's last bits: any other is wrong for sure up to the fourth bit.
        let last = COUNTING.as_bytes()[start + 3];
        for other in ALPHABET.iter().filter(|other| **other != last) {
            let (old, new) = (digit(last), digit(*other));
            if old >> 4 == new >> 4 {
                let mut typed = COUNTING.to_owned();
                typed.replace_range(start + 3..start + 4, std::str::from_utf8(&[*other]).unwrap());
                assert_eq!(mistyped(&typed), group);
            }
        }
    }
}

fn digit(letter: u8) -> usize {
    ALPHABET.iter().position(|other| *other == letter).unwrap()
}

#[test]
fn nearly_every_wrong_letter_is_noticed() {
    let (mut noticed, mut all) = (0, 0);
    for index in COUNTING.char_indices().filter(|(_, letter)| *letter != '-').map(|(index, _)| index) {
        for letter in ALPHABET.iter().filter(|letter| **letter != COUNTING.as_bytes()[index]) {
            let mut typed = COUNTING.to_owned();
            typed.replace_range(index..=index, std::str::from_utf8(&[*letter]).unwrap());
            all += 1;
            match parse(&typed) {
                Err(Error::CodeGroup { group }) => {
                    assert_eq!(group, index / 5 + 1);
                    noticed += 1;
                }
                other => assert_ne!(text(&other.unwrap()), COUNTING),
            }
        }
    }
    // 15 in 16 expected of 992; four standard deviations below.
    assert!(noticed * 1000 >= all * 906, "{noticed} of {all}");
}

#[test]
fn swapped_groups_are_noticed() {
    let groups: Vec<&str> = COUNTING.split('-').collect();
    for first in 0..7 {
        let mut swapped = groups.clone();
        swapped.swap(first, first + 1);
        assert!([first + 1, first + 2].contains(&mistyped(&swapped.join("-"))), "{first}");
    }
}

#[test]
fn what_is_no_code_is_refused() {
    let long = "a".repeat(2000);
    for bad in ["", "-", "abcd", &COUNTING[..34], &format!("{COUNTING}-aaaa"), &COUNTING.replace('-', "")[..31], &long]
    {
        assert!(matches!(parse(bad), Err(Error::CodeLength)), "{bad}");
    }
    assert!(matches!(RecoveryCode::parse(&SecretValue::from(&b"\xff"[..])), Err(Error::CodeLength)));
}

#[test]
fn debug_shows_nothing() {
    assert_eq!(format!("{:?}", RecoveryCode::generate().unwrap()), "RecoveryCode(…)");
}

proptest! {
    #[test]
    fn every_code_is_read_again(bytes: [u8; 16]) {
        let code = RecoveryCode(Zeroizing::new(bytes));
        prop_assert_eq!(*parse(&text(&code)).unwrap().0, bytes);
    }

    #[test]
    fn no_text_panics(typed in "\\PC{0,60}") {
        let _ = parse(&typed);
    }
}
