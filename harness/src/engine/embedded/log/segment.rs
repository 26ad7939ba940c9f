//! One file of a log, shared by its writer and its readers, and linked to the file that came after it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// A place in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Number of the segment.
    pub segment: u64,
    /// Bytes from its beginning.
    pub offset: u64,
}

/// An open file of a log.
#[derive(Debug)]
pub struct Segment {
    number: u64,
    file: File,
    /// Bytes of whole records. Only grows.
    length: AtomicU64,
    /// Set when it takes no further record.
    next: OnceLock<Arc<Segment>>,
}

impl Segment {
    /// The open `file`, which holds `length` bytes of records.
    #[must_use]
    pub fn new(number: u64, file: File, length: u64) -> Self {
        Self { number, file, length: AtomicU64::new(length), next: OnceLock::new() }
    }

    /// Its number; later segments have higher ones.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The file, open for reading and, while it is live, for appending.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Bytes of whole records in it.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length.load(Ordering::Acquire)
    }

    /// Where it ends at this moment.
    #[must_use]
    pub fn end(&self) -> Position {
        Position { segment: self.number, offset: self.length() }
    }

    /// The file after it; its own length is final once there is one.
    #[must_use]
    pub fn next(&self) -> Option<&Arc<Segment>> {
        self.next.get()
    }

    /// Reads up to `buffer.len()` bytes at `offset`; fewer only at its end.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut read = 0;
        while read < buffer.len() {
            match self.file.read_at(&mut buffer[read..], offset + read as u64) {
                Ok(0) => break,
                Ok(more) => read += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }

    /// So many bytes of whole records were appended.
    pub(super) fn grow(&self, bytes: u64) {
        self.length.fetch_add(bytes, Ordering::Release);
    }

    /// It takes no further record; `next` does.
    pub(super) fn follow_with(&self, next: Arc<Segment>) {
        // Only the one who rotates sets it, once, under the log's lock.
        let _ = self.next.set(next);
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // A reader that stood still for a thousand rotations must not take a thousand stack frames to go away.
        let mut next = self.next.take();
        while let Some(mut segment) = next.and_then(Arc::into_inner) {
            next = segment.next.take();
        }
    }
}
