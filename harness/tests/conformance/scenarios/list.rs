//! Lists of containers: which, in which order, and what is said of each.

use serde_json::{Value, json};

use super::scenarios;
use crate::client::{Call, encode};
use crate::session::{READY, Session};

scenarios![
    says_of_each_what_it_is,
    chooses_by_state,
    chooses_by_name_id_and_label,
    chooses_by_neighbours_and_number,
    chooses_by_image,
    filters_that_are_none,
    filters_of_both_forms,
];

/// Lists by these filters, among the containers of this scenario.
fn list(s: &mut Session<'_>, query: &str, filters: &Value) {
    let mut filters = filters.clone();
    let mine = format!("conformance={}", s.name("mine"));
    match filters["label"].as_array_mut() {
        Some(labels) => labels.push(mine.into()),
        None => filters["label"] = json!([mine]),
    }
    let path = format!("/containers/json?{query}&filters={}", encode(&filters.to_string()));
    let answer = s.quietly(&Call::new("GET", path));
    let answer = answer.json();
    let found = match answer.as_array() {
        Some(found) => found.iter().map(|container| container["Names"][0].clone()).collect::<Value>(),
        None => answer,
    };
    s.saw(&format!("the containers by {query} and {filters}").replace(&s.name(""), "~"), found);
}

fn mine(s: &Session<'_>, more: &Value) -> Value {
    let mut labels = more.clone();
    labels["conformance"] = s.name("mine").into();
    json!({ "Labels": labels })
}

/// One created, one running, one paused, one exited with 3.
fn four(s: &mut Session<'_>) {
    for (name, colour) in [("a", "red"), ("b", "green"), ("c", "red"), ("d", "")] {
        let labels = mine(s, &json!({ "colour": colour }));
        s.create_with(name, &["--burst", "1", "--every", "1h", "--exit-code", "3"], &labels);
    }
    for name in ["b", "c", "d"] {
        s.start_ready(name);
    }
    s.post(s.path("c/pause"));
    s.post(s.path("d/stop?t=5"));
}

fn says_of_each_what_it_is(s: &mut Session<'_>) {
    four(s);
    let filters = encode(&json!({ "label": [format!("conformance={}", s.name("mine"))] }).to_string());
    s.aliases.add(&filters, "<mine>");
    for query in ["all=1", "all=0", "all=1&size=1", "limit=2", "all=true&limit=1"] {
        s.get(format!("/containers/json?{query}&filters={filters}"));
    }
}

fn chooses_by_state(s: &mut Session<'_>) {
    four(s);
    for status in ["created", "running", "paused", "exited", "restarting", "removing", "dead"] {
        list(s, "", &json!({ "status": [status] }));
    }
    list(s, "", &json!({}));
    list(s, "all=1", &json!({}));
    list(s, "all=1", &json!({ "status": ["running", "exited"] }));
    list(s, "", &json!({ "exited": ["3"] }));
    list(s, "all=1", &json!({ "exited": ["3"] }));
    list(s, "all=1", &json!({ "exited": ["0"] }));
    list(s, "all=1", &json!({ "exited": ["0", "3"], "status": ["exited"] }));
    list(s, "all=1", &json!({ "is-task": ["false"] }));
}

fn chooses_by_name_id_and_label(s: &mut Session<'_>) {
    four(s);
    let name = s.name("");
    for query in [
        json!({ "name": [format!("{name}a")] }),
        json!({ "name": [format!("/{name}a")] }),
        json!({ "name": [format!("^/{name}[ab]$")] }),
        json!({ "name": [format!("^{name}a$")] }),
        json!({ "name": [format!("{name}a"), format!("{name}d")] }),
        json!({ "name": [format!("{name}none")] }),
        json!({ "label": ["colour"] }),
        json!({ "label": ["colour=red"] }),
        json!({ "label": ["colour="] }),
        json!({ "label": ["colour=red", "colour=green"] }),
        json!({ "label": ["none"] }),
    ] {
        list(s, "all=1", &query);
    }
    let inspected = s.quietly(&Call::new("GET", s.path("a/json"))).json();
    let id = inspected["Id"].as_str().unwrap().to_owned();
    for part in [&id[..], &id[..12], &id[..3], "zz"] {
        let filters = json!({ "id": [part], "name": [s.name("a")] });
        let path = format!("/containers/json?all=1&filters={}", encode(&filters.to_string()));
        let found = s.quietly(&Call::new("GET", path)).json().as_array().unwrap().len();
        s.saw(&format!("containers by {} digits of an id", part.len()), found);
    }
}

fn chooses_by_neighbours_and_number(s: &mut Session<'_>) {
    four(s);
    for (filter, of) in [("before", "c"), ("since", "b"), ("before", "a"), ("since", "d")] {
        list(s, "all=1", &json!({ filter: [s.name(of)] }));
    }
    list(s, "", &json!({ "since": [s.name("a")] }));
    list(s, "all=1", &json!({ "since": [s.name("a")], "before": [s.name("d")] }));
    list(s, "all=1", &json!({ "since": ["none"] }));
    list(s, "all=1", &json!({ "before": ["none"] }));
    for limit in ["1", "2", "0", "-1", "100", "junk"] {
        list(s, &format!("limit={limit}"), &json!({}));
    }
    list(s, "limit=2", &json!({ "status": ["created"] }));
    s.post(s.path(&format!("b/rename?name={}", s.name("z"))));
    list(s, "all=1", &json!({}));
    s.delete(s.path("c?force=1"));
    list(s, "all=1", &json!({}));
}

fn chooses_by_image(s: &mut Session<'_>) {
    four(s);
    let image = s.engine.image();
    let (tag, id) = (image.tag.clone(), image.id.clone());
    for (word, ancestor) in [
        ("its tag", tag.clone()),
        ("its id", id.clone()),
        ("12 digits of its id", id.trim_start_matches("sha256:")[..12].to_owned()),
        ("its repository", tag.split(':').next().unwrap().to_owned()),
        ("none", "none:none".to_owned()),
    ] {
        s.aliases.add(&ancestor, &format!("<{word}>"));
        let filters = json!({ "ancestor": [ancestor], "label": [format!("conformance={}", s.name("mine"))] });
        let path = format!("/containers/json?all=1&filters={}", encode(&filters.to_string()));
        let answer = s.quietly(&Call::new("GET", path)).json();
        let found = answer.as_array().map_or_else(|| answer.clone(), |found| found.len().into());
        s.saw(&format!("containers of {word}"), found);
    }
}

fn filters_that_are_none(s: &mut Session<'_>) {
    s.create("a", READY);
    for filters in [
        r#"{"foo":["bar"]}"#,
        "junk",
        r#"{"status":["asleep"]}"#,
        r#"{"exited":["many"]}"#,
        r#"{"status":"running"}"#,
        r#"["status"]"#,
        r#"{"name":["["]}"#,
        r#"{"is-task":["perhaps"]}"#,
        r#"{"health":["well"]}"#,
        r#"{"status":[]}"#,
        r#"{"name":["no-such-container-anywhere"],"exited":["-1"]}"#,
        r#"{"volume":["no-such-volume"]}"#,
        r#"{"name":[1]}"#,
    ] {
        let path = format!("/containers/json?filters={}", encode(filters));
        let answer = s.quietly(&Call::new("GET", path));
        let said = answer.json();
        // Lists may hold others' containers.
        let said = if said.is_array() { "a list".into() } else { said };
        s.saw(&format!("what is said to the filters {filters}"), json!([answer.status, said]));
    }
}

fn filters_of_both_forms(s: &mut Session<'_>) {
    four(s);
    let label = format!("conformance={}", s.name("mine"));
    for filters in [
        json!({ "label": { label.clone(): true }, "status": { "running": true, "paused": true } }),
        json!({ "label": { label.clone(): true }, "status": { "running": false } }),
        json!({ "label": { label.clone(): true }, "name": {} }),
    ] {
        let path = format!("/containers/json?all=1&filters={}", encode(&filters.to_string()));
        let answer = s.quietly(&Call::new("GET", path)).json();
        let found = answer
            .as_array()
            .map_or_else(|| answer.clone(), |found| found.iter().map(|c| c["Names"][0].clone()).collect());
        s.saw(&format!("containers by {filters}").replace(&s.name(""), "~"), found);
    }
}
