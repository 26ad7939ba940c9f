//! `stop_when_decided`: looks at every checkpoint whether FAIL is certain, and has the verdict's own rules confirm it.
//!
//! The look costs nothing worth mentioning. What it finds is confirmed from the record, on a thread of its own, so that no tick
//! waits for it.

use std::path::Path;

use leaksoak_reports::verdict::early;
use leaksoak_reports::{EarlyStop, Recording};
use leaksoak_scenarios::Scenario;
use tokio::task::JoinHandle;

/// Why every arm under test has failed; `Ok(None)`: the rules do not say so. `Err`: the record cannot be read.
type Confirmed = Result<Option<Vec<String>>, String>;

/// Waits for a FAIL that is certain.
#[derive(Debug)]
pub(super) struct EarlyEnd {
    rule: Option<EarlyStop>,
    confirming: Option<JoinHandle<Confirmed>>,
}

impl EarlyEnd {
    /// As the scenario asks for it, or never.
    pub(super) fn of(scenario: &Scenario) -> Self {
        Self { rule: EarlyStop::of(scenario), confirming: None }
    }

    /// At a checkpoint: `all_over` says by the rule whether every arm under test is over its limit.
    pub(super) fn look(&mut self, directory: &Path, all_over: impl FnOnce(&EarlyStop) -> bool) {
        if self.confirming.is_none() && self.rule.as_ref().is_some_and(all_over) {
            let directory = directory.to_owned();
            self.confirming = Some(tokio::task::spawn_blocking(move || {
                Recording::load(&directory)
                    .map(|recording| early::certain(&recording))
                    .map_err(|error| error.to_string())
            }));
        }
    }

    /// The reasons, once a look was confirmed. Cancel-safe.
    ///
    /// # Errors
    /// A look could not be confirmed, for want of the record.
    pub(super) async fn confirmed(&mut self) -> Result<Vec<String>, String> {
        loop {
            let Some(confirming) = &mut self.confirming else { return std::future::pending().await };
            let confirmed = confirming.await;
            self.confirming = None;
            match confirmed {
                Ok(Ok(Some(reasons))) => return Ok(reasons),
                Ok(Ok(None)) => {}
                Ok(Err(error)) => return Err(error),
                Err(panicked) => return Err(panicked.to_string()),
            }
        }
    }
}
