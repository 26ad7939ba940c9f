//! The end of a run: the load stops, the arms deliver, the ledger is closed, everything is removed.

use std::time::Duration;

use leaksoak_reports::record::events::Phase;

use super::lifecycle::Ending;
use super::{POLL, Running, Signals, next_news};
use crate::arm::cgroup::Hierarchy;
use crate::event::RunEvent;

impl Running<'_> {
    /// Ends the load and gives the arms their time to deliver it; then ends the arms, and closes the ledger.
    pub(super) async fn drain(&mut self, ending: &Ending, signals: &mut Signals) {
        let phase = self.lifecycle.enter(Phase::Drain);
        self.carry_out([phase]);
        let stopped = match ending {
            Ending::EngineLost(_) => false,
            _ => self.stop_containers().await,
        };
        if stopped {
            tokio::select! {
                () = self.await_delivery() => {}
                _ = signals.recv() => self.warn("interrupted again: the arms were not given their time to deliver".into()),
            }
        }
        self.stop_arms().await;
        if let Some(sink) = self.sink.take() {
            let ledger = sink.book().close(stopped);
            self.bus.send(RunEvent::Closed(ledger));
        }
    }

    /// True if every container that was there has ended, and said how much it printed.
    async fn stop_containers(&mut self) -> bool {
        if let Err(error) = self.engine.stop(&self.containers).await {
            self.warn(error.to_string());
            return false;
        }
        for container in &self.containers {
            match self.engine.final_seq(container).await {
                Ok(Some(seq)) => {
                    if let Some(sink) = &self.sink {
                        sink.book().set_final(&container.id, seq);
                    }
                }
                Ok(None) => self.warn(format!(
                    "container {} did not print its final line: what it printed last is not known",
                    container.id
                )),
                Err(error) => self.warn(format!("{error}: how much it printed is taken from what the arms delivered")),
            }
        }
        true
    }

    /// Until every arm that is up has delivered everything, or the scenario's time for it is over.
    async fn await_delivery(&mut self) {
        let deadline = tokio::time::Instant::now() + self.plan.scenario.drain.as_duration();
        while tokio::time::Instant::now() < deadline {
            if let Ok(Some(news)) = tokio::time::timeout(POLL, next_news(&mut self.supervisors)).await {
                self.on_news(news);
            }
            let all_delivered = self.sink.as_ref().is_none_or(|sink| {
                let book = sink.book();
                self.clients.keys().filter(|arm| self.lifecycle.pid(arm).is_some()).all(|arm| book.missing(arm) == 0)
            });
            if all_delivered {
                return;
            }
        }
    }

    async fn stop_arms(&mut self) {
        if let Some(supervisors) = &self.supervisors {
            supervisors.stop();
        }
        while let Some(news) = next_news(&mut self.supervisors).await {
            self.on_news(news);
        }
        self.supervisors = None;
    }

    /// Removes everything that the run made, whatever state it is in.
    pub(super) async fn teardown(&mut self) {
        self.stop_arms().await;
        self.sink = None;
        match tokio::time::timeout(Duration::from_secs(60), self.engine.remove_run(&self.plan.run)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => self.warn(format!("{error}; the next run, or `leaksoak clean`, removes what is left")),
            Err(_) => self.warn("the engine did not remove the containers within 60 s; the next run, or `leaksoak clean`, removes what is left".into()),
        }
        if let Some(raised) = self.raised.take()
            && let Err(error) = raised.restore()
        {
            self.warn(format!("fs.inotify.max_user_instances stays at {}: {error}", raised.now));
        }
        if let Some(hierarchy) = Hierarchy::find() {
            hierarchy.remove_run(&self.plan.run.to_string());
        }
        let done = self.lifecycle.enter(Phase::Done);
        self.carry_out([done]);
    }
}
