//! The conversations, by what they are about. Each makes its own containers, and runs on any engine.

use crate::session::Session;

pub(crate) mod clients;
mod errors;
mod events;
mod follow;
mod images;
mod inspect;
mod lifecycle;
mod list;
mod logs;
mod rotation;
mod stats_top;
mod system;
mod wait;

/// One conversation.
pub(crate) type Scenario = fn(&mut Session<'_>);

/// Scenarios under their own names.
macro_rules! scenarios {
    ($($name:ident),* $(,)?) => {
        pub(super) const ALL: &[(&str, super::Scenario)] = &[$((stringify!($name), $name)),*];
    };
}
use scenarios;

/// Every scenario, as `area::name`.
pub(crate) fn all() -> Vec<(String, Scenario)> {
    let areas: &[(&str, &[(&str, Scenario)])] = &[
        ("lifecycle", lifecycle::ALL),
        ("logs", logs::ALL),
        ("follow", follow::ALL),
        ("rotation", rotation::ALL),
        ("wait", wait::ALL),
        ("list", list::ALL),
        ("inspect", inspect::ALL),
        ("events", events::ALL),
        ("stats_top", stats_top::ALL),
        ("images", images::ALL),
        ("system", system::ALL),
        ("errors", errors::ALL),
        ("clients", clients::ALL),
    ];
    areas
        .iter()
        .flat_map(|(area, scenarios)| scenarios.iter().map(move |(name, run)| (format!("{area}::{name}"), *run)))
        .collect()
}

/// The time of a line, as `since` and `until` take it: seconds and nanoseconds since 1970.
fn unix(time: &str) -> (u64, u32) {
    let seconds = humantime::parse_rfc3339_weak(&time[..19]).unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
    (seconds.as_secs(), time[20..29].parse().unwrap())
}
