//! Where short runs of the binary happen: a scenario of a few seconds, its run directory, and what came of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use rustix::process::Pid;

use crate::support::{eventually, leaksoak};

pub(crate) const SCENARIO: &str = r#"
name = "short"
about = "a few seconds, for the tests"
duration = "8s"
warmup = "2s"
sample_every = "100ms"
checkpoint_every = "1s"
drain = "5s"

[[containers]]
count = 1
load = "steady"
rate = "50/s"
line_bytes = "120B"

[[containers]]
count = 1
load = "silent"

[[arms]]
name = "pooled"
strategy = "pooled"
rotate_every = "500ms"

[[arms]]
name = "naive"
strategy = "naive"
rotate_every = "500ms"
expect = "fail"

[[arms]]
name = "hybrid"
strategy = "hybrid"
rotate_every = "500ms"
"#;

/// A directory with the scenario, for runs on one kind of engine.
pub(crate) struct Place {
    pub(crate) dir: tempfile::TempDir,
    engine: &'static str,
}

impl Place {
    pub(crate) fn on(engine: &'static str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("short.toml"), SCENARIO).unwrap();
        Self { dir, engine }
    }

    pub(crate) fn out(&self) -> PathBuf {
        self.dir.path().join("out")
    }

    pub(crate) fn run(&self, more: &[&str]) -> Command {
        let (scenario, out) = (self.dir.path().join("short.toml"), self.out());
        let mut arguments =
            vec!["run", scenario.to_str().unwrap(), "--engine", self.engine, "--out", out.to_str().unwrap()];
        arguments.extend(more);
        leaksoak(&arguments)
    }

    pub(crate) fn verdict(&self) -> serde_json::Value {
        serde_json::from_slice(&fs::read(self.out().join("verdict.json")).unwrap()).unwrap()
    }
}

/// Waits until the run has measured for a while.
pub(crate) fn wait_until_measuring(child: &mut Child, out: &Path) {
    eventually(Duration::from_secs(60), "the run measures", || {
        assert!(child.try_wait().unwrap().is_none(), "it ended early");
        fs::read_to_string(out.join("samples.csv")).unwrap_or_default().lines().count() > 30
    });
}

/// The process of a child.
pub(crate) fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().try_into().unwrap()).unwrap()
}
