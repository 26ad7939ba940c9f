//! Recordings of runs that never took place: each arm's counts are functions of time.

use std::path::Path;

use leaksoak_reports::record::checkpoints::{Checkpoint, FdGroup, LatencyRow, TaskGroup};
use leaksoak_reports::record::events::{Event, EventRecord, Exit, Phase};
use leaksoak_reports::record::ledger::{ArmLedger, ContainerLedger, Counts, ExpectedFrom, Latency, Ledger};
use leaksoak_reports::record::run_info::{EngineInfo, FORMAT_VERSION, HostInfo, RunInfo};
use leaksoak_reports::record::samples::Sample;
use leaksoak_reports::{Recording, RunWriter};
use serde_json::json;

const START_UNIX_MS: u64 = 1_750_000_000_000;
const CONTAINERS: u64 = 8;
const LINES_PER_S: f64 = 80.0;

/// How an arm behaves.
pub(crate) struct Script {
    name: &'static str,
    strategy: &'static str,
    control: bool,
    fds: Box<dyn Fn(f64) -> f64>,
    tasks: Box<dyn Fn(f64) -> f64>,
    streams: u64,
    delivers: bool,
    lost: u64,
    timeouts: u64,
    death: Option<(f64, Exit, &'static str)>,
    metrics_until_s: f64,
    /// Processor seconds per second.
    cpu: f64,
    latency_us: u64,
}

impl Script {
    /// An arm under test that holds still.
    pub(crate) fn steady(name: &'static str, strategy: &'static str) -> Self {
        Self {
            name,
            strategy,
            control: false,
            fds: Box::new(|_| 30.0),
            tasks: Box::new(|_| 24.0),
            streams: CONTAINERS,
            delivers: true,
            lost: 0,
            timeouts: 0,
            death: None,
            metrics_until_s: f64::INFINITY,
            cpu: 0.003,
            latency_us: 240,
        }
    }

    /// So many processor seconds per second, and a median latency.
    pub(crate) fn costs(self, cpu: f64, latency_us: u64) -> Self {
        Self { cpu, latency_us, ..self }
    }

    pub(crate) fn control(self) -> Self {
        Self { control: true, ..self }
    }

    pub(crate) fn fds(self, fds: impl Fn(f64) -> f64 + 'static) -> Self {
        Self { fds: Box::new(fds), ..self }
    }

    pub(crate) fn tasks(self, tasks: impl Fn(f64) -> f64 + 'static) -> Self {
        Self { tasks: Box::new(tasks), ..self }
    }

    pub(crate) fn streams(self, streams: u64) -> Self {
        Self { streams, ..self }
    }

    pub(crate) fn delivers_nothing(self) -> Self {
        Self { delivers: false, ..self }
    }

    pub(crate) fn loses(self, lost: u64) -> Self {
        Self { lost, ..self }
    }

    pub(crate) fn times_out(self, timeouts: u64) -> Self {
        Self { timeouts, ..self }
    }

    pub(crate) fn dies(self, at_s: f64, exit: Exit, last_words: &'static str) -> Self {
        Self { death: Some((at_s, exit, last_words)), ..self }
    }

    pub(crate) fn metrics_until(self, metrics_until_s: f64) -> Self {
        Self { metrics_until_s, ..self }
    }

    fn is_up(&self, at_s: f64) -> bool {
        self.death.is_none_or(|(death_s, ..)| at_s < death_s)
    }

    fn delivered(&self, at_s: f64) -> u64 {
        let until = self.death.map_or(at_s, |(death_s, ..)| at_s.min(death_s)).max(0.0);
        if self.delivers { whole(until * LINES_PER_S) } else { 0 }
    }
}

/// A leak of so many a minute, from 30 on.
pub(crate) fn leaking(per_min: f64) -> impl Fn(f64) -> f64 {
    move |time| (30.0 + time * per_min / 60.0).floor()
}

/// The length and grid of a made-up run, and how it ended.
pub(crate) struct Plan {
    pub(crate) duration_s: f64,
    pub(crate) warmup_s: f64,
    pub(crate) sample_every_s: f64,
    pub(crate) checkpoint_every_s: f64,
    /// Nothing was recorded from here on.
    pub(crate) killed_s: Option<f64>,
    /// Ctrl-C: drained, accounted for, done.
    pub(crate) interrupted_s: Option<f64>,
    pub(crate) harness_fds: fn(f64) -> f64,
    pub(crate) name: &'static str,
}

/// As the catalogue's `smoke`.
pub(crate) const SMOKE: Plan = Plan {
    duration_s: 60.0,
    warmup_s: 10.0,
    sample_every_s: 0.5,
    checkpoint_every_s: 10.0,
    killed_s: None,
    interrupted_s: None,
    harness_fds: |_| 25.0,
    name: "smoke",
};

/// As the catalogue's `soak-30m`.
pub(crate) const SOAK: Plan = Plan {
    duration_s: 1_920.0,
    warmup_s: 120.0,
    sample_every_s: 1.0,
    checkpoint_every_s: 120.0,
    name: "soak-30m",
    ..SMOKE
};

impl Plan {
    /// What would have been recorded.
    pub(crate) fn record(&self, arms: &[Script]) -> Recording {
        let end_s = self.interrupted_s.unwrap_or(self.duration_s);
        let mut recording = Recording {
            info: self.info(arms),
            samples: self.samples(arms, end_s),
            checkpoints: Vec::new(),
            fd_groups: Vec::new(),
            task_groups: Vec::new(),
            latency: Vec::new(),
            events: self.events(arms, end_s),
            ledger: self.killed_s.is_none().then(|| ledger(arms, end_s)),
            turns: Vec::new(),
            notes: Vec::new(),
        };
        self.add_checkpoints(&mut recording, arms, end_s);
        if let Some(killed_s) = self.killed_s {
            recording.events.retain(|record| record.elapsed_s < killed_s);
        }
        recording
    }

    /// The same, had the arms taken turns.
    pub(crate) fn record_turns(&self, arms: &[Script]) -> Recording {
        let mut info = self.info(arms);
        info.scenario.isolate = true;
        let turns = arms.chunks(1).zip('a'..).map(|(arm, letter)| {
            let mut turn = self.record(arm);
            turn.info.run_id = format!("7f3{letter}");
            turn
        });
        Recording::of_turns(info, turns.collect())
    }

    fn info(&self, arms: &[Script]) -> RunInfo {
        let ms = |seconds: f64| format!("{}ms", whole(seconds * 1e3));
        let arms: Vec<_> = arms
            .iter()
            .map(|arm| json!({ "name": arm.name, "strategy": arm.strategy, "expect": if arm.control { "fail" } else { "pass" } }))
            .collect();
        let scenario = json!({
            "name": self.name, "about": "a made-up run",
            "duration": ms(self.duration_s), "warmup": ms(self.warmup_s),
            "sample_every": ms(self.sample_every_s), "checkpoint_every": ms(self.checkpoint_every_s),
            "containers": [{ "count": CONTAINERS, "load": "steady", "rate": "10/s", "line_bytes": "120B" }],
            "arms": arms,
        });
        RunInfo {
            format_version: FORMAT_VERSION,
            run_id: "7f3a".to_owned(),
            started_unix_ms: START_UNIX_MS,
            version: "0.1.0".to_owned(),
            argv: ["leaksoak", "run", self.name].map(str::to_owned).into(),
            scenario: serde_json::from_value(scenario).unwrap(),
            engine: EngineInfo {
                kind: "docker".to_owned(),
                address: "unix:///var/run/docker.sock".to_owned(),
                version: "20.10.24".to_owned(),
                api_version: "1.41".to_owned(),
                pid: Some(812),
            },
            host: HostInfo {
                kernel: "6.18.0".to_owned(),
                cpus: 2,
                memory_bytes: 8 << 30,
                cgroup: "2".to_owned(),
                inotify_max_user_instances: Some(128),
                threads_max: Some(63_000),
            },
        }
    }

    fn samples(&self, arms: &[Script], end_s: f64) -> Vec<Sample> {
        let last_s = self.killed_s.unwrap_or(end_s + 2.0);
        let ticks = whole(last_s / self.sample_every_s);
        let mut samples = Vec::new();
        for elapsed_s in (0..=ticks).map(|tick| tick as f64 * self.sample_every_s) {
            samples.extend(arms.iter().map(|arm| arm_sample(arm, elapsed_s)));
            let leaked = leaked(arms, elapsed_s);
            samples.push(Sample {
                fds: Some(whole(90.0 + leaked * 3.0)),
                tasks: (elapsed_s % 2.0 < 0.1).then(|| whole(40.0 + leaked * 5.0)),
                threads: Some(19),
                ..blank("engine", elapsed_s)
            });
            samples.push(Sample {
                fds: Some(whole((self.harness_fds)(elapsed_s))),
                threads: Some(4),
                tasks: Some(31),
                rss_bytes: Some(14 << 20),
                ..blank("harness", elapsed_s)
            });
        }
        samples
    }

    fn events(&self, arms: &[Script], end_s: f64) -> Vec<EventRecord> {
        let arm = |script: &Script| script.name.to_owned();
        let mut events = vec![(-4.0, Event::Phase { phase: Phase::Setup })];
        for (script, pid) in arms.iter().zip(4001..) {
            events.push((-2.0, Event::ArmStarted { arm: arm(script), pid }));
            events.push((-1.5, Event::ArmReady { arm: arm(script) }));
        }
        events.extend(
            (1..=CONTAINERS).map(|number| (-0.5, Event::ContainerStarted { container: format!("c{number:02}") })),
        );
        events.push((0.0, Event::Phase { phase: Phase::Warmup }));
        events.push((self.warmup_s, Event::Phase { phase: Phase::Steady }));
        if self.interrupted_s.is_some() {
            events.push((end_s, Event::Interrupted { signal: "SIGINT".to_owned() }));
        }
        events.push((end_s, Event::Phase { phase: Phase::Drain }));
        for script in arms {
            let (at_s, exit, expected, last_words) = match script.death {
                Some((at_s, exit, words)) => (at_s, exit, false, Some(words.to_owned())),
                None => (end_s + 3.0, Exit::Code { code: 0 }, true, None),
            };
            events.push((at_s, Event::ArmExited { arm: arm(script), exit, expected, last_words }));
        }
        events.push((end_s + 4.0, Event::Phase { phase: Phase::Done }));
        events.sort_by(|a, b| a.0.total_cmp(&b.0));
        events
            .into_iter()
            .map(|(elapsed_s, event)| EventRecord { elapsed_s, unix_ms: unix_ms(elapsed_s), event })
            .collect()
    }

    fn add_checkpoints(&self, recording: &mut Recording, arms: &[Script], end_s: f64) {
        let last_s = self.killed_s.unwrap_or(end_s);
        for (number, at) in (1_u32..).zip(1..=whole(last_s / self.checkpoint_every_s)) {
            let elapsed_s = at as f64 * self.checkpoint_every_s;
            for arm in arms {
                recording.checkpoints.push(checkpoint(arm, number, elapsed_s, self.warmup_s));
                recording.latency.extend(arm.is_up(elapsed_s).then(|| latency(arm, number)));
                if arm.is_up(elapsed_s) {
                    let sockets = whole((arm.fds)(elapsed_s)).saturating_sub(12);
                    recording.fd_groups.push(group(number, arm.name, "socket", "/var/run/docker.sock", sockets));
                    recording.fd_groups.push(group(number, arm.name, "eventfd", "", 12));
                    let site = |spawn_site: &str, count| TaskGroup {
                        checkpoint: number,
                        arm: arm.name.to_owned(),
                        spawn_site: spawn_site.to_owned(),
                        count,
                    };
                    let readers = whole((arm.tasks)(elapsed_s)).saturating_sub(10);
                    recording.task_groups.push(site("strategies/src/followers.rs:119", 10));
                    recording.task_groups.push(site("strategies/src/naive.rs:99", readers));
                }
            }
            // An engine holds a connection, an inotify instance and the log for every reader that is left to it.
            let held = whole(leaked(arms, elapsed_s));
            let mut engine = |kind, target: &str, count| {
                recording.fd_groups.push(group(number, "engine", kind, target, count));
            };
            engine("socket", "/var/run/docker.sock", 30 + held);
            engine("inotify", "", 10 + held);
            for (container, count) in [("c", held / 2), ("d", held - held / 2)] {
                let id = container.repeat(64);
                engine("file", &format!("/var/lib/docker/containers/{id}/{id}-json.log"), 5 + count);
            }
            recording.fd_groups.push(group(number, "harness", "socket", "", 25));
        }
    }
}

/// Writes a recording as the harness does, tick by tick.
pub(crate) fn write(recording: &Recording, path: &Path) {
    let mut writer = RunWriter::create(path, &recording.info).unwrap();
    recording.events.iter().for_each(|event| writer.event(event).unwrap());
    for sample in &recording.samples {
        writer.sample(sample).unwrap();
        writer.flush().unwrap();
    }
    recording.checkpoints.iter().for_each(|row| writer.checkpoint(row).unwrap());
    recording.fd_groups.iter().for_each(|group| writer.fd_group(group).unwrap());
    recording.task_groups.iter().for_each(|group| writer.task_group(group).unwrap());
    recording.latency.iter().for_each(|row| writer.latency(row).unwrap());
    if let Some(ledger) = &recording.ledger {
        writer.ledger(ledger).unwrap();
    }
    writer.sync().unwrap();
}

/// Descriptors that the arms hold beyond what they began with.
fn leaked(arms: &[Script], elapsed_s: f64) -> f64 {
    arms.iter().map(|arm| if arm.is_up(elapsed_s) { ((arm.fds)(elapsed_s) - 30.0).max(0.0) } else { 0.0 }).sum()
}

fn arm_sample(arm: &Script, elapsed_s: f64) -> Sample {
    let delivered = Some(arm.delivered(elapsed_s));
    if !arm.is_up(elapsed_s) {
        return Sample { lines_delivered: delivered, missing: "process gone".to_owned(), ..blank(arm.name, elapsed_s) };
    }
    let metric = |value: u64| (elapsed_s <= arm.metrics_until_s).then_some(value);
    Sample {
        fds: Some(whole((arm.fds)(elapsed_s))),
        threads: Some(3),
        tasks: metric(whole((arm.tasks)(elapsed_s))),
        rss_bytes: Some((9 << 20) + whole((arm.fds)(elapsed_s) * 40_000.0)),
        // Read by a clock that ticks a hundred times a second.
        cpu_user_s: Some((elapsed_s * arm.cpu * 100.0).floor() / 100.0 + 0.05),
        cpu_sys_s: Some(0.0),
        ctx_switches: Some(whole(elapsed_s * 200.0)),
        streams: metric(arm.streams),
        connections: metric(arm.streams + 1),
        rotations: metric(whole(elapsed_s / 2.0) * CONTAINERS),
        lines_read: metric(arm.delivered(elapsed_s)),
        lines_delivered: delivered,
        connection_timeouts: metric(arm.timeouts),
        ..blank(arm.name, elapsed_s)
    }
}

fn blank(subject: &str, elapsed_s: f64) -> Sample {
    Sample::unknown(subject, elapsed_s, unix_ms(elapsed_s))
}

fn checkpoint(arm: &Script, number: u32, elapsed_s: f64, warmup_s: f64) -> Checkpoint {
    let up = arm.is_up(elapsed_s);
    let minutes = (elapsed_s - warmup_s) / 60.0;
    let moved = |value: &dyn Fn(f64) -> f64| (up && minutes > 0.0).then(|| value(elapsed_s) - value(warmup_s));
    #[expect(clippy::cast_possible_truncation, reason = "counts of a made-up run are small")]
    let delta = |value: &dyn Fn(f64) -> f64| moved(value).map(|delta| delta as i64);
    Checkpoint {
        checkpoint: number,
        elapsed_s,
        arm: arm.name.to_owned(),
        fds: up.then(|| whole((arm.fds)(elapsed_s))),
        fds_delta: delta(&arm.fds),
        fds_cumulative_per_min: moved(&arm.fds).map(|delta| delta / minutes),
        fds_steady_per_min: None,
        tasks: up.then(|| whole((arm.tasks)(elapsed_s))),
        tasks_delta: delta(&arm.tasks),
        tasks_cumulative_per_min: moved(&arm.tasks).map(|delta| delta / minutes),
        tasks_steady_per_min: None,
        threads: up.then_some(3),
        rss_bytes: up.then_some(10 << 20),
        lines_delivered: Some(arm.delivered(elapsed_s)),
        status: if up { "healthy" } else { "exited: code 1" }.to_owned(),
    }
}

fn latency(arm: &Script, checkpoint: u32) -> LatencyRow {
    let jitter = u64::from(checkpoint * 37 % 11);
    LatencyRow {
        checkpoint,
        arm: arm.name.to_owned(),
        count: 800,
        p50_us: arm.latency_us + jitter,
        p90_us: arm.latency_us * 8,
        p99_us: arm.latency_us * 20 + jitter,
        max_us: arm.latency_us * 200,
    }
}

fn group(checkpoint: u32, subject: &str, kind: &str, target: &str, count: u64) -> FdGroup {
    FdGroup { checkpoint, subject: subject.to_owned(), kind: kind.to_owned(), target: target.to_owned(), count }
}

fn ledger(arms: &[Script], end_s: f64) -> Ledger {
    let expected = whole(end_s * LINES_PER_S) + CONTAINERS;
    let account = |arm: &Script| {
        let delivered = match arm.death {
            None if arm.delivers => expected - arm.lost,
            _ => arm.delivered(end_s),
        };
        let counts =
            Counts { expected, delivered, lost: expected - delivered, duplicated: 0, reordered: 0, refused: 0 };
        let latency = Latency { count: delivered, p50_us: 230, p90_us: 1_900, p99_us: 5_100, max_us: 48_000 };
        ArmLedger {
            arm: arm.name.to_owned(),
            total: counts,
            latency: (delivered > 0).then_some(latency),
            containers: vec![ContainerLedger {
                container: "c01".to_owned(),
                expected_from: ExpectedFrom::FinalLine,
                counts,
            }],
        }
    };
    Ledger { complete: true, arms: arms.iter().map(account).collect() }
}

fn unix_ms(elapsed_s: f64) -> u64 {
    START_UNIX_MS + whole((elapsed_s + 5.0) * 1e3)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of a made-up run are small and positive"
)]
fn whole(value: f64) -> u64 {
    value as u64
}
