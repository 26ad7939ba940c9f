//! What an engine says to what it cannot take.

use serde_json::json;

use super::scenarios;
use crate::client::Call;
use crate::session::{READY, Session};

scenarios![
    paths_that_lead_nowhere,
    methods_that_are_none,
    versions_that_are_none,
    bodies_that_are_no_json,
    bodies_of_wrong_types,
    containers_without_a_command,
    bodies_of_wrong_kinds,
    containers_that_are_none,
    commands_that_are_none,
    values_that_are_out_of_range,
];

fn paths_that_lead_nowhere(s: &mut Session<'_>) {
    for path in ["/", "/nowhere", "/containers", "/containers/", "/containers/json/", "/v1.41", "/v1.41/", "/images/"] {
        s.get(path);
    }
    s.get("//containers/json?limit=1&filters=%7B%22name%22%3A%5B%22none%22%5D%7D");
    s.get("/v1.41//version");
    s.get("/containers/../version");
}

fn methods_that_are_none(s: &mut Session<'_>) {
    for method in ["PUT", "PATCH", "DELETE", "POST", "OPTIONS", "BREW"] {
        s.call(&Call::new(method, "/containers/json"));
    }
    s.call(&Call::new("GET", "/containers/create"));
    s.call(&Call::new("HEAD", "/version"));
}

fn versions_that_are_none(s: &mut Session<'_>) {
    for version in ["v1.41", "v1.12", "v1.42", "v1.11", "v0.1", "v9", "v1.", "vx", "v1.41.1", "V1.41", "v01.41"] {
        s.status_of(&Call::new("GET", format!("/{version}/_ping")));
        s.status_of(&Call::new("GET", format!("/{version}/version")));
    }
}

fn create(s: &Session<'_>, name: &str) -> Call {
    Call::new("POST", format!("/containers/create?name={}", s.name(name)))
}

fn bodies_that_are_no_json(s: &mut Session<'_>) {
    for body in [
        "",
        "{",
        "junk",
        "[]",
        "null",
        "{}",
        "\"text\"",
        "17",
        "{\"Image\":}",
        "{\"Image\":\"x\"} trailing",
        "\u{feff}{}",
    ] {
        let call = create(s, "a").bytes(Some("application/json"), body.as_bytes().to_vec());
        s.call_for(&call, body);
    }
}

fn bodies_of_wrong_types(s: &mut Session<'_>) {
    let good = s.body("a", READY);
    for (key, value) in [
        ("Image", json!(7)),
        ("Cmd", json!(7)),
        ("Cmd", json!([7])),
        ("Labels", json!("a")),
        ("Labels", json!({ "a": 1 })),
        ("Labels", json!(["a"])),
        ("Tty", json!("yes")),
        ("Env", json!("A=1")),
        ("HostConfig", json!(7)),
        ("HostConfig", json!({ "RestartPolicy": "always" })),
        ("HostConfig", json!({ "AutoRemove": "yes" })),
        ("HostConfig", json!({ "Memory": "64m" })),
        ("StopTimeout", json!("soon")),
        ("StopTimeout", json!(1.5)),
        ("StopSignal", json!(9)),
    ] {
        let mut body = good.clone();
        body[key] = value.clone();
        s.call_for(&create(s, "a").json(&body), &format!("{key}: {value}"));
    }
}

fn containers_without_a_command(s: &mut Session<'_>) {
    let image = s.engine.image().tag.clone();
    for body in [
        json!({ "Image": image }),
        json!({ "Image": image, "Cmd": [] }),
        json!({ "Image": image, "Entrypoint": [], "Cmd": [] }),
        json!({ "Image": image, "Entrypoint": null, "Cmd": null }),
    ] {
        s.call_for(&create(s, "a").json(&body), "no command");
    }
}

fn bodies_of_wrong_kinds(s: &mut Session<'_>) {
    let body = s.body("a", READY).to_string();
    for content_type in [None, Some("text/plain"), Some("application/x-tar"), Some(""), Some("junk;;;")] {
        s.call_for(&create(s, "a").bytes(content_type, body.clone()), content_type.unwrap_or("no type"));
    }
    s.call(&create(s, "b").bytes(Some("application/json; charset=utf-8"), body.clone()));
    s.call(&Call::new("DELETE", s.path("b")));
    s.create("a", READY);
    s.call(&Call::new("POST", s.path("a/start")).bytes(Some("text/plain"), "x"));
    s.call(&Call::new("POST", s.path("a/start")).bytes(Some("application/json"), "{}"));
}

fn containers_that_are_none(s: &mut Session<'_>) {
    for what in ["start", "stop", "kill", "restart", "pause", "unpause", "wait", "rename?name=x", "resize?h=1&w=1"] {
        s.post(s.path(&format!("none/{what}")));
    }
    for what in ["json", "top", "stats?stream=0", "logs?stdout=1", "changes"] {
        s.get(s.path(&format!("none/{what}")));
    }
    s.delete(s.path("none"));
}

fn commands_that_are_none(s: &mut Session<'_>) {
    s.create_with("a", READY, &json!({ "Entrypoint": ["/no/such/program"] }));
    s.start("a");
    s.saw_state("a");
    s.create("b", &["--no-such-flag"]);
    s.start("b");
    s.post(s.path("b/wait"));
    s.saw_state("b");
}

fn values_that_are_out_of_range(s: &mut Session<'_>) {
    for (key, value) in [
        ("StopTimeout", json!(-1)),
        ("StopSignal", json!("SIGNOTHING")),
        ("Hostname", json!("not a host name!")),
        ("User", json!("nobody-knows")),
        ("Env", json!(["=x"])),
        ("Env", json!(["NOVALUE"])),
        ("WorkingDir", json!("relative")),
    ] {
        let mut body = s.body("a", READY);
        body[key] = value.clone();
        let answer = s.call_for(&create(s, "a").json(&body), &format!("{key}: {value}"));
        if answer.status == 201 {
            let id = answer.json()["Id"].as_str().unwrap().to_owned();
            s.quietly(&Call::new("DELETE", format!("/containers/{id}")));
        }
    }
}
