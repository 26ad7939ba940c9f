//! The names of what is in a run directory, and the one way to replace a file in it.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::RecordError;

/// The files of one run, by name. Holds a path only: nothing is opened, and nothing need exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// The run directory at `path`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was run, where.
    #[must_use]
    pub fn run_json(&self) -> PathBuf {
        self.path.join("run.json")
    }

    /// One row per tick and subject.
    #[must_use]
    pub fn samples_csv(&self) -> PathBuf {
        self.path.join("samples.csv")
    }

    /// One row per checkpoint and arm.
    #[must_use]
    pub fn checkpoints_csv(&self) -> PathBuf {
        self.path.join("checkpoints.csv")
    }

    /// Open descriptors by kind and target, per checkpoint and subject.
    #[must_use]
    pub fn fd_groups_csv(&self) -> PathBuf {
        self.path.join("fd_groups.csv")
    }

    /// Live tasks by the line that spawned them, per checkpoint and arm.
    #[must_use]
    pub fn task_groups_csv(&self) -> PathBuf {
        self.path.join("task_groups.csv")
    }

    /// Latency of the lines of each checkpoint and arm.
    #[must_use]
    pub fn latency_csv(&self) -> PathBuf {
        self.path.join("latency.csv")
    }

    /// What happened.
    #[must_use]
    pub fn events_jsonl(&self) -> PathBuf {
        self.path.join("events.jsonl")
    }

    /// The sink's account.
    #[must_use]
    pub fn ledger_json(&self) -> PathBuf {
        self.path.join("ledger.json")
    }

    /// The verdict, for machines.
    #[must_use]
    pub fn verdict_json(&self) -> PathBuf {
        self.path.join("verdict.json")
    }

    /// The report, for people.
    #[must_use]
    pub fn summary_md(&self) -> PathBuf {
        self.path.join("summary.md")
    }

    /// Where the charts are.
    #[must_use]
    pub fn charts(&self) -> PathBuf {
        self.path.join("charts")
    }

    /// Where the arms' logs are.
    #[must_use]
    pub fn arms(&self) -> PathBuf {
        self.path.join("arms")
    }

    /// The run directory of one arm's turn, of a run whose arms take turns. `arm` is a name that a scenario has
    /// accepted: no separators in it.
    #[must_use]
    pub fn turn(&self, arm: &str) -> Self {
        Self::new(self.path.join("turns").join(arm))
    }

    /// The log (standard error) of one arm. `arm` is a name that a scenario has accepted: no separators in it.
    #[must_use]
    pub fn arm_log(&self, arm: &str) -> PathBuf {
        self.arms().join(format!("{arm}.log"))
    }
}

/// Puts `bytes` in the place of the file at `path`: a reader, or a `kill -9`, meets the old or the new, never a part.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), RecordError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    let written = write_synced(&new, bytes).and_then(|()| fs::rename(&new, path));
    if let Err(source) = written {
        // Best effort: the failure that is told is the first one.
        let _ = fs::remove_file(&new);
        return Err(RecordError::write(path, source));
    }
    Ok(())
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes the names in a directory last: what was created or renamed in it survives a power cut.
pub(super) fn sync_dir(path: &Path) -> Result<(), RecordError> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(|source| RecordError::write(path, source))
}
