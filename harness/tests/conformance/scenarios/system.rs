//! What an engine says of itself.

use hyper::header::HeaderName;
use procfs::Current;
use serde_json::json;

use super::scenarios;
use crate::client::Call;
use crate::session::Session;

scenarios![it_answers_a_ping, it_tells_its_version, it_tells_of_itself, every_answer_names_the_server,];

fn headers(s: &mut Session<'_>, call: &Call, names: &[&'static str]) {
    let opened = s.client.open(call);
    let found: Vec<_> = names.iter().map(|name| opened.header(HeaderName::from_static(name))).collect();
    s.saw(&format!("{} {}: status and headers {names:?}", call.method, call.path), json!([opened.status, found]));
}

fn it_answers_a_ping(s: &mut Session<'_>) {
    let names = ["api-version", "ostype", "docker-experimental", "cache-control", "pragma", "content-type"];
    s.get("/_ping");
    for path in ["/_ping", "/v1.41/_ping", "/v1.12/_ping"] {
        headers(s, &Call::new("GET", path), &names);
        headers(s, &Call::new("HEAD", path), &names);
    }
    s.post("/_ping");
}

fn it_tells_its_version(s: &mut Session<'_>) {
    s.shape_of(&Call::new("GET", "/version"));
    s.status_of(&Call::new("GET", "/v1.24/version"));
    let version = s.quietly(&Call::new("GET", "/version")).json();
    for key in ["ApiVersion", "MinAPIVersion", "Os"] {
        s.saw(key, version[key].clone());
    }
}

fn it_tells_of_itself(s: &mut Session<'_>) {
    s.shape_of(&Call::new("GET", "/info"));
    let info = s.quietly(&Call::new("GET", "/info")).json();
    for key in ["OSType", "LoggingDriver", "DockerRootDir"] {
        s.saw(key, info[key].clone());
    }
    let read = |path: &str| std::fs::read_to_string(path).unwrap().trim().to_owned();
    s.saw("its processors are this machine's", info["NCPU"] == procfs::CpuInfo::current().unwrap().num_cores());
    s.saw("its memory is this machine's", info["MemTotal"] == procfs::Meminfo::current().unwrap().mem_total);
    s.saw("its kernel is this machine's", info["KernelVersion"] == read("/proc/sys/kernel/osrelease"));
    s.saw("its name is this machine's", info["Name"] == read("/proc/sys/kernel/hostname"));
    let now = info["SystemTime"].as_str().unwrap();
    s.saw("its time is of this day", leaksoak::clock::unix_ms() / 1_000 - unix_s(now) < 86_400);
    for key in ["NFd", "NGoroutines"] {
        s.saw(&format!("it counts its {key}"), info[key].as_u64().unwrap() > 0);
    }
}

fn unix_s(time: &str) -> u64 {
    humantime::parse_rfc3339_weak(&time[..19]).unwrap().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

fn every_answer_names_the_server(s: &mut Session<'_>) {
    let names = ["api-version", "ostype", "docker-experimental"];
    for path in ["/version", "/containers/json?limit=1", "/containers/none/json", "/nowhere"] {
        headers(s, &Call::new("GET", path), &names);
    }
}
