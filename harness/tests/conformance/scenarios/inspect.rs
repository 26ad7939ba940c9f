//! What is said of one container, whole.

use serde_json::json;

use super::scenarios;
use crate::client::Call;
use crate::session::{READY, Session};

scenarios![of_every_state, of_one_with_everything, of_what_was_left_out, its_size_is_told_when_asked_for,];

fn of_every_state(s: &mut Session<'_>) {
    s.create("a", READY);
    s.get(s.path("a/json"));
    s.start_ready("a");
    s.get(s.path("a/json"));
    s.post(s.path("a/pause"));
    s.get(s.path("a/json"));
    s.post(s.path("a/unpause"));
    s.post(s.path("a/stop?t=5"));
    s.get(s.path("a/json"));
}

fn of_one_with_everything(s: &mut Session<'_>) {
    let more = json!({
        "Hostname": "host",
        "Domainname": "example.org",
        "User": "65534:65534",
        "Env": ["A=1", "B=two words", "C="],
        "Labels": { "x": "y", "empty": "" },
        "StopSignal": "SIGINT",
        "StopTimeout": 7,
        "WorkingDir": "/",
        "AttachStdout": true,
        "HostConfig": {
            "Memory": 67_108_864,
            "MemorySwap": 67_108_864,
            "PidsLimit": 16,
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "ReadonlyRootfs": true,
            "RestartPolicy": { "Name": "on-failure", "MaximumRetryCount": 4 },
            "LogConfig": { "Type": "json-file", "Config": { "max-size": "1m", "max-file": "2" } },
        },
    });
    s.create_with("a", READY, &more);
    s.get(s.path("a/json"));
    s.start_ready("a");
    s.get(s.path("a/json"));
}

fn of_what_was_left_out(s: &mut Session<'_>) {
    // No labels of the run's: it is removed by name.
    let image = s.engine.image();
    let body = json!({ "Image": image.tag, "Cmd": ["/leaksoak", "--version"], "HostConfig": { "NetworkMode": "none",
        "LogConfig": { "Type": "json-file", "Config": { "max-size": "10m", "max-file": "3" } } } });
    let call = Call::new("POST", format!("/containers/create?name={}", s.name("a"))).json(&body);
    let id = s.quietly(&call).json()["Id"].as_str().unwrap().to_owned();
    s.knows(&id, "a");
    s.get(s.path("a/json"));
}

fn its_size_is_told_when_asked_for(s: &mut Session<'_>) {
    s.create("a", READY);
    let answer = s.quietly(&Call::new("GET", s.path("a/json?size=1"))).json();
    s.saw("its sizes are numbers", json!([answer["SizeRw"].is_number(), answer["SizeRootFs"].is_number()]));
    let answer = s.quietly(&Call::new("GET", s.path("a/json"))).json();
    s.saw("there are sizes", json!([answer.get("SizeRw").is_some(), answer.get("SizeRootFs").is_some()]));
}
