//! What leaksoak asks: scenarios as validated types, and the catalogue of built-in ones.
//!
//! A scenario is a TOML file: the containers and their load, the arms, the criteria. [`load()`] reads one by name or
//! by path, applies what the command line changes, and gives a [`Scenario`] with nothing left to check, or a
//! [`ScenarioError`] that names the place, the key, the value and the remedy.
//!
//! This crate depends on nothing else of leaksoak, runs nothing and measures nothing.

pub mod catalog;

mod criteria;
mod delivery;
mod document;
mod engine_fault;
mod error;
mod load;
mod overrides;
mod raw;
mod scenario;
mod units;

pub use criteria::{Criteria, GrowthBy};
pub use delivery::Delivery;
pub use engine_fault::{EngineFault, EngineFaultKind};
pub use error::ScenarioError;
pub use load::{Overrides, load};
pub use scenario::{
    Arm, ContainerGroup, Expect, Fallback, Http, Load, LogRotation, Mistake, Protection, Restart, Scenario, SinkFault,
    SinkFaultKind, SinkRules, Stage, Strategy,
};
pub use units::{Bytes, Rate, Span, UnitError};
