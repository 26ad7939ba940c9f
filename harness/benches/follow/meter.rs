//! What a contender counts of itself, and the one line in which it tells.

use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hdrhistogram::Histogram;
use leaksoak::workload::line::tokens;
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::Runtime;

use crate::{BACKLOG_LINES, CONTAINERS, Mode, Outcome};

/// The connections are made, and what was printed before is read.
const WARMUP: Duration = Duration::from_secs(3);
const MEASURED: Duration = Duration::from_secs(10);
/// How often it is looked whether the backlog is read: a hundredth of what the quickest contender takes.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Counts lines and, of live ones, how late every 32nd is.
pub(crate) struct Meter {
    lines: AtomicU64,
    /// `None`: a backlog is as late as it is old, and finding that out would cost more than reading a line does.
    latency_us: Option<Mutex<Histogram<u64>>>,
}

/// What was measured of one contender in one turn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Measured {
    pub(crate) lines: u64,
    pub(crate) lines_per_s: f64,
    pub(crate) cpu_us_per_line: f64,
    /// p50 and p99, where lateness says anything: a backlog is as late as it is old.
    pub(crate) late_ms: Option<(f64, f64)>,
}

impl Meter {
    pub(crate) fn new(mode: Mode) -> Outcome<Self> {
        let latency_us = match mode {
            Mode::Live => Some(Histogram::new_with_bounds(1, 600_000_000, 3)?.into()),
            Mode::Backlog => None,
        };
        Ok(Self { lines: AtomicU64::new(0), latency_us })
    }

    pub(crate) fn line(&self, bytes: &[u8]) {
        let counted = self.lines.fetch_add(1, Ordering::Relaxed);
        let Some(latency_us) = self.latency_us.as_ref().filter(|_| counted.is_multiple_of(32)) else { return };
        let Some(token) = tokens(bytes).next() else { return };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let late = now.saturating_sub(Duration::from_nanos(token.t_ns));
        let late_us = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
        lock(latency_us).saturating_record(late_us);
    }

    /// Counts lines that are not looked at.
    pub(crate) fn count(&self, lines: usize) {
        self.lines.fetch_add(lines as u64, Ordering::Relaxed);
    }

    pub(crate) fn lines(&self) -> u64 {
        self.lines.load(Ordering::Relaxed)
    }

    fn late_ms(&self) -> Option<(f64, f64)> {
        let latency = lock(self.latency_us.as_ref()?);
        let late_ms = |quantile| latency.value_at_quantile(quantile) as f64 / 1000.0;
        (!latency.is_empty()).then(|| (late_ms(0.5), late_ms(0.99)))
    }
}

/// Runs `following` until the backlog is read, or for a while, and measures this process meanwhile; `lines` counts.
pub(crate) fn measure(
    runtime: &Runtime,
    following: impl Future<Output = Outcome<()>>,
    mode: Mode,
    meter: &Meter,
    lines: impl Fn() -> u64,
) -> Outcome<Measured> {
    let mut began = (0, Instant::now(), cpu());
    let until = async {
        match mode {
            Mode::Backlog => {
                while lines() < CONTAINERS * BACKLOG_LINES {
                    tokio::time::sleep(LOOK_EVERY).await;
                }
            }
            Mode::Live => {
                tokio::time::sleep(WARMUP).await;
                meter.latency_us.iter().for_each(|latency_us| lock(latency_us).reset());
                began = (lines(), Instant::now(), cpu());
                tokio::time::sleep(MEASURED).await;
            }
        }
    };
    runtime.block_on(async {
        tokio::select! {
            ended = following => ended.and(Err("it ended by itself".into())),
            () = until => Ok(()),
        }
    })?;
    let (lines_before, since, cpu_before) = began;
    let (used, elapsed) = (cpu().saturating_sub(cpu_before), since.elapsed());
    let lines = lines() - lines_before;
    Ok(Measured {
        lines,
        lines_per_s: lines as f64 / elapsed.as_secs_f64(),
        cpu_us_per_line: used.as_secs_f64() * 1e6 / lines as f64,
        late_ms: meter.late_ms(),
    })
}

fn lock(latency_us: &Mutex<Histogram<u64>>) -> MutexGuard<'_, Histogram<u64>> {
    latency_us.lock().expect("nobody panics with it")
}

/// CPU time of this process, all threads, user and system.
fn cpu() -> Duration {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(used.tv_sec).unwrap_or(0), u32::try_from(used.tv_nsec).unwrap_or(0))
}

impl Measured {
    /// The line that [`Measured::from_str`] reads.
    pub(crate) fn to_line(self) -> String {
        let Self { lines, lines_per_s, cpu_us_per_line, late_ms } = self;
        let late = late_ms.map(|(p50, p99)| format!(" {p50} {p99}")).unwrap_or_default();
        format!("{lines} {lines_per_s} {cpu_us_per_line}{late}")
    }
}

impl FromStr for Measured {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let not_read = || format!("a contender said `{}`", line.trim());
        let numbers: Vec<f64> = line
            .split_whitespace()
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map_err(|error| format!("{}: {error}", not_read()))?;
        let (lines_per_s, cpu_us_per_line, late_ms) = match numbers[..] {
            [_, per_s, cpu] => (per_s, cpu, None),
            [_, per_s, cpu, p50, p99] => (per_s, cpu, Some((p50, p99))),
            _ => return Err(not_read()),
        };
        let lines = line.split_whitespace().next().and_then(|lines| lines.parse().ok()).ok_or_else(not_read)?;
        Ok(Self { lines, lines_per_s, cpu_us_per_line, late_ms })
    }
}
