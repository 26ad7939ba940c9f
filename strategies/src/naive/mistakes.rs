//! The mistakes, one function each: what it does is right, and how it ends is not.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::blocking::BlockingReader;
use super::{Follower, QUIET, Turn};
use crate::log_reader::{Capture, LogReader, ReadError};
use crate::metrics::{ErrorKind, Metrics};

/// Chunks between a pump and who takes them.
const PUMPED_CHUNKS: usize = 16;

impl Follower {
    pub(super) async fn forget_handle(&mut self, turn: &mut Turn) -> Result<(), ReadError> {
        let reader = self.open().await?;
        // The mistake: the task's handle is dropped here. That does not end the task, it makes it unreachable: no
        // rotation, nor anything else, can end the reader before the container ends.
        tokio::spawn(read_to_end(reader, Arc::clone(&self.context.metrics)));
        turn.over().await;
        Ok(())
    }

    pub(super) async fn detach_by_timeout(&mut self, turn: &mut Turn) -> Result<(), ReadError> {
        let reader = self.open().await?;
        let reading = tokio::spawn(read_to_end(reader, Arc::clone(&self.context.metrics)));
        // The mistake, the same as in `timeout(d, spawn(..))`: when the time is over, what is dropped is the handle. The
        // reader goes on without it.
        tokio::select! {
            () = turn.over() => {}
            _ = reading => turn.over().await,
        }
        Ok(())
    }

    pub(super) async fn leave_pump(&mut self, turn: &mut Turn) -> Result<(), ReadError> {
        let mut reader = self.open().await?;
        let mut capture = Capture::new(&self.captured, &self.context);
        let (pumped, mut chunks) = mpsc::channel(PUMPED_CHUNKS);
        // The mistake: the pump learns from a failed `send` that nobody listens any more, and has something to send only
        // when the container prints.
        tokio::spawn(async move {
            while let Ok(Some(chunk)) = reader.next_chunk().await {
                if pumped.send(chunk).await.is_err() {
                    return;
                }
            }
        });
        loop {
            tokio::select! {
                chunk = chunks.recv() => match chunk {
                    Some(chunk) => capture.take(&chunk).await?,
                    None => break turn.over().await,
                },
                () = turn.over() => break,
            }
        }
        if turn.shutdown.is_requested() {
            while let Ok(Some(chunk)) = timeout(QUIET, chunks.recv()).await {
                capture.take(&chunk).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn keep_body(&mut self, turn: &mut Turn) -> Result<(), ReadError> {
        let mut reader = self.open().await?;
        loop {
            tokio::select! {
                chunk = reader.next_chunk() => match chunk? {
                    Some(chunk) => reader.take(&chunk).await?,
                    None => break turn.over().await,
                },
                () = turn.over() => break,
            }
        }
        if turn.shutdown.is_requested() {
            while let Ok(Ok(Some(chunk))) = timeout(QUIET, reader.next_chunk()).await {
                reader.take(&chunk).await?;
            }
        }
        // The mistake: a response holds its connection until it is dropped, and this list is never emptied.
        self.replaced.push(reader);
        Ok(())
    }

    pub(super) async fn read_blocking(&mut self, turn: &mut Turn) -> Result<(), ReadError> {
        let reader = BlockingReader::new(&self.captured, &self.context);
        let metrics = Arc::clone(&self.context.metrics);
        let (begins, begun) = oneshot::channel();
        let reading = tokio::task::spawn_blocking(move || {
            if reader.read_to_end(begins).is_err() {
                metrics.errors.inc(ErrorKind::Engine);
            }
        });
        if begun.await.is_ok() {
            self.opened();
        }
        turn.over().await;
        // The mistake: a blocking task that has begun cannot be aborted. Its thread sits in `read` until the container
        // prints or ends.
        reading.abort();
        Ok(())
    }
}

async fn read_to_end(mut reader: LogReader, metrics: Arc<Metrics>) {
    if reader.read_to_end().await.is_err() {
        metrics.errors.inc(ErrorKind::Engine);
    }
}
