//! The set-up of a run: everything that is made before its zero.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt, stream};
use leaksoak_reports::record::events::{Event, Phase};

use super::engine_probe::EngineProbe;
use super::lifecycle::Input;
use super::{POLL, RunError, Running, next_news};
use crate::arm::cgroup::{Cgroup, Hierarchy};
use crate::arm::{ArmProcess, Supervisors};
use crate::inotify_limit;
use crate::sampler::{ENGINE, HARNESS};
use crate::sink::Sink;
use crate::sink::ledger::Book;

/// Time for an arm to answer after it was started.
const READY_TIMEOUT: Duration = Duration::from_secs(15);
/// Containers started at once.
const STARTS_AT_ONCE: usize = 8;

impl Running<'_> {
    /// Makes everything, up to the run's zero.
    pub(super) async fn set_up(&mut self) -> Result<(), RunError> {
        let phase = self.lifecycle.enter(Phase::Setup);
        self.carry_out([phase]);
        if let Some(because) = self.because.take() {
            self.warn(format!("{because}: the embedded engine runs the containers"));
        }
        self.raise_inotify_limit();

        let image = self.engine.ensure_image(&self.plan.scratch).await?;
        self.containers = self.engine.create(&self.plan.run, &image, &self.plan.containers).await?;
        self.watch = self.watch_engine();
        self.open_sink()?;
        self.start_arms()?;
        self.await_arms().await;
        self.start_containers().await?;

        self.sampler.attach(HARNESS, std::process::id());
        match self.engine.info().pid {
            Some(pid) => self.sampler.attach(ENGINE, pid),
            None => self.sampler.detach(ENGINE, "the engine's process is not on this machine, or hidden"),
        }
        self.engine_probe = Some(EngineProbe::start(self.engine.clone(), self.plan.scenario.duration.as_duration()));
        self.clock.set_zero();
        if let Some(sink) = &self.sink {
            sink.begin(self.clock.zero());
        }
        let operations = self.lifecycle.on(Input::Zero);
        self.carry_out(operations);
        Ok(())
    }

    fn raise_inotify_limit(&mut self) {
        // The embedded engine tells its readers itself.
        if self.control.is_some() {
            return;
        }
        let needed = inotify_limit::needed(&self.plan.scenario);
        match inotify_limit::raise(needed, &self.plan.scratch) {
            Ok(Some(raised)) => {
                self.warn(format!(
                    "fs.inotify.max_user_instances raised from {} to {} for this run: each reader that an arm leaks costs the engine one",
                    raised.before, raised.now
                ));
                self.raised = Some(raised);
            }
            Ok(None) => {}
            Err(error) => self.warn(format!(
                "fs.inotify.max_user_instances is {} and this run may need {needed} ({error}): when a leaking arm has used them up, the engine polls the logs \
                 of every arm, and latencies rise to 200 ms; to avoid it: sudo sysctl fs.inotify.max_user_instances={needed}",
                inotify_limit::current().unwrap_or_default()
            )),
        }
    }

    fn open_sink(&mut self) -> Result<(), RunError> {
        let arms: Vec<String> = self.clients.keys().cloned().collect();
        let containers: Vec<String> = self.plan.containers.iter().map(|container| container.id.clone()).collect();
        let refuse = self
            .plan
            .scenario
            .sink
            .refuse_older_than
            .map(|age| u64::try_from(age.as_duration().as_nanos()).unwrap_or(u64::MAX));
        let path = self.plan.scratch.join("sink.sock");
        let sink = Sink::serve(&path, Book::new(&arms, &containers, refuse), &self.plan.scenario.sink.faults);
        self.sink = Some(
            sink.map_err(|source| RunError::Local { what: format!("the sink's socket {}", path.display()), source })?,
        );
        Ok(())
    }

    fn start_arms(&mut self) -> Result<(), RunError> {
        let hierarchy = Hierarchy::find();
        let mut processes = Vec::new();
        for arm in self.plan.arms.clone() {
            let mut config = arm.config;
            let cgroup = match &hierarchy {
                Some(hierarchy) => hierarchy
                    .create(&self.plan.run.to_string(), &config.name, arm.memory_bytes)
                    .map_err(|error| error.to_string()),
                None => Err("no cgroup file system is mounted".into()),
            };
            let cgroup = cgroup
                .inspect_err(|error| self.warn(format!("arm {} runs without a memory limit: {error}", config.name)))
                .ok();
            config.cgroup_procs = cgroup.iter().map(Cgroup::procs_file).collect();
            let name = config.name.clone();
            let process = ArmProcess::prepare(config, arm.log_file, arm.restart, cgroup)
                .map_err(|source| RunError::Local { what: format!("the files of arm {name}"), source })?;
            processes.push(process);
        }
        self.supervisors = Some(Supervisors::start(processes));
        Ok(())
    }

    /// Waits until every arm is healthy or has ended; one that does neither in time is left to the verdict.
    async fn await_arms(&mut self) {
        let mut waiting: BTreeSet<String> = self.clients.keys().cloned().collect();
        let deadline = tokio::time::Instant::now() + READY_TIMEOUT;
        while !waiting.is_empty() && tokio::time::Instant::now() < deadline {
            if let Ok(Some(news)) = tokio::time::timeout(POLL, next_news(&mut self.supervisors)).await {
                self.on_news(news);
            }
            waiting.retain(|arm| !self.down.contains_key(arm));
            for arm in waiting.clone() {
                let healthy = match self.clients.get_mut(&arm) {
                    Some(client) => tokio::time::timeout(POLL, client.health())
                        .await
                        .is_ok_and(|health| health.as_deref() == Ok("healthy")),
                    None => false,
                };
                if healthy {
                    self.answered(&arm);
                    waiting.remove(&arm);
                }
            }
        }
        // An arm that answers has been started: what has not been heard of yet would count as a late start.
        while let Some(Some(news)) = next_news(&mut self.supervisors).now_or_never() {
            self.on_news(news);
        }
        for arm in waiting {
            self.warn(format!(
                "arm {arm} was not healthy {} s after its start; the run begins without it: see arms/{arm}.log",
                READY_TIMEOUT.as_secs()
            ));
        }
    }

    async fn start_containers(&mut self) -> Result<(), RunError> {
        let started: Vec<_> = stream::iter(&self.containers)
            .map(|container| self.engine.start(container))
            .buffered(STARTS_AT_ONCE)
            .collect()
            .await;
        for (started, container) in started.into_iter().zip(&self.containers) {
            started?;
            self.record(Event::ContainerStarted { container: container.id.clone() });
        }
        Ok(())
    }
}
