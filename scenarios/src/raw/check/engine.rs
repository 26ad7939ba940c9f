//! The rules of `[[engine.faults]]`.

use super::{RuleError, begins_in_time, missing, only_options, rule};
use crate::engine_fault::{EngineFault, EngineFaultKind};
use crate::raw::{EngineFaultWord, RawEngine, RawEngineFault};
use crate::units::Span;

const DELAY: std::ops::RangeInclusive<Span> = Span::from_millis(1)..=Span::from_secs(60);

pub(super) fn check(engine: &RawEngine, duration: Span) -> Result<Vec<EngineFault>, RuleError> {
    engine.faults.iter().enumerate().map(|(index, fault)| check_fault(index, fault, duration)).collect()
}

fn check_fault(index: usize, fault: &RawEngineFault, duration: Span) -> Result<EngineFault, RuleError> {
    let key = |name: &str| format!("engine.faults.{index}.{name}");
    begins_in_time(fault.from, duration, key("from"))?;
    let given = [
        ("for", fault.lasts.is_some()),
        ("by", fault.by.is_some()),
        ("pct", fault.pct.is_some()),
        ("fds_per_min", fault.fds_per_min.is_some()),
        ("tasks_per_min", fault.tasks_per_min.is_some()),
        ("memory_per_min", fault.memory_per_min.is_some()),
    ];
    only_options(&given, fault.kind.options(), ("kind", fault.kind.word()), key)?;
    let choice = format!("kind = \"{}\"", fault.kind.word());
    let lasts = || {
        let lasts = fault.lasts.ok_or_else(|| missing(key("for"), &choice, "for = \"10s\""))?;
        rule(!lasts.is_zero(), key("for"), "is 0s", "use a longer time")?;
        rule(
            fault.from.as_duration().saturating_add(lasts.as_duration()) <= duration.as_duration(),
            key("for"),
            format!("is {lasts} from {} on, and the run ({duration}) ends before", fault.from),
            "let it begin earlier or end sooner: the containers are stopped by an engine that works",
        )?;
        Ok(lasts)
    };
    let kind = match fault.kind {
        EngineFaultWord::DropStreams => EngineFaultKind::DropStreams,
        EngineFaultWord::CutFrames => EngineFaultKind::CutFrames,
        EngineFaultWord::RefuseConnections => EngineFaultKind::RefuseConnections { lasts: lasts()? },
        EngineFaultWord::Stall => EngineFaultKind::Stall { lasts: lasts()? },
        EngineFaultWord::Restart => EngineFaultKind::Restart { lasts: lasts()? },
        EngineFaultWord::Delay => {
            let by = fault.by.ok_or_else(|| missing(key("by"), &choice, "by = \"200ms\""))?;
            rule(
                DELAY.contains(&by),
                key("by"),
                format!("is {by}"),
                format!("use {} to {}", DELAY.start(), DELAY.end()),
            )?;
            EngineFaultKind::Delay { by, lasts: lasts()? }
        }
        EngineFaultWord::Errors => {
            let pct = fault.pct.ok_or_else(|| missing(key("pct"), &choice, "pct = 5"))?;
            rule(pct > 0.0 && pct <= 100.0, key("pct"), format!("is {pct}"), "use a percentage above 0, up to 100")?;
            EngineFaultKind::Errors { pct, lasts: lasts()? }
        }
        EngineFaultWord::Leak => {
            let leaks = fault.fds_per_min.or(fault.tasks_per_min).is_some() || fault.memory_per_min.is_some();
            rule(
                leaks,
                key("kind"),
                "is \"leak\", and nothing is leaked",
                "say how much: `fds_per_min`, `tasks_per_min`, `memory_per_min`",
            )?;
            EngineFaultKind::Leak {
                fds_per_min: fault.fds_per_min.unwrap_or(0),
                tasks_per_min: fault.tasks_per_min.unwrap_or(0),
                memory_per_min: fault.memory_per_min,
                lasts: lasts()?,
            }
        }
    };
    Ok(EngineFault { from: fault.from, kind })
}
