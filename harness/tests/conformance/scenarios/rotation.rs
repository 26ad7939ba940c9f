//! Logs that are rotated: which lines are kept, in which files, in which form.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use super::{scenarios, unix};
use crate::client::Call;
use crate::session::Session;

scenarios![
    the_oldest_lines_go_with_their_file,
    of_one_file_nothing_older_is_read,
    tails_and_times_go_over_files,
    what_may_not_be_asked_of_a_log,
    files_are_where_they_are_said_to_be,
    a_restarted_container_appends,
];

/// Records come to about 1,000 bytes, so that eleven fill a file of 10,500: nowhere does it hang on a digit of a time.
const LINES_OF_900: &[&str] = &["--rate", "200/s", "--line-bytes", "900B", "--lines"];

fn rotated(s: &mut Session<'_>, name: &str, lines: u32, log: &Value) -> String {
    let lines = lines.to_string();
    let mut arguments = LINES_OF_900.to_vec();
    arguments.push(&lines);
    let id = s.create_with(name, &arguments, &json!({ "HostConfig": { "LogConfig": { "Config": log } } }));
    s.start(name);
    s.post(s.path(&format!("{name}/wait")));
    id
}

/// The files of a container's log, as this machine has them: their names, and of each the numbers of its first and last
/// line and the form of a record.
fn saw_files(s: &mut Session<'_>, name: &str, id: &str) {
    let inspected = s.quietly(&Call::new("GET", s.path(&format!("{name}/json")))).json();
    let path = inspected["LogPath"].as_str().unwrap().to_owned();
    s.saw("where the log lies", path.clone());
    let directory = std::path::Path::new(&path).parent().unwrap();
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        if !file.contains("json.log") {
            continue;
        }
        let text = fs::read_to_string(directory.join(&file)).unwrap();
        let seqs: Vec<_> =
            text.lines().filter_map(|line| line.split(" seq=").nth(1)?.split(' ').next()).map(str::to_owned).collect();
        let keys: Vec<_> = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .map(|record| record.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(","))
            .collect();
        let form = json!({
            "lines": text.lines().count(), "first": seqs.first(), "last": seqs.last(), "keys": keys.first(),
            "begins": text.get(..7),
        });
        files.insert(file.replace(id, "<id>"), form);
    }
    s.saw("the files of the log", json!(files));
}

fn numbers(s: &mut Session<'_>, name: &str, query: &str) {
    let log = s.quietly(&Call::new("GET", s.path(&format!("{name}/logs?stdout=1&{query}"))));
    let seqs: Vec<_> = log
        .frames()
        .iter()
        .map(|frame| frame.text.split(" seq=").nth(1).unwrap().split(' ').next().unwrap().to_owned())
        .collect();
    s.saw(&format!("the numbers of the lines of {name} by {query:?}"), json!([seqs.first(), seqs.last(), seqs.len()]));
}

fn the_oldest_lines_go_with_their_file(s: &mut Session<'_>) {
    let id = rotated(s, "a", 60, &json!({ "max-size": "10500", "max-file": "3" }));
    numbers(s, "a", "");
    saw_files(s, "a", &id);
    let id = rotated(s, "b", 60, &json!({ "max-size": "10500", "max-file": "10" }));
    numbers(s, "b", "");
    saw_files(s, "b", &id);
}

fn of_one_file_nothing_older_is_read(s: &mut Session<'_>) {
    let id = rotated(s, "a", 30, &json!({ "max-size": "10500", "max-file": "1" }));
    numbers(s, "a", "");
    saw_files(s, "a", &id);
}

fn tails_and_times_go_over_files(s: &mut Session<'_>) {
    rotated(s, "a", 60, &json!({ "max-size": "10500", "max-file": "3" }));
    for tail in [1, 5, 11, 12, 20, 25, 30, 100] {
        numbers(s, "a", &format!("tail={tail}"));
    }
    let lines = s.quietly(&Call::new("GET", s.path("a/logs?stdout=1&timestamps=1"))).frames();
    let time = |number: usize| {
        let (seconds, nanoseconds) = unix(lines[number].time());
        format!("{seconds}.{nanoseconds:09}")
    };
    for (since, until) in [(3, 20), (12, 13), (14, 25)] {
        for query in [format!("since={}", time(since)), format!("since={}&until={}", time(since), time(until))] {
            let log = s.quietly(&Call::new("GET", s.path(&format!("a/logs?stdout=1&{query}")))).frames();
            s.saw(&format!("lines from {since} on, or to {until}"), log.len());
        }
    }
}

fn what_may_not_be_asked_of_a_log(s: &mut Session<'_>) {
    for (name, log) in [
        // Both are always given: what a daemon adds is a matter of its own configuration.
        ("a", json!({ "max-size": "junk", "max-file": "3" })),
        ("b", json!({ "max-size": "10k", "max-file": "junk" })),
        ("c", json!({ "max-size": "10k", "max-file": "0" })),
        ("d", json!({ "max-size": "-1", "max-file": "3" })),
        ("e", json!({ "max-size": "0", "max-file": "3" })),
        ("f", json!({ "max-size": "10k", "max-file": "3", "max-colour": "red" })),
        ("g", json!({ "max-size": "10k", "max-file": "-1" })),
        ("h", json!({ "max-size": "1.5k", "max-file": "1" })),
        ("i", json!({ "max-size": "2M", "max-file": "2" })),
        ("j", json!({ "max-size": "", "max-file": "" })),
        ("k", json!({ "max-size": 10 })),
    ] {
        s.create_with(
            name,
            &["--rate", "100/s", "--lines", "1"],
            &json!({ "HostConfig": { "LogConfig": { "Config": log } } }),
        );
        s.start(name);
    }
}

fn files_are_where_they_are_said_to_be(s: &mut Session<'_>) {
    let id = s.run_to_end("a", 2);
    saw_files(s, "a", &id);
    let inspected = s.quietly(&Call::new("GET", s.path("a/json"))).json();
    let path = inspected["LogPath"].as_str().unwrap().to_owned();
    s.delete(s.path("a"));
    s.saw("its directory is there", std::path::Path::new(&path).parent().unwrap().exists());
}

fn a_restarted_container_appends(s: &mut Session<'_>) {
    let id = rotated(s, "a", 15, &json!({ "max-size": "10500", "max-file": "3" }));
    s.start("a");
    s.post(s.path("a/wait"));
    numbers(s, "a", "");
    saw_files(s, "a", &id);
}
