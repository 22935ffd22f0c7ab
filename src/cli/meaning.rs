//! What a finding of `vault verify` means, for somebody who knows neither the format nor the
//! words of cryptography. What to type next stands in `hints.rs`.

use vault::{Kind, PinError, Warning};

/// What it means that a file is refused.
pub(crate) fn of(kind: Kind) -> &'static str {
    match kind {
        Kind::NotAVault => "its first lines are not those of a vault: another file, or one whose beginning is gone",
        Kind::TooNew => "somebody here uses a newer vault, whose files this one cannot judge",
        Kind::LineEndings => {
            "git, an editor or a copy turned the ends of lines into those of Windows; nothing is lost, but it is not \
             what was signed"
        }
        Kind::ConflictMarkers => "git merged it line by line, without vault, and left both versions in it",
        Kind::Bounds => {
            "no vault writes as much as that: another program did, or somebody who wants to wear readers out"
        }
        Kind::Layout => {
            "vault writes everything in one way only, and this is written in another: a part is missing, or it was \
             changed by something that is not vault"
        }
        Kind::Id => {
            "a vault's id is made from how it was founded, and cannot be given to another: this is not the vault it \
             is taken for, or not the one you know"
        }
        Kind::Chain => {
            "changes of the team are numbered, and each is bound to the one before: somebody took one out, put one \
             in, or moved one"
        }
        Kind::TeamSignature => {
            "an admin signs each change of the team with a key that nobody else has, and this one is not signed so: \
             somebody edited it, or wrote it in an admin's name"
        }
        Kind::TeamRule => "that change was not theirs to make, or makes no sense after those before it",
        Kind::Profiles => {
            "only an admin adds and removes profiles, and the signed list of the team has no word of this one"
        }
        Kind::Epoch => {
            "a profile gets a new key when somebody leaves, and this is written under another one than the team has \
             now: an older part was put back, or a part of the file comes from another branch"
        }
        Kind::Grants => {
            "each device that may read has the profile's key, locked to it alone: here one is missing, or somebody is \
             given the key who was never let in"
        }
        Kind::TeamHead => {
            "what is signed also says which team it was signed for, and it was another one: a part of the file comes \
             from another branch, or from another vault"
        }
        Kind::Signer => "who may write a profile is for admins to say, and this device may not, or not any more",
        Kind::Clock => "each device counts what it writes, and this count leaves its writer out or has strangers in it",
        Kind::ProfileSignature => {
            "whoever writes a profile signs all of it, and what is there is something else: a value, a name, a date \
             or a key in it was edited or exchanged; use nothing of it"
        }
        Kind::Versions => "each new value of a secret counts one higher than those before, and these do not",
        Kind::Grant => "the profile's key that is meant for this device does not open with its identity",
        Kind::Commitment => {
            "the admins have put on record which key a profile has, and you were handed another one, which its maker \
             may know; nothing was opened or stored with it"
        }
        Kind::Value => "it was damaged, or put there from another secret, version, profile or vault",
        _ => "the file breaks a rule of its format",
    }
}

/// What it means that a file is not as this device remembers it.
pub(crate) fn of_warning(warning: &Warning) -> &'static str {
    match warning {
        Warning::ProfileFork { .. } => {
            "this device has seen writes that are not in this file, which goes on without them: a branch that is not \
             merged yet, or somebody dropped them"
        }
        Warning::ProfileTwice { .. } => {
            "one device gave one number to two writes: its state was copied, or put back from a backup, or somebody \
             else has its key"
        }
        _ => {
            "this device has seen a newer file: you went back, to a branch or a commit, or somebody put an older file \
             in its place to undo what was changed since"
        }
    }
}

/// What it means that what is remembered speaks against a file.
pub(crate) fn of_memory(error: &PinError) -> &'static str {
    match error {
        PinError::FormerSigner { .. } => {
            "the file is older than one that this device saw, and what is new in it was written by somebody who was \
             taken off the team since: it may be made up, with a date of before"
        }
        PinError::MadeUp { .. } => {
            "somebody counted writes in the name of another device, so that it could write no more"
        }
        _ => {
            "the list of who is in the team is not the one that this device knows, nor a later one: two branches both \
             changed the team, or somebody made up another past"
        }
    }
}
