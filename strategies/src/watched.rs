//! A descriptor that the reactor watches only while somebody waits for it.
//!
//! One that is registered wakes the thread for whatever comes, whether or not anybody is interested: of a busy one that is read on a
//! tick, the wake-ups cost many times the reading.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::io::unix::AsyncFd;

/// A descriptor that does not block.
#[derive(Debug)]
pub(crate) struct Watched {
    fd: Arc<OwnedFd>,
    registered: Option<AsyncFd<Arc<OwnedFd>>>,
}

impl Watched {
    /// One that is not registered yet.
    pub(crate) fn new(fd: impl Into<OwnedFd>) -> Self {
        Self { fd: Arc::new(fd.into()), registered: None }
    }

    /// The descriptor.
    pub(crate) fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    /// The descriptor, for others as well: it is closed when all have dropped it.
    pub(crate) fn share(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.fd)
    }

    /// From now on the reactor says when it can be read or written.
    #[expect(
        deprecated,
        reason = "`AsyncFd::new` is unsound for handles that may be closed beneath it, which an `Arc<OwnedFd>` cannot be; its successor is unsafe"
    )]
    pub(crate) fn registered(&mut self) -> io::Result<&AsyncFd<Arc<OwnedFd>>> {
        Ok(match &mut self.registered {
            Some(registered) => registered,
            none => none.insert(AsyncFd::new(Arc::clone(&self.fd))?),
        })
    }

    /// From now on it wakes nobody.
    pub(crate) fn leave(&mut self) {
        self.registered = None;
    }

    /// Whether it wakes somebody.
    #[cfg(test)]
    pub(crate) fn is_registered(&self) -> bool {
        self.registered.is_some()
    }
}
