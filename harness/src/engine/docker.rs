//! A Docker Engine, through its API.
//!
//! Everything made here carries the run's labels; nothing is stopped or removed that does not. Calls on many
//! containers run [`AT_ONCE`] at a time.

use std::collections::HashMap;
use std::time::Duration;

use bollard::errors::Error as ApiError;
use bollard::models::{
    ContainerCreateBody, ContainerSummary, EventMessage, EventMessageTypeEnum, HostConfig, HostConfigLogConfig,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, EventsOptionsBuilder, ListContainersOptionsBuilder, LogsOptionsBuilder,
    RemoveContainerOptionsBuilder, StartContainerOptions, StopContainerOptionsBuilder,
};
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use leaksoak_reports::record::run_info::EngineInfo;
use leaksoak_strategies::docker_api::EngineAddress;

use super::{
    Container, ContainerSpec, EngineError, EngineEvent, EngineKind, LABEL_CONTAINER, LABEL_MACHINE, LABEL_RUN, address,
    container_name,
};
use crate::owner::{RunId, machine};
use crate::workload::line;
use images::Image;

mod images;

/// Calls under way at once.
const AT_ONCE: usize = 8;
/// Longest wait for an answer.
const CALL_TIMEOUT_S: u64 = 60;
/// How long the engine has for an answer that takes it no work, before it counts as lost.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// What a stopping container has before it is killed, seconds.
const STOP_GRACE_S: i32 = 10;
/// Looks for containers of a run that is being removed.
const REMOVAL_LOOKS: u32 = 3;
/// Memory of one workload container; the executable's pages count in it.
const CONTAINER_MEMORY: i64 = 64 * 1024 * 1024;
/// Processes and threads of one workload container.
const CONTAINER_PIDS: i64 = 16;

/// What an engine counts of itself; `None`: it does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SelfCounts {
    /// Open file descriptors.
    pub fds: Option<u64>,
    /// Goroutines.
    pub goroutines: Option<u64>,
}

/// A connection to an engine.
#[derive(Debug, Clone)]
pub struct Docker {
    api: bollard::Docker,
    address: EngineAddress,
    kind: EngineKind,
    info: EngineInfo,
}

impl Docker {
    /// Connects to the engine that `DOCKER_HOST` or the default socket names, and negotiates the version.
    ///
    /// # Errors
    /// Nobody answers there.
    pub async fn connect() -> Result<Self, EngineError> {
        let variable = |name| std::env::var(name).ok();
        let address = address::address(variable("DOCKER_HOST").as_deref(), variable("DOCKER_TLS_VERIFY").as_deref())?;
        Self::connect_to(&address, EngineKind::Docker).await
    }

    /// Connects to the engine of this kind that listens at `address`.
    ///
    /// # Errors
    /// Nobody answers there.
    pub async fn connect_to(address: &EngineAddress, kind: EngineKind) -> Result<Self, EngineError> {
        let pid = address::probe(address)?;
        let call = |source| EngineError::Call { action: format!("asking {address} for its version"), source };
        let api = client(address).map_err(call)?;
        let api = api.negotiate_version().await.map_err(call)?;
        let version = api.version().await.map_err(call)?;
        let info = EngineInfo {
            kind: kind.word().into(),
            address: address.to_string(),
            version: version.version.unwrap_or_else(|| "unknown".into()),
            api_version: api.client_version().to_string(),
            pid,
        };
        Ok(Self { api, address: address.clone(), kind, info })
    }

    /// What it is.
    #[must_use]
    pub fn info(&self) -> &EngineInfo {
        &self.info
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> &EngineAddress {
        &self.address
    }

    /// Whether it answers.
    ///
    /// # Errors
    /// It does not.
    pub async fn ping(&self) -> Result<(), EngineError> {
        self.api.ping().await.map(drop).map_err(|source| call("ping", source))
    }

    /// What it counts of itself: open descriptors, and goroutines.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn self_counts(&self) -> Result<SelfCounts, EngineError> {
        let info = self.api.info().await.map_err(|source| call("asking for its own counts", source))?;
        // An engine that answers has at least one of each: 0, or less, is one that does not count.
        let count = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok()).filter(|count| *count > 0);
        Ok(SelfCounts { fds: count(info.nfd), goroutines: count(info.n_goroutines) })
    }

    /// The directory of the containers' log files, if it can be read from here.
    ///
    /// # Errors
    /// The words say why it cannot.
    pub async fn log_files(&self) -> Result<String, String> {
        let info = self.api.info().await.map_err(|error| error.to_string())?;
        let root = info.docker_root_dir.ok_or("the engine does not say where its data lies")?;
        let directory = format!("{root}/containers");
        std::fs::read_dir(&directory).map(|_| directory.clone()).map_err(|error| format!("{directory}: {error}"))
    }

    /// Makes a container for each of `specs`, started by no one yet.
    ///
    /// # Errors
    /// The engine refuses one. Those already made carry the run's label: [`remove_run`](Self::remove_run) finds them.
    pub async fn create(
        &self,
        run: &RunId,
        image: &Image,
        specs: &[ContainerSpec],
    ) -> Result<Vec<Container>, EngineError> {
        // Every call is brought to its end, also after one has failed: a container that is still being made when the
        // run's containers are listed for removal would stay.
        let made: Vec<_> =
            stream::iter(specs).map(|spec| self.create_one(run, image, spec)).buffered(AT_ONCE).collect().await;
        made.into_iter().collect()
    }

    async fn create_one(&self, run: &RunId, image: &Image, spec: &ContainerSpec) -> Result<Container, EngineError> {
        let name = container_name(run, &spec.id);
        let log = spec.log_options().into_iter().collect();
        let body = ContainerCreateBody {
            image: Some(image.tag.clone()),
            entrypoint: Some(image.entrypoint.clone()),
            cmd: Some(spec.arguments()),
            user: Some("65534:65534".into()),
            labels: Some(spec.labels(run, &machine()).into_iter().collect()),
            host_config: Some(HostConfig {
                log_config: Some(HostConfigLogConfig { typ: Some("json-file".into()), config: Some(log) }),
                network_mode: Some("none".into()),
                readonly_rootfs: Some(true),
                memory: Some(CONTAINER_MEMORY),
                memory_swap: Some(CONTAINER_MEMORY),
                pids_limit: Some(CONTAINER_PIDS),
                cap_drop: Some(vec!["ALL".into()]),
                security_opt: Some(vec!["no-new-privileges".into()]),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptionsBuilder::new().name(&name).build();
        let created = self
            .api
            .create_container(Some(options), body)
            .await
            .map_err(|source| call(&format!("creating container {name}"), source))?;
        Ok(Container { id: spec.id.clone(), engine_id: created.id })
    }

    /// Starts one container.
    ///
    /// # Errors
    /// The engine does not start it.
    pub async fn start(&self, container: &Container) -> Result<(), EngineError> {
        self.api
            .start_container(&container.engine_id, None::<StartContainerOptions>)
            .await
            .map_err(|source| call(&format!("starting container {}", container.id), source))
    }

    /// Asks every container to end (SIGTERM, SIGKILL after ten seconds), and waits until they have; answers for each
    /// whether it did. One that is gone already is no error.
    pub async fn stop<'c>(&self, containers: &'c [Container]) -> Vec<(&'c Container, Result<(), EngineError>)> {
        stream::iter(containers)
            .map(|container| async move {
                let options = StopContainerOptionsBuilder::new().t(STOP_GRACE_S).build();
                let stopped = match self.api.stop_container(&container.engine_id, Some(options)).await {
                    Err(error) if !is_not_found(&error) => {
                        Err(call(&format!("stopping container {}", container.id), error))
                    }
                    _ => Ok(()),
                };
                (container, stopped)
            })
            .buffered(AT_ONCE)
            .collect()
            .await
    }

    /// The number of the container's final line, if that is the last of its log.
    ///
    /// # Errors
    /// The engine does not give its log.
    pub async fn final_seq(&self, container: &Container) -> Result<Option<u64>, EngineError> {
        let options = LogsOptionsBuilder::new().stdout(true).tail("1").build();
        let logs = self.api.logs(&container.engine_id, Some(options)).try_collect::<Vec<_>>();
        // The head of an answer has a time limit of bollard's own; its body has not.
        let output = tokio::time::timeout(ANSWER_TIMEOUT, logs)
            .await
            .unwrap_or(Err(ApiError::RequestTimeoutError))
            .map_err(|source| call(&format!("reading the last line of container {}", container.id), source))?;
        let bytes: Vec<u8> = output.into_iter().flat_map(bollard::container::LogOutput::into_bytes).collect();
        let token = line::tokens(&bytes).last();
        Ok(token.filter(|token| token.is_final && token.container == container.id).map(|token| token.seq))
    }

    /// What has happened to the containers of `run` since `since_unix_s`, and what happens, until the engine is lost.
    pub fn watch(&self, run: &RunId, since_unix_s: u64) -> impl Stream<Item = EngineEvent> + use<> {
        let filters =
            HashMap::from([("type", vec!["container".to_owned()]), ("label", vec![format!("{LABEL_RUN}={run}")])]);
        let options = EventsOptionsBuilder::new().since(&since_unix_s.to_string()).filters(&filters).build();
        let lost = stream::once(async { EngineEvent::Lost { reason: "its event stream ended".into() } });
        self.api.events(Some(options)).filter_map(|event| async { engine_event(event) }).chain(lost)
    }

    /// Removes every container of `run`, running or not.
    ///
    /// # Errors
    /// The engine does not list or remove them.
    pub async fn remove_run(&self, run: &RunId) -> Result<usize, EngineError> {
        let mut removed = 0;
        // A call that was given up (Ctrl-C while containers are made) may still make one after the first look.
        for _ in 0..REMOVAL_LOOKS {
            let ours = self.labelled(&format!("{LABEL_RUN}={run}")).await?;
            if ours.is_empty() {
                break;
            }
            removed += self.remove(ours).await?;
        }
        Ok(removed)
    }

    /// Removes the containers of dead runs of this machine; with `all`, of every run of every machine.
    ///
    /// # Errors
    /// The engine does not list or remove them.
    pub async fn remove_dead(&self, all: bool) -> Result<usize, EngineError> {
        let here = machine();
        let label = |container: &ContainerSummary, key: &str| {
            container.labels.as_ref().and_then(|labels| labels.get(key)).cloned()
        };
        let mut dead = self.labelled(LABEL_RUN).await?;
        dead.retain(|container| {
            let owner = label(container, LABEL_RUN).and_then(|id| id.parse::<RunId>().ok());
            all || label(container, LABEL_MACHINE).as_ref() == Some(&here) && owner.is_some_and(|run| !run.is_alive())
        });
        self.remove(dead).await
    }

    async fn labelled(&self, label: &str) -> Result<Vec<ContainerSummary>, EngineError> {
        let filters = HashMap::from([("label", vec![label])]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        self.api.list_containers(Some(options)).await.map_err(|source| call("listing containers", source))
    }

    async fn remove(&self, containers: Vec<ContainerSummary>) -> Result<usize, EngineError> {
        let ids: Vec<String> = containers.into_iter().filter_map(|container| container.id).collect();
        stream::iter(&ids)
            .map(|id| async move {
                let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
                match self.api.remove_container(id, Some(options)).await {
                    // 409: someone else is removing it.
                    Err(error) if !is_not_found(&error) && status(&error) != Some(409) => {
                        Err(call(&format!("removing container {id}"), error))
                    }
                    _ => Ok(()),
                }
            })
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await?;
        Ok(ids.len())
    }
}

/// bollard's client of an engine, of the newest version that bollard knows.
///
/// # Errors
/// bollard does not take the address.
pub fn client(address: &EngineAddress) -> Result<bollard::Docker, ApiError> {
    let version = bollard::API_DEFAULT_VERSION;
    match address {
        EngineAddress::Unix(path) => {
            bollard::Docker::connect_with_unix(&path.to_string_lossy(), CALL_TIMEOUT_S, version)
        }
        EngineAddress::Tcp(_) => bollard::Docker::connect_with_http(&address.to_string(), CALL_TIMEOUT_S, version),
    }
}

fn engine_event(event: Result<EventMessage, ApiError>) -> Option<EngineEvent> {
    let event = match event {
        Ok(event) => event,
        Err(error) => return Some(EngineEvent::Lost { reason: error.to_string() }),
    };
    let (action, attributes) = (event.action?, event.actor?.attributes?);
    if event.typ != Some(EventMessageTypeEnum::CONTAINER) || !matches!(action.as_str(), "die" | "destroy") {
        return None;
    }
    let reason = match attributes.get("exitCode") {
        Some(code) => format!("{action}, exit code {code}"),
        None => action,
    };
    Some(EngineEvent::Gone { container: attributes.get(LABEL_CONTAINER)?.clone(), reason })
}

fn call(action: &str, source: ApiError) -> EngineError {
    EngineError::Call { action: action.to_owned(), source }
}

fn status(error: &ApiError) -> Option<u16> {
    match error {
        ApiError::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

fn is_not_found(error: &ApiError) -> bool {
    status(error) == Some(404)
}
