//! What of an arm's instructions may change while it runs, and those who live by it.
//!
//! Whoever needs a setting asks for it each time; nothing is copied at the start. What may not change (names, sockets, the
//! strategy itself) stays in the [`ArmConfig`].

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use leaksoak_scenarios::{Delivery, Span};
use tokio::sync::watch;

use crate::config::ArmConfig;
use crate::log::Level;

/// The settings at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How often streams rotate; `None`: the strategy decides.
    pub rotate_every: Option<Duration>,
    /// How lines are handed to the sink.
    pub delivery: Delivery,
    /// What the arm's log tells.
    pub log_level: Level,
    /// Names of the containers to monitor; `None`: all that have the labels.
    pub containers: Option<BTreeSet<String>>,
}

impl From<&ArmConfig> for Settings {
    fn from(config: &ArmConfig) -> Self {
        Self {
            rotate_every: config.strategy.rotate_every().map(Span::as_duration),
            delivery: config.delivery,
            log_level: config.log_level,
            containers: config.containers.clone(),
        }
    }
}

/// The settings as they change; cheap to clone.
#[derive(Debug, Clone)]
pub struct LiveSettings(watch::Receiver<Arc<Settings>>);

/// Changes settings.
#[derive(Debug)]
pub struct SettingsSender(watch::Sender<Arc<Settings>>);

/// Settings that begin as these.
pub fn settings(initial: Settings) -> (SettingsSender, LiveSettings) {
    let (sender, receiver) = watch::channel(Arc::new(initial));
    (SettingsSender(sender), LiveSettings(receiver))
}

impl LiveSettings {
    /// Settings that do not change.
    pub fn fixed(settings: Settings) -> Self {
        Self(watch::channel(Arc::new(settings)).1)
    }

    /// As they are now.
    pub fn now(&self) -> Arc<Settings> {
        Arc::clone(&self.0.borrow())
    }

    /// Waits for the next change. Cancel-safe.
    pub async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            // Nobody is left who could change them.
            std::future::pending::<()>().await;
        }
    }
}

impl SettingsSender {
    /// From now on they are these.
    pub fn set(&self, settings: Settings) {
        self.0.send_replace(Arc::new(settings));
    }
}
