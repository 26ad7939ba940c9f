//! `leaksoak report`: the reports of a run directory, made again from its records alone.

use std::path::Path;

use leaksoak_reports::{Outcome, RecordError, ReportError, RunVerdict, render, write_reports};

use super::print;
use crate::exit::{Exit, Failure};

pub(super) fn report(directory: &Path, json: bool) -> Result<Exit, Failure> {
    let verdict = write_reports(directory).map_err(|error| match error {
        ReportError::Record(RecordError::Write { .. } | RecordError::DiskFull { .. }) => Failure::environment(error),
        error => Failure::usage(error),
    })?;
    tell(&verdict, directory, json)?;
    Ok(exit(verdict.outcome))
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

/// The exit code that an outcome asks for.
pub(super) fn exit(outcome: Outcome) -> Exit {
    match outcome {
        Outcome::Pass => Exit::Pass,
        Outcome::Fail => Exit::Fail,
        Outcome::Inconclusive => Exit::Inconclusive,
        Outcome::Invalid => Exit::Invalid,
    }
}
