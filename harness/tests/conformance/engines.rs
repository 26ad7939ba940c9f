//! The engines to be held against each other: Docker, where it is and where it is the one that ours is like, and ours.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use hyper::body::Bytes;
use leaksoak::engine::address;
use leaksoak::engine::embedded::images::BUILT_IN;
use leaksoak::engine::image::{Contents, REPOSITORY};
use leaksoak_strategies::docker_api::EngineAddress;
use tempfile::TempDir;

use crate::client::{Call, Client, Protocol};
use crate::support::{Docker, eventually};

/// The engine whose behaviour is the embedded one's: later ones differ from it too.
const RELEASE: &str = "20.10.";

/// The workload image, as an engine has it.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) tag: String,
    pub(crate) id: String,
    pub(crate) entrypoint: Vec<String>,
}

/// An engine that answers.
pub(crate) struct Engine {
    pub(crate) name: &'static str,
    pub(crate) version: String,
    pub(crate) socket: PathBuf,
    pub(crate) data_root: String,
    image: OnceLock<Image>,
}

impl Engine {
    fn at(name: &'static str, socket: &Path) -> Self {
        let ask = |path| {
            let client = Client::new(socket, Protocol::Http1);
            let mut opened = client.open(&Call::new("GET", path));
            client.read_to_end(&mut opened.body, path);
            serde_json::from_slice::<serde_json::Value>(&opened.body.bytes).unwrap()
        };
        Self {
            name,
            version: ask("/version")["Version"].as_str().unwrap().to_owned(),
            socket: socket.to_owned(),
            data_root: ask("/info")["DockerRootDir"].as_str().unwrap().to_owned(),
            image: OnceLock::new(),
        }
    }

    /// The workload image, imported when it is first needed.
    pub(crate) fn image(&self) -> &Image {
        self.image.get_or_init(|| {
            let archive = archive();
            let (repository, tag) = archive.tag.split_once(':').unwrap();
            let client = Client::new(&self.socket, Protocol::Http1);
            let ask = |call: &Call| {
                let mut opened = client.open(call);
                client.read_to_end(&mut opened.body, &call.path);
                (opened.status, opened.body.bytes)
            };
            let path = format!("/images/create?fromSrc=-&repo={repository}&tag={tag}");
            let (status, said) = ask(&Call::new("POST", path).bytes(None, archive.tar.clone()));
            assert_eq!(status, 200, "{}", String::from_utf8_lossy(&said));
            let (status, said) = ask(&Call::new("GET", format!("/images/{}/json", archive.tag)));
            assert_eq!(status, 200, "{}", String::from_utf8_lossy(&said));
            let inspected: serde_json::Value = serde_json::from_slice(&said).unwrap();
            Image {
                tag: archive.tag.clone(),
                id: inspected["Id"].as_str().unwrap().to_owned(),
                entrypoint: archive.entrypoint.clone(),
            }
        })
    }
}

struct Archive {
    tag: String,
    entrypoint: Vec<String>,
    tar: Bytes,
}

/// What `leaksoak` itself imports: the binary, not this test.
fn archive() -> &'static Archive {
    static ARCHIVE: OnceLock<Archive> = OnceLock::new();
    ARCHIVE.get_or_init(|| {
        let mut running = Command::new(env!("CARGO_BIN_EXE_leaksoak"))
            .args(["workload", "--container", "c01", "--rate", "1/h"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // Once it prints, it has mapped all that it needs.
        std::io::Read::read_exact(running.stdout.as_mut().unwrap(), &mut [0; 1]).unwrap();
        let contents = Contents::of_process(running.id()).unwrap();
        let mut tar = Vec::new();
        contents.write_tar(&mut tar).unwrap();
        let archive = Archive { tag: contents.tag().unwrap(), entrypoint: contents.entrypoint(), tar: tar.into() };
        running.kill().unwrap();
        running.wait().unwrap();
        assert!(archive.tag.starts_with(REPOSITORY));
        archive
    })
}

/// The real engine; `_held` keeps other tests from it meanwhile, and clears up.
pub(crate) struct Real {
    pub(crate) engine: Engine,
    _held: Docker,
}

/// The real engine, or why there is none to compare with.
pub(crate) fn real() -> Result<Real, String> {
    let held = Docker::take().ok_or("no Docker engine answers")?;
    let address = address::address(std::env::var("DOCKER_HOST").ok().as_deref(), None);
    let EngineAddress::Unix(socket) = address.map_err(|error| error.to_string())? else {
        return Err("the Docker engine is not on a Unix socket, which is what these conversations are over".to_owned());
    };
    let engine = Engine::at("docker", &socket);
    if !engine.version.starts_with(RELEASE) {
        return Err(format!("the Docker engine here is {}, and what is compared is {RELEASE}x", engine.version));
    }
    Ok(Real { engine, _held: held })
}

/// `leaksoak engine` in a process of its own, until it is dropped; a panic in it is a failure then.
pub(crate) struct Embedded {
    pub(crate) engine: Engine,
    process: Child,
    directory: TempDir,
}

impl Embedded {
    /// One that the workload image has to be imported into, as into Docker.
    pub(crate) fn start() -> Self {
        Self::launch(Command::new(env!("CARGO_BIN_EXE_leaksoak")), place())
    }

    /// One that is used with the image that it has: what `command` runs, with its data and socket in `directory`.
    pub(crate) fn start_as(command: Command, directory: TempDir) -> Self {
        let embedded = Self::launch(command, directory);
        let image = Image { tag: BUILT_IN.to_owned(), id: String::new(), entrypoint: vec!["/leaksoak".to_owned()] };
        embedded.engine.image.set(image).unwrap();
        embedded
    }

    fn launch(mut command: Command, directory: TempDir) -> Self {
        let socket = directory.path().join("docker.sock");
        let mut process = command
            .arg("engine")
            .arg("--socket")
            .arg(&socket)
            .arg("--data")
            .arg(directory.path().join("data"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(directory.path().join("stderr")).unwrap())
            .spawn()
            .unwrap();
        eventually(Duration::from_secs(20), "the embedded engine listens", || {
            assert!(process.try_wait().unwrap().is_none(), "{}", said(&directory));
            std::os::unix::net::UnixStream::connect(&socket).is_ok()
        });
        Self { engine: Engine::at("embedded", &socket), process, directory }
    }

    /// Of its process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Where its socket, its data and nothing else lie.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }
}

/// A directory for an engine.
pub(crate) fn place() -> TempDir {
    tempfile::Builder::new().prefix("leaksoak-conformance").tempdir().unwrap()
}

fn said(directory: &TempDir) -> String {
    fs::read_to_string(directory.path().join("stderr")).unwrap_or_default()
}

impl Drop for Embedded {
    fn drop(&mut self) {
        let lives = self.process.try_wait().unwrap().is_none();
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        if !std::thread::panicking() {
            let said = said(&self.directory);
            assert!(lives && !said.contains("panicked"), "the embedded engine: {said}");
        }
    }
}
