//! Where growth comes from: groups of open descriptors, and lines that spawned tasks, counted at two checkpoints.
//!
//! The groups are ranked by how much they grew, each with its rate and its share of all that grew. Targets that differ
//! only in the ids of containers are one group: a leak of logs is one finding, not one for each container.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::growth::{Metric, Window};
use crate::record::Recording;
use crate::words::{fold_ids, short_ids};

/// One group of one subject that holds more at the end than at the beginning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupGrowth {
    /// Arm name, `engine` or `harness`.
    pub subject: String,
    /// Descriptors or tasks.
    pub metric: Metric,
    /// Of descriptors `socket`, `file`, ...; of tasks `task`.
    pub kind: String,
    /// Peer path, file path, or empty; of tasks the line that spawned them. `*` stands for the ids of several containers.
    pub target: String,
    /// At the first checkpoint after warm-up, or the first there is.
    pub first: u64,
    /// At the subject's last checkpoint.
    pub last: u64,
    /// Growth per minute between the two; `None` where their times are not known.
    pub per_min: Option<f64>,
    /// Its part of everything of this kind of thing that grew, in percent.
    pub share_pct: f64,
}

impl GroupGrowth {
    /// The groups of a subject's descriptors, then of its tasks, that grew, most first. `window` is what is judged of it.
    #[must_use]
    pub fn all_of(recording: &Recording, window: &Window<'_>, subject: &str) -> Vec<Self> {
        let fds = recording.fd_groups.iter().filter(|group| group.subject == subject);
        let fds = fds.map(|group| Counted {
            checkpoint: group.checkpoint,
            kind: &group.kind,
            target: &group.target,
            count: group.count,
        });
        let tasks = recording.task_groups.iter().filter(|group| group.arm == subject);
        let tasks = tasks.map(|group| Counted {
            checkpoint: group.checkpoint,
            kind: "task",
            target: &group.spawn_site,
            count: group.count,
        });
        let times = times(recording);
        let grown = |metric, counted: Vec<Counted<'_>>| {
            let from_s = window.points(metric).first().map_or(f64::NEG_INFINITY, |(time, _)| *time);
            grown(subject, metric, &counted, &times, from_s)
        };
        let mut all = grown(Metric::Fds, fds.collect());
        all.extend(grown(Metric::Tasks, tasks.collect()));
        all
    }
}

/// A row of `fd_groups.csv` or `task_groups.csv`.
struct Counted<'a> {
    checkpoint: u32,
    kind: &'a str,
    target: &'a str,
    count: u64,
}

/// When each checkpoint was taken; its rows are the arms', its groups everybody's.
fn times(recording: &Recording) -> BTreeMap<u32, f64> {
    recording.checkpoints.iter().map(|row| (row.checkpoint, row.elapsed_s)).collect()
}

fn grown(
    subject: &str,
    metric: Metric,
    counted: &[Counted<'_>],
    times: &BTreeMap<u32, f64>,
    from_s: f64,
) -> Vec<GroupGrowth> {
    let numbers = || counted.iter().map(|group| group.checkpoint);
    let is_warm = |number: &u32| times.get(number).is_some_and(|at_s| *at_s >= from_s);
    let Some(last) = numbers().max() else { return Vec::new() };
    let Some(first) = numbers().filter(is_warm).min().filter(|warm| *warm < last).or(numbers().min()) else {
        return Vec::new();
    };
    let (before, after) = (at(counted, first), at(counted, last));
    let minutes = times.get(&first).zip(times.get(&last)).map(|(first_s, last_s)| (last_s - first_s) / 60.0);
    let mut grown: Vec<GroupGrowth> = after
        .into_iter()
        .map(|((kind, target), group)| {
            // A subject that was read at a checkpoint and had none of a group then, had 0.
            let first = before.get(&(kind, target.clone())).map_or(0, |group| group.count);
            GroupGrowth {
                subject: subject.to_owned(),
                metric,
                kind: kind.to_owned(),
                target: group.only.map_or(target, short_ids),
                first,
                last: group.count,
                per_min: minutes
                    .filter(|minutes| *minutes > 0.0)
                    .map(|minutes| (group.count as f64 - first as f64) / minutes),
                share_pct: 0.0,
            }
        })
        .filter(|group| group.last > group.first)
        .collect();
    let all: u64 = grown.iter().map(|group| group.last - group.first).sum();
    for group in &mut grown {
        group.share_pct = (group.last - group.first) as f64 / all as f64 * 100.0;
    }
    grown.sort_by_key(|group| std::cmp::Reverse(group.last - group.first));
    grown
}

/// Rows whose targets differ in ids only.
struct Folded<'a> {
    count: u64,
    /// The target of all of them; `None`: they have several.
    only: Option<&'a str>,
}

fn at<'a>(counted: &[Counted<'a>], checkpoint: u32) -> BTreeMap<(&'a str, String), Folded<'a>> {
    let mut groups = BTreeMap::<_, Folded<'_>>::new();
    for group in counted.iter().filter(|group| group.checkpoint == checkpoint) {
        let folded =
            groups.entry((group.kind, fold_ids(group.target))).or_insert(Folded { count: 0, only: Some(group.target) });
        folded.count += group.count;
        folded.only = folded.only.filter(|target| *target == group.target);
    }
    groups
}
