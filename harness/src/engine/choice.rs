//! Which engine a run gets: the Docker engine that answers, or the embedded one.

use std::path::Path;

use leaksoak_strategies::docker_api::EngineAddress;

use super::docker::Docker;
use super::embedded::process::EngineProcess;
use super::{EngineError, EngineKind};

/// What the user asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Docker if it answers, else the embedded one.
    Auto,
    /// Docker.
    Docker,
    /// The embedded one.
    Embedded,
}

/// An engine for a run.
#[derive(Debug)]
pub struct Chosen {
    /// Where it is spoken to.
    pub engine: Docker,
    /// Its process, if it is the embedded one.
    pub process: Option<EngineProcess>,
    /// Why it is the embedded one, where that was not asked for.
    pub because: Option<String>,
}

impl Chosen {
    /// Finds the engine; an embedded one is started in `directory`. One with faults (`faults`) is never a real one.
    ///
    /// # Errors
    /// None answers, or none can be started.
    pub async fn find(choice: Choice, faults: bool, directory: &Path) -> Result<Self, EngineError> {
        let because = match choice {
            Choice::Embedded => None,
            Choice::Auto if faults => {
                Some("the scenario has engine faults, which are not done to a real engine".to_owned())
            }
            Choice::Auto | Choice::Docker => match Docker::connect().await {
                Ok(engine) => return Ok(Self { engine, process: None, because: None }),
                Err(EngineError::Unreachable { address, reason, .. }) if choice == Choice::Auto => {
                    Some(format!("no Docker engine at {address} ({reason})"))
                }
                Err(error) => return Err(error),
            },
        };
        let process = EngineProcess::start(directory).await?;
        let engine =
            Docker::connect_to(&EngineAddress::Unix(process.socket().to_owned()), EngineKind::Embedded).await?;
        Ok(Self { engine, process: Some(process), because })
    }
}
