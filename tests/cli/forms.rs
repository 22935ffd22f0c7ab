//! Finding a secret in an output, whatever form it takes there.

pub(crate) fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    memchr::memmem::find(bytes, needle).is_some()
}

/// What a secret looks like in an output: as it is (so also in a URL, a shell word or JSON, which
/// leave letters and digits alone), in hexadecimal, in base64 at each of its three offsets.
pub(crate) fn forms(secret: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    use data_encoding::{BASE64, BASE64URL, HEXLOWER, HEXUPPER};
    let mut forms = vec![
        ("as it is", secret.to_vec()),
        ("in lower case", secret.to_ascii_lowercase()),
        ("in hexadecimal", HEXLOWER.encode(secret).into_bytes()),
        ("in hexadecimal", HEXUPPER.encode(secret).into_bytes()),
    ];
    let url: String = secret.iter().map(|byte| format!("%{byte:02X}")).collect();
    forms.push(("URL-encoded", url.into_bytes()));
    for offset in 0..3_usize {
        for encoding in [&BASE64, &BASE64URL] {
            let shifted = [&b"\0\0"[..offset], secret].concat();
            let text = encoding.encode(&shifted[..shifted.len() / 3 * 3]);
            // The characters that the bytes before have a share in are left out.
            forms.push(("in base64", text.as_bytes()[(offset * 8).div_ceil(6)..].to_vec()));
        }
    }
    forms
}

#[test]
fn a_secret_is_found_in_each_form_and_at_each_offset() {
    use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
    let secret = b"ABCDEFGHIJKLMNOPQRST";
    let found = |text: &str| forms(secret).iter().any(|(_, form)| contains(text.as_bytes(), form));
    for before in ["", "x", "xy", "xyz"] {
        for after in ["", "x", "xy"] {
            let text = [before.as_bytes(), secret, after.as_bytes()].concat();
            for text in [BASE64.encode(&text), BASE64URL_NOPAD.encode(&text), HEXLOWER.encode(&text)] {
                assert!(found(&text), "{text}");
            }
        }
    }
    assert!(
        found("https://u:ABCDEFGHIJKLMNOPQRST@h/") && found("abcdefghijklmnopqrst") && !found("ABCDEFGHIJKLMNOPQRS")
    );
}
