//! The exit codes of `leaksoak`, and which error ends in which.

use std::process::ExitCode;

/// How a command ended. The numbers are documented in the README and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It did what was asked; a run: every arm passed, every control failed.
    Pass = 0,
    /// An arm failed a criterion.
    Fail = 1,
    /// The command line or the scenario is wrong.
    Usage = 2,
    /// The run was too short, or too noisy, to tell.
    Inconclusive = 3,
    /// The run could not have told: an arm did not do its work, or a control did not fail.
    Invalid = 4,
    /// The surroundings: no engine, no permission, no space.
    Environment = 5,
    /// The user interrupted it.
    Interrupted = 130,
}

impl Exit {
    /// As the system is told.
    #[must_use]
    pub fn code(self) -> ExitCode {
        ExitCode::from(self as u8)
    }
}

/// An error as the command line tells it: its words, and the exit code.
#[derive(Debug)]
pub struct Failure {
    /// How the command ends.
    pub exit: Exit,
    /// What, which, why, and what to do.
    pub message: String,
}

impl Failure {
    /// The command line or the scenario is wrong.
    pub fn usage(error: impl std::fmt::Display) -> Self {
        Self { exit: Exit::Usage, message: error.to_string() }
    }

    /// The surroundings do not allow it.
    pub fn environment(error: impl std::fmt::Display) -> Self {
        Self { exit: Exit::Environment, message: error.to_string() }
    }
}
