//! Finding the engine, and why it cannot be used where it cannot.

use std::io::{self, ErrorKind};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use leaksoak_strategies::docker_api::EngineAddress;

use super::EngineError;

/// Where Docker listens unless told otherwise.
const DEFAULT: &str = "/var/run/docker.sock";

/// How long another machine has to answer that it listens.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The engine's address as the environment names it: `DOCKER_HOST`, and `DOCKER_TLS_VERIFY`, which asks for TLS.
///
/// # Errors
/// `DOCKER_HOST` names neither a Unix socket nor a host and port, or TLS is asked for, which nothing here speaks.
pub fn address(docker_host: Option<&str>, tls_verify: Option<&str>) -> Result<EngineAddress, EngineError> {
    let Some(host) = docker_host.filter(|host| !host.is_empty()) else {
        return Ok(EngineAddress::Unix(DEFAULT.into()));
    };
    let cannot = |reason: &str| {
        EngineError::Address {
        address: host.to_owned(),
        reason: reason.to_owned(),
        remedy: "set DOCKER_HOST=unix:///path/to/docker.sock or tcp://host:port, or forward the remote socket: ssh -L /tmp/docker.sock:/var/run/docker.sock HOST".into(),
    }
    };
    match host.parse() {
        Ok(EngineAddress::Tcp(_)) if tls_verify.is_some_and(|verify| !verify.is_empty()) => {
            Err(cannot("DOCKER_TLS_VERIFY asks for TLS, which is not spoken"))
        }
        Ok(address) => Ok(address),
        Err(_) if host.starts_with("unix://") => Err(cannot("the path of a Unix socket has to be absolute")),
        Err(_) => Err(cannot("only Unix sockets and plain TCP are spoken to")),
    }
}

/// Connects once; answers the process that listens, where it can be told: on this machine, over a Unix socket.
///
/// # Errors
/// Nobody listens, or this user may not speak to who does.
pub fn probe(address: &EngineAddress) -> Result<Option<u32>, EngineError> {
    let probed = match address {
        EngineAddress::Unix(path) => probe_unix(path),
        EngineAddress::Tcp(host_and_port) => probe_tcp(host_and_port).map(|()| None),
    };
    probed.map_err(|error| EngineError::Unreachable {
        address: address.to_string(),
        reason: error.to_string(),
        remedy: match address {
            EngineAddress::Unix(_) => remedy(error.kind()),
            EngineAddress::Tcp(_) => {
                "does its daemon listen there (dockerd -H tcp://...), and does no firewall lie in between? Plain TCP is for a loopback or a trusted network: whoever reaches the port has root there"
            }
        }
        .into(),
    })
}

fn probe_unix(path: &Path) -> io::Result<Option<u32>> {
    let stream = UnixStream::connect(path)?;
    let peer = rustix::net::sockopt::socket_peercred(&stream).ok();
    Ok(peer.and_then(|peer| u32::try_from(peer.pid.as_raw_nonzero().get()).ok()).and_then(|pid| daemon(pid, path)))
}

/// A host may have several addresses: one that answers is enough, and the last error is told.
fn probe_tcp(host_and_port: &str) -> io::Result<()> {
    let mut last = io::Error::new(ErrorKind::NotFound, "the host has no address");
    for address in host_and_port.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
            Ok(_) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Under socket activation the socket was made by the service manager: the daemon is then the one that its PID file names.
fn daemon(listener: u32, socket: &Path) -> Option<u32> {
    if listener != 1 {
        return Some(listener);
    }
    let pid_file = socket.with_extension("pid");
    std::fs::read_to_string(pid_file).ok()?.trim().parse().ok()
}

fn remedy(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::NotFound => {
            "start one (systemctl start docker, or dockerd), or point DOCKER_HOST=unix:///path/to/docker.sock at it"
        }
        ErrorKind::PermissionDenied => {
            "this user may not open the socket: run as root, or join its group (usermod -aG docker $USER, then log in again)"
        }
        ErrorKind::ConnectionRefused => {
            "the socket is there but nobody listens: the daemon is down (systemctl status docker)"
        }
        _ => "is the path a socket, and its daemon up?",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unix(path: impl AsRef<Path>) -> EngineAddress {
        EngineAddress::Unix(path.as_ref().to_owned())
    }

    #[test]
    fn docker_host_names_the_engine() {
        assert_eq!(address(None, None).unwrap(), unix(DEFAULT));
        assert_eq!(address(Some(""), Some("1")).unwrap(), unix(DEFAULT));
        assert_eq!(address(Some("unix:///run/podman.sock"), Some("1")).unwrap(), unix("/run/podman.sock"));
        assert_eq!(address(Some("tcp://10.0.0.1:2375"), Some("")).unwrap(), EngineAddress::Tcp("10.0.0.1:2375".into()));
    }

    #[test]
    fn an_address_that_cannot_be_used_is_named_with_a_remedy() {
        for (host, tls, reason) in [
            ("ssh://me@there", None, "only Unix sockets and plain TCP"),
            ("tcp://there", None, "only Unix sockets and plain TCP"),
            ("unix://leaksoak-engine.sock", None, "has to be absolute"),
            ("tcp://there:2376", Some("1"), "DOCKER_TLS_VERIFY"),
        ] {
            let error = address(Some(host), tls).unwrap_err().to_string();
            assert!(error.contains(&format!("DOCKER_HOST={host}")) && error.contains(reason), "{error}");
            assert!(error.contains("ssh -L"), "{error}");
        }
    }

    #[test]
    fn a_socket_that_is_not_there_says_what_to_start() {
        let error = probe(&unix("/nonexistent/docker.sock")).unwrap_err().to_string();
        assert!(error.contains("/nonexistent/docker.sock") && error.contains("systemctl start docker"), "{error}");
    }

    #[test]
    fn a_socket_whose_daemon_is_down_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("d.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let error = probe(&unix(&path)).unwrap_err().to_string();
        assert!(error.contains("nobody listens"), "{error}");
    }

    #[test]
    fn the_process_that_listens_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("d.sock");
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert_eq!(probe(&unix(&path)).unwrap(), Some(std::process::id()));
    }

    #[test]
    fn over_tcp_it_is_told_that_somebody_listens_and_not_who() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = EngineAddress::Tcp(listener.local_addr().unwrap().to_string());
        assert_eq!(probe(&address).unwrap(), None);
        drop(listener);
        let error = probe(&address).unwrap_err().to_string();
        assert!(error.contains(&address.to_string()) && error.contains("dockerd -H tcp://"), "{error}");
    }
}
