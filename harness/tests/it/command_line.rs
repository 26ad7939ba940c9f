//! Wrong words, wrong files, missing engines: a clear message and the documented exit code. None of these needs an engine.

use std::fs;
use std::io::{Read as _, Write as _};

use crate::support::{leaksoak, stderr};

#[test]
fn a_scenario_with_a_typo_is_refused_with_file_line_key_and_suggestion() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("mine.toml");
    fs::write(&file, "name = \"mine\"\nabout = \"x\"\nduratoin = \"60s\"\n").unwrap();
    let output = leaksoak(&["run", file.to_str().unwrap()]).output().unwrap();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("mine.toml:3") && said.contains("duratoin") && said.contains("duration"), "{said}");
}

#[test]
fn a_program_that_is_not_there_is_refused_before_an_engine_is_looked_for() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("mine.toml");
    let smoke = leaksoak(&["scenarios", "smoke"]).output().unwrap().stdout;
    fs::write(&file, smoke).unwrap();
    let set = ["arms.pooled.strategy=program", "arms.pooled.program=./no-such"];
    for command in ["check", "run"] {
        let output = leaksoak(&[command, file.to_str().unwrap(), "--set", set[0], "--set", set[1]])
            .env("DOCKER_HOST", "unix:///nonexistent")
            .output()
            .unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(set[1]) && said.contains("does not exist"), "{said}");
    }
}

#[test]
fn a_scenario_that_does_not_exist_is_refused_with_the_nearest_name() {
    let output = leaksoak(&["run", "smokee"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("smoke"), "{}", stderr(&output));
}

#[test]
fn a_flag_that_does_not_exist_is_refused_with_the_nearest_one() {
    let output = leaksoak(&["run", "--duratoin", "5s"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--duration"), "{}", stderr(&output));
}

#[test]
fn without_an_engine_the_run_says_what_to_start() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let output = leaksoak(&["run", "--engine", "docker", "--out", out.to_str().unwrap()])
        .env("DOCKER_HOST", "unix:///nonexistent")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(5));
    assert!(stderr(&output).contains("/nonexistent") && stderr(&output).contains("DOCKER_HOST"), "{}", stderr(&output));
    assert!(!out.exists(), "nothing half-done is left behind");
}

#[test]
fn a_run_that_cannot_begin_leaves_alone_what_an_earlier_one_recorded() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("run.json"), "{}").unwrap();
    let output = leaksoak(&["run", "--engine", "docker", "--out", dir.path().to_str().unwrap()])
        .env("DOCKER_HOST", "unix:///nonexistent")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(5));
    assert!(!stderr(&output).contains("turns"), "{}", stderr(&output));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn engine_faults_are_not_done_to_a_real_engine() {
    let output = leaksoak(&["run", "engine-faults", "--engine", "docker"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("engine.faults"), "{}", stderr(&output));
}

#[test]
fn an_engine_for_the_whole_network_is_refused() {
    let output = leaksoak(&["engine", "--tcp", "0.0.0.0:2375"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("127.0.0.1:2375"), "{}", stderr(&output));
}

#[test]
fn a_remote_engine_that_cannot_be_spoken_to_is_refused_with_a_way_to_reach_it() {
    for (host, tls) in [("ssh://me@there", ""), ("tcp://127.0.0.1:1", "1")] {
        let output = leaksoak(&["run"]).env("DOCKER_HOST", host).env("DOCKER_TLS_VERIFY", tls).output().unwrap();
        assert_eq!(output.status.code(), Some(5));
        assert!(stderr(&output).contains("ssh -L"), "{}", stderr(&output));
    }
}

#[test]
fn a_remote_engine_where_nobody_listens_is_named_with_what_to_look_at() {
    let output = leaksoak(&["run", "--engine", "docker"]).env("DOCKER_HOST", "tcp://127.0.0.1:1").output().unwrap();
    assert_eq!(output.status.code(), Some(5));
    assert!(stderr(&output).contains("no engine at tcp://127.0.0.1:1: "), "{}", stderr(&output));
}

#[test]
fn a_run_directory_that_does_not_exist_has_no_report() {
    let output = leaksoak(&["report", "/nonexistent/run"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("/nonexistent/run"), "{}", stderr(&output));
}

#[test]
fn every_scenario_of_the_catalogue_is_right() {
    let listed = leaksoak(&["scenarios"]).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let names: Vec<_> =
        listed.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.len() >= 3, "{listed}");
    for name in names {
        assert!(leaksoak(&["check", name]).output().unwrap().status.success(), "{name}");
    }
}

#[test]
fn an_arm_dies_if_its_parent_is_not_the_one_that_it_was_told() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("arm.json");
    let socket = dir.path().join("arm.sock");
    let text = serde_json::json!({
        "name": "a", "strategy": {"kind": "idle"}, "engine": "unix:///nonexistent", "api_version": "1.41", "labels": ["x=y"],
        "sink_socket": "/nonexistent", "own_socket": socket, "state_dir": dir.path(), "nofile": 256, "parent_pid": 1, "cgroup_procs": [],
    });
    fs::write(&config, text.to_string()).unwrap();
    let output = leaksoak(&["arm", "--config", config.to_str().unwrap()]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = leaksoak(&["scenarios", "smoke"]).stdout(writer).output().unwrap();
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
}

#[test]
fn an_engine_whose_socket_has_no_directory_says_so() {
    let output = leaksoak(&["engine", "--socket", "/nonexistent/x.sock"]).output().unwrap();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(5), "{said}");
    assert!(said.contains("unix:///nonexistent/x.sock") && said.contains("its directory does not exist"), "{said}");
}

#[test]
fn dead_letters_are_shown_kept_where_there_is_no_sink_and_dropped() {
    let run = tempfile::tempdir().unwrap();
    let arm = run.path().join("arms/hybrid");
    fs::create_dir_all(&arm).unwrap();
    let letters =
        "{\"reason\":\"refused\",\"entry\":{\"line\":\"a\"}}\n{\"reason\":\"refused\",\"entry\":{\"line\":\"b\"}}\n";
    fs::write(arm.join("dead-letters.ndjson.1"), letters).unwrap();
    fs::write(arm.join("dead-letters.ndjson"), "{\"reason\":\"shutdown\",\"entry\":{}}\n{\"reas").unwrap();
    fs::write(arm.join("arm.json"), ARM).unwrap();
    let dlq = |words: &[&str]| {
        let output = leaksoak(&[&["dlq"], words, &[run.path().to_str().unwrap()]].concat()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout.clone()).unwrap(), stderr(&output))
    };
    let listed = "hybrid: 3 dead letters (2 refused, 1 shutdown), 1 torn\n";
    assert_eq!(dlq(&["list"]).1, listed);
    let refused = dlq(&["replay"]);
    let (code, _, said) = &refused;
    assert_eq!(*code, Some(5), "{said}");
    assert!(said.contains("/nonexistent/sink.sock") && said.contains("--sink"), "{said}");
    assert!(said.contains("3 dead letters are kept, in "), "{said}");
    assert!(said.contains("dead-letters.ndjson.taken.0, ") && said.contains("dead-letters.ndjson.taken.1;"), "{said}");
    assert_eq!(dlq(&["list"]).1, listed, "nothing was lost");
    let older = ARM.replace("\"labels\":[\"leaksoak.run=x\"]", "\"label\":\"leaksoak.run=x\"");
    fs::write(arm.join("arm.json"), older).unwrap();
    assert_eq!(dlq(&["replay"]), refused, "an older version's instructions are as good");
    let (code, _, said) = dlq(&["drop", "--arm", "hybird"]);
    assert!(code == Some(2) && said.contains("hybird") && said.contains("hybrid"), "{said}");
    assert_eq!(dlq(&["drop"]).1, "hybrid: 4 dead letters dropped\n");
    assert_eq!(dlq(&["list"]).1, "hybrid: 0 dead letters\n");
    assert_eq!(dlq(&["replay"]), (Some(0), "hybrid: nothing to replay\n".to_owned(), String::new()));
    fs::write(arm.join("dead-letters.ndjson"), "{\"reason\":\"shutdown\",\"entry\":{}}\n").unwrap();
    assert_eq!(dlq(&["list"]).1, "hybrid: 1 dead letter (1 shutdown)\n");
    let nowhere = leaksoak(&["dlq", "list", "/nonexistent"]).output().unwrap();
    assert_eq!(nowhere.status.code(), Some(2), "{}", stderr(&nowhere));
    assert!(stderr(&nowhere).contains("/nonexistent does not exist"), "{}", stderr(&nowhere));
    let no_run = leaksoak(&["dlq", "replay", arm.to_str().unwrap()]).output().unwrap();
    assert!(stderr(&no_run).contains("is not a run directory: it has no `arms`"), "{}", stderr(&no_run));
}

#[test]
fn a_sink_that_is_none_is_told_as_such() {
    let run = tempfile::tempdir().unwrap();
    let arm = run.path().join("arms/hybrid");
    fs::create_dir_all(&arm).unwrap();
    fs::write(arm.join("dead-letters.ndjson"), "{\"reason\":\"shutdown\",\"entry\":{}}\n").unwrap();
    fs::write(arm.join("arm.json"), ARM).unwrap();
    let socket = run.path().join("other.sock");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut part = [0; 1024];
        while !request.ends_with(b"{}\n") {
            let read = stream.read(&mut part).unwrap();
            assert!(read > 0, "the request ends early");
            request.extend_from_slice(&part[..read]);
        }
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").unwrap();
    });
    let (run, socket) = (run.path().to_str().unwrap(), socket.to_str().unwrap());
    let output = leaksoak(&["dlq", "replay", run, "--sink", socket]).output().unwrap();
    server.join().unwrap();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(5), "{said}");
    assert!(said.contains("400 Bad Request") && said.contains(&format!("{socket} is no sink of leaksoak's")), "{said}");
    assert!(said.contains("1 dead letter is kept, in "), "{said}");
}

/// The instructions of an arm whose run is over.
const ARM: &str = r#"{"name":"hybrid","strategy":{"kind":"idle"},"engine":"unix:///nonexistent/d.sock","api_version":"1.41",
"labels":["leaksoak.run=x"],"sink_socket":"/nonexistent/sink.sock","own_socket":"/nonexistent/a.sock","state_dir":"/nonexistent",
"nofile":64,"parent_pid":1,"cgroup_procs":[]}"#;

const SOAK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/results/soak-30m");

#[test]
fn a_run_compared_with_itself_is_no_regression_and_says_so_as_json_too() {
    let output = leaksoak(&["compare", SOAK, SOAK, "--min-effect", "0%"]).output().unwrap();
    let said = String::from_utf8(output.stdout.clone()).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}{}", stderr(&output));
    assert!(said.starts_with("PASS: ") && said.contains("A and B are the same run"), "{said}");
    let output = leaksoak(&["compare", SOAK, SOAK, "--json"]).output().unwrap();
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&said["outcome"], said["arms"].as_array().map(Vec::len)), (&"PASS".into(), Some(4)));
}

#[test]
fn what_cannot_be_compared_is_named() {
    let refused = |arguments: &[&str]| {
        let output = leaksoak(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        stderr(&output)
    };
    let said = refused(&["compare", SOAK, "/nonexistent/run"]);
    assert!(said.contains("RUN_B") && said.contains("/nonexistent/run"), "{said}");
    let said = refused(&["compare", "/nonexistent/run", SOAK]);
    assert!(said.contains("RUN_A"), "{said}");
    let said = refused(&["compare", SOAK, SOAK, "--min-effect", "-3"]);
    assert!(said.contains("min-effect"), "{said}");
}
