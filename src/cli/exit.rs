//! Exit codes (`docs/exit-codes.md`).

/// What a status means. `exec` answers [`Exit::Exec`] for all failures of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done = 0,
    /// A check found something.
    Found = 1,
    /// Wrong usage.
    Usage = 2,
    /// No such vault, profile, secret or member.
    Missing = 3,
    /// Cannot unlock: no identity, wrong passphrase, no grant.
    Locked = 4,
    /// The file cannot be trusted: damaged, unverified, another id, unknown place.
    Untrusted = 5,
    /// Not permitted by role or policy.
    Forbidden = 6,
    /// Conflict or lock timeout.
    Conflict = 7,
    /// Input or output failed.
    Io = 8,
    /// `exec` itself failed.
    Exec = 125,
    /// `exec`: found but not executable.
    NotExecutable = 126,
    /// `exec`: command not found.
    NotFound = 127,
}
