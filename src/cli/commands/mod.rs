//! One file per command: its arguments, then `run`: check, change, say.

pub(crate) mod audit;
pub(crate) mod config;
pub(crate) mod cp;
pub(crate) mod doctor;
pub(crate) mod exec;
pub(crate) mod export;
pub(crate) mod get;
pub(crate) mod git;
pub(crate) mod identity;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod join;
pub(crate) mod list;
pub(crate) mod member;
pub(crate) mod mv;
pub(crate) mod profile;
pub(crate) mod recover;
pub(crate) mod recovery;
pub(crate) mod rm;
pub(crate) mod rotate;
pub(crate) mod rotation;
pub(crate) mod set;
pub(crate) mod show;
pub(crate) mod trust;
pub(crate) mod verify;
pub(crate) mod which;
