//! Statistics over a recording: which samples are judged, how fast they grow, and what each arm cost.
//!
//! Every rate travels with its interval. What cannot be computed says why; nothing is assumed in its place.
//! Nothing here knows a limit: that is the business of [`crate::verdict`].

pub mod attribution;
mod batches;
pub mod compare;
pub mod cost;
mod cycle;
pub mod engine_side;
pub mod estimate;
pub mod growth;
pub mod lives;
pub mod per_operation;
pub mod rate_tracker;
pub mod reading;
pub mod series;
pub mod shape;
mod stages;
pub mod timeline;
pub mod trend;

pub use attribution::GroupGrowth;
pub use compare::{Comparison, Profile, Quantity};
pub use cost::Cost;
pub use engine_side::EngineSide;
pub use estimate::Estimate;
pub use growth::{Metric, Window};
pub use lives::Life;
pub use per_operation::{Operation, PerOperation};
pub use rate_tracker::{RateTracker, Rates};
pub use reading::{Growth, Known};
pub use series::Excluded;
pub use shape::{Aside, Shape};
pub use timeline::{Timeline, Turn};
pub use trend::{NoTrend, Trend, trend};
