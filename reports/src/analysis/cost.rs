//! What an arm's work cost: processor time and memory.

use super::growth::Window;
use crate::record::samples::Sample;

/// The cost of one arm over its judged samples.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Cost {
    /// Processor time, user and kernel, in percent of one core.
    pub cpu_pct: Option<f64>,
    /// Processor seconds per million lines that reached the sink.
    pub cpu_s_per_million_lines: Option<f64>,
    /// Largest resident memory seen, bytes.
    pub rss_max_bytes: Option<f64>,
    /// Last resident memory seen, bytes.
    pub rss_last_bytes: Option<f64>,
    /// Lines per second that reached the sink.
    pub lines_per_s: Option<f64>,
}

impl Cost {
    /// Over one window.
    #[must_use]
    pub fn of(window: &Window<'_>) -> Self {
        let mut rss = window.steady.iter().filter_map(|sample| sample.rss_bytes.map(|bytes| bytes as f64));
        let cpu = increase(window, |sample| Some(sample.cpu_user_s? + sample.cpu_sys_s?));
        let lines = increase(window, |sample| sample.lines_delivered.map(|lines| lines as f64));
        let per_line = cpu.zip(lines).filter(|(_, lines)| lines.amount > 0.0);
        Self {
            cpu_pct: cpu.map(|cpu| cpu.per_s() * 100.0),
            // Both per second, should one of them be known over a shorter time than the other.
            cpu_s_per_million_lines: per_line.map(|(cpu, lines)| cpu.per_s() / lines.per_s() * 1e6),
            rss_max_bytes: rss.clone().reduce(f64::max),
            rss_last_bytes: rss.next_back(),
            lines_per_s: lines.map(Increase::per_s),
        }
    }
}

#[derive(Clone, Copy)]
struct Increase {
    amount: f64,
    seconds: f64,
}

impl Increase {
    fn per_s(self) -> f64 {
        self.amount / self.seconds
    }
}

/// Of a counter, from the first sample that knows it to the last.
fn increase(window: &Window<'_>, value: impl Fn(&Sample) -> Option<f64>) -> Option<Increase> {
    let mut known = window.steady.iter().filter_map(|sample| value(sample).map(|value| (sample.elapsed_s, value)));
    let first = known.next()?;
    let last = known.next_back()?;
    let seconds = last.0 - first.0;
    (seconds > 0.0).then_some(Increase { amount: last.1 - first.1, seconds })
}
