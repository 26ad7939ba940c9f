//! Finding the engine's socket, and why it cannot be used where it cannot.

use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use super::EngineError;

/// Where Docker listens unless told otherwise.
const DEFAULT: &str = "/var/run/docker.sock";

/// The engine's socket as the environment names it.
///
/// # Errors
/// `DOCKER_HOST` names something other than a Unix socket.
pub fn path(docker_host: Option<&str>) -> Result<PathBuf, EngineError> {
    let Some(host) = docker_host.filter(|host| !host.is_empty()) else { return Ok(PathBuf::from(DEFAULT)) };
    match host.strip_prefix("unix://") {
        Some(path) if path.starts_with('/') => Ok(PathBuf::from(path)),
        _ => Err(EngineError::Address {
            address: host.to_owned(),
            reason: "only Unix sockets are spoken to so far".into(),
            remedy: "set DOCKER_HOST=unix:///path/to/docker.sock, or forward the remote socket: ssh -L /tmp/docker.sock:/var/run/docker.sock HOST".into(),
        }),
    }
}

/// Connects once; answers the process that listens, where it can be told.
///
/// # Errors
/// Nobody listens, or this user may not speak to who does.
pub fn probe(path: &Path) -> Result<Option<u32>, EngineError> {
    let stream = UnixStream::connect(path).map_err(|error| EngineError::Unreachable {
        address: format!("unix://{}", path.display()),
        reason: error.to_string(),
        remedy: remedy(error.kind()).into(),
    })?;
    let peer = rustix::net::sockopt::socket_peercred(&stream).ok();
    Ok(peer.and_then(|peer| u32::try_from(peer.pid.as_raw_nonzero().get()).ok()).and_then(|pid| daemon(pid, path)))
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

    #[test]
    fn docker_host_names_the_socket() {
        assert_eq!(path(None).unwrap(), Path::new(DEFAULT));
        assert_eq!(path(Some("")).unwrap(), Path::new(DEFAULT));
        assert_eq!(path(Some("unix:///run/podman.sock")).unwrap(), Path::new("/run/podman.sock"));
    }

    #[test]
    fn an_address_that_cannot_be_used_is_named_with_a_remedy() {
        let error = path(Some("tcp://10.0.0.1:2375")).unwrap_err().to_string();
        assert!(error.contains("DOCKER_HOST=tcp://10.0.0.1:2375") && error.contains("ssh -L"), "{error}");
    }

    #[test]
    fn a_socket_that_is_not_there_says_what_to_start() {
        let error = probe(Path::new("/nonexistent/docker.sock")).unwrap_err().to_string();
        assert!(error.contains("/nonexistent/docker.sock") && error.contains("systemctl start docker"), "{error}");
    }

    #[test]
    fn a_socket_whose_daemon_is_down_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("d.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let error = probe(&path).unwrap_err().to_string();
        assert!(error.contains("nobody listens"), "{error}");
    }

    #[test]
    fn the_process_that_listens_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("d.sock");
        let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert_eq!(probe(&path).unwrap(), Some(std::process::id()));
    }
}
