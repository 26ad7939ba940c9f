//! Whether the arm's own files can be written: asked at the start, and again whenever a write has failed, until one works.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::health::{Dependency, Health, State};

/// How often it is looked whether a write has failed.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// As much as a disk gives out at once, so that one that is full refuses it.
const PROBE_BYTES: usize = 4096;

/// Watches the disk under `state_dir` for as long as it is polled.
pub(super) async fn watch(state_dir: PathBuf, health: Arc<Health>) {
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        look.tick().await;
        if health.report().disk != State::Ok {
            match probe(&state_dir) {
                Ok(()) => health.ok(Dependency::Disk),
                Err(error) => health.failed(Dependency::Disk, &error),
            }
        }
    }
}

fn probe(state_dir: &Path) -> io::Result<()> {
    let file = state_dir.join("probe");
    let written = std::fs::write(&file, [0; PROBE_BYTES]);
    match std::fs::remove_file(&file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => written,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_disk_that_failed_is_tried_until_it_works_again() {
        let dir = tempfile::tempdir().unwrap();
        let state_dir = dir.path().join("state");
        let health = Arc::new(Health::default());
        let watching = crate::task::OwnedTask::spawn(watch(state_dir.clone(), Arc::clone(&health)));
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(matches!(health.report().disk, State::Failed { error } if error.contains("No such file")));
        std::fs::create_dir(&state_dir).unwrap();
        tokio::time::sleep(LOOK_EVERY).await;
        assert_eq!(health.report().disk, State::Ok);
        assert_eq!(std::fs::read_dir(&state_dir).unwrap().count(), 0);
        drop(watching);
    }
}
