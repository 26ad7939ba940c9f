//! `leaksoak analyze`: the judgement of a run's growth, for any time series from any tool.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use leaksoak_reports::Outcome;
use leaksoak_reports::analysis::{Growth, Known};
use leaksoak_reports::verdict::{Decision, decide, is_used_up};
use leaksoak_reports::words::{counted, span};
use leaksoak_scenarios::{GrowthBy, Span};
use serde::Serialize;

use super::print;
use crate::exit::{Exit, Failure};
use crate::series_file::{Columns, Series, TimeUnit, read};

pub(super) const HELP: &str = "\
The file is CSV with a header. An empty cell is a value that is not known; NaN and infinities are never judged.
Rows are put in order of time.

Exit codes: 0 every value passes, 1 one fails, 2 the file or the command line is wrong, 3 inconclusive, 4 invalid

Example: leaksoak analyze fds.csv --time elapsed_s --value fds --limit-per-min 2 --warmup 2m --ceiling 1024";

#[derive(Debug, Args)]
pub(super) struct AnalyzeArgs {
    /// A CSV file with a header; `-` reads standard input
    file: PathBuf,
    /// The column that holds the time
    #[arg(long, value_name = "COL", default_value = "time")]
    time: String,
    /// What the time is counted in
    #[arg(long, value_enum, default_value_t = Unit::S)]
    time_unit: Unit,
    /// A column to judge (may be repeated)
    #[arg(long = "value", value_name = "COL", required = true)]
    values: Vec<String>,
    /// Growth stays below this, per minute
    #[arg(long, value_name = "RATE", default_value = "2", value_parser = limit, allow_negative_numbers = true)]
    limit_per_min: f64,
    /// So much at the beginning is warm-up; its last sample is the baseline
    #[arg(long, value_name = "TIME", default_value = "0s")]
    warmup: Span,
    /// Where growing ends, such as a limit of open files: says when it is reached; having reached it is a FAIL
    #[arg(long, value_name = "N", value_parser = ceiling, allow_negative_numbers = true)]
    ceiling: Option<f64>,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
}

/// What a time is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Unit {
    /// Seconds
    S,
    /// Milliseconds
    Ms,
    /// Dates and times such as 2025-06-15T15:06:40.25Z or 2025-06-15 17:06:40+02:00; without a zone, UTC
    Iso,
}

/// One value, judged; the names are those of the JSON.
#[derive(Debug, Serialize)]
struct Judged {
    value: String,
    verdict: Outcome,
    shape: Option<&'static str>,
    steady_rate_per_min: Option<f64>,
    ci_low: Option<f64>,
    ci_high: Option<f64>,
    cumulative_rate_per_min: Option<f64>,
    baseline: Option<f64>,
    last: Option<f64>,
    samples: usize,
    projected_exhaustion_s: Option<f64>,
    more_minutes: Option<f64>,
    reason: String,
}

#[derive(Debug, Serialize)]
struct Analysis {
    verdict: Outcome,
    results: Vec<Judged>,
    notes: Vec<String>,
}

pub(super) fn analyze(args: &AnalyzeArgs) -> Result<Exit, Failure> {
    let unit = match args.time_unit {
        Unit::S => TimeUnit::Seconds,
        Unit::Ms => TimeUnit::Milliseconds,
        Unit::Iso => TimeUnit::Iso,
    };
    let columns = Columns { time: &args.time, unit, values: &args.values };
    let file = read(&args.file, &columns).map_err(Failure::usage)?;
    let results: Vec<Judged> = file.series.iter().map(|series| judged(series, args)).collect();
    let first = |wanted: Outcome| results.iter().any(|result| result.verdict == wanted).then_some(wanted);
    let ranked = [Outcome::Fail, Outcome::Invalid, Outcome::Inconclusive];
    let verdict = ranked.into_iter().find_map(first).unwrap_or(Outcome::Pass);
    let results = Analysis { verdict, results, notes: file.notes };
    if args.json {
        print(serde_json::to_string_pretty(&results).map_err(Failure::environment)?)?;
    } else {
        print(told(&results, args.ceiling).trim_end())?;
        for note in &results.notes {
            // Where nobody reads that, the exit code still says the verdict.
            let _ = writeln!(std::io::stderr(), "note: {note}");
        }
    }
    Ok(match verdict {
        Outcome::Pass => Exit::Pass,
        Outcome::Fail => Exit::Fail,
        Outcome::Inconclusive => Exit::Inconclusive,
        Outcome::Invalid => Exit::Invalid,
    })
}

fn judged(series: &Series, args: &AnalyzeArgs) -> Judged {
    let warm_s = series.start_s + args.warmup.as_duration().as_secs_f64();
    // The last sample of warm-up is the baseline.
    let baseline = series.points.iter().take_while(|(at_s, _)| *at_s <= warm_s).last();
    let from_s = baseline.or(series.points.first()).map_or(warm_s, |(at_s, _)| *at_s);
    // From where it has used up what there is, it cannot grow: it is judged on the time before.
    let used_up =
        args.ceiling.and_then(|ceiling| series.points.iter().position(|(_, value)| is_used_up(*value, ceiling)));
    let points = &series.points[..used_up.map_or(series.points.len(), |at| at + 1)];
    let growth = Growth::of(points, from_s, &[]);
    let known = Known::of(&series.points, series.rows, (series.start_s, series.end_s));
    let decision = match &series.not_a_number {
        Some(place) => {
            let reason =
                format!("{place}: what is not a number is no evidence; leave the cell empty where nothing was known");
            Decision { outcome: Outcome::Invalid, reason, more_min: None }
        }
        None => decide(&growth, known, args.limit_per_min, GrowthBy::Steady),
    };
    let Decision { outcome, reason, more_min } = match used_up.zip(args.ceiling) {
        Some((at, ceiling)) if series.not_a_number.is_none() => {
            let at_s = series.points[at].0 - series.start_s;
            Decision::used_up(&format!("ceiling of {ceiling}"), at_s, &decision.reason)
        }
        _ => decision,
    };
    let steady = growth.steady;
    let exhaustion = args.ceiling.zip(growth.last).and_then(|(ceiling, last)| {
        let left = ceiling - last;
        let rising = steady.filter(|steady| steady.low > 0.0).map(|steady| (left / steady.per_min * 60.0).max(0.0));
        if used_up.is_some() { Some(0.0) } else { rising }
    });
    Judged {
        value: series.name.clone(),
        verdict: outcome,
        shape: growth.shape.map(|shape| shape.word()),
        steady_rate_per_min: steady.map(|steady| steady.per_min),
        ci_low: steady.map(|steady| steady.low),
        ci_high: steady.map(|steady| steady.high),
        cumulative_rate_per_min: growth.cumulative_per_min,
        baseline: growth.baseline,
        last: growth.last,
        samples: points.iter().filter(|(at_s, _)| *at_s >= from_s).count(),
        projected_exhaustion_s: exhaustion,
        more_minutes: more_min,
        reason,
    }
}

fn told(results: &Analysis, ceiling: Option<f64>) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    for result in &results.results {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{} {}: {}", result.verdict.word(), result.value, result.reason);
        let known = |value: Option<f64>| match value {
            None => "?".to_owned(),
            Some(value) if value.abs() < 1e15 => format!("{value}"),
            Some(value) => format!("{value:e}"),
        };
        let rate = result.cumulative_rate_per_min.map_or("?".to_owned(), |rate| format!("{rate:.2}"));
        let _ = write!(
            text,
            "  {} -> {}, {rate}/min cumulative, {}",
            known(result.baseline),
            known(result.last),
            counted(result.samples as u64, "sample")
        );
        if let Some(shape) = result.shape {
            let _ = write!(text, ", {shape}");
        }
        if let Some((seconds, ceiling)) = result.projected_exhaustion_s.zip(ceiling) {
            let _ = match seconds {
                0.0 => write!(text, "; {ceiling} reached"),
                _ => write!(text, "; {ceiling} in {}", span(seconds)),
            };
        }
        text.push('\n');
    }
    text
}

fn number(text: &str) -> Result<f64, String> {
    let number = text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
    number.ok_or_else(|| "it is a number, such as 1024".to_owned())
}

fn ceiling(text: &str) -> Result<f64, String> {
    number(text).ok().filter(|ceiling| *ceiling > 0.0).ok_or_else(|| "it is a number above 0, such as 1024".to_owned())
}

fn limit(text: &str) -> Result<f64, String> {
    number(text).ok().filter(|limit| *limit >= 0.0).ok_or_else(|| "it is a number of 0 or more, such as 2".to_owned())
}
