//! A container's log: json-file records on disk, rotated by rename, read by any number of readers.
//!
//! The files are the only copy: what is written is read back from them, so a slow reader costs disk, never memory. A file
//! is a [`Segment`]; a reader holds the segment it stands in, and through it every later one, also when their names are
//! gone: nothing that was written is lost to a reader that has begun. Dropping the reader frees them all.
//!
//! Writing and reading take the log's lock only to find their place and to rotate; neither waits for the other's lines.
//! When the disk is full, the lines of the batch are lost and counted, and no torn record stays behind.
//!
//! Layout and rotation are those of Docker 20.10's json-file driver: `<id>-json.log`, then `.1`, `.2` and so on, the oldest
//! removed; a record begins a new file when the old one has reached `max-size`. With `max-file=1` there is a `.1` too, which
//! nobody who begins to read looks into.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use leaksoak_strategies::line::StreamKind;
use tokio::sync::watch;

use segment::{Position, Segment};

pub mod frame;
pub mod query;
pub mod reader;
pub mod record;
pub mod segment;
pub mod stamp;

/// Docker's copier cuts a line into parts of this many bytes.
pub const PART_BYTES: usize = 16 * 1024;

/// Records are handed to the kernel in blocks of about this many bytes.
const BLOCK_BYTES: usize = 64 * 1024;

/// Leaves room for the numbers of files that were rotated before this process opened the log.
const FIRST_SEGMENT: u64 = 1 << 32;

/// When a log is rotated, and what is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rotation {
    /// A file of at least this many bytes takes no further record; `None`: it grows for ever.
    pub max_size: Option<u64>,
    /// Files kept, the live one included; 0 is taken for 1.
    pub max_file: u32,
}

/// From a start of the container to its end.
#[derive(Debug, Default)]
pub struct Run {
    end: OnceLock<Position>,
}

/// One container's log.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    rotation: Rotation,
    tty: bool,
    inner: Mutex<Inner>,
    lost_lines: AtomicU64,
    /// Told whenever there is more to read, or a run has ended.
    wake: watch::Sender<()>,
}

#[derive(Debug)]
struct Inner {
    /// Open while the container runs.
    live: Option<Arc<Segment>>,
    run: Option<Arc<Run>>,
    /// Number of the next segment.
    number: u64,
}

/// Takes a batch of lines. There is one at a time: only the pacer writes, and a run ends when it has done so.
pub struct Writer<'l> {
    log: &'l Log,
    live: Option<Arc<Segment>>,
    block: &'l mut Vec<u8>,
    lines_in_block: u64,
    failed: Option<io::Error>,
}

impl Run {
    /// Where the last record of it ends; `None` while it lasts.
    #[must_use]
    pub fn end(&self) -> Option<Position> {
        self.end.get().copied()
    }
}

impl Log {
    /// The log that lies at `path`. Nothing is opened yet.
    #[must_use]
    pub fn new(path: PathBuf, rotation: Rotation, tty: bool) -> Self {
        let inner = Inner { live: None, run: None, number: FIRST_SEGMENT };
        let lost_lines = AtomicU64::new(0);
        Self { path, rotation, tty, inner: Mutex::new(inner), lost_lines, wake: watch::Sender::new(()) }
    }

    /// Its live file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens the live file for a run of the container. A run that was begun for a reader who waits for it is that run.
    ///
    /// # Errors
    /// The file cannot be made or opened.
    pub fn begin_run(&self) -> io::Result<()> {
        let mut inner = self.lock();
        if inner.run.is_some() {
            return Ok(());
        }
        let file = OpenOptions::new().read(true).append(true).create(true).open(&self.path)?;
        let length = file.metadata()?.len();
        inner.add_live(file, length);
        inner.run = Some(Arc::default());
        Ok(())
    }

    /// Closes the run: its followers end when they have read all of it.
    pub fn end_run(&self) {
        let mut inner = self.lock();
        if let (Some(run), Some(live)) = (inner.run.take(), inner.live.take()) {
            // A run ends once; whoever comes second has nothing to add.
            let _ = run.end.set(live.end());
        }
        drop(inner);
        self.wake.send_replace(());
    }

    /// Begins a batch of lines; `block` is scratch memory, left empty.
    pub fn write<'l>(&'l self, block: &'l mut Vec<u8>) -> Writer<'l> {
        let live = self.lock().live.clone();
        Writer { log: self, live, block, lines_in_block: 0, failed: None }
    }

    /// Lines that could not be written, because the disk was full or failed.
    #[must_use]
    pub fn lost_lines(&self) -> u64 {
        self.lost_lines.load(Ordering::Relaxed)
    }

    /// Removes its files. Readers that hold them read on.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub fn remove(&self) -> io::Result<()> {
        self.end_run();
        for path in (0..self.kept_files().max(2)).map(|number| self.numbered(number)) {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    fn kept_files(&self) -> u32 {
        self.rotation.max_file.max(1)
    }

    /// Name of the live file (0) or of a rotated one, 1 the youngest.
    fn numbered(&self, number: u32) -> PathBuf {
        if number == 0 {
            return self.path.clone();
        }
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }

    /// Renames the files on, and begins a new one, which `old` is followed by.
    fn rotate(&self, old: &Segment) -> io::Result<Arc<Segment>> {
        let mut inner = self.lock();
        for number in (1..self.kept_files().max(2)).rev() {
            match fs::rename(self.numbered(number - 1), self.numbered(number)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        let file = OpenOptions::new().read(true).append(true).create(true).open(&self.path)?;
        let live = inner.add_live(file, 0);
        old.follow_with(Arc::clone(&live));
        Ok(live)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Whoever panicked inside held no half-made state: every step leaves a log that can be read.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn add_live(&mut self, file: File, length: u64) -> Arc<Segment> {
        let live = Arc::new(Segment::new(self.number, file, length));
        self.number += 1;
        self.live = Some(Arc::clone(&live));
        live
    }
}

impl Writer<'_> {
    /// Adds a line, which ends with a newline, as one record or as many as Docker would make of it.
    pub fn line(&mut self, stream: StreamKind, line: &[u8]) {
        self.lines_in_block += 1;
        let time = stamp::now();
        let mut text = line.strip_suffix(b"\n").unwrap_or(line);
        while text.len() >= PART_BYTES {
            let (part, rest) = text.split_at(PART_BYTES);
            self.record(stream, part, b"", time.as_bytes());
            text = rest;
        }
        // A terminal ends its lines with a carriage return too, and has one output.
        let (stream, end): (_, &[u8]) = if self.log.tty { (StreamKind::Stdout, b"\r\n") } else { (stream, b"\n") };
        self.record(stream, text, end, time.as_bytes());
    }

    fn record(&mut self, stream: StreamKind, text: &[u8], end: &[u8], time: &[u8]) {
        let written = self.live.as_ref().map_or(0, |live| live.length());
        let due = self.log.rotation.max_size.is_some_and(|max| written + self.block.len() as u64 >= max);
        if due {
            self.flush();
            match self.live.as_deref().map(|old| self.log.rotate(old)) {
                Some(Ok(live)) => self.live = Some(live),
                Some(Err(error)) => drop(self.failed.get_or_insert(error)),
                None => {}
            }
        } else if self.block.len() >= BLOCK_BYTES {
            self.flush();
        }
        record::encode(self.block, stream, text, end, time);
    }

    /// Hands over what is left, and tells the readers.
    ///
    /// # Errors
    /// Lines were lost; the words say why.
    pub fn finish(mut self) -> io::Result<()> {
        self.flush();
        self.log.wake.send_replace(());
        self.failed.map_or(Ok(()), Err)
    }

    fn flush(&mut self) {
        let lines = std::mem::take(&mut self.lines_in_block);
        if self.block.is_empty() {
            return;
        }
        let written = match &self.live {
            Some(live) => live.append(self.block),
            None => Err(io::Error::other("the container does not run")),
        };
        self.block.clear();
        if let Err(error) = written {
            self.log.lost_lines.fetch_add(lines, Ordering::Relaxed);
            self.failed.get_or_insert(error);
        }
    }
}

impl Segment {
    /// Appends whole records, all or none.
    fn append(&self, records: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file().write_all(records) {
            // What was written of it is a torn record.
            self.file().set_len(self.length())?;
            return Err(error);
        }
        self.grow(records.len() as u64);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
