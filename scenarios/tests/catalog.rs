//! The built-in scenarios are what they say they are, and survive being written down.

#![expect(clippy::unwrap_used, reason = "what a helper here cannot do fails its test")]

use std::fs;

use leaksoak_scenarios::{Arm, Criteria, Expect, Overrides, Scenario, SinkFaultKind, Span, catalog, load};

fn every_scenario() -> impl Iterator<Item = Scenario> {
    catalog::entries().iter().map(|entry| load(entry.name, &Overrides::default()).unwrap())
}

#[test]
fn every_entry_says_of_itself_what_its_file_says() {
    for (entry, scenario) in catalog::entries().iter().zip(every_scenario()) {
        assert_eq!(entry.name, scenario.name);
        assert_eq!(entry.about, scenario.about);
        assert!(!entry.about.is_empty());
        for opening in ["# What it shows: ", "# Why", "# What it enforces: "] {
            assert!(entry.toml.contains(opening), "{}: no {opening:?}", entry.name);
        }
    }
}

#[test]
fn every_scenario_has_a_control_that_leaks_and_holds_the_others_to_the_mission() {
    for scenario in every_scenario() {
        // One that leaks at a thousand containers is dead before anything is measured; from one whose connections the engine
        // breaks, what it leaked on them is taken again.
        let has_control = scenario.arms.iter().any(|arm: &Arm| arm.expect == Expect::Fail);
        let needs_none = scenario.container_count() >= 1_000 || !scenario.engine_faults.is_empty();
        assert!(has_control || needs_none, "{}", scenario.name);
        // A sink that refuses lines for good loses them to every arm, until somebody replays the dead letters.
        let waits = scenario.delivery.batch_wait.as_duration();
        let refuses = scenario.sink.faults.iter().any(|fault| matches!(fault.kind, SinkFaultKind::Refuse { .. }))
            || scenario.sink.refuse_older_than.is_some_and(|age| age.as_duration() < waits);
        let loss_pct = if refuses { scenario.criteria.loss_pct } else { Criteria::default().loss_pct };
        assert_eq!(scenario.criteria, Criteria { loss_pct, ..Criteria::default() }, "{}", scenario.name);
    }
}

#[test]
fn every_scenario_survives_json() {
    for scenario in every_scenario() {
        let json = serde_json::to_string(&scenario).unwrap();
        assert_eq!(serde_json::from_str::<Scenario>(&json).unwrap(), scenario);
    }
}

#[test]
fn every_scenario_survives_toml_and_loads_from_a_file() {
    let dir = tempfile::tempdir().unwrap();
    for scenario in every_scenario() {
        let path = dir.path().join("resolved.toml");
        fs::write(&path, toml::to_string(&scenario).unwrap()).unwrap();
        assert_eq!(load(path.to_str().unwrap(), &Overrides::default()).unwrap(), scenario);
    }
}

#[test]
fn a_record_that_breaks_a_rule_is_refused_when_it_is_read() {
    let scenario = load("smoke", &Overrides::default()).unwrap();
    let mut json = serde_json::to_value(scenario).unwrap();
    json["warmup"] = "2h".into();
    let error = serde_json::from_value::<Scenario>(json).unwrap_err();
    insta::assert_snapshot!(error, @"`warmup` is 2h, and the whole run (1m) is no longer; make `warmup` shorter or `duration` longer: what is judged comes after the warm-up");
}

#[test]
fn smoke_is_what_its_header_says() {
    let smoke = load("smoke", &Overrides::default()).unwrap();
    assert_eq!(smoke.duration, Span::from_secs(60));
    assert_eq!(smoke.container_count(), 4);
    let every_2s = |arm: &Arm| arm.strategy.rotate_every() == Some(Span::from_secs(2));
    assert!(smoke.arms.iter().all(every_2s));
}

#[test]
fn a_scenario_needs_no_more_than_what_has_no_default() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("least.toml");
    let text = "name = 'least'\nduration = '1m'\nwarmup = '5s'\n\
                [[containers]]\ncount = 1\nload = 'steady'\nrate = '1/s'\n\
                [[arms]]\nname = 'a'\nstrategy = 'hybrid'\n";
    fs::write(&path, text).unwrap();
    let least = load(path.to_str().unwrap(), &Overrides::default()).unwrap();
    insta::assert_snapshot!(toml::to_string(&least).unwrap(), @r##"
name = "least"
about = ""
duration = "1m"
warmup = "5s"
sample_every = "1s"
checkpoint_every = "1m"
drain = "5s"
stop_when_decided = false
isolate = false

[[containers]]
count = 1
load = "steady"
rate = "1/s"
line_bytes = "120B"

[log]
max_size = "1MiB"
max_file = 3

[sink]

[delivery]
batch_lines = 1024
batch_bytes = "256KiB"
batch_wait = "50ms"
queued_batches = 8
retry_first = "50ms"
retry_limit = "5s"
give_up_after = "5m"
breaker_failures = 5
breaker_open = "2s"
dead_letter_bytes = "64MiB"
dead_letter_files = 4

[[arms]]
name = "a"
strategy = "hybrid"
expect = "pass"
rotate_every = "30s"
coalesce = "10ms"
ignore_older = "1d"
fallback = "none"
without = []
nofile = 1024
memory = "512MiB"
restart = "never"

[criteria]
task_growth_per_min = 2.0
fd_growth_per_min = 2.0
growth = "steady"
loss_pct = 1.0
uptime_pct = 99.9
oom_kills = 0
connection_timeouts = 0
"##);
}
