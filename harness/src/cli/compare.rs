//! `leaksoak compare`: two run directories, and whether the second is worse.

use std::path::Path;

use leaksoak_reports::{Recording, compare_runs, render};

use super::{print, report};
use crate::exit::{Exit, Failure};

pub(super) const HELP: &str =
    "A regression is a difference that is both more than chance (at 95 %, divided by the number of comparisons)
and larger than --min-effect. Arms are compared by name; controls are shown and held against nobody.

Exit codes: 0 no regression, 1 a regression, 2 a directory that is no run, or runs without a common arm,
            3 something was known in A and is not in B, 4 an arm did not do its work";

pub(super) fn compare(a: &Path, b: &Path, min_effect_pct: f64, json: bool) -> Result<Exit, Failure> {
    let a = Recording::load(a).map_err(|error| Failure::usage(format!("RUN_A: {error}")))?;
    let b = Recording::load(b).map_err(|error| Failure::usage(format!("RUN_B: {error}")))?;
    let comparison = compare_runs(&a, &b, min_effect_pct).map_err(Failure::usage)?;
    if json {
        print(render::comparison_json(&comparison).map_err(Failure::environment)?.trim_end())?;
    } else {
        print(render::comparison(&comparison))?;
    }
    Ok(report::exit(comparison.outcome))
}

/// `10`, `10%`, `0.5 %`.
pub(super) fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim().strip_suffix('%').unwrap_or(text).trim();
    let percent = number.parse::<f64>().ok().filter(|percent| percent.is_finite() && *percent >= 0.0);
    percent.ok_or_else(|| "it is a number of percent from 0, such as 10 or 2.5%".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentage_is_a_number_from_zero_with_or_without_its_sign() {
        let good = ["10", "10%", "0.5 %", "0", " 7 "].map(|text| percent(text).ok());
        assert_eq!(good, [Some(10.0), Some(10.0), Some(0.5), Some(0.0), Some(7.0)]);
        assert!(["-1", "NaN", "inf", "%", "", "ten", "10%%"].iter().all(|text| percent(text).is_err()));
    }
}
