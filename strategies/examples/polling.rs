//! A strategy of one's own, as a whole arm: it asks for every container's new lines once a second. docs/writing-a-strategy.md

use std::collections::HashMap;
use std::time::Duration;

use leaksoak_strategies::discovery::ContainerEvent;
use leaksoak_strategies::docker_api::frames::Demultiplexer;
use leaksoak_strategies::docker_api::logs::{LogLine, LogQuery};
use leaksoak_strategies::docker_api::timestamp::Timestamp;
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
                let since: Option<Timestamp> = *read_to;
                let asked = context.engine.logs(&container.id, LogQuery { since, tail: None, follow: false }).await;
                let (Ok(mut body), mut lines) = (asked, Demultiplexer::new(container.tty)) else { continue };
                while let Ok(Some(chunk)) = body.next_chunk().await {
                    let mut rest = &chunk[..];
                    while let Ok(Some(raw)) = lines.next_line(&mut rest) {
                        match LogLine::parse(raw) {
                            Ok(line) if since.is_none_or(|since| line.time > since) => {
                                *read_to = Some(line.time);
                                context.metrics.lines_read.inc();
                                context.delivery.deliver(&line.of(&container.name())).await;
                            }
                            Ok(_) => {}
                            Err(_) => context.metrics.errors.inc(ErrorKind::Parse),
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

fn main() -> Result<(), host::HostError> {
    host::run_with(&host::instructions()?, |_| Polling)
}
