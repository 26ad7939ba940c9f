//! What the sink does wrong, because the scenario wants to see what an arm makes of it.
//!
//! Pure but for chance and the clock: [`Active::at`] says what holds at a time of the run.

use std::time::Duration;

use hyper::StatusCode;
use leaksoak_scenarios::{SinkFault, SinkFaultKind};
use tokio::sync::watch;
use tokio::time::Instant;

/// The faults of a run, and the zero that their times count from, while it is measured.
#[derive(Debug)]
pub(super) struct Faults {
    faults: Vec<SinkFault>,
    zero: watch::Sender<Option<Instant>>,
}

/// The faults that hold at one time; those of one kind are added up.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Active {
    down: bool,
    cut_pct: f64,
    answer: Option<(StatusCode, f64)>,
    refuse_pct: f64,
    pub(super) delay: Duration,
}

impl Faults {
    pub(super) fn new(faults: &[SinkFault]) -> Self {
        Self { faults: faults.to_vec(), zero: watch::Sender::new(None) }
    }

    pub(super) fn begin(&self, zero: Instant) {
        self.zero.send_replace(Some(zero));
    }

    pub(super) fn end(&self) {
        self.zero.send_replace(None);
    }

    pub(super) fn active(&self) -> Active {
        let zero = *self.zero.borrow();
        zero.map_or_else(Active::default, |zero| Active::at(&self.faults, zero.elapsed()))
    }

    /// Waits until the sink is to be down, or not to be. Cancel-safe.
    pub(super) async fn until_down(&self, down: bool) {
        let mut zero = self.zero.subscribe();
        while self.active().down != down {
            let change = self.next_change();
            tokio::select! {
                // It is in `self`, so it is not gone.
                _ = zero.changed() => {}
                () = tokio::time::sleep_until(change.unwrap_or_else(Instant::now)), if change.is_some() => {}
            }
        }
    }

    /// When a fault begins or ends next.
    fn next_change(&self) -> Option<Instant> {
        let zero = (*self.zero.borrow())?;
        let elapsed = zero.elapsed();
        let times = self.faults.iter().flat_map(|fault| {
            let from = fault.from.as_duration();
            [Some(from), fault.lasts.map(|lasts| from.saturating_add(lasts.as_duration()))]
        });
        times.flatten().filter(|at| *at > elapsed).min().map(|at| zero + at)
    }
}

impl Active {
    fn at(faults: &[SinkFault], elapsed: Duration) -> Self {
        let mut active = Self::default();
        for fault in faults {
            let Some(since) = elapsed.checked_sub(fault.from.as_duration()) else { continue };
            if fault.lasts.is_some_and(|lasts| since >= lasts.as_duration()) {
                continue;
            }
            match fault.kind {
                SinkFaultKind::Down => active.down = true,
                SinkFaultKind::Cut { pct } => active.cut_pct += pct,
                SinkFaultKind::Answer { status, pct } => {
                    // Checked to be one when the scenario was read.
                    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
                    active.answer = Some((status, pct));
                }
                SinkFaultKind::Refuse { pct } => active.refuse_pct += pct,
                SinkFaultKind::Slow { delay } => active.delay += delay.as_duration(),
            }
        }
        active
    }

    pub(super) fn cuts(&self) -> bool {
        chance(self.cut_pct)
    }

    pub(super) fn answers(&self) -> Option<StatusCode> {
        self.answer.filter(|(_, pct)| chance(*pct)).map(|(status, _)| status)
    }

    pub(super) fn refuses(&self) -> bool {
        chance(self.refuse_pct)
    }
}

/// True for so many of a hundred.
fn chance(pct: f64) -> bool {
    pct > 0.0 && fastrand::f64() * 100.0 < pct
}

#[cfg(test)]
mod tests {
    use super::*;
    use leaksoak_scenarios::Span;

    fn fault(kind: SinkFaultKind, from_s: u64, lasts_s: Option<u64>) -> SinkFault {
        SinkFault { kind, from: Span::from_secs(from_s), lasts: lasts_s.map(Span::from_secs) }
    }

    #[test]
    fn a_fault_holds_from_its_beginning_until_its_end_and_no_longer() {
        let faults = [
            fault(SinkFaultKind::Down, 60, Some(60)),
            fault(SinkFaultKind::Refuse { pct: 5.0 }, 120, None),
            fault(SinkFaultKind::Refuse { pct: 1.0 }, 180, Some(1)),
        ];
        let at = |second| Active::at(&faults, Duration::from_secs(second));
        assert_eq!(at(59), Active::default());
        assert!(at(60).down && at(119).down && !at(120).down);
        let told = [119, 120, 180, 181].map(|second| at(second).refuse_pct.to_string());
        assert_eq!(told, ["0", "5", "6", "5"]);
    }

    #[test]
    fn a_share_is_a_share() {
        let active = Active { refuse_pct: 5.0, ..Active::default() };
        let refused = (0..10_000).filter(|_| active.refuses()).count();
        assert!((300..700).contains(&refused), "{refused} of 10,000 at 5 %");
        assert!(!(0..10_000).any(|_| active.cuts()));
    }

    #[tokio::test(start_paused = true)]
    async fn down_is_waited_for_and_its_end_too() {
        let faults = Faults::new(&[fault(SinkFaultKind::Down, 60, Some(60))]);
        let zero = Instant::now();
        faults.begin(zero);
        faults.until_down(true).await;
        assert_eq!(zero.elapsed(), Duration::from_secs(60));
        faults.until_down(false).await;
        assert_eq!(zero.elapsed(), Duration::from_secs(120));
    }
}
