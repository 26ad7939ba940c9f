//! Facts of this machine, for the report and for `doctor`.

use std::fs;

use leaksoak_reports::record::run_info::HostInfo;

use crate::arm::cgroup::{Hierarchy, Version};
use crate::inotify_limit;

/// What this machine is.
#[must_use]
pub fn facts() -> HostInfo {
    HostInfo {
        kernel: fs::read_to_string("/proc/sys/kernel/osrelease")
            .map_or_else(|_| "unknown".into(), |text| text.trim().to_owned()),
        cpus: std::thread::available_parallelism().map_or(1, |cpus| u32::try_from(cpus.get()).unwrap_or(u32::MAX)),
        memory_bytes: memory_bytes().unwrap_or(0),
        cgroup: match Hierarchy::find().map(|hierarchy| hierarchy.version()) {
            Some(Version::V1) => "1".into(),
            Some(Version::V2) => "2".into(),
            None => "none".into(),
        },
        inotify_max_user_instances: inotify_limit::current(),
        threads_max: fs::read_to_string("/proc/sys/kernel/threads-max").ok().and_then(|text| text.trim().parse().ok()),
    }
}

fn memory_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let kib: u64 =
        text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?.split_ascii_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}
