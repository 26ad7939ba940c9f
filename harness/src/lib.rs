//! The harness: how a scenario is run.
//!
//! The binary `leaksoak` is this crate's [`cli`]. A scenario becomes a [`plan`]; [`run`] carries it out on an
//! [`engine`], with [`workload`]s in its containers, [`arm`]s beside them, the [`sink`] that counts what they deliver
//! and the [`sampler`] that counts what they hold; it tells [`event`]s, which the [`recorder`] and the [`progress`] display
//! take in. What they mean is the business of `leaksoak-reports`.

pub mod arm;
pub mod cli;
pub mod clock;
pub mod engine;
pub mod event;
pub mod exit;
pub mod host;
pub mod inotify_limit;
pub mod leftovers;
pub mod owner;
pub mod plan;
pub mod progress;
pub mod recorder;
pub mod run;
pub mod sampler;
pub mod series_file;
pub mod sink;
pub mod workload;
