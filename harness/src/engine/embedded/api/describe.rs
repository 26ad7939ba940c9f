//! Containers as the API describes them: short, in a list, and whole.
//!
//! The shape is that of Docker 20.10, key by key. What was given at creation is shown again; the rest has Docker's
//! defaults, which lie beside this file. Networks have addresses of nobody: containers here have no network.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use crate::engine::embedded::container::Container;
use crate::engine::embedded::lifecycle::Status;
use crate::engine::embedded::log::stamp;

static CONFIG: LazyLock<Map<String, Value>> = LazyLock::new(|| object(include_str!("defaults/config.json")));
/// What `HostConfig` says where nothing was given.
pub(in crate::engine::embedded) static HOST_CONFIG: LazyLock<Map<String, Value>> =
    LazyLock::new(|| object(include_str!("defaults/host_config.json")));

pub(super) fn object(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).expect("the defaults are JSON objects: a test reads them")
}

/// Go's time of nothing.
pub(super) const NEVER: &str = "0001-01-01T00:00:00Z";

/// As `GET /containers/json` lists it.
pub(super) fn summary(container: &Container, now_ns: u64, with_size: bool) -> Value {
    let mode = network_mode(container);
    let mut summary = json!({
        "Id": container.id,
        "Names": [format!("/{}", container.name)],
        "Image": container.image,
        "ImageID": container.image_id,
        "Command": command(&container.command),
        "Created": container.created_ns / 1_000_000_000,
        "Ports": [],
        "Labels": container.labels,
        "State": container.lifecycle.status().word(),
        "Status": status(container, now_ns),
        "HostConfig": { "NetworkMode": mode },
        "NetworkSettings": { "Networks": { mode: endpoint() } },
        "Mounts": [],
    });
    if with_size {
        summary["SizeRootFs"] = json!(0);
    }
    summary
}

/// As `GET /containers/{id}/json` shows it.
pub(super) fn whole(container: &Container, with_size: bool) -> Value {
    let lifecycle = &container.lifecycle;
    let started = lifecycle.started_ns().is_some();
    let path = container.command.first().map(String::as_str).unwrap_or_default();
    let mode = network_mode(container);
    let mut whole = json!({
        "Id": container.id,
        "Created": stamp::of(container.created_ns).to_string(),
        "Path": path,
        "Args": container.command.get(1..).unwrap_or_default(),
        "State": state(container),
        "Image": container.image_id,
        "ResolvConfPath": "",
        "HostnamePath": "",
        "HostsPath": "",
        "LogPath": if started { container.log.path().to_string_lossy() } else { "".into() },
        "Name": format!("/{}", container.name),
        "RestartCount": lifecycle.restarts(),
        "Driver": "leaksoak",
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": null,
        "HostConfig": over(&HOST_CONFIG, &container.host_config),
        "GraphDriver": { "Data": null, "Name": "leaksoak" },
        "Mounts": [],
        "Config": config(container),
        "NetworkSettings": network_settings(mode),
    });
    if with_size {
        whole["SizeRw"] = json!(0);
        whole["SizeRootFs"] = json!(0);
    }
    whole
}

fn state(container: &Container) -> Value {
    let lifecycle = &container.lifecycle;
    let status = lifecycle.status();
    let time = |ns: Option<u64>| ns.map_or(NEVER.to_owned(), |ns| stamp::of(ns).to_string());
    json!({
        "Status": status.word(),
        "Running": status.is_up() || status == Status::Restarting,
        "Paused": status == Status::Paused,
        "Restarting": status == Status::Restarting,
        "OOMKilled": false,
        "Dead": false,
        // Its workload is a part of the engine's process.
        "Pid": if status.is_up() { std::process::id() } else { 0 },
        "ExitCode": lifecycle.exit_code(),
        "Error": container.error,
        "StartedAt": time(lifecycle.started_ns()),
        "FinishedAt": time(lifecycle.finished_ns()),
    })
}

fn config(container: &Container) -> Value {
    let mut config = over(&CONFIG, &container.config);
    if config["Hostname"] == "" {
        config["Hostname"] = json!(container.id[..12]);
    }
    config
}

/// The configuration of an image, of which ours say nothing.
pub(super) fn image_config() -> Value {
    let mut config = CONFIG.clone();
    config.insert("Labels".into(), Value::Null);
    Value::Object(config)
}

/// The defaults, and over them what was given, as far as it has a meaning.
fn over(defaults: &Map<String, Value>, given: &Map<String, Value>) -> Value {
    let mut whole = defaults.clone();
    for (key, value) in given {
        let empty = match value {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            _ => false,
        };
        if empty {
            continue;
        }
        match (whole.get_mut(key), value) {
            (Some(Value::Object(into)), Value::Object(from)) => {
                // `LogConfig.Type` is the only such word that has a default.
                let is_default = |key: &str, value: &Value| value.is_null() || key == "Type" && value == "";
                let given = from.iter().filter(|(key, value)| !is_default(key, value));
                into.extend(given.map(|(key, value)| (key.clone(), value.clone())));
            }
            (Some(into), value) => *into = value.clone(),
            // Keys that Docker leaves out unless they are given.
            (None, value)
                if matches!(
                    key.as_str(),
                    "StopSignal"
                        | "StopTimeout"
                        | "Healthcheck"
                        | "Shell"
                        | "ExposedPorts"
                        | "Mounts"
                        | "Init"
                        | "Sysctls"
                        | "Tmpfs"
                        | "StorageOpt"
                        | "Annotations"
                ) =>
            {
                whole.insert(key.clone(), value.clone());
            }
            // What Go's decoder would not know either.
            (None, _) => {}
        }
    }
    Value::Object(whole)
}

fn network_mode(container: &Container) -> &str {
    match container.host_config.get("NetworkMode").and_then(Value::as_str) {
        None | Some("") => "default",
        Some(mode) => mode,
    }
}

fn network_settings(mode: &str) -> Value {
    json!({
        "Bridge": "",
        "SandboxID": "",
        "HairpinMode": false,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "Ports": {},
        "SandboxKey": "",
        "SecondaryIPAddresses": null,
        "SecondaryIPv6Addresses": null,
        "EndpointID": "",
        "Gateway": "",
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
        "IPAddress": "",
        "IPPrefixLen": 0,
        "IPv6Gateway": "",
        "MacAddress": "",
        "Networks": { mode: endpoint() },
    })
}

fn endpoint() -> Value {
    json!({
        "IPAMConfig": null, "Links": null, "Aliases": null, "NetworkID": "", "EndpointID": "", "Gateway": "",
        "IPAddress": "", "IPPrefixLen": 0, "IPv6Gateway": "", "GlobalIPv6Address": "", "GlobalIPv6PrefixLen": 0,
        "MacAddress": "", "DriverOpts": null,
    })
}

/// The command as one line, words with a space in quotes.
fn command(words: &[String]) -> String {
    let quoted = words
        .iter()
        .enumerate()
        .map(|(at, word)| if at > 0 && word.contains(' ') { format!("'{word}'") } else { word.clone() });
    quoted.collect::<Vec<_>>().join(" ")
}

fn status(container: &Container, now_ns: u64) -> String {
    let lifecycle = &container.lifecycle;
    let since = |ns: Option<u64>| human(now_ns.saturating_sub(ns.unwrap_or(now_ns)) / 1_000_000_000);
    match lifecycle.status() {
        Status::Created => "Created".to_owned(),
        Status::Running => format!("Up {}", since(lifecycle.started_ns())),
        Status::Paused => format!("Up {} (Paused)", since(lifecycle.started_ns())),
        Status::Restarting => format!("Restarting ({}) {} ago", lifecycle.exit_code(), since(lifecycle.finished_ns())),
        Status::Exited => format!("Exited ({}) {} ago", lifecycle.exit_code(), since(lifecycle.finished_ns())),
    }
}

/// A span of time as Docker tells it.
fn human(seconds: u64) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    match seconds {
        0 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..60 => format!("{seconds} seconds"),
        60..120 => "About a minute".to_owned(),
        _ if seconds < HOUR => format!("{} minutes", seconds / MINUTE),
        _ if (seconds + HOUR / 2) / HOUR == 1 => "About an hour".to_owned(),
        _ if seconds < 2 * DAY => format!("{} hours", (seconds + HOUR / 2) / HOUR),
        _ if seconds < 14 * DAY => format!("{} days", seconds / DAY),
        _ if seconds < 60 * DAY => format!("{} weeks", seconds / (7 * DAY)),
        _ if seconds < 730 * DAY => format!("{} months", seconds / (30 * DAY)),
        _ => format!("{} years", seconds / (365 * DAY)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_objects() {
        assert!(CONFIG.contains_key("Cmd") && HOST_CONFIG.contains_key("LogConfig"));
    }

    #[test]
    fn spans_are_told_as_docker_tells_them() {
        for (seconds, text) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (119, "About a minute"),
            (120, "2 minutes"),
            (3_600, "About an hour"),
            (7_200, "2 hours"),
            (200_000, "2 days"),
            (2_000_000, "3 weeks"),
        ] {
            assert_eq!(human(seconds), text, "{seconds}");
        }
    }

    #[test]
    fn what_was_given_is_shown_over_the_defaults() {
        let given =
            object(r#"{"LogConfig":{"Type":"","Config":{"max-size":"1m"}},"Memory":5,"Nonsense":1,"Binds":null}"#);
        let shown = over(&HOST_CONFIG, &given);
        assert_eq!(shown["LogConfig"], json!({ "Type": "json-file", "Config": { "max-size": "1m" } }));
        assert_eq!((&shown["Memory"], shown.get("Nonsense")), (&json!(5), None));
    }
}
