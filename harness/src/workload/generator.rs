//! A workload step by step: which lines are due, and when the next one is.
//!
//! The one generator of all lines: a real container's process drives it with its own clock, the embedded engine
//! drives one per container from a single thread.

use std::time::Duration;

use leaksoak_strategies::line::StreamKind;

use super::line;
use super::{End, Ended, Workload};
use crate::clock::unix_ns;

/// Lines that one step prints at most: a workload that has fallen behind must still hear that it is to end.
pub const AT_ONCE: u64 = 4_096;

/// A workload, and how far it has come.
#[derive(Debug)]
pub struct Generator {
    workload: Workload,
    printed: u64,
    line: Vec<u8>,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// A line is due at this time since the start.
    At(Duration),
    /// No line is ever due; it waits to be asked to end.
    Never,
    /// It has ended.
    Ended(Ended),
}

impl Generator {
    /// A workload that has printed nothing.
    #[must_use]
    pub fn new(workload: Workload) -> Self {
        Self { workload, printed: 0, line: Vec::new() }
    }

    /// When to call [`print_due`](Self::print_due) first.
    #[must_use]
    pub fn first(&self) -> Next {
        // A workload of no lines ends at once, but as every other: by its first step.
        if self.workload.lines == Some(0) { Next::At(Duration::ZERO) } else { self.next() }
    }

    /// Prints the lines that are due by `elapsed`, [`AT_ONCE`] at most, and tells what comes next: where more are due, a
    /// time that is past. A line has its newline.
    ///
    /// # Errors
    /// Those of `print`.
    pub fn print_due<E>(
        &mut self,
        elapsed: Duration,
        mut print: impl FnMut(StreamKind, &[u8]) -> Result<(), E>,
    ) -> Result<Next, E> {
        let due = self.workload.pace.due_by(elapsed).min(self.workload.lines.unwrap_or(u64::MAX));
        let due = due.min(self.printed + AT_ONCE);
        while self.printed < due {
            self.printed += 1;
            self.line.clear();
            let Workload { container, line_bytes, stderr_every, .. } = &self.workload;
            line::write(&mut self.line, container, self.printed, unix_ns(), *line_bytes);
            let to_stderr = stderr_every.is_some_and(|every| self.printed.is_multiple_of(every.get()));
            print(if to_stderr { StreamKind::Stderr } else { StreamKind::Stdout }, &self.line)?;
        }
        if self.workload.lines.is_none_or(|lines| self.printed < lines) {
            return Ok(self.next());
        }
        Ok(Next::Ended(match self.workload.end {
            End::Crash => Ended::Crash,
            End::Code(_) => self.print_final(print)?,
        }))
    }

    /// Prints the final line: it was asked to end, or has printed all its lines.
    ///
    /// # Errors
    /// Those of `print`.
    pub fn print_final<E>(&mut self, mut print: impl FnMut(StreamKind, &[u8]) -> Result<(), E>) -> Result<Ended, E> {
        self.line.clear();
        line::write_final(&mut self.line, &self.workload.container, self.printed + 1, unix_ns());
        print(StreamKind::Stdout, &self.line)?;
        Ok(Ended::Code(self.workload.end.when_asked()))
    }

    fn next(&self) -> Next {
        self.workload.pace.due_at(self.printed + 1).map_or(Next::Never, Next::At)
    }
}
