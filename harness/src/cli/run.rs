//! `leaksoak run`: a scenario, from its name to its verdict.

use std::fs;
use std::io::IsTerminal;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use leaksoak_reports::record::run_info::{FORMAT_VERSION, RunInfo};
use leaksoak_reports::{RecordError, RunWriter, write_reports};
use leaksoak_scenarios::{Scenario, load};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::{EngineChoice, RunArgs, report, runtime};
use crate::clock::unix_ms;
use crate::engine::docker::Docker;
use crate::event::{Bus, Consumer};
use crate::exit::{Exit, Failure};
use crate::owner::RunId;
use crate::plan::{EngineFacts, Plan, default_directory};
use crate::progress::{Progress, Style};
use crate::recorder::Recorder;
use crate::run::lifecycle::Ending;
use crate::run::{RunError, Signals, run as carry_out};
use crate::{host, leftovers};

pub(super) fn run(args: RunArgs) -> Result<Exit, Failure> {
    let scenario = load(&args.scenario, &args.overrides.into()).map_err(Failure::usage)?;
    let directory = args.out.unwrap_or_else(|| default_directory(&scenario.name));
    let directory = std::path::absolute(&directory)
        .map_err(|error| Failure::usage(format!("--out {}: {error}", directory.display())))?;
    let style = match (args.quiet, args.json) {
        (true, _) => Style::None,
        (false, false) if std::io::stderr().is_terminal() => Style::Live,
        _ => Style::Plain,
    };
    // Freed with the runtime, before the reports are drawn.
    let ending = runtime()?.block_on(prepared(scenario, &directory, args.engine, style))?;
    conclude(&ending, &directory, args.json, args.quiet)
}

/// Finds the engine, clears what dead runs left, makes the directories, and carries the run out.
async fn prepared(scenario: Scenario, directory: &Path, choice: EngineChoice, style: Style) -> Result<Ending, Failure> {
    let signals = signals().map_err(|error| Failure::environment(format!("signals cannot be caught: {error}")))?;
    let engine = match choice {
        EngineChoice::Auto | EngineChoice::Docker => Docker::connect().await.map_err(Failure::environment)?,
    };
    let run = RunId::of_this_process().map_err(Failure::environment)?;
    engine.remove_dead(false).await.map_err(Failure::environment)?;
    leftovers::local().map_err(|error| {
        Failure::environment(format!(
            "what a dead run left in {} cannot be removed: {error}",
            std::env::temp_dir().display()
        ))
    })?;
    raise_own_file_limit();

    let info = RunInfo {
        format_version: FORMAT_VERSION,
        run_id: run.to_string(),
        started_unix_ms: unix_ms(),
        version: env!("CARGO_PKG_VERSION").into(),
        argv: std::env::args().collect(),
        scenario: scenario.clone(),
        engine: engine.info().clone(),
        host: host::facts(),
    };
    let writer = RunWriter::create(directory, &info).map_err(|error| match error {
        RecordError::NotEmpty { .. } | RecordError::NotADirectory { .. } => Failure::usage(format!("--out: {error}")),
        error => Failure::environment(error),
    })?;
    let facts = EngineFacts { socket: engine.socket(), api_version: &info.engine.api_version };
    let plan = Plan::new(run, scenario, directory.to_owned(), facts);
    let scratch = Scratch::make(&plan.scratch)?;
    let consumers: Vec<Box<dyn Consumer>> = vec![Box::new(Recorder::new(writer)), Box::new(Progress::new(style))];
    let bus = Bus::start(consumers);
    let ended = carry_out(plan, info, engine, &bus, signals).await;
    let finished = bus.finish();
    drop(scratch);
    match ended {
        Err(error) => {
            // Nothing was measured: an empty record is of use to nobody. What cannot be removed is not worth a second error.
            let _ = fs::remove_dir_all(directory);
            let exit = if matches!(error, RunError::Interrupted(_)) { Exit::Interrupted } else { Exit::Environment };
            Err(Failure { exit, message: error.to_string() })
        }
        Ok(ending) => match finished {
            Err(reason) if !matches!(ending, Ending::RecordFailed(_)) => Ok(Ending::RecordFailed(reason)),
            _ => Ok(ending),
        },
    }
}

/// Makes the reports, tells the verdict, and decides how the command ends.
fn conclude(ending: &Ending, directory: &Path, json: bool, quiet: bool) -> Result<Exit, Failure> {
    let recorded = format!("what was recorded is in {}, and `leaksoak report` reads it", directory.display());
    if let Ending::RecordFailed(reason) = ending {
        return Err(Failure::environment(format!("{reason}\n  the run was ended; {recorded}")));
    }
    let verdict = write_reports(directory).map_err(|error| Failure::environment(format!("{error}\n  {recorded}")))?;
    if json || !quiet {
        report::tell(&verdict, directory, json)?;
    }
    match ending {
        Ending::EngineLost(reason) => Err(Failure::environment(format!(
            "the engine was lost in mid-run: {reason}\n  the report is partial; {recorded}"
        ))),
        Ending::Interrupted(signal) => {
            Err(Failure { exit: Exit::Interrupted, message: format!("interrupted ({signal}); the report is partial") })
        }
        _ => Ok(report::exit(&verdict)),
    }
}

/// `SIGINT` and `SIGTERM`, from now on.
fn signals() -> std::io::Result<Signals> {
    let (tell, told) = mpsc::unbounded_channel();
    for (kind, name) in [(SignalKind::interrupt(), "SIGINT"), (SignalKind::terminate(), "SIGTERM")] {
        let mut arrivals = signal(kind)?;
        let tell = tell.clone();
        tokio::spawn(async move { while arrivals.recv().await.is_some() && tell.send(name).is_ok() {} });
    }
    Ok(told)
}

/// Every arm may hold connections to the sink up to its own limit, so the harness takes all it is allowed.
fn raise_own_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // Up to the hard limit it is always permitted.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// The scratch directory, removed when the run is over.
struct Scratch(PathBuf);

impl Scratch {
    fn make(path: &Path) -> Result<Self, Failure> {
        let made = fs::DirBuilder::new().mode(0o700).create(path);
        made.map_err(|error| {
            Failure::environment(format!(
                "the directory for sockets, {}, cannot be made: {error}\n  TMPDIR names another place",
                path.display()
            ))
        })?;
        Ok(Self(path.to_owned()))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // The next run, or `clean`, removes what is left.
        let _ = fs::remove_dir_all(&self.0);
    }
}
