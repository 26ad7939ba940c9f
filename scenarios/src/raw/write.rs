//! From a checked scenario back to the shape in which it is written, with every default spelt out.

use super::{
    EngineFaultWord, LoadKind, RawArm, RawContainers, RawEngine, RawEngineFault, RawLog, RawScenario, RawSink,
    RawSinkFault, SinkFaultWord, StrategyKind,
};
use crate::engine_fault::{EngineFault, EngineFaultKind};
use crate::scenario::{Arm, ContainerGroup, Load, Protection, Scenario, SinkFault, SinkFaultKind, SinkRules, Strategy};

impl From<Scenario> for RawScenario {
    fn from(scenario: Scenario) -> Self {
        Self {
            name: scenario.name,
            about: scenario.about,
            duration: scenario.duration,
            warmup: scenario.warmup,
            sample_every: Some(scenario.sample_every),
            checkpoint_every: Some(scenario.checkpoint_every),
            drain: Some(scenario.drain),
            stop_when_decided: scenario.stop_when_decided,
            isolate: scenario.isolate,
            containers: scenario.containers.iter().map(RawContainers::from).collect(),
            log: RawLog { max_size: Some(scenario.log.max_size), max_file: Some(scenario.log.max_file) },
            engine: RawEngine { faults: scenario.engine_faults.iter().map(RawEngineFault::from).collect() },
            sink: RawSink::from(scenario.sink),
            delivery: scenario.delivery,
            arms: scenario.arms.into_iter().map(RawArm::from).collect(),
            stage: scenario.stages,
            criteria: scenario.criteria,
        }
    }
}

impl From<&ContainerGroup> for RawContainers {
    fn from(group: &ContainerGroup) -> Self {
        let bare = |load| Self { count: group.count, load, rate: None, burst: None, every: None, line_bytes: None };
        match group.load {
            Load::Steady { rate, line_bytes } => {
                Self { rate: Some(rate), line_bytes: Some(line_bytes), ..bare(LoadKind::Steady) }
            }
            Load::Bursty { burst, every, line_bytes } => {
                Self { burst: Some(burst), every: Some(every), line_bytes: Some(line_bytes), ..bare(LoadKind::Bursty) }
            }
            Load::Silent => bare(LoadKind::Silent),
        }
    }
}

impl From<&EngineFault> for RawEngineFault {
    fn from(fault: &EngineFault) -> Self {
        let kind = match fault.kind {
            EngineFaultKind::RefuseConnections { .. } => EngineFaultWord::RefuseConnections,
            EngineFaultKind::DropStreams => EngineFaultWord::DropStreams,
            EngineFaultKind::Stall { .. } => EngineFaultWord::Stall,
            EngineFaultKind::Delay { .. } => EngineFaultWord::Delay,
            EngineFaultKind::CutFrames => EngineFaultWord::CutFrames,
            EngineFaultKind::Errors { .. } => EngineFaultWord::Errors,
            EngineFaultKind::Restart { .. } => EngineFaultWord::Restart,
            EngineFaultKind::Leak { .. } => EngineFaultWord::Leak,
        };
        let bare = Self {
            kind,
            from: fault.from,
            lasts: fault.kind.lasts(),
            by: None,
            pct: None,
            fds_per_min: None,
            tasks_per_min: None,
            memory_per_min: None,
        };
        match fault.kind {
            EngineFaultKind::Delay { by, .. } => Self { by: Some(by), ..bare },
            EngineFaultKind::Errors { pct, .. } => Self { pct: Some(pct), ..bare },
            EngineFaultKind::Leak { fds_per_min, tasks_per_min, memory_per_min, .. } => {
                Self { fds_per_min: Some(fds_per_min), tasks_per_min: Some(tasks_per_min), memory_per_min, ..bare }
            }
            _ => bare,
        }
    }
}

impl From<SinkRules> for RawSink {
    fn from(rules: SinkRules) -> Self {
        Self {
            refuse_older_than: rules.refuse_older_than,
            faults: rules.faults.into_iter().map(RawSinkFault::from).collect(),
        }
    }
}

impl From<SinkFault> for RawSinkFault {
    fn from(fault: SinkFault) -> Self {
        let bare = |kind| Self { kind, from: fault.from, lasts: fault.lasts, pct: None, status: None, delay: None };
        match fault.kind {
            SinkFaultKind::Down => bare(SinkFaultWord::Down),
            SinkFaultKind::Cut { pct } => Self { pct: Some(pct), ..bare(SinkFaultWord::Cut) },
            SinkFaultKind::Answer { status, pct } => {
                Self { status: Some(status), pct: Some(pct), ..bare(SinkFaultWord::Answer) }
            }
            SinkFaultKind::Refuse { pct } => Self { pct: Some(pct), ..bare(SinkFaultWord::Refuse) },
            SinkFaultKind::Slow { delay } => Self { delay: Some(delay), ..bare(SinkFaultWord::Slow) },
        }
    }
}

impl From<Arm> for RawArm {
    fn from(arm: Arm) -> Self {
        let rotate_every = arm.strategy.rotate_every();
        let bare = |strategy| Self {
            name: arm.name,
            strategy,
            expect: Some(arm.expect),
            rotate_every,
            coalesce: None,
            http: None,
            mistake: None,
            ignore_older: None,
            fallback: None,
            without: None,
            as_archived: None,
            program: None,
            nofile: Some(arm.nofile),
            memory: Some(arm.memory),
            restart: Some(arm.restart),
        };
        match arm.strategy {
            Strategy::Pooled { coalesce, http, .. } => {
                Self { coalesce: Some(coalesce), http: Some(http), ..bare(StrategyKind::Pooled) }
            }
            Strategy::Naive { mistake, .. } => Self { mistake: Some(mistake), ..bare(StrategyKind::Naive) },
            Strategy::Hybrid { coalesce, ignore_older, fallback, without, .. } => {
                let as_archived = without == Protection::ALL;
                Self {
                    coalesce: Some(coalesce),
                    ignore_older: Some(ignore_older),
                    fallback: Some(fallback),
                    without: (!as_archived).then_some(without),
                    as_archived: as_archived.then_some(true),
                    ..bare(StrategyKind::Hybrid)
                }
            }
            Strategy::Program { program } => Self { program: Some(program), ..bare(StrategyKind::Program) },
            Strategy::Idle => bare(StrategyKind::Idle),
        }
    }
}
