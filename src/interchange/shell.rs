//! `export` lines for a POSIX shell.

use memchr::memchr;

use super::{Error, print_each};

/// Writes `export NAME='value'` lines that a POSIX shell evaluates to exactly
/// these bytes (XCU 2.2.2: between single quotes nothing is special but the
/// single quote, written here as `'\''`).
///
/// `out` grows without leaving a copy behind and is for the caller to wipe.
///
/// # Errors
/// [`Error::NotAName`], [`Error::TooLarge`], [`Error::Nul`]; `out` is then as it
/// was before.
pub fn print<'a>(entries: impl IntoIterator<Item = (&'a str, &'a [u8])>, out: &mut Vec<u8>) -> Result<(), Error> {
    print_each(entries, out, |name, value, out| {
        if memchr(0, value).is_some() {
            return Err(Error::Nul { name: name.to_owned() });
        }
        out.extend_from_slice(b"export ");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"='");
        for byte in value {
            match byte {
                b'\'' => out.extend_from_slice(b"'\\''"),
                _ => out.push(*byte),
            }
        }
        out.extend_from_slice(b"'\n");
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn printed(value: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        print([("A", value)], &mut out).unwrap();
        out
    }

    #[test]
    fn quotes_for_a_posix_shell() {
        let cases: [(&[u8], &[u8]); 6] = [
            (b"", b"export A=''\n"),
            (b"plain", b"export A='plain'\n"),
            (b"it's", b"export A='it'\\''s'\n"),
            (b"$HOME `id` \\ \"", b"export A='$HOME `id` \\ \"'\n"),
            (b"a\nb\r\t", b"export A='a\nb\r\t'\n"),
            (b"\xff''", b"export A='\xff'\\'''\\'''\n"),
        ];
        for (value, want) in cases {
            assert_eq!(printed(value), want, "{value:?}");
        }
    }

    #[test]
    fn nul_is_an_error_that_names_the_variable() {
        let mut out = Vec::new();
        let error = print([("A", &b"x"[..]), ("B", b"secret\0")], &mut out).unwrap_err();
        assert_eq!(error.to_string(), "value of B has a NUL byte, which a shell cannot hold");
        assert!(out.is_empty());
    }

    /// What a shell makes of quoted runs and `\'` between them; none if any
    /// other byte is outside quotes.
    fn evaluate(mut word: &[u8]) -> Option<Vec<u8>> {
        let mut value = Vec::new();
        while let Some((first, rest)) = word.split_first() {
            word = if *first == b'\'' {
                let end = memchr(b'\'', rest)?;
                value.extend_from_slice(&rest[..end]);
                &rest[end + 1..]
            } else {
                value.push(b'\'');
                word.strip_prefix(b"\\'")?
            };
        }
        Some(value)
    }

    proptest! {
        #[test]
        fn a_shell_reads_the_same_bytes(value in prop::collection::vec(prop_oneof![Just(b'\''), Just(b'\\'), 1u8..], 0..64)) {
            let out = printed(&value);
            let word = out.strip_prefix(b"export A=").and_then(|rest| rest.strip_suffix(b"\n")).unwrap();
            prop_assert_eq!(evaluate(word), Some(value));
        }
    }
}
