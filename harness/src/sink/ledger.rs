//! The ledger: the account, per arm and container, of every line that reached the sink.
//!
//! Pure bookkeeping: whoever calls says what arrived and when. How many lines there should have been is learned from
//! the containers' final lines ([`Book::set_final`], or one that an arm delivered); until then from the highest number
//! that any arm delivered, which is a lower bound and is said to be one.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use leaksoak_reports::record::ledger::{ArmLedger, ContainerLedger, Counts, ExpectedFrom, Latency, Ledger};

use super::seq_set::{Inserted, SeqSet};
use crate::workload::line::Token;

/// Longest latency told apart, microseconds: one hour.
const MAX_LATENCY_US: u64 = 3_600_000_000;

/// What became of one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// Counted as delivered or duplicated.
    Accepted,
    /// Older than the sink's rules allow.
    Refused,
}

/// The books of all arms.
#[derive(Debug)]
pub struct Book {
    refuse_older_than_ns: Option<u64>,
    containers: Vec<String>,
    arms: BTreeMap<String, Account>,
    finals: BTreeMap<String, u64>,
}

#[derive(Debug)]
struct Account {
    lines: BTreeMap<String, Lines>,
    latency_us: Histogram<u64>,
    /// Of the lines since [`Book::take_latency`] was last asked.
    recent_latency_us: Histogram<u64>,
    delivered: u64,
}

#[derive(Debug, Default)]
struct Lines {
    seen: SeqSet,
    duplicated: u64,
    reordered: u64,
    refused: u64,
}

impl Book {
    /// Opens an account for each arm. Lines of containers other than these are passed over.
    ///
    /// # Panics
    /// Never: the histogram's bounds are constants that it takes.
    #[must_use]
    pub fn new(arms: &[String], containers: &[String], refuse_older_than_ns: Option<u64>) -> Self {
        let histogram =
            || Histogram::new_with_bounds(1, MAX_LATENCY_US, 2).expect("1 us to 1 h at two digits are bounds it takes");
        let account = || Account {
            lines: containers.iter().map(|container| (container.clone(), Lines::default())).collect(),
            latency_us: histogram(),
            recent_latency_us: histogram(),
            delivered: 0,
        };
        Self {
            refuse_older_than_ns,
            containers: containers.to_vec(),
            arms: arms.iter().map(|arm| (arm.clone(), account())).collect(),
            finals: BTreeMap::new(),
        }
    }

    /// Whether `arm` has an account.
    #[must_use]
    pub fn knows(&self, arm: &str) -> bool {
        self.arms.contains_key(arm)
    }

    /// Enters a line that `arm` delivered at `now_ns`. Lines of unknown arms or containers change nothing.
    pub fn enter(&mut self, arm: &str, token: Token<'_>, now_ns: u64) -> Arrival {
        let Some(account) = self.arms.get_mut(arm) else { return Arrival::Accepted };
        let Some(lines) = account.lines.get_mut(token.container) else { return Arrival::Accepted };
        let age_ns = now_ns.saturating_sub(token.t_ns);
        if self.refuse_older_than_ns.is_some_and(|limit| age_ns > limit) {
            lines.refused += 1;
            return Arrival::Refused;
        }
        let inserted = lines.seen.insert(token.seq);
        match inserted {
            Inserted::Duplicate => lines.duplicated += 1,
            Inserted::OutOfRange => return Arrival::Accepted,
            Inserted::New => {}
            Inserted::NewOutOfOrder => lines.reordered += 1,
        }
        if inserted != Inserted::Duplicate {
            account.delivered += 1;
            let latency_us = (age_ns / 1_000).max(1);
            account.latency_us.saturating_record(latency_us);
            account.recent_latency_us.saturating_record(latency_us);
        }
        if token.is_final {
            self.finals.insert(token.container.to_owned(), token.seq);
        }
        Arrival::Accepted
    }

    /// Enters a line that the sink refused for another reason than its age.
    pub fn refuse(&mut self, arm: &str, token: Token<'_>) {
        let account = self.arms.get_mut(arm);
        if let Some(lines) = account.and_then(|account| account.lines.get_mut(token.container)) {
            lines.refused += 1;
        }
    }

    /// Says that `container` printed lines 1 to `seq`, and no more.
    pub fn set_final(&mut self, container: &str, seq: u64) {
        self.finals.insert(container.to_owned(), seq);
    }

    /// Different lines of `arm` accepted so far.
    #[must_use]
    pub fn delivered(&self, arm: &str) -> u64 {
        self.arms.get(arm).map_or(0, |account| account.delivered)
    }

    /// The latency of the lines that arrived since this was last asked, of each arm that delivered any.
    pub fn take_latency(&mut self) -> BTreeMap<String, Latency> {
        let take = |(arm, account): (&String, &mut Account)| {
            let latency = quantiles(&account.recent_latency_us)?;
            account.recent_latency_us.reset();
            Some((arm.clone(), latency))
        };
        self.arms.iter_mut().filter_map(take).collect()
    }

    /// Lines that `arm` has not delivered, as far as is known now; `None` while no line of any container is known of.
    #[must_use]
    pub fn missing(&self, arm: &str) -> Option<u64> {
        let expected: Vec<_> = self.containers.iter().map(|container| self.expected(container)).collect();
        let is_known = |(lines, from): &(u64, ExpectedFrom)| *lines > 0 || *from == ExpectedFrom::FinalLine;
        let lines: u64 = expected.iter().map(|(lines, _)| lines).sum();
        expected.iter().any(is_known).then(|| lines.saturating_sub(self.delivered(arm)))
    }

    fn expected(&self, container: &str) -> (u64, ExpectedFrom) {
        if let Some(seq) = self.finals.get(container) {
            return (*seq, ExpectedFrom::FinalLine);
        }
        let seen =
            self.arms.values().filter_map(|account| account.lines.get(container)).map(|lines| lines.seen.highest());
        (seen.max().unwrap_or(0), ExpectedFrom::HighestSeen)
    }

    /// The account as it stands. `complete`: the containers have ended and the arms have delivered what they had.
    #[must_use]
    pub fn close(&self, complete: bool) -> Ledger {
        let expected: BTreeMap<&str, _> =
            self.containers.iter().map(|name| (name.as_str(), self.expected(name))).collect();
        let arms = self.arms.iter().map(|(arm, account)| account.close(arm, &expected)).collect();
        Ledger { complete, arms }
    }
}

impl Account {
    fn close(&self, arm: &str, expected: &BTreeMap<&str, (u64, ExpectedFrom)>) -> ArmLedger {
        let containers: Vec<ContainerLedger> = self
            .lines
            .iter()
            .filter_map(|(container, lines)| {
                let (expected, expected_from) = *expected.get(container.as_str())?;
                let delivered = lines.seen.len();
                let counts = Counts {
                    expected,
                    delivered,
                    lost: expected.saturating_sub(delivered),
                    duplicated: lines.duplicated,
                    reordered: lines.reordered,
                    refused: lines.refused,
                };
                Some(ContainerLedger { container: container.clone(), expected_from, counts })
            })
            .collect();
        let total = containers.iter().fold(Counts::default(), |sum, container| add(sum, container.counts));
        ArmLedger { arm: arm.to_owned(), total, latency: quantiles(&self.latency_us), containers }
    }
}

/// `None` where nothing was measured.
fn quantiles(latency_us: &Histogram<u64>) -> Option<Latency> {
    let quantile = |q| latency_us.value_at_quantile(q);
    (!latency_us.is_empty()).then(|| Latency {
        count: latency_us.len(),
        p50_us: quantile(0.5),
        p90_us: quantile(0.9),
        p99_us: quantile(0.99),
        max_us: latency_us.max(),
    })
}

fn add(a: Counts, b: Counts) -> Counts {
    Counts {
        expected: a.expected + b.expected,
        delivered: a.delivered + b.delivered,
        lost: a.lost + b.lost,
        duplicated: a.duplicated + b.duplicated,
        reordered: a.reordered + b.reordered,
        refused: a.refused + b.refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND_NS: u64 = 1_000_000_000;

    fn token(seq: u64, t_ns: u64) -> Token<'static> {
        Token { container: "c01", seq, t_ns, is_final: false }
    }

    fn book(refuse: Option<u64>) -> Book {
        Book::new(&["a".into(), "b".into()], &["c01".into()], refuse)
    }

    #[test]
    fn a_loss_and_a_duplicate_do_not_cancel_out() {
        let mut book = book(None);
        for seq in [1, 2, 2, 4] {
            book.enter("a", token(seq, 0), SECOND_NS);
        }
        book.set_final("c01", 4);
        let counts = book.close(true).arms[0].total;
        assert_eq!(counts, Counts { expected: 4, delivered: 3, lost: 1, duplicated: 1, reordered: 0, refused: 0 });
    }

    #[test]
    fn what_is_missing_is_not_known_before_any_line_is() {
        let mut book = book(None);
        assert_eq!(book.missing("a"), None);
        book.enter("b", token(3, 0), 0);
        assert_eq!((book.missing("a"), book.missing("b")), (Some(3), Some(2)));
    }

    #[test]
    fn lines_lost_at_the_tail_count_through_the_final_line() {
        let mut book = book(None);
        book.enter("a", token(1, 0), 0);
        book.enter("b", Token { is_final: true, ..token(10, 0) }, 0);
        assert_eq!(book.missing("a"), Some(9));
        assert_eq!(book.close(true).arms[0].containers[0].expected_from, ExpectedFrom::FinalLine);
    }

    #[test]
    fn what_one_arm_saw_is_expected_of_the_other() {
        let mut book = book(None);
        book.enter("a", token(7, 0), 0);
        let ledger = book.close(false);
        assert_eq!((ledger.arms[1].total.expected, ledger.arms[1].total.lost), (7, 7));
        assert_eq!(ledger.arms[1].containers[0].expected_from, ExpectedFrom::HighestSeen);
        assert_eq!(ledger.arms[1].latency, None);
    }

    #[test]
    fn a_line_that_is_too_old_is_refused_and_not_delivered() {
        let mut book = book(Some(SECOND_NS));
        assert_eq!(book.enter("a", token(1, 0), SECOND_NS), Arrival::Accepted);
        assert_eq!(book.enter("a", token(2, 0), SECOND_NS + 1), Arrival::Refused);
        assert_eq!((book.delivered("a"), book.close(false).arms[0].total.refused), (1, 1));
    }

    #[test]
    fn recent_latency_is_of_the_lines_since_it_was_last_asked() {
        let mut book = book(None);
        book.enter("a", token(1, 0), 1_000_000);
        assert_eq!(book.take_latency().len(), 1, "of an arm that delivered nothing there is none");
        assert!(book.take_latency().is_empty());
        book.enter("a", token(2, 0), 8_000_000);
        let recent = book.take_latency()["a"];
        assert!(recent.count == 1 && recent.p50_us >= 7_900, "{recent:?}");
        assert_eq!(book.close(false).arms[0].latency.unwrap().count, 2);
    }

    #[test]
    fn lines_of_strangers_change_nothing() {
        let mut book = book(None);
        book.enter("nobody", token(1, 0), 0);
        book.enter("a", Token { container: "other", ..token(1, 0) }, 0);
        assert_eq!(book.close(false).arms.iter().map(|arm| arm.total.delivered).sum::<u64>(), 0);
    }

    proptest! {
        #[test]
        fn expected_is_delivered_and_lost(seqs in proptest::collection::vec(1_u64..200, 0..300), extra in 0_u64..50) {
            let mut book = book(None);
            for seq in &seqs {
                book.enter("a", token(*seq, 0), 1);
            }
            book.set_final("c01", seqs.iter().max().copied().unwrap_or(0) + extra);
            let counts = book.close(true).arms[0].total;
            prop_assert_eq!(counts.expected, counts.delivered + counts.lost);
            prop_assert_eq!(seqs.len() as u64, counts.delivered + counts.duplicated);
        }
    }
}
