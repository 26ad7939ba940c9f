//! The body of an engine's answer, and what is held as long as somebody may read it.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Weak;

use http_body_util::BodyExt as _;
use hyper::Response;
use hyper::body::{Bytes, Incoming};

use crate::docker_api::EngineError;
use crate::docker_api::coalesced::BusySocket;
use crate::docker_api::connection::{ConnectionLife, EngineConnection};

/// A body as it comes. Dropping it ends the request.
pub struct Body {
    source: Source,
    connection: Weak<ConnectionLife>,
    /// A transport's own: a place among the streams of a connection, for instance.
    _held: Option<Box<dyn Any + Send + Sync>>,
}

/// Where the bytes come from.
enum Source {
    /// hyper, which reads the connection in a task of its own.
    Hyper(Incoming),
    /// All that comes of a connection, after what has come of it already.
    Connection { begun: VecDeque<Bytes>, connection: EngineConnection },
}

impl Body {
    /// Takes the body out of an answer.
    pub fn of(mut answer: Response<Incoming>) -> Response<Self> {
        let connection = answer.extensions_mut().remove::<Weak<ConnectionLife>>().unwrap_or_default();
        answer.map(|incoming| Self { source: Source::Hyper(incoming), connection, _held: None })
    }

    /// One that goes on to the end of `connection`, of which `begun` was read already.
    pub(crate) fn rest_of(connection: EngineConnection, begun: impl IntoIterator<Item = Bytes>) -> Self {
        let life = connection.life();
        let begun = begun.into_iter().filter(|chunk| !chunk.is_empty()).collect();
        Self { source: Source::Connection { begun, connection }, connection: life, _held: None }
    }

    /// Holds `what` for as long as this lives.
    #[must_use]
    pub fn holding(self, what: impl Any + Send + Sync) -> Self {
        Self { _held: Some(Box::new(what)), ..self }
    }

    /// The next bytes; `None` at the end. Cancel-safe.
    pub async fn next_chunk(&mut self) -> Result<Option<Bytes>, EngineError> {
        let incoming = match &mut self.source {
            Source::Hyper(incoming) => incoming,
            Source::Connection { begun, connection } => {
                if let Some(chunk) = begun.pop_front() {
                    return Ok(Some(chunk));
                }
                return connection.next_chunk().await.map_err(|error| EngineError::Body(error.into()));
            }
        };
        loop {
            let Some(frame) = incoming.frame().await else { return Ok(None) };
            let frame = frame.map_err(|error| EngineError::Body(error.into()))?;
            // Trailers, the other kind of frame, say nothing that is wanted here.
            if let Ok(data) = frame.into_data() {
                return Ok(Some(data));
            }
        }
    }

    /// The rest, up to so many bytes; what is longer is an error.
    pub async fn read_whole(mut self, limit_bytes: usize) -> Result<Vec<u8>, EngineError> {
        let mut whole = Vec::new();
        while let Some(chunk) = self.next_chunk().await? {
            if whole.len() + chunk.len() > limit_bytes {
                return Err(EngineError::Body(format!("an answer of over {limit_bytes} bytes").into()));
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole)
    }

    /// The socket that all the rest comes from, if it is busy, for whoever reads many that are.
    pub(crate) fn busy(&self) -> Option<BusySocket> {
        match &self.source {
            Source::Connection { begun, connection } if begun.is_empty() => connection.busy(),
            _ => None,
        }
    }

    /// The connection that this alone uses; none where many share one.
    pub(crate) fn connection(&self) -> &Weak<ConnectionLife> {
        &self.connection
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").finish_non_exhaustive()
    }
}
