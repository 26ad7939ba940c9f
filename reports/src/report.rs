//! From a recording and its verdict to everything that a renderer shows; and all reports of a run directory at once.

mod charts;

use std::path::Path;

use crate::analysis::{Cost, Life, Turn, Window};
use crate::record::{RecordError, Recording, RunDir, replace};
use crate::render;
use crate::render::png::{Chart, ChartError};
use crate::verdict::{RunVerdict, judge};

/// Finished data: a renderer computes nothing.
#[derive(Debug, Clone)]
pub struct Report<'a> {
    /// What was recorded.
    pub recording: &'a Recording,
    /// What it means.
    pub verdict: &'a RunVerdict,
    /// What each arm's work cost, in the order of the scenario.
    pub costs: Vec<(&'a str, Cost)>,
    /// File names and what is in them.
    pub charts: Vec<(&'static str, Chart)>,
}

/// Reports that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The run directory could not be read or written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A chart could not be drawn.
    #[error("cannot draw {chart}: {source}; the other reports of this run are not affected")]
    Chart {
        /// Its file name.
        chart: &'static str,
        /// Why.
        source: ChartError,
    },
    /// The verdict could not be written as JSON.
    #[error("cannot write the verdict as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl<'a> Report<'a> {
    /// Gathers what is shown of a run.
    #[must_use]
    pub fn of(recording: &'a Recording, verdict: &'a RunVerdict) -> Self {
        let turns = Turn::all_of(recording);
        let cost = |Turn { recording, timeline }: &Turn<'a>, arm| {
            let lives = Life::all_of(recording, arm);
            (arm, Cost::of(&Window::of_arm(recording, timeline, arm, &lives)))
        };
        Self {
            costs: turns.iter().flat_map(|turn| turn.arms().map(move |arm| cost(turn, arm))).collect(),
            charts: charts::all(recording, verdict, &turns),
            recording,
            verdict,
        }
    }
}

/// Makes every report of the run directory at `path` from what it holds: `verdict.json`, `summary.md`, `charts/*.png`.
///
/// Repeating it gives the same bytes. The verdict is written first: a chart that fails costs only the charts.
///
/// # Errors
/// See [`ReportError`].
pub fn write_reports(path: &Path) -> Result<RunVerdict, ReportError> {
    let dir = RunDir::new(path);
    let recording = Recording::load(path)?;
    let verdict = judge(&recording);
    let report = Report::of(&recording, &verdict);
    replace(&dir.verdict_json(), render::json(&verdict)?.as_bytes())?;
    replace(&dir.summary_md(), render::markdown(&report).as_bytes())?;
    let charts = dir.charts();
    std::fs::create_dir_all(&charts).map_err(|source| RecordError::write(&charts, source))?;
    for (name, chart) in &report.charts {
        let png = render::png::draw(chart).map_err(|source| ReportError::Chart { chart: name, source })?;
        replace(&charts.join(name), &png)?;
    }
    Ok(verdict)
}
