//! The engine itself: its containers and images, and what is done to them.
//!
//! One lock guards the table; nothing waits or does I/O on logs of other containers while it is held. What takes time
//! (a container that is given its grace to end) waits on that container's [`Changes`], without the lock.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::StatusCode;
use rustix::process::Signal;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::watch;

use super::api::answer::ApiError;
use super::container::{Changes, Container, new_id, random_name};
use super::events::{Event, Events};
use super::fault::Faults;
use super::images::{BUILT_IN, Images};
use super::lifecycle::{Detail, Input, Operation, Refusal, Status};
use super::pacer::{End, Key, Output, Pacer};
use super::spec::Spec;
use crate::clock::unix_ns;

/// Exit code of a container whose program is not there.
const NOT_FOUND: i64 = 127;
/// Exit code of a container that could not be started for another reason.
const NOT_STARTED: i64 = 128;

/// The engine.
#[derive(Debug)]
pub struct Daemon {
    /// What has happened.
    pub events: Events,
    /// What goes wrong with it on purpose.
    pub faults: Arc<Faults>,
    id: String,
    data: PathBuf,
    pacer: Pacer,
    table: Mutex<Table>,
}

/// Containers and images.
#[derive(Debug, Default)]
pub struct Table {
    containers: BTreeMap<Key, Container>,
    ids: HashMap<String, Key>,
    names: HashMap<String, Key>,
    last_key: Key,
    /// The images.
    pub images: Images,
}

impl Daemon {
    /// An engine whose containers' logs lie under `data`.
    ///
    /// # Errors
    /// The directory or the pacer's thread cannot be made.
    pub fn new(data: PathBuf) -> io::Result<(Arc<Self>, UnboundedReceiver<End>)> {
        fs::DirBuilder::new().mode(0o700).recursive(true).create(data.join("containers"))?;
        let (tell, ends) = unbounded_channel();
        let mut table = Table::default();
        let id = super::images::id_of(sha2::Digest::new_with_prefix(BUILT_IN));
        let size = fs::metadata("/proc/self/exe").map_or(0, |metadata| metadata.len());
        table.images.add(&id, Some(BUILT_IN), size, unix_ns());
        let daemon = Self {
            events: Events::default(),
            faults: Arc::default(),
            id: new_id()[..24].to_ascii_uppercase(),
            data,
            pacer: Pacer::start(tell)?,
            table: Mutex::new(table),
        };
        Ok((Arc::new(daemon), ends))
    }

    /// Takes in the ends of workloads, as long as there is an engine.
    pub async fn take_ends(self: Arc<Self>, mut ends: UnboundedReceiver<End>) {
        while let Some(End { key, run, exit_code }) = ends.recv().await {
            // A container that was removed meanwhile, or a run that is over, has nothing to hear.
            let _ = self.on(key, Input::Ended { run, exit_code });
        }
    }

    /// Its own id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where its data lies.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The table, as it is now.
    pub fn table(&self) -> MutexGuard<'_, Table> {
        // Every change is made whole before anything in it can panic.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a container; answers its id.
    ///
    /// # Errors
    /// No such image, nothing to run, a name that is wrong or taken, a directory that cannot be made.
    pub fn create(&self, name: &str, spec: Spec) -> Result<String, ApiError> {
        let mut table = self.table();
        let Some(image) = table.images.find(&spec.image).cloned() else {
            return Err(super::images::missing(&spec.image));
        };
        if spec.command.iter().all(String::is_empty) {
            return Err(ApiError::bad("No command specified"));
        }
        let name = if name.is_empty() {
            random_name()
        } else {
            let given = name.strip_prefix('/').unwrap_or(name);
            check_name(name, given)?;
            given.to_owned()
        };
        table.check_free(&name)?;
        let id = new_id();
        let containers = self.data.join("containers");
        fs::DirBuilder::new()
            .mode(0o700)
            .create(containers.join(&id))
            .map_err(|error| ApiError::internal(format!("mkdir {}: {error}", containers.join(&id).display())))?;
        table.last_key += 1;
        let key = table.last_key;
        let container = Container::new(key, id.clone(), name.clone(), spec, &image, &containers, unix_ns());
        self.tell(&container, "create", Detail::None);
        table.ids.insert(id.clone(), key);
        table.names.insert(name, key);
        table.containers.insert(key, container);
        Ok(id)
    }

    /// Starts a container.
    ///
    /// # Errors
    /// It runs already, or cannot be started.
    pub fn start(self: &Arc<Self>, reference: &str) -> Result<(), ApiError> {
        let key = self.table().find(reference)?.key;
        match self.on(key, Input::Start) {
            Ok(()) => {}
            Err(Refused::Lifecycle(refusal)) => return Err(self.refused(key, refusal)),
            Err(Refused::Gone) => return Err(no_such(reference)),
        }
        let mut table = self.table();
        let container = table.get_mut(key).ok_or_else(|| no_such(reference))?;
        if container.lifecycle.status().is_up() || container.error.is_empty() {
            return Ok(());
        }
        let status = if container.lifecycle.exit_code() == NOT_FOUND {
            StatusCode::BAD_REQUEST
        } else {
            StatusCode::INTERNAL_SERVER_ERROR
        };
        Err(ApiError::new(status, container.error.clone()))
    }

    /// Ends a container: its signal, then, after `timeout_s` (below 0: never; `None`: its own), SIGKILL.
    ///
    /// # Errors
    /// It does not run (304).
    pub async fn stop(self: &Arc<Self>, reference: &str, timeout_s: Option<i64>) -> Result<(), ApiError> {
        let (key, status, signal, timeout_s, mut changes) = {
            let mut table = self.table();
            let container = table.find(reference)?;
            let timeout_s = timeout_s.unwrap_or(container.stop_timeout_s);
            (
                container.key,
                container.lifecycle.status(),
                container.stop_signal,
                timeout_s,
                container.changes.subscribe(),
            )
        };
        match status {
            Status::Restarting => drop(self.on(key, Input::CancelRestart)),
            status if !status.is_up() => return Err(ApiError::not_modified()),
            _ => {
                let before = *changes.borrow_and_update();
                let _ = self.on(key, Input::Signal { signal, to_end: true });
                let grace = u64::try_from(timeout_s).map_or(Duration::MAX, Duration::from_secs);
                let ended = tokio::time::timeout(grace, has_ended(&mut changes, before)).await;
                if ended.is_err() {
                    // It may have ended by itself in this moment: then there is nothing to kill.
                    let _ = self.on(key, Input::Signal { signal: Signal::KILL, to_end: true });
                    has_ended(&mut changes, before).await;
                }
            }
        }
        if let Some(container) = self.table().get_mut(key) {
            self.tell(container, "stop", Detail::None);
        }
        Ok(())
    }

    /// Stops a container if it runs, and starts it.
    ///
    /// # Errors
    /// It cannot be started.
    pub async fn restart(self: &Arc<Self>, reference: &str, timeout_s: Option<i64>) -> Result<(), ApiError> {
        let key = self.table().find(reference)?.key;
        match self.stop(reference, timeout_s).await {
            Err(error) if error.status() != StatusCode::NOT_MODIFIED => return Err(error),
            _ => {}
        }
        self.start(reference)?;
        if let Some(container) = self.table().get_mut(key) {
            self.tell(container, "restart", Detail::None);
        }
        Ok(())
    }

    /// Sends a signal; after SIGKILL, waits until it has ended.
    ///
    /// # Errors
    /// It does not run.
    pub async fn kill(self: &Arc<Self>, reference: &str, signal: Signal) -> Result<(), ApiError> {
        let (key, id, mut changes) = {
            let mut table = self.table();
            let container = table.find(reference).map_err(|error| {
                ApiError::new(error.status(), format!("Cannot kill container: {reference}: {error}"))
            })?;
            (container.key, container.id.clone(), container.changes.subscribe())
        };
        let before = *changes.borrow_and_update();
        let to_end = signal == Signal::KILL;
        match self.on(key, Input::Signal { signal, to_end }) {
            Ok(()) => {}
            Err(Refused::Gone) => return Err(no_such(reference)),
            Err(Refused::Lifecycle(_)) => {
                return Err(ApiError::conflict(format!(
                    "Cannot kill container: {reference}: Container {id} is not running"
                )));
            }
        }
        if to_end {
            has_ended(&mut changes, before).await;
        }
        Ok(())
    }

    /// Holds a container, or lets it go on.
    ///
    /// # Errors
    /// It is not in a state for that.
    pub fn pause(self: &Arc<Self>, reference: &str, input: Input) -> Result<(), ApiError> {
        let key = self.table().find(reference)?.key;
        match self.on(key, input) {
            Ok(()) => Ok(()),
            Err(Refused::Gone) => Err(no_such(reference)),
            Err(Refused::Lifecycle(refusal)) => Err(self.refused(key, refusal)),
        }
    }

    /// Gives a container another name.
    ///
    /// # Errors
    /// The name is wrong, taken, or its own.
    pub fn rename(&self, reference: &str, new: &str) -> Result<(), ApiError> {
        let mut table = self.table();
        let (key, old) = {
            let container = table.find(reference)?;
            (container.key, container.name.clone())
        };
        let given = new.strip_prefix('/').unwrap_or(new);
        if given.is_empty() {
            return Err(ApiError::bad("Neither old nor new names may be empty"));
        }
        if given == old {
            return Err(ApiError::bad("Renaming a container with the same name as its current name"));
        }
        let allocating =
            |error: ApiError| ApiError::new(error.status(), format!("Error when allocating new name: {error}"));
        check_name(&format!("/{given}"), given).map_err(allocating)?;
        table.check_free(given).map_err(allocating)?;
        table.names.remove(&old);
        table.names.insert(given.to_owned(), key);
        if let Some(container) = table.get_mut(key) {
            given.clone_into(&mut container.name);
            let mut attributes = container.attributes();
            attributes.insert("oldName".into(), format!("/{old}"));
            self.events.tell(Event {
                kind: "container",
                action: "rename",
                id: container.id.clone(),
                attributes,
                unix_ns: unix_ns(),
            });
        }
        Ok(())
    }

    /// Removes a container; with `force` also one that runs.
    ///
    /// # Errors
    /// It runs, or its files cannot be removed.
    pub async fn remove(self: &Arc<Self>, reference: &str, force: bool) -> Result<(), ApiError> {
        let (key, id, status) = {
            let mut table = self.table();
            let container = table.find(reference)?;
            (container.key, container.id.clone(), container.lifecycle.status())
        };
        match (status, force) {
            (Status::Running, false) => {
                return Err(ApiError::conflict(format!(
                    "You cannot remove a running container {id}. Stop the container before attempting removal or force remove"
                )));
            }
            (Status::Paused, false) => {
                return Err(ApiError::conflict(format!(
                    "You cannot remove a paused container {id}. Unpause and then stop the container before attempting removal or force remove"
                )));
            }
            (Status::Restarting, false) => {
                return Err(ApiError::conflict(format!(
                    "You cannot remove a restarting container {id}. Stop the container before attempting removal or force remove"
                )));
            }
            (Status::Running | Status::Paused, true) => match self.kill(&id, Signal::KILL).await {
                Err(error) if !matches!(error.status().as_u16(), 404 | 409) => return Err(error),
                _ => {}
            },
            (Status::Restarting, true) => drop(self.on(key, Input::CancelRestart)),
            (Status::Created | Status::Exited, _) => {}
        }
        self.take_away(key)
    }

    /// Takes a container that has ended out of the table, and its files away. One that is gone already is no error.
    fn take_away(&self, key: Key) -> Result<(), ApiError> {
        let Some(container) = self.table().take(key) else { return Ok(()) };
        let directory = self.data.join("containers").join(&container.id);
        let removed = container.log.remove().and_then(|()| fs::remove_dir_all(&directory));
        self.tell(&container, "destroy", Detail::None);
        container.changes.send_modify(|changes| {
            changes.up = false;
            changes.removed = true;
        });
        removed.map_err(|error| ApiError::internal(format!("removing {}: {error}", directory.display())))
    }

    /// Lets a container decide what follows, and does it.
    fn on(self: &Arc<Self>, key: Key, input: Input) -> Result<(), Refused> {
        let now = unix_ns();
        let mut table = self.table();
        let container = table.get_mut(key).ok_or(Refused::Gone)?;
        let (mut may_remove, mut ended) = (false, matches!(input, Input::Ended { .. }));
        for operation in container.lifecycle.on(input, now).map_err(Refused::Lifecycle)? {
            match operation {
                Operation::Run(run) => {
                    if let Err((exit_code, error)) = self.run(container, run) {
                        container.error = error;
                        container.lifecycle.could_not_start(exit_code);
                        container.log.end_run();
                        ended = true;
                        break;
                    }
                    container.error.clear();
                }
                Operation::Send(signal) => self.pacer.send(key, signal),
                Operation::Hold => self.pacer.hold(key),
                Operation::Release => self.pacer.release(key),
                Operation::EndLog => container.log.end_run(),
                Operation::Tell(action, detail) => self.tell(container, action, detail),
                Operation::RestartAfter(run, wait) => {
                    let daemon = Arc::clone(self);
                    tokio::spawn(async move {
                        tokio::time::sleep(wait).await;
                        // Removed meanwhile: nothing to restart.
                        let _ = daemon.on(key, Input::RestartDue { run });
                    });
                }
                Operation::MayRemove => may_remove = container.auto_remove,
            }
        }
        let lifecycle = &container.lifecycle;
        let up = lifecycle.status().is_up() || lifecycle.status() == Status::Restarting;
        let exit_code = lifecycle.last_exit_code();
        container.changes.send_modify(|changes| {
            changes.up = up;
            changes.exit_code = exit_code;
            changes.ends += u64::from(ended);
        });
        drop(table);
        if may_remove && let Err(error) = self.take_away(key) {
            eprintln!("leaksoak engine: {error}");
        }
        Ok(())
    }

    fn run(&self, container: &Container, run: u64) -> Result<(), (i64, String)> {
        if let Some(error) = &container.log_error {
            return Err((NOT_STARTED, format!("failed to initialize logging driver: {error}")));
        }
        let workload = container
            .workload
            .clone()
            .map_err(|reason| (NOT_FOUND, format!("failed to create shim: OCI runtime create failed: {reason}")))?;
        let opened = container.log.begin_run();
        opened.map_err(|error| {
            let path = container.log.path().display();
            (NOT_STARTED, format!("failed to initialize logging driver: open {path}: {error}"))
        })?;
        let output = Output { log: Arc::clone(&container.log), busy_ns: Arc::clone(&container.busy_ns) };
        self.pacer.run(container.key, run, workload, output);
        Ok(())
    }

    fn refused(&self, key: Key, refusal: Refusal) -> ApiError {
        let mut table = self.table();
        let id = table.get_mut(key).map(|container| container.id.clone()).unwrap_or_default();
        match refusal {
            Refusal::Already => ApiError::not_modified(),
            Refusal::NotRunning => ApiError::conflict(format!("Container {id} is not running")),
            Refusal::AlreadyPaused => ApiError::conflict(format!("Container {id} is already paused")),
            Refusal::NotPaused => ApiError::internal(format!("Container {id} is not paused")),
            Refusal::Paused => ApiError::conflict("cannot start a paused container, try unpause instead"),
            Refusal::Restarting => {
                ApiError::conflict(format!("Container {id} is restarting, wait until the container is running"))
            }
        }
    }

    /// Tells an event of a container.
    pub fn tell(&self, container: &Container, action: &'static str, detail: Detail) {
        let mut attributes = container.attributes();
        match detail {
            Detail::None => {}
            Detail::ExitCode(code) => drop(attributes.insert("exitCode".into(), code.to_string())),
            Detail::Signal(signal) => drop(attributes.insert("signal".into(), signal.as_raw().to_string())),
        }
        self.events.tell(Event { kind: "container", action, id: container.id.clone(), attributes, unix_ns: unix_ns() });
    }
}

/// Why nothing was done.
enum Refused {
    Lifecycle(Refusal),
    Gone,
}

/// Until a run has ended that had not `before`.
async fn has_ended(changes: &mut watch::Receiver<Changes>, before: Changes) {
    // The sender goes only with the container, which then has ended.
    let _ = changes.wait_for(|now| now.ends > before.ends || now.removed || !now.up).await;
}

impl Table {
    /// The container of this id, name, or beginning of an id.
    ///
    /// # Errors
    /// There is none, or there are several.
    pub fn find(&mut self, reference: &str) -> Result<&mut Container, ApiError> {
        let key = self.key_of(reference)?;
        self.containers.get_mut(&key).ok_or_else(|| no_such(reference))
    }

    fn key_of(&self, reference: &str) -> Result<Key, ApiError> {
        if reference.is_empty() {
            return Err(no_such(reference));
        }
        let name = reference.strip_prefix('/').unwrap_or(reference);
        if let Some(key) = self.ids.get(reference).or_else(|| self.names.get(name)) {
            return Ok(*key);
        }
        let mut begun = self.ids.iter().filter(|(id, _)| id.starts_with(reference));
        match (begun.next(), begun.next()) {
            (Some((_, key)), None) => Ok(*key),
            (None, _) => Err(no_such(reference)),
            (Some(_), Some(_)) => {
                Err(ApiError::not_found(format!("Multiple IDs found with provided prefix: {reference}")))
            }
        }
    }

    /// All containers, the youngest first.
    pub fn youngest_first(&self) -> impl Iterator<Item = &Container> {
        self.containers.values().rev()
    }

    fn get_mut(&mut self, key: Key) -> Option<&mut Container> {
        self.containers.get_mut(&key)
    }

    fn take(&mut self, key: Key) -> Option<Container> {
        let container = self.containers.remove(&key)?;
        self.ids.remove(&container.id);
        self.names.remove(&container.name);
        Some(container)
    }

    fn check_free(&self, name: &str) -> Result<(), ApiError> {
        let Some(container) = self.names.get(name).and_then(|key| self.containers.get(key)) else { return Ok(()) };
        Err(ApiError::conflict(format!(
            "Conflict. The container name \"/{name}\" is already in use by container \"{}\". You have to remove (or rename) that container to be able to reuse that name.",
            container.id
        )))
    }
}

fn no_such(reference: &str) -> ApiError {
    ApiError::not_found(format!("No such container: {reference}"))
}

fn check_name(told: &str, name: &str) -> Result<(), ApiError> {
    let is_ok = name.len() > 1
        && name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    if is_ok {
        return Ok(());
    }
    Err(ApiError::bad(format!("Invalid container name ({told}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")))
}
