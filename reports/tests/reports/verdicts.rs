//! A verdict of every kind, each with its reason.

use leaksoak_reports::record::events::{Event, EventRecord, Exit};
use leaksoak_reports::verdict::{Criterion, Proof};
use leaksoak_reports::{Outcome, RunVerdict, judge};
use leaksoak_scenarios::{GrowthBy, Span};

use crate::support::{Plan, SMOKE, SOAK, Script, leaking};

fn pooled() -> Script {
    Script::steady("pooled", "pooled")
}

fn naive() -> Script {
    Script::steady("naive", "naive").fds(leaking(120.0)).tasks(leaking(240.0)).control()
}

/// The outcome, and what speaks against a PASS.
fn told(verdict: &RunVerdict) -> String {
    let reasons: Vec<String> = verdict.reasons.iter().map(|reason| format!("\n- {reason}")).collect();
    format!("{}, exit {}{}", verdict.outcome.word(), verdict.exit_code(), reasons.concat())
}

fn smoke(arms: &[Script]) -> RunVerdict {
    judge(&SMOKE.record(arms))
}

#[test]
fn a_quiet_arm_beside_a_leaking_control_passes() {
    let verdict = smoke(&[pooled(), naive()]);
    insta::assert_snapshot!(told(&verdict), @"PASS, exit 0");
    let criteria: Vec<String> = verdict.arms[0]
        .criteria
        .iter()
        .map(|result| format!("{} {}: {}", result.outcome.word(), result.criterion.words(), result.reason))
        .collect();
    insta::assert_snapshot!(criteria.join("\n"), @r"
    PASS work: 4,808 lines delivered, a stream for every container
    PASS FD growth: 0.00/min (0.00 to 0.00); below the limit of 2/min
    PASS task growth: 0.00/min (0.00 to 0.00); below the limit of 2/min
    PASS thread growth: 0.00/min (0.00 to 0.00); below the limit of 2/min
    PASS OOM kills: 0 kills
    PASS connection timeouts: 0 timeouts
    PASS loss: 0 of 4,808 lines (0 %)
    PASS uptime: up 100 % of the time
    ");
    insta::assert_snapshot!(verdict.arms[1].proof.as_ref().unwrap().reason(), @"FD growth: 120/min (120 to 120); above the limit of 2/min");
}

#[test]
fn a_leaking_arm_under_test_fails_the_run() {
    insta::assert_snapshot!(told(&smoke(&[pooled().fds(leaking(120.0)), naive()])), @r"
    FAIL, exit 1
    - pooled: FD growth: 120/min (120 to 120); above the limit of 2/min
    ");
}

#[test]
fn a_lost_line_in_fifty_fails() {
    insta::assert_snapshot!(told(&smoke(&[pooled().loses(96), naive()])), @r"
    FAIL, exit 1
    - pooled: loss: 96 of 4,808 lines (2.00 %)
    ");
}

#[test]
fn a_connection_timeout_fails() {
    insta::assert_snapshot!(told(&smoke(&[pooled().times_out(1), naive()])), @r"
    FAIL, exit 1
    - pooled: connection timeouts: 1 timeout, 0 allowed
    ");
}

#[test]
fn an_oom_kill_fails_and_costs_uptime_and_lines() {
    insta::assert_snapshot!(told(&smoke(&[pooled().dies(40.0, Exit::OomKilled, ""), naive()])), @r"
    FAIL, exit 1
    - pooled: OOM kills: killed by the kernel for want of memory: 1 time
    - pooled: loss: 1,608 of 4,808 lines (33.44 %)
    - pooled: uptime: up 66.67 % of the time: killed for want of memory at 40 s
    ");
}

#[test]
fn an_arm_that_exits_at_once_fails_by_its_uptime() {
    let dead = pooled().dies(-1.0, Exit::Code { code: 1 }, "leaksoak arm pooled: no such socket\u{1b}[2J");
    insta::assert_snapshot!(told(&smoke(&[dead, naive()])), @r#"
    FAIL, exit 1
    - pooled: loss: 4,808 of 4,808 lines (100 %)
    - pooled: uptime: up 0 % of the time: exited with code 1 before the run's zero, saying "leaksoak arm pooled: no such socket\u{1b}[2J"
    "#);
}

#[test]
fn a_metric_that_an_arm_does_not_tell_is_named() {
    let mut recording = SMOKE.record(&[pooled(), naive()]);
    for sample in recording.samples.iter_mut().filter(|sample| sample.subject == "pooled") {
        (sample.tasks, sample.streams, sample.connection_timeouts) = (None, None, None);
        sample.lines_read = Some(1);
    }
    insta::assert_snapshot!(told(&judge(&recording)), @r"
    INCONCLUSIVE, exit 3
    - pooled: work: 4,808 lines delivered, but how many streams it held is not known: the arm's /metrics has no `log_capturer_container_monitor_streams_active`
    - pooled: task growth: the arm's /metrics has no `log_capturer_tasks`
    - pooled: connection timeouts: the arm's /metrics has no `log_capturer_connection_timeouts_total`
    ");
}

#[test]
fn what_was_said_before_a_kill_is_not_told_as_its_cause() {
    let killed = pooled().dies(40.0, Exit::Signal { signal: 15 }, "WARN the sink is slow");
    let reasons = smoke(&[killed, naive()]).reasons.join("\n");
    assert!(
        reasons.contains("ended by signal 15 at 40 s, its log's last line was \"WARN the sink is slow\""),
        "{reasons}"
    );
}

#[test]
fn a_kill_by_nobody_knows_whom_is_not_passed_as_no_oom_kill() {
    let mut recording = SMOKE.record(&[pooled().dies(59.99, Exit::Signal { signal: 9 }, ""), naive()]);
    recording.info.host.cgroup = "none".to_owned();
    insta::assert_snapshot!(told(&judge(&recording)), @r"
    INCONCLUSIVE, exit 3
    - pooled: OOM kills: killed by signal 9, and without a cgroup nothing says by whom
    ");
}

#[test]
fn an_arm_that_captures_nothing_is_invalid_whatever_its_counts() {
    insta::assert_snapshot!(told(&smoke(&[pooled().delivers_nothing().fds(leaking(120.0)), naive()])), @r"
    INVALID, exit 4
    - pooled: work: no line of it reached the sink: what captures nothing leaks nothing
    ");
}

#[test]
fn an_arm_that_follows_half_of_the_containers_is_invalid() {
    insta::assert_snapshot!(told(&smoke(&[pooled().streams(4), naive()])), @r"
    INVALID, exit 4
    - pooled: work: fewer streams than running containers in 100 of 100 judged samples (such as 4 of 8): it did not monitor them all
    ");
}

#[test]
fn a_control_that_does_not_leak_makes_the_run_invalid() {
    let quiet = Script::steady("naive", "naive").control();
    insta::assert_snapshot!(told(&smoke(&[pooled(), quiet])), @r"
    INVALID, exit 4
    - naive: the control was not caught leaking, so this run could not have seen a leak: its growth stayed under the limits
    ");
}

#[test]
fn a_control_that_only_loses_lines_proves_nothing() {
    let lossy = Script::steady("naive", "naive").control().loses(4_000);
    insta::assert_snapshot!(told(&smoke(&[pooled(), lossy])), @r"
    INVALID, exit 4
    - naive: the control was not caught leaking, so this run could not have seen a leak: its growth stayed under the limits
    ");
}

#[test]
fn a_control_that_dies_without_growing_proves_nothing() {
    let dead = Script::steady("naive", "naive").control().dies(30.0, Exit::Code { code: 1 }, "engine said no");
    insta::assert_snapshot!(told(&smoke(&[pooled(), dead])), @r#"
    INVALID, exit 4
    - naive: the control was not caught leaking, so this run could not have seen a leak: it did not end by growing: up 50.00 % of the time: exited with code 1 at 30 s, saying "engine said no"
    "#);
}

#[test]
fn a_control_that_its_leak_kills_within_warm_up_is_proof() {
    let dead = naive().dies(9.0, Exit::Code { code: 1 }, "too many open files");
    let verdict = smoke(&[pooled(), dead]);
    assert_eq!(verdict.outcome, Outcome::Pass, "{:?}", verdict.reasons);
    assert!(matches!(verdict.arms[1].proof, Some(Proof::Caught(_))));
    insta::assert_snapshot!(verdict.arms[1].proof.as_ref().unwrap().reason(), @"died at 9 s after its FDs had grown by 120/min");
}

#[test]
fn a_leak_that_has_reached_the_limit_and_stands_still_is_still_a_leak() {
    // It has 1,024 after 8 minutes, and stays there for the other 24.
    let full = Script::steady("naive", "naive").fds(|time| (30.0 + time * 2.1).floor().min(1_024.0));
    insta::assert_snapshot!(told(&judge(&SOAK.record(&[full]))), @r"
    FAIL, exit 1
    - naive: FD growth: used up its limit of 1024 FDs at 7.7 min; until then: 126/min (126 to 126); above the limit of 2/min
    ");
}

#[test]
fn a_rate_around_the_limit_is_not_decided() {
    let wobbling = pooled().fds(|time| (40.0 + time * 2.0 / 60.0 + 6.0 * (time / 7.0).sin()).floor());
    insta::assert_snapshot!(told(&smoke(&[wobbling, naive()])), @r"
    INCONCLUSIVE, exit 3
    - pooled: FD growth: -13.3/min (-40.0 to 26.1), a step of +9 at 45 s; on both sides of the limit of 2/min; about 60 s more would decide it
    ");
}

#[test]
fn a_metric_that_was_mostly_missing_cannot_pass() {
    insta::assert_snapshot!(told(&smoke(&[pooled().metrics_until(25.0), naive()])), @r"
    INCONCLUSIVE, exit 3
    - pooled: task growth: 0.00/min (0.00 to 0.00); but known in only 30 % of the judged samples
    - pooled: connection timeouts: the arm's metrics could be read in only 51 of 121 samples
    ");
}

#[test]
fn a_slow_leak_under_the_limit_passes_and_is_told() {
    let verdict = judge(&SOAK.record(&[pooled().fds(leaking(0.3)), naive()]));
    assert_eq!(verdict.outcome, Outcome::Pass, "{:?}", verdict.reasons);
    let notes: Vec<&str> =
        verdict.arms[0].criteria.iter().flat_map(|result| &result.notes).map(String::as_str).collect();
    insta::assert_snapshot!(notes.join("\n"), @"slow leak under the limit: FDs grow by 0.30/min, 1024 FDs in 55 h");
}

#[test]
fn growth_within_a_fault_is_not_judged() {
    // 90 more while the sink is down for 5 minutes, and all of them given back.
    let held = |time: f64| if (700.0..1_000.0).contains(&time) { 30.0 + (time - 700.0) * 0.3 } else { 30.0 };
    let mut recording = SOAK.record(&[pooled().fds(held), naive()]);
    let fault = || "sink down".to_owned();
    for (elapsed_s, event) in
        [(700.0, Event::FaultBegan { fault: fault() }), (1_000.0, Event::FaultEnded { fault: fault() })]
    {
        recording.events.push(leaksoak_reports::record::events::EventRecord { elapsed_s, unix_ms: 0, event });
    }
    recording.events.sort_by(|a, b| a.elapsed_s.total_cmp(&b.elapsed_s));
    let verdict = judge(&recording);
    let fds = verdict.arms[0].result(Criterion::FdGrowth).unwrap();
    assert_eq!(fds.outcome, Outcome::Pass, "{}", fds.reason);
    assert_eq!(fds.growth.as_ref().unwrap().shape, Some(leaksoak_reports::analysis::Shape::Flat));
}

fn projected(per_min: f64) -> String {
    let mut recording = SOAK.record(&[pooled().fds(leaking(per_min)), naive()]);
    recording.info.scenario.criteria.min_projected_uptime = Some("7d".parse().unwrap());
    let verdict = judge(&recording);
    let result = verdict.arms[0].result(Criterion::ProjectedUptime).unwrap();
    format!("{}: {}", result.outcome.word(), result.reason)
}

#[test]
fn a_projected_uptime_is_held_against_what_grows() {
    insta::assert_snapshot!([0.0, 0.3].map(projected).join("\n"), @r"
    PASS: 1,024 FDs never, at 0.00/min (0.00 to 0.00); at least 7 d; 512 MiB never, at 0 KiB/min (0 KiB to 0 KiB); at least 7 d; 63,000 threads never, at 0.00/min (0.00 to 0.00); at least 7 d
    FAIL: 1,024 FDs in 55 h, at 0.30/min (0.30 to 0.30); less than 7 d
    ");
}

#[test]
fn a_scenario_may_judge_by_the_cumulative_rate() {
    let mut recording = SOAK.record(&[pooled().fds(|time| if time > 600.0 { 130.0 } else { 30.0 }), naive()]);
    assert_eq!(judge(&recording).outcome, Outcome::Pass);
    recording.info.scenario.criteria.growth = GrowthBy::Cumulative;
    insta::assert_snapshot!(told(&judge(&recording)), @r"
    FAIL, exit 1
    - pooled: FD growth: 3.33/min cumulative; not below the limit of 2/min
    ");
}

#[test]
fn a_harness_that_leaks_makes_the_run_invalid() {
    let plan = Plan { harness_fds: |time| 25.0 + (time / 6.0).floor(), ..SMOKE };
    insta::assert_snapshot!(told(&judge(&plan.record(&[pooled(), naive()]))), @r"
    INVALID, exit 4
    - the harness itself leaked: FD growth: 10.1/min (9.95 to 10.1); above the limit of 2/min
    ");
}

#[test]
fn connections_that_an_arm_leaks_at_the_sink_are_not_the_harness_s_leak() {
    let plan = Plan { harness_fds: |time| 25.0 + (time / 6.0).floor(), ..SMOKE };
    let mut recording = plan.record(&[pooled(), naive()]);
    for sample in recording.samples.iter_mut().filter(|sample| sample.subject == "harness") {
        sample.connections = sample.fds.map(|fds| fds - 20);
        sample.tasks = sample.connections.map(|connections| connections + 9);
    }
    let verdict = judge(&recording);
    assert_eq!(verdict.outcome, Outcome::Pass, "{:?}", verdict.reasons);
    assert_eq!(verdict.turns[0].harness[0].growth.as_ref().unwrap().last, Some(20.0));
}

#[test]
fn an_interrupted_run_is_a_part_and_does_not_pass() {
    let plan = Plan { interrupted_s: Some(40.0), ..SMOKE };
    let verdict = judge(&plan.record(&[pooled(), naive()]));
    assert_eq!(verdict.arms[0].outcome, Outcome::Pass);
    insta::assert_snapshot!(told(&verdict), @r"
    INCONCLUSIVE, exit 3
    - interrupted by SIGINT after 40 s of 60 s
    ");
}

#[test]
fn a_killed_run_is_a_part_and_knows_no_loss() {
    let plan = Plan { killed_s: Some(40.0), ..SMOKE };
    insta::assert_snapshot!(told(&judge(&plan.record(&[pooled(), naive()]))), @r"
    INCONCLUSIVE, exit 3
    - pooled: loss: the sink gave no account
    - the run was killed after 40 s of 60 s, or is still going on: its last event is missing
    ");
}

#[test]
fn a_run_that_recorded_nothing_passes_nothing() {
    let mut recording = SMOKE.record(&[pooled(), naive()]);
    recording.samples.clear();
    recording.events.clear();
    recording.ledger = None;
    insta::assert_snapshot!(told(&judge(&recording)), @r"
    INCONCLUSIVE, exit 3
    - pooled: work: no sample of it after warm-up: there is nothing to judge
    - pooled: FD growth: 0 samples after warm-up, too few: a trend takes 10
    - pooled: task growth: 0 samples after warm-up, too few: a trend takes 10
    - pooled: thread growth: 0 samples after warm-up, too few: a trend takes 10
    - pooled: OOM kills: no start of this arm was recorded
    - pooled: connection timeouts: the arm's metrics were never read
    - pooled: loss: the sink gave no account
    - pooled: uptime: no start of this arm was recorded
    - naive: the control was not caught leaking yet: FD growth: 0 samples after warm-up, too few: a trend takes 10
    - the run was killed after 0 s of 60 s, or is still going on: its last event is missing
    ");
}

#[test]
fn a_fail_outweighs_an_invalid_which_outweighs_an_undecided() {
    let idle = || Script::steady("idle", "idle").delivers_nothing().streams(0);
    let partial = Plan { interrupted_s: Some(40.0), ..SMOKE };
    assert_eq!(judge(&partial.record(&[pooled(), idle(), naive()])).outcome, Outcome::Invalid);
    let leaking = pooled().fds(leaking(120.0));
    assert_eq!(judge(&partial.record(&[leaking, idle(), naive()])).outcome, Outcome::Fail);
}

#[test]
fn a_restarted_arm_is_judged_within_one_life() {
    // It leaks 30 FDs a minute and starts again every five minutes: over half an hour its counts stand still.
    let mut recording = SOAK.record(&[pooled().fds(|time| 30.0 + (time % 300.0) * 0.5)]);
    for life in 1..7 {
        let at_s = f64::from(life) * 300.0;
        let event = |elapsed_s, event| leaksoak_reports::record::events::EventRecord { elapsed_s, unix_ms: 0, event };
        let (arm, exit) = ("pooled".to_owned(), Exit::Code { code: 1 });
        let died = Event::ArmExited { arm: arm.clone(), exit, expected: false, last_words: None };
        recording.events.push(event(at_s - 1.0, died));
        recording.events.push(event(at_s, Event::ArmStarted { arm, pid: 1 }));
    }
    recording.events.sort_by(|a, b| a.elapsed_s.total_cmp(&b.elapsed_s));
    insta::assert_snapshot!(told(&judge(&recording)), @r"
    FAIL, exit 1
    - pooled: FD growth: 30.0/min (30.0 to 30.0); above the limit of 2/min
    - pooled: uptime: up 99.69 % of the time: exited with code 1 at 5 min, and 5 deaths more
    ");
}

#[test]
fn what_a_rollout_adds_is_no_growth_and_a_leak_goes_on_through_it() {
    let stage = |elapsed_s, share_pct, containers| EventRecord {
        elapsed_s,
        unix_ms: 0,
        event: Event::Stage { share_pct, containers },
    };
    let rollout = |per_min: f64| {
        let added = |time: f64| {
            if time < 600.0 {
                0.0
            } else if time < 1_200.0 {
                40.0
            } else {
                90.0
            }
        };
        let arm = pooled().fds(move |time| (30.0 + added(time) + time * per_min / 60.0).floor());
        let mut recording = SOAK.record(&[arm, naive()]);
        recording.events.extend([stage(0.0, 10, 1), stage(600.0, 50, 4), stage(1_200.0, 100, 8)]);
        judge(&recording)
    };
    let still = rollout(0.0);
    assert_eq!(still.outcome, Outcome::Pass, "{:?}", still.reasons);
    insta::assert_snapshot!(told(&rollout(3.0)), @r"
    FAIL, exit 1
    - pooled: FD growth: 3.00/min (3.00 to 3.00); above the limit of 2/min
    ");
}

#[test]
fn arms_that_take_turns_are_judged_each_by_itself_and_shown_together() {
    let dead = pooled().dies(20.0, Exit::Code { code: 1 }, "out of luck");
    let verdict = judge(&SMOKE.record_turns(&[dead, Script::steady("hybrid", "hybrid"), naive()]));
    let turns: Vec<_> = verdict.turns.iter().map(|turn| turn.arms.concat()).collect();
    assert_eq!(turns, ["pooled", "hybrid", "naive"]);
    let engine_growth = |turn: usize| verdict.turns[turn].engine_growth[0].growth.cumulative_per_min.unwrap();
    assert!(engine_growth(1).abs() < 0.1 && engine_growth(2) > 100.0, "beside naive alone it grew");
    assert_eq!(verdict.comparisons.len(), 2, "across turns");
    insta::assert_snapshot!(told(&verdict), @r#"
    FAIL, exit 1
    - pooled: loss: 3,208 of 4,808 lines (66.72 %)
    - pooled: uptime: up 33.33 % of the time: exited with code 1 at 20 s, saying "out of luck"
    "#);
}

#[test]
fn a_turn_that_was_ended_early_is_named() {
    let part = Plan { interrupted_s: Some(40.0), ..SMOKE };
    let mut recording = SMOKE.record_turns(&[pooled(), naive()]);
    recording.turns[1] = part.record(&[naive()]);
    insta::assert_snapshot!(told(&judge(&recording)), @r"
    INCONCLUSIVE, exit 3
    - turn of naive: interrupted by SIGINT after 40 s of 60 s
    ");
}

#[test]
fn a_run_that_ended_because_every_arm_was_down_is_no_part_and_uptime_counts_the_rest() {
    let plan = Plan { duration_s: 40.0, ..SMOKE };
    let mut recording = plan.record(&[pooled().dies(39.9, Exit::Code { code: 1 }, "no luck")]);
    recording.info.scenario.duration = Span::from_secs(400);
    insta::assert_snapshot!(told(&judge(&recording)), @r#"
    FAIL, exit 1
    - pooled: uptime: up 9.97 % of the time: exited with code 1 at 40 s, saying "no luck"
    "#);
}
