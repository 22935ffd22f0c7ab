//! One file per command: its arguments, then `run`: check, change, say.

pub(crate) mod audit;
pub(crate) mod config;
pub(crate) mod doctor;
pub(crate) mod exec;
pub(crate) mod expose;
pub(crate) mod get;
pub(crate) mod history;
pub(crate) mod identity;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod list;
pub(crate) mod profile;
pub(crate) mod remind;
pub(crate) mod restore;
pub(crate) mod rm;
pub(crate) mod rotate;
pub(crate) mod rotation;
pub(crate) mod schedule;
pub(crate) mod set;
pub(crate) mod show;
pub(crate) mod trust;
pub(crate) mod verify;
pub(crate) mod which;
