//! Reading a run directory, of a run that ended or was killed at any byte.
//!
//! Guarantees: every whole line is kept; a torn last line is dropped and said; a file that is missing is said. A
//! whole line that cannot be read is an error with its file and number: nothing is guessed, nothing skipped.

use std::fmt::Display;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::checkpoints::{Checkpoint, FdGroup, LatencyRow, TaskGroup};
use super::events::EventRecord;
use super::ledger::Ledger;
use super::run_info::{FORMAT_VERSION, RunInfo};
use super::samples::Sample;
use super::{RecordError, RunDir};
use crate::words::counted;

/// Everything that one run recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// What was run, where.
    pub info: RunInfo,
    /// In order of time.
    pub samples: Vec<Sample>,
    /// In order of time.
    pub checkpoints: Vec<Checkpoint>,
    /// In order of time.
    pub fd_groups: Vec<FdGroup>,
    /// In order of time; empty where the arms could not tell, or an earlier leaksoak did not ask them.
    pub task_groups: Vec<TaskGroup>,
    /// In order of time; empty of an earlier leaksoak.
    pub latency: Vec<LatencyRow>,
    /// In order of time.
    pub events: Vec<EventRecord>,
    /// `None`: the run ended before the sink gave an account.
    pub ledger: Option<Ledger>,
    /// Of a run whose arms took turns: what was recorded of each, in their order. The run itself then has no rows or events.
    pub turns: Vec<Recording>,
    /// What was torn or missing, in words for the reader of a report.
    pub notes: Vec<String>,
}

impl Recording {
    /// Reads the run directory at `path`.
    ///
    /// # Errors
    /// See [`RecordError`]: not a run directory, a later format, a file that cannot be read, a broken line.
    pub fn load(path: &Path) -> Result<Self, RecordError> {
        let dir = RunDir::new(path);
        let info = read_run_info(&dir)?;
        if info.scenario.isolate {
            return Self::load_turns(&dir, info);
        }
        let mut notes = Vec::new();
        let samples = read_rows(&dir.samples_csv(), &mut notes)?;
        let checkpoints = read_rows(&dir.checkpoints_csv(), &mut notes)?;
        let fd_groups = read_rows(&dir.fd_groups_csv(), &mut notes)?;
        let task_groups = read_later_rows(&dir.task_groups_csv(), &mut notes)?;
        let latency = read_later_rows(&dir.latency_csv(), &mut notes)?;
        let events = read_events(&dir.events_jsonl(), &mut notes)?;
        let ledger = read_ledger(&dir.ledger_json(), &mut notes)?;
        let turns = Vec::new();
        Ok(Self { info, samples, checkpoints, fd_groups, task_groups, latency, events, ledger, turns, notes })
    }

    /// What was measured together: the whole run, or each of its turns.
    #[must_use]
    pub fn turns(&self) -> &[Self] {
        if self.turns.is_empty() { std::slice::from_ref(self) } else { &self.turns }
    }

    /// A turn that was not begun is one of which nothing was recorded.
    fn load_turns(dir: &RunDir, info: RunInfo) -> Result<Self, RecordError> {
        let mut turns = Vec::new();
        for scenario in info.scenario.turns() {
            let turn = match Self::load(dir.turn(&scenario.arms[0].name).path()) {
                Err(RecordError::NotARun { .. }) => Self::empty(RunInfo { scenario, ..info.clone() }),
                loaded => loaded?,
            };
            turns.push(turn);
        }
        Ok(Self::of_turns(info, turns))
    }

    /// Nothing at all was recorded: of a turn, that it was not begun.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty() && self.checkpoints.is_empty() && self.events.is_empty() && self.ledger.is_none()
    }

    /// A run whose arms took these turns.
    #[must_use]
    pub fn of_turns(info: RunInfo, turns: Vec<Self>) -> Self {
        Self { turns, ..Self::empty(info) }
    }

    fn empty(info: RunInfo) -> Self {
        Self {
            info,
            samples: Vec::new(),
            checkpoints: Vec::new(),
            fd_groups: Vec::new(),
            task_groups: Vec::new(),
            latency: Vec::new(),
            events: Vec::new(),
            ledger: None,
            turns: Vec::new(),
            notes: Vec::new(),
        }
    }
}

fn read_run_info(dir: &RunDir) -> Result<RunInfo, RecordError> {
    #[derive(Deserialize)]
    struct Version {
        format_version: u32,
    }

    let path = dir.run_json();
    let Some(bytes) = read(&path)? else {
        return Err(RecordError::NotARun { path: dir.path().to_owned() });
    };
    // The version first: what else a later version holds is not for this reader to complain about.
    let Version { format_version: found } = parse_json(&path, &bytes)?;
    if found > FORMAT_VERSION {
        return Err(RecordError::TooNew { path, found, supported: FORMAT_VERSION });
    }
    parse_json(&path, &bytes)
}

fn read_ledger(path: &Path, notes: &mut Vec<String>) -> Result<Option<Ledger>, RecordError> {
    let Some(bytes) = read(path)? else {
        notes.push(format!("{} is missing: what was lost is not known", file_name(path)));
        return Ok(None);
    };
    parse_json(path, &bytes).map(Some)
}

fn read_events(path: &Path, notes: &mut Vec<String>) -> Result<Vec<EventRecord>, RecordError> {
    let Some(bytes) = read_lines(path, notes)? else { return Ok(Vec::new()) };
    let lines = bytes.split(|&byte| byte == b'\n').zip(1..);
    lines
        .filter(|(line, _)| !line.is_empty())
        .map(|(line, number)| serde_json::from_slice(line).map_err(|error| broken(path, number, json_problem(&error))))
        .collect()
}

/// Of a file that the first leaksoaks did not write: where there is none, nothing is missing.
fn read_later_rows<T: Row>(path: &Path, notes: &mut Vec<String>) -> Result<Vec<T>, RecordError> {
    if path.exists() { read_rows(path, notes) } else { Ok(Vec::new()) }
}

fn read_rows<T: Row>(path: &Path, notes: &mut Vec<String>) -> Result<Vec<T>, RecordError> {
    let Some(bytes) = read_lines(path, notes)? else { return Ok(Vec::new()) };
    let mut rows = Vec::new();
    // The header is line 1. A field never holds a line break, so a row is a line.
    for (row, line) in csv::Reader::from_reader(bytes.as_slice()).deserialize::<T>().zip(2..) {
        let row = row.map_err(|error| {
            let line = error.position().map_or(line, csv::Position::line);
            broken(path, line, reason(&error))
        })?;
        if !row.is_finite() {
            return Err(broken(path, line, "a number is not finite"));
        }
        rows.push(row);
    }
    Ok(rows)
}

/// What the csv crate says, without the position that the error gives already.
fn reason(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Deserialize { err, .. } => err.to_string(),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{} where the header has {expected_len}", counted(*len, "field"))
        }
        csv::ErrorKind::Utf8 { err, .. } => err.to_string(),
        _ => error.to_string(),
    }
}

/// A row of a CSV file.
trait Row: DeserializeOwned {
    /// `NaN` and `inf` are numbers to the parser; the statistics would not survive them.
    fn is_finite(&self) -> bool;
}

impl Row for Sample {
    fn is_finite(&self) -> bool {
        finite([Some(self.elapsed_s), self.cpu_user_s, self.cpu_sys_s])
    }
}

impl Row for Checkpoint {
    fn is_finite(&self) -> bool {
        finite([Some(self.elapsed_s), self.fds_cumulative_per_min, self.fds_steady_per_min])
            && finite([self.tasks_cumulative_per_min, self.tasks_steady_per_min])
    }
}

impl Row for FdGroup {
    fn is_finite(&self) -> bool {
        true
    }
}

impl Row for TaskGroup {
    fn is_finite(&self) -> bool {
        true
    }
}

impl Row for LatencyRow {
    fn is_finite(&self) -> bool {
        true
    }
}

fn finite<const N: usize>(values: [Option<f64>; N]) -> bool {
    values.into_iter().flatten().all(f64::is_finite)
}

/// The whole lines of a file; `None` where there is no file.
fn read_lines(path: &Path, notes: &mut Vec<String>) -> Result<Option<Vec<u8>>, RecordError> {
    let Some(mut bytes) = read(path)? else {
        notes.push(format!("{} is missing", file_name(path)));
        return Ok(None);
    };
    let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    if whole < bytes.len() {
        notes.push(format!(
            "{} ends in a torn line, as after a kill or on a full disk: its end of {} was dropped",
            file_name(path),
            counted((bytes.len() - whole) as u64, "byte")
        ));
        bytes.truncate(whole);
    }
    Ok(Some(bytes))
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, RecordError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(RecordError::read(path, source)),
    }
}

fn parse_json<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, RecordError> {
    serde_json::from_slice(bytes).map_err(|error| RecordError::BrokenFile {
        path: path.to_owned(),
        line: error.line() as u64,
        problem: json_problem(&error),
    })
}

/// What serde_json says, without the position: the number of the line is ours to give.
fn json_problem(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split_once(" at line ").map_or(text.as_str(), |(problem, _)| problem).to_owned()
}

fn broken(path: &Path, line: u64, problem: impl Display) -> RecordError {
    RecordError::BrokenLine { path: PathBuf::from(path), line, problem: problem.to_string() }
}

fn file_name(path: &Path) -> impl Display {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
