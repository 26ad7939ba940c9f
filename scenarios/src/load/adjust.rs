//! What the command line changes in a scenario as a whole: its times, its arms, its number of containers.

use crate::error::{ScenarioError, nearest};
use crate::raw::{MAX_CONTAINERS, RawScenario};
use crate::scenario::Scenario;
use crate::units::Span;

/// Shrinks warm-up and checkpoint distance with a run that was made shorter, where they would take up over half of it.
pub(super) fn fit_times(raw: &mut RawScenario, before: Span, warmup_is_fixed: bool, checkpoint_is_fixed: bool) {
    let now = raw.duration;
    let fits = |span: Span| span.as_millis() <= now.as_millis() / 2;
    let all_fit = fits(raw.warmup) && raw.checkpoint_every.is_none_or(fits);
    if now >= before || all_fit {
        return;
    }
    if !warmup_is_fixed {
        raw.warmup = in_proportion(raw.warmup, now, before);
    }
    if !checkpoint_is_fixed && let Some(checkpoint_every) = raw.checkpoint_every {
        let tick = raw.sample_every.unwrap_or(Span::ZERO);
        raw.checkpoint_every = Some(in_proportion(checkpoint_every, now, before).max(tick));
    }
}

fn in_proportion(span: Span, now: Span, before: Span) -> Span {
    let millis = u128::from(span.as_millis()) * u128::from(now.as_millis()) / u128::from(before.as_millis()).max(1);
    Span::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

/// Keeps the arms of these names; all where none is given.
pub(super) fn keep_arms(scenario: &mut Scenario, names: &[String]) -> Result<(), ScenarioError> {
    for name in names {
        if scenario.arms.iter().all(|arm| arm.name != *name) {
            let known: Vec<String> = scenario.arms.iter().map(|arm| arm.name.clone()).collect();
            return Err(ScenarioError::NoSuchItem {
                flag: format!("--arm {name}"),
                key: format!("arms.{name}"),
                nearest: nearest(name, known.iter().map(String::as_str)),
                known,
            });
        }
    }
    if !names.is_empty() {
        scenario.arms.retain(|arm| names.contains(&arm.name));
    }
    Ok(())
}

/// Shares `count` containers out over the groups by largest remainder; groups that get none are left out.
pub(super) fn scale_containers(scenario: &mut Scenario, count: u32) -> Result<(), ScenarioError> {
    if !(1..=MAX_CONTAINERS).contains(&count) {
        return Err(ScenarioError::Rule {
            place: format!("`--containers {count}`"),
            key: "containers".to_owned(),
            problem: format!("cannot be {count} in all"),
            remedy: format!("use 1 to {MAX_CONTAINERS}"),
        });
    }
    let counts: Vec<u32> = scenario.containers.iter().map(|group| group.count).collect();
    for (group, share) in scenario.containers.iter_mut().zip(shares(&counts, count)) {
        group.count = share;
    }
    scenario.containers.retain(|group| group.count > 0);
    Ok(())
}

/// `total` in proportion to `weights`, each of them 1 at least where `total` allows.
///
/// One by one to whoever is owed most: so every share is its exact quota, rounded down or up by largest remainder.
fn shares(weights: &[u32], total: u32) -> Vec<u32> {
    let all: i64 = weights.iter().copied().map(i64::from).sum();
    let at_least = u32::from(total as usize >= weights.len());
    let mut shares = vec![at_least; weights.len()];
    let given: u32 = shares.iter().sum();
    for _ in given..total {
        let owed = |index: &usize| i64::from(total) * i64::from(weights[*index]) - i64::from(shares[*index]) * all;
        // The first of equals, so that the outcome follows the order of the file.
        let Some(next) = (0..weights.len()).rev().max_by_key(owed) else {
            break;
        };
        shares[next] += 1;
    }
    shares
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn containers_are_shared_out_by_largest_remainder() {
        for (weights, total, expected) in [
            (vec![4, 2, 2], 8, vec![4, 2, 2]),
            (vec![4, 2, 2], 16, vec![8, 4, 4]),
            (vec![4, 2, 2], 4, vec![2, 1, 1]),
            (vec![4, 2, 2], 9, vec![5, 2, 2]),
            (vec![4, 2, 2], 3, vec![1, 1, 1]),
            (vec![4, 2, 2], 2, vec![1, 1, 0]),
            (vec![4, 2, 2], 1, vec![1, 0, 0]),
            (vec![98, 1, 1], 10, vec![8, 1, 1]),
        ] {
            assert_eq!(shares(&weights, total), expected, "{total} over {weights:?}");
        }
    }

    proptest! {
        #[test]
        fn shares_add_up_and_leave_nobody_out(
            weights in prop::collection::vec(1..500_u32, 1..8),
            total in 1..1_000_u32,
        ) {
            let shares = shares(&weights, total);
            prop_assert_eq!(shares.iter().sum::<u32>(), total);
            prop_assert!((total as usize) < weights.len() || shares.iter().all(|share| *share > 0));
        }

        #[test]
        fn an_unchanged_total_changes_nothing(weights in prop::collection::vec(1..500_u32, 1..8)) {
            prop_assert_eq!(shares(&weights, weights.iter().sum()), weights);
        }
    }
}
