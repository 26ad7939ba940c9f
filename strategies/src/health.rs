//! What an arm depends on (the engine, the sink, the disk), and whether each works at this moment.
//!
//! A dependency that was not reached yet counts as failed: an arm that answers `ok` has reached everything it needs.

use std::sync::Mutex;

use serde::Serialize;

/// Something an arm cannot work without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dependency {
    /// The container engine.
    Engine,
    /// Where the lines go.
    Sink,
    /// The arm's own files: offsets, dead letters.
    Disk,
}

/// The state of one dependency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub enum State {
    /// It answered when last asked.
    Ok,
    /// It did not.
    Failed {
        /// What went wrong, on one line.
        error: String,
    },
}

/// The states, shared by all parts of an arm.
#[derive(Debug)]
pub struct Health(Mutex<Report>);

/// All states at one moment; what `/healthz` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// `ok` when every dependency is.
    pub status: Aggregate,
    /// The container engine.
    pub engine: State,
    /// The sink.
    pub sink: State,
    /// The arm's own files.
    pub disk: State,
}

/// The sum of the states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Aggregate {
    /// Every dependency works.
    Ok,
    /// At least one does not.
    Degraded,
}

impl Default for Health {
    fn default() -> Self {
        let unknown = State::Failed { error: "not reached yet".to_owned() };
        Self(Mutex::new(Report {
            status: Aggregate::Degraded,
            engine: unknown.clone(),
            sink: unknown.clone(),
            disk: unknown,
        }))
    }
}

impl Health {
    /// The dependency answered.
    pub fn ok(&self, dependency: Dependency) {
        self.set(dependency, State::Ok);
    }

    /// The dependency failed, with this.
    pub fn failed(&self, dependency: Dependency, error: &dyn std::error::Error) {
        self.set(dependency, State::Failed { error: crate::log::chain(error) });
    }

    /// All states now.
    pub fn report(&self) -> Report {
        self.lock().clone()
    }

    fn set(&self, dependency: Dependency, state: State) {
        let mut report = self.lock();
        match dependency {
            Dependency::Engine => report.engine = state,
            Dependency::Sink => report.sink = state,
            Dependency::Disk => report.disk = state,
        }
        let all_ok = [&report.engine, &report.sink, &report.disk].into_iter().all(|state| *state == State::Ok);
        report.status = if all_ok { Aggregate::Ok } else { Aggregate::Degraded };
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Report> {
        // The states are plain values: a thread that panicked in between has left nothing half-written.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_degraded_until_every_dependency_was_reached() {
        let health = Health::default();
        assert_eq!(health.report().status, Aggregate::Degraded);
        health.ok(Dependency::Engine);
        assert_eq!(health.report().status, Aggregate::Degraded);
        health.ok(Dependency::Sink);
        assert_eq!(health.report().status, Aggregate::Degraded);
        health.ok(Dependency::Disk);
        assert_eq!(health.report().status, Aggregate::Ok);
    }

    #[test]
    fn a_failure_says_what_failed_and_recovery_clears_it() {
        let health = Health::default();
        health.ok(Dependency::Sink);
        health.ok(Dependency::Disk);
        health.failed(Dependency::Engine, &std::io::Error::other("connection refused"));
        insta::assert_snapshot!(
            serde_json::to_string(&health.report()).unwrap(),
            @r#"{"status":"degraded","engine":{"status":"failed","error":"connection refused"},"sink":{"status":"ok"},"disk":{"status":"ok"}}"#
        );
        health.ok(Dependency::Engine);
        assert_eq!(health.report().status, Aggregate::Ok);
    }
}
