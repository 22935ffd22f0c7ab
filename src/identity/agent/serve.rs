//! The agent's side of the socket: one thread, nothing that waits for a single client.
//!
//! A client gets [`PATIENCE`] for its request; with too many at once the oldest goes. What
//! it may send is bounded before memory is taken for it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SocketAddrUnix, SocketType, accept, bind, listen, recv, socket};
use zeroize::Zeroizing;

use super::client::{peer_is_us, send_some};
use super::held::{Answer, Ring};
use super::message::{MAX_MESSAGE, Request, Status, answer};
use super::{AgentError, SOCKET, TIME_UP, is_private};
use crate::crypto::{Hash, Hasher, Recipient};
use crate::secret_value::wipe_stack;
use crate::{signals, store};

/// Milliseconds a client has for its request and for taking the answer.
const PATIENCE: u64 = 5_000;
/// Most clients at once.
const MAX_CLIENTS: usize = 64;
/// Milliseconds after which an agent that holds nothing ends.
const IDLE: u64 = 10_000;
/// Milliseconds after which the agent looks around, whatever happens: the clock of `poll`
/// stands still while the machine sleeps.
const ROUND: u64 = 30_000;
/// Bytes of a section's text that are taken at once.
const CHUNK: usize = 64 * 1024;

/// Serves this user's agent in `directory`, which must be private, until it is locked, its
/// time is up, it is told to end by a signal, or its socket is gone. `ready` is called once
/// it can be reached. Removes the socket and wipes everything at the end.
///
/// The caller makes sure that no other agent runs there.
///
/// # Errors
/// [`AgentError::Directory`], [`AgentError::Io`].
pub fn serve(directory: &Path, ready: impl FnOnce()) -> Result<(), AgentError> {
    if !is_private(directory) {
        return Err(AgentError::Directory(directory.to_path_buf()));
    }
    let stop = signals::catch().map_err(AgentError::Io)?;
    // What requests leave on stack and heap for a moment; the identities have pages of their own.
    #[cfg(target_os = "linux")]
    let _ = rustix::mm::mlockall(rustix::mm::MlockAllFlags::CURRENT | rustix::mm::MlockAllFlags::ONFAULT);
    let (listener, path) = listen_in(directory)?;
    let own = identity_of(&path);
    ready();
    let mut agent = Serving { ring: Ring::default(), clients: Vec::new(), began: clock(), had: false, ended: false };
    let mut looked = clock();
    while !agent.ended {
        let now = clock();
        if agent.ring.expire(now / 1000) {
            // Who asks next is told why nothing is unlocked. Nobody else needs it, so it may fail.
            let marker = directory.join(TIME_UP);
            let _ = std::fs::remove_file(&marker);
            let _ = store::create_new(&marker, b"", store::Mode::Private);
        }
        if agent.ring.is_empty() && (agent.had || now > agent.began + IDLE) {
            break;
        }
        if now >= looked + ROUND {
            looked = now;
            if identity_of(&path) != own {
                break;
            }
        }
        agent.clients.retain(|client| client.deadline > now);
        // What the last requests left on it would stay while nobody asks.
        wipe_stack();
        if !agent.wait(listener.as_fd(), stop.as_fd(), now)? {
            break;
        }
    }
    agent.ring.clear();
    if identity_of(&path) == own {
        let _ = std::fs::remove_file(&path);
    }
    for mut client in std::mem::take(&mut agent.clients) {
        if matches!(client.step, Step::Answer { .. }) {
            agent.advance(&mut client);
        }
    }
    Ok(())
}

struct Serving {
    ring: Ring,
    clients: Vec<Client>,
    began: u64,
    /// True once it held something.
    had: bool,
    /// True once it was locked.
    ended: bool,
}

struct Client {
    stream: OwnedFd,
    deadline: u64,
    step: Step,
}

/// How far a client's request has come.
enum Step {
    Length {
        bytes: [u8; 4],
        filled: usize,
    },
    Message {
        bytes: Zeroizing<Vec<u8>>,
        length: usize,
    },
    Text(Box<Text>),
    /// With the text that the client sends once it was told to.
    Answer {
        bytes: Answer,
        sent: usize,
        then: Option<Box<Text>>,
    },
}

/// A section's text on its way in.
struct Text {
    recipient: Recipient,
    vault: Hash,
    profile: String,
    /// How it has to begin.
    first_line: Vec<u8>,
    hasher: Hasher,
    taken: u64,
    length: u64,
}

/// What became of a client that was looked at.
#[derive(PartialEq, Eq)]
enum Progress {
    Waits,
    Gone,
}

impl Serving {
    /// Waits for something to do and does it; false once it is told to end.
    fn wait(&mut self, listener: BorrowedFd<'_>, stop: BorrowedFd<'_>, now: u64) -> Result<bool, AgentError> {
        let deadlines = self.clients.iter().map(|client| client.deadline);
        let next = self.ring.next().map(|seconds| seconds * 1000);
        let idle = (!self.had).then_some(self.began + IDLE + 1);
        let until = deadlines.chain(next).chain(idle).min().unwrap_or(u64::MAX);
        let milliseconds = until.saturating_sub(now).clamp(1, ROUND);
        let timeout = Timespec {
            tv_sec: i64::try_from(milliseconds / 1000).unwrap_or(0),
            tv_nsec: i64::try_from(milliseconds % 1000).unwrap_or(0) * 1_000_000,
        };
        let ready: Vec<bool> = {
            let mut all = vec![PollFd::from_borrowed_fd(listener, PollFlags::IN)];
            all.push(PollFd::from_borrowed_fd(stop, PollFlags::IN));
            for client in &self.clients {
                let wanted = if matches!(client.step, Step::Answer { .. }) { PollFlags::OUT } else { PollFlags::IN };
                all.push(PollFd::from_borrowed_fd(client.stream.as_fd(), wanted));
            }
            match poll(&mut all, Some(&timeout)) {
                Ok(_) => all.iter().map(|found| !found.revents().is_empty()).collect(),
                Err(Errno::INTR | Errno::AGAIN) => return Ok(true),
                Err(errno) => return Err(AgentError::Io(errno.into())),
            }
        };
        if ready[1] {
            return Ok(false);
        }
        let mut position = 0;
        let clients = std::mem::take(&mut self.clients);
        for mut client in clients {
            position += 1;
            if !ready[position + 1] || self.advance(&mut client) == Progress::Waits {
                self.clients.push(client);
            }
        }
        if ready[0] {
            self.accept(listener);
        }
        Ok(true)
    }

    fn accept(&mut self, listener: BorrowedFd<'_>) {
        // No more than fit, so that a flood leaves time for those who are in.
        for _ in 0..MAX_CLIENTS {
            let Ok(stream) = accept(listener) else { return };
            let usable = rustix::io::fcntl_setfd(&stream, rustix::io::FdFlags::CLOEXEC).is_ok()
                && rustix::io::ioctl_fionbio(&stream, true).is_ok();
            if !usable || !peer_is_us(stream.as_fd()) {
                continue;
            }
            if self.clients.len() >= MAX_CLIENTS {
                // The first is the oldest.
                self.clients.remove(0);
            }
            let step = Step::Length { bytes: [0; 4], filled: 0 };
            self.clients.push(Client { stream, deadline: clock() + PATIENCE, step });
        }
    }

    /// Reads and writes what can be without waiting.
    fn advance(&mut self, client: &mut Client) -> Progress {
        loop {
            let step = match &mut client.step {
                Step::Length { bytes, filled } => match take(client.stream.as_fd(), &mut bytes[*filled..]) {
                    Ok(count) => {
                        *filled += count;
                        if *filled < bytes.len() {
                            continue;
                        }
                        match usize::try_from(u32::from_le_bytes(*bytes)) {
                            Ok(length) if (1..=MAX_MESSAGE).contains(&length) => {
                                // Sized ahead: growing would leave a copy of what may be an identity.
                                Step::Message { bytes: Zeroizing::new(Vec::with_capacity(length)), length }
                            }
                            _ => refuse(),
                        }
                    }
                    Err(progress) => return progress,
                },
                Step::Message { bytes, length } => {
                    let have = bytes.len();
                    bytes.resize(*length, 0);
                    let taken = take(client.stream.as_fd(), &mut bytes[have..]);
                    bytes.truncate(have + taken.as_ref().copied().unwrap_or(0));
                    match taken {
                        Err(progress) => return progress,
                        Ok(_) if bytes.len() < *length => continue,
                        Ok(_) => match Request::parse(bytes) {
                            Some(request) => self.begin(request),
                            None => refuse(),
                        },
                    }
                }
                Step::Text(text) => {
                    let mut chunk = vec![0; CHUNK.min(usize::try_from(text.length - text.taken).unwrap_or(CHUNK))];
                    match take(client.stream.as_fd(), &mut chunk) {
                        Err(progress) => return progress,
                        Ok(count) if !text.add(&chunk[..count]) => refuse(),
                        Ok(_) if text.taken < text.length => continue,
                        Ok(_) => self.sign(text),
                    }
                }
                Step::Answer { bytes, sent, then } => match send_some(client.stream.as_fd(), &bytes[*sent..]) {
                    Ok(count) => {
                        *sent += count;
                        if *sent < bytes.len() {
                            continue;
                        }
                        match then.take() {
                            Some(text) => Step::Text(text),
                            None => return Progress::Gone,
                        }
                    }
                    Err(Errno::AGAIN | Errno::INTR) => return Progress::Waits,
                    Err(_) => return Progress::Gone,
                },
            };
            client.step = step;
            if self.ended {
                // The answer says that the agent is gone, so it comes when it is.
                return Progress::Waits;
            }
        }
    }

    fn begin(&mut self, request: Request) -> Step {
        let mut then = None;
        let bytes = match request {
            Request::Lock => {
                self.ring.clear();
                self.ended = true;
                answer(Status::Done, &[])
            }
            Request::Section { recipient, vault, profile, length } => {
                let allowed = self.ring.may_sign(&recipient, &vault, &profile);
                if allowed.is_ok() {
                    let first_line = format!("[profile.{profile}]\n").into_bytes();
                    let hasher = Hasher::default();
                    then = Some(Box::new(Text { recipient, vault, profile, first_line, hasher, taken: 0, length }));
                }
                answer(allowed.err().unwrap_or(Status::Done), &[])
            }
            request => self.ring.act(&request, clock() / 1000),
        };
        self.had |= !self.ring.is_empty();
        Step::Answer { bytes, sent: 0, then }
    }

    fn sign(&mut self, text: &mut Text) -> Step {
        if text.taken < text.first_line.len() as u64 {
            return refuse();
        }
        let hash = std::mem::take(&mut text.hasher).finish();
        let bytes = self.ring.sign_section(&text.recipient, &text.vault, &text.profile, &hash, clock() / 1000);
        Step::Answer { bytes, sent: 0, then: None }
    }
}

impl Text {
    /// Takes a piece; false if this is no section of the profile.
    fn add(&mut self, piece: &[u8]) -> bool {
        let at = usize::try_from(self.taken).unwrap_or(usize::MAX).min(self.first_line.len());
        let wanted = &self.first_line[at..];
        let both = wanted.len().min(piece.len());
        if wanted[..both] != piece[..both] {
            return false;
        }
        self.hasher.update(piece);
        self.taken += piece.len() as u64;
        true
    }
}

fn refuse() -> Step {
    Step::Answer { bytes: answer(Status::Refused, &[]), sent: 0, then: None }
}

/// Reads what is there.
fn take(stream: BorrowedFd<'_>, into: &mut [u8]) -> Result<usize, Progress> {
    if into.is_empty() {
        return Ok(0);
    }
    match recv(stream, into, RecvFlags::empty()) {
        Ok((0, _)) => Err(Progress::Gone),
        Ok((count, _)) => Ok(count),
        Err(Errno::AGAIN | Errno::INTR) => Err(Progress::Waits),
        Err(_) => Err(Progress::Gone),
    }
}

/// Binds the socket, in place of one that nobody listens on.
fn listen_in(directory: &Path) -> Result<(OwnedFd, PathBuf), AgentError> {
    let failed = |errno: Errno| AgentError::Io(errno.into());
    let path = directory.join(SOCKET);
    match std::fs::remove_file(&path) {
        Err(reason) if reason.kind() != io::ErrorKind::NotFound => return Err(AgentError::Io(reason)),
        _ => {}
    }
    let listener = socket(AddressFamily::UNIX, SocketType::STREAM, None).map_err(failed)?;
    rustix::io::fcntl_setfd(&listener, rustix::io::FdFlags::CLOEXEC).map_err(failed)?;
    // By its name alone: the address of a socket has no room for a long path. Nothing else in
    // this process depends on where it is.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o177));
    rustix::process::chdir(directory).map_err(failed)?;
    bind(&listener, &SocketAddrUnix::new(SOCKET).map_err(failed)?).map_err(failed)?;
    rustix::process::chdir("/").map_err(failed)?;
    listen(&listener, 128).map_err(failed)?;
    rustix::io::ioctl_fionbio(&listener, true).map_err(failed)?;
    Ok((listener, path))
}

/// Which file stands at a path.
fn identity_of(path: &Path) -> Option<(u64, u64)> {
    let found = rustix::fs::lstat(path).ok()?;
    #[allow(clippy::useless_conversion, clippy::cast_sign_loss, reason = "narrower and signed on some systems")]
    Some((found.st_dev as u64, u64::from(found.st_ino)))
}

/// Milliseconds on a clock that goes on while the machine sleeps.
fn clock() -> u64 {
    #[cfg(target_os = "linux")]
    let id = rustix::time::ClockId::Boottime;
    // On macOS this one goes on as well.
    #[cfg(not(target_os = "linux"))]
    let id = rustix::time::ClockId::Monotonic;
    let now = rustix::time::clock_gettime(id);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1000 + u64::try_from(now.tv_nsec).unwrap_or(0) / 1_000_000
}
