//! Containers: listed, inspected, made, waited for.

use futures_util::stream;
use hyper::body::{Bytes, Incoming};
use hyper::header::CONTENT_TYPE;
use hyper::{Request, StatusCode};
use serde_json::{Value, json};

use super::answer::{self, Answer, ApiError};
use super::describe;
use super::filters::{Filters, name_matches};
use super::parameters::{Parameters, wrong_number};
use super::request::whole;
use crate::clock::unix_ns;
use crate::engine::embedded::container::{Changes, Container};
use crate::engine::embedded::daemon::{Daemon, Table};
use crate::engine::embedded::lifecycle::Status;
use crate::engine::embedded::spec::Spec;

/// The longest description of a container that is read.
const MAX_BODY_BYTES: usize = 1 << 20;

const FILTERS: [&str; 8] = ["ancestor", "before", "since", "exited", "id", "label", "name", "status"];
const FILTERS_NOT_DONE: [&str; 7] = ["expose", "health", "is-task", "isolation", "network", "publish", "volume"];

/// `GET /containers/json`
pub(super) fn list(daemon: &Daemon, parameters: &Parameters) -> Result<Answer, ApiError> {
    let filters = Filters::of(parameters, &FILTERS, &FILTERS_NOT_DONE)?;
    let limit = usize::try_from(parameters.number("limit")?.unwrap_or(0)).unwrap_or(0);
    let mut table = daemon.table();
    let bound = |table: &mut Table, key| match filters.values(key).first() {
        Some(reference) => match table.find(reference) {
            Ok(container) => Ok(Some(container.key)),
            Err(error) => Err(ApiError::new(error.status(), format!("no such container {reference}"))),
        },
        None => Ok(None),
    };
    let (before, since) = (bound(&mut table, "before")?, bound(&mut table, "since")?);
    for status in filters.values("status") {
        if !["created", "restarting", "running", "removing", "paused", "exited", "dead"].contains(&status.as_str()) {
            return Err(ApiError::bad(format!("Invalid filter 'status={status}'")));
        }
    }
    let code = |text: &String| text.parse::<i64>().map_err(|error| wrong_number("Atoi", text, &error));
    let exited: Vec<i64> = filters.values("exited").iter().map(code).collect::<Result<_, _>>()?;
    let every_state = parameters.flag("all") || limit > 0 || filters.has("status");

    let mut listed = Vec::new();
    for container in table.youngest_first() {
        let status = container.lifecycle.status();
        let up = status.is_up() || status == Status::Restarting;
        let wanted = (every_state || up)
            && before.is_none_or(|before| container.key < before)
            && since.is_none_or(|since| container.key > since)
            && filters.any("status", |wanted| wanted == status.word())
            && (exited.is_empty() || status == Status::Exited && exited.contains(&container.lifecycle.exit_code()))
            && filters.any("id", |wanted| container.id.contains(wanted))
            && filters.labels_match(&container.labels)
            && filters.any("ancestor", |wanted| is_ancestor(&table, container, wanted))
            && is_named(&filters, container)?;
        if wanted {
            listed.push(describe::summary(container, unix_ns(), parameters.flag("size")));
        }
        if limit > 0 && listed.len() == limit {
            break;
        }
    }
    Ok(answer::json_of(&Value::Array(listed)))
}

fn is_ancestor(table: &Table, container: &Container, wanted: &str) -> bool {
    container.image == wanted || table.images.find(wanted).is_some_and(|image| image.id == container.image_id)
}

fn is_named(filters: &Filters, container: &Container) -> Result<bool, ApiError> {
    let mut named = !filters.has("name");
    for pattern in filters.values("name") {
        named |= name_matches(pattern, &container.name)?;
    }
    Ok(named)
}

/// `GET /containers/{id}/json`
pub(super) fn inspect(daemon: &Daemon, reference: &str, parameters: &Parameters) -> Result<Answer, ApiError> {
    let mut table = daemon.table();
    Ok(answer::json_of(&describe::whole(table.find(reference)?, parameters.flag("size"))))
}

/// `POST /containers/create`
pub(super) async fn create(
    daemon: &Daemon,
    parameters: &Parameters,
    request: Request<Incoming>,
) -> Result<Answer, ApiError> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.split(';').next().map(str::trim) != Some("application/json") {
        return Err(ApiError::bad(format!("Content-Type specified ({kind}) must be 'application/json'")));
    }
    let body = whole(request.into_body(), MAX_BODY_BYTES).await?;
    let id = daemon.create(parameters.get("name"), Spec::parse(&body)?)?;
    Ok(answer::json_with(StatusCode::CREATED, &json!({ "Id": id, "Warnings": [] })))
}

/// `POST /containers/{id}/wait`: the head at once, the exit code when there is one.
pub(super) fn wait(daemon: &Daemon, reference: &str, parameters: &Parameters) -> Result<Answer, ApiError> {
    let mut changes = daemon.table().find(reference)?.changes.subscribe();
    let before = *changes.borrow_and_update();
    let condition = parameters.get("condition").to_owned();
    let mut guard = daemon.faults.guard();
    let code = stream::once(async move {
        let is_over = |now: &Changes| match condition.as_str() {
            "next-exit" => now.ends > before.ends || now.removed,
            "removed" => now.removed,
            // An end counts also if it was started again before anyone looked.
            _ => !now.up || now.ends > before.ends,
        };
        // The sender goes only with the container, whose last word is its last state.
        let waited = async { changes.wait_for(is_over).await.map_or(before.exit_code, |now| now.exit_code) };
        let code = guard.pass(waited).await?;
        Ok(Bytes::from(format!("{}\n", json!({ "Error": null, "StatusCode": code }))))
    });
    Ok(answer::with(StatusCode::OK, Some("application/json"), answer::streaming(code)))
}
