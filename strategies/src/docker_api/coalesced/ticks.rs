//! The clock of all sockets that are read on a tick: it wakes them together, and sleeps for good while none waits.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// tokio's timer knows nothing shorter.
const SHORTEST: Duration = Duration::from_millis(1);

/// Moments at equal distances, the same for all who hold a clone.
///
/// One task sleeps for all who wait: a timer of each would be set anew at every tick, which costs a system call.
#[derive(Debug, Clone)]
pub(in crate::docker_api) struct Ticks(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    start: Instant,
    every: Duration,
    waiting: Mutex<Waiting>,
    /// Somebody waits for an earlier moment than the task sleeps to.
    earlier: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    wakers: Vec<(Instant, Waker)>,
    /// What the task sleeps to; `None`: there is no task.
    task_sleeps_to: Option<Instant>,
}

/// Waits for one moment after another.
#[derive(Debug)]
pub(super) struct Tick {
    ticks: Ticks,
    at: Instant,
    /// Whom the clock will wake then.
    registered: Option<Waker>,
}

/// The task that wakes them.
struct Running {
    ticks: Ticks,
    /// Nobody waited: it has ended by itself.
    ended: bool,
}

impl Ticks {
    /// `every` is not zero.
    pub(in crate::docker_api) fn new(every: Duration) -> Self {
        Self(Arc::new(Shared { start: Instant::now(), every, waiting: Mutex::default(), earlier: Notify::new() }))
    }

    /// The first moment after `now`. Where that may be further away than `at_most`, the first of twice as many moments, or of
    /// four times, and so on.
    pub(super) fn after(&self, now: Instant, at_most: Duration) -> Instant {
        let mut every = self.0.every;
        while every > at_most && every / 2 >= SHORTEST {
            every /= 2;
        }
        let [every, since_start] =
            [every, now - self.0.start].map(|span| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX).max(1));
        now + Duration::from_nanos(every - since_start % every)
    }

    fn wake_at(&self, at: Instant, waker: Waker) {
        let mut waiting = self.lock();
        waiting.wakers.push((at, waker));
        match &mut waiting.task_sleeps_to {
            None => {
                waiting.task_sleeps_to = Some(at);
                tokio::spawn(Running { ticks: self.clone(), ended: false }.run(at));
            }
            Some(to) if at < *to => {
                *to = at;
                self.0.earlier.notify_one();
            }
            Some(_) => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing under the lock can panic.
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    /// Until nobody waits from one moment to the next.
    async fn run(mut self, first: Instant) {
        let mut to = first;
        let mut due = Vec::new();
        while !self.ended {
            tokio::select! {
                () = sleep_until(to) => {}
                () = self.ticks.0.earlier.notified() => {
                    to = self.ticks.lock().task_sleeps_to.unwrap_or(to);
                    continue;
                }
            }
            match self.take_due(Instant::now(), &mut due) {
                Some(next) => to = next,
                None => self.ended = true,
            }
            due.drain(..).for_each(Waker::wake);
        }
    }

    /// Takes those whose moment has come, and gives the next moment. `None`: nobody waits, nor did.
    fn take_due(&self, now: Instant, due: &mut Vec<Waker>) -> Option<Instant> {
        let mut waiting = self.ticks.lock();
        due.extend(waiting.wakers.extract_if(.., |(at, _)| *at <= now).map(|(_, waker)| waker));
        let next = waiting.wakers.iter().map(|(at, _)| *at).min();
        let after_these = || (!due.is_empty()).then(|| self.ticks.after(now, self.ticks.0.every));
        waiting.task_sleeps_to = next.or_else(after_these);
        waiting.task_sleeps_to
    }
}

impl Drop for Running {
    /// Of a task that has not ended by itself, the runtime has ended: whoever waits on another begins anew.
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let mut waiting = self.ticks.lock();
        waiting.task_sleeps_to = None;
        let wakers = std::mem::take(&mut waiting.wakers);
        drop(waiting);
        for (_, waker) in wakers {
            waker.wake();
        }
    }
}

impl Tick {
    pub(super) fn new(ticks: Ticks) -> Self {
        Self { ticks, at: Instant::now(), registered: None }
    }

    /// From now on the next moment is waited for, as [`Ticks::after`] has it.
    pub(super) fn next_after(&mut self, now: Instant, at_most: Duration) {
        self.at = self.ticks.after(now, at_most);
        self.registered = None;
    }

    pub(super) fn ticks(&self) -> &Ticks {
        &self.ticks
    }

    /// The moment that is waited for.
    pub(super) fn at(&self) -> Instant {
        self.at
    }

    /// Whether it has come.
    pub(super) fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        if Instant::now() >= self.at {
            return Poll::Ready(());
        }
        let waker = cx.waker();
        if self.registered.as_ref().is_none_or(|registered| !registered.will_wake(waker)) {
            self.registered = Some(waker.clone());
            self.ticks.wake_at(self.at, waker.clone());
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::advance;

    use super::*;

    const TICK: Duration = Duration::from_millis(10);

    async fn wait(ticks: &Ticks, at_most: Duration) -> Duration {
        let since = Instant::now();
        let mut tick = Tick::new(ticks.clone());
        tick.next_after(since, at_most);
        poll_fn(|cx| tick.poll(cx)).await;
        since.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn all_wait_for_the_same_moments() {
        let ticks = Ticks::new(TICK);
        advance(Duration::from_millis(3)).await;
        let first = ticks.after(Instant::now(), TICK);
        advance(Duration::from_millis(5)).await;
        assert_eq!(ticks.after(Instant::now(), TICK), first);
        advance(Duration::from_millis(2)).await;
        assert_eq!(ticks.after(Instant::now(), TICK), first + TICK, "a moment that has come is over");
        assert_eq!(ticks.after(Instant::now(), TICK * 2 / 3), first + TICK / 2, "a shorter tick divides it");
        assert_eq!(ticks.after(Instant::now(), Duration::ZERO), first + TICK / 8, "but not without end");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_for_an_earlier_moment_is_woken_earlier() {
        let ticks = Ticks::new(TICK);
        let (late, early) = tokio::join!(wait(&ticks, TICK), wait(&ticks, TICK / 4));
        assert_eq!(late, TICK);
        // The timer's resolution is a millisecond.
        assert_eq!(early, Duration::from_millis(3));
    }

    #[tokio::test(start_paused = true)]
    async fn there_is_a_task_only_while_somebody_waits() {
        let ticks = Ticks::new(TICK);
        let sleeps = || ticks.lock().task_sleeps_to.is_some();
        assert!(!sleeps());
        for _ in 0..3 {
            assert_eq!(wait(&ticks, TICK).await, TICK);
            assert!(sleeps(), "it expects whoever waited to wait again");
        }
        tokio::time::sleep(2 * TICK).await;
        assert!(!sleeps());
        wait(&ticks, TICK).await;
    }

    #[test]
    fn whoever_waits_is_woken_though_the_runtime_that_ticked_is_gone() {
        let runtime =
            || tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let (first, second) = (runtime(), runtime());
        let ticks = first.block_on(async {
            let ticks = Ticks::new(TICK);
            wait(&ticks, TICK).await;
            ticks
        });
        drop(first);
        second.block_on(async {
            tokio::time::timeout(3 * TICK, wait(&ticks, TICK)).await.expect("it is woken");
        });
    }
}
