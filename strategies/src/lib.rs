//! What leaksoak compares: strategies of monitoring container logs, and the host that makes each of them an arm process.
//!
//! - [`strategy`]: the trait, and the [`strategy::Context`] that a strategy works with.
//! - [`pooled`], [`naive`], [`hybrid`], [`idle`]: those that are built in.
//! - [`delivery`]: the way of every line to the sink, shared, so that only the monitoring differs.
//! - [`host`]: limits, `/metrics`, `/healthz`, signals; runs a built-in strategy or any other.
//! - [`spawn_sites`]: live tasks by the line that spawned them.
//! - [`docker_api`]: the part of the Docker Engine API that is needed. Usable by itself.
//!
//! This crate knows nothing of the harness, of reports, or of verdicts: it serves figures, and others judge them.

pub mod config;
pub mod delivery;
pub mod discovery;
pub mod docker_api;
pub mod health;
pub mod host;
pub mod hybrid;
pub mod idle;
pub mod line;
pub mod log;
pub mod metrics;
pub mod naive;
pub mod pooled;
pub mod settings;
pub mod shutdown;
pub mod spawn_sites;
pub mod strategy;
pub mod task;

mod bytes;
mod files;
mod followers;
mod log_reader;
mod progress;
mod selection;
mod watched;

pub use config::ArmConfig;
/// The words of scenarios, of which an arm's instructions are made.
pub use leaksoak_scenarios as scenarios;
pub use strategy::{Context, Strategy, StrategyError};
