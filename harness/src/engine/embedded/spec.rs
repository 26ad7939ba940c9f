//! What a client asks for when it makes a container, checked: the body of `POST /containers/create`.
//!
//! Whatever would change what a container prints or how it is logged is honoured or refused. Limits and isolation
//! (memory, capabilities, network) are taken and shown again: there is no process of its own that they could hold.

use std::collections::BTreeMap;

use clap::Parser;
use rustix::process::Signal;
use serde_json::{Map, Value};

use super::api::answer::ApiError;
use super::api::describe::HOST_CONFIG as HOST_CONFIG_DEFAULTS;
use super::api::filters::kind;
use super::api::parameters::go_words;
use super::lifecycle::RestartPolicy;
use super::log::Rotation;
use super::signal;
use crate::workload::Workload;
use crate::workload::arguments::Arguments;

/// Seconds from SIGTERM to SIGKILL, where nobody says otherwise.
const STOP_TIMEOUT_S: i64 = 10;

/// A container that may be made.
#[derive(Debug)]
pub struct Spec {
    /// The image that it names.
    pub image: String,
    /// Entrypoint and command.
    pub command: Vec<String>,
    /// What that means, or why it means nothing here.
    pub workload: Result<Workload, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// A terminal.
    pub tty: bool,
    /// What `stop` sends first.
    pub stop_signal: Signal,
    /// Seconds until it is killed.
    pub stop_timeout_s: i64,
    /// To be removed at its end.
    pub auto_remove: bool,
    /// When it is started again.
    pub policy: RestartPolicy,
    /// Of its log, or what is wrong with its options.
    pub rotation: Result<Rotation, String>,
    /// The rest of `Config`, as given.
    pub config: Map<String, Value>,
    /// `HostConfig`, as given.
    pub host_config: Map<String, Value>,
}

impl Spec {
    /// Reads the body.
    ///
    /// # Errors
    /// As Docker answers: 500 for what is no JSON or of a wrong type, 400 for what makes no sense; 501 for what is not
    /// done here.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let mut config = object(body)?;
        let host_config = match config.remove("HostConfig") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(host_config)) => host_config,
            Some(other) => return Err(wrong_type(CONFIG, "HostConfig", &other, "container.HostConfig")),
        };
        check_types(&host_config)?;
        config.remove("NetworkingConfig");
        if config.is_empty() {
            return Err(ApiError::bad("Config cannot be empty in order to create a container"));
        }
        check_environment(&config)?;
        let directory = text(CONFIG, &config, "WorkingDir")?;
        if !directory.is_empty() && !directory.starts_with('/') {
            return Err(ApiError::bad(format!(
                "the working directory '{directory}' is invalid, it needs to be an absolute path"
            )));
        }
        let image = text(CONFIG, &config, "Image")?;
        let entrypoint = words(&config, "Entrypoint")?;
        let command: Vec<String> = entrypoint.into_iter().chain(words(&config, "Cmd")?).collect();
        let stop_signal = match text(CONFIG, &config, "StopSignal")?.as_str() {
            "" => Signal::TERM,
            name => signal::parse(name).ok_or_else(|| ApiError::bad(format!("Invalid signal: {name}")))?,
        };
        let supported = Self {
            image,
            workload: workload(&command),
            command,
            labels: labels(&config)?,
            tty: flag(CONFIG, &config, "Tty")?,
            stop_signal,
            stop_timeout_s: number(CONFIG, &config, "StopTimeout")?.unwrap_or(STOP_TIMEOUT_S),
            auto_remove: flag(HOST_CONFIG, &host_config, "AutoRemove")?,
            policy: policy(&host_config)?,
            rotation: rotation(&host_config)?,
            config,
            host_config,
        };
        supported.refuse_what_is_not_done()?;
        Ok(supported)
    }

    fn refuse_what_is_not_done(&self) -> Result<(), ApiError> {
        for key in ["Binds", "Mounts", "PortBindings", "VolumesFrom", "Tmpfs", "Devices", "Links"] {
            let is_empty = match self.host_config.get(key) {
                None | Some(Value::Null) => true,
                Some(Value::Array(list)) => list.is_empty(),
                Some(Value::Object(map)) => map.is_empty(),
                Some(_) => false,
            };
            if !is_empty {
                return Err(ApiError::unsupported(format!("HostConfig.{key}")));
            }
        }
        if self.policy != RestartPolicy::No && self.auto_remove {
            return Err(ApiError::bad("can't create 'AutoRemove' container with restart policy"));
        }
        Ok(())
    }
}

/// What the command runs, if that is a workload of ours.
fn workload(command: &[String]) -> Result<Workload, String> {
    #[derive(Parser)]
    #[command(no_binary_name = true)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }
    // Before it stand the program's path and, in an image that brings its libraries along, its loader.
    let at = command.windows(2).position(|pair| pair[0].ends_with("leaksoak") && pair[1] == "workload");
    let Some(at) = at else {
        let first = command.first().map(String::as_str).unwrap_or_default();
        return Err(format!(
            "exec: {first:?}: executable file not found: the embedded engine runs nothing but `/leaksoak workload`"
        ));
    };
    let line = Line::try_parse_from(&command[at + 2..]).map_err(|error| error.render().to_string())?;
    Workload::try_from(line.arguments).map_err(str::to_owned)
}

fn policy(host_config: &Map<String, Value>) -> Result<RestartPolicy, ApiError> {
    const POLICY: &str = "RestartPolicy.HostConfig.RestartPolicy";
    let policy = match host_config.get("RestartPolicy") {
        None | Some(Value::Null) => return Ok(RestartPolicy::No),
        Some(Value::Object(policy)) => policy,
        Some(other) => return Err(wrong_type(HOST_CONFIG, "RestartPolicy", other, "container.RestartPolicy")),
    };
    let most = number(POLICY, policy, "MaximumRetryCount")?.unwrap_or(0);
    let name = text(POLICY, policy, "Name")?;
    if most != 0 && name != "on-failure" {
        return Err(ApiError::bad(format!("maximum retry count cannot be used with restart policy '{name}'")));
    }
    match name.as_str() {
        "" | "no" => Ok(RestartPolicy::No),
        "always" | "unless-stopped" => Ok(RestartPolicy::Always),
        "on-failure" => match u32::try_from(most) {
            Ok(most) => Ok(RestartPolicy::OnFailure { most }),
            Err(_) => Err(ApiError::bad("maximum retry count cannot be negative")),
        },
        other => Err(ApiError::bad(format!("invalid restart policy '{other}'"))),
    }
}

/// What of it is wrong in itself is told at once; what its values say, when the container is started.
fn rotation(host_config: &Map<String, Value>) -> Result<Result<Rotation, String>, ApiError> {
    const LOG: &str = "LogConfig.HostConfig.LogConfig";
    let log = match host_config.get("LogConfig") {
        None | Some(Value::Null) => return Ok(Ok(Rotation::default())),
        Some(Value::Object(log)) => log,
        Some(other) => return Err(wrong_type(HOST_CONFIG, "LogConfig", other, "container.LogConfig")),
    };
    let driver = text(LOG, log, "Type")?;
    if !matches!(driver.as_str(), "" | "json-file") {
        return Err(ApiError::unsupported(format!("the log driver {driver:?}; there is json-file")));
    }
    let options = match log.get("Config") {
        None | Some(Value::Null) => return Ok(Ok(Rotation::default())),
        Some(Value::Object(options)) => options,
        Some(other) => return Err(wrong_type(LOG, "Config", other, "map[string]string")),
    };
    for (name, value) in options {
        if !value.is_string() {
            return Err(wrong_type(LOG, "Config", value, "string"));
        }
        match name.as_str() {
            "max-size" | "max-file" => {}
            "compress" | "labels" | "labels-regex" | "env" | "env-regex" | "tag" => {
                return Err(ApiError::unsupported(format!("the log option {name}")));
            }
            _ => return Err(ApiError::bad(format!("unknown log opt '{name}' for json-file log driver"))),
        }
    }
    let value = |name: &str| options.get(name).and_then(Value::as_str);
    Ok(limits(value("max-size"), value("max-file")))
}

fn limits(max_size: Option<&str>, max_file: Option<&str>) -> Result<Rotation, String> {
    let mut rotation = Rotation { max_size: None, max_file: 1 };
    if let Some(text) = max_size {
        match human_size(text) {
            None => return Err(format!("invalid size: '{text}'")),
            Some(0) => return Err("max-size must be a positive number".to_owned()),
            Some(bytes) => rotation.max_size = Some(bytes),
        }
    }
    if let Some(text) = max_file {
        let files: i64 = text.parse().map_err(|error| go_words("Atoi", text, &error))?;
        if files < 1 {
            return Err("max-file cannot be less than 1".to_owned());
        }
        rotation.max_file = u32::try_from(files).unwrap_or(u32::MAX);
    }
    Ok(rotation)
}

/// A size as Docker's command line knows it: a number and k, m, g or t of 1,000, with or without a `b`.
fn human_size(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start();
    let factor: f64 = match unit.strip_suffix('b').unwrap_or(unit) {
        "" => 1.0,
        "k" => 1e3,
        "m" => 1e6,
        "g" => 1e9,
        "t" => 1e12,
        _ => return None,
    };
    let bytes = number.parse::<f64>().ok()? * factor;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "in range, and a part of a byte is none"
    )]
    (bytes < 1e18).then_some(bytes as u64)
}

fn labels(config: &Map<String, Value>) -> Result<BTreeMap<String, String>, ApiError> {
    match config.get("Labels") {
        None | Some(Value::Null) => Ok(BTreeMap::new()),
        Some(Value::Object(labels)) => labels
            .iter()
            .map(|(key, value)| match value {
                Value::String(value) => Ok((key.clone(), value.clone())),
                other => Err(wrong_type(CONFIG, "Labels", other, "string")),
            })
            .collect(),
        Some(other) => Err(wrong_type(CONFIG, "Labels", other, "map[string]string")),
    }
}

fn check_environment(config: &Map<String, Value>) -> Result<(), ApiError> {
    let variables = match config.get("Env") {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Array(variables)) => variables,
        Some(other) => return Err(wrong_type(CONFIG, "Env", other, "[]string")),
    };
    for variable in variables {
        match variable.as_str() {
            None => return Err(wrong_type(CONFIG, "Env", variable, "string")),
            Some(text) if text.is_empty() || text.starts_with('=') => {
                return Err(ApiError::bad(format!("invalid environment variable: {text}")));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Checks that what is taken and shown again has the types that it is shown with.
fn check_types(host_config: &Map<String, Value>) -> Result<(), ApiError> {
    for (key, value) in host_config {
        let wanted = match (HOST_CONFIG_DEFAULTS.get(key), value) {
            (_, Value::Null) | (None, _) => continue,
            (Some(Value::Bool(_)), value) if !value.is_boolean() => "bool",
            (Some(Value::String(_)), value) if !value.is_string() => "string",
            (Some(Value::Number(_)), value) if !value.is_i64() => "int64",
            (Some(_), _) => continue,
        };
        return Err(wrong_type(HOST_CONFIG, key, value, wanted));
    }
    Ok(())
}

/// Go's path of a key of the body, and of one of its `HostConfig`.
const CONFIG: &str = "ContainerConfigWrapper";
const HOST_CONFIG: &str = "HostConfig.HostConfig";

fn text(within: &str, object: &Map<String, Value>, key: &str) -> Result<String, ApiError> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(other) => Err(wrong_type(within, key, other, "string")),
    }
}

fn flag(within: &str, object: &Map<String, Value>, key: &str) -> Result<bool, ApiError> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(flag)) => Ok(*flag),
        Some(other) => Err(wrong_type(within, key, other, "bool")),
    }
}

fn number(within: &str, object: &Map<String, Value>, key: &str) -> Result<Option<i64>, ApiError> {
    match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value.as_i64().map(Some).ok_or_else(|| wrong_type(within, key, value, "int")),
    }
}

/// A list of words, or one word.
fn words(config: &Map<String, Value>, key: &str) -> Result<Vec<String>, ApiError> {
    let wrong = |value: &Value| wrong_type(CONFIG, key, value, "string");
    match config.get(key) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(word)) => Ok(vec![word.clone()]),
        Some(list @ Value::Array(words)) => {
            let words: Option<Vec<String>> = words.iter().map(|word| word.as_str().map(str::to_owned)).collect();
            words.ok_or_else(|| wrong(list))
        }
        Some(other) => Err(wrong(other)),
    }
}

/// The object that a body begins with; what follows it nobody reads.
fn object(body: &[u8]) -> Result<Map<String, Value>, ApiError> {
    match serde_json::Deserializer::from_slice(body).into_iter::<Value>().next() {
        None => Err(ApiError::internal("EOF")),
        Some(Err(error)) if error.is_eof() => Err(ApiError::internal("unexpected EOF")),
        Some(Err(error)) => Err(ApiError::internal(error.to_string())),
        Some(Ok(Value::Null)) => Ok(Map::new()),
        Some(Ok(Value::Object(object))) => Ok(object),
        Some(Ok(other)) => Err(ApiError::internal(format!(
            "json: cannot unmarshal {} into Go value of type runconfig.ContainerConfigWrapper",
            kind(&other)
        ))),
    }
}

/// In the words of Go's decoder, which Docker passes on.
fn wrong_type(within: &str, key: &str, value: &Value, wanted: &str) -> ApiError {
    // A number that is none of Go's whole ones is told with its digits.
    let number = value.as_f64().filter(|_| wanted.starts_with("int")).map_or(String::new(), |_| format!(" {value}"));
    ApiError::internal(format!(
        "json: cannot unmarshal {}{number} into Go struct field {within}.{key} of type {wanted}",
        kind(value)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::pace::Pace;

    fn parse(body: &str) -> Result<Spec, (u16, String)> {
        Spec::parse(body.as_bytes()).map_err(|error| (error.status().as_u16(), error.to_string()))
    }

    #[test]
    fn a_workload_is_understood_with_and_without_a_loader_before_it() {
        for entrypoint in [r#"["/leaksoak"]"#, r#"["/lib/loader","--library-path","/lib","/leaksoak"]"#] {
            let spec = parse(&format!(
                r#"{{"Image":"i","Entrypoint":{entrypoint},"Cmd":["workload","--container","c01","--rate","10/s"],
                "Labels":{{"a":"b"}},"HostConfig":{{"LogConfig":{{"Type":"json-file","Config":{{"max-size":"1m","max-file":"3"}}}}}}}}"#
            ))
            .unwrap();
            let workload = spec.workload.unwrap();
            assert_eq!((workload.container.as_str(), workload.pace), ("c01", Pace::steady(10.0)));
            assert_eq!(spec.rotation.unwrap(), Rotation { max_size: Some(1_000_000), max_file: 3 });
        }
    }

    #[test]
    fn what_it_cannot_run_is_said_when_it_is_started() {
        assert!(parse(r#"{"Image":"i","Cmd":["sh"]}"#).unwrap().workload.unwrap_err().contains("\"sh\""));
        let wrong = parse(r#"{"Image":"i","Cmd":["/leaksoak","workload","--container","a","--rate","fast"]}"#).unwrap();
        assert!(wrong.workload.unwrap_err().contains("--rate"));
    }

    #[test]
    fn errors_have_docker_s_status() {
        for (body, status, words) in [
            ("", 500, "EOF"),
            ("{bad", 500, "key must be a string"),
            ("{}", 400, "Config cannot be empty"),
            (
                r#"{"Image":5}"#,
                500,
                "cannot unmarshal number into Go struct field ContainerConfigWrapper.Image of type string",
            ),
            (r#"{"Image":"i","Cmd":[1]}"#, 500, "Cmd"),
            (r#"{"Image":"i","HostConfig":{"Binds":["/:/x"]}}"#, 501, "HostConfig.Binds"),
            (r#"{"Image":"i","HostConfig":{"LogConfig":{"Type":"syslog"}}}"#, 501, "syslog"),
            (
                r#"{"Image":"i","HostConfig":{"LogConfig":{"Type":"json-file","Config":{"x":"1"}}}}"#,
                400,
                "unknown log opt 'x'",
            ),
            (r#"{"Image":"i","HostConfig":{"Memory":"64m"}}"#, 500, "HostConfig.HostConfig.Memory of type int64"),
            ("null", 400, "Config cannot be empty"),
            ("[]", 500, "cannot unmarshal array into Go value"),
            (r#"{"Image":"i","HostConfig":{"RestartPolicy":{"Name":"sometimes"}}}"#, 400, "invalid restart policy"),
        ] {
            let (got, said) = parse(body).unwrap_err();
            assert!(got == status && said.contains(words), "{body}: {got} {said}");
        }
    }

    #[test]
    fn what_a_log_option_says_is_checked_when_it_is_started() {
        for (size, files, words) in [
            ("junk", "1", "invalid size: 'junk'"),
            ("0", "1", "max-size must be a positive number"),
            ("1k", "0", "max-file cannot be less than 1"),
            ("1k", "x", "strconv.Atoi: parsing \"x\": invalid syntax"),
        ] {
            let body = format!(
                r#"{{"Image":"i","HostConfig":{{"LogConfig":{{"Config":{{"max-size":"{size}","max-file":"{files}"}}}}}}}}"#
            );
            assert_eq!(parse(&body).unwrap().rotation.unwrap_err(), words);
        }
    }

    #[test]
    fn sizes_are_those_of_docker_s_command_line() {
        for (text, bytes) in [("100", 100), ("10k", 10_000), ("1.5MB", 1_500_000), ("2 g", 2_000_000_000)] {
            assert_eq!(human_size(text), Some(bytes), "{text}");
        }
        for text in ["", "k", "1x", "-1", "1e3"] {
            assert_eq!(human_size(text), None, "{text}");
        }
    }
}
