//! Our side of the socket: short, with a time limit, and only to a process of this user.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::{Errno, retry_on_intr};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketType, connect, recv, send, socket};
use zeroize::Zeroizing;

use super::message::{MAX_MESSAGE, MAX_SECTION, Request, Status, parse_holding, parts};
use super::{AgentError, Holding, Limit, SOCKET, TIME_UP, is_private};
use crate::crypto::{self, DataKey, Hash, IdentityKey, PublicKey, Recipient, Signature};
use crate::identity::Error;
use crate::identity::unlocked::{AuditKey, Grant, Unlocked};

/// How long the agent may take for anything: it does one thing at a time, each far shorter.
const PATIENCE: Duration = Duration::from_secs(5);

/// This user's agent, running or not.
#[derive(Clone, Debug)]
pub struct Agent {
    directory: PathBuf,
}

/// An identity that the agent holds.
#[derive(Clone, Debug)]
pub struct Session {
    agent: Agent,
    holding: Holding,
}

impl Agent {
    /// The agent whose socket is in this directory ([`super::directory`]).
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Where its socket is.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What it holds; `None` if none runs. Where there is no socket this is one system call.
    ///
    /// # Errors
    /// [`AgentError`].
    pub fn holdings(&self) -> Result<Option<Vec<Holding>>, AgentError> {
        let Some(answer) = self.ask(&Request::Holds)? else { return Ok(None) };
        let lines = answer.done(AgentError::Refused)?;
        lines.iter().map(|line| parse_holding(line)).collect::<Option<_>>().map(Some).ok_or(AgentError::OtherVersion)
    }

    /// A session with an identity it holds.
    #[must_use]
    pub fn session(&self, holding: Holding) -> Session {
        Session { agent: self.clone(), holding }
    }

    /// Has it hold an identity. False if none runs.
    ///
    /// # Errors
    /// [`AgentError`].
    pub fn hold(&self, identity: &IdentityKey, seconds: u64, limits: Option<Vec<Limit>>) -> Result<bool, AgentError> {
        let request = Request::Hold { identity: identity.to_text(), seconds, limits };
        let Some(answer) = self.ask(&request)? else { return Ok(false) };
        answer.done(AgentError::Refused)?;
        let _ = std::fs::remove_file(self.directory.join(TIME_UP));
        Ok(true)
    }

    /// Has it forget everything and end; one that does not answer is killed. False if none ran.
    ///
    /// # Errors
    /// [`AgentError`].
    pub fn lock(&self) -> Result<bool, AgentError> {
        let _ = std::fs::remove_file(self.directory.join(TIME_UP));
        let Some(stream) = self.connect()? else { return Ok(false) };
        let asked =
            exchange(stream.as_fd(), &Request::Lock).and_then(|answer| answer.done(AgentError::Refused).map(|_| true));
        match asked {
            Ok(locked) => Ok(locked),
            Err(error) => {
                let Some(process) = peer_process(stream.as_fd()) else { return Err(error) };
                rustix::process::kill_process(process, rustix::process::Signal::KILL)
                    .map_err(|errno| AgentError::Io(errno.into()))?;
                let _ = std::fs::remove_file(self.directory.join(SOCKET));
                Ok(true)
            }
        }
    }

    fn ask(&self, request: &Request) -> Result<Option<Reply>, AgentError> {
        match self.connect()? {
            Some(stream) => exchange(stream.as_fd(), request).map(Some),
            None => Ok(None),
        }
    }

    /// A connection; `None` if there is no socket, or nobody listens on it.
    fn connect(&self) -> Result<Option<OwnedFd>, AgentError> {
        let path = self.directory.join(SOCKET);
        if rustix::fs::lstat(&path).is_err() {
            return Ok(None);
        }
        if !is_private(&self.directory) {
            return Err(AgentError::Directory(self.directory.clone()));
        }
        let failed = |errno: Errno| AgentError::Io(errno.into());
        let stream = socket(AddressFamily::UNIX, SocketType::STREAM, None).map_err(failed)?;
        rustix::io::fcntl_setfd(&stream, rustix::io::FdFlags::CLOEXEC).map_err(failed)?;
        for which in [Timeout::Recv, Timeout::Send] {
            set_socket_timeout(&stream, which, Some(PATIENCE)).map_err(failed)?;
        }
        #[cfg(target_vendor = "apple")]
        rustix::net::sockopt::set_socket_nosigpipe(&stream, true).map_err(failed)?;
        let connected = match SocketAddrUnix::new(&path) {
            Ok(address) => retry_on_intr(|| connect(&stream, &address)),
            // The address of a socket has no room for a long path.
            Err(_) => through_directory(&self.directory, &stream),
        };
        match connected {
            Ok(()) => {}
            Err(Errno::CONNREFUSED | Errno::NOENT) => return Ok(None),
            Err(Errno::AGAIN) => return Err(AgentError::NoAnswer),
            Err(errno) => return Err(failed(errno)),
        }
        if peer_is_us(stream.as_fd()) { Ok(Some(stream)) } else { Err(AgentError::Stranger(path)) }
    }
}

impl Session {
    /// What the agent told of it.
    #[must_use]
    pub fn holding(&self) -> &Holding {
        &self.holding
    }

    fn ask(&self, request: &Request) -> Result<Reply, AgentError> {
        self.agent.ask(request)?.ok_or(AgentError::NotHeld)
    }
}

impl Unlocked for Session {
    fn recipient(&self) -> Recipient {
        self.holding.recipient.clone()
    }

    fn signing_key(&self) -> Option<PublicKey> {
        Some(self.holding.signing_key)
    }

    fn unwrap(&self, grant: &Grant<'_>) -> Result<DataKey, Error> {
        let limit = Limit {
            vault: *grant.vault,
            profile: grant.profile.to_owned(),
            epoch: grant.epoch,
            commitment: *grant.commitment,
        };
        let request = Request::Unwrap { recipient: self.recipient(), limit, wrapped: grant.wrapped.clone() };
        let reply = self.ask(&request)?;
        match reply.status {
            Status::DoesNotOpen => return Err(crypto::Error::GrantDoesNotOpen.into()),
            Status::Commitment => return Err(crypto::Error::Commitment.into()),
            _ => {}
        }
        let refused = AgentError::NotUnlocked { profile: grant.profile.to_owned() };
        let parts = reply.done(refused)?;
        let [key] = parts[..] else { return Err(AgentError::OtherVersion.into()) };
        // Whoever answered: only the key that the team log knows is taken.
        Ok(DataKey::committed(key, grant.profile, grant.epoch, grant.commitment)?)
    }

    fn sign_section(&self, vault: &Hash, profile: &str, text: &str) -> Result<Signature, Error> {
        let length = text.len() as u64;
        if length > MAX_SECTION {
            return Err(AgentError::Refused.into());
        }
        let request =
            Request::Section { recipient: self.recipient(), vault: *vault, profile: profile.to_owned(), length };
        let refused = || AgentError::NotUnlocked { profile: profile.to_owned() };
        let stream = self.agent.connect()?.ok_or(AgentError::NotHeld)?;
        exchange(stream.as_fd(), &request)?.done(refused())?;
        send_all(stream.as_fd(), text.as_bytes())?;
        signature(&receive(stream.as_fd())?, refused())
    }

    fn certify(&self, key: &AuditKey<'_>) -> Result<Signature, Error> {
        let request = Request::AuditKey {
            recipient: self.recipient(),
            vault: *key.vault,
            device: key.device.to_owned(),
            epoch: key.epoch,
            key: *key.key,
        };
        signature(&self.ask(&request)?, AgentError::Refused)
    }

    fn in_hand(&self) -> Option<&IdentityKey> {
        None
    }
}

/// An answer.
struct Reply {
    status: Status,
    bytes: Zeroizing<Vec<u8>>,
}

impl Reply {
    /// What came with it; `not_unlocked` is the error for a profile that was not unlocked.
    fn done(&self, not_unlocked: AgentError) -> Result<Vec<&[u8]>, AgentError> {
        match self.status {
            Status::Done => Ok(parts(&self.bytes).ok_or(AgentError::OtherVersion)?.split_off(1)),
            Status::NotHeld => Err(AgentError::NotHeld),
            Status::NotUnlocked => Err(not_unlocked),
            Status::MemoryLock => Err(AgentError::MemoryLock),
            Status::Refused | Status::DoesNotOpen | Status::Commitment => Err(AgentError::Refused),
        }
    }
}

fn signature(reply: &Reply, not_unlocked: AgentError) -> Result<Signature, Error> {
    let parts = reply.done(not_unlocked)?;
    let [bytes] = parts[..] else { return Err(AgentError::OtherVersion.into()) };
    Ok(Signature::from(<[u8; 64]>::try_from(bytes).map_err(|_| AgentError::OtherVersion)?))
}

fn exchange(stream: BorrowedFd<'_>, request: &Request) -> Result<Reply, AgentError> {
    send_all(stream, &request.encode())?;
    receive(stream)
}

fn receive(stream: BorrowedFd<'_>) -> Result<Reply, AgentError> {
    let mut length = [0; 4];
    fill(stream, &mut length)?;
    let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    if !(9..=MAX_MESSAGE).contains(&length) {
        return Err(AgentError::OtherVersion);
    }
    let mut bytes = Zeroizing::new(vec![0; length]);
    fill(stream, &mut bytes)?;
    let status = match parts(&bytes).as_deref() {
        Some([[status], ..]) => Status::of(*status),
        _ => None,
    };
    Ok(Reply { status: status.ok_or(AgentError::OtherVersion)?, bytes })
}

fn fill(stream: BorrowedFd<'_>, into: &mut [u8]) -> Result<(), AgentError> {
    let mut have = 0;
    while have < into.len() {
        match retry_on_intr(|| recv(stream, &mut into[have..], RecvFlags::empty())) {
            Ok((0, _)) | Err(Errno::AGAIN | Errno::CONNRESET) => return Err(AgentError::NoAnswer),
            Ok((count, _)) => have += count,
            Err(errno) => return Err(AgentError::Io(errno.into())),
        }
    }
    Ok(())
}

fn send_all(stream: BorrowedFd<'_>, mut bytes: &[u8]) -> Result<(), AgentError> {
    while !bytes.is_empty() {
        match retry_on_intr(|| send_some(stream, bytes)) {
            Ok(count) => bytes = &bytes[count..],
            Err(Errno::AGAIN | Errno::PIPE | Errno::CONNRESET) => return Err(AgentError::NoAnswer),
            Err(errno) => return Err(AgentError::Io(errno.into())),
        }
    }
    Ok(())
}

/// Sends without the signal that a closed socket would bring.
pub(super) fn send_some(stream: BorrowedFd<'_>, bytes: &[u8]) -> rustix::io::Result<usize> {
    #[cfg(target_vendor = "apple")]
    let flags = SendFlags::empty();
    #[cfg(not(target_vendor = "apple"))]
    let flags = SendFlags::NOSIGNAL;
    send(stream, bytes, flags)
}

/// Connects through a descriptor of the directory.
fn through_directory(directory: &Path, stream: &OwnedFd) -> rustix::io::Result<()> {
    let flags = rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC;
    let opened = rustix::fs::open(directory, flags, rustix::fs::Mode::empty())?;
    let short = format!("/proc/self/fd/{}/{SOCKET}", opened.as_raw_fd());
    retry_on_intr(|| connect(stream, &SocketAddrUnix::new(short.as_str())?))
}

/// Whether the process at the other end is of this user.
#[cfg(target_os = "linux")]
pub(super) fn peer_is_us(stream: BorrowedFd<'_>) -> bool {
    rustix::net::sockopt::socket_peercred(stream).is_ok_and(|peer| peer.uid == rustix::process::geteuid())
}

#[cfg(target_os = "linux")]
fn peer_process(stream: BorrowedFd<'_>) -> Option<rustix::process::Pid> {
    rustix::net::sockopt::socket_peercred(stream).ok().map(|peer| peer.pid)
}

#[cfg(not(target_os = "linux"))]
#[expect(unsafe_code, reason = "no other interface tells")]
pub(super) fn peer_is_us(stream: BorrowedFd<'_>) -> bool {
    let (mut user, mut group) = (0, 0);
    // SAFETY: the descriptor is open, and both numbers are ours to write to.
    let found = unsafe { libc::getpeereid(stream.as_raw_fd(), &mut user, &mut group) };
    found == 0 && user == rustix::process::geteuid().as_raw()
}

#[cfg(not(target_os = "linux"))]
fn peer_process(_: BorrowedFd<'_>) -> Option<rustix::process::Pid> {
    None
}

impl From<io::Error> for AgentError {
    fn from(reason: io::Error) -> Self {
        Self::Io(reason)
    }
}
