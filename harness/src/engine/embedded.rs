//! The embedded engine: a server of the Docker Engine API, in a process of its own, where no Docker is installed, for
//! more containers than a machine could hold, and for faults that nobody may do to a real daemon.
//!
//! Containers are paced workloads inside it ([`pacer`], the generator that real containers run too); their logs are real
//! json-file files with rotation ([`log`]); requests ([`api`]) are answered as Docker 20.10 answers them, over HTTP/1.1 and
//! h2c ([`server`]). What a container may do is decided by [`lifecycle`], and done by [`daemon`]. Faults ([`fault`])
//! are asked for on a socket of their own ([`control`]).
//!
//! The harness starts one as a child ([`process`]) and speaks to it as to any engine. It is held against the real one by
//! `harness/tests/conformance`.
//!
//! Does not: run programs, isolate anything, keep containers beyond its own end.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::task::JoinSet;

use daemon::Daemon;
use server::Address;

pub mod api;
pub mod container;
pub mod control;
pub mod daemon;
pub mod events;
pub mod fault;
pub mod images;
pub mod lifecycle;
pub mod log;
pub mod pacer;
pub mod process;
pub mod server;
pub mod signal;
pub mod spec;

/// What an engine is to be.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the API is served; at least one.
    pub addresses: Vec<Address>,
    /// Where faults are asked for.
    pub control: PathBuf,
    /// Under which its containers' logs lie; made if need be, and its `containers` removed at the end.
    pub data: PathBuf,
}

/// What keeps an engine from serving.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// It cannot listen there.
    #[error("cannot listen on {address}: {source}\n  {}", remedy(source))]
    Listen {
        /// Where.
        address: Address,
        /// The system's words.
        source: io::Error,
    },
    /// Its data has no place.
    #[error("the data directory {}: {source}\n  name an empty one with --data", data.display())]
    Data {
        /// Where.
        data: PathBuf,
        /// The system's words.
        source: io::Error,
    },
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound => "its directory does not exist: make it, or name a socket in another one",
        io::ErrorKind::PermissionDenied => "this user may not listen there: name another one",
        _ => "name another one, or end who listens there",
    }
}

/// A running engine.
#[derive(Debug)]
pub struct Engine {
    /// What it does.
    pub daemon: Arc<Daemon>,
    servers: JoinSet<io::Result<()>>,
    options: Options,
}

impl Engine {
    /// Starts to serve, in this process's runtime.
    ///
    /// # Errors
    /// It cannot listen, or its data directory cannot be used.
    pub async fn start(options: Options) -> Result<Self, ServeError> {
        let in_data = |source| ServeError::Data { data: options.data.clone(), source };
        if let Ok(mut entries) = fs::read_dir(options.data.join("containers"))
            && entries.next().is_some()
        {
            return Err(in_data(io::Error::new(io::ErrorKind::AlreadyExists, "it holds containers of another engine")));
        }
        let (daemon, ends) = Daemon::new(options.data.clone()).map_err(in_data)?;
        let mut servers = JoinSet::new();
        for address in &options.addresses {
            let source = |source| ServeError::Listen { address: address.clone(), source };
            let listener = address.listen().await.map_err(source)?;
            let answering = Arc::clone(&daemon);
            servers.spawn(server::serve(address.clone(), listener, Arc::clone(&daemon.faults), move |request| {
                api::handle(Arc::clone(&answering), request)
            }));
        }
        let control = Address::Unix(options.control.clone());
        let source = |source| ServeError::Listen { address: control.clone(), source };
        let listener = control.listen().await.map_err(source)?;
        let asked = Arc::clone(&daemon.faults);
        // Faults do not touch the socket that they are asked for on.
        servers.spawn(server::serve(control.clone(), listener, Arc::default(), move |request| {
            control::handle(Arc::clone(&asked), request)
        }));
        servers.spawn({
            let daemon = Arc::clone(&daemon);
            async move {
                daemon.take_ends(ends).await;
                Ok(())
            }
        });
        Ok(Self { daemon, servers, options })
    }

    /// Serves until `stop`, or until it cannot go on.
    ///
    /// # Errors
    /// It can no longer listen.
    pub async fn serve_until(mut self, stop: impl Future<Output = ()>) -> io::Result<()> {
        let ended = tokio::select! {
            () = stop => Ok(()),
            Some(ended) = self.servers.join_next() => ended.map_err(io::Error::other).and_then(|ended| ended),
        };
        self.servers.shutdown().await;
        let sockets = self.options.addresses.iter().filter_map(|address| match address {
            Address::Unix(path) => Some(path),
            Address::Tcp(_) => None,
        });
        for socket in sockets.chain([&self.options.control]) {
            remove(fs::remove_file(socket))?;
        }
        remove(fs::remove_dir_all(self.options.data.join("containers")))?;
        ended
    }
}

/// What is gone already is removed.
fn remove(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
