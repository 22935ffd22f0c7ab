//! What is said between `vault rotate --run` and a rotator: one JSON object in, one
//! out, secrets nowhere else (`docs/rotation.md`, section 4).
//!
//! Pure: a caller runs the program.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use zeroize::Zeroizing;

use crate::secret_value::SecretValue;
use crate::vault::{MAX_VALUE, ProfileName, SecretName};

/// Most bytes that a rotator is given; they fit into a pipe, so that giving them never waits.
pub const MAX_REQUEST: usize = 60 * 1024;
/// Most bytes of its answer that are read.
pub const MAX_ANSWER: usize = 2 << 20;

/// What a rotator is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Make a new value, and leave the current one working. With a pending value: make
    /// exactly that one work, also if it does already.
    Create,
    /// Prove that the pending value works, and change nothing.
    Verify,
    /// Make a replaced value stop working, also if it has already.
    Revoke,
}

impl Step {
    /// The word in the request.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Verify => "verify",
            Self::Revoke => "revoke",
        }
    }
}

/// Why a rotator's answer was refused. Never holds any of it.
#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone)]
#[non_exhaustive]
pub enum Error {
    /// No output at all.
    #[error("the rotator printed nothing")]
    Nothing,
    /// Over [`MAX_ANSWER`].
    #[error("the rotator printed more than 2 MiB")]
    TooMuch,
    /// Not a JSON object as the protocol has it.
    #[error("the rotator did not print one JSON object with the values it made")]
    Garbage,
    /// A name is there twice.
    #[error("the rotator printed two values for {0}")]
    Twice(SecretName),
    /// A name was asked for and is not there.
    #[error("the rotator printed no value for {0}")]
    Missing(SecretName),
    /// A name that was not asked for.
    #[error("the rotator printed a value for a name that was not asked for")]
    NotAsked,
    /// An empty value, or one over 1 MiB.
    #[error("the rotator printed an empty value or one over 1 MiB for {0}")]
    Bounds(SecretName),
    /// It printed a value where it was given one to make work.
    #[error("the rotator printed another value for {0} than the one it was given")]
    Other(SecretName),
    /// A value that JSON cannot carry.
    #[error("the value of {0} is not UTF-8, which a rotator cannot be given")]
    NotText(SecretName),
    /// Over [`MAX_REQUEST`].
    #[error("the values are over the 60 KiB that a rotator can be given")]
    TooLarge,
}

/// Values by name, in order.
pub type Values = Vec<(SecretName, SecretValue)>;

/// The request: `{"vault_rotator": 1, "step", "profile", "names", KIND: {NAME: VALUE}…}`,
/// with kinds of values such as `current` and `pending`.
///
/// # Errors
/// [`Error::NotText`], [`Error::TooLarge`].
pub fn request(
    step: Step,
    profile: &ProfileName,
    names: &[SecretName],
    kinds: &[(&str, &[(SecretName, SecretValue)])],
) -> Result<SecretValue, Error> {
    // One allocation that is large enough: growing would leave copies behind.
    let mut text = Zeroizing::new(String::with_capacity(MAX_REQUEST * 8));
    let list: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    text.push_str(&format!(
        "{{\"vault_rotator\":1,\"step\":\"{}\",\"profile\":\"{profile}\",\"names\":[{}]",
        step.word(),
        list.join(",")
    ));
    for (kind, values) in kinds.iter().filter(|(_, values)| !values.is_empty()) {
        text.push_str(&format!(",\"{kind}\":{{"));
        for (position, (name, value)) in values.iter().enumerate() {
            // Into the request, which goes to the rotator's standard input.
            let value = std::str::from_utf8(value.reveal()).map_err(|_| Error::NotText(name.clone()))?;
            // Escaping makes six bytes of one at most.
            if value.len() > MAX_REQUEST {
                return Err(Error::TooLarge);
            }
            text.push_str(&format!("{}\"{name}\":\"", if position == 0 { "" } else { "," }));
            escape(value, &mut text);
            text.push('"');
            if text.len() > MAX_REQUEST {
                return Err(Error::TooLarge);
            }
        }
        text.push('}');
    }
    text.push_str("}\n");
    Ok(SecretValue::from(text.as_bytes()))
}

/// A JSON string's inside (RFC 8259 §7).
fn escape(value: &str, out: &mut String) {
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if u32::from(c) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
}

/// The values of an answer to [`Step::Create`]: exactly one for each of `names`.
///
/// # Errors
/// What is wrong with it, in the order of [`Error`].
pub fn answer(output: &[u8], names: &[SecretName]) -> Result<Values, Error> {
    let found = values(output)?;
    let mut values: Values = Vec::new();
    for (name, value) in found {
        let name = names.iter().find(|asked| asked.as_str() == name).ok_or(Error::NotAsked)?;
        if values.iter().any(|(seen, _)| seen == name) {
            return Err(Error::Twice(name.clone()));
        }
        if value.is_empty() || value.len() > MAX_VALUE {
            return Err(Error::Bounds(name.clone()));
        }
        values.push((name.clone(), value));
    }
    match names.iter().find(|name| values.iter().all(|(found, _)| found != *name)) {
        Some(missing) => Err(Error::Missing(missing.clone())),
        None => Ok(values),
    }
}

/// Checks the answer to [`Step::Create`] with a pending value: nothing, no values, or
/// the very values that were given.
///
/// # Errors
/// [`Error::Other`], [`Error::Garbage`] and the like.
pub fn agrees(output: &[u8], pending: &[(SecretName, SecretValue)]) -> Result<(), Error> {
    if output.trim_ascii().is_empty() {
        return Ok(());
    }
    for (name, value) in values(output)? {
        let (name, given) = pending.iter().find(|(given, _)| given.as_str() == name).ok_or(Error::NotAsked)?;
        if !value.same_as(given) {
            return Err(Error::Other(name.clone()));
        }
    }
    Ok(())
}

fn values(output: &[u8]) -> Result<Vec<(String, SecretValue)>, Error> {
    if output.len() > MAX_ANSWER {
        return Err(Error::TooMuch);
    }
    if output.trim_ascii().is_empty() {
        return Err(Error::Nothing);
    }
    // Its error could quote the output, so nothing of it is kept.
    serde_json::from_slice::<Answer>(output).map(|answer| answer.0).map_err(|_| Error::Garbage)
}

/// `{"values": {NAME: VALUE}}`; other keys are for later versions.
struct Answer(Vec<(String, SecretValue)>);

impl<'de> Deserialize<'de> for Answer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Answer;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Answer, A::Error> {
                let mut found = None;
                while let Some(key) = map.next_key::<String>()? {
                    if key != "values" {
                        map.next_value::<IgnoredAny>()?;
                    } else if found.replace(map.next_value::<Pairs>()?.0).is_some() {
                        return Err(serde::de::Error::custom("values twice"));
                    }
                }
                Ok(Answer(found.unwrap_or_default()))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// An object as its pairs, so that a name that is there twice is not lost. Values go
/// straight into memory that is wiped.
struct Pairs(Vec<(String, SecretValue)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, String>()? {
                    pairs.push((name, SecretValue::new(value.into_bytes())));
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<SecretName> {
        list.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn an_answer_is_one_object_with_exactly_the_values_asked_for() {
        let asked = names(&["A", "B"]);
        let good = answer(br#"{"values":{"B":"2","A":"\u0031\n"},"note":{"x":[null]}}"#, &asked).unwrap();
        assert_eq!((good[1].0.as_str(), good[1].1.reveal()), ("A", &b"1\n"[..]));
        let error = |text: &str| answer(text.as_bytes(), &asked).unwrap_err();
        let name = |name: &str| name.parse::<SecretName>().unwrap();
        assert_eq!(error(""), Error::Nothing);
        assert_eq!(error(" \n"), Error::Nothing);
        for garbage in [
            "sk-secret",
            "{\"values\":{\"A\":\"1\",\"B\":\"2\"}",
            r#"{"values":{"A":"1","B":"2"}} {}"#,
            r#"{"values":{"A":1,"B":"2"}}"#,
            r#"{"values":"x"}"#,
            r#"{"values":{},"values":{}}"#,
            "[]",
            "{\"values\":{\"A\":\"\u{0}\"",
        ] {
            assert_eq!(error(garbage), Error::Garbage, "{garbage}");
        }
        assert_eq!(error(r#"{"values":{"A":"1","A":"2","B":"3"}}"#), Error::Twice(name("A")));
        assert_eq!(error(r#"{"values":{"A":"1"}}"#), Error::Missing(name("B")));
        assert_eq!(error("{}"), Error::Missing(name("A")));
        assert_eq!(error(r#"{"values":{"A":"1","B":"2","C":"3"}}"#), Error::NotAsked);
        assert_eq!(error(r#"{"values":{"A":"","B":"2"}}"#), Error::Bounds(name("A")));
        assert_eq!(error(&"x".repeat(MAX_ANSWER + 1)), Error::TooMuch);
    }

    #[test]
    fn a_value_that_was_given_may_be_repeated_and_not_changed() {
        let pending = vec![("A".parse::<SecretName>().unwrap(), SecretValue::from(&b"new"[..]))];
        for fine in ["", "\n", "{}", r#"{"values":{}}"#, r#"{"values":{"A":"new"}}"#] {
            assert_eq!(agrees(fine.as_bytes(), &pending), Ok(()), "{fine}");
        }
        let other = agrees(br#"{"values":{"A":"old"}}"#, &pending);
        assert_eq!(other, Err(Error::Other("A".parse().unwrap())));
        assert_eq!(agrees(b"done", &pending), Err(Error::Garbage));
    }

    #[test]
    fn a_request_is_json_whatever_the_value() {
        let odd = "quote \" backslash \\ newline \n tab \t bell \u{7} \u{2028} é";
        let values: Values = vec![("A".parse().unwrap(), SecretValue::from(odd.as_bytes()))];
        let profile: ProfileName = "prod".parse().unwrap();
        let text = request(Step::Revoke, &profile, &names(&["A"]), &[("revoked", &values), ("current", &[])]).unwrap();
        let read: serde_json::Value = serde_json::from_slice(text.reveal()).unwrap();
        assert_eq!(read["revoked"]["A"], odd);
        assert_eq!((&read["step"], &read["vault_rotator"]), (&"revoke".into(), &1.into()));
        assert!(read.get("current").is_none());
        let request = |bytes: Vec<u8>| {
            let values: Values = vec![("A".parse().unwrap(), SecretValue::new(bytes))];
            super::request(Step::Create, &profile, &[], &[("current", &values)]).map(drop)
        };
        assert_eq!(request(b"\xff".to_vec()), Err(Error::NotText("A".parse().unwrap())));
        for (byte, length) in [(b'a', MAX_REQUEST), (b'\n', MAX_REQUEST / 5), (b'a', 1 << 20)] {
            assert_eq!(request(vec![byte; length]), Err(Error::TooLarge), "{length}");
        }
        assert_eq!(request(vec![b'a'; MAX_REQUEST / 2]), Ok(()));
    }
}
