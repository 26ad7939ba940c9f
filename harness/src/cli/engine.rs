//! `leaksoak engine`: the embedded engine by itself, for any Docker client.

use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use leaksoak_scenarios::{Bytes, Load, LogRotation, Rate};
use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};

use super::run::raise_own_file_limit;
use super::runtime;
use crate::engine::embedded::images::BUILT_IN;
use crate::engine::embedded::process::{READY, control_socket};
use crate::engine::embedded::server::Address;
use crate::engine::embedded::spec::Spec;
use crate::engine::embedded::{Engine, Options};
use crate::engine::{ContainerSpec, LABEL_CONTAINER};
use crate::exit::{Exit, Failure};
use crate::owner::RunId;
use crate::plan::scratch_dir;

#[derive(Debug, Args)]
pub(super) struct EngineArgs {
    /// Serve on this Unix socket (mode 0600); faults are asked for on <PATH>.control
    #[arg(long, value_name = "PATH", default_value = "leaksoak-engine.sock")]
    socket: PathBuf,
    /// Serve on this loopback address too, e.g. 127.0.0.1:2375
    #[arg(long, value_name = "ADDRESS")]
    tcp: Option<SocketAddr>,
    /// Keep the containers' logs under this directory [default: one in the temporary directory, removed at the end]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Start so many containers at once
    #[arg(long, value_name = "N", default_value_t = 0)]
    containers: u32,
    /// Lines per second of each of them
    #[arg(long, value_name = "RATE", default_value = "10/s")]
    rate: Rate,
    /// Length of their lines
    #[arg(long, value_name = "SIZE", default_value = "120B")]
    line_bytes: Bytes,
    /// Size at which their logs are rotated
    #[arg(long, value_name = "SIZE", default_value = "1MiB")]
    max_size: Bytes,
    /// Files that each keeps, the live one included
    #[arg(long, value_name = "N", default_value_t = 3)]
    max_file: u32,
    /// End when this process, which started it, ends
    #[arg(long, hide = true)]
    parent: Option<u32>,
}

pub(super) fn engine(args: &EngineArgs) -> Result<Exit, Failure> {
    if let Some(parent) = args.parent {
        die_with(parent)?;
    }
    if let Some(address) = args.tcp.filter(|address| !address.ip().is_loopback()) {
        return Err(Failure::usage(format!(
            "--tcp {address}: whoever reaches it could use it, and it asks nobody who they are; use a loopback address, e.g. 127.0.0.1:{}",
            address.port()
        )));
    }
    raise_own_file_limit();
    // Named as a run's, so that what a `kill -9` leaves is found and removed as a run's.
    let temporary = scratch_dir(&RunId::of_this_process().map_err(Failure::environment)?);
    let data = args.data.clone().unwrap_or_else(|| temporary.clone());
    let data =
        std::path::absolute(&data).map_err(|error| Failure::usage(format!("--data {}: {error}", data.display())))?;
    let addresses = [Address::Unix(args.socket.clone())].into_iter().chain(args.tcp.map(Address::Tcp)).collect();
    let options = Options { addresses, control: control_socket(&args.socket), data };

    let served = runtime()?.block_on(serve(args, options));
    let removed = fs::remove_dir_all(&temporary);
    served?;
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Failure::environment(format!("{}: {error}", temporary.display())))
        }
        _ => Ok(Exit::Pass),
    }
}

async fn serve(args: &EngineArgs, options: Options) -> Result<(), Failure> {
    // Before anything is made that would have to be removed.
    let cannot = |error: io::Error| Failure::environment(format!("signals cannot be caught: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(cannot)?;

    let engine = Engine::start(options.clone()).await.map_err(Failure::environment)?;
    start_containers(args, &engine).map_err(|error| Failure::environment(format!("a container: {error}")))?;
    announce(&options)?;
    let stop = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    };
    engine.serve_until(stop).await.map_err(Failure::environment)
}

/// As it has to be given to a client, whose working directory may be another.
fn absolute(address: &Address) -> Address {
    match address {
        Address::Unix(path) => Address::Unix(std::path::absolute(path).unwrap_or_else(|_| path.clone())),
        Address::Tcp(address) => Address::Tcp(*address),
    }
}

fn announce(options: &Options) -> Result<(), Failure> {
    let addresses: Vec<_> = options.addresses.iter().map(|address| absolute(address).to_string()).collect();
    let control = absolute(&Address::Unix(options.control.clone())).to_string();
    let mut out = io::stdout();
    let said = writeln!(out, "{READY}{}", addresses.join(" and "))
        .and_then(|()| match &addresses[..] {
            [first, ..] => writeln!(out, "try: docker -H {first} ps"),
            [] => Ok(()),
        })
        .and_then(|()| {
            writeln!(
                out,
                "faults: curl --unix-socket {} http://leaksoak/faults -d '{{\"kind\":\"drop-streams\"}}'",
                control.trim_start_matches("unix://")
            )
        })
        .and_then(|()| out.flush());
    match said {
        // Who started it has read what he wanted.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::environment(format!("standard output cannot be written to: {error}")))
        }
        _ => Ok(()),
    }
}

fn start_containers(args: &EngineArgs, engine: &Engine) -> Result<(), String> {
    let width = args.containers.to_string().len().max(2);
    let log = LogRotation { max_size: args.max_size, max_file: args.max_file };
    for number in 1..=args.containers {
        let id = format!("c{number:0width$}");
        let load = Load::Steady { rate: args.rate, line_bytes: args.line_bytes };
        let spec = ContainerSpec { id: id.clone(), load, log };
        let body = serde_json::json!({
            "Image": BUILT_IN,
            "Entrypoint": ["/leaksoak"],
            "Cmd": spec.arguments(),
            "Labels": { LABEL_CONTAINER: id },
            "HostConfig": { "LogConfig": { "Type": "json-file", "Config": spec.log_options() }, "NetworkMode": "none" },
        });
        let made = Spec::parse(body.to_string().as_bytes())
            .and_then(|spec| engine.daemon.create(&format!("leaksoak-{id}"), spec))
            .and_then(|id| engine.daemon.start(&id));
        made.map_err(|error| format!("{id}: {error}"))?;
    }
    Ok(())
}

/// Has the kernel kill this process when `parent` ends, and makes sure that it has not ended already.
fn die_with(parent: u32) -> Result<(), Failure> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(Failure::environment)?;
    let now = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get().unsigned_abs());
    if now == Some(parent) {
        return Ok(());
    }
    Err(Failure::environment(format!("--parent {parent}: this process is not its child, or it has ended")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_is_told_by_its_absolute_path() {
        let here = std::env::current_dir().unwrap();
        let told = absolute(&Address::Unix("leaksoak-engine.sock".into())).to_string();
        assert_eq!(told, format!("unix://{}/leaksoak-engine.sock", here.display()));
        assert_eq!(absolute(&Address::Unix("/run/x.sock".into())).to_string(), "unix:///run/x.sock");
    }
}
