//! The control socket: where faults are asked for. `POST /faults` with one as JSON, e.g.
//! `{"kind": "delay", "by": "200ms", "for": "30s"}`; `GET /faults` tells how things stand.

use std::io;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Method, Request, StatusCode};
use leaksoak_scenarios::EngineFaultKind;
use serde_json::json;

use super::api::answer::{self, Answer, ApiError};
use super::api::request::whole;
use super::fault::Faults;

/// The longest fault that is read.
const MAX_BODY_BYTES: usize = 64 << 10;

/// Answers one request.
///
/// # Errors
/// None.
pub async fn handle(faults: Arc<Faults>, request: Request<Incoming>) -> io::Result<Answer> {
    Ok(route(&faults, request).await.unwrap_or_else(Answer::from))
}

async fn route(faults: &Arc<Faults>, request: Request<Incoming>) -> Result<Answer, ApiError> {
    match (request.method(), request.uri().path()) {
        (&Method::POST, "/faults") => {
            let body = whole(request.into_body(), MAX_BODY_BYTES).await?;
            let fault: EngineFaultKind =
                serde_json::from_slice(&body).map_err(|error| ApiError::bad(format!("this is no fault: {error}")))?;
            faults.happen(fault);
            Ok(answer::status(StatusCode::NO_CONTENT))
        }
        (&Method::GET, "/faults") => {
            let now = faults.standing();
            Ok(answer::json_of(&json!({
                "refusing": now.refusing > 0,
                "stalled": now.stalled > 0,
                "delay_ms": u64::try_from(now.delay.as_millis()).unwrap_or(u64::MAX),
                "errors_pct": now.errors_pct,
            })))
        }
        (method, path) => {
            Err(ApiError::not_found(format!("{method} {path}: the control socket has GET and POST /faults")))
        }
    }
}
