//! The least that following over the API can cost: sockets that are read on a tick, and newlines counted.

use std::io::{ErrorKind, Read, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use leaksoak::engine::docker::Docker;
use leaksoak_strategies::docker_api::EngineAddress;

use crate::Outcome;
use crate::meter::Meter;

const BUFFER_BYTES: usize = 64 << 10;

/// Reads the logs of these containers every so often, until the process ends.
pub(crate) async fn follows(ids: Vec<String>, every: Duration, meter: &Meter) -> Outcome<()> {
    let docker = Docker::connect().await?;
    let EngineAddress::Unix(path) = docker.address() else { return Err("it reads Unix sockets only".into()) };
    let mut sockets = Vec::new();
    for id in ids {
        let mut socket = UnixStream::connect(path)?;
        write!(socket, "GET /containers/{id}/logs?stdout=1&stderr=1&timestamps=1&follow=1 HTTP/1.0\r\n\r\n")?;
        socket.set_nonblocking(true)?;
        sockets.push(socket);
    }
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut tick = tokio::time::interval(every);
    loop {
        tick.tick().await;
        for socket in &mut sockets {
            read_all(socket, &mut buffer, meter)?;
        }
    }
}

fn read_all(socket: &mut UnixStream, buffer: &mut [u8], meter: &Meter) -> Outcome<()> {
    loop {
        match socket.read(buffer) {
            Ok(count) => {
                meter.count(memchr::memchr_iter(b'\n', &buffer[..count]).count());
                if count < buffer.len() {
                    return Ok(());
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}
