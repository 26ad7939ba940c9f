//! Strategies by name: those that are built in, and those of whoever builds an arm of their own.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use leaksoak_scenarios::{Mistake, Span, Strategy as Kind};

use super::{HostError, run_with, told};
use crate::config::ArmConfig;
use crate::hybrid::{Archived, Hybrid, HybridSettings};
use crate::idle::Idle;
use crate::naive::Naive;
use crate::pooled::Pooled;
use crate::strategy::Strategy;

/// Runs the arm that the instructions in a file describe.
type Run = Box<dyn Fn(&Path) -> Result<(), HostError>>;

/// What runs under which name.
#[derive(Default)]
pub struct Registry(BTreeMap<String, Run>);

impl Registry {
    /// The strategies that are built in, under the words that a scenario has for them.
    pub fn built_in() -> Self {
        Self::default()
            .with("pooled", |config| Pooled::new(rotate_every(config)))
            .with("naive", |config| {
                let mistake = match config.strategy {
                    Kind::Naive { mistake, .. } => mistake,
                    _ => Mistake::default(),
                };
                Naive::new(rotate_every(config), mistake)
            })
            .with("hybrid", |config| Hybrid::new(hybrid_settings(config)))
            .with("hybrid-archived", |config| Archived::new(hybrid_settings(config)))
            .with("idle", |_| Idle)
    }

    /// One more, made anew for each arm; it takes the place of another of that name.
    #[must_use]
    pub fn with<S: Strategy>(mut self, name: &str, make: impl Fn(&ArmConfig) -> S + 'static) -> Self {
        self.0.insert(name.to_owned(), Box::new(move |config| run_with(config, &make)));
        self
    }

    /// Every name, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Runs the arm that the instructions in this file describe. Blocks until its end.
    pub fn run(&self, config: &Path) -> Result<(), HostError> {
        let read = ArmConfig::read(config).map_err(|error| told(&config.display(), error.into()))?;
        let name = match &read.strategy {
            Kind::Hybrid { without, .. } if !without.is_empty() => "hybrid-archived",
            kind => kind.kind(),
        };
        self.run_named(name, config)
    }

    /// The same, under a name of the caller's choice.
    pub fn run_named(&self, name: &str, config: &Path) -> Result<(), HostError> {
        match self.0.get(name) {
            Some(run) => run(config),
            None => {
                Err(HostError::Unknown { name: name.to_owned(), known: self.names().collect::<Vec<_>>().join(", ") })
            }
        }
    }
}

fn rotate_every(config: &ArmConfig) -> Duration {
    config.strategy.rotate_every().map_or(Duration::from_secs(30), Span::as_duration)
}

fn hybrid_settings(config: &ArmConfig) -> HybridSettings {
    match &config.strategy {
        Kind::Hybrid { rotate_every, coalesce, ignore_older, fallback, without } => HybridSettings {
            rotate_every: rotate_every.as_duration(),
            coalesce: coalesce.as_duration(),
            ignore_older: (!ignore_older.is_zero()).then_some(ignore_older.as_duration()),
            fallback: *fallback,
            without: without.clone(),
        },
        _ => HybridSettings::new(rotate_every(config)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_strategy_of_a_scenario_has_its_name_here() {
        let registry = Registry::built_in();
        assert_eq!(registry.names().collect::<Vec<_>>(), ["hybrid", "hybrid-archived", "idle", "naive", "pooled"]);
        assert_eq!(registry.with("mine", |_| Idle).names().count(), 6);
    }

    #[test]
    fn a_name_that_nobody_has_is_told_with_those_there_are() {
        let error = Registry::built_in().run_named("pool", Path::new("/nowhere")).unwrap_err();
        insta::assert_snapshot!(error, @"no strategy `pool`; there is: hybrid, hybrid-archived, idle, naive, pooled");
    }
}
