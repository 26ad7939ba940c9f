//! Writing a run directory while the run lives.
//!
//! Guarantees: every file is readable at any moment, even after a `kill -9` or on a full disk; a directory that
//! holds something is never written into. Rows reach the system at [`RunWriter::flush`] (each tick) and the disk at
//! [`RunWriter::sync`] (each checkpoint).

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use serde::Serialize;

use super::append::Lines;
use super::checkpoints::{Checkpoint, FdGroup, LatencyRow, TaskGroup};
use super::dir::{replace, sync_dir};
use super::events::EventRecord;
use super::ledger::Ledger;
use super::run_info::RunInfo;
use super::samples::Sample;
use super::{RecordError, RunDir};
use crate::words::one_line;

/// The only writer of a run directory.
#[derive(Debug)]
pub struct RunWriter {
    dir: RunDir,
    samples: CsvFile,
    checkpoints: CsvFile,
    fd_groups: CsvFile,
    task_groups: CsvFile,
    latency: CsvFile,
    events: Lines<File>,
}

impl RunWriter {
    /// Makes the directory (mode 0755, parents too) and its files, and writes `run.json`.
    ///
    /// # Errors
    /// [`RecordError::NotEmpty`] where something is there already, and whatever the file system has to say.
    pub fn create(path: &Path, info: &RunInfo) -> Result<Self, RecordError> {
        let dir = begin(path, info)?;
        make_folders(&[&dir.arms(), &dir.charts()])?;
        let writer = Self {
            samples: CsvFile::create(&dir.samples_csv())?,
            checkpoints: CsvFile::create(&dir.checkpoints_csv())?,
            fd_groups: CsvFile::create(&dir.fd_groups_csv())?,
            task_groups: CsvFile::create(&dir.task_groups_csv())?,
            latency: CsvFile::create(&dir.latency_csv())?,
            events: Lines::create(dir.events_jsonl())?,
            dir,
        };
        sync_dir(path)?;
        Ok(writer)
    }

    /// The names of its files.
    #[must_use]
    pub fn dir(&self) -> &RunDir {
        &self.dir
    }

    /// Adds a row to `samples.csv`.
    pub fn sample(&mut self, sample: &Sample) -> Result<(), RecordError> {
        self.samples.row(&Sample {
            subject: one_line(&sample.subject),
            missing: one_line(&sample.missing),
            ..sample.clone()
        })
    }

    /// Adds a row to `checkpoints.csv`.
    pub fn checkpoint(&mut self, checkpoint: &Checkpoint) -> Result<(), RecordError> {
        self.checkpoints.row(&Checkpoint {
            arm: one_line(&checkpoint.arm),
            status: one_line(&checkpoint.status),
            ..checkpoint.clone()
        })
    }

    /// Adds a row to `fd_groups.csv`.
    pub fn fd_group(&mut self, group: &FdGroup) -> Result<(), RecordError> {
        self.fd_groups.row(&FdGroup {
            subject: one_line(&group.subject),
            kind: one_line(&group.kind),
            target: one_line(&group.target),
            ..group.clone()
        })
    }

    /// Adds a row to `task_groups.csv`.
    pub fn task_group(&mut self, group: &TaskGroup) -> Result<(), RecordError> {
        self.task_groups.row(&TaskGroup {
            arm: one_line(&group.arm),
            spawn_site: one_line(&group.spawn_site),
            ..group.clone()
        })
    }

    /// Adds a row to `latency.csv`.
    pub fn latency(&mut self, row: &LatencyRow) -> Result<(), RecordError> {
        self.latency.row(&LatencyRow { arm: one_line(&row.arm), ..row.clone() })
    }

    /// Adds a line to `events.jsonl`.
    pub fn event(&mut self, event: &EventRecord) -> Result<(), RecordError> {
        let mut line = to_json(self.events.path(), event, serde_json::to_vec)?;
        line.push(b'\n');
        self.events.push(&line)
    }

    /// Replaces `ledger.json`, whole.
    pub fn ledger(&mut self, ledger: &Ledger) -> Result<(), RecordError> {
        replace_with_json(&self.dir.ledger_json(), ledger)
    }

    /// Hands every row so far to the system: a `kill -9` no longer loses them. Each tick.
    ///
    /// # Errors
    /// The first one; the other files are written all the same.
    pub fn flush(&mut self) -> Result<(), RecordError> {
        self.each(Lines::flush)
    }

    /// Waits until every row so far is on the disk: a power cut no longer loses them. Each checkpoint.
    ///
    /// # Errors
    /// The first one; the other files are written all the same.
    pub fn sync(&mut self) -> Result<(), RecordError> {
        self.each(Lines::sync)
    }

    fn each(&mut self, act: impl Fn(&mut Lines<File>) -> Result<(), RecordError>) -> Result<(), RecordError> {
        let coarse = [&mut self.checkpoints, &mut self.fd_groups, &mut self.task_groups, &mut self.latency];
        let tables = std::iter::once(&mut self.samples).chain(coarse).map(|table| &mut table.lines);
        let files = std::iter::once(&mut self.events).chain(tables);
        files.map(act).fold(Ok(()), Result::and)
    }
}

/// A CSV file; its header goes before its first row.
#[derive(Debug)]
struct CsvFile {
    lines: Lines<File>,
    headed: bool,
}

impl CsvFile {
    fn create(path: &Path) -> Result<Self, RecordError> {
        Ok(Self { lines: Lines::create(path.to_owned())?, headed: false })
    }

    /// Texts in `row` have no line breaks: a reader takes a line of the file for a row.
    fn row(&mut self, row: &impl Serialize) -> Result<(), RecordError> {
        let mut csv = csv::WriterBuilder::new().has_headers(!self.headed).buffer_capacity(512).from_writer(Vec::new());
        let text = csv
            .serialize(row)
            .map_err(io::Error::other)
            .and_then(|()| csv.into_inner().map_err(|error| io::Error::other(error.to_string())))
            .map_err(|source| RecordError::write(self.lines.path(), source))?;
        self.headed = true;
        self.lines.push(&text)
    }
}

/// Makes the directory of a run whose arms take turns, and writes its `run.json`: each turn is written into a directory of its
/// own, [`RunDir::turn`].
///
/// # Errors
/// As for [`RunWriter::create`].
pub fn begin_turns(path: &Path, info: &RunInfo) -> Result<RunDir, RecordError> {
    let dir = begin(path, info)?;
    sync_dir(path)?;
    Ok(dir)
}

fn begin(path: &Path, info: &RunInfo) -> Result<RunDir, RecordError> {
    refuse_what_is_there(path)?;
    let dir = RunDir::new(path);
    make_folders(&[path])?;
    replace_with_json(&dir.run_json(), info)?;
    Ok(dir)
}

fn make_folders(folders: &[&Path]) -> Result<(), RecordError> {
    folders.iter().try_for_each(|folder| {
        let made = DirBuilder::new().recursive(true).mode(0o755).create(folder);
        made.map_err(|source| RecordError::write(folder, source))
    })
}

fn refuse_what_is_there(path: &Path) -> Result<(), RecordError> {
    match std::fs::read_dir(path) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(RecordError::NotEmpty { path: path.to_owned() }),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            Err(RecordError::NotADirectory { path: path.to_owned() })
        }
        Err(source) => Err(RecordError::read(path, source)),
    }
}

/// Readable by people too: indented, with a newline at its end.
fn replace_with_json(path: &Path, value: &impl Serialize) -> Result<(), RecordError> {
    let mut text = to_json(path, value, serde_json::to_vec_pretty)?;
    text.push(b'\n');
    replace(path, &text)
}

fn to_json<T>(
    path: &Path,
    value: &T,
    form: impl Fn(&T) -> serde_json::Result<Vec<u8>>,
) -> Result<Vec<u8>, RecordError> {
    form(value).map_err(|error| RecordError::write(path, error.into()))
}
