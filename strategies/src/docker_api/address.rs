//! Where an engine listens.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An engine's address, written as `DOCKER_HOST` has it: `unix:///var/run/docker.sock`, `tcp://10.0.0.1:2375`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum EngineAddress {
    /// The absolute path of a Unix socket.
    Unix(PathBuf),
    /// Host and port. Plain HTTP: nothing here speaks TLS.
    Tcp(String),
}

/// A text that is no address of an engine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no engine's address: use unix:///path/to/docker.sock or tcp://host:port")]
pub struct AddressError {
    /// The text.
    pub text: String,
}

impl FromStr for EngineAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let parsed = if let Some(path) = text.strip_prefix("unix://") {
            path.starts_with('/').then(|| Self::Unix(path.into()))
        } else {
            text.strip_prefix("tcp://").map(|rest| rest.trim_end_matches('/')).and_then(|host_and_port| {
                let (host, port) = host_and_port.rsplit_once(':')?;
                let names_a_host = !host.is_empty() && !host.contains(['/', '@', '?', '#', ' ']);
                let is_whole = names_a_host && port.parse::<u16>().is_ok_and(|port| port != 0);
                is_whole.then(|| Self::Tcp(host_and_port.to_owned()))
            })
        };
        parsed.ok_or_else(|| AddressError { text: text.to_owned() })
    }
}

impl TryFrom<String> for EngineAddress {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Self, AddressError> {
        text.parse()
    }
}

impl From<EngineAddress> for String {
    fn from(address: EngineAddress) -> Self {
        address.to_string()
    }
}

impl fmt::Display for EngineAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(host_and_port) => write!(f, "tcp://{host_and_port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_what_docker_host_says() {
        for text in ["unix:///var/run/docker.sock", "tcp://10.0.0.1:2375", "tcp://[::1]:2375", "tcp://docker:2375"] {
            assert_eq!(text.parse::<EngineAddress>().unwrap().to_string(), text);
        }
        assert_eq!("tcp://docker:2375/".parse(), Ok(EngineAddress::Tcp("docker:2375".to_owned())));
    }

    #[test]
    fn what_is_no_address_is_named_with_the_remedy() {
        let wrong = [
            "",
            "/var/run/docker.sock",
            "unix://docker.sock",
            "tcp://docker",
            "tcp://:2375",
            "tcp://docker:0",
            "tcp://docker:99999",
            "tcp://user@docker:2375",
            "ssh://docker",
        ];
        for text in wrong {
            assert_eq!(text.parse::<EngineAddress>(), Err(AddressError { text: text.to_owned() }));
        }
        insta::assert_snapshot!(
            "ssh://docker".parse::<EngineAddress>().unwrap_err(),
            @r#""ssh://docker" is no engine's address: use unix:///path/to/docker.sock or tcp://host:port"#
        );
    }
}
