//! The bounded queue between those who read and the one who posts.
//!
//! One batch is being filled; full ones wait in order. The worker is woken when a batch is opened, filled, or due, not
//! by every line.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::futures::Notified;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;

use super::batch::Batch;
use super::{Limits, RefusedLine, Ticket};
use crate::line::Line;

#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// Those who wait for room.
    room: Notify,
    /// The worker, waiting for something to do.
    work: Notify,
    settled: watch::Sender<Ticket>,
    when_settled: Mutex<WhenSettled>,
    /// Set once, at the end: when the worker must have settled everything.
    deadline: watch::Sender<Option<Instant>>,
}

#[derive(Debug)]
struct State {
    limits: Limits,
    open: Batch,
    full: VecDeque<Batch>,
    /// Memory of the last batch sent, for the next one opened.
    spare: Vec<u8>,
    /// That of the last line taken.
    taken: Ticket,
    closed: bool,
    refused: Option<mpsc::UnboundedSender<RefusedLine>>,
}

/// Told of what is settled, before the next batch is sent.
struct WhenSettled(Option<Box<dyn FnMut(Ticket) + Send>>);

impl std::fmt::Debug for WhenSettled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "told" } else { "nobody is told" })
    }
}

/// Why a line was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotTaken {
    Full,
    Closed,
}

impl Queue {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            state: Mutex::new(State {
                limits,
                open: Batch::default(),
                full: VecDeque::new(),
                spare: Vec::new(),
                taken: Ticket::default(),
                closed: false,
                refused: None,
            }),
            room: Notify::new(),
            work: Notify::new(),
            settled: watch::Sender::default(),
            when_settled: Mutex::new(WhenSettled(None)),
            deadline: watch::Sender::new(None),
        }
    }

    pub(super) fn push(&self, line: &Line<'_>) -> Result<Ticket, NotTaken> {
        let state = &mut *self.lock();
        if state.closed {
            return Err(NotTaken::Closed);
        }
        if state.open.is_full(&state.limits) {
            if state.full.len() >= state.limits.queued_batches {
                return Err(NotTaken::Full);
            }
            let full = state.open_next();
            state.full.push_back(full);
        }
        let was_empty = state.open.is_empty();
        state.open.push(line);
        state.taken.lines += 1;
        if was_empty || state.open.is_full(&state.limits) {
            self.work.notify_one();
        }
        Ok(state.taken)
    }

    pub(super) fn limits(&self) -> Limits {
        self.lock().limits
    }

    /// Other limits from now on; what is queued stays queued.
    pub(super) fn set_limits(&self, limits: Limits) {
        self.lock().limits = limits;
        self.work.notify_one();
        self.room.notify_waiters();
    }

    pub(super) fn room(&self) -> Notified<'_> {
        self.room.notified()
    }

    pub(super) fn settled(&self) -> Ticket {
        *self.settled.borrow()
    }

    pub(super) async fn wait_until_settled(&self, ticket: Ticket) {
        // An error would say that the sender is gone; it is in `self`.
        let _ = self.settled.subscribe().wait_for(|settled| *settled >= ticket).await;
    }

    pub(super) fn when_settled(&self, tell: Box<dyn FnMut(Ticket) + Send>) {
        *self.when_settled.lock().unwrap_or_else(PoisonError::into_inner) = WhenSettled(Some(tell));
    }

    pub(super) fn divert_refused(&self, to: mpsc::UnboundedSender<RefusedLine>) {
        self.lock().refused = Some(to);
    }

    /// Hands a refused line to whoever asked for them; gives it back when nobody did.
    pub(super) fn hand_refused(&self, line: RefusedLine) -> Result<(), RefusedLine> {
        match &self.lock().refused {
            Some(to) => to.send(line).map_err(|error| error.0),
            None => Err(line),
        }
    }

    pub(super) fn close(&self, deadline: Instant) {
        self.lock().closed = true;
        self.deadline.send_replace(Some(deadline));
        self.work.notify_one();
        self.room.notify_waiters();
    }

    /// Resolves when the time that [`Queue::close`] has given is up.
    pub(super) async fn time_is_up(&self) {
        let mut deadline = self.deadline.subscribe();
        let deadline = deadline.wait_for(Option::is_some).await.map_or(None, |deadline| *deadline);
        if let Some(deadline) = deadline {
            tokio::time::sleep_until(deadline).await;
        }
    }

    /// The next batch to send, once it is full or due; `None` when the queue is closed and empty. For one caller.
    pub(super) async fn next_batch(&self) -> Option<Batch> {
        loop {
            let due = match self.try_next() {
                Next::Batch(batch) => return Some(batch),
                Next::End => return None,
                Next::Due(due) => due,
            };
            let woken = self.work.notified();
            match due {
                None => woken.await,
                Some(due) => {
                    // Whichever it was, the queue is looked at again.
                    let _ = tokio::time::timeout_at(due, woken).await;
                }
            }
        }
    }

    /// The fate of a batch of this many lines is decided; its memory comes back for the next.
    pub(super) fn settle(&self, lines: usize, spare: Vec<u8>) {
        self.lock().spare = spare;
        self.settled.send_modify(|settled| settled.lines += lines as u64);
        let mut told = self.when_settled.lock().unwrap_or_else(PoisonError::into_inner);
        if let WhenSettled(Some(tell)) = &mut *told {
            tell(self.settled());
        }
    }

    fn try_next(&self) -> Next {
        let mut state = self.lock();
        let batch = if let Some(batch) = state.full.pop_front() {
            batch
        } else {
            let limits = state.limits;
            let Some(due) = state.open.due(&limits) else {
                return if state.closed { Next::End } else { Next::Due(None) };
            };
            let ready = state.closed || state.open.is_full(&limits) || due <= Instant::now();
            if !ready {
                return Next::Due(Some(due));
            }
            state.open_next()
        };
        drop(state);
        self.room.notify_waiters();
        Next::Batch(batch)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Opens another batch, and gives the one that was open.
    fn open_next(&mut self) -> Batch {
        self.taken.batch += 1;
        let next = Batch::reusing(std::mem::take(&mut self.spare));
        std::mem::replace(&mut self.open, next)
    }
}

enum Next {
    Batch(Batch),
    /// Nothing yet; look again at this time, if any, or when woken.
    Due(Option<Instant>),
    End,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::StreamKind;
    use std::time::Duration;

    fn line(text: &str) -> Line<'_> {
        Line { container: "c01", stream: StreamKind::Stdout, time: "2026-11-23T13:15:57Z".into(), text: text.into() }
    }

    fn small() -> Queue {
        Queue::new(Limits { batch_lines: 2, queued_batches: 1, ..Limits::default() })
    }

    #[tokio::test(start_paused = true)]
    async fn a_batch_that_does_not_fill_is_sent_when_it_is_due() {
        let queue = small();
        queue.push(&line("a")).unwrap();
        let start = Instant::now();
        let batch = queue.next_batch().await.unwrap();
        assert_eq!(batch.lines(), 1);
        assert_eq!(start.elapsed(), Limits::default().batch_wait);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_batch_is_sent_at_once_and_in_order() {
        let queue = small();
        for text in ["a", "b", "c"] {
            queue.push(&line(text)).unwrap();
        }
        let start = Instant::now();
        assert_eq!(queue.next_batch().await.unwrap().lines(), 2);
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!(queue.next_batch().await.unwrap().lines(), 1);
    }

    #[tokio::test]
    async fn what_does_not_fit_is_not_taken_until_there_is_room() {
        let queue = small();
        for text in ["a", "b", "c", "d"] {
            queue.push(&line(text)).unwrap();
        }
        assert_eq!(queue.push(&line("e")), Err(NotTaken::Full));
        assert_eq!(queue.next_batch().await.unwrap().lines(), 2);
        assert_eq!(queue.push(&line("e")), Ok(Ticket { lines: 5, batch: 2 }));
    }

    #[tokio::test]
    async fn a_closed_queue_gives_what_it_has_and_takes_no_more() {
        let queue = small();
        queue.push(&line("a")).unwrap();
        queue.close(Instant::now());
        assert_eq!(queue.push(&line("b")), Err(NotTaken::Closed));
        assert_eq!(queue.next_batch().await.unwrap().lines(), 1);
        assert!(queue.next_batch().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn other_limits_hold_at_once_and_lose_nothing() {
        let queue = small();
        for text in ["a", "b", "c"] {
            queue.push(&line(text)).unwrap();
        }
        queue.set_limits(Limits { batch_lines: 1, batch_wait: Duration::ZERO, queued_batches: 5, ..Limits::default() });
        queue.push(&line("d")).unwrap();
        for lines in [2, 1, 1] {
            assert_eq!(queue.next_batch().await.unwrap().lines(), lines);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn lines_settle_with_those_of_their_batch() {
        let queue = small();
        let [a, b, c] = ["a", "b", "c"].map(|text| queue.push(&line(text)).unwrap());
        assert!(a.settles_with(b) && !b.settles_with(c));
        assert_eq!(queue.next_batch().await.unwrap().lines(), 2);
        assert_eq!(queue.next_batch().await.unwrap().lines(), 1);
        let d = queue.push(&line("d")).unwrap();
        assert!(!c.settles_with(d), "the batch of c was due before it was full");
    }

    #[test]
    fn settled_follows_the_order_of_tickets() {
        let queue = small();
        let ticket = queue.push(&line("a")).unwrap();
        assert!(queue.settled() < ticket);
        queue.settle(1, Vec::new());
        assert_eq!(queue.settled(), ticket);
    }
}
