//! What git has to do with a vault file: its three versions in a conflict, the text that
//! a diff shows, and the settings of a clone. Git itself is run by the caller.

mod branches;
mod diff;
mod install;
mod sources;

use std::ffi::OsStr;

pub use branches::holder;
pub use diff::{describe, describe_change};
pub use install::{attributes_line, has_attributes, program_of, quote, settings};
pub use sources::{Error, Origin, Repair, Sources, repair, unmerged};

/// Runs git with arguments in the directory of the vault file. `None` where git
/// fails or there is none; otherwise what it wrote to its standard output.
pub type Git<'a> = dyn Fn(&[&OsStr]) -> Option<Vec<u8>> + 'a;
