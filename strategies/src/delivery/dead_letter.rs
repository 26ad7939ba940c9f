//! Lines that could not be delivered, kept in files: NDJSON, `{"reason":"too_old","entry":{...the line as posted...}}`.
//!
//! The files of one arm are `dead-letters.ndjson`, then `.1` (the newest of the full ones), `.2` and so on; all of them
//! together are limited in size, across restarts. When the last is full, the oldest goes, and its lines are counted as
//! dropped. No file is held open: whoever reads, takes or drops letters while the arm lives excludes it by a lock for a moment.
//!
//! A write that fails half-way is taken back; what a kill leaves half-written is closed by a newline and passed over by readers.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::metrics::{DropReason, ErrorKind as Origin, Metrics};

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeadLetterLimits {
    /// Bytes of all files together.
    pub bytes: u64,
    /// How many files.
    pub files: u32,
}

/// The dead-letter files of one arm.
#[derive(Debug, Clone)]
pub struct DeadLetterFiles {
    live: PathBuf,
}

/// What became of letters that were to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kept {
    /// Written.
    pub kept: u64,
    /// Lines of the oldest files, given up to make room, and those longer than a file may be.
    pub dropped: u64,
}

/// A line that could not be delivered.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Letter {
    /// Why not: `too_old` or another word of the sink's, `sink_unavailable`, `rejected`, `shutdown`.
    pub reason: String,
    /// The line as it was posted: JSON, no newline.
    pub entry: Box<RawValue>,
}

/// Holds others off for as long as it lives.
#[derive(Debug)]
struct Lock(#[expect(dead_code, reason = "held: closing it lets the lock go")] File);

impl DeadLetterFiles {
    /// Those in an arm's state directory.
    pub fn in_dir(state_dir: &Path) -> Self {
        Self { live: state_dir.join("dead-letters.ndjson") }
    }

    /// Keeps lines (as posted), all for one reason.
    pub fn keep<'a>(
        &self,
        reason: &str,
        entries: impl Iterator<Item = &'a [u8]>,
        limits: DeadLetterLimits,
    ) -> io::Result<Kept> {
        let _lock = self.lock()?;
        let file_bytes = limits.bytes / u64::from(limits.files.max(1));
        let mut sum = Kept::default();
        let mut writing = Writing::open(&self.live)?;
        for entry in entries {
            let letter = encode(reason, entry)?;
            if letter.len() as u64 > file_bytes {
                sum.dropped += 1;
                continue;
            }
            if writing.bytes() + letter.len() as u64 > file_bytes {
                sum.kept += writing.finish()?;
                sum.dropped += self.rotate(limits.files)?;
                writing = Writing::open(&self.live)?;
            }
            writing.add(&letter);
        }
        sum.kept += writing.finish()?;
        Ok(sum)
    }

    /// The files that there are, the oldest first, those that [`take`](Self::take) has set aside before all.
    pub fn paths(&self) -> io::Result<Vec<PathBuf>> {
        let (Some(dir), Some(name)) = (self.live.parent(), self.live.file_name().and_then(|name| name.to_str())) else {
            return Ok(Vec::new());
        };
        let (mut taken, mut numbered) = (Vec::new(), Vec::new());
        for file in std::fs::read_dir(dir)? {
            let file = file?.file_name();
            let Some(rest) = file.to_str().and_then(|file| file.strip_prefix(name)?.strip_prefix('.')) else {
                continue;
            };
            match rest.strip_prefix("taken.").map_or_else(|| rest.parse::<u64>().map(Err), |rest| rest.parse().map(Ok))
            {
                Ok(Ok(number)) => taken.push(number),
                Ok(Err(number)) => numbered.push(number),
                Err(_) => {}
            }
        }
        taken.sort_unstable();
        numbered.sort_unstable_by(|a, b| b.cmp(a));
        let mut paths: Vec<_> = taken.into_iter().map(|number| self.taken(number)).collect();
        paths.extend(numbered.into_iter().map(|number| self.numbered(number)));
        if self.live.try_exists()? {
            paths.push(self.live.clone());
        }
        Ok(paths)
    }

    /// Sets all files aside for whoever calls, the oldest first: the arm begins a new one, and these no longer change.
    /// They are counted by [`paths`](Self::paths) until they are removed.
    pub fn take(&self) -> io::Result<Vec<PathBuf>> {
        let _lock = self.lock()?;
        let paths = self.paths()?;
        let last = paths.iter().filter_map(|path| path.to_str()?.rsplit_once(".taken.")?.1.parse::<u64>().ok()).max();
        let mut next = last.map_or(0, |last| last + 1);
        let mut taken = Vec::with_capacity(paths.len());
        for path in paths {
            if path.to_string_lossy().contains(".taken.") {
                taken.push(path);
                continue;
            }
            std::fs::rename(&path, self.taken(next))?;
            taken.push(self.taken(next));
            next += 1;
        }
        Ok(taken)
    }

    /// Makes room: every file gets the next higher number. Gives the number of lines that this dropped.
    fn rotate(&self, files: u32) -> io::Result<u64> {
        let last = u64::from(files.max(1)) - 1;
        let oldest = if last == 0 { self.live.clone() } else { self.numbered(last) };
        let dropped = match File::open(&oldest) {
            Ok(file) => BufReader::new(file).split(b'\n').try_fold(0, |lines, line| line.map(|_| lines + 1))?,
            Err(error) if error.kind() == ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        if last == 0 {
            std::fs::remove_file(&self.live)?;
            return Ok(dropped);
        }
        for number in (1..last).rev() {
            match std::fs::rename(self.numbered(number), self.numbered(number + 1)) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        std::fs::rename(&self.live, self.numbered(1))?;
        Ok(dropped)
    }

    fn lock(&self) -> io::Result<Lock> {
        let lock = OpenOptions::new().create(true).append(true).open(self.live.with_extension("lock"))?;
        flock(&lock, FlockOperation::LockExclusive)?;
        Ok(Lock(lock))
    }

    fn numbered(&self, number: u64) -> PathBuf {
        self.with(&format!(".{number}"))
    }

    fn taken(&self, number: u64) -> PathBuf {
        self.with(&format!(".taken.{number}"))
    }

    fn with(&self, suffix: &str) -> PathBuf {
        let mut path = self.live.as_os_str().to_owned();
        path.push(suffix);
        path.into()
    }
}

/// The letters of a file. What cannot be read as one is an error, and the next follows it.
pub fn read(path: &Path) -> io::Result<impl Iterator<Item = io::Result<Letter>>> {
    let lines = BufReader::new(File::open(path)?).split(b'\n');
    Ok(lines.map(|line| Ok(serde_json::from_slice(&line?)?)))
}

/// Letters on their way into one file, written at once.
struct Writing<'a> {
    path: &'a Path,
    file: Option<(File, u64)>,
    pending: Vec<u8>,
    letters: u64,
}

impl<'a> Writing<'a> {
    /// An arm without letters leaves no file: it is made with the first.
    fn open(path: &'a Path) -> io::Result<Self> {
        let file = match OpenOptions::new().read(true).append(true).open(path) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let (mut file, mut pending) = (file.map(|file| (file, 0)), Vec::new());
        if let Some((file, bytes)) = &mut file {
            *bytes = file.metadata()?.len();
            if *bytes > 0 {
                let mut last = [0];
                file.seek(SeekFrom::End(-1))?;
                file.read_exact(&mut last)?;
                if last != *b"\n" {
                    pending.push(b'\n');
                }
            }
        }
        Ok(Self { path, file, pending, letters: 0 })
    }

    fn bytes(&self) -> u64 {
        self.file.as_ref().map_or(0, |(_, bytes)| *bytes) + self.pending.len() as u64
    }

    fn add(&mut self, letter: &[u8]) {
        self.pending.extend_from_slice(letter);
        self.letters += 1;
    }

    /// Gives the number of letters written.
    fn finish(self) -> io::Result<u64> {
        if self.letters == 0 {
            return Ok(0);
        }
        let (mut file, bytes) = match self.file {
            Some(file) => file,
            None => (OpenOptions::new().create(true).append(true).open(self.path)?, 0),
        };
        if let Err(error) = file.write_all(&self.pending) {
            // A full disk takes a part; none of it is counted as kept. If even this fails, readers pass the torn line over.
            let _ = file.set_len(bytes);
            return Err(error);
        }
        Ok(self.letters)
    }
}

fn encode(reason: &str, entry: &[u8]) -> io::Result<Vec<u8>> {
    #[derive(Serialize)]
    struct Borrowed<'a> {
        reason: &'a str,
        entry: &'a RawValue,
    }
    let entry: &RawValue = serde_json::from_slice(entry)?;
    let mut letter = serde_json::to_vec(&Borrowed { reason, entry })?;
    letter.push(b'\n');
    Ok(letter)
}

/// Keeps letters, and counts each as kept or as dropped.
#[derive(Debug)]
pub(super) struct DeadLetters {
    files: DeadLetterFiles,
    metrics: Arc<Metrics>,
    /// The last error, so that it is said once and not for every batch.
    trouble: Option<ErrorKind>,
    /// It was said that lines are dropped.
    overflowed: bool,
}

impl DeadLetters {
    pub(super) fn new(files: DeadLetterFiles, metrics: Arc<Metrics>) -> Self {
        Self { files, metrics, trouble: None, overflowed: false }
    }

    /// Keeps the lines (as posted), all for one reason. An error, once told and counted, says that the disk is at fault.
    pub(super) fn keep<'a>(
        &mut self,
        reason: &str,
        entries: impl Iterator<Item = &'a [u8]> + Clone,
        limits: DeadLetterLimits,
    ) -> io::Result<()> {
        match self.files.keep(reason, entries.clone(), limits) {
            Ok(Kept { kept, dropped }) => {
                self.trouble = None;
                self.metrics.dead_letters.add(kept);
                self.metrics.lines_dropped.add(DropReason::DeadLettersFull, dropped);
                if dropped > 0 && !std::mem::replace(&mut self.overflowed, true) {
                    let path = self.files.live.display();
                    crate::log::say(
                        crate::log::Level::Warn,
                        format_args!(
                            "{path}: {dropped} dead letters do not fit into {} bytes in {} files and are dropped, as further \
                             ones will be: `dead_letter_bytes` says how much is kept",
                            limits.bytes, limits.files
                        ),
                    );
                }
                Ok(())
            }
            Err(error) => {
                self.metrics.lines_dropped.add(DropReason::DeadLettersFailed, entries.count() as u64);
                self.metrics.errors.inc(Origin::File);
                if self.trouble.replace(error.kind()) != Some(error.kind()) {
                    let path = self.files.live.display();
                    crate::log::say(
                        crate::log::Level::Warn,
                        format_args!("cannot write dead letters to {path}: {error}"),
                    );
                }
                Err(error)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOMY: DeadLetterLimits = DeadLetterLimits { bytes: 1 << 20, files: 1 };

    fn keep(dir: &Path, lines: &[&str], limits: DeadLetterLimits) -> Kept {
        let entries: Vec<String> = lines.iter().map(|line| format!("{{\"line\":\"{line}\"}}")).collect();
        DeadLetterFiles::in_dir(dir).keep("too_old", entries.iter().map(String::as_bytes), limits).unwrap()
    }

    fn lines(dir: &Path) -> Vec<String> {
        let paths = DeadLetterFiles::in_dir(dir).paths().unwrap();
        let letters = paths.iter().flat_map(|path| read(path).unwrap());
        letters.map(|letter| letter.map_or("?".to_owned(), |letter| letter.entry.get().to_owned())).collect()
    }

    #[test]
    fn a_letter_is_the_line_with_its_reason() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(keep(dir.path(), &["a"], ROOMY), Kept { kept: 1, dropped: 0 });
        insta::assert_snapshot!(
            std::fs::read_to_string(dir.path().join("dead-letters.ndjson")).unwrap(),
            @r#"{"reason":"too_old","entry":{"line":"a"}}"#
        );
    }

    #[test]
    fn a_full_file_is_followed_by_another_and_the_oldest_goes_and_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        // A letter takes 42 bytes: two to a file, three files.
        let limits = DeadLetterLimits { bytes: 3 * 90, files: 3 };
        for (round, dropped) in [(0, 0), (1, 0), (2, 0), (3, 2), (4, 2)] {
            let text = ["a", "b"].map(|letter| format!("{letter}{round}"));
            let before = keep(dir.path(), &[&text[0]], limits);
            let after = keep(dir.path(), &[&text[1]], limits);
            assert_eq!((before.kept + after.kept, before.dropped + after.dropped), (2, dropped), "round {round}");
        }
        let kept: Vec<_> = ["a2", "b2", "a3", "b3", "a4", "b4"].map(|line| format!("{{\"line\":\"{line}\"}}")).into();
        assert_eq!(lines(dir.path()), kept);
        assert_eq!(keep(dir.path(), &["x".repeat(100).as_str()], limits), Kept { kept: 0, dropped: 1 });
    }

    #[test]
    fn one_file_alone_gives_up_all_that_it_has_for_what_is_new() {
        let dir = tempfile::tempdir().unwrap();
        let limits = DeadLetterLimits { bytes: 90, files: 1 };
        assert_eq!(keep(dir.path(), &["a", "b", "c"], limits), Kept { kept: 3, dropped: 2 });
        assert_eq!(lines(dir.path()), [r#"{"line":"c"}"#]);
    }

    #[test]
    fn what_is_taken_stays_until_it_is_removed_and_the_arm_goes_on_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let files = DeadLetterFiles::in_dir(dir.path());
        keep(dir.path(), &["a"], ROOMY);
        let taken = files.take().unwrap();
        keep(dir.path(), &["b"], ROOMY);
        assert_eq!(lines(dir.path()), [r#"{"line":"a"}"#, r#"{"line":"b"}"#]);
        let again = files.take().unwrap();
        assert_eq!((taken.len(), again.len()), (1, 2));
        assert_eq!(again[0], taken[0]);
        for path in again {
            std::fs::remove_file(path).unwrap();
        }
        assert_eq!(files.paths().unwrap(), [""; 0].map(PathBuf::from));
    }

    #[test]
    fn a_torn_letter_is_passed_over_and_the_next_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("dead-letters.ndjson"), r#"{"reason":"too_old","ent"#).unwrap();
        keep(dir.path(), &["a"], ROOMY);
        assert_eq!(lines(dir.path()), ["?", r#"{"line":"a"}"#]);
    }

    #[test]
    fn a_file_that_cannot_be_written_is_told_by_the_count() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("dead-letters.ndjson")).unwrap();
        let metrics = Arc::new(Metrics::default());
        let mut letters = DeadLetters::new(DeadLetterFiles::in_dir(dir.path()), Arc::clone(&metrics));
        let kept = letters.keep("x", [&br#"{"line":"a"}"#[..], br#"{"line":"b"}"#].into_iter(), ROOMY);
        assert!(kept.is_err());
        assert_eq!(metrics.lines_dropped.get(DropReason::DeadLettersFailed), 2);
        assert_eq!(metrics.errors.get(Origin::File), 1);
    }

    #[test]
    fn a_full_disk_leaves_no_half_of_a_letter() {
        // /dev/full takes nothing; a link to it stands for the disk.
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/dev/full", dir.path().join("dead-letters.ndjson")).unwrap();
        let kept = DeadLetterFiles::in_dir(dir.path()).keep("x", [&b"{}"[..]].into_iter(), ROOMY);
        assert_eq!(kept.unwrap_err().kind(), ErrorKind::StorageFull);
    }
}
