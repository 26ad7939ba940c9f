//! `verdict.json`, and what `--json` prints.

use crate::verdict::RunVerdict;

/// The verdict, indented, with a newline at its end. Its fields are those of [`RunVerdict`].
///
/// # Errors
/// None that a verdict can cause: every number in it is finite.
pub fn json(verdict: &RunVerdict) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(verdict).map(|text| text + "\n")
}
