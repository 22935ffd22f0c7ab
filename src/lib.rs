//! The library behind `vault`. `docs/decisions.md` and `tests/layers.rs` say
//! which module may use which; dependencies point down only.

pub mod audit;
pub mod clock;
pub mod config;
pub mod crypto;
pub mod exec;
pub mod git;
pub mod identity;
pub mod interchange;
pub mod near;
pub mod provider;
pub mod rotation;
pub mod secret_value;
pub mod signals;
pub mod store;
pub mod team;
pub mod vault;

pub use vault::*;
