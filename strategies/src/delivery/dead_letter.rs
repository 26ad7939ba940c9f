//! Lines that could not be delivered, kept in a file: NDJSON, `{"reason":"too_old","entry":{...the line as posted...}}`.
//!
//! The file is limited in size and appended to across restarts. What does not fit is counted as dropped.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::value::RawValue;

use crate::metrics::{DropReason, ErrorKind, Metrics};

#[derive(Debug)]
pub(super) struct DeadLetters {
    path: PathBuf,
    limit_bytes: u64,
    /// Opened with the first letter, so that an arm without any leaves no file.
    file: Option<Letters>,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
struct Letters {
    file: File,
    bytes: u64,
}

impl DeadLetters {
    pub(super) fn new(path: &Path, limit_bytes: u64, metrics: Arc<Metrics>) -> Self {
        Self { path: path.to_owned(), limit_bytes, file: None, metrics }
    }

    /// Keeps the lines (as posted), all for one reason. Each is counted as kept or as dropped.
    pub(super) fn keep<'a>(&mut self, reason: &str, entries: impl Iterator<Item = &'a [u8]>) {
        for entry in entries {
            match self.append(reason, entry) {
                Ok(true) => self.metrics.dead_letters.inc(),
                Ok(false) => self.metrics.lines_dropped.inc(DropReason::DeadLettersFull),
                Err(error) => {
                    self.metrics.lines_dropped.inc(DropReason::DeadLettersFailed);
                    self.metrics.errors.inc(ErrorKind::File);
                    crate::log::say(format_args!("cannot write dead letters to {}: {error}", self.path.display()));
                }
            }
        }
    }

    /// False: it does not fit.
    fn append(&mut self, reason: &str, entry: &[u8]) -> io::Result<bool> {
        let mut letter = encode(reason, entry)?;
        letter.push(b'\n');
        let letters = match &mut self.file {
            Some(letters) => letters,
            none => none.insert(Letters::open(&self.path)?),
        };
        let after = letters.bytes + letter.len() as u64;
        if after > self.limit_bytes {
            return Ok(false);
        }
        letters.file.write_all(&letter)?;
        letters.bytes = after;
        Ok(true)
    }
}

impl Letters {
    fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { file, bytes })
    }
}

fn encode(reason: &str, entry: &[u8]) -> io::Result<Vec<u8>> {
    #[derive(serde::Serialize)]
    struct Letter<'a> {
        reason: &'a str,
        entry: &'a RawValue,
    }
    let entry: &RawValue = serde_json::from_slice(entry)?;
    Ok(serde_json::to_vec(&Letter { reason, entry })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_kept_up_to_the_limit_and_the_rest_is_counted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("dead.ndjson");
        let metrics = Arc::new(Metrics::default());
        let mut letters = DeadLetters::new(&path, 90, Arc::clone(&metrics));
        letters.keep("too_old", [&br#"{"line":"a"}"#[..], br#"{"line":"b"}"#, br#"{"line":"c"}"#].into_iter());
        insta::assert_snapshot!(std::fs::read_to_string(&path).unwrap(), @r#"
        {"reason":"too_old","entry":{"line":"a"}}
        {"reason":"too_old","entry":{"line":"b"}}
        "#);
        assert_eq!(metrics.dead_letters.get(), 2);
        assert_eq!(metrics.lines_dropped.get(DropReason::DeadLettersFull), 1);
    }

    #[test]
    fn the_limit_holds_across_restarts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("dead.ndjson");
        for _ in 0..2 {
            let mut letters = DeadLetters::new(&path, 60, Arc::default());
            letters.keep("x", [&br#"{"line":"a"}"#[..]].into_iter());
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 1);
    }

    #[test]
    fn a_file_that_cannot_be_written_is_told_by_the_count() {
        let dir = tempfile::tempdir().unwrap();
        let metrics = Arc::new(Metrics::default());
        let mut letters = DeadLetters::new(dir.path(), 1000, Arc::clone(&metrics));
        letters.keep("x", [&br#"{"line":"a"}"#[..]].into_iter());
        assert_eq!(metrics.lines_dropped.get(DropReason::DeadLettersFailed), 1);
        assert_eq!(metrics.errors.get(ErrorKind::File), 1);
    }
}
