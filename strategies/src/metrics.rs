//! What an arm counts about itself, and its rendering as Prometheus text (version 0.0.4).
//!
//! Counting is one relaxed atomic operation. A gauge of live things is raised by holding a [`GaugeGuard`], so it
//! falls on every way out: return, error, cancellation, panic. Figures that the system knows better (live tasks, open
//! file descriptors) are not counted here but read when asked for, and left out when they cannot be read.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A figure that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn inc(&self) {
        self.add(1);
    }

    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// The figure now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A figure that is set: a state, a size.
#[derive(Debug, Default)]
pub struct Level(AtomicU64);

impl Level {
    /// From now on it is this.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// The figure now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The number of things alive, each of which holds a [`GaugeGuard`].
#[derive(Debug, Default, Clone)]
pub struct Gauge(Arc<AtomicU64>);

impl Gauge {
    /// Counts one more for as long as the guard lives.
    pub fn hold(&self) -> GaugeGuard {
        self.0.fetch_add(1, Ordering::Relaxed);
        GaugeGuard(Arc::clone(&self.0))
    }

    /// The figure now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One thing that a [`Gauge`] counts; it is counted until this is dropped.
#[derive(Debug)]
#[must_use = "the gauge falls again as soon as this is dropped"]
pub struct GaugeGuard(Arc<AtomicU64>);

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A fixed set of label values.
pub trait Label: Copy + 'static {
    /// Every value, in the order in which they are shown.
    const ALL: &'static [Self];
    /// Its place in `ALL`.
    fn index(self) -> usize;
    /// The text of the label's value.
    fn text(self) -> &'static str;
}

/// One counter for each value of a label.
#[derive(Debug)]
pub struct CounterBy<L> {
    counters: Vec<Counter>,
    label: std::marker::PhantomData<fn(L)>,
}

impl<L: Label> Default for CounterBy<L> {
    fn default() -> Self {
        Self { counters: L::ALL.iter().map(|_| Counter::default()).collect(), label: std::marker::PhantomData }
    }
}

impl<L: Label> CounterBy<L> {
    /// Adds one under `label`.
    pub fn inc(&self, label: L) {
        self.add(label, 1);
    }

    /// Adds `n` under `label`.
    pub fn add(&self, label: L, n: u64) {
        self.counters[label.index()].add(n);
    }

    /// The figure under `label` now.
    pub fn get(&self, label: L) -> u64 {
        self.counters[label.index()].get()
    }
}

/// Where an error came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The engine: no answer, an error status, a stream that broke.
    Engine,
    /// The sink: no answer, an error status, a broken connection.
    Sink,
    /// Bytes that are not what their format says.
    Parse,
    /// A file of the engine's or of the arm's own.
    File,
}

impl Label for ErrorKind {
    const ALL: &'static [Self] = &[Self::Engine, Self::Sink, Self::Parse, Self::File];

    fn index(self) -> usize {
        self as usize
    }

    fn text(self) -> &'static str {
        match self {
            Self::Engine => "engine",
            Self::Sink => "sink",
            Self::Parse => "parse",
            Self::File => "file",
        }
    }
}

/// Why a line that was read will reach neither the sink nor the dead-letter file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropReason {
    /// The dead-letter files have reached their limit: it was the oldest, or longer than a file may be.
    DeadLettersFull,
    /// The dead-letter files could not be written.
    DeadLettersFailed,
    /// It is not in the format that the engine promises, so neither its time nor its text is known.
    Unparsable,
    /// The delivery had ended before it was handed over.
    Closed,
    /// It is older than the strategy was told to take.
    TooOld,
}

impl Label for DropReason {
    const ALL: &'static [Self] =
        &[Self::DeadLettersFull, Self::DeadLettersFailed, Self::Unparsable, Self::Closed, Self::TooOld];

    fn index(self) -> usize {
        self as usize
    }

    fn text(self) -> &'static str {
        match self {
            Self::DeadLettersFull => "dead_letters_full",
            Self::DeadLettersFailed => "dead_letters_failed",
            Self::Unparsable => "unparsable",
            Self::Closed => "closed",
            Self::TooOld => "too_old",
        }
    }
}

/// Everything an arm counts.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Container log streams (or followed files) that are open.
    pub streams_active: Gauge,
    /// Those of them that have something to say at every tick: nobody waits for them, they are read on it.
    pub streams_busy: Gauge,
    /// Log streams that were opened.
    pub streams_opened: Counter,
    /// Those of them that hold nothing any more, neither here nor at the engine.
    pub streams_released: Counter,
    /// Those that nobody reads any more, and that still hold their connection.
    pub streams_settling: Gauge,
    /// Connections to the engine that are open, counted by the connection object's life.
    pub connections_active: Gauge,
    /// Lines read from containers, those dropped as already delivered left out.
    pub lines_read: Counter,
    /// Bytes of the text of those lines.
    pub bytes_read: Counter,
    /// Lines that the sink acknowledged.
    pub lines_delivered: Counter,
    /// Streams replaced by a fresh one; for a file tail, log files followed through a rotation.
    pub stream_rotations: Counter,
    /// Streams that ended while their container ran, or ran again, and were opened again.
    pub streams_reopened: Counter,
    /// Streams that began after the end of what was captured, and were opened again further back.
    pub streams_widened: Counter,
    /// Connects and response headers, of engine and sink, that did not come in time.
    pub connection_timeouts: Counter,
    /// Errors by where they came from.
    pub errors: CounterBy<ErrorKind>,
    /// Requests to the sink that were repeated.
    pub retries: Counter,
    /// 1 while the circuit breaker before the sink is open or half open, 0 while it is closed.
    pub breaker_open: Level,
    /// How often it has opened.
    pub breaker_openings: Counter,
    /// Lines that the sink refused.
    pub lines_refused: Counter,
    /// Lines written to the dead-letter files.
    pub dead_letters: Counter,
    /// Times that other settings came into force.
    pub reloads: Counter,
    /// Times that they were refused.
    pub reloads_refused: Counter,
    /// Lines given up, by reason.
    pub lines_dropped: CounterBy<DropReason>,
}

/// Figures that are read from the system at the moment of asking. `None`: could not be read, and is left out.
#[derive(Debug, Clone, Default)]
pub struct SystemReadings {
    /// Live tasks of the async runtime.
    pub tasks: Option<u64>,
    /// The same by the line that spawned them.
    pub tasks_by_site: Option<Vec<(String, u64)>>,
    /// Open file descriptors of the process.
    pub file_descriptors: Option<u64>,
}

impl Metrics {
    /// The text that Prometheus and the harness read.
    pub fn render(&self, system: &SystemReadings) -> String {
        let mut text = Exposition(String::with_capacity(4096));
        if let Some(tasks) = system.tasks {
            text.gauge("tasks", "Live tasks of the async runtime.", tasks);
            text.gauge("goroutines", "Alias of log_capturer_tasks, the name that operators know.", tasks);
        }
        if let Some(sites) = &system.tasks_by_site {
            text.gauge_by("tasks_by_spawn_site", "Live tasks by the line that spawned them.", "site", sites);
        }
        if let Some(fds) = system.file_descriptors {
            text.gauge("file_descriptors", "Open file descriptors.", fds);
        }
        text.gauge("container_monitor_streams_active", "Container log streams open.", self.streams_active.get());
        text.gauge(
            "streams_busy",
            "Container log streams with something to read at every tick.",
            self.streams_busy.get(),
        );
        text.counter("streams_opened_total", "Container log streams opened.", &self.streams_opened);
        text.counter(
            "streams_released_total",
            "Container log streams that hold nothing any more.",
            &self.streams_released,
        );
        text.gauge(
            "streams_settling",
            "Container log streams given up, their connection still open.",
            self.streams_settling.get(),
        );
        text.gauge("http_client_connections_active", "Engine connections open.", self.connections_active.get());
        text.counter("lines_read_total", "Lines read from containers.", &self.lines_read);
        text.counter("bytes_read_total", "Bytes of text read from containers.", &self.bytes_read);
        text.counter("lines_delivered_total", "Lines acknowledged by the sink.", &self.lines_delivered);
        text.counter("stream_rotations_total", "Streams replaced by a fresh one.", &self.stream_rotations);
        text.counter(
            "streams_reopened_total",
            "Streams opened again because they ended while their container ran.",
            &self.streams_reopened,
        );
        text.counter(
            "streams_widened_total",
            "Streams opened again further back, to meet what was captured.",
            &self.streams_widened,
        );
        text.counter(
            "connection_timeouts_total",
            "Connects and response headers that came too late.",
            &self.connection_timeouts,
        );
        text.counter_by("errors_total", "Errors by origin.", "kind", &self.errors);
        text.counter("retries_total", "Requests to the sink that were repeated.", &self.retries);
        text.gauge("breaker_open", "1 while the breaker before the sink is not closed.", self.breaker_open.get());
        text.counter("breaker_openings_total", "Times that the breaker has opened.", &self.breaker_openings);
        text.counter("lines_refused_total", "Lines refused by the sink.", &self.lines_refused);
        text.counter("dead_letters_total", "Lines written to the dead-letter files.", &self.dead_letters);
        text.counter("reloads_total", "Settings that came into force.", &self.reloads);
        text.counter("reloads_refused_total", "Settings that were refused.", &self.reloads_refused);
        text.counter_by("lines_dropped_total", "Lines given up, by reason.", "reason", &self.lines_dropped);
        text.0
    }
}

/// The text as it grows. Names, help texts and the values of a [`Label`] are ours and need no escaping.
struct Exposition(String);

impl Exposition {
    fn head(&mut self, name: &str, help: &str, kind: &str) {
        self.line(format_args!("# HELP log_capturer_{name} {help}"));
        self.line(format_args!("# TYPE log_capturer_{name} {kind}"));
    }

    fn gauge(&mut self, name: &str, help: &str, value: u64) {
        self.head(name, help, "gauge");
        self.line(format_args!("log_capturer_{name} {value}"));
    }

    fn gauge_by(&mut self, name: &str, help: &str, label: &str, values: &[(String, u64)]) {
        self.head(name, help, "gauge");
        for (text, value) in values {
            let text = text.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n");
            self.line(format_args!("log_capturer_{name}{{{label}=\"{text}\"}} {value}"));
        }
    }

    fn counter(&mut self, name: &str, help: &str, counter: &Counter) {
        self.head(name, help, "counter");
        self.line(format_args!("log_capturer_{name} {}", counter.get()));
    }

    fn counter_by<L: Label>(&mut self, name: &str, help: &str, label: &str, counters: &CounterBy<L>) {
        self.head(name, help, "counter");
        for &value in L::ALL {
            let (text, count) = (value.text(), counters.get(value));
            self.line(format_args!("log_capturer_{name}{{{label}=\"{text}\"}} {count}"));
        }
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_falls_when_its_guard_is_dropped_by_a_panic() {
        let gauge = Gauge::default();
        let held = gauge.hold();
        assert_eq!(gauge.get(), 1);
        let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let _guard = gauge.hold();
            assert_eq!(gauge.get(), 3, "unwinds with the guard held");
        }));
        assert!(unwound.is_err());
        assert_eq!(gauge.get(), 1);
        drop(held);
        assert_eq!(gauge.get(), 0);
    }

    #[test]
    fn each_label_value_has_its_own_counter() {
        fn indices<L: Label>() -> Vec<usize> {
            L::ALL.iter().map(|label| label.index()).collect()
        }
        assert_eq!(indices::<ErrorKind>(), [0, 1, 2, 3]);
        assert_eq!(indices::<DropReason>(), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn what_cannot_be_read_is_left_out() {
        let text =
            Metrics::default().render(&SystemReadings { file_descriptors: Some(7), ..SystemReadings::default() });
        assert!(!text.contains("log_capturer_tasks"), "{text}");
        assert!(text.contains("\nlog_capturer_file_descriptors 7\n"));
    }

    #[test]
    fn the_text_is_prometheus_0_0_4() {
        let metrics = Metrics::default();
        let _stream = metrics.streams_active.hold();
        metrics.lines_read.add(12);
        metrics.errors.inc(ErrorKind::Sink);
        metrics.lines_dropped.add(DropReason::DeadLettersFull, 3);
        let sites = vec![("strategies/src/naive.rs:99".to_owned(), 4), ("C:\\a \"b\"\n.rs:1".to_owned(), 1)];
        let text =
            metrics.render(&SystemReadings { tasks: Some(5), tasks_by_site: Some(sites), file_descriptors: Some(11) });
        insta::assert_snapshot!(text);
    }
}
