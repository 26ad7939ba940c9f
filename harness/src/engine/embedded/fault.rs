//! What goes wrong on purpose: faults that nobody may do to a real daemon.
//!
//! One [`Standing`] says what is wrong now; requests, streams and listeners look at it. What lasts is set for its time
//! and taken back; what happens once is a count that goes up. Leaks are leaked for good.

use std::fs::File;
use std::future::{Future, pending};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::body::Bytes;
use leaksoak_scenarios::EngineFaultKind;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::api::answer::ApiError;

/// What is wrong now.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Standing {
    /// How many faults ask for it at this time: nobody is to listen.
    pub refusing: u32,
    /// Likewise: nothing goes on.
    pub stalled: u32,
    /// Every answer is so late.
    pub delay: Duration,
    /// So many requests are answered with 500, percent.
    pub errors_pct: f64,
    /// How often every stream was broken off.
    pub cuts: u64,
    /// How often every log stream was to break off within a frame.
    pub tears: u64,
    /// How often every connection was closed.
    pub disconnects: u64,
}

/// The faults of an engine.
#[derive(Debug, Default)]
pub struct Faults {
    standing: watch::Sender<Standing>,
    leaked: Mutex<Leaked>,
}

/// What was leaked on purpose.
#[derive(Debug, Default)]
struct Leaked {
    files: Vec<File>,
    memory: Vec<Vec<u8>>,
}

/// A stream's view of the faults, from when it began.
#[derive(Debug)]
pub struct Guard {
    standing: watch::Receiver<Standing>,
    cuts: u64,
    tears: u64,
}

impl Faults {
    /// What is wrong now.
    #[must_use]
    pub fn standing(&self) -> Standing {
        *self.standing.borrow()
    }

    /// What is wrong, as it changes.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    /// Holds a request up as long as it is to be held up.
    pub async fn hold_up(&self) {
        not_stalled(&mut self.standing.subscribe()).await;
        let delay = self.standing().delay;
        if !delay.is_zero() {
            sleep(delay).await;
        }
    }

    /// The error that a request is to get instead of its answer.
    #[must_use]
    pub fn refusal(&self) -> Option<ApiError> {
        let share = self.standing().errors_pct;
        (share > 0.0 && fastrand::f64() * 100.0 < share).then(|| ApiError::internal("a fault was asked for"))
    }

    /// For a stream that begins now.
    #[must_use]
    pub fn guard(&self) -> Guard {
        let Standing { cuts, tears, .. } = self.standing();
        Guard { standing: self.standing.subscribe(), cuts, tears }
    }

    /// Makes it happen, and takes it back when its time is over.
    pub fn happen(self: &Arc<Self>, fault: EngineFaultKind) {
        match fault {
            EngineFaultKind::DropStreams => self.standing.send_modify(|now| now.cuts += 1),
            EngineFaultKind::CutFrames => self.standing.send_modify(|now| now.tears += 1),
            EngineFaultKind::RefuseConnections { lasts } => {
                self.last(lasts.as_duration(), |now| now.refusing += 1, |now| now.refusing -= 1);
            }
            EngineFaultKind::Stall { lasts } => {
                self.last(lasts.as_duration(), |now| now.stalled += 1, |now| now.stalled -= 1);
            }
            EngineFaultKind::Restart { lasts } => {
                let begin = |now: &mut Standing| {
                    now.refusing += 1;
                    now.disconnects += 1;
                    now.cuts += 1;
                };
                self.last(lasts.as_duration(), begin, |now| now.refusing -= 1);
            }
            EngineFaultKind::Delay { by, lasts } => {
                let by = by.as_duration();
                self.last(lasts.as_duration(), move |now| now.delay += by, move |now| now.delay -= by);
            }
            EngineFaultKind::Errors { pct, lasts } => {
                self.last(lasts.as_duration(), move |now| now.errors_pct = pct, |now| now.errors_pct = 0.0);
            }
            EngineFaultKind::Leak { fds_per_min, tasks_per_min, memory_per_min, lasts } => {
                let end = Instant::now() + lasts.as_duration();
                self.leak(fds_per_min, end, Self::leak_file);
                self.leak(tasks_per_min, end, |_| drop(tokio::spawn(pending::<()>())));
                if let Some(memory) = memory_per_min {
                    // In sixty portions.
                    let portion = usize::try_from(memory.get() / 60).unwrap_or(usize::MAX);
                    self.leak(60, end, move |faults| faults.leaked().memory.push(vec![1; portion]));
                }
            }
        }
    }

    fn last(
        self: &Arc<Self>,
        lasts: Duration,
        begin: impl FnOnce(&mut Standing),
        end: impl FnOnce(&mut Standing) + Send + 'static,
    ) {
        self.standing.send_modify(begin);
        let faults = Arc::clone(self);
        tokio::spawn(async move {
            sleep(lasts).await;
            faults.standing.send_modify(end);
        });
    }

    fn leak(self: &Arc<Self>, per_min: u32, end: Instant, leak_one: impl Fn(&Self) + Send + 'static) {
        if per_min == 0 {
            return;
        }
        let gap = Duration::from_secs(60) / per_min;
        let faults = Arc::clone(self);
        tokio::spawn(async move {
            let mut due = Instant::now() + gap;
            while due <= end {
                sleep_until(due).await;
                leak_one(&faults);
                due += gap;
            }
        });
    }

    fn leak_file(&self) {
        // At the limit of open files there is nothing left to lose.
        if let Ok(file) = File::open("/dev/null") {
            self.leaked().files.push(file);
        }
    }

    fn leaked(&self) -> std::sync::MutexGuard<'_, Leaked> {
        self.leaked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guard {
    /// What `next` gives, held up while everything stands still.
    ///
    /// # Errors
    /// The stream is to break off.
    pub async fn pass<T>(&mut self, next: impl Future<Output = T>) -> io::Result<T> {
        let mut watch = self.standing.clone();
        let cuts = self.cuts;
        let passed = async {
            let value = next.await;
            not_stalled(&mut self.standing).await;
            value
        };
        tokio::select! {
            biased;
            () = async { drop(watch.wait_for(|now| now.cuts != cuts).await) } => Err(io::Error::other("a fault was asked for")),
            value = passed => Ok(value),
        }
    }

    /// Half of the chunk, if the stream is to break off within a frame; true: nothing may follow.
    pub fn tear(&mut self, chunk: Bytes) -> (Bytes, bool) {
        let torn = self.standing.borrow().tears != self.tears;
        if torn { (chunk.slice(..chunk.len() / 2), true) } else { (chunk, false) }
    }
}

async fn not_stalled(standing: &mut watch::Receiver<Standing>) {
    // The sender lives as long as the engine.
    let _ = standing.wait_for(|now| now.stalled == 0).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use leaksoak_scenarios::Span;

    fn span(text: &str) -> Span {
        text.parse().unwrap()
    }

    fn faults() -> Arc<Faults> {
        Arc::default()
    }

    #[tokio::test(start_paused = true)]
    async fn what_lasts_is_taken_back() {
        let faults = faults();
        faults.happen(EngineFaultKind::Delay { by: span("200ms"), lasts: span("30s") });
        faults.happen(EngineFaultKind::Errors { pct: 100.0, lasts: span("10s") });
        let start = Instant::now();
        faults.hold_up().await;
        assert_eq!(start.elapsed(), Duration::from_millis(200));
        assert!(faults.refusal().is_some());
        sleep(Duration::from_secs(11)).await;
        assert!(faults.refusal().is_none());
        sleep(Duration::from_secs(20)).await;
        assert_eq!(faults.standing(), Standing::default());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stall_holds_requests_and_streams_up() {
        let faults = faults();
        let mut guard = faults.guard();
        faults.happen(EngineFaultKind::Stall { lasts: span("5s") });
        let start = Instant::now();
        assert_eq!(guard.pass(async { 7 }).await.unwrap(), 7);
        assert_eq!(start.elapsed(), Duration::from_secs(5));
        faults.hold_up().await;
        assert_eq!(start.elapsed(), Duration::from_secs(5));
    }

    #[tokio::test]
    async fn streams_that_were_there_break_off_and_later_ones_do_not() {
        let faults = faults();
        let mut early = faults.guard();
        faults.happen(EngineFaultKind::DropStreams);
        assert!(early.pass(pending::<()>()).await.is_err());
        assert!(faults.guard().pass(async {}).await.is_ok());
    }

    #[tokio::test]
    async fn a_torn_chunk_is_half_and_the_last() {
        let faults = faults();
        let mut guard = faults.guard();
        assert_eq!(guard.tear(Bytes::from_static(b"abcd")), (Bytes::from_static(b"abcd"), false));
        faults.happen(EngineFaultKind::CutFrames);
        assert_eq!(guard.tear(Bytes::from_static(b"abcd")), (Bytes::from_static(b"ab"), true));
    }

    #[tokio::test(start_paused = true)]
    async fn leaks_come_at_their_rate_and_stay() {
        let faults = faults();
        faults.happen(EngineFaultKind::Leak {
            fds_per_min: 30,
            tasks_per_min: 60,
            memory_per_min: Some("600B".parse().unwrap()),
            lasts: span("1m"),
        });
        sleep(Duration::from_secs(90)).await;
        assert_eq!(faults.leaked().files.len(), 30);
        assert_eq!(faults.leaked().memory.iter().map(Vec::len).sum::<usize>(), 600);
        assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 60);
    }
}
