//! What the command line changes in a scenario, and what it leaves alone.

#![expect(clippy::unwrap_used, reason = "what a helper here cannot do fails its test")]

use leaksoak_scenarios::{Expect, Http, Load, Mistake, Overrides, Protection, Scenario, Span, Strategy, load};
use proptest::prelude::*;

fn set(scenario: &str, set: &[&str]) -> Scenario {
    let set = set.iter().map(ToString::to_string).collect();
    load(scenario, &Overrides { set, ..Overrides::default() }).unwrap()
}

fn with_duration(scenario: &str, duration: &str, set: &[&str]) -> Scenario {
    let set = set.iter().map(ToString::to_string).collect();
    let duration = Some(duration.parse().unwrap());
    load(scenario, &Overrides { set, duration, ..Overrides::default() }).unwrap()
}

fn times(scenario: &Scenario) -> [String; 3] {
    [scenario.duration, scenario.warmup, scenario.checkpoint_every].map(|span| span.to_string())
}

#[test]
fn a_set_changes_its_value_and_nothing_else() {
    let mut expected = set("soak-30m", &[]);
    expected.criteria.fd_growth_per_min = 3.0;
    expected.criteria.loss_pct = 0.5;
    expected.arms[1].expect = Expect::Pass;
    expected.sink.refuse_older_than = Some(Span::from_secs(60));
    let Load::Steady { rate, .. } = &mut expected.containers[0].load else { panic!("not steady") };
    *rate = "20/s".parse().unwrap();

    let changed = set(
        "soak-30m",
        &[
            "criteria.fd_growth_per_min=3",
            "criteria.loss_pct=0.5",
            "arms.naive.expect=pass",
            "sink.refuse_older_than=1m",
            "containers.0.rate=20/s",
        ],
    );
    assert_eq!(changed, expected);
}

#[test]
fn a_set_may_name_an_arm_by_its_index_and_make_a_table() {
    let changed = set("smoke", &["arms.1.expect=pass", "sink.refuse_older_than=5m"]);
    assert_eq!(changed.arms[1].expect, Expect::Pass);
    assert_eq!(changed.sink.refuse_older_than, Some(Span::from_secs(300)));
}

#[test]
fn the_last_set_of_a_key_wins() {
    assert_eq!(set("smoke", &["drain=1s", "drain=2s"]).drain, Span::from_secs(2));
}

#[test]
fn a_word_that_looks_like_a_number_can_be_set() {
    let pooled = set("smoke", &["arms.pooled.http=2", "arms.pooled.coalesce=0s"]).arms[0].strategy.clone();
    let expected = Strategy::Pooled { rotate_every: Span::from_secs(2), coalesce: Span::ZERO, http: Http::Two };
    assert_eq!(pooled, expected);
}

#[test]
fn a_list_of_words_can_be_set_however_a_shell_leaves_it() {
    let without = |value: &str| {
        let set_to = format!("arms.pooled.without={value}");
        match &set("smoke", &["arms.pooled.strategy=hybrid", &set_to]).arms[0].strategy {
            Strategy::Hybrid { without, .. } => without.clone(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(without("offsets"), [Protection::Offsets]);
    assert_eq!(without("[\"offsets\"]"), [Protection::Offsets]);
    for both in ["offsets,retry-limit", "[offsets, retry-limit]", "['retry-limit','offsets']"] {
        assert_eq!(without(both), [Protection::Offsets, Protection::RetryLimit], "{both}");
    }
    assert_eq!(without("[]"), []);
}

#[test]
fn another_strategy_leaves_the_file_s_options_of_the_former_one_behind() {
    assert_eq!(set("smoke", &["arms.pooled.strategy=idle"]).arms[0].strategy, Strategy::Idle);
    let naive = set("soak-30m", &["arms.hybrid-archived.strategy=naive"]).arms[3].strategy.clone();
    assert_eq!(naive, Strategy::Naive { rotate_every: Span::from_secs(30), mistake: Mistake::ForgottenHandle });
    assert_eq!(set("smoke", &["containers.0.load=silent"]).containers[0].load, Load::Silent);
}

#[test]
fn an_option_that_was_set_must_fit_the_strategy_that_was_set() {
    for order in [
        ["arms.pooled.strategy=idle", "arms.pooled.rotate_every=3s"],
        ["arms.pooled.rotate_every=3s", "arms.pooled.strategy=idle"],
    ] {
        let set = order.map(str::to_owned).to_vec();
        let error = load("smoke", &Overrides { set, ..Overrides::default() }).unwrap_err();
        assert!(error.to_string().contains("has no meaning with `strategy = \"idle\"`"), "{error}");
    }
}

#[test]
fn a_shorter_run_shrinks_warm_up_and_checkpoints_in_proportion() {
    assert_eq!(times(&with_duration("soak-30m", "2m", &[])), ["2m", "8s", "8s"]);
    assert_eq!(times(&set("soak-30m", &["duration=2m"])), ["2m", "8s", "8s"]);
}

#[test]
fn a_shorter_run_with_room_enough_keeps_its_warm_up_and_checkpoints() {
    assert_eq!(times(&with_duration("soak-30m", "4m", &[])), ["4m", "2m", "2m"]);
    assert_eq!(times(&with_duration("smoke", "30s", &[])), ["30s", "10s", "10s"]);
}

#[test]
fn a_longer_run_keeps_its_warm_up_and_checkpoints() {
    assert_eq!(times(&with_duration("smoke", "1h", &[])), ["1h", "10s", "10s"]);
}

#[test]
fn what_was_set_is_not_shrunk() {
    let shrunk = with_duration("soak-30m", "2m", &["warmup=30s"]);
    assert_eq!(times(&shrunk), ["2m", "30s", "8s"]);
    let shrunk = with_duration("soak-30m", "2m", &["checkpoint_every=1m"]);
    assert_eq!(times(&shrunk), ["2m", "8s", "1m"]);
}

#[test]
fn checkpoints_never_shrink_below_the_sample_interval() {
    assert_eq!(times(&with_duration("nightly-48h", "5m", &[])), ["5m", "1s562ms", "5s"]);
}

#[test]
fn containers_are_scaled_over_all_groups() {
    let counts = |n| {
        let overrides = Overrides { containers: Some(n), ..Overrides::default() };
        let scenario = load("soak-30m", &overrides).unwrap();
        assert_eq!(scenario.container_count(), n);
        scenario.containers.iter().map(|group| group.count).collect::<Vec<_>>()
    };
    assert_eq!(counts(8), [4, 2, 2]);
    assert_eq!(counts(1_000), [500, 250, 250]);
    assert_eq!(counts(3), [1, 1, 1]);
    assert_eq!(counts(2), [1, 1]);
    assert_eq!(counts(1), [1]);
}

#[test]
fn chosen_arms_run_in_the_scenario_s_order() {
    let arms = vec!["hybrid".to_owned(), "pooled".to_owned(), "hybrid".to_owned()];
    let scenario = load("smoke", &Overrides { arms, ..Overrides::default() }).unwrap();
    let names: Vec<_> = scenario.arms.iter().map(|arm| arm.name.as_str()).collect();
    assert_eq!(names, ["pooled", "hybrid"]);
}

#[test]
fn a_control_may_be_chosen_alone_and_its_record_read_back() {
    let arms = vec!["naive".to_owned()];
    let scenario = load("smoke", &Overrides { arms, ..Overrides::default() }).unwrap();
    assert_eq!(scenario.arms.len(), 1);
    let json = serde_json::to_string(&scenario).unwrap();
    assert_eq!(serde_json::from_str::<Scenario>(&json).unwrap(), scenario);
}

proptest! {
    #[test]
    fn no_set_makes_loading_panic(
        key in "(name|duration|arms|containers|log|naive|pooled|strategy|load|rate|[0-3a.]){1,3}(\\.(naive|0|1|name|load|max_file|rate)){0,2}",
        value in "\\PC*|[0-9]{1,20}(s|MiB|/s)?|idle|silent|fail",
    ) {
        let set = vec![format!("{key}={value}")];
        let _ = load("smoke", &Overrides { set, ..Overrides::default() });
    }
}

proptest! {
    #[test]
    fn a_share_is_part_of_every_larger_one(containers in 1_u32..200, small in 1_u32..100) {
        let overrides = Overrides { containers: Some(containers), ..Overrides::default() };
        let scenario = load("smoke", &overrides).unwrap();
        let (share, all) = (scenario.share(small), scenario.share(100));
        prop_assert_eq!(share.len() as u64, (u64::from(containers) * u64::from(small)).div_ceil(100));
        prop_assert_eq!(all.len(), containers as usize);
        let larger = scenario.share(small + 1);
        prop_assert!(share.iter().all(|index| larger.contains(index)));
    }
}
