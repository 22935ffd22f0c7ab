//! The checksum at the end of npm and classic GitHub tokens: CRC-32 in base 62.
//!
//! It finds a mistyped or cut value without a network call. It is no
//! cryptography: anyone can compute it.

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Base-62 digits of the checksum: 62^6 is the first power above 2^32.
pub(super) const DIGITS: usize = 6;

/// Whether `body`, a token without its prefix, ends with the checksum of what
/// stands before; false if it is too short to hold one.
pub(super) fn holds(body: &[u8]) -> bool {
    body.split_last_chunk::<DIGITS>().is_some_and(|(random, check)| base62(crc32(random)) == *check)
}

/// CRC-32 as in IEEE 802.3 (reflected polynomial 0xEDB88320). Bit by bit: a
/// table would cost more memory than the forty bytes of a token are worth.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & 0u32.wrapping_sub(crc & 1));
        }
    }
    !crc
}

/// Most significant digit first, padded with `0`.
fn base62(mut number: u32) -> [u8; DIGITS] {
    let mut text = [b'0'; DIGITS];
    for digit in text.iter_mut().rev() {
        *digit = ALPHABET[(number % 62) as usize];
        number /= 62;
    }
    text
}

/// The text that ends a token whose random part is `random`.
#[cfg(test)]
pub(super) fn of(random: &[u8]) -> [u8; DIGITS] {
    base62(crc32(random))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc32_agrees_with_published_vectors() {
        for (text, want) in [
            ("", 0),
            ("a", 0xE8B7_BE43),
            ("123456789", 0xCBF4_3926),
            ("The quick brown fox jumps over the lazy dog", 0x414F_A339),
        ] {
            assert_eq!(crc32(text.as_bytes()), want, "{text}");
        }
    }

    #[test]
    fn base62_is_padded_to_six_digits() {
        for (number, want) in [(0, b"000000"), (61, b"00000z"), (62, b"000010"), (u32::MAX, b"4gfFC3")] {
            assert_eq!(&base62(number), want, "{number}");
        }
    }

    /// The revoked example token in GitHub's announcement of the format.
    #[test]
    fn the_published_example_holds_and_any_change_to_it_does_not() {
        let body = ["zQWBuTSOoRi4A9spHcVY5n", "cnsDkxkJ", "0mLq17"].concat().into_bytes();
        assert!(holds(&body));
        for at in 0..body.len() {
            let mut mistyped = body.clone();
            mistyped[at] = if mistyped[at] == b'x' { b'y' } else { b'x' };
            assert!(!holds(&mistyped), "byte {at}");
            assert!(!holds(&body[..at]), "cut to {at}");
        }
    }
}
