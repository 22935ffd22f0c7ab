use std::path::PathBuf;

use vault::identity;
use vault::identity::agent::{AgentError, serve};

use crate::cli::error::CommandError;

/// The agent itself; `vault unlock` starts it
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Where its socket is to be
    #[arg(long, value_name = "DIR")]
    directory: PathBuf,
}

/// Needs no configuration, and takes nothing from the environment: whoever starts it says it all.
pub(crate) fn run(args: &Args) -> Result<(), CommandError> {
    // Apart from the terminal, so that closing it ends nothing. Fails for a process that is alone already.
    let _ = rustix::process::setsid();
    let served = serve(&args.directory, || {
        // Heard by `unlock`, which waits for it; from here on nobody listens.
        let _ = rustix::io::write(rustix::stdio::stdout(), b"\n");
        let null = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CLOEXEC;
        if let Ok(null) = rustix::fs::open("/dev/null", null, rustix::fs::Mode::empty()) {
            let _ = rustix::stdio::dup2_stdout(&null);
        }
    });
    served.map_err(|error: AgentError| identity::Error::from(error).into())
}
