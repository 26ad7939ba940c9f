//! Round numbers for axes.

use super::Unit;
use crate::words::count_f64;

/// A unit of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct TimeUnit {
    /// `seconds`, ...
    pub(super) name: &'static str,
    seconds: f64,
}

/// Ticks per time axis at most.
const TIME_TICKS: f64 = 10.0;

/// The unit in which a run of this length is told.
pub(super) fn time_unit(end_s: f64) -> TimeUnit {
    let (name, seconds) = match end_s {
        end if end <= 180.0 => ("seconds", 1.0),
        end if end <= 3.0 * 3_600.0 => ("minutes", 60.0),
        end if end <= 96.0 * 3_600.0 => ("hours", 3_600.0),
        _ => ("days", 86_400.0),
    };
    TimeUnit { name, seconds }
}

/// (seconds, label) of each tick from 0 to `end_s`.
pub(super) fn time_ticks(end_s: f64) -> Vec<(f64, String)> {
    let unit = time_unit(end_s).seconds;
    // Steps that divide a minute, an hour or a day; in days they are powers of ten again.
    let steps: &[f64] = match unit {
        3_600.0 => &[1.0, 2.0, 3.0, 6.0, 12.0, 24.0],
        86_400.0 => &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0],
        _ => &[1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0],
    };
    let end = end_s / unit;
    let step = steps.iter().copied().find(|step| end / step <= TIME_TICKS).unwrap_or(end / TIME_TICKS);
    ticks(0.0, end, step).map(|at| (at * unit, count_f64(at))).collect()
}

/// (value, label) of at most seven ticks or so from `low` to `high`.
pub(super) fn value_ticks(low: f64, high: f64, unit: Unit) -> Vec<(f64, String)> {
    const MIB: f64 = 1_048_576.0;
    let (of_one, least) = match unit {
        Unit::Count => (1.0, 1.0),
        Unit::Bytes => (MIB, 0.1),
    };
    let step = round_step((high - low) / of_one / 6.0).max(least);
    let label = |at: f64| if step < 1.0 { format!("{at:.1}") } else { count_f64(at) };
    ticks(low / of_one, high / of_one, step).map(|at| (at * of_one, label(at))).collect()
}

/// 1, 2 or 5 times a power of ten, not below `step`.
fn round_step(step: f64) -> f64 {
    if step <= 0.0 || !step.is_finite() {
        return 1.0;
    }
    let power = 10.0_f64.powf(step.log10().floor());
    [1.0, 2.0, 5.0, 10.0].map(|digit| digit * power).into_iter().find(|round| *round >= step * 0.999).unwrap_or(power)
}

fn ticks(low: f64, high: f64, step: f64) -> impl Iterator<Item = f64> {
    let first = (low / step).ceil();
    // A rounding error must not take the last tick away.
    (0_u32..)
        .map(move |tick| (first + f64::from(tick)) * step)
        .take_while(move |at| *at <= high + step * 1e-9)
        .take(100)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(ticks: &[(f64, String)]) -> Vec<&str> {
        ticks.iter().map(|(_, label)| label.as_str()).collect()
    }

    #[test]
    fn times_are_told_in_the_unit_of_the_run() {
        assert_eq!(labels(&time_ticks(60.0)), ["0", "10", "20", "30", "40", "50", "60"]);
        assert_eq!(labels(&time_ticks(1_800.0)), ["0", "5", "10", "15", "20", "25", "30"]);
        assert_eq!(labels(&time_ticks(172_800.0)), ["0", "6", "12", "18", "24", "30", "36", "42", "48"]);
        assert_eq!(time_unit(1_800.0).name, "minutes");
    }

    #[test]
    fn values_get_round_ticks_and_counts_whole_ones() {
        assert_eq!(labels(&value_ticks(0.0, 1_100.0, Unit::Count)), ["0", "200", "400", "600", "800", "1,000"]);
        assert_eq!(labels(&value_ticks(29.0, 32.0, Unit::Count)), ["29", "30", "31", "32"]);
        assert_eq!(labels(&value_ticks(0.0, 2.0 * 1_048_576.0, Unit::Bytes)), ["0.0", "0.5", "1.0", "1.5", "2.0"]);
    }

    #[test]
    fn an_axis_of_no_length_has_few_ticks() {
        assert!(value_ticks(0.0, 0.0, Unit::Count).len() <= 1);
        assert!(time_ticks(0.0).len() <= 1);
    }
}
