//! `leaksoak report`: the reports of a run directory, made again from its records alone.

use std::path::Path;

use leaksoak_reports::{RecordError, ReportError, RunVerdict, render, write_reports};

use super::print;
use crate::exit::{Exit, Failure};

pub(super) fn report(directory: &Path, json: bool) -> Result<Exit, Failure> {
    let verdict = write_reports(directory).map_err(|error| match error {
        ReportError::Record(RecordError::Write { .. } | RecordError::DiskFull { .. }) => Failure::environment(error),
        error => Failure::usage(error),
    })?;
    tell(&verdict, directory, json)?;
    Ok(exit(&verdict))
}

/// Prints the verdict.
pub(super) fn tell(verdict: &RunVerdict, directory: &Path, json: bool) -> Result<(), Failure> {
    if json {
        print(render::json(verdict).map_err(Failure::environment)?)
    } else {
        print(render::text(verdict))?;
        print(format_args!("report: {}", directory.join("summary.md").display()))
    }
}

/// The exit code that a verdict asks for.
pub(super) fn exit(verdict: &RunVerdict) -> Exit {
    match verdict.exit_code() {
        0 => Exit::Pass,
        1 => Exit::Fail,
        3 => Exit::Inconclusive,
        _ => Exit::Invalid,
    }
}
