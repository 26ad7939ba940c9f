//! The limits that a process puts on itself before it becomes an arm.

use std::io;
use std::path::PathBuf;

use rustix::process::{Resource, Rlimit, Signal};

use super::HostError;
use crate::config::ArmConfig;

/// A limit that could not be set.
#[derive(Debug, thiserror::Error)]
pub enum LimitError {
    /// A cgroup did not take the process.
    #[error("cannot join the cgroup of {}", path.display())]
    Cgroup {
        /// Its `cgroup.procs` file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The limit of open files was refused.
    #[error("cannot limit open files to {limit}")]
    OpenFiles {
        /// What was to be set.
        limit: u64,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The process could not be tied to its parent's life.
    #[error("cannot ask for a signal at the parent's death")]
    ParentDeath(#[source] io::Error),
}

/// Joins the cgroups and limits open files.
pub(super) fn confine(config: &ArmConfig) -> Result<(), LimitError> {
    for path in &config.cgroup_procs {
        // "0" is the process that writes.
        std::fs::write(path, "0").map_err(|source| LimitError::Cgroup { path: path.clone(), source })?;
    }
    let limit = config.nofile;
    rustix::process::setrlimit(Resource::Nofile, Rlimit { current: Some(limit), maximum: Some(limit) })
        .map_err(|error| LimitError::OpenFiles { limit, source: error.into() })
}

/// Has the kernel kill this process when the parent ends, and makes sure that it has not ended already.
pub(super) fn die_with_parent(parent_pid: u32) -> Result<(), HostError> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| LimitError::ParentDeath(error.into()))?;
    let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs());
    if parent == Some(parent_pid) { Ok(()) } else { Err(HostError::Orphaned { expected: parent_pid }) }
}
