//! The streams that have something to say at every tick, all read by one task.
//!
//! A task of each would be woken for a few lines at a time, and being woken costs as much as the lines do. So a stream's
//! own task waits for it while it is idle, and lends it to this one while it is busy.

use std::any::Any;
use std::future::pending;
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

/// At most so much is read before lines are made of it.
const BUFFER_BYTES: usize = 8 * READ_BYTES;

/// Taken out of the channel at once.
const MESSAGES_AT_ONCE: usize = 1024;

/// Reads busy streams; cheap to clone. By default there is no task until the first is lent; nor is there once the last clone is
/// gone.
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
    /// It is to be read no further: it is not busy any more, or has failed.
    over: Option<Result<(), Failure>>,
    id: LoanId,
    back: oneshot::Sender<Returned>,
}

/// A stream as it was lent, or why it is closed.
type Returned = Result<Box<LogReader>, Failure>;

/// How reading a stream failed; it is closed then.
enum Failure {
    Read(Box<ReadError>),
    Panic(Box<dyn Any + Send>),
}

/// Has the stream given back when this is dropped.
struct Loan<'a> {
    id: LoanId,
    messages: &'a mpsc::UnboundedSender<Message>,
}

impl BusyStreams {
    /// The task is there from the beginning, so that it does not come later and look like growth.
    pub(super) fn start() -> Self {
        let streams = Self::default();
        streams.reading();
        streams
    }

    fn reading(&self) -> &Reading {
        self.0.get_or_init(Reading::start)
    }

    /// Has a stream read while it is busy, but not beyond `recalled`. If this is cancelled, the stream is closed once what is
    /// in hand is delivered.
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
        let reading = self.reading();
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
            Ok(Ok(reader)) => Ok(*reader),
            Ok(Err(Failure::Read(error))) => Err(*error),
            Ok(Err(Failure::Panic(panic))) => resume_unwind(panic),
            Err(_) => Err(EngineError::Body("the task that reads busy streams has ended".into()).into()),
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
        // That nobody takes it is told by `back`.
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
        let next = streams.iter().map(|lent| lent.socket.due()).min();
        tokio::select! {
            biased;
            count = messages.recv_many(&mut received, MESSAGES_AT_ONCE) => {
                if count == 0 {
                    return;
                }
                received.drain(..).for_each(|message| message.apply_to(&mut streams));
            }
            () = due(next) => {
                look_at_due(&mut streams, &mut buffer).await;
                streams.extract_if(.., |lent| lent.over.is_some()).for_each(Lent::give_back);
            }
        }
    }
}

/// Waits for a moment; `None`: for ever. The timer would make a whole millisecond of one that has come: then it is only the
/// other tasks' turn.
async fn due(at: Option<Instant>) {
    match at {
        None => pending().await,
        Some(at) if at <= Instant::now() => yield_now().await,
        Some(at) => sleep_until(at).await,
    }
}

impl Message {
    fn apply_to(self, streams: &mut Vec<Lent>) {
        match self {
            Self::Lent(lent) => streams.push(lent),
            Self::Recalled(id) => {
                if let Some(at) = streams.iter().position(|lent| lent.id == id) {
                    streams.swap_remove(at).give_back();
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
    while !streams.is_empty() {
        let now = Instant::now();
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
        if !streams.is_empty() {
            // That was a whole buffer: the other tasks have their turn first.
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
            Ok(None) => self.over = Some(Ok(())),
            Err(error) => self.fail(EngineError::Body(error.into()).into()),
        }
    }

    async fn take(&mut self, chunk: &[u8]) {
        if chunk.is_empty() {
            return;
        }
        match AssertUnwindSafe(self.reader.take(chunk)).catch_unwind().await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.fail(error),
            Err(panic) => self.over = Some(Err(Failure::Panic(panic))),
        }
    }

    fn fail(&mut self, error: ReadError) {
        self.over = Some(Err(Failure::Read(error.into())));
    }

    fn give_back(self) {
        let Self { socket, reader, over, back, .. } = self;
        drop(socket);
        // One that failed is closed before its task hears of it, and opens another.
        let returned = over.unwrap_or(Ok(())).map(|()| reader);
        // Whoever does not wait for it any more has closed it.
        let _ = back.send(returned);
    }
}
