//! Created, started, stopped, killed, paused, renamed, removed; and what may not be done when.

use serde_json::json;

use super::scenarios;
use crate::client::Call;
use crate::session::{READY, Session};

scenarios![
    a_container_goes_from_created_to_exited,
    a_stopped_container_is_started_again,
    stop_takes_a_signal_and_a_time,
    kill_by_name_and_number_of_a_signal,
    what_may_not_be_done_to_a_container_that_does_not_run,
    a_paused_container_is_stopped_and_killed,
    a_container_ends_by_itself_with_its_code,
    a_crash_is_told_by_its_code,
    names_are_taken_once,
    a_container_is_renamed,
    restart_starts_what_does_not_run,
    removal_needs_force_while_it_runs,
    auto_remove_goes_with_the_end,
    a_failing_container_is_restarted_by_policy,
    a_container_is_found_by_name_id_and_beginning_of_id,
];

fn a_container_goes_from_created_to_exited(s: &mut Session<'_>) {
    s.create("a", READY);
    s.saw_state("a");
    s.start_ready("a");
    s.saw_state("a");
    s.start("a");
    s.post(s.path("a/pause"));
    s.saw_state("a");
    s.post(s.path("a/pause"));
    s.start("a");
    s.post(s.path("a/unpause"));
    s.post(s.path("a/unpause"));
    s.post(s.path("a/stop"));
    s.saw_state("a");
    s.post(s.path("a/stop"));
    s.delete(s.path("a"));
    s.get(s.path("a/json"));
    s.delete(s.path("a"));
}

fn a_stopped_container_is_started_again(s: &mut Session<'_>) {
    s.run_ready("a");
    s.post(s.path("a/stop?t=5"));
    s.start("a");
    s.ready("a", 2);
    s.saw_state("a");
    s.post(s.path("a/restart?t=5"));
    s.ready("a", 3);
    s.saw_state("a");
    s.post(s.path("a/stop"));
    s.get(s.path("a/logs?stdout=1"));
}

fn stop_takes_a_signal_and_a_time(s: &mut Session<'_>) {
    // PID 1 has no handler for it: the time runs out.
    s.create_with("a", READY, &json!({ "StopSignal": "SIGUSR1", "StopTimeout": 30 }));
    s.start_ready("a");
    s.post(s.path("a/stop?t=1"));
    s.saw_state("a");
    s.create_with("b", &["--burst", "1", "--every", "1h", "--exit-code", "3"], &json!({ "StopSignal": "SIGINT" }));
    s.start_ready("b");
    s.post(s.path("b/stop?t=20"));
    s.saw_state("b");
    s.create_with("c", READY, &json!({ "StopSignal": "SIGUSR1", "StopTimeout": 1 }));
    s.start_ready("c");
    s.post(s.path("c/stop"));
    s.saw_state("c");
    s.start("c");
    s.post(s.path("c/stop?t=junk"));
    s.post(s.path("c/stop?t=0"));
    s.saw_state("c");
}

fn kill_by_name_and_number_of_a_signal(s: &mut Session<'_>) {
    s.run("a", &["--burst", "1", "--every", "1h", "--exit-code", "5"]);
    s.ready("a", 1);
    for signal in ["SIGNOTHING", "0x9", "99", "-1", "0"] {
        s.post(s.path(&format!("a/kill?signal={signal}")));
    }
    // PID 1 has no handlers for these.
    for signal in ["USR1", "SIGUSR2", "1", "sighup"] {
        s.post(s.path(&format!("a/kill?signal={signal}")));
    }
    s.saw_state("a");
    s.post(s.path("a/kill?signal=TERM"));
    s.post(s.path("a/wait"));
    s.saw_state("a");
    s.start("a");
    s.ready("a", 2);
    s.post(s.path("a/kill?signal=2"));
    s.post(s.path("a/wait"));
    s.start("a");
    s.post(s.path("a/kill"));
    s.post(s.path("a/wait"));
    s.saw_state("a");
    s.start("a");
    s.post(s.path("a/kill?signal=9"));
    s.post(s.path("a/wait"));
    s.saw_state("a");
}

fn what_may_not_be_done_to_a_container_that_does_not_run(s: &mut Session<'_>) {
    s.create("a", READY);
    for what in ["kill", "pause", "unpause", "stop", "kill?signal=TERM"] {
        s.post(s.path(&format!("a/{what}")));
    }
    s.get(s.path("a/top"));
    s.shape_of(&Call::new("GET", s.path("a/stats?stream=false")));
    s.start_ready("a");
    s.post(s.path("a/stop"));
    for what in ["kill", "pause", "unpause", "stop", "kill?signal=NOTHING"] {
        s.post(s.path(&format!("a/{what}")));
    }
    s.get(s.path("a/top"));
}

fn a_paused_container_is_stopped_and_killed(s: &mut Session<'_>) {
    s.run_ready("a");
    s.post(s.path("a/pause"));
    s.delete(s.path("a"));
    s.post(s.path("a/restart?t=5"));
    s.ready("a", 2);
    s.saw_state("a");
    s.post(s.path("a/pause"));
    s.post(s.path("a/stop?t=5"));
    s.saw_state("a");
    s.start("a");
    s.post(s.path("a/pause"));
    s.post(s.path("a/kill"));
    s.post(s.path("a/wait"));
    s.saw_state("a");
    s.start("a");
    s.post(s.path("a/pause"));
    s.delete(s.path("a?force=1"));
}

fn a_container_ends_by_itself_with_its_code(s: &mut Session<'_>) {
    s.create("a", &["--rate", "100/s", "--lines", "3", "--exit-code", "7"]);
    s.start("a");
    s.post(s.path("a/wait"));
    s.saw_state("a");
    s.get(s.path("a/logs?stdout=1&stderr=1"));
    s.start("a");
    s.post(s.path("a/wait"));
    s.get(s.path("a/logs?stdout=1&stderr=1"));
}

fn a_crash_is_told_by_its_code(s: &mut Session<'_>) {
    s.create("a", &["--rate", "100/s", "--lines", "3", "--crash"]);
    s.start("a");
    s.post(s.path("a/wait"));
    s.saw_state("a");
    s.get(s.path("a/logs?stdout=1&stderr=1"));
}

fn names_are_taken_once(s: &mut Session<'_>) {
    s.create("a", &["--silent"]);
    s.create("a", &["--silent"]);
    s.create("b", &["--silent"]);
    s.post(s.path(&format!("b/rename?name={}", s.name("a"))));
    s.post(s.path(&format!("b/rename?name={}", s.name("b"))));
    s.delete(s.path("a"));
    s.create("a", &["--silent"]);
    let body = s.body("x", &["--silent"]);
    for name in ["-a", "a", "%2Fa%2Fb", "..%2F..%2Fetc", "a%20b", "%C3%A4bc", "_ab", ".ab", "a%00b"] {
        s.call(&Call::new("POST", format!("/containers/create?name={name}")).json(&body));
    }
}

fn a_container_is_renamed(s: &mut Session<'_>) {
    let id = s.run("a", &["--silent"]);
    s.post(s.path(&format!("a/rename?name={}", s.name("b"))));
    s.get(s.path("a/json"));
    let inspected = s.quietly(&Call::new("GET", s.path("b/json"))).json();
    s.saw("its name", inspected["Name"].clone());
    s.post(s.path("b/rename"));
    s.post(s.path("b/rename?name="));
    s.post(s.path("b/rename?name=a%2Fb"));
    s.post(s.path("b/rename?name=-"));
    s.post(format!("/containers/{id}/rename?name=%2F{}", s.name("c")));
    s.delete(s.path("c?force=true"));
    s.post(s.path(&format!("c/rename?name={}", s.name("d"))));
}

fn restart_starts_what_does_not_run(s: &mut Session<'_>) {
    s.create("a", &["--burst", "2", "--every", "1h"]);
    s.post(s.path("a/restart"));
    s.saw_state("a");
    s.has_lines("a", 2);
    s.post(s.path("a/restart?t=5"));
    s.has_lines("a", 5);
    s.post(s.path("a/stop"));
    s.post(s.path("a/restart"));
    s.has_lines("a", 8);
    s.get(s.path("a/logs?stdout=1"));
    s.post(s.path("none/restart"));
}

fn removal_needs_force_while_it_runs(s: &mut Session<'_>) {
    let id = s.run("a", &["--silent"]);
    s.delete(s.path("a"));
    s.delete(s.path("a?force=0"));
    s.delete(s.path("a?force=1&v=1"));
    s.get(format!("/containers/{id}/json"));
    s.delete(s.path("a?force=1"));
    s.create("a", &["--silent"]);
    s.delete(s.path("a?v=1&link=0"));
}

fn auto_remove_goes_with_the_end(s: &mut Session<'_>) {
    s.create_with("a", READY, &json!({ "HostConfig": { "AutoRemove": true } }));
    s.start_ready("a");
    let wait = s.open(&Call::new("POST", s.path("a/wait?condition=removed")));
    s.post(s.path("a/stop"));
    s.end(wait);
    s.get(s.path("a/json"));
    s.create_with(
        "a",
        &["--silent"],
        &json!({ "HostConfig": { "AutoRemove": true, "RestartPolicy": { "Name": "always" } } }),
    );
}

fn a_failing_container_is_restarted_by_policy(s: &mut Session<'_>) {
    let ends = ["--rate", "100/s", "--lines", "1", "--exit-code", "3"];
    let policy = |name: &str, count: u32| json!({ "HostConfig": { "RestartPolicy": { "Name": name, "MaximumRetryCount": count } } });
    s.create_with("a", &ends, &policy("on-failure", 2));
    s.start("a");
    s.has_lines("a", 6);
    s.becomes("a", "exited");
    s.saw_state("a");
    let inspected = s.quietly(&Call::new("GET", s.path("a/json"))).json();
    s.saw("restarts", inspected["RestartCount"].clone());
    s.get(s.path("a/logs?stdout=1"));

    s.create_with("b", &ends, &policy("always", 0));
    s.start("b");
    s.has_lines("b", 4);
    s.post(s.path("b/stop"));
    s.saw_state("b");

    s.create_with("c", &ends, &policy("sometimes", 0));
    s.create_with("d", &ends, &policy("no", 3));
    s.create_with("e", &ends, &policy("always", 3));
    s.create_with("f", &ends, &policy("on-failure", 0));
    s.create_with("g", &["--rate", "100/s", "--lines", "1"], &policy("on-failure", 3));
    s.start("g");
    s.becomes("g", "exited");
    s.saw_state("g");
}

fn a_container_is_found_by_name_id_and_beginning_of_id(s: &mut Session<'_>) {
    let id = s.create("a", &["--silent"]);
    for reference in [id.clone(), id[..12].to_owned(), id[..30].to_owned(), s.name("a"), id.to_uppercase()] {
        s.aliases.add(&id[..30], "<id a, 30>");
        s.aliases.add(&id.to_uppercase(), "<ID a>");
        let call = Call::new("GET", format!("/containers/{reference}/json"));
        s.status_of(&call);
    }
    s.get("/containers/%20/json");
    s.get("/containers/..%2F..%2Fetc/json");
    s.get("/containers/none/json");
}
