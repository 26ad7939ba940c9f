//! `leaksoak run`: a scenario, from its name to its verdict.

use std::fs;
use std::io::IsTerminal;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use leaksoak_reports::record::run_info::{FORMAT_VERSION, RunInfo};
use leaksoak_reports::{RecordError, RunWriter, begin_turns, write_reports};
use leaksoak_scenarios::{Scenario, load};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::{RunArgs, report, runtime};
use crate::clock::unix_ms;
use crate::engine::choice::{Choice, Chosen};
use crate::engine::embedded::process::EngineProcess;
use crate::event::{Bus, Consumer};
use crate::exit::{Exit, Failure};
use crate::owner::RunId;
use crate::plan::{EngineFacts, Plan, default_directory, scratch_dir};
use crate::progress::{Progress, Style};
use crate::recorder::Recorder;
use crate::run::lifecycle::Ending;
use crate::run::{RunError, Signals, Surroundings, run as carry_out};
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
    let ending = runtime()?.block_on(prepared(scenario, &directory, args.engine.into(), style))?;
    conclude(&ending, &directory, args.json, args.quiet)
}

/// Clears what dead runs left, finds the engine, makes the directories, and carries the run out.
async fn prepared(scenario: Scenario, directory: &Path, choice: Choice, style: Style) -> Result<Ending, Failure> {
    let faults = !scenario.engine_faults.is_empty();
    if faults && choice == Choice::Docker {
        return Err(Failure::usage(
            "--engine docker: the scenario has engine faults, which are not done to a real engine\n  leave the flag out, or take `[[engine.faults]]` out of the scenario",
        ));
    }
    let mut signals = signals().map_err(|error| Failure::environment(format!("signals cannot be caught: {error}")))?;
    raise_own_file_limit();
    let run = RunId::of_this_process().map_err(Failure::environment)?;
    leftovers::local().map_err(|error| {
        let place = std::env::temp_dir();
        Failure::environment(format!("what a dead run left in {} cannot be removed: {error}", place.display()))
    })?;
    let scratch = Scratch::make(&scratch_dir(&run))?;
    let Chosen { engine, process, because } = tokio::select! {
        chosen = cleared_engine(choice, faults, &scratch.0) => chosen?,
        Some(signal) = signals.recv() => return Err(not_carried_out(&RunError::Interrupted(signal))),
    };

    let info = RunInfo {
        format_version: FORMAT_VERSION,
        run_id: run.to_string(),
        started_unix_ms: unix_ms(),
        version: env!("CARGO_PKG_VERSION").into(),
        argv: std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect(),
        scenario,
        engine: engine.info().clone(),
        host: host::facts(),
    };
    let control = process.as_ref().map(EngineProcess::control);
    let mut course = Course { surroundings: Surroundings { engine, control, because }, style, signals };
    let ended = if info.scenario.isolate {
        course.in_turns(&run, &info, directory).await
    } else {
        course.at_once(run, info, directory).await
    };
    if let Some(process) = process {
        keep_log(process.log(), directory);
        // A child that cannot be waited for is killed when it is dropped.
        let _ = process.stop().await;
    }
    drop(scratch);
    ended
}

/// How what is planned is carried out, and on what.
struct Course {
    surroundings: Surroundings,
    style: Style,
    signals: Signals,
}

impl Course {
    /// Runs the scenario of `info`, its arms side by side.
    async fn at_once(&mut self, run: RunId, info: RunInfo, directory: &Path) -> Result<Ending, Failure> {
        let facts = EngineFacts { address: self.surroundings.engine.address(), api_version: &info.engine.api_version };
        let plan = Plan::new(run, info.scenario.clone(), directory.to_owned(), facts);
        let existed = directory.exists();
        let writer = RunWriter::create(directory, &info).map_err(|error| not_begun(error, directory, existed))?;
        let consumers: Vec<Box<dyn Consumer>> =
            vec![Box::new(Recorder::new(writer)), Box::new(Progress::new(self.style))];
        let bus = Bus::start(consumers);
        let ended = carry_out(plan, info, self.surroundings.clone(), &bus, &mut self.signals).await;
        match (ended, bus.finish()) {
            (Err(error), _) => {
                take_back(directory, existed);
                Err(not_carried_out(&error))
            }
            (Ok(Ending::RecordFailed(reason)), _) | (Ok(_), Err(reason)) => Ok(Ending::RecordFailed(reason)),
            (Ok(ending), Ok(())) => Ok(ending),
        }
    }

    /// Runs the scenario of `info` for one arm after the other, up to the first turn that ends the run.
    async fn in_turns(&mut self, run: &RunId, info: &RunInfo, directory: &Path) -> Result<Ending, Failure> {
        let existed = directory.exists();
        let dir = begin_turns(directory, info).map_err(|error| not_begun(error, directory, existed))?;
        let scenarios = info.scenario.turns();
        let turns = scenarios.len();
        let mut ending = Ending::Complete;
        for (scenario, number) in scenarios.into_iter().zip(1..) {
            let run = run.of_turn(number);
            let arm = scenario.arms[0].name.clone();
            let info = RunInfo { run_id: run.to_string(), started_unix_ms: unix_ms(), scenario, ..info.clone() };
            self.style.say(&format!("turn {number} of {turns}: {arm}"));
            ending = self.turn(run, info, dir.turn(&arm).path()).await.map_err(|failure| {
                if number > 1 {
                    return with_report(failure, directory);
                }
                take_back(directory, existed);
                failure
            })?;
            if !ending.allows_more() {
                break;
            }
        }
        Ok(ending)
    }

    /// One of several: a run of its own, but for the engine.
    async fn turn(&mut self, run: RunId, info: RunInfo, directory: &Path) -> Result<Ending, Failure> {
        let _scratch = Scratch::make(&scratch_dir(&run))?;
        self.at_once(run, info, directory).await
    }
}

/// Why a run directory cannot be begun; what was made of it is taken back.
fn not_begun(error: RecordError, directory: &Path, existed: bool) -> Failure {
    if let RecordError::NotEmpty { .. } | RecordError::NotADirectory { .. } = error {
        return Failure::usage(format!("--out: {error}"));
    }
    take_back(directory, existed);
    Failure::environment(error)
}

/// Where a later turn could not be carried out, those before it have their report.
fn with_report(mut failure: Failure, directory: &Path) -> Failure {
    let told = match write_reports(directory) {
        Ok(_) => format!("the turns before it are reported in {}", directory.display()),
        Err(error) => format!("the turns before it could not be reported: {error}"),
    };
    failure.message = format!("{}\n  {told}", failure.message);
    failure
}

/// The engine that was chosen, rid of what dead runs left.
async fn cleared_engine(choice: Choice, faults: bool, scratch: &Path) -> Result<Chosen, Failure> {
    let chosen = Chosen::find(choice, faults, scratch).await.map_err(Failure::environment)?;
    chosen.engine.remove_dead(false).await.map_err(Failure::environment)?;
    Ok(chosen)
}

/// Keeps what the embedded engine wrote to its log, if it wrote anything.
fn keep_log(log: &Path, directory: &Path) {
    if fs::metadata(log).is_ok_and(|metadata| metadata.len() > 0) {
        // The run has its record; this is a help to whoever looks for a fault of the engine.
        let _ = fs::copy(log, directory.join("engine.log"));
    }
}

/// A run that was not carried out has measured nothing: an empty record is of use to nobody. A directory that the user
/// made stays, empty as it was. What cannot be removed is not worth a second error.
fn take_back(directory: &Path, existed: bool) {
    let _ = fs::remove_dir_all(directory);
    if existed {
        let _ = fs::create_dir(directory);
    }
}

/// How a run that was not carried out ends.
fn not_carried_out(error: &RunError) -> Failure {
    let exit = if matches!(error, RunError::Interrupted(_)) { Exit::Interrupted } else { Exit::Environment };
    Failure { exit, message: error.to_string() }
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
        _ => Ok(report::exit(verdict.outcome)),
    }
}

/// `SIGINT`, `SIGTERM` and `SIGHUP` (the terminal is gone), from now on.
fn signals() -> std::io::Result<Signals> {
    let (tell, told) = mpsc::unbounded_channel();
    let kinds =
        [(SignalKind::interrupt(), "SIGINT"), (SignalKind::terminate(), "SIGTERM"), (SignalKind::hangup(), "SIGHUP")];
    for (kind, name) in kinds {
        let mut arrivals = signal(kind)?;
        let tell = tell.clone();
        tokio::spawn(async move { while arrivals.recv().await.is_some() && tell.send(name).is_ok() {} });
    }
    Ok(told)
}

/// Every arm may hold connections to the sink up to its own limit, so the harness takes all it is allowed.
pub(super) fn raise_own_file_limit() {
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
