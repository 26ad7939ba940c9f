//! One follower per container that was started, and what it has captured, across restarts of the container.
//!
//! A container that is started again while its follower is still finishing gets a new one afterwards, never two at once.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::discovery::{Container, ContainerEvent};
use crate::log_reader::Captured;
use crate::progress::{Pace, Progress};
use crate::strategy::Context;

/// The followers; all of them end when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Followers {
    /// Each gives the id of its container.
    running: JoinSet<String>,
    known: HashMap<String, Known>,
}

#[derive(Debug)]
struct Known {
    captured: Arc<Captured>,
    following: bool,
    started_again: bool,
    removed: bool,
}

impl Followers {
    /// Follows every container that is found, by `follow`, until the request to stop and the end of every follower.
    pub(crate) async fn run<F>(mut self, context: &Context, follow: impl Fn(Arc<Captured>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let mut discovery = context.discover();
        let mut shutdown = context.shutdown.clone();
        loop {
            tokio::select! {
                event = discovery.next() => self.handle(event, &follow),
                () = self.tend(&follow) => {}
                () = shutdown.requested() => break,
            }
        }
        self.finish().await;
    }

    /// Waits for the end of every follower, which a request to stop has asked for.
    pub(crate) async fn finish(mut self) {
        while self.running.join_next().await.is_some() {}
    }

    /// Does what an event asks for: `follow` is called for a container that needs a follower.
    pub(crate) fn handle<F>(&mut self, event: ContainerEvent, follow: impl Fn(Arc<Captured>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        match event {
            ContainerEvent::Started(container) => self.started(container, follow),
            ContainerEvent::Stopped { id } => {
                if let Some(known) = self.known.get(&id) {
                    known.captured.stopped.notify_one();
                }
            }
            ContainerEvent::Removed { id } => {
                let Some(known) = self.known.get_mut(&id) else { return };
                known.removed = true;
                if !known.following {
                    self.known.remove(&id);
                }
            }
        }
    }

    /// Waits for a follower to end, and starts it again where the container was. Pending while there is none.
    /// Cancel-safe.
    pub(crate) async fn tend<F>(&mut self, follow: impl Fn(Arc<Captured>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let id = match self.running.join_next().await {
            Some(Ok(id)) => id,
            Some(Err(panicked)) => {
                crate::log::say(crate::log::Level::Warn, format_args!("a container is no longer followed: {panicked}"));
                return;
            }
            None => return std::future::pending().await,
        };
        let Some(known) = self.known.get_mut(&id) else { return };
        known.following = false;
        if known.removed {
            self.known.remove(&id);
        } else if std::mem::take(&mut known.started_again) {
            known.following = true;
            let captured = Arc::clone(&known.captured);
            self.spawn(id, follow(captured));
        }
    }

    fn started<F>(&mut self, container: Arc<Container>, follow: impl Fn(Arc<Captured>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let id = container.id.clone();
        let known = self.known.entry(id.clone()).or_insert_with(|| Known {
            captured: Arc::new(Captured {
                container,
                progress: Progress::default(),
                pace: Pace::default(),
                stopped: Notify::new(),
            }),
            following: false,
            started_again: false,
            removed: false,
        });
        if known.following {
            known.started_again = true;
            return;
        }
        known.following = true;
        let captured = Arc::clone(&known.captured);
        self.spawn(id, follow(captured));
    }

    fn spawn(&mut self, id: String, follower: impl Future<Output = ()> + Send + 'static) {
        self.running.spawn(async move {
            follower.await;
            id
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc;

    fn started(id: &str) -> ContainerEvent {
        ContainerEvent::Started(Arc::new(Container::known_by(id)))
    }

    #[tokio::test]
    async fn a_container_started_again_is_followed_again_after_not_beside() {
        let (out, mut begun) = mpsc::unbounded_channel();
        let gate = Arc::new(tokio::sync::Semaphore::new(0));
        let follow = |captured: Arc<Captured>| {
            let (out, gate) = (out.clone(), Arc::clone(&gate));
            async move {
                out.send(captured).unwrap();
                gate.acquire().await.unwrap().forget();
            }
        };
        let mut followers = Followers::default();
        followers.handle(started("a"), follow);
        let first = begun.recv().await.unwrap();
        followers.handle(started("a"), follow);
        assert!(begun.try_recv().is_err(), "two at once");
        gate.add_permits(1);
        followers.tend(follow).await;
        let second = begun.recv().await.unwrap();
        assert!(Arc::ptr_eq(&first, &second), "what was captured is kept");
        gate.add_permits(1);
        followers.tend(follow).await;
        assert!(begun.try_recv().is_err(), "it was started twice, not three times");
    }

    #[tokio::test]
    async fn a_removed_container_is_forgotten_once_its_follower_has_ended() {
        let mut followers = Followers::default();
        followers.handle(started("a"), |_| async {});
        followers.handle(ContainerEvent::Removed { id: "a".to_owned() }, |_| async {});
        assert_eq!(followers.known.len(), 1);
        followers.tend(|_| async {}).await;
        assert_eq!(followers.known.len(), 0);
    }
}
