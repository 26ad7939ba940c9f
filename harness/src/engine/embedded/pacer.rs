//! The thread that prints: the workloads of all running containers, each line into its container's log when it is due.
//!
//! It has nothing to do with the threads that answer requests, so that no reader and no request can hold up a line. It
//! wakes when the next line of any container is due, but at most once in [`QUANTUM`]: with a thousand containers, lines
//! that are due within a millisecond are printed together.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::sync::mpsc::UnboundedSender;

use super::lifecycle::SIGNALLED;
use super::log::Log;
use crate::workload::generator::{Generator, Next};
use crate::workload::{Ended, Workload};

/// Shortest time between two wakes.
const QUANTUM: Duration = Duration::from_millis(1);

/// Longest time that it prints without a look at what it is asked to do. Only one that cannot keep up takes so long.
const TURN: Duration = Duration::from_millis(20);

/// A container's place in the pacer: its number, which is never given twice.
pub type Key = u64;

/// A workload that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// Whose.
    pub key: Key,
    /// Of which run.
    pub run: u64,
    /// As the engine tells it.
    pub exit_code: i64,
}

/// Where a workload's lines go, and where the time is booked that they take.
#[derive(Debug, Clone)]
pub struct Output {
    /// Its log.
    pub log: Arc<Log>,
    /// Nanoseconds.
    pub busy_ns: Arc<AtomicU64>,
}

/// Something for the pacer to do.
#[derive(Debug)]
enum Command {
    Run { key: Key, run: u64, workload: Box<Workload>, output: Output },
    Send { key: Key, signal: Signal },
    Hold(Key),
    Release(Key),
}

/// The running pacer. It ends when this is dropped.
#[derive(Debug)]
pub struct Pacer {
    commands: Option<mpsc::Sender<Command>>,
    thread: Option<JoinHandle<()>>,
}

impl Pacer {
    /// Starts the thread; ends of workloads are told to `ends`.
    ///
    /// # Errors
    /// A thread cannot be made.
    pub fn start(ends: UnboundedSender<End>) -> io::Result<Self> {
        let (commands, inbox) = mpsc::channel();
        let thread = std::thread::Builder::new().name("pacer".into()).spawn(move || Jobs::new(ends).run(&inbox))?;
        Ok(Self { commands: Some(commands), thread: Some(thread) })
    }

    /// Starts a container's workload.
    pub fn run(&self, key: Key, run: u64, workload: Workload, output: Output) {
        self.command(Command::Run { key, run, workload: Box::new(workload), output });
    }

    /// Hands a signal to a container's workload. As process 1 of a container it ignores what it does not handle.
    pub fn send(&self, key: Key, signal: Signal) {
        self.command(Command::Send { key, signal });
    }

    /// Holds a container's workload.
    pub fn hold(&self, key: Key) {
        self.command(Command::Hold(key));
    }

    /// Lets a held workload go on. What has become due meanwhile is printed at once.
    pub fn release(&self, key: Key) {
        self.command(Command::Release(key));
    }

    fn command(&self, command: Command) {
        // The thread lives until this is dropped.
        let _ = self.commands.as_ref().map(|commands| commands.send(command));
    }
}

impl Drop for Pacer {
    fn drop(&mut self) {
        self.commands = None;
        // It has nothing to say; a panic was said on stderr.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// A running workload.
#[derive(Debug)]
struct Job {
    run: u64,
    generator: Generator,
    output: Output,
    start: Instant,
    held: bool,
    /// The one entry of it in `due` that still counts.
    turn: u64,
}

struct Jobs {
    running: HashMap<Key, Job>,
    /// When whose next line is due, and in which turn. Entries whose turn is over are passed over.
    due: BinaryHeap<Reverse<(Instant, Key, u64)>>,
    turns: u64,
    ends: UnboundedSender<End>,
    block: Vec<u8>,
    last_complaint: Option<Instant>,
}

impl Jobs {
    fn new(ends: UnboundedSender<End>) -> Self {
        Self {
            running: HashMap::new(),
            due: BinaryHeap::new(),
            turns: 0,
            ends,
            block: Vec::new(),
            last_complaint: None,
        }
    }

    fn run(mut self, inbox: &mpsc::Receiver<Command>) {
        let mut last_wake = Instant::now();
        loop {
            let next = self.due.peek().map(|Reverse((at, ..))| (*at).max(last_wake + QUANTUM));
            let received = match next {
                Some(at) => inbox.recv_timeout(at.saturating_duration_since(Instant::now())),
                None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match received {
                Ok(command) => self.carry_out(command),
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    last_wake = Instant::now();
                    self.print_due(last_wake);
                }
            }
        }
    }

    fn carry_out(&mut self, command: Command) {
        match command {
            Command::Run { key, run, workload, output } => {
                let start = Instant::now();
                let generator = Generator::new(*workload);
                let first = generator.first();
                self.running.insert(key, Job { run, generator, output, start, held: false, turn: 0 });
                self.schedule(key, first);
            }
            Command::Send { key, signal: Signal::TERM | Signal::INT } => {
                let Some(job) = self.running.get_mut(&key) else { return };
                let mut writer = job.output.log.write(&mut self.block);
                let Ok(ended) = job.generator.print_final(|stream, line| {
                    writer.line(stream, line);
                    Ok::<_, Infallible>(())
                });
                let written = writer.finish();
                self.complain(written);
                self.end(key, exit_code(ended));
            }
            Command::Send { key, signal: Signal::KILL } => self.end(key, SIGNALLED + i64::from(Signal::KILL.as_raw())),
            // Nothing handles it.
            Command::Send { .. } => {}
            Command::Hold(key) => {
                if let Some(job) = self.running.get_mut(&key) {
                    job.held = true;
                }
            }
            Command::Release(key) => {
                let Some(job) = self.running.get_mut(&key) else { return };
                job.held = false;
                self.schedule(key, Next::At(Duration::ZERO));
            }
        }
    }

    fn print_due(&mut self, now: Instant) {
        while let Some(Reverse((at, key, turn))) = self.due.peek().copied()
            && at <= now
            && now.elapsed() < TURN
        {
            self.due.pop();
            let Some(job) = self.running.get_mut(&key).filter(|job| job.turn == turn && !job.held) else { continue };
            let began = Instant::now();
            let mut writer = job.output.log.write(&mut self.block);
            let Ok(next) = job.generator.print_due(job.start.elapsed(), |stream, line| {
                writer.line(stream, line);
                Ok::<_, Infallible>(())
            });
            let written = writer.finish();
            let busy = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
            job.output.busy_ns.fetch_add(busy, Ordering::Relaxed);
            self.complain(written);
            self.schedule(key, next);
        }
    }

    /// What comes next for a job; whatever was to come for it before does not.
    fn schedule(&mut self, key: Key, next: Next) {
        let Some(job) = self.running.get_mut(&key) else { return };
        self.turns += 1;
        job.turn = self.turns;
        match next {
            Next::At(after) => self.due.push(Reverse((job.start + after, key, job.turn))),
            Next::Never => {}
            Next::Ended(ended) => self.end(key, exit_code(ended)),
        }
    }

    /// Says once in a while that lines were lost; `GET /info` has their number.
    fn complain(&mut self, written: io::Result<()>) {
        const EVERY: Duration = Duration::from_secs(10);
        if let Err(error) = written
            && self.last_complaint.is_none_or(|last| last.elapsed() >= EVERY)
        {
            self.last_complaint = Some(Instant::now());
            eprintln!("leaksoak engine: lines of containers are lost: {error}");
        }
    }

    fn end(&mut self, key: Key, exit_code: i64) {
        if let Some(job) = self.running.remove(&key) {
            // Nobody listens only when the engine is ending.
            let _ = self.ends.send(End { key, run: job.run, exit_code });
        }
    }
}

fn exit_code(ended: Ended) -> i64 {
    match ended {
        Ended::Code(code) => code.into(),
        // PID 1 of a container ignores SIGABRT; what abort() does then is a fault.
        Ended::Crash => SIGNALLED + i64::from(Signal::SEGV.as_raw()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::embedded::log::Rotation;
    use crate::workload::End as How;
    use crate::workload::pace::Pace;

    struct Place {
        _dir: tempfile::TempDir,
        log: Arc<Log>,
        pacer: Pacer,
        ends: tokio::sync::mpsc::UnboundedReceiver<End>,
    }

    /// A pacer whose container 1 prints `lines` lines, as fast as it can.
    fn running(lines: Option<u64>, pace: Pace, end: How) -> Place {
        let dir = tempfile::tempdir().unwrap();
        let log = Arc::new(Log::new(dir.path().join("log"), Rotation::default(), false));
        log.begin_run().unwrap();
        let (tell, ends) = tokio::sync::mpsc::unbounded_channel();
        let pacer = Pacer::start(tell).unwrap();
        let workload = Workload { container: "c01".into(), pace, line_bytes: 0, stderr_every: None, lines, end };
        pacer.run(1, 1, workload, Output { log: Arc::clone(&log), busy_ns: Arc::default() });
        Place { _dir: dir, log, pacer, ends }
    }

    fn lines(log: &Log) -> usize {
        std::fs::read_to_string(log.path()).unwrap().lines().count()
    }

    #[test]
    fn a_workload_prints_its_lines_and_its_end_is_told() {
        let mut place = running(Some(500), Pace::steady(1e6), How::Code(3));
        assert_eq!(place.ends.blocking_recv(), Some(End { key: 1, run: 1, exit_code: 3 }));
        assert_eq!(lines(&place.log), 501);
    }

    #[test]
    fn a_crash_is_told_as_the_signal_s_number() {
        let mut place = running(Some(1), Pace::steady(1e6), How::Crash);
        assert_eq!(place.ends.blocking_recv(), Some(End { key: 1, run: 1, exit_code: 139 }));
    }

    #[test]
    fn a_silent_workload_prints_its_final_line_when_it_is_asked_to_end() {
        let mut place = running(None, Pace::Silent, How::Code(0));
        place.pacer.send(1, Signal::HUP);
        place.pacer.send(1, Signal::TERM);
        assert_eq!(place.ends.blocking_recv(), Some(End { key: 1, run: 1, exit_code: 0 }));
        assert_eq!(lines(&place.log), 1);
    }

    #[test]
    fn a_killed_one_prints_nothing_more() {
        let mut place = running(None, Pace::Silent, How::Code(0));
        place.pacer.send(1, Signal::KILL);
        assert_eq!(place.ends.blocking_recv(), Some(End { key: 1, run: 1, exit_code: 137 }));
        assert_eq!(lines(&place.log), 0);
    }

    #[test]
    fn one_that_was_held_and_released_often_goes_on_as_before() {
        let mut place = running(Some(200), Pace::steady(2_000.0), How::Code(0));
        for _ in 0..50 {
            place.pacer.hold(1);
            place.pacer.release(1);
        }
        assert_eq!(place.ends.blocking_recv(), Some(End { key: 1, run: 1, exit_code: 0 }));
        assert_eq!(lines(&place.log), 201);
    }
}
