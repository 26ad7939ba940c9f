//! The lives of an arm: from each start of its process to its end.

use crate::record::Recording;
use crate::record::events::{Event, Exit};

/// One process of an arm.
#[derive(Debug, Clone, PartialEq)]
pub struct Life {
    /// When it was started, seconds since the run's zero; usually before it.
    pub start_s: f64,
    /// How and when it ended; `None`: it was still up when the recording ended.
    pub end: Option<End>,
}

/// The end of a process.
#[derive(Debug, Clone, PartialEq)]
pub struct End {
    /// When, seconds since the run's zero.
    pub at_s: f64,
    /// How.
    pub exit: Exit,
    /// The harness asked for it.
    pub expected: bool,
    /// The line of its stderr that tells why, else the last one.
    pub last_words: Option<String>,
}

impl Life {
    /// The lives of one arm, in order of time. Empty: no start was recorded.
    #[must_use]
    pub fn all_of(recording: &Recording, arm: &str) -> Vec<Self> {
        let mut lives: Vec<Self> = Vec::new();
        for record in &recording.events {
            match &record.event {
                Event::ArmStarted { arm: name, .. } if name == arm => {
                    lives.push(Self { start_s: record.elapsed_s, end: None });
                }
                Event::ArmExited { arm: name, exit, expected, last_words } if name == arm => {
                    let end = End {
                        at_s: record.elapsed_s,
                        exit: *exit,
                        expected: *expected,
                        last_words: last_words.clone(),
                    };
                    if let Some(life) = lives.last_mut().filter(|life| life.end.is_none()) {
                        life.end = Some(end);
                    }
                }
                _ => {}
            }
        }
        lives
    }

    /// When it stopped being up, as far as it counts: an end that the harness asked for is none.
    #[must_use]
    pub fn down_s(&self) -> f64 {
        self.death().map_or(f64::INFINITY, |end| end.at_s)
    }

    /// Its end, where nobody had asked for it.
    #[must_use]
    pub fn death(&self) -> Option<&End> {
        self.end.as_ref().filter(|end| !end.expected)
    }

    /// Seconds of it within `from_s..to_s`.
    #[must_use]
    pub fn within(&self, from_s: f64, to_s: f64) -> f64 {
        (self.down_s().min(to_s) - self.start_s.max(from_s)).max(0.0)
    }
}
