//! What runs in a container: `stats` and `top`. A workload is no process of its own, so there is one row, of the engine,
//! and of what it uses only the time that went into its lines is known; the rest is left out, as Docker leaves out what
//! it cannot read.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;
use hyper::StatusCode;
use hyper::body::Bytes;
use procfs::{CurrentSI, KernelStats};
use serde_json::{Value, json};

use super::answer::{self, Answer, ApiError};
use super::describe::NEVER;
use super::parameters::Parameters;
use crate::clock::unix_ns;
use crate::engine::embedded::container::Container;
use crate::engine::embedded::daemon::Daemon;
use crate::engine::embedded::lifecycle::Detail;
use crate::engine::embedded::log::stamp;

/// Distance of two readings, as Docker's.
const PERIOD: Duration = Duration::from_secs(1);

/// What a container has used up to a moment.
struct Usage {
    read: String,
    cpu_ns: u64,
    system_ns: Option<u64>,
}

/// `GET /containers/{id}/stats`: one reading, two a second apart, or one a second for ever.
pub(super) async fn stats(daemon: &Arc<Daemon>, reference: &str, parameters: &Parameters) -> Result<Answer, ApiError> {
    let streaming = !parameters.has("stream") || parameters.flag("stream");
    let (id, first) = {
        let mut table = daemon.table();
        let container = table.find(reference)?;
        (container.id.clone(), usage(container))
    };
    if streaming {
        let daemon = Arc::clone(daemon);
        let readings = stream::unfold(Some((daemon.faults.guard(), first)), move |standing| {
            let (daemon, id) = (Arc::clone(&daemon), id.clone());
            async move {
                let (mut guard, before) = standing?;
                if let Err(error) = guard.pass(tokio::time::sleep(PERIOD)).await {
                    return Some((Err(error), None));
                }
                // Once it was removed, there is nothing more to tell.
                let (reading, now) = reading(&daemon, &id, before.as_ref()).ok()?;
                Some((Ok::<_, io::Error>(Bytes::from(format!("{reading}\n"))), Some((guard, now))))
            }
        });
        return Ok(answer::with(StatusCode::OK, None, answer::streaming(readings)));
    }
    let before = if parameters.flag("one-shot") || first.is_none() {
        None
    } else {
        tokio::time::sleep(PERIOD).await;
        first
    };
    let (reading, _) = reading(daemon, &id, before.as_ref())?;
    Ok(answer::json_of(&reading))
}

fn usage(container: &Container) -> Option<Usage> {
    container.lifecycle.status().is_up().then(|| Usage {
        read: stamp::of(unix_ns()).to_string(),
        cpu_ns: container.printing_ns(),
        system_ns: system_ns(),
    })
}

/// Time that the machine's processors have spent, idle or not, nanoseconds; see proc_stat(5).
fn system_ns() -> Option<u64> {
    let total = KernelStats::current().ok()?.total;
    let ticks = total.user
        + total.nice
        + total.system
        + total.idle
        + total.iowait.unwrap_or(0)
        + total.irq.unwrap_or(0)
        + total.softirq.unwrap_or(0)
        + total.steal.unwrap_or(0);
    Some(ticks * (1_000_000_000 / procfs::ticks_per_second().max(1)))
}

fn reading(daemon: &Daemon, id: &str, before: Option<&Usage>) -> Result<(Value, Option<Usage>), ApiError> {
    let mut table = daemon.table();
    let container = table.find(id)?;
    let now = usage(container);
    let time = |usage: Option<&Usage>| usage.map_or(NEVER.to_owned(), |usage| usage.read.clone());
    let value = json!({
        "read": time(now.as_ref()),
        "preread": time(before),
        "pids_stats": if now.is_some() { json!({ "current": 1 }) } else { json!({}) },
        "blkio_stats": {
            "io_service_bytes_recursive": null, "io_serviced_recursive": null, "io_queue_recursive": null,
            "io_service_time_recursive": null, "io_wait_time_recursive": null, "io_merged_recursive": null,
            "io_time_recursive": null, "sectors_recursive": null,
        },
        "num_procs": 0,
        "storage_stats": {},
        "cpu_stats": cpu(now.as_ref()),
        "precpu_stats": cpu(before),
        "memory_stats": if now.is_some() { memory(container) } else { json!({}) },
        "name": format!("/{}", container.name),
        "id": container.id,
    });
    Ok((value, now))
}

/// It has none of its own; clients take the keys for granted all the same.
fn memory(container: &Container) -> Value {
    let of_machine = || {
        let system = rustix::system::sysinfo();
        u64::from(system.mem_unit) * system.totalram as u64
    };
    let limit = container.host_config.get("Memory").and_then(Value::as_u64).filter(|limit| *limit > 0);
    json!({ "usage": 0, "max_usage": 0, "limit": limit.unwrap_or_else(of_machine), "stats": { "cache": 0, "rss": 0 } })
}

fn cpu(usage: Option<&Usage>) -> Value {
    let throttling = json!({ "periods": 0, "throttled_periods": 0, "throttled_time": 0 });
    let Some(usage) = usage else {
        return json!({
            "cpu_usage": { "total_usage": 0, "usage_in_kernelmode": 0, "usage_in_usermode": 0 },
            "throttling_data": throttling,
        });
    };
    // One thread prints for all: its time is counted to the first processor.
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut of_each = vec![0; processors];
    of_each[0] = usage.cpu_ns;
    let mut cpu = json!({
        "cpu_usage": {
            "total_usage": usage.cpu_ns, "percpu_usage": of_each, "usage_in_kernelmode": 0,
            "usage_in_usermode": usage.cpu_ns,
        },
        "online_cpus": processors,
        "throttling_data": throttling,
    });
    if let Some(system_ns) = usage.system_ns {
        cpu["system_cpu_usage"] = json!(system_ns);
    }
    cpu
}

/// `GET /containers/{id}/top`
pub(super) fn top(daemon: &Daemon, reference: &str, parameters: &Parameters) -> Result<Answer, ApiError> {
    let arguments = parameters.get("ps_args");
    if !matches!(arguments.trim(), "" | "-ef") {
        return Err(ApiError::unsupported(format!(
            "the processes of a container as by `ps {arguments}`; there is -ef"
        )));
    }
    let mut table = daemon.table();
    let container = table.find(reference)?;
    if !container.lifecycle.status().is_up() {
        return Err(ApiError::conflict(format!("Container {} is not running", container.id)));
    }
    daemon.tell(container, "top", Detail::None);
    let started = container.lifecycle.started_ns().map_or(String::new(), |ns| stamp::of(ns).to_string());
    // 2026-11-24T11:26:15Z: hours and minutes.
    let started = started.get(11..16).unwrap_or_default();
    let seconds = Duration::from_nanos(container.printing_ns()).as_secs();
    let used = format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let parent = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
    Ok(answer::json_of(&json!({
        "Titles": ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"],
        "Processes": [[
            rustix::process::geteuid().as_raw().to_string(), std::process::id().to_string(), parent.to_string(), "0",
            started, "?", used, container.command.join(" "),
        ]],
    })))
}
