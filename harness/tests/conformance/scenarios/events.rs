//! What is told of what happens: in which order, in which words, to whom.

use std::time::Duration;

use serde_json::{Value, json};

use super::scenarios;
use crate::client::{Call, encode};
use crate::session::{READY, Session};
use crate::support::eventually;

scenarios![
    tell_a_containers_life,
    tell_how_it_ended,
    are_told_while_they_happen,
    are_chosen_by_their_filters,
    are_chosen_by_their_times,
    filters_and_times_that_are_none,
];

fn now() -> u64 {
    leaksoak::clock::unix_ms() / 1_000
}

/// What has been told of the scenario's containers since the time `since`.
fn told(s: &Session<'_>, since: u64, filters: &Value) -> Vec<Value> {
    let (filters, until) = (encode(&filters.to_string()), now() + 1);
    let path = format!("/events?since={since}&until={until}&filters={filters}");
    s.quietly(&Call::new("GET", path)).json_lines()
}

fn saw_actions(s: &mut Session<'_>, what: &str, events: &[Value]) {
    let actions: Value = events
        .iter()
        .map(|event| format!("{} {}", event["Type"].as_str().unwrap(), event["Action"].as_str().unwrap()))
        .collect();
    s.saw(what, actions);
}

fn tell_a_containers_life(s: &mut Session<'_>) {
    let since = now();
    let id = s.create("a", READY);
    s.start_ready("a");
    // These two are told a moment after they are done.
    for what in ["pause", "unpause"] {
        s.post(s.path(&format!("a/{what}")));
        let filters = json!({ "container": [id], "event": [what] });
        eventually(Duration::from_secs(20), what, || !told(s, since, &filters).is_empty());
    }
    s.post(s.path(&format!("a/rename?name={}", s.name("b"))));
    s.post(s.path("b/restart?t=5"));
    s.ready("b", 2);
    s.post(s.path("b/kill?signal=USR1"));
    s.post(s.path("b/stop?t=5"));
    s.start("b");
    s.ready("b", 3);
    s.status_of(&Call::new("GET", s.path("b/top")));
    s.delete(s.path("b?force=1"));
    let events = told(s, since, &json!({ "container": [id] }));
    s.saw("what was told", events);
}

fn tell_how_it_ended(s: &mut Session<'_>) {
    let since = now();
    let id = s.run("a", &["--rate", "100/s", "--lines", "1", "--exit-code", "9"]);
    s.post(s.path("a/wait"));
    let policy = json!({ "HostConfig": { "RestartPolicy": { "Name": "on-failure", "MaximumRetryCount": 1 } } });
    let restarted = s.create_with("b", &["--rate", "100/s", "--lines", "1", "--exit-code", "9"], &policy);
    s.start("b");
    s.has_lines("b", 4);
    s.becomes("b", "exited");
    let auto = s.create_with("c", READY, &json!({ "HostConfig": { "AutoRemove": true } }));
    s.start_ready("c");
    let gone = s.open(&Call::new("POST", s.path("c/wait?condition=removed")));
    s.post(s.path("c/kill"));
    s.end(gone);
    for (word, id) in [("a", id), ("b", restarted), ("c", auto)] {
        let events = told(s, since, &json!({ "container": [id], "type": ["container"] }));
        s.saw(&format!("what was told of {word}"), events);
    }
}

fn are_told_while_they_happen(s: &mut Session<'_>) {
    let id = s.create("a", READY);
    let filters = encode(&json!({ "container": [id], "type": ["container"] }).to_string());
    s.aliases.add(&filters, "<of a>");
    let mut events = s.open(&Call::new("GET", format!("/events?filters={filters}")));
    s.start_ready("a");
    s.post(s.path("a/stop?t=5"));
    s.delete(s.path("a"));
    s.read_until(&mut events, |bytes| String::from_utf8_lossy(bytes).contains("\"destroy\""));
    let told: Vec<Value> =
        serde_json::Deserializer::from_slice(events.so_far()).into_iter().map(Result::unwrap).collect();
    s.saw("what was told", told);
}

fn are_chosen_by_their_filters(s: &mut Session<'_>) {
    let since = now();
    let labels = json!({ "Labels": { "conformance": s.name("mine"), "colour": "red" } });
    let id = s.create_with("a", READY, &labels);
    let other = s.create_with("b", READY, &json!({ "Labels": { "conformance": s.name("mine"), "colour": "blue" } }));
    s.start_ready("a");
    s.start_ready("b");
    s.post(s.path("a/kill"));
    s.post(s.path("a/wait"));
    s.post(s.path("b/stop?t=5"));
    let mine = format!("conformance={}", s.name("mine"));
    let image = s.engine.image().tag.clone();
    for (word, filters) in [
        ("a label", json!({ "label": [mine] })),
        ("two labels", json!({ "label": [mine, "colour=red"] })),
        ("a label's key", json!({ "label": ["colour"], "container": [id, other] })),
        ("an event", json!({ "label": [mine], "event": ["die"] })),
        ("two events", json!({ "label": [mine], "event": ["die", "start"] })),
        ("a name", json!({ "container": [s.name("a")], "type": ["container"] })),
        ("twelve digits of an id", json!({ "container": [other[..12]], "type": ["container"] })),
        ("two containers", json!({ "container": [id, other], "event": ["start"] })),
        ("another type", json!({ "label": [mine], "type": ["image"] })),
        ("two types", json!({ "label": [mine], "type": ["image", "container"], "event": ["create"] })),
        ("an image", json!({ "image": [image], "label": [mine], "event": ["create"] })),
        ("no such event", json!({ "label": [mine], "event": ["birthday"] })),
        ("a scope", json!({ "label": [mine], "scope": ["local"], "event": ["create"] })),
        ("another scope", json!({ "label": [mine], "scope": ["swarm"] })),
    ] {
        let events = told(s, since, &filters);
        saw_actions(s, word, &events);
    }
}

fn are_chosen_by_their_times(s: &mut Session<'_>) {
    let since = now();
    let id = s.run_ready("a");
    s.post(s.path("a/stop?t=5"));
    let filters = json!({ "container": [id], "type": ["container"] });
    let events = told(s, since, &filters);
    let nanoseconds = |event: &Value| event["timeNano"].as_u64().unwrap();
    let exact = |nanoseconds: u64| format!("{}.{:09}", nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
    let (second, third) = (nanoseconds(&events[1]), nanoseconds(&events[2]));
    let filters = encode(&filters.to_string());
    let (before, soon) = (second - 3_600_000_000_000, (now() + 1) * 1_000_000_000);
    for (word, from, to) in [
        ("from the 2nd on", second, soon),
        ("from after the 2nd on", second + 1, soon),
        ("to the 3rd", before, third),
        ("to before the 3rd", before, third - 1),
        ("the 2nd alone", second, second),
        ("from the 3rd to the 2nd", third, second),
    ] {
        let path = format!("/events?since={}&until={}&filters={filters}", exact(from), exact(to));
        let answer = s.quietly(&Call::new("GET", path));
        s.saw(&format!("the status, {word}"), answer.status);
        if answer.status == 200 {
            saw_actions(s, word, &answer.json_lines());
        }
    }
}

fn filters_and_times_that_are_none(s: &mut Session<'_>) {
    for query in [
        "since=junk",
        "until=junk",
        "since=junk&until=1",
        "since=1&until=junk",
        "since=2&until=1",
        "until=1&filters=junk",
        "until=1&filters=%7B%22foo%22%3A%5B%22bar%22%5D%7D",
        "until=1",
        "since=1.5&until=1.25",
        "since=-1&until=1",
    ] {
        s.get(format!("/events?{query}"));
    }
}
