//! The streams that have something to say at every tick, all read by one task.
//!
//! A task of each would be woken for a few lines at a time, and being woken costs as much as the lines do. So a stream's
//! own task waits for it while it is idle, and lends it to this one while it is busy.

use std::any::Any;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use futures_util::FutureExt as _;
use tokio::sync::{mpsc, oneshot};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

use crate::docker_api::EngineError;
use crate::docker_api::coalesced::{BusySocket, READ_BYTES};
use crate::log_reader::{LogReader, ReadError};
use crate::task::OwnedTask;

/// Read before the first line is made of it.
const BUFFER_BYTES: usize = 8 * READ_BYTES;

/// Streams lent and recalled between two looks at all the others.
const MESSAGES_AT_ONCE: usize = 1024;

/// Reads busy streams; cheap to clone. There is no task until the first is lent, nor once the last clone is gone.
#[derive(Debug, Clone, Default)]
pub(crate) struct BusyStreams(Arc<OnceLock<Reading>>);

#[derive(Debug)]
struct Reading {
    messages: mpsc::UnboundedSender<Message>,
    lent_before: AtomicU64,
    _task: OwnedTask<()>,
}

enum Message {
    Lent(Lent),
    Recalled(LoanId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct LoanId(u64);

/// A stream in the hands of the task.
struct Lent {
    socket: BusySocket,
    /// Bytes found by this look, and not yet handed over.
    found: usize,
    reader: Box<LogReader>,
    /// Why it is to be read no further.
    over: Option<Over>,
    id: LoanId,
    back: oneshot::Sender<Returned>,
}

enum Over {
    /// It is not busy any more, or was recalled.
    Idle,
    Failed(Box<ReadError>),
    Panicked(Box<dyn Any + Send>),
}

/// As it was lent, or how reading it failed; or the panic in which that ended.
type Returned = Result<Result<Box<LogReader>, ReadError>, Box<dyn Any + Send>>;

/// Has the stream given back when this is dropped.
struct Loan<'a> {
    id: LoanId,
    messages: &'a mpsc::UnboundedSender<Message>,
}

impl BusyStreams {
    /// Has a stream read while it is busy, but not beyond `recalled`. Cancelling this closes the stream.
    ///
    /// # Panics
    ///
    /// As whoever takes the lines does.
    pub(super) async fn read(
        &self,
        reader: LogReader,
        socket: BusySocket,
        recalled: impl Future,
    ) -> Result<LogReader, ReadError> {
        let reading = self.0.get_or_init(Reading::start);
        let _counted = reader.metrics().streams_busy.hold();
        let (back, mut returned) = oneshot::channel();
        let loan = reading.lend(Box::new(reader), socket, back);
        let returned = tokio::select! {
            biased;
            returned = &mut returned => {
                loan.ended();
                returned
            }
            _ = recalled => {
                drop(loan);
                returned.await
            }
        };
        match returned {
            Ok(Ok(reader)) => Ok(*reader?),
            Ok(Err(panic)) => resume_unwind(panic),
            // The task has ended with its runtime; so does this one.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Reading {
    fn start() -> Self {
        let (messages, received) = mpsc::unbounded_channel();
        Self { messages, lent_before: AtomicU64::new(0), _task: OwnedTask::spawn(read_all(received)) }
    }

    fn lend(&self, reader: Box<LogReader>, socket: BusySocket, back: oneshot::Sender<Returned>) -> Loan<'_> {
        let id = LoanId(self.lent_before.fetch_add(1, Ordering::Relaxed));
        // An error would say that the task has ended, which it does with its runtime only.
        let _ = self.messages.send(Message::Lent(Lent { socket, found: 0, reader, over: None, id, back }));
        Loan { id, messages: &self.messages }
    }
}

impl Loan<'_> {
    /// There is nothing to be given back any more.
    fn ended(self) {
        std::mem::forget(self);
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        let _ = self.messages.send(Message::Recalled(self.id));
    }
}

async fn read_all(mut messages: mpsc::UnboundedReceiver<Message>) {
    let mut streams: Vec<Lent> = Vec::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut received = Vec::new();
    loop {
        let due = streams.iter().map(|lent| lent.socket.due()).min();
        tokio::select! {
            biased;
            count = messages.recv_many(&mut received, MESSAGES_AT_ONCE) => {
                if count == 0 {
                    return;
                }
                received.drain(..).for_each(|message| message.apply_to(&mut streams));
            }
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                look_at_due(&mut streams, &mut buffer).await;
            }
        }
        streams.extract_if(.., |lent| lent.over.is_some()).for_each(Lent::give_back);
    }
}

impl Message {
    fn apply_to(self, streams: &mut Vec<Lent>) {
        match self {
            Self::Lent(lent) => streams.push(lent),
            Self::Recalled(id) => {
                if let Some(lent) = streams.iter_mut().find(|lent| lent.id == id) {
                    lent.over = Some(Over::Idle);
                }
            }
        }
    }
}

/// Looks at every stream whose time has come, and hands over what is there.
///
/// Lines are made once all have been read, or as many as the buffer can hold: the kernel's part of it and ours fill the
/// processor's caches by turns, and so once instead of once a stream.
async fn look_at_due(mut streams: &mut [Lent], buffer: &mut [u8]) {
    let now = Instant::now();
    while !streams.is_empty() {
        let (mut read, mut used) = (0, 0);
        while let Some(lent) = streams.get_mut(read)
            && let Some(room) = buffer.get_mut(used..used + READ_BYTES)
        {
            lent.look(room, now);
            used += lent.found;
            read += 1;
        }
        let (these, others) = streams.split_at_mut(read);
        let mut found = &*buffer;
        for lent in these {
            let (chunk, rest) = found.split_at(lent.found);
            lent.take(chunk).await;
            found = rest;
        }
        streams = others;
        if used > READ_BYTES {
            // There may be as much again: the other tasks have their turn first.
            yield_now().await;
        }
    }
}

impl Lent {
    fn look(&mut self, room: &mut [u8], now: Instant) {
        self.found = 0;
        if self.socket.due() > now {
            return;
        }
        match self.socket.look(room, now) {
            Ok(Some(bytes)) => self.found = bytes,
            Ok(None) => self.over = Some(Over::Idle),
            Err(error) => self.over = Some(Over::Failed(Box::new(EngineError::Body(error.into()).into()))),
        }
    }

    async fn take(&mut self, chunk: &[u8]) {
        if chunk.is_empty() {
            return;
        }
        match AssertUnwindSafe(self.reader.take(chunk)).catch_unwind().await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.over = Some(Over::Failed(error.into())),
            Err(panic) => self.over = Some(Over::Panicked(panic)),
        }
    }

    fn give_back(self) {
        let Self { socket, reader, over, back, .. } = self;
        drop(socket);
        let returned = match over {
            None | Some(Over::Idle) => Ok(Ok(reader)),
            // It is closed before its task hears of it, and opens another.
            Some(Over::Failed(error)) => {
                drop(reader);
                Ok(Err(*error))
            }
            Some(Over::Panicked(panic)) => {
                drop(reader);
                Err(panic)
            }
        };
        // Whoever does not wait for it any more has closed it.
        let _ = back.send(returned);
    }
}
