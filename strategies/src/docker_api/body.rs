//! The body of an engine's answer, and what is held as long as somebody may read it.

use std::any::Any;
use std::fmt;
use std::sync::Weak;

use http_body_util::BodyExt as _;
use hyper::Response;
use hyper::body::{Bytes, Incoming};

use crate::docker_api::EngineError;
use crate::docker_api::connection::ConnectionLife;

/// A body as it comes. Dropping it ends the request.
pub struct Body {
    incoming: Incoming,
    connection: Weak<ConnectionLife>,
    /// A transport's own: a place among the streams of a connection, for instance.
    _held: Option<Box<dyn Any + Send + Sync>>,
}

impl Body {
    /// Takes the body out of an answer.
    pub fn of(mut answer: Response<Incoming>) -> Response<Self> {
        let connection = answer.extensions_mut().remove::<Weak<ConnectionLife>>().unwrap_or_default();
        answer.map(|incoming| Self { incoming, connection, _held: None })
    }

    /// Holds `what` for as long as this lives.
    #[must_use]
    pub fn holding(self, what: impl Any + Send + Sync) -> Self {
        Self { _held: Some(Box::new(what)), ..self }
    }

    /// The next bytes; `None` at the end. Cancel-safe.
    pub async fn next_chunk(&mut self) -> Result<Option<Bytes>, EngineError> {
        loop {
            let Some(frame) = self.incoming.frame().await else { return Ok(None) };
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

    /// The connection that this alone uses; none where many share one.
    pub(crate) fn connection(&self) -> &Weak<ConnectionLife> {
        &self.connection
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("incoming", &self.incoming).finish_non_exhaustive()
    }
}
