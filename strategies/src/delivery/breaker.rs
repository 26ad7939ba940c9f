//! The circuit breaker before the sink: after so many failures in a row nothing is tried for a while, then one batch is.
//!
//! A pure state machine: whoever asks says what time it is and how a try ended. It recovers by itself: half open, one
//! success closes it, one failure opens it for as long again.

use std::time::Duration;

use tokio::time::Instant;

/// When it opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerLimits {
    /// Failures in a row that open it.
    pub failures: u32,
    /// How long nothing is tried.
    pub open: Duration,
}

/// What a breaker does with the next try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Lets it through.
    Closed,
    /// Holds it back.
    Open,
    /// Has let one through, and waits to hear how it ended.
    HalfOpen,
}

/// A change of state, for whoever counts or tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// From now on nothing is tried.
    Opened,
    /// From now on everything is.
    Closed,
}

/// A circuit breaker.
#[derive(Debug)]
pub struct Breaker {
    limits: BreakerLimits,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant },
    HalfOpen,
}

impl Breaker {
    /// A closed one.
    pub fn new(limits: BreakerLimits) -> Self {
        Self { limits, state: State::Closed { failures: 0 } }
    }

    /// Other limits from the next failure on.
    pub fn set_limits(&mut self, limits: BreakerLimits) {
        self.limits = limits;
    }

    /// Where it stands.
    pub fn state(&self) -> BreakerState {
        match self.state {
            State::Closed { .. } => BreakerState::Closed,
            State::Open { .. } => BreakerState::Open,
            State::HalfOpen => BreakerState::HalfOpen,
        }
    }

    /// Asks for a try; an error says when to ask again. What was let through is to be followed by
    /// [`succeeded`](Self::succeeded) or [`failed`](Self::failed).
    pub fn ask(&mut self, now: Instant) -> Result<(), Instant> {
        match self.state {
            State::Open { until } if now < until => Err(until),
            State::Open { .. } => {
                self.state = State::HalfOpen;
                Ok(())
            }
            State::Closed { .. } | State::HalfOpen => Ok(()),
        }
    }

    /// The sink answered.
    pub fn succeeded(&mut self) -> Option<Change> {
        let before = std::mem::replace(&mut self.state, State::Closed { failures: 0 });
        (!matches!(before, State::Closed { .. })).then_some(Change::Closed)
    }

    /// The sink did not, or asked to be left alone.
    pub fn failed(&mut self, now: Instant) -> Option<Change> {
        let open = State::Open { until: now + self.limits.open };
        match &mut self.state {
            State::Closed { failures } => {
                *failures += 1;
                if *failures < self.limits.failures {
                    return None;
                }
                self.state = open;
                Some(Change::Opened)
            }
            State::HalfOpen => {
                self.state = open;
                None
            }
            State::Open { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: BreakerLimits = BreakerLimits { failures: 3, open: Duration::from_secs(2) };

    fn opened(now: Instant) -> Breaker {
        let mut breaker = Breaker::new(LIMITS);
        for _ in 0..LIMITS.failures {
            breaker.failed(now);
        }
        breaker
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_success_between_them_does_not_let_them() {
        let (mut breaker, now) = (Breaker::new(LIMITS), Instant::now());
        for _ in 0..5 {
            assert_eq!(breaker.failed(now), None);
            assert_eq!(breaker.failed(now), None);
            assert_eq!(breaker.succeeded(), None);
        }
        assert_eq!([breaker.failed(now), breaker.failed(now), breaker.failed(now)], [None, None, Some(Change::Opened)]);
        assert_eq!(breaker.state(), BreakerState::Open);
    }

    #[test]
    fn open_it_lets_nothing_through_until_its_time_and_then_one_that_decides() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let until = now + LIMITS.open;
        assert_eq!(breaker.ask(now), Err(until));
        assert_eq!(breaker.ask(until - Duration::from_millis(1)), Err(until));
        assert_eq!(breaker.ask(until), Ok(()));
        assert_eq!(breaker.state(), BreakerState::HalfOpen);
        assert_eq!(breaker.failed(until), None, "it is open as before");
        assert_eq!(breaker.ask(until), Err(until + LIMITS.open));
        assert_eq!(breaker.ask(until + LIMITS.open), Ok(()));
        assert_eq!(breaker.succeeded(), Some(Change::Closed));
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    #[test]
    fn once_closed_again_it_takes_as_many_failures_as_before() {
        let now = Instant::now();
        let mut breaker = opened(now);
        breaker.ask(now + LIMITS.open).unwrap();
        breaker.succeeded();
        assert_eq!(breaker.failed(now), None);
        assert_eq!(breaker.state(), BreakerState::Closed);
    }

    proptest! {
        #[test]
        fn whatever_happens_it_asks_to_be_asked_again(steps in proptest::collection::vec((0_u64..3_000, any::<bool>()), 0..200)) {
            let (mut breaker, mut now) = (Breaker::new(LIMITS), Instant::now());
            let mut opened = false;
            for (pause_ms, works) in steps {
                now += Duration::from_millis(pause_ms);
                if let Err(until) = breaker.ask(now) {
                    prop_assert!(until > now && until <= now + LIMITS.open);
                    continue;
                }
                match if works { breaker.succeeded() } else { breaker.failed(now) } {
                    Some(Change::Opened) => prop_assert!(!std::mem::replace(&mut opened, true)),
                    Some(Change::Closed) => prop_assert!(std::mem::replace(&mut opened, false)),
                    None => {}
                }
                prop_assert!(!works || breaker.state() == BreakerState::Closed);
            }
        }
    }
}
