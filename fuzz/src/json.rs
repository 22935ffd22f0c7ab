//! Any bytes as a JSON object, beside `serde_json`: the same texts are objects, and their strings are the same.

use serde_json::Value;
use vault::interchange::json;

pub fn run(data: &[u8]) {
    let ours = json::parse(data);
    let text = data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data);
    let theirs = serde_json::from_slice::<Value>(text);
    let Ok(parsed) = ours else {
        // What both read as an object ours may refuse for one reason: half a surrogate pair, which serde refuses too.
        assert!(!matches!(theirs, Ok(Value::Object(_))), "an object that is refused");
        return;
    };
    super::dotenv::sound(&parsed, data);
    // Nesting and numbers have bounds there that are none here.
    let Ok(theirs) = theirs else { return };
    let object = theirs.as_object().expect("an object");
    for entry in &parsed.entries {
        match &object[&entry.name] {
            Value::String(text) => assert_eq!(entry.value.reveal(), text.as_bytes()),
            Value::Bool(truth) => assert_eq!(entry.value.reveal(), truth.to_string().as_bytes()),
            // Its digits are kept as they stand.
            Value::Number(_) => assert!(serde_json::from_slice::<Value>(entry.value.reveal()).unwrap().is_number()),
            // The last one of a name is null or nested, and skipped; an earlier one was a value.
            other => {
                assert!(parsed.skipped.iter().any(|skipped| skipped.name.as_deref() == Some(&entry.name)), "{other}")
            }
        }
    }
    let mut out = Vec::new();
    let entries = || parsed.entries.iter().map(|entry| (entry.name.as_str(), entry.value.reveal()));
    json::print(entries(), &mut out).expect("what was read can be written");
    let again = json::parse(&out).expect("what was written can be read");
    assert!(again.skipped.is_empty());
    assert!(entries().eq(again.entries.iter().map(|entry| (entry.name.as_str(), entry.value.reveal()))));
}
