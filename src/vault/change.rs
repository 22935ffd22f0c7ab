//! One change of the team: its text, its signature, its hash (`docs/format.md`, section 3).

use std::sync::Arc;

use crate::clock::Timestamp;
use crate::crypto::{
    Commitment, Hash, KdfCost, PublicKey, Recipient, SealedIdentity, Signature, SigningKey, length_prefixed,
};

use super::error::{Kind, Rejected};
use super::name::{DeviceName, MemberName, ProfileName};
use super::text::{
    Canonical, Cursor, InlineOut, MAX_ARRAY, MAX_TEAM_ARRAY, Stop, True, array_field, field, optional_field,
    print_array,
};

/// What a member may do: `admin`, or `write` or `read` for each profile named.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Role {
    /// May change the team, and read and write every profile.
    pub admin: bool,
    /// Profiles that may only be read, sorted; empty for admins.
    pub read: Arc<[ProfileName]>,
    /// Profiles that may be read and written, sorted; empty for admins.
    pub write: Arc<[ProfileName]>,
}

/// Lists of profiles in the roles read so far, with their text. In most teams many members
/// have the same few, and each is read once at a start: there may be thousands of names in all.
#[derive(Default)]
pub(crate) struct Lists<'a>(Vec<(&'a str, Arc<[ProfileName]>)>);

/// A device as it enters the team.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDevice {
    /// Its name.
    pub device: DeviceName,
    /// What grants are wrapped to.
    pub recipient: Recipient,
    /// What it signs with; a device without can only read.
    pub signing_key: Option<PublicKey>,
}

/// A profile's new data key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rekeyed {
    /// The profile.
    pub profile: ProfileName,
    /// Its new epoch.
    pub epoch: u64,
    /// The commitment of the new key.
    pub commitment: Commitment,
}

/// The recovery device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// What grants are wrapped to.
    pub recipient: Recipient,
    /// What it signs with.
    pub signing_key: PublicKey,
    /// Its identity, sealed with the recovery code.
    pub sealed: SealedIdentity,
}

/// What a change does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are those of the table in docs/format.md, section 3")]
pub enum Action {
    Found { nonce: [u8; 16], member: MemberName, device: NewDevice },
    AddMember { member: MemberName, device: NewDevice, role: Role },
    AddDevice { member: MemberName, device: NewDevice },
    RemoveMember { member: MemberName },
    RemoveDevice { device: DeviceName },
    SetRole { member: MemberName, role: Role },
    AddProfile { profile: ProfileName, extends: Vec<ProfileName> },
    SetProfile { profile: ProfileName, extends: Vec<ProfileName> },
    RemoveProfile { profile: ProfileName },
    SealIdentity { device: DeviceName, sealed: SealedIdentity },
    Rekey,
    Recovery { set: Option<Recovery> },
    Adopt { head: Hash, members: Vec<MemberName>, devices: Vec<DeviceName> },
}

impl Action {
    /// The word in the file.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Found { .. } => "found",
            Self::AddMember { .. } => "add_member",
            Self::AddDevice { .. } => "add_device",
            Self::RemoveMember { .. } => "remove_member",
            Self::RemoveDevice { .. } => "remove_device",
            Self::SetRole { .. } => "set_role",
            Self::AddProfile { .. } => "add_profile",
            Self::SetProfile { .. } => "set_profile",
            Self::RemoveProfile { .. } => "remove_profile",
            Self::SealIdentity { .. } => "seal_identity",
            Self::Rekey => "rekey",
            Self::Recovery { .. } => "recovery",
            Self::Adopt { .. } => "adopt",
        }
    }
}

/// A change of the team, as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its number, from 1.
    pub number: u64,
    /// When it was made, by the clock of its signer.
    pub at: Timestamp,
    /// The device that signed it.
    pub by: DeviceName,
    /// What it does.
    pub action: Action,
    /// New data keys that come with it.
    pub rekeyed: Vec<Rekeyed>,
}

/// A change that was read, with what its signature covers.
pub(crate) struct SignedChange<'a> {
    pub(crate) change: Change,
    /// `None` for one that was verified before.
    pub(crate) signature: Option<Signature>,
    /// The text above the signature line.
    pub(crate) signed_text: &'a str,
}

/// The bytes that are signed: `LP("vault/v1/team", previous, text)`.
pub(crate) fn signed_bytes(previous: &Hash, text: &str) -> Vec<u8> {
    length_prefixed(&[b"vault/v1/team", previous.as_bytes(), text.as_bytes()])
}

/// The hash of a change: `SHA-256(LP("vault/v1/change", previous, whole text))`.
pub(crate) fn hash(previous: &Hash, text: &str) -> Hash {
    Hash::of_parts(&[b"vault/v1/change", previous.as_bytes(), text.as_bytes()])
}

impl Change {
    /// Prints and signs. The result is the section's text.
    pub(crate) fn sign(&self, previous: &Hash, key: &SigningKey) -> String {
        let mut text = self.print();
        let signature = key.sign(&signed_bytes(previous, &text));
        field(&mut text, "signature", &signature);
        text
    }

    fn print(&self) -> String {
        let mut out = String::from("[[team]]\n");
        let o = &mut out;
        field(o, "change", &self.number);
        if let Action::Found { nonce, .. } = &self.action {
            field(o, "nonce", nonce);
        }
        field(o, "at", &self.at);
        field(o, "by", &self.by);
        o.push_str("do = \"");
        o.push_str(self.action.word());
        o.push_str("\"\n");
        match &self.action {
            Action::Found { member, device, .. } | Action::AddDevice { member, device } => {
                field(o, "member", member);
                device.print(o);
            }
            Action::AddMember { member, device, role } => {
                field(o, "member", member);
                device.print(o);
                role.print(o);
            }
            Action::RemoveMember { member } => field(o, "member", member),
            Action::RemoveDevice { device } => field(o, "device", device),
            Action::SetRole { member, role } => {
                field(o, "member", member);
                role.print(o);
            }
            Action::AddProfile { profile, extends } | Action::SetProfile { profile, extends } => {
                field(o, "profile", profile);
                array_field(o, "extends", extends);
            }
            Action::RemoveProfile { profile } => field(o, "profile", profile),
            Action::SealIdentity { device, sealed } => {
                field(o, "device", device);
                field(o, "sealed", sealed);
            }
            Action::Rekey | Action::Recovery { set: None } => {}
            Action::Recovery { set: Some(recovery) } => {
                field(o, "recipient", &recovery.recipient);
                field(o, "signing_key", &recovery.signing_key);
                field(o, "sealed", &recovery.sealed);
            }
            Action::Adopt { head, members, devices } => {
                field(o, "head", head);
                array_field(o, "members", members);
                array_field(o, "devices", devices);
            }
        }
        array_field(o, "rekeyed", &self.rekeyed);
        out
    }
}

impl<'a> SignedChange<'a> {
    /// Reads one section. `first_line` is the number of lines of the file before it.
    pub(crate) fn read(text: &'a str, first_line: usize, lists: &mut Lists<'a>) -> Result<Self, Rejected> {
        Self::read_at(&mut Cursor::new(text), text, lists).map_err(|stop| stop.at_line(text, first_line))
    }

    /// Reads one that was read and verified before: its hash says so.
    pub(crate) fn read_known(text: &'a str, lists: &mut Lists<'a>) -> Result<Self, Rejected> {
        let known = Self::read_at(&mut Cursor::of_known(text), text, lists);
        known.map_err(|stop| stop.at_line(text, 0))
    }

    fn read_at(c: &mut Cursor<'a>, text: &'a str, lists: &mut Lists<'a>) -> Result<Self, Stop> {
        c.expect("[[team]]\n")?;
        let number = c.required("change")?;
        let nonce = c.optional::<[u8; 16]>("nonce")?;
        let at = c.required("at")?;
        let by = c.required("by")?;
        let here = *c;
        c.expect("do = \"")?;
        let word = c.rest().split('"').next().unwrap_or_default();
        c.expect(word)?;
        c.expect("\"\n")?;
        if nonce.is_some() != (word == "found") {
            return here.stop(Kind::Layout);
        }
        let action = match word {
            "found" => Action::Found {
                nonce: nonce.unwrap_or_default(),
                member: c.required("member")?,
                device: NewDevice::read(c, true)?,
            },
            "add_member" => Action::AddMember {
                member: c.required("member")?,
                device: NewDevice::read(c, false)?,
                role: Role::read(c, lists)?,
            },
            "add_device" => Action::AddDevice { member: c.required("member")?, device: NewDevice::read(c, false)? },
            "remove_member" => Action::RemoveMember { member: c.required("member")? },
            "remove_device" => Action::RemoveDevice { device: c.required("device")? },
            "set_role" => Action::SetRole { member: c.required("member")?, role: Role::read(c, lists)? },
            "add_profile" => Action::AddProfile { profile: c.required("profile")?, extends: parents(c)? },
            "set_profile" => Action::SetProfile { profile: c.required("profile")?, extends: parents(c)? },
            "remove_profile" => Action::RemoveProfile { profile: c.required("profile")? },
            "seal_identity" => Action::SealIdentity { device: c.required("device")?, sealed: c.required("sealed")? },
            "rekey" => Action::Rekey,
            "recovery" => {
                let set = match c.optional("recipient")? {
                    Some(recipient) => Some(Recovery {
                        recipient,
                        signing_key: c.required("signing_key")?,
                        sealed: c.required("sealed")?,
                    }),
                    None => None,
                };
                Action::Recovery { set }
            }
            "adopt" => Action::Adopt {
                head: c.required("head")?,
                members: c.optional::<Sorted<MemberName>>("members")?.unwrap_or_default().0,
                devices: c.optional::<Sorted<DeviceName>>("devices")?.unwrap_or_default().0,
            },
            _ => return here.stop(Kind::Layout),
        };
        let rekeyed = c.optional::<Sorted<Rekeyed>>("rekeyed")?.unwrap_or_default().0;
        let signed_text = &text[..c.offset()];
        let signature = c.signature_line()?;
        if !c.at_end() {
            return c.stop(Kind::Layout);
        }
        Ok(Self { change: Change { number, at, by, action, rekeyed }, signature, signed_text })
    }
}

fn parents(c: &mut Cursor<'_>) -> Result<Vec<ProfileName>, Stop> {
    let here = *c;
    let parents = c.optional::<Parents>("extends")?.unwrap_or_default().0;
    let mut sorted: Vec<_> = parents.iter().collect();
    sorted.sort_unstable();
    if sorted.is_sorted_by(|a, b| a < b) { Ok(parents) } else { here.stop(Kind::Layout) }
}

impl NewDevice {
    fn read(c: &mut Cursor<'_>, signs: bool) -> Result<Self, Stop> {
        let device = Self {
            device: c.required("device")?,
            recipient: c.required("recipient")?,
            signing_key: c.optional("signing_key")?,
        };
        if signs && device.signing_key.is_none() { c.stop(Kind::Layout) } else { Ok(device) }
    }

    fn print(&self, out: &mut String) {
        field(out, "device", &self.device);
        field(out, "recipient", &self.recipient);
        optional_field(out, "signing_key", self.signing_key.as_ref());
    }
}

impl Role {
    fn read<'a>(c: &mut Cursor<'a>, lists: &mut Lists<'a>) -> Result<Self, Stop> {
        let here = *c;
        let role = Self {
            admin: c.optional::<True>("admin")?.is_some(),
            read: lists.read(c, "read")?,
            write: lists.read(c, "write")?,
        };
        let both = role.read.iter().any(|profile| role.write.binary_search(profile).is_ok());
        if both || (role.admin && !(role.read.is_empty() && role.write.is_empty())) {
            return here.stop(Kind::Layout);
        }
        Ok(role)
    }

    fn print(&self, out: &mut String) {
        optional_field(out, "admin", self.admin.then_some(&True));
        array_field(out, "read", &self.read);
        array_field(out, "write", &self.write);
    }
}

impl<'a> Lists<'a> {
    /// More texts than this are not looked through.
    const MOST: usize = 16;

    /// A sorted array of profiles on a line of its own; nothing if another field comes next.
    fn read(&mut self, c: &mut Cursor<'a>, key: &str) -> Result<Arc<[ProfileName]>, Stop> {
        if !c.take_key(key) {
            return Ok(Arc::default());
        }
        let rest = c.rest();
        let line = &rest[..memchr::memchr(b'\n', rest.as_bytes()).unwrap_or(rest.len())];
        let known = self.0.iter().find(|(text, _)| *text == line).map(|(_, list)| list.clone());
        if let Some(list) = known {
            c.expect(line)?;
            c.expect("\n")?;
            return Ok(list);
        }
        let list: Arc<[ProfileName]> = Sorted::read(c)?.0.into();
        c.expect("\n")?;
        if self.0.len() < Self::MOST {
            self.0.push((line, list.clone()));
        }
        Ok(list)
    }
}

/// The parents of a profile, in order of precedence.
#[derive(Default)]
struct Parents(Vec<ProfileName>);

impl Canonical for Parents {
    fn read(c: &mut Cursor<'_>) -> Result<Self, Stop> {
        c.array(MAX_ARRAY).map(Self)
    }

    fn print(&self, out: &mut String) {
        print_array(out, &self.0);
    }
}

/// An array of the team log that ascends strictly.
struct Sorted<T>(Vec<T>);

impl<T> Default for Sorted<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Canonical + Ascending> Canonical for Sorted<T> {
    fn read(c: &mut Cursor<'_>) -> Result<Self, Stop> {
        let here = *c;
        let elements: Vec<T> = c.array(MAX_TEAM_ARRAY)?;
        if elements.is_sorted_by(|a, b| a.key() < b.key()) { Ok(Self(elements)) } else { here.stop(Kind::Layout) }
    }

    fn print(&self, out: &mut String) {
        print_array(out, &self.0);
    }
}

/// What the elements of a sorted array are sorted by.
trait Ascending {
    fn key(&self) -> &str;
}

impl Ascending for ProfileName {
    fn key(&self) -> &str {
        self.as_str()
    }
}

impl Ascending for MemberName {
    fn key(&self) -> &str {
        self.as_str()
    }
}

impl Ascending for DeviceName {
    fn key(&self) -> &str {
        self.as_str()
    }
}

impl Ascending for Rekeyed {
    fn key(&self) -> &str {
        self.profile.as_str()
    }
}

impl Canonical for Rekeyed {
    fn read(c: &mut Cursor<'_>) -> Result<Self, Stop> {
        let mut table = c.inline()?;
        let rekeyed = Self {
            profile: table.required("profile")?,
            epoch: table.required("epoch")?,
            commitment: table.required("commitment")?,
        };
        table.close()?;
        Ok(rekeyed)
    }

    fn print(&self, out: &mut String) {
        let mut table = InlineOut::open(out);
        table.field("profile", &self.profile);
        table.field("epoch", &self.epoch);
        table.field("commitment", &self.commitment);
        table.close();
    }
}

impl Canonical for SealedIdentity {
    fn read(c: &mut Cursor<'_>) -> Result<Self, Stop> {
        let here = *c;
        let mut table = c.inline()?;
        let (m, t, p) = (table.required("m")?, table.required("t")?, table.required("p")?);
        let (salt, sealed) = (table.required("salt")?, table.required("box")?);
        table.close()?;
        // Refused here, long before anybody is asked for a passphrase.
        let cost = KdfCost::new(m, t, p).or_else(|_| here.stop(Kind::Bounds))?;
        Ok(Self { cost, salt, sealed })
    }

    fn print(&self, out: &mut String) {
        let mut table = InlineOut::open(out);
        table.field("m", &self.cost.memory_kib());
        table.field("t", &self.cost.passes());
        table.field("p", &self.cost.lanes());
        table.field("salt", &self.salt);
        table.field("box", &self.sealed);
        table.close();
    }
}

/// The vault id that a founding change gives: SHA-256 of its signed bytes.
pub(crate) fn founding_id(text: &str) -> Option<Hash> {
    let at = memchr::memmem::rfind(text.as_bytes(), b"\nsignature = ")? + 1;
    Some(Hash::of(&signed_bytes(&Hash::ZERO, &text[..at])))
}
