//! One arm between a scripted engine and a scripted sink: what the host does, within a test.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use leaksoak_scenarios::Strategy as Kind;
use leaksoak_strategies::delivery::{self, Delivery, Destination, Limits, Pipeline};
use leaksoak_strategies::docker_api::{self, EngineAddress};
use leaksoak_strategies::health::Health;
use leaksoak_strategies::line::Line;
use leaksoak_strategies::metrics::Metrics;
use leaksoak_strategies::pooled::{ClientSettings, PooledClient};
use leaksoak_strategies::settings::{LiveSettings, Settings};
use leaksoak_strategies::shutdown::{ShutdownTrigger, shutdown};
use leaksoak_strategies::task::OwnedTask;
use leaksoak_strategies::{ArmConfig, Context, Strategy, StrategyError};

use crate::engine::Engine;
use crate::server::Speaks;
use crate::sink::Sink;

/// How long a condition may take to hold.
const PATIENCE: Duration = Duration::from_secs(20);

/// The sockets and files of one test.
pub(crate) struct Place {
    dir: tempfile::TempDir,
    pub(crate) engine: Engine,
    pub(crate) sink: Sink,
}

pub(crate) struct Arm {
    pub(crate) context: Context,
    trigger: ShutdownTrigger,
    pipeline: Pipeline,
    strategy: OwnedTask<Result<(), StrategyError>>,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self::speaking(Speaks::Http1)
    }

    pub(crate) fn speaking(speaks: Speaks) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("state")).unwrap();
        let engine = Engine::speaking(speaks, &dir.path().join("engine.sock"));
        let sink = Sink::start(&dir.path().join("sink.sock"));
        Self { dir, engine, sink }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn state(&self, name: &str) -> PathBuf {
        self.path("state").join(name)
    }

    pub(crate) fn engine_address(&self) -> EngineAddress {
        EngineAddress::Unix(self.path("engine.sock"))
    }

    pub(crate) fn config(&self) -> ArmConfig {
        ArmConfig {
            name: "tested".to_owned(),
            strategy: Kind::Idle,
            delivery: leaksoak_scenarios::Delivery::default(),
            engine: self.engine_address(),
            api_version: "1.41".to_owned(),
            labels: vec!["leaksoak.run=test".to_owned()],
            sink_socket: self.path("sink.sock"),
            own_socket: self.path("arm.sock"),
            state_dir: self.path("state"),
            nofile: 1024,
            parent_pid: std::process::id(),
            log_level: leaksoak_strategies::log::Level::Info,
            containers: None,
            cgroup_procs: Vec::new(),
        }
    }

    /// A delivery by itself.
    pub(crate) fn deliver(&self, limits: Limits) -> (Delivery, Pipeline, Arc<Metrics>) {
        let metrics = Arc::new(Metrics::default());
        let destination = Destination::new(&self.path("sink.sock"), "tested", &self.path("state"));
        let (delivery, pipeline) = delivery::start(&destination, limits, Arc::clone(&metrics), Arc::default());
        (delivery, pipeline, metrics)
    }

    pub(crate) fn start(&self, strategy: impl Strategy) -> Arm {
        self.start_with(self.engine_address(), ClientSettings::of_an_arm(), strategy)
    }

    /// A strategy whose lines go to a function.
    pub(crate) fn hand_to(
        &self,
        take: impl Fn(&Line<'_>) + Send + Sync + 'static,
        settings: ClientSettings,
        strategy: impl Strategy,
    ) -> (Context, ShutdownTrigger, OwnedTask<Result<(), StrategyError>>) {
        let config = Arc::new(self.config());
        let metrics = Arc::new(Metrics::default());
        let client = PooledClient::new(config.engine.clone(), settings, Arc::clone(&metrics));
        let (trigger, shutdown) = shutdown();
        let context = Context {
            engine: docker_api::Engine::new(client, &config.api_version),
            delivery: Delivery::to_function(take, Arc::clone(&metrics)),
            settings: LiveSettings::fixed(Settings::from(&*config)),
            health: Arc::default(),
            config,
            metrics,
            shutdown,
        };
        let strategy = OwnedTask::spawn(strategy.run(context.clone()));
        (context, trigger, strategy)
    }

    pub(crate) fn start_with(&self, engine: EngineAddress, settings: ClientSettings, strategy: impl Strategy) -> Arm {
        let config = Arc::new(ArmConfig { engine, ..self.config() });
        let metrics = Arc::new(Metrics::default());
        let health = Arc::new(Health::default());
        let client = PooledClient::new(config.engine.clone(), settings, Arc::clone(&metrics));
        let destination = Destination::new(&config.sink_socket, &config.name, &config.state_dir);
        let limits = Limits { batch_wait: Duration::from_millis(2), ..Limits::default() };
        let (delivery, pipeline) = delivery::start(&destination, limits, Arc::clone(&metrics), Arc::clone(&health));
        let (trigger, shutdown) = shutdown();
        let engine = docker_api::Engine::new(client, &config.api_version);
        let settings = LiveSettings::fixed(Settings::from(&*config));
        let context = Context { config, engine, delivery, metrics, health, settings, shutdown };
        let strategy = OwnedTask::spawn(strategy.run(context.clone()));
        Arm { context, trigger, pipeline, strategy }
    }
}

impl Arm {
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.context.metrics
    }

    /// Ends the arm as SIGTERM does.
    pub(crate) async fn stop(mut self) {
        self.trigger.request();
        self.strategy.join().await.unwrap().unwrap();
        self.pipeline.finish(Duration::from_secs(5)).await;
    }

    /// Ends the arm as SIGKILL does: nothing is flushed, nothing is saved.
    pub(crate) async fn die(self) {
        drop(self.strategy);
        drop(self.pipeline);
        tokio::task::yield_now().await;
    }
}

/// Live tasks of the test's runtime: the arm's, since engine and sink have their own.
pub(crate) fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

/// Waits until the condition holds; what is released asynchronously takes its time.
#[track_caller]
pub(crate) fn eventually(what: &str, condition: impl Fn() -> bool) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let holds = async {
            while !condition() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, holds).await;
        assert!(in_time.is_ok(), "{caller}: never: {what}");
    }
}

/// `0` to `count - 1`, as texts.
pub(crate) fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|number| number.to_string()).collect()
}

/// Files below `directory` that this process holds open.
pub(crate) fn files_held(directory: &Path) -> Vec<PathBuf> {
    let held = std::fs::read_dir("/proc/self/fd").unwrap();
    held.filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok()).filter(|file| file.starts_with(directory)).collect()
}

/// The same, as far as they are deleted.
pub(crate) fn deleted_files_held(directory: &Path) -> usize {
    files_held(directory).iter().filter(|file| file.to_string_lossy().ends_with(" (deleted)")).count()
}
