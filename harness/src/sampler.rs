//! The sampler: every subject, at every tick, through /proc.
//!
//! A reading that fails is a missing value with its reason. The sampler keeps four files open per subject and reads
//! nothing that grows with what the subject holds, but for [`Depth::Full`] and [`Sampler::fd_groups`], at checkpoints.

use std::collections::BTreeMap;

use crate::sampler::fd_groups::Group;
use crate::sampler::process::{Depth, ProcessReader, Reading};
use crate::sampler::unix_sockets::UnixSockets;

pub mod fd_groups;
pub mod process;
pub mod unix_sockets;

/// The name under which the engine's daemon is sampled.
pub const ENGINE: &str = "engine";
/// The name under which the harness samples itself.
pub const HARNESS: &str = "harness";

/// Reads every subject's process.
#[derive(Debug, Default)]
pub struct Sampler {
    subjects: BTreeMap<String, Result<ProcessReader, String>>,
}

impl Sampler {
    /// From now on, `subject` is the process `pid`.
    pub fn attach(&mut self, subject: &str, pid: u32) {
        let reader = ProcessReader::open(pid).map_err(|error| format!("process {pid}: {error}"));
        self.subjects.insert(subject.to_owned(), reader);
    }

    /// From now on, `subject` has no process, for this reason.
    pub fn detach(&mut self, subject: &str, reason: &str) {
        self.subjects.insert(subject.to_owned(), Err(reason.to_owned()));
    }

    /// One reading of each subject, or the reason why there is none.
    pub fn read(&self, depth: Depth) -> impl Iterator<Item = (&str, Result<Reading, String>)> {
        self.subjects.iter().map(move |(name, reader)| {
            let reading = match reader {
                Ok(reader) => reader.read(depth).map_err(|error| format!("process gone: {error}")),
                Err(reason) => Err(reason.clone()),
            };
            (name.as_str(), reading)
        })
    }

    /// What each subject holds open, and warnings of those whose links cannot be read.
    #[must_use]
    pub fn fd_groups(&self) -> (Vec<(String, Group, u64)>, Vec<String>) {
        let mut warnings = Vec::new();
        let sockets = UnixSockets::read().unwrap_or_else(|error| {
            warnings.push(format!("sockets have no names: sock_diag: {error}"));
            UnixSockets::default()
        });
        let mut rows = Vec::new();
        for (subject, reader) in
            self.subjects.iter().filter_map(|(subject, reader)| Some((subject, reader.as_ref().ok()?)))
        {
            match fd_groups::read(reader.process(), &sockets) {
                Ok(groups) => rows.extend(groups.into_iter().map(|(group, count)| (subject.clone(), group, count))),
                Err(error) => warnings.push(format!("{subject}: what its FDs are cannot be read: {error}")),
            }
        }
        (rows, warnings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_without_a_process_has_a_reason_and_no_zero() {
        let mut sampler = Sampler::default();
        sampler.attach("here", std::process::id());
        sampler.attach("never", u32::MAX);
        sampler.detach("gone", "exited: code 1");
        let readings: BTreeMap<_, _> = sampler.read(Depth::Tick).collect();
        assert!(readings["here"].is_ok());
        assert!(readings["never"].as_ref().unwrap_err().contains("4294967295"));
        assert_eq!(readings["gone"], Err("exited: code 1".into()));
    }
}
