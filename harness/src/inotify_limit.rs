//! The limit that naive arms run a local engine into: `fs.inotify.max_user_instances`.
//!
//! A followed json-file log costs dockerd one inotify instance, and 128 are allowed per user by default. An arm that
//! leaks followers uses them up within minutes; dockerd then falls back to polling for every other arm's followers, and
//! a `hybrid` arm of the same user that starts then gets none at all. So that one arm's leak is not another's latency,
//! the limit is raised for the time of the run where that is permitted, and put back afterwards; where it is not, the
//! run says what follows. Source: inotify(7); what dockerd does is in docs/runbook.md.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use leaksoak_scenarios::{Protection, Scenario, Strategy};

/// The limit.
pub const SYSCTL: &str = "/proc/sys/fs/inotify/max_user_instances";
/// Left beside the run's sockets while the limit is raised: what to put back.
const RESTORE_FILE: &str = "inotify-max-user-instances";
/// Instances that others of the same user may need meanwhile.
const HEADROOM: u64 = 128;

/// The limit now; `None`: unknown.
#[must_use]
pub fn current() -> Option<u64> {
    fs::read_to_string(SYSCTL).ok()?.trim().parse().ok()
}

/// Instances that the engine and the arms may come to hold in a run of `scenario`.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a few thousand at the most, and never below zero"
)]
pub fn needed(scenario: &Scenario) -> u64 {
    let containers = u64::from(scenario.container_count());
    let held = |arm: &leaksoak_scenarios::Arm| {
        let rotations = arm
            .strategy
            .rotate_every()
            .map_or(0.0, |every| scenario.duration.as_duration().as_secs_f64() / every.as_duration().as_secs_f64());
        let leaked = (rotations.ceil() as u64).saturating_mul(containers).min(arm.nofile);
        match arm.strategy {
            Strategy::Naive { .. } => leaked + containers,
            Strategy::Hybrid { ref without, .. } if without.contains(&Protection::ClosedWatchers) => {
                leaked + containers
            }
            // While a stream is replaced there are two.
            Strategy::Pooled { .. } => 2 * containers,
            Strategy::Hybrid { ref without, .. } if without.is_empty() => 2,
            Strategy::Hybrid { .. } | Strategy::Program { .. } => containers,
            Strategy::Idle => 0,
        }
    };
    scenario.arms.iter().map(held).sum::<u64>() + HEADROOM
}

/// A limit that this run holds raised. [`restore`](Self::restore) lets go of it.
#[derive(Debug)]
pub struct Raised {
    /// What it was before any run that still lives raised it.
    pub before: u64,
    /// What it is.
    pub now: u64,
    state_dir: PathBuf,
}

/// Raises the limit to `needed`, if it is lower; remembers in `state_dir` what it was, for [`restore_left`]. A limit that
/// another run that lives has raised is held with it.
///
/// # Errors
/// Not permitted.
pub fn raise(needed: u64, state_dir: &Path) -> io::Result<Option<Raised>> {
    let Some(limit) = current() else { return Ok(None) };
    let before = held_by_others(state_dir).into_iter().chain([limit]).min().unwrap_or(limit);
    if before >= needed {
        return Ok(None);
    }
    fs::write(state_dir.join(RESTORE_FILE), before.to_string())?;
    let now = limit.max(needed);
    if now > limit {
        fs::write(SYSCTL, now.to_string())?;
    }
    Ok(Some(Raised { before, now, state_dir: state_dir.to_owned() }))
}

impl Raised {
    /// Puts the limit back, unless another run that lives needs it, or someone has lowered it meanwhile.
    ///
    /// # Errors
    /// Not permitted any more.
    pub fn restore(&self) -> io::Result<()> {
        let wanted_by_others = !held_by_others(&self.state_dir).is_empty();
        if wanted_by_others || current().is_some_and(|limit| limit < self.now) {
            return Ok(());
        }
        fs::write(SYSCTL, self.before.to_string())
    }
}

/// Puts back what a killed run left raised, as its `state_dir` says.
///
/// # Errors
/// Not permitted.
pub fn restore_left(state_dir: &Path) -> io::Result<()> {
    match (value_in(state_dir), current()) {
        (Some(before), Some(now)) if before < now => Raised { before, now, state_dir: state_dir.to_owned() }.restore(),
        _ => Ok(()),
    }
}

/// What the limit was, as other runs that live remember it.
fn held_by_others(state_dir: &Path) -> Vec<u64> {
    let runs = crate::leftovers::scratch_dirs().unwrap_or_default();
    runs.iter()
        .filter(|(run, path)| run.is_alive() && path != state_dir)
        .filter_map(|(_, path)| value_in(path))
        .collect()
}

fn value_in(state_dir: &Path) -> Option<u64> {
    fs::read_to_string(state_dir.join(RESTORE_FILE)).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use leaksoak_scenarios::{Overrides, load};

    #[test]
    fn the_thirty_minute_soak_needs_an_instance_for_every_reader_that_naive_leaks() {
        let scenario = load("soak-30m", &Overrides { arms: vec!["naive".into()], ..Overrides::default() }).unwrap();
        assert_eq!(needed(&scenario), 8 * 60 + 8 + HEADROOM);
    }
}
