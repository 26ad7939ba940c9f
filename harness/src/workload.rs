//! The workload: what runs in each disposable container.
//!
//! It prints numbered, timestamped lines at a given pace, and on SIGTERM a final one with the last number, so
//! that lines lost at the head and at the tail can be counted too. It needs nothing but its own executable: no
//! network, no writable file, two threads, about 3 MiB.
//!
//! Pacing is by absolute deadlines on the monotonic clock, so it does not drift; a workload that was held up
//! (its stdout blocked, its processor taken) prints at once what has become due.

use std::io::{self, Write};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::clock::unix_ns;
use pace::Pace;

pub mod line;
pub mod pace;

/// Lines are handed to the kernel in blocks of at most this many bytes, whole lines each.
const BLOCK_BYTES: usize = 64 * 1024;

/// What to print.
#[derive(Debug, Clone)]
pub struct Workload {
    /// The `c=` of every line.
    pub container: String,
    /// When to print.
    pub pace: Pace,
    /// Length of a line without its newline.
    pub line_bytes: usize,
}

impl Workload {
    /// Prints to standard output until SIGTERM or SIGINT, then prints the final line.
    ///
    /// # Errors
    /// Standard output is closed, or signals cannot be caught.
    pub fn run(&self) -> io::Result<()> {
        let (stop, stopped) = mpsc::channel();
        let mut signals = Signals::new([SIGTERM, SIGINT])?;
        let handle = signals.handle();
        let watcher = std::thread::spawn(move || {
            if signals.forever().next().is_some() {
                // The receiver is gone only when the workload has already ended by an error.
                let _ = stop.send(());
            }
        });
        let start = Instant::now();
        let result = self.print(&mut io::stdout().lock(), |until| {
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

    /// Prints to `out`. `wait` blocks until the given time since the start (`None`: for ever), and answers the
    /// time it is then, or `None` when the workload is to end.
    fn print(
        &self,
        out: &mut impl Write,
        mut wait: impl FnMut(Option<Duration>) -> Option<Duration>,
    ) -> io::Result<()> {
        let mut block = Vec::with_capacity(BLOCK_BYTES.min(4 * self.line_bytes + 256));
        let mut printed = 0;
        while let Some(now) = wait(self.pace.due_at(printed + 1)) {
            let due = self.pace.due_by(now);
            while printed < due {
                printed += 1;
                line::write(&mut block, &self.container, printed, unix_ns(), self.line_bytes);
                if block.len() + self.line_bytes > BLOCK_BYTES {
                    out.write_all(&block)?;
                    block.clear();
                }
            }
            out.write_all(&block)?;
            out.flush()?;
            block.clear();
        }
        line::write_final(&mut block, &self.container, printed + 1, unix_ns());
        out.write_all(&block)?;
        out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pace: Pace, until: &[u64]) -> Vec<String> {
        let mut times = until.iter();
        let mut out = Vec::new();
        let workload = Workload { container: "c01".into(), pace, line_bytes: 80 };
        workload.print(&mut out, |_| times.next().map(|ms| Duration::from_millis(*ms))).unwrap();
        String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
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
}
