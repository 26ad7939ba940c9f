//! The engine itself: whether it answers, what it is, how it stands.

use std::sync::LazyLock;

use hyper::StatusCode;
use hyper::header::{CACHE_CONTROL, HeaderValue, PRAGMA};
use serde_json::{Map, Value, json};

use super::answer::{self, API_VERSION, Answer, ApiError, MIN_API_VERSION};
use super::describe;
use crate::engine::embedded::daemon::Daemon;
use crate::engine::embedded::lifecycle::Status;
use crate::engine::embedded::log::stamp;

/// Its own version.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The name by which it can be told from Docker.
const PLATFORM: &str = "leaksoak embedded engine";

/// What `GET /info` says of every engine of this kind.
static INFO: LazyLock<Map<String, Value>> = LazyLock::new(|| describe::object(include_str!("defaults/info.json")));

/// `GET` and `HEAD /_ping`
pub(super) fn ping() -> Answer {
    let mut answer = answer::with(StatusCode::OK, Some("text/plain; charset=utf-8"), answer::full("OK"));
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store, must-revalidate"));
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    answer
}

/// `GET /version`
pub(super) fn version() -> Answer {
    let kernel = kernel();
    answer::json_of(&json!({
        "Platform": { "Name": PLATFORM },
        "Components": [{
            "Name": "Engine",
            "Version": VERSION,
            "Details": {
                "ApiVersion": API_VERSION, "Arch": architecture(), "BuildTime": "", "Experimental": "false",
                "GitCommit": "", "GoVersion": "", "KernelVersion": kernel, "MinAPIVersion": MIN_API_VERSION,
                "Os": "linux",
            },
        }],
        "Version": VERSION,
        "ApiVersion": API_VERSION,
        "MinAPIVersion": MIN_API_VERSION,
        "GitCommit": "",
        "GoVersion": "",
        "Os": "linux",
        "Arch": architecture(),
        "KernelVersion": kernel,
        "BuildTime": "",
    }))
}

/// `GET /info`, with the open files and tasks of this process.
pub(super) fn info(daemon: &Daemon) -> Result<Answer, ApiError> {
    let fds = std::fs::metadata("/proc/self/fd").map(|metadata| metadata.len()).ok().filter(|count| *count > 0);
    let fds = match fds {
        Some(fds) => fds,
        // Before Linux 6.2 they have to be counted.
        None => std::fs::read_dir("/proc/self/fd")
            .map(|entries| entries.count() as u64)
            .map_err(|error| ApiError::internal(format!("/proc/self/fd: {error}")))?,
    };
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let system = rustix::system::sysinfo();
    let memory = u64::from(system.mem_unit) * system.totalram as u64;
    let table = daemon.table();
    let (mut running, mut paused, mut stopped, mut lost) = (0, 0, 0, 0);
    for container in table.youngest_first() {
        match container.lifecycle.status() {
            Status::Running | Status::Restarting => running += 1,
            Status::Paused => paused += 1,
            Status::Created | Status::Exited => stopped += 1,
        }
        lost += container.log.lost_lines();
    }
    let warnings = (lost > 0)
        .then(|| vec![format!("WARNING: lines of containers that could not be written to their logs: {lost}")]);
    let Value::Object(standing) = json!({
        "ID": daemon.id(),
        "Containers": running + paused + stopped,
        "ContainersRunning": running,
        "ContainersPaused": paused,
        "ContainersStopped": stopped,
        "Images": table.images.all().count(),
        "NFd": fds,
        "NGoroutines": tasks,
        "NEventsListener": daemon.events.listeners(),
        "SystemTime": stamp::now().to_string(),
        "KernelVersion": kernel(),
        "OperatingSystem": PLATFORM,
        "OSVersion": VERSION,
        "Architecture": std::env::consts::ARCH,
        "NCPU": std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        "MemTotal": memory,
        "DockerRootDir": daemon.data().to_string_lossy(),
        "Name": rustix::system::uname().nodename().to_string_lossy(),
        "ServerVersion": VERSION,
        "Warnings": warnings,
    }) else {
        return Err(ApiError::internal("unreachable: an object is an object"));
    };
    let mut info = INFO.clone();
    info.extend(standing);
    Ok(answer::json_of(&Value::Object(info)))
}

fn kernel() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// As Go names it.
pub(super) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
