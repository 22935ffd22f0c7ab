//! Memory for an identity that is held: a page of its own that is never swapped, in no core
//! dump, and wiped before it is given back.

use std::ptr::NonNull;

use rustix::mm::{MapFlags, ProtFlags, mlock, mmap_anonymous, munmap};
use zeroize::{Zeroize, Zeroizing};

use super::AgentError;
use crate::crypto::IdentityKey;

const LENGTH: usize = 32;

/// The 32 secret bytes of an identity in locked memory.
#[derive(Debug)]
pub(super) struct HeldSecret(NonNull<[u8; LENGTH]>);

#[expect(unsafe_code, reason = "memory that is locked comes from the system, not from the allocator")]
impl HeldSecret {
    pub(super) fn new(identity: &IdentityKey) -> Result<Self, AgentError> {
        // SAFETY: a new mapping of our own, no smaller than `LENGTH`, is used by nobody else.
        let mapped = unsafe {
            mmap_anonymous(std::ptr::null_mut(), LENGTH, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)
        };
        let page = mapped.map_err(|_| AgentError::MemoryLock)?;
        let held = Self(NonNull::new(page.cast()).ok_or(AgentError::MemoryLock)?);
        // SAFETY: the mapping above, alive as long as `held`.
        unsafe {
            mlock(page, LENGTH).map_err(|_| AgentError::MemoryLock)?;
            #[cfg(target_os = "linux")]
            {
                let page_size = rustix::param::page_size();
                let _ = rustix::mm::madvise(page, page_size, rustix::mm::Advice::LinuxDontDump);
                // A child would get a copy that nobody wipes; there is none, and this keeps it so.
                let _ = rustix::mm::madvise(page, page_size, rustix::mm::Advice::LinuxDontFork);
            }
            identity.write_secret(&mut *held.0.as_ptr());
        }
        Ok(held)
    }

    /// The identity, for one request; wiped when it is dropped.
    pub(super) fn identity(&self) -> Option<IdentityKey> {
        // SAFETY: initialized by `new`; nobody writes to it before it is dropped.
        let secret = Zeroizing::new(unsafe { *self.0.as_ptr() });
        IdentityKey::from_secret(secret).ok()
    }
}

#[expect(unsafe_code, reason = "as above")]
impl Drop for HeldSecret {
    fn drop(&mut self) {
        // SAFETY: the mapping of `new`, which nobody refers to any more. Unmapping unlocks it.
        unsafe {
            (*self.0.as_ptr()).zeroize();
            let _ = munmap(self.0.as_ptr().cast(), LENGTH);
        }
    }
}
