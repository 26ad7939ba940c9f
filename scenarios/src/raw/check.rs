//! What makes sense together: the one way from the written shape to a [`Scenario`].

mod delivery;
mod engine;
mod sink;

use std::collections::HashSet;

pub(crate) use delivery::{check as check_delivery, most_of as most_of_delivery};

use super::{LoadKind, RawArm, RawContainers, RawLog, RawScenario, StrategyKind};
use crate::criteria::Criteria;
use crate::scenario::{
    Arm, ContainerGroup, Expect, Load, LogRotation, MIN_ROTATE_EVERY, Protection, Restart, Scenario, Stage, Strategy,
};
use crate::units::{Bytes, Span};

/// The most containers that a run may have.
pub(crate) const MAX_CONTAINERS: u32 = 5_000;

const DEFAULT_SAMPLE_EVERY: Span = Span::from_secs(1);
const DEFAULT_CHECKPOINT_EVERY: Span = Span::from_secs(120);
const DEFAULT_DRAIN: Span = Span::from_secs(5);
const DEFAULT_LINE_BYTES: Bytes = Bytes::new(120);
const DEFAULT_MAX_SIZE: Bytes = Bytes::new(1 << 20);
const DEFAULT_MAX_FILE: u32 = 3;
const DEFAULT_ROTATE_EVERY: Span = Span::from_secs(30);
const DEFAULT_COALESCE: Span = Span::from_millis(10);
/// What is older than a day is no news, unless somebody wants it.
const DEFAULT_IGNORE_OLDER: Span = Span::from_secs(86_400);
const DEFAULT_NOFILE: u64 = 1_024;
const DEFAULT_MEMORY: Bytes = Bytes::new(512 << 20);

const MIN_DURATION: Span = Span::from_secs(1);
/// Ticks closer than this would measure the sampler.
const MIN_SAMPLE_EVERY: Span = Span::from_millis(100);
/// Lines that are later than this are lost, whatever they are waited for.
const MAX_DRAIN: Span = Span::from_secs(3_600);
/// The engine would stop its containers for want of anybody who reads.
const MAX_COALESCE: Span = Span::from_secs(1);
const MIN_BURST_EVERY: Span = Span::from_millis(10);
const LINE_BYTES: std::ops::RangeInclusive<u64> = 64..=1 << 20;
const MIN_MAX_SIZE: Bytes = Bytes::new(16 << 10);
const MIN_NOFILE: u64 = 64;
/// An arm needs some memory to be anything but killed.
const MIN_MEMORY: Bytes = Bytes::new(16 << 20);
/// Subjects of a run that are not arms.
const RESERVED_NAMES: [&str; 3] = ["engine", "harness", "sink"];

/// A value that is well formed but may not be what it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` {problem}; {remedy}")]
pub(crate) struct RuleError {
    /// Path of the key, arms by name: `arms.naive.rotate_every`.
    pub(crate) key: String,
    /// What is wrong, with the value, to be read after the key.
    pub(crate) problem: String,
    /// What to do.
    pub(crate) remedy: String,
}

/// The most that a count from 1 may be, where that is less than its type holds.
pub(crate) fn most_of(path: &str) -> Option<u32> {
    match path.split('.').collect::<Vec<_>>()[..] {
        ["delivery", key] => most_of_delivery(key),
        ["stage", _, "share_pct"] => Some(100),
        ["containers", _, "count"] => Some(MAX_CONTAINERS),
        _ => None,
    }
}

/// Refuses `key` unless `holds`.
fn rule(
    holds: bool,
    key: impl Into<String>,
    problem: impl Into<String>,
    remedy: impl Into<String>,
) -> Result<(), RuleError> {
    if holds {
        return Ok(());
    }
    Err(RuleError { key: key.into(), problem: problem.into(), remedy: remedy.into() })
}

/// Refuses what was given (`true`) and is no option of what was chosen, a key and its word.
fn only_options(
    given: &[(&str, bool)],
    options: &[&str],
    (choice, word): (&str, &str),
    key: impl Fn(&str) -> String,
) -> Result<(), RuleError> {
    match given.iter().find(|(option, given)| *given && !options.contains(option)) {
        None => Ok(()),
        Some((option, _)) => rule(
            false,
            key(option),
            format!("has no meaning with `{choice} = \"{word}\"`"),
            format!("take it out, or choose another {choice}"),
        ),
    }
}

/// Refuses a time of the run that lies behind its end.
fn begins_in_time(from: Span, duration: Span, key: String) -> Result<(), RuleError> {
    rule(
        from < duration,
        key,
        format!("is {from}, and the whole run ({duration}) is no longer"),
        "let it begin earlier, or make `duration` longer",
    )
}

impl TryFrom<RawScenario> for Scenario {
    type Error = RuleError;

    fn try_from(raw: RawScenario) -> Result<Self, RuleError> {
        check_name("name", &raw.name)?;
        check_about(&raw.about)?;
        let sample_every = raw.sample_every.unwrap_or(DEFAULT_SAMPLE_EVERY);
        let checkpoint_every = raw.checkpoint_every.unwrap_or_else(|| DEFAULT_CHECKPOINT_EVERY.min(raw.duration));
        let drain = raw.drain.unwrap_or(DEFAULT_DRAIN);
        check_times(raw.duration, raw.warmup, sample_every, checkpoint_every, drain)?;
        check_criteria(&raw.criteria)?;
        check_delivery(&raw.delivery)?;
        Ok(Self {
            name: raw.name,
            about: raw.about,
            duration: raw.duration,
            warmup: raw.warmup,
            sample_every,
            checkpoint_every,
            drain,
            stop_when_decided: raw.stop_when_decided,
            isolate: raw.isolate,
            containers: check_containers(&raw.containers)?,
            log: check_log(&raw.log)?,
            engine_faults: engine::check(&raw.engine, raw.duration)?,
            sink: sink::check(&raw.sink, raw.duration)?,
            delivery: raw.delivery,
            arms: check_arms(raw.arms)?,
            stages: check_stages(raw.stage, raw.duration)?,
            criteria: raw.criteria,
        })
    }
}

fn check_name(key: &str, name: &str) -> Result<(), RuleError> {
    let fits = (1..=40).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    rule(
        fits,
        key,
        format!("is {name:?}"),
        "use 1 to 40 lower-case letters, digits and `-`: it names files and directories",
    )
}

fn check_about(about: &str) -> Result<(), RuleError> {
    rule(
        !about.contains(char::is_control),
        "about",
        "is more than a line of plain text",
        "say in one line what the scenario shows; the rest belongs into comments",
    )
}

fn check_times(
    duration: Span,
    warmup: Span,
    sample_every: Span,
    checkpoint_every: Span,
    drain: Span,
) -> Result<(), RuleError> {
    rule(
        sample_every >= MIN_SAMPLE_EVERY,
        "sample_every",
        format!("is {sample_every}"),
        format!("sample every {MIN_SAMPLE_EVERY} or less often"),
    )?;
    rule(duration >= MIN_DURATION, "duration", format!("is {duration}"), format!("use {MIN_DURATION} or longer"))?;
    rule(
        warmup < duration,
        "warmup",
        format!("is {warmup}, and the whole run ({duration}) is no longer"),
        "make `warmup` shorter or `duration` longer: what is judged comes after the warm-up",
    )?;
    rule(
        checkpoint_every >= sample_every,
        "checkpoint_every",
        format!("is {checkpoint_every}, shorter than `sample_every` ({sample_every})"),
        "make it at least as long: a checkpoint reads what the sampler saw",
    )?;
    rule(
        checkpoint_every <= duration,
        "checkpoint_every",
        format!("is {checkpoint_every}, longer than the run ({duration})"),
        "make it shorter: the run would have no checkpoint",
    )?;
    rule(
        drain <= MAX_DRAIN,
        "drain",
        format!("is {drain}"),
        format!("use at most {MAX_DRAIN}: it is the time for lines in flight to arrive"),
    )
}

fn check_criteria(criteria: &Criteria) -> Result<(), RuleError> {
    let growths = [
        ("criteria.task_growth_per_min", criteria.task_growth_per_min),
        ("criteria.fd_growth_per_min", criteria.fd_growth_per_min),
    ];
    for (key, limit) in growths {
        rule(limit.is_finite() && limit >= 0.0, key, format!("is {limit}"), "use a number of 0 or more, such as 2")?;
    }
    rule(
        criteria.min_projected_uptime.is_none_or(|uptime| !uptime.is_zero()),
        "criteria.min_projected_uptime",
        "is 0s",
        "use a duration such as \"7d\", or leave it out",
    )?;
    let shares = [("criteria.loss_pct", criteria.loss_pct), ("criteria.uptime_pct", criteria.uptime_pct)];
    for (key, pct) in shares {
        rule((0.0..=100.0).contains(&pct), key, format!("is {pct}"), "use a percentage from 0 to 100")?;
    }
    Ok(())
}

fn check_containers(groups: &[RawContainers]) -> Result<Vec<ContainerGroup>, RuleError> {
    rule(
        !groups.is_empty(),
        "containers",
        "has no group",
        "add `[[containers]]` with `count = 1` and `load = \"silent\"`, or more",
    )?;
    let total: u64 = groups.iter().map(|group| u64::from(group.count)).sum();
    rule(
        total <= u64::from(MAX_CONTAINERS),
        "containers",
        format!("asks for {total} containers in all"),
        format!("use at most {MAX_CONTAINERS}"),
    )?;
    groups.iter().enumerate().map(|(index, group)| check_group(index, group)).collect()
}

fn check_group(index: usize, group: &RawContainers) -> Result<ContainerGroup, RuleError> {
    let key = |name: &str| format!("containers.{index}.{name}");
    rule(group.count >= 1, key("count"), "is 0", "use 1 or more, or leave the group out")?;

    let given = [
        ("rate", group.rate.is_some()),
        ("burst", group.burst.is_some()),
        ("every", group.every.is_some()),
        ("line_bytes", group.line_bytes.is_some()),
    ];
    only_options(&given, group.load.options(), ("load", group.load.word()), key)?;

    let line_bytes = group.line_bytes.unwrap_or(DEFAULT_LINE_BYTES);
    rule(
        LINE_BYTES.contains(&line_bytes.get()),
        key("line_bytes"),
        format!("is {line_bytes}"),
        "use 64B to 1MiB: a line carries its number and its time",
    )?;
    let load = match group.load {
        LoadKind::Steady => {
            Load::Steady { rate: required(group.rate, key("rate"), "steady", "rate = \"10/s\"")?, line_bytes }
        }
        LoadKind::Bursty => Load::Bursty {
            burst: required(group.burst, key("burst"), "bursty", "burst = 100")?,
            every: required(group.every, key("every"), "bursty", "every = \"10s\"")?,
            line_bytes,
        },
        LoadKind::Silent => Load::Silent,
    };
    if let Load::Bursty { burst, every, .. } = load {
        rule(burst >= 1, key("burst"), "is 0", "use 1 or more, or `load = \"silent\"`")?;
        rule(
            every >= MIN_BURST_EVERY,
            key("every"),
            format!("is {every}"),
            format!("use {MIN_BURST_EVERY} or longer, or `load = \"steady\"`"),
        )?;
    }
    Ok(ContainerGroup { count: group.count, load })
}

fn required<T>(value: Option<T>, key: String, load: &str, example: &str) -> Result<T, RuleError> {
    value.ok_or_else(|| missing(key, &format!("load = \"{load}\""), example))
}

/// An option that what was chosen does not do without.
fn missing(key: String, choice: &str, example: &str) -> RuleError {
    RuleError { key, problem: format!("is missing: `{choice}` needs it"), remedy: format!("write `{example}`") }
}

fn check_log(log: &RawLog) -> Result<LogRotation, RuleError> {
    let max_size = log.max_size.unwrap_or(DEFAULT_MAX_SIZE);
    let max_file = log.max_file.unwrap_or(DEFAULT_MAX_FILE);
    rule(max_size >= MIN_MAX_SIZE, "log.max_size", format!("is {max_size}"), format!("use {MIN_MAX_SIZE} or more"))?;
    rule(
        max_file >= 2,
        "log.max_file",
        format!("is {max_file}"),
        "use 2 or more: with one file, a rotation throws away lines that nobody has read yet",
    )?;
    Ok(LogRotation { max_size, max_file })
}

fn check_arms(arms: Vec<RawArm>) -> Result<Vec<Arm>, RuleError> {
    rule(!arms.is_empty(), "arms", "has no arm", "add `[[arms]]` with a `name` and a `strategy`")?;
    let mut names = HashSet::new();
    for (index, arm) in arms.iter().enumerate() {
        let key = format!("arms.{index}.name");
        check_name(&key, &arm.name)?;
        rule(
            !RESERVED_NAMES.contains(&arm.name.as_str()),
            key.as_str(),
            format!("is {:?}, which names another part of the report", arm.name),
            "choose another name",
        )?;
        rule(
            names.insert(arm.name.clone()),
            key,
            format!("is {:?}, the name of an arm above", arm.name),
            "give each arm a name of its own",
        )?;
    }
    arms.into_iter().map(check_arm).collect()
}

fn check_arm(arm: RawArm) -> Result<Arm, RuleError> {
    let key = |name: &str| format!("arms.{}.{name}", arm.name);

    let given = [
        ("rotate_every", arm.rotate_every.is_some()),
        ("coalesce", arm.coalesce.is_some()),
        ("http", arm.http.is_some()),
        ("mistake", arm.mistake.is_some()),
        ("ignore_older", arm.ignore_older.is_some()),
        ("fallback", arm.fallback.is_some()),
        ("without", arm.without.is_some()),
        ("as_archived", arm.as_archived.is_some()),
        ("program", arm.program.is_some()),
    ];
    only_options(&given, arm.strategy.options(), ("strategy", arm.strategy.word()), key)?;

    let rotate_every = arm.rotate_every.unwrap_or(DEFAULT_ROTATE_EVERY);
    rule(
        rotate_every >= MIN_ROTATE_EVERY,
        key("rotate_every"),
        format!("is {rotate_every}"),
        format!("use {MIN_ROTATE_EVERY} or longer"),
    )?;
    let coalesce = arm.coalesce.unwrap_or(DEFAULT_COALESCE);
    rule(
        coalesce <= MAX_COALESCE,
        key("coalesce"),
        format!("is {coalesce}"),
        format!("use at most {MAX_COALESCE}, or \"0\" to read whenever something has come: lines are late by as much"),
    )?;
    let nofile = arm.nofile.unwrap_or(DEFAULT_NOFILE);
    rule(
        nofile >= MIN_NOFILE,
        key("nofile"),
        format!("is {nofile}"),
        format!("use {MIN_NOFILE} or more: an arm needs some to start at all"),
    )?;
    let memory = arm.memory.unwrap_or(DEFAULT_MEMORY);
    rule(
        memory >= MIN_MEMORY,
        key("memory"),
        format!("is {memory}"),
        format!("use {MIN_MEMORY} or more: an arm needs some to start at all"),
    )?;
    let strategy = match arm.strategy {
        StrategyKind::Pooled => Strategy::Pooled { rotate_every, coalesce, http: arm.http.unwrap_or_default() },
        StrategyKind::Naive => Strategy::Naive { rotate_every, mistake: arm.mistake.unwrap_or_default() },
        StrategyKind::Hybrid => Strategy::Hybrid {
            rotate_every,
            coalesce,
            ignore_older: arm.ignore_older.unwrap_or(DEFAULT_IGNORE_OLDER),
            fallback: arm.fallback.unwrap_or_default(),
            without: check_without(key("without"), arm.without, arm.as_archived)?,
        },
        StrategyKind::Program => {
            let example = "program = \"target/release/my-arm\"";
            let program = arm.program.ok_or_else(|| missing(key("program"), "strategy = \"program\"", example))?;
            rule(!program.is_empty(), key("program"), "is \"\"", format!("give its path: `{example}`"))?;
            Strategy::Program { program }
        }
        StrategyKind::Idle => Strategy::Idle,
    };
    Ok(Arm {
        name: arm.name,
        strategy,
        expect: arm.expect.unwrap_or(Expect::Pass),
        nofile,
        memory,
        restart: arm.restart.unwrap_or(Restart::Never),
    })
}

fn check_stages(stages: Vec<Stage>, duration: Span) -> Result<Vec<Stage>, RuleError> {
    let mut before: Option<Stage> = None;
    for (index, stage) in stages.iter().enumerate() {
        let key = |name: &str| format!("stage.{index}.{name}");
        let Stage { from, share_pct } = *stage;
        let (after, more) =
            before.map_or((from.is_zero(), share_pct > 0), |before| (from > before.from, share_pct > before.share_pct));
        let begins =
            if index == 0 { "let the first stage begin at \"0s\"" } else { "let each stage begin after the one above" };
        rule(after, key("from"), format!("is {from}"), begins)?;
        begins_in_time(from, duration, key("from"))?;
        rule(
            more && share_pct <= 100,
            key("share_pct"),
            format!("is {share_pct}"),
            "use 1 to 100, and more than in the stage above",
        )?;
        before = Some(*stage);
    }
    if let Some(last) = before {
        rule(
            last.share_pct == 100,
            format!("stage.{}.share_pct", stages.len() - 1),
            format!("is {}, and it is the last stage", last.share_pct),
            "add a stage with `share_pct = 100`: what no arm monitors until the end is lost to all of them",
        )?;
    }
    Ok(stages)
}

/// The protections that are taken away.
fn check_without(
    key: String,
    without: Option<Vec<Protection>>,
    as_archived: Option<bool>,
) -> Result<Vec<Protection>, RuleError> {
    let all = as_archived == Some(true);
    rule(
        !(all && without.is_some()),
        key.as_str(),
        "is given beside `as_archived = true`, which takes every protection away",
        "leave one of the two out",
    )?;
    let mut without = if all { Protection::ALL.to_vec() } else { without.unwrap_or_default() };
    without.sort_unstable();
    rule(without.is_sorted_by(|a, b| a < b), key, "names a protection twice", "name each at most once")?;
    Ok(without)
}
