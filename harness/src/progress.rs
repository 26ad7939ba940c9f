//! The progress display: on a terminal a bar with a line per arm, elsewhere a plain line per checkpoint.
//!
//! All on standard error; standard output is for results. What comes from an arm or a container is stripped of control
//! characters before it reaches the terminal.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use leaksoak_reports::record::events::{Event, EventRecord, Phase};
use leaksoak_reports::record::ledger::Ledger;
use leaksoak_reports::record::run_info::RunInfo;
use leaksoak_reports::record::samples::Sample;
use leaksoak_reports::words::counted;

use crate::event::{Consumer, RunEvent};
use crate::run::lifecycle::describe;

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Not at all.
    None,
    /// A line per event and checkpoint.
    Plain,
    /// A bar that moves.
    Live,
}

impl Style {
    /// A line of its own, outside any display.
    pub fn say(self, line: &str) {
        if self != Self::None {
            // As below: not worth ending a soak for.
            drop(writeln!(std::io::stderr(), "{line}"));
        }
    }
}

/// Shows what the run tells.
#[derive(Debug)]
pub struct Progress {
    style: Style,
    duration: Duration,
    display: Option<Display>,
    latest: BTreeMap<String, Sample>,
    missing_lines: BTreeMap<String, u64>,
    phase: Phase,
}

#[derive(Debug)]
struct Display {
    all: MultiProgress,
    time: ProgressBar,
    arms: BTreeMap<String, ProgressBar>,
}

impl Progress {
    /// A display that shows nothing yet.
    #[must_use]
    pub fn new(style: Style) -> Self {
        Self {
            style,
            duration: Duration::ZERO,
            display: None,
            latest: BTreeMap::new(),
            missing_lines: BTreeMap::new(),
            phase: Phase::Setup,
        }
    }

    fn say(&self, line: &str) {
        match (&self.display, self.style) {
            (_, Style::None) => {}
            // A terminal that cannot be written to (closed, full, a broken pipe) is not worth ending a soak for.
            (Some(display), Style::Live) => drop(display.all.println(line)),
            _ => drop(writeln!(std::io::stderr(), "{line}")),
        }
    }

    fn started(&mut self, info: &RunInfo, directory: &std::path::Path) {
        self.duration = info.scenario.duration.as_duration();
        let arms: Vec<&str> = info.scenario.arms.iter().map(|arm| arm.name.as_str()).collect();
        self.say(&format!(
            "leaksoak {} on {} {} ({}, API {})",
            info.scenario.name, info.engine.kind, info.engine.version, info.engine.address, info.engine.api_version
        ));
        self.say(&format!(
            "{}, {} measured, arms: {}",
            counted(u64::from(info.scenario.container_count()), "container"),
            info.scenario.duration,
            arms.join(", ")
        ));
        self.say(&format!("recorded in {}", directory.display()));
        if self.style == Style::Live {
            self.display = Some(Display::new(self.duration, &arms));
        }
    }

    fn happened(&mut self, record: &EventRecord) {
        if let Event::Phase { phase } = record.event {
            self.phase = phase;
        }
        if let Some(line) = tell(&record.event) {
            self.say(&format!("{:>7} {line}", clock(record.elapsed_s)));
        }
        if let (Some(display), Phase::Drain | Phase::Done) = (&self.display, self.phase) {
            display.time.set_message(if self.phase == Phase::Done { "done" } else { "stopping" });
            if self.phase == Phase::Done {
                display.time.abandon();
                display.arms.values().for_each(ProgressBar::abandon);
            }
        }
    }

    fn sampled(&mut self, samples: &[Sample], missing_lines: &BTreeMap<String, u64>) {
        self.missing_lines.clone_from(missing_lines);
        for sample in samples {
            if let Some(display) = &self.display {
                display.time.set_position(whole_seconds(sample.elapsed_s));
                display.time.set_message(if self.phase == Phase::Warmup { "warming up" } else { "measuring" });
                if let Some(bar) = display.arms.get(&sample.subject) {
                    bar.set_message(arm_line(sample, missing_lines.get(&sample.subject).copied()));
                }
            }
            self.latest.insert(sample.subject.clone(), sample.clone());
        }
    }

    fn checkpointed(&self, rows: &[leaksoak_reports::record::checkpoints::Checkpoint]) {
        if self.style != Style::Plain {
            return;
        }
        for row in rows {
            let sample = self.latest.get(&row.arm);
            let counts =
                sample.map(|sample| arm_line(sample, self.missing_lines.get(&row.arm).copied())).unwrap_or_default();
            self.say(&format!("{:>7} {:<16} {counts}  {}", clock(row.elapsed_s), row.arm, printable(&row.status)));
        }
    }

    fn closed(&self, ledger: &Ledger) {
        for arm in &ledger.arms {
            let Some(display) = self.display.as_ref().and_then(|display| display.arms.get(&arm.arm)) else { continue };
            display.set_message(format!(
                "{} delivered, {} lost, {} duplicated",
                counted(arm.total.delivered, "line"),
                arm.total.lost,
                arm.total.duplicated
            ));
        }
    }
}

impl Consumer for Progress {
    fn consume(&mut self, event: &RunEvent) -> Result<(), String> {
        if self.style != Style::None {
            match event {
                RunEvent::Started { info, directory } => self.started(info, directory),
                RunEvent::Happened(record) => self.happened(record),
                RunEvent::Sampled { samples, missing_lines } => self.sampled(samples, missing_lines),
                RunEvent::Checkpointed { rows, .. } => self.checkpointed(rows),
                RunEvent::Closed(ledger) => self.closed(ledger),
            }
        }
        Ok(())
    }

    fn may_miss(&self) -> bool {
        true
    }
}

impl Display {
    fn new(duration: Duration, arms: &[&str]) -> Self {
        let all = MultiProgress::new();
        let time = all.add(ProgressBar::new(duration.as_secs()));
        time.set_style(style("{msg:<10} [{wide_bar}] {percent:>3} %, {eta} left"));
        let arms = arms
            .iter()
            .map(|arm| {
                let bar = all.add(ProgressBar::new_spinner());
                bar.set_style(style("  {prefix:<16} {msg}"));
                bar.set_prefix((*arm).to_owned());
                ((*arm).to_owned(), bar)
            })
            .collect();
        Self { all, time, arms }
    }
}

/// The templates are this module's own: one that does not parse shows as the default style.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// `tasks   95  FDs   16  streams  8  lines 12345 delivered, 3 missing`: lost, or still on their way.
fn arm_line(sample: &Sample, missing_lines: Option<u64>) -> String {
    let count = |value: Option<u64>| value.map_or_else(|| "?".to_owned(), |value| value.to_string());
    let counts = format!(
        "tasks {:>5}  FDs {:>5}  streams {:>4}  lines {:>8} delivered, {:>3} missing",
        count(sample.tasks),
        count(sample.fds),
        count(sample.streams),
        count(sample.lines_delivered),
        count(missing_lines)
    );
    if sample.missing.is_empty() { counts } else { format!("{counts}  ({})", printable(&sample.missing)) }
}

fn tell(event: &Event) -> Option<String> {
    Some(match event {
        Event::Phase { phase: Phase::Setup } => "setting up".into(),
        Event::Phase { phase: Phase::Warmup } => "warming up".into(),
        Event::Phase { phase: Phase::Steady } => "measuring".into(),
        Event::Phase { phase: Phase::Drain } => "containers stop, arms deliver what is in flight".into(),
        Event::Phase { phase: Phase::Done }
        | Event::ContainerStarted { .. }
        | Event::ArmStarted { .. }
        | Event::ArmExited { expected: true, .. } => return None,
        Event::ArmReady { arm } => format!("arm {arm} is up"),
        Event::ArmExited { arm, exit, last_words, .. } => {
            let how_said = if exit.by_itself() { "" } else { "its log's last line was " };
            let words = last_words.as_deref().map(|words| format!(": {how_said}{}", printable(words)));
            let words = words.unwrap_or_default();
            format!("arm {arm} {}{words}", describe(*exit))
        }
        Event::ContainerGone { container, reason } => format!("container {container} is gone: {}", printable(reason)),
        Event::FaultBegan { fault } => format!("fault begins: {}", printable(fault)),
        Event::FaultEnded { fault } => format!("fault ends: {}", printable(fault)),
        Event::Stage { share_pct, containers } => {
            format!("stage: {share_pct} % of the containers monitored, {containers}")
        }
        Event::EngineLost { reason } => format!("the engine is lost: {}", printable(reason)),
        Event::Gap { missed_ticks } => format!("{} missed", counted(*missed_ticks, "tick")),
        Event::Interrupted { signal } => format!("{signal}: ending early, the report will be partial"),
        Event::Decided { reasons } => format!("decided, the run ends here: {}", printable(&reasons.join("; "))),
        Event::Warning { message } => format!("warning: {}", printable(message)),
    })
}

/// `m:ss`, `h:mm:ss`.
fn clock(elapsed_s: f64) -> String {
    let seconds = whole_seconds(elapsed_s);
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// Zero before the run's zero.
fn whole_seconds(elapsed_s: f64) -> u64 {
    Duration::try_from_secs_f64(elapsed_s).map_or(0, |elapsed| elapsed.as_secs())
}

/// Without characters that a terminal would act on.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_shown_as_such() {
        let mut sample = Sample::unknown("a", 1.0, 0);
        sample.fds = Some(12);
        sample.missing = "metrics: \u{1b}[31mrefused".into();
        let line = arm_line(&sample, None);
        assert!(line.contains("tasks     ?  FDs    12"), "{line}");
        assert!(line.contains("metrics:  [31mrefused") && !line.contains('\u{1b}'), "{line}");
    }

    #[test]
    fn the_clock_counts_hours_only_where_there_are_any() {
        assert_eq!((clock(61.9).as_str(), clock(172_799.0).as_str()), ("1:01", "47:59:59"));
    }
}
