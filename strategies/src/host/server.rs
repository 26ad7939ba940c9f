//! `/metrics` and `/healthz` of an arm, over HTTP/1.1 on a Unix socket that only its owner may open.

use std::convert::Infallible;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::{UnixListener, UnixStream};

use crate::files;
use crate::health::{Aggregate, Health};
use crate::metrics::{Metrics, SystemReadings};
use crate::spawn_sites::SpawnSites;
use crate::task::OwnedTask;

/// A server that listens until it is dropped, and takes its socket away with it.
#[derive(Debug)]
pub(super) struct Server {
    _task: OwnedTask<()>,
    socket: PathBuf,
}

/// What answers are made from.
struct Served {
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    sites: Option<SpawnSites>,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already, with the directory that it was in.
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// Listens on `socket`. A socket that an earlier life of this arm has left there is replaced.
pub(super) fn start(
    socket: &Path,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
    sites: Option<SpawnSites>,
) -> io::Result<Server> {
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Its directory is closed to others (0700), so nobody can come in before the mode is set.
    let listener = UnixListener::bind(socket)?;
    std::fs::set_permissions(socket, Permissions::from_mode(0o600))?;
    Ok(Server {
        _task: OwnedTask::spawn(accept(listener, Arc::new(Served { metrics, health, sites }))),
        socket: socket.to_owned(),
    })
}

async fn accept(listener: UnixListener, served: Arc<Served>) {
    loop {
        match listener.accept().await {
            // It ends with its connection, which the one who asked closes.
            Ok((stream, _)) => drop(tokio::spawn(converse(stream, Arc::clone(&served)))),
            // Out of descriptors, as a rule: the connection stays in the queue, and accepting it at once fails again.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn converse(stream: UnixStream, served: Arc<Served>) {
    let service = service_fn(|request| {
        let response = answer(&request, &served);
        async move { Ok::<_, Infallible>(response) }
    });
    // A broken connection concerns only the one who asked.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

fn answer(request: &Request<Incoming>, served: &Served) -> Response<Full<Bytes>> {
    if request.method() != Method::GET {
        return respond(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "only GET is served here\n".to_owned());
    }
    match request.uri().path() {
        "/metrics" => {
            respond(StatusCode::OK, "text/plain; version=0.0.4", served.metrics.render(&served.read_system()))
        }
        "/healthz" => {
            let report = served.health.report();
            let status = match report.status {
                Aggregate::Ok => StatusCode::OK,
                Aggregate::Degraded => StatusCode::SERVICE_UNAVAILABLE,
            };
            match serde_json::to_string(&report) {
                Ok(json) => respond(status, "application/json", json),
                Err(error) => respond(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", error.to_string()),
            }
        }
        _ => respond(StatusCode::NOT_FOUND, "text/plain", "served here: /metrics, /healthz\n".to_owned()),
    }
}

impl Served {
    fn read_system(&self) -> SystemReadings {
        let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
        SystemReadings {
            tasks: Some(tasks as u64),
            tasks_by_site: self.sites.as_ref().map(SpawnSites::counts),
            file_descriptors: files::open_descriptors().ok(),
        }
    }
}

fn respond(status: StatusCode, content_type: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    response
}
