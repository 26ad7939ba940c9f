//! The Docker Engine API, as far as it is spoken: which request is whose, and how it is answered.
//!
//! Version 1.41, as Docker 20.10 answers it: paths with and without `/v1.xx`, statuses, messages, headers. What real
//! clients could ask and this engine does not do is answered with 501 and its name; what nobody knows with 404.

use std::io;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};

use super::daemon::Daemon;
use super::lifecycle::Input;
use super::signal;
use answer::{Answer, ApiError};
use parameters::Parameters;

pub mod answer;
mod attach;
mod containers;
pub mod describe;
mod events;
pub mod filters;
mod images;
mod logs;
pub mod parameters;
mod processes;
pub mod request;
mod system;

/// First words of paths that Docker knows and this engine does not.
const NOT_DONE: [&str; 16] = [
    "build",
    "commit",
    "configs",
    "distribution",
    "exec",
    "grpc",
    "networks",
    "nodes",
    "plugins",
    "secrets",
    "services",
    "session",
    "swarm",
    "tasks",
    "volumes",
    "auth",
];

/// Answers one request.
///
/// # Errors
/// The connection is to be closed without an answer.
pub async fn handle(daemon: Arc<Daemon>, request: Request<Incoming>) -> io::Result<Answer> {
    daemon.faults.hold_up().await;
    let is_head = request.method() == Method::HEAD;
    let mut answer = match daemon.faults.refusal() {
        Some(refusal) => refusal.into(),
        None => route(&daemon, request).await.unwrap_or_else(Answer::from),
    };
    answer::sign(&mut answer);
    if is_head {
        *answer.body_mut() = answer::full("");
    }
    Ok(answer)
}

async fn route(daemon: &Arc<Daemon>, request: Request<Incoming>) -> Result<Answer, ApiError> {
    let parameters = Parameters::parse(request.uri().query().unwrap_or_default());
    let path = percent_encoding::percent_decode_str(request.uri().path()).decode_utf8_lossy().into_owned();
    let segments = segments(&path)?;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let method = request.method().clone();
    match (&method, segments.as_slice()) {
        (&Method::GET | &Method::HEAD, ["_ping"]) => Ok(system::ping()),
        (&Method::GET, ["version"]) => Ok(system::version()),
        (&Method::GET, ["info"]) => system::info(daemon),
        (&Method::GET, ["events"]) => events::events(daemon, &parameters),

        (&Method::GET, ["containers", "json"]) => containers::list(daemon, &parameters),
        (&Method::POST, ["containers", "create"]) => containers::create(daemon, &parameters, request).await,
        (&Method::GET, ["containers", id, "json"]) => containers::inspect(daemon, id, &parameters),
        (&Method::GET, ["containers", id, "logs"]) => logs::logs(daemon, id, &parameters),
        (&Method::GET, ["containers", id, "stats"]) => processes::stats(daemon, id, &parameters).await,
        (&Method::GET, ["containers", id, "top"]) => processes::top(daemon, id, &parameters),
        (&Method::POST, ["containers", id, "attach"]) => attach::attach(daemon, id, &parameters, request),
        (&Method::POST, ["containers", id, "wait"]) => containers::wait(daemon, id, &parameters),
        (&Method::POST, ["containers", id, "start"]) => daemon.start(id).map(|()| no_content()),
        (&Method::POST, ["containers", id, "stop"]) => {
            daemon.stop(id, parameters.number("t")?).await.map(|()| no_content())
        }
        (&Method::POST, ["containers", id, "restart"]) => {
            daemon.restart(id, parameters.number("t")?).await.map(|()| no_content())
        }
        (&Method::POST, ["containers", id, "kill"]) => {
            let name = if parameters.get("signal").is_empty() { "KILL" } else { parameters.get("signal") };
            let signal = signal::parse(name).ok_or_else(|| match name.parse::<i64>() {
                Ok(number) if number != 0 => ApiError::internal(format!(
                    "Cannot kill container: {id}: The linux daemon does not support signal {}",
                    number.cast_unsigned()
                )),
                _ => ApiError::bad(format!("Invalid signal: {name}")),
            })?;
            daemon.kill(id, signal).await.map(|()| no_content())
        }
        (&Method::POST, ["containers", id, "pause"]) => daemon.pause(id, Input::Pause).map(|()| no_content()),
        (&Method::POST, ["containers", id, "unpause"]) => daemon.pause(id, Input::Unpause).map(|()| no_content()),
        (&Method::POST, ["containers", id, "rename"]) => {
            daemon.rename(id, parameters.get("name")).map(|()| no_content())
        }
        // A terminal's size changes nothing for a workload.
        (&Method::POST, ["containers", id, "resize"]) => {
            daemon.table().find(id).map(|_| answer::status(StatusCode::OK))
        }
        (&Method::DELETE, ["containers", id]) => {
            if parameters.flag("link") {
                return Err(ApiError::unsupported("removing a link"));
            }
            daemon.remove(id, parameters.flag("force")).await.map(|()| no_content())
        }

        (&Method::GET, ["images", "json"]) => images::list(daemon, &parameters),
        (&Method::POST, ["images", "create"]) => images::create(daemon, &parameters, request).await,
        (&Method::POST, ["images", "load"]) => images::load(daemon, request).await,
        (&Method::GET, ["images", name @ .., "json"]) => images::inspect(daemon, &name.join("/")),
        (&Method::DELETE, ["images", name @ ..]) if !name.is_empty() => images::remove(daemon, &name.join("/")),

        (_, segments) => Err(unknown(&method, segments)),
    }
}

/// The words of a path, without its version.
fn segments(path: &str) -> Result<Vec<String>, ApiError> {
    let mut segments: Vec<String> = path.trim_start_matches('/').split('/').map(str::to_owned).collect();
    let is_version = |rest: &&str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let Some(version) = segments[0].strip_prefix('v').filter(is_version) else { return Ok(segments) };
    // Part by part, as many as there are; what is no number is 0.
    let parts = |text: &str| {
        let mut parts: Vec<u32> = text.split('.').map(|part| part.parse().unwrap_or(0)).collect();
        parts.truncate(parts.iter().rposition(|part| *part > 0).map_or(0, |last| last + 1));
        parts
    };
    let asked = parts(version);
    if asked > parts(answer::API_VERSION) {
        return Err(ApiError::bad(format!(
            "client version {version} is too new. Maximum supported API version is {}",
            answer::API_VERSION
        )));
    }
    if asked < parts(answer::MIN_API_VERSION) {
        return Err(ApiError::bad_as_text(format!(
            "client version {version} is too old. Minimum supported API version is {}, please upgrade your client to a newer version",
            answer::MIN_API_VERSION
        )));
    }
    segments.remove(0);
    Ok(segments)
}

fn unknown(method: &Method, segments: &[&str]) -> ApiError {
    let known = match segments {
        ["containers", _, "exec" | "export" | "changes" | "update" | "archive"]
        | ["containers", _, "attach", "ws"]
        | ["containers" | "images", "prune"]
        | ["images", "search" | "get"]
        | ["images", .., "push" | "history" | "tag" | "get"]
        | ["system", "df"] => true,
        [first, ..] => NOT_DONE.contains(first),
        [] => false,
    };
    if known {
        ApiError::unsupported(format!("{method} /{}", segments.join("/")))
    } else {
        ApiError::not_found("page not found")
    }
}

fn no_content() -> Answer {
    answer::status(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_version_before_a_path_is_taken_off_or_refused() {
        for (path, words) in [
            ("/v1.41/containers/json", vec!["containers", "json"]),
            ("/containers/json", vec!["containers", "json"]),
            ("/v1.12/info", vec!["info"]),
            ("/v01.41/version", vec!["version"]),
            ("/version", vec!["version"]),
            ("/volumes", vec!["volumes"]),
        ] {
            assert_eq!(segments(path).unwrap(), words, "{path}");
        }
        for path in ["/v1.42/info", "/v9/info", "/v1.41.1/info", "/v1./info", "/v1/info"] {
            assert_eq!(segments(path).unwrap_err().status(), 400, "{path}");
        }
        assert!(segments("/v1.11/info").unwrap_err().to_string().contains("too old"));
    }

    #[test]
    fn what_docker_knows_and_this_engine_does_not_is_named() {
        for path in [&["networks"][..], &["containers", "a", "exec"], &["images", "a", "push"], &["build"]] {
            let error = unknown(&Method::POST, path);
            assert!(error.status() == 501 && error.to_string().contains(&path.join("/")), "{error}");
        }
        assert_eq!(unknown(&Method::GET, &["nope"]).status(), 404);
        assert_eq!(unknown(&Method::PUT, &["containers", "json"]).status(), 404);
    }

    proptest! {
        #[test]
        fn no_path_makes_it_panic(path in any::<String>()) {
            let _ = segments(&path);
            let _ = segments(&format!("/v{path}"));
        }
    }
}
