//! Asks an arm for its metrics and its health, over its own Unix socket.
//!
//! One kept-alive connection per arm, opened again when it breaks, so that asking costs the arm a constant number of
//! FDs and tasks. Whoever asks sets the time limit.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::task::JoinSet;

/// Largest answer taken, bytes.
const MAX_BODY: usize = 1024 * 1024;

/// A connection to an arm.
#[derive(Debug)]
pub struct ArmClient {
    socket: PathBuf,
    connection: Option<Connection>,
}

#[derive(Debug)]
struct Connection {
    sender: SendRequest<Empty<Bytes>>,
    /// Holds the task that drives the connection: dropping it ends both.
    _driver: JoinSet<()>,
}

/// Why an arm did not answer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoAnswer(String);

impl ArmClient {
    /// A client of the arm that listens, or will listen, on `socket`.
    #[must_use]
    pub fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned(), connection: None }
    }

    /// The arm's metrics.
    ///
    /// # Errors
    /// It does not answer, or not with metrics.
    pub async fn metrics(&mut self) -> Result<Metrics, NoAnswer> {
        match self.get("/metrics").await? {
            (StatusCode::OK, body) => Ok(Metrics::parse(&String::from_utf8_lossy(&body))),
            (status, _) => Err(NoAnswer(format!("/metrics: {status}"))),
        }
    }

    /// `healthy`, or `unhealthy: <the dependencies that failed>`.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn health(&mut self) -> Result<String, NoAnswer> {
        let (status, body) = self.get("/healthz").await?;
        if status == StatusCode::OK {
            return Ok("healthy".into());
        }
        let failed: Vec<String> = match serde_json::from_slice::<BTreeMap<String, serde_json::Value>>(&body) {
            Ok(report) => report
                .into_iter()
                .filter(|(_, state)| state.get("status").is_some_and(|status| status == "failed"))
                .map(|(name, _)| name)
                .collect(),
            Err(_) => Vec::new(),
        };
        Ok(if failed.is_empty() { format!("unhealthy: {status}") } else { format!("unhealthy: {}", failed.join(", ")) })
    }

    async fn get(&mut self, path: &str) -> Result<(StatusCode, Bytes), NoAnswer> {
        // Taken out, so that a request that is given up in its middle does not leave its connection to the next.
        let mut connection = match self.connection.take() {
            Some(connection) if connection.sender.is_ready() => connection,
            _ => self.connect().await?,
        };
        let no_answer = |error: &dyn fmt::Display| NoAnswer(format!("{path}: {error}"));
        let request = Request::get(path).header("host", "arm").body(Empty::new()).map_err(|error| no_answer(&error))?;
        let response = connection.sender.send_request(request).await.map_err(|error| no_answer(&error))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_BODY).collect().await.map_err(|error| no_answer(&error))?;
        self.connection = Some(connection);
        Ok((status, body.to_bytes()))
    }

    async fn connect(&self) -> Result<Connection, NoAnswer> {
        let stream =
            UnixStream::connect(&self.socket).await.map_err(|error| NoAnswer(format!("metrics socket: {error}")))?;
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| NoAnswer(error.to_string()))?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // Its errors reach the request that it was driven for.
            let _ = connection.await;
        });
        Ok(Connection { sender, _driver: driver })
    }
}

/// Metrics by name, labels dropped: series of one name are summed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    /// Reads the Prometheus text format, version 0.0.4; lines that are not of it, and NaN, are passed over.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut metrics = BTreeMap::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (name, rest) = match line.split_once('{') {
                Some((name, rest)) => (name, rest.rsplit_once('}').map_or("", |(_, value)| value)),
                None => line.split_once(char::is_whitespace).unwrap_or((line, "")),
            };
            let value = rest
                .split_ascii_whitespace()
                .next()
                .and_then(|value| value.parse::<f64>().ok())
                .filter(|value| value.is_finite());
            if let Some(value) = value {
                *metrics.entry(name.trim().to_owned()).or_default() += value;
            }
        }
        Self(metrics)
    }

    /// The value of a count; `None` where there is none, or it is no count.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be a whole number in range"
    )]
    pub fn count(&self, name: &str) -> Option<u64> {
        let value = *self.0.get(name)?;
        (value >= 0.0 && value < 2_f64.powi(53)).then_some(value as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_of_one_name_are_summed() {
        let text = "# HELP x y\n# TYPE a gauge\na 3\nb_total{kind=\"x}y\"} 2 1700000000\nb_total{kind=\"z\"} 5\nbad\nnan NaN\nneg -1\n";
        let metrics = Metrics::parse(text);
        assert_eq!((metrics.count("a"), metrics.count("b_total")), (Some(3), Some(7)));
        assert_eq!(
            (metrics.count("bad"), metrics.count("nan"), metrics.count("neg"), metrics.count("none")),
            (None, None, None, None)
        );
    }

    #[tokio::test]
    async fn an_arm_that_is_not_there_is_an_error_that_says_so() {
        let mut client = ArmClient::new(Path::new("/nonexistent/arm.sock"));
        assert!(client.metrics().await.unwrap_err().to_string().contains("No such file"));
    }
}
