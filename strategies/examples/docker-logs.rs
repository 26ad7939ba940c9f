//! A Docker log client: prints a container's last ten lines, and those that it prints from then on.
//!
//! `cargo run -p leaksoak-strategies --example docker-logs -- CONTAINER [tcp://HOST:PORT]`

use std::error::Error;
use std::io::Write as _;
use std::sync::Arc;

use leaksoak_strategies::docker_api::logs::LogQuery;
use leaksoak_strategies::docker_api::{Engine, EngineAddress};
use leaksoak_strategies::pooled::{ClientSettings, PooledClient};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().ok_or("which container?")?;
    let address: EngineAddress = arguments.next().as_deref().unwrap_or("unix:///var/run/docker.sock").parse()?;

    let client = PooledClient::new(address, ClientSettings::default(), Arc::default());
    let engine = Engine::new(client, "1.41");
    let container = engine.inspect(&name).await?.ok_or_else(|| format!("no container is called {name}"))?;
    let query = LogQuery { since: None, tail: Some(10), follow: true };
    let mut log = engine.log_lines(&container, query).await?;
    let mut out = std::io::stdout().lock();
    while let Some(mut lines) = log.next_lines().await? {
        while let Some(line) = lines.next()? {
            out.write_all(line.text)?;
            out.write_all(b"\n")?;
        }
    }
    Ok(())
}
