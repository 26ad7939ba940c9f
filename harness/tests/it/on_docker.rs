//! Whole runs on a real Docker engine, short ones: what they end with, and that they leave nothing.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::place::{Place, SCENARIO, pid, wait_until_measuring};
use crate::proxy::Proxy;
use crate::support::{Docker, SmallDisk, arm_pids, eventually, leaksoak, lives, stderr};

#[test]
fn clean_arms_pass_and_the_control_fails() {
    let Some(docker) = Docker::take() else { return };
    let place = Place::on("docker");
    let output = place.run(&["--json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}\n{}", stderr(&output), String::from_utf8_lossy(&output.stdout));
    for file in [
        "run.json",
        "samples.csv",
        "checkpoints.csv",
        "fd_groups.csv",
        "task_groups.csv",
        "events.jsonl",
        "ledger.json",
        "verdict.json",
        "summary.md",
    ] {
        assert!(place.out().join(file).metadata().unwrap().len() > 0, "{file}");
    }
    for chart in ["tasks.png", "fds.png"] {
        assert!(fs::read(place.out().join("charts").join(chart)).unwrap().starts_with(b"\x89PNG"), "{chart}");
    }
    let ledger: serde_json::Value =
        serde_json::from_slice(&fs::read(place.out().join("ledger.json")).unwrap()).unwrap();
    for arm in ledger["arms"].as_array().unwrap() {
        assert_eq!(arm["total"]["lost"], 0, "{arm}");
        assert!(arm["total"]["delivered"].as_u64().unwrap() > 300, "{arm}");
    }
    let groups = fs::read_to_string(place.out().join("fd_groups.csv")).unwrap();
    assert!(
        groups.lines().any(|line| line.contains("naive") && line.contains("docker.sock")),
        "naive's sockets are named: {groups}"
    );
    assert_eq!(docker.containers_of(&place.out()), 0);

    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_naive_is_named_as_the_one_who_leaks(&said);
    let again = leaksoak(&["report", place.out().to_str().unwrap(), "--json"]).output().unwrap();
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&again.stdout).unwrap(),
        said,
        "the report is made from the directory alone"
    );
}

/// Its descriptors by the engine's socket, its tasks by file and line, and the engine's growth as what it left open.
fn assert_naive_is_named_as_the_one_who_leaks(verdict: &serde_json::Value) {
    let most = |subject: &str, metric: &str| {
        let grown = verdict["turns"][0]["grown"].as_array().unwrap();
        let mut of = grown.iter().filter(|group| group["subject"] == subject && group["metric"] == metric);
        of.next().unwrap_or_else(|| panic!("no {metric} of {subject} grew: {grown:?}")).clone()
    };
    let sockets = most("naive", "fds");
    assert!(sockets["target"].as_str().unwrap().ends_with("docker.sock"), "{sockets}");
    assert!(sockets["share_pct"].as_f64().unwrap() > 90.0, "{sockets}");
    let sites: Vec<&str> = verdict["turns"][0]["grown"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|group| group["subject"] == "naive" && group["metric"] == "tasks")
        .map(|group| group["target"].as_str().unwrap())
        .collect();
    let in_file = |file: &str| {
        sites.iter().any(|site| {
            site.split_once(".rs:").is_some_and(|(path, line)| path.contains(file) && line.parse::<u32>().is_ok())
        })
    };
    assert!(in_file("strategies/src/naive") && in_file("hyper-util"), "reader and connection: {sites:?}");

    let side = &verdict["turns"][0]["engine_side"];
    assert_eq!((&side["matches"], &side["arms"][0]["arm"]), (&true.into(), &"naive".into()), "{side}");
    let held = &side["held_per_connection"];
    assert!((2.7..3.3).contains(&held["fds"].as_f64().unwrap()), "{held}");
    assert!((4.0..6.0).contains(&held["tasks"].as_f64().unwrap()), "{held}");
}

#[test]
fn a_control_turned_into_an_ordinary_arm_fails_the_run() {
    let Some(_docker) = Docker::take() else { return };
    let place = Place::on("docker");
    let output = place.run(&["--set", "arms.naive.expect=pass", "--arm", "naive", "--arm", "pooled"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
}

#[test]
fn a_run_that_is_to_end_when_it_is_decided_ends_early_with_a_fail() {
    let Some(docker) = Docker::take() else { return };
    let place = Place::on("docker");
    let set = ["--arm", "naive", "--set", "arms.naive.expect=pass", "--set", "stop_when_decided=true"];
    let output = place.run(&[&["--duration", "2m", "--set", "warmup=2s"][..], &set].concat()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let verdict = place.verdict();
    assert!((31.0..60.0).contains(&verdict["measured_s"].as_f64().unwrap()), "{}", verdict["measured_s"]);
    assert!(verdict["partial"].as_str().unwrap().contains("FAIL was certain"), "{}", verdict["partial"]);
    let events = fs::read_to_string(place.out().join("events.jsonl")).unwrap();
    assert!(events.contains("\"decided\"") && events.contains("FD growth"), "{events}");
    assert_eq!(docker.containers_of(&place.out()), 0);
}

#[test]
fn an_arm_that_captures_nothing_makes_the_run_invalid() {
    let Some(_docker) = Docker::take() else { return };
    let place = Place::on("docker");
    let mut scenario = SCENARIO.to_owned();
    scenario.push_str("\n[[arms]]\nname = \"asleep\"\nstrategy = \"idle\"\n");
    fs::write(place.dir.path().join("short.toml"), scenario).unwrap();
    let output = place.run(&["--arm", "asleep"]).output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
}

#[test]
fn an_output_directory_that_exists_is_refused_and_left_alone() {
    let Some(_docker) = Docker::take() else { return };
    let place = Place::on("docker");
    fs::create_dir(place.out()).unwrap();
    fs::write(place.out().join("precious"), "x").unwrap();
    let output = place.run(&[]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("out"), "{}", stderr(&output));
    assert_eq!(fs::read_dir(place.out()).unwrap().count(), 1);
}

#[test]
fn ctrl_c_ends_early_with_a_partial_report_and_nothing_left() {
    let Some(docker) = Docker::take() else { return };
    let place = Place::on("docker");
    let mut child = place.run(&["--duration", "10m", "--quiet"]).spawn().unwrap();
    wait_until_measuring(&mut child, &place.out());
    kill_process(pid(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(fs::read_to_string(place.out().join("summary.md")).unwrap().contains("Partial report"));
    assert_eq!(docker.containers_of(&place.out()), 0);
    assert!(arm_pids(&place.out()).into_iter().all(|pid| !lives(pid)));
}

#[test]
fn after_a_kill_no_arm_survives_the_record_is_readable_and_the_next_run_clears_up() {
    let Some(docker) = Docker::take() else { return };
    let place = Place::on("docker");
    let mut child = place.run(&["--duration", "10m", "--quiet"]).spawn().unwrap();
    wait_until_measuring(&mut child, &place.out());
    let arms = arm_pids(&place.out());
    assert_eq!(arms.len(), 3);
    child.kill().unwrap();
    child.wait().unwrap();
    eventually(Duration::from_secs(2), "every arm is dead", || arms.iter().all(|pid| !lives(*pid)));
    assert_eq!(docker.containers_of(&place.out()), 2, "a killed run leaves its containers");

    let report = leaksoak(&["report", place.out().to_str().unwrap()]).output().unwrap();
    assert!(place.out().join("summary.md").exists(), "{}", stderr(&report));

    let next = Place::on("docker");
    let output = next.run(&["--quiet"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(docker.containers_of(&place.out()), 0);
}

#[test]
fn a_container_removed_by_someone_else_is_told_and_the_run_goes_on() {
    let Some(docker) = Docker::take() else { return };
    let place = Place::on("docker");
    let mut child = place.run(&["--quiet"]).spawn().unwrap();
    wait_until_measuring(&mut child, &place.out());
    docker.remove(&place.out(), "c01");
    let status = child.wait().unwrap();
    let events = fs::read_to_string(place.out().join("events.jsonl")).unwrap();
    assert!(events.contains("container_gone"), "{events}");
    assert!(
        status.code().is_some_and(|code| [0, 1, 3].contains(&code)),
        "it is judged, and its arms did work: {status}"
    );
    for arm in place.verdict()["arms"].as_array().unwrap() {
        assert_ne!(arm["outcome"], "INVALID", "{arm}");
    }
}

fn engine_socket() -> PathBuf {
    let host = std::env::var("DOCKER_HOST").unwrap_or_default();
    PathBuf::from(host.strip_prefix("unix://").unwrap_or("/var/run/docker.sock"))
}

#[test]
fn an_engine_that_dies_in_mid_run_ends_it_with_a_partial_report() {
    let Some(_docker) = Docker::take() else { return };
    let place = Place::on("docker");
    let socket = place.dir.path().join("d.sock");
    let engine = Proxy::before(&engine_socket(), &socket);
    let mut run = place.run(&["--duration", "10m"]);
    let mut child =
        run.env("DOCKER_HOST", format!("unix://{}", socket.display())).stderr(Stdio::piped()).spawn().unwrap();
    wait_until_measuring(&mut child, &place.out());
    engine.die();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(5), "{}", stderr(&output));
    assert!(stderr(&output).contains("the engine was lost"), "{}", stderr(&output));
    assert!(fs::read_to_string(place.out().join("summary.md")).unwrap().contains("Partial report"));
    assert!(arm_pids(&place.out()).into_iter().all(|pid| !lives(pid)));
}

#[test]
fn a_full_disk_ends_the_run_and_what_was_recorded_stays_readable() {
    let Some(docker) = Docker::take() else { return };
    let place = Place::on("docker");
    let small = place.dir.path().join("small");
    fs::create_dir(&small).unwrap();
    let Some(_mount) = SmallDisk::mount(&small) else { return };
    let out = small.join("out");
    let scenario = place.dir.path().join("short.toml");
    let output = leaksoak(&["run", scenario.to_str().unwrap(), "--out", out.to_str().unwrap(), "--duration", "10m"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(5), "{}", stderr(&output));
    assert!(stderr(&output).contains("samples.csv") || stderr(&output).contains("space"), "{}", stderr(&output));
    assert_eq!(docker.containers_of(&out), 0);

    let copy = place.dir.path().join("copy");
    assert!(Command::new("cp").arg("-r").args([&out, &copy]).status().unwrap().success());
    leaksoak(&["report", copy.to_str().unwrap()]).output().unwrap();
    assert!(copy.join("summary.md").exists());
}

#[test]
fn lines_refused_after_an_outage_are_delivered_by_a_replay_and_nothing_is_lost() {
    let Some(_docker) = Docker::take() else { return };
    let place = Place::on("docker");
    let outage = "\n[[sink.faults]]\nkind = \"down\"\nfrom = \"2s\"\nfor = \"3s\"\n\
                  \n[[sink.faults]]\nkind = \"refuse\"\npct = 20\nfrom = \"5s\"\nfor = \"3s\"\n\
                  \n[delivery]\nbreaker_failures = 3\nbreaker_open = \"200ms\"\n";
    fs::write(place.dir.path().join("short.toml"), SCENARIO.to_owned() + outage).unwrap();
    let out = place.out();
    let mut child = place.run(&["--duration", "25s", "--quiet", "--arm", "pooled", "--arm", "hybrid"]).spawn().unwrap();
    let events = || fs::read_to_string(out.join("events.jsonl")).unwrap_or_default();
    eventually(Duration::from_secs(60), "both faults are over", || {
        events().lines().filter(|line| line.contains("fault_ended")).count() == 2
    });
    let listed = leaksoak(&["dlq", "list", "--json", out.to_str().unwrap()]).output().unwrap();
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    for arm in ["pooled", "hybrid"] {
        assert!(listed[arm]["letters"].as_u64().unwrap() > 10, "{listed}");
    }
    let replayed = leaksoak(&["dlq", "replay", out.to_str().unwrap()]).output().unwrap();
    assert_eq!(replayed.status.code(), Some(0), "{}", stderr(&replayed));
    // So short a run may not tell about growth; the lines are what this is about.
    assert!(child.wait().unwrap().code().is_some_and(|code| [0, 3].contains(&code)));
    let ledger: serde_json::Value = serde_json::from_slice(&fs::read(out.join("ledger.json")).unwrap()).unwrap();
    for arm in ledger["arms"].as_array().unwrap() {
        assert_eq!(arm["total"]["lost"], 0, "{arm}");
        assert!(arm["total"]["refused"].as_u64().unwrap() > 10, "{arm}");
        let log = fs::read_to_string(out.join(format!("arms/{}.log", arm["arm"].as_str().unwrap()))).unwrap();
        assert!(log.contains("the breaker opens") && log.contains("the breaker closes"), "{log}");
    }
}

#[test]
fn a_hybrid_that_is_killed_ten_times_loses_nothing_and_repeats_a_batch_each_time_at_most() {
    const KILLS: usize = 10;
    const BATCH: u64 = 1024;
    let Some(_docker) = Docker::take() else { return };
    let place = Place::on("docker");
    let scenario =
        SCENARIO.replace("rate = \"50/s\"", "rate = \"2000/s\"").replace("duration = \"8s\"", "duration = \"40s\"")
            + "restart = \"on-crash\"\n[log]\nmax_size = \"64MiB\"\n";
    fs::write(place.dir.path().join("short.toml"), scenario).unwrap();
    let mut child = place.run(&["--quiet", "--arm", "hybrid"]).spawn().unwrap();
    wait_until_measuring(&mut child, &place.out());
    for kill in 0..KILLS {
        // Its successor starts a second later, with the backlog of that second.
        eventually(Duration::from_secs(10), "the arm is there, and reads", || {
            let pids = arm_pids(&place.out());
            pids.len() == kill + 1 && fs::read_dir(format!("/proc/{}/fd", pids[kill])).is_ok_and(|fds| fds.count() > 10)
        });
        let pid = i32::try_from(arm_pids(&place.out())[kill]).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    }
    // Its uptime is not what it should be; the lines are what this is about.
    child.wait().unwrap();
    assert_eq!(arm_pids(&place.out()).len(), KILLS + 1);
    let ledger: serde_json::Value =
        serde_json::from_slice(&fs::read(place.out().join("ledger.json")).unwrap()).unwrap();
    let total = &ledger["arms"][0]["total"];
    assert!(total["expected"].as_u64().unwrap() > 50_000, "{total}");
    assert_eq!(total["lost"], 0, "{total}");
    assert!(total["duplicated"].as_u64().unwrap() <= KILLS as u64 * BATCH, "{total}");
    eprintln!("{KILLS} kills: {total}");
}

#[test]
fn a_staged_rollout_has_the_arms_monitor_more_and_more_containers_and_loses_nothing() {
    let Some(_docker) = Docker::take() else { return };
    let place = Place::on("docker");
    let stages = [("0s", 25), ("6s", 50), ("13s", 100)]
        .map(|(from, pct)| format!("\n[[stage]]\nfrom = \"{from}\"\nshare_pct = {pct}\n"));
    let scenario = SCENARIO.replacen("count = 1", "count = 3", 1) + &stages.concat();
    fs::write(place.dir.path().join("short.toml"), scenario).unwrap();
    let output = place.run(&["--duration", "22s", "--quiet", "--arm", "pooled", "--arm", "hybrid"]).output().unwrap();
    // What the stages add is no growth.
    let said = || format!("{}{}", stderr(&output), fs::read_to_string(place.out().join("summary.md")).unwrap());
    assert_eq!(output.status.code(), Some(0), "{}", said());
    let samples = fs::read_to_string(place.out().join("samples.csv")).unwrap();
    let columns: Vec<&str> = samples.lines().next().unwrap().split(',').collect();
    let column = |name: &str| columns.iter().position(|column| *column == name).unwrap();
    let (at, subject, streams) = (column("elapsed_s"), column("subject"), column("streams"));
    for arm in ["pooled", "hybrid"] {
        let seen = |from_s: f64, to_s: f64| -> Vec<u64> {
            let rows = samples.lines().skip(1).map(|row| row.split(',').collect::<Vec<_>>());
            rows.filter(|row| row[subject] == arm && (from_s..to_s).contains(&row[at].parse::<f64>().unwrap()))
                .filter_map(|row| row[streams].parse().ok())
                .collect()
        };
        for (from_s, to_s, containers) in [(2.0, 5.9, 1), (9.0, 12.9, 2), (16.0, 21.5, 4)] {
            let seen = seen(from_s, to_s);
            // While a stream is replaced there are two.
            assert!(seen.iter().all(|streams| (containers..2 * containers + 1).contains(streams)), "{arm}: {seen:?}");
            assert!(seen.contains(&containers), "{arm}: {seen:?}");
        }
    }
    let ledger: serde_json::Value =
        serde_json::from_slice(&fs::read(place.out().join("ledger.json")).unwrap()).unwrap();
    for arm in ledger["arms"].as_array().unwrap() {
        assert_eq!(arm["total"]["lost"], 0, "{arm}");
    }
    let summary = fs::read_to_string(place.out().join("summary.md")).unwrap();
    assert!(summary.contains("stage: 50 % of the containers monitored, 2"), "{summary}");
}
