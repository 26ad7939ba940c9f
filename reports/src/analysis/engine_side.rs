//! What a client leaves open, its engine holds open too: whether the engine's growth is what the arms left behind.
//!
//! Only connections can be matched: the engine's end of one has the same path as the arm's. Where as many of them grew on both sides,
//! what else grew in the engine is given per connection: the descriptors and goroutines that one follow costs it.
//! Counts are all there is to go by, so with several arms this is a match, not a proof, and its words say so.

use serde::{Deserialize, Serialize};

use super::attribution::GroupGrowth;
use super::growth::Metric;
use super::reading::Growth;

/// Both sides count the same if they differ by no more than this share; checkpoints see connections on their way.
const SAME_WITHIN: f64 = 0.1;
/// An arm with a smaller share of what the arms left open is not named.
const NAMED_FROM: f64 = 0.05;
/// Connections per minute that are too few to match with anything.
const TOO_FEW_PER_MIN: f64 = 0.5;

/// How the engine's growth goes with what the arms left open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EngineSide {
    /// Arms whose open connections to the engine grew, most first.
    pub arms: Vec<ArmConnections>,
    /// Growth of the connections that the engine holds.
    pub connections_per_min: f64,
    /// As many grew on both sides.
    pub matches: bool,
    /// What the engine holds for each, where they match.
    pub held_per_connection: Option<Held>,
}

/// One arm's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ArmConnections {
    /// Its name.
    pub arm: String,
    /// Growth of its connections to the engine.
    pub per_min: f64,
}

/// What an engine holds for one connection that was left open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// Descriptors of all kinds.
    pub fds: f64,
    /// The same by kind: `socket`, `inotify`, `file`, ...
    pub by_kind: Vec<(String, f64)>,
    /// Goroutines, where the engine counts them.
    pub tasks: Option<f64>,
}

impl EngineSide {
    /// From what grew of each arm and of the engine, its goroutines among it; `None`: nothing did that both sides hold.
    #[must_use]
    pub fn of(grown: &[GroupGrowth], arms: &[&str], goroutines: Option<&Growth>) -> Option<Self> {
        let sockets = |subject: &str| {
            let subject = subject.to_owned();
            grown.iter().filter(move |group| {
                group.subject == subject
                    && group.kind == "socket"
                    && !group.target.is_empty()
                    && group.per_min.is_some()
            })
        };
        let per_min = |group: &GroupGrowth| group.per_min.unwrap_or(0.0);
        let ours = sockets("engine").find(|ours| {
            per_min(ours) >= TOO_FEW_PER_MIN
                && arms.iter().any(|arm| sockets(arm).any(|theirs| theirs.target == ours.target))
        })?;
        let connections_per_min = per_min(ours);
        let mut arms: Vec<ArmConnections> = arms
            .iter()
            .filter_map(|arm| {
                let theirs = sockets(arm).find(|theirs| theirs.target == ours.target)?;
                Some(ArmConnections { arm: (*arm).to_owned(), per_min: per_min(theirs) })
            })
            .collect();
        arms.sort_by(|a, b| b.per_min.total_cmp(&a.per_min));
        let all: f64 = arms.iter().map(|arm| arm.per_min).sum();
        arms.retain(|arm| arm.per_min >= all * NAMED_FROM);
        let left: f64 = arms.iter().map(|arm| arm.per_min).sum();
        let matches = (left - connections_per_min).abs() <= SAME_WITHIN * left;
        let held = || {
            let fds = grown.iter().filter(|group| group.subject == "engine" && group.metric == Metric::Fds);
            let mut by_kind = Vec::<(String, f64)>::new();
            for group in fds {
                let each = per_min(group) / connections_per_min;
                match by_kind.iter_mut().find(|(kind, _)| *kind == group.kind) {
                    Some((_, sum)) => *sum += each,
                    None => by_kind.push((group.kind.clone(), each)),
                }
            }
            // What grew a little beside it is not held for each of them.
            by_kind.retain(|(_, each)| *each >= SAME_WITHIN);
            // Asked for so rarely that a short run has no trend of them.
            let tasks =
                goroutines.and_then(|growth| growth.steady.map(|steady| steady.per_min).or(growth.cumulative_per_min));
            Held {
                fds: by_kind.iter().map(|(_, each)| each).sum(),
                by_kind,
                tasks: tasks.map(|tasks| tasks / connections_per_min),
            }
        };
        Some(Self { arms, connections_per_min, matches, held_per_connection: matches.then(held) })
    }
}
