//! The end of a run: the load stops, the arms deliver, the ledger is closed, everything is removed.

use std::time::Duration;

use leaksoak_reports::record::events::{Event, Phase};

use super::lifecycle::Ending;
use super::{POLL, Running, Signals, next_news};
use crate::arm::cgroup::Hierarchy;
use crate::event::RunEvent;

impl Running<'_> {
    /// Ends the load and gives the arms their time to deliver it; then ends the arms, and closes the ledger. A user who
    /// does not wait for that gets an account that is not complete, and a run that was interrupted.
    pub(super) async fn drain(&mut self, ending: Ending, signals: &mut Signals) -> Ending {
        self.engine_probe = None;
        let phase = self.lifecycle.enter(Phase::Drain);
        self.carry_out([phase]);
        if let Some(sink) = &self.sink {
            sink.behave();
        }
        let (mut ending, mut complete) = (ending, false);
        if !matches!(ending, Ending::EngineLost(_)) {
            complete = self.stop_containers().await;
            let interrupted = tokio::select! {
                () = self.await_delivery() => None,
                signal = signals.recv() => signal,
            };
            if let Some(signal) = interrupted {
                complete = false;
                self.record(Event::Interrupted { signal: signal.into() });
                if ending.allows_more() {
                    ending = Ending::Interrupted(signal);
                }
            }
        }
        self.stop_arms().await;
        if let Some(sink) = self.sink.take() {
            let ledger = sink.book().close(complete);
            self.bus.send(RunEvent::Closed(ledger));
        }
        ending
    }

    /// True if every container that was there has ended. How much each printed is taken from its final line, and where
    /// there is none, from what the arms delivered: the ledger says which.
    async fn stop_containers(&mut self) -> bool {
        let mut all = true;
        for (container, stopped) in self.engine.stop(&self.containers).await {
            let said = match stopped {
                Ok(()) => self.engine.final_seq(container).await,
                Err(error) => {
                    all = false;
                    Err(error)
                }
            };
            match said {
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
        all
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
                let mut up = self.clients.keys().filter(|arm| self.lifecycle.pid(arm).is_some());
                up.all(|arm| book.missing(arm).is_none_or(|lines| lines == 0))
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
