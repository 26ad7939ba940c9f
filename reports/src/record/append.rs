//! A file of lines that only grows, and in which every line is whole.
//!
//! Lines are collected in memory and written by [`Lines::flush`]. When a write fails (a full disk), the file is cut
//! back to its last whole line before anything else is written, so that a torn line is never followed by more
//! data. What could not be written is kept, up to 1 MiB, and goes out first once there is space again.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::RecordError;

/// Lines are written by themselves once this much has come together.
const FLUSH_AT_BYTES: usize = 64 * 1024;
/// What is kept at most while the disk is full.
const KEEP_BYTES: usize = 1024 * 1024;

/// What lines are stored on: a file, or in tests a disk of a given size.
pub(super) trait Storage: Write {
    /// Makes it this long, and goes on writing there.
    fn cut(&mut self, len: u64) -> io::Result<()>;
    /// Waits until everything is on the disk.
    fn persist(&mut self) -> io::Result<()>;
}

/// Opened for appending, so that writing goes on at the end wherever that is.
impl Storage for File {
    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }

    fn persist(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Lines<S> {
    storage: S,
    path: PathBuf,
    /// Whole lines that are not written yet.
    pending: Vec<u8>,
    /// Length of the storage up to its last whole line.
    whole_bytes: u64,
    /// There is a part of a line behind `whole_bytes`.
    torn: bool,
}

impl Lines<File> {
    /// A new file; one that exists is an error.
    pub(super) fn create(path: PathBuf) -> Result<Self, RecordError> {
        let file = File::options()
            .append(true)
            .create_new(true)
            .open(&path)
            .map_err(|source| RecordError::write(&path, source))?;
        Ok(Self::new(file, path))
    }
}

impl<S: Storage> Lines<S> {
    fn new(storage: S, path: PathBuf) -> Self {
        Self { storage, path, pending: Vec::new(), whole_bytes: 0, torn: false }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds whole lines, the last newline included. On an error they may still be pending; they are lost only
    /// when 1 MiB is waiting already.
    pub(super) fn push(&mut self, lines: &[u8]) -> Result<(), RecordError> {
        debug_assert!(lines.ends_with(b"\n"), "a line without its end");
        if self.pending.len() + lines.len() > KEEP_BYTES {
            self.flush()?;
        }
        self.pending.extend_from_slice(lines);
        if self.pending.len() >= FLUSH_AT_BYTES { self.flush() } else { Ok(()) }
    }

    /// Hands everything to the system.
    pub(super) fn flush(&mut self) -> Result<(), RecordError> {
        let mut written = 0;
        let result = self.write_pending(&mut written);
        let whole = self.pending[..written].iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        self.whole_bytes += whole as u64;
        self.pending.drain(..whole);
        self.torn |= written > whole;
        if result.is_err() && self.torn {
            // If this fails too, the next flush tries it again before it writes.
            self.torn = self.storage.cut(self.whole_bytes).is_err();
        }
        result.map_err(|source| RecordError::write(&self.path, source))
    }

    /// Hands everything to the system, and waits until it is on the disk.
    pub(super) fn sync(&mut self) -> Result<(), RecordError> {
        self.flush()?;
        self.storage.persist().map_err(|source| RecordError::write(&self.path, source))
    }

    fn write_pending(&mut self, written: &mut usize) -> io::Result<()> {
        if self.torn {
            self.storage.cut(self.whole_bytes)?;
            self.torn = false;
        }
        while *written < self.pending.len() {
            match self.storage.write(&self.pending[*written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => *written += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with room for `size` bytes.
    struct SmallDisk {
        data: Vec<u8>,
        size: usize,
        cuts_fail: bool,
    }

    impl Write for SmallDisk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let room = self.size - self.data.len();
            if room == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let count = room.min(bytes.len());
            self.data.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Storage for SmallDisk {
        fn cut(&mut self, len: u64) -> io::Result<()> {
            if self.cuts_fail {
                return Err(io::ErrorKind::Other.into());
            }
            self.data.truncate(usize::try_from(len).unwrap());
            Ok(())
        }

        fn persist(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn on_disk(size: usize) -> Lines<SmallDisk> {
        Lines::new(SmallDisk { data: Vec::new(), size, cuts_fail: false }, PathBuf::from("samples.csv"))
    }

    #[test]
    fn a_full_disk_leaves_whole_lines_and_is_named() {
        let mut lines = on_disk(10);
        lines.push(b"first\n").unwrap();
        lines.push(b"second\n").unwrap();
        let error = lines.flush().unwrap_err();
        assert!(matches!(&error, RecordError::DiskFull { path, .. } if path == Path::new("samples.csv")), "{error}");
        assert_eq!(lines.storage.data, b"first\n");
    }

    #[test]
    fn what_did_not_fit_is_written_once_there_is_space() {
        let mut lines = on_disk(10);
        lines.push(b"first\nsecond\n").unwrap();
        lines.flush().unwrap_err();
        lines.storage.size = 100;
        lines.push(b"third\n").unwrap();
        lines.flush().unwrap();
        assert_eq!(lines.storage.data, b"first\nsecond\nthird\n");
    }

    #[test]
    fn a_torn_line_that_cannot_be_cut_off_is_not_written_after() {
        let mut lines = on_disk(10);
        lines.storage.cuts_fail = true;
        lines.push(b"first\nsecond\n").unwrap();
        lines.flush().unwrap_err();
        lines.storage.size = 100;
        lines.flush().unwrap_err();
        assert_eq!(lines.storage.data, b"first\nseco");
        lines.storage.cuts_fail = false;
        lines.flush().unwrap();
        assert_eq!(lines.storage.data, b"first\nsecond\n");
    }

    #[test]
    fn a_disk_that_stays_full_costs_bounded_memory() {
        let mut lines = on_disk(0);
        let line = vec![b'x'; 1023].into_iter().chain([b'\n']).collect::<Vec<_>>();
        let failed = (0..4096).filter(|_| lines.push(&line).is_err()).count();
        assert!(failed > 3000, "{failed}");
        assert!(lines.pending.len() <= KEEP_BYTES);
    }
}
