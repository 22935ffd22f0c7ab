//! Six words: passphrases that are made, for identities that a vault file carries sealed.
//!
//! Six of 7,772 words, each drawn alike, are 77.5 bits; with 0.1 s and 64 MiB for each
//! guess. The words are those of the EFF's long list for dice (Joseph Bonneau, 2016,
//! <https://www.eff.org/dice>, CC BY 3.0 US) without its four that hold a hyphen, so that
//! whatever stands between words separates them.

use zeroize::Zeroizing;

use super::Error;
use crate::crypto;
use crate::near::distance;
use crate::secret_value::SecretValue;

/// One word a line, in order of the alphabet.
const LIST: &str = include_str!("words/eff_large.txt");
/// Words in the list.
const SIZE: u16 = 7772;
/// Words in a passphrase.
const WORDS: usize = 6;
/// Longest text that is looked at, in bytes.
const MAX_TEXT: usize = 1024;

/// Six words of the list. Wiped on drop.
pub struct SixWords(Zeroizing<[u16; WORDS]>);

impl SixWords {
    /// Draws six words.
    ///
    /// # Errors
    /// [`Error::Crypto`] if the system gives no randomness.
    pub fn generate() -> Result<Self, Error> {
        let mut words = Zeroizing::new([0; WORDS]);
        let mut drawn = 0;
        while drawn < WORDS {
            let bytes = Zeroizing::new(crypto::random::<2>()?);
            if let Some(number) = fair(u16::from_le_bytes(*bytes)) {
                words[drawn] = number;
                drawn += 1;
            }
        }
        Ok(Self(words))
    }

    /// The words in lower case with single spaces: the passphrase of a sealed identity,
    /// and the text that is shown once.
    #[must_use]
    pub fn as_passphrase(&self) -> SecretValue {
        let list: Vec<&str> = LIST.lines().collect();
        // Nine letters at most, and a space. Sized ahead: growing would leave a copy.
        let mut text = Vec::with_capacity(WORDS * 10);
        for number in self.0.iter() {
            if !text.is_empty() {
                text.push(b' ');
            }
            text.extend_from_slice(list[usize::from(*number)].as_bytes());
        }
        SecretValue::new(text)
    }

    /// Reads what a person typed: any case, and anything but letters between the words.
    /// `suggest` allows the error to name a word that is near the one typed.
    ///
    /// # Errors
    /// [`Error::WordCount`]; [`Error::Word`] names the first that is not on the list.
    pub fn parse(text: &SecretValue, suggest: bool) -> Result<Self, Error> {
        // The text is taken apart here and goes nowhere else.
        let text = text.reveal();
        let lower = Zeroizing::new(text[..text.len().min(MAX_TEXT)].to_ascii_lowercase());
        let typed = lower.split(|byte| !is_letter(*byte)).filter(|word| !word.is_empty());
        let found = typed.clone().count();
        if found != WORDS || text.len() > MAX_TEXT {
            return Err(Error::WordCount { found });
        }
        let list: Vec<&str> = LIST.lines().collect();
        let mut words = Zeroizing::new([0; WORDS]);
        for (index, word) in typed.enumerate() {
            let number = list.binary_search_by(|listed| listed.as_bytes().cmp(word));
            words[index] = number
                .map_err(|_| Error::Word { word: index + 1, near: suggest.then(|| nearest(&list, word)).flatten() })?
                as u16;
        }
        Ok(Self(words))
    }
}

/// The word that a random number means. None above the largest multiple of their number,
/// which would favour the first ones.
fn fair(random: u16) -> Option<u16> {
    (random < u16::MAX - u16::MAX % SIZE).then_some(random % SIZE)
}

/// Letters of other alphabets belong to a word too, which then is not on the list.
fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte >= 0x80
}

/// The only word that is at most two letters away, or the first of those nearest.
fn nearest(list: &[&'static str], word: &[u8]) -> Option<&'static str> {
    let near = list.iter().map(|listed| (distance(listed.as_bytes(), word), *listed));
    near.filter(|(distance, _)| *distance <= 2).min_by_key(|(distance, _)| *distance).map(|(_, listed)| listed)
}

impl std::fmt::Debug for SixWords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SixWords(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<String, Error> {
        let words = SixWords::parse(&SecretValue::from(text.as_bytes()), true)?;
        Ok(String::from_utf8(words.as_passphrase().reveal().to_vec()).unwrap())
    }

    #[test]
    fn the_list_is_what_it_is_said_to_be() {
        let list: Vec<&str> = LIST.lines().collect();
        assert_eq!(list.len(), usize::from(SIZE));
        assert!(list.is_sorted() && list.windows(2).all(|pair| pair[0] != pair[1]));
        assert!(list.iter().all(|word| (3..=9).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_lowercase())));
        // The four left out put back, the list is the EFF's: SHA-256 of its words in order.
        let mut whole = [&list[..], &["drop-down", "felt-tip", "t-shirt", "yo-yo"]].concat();
        whole.sort_unstable();
        let hash = crypto::Hash::of(whole.join("\n").as_bytes());
        let hex: String = hash.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "abae49761b88f3f1ba31ef944bea1f61b795a3cd7e1cfb7d276ed45bf77967ba");
        assert!((list.len() as f64).log2() * WORDS as f64 >= 77.0);
    }

    #[test]
    fn what_was_made_is_read_however_it_is_typed() {
        for _ in 0..100 {
            let text = SixWords::generate().unwrap().as_passphrase();
            let text = String::from_utf8(text.reveal().to_vec()).unwrap();
            assert_eq!(text.split(' ').count(), 6);
            for typed in [
                text.clone(),
                text.to_uppercase(),
                text.replace(' ', "-"),
                text.replace(' ', ", "),
                format!("  {}\n", text.replace(' ', "  ")),
            ] {
                assert_eq!(parse(&typed).unwrap(), text, "{typed}");
            }
        }
    }

    #[test]
    fn every_word_is_as_likely_as_any_other() {
        let mut drawn = vec![0; usize::from(SIZE)];
        for number in (0..=u16::MAX).filter_map(fair) {
            drawn[usize::from(number)] += 1;
        }
        assert!(drawn.iter().all(|times| *times == 8));
    }

    #[test]
    fn the_word_that_is_wrong_is_named_and_a_near_one_suggested() {
        let wrong = |text: &str| match parse(text) {
            Err(Error::Word { word, near }) => (word, near),
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(wrong("abacus zoom abide zebraa zebras qqqqqqq").0, 4);
        assert_eq!(wrong("abacus zoom abide abacsu abdomen able"), (4, Some("abacus")));
        assert_eq!(wrong("abacus zoom abide ability abdomen qqqqqqqqq"), (6, None));
        assert_eq!(wrong("abacus zoom abide ability abdömen able").0, 5);
        let quiet = SixWords::parse(&SecretValue::from(&b"abacsu zoom abide ability abdomen able"[..]), false);
        assert!(matches!(quiet, Err(Error::Word { word: 1, near: None })));
        for (text, want) in [("", 0), ("abacus", 1), ("abacus zoom abide ability abdomen able able", 7)] {
            assert!(matches!(parse(text), Err(Error::WordCount { found }) if found == want), "{text}");
        }
        assert!(parse(&"abacus ".repeat(10_000)).is_err());
    }
}
