//! The workload: what runs in each disposable container.
//!
//! It prints numbered, timestamped lines at a given pace, and on SIGTERM a final one with the last number, so
//! that lines lost at the head and at the tail can be counted too. It needs nothing but its own executable: no
//! network, no writable file, two threads, about 3 MiB.
//!
//! Pacing is by absolute deadlines on the monotonic clock, so it does not drift; a workload that was held up
//! (its stdout blocked, its processor taken) prints at once what has become due.

use std::io::{self, Write};
use std::num::NonZeroU64;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use generator::{Generator, Next};
use pace::Pace;

pub mod arguments;
pub mod generator;
pub mod line;
pub mod pace;

/// Lines are handed to the kernel in blocks of at most this many bytes, whole lines each.
const BLOCK_BYTES: usize = 64 * 1024;

/// What to print, and how to end.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// The `c=` of every line.
    pub container: String,
    /// When to print.
    pub pace: Pace,
    /// Length of a line without its newline.
    pub line_bytes: usize,
    /// Every so many-th line goes to standard error; `None`: none does.
    pub stderr_every: Option<NonZeroU64>,
    /// Ends by itself after so many lines; `None`: only when it is asked to.
    pub lines: Option<u64>,
    /// How it ends after its lines.
    pub end: End,
}

/// How a workload ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With its final line and this exit code, which it also ends with when it is asked to.
    Code(u8),
    /// By SIGABRT, without a final line. Asked to, it ends with 0. As PID 1 of a container, which ignores that signal, it
    /// ends by SIGSEGV: there the exit code is 139.
    Crash,
}

/// How a workload has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Its process is to exit with this code.
    Code(u8),
    /// Its process is to abort.
    Crash,
}

impl End {
    /// The exit code of a workload that was asked to end.
    #[must_use]
    pub fn when_asked(self) -> u8 {
        match self {
            Self::Code(code) => code,
            Self::Crash => 0,
        }
    }
}

impl Workload {
    /// Prints to standard output (and standard error) until its lines are printed, or until SIGTERM or SIGINT.
    ///
    /// # Errors
    /// Standard output is closed, or signals cannot be caught.
    pub fn run(&self) -> io::Result<Ended> {
        let (stop, stopped) = mpsc::channel();
        let mut signals = Signals::new([SIGTERM, SIGINT])?;
        let handle = signals.handle();
        let watcher = std::thread::spawn(move || {
            if signals.forever().next().is_some() {
                // The receiver is gone only when the workload has already ended.
                let _ = stop.send(());
            }
        });
        let start = Instant::now();
        let outputs = [Block::new(io::stdout().lock()), Block::new(io::stderr().lock())];
        let result = self.print(outputs, |until| {
            let wait = until.map(|at| at.saturating_sub(start.elapsed()));
            match wait {
                Some(wait) => match stopped.recv_timeout(wait) {
                    Err(RecvTimeoutError::Timeout) => Some(start.elapsed()),
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => None,
                },
                None => stopped.recv().ok().and(None),
            }
        });
        handle.close();
        // It ends by `close`; it can only have panicked in `Signals`, which then was said on stderr.
        let _ = watcher.join();
        result
    }

    /// Prints to `outputs`. `wait` blocks until the given time since the start (`None`: for ever), and answers the
    /// time it is then, or `None` when the workload is to end.
    fn print(
        &self,
        mut outputs: [Block<'_>; 2],
        mut wait: impl FnMut(Option<Duration>) -> Option<Duration>,
    ) -> io::Result<Ended> {
        let mut generator = Generator::new(self.clone());
        let mut next = generator.first();
        let ended = loop {
            let until = match next {
                Next::At(at) => Some(at),
                Next::Never => None,
                Next::Ended(ended) => break ended,
            };
            match wait(until) {
                Some(now) => next = generator.print_due(now, |stream, line| outputs[stream as usize].add(line))?,
                None => break generator.print_final(|stream, line| outputs[stream as usize].add(line))?,
            }
            for output in &mut outputs {
                output.flush()?;
            }
        };
        for output in &mut outputs {
            output.flush()?;
        }
        Ok(ended)
    }
}

/// Whole lines on their way to one output.
struct Block<'o> {
    out: Box<dyn Write + 'o>,
    lines: Vec<u8>,
}

impl<'o> Block<'o> {
    fn new(out: impl Write + 'o) -> Self {
        Self { out: Box::new(out), lines: Vec::new() }
    }

    fn add(&mut self, line: &[u8]) -> io::Result<()> {
        if !self.lines.is_empty() && self.lines.len() + line.len() > BLOCK_BYTES {
            self.out.write_all(&self.lines)?;
            self.lines.clear();
        }
        self.lines.extend_from_slice(line);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.write_all(&self.lines)?;
        self.lines.clear();
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDINARY: Workload = Workload {
        container: String::new(),
        pace: Pace::Silent,
        line_bytes: 80,
        stderr_every: None,
        lines: None,
        end: End::Code(0),
    };

    fn printed(workload: &Workload, until: &[u64]) -> ([Vec<String>; 2], Ended) {
        let mut times = until.iter();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let outputs = [Block::new(&mut out), Block::new(&mut err)];
        let ended = workload.print(outputs, |_| times.next().map(|ms| Duration::from_millis(*ms))).unwrap();
        let lines = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect();
        ([lines(out), lines(err)], ended)
    }

    fn lines(pace: Pace, until: &[u64]) -> Vec<String> {
        let workload = Workload { container: "c01".into(), pace, ..ORDINARY };
        let ([out, err], ended) = printed(&workload, until);
        assert_eq!((err.len(), ended), (0, Ended::Code(0)));
        out
    }

    #[test]
    fn what_became_due_while_held_up_is_printed_at_once() {
        let printed = lines(Pace::steady(10.0), &[0, 100, 1_050]);
        assert_eq!(printed.len(), 11 + 1);
        assert!(printed[..11].iter().all(|line| line.len() == 80));
    }

    #[test]
    fn a_silent_workload_prints_its_final_line_alone() {
        let printed = lines(Pace::Silent, &[]);
        assert_eq!(printed.len(), 1);
        assert!(printed[0].starts_with("soak c=c01 seq=1 t=") && printed[0].ends_with(" end"), "{printed:?}");
    }

    #[test]
    fn it_ends_by_itself_after_its_lines() {
        let workload = Workload {
            container: "c01".into(),
            pace: Pace::steady(10.0),
            lines: Some(3),
            end: End::Code(7),
            ..ORDINARY
        };
        let ([out, _], ended) = printed(&workload, &[0, 100, 900]);
        assert_eq!((out.len(), ended), (3 + 1, Ended::Code(7)));
        assert!(out[3].contains("seq=4 ") && out[3].ends_with(" end"), "{out:?}");
    }

    #[test]
    fn a_crash_leaves_no_final_line() {
        let workload =
            Workload { container: "c01".into(), pace: Pace::steady(10.0), lines: Some(2), end: End::Crash, ..ORDINARY };
        let ([out, _], ended) = printed(&workload, &[900]);
        assert_eq!((out.len(), ended), (2, Ended::Crash));
    }

    #[test]
    fn every_so_many_th_line_goes_to_standard_error() {
        let workload = Workload {
            container: "c01".into(),
            pace: Pace::steady(10.0),
            stderr_every: NonZeroU64::new(3),
            ..ORDINARY
        };
        let ([out, err], _) = printed(&workload, &[650]);
        assert_eq!((out.len(), err.len()), (5 + 1, 2), "the final line is standard output's");
        assert!(err[0].contains("seq=3 ") && err[1].contains("seq=6 "), "{err:?}");
    }
}
