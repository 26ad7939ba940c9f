//! A log stream that owns what it holds.

use tokio::sync::oneshot;
use tokio::time::{Duration, timeout};

use super::busy::BusyStreams;
use crate::log_reader::{LogReader, ReadError};
use crate::task::OwnedTask;

/// After this long without a byte, all that is there already has been read.
const QUIET: Duration = Duration::from_millis(200);

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The engine had no more to send.
    Complete,
    /// It broke off, or went out of step.
    Broken,
    /// It begins after what was captured, and lines may lie in between. None was delivered.
    Apart,
    /// It was told to.
    Stopped,
}

/// What a stream can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// Read no further.
    Now,
    /// Read what is there already.
    WhenQuiet,
}

/// An open log stream being read.
///
/// It owns the response, the task that reads it, and the task's cancellation. However this ends (closed, dropped,
/// cancelled with its owner, an error, a panic of the reader) the task ends, and with the task goes the response and its
/// connection; while the stream is lent to [`BusyStreams`], once that has given out what is in hand. There is no handle to
/// forget: the task cannot be reached but through this.
#[derive(Debug)]
pub(super) struct ManagedStream {
    task: OwnedTask<End>,
    stop: Option<oneshot::Sender<Stop>>,
    /// Once the task has told.
    end: Option<End>,
}

impl ManagedStream {
    /// Begins to read. While the stream is busy, it is read with all that are.
    pub(super) fn start(reader: LogReader, busy: BusyStreams) -> Self {
        let (stop, told) = oneshot::channel();
        let orders = Orders { told, stop: None };
        Self { task: OwnedTask::spawn(read(reader, orders, busy)), stop: Some(stop), end: None }
    }

    /// Waits for the stream's end. Cancel-safe.
    pub(super) async fn ended(&mut self) -> End {
        if let Some(end) = self.end {
            return end;
        }
        let end = self.task.join().await.unwrap_or_else(|panicked| {
            crate::log::say(crate::log::Level::Warn, format_args!("a log stream is opened again: {panicked}"));
            End::Broken
        });
        *self.end.insert(end)
    }

    /// Closes this stream once the chunk in hand is delivered, and goes on with `next`: which lines of it are new is
    /// certain only then. Tells how this one ended.
    pub(super) async fn replace(&mut self, next: LogReader, busy: BusyStreams) -> End {
        self.tell(Stop::Now);
        let end = self.ended().await;
        *self = Self::start(next, busy);
        end
    }

    /// Reads what is there already, then closes.
    pub(super) async fn drain(mut self) {
        self.tell(Stop::WhenQuiet);
        self.ended().await;
    }

    fn tell(&mut self, how: Stop) {
        if let Some(stop) = self.stop.take() {
            // A task that has ended by itself needs no telling.
            let _ = stop.send(how);
        }
    }
}

/// What the reading task was told.
struct Orders {
    told: oneshot::Receiver<Stop>,
    /// Once it was.
    stop: Option<Stop>,
}

impl Orders {
    /// Waits for the order to stop, or that nobody is left to give it. Cancel-safe.
    async fn stop(&mut self) -> Stop {
        if let Some(stop) = self.stop {
            return stop;
        }
        *self.stop.insert((&mut self.told).await.unwrap_or(Stop::Now))
    }
}

async fn read(mut reader: LogReader, mut orders: Orders, busy: BusyStreams) -> End {
    let read = async {
        loop {
            let chunk = tokio::select! {
                biased;
                stop = orders.stop() => match stop {
                    Stop::WhenQuiet => return read_until_quiet(&mut reader).await,
                    Stop::Now => return Ok(End::Stopped),
                },
                chunk = reader.next_chunk() => chunk?,
            };
            let Some(chunk) = chunk else { break };
            reader.take(&chunk).await?;
            if let Some(socket) = reader.busy() {
                reader = busy.read(reader, socket, orders.stop()).await?;
            }
        }
        Ok::<_, ReadError>(End::Complete)
    };
    read.await.unwrap_or_else(|error| match error {
        ReadError::Apart => End::Apart,
        // Which error it was is the same to whoever opens the stream again.
        ReadError::Engine(_) | ReadError::Frame(_) => End::Broken,
    })
}

async fn read_until_quiet(reader: &mut LogReader) -> Result<End, ReadError> {
    while let Ok(chunk) = timeout(QUIET, reader.next_chunk()).await {
        let Some(chunk) = chunk? else { return Ok(End::Complete) };
        reader.take(&chunk).await?;
    }
    Ok(End::Stopped)
}
