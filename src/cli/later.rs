//! Commands whose options are built only when they are the one asked for.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{ArgMatches, Args, Command, Error, FromArgMatches};

/// True once every command is to be described at once, for help.
static ALL: AtomicBool = AtomicBool::new(false);

/// The arguments of a command, described to clap when its name was read: a start of
/// `vault` uses one command, and describing the others takes longer than running it.
///
/// What is left out until then includes what a command is about, so help is written
/// after [`describe_all`].
#[derive(Debug)]
pub(crate) struct Later<T>(T);

/// Describes every command in each tree that is made from here on.
pub(crate) fn describe_all() {
    ALL.store(true, Ordering::Relaxed);
}

impl<T> Deref for Later<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Args> Args for Later<T> {
    fn augment_args(command: Command) -> Command {
        if ALL.load(Ordering::Relaxed) { T::augment_args(command) } else { command.defer(T::augment_args) }
    }

    fn augment_args_for_update(command: Command) -> Command {
        T::augment_args_for_update(command)
    }
}

impl<T: FromArgMatches> FromArgMatches for Later<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        T::from_arg_matches(matches).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        self.0.update_from_arg_matches(matches)
    }
}
