//! The engine's stream of events, as hints: "look at this container again".
//!
//! An event is not trusted for more than its container's id: it may be late, doubled or stale (the stream replays a few
//! seconds when it is opened), so whoever gets one asks the engine how things are now.

use std::collections::HashSet;

use futures_util::FutureExt as _;
use serde::Deserialize;

use crate::docker_api::{Body, EngineError};

/// Something happened to the container of this id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerHint {
    /// The container's id.
    pub id: String,
}

/// Events as they come.
#[derive(Debug)]
pub struct EventStream {
    body: Body,
    buffer: Vec<u8>,
    /// Met behind events that were given out first.
    failed: Option<EngineError>,
}

/// No event of ours is longer; a container may carry some kilobytes of labels.
const MAX_EVENT_BYTES: usize = 1 << 20;

/// Containers given out together.
const MOST_AT_ONCE: usize = 256;

impl EventStream {
    pub(super) fn new(body: Body) -> Self {
        Self { body, buffer: Vec::new(), failed: None }
    }

    /// Waits for an event, and gives the ids of all containers of which one has come by then, each once; `None` when the
    /// engine has ended the stream. Cancel-safe.
    pub async fn next_ids(&mut self) -> Result<Option<Vec<String>>, EngineError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let Some(first) = self.next().await? else { return Ok(None) };
        let mut ids = vec![first.id];
        let mut seen: HashSet<String> = ids.iter().cloned().collect();
        while ids.len() < MOST_AT_ONCE
            && let Some(next) = self.next().now_or_never()
        {
            match next {
                Ok(Some(hint)) if seen.contains(&hint.id) => {}
                Ok(Some(hint)) => {
                    seen.insert(hint.id.clone());
                    ids.push(hint.id);
                }
                // The end is met again the next time.
                Ok(None) => break,
                Err(error) => {
                    self.failed = Some(error);
                    break;
                }
            }
        }
        Ok(Some(ids))
    }

    /// The next event; `None` when the engine has ended the stream. Cancel-safe.
    pub async fn next(&mut self) -> Result<Option<ContainerHint>, EngineError> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.buffer) {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                match hint(&line)? {
                    Some(hint) => return Ok(Some(hint)),
                    None => continue,
                }
            }
            let Some(chunk) = self.body.next_chunk().await? else { return Ok(None) };
            self.buffer.extend_from_slice(&chunk);
            if self.buffer.len() > MAX_EVENT_BYTES {
                return Err(EngineError::Body(format!("an event of over {MAX_EVENT_BYTES} bytes").into()));
            }
        }
    }
}

/// The hint in one line of the stream; `None` for an empty line.
fn hint(line: &[u8]) -> Result<Option<ContainerHint>, EngineError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Event {
        actor: Actor,
    }
    #[derive(Deserialize)]
    struct Actor {
        #[serde(rename = "ID")]
        id: String,
    }
    if line.trim_ascii().is_empty() {
        return Ok(None);
    }
    let event: Event =
        serde_json::from_slice(line).map_err(|source| EngineError::Json { path: "/events".to_owned(), source })?;
    Ok(Some(ContainerHint { id: event.actor.id }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_of_dockerd_20_10_is_read() {
        let line = br#"{"status":"start","id":"b467","from":"image:1","Type":"container","Action":"start","Actor":{"ID":"b467","Attributes":{"name":"one"}},"scope":"local","time":1795439757,"timeNano":1795439757925226369}"#;
        assert_eq!(hint(line).unwrap(), Some(ContainerHint { id: "b467".to_owned() }));
        assert_eq!(hint(b"\r\n").unwrap(), None);
    }

    #[test]
    fn what_is_no_event_is_an_error() {
        assert!(matches!(hint(b"{\"Type\":\"container\"}\n"), Err(EngineError::Json { .. })));
    }
}
