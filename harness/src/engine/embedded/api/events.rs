//! `GET /events`

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use hyper::StatusCode;
use hyper::body::Bytes;
use leaksoak_strategies::docker_api::timestamp::Timestamp;
use tokio::sync::broadcast::error::RecvError;

use super::answer::{self, Answer, ApiError};
use super::filters::Filters;
use super::parameters::Parameters;
use crate::clock::unix_ns;
use crate::engine::embedded::daemon::Daemon;
use crate::engine::embedded::events::Event;

const FILTERS_NOT_DONE: [&str; 8] = ["config", "daemon", "network", "node", "plugin", "secret", "service", "volume"];

/// Answers with what has happened since then, and what happens until then.
pub(super) fn events(daemon: &Daemon, parameters: &Parameters) -> Result<Answer, ApiError> {
    let filters = Filters::of_any(parameters, &FILTERS_NOT_DONE)?;
    let (since, until) = (parameters.time("since")?, parameters.time("until")?);
    if let (Some(since), Some(until)) = (since, until)
        && since > until
    {
        let (since, until) = (parameters.get("since"), parameters.get("until"));
        return Err(ApiError::bad(format!("`since` time ({since}) cannot be after `until` time ({until})")));
    }
    let (kept, listener) = daemon.events.listen();
    let before = move |event: &Event, bound: Option<Timestamp>| bound.is_some_and(|bound| time(event) < bound);
    let wanted = Arc::new(move |event: &Event| matches(&filters, event));
    // Without `since`, what has been is nobody's business.
    let past: Vec<_> = kept
        .into_iter()
        .filter(|event| {
            (since.is_some() || until.is_some())
                && !before(event, since)
                && until.is_none_or(|until| time(event) <= until)
        })
        .filter(|event| wanted(event))
        .map(|event| line(&event))
        .collect();
    let left = until.map(|until| {
        let now = i64::try_from(unix_ns()).unwrap_or(i64::MAX);
        Duration::from_nanos(u64::try_from(until.unix_nanos().saturating_sub(now)).unwrap_or(0))
    });
    let deadline = left.map(|left| tokio::time::Instant::now() + left);
    let future = stream::unfold(Some((daemon.faults.guard(), listener)), move |standing| {
        let wanted = Arc::clone(&wanted);
        async move {
            let (mut guard, mut listener) = standing?;
            let next = async {
                loop {
                    match listener.recv().await {
                        Ok(event) if wanted(&event) => return Some(line(&event)),
                        Ok(_) => {}
                        // Who falls too far behind is let go, and asks again: nothing is left out unsaid.
                        Err(RecvError::Lagged(_) | RecvError::Closed) => return None,
                    }
                }
            };
            let next = async {
                match deadline {
                    Some(deadline) => tokio::time::timeout_at(deadline, next).await.ok().flatten(),
                    None => next.await,
                }
            };
            match guard.pass(next).await {
                Ok(line) => Some((Ok(line?), Some((guard, listener)))),
                Err(error) => Some((Err(error), None)),
            }
        }
    });
    let events = stream::iter(past.into_iter().map(Ok::<_, io::Error>)).chain(future);
    Ok(answer::with(StatusCode::OK, Some("application/json"), answer::streaming(events)))
}

fn time(event: &Event) -> Timestamp {
    Timestamp::from_unix_nanos(i64::try_from(event.unix_ns).unwrap_or(i64::MAX))
}

fn line(event: &Event) -> Bytes {
    Bytes::from(format!("{}\n", event.to_json()))
}

fn matches(filters: &Filters, event: &Event) -> bool {
    let attribute = |key: &str| event.attributes.get(key).map_or("", String::as_str);
    let of_container = event.kind == "container";
    filters.any("type", |wanted| wanted == event.kind)
        && filters.any("event", |wanted| wanted == event.action)
        && filters.any("scope", |wanted| wanted == "local")
        && filters.any("container", |wanted| {
            of_container && (event.id.starts_with(wanted) || attribute("name") == wanted.trim_start_matches('/'))
        })
        && filters.any("image", |wanted| {
            let image = if of_container { attribute("image") } else { attribute("name") };
            image == wanted || image.split(':').next() == Some(wanted)
        })
        && filters.labels_match(&event.attributes)
}
