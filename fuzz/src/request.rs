//! Any text as a request to join; and any bytes as what stands in one, signed.

use data_encoding::BASE64URL_NOPAD;
use vault::crypto::SigningKey;
use vault::team::Request;

pub fn run(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        check(text);
    }
    let key = SigningKey::from_seed(&[7; 32]);
    // The key stands behind its length at the end: there the fuzzer need not find it.
    let public = [&32u64.to_le_bytes()[..], key.public().as_bytes()].concat();
    for body in [data.to_vec(), [data, &public].concat()] {
        let signed = [&body[..], key.sign(&body).as_bytes()].concat();
        check(&format!("vlt-join1{}", BASE64URL_NOPAD.encode(&signed)));
    }
}

fn check(text: &str) {
    if let Ok(request) = text.parse::<Request>() {
        assert_eq!(request.to_string(), text.trim(), "one text for one request");
        let device = request.to_device();
        assert_eq!((&device.recipient, device.signing_key), (&request.recipient, Some(request.signing_key)));
    }
}
