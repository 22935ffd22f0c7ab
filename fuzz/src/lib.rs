//! What each target does with its bytes. A panic is a finding. `tests/fuzz.rs` runs the same functions on the tracked
//! seeds and on what was found before.

pub mod audit;
pub mod chain;
pub mod dotenv;
pub mod file;
pub mod identity;
pub mod json;
mod keys;
pub mod merge;
pub mod profile;
pub mod request;
pub mod time;
