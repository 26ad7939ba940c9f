//! An engine that can die: a socket before the real one, which stops answering when it is told to.

use std::io;
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// Passes connections on to the real engine.
pub(crate) struct Proxy {
    path: PathBuf,
    connections: Arc<Mutex<Vec<UnixStream>>>,
}

impl Proxy {
    /// Listens on `path` for the engine that listens on `engine`.
    pub(crate) fn before(engine: &Path, path: &Path) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let connections = Arc::new(Mutex::new(Vec::new()));
        let accepted = Arc::clone(&connections);
        let engine = engine.to_owned();
        // It waits for connections until the test process ends.
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = UnixStream::connect(&engine).unwrap();
                accepted.lock().unwrap().extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
                pass_on(client.try_clone().unwrap(), server.try_clone().unwrap());
                pass_on(server, client);
            }
        });
        Self { path: path.to_owned(), connections }
    }

    /// The engine dies: every connection breaks, and no new one can be made.
    pub(crate) fn die(&self) {
        std::fs::remove_file(&self.path).unwrap();
        for connection in self.connections.lock().unwrap().drain(..) {
            // One that the other side closed already is as dead as it should be.
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

fn pass_on(mut from: UnixStream, mut to: UnixStream) {
    std::thread::spawn(move || {
        // A broken connection is how this ends.
        let _ = io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
}
