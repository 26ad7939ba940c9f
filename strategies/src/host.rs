//! Makes a process an arm: limits, metrics, health, delivery, and the strategy in the middle.
//!
//! The process has one thread and a current-thread runtime, so that what is counted is the strategy's and not a thread
//! pool's. It ends with the strategy, with SIGTERM (what is read is delivered first, for at most [`FLUSH_TIME`]), or with
//! its parent.

mod disk;
mod process;
mod registry;
mod reload;
mod server;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use leaksoak_scenarios::{Http, Strategy as Kind};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, timeout};

use crate::config::{ArmConfig, ConfigError};
use crate::delivery::{self, Backoff, Destination, Limits};
use crate::docker_api::Engine;
use crate::health::{Dependency, Health};
use crate::log::{Level, say};
use crate::metrics::{ErrorKind, Metrics};
use crate::pooled::{ClientSettings, PooledClient};
use crate::settings::{Settings, settings};
use crate::shutdown::shutdown;
use crate::spawn_sites::SpawnSites;
use crate::strategy::{Context, Strategy, StrategyError};
use crate::task::OwnedTask;

use reload::Reloader;

pub use process::LimitError;
pub use registry::Registry;

/// The longest that an arm goes on after it was asked to stop.
pub const FLUSH_TIME: Duration = Duration::from_secs(5);

/// The part of it that the strategy may take to read what is there already; the rest is the delivery's.
const READ_OUT_TIME: Duration = Duration::from_secs(2);

/// Why a process could not be, or did not remain, an arm.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// Its instructions cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// It was started by hand.
    #[error("an arm is started with `--config FILE`: name it as the `program` of an arm in a scenario")]
    NoInstructions,
    /// Nobody has registered it.
    #[error("no strategy `{name}`; there is: {known}")]
    Unknown {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// A limit could not be set on the process.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// The parent had gone before this process could be tied to its life.
    #[error("the process that started this arm ({expected}) is gone")]
    Orphaned {
        /// Process id of the parent that was to be there.
        expected: u32,
    },
    /// No runtime, or no signals.
    #[error("cannot start the async runtime")]
    Runtime(#[source] std::io::Error),
    /// The arm's own socket.
    #[error("cannot listen on {}", path.display())]
    Listen {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The strategy ended with an error.
    #[error(transparent)]
    Strategy(#[from] StrategyError),
}

/// Runs the built-in strategy that the instructions in this file name. Blocks until the arm's end.
pub fn run(config: &Path) -> Result<(), HostError> {
    Registry::built_in().run(config)
}

/// The `main` of a program that is one strategy: as the harness starts it, by the instructions that its command line names. An
/// error is told on stderr.
pub fn main<S: Strategy>(strategy: impl FnOnce(&ArmConfig) -> S) -> ExitCode {
    let ended = match instructions() {
        Ok(config) => run_with(&config, strategy),
        Err(error) => {
            say(Level::Error, format_args!("{error}"));
            Err(error)
        }
    };
    if ended.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The file that `--config FILE` names on this process's command line: so the harness starts an arm.
pub fn instructions() -> Result<PathBuf, HostError> {
    let mut arguments = std::env::args_os().skip(1);
    match (arguments.next(), arguments.next(), arguments.next()) {
        (Some(flag), Some(file), None) if flag == "--config" => Ok(file.into()),
        _ => Err(HostError::NoInstructions),
    }
}

/// Runs any strategy by the instructions in this file; of those for the built-in strategies only how the engine is to be spoken
/// to is looked at. Blocks until the arm's end.
///
/// An error is also told on stderr, as `leaksoak arm <name>: <error and its causes>`.
pub fn run_with<S: Strategy>(config: &Path, strategy: impl FnOnce(&ArmConfig) -> S) -> Result<(), HostError> {
    let read = ArmConfig::read(config).map_err(|error| told(&config.display(), error.into()))?;
    let (name, strategy) = (read.name.clone(), strategy(&read));
    confine_and_serve(config, read, strategy).map_err(|error| told(&name, error))
}

/// Tells an arm's error, and gives it back.
fn told(name: &dyn std::fmt::Display, error: HostError) -> HostError {
    say(Level::Error, format_args!("leaksoak arm {name}: {}", crate::log::chain(&error)));
    error
}

fn confine_and_serve<S: Strategy>(path: &Path, config: ArmConfig, strategy: S) -> Result<(), HostError> {
    crate::log::set_level(config.log_level);
    process::confine(&config)?;
    process::die_with_parent(config.parent_pid)?;
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let sites = SpawnSites::count_in(&mut builder);
    let runtime = builder.enable_all().build().map_err(HostError::Runtime)?;
    let ended = runtime.block_on(serve(path, config, strategy, sites));
    // Whatever a strategy has left running must not keep the process.
    runtime.shutdown_background();
    ended
}

async fn serve<S: Strategy>(
    path: &Path,
    config: ArmConfig,
    strategy: S,
    sites: Option<SpawnSites>,
) -> Result<(), HostError> {
    // Handlers first: a signal that comes from here on is not lost.
    let mut terminate = signal(SignalKind::terminate()).map_err(HostError::Runtime)?;
    // Ctrl-C in a terminal reaches the arms as well; when they end is for the harness to say.
    let _ignored = signal(SignalKind::interrupt()).map_err(HostError::Runtime)?;

    let hangup = signal(SignalKind::hangup()).map_err(HostError::Runtime)?;

    let metrics = Arc::new(Metrics::default());
    let health = Arc::new(Health::default());
    let _server = server::start(&config.own_socket, Arc::clone(&metrics), Arc::clone(&health), sites)
        .map_err(|source| HostError::Listen { path: config.own_socket.clone(), source })?;

    let client = PooledClient::new(config.engine.clone(), client_settings(&config.strategy), Arc::clone(&metrics));
    let engine = Engine::new(client, &config.api_version);
    let _probe = OwnedTask::spawn(probe(engine.clone(), Arc::clone(&metrics), Arc::clone(&health)));

    let destination = Destination::new(&config.sink_socket, &config.name, &config.state_dir);
    let limits = Limits::from(&config.delivery);
    let (delivery, pipeline) = delivery::start(&destination, limits, Arc::clone(&metrics), Arc::clone(&health));
    let _disk = OwnedTask::spawn(disk::watch(config.state_dir.clone(), Arc::clone(&health)));

    let (sender, live) = settings(Settings::from(&config));
    let reloader = Reloader {
        path: path.to_owned(),
        config: config.clone(),
        settings: sender,
        delivery: delivery.clone(),
        metrics: Arc::clone(&metrics),
    };
    let _reloader = OwnedTask::spawn(reloader.run(hangup));

    let (trigger, shutdown) = shutdown();
    let context = Context { config: Arc::new(config), engine, delivery, metrics, health, settings: live, shutdown };
    let mut running = std::pin::pin!(strategy.run(context));
    let mut stopping = None;
    let ended = tokio::select! {
        ended = &mut running => ended,
        _ = terminate.recv() => {
            stopping = Some(Instant::now());
            trigger.request();
            timeout(READ_OUT_TIME, running).await.unwrap_or_else(|_| {
                say(Level::Warn, format_args!("stopped before all that is there was read: the sink does not take it"));
                Ok(())
            })
        }
    };
    pipeline.finish(FLUSH_TIME.saturating_sub(stopping.map_or(Duration::ZERO, |since| since.elapsed()))).await;
    Ok(ended?)
}

fn client_settings(strategy: &Kind) -> ClientSettings {
    match strategy {
        Kind::Pooled { coalesce, http, .. } => {
            ClientSettings { coalesce: coalesce.as_duration(), http: *http, ..ClientSettings::of_an_arm() }
        }
        // Their few requests are not what is compared.
        _ => ClientSettings { http: Http::One, ..ClientSettings::of_an_arm() },
    }
}

/// Asks the engine until it answers once; from then on its state is what the strategy's own requests find.
async fn probe(engine: Engine, metrics: Arc<Metrics>, health: Arc<Health>) {
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
    while let Err(error) = engine.ping().await {
        metrics.errors.inc(ErrorKind::Engine);
        health.failed(Dependency::Engine, &error);
        tokio::time::sleep(backoff.delay()).await;
    }
    health.ok(Dependency::Engine);
}
