//! Answers: their bodies, the headers that all of them carry, and errors as the API tells them.

use std::fmt;
use std::io;

use futures_util::{Stream, TryStreamExt};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Bytes, Frame};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, SERVER};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

/// The version of the API that is spoken.
pub const API_VERSION: &str = "1.41";
/// The oldest that is understood.
pub const MIN_API_VERSION: &str = "1.12";
/// What it says it is.
pub const SERVER_NAME: &str = concat!("leaksoak/", env!("CARGO_PKG_VERSION"), " (linux)");

/// An answer's body.
pub type Body = UnsyncBoxBody<Bytes, io::Error>;
/// An answer.
pub type Answer = Response<Body>;

/// An error of the API: a status and a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    status: StatusCode,
    message: String,
    /// Told as text: Docker tells clients so that are too old for its JSON.
    is_text: bool,
}

impl ApiError {
    /// With the status that Docker has for it.
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into(), is_text: false }
    }

    /// 304: it is so already.
    #[must_use]
    pub fn not_modified() -> Self {
        Self::new(StatusCode::NOT_MODIFIED, "")
    }

    /// 400, as text.
    pub fn bad_as_text(message: impl Into<String>) -> Self {
        Self { is_text: true, ..Self::bad(message) }
    }

    /// 400.
    pub fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 404.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// 409.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    /// 500, which Docker also has for what it cannot parse.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    /// 501: outside the subset.
    #[must_use]
    pub fn unsupported(what: impl fmt::Display) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, format!("the embedded engine does not do this: {what}"))
    }

    /// Its status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<ApiError> for Answer {
    fn from(error: ApiError) -> Self {
        match error.status {
            StatusCode::NOT_MODIFIED => status(error.status),
            code if error.is_text => with(code, Some("text/plain; charset=utf-8"), full(error.message + "\n")),
            code => json_with(code, &json!({ "message": error.message })),
        }
    }
}

/// JSON with a newline, as Go's encoder ends it.
pub fn json_with(status: StatusCode, value: &Value) -> Answer {
    let mut text = value.to_string();
    text.push('\n');
    with(status, Some("application/json"), full(text))
}

/// 200 with JSON.
pub fn json_of(value: &Value) -> Answer {
    json_with(StatusCode::OK, value)
}

/// A status and nothing else.
pub fn status(status: StatusCode) -> Answer {
    with(status, None, Empty::new().map_err(|never| match never {}).boxed_unsync())
}

/// Any body.
pub fn with(status: StatusCode, content_type: Option<&'static str>, body: Body) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    if let Some(content_type) = content_type {
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    answer
}

/// A body of one piece.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A body that goes on.
pub fn streaming(chunks: impl Stream<Item = io::Result<Bytes>> + Send + 'static) -> Body {
    StreamBody::new(chunks.map_ok(Frame::data)).boxed_unsync()
}

/// Adds the headers that every answer of the API carries.
pub fn sign(answer: &mut Answer) {
    const OF_ALL: [(&str, &str); 3] =
        [("api-version", API_VERSION), ("docker-experimental", "false"), ("ostype", "linux")];
    let headers = answer.headers_mut();
    for (name, value) in OF_ALL {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    headers.insert(SERVER, HeaderValue::from_static(SERVER_NAME));
}
