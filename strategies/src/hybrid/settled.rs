//! From delivered lines to saved offsets: a position is saved once the line before it has been acknowledged (or has become a
//! dead letter), before the next batch is answered. So an arm that is killed repeats no more than one batch.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::offsets::{Offsets, Position};
use crate::delivery::{Delivery, Ticket};
use crate::health::{Dependency, Health};
use crate::metrics::{ErrorKind, Metrics};

/// The offsets, and what they wait for; shared by the tails and the delivery.
#[derive(Debug, Clone)]
pub(super) struct Settled(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    offsets: Offsets,
    /// In the order of their tickets: the last one of a batch, or of a run of lines of one log within it.
    waiting: VecDeque<Waiting>,
    reached: Ticket,
    trouble: Option<io::ErrorKind>,
    metrics: Arc<Metrics>,
    health: Arc<Health>,
}

/// Once the line of `ticket` is settled, reading may resume at `position`.
#[derive(Debug)]
struct Waiting {
    ticket: Ticket,
    container: Arc<str>,
    position: Position,
}

impl Settled {
    /// Reads the offsets from `path`, and from now on saves them whenever `delivery` has settled lines.
    pub(super) fn start(
        path: &Path,
        delivery: &Delivery,
        metrics: &Arc<Metrics>,
        health: &Arc<Health>,
    ) -> io::Result<Self> {
        let state = State {
            offsets: Offsets::load(path)?,
            waiting: VecDeque::new(),
            reached: delivery.settled(),
            trouble: None,
            metrics: Arc::clone(metrics),
            health: Arc::clone(health),
        };
        let settled = Self(Arc::new(Mutex::new(state)));
        let told = settled.clone();
        delivery.when_settled(move |ticket| told.reached(ticket));
        Ok(settled)
    }

    /// Where to resume `container`.
    pub(super) fn get(&self, container: &str) -> Option<Position> {
        self.lock().offsets.get(container)
    }

    /// `position` lies behind the line of `ticket`.
    pub(super) fn add(&self, ticket: Ticket, container: &Arc<str>, position: Position) {
        let mut state = self.lock();
        if ticket <= state.reached {
            // Taken at once: the delivery goes to a function, or has ended. It is saved with what follows.
            state.offsets.set(container, position);
            return;
        }
        match state.waiting.back_mut() {
            // It is never saved without this one.
            Some(last) if last.ticket.settles_with(ticket) && Arc::ptr_eq(&last.container, container) => {
                (last.ticket, last.position) = (ticket, position);
            }
            _ => state.waiting.push_back(Waiting { ticket, container: Arc::clone(container), position }),
        }
    }

    /// Everything up to `ticket` is settled.
    pub(super) fn reached(&self, ticket: Ticket) {
        let mut state = self.lock();
        state.reached = ticket;
        let reached = state.waiting.partition_point(|waiting| waiting.ticket <= ticket);
        let State { offsets, waiting, .. } = &mut *state;
        for Waiting { container, position, .. } in waiting.drain(..reached) {
            offsets.set(&container, position);
        }
        state.save();
    }

    /// The container is gone, and its log with it.
    pub(super) fn forget(&self, container: &str) {
        let mut state = self.lock();
        state.waiting.retain(|waiting| *waiting.container != *container);
        state.offsets.remove(container);
        state.save();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic in between leaves positions that were true before.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn save(&mut self) {
        match self.offsets.save() {
            Ok(()) => {
                if self.trouble.take().is_some() {
                    self.health.ok(Dependency::Disk);
                }
            }
            Err(error) => {
                self.metrics.errors.inc(ErrorKind::File);
                self.health.failed(Dependency::Disk, &error);
                if self.trouble.replace(error.kind()) != Some(error.kind()) {
                    crate::log::say(
                        crate::log::Level::Warn,
                        format_args!("the offsets cannot be saved: {error}; tried again with every batch"),
                    );
                }
            }
        }
    }
}
