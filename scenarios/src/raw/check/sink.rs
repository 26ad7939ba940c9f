//! The rules of `[sink]` and `[[sink.faults]]`.

use super::{RuleError, begins_in_time, missing, only_options, rule};
use crate::raw::{RawSink, RawSinkFault, SinkFaultWord};
use crate::scenario::{SinkFault, SinkFaultKind, SinkRules};
use crate::units::Span;

const DELAY: std::ops::RangeInclusive<Span> = Span::from_millis(1)..=Span::from_secs(60);

pub(super) fn check(sink: &RawSink, duration: Span) -> Result<SinkRules, RuleError> {
    rule(
        sink.refuse_older_than.is_none_or(|age| !age.is_zero()),
        "sink.refuse_older_than",
        "is 0s, which refuses every line",
        "use a longer time such as \"5m\", or leave it out to refuse nothing",
    )?;
    let faults = sink.faults.iter().enumerate().map(|(index, fault)| check_fault(index, fault, duration));
    Ok(SinkRules { refuse_older_than: sink.refuse_older_than, faults: faults.collect::<Result<_, _>>()? })
}

fn check_fault(index: usize, fault: &RawSinkFault, duration: Span) -> Result<SinkFault, RuleError> {
    let key = |name: &str| format!("sink.faults.{index}.{name}");
    begins_in_time(fault.from, duration, key("from"))?;
    rule(
        fault.lasts.is_none_or(|lasts| !lasts.is_zero()),
        key("for"),
        "is 0s",
        "use a longer time, or leave it out for the rest of the run",
    )?;

    let given = [("pct", fault.pct.is_some()), ("status", fault.status.is_some()), ("delay", fault.delay.is_some())];
    only_options(&given, fault.kind.options(), ("kind", fault.kind.word()), key)?;
    let choice = format!("kind = \"{}\"", fault.kind.word());
    let pct = || {
        let pct = fault.pct.ok_or_else(|| missing(key("pct"), &choice, "pct = 5"))?;
        rule(pct > 0.0 && pct <= 100.0, key("pct"), format!("is {pct}"), "use a percentage above 0, up to 100")?;
        Ok(pct)
    };
    let kind = match fault.kind {
        SinkFaultWord::Down => SinkFaultKind::Down,
        SinkFaultWord::Cut => SinkFaultKind::Cut { pct: pct()? },
        SinkFaultWord::Refuse => SinkFaultKind::Refuse { pct: pct()? },
        SinkFaultWord::Answer => {
            let status = fault.status.ok_or_else(|| missing(key("status"), &choice, "status = 503"))?;
            rule(
                status == 429 || (500..600).contains(&status),
                key("status"),
                format!("is {status}"),
                "use 429 or 500 to 599: with any other, an agent is right to give the lines up",
            )?;
            SinkFaultKind::Answer { status, pct: pct()? }
        }
        SinkFaultWord::Slow => {
            let delay = fault.delay.ok_or_else(|| missing(key("delay"), &choice, "delay = \"500ms\""))?;
            rule(
                DELAY.contains(&delay),
                key("delay"),
                format!("is {delay}"),
                format!("use {} to {}", DELAY.start(), DELAY.end()),
            )?;
            SinkFaultKind::Slow { delay }
        }
    };
    Ok(SinkFault { kind, from: fault.from, lasts: fault.lasts })
}
