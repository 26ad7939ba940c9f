//! What one reading of one subject costs, whatever the subject holds.
//!
//! The subject is a child process that opens so many FDs, or starts so many threads, and waits. The readdir row is
//! the price that `stat` of /proc/PID/fd saves.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

use divan::Bencher;
use leaksoak::sampler::process::{Depth, ProcessReader};

/// Asked of the child through this variable: `<fds> <threads>`.
const ROLE: &str = "LEAKSOAK_BENCH_SUBJECT";

fn main() {
    match std::env::var(ROLE) {
        Ok(role) => subject(&role),
        Err(_) => divan::main(),
    }
}

/// Holds what it was asked to, says so, and ends with its standard input.
fn subject(role: &str) {
    let mut counts = role.split(' ').map(|count| count.parse::<usize>().expect("two numbers"));
    let (fds, threads) = (counts.next().unwrap_or(0), counts.next().unwrap_or(0));
    let files: Vec<_> =
        (0..fds).map(|_| std::fs::File::open("/dev/null").expect("the open-files limit allows it")).collect();
    for _ in 0..threads {
        std::thread::Builder::new().stack_size(64 * 1024).spawn(std::thread::park).expect("a thread");
    }
    std::io::stdout().write_all(b"x").expect("the bench listens");
    std::io::stdout().flush().expect("the bench listens");
    std::io::stdin().read_to_end(&mut Vec::new()).expect("standard input");
    drop(files);
}

struct Subject(Child);

impl Subject {
    fn with(fds: usize, threads: usize) -> Self {
        let mut child = Command::new("/proc/self/exe")
            .env(ROLE, format!("{fds} {threads}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this executable starts again");
        child.stdout.as_mut().expect("piped").read_exact(&mut [0]).expect("the subject is ready");
        Self(child)
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().expect("the subject ends");
    }
}

#[divan::bench(args = [(50, 0), (19_000, 0), (50, 1_000)])]
fn tick(bencher: Bencher, (fds, threads): (usize, usize)) {
    let subject = Subject::with(fds, threads);
    let reader = ProcessReader::open(subject.0.id()).expect("it lives");
    bencher.bench_local(|| reader.read(Depth::Tick).expect("it lives"));
}

#[divan::bench(args = [50, 19_000])]
fn readdir_instead(bencher: Bencher, fds: usize) {
    let subject = Subject::with(fds, 0);
    let directory = format!("/proc/{}/fd", subject.0.id());
    bencher.bench_local(|| std::fs::read_dir(&directory).expect("it lives").count());
}
