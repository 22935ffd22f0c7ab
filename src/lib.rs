//! The library behind `vault`. `docs/decisions.md` and `tests/layers.rs` say
//! which module may use which; dependencies point down only.

pub mod clock;
pub mod config;
pub mod crypto;
pub mod identity;
pub mod secret_value;
pub mod store;
