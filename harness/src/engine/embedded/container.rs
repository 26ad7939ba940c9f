//! One container of the embedded engine, and how it is made from what a client asks for.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::Signal;
use serde_json::{Map, Value};
use tokio::sync::watch;

use super::images::Image;
use super::lifecycle::Lifecycle;
use super::log::Log;
use super::pacer::Key;
use super::spec::Spec;
use crate::workload::Workload;

/// A container.
#[derive(Debug)]
pub struct Container {
    /// Its place in the pacer and in the table.
    pub key: Key,
    /// 64 hex digits.
    pub id: String,
    /// Without the leading `/`.
    pub name: String,
    /// When it was made, nanoseconds since the Unix epoch.
    pub created_ns: u64,
    /// As it was asked for.
    pub image: String,
    /// What that was then.
    pub image_id: String,
    /// What it runs, or why it cannot.
    pub workload: Result<Workload, String>,
    /// Entrypoint and command.
    pub command: Vec<String>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its output is a terminal's.
    pub tty: bool,
    /// What `stop` sends first.
    pub stop_signal: Signal,
    /// Seconds from that to SIGKILL, unless the call says otherwise.
    pub stop_timeout_s: i64,
    /// It is removed when it ends.
    pub auto_remove: bool,
    /// `Config` as it was given, without what is said above.
    pub config: Map<String, Value>,
    /// `HostConfig` as it was given.
    pub host_config: Map<String, Value>,
    /// Where it stands.
    pub lifecycle: Lifecycle,
    /// Why it could not be started, if so.
    pub error: String,
    /// Its log.
    pub log: Arc<Log>,
    /// What is wrong with the options of its log, which is told when it is started.
    pub log_error: Option<String>,
    /// Time that the pacer has spent on it.
    pub busy_ns: Arc<AtomicU64>,
    /// What waiters look at.
    pub changes: watch::Sender<Changes>,
}

/// What those who wait for a container want to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Changes {
    /// Its workload is there, or will be again by its policy.
    pub up: bool,
    /// Runs that have ended, or could not begin.
    pub ends: u64,
    /// Exit code of the last of them.
    pub exit_code: i64,
    /// It is gone.
    pub removed: bool,
}

impl Container {
    /// A container as `spec` asks for, its log under `directory`.
    #[must_use]
    pub fn new(key: Key, id: String, name: String, spec: Spec, image: &Image, directory: &Path, now_ns: u64) -> Self {
        let path = directory.join(&id).join(format!("{id}-json.log"));
        Self {
            key,
            name,
            created_ns: now_ns,
            image: spec.image,
            image_id: image.id.clone(),
            workload: spec.workload,
            command: spec.command,
            labels: spec.labels,
            tty: spec.tty,
            stop_signal: spec.stop_signal,
            stop_timeout_s: spec.stop_timeout_s,
            auto_remove: spec.auto_remove,
            config: spec.config,
            host_config: spec.host_config,
            lifecycle: Lifecycle::new(spec.policy),
            error: String::new(),
            log_error: spec.rotation.as_ref().err().cloned(),
            log: Arc::new(Log::new(path, spec.rotation.unwrap_or_default(), spec.tty)),
            busy_ns: Arc::default(),
            changes: watch::Sender::default(),
            id,
        }
    }

    /// Time that went into its lines, nanoseconds.
    #[must_use]
    pub fn printing_ns(&self) -> u64 {
        self.busy_ns.load(Ordering::Relaxed)
    }

    /// Attributes of its events: its labels, image and name.
    #[must_use]
    pub fn attributes(&self) -> BTreeMap<String, String> {
        let mut attributes = self.labels.clone();
        attributes.insert("image".into(), self.image.clone());
        attributes.insert("name".into(), self.name.clone());
        attributes
    }
}

/// A new id: 64 random hex digits.
#[must_use]
pub fn new_id() -> String {
    format!("{:032x}{:032x}", fastrand::u128(..), fastrand::u128(..))
}

/// A name for a container that was given none.
#[must_use]
pub fn random_name() -> String {
    const HOW: [&str; 16] = [
        "brisk", "calm", "deft", "eager", "frank", "glad", "hardy", "keen", "lucid", "merry", "nimble", "plain",
        "quiet", "sober", "tidy", "vivid",
    ];
    const WHO: [&str; 16] = [
        "curie", "dijkstra", "euler", "franklin", "gauss", "hopper", "jacobi", "knuth", "lovelace", "meitner",
        "noether", "perlman", "ritchie", "shannon", "turing", "wirth",
    ];
    format!("{}_{}_{:04x}", HOW[fastrand::usize(..HOW.len())], WHO[fastrand::usize(..WHO.len())], fastrand::u16(..))
}
