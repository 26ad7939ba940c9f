//! A Docker log client: prints a container's last ten lines, and those that it prints from then on.
//!
//! `cargo run -p leaksoak-strategies --example docker-logs -- CONTAINER [tcp://HOST:PORT]`

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use leaksoak_strategies::docker_api::logs::{LogLine, LogQuery};
use leaksoak_strategies::docker_api::{Engine, EngineAddress};
use leaksoak_strategies::pooled::{ClientSettings, PooledClient};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match follow().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("docker-logs: {}", leaksoak_strategies::log::chain(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn follow() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().ok_or("which container?")?;
    let address: EngineAddress = arguments.next().as_deref().unwrap_or("unix:///var/run/docker.sock").parse()?;

    let client = PooledClient::new(address, ClientSettings::default(), Arc::default());
    let engine = Engine::new(client, "1.41");
    let container = engine.inspect(&name).await?.ok_or_else(|| format!("no container is called {name}"))?;
    let query = LogQuery { since: None, tail: Some(10), follow: true };
    let mut log = engine.log_lines(&container.id, container.tty, query).await?;
    let mut out = io::stdout().lock();
    while let Some(mut lines) = log.next_lines().await? {
        while let Some(line) = lines.next()? {
            print(&mut out, &line)?;
        }
    }
    log.unfinished().try_for_each(|line| Ok(print(&mut out, &line?)?))
}

fn print(out: &mut impl Write, line: &LogLine<'_>) -> io::Result<()> {
    out.write_all(line.text)?;
    out.write_all(b"\n")
}
