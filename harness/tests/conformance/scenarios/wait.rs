//! Waiting: for what, and what is said when it comes.

use serde_json::json;

use super::scenarios;
use crate::client::Call;
use crate::session::{READY, Session};

scenarios![
    until_it_does_not_run,
    until_its_next_end,
    until_it_is_removed,
    for_what_nobody_knows,
    through_a_pause_and_a_new_name,
    for_a_container_that_starts_again,
];

fn wait(s: &mut Session<'_>, name: &str, query: &str) -> crate::session::Stream {
    s.open(&Call::new("POST", s.path(&format!("{name}/wait{query}"))))
}

fn until_it_does_not_run(s: &mut Session<'_>) {
    s.create("a", &["--burst", "1", "--every", "1h", "--exit-code", "4"]);
    s.post(s.path("a/wait"));
    s.post(s.path("a/wait?condition=not-running"));
    s.start_ready("a");
    let waits = [wait(s, "a", ""), wait(s, "a", "?condition=not-running"), wait(s, "a", "?condition=")];
    s.post(s.path("a/stop?t=5"));
    for stream in waits {
        s.end(stream);
    }
    s.post(s.path("a/wait"));
}

fn until_its_next_end(s: &mut Session<'_>) {
    s.create("a", &["--burst", "1", "--every", "1h", "--exit-code", "4"]);
    let first = wait(s, "a", "?condition=next-exit");
    s.start_ready("a");
    s.post(s.path("a/stop?t=5"));
    s.end(first);
    let second = wait(s, "a", "?condition=next-exit");
    s.start("a");
    s.ready("a", 2);
    s.post(s.path("a/kill"));
    s.end(second);
}

fn until_it_is_removed(s: &mut Session<'_>) {
    s.run_ready("a");
    let running = wait(s, "a", "?condition=removed");
    s.post(s.path("a/kill"));
    s.post(s.path("a/wait"));
    let stopped = wait(s, "a", "?condition=removed");
    s.delete(s.path("a"));
    s.end(running);
    s.end(stopped);
    s.run_ready("b");
    let (removed, next) = (wait(s, "b", "?condition=removed"), wait(s, "b", "?condition=next-exit"));
    s.delete(s.path("b?force=1"));
    s.end(removed);
    s.end(next);
}

fn for_what_nobody_knows(s: &mut Session<'_>) {
    s.create("a", READY);
    s.post(s.path("a/wait?condition=doomsday"));
    s.post(s.path("none/wait"));
    s.post(s.path("none/wait?condition=removed"));
    s.get(s.path("a/wait"));
}

fn through_a_pause_and_a_new_name(s: &mut Session<'_>) {
    s.run_ready("a");
    let stream = wait(s, "a", "");
    s.post(s.path("a/pause"));
    s.post(s.path("a/unpause"));
    s.post(s.path(&format!("a/rename?name={}", s.name("b"))));
    s.post(s.path("b/stop?t=5"));
    s.end(stream);
}

fn for_a_container_that_starts_again(s: &mut Session<'_>) {
    s.run_ready("a");
    let (any, next) = (wait(s, "a", ""), wait(s, "a", "?condition=next-exit"));
    s.post(s.path("a/restart?t=5"));
    s.end(any);
    s.end(next);
    let policy = json!({ "HostConfig": { "RestartPolicy": { "Name": "on-failure", "MaximumRetryCount": 1 } } });
    s.create_with("b", &["--rate", "10/s", "--lines", "3", "--exit-code", "1"], &policy);
    s.start("b");
    let next = wait(s, "b", "?condition=next-exit");
    s.end(next);
    s.has_lines("b", 8);
    s.becomes("b", "exited");
    s.post(s.path("b/wait"));
}
