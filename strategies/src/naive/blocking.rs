//! A log read the old way: a socket of one's own, HTTP/1.0 by hand, and `read` that blocks.
//!
//! HTTP/1.0, because its body simply goes on to the connection's end: there are no chunks to take apart.

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::docker_api::EngineAddress;
use crate::docker_api::logs::LogQuery;
use crate::log_reader::{Capture, Captured};
use crate::metrics::Metrics;
use crate::strategy::Context;

pub(super) struct BlockingReader {
    engine: EngineAddress,
    path: String,
    capture: Capture,
    metrics: Arc<Metrics>,
    runtime: Handle,
}

impl BlockingReader {
    /// For the log from where its capture has got to. To be made on the runtime that delivers.
    pub(super) fn new(captured: &Arc<Captured>, context: &Context) -> Self {
        let query = LogQuery { since: captured.progress.since(), tail: None, follow: true };
        Self {
            engine: context.config.engine.clone(),
            path: format!("/v{}{}", context.config.api_version, query.path(&captured.container.id)),
            capture: Capture::new(captured, context),
            metrics: Arc::clone(&context.metrics),
            runtime: Handle::current(),
        }
    }

    /// Connects, asks, and reads until the engine closes the connection. Tells when it begins to read.
    pub(super) fn read_to_end(self, begins: oneshot::Sender<()>) -> io::Result<()> {
        match self.engine.clone() {
            EngineAddress::Unix(path) => self.read_from(UnixStream::connect(path)?, begins),
            EngineAddress::Tcp(address) => self.read_from(TcpStream::connect(address)?, begins),
        }
    }

    fn read_from(mut self, mut engine: impl Read + Write, begins: oneshot::Sender<()>) -> io::Result<()> {
        let _connection = self.metrics.connections_active.hold();
        write!(engine, "GET {} HTTP/1.0\r\nHost: docker\r\n\r\n", self.path)?;
        let mut answer = BufReader::new(engine);
        skip_head(&mut answer)?;
        let _stream = self.metrics.streams_active.hold();
        // Nobody waits for it any more when the arm is being stopped.
        let _ = begins.send(());
        loop {
            let chunk = answer.fill_buf()?;
            let bytes = chunk.len();
            if bytes == 0 {
                return Ok(());
            }
            self.runtime.block_on(self.capture.take(chunk)).map_err(io::Error::other)?;
            answer.consume(bytes);
        }
    }
}

/// Reads up to the empty line before the body; an error status is an error.
fn skip_head(answer: &mut impl io::BufRead) -> io::Result<()> {
    let mut line = String::new();
    answer.read_line(&mut line)?;
    if line.split(' ').nth(1) != Some("200") {
        return Err(io::Error::other(format!("the engine answered {:?}", line.trim_end())));
    }
    while line.trim_end() != "" {
        line.clear();
        answer.read_line(&mut line)?;
    }
    Ok(())
}
