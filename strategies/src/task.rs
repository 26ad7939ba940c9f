//! A spawned task that cannot outlive the one who spawned it.

use tokio::task::{JoinError, JoinHandle};

/// A task that is aborted when this is dropped.
#[derive(Debug)]
#[must_use = "the task is aborted as soon as this is dropped"]
pub struct OwnedTask<T>(JoinHandle<T>);

impl<T: Send + 'static> OwnedTask<T> {
    /// Spawns `future` on the current runtime. Its spawn site is the caller's line.
    #[track_caller]
    pub fn spawn(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self(tokio::spawn(future))
    }

    /// Waits for the task's end; an error says that it panicked. Cancel-safe, but not to be called again once it has
    /// answered.
    pub async fn join(&mut self) -> Result<T, JoinError> {
        (&mut self.0).await
    }
}

impl<T> Drop for OwnedTask<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
