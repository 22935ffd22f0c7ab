use std::io::Read;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Stdio;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use vault::clock::Span;
use vault::exec::process::keep_descriptors;
use vault::identity::agent::{Agent, AgentError, Limit, MAX_PROFILES, MAX_SECONDS};
use vault::{ProfileName, identity, store};

use crate::cli::context::{Context, Opened};
use crate::cli::error::CommandError;
use crate::cli::program::command;
use crate::cli::time::local_time;
use crate::cli::ui::Ui;
use crate::cli::unlock;

/// How long the agent may take to come up.
const PATIENCE: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };

/// Keep this device's identity unlocked for a while
///
/// Starts the agent, a process that opens values and signs for the commands you run until
/// the time is up or `vault lock`. It gives the identity to nobody, and changes of the team
/// go on asking for it. Unlocking again replaces what was said before. `--profile`, once or
/// several times, limits it to these profiles and those they extend.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// How long [default: 8h, or `agent_for` of the configuration]
    #[arg(long = "for", value_name = "DURATION")]
    span: Option<Span>,
}

pub(crate) fn run(cx: &mut Context, ui: &mut Ui, args: &Args) -> Result<(), CommandError> {
    let span = args.span.unwrap_or_else(|| cx.settings().agent_for());
    if span.seconds() > MAX_SECONDS {
        return Err(CommandError::usage("the agent keeps an identity for at most 30d".to_owned()));
    }
    let profiles = cx.globals.profiles.clone();
    let opened = if profiles.is_empty() && cx.vault_path().is_err() { None } else { Some(cx.open(ui)?) };
    let limits = match &opened {
        Some(opened) if !profiles.is_empty() => Some(limits(cx, ui, opened, &profiles)?),
        _ => None,
    };
    let identity = unlock::to_hold(cx, ui, opened.as_ref().map(|opened| &opened.vault))?;
    if let Some(opened) = &opened {
        match opened.vault.team().device_of(&identity.recipient()) {
            Some(device) => {
                cx.check_signing_key(opened, &device, &identity)?;
                cx.remember_device(opened, &device)?;
            }
            None if limits.is_some() => return Err(vault::Error::NotAMember.into()),
            None => ui.warn("the vault here knows this identity as no device; `vault join` asks for that"),
        }
    }

    let agent = unlock::agent(cx);
    let names: Option<Vec<String>> =
        limits.as_ref().map(|limits| limits.iter().map(|limit| limit.profile.clone()).collect());
    let hold = || agent.hold(&identity, span.seconds(), limits.clone()).map_err(identity::Error::from);
    if !hold()? {
        start(cx, &agent)?;
        if !hold()? {
            return Err(identity::Error::from(AgentError::NotHeld).into());
        }
    }
    let until = local_time(cx.now().plus(span));
    match names {
        None => ui.note(&format!("unlocked until {until}; `vault lock` ends it")),
        Some(names) => ui.note(&format!("unlocked until {until} for {}; `vault lock` ends it", names.join(", "))),
    }
    Ok(())
}

/// The keys that are unlocked: as they are now, so that nothing else opens with them.
fn limits(cx: &Context, ui: &mut Ui, opened: &Opened, profiles: &[ProfileName]) -> Result<Vec<Limit>, CommandError> {
    let mut limits: Vec<Limit> = Vec::new();
    for profile in profiles {
        let lineage = opened.vault.lineage(profile).map_err(|error| cx.name_profiles(opened, error))?;
        cx.sections(ui, opened, &lineage)?;
        for name in lineage {
            if limits.iter().any(|limit| limit.profile == name.as_str()) {
                continue;
            }
            let state = opened.vault.team().profiles().get(&name);
            let state = state.ok_or_else(|| vault::Error::NoProfile(name.clone()))?;
            limits.push(Limit {
                vault: opened.vault.id(),
                profile: name.to_string(),
                epoch: state.epoch,
                commitment: state.commitment,
            });
        }
    }
    if limits.len() > MAX_PROFILES {
        return Err(CommandError::usage(format!("unlocking can be limited to at most {MAX_PROFILES} profiles")));
    }
    Ok(limits)
}

/// Starts the agent, unless somebody else just did.
fn start(cx: &Context, agent: &Agent) -> Result<(), CommandError> {
    let failed = |reason: &str| identity::Error::from(AgentError::NotStarted { reason: reason.to_owned() });
    let directory: &Path = agent.directory();
    store::create_private_dir_all(directory)?;
    let _lock = store::Lock::acquire(directory, cx.globals.lock_timeout())?;
    if agent.holdings().map_err(identity::Error::from)?.is_some() {
        return Ok(());
    }
    let program = std::env::current_exe().map_err(|_| failed("this program is not found"))?;
    let mut command = command(program);
    // Nothing of the caller's is kept for hours: no environment, directory, terminal or open file.
    keep_descriptors();
    command.arg("agent").arg("--directory").arg(directory).env_clear().current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|_| failed("the system does not start it"))?;
    let mut output = child.stdout.take().ok_or_else(|| failed("it cannot be heard"))?;
    let mut wait = [PollFd::from_borrowed_fd(output.as_fd(), PollFlags::IN)];
    // Its first byte says that it can be reached; it goes on by itself then.
    if poll(&mut wait, Some(&PATIENCE)).is_ok_and(|ready| ready > 0)
        && output.read(&mut [0]).is_ok_and(|count| count == 1)
    {
        return Ok(());
    }
    let _ = child.kill();
    let _ = child.wait();
    if agent.directory().join("agent.sock").exists() {
        return Err(failed("it did not come up in time").into());
    }
    Err(failed("its directory must be yours alone, on a file system that has sockets").into())
}
