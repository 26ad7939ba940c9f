//! The request to stop: given once, seen by everyone who holds a copy.

use tokio::sync::watch;

/// Gives the request. Dropping it without giving it counts as giving it.
#[derive(Debug)]
pub struct ShutdownTrigger(watch::Sender<bool>);

/// Sees the request; cheap to clone.
#[derive(Debug, Clone)]
pub struct Shutdown(watch::Receiver<bool>);

/// A trigger and what it triggers.
pub fn shutdown() -> (ShutdownTrigger, Shutdown) {
    let (sender, receiver) = watch::channel(false);
    (ShutdownTrigger(sender), Shutdown(receiver))
}

impl ShutdownTrigger {
    /// Asks everyone to stop.
    pub fn request(&self) {
        self.0.send_replace(true);
    }
}

impl Shutdown {
    /// Whether the request was given.
    pub fn is_requested(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }

    /// Resolves once the request is given, at once if it was already. Cancel-safe.
    pub async fn requested(&mut self) {
        // An error says that the trigger is gone, which means the same.
        let _ = self.0.wait_for(|requested| *requested).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_copy_sees_the_request() {
        let (trigger, mut one) = shutdown();
        let mut two = one.clone();
        assert!(!one.is_requested());
        trigger.request();
        one.requested().await;
        two.requested().await;
        assert!(one.is_requested());
    }

    #[tokio::test]
    async fn a_dropped_trigger_is_a_request() {
        let (trigger, mut shutdown) = shutdown();
        drop(trigger);
        shutdown.requested().await;
        assert!(shutdown.is_requested());
    }
}
