//! What someone reads who made a mistake in a scenario.

#![expect(clippy::unwrap_used, reason = "what a helper here cannot do fails its test")]

use std::fs;

use leaksoak_scenarios::{Overrides, load};

const GOOD: &str = r#"name = "mine"
about = "a line"
duration = "10m"
warmup = "1m"

[[containers]]
count = 2
load = "steady"
rate = "10/s"

[[containers]]
count = 1
load = "bursty"
burst = 100
every = "10s"

[log]
max_size = "1MiB"

[[arms]]
name = "pooled"
strategy = "pooled"
rotate_every = "30s"

[[arms]]
name = "naive"
strategy = "naive"
expect = "fail"

[criteria]
loss_pct = 1
"#;

/// What is said of a file with these bytes, its directory left out.
fn said_of(bytes: &[u8], overrides: &Overrides) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mine.toml");
    fs::write(&path, bytes).unwrap();
    let error = load(path.to_str().unwrap(), overrides).unwrap_err();
    error.to_string().replace(&format!("{}/", dir.path().display()), "")
}

/// What is said of the good scenario with one text in it replaced by another.
fn said_with(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from:?} is not in the good scenario");
    said_of(GOOD.replacen(from, to, 1).as_bytes(), &Overrides::default())
}

fn said_with_set(set: &str) -> String {
    said_of(GOOD.as_bytes(), &Overrides { set: vec![set.to_owned()], ..Overrides::default() })
}

fn all(said: impl IntoIterator<Item = String>) -> String {
    said.into_iter().collect::<Vec<_>>().join("\n\n")
}

#[test]
fn a_scenario_that_cannot_be_found_is_told_with_what_there_is() {
    let said = |name: &str| load(name, &Overrides::default()).unwrap_err().to_string();
    insta::assert_snapshot!(all(["smok", "nightly", "churn", "./no-such.toml", "/", "mine.toml/x"].map(said)), @r##"
no scenario is called `smok`
  did you mean `smoke`?
  built in: smoke, mistakes, throughput, rotation, sink-outage, engine-faults, thousand, soak-30m, nightly-48h
  a file of your own is given by its path, such as `./smok.toml`

no scenario is called `nightly`
  did you mean `nightly-48h`?
  built in: smoke, mistakes, throughput, rotation, sink-outage, engine-faults, thousand, soak-30m, nightly-48h
  a file of your own is given by its path, such as `./nightly.toml`

no scenario is called `churn`
  built in: smoke, mistakes, throughput, rotation, sink-outage, engine-faults, thousand, soak-30m, nightly-48h
  a file of your own is given by its path, such as `./churn.toml`

cannot read the scenario ./no-such.toml: No such file or directory (os error 2)
  check the path; `leaksoak scenarios` lists those that are built in

cannot read the scenario /: Is a directory (os error 21)
  give the path of a TOML file in it

cannot read the scenario mine.toml/x: No such file or directory (os error 2)
  check the path; `leaksoak scenarios` lists those that are built in
"##);
}

#[test]
fn a_file_that_is_not_toml_is_told_with_its_line() {
    let said = |text: &[u8]| said_of(text, &Overrides::default());
    insta::assert_snapshot!(all([
        said(b"\x7fELF\x02\x01\x01\0\0\0"),
        said(b"name = 'x'\nabout = '\xff'\n"),
        said(b"name = \"mine\nduration = 1"),
        said(b"name = 'x'\nduration 10m"),
        said(b"name = 'x'\nname = 'y'"),
        said(b"\xef\xbb\xbf{\"name\": \"x\"}"),
        said(&vec![b'#'; (1 << 20) + 1]),
        said(format!("name = \"{}\nx", "very ".repeat(1_000)).as_bytes()),
        said(b""),
    ]), @r##"
mine.toml:1:11: this is not TOML: key with no value, expected `=`
  | �ELF������
  |           ^

mine.toml:2: this is not UTF-8
  a scenario is a TOML file in UTF-8; save it as such

mine.toml:1:13: this is not TOML: invalid basic string, expected `"`
  | name = "mine
  |             ^

mine.toml:2:10: this is not TOML: key with no value, expected `=`
  | duration 10m
  |          ^

mine.toml:2:1: this is not TOML: duplicate key
  | name = 'y'
  | ^

mine.toml:1:2: this is not TOML: invalid key-value pair, expected key
  | ﻿{"name": "x"}
  |  ^

mine.toml is larger than 1048576 bytes
  a scenario is a TOML file of a page or two; is this the right file?

mine.toml:2:2: this is not TOML: key with no value, expected `=`
  | x
  |  ^

mine.toml:1: `name` is missing
  add it: it has no default
"##);
}

#[test]
fn an_unknown_key_is_told_with_its_line_and_the_nearest_known_one() {
    insta::assert_snapshot!(all([
        said_with("warmup", "warm_up"),
        said_with("rotate_every", "rotate_evry"),
        said_with("[log]", "[logs]"),
        said_with("max_size", "zzz"),
        said_with("loss_pct", "loss_percent"),
        said_with("burst =", "bursts ="),
        said_with("warmup", "\"\\u001b[31mred\"")
    ]), @r##"
mine.toml:4: unknown key `warm_up`
  did you mean `warmup`?
  known here: name, about, duration, warmup, sample_every, checkpoint_every, drain, stop_when_decided, isolate, containers, log, engine, sink, delivery, arms, stage, criteria

mine.toml:23: unknown key `arms.pooled.rotate_evry`
  did you mean `rotate_every`?
  known here: name, strategy, expect, rotate_every, coalesce, http, mistake, ignore_older, fallback, without, as_archived, program, nofile, memory, restart

mine.toml:17: unknown key `logs`
  did you mean `log`?
  known here: name, about, duration, warmup, sample_every, checkpoint_every, drain, stop_when_decided, isolate, containers, log, engine, sink, delivery, arms, stage, criteria

mine.toml:18: unknown key `log.zzz`
  known here: max_size, max_file

mine.toml:31: unknown key `criteria.loss_percent`
  did you mean `loss_pct`?
  known here: task_growth_per_min, fd_growth_per_min, growth, min_projected_uptime, loss_pct, uptime_pct, oom_kills, connection_timeouts

mine.toml:14: unknown key `containers.1.bursts`
  did you mean `burst`?
  known here: count, load, rate, burst, every, line_bytes

mine.toml:4: unknown key `\u{1b}[31mred`
  known here: name, about, duration, warmup, sample_every, checkpoint_every, drain, stop_when_decided, isolate, containers, log, engine, sink, delivery, arms, stage, criteria
"##);
}

#[test]
fn a_value_of_the_wrong_type_is_told_with_what_it_takes() {
    insta::assert_snapshot!(all([
        said_with("\"10m\"", "10"),
        said_with("\"10m\"", "\"10 minutes\""),
        said_with("\"10m\"", "2026-01-01"),
        said_with("\"10m\"", "\"\\u001b[31m10m\""),
        said_with("count = 2", "count = -2"),
        said_with("count = 2", "count = 2.5"),
        said_with("count = 2", "count = 99999999999999999999"),
        said_with("\"1MiB\"", "\"1M\""),
        said_with("\"10/s\"", "\"10\""),
        said_with("strategy = \"pooled\"", "strategy = \"poled\""),
        said_with("expect = \"fail\"", "expect = false"),
        said_with("expect = \"fail\"", "mistake = \"kept-bodies\""),
        said_with("\"30s\"", "\"30s\"\nhttp = 2"),
        said_with("\"pooled\"\nrotate", "\"hybrid\"\nwithout = \"offsets\"\nrotate"),
        said_with("\"pooled\"\nrotate", "\"hybrid\"\nwithout = [\"ofsets\"]\nrotate"),
        said_with("\"pooled\"\nrotate", "\"program\"\nprogram = \"\"\n#"),
        said_with("[criteria]", "[[stage]]\nfrom = \"0s\"\nshare_pct = \"50%\"\n[criteria]"),
        said_with("[criteria]", "[delivery]\nbatch_lines = -1\n[criteria]"),
        said_with("loss_pct = 1", "loss_pct = \"1%\""),
        said_with("[log]\nmax_size = \"1MiB\"", "[[log]]"),
        said_with("[[containers]]\ncount = 1", "[containers]\ncount = 1"),
    ]), @r##"
mine.toml:3: `duration` is 10
  it takes a duration such as "500ms", "30s", "2m" or "1h30m"

mine.toml:3: `duration`: `10 minutes` is not a duration: it takes whole numbers, each with a unit: d, h, m, s or ms; write "500ms", "30s", "2m" or "1h30m"

mine.toml:3: `duration` is 2026-01-01
  it takes a duration such as "500ms", "30s", "2m" or "1h30m"

mine.toml:3: `duration`: `\u{1b}[31m10m` is not a duration: it takes whole numbers, each with a unit: d, h, m, s or ms; write "500ms", "30s", "2m" or "1h30m"

mine.toml:7: `containers.0.count` is -2
  it takes a whole number from 1 to 5000

mine.toml:7: `containers.0.count` is 2.5
  it takes a whole number from 1 to 5000

mine.toml:7: `containers.0.count` is 99999999999999999999
  it takes a whole number from 1 to 5000

mine.toml:18: `log.max_size`: `1M` is not a size: it takes a whole number and a unit: B, KiB, MiB, GiB, kB, MB or GB; write "120B", "64KiB", "1MiB" or "10MB"

mine.toml:9: `containers.0.rate`: `10` is not a rate: it takes a number and a unit: /s, /min or /h; write "10/s", "0.5/s" or "600/min"

mine.toml:22: `arms.pooled.strategy` is "poled", not one of pooled, naive, hybrid, program, idle
  did you mean `pooled`?

mine.toml:28: `arms.naive.expect` is false, not one of pass, fail
  did you mean `fail`?

mine.toml:28: `arms.naive.mistake` is "kept-bodies", not one of forgotten-handle, detached-timeout, stuck-pump, kept-body, blocking-read
  did you mean `kept-body`?

mine.toml:24: `arms.pooled.http` is 2
  it takes a text in quotes: write `http = "2"`

mine.toml:23: `arms.pooled.without` is "offsets"
  it takes a list of words, such as ["offsets"]

mine.toml:23: `arms.pooled.without.0` is "ofsets", not one of timestamp-filter, offsets, retry-limit, shared-connection, closed-watchers
  did you mean `offsets`?

mine.toml:23: `arms.pooled.program` is ""
  give its path: `program = "target/release/my-arm"`

mine.toml:32: `stage.0.share_pct` is "50%"
  it takes a whole number from 1 to 100

mine.toml:31: `delivery.batch_lines` is -1
  it takes a whole number from 1 to 100000

mine.toml:31: `criteria.loss_pct` is "1%"
  it takes a number

mine.toml:17: `log` is a list
  it takes a table, `[log]`

mine.toml:11:2: this is not TOML: duplicate key
  | [containers]
  |  ^
"##);
}

#[test]
fn a_missing_key_is_told_with_where_it_should_be() {
    insta::assert_snapshot!(all([
        said_with("duration = \"10m\"\n", ""),
        said_with("strategy = \"naive\"\n", ""),
        said_with("count = 1\n", ""),
        said_with("rate = \"10/s\"\n", ""),
        said_with("every = \"10s\"\n", ""),
    ]), @r##"
mine.toml:1: `duration` is missing
  add it: it has no default

mine.toml:25: `arms.naive.strategy` is missing
  add it: it has no default

mine.toml:11: `containers.1.count` is missing
  add it: it has no default

mine.toml:6: `containers.0.rate` is missing: `load = "steady"` needs it
  write `rate = "10/s"`

mine.toml:11: `containers.1.every` is missing: `load = "bursty"` needs it
  write `every = "10s"`
"##);
}

#[test]
fn what_makes_no_sense_together_is_told_with_a_remedy() {
    insta::assert_snapshot!(all([
        said_with("\"mine\"", "\"My Scenario\""),
        said_with("\"a line\"", "\"a\\nb\""),
        said_with("warmup = \"1m\"", "warmup = \"10m\""),
        said_with("warmup", "sample_every = \"10ms\"\nwarmup"),
        said_with("warmup", "checkpoint_every = \"500ms\"\nwarmup"),
        said_with("warmup", "checkpoint_every = \"1h\"\nwarmup"),
        said_with("warmup", "drain = \"2h\"\nwarmup"),
        said_with("count = 2", "count = 0"),
        said_with("count = 2", "count = 5000"),
        said_with("rate", "burst = 3\nrate"),
        said_with("rate", "line_bytes = \"10B\"\nrate"),
        said_with("burst = 100", "burst = 0"),
        said_with("every = \"10s\"", "every = \"0s\""),
        said_with("\"1MiB\"", "\"1KiB\"\nmax_file = 1"),
        said_with("\"1MiB\"", "\"1MiB\"\nmax_file = 1"),
        said_with("[criteria]", "[sink]\nrefuse_older_than = \"0s\"\n[criteria]"),
        said_with("name = \"naive\"", "name = \"pooled\""),
        said_with("name = \"naive\"", "name = \"engine\""),
        said_with("strategy = \"pooled\"", "strategy = \"idle\""),
        said_with("expect = \"fail\"", "as_archived = true"),
        said_with("\"30s\"", "\"30s\"\nmistake = \"kept-body\""),
        said_with("\"30s\"", "\"30s\"\ncoalesce = \"2s\""),
        said_with("expect = \"fail\"", "http = \"2\""),
        said_with("\"30s\"", "\"1ms\""),
        said_with("expect = \"fail\"", "nofile = 10"),
        said_with("expect = \"fail\"", "memory = \"1MiB\""),
        said_with("loss_pct = 1", "loss_pct = 101"),
        said_with("loss_pct = 1", "fd_growth_per_min = nan"),
        said_with("strategy = \"pooled\"", "strategy = \"pooled\"\nexpect = \"fail\""),
    ]), @r##"
mine.toml:1: `name` is "My Scenario"
  use 1 to 40 lower-case letters, digits and `-`: it names files and directories

mine.toml:2: `about` is more than a line of plain text
  say in one line what the scenario shows; the rest belongs into comments

mine.toml:4: `warmup` is 10m, and the whole run (10m) is no longer
  make `warmup` shorter or `duration` longer: what is judged comes after the warm-up

mine.toml:4: `sample_every` is 10ms
  sample every 100ms or less often

mine.toml:4: `checkpoint_every` is 500ms, shorter than `sample_every` (1s)
  make it at least as long: a checkpoint reads what the sampler saw

mine.toml:4: `checkpoint_every` is 1h, longer than the run (10m)
  make it shorter: the run would have no checkpoint

mine.toml:4: `drain` is 2h
  use at most 1h: it is the time for lines in flight to arrive

mine.toml:7: `containers.0.count` is 0
  use 1 or more, or leave the group out

mine.toml:6: `containers` asks for 5001 containers in all
  use at most 5000

mine.toml:9: `containers.0.burst` has no meaning with `load = "steady"`
  take it out, or choose another load

mine.toml:9: `containers.0.line_bytes` is 10B
  use 64B to 1MiB: a line carries its number and its time

mine.toml:14: `containers.1.burst` is 0
  use 1 or more, or `load = "silent"`

mine.toml:15: `containers.1.every` is 0s
  use 10ms or longer, or `load = "steady"`

mine.toml:18: `log.max_size` is 1KiB
  use 16KiB or more

mine.toml:19: `log.max_file` is 1
  use 2 or more: with one file, a rotation throws away lines that nobody has read yet

mine.toml:31: `sink.refuse_older_than` is 0s, which refuses every line
  use a longer time such as "5m", or leave it out to refuse nothing

mine.toml:26: `arms.1.name` is "pooled", the name of an arm above
  give each arm a name of its own

mine.toml:26: `arms.1.name` is "engine", which names another part of the report
  choose another name

mine.toml:23: `arms.pooled.rotate_every` has no meaning with `strategy = "idle"`
  take it out, or choose another strategy

mine.toml:28: `arms.naive.as_archived` has no meaning with `strategy = "naive"`
  take it out, or choose another strategy

mine.toml:24: `arms.pooled.mistake` has no meaning with `strategy = "pooled"`
  take it out, or choose another strategy

mine.toml:24: `arms.pooled.coalesce` is 2s
  use at most 1s, or "0" to read whenever something has come: lines are late by as much

mine.toml:28: `arms.naive.http` has no meaning with `strategy = "naive"`
  take it out, or choose another strategy

mine.toml:23: `arms.pooled.rotate_every` is 1ms
  use 100ms or longer

mine.toml:28: `arms.naive.nofile` is 10
  use 64 or more: an arm needs some to start at all

mine.toml:28: `arms.naive.memory` is 1MiB
  use 16MiB or more: an arm needs some to start at all

mine.toml:31: `criteria.loss_pct` is 101
  use a percentage from 0 to 100

mine.toml:31: `criteria.fd_growth_per_min` is NaN
  use a number of 0 or more, such as 2

mine.toml:20: `arms` has only controls (`expect = "fail"`)
  add an arm with `expect = "pass"`: a run is there to judge one
"##);
}

#[test]
fn a_hybrid_that_cannot_be_is_told_with_a_remedy() {
    insta::assert_snapshot!(all([
        said_with("\"pooled\"\nrotate", "\"hybrid\"\nwithout = [\"ofsets\"]\nrotate"),
        said_with("\"pooled\"\nrotate", "\"hybrid\"\nwithout = [\"offsets\", \"offsets\"]\nrotate"),
        said_with("\"pooled\"\nrotate", "\"hybrid\"\nwithout = []\nas_archived = true\nrotate"),
        said_with("\"pooled\"\nrotate", "\"hybrid\"\nfallback = \"naive\"\nrotate"),
        said_with("\"pooled\"\nrotate_every = \"30s\"", "\"program\""),
    ]), @r##"
mine.toml:23: `arms.pooled.without.0` is "ofsets", not one of timestamp-filter, offsets, retry-limit, shared-connection, closed-watchers
  did you mean `offsets`?

mine.toml:23: `arms.pooled.without` names a protection twice
  name each at most once

mine.toml:23: `arms.pooled.without` is given beside `as_archived = true`, which takes every protection away
  leave one of the two out

mine.toml:23: `arms.pooled.fallback` is "naive", not one of none, pooled

mine.toml:20: `arms.pooled.program` is missing: `strategy = "program"` needs it
  write `program = "target/release/my-arm"`
"##);
}

#[test]
fn a_program_that_cannot_be_started_is_told_with_a_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("my-arm");
    fs::write(&file, "").unwrap();
    let said_of_program =
        |program: &str| said_with("\"pooled\"\nrotate", &format!("\"program\"\nprogram = {program:?}\n#"));
    let (file, dir) = (file.to_str().unwrap(), dir.path().to_str().unwrap());
    let beyond = format!("{file}/my-arm");
    let said = all(["target/no-such", "/nonexistent/arm", dir, file, &beyond, "no-such-arm"].map(said_of_program));
    let here = std::env::current_dir().unwrap();
    insta::assert_snapshot!(said.replace(dir, "/dir").replace(here.to_str().unwrap(), "/here"), @r##"
mine.toml:23: `arms.pooled.program` is "target/no-such", which does not exist in /here, where leaksoak runs
  build it, or correct the path

mine.toml:23: `arms.pooled.program` is "/nonexistent/arm", which does not exist
  build it, or correct the path

mine.toml:23: `arms.pooled.program` is "/dir", which is no file
  give the path of an executable file

mine.toml:23: `arms.pooled.program` is "/dir/my-arm", which is not executable
  allow it with `chmod +x`, or correct the path

mine.toml:23: `arms.pooled.program` is "/dir/my-arm/my-arm", which cannot be looked at: Not a directory (os error 20)
  give the path of an executable file

mine.toml:23: `arms.pooled.program` is "no-such-arm", which is no executable file in a directory of PATH
  a file where leaksoak runs is given as `./no-such-arm`, any other by its path
"##);
}

#[test]
fn the_program_of_an_arm_that_does_not_run_need_not_be_there() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mine.toml");
    fs::write(&path, GOOD.replacen("strategy = \"naive\"", "strategy = \"program\"\nprogram = \"./no-such\"", 1))
        .unwrap();
    let pooled_alone = Overrides { arms: vec!["pooled".to_owned()], ..Overrides::default() };
    load(path.to_str().unwrap(), &pooled_alone).unwrap();
}

#[test]
fn stages_that_cannot_be_are_told_with_a_remedy() {
    let stages = |stages: &[(&str, u32)]| {
        let stage = |(from, pct): &(&str, u32)| format!("[[stage]]\nfrom = \"{from}\"\nshare_pct = {pct}\n");
        let stages = stages.iter().map(stage).collect::<Vec<_>>().concat();
        said_with("[criteria]", &format!("{stages}[criteria]"))
    };
    insta::assert_snapshot!(all([
        stages(&[("1m", 10)]),
        stages(&[("0s", 10), ("0s", 100)]),
        stages(&[("0s", 0)]),
        stages(&[("0s", 50), ("1m", 50)]),
        stages(&[("0s", 50), ("1m", 101)]),
        stages(&[("0s", 50), ("1m", 90)]),
        stages(&[("0s", 50), ("1h", 100)]),
    ]), @r##"
mine.toml:31: `stage.0.from` is 1m
  let the first stage begin at "0s"

mine.toml:34: `stage.1.from` is 0s
  let each stage begin after the one above

mine.toml:32: `stage.0.share_pct` is 0
  use 1 to 100, and more than in the stage above

mine.toml:35: `stage.1.share_pct` is 50
  use 1 to 100, and more than in the stage above

mine.toml:35: `stage.1.share_pct` is 101
  use 1 to 100, and more than in the stage above

mine.toml:35: `stage.1.share_pct` is 90, and it is the last stage
  add a stage with `share_pct = 100`: what no arm monitors until the end is lost to all of them

mine.toml:34: `stage.1.from` is 1h, and the whole run (10m) is no longer
  let it begin earlier, or make `duration` longer
"##);
}

#[test]
fn a_sink_that_cannot_be_is_told_with_a_remedy() {
    let fault = |keys: &str| said_with("[criteria]", &format!("[[sink.faults]]\n{keys}\n[criteria]"));
    insta::assert_snapshot!(all([
        fault("kind = \"dwn\"\nfrom = \"1m\""),
        fault("kind = \"down\""),
        fault("kind = \"down\"\nfrom = \"1h\""),
        fault("kind = \"down\"\nfrom = \"1m\"\nfor = \"0s\""),
        fault("kind = \"down\"\nfrom = \"1m\"\npct = 5"),
        fault("kind = \"refuse\"\nfrom = \"1m\""),
        fault("kind = \"refuse\"\nfrom = \"1m\"\npct = 0"),
        fault("kind = \"answer\"\nfrom = \"1m\"\npct = 5\nstatus = 404"),
        fault("kind = \"slow\"\nfrom = \"1m\"\ndelay = \"2m\""),
    ]), @r##"
mine.toml:31: `sink.faults.0.kind` is "dwn", not one of down, cut, answer, refuse, slow
  did you mean `down`?

mine.toml:30: `sink.faults.0.from` is missing
  add it: it has no default

mine.toml:32: `sink.faults.0.from` is 1h, and the whole run (10m) is no longer
  let it begin earlier, or make `duration` longer

mine.toml:33: `sink.faults.0.for` is 0s
  use a longer time, or leave it out for the rest of the run

mine.toml:33: `sink.faults.0.pct` has no meaning with `kind = "down"`
  take it out, or choose another kind

mine.toml:30: `sink.faults.0.pct` is missing: `kind = "refuse"` needs it
  write `pct = 5`

mine.toml:33: `sink.faults.0.pct` is 0
  use a percentage above 0, up to 100

mine.toml:34: `sink.faults.0.status` is 404
  use 429 or 500 to 599: with any other, an agent is right to give the lines up

mine.toml:33: `sink.faults.0.delay` is 2m
  use 1ms to 1m
"##);
}

#[test]
fn a_delivery_that_cannot_be_is_told_with_a_remedy() {
    let delivery = |key: &str| said_with("[criteria]", &format!("[delivery]\n{key}\n[criteria]"));
    insta::assert_snapshot!(all([
        delivery("batch_line = 5"),
        delivery("batch_lines = 0"),
        delivery("batch_bytes = \"8MiB\""),
        delivery("batch_wait = \"1h\""),
        delivery("retry_first = \"0s\""),
        delivery("retry_limit = \"1ms\""),
        delivery("breaker_failures = 0"),
        delivery("breaker_open = \"1ms\""),
        delivery("dead_letter_bytes = \"1B\""),
        delivery("dead_letter_bytes = \"4KiB\"\ndead_letter_files = 100"),
        delivery("dead_letter_files = 101"),
    ]), @r##"
mine.toml:31: unknown key `delivery.batch_line`
  did you mean `batch_lines`?
  known here: batch_lines, batch_bytes, batch_wait, queued_batches, retry_first, retry_limit, give_up_after, breaker_failures, breaker_open, dead_letter_bytes, dead_letter_files

mine.toml:31: `delivery.batch_lines` is 0
  use 1 to 100000

mine.toml:31: `delivery.batch_bytes` is 8MiB
  use 1KiB to 4MiB: the sink takes 8MiB at once

mine.toml:31: `delivery.batch_wait` is 1h
  use at most 1m

mine.toml:31: `delivery.retry_first` is 0s
  use 1ms or longer

mine.toml:31: `delivery.retry_limit` is 1ms, shorter than `retry_first` (50ms)
  make it at least as long: pauses grow from the one to the other

mine.toml:31: `delivery.breaker_failures` is 0
  use 1 to 1000

mine.toml:31: `delivery.breaker_open` is 1ms
  use 10ms or longer

mine.toml:31: `delivery.dead_letter_bytes` is 1B
  use 4KiB or more

mine.toml:31: `delivery.dead_letter_bytes` is 4KiB, which is 40B for each of 100 files
  use 400KiB or more, or fewer `dead_letter_files`: each has 4KiB at least

mine.toml:31: `delivery.dead_letter_files` is 101
  use 1 to 100
"##);
}

#[test]
fn an_empty_list_is_told_with_what_to_add() {
    let head = "name = 'x'\nduration = '1m'\nwarmup = '1s'\n";
    let said = |rest: &str| said_of(format!("{head}{rest}").as_bytes(), &Overrides::default());
    insta::assert_snapshot!(all([
        said("containers = []\narms = []"),
        said("arms = []\n[[containers]]\ncount = 1\nload = 'silent'"),
    ]), @r##"
mine.toml:4: `containers` has no group
  add `[[containers]]` with `count = 1` and `load = "silent"`, or more

mine.toml:4: `arms` has no arm
  add `[[arms]]` with a `name` and a `strategy`
"##);
}

#[test]
fn a_mistake_in_a_flag_names_the_flag() {
    insta::assert_snapshot!(all([
        said_with_set("duration"),
        said_with_set("=2m"),
        said_with_set("criteria..loss_pct=1"),
        said_with_set("duration=2x"),
        said_with_set("warmup=1h"),
        said_with_set("durations=2m"),
        said_with_set("criteria.los_pct=2"),
        said_with_set("critera.loss_pct=2"),
        said_with_set("arms.nave.expect=pass"),
        said_with_set("arms.naive.expect=passes"),
        said_with_set("containers.7.count=1"),
        said_with_set("sink.faults.0.kind=down"),
        said_with_set("stage.0.share_pct=5"),
        said_with_set("arms.pooled.without=offsets"),
        said_with_set("containers=3"),
        said_with_set("criteria=3"),
        said_with_set("duration.unit=3"),
        said_with_set("arms.naive.as_archived=true"),
    ]), @r##"
`--set duration` has no `=`
  write `--set key=value`, such as `--set duration=2m` or `--set arms.naive.expect=pass`

`--set =2m` has an empty key
  write `--set key=value`, such as `--set duration=2m` or `--set arms.naive.expect=pass`

`--set criteria..loss_pct=1` has an empty key
  write `--set key=value`, such as `--set duration=2m` or `--set arms.naive.expect=pass`

`--set duration=2x`: `duration`: `2x` is not a duration: it takes whole numbers, each with a unit: d, h, m, s or ms; write "500ms", "30s", "2m" or "1h30m"

`--set warmup=1h`: `warmup` is 1h, and the whole run (10m) is no longer
  make `warmup` shorter or `duration` longer: what is judged comes after the warm-up

`--set durations=2m`: unknown key `durations`
  did you mean `duration`?
  known here: name, about, duration, warmup, sample_every, checkpoint_every, drain, stop_when_decided, isolate, containers, log, engine, sink, delivery, arms, stage, criteria

`--set criteria.los_pct=2`: unknown key `criteria.los_pct`
  did you mean `loss_pct`?
  known here: task_growth_per_min, fd_growth_per_min, growth, min_projected_uptime, loss_pct, uptime_pct, oom_kills, connection_timeouts

`--set critera.loss_pct=2`: unknown key `critera`
  did you mean `criteria`?
  known here: name, about, duration, warmup, sample_every, checkpoint_every, drain, stop_when_decided, isolate, containers, log, engine, sink, delivery, arms, stage, criteria

`--set arms.nave.expect=pass`: no `arms.nave` in this scenario
  did you mean `naive`?
  there is: pooled, naive

`--set arms.naive.expect=passes`: `arms.naive.expect` is "passes", not one of pass, fail
  did you mean `pass`?

`--set containers.7.count=1`: no `containers.7` in this scenario
  there is: 0, 1

`--set sink.faults.0.kind=down`: no `sink.faults.0` in this scenario
  there is none: an item is added in the scenario's file, and `--set` changes it

`--set stage.0.share_pct=5`: no `stage.0` in this scenario
  there is none: an item is added in the scenario's file, and `--set` changes it

`--set arms.pooled.without=offsets`: `arms.pooled.without` has no meaning with `strategy = "pooled"`
  take it out, or choose another strategy

`--set containers=3`: `containers` is 3
  it takes a list of tables

`--set criteria=3`: `criteria` is 3
  it takes a table, `[criteria]`

`--set duration.unit=3`: `duration` is "10m", and has no keys inside it
  set it as a whole: `--set duration=...`

`--set arms.naive.as_archived=true`: `arms.naive.as_archived` has no meaning with `strategy = "naive"`
  take it out, or choose another strategy
"##);
}

#[test]
fn a_choice_that_the_scenario_does_not_have_is_told_with_those_it_has() {
    let arms = |name: &str| Overrides { arms: vec![name.to_owned()], ..Overrides::default() };
    let containers = |n| Overrides { containers: Some(n), ..Overrides::default() };
    let duration = |text: &str| Overrides { duration: text.parse().ok(), ..Overrides::default() };
    insta::assert_snapshot!(all([
        said_of(GOOD.as_bytes(), &arms("pool")),
        said_of(GOOD.as_bytes(), &arms("")),
        said_of(GOOD.as_bytes(), &containers(0)),
        said_of(GOOD.as_bytes(), &containers(5_001)),
        said_of(GOOD.as_bytes(), &duration("0s")),
    ]), @r##"
`--arm pool`: no `arms.pool` in this scenario
  did you mean `pooled`?
  there is: pooled, naive

`--arm `: no `arms.` in this scenario
  there is: pooled, naive

`--containers 0`: `containers` cannot be 0 in all
  use 1 to 5000

`--containers 5001`: `containers` cannot be 5001 in all
  use 1 to 5000

`--duration 0s`: `duration` is 0s
  use 1s or longer
"##);
}
