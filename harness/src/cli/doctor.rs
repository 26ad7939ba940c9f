//! `leaksoak doctor`: what will and what will not work here, and what to do about it.

use std::fmt;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::time::Instant;

use super::{print, runtime};
use crate::arm::cgroup::Hierarchy;
use crate::engine::EngineError;
use crate::engine::docker::Docker;
use crate::engine::embedded::process::EngineProcess;
use crate::exit::{Exit, Failure};
use crate::inotify_limit;
use crate::owner::RunId;
use crate::plan::scratch_dir;
use crate::sampler::unix_sockets::UnixSockets;

/// How one thing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Works.
    Good,
    /// Something will be less than it could be.
    Less,
    /// No run is possible.
    Bad,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Good => "ok  ",
            Self::Less => "less",
            Self::Bad => "FAIL",
        })
    }
}

struct Finding {
    state: State,
    what: &'static str,
    said: String,
}

pub(super) fn doctor() -> Result<Exit, Failure> {
    let runtime = runtime()?;
    let mut findings = runtime.block_on(engine());
    findings.push(runtime.block_on(embedded()));
    findings.extend([fd_counts(), cgroups(), open_files(), inotify(), socket_names()]);
    for Finding { state, what, said } in &findings {
        print(format_args!("{state}  {what:<14} {said}"))?;
    }
    let usable = findings.iter().all(|finding| finding.state != State::Bad);
    Ok(if usable { Exit::Pass } else { Exit::Environment })
}

async fn engine() -> Vec<Finding> {
    let finding = |state, what, said| Finding { state, what, said };
    let engine = match Docker::connect().await {
        Ok(engine) => engine,
        Err(error @ EngineError::Unreachable { .. }) => {
            return vec![finding(
                State::Less,
                "engine",
                format!("{error}\n      until then, runs use the embedded engine"),
            )];
        }
        Err(error) => return vec![finding(State::Bad, "engine", error.to_string())],
    };
    let info = engine.info();
    let mut findings = vec![finding(
        State::Good,
        "engine",
        format!("docker {} at {}, API {}", info.version, info.address, info.api_version),
    )];
    findings.push(match info.pid {
        Some(pid) => match procfs::process::Process::new(i32::try_from(pid).unwrap_or(0))
            .and_then(|process| process.fd_count())
        {
            Ok(fds) => finding(State::Good, "daemon", format!("process {pid} is sampled too ({fds} FDs now)")),
            Err(error) => finding(State::Less, "daemon", format!("process {pid} cannot be sampled: {error}")),
        },
        None => {
            finding(State::Less, "daemon", "its process is not on this machine, or hidden: it is not sampled".into())
        }
    });
    findings.push(match engine.log_files().await {
        Ok(root) => finding(State::Good, "log files", format!("{root} can be read: hybrid arms will work")),
        Err(reason) => finding(
            State::Less,
            "log files",
            format!("{reason}: hybrid arms will not work; run as root, or leave them out with --arm"),
        ),
    });
    findings
}

/// Starts an embedded engine, and ends it.
async fn embedded() -> Finding {
    let tried = async {
        let place = scratch_dir(&RunId::of_this_process().map_err(|error| error.to_string())?);
        let at = |error: std::io::Error| format!("{}: {error}", place.display());
        fs::DirBuilder::new().mode(0o700).create(&place).map_err(at)?;
        let began = Instant::now();
        let took = match EngineProcess::start(&place).await {
            Ok(engine) => {
                let took = began.elapsed();
                engine.stop().await.map(|()| took).map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        fs::remove_dir_all(&place).map_err(at)?;
        took
    };
    let (state, said) = match tried.await {
        Ok(took) => (State::Good, format!("serves within {} ms, with nothing installed", took.as_millis())),
        Err(error) => (State::Bad, error),
    };
    Finding { state, what: "embedded", said }
}

fn fd_counts() -> Finding {
    let size = std::fs::metadata("/proc/self/fd").map(|metadata| metadata.len());
    let (state, said) = match size {
        Ok(0) => (State::Less, "this kernel is older than 6.2: counting FDs costs a directory listing".into()),
        Ok(_) => (State::Good, "/proc/PID/fd tells its size: counting costs the same at any number".into()),
        Err(error) => (State::Bad, format!("/proc/self/fd cannot be read: {error}")),
    };
    Finding { state, what: "FD counts", said }
}

fn cgroups() -> Finding {
    let tried = match Hierarchy::find() {
        None => Err("no cgroup file system is mounted".to_owned()),
        Some(hierarchy) => {
            let name = format!("doctor-{}", std::process::id());
            let made = hierarchy.create(&name, "arm", 64 << 20).map_err(|error| error.to_string());
            made.and_then(|cgroup| {
                let counts = cgroup.oom_kills().is_some();
                cgroup.remove().map_err(|error| error.to_string())?;
                Ok((hierarchy.version(), counts))
            })
        }
    };
    let (state, said) = match tried {
        Ok((version, true)) => (State::Good, format!("{version:?}: arms get memory limits, OOM kills are told apart")),
        Ok((version, false)) => {
            (State::Less, format!("{version:?}: arms get memory limits, but this kernel does not count OOM kills"))
        }
        Err(error) => {
            (State::Less, format!("arms run without memory limits, and an OOM kill looks like any SIGKILL: {error}"))
        }
    };
    Finding { state, what: "cgroup", said }
}

fn open_files() -> Finding {
    let hard = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    let enough = hard.is_none_or(|hard| hard >= 4_096);
    let said = hard.map_or_else(|| "no limit".to_owned(), |hard| format!("{hard} files may be open"));
    let (state, said) = if enough {
        (State::Good, said)
    } else {
        (
            State::Less,
            format!("{said}: a leaking arm of many containers may exhaust the sink; raise it with ulimit -Hn"),
        )
    };
    Finding { state, what: "open files", said }
}

fn inotify() -> Finding {
    let writable = rustix::fs::access(inotify_limit::SYSCTL, rustix::fs::Access::WRITE_OK).is_ok();
    let (state, said) = match inotify_limit::current() {
        None => (State::Less, "fs.inotify.max_user_instances cannot be read".into()),
        Some(limit) if writable => {
            (State::Good, format!("{limit} instances per user; raised for the time of a run that needs more"))
        }
        Some(limit) if limit >= 1_024 => (State::Good, format!("{limit} instances per user")),
        Some(limit) => (
            State::Less,
            format!(
                "{limit} instances per user, and it cannot be raised: leaked readers use them up, and the engine then polls: sudo sysctl fs.inotify.max_user_instances=1024"
            ),
        ),
    };
    Finding { state, what: "inotify", said }
}

fn socket_names() -> Finding {
    let (state, said) = match UnixSockets::read() {
        Ok(_) => (State::Good, "sock_diag tells whom a socket is connected to".into()),
        Err(error) => (State::Less, format!("leaked sockets cannot be named: sock_diag: {error}")),
    };
    Finding { state, what: "socket names", said }
}
