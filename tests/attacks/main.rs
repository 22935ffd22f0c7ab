//! What somebody with push access, a reader's or a writer's identity, or a vault of their
//! own can do to a vault file (scorecard rows 3 to 6, 37 and 39): it is refused or
//! reported, naming the right thing, and nothing is opened or sealed.
//!
//! The vaults are those of `tests/vectors`, whose identities are known; the defender is
//! the program itself.

#![cfg(unix)]
#![expect(clippy::disallowed_methods, reason = "tests prepare files and run the program")]

mod forge;
mod forged;
mod history;
mod person;
mod planted;
mod swaps;
