//! The strategies against a scripted engine and a scripted sink, over real sockets and real files.
//!
//! Engine and sink run on a thread and a runtime of their own, so that the tasks counted in a test are the arm's alone.
//! Time is real, since sockets are; nothing waits for a time to pass, only for a condition to hold ([`arm::eventually`]).

#![expect(clippy::unwrap_used, reason = "a test that meets an error fails, and this says where")]

mod archived;
mod arm;
mod busy;
mod delivery;
mod discovery;
mod engine;
mod faults;
mod host;
mod hybrid;
mod jsonlog;
mod naive;
mod pooled;
mod rotations;
mod server;
mod sink;
mod wired;
