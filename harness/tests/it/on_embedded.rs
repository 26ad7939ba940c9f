//! Whole runs on the embedded engine, short ones: the tool where nothing is installed, and faults that nobody may do to a
//! real daemon.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Signal, kill_process};

use crate::place::{Place, SCENARIO, pid, wait_until_measuring};
use crate::support::{arm_pids, eventually, leaksoak, lives, stderr};

fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The process of a run's engine, and the scratch directory of the run.
fn engine_of(out: &Path) -> (u32, PathBuf) {
    let info = json(&out.join("run.json"));
    assert_eq!(info["engine"]["kind"], "embedded");
    let scratch = std::env::temp_dir().join(format!("leaksoak-{}", info["run_id"].as_str().unwrap()));
    (info["engine"]["pid"].as_u64().unwrap().try_into().unwrap(), scratch)
}

#[test]
fn where_no_docker_answers_the_embedded_engine_serves_and_it_is_said() {
    let place = Place::on("auto");
    let output = place.run(&[]).env("DOCKER_HOST", "unix:///nonexistent").output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{}\n{said}", stderr(&output));
    assert!(said.starts_with("PASS: short on embedded "), "{said}");
    assert!(stderr(&output).contains("no Docker engine at unix:///nonexistent"), "{}", stderr(&output));
    let summary = fs::read_to_string(place.out().join("summary.md")).unwrap();
    assert!(summary.lines().next().unwrap().contains("embedded"), "{summary}");
    for arm in json(&place.out().join("ledger.json"))["arms"].as_array().unwrap() {
        assert_eq!((&arm["total"]["lost"], &arm["total"]["duplicated"]), (&0.into(), &0.into()), "{arm}");
        assert!(arm["total"]["delivered"].as_u64().unwrap() > 300, "{arm}");
    }
    let (engine, scratch) = engine_of(&place.out());
    assert!(!lives(engine) && !scratch.exists());
}

#[test]
fn arms_that_take_turns_have_the_engine_to_themselves_and_lines_of_their_own() {
    let place = Place::on("embedded");
    let output = place.run(&["--set", "isolate=true", "--arm", "naive", "--arm", "pooled"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("turn 2 of 2: "), "{}", stderr(&output));
    let verdict = place.verdict();
    for (turn, arm) in ["pooled", "naive"].into_iter().enumerate() {
        assert_eq!(verdict["turns"][turn]["arms"], serde_json::json!([arm]));
        let directory = place.out().join("turns").join(arm);
        let (engine, scratch) = engine_of(&directory);
        assert!(!lives(engine) && !scratch.exists());
        let ledger = json(&directory.join("ledger.json"));
        let total = &ledger["arms"][0]["total"];
        assert_eq!((&ledger["arms"][0]["arm"], &total["lost"]), (&arm.into(), &0.into()), "{ledger}");
        assert!(total["delivered"].as_u64().unwrap() > 300, "{ledger}");
    }
    let grew =
        |turn: usize| verdict["turns"][turn]["engine_growth"][0]["growth"]["cumulative_per_min"].as_f64().unwrap();
    assert!(grew(0) < 20.0 && grew(1) > 60.0, "each stream that naive leaks is one of the engine's, in its turn only");
}

#[test]
fn a_run_in_turns_that_is_interrupted_reports_the_turns_it_had() {
    let place = Place::on("embedded");
    let mut child = place.run(&["--set", "isolate=true", "--duration", "10m", "--quiet"]).spawn().unwrap();
    wait_until_measuring(&mut child, &place.out().join("turns/pooled"));
    kill_process(pid(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let verdict = place.verdict();
    assert!(verdict["partial"].as_str().unwrap().contains("turn of pooled: interrupted by SIGINT"), "{verdict}");
    assert!(verdict["partial"].as_str().unwrap().contains("turn of naive: it was not begun"), "{verdict}");
    assert_eq!(fs::read_dir(place.out().join("turns")).unwrap().count(), 1);
}

#[test]
fn an_engine_is_spoken_to_over_tcp_by_the_harness_and_by_its_arms() {
    let place = Place::on("docker");
    let socket = place.dir.path().join("engine.sock");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let mut engine = leaksoak(&["engine", "--socket", socket.to_str().unwrap(), "--tcp", &address])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // It says so when it serves.
    let mut ready = String::new();
    BufReader::new(engine.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    let host = format!("tcp://{address}");
    let run = place.run(&["--arm", "pooled", "--arm", "hybrid"]).env("DOCKER_HOST", &host).output();
    let ended = kill_process(pid(&engine), Signal::TERM).map(|()| engine.wait());
    let output = run.unwrap();
    assert!(ended.unwrap().unwrap().success(), "{ready}");
    assert_eq!(output.status.code(), Some(0), "{ready}{}", stderr(&output));
    let info = json(&place.out().join("run.json"));
    assert_eq!(info["engine"]["address"], host);
    assert!(info["engine"]["pid"].is_null(), "whose process it is, TCP does not tell: {}", info["engine"]);
    for arm in json(&place.out().join("ledger.json"))["arms"].as_array().unwrap() {
        assert_eq!((&arm["total"]["lost"], &arm["total"]["duplicated"]), (&0.into(), &0.into()), "{arm}");
        assert!(arm["total"]["delivered"].as_u64().unwrap() > 100, "{arm}");
    }
}

#[test]
fn a_run_that_is_killed_leaves_no_engine_and_the_next_one_clears_up() {
    let place = Place::on("embedded");
    let mut child = place.run(&["--duration", "10m", "--quiet"]).spawn().unwrap();
    wait_until_measuring(&mut child, &place.out());
    let (engine, scratch) = engine_of(&place.out());
    let arms = arm_pids(&place.out());
    assert!(lives(engine) && scratch.exists() && arms.len() == 3);
    child.kill().unwrap();
    child.wait().unwrap();
    eventually(Duration::from_secs(2), "engine and arms are dead", || {
        !lives(engine) && arms.iter().all(|pid| !lives(*pid))
    });
    assert!(leaksoak(&["clean"]).env("DOCKER_HOST", "unix:///nonexistent").status().unwrap().success());
    assert!(!scratch.exists());
}

#[test]
fn an_engine_that_dies_in_mid_run_ends_it_with_a_partial_report() {
    let place = Place::on("embedded");
    let mut run = place.run(&["--duration", "10m"]);
    let mut child = run.stderr(Stdio::piped()).spawn().unwrap();
    wait_until_measuring(&mut child, &place.out());
    let (engine, _) = engine_of(&place.out());
    kill_process(rustix::process::Pid::from_raw(engine.try_into().unwrap()).unwrap(), Signal::KILL).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(5), "{}", stderr(&output));
    assert!(stderr(&output).contains("the engine was lost"), "{}", stderr(&output));
    assert!(fs::read_to_string(place.out().join("summary.md")).unwrap().contains("Partial report"));
}

#[test]
fn ctrl_c_ends_early_and_nothing_is_left() {
    let place = Place::on("embedded");
    let mut child = place.run(&["--duration", "10m", "--quiet"]).spawn().unwrap();
    wait_until_measuring(&mut child, &place.out());
    let (engine, scratch) = engine_of(&place.out());
    kill_process(pid(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!lives(engine) && !scratch.exists());
}

#[test]
fn arms_come_through_an_engine_that_fails_without_losing_a_line() {
    let place = Place::on("auto");
    let faults = r#"
        [[engine.faults]]
        kind = "drop-streams"
        from = "2500ms"

        [[engine.faults]]
        kind = "cut-frames"
        from = "3s"

        [[engine.faults]]
        kind = "restart"
        from = "3500ms"
        for = "500ms"

        [[engine.faults]]
        kind = "stall"
        from = "4500ms"
        for = "500ms"
    "#;
    fs::write(place.dir.path().join("short.toml"), format!("{SCENARIO}\n{faults}")).unwrap();
    let output = place.run(&["--arm", "pooled", "--arm", "hybrid"]).output().unwrap();
    assert!(stderr(&output).contains("not done to a real engine"), "{}", stderr(&output));
    let events = fs::read_to_string(place.out().join("events.jsonl")).unwrap();
    for fault in ["drop-streams", "cut-frames", "restart", "stall"] {
        let told = |kind: &str| events.lines().any(|line| line.contains(kind) && line.contains(fault));
        assert!(told("fault_began") && told("fault_ended"), "{fault}: {events}");
    }
    for arm in json(&place.out().join("ledger.json"))["arms"].as_array().unwrap() {
        assert_eq!(arm["total"]["lost"], 0, "{arm}");
    }
}

#[test]
fn a_leak_in_the_engine_is_seen() {
    let place = Place::on("embedded");
    let leak = r#"
        [[engine.faults]]
        kind = "leak"
        from = "1s"
        for = "7s"
        fds_per_min = 600
        tasks_per_min = 600
    "#;
    fs::write(place.dir.path().join("short.toml"), format!("{SCENARIO}\n{leak}")).unwrap();
    place.run(&["--arm", "pooled"]).output().unwrap();
    let samples = fs::read_to_string(place.out().join("samples.csv")).unwrap();
    let head: Vec<_> = samples.lines().next().unwrap().split(',').collect();
    let column = |name: &str| head.iter().position(|column| *column == name).unwrap();
    let fds: Vec<u64> = samples
        .lines()
        .map(|line| line.split(',').collect::<Vec<_>>())
        .filter(|row| row[column("subject")] == "engine")
        .filter_map(|row| row[column("fds")].parse().ok())
        .collect();
    assert!(fds.last().unwrap() >= &(fds[0] + 50), "{fds:?}");
}
