//! One process read through /proc: its counts, at a price that does not grow with them.
//!
//! | reading | source | microseconds (at 50 / 19,000 FDs / 1,000 threads) |
//! | --- | --- | --- |
//! | FDs | `st_size` of /proc/PID/fd, Linux 6.2 and later (readdir before that) | 1.5 |
//! | threads | `st_nlink - 2` of /proc/PID/task | 1.5 |
//! | RSS | /proc/PID/statm, kept open | 1.3 |
//! | CPU | /proc/PID/stat, kept open; the kernel sums over the threads | 4, 25 with 1,000 threads |
//! | context switches | third field of /proc/TID/schedstat, kept open | 1 |
//!
//! So CPU and context switches, which cost a walk over the threads, are read at every tick only of a process with few
//! of them (CPU: [`FEW_THREADS`]; context switches: one), and of others at checkpoints ([`Depth::Full`]). CPU is a sum
//! since the process started, so nothing is lost between; context switches of threads that have ended go with them.
//! Sources: proc_pid_fd(5), proc_pid_stat(5), proc_pid_statm(5), Documentation/scheduler/sched-stats.rst.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;

use procfs::process::Process;

/// Up to this many threads, CPU time is read at every tick.
pub const FEW_THREADS: u64 = 64;

/// How much is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// What costs the same whatever the process holds.
    Tick,
    /// Also what costs a walk over the threads.
    Full,
}

/// What was read; `None`: not known, see [`Reading::missing`].
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Reading {
    /// Open file descriptors.
    pub fds: Option<u64>,
    /// Threads.
    pub threads: Option<u64>,
    /// Resident set, bytes.
    pub rss_bytes: Option<u64>,
    /// User CPU since the process started, seconds.
    pub cpu_user_s: Option<f64>,
    /// Kernel CPU since the process started, seconds.
    pub cpu_sys_s: Option<f64>,
    /// Context switches since the process started.
    pub ctx_switches: Option<u64>,
}

impl Reading {
    /// Why something of it is not known; empty where nothing is.
    #[must_use]
    pub fn missing(&self) -> String {
        let parts = [
            (self.fds.is_none(), "fds: /proc/PID/fd cannot be read"),
            (self.cpu_user_s.is_none(), "cpu: many threads, read at checkpoints"),
            (self.ctx_switches.is_none(), "ctx_switches: several threads, read at checkpoints"),
        ];
        parts.into_iter().filter(|(missing, _)| *missing).map(|(_, why)| why).collect::<Vec<_>>().join("; ")
    }
}

/// A process, held by open files, so that another that gets its number is never taken for it.
#[derive(Debug)]
pub struct ProcessReader {
    process: Process,
    task_dir: PathBuf,
    stat: File,
    statm: File,
    /// Absent on a kernel without `CONFIG_SCHED_INFO`.
    schedstat: Option<File>,
    page_bytes: u64,
    ticks_per_second: f64,
}

impl ProcessReader {
    /// Opens process `pid`.
    ///
    /// # Errors
    /// There is no such process, or /proc hides it (mount option `hidepid`).
    pub fn open(pid: u32) -> io::Result<Self> {
        let process =
            i32::try_from(pid).map_err(io::Error::other).and_then(|pid| Process::new(pid).map_err(io::Error::other))?;
        let dir = PathBuf::from(format!("/proc/{pid}"));
        Ok(Self {
            process,
            stat: File::open(dir.join("stat"))?,
            statm: File::open(dir.join("statm"))?,
            schedstat: File::open(dir.join("schedstat")).ok(),
            task_dir: dir.join("task"),
            page_bytes: rustix::param::page_size() as u64,
            ticks_per_second: rustix::param::clock_ticks_per_second() as f64,
        })
    }

    /// Reads its counts.
    ///
    /// # Errors
    /// The process is gone, or about to be.
    pub fn read(&self, depth: Depth) -> io::Result<Reading> {
        let rss_bytes = self.rss_bytes()?;
        let threads = fs::metadata(&self.task_dir)?.nlink().saturating_sub(2);
        let fds = self.process.fd_count().ok().map(|count| count as u64);
        let cpu = if depth == Depth::Full || threads <= FEW_THREADS { self.cpu_s()? } else { None };
        Ok(Reading {
            fds,
            threads: Some(threads),
            rss_bytes: Some(rss_bytes),
            cpu_user_s: cpu.map(|(user, _)| user),
            cpu_sys_s: cpu.map(|(_, sys)| sys),
            ctx_switches: match (threads, depth) {
                (1, _) => self.schedstat.as_ref().and_then(timeslices),
                (_, Depth::Full) => self.ctx_switches_of_all_threads(),
                (_, Depth::Tick) => None,
            },
        })
    }

    /// The process, for reading the links of its descriptors.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    fn rss_bytes(&self) -> io::Result<u64> {
        let mut buffer = [0; 128];
        let pages = field(read_at_start(&self.statm, &mut buffer)?, 1).and_then(|field| field.parse::<u64>().ok());
        match pages {
            // A zombie still has its number, and no memory.
            None | Some(0) => Err(io::Error::from(io::ErrorKind::NotFound)),
            Some(pages) => Ok(pages * self.page_bytes),
        }
    }

    fn cpu_s(&self) -> io::Result<Option<(f64, f64)>> {
        let mut buffer = [0; 1024];
        let text = read_at_start(&self.stat, &mut buffer)?;
        // The command name, in parentheses, may hold anything: what counts begins after the last of them.
        let Some((_, rest)) = text.rsplit_once(')') else { return Ok(None) };
        let seconds = |index| {
            field(rest, index).and_then(|field| field.parse::<f64>().ok()).map(|ticks| ticks / self.ticks_per_second)
        };
        Ok(seconds(11).zip(seconds(12)))
    }

    fn ctx_switches_of_all_threads(&self) -> Option<u64> {
        let mut sum = 0;
        for entry in fs::read_dir(&self.task_dir).ok()? {
            // A thread that ends between the listing and the reading takes its switches with it.
            if let Ok(file) = File::open(entry.ok()?.path().join("schedstat")) {
                sum += timeslices(&file).unwrap_or(0);
            }
        }
        Some(sum)
    }
}

/// How often a thread was given a processor: the third field of its `schedstat`.
fn timeslices(schedstat: &File) -> Option<u64> {
    let mut buffer = [0; 128];
    field(read_at_start(schedstat, &mut buffer).ok()?, 2)?.parse().ok()
}

fn read_at_start<'a>(file: &File, buffer: &'a mut [u8]) -> io::Result<&'a str> {
    let length = file.read_at(buffer, 0)?;
    Ok(std::str::from_utf8(&buffer[..length]).unwrap_or_default())
}

fn field(text: &str, index: usize) -> Option<&str> {
    text.split_ascii_whitespace().nth(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_what_this_process_opens() {
        let reader = ProcessReader::open(std::process::id()).unwrap();
        let before = reader.read(Depth::Tick).unwrap();
        let held: Vec<_> = (0..200).map(|_| File::open("/dev/null").unwrap()).collect();
        let after = reader.read(Depth::Tick).unwrap();
        // Other tests of this process open files meanwhile: at least these are there.
        assert!(
            after.fds.unwrap() >= before.fds.unwrap().saturating_sub(50) + held.len() as u64,
            "{before:?} {after:?}"
        );
        assert!(after.rss_bytes.unwrap() > 100_000 && after.threads.unwrap() >= 1);
    }

    #[test]
    fn cpu_and_switches_are_sums_that_grow() {
        let reader = ProcessReader::open(std::process::id()).unwrap();
        let first = reader.read(Depth::Full).unwrap();
        let mut sink = 0_u64;
        while reader.cpu_s().unwrap().unwrap().0 <= first.cpu_user_s.unwrap() {
            sink = std::hint::black_box(sink.wrapping_add(1));
        }
        assert!(first.ctx_switches.unwrap() > 0);
    }

    #[test]
    fn a_process_that_is_gone_is_an_error_and_not_a_zero() {
        let mut child = std::process::Command::new("/proc/self/exe")
            .arg("--list")
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let opened = ProcessReader::open(child.id());
        child.wait().unwrap();
        if let Ok(reader) = opened {
            assert!(reader.read(Depth::Tick).is_err());
        }
        assert!(ProcessReader::open(child.id()).is_err());
    }
}
