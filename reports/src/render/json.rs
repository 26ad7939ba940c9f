//! `verdict.json`, and what `--json` prints.

use serde::Serialize;

use crate::comparison::RunComparison;
use crate::verdict::RunVerdict;

/// The verdict, indented, with a newline at its end. Its fields are those of [`RunVerdict`].
///
/// # Errors
/// None that a verdict can cause: every number in it is finite.
pub fn json(verdict: &RunVerdict) -> Result<String, serde_json::Error> {
    pretty(verdict)
}

/// What `leaksoak compare --json` prints. Its fields are those of [`RunComparison`].
///
/// # Errors
/// None that a comparison can cause: every number in it is finite.
pub fn comparison_json(comparison: &RunComparison) -> Result<String, serde_json::Error> {
    pretty(comparison)
}

fn pretty(value: &impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(value).map(|text| text + "\n")
}
