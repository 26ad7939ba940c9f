//! What a strategy is, and what it is given to work with.

use std::future::Future;
use std::sync::Arc;

use crate::config::ArmConfig;
use crate::delivery::{Delivery, SinkError};
use crate::discovery::Discovery;
use crate::docker_api::{Engine, EngineError};
use crate::health::Health;
use crate::metrics::Metrics;
use crate::settings::LiveSettings;
use crate::shutdown::Shutdown;

/// A way of monitoring the logs of containers.
///
/// [`crate::host::run_with`] makes an arm process of any implementation: metrics, health, delivery and the end by
/// SIGTERM are the host's business, finding the containers and reading their lines is the strategy's.
pub trait Strategy: Send + 'static {
    /// Monitors until `context.shutdown` is requested, then reads what is there already and returns. An error ends the
    /// arm; what can be tried again later is tried again, and counted.
    fn run(self, context: Context) -> impl Future<Output = Result<(), StrategyError>> + Send;
}

/// What a strategy works with; cheap to clone.
#[derive(Clone)]
pub struct Context {
    /// The arm's instructions.
    pub config: Arc<ArmConfig>,
    /// The engine, over the arm's shared and bounded pool of connections.
    pub engine: Engine,
    /// Where captured lines are handed over.
    pub delivery: Delivery,
    /// What is counted. A strategy counts streams, lines and bytes read, rotations, and its errors; the rest counts itself.
    pub metrics: Arc<Metrics>,
    /// The state of engine and sink.
    pub health: Arc<Health>,
    /// What may change while the arm runs.
    pub settings: LiveSettings,
    /// The request to stop.
    pub shutdown: Shutdown,
}

impl Context {
    /// Starts to look for the containers to monitor: those with the labels of the instructions, if the settings name them.
    pub fn discover(&self) -> Discovery {
        Discovery::start(
            self.engine.clone(),
            self.config.labels.clone(),
            Arc::clone(&self.metrics),
            Arc::clone(&self.health),
        )
        .only_named(self.settings.clone())
    }
}

/// Why a strategy cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum StrategyError {
    /// The engine failed in a way that trying again cannot mend.
    #[error("the engine cannot be monitored")]
    Engine(#[from] EngineError),
    /// The sink likewise.
    #[error("a line cannot be delivered")]
    Sink(#[from] SinkError),
    /// A file that it cannot do without.
    #[error("{doing} {}", path.display())]
    File {
        /// What was tried, e.g. `cannot open`.
        doing: &'static str,
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Anything else, of strategies that are not built in.
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
}
