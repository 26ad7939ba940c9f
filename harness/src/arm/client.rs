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

/// Metrics by name. A name alone stands for the sum of its series.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Metrics {
    sums: BTreeMap<String, f64>,
    /// Name, what stands between the braces, value.
    labelled: Vec<(String, String, f64)>,
}

impl Metrics {
    /// Reads the Prometheus text format, version 0.0.4; lines that are not of it, and NaN, are passed over.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut metrics = Self::default();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (name, labels, rest) = match line.split_once('{') {
                Some((name, rest)) => {
                    rest.rsplit_once('}').map_or((name, "", ""), |(labels, rest)| (name, labels, rest))
                }
                None => line.split_once(char::is_whitespace).map_or((line, "", ""), |(name, rest)| (name, "", rest)),
            };
            let value = rest
                .split_ascii_whitespace()
                .next()
                .and_then(|value| value.parse::<f64>().ok())
                .filter(|value| value.is_finite());
            if let Some(value) = value {
                let name = name.trim();
                *metrics.sums.entry(name.to_owned()).or_default() += value;
                if !labels.is_empty() {
                    metrics.labelled.push((name.to_owned(), labels.to_owned(), value));
                }
            }
        }
        metrics
    }

    /// The value of a count; `None` where there is none, or it is no count.
    #[must_use]
    pub fn count(&self, name: &str) -> Option<u64> {
        count(*self.sums.get(name)?)
    }

    /// The counts of a name by the value of one of its labels; series of the same value are summed.
    #[must_use]
    pub fn counts_by(&self, name: &str, label: &str) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::<String, u64>::new();
        for (_, labels, value) in self.labelled.iter().filter(|(of, ..)| of == name) {
            if let Some((text, value)) = label_value(labels, label).zip(count(*value)) {
                let sum = counts.entry(text).or_default();
                *sum = sum.saturating_add(value);
            }
        }
        counts
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be in range")]
fn count(value: f64) -> Option<u64> {
    (value >= 0.0 && value < 2_f64.powi(53)).then_some(value as u64)
}

/// The value of `wanted` in `a="1",b="2"`, its escapes (`\\`, `\"`, `\n`) undone; `None` where it is not there, or not well-formed.
fn label_value(labels: &str, wanted: &str) -> Option<String> {
    let mut rest = labels;
    loop {
        let (name, quoted) = rest.split_once('=')?;
        let mut value = String::new();
        let mut chars = quoted.trim_start().strip_prefix('"')?.chars();
        loop {
            match chars.next()? {
                '"' => break,
                '\\' => value.push(match chars.next()? {
                    'n' => '\n',
                    other => other,
                }),
                other => value.push(other),
            }
        }
        if name.trim_matches([',', ' ', '\t']) == wanted {
            return Some(value);
        }
        rest = chars.as_str();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_told_apart_by_a_label_and_its_escapes_are_undone() {
        let text = r#"t{site="a.rs:1"} 3
t{arch="x,site=\"no\"", site="C:\\b \"q\".rs:2",} 4
t{site="a.rs:1",other="="} 2
t{site="torn} 9
t{other="1"} 9
u{site="a.rs:1"} 9"#;
        let counts = Metrics::parse(text).counts_by("t", "site");
        let counts: Vec<_> = counts.iter().map(|(site, count)| (site.as_str(), *count)).collect();
        assert_eq!(counts, [("C:\\b \"q\".rs:2", 4), ("a.rs:1", 5)]);
    }

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
