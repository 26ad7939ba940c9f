//! Engines: what runs the containers.
//!
//! Whatever speaks the Docker Engine API is driven by one client, [`docker::Docker`]: a real engine, or our own
//! ([`embedded`]), which [`choice`] starts where none answers. This module says what the harness
//! asks of an engine, in the harness's own words, and what can go wrong; every such error ends in exit code 5.

use std::collections::BTreeMap;

use leaksoak_scenarios::{Load, LogRotation};

use crate::owner::RunId;

pub mod address;
pub mod choice;
pub mod docker;
pub mod embedded;
pub mod image;

/// Label that carries the run's id. What lacks it is never touched.
pub const LABEL_RUN: &str = "leaksoak.run";
/// Label that carries the container's id in the workload's lines, `c01`, ...
pub const LABEL_CONTAINER: &str = "leaksoak.container";
/// Label that carries the machine whose process owns the run.
pub const LABEL_MACHINE: &str = "leaksoak.machine";

/// Which engine it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineKind {
    /// A real one.
    Docker,
    /// Ours.
    Embedded,
}

impl EngineKind {
    /// The word for it, in reports.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Embedded => "embedded",
        }
    }
}

/// The engine's name of a container of `run`.
#[must_use]
pub fn container_name(run: &RunId, id: &str) -> String {
    format!("leaksoak-{run}-{id}")
}

/// One disposable container, before it is made.
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerSpec {
    /// `c01`, ...: its id in the workload's lines and in every report.
    pub id: String,
    /// What it prints.
    pub load: Load,
    /// Rotation of its log.
    pub log: LogRotation,
}

impl ContainerSpec {
    /// The arguments of `leaksoak` that make it this workload.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments: Vec<String> = vec!["workload".into(), "--container".into(), self.id.clone()];
        let mut flag = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
        match self.load {
            Load::Steady { rate, line_bytes } => {
                flag("--rate", rate.to_string());
                flag("--line-bytes", line_bytes.to_string());
            }
            Load::Bursty { burst, every, line_bytes } => {
                flag("--burst", burst.to_string());
                flag("--every", every.to_string());
                flag("--line-bytes", line_bytes.to_string());
            }
            Load::Silent => arguments.push("--silent".into()),
        }
        arguments
    }

    /// The options of its json-file log.
    #[must_use]
    pub fn log_options(&self) -> BTreeMap<String, String> {
        [("max-size", self.log.max_size.get().to_string()), ("max-file", self.log.max_file.to_string())]
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect()
    }

    /// The labels by which it is found again.
    #[must_use]
    pub fn labels(&self, run: &RunId, machine: &str) -> BTreeMap<String, String> {
        [(LABEL_RUN, run.to_string()), (LABEL_CONTAINER, self.id.clone()), (LABEL_MACHINE, machine.to_owned())]
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect()
    }
}

/// A container that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// `c01`, ...
    pub id: String,
    /// The engine's own id.
    pub engine_id: String,
}

/// What an engine says of the containers of a run while it lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineEvent {
    /// A container ended or was removed.
    Gone {
        /// `c01`, ...
        container: String,
        /// `die (exit code 137)`, `destroy`, ...
        reason: String,
    },
    /// The engine no longer says anything.
    Lost {
        /// The error.
        reason: String,
    },
}

/// What can go wrong with an engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Nobody listens.
    #[error("no engine at {address}: {reason}\n  {remedy}")]
    Unreachable {
        /// As asked for.
        address: String,
        /// What the attempt said.
        reason: String,
        /// What to do.
        remedy: String,
    },
    /// The address is of a kind that cannot be used here.
    #[error("DOCKER_HOST={address}: {reason}\n  {remedy}")]
    Address {
        /// As given.
        address: String,
        /// Why not.
        reason: String,
        /// What to do.
        remedy: String,
    },
    /// The workload image could not be made.
    #[error(
        "the workload image {image} could not be imported: {reason}\n  is there space under the engine's data root, and may this user import images?"
    )]
    Image {
        /// Its tag.
        image: String,
        /// The engine's or the system's words.
        reason: String,
    },
    /// The embedded engine does not serve.
    #[error(
        "the embedded engine does not start: {reason}\n  is there space in the temporary directory (TMPDIR names another)?"
    )]
    Embedded {
        /// Its last words.
        reason: String,
    },
    /// A call failed.
    #[error("{action} failed: {source}")]
    Call {
        /// What was tried, and on what.
        action: String,
        /// The engine's answer.
        source: bollard::errors::Error,
    },
}
