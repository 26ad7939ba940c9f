//! A strategy of one's own, as a whole arm: it asks for every container's new lines once a second. docs/writing-a-strategy.md

use std::collections::HashMap;
use std::time::Duration;

use leaksoak_strategies::discovery::{Container, ContainerEvent};
use leaksoak_strategies::docker_api::{EngineError, logs::LogQuery, timestamp::Timestamp};
use leaksoak_strategies::metrics::ErrorKind;
use leaksoak_strategies::{Context, Strategy, StrategyError, host};

struct Polling;

impl Strategy for Polling {
    async fn run(self, context: Context) -> Result<(), StrategyError> {
        let (mut discovery, mut shutdown) = (context.discover(), context.shutdown.clone());
        let mut known = HashMap::new(); // by id: the container, up to when it was read, that it counts as a stream
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        while !shutdown.is_requested() {
            tokio::select! {
                event = discovery.next() => match event {
                    ContainerEvent::Started(it) => {
                        known.entry(it.id.clone()).or_insert((it, None, context.metrics.streams_active.hold()));
                    }
                    ContainerEvent::Removed { id } => drop(known.remove(&id)),
                    ContainerEvent::Stopped { .. } => {}
                },
                _ = tick.tick() => {}
                () = shutdown.requested() => {}
            }
            for (container, read_to, _) in known.values_mut() {
                if read(&context, container, read_to).await.is_err() {
                    context.metrics.errors.inc(ErrorKind::Engine);
                }
            }
        }
        Ok(())
    }
}

async fn read(context: &Context, it: &Container, read_to: &mut Option<Timestamp>) -> Result<(), EngineError> {
    let since = *read_to;
    let mut log = context.engine.log_lines(&it.id, it.tty, LogQuery { since, tail: None, follow: false }).await?;
    while let Some(mut lines) = log.next_lines().await? {
        while let Some(line) = lines.next()? {
            if since.is_some_and(|since| line.time <= since) {
                continue;
            }
            *read_to = Some(line.time);
            context.metrics.lines_read.inc();
            context.metrics.bytes_read.add(line.text.len() as u64);
            context.delivery.deliver(&line.of(&it.name())).await;
        }
    }
    Ok(()) // What has no newline yet is read once it has.
}

fn main() -> std::process::ExitCode {
    host::main(|_| Polling)
}
