//! What the scenario wants at certain times of the run, as operations of its lifecycle.

use std::time::Duration;

use leaksoak_reports::record::events::Event;
use leaksoak_scenarios::{EngineFaultKind, Scenario, Span};

use super::lifecycle::Operation;

/// The times, from the run's zero, and what is due then; in no order.
pub(super) fn of(scenario: &Scenario) -> Vec<(Duration, Operation)> {
    let mut scheduled = Vec::new();
    for fault in &scenario.sink.faults {
        let (name, from) = (fault.kind.describe(), fault.from.as_duration());
        scheduled.push((from, Operation::Record(Event::FaultBegan { fault: name.clone() })));
        if let Some(lasts) = fault.lasts {
            let ended = Operation::Record(Event::FaultEnded { fault: name });
            scheduled.push((from.saturating_add(lasts.as_duration()), ended));
        }
    }
    for fault in &scenario.engine_faults {
        let (name, from) = (fault.kind.describe(), fault.from.as_duration());
        scheduled.push((from, Operation::Record(Event::FaultBegan { fault: name.clone() })));
        scheduled.push((from, Operation::FailEngine(fault.kind)));
        let lasts = match fault.kind {
            // It disturbs nobody: growth is judged meanwhile, the engine's above all.
            EngineFaultKind::Leak { .. } => Duration::ZERO,
            // What happens once is over at once.
            kind => kind.lasts().map_or(Duration::ZERO, Span::as_duration),
        };
        scheduled.push((from.saturating_add(lasts), Operation::Record(Event::FaultEnded { fault: name })));
    }
    let stages = scenario.stages.iter();
    scheduled.extend(stages.map(|stage| (stage.from.as_duration(), Operation::Monitor { share_pct: stage.share_pct })));
    scheduled
}
