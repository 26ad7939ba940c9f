//! `pooled` against bollard's follow stream, on a real engine: what a line costs the client, and how late it is.
//!
//! `cargo bench -p leaksoak --bench follow -- backlog`: 8 containers with 250,000 lines each, read from the beginning.
//! `cargo bench -p leaksoak --bench follow -- live`: 8 containers that print 1,000 lines a second each, for ten seconds.
//!
//! Every contender is a process of its own, which counts its lines, its CPU time (user and system, all threads) and, for
//! every eighth line, how late it came. They take turns, three times over. `pooled` is the whole strategy, discovery,
//! rotation every two seconds and the sorting out of repeated lines included, without the delivery; bollard runs on tokio's
//! default runtime, with timestamps as `pooled` has them.

use std::error::Error;
use std::process::{Command, ExitCode};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::StreamExt as _;
use hdrhistogram::Histogram;
use leaksoak::engine::docker::Docker;
use leaksoak::engine::{Container, ContainerSpec, LABEL_RUN};
use leaksoak::owner::RunId;
use leaksoak::workload::line::tokens;
use leaksoak_scenarios::{Bytes, Http, Load, LogRotation, Rate, Span, Strategy as Kind};
use leaksoak_strategies::delivery::Delivery;
use leaksoak_strategies::docker_api::Engine;
use leaksoak_strategies::log::Level;
use leaksoak_strategies::metrics::Metrics;
use leaksoak_strategies::pooled::{ClientSettings, Pooled, PooledClient};
use leaksoak_strategies::settings::{LiveSettings, Settings};
use leaksoak_strategies::shutdown::shutdown;
use leaksoak_strategies::{ArmConfig, Context, Strategy as _};
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::{Builder, Runtime};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Asked of a contender through this variable: `<contender> <mode> <run> <engine ids>`.
const ROLE: &str = "LEAKSOAK_BENCH_FOLLOW";
const CONTENDERS: [&str; 3] = ["bollard", "pooled", "pooled-uncoalesced"];
const ROUNDS: usize = 3;
const CONTAINERS: u64 = 8;
const BACKLOG_LINES: u64 = 250_000;
const LIVE_RATE_PER_S: u64 = 1_000;
/// The connections are made, and what was printed before is read.
const WARMUP: Duration = Duration::from_secs(3);
const MEASURED: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    // The image's executable is this one, and its containers run the workload.
    if std::env::args().nth(1).as_deref() == Some("workload") {
        return leaksoak::cli::main();
    }
    let done = match std::env::var(ROLE) {
        Ok(role) => contend(&role),
        Err(_) => compare(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Backlog,
    Live,
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "backlog" => Ok(Self::Backlog),
            "live" => Ok(Self::Live),
            _ => Err(format!("`{word}` is neither `backlog` nor `live`")),
        }
    }
}

// --- the comparison -------------------------------------------------------------------------------------------------

fn compare() -> Outcome<()> {
    let word = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let mode: Mode = word.ok_or("what is to be compared? say `-- backlog` or `-- live`")?.parse()?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let docker = match runtime.block_on(Docker::connect()) {
        Ok(docker) => docker,
        Err(error) => {
            eprintln!("skipped: {error}");
            return Ok(());
        }
    };
    let run = RunId::of_this_process()?;
    let compared = runtime.block_on(turns(&docker, &run, mode));
    let removed = runtime.block_on(docker.remove_run(&run));
    compared?;
    removed?;
    Ok(())
}

async fn turns(docker: &Docker, run: &RunId, mode: Mode) -> Outcome<()> {
    println!("{mode:?} on docker {}", docker.info().version);
    println!("| round | contender | lines | lines/s | CPU µs/line | p50 ms | p99 ms |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    let mut containers = match mode {
        Mode::Backlog => containers(docker, run, mode).await?,
        Mode::Live => Vec::new(),
    };
    for round in 1..=ROUNDS {
        for contender in CONTENDERS {
            if mode == Mode::Live {
                docker.remove_run(run).await?;
                containers = self::containers(docker, run, mode).await?;
            }
            let ids: Vec<_> = containers.iter().map(|container| container.engine_id.as_str()).collect();
            let role = format!("{contender} {} {run} {}", format!("{mode:?}").to_lowercase(), ids.join(" "));
            let output = Command::new("/proc/self/exe").env(ROLE, role).output()?;
            if !output.status.success() {
                return Err(format!("{contender}: {}", String::from_utf8_lossy(&output.stderr)).into());
            }
            print!("| {round} | {contender} | {}", String::from_utf8_lossy(&output.stdout));
        }
    }
    Ok(())
}

async fn containers(docker: &Docker, run: &RunId, mode: Mode) -> Outcome<Vec<Container>> {
    let load = match mode {
        Mode::Backlog => Load::Bursty {
            burst: u32::try_from(BACKLOG_LINES)?,
            every: Span::from_secs(24 * 3600),
            line_bytes: Bytes::new(120),
        },
        Mode::Live => {
            Load::Steady { rate: format!("{LIVE_RATE_PER_S}/s").parse::<Rate>()?, line_bytes: Bytes::new(120) }
        }
    };
    let log = LogRotation { max_size: Bytes::new(1 << 30), max_file: 2 };
    let specs: Vec<_> =
        (1..=CONTAINERS).map(|number| ContainerSpec { id: format!("c{number:02}"), load, log }).collect();
    let scratch = std::env::temp_dir().join(format!("leaksoak-bench-{run}"));
    std::fs::create_dir_all(&scratch)?;
    let image = docker.ensure_image(&scratch).await;
    std::fs::remove_dir_all(&scratch)?;
    let containers = docker.create(run, &image?, &specs).await?;
    for container in &containers {
        docker.start(container).await?;
    }
    if mode == Mode::Backlog {
        for container in &containers {
            while last_seq(docker, container).await? < BACKLOG_LINES {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
        }
    }
    Ok(containers)
}

async fn last_seq(docker: &Docker, container: &Container) -> Outcome<u64> {
    let api = api(&docker).await?;
    let options = LogsOptionsBuilder::new().stdout(true).tail("1").build();
    let mut log = api.logs(&container.engine_id, Some(options));
    let last = log.next().await.transpose()?;
    Ok(last.and_then(|line| tokens(&line.into_bytes()).last().map(|token| token.seq)).unwrap_or(0))
}

async fn api(docker: &Docker) -> Outcome<bollard::Docker> {
    let api = leaksoak::engine::docker::client(docker.socket())?;
    Ok(api.negotiate_version().await?)
}

// --- a contender ----------------------------------------------------------------------------------------------------

fn contend(role: &str) -> Outcome<()> {
    let mut words = role.split(' ');
    let (Some(contender), Some(mode), Some(run)) = (words.next(), words.next(), words.next()) else {
        return Err(format!("{ROLE} is `{role}`").into());
    };
    let mode: Mode = mode.parse()?;
    let ids: Vec<String> = words.map(str::to_owned).collect();
    let meter = Arc::new(Meter::new()?);
    if contender == "bollard" {
        let runtime = Builder::new_multi_thread().enable_all().build()?;
        return measure(&runtime, bollard_follows(ids, Arc::clone(&meter)), mode, &meter);
    }
    let coalesce = if contender == "pooled" { Span::from_millis(10) } else { Span::ZERO };
    let runtime = Builder::new_current_thread().enable_all().build()?;
    measure(&runtime, pooled_follows(run.to_owned(), coalesce, Arc::clone(&meter)), mode, &meter)
}

async fn bollard_follows(ids: Vec<String>, meter: Arc<Meter>) -> Outcome<()> {
    let docker = Docker::connect().await?;
    let api = api(&docker).await?;
    let follow = |id: String| {
        let (api, meter) = (api.clone(), Arc::clone(&meter));
        async move {
            let options = LogsOptionsBuilder::new().stdout(true).stderr(true).timestamps(true).follow(true).build();
            let mut log = api.logs(&id, Some(options));
            while let Some(Ok(line)) = log.next().await {
                meter.line(&line.into_bytes());
            }
        }
    };
    let followers: Vec<_> = ids.into_iter().map(|id| tokio::spawn(follow(id))).collect();
    for follower in followers {
        follower.await?;
    }
    Ok(())
}

async fn pooled_follows(run: String, coalesce: Span, meter: Arc<Meter>) -> Outcome<()> {
    let docker = Docker::connect().await?;
    let metrics = Arc::new(Metrics::default());
    let rotate_every = Span::from_secs(2);
    let config = ArmConfig {
        name: "pooled".into(),
        strategy: Kind::Pooled { rotate_every, coalesce, http: Http::Auto },
        delivery: leaksoak_scenarios::Delivery::default(),
        engine: docker.socket().clone(),
        api_version: docker.info().api_version.clone(),
        labels: vec![format!("{LABEL_RUN}={run}")],
        sink_socket: "/nonexistent".into(),
        own_socket: "/nonexistent".into(),
        state_dir: "/nonexistent".into(),
        nofile: 1024,
        parent_pid: 0,
        log_level: Level::Info,
        containers: None,
        cgroup_procs: Vec::new(),
    };
    let settings = ClientSettings { coalesce: coalesce.as_duration(), ..ClientSettings::default() };
    let client = PooledClient::new(config.engine.clone(), settings, Arc::clone(&metrics));
    let (_trigger, shutdown) = shutdown();
    let context = Context {
        engine: Engine::new(client, &config.api_version),
        settings: LiveSettings::fixed(Settings::from(&config)),
        config: Arc::new(config),
        delivery: Delivery::to_function(move |line| meter.line(line.text.as_bytes()), Arc::clone(&metrics)),
        metrics,
        health: Arc::default(),
        shutdown,
    };
    Ok(Pooled::new(rotate_every.as_duration()).run(context).await?)
}

/// Counts lines, and how late every eighth of them is.
struct Meter {
    lines: AtomicU64,
    latency_us: std::sync::Mutex<Histogram<u64>>,
}

impl Meter {
    fn new() -> Outcome<Self> {
        Ok(Self { lines: AtomicU64::new(0), latency_us: Histogram::new_with_bounds(1, 600_000_000, 3)?.into() })
    }

    fn line(&self, bytes: &[u8]) {
        if !self.lines.fetch_add(1, Ordering::Relaxed).is_multiple_of(8) {
            return;
        }
        let Some(token) = tokens(bytes).next() else { return };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let late = now.saturating_sub(Duration::from_nanos(token.t_ns));
        let late_us = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
        self.latency_us.lock().expect("nobody panics with it").saturating_record(late_us);
    }
}

/// Prints `lines | lines/s | µs/line | p50 | p99 |`.
fn measure(runtime: &Runtime, following: impl Future<Output = Outcome<()>>, mode: Mode, meter: &Meter) -> Outcome<()> {
    let mut began = (0, Instant::now(), cpu());
    let until = async {
        match mode {
            Mode::Backlog => {
                while meter.lines.load(Ordering::Relaxed) < CONTAINERS * BACKLOG_LINES {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            Mode::Live => {
                tokio::time::sleep(WARMUP).await;
                meter.latency_us.lock().expect("nobody panics with it").reset();
                began = (meter.lines.load(Ordering::Relaxed), Instant::now(), cpu());
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
    let lines = meter.lines.load(Ordering::Relaxed) - lines_before;
    let latency = meter.latency_us.lock().expect("nobody panics with it");
    let late_ms = |quantile| latency.value_at_quantile(quantile) as f64 / 1000.0;
    let (p50, p99) = match mode {
        // A backlog is as late as it is old.
        Mode::Backlog => (String::new(), String::new()),
        Mode::Live => (format!("{:.2}", late_ms(0.5)), format!("{:.2}", late_ms(0.99))),
    };
    println!(
        "{lines} | {:.0} | {:.3} | {p50} | {p99} |",
        lines as f64 / elapsed.as_secs_f64(),
        used.as_secs_f64() * 1e6 / lines as f64,
    );
    Ok(())
}

/// CPU time of this process, all threads, user and system.
fn cpu() -> Duration {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(used.tv_sec).unwrap_or(0), u32::try_from(used.tv_nsec).unwrap_or(0))
}
