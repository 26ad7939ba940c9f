//! What can go wrong with a run directory: every error names the file, and what to do.

use std::io;
use std::path::{Path, PathBuf};

/// A run directory that could not be made, written or read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The place for a new run is taken.
    #[error("{} exists and is not empty: a run directory is never written over; name another, or remove it", path.display())]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// The place for a new run is a file.
    #[error("{} exists and is not a directory: name another place for the run", path.display())]
    NotADirectory {
        /// The file.
        path: PathBuf,
    },
    /// No space, or no quota, is left. What was written before stays readable.
    #[error("the disk is full: cannot write {}; free some space (what was written before stays readable)", path.display())]
    DiskFull {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file or directory could not be made or written.
    #[error("cannot write {}: {source}; check the path and its permissions", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A directory without `run.json` was to be read.
    #[error("{} is not a run directory: it has no run.json; name the directory that `leaksoak run` printed", path.display())]
    NotARun {
        /// The directory.
        path: PathBuf,
    },
    /// A file could not be read.
    #[error("cannot read {}: {source}; check the path and its permissions", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file that is always written whole does not hold what it should.
    #[error("{}, line {line}: {problem}; the file was changed after the run, or its disk is at fault: restore it from a copy", path.display())]
    BrokenFile {
        /// The file.
        path: PathBuf,
        /// 1 is the first.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// A whole line does not hold what it should.
    #[error("{}, line {line}: {problem}; the file was changed after the run, or its disk is at fault: remove the line to read the rest", path.display())]
    BrokenLine {
        /// The file.
        path: PathBuf,
        /// 1 is the first.
        line: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// The directory was written by a later leaksoak.
    #[error("{} has format version {found}, this leaksoak reads up to {supported}: read it with the leaksoak that made it, or a later one", path.display())]
    TooNew {
        /// Its `run.json`.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// Ours.
        supported: u32,
    },
}

impl RecordError {
    /// A failed write, with a full disk told apart.
    pub(crate) fn write(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { path, source },
            _ => Self::Write { path, source },
        }
    }

    /// A failed read.
    pub(crate) fn read(path: &Path, source: io::Error) -> Self {
        Self::Read { path: path.to_owned(), source }
    }
}
