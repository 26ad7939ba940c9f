//! Other settings for an arm that runs: its instructions, read again on SIGHUP and when their file has changed.
//!
//! A file that cannot be read, or that changes what cannot change, is refused as a whole: the settings stay, and the arm's log
//! says what is wrong. The file is looked at once a second rather than watched: inotify instances are what arms run out of.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::signal::unix::Signal;

use crate::config::{ArmConfig, ConfigError};
use crate::delivery::{Delivery, Limits};
use crate::log::{self, Level};
use crate::metrics::Metrics;
use crate::settings::{Settings, SettingsSender};
use std::sync::Arc;

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Reloads for as long as it is polled.
pub(super) struct Reloader {
    pub(super) path: PathBuf,
    pub(super) config: ArmConfig,
    pub(super) settings: SettingsSender,
    pub(super) delivery: Delivery,
    pub(super) metrics: Arc<Metrics>,
}

/// Why settings stay as they were.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(
        "it changes `{key}`, which cannot change while the arm runs; rotate_every, delivery, log_level and containers can"
    )]
    NotReloadable { key: String },
}

impl Reloader {
    pub(super) async fn run(mut self, mut hangup: Signal) {
        let mut seen = stamp(&self.path);
        let mut look = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                _ = hangup.recv() => {}
                _ = look.tick() => {
                    let now = stamp(&self.path);
                    if now == seen {
                        continue;
                    }
                }
            }
            seen = stamp(&self.path);
            match self.reload() {
                Ok(true) => log::say(Level::Info, format_args!("{} is in force", self.path.display())),
                Ok(false) => log::say(Level::Debug, format_args!("{} says nothing new", self.path.display())),
                Err(refused) => {
                    self.metrics.reloads_refused.inc();
                    let why = log::chain(&refused);
                    log::say(Level::Warn, format_args!("new settings are refused, all stays as it was: {why}"));
                }
            }
        }
    }

    /// Whether anything is different now.
    fn reload(&mut self) -> Result<bool, Refused> {
        let read = ArmConfig::read(&self.path)?;
        if let Some(key) = self.config.fixed_key_changed_by(&read) {
            return Err(Refused::NotReloadable { key });
        }
        if read == self.config {
            return Ok(false);
        }
        let settings = Settings::from(&read);
        log::set_level(settings.log_level);
        self.delivery.set_limits(Limits::from(&settings.delivery));
        self.settings.set(settings);
        self.config = read;
        self.metrics.reloads.inc();
        Ok(true)
    }
}

/// What tells one version of a file from another.
fn stamp(path: &Path) -> Option<(SystemTime, u64)> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}
