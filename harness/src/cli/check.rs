//! `leaksoak check`: is this scenario right, and what would it run?

use leaksoak_reports::words::counted;
use leaksoak_scenarios::{Criteria, Expect, GrowthBy, Load, Scenario, Span, load};

use super::{OverrideArgs, print};
use crate::exit::{Exit, Failure};

pub(super) fn check(name: &str, overrides: OverrideArgs) -> Result<Exit, Failure> {
    let scenario = load(name, &overrides.into()).map_err(Failure::usage)?;
    print(describe(&scenario).trim_end())?;
    Ok(Exit::Pass)
}

fn describe(scenario: &Scenario) -> String {
    use std::fmt::Write;
    let about = if scenario.about.is_empty() { String::new() } else { format!(": {}", scenario.about) };
    let mut text = format!("{}{about}\n", scenario.name);
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "  {} measured, of which {} warm-up, and {} drain at most; a sample every {}, a checkpoint every {}",
        scenario.duration, scenario.warmup, scenario.drain, scenario.sample_every, scenario.checkpoint_every
    );
    let _ = writeln!(text, "  {}", total_time(scenario));
    for group in &scenario.containers {
        let load = match group.load {
            Load::Steady { rate, line_bytes } => format!("steady, {rate}, {line_bytes} a line"),
            Load::Bursty { burst, every, line_bytes } => {
                format!("{} every {every}, {line_bytes} a line", counted(burst.into(), "line"))
            }
            Load::Silent => "silent".into(),
        };
        let _ = writeln!(text, "  {} x {load}", group.count);
    }
    for stage in &scenario.stages {
        let _ = writeln!(text, "  from {}: {} % of the containers monitored", stage.from, stage.share_pct);
    }
    for fault in &scenario.sink.faults {
        let lasts = fault.lasts.map_or(" on".to_owned(), |lasts| format!(" for {lasts}"));
        let _ = writeln!(text, "  fault from {}{lasts}: {}", fault.from, fault.kind.describe());
    }
    for fault in &scenario.engine_faults {
        let when =
            fault.kind.lasts().map_or(format!("at {}", fault.from), |lasts| format!("from {} for {lasts}", fault.from));
        let _ = writeln!(text, "  fault {when}: {}", fault.kind.describe());
    }
    for arm in &scenario.arms {
        let expected = if arm.expect == Expect::Fail { " (control: must fail)" } else { "" };
        let rotation = arm.strategy.rotate_every().map_or(String::new(), |every| format!(", rotated every {every}"));
        let _ = writeln!(
            text,
            "  arm {}: {}{rotation}, {} FDs, {}{expected}",
            arm.name,
            arm.strategy.kind(),
            arm.nofile,
            arm.memory
        );
    }
    let _ = writeln!(text, "  criteria: {}", limits(&scenario.criteria));
    text
}

/// How long all of it takes, but for the start of containers and arms, which depends on the engine.
fn total_time(scenario: &Scenario) -> String {
    let one_ms = scenario.duration.as_millis().saturating_add(scenario.drain.as_millis());
    let turns = scenario.turns().len();
    let all = Span::from_millis(one_ms.saturating_mul(turns as u64));
    let turns =
        if scenario.isolate { format!(": the arms take turns, {turns} of them, each as long") } else { String::new() };
    let early = if scenario.stop_when_decided { "; less where FAIL is certain before" } else { "" };
    format!("about {all} in all{turns}{early}")
}

fn limits(criteria: &Criteria) -> String {
    let by = match criteria.growth {
        GrowthBy::Steady => "steady",
        GrowthBy::Cumulative => "cumulative",
    };
    let Criteria { fd_growth_per_min: fds, task_growth_per_min: tasks, loss_pct: loss, uptime_pct: uptime, .. } =
        criteria;
    let projected =
        criteria.min_projected_uptime.map_or(String::new(), |least| format!("projected uptime at least {least}; "));
    format!(
        "{by} growth below {fds}/min of FDs, {tasks}/min of tasks and of threads; {projected}loss below {loss} %; \
         uptime at least {uptime} %; OOM kills at most {}; connection timeouts at most {}",
        criteria.oom_kills, criteria.connection_timeouts
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use leaksoak_scenarios::Overrides;

    #[test]
    fn the_smoke_is_described() {
        let scenario = load("smoke", &Overrides::default()).unwrap();
        insta::assert_snapshot!(describe(&scenario));
    }

    #[test]
    fn a_scenario_that_says_nothing_of_itself_is_a_name() {
        let overrides = Overrides { set: vec!["about=".to_owned()], ..Overrides::default() };
        let described = describe(&load("smoke", &overrides).unwrap());
        assert_eq!(described.lines().next(), Some("smoke"));
    }

    #[test]
    fn faults_limits_and_turns_are_described() {
        let set = [
            "isolate=true",
            "stop_when_decided=true",
            "criteria.growth=cumulative",
            "criteria.min_projected_uptime=30d",
        ];
        let overrides = Overrides { set: set.map(str::to_owned).into(), ..Overrides::default() };
        let described = ["sink-outage", "engine-faults"].map(|name| describe(&load(name, &overrides).unwrap()));
        insta::assert_snapshot!(described.join("\n"), @r##"
sink-outage: A sink that is down for a minute and then refuses 5 % of the lines
  6m measured, of which 30s warm-up, and 20s drain at most; a sample every 1s, a checkpoint every 30s
  about 19m in all: the arms take turns, 3 of them, each as long; less where FAIL is certain before
  4 x steady, 100/s, 120B a line
  fault from 1m for 1m: sink down
  fault from 2m for 1m30s: sink refuses 5 % of the lines
  arm pooled: pooled, rotated every 30s, 1024 FDs, 512MiB
  arm hybrid: hybrid, rotated every 30s, 1024 FDs, 512MiB
  arm hybrid-archived: hybrid, rotated every 30s, 1024 FDs, 512MiB (control: must fail)
  criteria: cumulative growth below 2/min of FDs, 2/min of tasks and of threads; projected uptime at least 30d; loss below 5 %; uptime at least 99.9 %; OOM kills at most 0; connection timeouts at most 0

engine-faults: An embedded engine that drops streams, cuts frames, stalls, answers late or with errors, restarts and leaks
  3m measured, of which 20s warm-up, and 10s drain at most; a sample every 500ms, a checkpoint every 20s
  about 6m20s in all: the arms take turns, 2 of them, each as long; less where FAIL is certain before
  4 x steady, 20/s, 120B a line
  1 x silent
  fault at 30s: engine: drop-streams
  fault at 40s: engine: cut-frames
  fault from 50s for 10s: engine answers 300ms late
  fault from 1m5s for 10s: engine answers 500 to 50 % of the requests
  fault from 1m20s for 3s: engine: stall
  fault from 1m30s for 2s: engine: restart
  fault from 1m40s for 5s: engine: refuse-connections
  fault from 1m50s for 1m: engine leaks 60 FDs/min, 60 tasks/min, 1MiB/min of memory
  arm pooled: pooled, rotated every 5s, 1024 FDs, 512MiB
  arm hybrid: hybrid, rotated every 5s, 1024 FDs, 512MiB
  criteria: cumulative growth below 2/min of FDs, 2/min of tasks and of threads; projected uptime at least 30d; loss below 1 %; uptime at least 99.9 %; OOM kills at most 0; connection timeouts at most 0
"##);
    }
}
