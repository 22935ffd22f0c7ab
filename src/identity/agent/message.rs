//! What is said over the socket.
//!
//! A message is its length (32 bits little-endian) and `LP(parts…)`; the first part of a
//! request is its name behind that of the protocol. An answer's first part is one byte,
//! [`Status`]. What is to be signed as a section follows once the agent said that it takes it:
//! it sees what it signs, and need not hold it all at once.

use zeroize::Zeroizing;

use super::{Holding, Limit, MAX_PROFILES, MAX_SECONDS};
use crate::crypto::{Commitment, Hash, PublicKey, Recipient, WrappedKey, length_prefixed};
use crate::secret_value::SecretValue;

/// Largest message, in bytes; texts of sections come behind theirs.
pub(super) const MAX_MESSAGE: usize = 32 * 1024;
/// Largest text of a section, in bytes: that of a vault file.
pub(super) const MAX_SECTION: u64 = 64 << 20;
/// First part of each request, so that no other protocol is taken for this one.
const VERSION: &str = "vault-agent-1";

/// Every request there is.
#[derive(Debug)]
pub(super) enum Request {
    /// Who is held?
    Holds,
    /// Hold an identity for so many seconds, in place of what was held of it.
    Hold { identity: SecretValue, seconds: u64, limits: Option<Vec<Limit>> },
    /// Open the grant of a profile; the answer is a key that matches the commitment, or none.
    Unwrap { recipient: Recipient, limit: Limit, wrapped: WrappedKey },
    /// Sign a section of this profile: `Done` asks for the text, which has so many bytes.
    Section { recipient: Recipient, vault: Hash, profile: String, length: u64 },
    /// Certify the key of an audit log's epoch.
    AuditKey { recipient: Recipient, vault: Hash, device: String, epoch: u64, key: PublicKey },
    /// Forget everything and end.
    Lock,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Status {
    Done = 0,
    Refused = 1,
    NotHeld = 2,
    NotUnlocked = 3,
    DoesNotOpen = 4,
    Commitment = 5,
    MemoryLock = 6,
}

impl Status {
    pub(super) fn of(byte: u8) -> Option<Self> {
        [
            Self::Done,
            Self::Refused,
            Self::NotHeld,
            Self::NotUnlocked,
            Self::DoesNotOpen,
            Self::Commitment,
            Self::MemoryLock,
        ]
        .into_iter()
        .find(|status| *status as u8 == byte)
    }
}

impl Request {
    /// The message, its length in front.
    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let number = |value: u64| value.to_le_bytes();
        match self {
            Self::Holds => request("holds", &[]),
            Self::Lock => request("lock", &[]),
            Self::Hold { identity, seconds, limits } => {
                let limited = [u8::from(limits.is_some())];
                let lines: Vec<Vec<u8>> = limits.iter().flatten().map(encode_limit).collect();
                // The identity goes to the agent, which is of this user and was started by `unlock`.
                let mut parts = vec![identity.reveal()];
                let seconds = number(*seconds);
                parts.extend([&seconds[..], &limited]);
                parts.extend(lines.iter().map(Vec::as_slice));
                request("hold", &parts)
            }
            Self::Unwrap { recipient, limit, wrapped } => {
                request("unwrap", &[recipient.as_str().as_bytes(), &encode_limit(limit), wrapped.as_bytes()])
            }
            Self::Section { recipient, vault, profile, length } => request(
                "section",
                &[recipient.as_str().as_bytes(), vault.as_bytes(), profile.as_bytes(), &number(*length)],
            ),
            Self::AuditKey { recipient, vault, device, epoch, key } => request(
                "audit-key",
                &[recipient.as_str().as_bytes(), vault.as_bytes(), device.as_bytes(), &number(*epoch), key.as_bytes()],
            ),
        }
    }

    /// Reads the parts of a message; `None` for anything that is no request.
    pub(super) fn parse(message: &[u8]) -> Option<Self> {
        let parts = parts(message)?;
        let [version, name, rest @ ..] = parts.as_slice() else { return None };
        if *version != VERSION.as_bytes() {
            return None;
        }
        Some(match (*name, rest) {
            (b"holds", []) => Self::Holds,
            (b"lock", []) => Self::Lock,
            (b"hold", [identity, seconds, limited, lines @ ..]) => {
                let limits = match (*limited, lines) {
                    ([0], []) => None,
                    ([1], lines) if (1..=MAX_PROFILES).contains(&lines.len()) => {
                        Some(lines.iter().map(|line| parse_limit(line)).collect::<Option<_>>()?)
                    }
                    _ => return None,
                };
                let seconds = parse_number(seconds).filter(|seconds| (1..=MAX_SECONDS).contains(seconds))?;
                Self::Hold { identity: SecretValue::from(*identity), seconds, limits }
            }
            (b"unwrap", [recipient, limit, wrapped]) => Self::Unwrap {
                recipient: text(recipient)?.parse().ok()?,
                limit: parse_limit(limit)?,
                wrapped: WrappedKey::from_bytes(wrapped.to_vec()).ok()?,
            },
            (b"section", [recipient, vault, profile, length]) => Self::Section {
                recipient: text(recipient)?.parse().ok()?,
                vault: hash(vault)?,
                profile: text(profile)?.to_owned(),
                length: parse_number(length).filter(|length| *length <= MAX_SECTION)?,
            },
            (b"audit-key", [recipient, vault, device, epoch, key]) => Self::AuditKey {
                recipient: text(recipient)?.parse().ok()?,
                vault: hash(vault)?,
                device: text(device)?.to_owned(),
                epoch: parse_number(epoch)?,
                key: PublicKey::from(<[u8; 32]>::try_from(*key).ok()?),
            },
            _ => return None,
        })
    }
}

/// An answer, its length in front.
pub(super) fn answer(status: Status, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let status = [status as u8];
    framed(&[&[&status[..]], parts].concat())
}

/// The answer to `holds`.
pub(super) fn encode_holding(holding: &Holding) -> Vec<u8> {
    let left = holding.left.to_le_bytes();
    let limited = [u8::from(holding.limits.is_some())];
    let mut parts = vec![holding.recipient.as_str().as_bytes(), holding.signing_key.as_bytes(), &left, &limited];
    for (vault, profile) in holding.limits.iter().flatten() {
        parts.extend([&vault.as_bytes()[..], profile.as_bytes()]);
    }
    length_prefixed(&parts)
}

pub(super) fn parse_holding(bytes: &[u8]) -> Option<Holding> {
    let parts = parts(bytes)?;
    let [recipient, signing_key, left, limited, profiles @ ..] = parts.as_slice() else { return None };
    let limits = match *limited {
        [0] => None,
        _ => Some(
            profiles
                .chunks(2)
                .map(|pair| match pair {
                    [vault, profile] => Some((hash(vault)?, text(profile)?.to_owned())),
                    _ => None,
                })
                .collect::<Option<_>>()?,
        ),
    };
    Some(Holding {
        recipient: text(recipient)?.parse().ok()?,
        signing_key: PublicKey::from(<[u8; 32]>::try_from(*signing_key).ok()?),
        left: parse_number(left)?,
        limits,
    })
}

/// `LP(parts…)` taken apart; `None` if it is anything else.
pub(super) fn parts(mut bytes: &[u8]) -> Option<Vec<&[u8]>> {
    let mut parts = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk::<8>()?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        parts.push(rest.get(..length)?);
        bytes = &rest[length..];
    }
    Some(parts)
}

fn request(name: &str, rest: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    framed(&[&[VERSION.as_bytes(), name.as_bytes()], rest].concat())
}

fn framed(parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let body = Zeroizing::new(length_prefixed(parts));
    // Sized ahead: growing would leave a copy.
    let mut out = Zeroizing::new(Vec::with_capacity(4 + body.len()));
    out.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes());
    out.extend_from_slice(&body);
    out
}

fn encode_limit(limit: &Limit) -> Vec<u8> {
    length_prefixed(&[
        limit.vault.as_bytes(),
        limit.profile.as_bytes(),
        &limit.epoch.to_le_bytes(),
        limit.commitment.as_bytes(),
    ])
}

fn parse_limit(bytes: &[u8]) -> Option<Limit> {
    match parts(bytes)?.as_slice() {
        [vault, profile, epoch, commitment] => Some(Limit {
            vault: hash(vault)?,
            profile: text(profile)?.to_owned(),
            epoch: parse_number(epoch)?,
            commitment: Commitment::from_bytes((*commitment).try_into().ok()?),
        }),
        _ => None,
    }
}

fn hash(bytes: &[u8]) -> Option<Hash> {
    Some(Hash::from_bytes(bytes.try_into().ok()?))
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

fn parse_number(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}
