//! The process that compares: it makes the containers, has the contenders take turns, runs the sink, and cleans up.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use bollard::query_parameters::{LogsOptionsBuilder, RemoveImageOptionsBuilder};
use futures_util::StreamExt as _;
use leaksoak::engine::docker::{Docker, client};
use leaksoak::engine::image::Contents;
use leaksoak::engine::{Container, ContainerSpec};
use leaksoak::owner::RunId;
use leaksoak::sink::Sink;
use leaksoak::sink::ledger::Book;
use leaksoak::workload::line::tokens;
use leaksoak_scenarios::{Bytes, Load, LogRotation, Rate, Span};
use tokio::process::Command;
use tokio::runtime::Builder;

use crate::meter::Measured;
use crate::table::{Results, number};
use crate::{BACKLOG_LINES, CONTAINERS, Contender, LIVE_RATE_PER_S, Mode, Outcome, ROLE, SCRATCH};

const TURNS: usize = 3;

/// What is to be compared.
struct Plan {
    mode: Mode,
    turns: usize,
    contenders: Vec<Contender>,
}

impl Plan {
    fn read(words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut plan = Self { mode: Mode::Live, turns: TURNS, contenders: Vec::new() };
        let mut mode = None;
        for word in words {
            if mode.is_none() {
                mode = Some(word.parse()?);
            } else if let Ok(turns) = word.parse() {
                plan.turns = turns;
            } else {
                plan.contenders.push(word.parse()?);
            }
        }
        plan.mode = mode.ok_or("what is to be compared? say `-- backlog` or `-- live`")?;
        if plan.contenders.is_empty() {
            plan.contenders = Contender::ALL.to_vec();
        }
        Ok(plan)
    }
}

pub(crate) fn compare(words: impl Iterator<Item = String>) -> Outcome<()> {
    let plan = Plan::read(words)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let docker = match runtime.block_on(Docker::connect()) {
        Ok(docker) => docker,
        Err(error) => {
            eprintln!("skipped: {error}");
            return Ok(());
        }
    };
    let run = RunId::of_this_process()?;
    let scratch = std::env::temp_dir().join(format!("leaksoak-bench-{run}"));
    std::fs::create_dir(&scratch)?;
    // Each is tried, whatever became of the one before.
    let compared = runtime.block_on(turns(&docker, &run, &scratch, plan));
    let removed = runtime.block_on(docker.remove_run(&run));
    let image = runtime.block_on(remove_image(&docker));
    let scratch = std::fs::remove_dir_all(&scratch);
    compared?;
    removed?;
    image?;
    Ok(scratch?)
}

async fn turns(docker: &Docker, run: &RunId, scratch: &Path, mut plan: Plan) -> Outcome<()> {
    let mode = plan.mode;
    println!("{mode:?} on docker {}", docker.info().version);
    if let Err(reason) = docker.log_files().await {
        println!("hybrid is left out, it cannot read the log files here: {reason}");
        plan.contenders.retain(|contender| !matches!(contender, Contender::Hybrid { .. }));
    }
    println!("| turn | contender | lines | lines/s | CPU µs/line | p50 ms | p99 ms |");
    println!("| ---: | --- | ---: | ---: | ---: | ---: | ---: |");
    let mut containers = match mode {
        Mode::Backlog => containers(docker, run, scratch, mode).await?,
        Mode::Live => Vec::new(),
    };
    let mut results = Results::default();
    for turn in 1..=plan.turns {
        for &contender in &plan.contenders {
            if mode == Mode::Live {
                docker.remove_run(run).await?;
                containers = self::containers(docker, run, scratch, mode).await?;
            }
            let own = scratch.join(format!("{turn}-{}", contender.name()));
            std::fs::create_dir(&own)?;
            let measured = take_turn(contender, mode, run, &own, &containers).await?;
            let (p50, p99) = measured.late_ms.unzip();
            println!(
                "| {turn} | {} | {} | {:.0} | {:.3} | {} | {} |",
                contender.name(),
                measured.lines,
                measured.lines_per_s,
                measured.cpu_us_per_line,
                number(p50, 2),
                number(p99, 2),
            );
            results.add(contender, measured);
        }
    }
    results.print_summary(&plan.contenders);
    Ok(())
}

/// One contender in a process of its own, with a sink of its own in this one.
async fn take_turn(
    contender: Contender,
    mode: Mode,
    run: &RunId,
    scratch: &Path,
    containers: &[Container],
) -> Outcome<Measured> {
    let names: Vec<String> = containers.iter().map(|container| container.id.clone()).collect();
    let _sink = Sink::serve(&scratch.join("sink.sock"), Book::new(&[contender.name()], &names, None), &[])?;
    let ids: Vec<_> = containers.iter().map(|container| container.engine_id.as_str()).collect();
    let mode = format!("{mode:?}").to_lowercase();
    let role = format!("{} {mode} {run} {}", contender.name(), ids.join(" "));
    let output = Command::new("/proc/self/exe")
        .env(ROLE, role)
        .env(SCRATCH, scratch)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await?;
    if !output.status.success() {
        return Err(format!("{}: {}", contender.name(), String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).parse()?)
}

async fn containers(docker: &Docker, run: &RunId, scratch: &Path, mode: Mode) -> Outcome<Vec<Container>> {
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
    let image = docker.ensure_image(scratch).await?;
    let containers = docker.create(run, &image, &specs).await?;
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
    let api = api(docker).await?;
    let options = LogsOptionsBuilder::new().stdout(true).tail("1").build();
    let mut log = api.logs(&container.engine_id, Some(options));
    let last = log.next().await.transpose()?;
    Ok(last.and_then(|line| tokens(&line.into_bytes()).last().map(|token| token.seq)).unwrap_or(0))
}

/// This executable's image, which no other program has a use for.
async fn remove_image(docker: &Docker) -> Outcome<()> {
    let tag = Contents::of_this_process()?.tag()?;
    let options = RemoveImageOptionsBuilder::new().build();
    match api(docker).await?.remove_image(&tag, Some(options), None).await {
        Ok(_) | Err(bollard::errors::Error::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
        Err(error) => Err(format!("the image {tag} stays: {error}").into()),
    }
}

pub(crate) async fn api(docker: &Docker) -> Outcome<bollard::Docker> {
    Ok(client(docker.address())?.negotiate_version().await?)
}
