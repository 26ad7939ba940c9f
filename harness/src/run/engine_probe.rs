//! The engine's own counts of itself, asked for beside the ticks: `GET /info` takes it some milliseconds and starts
//! processes of its own, so it is asked rarely, and never waited for by a tick.
//!
//! An answer is used once, by the next tick: between the answers the counts are not known.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, timeout};

use crate::engine::docker::{ANSWER_TIMEOUT, Docker, SelfCounts};

/// Answers wanted of a run: enough for a trend.
const ANSWERS: u32 = 30;
/// Bounds of the time from one answer to the next.
const SOONEST: Duration = Duration::from_secs(1);
const LATEST: Duration = Duration::from_secs(10);

/// What the engine says of itself, or why it says nothing.
pub(super) type Answer = Result<SelfCounts, String>;

/// Asks until it is dropped.
#[derive(Debug)]
pub(super) struct EngineProbe {
    answer: Arc<Mutex<Option<Answer>>>,
    every: Duration,
    _asking: JoinSet<()>,
}

impl EngineProbe {
    /// Begins to ask `engine`, in a run of this length.
    pub(super) fn start(engine: Docker, run: Duration) -> Self {
        let every = period(run);
        let answer = Arc::new(Mutex::new(None));
        let mut asking = JoinSet::new();
        let told = Arc::clone(&answer);
        asking.spawn(async move {
            let mut due = tokio::time::interval(every);
            due.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                due.tick().await;
                let counts = match timeout(ANSWER_TIMEOUT, engine.self_counts()).await {
                    Ok(Ok(counts)) => Ok(counts),
                    Ok(Err(error)) => Err(error.to_string()),
                    Err(_) => Err(format!("no answer in {} s", ANSWER_TIMEOUT.as_secs())),
                };
                *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(counts);
            }
        });
        Self { answer, every, _asking: asking }
    }

    /// The answer since the last time this was asked; `Err`: why there is none.
    pub(super) fn take(&self) -> Answer {
        let answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner).take();
        match answer {
            Some(Ok(counts)) => Ok(counts),
            Some(Err(reason)) => Err(format!("tasks: {reason}")),
            None => Err(format!("tasks: asked every {} s", self.every.as_secs())),
        }
    }
}

/// The time from one answer to the next.
fn period(run: Duration) -> Duration {
    Duration::from_secs((run / ANSWERS).as_secs()).clamp(SOONEST, LATEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_run_asks_often_enough_for_a_trend_and_a_long_one_every_ten_seconds() {
        let seconds = [8, 60, 1_800, 172_800].map(|run| period(Duration::from_secs(run)).as_secs());
        assert_eq!(seconds, [1, 2, 10, 10]);
    }
}
