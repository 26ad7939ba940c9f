//! Whose a run is, and whether it still lives.
//!
//! A run's id names the process that owns it by PID and start time, so that whoever finds something labelled with it
//! (a container, a socket directory, a cgroup) can tell without any registry whether its run is dead. Only what
//! belongs to a dead run of this machine is ever removed unasked.

use std::fmt;
use std::fs;
use std::str::FromStr;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use crate::clock::unix_ms;

/// The id of a run: `r<unix seconds, hex>-<pid>-<start time of the pid, clock ticks after boot>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunId {
    unix_s: u64,
    pid: u32,
    start_ticks: u64,
}

impl RunId {
    /// The id of a run that this process begins now.
    ///
    /// # Errors
    /// /proc cannot be read.
    pub fn of_this_process() -> std::io::Result<Self> {
        let pid = std::process::id();
        let start_ticks = start_ticks(pid)
            .ok_or_else(|| std::io::Error::other(format!("/proc/{pid}/stat cannot be read: is /proc mounted?")))?;
        Ok(Self { unix_s: unix_ms() / 1_000, pid, start_ticks })
    }

    /// The id of one turn of this run, told from those of its other turns and from its own.
    #[must_use]
    pub fn of_turn(&self, turn: u32) -> Self {
        Self { unix_s: self.unix_s + 1 + u64::from(turn), ..self.clone() }
    }

    /// Whether the process that owns the run still lives. One that cannot be looked at (another user's, under `hidepid`)
    /// is taken to live: what is its own is left alone.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        match start_ticks(self.pid) {
            Some(start_ticks) => start_ticks == self.start_ticks,
            None => i32::try_from(self.pid).ok().and_then(Pid::from_raw).is_some_and(exists_unseen),
        }
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "r{:x}-{}-{}", self.unix_s, self.pid, self.start_ticks)
    }
}

/// The text is not the id of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the id of a leaksoak run")]
pub struct NotARunId;

impl FromStr for RunId {
    type Err = NotARunId;

    fn from_str(text: &str) -> Result<Self, NotARunId> {
        let mut parts = text.strip_prefix('r').ok_or(NotARunId)?.splitn(3, '-');
        let mut part = || parts.next().ok_or(NotARunId);
        let id = Self {
            unix_s: u64::from_str_radix(part()?, 16).map_err(|_| NotARunId)?,
            pid: part()?.parse().map_err(|_| NotARunId)?,
            start_ticks: part()?.parse().map_err(|_| NotARunId)?,
        };
        Ok(id)
    }
}

/// This machine and PID namespace, as containers of its runs are labelled: an engine may hold those of others, whose
/// processes cannot be seen from here.
#[must_use]
pub fn machine() -> String {
    let namespace =
        fs::read_link("/proc/self/ns/pid").map(|link| link.to_string_lossy().into_owned()).unwrap_or_default();
    let read = |path| fs::read_to_string(path).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let machine =
        read("/etc/machine-id").or_else(|| read("/proc/sys/kernel/hostname")).unwrap_or_else(|| "unknown".into());
    format!("{machine}/{namespace}")
}

/// Whether there is a process of that number whose /proc entry was not to be read. A zombie, which can be read, is none.
fn exists_unseen(pid: Pid) -> bool {
    let readable = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).is_ok();
    !readable && test_kill_process(pid) != Err(Errno::SRCH)
}

/// Field 22 of /proc/PID/stat, see proc_pid_stat(5).
fn start_ticks(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    // A zombie owns nothing any more.
    let state = fields.next()?;
    (state != "Z").then(|| fields.nth(18)?.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_lives_and_its_id_reads_back() {
        let id = RunId::of_this_process().unwrap();
        assert!(id.is_alive());
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn another_process_with_the_same_number_is_not_the_owner() {
        let mut id = RunId::of_this_process().unwrap();
        id.start_ticks += 1;
        assert!(!id.is_alive());
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in ["", "r", "r1-2", "x1-2-3", "r1-2-3-4", "rz-2-3", "r1--3", "r1-2-"] {
            assert_eq!(text.parse::<RunId>(), Err(NotARunId), "{text}");
        }
    }
}
