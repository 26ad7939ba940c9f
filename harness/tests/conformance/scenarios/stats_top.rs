//! What a container uses, and what runs in it.

use serde_json::{Value, json};

use super::scenarios;
use crate::client::Call;
use crate::session::{READY, Session};

scenarios![
    stats_once,
    stats_as_they_come,
    stats_of_what_does_not_run,
    stats_make_sense,
    top_lists_its_processes,
    top_of_what_nobody_knows,
];

fn stats_once(s: &mut Session<'_>) {
    s.run_ready("a");
    s.shape_of(&Call::new("GET", s.path("a/stats?stream=false")));
    s.shape_of(&Call::new("GET", s.path("a/stats?stream=0&one-shot=1")));
    s.shape_of(&Call::new("GET", s.path("a/stats?stream=false&one-shot=false")));
    s.post(s.path("a/pause"));
    s.shape_of(&Call::new("GET", s.path("a/stats?stream=false&one-shot=1")));
}

fn stats_as_they_come(s: &mut Session<'_>) {
    s.run_ready("a");
    let mut stats = s.open(&Call::new("GET", s.path("a/stats")));
    s.read_until(&mut stats, |bytes| bytes.split(|byte| *byte == b'\n').count() > 2);
    let readings: Vec<Value> =
        String::from_utf8_lossy(stats.so_far()).lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    s.saw("the second is set against the first", readings[1]["preread"] == readings[0]["read"]);
    s.saw("what it is of", json!([readings[0]["name"], readings[0]["id"]]));
    s.post(s.path("a/kill"));
    s.post(s.path("a/wait"));
    s.delete(s.path("a"));
    let end = s.client_end(stats);
    s.saw("how it ended", format!("{end:?}"));
}

fn stats_of_what_does_not_run(s: &mut Session<'_>) {
    s.create("a", READY);
    s.get(s.path("a/stats?stream=false"));
    s.start_ready("a");
    s.post(s.path("a/stop?t=5"));
    s.get(s.path("a/stats?stream=false"));
    s.get(s.path("none/stats?stream=false"));
    s.get(s.path("none/stats"));
}

fn stats_make_sense(s: &mut Session<'_>) {
    s.run_ready("a");
    let stats = s.quietly(&Call::new("GET", s.path("a/stats?stream=false"))).json();
    let number = |path: &str| stats.pointer(path).and_then(Value::as_u64).unwrap_or_default();
    s.saw("there are processors", number("/cpu_stats/online_cpus") > 0);
    s.saw("the system has used time", number("/cpu_stats/system_cpu_usage") > 0);
    s.saw("the system goes on", number("/cpu_stats/system_cpu_usage") > number("/precpu_stats/system_cpu_usage"));
    s.saw("it uses memory", number("/memory_stats/usage") > 0);
    s.saw("it has not more than there is", number("/memory_stats/usage") <= number("/memory_stats/limit"));
    s.saw("it is a process", number("/pids_stats/current") > 0);
}

fn top(s: &mut Session<'_>, path: &str) {
    let answer = s.quietly(&Call::new("GET", s.path(path))).json();
    let last = |process: &Value| process.as_array().and_then(|columns| columns.last()).cloned();
    let commands: Vec<_> = answer["Processes"].as_array().into_iter().flatten().map(last).collect();
    s.saw(&format!("{path}: titles, and the last column"), json!([answer["Titles"], commands]));
}

fn top_lists_its_processes(s: &mut Session<'_>) {
    s.run_ready("a");
    top(s, "a/top");
    top(s, "a/top?ps_args=-ef");
    top(s, "a/top?ps_args=");
    s.post(s.path("a/pause"));
    top(s, "a/top");
}

fn top_of_what_nobody_knows(s: &mut Session<'_>) {
    s.create("a", READY);
    s.get(s.path("a/top"));
    s.get(s.path("none/top"));
}
