//! Which open descriptors grew: the same kind and target, counted at two checkpoints.

use std::collections::BTreeMap;

use super::timeline::Timeline;
use crate::record::Recording;

/// One group of descriptors of one subject that holds more at the end than at the beginning.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupGrowth {
    /// Arm name, `engine` or `harness`.
    pub subject: String,
    /// `socket`, `file`, ...
    pub kind: String,
    /// Peer path, file path, or empty.
    pub target: String,
    /// At the first checkpoint after warm-up, or the first there is.
    pub first: u64,
    /// At the subject's last checkpoint.
    pub last: u64,
    /// Growth per minute between the two; `None` where their times are not known.
    pub per_min: Option<f64>,
}

impl GroupGrowth {
    /// The groups of a subject that grew, most first.
    #[must_use]
    pub fn all_of(recording: &Recording, timeline: &Timeline, subject: &str) -> Vec<Self> {
        let mut checkpoints: BTreeMap<u32, BTreeMap<(&str, &str), u64>> = BTreeMap::new();
        for group in recording.fd_groups.iter().filter(|group| group.subject == subject) {
            let groups = checkpoints.entry(group.checkpoint).or_default();
            *groups.entry((&group.kind, &group.target)).or_default() += group.count;
        }
        let time = |checkpoint: u32| time_of(recording, checkpoint);
        let warm = checkpoints.keys().find(|&&number| time(number).is_some_and(|at_s| at_s >= timeline.warmup_end_s));
        let Some((&last, at_last)) = checkpoints.last_key_value() else { return Vec::new() };
        let Some(&first) = warm.filter(|&&warm| warm < last).or(checkpoints.keys().next()) else { return Vec::new() };
        let minutes = time(first).zip(time(last)).map(|(first_s, last_s)| (last_s - first_s) / 60.0);
        let mut grown: Vec<Self> = at_last
            .iter()
            .map(|(&(kind, target), &count)| {
                // A subject that was read at a checkpoint and had none of a group then, had 0.
                let before = checkpoints[&first].get(&(kind, target)).copied().unwrap_or(0);
                Self {
                    subject: subject.to_owned(),
                    kind: kind.to_owned(),
                    target: target.to_owned(),
                    first: before,
                    last: count,
                    per_min: minutes
                        .filter(|minutes| *minutes > 0.0)
                        .map(|minutes| (count as f64 - before as f64) / minutes),
                }
            })
            .filter(|group| group.last > group.first)
            .collect();
        grown.sort_by_key(|group| std::cmp::Reverse(group.last - group.first));
        grown
    }
}

/// When a checkpoint was taken; its rows are the arms', its groups everybody's.
fn time_of(recording: &Recording, checkpoint: u32) -> Option<f64> {
    recording.checkpoints.iter().find(|row| row.checkpoint == checkpoint).map(|row| row.elapsed_s)
}
